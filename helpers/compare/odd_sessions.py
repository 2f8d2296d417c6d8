"""What is odd about a session's place among the account's others, in sentences."""

import pandas as pd

from helpers.compare.account import sessions_of, whole
from helpers.compare.baseline import hours
from helpers.core import text
from helpers.reference import schema

PAUSE_DAYS = 14  # without a session for so long an account has to be found again


def oddities(
    sessions: pd.DataFrame, comparable: pd.DataFrame, session_id: str
) -> list[tuple[str, str]]:
    """What is odd about a session's place among the others, as sentences (Chinese, English).

    A pause before it, another session at once, an unusual length, midnight, none comparable.
    """
    mine = sessions_of(sessions, session_id, weeks=10_000)
    ends = schema.session_ends(sessions)
    session = sessions.set_index("session_id").loc[session_id]
    end = ends[sessions["session_id"] == session_id].iloc[0]
    at_once = sessions[
        (sessions["session_id"] != session_id)
        & (sessions["started_at"] < end)
        & (ends > session["started_at"])
    ]
    sentences = (
        _paused(mine, session),
        _at_once(at_once),
        _length(mine),
        _midnight(session["started_at"], end),
        _none_comparable(comparable),
    )
    return [pair for pair in sentences if pair]


def _paused(mine: pd.DataFrame, session: pd.Series) -> tuple[str, str] | None:
    before = mine.loc[mine["started_at"] < session["started_at"], "started_at"].max()
    days = (session["started_at"] - before).days if pd.notna(before) else 0
    if days < PAUSE_DAYS:
        return None
    return (
        f"距上一场（{before:%Y-%m-%d}）已有 {days} 天没有开播：流量和粉丝要重新热起来，"
        "与停播前的比较要打折看。",
        f"No session for {days} days before this one (the last was on {before:%Y-%m-%d}): traffic "
        "and fans have to come back first; read comparisons with what was before in that light.",
    )


def _at_once(others: pd.DataFrame) -> tuple[str, str] | None:
    if others.empty:
        return None
    rooms = others["room_name"].where(others["room_name"].notna(), others["room"])
    names = [
        f"{session_id} {text.plain(room, 20)}"
        for session_id, room in zip(others["session_id"], rooms, strict=True)
    ]
    return (
        f"同一时间还有另一场在播（{'、'.join(names)}）：两边会互相分流；各直播间只与自己的历史比，"
        "金额和人数不相加。",
        f"Another session ran at the same time ({', '.join(names)}): they draw viewers from each "
        "other; each room is set against its own past, and money and people are not added.",
    )


def _length(mine: pd.DataFrame) -> tuple[str, str] | None:
    if whole(mine).iloc[-1]:
        return None
    length, usual = hours(mine).iloc[-1] * 3600, hours(mine).median() * 3600
    return (
        f"本场时长 {text.seconds(length, 'zh')}，账号通常 {text.seconds(usual, 'zh')}，"
        "相差三倍以上：比率几个人就能改变，本场不进时段、主播和好场次的统计。",
        f"This session lasted {text.seconds(length, 'en')}, the account's usually "
        f"{text.seconds(usual, 'en')}, more than three times apart: a few people change its "
        "rates, and it is left out of what is said of slots, hosts and good sessions.",
    )


def _midnight(start: pd.Timestamp, end: pd.Timestamp) -> tuple[str, str] | None:
    if (end - pd.Timedelta(seconds=1)).date() <= start.date():
        return None
    return (
        f"本场跨零点（{start:%m-%d %H:%M} 到 {end:%m-%d %H:%M}）：整场算在开播那天、那周、那月。",
        f"This session runs over midnight ({start:%m-%d %H:%M} to {end:%m-%d %H:%M}): all of it "
        "counts for the day, week and month in which it began.",
    )


def _none_comparable(comparable: pd.DataFrame) -> tuple[str, str] | None:
    if comparable.empty or comparable["chosen"].any():
        return None
    zh, en = (
        between.join(
            f"{words} {count}"
            for words, count in comparable[f"reason_{lang}"].value_counts().head(3).items()
        )
        for lang, between in (("zh", "；"), ("en", "; "))
    )
    return (
        f"其余 {len(comparable)} 场为什么都不能比（场数）：{zh}。",
        f"Why none of the other {len(comparable)} sessions compares (how many): {en}.",
    )
