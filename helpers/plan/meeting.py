"""What the review meeting ends with: the next session's run of show, checklists, the tree of goals, the three-way review.

Everything is made from the plan and from what the records say; what they cannot say is left to be
checked by hand. Sources: 电商直播销售流程规范 (the six stages), 直播复盘与售后跟踪 (team work),
电商销售团队绩效管理与提升策略 (goals, three-way review).
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, get_args

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings, text
from helpers.plan import causes, parts, verification, won_back

ON_AIR, STEPS = get_args(reference.Stage), get_args(reference.RunStage)
LOGGED = {  # what floor control logs in a stage
    "introduction": ("explain_start",),
    "follow_prompt": ("follow_prompt",),
    "purchase_prompt": ("purchase_prompt",),
    "activity": ("activity", "lucky_bag"),
}
CARRIED = {  # what becomes of an action that was judged, by verdict
    "effective": ("保持：", "Keep: "),
    "effective_but_small": ("加大力度：", "Do more of: "),
    "harmful": ("停止：", "Stop: "),
    "not_effective": ("换一个做法，不再照做：", "Replace: "),
    "cannot_tell": ("继续，尚未看清：", "Go on, not settled yet: "),
}
LEVELS = ("strategy", "tactics", "execution")
COUNTED_STATES = tuple(filter(None, compare.GOAL_STATES))
SHOW_COLUMNS = ["step", "timing", "change", "who", "verified_by", "line"]
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
NO_FINDINGS, NO_STAGES = (
    findings.frame([]),
    pd.DataFrame({"problem": [], "check_state": []}, dtype="str"),
)
POINT_COLUMNS = ["aspect", "sentence_zh", "sentence_en"]


# -------------------------------------------------------------------------------- the next session


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
    """The run of show of the next session: before the start, the six stages by the time at which they began, after the end.

    One row per stage x thing to do (one row "as last time" where there is none): step, timing (of
    the session under review, from its rundown and log), change, who, verified_by, line (id of the
    plan line). Where nothing changes, who are the people of the stage's team work. `lines` is the
    plan, of which open lines count; `checked` (`verification.verify`) are judged lines of
    `earlier`: what worked is kept.
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
    nothing = {
        "change": text.choose(lang, "照上一场", "As last time"),
        "verified_by": "",
        "line": "",
    }
    rows = []
    for step in (STEPS[0], *_by_time(rundown, cues), STEPS[-1]):
        mine = [row for row in to_do if row["step"] == step] or [
            nothing | {"who": _people_of(step, playbook, lang)}
        ] * (step != "before")
        named = {
            "step": text.label(reference.terms()["run_stage"][step], lang),
            "timing": timing(step, rundown, cues, session, lang),
        }
        rows += [{**row, **named} for row in mine]
    return pd.DataFrame(rows, columns=SHOW_COLUMNS).astype("str")


def _by_time(rundown: pd.DataFrame, cues: pd.DataFrame) -> list[str]:
    """The six stages by their first time in the rundown, else in the log; one without a time stays behind the stage before it."""
    planned, done = (
        rundown.groupby("stage")["starts_at"].min(),
        {step: cues.loc[cues["kind"].isin(kinds), "at"].min() for step, kinds in LOGGED.items()},
    )
    begins = pd.Series(
        [planned.get(step, done.get(step, pd.NaT)) for step in ON_AIR],
        index=list(ON_AIR),
        dtype="object",
    )
    seconds = (
        begins.map(lambda at: at.timestamp() if pd.notna(at) else np.nan).astype("float64").ffill()
    )
    return list(seconds.sort_values(kind="stable", na_position="first").index)


def _people_of(
    step: str, playbook: Mapping[str, reference.Problem], lang: str, most: int = 2
) -> str:
    """Who does a stage's team work: the roles that most of its problems in the playbook name."""
    own = [
        problem for problem in playbook.values() if step in problem.stages or problem.stage == step
    ]
    own = own or [problem for problem in playbook.values() if problem.stages == "all"]
    count = pd.Series(
        [role for problem in own for role in problem.people], dtype="str"
    ).value_counts()
    return text.choose(lang, "、", ", ").join(_role(role, lang) for role in count.index[:most])


def _step_of(stage: str, metric: str, usual: Mapping[str, str]) -> str:
    """The step that a plan line's stage names in either language, the first of several; else the usual one of its metric."""
    first = stage.replace(", ", "、").split("、")[0].strip()
    named = (
        step
        for step, label in reference.terms()["run_stage"].items()
        if first in (step, label.zh, label.en)
    )
    return next(named, usual.get(metric, "before"))


def _role(role: str, lang: str) -> str:
    known = reference.terms()["role"]
    return text.label(known[role], lang) if role in known else role


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
            "who": _role(row["owner_role"], lang),
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
    """What becomes of the actions that were judged, each in its stage."""
    stages = (
        earlier.drop_duplicates("plan_id").set_index("plan_id")["stage"]
        if len(earlier)
        else pd.Series(dtype="str")
    )
    return [
        {
            "step": _step_of(str(stages.get(row["plan_id"], "")), row["metric"], usual),
            "change": text.choose(lang, *CARRIED[row["verdict"]]) + text.plain(row["action"], 200),
            "line": row["plan_id"],
            "who": _role(row["owner_role"], lang),
            "verified_by": text.choose(lang, "上次验证：", "last verified: ")
            + text.label(reference.terms()["plan_verdict"][verification.status(row)], lang),
        }
        for row in checked.to_dict("records")
        if row["verdict"] in CARRIED
    ]


def verified_by(
    row: Mapping[str, object], metric: reference.Metric, lang: str, currency: str
) -> str:
    """What will tell whether an action worked: the metric, of which source or product, from which level, over how many sessions."""
    slice, name = row.get("slice"), compare.label(metric, lang)
    part = text.plain(findings.slice_name(slice), 30) if isinstance(slice, str) and slice else ""
    about = text.choose(lang, f"「{part}」的{name}", f"{part}: {name}") if part else name
    baseline, sessions = (float(row.get(end, np.nan)) for end in ("baseline", "sessions"))
    usual = text.value(
        baseline,
        metric.unit,
        lang,
        decimals=metric.decimals if metric.unit != "money" else None,
        currency=currency,
    )
    known = (
        [text.choose(lang, f"平时 {usual}", f"usually {usual}")] if np.isfinite(baseline) else []
    )
    known += (
        [text.choose(lang, f"看之后 {sessions:.0f} 场", f"over the next {sessions:.0f} sessions")]
        if np.isfinite(sessions)
        else []
    )
    return about + (
        text.choose(lang, f"（{'，'.join(known)}）", f" ({', '.join(known)})") if known else ""
    )


def plan_table(
    lines: pd.DataFrame,
    judged: pd.DataFrame,
    sized: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str,
) -> pd.DataFrame:
    """The plan as the page shows it, one row per line.

    Columns action, cause, owner_role, verified_by (in words, with the least useful effect),
    money_at_stake, won_back (in words, of lines with money; `judged` are the causes, `sized` is
    `opportunity`; left out where nothing is known), plan_id.
    """

    def back(row: Mapping[str, Any]) -> str:
        return (
            won_back.won_back_words(
                row, sized, judged, registry=registry, lang=lang, currency=currency
            )
            if np.isfinite(row["money_at_stake"])
            else ""
        )

    def said(row: Mapping[str, Any]) -> str:
        least = text.percent(row["least_effect"], 0)
        aim = (
            text.choose(lang, f"；至少改善 {least}", f"; at least {least} better")
            if np.isfinite(row["least_effect"])
            else ""
        )
        return (
            verified_by(row, registry[row["metric"]], lang, currency) + aim
            if row["metric"] in registry
            else ""
        )

    told = [said(row) + _not_apart(row, lines, lang) for row in lines.to_dict("records")]
    made = lines.assign(
        verified_by=pd.Series(told, index=lines.index, dtype="str"),
        won_back=pd.Series(
            [back(row) for row in lines.to_dict("records")], index=lines.index, dtype="str"
        ),
    )
    return made[
        [
            "action",
            "cause",
            "owner_role",
            "verified_by",
            "money_at_stake",
            *["won_back"] * bool(made["won_back"].ne("").any()),
            "plan_id",
        ]
    ]


def _not_apart(row: Mapping[str, Any], lines: pd.DataFrame, lang: str) -> str:
    """That the open lines with the same verifying metric cannot be told apart afterwards if done together; empty where there are none."""
    same = (
        lines["metric"].eq(row["metric"])
        & lines["slice"].fillna("").eq(row["slice"] or "")
        & lines["status"].eq("open")
        & lines["plan_id"].ne(row["plan_id"])
    )
    others = ", ".join(lines.loc[same, "plan_id"])
    if not others or row["status"] != "open" or not row["metric"]:
        return ""
    return text.choose(
        lang,
        f"；与 {others} 同一个指标，一起做事后分不清是哪条起的作用",
        f"; same metric as {others}: done together, they cannot be told apart afterwards",
    )


def timing(
    step: str, rundown: pd.DataFrame, cues: pd.DataFrame, session: pd.Series, lang: str
) -> str:
    """When a stage took place in the session under review: planned in its rundown, done by the log; empty where neither says."""
    planned = rundown[rundown["stage"] == step].sort_values("starts_at")
    done = cues[cues["kind"].isin(LOGGED.get(step, ()))].sort_values("at")
    parts = [_planned(planned, lang)] if len(planned) else []
    parts += [_done(done, session, lang)] if len(done) else []
    return text.choose(lang, "；", "; ").join(parts)


def _planned(lines: pd.DataFrame, lang: str) -> str:
    first, minutes = (
        lines["starts_at"].iloc[0],
        (lines["ends_at"] - lines["starts_at"]).dt.total_seconds().sum(min_count=len(lines)) / 60,
    )
    long = (
        text.choose(lang, f"，共 {minutes:.0f} 分钟", f", {minutes:.0f} minutes in all")
        if np.isfinite(minutes)
        else ""
    )
    several = (
        text.choose(lang, f"，{len(lines)} 段", f", {len(lines)} blocks") if len(lines) > 1 else ""
    )
    return text.choose(
        lang, f"脚本 {first:%H:%M} 起{several}{long}", f"rundown from {first:%H:%M}{several}{long}"
    )


def _done(log: pd.DataFrame, session: pd.Series, lang: str) -> str:
    gap = log["at"].diff().dt.total_seconds().max() / 60
    apart = (
        text.choose(lang, f"，最长间隔 {gap:.0f} 分钟", f", at most {gap:.0f} minutes apart")
        if len(log) > 1
        else ""
    )
    return text.choose(lang, f"实际 {len(log)} 次{apart}", f"done {len(log)} times{apart}")


# -------------------------------------------------------------------------------------- checklists


def _first_stage(problem: reference.Problem) -> str:
    return ON_AIR[0] if problem.stages == "all" else min(problem.stages, key=ON_AIR.index)


def _stages_said(problem: reference.Problem, lang: str) -> str:
    terms = reference.terms()["stage"]
    return (
        text.choose(lang, "各环节", "All stages")
        if problem.stages == "all"
        else text.choose(lang, "、", ", ").join(
            text.label(terms[stage], lang) for stage in problem.stages
        )
    )


def stage_checklist(
    found: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    verdicts: pd.DataFrame,
    *,
    told: pd.DataFrame = NO_FINDINGS,
) -> pd.DataFrame:
    """What to check in the six content stages, pre-filled: one row per problem of the playbook, at the first of its stages.

    Columns: stage, stages_zh, stages_en (all of them, in words), problem, zh, en, check_state
    (found, suspected, not_seen, by_hand where no metric of the problem could be compared), work_zh,
    work_en (team work to check), people (roles, comma-separated). `verdicts` is that of notebook
    03, `told` are the findings: a metric counts as compared in either.
    """
    certainty = dict(zip(found["problem"], found["certainty"], strict=True))
    compared = {
        metric
        for frame in (verdicts, told)
        if len(frame)
        for metric in frame.loc[frame["verdict"] != "not_comparable", "metric"]
    }
    rows = [
        {
            "stage": stage,
            "stages_zh": _stages_said(problem, "zh"),
            "stages_en": _stages_said(problem, "en"),
            "problem": name,
            "zh": problem.zh,
            "en": problem.en,
            "check_state": certainty.get(name)
            or ("not_seen" if compared & set(problem.metrics) else "by_hand"),
            "work_zh": problem.work.zh,
            "work_en": problem.work.en,
            "people": ",".join(problem.people),
        }
        for stage in ON_AIR
        for name, problem in playbook.items()
        if stage == _first_stage(problem)
    ]
    return pd.DataFrame(
        rows,
        columns=[
            "stage",
            "stages_zh",
            "stages_en",
            "problem",
            "zh",
            "en",
            "check_state",
            "work_zh",
            "work_en",
            "people",
        ],
    )


def role_checklist(
    roles: Mapping[str, reference.RoleCard],
    facts: causes.Facts,
    *,
    rules: Mapping[str, reference.Rule],
    stages: pd.DataFrame = NO_STAGES,
    playbook: Mapping[str, reference.Problem] = types.MappingProxyType({}),
    told: pd.DataFrame = NO_FINDINGS,
) -> pd.DataFrame:
    """The team work to check of each role with its typical faults, pre-filled by the records: one row per role x fault.

    Columns: role, zh, en, check_state (raised, not_seen, by_hand), evidence_zh, evidence_en (what
    was measured, or the record that would say). A fault that shares the verdict of a problem has
    that of `stages` (`stage_checklist`), with the sentence of its finding in `told`. Source of the
    faults: 直播复盘与售后跟踪.
    """
    shared = stages.set_index("problem")["check_state"].replace(
        {"found": "raised", "suspected": "raised"}
    )
    state = {"supported": "raised", "not_supported": "not_seen", "not_measurable": "by_hand"}
    rows = []
    for role, card in roles.items():
        for fault in card.faults:
            said = (
                _out_of_stock(
                    fault.evidence,
                    facts,
                    causes.weigh(fault.evidence, facts, rules[fault.evidence.rule]),
                )
                if fault.evidence
                else {"verdict": "not_measurable"}
            )
            lacking = {"zh": said.get("missing_zh"), "en": said.get("missing_en")}
            if fault.problem in shared:
                said = said | {
                    "verdict": shared[fault.problem],
                    **_told_of(playbook[fault.problem], told),
                }
            row = {
                "role": role,
                "zh": fault.zh,
                "en": fault.en,
                "check_state": state.get(str(said["verdict"]), str(said["verdict"])),
            }
            rows.append(
                {
                    **row,
                    **{
                        f"evidence_{lang}": said.get(f"evidence_{lang}")
                        or (
                            text.choose(lang, "记录不足：", "not enough recorded: ")
                            + str(lacking[lang])
                            if lacking[lang]
                            else ""
                        )
                        for lang in ("zh", "en")
                    },
                }
            )
    return pd.DataFrame(
        rows, columns=["role", "zh", "en", "check_state", "evidence_zh", "evidence_en"]
    )


def _told_of(problem: reference.Problem, told: pd.DataFrame) -> dict[str, str]:
    """What a finding on one of a problem's metrics says of the whole session, as evidence; nothing where there is none."""
    own = told[told["metric"].isin(problem.metrics) & told["slice"].fillna("").isin(findings.WHOLE)]
    return (
        {
            f"evidence_{lang}": str(own.iloc[0][f"sentence_{lang}"]).rstrip("。.")
            for lang in ("zh", "en")
        }
        if len(own)
        else {}
    )


def _out_of_stock(
    evidence: reference.Evidence, facts: causes.Facts, said: dict[str, object]
) -> dict[str, object]:
    """What was weighed of products that sold worse; left to be checked by hand where each of them was out of stock, which explains it."""
    if (
        evidence.rule != "worse_products"
        or said["verdict"] != "supported"
        or not parts.ids(said["parts"]) <= set(causes.stocked_out(facts))
    ):
        return said
    short = {
        "zh": "；但这些商品都断过货，断货就能解释",
        "en": "; but they were all out of stock, which explains it",
    }
    return said | {
        "verdict": "not_measurable",
        **{f"evidence_{lang}": f"{said[f'evidence_{lang}']}{short[lang]}" for lang in short},
    }


def sheet_of(checks: pd.DataFrame, *, lang: str) -> pd.DataFrame:
    """The roles' checklist as a sheet to fill in: role, item, state and evidence in words."""
    terms = reference.terms()
    return pd.DataFrame(
        {
            "role": [_role(role, lang) for role in checks["role"]],
            "item": checks[lang],
            "state": [
                text.label(terms["check_state"][state], lang) for state in checks["check_state"]
            ],
            "evidence": checks[f"evidence_{lang}"],
        }
    )


# ------------------------------------------------------------------------------------------- goals


def with_behaviours(
    values: pd.DataFrame, cues: pd.DataFrame, sessions: pd.DataFrame
) -> pd.DataFrame:
    """Values of `metrics.by_session`, and how often each thing that floor control logs was done per hour.

    Of those one row per session x cue kind: session_id, metric (the cue kind), numerator (times),
    denominator (hours), value. Sessions without a log are left out.
    """
    hours = (sessions.set_index("session_id")["duration_seconds"] / 3600).rename("denominator")
    logged = cues.dropna(subset=["session_id"])
    every = pd.MultiIndex.from_product(
        [sorted(logged["session_id"].unique()), list(reference.terms()["cue_kind"])],
        names=["session_id", "kind"],
    )
    times = (
        logged.groupby(["session_id", "kind"])
        .size()
        .reindex(every, fill_value=0)
        .rename("numerator")
        .astype("float64")
        .reset_index()
    )
    made = times.rename(columns={"kind": "metric"}).join(hours, on="session_id")
    done = made.assign(value=made["numerator"] / made["denominator"].where(made["denominator"] > 0))
    return pd.concat([values, done], ignore_index=True)


def _level(metric: str, registry: Mapping[str, reference.Metric]) -> str:
    """The level of a goal that names none: amounts and customers are strategy, what is done is execution, the rest tactics."""
    if metric in reference.terms()["cue_kind"]:
        return "execution"
    return (
        "strategy"
        if metric in registry and registry[metric].group in ("sales", "customers", "profit")
        else "tactics"
    )


GOAL_KINDS = {
    "sales": "sales",
    "fans": "fans",
    "traffic": "exposure",
}  # of a goal that names none, by the group of its metric


def goal_tree(goals: pd.DataFrame, registry: Mapping[str, reference.Metric]) -> pd.DataFrame:
    """The goals as a tree, strategy → tactics → execution: one row per goal, each after the goal that it names as its parent.

    `goals` is `compare.goal_completion`. Columns `TREE_COLUMNS`: completion is target ÷ value where
    less is better, `nan` of a share. A goal without a level has the level of its metric: amounts
    and customers strategy, what is logged execution.
    """
    rows = [_tree_row(goal, registry) for goal in goals.to_dict("records")]
    ordered: list[dict[str, object]] = []
    for row in sorted(
        rows, key=lambda row: (LEVELS.index(row["level"]), row["scope"] == "session")
    ):
        above = [
            place
            for place, one in enumerate(ordered)
            if row["parent"] and row["parent"] in (one["name_zh"], one["name_en"], one["metric"])
        ]
        if above:
            row |= {f"parent_{lang}": ordered[above[0]][f"name_{lang}"] for lang in ("zh", "en")}
        below = (
            next(
                (
                    place
                    for place in range(above[0] + 1, len(ordered))
                    if LEVELS.index(ordered[place]["level"]) < LEVELS.index(row["level"])
                ),
                len(ordered),
            )
            if above
            else len(ordered)
        )
        ordered.insert(below, row)
    return pd.DataFrame(ordered, columns=TREE_COLUMNS)


def _tree_row(
    goal: Mapping[str, object], registry: Mapping[str, reference.Metric]
) -> dict[str, object]:
    name = str(goal["metric"])
    metric, behaviour = registry.get(name), reference.terms()["cue_kind"].get(name)
    given = {key: goal[key] if isinstance(goal.get(key), str) else "" for key in compare.GOAL_PLACE}
    usual = {
        lang: text.label(metric, lang)
        if metric
        else text.label(behaviour, lang) + text.choose(lang, "（每小时）", " (per hour)")
        if behaviour
        else ""
        for lang in ("zh", "en")
    }
    own = {
        "zh": given["name"] or usual["zh"] or name,
        "en": (given["name"] if given["name"].isascii() else "")
        or usual["en"]
        or given["name"]
        or name,
    }
    less = metric is not None and metric.bigger_is_better is False
    done = (
        np.nan
        if metric is not None and metric.unit == "percent"
        else (goal["target"] / goal["value"] if goal["value"] else np.nan)
        if less
        else goal["completion"]
    )
    return {
        **{
            key: goal[key]
            for key in (
                "scope",
                "metric",
                "target",
                "value",
                "elapsed",
                "state",
                "state_zh",
                "state_en",
            )
        },
        "name_zh": own["zh"],
        "name_en": own["en"],
        "completion": done,
        "slice": goal_slice(goal),
        "level": given["level"] or _level(name, registry),
        "parent": given["parent"],
        "parent_zh": given["parent"],
        "parent_en": given["parent"],
        "goal_phase": given["phase"],
        "owner_role": given["owner_role"],
        "goal_kind": given["kind"] or (GOAL_KINDS.get(metric.group, "") if metric else ""),
        "unit": metric.unit if metric else "score",
    }


def goal_words(
    goal: Mapping[str, object],
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> str:
    """A goal in words: what was aimed at, what came out, how much of it, and, of a total, how far its period has run."""
    metric, behaviour = (
        registry.get(str(goal["metric"])),
        reference.terms()["cue_kind"].get(str(goal["metric"])),
    )
    unit = metric.unit if metric else "score"
    named = (
        text.label(metric, lang)
        if metric
        else text.label(behaviour, lang) + text.choose(lang, "（每小时）", " (per hour)")
        if behaviour
        else text.plain(goal["metric"])
    )
    target, value = (
        text.value(goal.get(end, np.nan), unit, lang, currency=currency)
        for end in ("target", "value")
    )
    elapsed = goal.get("elapsed", np.nan)
    total = metric is not None and metric.denominator is None
    running = total and goal.get("scope") == "period" and isinstance(elapsed, float) and elapsed < 1
    share = text.percent(goal.get("completion", np.nan), 1 if running else 0)
    done = (
        "" if unit == "percent" else text.choose(lang, f"，完成 {share}", f", {share} done")
    )  # of a share, value and target say it
    passed = (
        text.choose(
            lang,
            f"，周期已过 {text.percent(elapsed)}",
            f", {text.percent(elapsed)} of the period has passed",
        )
        + _pace(goal, lang)
        if running
        else ""
    )
    return text.choose(
        lang,
        f"{named} {target}，实际 {value}{done}{passed}",
        f"{named} {target}, actual {value}{done}{passed}",
    )


def _pace(goal: Mapping[str, object], lang: str) -> str:
    """How far a total is behind or ahead of the time passed, rounded once."""
    ahead = float(goal.get("ahead", np.nan))
    if np.isnan(ahead):
        return ""
    points = text.number(abs(100 * ahead), lang, 1)
    if float(points) == 0:
        return text.choose(lang, "，与进度持平", ", on pace")
    return text.choose(
        lang,
        f"，{'领先' if ahead > 0 else '落后'} {points} 个百分点",
        f", {points} percentage points {'ahead' if ahead > 0 else 'behind'}",
    )


def goal_findings(
    goals: pd.DataFrame, *, registry: Mapping[str, reference.Metric], currency: str, notebook: str
) -> pd.DataFrame:
    """A finding for each goal with a value, in the order of `goals` (`compare.goal_completion`): what was aimed at, what came out.

    They are statements, not comparisons, so their verdict is not_comparable; slices tell goals of
    one metric apart.
    """
    scope = reference.terms()["scope"]
    rows = []
    told = goals.assign(
        slice=[goal_slice(goal) for goal in goals.to_dict("records")]
    ).drop_duplicates(["metric", "slice"])
    for goal in told.to_dict("records"):
        said = {
            lang: text.label(scope[goal["scope"]], lang)
            + text.choose(lang, "目标：", ": goal ")
            + goal_words(goal, lang=lang, registry=registry, currency=currency)
            + text.choose(lang, "。", ".")
            for lang in ("zh", "en")
        }
        group = registry[goal["metric"]].group if goal["metric"] in registry else "sales"
        rows.append(
            findings.make(
                notebook=notebook,
                dimension=group,
                metric=goal["metric"],
                slice=goal["slice"],
                value=goal["value"],
                baseline=goal["target"],
                verdict="not_comparable",
                sentence_zh=said["zh"],
                sentence_en=said["en"],
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

    Columns: level, goals, measured (with a value) and, of those, how many are in each of
    `COUNTED_STATES`. Completions are not averaged: goals of a session, of a running period and of
    different metrics have no mean that says anything.
    """
    rows = []
    for level in LEVELS:
        mine = tree[tree["level"] == level]
        known = mine.dropna(subset=["value"])
        rows.append(
            {
                "level": level,
                "goals": len(mine),
                "measured": len(known),
                **{state: int(known["state"].eq(state).sum()) for state in COUNTED_STATES},
            }
        )
    made = pd.DataFrame(rows, columns=["level", "goals", "measured", *COUNTED_STATES])
    return made[made["goals"] > 0].reset_index(drop=True)


# ---------------------------------------------------------------------------- the three-way review


def three_way(
    *,
    levels: pd.DataFrame,
    verdicts: pd.DataFrame,
    problems: pd.DataFrame,
    judged: pd.DataFrame,
    notes: pd.DataFrame,
    earlier: pd.DataFrame,
    checked: pd.DataFrame,
    checks: pd.DataFrame,
    lines: pd.DataFrame,
) -> pd.DataFrame:
    """The closing page: data (what came out), behaviour (what was done), mechanism (what lets it happen again).

    One row per point: aspect, sentence_zh, sentence_en; every number is counted from the results
    given. Source: 电商销售团队绩效管理与提升策略 (数据、行为、机制三方面复盘).
    """
    points = {
        "data": [_goals_said(levels), _metrics_said(verdicts), _problems_said(problems)],
        "behaviour": [
            _done_said(earlier),
            _verdicts_said(checked),
            _faults_said(checks),
            _notes_said(problems, notes),
        ],
        "mechanism": [
            _again_said(problems, earlier),
            _standing_said(checked),
            _records_said(judged, problems),
            _owners_said(lines),
        ],
    }
    rows = [(aspect, *said) for aspect, told in points.items() for said in told if said]
    return pd.DataFrame(rows, columns=POINT_COLUMNS)


Said = tuple[str, str] | None


def _goals_said(levels: pd.DataFrame) -> Said:
    if levels.empty:
        return (
            "没有登记目标：下一场先定目标，再谈达成。",
            "No goal was entered: set one before the next session.",
        )
    terms = reference.terms()["goal_level"]
    counted = {
        row["level"]: [
            (compare.GOAL_STATES[state], row[state]) for state in COUNTED_STATES if row[state]
        ]
        for row in levels.to_dict("records")
    }
    said = {
        lang: {
            level: "".join(
                text.choose(lang, f"，{label[0]} {n} 项", f", {n} {label[1]}")
                for label, n in states
            )
            for level, states in counted.items()
        }
        for lang in ("zh", "en")
    }
    parts = {
        lang: text.choose(lang, "；", "; ").join(
            text.choose(
                lang,
                f"{terms[row.level].zh} {row.goals} 项",
                f"{terms[row.level].en.lower()} {row.goals} goals",
            )
            + said[lang][row.level]
            for row in levels.itertuples()
        )
        for lang in ("zh", "en")
    }
    return f"目标完成：{parts['zh']}。", f"Goals: {parts['en']}."


def _metrics_said(verdicts: pd.DataFrame) -> Said:
    if verdicts.empty:
        return None
    count = verdicts["outcome"].value_counts()
    n = {name: int(count.get(name, 0)) for name in ("better", "worse", "normal", "cannot_tell")}
    return (
        (
            f"与可比场次相比：变好 {n['better']} 项，变差 {n['worse']} 项，正常波动内 "
            f"{n['normal']} "
            f"项，无法判断 {n['cannot_tell']} 项。"
        ),
        (
            f"Metrics against comparable sessions: better {n['better']}, worse {n['worse']}, "
            "within "
            f"normal range {n['normal']}, cannot be told {n['cannot_tell']}."
        ),
    )


def _problems_said(problems: pd.DataFrame) -> Said:
    if problems.empty:
        return "没有查到问题。", "No problem was found."
    certain = int(problems["certainty"].eq("found").sum())
    return (
        (
            f"查到问题 {certain} 个，疑似 {len(problems) - certain} 个；"
            f"最要紧的是「{problems['zh'].iloc[0]}」。"
        ),
        (
            f"Problems found: {certain}, suspected: {len(problems) - certain}; foremost: "
            f"{problems['en'].iloc[0]}."
        ),
    )


def _done_said(earlier: pd.DataFrame) -> Said:
    if earlier.empty:
        return (
            "以往没有计划，无从看执行。",
            "There is no earlier plan whose execution could be looked at.",
        )
    n = earlier["status"].value_counts()
    done, left, dropped = (int(n.get(name, 0)) for name in ("done", "open", "dropped"))
    return (
        f"以往计划 {len(earlier)} 条：已执行 {done}，待执行 {left}，已放弃 {dropped}。",
        (
            f"Earlier plan lines: {len(earlier)}, of which done {done}, open {left}, dropped "
            f"{dropped}."
        ),
    )


def _verdicts_said(checked: pd.DataFrame) -> Said:
    told = pd.Series(
        [
            verification.status(row)
            for row in checked.to_dict("records")
            if row["verdict"] != "not_done"
        ],
        dtype="str",
    ).value_counts()
    terms = reference.terms()["plan_verdict"]
    if told.empty:
        return None
    return (
        "执行了的："
        + "；".join(f"{terms[name].zh} {count}" for name, count in told.items())
        + "。",
        "Of those done: "
        + "; ".join(f"{terms[name].en.lower()} {count}" for name, count in told.items())
        + ".",
    )


def _faults_said(checks: pd.DataFrame) -> Said:
    seen = checks[checks["check_state"] == "raised"]
    left = int(checks["check_state"].eq("by_hand").sum())
    named = {
        lang: text.choose(lang, "；", "; ").join(
            f"{_role(row['role'], lang)}{text.choose(lang, '·', ': ')}{row[lang]}"
            for _, row in seen.head(4).iterrows()
        )
        for lang in ("zh", "en")
    }
    rest = len(seen) > 4
    zh = f"记录提示团队工作有 {len(seen)} 点要问" + (
        f"（{named['zh']}{' 等' if rest else ''}）" if len(seen) else ""
    )
    en = f"Points that the records raise for the team's work: {len(seen)}" + (
        f" ({named['en']}{' and others' if rest else ''})" if len(seen) else ""
    )
    return f"{zh}，另有 {left} 项要人工检查。", f"{en}; to be checked by hand: {left}."


def _notes_said(problems: pd.DataFrame, notes: pd.DataFrame) -> Said:
    seen, borne = (
        int(problems["noted"].astype(bool).sum()),
        int(notes["verdict"].eq("borne_out").sum()),
    )
    return (
        (
            f"上面 {len(problems)} 个问题里，团队自己提到过 {seen} 个；团队的 {len(notes)} "
            "条记录里，"
            f"数据支持 {borne} 条。"
        ),
        (
            f"The team itself noted {seen} of the {len(problems)} problems; the data bear out "
            f"{borne} "
            f"of its {len(notes)} notes."
        ),
    )


def _again_said(problems: pd.DataFrame, earlier: pd.DataFrame) -> Said:
    before = set(earlier.loc[earlier["status"] == "done", "dimension"]) if len(earlier) else set()
    again = problems[problems["dimension"].isin(before) & problems["certainty"].eq("found")]
    if again.empty:
        return None
    return (
        (
            f"反复出现：「{'」「'.join(again['zh'])}」所在的维度以往改过一次，这次又出现："
            "要写进流程，"
            "不能只靠一场。"
        ),
        (
            f"Again: {', '.join(again['en'])}; an earlier action was about the same dimension. "
            "Make "
            "it a rule, not a matter of one session."
        ),
    )


def _standing_said(checked: pd.DataFrame) -> Said:
    worked = (
        checked[(checked["verdict"] == "effective") & checked["final"].astype(bool)]
        if len(checked)
        else checked
    )
    if worked.empty:
        return None
    zh, en = (
        "；".join(text.plain(action, 60) for action in worked["action"].head(3)),
        "; ".join(text.plain(action, 60) for action in worked["action"].head(3)),
    )
    return f"有效的做法定为标准：{zh}。", f"Make standard what worked: {en}."


def _records_said(judged: pd.DataFrame, problems: pd.DataFrame) -> Said:
    unknown = judged[
        (judged["verdict"] == "not_measurable") & judged["problem"].isin(problems["problem"])
    ]
    if unknown.empty:
        return None
    zh, en = (unknown[f"missing_{lang}"].value_counts().index[0] for lang in ("zh", "en"))
    return (
        f"{len(unknown)} 个可能原因没有记录可查，最常缺的是：{zh}。指定一个岗位每场留存。",
        (
            f"Likely causes without a record to check them with: {len(unknown)}, most often "
            "lacking: "
            f"{en}. Name a role that keeps it every session."
        ),
    )


def _owners_said(lines: pd.DataFrame) -> Said:
    if lines.empty:
        return None
    undated = int(lines[lines["status"] == "open"]["due_session"].eq("").sum())
    roles = {
        lang: text.choose(lang, "、", ", ").join(
            _role(role, lang) for role in dict.fromkeys(lines["owner_role"])
        )
        for lang in ("zh", "en")
    }
    return (
        f"计划 {len(lines)} 条都有负责岗位（{roles['zh']}）；{undated} 条还没写执行场次。",
        (
            f"Plan lines: {len(lines)}, each with an owner role ({roles['en']}); without a due "
            f"session: {undated}."
        ),
    )
