"""The rows of a part that may stay: those with all required values, and each key once."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean.assemble import Context, Part
from helpers.clean.cells import all_differ
from helpers.clean.history import TRACE
from helpers.clean.joined_lines import row_of
from helpers.clean.notes import note
from helpers.clean.rows import first_of_each_row, without
from helpers.reference import schema


class KeptRows(NamedTuple):
    """A part with its rows in their tables, and all of its rows kept aside."""

    part: Part
    tables: dict[str, pd.DataFrame]
    aside: pd.DataFrame
    rows_kept: int


def clashes(parts: list[tuple[Part, pd.DataFrame]]) -> list[pd.Index]:
    """Of each part the rows whose figures another sheet of one export states otherwise.

    Of two files the later is right; of two sheets of one workbook neither is.
    """
    rows = [frame.index[:0] for _, frame in parts]
    exports: dict[tuple[str, str, str], list[int]] = {}
    for place, (part, frame) in enumerate(parts):
        if part.export.layout == "rows" and len(frame):
            names = (part.book, part.system.system, part.export.id)
            exports.setdefault(names, []).append(place)
    for places in exports.values():
        part, table = parts[places[0]][0], reference.tables()[parts[places[0]][0].export.table]
        if len(places) < 2 or table.repeats:
            continue
        every = pd.concat([parts[place][1] for place in places], keys=places)
        key = _key(every, part.export.table)
        if not key or key[-1] not in every:
            continue
        every = every[~_is_completed(every, part, table) & every[key].notna().all(axis=1)]
        sheets = every.assign(of_sheet=every.index.get_level_values(0)).groupby(key)["of_sheet"]
        off = _contradicts(every, key, table) & (sheets.transform("nunique") > 1)
        for place in places:
            rows[place] = off[off].index[off[off].index.get_level_values(0) == place].droplevel(0)
    return rows


def kept_rows(part: Part, frame: pd.DataFrame, context: Context, clash: pd.Index) -> KeptRows:
    """The part's rows conformed; rows without a required value, duplicates and a clash aside."""
    table = part.export.table
    missing = _missing_values(frame, part)
    kept = without(frame, missing.index)
    key = _key(kept, table)
    once = key and (all_differ(kept[key[-1]]) or not kept.duplicated(key).any())
    twice = _no_rows() if once else _duplicates(kept, part)
    if len(clash):
        both = _aside(kept, key, kept.index.isin(clash), "collision")
        twice = first_of_each_row([both, twice])
    kept = without(kept, twice.index)
    several = 0
    if key and not once and table != "sessions":
        several = int(kept.duplicated(key, keep=False).sum())
    if several:
        shared = note("shared_key", rows=several, key="+".join(key))
        part = part._replace(notes=(*part.notes, shared))
    else:
        part = _with_unused_ids_noted(part)
    more = [rows.set_axis(row_of(rows.index, part.step), axis=0) for rows in (missing, twice)]
    aside = pd.concat([part.aside, *more]).sort_index()
    assert part.rows_in == len(kept) + part.rows_totals + len(aside), (
        f"{context.file} {part.sheet}: rows lost"
    )
    tables = {table: schema.conform(kept, table, context.timezone)} if len(kept) else {}
    if len(part.reported) and len(kept) and "session_id" in kept:
        tables["reported"] = _rates(part, kept, context)
    return KeptRows(part, tables, aside, len(kept))


def _with_unused_ids_noted(part: Part) -> Part:
    """Without the lost digits of ids that nothing stands on: no key, and no other table has them.

    An id that completes the key is such a one as long as no two rows share the key.
    """
    tables = reference.tables()
    entry = tables[part.export.table]
    elsewhere = {name for table in tables.values() if table is not entry for name in table.columns}
    ids = [name for name in entry.completes if entry.columns[name].kind == "id"]
    headers = [part.header_of(name) for name in ids if name not in {*entry.key, *elsewhere}]
    lost = part.left_out["column"].isin(headers) & (part.left_out["reason"] == "lost_digits")
    if not lost.any():
        return part
    unused = note("lost_ids", columns=headers, cells=int(lost.sum()))
    return part._replace(left_out=part.left_out[~lost], notes=(*part.notes, unused))


def _missing_values(frame: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Rows without a value that the table requires, or needs beside another of the row."""
    table, problems = part.export.table, []
    entry = reference.tables()[table]
    for name, column in entry.columns.items():
        if column.required:
            rows = frame.index[frame[name].isna()] if name in frame else frame.index
            if rows.empty:
                continue
            reason = "no_session" if name == "session_id" and table != "sessions" else "missing"
            header = part.header_of(name) if name in frame else name
            problems.append(_problem(header, "", reason, rows))
    for name, beside in entry.needs.items():
        if beside and {name, beside} <= set(frame):
            rows = frame.index[frame[name].isna() & frame[beside].notna()]
            problems.append(_problem(part.header_of(name), "", "no_amount", rows))
    # a session without a start has no id either: the start is what the export should hold
    return first_of_each_row(problems[::-1] if table == "sessions" else problems)


def _problem(column: str, value: object, reason: str, rows: pd.Index) -> pd.DataFrame:
    return pd.DataFrame({"column": column, "value": value, "reason": reason}, index=rows)


def _duplicates(frame: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Rows that stand again, and rows of one key that contradict each other.

    Equal in every cell that is read, or in a row id that the export states, a row stands again: the
    last is kept. Where the key is made up of other columns, rows that differ are records of their
    own (`collisions` completes their key); elsewhere those that differ in a figure are a question.
    Comments of unknown viewers honestly come again, and so do movements of money that name nothing
    that they are of (`_is_nameless`).
    """
    table = reference.tables()[part.export.table]
    key = _key(frame, part.export.table)
    ids = [name for name in frame if name.endswith(("_id", "_key")) and name != "session_id"]
    if not key and (not ids or table.repeats):
        return _no_rows()
    cells = frame.drop(columns=[*TRACE, "as_of"], errors="ignore")
    if not key:
        return _aside(frame, key, cells.duplicated(keep="last"), "duplicate")
    shared = frame.duplicated(key, keep=False)
    again = cells[shared].duplicated(keep="last").reindex(frame.index, fill_value=False)
    again &= ~_is_nameless(frame, part, again)
    rest = frame[shared & ~again]
    differs = _contradicts(rest, key, table).reindex(frame.index, fill_value=False)
    alone = ~_is_completed(frame, part, table)
    if part.export.table == "sessions":
        # a room is on air once: of its rows of one start the last is the newest, but for starts
        # whose clock is missing
        differs &= frame["started_at"] == frame["started_at"].dt.normalize()
    differs &= alone
    again |= alone & rest.duplicated(key, keep="last").reindex(frame.index, fill_value=False)
    return pd.concat(
        [
            _aside(frame, key, again & ~differs, "duplicate"),
            _aside(frame, key, differs, "collision"),
        ]
    )


def _key(frame: pd.DataFrame, table: str) -> list[str]:
    key = [name for name in reference.tables()[table].key if name in frame]
    if "session_id" in key and "session_started_at" in frame:
        # sessions that are found only later are told apart by their start
        key.append("session_started_at")
    return key


def _is_completed(frame: pd.DataFrame, part: Part, table: reference.Table) -> pd.Series:
    """Rows whose key may be that of several records: no id of theirs alone, no known room."""
    how = part.export.columns.get(table.key[-1])
    of_order = part.export.columns.get("order_id")
    stated = (
        how is not None
        and table.columns[table.key[-1]].kind == "id"
        and not how.joined
        and not (of_order and set(how.header) & set(of_order.header))
    )
    completed = pd.Series(bool(table.completes) and not stated, index=frame.index)
    return completed & frame["room"].isna() if "room" in frame else completed


def _is_nameless(frame: pd.DataFrame, part: Part, again: pd.Series) -> pd.Series:
    """Rows without any id, whose key is made of a kind of movement and its time.

    Two of them that are equal are two, unless most rows with ids stand again, too, as they do where
    an export was pasted twice.
    """
    table = reference.tables()[part.export.table]
    name = table.key[-1]
    how = part.export.columns.get(name)
    kinds = {
        header
        for other, column in part.export.columns.items()
        if other in table.columns and table.columns[other].kind == "choice"
        for header in column.header
    }
    if not again.any() or how is None or not kinds & set(how.header):
        return pd.Series(False, index=frame.index)
    ids = [
        other
        for other in frame
        if other in table.columns and table.columns[other].kind == "id" and other != name
    ]
    nameless = frame[ids].isna().all(axis=1)
    pasted = 2 * (again & ~nameless).sum() >= (~nameless).sum() > 0
    return nameless & (not pasted)


def _contradicts(rows: pd.DataFrame, key: list[str], table: reference.Table) -> pd.Series:
    """Rows whose key has several figures in one column."""
    figures = [
        name
        for name in rows
        if name in table.columns and table.columns[name].kind in schema.NUMBERS and name not in key
    ]
    if rows.empty or not figures:
        return pd.Series(False, index=rows.index)
    return (rows.groupby(key, dropna=False)[figures].transform("nunique") > 1).any(axis=1)


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame(
        {"column": [], "value": [], "reason": []}, index=pd.Index([], dtype="int64")
    )


def _aside(
    frame: pd.DataFrame, key: list[str], rows: pd.Series | np.ndarray, reason: str
) -> pd.DataFrame:
    values = ""
    if key and rows.any():
        values = frame.loc[rows, key].astype("str").fillna("").agg(" · ".join, axis=1)
    return _problem("+".join(key), values, reason, frame.index[rows])


def _rates(part: Part, kept: pd.DataFrame, context: Context) -> pd.DataFrame:
    rates = part.reported[part.reported["row"].isin(kept.index)]
    trace = kept.loc[rates["row"], ["session_id", *TRACE]]
    both = [frame.reset_index(drop=True) for frame in (rates.drop(columns="row"), trace)]
    return schema.conform(pd.concat(both, axis=1), "reported", context.timezone)
