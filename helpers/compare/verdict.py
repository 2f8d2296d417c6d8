"""Whether a value lies outside what comparable sessions let one expect; what the gap is worth."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.forecast import FARTHEST, LONG, Alike, alike, forecast
from helpers.compare.scale import label, pooled
from helpers.core import findings, stats, text

FEW = 50  # under so many expected events the logarithm of a rate is too coarse
FEW_LONG = 15  # and with a long history, which shows how far such rates stray
LINEAR = {"t", "forecast"}  # methods that compare values as they are, not their logarithms


class _Tested(NamedTuple):
    expected: float
    lower: float
    upper: float
    p_value: float
    sd: float
    method: str


NOTHING = _Tested(*[np.nan] * 5, "none")


class _Rows(NamedTuple):
    """One metric of this session, of the comparable ones, and of these and all further ones."""

    current: pd.Series
    past: pd.DataFrame
    history: pd.DataFrame


def _positive(value: float, past: np.ndarray) -> tuple[float, np.ndarray]:
    values = stats.positive(np.r_[past, value])
    return values[-1], values[:-1]


def _counted(rows: _Rows, metric: reference.Metric, confidence: float, cv: float) -> _Tested:
    session = rows.current
    x, n = (rows.past[name].to_numpy(float) for name in ("numerator", "denominator"))
    predict = (
        stats.beta_binomial_predictive if metric.proportion else stats.negative_binomial_predictive
    )
    predictive = predict(
        session["numerator"], session["denominator"], x, n, confidence=confidence, prior_cv=cv
    )
    sd = stats.session_cv(
        x[np.isfinite(x)], n[np.isfinite(x)], proportion=metric.proportion, prior_cv=cv
    )
    bounds = np.array([predictive.mean, predictive.lower, predictive.upper]) * metric.factor
    return _Tested(
        *bounds,
        predictive.p_value,
        sd,
        "beta_binomial" if metric.proportion else "negative_binomial",
    )


def _few(rows: _Rows, metric: reference.Metric, limit: float) -> bool:
    x, n = (rows.past[name].to_numpy(float) for name in ("numerator", "denominator"))
    per = np.nansum(x) / np.nansum(n) if np.isfinite(n).any() and np.nansum(n) > 0 else np.nan
    counted = metric.proportion or (bool(rows.current["per_hour"]) and metric.unit != "money")
    counts_events = counted and np.isfinite(rows.current["numerator"]) and not metric.minus
    return bool(
        counts_events
        and np.isfinite(per)
        and per * min(rows.current["denominator"], np.nanmedian(n)) < limit
    )


def _short(rows: _Rows, log: bool, confidence: float) -> _Tested:
    past = rows.past["value"].to_numpy(float)
    value, past = _positive(rows.current["value"], past) if log else (rows.current["value"], past)
    further = rows.history.loc[~rows.history["session_id"].isin(rows.past["session_id"]), "value"]
    spread = stats.prior_spread(further, log=log)
    bounds = stats.prediction_interval(past, confidence=confidence, log=log, spread=spread)
    p = stats.prediction_p(value, past, log=log, spread=spread)
    return _Tested(bounds.mean, bounds.lower, bounds.upper, p, bounds.sd, "log_t" if log else "t")


def _long(rows: _Rows, log: bool, confidence: float, likeness: Alike) -> _Tested:
    """The forecast; `sd` is such that the comparable sessions' t interval would be as wide."""
    history = rows.history.tail(FARTHEST)
    value, past = rows.current["value"], history["value"].to_numpy(float)
    if log:
        value, past = (np.log(values) for values in _positive(value, past))
    ids = [*history["session_id"], rows.current["session_id"]]
    near, place = (frame.loc[ids, ids].to_numpy() for frame in likeness)
    forecasted = forecast(value, past, near, place, confidence=confidence)
    bounds = np.array([forecasted.mean, forecasted.lower, forecasted.upper])
    sd = forecasted.error / np.sqrt(1 + 1 / len(rows.past))
    return _Tested(
        *(np.exp(bounds) if log else bounds),
        forecasted.p_value,
        sd,
        "log_forecast" if log else "forecast",
    )


def _test(
    rows: _Rows, metric: reference.Metric, confidence: float, cv: float, likeness: Alike
) -> _Tested:
    """By counts where events are few, else by the forecast or, in a short history, t."""
    log = not metric.minus
    usable = rows.history["value"].gt(0).sum() if log else len(rows.history)
    long = usable >= LONG
    if _few(rows, metric, FEW_LONG if long else FEW):
        return _counted(rows, metric, confidence, cv)
    return _long(rows, log, confidence, likeness) if long else _short(rows, log, confidence)


def _account_cv(rows: pd.DataFrame, proportion: bool) -> float:
    """How much a metric varies in the account: a short baseline's spread is shrunk to it."""
    counted = rows.dropna(subset=["numerator", "denominator"])
    counted = counted[counted["denominator"] > 0]
    if len(counted) < 8 or counted["numerator"].sum() <= 0:
        return stats.PRIOR_CV
    return max(
        stats.PRIOR_CV,
        stats.session_cv(counted["numerator"], counted["denominator"], proportion=proportion),
    )


def _compare_one(
    rows: pd.DataFrame,
    session_id: str,
    chosen: set,
    pool: set,
    metric: reference.Metric,
    confidence: float,
    likeness: Alike,
) -> dict:
    session = rows[rows["session_id"] == session_id].iloc[0]
    with_value = rows.dropna(subset=["value"])
    ids = [name for name in likeness.near.index if name in chosen | pool]
    history = with_value.set_index("session_id", drop=False).reindex(ids).dropna(subset=["value"])
    past = history[history["session_id"].isin(chosen)]
    cv = _account_cv(rows[rows["session_id"] != session_id], metric.proportion)
    tested = (
        _test(_Rows(session, past, history), metric, confidence, cv, likeness)
        if len(past) > 1
        else NOTHING
    )
    return {
        "metric": session["metric"],
        "label_zh": label(metric, "zh"),
        "label_en": label(metric, "en"),
        "group": metric.group,
        "unit": metric.unit,
        "per_hour": bool(session["per_hour"]),
        "value": session["value"],
        "numerator": session["numerator"],
        "denominator": session["denominator"],
        "baseline": pooled(past, metric.factor) if len(past) else np.nan,
        "n": len(past),
        "n_history": len(history),
        **tested._asdict(),
    }


COLUMNS = (
    "metric",
    "label_zh",
    "label_en",
    "group",
    "unit",
    "per_hour",
    "value",
    "numerator",
    "denominator",
    "baseline",
    "n",
    "n_history",
    *_Tested._fields,
)


def verdicts(
    values: pd.DataFrame,
    session_id: str,
    chosen_ids: Iterable[str],
    *,
    sessions: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float],
    pool_ids: Iterable[str] = (),
) -> pd.DataFrame:
    """Each metric of this session against the baseline sessions, with the range to be expected.

    `values` comes from `on_one_scale`, `pool_ids` from `spread_pool`. With `LONG` sessions in all
    the range is the forecast from all of them, else that of the baseline sessions, its spread
    steadied by the others. Raises `KeyError` where a session is not in `sessions`.

    One row per metric that this session has: metric, label_zh, label_en, group, unit, per_hour,
    value, numerator, denominator (hours, where per hour), baseline (ratio of sums), n, n_history
    (sessions behind the range), expected, lower, upper (prediction interval of the value), sd (on
    the log scale), method, ratio, ratio_lower, ratio_upper (÷ baseline), p_value, p_adjusted
    (Benjamini-Hochberg over all metrics here), unusual (bool), verdict, outcome (the verdict, but
    normal for a value inside a range that excludes something), weak (bool).

    A verdict needs `min_sessions_for_verdict` sessions, a value outside its interval and a
    p_adjusted within `false_discovery_rate`; better or worse also a metric that says which way is
    good, and expectation and baseline on the same side of the value.
    """
    chosen = set(chosen_ids) - {session_id}
    pool = set(pool_ids) - chosen - {session_id}
    session_values = values[(values["session_id"] == session_id) & values["value"].notna()]
    likeness = alike(sessions[sessions["session_id"].isin(chosen | pool | {session_id})])
    rows = [
        _compare_one(
            values[values["metric"] == name],
            session_id,
            chosen,
            pool,
            registry[name],
            thresholds["confidence"],
            likeness,
        )
        for name in session_values["metric"]
    ]
    return _judged(pd.DataFrame(rows, columns=list(COLUMNS)), registry, thresholds)


def ranges(
    values: pd.DataFrame, session_id: str, chosen_ids: Iterable[str], **options: Any
) -> pd.DataFrame:
    """As `verdicts`, for metrics that are only looked up: without a verdict."""
    table = verdicts(values, session_id, chosen_ids, **options)
    return table.drop(columns=["p_value", "p_adjusted", "unusual", "verdict", "outcome"])


def _judged(
    table: pd.DataFrame, registry: Mapping[str, reference.Metric], thresholds: Mapping[str, float]
) -> pd.DataFrame:
    enough = table["n"] >= thresholds["min_sessions_for_verdict"]
    p = table["p_value"].where(enough)
    adjusted = pd.Series(stats.benjamini_hochberg(p), index=table.index)
    unusual = (p <= 1 - thresholds["confidence"]) & (adjusted <= thresholds["false_discovery_rate"])
    good = table["metric"].map({name: metric.bigger_is_better for name, metric in registry.items()})
    rising = table["value"] >= table["baseline"]
    torn = rising != (table["value"] >= table["expected"])
    verdict = pd.Series(
        np.where(rising == good.eq(True), "better", "worse"), index=table.index, dtype="str"
    )
    verdict = verdict.mask(~unusual | good.isna() | torn, "cannot_tell").mask(
        p.isna(), "not_comparable"
    )
    excludes = ~(table["upper"] > text.WIDEST * table["lower"].where(table["lower"] > 0))
    scale = table["baseline"].where(table["baseline"] > 0)
    return table.assign(
        outcome=findings.outcome(
            verdict, table["value"], table["lower"].where(excludes), table["upper"]
        ),
        p_adjusted=adjusted,
        ratio=table["value"] / scale,
        ratio_lower=(table["lower"] / scale).where(enough),
        ratio_upper=(table["upper"] / scale).where(enough),
        lower=table["lower"].where(enough),
        upper=table["upper"].where(enough),
        unusual=unusual,
        verdict=verdict,
        weak=table["n"] < thresholds["min_sessions_for_strong"],
    )


# From being shown the room to having paid: in people, in events, and in orders.
PATH = {
    "room_exposure_users",
    "viewers",
    "product_exposure_users",
    "product_click_users",
    "create_users",
    "pay_users",
    "room_exposure_times",
    "views",
    "product_exposure_times",
    "product_click_times",
    "created_orders",
    "orders",
    "units",
    "paid_amount",
}


def money_at_stake(
    table: pd.DataFrame, session: pd.Series, registry: Mapping[str, reference.Metric]
) -> pd.Series:
    """What closing the gap to the baseline would have brought in this session, in its currency.

    By row of `verdicts`: gap x people who came to the step x what each who took it paid in the end.
    `nan` unless the value is on the bad side and the numerator leads to payment. Each line changes
    one step and keeps the others: they are not to be added.
    """
    stake = []
    for row in table.itertuples():
        metric = registry[row.metric]
        gap = row.baseline - row.value
        leads = metric.bigger_is_better is True and not metric.minus and metric.numerator in PATH
        reached = row.per_hour or metric.denominator in PATH
        worth = 1.0 if metric.numerator == "paid_amount" else _paid_per(session, metric.numerator)
        stake.append(
            gap / metric.factor * row.denominator * worth
            if leads and reached and gap > 0
            else np.nan
        )
    return pd.Series(stake, index=table.index, dtype="float64")


def _paid_per(session: pd.Series, column: str) -> float:
    count, paid = session.get(column, np.nan), session.get("paid_amount", np.nan)
    return float(paid / count) if count and count > 0 else np.nan
