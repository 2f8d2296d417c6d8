"""The likely causes of each problem, and what the records say of them.

A cause is supported or not by the bound of its rule, or not measurable as a record is missing. None
of this proves a cause.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.plan import own_past, parts, worth
from helpers.plan.facts import Facts
from helpers.plan.measures import FOUND, limit, measure
from helpers.plan.rule_words import fact_words, measured_words, missing_words

VERDICTS = ("supported", "not_supported", "not_measurable")
COLUMNS = [
    "problem",
    "cause",
    "zh",
    "en",
    "verdict",
    "measured",
    "bound",
    "evidence_zh",
    "evidence_en",
    "missing_zh",
    "missing_en",
    "role",
    "action_zh",
    "action_en",
    "about",
    "parts",
    "stage",
    "rule",
    "fact_zh",
    "fact_en",
    "worth",
]
MOST_NAMED = 3  # sources or products
# What acts on the mix of sources moves the session, not one source.
MIX = "source_mix_share"
OF_PARTS = (  # rules that name sources or products
    "worse_sources",
    "worse_products",
    "asked_about",
    "unanswered_about",
    "stock_out_minutes",
    "organic_step_fall",
    "source_fall",
    MIX,
)
BETWEEN = {
    "zh": "结构是各来源之间的比例，单个来源内部没有，不算这个问题的依据",
    "en": "a mix lies between the sources, none has it within itself: no evidence here",
}
ELSEWHERE = {
    "zh": "说的是别的来源或商品，不算这个问题的依据",
    "en": "about another source or product: no evidence here",
}


def verdict(measured: float, evidence: reference.Evidence, bound: float | None = None) -> str:
    """The verdict on a number by its bound, `not_measurable` without a number.

    `bound` is that of the account (`measures.limit`) where it is another one.
    """
    if np.isnan(measured):
        return "not_measurable"
    edge = evidence.bound if bound is None else bound
    reached = measured >= edge if evidence.at_least is not None else measured <= edge
    return "supported" if reached else "not_supported"


def stage_of(problem: reference.Problem, cause: reference.Cause | None = None) -> str:
    """When an action is done: as its cause says, else its problem, else in its first stage."""
    stage = (cause.stage if cause else None) or problem.stage
    return stage or ("before" if problem.stages == "all" else problem.stages[0])


def weigh(evidence: reference.Evidence, facts: Facts, rule: reference.Rule) -> dict[str, object]:
    """What the records say to one rule, in numbers and in words.

    Keys verdict, measured, bound, evidence_*, missing_*, about, parts, fact_* and worth, as in
    `judge`.
    """
    measured = measure(evidence, facts, rule)
    bound, origin = limit(evidence, facts, rule)
    by_id = _found_by(evidence, measured, facts)
    names = list(by_id.values())
    weighed: dict[str, object] = {
        "verdict": verdict(measured, evidence, bound),
        "measured": measured,
        "bound": bound,
        "worth": worth.of_mechanism(evidence, facts) if measured > 0 else np.nan,
        "about": "、".join(names),
        "parts": parts.packed(by_id),
    }
    for lang in ("zh", "en"):
        words = missing = fact = ""
        if np.isnan(measured):
            missing = missing_words(rule, evidence, facts, lang)
        else:
            edge = (bound, own_past.limit_words(origin, lang))
            words = measured_words(measured, evidence, rule, facts, names, lang, edge)
            fact = fact_words(measured, evidence, rule, facts, lang)
        weighed |= {
            f"evidence_{lang}": words,
            f"missing_{lang}": missing,
            f"fact_{lang}": fact,
        }
    return weighed


def _found_by(evidence: reference.Evidence, measured: float, facts: Facts) -> dict[str, str]:
    if evidence.rule not in FOUND or not measured > 0:
        return {}
    by_id = list(FOUND[evidence.rule](facts, evidence).items())[:MOST_NAMED]
    return {id: text.plain(name, 30) for id, name in by_id}


def judge(
    problem_id: str,
    problem: reference.Problem,
    facts: Facts,
    *,
    rules: Mapping[str, reference.Rule],
) -> pd.DataFrame:
    """The likely causes of one problem and what the records say: one row per cause.

    Supported ones come first. Columns `COLUMNS`: problem and cause are ids, evidence_* what was
    measured, missing_* the record that would make it measurable, about and parts the sources or
    products that the rule found (in words, and as `parts.packed`), stage when the action is done
    (`run_stage` of terms.yml), fact_* the object and its number for the action's sentence, worth
    the money by the cause's own mechanism.
    """
    rows = []
    for cause in problem.causes:
        action = cause.action or problem.action
        row = dict.fromkeys(COLUMNS, "") | {
            "problem": problem_id,
            "cause": cause.id,
            "zh": cause.zh,
            "en": cause.en,
            "role": cause.role or problem.people[0],
            "action_zh": action.zh,
            "action_en": action.en,
            "stage": stage_of(problem, cause),
        }
        if cause.evidence is None:
            zh, _, en = str(cause.export).partition(" / ")
            row |= {"verdict": "not_measurable", "measured": np.nan, "bound": np.nan}
            row["worth"] = np.nan
            row |= {"missing_zh": zh, "missing_en": en or zh}
        else:
            row |= weigh(cause.evidence, facts, rules[cause.evidence.rule])
            row["rule"] = cause.evidence.rule
        rows.append(row)
    return _supported_first(pd.DataFrame(rows, columns=COLUMNS))


def _supported_first(judged: pd.DataFrame) -> pd.DataFrame:
    """Problems stay in their order."""
    order = {name: place for place, name in enumerate(judged["problem"].unique())}
    places = order | {name: place for place, name in enumerate(VERDICTS)}
    return judged.sort_values(
        ["problem", "verdict"],
        key=lambda column: column.map(places),
        kind="stable",
        ignore_index=True,
    )


def judge_causes(
    names: Iterable[str],
    playbook: Mapping[str, reference.Problem],
    facts: Facts,
    *,
    rules: Mapping[str, reference.Rule],
) -> pd.DataFrame:
    """The causes of the problems named, in their order: one row per problem x cause (`COLUMNS`)."""
    judged = [judge(name, playbook[name], facts, rules=rules) for name in names if name in playbook]
    return pd.concat(judged, ignore_index=True) if judged else pd.DataFrame(columns=COLUMNS)


def concerning(
    judged: pd.DataFrame, problems: pd.DataFrame, review_findings: pd.DataFrame
) -> pd.DataFrame:
    """The judged causes, none of them supported by evidence about other sources or products.

    Where all findings of a problem are about single sources or products, a cause whose evidence
    names others is not supported; nor is a changed mix of sources, which no source has within
    itself.
    """
    found_on = {
        problem.problem: _found_on(problem, review_findings) for problem in problems.itertuples()
    }
    away = pd.Series(
        [_elsewhere(row, found_on.get(row.problem, set())) for row in judged.itertuples()],
        index=judged.index,
        dtype=bool,
    )
    mix, evidence = judged["rule"].eq(MIX), {}
    for lang in ("zh", "en"):
        why = pd.Series(ELSEWHERE[lang], index=judged.index, dtype="str").mask(mix, BETWEEN[lang])
        words = judged[f"evidence_{lang}"]
        opening, closing = text.choose(lang, "（", " ("), text.choose(lang, "）", ")")
        evidence[f"evidence_{lang}"] = words.mask(away, words + opening + why + closing)
    return _supported_first(
        judged.assign(
            **evidence,
            verdict=judged["verdict"].mask(away, "not_supported"),
            about=judged["about"].mask(away, ""),
            parts=judged["parts"].mask(away, ""),
        )
    )


def _found_on(problem: tuple, review_findings: pd.DataFrame) -> set[str]:
    """The sources or products of a problem, none where a finding is about the whole session."""
    slices = review_findings[review_findings["id"].isin(str(problem.findings).split(","))][
        "slice"
    ].fillna("")
    whole = slices.empty or slices.isin(["", *findings.WHOLE]).any()
    return set() if whole else parts.of_slices(slices)


def _elsewhere(row: tuple, found_on: set[str]) -> bool:
    if row.verdict != "supported" or not found_on or row.rule not in OF_PARTS:
        return False
    return row.rule == MIX or found_on.isdisjoint(parts.ids(row.parts))
