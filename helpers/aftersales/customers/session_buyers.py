"""The buyers of one session: new ones, baskets, orders left unpaid, recommendations."""

import ibis
import numpy as np
import pandas as pd
from scipy.stats import norm

from helpers.aftersales.customers.repurchase import exact_sum, on_engine, shopping_day
from helpers.aftersales.customers.share import Share, counted
from helpers.core import engine
from helpers.reference import Customers


def new_share(
    lines: pd.DataFrame | ibis.Table,
    *,
    session_id: str,
    as_of: pd.Timestamp,
    rules: Customers,
    confidence: float = 0.95,
) -> tuple[Share, Share]:
    """新客GMV占比: new customers' share of a session's paid amount, and of its buyers.

    A buyer is new where the export says so, else where no paid line of an earlier shopping day is
    known. The amount is as paid, with later refunds inside; its interval is the linear
    approximation over buyers, that of people Wilson's.
    """
    table = on_engine(lines)
    paid_lines = table.filter(table.buyer_key.notnull(), table.paid_at <= as_of)
    dated = paid_lines.mutate(day=shopping_day(paid_lines.paid_at, as_of, rules))
    first = dated.group_by("buyer_key").agg(first_day=dated.day.min())
    here = dated.filter(dated.session_id == session_id).join(first, "buyer_key")
    here = here.mutate(new=here.is_new_buyer.fill_null(here.day == here.first_day))
    buyers = engine.frame(
        here.group_by("buyer_key").agg(paid=exact_sum(here.paid), new=here.new.max())
    )
    new_paid, paid = buyers["paid"].where(buyers["new"], 0.0), buyers["paid"]
    value = new_paid.sum() / paid.sum() if paid.sum() > 0 else np.nan
    error = np.nan
    if len(buyers) > 1:
        error = _mean_error(new_paid - value * paid, confidence) / paid.mean()
    return (
        Share(float(value), max(value - error, 0.0), min(value + error, 1.0), len(buyers)),
        counted(buyers["new"].sum(), len(buyers), confidence),
    )


def _mean_error(values: pd.Series, confidence: float) -> float:
    return float(norm.ppf((1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(len(values)))


def basket(lines: pd.DataFrame, *, confidence: float = 0.95) -> tuple[Share, Share]:
    """连带率: units per buyer of the lines, and the share of buyers of two or more products."""
    by_buyer = lines.groupby("buyer_key").agg(
        units=("qty", "sum"), products=("product_id", "nunique")
    )
    n, mean, error = len(by_buyer), np.nan, np.nan
    if n > 1:
        mean, error = by_buyer["units"].mean(), _mean_error(by_buyer["units"], confidence)
    several = int((by_buyer["products"] > 1).sum())
    return Share(float(mean), mean - error, mean + error, n), counted(several, n, confidence)


def unpaid(
    orders: pd.DataFrame, *, as_of: pd.Timestamp, rules: Customers, confidence: float = 0.95
) -> Share:
    """Orders created and not paid within `unpaid_minutes`, out of those at least so old (Wilson).

    `nan` where the export has no payment times. Carts that never became an order are not in it.
    """
    limit = pd.Timedelta(minutes=rules.unpaid_minutes)
    times = orders.groupby("order_id")[["created_at", "paid_at"]].min()
    old = times[times["created_at"] + limit <= as_of]
    if old["paid_at"].isna().all():
        return Share(np.nan, np.nan, np.nan, len(old))
    late = int((~(old["paid_at"] - old["created_at"] <= limit)).sum())
    return counted(late, len(old), confidence)


def referred(orders: pd.DataFrame, *, confidence: float = 0.95) -> Share:
    """老客推荐占比: buyers whom a customer recommended, out of those of whom it is stated (Wilson).

    One recommended line makes a recommended buyer; who did not pay is none. `nan` where nobody
    fills it in. Source: 电商销售团队绩效管理与提升策略.
    """
    stated = orders[orders["paid_at"].notna()].dropna(subset=["buyer_key", "is_referred"])
    recommended = stated["is_referred"].astype(bool).groupby(stated["buyer_key"]).any()
    return counted(int(recommended.sum()), len(recommended), confidence)


def first_orders(people: Share, viewers: float, *, confidence: float = 0.95) -> Share:
    """首单转化率: a session's new buyers (`new_share`) over its viewers, `nan` where unknown."""
    if not (people.n and pd.notna(viewers) and viewers >= people.n):
        return Share(np.nan, np.nan, np.nan, 0)
    return counted(round(people.value * people.n), viewers, confidence)
