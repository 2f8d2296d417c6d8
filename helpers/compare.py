"""Comparison 对比分析: which sessions are comparable, and how far this one is from them, with how sure that is.

同比 sets a session against the same period of last year, 环比 against the previous period, 定基比 against one fixed base
(the order in which a slide of 直播复盘与售后跟踪 prints them pairs them wrongly). What decides is none of the three but
the account's own recent average with its prediction interval: two single sessions always differ.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import chinese_calendar
import holidays
import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import findings, reference, stats, text

NOTEBOOK = "03_compare"
OUTCOMES = ("paid_amount",)   # tested beside the playbook's problems: what the session is judged by
CHINESE = {"douyin", "taobao", "xiaohongshu", "shipinhao"}
SAME_SLOT_MINUTES = 90        # starts further apart than this, around the clock, are two time slots
LONGEST_RATIO = 3.0           # sessions more than three times as long or as short differ in shape, not only in length
FEW = 50                      # under so many expected events the logarithm of a rate is too coarse
SPECIAL = {"promotion", "launch", "clearance"}   # kinds of session that are rare: their like is sought over a year
KIND_WEEKS = 54
FESTIVAL_DAYS = 3             # how many days a festival session of last year may be off in its offset from the day
YEAR_AGO_DAYS = 14            # how far around the same day of last year ordinary sessions are sought

# For how many days an event without an end stays in force: changes of the surroundings linger, a fault does not.
EVENT_DAYS = {
    "platform_redesign": 14, "tag_change": 14, "slot_change": 14, "host_change": 14, "suspended": 14, "ads_change": 7,
    "price": 7, "violation": 7, "stock": 1, "outage": 1, "promotion": 1, "holiday": 1,
}
# Maxima and averages do not grow with the hours; refunds grow with age, so a young session has none to compare yet.
NOT_PER_HOUR = {"peak_online", "avg_online", "avg_watch_seconds", "product_count", "staff_count", "fan_viewer_share"}
AGES = {"refund_amount", "refund_orders", "refund_users", "goods_cost"}

RUNGS = {
    "festival_host_slot": ("同一大促、同主播、同时段", "same festival, host and time slot"),
    "festival": ("同一大促的场次", "sessions of the same festival"),
    "host_slot_day": ("同主播、同时段、同类日期", "same host, time slot and kind of day"),
    "slot": ("同时段", "same time slot"),
    "recent": ("近期全部非大促场次", "all recent sessions outside festivals"),
    "kind": ("近一年同类场次", "sessions of the same kind within a year"),
    "unlike": ("平日场次（本场在大促窗口内，仅供参考）", "ordinary sessions (this one is inside a festival: for orientation only)"),
    "none": ("没有可比场次", "no comparable session"),
}
REASONS = {
    "chosen": ("入选", "chosen"),
    "later": ("晚于本场", "later than this session"),
    "other_room": ("其他平台或直播间", "another platform or room"),
    "too_old": ("早于回看期", "before the weeks looked back on"),
    "festival": ("大促状态不同：{detail}", "festival state differs: {detail}"),
    "event": ("当时有特殊事件：{detail}", "under a logged event: {detail}"),
    "kind": ("场次类型不同", "another kind of session"),
    "length": ("时长相差三倍以上", "more than three times as long or short"),
    "host": ("主播不同", "another host"),
    "slot": ("时段不同", "another time slot"),
    "day": ("工作日/休息日不同", "another kind of day"),
}


class Basis(NamedTuple):
    """What a session was compared with: the rung of the ladder, how many sessions, and how strong that makes it."""

    rung: str
    n: int
    strength: str
    zh: str
    en: str


# ------------------------------------------------------------------------------------------------------ the calendar


def festival_of(day: dt.date, platform: str, calendar: Iterable[reference.Festival]) -> tuple[reference.Festival, int] | None:
    """The shopping festival a day lies in and its offset in days from the festival's day, or None.

    Rows for the platform itself count before rows for `all`, which stand for the Chinese platforms; the window begins
    with the presale where that is known. Where two festivals overlap, the one whose day is nearer is meant.
    """
    rows = [row for row in calendar if row.platform == platform or (row.platform == "all" and platform in CHINESE)]
    own = {(row.festival, row.year) for row in rows if row.platform == platform}
    found = [
        row for row in rows
        if (row.platform == platform or (row.festival, row.year) not in own)
        and min(row.presale_from or row.starts_on, row.starts_on) <= day <= row.ends_on
    ]
    nearest = min(found, key=lambda row: abs((day - row.day).days), default=None)
    return (nearest, (day - nearest.day).days) if nearest else None


@functools.cache
def _statutory(year: int) -> frozenset[dt.date]:
    return frozenset(holidays.China(years=year))


@functools.cache
def day_class(day: dt.date, platform: str) -> str:
    """`work` or `rest`: on Chinese platforms by the State Council's calendar with its make-up days, else by weekday.

    A year whose make-up days are not announced yet falls back to weekends and statutory holidays.
    """
    if platform not in CHINESE:
        return "rest" if day.weekday() >= 5 else "work"
    try:
        return "work" if chinese_calendar.is_workday(day) else "rest"
    except NotImplementedError:
        return "rest" if day.weekday() >= 5 or day in _statutory(day.year) else "work"


def calendar_gap(day: dt.date) -> bool:
    """Whether the make-up days of this day's year are not known yet (调休未公布)."""
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return True
    return False


# -------------------------------------------------------------------------------------------------------- the events


def event_windows(events: pd.DataFrame) -> pd.DataFrame:
    """The logged events with the time they are in force: columns of `events` and from, to.

    One row per event. An event without an end stays in force for the days that its kind lingers (a redesign two
    weeks, an outage a day).
    """
    lingers = pd.to_timedelta(events["kind"].map(EVENT_DAYS).fillna(1), unit="D")
    return events.assign(**{"from": events["starts_at"], "to": events["ends_at"].fillna(events["starts_at"] + lingers)})


def _ends(sessions: pd.DataFrame) -> pd.Series:
    length = pd.to_timedelta(sessions["duration_seconds"].fillna(0), unit="s")
    return sessions["ended_at"].fillna(sessions["started_at"] + length)


def _events_over(windows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    return windows[(windows["from"] <= end) & (windows["to"] >= start)]


def coinciding(
    events: pd.DataFrame, calendar: Iterable[reference.Festival], sessions: pd.DataFrame, session_id: str,
    verdicts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What was logged, or stands in the calendar, for the time of this session: it coincides, and proves nothing.

    One row per event: source (log, calendar; also source_zh, source_en), kind, what, from, to, expected_direction, metric, logged_after (entered
    only after the session had begun), agrees (the event names a metric and a direction, and that metric did move so).
    """
    row = sessions.set_index("session_id").loc[session_id]
    end = _ends(sessions.set_index("session_id")).loc[session_id]
    logged = _events_over(event_windows(events), row["started_at"], end)
    found = logged.assign(
        source="log", logged_after=(logged["entered_at"] > row["started_at"]).astype("boolean"),
        agrees=_agreement(logged, verdicts),
    )
    columns = ["source", "source_zh", "source_en", "kind", "what", "from", "to", "expected_direction", "metric", "logged_after", "agrees"]
    found = found.assign(source_zh="事件登记", source_en="event log")
    festival = festival_of(row["started_at"].date(), row["platform"], calendar)
    if festival is None:
        return found.reindex(columns=columns).reset_index(drop=True)
    window, zone = festival[0], row["started_at"].tz
    marked = pd.DataFrame([{
        "source": "calendar", "source_zh": "大促日历", "source_en": "calendar of festivals", "kind": "promotion", "what": window.festival,
        "from": pd.Timestamp(window.starts_on, tz=zone), "to": pd.Timestamp(window.ends_on, tz=zone) + pd.Timedelta(days=1),
        "expected_direction": "up", "metric": np.nan, "logged_after": False, "agrees": np.nan,
    }])
    return pd.concat([found.reindex(columns=columns), marked[columns]], ignore_index=True) if len(found) else marked[columns]


def _agreement(logged: pd.DataFrame, verdicts: pd.DataFrame | None) -> pd.Series:
    """Whether the metric that an event names moved as the event says: True, False, or missing where nothing is known."""
    if verdicts is None or verdicts.empty:
        return pd.Series(pd.NA, index=logged.index, dtype="boolean")
    change = logged["metric"].map(verdicts.set_index("metric")["ratio"]).astype(float) - 1
    wanted = logged["expected_direction"].map({"up": 1.0, "down": -1.0}).astype(float)
    return (np.sign(change) == wanted).astype("boolean").mask(change.isna() | wanted.isna())


# -------------------------------------------------------------------------------------------- the comparable sessions


def hours(sessions: pd.DataFrame) -> pd.Series:
    """Length of each session in hours, by session_id; from start and end where no duration is given."""
    stated = sessions["duration_seconds"]
    spanned = (sessions["ended_at"] - sessions["started_at"]).dt.total_seconds()
    length = stated.fillna(spanned) / 3600
    return pd.Series(length.where(length > 0).to_numpy(), index=sessions["session_id"], name="hours")


def described(sessions: pd.DataFrame, calendar: Iterable[reference.Festival]) -> pd.DataFrame:
    """What decides whether sessions compare: one row per session, as in `sessions`, with hours, slot, day, festival, offset.

    slot is the minute of the day at which it starts, day is work or rest, festival is the festival's name and year or
    empty, offset its distance in days from the festival's day.
    """
    calendar = tuple(calendar)
    found = [festival_of(t.date(), p, calendar) for t, p in zip(sessions["started_at"], sessions["platform"], strict=True)]
    return sessions.assign(
        hours=hours(sessions).to_numpy(),
        slot=(sessions["started_at"].dt.hour * 60 + sessions["started_at"].dt.minute).astype(float),
        day=[day_class(t.date(), p) for t, p in zip(sessions["started_at"], sessions["platform"], strict=True)],
        festival=[f"{hit[0].festival} {hit[0].year}" if hit else "" for hit in found],
        offset=[float(hit[1]) if hit else np.nan for hit in found],
    )


def _same(values: pd.Series, own: object) -> pd.Series:
    """Equal to this session's value; two unknown values count as the same, an unknown and a known one do not."""
    return values.isna() if pd.isna(own) else values.eq(own).fillna(False)


def _foreign_events(sessions: pd.DataFrame, windows: pd.DataFrame, own: set) -> list[str]:
    """For each session the first event it lay under that the reviewed session does not share; empty where none."""
    found = []
    for start, end in zip(sessions["started_at"], _ends(sessions), strict=True):
        over = _events_over(windows, start, end)
        over = over[[key not in own for key in over.index]]
        found.append("" if over.empty else str(over["what"].fillna(over["kind"]).iloc[0]))
    return found


def _refusals(
    others: pd.DataFrame, own: pd.Series, windows: pd.DataFrame, weeks: float, festival: bool = True
) -> pd.Series:
    """Why a session cannot serve on any rung, in the order in which the reasons are looked for; empty where it can.

    `festival=False` lets sessions of any festival state through, and with them those under a promotion or a holiday.
    """
    windows = windows if festival else windows[~windows["kind"].isin(["promotion", "holiday"])]
    shared = set(_events_over(windows, own["started_at"], own["end"]).index)
    ratio = others["hours"] / own["hours"]
    checks = [
        ("later", others["started_at"] >= own["started_at"]),
        ("other_room", ~(_same(others["platform"], own["platform"]) & _same(others["room"], own["room"]))),
        ("too_old", others["started_at"] < own["started_at"] - pd.Timedelta(weeks=weeks)),
        ("festival", (others["festival"] != own["festival"]) & festival),
        ("event", pd.Series(_foreign_events(others, windows, shared), index=others.index) != ""),
        ("kind", others["kind"].notna() & pd.notna(own["kind"]) & ~_same(others["kind"], own["kind"])),
        ("length", (ratio > LONGEST_RATIO) | (ratio < 1 / LONGEST_RATIO)),
    ]
    reason = pd.Series("", index=others.index, dtype="str")
    for name, refused in checks:
        reason = reason.mask((reason == "") & refused, name)
    return reason


def _rungs(others: pd.DataFrame, own: pd.Series) -> dict[str, pd.Series]:
    """The ladder, best first: which sessions each rung takes, and by what the rest is turned away."""
    apart = (others["slot"] - own["slot"]).abs()
    slot = np.minimum(apart, 1440 - apart) <= SAME_SLOT_MINUTES
    host, day = _same(others["host"], own["host"]), others["day"] == own["day"]
    everyone = pd.Series(True, index=others.index)
    if own["festival"]:
        return {"festival_host_slot": host & slot, "festival": everyone}
    return {"host_slot_day": host & slot & day, "slot": slot, "recent": everyone}


def _ladders(others: pd.DataFrame, own: pd.Series, windows: pd.DataFrame, weeks: float) -> list[tuple[pd.Series, dict[str, pd.Series]]]:
    """The ways of choosing a baseline, best first, each as (refusals, rungs); a later one only where those before find too few.

    A promotion night has its like among other promotion nights; an ordinary session inside a festival, where the festival
    has hardly begun, is held against ordinary days for orientation.
    """
    everyone = pd.Series(True, index=others.index)
    found = [(_refusals(others, own, windows, weeks), _rungs(others, own))]
    if own["kind"] in SPECIAL:
        found.append((_refusals(others, own, windows, KIND_WEEKS, festival=False), {"kind": everyone}))
    elif own["festival"]:
        refused = _refusals(others, own, windows, weeks, festival=False)
        found.append((refused.mask((refused == "") & (others["festival"] != ""), "festival"), {"unlike": everyone}))
    return found


def _turned_away(others: pd.DataFrame, own: pd.Series) -> pd.Series:
    apart = (others["slot"] - own["slot"]).abs()
    slot = np.minimum(apart, 1440 - apart) <= SAME_SLOT_MINUTES
    reason = pd.Series("day", index=others.index, dtype="str").mask(~_same(others["host"], own["host"]), "host")
    return reason.mask(~slot, "slot")


def _pick(usable: pd.Series, rungs: dict[str, pd.Series], strong: int, weak: int) -> str:
    """The best rung with enough sessions for a strong verdict, else for a weak one, else the widest."""
    counts = {name: int((usable & taken).sum()) for name, taken in rungs.items()}
    for least in (strong, weak):
        for name, count in counts.items():
            if count >= least:
                return name
    return list(rungs)[-1] if any(counts.values()) else "none"


def comparable(
    sessions: pd.DataFrame, session_id: str, *, events: pd.DataFrame, calendar: Iterable[reference.Festival],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Which sessions are the baseline of this one, and why the others are not; the session itself is never among them.

    One row per other session, newest first: session_id, started_at, host, title, hours, day, festival, chosen (bool),
    rung, reason, reason_zh, reason_en. Tried in this order, within `baseline_weeks` before: same host, time slot and
    kind of day; same slot; all outside festivals. A session inside a festival is set against the same festival; where
    that has too few sessions, a promotion against other promotions of a year, an ordinary one against ordinary days.
    Sessions under a logged event that this one does not share are left out, as are rooms, kinds and lengths that
    differ. Raises `KeyError` where the session is not in `sessions`.
    """
    all_of_them = described(sessions, calendar).assign(end=_ends(sessions))
    own = all_of_them.set_index("session_id", drop=False).loc[session_id]
    others = all_of_them[all_of_them["session_id"] != session_id].sort_values("started_at", ascending=False)
    windows = event_windows(events)
    strong, weak = int(thresholds["min_sessions_for_strong"]), int(thresholds["min_sessions_for_verdict"])
    ladders = _ladders(others, own, windows, thresholds["baseline_weeks"])
    enough = [ladder for ladder in ladders if max((ladder[0].eq("") & taken).sum() for taken in ladder[1].values()) >= weak]
    refusal, rungs = (enough or ladders)[0]
    rung = _pick(refusal == "", rungs, strong, weak)
    chosen = (refusal == "") & rungs.get(rung, pd.Series(False, index=others.index))
    reason = refusal.mask(refusal == "", _turned_away(others, own)).mask(chosen, "chosen")
    detail = _details(others, own, windows, reason)
    return pd.DataFrame({
        **{name: others[name] for name in ("session_id", "started_at", "host", "title", "hours", "day", "festival")},
        "chosen": chosen, "rung": rung, "reason": reason,
        "reason_zh": [REASONS[code][0].format(detail=words[0]) for code, words in zip(reason, detail, strict=True)],
        "reason_en": [REASONS[code][1].format(detail=words[1]) for code, words in zip(reason, detail, strict=True)],
    }).reset_index(drop=True)


def _details(others: pd.DataFrame, own: pd.Series, windows: pd.DataFrame, reason: pd.Series) -> list[tuple[str, str]]:
    shared = set(_events_over(windows, own["started_at"], own["end"]).index)
    what = _foreign_events(others, windows, shared)
    made = []
    for code, festival, event in zip(reason, others["festival"], what, strict=True):
        zh, en = (festival, festival) if code == "festival" and festival else ("非大促", "no festival")
        made.append((event, event) if code == "event" else (zh, en))
    return made


def basis(chosen: pd.DataFrame, thresholds: Mapping[str, float]) -> Basis:
    """What the comparison rests on, from the frame of `comparable`: rung, number of sessions, strong, weak or none."""
    n = int(chosen["chosen"].sum())
    rung = str(chosen["rung"].iloc[0]) if n else "none"
    strength = "strong" if n >= thresholds["min_sessions_for_strong"] and rung != "unlike" else (
        "weak" if n >= thresholds["min_sessions_for_verdict"] else "none")
    return Basis(rung, n, strength, *RUNGS[rung])


def spread_pool(comparable_sessions: pd.DataFrame) -> list[str]:
    """Ids of further sessions that tell how much sessions of this account differ, from the frame of `comparable`.

    Those turned away for their age, host, time slot or kind of day only: too unlike to say where this session should be,
    like enough to say how far sessions stray.
    """
    states = set(comparable_sessions.loc[comparable_sessions["chosen"], "festival"])
    near = comparable_sessions["reason"].isin(["too_old", "host", "slot", "day"]) & comparable_sessions["festival"].isin(states)
    return comparable_sessions.loc[near, "session_id"].tolist()


def year_ago(sessions: pd.DataFrame, session_id: str, *, calendar: Iterable[reference.Festival]) -> pd.DataFrame:
    """The sessions of last year that 同比 sets this one against: rows of `described`, empty where there is no such history.

    A festival session is matched by its offset from the festival's day (a date in the lunar year moves by weeks), any
    other to ordinary sessions within two weeks of the same date on the same kind of day; the room is the same.
    """
    known = described(sessions, calendar)
    own = known.set_index("session_id").loc[session_id]
    same = known[_same(known["platform"], own["platform"]) & _same(known["room"], own["room"])]
    if own["festival"]:
        name, year = own["festival"].rsplit(" ", 1)
        near = (same["offset"] - own["offset"]).abs() <= FESTIVAL_DAYS
        return same[(same["festival"] == f"{name} {int(year) - 1}") & near].reset_index(drop=True)
    aim = own["started_at"] - pd.Timedelta(weeks=52)
    near = (same["started_at"] - aim).abs() <= pd.Timedelta(days=YEAR_AGO_DAYS)
    return same[near & (same["festival"] == "") & (same["day"] == own["day"])].reset_index(drop=True)


# --------------------------------------------------------------------------------------------------------- the values


def label(metric: reference.Metric, lang: str) -> str:
    """A metric's name as it is compared: totals are per hour."""
    return text.label(metric, lang) + (text.choose(lang, "（每小时）", " (per hour)") if _per_hour(metric) else "")


def _per_hour(metric: reference.Metric) -> bool:
    counted = metric.unit in ("users", "times", "count", "money")
    return metric.denominator is None and counted and metric.numerator not in NOT_PER_HOUR


def comparable_metrics(registry: Mapping[str, reference.Metric]) -> list[str]:
    """Metrics of sessions that one session can be compared by: not those that grow with age, no total twice.

    Refunds, and what is net of them, keep coming for weeks: a young session would always look better. Totals are
    compared per hour (`on_one_scale`), so the registry's own hourly metrics would only say the same again.
    """
    found = []
    for name, metric in registry.items():
        terms = {metric.numerator, metric.denominator, *metric.minus, *metric.denominator_minus}
        if metric.table == "sessions" and metric.denominator != "duration_seconds" and not terms & AGES:
            found.append(name)
    return found


def family(
    values: pd.DataFrame, session_id: str, playbook: Mapping[str, reference.Problem]
) -> list[str]:
    """The metrics that are tested: of each problem of the playbook the first that this session and others have.

    The family is fixed before the numbers are seen. Testing every metric there is (people and times, a rate and the rates
    it is made of) would say the same thing often and drown it: the more tests, the fewer survive the correction.
    """
    known = values.dropna(subset=["value"])
    ours = set(known.loc[known["session_id"] == session_id, "metric"])
    shared = (ours & set(known.loc[known["session_id"] != session_id, "metric"])) or ours
    first = [next((name for name in problem.metrics if name in shared), None) for problem in playbook.values()]
    return list(dict.fromkeys([*(name for name in OUTCOMES if name in shared), *filter(None, first)]))


def on_one_scale(
    values: pd.DataFrame, sessions: pd.DataFrame, registry: Mapping[str, reference.Metric]
) -> pd.DataFrame:
    """The values of `metrics.by_session` made comparable between sessions of different length: totals become per hour.

    One row per session_id x metric: numerator, denominator, value, per_hour (bool). Only `comparable_metrics` stay.
    """
    kept = values[values["metric"].isin(comparable_metrics(registry))]
    hourly = kept["metric"].map({name: _per_hour(metric) for name, metric in registry.items()}).astype(bool)
    length = kept["session_id"].map(hours(sessions))
    return kept.assign(
        per_hour=hourly, denominator=kept["denominator"].mask(hourly, length),
        value=kept["value"].mask(hourly, kept["value"] / length),
    ).reset_index(drop=True)


def _pooled(rows: pd.DataFrame, factor: float) -> float:
    """The baseline: ratio of sums over the sessions; for a value without a denominator its geometric mean."""
    both = rows.dropna(subset=["numerator", "denominator"])
    if len(both) == len(rows) > 0 and both["denominator"].sum() > 0:
        return float(both["numerator"].sum() / both["denominator"].sum() * factor)
    values = rows["value"].dropna()
    return float(np.exp(np.log(values).mean())) if len(values) and (values > 0).all() else float(values.mean())


class _Tested(NamedTuple):
    lower: float
    upper: float
    p_value: float
    sd: float
    method: str


def _positive(value: float, past: np.ndarray) -> tuple[float, np.ndarray]:
    """Values for the log scale: a zero becomes half of the smallest value seen, whatever the currency."""
    seen = np.r_[past[past > 0], value if value > 0 else []]
    least = seen.min() / 2 if seen.size else np.nan
    return (value or least), np.where(past == 0, least, past)


def _test(
    own: pd.Series, past: pd.DataFrame, pool: pd.DataFrame, metric: reference.Metric, confidence: float, cv: float
) -> _Tested:
    """Prediction interval and p-value of one metric: log-t, or a predictive distribution of counts where they are few."""
    x, n = past["numerator"].to_numpy(float), past["denominator"].to_numpy(float)
    per = np.nansum(x) / np.nansum(n) if np.isfinite(n).any() and np.nansum(n) > 0 else np.nan
    few = np.isfinite(per) and per * min(own["denominator"], np.nanmedian(n)) < FEW
    counted = metric.proportion or (bool(own["per_hour"]) and metric.unit != "money")
    if few and counted and np.isfinite(own["numerator"]) and not metric.minus:
        predict = stats.beta_binomial_predictive if metric.proportion else stats.negative_binomial_predictive
        found = predict(own["numerator"], own["denominator"], x, n, confidence=confidence, prior_cv=cv)
        sd = stats.session_cv(x[np.isfinite(x)], n[np.isfinite(x)], proportion=metric.proportion, prior_cv=cv)
        return _Tested(found.lower * metric.factor, found.upper * metric.factor, found.p_value, sd,
                       "beta_binomial" if metric.proportion else "negative_binomial")
    log = not metric.minus
    value, history = _positive(own["value"], past["value"].to_numpy(float)) if log else (own["value"], past["value"])
    spread = stats.prior_spread(pool["value"], log=log)
    bounds = stats.prediction_interval(history, confidence=confidence, log=log, spread=spread)
    p = stats.prediction_p(value, history, log=log, spread=spread)
    return _Tested(bounds.lower, bounds.upper, p, bounds.sd, "log_t" if log else "t")


def _account_cv(rows: pd.DataFrame, proportion: bool) -> float:
    """How much this metric varies between the account's sessions: what a short baseline's own spread is shrunk to."""
    known = rows.dropna(subset=["numerator", "denominator"])
    known = known[known["denominator"] > 0]
    if len(known) < 8 or known["numerator"].sum() <= 0:
        return stats.PRIOR_CV
    return max(stats.PRIOR_CV, stats.session_cv(known["numerator"], known["denominator"], proportion=proportion))


def _compare_one(
    name: str, rows: pd.DataFrame, session_id: str, chosen: set, pool: set, metric: reference.Metric, confidence: float
) -> dict:
    own = rows[rows["session_id"] == session_id].iloc[0]
    past = rows[rows["session_id"].isin(chosen)].dropna(subset=["value"])
    usable = np.isfinite(own["value"]) and len(past) > 0
    cv = _account_cv(rows[rows["session_id"] != session_id], metric.proportion)
    further = rows[rows["session_id"].isin(pool)].dropna(subset=["value"])
    tested = _test(own, past, further, metric, confidence, cv) if usable and len(past) > 1 else _Tested(*[np.nan] * 4, "none")
    return {
        "metric": name, "label_zh": metric.zh + ("（每小时）" if own["per_hour"] else ""),
        "label_en": metric.en + (" (per hour)" if own["per_hour"] else ""), "group": metric.group, "unit": metric.unit, "per_hour": bool(own["per_hour"]),
        "value": own["value"], "numerator": own["numerator"], "denominator": own["denominator"],
        "baseline": _pooled(past, metric.factor) if len(past) else np.nan, "n": len(past), "lower": tested.lower,
        "upper": tested.upper, "sd": tested.sd, "p_value": tested.p_value, "method": tested.method,
    }


def verdicts(
    values: pd.DataFrame, session_id: str, chosen_ids: Iterable[str], *, registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float], pool_ids: Iterable[str] = (),
) -> pd.DataFrame:
    """Each metric of this session against the baseline sessions, with the range that they lead one to expect.

    `values` comes from `on_one_scale`, `pool_ids` from `spread_pool`: they steady the spread of a short baseline. One row per metric that this session has: metric, label_zh, label_en, group, unit,
    per_hour, value, numerator, denominator (hours, where per hour), baseline (ratio of sums), n, lower, upper (prediction
    interval of the value), sd (on the log scale), method,
    ratio, ratio_lower, ratio_upper (÷ baseline), p_value, p_adjusted (Benjamini-Hochberg over all metrics here),
    unusual (bool), verdict, weak (bool).
    A verdict needs `min_sessions_for_verdict` sessions, a value outside its interval and a p_adjusted within
    `false_discovery_rate`; better or worse also needs a metric that says which way is good.
    """
    chosen = set(chosen_ids) - {session_id}
    pool = set(pool_ids) - chosen - {session_id}
    own = values[(values["session_id"] == session_id) & values["value"].notna()]
    rows = [
        _compare_one(name, values[values["metric"] == name], session_id, chosen, pool, registry[name], thresholds["confidence"])
        for name in own["metric"]
    ]
    columns = ["metric", "label_zh", "label_en", "group", "unit", "per_hour", "value", "numerator", "denominator", "baseline", "n", "lower",
               "upper", "sd", "p_value", "method"]
    return _judged(pd.DataFrame(rows, columns=columns), registry, thresholds)


def ranges(
    values: pd.DataFrame, session_id: str, chosen_ids: Iterable[str], *, registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float], pool_ids: Iterable[str] = (),
) -> pd.DataFrame:
    """As `verdicts`, for metrics that are only looked up: the same columns, and no verdict on any of them."""
    found = verdicts(values, session_id, chosen_ids, registry=registry, thresholds=thresholds, pool_ids=pool_ids)
    return found.drop(columns=["p_value", "p_adjusted", "unusual", "verdict"])


def _judged(table: pd.DataFrame, registry: Mapping[str, reference.Metric], thresholds: Mapping[str, float]) -> pd.DataFrame:
    enough = table["n"] >= thresholds["min_sessions_for_verdict"]
    p = table["p_value"].where(enough)
    adjusted = pd.Series(stats.benjamini_hochberg(p), index=table.index)
    unusual = (p <= 1 - thresholds["confidence"]) & (adjusted <= thresholds["false_discovery_rate"])
    good = table["metric"].map({name: metric.bigger_is_better for name, metric in registry.items()})
    rising = table["value"] >= table["baseline"]
    verdict = pd.Series(np.where(rising == good.eq(True), "better", "worse"), index=table.index, dtype="str")
    verdict = verdict.mask(~unusual | good.isna(), "cannot_tell").mask(p.isna(), "not_comparable")
    scale = table["baseline"].where(table["baseline"] > 0)
    return table.assign(
        p_adjusted=adjusted, ratio=table["value"] / scale, ratio_lower=(table["lower"] / scale).where(enough),
        ratio_upper=(table["upper"] / scale).where(enough), lower=table["lower"].where(enough),
        upper=table["upper"].where(enough), unusual=unusual, verdict=verdict,
        weak=table["n"] < thresholds["min_sessions_for_strong"],
    )


# ----------------------------------------------------------------------------------------------- money, goals, periods


def money_at_stake(table: pd.DataFrame, session: pd.Series, registry: Mapping[str, reference.Metric]) -> pd.Series:
    """What closing the gap to the baseline would have brought in this session, by row of `verdicts`, in its currency.

    For a rate on the way to the sale: gap x people who came to the step x what each of those who took it paid in the
    end. Only where the value is on the bad side of the baseline and the numerator leads to payment; else `nan`.
    Each line changes one step and keeps the others: the lines are not to be added.
    """
    stake = []
    for row in table.itertuples():
        metric = registry[row.metric]
        gap = row.baseline - row.value
        leads = metric.bigger_is_better is True and not metric.minus and metric.numerator in PATH
        reached = row.per_hour or metric.denominator in PATH
        worth = 1.0 if metric.numerator == "paid_amount" else _paid_per(session, metric.numerator)
        stake.append(gap / metric.factor * row.denominator * worth if leads and reached and gap > 0 else np.nan)
    return pd.Series(stake, index=table.index, dtype="float64")


# Columns that lie on the way from being shown the room to having paid, in people, in events, and in orders.
PATH = {
    "room_exposure_users", "viewers", "product_exposure_users", "product_click_users", "create_users", "pay_users",
    "room_exposure_times", "views", "product_exposure_times", "product_click_times", "created_orders", "orders", "units",
    "paid_amount",
}


def _paid_per(session: pd.Series, column: str) -> float:
    count, paid = session.get(column, np.nan), session.get("paid_amount", np.nan)
    return float(paid / count) if count and count > 0 else np.nan


def history(values: pd.DataFrame, sessions: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric over the account's sessions: one row per session with started_at, session_id, value, oldest first."""
    rows = values[values["metric"] == metric].dropna(subset=["value"])
    started = rows["session_id"].map(sessions.set_index("session_id")["started_at"])
    return rows.assign(started_at=started)[["started_at", "session_id", "value"]].sort_values("started_at", ignore_index=True)


def against(
    values: pd.DataFrame, session_id: str, ids: Iterable[str], *, registry: Mapping[str, reference.Metric],
    table: pd.DataFrame | None = None, confidence: float = 0.95,
) -> pd.DataFrame:
    """This session against other sessions taken together (环比: the previous one; 同比: last year's; 定基比: a fixed base).

    One row per metric: metric, value, reference (ratio of sums), n, change (fraction), index (定基 = 100), and the
    change that is ordinary between sessions, ordinary_lower and ordinary_upper, from the spread in `table` (the
    verdicts) where it is given: a change inside it says nothing.
    """
    wanted = set(ids) - {session_id}
    own = values[(values["session_id"] == session_id) & values["value"].notna()].set_index("metric")
    others = values[values["session_id"].isin(wanted)].dropna(subset=["value"])
    rows = []
    for name, past in others.groupby("metric", sort=False):
        if name not in own.index:
            continue
        reference_value = _pooled(past, registry[name].factor)
        rows.append((name, own.loc[name, "value"], reference_value, len(past)))
    made = pd.DataFrame(rows, columns=["metric", "value", "reference", "n"]).astype({"value": float, "reference": float, "n": float})
    scale = made["reference"].where(made["reference"] > 0)
    made = made.assign(change=made["value"] / scale - 1, index=100 * made["value"] / scale)
    return made.join(_ordinary(made, table, confidence))


PERIODS = {
    "previous": ("环比（上一场可比场次）", "previous comparable session"), "year_ago": ("同比（去年同期）", "same period last year"),
    "fixed": ("定基比（固定场次）", "fixed base"),
}
ABSENT = {
    "previous": ("没有可比的上一场，无法环比。", "No earlier comparable session: nothing to compare period on period."),
    "year_ago": ("工作区里没有去年同期的场次，无法同比。", "The workspace has no session of the same period last year."),
    "fixed": ("没有指定定基场次（参数 base_sessions）。", "No fixed base was named (parameter base_sessions)."),
}


def periods(
    values: pd.DataFrame, session_id: str, bases: Mapping[str, Iterable[str]], *, registry: Mapping[str, reference.Metric],
    table: pd.DataFrame,
) -> pd.DataFrame:
    """环比, 同比 and 定基比 in one table: rows of `against` for each of the bases previous, year_ago and fixed that has sessions.

    One row per basis x metric: basis, basis_zh, basis_en, metric, label_zh, label_en, value, baseline, n, change, index,
    lower, upper (the change that is ordinary; `nan` where it is unknown).
    """
    parts = [
        against(values, session_id, ids, registry=registry, table=table).assign(basis=name, basis_zh=PERIODS[name][0], basis_en=PERIODS[name][1])
        for name, ids in bases.items() if list(ids) or name == "previous"
    ]
    made = pd.concat(parts, ignore_index=True).rename(columns={"reference": "baseline", "ordinary_lower": "lower", "ordinary_upper": "upper"})
    names = table.set_index("metric")[["label_zh", "label_en"]]
    columns = ["basis", "basis_zh", "basis_en", "metric", "label_zh", "label_en", "value", "baseline", "n", "change", "index", "lower", "upper"]
    return made.join(names, on="metric")[columns]


def absent_bases(bases: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Sentences (Chinese, English) on the comparisons that have no session to be made with."""
    return [ABSENT[name] for name, ids in bases.items() if not list(ids)]


def _ordinary(made: pd.DataFrame, table: pd.DataFrame | None, confidence: float) -> pd.DataFrame:
    """The change that this session and n others would show anyway, by the spread of the metric between sessions."""
    if table is None or table.empty:
        return pd.DataFrame({"ordinary_lower": np.nan, "ordinary_upper": np.nan}, index=made.index)
    known = table.set_index("metric")
    spread = made["metric"].map(known["sd"].where(known["method"] != "t")).astype(float)
    free = made["metric"].map(known["n"]).astype(float) - 1
    half = distributions.t.ppf(0.5 + confidence / 2, free.where(free > 0)) * spread * np.sqrt(1 + 1 / made["n"])
    return pd.DataFrame({"ordinary_lower": np.exp(-half) - 1, "ordinary_upper": np.exp(half) - 1}, index=made.index)


def goal_completion(
    goals: pd.DataFrame, values: pd.DataFrame, sessions: pd.DataFrame, session_id: str, *,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """GMV达成率 and its like: each goal for this session, or for a period it lies in, and how much of it is reached.

    `values` are those of `metrics.by_session`, totals undivided. One row per goal: scope (session, period),
    period_from, period_to, metric, target, value, completion (value ÷ target), elapsed (share of the period that has
    passed by the end of this session), reached (bool), note (these two also in words), and its place in the tree of goals (`GOAL_PLACE`).
    People cannot be added over sessions: such a goal for a period gets no value, and the note says so. A goal of what is
    done (a cue kind per hour) has a value where `values` hold it (`meeting.with_behaviours`).
    """
    row = sessions.set_index("session_id").loc[session_id]
    start, end = row["started_at"], _ends(sessions.set_index("session_id")).loc[session_id]
    ours = goals[(goals["session_id"] == session_id) & goals["period_from"].isna()]
    around = goals[(goals["period_from"] <= start) & (goals["period_to"].isna() | (goals["period_to"] >= start))]
    rows = [_goal(goal, values[values["session_id"] == session_id], registry, "session", np.nan) for goal in ours.itertuples()]
    for goal in around.itertuples():
        inside = sessions[(sessions["started_at"] >= goal.period_from) & (sessions["started_at"] <= start)]["session_id"]
        elapsed = (end - goal.period_from) / (goal.period_to - goal.period_from) if pd.notna(goal.period_to) else np.nan
        rows.append(_goal(goal, values[values["session_id"].isin(inside)], registry, "period", min(elapsed, 1.0)))
    columns = ["scope", "scope_zh", "scope_en", "period_from", "period_to", "metric", "target", "value", "completion", "elapsed",
               "reached", "note", "note_zh", "note_en", *GOAL_PLACE]
    return pd.DataFrame(rows, columns=columns)


GOAL_PLACE = ("name", "level", "parent", "kind", "phase", "owner_role")  # where a goal stands in the tree of goals, as it was entered
GOAL_NOTES = {
    "behaviour": ("是行为次数，见计划一章", "counts what was done: see the part on the plan"),
    "": ("", ""), "unknown_metric": ("没有这个指标", "no such metric"),
    "people_do_not_add": ("人数不能跨场相加", "people cannot be added over sessions"),
}


def _goal(goal, values: pd.DataFrame, registry: Mapping[str, reference.Metric], scope: str, elapsed: float) -> dict:
    metric = registry.get(goal.metric)
    rows = values[values["metric"] == goal.metric].dropna(subset=["value"])
    note, value = "", np.nan
    behaviour = goal.metric in reference.terms()["cue_kind"]
    if metric is None and (rows.empty or not behaviour):
        note = "behaviour" if behaviour else "unknown_metric"
    elif len(rows) <= 1:
        value = float(rows["value"].sum()) if len(rows) else np.nan
    elif metric is None or metric.denominator is not None:
        value = float(rows["numerator"].sum() / rows["denominator"].sum() * (metric.factor if metric else 1))
    elif metric.additive:
        value = float(rows["value"].sum())
    else:
        note = "people_do_not_add"
    wanted_up = metric is None or metric.bigger_is_better is not False
    reached = (value >= goal.target) if wanted_up else (value <= goal.target)
    says, spans = GOAL_NOTES[note], {"session": ("本场", "this session"), "period": ("周期", "period")}[scope]
    return {
        "scope": scope, "scope_zh": spans[0], "scope_en": spans[1], "period_from": goal.period_from, "period_to": goal.period_to, "metric": goal.metric,
        "target": goal.target, "value": value, "completion": value / goal.target if goal.target else np.nan,
        "elapsed": elapsed, "reached": bool(reached) if np.isfinite(value) else None, "note": note, "note_zh": says[0], "note_en": says[1],
        **{name: getattr(goal, name, None) for name in GOAL_PLACE},
    }


# -------------------------------------------------------------------------------------------------------- what is said


def _shown(row, metric: reference.Metric, lang: str, currency: str) -> dict[str, str]:
    options = {"decimals": None if metric.unit == "money" else metric.decimals, "currency": currency}
    return {
        "value": text.value(row.value, metric.unit, lang, **options), "baseline": text.value(row.baseline, metric.unit, lang, **options),
        "range": text.interval(row.lower, row.upper, metric.unit, lang, **options),
        "change": text.percent(abs(row.ratio - 1), 0) if np.isfinite(row.ratio) else text.NOTHING,
    }


def basis_sentence(ground: Basis) -> tuple[str, str]:
    """What the comparison rests on, as one sentence in each language."""
    if not ground.n:
        return "没有可比场次：只列出本场数值，不比较。", "No comparable session: values are shown, nothing is compared."
    zh = {"strong": "场次够，区间可用。", "weak": "场次偏少或不完全同类，结论偏弱。", "none": "不足三场，只列差异，不下结论。"}[ground.strength]
    en = {"strong": "Enough for an interval.", "weak": "Few, or not quite alike: a weak basis.", "none": "Fewer than three: differences only, no verdict."}[ground.strength]
    return f"基准：{ground.zh}，{ground.n} 场。{zh}", f"Baseline: {ground.en}, {ground.n}. {en}"


def _says_nothing(row) -> bool:
    """Whether the expected range spans so many orders of magnitude that it excludes nothing."""
    return row.verdict == "cannot_tell" and row.lower > 0 and row.upper / row.lower > text.WIDEST


def _sentence_zh(row, said: dict[str, str], ground: Basis) -> str:
    head = f"{row.label_zh} {said['value']}"
    if not row.n:
        return f"{head}；没有可比场次，不下结论。"
    against_what = f"可比场次（{ground.zh}，{row.n} 场）为 {said['baseline']}"
    side = f"{'高' if row.value >= row.baseline else '低'} {said['change']}"
    if row.verdict == "not_comparable":
        return f"{head}，{against_what}，{side}；场次太少，不下结论。"
    if _says_nothing(row):
        return f"{head}，{against_what}，{side}；历史波动太大，预期范围说明不了什么，无法判断。"
    weak = "（场次少，区间偏弱）" if row.weak else ""
    outside = f"超出预期范围 {said['range']}" if row.unusual else f"仍在预期范围 {said['range']} 内" if row.lower <= row.value <= row.upper else (
        f"略出预期范围 {said['range']}，但同时检验多个指标，不足为据")
    told = {"better": "：变好", "worse": "：变差"}.get(row.verdict, "，说不上变好或变差" if not row.unusual else "，高低本身无好坏")
    return f"{head}，{against_what}，{side}，{outside}{weak}{told}。"


def _sentence_en(row, said: dict[str, str], ground: Basis) -> str:
    head = f"{row.label_en}: {said['value']}"
    if not row.n:
        return f"{head}; no comparable session, so no verdict."
    against_what = f"comparable sessions ({ground.en}, {row.n} of them) had {said['baseline']}"
    side = f"{said['change']} {'above' if row.value >= row.baseline else 'below'}"
    if row.verdict == "not_comparable":
        return f"{head}; {against_what}, this one is {side}. Too few sessions for a verdict."
    if _says_nothing(row):
        return f"{head}; {against_what}, this one is {side}. The history varies too much for an expected range to say anything."
    weak = " (few sessions: a weak interval)" if row.weak else ""
    outside = f"outside the expected {said['range']}" if row.unusual else f"within the expected {said['range']}" if row.lower <= row.value <= row.upper else (
        f"just outside the expected {said['range']}, which among so many tests is not enough")
    told = {"better": "Better", "worse": "Worse"}.get(row.verdict, "Neither better nor worse can be said" if not row.unusual else "Neither good nor bad by itself")
    return f"{head}; {against_what}, this one is {side}, {outside}{weak}. {told}."


def to_findings(
    table: pd.DataFrame, ground: Basis, *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> pd.DataFrame:
    """The verdicts as findings, one row per metric tested (columns of `findings.COLUMNS`); ci_* bound the value expected.

    `table` is `verdicts` with the column money_at_stake; where that is kept, it is stated for a metric called worse only.
    """
    made = []
    for row in table.itertuples():
        metric, stake = registry[row.metric], getattr(row, "money_at_stake", np.nan)
        zh, en = (_shown(row, metric, lang, currency) for lang in ("zh", "en"))
        made.append(findings.make(
            notebook=NOTEBOOK, dimension=metric.group, metric=row.metric, verdict=row.verdict, value=row.value,
            baseline=row.baseline, ci_lower=row.lower, ci_upper=row.upper, p_adjusted=row.p_adjusted,
            money_at_stake=stake if row.verdict == "worse" else np.nan,
            sentence_zh=_sentence_zh(row, zh, ground), sentence_en=_sentence_en(row, en, ground),
        ))
    return findings.frame(made)


def summary(table: pd.DataFrame, ground: Basis) -> tuple[str, str]:
    """The comparison in one sentence, Chinese and English: how many metrics were tested, and how many are out of range."""
    count = {name: int((table["verdict"] == name).sum()) for name in ("better", "worse", "cannot_tell", "not_comparable")}
    if not len(table) or ground.strength == "none":
        return (
            f"可比场次只有 {ground.n} 场，只列差异，不下结论。", f"Only {ground.n} comparable sessions: differences are shown, no verdicts given.")
    weak = ("（结论偏弱）", " (a weak basis)") if ground.strength == "weak" else ("", "")
    return (
        f"以{ground.zh}的 {ground.n} 场为基准{weak[0]}，检验 {len(table)} 个指标：{count['worse']} 个变差，{count['better']} 个变好，{count['cannot_tell']} 个在正常波动内或无法判断。",
        f"Against {ground.n} sessions ({ground.en}){weak[1]}, {len(table)} metrics were tested: {count['worse']} worse, {count['better']} better, {count['cannot_tell']} within ordinary variation or undecided.")
