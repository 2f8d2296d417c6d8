"""Values on one scale: totals per hour, comparable metrics, and which metrics are tested."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.baseline import hours
from helpers.core import text

OUTCOMES = ("paid_amount",)  # tested beside the playbook's problems: what the session is judged by
# Maxima and averages do not grow with the hours; refunds grow with age, so a young session has none
# to compare yet.
NOT_PER_HOUR = {
    "peak_online",
    "avg_online",
    "avg_watch_seconds",
    "product_count",
    "staff_count",
    "fan_viewer_share",
}
AGES = {"refund_amount", "refund_orders", "refund_users", "goods_cost"}


def label(metric: reference.Metric, lang: str) -> str:
    """A metric's name as it is compared: totals are per hour."""
    return text.label(metric, lang) + (
        text.choose(lang, "（每小时）", " (per hour)") if _per_hour(metric) else ""
    )


def _per_hour(metric: reference.Metric) -> bool:
    counted = metric.unit in ("users", "times", "count", "money")
    return metric.denominator is None and counted and metric.numerator not in NOT_PER_HOUR


def comparable_metrics(registry: Mapping[str, reference.Metric]) -> list[str]:
    """Metrics that one session can be compared by: none that grows with age, no total twice.

    Refunds keep coming for weeks: net of them a young session would always look better. Hourly
    metrics of the registry repeat the totals of `on_one_scale`.
    """
    names = []
    for name, metric in registry.items():
        terms = {metric.numerator, metric.denominator, *metric.minus, *metric.denominator_minus}
        if (
            metric.table == "sessions"
            and metric.denominator != "duration_seconds"
            and not terms & AGES
        ):
            names.append(name)
    return names


def family(
    values: pd.DataFrame, session_id: str, playbook: Mapping[str, reference.Problem]
) -> list[str]:
    """The metrics tested: of each problem of the playbook the first that can be compared.

    That is, that this session and others have; fixed before the numbers are seen. The more tests,
    the fewer survive the correction, and testing every metric would say the same thing often.
    """
    rows = values.dropna(subset=["value"])
    ours = set(rows.loc[rows["session_id"] == session_id, "metric"])
    shared = (ours & set(rows.loc[rows["session_id"] != session_id, "metric"])) or ours
    first = [
        next((name for name in problem.metrics if name in shared), None)
        for problem in playbook.values()
    ]
    return list(
        dict.fromkeys([*(name for name in OUTCOMES if name in shared), *filter(None, first)])
    )


def on_one_scale(
    values: pd.DataFrame, sessions: pd.DataFrame, registry: Mapping[str, reference.Metric]
) -> pd.DataFrame:
    """The values of `metrics.by_session` made comparable between sessions: totals become per hour.

    One row per session_id x `comparable_metrics`: numerator, denominator, value, per_hour (bool).
    """
    rows = values[values["metric"].isin(comparable_metrics(registry))]
    hourly = (
        rows["metric"]
        .map({name: _per_hour(metric) for name, metric in registry.items()})
        .astype(bool)
    )
    length = rows["session_id"].map(hours(sessions))
    return rows.assign(
        per_hour=hourly,
        denominator=rows["denominator"].mask(hourly, length),
        value=rows["value"].mask(hourly, rows["value"] / length),
    ).reset_index(drop=True)


def pooled(rows: pd.DataFrame, factor: float) -> float:
    """The baseline: ratio of sums over the sessions; without a denominator the geometric mean."""
    both = rows.dropna(subset=["numerator", "denominator"])
    if len(both) == len(rows) > 0 and both["denominator"].sum() > 0:
        return float(both["numerator"].sum() / both["denominator"].sum() * factor)
    values = rows["value"].dropna()
    return (
        float(np.exp(np.log(values).mean()))
        if len(values) and (values > 0).all()
        else float(values.mean())
    )


def history(values: pd.DataFrame, sessions: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One metric over the account's sessions, oldest first: started_at, session_id, value."""
    rows = values[values["metric"] == metric].dropna(subset=["value"])
    started = rows["session_id"].map(sessions.set_index("session_id")["started_at"])
    return rows.assign(started_at=started)[["started_at", "session_id", "value"]].sort_values(
        "started_at", ignore_index=True
    )
