"""The levels of a session's tree: steps, sources or products, then what was sold where and when."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers.core import stats
from helpers.split.change_tree import Level
from helpers.split.dimensions import SLOT_MINUTES, half_hours

BRANCH = ["key", "label_zh", "label_en", "amount", "p_value"]


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
    """The levels of one session's tree: steps of the formula, slices at a step, order lines.

    `steps` is the frame of `formula` with `with_usual` for `columns`, which the other tables must
    hold too to go on, `splits` the frames of `by_slice` by slice column, `standing` that of
    `standings`. A step has a small p-value where its contribution is unusual or a slice left its
    usual standing at it; the surest slice decides over which dimension a step is split. `sold`
    (before, after: frames of `sold_lines`) lets a source go on to its products, a product to its
    sources, and both to minutes; see `short_of`.
    """
    before = dict(zip(columns, ["", *columns], strict=False))

    def alike(frame: pd.DataFrame, key: str) -> pd.DataFrame:
        """The rows of the step, reached from the same column, in the names of either table."""
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
        worse = at(path[0])
        for dimension in dict.fromkeys([*worse["dimension"], *splits]):
            table = splits.get(dimension, pd.DataFrame())
            here = alike(table, path[0]) if len(table) else table
            if len(here):
                p = worse[worse["dimension"] == dimension].set_index("key")["p_value"]
                slices = here[dimension]
                return _branches(dimension, slices, names).assign(
                    amount=here["contribution"].to_numpy(),
                    p_value=slices.map(p).astype(float).to_numpy(),
                )
        return pd.DataFrame(columns=BRANCH)

    def deeper(path: Sequence[Any]) -> pd.DataFrame:
        step, (dimension, key) = path[0], path[1]
        lead = alike(splits[dimension], step).set_index(dimension).loc[key]
        if sold is None or not lead["ratio"] > 0:
            return pd.DataFrame(columns=BRANCH)
        return _within(
            *(side[side[dimension] == key] for side in sold),
            lead["contribution"],
            lead["ratio"],
            path[1:],
            names,
        )

    return [first, second, deeper, deeper]


FEW_SOLD = 5  # fewer expected orders are not divided further
SINCE = (0, 5, 10, 20)  # minutes since the explanation of the product began


def sold_lines(
    orders: pd.DataFrame, cues: pd.DataFrame, rundown: pd.DataFrame, sessions: pd.DataFrame
) -> pd.DataFrame:
    """Paid order lines with where and when each was ordered.

    Columns: session_id, source, product_id, moment (minutes since the explanation of the product
    last began: before, 0, 5, 10, 20, the first of each span; from floor control's log, without one
    from the rundown, else missing), slot (half hour since the session began).
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
    explained = pd.MultiIndex.from_frame(paid[["session_id", "product_id"]]).isin(
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
            "moment": span.where(~np.isnan(passed), "before").where(explained),
            "slot": slot.map("{:.0f}".format),
        }
    )


def short_of(now: pd.DataFrame, then: pd.DataFrame, by: str, expected: float) -> pd.DataFrame:
    """The places where orders that are short of `expected` are missing.

    One row per value of `by`: key, now, usual (expected x its share among the lines of `then`), gap
    (now - usual; sums to len(now) - expected), p_value (quasi-Poisson with the variation between
    the sessions of `then` and the error of the share, times the values searched).
    """
    held = then.dropna(subset=[by])
    counts = held.groupby(["session_id", by]).size().unstack(fill_value=0)
    share, drawn = held[by].value_counts(normalize=True), now[by].value_counts()
    keys = pd.Index(sorted({*share.index, *drawn.index}))
    share, drawn, past_counts = (
        part.reindex(keys).fillna(0.0) for part in (share, drawn, held[by].value_counts())
    )
    means = np.outer(counts.sum(axis=1), share.reindex(counts.columns))
    spread = stats.dispersion(
        counts.to_numpy().ravel(), means.ravel(), fitted=len(counts.columns) + len(counts) - 1
    )
    usual = share * expected
    p = stats.count_p(drawn, usual, dispersion=spread * (1 + usual / past_counts.clip(lower=1.0)))
    table = pd.DataFrame(
        {
            "now": drawn,
            "usual": usual,
            "gap": drawn - usual,
            "p_value": np.minimum(p * len(keys), 1.0),
        }
    )
    return table.rename_axis("key").reset_index()


def _within(
    then: pd.DataFrame,
    now: pd.DataFrame,
    amount: float,
    ratio: float,
    path: Sequence[tuple[str, str]],
    names: Names,
) -> pd.DataFrame:
    """Its money is spread over the branches as its orders are short."""
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
    splittable = [
        name
        for name in ("product_id", "source", clock)
        if name not in used and not used & {"moment", "slot"} and _told(then, now, name)
    ]
    if expected < FEW_SOLD or not splittable or len(now) == expected:
        return pd.DataFrame(columns=BRANCH)
    tables = {name: short_of(now, then, name, expected) for name in splittable}
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
    return (
        all(len(side) and side[name].notna().mean() > 0.9 for side in (then, now))
        and then[name].nunique() > 1
    )


def _branches(dimension: str, keys: pd.Series, names: Names) -> pd.DataFrame:
    labels = [_label(dimension, key, names) for key in keys]
    pairs = pd.Series([(dimension, key) for key in keys], dtype=object)
    return pd.DataFrame(
        {"key": pairs, "label_zh": [zh for zh, _ in labels], "label_en": [en for _, en in labels]}
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
