"""The goals of a shop as a tree, in words and as findings; how far each level is reached.

Source: 电商销售团队绩效管理与提升策略.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings, text

LEVELS = ("strategy", "tactics", "execution")
COUNTED_STATES = tuple(filter(None, compare.GOAL_STATES))
# By the group of its metric, for a goal that names no kind or level.
GOAL_KINDS = {"sales": "sales", "fans": "fans", "traffic": "exposure"}
STRATEGIC = ("sales", "customers", "profit")
# From `compare.goal_completion` as they are.
SAME = ("scope", "metric", "target", "value", "elapsed", "state", "state_zh", "state_en")
TREE_COLUMNS = [
    "level",
    "name_zh",
    "name_en",
    "parent",
    "parent_zh",
    "parent_en",
    "goal_kind",
    "goal_phase",
    "scope",
    "metric",
    "unit",
    "target",
    "value",
    "completion",
    "elapsed",
    "state",
    "state_zh",
    "state_en",
    "owner_role",
    "slice",
]


def with_behaviours(
    values: pd.DataFrame, cues: pd.DataFrame, sessions: pd.DataFrame
) -> pd.DataFrame:
    """Values of `metrics.by_session`, and how often per hour floor control logged each thing.

    The latter per session x cue kind: session_id, metric (the cue kind), numerator (times),
    denominator (hours), value. Sessions without a log have none.
    """
    hours = (sessions.set_index("session_id")["duration_seconds"] / 3600).rename("denominator")
    logged = cues.dropna(subset=["session_id"])
    every = pd.MultiIndex.from_product(
        [sorted(logged["session_id"].unique()), list(reference.terms()["cue_kind"])],
        names=["session_id", "metric"],
    )
    counts = logged.groupby(["session_id", "kind"]).size().rename_axis(every.names)
    times = counts.reindex(every, fill_value=0).astype("float64").rename("numerator")
    rows = times.reset_index().join(hours, on="session_id")
    per_hour = rows["numerator"] / rows["denominator"].where(rows["denominator"] > 0)
    return pd.concat([values, rows.assign(value=per_hour)], ignore_index=True)


def _level(metric: str, registry: Mapping[str, reference.Metric]) -> str:
    if metric in reference.terms()["cue_kind"]:
        return "execution"
    strategic = metric in registry and registry[metric].group in STRATEGIC
    return "strategy" if strategic else "tactics"


def _measure_name(metric: str, registry: Mapping[str, reference.Metric], lang: str) -> str:
    if metric in registry:
        return text.label(registry[metric], lang)
    behaviour = reference.terms()["cue_kind"].get(metric)
    per_hour = text.choose(lang, "（每小时）", " (per hour)")
    return text.label(behaviour, lang) + per_hour if behaviour else ""


def goal_tree(goals: pd.DataFrame, registry: Mapping[str, reference.Metric]) -> pd.DataFrame:
    """The goals as a tree, strategy → tactics → execution: one row per goal, after its parent.

    `goals` is `compare.goal_completion`. Columns `TREE_COLUMNS`: completion is target ÷ value where
    less is better, `nan` of a share. A goal without a level has that of its metric: amounts and
    customers strategy, what is logged execution.
    """
    rows = [_tree_row(goal, registry) for goal in goals.to_dict("records")]
    depth = {level: number for number, level in enumerate(LEVELS)}
    ordered: list[dict[str, object]] = []
    for row in sorted(rows, key=lambda row: (depth[row["level"]], row["scope"] == "session")):
        names = [(goal["name_zh"], goal["name_en"], goal["metric"]) for goal in ordered]
        above = next((n for n, labels in enumerate(names) if row["parent"] in labels), None)
        place = len(ordered)
        if row["parent"] and above is not None:
            row |= {f"parent_{lang}": ordered[above][f"name_{lang}"] for lang in ("zh", "en")}
            higher = (
                number
                for number in range(above + 1, len(ordered))
                if depth[ordered[number]["level"]] < depth[row["level"]]
            )
            place = next(higher, place)
        ordered.insert(place, row)
    return pd.DataFrame(ordered, columns=TREE_COLUMNS)


def _tree_row(
    goal: Mapping[str, object], registry: Mapping[str, reference.Metric]
) -> dict[str, object]:
    name = str(goal["metric"])
    metric = registry.get(name)
    entered = {
        key: goal[key] if isinstance(goal.get(key), str) else "" for key in compare.GOAL_PLACE
    }
    zh, en = (_measure_name(name, registry, lang) for lang in ("zh", "en"))
    in_english = entered["name"] if entered["name"].isascii() else ""
    completion = goal["completion"]
    if metric is not None and metric.unit == "percent":
        completion = np.nan
    elif metric is not None and metric.bigger_is_better is False:
        completion = goal["target"] / goal["value"] if goal["value"] else np.nan
    return {
        **{key: goal[key] for key in SAME},
        "name_zh": entered["name"] or zh or name,
        "name_en": in_english or en or entered["name"] or name,
        "completion": completion,
        "slice": goal_slice(goal),
        "level": entered["level"] or _level(name, registry),
        "parent": entered["parent"],
        "parent_zh": entered["parent"],
        "parent_en": entered["parent"],
        "goal_phase": entered["phase"],
        "owner_role": entered["owner_role"],
        "goal_kind": entered["kind"] or (GOAL_KINDS.get(metric.group, "") if metric else ""),
        "unit": metric.unit if metric else "score",
    }


def goal_words(
    goal: Mapping[str, object],
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> str:
    """A goal in words: what was aimed at, what came out, and how much of it that is.

    A total whose period still runs also says how far it has run.
    """
    name = str(goal["metric"])
    metric = registry.get(name)
    unit = metric.unit if metric else "score"
    label = _measure_name(name, registry, lang) or text.plain(goal["metric"])
    target, value = (
        text.value(goal.get(end, np.nan), unit, lang, currency=currency)
        for end in ("target", "value")
    )
    elapsed = goal.get("elapsed", np.nan)
    total = metric is not None and metric.denominator is None
    running = total and goal.get("scope") == "period" and isinstance(elapsed, float) and elapsed < 1
    words = text.choose(
        lang, f"{label} {target}，实际 {value}", f"{label} {target}, actual {value}"
    )
    if unit != "percent":  # of a share, value and target say it
        share = text.percent(goal.get("completion", np.nan), 1 if running else 0)
        words += text.choose(lang, f"，完成 {share}", f", {share} done")
    if running:
        past = text.percent(elapsed)
        words += text.choose(lang, f"，周期已过 {past}", f", {past} of the period has passed")
        words += _pace(goal, lang)
    return words


def _pace(goal: Mapping[str, object], lang: str) -> str:
    """Rounded before it is compared, so that nothing is ahead by 0.0 points."""
    ahead = float(goal.get("ahead", np.nan))
    if np.isnan(ahead):
        return ""
    points = text.number(abs(100 * ahead), lang, 1)
    if float(points) == 0:
        return text.choose(lang, "，与进度持平", ", on pace")
    zh, en = ("领先", "ahead") if ahead > 0 else ("落后", "behind")
    return text.choose(lang, f"，{zh} {points} 个百分点", f", {points} percentage points {en}")


def goal_findings(
    goals: pd.DataFrame, *, registry: Mapping[str, reference.Metric], currency: str, notebook: str
) -> pd.DataFrame:
    """A finding for each goal, in the order of `goals` (`compare.goal_completion`).

    A statement, no comparison: its verdict is not_comparable. `goal_slice` tells goals of one
    metric apart.
    """
    scopes, rows = reference.terms()["scope"], []
    sliced = goals.assign(slice=[goal_slice(goal) for goal in goals.to_dict("records")])
    for goal in sliced.drop_duplicates(["metric", "slice"]).to_dict("records"):
        sentences = {
            f"sentence_{lang}": text.label(scopes[goal["scope"]], lang)
            + text.choose(lang, "目标：", ": goal ")
            + goal_words(goal, lang=lang, registry=registry, currency=currency)
            + text.choose(lang, "。", ".")
            for lang in ("zh", "en")
        }
        in_registry = goal["metric"] in registry
        rows.append(
            findings.make(
                notebook=notebook,
                dimension=registry[goal["metric"]].group if in_registry else "sales",
                metric=goal["metric"],
                slice=goal["slice"],
                value=goal["value"],
                baseline=goal["target"],
                verdict="not_comparable",
                **sentences,
            )
        )
    return findings.frame(rows)


def goal_slice(goal: Mapping[str, object]) -> str:
    """What tells a goal from others of its metric, as the slice of its finding."""
    days = [
        f"{day:%Y%m%d}"
        for day in (goal.get("period_from"), goal.get("period_to"))
        if isinstance(day, pd.Timestamp) and not pd.isna(day)
    ]
    parts = [goal["scope"], "-".join(days), goal.get("level"), goal.get("owner_role")]
    return "goal=" + "|".join(part for part in parts if isinstance(part, str) and part)


def goal_levels(tree: pd.DataFrame) -> pd.DataFrame:
    """How far each level of the goals is reached: one row per level that has goals.

    Columns: level, goals, measured (with a value), and how many of those are in each of
    `COUNTED_STATES`. Completions are not averaged: over metrics and periods a mean says nothing.
    """
    rows = []
    for level in LEVELS:
        on_level = tree[tree["level"] == level]
        states = on_level.dropna(subset=["value"])["state"]
        rows.append(
            {
                "level": level,
                "goals": len(on_level),
                "measured": len(states),
                **{state: int(states.eq(state).sum()) for state in COUNTED_STATES},
            }
        )
    counts = pd.DataFrame(rows, columns=["level", "goals", "measured", *COUNTED_STATES])
    return counts[counts["goals"] > 0].reset_index(drop=True)
