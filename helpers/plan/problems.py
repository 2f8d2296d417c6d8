"""Findings become problems: what was measured to be worse, and what is suspected."""

import types
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings, text
from helpers.plan import causes, note_subjects, parts
from helpers.plan.facts import Facts

OUTCOME = "sales"  # what the other problems lead to: it ranks after them
MOST_SUSPECTED = 3
SUSPECTED = {"zh": "（疑似）", "en": " (suspected)"}
PROBLEM_COLUMNS = [
    "rank",
    "problem",
    "zh",
    "en",
    "certainty",
    "dimension",
    "metric",
    "slice",
    "value",
    "baseline",
    "ci_lower",
    "ci_upper",
    "p_adjusted",
    "money_at_stake",
    "minute_from",
    "minute_to",
    "findings",
    "noted",
    "noted_by",
]
OF_PRODUCTS = ("click", "conversion", "sales")  # in which a product has its own figures
# Columns of notebook 04's standing, by those of a finding.
STANDING = {"value": "value", "baseline": "baseline", "ci_lower": "lower", "ci_upper": "upper"}


def _problem_of(metric: str, playbook: Mapping[str, reference.Problem]) -> str:
    return next(
        (name for name, problem in playbook.items() if metric in problem.metrics),
        f"metric:{metric}",
    )


def _with_problem(frame: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.DataFrame:
    of_metric = frame["metric"].map(lambda metric: _problem_of(metric, playbook)).astype("str")
    stated = frame.get("named", of_metric)
    return frame.assign(named=stated.where(stated.notna(), of_metric))


def _stands_alone(
    metric: str, playbook: Mapping[str, reference.Problem], registry: Mapping[str, reference.Metric]
) -> bool:
    """Totals that the playbook does not name only follow from people and rates."""
    total = metric in registry and registry[metric].denominator is None
    return not total or not _problem_of(metric, playbook).startswith("metric:")


def stages_overlap(problem: reference.Problem, stage: object) -> bool:
    """Whether a note's stage is one of a problem's; a note without a stage speaks of all."""
    return problem.stages == "all" or not isinstance(stage, str) or stage in problem.stages


def _notes_on(problem: reference.Problem, notes: pd.DataFrame) -> pd.DataFrame:
    same = notes[notes["dimension"] == problem.dimension]
    return same[np.array([stages_overlap(problem, stage) for stage in same["stage"]], dtype=bool)]


def suspicions(
    verdicts: pd.DataFrame,
    session: pd.Series,
    playbook: Mapping[str, reference.Problem],
    *,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """Metrics on the bad side that the history cannot tell from chance, where money hangs on them.

    One row per problem, shaped as a finding (id ""), by money at stake times (1 - p), largest
    first; only where half or more of ordinary sessions lie nearer to the baseline (p at most 0.5),
    and not for outcomes (sales). They become actions only where the records support a cause.
    `verdicts` is that of notebook 03.
    """
    if verdicts.empty:
        return findings.frame([])
    unsure = verdicts[verdicts["verdict"].eq("cannot_tell") & verdicts["p_value"].le(0.5)]
    unsure = unsure.reset_index(drop=True)
    money = compare.money_at_stake(unsure, session, registry)
    unsure = _with_problem(unsure.assign(money_at_stake=money), playbook)
    steps = [name for name, problem in playbook.items() if problem.dimension != OUTCOME]
    weighed = unsure.assign(weight=money * (1 - unsure["p_value"]))[unsure["named"].isin(steps)]
    first = weighed.dropna(subset=["weight"]).sort_values(
        ["weight", "metric"], ascending=[False, True]
    )
    shaped = first.drop_duplicates("named").rename(
        columns={"group": "dimension", "lower": "ci_lower", "upper": "ci_upper"}
    )
    shaped = shaped.assign(id="", slice="", notebook="03_compare")
    return shaped.reindex(columns=list(findings.COLUMNS)).astype(findings.COLUMNS)


def raised(
    playbook: Mapping[str, reference.Problem],
    facts: Facts,
    *,
    rules: Mapping[str, reference.Rule],
    severe: Mapping[str, note_subjects.Held] = types.MappingProxyType({}),
) -> pd.DataFrame:
    """Problems that no metric need show and the records raise (`raised_by`): one row per problem.

    Shaped as `suspicions`, `named` its id, `certainty` found where the record is the problem
    itself. They stand on the product or source that the rule names, with its verifying metric
    beside its own usual where notebook 04 has it. What a severe note says and the records bear out
    (`note_subjects.severe`) is a problem too.
    """
    rows = [
        {
            "named": name,
            "id": "",
            "notebook": "06_plan",
            "dimension": playbook[name].dimension,
            "metric": playbook[name].verify,
            "slice": "",
            "verdict": "cannot_tell",
            "certainty": "found",
        }
        for name in dict.fromkeys(acts.partition(".")[0] for acts in severe)
    ]
    for name, problem in playbook.items():
        evidence = problem.raised_by
        if evidence is None:
            continue
        weighed = causes.weigh(evidence, facts, rules[evidence.rule])
        if weighed["verdict"] != "supported":
            continue
        about = next(iter(parts.names(weighed["parts"]).items()), None)
        worth = float(weighed["worth"])
        rows.append(
            {
                "named": name,
                "id": "",
                "notebook": "02_funnel",
                "dimension": problem.dimension,
                "metric": problem.verify,
                "slice": _slice_named(*about) if about else "",
                "verdict": "cannot_tell",
                "certainty": "found" if problem.certain else "suspected",
                "money_at_stake": worth if problem.certain else np.nan,
                "p_adjusted": 0.0 if problem.certain else np.nan,
                **(_standing_of(facts, about[0], problem.verify) if about else {}),
            }
        )
    frame = pd.DataFrame(rows, columns=["named", "certainty", *findings.COLUMNS])
    frame = frame.drop_duplicates("named", keep="last", ignore_index=True)
    return frame.astype({"named": "str", "certainty": "str", **findings.COLUMNS})


def _slice_named(key: str, name: str) -> str:
    return name if key == name else f"{name} ({key})"


def _standing_of(facts: Facts, product: object, metric: str) -> dict[str, float]:
    standing = facts.table("standing")
    if standing is None:
        return {}
    rows = standing[standing["key"].eq(product) & standing["metric"].eq(metric)].head(1)
    return {name: float(value) for name, column in STANDING.items() for value in rows[column]}


def _slice_of(lead: pd.Series) -> str:
    of_part = isinstance(lead["slice"], str) and lead["slice"] not in findings.WHOLE
    return lead["slice"] if of_part else ""


def _titles(
    problem: reference.Problem | None, lead: pd.Series, registry: Mapping[str, reference.Metric]
) -> dict[str, str]:
    metric, slice = registry.get(lead["metric"]), _slice_of(lead)
    names = {"zh": lead["metric"], "en": lead["metric"]}
    if problem:
        names = {"zh": problem.zh, "en": problem.en}
    elif metric:
        names = {"zh": f"{metric.zh}变差", "en": f"{metric.en} got worse"}
    titles = {}
    for lang, name in names.items():
        part = text.plain(findings.slice_name(slice), 30) if slice else ""
        before = part + text.choose(lang, "：", ": ") if part else ""
        titles[lang] = before + name + SUSPECTED[lang] * (lead["certainty"] == "suspected")
    return titles


def problems(
    review_findings: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    notes: pd.DataFrame,
    *,
    suspected: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """Objective problems, the costliest and surest first: one row per problem of the playbook.

    Those that worse findings point to or a record is itself (certainty "found"), then up to
    `MOST_SUSPECTED` of `suspected` (`raised`, `suspicions`; certainty "suspected", without money,
    as they lie within the expected). Of several findings on one problem the session-wide and surest
    one gives the numbers. Ranked by money at stake times (1 - p_adjusted), then by p; outcomes
    (sales) last, as the others lead to them: amounts overlap and are never to be added. Columns
    `PROBLEM_COLUMNS`; a
    rate that the playbook does not know is a problem `metric:<id>`, such a total is none. noted and
    noted_by (roles) say whether a team note mentions it. A problem found on a source or product is
    named by it.
    """
    worse = review_findings[
        review_findings["verdict"].eq("worse") & review_findings["slice"].ne(findings.JUDGEMENT)
    ]
    alone = [_stands_alone(metric, playbook, registry) for metric in worse["metric"]]
    certain = _with_problem(worse[np.array(alone, dtype=bool)], playbook)
    hinted = _with_problem(suspected, playbook)
    hinted = hinted[~hinted["named"].isin(certain["named"])]
    recorded = hinted.get("certainty", pd.Series("", index=hinted.index)).eq("found")
    bad = pd.concat(
        [
            certain.assign(certainty="found"),
            hinted[recorded].assign(certainty="found"),
            hinted[~recorded].head(MOST_SUSPECTED).assign(certainty="suspected"),
        ],
        ignore_index=True,
    )
    rows = []
    for name, group in bad.groupby("named", sort=False):
        whole = group["slice"].fillna("").isin(findings.WHOLE)
        ordered = group.assign(whole=whole).sort_values(
            ["whole", "p_adjusted", "id"], ascending=[False, True, True]
        )
        lead, problem = ordered.iloc[0], playbook.get(name)
        notes_here = _notes_on(problem, notes) if problem else notes.head(0)
        money = group["money_at_stake"].max() if lead["certainty"] == "found" else np.nan
        rows.append(
            {
                **{column: lead[column] for column in PROBLEM_COLUMNS if column in lead.index},
                "problem": name,
                **_titles(problem, lead, registry),
                "dimension": problem.dimension if problem else lead["dimension"],
                "slice": _slice_of(lead),
                "money_at_stake": money,
                "minute_from": group["minute_from"].min(),
                "minute_to": group["minute_to"].max(),
                "findings": ",".join(id for id in ordered["id"] if id),
                "noted": len(notes_here) > 0,
                "noted_by": ",".join(sorted(set(notes_here["role"].dropna()))),
            }
        )
    return _ranked(pd.DataFrame(rows, columns=PROBLEM_COLUMNS))


def _ranked(rows: pd.DataFrame) -> pd.DataFrame:
    """Suspicions come ranked and stay behind."""
    unsure, p = rows["certainty"].eq("suspected"), rows["p_adjusted"].astype(float)
    weight = -rows["money_at_stake"].astype(float) * (1 - p.fillna(0.5))
    keys = {
        "unsure": unsure,
        "outcome": rows["dimension"].eq(OUTCOME),
        "weight": weight.mask(unsure, range(len(rows))),
        "p": p,
    }
    ordered = rows.assign(**keys).sort_values(
        [*keys, "problem"], na_position="last", kind="stable", ignore_index=True
    )
    return ordered[PROBLEM_COLUMNS].assign(rank=range(1, len(ordered) + 1))


def problem_figures(
    problem: pd.Series, registry: Mapping[str, reference.Metric], lang: str, currency: str
) -> str:
    """A problem's numbers in words: metric, value, baseline, and what was to be expected."""
    metric = registry.get(problem["metric"])
    if metric is None:
        return ""
    shown = {"decimals": metric.decimals, "currency": currency}
    value, baseline = (
        text.value(problem[name], metric.unit, lang, **shown) for name in ("value", "baseline")
    )
    words = f"{compare.label(metric, lang)} {value}"
    if problem["slice"]:
        part = text.plain(findings.slice_name(problem["slice"]), 40)
        words = text.choose(lang, f"{part}：{words}", f"{part}: {words}")
    if np.isfinite(problem["baseline"]):
        words += text.choose(lang, f"，平时 {baseline}", f", usually {baseline}")
        lower, upper = problem["ci_lower"], problem["ci_upper"]
        if np.isfinite([lower, upper]).all():
            bounds = text.interval(lower, upper, metric.unit, lang, **shown)
            words += text.choose(lang, f"（正常范围 {bounds}）", f" (normal range {bounds})")
    return words
