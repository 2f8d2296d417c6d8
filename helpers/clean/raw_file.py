"""Edge: one raw file in; canonical tables, a ledger of the file and the rows kept aside out."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean import assemble, mend, parse, recognise, template
from helpers.clean.assemble import Context, Part
from helpers.clean.parse import DayOrder
from helpers.clean.read import RawFile, Sheet, open_file
from helpers.core import text
from helpers.reference import Export, System, Unverified, schema

COUNTS = ("rows_in", "rows_kept", "rows_totals", "rows_aside")


class Reading(NamedTuple):
    """What a file holds: canonical tables by name, its ledger (one row per sheet and table), the rows kept aside.

    The tables have their canonical columns and types, and `source_file`, `source_sheet`,
    `source_row`. `mended` has one row per cell that was mended before reading (file, sheet, table,
    row, column, value, mended, row_json), `mends` one row per row of another file that this one
    mends (`mend.COLUMNS`).
    """

    tables: dict[str, pd.DataFrame]
    files: pd.DataFrame
    aside: pd.DataFrame
    mended: pd.DataFrame
    mends: pd.DataFrame


def read_file(
    path: str | Path,
    *,
    systems: Iterable[System],
    timezone: str,
    key: bytes,
    currency: str,
    dates: DayOrder | None = None,
    name: str | None = None,
    mends: Mapping[tuple[str, int], Mapping[str, str]] | None = None,
    sha256: str = "",
) -> Reading:
    """Read one raw file: a CSV, a workbook or a zip of exports.

    Clocks without a zone are taken in `timezone`; `currency` is the currency where the file states
    none; `key` is the secret of the buyer hashes; `dates` (day or month) says which comes first in
    dates such as 03/04/2026 that a file leaves open; `name` is how the file is called, where not by
    its own name; `mends` are mended cells by header, by sheet and row; `sha256` is the file's
    digest where it is known. Never raises for what a file holds: a file or sheet that cannot be
    read or recognised is a row of `files` whose `problem` says what was found and what was
    expected.
    """
    context = Context(name or Path(path).name, Path(path).name, timezone, key, currency, dates)
    systems = list(systems)
    known = recognise.candidates([*systems, template.system()])
    raw, found = _opened(path, sha256, known)
    raw = raw._replace(file=context.file)
    parts: list[Part] = []
    changes: list[tuple[Part, list[mend.Change]]] = []
    mending: list[pd.DataFrame] = []
    ledger = [_unread(raw, sheet, problem, context) for sheet, problem in raw.problems]
    for sheet, blocks in zip(raw.sheets, found, strict=True):
        if template.is_explanation(sheet.name):
            continue
        if mend.is_ours(sheet.grid):
            mending.append(mend.rows_of(sheet.grid, _shown(sheet)))
            ledger.append(_mending(raw, sheet, context))
            continue
        here = context._replace(named=_named_by(sheet, path))
        cells = {row: cells for (of, row), cells in (mends or {}).items() if of == _shown(sheet)}
        for block in blocks:
            block, changed = mend.applied(
                block, [header.text for header in assemble.shown_headers(block)], cells
            )
            parts.append(assemble.part(block, sheet=_shown(sheet), book=sheet.member, context=here))
            changes += [(parts[-1], changed)] if changed else []
        if not blocks:
            ledger.append(_unknown(raw, sheet, known, here, systems))
    finished = [_finished(part, frame, context) for part, frame in _with_sessions(parts)]
    mended = _mended(changes, context)
    ledger += [_entry(raw, done, mended) for done in finished]
    every = pd.concat([pd.DataFrame(columns=mend.COLUMNS), *mending], ignore_index=True)
    return Reading(
        _tables(finished), _ledger(ledger, timezone), _aside(finished, context), mended, every
    )


def _opened(
    path: str | Path, sha256: str, known: list[recognise.Candidate]
) -> tuple[RawFile, list[list[recognise.Block]]]:
    """The file and the tables of each sheet. Of a long text the columns that matter, or all where a table further down reads others."""
    for wanted in (functools.partial(recognise.places_wanted, known=known), None):
        raw = open_file(path, sha256=sha256, wanted=wanted)
        found = [
            recognise.tables(sheet.grid, sheet=sheet.name, file=_named_by(sheet, path), known=known)
            for sheet in raw.sheets
        ]
        if all(
            _holds(sheet, block)
            for sheet, blocks in zip(raw.sheets, found, strict=True)
            for block in blocks
        ):
            break
    return raw, found


def _holds(sheet: Sheet, block: recognise.Block) -> bool:
    """Whether all cells of a table that are looked at have been read."""
    places = recognise.places_read(block)
    return sheet.places is None or (places is not None and places <= sheet.places)


def _named_by(sheet: Sheet, path: str | Path) -> str:
    """The file whose name speaks: inside a zip the member."""
    return PurePosixPath(sheet.member).name or Path(path).name


def export(system: str, name: str, systems: Iterable[System]) -> Export:
    """The mapping of one export of a system, our own template among them. Raises `KeyError` where there is none."""
    for known in (*systems, template.system()):
        for each in known.exports:
            if (known.system, each.id) == (system, name):
                return each
    raise KeyError(f"{system}/{name}: no such export")


def _shown(sheet: Sheet) -> str:
    return "/".join(filter(None, [sheet.member, sheet.name]))


class _Done(NamedTuple):
    part: Part
    tables: dict[str, pd.DataFrame]
    aside: pd.DataFrame
    rows_kept: int


# ---- sessions of a workbook
# -------------------------------------------------------------------------------------


def _with_sessions(parts: list[Part]) -> list[tuple[Part, pd.DataFrame]]:
    """Each part with its frame, sessions named: by the row itself, or by the sheet of the workbook that names the session."""
    made: list[tuple[Part, pd.DataFrame]] = []
    for book in dict.fromkeys(part.book for part in parts):
        mine = [part for part in parts if part.book == book]
        frames = [assemble.with_session_ids(part.frame, part.export) for part in mine]
        whole = [place for place, part in enumerate(mine) if _is_fragment(part)]
        if whole:
            merged = _merged([frames[place] for place in whole])
            merged = assemble.with_session_ids(merged, mine[whole[0]].export)
            for place in whole:
                row = (
                    merged.set_axis(frames[place].index[:1], axis=0)
                    if len(frames[place]) and len(merged)
                    else frames[place]
                )
                frames[place] = row
        named = [
            frame["session_id"]
            for frame, part in zip(frames, mine, strict=True)
            if part.export.table == "sessions" and "session_id" in frame
        ]
        single = pd.concat(named).dropna().unique() if named else []
        starts = _starts(mine, frames)
        for part, frame in zip(mine, frames, strict=True):
            made.append((part, _named(part, frame, single, starts, whole=bool(whole))))
    return made


def _is_fragment(part: Part) -> bool:
    return part.export.table == "sessions" and part.export.layout != "rows"


def _merged(frames: list[pd.DataFrame]) -> pd.DataFrame:
    """One row from sheets that each hold some columns of it: the first value that is there."""
    frames = [frame.iloc[:1].reset_index(drop=True) for frame in frames if len(frame)]
    merged: dict[str, pd.Series] = {}
    for frame in frames:
        for name, values in frame.items():
            if name not in merged or merged[name].isna().all():
                merged[name] = values
    return pd.DataFrame(merged)


def _starts(parts: list[Part], frames: list[pd.DataFrame]) -> pd.Series:
    """Session ids of the file by start time, where a start is that of one session only."""
    rows = [
        frame[["started_at", "session_id"]]
        for part, frame in zip(parts, frames, strict=True)
        if part.export.table == "sessions" and {"started_at", "session_id"} <= set(frame)
    ]
    every = (
        pd.concat(rows).dropna().drop_duplicates()
        if rows
        else pd.DataFrame({"started_at": [], "session_id": []})
    )
    return every.drop_duplicates("started_at", keep=False).set_index("started_at")["session_id"]


def _named(
    part: Part, frame: pd.DataFrame, single: Iterable[str], starts: pd.Series, *, whole: bool
) -> pd.DataFrame:
    table = reference.tables()[part.export.table]
    if "session_id" not in table.columns or part.export.table == "sessions":
        return frame
    ids = (
        frame["session_id"] if "session_id" in frame else pd.Series(index=frame.index, dtype="str")
    )
    own = pd.Series(False, index=frame.index)
    if "session_started_at" in frame:
        own = frame["session_started_at"].notna()
        ids = ids.fillna(frame["session_started_at"].map(starts).astype("str"))
    if len(single) == 1 and (whole or table.attribute == "session"):
        ids = ids.mask(ids.isna() & ~own, single[0])
    return frame.assign(session_id=ids.astype("str"))


# ---- from parts to tables
# ---------------------------------------------------------------------------------------


def _finished(part: Part, frame: pd.DataFrame, context: Context) -> _Done:
    """The part's rows conformed; rows without a required value and duplicates aside. Asserts that no row is lost."""
    table = part.export.table
    missing = _missing_required(frame, table)
    kept = assemble.without(frame, missing.index)
    twice = _duplicates(kept, part)
    kept = assemble.without(kept, twice.index)
    aside = pd.concat([part.aside, missing, twice]).sort_index()
    assert part.rows_in == len(kept) + part.rows_totals + len(aside), (
        f"{context.file} {part.sheet}: rows lost"
    )
    tables = {table: schema.conform(kept, table, context.timezone)} if len(kept) else {}
    if len(part.reported) and len(kept) and "session_id" in kept:
        tables["reported"] = _rates(part, kept, context)
    return _Done(part, tables, aside, len(kept))


def _missing_required(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    found = []
    for name, column in reference.tables()[table].columns.items():
        if column.required:
            empty = frame[name].isna() if name in frame else pd.Series(True, index=frame.index)
            reason = "no_session" if name == "session_id" and table != "sessions" else "missing"
            found.append(
                pd.DataFrame(
                    {"column": name, "value": "", "reason": reason}, index=frame.index[empty]
                )
            )
    # a session without a start has no id either: say the start, which is what the export should
    # hold
    every = (
        pd.concat(found[::-1] if table == "sessions" else found)
        if found
        else pd.DataFrame({"column": [], "value": [], "reason": []})
    )
    return every[~every.index.duplicated()]


def _duplicates(frame: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Rows whose key, or whose every cell, comes again further down. Comments of unknown viewers may repeat honestly."""
    key = [name for name in reference.tables()[part.export.table].key if name in frame]
    if "session_id" in key and "session_started_at" in frame:
        key.append(
            "session_started_at"
        )  # sessions that are found only later are told apart by their start
    ids = [name for name in frame if name.endswith(("_id", "_key")) and name != "session_id"]
    same = pd.Series(False, index=frame.index)
    if key:
        same = frame.duplicated(key, keep="last")
    elif ids and not reference.tables()[part.export.table].repeats:
        same = frame.drop(columns="source_row").duplicated(keep="last")
    shown = (
        frame.loc[same, key].astype("str").fillna("").agg(" · ".join, axis=1)
        if key and same.any()
        else ""
    )
    return pd.DataFrame(
        {"column": "+".join(key), "value": shown, "reason": "duplicate"}, index=frame.index[same]
    )


def _rates(part: Part, kept: pd.DataFrame, context: Context) -> pd.DataFrame:
    rows = part.reported[part.reported["row"].isin(kept.index)]
    trace = kept.loc[
        rows["row"], ["session_id", "source_file", "source_sheet", "source_row"]
    ].reset_index(drop=True)
    return schema.conform(
        pd.concat([rows.drop(columns="row").reset_index(drop=True), trace], axis=1),
        "reported",
        context.timezone,
    )


def _tables(finished: list[_Done]) -> dict[str, pd.DataFrame]:
    made: dict[str, pd.DataFrame] = {}
    for table in reference.tables():
        frames = [done.tables[table] for done in finished if table in done.tables]
        if not frames:
            continue
        frame = pd.concat(frames, ignore_index=True)
        if table == "sessions" and any(_is_fragment(done.part) for done in finished):
            frame = frame.drop_duplicates(
                "session_id", ignore_index=True
            )  # every fragment carries the whole merged row
        made[table] = frame
    return made


# ---- the ledger
# -------------------------------------------------------------------------------------------------


def _entry(raw: RawFile, done: _Done, mended: pd.DataFrame) -> dict[str, object]:
    part = done.part
    changed = mended.loc[
        (mended["sheet"] == part.sheet) & (mended["table"] == part.export.table), "row"
    ].unique()
    return {
        "file": raw.file,
        "sheet": part.sheet,
        "sha256": raw.sha256,
        "system": part.system.system,
        "export": part.export.id,
        "grade": part.export.grade,
        "table": part.export.table,
        "rows_in": part.rows_in,
        "rows_kept": done.rows_kept,
        "rows_totals": part.rows_totals,
        "rows_aside": len(done.aside),
        "rows_mended": len(set(changed) - set(done.aside.index)),
        "unmapped": "; ".join(parse.mask_text(text.plain(header)) for header in part.unmapped)
        or None,
        "problem": "; ".join(part.notes) or None,
        "as_of": part.as_of,
    }


def _unread(raw: RawFile, sheet: str, problem: str, context: Context) -> dict[str, object]:
    return {
        "file": raw.file,
        "sheet": sheet,
        "sha256": raw.sha256,
        "problem": problem,
        **dict.fromkeys(COUNTS, 0),
        "as_of": assemble.exported_at(context.named, None, timezone=context.timezone),
    }


def _mending(raw: RawFile, sheet: Sheet, context: Context) -> dict[str, object]:
    """The ledger's row of a sheet of mended rows: they are counted where they come from."""
    return {
        **_unread(raw, _shown(sheet), "", context),
        "problem": None,
        "system": "template",
        "export": "aside",
        "grade": "own",
        "table": "aside",
        "rows_mended": 0,
    }


def _mended(changes: list[tuple[Part, list[mend.Change]]], context: Context) -> pd.DataFrame:
    columns = ["file", "sheet", "table", "row", "column", "value", "mended", "row_json"]
    made = [
        pd.DataFrame(
            [
                (
                    context.file,
                    part.sheet,
                    part.export.table,
                    *change,
                    assemble.row_json(part.raw.loc[[change.row]]).iloc[0],
                )
                for change in changed
            ],
            columns=columns,
        )
        for part, changed in changes
    ]
    return pd.concat([pd.DataFrame(columns=columns), *made], ignore_index=True).astype(
        {"row": "float64"} | dict.fromkeys([name for name in columns if name != "row"], "str")
    )


_EXPECTED = {
    "duplicate": "unique",
    "no_session": "session",
    "extra_row": "one_row",
    "impossible": "possible",
    "too_long": "text",
}


def _expected(aside: pd.DataFrame, export: Export) -> pd.DataFrame:
    """For each row kept aside the canonical column that is wrong (`field`), and what it should hold (`expected`)."""
    columns = {**assemble.HELPERS, **reference.tables()[export.table].columns}
    of = {
        recognise.normal(name): field
        for field, how in reversed(export.columns.items())
        for name in [*how.header, *how.plus, *how.joined]
    }
    fields = {
        name: of.get(recognise.normal(name), name if name in columns else None)
        for name in aside["column"].unique()
    }
    field = aside["column"].map(fields)
    kinds = field.map({name: column.kind for name, column in columns.items()})
    return pd.DataFrame({"field": field, "expected": aside["reason"].map(_EXPECTED).fillna(kinds)})


def _unknown(
    raw: RawFile,
    sheet: Sheet,
    known: list[recognise.Candidate],
    context: Context,
    systems: list[System],
) -> dict[str, object]:
    filled = recognise.not_blank(sheet.grid)
    entry = _unread(raw, _shown(sheet), "", context)
    if filled.empty:
        return {
            **entry,
            "problem": None if len(raw.sheets) > 1 else "holds no cells; expected headers and rows",
        }
    where = f"{raw.file} [{_shown(sheet)}]" if _shown(sheet) else raw.file
    named = recognise.unverified(sheet.grid, sheet=sheet.name, file=context.named, systems=systems)
    if named:
        return {**entry, **_unverified(*named, where, len(filled))}
    fitting = recognise.undecided(sheet.grid, known)
    if fitting:
        return {**entry, "problem": _undecided(fitting, where, len(filled))}
    near = recognise.nearest(sheet.grid, known)
    guess = "no row of known headers was found"
    if near:
        candidate, lacking = near
        guess += (
            f"; nearest is {candidate.system.system}/{candidate.export.id}, which needs "
            f"{', '.join(lacking) or 'other headers'}"
        )
    return {
        **entry,
        "problem": (
            f"{where}: {guess}; {len(filled)} rows left unread. Expected an export of "
            "data/reference/sources or our template"
        ),
    }


def _undecided(fitting: list[Export], where: str, rows: int) -> str:
    sheets, names = (
        " or ".join(f"{export.zh} ({export.en})" for export in fitting),
        " or ".join(f"{export.id}.csv" for export in fitting),
    )
    return (
        f"{where}: may be our template's sheet {sheets}, which its headers alone do not "
        f"decide; {rows} rows left unread. Name the file {names}, or leave out other columns"
    )


def _unverified(system: System, export: Unverified, where: str, rows: int) -> dict[str, object]:
    sheets = ", ".join(
        f"{reference.tables()[table].zh} ({reference.tables()[table].en})"
        for table in export.tables
    )
    problem = (
        f"{where}: looks like {export.zh} ({export.en}), whose layout is unverified: no real file "
        "and no list of its headers was seen, "
        f"so nothing is guessed and {rows} rows are left unread. Copy the figures into our "
        f"template (`fupan new`), sheet {sheets}, or add a mapping (CONTRIBUTING.md)"
    )
    return {"system": system.system, "export": export.id, "grade": "unverified", "problem": problem}


def _ledger(entries: list[dict[str, object]], timezone: str) -> pd.DataFrame:
    return schema.conform(pd.DataFrame(entries, index=range(len(entries))), "files", timezone)


def _aside(finished: list[_Done], context: Context) -> pd.DataFrame:
    rows = [
        pd.DataFrame(
            {
                "file": context.file,
                "sheet": done.part.sheet,
                "table": done.part.export.table,
                "row": done.aside.index,
                "column": done.aside["column"].to_numpy(),
                "value": done.aside["value"].to_numpy(),
                "reason": done.aside["reason"].to_numpy(),
                **{
                    name: values.to_numpy()
                    for name, values in _expected(done.aside, done.part.export).items()
                },
                "row_json": assemble.row_json(done.part.raw.loc[done.aside.index]).to_numpy(),
            }
        )
        for done in finished
        if len(done.aside)
    ]
    frame = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
    return schema.conform(frame, "aside", context.timezone)
