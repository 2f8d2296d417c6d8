"""What usual means for one session: which sessions and hosts, and what has changed since."""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.baseline import described, same_room
from helpers.compare.events import lasting
from helpers.core import text


def usual(
    events: pd.DataFrame,
    comparable: pd.DataFrame,
    sessions: pd.DataFrame,
    session_id: str,
    *,
    calendar: Iterable[reference.Festival],
) -> pd.DataFrame:
    """What the comparable sessions are, and the change against the room's session before: one row.

    `events` are those of `event_windows`, `comparable` that of `comparable`. Columns: n sessions
    chosen, first_at, last_at, hosts_zh, hosts_en (with their sessions), changes_zh, changes_en
    (logged after most of them and lasting), previous_at and previous_festival, festival of this one
    (may be empty), previous_change of the paid amount per hour (fraction or `nan`).
    """
    rows = described(sessions, calendar).set_index("session_id")
    session, chosen = rows.loc[session_id], comparable[comparable["chosen"]]
    earlier = rows[same_room(rows, session) & (rows["started_at"] < session["started_at"])]
    before = earlier.sort_values("started_at").tail(1)
    rate = rows["paid_amount"].astype(float) / rows["hours"].where(rows["hours"] > 0)
    last = rate[before.index[0]] if len(before) else np.nan
    changed = lasting(events, comparable, session)
    row = {
        "n": len(chosen),
        "first_at": chosen["started_at"].min(),
        "last_at": chosen["started_at"].max(),
        **{f"hosts_{lang}": _hosts(chosen, lang) for lang in ("zh", "en")},
        **{f"changes_{lang}": _changes(changed, lang) for lang in ("zh", "en")},
        "previous_at": before["started_at"].max(),
        "previous_festival": before["festival"].max() if len(before) else "",
        "festival": session["festival"],
        "previous_change": rate[session_id] / last - 1 if last > 0 else np.nan,
    }
    return pd.DataFrame([row])


def _hosts(chosen: pd.DataFrame, lang: str) -> str:
    count = chosen["host"].dropna().value_counts()
    return text.choose(lang, "、", ", ").join(
        f"{text.plain(name, 20)} {times}" for name, times in count.items()
    )


def _changes(changed: pd.DataFrame, lang: str) -> str:
    changes = [
        (text.plain(event.what, 40), f"{event.starts_at:%m-%d}") for event in changed.itertuples()
    ]
    return text.choose(lang, "、", ", ").join(
        text.choose(lang, f"「{change}」（{day}）", f"“{change}” ({day})")
        for change, day in changes
    )


def usual_words(row: Mapping[str, Any], lang: str) -> list[str]:
    """The row of `usual` in words: what usual means, and the change since the session before.

    Each may be missing.
    """
    return [words for words in (_meant(row, lang), _before(row, lang)) if words]


def _meant(row: Mapping[str, Any], lang: str) -> str:
    if not row["n"]:
        return ""
    first, last, hosts, changes = (
        f"{row['first_at']:%Y-%m-%d}",
        f"{row['last_at']:%m-%d}",
        row[f"hosts_{lang}"],
        row[f"changes_{lang}"],
    )
    if row["first_at"].year != row["last_at"].year:
        last = f"{row['last_at']:%Y-%m-%d}"
    who = text.choose(lang, f"（{hosts}）", f" ({hosts})") if hosts else ""
    since = (
        text.choose(
            lang,
            f"；此后登记的{changes}都含在与平时的差别里",
            f"; what has changed since, {changes}, is in every difference from it",
        )
        if changes
        else ""
    )
    return text.choose(
        lang,
        f"“平时”是 {first} 至 {last} 的 {row['n']} 场可比场次{who}{since}。",
        f"“Usual” is {row['n']} comparable sessions from {first} to {last}{who}{since}.",
    )


def _before(row: Mapping[str, Any], lang: str) -> str:
    change = text.signed(row["previous_change"], "percent", lang, decimals=0)
    if pd.isna(row["previous_at"]) or change == text.NOTHING:
        return ""
    zh, en = (
        [row[name] or none for name in ("previous_festival", "festival")]
        for none in ("非大促", "no festival")
    )
    state = (
        text.choose(lang, f"{zh[0]}，本场{zh[1]}", f"{en[0]}; this one: {en[1]}")
        if zh[0] != zh[1]
        else text.choose(lang, f"同为{zh[0]}", f"both: {en[0]}")
    )
    return text.choose(
        lang,
        f"与上一场（{row['previous_at']:%m-%d %H:%M}，{state}）比，每小时支付金额 {change}。",
        (
            f"Against the session before ({row['previous_at']:%m-%d %H:%M}, {state}), paid amount "
            f"per hour {change}."
        ),
    )
