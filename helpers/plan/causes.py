"""Evidence for the causes of a problem: each rule of `rules.yml` measures one number in the session's records.

A cause is supported or not supported by its rule's bound, or not measurable because a record is
missing. None of this proves a cause: it says what the records speak for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import aftersales, reference, split
from helpers.aftersales import reasons, service
from helpers.core import text
from helpers.plan import parts

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
]
MINUTE = 60.0
RULE_DECIMALS = {"count": 0, "score": 1, "percent": 0}  # of what a rule measures, by its unit


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the rules read: the session's row, its canonical tables, results that notebooks saved, refunded lines.

    `tables` and `results` map names to frames (absent or empty: not there); `earlier` are the
    account's earlier sessions; `lines` are `aftersales.lines` of the session; times of cues are
    within the session. What they are called and how reasons are told apart stands in data/reference
    and, laid over it, in `workspace_reference`.
    """

    session: pd.Series
    tables: Mapping[str, pd.DataFrame]
    results: Mapping[str, pd.DataFrame]
    earlier: pd.DataFrame
    lines: pd.DataFrame
    as_of: pd.Timestamp
    workspace_reference: Path | None

    @classmethod
    def collect(
        cls,
        session: pd.Series,
        *,
        table: Callable[[str], pd.DataFrame],
        result: Callable[[str], pd.DataFrame],
        everything: Callable[[str], pd.DataFrame],
        earlier: pd.DataFrame,
        as_of: pd.Timestamp,
        workspace_reference: Path | None,
    ) -> Facts:
        """The facts of a session, its tables, results and account-wide tables asked for by name."""
        tables = {
            name: table(name)
            for name in (
                "cues",
                "rundown",
                "products",
                "traffic",
                "videos",
                "orders",
                "aftersales",
                "service",
                "minutes",
                "comments",
            )
        }
        results = {
            name: result(name)
            for name in ("source_split", "formula_split", "standing", "questions")
        } | {"products_beside": result("products")}
        lines = aftersales.lines(tables["orders"], tables["aftersales"], as_of=as_of)
        return cls(
            session,
            {**tables, "events": everything("events")},
            results,
            earlier,
            lines,
            as_of,
            workspace_reference,
        )

    @property
    def reasons(self) -> dict[str, reference.ReasonGroup]:
        return reference.reasons(self.workspace_reference)

    @property
    def registry(self) -> dict[str, reference.Metric]:
        return reference.registry(self.workspace_reference)

    def table(self, name: str) -> pd.DataFrame | None:
        """A table or saved result by name, or None where it has no rows."""
        found = self.tables.get(name, self.results.get(name))
        return None if found is None or found.empty else found

    @property
    def start(self) -> pd.Timestamp:
        return self.session["started_at"]

    @property
    def end(self) -> pd.Timestamp:
        """When the session ended; from its duration where the end is not given."""
        stated = self.session["ended_at"]
        return (
            stated
            if pd.notna(stated)
            else self.start
            + pd.Timedelta(seconds=float(np.nan_to_num(self.session["duration_seconds"])))
        )

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600


Measure = Callable[[Facts, reference.Evidence], float]


# --------------------------------------------------------------------------- the floor-control log


def _cues(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    cues = facts.tables["cues"]
    return cues[cues["kind"].isin(evidence.kind)].sort_values("at")


def stock_out_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """Minutes with a product at no stock, each product from its cue of 0 to its next cue with stock, delisting or the end."""
    cues = facts.tables["cues"]
    known = cues[cues["stock_after"].notna() | cues["kind"].eq("delist")].sort_values("at")
    if known["stock_after"].notna().sum() == 0:
        return np.nan
    until = known.groupby("product_id", dropna=False)["at"].shift(-1).fillna(facts.end)
    out = known["stock_after"].eq(0) & known["kind"].ne("delist")
    return float(
        (until[out].clip(upper=facts.end) - known["at"][out]).dt.total_seconds().clip(lower=0).sum()
        / MINUTE
    )


def prompts_per_hour(facts: Facts, evidence: reference.Evidence) -> float:
    """Cues of the kinds per hour of the session."""
    return len(_cues(facts, evidence)) / facts.hours if facts.hours > 0 else np.nan


def max_gap_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """The longest time without a cue of the kinds, start and end of the session included."""
    times = pd.Series(
        [facts.start, *_cues(facts, evidence)["at"].clip(facts.start, facts.end), facts.end]
    )
    return float(times.diff().dt.total_seconds().max() / MINUTE)


def kinds_used(facts: Facts, evidence: reference.Evidence) -> float:
    """How many of the kinds occur at all."""
    return float(_cues(facts, evidence)["kind"].nunique())


def cue_count(facts: Facts, evidence: reference.Evidence) -> float:
    """How many cues of the kinds there are."""
    return float(len(_cues(facts, evidence)))


def cue_delay_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """Mean minutes from planned to actual time over cues of the kinds that were planned; `nan` where none was."""
    cues = _cues(facts, evidence).dropna(subset=["planned_at"])
    return float(((cues["at"] - cues["planned_at"]).dt.total_seconds() / MINUTE).mean())


AFTER_CUE = 3  # minutes in which an activity is answered


def activity_comment_ratio(facts: Facts, evidence: reference.Evidence) -> float:
    """Comments per person online in the minutes after cues of the kinds, over those of all other minutes; `nan` without such cues."""
    minutes = facts.tables["minutes"]
    known = minutes[minutes["comments"].notna() & (minutes["online"] > 0)]
    after = pd.Series(False, index=known.index)
    for at in _cues(facts, evidence)["at"]:
        after |= (known["at"] >= at.floor("min")) & (
            known["at"] < at + pd.Timedelta(minutes=AFTER_CUE)
        )
    inside, outside = (known[part][["comments", "online"]].sum() for part in (after, ~after))
    both = inside["online"] > 0 and outside["comments"] > 0
    return (
        float(inside["comments"] / inside["online"] * outside["online"] / outside["comments"])
        if both
        else np.nan
    )


# ---------------------------------------------------------------------- rundown, products, traffic


def stage_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of the rundown's minutes given to the stage; a line without an end lasts until the next one."""
    plan = facts.tables["rundown"].sort_values("starts_at")
    ends = plan["ends_at"].fillna(plan["starts_at"].shift(-1)).fillna(facts.end)
    seconds = (ends - plan["starts_at"]).dt.total_seconds().clip(lower=0)
    return (
        float(seconds[plan["stage"] == evidence.stage].sum() / seconds.sum())
        if seconds.sum() > 0
        else np.nan
    )


def _product_rows(facts: Facts) -> pd.DataFrame:
    products = facts.tables["products"]
    return split.whole_products(products)


def unexplained_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of products with exposure that no cue says were explained; `nan` where explanations are not logged at all."""
    cues = facts.tables["cues"]
    explained = set(cues.loc[cues["kind"] == "explain_start", "product_id"].dropna())
    seen = _product_rows(facts).query("exposure_users > 0")["product_id"]
    return float((~seen.isin(explained)).mean()) if explained and len(seen) else np.nan


def tier_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of paid amount from products of the tier; `nan` where no product has a tier."""
    products = _product_rows(facts)
    known = products[products["tier"].notna()]
    total = known["paid_amount"].sum()
    return (
        float(known.loc[known["tier"] == evidence.tier, "paid_amount"].sum() / total)
        if total > 0
        else np.nan
    )


def paid_traffic_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of entries by source that come from paid sources: views where all sources have them, else viewers.

    People counted once per source may be counted in several, so this is a share of visits, not of
    people.
    """
    traffic = facts.tables["traffic"]
    column = "views" if traffic["views"].notna().all() else "viewers"
    total = traffic[column].sum()
    if total <= 0 or traffic["is_paid"].isna().all():
        return np.nan
    return float(traffic.loc[traffic["is_paid"].fillna(False), column].sum() / total)


def traffic_videos(facts: Facts, evidence: reference.Evidence) -> float:
    """How many videos led into the room."""
    return float(facts.tables["videos"]["title"].nunique())


# ------------------------------------------------------------------------------------ saved splits


def _share_of_falls(falls: pd.Series, part: float) -> float:
    """Share of all falls (effects below zero) that one part makes; 0 where it did not fall or nothing did."""
    total = -falls[falls < 0].sum()
    return float(max(-part, 0.0) / total) if total > 0 else 0.0


def source_mix_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all that drew room conversion down (the mix of sources, each source's own rate), the share of the mix.

    Falls are set against falls, so that the share says something when other sources rose at the
    same time.
    """
    split = facts.results["source_split"]
    mix = float(split["mix_effect"].sum())
    return _share_of_falls(pd.concat([split["rate_effect"], pd.Series([mix])]), mix)


def _organic_falls(facts: Facts) -> pd.DataFrame:
    """The organic sources that brought fewer visitors than at the baseline, the largest loss first: source, fall."""
    split, traffic = facts.results["source_split"], facts.tables["traffic"]
    paid = set(traffic.loc[traffic["is_paid"].fillna(False).astype(bool), "source"])
    falls = split.assign(fall=split["weight_before"] - split["weight_after"])
    return falls[(falls["fall"] > 0) & ~falls["source"].isin(paid)].sort_values(
        "fall", ascending=False
    )[["source", "fall"]]


def organic_fall_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all visitors that sources lost against the baseline, the share that organic ones lost; `nan` where paid and organic are not told apart."""
    split, traffic = facts.results["source_split"], facts.table("traffic")
    if traffic is None or traffic["is_paid"].isna().all():
        return np.nan
    lost = float((split["weight_before"] - split["weight_after"]).clip(lower=0).sum())
    return float(_organic_falls(facts)["fall"].sum() / lost) if lost > 0 else 0.0


def formula_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all steps of the formula that drew the paid amount down (LMDI), the share of this one; `nan` where it is no step."""
    split = facts.results["formula_split"]
    own = split.loc[split["factor"] == evidence.step, "contribution"]
    return _share_of_falls(split["contribution"], float(own.iloc[0])) if len(own) else np.nan


def _standing(facts: Facts, evidence: reference.Evidence, dimension: str) -> pd.DataFrame:
    """How the slices of a dimension stand by the rule's metrics, against their own usual standing (notebook 04)."""
    standing = facts.results["standing"]
    return standing[(standing["dimension"] == dimension) & standing["metric"].isin(evidence.metric)]


def _below_usual(facts: Facts, evidence: reference.Evidence, dimension: str) -> dict[str, str]:
    """The slices that do worse than usual: names by id."""
    rows = _standing(facts, evidence, dimension)
    return _names_by_id(rows[rows["verdict"] == "worse"], "key", "slice")


def _names_by_id(rows: pd.DataFrame, id: str, name: str) -> dict[str, str]:
    """Names by id in the order of the rows; what has no id goes by its name."""
    known = zip(rows[id].fillna(""), rows[name], strict=True)
    return {str(key or named): str(named) for key, named in known}


def _count_below(facts: Facts, evidence: reference.Evidence, dimension: str) -> float:
    return (
        float(len(_below_usual(facts, evidence, dimension)))
        if len(_standing(facts, evidence, dimension))
        else np.nan
    )


def worse_sources(facts: Facts, evidence: reference.Evidence) -> float:
    """How many sources do worse than their own usual standing; `nan` where sources could not be compared."""
    return _count_below(facts, evidence, "source")


def worse_products(facts: Facts, evidence: reference.Evidence) -> float:
    """How many products do worse than their own usual standing; `nan` where products could not be compared."""
    return _count_below(facts, evidence, "product_id")


def _asked(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    """Products that were asked about with the types of question more than the other products were (notebook 02), most people first."""
    found = facts.results["questions"]
    return found[
        found["question"].isin(evidence.question) & found["standing"].eq("above")
    ].sort_values("users", ascending=False)


def asked_about(facts: Facts, evidence: reference.Evidence) -> float:
    """People who asked a question of the types about the product that stands out most by it; 0 where none does."""
    if facts.table("questions") is None:
        return np.nan
    found = _asked(facts, evidence)
    return float(found["users"].max()) if len(found) else 0.0


# share of a product's questions of one type without a written reply, from which on nobody answered
UNANSWERED = 0.9


def unanswered(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    """What was asked about products and (almost) never answered in writing, of products that sell less than the session's others by those who click.

    Rows of `questions`, most people first; how products sell beside each other is that of notebook
    02's table (pay_standing).
    """
    asked, goods = facts.table("questions"), facts.table("products_beside")
    if asked is None or goods is None:
        return pd.DataFrame({"users": [], "product_id": [], "product": []})
    weak = goods.loc[goods["pay_standing"].eq("below"), "product_id"]
    found = asked[
        asked["question"].isin(evidence.question)
        & asked["product_id"].isin(weak)
        & (asked["unanswered_share"] >= UNANSWERED)
    ]
    return found.sort_values("users", ascending=False, kind="stable")


def unanswered_about(facts: Facts, evidence: reference.Evidence) -> float:
    """People who asked one thing about a product that sells below the others and got no written reply; `nan` where replies are not in the data."""
    if np.isnan(unanswered_share(facts, evidence)) or facts.table("products_beside") is None:
        return np.nan
    return float(max(unanswered(facts, evidence)["users"], default=0))


def unanswered_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of the viewers' questions without a written reply; `nan` where replies are not in the data."""
    asked = facts.table("questions")
    return (
        np.nan
        if asked is None or asked["unanswered"].isna().all()
        else float(asked["unanswered"].sum() / asked["comments"].sum())
    )


# ---------------------------------------------------------------------- events, hosts, after-sales


def event_count(facts: Facts, evidence: reference.Evidence) -> float:
    """Logged events of the kinds that overlap the session; `nan` where none is, though floor control's log says that it happened."""
    events = facts.tables["events"]
    ends = events["ends_at"].fillna(events["starts_at"])
    during = (events["starts_at"] <= facts.end) & (ends >= facts.start)
    logged = float((during & events["kind"].isin(evidence.kind)).sum())
    return np.nan if not logged and _seen_on_the_floor(facts, evidence) else logged


def _seen_on_the_floor(facts: Facts, evidence: reference.Evidence) -> list[str]:
    """The kinds of event that floor control's log shows: no stock left, a violation."""
    cues = facts.tables["cues"]
    shown = {
        "stock": bool(cues["stock_after"].eq(0).any()),
        "violation": bool(cues["kind"].eq("violation").any()),
    }
    return [kind for kind in evidence.kind if shown.get(kind)]


def host_sessions(facts: Facts, evidence: reference.Evidence) -> float:
    """Earlier sessions of the session's host; `nan` where no host is named or the account's own history is as short."""
    host = facts.session["host"]
    known = isinstance(host, str) and len(facts.earlier) > 2 * (evidence.at_most or 0)
    return float((facts.earlier["host"] == host).sum()) if known else np.nan


def reason_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of refunded lines with one of the reasons (or groups of reasons); `nan` under 30 refunded lines."""
    back = facts.lines[facts.lines["refunded"]]
    if len(back) < reasons.FEWEST_FOR_PARETO:
        return np.nan
    return float(
        reasons.classified(back["reason"], facts.reasons)
        .isin([*evidence.reason])
        .any(axis=1)
        .mean()
    )


def first_reply_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """Kaplan-Meier median minutes to the first reply, of cases or enquiries; `nan` where no reply times are recorded.

    A case that ended without a reply time was answered at a time that nobody logged: it is left
    out, and where such cases are half or more nothing can be said.
    """
    cases = facts.table(str(evidence.table))
    if cases is None or cases["first_reply_at"].isna().all():
        return np.nan
    ended = (
        cases[[name for name in ("closed_at", "refunded_at") if name in cases]].notna().any(axis=1)
    )
    unlogged = cases["first_reply_at"].isna() & ended
    if unlogged.mean() >= 0.5:
        return np.nan
    opened = "asked_at" if evidence.table == "aftersales" else "opened_at"
    return (
        service.first_response(cases[~unlogged], as_of=facts.as_of, opened=opened).median / MINUTE
    )


def late_shipping_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of lines with a promised time that were shipped after it, or were still not shipped when it had passed."""
    due = service.shipping(facts.tables["orders"], as_of=facts.as_of)
    return float(due["late_rate"].iloc[0]) if len(due) else np.nan


MEASURES: dict[str, Measure] = {
    measure.__name__: measure
    for measure in (
        activity_comment_ratio,
        asked_about,
        unanswered_about,
        unanswered_share,
        stock_out_minutes,
        prompts_per_hour,
        max_gap_minutes,
        kinds_used,
        cue_count,
        cue_delay_minutes,
        stage_share,
        unexplained_share,
        tier_share,
        paid_traffic_share,
        traffic_videos,
        source_mix_share,
        organic_fall_share,
        worse_sources,
        worse_products,
        formula_share,
        event_count,
        host_sessions,
        reason_share,
        first_reply_minutes,
        late_shipping_share,
    )
}


# ------------------------------------------------------------------------------------- the verdict


def stocked_out(facts: Facts) -> dict[str, str]:
    """The products whose stock was logged as 0: names (else ids) by id."""
    names = (
        _product_rows(facts).drop_duplicates("product_id").set_index("product_id")["name"].dropna()
    )
    cues = facts.tables["cues"]
    gone = cues.loc[cues["stock_after"].eq(0), "product_id"].dropna().unique()
    return {str(product): str(names.get(product, product)) for product in gone}


def _grown_and_poorer(facts: Facts) -> dict[str, str]:
    """Sources that take a larger share than at the baseline and draw conversion down by it, the worst first."""
    split = facts.results["source_split"]
    grown = split[(split["share_after"] > split["share_before"]) & (split["mix_effect"] < 0)]
    return _names_by_id(grown.sort_values("mix_effect").head(2), "source", "source")


# What a rule found, names by id, beside its number.
FOUND: dict[str, Callable[[Facts, reference.Evidence], dict[str, str]]] = {
    "worse_sources": lambda facts, evidence: _below_usual(facts, evidence, "source"),
    "worse_products": lambda facts, evidence: _below_usual(facts, evidence, "product_id"),
    "stock_out_minutes": lambda facts, evidence: stocked_out(facts),
    "unanswered_about": lambda facts, evidence: _names_by_id(
        unanswered(facts, evidence).head(1), "product_id", "product"
    ),
    "asked_about": lambda facts, evidence: _names_by_id(
        _asked(facts, evidence), "product_id", "product"
    ),
    "source_mix_share": lambda facts, evidence: _grown_and_poorer(facts),
    "organic_fall_share": lambda facts, evidence: _names_by_id(
        _organic_falls(facts).head(1), "source", "source"
    ),
}


def _named(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """What the rule looks at, in words: kinds of cue, the stage, the tier, the reasons."""
    terms, groups = reference.terms(), facts.reasons
    labels = {
        **terms["cue_kind"],
        **terms["event_kind"],
        **groups,
        **{k: v for group in groups.values() for k, v in group.reasons.items()},
    }
    names = [
        text.label(labels[name], lang)
        for name in [*evidence.kind, *evidence.reason]
        if name in labels
    ]
    names += [
        text.label(reference.talk(facts.workspace_reference).questions[name], lang)
        for name in evidence.question
    ]
    names += [
        text.label(terms[group][name], lang)
        for group, name in (("stage", evidence.stage), ("tier", evidence.tier))
        if name
    ]
    names += [
        text.label(facts.registry[name], lang)
        for name in [*evidence.metric, *filter(None, [evidence.step])]
    ]
    if evidence.table:
        names.append(text.label(reference.tables()[evidence.table], lang))
    return text.choose(lang, "、", ", ").join(names)


STANDING = {
    "worse_sources": ("source", "来源", "source"),
    "worse_products": ("product_id", "商品", "product"),
}


def _standing_shown(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """Which slices do worse than usual and by which metrics; where none does, which metrics were looked at."""
    dimension, zh, en = STANDING[evidence.rule]
    rows = _standing(facts, evidence, dimension)
    worse, labels, joined = (
        rows[rows["verdict"] == "worse"],
        facts.registry,
        text.choose(lang, "、", ", "),
    )
    if worse.empty:
        looked = joined.join(text.label(labels[name], lang) for name in evidence.metric)
        return text.choose(
            lang,
            f"没有{zh}明显差于自己平时（看的是{looked}）",
            f"no {en} is clearly worse than its own usual standing ({looked})",
        )
    parts = []
    for _, group in list(worse.groupby("key", sort=False))[:3]:
        name = group["slice"].iloc[0]
        by = joined.join(text.label(labels[metric], lang) for metric in group["metric"])
        parts.append(
            text.choose(
                lang,
                f"「{text.plain(name, 30)}」差于自己平时：{by}",
                f"{text.plain(name, 30)} is worse than usual by {by}",
            )
        )
    return text.choose(lang, "；", "; ").join(parts)


def _unanswered_shown(row: pd.Series, lang: str) -> str:
    """Who asked what, an example, how many comments got no reply, and how the product sold."""
    name, counts = (
        text.plain(row["product"], 30),
        [text.number(row[column], lang) for column in ("users", "comments", "unanswered")],
    )
    asked = text.choose(lang, row["question_zh"], str(row["question_en"]).lower())
    return text.choose(
        lang,
        (
            f"「{name}」有 {counts[0]} 人问{asked}（例：「{row['example']}」），{counts[1]} 条里 "
            f"{counts[2]} 条没有文字答复；点击后成交低于本场其他商品"
        ),
        (
            f"{name}: {counts[0]} people asked about {asked} (for example “{row['example']}”), "
            f"{counts[2]} of {counts[1]} comments got no written answer; of those who click fewer "
            "buy "
            "than of the session's other products"
        ),
    )


def _found(measured: float, evidence: reference.Evidence, facts: Facts) -> dict[str, str]:
    """What the rule found, at most three: names by id, cut to be shown; nothing where it found nothing."""
    if evidence.rule not in FOUND or not measured > 0:
        return {}
    names = list(FOUND[evidence.rule](facts, evidence).items())[:3]
    return {key: text.plain(name, 30) for key, name in names}


def _shown(
    measured: float,
    evidence: reference.Evidence,
    rule: reference.Rule,
    facts: Facts,
    names: list[str],
    lang: str,
) -> str:
    """The measurement in words: "follow prompt: times per hour 2.3 (a problem at 4 or less)", then what was found by name."""
    if evidence.rule in STANDING:
        return _standing_shown(evidence, facts, lang)
    if evidence.rule == "unanswered_about" and measured > 0:
        return _unanswered_shown(unanswered(facts, evidence).iloc[0], lang)
    about = _named(evidence, facts, lang)
    listed = (
        text.choose(lang, "：", ": ") + text.choose(lang, "、", ", ").join(names) if names else ""
    )
    low = evidence.at_least is not None
    decimals = RULE_DECIMALS[rule.unit]
    none = (
        text.choose(
            lang, "尚无（半数以上还没有响应）", "none yet (more than half have had no reply)"
        )
        if measured > 0
        else text.NOTHING
    )
    shown = (
        text.value(measured, rule.unit, lang, decimals=decimals) if np.isfinite(measured) else none
    )
    edge = text.value(
        evidence.bound,
        rule.unit,
        lang,
        decimals=0 if float(evidence.bound).is_integer() else decimals,
    )
    colon = text.choose(lang, "：", ": ")
    said = (
        text.choose(lang, f"（从 {edge} 起算作问题）", f" (a problem at {edge} or more)")
        if low
        else text.choose(lang, f"（不超过 {edge} 算作问题）", f" (a problem at {edge} or less)")
    )
    return f"{about + colon if about else ''}{text.label(rule, lang)} {shown}{said}{listed}"


def _missing(rule: reference.Rule, evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """What a rule lacks: records that are not there, or what is not in those that are."""
    lacking, tables = (
        _lacking([*rule.needs, *([evidence.table] if evidence.table else [])], facts),
        reference.tables(),
    )
    if not lacking:
        return _not_in_them(evidence, facts, lang)
    names = [
        text.label(tables[name], lang)
        if name in tables
        else text.choose(lang, "拆分结果（04）", "the split (notebook 04)")
        for name in lacking
    ]
    return text.choose(lang, "、", ", ").join(dict.fromkeys(names))


def _lacking(needs: Iterable[str], facts: Facts) -> list[str]:
    """The tables of those needed that are not there; there are always sessions."""
    return [name for name in needs if name != "sessions" and facts.table(name) is None]


# The column that a rule reads, of the table that may be there without it.
READS = {
    "activity_comment_ratio": ("minutes", "comments"),
    "asked_about": ("comments", "text"),
    "unanswered_about": ("comments", "speaker"),
    "unanswered_share": ("comments", "speaker"),
    "stock_out_minutes": ("cues", "stock_after"),
    "cue_delay_minutes": ("cues", "planned_at"),
    "stage_share": ("rundown", "ends_at"),
    "tier_share": ("products", "tier"),
    "paid_traffic_share": ("traffic", "is_paid"),
    "organic_fall_share": ("traffic", "is_paid"),
    "late_shipping_share": ("orders", "promised_at"),
    "host_sessions": ("sessions", "host"),
}


def _not_in_them(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """What the tables that a rule reads do not say: a column without values, too few rows, an event not entered."""
    tables, terms = reference.tables(), reference.terms()
    if evidence.rule == "reason_share":
        known, fewest = int(facts.lines["refunded"].sum()), reasons.FEWEST_FOR_PARETO
        return text.choose(
            lang,
            f"退款订单只有 {known} 条，满 {fewest} 条才看原因占比",
            f"only {known} refunded lines; shares of reasons need {fewest}",
        )
    if evidence.rule == "event_count":
        kinds = text.choose(lang, "、", ", ").join(
            text.label(terms["event_kind"][kind], lang)
            for kind in _seen_on_the_floor(facts, evidence)
        )
        return text.choose(
            lang,
            f"事件表没有登记，场控记录里却有：{kinds}",
            f"not entered in the event log, though the floor-control log has it: {kinds}",
        )
    if evidence.rule == "unexplained_share":
        return text.choose(
            lang, "场控记录里的「开始讲解」", "start of explanations in the floor-control log"
        )
    if (
        evidence.rule == "late_shipping_share"
        and facts.tables["orders"]["promised_at"].notna().any()
    ):
        return text.label(reference.service(facts.workspace_reference).tasks["shipped"].none, lang)
    if evidence.rule == "host_sessions" and isinstance(facts.session["host"], str):
        return text.choose(lang, "可比的历史场次不够", "too few comparable sessions")
    table, column = (
        ("aftersales" if evidence.table is None else evidence.table, "first_reply_at")
        if evidence.rule == "first_reply_minutes"
        else READS.get(evidence.rule, ("", ""))
    )
    if not table:
        return text.choose(lang, "可比的历史场次不够", "too few comparable sessions")
    return text.choose(
        lang,
        (
            f"{text.label(tables[table], lang)}里的「"
            f"{text.label(tables[table].columns[column], lang)}"
            "」"
        ),
        f"{text.label(tables[table].columns[column], lang)} in {text.label(tables[table], lang)}",
    )


def measure(evidence: reference.Evidence, facts: Facts, rule: reference.Rule) -> float:
    """The number that a rule measures; `nan` where a table it needs is absent or says nothing about it."""
    if _lacking(rule.needs, facts):
        return np.nan
    return float(MEASURES[evidence.rule](facts, evidence))


def verdict(measured: float, evidence: reference.Evidence) -> str:
    """supported where the number reaches the bound, not_supported where not, not_measurable where there is none."""
    if np.isnan(measured):
        return "not_measurable"
    reached = (
        measured >= evidence.at_least
        if evidence.at_least is not None
        else measured <= evidence.at_most
    )
    return "supported" if reached else "not_supported"


def stage_of(problem: reference.Problem, cause: reference.Cause | None = None) -> str:
    """When an action is done: as the cause says, else as its problem does, else in the first of the problem's stages."""
    said = (cause.stage if cause else None) or problem.stage
    return said or ("before" if problem.stages == "all" else problem.stages[0])


def weigh(evidence: reference.Evidence, facts: Facts, rule: reference.Rule) -> dict[str, object]:
    """What the records say to one rule: verdict, measured, bound, and in both languages the measurement or the record that is missing.

    Keys: verdict, measured, bound, evidence_zh, evidence_en, missing_zh, missing_en, about and
    parts (what the rule found: in words, and as `parts.packed`).
    """
    measured = measure(evidence, facts, rule)
    known, found = not np.isnan(measured), _found(measured, evidence, facts)
    names = list(found.values())
    made: dict[str, object] = {
        "verdict": verdict(measured, evidence),
        "measured": measured,
        "bound": evidence.bound,
        "about": "、".join(names),
        "parts": parts.packed(found),
    }
    for lang in ("zh", "en"):
        made[f"evidence_{lang}"] = (
            _shown(measured, evidence, rule, facts, names, lang) if known else ""
        )
        made[f"missing_{lang}"] = "" if known else _missing(rule, evidence, facts, lang)
    return made


def judge(
    problem_id: str,
    problem: reference.Problem,
    facts: Facts,
    *,
    rules: Mapping[str, reference.Rule],
) -> pd.DataFrame:
    """The likely causes of one problem and what the records say: one row per cause, supported ones first.

    Columns `COLUMNS`: problem and cause (ids), zh, en, verdict, measured, bound, evidence_zh and
    evidence_en (what was measured), missing_zh and missing_en (which record would make it
    measurable), role, action_zh, action_en, about and parts (the sources or products that the rule
    found: in words, and as `parts.packed`), stage (when the action is done, `run_stage` of terms.yml), rule (that measured it).
    """
    rows = []
    for cause in problem.causes:
        action = cause.action or problem.action
        row = {
            "problem": problem_id,
            "cause": cause.id,
            "zh": cause.zh,
            "en": cause.en,
            "role": cause.role or problem.people[0],
            "action_zh": action.zh,
            "action_en": action.en,
            "verdict": "not_measurable",
            "measured": np.nan,
            "bound": np.nan,
            "evidence_zh": "",
            "evidence_en": "",
            "missing_zh": "",
            "missing_en": "",
            "about": "",
            "parts": "",
            "stage": stage_of(problem, cause),
            "rule": cause.evidence.rule if cause.evidence else "",
        }
        if cause.evidence is None:
            zh, _, en = str(cause.export).partition(" / ")
            row |= {"missing_zh": zh, "missing_en": en or zh}
        else:
            row |= weigh(cause.evidence, facts, rules[cause.evidence.rule])
        rows.append(row)
    made = pd.DataFrame(rows, columns=COLUMNS)
    return made.sort_values(
        "verdict", key=lambda column: column.map(VERDICTS.index), kind="stable", ignore_index=True
    )
