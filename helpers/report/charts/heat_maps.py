"""Values by row and column: the heat map of a session, the slots of an account."""

from collections.abc import Callable
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from helpers.core import text
from helpers.report.charts import theme
from helpers.report.charts.theme import ACCENT, INK, LINE, PAPER, SOFT, WORSE, shown

MARKED = 0.26  # doublings: a fifth more or less
LIGHT = mpl.colors.LinearSegmentedColormap.from_list(
    "fupan_light", ["#e79a72", "#f2f4f6", "#7fb3cf"]
)  # under dark numbers
STRONG = mpl.colors.LinearSegmentedColormap.from_list("fupan", [WORSE, PAPER, ACCENT])


def heat(frame: pd.DataFrame, *, lang: str, unit: str, currency: str = "CNY") -> Axes:
    """A value for each row and column is a cell, coloured and marked by how far it is off.

    One row per cell, in order: row, column, value, shade (from -1 to 1 and beyond, 0 without
    colour), and size, by which the rows that fit are chosen where not all do (else the first). ▲
    (above) and ▼ (below) say in grey what the colours say.
    """
    if frame.empty or frame["value"].notna().sum() == 0:
        return theme.empty(lang=lang)
    rows, across = frame["row"].drop_duplicates(), frame["column"].drop_duplicates()
    sizes = frame.groupby("row")["size"].max()[rows] if "size" in frame else pd.Series(0.0, rows)
    every, rows = len(rows), theme.largest(rows, sizes, theme.rows_that_fit(0.42, 0.9))
    values, shades = (
        frame.pivot(index="row", columns="column", values=name).loc[rows, across].to_numpy(float)
        for name in ("value", "shade")
    )
    axes = theme.canvas(len(rows) * 0.42 + 0.9)
    theme.say_left_out(axes, len(rows), every - len(rows), lang)
    marks = np.select([shades >= MARKED, shades <= -MARKED], [" ▲", " ▼"], "")
    words = np.array(
        [[theme.written(unit, lang, currency)(value) for value in line] for line in values]
    )
    sns.heatmap(
        np.nan_to_num(shades),
        ax=axes,
        annot=np.char.add(words, marks),
        fmt="",
        cmap=LIGHT,
        vmin=-1.2,
        vmax=1.2,
        cbar=False,
        linewidths=1.5,
        linecolor=PAPER,
        annot_kws={"fontsize": 9, "color": INK},
    )
    axes.set(xlabel="", ylabel="")
    axes.set_xticklabels([theme.wrapped(value, width=10) for value in across], rotation=0)
    axes.set_yticklabels([theme.wrapped(value) for value in rows], rotation=0)
    axes.xaxis.tick_top()
    return axes


def cells(frame: pd.DataFrame, *, lang: str, currency: str = "CNY") -> Axes:
    """Values stand by row and column, a panel a metric, coloured by the account's own level.

    One row per metric x row x column: label, unit, row, column, value, n, relative (÷ the account's
    level). A cell without a value says how many sessions it rests on, or stays empty without any.
    """
    if frame.empty or frame["value"].notna().sum() == 0:
        return theme.empty(lang=lang)
    labels, rows, across = (
        frame[name].drop_duplicates().tolist() for name in ("label", "row", "column")
    )
    height = len(labels) * (0.3 + 0.42 * len(rows)) + 0.35
    stacked = theme.panels(len(labels), min(max(height, 1.6), 14))
    most = max(float(np.nanmax(np.abs(np.log(frame["relative"].astype(float))))), 0.2)
    for panel, label in zip(stacked, labels, strict=True):
        panel.set(xlim=(-0.5, len(across) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        panel.set_yticks(range(len(rows)), [theme.wrapped(name, width=14) for name in rows])
        for side in ("left", "bottom"):
            panel.spines[side].set_visible(False)
        panel.set_title(shown(text.short(label)), color=INK, fontsize=10, pad=4)
        for row in frame[(frame["label"] == label) & (frame["n"] > 0)].itertuples():
            x, y = across.index(row.column), rows.index(row.row)
            _cell(panel, x, y, row, most, theme.written(row.unit, lang, currency))
    stacked[-1].set_xticks(range(len(across)), [shown(name, limit=6) for name in across])
    return stacked[0]


def _cell(
    panel: Axes, x: int, y: int, row: Any, most: float, words: Callable[[float], str]
) -> None:
    middle = {"ha": "center", "va": "center"}
    if not np.isfinite(row.value):
        panel.text(x, y, f"n={row.n:.0f}", fontsize=8, color=SOFT, **middle)
        return
    shade = STRONG(0.5 + 0.375 * float(np.clip(np.log(row.relative) / most, -1, 1)))
    corner = (x - 0.48, y - 0.48)
    panel.add_patch(
        mpl.patches.Rectangle(corner, 0.96, 0.96, facecolor=shade, edgecolor=LINE, linewidth=0.8)
    )
    panel.text(x, y - 0.15, words(row.value), fontsize=9, **middle)
    panel.text(x, y + 0.24, f"n={row.n:.0f}", fontsize=7.5, color=SOFT, **middle)
