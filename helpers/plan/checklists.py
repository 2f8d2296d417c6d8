"""What to check after a session, by content stage and by role, pre-filled from the records.

What the records cannot say is left to be checked by hand. Sources: 电商直播销售流程规范 (stages),
直播复盘与售后跟踪 (team work and its faults).
"""

import types
from collections.abc import Mapping
from typing import get_args

import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.plan import causes, measures, parts
from helpers.plan.facts import Facts
from helpers.plan.lines import role_name, term_names

ON_AIR = get_args(reference.Stage)
NO_FINDINGS = findings.frame([])
NO_STAGES = pd.DataFrame({"problem": [], "check_state": []}, dtype="str")
STAGE_COLUMNS = [
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
]
ROLE_COLUMNS = ["role", "zh", "en", "check_state", "evidence_zh", "evidence_en"]
# Of a fault, by the verdict on its evidence or the state of the problem it shares.
STATES = {
    "supported": "raised",
    "not_supported": "not_seen",
    "not_measurable": "by_hand",
    "found": "raised",
    "suspected": "raised",
}
OUT_OF_STOCK = {
    "zh": "；但这些商品都断过货，断货就能解释",
    "en": "; but they were all out of stock, which explains it",
}


def _first_stage(problem: reference.Problem) -> str:
    return ON_AIR[0] if problem.stages == "all" else min(problem.stages, key=ON_AIR.index)


def _stage_names(problem: reference.Problem, lang: str) -> str:
    if problem.stages == "all":
        return text.choose(lang, "各环节", "All stages")
    return term_names(",".join(problem.stages), "stage", lang)


def stage_checklist(
    problems: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    verdicts: pd.DataFrame,
    *,
    told: pd.DataFrame = NO_FINDINGS,
) -> pd.DataFrame:
    """What to check in the six content stages, pre-filled: one row per problem of the playbook.

    A problem stands at the first of its stages. Columns: stage, stages_zh, stages_en (all of them),
    problem, zh, en, check_state (found, suspected, not_seen, by_hand where none of its metrics is
    compared in `verdicts` of notebook 03 or the findings `told`), work_zh, work_en (team work to
    check), people (roles, comma-separated).
    """
    certainty = dict(zip(problems["problem"], problems["certainty"], strict=True))
    compared = {
        metric
        for frame in (verdicts, told)
        if len(frame)
        for metric in frame.loc[frame["verdict"] != "not_comparable", "metric"]
    }
    rows = [
        {
            "stage": _first_stage(problem),
            "stages_zh": _stage_names(problem, "zh"),
            "stages_en": _stage_names(problem, "en"),
            "problem": name,
            "zh": problem.zh,
            "en": problem.en,
            "check_state": certainty.get(name)
            or ("not_seen" if compared & set(problem.metrics) else "by_hand"),
            "work_zh": problem.work.zh,
            "work_en": problem.work.en,
            "people": ",".join(problem.people),
        }
        for name, problem in playbook.items()
    ]
    rows.sort(key=lambda row: ON_AIR.index(row["stage"]))
    return pd.DataFrame(rows, columns=STAGE_COLUMNS)


def role_checklist(
    roles: Mapping[str, reference.RoleCard],
    facts: Facts,
    *,
    rules: Mapping[str, reference.Rule],
    stages: pd.DataFrame = NO_STAGES,
    playbook: Mapping[str, reference.Problem] = types.MappingProxyType({}),
    told: pd.DataFrame = NO_FINDINGS,
) -> pd.DataFrame:
    """The team work of each role to check, with its typical faults: one row per role x fault.

    Columns: role, zh, en, check_state (raised, not_seen, by_hand), evidence_zh, evidence_en (what
    was measured, or the record that would say). A fault that shares a problem's verdict has its
    state in `stages` (`stage_checklist`) and the sentence of its finding in `told`.
    """
    shared = dict(zip(stages["problem"], stages["check_state"], strict=True))
    rows = []
    for role, card in roles.items():
        for fault in card.faults:
            weighed: dict[str, object] = {"verdict": "not_measurable"}
            if fault.evidence:
                weighed = causes.weigh(fault.evidence, facts, rules[fault.evidence.rule])
                weighed = _out_of_stock(fault.evidence, facts, weighed)
            if fault.problem in shared:
                weighed["verdict"] = shared[fault.problem]
                weighed |= _sentences_on(playbook[fault.problem], told)
            state = str(weighed["verdict"])
            row = {"role": role, "zh": fault.zh, "en": fault.en}
            row["check_state"] = STATES.get(state, state)
            row |= {f"evidence_{lang}": _evidence_words(weighed, lang) for lang in ("zh", "en")}
            rows.append(row)
    return pd.DataFrame(rows, columns=ROLE_COLUMNS)


def _evidence_words(weighed: Mapping[str, object], lang: str) -> str:
    missing = weighed.get(f"missing_{lang}")
    lacking = text.choose(lang, "记录不足：", "not enough recorded: ")
    return str(weighed.get(f"evidence_{lang}") or (f"{lacking}{missing}" if missing else ""))


def _sentences_on(problem: reference.Problem, review_findings: pd.DataFrame) -> dict[str, str]:
    of_whole = review_findings["slice"].fillna("").isin(findings.WHOLE)
    on_problem = review_findings[review_findings["metric"].isin(problem.metrics) & of_whole].head(1)
    return {
        f"evidence_{lang}": sentence.rstrip("。.")
        for lang in ("zh", "en")
        for sentence in on_problem[f"sentence_{lang}"]
    }


def _out_of_stock(
    evidence: reference.Evidence, facts: Facts, weighed: dict[str, object]
) -> dict[str, object]:
    """Worse products are checked by hand where each was out of stock, which explains it."""
    if (
        evidence.rule != "worse_products"
        or weighed["verdict"] != "supported"
        or not parts.ids(weighed["parts"]) <= set(measures.stocked_out(facts))
    ):
        return weighed
    words = {
        f"evidence_{lang}": f"{weighed[f'evidence_{lang}']}{OUT_OF_STOCK[lang]}"
        for lang in OUT_OF_STOCK
    }
    return weighed | {"verdict": "not_measurable", **words}


def sheet_titles(lang: str) -> tuple[str, str]:
    """The names of the sheets of the next session and of the roles' checklist."""
    return text.choose(lang, "下一场流程单", "Next session"), text.choose(
        lang, "岗位检查单", "Roles checklist"
    )


def sheet_of(checks: pd.DataFrame, *, lang: str) -> pd.DataFrame:
    """The roles' checklist as a sheet to fill in: role, item, state and evidence in words."""
    states = reference.terms()["check_state"]
    return pd.DataFrame(
        {
            "role": [role_name(role, lang) for role in checks["role"]],
            "item": checks[lang],
            "state": [text.label(states[state], lang) for state in checks["check_state"]],
            "evidence": checks[f"evidence_{lang}"],
        }
    )
