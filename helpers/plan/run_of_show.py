"""The next session on one page: what changes at which stage, who does it, and what verifies it.

Source: 电商直播销售流程规范 (the six stages).
"""

from collections.abc import Mapping
from typing import get_args

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.plan import causes, verification
from helpers.plan.lines import role_name, verified_by

ON_AIR, STEPS = get_args(reference.Stage), get_args(reference.RunStage)
LOGGED = {  # what floor control logs in a stage
    "introduction": ("explain_start",),
    "follow_prompt": ("follow_prompt",),
    "purchase_prompt": ("purchase_prompt",),
    "activity": ("activity", "lucky_bag"),
}
CARRIED = {  # what becomes of a judged action
    "effective": ("保持：", "Keep: "),
    "effective_but_small": ("加大力度：", "Do more of: "),
    "harmful": ("停止：", "Stop: "),
    "not_effective": ("换一个做法，不再照做：", "Replace: "),
    "cannot_tell": ("继续，尚未看清：", "Go on, not settled yet: "),
}
SHOW_COLUMNS = ["step", "timing", "change", "who", "verified_by", "line"]
MOST_PEOPLE = 2  # for a stage's team work


def next_session(
    lines: pd.DataFrame,
    checked: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    rundown: pd.DataFrame,
    cues: pd.DataFrame,
    session: pd.Series,
    playbook: Mapping[str, reference.Problem],
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str = "CNY",
) -> pd.DataFrame:
    """The run of show of the next session: before the start, the six stages, after the end.

    One row per stage x thing to do (one "as last time" where there is none), stages by the time at
    which they began: step, timing (of the session under review, from its rundown and log), change,
    who (where nothing changes, those of the stage's team work), verified_by, line (plan_id). Of
    `lines` the open ones count; `checked` (`verification.verify`) are judged lines of `earlier`:
    what worked is kept.
    """
    usual = {
        metric: causes.stage_of(problem)
        for problem in playbook.values()
        for metric in problem.metrics
    }
    to_do = [
        *_carried(checked, earlier, usual, lang),
        *_open_lines(lines, usual, registry, lang, currency),
    ]
    unchanged = {
        "change": text.choose(lang, "照上一场", "As last time"),
        "verified_by": "",
        "line": "",
    }
    rows = []
    for step in (STEPS[0], *_by_time(rundown, cues), STEPS[-1]):
        changes = [row for row in to_do if row["step"] == step]
        if not changes and step != STEPS[0]:
            changes = [unchanged | {"who": _people_of(step, playbook, lang)}]
        label = text.label(reference.terms()["run_stage"][step], lang)
        when = timing(step, rundown, cues, session, lang)
        rows += [{**row, "step": label, "timing": when} for row in changes]
    return pd.DataFrame(rows, columns=SHOW_COLUMNS).astype("str")


def _by_time(rundown: pd.DataFrame, cues: pd.DataFrame) -> list[str]:
    """A stage without a time in rundown or log stays behind the one before it."""
    planned = rundown.groupby("stage")["starts_at"].min()
    done = {step: cues.loc[cues["kind"].isin(kinds), "at"].min() for step, kinds in LOGGED.items()}
    begins = (planned.get(step, done.get(step, pd.NaT)) for step in ON_AIR)
    seconds = [at.timestamp() if pd.notna(at) else np.nan for at in begins]
    in_order = pd.Series(seconds, index=list(ON_AIR), dtype="float64").ffill()
    return list(in_order.sort_values(kind="stable", na_position="first").index)


def _people_of(step: str, playbook: Mapping[str, reference.Problem], lang: str) -> str:
    """The roles that most of a stage's problems in the playbook name."""
    entries = list(playbook.values())
    with_stage = [problem for problem in entries if step in problem.stages or problem.stage == step]
    with_stage = with_stage or [problem for problem in entries if problem.stages == "all"]
    roles = pd.Series([role for problem in with_stage for role in problem.people], dtype="str")
    foremost = roles.value_counts().index[:MOST_PEOPLE]
    return text.choose(lang, "、", ", ").join(role_name(role, lang) for role in foremost)


def _step_of(stage: str, metric: str, usual: Mapping[str, str]) -> str:
    """The first that a line's stage names in either language, else its metric's usual."""
    first = stage.replace(", ", "、").split("、")[0].strip()
    named = (
        step
        for step, label in reference.terms()["run_stage"].items()
        if first in (step, label.zh, label.en)
    )
    return next(named, usual.get(metric, STEPS[0]))


def _open_lines(
    lines: pd.DataFrame,
    usual: Mapping[str, str],
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str,
) -> list[dict[str, str]]:
    return [
        {
            "step": _step_of(row["stage"], row["metric"], usual),
            "change": text.plain(row["action"], 300),
            "who": role_name(row["owner_role"], lang),
            "line": row["plan_id"],
            "verified_by": verified_by(row, registry[row["metric"]], lang, currency)
            if row["metric"] in registry
            else "",
        }
        for row in lines[lines["status"] == "open"].to_dict("records")
    ]


def _carried(
    checked: pd.DataFrame, earlier: pd.DataFrame, usual: Mapping[str, str], lang: str
) -> list[dict[str, str]]:
    stages = dict(
        zip(earlier.get("plan_id", [])[::-1], earlier.get("stage", [])[::-1], strict=True)
    )
    verdicts = reference.terms()["plan_verdict"]
    return [
        {
            "step": _step_of(str(stages.get(row["plan_id"], "")), row["metric"], usual),
            "change": text.choose(lang, *CARRIED[row["verdict"]]) + text.plain(row["action"], 200),
            "line": row["plan_id"],
            "who": role_name(row["owner_role"], lang),
            "verified_by": text.choose(lang, "上次验证：", "last verified: ")
            + text.label(verdicts[verification.status(row)], lang),
        }
        for row in checked.to_dict("records")
        if row["verdict"] in CARRIED
    ]


def timing(
    step: str, rundown: pd.DataFrame, cues: pd.DataFrame, session: pd.Series, lang: str
) -> str:
    """When a stage took place, as planned and as the log says; empty where neither says."""
    planned = rundown[rundown["stage"] == step].sort_values("starts_at")
    done = cues[cues["kind"].isin(LOGGED.get(step, ()))].sort_values("at")
    parts = [_planned(planned, lang)] if len(planned) else []
    parts += [_done(done, lang)] if len(done) else []
    return text.choose(lang, "；", "; ").join(parts)


def _planned(lines: pd.DataFrame, lang: str) -> str:
    first, blocks = lines["starts_at"].iloc[0], len(lines)
    spans = (lines["ends_at"] - lines["starts_at"]).dt.total_seconds()
    minutes = spans.sum(min_count=blocks) / 60
    zh, en = f"脚本 {first:%H:%M} 起", f"rundown from {first:%H:%M}"
    if blocks > 1:
        zh, en = f"{zh}，{blocks} 段", f"{en}, {blocks} blocks"
    if np.isfinite(minutes):
        zh, en = f"{zh}，共 {minutes:.0f} 分钟", f"{en}, {minutes:.0f} minutes in all"
    return text.choose(lang, zh, en)


def _done(log: pd.DataFrame, lang: str) -> str:
    zh, en = f"实际 {len(log)} 次", f"done {len(log)} times"
    if len(log) > 1:
        gap = log["at"].diff().dt.total_seconds().max() / 60
        zh, en = f"{zh}，最长间隔 {gap:.0f} 分钟", f"{en}, at most {gap:.0f} minutes apart"
    return text.choose(lang, zh, en)
