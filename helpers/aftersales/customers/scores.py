"""Scores of each customer by recency, frequency and spend (RFM), and the segments they make."""

from collections.abc import Sequence

import ibis
import pandas as pd

from helpers.aftersales.customers.overdue import overdue_days
from helpers.aftersales.customers.repurchase import cents, exact_sum, today
from helpers.core import engine
from helpers.reference import Customers


def _score(value: ibis.Value, bounds: Sequence[float], *, falling: bool = False) -> ibis.Value:
    """1, and one more for each bound that is reached: equal values, equal scores."""
    score = ibis.literal(1)
    for bound in bounds:
        score = score + ((value <= bound) if falling else (value >= bound)).cast("int32")
    return score.cast("int32")


def rated(
    purchases: ibis.Table, late: pd.DataFrame, *, as_of: pd.Timestamp, rules: Customers
) -> ibis.Table:
    """Every customer with his scores, as an expression: one row per buyer who kept something.

    Columns: buyer_key, days_since, purchases, amount, recency, frequency and spend (scores from 1),
    segment (a key of `customers.yml`), overdue_days (`nan` where his class has none), overdue.
    Spend is scored in medians of one purchase, so that any currency will do.
    """
    customers = purchases.group_by("buyer_key").agg(
        days_since=today(as_of, rules) - purchases.day.max(),
        purchases=purchases.number.max(),
        amount=exact_sum(purchases.amount),
    )
    table = customers.cross_join(purchases.aggregate(usual=cents(purchases.amount).quantile(0.5)))
    high, bounds = rules.high_from, rules.scores
    scored = table.mutate(
        recency=_score(table.days_since, bounds.recency_days, falling=True),
        frequency=_score(table.purchases, bounds.purchases),
        spend=_score(cents(table.amount) / table.usual, bounds.amount),
        overdue_days=overdue_days(table.purchases, late),
    )
    recent, often, much = (
        is_high.ifelse("1", "0")
        for is_high in (
            scored.recency >= high.recency,
            scored.frequency >= high.frequency,
            scored.spend >= high.amount,
        )
    )
    overdue = (scored.days_since > scored.overdue_days).fill_null(False)
    return scored.mutate(segment=recent + often + much, overdue=overdue).drop("usual")


def segments(scored: ibis.Table, *, rules: Customers) -> pd.DataFrame:
    """The customers by segment: one row per segment that has any, in the order of `customers.yml`.

    Columns: segment, zh, en, n (customers), share, amount (net), amount_share, overdue (customers).
    """
    sums = engine.frame(
        scored.group_by("segment").agg(
            n=scored.count(),
            amount=exact_sum(scored.amount),
            overdue=scored.overdue.cast("int64").sum(),
        )
    ).set_index("segment")
    table = sums.reindex([name for name in rules.segments if name in sums.index]).reset_index()
    labels = [rules.segments[name] for name in table["segment"]]
    return table.assign(
        zh=[label.zh for label in labels],
        en=[label.en for label in labels],
        share=table["n"] / table["n"].sum(),
        amount_share=table["amount"] / table["amount"].sum(),
    )


def best(scored: ibis.Table, *, limit: int = 100) -> pd.DataFrame:
    """The customers of the largest net amounts, largest first: the columns of `rated`."""
    largest = engine.frame(scored.order_by(ibis.desc("amount"), "buyer_key").limit(limit))
    return largest.sort_values(["amount", "buyer_key"], ascending=[False, True], ignore_index=True)


def shortened(keys: pd.Series) -> pd.Series:
    """Keys as the page shows them: enough to find a customer in the result table, no more."""
    return keys.str[:6] + "…"
