"""What the `fupan` command does; how it is called is declared in `cli`."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from helpers import clean, demo, reference, report
from helpers.core import places, text
from helpers.plan import plan_file
from helpers.review import ParameterError, choose_session
from helpers.run import chain, export, lab, pdf, records, steps


def _console(stderr: bool) -> Console:
    """Programs and logs read what is no terminal: rich would fold it at 80 columns."""
    width = None if (sys.stderr if stderr else sys.stdout).isatty() else 250
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=width)


console, problems = _console(stderr=False), _console(stderr=True)


def check(data_dir: Path, lang: str, as_json: bool) -> None:
    workspace = _workspace(data_dir)
    files = _ingest(workspace)
    unread = files["table"].isna() & files["problem"].notna()
    asked = clean.read_table(workspace, "questions")
    proposed = [_proposals(row, workspace) for row in files.itertuples()]
    checked = clean.read_table(workspace, "invariants")
    if as_json:
        rows = files.drop(columns="as_of").to_json(orient="records", force_ascii=False)
        pairs = zip(json.loads(rows), proposed, strict=True)
        _print_json(
            [
                row
                | {"problem": clean.said(row["problem"], lang) or None}
                | {"notes": clean.parted(row["problem"]), "proposals": proposals}
                | {"questions": _of_table(row, asked), "invariants": _of_table(row, checked)}
                for row, proposals in pairs
            ]
        )
    else:
        columns = ["file", "sheet", "system", "export", "grade", "table", *clean.COUNTS]
        _print_table(files, columns)
        for row, proposals in zip(files.itertuples(), proposed, strict=True):
            if isinstance(row.problem, str):
                console.print(_problem(row, lang), soft_wrap=True)
            for proposal in proposals:
                words = f"{_place(row.file, row.sheet)}: {_proposal(proposal, lang)}"
                console.print(words, soft_wrap=True)
        _print_differing(checked, lang)
        path = workspace.clean / "aside.xlsx"
        if path.exists():
            words = text.choose(
                lang,
                f"搁置的行可以在 {path} 里改好，再放进 raw/",
                f"rows kept aside can be mended in {path}; put it into raw/ then",
            )
            console.print(words, soft_wrap=True)
    asking = [name for name, rule in reference.invariants().items() if rule.asks]
    off = checked["state"].eq("differs") & checked["invariant"].isin(asking)
    sys.exit(1 if unread.any() or len(asked) or off.any() else 0)


def run(
    session: str | None,
    latest: bool,
    pending: bool,
    every: bool,
    data_dir: Path,
    reports_dir: Path,
    lang: str,
    given: tuple[tuple[str, str], ...],
    jobs: int,
    force: bool,
    as_json: bool,
) -> None:
    """Review SESSION (an id of `fupan sessions`) and publish its report."""
    if sum([session is not None, latest, pending, every]) != 1:
        raise click.UsageError("name one of: a SESSION, --latest, --pending, --all")
    try:
        values = steps.check_parameters(dict(given))
    except ParameterError as error:
        raise click.UsageError(str(error)) from error
    workspace = _workspace(data_dir)
    with _Progress(as_json) as progress:
        files = _ingest(workspace, progress)
    reports_dir = reports_dir.resolve()
    chain.tidy(reports_dir, workspace)
    names = _chosen(workspace, session, latest, pending, records.home(reports_dir, lang))
    outcomes: list[chain.Outcome] = []
    listed = True
    if names:
        outcomes = _run_all(workspace, names, reports_dir, lang, values, force, jobs, as_json)
        listed = _index(reports_dir, workspace, lang)
    elif not pending or clean.sessions(workspace).empty:
        fail(
            f"{workspace.raw}: no session found in the files there; `fupan check --data "
            f"{data_dir}` says what each file is"
        )
    elif not as_json:
        console.print(
            "nothing pending: every recent session has its report, and no after-sales need "
            "another look"
        )
    unread = files["table"].isna() & files["problem"].notna()
    if as_json:
        _print_json([outcome._asdict() | {"path": str(outcome.path)} for outcome in outcomes])
    else:
        # of a night in which nothing ran the notes were said before
        for row in files[files["problem"].notna() if names else unread].itertuples():
            problems.print(
                f"{text.choose(lang, '提示', 'note')}: {_problem(row, lang)}", soft_wrap=True
            )
    failed = any(outcome.status == "failed" for outcome in outcomes)
    sys.exit(1 if failed or not listed or unread.any() else 0)


def sessions(data_dir: Path, reports_dir: Path, as_json: bool) -> None:
    """List the workspace's sessions, newest first, with the state of their reports."""
    workspace = _workspace(data_dir)
    _ingest(workspace)
    reports = records.published_in_any(reports_dir.resolve())
    rows = [
        {
            "session_id": row.session_id,
            "started_at": f"{row.started_at:%Y-%m-%d %H:%M}",
            "room": text.plain(row.room_name),
            "host": text.plain(row.host),
            "title": text.plain(row.title, 30),
            "status": _report_status(reports.get(row.session_id)),
        }
        for row in clean.sessions(workspace).iloc[::-1].itertuples()
    ]
    if as_json:
        _print_json(rows)
        return
    _print_rows(rows)


def plan(session: str, data_dir: Path, as_json: bool) -> None:
    """Show the optimisation plan of SESSION and where its file is."""
    workspace = _workspace(data_dir)
    _ingest(workspace)
    try:
        name = choose_session(clean.sessions(workspace), session)
        files = [workspace.plans / f"{name}{kind}" for kind in (".csv", ".xlsx")]
        paths = [path for path in files if path.exists()]
        if not paths:
            fail(f"{workspace.plans / name}.xlsx: no plan yet; `fupan run {name}` makes one")
        registry = reference.registry(workspace.reference)
        sessions = clean.sessions(workspace)
        rows, aside = plan_file.load(workspace.plans, name, sessions, registry=registry)
    except (clean.WorkspaceError, plan_file.PlanFileError) as error:
        fail(str(error))
    if as_json:
        click.echo(rows.to_json(orient="records", force_ascii=False, indent=1))
        return
    about = ["plan_id", "dimension", "problem", "owner_role"]
    _print_table(rows, [*about, "due_session", "metric", "status", "note"])
    for path in paths:
        console.print(str(path), soft_wrap=True)
    for row in aside.itertuples():
        words = f"row {row.row}, {row.column}: found {row.found!r}, expected {row.expected_en}"
        problems.print(f"note: {row.file}: {words}", soft_wrap=True)


def print_page(session: str, data_dir: Path, reports_dir: Path, lang: str) -> None:
    path = _page(data_dir, records.home(reports_dir.resolve(), lang), session, lang)
    chromium = pdf.browser()
    if chromium is None:
        fail(
            f"no Chromium, Chrome or Edge found: install one, name it in CHROMIUM, or open {path} "
            "in a browser and print it from there"
        )
    try:
        console.print(str(pdf.print_pdf(path, chromium)), soft_wrap=True)
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        fail(str(error))


def _page(data_dir: Path, home: Path, session: str, lang: str) -> Path:
    """By its name, or the only one whose name starts so."""
    if session == "latest":
        workspace = _workspace(data_dir)
        _ingest(workspace)
        sessions = clean.sessions(workspace)
        if sessions.empty:
            fail(
                f"{workspace.raw}: no session found in the files there, so none is the latest; "
                "name the session, or its workspace with --data"
            )
        session = choose_session(sessions, session)
    pages = {path.parent.name: path for path in sorted(home.glob("*/review.html"))}
    near = [name for name in pages if session and name.startswith(session)]
    if session in pages:
        near = [session]
    if len(near) == 1:
        return pages[near[0]]
    if near:
        fail(
            f"session {session!r}: {len(near)} reports fit: "
            f"{', '.join(near[:3])}{' …' * (len(near) > 3)}; name one of them"
        )
    there = f"; reports there: {', '.join([*pages][-3:])}" if pages else ""
    fail(
        f"{home / session / 'review.html'}: no report yet{there}; `fupan run {session} --lang "
        f"{lang}` makes one"
    )


def export_to(path: Path, data_dir: Path, reports_dir: Path, as_json: bool) -> None:
    if path.suffix != ".duckdb":
        raise click.UsageError(f"{path}: expected a name that ends in .duckdb")
    workspace = _workspace(data_dir)
    _ingest(workspace)
    rows = export.export(workspace, reports_dir.resolve(), path)
    if as_json:
        _print_json([{"table": name, "rows": count} for name, count in rows.items()])
        return
    results = sum(name.startswith("results.") for name in rows)
    of_tables = sum(count for name, count in rows.items() if not name.startswith("results."))
    words = f"{len(rows) - results} tables of {of_tables} rows, {results} tables of results"
    console.print(f"{path}: {words}", soft_wrap=True)


def lab_on(data_dir: Path | None, options: tuple[str, ...]) -> None:
    """A copy that somebody changed is asked about on a terminal, and left as it is elsewhere."""
    if data_dir is None and any(places.WORKSPACE.glob("raw/*")):
        data_dir = places.WORKSPACE
    if data_dir is None and not places.DEMO.exists():
        console.print("making the demo workspace (half a minute, once)")
    workspace = _workspace(data_dir or "")
    for path in lab.copy_notebooks(workspace.notebooks, _take_newer):
        console.print(f"{path}: your own version, kept", soft_wrap=True)
    sys.exit(lab.open_lab(workspace, options))


def _take_newer(name: str) -> bool:
    words = f"{name} has changed in Fupan, and so has your copy. Take the new one and keep yours"
    if not sys.stdin.isatty():
        problems.print(f"note: {name} has changed in Fupan; your changed copy stays")
        return False
    return click.confirm(f"{words} beside it?")


def write_template(path: Path, lang: str) -> None:
    if path.is_dir():
        path = path / "fupan-template.xlsx"
    if path.exists():
        fail(f"{path}: exists already; name another file, so that nothing you filled in is lost")
    clean.write_template(path, lang)
    console.print(f"{path}: fill in what you have and put it in raw/", soft_wrap=True)


def write_demo(folder: Path, seed: int | None, sessions: int) -> None:
    """Write a workspace of raw exports of a simulated shop, with planted truths in truth.json."""
    if folder.exists() and any(folder.iterdir()):
        fail(f"{folder}: not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)  # before the work: it may not be possible
    seed = demo.SEED if seed is None else seed
    demo.write(demo.simulate(seed, sessions=sessions), folder)
    console.print(
        f"{folder}: demo workspace written; next: fupan run --latest --data {folder}",
        soft_wrap=True,
    )


def _workspace(data_dir: str | Path) -> clean.Workspace:
    try:
        return clean.Workspace.open(data_dir)
    except clean.WorkspaceError as error:
        fail(str(error))


def _ingest(workspace: clean.Workspace, progress: Callable[[str], None] | None = None):
    try:
        return clean.ingest(workspace, progress=progress or _note)
    except (clean.WorkspaceError, reference.ReferenceDataError) as error:
        fail(str(error))


def fail(message: str) -> None:
    problems.print(f"fupan: {message}", soft_wrap=True)
    sys.exit(1)


def _chosen(
    workspace: clean.Workspace, session: str | None, latest: bool, pending: bool, reports_dir: Path
) -> list[str]:
    sessions = clean.sessions(workspace)
    if sessions.empty:
        return []
    if session is not None or latest:
        try:
            return [choose_session(sessions, session if session is not None else "latest")]
        except clean.WorkspaceError as error:
            raise click.UsageError(str(error)) from error
    if pending:
        return records.due(
            sessions,
            records.published(reports_dir),
            as_of=clean.data_as_of(workspace, sessions),
            ages=reference.service(workspace.reference).look_again_days,
            recent_days=reference.thresholds(workspace.reference)["pending_days"],
            cut=records.cut_files(workspace),
        )
    return list(sessions["session_id"])


def _index(reports_dir: Path, workspace: clean.Workspace, lang: str) -> bool:
    """Whether each language's list of sessions could be written; reviews stand in any case."""
    homes = {name: records.home(reports_dir, name) for name in records.LANGUAGES}
    runs = {name: records.published(home) for name, home in homes.items()}
    listed = [name for name in homes if runs[name] or name == lang]
    sessions = clean.sessions(workspace)
    try:
        for name in listed:
            others = {
                other: Path(os.path.relpath(homes[other], homes[name]))
                for other in listed
                if other != name
            }
            report.write_index(
                homes[name],
                runs[name],
                sessions=sessions,
                workspace_reference=workspace.reference,
                lang=name,
                others=others,
            )
    except report.GateError as error:
        problems.print(f"fupan: {error}", soft_wrap=True)
        return False
    return True


def _report_status(record: dict | None) -> str:
    if record is None:
        return "no report"
    return "failed" if "failed" in record else record.get("status", "no report")


def _run_all(
    workspace, names, reports_dir, lang, values, force, jobs, as_json
) -> list[chain.Outcome]:
    options = {"reports_dir": reports_dir, "lang": lang, "given": values, "force": force}
    outcomes, began = [], time.monotonic()

    def place(number: int) -> str:
        if len(names) == 1:
            return names[number]
        left = ""
        if number:
            seconds = (time.monotonic() - began) / number * (len(names) - number)
            left = f", about {max(1, round(seconds / 60))} min left"
        return f"[{number + 1} of {len(names)}{left}] {names[number]}"

    if jobs == 1:
        for number, name in enumerate(names):
            with _Progress(as_json, place(number)) as progress:
                outcomes.append(chain.review_session(workspace, name, progress=progress, **options))
            _say(outcomes[-1], as_json)
        return outcomes
    make = functools.partial(chain.review_session, workspace, **options)
    with _Progress(as_json) as progress:
        for number, (name, future) in enumerate(_beside(make, names, jobs)):
            progress(place(number))
            try:
                outcomes.append(future.result())
            except concurrent.futures.BrokenExecutor:  # it may have been another's fault
                outcomes.append(_by_itself(make, name, records.home(reports_dir, lang)))
            _say(outcomes[-1], as_json)
    return outcomes


def _beside(make, names, jobs) -> Iterator[tuple[str, concurrent.futures.Future]]:
    """Each name and its outcome to come, in their order, `jobs` at the same time."""
    with concurrent.futures.ProcessPoolExecutor(max_workers=jobs) as pool:
        yield from [(name, pool.submit(make, name)) for name in names]


def _by_itself(make, name: str, home: Path) -> chain.Outcome:
    """Once more, in a process of its own; a failure where that ends, too."""
    began = time.monotonic()
    with concurrent.futures.ProcessPoolExecutor(max_workers=1) as pool:
        try:
            return pool.submit(make, name).result()
        except concurrent.futures.BrokenExecutor:
            return chain.Outcome(
                name,
                "failed",
                home / name,
                "its process was ended from outside, twice; where the machine has too little "
                "memory, --jobs 1 needs less",
                time.monotonic() - began,
            )


class _Progress:
    """Called with each step: one line that changes on a terminal, a line a step in a log."""

    def __init__(self, quiet: bool, title: str = "reading raw files") -> None:
        self._quiet, self._title = quiet, title
        self._live = problems.status(title) if problems.is_terminal and not quiet else None

    def __enter__(self) -> _Progress:
        if self._live:
            self._live.start()
        elif not self._quiet:
            self._line(self._title)
        return self

    def __call__(self, step: str) -> None:
        if self._live:
            self._live.update(f"{self._title}  {step}")
        elif not self._quiet:
            self._line(f"{self._title}  {step}")

    def _line(self, words: str) -> None:
        problems.print(f"{dt.datetime.now():%Y-%m-%d %H:%M:%S}  {words}", soft_wrap=True)

    def __exit__(self, *raised) -> None:
        if self._live:
            self._live.stop()


def _note(step: str) -> None:
    """Of a command that shows no steps only what it had to make again."""
    if step.endswith(clean.AGAIN):
        problems.print(f"note: {step}", soft_wrap=True)


def _say(outcome: chain.Outcome, as_json: bool) -> None:
    if as_json:
        return
    begin = f"{outcome.session_id}  {outcome.status}"
    if outcome.status == "failed":
        problems.print(f"{begin}  {outcome.message}", soft_wrap=True)
        if not (outcome.path / "run.json").exists() or outcome.path.parent.name != "failed":
            return
        last = outcome.path.parents[1] / outcome.session_id / "review.html"
        stands = f"; the last good report stands: {last}" if last.exists() else ""
        problems.print(f"  the notebook with the error: {outcome.path}{stands}", soft_wrap=True)
    else:
        console.print(f"{begin}  {outcome.seconds:.1f} s  {outcome.path}", soft_wrap=True)


def _proposals(row, workspace: clean.Workspace) -> list[dict]:
    """Each with the closest canonical column, the name it is close to, score."""
    if not isinstance(row.unmapped, str):
        return []
    export = clean.export(row.system, row.export, reference.systems(workspace.reference))
    proposals = clean.proposals(row.unmapped.split("; "), export)
    return json.loads(proposals.to_json(orient="records", force_ascii=False))


def _proposal(proposal: dict, lang: str) -> str:
    header, column, alias = (text.plain(proposal[name]) for name in ("header", "column", "alias"))
    if proposal["column"] is None:
        return text.choose(
            lang,
            f"没有对应的列：{header}（与认识的列都不像）",
            f"column not mapped: {header} (like no column that is known)",
        )
    score = f"{proposal['score']:.0f}"
    return text.choose(
        lang,
        f"没有对应的列：{header}（最像 {column}，按名称「{alias}」，相似度 {score}/100）",
        f"column not mapped: {header} (closest: {column}, by its name {alias}, {score} of 100)",
    )


def _print_json(rows: list[dict]) -> None:
    click.echo(json.dumps(rows, ensure_ascii=False, indent=1))


def _short(value: object, limit: int = 48) -> str:
    """A long name loses its middle, as exports differ by their beginning and their end."""
    words = text.plain(value, 400)
    return words if len(words) <= limit else f"{words[: limit // 2 - 1]}…{words[-limit // 2 :]}"


def _place(file: str, sheet: object) -> str:
    file = text.plain(file, 120)
    return f"{file} [{text.plain(sheet)}]" if isinstance(sheet, str) and sheet else file


def _of_table(row: dict, ledger) -> list[dict]:
    """The rows of a ledger that are of one table of a sheet."""
    same = ledger["file"].eq(row["file"]) & ledger["sheet"].fillna("").eq(row["sheet"] or "")
    mine = ledger[same & ledger["table"].eq(row["table"])].drop(columns=["file", "sheet"])
    return json.loads(mine.to_json(orient="records", force_ascii=False))


def _print_differing(checked, lang: str) -> None:
    """Each thing that does not hold, with its first example."""
    names = reference.invariants()
    for row in checked[checked["state"] == "differs"].itertuples():
        differ, compared = f"{row.differ:.0f}", f"{row.compared:.0f}"
        counts = text.choose(
            lang, f"{compared} 项里 {differ} 项不符；", f"{differ} of {compared} differ; "
        )
        example = text.plain(getattr(row, f"example_{lang}"), 300)
        name = text.label(names[row.invariant], lang)
        words = f"{name}{text.choose(lang, '：', ': ')}{counts}{example}"
        console.print(f"{_place(row.file, row.sheet)}: {words}", soft_wrap=True)


def _problem(row, lang: str) -> str:
    problem = text.plain(clean.said(row.problem, lang), 4_000)
    return f"{_place(row.file, row.sheet)}: {problem}"


def _print_table(frame, columns: list[str]) -> None:
    shown = frame[[name for name in columns if name in frame]]
    cells = shown.astype(object).where(shown.notna(), "")
    words = cells.map(lambda cell: f"{cell:.0f}" if isinstance(cell, float) else _short(cell))
    _print_rows(words.to_dict("records"))


def _print_rows(rows: list[dict[str, str]]) -> None:
    if not rows:
        return
    table = Table(box=None, pad_edge=False)
    for name in rows[0]:
        table.add_column(name, overflow="ellipsis", no_wrap=True)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    console.print(table)
