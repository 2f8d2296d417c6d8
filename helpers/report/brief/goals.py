"""The goal of the session and of its period, and what the session means for it."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers import compare, plan
from helpers.core import text
from helpers.report.brief.setting import Setting, finding
from helpers.report.goal_lines import STYLES
from helpers.report.statements import Place, Statement


def goals(of: Setting) -> list[dict[str, Any]]:
    """The session's goal and the period's that it is part of, each with what it comes to."""
    frame = of.results["goals"]
    if not {"metric", "target", "scope", "state", "value"} <= set(frame.columns):
        return []
    tree = frame["level"].fillna("") if "level" in frame else pd.Series("", index=frame.index)
    rows = frame[~tree.isin(["tactics", "execution"]) & frame["state"].fillna("").ne("")]
    chosen = pd.concat([rows[rows["scope"].eq(scope)].head(1) for scope in ("session", "period")])
    return [goal_line(of, row) for row in chosen.to_dict("records")]


def goal_line(of: Setting, row: Mapping[str, Any]) -> dict[str, Any]:
    """A goal in words, with its state and the statement behind it."""
    state, metric, slice = row["state"], row["metric"], plan.goal_slice(row)
    value, target = (of.value(metric, row[name]) for name in ("value", "target"))
    verdict = of.t(*compare.GOAL_STATES[state])
    done = row.get("completion", math.nan)
    share = f" {text.percent(done, 0)}" if done is not None and math.isfinite(done) else ""
    name = text.label(of.registry[metric], of.lang) if metric in of.registry else metric
    scope = span(of, row)
    words = of.t(
        f"{scope} 目标：{name} {target}，做到 {value}{f'（{share.strip()}）' if share else ''}。",
        f"{scope}: {name.lower()} {value} of {target}{f' ({share.strip()})' if share else ''}.",
    ) + _outlook(of, row)
    key = (("scope", row["scope"]), ("metric", metric), ("target", row["target"]))
    return {
        "words": words,
        "style": STYLES.get(state, "quiet"),
        "verdict": verdict,
        "scope": row["scope"],
        "proof": finding(of, metric, slice) or "p06",
        "statement": Statement(
            id=f"goal.{row['scope']}.{metric}",
            metric=metric,
            slice=row["scope"],
            yardstick="goal",
            value=row["value"],
            verdict=state,
            at=Place("goals", key, "value"),
            stated=Place("goals", key, "state"),
        ),
    }


def span(of: Setting, row: Mapping[str, Any]) -> str:
    """What a goal is for: this session, or the days of its period."""
    if row["scope"] == "session":
        return of.t("本场", "This session")
    ends = (row.get("period_from"), row.get("period_to"))
    return of.t(" 至 ", " to ").join(f"{end:%m-%d}" for end in ends if pd.notna(end))


def _outlook(of: Setting, row: Mapping[str, Any]) -> str:
    """Where a running total ends at its pace so far, and how much faster it must become."""
    pace, value, target = (float(row.get(name, math.nan)) for name in ("pace", "value", "target"))
    if not (0 < pace < 1 and value > 0 and math.isfinite(target)):
        return ""
    ends, faster = value / pace, (target - value) / (1 - pace) / (value / pace) - 1
    shown, whole = of.value(row["metric"], ends), text.percent(ends / target, 0)
    head = of.t(
        f"日子过了 {text.percent(pace, 0)}，照这个速度到最后约 {shown}（目标的 {whole}）",
        f" {text.percent(pace, 0)} of the time is over; at this pace it ends at about {shown}"
        f" ({whole} of the goal)",
    )
    if target <= value:
        return head + of.t("。", ".")
    if faster <= 0:
        return head + of.t("，保持住就够。", ": keeping it up is enough.")
    more = text.percent(faster, 0)
    return (
        head
        + of.t(
            f"；要做到，剩下的日子每天得比到现在多 {more}。",
            f"; to reach it the rest must bring {more} more a day than so far.",
        )
        + _chance(of, row)
    )


FEWEST_STRETCHES = 5  # past stretches of time, below which no chance is said


def _chance(of: Setting, row: Mapping[str, Any]) -> str:
    """How many past stretches as long as what is left brought as much as is still lacking."""
    stretches, enough = (float(row.get(name, math.nan)) for name in ("stretches", "enough"))
    if not stretches >= FEWEST_STRETCHES:
        return ""
    return of.t(
        f"以往 {stretches:.0f} 段同样长的日子里，{enough:.0f} 段卖到过这么多。",
        f" Of {stretches:.0f} past stretches as long, {enough:.0f} brought that much.",
    )
