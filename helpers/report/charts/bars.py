"""Bars from one zero line: steps of a funnel, waterfalls, mix and rate, reasons, words."""

from collections.abc import Callable

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from helpers.core import text
from helpers.report.charts import theme
from helpers.report.charts.theme import ACCENT, PAPER, SOFT, WORSE, shown


def funnel(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Steps of a funnel are bars; the rate from the step before stands between them.

    One row per step, in order: label, users, rate_of_previous, ci_lower, ci_upper (fractions),
    grows: a step larger than the one before is hollow and has no rate.
    """
    if frame.empty:
        return theme.empty(lang=lang)
    axes = theme.labelled_rows(frame, 0.66, 0.35)
    most, grows = max(frame["users"].max(), 1), frame["grows"].to_numpy(bool)
    users, count = frame["users"].fillna(0), theme.written("users", lang)
    axes.barh(
        range(len(frame)),
        users,
        height=0.5,
        color=np.where(grows, PAPER, ACCENT),
        edgecolor=ACCENT,
        linewidth=0.8,
    )
    larger = text.choose(
        lang,
        "↑ 比上一步多：口径不同，不是转化率",
        "↑ more than the step before: no conversion rate",
    )
    for place, row in enumerate(frame.itertuples()):
        axes.text(np.nan_to_num(row.users) + most * 0.015, place, count(row.users), va="center")
        if not grows[place] and not (place and np.isfinite(row.rate_of_previous)):
            continue
        rate = theme.with_interval(row.rate_of_previous, row.ci_lower, row.ci_upper, lang)
        words, colour = (larger, WORSE) if grows[place] else (f"↓ {rate}", SOFT)
        axes.text(most * 0.01, place - 0.5, words, va="center", color=colour, fontsize=9.5)
    axes.set_xlim(0, most * 1.2)
    theme.without_scale(axes, linewidth=0.8)
    return axes


def waterfall(
    frame: pd.DataFrame, *, lang: str, currency: str = "CNY", unit: str = "money"
) -> Axes:
    """Steps lead from a start to an end, top to bottom; each step hangs on the one before.

    One row per bar, in order: label, amount, kind (start, step, whole, end). A whole is hollow: the
    steps after it are its parts and carry the line on.
    """
    if frame.empty:
        return theme.empty(lang=lang)
    axes = theme.labelled_rows(frame, 0.42, 0.5)
    amounts = frame["amount"].fillna(0).to_numpy(float)
    steps = frame["kind"].isin(["step", "whole"]).to_numpy()
    wholes = (frame["kind"] == "whole").to_numpy()
    carried = np.where(frame["kind"].isin(["end", "whole"]), 0, amounts)
    after = np.cumsum(carried) + np.where(wholes, amounts, 0)
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
            joint = [start if wholes[place] else start + amount] * 2
            axes.plot(joint, [place - 0.28, place + 1.28], color=SOFT, linewidth=0.7, zorder=0)
    axes.set_xlim(ends.min() - span * (0.03 if ends.min() < 0 else 0), ends.max() + span * 0.24)
    theme.without_scale(axes)
    return axes


def mix_rate(frame: pd.DataFrame, *, lang: str, unit: str, currency: str = "CNY") -> Axes:
    """Each slice's weight (mix, hollow) and its own rate (filled) have their parts in a change.

    One row per slice: label, mix_effect, rate_effect in `unit`; changes of a rate (`percent`) are
    in percentage points.
    """
    if frame.empty:
        return theme.empty(lang=lang)
    moved = frame[["mix_effect", "rate_effect"]].abs().sum(axis=1)
    every, frame = len(frame), theme.largest(frame, moved, theme.rows_that_fit(0.58, 0.95))
    axes = theme.labelled_rows(frame, 0.58, 0.95)
    theme.say_left_out(axes, len(frame), every - len(frame), lang)
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
    theme.without_scale(axes)
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
    if unit != "percent":
        return lambda x: shown(text.signed(x, unit, lang, currency=currency))
    decimals = 2 if widest >= 0.005 else 3
    return lambda x: shown(text.signed(100 * x, "score", lang, decimals=decimals))


def _bar_ends(
    axes: Axes, values: np.ndarray, places: np.ndarray, words: Callable[[float], str]
) -> None:
    for value, place in zip(values, places, strict=True):
        if np.isfinite(value):
            side, away = ("left", 3) if value >= 0 else ("right", -3)
            axes.annotate(
                words(value),
                (value, place),
                (away, 0),
                textcoords="offset points",
                ha=side,
                va="center",
                fontsize=9,
            )


def pareto(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Counts stand from the most to the least frequent, each with its share and that share's range.

    One row per reason: label, count, share, ci_lower, ci_upper (fractions).
    """
    if frame.empty:
        return theme.empty(lang=lang)
    ordered = frame.sort_values("count", ascending=False, kind="stable")
    ordered = ordered.head(theme.rows_that_fit(0.46, 0.5))
    axes = theme.labelled_rows(ordered, 0.46, 0.5)
    theme.say_left_out(axes, len(ordered), len(frame) - len(ordered), lang)
    most = max(ordered["count"].max(), 1)
    axes.barh(range(len(ordered)), ordered["count"], height=0.56, color=ACCENT)
    for place, row in enumerate(ordered.itertuples()):
        count = float(ordered["count"].iloc[place])
        share = theme.with_interval(row.share, row.ci_lower, row.ci_upper, lang)
        words = f"{text.number(count, lang)} · {share}"
        axes.text(count + most * 0.015, place, words, va="center", fontsize=9.5)
    axes.set_xlim(0, most * 2.1)
    theme.without_scale(axes)
    return axes


def words(frame: pd.DataFrame, *, lang: str) -> Axes:
    """Words that stand out, the furthest first, as bars of z with the people who wrote them.

    One row per word: word, z, users.
    """
    if frame.empty:
        return theme.empty(lang=lang)
    every, frame = len(frame), frame.head(theme.rows_that_fit(0.3, 0.6))
    axes = theme.labelled_rows(frame.assign(label=frame["word"]), 0.3, 0.6, lines=1)
    theme.say_left_out(axes, len(frame), every - len(frame), lang)
    axes.barh(range(len(frame)), frame["z"], height=0.6, color=ACCENT)
    furthest, people = frame["z"].max(), text.choose(lang, "人", "people")
    for place, row in enumerate(frame.itertuples()):
        users = f"{text.number(row.users, lang)} {people}"
        axes.text(row.z + furthest * 0.015, place, users, va="center", fontsize=9.5)
    axes.set_xlim(0, furthest * 1.25)
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
