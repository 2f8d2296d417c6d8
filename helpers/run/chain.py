"""Runs the notebooks of a session in order by papermill, reuses what is unchanged, and publishes behind the gate.

A run works in reports/.work/<session>; only a run that passed the gate takes the place of
reports/<session>, in one move. A run that failed leaves reports/failed/<session> with the notebook
that failed, and the last good report stands. Reports in English live in reports/en/, side by side
with those in Chinese; where both exist, their pages are linked.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import filelock
import jupyter_client
import nbclient.exceptions
import pandas as pd
import papermill
import papermill.engines
import papermill.exceptions
from jupyter_client.kernelspec import KernelSpecManager
from papermill.clientwrap import PapermillNotebookClient
from pydantic import AwareDatetime, BaseModel, TypeAdapter, ValidationError

from helpers import clean, report
from helpers.core import text
from helpers.plan import plan_file
from helpers.report import page
from helpers.review import Review, open_review

NOTEBOOKS = clean.PROJECT / "notebooks"
ORDER = ("01_clean", "02_funnel", "03_compare", "04_split", "05_aftersales", "06_plan")
BEFORE_AFTERSALES = ("04_split",)
PLACES = ("session_id", "data_dir", "reports_dir", "lang")
LIBRARIES = (
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "seaborn",
    "matplotlib",
    "papermill",
    "nbconvert",
    "pyarrow",
)
CELL_TIMEOUT = 600
LANGUAGES = ("zh", "en")
BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)
TYPES: dict[str, Any] = {"str": str, "int": int, "float": float, "bool": bool}


class ParameterError(ValueError):
    """A notebook parameter is unknown or of the wrong type: the message names it and what is known or expected."""


class Outcome(NamedTuple):
    """What became of one session's run."""

    session_id: str
    status: Literal["published", "unchanged", "failed"]
    path: Path
    message: str
    seconds: float


def home(reports_dir: Path, lang: str) -> Path:
    """Where the reports of a language live: Chinese ones in the folder itself, English ones in en/ below it."""
    return reports_dir if lang == LANGUAGES[0] else reports_dir / lang


def parameters() -> dict[str, dict[str, dict[str, Any]]]:
    """The declared parameters of each notebook: name → {inferred_type_name, default, help}."""
    return {name: papermill.inspect_notebook(str(NOTEBOOKS / f"{name}.ipynb")) for name in ORDER}


def check_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """The given values in the types that the notebooks declare. Raises `ParameterError` for an unknown name or a wrong type.

    Papermill itself only warns of an unknown name and takes any type; a misspelt option would be
    silently without effect.
    """
    declared = {
        name: spec
        for specs in parameters().values()
        for name, spec in specs.items()
        if name not in PLACES
    }
    checked = {}
    for name, value in given.items():
        if name not in declared:
            near = difflib.get_close_matches(name, declared, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ParameterError(
                f"unknown parameter {name!r}{hint} Known: {', '.join(sorted(declared)) or 'none'}"
            )
        wanted = TYPES.get(declared[name]["inferred_type_name"], str)
        try:
            checked[name] = TypeAdapter(wanted).validate_python(value)
        except ValidationError as error:
            raise ParameterError(
                f"parameter {name}: expected {wanted.__name__}, found {value!r}"
            ) from error
    return checked


def review_session(
    workspace: clean.Workspace,
    session_id: str,
    *,
    reports_dir: Path = clean.REPORTS,
    lang: str = "zh",
    given: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Outcome:
    """Run 01–06 for one session and publish its report in the home of its language; raw files must have been read (`clean.ingest`).

    A step whose notebook, code, inputs and parameters are those of the last published run is not
    run again; where no step had to run, nothing is written and the status is `unchanged`.
    """
    started = time.monotonic()
    final, work, failed = (
        home(reports_dir, lang) / part / session_id for part in ("", clean.WORK, "failed")
    )
    began = time.time()
    work.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(work.parent / f"{session_id}.lock", timeout=CELL_TIMEOUT):
        _bring_back(work, final)
        last = _last_run(final)
        steps = _keys(workspace, session_id, lang, given or {})
        fresh = (
            {}
            if force
            else {
                name: key for name, key in last.get("steps", {}).items() if steps.get(name) == key
            }
        )
        if len(fresh) == len(ORDER) and (final / "review.html").exists():
            shutil.rmtree(failed, ignore_errors=True)
            return Outcome(
                session_id, "unchanged", final / "review.html", "", time.monotonic() - started
            )
        _prepare(final, work, keep=bool(fresh))
        try:
            seconds = _execute(workspace, session_id, work, lang, given or {}, fresh, progress)
            progress("publish")
            review = open_review(
                session_id,
                data_dir=workspace.path,
                reports_dir=work.parent,
                lang=lang,
                notebook="publish",
            )
            report.publish(
                [work / "notebooks" / f"{name}.ipynb" for name in ORDER],
                review=review,
                versions=_versions(),
            )
            plan_file.take_over(
                review.plans_out,
                workspace.plans,
                since=began,
                registry=review.registry,
                sessions=review.sessions,
            )
            record = _record(
                workspace,
                session_id,
                lang,
                given or {},
                seconds | {"total": time.monotonic() - started},
            )
            record |= {"summary": report.index_row(review), "as_of": review.as_of.isoformat()}
            (work / "run.json").write_text(
                json.dumps(record, ensure_ascii=False, indent=1, default=str), encoding="utf-8"
            )
        # whatever it is, the other sessions of this run go on, and this one's last page stands
        except Exception as error:
            said = str(error)
            if not isinstance(error, NotebookFailed | report.GateError | plan_file.PlanFileError):
                (work / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
                said = f"{type(error).__name__}: {said}"
            message = text.plain(said, 600)
            _keep_failure(work, failed, session_id, message)
            return Outcome(session_id, "failed", failed, message, time.monotonic() - started)
        _swap(work, final)
        shutil.rmtree(failed, ignore_errors=True)
        _link_languages(reports_dir, session_id)
    return Outcome(session_id, "published", final / "review.html", "", time.monotonic() - started)


class NotebookFailed(RuntimeError):
    """A notebook stopped with an error: the message names the notebook, the cell and the error."""


def _keys(
    workspace: clean.Workspace, session_id: str, lang: str, given: Mapping[str, Any]
) -> dict[str, str]:
    """One digest a step over all that its outcome depends on; each step's includes those before it.

    Steps in `BEFORE_AFTERSALES` do not depend on what only comes in after a session
    (`clean.AFTER`): a newer export of cases leaves them as they are.
    """
    common = f"{clean.code_version()}|{session_id}|{lang}" + json.dumps(
        {name: importlib.metadata.version(name) for name in LIBRARIES}
    )
    whole = hashlib.sha256(f"{common}|{clean.content_version(workspace)}".encode())
    sold = hashlib.sha256(
        f"{common}|{clean.tables_version(workspace, without=clean.AFTER)}".encode()
    )
    declared = parameters()
    keys = {}
    for name in ORDER:
        mine = {key: given[key] for key in sorted(given) if key in declared[name]}
        own = (NOTEBOOKS / f"{name}.ipynb").read_bytes() + json.dumps(mine).encode()
        if name == ORDER[-1]:
            for plan in sorted(
                path for kind in ("csv", "xlsx") for path in workspace.plans.glob(f"[!~.]*.{kind}")
            ):
                own += plan.name.encode() + plan.read_bytes()
        whole.update(own)
        sold.update(own)
        keys[name] = (sold if name in BEFORE_AFTERSALES else whole).hexdigest()[:20]
    return keys


class _Returns(BaseModel):
    rate: float | None
    final: bool


class _Summary(BaseModel):
    """Of what the index keeps of a session (`first_screen.row`), all that is read again."""

    paid_amount: float | None = None
    viewers: float | None = None
    currency: str = ""
    verdict: str = ""
    goals: tuple[int, int] | None = None
    returns: _Returns | None = None
    plan_lines: int = 0
    plan_open: int = 0


class _Record(BaseModel):
    """Of run.json, all that is read again."""

    status: str = ""
    message: str = ""
    as_of: AwareDatetime | None = None
    steps: dict[str, str] = {}
    summary: _Summary | None = None


def _last_run(final: Path) -> dict[str, Any]:
    """run.json of one report; empty where there is none or it is not one that a run writes."""
    path = final / "run.json"
    with contextlib.suppress(
        OSError, ValueError
    ):  # no file, no JSON, other fields (`ValidationError`)
        written = path.read_bytes()
        _Record.model_validate_json(written, strict=True)
        return json.loads(written)
    return {}


def _prepare(final: Path, work: Path, *, keep: bool) -> None:
    shutil.rmtree(work, ignore_errors=True)
    if keep and final.is_dir():
        shutil.copytree(final, work)
    work.mkdir(parents=True, exist_ok=True)
    (work / "notebooks").mkdir(exist_ok=True)


def _execute(
    workspace: clean.Workspace,
    session_id: str,
    work: Path,
    lang: str,
    given: Mapping[str, Any],
    fresh: Mapping[str, str],
    progress: Callable[[str], None],
) -> dict[str, float]:
    """Run the steps that are not fresh, in their order and in one kernel; returns seconds a step."""
    places = {
        "session_id": session_id,
        "data_dir": str(workspace.path),
        "reports_dir": str(work.parent),
        "lang": lang,
    }
    declared = parameters()
    seconds = {}
    with kernel() as manager:
        for name in ORDER:
            if name in fresh:
                continue
            progress(name)
            began = time.monotonic()
            mine = {
                key: value for key, value in {**given, **places}.items() if key in declared[name]
            }
            run_notebook(name, work / "notebooks" / f"{name}.ipynb", mine, manager)
            seconds[name] = round(time.monotonic() - began, 3)
    return seconds


def run_notebook(
    name: str, output: Path, values: Mapping[str, Any], manager: jupyter_client.KernelManager
) -> None:
    """Execute one notebook into `output` in the given kernel, its namespace emptied first. Raises `NotebookFailed`."""
    try:
        papermill.execute_notebook(
            str(NOTEBOOKS / f"{name}.ipynb"),
            str(output),
            parameters=dict(values),
            engine_name="fupan",
            progress_bar=False,
            cwd=str(NOTEBOOKS),
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
    """A papermill engine that runs every notebook of a session in one kernel, which has its imports already."""

    @classmethod
    def execute_managed_notebook(cls, nb_man, kernel_name, *, manager, **ignored):
        client = PapermillNotebookClient(
            nb_man,
            km=manager,
            timeout=CELL_TIMEOUT,
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
    inherited = {
        name: value for name, value in os.environ.items() if name != "JPY_SESSION_NAME"
    }  # a run is not a notebook opened by hand
    environment = inherited | {
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
        manager.start_kernel(cwd=str(NOTEBOOKS), env=environment)
        try:
            yield manager
        finally:
            manager.shutdown_kernel(now=True)


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


def _record(
    workspace: clean.Workspace,
    session_id: str,
    lang: str,
    given: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """What run.json says: parameters, versions, inputs, rows, seconds, step keys (plans as they are after the run)."""
    files = clean.read_table(workspace, "files")
    return {
        "session_id": session_id,
        "status": "published",
        "lang": lang,
        "parameters": dict(given),
        "steps": _keys(workspace, session_id, lang, given),
        "seconds": dict(seconds),
        "versions": _versions(),
        "inputs": dict(zip(files["file"], files["sha256"], strict=True)),
        "rows": {
            name: int(files[name].sum())
            for name in ("rows_in", "rows_kept", "rows_totals", "rows_aside")
        },
    }


def _versions() -> dict[str, str]:
    return {
        "fupan": importlib.metadata.version("fupan"),
        "code": clean.code_version(),
        "python": sys.version.split()[0],
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }


def _keep_failure(work: Path, failed: Path, session_id: str, message: str) -> None:
    shutil.rmtree(failed, ignore_errors=True)
    failed.parent.mkdir(parents=True, exist_ok=True)
    (work / "run.json").write_text(
        json.dumps(
            {"session_id": session_id, "status": "failed", "message": message},
            ensure_ascii=False,
            indent=1,
        ),
        encoding="utf-8",
    )
    (work / "review.html").unlink(missing_ok=True)
    work.replace(failed)


def _swap(work: Path, final: Path) -> None:
    """Put the finished folder in the place of the last one; a folder cannot be replaced in one call, so the old one steps aside."""
    old = work.with_name(f"{work.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if final.exists():
        final.replace(old)
    work.replace(final)
    shutil.rmtree(old, ignore_errors=True)


def _link_languages(reports_dir: Path, session_id: str) -> None:
    """Where a session has a page in both languages, each is given a link to the other."""
    pages = {lang: home(reports_dir, lang) / session_id / "review.html" for lang in LANGUAGES}
    if not all(path.exists() for path in pages.values()):
        return
    for path, (lang, other) in zip(pages.values(), reversed(pages.items()), strict=True):
        with clean.replacing(path) as linked:
            linked.write_text(
                page.linked(
                    path.read_text(encoding="utf-8"), os.path.relpath(other, path.parent), lang
                ),
                encoding="utf-8",
            )


def browser() -> str | None:
    """A Chromium of this machine: the one named in CHROMIUM, else the first that is found."""
    return next(
        (
            found
            for name in (os.environ.get("CHROMIUM", ""), *BROWSERS)
            if name and (found := shutil.which(name))
        ),
        None,
    )


def print_pdf(report_page: Path, chromium: str) -> Path:
    """Print a report's page to a PDF beside it, replacing an earlier one. Raises `RuntimeError` where the browser makes none."""
    target = report_page.with_suffix(".pdf")
    with clean.replacing(target) as path, tempfile.TemporaryDirectory(prefix="fupan-") as profile:
        options = [
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
        ]
        sandbox = (
            ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        )  # root has no sandbox to offer
        printed = path.with_name(f"{path.name}.pdf")  # Chromium insists on the ending
        done = subprocess.run(
            [chromium, *options, *sandbox, f"--print-to-pdf={printed}", report_page.as_uri()],
            capture_output=True,
            text=True,
            timeout=CELL_TIMEOUT,
        )
        if not printed.exists():
            raise RuntimeError(f"{chromium} printed nothing: {text.plain(done.stderr, 300)}")
        printed.replace(path)
    return target


def _bring_back(work: Path, final: Path) -> None:
    """Where a run was killed between the two moves of `_swap`, the last good report stands aside still: it comes back."""
    old = work.with_name(f"{work.name}.old")
    if old.exists() and not final.exists():
        old.replace(final)


def published(reports_dir: Path) -> dict[str, dict[str, Any]]:
    """run.json of every session under reports/, published or failed; a failed run of a published session is noted on it."""
    found = {
        path.parent.name: _last_run(path.parent)
        for path in sorted(reports_dir.glob("*/run.json"))
        if path.parent.name != "by_hand"
    }
    for path in sorted(reports_dir.glob("failed/*/run.json")):
        name = path.parent.name
        found[name] = (
            {**found[name], "failed": _last_run(path.parent)}
            if name in found
            else _last_run(path.parent)
        )
    return found


def published_in_any(reports_dir: Path) -> dict[str, dict[str, Any]]:
    """`published` of every language; of a session that has several, the first of `LANGUAGES`."""
    return {
        name: record
        for lang in reversed(LANGUAGES)
        for name, record in published(home(reports_dir, lang)).items()
    }


def due(
    known: pd.DataFrame,
    done: Mapping[str, Mapping[str, Any]],
    *,
    as_of: pd.Timestamp,
    recent_days: float,
    ages: Sequence[float],
) -> list[str]:
    """Sessions that `--pending` takes, oldest first: recent ones without a good page, and those whose after-sales need another look.

    `known` are the sessions, `done` is `published`. A page needs another look where the session has
    passed one of `ages` (days, service.yml) by the newest data, `as_of`, and had not by the data
    that its page was made from. Without newer data, or after the last age, it is left alone.
    """
    newest = known["started_at"].max() - pd.Timedelta(days=recent_days)
    names = []
    for row in known.itertuples():
        record = done.get(row.session_id, {})
        if record.get("status") != "published" or "failed" in record:
            if row.started_at >= newest:
                names.append(row.session_id)
            continue
        seen = pd.Timestamp(record["as_of"]) if "as_of" in record else row.started_at
        marks = [row.started_at + pd.Timedelta(days=age) for age in ages]
        if pd.notna(as_of) and any(seen < mark <= as_of for mark in marks):
            names.append(row.session_id)
    return names


def bring_up_to_date(review: Review) -> None:
    """Run, for a notebook opened by hand, those before it whose results are not there yet; in a chain they all are."""
    before = ORDER[: ORDER.index(review.notebook)]
    lacking = [
        name for name in before if not (review.out_dir / "findings" / f"{name}.parquet").exists()
    ]
    if not lacking:
        return
    declared = parameters()
    places = {
        "session_id": review.session_id,
        "data_dir": str(review.workspace.path),
        "reports_dir": str(review.out_dir.parent),
        "lang": review.lang,
    }
    (review.out_dir / "notebooks").mkdir(parents=True, exist_ok=True)
    with kernel() as manager:
        for name in lacking:
            mine = {key: value for key, value in places.items() if key in declared[name]}
            run_notebook(name, review.out_dir / "notebooks" / f"{name}.ipynb", mine, manager)
