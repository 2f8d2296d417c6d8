"""Accounts whose sources all lose a third of their entries in one session, and quiet ones.

Seven sources and eight products, each with a rate of its own that strays by `OWN` from session to
session beside a shock of `SHARED` that
a session's parts share. One by one the sources stay within what is
ordinary. Development used the seeds 0 to 9 999, scores are taken from 20 000 on.
"""

import functools
from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers import compare
from tests.benchmarks.comparison import THRESHOLDS, ZONE

OWN, SHARED = 0.15, 0.10
SOURCES, PRODUCTS = 7, 8
SIZES = np.array([9000, 6000, 4000, 2500, 1500, 1200, 800])
ENTRY = np.array([0.08, 0.12, 0.2, 0.15, 0.3, 0.1, 0.25])


@functools.cache
def _sessions(count: int) -> pd.DataFrame:
    start = pd.date_range("2026-08-01 20:00", periods=count, freq="2D", tz=ZONE)
    return pd.DataFrame(
        {
            "session_id": [f"s{number:03d}" for number in range(count)],
            "platform": "douyin",
            "room": "r",
            "host": "A",
            "kind": "daily",
            "started_at": start,
            "ended_at": start + pd.Timedelta(hours=4),
            "duration_seconds": 4 * 3600.0,
        }
    )


def _rates(rng: np.random.Generator, base: np.ndarray, count: int, shared: float) -> np.ndarray:
    moves = rng.normal(0, OWN, (count, len(base))) + rng.normal(0, shared, (count, 1))
    return np.clip(base * np.exp(moves), 0, 0.9)


def account(
    seed: int, count: int, *, shared: float = SHARED, factor: float = 1.0
) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """Sessions, and their sources and products; the last one's entry rates times `factor`."""
    rng = np.random.default_rng(seed)
    sessions = _sessions(count)
    exposed = rng.poisson(SIZES * np.exp(rng.normal(0, 0.25, (count, SOURCES))))
    entry = _rates(rng, ENTRY, count, shared)
    if factor != 1.0:
        exposed[-1] = (exposed[-1] * 1.3).astype(int)
        entry[-1] *= factor
    viewers = rng.binomial(exposed, entry)
    paying = rng.binomial(viewers, _rates(rng, np.full(SOURCES, 0.04), count, shared))
    shown = rng.poisson(1500, (count, PRODUCTS))
    clicked = rng.binomial(shown, _rates(rng, np.full(PRODUCTS, 0.2), count, shared))
    bought = rng.binomial(clicked, _rates(rng, np.full(PRODUCTS, 0.1), count, shared))
    ids = sessions["session_id"].to_numpy()
    source, product = (
        {
            "session_id": np.repeat(ids, parts),
            name: np.tile([f"{at}" for at in range(parts)], count),
        }
        for name, parts in (("source", SOURCES), ("product_id", PRODUCTS))
    )
    sides = (exposed, viewers, paying), (shown, clicked, bought)
    names = (
        ("room_exposure_users", "viewers", "pay_users"),
        ("exposure_users", "click_users", "pay_users"),
    )
    tables = [
        pd.DataFrame(keys | dict(zip(columns, (side.ravel() for side in counts), strict=True)))
        for keys, columns, counts in zip((source, product), names, sides, strict=True)
    ]
    return sessions, {"source": tables[0].astype({"viewers": float}), "product_id": tables[1]}


def called(
    seeds: Iterable[int], count: int, *, shared: float = SHARED, factor: float = 1.0
) -> pd.Series:
    """Shares of accounts: any rate called, and the entry rate of the sources called worse."""
    rows = []
    for seed in seeds:
        sessions, parts = account(seed, count, shared=shared, factor=factor)
        ids = sessions["session_id"].tolist()
        made = compare.together(
            parts, compare.OF_PARTS, ids[-1], ids[:-1], sessions=sessions, thresholds=THRESHOLDS
        )
        entry = made.loc[made["metric"] == "exposure_view_rate", "verdict"]
        rows.append([made["verdict"].ne("cannot_tell").any(), entry.eq("worse").any()])
    return pd.DataFrame(rows, columns=["any called", "entry worse"]).mean()
