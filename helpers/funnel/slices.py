"""The session by source and by product: each against the other slices of the same session.

Nothing here is judged against the account's history (that is `compare`). People are de-duplicated
within one row of a table only: slices are never added up to people, and in "the others together"
people count once in every slice.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.core.others import against_others
from helpers.funnel.step_rates import pooled_rate
from helpers.reference import Metric, metrics

SOURCE_METRICS = [
    "exposure_view_rate",
    "product_click_rate",
    "click_pay_rate",
    "room_conversion",
    "view_order_rate_times",
    "avg_watch_seconds",
    "uv_value",
    "ad_roi",
]
PRODUCT_METRICS = [
    "item_click_rate",
    "item_click_pay_rate",
    "item_exposure_pay_rate",
    "item_exposure_value",
    "item_customer_price",
]


def heat(
    steps: pd.DataFrame,
    key: str,
    lang: str,
    *,
    label: str | None = None,
    only_apart: bool = False,
    **limits: float,
) -> pd.DataFrame:
    """Rates of the steps of every slice as the heat chart takes them.

    `steps` is the table of `by_rows` or `over_sessions`. Columns: row (the slice), column (the
    step), value, shade: how far the rate is off that of the other slices together (without counts:
    off their median), in doublings (0.26 is a fifth more); 0 where `against_others` does not tell
    it apart; size: people at the slice's largest step. Steps that no slice knows the rate of and
    steps that grow are left out, with `only_apart` also slices without a shade.
    """
    cells = steps.assign(
        value=steps["rate_of_previous"].where(~steps["grows"])
        if "grows" in steps
        else steps["rate_of_previous"]
    )
    cells = cells.assign(before=_before(cells, key)) if "users" in cells else cells
    cells = cells[cells.groupby("step")["value"].transform("count") > 0]
    off = (
        _off_others(cells, {"min_people": 0, **limits})
        if "users" in cells
        else cells["value"] / cells.groupby("step")["value"].transform("median")
    )
    shade = np.log2(off.where(off >= 0).clip(lower=2**-8)).mask(cells["value"].isna())
    drawn = pd.DataFrame(
        {
            "row": _told_apart(cells[label], cells[key]) if label else cells[key],
            "column": cells[f"label_{lang}"],
            "value": cells["value"],
            "shade": shade,
            "size": cells.groupby(key)["users"].transform("max") if "users" in cells else np.nan,
        }
    )
    unlike = drawn["shade"].fillna(0).ne(0).groupby(drawn["row"]).transform("any")
    return drawn[unlike | (not only_apart)].reset_index(drop=True)


def _told_apart(names: pd.Series, ids: pd.Series) -> pd.Series:
    return names.where(ids.groupby(names).transform("nunique") == 1, names + " (" + ids + ")")


def _off_others(cells: pd.DataFrame, limits: Mapping[str, float]) -> pd.Series:
    """Rows without an interval (sums of sources) are neither judged nor among the others."""
    parts = [
        against_others(rows, numerator="users", denominator="before", **limits)
        for _, rows in cells[cells["ci_lower"].notna()].groupby("step")
    ]
    stands = (
        pd.concat(parts).reindex(cells.index)
        if parts
        else pd.DataFrame(columns=["rate", "others_rate", "standing"], index=cells.index)
    )
    return (
        (stands["rate"] / stands["others_rate"])
        .astype(float)
        .where(stands["standing"].isin(["above", "below"]), 1.0)
    )


def _before(cells: pd.DataFrame, key: str) -> pd.Series:
    return (
        cells[cells["users"].notna()]
        .groupby(key)["users"]
        .shift()
        .reindex(cells.index)
        .where(cells["value"].notna())
    )


def limits(thresholds: Mapping[str, float]) -> dict[str, float]:
    """The bounds that slices are judged with, from the thresholds that a team may tune."""
    return {
        "min_people": thresholds["min_people_for_ranking"],
        "confidence": thresholds["confidence"],
        "false_discovery_rate": thresholds["false_discovery_rate"],
        "least_effect": thresholds["least_effect"],
    }


def by_source(
    traffic: pd.DataFrame, registry: Mapping[str, Metric], **limits: float
) -> pd.DataFrame:
    """The session's leaf sources side by side, the largest first.

    Columns: source, is_paid, viewers, views, viewer_share and paid_share (of the sum over sources,
    where a viewer of two counts in both), paid_amount, ad_cost, the values of SOURCE_METRICS, and
    of the room conversion those of `against_others` from ci_lower on, without p_value (standing
    `unknown` without paying users by source).
    """
    order = traffic["viewers"].fillna(traffic["views"]).fillna(0).argsort(kind="stable")[::-1]
    rows = traffic.iloc[order].reset_index(drop=True)
    compared = against_others(
        rows,
        numerator="pay_users",
        denominator="viewers",
        **limits,
    )
    counts = rows[["source", "is_paid", "viewers", "views", "paid_amount", "ad_cost"]]
    table = counts.assign(
        viewer_share=_share(rows["viewers"]), paid_share=_share(rows["paid_amount"])
    )
    table = table.join(_wide(rows, SOURCE_METRICS, registry, "source"), on="source")
    return table.join(compared.drop(columns=["people", "rate", "p_value"]))


def source_rates(table: pd.DataFrame) -> pd.DataFrame:
    """The conversion of each source as the rates chart takes it.

    Columns: label, metric, rate, ci_lower, ci_upper, n. Orders per view, without an interval, where
    the export has no paying users by source.
    """
    of_people = table["room_conversion"].notna().any()
    metric, n = ("room_conversion", "viewers") if of_people else ("view_order_rate_times", "views")
    rates = pd.DataFrame(
        {
            "label": table["source"],
            "metric": metric,
            "rate": table[metric],
            "ci_lower": table["ci_lower"],
            "ci_upper": table["ci_upper"],
            "n": table[n],
        }
    )
    return rates[rates["rate"].notna()].reset_index(drop=True)


def paid_and_organic(traffic: pd.DataFrame, registry: Mapping[str, Metric]) -> pd.DataFrame:
    """Paid against organic sources, one row per kind (付费 / 自然 / not said).

    Columns: is_paid ("paid", "organic", "unknown"), sources, visits (people summed over sources),
    visit_share, paid_amount, paid_share, ad_cost, room_conversion, uv_value, ad_roi (nan where a
    term is missing; no intervals).
    """
    kind = (
        traffic["is_paid"]
        .map({True: "paid", False: "organic"})
        .astype("str")
        .where(traffic["is_paid"].notna(), "unknown")
    )
    rows = traffic.assign(is_paid=kind)
    sums = rows.groupby("is_paid")[["viewers", "paid_amount", "ad_cost"]].sum(min_count=1)
    ids = ["room_conversion", "uv_value", "ad_roi"]
    rates = metrics.evaluate(rows, ids, registry=registry, by="is_paid", count_per_slice=True)
    wide = rates.pivot(index="is_paid", columns="metric", values="value").reindex(columns=ids)
    table = (
        sums.rename(columns={"viewers": "visits"})
        .assign(sources=rows.groupby("is_paid").size())
        .join(wide)
    )
    shares = table.assign(
        visit_share=_share(table["visits"]), paid_share=_share(table["paid_amount"])
    )
    columns = ["sources", "visits", "visit_share", "paid_amount", "paid_share", "ad_cost", *ids]
    return shares[columns].reset_index()


def _share(values: pd.Series) -> pd.Series:
    total = values.sum(min_count=1)
    return values / (total if pd.notna(total) and total != 0 else np.nan)


def _wide(
    rows: pd.DataFrame, ids: list[str], registry: Mapping[str, Metric], key: str
) -> pd.DataFrame:
    tidy = metrics.evaluate(rows, ids, registry=registry, by=key)
    return tidy.pivot(index=key, columns="metric", values="value").reindex(columns=ids)


def by_product(
    products: pd.DataFrame, registry: Mapping[str, Metric], **limits: float
) -> pd.DataFrame:
    """The session's products with their rates, the best-selling first; SKU rows are left out.

    Columns: product_id, name, tier, price, exposure_users, click_users, pay_users, orders,
    paid_amount, paid_share, the values of PRODUCT_METRICS, click_lower, click_upper,
    click_standing, click_p_adjusted, pay_lower, pay_upper, pay_standing, pay_p_adjusted (click rate
    and click-to-pay rate against the other products, see `against_others`), rank (by paid amount
    per person exposed; nan under `min_people` of them, where luck would be ranked).
    """
    rows = products[products["sku_id"].isna()].sort_values(
        "paid_amount", ascending=False, kind="stable", ignore_index=True
    )
    click = against_others(rows, numerator="click_users", denominator="exposure_users", **limits)
    pay = against_others(rows, numerator="pay_users", denominator="click_users", **limits)
    renamed = {
        "ci_lower": "lower",
        "ci_upper": "upper",
        "standing": "standing",
        "p_adjusted": "p_adjusted",
    }
    columns = [
        "product_id",
        "name",
        "tier",
        "price",
        "exposure_users",
        "click_users",
        "pay_users",
        "orders",
        "paid_amount",
    ]
    table = rows[columns].assign(paid_share=_share(rows["paid_amount"]))
    table = table.join(_wide(rows, PRODUCT_METRICS, registry, "product_id"), on="product_id")
    for name, compared in (("click", click), ("pay", pay)):
        table = table.join(compared[list(renamed)].rename(columns=renamed).add_prefix(f"{name}_"))
    enough = table["item_exposure_value"].where(table["exposure_users"] >= limits["min_people"])
    return table.assign(rank=enough.rank(ascending=False, method="min"))


def quadrant(table: pd.DataFrame) -> pd.DataFrame:
    """Ranked products over people exposed and the share of them who paid.

    Columns: number (by paid amount), label, quadrant, x, y, size (paid amount), and where the lines
    stand: x_middle (median of people exposed), y_middle (rate of all products together).
    """
    ranked = table[table["rank"].notna() & table["item_exposure_pay_rate"].notna()].sort_values(
        "paid_amount", ascending=False, kind="stable"
    )
    x, y = ranked["exposure_users"], ranked["item_exposure_pay_rate"]
    x_middle, y_middle = (
        table["exposure_users"].median(),
        pooled_rate(table, "pay_users", "exposure_users"),
    )
    sides = [
        np.where(side >= middle, "high", "low") for side, middle in ((x, x_middle), (y, y_middle))
    ]
    return pd.DataFrame(
        {
            "number": np.arange(1.0, len(ranked) + 1),
            "label": ranked["name"].fillna(ranked["product_id"]),
            "quadrant": [f"{across}_{up}" for across, up in zip(*sides, strict=True)],
            "x": x,
            "y": y,
            "size": ranked["paid_amount"],
            "x_middle": x_middle,
            "y_middle": y_middle,
        }
    ).reset_index(drop=True)


def source_words(sources: Iterable[str], lang: str) -> str:
    """The platforms' own names of these sources explained, each once; nothing in Chinese."""
    glosses = reference.terms()["source_gloss"]
    explained = [
        f"{name}: {glosses[name].en}" for name in dict.fromkeys(sources) if name in glosses
    ]
    return (
        text.choose(lang, "", f"Sources bear the platform's names. {'; '.join(explained)}.")
        if explained
        else ""
    )


def by_video(videos: pd.DataFrame, started_at: pd.Timestamp) -> pd.DataFrame:
    """The videos that led into the session, those with most entries first.

    Columns: title, posted_at, hours_before (from posting to the start; below 0 once it was on),
    exposures, entries (events, not people), entry_rate (entries ÷ exposures, without an interval),
    entry_share (of all videos' entries), paid_amount.
    """
    order = videos["entries"].fillna(-1).argsort(kind="stable")[::-1]
    rows = videos.iloc[order].reset_index(drop=True)
    columns = ["title", "posted_at", "hours_before", "exposures", "entries", "entry_rate"]
    return rows.assign(
        hours_before=(started_at - rows["posted_at"]) / pd.Timedelta(hours=1),
        entry_rate=rows["entries"] / rows["exposures"].where(rows["exposures"] > 0),
        entry_share=_share(rows["entries"]),
    )[[*columns, "entry_share", "paid_amount"]]


PERIOD = {
    "live_paid_amount": "period_live",
    "paid_amount": "period_paid",
    "live_units": "period_live_units",
    "units": "period_units",
    "live_exposure_times": "live_exposure_times",
    "live_click_times": "live_click_times",
    "live_pay_users": "live_pay_users",
    "commission": "period_commission",
}


def beside_period(
    products: pd.DataFrame, periods: pd.DataFrame, session: pd.Series
) -> pd.DataFrame:
    """The session's products beside their figures of a longer period, the best-selling first.

    Periods are those of the session's room, where exports name it. Of the periods that a product's
    export speaks of the shortest one that holds the session's start counts, else the newest that
    begins before it. One row per product of the session that has one; SKU rows are left out.
    Columns: product_id, name, period_from, period_to (dates), holds (the whole session lies in it),
    paid_amount and units (of the session), the values of `PERIOD`, live_share (period_live ÷
    period_paid), session_share (paid_amount ÷ period_live; `nan` unless it holds the session),
    above (the session alone sold more in it than the whole period in LIVE).
    """
    day = session["started_at"].normalize()
    ended = session["ended_at"] if pd.notna(session["ended_at"]) else session["started_at"]
    rows = periods[
        periods["platform"].eq(session["platform"]) & ~(periods["period_from"] > day)
    ].drop(columns="name")
    if rows["room_name"].eq(session["room_name"]).any():
        rows = rows[rows["room_name"].fillna(session["room_name"]) == session["room_name"]]
    inside = rows["period_to"] >= day
    rows = rows.assign(
        holds=inside & (rows["period_to"] + pd.Timedelta(days=1) > ended),
        inside=inside,
        length=(rows["period_to"] - rows["period_from"]).where(inside, pd.Timedelta(0)),
    ).sort_values(["inside", "length", "period_to"], ascending=[False, True, False], kind="stable")
    mine = products.loc[
        products["sku_id"].isna(), ["product_id", "name", "paid_amount", "units"]
    ].sort_values("paid_amount", ascending=False, kind="stable")
    table = mine.merge(
        rows.drop_duplicates("product_id").rename(columns=PERIOD),
        on="product_id",
        suffixes=("", "_in_period"),
        validate="many_to_one",
    )
    live, every = table["period_live"], table["period_paid"]
    of_session = ["product_id", "name", "period_from", "period_to", "holds", "paid_amount"]
    return table.assign(
        live_share=live / every.where(every > 0),
        session_share=(table["paid_amount"] / live.where(live > 0)).where(table["holds"]),
        above=table["holds"] & (table["paid_amount"] > live * (1 + 1e-9) + 0.005),
    )[[*of_session, "units", *PERIOD.values(), "live_share", "session_share", "above"]]


def period_words(table: pd.DataFrame, n_products: int, lang: str, currency: str = "CNY") -> str:
    """Which period it is, how many of the session's products have one, and what cannot be.

    `table` is that of `beside_period`.
    """
    spans = table[["period_from", "period_to"]].dropna().drop_duplicates()
    listed = text.choose(lang, "、", ", ").join(
        f"{row.period_from:%Y-%m-%d}–{row.period_to:%Y-%m-%d}" for row in spans.head(3).itertuples()
    )
    words = text.choose(
        lang,
        f"周期：{listed}。本场 {n_products} 个商品里 {len(table)} 个有周期数据。",
        f"Period: {listed}. {len(table)} of the session's {n_products} products are in it.",
    )
    if not table["holds"].any():
        words += text.choose(
            lang,
            "周期不含本场整场，只能参考。",
            " It does not hold the whole session: for reference only.",
        )
    over = table[table["above"]]
    if len(over):
        first = over.iloc[0]
        name = text.plain(first["name"] if isinstance(first["name"], str) else first["product_id"])
        sold, period = (
            text.money(first[column], lang, currency) for column in ("paid_amount", "period_live")
        )
        words += text.choose(
            lang,
            f"{len(over)} 个商品本场卖的比整个周期的直播支付还多，两份导出有一份不全：例如"
            f"《{name}》本场 {sold}，周期 {period}；请重新导出商品列表。",
            f" {len(over)} products sold more in this session than in LIVE in the whole period, so "
            f"one of the exports is incomplete: “{name}”, for example, {sold} against {period}; "
            "export the product list anew.",
        )
    return words
