"""Findings become problems: what was measured to be worse, what is suspected, and what the team noted of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings, text
from helpers.plan import causes

# amounts at the end of the chain: what the other problems lead to, so it ranks after them
OUTCOME = "sales"
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
OF_PRODUCTS = (
    "click",
    "conversion",
    "sales",
)  # dimensions in which a product has figures of its own


def _problem_of(metric: str, playbook: Mapping[str, reference.Problem]) -> str:
    """The playbook problem that a metric speaks of; `metric:<id>` where there is none."""
    return next(
        (name for name, problem in playbook.items() if metric in problem.metrics),
        f"metric:{metric}",
    )


def _named(frame: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.Series:
    """The problem that each finding speaks of: the one it names, else that of its metric."""
    own = frame["metric"].map(lambda metric: _problem_of(metric, playbook)).astype("str")
    return frame["named"].where(frame["named"].notna(), own) if "named" in frame else own


def _stands_alone(
    metric: str, playbook: Mapping[str, reference.Problem], registry: Mapping[str, reference.Metric]
) -> bool:
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
    verdicts: pd.DataFrame,
    session: pd.Series,
    playbook: Mapping[str, reference.Problem],
    *,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """Metrics on the bad side of their baseline that the history cannot tell from chance, where money hangs on them.

    One row per such problem shaped as a finding (id ""), by money at stake times (1 - p), largest
    first; only where half or more of ordinary sessions lie nearer to the baseline (p at most 0.5),
    and not for outcomes (sales). They are no findings: they say where to look, and become actions
    only where the records support a cause. `verdicts` is that of notebook 03.
    """
    if verdicts.empty:
        return findings.frame([])
    unsure = verdicts[
        (verdicts["verdict"] == "cannot_tell") & (verdicts["p_value"] <= 0.5)
    ].reset_index(drop=True)
    money = compare.money_at_stake(unsure, session, registry)
    made = unsure.assign(money_at_stake=money, weight=money * (1 - unsure["p_value"])).dropna(
        subset=["weight"]
    )
    named = made["metric"].map(lambda metric: _problem_of(metric, playbook))
    steps = named.map(lambda name: name in playbook and playbook[name].dimension != OUTCOME).astype(
        bool
    )
    made = (
        made.assign(named=named)[steps]
        .sort_values(["weight", "metric"], ascending=[False, True])
        .drop_duplicates("named")
    )
    shaped = made.rename(
        columns={"group": "dimension", "lower": "ci_lower", "upper": "ci_upper"}
    ).assign(id="", slice="", notebook="03_compare")
    return shaped.reindex(columns=list(findings.COLUMNS)).astype(findings.COLUMNS)


def raised(
    playbook: Mapping[str, reference.Problem],
    facts: causes.Facts,
    *,
    rules: Mapping[str, reference.Rule],
) -> pd.DataFrame:
    """Problems that no metric shows and the records raise (`raised_by`): one row per problem, shaped as `suspicions`, `named` its id.

    They stand on the product that the rule names, with its verifying metric beside its own usual
    where notebook 04 has it.
    """
    rows = []
    for name, problem in playbook.items():
        evidence = problem.raised_by
        if (
            evidence is None
            or causes.verdict(causes.measure(evidence, facts, rules[evidence.rule]), evidence)
            != "supported"
        ):
            continue
        about = causes.unanswered(facts, evidence).iloc[0]
        rows.append(
            {
                "named": name,
                "id": "",
                "notebook": "02_funnel",
                "dimension": problem.dimension,
                "metric": problem.verify,
                "slice": f"{about['product']} ({about['product_id']})",
                "verdict": "cannot_tell",
                **_own_standing(facts, about["product_id"], problem.verify),
            }
        )
    made = pd.DataFrame(rows, columns=["named", *findings.COLUMNS])
    return made.astype({"named": "str", **findings.COLUMNS})


def _own_standing(facts: causes.Facts, product: object, metric: str) -> dict[str, float]:
    """A product's own value of a metric and its usual, as notebook 04 set them side by side; nothing where it did not."""
    standing = facts.table("standing")
    rows = (
        standing[standing["key"].eq(product) & standing["metric"].eq(metric)]
        if standing is not None
        else pd.DataFrame()
    )
    names = {"value": "value", "baseline": "baseline", "lower": "ci_lower", "upper": "ci_upper"}
    return {own: float(rows.iloc[0][name]) for name, own in names.items()} if len(rows) else {}


def _titles(
    problem: reference.Problem | None, lead: pd.Series, registry: Mapping[str, reference.Metric]
) -> dict[str, str]:
    """What a problem is called: the source or product that it was found on, the playbook's name, and that it is only suspected."""
    metric, whole = (
        registry.get(lead["metric"]),
        not isinstance(lead["slice"], str) or lead["slice"] in findings.WHOLE,
    )
    named = (
        {"zh": problem.zh, "en": problem.en}
        if problem
        else {"zh": f"{metric.zh}变差", "en": f"{metric.en} got worse"}
        if metric
        else {"zh": lead["metric"], "en": lead["metric"]}
    )
    part = "" if whole or not lead["slice"] else text.plain(findings.slice_name(lead["slice"]), 30)
    return {
        lang: (part + text.choose(lang, "：", ": ") if part else "")
        + named[lang]
        + SUSPECTED[lang] * (lead["certainty"] == "suspected")
        for lang in ("zh", "en")
    }


def problems(
    found: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    notes: pd.DataFrame,
    *,
    suspected: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """Objective problems, the costliest and surest first: one row per playbook problem that a worse finding points to.

    After them up to `MOST_SUSPECTED` of `suspected` (`raised`, `suspicions`), certainty "suspected"
    instead of "found". Of several findings on one problem the session-wide and surest one gives the
    numbers. Ranked by money at stake times certainty (1 - p_adjusted), then by p; problems of the
    outcome (sales) come last, as the others lead to them: the amounts overlap and are never to be
    added. Columns `PROBLEM_COLUMNS`; a rate that the playbook does not know is a problem
    `metric:<id>` of its own, a total that it does not know is none. noted and noted_by (roles) say
    whether a team note mentions it. A problem found on a source or product is named by it. A
    suspected one carries no money: it lies within the expected.
    """
    worse = found[(found["verdict"] == "worse") & (found["slice"] != findings.JUDGEMENT)]
    alone = np.array(
        [_stands_alone(metric, playbook, registry) for metric in worse["metric"]], dtype=bool
    )
    certain, rows = worse[alone], []
    certain, suspected = (
        frame.assign(named=_named(frame, playbook)) for frame in (certain, suspected)
    )
    hinted = suspected[~suspected["named"].isin(certain["named"])].head(MOST_SUSPECTED)
    bad = pd.concat(
        [certain.assign(certainty="found"), hinted.assign(certainty="suspected")], ignore_index=True
    )
    for name, group in bad.groupby("named", sort=False):
        ordered = group.assign(whole=group["slice"].fillna("").isin(findings.WHOLE)).sort_values(
            ["whole", "p_adjusted", "id"], ascending=[False, True, True]
        )
        lead, problem = ordered.iloc[0], playbook.get(name)
        notes_here = _notes_on(problem, notes) if problem else notes.head(0)
        rows.append(
            {
                **{key: lead[key] for key in PROBLEM_COLUMNS if key in lead.index},
                "problem": name,
                **_titles(problem, lead, registry),
                "dimension": problem.dimension if problem else lead["dimension"],
                "slice": ""
                if lead["slice"] in findings.WHOLE or not isinstance(lead["slice"], str)
                else lead["slice"],
                "money_at_stake": group["money_at_stake"].max()
                if lead["certainty"] == "found"
                else np.nan,
                "minute_from": group["minute_from"].min(),
                "minute_to": group["minute_to"].max(),
                "findings": ",".join(name for name in ordered["id"] if name),
                "noted": len(notes_here) > 0,
                "noted_by": ",".join(sorted(set(notes_here["role"].dropna()))),
            }
        )
    made = pd.DataFrame(rows, columns=PROBLEM_COLUMNS)
    sure, unsure = (
        1 - made["p_adjusted"].astype(float).fillna(0.5),
        made["certainty"].eq("suspected"),
    )
    weight = (-made["money_at_stake"].astype(float) * sure).mask(
        unsure, range(len(made))
    )  # suspicions come ranked
    keyed = made.assign(
        unsure=unsure,
        outcome=made["dimension"].eq(OUTCOME),
        weight=weight,
        p=made["p_adjusted"].astype(float),
    ).sort_values(
        ["unsure", "outcome", "weight", "p", "problem"], na_position="last", kind="stable"
    )
    return keyed[PROBLEM_COLUMNS].assign(rank=range(1, len(keyed) + 1)).reset_index(drop=True)
