"""Whether a value lies outside what the comparable sessions let one expect, and what the gap is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference, stats
from helpers.compare.scale import pooled

FEW = 50                      # under so many expected events the logarithm of a rate is too coarse


class _Tested(NamedTuple):
    lower: float
    upper: float
    p_value: float
    sd: float
    method: str


def _positive(value: float, past: np.ndarray) -> tuple[float, np.ndarray]:
    """Values for the log scale: a zero becomes half of the smallest value seen, whatever the currency."""
    seen = np.r_[past[past > 0], value if value > 0 else []]
    least = seen.min() / 2 if seen.size else np.nan
    return (value or least), np.where(past == 0, least, past)


def _test(
    own: pd.Series, past: pd.DataFrame, pool: pd.DataFrame, metric: reference.Metric, confidence: float, cv: float
) -> _Tested:
    """Prediction interval and p-value of one metric: log-t, or a predictive distribution of counts where they are few."""
    x, n = past["numerator"].to_numpy(float), past["denominator"].to_numpy(float)
    per = np.nansum(x) / np.nansum(n) if np.isfinite(n).any() and np.nansum(n) > 0 else np.nan
    few = np.isfinite(per) and per * min(own["denominator"], np.nanmedian(n)) < FEW
    counted = metric.proportion or (bool(own["per_hour"]) and metric.unit != "money")
    if few and counted and np.isfinite(own["numerator"]) and not metric.minus:
        predict = stats.beta_binomial_predictive if metric.proportion else stats.negative_binomial_predictive
        found = predict(own["numerator"], own["denominator"], x, n, confidence=confidence, prior_cv=cv)
        sd = stats.session_cv(x[np.isfinite(x)], n[np.isfinite(x)], proportion=metric.proportion, prior_cv=cv)
        return _Tested(found.lower * metric.factor, found.upper * metric.factor, found.p_value, sd,
                       "beta_binomial" if metric.proportion else "negative_binomial")
    log = not metric.minus
    value, history = _positive(own["value"], past["value"].to_numpy(float)) if log else (own["value"], past["value"])
    spread = stats.prior_spread(pool["value"], log=log)
    bounds = stats.prediction_interval(history, confidence=confidence, log=log, spread=spread)
    p = stats.prediction_p(value, history, log=log, spread=spread)
    return _Tested(bounds.lower, bounds.upper, p, bounds.sd, "log_t" if log else "t")


def _account_cv(rows: pd.DataFrame, proportion: bool) -> float:
    """How much this metric varies between the account's sessions: what a short baseline's own spread is shrunk to."""
    known = rows.dropna(subset=["numerator", "denominator"])
    known = known[known["denominator"] > 0]
    if len(known) < 8 or known["numerator"].sum() <= 0:
        return stats.PRIOR_CV
    return max(stats.PRIOR_CV, stats.session_cv(known["numerator"], known["denominator"], proportion=proportion))


def _compare_one(
    name: str, rows: pd.DataFrame, session_id: str, chosen: set, pool: set, metric: reference.Metric, confidence: float
) -> dict:
    own = rows[rows["session_id"] == session_id].iloc[0]
    past = rows[rows["session_id"].isin(chosen)].dropna(subset=["value"])
    usable = np.isfinite(own["value"]) and len(past) > 0
    cv = _account_cv(rows[rows["session_id"] != session_id], metric.proportion)
    further = rows[rows["session_id"].isin(pool)].dropna(subset=["value"])
    tested = _test(own, past, further, metric, confidence, cv) if usable and len(past) > 1 else _Tested(*[np.nan] * 4, "none")
    return {
        "metric": name, "label_zh": metric.zh + ("（每小时）" if own["per_hour"] else ""),
        "label_en": metric.en + (" (per hour)" if own["per_hour"] else ""), "group": metric.group, "unit": metric.unit, "per_hour": bool(own["per_hour"]),
        "value": own["value"], "numerator": own["numerator"], "denominator": own["denominator"],
        "baseline": pooled(past, metric.factor) if len(past) else np.nan, "n": len(past), "lower": tested.lower,
        "upper": tested.upper, "sd": tested.sd, "p_value": tested.p_value, "method": tested.method,
    }


def verdicts(
    values: pd.DataFrame, session_id: str, chosen_ids: Iterable[str], *, registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float], pool_ids: Iterable[str] = (),
) -> pd.DataFrame:
    """Each metric of this session against the baseline sessions, with the range that they lead one to expect.

    `values` comes from `on_one_scale`, `pool_ids` from `spread_pool`: they steady the spread of a short baseline. One row per metric that this session has: metric, label_zh, label_en, group, unit,
    per_hour, value, numerator, denominator (hours, where per hour), baseline (ratio of sums), n, lower, upper (prediction
    interval of the value), sd (on the log scale), method,
    ratio, ratio_lower, ratio_upper (÷ baseline), p_value, p_adjusted (Benjamini-Hochberg over all metrics here),
    unusual (bool), verdict, weak (bool).
    A verdict needs `min_sessions_for_verdict` sessions, a value outside its interval and a p_adjusted within
    `false_discovery_rate`; better or worse also needs a metric that says which way is good.
    """
    chosen = set(chosen_ids) - {session_id}
    pool = set(pool_ids) - chosen - {session_id}
    own = values[(values["session_id"] == session_id) & values["value"].notna()]
    rows = [
        _compare_one(name, values[values["metric"] == name], session_id, chosen, pool, registry[name], thresholds["confidence"])
        for name in own["metric"]
    ]
    columns = ["metric", "label_zh", "label_en", "group", "unit", "per_hour", "value", "numerator", "denominator", "baseline", "n", "lower",
               "upper", "sd", "p_value", "method"]
    return _judged(pd.DataFrame(rows, columns=columns), registry, thresholds)


def ranges(
    values: pd.DataFrame, session_id: str, chosen_ids: Iterable[str], *, registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float], pool_ids: Iterable[str] = (),
) -> pd.DataFrame:
    """As `verdicts`, for metrics that are only looked up: the same columns, and no verdict on any of them."""
    found = verdicts(values, session_id, chosen_ids, registry=registry, thresholds=thresholds, pool_ids=pool_ids)
    return found.drop(columns=["p_value", "p_adjusted", "unusual", "verdict"])


def _judged(table: pd.DataFrame, registry: Mapping[str, reference.Metric], thresholds: Mapping[str, float]) -> pd.DataFrame:
    enough = table["n"] >= thresholds["min_sessions_for_verdict"]
    p = table["p_value"].where(enough)
    adjusted = pd.Series(stats.benjamini_hochberg(p), index=table.index)
    unusual = (p <= 1 - thresholds["confidence"]) & (adjusted <= thresholds["false_discovery_rate"])
    good = table["metric"].map({name: metric.bigger_is_better for name, metric in registry.items()})
    rising = table["value"] >= table["baseline"]
    verdict = pd.Series(np.where(rising == good.eq(True), "better", "worse"), index=table.index, dtype="str")
    verdict = verdict.mask(~unusual | good.isna(), "cannot_tell").mask(p.isna(), "not_comparable")
    scale = table["baseline"].where(table["baseline"] > 0)
    return table.assign(
        p_adjusted=adjusted, ratio=table["value"] / scale, ratio_lower=(table["lower"] / scale).where(enough),
        ratio_upper=(table["upper"] / scale).where(enough), lower=table["lower"].where(enough),
        upper=table["upper"].where(enough), unusual=unusual, verdict=verdict,
        weak=table["n"] < thresholds["min_sessions_for_strong"],
    )


# Columns that lie on the way from being shown the room to having paid, in people, in events, and in orders.
PATH = {
    "room_exposure_users", "viewers", "product_exposure_users", "product_click_users", "create_users", "pay_users",
    "room_exposure_times", "views", "product_exposure_times", "product_click_times", "created_orders", "orders", "units",
    "paid_amount",
}


def money_at_stake(table: pd.DataFrame, session: pd.Series, registry: Mapping[str, reference.Metric]) -> pd.Series:
    """What closing the gap to the baseline would have brought in this session, by row of `verdicts`, in its currency.

    For a rate on the way to the sale: gap x people who came to the step x what each of those who took it paid in the
    end. Only where the value is on the bad side of the baseline and the numerator leads to payment; else `nan`.
    Each line changes one step and keeps the others: the lines are not to be added.
    """
    stake = []
    for row in table.itertuples():
        metric = registry[row.metric]
        gap = row.baseline - row.value
        leads = metric.bigger_is_better is True and not metric.minus and metric.numerator in PATH
        reached = row.per_hour or metric.denominator in PATH
        worth = 1.0 if metric.numerator == "paid_amount" else _paid_per(session, metric.numerator)
        stake.append(gap / metric.factor * row.denominator * worth if leads and reached and gap > 0 else np.nan)
    return pd.Series(stake, index=table.index, dtype="float64")


def _paid_per(session: pd.Series, column: str) -> float:
    count, paid = session.get(column, np.nan), session.get("paid_amount", np.nan)
    return float(paid / count) if count and count > 0 else np.nan
