"""Which sessions a session may be compared with, and why the others are refused."""

import functools
from collections.abc import Hashable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.clock import same_slot, start_minute
from helpers.compare.days import day_class, festival_of
from helpers.compare.events import events_over
from helpers.reference import schema

# Sessions more than three times as long or short differ in shape, not only in length.
LONGEST_RATIO = 3.0
# Kinds of session that are rare: their like is sought over a year.
SPECIAL = {"promotion", "launch", "clearance"}
KIND_WEEKS = 54

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
    """What a session was compared with: rung of the ladder (zh, en) and number of sessions.

    strength is strong, weak or none.
    """

    rung: str
    n: int
    strength: str
    zh: str
    en: str


def hours(sessions: pd.DataFrame) -> pd.Series:
    """Length of each session in hours, by session_id; from start to end where none is given."""
    stated = sessions["duration_seconds"]
    spanned = (sessions["ended_at"] - sessions["started_at"]).dt.total_seconds()
    length = stated.fillna(spanned) / 3600
    return pd.Series(
        length.where(length > 0).to_numpy(), index=sessions["session_id"], name="hours"
    )


def described(sessions: pd.DataFrame, calendar: Iterable[reference.Festival]) -> pd.DataFrame:
    """What decides whether sessions compare: the rows of `sessions` with more columns.

    hours, slot (minute of the day at which it starts), day (work, rest), festival (name and year,
    or empty), festival_name, festival_year, offset (days from the festival's day).
    """
    calendar = tuple(calendar)
    days = [
        (start.date(), platform)
        for start, platform in zip(sessions["started_at"], sessions["platform"], strict=True)
    ]
    festivals = [festival_of(*day, calendar) for day in days]
    return sessions.assign(
        hours=hours(sessions).to_numpy(),
        slot=start_minute(sessions["started_at"]),
        day=[day_class(*day) for day in days],
        festival=[f"{hit[0].festival} {hit[0].year}" if hit else "" for hit in festivals],
        festival_name=[hit[0].festival if hit else "" for hit in festivals],
        festival_year=[float(hit[0].year) if hit else np.nan for hit in festivals],
        offset=[float(hit[1]) if hit else np.nan for hit in festivals],
    )


def same_value(values: pd.Series, value: object) -> pd.Series:
    """Whether values equal one: two unknown ones do, an unknown and a known one do not."""
    return values.isna() if pd.isna(value) else values.eq(value).fillna(False)


def same_room(sessions: pd.DataFrame, session: pd.Series) -> pd.Series:
    """Which sessions took place on the platform and in the room of a session (its row)."""
    return same_value(sessions["platform"], session["platform"]) & same_value(
        sessions["room"], session["room"]
    )


def room_until(sessions: pd.DataFrame, session: pd.Series) -> pd.DataFrame:
    """The sessions of a session's room up to itself (its row)."""
    until = sessions["started_at"] <= session["started_at"]
    return sessions[until & same_room(sessions, session)]


def _foreign_events(
    sessions: pd.DataFrame, session: pd.Series, windows: pd.DataFrame
) -> list[Hashable | None]:
    """By session the index of the first event over it, not over the reviewed one."""
    shared = events_over(windows, session["started_at"], session["end"]).index
    events = [
        events_over(windows, start, end).index.difference(shared, sort=False)
        for start, end in zip(sessions["started_at"], sessions["end"], strict=True)
    ]
    return [foreign[0] if len(foreign) else None for foreign in events]


class _Ladder(NamedTuple):
    """One way of choosing a baseline: why sessions are refused (or empty), and rungs, best first.

    events has by session the index of the event that the reviewed one does not share.
    """

    refusal: pd.Series
    events: list[Hashable | None]
    rungs: dict[str, pd.Series]


def _ladder(
    others: pd.DataFrame,
    session: pd.Series,
    windows: pd.DataFrame,
    weeks: float,
    rungs: dict[str, pd.Series],
    *,
    festival: bool = True,
) -> _Ladder:
    """A ladder whose refusals go by the first reason of `REASONS` that holds.

    `festival=False` also lets sessions under a promotion or a holiday through.
    """
    windows = windows if festival else windows[~windows["kind"].isin(["promotion", "holiday"])]
    events = _foreign_events(others, session, windows)
    kinds = others["kind"].notna() & pd.notna(session["kind"])
    ratio = others["hours"] / session["hours"]
    checks = {
        "later": others["started_at"] >= session["started_at"],
        "other_room": ~same_room(others, session),
        "too_old": others["started_at"] < session["started_at"] - pd.Timedelta(weeks=weeks),
        "festival": (others["festival"] != session["festival"]) & festival,
        "event": pd.Series([event is not None for event in events], index=others.index),
        "kind": kinds & ~same_value(others["kind"], session["kind"]),
        "length": (ratio > LONGEST_RATIO) | (ratio < 1 / LONGEST_RATIO),
    }
    refusal = pd.Series("", index=others.index, dtype="str")
    for reason, refused in checks.items():
        refusal = refusal.mask((refusal == "") & refused, reason)
    return _Ladder(refusal, events, rungs)


def _ladders(
    others: pd.DataFrame, session: pd.Series, windows: pd.DataFrame, weeks: float
) -> list[_Ladder]:
    """The ways of choosing a baseline: a later one serves where those before do not.

    A promotion night's like are other promotion nights; an ordinary session where the festival has
    hardly begun is held against ordinary days for orientation.
    """
    slot = same_slot(others["slot"], session["slot"])
    host, day = same_value(others["host"], session["host"]), others["day"] == session["day"]
    everyone = pd.Series(True, index=others.index)
    rungs = (
        {"festival_host_slot": host & slot, "festival": everyone}
        if session["festival"]
        else {"host_slot_day": host & slot & day, "slot": slot, "recent": everyone}
    )
    ladder = functools.partial(_ladder, others, session, windows)
    ladders = [ladder(weeks, rungs)]
    if session["kind"] in SPECIAL:
        ladders.append(ladder(KIND_WEEKS, {"kind": everyone}, festival=False))
    elif session["festival"]:
        unlike = ladder(weeks, {"unlike": everyone}, festival=False)
        festive = (unlike.refusal == "") & (others["festival"] != "")
        ladders.append(unlike._replace(refusal=unlike.refusal.mask(festive, "festival")))
    return ladders


def _turned_away(others: pd.DataFrame, session: pd.Series) -> pd.Series:
    reason = pd.Series("day", index=others.index, dtype="str")
    reason = reason.mask(~same_value(others["host"], session["host"]), "host")
    return reason.mask(~same_slot(others["slot"], session["slot"]), "slot")


def _pick(usable: pd.Series, rungs: dict[str, pd.Series], strong: float, weak: float) -> str:
    """The best rung with sessions enough for a strong verdict, else a weak one, else the widest."""
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
    """Which sessions are the baseline of this one, and why the others are not.

    One row per other session, newest first: session_id, started_at, host, title, hours, day,
    festival, chosen (bool), rung, reason, reason_zh, reason_en. `events` are those of
    `event_windows`.

    Within `baseline_weeks`, in this order: same host, slot and kind of day; same slot; all outside
    festivals. A session inside a festival is set against the same festival; where that has too few,
    a promotion against promotions of a year, an ordinary one against ordinary days. Left out are
    sessions under a logged event that this one does not share, and other rooms, kinds and lengths.
    Raises `KeyError` for an unknown session.
    """
    all_sessions = described(sessions, calendar).assign(end=schema.session_ends(sessions))
    session = all_sessions.set_index("session_id", drop=False).loc[session_id]
    others = all_sessions[all_sessions["session_id"] != session_id]
    others = others.sort_values("started_at", ascending=False)
    strong, weak = thresholds["min_sessions_for_strong"], thresholds["min_sessions_for_verdict"]
    ladders = _ladders(others, session, events, thresholds["baseline_weeks"])
    enough = [
        ladder
        for ladder in ladders
        if max((ladder.refusal.eq("") & taken).sum() for taken in ladder.rungs.values()) >= weak
    ]
    ladder = (enough or ladders)[0]
    usable = ladder.refusal == ""
    rung = _pick(usable, ladder.rungs, strong, weak)
    chosen = usable & ladder.rungs.get(rung, pd.Series(False, index=others.index))
    reason = ladder.refusal.mask(usable, _turned_away(others, session)).mask(chosen, "chosen")
    words = [
        _reason_words(code, festival, events.loc[event] if event is not None else None)
        for code, festival, event in zip(reason, others["festival"], ladder.events, strict=True)
    ]
    columns = ["session_id", "started_at", "host", "title", "hours", "day", "festival"]
    return (
        others[columns]
        .assign(
            chosen=chosen,
            rung=rung,
            reason=reason,
            reason_zh=[zh for zh, _ in words],
            reason_en=[en for _, en in words],
        )
        .reset_index(drop=True)
    )


def _reason_words(code: str, festival: str, event: pd.Series | None) -> tuple[str, str]:
    details = (festival or "非大促", festival or "no festival")
    if event is not None and code == "event":
        what = event["what"] if isinstance(event["what"], str) and event["what"] else event["kind"]
        details = (what, what)
    zh, en = (
        words.format(detail=detail) for words, detail in zip(REASONS[code], details, strict=True)
    )
    return zh, en


def basis(chosen: pd.DataFrame, thresholds: Mapping[str, float]) -> Basis:
    """What the comparison rests on, from the frame of `comparable`."""
    n = int(chosen["chosen"].sum())
    rung = str(chosen["rung"].iloc[0]) if n else "none"
    strength = "weak" if n >= thresholds["min_sessions_for_verdict"] else "none"
    if n >= thresholds["min_sessions_for_strong"] and rung != "unlike":
        strength = "strong"
    return Basis(rung, n, strength, *RUNGS[rung])


def spread_pool(comparable_sessions: pd.DataFrame) -> list[str]:
    """Ids of further sessions that tell how much sessions of this account differ.

    Of `comparable`, those turned away for age, host, slot or kind of day only: too unlike to say
    where this session should be, like enough to say how far sessions stray.
    """
    chosen = comparable_sessions["chosen"]
    same_state = comparable_sessions["festival"].isin(comparable_sessions.loc[chosen, "festival"])
    near = comparable_sessions["reason"].isin(["too_old", "host", "slot", "day"])
    return comparable_sessions.loc[near & same_state, "session_id"].tolist()
