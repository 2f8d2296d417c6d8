"""The notebooks of a session run in order; the page that they make is published behind the gate.

A run works in reports/.work/<session>; only one that passed the gate takes the place of
reports/<session>, in one move. A failed one leaves reports/failed/<session> with the notebook that
failed, and the last good report stands. English reports live in reports/en/; where both exist,
their pages are linked.
"""

import contextlib
import ctypes
import os
import shutil
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import filelock

from helpers import clean, report
from helpers.core import places, text
from helpers.plan import plan_file
from helpers.report import page
from helpers.review import Review, open_review
from helpers.run import kernel, pdf, records, steps

PAGES = ("review.html", "brief.html")


class Outcome(NamedTuple):
    """What became of one session's run."""

    session_id: str
    status: Literal["published", "unchanged", "failed"]
    path: Path
    message: str
    seconds: float


def review_session(
    workspace: clean.Workspace,
    session_id: str,
    *,
    reports_dir: Path = places.REPORTS,
    lang: str = "zh",
    given: Mapping[str, Any] | None = None,
    force: bool = False,
    progress: Callable[[str], None] = lambda step: None,
) -> Outcome:
    """Run 01–06 for one session and publish its report in the home of its language.

    Raw files must have been read (`clean.ingest`). A step whose notebook, code, inputs and
    parameters are those of the last published run is not run again; where none had to run, nothing
    is written and the status is `unchanged`.
    """
    started = time.monotonic()
    given = given or {}
    home = records.home(reports_dir, lang)
    final, work, failed = (home / part / session_id for part in ("", clean.WORK, "failed"))

    def outcome(status: str, path: Path, message: str = "") -> Outcome:
        return Outcome(session_id, status, path, message, time.monotonic() - started)

    work.parent.mkdir(parents=True, exist_ok=True)
    with _alone(reports_dir, session_id, progress):
        began = time.time()  # not before: who was waited for saved the plan
        _bring_back(work, final)
        if records.of_another(final, workspace):
            message = (
                f"{final}: a report of another workspace; name another folder with --reports, or "
                "remove that report if this workspace was moved"
            )
            return outcome("failed", final, message)
        last_keys = {} if force else records.last_run(final).get("steps", {})
        keys = steps.step_keys(workspace, session_id, lang, given)
        fresh = {name for name, key in last_keys.items() if keys.get(name) == key}
        if len(fresh) == len(steps.ORDER) and (final / "review.html").exists():
            shutil.rmtree(failed, ignore_errors=True)
            return outcome("unchanged", final / "review.html")
        shutil.rmtree(work, ignore_errors=True)
        places = _places(workspace, session_id, work.parent, lang)
        if fresh and final.is_dir():
            # what was made for a client may show figures that have changed
            away = shutil.ignore_patterns(report.CLIENT_FOLDER)
            shutil.copytree(final, work, ignore=away)
        try:
            seconds = _execute(
                [name for name in steps.ORDER if name not in fresh],
                given | places,
                work / "notebooks",
                lambda name: progress(
                    f"{name} ({steps.ORDER.index(name) + 1} of {len(steps.ORDER)})"
                ),
            )
            progress("publish")
            review = open_review(
                session_id,
                data_dir=workspace.path,
                reports_dir=work.parent,
                lang=lang,
                notebook="publish",
            )
            report.publish(
                [work / "notebooks" / f"{name}.ipynb" for name in steps.ORDER],
                review=review,
                versions=steps.versions(),
            )
            plan_file.take_over(
                review.plans_out,
                workspace.plans,
                since=began,
                registry=review.registry,
                sessions=review.sessions,
            )
            seconds["total"] = time.monotonic() - started
            record = records.record(workspace, session_id, lang, given, seconds)
            record |= {"summary": report.index_row(review), "as_of": review.as_of.isoformat()}
            records.write(work, record)
        # whatever it is, the other sessions of this run go on, and this one's last page stands
        except Exception as error:
            message = str(error)
            if not isinstance(
                error, kernel.NotebookFailed | report.GateError | plan_file.PlanFileError
            ):
                trace = kernel.without_paths(traceback.format_exc(), places)
                with contextlib.suppress(OSError):
                    (work / "error.txt").write_text(trace, encoding="utf-8")
                message = f"{type(error).__name__}: {message}"
            message = text.plain(message, 600)
            with contextlib.suppress(OSError):  # a full disk: the message stands in any case
                _keep_failure(work, failed, session_id, kernel.without_paths(message, places))
            return outcome("failed", failed, message)
        _swap(work, final)
        shutil.rmtree(failed, ignore_errors=True)
        _link_languages(reports_dir, session_id)
    return outcome("published", final / "review.html")


def for_client(
    workspace: clean.Workspace, session_id: str, *, reports_dir: Path, lang: str
) -> Path:
    """What brands and agencies may see of a published review: its page, and a PDF where it can be.

    Raises `report.GateError` where a value that must not leave the house is in it.
    """
    review = open_review(
        session_id,
        data_dir=workspace.path,
        reports_dir=records.home(reports_dir, lang),
        lang=lang,
        notebook="publish",
    )
    client_page = report.publish_client(review)
    if chromium := pdf.browser():
        pdf.print_pdf(client_page, chromium)
    return client_page


def bring_up_to_date(review: Review) -> None:
    """Run those notebooks before one opened by hand whose results are not there yet.

    Each is printed as it begins, as that takes minutes.
    """
    lacking = [
        name
        for name in steps.ORDER[: steps.ORDER.index(review.notebook)]
        if not (review.out_dir / "findings" / f"{name}.parquet").exists()
    ]
    if lacking:
        places = _places(review.workspace, review.session_id, review.out_dir.parent, review.lang)

        def say(name: str) -> None:
            place = f"{lacking.index(name) + 1}/{len(lacking)}"
            zh, en = f"先跑 {name}（{place}）……", f"Running {name} first ({place}) …"
            print(text.choose(review.lang, zh, en), flush=True)

        _execute(lacking, places, review.out_dir / "notebooks", say)


def _places(
    workspace: clean.Workspace, session_id: str, reports_dir: Path, lang: str
) -> dict[str, Any]:
    return {
        "session_id": session_id,
        "data_dir": str(workspace.path),
        "reports_dir": str(reports_dir),
        "lang": lang,
    }


def _execute(
    names: Iterable[str],
    values: Mapping[str, Any],
    folder: Path,
    progress: Callable[[str], None] = lambda step: None,
) -> dict[str, float]:
    """In one kernel, each with the values that it declares; seconds by step."""
    folder.mkdir(parents=True, exist_ok=True)
    declared = steps.parameters()
    seconds = {}
    with kernel.kernel() as manager:
        for name in names:
            progress(name)
            began = time.monotonic()
            of_this = {key: value for key, value in values.items() if key in declared[name]}
            kernel.run_notebook(name, folder / f"{name}.ipynb", of_this, manager)
            seconds[name] = round(time.monotonic() - began, 3)
    return seconds


def _keep_failure(work: Path, failed: Path, session_id: str, message: str) -> None:
    shutil.rmtree(failed, ignore_errors=True)
    failed.parent.mkdir(parents=True, exist_ok=True)
    records.write(work, {"session_id": session_id, "status": "failed", "message": message})
    for name in PAGES:
        (work / name).unlink(missing_ok=True)
    shutil.rmtree(work / "roles", ignore_errors=True)
    work.replace(failed)


@contextlib.contextmanager
def _alone(reports_dir: Path, session_id: str, progress: Callable[[str], None]) -> Iterator[None]:
    """One run at a time of a session, in whatever language: they share its plan."""
    lock = _lock(reports_dir, session_id)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        progress("waiting for another run of this session")
        lock.acquire(timeout=steps.CELL_TIMEOUT)
    try:
        yield
    finally:
        lock.release()


def _lock(reports_dir: Path, session_id: str) -> filelock.FileLock:
    """Who runs a session into a folder of reports, of whatever workspace, holds this."""
    folder = reports_dir / clean.WORK
    folder.mkdir(parents=True, exist_ok=True)
    return filelock.FileLock(folder / f"{session_id}.lock")


def tidy(reports_dir: Path, workspace: clean.Workspace) -> None:
    """Take away what runs that were killed left behind; one that is under way is left alone.

    The last good report comes back where one was killed between the two moves of `_swap`.
    """
    kernel.sweep()
    clean.sweep(workspace.plans)
    for home in (records.home(reports_dir, lang) for lang in records.LANGUAGES):
        clean.sweep(home)
        for work in sorted((home / clean.WORK).glob("*")):
            if not work.is_dir():
                continue
            session_id = work.name.removesuffix(_OLD)
            lock = _lock(reports_dir, session_id)
            with contextlib.suppress(filelock.Timeout, OSError), lock.acquire(timeout=0):
                _bring_back(work.with_name(session_id), home / session_id)
                shutil.rmtree(work, ignore_errors=True)


_OLD = ".old"


def _aside(work: Path) -> Path:
    return work.with_name(f"{work.name}{_OLD}")


def _swap(work: Path, final: Path) -> None:
    """Put the finished folder, once it is on the disk, in the last one's place.

    In one step where the system has one; else in two, between which there is no page.
    """
    for path in [*work.rglob("*"), work]:
        clean.synced(path)
    if final.exists() and _exchanged(work, final):
        shutil.rmtree(work, ignore_errors=True)
    else:
        shutil.rmtree(_aside(work), ignore_errors=True)
        if final.exists():
            final.replace(_aside(work))
        work.replace(final)
        shutil.rmtree(_aside(work), ignore_errors=True)
    clean.synced(final.parent)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the system let two folders change places in one step."""
    call = {"linux": "renameat2", "darwin": "renamex_np"}.get(sys.platform)
    exchange = getattr(ctypes.CDLL(None), call, None) if call else None
    if exchange is None:
        return False
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        return exchange(*names, _SWAP) == 0
    return exchange(_HERE, names[0], _HERE, names[1], _SWAP) == 0


_SWAP = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS
_HERE = -100  # AT_FDCWD


def _bring_back(work: Path, final: Path) -> None:
    """The last good report, where a run was killed between the two moves of `_swap`."""
    if _aside(work).exists() and not final.exists():
        _aside(work).replace(final)


def _link_languages(reports_dir: Path, session_id: str) -> None:
    homes = {lang: records.home(reports_dir, lang) / session_id for lang in records.LANGUAGES}
    for name in PAGES:
        pages = {lang: home / name for lang, home in homes.items()}
        if not all(path.exists() for path in pages.values()):
            continue
        for path, (lang, other) in zip(pages.values(), reversed(pages.items()), strict=True):
            words, target = path.read_text(encoding="utf-8"), os.path.relpath(other, path.parent)
            with clean.replacing(path, lasting=True) as linked:
                linked.write_text(page.linked(words, target, lang), encoding="utf-8")
