"""When the account sells best, and which host does: slots and hosts over sessions.

A session is one observation; a slot is the three-hour block of the clock in which it starts.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import funnel, reference
from helpers.compare import account, baseline
from helpers.core import findings, level_regression, stats, text
from helpers.reference import metrics

NOTEBOOK = "03_compare"
SHOWN = ("uv_value", "room_conversion", "ad_roi")
FEWEST = 3  # sessions of a cell, a host or a slot below which nothing is estimated
WEEKDAYS = (
    ("周一", "Mon"),
    ("周二", "Tue"),
    ("周三", "Wed"),
    ("周四", "Thu"),
    ("周五", "Fri"),
    ("周六", "Sat"),
    ("周日", "Sun"),
)
# What else differs between sessions, beside host, slot and kind of day.
CIRCUMSTANCES = ("month", "kind", "festive")


def described(
    mine: pd.DataFrame,
    calendar: Iterable[reference.Festival],
    names: Iterable[str],
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """The sessions of `account.sessions_of` with what a slot comparison needs: one row per session.

    Adds to `baseline.described` block (the slot in words), weekday (0 Monday), month, festive
    (bool), whole (bool, `account.whole`), ordinary (bool: whole, outside festivals, daily or of
    unknown kind), and a column per metric.
    """
    sessions = baseline.described(mine, calendar)
    values = metrics.by_session(mine, list(names), registry=registry).pivot(
        index="session_id", columns="metric", values="value"
    )
    whole, festive = account.whole(mine).to_numpy(), (sessions["festival"] != "").to_numpy()
    with_slots = sessions.assign(
        block=funnel.time_slot(sessions["started_at"]),
        weekday=sessions["started_at"].dt.day_of_week,
        month=sessions["started_at"].dt.strftime("%Y-%m"),
        festive=festive,
        whole=whole,
        ordinary=whole
        & ~festive
        & (sessions["kind"].isna() | sessions["kind"].eq("daily")).to_numpy(dtype=bool),
    )
    return with_slots.merge(values.reset_index(), on="session_id", how="left")


def cells(
    sessions: pd.DataFrame,
    names: Iterable[str],
    *,
    registry: Mapping[str, reference.Metric],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What an ordinary session typically brings by slot and weekday.

    One row per metric x slot x weekday: metric, label_zh, label_en, unit, row, weekday, column_zh,
    column_en, n, value, lower, upper (of the typical session; cells of few sessions are drawn to
    the account's level, `shrunken`), relative (÷ that level), spread_p (of the metric: whether
    cells differ at all, one-way F). Under `FEWEST` sessions a cell has no value.
    """
    plain = sessions[sessions["ordinary"]]
    parts = [
        _one_map(plain, name, registry[name], confidence)
        for name in names
        if name in plain and plain[name].notna().any()
    ]
    columns = [
        "metric",
        "label_zh",
        "label_en",
        "unit",
        "row",
        "weekday",
        "column_zh",
        "column_en",
        "n",
        "value",
        "lower",
        "upper",
        "relative",
        "spread_p",
    ]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _one_map(
    plain: pd.DataFrame, name: str, metric: reference.Metric, confidence: float
) -> pd.DataFrame:
    rows = plain.assign(log=level_regression.logs(plain[name])).dropna(subset=["log"])
    grid_cells = (
        rows.groupby(["block", "weekday"])["log"]
        .agg(n="size", mean="mean", spread="var")
        .reset_index()
    )
    grid = pd.MultiIndex.from_product(
        [sorted(rows["block"].unique()), range(7)], names=["block", "weekday"]
    )
    grid_cells = (
        grid_cells.set_index(["block", "weekday"]).reindex(grid).reset_index().fillna({"n": 0.0})
    )
    shrunk = shrunken(
        grid_cells["mean"],
        grid_cells["n"].where(grid_cells["n"] >= FEWEST, 0),
        grid_cells["spread"],
        confidence=confidence,
    )
    return grid_cells.join(shrunk).assign(
        metric=name,
        label_zh=metric.zh,
        label_en=metric.en,
        unit=metric.unit,
        row=grid_cells["block"],
        column_zh=[WEEKDAYS[day][0] for day in grid_cells["weekday"]],
        column_en=[WEEKDAYS[day][1] for day in grid_cells["weekday"]],
        spread_p=_spread_p(rows),
    )


def _spread_p(rows: pd.DataFrame) -> float:
    groups = [
        part["log"].to_numpy()
        for _, part in rows.groupby(["block", "weekday"])
        if len(part) >= FEWEST
    ]
    return float(distributions.f_oneway(*groups).pvalue) if len(groups) > 1 else np.nan


def shrunken(
    means: pd.Series, n: pd.Series, spreads: pd.Series, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Means of logarithms by cell drawn to their common mean (`stats.shrink_means`), as values.

    Columns: value, lower, upper, relative (÷ the common mean). A cell's error is the sessions'
    spread, pooled over cells, over its n. `nan` where n is 0 or no cell tells a spread.
    """
    k = n.to_numpy(float)
    used, free = k > 0, float((k - 1).clip(0).sum())
    typical = pd.DataFrame(
        np.nan, index=means.index, columns=["value", "lower", "upper", "relative"]
    )
    if free < 1:
        return typical
    noise = float(((k[used] - 1) * spreads.to_numpy(float)[used]).sum() / free)
    centre, error, level = stats.shrink_means(means[used], np.sqrt(noise / k[used]))
    half = distributions.t.ppf(0.5 + confidence / 2, free) * error
    typical.loc[used] = np.exp(
        np.column_stack([centre, centre - half, centre + half, centre - level])
    )
    return typical


def map_sentence(grid: pd.DataFrame, *, lang: str, currency: str, confidence: float = 0.95) -> str:
    """The title of the heat maps: of each metric the best and the worst cell.

    Or that its cells cannot be told apart (Benjamini-Hochberg over the maps).
    """
    if grid["value"].notna().sum() == 0:
        return text.choose(
            lang,
            "各时段场次都太少，还看不出差别。",
            "Too few sessions in any time slot to see a difference.",
        )
    p = grid.groupby("metric", sort=False)["spread_p"].first()
    sure = stats.benjamini_hochberg(p) <= 1 - confidence
    parts = []
    for name in p.index[sure]:
        rows = grid[(grid["metric"] == name) & grid["value"].notna()]
        best, worst = rows.loc[rows["value"].idxmax()], rows.loc[rows["value"].idxmin()]
        high, low = (_cell_words(cell, lang, currency) for cell in (best, worst))
        zh = f"{text.short(best['label_zh'])}{high}最高、{low}最低"
        en = f"{text.short(best['label_en'])} is highest {high}, lowest {low}"
        parts.append(text.choose(lang, zh, en))
    labels = grid.groupby("metric")[f"label_{lang}"].first()
    unclear = [text.short(labels[name]) for name in p.index[~sure]]
    if unclear:
        zh = f"{'、'.join(unclear)}：各时段、各星期之间分不出高低"
        en = f"{', '.join(unclear)}: time slots and weekdays cannot be told apart"
        parts.append(text.choose(lang, zh, en))
    clauses = text.choose(lang, "；", "; ").join(parts)
    return text.choose(lang, f"{clauses}。", f"{clauses}.")


def _cell_words(cell: pd.Series, lang: str, currency: str) -> str:
    value = text.value(cell["value"], cell["unit"], lang, currency=currency)
    return text.choose(
        lang,
        f"{cell['column_zh']} {cell['row']} {value}",
        f"{cell['column_en']} {cell['row']} ({value})",
    )


def hosts(
    sessions: pd.DataFrame,
    names: Iterable[str],
    *,
    registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Each host against the other hosts in the same slot, kind of session, kind of day and month.

    One row per host x metric: level (host; 甲/乙 is one), metric, label_zh, label_en, unit, n,
    typical, others, ratio, lower, upper, p_value, p_adjusted (Benjamini-Hochberg over the table),
    verdict (better, worse, cannot_tell; not_comparable for a host who never shares a slot).
    """
    parts = [
        level_regression.compared(
            sessions[sessions["whole"]],
            value=name,
            by="host",
            adjust=("block", "day", *CIRCUMSTANCES),
            confidence=thresholds["confidence"],
        ).rest.assign(
            metric=name,
            label_zh=registry[name].zh,
            label_en=registry[name].en,
            unit=registry[name].unit,
        )
        for name in names
        if name in sessions and sessions[name].notna().any()
    ]
    compared = (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["level", "p_value", "ratio", "metric"])
    )
    adjusted = stats.benjamini_hochberg(compared["p_value"])
    good = compared["metric"].map(
        {name: metric.bigger_is_better for name, metric in registry.items()}
    )
    verdict = np.where((compared["ratio"] > 1) == good.eq(True), "better", "worse")
    verdict = np.where(
        good.isna() | (adjusted > 1 - thresholds["confidence"]), "cannot_tell", verdict
    )
    return compared.assign(
        p_adjusted=adjusted, verdict=np.where(np.isnan(adjusted), "not_comparable", verdict)
    )


def hosts_sentence(compared: pd.DataFrame, *, lang: str) -> str:
    """Which hosts differ from the others, who cannot be compared, and why, in one sentence."""
    names = compared["level"].unique()
    if len(names) < 2:
        return text.choose(
            lang,
            "不到两位主播各有 3 场以上（或没有填主播），无从比较。",
            (
                "Fewer than two hosts with three sessions each (or no host is named): nothing to "
                "compare."
            ),
        )
    sure = compared[compared["verdict"].isin(["better", "worse"])]
    parts = [_host_words(row, lang) for row in sure.itertuples()]
    met = compared.groupby("level")["others"].max()
    alone = [text.plain(name, 20) for name in names if met[name] == 0]
    if sure.empty and len(alone) < len(names):
        zh = "同时段、同类场次里，主播之间的差别没有超出场次之间本来的波动"
        en = "in the same slot and kind of session, hosts differ no more than sessions do anyway"
        parts.append(text.choose(lang, zh, en))
    if alone:
        zh = f"{'、'.join(alone)}从不与别人同时段开播，主播与时段分不开，不比"
        en = (
            f"{', '.join(alone)} never shares a time slot with another host: host and slot cannot "
            "be told apart"
        )
        parts.append(text.choose(lang, zh, en))
    clauses = text.choose(lang, "；", "; ").join(parts)
    return text.choose(lang, f"{clauses}。", f"{clauses[:1].upper()}{clauses[1:]}.")


def _host_words(row, lang: str) -> str:
    change, low, high = (
        text.signed(v - 1, "percent", "en", decimals=0) for v in (row.ratio, row.lower, row.upper)
    )
    who = text.plain(row.level, 20)
    return text.choose(
        lang,
        (
            f"{who}的{text.short(row.label_zh)}比同时段其他主播{'高' if row.ratio > 1 else '低'}："
            f"{change}（{low} 到 {high}，{row.n} 场）"
        ),
        (
            f"{who}: {text.short(row.label_en)} {change} against other hosts in the same slot "
            f"({low} to {high}, {row.n} sessions)"
        ),
    )


def to_findings(compared: pd.DataFrame) -> pd.DataFrame:
    """A finding for each host who is above the others by a metric (`hosts`).

    They speak of the account, not of this session: what is worse is left out.
    """
    return findings.frame(
        [
            findings.make(
                notebook=NOTEBOOK,
                dimension="sales",
                metric=row.metric,
                # the whole name: cut ones may be the same
                slice=f"host:{text.plain(row.level, len(row.level))}",
                slice_id=f"host:{row.level}",
                verdict="better",
                value=row.ratio,
                baseline=1.0,
                ci_lower=row.lower,
                ci_upper=row.upper,
                p_adjusted=row.p_adjusted,
                sentence_zh=f"{_host_words(row, 'zh')}。",
                sentence_en=f"{_host_words(row, 'en')}.",
            )
            for row in compared[compared["verdict"] == "better"].itertuples()
        ]
    )
