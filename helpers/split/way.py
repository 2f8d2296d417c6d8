"""Every step of a way over the slices of one dimension, and which slice fell there."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from helpers.core import stats, text
from helpers.split.change_tree import LEVEL
from helpers.split.margins import fallen, step_of
from helpers.split.slices import mix_and_rate, reversal

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
    """Every step of a way over the slices of one dimension, and which slice fell.

    `rows` have one row per session and slice, `columns` are the way in order. One row per step:
    previous, step, rate_before (all chosen sessions), rate_after, mix_effect, rate_effect, reversal
    (the whole against its parts), slice (fallen furthest beside the others), slice_before,
    slice_after, p_value (with the search over slices inside), p_adjusted (Benjamini-Hochberg over
    the steps). Steps that nobody took are left out.
    """
    past_ids, steps = list(chosen), []
    sides = rows[rows["session_id"].isin(past_ids)], rows[rows["session_id"] == session_id]
    for previous, step in itertools.pairwise(columns):
        table = mix_and_rate(*sides, slice, previous, step)
        part = step_of(rows, session_id, past_ids, slice, previous, step)
        if table.empty or part is None:
            continue
        fall, by = fallen(part), table.set_index(slice)
        name = fall.names[0]
        before, after = (
            (table[f"rate_{when}"] * table[f"share_{when}"]).sum() for when in ("before", "after")
        )
        steps.append(
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
                fall.p_value,
            )
        )
    frame = pd.DataFrame(steps, columns=ALONG[:-1])
    return frame.assign(p_adjusted=stats.benjamini_hochberg(frame["p_value"].astype(float)))


def along_sentence(
    table: pd.DataFrame,
    rate_before: float,
    rate_after: float,
    names: Mapping[str, tuple[str, str]],
    *,
    level: float = LEVEL,
) -> tuple[str, str]:
    """What `along` found in a sentence, beside the way of the whole from first to last step.

    `names` gives the steps' names by column. A whole that rises while a slice collapses is said
    first.
    """
    whole = [text.percent(rate) for rate in (rate_before, rate_after)]
    falls = table[table["p_adjusted"] <= level].sort_values("p_value", kind="stable")
    zh, en = (
        f"整体转化率由 {whole[0]} 到 {whole[1]}",
        f"the whole converted {whole[0]} before and {whole[1]} now",
    )
    if falls.empty:
        return (
            f"{zh}；没有一步、一部分明显变差。",
            f"{en[:1].upper()}{en[1:]}; no part clearly did worse at any step.",
        )
    hidden = rate_after >= rate_before
    for row in falls.itertuples():
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
