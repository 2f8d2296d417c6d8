"""Points and their intervals: metrics against the usual, effects, rates, estimates, quadrants."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from helpers.core import text
from helpers.reference import terms
from helpers.report.charts import theme
from helpers.report.charts.theme import ACCENT, INK, LINE, PAPER, QUIET, SOFT, WORSE, shown

COLOURS = {
    "better": ACCENT,
    "worse": WORSE,
    "normal": QUIET,
    "cannot_tell": SOFT,
    "not_comparable": QUIET,
}
SHAPES = {"better": "o", "worse": "D", "normal": "s", "cannot_tell": "h", "not_comparable": "x"}
POINT = 1.39  # pixels of the figure
MOST_MARKS = 60  # of a quadrant, beyond which they cover each other


def intervals(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Each metric stands as value ÷ baseline over its expected range, coloured by verdict.

    One row per metric: label, ratio, ratio_lower, ratio_upper (of the range expected from the
    account's own sessions, around 1), verdict (or outcome: normal).
    """
    if frame.empty:
        return theme.empty(lang=lang)
    axes = theme.labelled_rows(frame, 0.44, 1.0)
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


def _interval_row(axes: Axes, place: int, row: Any, low: float, high: float) -> None:
    if np.isfinite(row.ratio_lower) and np.isfinite(row.ratio_upper):
        ends = np.clip([row.ratio_lower, row.ratio_upper], low, high)
        axes.plot(ends, [place, place], color=LINE, linewidth=9, solid_capstyle="butt", zorder=0)
    verdict = row.verdict if row.verdict in COLOURS else "not_comparable"
    looks = {"color": COLOURS[verdict], "marker": SHAPES[verdict]}
    if np.isfinite(row.ratio):
        axes.scatter([np.clip(row.ratio, low, high)], [place], s=46, zorder=3, **looks)
    theme.at_right(axes, place, text.signed(row.ratio - 1, "percent", "en", decimals=0))


def _change_ticks(axes: Axes, low: float, high: float) -> None:
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
    least = 0.17 * np.log(high / low)
    roomy = [ticks for ticks in inside if len(ticks) >= 2 and np.diff(np.log(ticks)).min() >= least]
    axes.xaxis.set_major_locator(FixedLocator(max(roomy, key=len, default=inside[1])))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: theme.percent_change(x - 1)))


def _shape_key(axes: Axes, frame: pd.DataFrame, lang: str) -> None:
    present = [verdict for verdict in SHAPES if (frame["verdict"] == verdict).any()]
    marks = [
        axes.scatter([], [], color=COLOURS[verdict], marker=SHAPES[verdict], s=40)
        for verdict in present
    ]
    verdicts = terms()["verdict"]
    axes.figure.legend(
        marks,
        [text.label(verdicts[verdict], lang).lower() for verdict in present],
        frameon=False,
        ncols=4,
        loc="outside upper left",
        borderpad=0,
        handletextpad=0.2,
        columnspacing=1.2,
    )


def effects(frame: pd.DataFrame, *, lang: str) -> Axes:
    """How far a metric stood off while each event was in force; filled where a change is matched.

    One row per event and metric: label, effect, lower, upper (fractions), verdict (moved, contrary
    or another).
    """
    measured = frame.dropna(subset=["effect", "lower", "upper"])
    if measured.empty:
        return theme.empty(lang=lang)
    axes = theme.labelled_rows(measured, 0.5, 0.9)
    low, high = max(measured["lower"].min(), -0.9), min(measured["upper"].max(), 3.0)
    for place, row in enumerate(measured.itertuples()):
        matched = row.verdict in ("moved", "contrary")
        colour = ACCENT if matched else QUIET
        fill = colour if matched else PAPER
        ends = np.clip([row.lower, row.upper], low, high)
        axes.plot(ends, [place, place], color=colour, linewidth=2.4)
        middle = [np.clip(row.effect, low, high)]
        axes.scatter(middle, [place], s=42, zorder=3, color=colour, facecolor=fill)
        theme.at_right(axes, place, text.signed(row.effect, "percent", "en", decimals=0))
    axes.axvline(0, color=SOFT, linewidth=0.9, zorder=1)
    left, right = min(low, -0.05), max(high, 0.05)
    reach = right - left
    axes.set_xlim(left - 0.04 * reach, right + 0.16 * reach)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: theme.percent_change(x)))
    theme.note(axes, text.choose(lang, "实心：时间上吻合", "filled: coincides"))
    axes.grid(axis="x")
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
    """Rates with their intervals and numbers of cases, one a row, beside a reference rate.

    One row per slice: label, rate, ci_lower, ci_upper (fractions), n. The reference is a dashed
    line.
    """
    if frame.empty:
        return theme.empty(lang=lang)
    every, frame = len(frame), theme.largest(frame, frame["n"], theme.rows_that_fit(0.44, 0.85))
    axes = theme.labelled_rows(frame, 0.44, 0.85)
    theme.say_left_out(axes, len(frame), every - len(frame), lang)
    places = np.arange(len(frame))
    axes.hlines(places, frame["ci_lower"], frame["ci_upper"], color=QUIET, linewidth=2.4)
    axes.scatter(frame["rate"], places, color=ACCENT, s=42, zorder=3, clip_on=False)
    bounds = frame[["rate", "ci_lower", "ci_upper"]].to_numpy(float).ravel()
    numbers = np.r_[bounds, [reference or 0.0]]
    most = np.nanmax(np.r_[numbers, 1e-9])
    axes.set_xlim(min(np.nanmin(np.r_[numbers, 0]), 0), most * 1.5)
    for place, row in enumerate(frame.itertuples()):
        rate = text.value(row.rate, unit, lang, currency=currency)
        theme.at_right(axes, place, f"{rate} n={text.number(row.n, 'en')}", fontsize=9.5)
    if reference is not None and np.isfinite(reference):
        axes.axvline(reference, color=SOFT, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
        named = reference_label or text.choose(lang, "参考值", "reference")
        dashed = text.choose(lang, "虚线：", "dashed: ")
        theme.note(axes, f"{dashed}{named} {text.value(reference, unit, lang, currency=currency)}")
    theme.unit_ticks(axes.xaxis, unit, lang, currency, bins=4)
    ticks = [tick for tick in axes.get_xticks() if 0 <= tick <= most * 1.1]
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.grid(axis="x")
    return axes


def estimates(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Early estimates with their ranges beside what came out, one session a column, oldest first.

    One row per session: label, so_far, expected, lower, upper, final (fractions).
    """
    if frame.empty:
        return theme.empty(lang=lang)
    axes, places = theme.canvas(3.0), np.arange(len(frame))
    axes.vlines(places, frame["lower"], frame["upper"], color=LINE, linewidth=7)
    axes.scatter(places, frame["so_far"], marker="x", color=SOFT, s=22, linewidth=1.1)
    axes.scatter(places, frame["expected"], marker="_", color=INK, s=130, linewidth=2, zorder=2)
    axes.scatter(places, frame["final"], marker="o", color=ACCENT, s=22, zorder=3)
    highest = float(np.nanmax(frame[["upper", "final"]].to_numpy(float)))
    axes.set_ylim(0, max(highest * 1.1, 0.01))
    shown_at = places[:: max(1, len(places) // 5)]
    axes.set_xticks(shown_at, [shown(frame["label"].iloc[place]) for place in shown_at])
    theme.unit_ticks(axes.yaxis, "percent", lang, bins=4)
    axes.grid(axis="y")
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
    """Products (or sources) stand over two rates, each mark as large as a third number.

    One row per mark: label, x, y, size, and number, which stands in the mark; x_middle and
    y_middle, where lines part the four fields (else at the medians). The largest `named` marks
    carry their names where there is room. `corners` names the fields: high_high, low_high,
    high_low, low_low (x before y).
    """
    marks = frame.dropna(subset=["x", "y"])
    if marks.empty:
        return theme.empty(lang=lang)
    every = len(marks)
    marks = marks.sort_values("size", ascending=False, kind="stable").head(MOST_MARKS)
    axes = theme.canvas(3.9)
    theme.say_left_out(axes, len(marks), every - len(marks), lang)
    areas = 150 + 420 * (marks["size"].fillna(0) / max(marks["size"].max(), 1e-12)).clip(0, 1)
    sns.scatterplot(
        x=marks["x"],
        y=marks["y"],
        ax=axes,
        s=areas.to_numpy(),
        color=ACCENT,
        alpha=0.85,
        linewidth=0.8,
        edgecolor=PAPER,
    )
    for row in marks.itertuples() if "number" in marks else ():
        number = f"{row.number:.0f}"
        axes.text(row.x, row.y, number, ha="center", va="center", fontsize=8, color=PAPER)
    middles = tuple(
        marks[f"{axis}_middle"].iloc[0] if f"{axis}_middle" in marks else marks[axis].median()
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
    theme.unit_ticks(axes.xaxis, x_unit, lang, currency, bins=4)
    theme.unit_ticks(axes.yaxis, y_unit, lang, currency, bins=5)
    axes.tick_params(axis="y", labelcolor=SOFT)
    _name_marks(axes, marks, areas, middles, named)
    return axes


def _name_marks(
    axes: Axes, marks: pd.DataFrame, areas: pd.Series, middles: tuple[float, float], named: int
) -> None:
    """Above the marks, else below them, where nothing is in the way; else left out."""
    axes.figure.draw_without_rendering()
    box, places = axes.get_window_extent(), axes.transAxes.inverted()
    across, up = places.transform(axes.transData.transform(middles))
    taken = [
        (None, (across - 0.015, 0, across + 0.015, 1)),
        (None, (0, up - 0.01, 1, up + 0.01)),
        (None, (0, 0.94, 1, 1)),
        (None, (0, 0, 1, 0.06)),
    ]
    spots, around = {}, {}
    for row in marks.itertuples():
        x, y = spots[row.Index] = places.transform(axes.transData.transform((row.x, row.y)))
        radius = around[row.Index] = 0.5 * np.sqrt(areas[row.Index]) * 100 / 72
        wide, high = radius / box.width, radius / box.height
        taken.append((row.Index, (x - wide, y - high, x + wide, y + high)))
    for row in marks.head(named).itertuples():
        # The number comes along: a name may lie nearer to another mark than to its own.
        lead = f"{row.number:.0f} " if "number" in marks else ""
        words = theme.wrapped(lead + shown(row.label), width=18)
        lines = words.split("\n")
        (x, y), radius = spots[row.Index], around[row.Index] * 0.72
        wide, high = (
            max(map(theme.columns_wide, lines)) * 6.4 / box.width,
            14 * len(lines) / box.height,
        )
        left = min(max(x - wide / 2, 0), 1.02 - wide)  # inside the axes, even of a mark at its edge
        near, far = ((radius + points) * POINT / box.height for points in (3, 16))
        for low in (y + near, y - near - high, y + far):
            spot = (left, low, left + wide, low + high)
            if low < 0 or any(key != row.Index and not _apart(spot, other) for key, other in taken):
                continue
            # Told from the mark, which the layout may still move.
            away = ((left + wide / 2 - x) * box.width / POINT, (low - y) * box.height / POINT)
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
