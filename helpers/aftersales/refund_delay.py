"""How refunds arrive over time, from earlier sessions, and what share is in at an age."""

from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd

from helpers.aftersales.order_lines import DAY
from helpers.core import engine, stats

FEWEST_FOR_CURVE = 30
MINUTE = pd.Timedelta(minutes=1)


class Maturity(NamedTuple):
    """How much of what will come back is back at an age: F(age), and the refunds it rests on."""

    share: float
    refunds: int


def _minutes_to_refund(
    lines: pd.DataFrame | ibis.Table, as_of: pd.Timestamp, window_days: float
) -> pd.DataFrame:
    """Lines by begun minutes to refund, else to `as_of`, at most through the window."""
    table = lines
    if isinstance(lines, pd.DataFrame):
        table = engine.table(lines[["paid_at", "refunded", "refunded_at"]])
    minute, window, now = (
        int(span / pd.Timedelta(microseconds=1))
        for span in (MINUTE, window_days * DAY, as_of - pd.Timestamp(0, tz="UTC"))
    )
    paid = engine.epoch_us(table.paid_at)
    delay = engine.epoch_us(table.refunded_at) - paid
    happened = (table.refunded & (delay <= window)).fill_null(False)
    passed = ibis.ifelse(happened, delay, ibis.least(now - paid, window))
    minutes = (ibis.greatest(passed, 0) + minute - 1) // minute
    counted = table.select(minutes=minutes, happened=happened)
    return engine.frame(counted.group_by("minutes", "happened").agg(n=counted.count()))


def delay_curve(
    lines: pd.DataFrame | ibis.Table, *, as_of: pd.Timestamp, window_days: float = 30
) -> pd.DataFrame:
    """How refunds arrive over time, from older sessions: one row per day 0 … window_days.

    `lines`, paid by `as_of`, are a frame or a table of the engine (`engine.table`) with paid_at,
    refunded and refunded_at. Columns: day, share (of all refunds within the window, F(day) = (1 -
    S(day)) / (1 - S(window)) with the Kaplan-Meier S of paid lines, so that younger sessions help
    too), refunds (how many it rests on). Empty under 30 refunds with a known time.
    """
    none = pd.DataFrame({"day": [], "share": [], "refunds": []})
    if isinstance(lines, pd.DataFrame) and lines.empty:
        return none
    counted = _minutes_to_refund(lines, as_of, window_days)
    refunds = int(counted.loc[counted["happened"], "n"].sum())
    if refunds < FEWEST_FOR_CURVE:
        return none
    days = np.arange(0, int(window_days) + 1)
    arrived = stats.course(counted["minutes"], counted["happened"], counted["n"])
    back = arrived.by(np.array([*days, window_days]) * (DAY / MINUTE))
    share = np.minimum(back[:-1] / back[-1], 1.0)
    return pd.DataFrame({"day": days, "share": share, "refunds": refunds})


def maturity(curve: pd.DataFrame, age_days: float) -> Maturity:
    """F(age) of a delay curve, linear between days; `nan` without a curve, 1 after its window."""
    if curve.empty:
        return Maturity(np.nan, 0)
    share = np.interp(age_days, curve["day"], curve["share"])
    return Maturity(float(share), int(curve["refunds"].iloc[0]))
