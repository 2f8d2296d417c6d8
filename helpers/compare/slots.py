"""Time slots and hosts: when the account sells best, who does, and where paid traffic brings the most back.

All of it session by session: a session is one observation, and what sessions differ by anyway is
the error. A slot is the three-hour block of the clock in which a session starts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import clean, funnel, reference
from helpers.compare import account
from helpers.compare.baseline import described as described_sessions
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
CIRCUMSTANCES = (
    "month",
    "kind",
    "festive",
)  # what else differs between sessions, beside host, slot and kind of day


def described(
    mine: pd.DataFrame,
    calendar: Iterable[reference.Festival],
    names: Iterable[str],
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """The sessions of `account.sessions_of` with what a slot comparison needs: one row per session.

    Adds block (its three hours as words), weekday (0 Monday), day (work, rest), month, festive
    (bool), whole (bool: about as long as the others, no test of ten minutes), ordinary (bool:
    whole, outside festivals, daily or of unknown kind), and a column for each metric.
    """
    sessions = described_sessions(mine, calendar)
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


# ----------------------------------------------------------------------------------- the heat maps


def cells(
    sessions: pd.DataFrame,
    names: Iterable[str],
    *,
    registry: Mapping[str, reference.Metric],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Slot by weekday: what a session there typically brings, drawn towards the account's own level where sessions are few.

    Ordinary sessions alone (`described`). One row per metric x slot x weekday: metric, label_zh,
    label_en, unit, row, weekday, column_zh, column_en, n, value, lower, upper (of the cell's
    typical session, by a hierarchical mean of logarithms), relative (÷ the account's level),
    spread_p (of the metric: whether cells differ at all, one-way F). A cell of fewer than `FEWEST`
    sessions has no value.
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
    """Whether cells of enough sessions differ at all: the p-value of a one-way analysis of variance."""
    groups = [
        part["log"].to_numpy()
        for _, part in rows.groupby(["block", "weekday"])
        if len(part) >= FEWEST
    ]
    return float(distributions.f_oneway(*groups).pvalue) if len(groups) > 1 else np.nan


def shrunken(
    means: pd.Series, n: pd.Series, spreads: pd.Series, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Means of logarithms by cell drawn to their common mean (`stats.shrink_means`), as values: value, lower, upper, relative.

    A cell's error is the sessions' own spread, pooled over cells, over its number of sessions.
    `nan` where n is 0 or no cell tells a spread.
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
    """What the heat maps show, as a title: of each metric the best cell, or that cells cannot be told apart (Benjamini-Hochberg over the maps)."""
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
        parts.append(
            text.choose(
                lang,
                (
                    f"{text.short(best['label_zh'])}{_cell_words(best, lang, currency)}最高、"
                    f"{_cell_words(worst, lang, currency)}最低"
                ),
                (
                    f"{text.short(best['label_en'])} is highest "
                    f"{_cell_words(best, lang, currency)}, "
                    f"lowest {_cell_words(worst, lang, currency)}"
                ),
            )
        )
    unclear = [
        text.short(grid.loc[grid["metric"] == name, f"label_{lang}"].iloc[0])
        for name in p.index[~sure]
    ]
    quiet = (
        text.choose(
            lang,
            f"{'、'.join(unclear)}：各时段、各星期之间分不出高低",
            f"{', '.join(unclear)}: time slots and weekdays cannot be told apart",
        )
        if unclear
        else ""
    )
    clauses = text.choose(lang, "；", "; ").join([*parts, *filter(None, [quiet])])
    return text.choose(lang, f"{clauses}。", f"{clauses}.")


def _cell_words(cell: pd.Series, lang: str, currency: str) -> str:
    value = text.value(cell["value"], cell["unit"], lang, currency=currency)
    return text.choose(
        lang,
        f"{cell['column_zh']} {cell['row']} {value}",
        f"{cell['column_en']} {cell['row']} ({value})",
    )


# --------------------------------------------------------------------------------------- the hosts


def hosts(
    sessions: pd.DataFrame,
    names: Iterable[str],
    *,
    registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Each host against the other hosts in the same slot, kind of session, kind of day and month; columns of `level_regression.compared`.

    One row per host x metric: level (host), metric, label_zh, label_en, unit, n, typical, others,
    ratio, lower, upper, p_value, p_adjusted (Benjamini-Hochberg over the table), verdict (better,
    worse, cannot_tell; not_comparable for a host who never shares a slot with another). Co-hosts
    stay as written: 甲/乙 is a pair of its own.
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
    """What can be said of the hosts, in one sentence; who cannot be compared, and why."""
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
    alone = [
        text.plain(name, 20)
        for name in names
        if (compared.loc[compared["level"] == name, "others"] == 0).all()
    ]
    apart = (
        text.choose(
            lang,
            f"{'、'.join(alone)}从不与别人同时段开播，主播与时段分不开，不比",
            (
                f"{', '.join(alone)} never shares a time slot with another host: host and slot "
                "cannot "
                "be told apart"
            ),
        )
        if alone
        else ""
    )
    same = (
        ""
        if len(sure) or len(alone) == len(names)
        else text.choose(
            lang,
            "同时段、同类场次里，主播之间的差别没有超出场次之间本来的波动",
            "in the same slot and kind of session, hosts differ no more than sessions do anyway",
        )
    )
    clauses = text.choose(lang, "；", "; ").join(filter(None, [*parts, same, apart]))
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
            f"({low} "
            f"to {high}, {row.n} sessions)"
        ),
    )


# ----------------------------------------------------------------------------- where a budget pays


def with_ads(sessions: pd.DataFrame, ads: pd.DataFrame) -> pd.DataFrame:
    """Sessions with what their ads cost and brought by the ads' own account: cost, brought, roi; finest slots of `ads` count.

    `roi` is the ads' own amount over their cost, of sessions where both are known and something was
    spent.
    """
    sums = clean.finest_slots(ads).groupby("session_id")[["cost", "amount"]].sum(min_count=1)
    cost, brought = (
        sessions["session_id"].map(sums[name]).astype(float) for name in ("cost", "amount")
    )
    return sessions.assign(cost=cost, brought=brought, roi=(brought / cost.where(cost > 0)))


def ads_return(
    spent: pd.DataFrame, traffic: pd.DataFrame, *, session_id: str, base: Iterable[str]
) -> pd.DataFrame:
    """What came back of this session's ads, as the ads' own account says and as the room's sources do, beside the comparable sessions.

    One row per line (ads_account, traffic_sources) with a cost: value and baseline (amount ÷ cost,
    all sessions of `base` together), cost, usual_cost (mean a session), n (sessions of `base` with
    a cost).
    """
    paid = traffic[traffic["is_paid"].fillna(False).astype(bool) & traffic["ad_cost"].gt(0)]
    sums = (
        paid.groupby("session_id")[["ad_cost", "paid_amount"]]
        .sum()
        .rename(columns={"ad_cost": "cost", "paid_amount": "amount"})
    )
    of_account = spent.set_index("session_id")[["cost", "brought"]].rename(
        columns={"brought": "amount"}
    )
    rows = []
    for line, sums_by_session in (("ads_account", of_account), ("traffic_sources", sums)):
        with_cost = sums_by_session.dropna()[lambda sums: sums["cost"] > 0]
        others = with_cost[with_cost.index.isin(list(base))]
        if session_id in with_cost.index:
            session = with_cost.loc[session_id]
            rows.append(
                {
                    "line": line,
                    "value": session["amount"] / session["cost"],
                    "baseline": others["amount"].sum() / others["cost"].sum()
                    if len(others)
                    else np.nan,
                    "cost": session["cost"],
                    "usual_cost": others["cost"].mean(),
                    "n": len(others),
                }
            )
    return pd.DataFrame(rows, columns=["line", "value", "baseline", "cost", "usual_cost", "n"])


def budget(spent: pd.DataFrame, *, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """What ads brought back by time slot (`with_ads`), each against the other slots in the same month, kind and host.

    One row per slot with three sessions or more: slot, n, cost, brought, value (brought ÷ cost),
    others, ratio, lower, upper, p_value, p_adjusted (Holm against each other slot, the worst of
    them), verdict (better: more came back than in every other slot; worse; cannot_tell;
    not_comparable), apart (bool: the host could be held equal).
    """
    rows = spent[spent["whole"]].dropna(subset=["roi"])
    able = rows["host"].notna().any() and level_regression.separable(
        rows, by="block", adjust=("host", *CIRCUMSTANCES)
    )
    adjust = ("host", "day", *CIRCUMSTANCES) if able else ("day", *CIRCUMSTANCES)
    slots, pairs = level_regression.compared(
        rows, value="roi", by="block", adjust=adjust, confidence=thresholds["confidence"]
    )
    sums = rows.groupby("block")[["cost", "brought"]].sum()
    worst = pairs.groupby("level")["p_adjusted"].max().reindex(slots["level"]).to_numpy()
    above = (
        pairs.assign(above=pairs["ratio"] > 1)
        .groupby("level")["above"]
        .mean()
        .reindex(slots["level"])
        .to_numpy()
    )
    verdict = np.select(
        [np.isnan(worst), worst > 1 - thresholds["confidence"], above == 1, above == 0],
        ["not_comparable", "cannot_tell", "better", "worse"],
        "cannot_tell",
    )
    slots = (
        slots.rename(columns={"level": "slot"})
        .drop(columns="typical")
        .assign(p_adjusted=worst, verdict=verdict, apart=bool(able))
    )
    slots = slots.join(sums, on="slot")
    return slots.assign(value=slots["brought"] / slots["cost"])


def marginal(spent: pd.DataFrame, *, confidence: float = 0.95) -> level_regression.Contrast:
    """By how much what ads bring grows when their cost doubles (1: not at all, 2: in step), from sessions in like circumstances.

    A slope of logarithms within slot, month and kind of session. It comes from budgets as they were
    set, not from a trial: sessions that were going well may have been given more.
    """
    rows = spent[spent["whole"] & (spent["cost"] > 0) & (spent["brought"] > 0)]
    if len(rows) < 4 * level_regression.FEWEST_FREE:
        return level_regression.NOTHING
    x = np.column_stack(
        [
            np.log(rows["cost"]),
            level_regression.design(rows, ("block", "day", *CIRCUMSTANCES)),
            np.ones(len(rows)),
        ]
    )
    inverse, rank = level_regression.inverted(x)
    beta, free = inverse @ np.log(rows["brought"].to_numpy()), len(rows) - rank
    sd = (
        np.sqrt(((np.log(rows["brought"].to_numpy()) - x @ beta) ** 2).sum() / free)
        if free >= level_regression.FEWEST_FREE
        else np.nan
    )
    error = sd * np.sqrt((inverse @ inverse.T)[0, 0])
    half = distributions.t.ppf(0.5 + confidence / 2, max(free, 1)) * error
    return level_regression.Contrast(
        *(float(2**v) for v in (beta[0], beta[0] - half, beta[0] + half)),
        float(2 * distributions.t.sf(abs(beta[0]) / error, max(free, 1))),
    )


def budget_sentence(slots: pd.DataFrame, grows: level_regression.Contrast, *, lang: str) -> str:
    """Which slot is worth more of the budget and how sure that is, or that it cannot be told; what another yuan may bring."""
    sentence = _budget_words(slots, lang)
    if np.isfinite(grows.ratio) and np.isfinite(grows.upper):
        change, low, high = (
            text.percent(v - 1, 0) for v in (grows.ratio, grows.lower, grows.upper)
        )
        sentence += text.choose(
            lang,
            (
                f"以往投放高一倍的场次，广告成交多 {change}（{low} 到 {high}）；这只是同时出现，"
                "真加预算带来的可能更少。"
            ),
            (
                f" Sessions with twice the spend sold {change} more by ads ({low} to {high}); "
                "that is "
                "an association, and adding budget may bring less."
            ),
        )
    return sentence


def _budget_words(slots: pd.DataFrame, lang: str) -> str:
    if len(slots) < 2:
        return text.choose(
            lang,
            "只有一个时段有 3 场以上的投放，无从比较时段。",
            "Only one time slot has three or more sessions with ads: slots cannot be compared.",
        )
    best = slots[slots["verdict"] == "better"]
    if best.empty:
        listed = text.choose(lang, "、", ", ").join(
            f"{row.slot} {text.choose(lang, '为', 'at')} {text.number(row.value, lang, 2)}"
            for row in slots.sort_values("value", ascending=False).itertuples()
        )
        return text.choose(
            lang,
            (
                f"哪个时段更值得加预算，无法判断：各时段广告自身 ROI（{listed}）"
                "的差别没有超出场次之间的波动。"
            ),
            (
                f"Which slot is worth more budget cannot be told: the ads' own return ({listed}) "
                "differs by no more than sessions do."
            ),
        )
    row = best.iloc[0]
    low, high = (
        text.signed(v - 1, "percent", "en", decimals=0) for v in (row["lower"], row["upper"])
    )
    mixed = (
        ""
        if row["apart"]
        else text.choose(
            lang,
            "（该时段与主播分不开，差别可能来自主播）",
            " (slot and host cannot be told apart: it may be the host)",
        )
    )
    return text.choose(
        lang,
        (
            f"{row['slot']} 更值得加预算：广告自身 ROI {text.number(row['value'], lang, 2)}，"
            f"比其他时段 {low} 到 {high}（{row['n']} 场，校正后 p={row['p_adjusted']:.3f}）"
            f"{mixed}。"
        ),
        (
            f"{row['slot']} is worth more of the budget: the ads' own return is "
            f"{text.number(row['value'], lang, 2)}, {low} to {high} against other slots "
            f"({row['n']} "
            f"sessions, adjusted p={row['p_adjusted']:.3f}){mixed}."
        ),
    )


# ------------------------------------------------------------------------------------ what is said


def to_findings(
    made_hosts: pd.DataFrame, made_budget: pd.DataFrame, grows: level_regression.Contrast
) -> pd.DataFrame:
    """Findings where something is sure: the host above the others by a metric, the slot worth more budget.

    They speak of the account, not of this session, and so name what is better, never what is worse.
    """
    rows = []
    for row in (
        made_hosts[made_hosts["verdict"] == "better"].itertuples() if len(made_hosts) else ()
    ):
        rows.append(
            findings.make(
                notebook=NOTEBOOK,
                dimension="sales",
                metric=row.metric,
                slice=f"host:{text.plain(row.level, 30)}",
                verdict="better",
                value=row.ratio,
                baseline=1.0,
                ci_lower=row.lower,
                ci_upper=row.upper,
                p_adjusted=row.p_adjusted,
                sentence_zh=f"{_host_words(row, 'zh')}。",
                sentence_en=f"{_host_words(row, 'en')}.",
            )
        )
    for row in (
        made_budget[made_budget["verdict"] == "better"].itertuples() if len(made_budget) else ()
    ):
        rows.append(
            findings.make(
                notebook=NOTEBOOK,
                dimension="traffic",
                metric="ads_amount_roi",
                slice=f"slot:{row.slot}",
                verdict="better",
                value=row.value,
                baseline=row.value / row.ratio,
                ci_lower=row.lower,
                ci_upper=row.upper,
                p_adjusted=row.p_adjusted,
                sentence_zh=budget_sentence(made_budget, grows, lang="zh"),
                sentence_en=budget_sentence(made_budget, grows, lang="en"),
            )
        )
    return findings.frame(rows)
