"""Papermill executes the notebooks of a session, all in one kernel of this very environment."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jupyter_client
import nbclient.exceptions
import papermill
import papermill.engines
import papermill.exceptions
from jupyter_client.kernelspec import KernelSpecManager
from papermill.clientwrap import PapermillNotebookClient

from helpers.run import steps


class NotebookFailed(RuntimeError):
    """A notebook stopped with an error: the message names the notebook, the cell and the error."""


def run_notebook(
    name: str, output: Path, values: Mapping[str, Any], manager: jupyter_client.KernelManager
) -> None:
    """Execute a notebook into `output`, the kernel's namespace emptied; raises `NotebookFailed`."""
    try:
        papermill.execute_notebook(
            str(steps.NOTEBOOKS / f"{name}.ipynb"),
            str(output),
            parameters=dict(values),
            engine_name="fupan",
            progress_bar=False,
            cwd=str(steps.NOTEBOOKS),
            kernel_name="python3",
            manager=manager,
        )
    except papermill.exceptions.PapermillExecutionError as error:
        raise NotebookFailed(
            f"{name}, cell {error.cell_index}: {error.ename}: {error.evalue}"
        ) from error
    except (
        nbclient.exceptions.CellControlSignal,
        nbclient.exceptions.DeadKernelError,
        RuntimeError,
    ) as error:
        raise NotebookFailed(f"{name}: {type(error).__name__}: {error}") from error


class _OneKernel(papermill.engines.Engine):
    """Every notebook of a session runs in one kernel, which has its imports already."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, manager, **ignored):
        client = PapermillNotebookClient(
            nb_man,
            km=manager,
            timeout=steps.CELL_TIMEOUT,
            kernel_name=kernel_name,
            store_widget_state=False,
        )
        try:
            _empty_namespace(manager)
            return client.execute()
        finally:
            if client.kc is not None:
                client.kc.stop_channels()


papermill.engines.papermill_engines.register("fupan", _OneKernel)


@contextlib.contextmanager
def kernel() -> Iterator[jupyter_client.KernelManager]:
    """A running IPython kernel of this very environment, stopped at the end."""
    # Kernels are looked for in this environment alone: JUPYTER_PATH could bring in another one's
    # under the same name.
    environment = environment_of_a_run() | {
        "PYTHONHASHSEED": "0",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
    # Sockets of its own: by default they would all be called kernel-ipc-N in the working folder,
    # shared by every run.
    with tempfile.TemporaryDirectory(prefix="fupan-") as sockets:
        local = (
            {"transport": "ipc", "ip": str(Path(sockets) / "kernel")}
            if os.name == "posix"
            else {"transport": "tcp"}
        )
        manager = jupyter_client.KernelManager(
            kernel_name="python3",
            **local,
            client_class="jupyter_client.asynchronous.AsyncKernelClient",
            kernel_spec_manager=KernelSpecManager(
                kernel_dirs=[str(Path(sys.prefix) / "share" / "jupyter" / "kernels")]
            ),
        )
        manager.start_kernel(cwd=str(steps.NOTEBOOKS), env=environment)
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def environment_of_a_run() -> dict[str, str]:
    """The environment without the mark of a notebook that is opened by hand."""
    return {name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"}


def _empty_namespace(manager: jupyter_client.KernelManager) -> None:
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        reply = client.execute(
            "get_ipython().run_line_magic('reset', '-f -s')", silent=True, reply=True, timeout=60
        )
        if reply["content"]["status"] != "ok":
            raise RuntimeError(
                f"the kernel's namespace could not be emptied: {reply['content'].get('evalue')}"
            )
    finally:
        client.stop_channels()
