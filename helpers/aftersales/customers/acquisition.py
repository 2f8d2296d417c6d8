"""Which sessions and products bring customers who come back."""

from collections.abc import Mapping

import ibis
import numpy as np
import pandas as pd
from scipy.stats import chi2

from helpers.aftersales.customers.repurchase import (
    by_day,
    not_sent_back,
    on_engine,
    shopping_day,
    within,
)
from helpers.core import engine, stats
from helpers.reference import Customers

MONTH = 28
Daily = tuple[np.ndarray, np.ndarray]  # who came back and who was followed, by day (`by_day`)


def origins(
    lines: pd.DataFrame | ibis.Table,
    purchases: ibis.Table,
    *,
    by: str,
    as_of: pd.Timestamp,
    rules: Customers,
    confidence: float = 0.95,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """Which sessions or products bring customers who come back: one row per value of `by`.

    Values are those of first purchases, most first. `purchases` are those of the lines. Columns:
    `by`, n (new customers whose first purchase holds it), watched (of whom it is known after
    `origin_days`), rate (back within them, Kaplan-Meier), ci_lower, ci_upper, usual (the same of
    all new customers of the same four weeks), p_value (log-rank against them), p_adjusted
    (Benjamini-Hochberg), verdict. A customer stands under each product of his first purchase: do
    not add rows. Under `fewest` customers watched the verdict is not_comparable.
    """
    new = purchases.filter(purchases.number == 1)
    first = new.select("buyer_key", "day", "days", "happened", month=new.day // MONTH)
    kept_lines = not_sent_back(on_engine(lines), as_of)
    kept_lines = kept_lines.filter(kept_lines[by].notnull())
    day = shopping_day(kept_lines.paid_at, as_of, rules)
    joined = first.join(
        kept_lines.select("buyer_key", by, day=day).distinct(), ["buyer_key", "day"]
    )
    keys = ["month", "days", "happened"]
    whole = engine.frame(first.group_by(keys).agg(n=first.count()))
    counts = engine.frame(joined.group_by([by, *keys]).agg(n=joined.count()))
    all_new = {month: by_day(part) for month, part in whole.groupby("month")}
    usual = {
        month: stats.course(part["days"], part["happened"], part["n"]).by(rules.origin_days)
        for month, part in whole.groupby("month")
        if part["days"].max() >= rules.origin_days
    }
    rows = [
        {by: name, **_origin(part, all_new, usual, rules, confidence)}
        for name, part in counts.groupby(by, sort=True)
    ]
    columns = [by, "n", "watched", "rate", "ci_lower", "ci_upper", "usual", "more", "p_value"]
    table = pd.DataFrame(rows, columns=columns)
    adjusted = stats.benjamini_hochberg(table["p_value"])
    verdict = np.select(
        [table["p_value"].isna(), adjusted > false_discovery_rate, table["more"] > 0],
        ["not_comparable", "cannot_tell", "better"],
        "worse",
    )
    return (
        table.assign(
            p_adjusted=adjusted, verdict=pd.Series(verdict, index=table.index, dtype="str")
        )
        .drop(columns="more")
        .sort_values(["n", by], ascending=[False, True], ignore_index=True)
    )


def _origin(
    part: pd.DataFrame,
    all_new: Mapping[int, Daily],
    usual: Mapping[int, float],
    rules: Customers,
    confidence: float,
) -> dict[str, float]:
    row = within(part, [rules.origin_days], confidence=confidence).iloc[0]
    months = part.groupby("month")
    more, variance = np.sum(
        [logrank(by_day(group), all_new[month]) for month, group in months], axis=0
    )
    weight = months["n"].sum().reindex(list(usual)).fillna(0)
    expected = np.average(list(usual.values()), weights=weight) if weight.sum() > 0 else np.nan
    judged = row["watched"] >= rules.fewest and variance > 0
    return {
        **row[["n", "watched", "rate", "ci_lower", "ci_upper"]],
        "usual": float(expected),
        "more": more,
        "p_value": float(chi2.sf(more**2 / variance, 1)) if judged else np.nan,
    }


def logrank(part: Daily, whole: Daily) -> tuple[float, float]:
    """The log-rank test: how many more of a part came back than expected, and the variance of that.

    The part is inside the whole; more² / variance is chi-squared with one degree of freedom, and
    over several months the sums of both are. lifelines tests one pair without months; there are
    hundreds.
    """
    (part_back, part_followed), (back, followed) = part, whole
    back, followed = back[: len(part_followed)], followed[: len(part_followed)]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(followed > 0, part_followed / followed, 0.0)
        spread = np.where(followed > 1, back * (followed - back) / (followed - 1), 0.0)
    return float((part_back - share * back).sum()), float((share * (1 - share) * spread).sum())
