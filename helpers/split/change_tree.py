"""The tree of a change, in which every level sums to its parent, and what it says."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.core import text
from helpers.split.amount_steps import LEAST_NET, bars

LEAST_SHARE = 0.03  # of the whole change: smaller branches are taken together as the rest
LEVEL = 0.05
DEPTH = 4
SHOWN = 4  # branches of a node beside the rest
NODE = [
    "node",
    "parent",
    "depth",
    "label_zh",
    "label_en",
    "amount",
    "share",
    "kind",
    "sure",
    "stop",
]
Level = Callable[[Sequence[Any]], pd.DataFrame]


def is_large(amounts: pd.Series, change: float) -> pd.Series:
    """Whether each branch is so large a part of the whole change that it is a node of its own."""
    return amounts.abs() >= LEAST_SHARE * abs(change)


PAID_CHANGE = ("支付金额的变化", "Change of the paid amount")


def drill(change: float, label: tuple[str, str], levels: Sequence[Level]) -> pd.DataFrame:
    """The tree of a change, whose largest branch is split again at each level.

    Each of `levels` takes the path of keys so far and gives the branches: key, label_zh, label_en,
    amount, p_value (how likely such a branch is by chance; missing: unknown). It goes on from the
    largest branch in the direction of the change whose p_value is at most .05, and stops where
    there is none, where the branch is under 3 % of the change, or at `DEPTH`. One row per node,
    parents first: node, parent, depth, label_zh, label_en, amount, share (of the change), kind
    (root, part, rest), sure (p_value at most .05), stop (why the split ends at this node: evidence,
    small, data, depth; else empty). Children sum to their parent exactly, with a rest of what is
    not shown or explained.
    """
    rows, path, parent, amount, stop = (
        [("0", "", 0, *label, change, "root", False)],
        [],
        "0",
        change,
        "depth",
    )
    for place, level in enumerate(levels[:DEPTH], start=1):
        branches = level(path)
        if branches.empty or amount == 0:
            stop = "data"
            break
        shown = branches[is_large(branches["amount"], change)]
        if place > 1:  # the steps of the formula stand in their order, all of them
            shown = shown.sort_values(
                "amount", key=lambda amounts: -amounts.abs(), kind="stable"
            ).head(SHOWN)
        if shown.empty:
            stop = "small"
            break
        nodes = [f"{parent}.{number}" for number in range(1, len(shown) + 2)]
        rows += [
            (
                node,
                parent,
                place,
                row.label_zh,
                row.label_en,
                row.amount,
                "part",
                row.p_value <= LEVEL,
            )
            for node, row in zip(nodes, shown.itertuples(), strict=False)
        ]
        remainder = amount - shown["amount"].sum()
        rows.append((nodes[-1], parent, place, "其他", "rest", remainder, "rest", False))
        toward = shown["amount"] * np.sign(change)
        sure = shown["p_value"].le(LEVEL) & (toward > 0)
        if not sure.any():
            stop = "evidence"
            break
        lead = int(np.nanargmax(toward.where(sure).to_numpy()))
        parent, amount, path = (
            nodes[lead],
            float(shown["amount"].iloc[lead]),
            [*path, shown["key"].iloc[lead]],
        )
    tree = pd.DataFrame(rows, columns=[name for name in NODE if name not in ("share", "stop")])
    # Where the first level mostly cancels, a share of what is left says nothing.
    clear = (
        abs(change) >= LEAST_NET * tree.loc[tree["depth"] == 1, "amount"].abs().sum()
        and change != 0
    )
    tree = tree.assign(
        share=tree["amount"] / change if clear else np.nan,
        stop=np.where(tree["node"] == parent, stop, ""),
    )[NODE]
    for node, children in tree[tree["parent"] != ""].groupby("parent"):
        whole = tree.loc[tree["node"] == node, "amount"].iloc[0]
        assert abs(children["amount"].sum() - whole) <= 1e-9 * max(abs(change), abs(whole), 1.0), (
            f"the branches of {node} do not sum to it"
        )
    return tree


STOPS = {
    "evidence": ("再往下，没有哪一项超出平常的差异", "nothing below it left what is usual"),
    "small": ("再往下，每一项都不到总变化的 3%", "everything below it is under 3 % of the change"),
    "data": ("再往下，手上的表没有说", "no table at hand says more"),
    "depth": ("已经拆到底", "this is the last level"),
}


def path_sentence(tree: pd.DataFrame, lang: str, currency: str = "CNY") -> str:
    """The tree's main line in words, from the whole change to the node where it stops, and why."""
    end = tree.loc[tree["stop"] != ""].iloc[0]
    if end["kind"] == "root" and end["stop"] == "evidence":
        return text.choose(
            lang,
            "没有哪一步超出平常，也没有哪个来源、商品明显变差，不再往下拆。",
            (
                "No step left what is usual and no source or product clearly fell short: the split "
                "goes no further."
            ),
        )
    line = tree[
        [end["node"] == node or end["node"].startswith(node + ".") for node in tree["node"]]
    ].sort_values("depth")
    nodes = [
        f"{text.plain(name, 40)} {text.signed(amount, 'money', lang, currency=currency)}"
        for name, amount in zip(line[f"label_{lang}"], line["amount"], strict=True)
    ]
    why = STOPS[end["stop"]][lang != "zh"]
    return " → ".join(nodes) + (
        f"。{why}，停在这里。金额都是与基准场之差。"
        if lang == "zh"
        else f". It stops here: {why}. All amounts are against the base session."
    )


def _in_order(tree: pd.DataFrame) -> pd.DataFrame:
    return tree.sort_values(
        "node", key=lambda nodes: nodes.map(lambda node: [int(part) for part in node.split(".")])
    )


def indented(tree: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The tree as it is read, children under their parent.

    Columns: label (indented), amount, share, evidence. A rest of nothing is not shown.
    """
    tree = tree[(tree["kind"] != "rest") | (tree["amount"].abs() >= 0.005)]
    rows, yes = _in_order(tree), text.choose(lang, "是", "yes")
    # Cells of a table have their white space folded, so the depth is drawn.
    label = [
        "│ " * (depth - 1) + ("├ " if depth else "") + text.plain(name, 40)
        for depth, name in zip(rows["depth"], rows[f"label_{lang}"], strict=True)
    ]
    return pd.DataFrame(
        {
            "label": label,
            "amount": rows["amount"].to_numpy(),
            "share": rows["share"].to_numpy(),
            "evidence": [yes if sure else None for sure in rows["sure"]],
        }
    )


def drill_bars(tree: pd.DataFrame, before: float, after: float, lang: str) -> pd.DataFrame:
    """The tree as a waterfall from the baseline to this session.

    Columns: label, amount, kind (start, step, whole, end). What was split further is a whole, its
    parts below it are marked by their depth; the steps alone lead from start to end.
    """
    rows = _in_order(tree[(tree["depth"] > 0) | (len(tree) == 1)])
    rows = rows[rows["amount"].abs() > 1e-9 * max(abs(before), abs(after), 1.0)]
    split = rows["node"].isin(rows["parent"])
    drawn = bars(
        [
            "└" * (depth - 1) + " " * (depth > 1) + text.plain(label, 40)
            for depth, label in zip(rows["depth"], rows[f"label_{lang}"], strict=True)
        ],
        rows["amount"].where(~split, 0.0),
        before,
        after,
        lang,
    )
    inner = np.flatnonzero(split) + 1
    drawn.loc[inner, "amount"], drawn.loc[inner, "kind"] = (
        rows["amount"].to_numpy()[inner - 1],
        "whole",
    )
    return drawn
