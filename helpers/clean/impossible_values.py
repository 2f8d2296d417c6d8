"""Values that cannot be: by themselves, beside another value of their row, or as a rate."""

from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from helpers import reference
from helpers.clean.history import TRACE

FLAG = ["table", "file", "sheet", "row", "column", "value", "reason"]


def impossible(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Values that cannot be, one row per flag; the rows themselves are kept.

    Columns: table, file, sheet, row, column (or a+b), value, reason (`terms.yml`). Flagged are
    cells left out on reading; columns that break never_above or never_without of `tables.yml`;
    rates of the platform above 1 whose people are among those they divide by.
    """
    parts = [
        part
        for name, frame in tables.items()
        if len(frame) and name in reference.tables()
        for part in (
            _left_out(frame, name),
            _pairs(frame, name, reference.tables()[name].never_above, _exceeds, " > ", "above"),
            _pairs(frame, name, reference.tables()[name].never_without, _lacks, ", ", "without"),
        )
    ]
    parts.append(_above_one(tables.get("reported", pd.DataFrame())))
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=FLAG)


def _flagged(
    frame: pd.DataFrame, table: str, column: object, value: object, reason: str
) -> pd.DataFrame:
    where = dict(zip(("file", "sheet", "row"), map(frame.get, TRACE), strict=True))
    return pd.DataFrame(
        {"table": table, **where, "column": column, "value": value, "reason": reason},
        index=frame.index,
    )[FLAG]


def _left_out(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Cells left out on reading that no other file of the session has given since."""
    flags = frame.get("source_flags", pd.Series(dtype="str")).dropna().astype("str")
    flags = flags[flags != ""].str.split("\n").explode()
    if flags.empty:
        return pd.DataFrame(columns=FLAG)
    flags = flags.str.partition("=")
    rows = frame.loc[flags.index]
    still = [name not in frame or pd.isna(frame.at[row, name]) for row, name in flags[0].items()]
    return _flagged(rows, table, flags[0].to_numpy(), flags[2].to_numpy(), "left_out")[still]


def _pairs(
    frame: pd.DataFrame,
    table: str,
    limits: Mapping[str, Iterable[str]],
    broken: Callable[[pd.Series, pd.Series], pd.Series],
    between: str,
    reason: str,
) -> pd.DataFrame:
    flags = []
    for left, right in ((left, right) for left, others in limits.items() for right in others):
        if {left, right} <= set(frame):
            rows = frame[broken(frame[left], frame[right])]
            pairs = zip(rows[left].map(_shown), rows[right].map(_shown), strict=True)
            values = [between.join(pair) for pair in pairs]
            flags.append(_flagged(rows, table, f"{left}+{right}", values, reason))
    return pd.concat(flags) if flags else pd.DataFrame(columns=FLAG)


def _exceeds(low: pd.Series, high: pd.Series) -> pd.Series:
    if pd.api.types.is_numeric_dtype(low.dtype):
        return low > high * (1 + 1e-9) + 1e-9  # sums of cents
    return low > high


def _lacks(counted: pd.Series, needed: pd.Series) -> pd.Series:
    return (counted > 0) & needed.eq(0)


def _shown(value: object) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, pd.Timestamp) else f"{value:.12g}"


def _above_one(reported: pd.DataFrame) -> pd.DataFrame:
    if reported.empty:
        return pd.DataFrame(columns=FLAG)
    limits = reference.tables()["sessions"].never_above
    among = [
        below in limits.get(above, [])
        for above, below in zip(reported["numerator"], reported["denominator"], strict=True)
    ]
    plain = reported["factor"].fillna(1) == 1
    rows = reported[plain & (reported["value"] > 1) & pd.Series(among, index=reported.index)]
    return _flagged(rows, "reported", rows["name"], rows["value"].map(_shown), "above_one")
