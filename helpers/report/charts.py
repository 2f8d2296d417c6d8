"""Charts: tidy frames in, Axes out; nothing is computed here but positions.

One theme for all: the committed font alone, colours that a colour-blind reader and a grey print
keep apart (and shapes beside the colours), labels at the marks instead of legends, units on the
axes, zero lines and intervals drawn. A chart is as wide as a phone can show without making its
words unreadable; its title stands beside it, in the page.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib as mpl
import matplotlib.dates as mdates
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from fontTools.ttLib import TTFont
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from helpers.core import privacy, text

FONT = Path(__file__).parent / "fonts" / "FupanSansSC-Regular.otf"
FAMILY = "Fupan Sans SC"
WIDTH = 5.2
INK, SOFT, LINE, ACCENT, WORSE, QUIET, PAPER = (
    "#1c2630",
    "#5a6672",
    "#dde2e7",
    "#0b5a85",
    "#d4622a",
    "#a9b3bc",
    "#ffffff",
)
COLOURS = {
    "better": ACCENT,
    "worse": WORSE,
    "normal": QUIET,
    "cannot_tell": SOFT,
    "not_comparable": QUIET,
}
SHAPES = {"better": "o", "worse": "D", "normal": "s", "cannot_tell": "h", "not_comparable": "x"}
# Currency signs that the font lacks, and what is drawn in their place.
SPELLED = {"฿": "THB ", "₱": "PHP ", "₽": "RUB "}
MISSING = "□"
# What a label may be broken between: a bracket with its words, a number with its unit, a Latin word
# (to its hyphen), any other character.
PIECE = re.compile(
    r"[（(][^）)]{0,8}[）)]|\d[\d.,]*[一-鿿]|[（(]?-?[\w.+%]+[-）)]?[ ]?|.", re.ASCII | re.DOTALL
)


@functools.cache
def _characters() -> frozenset[int]:
    with TTFont(FONT, lazy=True) as font:
        return frozenset(font.getBestCmap())


def use_theme() -> None:
    """Set the one look of all charts: seaborn's ticks style with the committed font, small sizes and plain text.

    `$` is not mathematics here (product titles hold it). The words of a drawing stay words: the
    page that holds it carries the font.
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
    """Data text as a chart can draw it: harmless, shortened, nobody's number, characters that the font lacks replaced by a box."""
    spelled = "".join(SPELLED.get(mark, mark) for mark in privacy.hide(text.plain(value, limit)))
    return "".join(mark if ord(mark) in _characters() else MISSING for mark in spelled)


def columns_wide(words: str) -> int:
    """How many half-width columns a text takes: two for Chinese and full-width characters, one for others."""
    return sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in words)


def wrapped(value: object, *, width: int = 18, lines: int = 2) -> str:
    """A label broken to at most `lines` lines of `width` half-width columns.

    Breaks stand at spaces, before an opening bracket, else between Chinese characters; a number
    keeps its unit. What is longer than a line by itself is broken anywhere.
    """
    made = [""]
    for piece in PIECE.findall(shown(value)):
        if made[-1] and columns_wide(made[-1] + piece.rstrip()) > width:
            made.append("")
        made[-1] += piece
        while columns_wide(made[-1].rstrip()) > width:
            cut = next(
                place
                for place in range(len(made[-1]), 0, -1)
                if columns_wide(made[-1][:place]) <= width
            )
            made[-1:] = [made[-1][:cut], made[-1][cut:]]
    made = [line.strip() for line in made if line.strip()] or [text.NOTHING]
    return "\n".join(
        made if len(made) <= lines else [*made[: lines - 1], _cut(made[lines - 1], width)]
    )


def _cut(line: str, width: int) -> str:
    """A line after which a label goes on: its own last character or Latin word makes room for the dots where it must."""
    whole = " " in line and columns_wide(line) < width
    kept = (
        line
        if whole
        else line[: line.rindex(" ")]
        if " " in line and line[-1].isascii()
        else line[:-1]
    )
    return kept.rstrip(" -（(") + "…"


def _labels(frame: pd.DataFrame, column: str = "label", **options: int) -> list[str]:
    return [wrapped(value, **options) for value in frame[column]]


def _format(
    unit: str, lang: str, currency: str = "CNY", decimals: int | None = None
) -> Callable[[float], str]:
    return lambda x: shown(text.value(float(x), unit, lang, currency=currency, decimals=decimals))


def _ticks(axis: mpl.axis.Axis, unit: str, lang: str, currency: str = "CNY", bins: int = 5) -> None:
    decimals = {"users": 0, "times": 0, "count": 0, "percent": 2}.get(unit)
    words = _format(unit, lang, currency, decimals=decimals)
    axis.set_major_locator(MaxNLocator(bins, integer=decimals == 0))
    # A tick is a round number: the zeros that its format fills up with say nothing.
    axis.set_major_formatter(
        FuncFormatter(lambda x, _: re.sub(r"\.0+(?=\D*$)|(\.\d*?[1-9])0+(?=\D*$)", r"\1", words(x)))
    )


def _canvas(height: float) -> Axes:
    return plt.subplots(figsize=(WIDTH, min(max(height, 1.6), 14)))[1]


def _rows(
    frame: pd.DataFrame, row_height: float = 0.42, extra: float = 0.75, **options: int
) -> Axes:
    """An axes with a labelled row for each row of the frame, the first at the top."""
    axes = _canvas(len(frame) * row_height + extra)
    axes.set_yticks(range(len(frame)), _labels(frame, **options), linespacing=1.05)
    axes.set_ylim(len(frame) - 0.5, -0.5)
    axes.spines["left"].set_visible(False)
    return axes


def _note(axes: Axes, words: str) -> None:
    axes.set_title(shown(words, limit=200), color=SOFT, fontsize=9.5, pad=6)


def empty(*, lang: str) -> Axes:
    """An axes that says there is nothing to draw; every chart of a frame without rows is this one."""
    axes = _canvas(1.6)
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        text.choose(lang, "没有可画的数据", "Nothing to draw"),
        ha="center",
        va="center",
        color=SOFT,
    )
    return axes


def funnel(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Steps of a funnel as bars from one zero line, with the rate from the step before and its interval between them.

    One row per step, in order: label, users, rate_of_previous, ci_lower, ci_upper (fractions),
    grows: a step larger than the one before is hollow and has no rate.
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _rows(frame, 0.66, 0.35)
    most, grows = max(frame["users"].max(), 1), frame["grows"].to_numpy(bool)
    axes.barh(
        range(len(frame)),
        frame["users"].fillna(0),
        height=0.5,
        color=np.where(grows, PAPER, ACCENT),
        edgecolor=ACCENT,
        linewidth=0.8,
    )
    for place, row in enumerate(frame.itertuples()):
        axes.text(
            np.nan_to_num(row.users) + most * 0.015,
            place,
            _format("users", lang)(row.users),
            va="center",
        )
        if grows[place]:
            axes.text(
                most * 0.01,
                place - 0.5,
                text.choose(
                    lang,
                    "↑ 比上一步多：口径不同，不是转化率",
                    "↑ more than the step before: no conversion rate",
                ),
                va="center",
                color=WORSE,
                fontsize=9.5,
            )
        elif place and np.isfinite(row.rate_of_previous):
            axes.text(
                most * 0.01,
                place - 0.5,
                "↓ " + _with_interval(row.rate_of_previous, row.ci_lower, row.ci_upper, lang),
                va="center",
                color=SOFT,
                fontsize=9.5,
            )
    axes.set_xlim(0, most * 1.2)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=SOFT, linewidth=0.8)
    return axes


def _with_interval(
    value: float, lower: float, upper: float, lang: str, unit: str = "percent"
) -> str:
    middle = text.value(value, unit, lang)
    bounded = np.isfinite(lower) and np.isfinite(upper)
    return shown(
        f"{middle}（{text.interval(lower, upper, unit, lang)}）"
        if bounded and lang == "zh"
        else f"{middle} ({text.interval(lower, upper, unit, lang)})"
        if bounded
        else middle
    )


def intervals(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Each metric as value ÷ baseline, over the range expected from the account's own sessions, coloured by verdict.

    One row per metric: label, ratio, ratio_lower, ratio_upper (of the expected range, around 1),
    verdict (or outcome: normal).
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _rows(frame, 0.44, 1.0)
    numbers = frame[["ratio", "ratio_lower", "ratio_upper"]].to_numpy(float)
    finite = numbers[np.isfinite(numbers) & (numbers > 0)]
    low, high = (min(finite.min(), 0.8), max(finite.max(), 1.25)) if finite.size else (0.5, 2)
    low, high = max(low, 0.05), min(high, 20)
    axes.set_xscale("log")
    axes.set_xlim(low / (high / low) ** 0.05, high * (high / low) ** 0.22)
    for place, row in enumerate(frame.itertuples()):
        _interval_row(axes, place, row, low, high)
    axes.axvline(1, color=SOFT, linewidth=0.9, zorder=1)
    _change_ticks(axes, low, high)
    axes.set_xlabel(
        text.choose(
            lang,
            "与平时相比（灰带：正常范围；对数刻度）",
            "against the usual (grey: normal range;\nlog scale)",
        )
    )
    _shape_key(axes, frame, lang)
    return axes


def effects(frame: pd.DataFrame, *, lang: str) -> Axes:
    """How far a metric stood off while each event was in force, with its interval; filled where a change is matched.

    One row per event and metric: label, effect, lower, upper (fractions), verdict (moved, contrary
    or another).
    """
    known = frame.dropna(subset=["effect", "lower", "upper"])
    if known.empty:
        return empty(lang=lang)
    axes = _rows(known, 0.5, 0.9)
    low, high = max(known["lower"].min(), -0.9), min(known["upper"].max(), 3.0)
    for place, row in enumerate(known.itertuples()):
        matched = row.verdict in ("moved", "contrary")
        colour = ACCENT if matched else QUIET
        axes.plot(
            np.clip([row.lower, row.upper], low, high), [place, place], color=colour, linewidth=2.4
        )
        axes.scatter(
            [np.clip(row.effect, low, high)],
            [place],
            s=42,
            zorder=3,
            color=colour,
            facecolor=colour if matched else PAPER,
        )
        axes.annotate(
            shown(text.signed(row.effect, "percent", "en", decimals=0)),
            (1, place),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
        )
    axes.axvline(0, color=SOFT, linewidth=0.9, zorder=1)
    reach = max(high, 0.05) - min(low, -0.05)
    axes.set_xlim(min(low, -0.05) - 0.04 * reach, max(high, 0.05) + 0.16 * reach)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(
        FuncFormatter(
            lambda x, _: "0" if abs(x) < 1e-9 else text.signed(x, "percent", "en", decimals=0)
        )
    )
    _note(axes, text.choose(lang, "实心：时间上吻合", "filled: coincides"))
    axes.grid(axis="x")
    return axes


def _interval_row(axes: Axes, place: int, row: object, low: float, high: float) -> None:
    if np.isfinite(row.ratio_lower) and np.isfinite(row.ratio_upper):
        left, right = np.clip([row.ratio_lower, row.ratio_upper], low, high)
        axes.plot(
            [left, right], [place, place], color=LINE, linewidth=9, solid_capstyle="butt", zorder=0
        )
    verdict = row.verdict if row.verdict in COLOURS else "not_comparable"
    if np.isfinite(row.ratio):
        axes.scatter(
            [np.clip(row.ratio, low, high)],
            [place],
            color=COLOURS[verdict],
            marker=SHAPES[verdict],
            s=46,
            zorder=3,
        )
    label = (
        text.signed(row.ratio - 1, "percent", "en", decimals=0)
        if np.isfinite(row.ratio)
        else text.NOTHING
    )
    axes.annotate(
        shown(label), (1, place), xycoords=("axes fraction", "data"), ha="right", va="center"
    )


def _change_ticks(axes: Axes, low: float, high: float) -> None:
    """Ticks of a log axis of ratios, written as changes in percent, as many as the width can hold."""
    ladders = (
        [0.85, 1, 1.15],
        [0.7, 0.85, 1, 1.15, 1.35],
        [0.5, 0.7, 1, 1.4, 2, 2.8],
        [0.25, 0.5, 1, 2, 4],
        [0.1, 1 / 3, 1, 3, 10],
        [0.05, 0.25, 1, 4, 16],
    )
    inside = [
        [tick for tick in ladder if low * 0.999 <= tick <= high * 1.001] for ladder in ladders
    ]
    roomy = [
        ticks
        for ticks in inside
        if len(ticks) >= 2 and np.diff(np.log(ticks)).min() >= 0.17 * np.log(high / low)
    ]
    best = max(roomy, key=len, default=inside[1])
    axes.xaxis.set_major_locator(FixedLocator(best))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(
        FuncFormatter(
            lambda x, _: "0" if x == 1 else text.signed(x - 1, "percent", "en", decimals=0)
        )
    )


VERDICT_WORDS = {
    "better": ("变好", "better"),
    "worse": ("变差", "worse"),
    "normal": ("正常波动内", "within normal range"),
    "cannot_tell": ("无法判断", "cannot tell"),
    "not_comparable": ("不可比", "not comparable"),
}


def _shape_key(axes: Axes, frame: pd.DataFrame, lang: str) -> None:
    present = [verdict for verdict in VERDICT_WORDS if (frame["verdict"] == verdict).any()]
    marks = [
        axes.scatter([], [], color=COLOURS[verdict], marker=SHAPES[verdict], s=40)
        for verdict in present
    ]
    axes.figure.legend(
        marks,
        [text.choose(lang, *VERDICT_WORDS[verdict]) for verdict in present],
        frameon=False,
        ncols=4,
        loc="outside upper left",
        borderpad=0,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def waterfall(
    frame: pd.DataFrame, *, lang: str, currency: str = "CNY", unit: str = "money"
) -> Axes:
    """How steps lead from a start to an end, top to bottom: each step hangs on the one before, from one zero line.

    One row per bar, in order: label, amount, kind (start, step, whole, end). A whole is hollow: the
    steps after it are its parts and carry the line on.
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _rows(frame, 0.42, 0.5)
    amounts = frame["amount"].fillna(0).to_numpy(float)
    steps, wholes = (
        frame["kind"].isin(["step", "whole"]).to_numpy(),
        (frame["kind"] == "whole").to_numpy(),
    )
    after = np.cumsum(np.where(frame["kind"].isin(["end", "whole"]), 0, amounts)) + np.where(
        wholes, amounts, 0
    )
    left = np.where(steps, after - amounts, 0)
    colours = np.where(~steps, SOFT, np.where(amounts >= 0, ACCENT, WORSE))
    axes.barh(
        range(len(frame)),
        amounts,
        left=left,
        height=0.56,
        color=list(np.where(wholes, PAPER, colours)),
        edgecolor=list(colours),
        linewidth=0.9,
    )
    ends = np.concatenate([left, left + amounts, [0]])
    span = max(ends.max() - ends.min(), 1e-12)
    for place, (amount, start, step) in enumerate(zip(amounts, left, steps, strict=True)):
        words = (text.signed if step else text.value)(amount, unit, lang, currency=currency)
        axes.text(max(start, start + amount) + span * 0.015, place, shown(words), va="center")
        if place + 1 < len(frame):
            axes.plot(
                [start if wholes[place] else start + amount] * 2,
                [place - 0.28, place + 1.28],
                color=SOFT,
                linewidth=0.7,
                zorder=0,
            )
    axes.axvline(0, color=SOFT, linewidth=0.9)
    axes.set_xlim(ends.min() - span * (0.03 if ends.min() < 0 else 0), ends.max() + span * 0.24)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    return axes


def mix_rate(frame: pd.DataFrame, *, lang: str, unit: str, currency: str = "CNY") -> Axes:
    """What a change owes, slice by slice, to the slice's weight (mix, hollow) and to its own rate (filled).

    One row per slice: label, mix_effect, rate_effect in `unit`; changes of a rate (`percent`) are
    in percentage points.
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _rows(frame, 0.58, 0.95)
    effects = frame[["mix_effect", "rate_effect"]].to_numpy(float)
    widest = np.nanmax(np.abs(np.r_[effects.ravel(), 1e-12]))
    words = _change_words(unit, lang, currency, widest)
    bars = (
        ("mix_effect", -0.2, PAPER, SOFT, "结构变化", "mix"),
        ("rate_effect", 0.2, ACCENT, ACCENT, "自身变化", "own rate"),
    )
    for column, shift, colour, edge, zh, en in bars:
        places = np.arange(len(frame)) + shift
        axes.barh(
            places,
            frame[column].fillna(0),
            height=0.36,
            color=colour,
            edgecolor=edge,
            linewidth=1.1,
            label=text.choose(lang, zh, en),
        )
        _bar_ends(axes, frame[column].to_numpy(float), places, words)
    axes.set_xlim(-widest * 1.45, widest * 1.45)
    axes.axvline(0, color=SOFT, linewidth=0.9)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    if unit == "percent":
        axes.set_xlabel(text.choose(lang, "单位：百分点", "in percentage points"))
    axes.figure.legend(
        *axes.get_legend_handles_labels(),
        frameon=False,
        ncols=2,
        loc="outside upper left",
        borderpad=0,
        handlelength=1.4,
    )
    return axes


def _change_words(unit: str, lang: str, currency: str, widest: float) -> Callable[[float], str]:
    """How a change is written: a rate's in percentage points, with the decimals that the widest one needs."""
    if unit != "percent":
        return lambda x: shown(text.signed(x, unit, lang, currency=currency))
    decimals = 2 if widest >= 0.005 else 3
    return lambda x: shown(text.signed(100 * x, "score", lang, decimals=decimals))


def _bar_ends(
    axes: Axes, values: np.ndarray, places: np.ndarray, words: Callable[[float], str]
) -> None:
    for value, place in zip(values, places, strict=True):
        if np.isfinite(value):
            axes.annotate(
                words(value),
                (value, place),
                (3 if value >= 0 else -3, 0),
                textcoords="offset points",
                ha="left" if value >= 0 else "right",
                va="center",
                fontsize=9,
            )


CURVES = {
    "online": ("在线人数", "online", "users"),
    "entered": ("进入人数（零线以下：离开）", "entered (below zero: left)", "users"),
    "net_inflow": ("净流入", "net inflow", "users"),
    "new_fans": ("粉丝：新增", "fans: new", "users"),
    "comments": ("互动：评论", "interaction: comments", "times"),
    "product_click_users": ("点击：商品点击人数", "clicks (people)", "users"),
    "orders": ("转化：成交订单", "conversion: paid orders", "count"),
    "paid_amount": ("带货：支付金额", "sales: paid amount", "money"),
}


def minutes(
    frame: pd.DataFrame,
    *,
    lang: str,
    bands: pd.DataFrame | None = None,
    marks: pd.DataFrame | None = None,
    stages: pd.DataFrame | None = None,
    started_at: pd.Timestamp | None = None,
    currency: str = "CNY",
) -> Axes:
    """The session minute by minute: a panel for each curve there is, marked bands behind, a lane for each kind of mark and stage.

    One row per minute: minute (since the start) and any of CURVES, and left beside entered. bands:
    start_minute, end_minute, mark (the letter drawn on it; a table beside says what it is). marks:
    minute, label; marks of one label share a lane. stages: start_minute, end_minute, label. With
    `started_at` the clock stands under the minutes. Returns the topmost axes.
    """
    present = [column for column in CURVES if column in frame and frame[column].notna().any()]
    if frame.empty or not present:
        return empty(lang=lang)
    kinds, planned = (
        _mark_kinds(marks),
        [] if stages is None else list(stages.groupby("label", sort=False)),
    )
    panels, lanes = _minute_canvas(len(present), len(kinds) + len(planned))
    for panel, column in zip(panels, present, strict=True):
        _minute_panel(panel, frame, column, lang, currency)
        _shade(panel, bands, every=1 if panel is panels[0] else 2)
    panels[0].set_ylim(0, panels[0].get_ylim()[1] * 1.15)
    _mark_bands(panels[0], bands)
    lowest = _fill_lanes(lanes, kinds, planned, bands) if lanes is not None else panels[-1]
    lowest.tick_params(axis="x", labelbottom=True)
    lowest.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 1.5, 2, 3, 6, 10]))
    if started_at is not None:
        lowest.xaxis.set_major_formatter(
            FuncFormatter(
                lambda x, _: f"{x:.0f}\n{started_at.floor('min') + pd.Timedelta(minutes=x):%H:%M}"
            )
        )
    lowest.set_xlabel(text.choose(lang, "开播后分钟", "minutes since the start"))
    return panels[0]


def _minute_panel(panel: Axes, frame: pd.DataFrame, column: str, lang: str, currency: str) -> None:
    zh, en, unit = CURVES[column]
    panel.plot(frame["minute"], frame[column], color=ACCENT, linewidth=1.2)
    if column == "entered" and "left" in frame:
        panel.plot(frame["minute"], -frame["left"], color=WORSE, linewidth=1.2)
        most = max(np.nanmax(frame[[column, "left"]]), 1e-9) * 1.12
        panel.set_ylim(-most, most)
    elif column != "net_inflow":
        panel.set_ylim(0, max(np.nanmax(frame[column]), 1e-9) * 1.12)
    if panel.get_ylim()[0] < 0:
        panel.axhline(0, color=SOFT, linewidth=0.8)
    panel.set_xlim(frame["minute"].min(), max(frame["minute"].max(), frame["minute"].min() + 1))
    _ticks(panel.yaxis, unit, lang, currency, bins=3)
    if column == "entered":
        panel.yaxis.set_major_formatter(FuncFormatter(lambda x, _: _format(unit, lang)(abs(x))))
    panel.tick_params(axis="y", labelsize=9, labelcolor=SOFT)
    panel.grid(axis="y")
    panel.set_title(text.choose(lang, zh, en), color=INK, fontsize=9.5, pad=2)


def _minute_canvas(curves: int, lanes: int) -> tuple[list[Axes], Axes | None]:
    """Panels over one another that share their minutes: the curves, and the lanes of marks and stages."""
    heights = [1.05, *[0.72] * (curves - 1)] + ([0.2 * lanes + 0.3] if lanes else [])
    figure = plt.figure(figsize=(WIDTH, sum(heights) + 0.5))
    made = list(
        figure.subplots(len(heights), gridspec_kw={"height_ratios": heights}, squeeze=False)[:, 0]
    )
    for panel in made[1:]:
        panel.sharex(made[0])
    for panel in made[:curves]:
        panel.tick_params(axis="x", labelbottom=False)
    return made[:curves], made[curves] if lanes else None


def _shade(panel: Axes, bands: pd.DataFrame | None, *, every: int = 1) -> None:
    """Bands in two greys by turns: they often touch, and say where, not whether it was good; with `every` 2 the darker ones alone."""
    for place, row in enumerate(() if bands is None else bands.itertuples()):
        if place % every == 0:
            panel.axvspan(
                row.start_minute,
                max(row.end_minute, row.start_minute + 1),
                color=LINE,
                alpha=(0.85, 0.4)[place % 2],
                linewidth=0,
                zorder=0,
            )


def _mark_bands(panel: Axes, bands: pd.DataFrame | None) -> None:
    for row in () if bands is None else bands.itertuples():
        panel.text(
            (row.start_minute + row.end_minute) / 2,
            0.98,
            shown(row.mark, limit=3),
            transform=panel.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=9,
        )


def _mark_kinds(marks: pd.DataFrame | None, most: int = 8) -> list[tuple[str, list[float]]]:
    """Labels of marks with their minutes, those that come first first; the rarest beyond `most` are left out."""
    if marks is None or marks.empty:
        return []
    ordered = marks.sort_values("minute", kind="stable")
    kept = ordered["label"].value_counts(sort=True).head(most).index
    return [
        (shown(label, limit=12), rows["minute"].tolist())
        for label, rows in ordered.groupby("label", sort=False)
        if label in kept
    ]


def _fill_lanes(
    lanes: Axes,
    kinds: list[tuple[str, list[float]]],
    stages: list[tuple[str, pd.DataFrame]],
    bands: pd.DataFrame | None,
) -> Axes:
    """Marks as strokes, stages as bars, each label a lane."""
    _shade(lanes, bands, every=2)
    for place, (_, at) in enumerate(kinds):
        lanes.plot(at, [place] * len(at), "|", color=INK, markersize=8, markeredgewidth=1.3)
    for place, (_, rows) in enumerate(stages, start=len(kinds)):
        lanes.hlines(
            [place] * len(rows), rows["start_minute"], rows["end_minute"], color=SOFT, linewidth=4
        )
    labels = [*(label for label, _ in kinds), *(shown(label, limit=20) for label, _ in stages)]
    lanes.set_yticks(range(len(labels)), labels, fontsize=9)
    lanes.set_ylim(len(labels) - 0.4, -0.6)
    return lanes


def history(
    frame: pd.DataFrame,
    *,
    lower: float,
    upper: float,
    current: object,
    label: str,
    unit: str,
    lang: str,
    currency: str = "CNY",
) -> Axes:
    """The metric of each session over time, the range expected for this one as a band, this one set off.

    One row per session: started_at, value. `current` is the start of the session reviewed, as in
    `started_at`.
    """
    known = frame.dropna(subset=["value"]).sort_values("started_at", kind="stable")
    if known.empty:
        return empty(lang=lang)
    axes = _canvas(2.9)
    now = (known["started_at"] == current).to_numpy()
    if np.isfinite(lower) and np.isfinite(upper):
        axes.axhspan(lower, upper, color=LINE, alpha=0.75, linewidth=0, zorder=0)
    axes.plot(known["started_at"], known["value"], color=QUIET, linewidth=0.8, zorder=1)
    axes.scatter(known["started_at"][~now], known["value"][~now], color=QUIET, s=16, zorder=2)
    axes.scatter(known["started_at"][now], known["value"][now], color=ACCENT, s=60, zorder=3)
    for row in known[now].itertuples():
        words = text.choose(lang, "本场 ", "this session ") + text.value(
            row.value, unit, lang, currency=currency
        )
        axes.annotate(
            shown(words),
            (row.started_at, row.value),
            (1, 0.99),
            textcoords="axes fraction",
            ha="right",
            va="top",
            color=ACCENT,
            arrowprops={"arrowstyle": "-", "color": ACCENT, "linewidth": 0.7, "shrinkB": 4},
        )
    if known["value"].min() >= 0:
        axes.set_ylim(0, max(known["value"].max(), upper if np.isfinite(upper) else 0) * 1.25 or 1)
    _ticks(axes.yaxis, unit, lang, currency)
    axes.xaxis.set_major_locator(
        mdates.AutoDateLocator(minticks=3, maxticks=5, tz=known["started_at"].dt.tz)
    )
    axes.xaxis.set_major_formatter(mdates.DateFormatter("%Y-%m-%d", tz=known["started_at"].dt.tz))
    axes.tick_params(axis="y", labelcolor=SOFT)
    axes.grid(axis="y")
    _note(
        axes,
        text.choose(
            lang, f"{label}　灰带：本场的正常范围", f"{label}; grey: normal range of this session"
        ),
    )
    return axes


def rates(
    frame: pd.DataFrame,
    *,
    lang: str,
    reference: float | None = None,
    reference_label: str | None = None,
    unit: str = "percent",
    currency: str = "CNY",
) -> Axes:
    """Rates with their intervals, one a row, the number of cases beside each, and a dashed line at the reference rate.

    One row per slice: label, rate, ci_lower, ci_upper (fractions), n.
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _rows(frame, 0.44, 0.85)
    places = np.arange(len(frame))
    axes.hlines(places, frame["ci_lower"], frame["ci_upper"], color=QUIET, linewidth=2.4)
    axes.scatter(frame["rate"], places, color=ACCENT, s=42, zorder=3, clip_on=False)
    numbers = np.r_[
        frame[["rate", "ci_lower", "ci_upper"]].to_numpy(float).ravel(), [reference or 0.0]
    ]
    most = np.nanmax(np.r_[numbers, 1e-9])
    axes.set_xlim(min(np.nanmin(np.r_[numbers, 0]), 0), most * 1.5)
    for place, row in enumerate(frame.itertuples()):
        words = (
            f"{text.value(row.rate, unit, lang, currency=currency)} n={text.number(row.n, 'en')}"
        )
        axes.annotate(
            shown(words),
            (1, place),
            xycoords=("axes fraction", "data"),
            ha="right",
            va="center",
            fontsize=9.5,
        )
    if reference is not None and np.isfinite(reference):
        axes.axvline(reference, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        named = reference_label or text.choose(lang, "参考值", "reference")
        _note(
            axes,
            (
                f"{text.choose(lang, '虚线：', 'dashed: ')}{named} "
                f"{text.value(reference, unit, lang, currency=currency)}"
            ),
        )
    _ticks(axes.xaxis, unit, lang, currency, bins=4)
    axes.xaxis.set_major_locator(
        FixedLocator([tick for tick in axes.get_xticks() if 0 <= tick <= most * 1.1])
    )
    axes.grid(axis="x")
    return axes


def pareto(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Counts from the most to the least frequent, each with its share of all and the interval of that share.

    One row per reason: label, count, share, ci_lower, ci_upper (fractions).
    """
    if frame.empty:
        return empty(lang=lang)
    ordered = frame.sort_values("count", ascending=False, kind="stable")
    axes = _rows(ordered, 0.46, 0.5)
    most = max(ordered["count"].max(), 1)
    axes.barh(range(len(ordered)), ordered["count"], height=0.56, color=ACCENT)
    for place, row in enumerate(ordered.itertuples()):
        count = float(ordered["count"].iloc[place])
        words = f"{text.number(count, lang)} · " + _with_interval(
            row.share, row.ci_lower, row.ci_upper, lang
        )
        axes.text(count + most * 0.015, place, words, va="center", fontsize=9.5)
    axes.set_xlim(0, most * 2.1)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.axvline(0, color=SOFT, linewidth=0.9)
    return axes


def estimates(frame: pd.DataFrame, *, lang: str) -> Axes:
    """What was estimated early, the range given, and what came out, one session a column, oldest first.

    One row per session: label, so_far, expected, lower, upper, final (fractions).
    """
    if frame.empty:
        return empty(lang=lang)
    axes, places = _canvas(3.0), np.arange(len(frame))
    axes.vlines(places, frame["lower"], frame["upper"], color=LINE, linewidth=7)
    axes.scatter(places, frame["so_far"], marker="x", color=SOFT, s=22, linewidth=1.1)
    axes.scatter(places, frame["expected"], marker="_", color=INK, s=130, linewidth=2, zorder=2)
    axes.scatter(places, frame["final"], marker="o", color=ACCENT, s=22, zorder=3)
    axes.set_ylim(0, max(float(np.nanmax(frame[["upper", "final"]].to_numpy(float))) * 1.1, 0.01))
    shown_at = places[:: max(1, len(places) // 5)]
    axes.set_xticks(shown_at, [shown(frame["label"].iloc[place]) for place in shown_at])
    _ticks(axes.yaxis, "percent", lang, "CNY", bins=4)
    axes.grid(axis="y")
    return axes


def words(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Words by how far they stand out, the furthest first: bars of z, at their ends how many people wrote them.

    One row per word: word, z, users.
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _rows(frame.assign(label=frame["word"]), 0.3, 0.6, lines=1)
    axes.barh(range(len(frame)), frame["z"], height=0.6, color=ACCENT)
    for place, row in enumerate(frame.itertuples()):
        axes.text(
            row.z + frame["z"].max() * 0.015,
            place,
            text.choose(
                lang, f"{text.number(row.users, lang)} 人", f"{text.number(row.users, lang)} people"
            ),
            va="center",
            fontsize=9.5,
        )
    axes.set_xlim(0, frame["z"].max() * 1.25)
    axes.set_xlabel(
        text.choose(
            lang,
            "条长：比此前几场突出多少（z）；数字：写过的人",
            "bar: z, how far above earlier sessions;\nnumber: people who wrote it",
        )
    )
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.grid(axis="x")
    return axes


def quadrant(
    frame: pd.DataFrame,
    *,
    lang: str,
    x_label: str,
    y_label: str,
    x_unit: str = "percent",
    y_unit: str = "percent",
    currency: str = "CNY",
    named: int = 8,
    corners: Mapping[str, str] | None = None,
) -> Axes:
    """Products (or sources) over two rates, the mark as large as the third number, lines through the middle.

    One row per mark: label, x, y, size, and number, which stands in the mark; x_middle and
    y_middle, where the lines stand (else at the medians). The largest `named` marks carry their
    names where there is room. `corners` names the four fields: high_high, low_high, high_low,
    low_low (x before y).
    """
    known = frame.dropna(subset=["x", "y"])
    if known.empty:
        return empty(lang=lang)
    known = known.sort_values("size", ascending=False, kind="stable")
    axes = _canvas(3.9)
    areas = 150 + 420 * (known["size"].fillna(0) / max(known["size"].max(), 1e-12)).clip(0, 1)
    sns.scatterplot(
        x=known["x"],
        y=known["y"],
        ax=axes,
        s=areas.to_numpy(),
        color=ACCENT,
        alpha=0.85,
        linewidth=0.8,
        edgecolor=PAPER,
    )
    for row in known.itertuples() if "number" in known else ():
        axes.text(
            row.x, row.y, f"{row.number:.0f}", ha="center", va="center", fontsize=8, color=PAPER
        )
    middles = tuple(
        known[f"{axis}_middle"].iloc[0] if f"{axis}_middle" in known else known[axis].median()
        for axis in "xy"
    )
    for middle, line in zip(middles, (axes.axvline, axes.axhline), strict=True):
        line(middle, color=SOFT, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    axes.margins(0.2)
    for field, name in (corners or {}).items():
        across, up = (side == "high" for side in field.split("_"))
        axes.text(
            0.99 if across else 0.01,
            0.99 if up else 0.01,
            shown(name),
            transform=axes.transAxes,
            ha="right" if across else "left",
            va="top" if up else "bottom",
            color=SOFT,
            fontsize=9.5,
        )
    axes.set_xlabel(shown(x_label, limit=40))
    axes.set_ylabel(shown(y_label, limit=40))
    _ticks(axes.xaxis, x_unit, lang, currency, bins=4)
    _ticks(axes.yaxis, y_unit, lang, currency, bins=5)
    axes.tick_params(axis="y", labelcolor=SOFT)
    _name_marks(axes, known, areas, middles, named)
    return axes


def _name_marks(
    axes: Axes, known: pd.DataFrame, areas: pd.Series, middles: tuple[float, float], named: int
) -> None:
    """Names above the marks, else below them, where no other name, mark or line is in the way; else left out."""
    axes.figure.draw_without_rendering()
    box, places = axes.get_window_extent(), axes.transAxes.inverted()
    across, up = places.transform(axes.transData.transform(middles))
    spots = {
        row.Index: places.transform(axes.transData.transform((row.x, row.y)))
        for row in known.itertuples()
    }
    around = {key: 0.5 * np.sqrt(areas[key]) * 100 / 72 for key in spots}
    taken = [
        (
            key,
            (
                x - around[key] / box.width,
                y - around[key] / box.height,
                x + around[key] / box.width,
                y + around[key] / box.height,
            ),
        )
        for key, (x, y) in spots.items()
    ]
    taken += [
        (None, (across - 0.015, 0, across + 0.015, 1)),
        (None, (0, up - 0.01, 1, up + 0.01)),
        (None, (0, 0.94, 1, 1)),
        (None, (0, 0, 1, 0.06)),
    ]
    for row in known.head(named).itertuples():
        lead = (
            f"{row.number:.0f} " if "number" in known else ""
        )  # a name may lie nearer to another mark than to its own
        words, (x, y), radius = (
            wrapped(lead + shown(row.label), width=18),
            spots[row.Index],
            around[row.Index] * 0.72,
        )
        lines = words.split("\n")
        wide, high = max(map(columns_wide, lines)) * 6.4 / box.width, 14 * len(lines) / box.height
        left = min(max(x - wide / 2, 0), 1.02 - wide)  # inside the axes, even of a mark at its edge
        for low in (
            y + (radius + 3) * 1.39 / box.height,
            y - (radius + 3) * 1.39 / box.height - high,
            y + (radius + 16) * 1.39 / box.height,
        ):
            spot = (left, low, left + wide, low + high)
            if low >= 0 and all(key == row.Index or _apart(spot, other) for key, other in taken):
                away = (
                    (left + wide / 2 - x) * box.width / 1.39,
                    (low - y) * box.height / 1.39,
                )  # from the mark, which the layout may still move
                axes.annotate(
                    words,
                    (row.x, row.y),
                    away,
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=9,
                    linespacing=1.05,
                )
                taken.append((None, spot))
                break


def _apart(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    return one[2] < other[0] or one[0] > other[2] or one[3] < other[1] or one[1] > other[3]


def heat(frame: pd.DataFrame, *, lang: str, unit: str, currency: str = "CNY") -> Axes:
    """A value for each row and column as a cell with its number, coloured by how far it is off: above with ▲, below with ▼.

    One row per cell: row, column, value, shade (from -1 to 1 and beyond, 0 without colour). Rows
    and columns keep the order in which they first come. The marks say in grey what the colours say.
    """
    if frame.empty or frame["value"].notna().sum() == 0:
        return empty(lang=lang)
    rows, across = frame["row"].drop_duplicates(), frame["column"].drop_duplicates()
    values, shades = (
        frame.pivot(index="row", columns="column", values=name).loc[rows, across].to_numpy(float)
        for name in ("value", "shade")
    )
    axes = _canvas(len(rows) * 0.42 + 0.9)
    marks = np.select([shades >= MARKED, shades <= -MARKED], [" ▲", " ▼"], "")
    words = np.array([[_format(unit, lang, currency)(value) for value in line] for line in values])
    sns.heatmap(
        np.nan_to_num(shades),
        ax=axes,
        annot=np.char.add(words, marks),
        fmt="",
        cmap=_SHADES,
        vmin=-1.2,
        vmax=1.2,
        cbar=False,
        linewidths=1.5,
        linecolor=PAPER,
        annot_kws={"fontsize": 9, "color": INK},
    )
    axes.set(xlabel="", ylabel="")
    axes.set_xticklabels([wrapped(value, width=10) for value in across], rotation=0)
    axes.set_yticklabels([wrapped(value) for value in rows], rotation=0)
    axes.xaxis.tick_top()
    return axes


MARKED = 0.26  # doublings: a fifth more or less
_SHADES = mpl.colors.LinearSegmentedColormap.from_list(
    "fupan_light", ["#e79a72", "#f2f4f6", "#7fb3cf"]
)  # under dark numbers
_SIGNED = mpl.colors.LinearSegmentedColormap.from_list("fupan", [WORSE, PAPER, ACCENT])


def comeback(frame: pd.DataFrame, *, lang: str) -> Axes:
    """The share that has come back by each day, a line a group with its interval as a band, each named at its end.

    One row per group x day, in order: label, days, rate, ci_lower, ci_upper (fractions).
    """
    if frame.empty:
        return empty(lang=lang)
    axes = _canvas(2.9)
    for place, (label, part) in enumerate(frame.groupby("label", sort=False)):
        colour = (ACCENT, WORSE, SOFT)[place % 3]
        axes.fill_between(
            part["days"], part["ci_lower"], part["ci_upper"], color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(
            part["days"],
            part["rate"],
            color=colour,
            linewidth=1.5,
            linestyle=("-", (0, (5, 2)), (0, (1, 1.5)))[place % 3],
        )
        axes.annotate(
            shown(label),
            (part["days"].iloc[-1], part["rate"].iloc[-1]),
            (-4, 7),
            textcoords="offset points",
            ha="right",
            color=colour,
        )
    axes.set_xlim(0, frame["days"].max())
    axes.set_ylim(0, min(frame["ci_upper"].max() * 1.15 or 1, 1))
    axes.set_xlabel(text.choose(lang, "距上一次购买的天数", "days since the purchase before"))
    _ticks(axes.xaxis, "count", lang)
    _ticks(axes.yaxis, "percent", lang, bins=4)
    axes.grid(axis="y")
    return axes


def trend(
    frame: pd.DataFrame,
    *,
    lang: str,
    bands: pd.DataFrame | None = None,
    marks: pd.DataFrame | None = None,
    currency: str = "CNY",
) -> Axes:
    """Metrics of an account week by week, a small panel each: festivals as named bands, events as numbers at the top.

    One row per week x metric: period, label, unit, value, open (not final yet: dashed). bands:
    starts, ends, label; marks: number, from. A week without sessions is a gap in the line. Returns
    the topmost axes.
    """
    if frame.empty:
        return empty(lang=lang)
    labels = frame["label"].drop_duplicates().tolist()
    panels = plt.subplots(
        len(labels), 1, sharex=True, squeeze=False, figsize=(WIDTH, 0.98 * len(labels) + 0.55)
    )[1][:, 0]
    for panel, label in zip(panels, labels, strict=True):
        rows = frame[frame["label"] == label].sort_values("period")
        apart = (rows["period"].diff() > pd.Timedelta(days=8)).cumsum()
        for _, run in rows.groupby(apart):
            panel.plot(
                run["period"],
                run["value"],
                *(["."] if len(run) == 1 else []),
                color=ACCENT,
                linewidth=1.2,
            )
        young = rows[rows["open"]]
        panel.plot(
            young["period"], young["value"], color=PAPER, linewidth=1.4, linestyle=(0, (1.5, 1.5))
        )
        panel.set_ylim(min(rows["value"].min() * 1.15, 0), max(rows["value"].max(), 1e-9) * 1.2)
        _fill_bands(panel, bands)
        _ticks(panel.yaxis, rows["unit"].iloc[0], lang, currency, bins=2)
        panel.yaxis.set_major_locator(FixedLocator(panel.get_yticks()[-2:-1]))
        panel.tick_params(axis="y", labelsize=9, labelcolor=SOFT)
        panel.grid(axis="y")
        panel.set_title(shown(text.short(label)), color=INK, fontsize=10, pad=3)
    _mark_times(panels[0], bands, marks)
    panels[-1].xaxis.set_major_locator(
        mdates.AutoDateLocator(minticks=3, maxticks=6, tz=frame["period"].dt.tz)
    )
    panels[-1].xaxis.set_major_formatter(mdates.DateFormatter("%Y-%m", tz=frame["period"].dt.tz))
    return panels[0]


def _fill_bands(panel: Axes, bands: pd.DataFrame | None) -> None:
    """All bands of a panel as one area: one mark in the file, however many they are."""
    spans = (
        []
        if bands is None
        else [
            (
                mdates.date2num(row.starts),
                mdates.date2num(max(row.ends, row.starts + pd.Timedelta(days=3))),
            )
            for row in bands.itertuples()
        ]
    )
    low, high = panel.get_ylim()
    corners = [
        corner
        for left, right in spans
        for corner in ((left, low), (left, high), (right, high), (right, low))
    ]
    panel.fill([x for x, _ in corners], [y for _, y in corners], color=LINE, linewidth=0, zorder=0)


def _mark_times(panel: Axes, bands: pd.DataFrame | None, marks: pd.DataFrame | None) -> None:
    """Names of bands and numbers of events over the topmost panel, the name given way to where two would touch."""
    panel.set_title(
        panel.get_title("left"),
        color=INK,
        fontsize=10,
        pad=24 if marks is not None and len(marks) else 14,
    )
    last, width = None, panel.get_xlim()
    for band in () if bands is None else bands.itertuples():
        middle = mdates.date2num(band.starts + (band.ends - band.starts) / 2)
        if last is None or middle - last > (width[1] - width[0]) * 0.07:
            panel.text(
                middle,
                1.02,
                shown(band.label, limit=8),
                transform=panel.get_xaxis_transform(),
                ha="center",
                fontsize=8.5,
                color=SOFT,
            )
            last = middle
    for mark in () if marks is None else marks.itertuples():
        panel.annotate(
            str(mark.number),
            (mark[2], 1.17),
            xycoords=panel.get_xaxis_transform(),
            ha="center",
            fontsize=8.5,
            color=WORSE,
        )


def cells(frame: pd.DataFrame, *, lang: str, currency: str = "CNY") -> Axes:
    """Values by row and column, a panel for each metric; the colour says how far from the account's own level.

    One row per metric x row x column: label, unit, row, column, value, n, relative (÷ the account's
    level). A cell without a value says how many sessions it rests on, or stays empty without any.
    """
    if frame.empty or frame["value"].notna().sum() == 0:
        return empty(lang=lang)
    labels, rows, across = (
        frame[name].drop_duplicates().tolist() for name in ("label", "row", "column")
    )
    height = len(labels) * (0.3 + 0.42 * len(rows)) + 0.35
    panels = plt.subplots(
        len(labels), 1, sharex=True, squeeze=False, figsize=(WIDTH, min(max(height, 1.6), 14))
    )[1][:, 0]
    shades, most = (
        _SIGNED,
        max(float(np.nanmax(np.abs(np.log(frame["relative"].astype(float))))), 0.2),
    )
    for panel, label in zip(panels, labels, strict=True):
        panel.set(xlim=(-0.5, len(across) - 0.5), ylim=(len(rows) - 0.5, -0.5))
        panel.set_yticks(range(len(rows)), [wrapped(name, width=14) for name in rows])
        for side in ("left", "bottom"):
            panel.spines[side].set_visible(False)
        panel.set_title(shown(text.short(label)), color=INK, fontsize=10, pad=4)
        for row in frame[(frame["label"] == label) & (frame["n"] > 0)].itertuples():
            _cell(
                panel,
                across.index(row.column),
                rows.index(row.row),
                row,
                shades,
                most,
                _format(row.unit, lang, currency),
            )
    panels[-1].set_xticks(range(len(across)), [shown(name, limit=6) for name in across])
    return panels[0]


def _cell(
    panel: Axes,
    x: int,
    y: int,
    row: object,
    shades: mpl.colors.Colormap,
    most: float,
    words: Callable[[float], str],
) -> None:
    if not np.isfinite(row.value):
        panel.text(x, y, f"n={row.n:.0f}", ha="center", va="center", fontsize=8, color=SOFT)
        return
    shade = shades(0.5 + 0.375 * float(np.clip(np.log(row.relative) / most, -1, 1)))
    panel.add_patch(
        mpl.patches.Rectangle(
            (x - 0.48, y - 0.48), 0.96, 0.96, facecolor=shade, edgecolor=LINE, linewidth=0.8
        )
    )
    panel.text(x, y - 0.15, words(row.value), ha="center", va="center", fontsize=9)
    panel.text(x, y + 0.24, f"n={row.n:.0f}", ha="center", va="center", fontsize=7.5, color=SOFT)
