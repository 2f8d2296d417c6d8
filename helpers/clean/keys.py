"""The rows of a part that may stay: those with all required values, and each key once."""

from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean.assemble import Context, Part
from helpers.clean.history import TRACE
from helpers.clean.joined_lines import row_of
from helpers.clean.rows import first_of_each_row, without
from helpers.reference import schema


class KeptRows(NamedTuple):
    """A part with its rows in their tables, and all of its rows kept aside."""

    part: Part
    tables: dict[str, pd.DataFrame]
    aside: pd.DataFrame
    rows_kept: int


def kept_rows(part: Part, frame: pd.DataFrame, context: Context) -> KeptRows:
    """The part's rows conformed; rows without a required value and duplicates aside."""
    table = part.export.table
    missing = _missing_values(frame, part)
    kept = without(frame, missing.index)
    twice = _duplicates(kept, part)
    kept = without(kept, twice.index)
    more = [rows.set_axis(row_of(rows.index, part.step), axis=0) for rows in (missing, twice)]
    aside = pd.concat([part.aside, *more]).sort_index()
    assert part.rows_in == len(kept) + part.rows_totals + len(aside), (
        f"{context.file} {part.sheet}: rows lost"
    )
    tables = {table: schema.conform(kept, table, context.timezone)} if len(kept) else {}
    if len(part.reported) and len(kept) and "session_id" in kept:
        tables["reported"] = _rates(part, kept, context)
    return KeptRows(part, tables, aside, len(kept))


def _missing_values(frame: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Rows without a value that the table requires, or needs beside another of the row."""
    table, problems = part.export.table, []
    entry = reference.tables()[table]
    for name, column in entry.columns.items():
        if column.required:
            rows = frame.index[frame[name].isna()] if name in frame else frame.index
            reason = "no_session" if name == "session_id" and table != "sessions" else "missing"
            problems.append(_problem(name, "", reason, rows))
    for name, beside in entry.needs.items():
        if beside and {name, beside} <= set(frame):
            rows = frame.index[frame[name].isna() & frame[beside].notna()]
            problems.append(_problem(part.header_of(name), "", "no_amount", rows))
    # a session without a start has no id either: the start is what the export should hold
    return first_of_each_row(problems[::-1] if table == "sessions" else problems)


def _problem(column: str, value: object, reason: str, rows: pd.Index) -> pd.DataFrame:
    return pd.DataFrame({"column": column, "value": value, "reason": reason}, index=rows)


def _duplicates(frame: pd.DataFrame, part: Part) -> pd.DataFrame:
    """Rows whose key, or every cell, comes again; comments of unknown viewers honestly may."""
    key = [name for name in reference.tables()[part.export.table].key if name in frame]
    if "session_id" in key and "session_started_at" in frame:
        # sessions that are found only later are told apart by their start
        key.append("session_started_at")
    ids = [name for name in frame if name.endswith(("_id", "_key")) and name != "session_id"]
    same = pd.Series(False, index=frame.index)
    if key:
        same = frame.duplicated(key, keep="last")
    elif ids and not reference.tables()[part.export.table].repeats:
        same = frame.drop(columns="source_row").duplicated(keep="last")
    values = ""
    if key and same.any():
        values = frame.loc[same, key].astype("str").fillna("").agg(" · ".join, axis=1)
    return _problem("+".join(key), values, "duplicate", frame.index[same])


def _rates(part: Part, kept: pd.DataFrame, context: Context) -> pd.DataFrame:
    rates = part.reported[part.reported["row"].isin(kept.index)]
    trace = kept.loc[rates["row"], ["session_id", *TRACE]]
    both = [frame.reset_index(drop=True) for frame in (rates.drop(columns="row"), trace)]
    return schema.conform(pd.concat(both, axis=1), "reported", context.timezone)
