"""Problems become plan lines: their causes, actions, evidence, who answers for what, and 5W2H.

Problems are found in the data (objective) and noted by the team (subjective); both are set side by
side. What, when, where and how much come from evidence; who, why and how are proposals and marked
so. Source: 直播复盘与售后跟踪.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings, text
from helpers.plan import causes, parts, plan_file, verification

FAILED = ("not_effective", "harmful")  # verdicts after which an action is not proposed again
# the rule on the shares of the sources: what acts on it moves the session, not one source
MIX = "source_mix_share"
MIXED = "room_conversion"  # and by what that rule weighs them
RESTATES = "worse_products"  # the rule that says which product sold worse, not why
MOST_ACTIONS = (
    2  # supported causes of one problem that become actions; one session cannot test more
)
NO_FINDINGS = findings.frame([])
NO_5W2H = pd.DataFrame({"aspect": [], "content": [], "origin": []}, dtype="str")
BOTH = ("problem", "stage", "evidence", "cause", "action")


def judge_causes(
    names: Iterable[str],
    playbook: Mapping[str, reference.Problem],
    facts: causes.Facts,
    *,
    rules: Mapping[str, reference.Rule],
) -> pd.DataFrame:
    """The causes of the problems named, in their order: one row per problem x cause, columns `causes.COLUMNS`."""
    parts = [
        causes.judge(name, playbook[name], facts, rules=rules) for name in names if name in playbook
    ]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=causes.COLUMNS)


BETWEEN = {
    "zh": "结构是各来源之间的比例，单个来源内部没有，不算这个问题的依据",
    "en": "a mix lies between the sources, none has it within itself: no evidence here",
}
ELSEWHERE = {
    "zh": "说的是别的来源或商品，不算这个问题的依据",
    "en": "about another source or product: no evidence here",
}
OF_PARTS = (
    "worse_sources",
    "worse_products",
    "asked_about",
    "unanswered_about",
    "stock_out_minutes",
    MIX,
)  # rules that name sources or products


def concerning(judged: pd.DataFrame, seen: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The judged causes, of which evidence about other sources or products supports none of a problem that was found on one.

    `seen` is `problems`, `found` are the findings. Where all findings of a problem are about single
    sources or products, a cause whose evidence names others is not supported there; nor is a
    changed mix of sources, which no source has within itself.
    """
    found_on = {problem.problem: _found_on(problem, found) for problem in seen.itertuples()}
    away = pd.Series(
        [_elsewhere(row, found_on.get(row.problem, set())) for row in judged.itertuples()],
        index=judged.index,
        dtype=bool,
    )
    mix = judged["rule"].eq(MIX)
    why = {
        lang: pd.Series(
            np.where(mix, BETWEEN[lang], ELSEWHERE[lang]), index=judged.index, dtype="str"
        )
        for lang in ("zh", "en")
    }
    told = {
        f"evidence_{lang}": judged[f"evidence_{lang}"].mask(
            away,
            judged[f"evidence_{lang}"]
            + text.choose(lang, "（", " (")
            + why[lang]
            + text.choose(lang, "）", ")"),
        )
        for lang in why
    }
    made = judged.assign(
        **told,
        verdict=judged["verdict"].mask(away, "not_supported"),
        about=judged["about"].mask(away, ""),
        parts=judged["parts"].mask(away, ""),
    )
    order = dict(zip(judged["problem"].unique(), range(judged["problem"].nunique()), strict=True))
    return made.sort_values(
        ["problem", "verdict"],
        key=lambda column: column.map(order if column.name == "problem" else causes.VERDICTS.index),
        kind="stable",
        ignore_index=True,
    )


def _found_on(problem: tuple, found: pd.DataFrame) -> set[str]:
    """The sources or products on which a problem was found (`parts.of_slices`); none where any of its findings is about the whole session."""
    own = found[found["id"].isin(str(problem.findings).split(","))]["slice"].fillna("")
    whole = own.empty or own.isin(["", *findings.WHOLE]).any()
    return set() if whole else parts.of_slices(own)


def _elsewhere(row: tuple, found_on: set[str]) -> bool:
    """Whether supporting evidence speaks of other sources or products than the problem does."""
    if row.verdict != "supported" or not found_on or row.rule not in OF_PARTS:
        return False
    return row.rule == MIX or found_on.isdisjoint(parts.ids(row.parts))


def _evidence(
    row: pd.Series, registry: Mapping[str, reference.Metric], lang: str, currency: str
) -> str:
    """A problem's numbers in words: the metric, its value, the baseline and what was to be expected."""
    metric = registry.get(row["metric"])
    if metric is None:
        return ""
    value, baseline = (
        text.value(row[name], metric.unit, lang, decimals=metric.decimals, currency=currency)
        for name in ("value", "baseline")
    )
    bounds = text.interval(
        row["ci_lower"],
        row["ci_upper"],
        metric.unit,
        lang,
        decimals=metric.decimals,
        currency=currency,
    )
    known = np.isfinite([row["ci_lower"], row["ci_upper"]]).all()
    expected = (
        text.choose(lang, f"（正常范围 {bounds}）", f" (normal range {bounds})") if known else ""
    )
    about = (
        f"{text.plain(findings.slice_name(row['slice']), 40)}{text.choose(lang, '：', ': ')}"
        if row["slice"]
        else ""
    )
    name = about + compare.label(metric, lang)
    usual = (
        text.choose(lang, f"，平时 {baseline}{expected}", f", usually {baseline}{expected}")
        if np.isfinite(row["baseline"])
        else ""
    )
    return f"{name} {value}{usual}"


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
    "waits": False,
}


def _chosen_causes(found: pd.DataFrame, judged: pd.DataFrame) -> dict[str, list[dict[str, object]]]:
    """The causes of each problem that become actions: supported ones, each with the first problem that has it.

    A problem without one gets an action whose cause is still to be found, but a suspected problem
    none, unless nothing else were planned: then the first stands, so that the next review has
    something to verify.
    """
    chosen: dict[str, list[dict[str, object]]] = {}
    for problem in found.itertuples():
        planned = {cause["cause"] for causes_of in chosen.values() for cause in causes_of}
        own = judged[(judged["problem"] == problem.problem) & (judged["verdict"] == "supported")]
        new = (
            own[~own["cause"].isin(planned)]
            .sort_values("waits", kind="stable")
            .head(MOST_ACTIONS)
            .to_dict("records")
        )
        chosen[problem.problem] = new or (
            [UNKNOWN_CAUSE] if problem.certainty == "found" and own.empty else []
        )
    if chosen and not any(chosen.values()):
        chosen[next(iter(chosen))] = [UNKNOWN_CAUSE]
    return chosen


def _with_waits(judged: pd.DataFrame) -> pd.DataFrame:
    """The causes with `waits`: one that only says which product sold worse, where a record says why of the same product."""
    again = judged["rule"].eq(RESTATES).to_numpy(dtype=bool)
    explained = set().union(
        *judged.loc[~again & (judged["verdict"] == "supported"), "parts"].map(parts.ids)
    )
    same = [bool(parts.ids(cell) & explained) for cell in judged["parts"]]
    return judged.assign(waits=again & np.array(same, dtype=bool))


def _own_finding(
    about: set[str], problem: pd.Series, entry: reference.Problem, told: pd.DataFrame
) -> pd.Series | None:
    """The worse finding on a source or product that a cause is about: on the problem's metrics where there is one, else the surest."""
    on_them = told["slice"].map(lambda slice: bool(parts.of_slices([slice]) & about)).astype(bool)
    own = told[told["verdict"].eq("worse") & on_them]
    near = own["metric"].map(
        lambda metric: 0 if metric == problem["metric"] else 1 if metric in entry.metrics else 2
    )
    ranked = own.assign(near=near).sort_values(["near", "p_adjusted", "id"])
    return None if ranked.empty else ranked.iloc[0]


def _verified_by(
    problem: pd.Series,
    cause: Mapping[str, object],
    entry: reference.Problem,
    bases: pd.Series,
    told: pd.DataFrame,
) -> dict[str, object]:
    """The metric, slice, baseline and money that will tell: of the source or product that the action is about, else the playbook's.

    Moving people between sources shows in what the session as a whole converts, not in any one
    source.
    """
    if cause["rule"] == MIX:
        return {
            "metric": MIXED,
            "slice": "",
            "baseline": bases.get(MIXED, np.nan),
            "money_at_stake": np.nan,
        }
    lead = _own_finding(parts.ids(cause["parts"]), problem, entry, told)
    lead = problem if lead is None and problem["slice"] else lead
    if lead is not None:
        return {name: lead[name] for name in ("metric", "slice", "baseline", "money_at_stake")}
    own = problem["baseline"] if problem["metric"] == entry.verify else np.nan
    return {
        "metric": entry.verify,
        "slice": "",
        "baseline": bases.get(entry.verify, own),
        "money_at_stake": problem["money_at_stake"],
    }


def _each_amount_once(lines: pd.DataFrame) -> pd.DataFrame:
    """Plan lines with each amount on its first line alone: of a problem, or of the source or product that verifies it."""
    own = lines["metric"] + "|" + lines["slice"]
    again = own.duplicated().where(lines["slice"] != "", lines["problem_id"].duplicated())
    return lines.assign(
        money_at_stake=lines["money_at_stake"].astype(float).mask(again.astype(bool))
    )


def _aimed(action: str, names: list[str], lang: str) -> str:
    """An action with the sources or products that it is about before it."""
    return (
        action
        if not names
        else text.choose(
            lang,
            "、".join(f"「{name}」" for name in names) + f"：{action}",
            f"{', '.join(names)}: {action}",
        )
    )


def draft(
    found: pd.DataFrame,
    judged: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    *,
    session_id: str,
    verdicts: pd.DataFrame,
    checked: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
    told: pd.DataFrame = NO_FINDINGS,
) -> pd.DataFrame:
    """The plan in both languages: one row per action, columns of `plan_file.COLUMNS` with the texts as _zh and _en.

    Up to `MOST_ACTIONS` supported causes of a problem give an action each; where none is supported,
    the playbook's general action stands with the cause still to be found (a suspected problem: no
    action, unless all are such). An action about a source or product is verified by that one's own
    worse finding among `told`, and carries its money; an amount stands on its first line only. What
    only says which product sold worse comes last where a record says why. `baseline` is that of the
    verifying metric, from `verdicts` (metric, baseline). An action that an earlier plan tried says
    how it was judged last (`checked`, `verification.verify`, newest plan first); one that did not
    work or did harm is replaced.
    """
    tried, action_ids = _tried(checked), action_ids_of(playbook)
    bases = (
        verdicts.drop_duplicates("metric").set_index("metric")["baseline"]
        if len(verdicts)
        else pd.Series(dtype=float)
    )
    known = found[found["problem"].isin(list(playbook))]
    chosen, rows = _chosen_causes(known, _with_waits(judged)), []
    for _, problem in known.iterrows():
        entry = playbook[problem["problem"]]
        for cause in chosen[problem["problem"]]:
            about = parts.names(cause["parts"])
            row = {
                "plan_id": plan_file.plan_id(session_id, problem["problem"], str(cause["cause"])),
                "session_id": session_id,
                "dimension": entry.dimension,
                "owner_role": cause["role"] or entry.people[0],
                "due_session": "",
                **_verified_by(problem, cause, entry, bases, told),
                "waits": cause["waits"],
                "least_effect": entry.least_effect,
                "sessions": entry.sessions,
                "effort": entry.effort,
                "status": "open",
                "note": "",
                "certainty": problem["certainty"],
                "problem_id": problem["problem"],
                "cause_id": cause["cause"],
                "action_id": action_ids[problem["problem"], str(cause["cause"])],
                "parts": parts.packed(about),
            }
            for lang in ("zh", "en"):
                measured = [
                    _evidence(problem, registry, lang, currency),
                    str(cause[f"evidence_{lang}"]),
                ]
                row |= {
                    f"problem_{lang}": problem[lang],
                    f"cause_{lang}": cause[lang],
                    f"evidence_{lang}": text.choose(lang, "；", "; ").join(filter(None, measured)),
                    f"action_{lang}": _aimed(
                        str(cause.get(f"action_{lang}") or text.label(entry.action, lang)),
                        list(about.values()),
                        lang,
                    ),
                    f"stage_{lang}": _names(
                        str(cause["stage"]) or causes.stage_of(entry), "run_stage", lang
                    ),
                }
            rows.append(_refined(row, entry, tried, action_ids[problem["problem"], ""]))
    shared = [name for name in plan_file.COLUMNS if name not in BOTH]
    made = pd.DataFrame(
        rows,
        columns=["waits", *shared, *(f"{name}_{lang}" for name in BOTH for lang in ("zh", "en"))],
    )
    return _each_amount_once(
        made.sort_values("waits", kind="stable", ignore_index=True).drop(columns="waits")
    )


def action_ids_of(playbook: Mapping[str, reference.Problem]) -> dict[tuple[str, str], str]:
    """The id of what is done, by problem and cause ("" where none is known): that of the first entry with the same action."""
    first: dict[tuple[str, str], str] = {}
    ids = {}
    for name, problem in playbook.items():
        for cause, action in [
            ("", problem.action),
            *((one.id, one.action) for one in problem.causes),
        ]:
            own = action or problem.action
            place = f"{name}.{cause}" if action and cause else name
            ids[name, cause] = first.setdefault((own.zh, own.en), place)
    return ids


def _action_of(row: Mapping[str, object]) -> object:
    """What tells a plan line's action from others: its id and whom it is about; of a line without an id its sentence."""
    action = row.get("action_id")
    if isinstance(action, str) and action:
        return action, frozenset(parts.ids(row["parts"]))
    return row["action"]


def _tried(checked: pd.DataFrame) -> dict[object, str]:
    """How each action (`_action_of`) stands by what was said of it last, newest plan first in `checked`; not done only where nothing else was said."""
    latest: dict[object, str] = {}
    for row in reversed(checked.to_dict("records")):
        status, action = verification.status(row), _action_of(row)
        if status != "not_done" or action not in latest:
            latest[action] = status
    return latest


def _refined(
    row: dict[str, object],
    entry: reference.Problem,
    tried: Mapping[object, str],
    general_id: str,
) -> dict[str, object]:
    """A drafted line that knows whether its action was tried before, and is another one where that failed."""
    names = (_action_of(row), row["action_zh"], row["action_en"])
    status = next((tried[name] for name in names if name in tried), "")
    if not status:
        return row
    term, line = reference.terms()["plan_verdict"][status], dict(row)
    for lang in ("zh", "en"):
        before = text.choose(
            lang, f"；同样的办法上次：{term.zh}", f"; the same was tried before: {term.en.lower()}"
        )
        line[f"evidence_{lang}"] = f"{row[f'evidence_{lang}']}{before}"
    if not _failed(status):
        return line
    general = {"action_id": general_id, "parts": ""}
    words = {f"action_{lang}": text.label(entry.action, lang) for lang in ("zh", "en")}
    names = (_action_of(general), *words.values())
    if names[0] != _action_of(row) and not any(_failed(tried.get(name, "")) for name in names):
        return line | general | words
    return line | {
        "action_id": "",
        "parts": "",
        "action_zh": f"换一个办法（原办法{term.zh}）：由负责岗位提出",
        "action_en": f"Another way, which the owner proposes (the last one: {term.en.lower()})",
    }


def _failed(said: str) -> bool:
    return said.removesuffix("_so_far") in FAILED


def merged(found: pd.DataFrame, judged: pd.DataFrame, drafted: pd.DataFrame) -> pd.DataFrame:
    """Problems that have no plan line of their own, as another problem's line acts on the same cause: zh, en, lines (ids)."""
    rows = []
    for _, problem in found[~found["problem"].isin(drafted["problem_id"])].iterrows():
        shared = judged.loc[
            (judged["problem"] == problem["problem"]) & (judged["verdict"] == "supported"), "cause"
        ]
        ids = {
            plan_file.plan_id(session, other, cause)
            for session in drafted["session_id"].unique()
            for other in found["problem"]
            for cause in shared
        }
        lines = [name for name in drafted["plan_id"] if name in ids]
        rows += (
            [{"zh": problem["zh"], "en": problem["en"], "lines": ", ".join(lines)}] if lines else []
        )
    return pd.DataFrame(rows, columns=["zh", "en", "lines"])


def in_language(drafted: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The plan rows in one language, as the plan file holds them (`plan_file.frame`)."""
    return plan_file.frame(
        drafted.assign(**{name: drafted[f"{name}_{lang}"] for name in BOTH}).to_dict("records")
    )


def _names(codes: str, group: str, lang: str) -> str:
    terms = reference.terms()[group]
    return text.choose(lang, "、", ", ").join(
        text.label(terms[code], lang) for code in codes.split(",") if code in terms
    )


def _when(problem: pd.Series, session: pd.Series, lang: str) -> str:
    start = f"{session['started_at']:%Y-%m-%d %H:%M}"
    if not np.isfinite(problem["minute_from"]):
        return text.choose(lang, f"{start} 开播，全场", f"session of {start}, throughout")
    first, last = (f"{problem[name]:.0f}" for name in ("minute_from", "minute_to"))
    return text.choose(
        lang, f"{start} 开播，第 {first}–{last} 分钟", f"session of {start}, minutes {first}–{last}"
    )


def _where(
    problem: pd.Series, entry: reference.Problem | None, found: pd.DataFrame, lang: str
) -> str:
    """Content stages, and the slices (sources, products) that findings of the problem name, or of its dimension where it is about the whole."""
    stages = (
        ""
        if entry is None or entry.stages == "all"
        else _names(",".join(entry.stages), "stage", lang)
    )
    near = (
        found["dimension"].eq(problem["dimension"])
        & found["verdict"].eq("worse")
        & (problem["slice"] == "")
    )
    own = found[found["id"].isin(problem["findings"].split(",")) | near]
    slices = [
        text.plain(findings.slice_name(name), 30)
        for name in own["slice"].fillna("").unique()
        if name not in findings.WHOLE
    ][:3]
    parts = [
        stages or text.choose(lang, "全部环节", "all stages"),
        text.choose(lang, "、", ", ").join(slices),
    ]
    return text.choose(lang, "；", "; ").join(filter(None, parts))


def _why(judged: pd.DataFrame, lang: str) -> str:
    """Supported causes with their evidence; else the ones that no record at hand can decide."""
    supported = judged[judged["verdict"] == "supported"]
    if len(supported):
        return text.choose(lang, "；", "; ").join(
            (
                f"{row[lang]}{text.choose(lang, '（依据：', ' (evidence: ')}"
                f"{row[f'evidence_{lang}']}"
                f"{text.choose(lang, '）', ')')}"
            )
            for _, row in supported.iterrows()
        )
    open_ones = judged.loc[judged["verdict"] == "not_measurable", lang].head(3)
    listed = text.choose(lang, "、", ", ").join(open_ones)
    return text.choose(
        lang,
        f"记录未支持任何一个常见原因；待查：{listed}",
        f"the records support none of the usual causes; to be looked into: {listed}",
    )


def _who(owners: list[str], people: list[str], lang: str) -> str:
    """Who answers for it, as the plan says, then who else takes part."""
    first, others = (
        _names(",".join(owners), "role", lang),
        _names(",".join(role for role in people if role not in owners), "role", lang),
    )
    taking_part = text.choose(lang, f"；{others}参与", f"; taking part: {others}") if others else ""
    return (
        text.choose(lang, f"{first}负责", f"answers for it: {first}") + taking_part
        if first
        else others
    )


def five_w_two_h(
    problem: pd.Series,
    judged: pd.DataFrame,
    drafted: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    found: pd.DataFrame,
    session: pd.Series,
    *,
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str = "CNY",
) -> pd.DataFrame:
    """5W2H of one problem: seven rows, columns aspect, content, origin (evidence or proposed).

    What, when, where and how much are filled from the findings; who, why and how are proposals for
    the team. `judged` is `judge_causes`, `drafted` is `draft`, `found` are the findings. Source:
    直播复盘与售后跟踪 (5W2H).
    """
    own, entry = judged[judged["problem"] == problem["problem"]], playbook.get(problem["problem"])
    lines = drafted[drafted["problem_id"] == problem["problem"]]
    owners = list(dict.fromkeys(lines["owner_role"])) or (entry.people[:1] if entry else [])
    money = text.value(problem["money_at_stake"], "money", lang, currency=currency)
    stake = (
        text.choose(lang, f"；涉及 {money}", f"; {money} at stake")
        if np.isfinite(problem["money_at_stake"])
        else ""
    )
    listed = text.choose(lang, "；", "; ")
    rows = [
        ("What", problem[lang], "evidence"),
        ("When", _when(problem, session, lang), "evidence"),
        ("Where", _where(problem, entry, found, lang), "evidence"),
        ("How much", _evidence(problem, registry, lang, currency) + stake, "evidence"),
        ("Who", _who(owners, entry.people if entry else [], lang), "proposed"),
        ("Why", _why(own, lang), "proposed"),
        (
            "How",
            listed.join(lines[f"action_{lang}"])
            or (text.label(entry.action, lang) if entry else ""),
            "proposed",
        ),
    ]
    zh = {
        "What": "什么问题 What",
        "When": "何时 When",
        "Where": "何处 Where",
        "How much": "多大 How much",
        "Who": "谁 Who",
        "Why": "为何 Why",
        "How": "怎么做 How",
    }
    origin = {
        "evidence": text.choose(lang, "来自数据", "from the data"),
        "proposed": text.choose(lang, "建议，待确认", "proposed, to be confirmed"),
    }
    return pd.DataFrame(
        [
            {
                "aspect": zh[aspect] if lang == "zh" else aspect,
                "content": content,
                "origin": origin[kind],
            }
            for aspect, content, kind in rows
        ]
    )


def verification_findings(
    checked: pd.DataFrame,
    sentences: Mapping[str, tuple[str, str]],
    plans: pd.DataFrame,
    *,
    notebook: str,
) -> pd.DataFrame:
    """Findings of the verdicts on earlier plans (`verification.verify`): one row per verdict on something that was done.

    effective and effective_but_small are better, harmful is worse, the rest cannot be told.
    `sentences` maps plan_id to its (zh, en) sentence, `plans` gives the dimension.
    """
    told = {
        "effective": "better",
        "effective_but_small": "better",
        "harmful": "worse",
        "not_comparable": "not_comparable",
    }
    dimension = plans.drop_duplicates("plan_id").set_index("plan_id")["dimension"]
    return findings.frame(
        [
            findings.make(
                notebook=notebook,
                dimension=dimension[row.plan_id],
                metric=row.metric,
                slice=row.plan_id,
                value=row.after,
                baseline=row.before,
                verdict=told.get(row.verdict, "cannot_tell"),
                sentence_zh=sentences[row.plan_id][0],
                sentence_en=sentences[row.plan_id][1],
            )
            for row in checked.itertuples()
            if row.verdict != "not_done"
        ]
    )
