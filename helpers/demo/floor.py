"""What happens on the floor of the demo's sessions: its minutes, its script and its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from helpers.demo import orders
from helpers.demo.schedule import shop

if TYPE_CHECKING:
    from helpers.demo.details import Part

FOLLOW_PROMPT_MINUTES = (30, 12)  # between prompts, before and since the action that worked
ACTIVITY_MINUTES = (45, 25)  # between activities, before and since the action that did not


def _minute_clock(session: pd.Series) -> pd.DatetimeIndex:
    begin = session["started_at"].floor("min")
    return pd.date_range(begin, session["ended_at"].floor("min"), freq="min")


def _profile(part: Part, i: int, n: int) -> np.ndarray:
    begin = (
        part.sessions["started_at"].iloc[i] - part.sessions["started_at"].iloc[i].floor("min")
    ).total_seconds()
    edges = np.arange(n + 1) * 60 - begin
    start, block = part.world.start[i][:, None], part.world.block[i]
    inside = (
        np.clip(np.minimum(edges[1:], start + block) - np.maximum(edges[:-1], start), 0, None)
        / block
    )
    return orders.IN_BLOCK * inside + (1 - orders.IN_BLOCK) / n


def _online(session: pd.Series, n: int, rng: np.random.Generator) -> np.ndarray:
    """A curve of the people online with the session's average and peak; never an empty room."""
    x = np.linspace(0, 1, n)
    wave = np.cumsum(rng.normal(0, 0.03, n))
    shape = (
        (1 - np.exp(-14 * x))
        * (1.15 - 0.45 * x**3)
        * np.exp(wave - np.linspace(wave[0], wave[-1], n))
    )
    shape = shape / shape.mean()
    scale = (session["peak_online"] - session["avg_online"]) / max(shape.max() - 1, 1e-9)
    rising = 0.3 * session["avg_online"] * (1 - np.exp(-40 * (x + 1 / n)))
    return np.maximum(np.round(np.maximum(session["avg_online"] + scale * (shape - 1), rising)), 1)


def minutes(part: Part) -> pd.DataFrame:
    return part.of_recent("minutes", _minutes_of)


def _minutes_of(part: Part, i: int) -> pd.DataFrame:
    session, rng = part.sessions.iloc[i], part.rng
    clock = _minute_clock(session)
    n = len(clock)
    online = _online(session, n, rng)
    entered = rng.multinomial(int(session["views"]), (online + 5) / (online + 5).sum())
    left = np.maximum(entered - np.diff(online, prepend=0), 0)
    goods = part.products[part.products["session_id"] == session["session_id"]].set_index(
        "product_id"
    )
    clicks = goods["click_users"].reindex(part.world.products).fillna(0).to_numpy()
    interest = clicks @ _profile(part, i, n)
    prompts = np.ones(n)
    prompts[(np.arange(n) % FOLLOW_PROMPT_MINUTES[int(part.after_action(i))]) < 3] = 3.0
    mine = (part.lines.session == i) & part.lines.paid
    minute = (part.lines.paid_at[mine] - int(clock[0].value // 10**9)) // 60
    frame = pd.DataFrame(
        {
            "session_id": session["session_id"],
            "at": clock,
            "online": online,
            "entered": entered,
            "left": left,
            "comments": rng.multinomial(
                int(session["comments"]), (online + 3) / (online + 3).sum()
            ),
            "likes": rng.multinomial(int(session["likes"]), (online + 3) / (online + 3).sum()),
            "new_fans": rng.multinomial(
                int(session["new_fans"]), prompts * (online + 3) / (prompts * (online + 3)).sum()
            ),
            "fan_club_joins": rng.multinomial(int(session["fan_club_joins"]), np.full(n, 1 / n)),
            "product_exposure_users": np.round(online * rng.uniform(0.5, 0.7, n)),
            "product_click_users": rng.multinomial(
                int(session["product_click_users"]), interest / interest.sum()
            ),
            "orders": np.bincount(minute, minlength=n),
            "paid_amount": np.bincount(minute, part.lines.payable[mine], n).round() / 100,
        }
    )
    return frame.assign(
        product_exposure_users=np.maximum(
            frame["product_exposure_users"], frame["product_click_users"]
        )
    )  # nobody clicks what he does not see


def blocks(part: Part, i: int) -> pd.DataFrame:
    """The session's explanations in order: product, start and end."""
    listed = np.flatnonzero(part.world.listed[i])
    order = listed[np.argsort(part.world.start[i, listed])]
    begin = part.sessions["started_at"].iloc[i].floor("min") + pd.to_timedelta(
        part.world.start[i, order] // 60, unit="min"
    )
    length = pd.Timedelta(minutes=int(part.world.block[i] // 60))
    return pd.DataFrame(
        {"product_id": np.array(part.world.products)[order], "from": begin, "to": begin + length}
    )


def rundown(part: Part) -> pd.DataFrame:
    return part.of_recent("rundown", _rundown_of)


def _rundown_of(part: Part, i: int) -> pd.DataFrame:
    session, explained = part.sessions.iloc[i], blocks(part, i)
    names = shop()["products"]
    begin, end = session["started_at"].floor("min"), session["ended_at"].floor("min")
    rows: list[tuple[Any, ...]] = [
        (begin, explained["from"].iloc[0], "preheat", None, "开场欢迎 预告今晚福利")
    ]
    for number, block in enumerate(explained.itertuples(index=False)):
        length = (block[2] - block[1]) / pd.Timedelta(minutes=1)
        cuts = [
            block[1] + pd.Timedelta(minutes=int(length * share)) for share in (0, 0.55, 0.85)
        ] + [block[2]]
        third = (
            ("follow_prompt", "引导关注 报关注福利")
            if number % 2 == 0
            else ("activity", "互动问答或福袋")
        )
        name = names[block[0]]["name"]
        stages = [
            ("introduction", block[0], f"讲解 {name}"),
            ("purchase_prompt", block[0], f"逼单 {name}"),
            (third[0], None, third[1]),
        ]
        rows += [(cuts[j], cuts[j + 1], *stages[j]) for j in range(3)]
    rows.append((explained["to"].iloc[-1], end, "closing", None, "感谢 预告下一场"))
    frame = pd.DataFrame(rows, columns=["starts_at", "ends_at", "stage", "product_id", "content"])
    return frame.assign(session_id=session["session_id"], host=session["host"])


def cues(part: Part) -> pd.DataFrame:
    log = part.of_recent("cues", _cues_of)
    return log.sort_values(["at", "kind"], ignore_index=True, kind="stable")


def every(session: pd.Series, first: int, gap: int) -> list[pd.Timestamp]:
    return list(
        pd.date_range(
            session["started_at"].floor("min") + pd.Timedelta(minutes=first),
            session["ended_at"],
            freq=f"{gap}min",
        )
    )


def _cues_of(part: Part, i: int) -> pd.DataFrame:
    session, explained, rng = part.sessions.iloc[i], blocks(part, i), part.rng
    rows: list[tuple[Any, ...]] = []
    for block in explained.itertuples(index=False):
        length, stock = block[2] - block[1], float(rng.integers(3, 13) * 50)
        rows += [
            (block[1], "list", block[0], stock),
            (block[1], "explain_start", block[0], np.nan),
            (block[1] + 0.6 * length, "purchase_prompt", block[0], np.nan),
            (block[2], "explain_end", block[0], np.nan),
        ]
    since = int(part.after_action(i))
    timed = (
        ("follow_prompt", 8, FOLLOW_PROMPT_MINUTES[since]),
        ("activity", 25, ACTIVITY_MINUTES[since]),
        ("lucky_bag", 40, 60),
        ("coupon", 15, 40),
    )
    for kind, first, gap in timed:
        rows += [
            (at, kind, None, np.nan)
            for at in every(session, first, gap)
            if at < session["ended_at"]
        ]
    frame = pd.DataFrame(rows, columns=["planned_at", "kind", "product_id", "stock_after"])
    late = np.abs(rng.normal(0, 40, len(frame))) + np.where(
        (frame["kind"] == "coupon") & (i == len(part.sessions) - 1), 240, 0
    )
    at = frame["planned_at"] + pd.to_timedelta(late.astype(int), unit="s")
    return pd.concat(
        [frame.assign(at=at.clip(upper=session["ended_at"])), _stock_cues(part, i)],
        ignore_index=True,
    ).assign(
        session_id=session["session_id"], planned_at=lambda rows: rows["planned_at"].dt.floor("min")
    )


def _stock_cues(part: Part, i: int) -> pd.DataFrame:
    columns = ["planned_at", "kind", "product_id", "stock_after", "at"]
    if part.world.stock_out is None or i != len(part.sessions) - 1:
        return pd.DataFrame(columns=columns).astype(
            {"planned_at": "datetime64[us]", "at": "datetime64[us]", "stock_after": "float64"}
        )
    times = [pd.Timestamp(part.truth["stock_out"][name]) for name in ("from", "to")]
    product = shop()["story"]["stock_product"]
    rows = [
        (pd.NaT, "stock_change", product, left, at)
        for at, left in zip(times, (0.0, 400.0), strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)
