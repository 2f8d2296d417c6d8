"""The faults that are planted in the demo, and what is true of its story."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.demo import orders
from helpers.demo.schedule import shop

if TYPE_CHECKING:
    from helpers.demo.simulate import World

ODDS_RATIO = 0.5  # what a fault does
ACTION_MULTIPLIER = 2.0  # what the working action does to its metric
MIX_SHARE = 0.45  # what the low-converting source grows to (fault "mix")


class Planted(NamedTuple):
    """What was done to the numbers: multipliers and odds by session, source and product."""

    enter: np.ndarray  # session: factor of room exposure → viewers
    follow: np.ndarray  # session: factor of the follow rate
    share: np.ndarray  # session x source: factor of the share of viewers
    click: np.ndarray  # session x source x product: odds ratio of exposure → click
    pay: np.ndarray  # session x source x product: odds ratio of click → pay
    lost: np.ndarray  # session x product: share of orders that a stock-out makes impossible
    what: dict[str, Any]


def planted_in(world: World, rng: np.random.Generator) -> Planted:
    n, k, p = len(world.sessions), len(world.sources), len(world.products)
    planted = Planted(
        np.ones(n),
        np.ones(n),
        np.ones((n, k)),
        np.ones((n, k, p)),
        np.ones((n, k, p)),
        np.zeros((n, p)),
        {"source": None, "products": [], "steps": []},
    )
    core = [i for i, item in enumerate(shop()["products"].values()) if item["core"]]
    big = [i for i, item in enumerate(shop()["sources"].values()) if item["share"] >= 0.12]
    low = min(range(k), key=lambda i: shop()["sources"][world.sources[i]]["pay"])
    source, pair = int(rng.choice(big)), sorted(rng.choice(core, 2, replace=False).tolist())
    if world.fault == "mix":
        share = shop()["sources"][world.sources[low]]["share"]
        planted.share[-1, low] = MIX_SHARE / share * (1 - share) / (1 - MIX_SHARE)
        planted.what.update(
            source=world.sources[low], steps=["share"], share_before=share, share_after=MIX_SHARE
        )
    elif world.fault == "source":
        planted.click[-1, source] = planted.pay[-1, source] = ODDS_RATIO
        planted.what.update(
            source=world.sources[source], steps=["exposure_to_click", "click_to_pay"]
        )
    elif world.fault == "product":
        planted.pay[-1, :, pair] = ODDS_RATIO
        planted.what.update(products=[world.products[i] for i in pair], steps=["click_to_pay"])
    elif world.fault == "all":
        planted.pay[-1] = ODDS_RATIO
        planted.what.update(steps=["click_to_pay"])
    elif world.fault == "demo":
        _plant_story(world, planted)
    return planted


def _plant_story(world: World, planted: Planted) -> None:
    """An imprecise source, a weak pitch, a stock-out, an event, an action, in fresh arrays."""
    story = shop()["story"]
    source, last = world.sources.index(story["source"]), story["source_sessions"]
    planted.share[-last:, source] = story["source_growth"]
    planted.click[-last:, source] = planted.pay[-last:, source] = ODDS_RATIO
    planted.pay[-1, :, world.products.index(story["pitch_product"])] *= ODDS_RATIO
    begin, end = world.stock_out
    stock = world.products.index(story["stock_product"])
    planted.lost[-1, stock] = orders.time_share(
        begin,
        end,
        start=world.start[-1, stock],
        block=world.block[-1],
        duration=int(world.sessions["duration_seconds"].iloc[-1]),
    )
    days = world.sessions["started_at"].dt.date
    redesign = story["redesign"]
    redesigned = ((days >= redesign["from"]) & (days <= redesign["to"])).to_numpy()
    planted.enter[redesigned] = redesign["factor"]
    planted.follow[-story["after_sessions"] :] = ACTION_MULTIPLIER
    planted.what.update(
        source=story["source"],
        products=[story["pitch_product"]],
        steps=["share", "exposure_to_click", "click_to_pay"],
    )


def comparable_before(plan: pd.DataFrame) -> pd.DataFrame:
    """The last 15 daily evening sessions before the action's first, without the redesign's."""
    story = shop()["story"]
    days = plan["started_at"].dt.date
    quiet = (days < story["redesign"]["from"]) | (days > story["redesign"]["to"])
    early = np.arange(len(plan)) < len(plan) - story["after_sessions"]
    return plan[early & (plan["kind"] == "daily") & (plan["slot"] == "evening") & quiet].tail(
        story["before_sessions"]
    )


def story_truth(world: World, planted: Planted, counts: dict[str, np.ndarray]) -> dict[str, Any]:
    story, plan = shop()["story"], world.sessions
    stock = world.products.index(story["stock_product"])
    begin, end = (
        plan["started_at"].iloc[-1] + pd.Timedelta(seconds=second) for second in world.stock_out
    )
    lost = (
        counts["click"][-1, :, stock] * counts["click_to_pay"][-1, :, stock]
    ).sum() * planted.lost[-1, stock]
    before, after = (
        comparable_before(plan)["session_id"].tolist(),
        plan["session_id"].tail(story["after_sessions"]).tolist(),
    )
    redesign = story["redesign"]
    planned_at = (
        plan["session_id"].iloc[-story["after_sessions"] - 1]
        if len(plan) > story["after_sessions"]
        else None
    )
    return {
        "imprecise_source": {
            "source": story["source"],
            "sessions": plan["session_id"].tail(story["source_sessions"]).tolist(),
            "odds_ratio": ODDS_RATIO,
            "steps": ["exposure_to_click", "click_to_pay"],
            "share_factor": story["source_growth"],
        },
        "asked": {"product_id": story["pitch_product"], **story["asked"]},
        "weak_pitch": {
            "product_id": story["pitch_product"],
            "odds_ratio": ODDS_RATIO,
            "steps": ["click_to_pay"],
        },
        "stock_out": {
            "product_id": story["stock_product"],
            "from": str(begin),
            "to": str(end),
            "share_of_orders_lost": float(planted.lost[-1, stock]),
            "expected_orders_lost": float(lost),
        },
        "event": {
            "kind": "platform_redesign",
            "from": str(redesign["from"]),
            "to": str(redesign["to"]),
            "metric": "exposure_view_rate",
            "factor": redesign["factor"],
            "log_effect": float(np.log(redesign["factor"])),
            "sessions": plan.loc[planted.enter != 1, "session_id"].tolist(),
        },
        "null_event": shop()["null_event"],
        "plan_session": planned_at,
        "plan_worked": {
            "plan_id": "D1",
            "metric": "follow_rate",
            "multiplier": ACTION_MULTIPLIER,
            "before": before,
            "after": after,
        },
        "plan_failed": {
            "plan_id": "D2",
            "metric": "interaction_rate",
            "multiplier": 1.0,
            "before": before,
            "after": after,
        },
    }
