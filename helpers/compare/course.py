"""Where the course of the account breaks: change points of its metrics, and what they touch.

What lies beside a break (event, festival, another host or slot) coincides in time and is no cause.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd
import ruptures

from helpers import reference
from helpers.compare.baseline import described, room_until
from helpers.compare.clock import same_slot
from helpers.compare.scale import label, pooled
from helpers.core import text

LOOKED_BACK = 120  # sessions
SHORTEST = 5  # sessions or days of a level
PENALTY = 3.0  # x log of the length x variance: what a further break must gain
AROUND = 2  # sessions by which the date of a break may be off
BESIDE = 5  # sessions on either side whose host and time slot are compared
BY = {"session": ("场次", "sessions"), "day": ("日", "days")}
COLUMNS = (
    "by",
    "by_zh",
    "by_en",
    "metric",
    "label_zh",
    "label_en",
    "at",
    "before",
    "after",
    "change",
    "n_before",
    "n_after",
    "touches_zh",
    "touches_en",
)


def breaks(values: npt.ArrayLike) -> list[int]:
    """Positions at which a new level begins: the optimal partition by squared error (Pelt).

    The variance is taken robustly from neighbouring differences, so that the breaks do not count,
    and raised for values that resemble their neighbours.
    """
    y = np.asarray(values, dtype=float)
    if y.size < 2 * SHORTEST:
        return []
    steps = np.diff(y)
    # Of an AR(1) with coefficient r neighbouring differences correlate by -(1 - r)/2.
    resembles = float(
        np.clip(1 + 2 * (steps[1:] @ steps[:-1]) / max(steps @ steps, 1e-300), 0, 0.8)
    )
    variance = (1.4826 * np.median(np.abs(steps - np.median(steps)))) ** 2 / 2 / (1 - resembles)
    if variance <= 0:
        return []
    penalty = PENALTY * np.log(y.size) * variance * (1 + resembles) / (1 - resembles)
    return ruptures.Pelt(model="l2", min_size=SHORTEST, jump=1).fit(y).predict(pen=penalty)[:-1]


def course_breaks(
    values: pd.DataFrame,
    sessions: pd.DataFrame,
    events: pd.DataFrame,
    session_id: str,
    *,
    registry: Mapping[str, reference.Metric],
    calendar: Iterable[reference.Festival],
    kinds: Mapping[str, reference.EventKind],
) -> pd.DataFrame:
    """Breaks in the account's metrics up to the reviewed session, newest first.

    Over sessions and, where several fall on a day, over days: the last `LOOKED_BACK` of the room.
    `values` come from `on_one_scale`. One row per series and break: by (session, day; by_zh,
    by_en), metric, label_zh, label_en, at (start of the first session of the new level), before,
    after (geometric means), change (fraction), n_before, n_after (sessions or days), touches_zh,
    touches_en (logged events within their kind's lag, festivals that begin or end, another host or
    time slot; may be empty).
    """
    session = sessions.set_index("session_id").loc[session_id]
    past = room_until(sessions, session).sort_values("started_at", ignore_index=True)
    table = described(past.tail(LOOKED_BACK).reset_index(drop=True), calendar)
    rows = [
        row
        for name, part in values.groupby("metric", sort=False)
        for row in _of_metric(part, table, registry[name])
    ]
    touched = [_touches(table, row["at"], events, kinds) for row in rows]
    worded = [
        row
        | {
            "touches_zh": "；".join(zh for zh, _ in words),
            "touches_en": "; ".join(en for _, en in words),
        }
        for row, words in zip(rows, touched, strict=True)
    ]
    return pd.DataFrame(worded, columns=list(COLUMNS)).sort_values(
        ["at", "metric"], ascending=[False, True], ignore_index=True, kind="stable"
    )


def _of_metric(part: pd.DataFrame, table: pd.DataFrame, metric: reference.Metric) -> list[dict]:
    rows = part.set_index("session_id").reindex(table["session_id"]).reset_index()
    rows["started_at"] = table["started_at"]
    rows = rows[rows["value"] > 0]
    days = rows.groupby(rows["started_at"].dt.date, sort=True)
    daily = pd.DataFrame(
        {
            "started_at": days["started_at"].min(),
            "value": [pooled(day, metric.factor) for _, day in days],
        }
    )
    series = {"session": rows} | ({"day": daily} if len(daily) < 0.8 * len(rows) else {})
    return [
        row
        for by, frame in series.items()
        for row in _rows(by, frame, part["metric"].iloc[0], metric)
    ]


def _rows(by: str, frame: pd.DataFrame, name: str, metric: reference.Metric) -> list[dict]:
    logs = np.log(frame["value"].to_numpy(float))
    starts = breaks(logs)
    edges = [0, *starts, len(logs)]
    rows = []
    for place, at in enumerate(starts, start=1):
        before, after = logs[edges[place - 1] : at], logs[at : edges[place + 1]]
        rows.append(
            {
                "by": by,
                "by_zh": BY[by][0],
                "by_en": BY[by][1],
                "metric": name,
                "label_zh": label(metric, "zh"),
                "label_en": label(metric, "en"),
                "at": frame["started_at"].iloc[at],
                "before": float(np.exp(before.mean())),
                "after": float(np.exp(after.mean())),
                "change": float(np.expm1(after.mean() - before.mean())),
                "n_before": before.size,
                "n_after": after.size,
            }
        )
    return rows


def _touches(
    table: pd.DataFrame,
    at: pd.Timestamp,
    events: pd.DataFrame,
    kinds: Mapping[str, reference.EventKind],
) -> list[tuple[str, str]]:
    place = int((table["started_at"] < at).sum())
    first, last = (
        table["started_at"].iloc[min(max(place + step, 0), len(table) - 1)]
        for step in (-AROUND, AROUND)
    )
    return [
        *_logged(table, events, first, last, place, kinds),
        *_festivals(table, place),
        *_changed(table, place),
    ]


def _logged(
    table: pd.DataFrame,
    events: pd.DataFrame,
    first: pd.Timestamp,
    last: pd.Timestamp,
    place: int,
    kinds: Mapping[str, reference.EventKind],
) -> list[tuple[str, str]]:
    touches, terms = [], reference.terms()["event_kind"]
    for row in events.itertuples():
        kind = kinds[row.kind]
        since = int((table["started_at"] >= row.starts_at).to_numpy()[: place + 1].sum())
        near = (
            since <= kind.lag_sessions + AROUND
            if kind.lag_sessions is not None
            else row.starts_at + pd.Timedelta(days=kind.lag_days) >= first
        )
        begins = row.starts_at <= last and near
        ends = pd.notna(row.ends_at) and first <= row.ends_at <= last
        if begins or ends:
            what = text.plain(row.what, 40) if isinstance(row.what, str) else ""
            zh, en = terms[row.kind].zh, terms[row.kind].en
            if not begins:
                zh, en = f"{zh}结束", f"{en} ends"
            touches.append((f"{zh}：{what}", f"{en}: {what}") if what else (zh, en))
    return touches


def _festivals(table: pd.DataFrame, place: int) -> list[tuple[str, str]]:
    states = table["festival"].iloc[max(place - AROUND, 0) : place + AROUND].tolist()
    names = list(dict.fromkeys(name for name in states if name))
    return [
        (f"大促窗口起止：{name}", f"festival begins or ends: {name}")
        for name in names
        if len(set(states)) > 1
    ]


def _changed(table: pd.DataFrame, place: int) -> list[tuple[str, str]]:
    """Another host or slot, where all sessions before had one and all after another.

    Turns taken in a day are none.
    """
    sides = table.iloc[max(place - BESIDE, 0) : place], table.iloc[place : place + BESIDE]
    touches = []
    hosts = [set(side["host"].dropna()) for side in sides]
    if all(hosts) and not hosts[0] & hosts[1]:
        names = ["、".join(sorted({text.plain(host, 20) for host in side})) for side in hosts]
        touches.append((f"主播由 {names[0]} 变为 {names[1]}", f"host {names[0]} → {names[1]}"))
    slots = [float(side["slot"].median()) for side in sides]
    steady = all(
        same_slot(side["slot"], slot).all() for side, slot in zip(sides, slots, strict=True)
    )
    if steady and not same_slot(pd.Series(slots[:1]), slots[1]).any():
        clock = [f"{int(slot) // 60:02d}:{int(slot) % 60:02d}" for slot in slots]
        touches.append(
            (f"开播时段由 {clock[0]} 变为 {clock[1]}", f"time slot {clock[0]} → {clock[1]}")
        )
    return touches


def course_note(table: pd.DataFrame) -> tuple[str, str]:
    """How many breaks there are and how many touch something known, in one sentence."""
    explained = int(table["touches_zh"].ne("").sum())
    if table.empty:
        return (
            "近期各指标没有成段的变化，只有平常的起伏。",
            "No metric has changed its level lately: ordinary variation only.",
        )
    unexplained = len(table) - explained
    zh, en = [], []
    if explained:
        zh.append(f"{explained} 处与登记的事件、大促、换主播或换时段时间上重合")
        en.append(
            f"{explained} coincide{'s' * (explained == 1)} with a logged event, a festival, "
            "another host or time slot"
        )
    if unexplained:
        zh.append(f"{unexplained} 处没有对得上的事")
        en.append(f"{unexplained} with nothing known")
    return (
        f"水平变了 {len(table)} 处：{'；'.join(zh)}。{'时间重合不是原因。' if explained else ''}",
        f"{len(table)} break{'s' * (len(table) != 1)}: {'; '.join(en)}."
        f"{' Coincidence is not cause.' if explained else ''}",
    )
