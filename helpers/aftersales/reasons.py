"""Why lines were refunded: the tree of reasons, their shares, and what they say to whom."""

from collections.abc import Mapping

import pandas as pd
from scipy import stats as special

from helpers import reference
from helpers.aftersales.order_lines import mean_age, product_keys
from helpers.aftersales.refund_rates import judged, rates_at_age
from helpers.aftersales.service import INCIDENT_DAYS, lately
from helpers.core import findings, stats, text

FEWEST_FOR_PARETO = 30


def reason_of(written: object, tree: Mapping[str, reference.ReasonGroup]) -> tuple[str, str]:
    """The (group, reason) of a text by the longest word in it, else ("other", "unknown")."""
    words = written.lower() if isinstance(written, str) else ""
    hits = [
        (len(word), group, name)
        for group, branch in tree.items()
        for name, reason in branch.reasons.items()
        for word in reason.words
        if word.lower() in words
    ]
    # among equally long words the first of the tree, so that the answer never depends on chance
    return max(hits, key=lambda hit: hit[0])[1:] if hits else ("other", "unknown")


def classified(written: pd.Series, tree: Mapping[str, reference.ReasonGroup]) -> pd.DataFrame:
    """`reason_of` of many texts, each different text once: columns group, reason."""
    reasons = {words: reason_of(words, tree) for words in written.dropna().unique()}
    return pd.DataFrame(
        [reasons.get(words, ("other", "unknown")) for words in written],
        columns=["group", "reason"],
        index=written.index,
    )


def complaints(
    lines: pd.DataFrame,
    reviews: pd.DataFrame,
    incidents: pd.DataFrame,
    names: Mapping[str, str],
    *,
    as_of: pd.Timestamp,
) -> pd.DataFrame:
    """What buyers and the public wrote about products: one row each.

    Columns: kind (refund, review, incident), product (name), written. `lines` are the session's
    (refunded ones count), `reviews` and `incidents` the account's of the 60 days before `as_of`; an
    incident names its product in its words only. `names` gives product names by id, else that of
    the order counts.
    """
    reviews, incidents = (lately(rows, as_of, INCIDENT_DAYS) for rows in (reviews, incidents))
    of_reviews = reviews["product_id"].map(names)
    parts = [
        {"kind": "review", "product": of_reviews, "written": reviews["reason"]},
        {"kind": "incident", "product": "", "written": incidents["what"]},
    ]
    if len(lines):
        back = lines[lines["refunded"]]
        products = back["product_id"].map(names).fillna(back["product_name"])
        parts.insert(0, {"kind": "refund", "product": products, "written": back["reason"]})
    return pd.concat([pd.DataFrame(part).astype("str") for part in parts], ignore_index=True)


def shares(lines: pd.DataFrame, *, tree: Mapping[str, reference.ReasonGroup]) -> pd.DataFrame:
    """Why lines were refunded: one row per reason, most frequent first.

    Columns: reason, zh, en, role (who can do something about it), count (refunded lines), share
    with ci_lower and ci_upper (Wilson, of refunded lines), cumulative, amount, n (refunded lines in
    all), enough (whether there are the 30 refunds that a Pareto needs).
    """
    back = lines[lines["refunded"]]
    causes = classified(back["reason"], tree)
    table = (
        back.assign(reason=causes["reason"], group=causes["group"])
        .groupby("reason", as_index=False, sort=True)
        .agg(group=("group", "first"), count=("line_id", "size"), amount=("refunded_amount", "sum"))
        .sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
    )
    entries = [tree[row.group].reasons[row.reason] for row in table.itertuples()]
    lower, upper = stats.wilson(table["count"], len(back))
    return table.drop(columns="group").assign(
        zh=[entry.zh for entry in entries],
        en=[entry.en for entry in entries],
        role=[entry.role for entry in entries],
        share=table["count"] / max(len(back), 1),
        ci_lower=lower,
        ci_upper=upper,
        cumulative=table["count"].cumsum() / max(len(back), 1),
        n=len(back),
        enough=len(back) >= FEWEST_FOR_PARETO,
    )


def rises(
    lines: pd.DataFrame,
    history: pd.DataFrame,
    *,
    tree: Mapping[str, reference.ReasonGroup],
    as_of: pd.Timestamp,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """Which reasons came up more (worse) or less (better) than in earlier sessions at that age.

    One row per reason of the session. Columns: reason, count (lines refunded for it), rate (of all
    order lines, as a share of refunds would fall when another reason rises), baseline, lower, upper
    (beta-binomial prediction), p_value, p_adjusted (Benjamini-Hochberg), verdict, age_days. Empty
    without refunds or without three earlier sessions of that age.
    """
    columns = ["reason", "count", "rate", "baseline", "lower", "upper", "p_value"]
    age, n = mean_age(lines, as_of), len(lines)
    causes, past_causes = (
        classified(table["reason"].where(table["refunded"]), tree)["reason"]
        for table in (lines, history)
    )
    rows = []
    for reason, count in causes[lines["refunded"]].value_counts(sort=False).items():
        refunded = history["refunded"] & past_causes.eq(reason)
        then = rates_at_age(history.assign(refunded=refunded), age_days=age, as_of=as_of)
        if len(then) >= 3:
            guess = stats.beta_binomial_predictive(count, n, then["refunded"], then["n"])
            rows.append([reason, count, count / n, *guess])
    table = pd.DataFrame(rows, columns=columns)
    return judged(table, false_discovery_rate=false_discovery_rate).assign(age_days=age)


def stages_of(lines: pd.DataFrame, rundown: pd.DataFrame) -> pd.Series:
    """The script stage in which each line was paid, by line; missing outside of the script."""
    script = rundown.dropna(subset=["starts_at", "stage"]).sort_values("starts_at")[
        ["starts_at", "ends_at", "stage"]
    ]
    if script.empty or lines.empty:
        return pd.Series(index=lines.index, dtype="str")
    at = lines["paid_at"].sort_values().rename("starts_at")
    stages = pd.merge_asof(
        at.to_frame().reset_index(),
        script.astype({"starts_at": at.dtype}),
        on="starts_at",
    )
    inside = stages["ends_at"].isna() | (stages["starts_at"] < stages["ends_at"])
    return stages["stage"].where(inside).set_axis(stages["index"]).reindex(lines.index)


def _stands_out(of_reason: pd.Series, of_all: pd.Series) -> tuple[object, int]:
    """The value more frequent in a reason's lines than by chance, and how often, else (None, 0)."""
    counts, usual = of_reason.dropna().value_counts(), of_all.value_counts(normalize=True)
    n = counts.sum()
    chances = {
        value: special.binom.sf(count - 1, n, usual[value]) * len(usual)
        for value, count in counts.items()
    }
    value = min(chances, key=chances.get, default=None)
    if value is None or chances[value] > 0.05:
        return None, 0
    return value, int(counts[value])


def behind(
    lines: pd.DataFrame, rundown: pd.DataFrame, *, tree: Mapping[str, reference.ReasonGroup]
) -> pd.DataFrame:
    """The product and the script stage behind each reason: one row per reason of the session.

    Columns: reason, count, product_name, product_count, stage, stage_count. A product or stage is
    named only where it has more of the reason's refunds than its share of orders leads to expect
    (binomial, corrected for the number of products or stages); else missing and 0. No claim of
    cause.
    """
    products = product_keys(lines)
    names = lines["product_name"].groupby(products).first()
    table = lines.assign(
        cause=classified(lines["reason"].where(lines["refunded"]), tree)["reason"],
        product=products,
        stage=stages_of(lines, rundown),
    )
    rows = []
    for reason, part in table[table["refunded"]].groupby("cause", sort=True):
        product, of_product = _stands_out(part["product"], table["product"])
        stage, of_stage = _stands_out(part["stage"], table["stage"])
        rows.append([reason, len(part), names.get(product), of_product, stage, of_stage])
    return pd.DataFrame(
        rows, columns=["reason", "count", "product_name", "product_count", "stage", "stage_count"]
    )


def _place(row: pd.Series, lang: str) -> str:
    places = []
    if isinstance(row["product_name"], str):
        name, count = text.plain(row["product_name"], 30), row["product_count"]
        places.append(text.choose(lang, f"「{name}」（{count} 单）", f"{name} ({count})"))
    if isinstance(row["stage"], str):
        label, count = reference.terms()["stage"].get(row["stage"]), row["stage_count"]
        stage = text.label(label, lang) if label else text.plain(row["stage"], 20)
        places.append(
            text.choose(
                lang,
                f"「{stage}」时下的单（{count} 单）",
                f"orders placed during “{stage.lower()}” ({count})",
            )
        )
    if not places:
        return ""
    return text.choose(lang, f"，集中在{'、'.join(places)}", f", mostly {' and '.join(places)}")


def _sentence(row: pd.Series, lang: str, tree: Mapping[str, reference.ReasonGroup]) -> str:
    entry = next(
        group.reasons[row["reason"]] for group in tree.values() if row["reason"] in group.reasons
    )
    role = text.label(reference.terms()["role"][entry.role], lang)
    name, share = text.label(entry, lang), text.percent(row["share"])
    bounds = text.interval(row["ci_lower"], row["ci_upper"], "percent", lang)
    rise, place = "", _place(row, lang)
    if row["verdict"] in ("worse", "better"):
        usual = text.interval(row["lower"], row["upper"], "percent", lang)
        rate = text.percent(row["rate"])
        more = row["verdict"] == "worse"
        rise = text.choose(
            lang,
            f"，占订单 {rate}，{'多' if more else '少'}于以往同龄的 {usual}",
            (
                f", {rate} of orders, {'more' if more else 'less'} than earlier sessions at that "
                f"age ({usual})"
            ),
        )
    sentence = text.choose(
        lang,
        (
            f"给{role}：退款原因「{name}」{row['count']} 单，占 {row['n']} 单退款的 {share}"
            f"（区间 {bounds}）{rise}{place}。"
        ),
        (
            f"For {role.lower()}: “{name.lower()}” is the reason of {row['count']} of {row['n']} "
            f"refunds, {share} ({bounds}){rise}{place}."
        ),
    )
    if entry.ask:
        ask = text.label(entry.ask, lang)
        sentence += text.choose(lang, f"建议：{ask}。", f" To do: {ask}.")
    return sentence


def reason_findings(
    why: pd.DataFrame,
    rose: pd.DataFrame,
    places: pd.DataFrame,
    *,
    tree: Mapping[str, reference.ReasonGroup],
    notebook: str,
) -> list[dict[str, object]]:
    """What the reasons say to whom, as findings.

    On each reason that rose and, from thirty refunds on, the three most frequent. `why` is
    `shares`, `rose` `rises`, `places` `behind`. No verdicts, which are left to the refund rate: a
    reason is no rate of its own.
    """
    if why.empty:
        return []
    rose = rose[["reason", "rate", "lower", "upper", "verdict"]]
    full = why.merge(rose, on="reason", how="left")
    full = full.merge(places.drop(columns="count"), on="reason", how="left")
    worth_saying = full["verdict"].eq("worse") | (full["enough"] & (full.index < 3))
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="refund_reason",
            slice=row["reason"],
            value=row["share"],
            ci_lower=row["ci_lower"],
            ci_upper=row["ci_upper"],
            verdict="not_comparable",
            sentence_zh=_sentence(row, "zh", tree),
            sentence_en=_sentence(row, "en", tree),
        )
        for _, row in full[worth_saying].iterrows()
    ]
