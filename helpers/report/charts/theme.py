"""What charts share: font, colours, words that can be drawn, labelled rows, ticks in units."""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from helpers.core import privacy, text
from helpers.report import units

FONT = Path(__file__).parents[1] / "fonts" / "FupanSansSC-Regular.otf"
FAMILY = "Fupan Sans SC"
WIDTH, TALLEST = 5.2, 14.0
INK, SOFT, LINE = "#1c2630", "#5a6672", "#dde2e7"
ACCENT, WORSE, QUIET, PAPER = "#0b5a85", "#d4622a", "#a9b3bc", "#ffffff"
# Currency signs that the font lacks, and what is drawn in their place.
SPELLED = {"฿": "THB ", "₱": "PHP ", "₽": "RUB "}
MISSING = "□"
# What a label may be broken between: a bracket with its words, a number with its unit,
# a Latin word (to its hyphen), any other character.
PIECE = re.compile(
    r"[（(][^）)]{0,8}[）)]|\d[\d.,]*[一-鿿]|[（(]?-?[\w.+%]+[-）)]?[ ]?|.", re.ASCII | re.DOTALL
)


@functools.cache
def _characters() -> frozenset[int]:
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


def use_theme() -> None:
    """Set the look of all charts: seaborn's ticks style, the committed font, small sizes.

    `$` is not mathematics here (product titles hold it). Words stay words: the page has the font.
    """
    if FAMILY not in font_manager.get_font_names():
        font_manager.fontManager.addfont(FONT)
    sns.set_theme(
        style="ticks",
        rc={
            "font.family": [FAMILY],
            "font.size": 10,
            "axes.labelsize": 10,
            "axes.titlesize": 10.5,
            "xtick.labelsize": 9.5,
            "ytick.labelsize": 10,
            "legend.fontsize": 9.5,
            "text.color": INK,
            "axes.labelcolor": SOFT,
            "axes.edgecolor": LINE,
            "xtick.color": SOFT,
            "ytick.color": INK,
            "xtick.major.size": 0,
            "ytick.major.size": 0,
            "axes.linewidth": 0.8,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.titlelocation": "left",
            "grid.color": LINE,
            "grid.linewidth": 0.7,
            "text.parse_math": False,
            "axes.formatter.use_mathtext": False,
            "axes.unicode_minus": True,
            "figure.facecolor": PAPER,
            "axes.facecolor": PAPER,
            "savefig.facecolor": PAPER,
            "figure.dpi": 100,
            "svg.fonttype": "none",
            "svg.hashsalt": "fupan",
            "figure.constrained_layout.use": True,
        },
    )


def shown(value: object, *, limit: int = 48) -> str:
    """Data text as a chart can draw it: harmless, shortened, with nobody's phone number in it.

    A character that the font lacks is replaced by a box.
    """
    spelled = "".join(SPELLED.get(mark, mark) for mark in privacy.hide(text.plain(value, limit)))
    return "".join(mark if ord(mark) in _characters() else MISSING for mark in spelled)


def columns_wide(words: str) -> int:
    """How many half-width columns a text takes: two for a Chinese character, one for others."""
    return sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in words)


def wrapped(value: object, *, width: int = 18, lines: int = 2) -> str:
    """A label broken to at most `lines` lines of `width` half-width columns.

    Breaks stand at spaces, before an opening bracket, else between Chinese characters; a number
    keeps its unit. A longer piece is broken anywhere.
    """
    broken = [""]
    for piece in PIECE.findall(shown(value)):
        if broken[-1] and columns_wide(broken[-1] + piece.rstrip()) > width:
            broken.append("")
        broken[-1] += piece
        while columns_wide(broken[-1].rstrip()) > width:
            ends = range(len(broken[-1]), 0, -1)
            cut = next(end for end in ends if columns_wide(broken[-1][:end]) <= width)
            broken[-1:] = [broken[-1][:cut], broken[-1][cut:]]
    broken = [line.strip() for line in broken if line.strip()] or [text.NOTHING]
    if len(broken) > lines:
        broken[lines - 1 :] = [_cut(broken[lines - 1], width)]
    return "\n".join(broken)


def _cut(line: str, width: int) -> str:
    if " " in line and columns_wide(line) >= width:
        line = line[: line.rindex(" ")] if line[-1].isascii() else line[:-1]
    elif " " not in line:
        line = line[:-1]
    return line.rstrip(" -（(") + "…"


def canvas(height: float) -> Axes:
    """An axes as wide as a phone can show, its height within bounds."""
    return plt.subplots(figsize=(WIDTH, min(max(height, 1.6), TALLEST)))[1]


def rows_that_fit(row_height: float, extra: float) -> int:
    """How many labelled rows of a height stand in one chart without touching each other."""
    return int((TALLEST - extra) / row_height + 1e-9)


def largest(frame: pd.DataFrame, sizes: pd.Series, most: int) -> pd.DataFrame:
    """The `most` rows of the largest sizes, in the order of the frame."""
    places = np.argsort(-sizes.fillna(-np.inf).to_numpy(float), kind="stable")[:most]
    return frame.iloc[np.sort(places)]


def say_left_out(axes: Axes, shown_count: int, left_out: int, lang: str) -> None:
    """The figure's label says how many are not drawn; the caption beside the chart ends with it."""
    if left_out > 0:
        axes.figure.set_label(
            text.choose(
                lang,
                f"（只画最大的 {shown_count} 个，另有 {left_out} 个未画）",
                f" (the largest {shown_count}; {left_out} more are not drawn)",
            )
        )


def panels(count: int, height: float, ratios: Sequence[float] | None = None) -> np.ndarray:
    """Axes over one another that share what runs across them."""
    looks = {"sharex": True, "squeeze": False, "height_ratios": ratios}
    return plt.subplots(count, figsize=(WIDTH, height), **looks)[1][:, 0]


def labelled_rows(
    frame: pd.DataFrame, row_height: float = 0.42, extra: float = 0.75, **options: int
) -> Axes:
    """An axes with a labelled row for each row of the frame, the first at the top."""
    axes = canvas(len(frame) * row_height + extra)
    labels = [wrapped(value, **options) for value in frame["label"]]
    axes.set_yticks(range(len(frame)), labels, linespacing=1.05)
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    return axes


def without_scale(axes: Axes, linewidth: float = 0.9) -> None:
    """Bars whose numbers stand at their ends have a zero line and need no ticks."""
    axes.axvline(0, color=SOFT, linewidth=linewidth)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)


def at_right(axes: Axes, place: int, words: str, **looks: Any) -> None:
    """Words of a row at the right edge of the axes."""
    edge = ("axes fraction", "data")
    axes.annotate(shown(words), (1, place), xycoords=edge, ha="right", va="center", **looks)


def note(axes: Axes, words: str) -> None:
    """A line above the axes that says how its marks are read."""
    axes.set_title(shown(words, limit=200), color=SOFT, fontsize=9.5, pad=6)


def written(
    unit: str, lang: str, currency: str = "CNY", decimals: int | None = None
) -> Callable[[float], str]:
    """How a value of a unit is written in a chart."""
    return lambda x: shown(text.value(float(x), unit, lang, currency=currency, decimals=decimals))


def percent_change(x: float) -> str:
    """A change in whole percent with its sign; none is a plain zero."""
    return "0" if abs(x) < 1e-9 else text.signed(x, "percent", "en", decimals=0)


def unit_ticks(
    axis: mpl.axis.Axis, unit: str, lang: str, currency: str = "CNY", bins: int = 5
) -> None:
    """Round ticks in a unit; the zeros that a format fills up with say nothing and go."""
    decimals = units.UNITS[unit].tick_decimals if unit in units.UNITS else None
    words = written(unit, lang, currency, decimals=decimals)
    axis.set_major_locator(MaxNLocator(bins, integer=decimals == 0))
    axis.set_major_formatter(
        FuncFormatter(lambda x, _: re.sub(r"\.0+(?=\D*$)|(\.\d*?[1-9])0+(?=\D*$)", r"\1", words(x)))
    )


def with_interval(value: float, lower: float, upper: float, lang: str) -> str:
    """A rate and, where there is one, its interval in brackets."""
    middle = text.percent(value)
    if not (np.isfinite(lower) and np.isfinite(upper)):
        return shown(middle)
    interval = text.interval(lower, upper, "percent", lang)
    return shown(text.choose(lang, f"{middle}（{interval}）", f"{middle} ({interval})"))


def empty(*, lang: str) -> Axes:
    """An axes that says there is nothing to draw: every chart of a frame without rows."""
    axes = canvas(1.6)
    axes.set_axis_off()
    words = text.choose(lang, "没有可画的数据", "Nothing to draw")
    axes.text(0.5, 0.5, words, ha="center", va="center", color=SOFT)
    return axes
