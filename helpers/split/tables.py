"""The tables of the split as they are read: names of columns, units, values in words."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.split.slices import EFFECTS

STATES = {"both": (None, None), "new": ("新上", "new"), "gone": ("本场没上", "not this time")}
STEP_WORDS = {
    "labels": {
        "label": ("步骤", "Step"),
        "was": ("基准场", "Base session"),
        "now": ("本场", "This session"),
        "ratio": ("为基准场的倍数", "Times the base session"),
        "contribution": ("对支付金额的影响", "Effect on paid amount"),
        "share": ("占总变化", "Share of the change"),
        "lower": ("平常的影响", "Ordinary effect"),
        "chance": ("影响的抽样区间", "Effect, sampling interval"),
        "pairs": ("平常两场之间也差这么多", "Ordinary pairs that differ as much"),
        "unusual": ("超出平常", "Unusual"),
    },
    "units": {"contribution": "+money", "share": "percent", "lower": "money", "ratio": "ratio"},
}
STEP_COLUMNS = [
    "label",
    "contribution",
    "lower",
    "upper",
    "unusual",
    "was",
    "now",
]  # the others back them up
MIX_WORDS = {
    "labels": {
        "state": ("状态", "State"),
        "share_before": ("基准场占比", "Share, base session"),
        "share_after": ("本场占比", "Share, this session"),
        "rate_before": ("基准场比率", "Rate, base session"),
        "rate_after": ("本场比率", "Rate, this session"),
        "mix_effect": ("结构影响（百分点）", "Mix effect (percentage points)"),
        "rate_effect": ("转化影响（百分点）", "Own-rate effect (percentage points)"),
    },
    "units": {
        **dict.fromkeys(("share_before", "share_after", "rate_before", "rate_after"), "percent"),
        "mix_effect": "+points",
        "rate_effect": "+points",
    },
}
LINE_NAMES = {
    "created": ("下单金额（含未支付）", "Order amount (unpaid included)"),
    "paid": ("支付金额", "Paid amount"),
    "net": ("退后金额（截至数据时点）", "Net of refunds, as of the data"),
}
LINE_WORDS = {
    "labels": {
        "line": ("金额口径", "Money line"),
        "label": ("步骤", "Step"),
        "contribution": ("影响", "Effect"),
        "shapley": ("用 Shapley 法复核", "Checked by Shapley"),
        "share": ("占总变化", "Share of the change"),
    },
    "units": {"contribution": "+money", "shapley": "+money", "share": "percent"},
}
TREE_WORDS = {
    "labels": {
        "label": ("拆到哪里", "Down to"),
        "amount": ("比基准场多或少", "Against the base session"),
        "share": ("占总变化", "Share of the change"),
        "evidence": ("本项或其下有一项异常", "It or a part of it is unusual"),
    },
    "units": {"amount": "+money", "share": "percent"},
}
SUM_WORDS = {
    "labels": {
        **MIX_WORDS["labels"],
        "of": ("比率", "Rate"),
        "dimension": ("维度", "Dimension"),
        "n": ("可比场次", "Comparable sessions"),
        "reversal": ("整体与各部分方向相反", "Whole goes against its parts"),
    },
    "units": MIX_WORDS["units"] | {"n": "count"},
}
DIMENSION_COLUMNS = [
    "dimension_zh",
    "dimension_en",
    "label_zh",
    "label_en",
    *EFFECTS,
]
SLICE_COLUMNS = [
    "label_zh",
    "label_en",
    "state_zh",
    "state_en",
    "contribution",
    "step_zh",
    "step_en",
    "step_contribution",
]
SLICE_WORDS = {
    "labels": {
        "label": ("名称", "Name"),
        "state": ("状态", "State"),
        "contribution": ("支付金额比基准场", "Paid amount against the base session"),
        "step": ("主要经由", "Mostly through"),
        "step_contribution": ("其中这一步", "Of it, this step"),
    },
    "units": {"contribution": "+money", "step_contribution": "+money"},
}
STANDING_COLUMNS = [
    "slice",
    "metric",
    "value",
    "baseline",
    "lower",
    "upper",
    "others_rate",
    "n",
    "p_adjusted",
    "verdict",
]
STANDING_WORDS = {
    "labels": {
        "slice": ("来源或商品", "Source or product"),
        "value": ("本场", "This session"),
        "baseline": ("平时", "Usual"),
        "lower": ("正常范围", "Normal range"),
        "others_rate": ("本场其他来源或商品", "The others today"),
        "n": ("场数", "Sessions"),
        "p_adjusted": ("校正后 p", "Adjusted p"),
    },
    "units": {"others_rate": "percent"},
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
