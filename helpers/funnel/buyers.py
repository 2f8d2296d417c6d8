"""The buyer portrait 用户画像: who bought against who watched, or against who bought before.

The index of a group is its share of buyers over its share of viewers (earlier buyers, where no
export says who watched), times 100; its interval is that of the buyers' share, as buyers are few.
Groups of one dimension add up to everybody; dimensions never add up to each other.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import stats, text
from helpers.funnel.facts import fact
from helpers.funnel.slices import against_others
from helpers.reference import Metric

MOST_DRAWN = 8  # groups of the chart
MOST_TOLD = 4  # findings
FEWEST_BUYERS = 5  # expected in a group: under that its index is luck
COLUMNS = [
    "dimension",
    "dimension_zh",
    "dimension_en",
    "group",
    "group_zh",
    "group_en",
    "viewers",
    "viewer_share",
    "pay_users",
    "buyer_share",
    "index",
    "lower",
    "upper",
    "rate",
    "others_rate",
    "p_adjusted",
    "standing",
    "basis",
]
BOUGHT = {
    "province": "province",
    "buyer": "is_new_buyer",
}  # what order lines know of a buyer, by dimension
GROUPS = {True: "新客", False: "老客"}  # of the dimension buyer, as platforms call them
NEW = {"新客": ("首次购买", "first purchase"), "老客": ("以前买过", "bought before")}


def _dimension(rows: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    buyers, viewers = rows["pay_users"].sum(), rows["viewers"].sum()
    share = rows["viewers"] / viewers if viewers > 0 else rows["viewers"] * np.nan
    lower, upper = stats.wilson(
        rows["pay_users"],
        np.where(rows["pay_users"].notna(), buyers, np.nan),
        confidence=limits["confidence"],
    )
    compared = against_others(rows, numerator="pay_users", denominator="viewers", **limits)
    thin = share * buyers < FEWEST_BUYERS
    scale = 100 / share.where((share > 0) & ~thin)
    bought = rows["pay_users"] / (buyers if buyers > 0 else np.nan)
    return rows.assign(
        viewer_share=share,
        buyer_share=bought,
        index=bought * scale,
        lower=lower * scale,
        upper=upper * scale,
        rate=compared["rate"],
        others_rate=compared["others_rate"],
        p_adjusted=compared["p_adjusted"],
        standing=compared["standing"].mask(thin & (compared["standing"] != "unknown"), "too_few"),
    )


def of_audience(audience: pd.DataFrame, **limits: float) -> pd.DataFrame:
    """Viewers against buyers: one row per dimension x group, groups in the order of the export.

    `limits` are those of `limits`. Columns: `COLUMNS`; index, lower and upper are missing where
    fewer than `FEWEST_BUYERS` buyers could be expected (standing too_few); rate is the group's
    conversion, standing sets it against the dimension's other groups (see `against_others`). basis
    is audience.
    """
    parts = [
        _dimension(rows, limits)
        for _, rows in audience.dropna(subset=["viewers"]).groupby("dimension", sort=False)
    ]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    groups = pd.concat(parts, ignore_index=True)
    return _named(groups).assign(basis="audience")[COLUMNS]


def _named(rows: pd.DataFrame) -> pd.DataFrame:
    terms = reference.terms()
    dimensions = terms["audience_dimension"] | terms["portrait_dimension"]
    columns = {}
    for lang in ("zh", "en"):
        bought = {name: text.choose(lang, *words) for name, words in NEW.items()}
        groups = {name: text.label(term, lang) for name, term in terms["audience_group"].items()}
        columns[f"dimension_{lang}"] = [
            text.label(dimensions[name], lang) if name in dimensions else name
            for name in rows["dimension"]
        ]
        columns[f"group_{lang}"] = [
            (bought if dimension == "buyer" else groups).get(group, group)
            for dimension, group in zip(rows["dimension"], rows["group"].astype("str"), strict=True)
        ]
    return rows.assign(**columns)


def of_orders(
    orders: pd.DataFrame, earlier: pd.DataFrame, *, confidence: float, min_people: float
) -> pd.DataFrame:
    """This session's buyers against the buyers of earlier sessions, as order lines know them.

    One row per dimension (province, first purchase) x group; columns `COLUMNS`, with the earlier
    buyers in viewers and viewer_share, without conversion and standing. A buyer counts once a
    dimension (an order instead, where the export does not say whose it is). No index under
    `min_people` earlier buyers, or where fewer than `FEWEST_BUYERS` could be expected. basis is
    orders.
    """
    parts = []
    for dimension, column in BOUGHT.items():
        now, before = (_counts(_buyers(rows, column)) for rows in (orders, earlier))
        if now.empty or before.empty:
            continue
        rows = (
            pd.DataFrame({"pay_users": now, "viewers": before})
            .fillna(0.0)
            .sort_values("viewers", ascending=False, kind="stable")
        )
        share = rows["viewers"] / rows["viewers"].sum()
        scale = 100 / share.where(
            (rows["viewers"] >= min_people) & (share * rows["pay_users"].sum() >= FEWEST_BUYERS)
        )
        lower, upper = stats.wilson(
            rows["pay_users"], rows["pay_users"].sum(), confidence=confidence
        )
        bought = rows["pay_users"] / rows["pay_users"].sum()
        groups = rows.assign(
            dimension=dimension,
            viewer_share=share,
            buyer_share=bought,
            index=bought * scale,
            lower=lower * scale,
            upper=upper * scale,
            basis="orders",
            standing="unknown",
        )
        parts.append(groups.rename_axis("group").reset_index())
    return (
        _named(pd.concat(parts, ignore_index=True)).reindex(columns=COLUMNS)
        if parts
        else pd.DataFrame(columns=COLUMNS)
    )


def _counts(values: pd.Series) -> pd.Series:
    groups = values.map(GROUPS) if values.name == "is_new_buyer" else values
    return groups.astype("str").value_counts().astype(float)


def _buyers(orders: pd.DataFrame, column: str) -> pd.Series:
    """By each buyer's first paid line; by that of each order, where nobody knows whose it is."""
    paid = orders[orders[column].notna() & (orders["paid"] > 0)].sort_values(
        "created_at", kind="stable"
    )
    return paid.loc[~paid["buyer_key"].fillna(paid["order_id"]).duplicated(), column]


def drawn(table: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The groups furthest from 100 whose interval leaves it out, as the rates chart takes them.

    Columns: label, rate, ci_lower, ci_upper, n (buyers).
    """
    unlike = table[(table["lower"] > 100) | (table["upper"] < 100)]
    far = (
        unlike.iloc[(-np.log(unlike["index"].clip(lower=1) / 100).abs()).argsort(kind="stable")]
        .head(MOST_DRAWN)
        .sort_values("index", ascending=False)
    )
    return pd.DataFrame(
        {
            "label": far[f"dimension_{lang}"] + " · " + far[f"group_{lang}"],
            "rate": far["index"],
            "ci_lower": far["lower"],
            "ci_upper": far["upper"],
            "n": far["pay_users"],
        }
    ).reset_index(drop=True)


def fan_words(table: pd.DataFrame, orders: pd.DataFrame, lang: str) -> str:
    """A sentence on fans and first purchases being two things; nothing where the table has no fans.

    With the share of first purchases, where orders say it.
    """
    if not (table["dimension"] == "fan").any():
        return ""
    bought = _buyers(orders, "is_new_buyer") if len(orders) else pd.Series(dtype=float)
    share = text.percent(bought.astype(bool).mean()) if len(bought) else ""
    first_purchases = (
        text.choose(
            lang,
            f"，按订单本场买家里首次购买的占 {share}",
            f"; by the orders {share} of this session's buyers bought for the first time",
        )
        if share
        else ""
    )
    return text.choose(
        lang,
        (
            "粉丝与非粉丝按观看时是否已关注账号分，与是不是第一次买是两回事："
            f"粉丝也可能第一次买{first_purchases}。"
        ),
        (
            "Fans are those who already followed the account when watching, which is not the same "
            f"as having bought before: a fan can buy for the first time{first_purchases}."
        ),
    )


def to_findings(table: pd.DataFrame, registry: Mapping[str, Metric]) -> list[dict[str, object]]:
    """Facts on the groups whose conversion stands apart in their dimension, the surest first."""
    pair = (
        table.groupby("dimension")["group"].transform("size") == 2
    )  # of two groups one says it all
    apart = (
        table[(table["standing"] == "above") | ((table["standing"] == "below") & ~pair)]
        .sort_values("p_adjusted", kind="stable")
        .head(MOST_TOLD)
    )
    return [
        _finding(row, registry["room_conversion"])
        for row in apart.rename(columns={"index": "score"}).itertuples()
    ]


def _finding(row, metric: Metric) -> dict[str, object]:
    shares, rate, others = (
        (text.percent(row.viewer_share), text.percent(row.buyer_share)),
        text.percent(row.rate),
        text.percent(row.others_rate),
    )
    index, bounds = (
        text.number(row.score, "en"),
        f"{text.number(row.lower, 'en')} – {text.number(row.upper, 'en')}",
    )
    return fact(
        dimension="conversion",
        metric="room_conversion",
        slice=f"{row.dimension}={row.group}",
        value=row.rate,
        baseline=row.others_rate,
        p_adjusted=row.p_adjusted,
        sentence_zh=(
            f"{row.dimension_zh}「{text.plain(row.group_zh, 20)}」占观众 {shares[0]}、占买家 "
            f"{shares[1]}（指数 {index}，区间 {bounds}）：{metric.zh} {rate}，其余各组 {others}。"
        ),
        sentence_en=(
            f"{row.dimension_en} “{text.plain(row.group_en, 20)}”: {shares[0]} of viewers and "
            f"{shares[1]} of buyers (index {index}, interval {bounds}); {metric.en.lower()} "
            f"{rate}, all other groups {others}."
        ),
    )
