"""The tables of the split as they are read: codes and values in words."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text

STATES = {"both": (None, None), "new": ("新上", "new"), "gone": ("本场没上", "not this time")}
LINE_NAMES = {
    "created": ("下单金额（含未支付）", "Order amount (unpaid included)"),
    "paid": ("支付金额", "Paid amount"),
    "net": ("退后金额（截至数据时点）", "Net of refunds, as of the data"),
}


def step_table(steps: pd.DataFrame, lang: str, currency: str = "CNY") -> pd.DataFrame:
    """The steps as they are read, each value in its own unit, one row per step.

    Columns label, was, now, ratio, contribution, share, lower, upper, unusual; chance, what
    sampling alone leaves open, where `sampling` was added, and pairs, where `pairs_beyond` was.
    """
    table = pd.DataFrame(
        {
            "label": steps[f"label_{lang}"],
            **{
                name: [
                    text.value(value, unit, lang, currency=currency)
                    for value, unit in zip(steps[side], steps["unit"], strict=True)
                ]
                for name, side in (("was", "before"), ("now", "after"))
            },
            "ratio": steps["ratio"],
            "contribution": steps["contribution"],
            "share": steps["share"],
            "lower": steps["usual_lower"],
            "upper": steps["usual_upper"],
            "unusual": steps["unusual"],
        }
    )
    if "sampling_lower" in steps:
        table["chance"] = [
            text.interval(*edges, "money", lang, currency=currency)
            if np.isfinite(edges[0])
            else "—"
            for edges in zip(steps["sampling_lower"], steps["sampling_upper"], strict=True)
        ]
    if "pairs" in steps:
        table["pairs"] = [
            f"{beyond:.0f} / {pairs:.0f}" if pairs else "—"
            for beyond, pairs in zip(steps["beyond"], steps["pairs"], strict=True)
        ]
    return table


def named_lines(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `lines` with the names of its lines: line_zh, line_en."""
    return table.assign(
        line_zh=[LINE_NAMES[line][0] for line in table["line"]],
        line_en=[LINE_NAMES[line][1] for line in table["line"]],
    )


def named_states(table: pd.DataFrame) -> pd.DataFrame:
    """The table with state_zh and state_en: the state in words where it is new or gone."""
    return table.assign(
        state_zh=[STATES[state][0] for state in table["state"]],
        state_en=[STATES[state][1] for state in table["state"]],
    )


def named_slices(
    totals: pd.DataFrame, slice: str, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """`slice_totals` in words: label_zh, label_en, state_zh, state_en, step_zh, step_en."""
    columns = {**reference.tables()["products"].columns, **reference.tables()["sessions"].columns}
    steps = {name: (column.zh, column.en) for name, column in columns.items()} | STATES
    label = totals[slice].map(lambda value: (names or {}).get(value, value))
    step_words = [
        [
            " → ".join(steps[end][place] for end in (start, step) if end)
            for start, step in zip(totals["previous"], totals["step"], strict=True)
        ]
        for place in (0, 1)
    ]
    return named_states(totals).assign(
        label_zh=label, label_en=label, step_zh=step_words[0], step_en=step_words[1]
    )


def largest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest effects first, whichever way they went."""
    size = (
        table["contribution"].abs()
        if "contribution" in table
        else table["mix_effect"].abs() + table["rate_effect"].abs()
    )
    return table.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def whole_products(products: pd.DataFrame) -> pd.DataFrame:
    """The product rows without the SKU rows that repeat them."""
    return products[products["sku_id"].isna()]


def product_names(products: pd.DataFrame) -> dict[str, str]:
    """The last name known of each product, by id."""
    named = products.dropna(subset=["name"]).drop_duplicates("product_id", keep="last")
    return dict(zip(named["product_id"], named["name"], strict=True))
