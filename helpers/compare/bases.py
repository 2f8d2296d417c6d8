"""环比, 同比 and 定基比: one session against others together, and the change that is ordinary."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import reference
from helpers.compare.baseline import described, same_room
from helpers.compare.scale import pooled
from helpers.compare.verdict import LINEAR

# How many days a festival session of last year may be off in its offset from the day.
FESTIVAL_DAYS = 3
YEAR_AGO_DAYS = 14  # how far around the same day of last year ordinary sessions are sought
PERIODS = {
    "previous": ("环比（上一场可比场次）", "previous comparable session"),
    "day": ("环比（前一天）", "the day before"),
    "week": ("环比（上一周）", "the week before"),
    "month": ("环比（上一月）", "the month before"),
    "year_ago": ("同比（去年同期）", "same period last year"),
    "same_date": ("同比（按公历日期，未对齐大促）", "same date last year, festival not aligned"),
    "fixed": ("定基比（固定场次）", "fixed base"),
}
ABSENT = {
    "previous": (
        "没有可比的上一场，无法环比。",
        "No earlier comparable session: nothing to compare period on period.",
    ),
    "year_ago": (
        "工作区里没有去年同期的场次，无法同比。",
        "The workspace has no session of the same period last year.",
    ),
    "fixed": (
        (
            "没有定基，或者本直播间在那段时间还没有场次，所以没有定基比。在 workspace.yml 里"
            "写一行即可，例如 base: 2026-06（一个月、一天，或 2026-06-01..2026-06-20）。"
        ),
        (
            "No fixed base was named, or this room had no session then, so none is compared with. "
            "A line of workspace.yml names one: base: 2026-06 (a month, a day, or "
            "2026-06-01..2026-06-20)."
        ),
    ),
}


def against(
    values: pd.DataFrame,
    session_id: str,
    ids: Iterable[str],
    *,
    registry: Mapping[str, reference.Metric],
    table: pd.DataFrame | None = None,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """This session against other sessions taken together.

    One row per metric: metric, value, reference (ratio of sums), n, change (fraction), index (定基
    = 100), ordinary_lower and ordinary_upper (the change that is ordinary between sessions, from
    the spread in `table`, the verdicts, where given).
    """
    other_ids = set(ids) - {session_id}
    values_here = values[(values["session_id"] == session_id) & values["value"].notna()].set_index(
        "metric"
    )
    others = values[values["session_id"].isin(other_ids)].dropna(subset=["value"])
    rows = []
    for name, past in others.groupby("metric", sort=False):
        if name not in values_here.index:
            continue
        reference_value = pooled(past, registry[name].factor)
        rows.append((name, values_here.loc[name, "value"], reference_value, len(past)))
    changes = pd.DataFrame(rows, columns=["metric", "value", "reference", "n"]).astype(
        {"value": float, "reference": float, "n": float}
    )
    scale = changes["reference"].where(changes["reference"] > 0)
    changes = changes.assign(
        change=changes["value"] / scale - 1, index=100 * changes["value"] / scale
    )
    return changes.join(_ordinary(changes, table, confidence))


def periods(
    values: pd.DataFrame,
    session_id: str,
    bases: Mapping[str, Iterable[str]],
    *,
    registry: Mapping[str, reference.Metric],
    table: pd.DataFrame,
) -> pd.DataFrame:
    """环比, 同比 and 定基比 in one table: `against` each base of `PERIODS` that has sessions.

    One row per basis x metric: basis, basis_zh, basis_en, metric, label_zh, label_en, value,
    baseline, n, change, index, lower, upper (the ordinary change, or `nan`).
    """
    parts = [
        against(values, session_id, ids, registry=registry, table=table).assign(
            basis=name, basis_zh=PERIODS[name][0], basis_en=PERIODS[name][1]
        )
        for name, ids in bases.items()
        if list(ids) or name == "previous"
    ]
    changes = pd.concat(parts, ignore_index=True).rename(
        columns={"reference": "baseline", "ordinary_lower": "lower", "ordinary_upper": "upper"}
    )
    names = table.set_index("metric")[["label_zh", "label_en"]]
    columns = [
        "basis",
        "basis_zh",
        "basis_en",
        "metric",
        "label_zh",
        "label_en",
        "value",
        "baseline",
        "n",
        "change",
        "index",
        "lower",
        "upper",
    ]
    return changes.join(names, on="metric")[columns]


def same_date_year_ago(
    sessions: pd.DataFrame, session_id: str, *, calendar: Iterable[reference.Festival]
) -> pd.DataFrame:
    """What a comparison by date takes for 同比: the room's sessions around that date a year before.

    Empty but for a festival session, where it shows, beside `year_ago`, what the festival's own
    date does.
    """
    all_sessions = described(sessions, calendar)
    session = all_sessions.set_index("session_id").loc[session_id]
    if not session["festival"]:
        return all_sessions.iloc[:0]
    same = all_sessions[same_room(all_sessions, session)]
    apart = (same["started_at"] - (session["started_at"] - pd.DateOffset(years=1))).abs()
    return same[apart <= pd.Timedelta(days=FESTIVAL_DAYS)].reset_index(drop=True)


def by_calendar(sessions: pd.DataFrame, session_id: str) -> dict[str, list[str]]:
    """环比 by the calendar: ids of the room's sessions of the day, the week and the month before.

    Keys: `day`, `week` (Monday to Sunday), `month`. Comparable or not.
    """
    session = sessions.set_index("session_id").loc[session_id]
    same = sessions[same_room(sessions, session)]
    ids = {}
    for name, unit in (("day", "D"), ("week", "W-SUN"), ("month", "M")):
        period = same["started_at"].dt.tz_localize(None).dt.to_period(unit)
        ids[name] = same.loc[
            period == session["started_at"].tz_localize(None).to_period(unit) - 1, "session_id"
        ].tolist()
    return ids


def year_ago(
    sessions: pd.DataFrame, session_id: str, *, calendar: Iterable[reference.Festival]
) -> pd.DataFrame:
    """The sessions of last year that 同比 sets this one against: rows of `described`, may be empty.

    In the same room: a festival session by its offset from the festival's day (lunar dates move by
    weeks), any other by ordinary sessions within two weeks of the date on the same kind of day.
    """
    all_sessions = described(sessions, calendar)
    session = all_sessions.set_index("session_id").loc[session_id]
    same = all_sessions[same_room(all_sessions, session)]
    if session["festival"]:
        last_year = same["festival_year"] == session["festival_year"] - 1
        near = (same["offset"] - session["offset"]).abs() <= FESTIVAL_DAYS
        like = last_year & (same["festival_name"] == session["festival_name"])
    else:
        aim = session["started_at"] - pd.Timedelta(weeks=52)
        near = (same["started_at"] - aim).abs() <= pd.Timedelta(days=YEAR_AGO_DAYS)
        like = (same["festival"] == "") & (same["day"] == session["day"])
    return same[like & near].reset_index(drop=True)


def absent_bases(bases: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Sentences (Chinese, English) on the comparisons that have no session."""
    return [ABSENT[name] for name, ids in bases.items() if name in ABSENT and not list(ids)]


def _ordinary(changes: pd.DataFrame, table: pd.DataFrame | None, confidence: float) -> pd.DataFrame:
    """The change that this session and n others would show anyway, by the metric's spread."""
    if table is None or table.empty:
        return pd.DataFrame(
            {"ordinary_lower": np.nan, "ordinary_upper": np.nan}, index=changes.index
        )
    verdicts = table.set_index("metric")
    spread = (
        changes["metric"].map(verdicts["sd"].where(~verdicts["method"].isin(LINEAR))).astype(float)
    )
    free = changes["metric"].map(verdicts["n"]).astype(float) - 1
    half = (
        distributions.t.ppf(0.5 + confidence / 2, free.where(free > 0))
        * spread
        * np.sqrt(1 + 1 / changes["n"])
    )
    return pd.DataFrame(
        {"ordinary_lower": np.exp(-half) - 1, "ordinary_upper": np.exp(half) - 1},
        index=changes.index,
    )
