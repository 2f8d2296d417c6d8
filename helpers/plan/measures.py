"""The numbers that rules of evidence (`rules.yml`) measure in a session's records.

A measure is `nan` where the records do not say; that is no evidence either way.
"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from helpers import reference, split
from helpers.aftersales import reasons, service
from helpers.plan import own_past
from helpers.plan.facts import Facts

MINUTE = 60.0
AFTER_CUE = 3  # minutes in which an activity is answered
UNANSWERED = 0.9  # share without a written reply from which on nobody answered
Measure = Callable[[Facts, reference.Evidence], float]


def _cues(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    cues = facts.tables["cues"]
    return cues[cues["kind"].isin(evidence.kind)].sort_values("at")


def out_spans(facts: Facts) -> pd.DataFrame:
    """When each product had no stock: product_id, begins, until, minutes.

    From each cue of 0 to the product's next cue with stock, its delisting or the end.
    """
    cues = facts.tables["cues"]
    stock = cues[cues["stock_after"].notna() | cues["kind"].eq("delist")].sort_values("at")
    until = stock.groupby("product_id", dropna=False)["at"].shift(-1).fillna(facts.end)
    out = stock["stock_after"].eq(0) & stock["kind"].ne("delist")
    spans = pd.DataFrame(
        {
            "product_id": stock.loc[out, "product_id"],
            "begins": stock.loc[out, "at"],
            "until": until[out].clip(upper=facts.end),
        }
    )
    lasted = (spans["until"] - spans["begins"]).dt.total_seconds().clip(lower=0)
    return spans.assign(minutes=lasted / MINUTE)


def stock_out_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """Minutes with a product at no stock, summed over products."""
    if facts.tables["cues"]["stock_after"].notna().sum() == 0:
        return np.nan
    return float(out_spans(facts)["minutes"].sum())


def prompts_per_hour(facts: Facts, evidence: reference.Evidence) -> float:
    """Cues of the kinds per hour of the session."""
    return len(_cues(facts, evidence)) / facts.hours if facts.hours > 0 else np.nan


def max_gap_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """The longest time without a cue of the kinds, start and end of the session included."""
    within = _cues(facts, evidence)["at"].clip(facts.start, facts.end)
    times = pd.Series([facts.start, *within, facts.end])
    return float(times.diff().dt.total_seconds().max() / MINUTE)


def kinds_used(facts: Facts, evidence: reference.Evidence) -> float:
    """How many of the kinds occur at all."""
    return float(_cues(facts, evidence)["kind"].nunique())


def cue_count(facts: Facts, evidence: reference.Evidence) -> float:
    """How many cues of the kinds there are."""
    return float(len(_cues(facts, evidence)))


def cue_delay_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """Mean minutes from planned to actual time, over cues of the kinds that were planned."""
    cues = _cues(facts, evidence).dropna(subset=["planned_at"])
    return float(((cues["at"] - cues["planned_at"]).dt.total_seconds() / MINUTE).mean())


def activity_comment_ratio(facts: Facts, evidence: reference.Evidence) -> float:
    """Comments per person online in the minutes after cues of the kinds, over all other minutes."""
    minutes = facts.tables["minutes"]
    minutes = minutes[minutes["comments"].notna() & (minutes["online"] > 0)]
    at, after = minutes["at"], pd.Series(False, index=minutes.index)
    for cue in _cues(facts, evidence)["at"]:
        after |= (at >= cue.floor("min")) & (at < cue + pd.Timedelta(minutes=AFTER_CUE))
    inside, outside = (minutes[part][["comments", "online"]].sum() for part in (after, ~after))
    if not inside["online"] > 0 or not outside["comments"] > 0:
        return np.nan
    return float(inside["comments"] / inside["online"] * outside["online"] / outside["comments"])


def stage_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of the rundown's minutes given to the stage.

    A line without an end lasts until the next one.
    """
    plan = facts.tables["rundown"].sort_values("starts_at")
    ends = plan["ends_at"].fillna(plan["starts_at"].shift(-1)).fillna(facts.end)
    seconds = (ends - plan["starts_at"]).dt.total_seconds().clip(lower=0)
    if not seconds.sum() > 0:
        return np.nan
    return float(seconds[plan["stage"] == evidence.stage].sum() / seconds.sum())


def _product_rows(facts: Facts) -> pd.DataFrame:
    return split.whole_products(facts.tables["products"])


def unexplained_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of products with exposure that no cue says were explained."""
    cues = facts.tables["cues"]
    explained = set(cues.loc[cues["kind"] == "explain_start", "product_id"].dropna())
    exposed = _product_rows(facts).query("exposure_users > 0")["product_id"]
    return float((~exposed.isin(explained)).mean()) if explained and len(exposed) else np.nan


def tier_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of paid amount from products of the tier."""
    products = _product_rows(facts).dropna(subset=["tier"])
    total = products["paid_amount"].sum()
    of_tier = products.loc[products["tier"] == evidence.tier, "paid_amount"].sum()
    return float(of_tier / total) if total > 0 else np.nan


def paid_traffic_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of entries by source that come from paid sources.

    Views where all sources have them, else viewers: a person may count in several sources, so this
    is a share of visits, not of people.
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


def _share_of_falls(falls: pd.Series, part: float) -> float:
    """Share of all falls that one part makes, 0 where it did not fall."""
    total = -falls[falls < 0].sum()
    return float(max(-part, 0.0) / total) if total > 0 else 0.0


def source_mix_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all that drew room conversion down, the share of the mix of sources.

    The rest is each source's own rate. Set against falls alone, it says something when other
    sources rose at the same time.
    """
    split = facts.results["source_split"]
    mix = float(split["mix_effect"].sum())
    grown = list(_grown_and_poorer(facts))[:1]
    if grown and not own_past.of_kind(pd.Series(grown), facts, evidence).all():
        return 0.0
    return _share_of_falls(pd.concat([split["rate_effect"], pd.Series([mix])]), mix)


def _organic_falls(facts: Facts) -> pd.DataFrame:
    split, traffic = facts.results["source_split"], facts.tables["traffic"]
    paid = set(traffic.loc[traffic["is_paid"].fillna(False).astype(bool), "source"])
    falls = split.assign(fall=split["weight_before"] - split["weight_after"])
    organic = falls[(falls["fall"] > 0) & ~falls["source"].isin(paid)]
    return organic.sort_values("fall", ascending=False)[["source", "fall"]]


def organic_fall_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all visitors that sources lost against the baseline, the share that organic ones lost."""
    split, traffic = facts.results["source_split"], facts.table("traffic")
    if traffic is None or traffic["is_paid"].isna().all():
        return np.nan
    lost = float((split["weight_before"] - split["weight_after"]).clip(lower=0).sum())
    return float(_organic_falls(facts)["fall"].sum() / lost) if lost > 0 else 0.0


def organic_step_fall(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all visitors lost, the share that organic sources lost, where it is this step that fell.

    `nan` where the step of the source that lost most cannot be told.
    """
    share = organic_fall_share(facts, evidence)
    top = _organic_falls(facts)["source"].head(1)
    step = own_past.step_that_fell(top.iloc[0], facts) if len(top) and share > 0 else ""
    if np.isfinite(share) and share > 0 and not step:
        return np.nan
    return share if step == evidence.step else 0.0


def formula_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Of all steps of the formula that drew the paid amount down (LMDI), the share of this one."""
    split = facts.results["formula_split"]
    step = split.loc[split["factor"] == evidence.step, "contribution"]
    return _share_of_falls(split["contribution"], float(step.iloc[0])) if len(step) else np.nan


def standing_rows(facts: Facts, evidence: reference.Evidence, dimension: str) -> pd.DataFrame:
    """How the slices of a dimension stand by the rule's metrics against their own usual (04)."""
    standing = facts.results["standing"]
    rows = standing[(standing["dimension"] == dimension) & standing["metric"].isin(evidence.metric)]
    if dimension != "source":
        return rows
    return rows[own_past.of_kind(rows["key"], facts, evidence).to_numpy(dtype=bool)]


def _below_usual(facts: Facts, evidence: reference.Evidence, dimension: str) -> dict[str, str]:
    rows = standing_rows(facts, evidence, dimension)
    return _names_by_id(rows[rows["verdict"] == "worse"], "key", "slice")


def _names_by_id(rows: pd.DataFrame, id: str, name: str) -> dict[str, str]:
    """What has no id goes by its name."""
    pairs = zip(rows[id].fillna(""), rows[name], strict=True)
    return {str(key or label): str(label) for key, label in pairs}


def _count_below(facts: Facts, evidence: reference.Evidence, dimension: str) -> float:
    compared = len(standing_rows(facts, evidence, dimension)) > 0
    return float(len(_below_usual(facts, evidence, dimension))) if compared else np.nan


def worse_sources(facts: Facts, evidence: reference.Evidence) -> float:
    """How many sources do worse than their own usual standing."""
    return _count_below(facts, evidence, "source")


def worse_products(facts: Facts, evidence: reference.Evidence) -> float:
    """How many products do worse than their own usual standing."""
    return _count_below(facts, evidence, "product_id")


def _asked(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    questions = facts.results["questions"]
    above = questions["question"].isin(evidence.question) & questions["standing"].eq("above")
    return questions[above].sort_values("users", ascending=False)


def asked_about(facts: Facts, evidence: reference.Evidence) -> float:
    """People who asked a question of the types about the product that stands out most by it."""
    if facts.table("questions") is None:
        return np.nan
    return float(max(_asked(facts, evidence)["users"], default=0))


def unanswered(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    """What was asked about products that sell less than the others, and (almost) never answered.

    Rows of `questions`, most people first. Answers are those in writing; sales to those who click
    are set side by side in notebook 02 (pay_standing).
    """
    asked, goods = facts.table("questions"), facts.table("products_beside")
    if asked is None or goods is None:
        return pd.DataFrame({"users": [], "product_id": [], "product": []})
    weak = goods.loc[goods["pay_standing"].eq("below"), "product_id"]
    of_weak = asked["question"].isin(evidence.question) & asked["product_id"].isin(weak)
    open_ones = asked[of_weak & (asked["unanswered_share"] >= UNANSWERED)]
    return open_ones.sort_values("users", ascending=False, kind="stable")


def unanswered_about(facts: Facts, evidence: reference.Evidence) -> float:
    """People who asked one thing about a product that sells below the others and got no reply."""
    if np.isnan(unanswered_share(facts, evidence)) or facts.table("products_beside") is None:
        return np.nan
    return float(max(unanswered(facts, evidence)["users"], default=0))


def unanswered_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of the viewers' questions without a written reply."""
    asked = facts.table("questions")
    if asked is None or asked["unanswered"].isna().all():
        return np.nan
    return float(asked["unanswered"].sum() / asked["comments"].sum())


def event_count(facts: Facts, evidence: reference.Evidence) -> float:
    """Events of the kinds that overlap the session, `nan` where only floor control has one."""
    events = facts.tables["events"]
    ends = events["ends_at"].fillna(events["starts_at"])
    during = (events["starts_at"] <= facts.end) & (ends >= facts.start)
    logged = float((during & events["kind"].isin(evidence.kind)).sum())
    return np.nan if not logged and seen_on_the_floor(facts, evidence) else logged


def seen_on_the_floor(facts: Facts, evidence: reference.Evidence) -> list[str]:
    """The kinds of event that floor control's log shows: no stock left, a violation."""
    cues = facts.tables["cues"]
    logged = {
        "stock": bool(cues["stock_after"].eq(0).any()),
        "violation": bool(cues["kind"].eq("violation").any()),
    }
    return [kind for kind in evidence.kind if logged.get(kind)]


def host_sessions(facts: Facts, evidence: reference.Evidence) -> float:
    """Earlier sessions of the session's host, `nan` where the account's own history is as short."""
    host, long = facts.session["host"], len(facts.earlier) > 2 * (evidence.at_most or 0)
    if not isinstance(host, str) or not long:
        return np.nan
    return float((facts.earlier["host"] == host).sum())


def reason_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of refunded lines with one of the reasons or their groups; `nan` under 30 lines."""
    back = facts.lines[facts.lines["refunded"]]
    if len(back) < reasons.FEWEST_FOR_PARETO:
        return np.nan
    classified = reasons.classified(back["reason"], facts.reasons)
    return float(classified.isin([*evidence.reason]).any(axis=1).mean())


def first_reply_minutes(facts: Facts, evidence: reference.Evidence) -> float:
    """Kaplan-Meier median minutes to the first reply, of cases or enquiries.

    A case that ended without a reply time was answered unlogged: it is left out, and where such
    cases are half or more nothing can be said.
    """
    cases = facts.table(str(evidence.table))
    if cases is None or cases["first_reply_at"].isna().all():
        return np.nan
    ends = [name for name in ("closed_at", "refunded_at") if name in cases]
    unlogged = cases["first_reply_at"].isna() & cases[ends].notna().any(axis=1)
    if unlogged.mean() >= 0.5:
        return np.nan
    opened = "asked_at" if evidence.table == "aftersales" else "opened_at"
    replies = service.first_response(cases[~unlogged], as_of=facts.as_of, opened=opened)
    return replies.median / MINUTE


def late_shipping_share(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of lines with a promised time that were shipped after it, or not yet when it passed."""
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
        organic_step_fall,
        own_past.source_fall,
        own_past.ads_waste,
        own_past.event_in_force,
        own_past.order_count,
    )
}


def lacking(needs: Iterable[str], facts: Facts) -> list[str]:
    """The tables of those needed that are not there; there are always sessions."""
    return [name for name in needs if name != "sessions" and facts.table(name) is None]


def stocked_out(facts: Facts) -> dict[str, str]:
    """The products whose stock was logged as 0: names (else ids) by id."""
    products = _product_rows(facts).drop_duplicates("product_id")
    names = products.set_index("product_id")["name"].dropna()
    cues = facts.tables["cues"]
    gone = cues.loc[cues["stock_after"].eq(0), "product_id"].dropna().unique()
    return {str(product): str(names.get(product, product)) for product in gone}


def _grown_and_poorer(facts: Facts) -> dict[str, str]:
    split = facts.results["source_split"]
    grown = split[(split["share_after"] > split["share_before"]) & (split["mix_effect"] < 0)]
    return _names_by_id(grown.sort_values("mix_effect").head(2), "source", "source")


# What a rule found: names by id.
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
    "organic_step_fall": lambda facts, evidence: _names_by_id(
        _organic_falls(facts).head(1), "source", "source"
    ),
    "source_fall": lambda facts, evidence: _names_by_id(
        own_past.fallen(facts, evidence), "source", "source"
    ),
}


def measure(evidence: reference.Evidence, facts: Facts, rule: reference.Rule) -> float:
    """The number that a rule measures; `nan` where a table it needs is absent or silent."""
    if lacking(rule.needs, facts):
        return np.nan
    return float(MEASURES[evidence.rule](facts, evidence))


def limit(evidence: reference.Evidence, facts: Facts, rule: reference.Rule) -> tuple[float, str]:
    """The bound that holds for this account, and where it is from (`own_past.limit`)."""
    if rule.own_limit is None:
        return evidence.bound, "trade"
    return own_past.limit(evidence, facts, rule, _habits(evidence, facts, rule))


def _habits(evidence: reference.Evidence, facts: Facts, rule: reference.Rule) -> list[float]:
    """What the rule measured in each earlier session with a log."""
    cues = facts.past.get("cues")
    if cues is None or cues.empty:
        return []
    sessions = facts.earlier.set_index("session_id", drop=False)
    values = []
    for name, rows in cues.groupby("session_id"):
        if name not in sessions.index:
            continue
        then = dataclasses.replace(facts, session=sessions.loc[name], tables={"cues": rows})
        values.append(MEASURES[evidence.rule](then, evidence) if then.hours > 0 else np.nan)
    return values
