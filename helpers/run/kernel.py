"""Papermill executes the notebooks of a session, all in one kernel of this very environment."""

import contextlib
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jupyter_client
import nbclient.exceptions
import nbformat
import papermill
import papermill.engines
import papermill.exceptions
from jupyter_client.kernelspec import KernelSpecManager
from papermill.clientwrap import PapermillNotebookClient

from helpers import clean
from helpers.core import places
from helpers.run import steps

_OF_THIS_MACHINE = ("data_dir", "reports_dir")  # parameters that are not written down


class NotebookFailed(RuntimeError):
    """A notebook stopped with an error: the message names the notebook, the cell and the error."""


def run_notebook(
    name: str, output: Path, values: Mapping[str, Any], manager: jupyter_client.KernelManager
) -> None:
    """Execute a notebook into `output`, the kernel's namespace emptied; raises `NotebookFailed`."""
    try:
        papermill.execute_notebook(
            str(places.NOTEBOOKS / f"{name}.ipynb"),
            str(output),
            parameters=dict(values),
            engine_name="fupan",
            progress_bar=False,
            cwd=str(places.PROJECT),
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
    finally:
        _keep_no_path(output, values)


def _keep_no_path(output: Path, values: Mapping[str, Any]) -> None:
    """Take the paths of this machine out of an executed notebook; it ran with them."""
    if not output.exists():
        return
    notebook = nbformat.read(output, as_version=4)
    about = notebook.metadata.get("papermill", {})
    for name in _OF_THIS_MACHINE:
        about.get("parameters", {}).pop(name, None)
    for cell in notebook.cells:
        if "injected-parameters" in cell.metadata.get("tags", ()):
            lines = cell.source.splitlines(keepends=True)
            given = tuple(f"{name} =" for name in _OF_THIS_MACHINE)
            cell.source = "".join(line for line in lines if not line.startswith(given))
    short = _shortened(notebook, _folders(values))
    nbformat.write(nbformat.from_dict(short), output)


def _shortened(part: Any, folders: re.Pattern[str]) -> Any:
    """A part of a notebook with `…` for these folders in each of its texts; pictures are none."""
    if isinstance(part, str):
        return folders.sub("…", part)
    if isinstance(part, list):
        return [_shortened(item, folders) for item in part]
    if isinstance(part, dict):
        pictures = {name for name in part if name.startswith("image/")} - {"image/svg+xml"}
        return {
            name: item if name in pictures else _shortened(item, folders)
            for name, item in part.items()
        }
    return part


def without_paths(words: str, values: Mapping[str, Any]) -> str:
    """A text in which the folders of this machine are `…`; `values` name workspace and reports."""
    return _folders(values).sub("…", words)


def _folders(values: Mapping[str, Any]) -> re.Pattern[str]:
    home = Path.home()
    folders = [Path(values[name]) for name in _OF_THIS_MACHINE if values.get(name)]
    folders += [places.PROJECT, places.NOTEBOOKS, Path(sys.prefix), Path(sys.base_prefix), home]
    folders.append(Path(tempfile.gettempdir()))
    spelt = set()
    for folder in {*folders, *(folder.resolve() for folder in folders)}:
        if len(folder.parts) > 1:  # the root of the disk is no folder of anybody's
            spelt |= {str(folder), folder.as_posix(), str(folder).replace("\\", "\\\\")}
            if folder != home and folder.is_relative_to(home):  # as a traceback has it
                spelt.add((Path("~") / folder.relative_to(home)).as_posix())
    any_of = "|".join(map(re.escape, sorted(spelt, key=len, reverse=True)))
    # behind a letter only where that ends the mark of a colour
    return re.compile(rf"(?:(?<![\w.~/\\-])|(?<=\dm))(?:{any_of})(?![\w-])")


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
    with tempfile.TemporaryDirectory(prefix=f"fupan-{os.getpid()}-") as sockets:
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
        manager.start_kernel(cwd=str(places.PROJECT), env=environment)
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


def sweep() -> None:
    """Remove the folders of sockets whose process is gone: it was killed."""
    for folder in Path(tempfile.gettempdir()).glob("fupan-*-*"):
        process = folder.name.split("-")[1]
        if process.isdigit() and not clean.is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


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
