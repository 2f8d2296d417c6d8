"""Further and further down: each step of a way over its slices, and a tree in which every level sums to its parent."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.core import stats, text
from helpers.split.dimensions import SLOT_MINUTES, half_hours
from helpers.split.formula import LEAST_NET, bars
from helpers.split.margins import fallen, step_of
from helpers.split.slices import mix_and_rate, reversal

LEAST_SHARE = 0.03  # of the whole change: smaller branches are taken together as the rest
LEVEL = 0.05
DEPTH = 4
SHOWN = 4  # branches of a node beside the rest

ALONG = [
    "previous",
    "step",
    "rate_before",
    "rate_after",
    "mix_effect",
    "rate_effect",
    "reversal",
    "slice",
    "slice_before",
    "slice_after",
    "p_value",
    "p_adjusted",
]


def along(
    rows: pd.DataFrame, session_id: str, chosen: Iterable[str], slice: str, columns: Sequence[str]
) -> pd.DataFrame:
    """Every step of a way over the slices of one dimension: who came, how they did, and which slice fell.

    `rows` have one row per session and slice, `columns` are the way in order. One row per step:
    previous, step, rate_before (all chosen sessions), rate_after, mix_effect, rate_effect, reversal
    (the whole against its parts), slice (fallen furthest beside the others), slice_before,
    slice_after, p_value (with the search over slices inside), p_adjusted (Benjamini-Hochberg over
    the steps). Steps that nobody took are left out.
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
        before, after = (
            (table[f"rate_{when}"] * table[f"share_{when}"]).sum() for when in ("before", "after")
        )
        made.append(
            (
                previous,
                step,
                before,
                after,
                table["mix_effect"].sum(),
                table["rate_effect"].sum(),
                reversal(table),
                name,
                by.loc[name, "rate_before"],
                by.loc[name, "rate_after"],
                found.p_value,
            )
        )
    frame = pd.DataFrame(made, columns=ALONG[:-1])
    return frame.assign(p_adjusted=stats.benjamini_hochberg(frame["p_value"].astype(float)))


def along_sentence(
    table: pd.DataFrame,
    rate_before: float,
    rate_after: float,
    names: Mapping[str, tuple[str, str]],
    *,
    level: float = LEVEL,
) -> tuple[str, str]:
    """What `along` found, as one sentence in each language, beside the way of the whole from its first to its last step.

    `names` gives the steps' names by column. Where the whole rises while a slice collapses, that is
    said first.
    """
    whole = [text.percent(rate) for rate in (rate_before, rate_after)]
    told = table[table["p_adjusted"] <= level].sort_values("p_value", kind="stable")
    zh, en = (
        f"整体转化率由 {whole[0]} 到 {whole[1]}",
        f"the whole converted {whole[0]} before and {whole[1]} now",
    )
    if told.empty:
        return (
            f"{zh}；没有一步、一部分明显变差。",
            f"{en[:1].upper()}{en[1:]}; no part clearly did worse at any step.",
        )
    hidden = rate_after >= rate_before
    for row in told.itertuples():
        rates = [text.percent(rate) for rate in (row.slice_before, row.slice_after)]
        ends = [names.get(column, (column, column)) for column in (row.previous, row.step)]
        name = text.plain(row.slice, 30)
        zh += f"；「{name}」从{ends[0][0]}到{ends[1][0]}由 {rates[0]} 降到 {rates[1]}"
        en += f"; {name} fell from {rates[0]} to {rates[1]} between {ends[0][1]} and {ends[1][1]}"
    warn = (
        ("。总数没有下降，掩盖了这一处。", ". The total did not fall and hides it.")
        if hidden
        else ("。", ".")
    )
    return zh + warn[0], en[:1].upper() + en[1:] + warn[1]


# ---------------------------------------------------------------------------------------- the tree

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
BRANCH = ["key", "label_zh", "label_en", "amount", "p_value"]
Level = Callable[[Sequence[Any]], pd.DataFrame]


def drill(change: float, label: tuple[str, str], levels: Sequence[Level]) -> pd.DataFrame:
    """The tree of a change: at each level its largest branch is split again, until nothing speaks for going on.

    Each of `levels` takes the path of keys so far and gives the branches: key, label_zh, label_en,
    amount, p_value (how likely such a branch is by chance; missing: unknown). It goes on from the
    largest branch in the direction of the change whose p_value is at most .05, and stops where
    there is none, where the branch is under 3 % of the change, or at `DEPTH`. One row per node,
    parents first: node, parent, depth, label_zh, label_en, amount, share (of the change), kind
    (root, part, rest), sure (whether its p_value is at most .05), stop (why the split ends at this
    node: evidence, small, data, depth; empty elsewhere). Children sum to their parent exactly: what
    is not shown, and what the tables do not explain, is the rest.
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
        kept = branches[branches["amount"].abs() >= LEAST_SHARE * abs(change)]
        if place > 1:  # the steps of the formula stand in their order, all of them
            kept = kept.sort_values(
                "amount", key=lambda amounts: -amounts.abs(), kind="stable"
            ).head(SHOWN)
        if kept.empty:
            stop = "small"
            break
        nodes = [f"{parent}.{number}" for number in range(1, len(kept) + 2)]
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
            for node, row in zip(nodes, kept.itertuples(), strict=False)
        ]
        rest = amount - kept["amount"].sum()
        rows.append((nodes[-1], parent, place, "其他", "rest", rest, "rest", False))
        toward = kept["amount"] * np.sign(change)
        sure = kept["p_value"].le(LEVEL) & (toward > 0)
        if not sure.any():
            stop = "evidence"
            break
        lead = int(np.nanargmax(toward.where(sure).to_numpy()))
        parent, amount, path = (
            nodes[lead],
            float(kept["amount"].iloc[lead]),
            [*path, kept["key"].iloc[lead]],
        )
    made = pd.DataFrame(rows, columns=[name for name in NODE if name not in ("share", "stop")])
    # Where the first level mostly cancels, a share of what is left says nothing.
    clear = (
        abs(change) >= LEAST_NET * made.loc[made["depth"] == 1, "amount"].abs().sum()
        and change != 0
    )
    made = made.assign(
        share=made["amount"] / change if clear else np.nan,
        stop=np.where(made["node"] == parent, stop, ""),
    )[NODE]
    for node, children in made[made["parent"] != ""].groupby("parent"):
        whole = made.loc[made["node"] == node, "amount"].iloc[0]
        assert abs(children["amount"].sum() - whole) <= 1e-9 * max(abs(change), abs(whole), 1.0), (
            f"the branches of {node} do not sum to it"
        )
    return made


STOPS = {
    "evidence": ("再往下，没有哪一项超出平常的差异", "nothing below it left what is usual"),
    "small": ("再往下，每一项都不到总变化的 3%", "everything below it is under 3 % of the change"),
    "data": ("再往下，手上的表没有说", "no table at hand says more"),
    "depth": ("已经拆到底", "this is the last level"),
}


def path_sentence(tree: pd.DataFrame, lang: str, currency: str = "CNY") -> str:
    """The tree's main line in words, from the whole change down to the node where it stops, and why it stops there."""
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
    told = [
        f"{text.plain(name, 40)} {text.signed(amount, 'money', lang, currency=currency)}"
        for name, amount in zip(line[f"label_{lang}"], line["amount"], strict=True)
    ]
    why = STOPS[end["stop"]][lang != "zh"]
    return " → ".join(told) + (
        f"。{why}，停在这里。金额都是与基准场之差。"
        if lang == "zh"
        else f". It stops here: {why}. All amounts are against the base session."
    )


def _in_order(tree: pd.DataFrame) -> pd.DataFrame:
    """The nodes as one reads them: each followed by what lies below it."""
    return tree.sort_values(
        "node", key=lambda nodes: nodes.map(lambda node: [int(part) for part in node.split(".")])
    )


def indented(tree: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The tree as it is read, children under their parent: label (indented), amount, share, evidence; a rest of nothing is not shown."""
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
    """The tree as a waterfall from the baseline to this session: label, amount, kind (start, step, whole, end).

    What was split further is a whole, its parts below it are marked by their depth; the steps alone
    lead from start to end.
    """
    rows = _in_order(tree[(tree["depth"] > 0) | (len(tree) == 1)])
    rows = rows[rows["amount"].abs() > 1e-9 * max(abs(before), abs(after), 1.0)]
    split = rows["node"].isin(rows["parent"])
    made = bars(
        [
            "└" * (depth - 1) + " " * (depth > 1) + text.plain(own, 40)
            for depth, own in zip(rows["depth"], rows[f"label_{lang}"], strict=True)
        ],
        rows["amount"].where(~split, 0.0),
        before,
        after,
        lang,
    )
    inner = np.flatnonzero(split) + 1
    made.loc[inner, "amount"], made.loc[inner, "kind"] = (
        rows["amount"].to_numpy()[inner - 1],
        "whole",
    )
    return made


# How the steps of a session are called in the tables of its sources and products.
OF_PRODUCTS = {"product_exposure_users": "exposure_users", "product_click_users": "click_users"}
Names = Mapping[str, str]


def session_levels(
    steps: pd.DataFrame,
    columns: Sequence[str],
    splits: Mapping[str, pd.DataFrame],
    standing: pd.DataFrame,
    names: Names,
    sold: tuple[pd.DataFrame, pd.DataFrame] | None = None,
) -> list[Level]:
    """The levels of one session's tree: the steps of the formula, the slices at a step, then what was sold where and when.

    `steps` is the frame of `formula` with `with_usual` for `columns`, which the other tables must
    hold too to go on, `splits` the frames of `by_slice` by slice column, `standing` that of
    `standings`. A step has a small p-value where its contribution is unusual or a slice left its
    usual standing at it; which dimension a step is split over is decided by the surest slice.
    `sold` (before, after: frames of `sold_lines`) lets a source go on to its products, a product to
    its sources, and both to minutes; see `short_of`.
    """
    before = dict(zip(columns, ["", *columns], strict=False))

    def alike(frame: pd.DataFrame, key: str) -> pd.DataFrame:
        """The rows of the very step: reached from the same column, in the names of either table."""
        ends = [
            (before[key], key),
            (OF_PRODUCTS.get(before[key], before[key]), OF_PRODUCTS.get(key, key)),
        ]
        previous, step = (
            ("weight_column", "value_column") if "weight_column" in frame else ("previous", "step")
        )
        pairs = pd.Series(
            list(zip(frame[previous], frame[step], strict=True)), index=frame.index, dtype=object
        )
        return frame[pairs.isin(ends)]

    def at(key: str) -> pd.DataFrame:
        return alike(standing[standing["verdict"] == "worse"], key).sort_values(
            "p_value", kind="stable"
        )

    def first(_: Sequence[Any]) -> pd.DataFrame:
        sure = [
            bool(unusual) or len(at(column)) > 0
            for unusual, column in zip(steps["unusual"], columns, strict=True)
        ]
        return pd.DataFrame(
            {
                "key": list(columns),
                "label_zh": steps["label_zh"],
                "label_en": steps["label_en"],
                "amount": steps["contribution"],
                "p_value": np.where(sure, 0.0, 1.0),
            }
        )

    def second(path: Sequence[Any]) -> pd.DataFrame:
        own = at(path[0])
        for dimension in dict.fromkeys([*own["dimension"], *splits]):
            table = splits.get(dimension, pd.DataFrame())
            here = alike(table, path[0]) if len(table) else table
            if len(here):
                p = own[own["dimension"] == dimension].set_index("key")["p_value"]
                slices = here[dimension]
                return _branches(dimension, slices, names).assign(
                    amount=here["contribution"].to_numpy(),
                    p_value=slices.map(p).astype(float).to_numpy(),
                )
        return pd.DataFrame(columns=BRANCH)

    def deeper(path: Sequence[Any]) -> pd.DataFrame:
        step, (dimension, key) = path[0], path[1]
        own = alike(splits[dimension], step).set_index(dimension).loc[key]
        if sold is None or not own["ratio"] > 0:
            return pd.DataFrame(columns=BRANCH)
        return _within(
            *(side[side[dimension] == key] for side in sold),
            own["contribution"],
            own["ratio"],
            path[1:],
            names,
        )

    return [first, second, deeper, deeper]


# ------------------------------------------------------------------- what was sold, where and when

FEW_SOLD = 5  # fewer expected orders are not divided further
SINCE = (0, 5, 10, 20)  # minutes since the explanation of the product began


def sold_lines(
    orders: pd.DataFrame, cues: pd.DataFrame, rundown: pd.DataFrame, sessions: pd.DataFrame
) -> pd.DataFrame:
    """Paid order lines with where and when each was ordered: session_id, source, product_id, moment, slot.

    moment: minutes since the explanation of the product last began (before, 0, 5, 10, 20: the first
    minute of each span), from floor control's log, for sessions without one from the rundown;
    missing where neither says. slot: the half hour since the session began.
    """
    paid = orders[orders["paid_at"].notna() & orders["session_id"].notna()].sort_values(
        "created_at", kind="stable"
    )
    slot = half_hours(paid["created_at"], paid["session_id"], sessions)
    log = cues.loc[cues["kind"] == "explain_start", ["session_id", "product_id", "at"]].rename(
        columns={"at": "starts_at"}
    )
    plan = rundown.loc[
        ~rundown["session_id"].isin(log["session_id"]), ["session_id", "product_id", "starts_at"]
    ]
    starts = (
        pd.concat([part for part in (log, plan) if len(part)] or [plan])
        .dropna()
        .sort_values("starts_at", kind="stable")
    )
    since = pd.merge_asof(
        paid[["session_id", "product_id", "created_at"]],
        starts,
        left_on="created_at",
        right_on="starts_at",
        by=["session_id", "product_id"],
    )
    passed = ((since["created_at"] - since["starts_at"]).dt.total_seconds() / 60).to_numpy()
    known = pd.MultiIndex.from_frame(paid[["session_id", "product_id"]]).isin(
        pd.MultiIndex.from_frame(starts[["session_id", "product_id"]])
    )
    span = pd.Series(
        pd.cut(passed, [*SINCE, np.inf], right=False, labels=[str(at) for at in SINCE]),
        index=paid.index,
    ).astype("str")
    return pd.DataFrame(
        {
            "session_id": paid["session_id"],
            "source": paid["source"],
            "product_id": paid["product_id"],
            "moment": span.where(~np.isnan(passed), "before").where(known),
            "slot": slot.map("{:.0f}".format),
        }
    )


def short_of(now: pd.DataFrame, then: pd.DataFrame, by: str, expected: float) -> pd.DataFrame:
    """Where the orders that are short of `expected` are missing: this session's lines against the usual profile.

    One row per value of `by`: key, now, usual (expected x its share among the lines of `then`), gap
    (now - usual; the gaps sum to len(now) - expected), p_value (quasi-Poisson with the variation
    between the sessions of `then` and the error of the share, times the values searched).
    """
    held = then.dropna(subset=[by])
    counts = held.groupby(["session_id", by]).size().unstack(fill_value=0)
    share, drawn = held[by].value_counts(normalize=True), now[by].value_counts()
    keys = pd.Index(sorted({*share.index, *drawn.index}))
    share, drawn, seen = (
        part.reindex(keys).fillna(0.0) for part in (share, drawn, held[by].value_counts())
    )
    means = np.outer(counts.sum(axis=1), share.reindex(counts.columns))
    spread = stats.dispersion(
        counts.to_numpy().ravel(), means.ravel(), fitted=len(counts.columns) + len(counts) - 1
    )
    usual = share * expected
    p = stats.count_p(drawn, usual, dispersion=spread * (1 + usual / seen.clip(lower=1.0)))
    found = pd.DataFrame(
        {
            "now": drawn,
            "usual": usual,
            "gap": drawn - usual,
            "p_value": np.minimum(p * len(keys), 1.0),
        }
    )
    return found.rename_axis("key").reset_index()


def _within(
    then: pd.DataFrame,
    now: pd.DataFrame,
    amount: float,
    ratio: float,
    path: Sequence[tuple[str, str]],
    names: Names,
) -> pd.DataFrame:
    """The branches below a slice whose step stood at `ratio` of the usual: its money spread as its orders are short."""
    expected = len(now) / ratio
    for dimension, key in path[1:]:
        table = short_of(now, then, dimension, expected).set_index("key")
        amount, expected = (
            amount * table.loc[key, "gap"] / table["gap"].sum(),
            table.loc[key, "usual"],
        )
        then, now = (side[side[dimension] == key] for side in (then, now))
    used = {dimension for dimension, _ in path}
    clock = "moment" if "product_id" in used and _told(then, now, "moment") else "slot"
    known = [
        name
        for name in ("product_id", "source", clock)
        if name not in used and not used & {"moment", "slot"} and _told(then, now, name)
    ]
    if expected < FEW_SOLD or not known or len(now) == expected:
        return pd.DataFrame(columns=BRANCH)
    tables = {name: short_of(now, then, name, expected) for name in known}
    surest = min(
        tables,
        key=lambda name: (
            tables[name].loc[tables[name]["gap"] * (len(now) - expected) > 0, "p_value"].min()
        ),
    )
    table = tables[surest]
    return _branches(surest, table["key"], names).assign(
        amount=amount * table["gap"] / table["gap"].sum(), p_value=table["p_value"]
    )


def _told(then: pd.DataFrame, now: pd.DataFrame, name: str) -> bool:
    """Whether (nearly) every line of both sides says it, and there is more than one value to choose from."""
    return (
        all(len(side) and side[name].notna().mean() > 0.9 for side in (then, now))
        and then[name].nunique() > 1
    )


def _branches(dimension: str, keys: pd.Series, names: Names) -> pd.DataFrame:
    """key (dimension, value), label_zh, label_en of each slice."""
    said = [_label(dimension, key, names) for key in keys]
    pairs = pd.Series([(dimension, key) for key in keys], dtype=object)
    return pd.DataFrame(
        {"key": pairs, "label_zh": [zh for zh, _ in said], "label_en": [en for _, en in said]}
    )


def _label(dimension: str, key: str, names: Names) -> tuple[str, str]:
    if dimension == "slot":
        return (
            f"开播后 {key}–{int(key) + SLOT_MINUTES} 分钟",
            f"minutes {key}–{int(key) + SLOT_MINUTES} of the session",
        )
    if dimension != "moment":
        return names.get(key, key), names.get(key, key)
    if key == "before":
        return "讲解之前", "before its explanation"
    until = dict(itertools.pairwise(str(at) for at in SINCE)).get(key)
    return (
        (f"开讲后 {key}–{until} 分钟", f"minutes {key}–{until} of its explanation")
        if until
        else (f"开讲 {key} 分钟以后", f"{key} minutes into its explanation and later")
    )
