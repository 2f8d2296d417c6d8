"""Problems become plan lines: what is done, by whom, on what evidence, and what will verify it.

Source: 直播复盘与售后跟踪.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.plan import causes, parts, plan_file, worth
from helpers.plan.lines import term_names
from helpers.plan.problems import problem_figures
from helpers.plan.tried import action_ids, refined, tried

MIXED = "room_conversion"  # by which the rule weighs the mix of sources
RESTATES = "worse_products"  # says which product sold worse, not why
MOST_ACTIONS = 2  # of a problem: a session cannot test more
NO_FINDINGS = findings.frame([])
BOTH = plan_file.WRITTEN  # in both languages
VERIFYING = ["metric", "slice", "baseline", "money_at_stake"]
UNKNOWN_CAUSE = {
    "parts": "",
    "cause": "",
    "stage": "",
    "zh": "原因待查",
    "en": "cause to be found",
    "evidence_zh": "",
    "evidence_en": "",
    "role": "",
    "rule": "",
    "fact_zh": "",
    "fact_en": "",
    "worth": np.nan,
    "waits": False,
}
NO_SESSION = pd.Series(dtype="object")
NO_EARLIER = pd.DataFrame()


def _acting(judged: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.DataFrame:
    """The supported causes that nothing recorded explains away, those that do so first.

    Of what a record explains (`yields`), neither targeting nor pitch is to blame that evening.
    """
    entries = {
        (name, cause.id): cause for name, problem in playbook.items() for cause in problem.causes
    }
    supported = judged[judged["verdict"] == "supported"]
    recorded = set(supported["cause"])
    yields = [
        set(entries[key].yields) if key in entries else set()
        for key in zip(supported["problem"], supported["cause"], strict=True)
    ]
    explaining = {name for cause in entries.values() for name in cause.yields}
    later = ~supported["cause"].isin(explaining)
    gives_way = np.array([bool(causes & recorded) for causes in yields], dtype=bool)
    return supported.assign(later=later)[~gives_way]


def _chosen_causes(
    problems: pd.DataFrame, judged: pd.DataFrame, playbook: Mapping[str, reference.Problem]
) -> dict[str, list[dict[str, object]]]:
    """A cause acts for the first problem that has it.

    Were nothing planned, the first problem stands, so that the next review has something to verify.
    """
    chosen: dict[str, list[dict[str, object]]] = {}
    acting = _acting(judged, playbook)
    for problem in problems.itertuples():
        planned = [cause["cause"] for actions in chosen.values() for cause in actions]
        supported = judged[
            judged["problem"].eq(problem.problem) & judged["verdict"].eq("supported")
        ]
        mine = acting[acting["problem"].eq(problem.problem) & ~acting["cause"].isin(planned)]
        new = mine.sort_values(["waits", "later"], kind="stable")
        chosen[problem.problem] = new.head(MOST_ACTIONS).to_dict("records")
        if supported.empty and problem.certainty == "found":
            chosen[problem.problem] = [UNKNOWN_CAUSE]
    if chosen and not any(chosen.values()):
        chosen[next(iter(chosen))] = [UNKNOWN_CAUSE]
    return chosen


def _with_waits(judged: pd.DataFrame) -> pd.DataFrame:
    """`waits` marks a cause that restates what a record explains of the same product."""
    restates = judged["rule"].eq(RESTATES).to_numpy(dtype=bool)
    explaining = judged.loc[~restates & judged["verdict"].eq("supported"), "parts"]
    explained = set().union(*explaining.map(parts.ids))
    same = [bool(parts.ids(cell) & explained) for cell in judged["parts"]]
    return judged.assign(waits=restates & np.array(same, dtype=bool))


def _finding_on(
    about: set[str], problem: pd.Series, entry: reference.Problem, review_findings: pd.DataFrame
) -> pd.Series | None:
    """The worse finding on what a cause is about: on the problem's metrics, else the surest."""
    on_them = [bool(parts.of_slices([slice]) & about) for slice in review_findings["slice"]]
    worse = review_findings[review_findings["verdict"].eq("worse") & np.array(on_them, dtype=bool)]
    near = worse["metric"].map(
        lambda metric: 0 if metric == problem["metric"] else 1 if metric in entry.metrics else 2
    )
    ranked = worse.assign(near=near).sort_values(["near", "p_adjusted", "id"])
    return None if ranked.empty else ranked.iloc[0]


def _verified_by(
    problem: pd.Series,
    cause: Mapping[str, object],
    entry: reference.Problem,
    bases: Mapping[str, float],
    review_findings: pd.DataFrame,
) -> dict[str, object]:
    """Moving people between sources shows in what the whole session converts, not in one source."""
    if cause["rule"] == causes.MIX:
        return dict(zip(VERIFYING, (MIXED, "", bases.get(MIXED, np.nan), np.nan), strict=True))
    lead = _finding_on(parts.ids(cause["parts"]), problem, entry, review_findings)
    lead = problem if lead is None and problem["slice"] else lead
    if lead is not None:
        return {name: lead[name] for name in VERIFYING}
    usual = problem["baseline"] if problem["metric"] == entry.verify else np.nan
    base = bases.get(entry.verify, usual)
    return dict(zip(VERIFYING, (entry.verify, "", base, problem["money_at_stake"]), strict=True))


def _spoken_of(problems: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.DataFrame:
    """Without those of which nothing is planned, as another problem forbids it (`silences`)."""
    silent = {
        dimension
        for name in problems.loc[problems["certainty"].eq("found"), "problem"]
        for dimension in playbook[name].silences
    }
    speaks = [
        bool(playbook[name].silences) or playbook[name].dimension not in silent
        for name in problems["problem"]
    ]
    return problems[np.array(speaks, dtype=bool)]


def _of_its_own(
    proof: dict[str, object],
    rows: list[dict[str, object]],
    entry: reference.Problem,
    bases: Mapping[str, float],
) -> dict[str, object] | None:
    """What verifies an action where another line has that already: a metric of the same problem.

    None where all are taken: two actions judged by one metric cannot be told apart.
    """
    taken = {(row["metric"], row["slice"]) for row in rows}
    if (proof["metric"], proof["slice"]) not in taken:
        return proof
    free = [
        name
        for name in [entry.verify, *entry.metrics]
        if name in bases and name != entry.guardrail and (name, "") not in taken
    ]
    if not free:
        return None
    return {"metric": free[0], "slice": "", "baseline": bases[free[0]], "money_at_stake": np.nan}


def _with_fact(
    row: dict[str, object],
    problem: pd.Series,
    cause: Mapping[str, object],
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, object]:
    """The line with its object and number in the action's sentence."""
    sentences = {}
    for lang in ("zh", "en"):
        fact = cause.get(f"fact_{lang}")
        fact = fact if isinstance(fact, str) else ""
        fact = fact or problem_figures(problem, registry, lang, currency)
        action = row[f"action_{lang}"]
        sentences[f"action_{lang}"] = (
            text.choose(lang, f"{action}（{fact}）", f"{action} ({fact})") if fact else action
        )
    return row | sentences


def _terms_of(
    row: Mapping[str, object],
    cause: Mapping[str, object],
    entry: reference.Problem,
    session: pd.Series,
    earlier: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, object]:
    """What is agreed beforehand of a line: worth, guardrail, time and end, in both languages."""
    terms = {}
    for lang in ("zh", "en"):
        about = (session, registry, lang, currency)
        terms |= {
            f"expected_worth_{lang}": worth.expected(cause, row, entry, *about),
            f"guardrail_{lang}": text.label(registry[entry.guardrail], lang),
            f"known_by_{lang}": worth.known_by(entry, earlier, lang),
            f"stop_rule_{lang}": worth.stop_rule(entry, row, registry, lang),
        }
    return terms


def _each_amount_once(lines: pd.DataFrame) -> pd.DataFrame:
    """An amount is that of a problem, or of the source or product that verifies it."""
    of_slice = (lines["metric"] + "|" + lines["slice"]).duplicated()
    again = of_slice.where(lines["slice"] != "", lines["problem_id"].duplicated()).astype(bool)
    return lines.assign(money_at_stake=lines["money_at_stake"].astype(float).mask(again))


def _aimed(action: str, names: list[str], lang: str) -> str:
    if not names:
        return action
    zh = "、".join(f"「{name}」" for name in names)
    return text.choose(lang, f"{zh}：{action}", f"{', '.join(names)}: {action}")


def draft(
    problems: pd.DataFrame,
    judged: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    *,
    session_id: str,
    verdicts: pd.DataFrame,
    checked: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
    told: pd.DataFrame = NO_FINDINGS,
    session: pd.Series = NO_SESSION,
    earlier: pd.DataFrame = NO_EARLIER,
) -> pd.DataFrame:
    """The plan in both languages: one row per action, columns of `plan_file`, texts _zh and _en.

    Up to `MOST_ACTIONS` supported causes of a problem give an action each; without one the
    playbook's general action stands with the cause still to be found (a suspected problem has none,
    unless all are such). An action about a source or product is verified by that one's own worse
    finding in `told` and carries its money; an amount stands on its first line only. What only says
    which product sold worse comes last where a record says why. `baseline` is the verifying
    metric's in `verdicts` (metric, baseline). An action tried before says how it was judged last
    (`checked`: `verification.verify`, newest plan first); one that did not work or did harm is
    replaced. Each says its object and number, what it is worth (`session`), what it must not harm,
    when it is known (by the rhythm of the `earlier` sessions) and when it stops. Of two actions of
    one problem the second is verified by a metric of its own; where there is none, it waits.
    """
    latest, ids, bases = tried(checked), action_ids(playbook), {}
    if len(verdicts):
        bases = verdicts.drop_duplicates("metric").set_index("metric")["baseline"].to_dict()
    in_playbook = _spoken_of(problems[problems["problem"].isin(list(playbook))], playbook)
    chosen, rows = _chosen_causes(in_playbook, _with_waits(judged), playbook), []
    for _, problem in in_playbook.iterrows():
        name = problem["problem"]
        entry = playbook[name]
        for cause in chosen[name]:
            proof = _verified_by(problem, cause, entry, bases, told)
            proof = _of_its_own(proof, rows, entry, bases)
            if proof is None:
                continue
            row = {
                "plan_id": plan_file.plan_id(session_id, name, str(cause["cause"])),
                "session_id": session_id,
                "action_id": ids[name, str(cause["cause"])],
                **_line(problem, cause, entry, registry, currency),
                **proof,
            }
            row = refined(row, entry, latest, ids[name, ""])
            row = _with_fact(row, problem, cause, registry, currency)
            rows.append(row | _terms_of(row, cause, entry, session, earlier, registry, currency))
    shared = [column for column in plan_file.COLUMNS if column not in BOTH]
    texts = [f"{column}_{lang}" for column in BOTH for lang in ("zh", "en")]
    lines = pd.DataFrame(rows, columns=["waits", *shared, *texts])
    lines = lines.sort_values("waits", kind="stable", ignore_index=True)
    return _each_amount_once(lines.drop(columns="waits"))


def _line(
    problem: pd.Series,
    cause: Mapping[str, object],
    entry: reference.Problem,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, object]:
    about = parts.names(cause["parts"])
    line = {
        "dimension": entry.dimension,
        "owner_role": cause["role"] or entry.people[0],
        "due_session": "",
        "waits": cause["waits"],
        "least_effect": entry.least_effect,
        "sessions": entry.sessions,
        "effort": entry.effort,
        "status": "open",
        "note": "",
        "certainty": problem["certainty"],
        "problem_id": problem["problem"],
        "cause_id": cause["cause"],
        "parts": parts.packed(about),
    }
    stage = str(cause["stage"]) or causes.stage_of(entry)
    for lang in ("zh", "en"):
        figures = problem_figures(problem, registry, lang, currency)
        evidence = filter(None, [figures, str(cause[f"evidence_{lang}"])])
        action = str(cause.get(f"action_{lang}") or text.label(entry.action, lang))
        line |= {
            f"problem_{lang}": problem[lang],
            f"cause_{lang}": cause[lang],
            f"evidence_{lang}": text.choose(lang, "；", "; ").join(evidence),
            f"action_{lang}": _aimed(action, list(about.values()), lang),
            f"stage_{lang}": term_names(stage, "run_stage", lang),
        }
    return line


def merged(problems: pd.DataFrame, judged: pd.DataFrame, drafted: pd.DataFrame) -> pd.DataFrame:
    """Problems without a plan line of their own, as another's acts on the same cause.

    Columns zh, en, lines (ids).
    """
    rows = []
    for problem in problems[~problems["problem"].isin(drafted["problem_id"])].to_dict("records"):
        supported = judged["problem"].eq(problem["problem"]) & judged["verdict"].eq("supported")
        lines = drafted.loc[drafted["cause_id"].isin(judged.loc[supported, "cause"]), "plan_id"]
        if len(lines):
            rows.append({"zh": problem["zh"], "en": problem["en"], "lines": ", ".join(lines)})
    return pd.DataFrame(rows, columns=["zh", "en", "lines"])


def merged_sentence(together: pd.DataFrame, lang: str) -> str:
    """`merged` in a sentence; empty without any."""
    said = [
        text.choose(
            lang,
            f"「{row['zh']}」的原因与行动 {row['lines']} 相同，合并处理，不另立一行",
            f"{row['en']}: same cause as {row['lines']}, dealt with there",
        )
        for row in together.to_dict("records")
    ]
    return text.choose(lang, "；", "; ").join(said) + text.choose(lang, "。", ".") if said else ""


def in_language(drafted: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The plan rows in one language, as the plan file holds them (`plan_file.frame`)."""
    texts = {name: drafted[f"{name}_{lang}"] for name in BOTH}
    return plan_file.frame(drafted.assign(**texts).to_dict("records"))
