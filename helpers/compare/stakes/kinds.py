"""Products, sources and products by source in one table; the prices and returns behind it."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.compare.stakes.sizing import ORDER, lines
from helpers.core import stats, text
from helpers.reference import Funnel, Metric, metrics


class Kind(NamedTuple):
    """One kind of unit: its canonical table, the column or columns of its ids, and its funnel."""

    table: str
    key: str | list[str]
    funnel: str


KINDS = {
    "product": Kind("products", "product_id", "product_people"),
    "source": Kind("traffic", "source", "source_people"),
    # counted in viewer events
    "cell": Kind("actions", ["product_id", "source"], "product_people"),
}
BETWEEN = " × "  # the names of a unit that has two
WORDS = ("unit", "name", "product_id", "source")


def by_kind(
    tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    chosen: Iterable[str],
    *,
    funnels: Mapping[str, Funnel],
    registry: Mapping[str, Metric],
    min_people: float,
    returns: pd.Series,
    sold_out: pd.DataFrame,
) -> pd.DataFrame:
    """The lines of products, of sources and of both, by rank.

    `tables` holds for each canonical table this session's rows and earlier ones (of actions: as
    `priced` makes them), `chosen` the comparable sessions. Columns: those of `lines`, kind, name,
    product_id and source (missing where the kind has none), metric (the step's id in the registry),
    label_zh, label_en (of the step). rank counts within a kind: money of all kinds is the same
    money.
    """
    chosen_ids, parts = list(chosen), []
    goods = tables["products"][0]
    goods = goods[goods["sku_id"].isna()]
    of_products = {
        "groups": metrics.price_bands(goods),
        "returns": returns.reindex(goods["product_id"].unique()).fillna(returns.get("", 0.0)),
        "sold_out": sold_out.set_index("product_id")["share"],
    }
    for name, kind in KINDS.items():
        if kind.table not in tables:
            continue
        current, past = (
            rows[rows["sku_id"].isna()] if "sku_id" in rows else rows for rows in tables[kind.table]
        )
        options = {"returns": float(returns.get("", 0.0))} if name == "source" else of_products
        sized = lines(
            current,
            past,
            chosen_ids,
            funnels[kind.funnel],
            key=kind.key,
            min_people=min_people,
            **options,
        )
        table = "sessions" if name == "source" else "products"
        step_names = _step_names(sized, funnels[kind.funnel], table, registry)
        parts.append(sized.assign(kind=name, **_named(sized["unit"], kind, goods), **step_names))
    every = pd.concat([part.astype(dict.fromkeys(WORDS, "str")) for part in parts])
    return every.sort_values(ORDER, ascending=False, kind="stable", ignore_index=True)


def _named(units: pd.Series, kind: Kind, goods: pd.DataFrame) -> dict[str, object]:
    keys = [kind.key] if isinstance(kind.key, str) else kind.key
    ids = pd.DataFrame(units.tolist(), index=units.index, columns=keys, dtype="str")
    called = ids
    if "product_id" in keys and "name" in goods:
        names = goods.dropna(subset=["name"]).drop_duplicates("product_id", keep="last")
        names = ids["product_id"].map(names.set_index("product_id")["name"])
        called = ids.assign(product_id=names.fillna(ids["product_id"]))
    joined = {
        "unit": [BETWEEN.join(unit) for unit in ids.itertuples(index=False)],
        "name": [BETWEEN.join(name) for name in called.itertuples(index=False)],
    }
    return joined | {key: ids.get(key, np.nan) for key in ("product_id", "source")}


def _step_names(
    sized: pd.DataFrame, funnel: Funnel, table: str, registry: Mapping[str, Metric]
) -> dict[str, list[object]]:
    steps, names = {step.column: step for step in funnel.steps}, []
    for below, above in zip(sized["below"], sized["above"], strict=True):
        metric = metrics.named(below, above, registry=registry, table=table)
        both = [registry[metric]] if metric else [steps[below], steps[above]]
        labels = (" → ".join(text.label(step, lang) for step in both) for lang in ("zh", "en"))
        names.append((metric, *labels))
    columns = zip(*names, strict=True) if names else [()] * 3
    return dict(zip(("metric", "label_zh", "label_en"), map(list, columns), strict=True))


def priced(cells: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Counts by product and source (`viewer_events.cells`) with paid_amount.

    That is buyers x what a buyer of the product pays (ratio of sums over `products` of the same
    sessions): viewer events hold no money.
    """
    of_these = products["sku_id"].isna() & products["session_id"].isin(cells["session_id"])
    priced_rows = products[of_these].dropna(subset=["paid_amount", "pay_users"])
    sums = priced_rows.groupby("product_id")[["paid_amount", "pay_users"]].sum()
    per_buyer = sums["paid_amount"] / sums["pay_users"].where(sums["pay_users"] > 0)
    return cells.assign(
        paid_amount=cells["pay_users"] * cells["product_id"].map(per_buyer).astype(float)
    )


def return_rates(products: pd.DataFrame, old: Iterable[str]) -> pd.Series:
    """Share of paid orders that came back, by product_id, and of all products under "".

    From sessions (`old`) whose return window is over; a product of few orders is drawn to the
    others. Empty where no export gives refunds.
    """
    rows = products[products["session_id"].isin(set(old)) & products["sku_id"].isna()].dropna(
        subset=["refund_orders", "orders"]
    )
    sums = rows.groupby("product_id")[["refund_orders", "orders"]].sum()
    sums = sums[(sums["orders"] > 0) & (sums["refund_orders"] <= sums["orders"])]
    if sums.empty:
        return pd.Series(dtype=float)
    rates = pd.Series(
        stats.shrink_rates(sums["refund_orders"], sums["orders"]).rate, index=sums.index
    )
    return pd.concat([rates, pd.Series({"": sums["refund_orders"].sum() / sums["orders"].sum()})])


def leading(table: pd.DataFrame, *, most: int = 10) -> pd.DataFrame:
    """The first line of each unit that is more likely a gap than none, by rank."""
    likely = table[table["chance"] > 0.5].drop_duplicates(["kind", "product_id", "source"])
    return likely.head(most).reset_index(drop=True)
