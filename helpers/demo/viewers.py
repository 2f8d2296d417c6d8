"""The viewers' own steps behind the cells, to the second."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from helpers.demo import cells
from helpers.demo.schedule import as_of

if TYPE_CHECKING:
    from pathlib import Path

    from helpers.demo.details import Part

TRIED = (
    34,
    23,
    # so many sessions before the newest the log was tried out, with what follows a click only
)
AFTER_CLICK = ("click", "cart", "create", "pay")
CARTS = 1.4  # people with a cart per person who orders, as the products export counts them
TWICE = 0.03  # of clicks come twice in the log
# people who click at all, per click: so that about three clicks of four are a person's first
CURIOUS = 1.5
HEADERS = {
    "at": "时间",
    "user_key": "观众标识（加密）",
    "event": "行为",
    "product_id": "商品ID",
    "source": "流量来源",
    "viewer_kind": "观众类型",
}
WORDS = {
    "enter": "进入",
    "expose": "商品曝光",
    "click": "商品点击",
    "cart": "加购",
    "create": "下单",
    "pay": "支付",
}


class Steps(NamedTuple):
    """Events as arrays of one length.

    person: number within the session; product: -1 for none; second: of the session.
    """

    person: np.ndarray
    event: np.ndarray
    product: np.ndarray
    second: np.ndarray


def actions(part: Part) -> pd.DataFrame:
    """The viewer events of the last sessions, and what follows a click of some before, by time."""
    recent = [_of_session(part, i) for i in part.recent("actions")]
    n, tried = len(part.sessions), part._replace(rng=np.random.default_rng([part.world.seed, 50]))
    before = [_of_session(tried, i) for i in range(max(0, n - TRIED[0]), max(0, n - TRIED[1]))]
    return pd.concat(
        [*(rows[rows["event"].isin(AFTER_CLICK)] for rows in before), *recent], ignore_index=True
    )


def _of_session(part: Part, i: int) -> pd.DataFrame:
    world, rng, session = part.world, part.rng, part.sessions.iloc[i]
    traffic = (
        part.traffic[part.traffic["session_id"] == session["session_id"]]
        .set_index("source")
        .loc[world.sources]
    )
    viewers, seen = (
        traffic[name].to_numpy().astype(int) for name in ("viewers", "product_exposure_users")
    )
    first = np.concatenate([[0], np.cumsum(viewers)])
    of_cells = [
        _of_cell(part, i, k, p, first[k], seen[k])
        for k in range(len(world.sources))
        for p in np.flatnonzero(world.listed[i])
    ]
    steps = Steps(*(np.concatenate(values) for values in zip(*of_cells, strict=True)))
    entered = _entered(first[-1], steps, int(world.sessions["duration_seconds"].iloc[i]), rng)
    every = Steps(*(np.concatenate(pair) for pair in zip(entered, steps, strict=True)))
    order = np.lexsort((every.person, every.second))
    every = Steps(*(values[order] for values in every))
    source = np.searchsorted(first, every.person, side="right") - 1
    fan = rng.random(first[-1]) < session["fan_viewer_share"]
    return pd.DataFrame(
        {
            "session_id": session["session_id"],
            "at": session["started_at"].floor("s") + pd.to_timedelta(every.second, unit="s"),
            "user_key": np.char.add(
                f"{session['started_at']:%m%d}", np.char.zfill(every.person.astype(str), 6)
            ),
            "event": every.event,
            "product_id": pd.Series(np.array(world.products)[every.product]).where(
                every.product >= 0
            ),
            "source": np.array(world.sources)[source],
            "viewer_kind": np.where(fan, "粉丝", "非粉丝")[every.person],
        }
    )


def _of_cell(part: Part, i: int, k: int, p: int, first: int, seen: int) -> Steps:
    world, rng = part.world, part.rng
    exposed, clicked, ordered = (
        int(part.counts[name][i, k, p]) for name in ("exposure", "click", "create")
    )
    people = first + _people(
        seen, exposed, clicked, int(part.counts["click"][i, k].sum() * CURIOUS), rng
    )
    length, block = int(world.sessions["duration_seconds"].iloc[i]), int(world.block[i])
    near = world.start[i, p] + rng.integers(0, block, exposed)
    click = np.where(rng.random(exposed) < 0.55, near, rng.integers(300, length - 180, exposed))[
        :clicked
    ]
    line = np.flatnonzero(
        (part.lines.session == i) & (part.lines.source == k) & (part.lines.product == p)
    )
    begin = int(world.sessions["started_at"].iloc[i].value // 10**9)
    created, paid_at = part.lines.created[line] - begin, part.lines.paid_at[line] - begin
    who = np.arange(len(line)) % max(ordered, 1)  # a second order is one of the same people
    waited = np.minimum(rng.exponential(150, ordered).astype(int) + 5, 1500)
    click[:ordered] = np.maximum(
        [created[who == person].min() for person in range(ordered)] - waited, 0
    )
    saw = np.maximum(np.concatenate([click, near[clicked:]]) - rng.integers(2, 240, exposed), 0)
    carted = min(round(CARTS * ordered), clicked)
    cart = click[:carted] + np.where(
        np.arange(carted) < ordered, np.resize(waited, carted) // 2, rng.integers(2, 60, carted)
    )
    twice = np.flatnonzero(rng.random(clicked) < TWICE)
    paid = part.lines.paid[line]
    groups = [
        ("expose", people, saw),
        ("click", people[:clicked], click),
        ("click", people[twice], click[twice]),
        ("cart", people[:carted], cart),
        ("create", people[who], created),
        ("pay", people[who[paid]], paid_at[paid]),
    ]
    return Steps(
        np.concatenate([who for _, who, _ in groups]),
        np.concatenate([np.full(len(who), event) for event, who, _ in groups]),
        np.full(sum(len(who) for _, who, _ in groups), p),
        np.concatenate([second for *_, second in groups]),
    )


def _people(
    seen: int, exposed: int, clicked: int, curious: int, rng: np.random.Generator
) -> np.ndarray:
    clicking = rng.permutation(min(max(curious, clicked), seen))[:clicked]
    others = np.setdiff1d(np.arange(seen), clicking)
    return np.concatenate([clicking, rng.permutation(others)[: exposed - clicked]])


def _entered(people: int, steps: Steps, length: int, rng: np.random.Generator) -> Steps:
    earliest = np.full(people, length)
    np.minimum.at(earliest, steps.person, steps.second)
    second = np.where(
        earliest < length, earliest - rng.integers(2, 180, people), rng.integers(0, length, people)
    )
    return Steps(
        np.arange(people), np.full(people, "enter"), np.full(people, -1), np.maximum(second, 0)
    )


def write(tables: dict[str, pd.DataFrame], raw: Path) -> None:
    """Write a CSV a session into `raw`, with the headers of our own layout.

    Sessions of which only what follows a click is logged share one file.
    """
    log = tables["actions"]
    full = log["session_id"].isin(log.loc[log["event"] == "enter", "session_id"])
    for name, rows in log.groupby(log["session_id"].str[:8].where(full, "点击以后")):
        shown = rows.assign(
            at=cells.clock(rows["at"], cells.DASHES), event=rows["event"].map(WORDS)
        )
        path = raw / f"观众行为_{name}.csv"
        shown[list(HEADERS)].rename(columns=HEADERS).to_csv(
            path, index=False, lineterminator="\r\n", encoding="utf-8-sig"
        )
        cells.stamp(path, as_of())
