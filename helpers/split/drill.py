"""Further and further down: each step of a way over its slices, and a tree in which every level sums to its parent."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import stats, text
from helpers.split.formula import LEAST_NET
from helpers.split.margins import fallen, step_of
from helpers.split.slices import by_slice, mix_and_rate, reversal

LEAST_SHARE = 0.03      # of the whole change: smaller branches are taken together as the rest
LEVEL = 0.05
DEPTH = 3
SHOWN = 4               # branches of a node beside the rest

ALONG = ["previous", "step", "rate_before", "rate_after", "mix_effect", "rate_effect", "reversal", "slice", "slice_before", "slice_after", "p_value", "p_adjusted"]


def along(rows: pd.DataFrame, session_id: str, chosen: Iterable[str], slice: str, columns: Sequence[str]) -> pd.DataFrame:
    """Every step of a way over the slices of one dimension: who came, how they did, and which slice fell.

    `rows` have one row per session and slice, `columns` are the way in order. One row per step: previous, step,
    rate_before (all chosen sessions), rate_after, mix_effect, rate_effect, reversal (the whole against its parts), slice
    (fallen furthest beside the others), slice_before, slice_after, p_value (with the search over slices inside), p_adjusted
    (Benjamini-Hochberg over the steps). Steps that nobody took are left out.
    """
    wanted, made = list(chosen), []
    sides = rows[rows["session_id"].isin(wanted)], rows[rows["session_id"] == session_id]
    for previous, step in itertools.pairwise(columns):
        table = mix_and_rate(*sides, slice, previous, step)
        part = step_of(rows, session_id, wanted, slice, previous, step)
        if table.empty or part is None:
            continue
        found, by = fallen(part), table.set_index(slice)
        name = found.names[0]
        before, after = ((table[f"rate_{when}"] * table[f"share_{when}"]).sum() for when in ("before", "after"))
        made.append((previous, step, before, after, table["mix_effect"].sum(), table["rate_effect"].sum(), reversal(table), name,
                     by.loc[name, "rate_before"], by.loc[name, "rate_after"], found.p_value))
    frame = pd.DataFrame(made, columns=ALONG[:-1])
    return frame.assign(p_adjusted=stats.benjamini_hochberg(frame["p_value"].astype(float)))


def along_sentence(
    table: pd.DataFrame, rate_before: float, rate_after: float, names: Mapping[str, tuple[str, str]], *, level: float = LEVEL
) -> tuple[str, str]:
    """What `along` found, as one sentence in each language, beside the way of the whole from its first to its last step.

    `names` gives the steps' names by column. Where the whole rises while a slice collapses, that is said first.
    """
    whole = [text.percent(rate) for rate in (rate_before, rate_after)]
    told = table[table["p_adjusted"] <= level].sort_values("p_value", kind="stable")
    zh, en = (f"整体转化率由 {whole[0]} 到 {whole[1]}", f"the whole converted {whole[0]} before and {whole[1]} now")
    if told.empty:
        return f"{zh}；没有一步、一部分明显变差。", f"{en[:1].upper()}{en[1:]}; no part clearly did worse at any step."
    hidden = rate_after >= rate_before
    for row in told.itertuples():
        rates = [text.percent(rate) for rate in (row.slice_before, row.slice_after)]
        ends = [names.get(column, (column, column)) for column in (row.previous, row.step)]
        name = text.plain(row.slice, 30)
        zh += f"；「{name}」从{ends[0][0]}到{ends[1][0]}由 {rates[0]} 降到 {rates[1]}"
        en += f"; {name} fell from {rates[0]} to {rates[1]} between {ends[0][1]} and {ends[1][1]}"
    warn = ("。总数没有下降，掩盖了这一处。", ". The total did not fall and hides it.") if hidden else ("。", ".")
    return zh + warn[0], en[:1].upper() + en[1:] + warn[1]


# ------------------------------------------------------------------------------------------------------------ the tree

NODE = ["node", "parent", "depth", "label_zh", "label_en", "amount", "share", "kind"]
Level = Callable[[Sequence[str]], pd.DataFrame]


def drill(change: float, label: tuple[str, str], levels: Sequence[Level], *, depth: int = DEPTH, least_share: float = LEAST_SHARE) -> pd.DataFrame:
    """The tree of a change: at each level its largest branch is split again, until nothing speaks for going on.

    Each of `levels` takes the path of keys so far and gives the branches: key, label_zh, label_en, amount, p_value (how
    likely such a branch is by chance; missing: unknown). It goes on from the largest branch in the direction of the change
    whose p_value is at most .05, and stops where there is none, where the branch is under 3 % of the change, or at
    `depth`. One row per node, parents first: node, parent, depth, label_zh, label_en, amount, share (of the change), kind
    (root, part, rest). Children sum to their parent exactly: what is not shown, and what the tables do not explain, is
    the rest.
    """
    rows, path, parent, amount = [("0", "", 0, *label, change, "root")], [], "0", change
    for place, level in enumerate(levels[:depth], start=1):
        branches = level(path)
        if branches.empty or amount == 0:
            break
        size = branches["amount"].abs()
        kept = branches[size >= least_share * abs(change)]
        kept = kept.loc[kept["amount"].abs().sort_values(ascending=False, kind="stable").index[:SHOWN if place > 1 else None]]
        kept = kept if place > 1 else kept.sort_index()
        if kept.empty:
            break
        nodes = [f"{parent}.{number}" for number in range(1, len(kept) + 2)]
        rows += [(node, parent, place, row.label_zh, row.label_en, row.amount, "part") for node, row in zip(nodes, kept.itertuples(), strict=False)]
        rest = amount - kept["amount"].sum()
        rows.append((nodes[-1], parent, place, "其他", "rest", rest, "rest"))
        sure = kept["p_value"].le(LEVEL) & (kept["amount"] * np.sign(change) > 0)
        if not sure.any():
            break
        lead = int(np.nanargmax((kept["amount"] * np.sign(change)).where(sure).to_numpy()))
        parent, amount, path = nodes[lead], float(kept["amount"].iloc[lead]), [*path, kept["key"].iloc[lead]]
    made = pd.DataFrame(rows, columns=[name for name in NODE if name != "share"])
    # Where the first level mostly cancels, a share of what is left says nothing.
    clear = abs(change) >= LEAST_NET * made.loc[made["depth"] == 1, "amount"].abs().sum() and change != 0
    made = made.assign(share=made["amount"] / change if clear else np.nan)[NODE]
    for node, children in made[made["parent"] != ""].groupby("parent"):
        whole = made.loc[made["node"] == node, "amount"].iloc[0]
        assert abs(children["amount"].sum() - whole) <= 1e-9 * max(abs(change), abs(whole), 1.0), f"the branches of {node} do not sum to it"
    return made


def indented(tree: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The tree as it is read, children under their parent: label (indented), amount, share; a rest of nothing is not shown."""
    tree = tree[(tree["kind"] != "rest") | (tree["amount"].abs() >= 0.005)]
    order = sorted(range(len(tree)), key=lambda place: [int(part) for part in tree["node"].iloc[place].split(".")])
    rows = tree.iloc[order]
    # Cells of a table have their white space folded, so the depth is drawn.
    label = [("└" + "─" * depth + " " if depth else "") + text.plain(name, 40) for depth, name in zip(rows["depth"], rows[f"label_{lang}"], strict=True)]
    return pd.DataFrame({"label": label, "amount": rows["amount"].to_numpy(), "share": rows["share"].to_numpy()})


def drill_bars(tree: pd.DataFrame, before: float, after: float, lang: str) -> pd.DataFrame:
    """The tree's leaves as a waterfall from the baseline to this session: label, amount, kind (start, step, end)."""
    order = sorted(range(len(tree)), key=lambda place: [int(part) for part in tree["node"].iloc[place].split(".")])
    rows = tree.iloc[order]
    leaves = rows[~rows["node"].isin(rows["parent"]) & (rows["amount"].abs() > 1e-9 * max(abs(before), abs(after), 1.0))]
    names = tree.set_index("node")[f"label_{lang}"]
    label = [text.plain(names[parent], 18) + " · " + text.plain(own, 18) if depth > 1 else text.plain(own, 24)
             for parent, own, depth in zip(leaves["parent"], leaves[f"label_{lang}"], leaves["depth"], strict=True)]
    ends = {"zh": ("基准场", "本场"), "en": ("Baseline", "This session")}[lang]
    made = pd.DataFrame([(ends[0], before, "start"), *zip(label, leaves["amount"], ["step"] * len(leaves), strict=True), (ends[1], after, "end")],
                        columns=["label", "amount", "kind"])
    assert np.isclose(made.loc[made["kind"] != "end", "amount"].sum(), after, rtol=1e-9, atol=1e-6)
    return made


# How the steps of a session are called in the tables of its sources and products.
OF_PRODUCTS = {"product_exposure_users": "exposure_users", "product_click_users": "click_users"}


def session_levels(
    steps: pd.DataFrame, columns: Sequence[str], splits: Mapping[str, pd.DataFrame], standing: pd.DataFrame, names: Mapping[str, str],
    cells: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> list[Level]:
    """The levels of one session's tree: the steps of the formula, the slices at a step, the other dimension within it.

    `steps` is the frame of `formula` with `with_usual` for `columns`, which the other tables must hold too to go on, `splits` the frames of `by_slice` by slice column, `standing` that
    of `standings`. A step has a small p-value where its contribution is unusual or a slice left its usual standing at
    it; which dimension a step is split over is decided by the surest slice. `cells` (before, after: source, product_id and
    the columns) let a source be split over its products and a product over its sources; without them no table says that.
    """
    used: list[str] = []

    before = dict(zip(columns, ["", *columns], strict=False))

    def alike(frame: pd.DataFrame, previous: str, step: str, key: str) -> pd.DataFrame:
        """The rows of the very step: reached from the same column, in the names of either table."""
        ends = [(before[key], key), (OF_PRODUCTS.get(before[key], before[key]), OF_PRODUCTS.get(key, key))]
        pairs = pd.Series(list(zip(frame[previous], frame[step], strict=True)), index=frame.index, dtype=object)
        return frame[pairs.isin(ends)]

    def at(key: str) -> pd.DataFrame:
        own = alike(standing[standing["verdict"] == "worse"], "weight_column", "value_column", key)
        return own.sort_values("p_value", kind="stable")

    def first(_: Sequence[str]) -> pd.DataFrame:
        sure = [bool(unusual) or len(at(column)) > 0 for unusual, column in zip(steps["unusual"], columns, strict=True)]
        return pd.DataFrame({"key": list(columns), "label_zh": steps["label_zh"], "label_en": steps["label_en"], "amount": steps["contribution"],
                             "p_value": np.where(sure, 0.0, 1.0)})

    def second(path: Sequence[str]) -> pd.DataFrame:
        own = at(path[0])
        order = [*own["dimension"].drop_duplicates(), *splits]
        for dimension in dict.fromkeys(order):
            table = splits.get(dimension, pd.DataFrame())
            here = alike(table, "previous", "step", path[0]) if len(table) else table
            if len(here):
                used[:] = [dimension]
                p = own[own["dimension"] == dimension].set_index("key")["p_value"]
                label = here[dimension].map(lambda value: names.get(value, value))
                return pd.DataFrame({"key": here[dimension], "label_zh": label, "label_en": label, "amount": here["contribution"],
                                     "p_value": here[dimension].map(p).astype(float)})
        return pd.DataFrame(columns=["key", "label_zh", "label_en", "amount", "p_value"])

    def third(path: Sequence[str]) -> pd.DataFrame:
        if cells is None or not used:
            return pd.DataFrame()
        dimension, other = used[0], {"source": "product_id", "product_id": "source"}[used[0]]
        sides = [side[side[dimension] == path[1]] for side in cells]
        table = by_slice(*sides, other, [name for name in columns if name in sides[0]])
        here = alike(table, "previous", "step", path[0])
        label = here[other].map(lambda value: names.get(value, value))
        return pd.DataFrame({"key": here[other], "label_zh": label, "label_en": label, "amount": here["contribution"], "p_value": np.nan})

    return [first, second, third]
