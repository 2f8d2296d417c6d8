"""How often hosts, slots and ways are named in simulated accounts.

In accounts where none matters, and in those where one does. Accounts from a light simulator:
sessions differ by a quarter, months drift, traits drift with them.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare import ads_budget, good_sessions, slots

THRESHOLDS, REGISTRY = reference.thresholds(), reference.registry()
SESSIONS, TRAITS = 120, 25


def account(
    seed: int,
    *,
    sessions: int = SESSIONS,
    host: float = 1.0,
    slot: float = 1.0,
    planted: float = 0.0,
) -> tuple[pd.DataFrame, good_sessions.Traits]:
    """Described sessions and their traits, with what matters planted.

    Host B and the evening sell so many times as much, a standard deviation of trait 10 `planted`
    more.
    """
    rng, days = (
        np.random.default_rng([seed, 7]),
        pd.date_range("2026-01-03 20:00", periods=sessions, freq="2D", tz="Asia/Shanghai"),
    )
    late, who = rng.random(sessions) < 0.7, np.where(rng.random(sessions) < 0.5, "A", "B")
    values = rng.normal(5, 1, (sessions, TRAITS)) + np.cumsum(
        rng.normal(0, 0.1, (sessions, TRAITS)), axis=0
    ) * (np.arange(TRAITS) % 2)
    drift = np.repeat(rng.normal(0, 0.3, sessions // 15 + 1), 15)[:sessions]
    level = (
        np.exp(drift + rng.normal(0, 0.25, sessions) + planted * (values[:, 10] - 5))
        * np.where(who == "B", host, 1.0)
        * np.where(late, slot, 1.0)
    )
    frame = pd.DataFrame(
        {
            "session_id": [f"s{k}" for k in range(sessions)],
            "platform": "douyin",
            "room": "r",
            "started_at": days,
            "hours": 4.0,
            "paid_amount": 8000 * level,
            "kind": "daily",
            "festive": False,
            "whole": True,
            "ordinary": True,
            "host": who,
            "block": np.where(late, "18:00–21:00", "12:00–15:00"),
            "day": np.where(days.day_of_week >= 5, "rest", "work"),
            "weekday": days.day_of_week,
            "month": days.strftime("%Y-%m"),
            "uv_value": level,
            "room_conversion": 0.02 * level * np.exp(rng.normal(0, 0.1, sessions)),
            "ad_roi": 3 * np.exp(rng.normal(0, 0.3, sessions)),
            "roi": 2 * level,
            "cost": 100.0,
            "brought": 200 * level,
        }
    )
    values[: sessions // 2, :5] = np.nan
    names = [f"t{k}" for k in range(TRAITS)]
    return frame, good_sessions.Traits(
        pd.DataFrame(values, columns=names, index=pd.Index(frame["session_id"])),
        pd.DataFrame({"trait": names, "label_zh": names, "label_en": names, "unit": "score"}),
    )


def shares(seeds: Iterable[int], *, mixes: int = 500, **planted: float) -> pd.Series:
    """Shares of the accounts in which something is named.

    A host, a slot for the budget, any trait, and trait 10 first of all.
    """
    rows = []
    for seed in seeds:
        frame, found = account(seed, **planted)
        model = good_sessions.model(
            frame, frame["session_id"].iloc[-1], found, thresholds=THRESHOLDS, mixes=mixes
        )
        hosts = slots.hosts(frame, slots.SHOWN, registry=REGISTRY, thresholds=THRESHOLDS)
        rows.append(
            {
                "host": hosts["verdict"].isin(["better", "worse"]).any(),
                "slot": ads_budget.budget(frame, thresholds=THRESHOLDS)["verdict"]
                .eq("better")
                .any(),
                "any trait": model["shared"].any(),
                "trait 10 first": bool(model["shared"].iloc[0]) and model["trait"].iloc[0] == "t10",
            }
        )
    return pd.DataFrame(rows).mean()
