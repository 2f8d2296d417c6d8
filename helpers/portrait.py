"""Buyer portrait 用户画像: who bought against who watched, and where no export says who watched, against who bought before.

The index of a group is its share of buyers over its share of viewers, times 100. Viewers are many and buyers few, so the
interval is that of the buyers' share. Groups of one dimension add up to everybody; dimensions never add up to each other.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import findings, funnel, reference, stats, text
from helpers.reference import Metric

NOTEBOOK = "02_funnel"
FEWEST_BUYERS = 5   # expected in a group: under that its index is luck
COLUMNS = [
    "dimension", "dimension_zh", "dimension_en", "group", "viewers", "viewer_share", "pay_users", "buyer_share", "index", "lower", "upper",
    "rate", "others_rate", "p_adjusted", "standing", "basis",
]
BOUGHT = {"province": "province", "fan": "is_new_buyer"}  # what order lines know of a buyer, by dimension
NEW = {True: ("新客", "new buyers"), False: ("老客", "returning buyers")}


def _dimension(rows: pd.DataFrame, limits: Mapping[str, float]) -> pd.DataFrame:
    """The groups of one dimension: shares, index with its interval, and the group's conversion against all other groups."""
    buyers, viewers = rows["pay_users"].sum(), rows["viewers"].sum()
    share = rows["viewers"] / viewers if viewers > 0 else rows["viewers"] * np.nan
    lower, upper = stats.wilson(rows["pay_users"], np.where(rows["pay_users"].notna(), buyers, np.nan), confidence=limits["confidence"])
    compared = funnel.against_others(rows, numerator="pay_users", denominator="viewers", **limits)
    thin = share * buyers < FEWEST_BUYERS
    scale = 100 / share.where((share > 0) & ~thin)
    bought = rows["pay_users"] / (buyers if buyers > 0 else np.nan)
    return rows.assign(
        viewer_share=share, buyer_share=bought, index=bought * scale, lower=lower * scale, upper=upper * scale,
        rate=compared["rate"], others_rate=compared["others_rate"], p_adjusted=compared["p_adjusted"],
        standing=compared["standing"].mask(thin & (compared["standing"] != "unknown"), "too_few"),
    )


def of_audience(audience: pd.DataFrame, **limits: float) -> pd.DataFrame:
    """Viewers against buyers: one row per dimension x group, groups in the order of the export.

    `limits` are those of `funnel.limits`. Columns: `COLUMNS`; index, lower and upper are missing where fewer than
    `FEWEST_BUYERS` buyers could be expected (standing too_few); rate is the group's conversion, standing sets it against that
    of all other groups of the dimension (see `funnel.against_others`). basis is audience.
    """
    parts = [_dimension(rows, limits) for _, rows in audience.dropna(subset=["viewers"]).groupby("dimension", sort=False)]
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    made = pd.concat(parts, ignore_index=True)
    words = reference.terms()["audience_dimension"]
    names = {f"dimension_{lang}": [getattr(words[name], lang) if name in words else name for name in made["dimension"]] for lang in ("zh", "en")}
    return made.assign(**names, basis="audience")[COLUMNS]


def of_orders(orders: pd.DataFrame, earlier: pd.DataFrame, *, confidence: float, min_people: float) -> pd.DataFrame:
    """This session's buyers against the buyers of earlier sessions, as order lines know them (province, new or returning).

    One row per dimension x group; columns `COLUMNS`, with the earlier buyers' counts and shares in viewers and viewer_share; no
    conversion and no standing, as nobody knows who watched. A buyer counts once a dimension (an order
    instead, where the export does not say whose it is). Groups of fewer than
    `min_people` earlier buyers, or where fewer than `FEWEST_BUYERS` could be expected, have no index. basis is orders.
    """
    words, parts = reference.terms()["audience_dimension"], []
    for dimension, column in BOUGHT.items():
        now, before = (_buyers(rows, column) for rows in (orders, earlier))
        if now.empty or before.empty:
            continue
        rows = pd.DataFrame({"pay_users": now, "viewers": before}).fillna(0.0).sort_values("viewers", ascending=False, kind="stable")
        share = rows["viewers"] / rows["viewers"].sum()
        scale = 100 / share.where((rows["viewers"] >= min_people) & (share * rows["pay_users"].sum() >= FEWEST_BUYERS))
        lower, upper = stats.wilson(rows["pay_users"], rows["pay_users"].sum(), confidence=confidence)
        bought = rows["pay_users"] / rows["pay_users"].sum()
        made = rows.assign(dimension=dimension, viewer_share=share, buyer_share=bought, index=bought * scale, lower=lower * scale, upper=upper * scale,
                           dimension_zh=words[dimension].zh, dimension_en=words[dimension].en, basis="orders", standing="unknown")
        parts.append(made.rename_axis("group").reset_index())
    return pd.concat(parts, ignore_index=True).reindex(columns=COLUMNS) if parts else pd.DataFrame(columns=COLUMNS)


def _buyers(orders: pd.DataFrame, column: str) -> pd.Series:
    """Distinct buyers who paid, by what their first line says of them; orders, where the export does not say whose they are."""
    paid = orders[orders[column].notna() & (orders["paid"] > 0)].sort_values("created_at", kind="stable")
    first = paid[~paid["buyer_key"].fillna(paid["order_id"]).duplicated()]
    groups = first[column].map({True: NEW[True][0], False: NEW[False][0]}) if column == "is_new_buyer" else first[column]
    return groups.astype("str").value_counts().astype(float)


def drawn(table: pd.DataFrame, lang: str, *, most: int = 8) -> pd.DataFrame:
    """The groups whose interval leaves 100 behind, those furthest off, as the rates chart takes them: label, rate, ci_lower, ci_upper, n (buyers)."""
    known = table[(table["lower"] > 100) | (table["upper"] < 100)]
    far = known.iloc[(-np.log(known["index"].clip(lower=1) / 100).abs()).argsort(kind="stable")].head(most).sort_values("index", ascending=False)
    return pd.DataFrame({
        "label": far[f"dimension_{lang}"] + " · " + far["group"].astype("str"), "rate": far["index"], "ci_lower": far["lower"],
        "ci_upper": far["upper"], "n": far["pay_users"],
    }).reset_index(drop=True)


def to_findings(table: pd.DataFrame, registry: Mapping[str, Metric], *, most: int = 4) -> list[dict[str, object]]:
    """Facts on the groups whose conversion stands apart from the other groups of their dimension, the surest first."""
    pair = table.groupby("dimension")["group"].transform("size") == 2  # of two groups one says it all
    told = table[(table["standing"] == "above") | ((table["standing"] == "below") & ~pair)].sort_values("p_adjusted", kind="stable").head(most)
    return [_finding(row, registry["room_conversion"]) for row in told.rename(columns={"index": "score"}).itertuples()]


def _finding(row, metric: Metric) -> dict[str, object]:
    group = text.plain(row.group, 20)
    shares, rate, others = (text.percent(row.viewer_share), text.percent(row.buyer_share)), text.percent(row.rate), text.percent(row.others_rate)
    index, bounds = text.number(row.score, "en"), f"{text.number(row.lower, 'en')} – {text.number(row.upper, 'en')}"
    return findings.make(
        notebook=NOTEBOOK, dimension="conversion", metric="room_conversion", slice=f"{row.dimension}={row.group}", verdict="not_comparable", value=row.rate,
        baseline=row.others_rate, p_adjusted=row.p_adjusted,
        sentence_zh=f"{row.dimension_zh}「{group}」占观众 {shares[0]}、占买家 {shares[1]}（指数 {index}，区间 {bounds}）：{metric.zh} {rate}，其余各组 {others}。",
        sentence_en=f"{row.dimension_en} “{group}”: {shares[0]} of viewers and {shares[1]} of buyers (index {index}, interval {bounds}); {metric.en.lower()} {rate}, all other groups {others}.",
    )
