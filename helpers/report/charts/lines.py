"""Lines over days and minutes: sessions, customers who come back, weeks, a session by itself."""

import matplotlib.dates as mdates
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from helpers.core import text
from helpers.report.charts import theme
from helpers.report.charts.theme import ACCENT, INK, LINE, PAPER, QUIET, SOFT, WORSE, shown

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
    """The metric of each session over time, with this session set off before its expected range.

    One row per session: started_at, value. `current` is the started_at of the session reviewed.
    """
    sessions = frame.dropna(subset=["value"]).sort_values("started_at", kind="stable")
    if sessions.empty:
        return theme.empty(lang=lang)
    axes = theme.canvas(2.9)
    starts, values = sessions["started_at"], sessions["value"]
    now = (starts == current).to_numpy()
    if np.isfinite(lower) and np.isfinite(upper):
        axes.axhspan(lower, upper, color=LINE, alpha=0.75, linewidth=0, zorder=0)
    axes.plot(starts, values, color=QUIET, linewidth=0.8, zorder=1)
    axes.scatter(starts[~now], values[~now], color=QUIET, s=16, zorder=2)
    axes.scatter(starts[now], values[now], color=ACCENT, s=60, zorder=3)
    for row in sessions[now].itertuples():
        value = text.value(row.value, unit, lang, currency=currency)
        axes.annotate(
            shown(text.choose(lang, f"本场 {value}", f"this session {value}")),
            (row.started_at, row.value),
            (1, 0.99),
            textcoords="axes fraction",
            ha="right",
            va="top",
            color=ACCENT,
            arrowprops={"arrowstyle": "-", "color": ACCENT, "linewidth": 0.7, "shrinkB": 4},
        )
    if values.min() >= 0:
        axes.set_ylim(0, max(values.max(), upper if np.isfinite(upper) else 0) * 1.25 or 1)
    theme.unit_ticks(axes.yaxis, unit, lang, currency)
    _date_ticks(axes, starts, "%Y-%m-%d", most=5)
    axes.tick_params(axis="y", labelcolor=SOFT)
    axes.grid(axis="y")
    grey = text.choose(lang, "　灰带：本场的正常范围", "; grey: normal range of this session")
    theme.note(axes, f"{label}{grey}")
    return axes


def _date_ticks(axes: Axes, moments: pd.Series, form: str, most: int) -> None:
    zone = moments.dt.tz
    axes.xaxis.set_major_locator(mdates.AutoDateLocator(minticks=3, maxticks=most, tz=zone))
    axes.xaxis.set_major_formatter(mdates.DateFormatter(form, tz=zone))


def comeback(frame: pd.DataFrame, *, lang: str) -> Axes:
    """The share that has come back by each day, a line a group with its interval as a band.

    One row per group x day, in order: label, days, rate, ci_lower, ci_upper (fractions).
    """
    if frame.empty:
        return theme.empty(lang=lang)
    axes = theme.canvas(2.9)
    looks = ((ACCENT, "-"), (WORSE, (0, (5, 2))), (SOFT, (0, (1, 1.5))))
    for place, (label, group) in enumerate(frame.groupby("label", sort=False)):
        colour, dashes = looks[place % 3]
        days, rate = group["days"], group["rate"]
        axes.fill_between(
            days, group["ci_lower"], group["ci_upper"], color=colour, alpha=0.18, linewidth=0
        )
        axes.plot(days, rate, color=colour, linewidth=1.5, linestyle=dashes)
        axes.annotate(
            shown(label),
            (days.iloc[-1], rate.iloc[-1]),
            (-4, 7),
            textcoords="offset points",
            ha="right",
            color=colour,
        )
    axes.set_xlim(0, frame["days"].max())
    axes.set_ylim(0, min(frame["ci_upper"].max() * 1.15 or 1, 1))
    axes.set_xlabel(text.choose(lang, "距上一次购买的天数", "days since the purchase before"))
    theme.unit_ticks(axes.xaxis, "count", lang)
    theme.unit_ticks(axes.yaxis, "percent", lang, bins=4)
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
    """Metrics of an account week by week, a small panel each, with festivals and events.

    One row per week x metric: period, label, unit, value, open (not final yet: dashed). bands
    (festivals, named): starts, ends, label; marks (events, numbered at the top): number, from. A
    week without sessions is a gap in the line. Returns the topmost axes.
    """
    if frame.empty:
        return theme.empty(lang=lang)
    labels = frame["label"].drop_duplicates().tolist()
    stacked = theme.panels(len(labels), 0.98 * len(labels) + 0.55)
    for panel, label in zip(stacked, labels, strict=True):
        rows = frame[frame["label"] == label].sort_values("period")
        _weeks(panel, rows)
        _fill_bands(panel, bands)
        theme.unit_ticks(panel.yaxis, rows["unit"].iloc[0], lang, currency, bins=2)
        panel.yaxis.set_major_locator(FixedLocator(panel.get_yticks()[-2:-1]))
        panel.tick_params(axis="y", labelsize=9, labelcolor=SOFT)
        panel.grid(axis="y")
        panel.set_title(shown(text.short(label)), color=INK, fontsize=10, pad=3)
    _mark_times(stacked[0], bands, marks)
    _date_ticks(stacked[-1], frame["period"], "%Y-%m", most=6)
    return stacked[0]


def _weeks(panel: Axes, rows: pd.DataFrame) -> None:
    apart = (rows["period"].diff() > pd.Timedelta(days=8)).cumsum()
    for _, run in rows.groupby(apart):
        dot = ["."] if len(run) == 1 else []
        panel.plot(run["period"], run["value"], *dot, color=ACCENT, linewidth=1.2)
    young = rows[rows["open"]]
    panel.plot(
        young["period"], young["value"], color=PAPER, linewidth=1.4, linestyle=(0, (1.5, 1.5))
    )
    panel.set_ylim(min(rows["value"].min() * 1.15, 0), max(rows["value"].max(), 1e-9) * 1.2)


def _fill_bands(panel: Axes, bands: pd.DataFrame | None) -> None:
    """One mark in the file, however many bands there are."""
    low, high = panel.get_ylim()
    corners = []
    for band in () if bands is None else bands.itertuples():
        left = mdates.date2num(band.starts)
        right = mdates.date2num(max(band.ends, band.starts + pd.Timedelta(days=3)))
        corners += [(left, low), (left, high), (right, high), (right, low)]
    panel.fill([x for x, _ in corners], [y for _, y in corners], color=LINE, linewidth=0, zorder=0)


def _mark_times(panel: Axes, bands: pd.DataFrame | None, marks: pd.DataFrame | None) -> None:
    """A name that would touch the one before is left out."""
    pad = 24 if marks is not None and len(marks) else 14
    panel.set_title(panel.get_title("left"), color=INK, fontsize=10, pad=pad)
    over = panel.get_xaxis_transform()
    last, (left, right) = None, panel.get_xlim()
    for band in () if bands is None else bands.itertuples():
        middle = mdates.date2num(band.starts + (band.ends - band.starts) / 2)
        if last is None or middle - last > (right - left) * 0.07:
            name = shown(band.label, limit=8)
            panel.text(middle, 1.02, name, transform=over, ha="center", fontsize=8.5, color=SOFT)
            last = middle
    for mark in () if marks is None else marks.itertuples():
        place, number = (mark[2], 1.17), str(mark.number)
        panel.annotate(number, place, xycoords=over, ha="center", fontsize=8.5, color=WORSE)


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
    """The session minute by minute: a panel a curve, bands behind, a lane a kind of mark and stage.

    One row per minute: minute (since the start) and any of CURVES, and left beside entered. bands:
    start_minute, end_minute, mark (the letter drawn on it; a table beside says what it is). marks:
    minute, label; marks of one label share a lane. stages: start_minute, end_minute, label. With
    `started_at` the clock stands under the minutes. Returns the topmost axes.
    """
    present = [column for column in CURVES if column in frame and frame[column].notna().any()]
    if frame.empty or not present:
        return theme.empty(lang=lang)
    kinds = mark_kinds(marks)
    planned = [] if stages is None else list(stages.groupby("label", sort=False))
    lanes = len(kinds) + len(planned)
    heights = [1.05, *[0.72] * (len(present) - 1)] + ([0.2 * lanes + 0.3] if lanes else [])
    panels = theme.panels(len(heights), sum(heights) + 0.5, heights)
    for panel, column in zip(panels, present, strict=False):
        _minute_panel(panel, frame, column, lang, currency)
        _shade(panel, bands, every=1 if panel is panels[0] else 2)
    panels[0].set_ylim(0, panels[0].get_ylim()[1] * 1.15)
    _mark_bands(panels[0], bands)
    lowest = panels[-1]
    if lanes:
        _fill_lanes(lowest, kinds, planned, bands)
    lowest.xaxis.set_major_locator(MaxNLocator(7, integer=True, steps=[1, 1.5, 2, 3, 6, 10]))
    if started_at is not None:
        start = started_at.floor("min")
        clock = FuncFormatter(lambda x, _: f"{x:.0f}\n{start + pd.Timedelta(minutes=x):%H:%M}")
        lowest.xaxis.set_major_formatter(clock)
    lowest.set_xlabel(text.choose(lang, "开播后分钟", "minutes since the start"))
    return panels[0]


def _minute_panel(panel: Axes, frame: pd.DataFrame, column: str, lang: str, currency: str) -> None:
    zh, en, unit = CURVES[column]
    minute, values = frame["minute"], frame[column]
    panel.plot(minute, values, color=ACCENT, linewidth=1.2)
    if column == "entered" and "left" in frame:
        panel.plot(minute, -frame["left"], color=WORSE, linewidth=1.2)
        most = max(np.nanmax(frame[[column, "left"]]), 1e-9) * 1.12
        panel.set_ylim(-most, most)
    elif column != "net_inflow":
        panel.set_ylim(0, max(np.nanmax(values), 1e-9) * 1.12)
    if panel.get_ylim()[0] < 0:
        panel.axhline(0, color=SOFT, linewidth=0.8)
    panel.set_xlim(minute.min(), max(minute.max(), minute.min() + 1))
    theme.unit_ticks(panel.yaxis, unit, lang, currency, bins=3)
    if column == "entered":
        people = theme.written(unit, lang)
        panel.yaxis.set_major_formatter(FuncFormatter(lambda x, _: people(abs(x))))
    panel.tick_params(axis="y", labelsize=9, labelcolor=SOFT)
    panel.grid(axis="y")
    panel.set_title(text.choose(lang, zh, en), color=INK, fontsize=9.5, pad=2)


def _shade(panel: Axes, bands: pd.DataFrame | None, *, every: int = 1) -> None:
    """Two greys by turns, as bands often touch; with `every` 2 the darker ones alone."""
    for place, row in enumerate(() if bands is None else bands.itertuples()):
        if place % every == 0:
            end, alpha = max(row.end_minute, row.start_minute + 1), (0.85, 0.4)[place % 2]
            panel.axvspan(row.start_minute, end, color=LINE, alpha=alpha, linewidth=0, zorder=0)


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


def mark_kinds(marks: pd.DataFrame | None, most: int = 8) -> list[tuple[str, list[float]]]:
    """Labels of marks with their minutes, in order; the rarest beyond `most` are left out."""
    if marks is None or marks.empty:
        return []
    ordered = marks.sort_values("minute", kind="stable")
    frequent = ordered["label"].value_counts(sort=True).head(most).index
    return [
        (shown(label, limit=12), rows["minute"].tolist())
        for label, rows in ordered.groupby("label", sort=False)
        if label in frequent
    ]


def _fill_lanes(
    lanes: Axes,
    kinds: list[tuple[str, list[float]]],
    stages: list[tuple[str, pd.DataFrame]],
    bands: pd.DataFrame | None,
) -> None:
    _shade(lanes, bands, every=2)
    for place, (_, at) in enumerate(kinds):
        lanes.plot(at, [place] * len(at), "|", color=INK, markersize=8, markeredgewidth=1.3)
    for place, (_, rows) in enumerate(stages, start=len(kinds)):
        starts, ends = rows["start_minute"], rows["end_minute"]
        lanes.hlines([place] * len(rows), starts, ends, color=SOFT, linewidth=4)
    labels = [*(label for label, _ in kinds), *(shown(label, limit=20) for label, _ in stages)]
    lanes.set_yticks(range(len(labels)), labels, fontsize=9)
    lanes.set_ylim(len(labels) - 0.4, -0.6)
