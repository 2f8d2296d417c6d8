"""The ledger of a raw file: what each sheet is, counts of its rows, why one was not read."""

from collections import Counter
from collections.abc import Iterable

import pandas as pd

from helpers import reference
from helpers.clean import assemble, mend, questions, recognise
from helpers.clean.assemble import Context, Part
from helpers.clean.file_name import exported_at
from helpers.clean.keys import KeptRows
from helpers.clean.notes import both, joined, masked, note, parted, sentence
from helpers.clean.open_file import RawFile
from helpers.clean.sheet import Sheet
from helpers.core import privacy, text
from helpers.reference import Export, System, Unverified, schema

TOLD_BY = 8  # digits of its digest in the name of a file whose own name is hidden
COUNTS = ("rows_in", "rows_kept", "rows_totals", "rows_aside")


def sheet_name(sheet: Sheet) -> str:
    """How a sheet is called everywhere: its file's path in a zip, and its own name.

    Somebody's phone or the like in it is hidden.
    """
    return privacy.mask_name("/".join(filter(None, [sheet.member, sheet.name])))


def told_apart(sheets: Iterable[Sheet]) -> tuple[Sheet, ...]:
    """The sheets of a file, numbered where what is shown of their names is the same."""
    count: Counter[str] = Counter()
    numbered = []
    for sheet in sheets:
        name = sheet_name(sheet)
        count[name] += 1
        another = count[name] > 1
        numbered.append(sheet._replace(name=f"{sheet.name} ({count[name]})") if another else sheet)
    return tuple(numbered)


def renamed(entries: list[dict[str, object]], raw: RawFile, name: str) -> list[dict[str, object]]:
    """The ledger's rows of a file whose name may not be shown, with how to find and mend it."""
    if privacy.mask_name(name) == name:
        return entries
    why = note("masked_name", sha256=raw.sha256[:TOLD_BY])
    return [entry | {"problem": joined([entry["problem"], why])} for entry in entries]


def never_silent(
    entries: list[dict[str, object]], raw: RawFile, context: Context
) -> list[dict[str, object]]:
    """The ledger's rows of a file, with a problem for each book of which they say nothing."""
    sheets_of: dict[str, set[str]] = {}
    for sheet in raw.sheets:
        sheets_of.setdefault(sheet.member, set()).add(sheet_name(sheet))
    listed = {entry["sheet"] for entry in entries}
    spoken_of = {entry["sheet"] for entry in entries if entry.get("table") or entry["problem"]}
    silent = {book: names for book, names in sheets_of.items() if not names & spoken_of}
    empty = set().union(*silent.values())
    return [
        *(
            entry | {"problem": note("no_cells")} if entry["sheet"] in empty else entry
            for entry in entries
        ),
        *(
            unread(raw, book, note("nothing_to_read"), context)
            for book, names in silent.items()
            if not names & listed
        ),
    ]


def entry(
    raw: RawFile, done: KeptRows, mended: pd.DataFrame, asked: pd.DataFrame
) -> dict[str, object]:
    """The ledger's row of a part that was read."""
    part = done.part
    here = (mended["sheet"] == part.sheet) & (mended["table"] == part.export.table)
    changed = set(mended.loc[here, "row"])
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
        "rows_mended": len(changed - set(done.aside.index)),
        "unmapped": "; ".join(privacy.mask(text.plain(header)) for header in part.unmapped) or None,
        "problem": joined(_notes(done, asked)) or None,
        "as_of": part.as_of,
    }


def _notes(done: KeptRows, asked: pd.DataFrame) -> list[str]:
    """What was not understood, then what is worth knowing."""
    return [*map(questions.as_note, asked.to_dict("records")), *done.part.notes]


def said(problem: object, lang: str) -> str:
    """What the ledger says of a sheet (`problem`), in words; nothing where it has no note."""
    return text.choose(lang, "", " ").join(
        questions.sentence(one, lang) if one["note"] == "question" else sentence(one, lang)
        for one in parted(problem)
    )


def unread(raw: RawFile, sheet: str, problem: str | None, context: Context) -> dict[str, object]:
    """The ledger's row of a sheet, or of a file, that was not read."""
    return {
        "file": raw.file,
        "sheet": privacy.mask_name(sheet),
        "sha256": raw.sha256,
        "problem": problem and masked(problem),
        **dict.fromkeys(COUNTS, 0),
        "as_of": exported_at(context.named, None, timezone=context.timezone),
    }


def hidden_sheet(
    raw: RawFile, sheet: Sheet, blocks: list[recognise.Block], context: Context
) -> dict[str, object]:
    """The ledger's row of a hidden sheet: who opens the file does not see its tables."""
    rows = sum(len(block.rows) for block in blocks)
    return unread(raw, sheet_name(sheet), note("hidden_sheet", rows=rows), context)


def mended_sheet(raw: RawFile, sheet: Sheet, context: Context) -> dict[str, object]:
    """The ledger's row of a sheet of mended rows: they are counted where they come from."""
    return {
        **unread(raw, sheet_name(sheet), None, context),
        "system": "template",
        "export": "aside",
        "grade": "own",
        "table": "aside",
        "rows_mended": 0,
    }


def mended_cells(changes: list[tuple[Part, list[mend.Change]]], context: Context) -> pd.DataFrame:
    """One row per cell that was mended before reading (`raw_file.Reading`: mended)."""
    columns = ["file", "sheet", "table", "row", "column", "value", "mended", "row_json"]
    cells = [
        (
            context.file,
            part.sheet,
            part.export.table,
            *change,
            assemble.row_json(part.raw.loc[[change.row]]).iloc[0],
        )
        for part, changed in changes
        for change in changed
    ]
    types = dict.fromkeys(columns, "str") | {"row": "float64"}
    return pd.DataFrame(cells, columns=columns).astype(types)


_EXPECTED = {
    "duplicate": "unique",
    "collision": "unique",
    "no_session": "session",
    "extra_row": "one_row",
    "impossible": "possible",
    "too_long": "text",
}


def _expected(aside: pd.DataFrame, export: Export) -> pd.DataFrame:
    """The wrong canonical column (`field`) of each row, and what it should hold."""
    columns = assemble.columns_of(export)
    field_of = {
        recognise.normal(name): field
        for field, how in reversed(export.columns.items())
        for name in [*how.header, *how.plus, *how.joined]
    }
    fields = {
        name: field_of.get(recognise.normal(name), name if name in columns else None)
        for name in aside["column"].unique()
    }
    field = aside["column"].map(fields)
    kinds = field.map({name: column.kind for name, column in columns.items()})
    return pd.DataFrame({"field": field, "expected": aside["reason"].map(_EXPECTED).fillna(kinds)})


def unknown(
    raw: RawFile,
    sheet: Sheet,
    candidates: list[recognise.Candidate],
    context: Context,
    systems: list[System],
) -> dict[str, object]:
    """The ledger's row of a sheet in which no export was recognised, with what is nearest."""
    filled = recognise.not_blank(sheet.grid)
    name = sheet_name(sheet)
    if filled.empty:
        return unread(raw, name, None, context)
    named = recognise.unverified(sheet.grid, sheet=sheet.name, file=context.named, systems=systems)
    if named:
        system, export = named
        problem = _unverified(export, len(filled))
        return {
            **unread(raw, name, problem, context),
            "system": system.system,
            "export": export.id,
            "grade": "unverified",
        }
    fitting = recognise.undecided(sheet.grid, candidates)
    if fitting:
        return unread(raw, name, _undecided(fitting, len(filled)), context)
    notes = [note("not_recognised", rows=len(filled))]
    near = recognise.nearest(sheet.grid, candidates)
    if near:
        candidate, lacking = near
        export = f"{candidate.system.system}/{candidate.export.id}"
        notes.append(
            note("nearest", export=export, lacking=lacking)
            if lacking
            else note("nearest_otherwise", export=export)
        )
    return unread(raw, name, joined(notes), context)


def _undecided(fitting: list[Export], rows: int) -> str:
    names = [f"{export.id}.csv" for export in fitting]
    return note("undecided", sheets=[both(export) for export in fitting], names=names, rows=rows)


def _unverified(export: Unverified, rows: int) -> str:
    sheets = [both(reference.tables()[name]) for name in export.tables]
    return note("unverified", export=both(export), sheets=sheets, rows=rows)


def frame(entries: list[dict[str, object]], timezone: str) -> pd.DataFrame:
    """The ledger's rows as its table (`tables.yml`: files)."""
    return schema.conform(pd.DataFrame(entries, index=range(len(entries))), "files", timezone)


def rows_aside(finished: list[KeptRows], context: Context) -> pd.DataFrame:
    """The rows of a file that were kept aside (`tables.yml`: aside)."""
    frames = [
        done.aside.assign(
            file=context.file,
            sheet=done.part.sheet,
            table=done.part.export.table,
            row=done.aside.index,
            **_expected(done.aside, done.part.export),
            row_json=assemble.row_json(done.part.raw.loc[done.aside.index]),
        )
        for done in finished
        if len(done.aside)
    ]
    rows = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return schema.conform(rows, "aside", context.timezone)
