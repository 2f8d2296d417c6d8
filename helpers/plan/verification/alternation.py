"""A quicker proof: the action in some half hours or products of a session, not in others."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.plan.verification.estimate import (
    FEWEST_BEFORE,
    FEWEST_BLOCKS,
    MOST_FURTHER,
    Effect,
    aim_of,
    blocks_needed,
    logs,
)
from helpers.plan.verification.values import metrics_of, product_rows, slot_rows
from helpers.reference import metrics

MOST_BEFORE = 15  # further back an account is another account: hosts, seasons and prices change


def _block_sd(rows: pd.DataFrame, slice: str) -> float:
    """Of log values, the sessions' and the blocks' own levels taken out."""
    often = rows.assign(x=logs(rows["value"])).dropna(subset=["x"])
    often = often[often.groupby(slice)["x"].transform("size") >= FEWEST_BEFORE]
    rest = often["x"] - often.groupby("session_id")["x"].transform("mean")
    rest = rest - rest.groupby(often[slice]).transform("mean")
    free = len(often) - often["session_id"].nunique() - often[slice].nunique() + 1
    return float(np.sqrt((rest**2).sum() / free)) if free >= FEWEST_BLOCKS else np.nan


def block_variation(
    history: pd.DataFrame,
    plans: pd.DataFrame,
    *,
    minutes: pd.DataFrame,
    products: pd.DataFrame,
    sessions: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """How much the metrics that plans name for the whole session vary from block to block.

    One row per metric x kind of block: metric, by (half_hour, product), sd (log scale), per_session
    (blocks in a session). From the last comparable sessions that have minutes or products.
    """
    ids = [name for name in plans.loc[plans["slice"] == "", "metric"].unique() if name in registry]
    recent = (
        history[history["comparable"]]
        .sort_values("started_at", ascending=False)["session_id"]
        .unique()
    )
    rows_by_block = []
    for by, slice, rows in (
        ("half_hour", "slot", slot_rows(minutes, sessions)),
        ("product", "product_id", product_rows(products)),
    ):
        here = set(rows["session_id"])
        recent_rows = rows[
            rows["session_id"].isin([name for name in recent if name in here][:MOST_BEFORE])
        ]
        for name in metrics_of(ids, recent_rows, registry) if len(recent_rows) else []:
            values = metrics.evaluate(
                recent_rows, [name], registry=registry, by=["session_id", slice]
            ).dropna(subset=["value"])
            per_session = values.groupby("session_id").size().median() if len(values) else np.nan
            rows_by_block.append(
                {
                    "metric": name,
                    "by": by,
                    "sd": _block_sd(values, slice),
                    "per_session": per_session,
                }
            )
    return (
        pd.DataFrame(rows_by_block, columns=["metric", "by", "sd", "per_session"])
        .dropna()
        .reset_index(drop=True)
    )


def alternation(
    row: pd.Series, effect: Effect, variation: pd.DataFrame | None, further: float
) -> dict[str, object]:
    """The kind of block that proves it soonest, with their number, where sooner than waiting."""
    if variation is None or row["slice"] or not np.isfinite(effect.effect):
        return {}
    aim = aim_of(effect, row["least_effect"])
    ways = [
        (np.ceil(n / way.per_session), n, way.by)
        for way in variation[variation["metric"] == row["metric"]].itertuples()
        for n in [blocks_needed(way.sd, aim)]
    ]
    taken, blocks, by = min(ways, default=(np.inf, np.nan, ""))
    return (
        {"alternate_by": by, "n_blocks": blocks, "block_sessions": taken}
        if taken < min(further, MOST_FURTHER + 1)
        else {}
    )
