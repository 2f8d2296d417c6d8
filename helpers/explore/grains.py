"""The rows of a table with all that they can be looked at by: session, time, product."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.core.names import no_such
from helpers.reference import Metric, metrics
from helpers.reference.models import ROWS
from helpers.review import Review, choose_session

Sessions = str | Iterable[str] | tuple[object, object]
Where = str | Mapping[str, object] | None
OF_SESSION = {"platform": "platform", "room_name": "room_name", "host": "host"} | {
    "session_kind": "kind",
    "currency": "currency",
}  # column of any rows: that of their session
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
OF_START = ("date", "month", "weekday", "start_hour", "hour")
SAME_COLUMNS = ("traffic", "products", "minutes", "audience")  # beside sessions


class ExploreError(ValueError):
    """A dimension, filter or choice of sessions that cannot be; the message says what can."""


def carriers(metric: Metric) -> list[str]:
    """The tables that a metric can be read off: its own, then those with the same columns."""
    needed = set(metrics.terms(metric)) - {ROWS}
    tables = reference.tables()
    others = SAME_COLUMNS if metric.table == "sessions" else ()
    return [metric.table, *(name for name in others if needed <= set(tables[name].columns))]


def dimensions(table: str) -> list[str]:
    """What the rows of a table can be looked at by: its own columns that are no figures, and more.

    Of the session: platform, room_name, host, session_kind, currency; of its start: date, month,
    weekday, start_hour; hour (of the row's own time where it has one); minute of the session, and
    product (its name).
    """
    columns = reference.tables()[table].columns
    kinds = ("id", "text", "choice", "flag")
    stated = [name for name, column in columns.items() if column.kind in kinds]
    more = [*OF_SESSION, *OF_START] if "session_id" in columns else [*OF_START]
    more += ["minute"] if _own_time(table) and "session_id" in columns else []
    more += ["product"] if "product_id" in columns else []
    return list(dict.fromkeys([*more, *stated]))


def rows(review: Review, table: str, sessions: Sessions = "all") -> pd.DataFrame:
    """The rows of a table that may be added up, with their `dimensions` as columns.

    `sessions` is "this", "all", a list of ids, or a pair (from, to) of dates, both inside. Rows
    that belong to no session are left out of a table of sessions. Raises `ExploreError` for dates
    that are none, `KeyError` for an unknown table and `WorkspaceError` for an unknown session.
    """
    account = review.sessions.set_index("session_id")
    if "session_id" in reference.tables()[table].columns:
        chosen = _chosen(review, sessions)
        frame = review.summable(table, chosen[0] if len(chosen) == 1 else "")
        frame = frame[frame["session_id"].isin(chosen)]
        starts = frame["session_id"].map(account["started_at"])
    else:
        frame = review.summable(table)
        starts = frame[_own_time(table)]
        frame, starts = _in_period(frame, starts, table, sessions)
    times = frame[_own_time(table)] if _own_time(table) else starts
    more = {
        "date": starts.dt.strftime("%Y-%m-%d"),
        "month": starts.dt.strftime("%Y-%m"),
        "weekday": pd.Categorical.from_codes(
            starts.dt.day_of_week.fillna(-1).astype(int), WEEKDAYS, ordered=True
        ),
        "start_hour": starts.dt.hour,
        "hour": times.dt.hour,
    }
    if "session_id" in frame:
        for name, column in OF_SESSION.items():
            values = frame["session_id"].map(account[column])
            more[name] = frame[name].fillna(values) if name in frame else values
        if _own_time(table):
            passed = times.dt.floor("min") - starts.dt.floor("min")
            more["minute"] = passed.dt.total_seconds() / 60
    if "product_id" in frame:
        more["product"] = _product_names(review, frame)
    return frame.assign(**more).reset_index(drop=True)


def filtered(frame: pd.DataFrame, where: Where) -> pd.DataFrame:
    """The rows where a pandas query holds, or where columns have the given value or values.

    Raises `ExploreError` saying what is wrong, which columns exist, and for a value that does not
    occur which ones do.
    """
    if not where:
        return frame
    if isinstance(where, str):
        return _queried(frame, where)
    if not isinstance(where, Mapping):
        raise ExploreError(f"where: expected a pandas query or column → values, found {where!r}")
    for column, value in where.items():
        if column not in frame:
            raise ExploreError(f"where: {no_such(column, 'column here', _asked(frame))}")
        wanted = list(value) if isinstance(value, (list, tuple, set)) else [value]
        there = frame[column].dropna().unique()
        for one in wanted:
            if one not in there and len(frame):
                values = sorted(map(str, there))
                raise ExploreError(f"where: {no_such(one, f'value of {column} here', values)}")
        frame = frame[frame[column].isin(wanted)]
    return frame


def _queried(frame: pd.DataFrame, where: str) -> pd.DataFrame:
    try:
        holds = frame.eval(where)
    except pd.errors.UndefinedVariableError as error:
        name = str(error).split("'")[1] if "'" in str(error) else str(error)
        raise ExploreError(
            f"where {where!r}: {no_such(name, 'column here', _asked(frame))}"
        ) from error
    # pandas raises whatever its parser meets: of a query typed by hand nothing is a fault of ours
    except Exception as error:
        raise ExploreError(
            f"where {where!r}: {type(error).__name__}: {text.plain(error, 120)}; {_expected(frame)}"
        ) from error
    if not isinstance(holds, pd.Series) or not pd.api.types.is_bool_dtype(holds.dtype):
        raise ExploreError(f"where {where!r}: true or false in no row; {_expected(frame)}")
    return frame[holds.fillna(False)]


def _expected(frame: pd.DataFrame) -> str:
    condition = "expected a condition such as host == 'A' and hour >= 20"
    return f"{condition}; columns: {', '.join(_asked(frame))}"


def _asked(frame: pd.DataFrame) -> list[str]:
    """The columns of rows but for those that say where a row came from."""
    trace = ("source_file", "source_sheet", "source_row", "known_from", "why_not")
    return [name for name in frame if name not in trace]


def _own_time(table: str) -> str:
    """The time of a row itself, where a table has one; else none."""
    entry = reference.tables()[table]
    how, _, column = entry.attribute.partition(" ")
    if how == "time":
        return column
    times = [name for name, one in entry.columns.items() if one.kind == "datetime"]
    return "" if "session_id" in entry.columns or not times else times[0]


def _chosen(review: Review, sessions: Sessions) -> list[str]:
    account = review.sessions
    if isinstance(sessions, str):
        if sessions == "all":
            return list(account["session_id"])
        return [review.session_id if sessions == "this" else choose_session(account, sessions)]
    wanted = list(sessions)
    if isinstance(sessions, tuple) and len(wanted) == 2 and not _are_ids(wanted, account):
        first, last = _period(wanted, account["started_at"])
        return list(account.loc[account["started_at"].between(first, last), "session_id"])
    return [choose_session(account, one) for one in wanted]


def _are_ids(wanted: list[object], account: pd.DataFrame) -> bool:
    return set(wanted) <= set(account["session_id"])


def _in_period(
    frame: pd.DataFrame, times: pd.Series, table: str, sessions: Sessions
) -> tuple[pd.DataFrame, pd.Series]:
    """Of rows that belong to no session: all, or those of a period."""
    if sessions == "all":
        return frame, times
    if not isinstance(sessions, tuple) or len(sessions) != 2:
        raise ExploreError(
            f"sessions: rows of {table} belong to no session; expected 'all' or a pair of dates"
        )
    first, last = _period(list(sessions), times)
    inside = times.between(first, last)
    return frame[inside], times[inside]


def _period(wanted: list[object], times: pd.Series) -> tuple[pd.Timestamp, pd.Timestamp]:
    """From the first day's beginning to the last day's end, or to the minute where one is said."""
    moments = []
    for one in wanted:
        try:
            moment = pd.Timestamp(one)
        except (TypeError, ValueError):
            moment = pd.NaT
        if pd.isna(moment):
            raise ExploreError(
                f"sessions: {one!r} is no date; expected 'this', 'all', a list of session ids, or "
                "a pair such as ('2026-11-01', '2026-11-30')"
            )
        moments.append(moment if moment.tz else moment.tz_localize(times.dt.tz))
    first, last = moments
    if first > last:
        raise ExploreError(f"sessions: from {wanted[0]} to {wanted[1]} is no period: it ends first")
    whole_day = last == last.normalize()
    return first, last + pd.Timedelta(days=1) - pd.Timedelta("1us") if whole_day else last


def _product_names(review: Review, frame: pd.DataFrame) -> pd.Series:
    """What each row's product is called, with its id where two products bear one name."""
    listed = review.once("product_names", lambda: _names_by_id(review.summable("products")))
    column = next((name for name in ("product_name", "name") if name in frame), None)
    stated = frame[column] if column else pd.Series(np.nan, index=frame.index, dtype="str")
    return frame["product_id"].map(listed).astype("str").fillna(stated).fillna(frame["product_id"])


def _names_by_id(products: pd.DataFrame) -> pd.Series:
    newest = products.dropna(subset=["name"]).drop_duplicates("product_id", keep="last")
    names = newest.set_index("product_id")["name"]
    twice = names.duplicated(keep=False)
    return names.where(~twice, names + " (" + names.index.astype("str") + ")")
