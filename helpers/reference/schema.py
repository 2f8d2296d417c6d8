"""The canonical tables (`tables.yml`) as pandas and pandera see them: dtypes, keys, checks."""

import functools
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from helpers.reference.load import tables, terms

if TYPE_CHECKING:
    import pandera.pandas as pa

NUMBERS = {"users", "times", "count", "money", "rate", "ratio", "seconds", "score"}
TRACE = ("source_file", "source_sheet", "source_row")
MARK = "mark"  # what else tells rows of one key apart, until readings are brought together


def dtype(kind: str, timezone: str) -> object:
    """The pandas dtype of a column kind, times with the workspace's zone."""
    if kind == "datetime":
        return pd.DatetimeTZDtype("us", timezone)
    return pd.api.types.pandas_dtype(
        "float64" if kind in NUMBERS else "boolean" if kind == "flag" else "str"
    )


def empty(table: str, timezone: str) -> pd.DataFrame:
    """A frame of no rows with the columns and dtypes of a canonical table."""
    columns = tables()[table].columns
    nothing = functools.cache(lambda kind: pd.array([], dtype=dtype(kind, timezone)))
    values = {name: nothing(column.kind) for name, column in columns.items()}
    return pd.DataFrame(values, index=pd.RangeIndex(0))


def write(frame: pd.DataFrame, table: str, path: Path) -> None:
    """Write rows of a canonical table to Parquet: what repeats once, what is sought by with bounds.

    Any other table, as those of what was kept aside, is written plainly.
    """
    columns = tables()[table].columns if table in tables() else {}
    repeating = [
        name
        for name, column in columns.items()
        if name in frame and column.kind in ("text", "choice")
    ]
    sought = ["session_id"] if "session_id" in frame else []
    repeating += sought
    frame.to_parquet(path, index=False, use_dictionary=repeating, write_statistics=sought)


def conform(frame: pd.DataFrame, table: str, timezone: str) -> pd.DataFrame:
    """The frame with the table's columns, in its order and dtypes; those it lacks are missing.

    Of other columns only `MARK` and those of `TRACE` are kept, which say where a row came from.
    Raises `KeyError` for an unknown table and `ValueError` where a value
    does not fit.
    """
    columns = tables()[table].columns
    missing = functools.cache(functools.partial(pd.Series, None, frame.index))
    values_by_name = {}
    for name, column in columns.items():
        expected = dtype(column.kind, timezone)
        values = frame[name] if name in frame else missing(expected)
        if column.kind == "datetime" and not isinstance(values.dtype, pd.DatetimeTZDtype):
            values = pd.to_datetime(values)
            values = values.dt.tz_localize(timezone) if values.dt.tz is None else values
        try:
            values_by_name[name] = values.astype(expected)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{table}.{name}: expected {column.kind}: {error}") from error
    trace = [name for name in (*TRACE, MARK) if name in frame]
    return pd.DataFrame(
        {**values_by_name, **{name: frame[name] for name in trace}}, index=frame.index, copy=False
    )


@functools.cache
def model(table: str) -> "pa.DataFrameSchema":
    """The pandera schema: required values, closed choices, no wrong sign, one row a key."""
    os.environ.setdefault("DISABLE_PANDERA_IMPORT_WARNING", "True")
    import pandera.pandas as pa  # dear to import, and only checks need it

    columns = {}
    entry = tables()[table]
    for name, column in entry.columns.items():
        checks = []
        if column.terms:
            allowed = list(terms()[column.terms])
            checks.append(pa.Check.isin(allowed, error=f"expected one of {', '.join(allowed)}"))
        if column.kind in NUMBERS and not column.below_zero:
            checks.append(pa.Check.ge(0, error="expected 0 or more"))
        if column.kind == "rate":
            checks.append(pa.Check.le(1, error="expected a fraction of at most 1"))
        columns[name] = pa.Column(checks=checks, nullable=not column.required, required=True)
    grain = pa.Check(functools.partial(_once, key=entry.key), error=f"expected {entry.grain}")
    return pa.DataFrameSchema(columns, checks=[grain] if entry.key else [], strict=False)


def _once(frame: pd.DataFrame, key: list[str]) -> pd.Series:
    """Rows whose key no other row has; those without a session yet pass."""
    unknown = (
        frame["session_id"].isna() if "session_id" in key else pd.Series(False, index=frame.index)
    )
    return unknown | ~frame.duplicated(key, keep=False)


def validate(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Values that do not fit the table, one row per failing value; nothing is changed.

    Columns: row (index label), column, value, reason.
    """
    schema = model(table)
    from pandera.errors import SchemaErrors

    try:
        schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        of_rows = (
            cases["schema_context"] == "DataFrameSchema"
        )  # one case a column of the row: the key's say it
        cases = cases[~of_rows | cases["column"].isin(tables()[table].key)]
        reason = cases["check"].astype(str).replace({"not_nullable": "a value is required"})
        return pd.DataFrame(
            {
                "row": cases["index"],
                "column": cases["column"],
                "value": cases["failure_case"].astype(str),
                "reason": reason,
            }
        ).drop_duplicates(["row", "column"], ignore_index=True)
    return pd.DataFrame({"row": [], "column": [], "value": [], "reason": []})


def session_ends(sessions: pd.DataFrame) -> pd.Series:
    """When each session ended, by row: as exported, else start and length, else the start."""
    return sessions["ended_at"].fillna(
        sessions["started_at"] + pd.to_timedelta(sessions["duration_seconds"].fillna(0), unit="s")
    )


def session_id(platform: str, room: str | None, started_at: pd.Timestamp) -> str:
    """The key of a session: local start to the minute, platform, four hex digits of the room.

    `session_id("douyin", "demo", 2026-11-10 20:00)` is "20261110-2000-douyin-" and the digits;
    those of an unknown room are "0000".
    """
    named = isinstance(room, str) and room != ""
    mark = hashlib.blake2s(room.encode(), digest_size=2).hexdigest() if named else "0000"
    return f"{started_at:%Y%m%d-%H%M}-{platform}-{mark}"
