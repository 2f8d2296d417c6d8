"""Which sessions a session may be compared with, why the others are refused, and what that ground is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.days import day_class, festival_of
from helpers.compare.events import events_over
from helpers.reference import schema

SAME_SLOT_MINUTES = 90  # starts further apart than this, around the clock, are two time slots
LONGEST_RATIO = (
    3.0  # sessions more than three times as long or as short differ in shape, not only in length
)
SPECIAL = {
    "promotion",
    "launch",
    "clearance",
}  # kinds of session that are rare: their like is sought over a year
KIND_WEEKS = 54
FESTIVAL_DAYS = (
    3  # how many days a festival session of last year may be off in its offset from the day
)
YEAR_AGO_DAYS = 14  # how far around the same day of last year ordinary sessions are sought

RUNGS = {
    "festival_host_slot": ("同一大促、同主播、同时段", "same festival, host and time slot"),
    "festival": ("同一大促的场次", "sessions of the same festival"),
    "host_slot_day": ("同主播、同时段、同类日期", "same host, time slot and kind of day"),
    "slot": ("同时段", "same time slot"),
    "recent": ("近期全部非大促场次", "all recent sessions outside festivals"),
    "kind": ("近一年同类场次", "sessions of the same kind within a year"),
    "unlike": (
        "平日场次（本场在大促窗口内，仅供参考）",
        "ordinary sessions (this one is inside a festival: for orientation only)",
    ),
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


def hours(sessions: pd.DataFrame) -> pd.Series:
    """Length of each session in hours, by session_id; from start and end where no duration is given."""
    stated = sessions["duration_seconds"]
    spanned = (sessions["ended_at"] - sessions["started_at"]).dt.total_seconds()
    length = stated.fillna(spanned) / 3600
    return pd.Series(
        length.where(length > 0).to_numpy(), index=sessions["session_id"], name="hours"
    )


def described(sessions: pd.DataFrame, calendar: Iterable[reference.Festival]) -> pd.DataFrame:
    """What decides whether sessions compare: one row per session, as in `sessions`, with hours, slot, day, festival, offset.

    slot is the minute of the day at which it starts, day is work or rest, festival is the
    festival's name and year or empty, offset its distance in days from the festival's day.
    """
    calendar = tuple(calendar)
    festivals = [
        festival_of(t.date(), p, calendar)
        for t, p in zip(sessions["started_at"], sessions["platform"], strict=True)
    ]
    return sessions.assign(
        hours=hours(sessions).to_numpy(),
        slot=(sessions["started_at"].dt.hour * 60 + sessions["started_at"].dt.minute).astype(float),
        day=[
            day_class(t.date(), p)
            for t, p in zip(sessions["started_at"], sessions["platform"], strict=True)
        ],
        festival=[f"{hit[0].festival} {hit[0].year}" if hit else "" for hit in festivals],
        offset=[float(hit[1]) if hit else np.nan for hit in festivals],
    )


def _same(values: pd.Series, value: object) -> pd.Series:
    """Equal to this session's value; two unknown values count as the same, an unknown and a known one do not."""
    return values.isna() if pd.isna(value) else values.eq(value).fillna(False)


def same_room(sessions: pd.DataFrame, session: pd.Series) -> pd.Series:
    """Which sessions took place on the platform and in the room of a session (its row): True or False by row of `sessions`."""
    return _same(sessions["platform"], session["platform"]) & _same(
        sessions["room"], session["room"]
    )


def minutes_apart(slots: pd.Series, slot: float) -> pd.Series:
    """Minutes between times of day (minutes since midnight), the short way around the clock."""
    apart = (slots - slot).abs()
    return np.minimum(apart, 1440 - apart)


def _foreign_events(sessions: pd.DataFrame, windows: pd.DataFrame, shared: set) -> list[str]:
    """For each session the first event it lay under that the reviewed session does not share; empty where none."""
    names = []
    for start, end in zip(sessions["started_at"], schema.session_ends(sessions), strict=True):
        over = events_over(windows, start, end)
        over = over[[key not in shared for key in over.index]]
        names.append("" if over.empty else str(over["what"].fillna(over["kind"]).iloc[0]))
    return names


def _refusals(
    others: pd.DataFrame,
    session: pd.Series,
    windows: pd.DataFrame,
    weeks: float,
    festival: bool = True,
) -> pd.Series:
    """Why a session cannot serve on any rung, in the order in which the reasons are looked for; empty where it can.

    `festival=False` lets sessions of any festival state through, and with them those under a
    promotion or a holiday.
    """
    windows = windows if festival else windows[~windows["kind"].isin(["promotion", "holiday"])]
    shared = set(events_over(windows, session["started_at"], session["end"]).index)
    ratio = others["hours"] / session["hours"]
    checks = [
        ("later", others["started_at"] >= session["started_at"]),
        ("other_room", ~same_room(others, session)),
        ("too_old", others["started_at"] < session["started_at"] - pd.Timedelta(weeks=weeks)),
        ("festival", (others["festival"] != session["festival"]) & festival),
        ("event", pd.Series(_foreign_events(others, windows, shared), index=others.index) != ""),
        (
            "kind",
            others["kind"].notna()
            & pd.notna(session["kind"])
            & ~_same(others["kind"], session["kind"]),
        ),
        ("length", (ratio > LONGEST_RATIO) | (ratio < 1 / LONGEST_RATIO)),
    ]
    reason = pd.Series("", index=others.index, dtype="str")
    for name, refused in checks:
        reason = reason.mask((reason == "") & refused, name)
    return reason


def _rungs(others: pd.DataFrame, session: pd.Series) -> dict[str, pd.Series]:
    """The ladder, best first: which sessions each rung takes, and by what the rest is turned away."""
    slot = minutes_apart(others["slot"], session["slot"]) <= SAME_SLOT_MINUTES
    host, day = _same(others["host"], session["host"]), others["day"] == session["day"]
    everyone = pd.Series(True, index=others.index)
    if session["festival"]:
        return {"festival_host_slot": host & slot, "festival": everyone}
    return {"host_slot_day": host & slot & day, "slot": slot, "recent": everyone}


def _ladders(
    others: pd.DataFrame, session: pd.Series, windows: pd.DataFrame, weeks: float
) -> list[tuple[pd.Series, dict[str, pd.Series]]]:
    """The ways of choosing a baseline, best first, each as (refusals, rungs); a later one only where those before find too few.

    A promotion night has its like among other promotion nights; an ordinary session inside a
    festival, where the festival has hardly begun, is held against ordinary days for orientation.
    """
    everyone = pd.Series(True, index=others.index)
    ladders = [(_refusals(others, session, windows, weeks), _rungs(others, session))]
    if session["kind"] in SPECIAL:
        ladders.append(
            (_refusals(others, session, windows, KIND_WEEKS, festival=False), {"kind": everyone})
        )
    elif session["festival"]:
        refused = _refusals(others, session, windows, weeks, festival=False)
        ladders.append(
            (
                refused.mask((refused == "") & (others["festival"] != ""), "festival"),
                {"unlike": everyone},
            )
        )
    return ladders


def _turned_away(others: pd.DataFrame, session: pd.Series) -> pd.Series:
    slot = minutes_apart(others["slot"], session["slot"]) <= SAME_SLOT_MINUTES
    reason = pd.Series("day", index=others.index, dtype="str").mask(
        ~_same(others["host"], session["host"]), "host"
    )
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
    sessions: pd.DataFrame,
    session_id: str,
    *,
    events: pd.DataFrame,
    calendar: Iterable[reference.Festival],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Which sessions are the baseline of this one, and why the others are not; the session itself is never among them.

    One row per other session, newest first: session_id, started_at, host, title, hours, day,
    festival, chosen (bool), rung, reason, reason_zh, reason_en. Tried in this order, within
    `baseline_weeks` before: same host, time slot and kind of day; same slot; all outside festivals.
    A session inside a festival is set against the same festival; where that has too few sessions, a
    promotion against other promotions of a year, an ordinary one against ordinary days. Sessions
    under a logged event that this one does not share are left out, as are rooms, kinds and lengths
    that differ; `events` are those of `event_windows`. Raises `KeyError` where the session is not
    in `sessions`.
    """
    all_of_them = described(sessions, calendar).assign(end=schema.session_ends(sessions))
    session = all_of_them.set_index("session_id", drop=False).loc[session_id]
    others = all_of_them[all_of_them["session_id"] != session_id].sort_values(
        "started_at", ascending=False
    )
    strong, weak = (
        int(thresholds["min_sessions_for_strong"]),
        int(thresholds["min_sessions_for_verdict"]),
    )
    ladders = _ladders(others, session, events, thresholds["baseline_weeks"])
    enough = [
        ladder
        for ladder in ladders
        if max((ladder[0].eq("") & taken).sum() for taken in ladder[1].values()) >= weak
    ]
    refusal, rungs = (enough or ladders)[0]
    rung = _pick(refusal == "", rungs, strong, weak)
    chosen = (refusal == "") & rungs.get(rung, pd.Series(False, index=others.index))
    reason = refusal.mask(refusal == "", _turned_away(others, session)).mask(chosen, "chosen")
    detail = _details(others, session, events, reason)
    return pd.DataFrame(
        {
            **{
                name: others[name]
                for name in (
                    "session_id",
                    "started_at",
                    "host",
                    "title",
                    "hours",
                    "day",
                    "festival",
                )
            },
            "chosen": chosen,
            "rung": rung,
            "reason": reason,
            "reason_zh": [
                REASONS[code][0].format(detail=words[0])
                for code, words in zip(reason, detail, strict=True)
            ],
            "reason_en": [
                REASONS[code][1].format(detail=words[1])
                for code, words in zip(reason, detail, strict=True)
            ],
        }
    ).reset_index(drop=True)


def _details(
    others: pd.DataFrame, session: pd.Series, windows: pd.DataFrame, reason: pd.Series
) -> list[tuple[str, str]]:
    shared = set(events_over(windows, session["started_at"], session["end"]).index)
    events = _foreign_events(others, windows, shared)
    details = []
    for code, festival, event in zip(reason, others["festival"], events, strict=True):
        zh, en = (
            (festival, festival) if code == "festival" and festival else ("非大促", "no festival")
        )
        details.append((event, event) if code == "event" else (zh, en))
    return details


def basis(chosen: pd.DataFrame, thresholds: Mapping[str, float]) -> Basis:
    """What the comparison rests on, from the frame of `comparable`: rung, number of sessions, strong, weak or none."""
    n = int(chosen["chosen"].sum())
    rung = str(chosen["rung"].iloc[0]) if n else "none"
    strength = (
        "strong"
        if n >= thresholds["min_sessions_for_strong"] and rung != "unlike"
        else ("weak" if n >= thresholds["min_sessions_for_verdict"] else "none")
    )
    return Basis(rung, n, strength, *RUNGS[rung])


def spread_pool(comparable_sessions: pd.DataFrame) -> list[str]:
    """Ids of further sessions that tell how much sessions of this account differ, from the frame of `comparable`.

    Those turned away for their age, host, time slot or kind of day only: too unlike to say where
    this session should be, like enough to say how far sessions stray.
    """
    states = set(comparable_sessions.loc[comparable_sessions["chosen"], "festival"])
    near = comparable_sessions["reason"].isin(
        ["too_old", "host", "slot", "day"]
    ) & comparable_sessions["festival"].isin(states)
    return comparable_sessions.loc[near, "session_id"].tolist()


def same_date_year_ago(
    sessions: pd.DataFrame, session_id: str, *, calendar: Iterable[reference.Festival]
) -> pd.DataFrame:
    """What a comparison by date takes for 同比: the sessions of the same room around the same date a year before; for a festival session only.

    Beside `year_ago` it shows what the festival's own date does; an ordinary session has none of
    its own (empty).
    """
    all_sessions = described(sessions, calendar)
    session = all_sessions.set_index("session_id").loc[session_id]
    if not session["festival"]:
        return all_sessions.iloc[:0]
    same = all_sessions[same_room(all_sessions, session)]
    near = (
        same["started_at"] - (session["started_at"] - pd.DateOffset(years=1))
    ).abs() <= pd.Timedelta(days=FESTIVAL_DAYS)
    return same[near].reset_index(drop=True)


def by_calendar(sessions: pd.DataFrame, session_id: str) -> dict[str, list[str]]:
    """环比 by the calendar: the ids of the room's sessions of the `day`, the `week` (Monday to Sunday) and the `month` before this one's.

    All of them, comparable or not.
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
    """The sessions of last year that 同比 sets this one against: rows of `described`, empty where there is no such history.

    A festival session is matched by its offset from the festival's day (a date in the lunar year
    moves by weeks), any other to ordinary sessions within two weeks of the same date on the same
    kind of day; the room is the same.
    """
    all_sessions = described(sessions, calendar)
    session = all_sessions.set_index("session_id").loc[session_id]
    same = all_sessions[same_room(all_sessions, session)]
    if session["festival"]:
        name, year = session["festival"].rsplit(" ", 1)
        near = (same["offset"] - session["offset"]).abs() <= FESTIVAL_DAYS
        return same[(same["festival"] == f"{name} {int(year) - 1}") & near].reset_index(drop=True)
    aim = session["started_at"] - pd.Timedelta(weeks=52)
    near = (same["started_at"] - aim).abs() <= pd.Timedelta(days=YEAR_AGO_DAYS)
    return same[near & (same["festival"] == "") & (same["day"] == session["day"])].reset_index(
        drop=True
    )
