"""A goal in a line of the first screen: how much is reached, and why the rest is missing."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers import compare, plan
from helpers.core import text
from helpers.report.units import Registry

STYLES = {"reached": "good", "off_target": "warn", "missed": "bad"}


def goal_line(
    goal: Mapping[str, Any],
    usual: float,
    lang: str,
    registry: Registry,
    currency: str,
) -> dict[str, str]:
    """A goal's scope, its words, its state and the style of that state."""
    state = goal.get("state") or ""
    verdict = text.choose(lang, *compare.GOAL_STATES[state])
    if goal.get("scope") == "period":
        scope = text.choose(lang, "周期目标", "Goal of the period")
    else:
        scope = text.choose(lang, "本场目标", "Goal of this session")
    words = plan.goal_words(goal, lang=lang, registry=registry, currency=currency)
    words += _gap(goal, usual, lang, currency)
    if goal.get("note") == "unknown_metric":
        words += text.choose(lang, "；", "; ") + goal[f"note_{lang}"]
    return {
        "scope": scope,
        "words": words,
        "verdict": verdict or text.choose(lang, "无法判断", "cannot tell"),
        "style": STYLES.get(state, "quiet"),
    }


def usual_amount(verdicts: pd.DataFrame) -> float:
    """The paid amount usual for a session of this length; nan without a baseline."""
    if not {"metric", "baseline"} <= set(verdicts.columns):
        return math.nan
    rows = verdicts[verdicts["metric"] == "paid_amount"]
    if rows.empty:
        return math.nan
    row = rows.iloc[0]
    hours = float(row.get("denominator", math.nan)) if row.get("per_hour") in (True, 1) else 1.0
    return float(row["baseline"]) * hours


def _gap(goal: Mapping[str, Any], usual: float, lang: str, currency: str) -> str:
    target, value = float(goal["target"]), float(goal.get("value", math.nan))
    if goal.get("scope") != "session" or goal["metric"] != "paid_amount":
        return ""
    if not (math.isfinite(usual) and value < target):
        return ""
    short, high, low, level = (
        text.money(amount, lang, currency)
        for amount in (target - value, target - usual, abs(usual - value), usual)
    )
    if usual <= value:
        return text.choose(
            lang,
            f"；少 {short}，是目标定得高于平时：同样时长平时 {level}，本场还多 {low}",
            f". Short by {short}, because the goal is higher than a usual session of this length "
            f"({level}); this session sold {low} more than that",
        )
    if target <= usual:
        return text.choose(
            lang,
            f"；少 {short}，是本场低于平时：同样时长平时 {level}，本就够得着目标",
            f". Short by {short}, because this session sold less than usual: a usual session of "
            f"this length ({level}) would have reached the goal",
        )
    return text.choose(
        lang,
        f"；少 {short}：其中 {high} 是目标高于平时（同样时长平时 {level}），{low} 是本场低于平时",
        f". Short by {short}: {high} because the goal is higher than a usual session of this "
        f"length ({level}), {low} because this session sold less than usual",
    )
