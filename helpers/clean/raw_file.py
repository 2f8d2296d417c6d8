"""One raw file in; canonical tables, a ledger of the file and the rows kept aside out."""

import functools
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean import assemble, invariants, ledger, mend, questions, recognise, template
from helpers.clean.assemble import Context, Part
from helpers.clean.columns import NOTHING_SAID, Answers, rounding
from helpers.clean.file_name import printable
from helpers.clean.keys import KeptRows, clashes, kept_rows
from helpers.clean.ledger import sheet_name
from helpers.clean.open_file import RawFile, open_file
from helpers.clean.rows import as_shown
from helpers.clean.sheet import Sheet
from helpers.reference import Export, System, schema

_FLOAT = 1e-6


class Reading(NamedTuple):
    """What a file holds: tables, its ledger, rows aside, questions, cells mended, rows that mend.

    Tables are canonical, with `source_file`, `source_sheet`, `source_row`. The ledger has one row
    per sheet and table, `questions` one per thing that was not understood, `mended` one per cell
    that was mended before reading (file, sheet, table, row, column, value, mended, row_json),
    `mends` one per row of another file that this one mends (`mend.COLUMNS`), `totals` one per value
    of a total row (`invariants.TOTALS`), `invariants` one per table and thing that must hold in it
    (`invariants.CHECKED`).
    """

    tables: dict[str, pd.DataFrame]
    files: pd.DataFrame
    aside: pd.DataFrame
    questions: pd.DataFrame
    mended: pd.DataFrame
    mends: pd.DataFrame
    totals: pd.DataFrame
    invariants: pd.DataFrame


def read_file(
    path: str | Path,
    *,
    systems: Iterable[System],
    timezone: str,
    key: bytes,
    currency: str,
    answers: Answers = NOTHING_SAID,
    name: str | None = None,
    mends: Mapping[tuple[str, int], Mapping[str, str]] | None = None,
    sha256: str = "",
) -> Reading:
    """Read one raw file: a CSV, a workbook or a zip of exports.

    Clocks without a zone are taken in `timezone`; `currency` counts where the file states none;
    `key` is the secret of the buyer hashes; `answers` say what a file leaves open; `name` is how
    the file is called, where not by its own name; `mends` are mended cells by header, by sheet and
    row; `sha256` is the digest where known. Never raises for what a file holds: what cannot be read
    or recognised is a row of `files` whose `problem` says what was found and what was expected.
    """
    named = printable(Path(path).name)
    context = Context(name or named, named, timezone, key, currency, answers)
    systems = list(systems)
    candidates = recognise.candidates([*systems, template.system()])
    raw, blocks_of = _opened(path, sha256, candidates)
    raw = raw._replace(file=context.file, sheets=ledger.told_apart(raw.sheets))
    pending: list[_Pending] = []
    mending: list[pd.DataFrame] = []
    entries = [ledger.unread(raw, sheet, problem, context) for sheet, problem in raw.problems]
    for sheet, blocks in zip(raw.sheets, blocks_of, strict=True):
        if template.is_explanation(sheet.name):
            continue
        name = sheet_name(sheet)
        if mend.is_ours(sheet.grid):
            mending.append(mend.rows_of(sheet.grid, name))
            entries.append(ledger.mended_sheet(raw, sheet, context))
            continue
        here = context._replace(named=_named_by(sheet, path), era_1904=sheet.era_1904)
        if sheet.is_hidden:
            entries += [ledger.hidden_sheet(raw, sheet, blocks, here)] if blocks else []
            continue
        cells = {row: cells for (of, row), cells in (mends or {}).items() if of == name}
        for block in blocks:
            headers = [header.text for header in assemble.shown_headers(block)]
            block, changed = mend.applied(as_shown(block, sheet), headers, cells)
            pending.append(_Pending(block, name, sheet.member, here, changed))
        if not blocks:
            entries.append(ledger.unknown(raw, sheet, candidates, here, systems))
    parts = _parts(pending)
    changes = [(part, one.changed) for part, one in zip(parts, pending, strict=True) if one.changed]
    framed = _with_sessions(parts)
    finished = [
        kept_rows(part, frame, context, clash)
        for (part, frame), clash in zip(framed, clashes(framed), strict=True)
    ]
    mended = ledger.mended_cells(changes, context)
    asked = [questions.of_part(done, context) for done in finished]
    entries += [
        ledger.entry(raw, done, mended, of_part)
        for done, of_part in zip(finished, asked, strict=True)
    ]
    entries = ledger.renamed(ledger.never_silent(entries, raw, context), raw, named)
    return _reading(entries, finished, asked, mended, mending, context)


class _Pending(NamedTuple):
    """A table that is to be read, and the cells of it that were mended."""

    block: recognise.Block
    sheet: str
    book: str
    context: Context
    changed: list[mend.Change]


def _parts(pending: list[_Pending]) -> list[Part]:
    """The tables read; the only session of a book tells the others when it began."""
    parts: dict[int, Part] = {}
    starts: dict[str, set[pd.Timestamp]] = {}
    listing = [one.block.export.table == "sessions" for one in pending]
    for place in sorted(range(len(pending)), key=lambda place: not listing[place]):
        block, sheet, book, context, _ = pending[place]
        if not listing[place] and len(starts.get(book, ())) == 1:
            context = context._replace(started=next(iter(starts[book])))
        part = assemble.part(block, sheet=sheet, book=book, context=context)
        if listing[place] and "started_at" in part.frame:
            starts.setdefault(book, set()).update(part.frame["started_at"].dropna())
        parts[place] = part
    return [parts[place] for place in range(len(pending))]


def _reading(
    entries: list[dict[str, object]],
    finished: list[KeptRows],
    asked: list[pd.DataFrame],
    mended: pd.DataFrame,
    mending: list[pd.DataFrame],
    context: Context,
) -> Reading:
    checked, totals = invariants.of_file(finished, context)
    return Reading(
        _tables(finished),
        ledger.frame(entries, context.timezone),
        ledger.rows_aside(finished, context),
        questions.table(asked, context),
        mended,
        pd.concat([pd.DataFrame(columns=mend.COLUMNS), *mending], ignore_index=True),
        totals,
        checked,
    )


def unreadable(
    path: Path,
    problem: str,
    *,
    timezone: str,
    key: bytes,
    currency: str,
    name: str | None = None,
    sha256: str = "",
    **_: object,
) -> Reading:
    """The reading of a file that could not be read: no rows, and a ledger that says why."""
    named = printable(path.name)
    context = Context(name or named, named, timezone, key, currency)
    raw = RawFile(context.file, sha256, (), ())
    entries = [ledger.unread(raw, "", problem, context)]
    entries = ledger.renamed(entries, raw, named)
    return _reading(entries, [], [], ledger.mended_cells([], context), [], context)


def _opened(
    path: str | Path, sha256: str, candidates: list[recognise.Candidate]
) -> tuple[RawFile, list[list[recognise.Block]]]:
    """The file and the tables of each sheet.

    Of a long text only the columns that matter, or all where a table further down reads others.
    """
    for wanted in (functools.partial(recognise.places_wanted, candidates=candidates), None):
        raw = open_file(path, sha256=sha256, wanted=wanted)
        blocks_of = [
            recognise.tables(
                sheet.grid, sheet=sheet.name, file=_named_by(sheet, path), candidates=candidates
            )
            for sheet in raw.sheets
        ]
        pairs = zip(raw.sheets, blocks_of, strict=True)
        if all(_holds(sheet, block) for sheet, blocks in pairs for block in blocks):
            break
    return raw, blocks_of


def _holds(sheet: Sheet, block: recognise.Block) -> bool:
    places = recognise.places_read(block)
    return sheet.places is None or (places is not None and places <= sheet.places)


def _named_by(sheet: Sheet, path: str | Path) -> str:
    return PurePosixPath(sheet.member).name or printable(Path(path).name)


def export(system: str, name: str, systems: Iterable[System]) -> Export:
    """The mapping of an export of a system or of our template; raises `KeyError` without one."""
    for source in (*systems, template.system()):
        for mapping in source.exports:
            if (source.system, mapping.id) == (system, name):
                return mapping
    raise KeyError(f"{system}/{name}: no such export")


def _with_sessions(parts: list[Part]) -> list[tuple[Part, pd.DataFrame]]:
    """Sessions are named by the row itself, or by the sheet of the workbook that names one."""
    frame_of: list[tuple[Part, pd.DataFrame]] = []
    for book in dict.fromkeys(part.book for part in parts):
        of_book = [part for part in parts if part.book == book]
        frames = [assemble.with_session_ids(part.frame, part.export) for part in of_book]
        whole = [place for place, part in enumerate(of_book) if _is_fragment(part)]
        if whole:
            disputed = _disputed([of_book[place] for place in whole])
            merged = _merged([frames[place] for place in whole])
            merged = merged.drop(columns=set().union(*disputed))
            merged = assemble.with_session_ids(merged, of_book[whole[0]].export)
            for place, cells in zip(whole, disputed, strict=True):
                of_book[place] = _with_left_out(of_book[place], cells)
                if len(frames[place]) and len(merged):
                    frames[place] = merged.set_axis(frames[place].index[:1], axis=0)
        named = [
            frame["session_id"]
            for frame, part in zip(frames, of_book, strict=True)
            if part.export.table == "sessions" and "session_id" in frame
        ]
        single = pd.concat(named).dropna().unique() if named else []
        starts = _starts(of_book, frames)
        for part, frame in zip(of_book, frames, strict=True):
            frame_of.append((part, _named(part, frame, single, starts, whole=bool(whole))))
    return frame_of


def _is_fragment(part: Part) -> bool:
    return part.export.table == "sessions" and part.export.layout != "rows"


def _merged(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """The first value that is there, of sheets that each hold some columns of a row."""
    frames = [frame.iloc[:1].reset_index(drop=True) for frame in frames if len(frame)]
    merged: dict[str, pd.Series] = {}
    for frame in frames:
        for name, values in frame.items():
            if name not in merged or merged[name].isna().all():
                merged[name] = values
    return pd.DataFrame(merged)


def _disputed(parts: list[Part]) -> list[dict[str, str]]:
    """Of each sheet the figures that another one of its session states otherwise, by column.

    Shown as its cell, and the other's with the name of its sheet.
    """
    disputed: list[dict[str, str]] = [{} for _ in parts]
    columns = reference.tables()["sessions"].columns
    figures = [name for name, column in columns.items() if column.kind in schema.NUMBERS]
    for name in figures:
        stating = [
            place
            for place, part in enumerate(parts)
            if name in part.frame and part.frame[name].iloc[:1].notna().any()
        ]
        for one, other in itertools.permutations(stating, 2):
            values = [parts[place].frame[name].iloc[0] for place in (one, other)]
            cells = [_cell(parts[place], name) for place in (one, other)]
            both = zip(cells, values, strict=True)
            slack = sum(rounding(*stated, kind=columns[name].kind) for stated in both)
            if abs(values[0] - values[1]) > slack + _FLOAT:
                shown = f"{cells[0]} ≠ {cells[1]} ({parts[other].sheet})"
                disputed[one].setdefault(name, shown)
    return disputed


def _cell(part: Part, name: str) -> str:
    """What a sheet of one row holds for a column."""
    return mend.shown(part.raw.loc[part.frame.index[:1], part.header_of(name)]).iloc[0]


def _with_left_out(part: Part, cells: Mapping[str, str]) -> Part:
    if not cells:
        return part
    shown = {"column": list(map(part.header_of, cells)), "value": list(cells.values())}
    rows = part.frame.index[:1].repeat(len(cells))
    more = pd.DataFrame(shown | {"reason": "two_sheets"}, index=rows)
    return part._replace(left_out=pd.concat([part.left_out, more]))


def _starts(parts: list[Part], frames: list[pd.DataFrame]) -> pd.Series:
    """Session ids by start time, where one session alone started then."""
    rows = [
        frame[["started_at", "session_id"]]
        for part, frame in zip(parts, frames, strict=True)
        if part.export.table == "sessions" and {"started_at", "session_id"} <= set(frame)
    ]
    if not rows:
        rows = [pd.DataFrame({"started_at": [], "session_id": []})]
    every = pd.concat(rows).dropna().drop_duplicates()
    return every.drop_duplicates("started_at", keep=False).set_index("started_at")["session_id"]


def _named(
    part: Part, frame: pd.DataFrame, single: Iterable[str], starts: pd.Series, *, whole: bool
) -> pd.DataFrame:
    """With the session that a row names, or the only one that the book names."""
    table = reference.tables()[part.export.table]
    if "session_id" not in table.columns or part.export.table == "sessions":
        return frame
    ids = frame.get("session_id", pd.Series(index=frame.index, dtype="str"))
    names_start = pd.Series(False, index=frame.index)
    if "session_started_at" in frame:
        names_start = frame["session_started_at"].notna()
        of_start = frame["session_started_at"].map(starts)
        day = frame["session_started_at"].where(lambda at: at == at.dt.normalize())
        days = starts.set_axis(starts.index.normalize(), axis=0) if len(starts) else starts
        of_start = of_start.fillna(day.map(days[~days.index.duplicated(keep=False)]))
        ids = ids.fillna(of_start.astype("str"))
    if len(single) == 1 and (whole or table.attribute == "session"):
        ids = ids.mask(ids.isna() & ~names_start, single[0])
    return frame.assign(session_id=ids.astype("str"))


def _tables(finished: list[KeptRows]) -> dict[str, pd.DataFrame]:
    tables: dict[str, pd.DataFrame] = {}
    for table in reference.tables():
        frames = [done.tables[table] for done in finished if table in done.tables]
        if not frames:
            continue
        frame = pd.concat(frames, ignore_index=True)
        if table == "sessions" and any(_is_fragment(done.part) for done in finished):
            # every fragment carries the whole merged row
            frame = frame.drop_duplicates("session_id", ignore_index=True)
        tables[table] = frame
    return tables
