"""From findings to a plan: problems, whether the team saw them, their causes, actions, who answers for what.

Problems are found in the data (objective) and noted by the team (subjective); both are set side by side. What, when,
where and how much come from evidence; who, why and how are proposals and marked so. Source: 直播复盘与售后跟踪.
"""

from __future__ import annotations

import re
import types
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import causes, compare, findings, planfile, reasons, reference, stats, text, verification

OUTCOME = "sales"  # amounts at the end of the chain: what the other problems lead to, so it ranks after them
MOST_SUSPECTED = 3
SUSPECTED = {"zh": "（疑似）", "en": " (suspected)"}
FAILED = ("not_effective", "harmful")  # verdicts after which an action is not proposed again
TIMED = re.compile(r"太晚|晚了|太迟|迟了|太早|\btoo (?:late|early)\b", re.IGNORECASE)  # a note about when, not how many
OF_TIME = ("cue_delay_minutes", "late_shipping_share", "first_reply_minutes", "max_gap_minutes")  # rules that measure when
MIX = "source_mix_share"     # the rule on the shares of the sources: what acts on it moves the session, not one source
MIXED = "room_conversion"    # and by what that rule weighs them
RESTATES = "worse_products"  # the rule that says which product sold worse, not why
MOST_ACTIONS = 2   # supported causes of one problem that become actions; one session cannot test more
PROBLEM_COLUMNS = [
    "rank", "problem", "zh", "en", "certainty", "dimension", "metric", "slice", "value", "baseline", "ci_lower", "ci_upper", "p_adjusted",
    "money_at_stake", "minute_from", "minute_to", "findings", "noted", "noted_by",
]
OF_PRODUCTS = ("click", "conversion", "sales")  # dimensions in which a product has figures of its own
NO_STANDING = pd.DataFrame({"dimension": [], "slice": [], "metric": [], "verdict": []}, dtype="str")
NO_COMPLAINTS = pd.DataFrame({"kind": [], "product": [], "written": []}, dtype="str")
NO_FINDINGS = findings.frame([])
NO_5W2H = pd.DataFrame({"aspect": [], "content": [], "origin": []}, dtype="str")
BOTH = ("problem", "stage", "evidence", "cause", "action")


# ------------------------------------------------------------------------------------------------------------ problems


def _problem_of(metric: str, playbook: Mapping[str, reference.Problem]) -> str:
    """The playbook problem that a metric speaks of; `metric:<id>` where there is none."""
    return next((name for name, problem in playbook.items() if metric in problem.metrics), f"metric:{metric}")


def _named(frame: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.Series:
    """The problem that each finding speaks of: the one it names, else that of its metric."""
    own = frame["metric"].map(lambda metric: _problem_of(metric, playbook)).astype("str")
    return frame["named"].where(frame["named"].notna(), own) if "named" in frame else own


def _stands_alone(metric: str, playbook: Mapping[str, reference.Problem], registry: Mapping[str, reference.Metric]) -> bool:
    """Whether a metric can be a problem: totals that the playbook does not name only follow from people and rates."""
    total = metric in registry and registry[metric].denominator is None
    return not total or not _problem_of(metric, playbook).startswith("metric:")


def _stages_overlap(problem: reference.Problem, stage: object) -> bool:
    return problem.stages == "all" or not isinstance(stage, str) or stage in problem.stages


def _notes_on(problem: reference.Problem, notes: pd.DataFrame) -> pd.DataFrame:
    """The team's notes that speak of a problem: those of its dimension that name no other stage."""
    same = notes[notes["dimension"] == problem.dimension]
    return same[np.array([_stages_overlap(problem, stage) for stage in same["stage"]], dtype=bool)]


def suspicions(
    verdicts: pd.DataFrame, session: pd.Series, playbook: Mapping[str, reference.Problem], *, registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """Metrics on the bad side of their baseline that the history cannot tell from chance, where money hangs on them.

    One row per such problem shaped as a finding (id ""), by money at stake times (1 - p), largest first; only where
    half or more of ordinary sessions lie nearer to the baseline (p at most 0.5), and not for outcomes (sales). They are no findings: they say where
    to look, and become actions only where the records support a cause. `verdicts` is that of notebook 03.
    """
    if verdicts.empty:
        return findings.frame([])
    unsure = verdicts[(verdicts["verdict"] == "cannot_tell") & (verdicts["p_value"] <= 0.5)].reset_index(drop=True)
    money = compare.money_at_stake(unsure, session, registry)
    made = unsure.assign(money_at_stake=money, weight=money * (1 - unsure["p_value"])).dropna(subset=["weight"])
    named = made["metric"].map(lambda metric: _problem_of(metric, playbook))
    steps = named.map(lambda name: name in playbook and playbook[name].dimension != OUTCOME).astype(bool)
    made = made.assign(named=named)[steps].sort_values(["weight", "metric"], ascending=[False, True]).drop_duplicates("named")
    shaped = made.rename(columns={"group": "dimension", "lower": "ci_lower", "upper": "ci_upper"}).assign(id="", slice="", notebook="03_compare")
    return shaped.reindex(columns=list(findings.COLUMNS)).astype(findings.COLUMNS)


def raised(playbook: Mapping[str, reference.Problem], facts: causes.Facts, *, rules: Mapping[str, reference.Rule]) -> pd.DataFrame:
    """Problems that no metric shows and the records raise (`raised_by`): one row per problem, shaped as `suspicions`, `named` its id.

    They stand on the product that the rule names, with its verifying metric beside its own usual where notebook 04 has it.
    """
    rows = []
    for name, problem in playbook.items():
        evidence = problem.raised_by
        if evidence is None or causes.verdict(causes.measure(evidence, facts, rules[evidence.rule]), evidence) != "supported":
            continue
        about = causes.unanswered(facts, evidence).iloc[0]
        rows.append({"named": name, "id": "", "notebook": "02_funnel", "dimension": problem.dimension, "metric": problem.verify,
                     "slice": f"{about['product']} ({about['product_id']})", "verdict": "cannot_tell", **_own_standing(facts, about["product_id"], problem.verify)})
    made = pd.DataFrame(rows, columns=["named", *findings.COLUMNS])
    return made.astype({"named": "str", **findings.COLUMNS})


def _own_standing(facts: causes.Facts, product: object, metric: str) -> dict[str, float]:
    """A product's own value of a metric and its usual, as notebook 04 set them side by side; nothing where it did not."""
    standing = facts.table("standing")
    rows = standing[standing["key"].eq(product) & standing["metric"].eq(metric)] if standing is not None else pd.DataFrame()
    names = {"value": "value", "baseline": "baseline", "lower": "ci_lower", "upper": "ci_upper"}
    return {own: float(rows.iloc[0][name]) for name, own in names.items()} if len(rows) else {}


def _titles(problem: reference.Problem | None, lead: pd.Series, registry: Mapping[str, reference.Metric]) -> dict[str, str]:
    """What a problem is called: the source or product that it was found on, the playbook's name, and that it is only suspected."""
    metric, whole = registry.get(lead["metric"]), not isinstance(lead["slice"], str) or lead["slice"] in findings.WHOLE
    named = {"zh": problem.zh, "en": problem.en} if problem else {"zh": f"{metric.zh}变差", "en": f"{metric.en} got worse"} if metric else {"zh": lead["metric"], "en": lead["metric"]}
    part = "" if whole or not lead["slice"] else text.plain(findings.slice_name(lead["slice"]), 30)
    return {lang: (part + text.choose(lang, "：", ": ") if part else "") + named[lang] + SUSPECTED[lang] * (lead["certainty"] == "suspected") for lang in ("zh", "en")}


def problems(
    found: pd.DataFrame, playbook: Mapping[str, reference.Problem], notes: pd.DataFrame, *, suspected: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """Objective problems, the costliest and surest first: one row per playbook problem that a worse finding points to.

    After them up to `MOST_SUSPECTED` of `suspected` (`raised`, `suspicions`), certainty "suspected" instead of "found". Of several findings on one problem the session-wide and surest one gives the numbers. Ranked by money at stake times
    certainty (1 - p_adjusted), then by p; problems of the outcome (sales) come last, as the others lead to them: the
    amounts overlap and are never to be added. Columns `PROBLEM_COLUMNS`; a rate that the playbook does not know is a
    problem `metric:<id>` of its own, a total that it does not know is none. noted and noted_by (roles) say whether a team note mentions it.
    A problem found on a source or product is named by it. A suspected one carries no money: it lies within the expected.
    """
    worse = found[(found["verdict"] == "worse") & (found["slice"] != findings.JUDGEMENT)]
    alone = np.array([_stands_alone(metric, playbook, registry) for metric in worse["metric"]], dtype=bool)
    certain, rows = worse[alone], []
    certain, suspected = (frame.assign(named=_named(frame, playbook)) for frame in (certain, suspected))
    hinted = suspected[~suspected["named"].isin(certain["named"])].head(MOST_SUSPECTED)
    bad = pd.concat([certain.assign(certainty="found"), hinted.assign(certainty="suspected")], ignore_index=True)
    for name, group in bad.groupby("named", sort=False):
        ordered = group.assign(whole=group["slice"].fillna("").isin(findings.WHOLE)).sort_values(["whole", "p_adjusted", "id"], ascending=[False, True, True])
        lead, problem = ordered.iloc[0], playbook.get(name)
        notes_here = _notes_on(problem, notes) if problem else notes.head(0)
        rows.append({
            **{key: lead[key] for key in PROBLEM_COLUMNS if key in lead.index}, "problem": name,
            **_titles(problem, lead, registry),
            "dimension": problem.dimension if problem else lead["dimension"], "slice": "" if lead["slice"] in findings.WHOLE or not isinstance(lead["slice"], str) else lead["slice"],
            "money_at_stake": group["money_at_stake"].max() if lead["certainty"] == "found" else np.nan, "minute_from": group["minute_from"].min(), "minute_to": group["minute_to"].max(),
            "findings": ",".join(name for name in ordered["id"] if name), "noted": len(notes_here) > 0, "noted_by": ",".join(sorted(set(notes_here["role"].dropna()))),
        })
    made = pd.DataFrame(rows, columns=PROBLEM_COLUMNS)
    sure, unsure = 1 - made["p_adjusted"].astype(float).fillna(0.5), made["certainty"].eq("suspected")
    weight = (-made["money_at_stake"].astype(float) * sure).mask(unsure, range(len(made)))  # suspicions come ranked
    keyed = made.assign(
        unsure=unsure, outcome=made["dimension"].eq(OUTCOME), weight=weight, p=made["p_adjusted"].astype(float),
    ).sort_values(["unsure", "outcome", "weight", "p", "problem"], na_position="last", kind="stable")
    return keyed[PROBLEM_COLUMNS].assign(rank=range(1, len(keyed) + 1)).reset_index(drop=True)


def _cause_meant(note: str, judged: pd.DataFrame, playbook: Mapping[str, reference.Problem], meant: list[str]) -> pd.Series | None:
    """The judged cause that a note names by one of its words (the longest that occurs), or None."""
    hits = [
        (len(word), row) for _, row in judged[judged["problem"].isin(meant)].iterrows()
        for cause in playbook[row["problem"]].causes if cause.id == row["cause"]
        for word in cause.words if word.casefold() in note.casefold() and _answers(note, cause)
    ]
    return max(hits, key=lambda hit: (hit[0], causes.VERDICTS[::-1].index(hit[1]["verdict"])))[1] if hits else None


def _answers(note: str, cause: reference.Cause) -> bool:
    """Whether a cause's record can speak to a note: how many there were says nothing of one that says late or early, sales nothing of staying."""
    if _names_any(note, cause.unless):
        return False
    return cause.evidence is None or cause.evidence.rule in OF_TIME or not TIMED.search(note)


def _names_any(note: str, words: Iterable[str]) -> bool:
    return any(word.casefold() in note.casefold() for word in words)


def _said_nothing_of(note: str, problems: Iterable[reference.Problem]) -> bool:
    """Whether a note names a cause by its words but speaks of what its record does not measure."""
    return any(_names_any(note, cause.words) and not _answers(note, cause) for problem in problems for cause in problem.causes)


MENTIONED = {"refund": ("本场退款", "refunds of this session"), "review": ("近 60 天评价", "reviews in 60 days"), "incident": ("近 60 天公关事件", "incidents in 60 days")}


def _complaint_verdict(note: str, own: set[str], complaints: pd.DataFrame, tree: Mapping[str, reference.ReasonGroup]) -> tuple[str, dict[str, str]] | None:
    """What refunds, reviews and incidents of the products that a note names say of the reason that it names; None where it names none.

    Refunds and reviews for the reason bear it out, an incident hints at it; without any it cannot be told, as goods may not have arrived.
    """
    group, reason = reasons.reason_of(note, tree)
    if reason == "unknown" or not own or complaints.empty:
        return None
    about = [row.product in own or (row.kind == "incident" and bool(_products_meant(str(row.written), own))) for row in complaints.itertuples()]
    same = reasons.classified(complaints["written"], tree)["reason"].eq(reason)
    hits = complaints.loc[same & np.array(about, dtype=bool), "kind"].value_counts()
    verdict = "borne_out" if hits.get("refund", 0) + hits.get("review", 0) else "hinted" if len(hits) else "cannot_tell"
    told = {}
    for lang in ("zh", "en"):
        counts = text.choose(lang, "、", ", ").join(text.choose(lang, f"{zh} {hits.get(kind, 0)}", f"{en} {hits.get(kind, 0)}") for kind, (zh, en) in MENTIONED.items())
        told[lang] = f"{text.plain(min(own), 30)}{text.choose(lang, '，', ', ')}{text.label(tree[group].reasons[reason], lang)}{text.choose(lang, '：', ': ')}{counts}"
    return verdict, told


def _note_verdict(meant: list[str], found: pd.DataFrame, said: Mapping[str, str], playbook: Mapping[str, reference.Problem]) -> tuple[str, str]:
    """What the metrics of a note's dimension say: (verdict, problems matched)."""
    hits = found[found["problem"].isin(meant)]
    if len(hits):
        return ("borne_out" if hits["certainty"].eq("found").any() else "hinted"), ",".join(hits["problem"])
    told = {said[metric] for name in meant for metric in playbook[name].metrics if metric in said}
    return ("not_borne_out" if "better" in told else "not_measurable"), ""


def _better_of(
    meant: list[str], said: Mapping[str, str], playbook: Mapping[str, reference.Problem], registry: Mapping[str, reference.Metric], lang: str,
) -> str:
    """The metrics of a note's dimension that were better, by name."""
    names = [metric for name in meant for metric in playbook[name].metrics if said.get(metric) == "better"]
    listed = text.choose(lang, "、", ", ").join(text.label(registry[name], lang) for name in names[:2])
    return text.choose(lang, f"{listed}变好", f"better: {listed}") if names else ""


def _said_of(matched: str, found: pd.DataFrame, lang: str) -> str:
    """The problems of the data that a note goes with, by name."""
    return text.choose(lang, "；", "; ").join(found.loc[found["problem"].isin(matched.split(",")), lang])


def _products_meant(note: str, names: Iterable[str]) -> set[str]:
    """The products that a note names: those whose name's last letters before a space or number stand in it, the longest match."""
    hits: dict[str, int] = {}
    for name in names:
        head = re.split(r"[\s\d（(]", name)[0].casefold()
        fewest = 4 if head.isascii() else 2
        hits[name] = next((size for size in range(len(head), fewest - 1, -1) if head[-size:] in note.casefold()), 0)
    longest = max(hits.values(), default=0)
    return {name for name, size in hits.items() if size == longest and size}


def _product_verdict(meant: set[str], standing: pd.DataFrame, registry: Mapping[str, reference.Metric]) -> tuple[str, dict[str, str]]:
    """What the products' own figures say: (verdict, evidence by language)."""
    own = standing[standing["dimension"].eq("product_id") & standing["slice"].isin(meant)] if len(standing) else pd.DataFrame({"verdict": []})
    verdict = next((said for told, said in (("worse", "borne_out"), ("better", "not_borne_out"), ("cannot_tell", "cannot_tell")) if own["verdict"].eq(told).any()), "not_measurable")
    shown = own if verdict != "borne_out" else own[own["verdict"] == "worse"]
    return verdict, {lang: text.choose(lang, "；", "; ").join(_product_figure(row, registry[row["metric"]], lang) for _, row in shown.head(2).iterrows()) for lang in ("zh", "en")}


def _product_figure(row: pd.Series, metric: reference.Metric, lang: str) -> str:
    value, usual = (text.value(row[name], metric.unit, lang, decimals=metric.decimals) for name in ("value", "baseline"))
    name, label = text.plain(row["slice"], 30), text.label(metric, lang)
    return text.choose(lang, f"「{name}」{label} {value}，平时 {usual}", f"{name}: {label} {value}, usually {usual}")


def check_notes(
    notes: pd.DataFrame, found: pd.DataFrame, playbook: Mapping[str, reference.Problem], verdicts: pd.DataFrame, judged: pd.DataFrame, *,
    registry: Mapping[str, reference.Metric], products: Iterable[str] = (), standing: pd.DataFrame = NO_STANDING,
    complaints: pd.DataFrame = NO_COMPLAINTS, tree: Mapping[str, reference.ReasonGroup] = types.MappingProxyType({}),
) -> pd.DataFrame:
    """Whether the data bear out what the team noted: one row per note.

    Columns: role, stage, dimension, problem, severity, verdict, matched (problems or cause), evidence_zh, evidence_en.
    A note that names a cause of the playbook by its words is checked by that cause's evidence (`judged`, the causes of
    all problems): supported is borne_out, not_supported not_borne_out. Any other by the metrics of its dimension and
    stage: borne_out where a problem was found, hinted where one is suspected, not_borne_out where a metric is better, else
    not_measurable: that the dimension is as usual says nothing of what the note means. A note on clicks or sales that names one of `products`
    is checked by that product's own `standing` (notebook 04), unless the cause that it names was found of that product. One on after-sales
    that names a product and a reason of `tree` is checked by `complaints` (`reasons.complaints`) where no cause can be measured.
    """
    said = dict(zip(verdicts["metric"], verdicts["verdict"], strict=True)) if len(verdicts) else {}
    rows = []
    for note in notes.itertuples():
        meant = [name for name, problem in playbook.items() if problem.dimension == note.dimension and _stages_overlap(problem, note.stage)]
        cause = _cause_meant(note.problem, judged, playbook, [name for name, problem in playbook.items() if problem.dimension == note.dimension])
        verdict, matched = _note_verdict(meant, found, said, playbook)
        told = {lang: cause[f"evidence_{lang}"] if cause is not None else _said_of(matched, found, lang) or (_better_of(meant, said, playbook, registry, lang) if verdict == "not_borne_out" else "") for lang in ("zh", "en")}
        own = _products_meant(note.problem, products) if note.dimension in OF_PRODUCTS else set()
        about = _about(cause["about"]) if cause is not None else set()
        if cause is None and not own and (TIMED.search(note.problem) or _said_nothing_of(note.problem, (problem for problem in playbook.values() if problem.dimension == note.dimension))):
            (verdict, matched), told = ("not_measurable", ""), {"zh": "", "en": ""}
        if cause is not None and cause["verdict"] != "not_measurable" and not (own and about and about.isdisjoint(text.plain(name, 30) for name in own)):
            verdict, matched = ("borne_out" if cause["verdict"] == "supported" else "not_borne_out"), cause["cause"]
        elif own:
            (verdict, told), matched = _product_verdict(own, standing, registry), ""
        if note.dimension == "aftersales" and verdict == "not_measurable" and (own_said := _complaint_verdict(note.problem, _products_meant(note.problem, products), complaints, tree)):
            verdict, told = own_said
        row = {"role": note.role, "stage": note.stage, "dimension": note.dimension, "problem": note.problem, "severity": note.severity, "verdict": verdict, "matched": matched}
        rows.append({**row, **{f"evidence_{lang}": words for lang, words in told.items()}})
    return pd.DataFrame(rows, columns=["role", "stage", "dimension", "problem", "severity", "verdict", "matched", "evidence_zh", "evidence_en"])


def judge_causes(
    names: Iterable[str], playbook: Mapping[str, reference.Problem], facts: causes.Facts, *, rules: Mapping[str, reference.Rule],
) -> pd.DataFrame:
    """The causes of the problems named, in their order: one row per problem x cause, columns `causes.COLUMNS`."""
    parts = [causes.judge(name, playbook[name], facts, rules=rules) for name in names if name in playbook]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=causes.COLUMNS)


BETWEEN = {"zh": "结构是各来源之间的比例，单个来源内部没有，不算这个问题的依据", "en": "a mix lies between the sources, none has it within itself: no evidence here"}
ELSEWHERE = {"zh": "说的是别的来源或商品，不算这个问题的依据", "en": "about another source or product: no evidence here"}
OF_PARTS = ("worse_sources", "worse_products", "asked_about", "unanswered_about", "stock_out_minutes", MIX)  # rules that name sources or products


def concerning(judged: pd.DataFrame, seen: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """The judged causes, of which evidence about other sources or products supports none of a problem that was found on one.

    `seen` is `problems`, `found` are the findings. Where all findings of a problem are about single sources or products,
    a cause whose evidence names others is not supported there; nor is a changed mix of sources, which no source has within itself.
    """
    parts = {problem.problem: _parts_of(problem, found) for problem in seen.itertuples()}
    away = pd.Series([_elsewhere(row, row.rule, parts.get(row.problem, set())) for row in judged.itertuples()], index=judged.index, dtype=bool)
    mix = judged["rule"].eq(MIX)
    why = {lang: pd.Series(np.where(mix, BETWEEN[lang], ELSEWHERE[lang]), index=judged.index, dtype="str") for lang in ("zh", "en")}
    told = {f"evidence_{lang}": judged[f"evidence_{lang}"].mask(away, judged[f"evidence_{lang}"] + text.choose(lang, "（", " (") + why[lang] + text.choose(lang, "）", ")")) for lang in why}
    made = judged.assign(**told, verdict=judged["verdict"].mask(away, "not_supported"), about=judged["about"].mask(away, ""))
    order = dict(zip(judged["problem"].unique(), range(judged["problem"].nunique()), strict=True))
    return made.sort_values(["problem", "verdict"], key=lambda column: column.map(order if column.name == "problem" else causes.VERDICTS.index), kind="stable", ignore_index=True)


def _parts_of(problem: tuple, found: pd.DataFrame) -> set[str]:
    """The sources or products on which a problem was found, by name; none where any of its findings is about the whole session."""
    own = found[found["id"].isin(str(problem.findings).split(","))]["slice"].fillna("")
    whole = own.empty or own.isin(["", *findings.WHOLE]).any()
    return set() if whole else {text.plain(findings.slice_name(name), 30) for name in own}


def _elsewhere(row: tuple, rule: str, parts: set[str]) -> bool:
    """Whether supporting evidence speaks of other sources or products than the problem does."""
    if row.verdict != "supported" or not parts or rule not in OF_PARTS:
        return False
    return rule == MIX or parts.isdisjoint(_about(row.about))


def with_notes(found: pd.DataFrame, notes: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """The problems with what the team noted: also a note that names a supported cause of the problem mentions it.

    `notes` is `check_notes`; columns as `problems`, noted and noted_by completed.
    """
    by = []
    for problem in found.itertuples():
        supported = set(judged.loc[(judged["problem"] == problem.problem) & (judged["verdict"] == "supported"), "cause"])
        roles = set(notes.loc[notes["matched"].isin(supported), "role"]) | set(filter(None, problem.noted_by.split(",")))
        by.append(",".join(sorted(roles)))
    return found.assign(noted_by=pd.Series(by, index=found.index, dtype="str"), noted=[bool(roles) for roles in by])


# ---------------------------------------------------------------------------------------------------------------- plan


def _evidence(row: pd.Series, registry: Mapping[str, reference.Metric], lang: str, currency: str) -> str:
    """A problem's numbers in words: the metric, its value, the baseline and what was to be expected."""
    metric = registry.get(row["metric"])
    if metric is None:
        return ""
    value, baseline = (text.value(row[name], metric.unit, lang, decimals=metric.decimals, currency=currency) for name in ("value", "baseline"))
    bounds = text.interval(row["ci_lower"], row["ci_upper"], metric.unit, lang, decimals=metric.decimals, currency=currency)
    known = np.isfinite([row["ci_lower"], row["ci_upper"]]).all()
    expected = text.choose(lang, f"（正常范围 {bounds}）", f" (normal range {bounds})") if known else ""
    about = f"{text.plain(findings.slice_name(row['slice']), 40)}{text.choose(lang, '：', ': ')}" if row["slice"] else ""
    name = about + compare.label(metric, lang)
    usual = text.choose(lang, f"，平时 {baseline}{expected}", f", usually {baseline}{expected}") if np.isfinite(row["baseline"]) else ""
    return f"{name} {value}{usual}"


UNKNOWN_CAUSE = {"about": "", "cause": "", "stage": "", "zh": "原因待查", "en": "cause to be found", "evidence_zh": "", "evidence_en": "", "role": "", "rule": "", "waits": False}


def _chosen_causes(found: pd.DataFrame, judged: pd.DataFrame) -> dict[str, list[dict[str, object]]]:
    """The causes of each problem that become actions: supported ones, each with the first problem that has it.

    A problem without one gets an action whose cause is still to be found, but a suspected problem none, unless nothing
    else were planned: then the first stands, so that the next review has something to verify.
    """
    chosen: dict[str, list[dict[str, object]]] = {}
    for problem in found.itertuples():
        planned = {cause["cause"] for causes_of in chosen.values() for cause in causes_of}
        own = judged[(judged["problem"] == problem.problem) & (judged["verdict"] == "supported")]
        new = own[~own["cause"].isin(planned)].sort_values("waits", kind="stable").head(MOST_ACTIONS).to_dict("records")
        chosen[problem.problem] = new or ([UNKNOWN_CAUSE] if problem.certainty == "found" and own.empty else [])
    if chosen and not any(chosen.values()):
        chosen[next(iter(chosen))] = [UNKNOWN_CAUSE]
    return chosen


def _about(names: object) -> set[str]:
    """The sources or products that a cause is about, by name."""
    return set(names.split("、")) - {""} if isinstance(names, str) else set()


def _with_waits(judged: pd.DataFrame) -> pd.DataFrame:
    """The causes with `waits`: one that only says which product sold worse, where a record says why of the same product."""
    again = judged["rule"].eq(RESTATES).to_numpy(dtype=bool)
    explained = set().union(*judged.loc[~again & (judged["verdict"] == "supported"), "about"].map(_about))
    return judged.assign(waits=again & np.array([bool(_about(names) & explained) for names in judged["about"]], dtype=bool))


def _own_finding(about: object, problem: pd.Series, entry: reference.Problem, told: pd.DataFrame) -> pd.Series | None:
    """The worse finding on a source or product that a cause is about: on the problem's metrics where there is one, else the surest."""
    names = told["slice"].fillna("").map(lambda slice: text.plain(findings.slice_name(slice), 30))
    own = told[told["verdict"].eq("worse") & names.isin(_about(about))]
    near = own["metric"].map(lambda metric: 0 if metric == problem["metric"] else 1 if metric in entry.metrics else 2)
    ranked = own.assign(near=near).sort_values(["near", "p_adjusted", "id"])
    return None if ranked.empty else ranked.iloc[0]


def _verified_by(problem: pd.Series, cause: Mapping[str, object], entry: reference.Problem, bases: pd.Series, told: pd.DataFrame) -> dict[str, object]:
    """The metric, slice, baseline and money that will tell: of the source or product that the action is about, else the playbook's.

    Moving people between sources shows in what the session as a whole converts, not in any one source.
    """
    if cause["rule"] == MIX:
        return {"metric": MIXED, "slice": "", "baseline": bases.get(MIXED, np.nan), "money_at_stake": np.nan}
    lead = _own_finding(cause["about"], problem, entry, told)
    lead = problem if lead is None and problem["slice"] else lead
    if lead is not None:
        return {name: lead[name] for name in ("metric", "slice", "baseline", "money_at_stake")}
    own = problem["baseline"] if problem["metric"] == entry.verify else np.nan
    return {"metric": entry.verify, "slice": "", "baseline": bases.get(entry.verify, own), "money_at_stake": problem["money_at_stake"]}


def _each_amount_once(lines: pd.DataFrame) -> pd.DataFrame:
    """Plan lines with each amount on its first line alone: of a problem, or of the source or product that verifies it."""
    own = lines["metric"] + "|" + lines["slice"]
    again = own.duplicated().where(lines["slice"] != "", lines["problem_zh"].duplicated())
    return lines.assign(money_at_stake=lines["money_at_stake"].astype(float).mask(again.astype(bool)))


def _aimed(action: str, about: str, lang: str) -> str:
    """An action with the sources or products that it is about before it."""
    names = [name for name in about.split("、") if name]
    return action if not names else text.choose(lang, "、".join(f"「{name}」" for name in names) + f"：{action}", f"{', '.join(names)}: {action}")


def draft(
    found: pd.DataFrame, judged: pd.DataFrame, playbook: Mapping[str, reference.Problem], *, session_id: str,
    verdicts: pd.DataFrame, checked: pd.DataFrame, registry: Mapping[str, reference.Metric], currency: str = "CNY", told: pd.DataFrame = NO_FINDINGS,
) -> pd.DataFrame:
    """The plan in both languages: one row per action, columns of `planfile.COLUMNS` with the texts as _zh and _en.

    Up to `MOST_ACTIONS` supported causes of a problem give an action each; where none is supported, the playbook's
    general action stands with the cause still to be found (a suspected problem: no action, unless all are such). An action about a source or product is verified by
    that one's own worse finding among `told`, and carries its money; an amount stands on its first line only. What only says which product
    sold worse comes last where a record says why. `baseline` is that of the verifying metric, from `verdicts` (metric, baseline). An action that an earlier plan tried
    says how it was judged last (`checked`, `verification.verify`, newest plan first); one that did not work or did harm is replaced.
    """
    tried = _tried(checked)
    bases = verdicts.drop_duplicates("metric").set_index("metric")["baseline"] if len(verdicts) else pd.Series(dtype=float)
    known = found[found["problem"].isin(list(playbook))]
    chosen, rows = _chosen_causes(known, _with_waits(judged)), []
    for _, problem in known.iterrows():
        entry = playbook[problem["problem"]]
        for cause in chosen[problem["problem"]]:
            row = {
                "plan_id": planfile.plan_id(session_id, problem["problem"], str(cause["cause"])), "session_id": session_id,
                "dimension": entry.dimension, "owner_role": cause["role"] or entry.people[0], "due_session": "",
                **_verified_by(problem, cause, entry, bases, told), "waits": cause["waits"],
                "least_effect": entry.least_effect, "sessions": entry.sessions, "effort": entry.effort, "status": "open", "note": "",
            }
            for lang in ("zh", "en"):
                measured = [_evidence(problem, registry, lang, currency), str(cause[f"evidence_{lang}"])]
                row |= {
                    f"problem_{lang}": problem[lang], f"cause_{lang}": cause[lang],
                    f"evidence_{lang}": text.choose(lang, "；", "; ").join(filter(None, measured)),
                    f"action_{lang}": _aimed(str(cause.get(f"action_{lang}") or text.label(entry.action, lang)), str(cause["about"]), lang),
                    f"stage_{lang}": _names(str(cause["stage"]) or causes.stage_of(entry), "run_stage", lang),
                }
            rows.append(_refined(row, entry, tried))
    shared = [name for name in planfile.COLUMNS if name not in BOTH]
    made = pd.DataFrame(rows, columns=["waits", *shared, *(f"{name}_{lang}" for name in BOTH for lang in ("zh", "en"))])
    return _each_amount_once(made.sort_values("waits", kind="stable", ignore_index=True).drop(columns="waits"))


def _tried(checked: pd.DataFrame) -> dict[str, str]:
    """How each action stands by what was said of it last (`verification.status`), newest plan first in `checked`; not done only where nothing else was said."""
    checked = checked.assign(verdict=[verification.status(row) for row in checked.to_dict("records")]) if len(checked) else checked
    order = checked.iloc[::-1].sort_values("verdict", key=lambda said: said.ne("not_done"), kind="stable") if len(checked) else checked
    return dict(zip(order.get("action", []), order.get("verdict", []), strict=True))


def _refined(row: dict[str, object], entry: reference.Problem, tried: Mapping[str, str]) -> dict[str, object]:
    """A drafted line that knows whether its action was tried before, and is another one where that failed."""
    said = tried.get(str(row["action_zh"]), tried.get(str(row["action_en"]), ""))
    if not said:
        return row
    term, made = reference.terms()["plan_verdict"][said], dict(row)
    for lang in ("zh", "en"):
        before = text.choose(lang, f"；同样的办法上次：{term.zh}", f"; the same was tried before: {term.en.lower()}")
        made[f"evidence_{lang}"] = f"{row[f'evidence_{lang}']}{before}"
        other = text.label(entry.action, lang)
        if _failed(said):
            made[f"action_{lang}"] = other if other != row[f"action_{lang}"] and not _failed(tried.get(other, "")) else text.choose(lang, f"换一个办法（原办法{term.zh}）：由负责岗位提出", f"Another way, which the owner proposes (the last one: {term.en.lower()})")
    return made


def _failed(said: str) -> bool:
    return said.removesuffix("_so_far") in FAILED


def merged(found: pd.DataFrame, judged: pd.DataFrame, drafted: pd.DataFrame) -> pd.DataFrame:
    """Problems that have no plan line of their own, as another problem's line acts on the same cause: zh, en, lines (ids)."""
    rows = []
    for _, problem in found[~found["zh"].isin(drafted["problem_zh"])].iterrows():
        shared = judged.loc[(judged["problem"] == problem["problem"]) & (judged["verdict"] == "supported"), "cause"]
        ids = {planfile.plan_id(session, other, cause) for session in drafted["session_id"].unique() for other in found["problem"] for cause in shared}
        lines = [name for name in drafted["plan_id"] if name in ids]
        rows += [{"zh": problem["zh"], "en": problem["en"], "lines": ", ".join(lines)}] if lines else []
    return pd.DataFrame(rows, columns=["zh", "en", "lines"])


def in_language(drafted: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The plan rows in one language, as the plan file holds them (`planfile.frame`)."""
    return planfile.frame(drafted.assign(**{name: drafted[f"{name}_{lang}"] for name in BOTH}).to_dict("records"))


# ---------------------------------------------------------------------------------------------------------------- 5W2H


def _names(codes: str, group: str, lang: str) -> str:
    terms = reference.terms()[group]
    return text.choose(lang, "、", ", ").join(text.label(terms[code], lang) for code in codes.split(",") if code in terms)


def _when(problem: pd.Series, session: pd.Series, lang: str) -> str:
    start = f"{session['started_at']:%Y-%m-%d %H:%M}"
    if not np.isfinite(problem["minute_from"]):
        return text.choose(lang, f"{start} 开播，全场", f"session of {start}, throughout")
    first, last = (f"{problem[name]:.0f}" for name in ("minute_from", "minute_to"))
    return text.choose(lang, f"{start} 开播，第 {first}–{last} 分钟", f"session of {start}, minutes {first}–{last}")


def _where(problem: pd.Series, entry: reference.Problem | None, found: pd.DataFrame, lang: str) -> str:
    """Content stages, and the slices (sources, products) that findings of the problem name, or of its dimension where it is about the whole."""
    stages = "" if entry is None or entry.stages == "all" else _names(",".join(entry.stages), "stage", lang)
    near = found["dimension"].eq(problem["dimension"]) & found["verdict"].eq("worse") & (problem["slice"] == "")
    own = found[found["id"].isin(problem["findings"].split(",")) | near]
    slices = [text.plain(findings.slice_name(name), 30) for name in own["slice"].fillna("").unique() if name not in findings.WHOLE][:3]
    parts = [stages or text.choose(lang, "全部环节", "all stages"), text.choose(lang, "、", ", ").join(slices)]
    return text.choose(lang, "；", "; ").join(filter(None, parts))


def _why(judged: pd.DataFrame, lang: str) -> str:
    """Supported causes with their evidence; else the ones that no record at hand can decide."""
    supported = judged[judged["verdict"] == "supported"]
    if len(supported):
        return text.choose(lang, "；", "; ").join(f"{row[lang]}{text.choose(lang, '（依据：', ' (evidence: ')}{row[f'evidence_{lang}']}{text.choose(lang, '）', ')')}" for _, row in supported.iterrows())
    open_ones = judged.loc[judged["verdict"] == "not_measurable", lang].head(3)
    listed = text.choose(lang, "、", ", ").join(open_ones)
    return text.choose(lang, f"记录未支持任何一个常见原因；待查：{listed}", f"the records support none of the usual causes; to be looked into: {listed}")


def _who(owners: list[str], people: list[str], lang: str) -> str:
    """Who answers for it, as the plan says, then who else takes part."""
    first, others = _names(",".join(owners), "role", lang), _names(",".join(role for role in people if role not in owners), "role", lang)
    taking_part = text.choose(lang, f"；{others}参与", f"; taking part: {others}") if others else ""
    return text.choose(lang, f"{first}负责", f"answers for it: {first}") + taking_part if first else others


def five_w_two_h(
    problem: pd.Series, judged: pd.DataFrame, drafted: pd.DataFrame, playbook: Mapping[str, reference.Problem], found: pd.DataFrame,
    session: pd.Series, *, registry: Mapping[str, reference.Metric], lang: str, currency: str = "CNY",
) -> pd.DataFrame:
    """5W2H of one problem: seven rows, columns aspect, content, origin (evidence or proposed).

    What, when, where and how much are filled from the findings; who, why and how are proposals for the team.
    `judged` is `judge_causes`, `drafted` is `draft`, `found` are the findings. Source: 直播复盘与售后跟踪 (5W2H).
    """
    own, entry = judged[judged["problem"] == problem["problem"]], playbook.get(problem["problem"])
    lines = drafted[drafted[f"problem_{lang}"] == problem[lang]]
    owners = list(dict.fromkeys(lines["owner_role"])) or (entry.people[:1] if entry else [])
    money = text.value(problem["money_at_stake"], "money", lang, currency=currency)
    stake = text.choose(lang, f"；涉及 {money}", f"; {money} at stake") if np.isfinite(problem["money_at_stake"]) else ""
    listed = text.choose(lang, "；", "; ")
    rows = [
        ("What", problem[lang], "evidence"), ("When", _when(problem, session, lang), "evidence"),
        ("Where", _where(problem, entry, found, lang), "evidence"),
        ("How much", _evidence(problem, registry, lang, currency) + stake, "evidence"),
        ("Who", _who(owners, entry.people if entry else [], lang), "proposed"), ("Why", _why(own, lang), "proposed"),
        ("How", listed.join(lines[f"action_{lang}"]) or (text.label(entry.action, lang) if entry else ""), "proposed"),
    ]
    zh = {"What": "什么问题 What", "When": "何时 When", "Where": "何处 Where", "How much": "多大 How much", "Who": "谁 Who", "Why": "为何 Why", "How": "怎么做 How"}
    origin = {"evidence": text.choose(lang, "来自数据", "from the data"), "proposed": text.choose(lang, "建议，待确认", "proposed, to be confirmed")}
    return pd.DataFrame([{"aspect": zh[aspect] if lang == "zh" else aspect, "content": content, "origin": origin[kind]} for aspect, content, kind in rows])


# ----------------------------------------------------------------------------------------------------------- scorecard


def scorecard(
    roles: Mapping[str, reference.RoleCard], verdicts: pd.DataFrame, *, registry: Mapping[str, reference.Metric], extra: Iterable[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Each role's own figures: one row per role x metric of `roles.yml`, in its order; metrics without a value are left out.

    Columns: role, metric, zh, en (the metric's names), value, baseline, lower, upper, verdict, shared (how many roles
    carry this figure), addition (ours, not the source's), note_zh, note_en. `extra` are further frames shaped as
    `verdicts` (metric, value, baseline, lower, upper, verdict), for figures that notebook 03 does not compare. The verdict is as it is
    read there: normal for a value inside its range.
    A shared figure says nothing about one person alone.
    """
    wanted = ["metric", "value", "baseline", "lower", "upper", "verdict"]
    parts = [frame.assign(verdict=_as_read(frame)).reindex(columns=[*wanted, "label_zh", "label_en"]) for frame in (*extra, verdicts) if len(frame)]
    known = (pd.concat(parts) if parts else pd.DataFrame(columns=wanted)).drop_duplicates("metric").set_index("metric")
    shared = pd.Series([line.metric for card in roles.values() for line in card.metrics]).value_counts()
    rows = [
        {"role": role, "metric": line.metric, **_as_compared(known.loc[line.metric], registry[line.metric]), **known.loc[line.metric, wanted[1:]].to_dict(), "shared": int(shared[line.metric]), "addition": line.addition,
         "note_zh": line.note.zh if line.note else "", "note_en": line.note.en if line.note else ""}
        for role, card in roles.items() for line in card.metrics if line.metric in known.index and pd.notna(known.loc[line.metric, "value"])
    ]
    return pd.DataFrame(rows, columns=["role", "metric", "zh", "en", *wanted[1:], "shared", "addition", "note_zh", "note_en"])


def _as_read(frame: pd.DataFrame) -> pd.Series:
    return frame["outcome"] if "outcome" in frame else findings.outcome(frame["verdict"], frame["value"], frame["lower"], frame["upper"])


def _as_compared(row: pd.Series, metric: reference.Metric) -> dict[str, str]:
    """The metric's name as it was compared: notebook 03 names totals per hour."""
    return {lang: row[f"label_{lang}"] if isinstance(row[f"label_{lang}"], str) else text.label(metric, lang) for lang in ("zh", "en")}


def aftersales_scores(found: pd.DataFrame) -> pd.DataFrame:
    """The session's refund rate against the same age (a finding of notebook 05) as a row for `scorecard`."""
    own = found[(found["metric"] == "refund_rate_orders") & (found["slice"].fillna("") == "")]
    renamed = own.rename(columns={"ci_lower": "lower", "ci_upper": "upper"})
    return renamed[["metric", "value", "baseline", "lower", "upper", "verdict"]].reset_index(drop=True)


def other_scores(known: pd.DataFrame, session_id: str, ids: Iterable[str], *, registry: Mapping[str, reference.Metric], confidence: float = 0.95) -> pd.DataFrame:
    """Metrics that notebook 03 does not compare (those of enquiries) as rows for `scorecard`.

    `known` is `verification.history`. One row per metric that the session has: metric, value, baseline (mean of the
    last comparable sessions), lower, upper (their t prediction interval, nan under four), verdict.
    """
    rows = []
    for name in ids:
        values = known[(known["metric"] == name) & (known["slice"] == "")].dropna(subset=["value"]).sort_values("started_at")
        own = values.loc[values["session_id"] == session_id, "value"]
        if own.empty or registry[name].bigger_is_better is None:
            continue
        past = values[(values["session_id"] != session_id) & values["comparable"]].tail(verification.MOST_BEFORE)["value"]
        guess = stats.prediction_interval(past if len(past) >= verification.FEWEST_BEFORE else [], confidence=confidence, log=False)
        outside = own.iloc[0] < guess.lower or own.iloc[0] > guess.upper
        good = (own.iloc[0] > guess.mean) == registry[name].bigger_is_better
        verdict = "not_comparable" if np.isnan(guess.lower) else "cannot_tell" if not outside else "better" if good else "worse"
        rows.append({"metric": name, "value": own.iloc[0], "baseline": past.mean(), "lower": guess.lower, "upper": guess.upper, "verdict": verdict})
    return pd.DataFrame(rows, columns=["metric", "value", "baseline", "lower", "upper", "verdict"])


def verification_findings(checked: pd.DataFrame, sentences: Mapping[str, tuple[str, str]], plans: pd.DataFrame, *, notebook: str) -> pd.DataFrame:
    """Findings of the verdicts on earlier plans (`verification.verify`): one row per verdict on something that was done.

    effective and effective_but_small are better, harmful is worse, the rest cannot be told. `sentences` maps plan_id to
    its (zh, en) sentence, `plans` gives the dimension.
    """
    told = {"effective": "better", "effective_but_small": "better", "harmful": "worse", "not_comparable": "not_comparable"}
    dimension = plans.drop_duplicates("plan_id").set_index("plan_id")["dimension"]
    return findings.frame([
        findings.make(
            notebook=notebook, dimension=dimension[row.plan_id], metric=row.metric, slice=row.plan_id, value=row.after, baseline=row.before,
            verdict=told.get(row.verdict, "cannot_tell"), sentence_zh=sentences[row.plan_id][0], sentence_en=sentences[row.plan_id][1],
        )
        for row in checked.itertuples() if row.verdict != "not_done"
    ])
