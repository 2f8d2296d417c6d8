"""Findings of the funnel, the sources and the products of a session, and which come first."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, stats, text
from helpers.reference import Metric, metrics

NOTEBOOK = "02_funnel"
EACH = 2  # facts of a topic among the foremost


def fact(**columns: object) -> dict[str, object]:
    """One finding of this notebook without a verdict; the columns are those of `findings.make`."""
    return findings.make(notebook=NOTEBOOK, verdict="not_comparable", **columns)


def step_findings(
    table: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95
) -> list[dict[str, object]]:
    """One fact per known step of the room funnel, and one for entering to paying.

    Only rates that have a name in the registry. No verdict (`not_comparable`): that needs history.
    """
    counted = table[table["users"].notna()].set_index("column")
    pairs = [
        (row.previous, column)
        for column, row in counted.iterrows()
        if isinstance(row.previous, str)
    ]
    pairs_in_order = dict.fromkeys(
        [
            *pairs,
            *([("viewers", "pay_users")] if {"viewers", "pay_users"} <= set(counted.index) else []),
        ]
    )
    named = [(*pair, metrics.named(*pair, registry=registry)) for pair in pairs_in_order]
    return [
        _step_fact(counted.loc[before], counted.loc[after], name, registry[name], confidence)
        for before, after, name in named
        if name
    ]


def event_findings(table: pd.DataFrame, registry: Mapping[str, Metric]) -> list[dict[str, object]]:
    """One fact per known ratio of the funnels of events (`several`), no interval, no verdict."""
    facts = []
    for _, steps_of_one in table[table["users"].notna()].groupby("funnel", sort=False):
        counted = steps_of_one.set_index("column")
        pairs = [
            (row.previous, column)
            for column, row in counted.iterrows()
            if isinstance(row.previous, str)
        ]
        named = [(*pair, metrics.named(*pair, registry=registry)) for pair in pairs]
        facts += [
            _event_fact(counted.loc[before], counted.loc[after], name, registry[name])
            for before, after, name in named
            if name
        ]
    return facts


def _event_fact(
    before: pd.Series, after: pd.Series, name: str, metric: Metric
) -> dict[str, object]:
    zh, en = (
        [text.value(step["users"], "times", lang) for step in (before, after)]
        for lang in ("zh", "en")
    )
    rate = after["users"] / before["users"] if before["users"] else np.nan
    return fact(
        dimension=metric.group,
        metric=name,
        value=rate,
        sentence_zh=(
            f"{before['label_zh']} {zh[0]}，{after['label_zh']} {zh[1]}：{metric.zh} "
            f"{text.percent(rate)}。按次数计，没有区间。"
        ),
        sentence_en=(
            f"{before['label_en']}: {en[0]}, {after['label_en'].lower()}: {en[1]}. "
            f"{metric.en} {text.percent(rate)}; counted in events, so without interval."
        ),
    )


def _step_fact(
    before: pd.Series, after: pd.Series, name: str, metric: Metric, confidence: float
) -> dict[str, object]:
    rate = after["users"] / before["users"] if before["users"] else np.nan
    lower, upper = (
        float(bound)
        for bound in stats.wilson(after["users"], before["users"], confidence=confidence)
    )
    zh, en = (
        [
            text.value(before["users"], "users", lang),
            text.value(after["users"], "users", lang),
            text.percent(rate),
            interval_words(lower, upper, lang, confidence),
        ]
        for lang in ("zh", "en")
    )
    return fact(
        dimension=metric.group,
        metric=name,
        value=rate,
        ci_lower=lower,
        ci_upper=upper,
        sentence_zh=(
            f"{before['label_zh']} {zh[0]} 人，其中{after['label_zh']} {zh[1]} 人："
            f"{metric.zh} {zh[2]}{zh[3]}。"
        ),
        sentence_en=(
            f"{before['label_en']}: {en[0]} people, of whom {after['label_en'].lower()}: "
            f"{en[1]}. {metric.en} {en[2]}{en[3]}."
        ),
    )


def interval_words(
    lower: float, upper: float, lang: str, confidence: float, unit: str = "percent"
) -> str:
    if not (np.isfinite(lower) and np.isfinite(upper)):
        return ""
    bounds = text.interval(lower, upper, unit, lang, decimals=1 if unit == "score" else None)
    level = text.percent(confidence, 0)
    return text.choose(lang, f"（{level}区间 {bounds}）", f" ({level} interval {bounds})")


def source_findings(
    table: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95
) -> list[dict[str, object]]:
    """One fact per source whose room conversion stands apart from that of the others together."""
    apart = table[table["standing"].isin(["above", "below"])]
    return [
        _slice_fact(
            "room_conversion",
            registry["room_conversion"],
            ("source", str(row.source), row.source),
            row.room_conversion,
            row.others_rate,
            (row.ci_lower, row.ci_upper),
            row.p_adjusted,
            ("其他来源合计", "the other sources together"),
            confidence,
        )
        for row in apart.itertuples()
    ]


def paid_findings(table: pd.DataFrame, *, currency: str) -> list[dict[str, object]]:
    """One fact on paid traffic: its share of visits and of paid amount, and its own return.

    None where no source is marked as paid.
    """
    kinds = table.set_index("is_paid")
    if "paid" not in kinds.index or not np.isfinite(kinds.loc["paid", "visit_share"]):
        return []
    paid, money = kinds.loc["paid"], kinds.loc["paid", ["paid_amount", "ad_cost"]]
    zh, en = ([text.money(amount, lang, currency) for amount in money] for lang in ("zh", "en"))
    visits, amount, roi = (
        text.percent(paid["visit_share"]),
        text.percent(paid["paid_share"]),
        text.number(paid["ad_roi"], "en", 2),
    )
    return [
        fact(
            dimension="traffic",
            metric="ad_roi",
            slice="is_paid=paid",
            value=paid["ad_roi"],
            sentence_zh=(
                f"付费来源占各来源人次的 {visits}、支付金额的 {amount}：消耗 {zh[1]}，"
                f"带来支付 {zh[0]}，自身ROI {roi}。"
            ),
            sentence_en=(
                f"Paid sources are {visits} of source visits and {amount} of paid amount: "
                f"{en[1]} spent, {en[0]} paid, a return of their own of {roi}."
            ),
        )
    ]


def product_findings(
    table: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95, most: int = 6
) -> list[dict[str, object]]:
    """Facts on products whose click or click-to-pay rate stands apart from the others.

    At most `most`, best-selling first.
    """
    facts = []
    for name, rate, people, paying in (
        ("click", "item_click_rate", "exposure_users", "click_users"),
        ("pay", "item_click_pay_rate", "click_users", "pay_users"),
    ):
        rows = table[table[f"{name}_standing"].isin(["above", "below"])].head(most)
        others_x, others_n = table[paying].sum() - rows[paying], table[people].sum() - rows[people]
        facts += [
            _slice_fact(
                rate,
                registry[rate],
                ("product_id", row["product_id"], _product(row, table)),
                row[rate],
                others_x[place] / others_n[place],
                (row[f"{name}_lower"], row[f"{name}_upper"]),
                row[f"{name}_p_adjusted"],
                ("其他商品合计", "the other products together"),
                confidence,
            )
            for place, row in rows.iterrows()
        ]
    return facts


def _product(row: pd.Series, table: pd.DataFrame) -> str:
    if not isinstance(row["name"], str):
        return str(row["product_id"])
    names = table["name"].map(text.plain)
    if (names == text.plain(row["name"])).sum() == 1:
        return row["name"]
    return f"{text.plain(row['name'], 30)} ({row['product_id']})"


def _slice_fact(
    name: str,
    metric: Metric,
    slice_of: tuple[str, str, str],
    rate: float,
    others: float,
    bounds: tuple[float, float],
    p_adjusted: float,
    others_words: tuple[str, str],
    confidence: float,
) -> dict[str, object]:
    (key, which, label), (lower, upper) = slice_of, bounds
    name_shown = text.plain(label)
    zh, en = (interval_words(lower, upper, lang, confidence) for lang in ("zh", "en"))
    side_zh, side_en = ("高于", "above") if rate > others else ("低于", "below")
    return fact(
        dimension=metric.group,
        metric=name,
        slice=f"{key}={which}",
        value=rate,
        baseline=others,
        ci_lower=lower,
        ci_upper=upper,
        p_adjusted=p_adjusted,
        sentence_zh=(
            f"「{name_shown}」的{metric.zh} {text.percent(rate)}{zh}，{side_zh}{others_words[0]}的 "
            f"{text.percent(others)}。"
        ),
        sentence_en=(
            f"“{name_shown}”: {metric.en.lower()} {text.percent(rate)}{en}, {side_en} "
            f"{others_words[1]} ({text.percent(others)})."
        ),
    )


def foremost(facts: pd.DataFrame, *, most: int = 10) -> tuple[pd.DataFrame, int]:
    """The facts with the few that matter first, and how many those are.

    `most` at most, `EACH` of a topic: the whole session's conversion and what a test or the
    minutes' own unevenness tells apart, the surest of every topic before the second of any; the
    others keep their order. Columns added: topic_zh, topic_en.
    """
    topics = reference.terms()["fact_topic"]
    topic = pd.Series([_topic(row) for row in facts.itertuples()], index=facts.index, dtype="str")
    on_topic = facts.assign(topic=topic, sure=facts["p_adjusted"].fillna(0.0)).loc[
        topic.isin(list(topics))
    ]
    turn = on_topic.sort_values("sure", kind="stable").groupby("topic").cumcount()
    first = turn[turn < EACH].sort_values(kind="stable").head(most).index
    order = {name: place for place, name in enumerate(topics)}
    few = (
        on_topic.loc[first]
        .assign(place=lambda rows: rows["topic"].map(order))
        .sort_values(["place", "sure"], kind="stable")
    )
    labels = {
        f"topic_{lang}": few["topic"]
        .map(lambda name, lang=lang: text.label(topics[name], lang))
        .astype("str")
        for lang in ("zh", "en")
    }
    others = facts.drop(index=few.index)
    return pd.concat([few[facts.columns].assign(**labels), others], ignore_index=True), len(few)


def _topic(fact) -> str:
    kind = fact.slice.split("=")[0]
    if not fact.slice:
        return "whole" if fact.metric == "room_conversion" else ""
    named = {
        "source": "source",
        "product_id": "product",
        "span": "minutes",
        "exit": "minutes",
        "stretch": "minutes",
        "word": "comments",
        "question": "comments",
    }
    return named.get(kind, "people" if kind in reference.terms()["audience_dimension"] else "")


def all_findings(*parts: Iterable[dict[str, object]]) -> pd.DataFrame:
    """The facts as one frame with the columns of `findings.COLUMNS`."""
    return findings.frame([row for part in parts for row in part])
