"""What ads bring back by time slot, and which slot is worth more of the budget."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import clean
from helpers.compare.slots import CIRCUMSTANCES, NOTEBOOK
from helpers.core import findings, level_regression, text


def with_ads(sessions: pd.DataFrame, ads: pd.DataFrame) -> pd.DataFrame:
    """Sessions with what their ads cost and brought by the ads' own account.

    Adds cost, brought and roi (where both are known and something was spent), over the finest slots
    of `ads`.
    """
    sums = clean.finest_slots(ads).groupby("session_id")[["cost", "amount"]].sum(min_count=1)
    cost, brought = (
        sessions["session_id"].map(sums[name]).astype(float) for name in ("cost", "amount")
    )
    return sessions.assign(cost=cost, brought=brought, roi=(brought / cost.where(cost > 0)))


def ads_return(
    spent: pd.DataFrame, traffic: pd.DataFrame, *, session_id: str, base: Iterable[str]
) -> pd.DataFrame:
    """What came back of this session's ads, beside the comparable sessions.

    One row per line (ads_account, traffic_sources) with a cost: value and baseline (amount ÷ cost,
    sessions of `base` together), cost, usual_cost (mean a session), n (sessions of `base` with a
    cost).
    """
    paid = traffic[traffic["is_paid"].fillna(False).astype(bool) & traffic["ad_cost"].gt(0)]
    lines = {
        "ads_account": spent.set_index("session_id")[["cost", "brought"]],
        "traffic_sources": paid.groupby("session_id")[["ad_cost", "paid_amount"]].sum(),
    }
    rows = []
    for line, sums in lines.items():
        sums = sums.set_axis(["cost", "amount"], axis=1).dropna()
        sums = sums[sums["cost"] > 0]
        others = sums[sums.index.isin(list(base))]
        if session_id in sums.index:
            cost, amount = sums.loc[session_id]
            back = others["amount"].sum() / others["cost"].sum() if len(others) else np.nan
            rows.append((line, amount / cost, back, cost, others["cost"].mean(), len(others)))
    return pd.DataFrame(rows, columns=["line", "value", "baseline", "cost", "usual_cost", "n"])


def budget(spent: pd.DataFrame, *, thresholds: Mapping[str, float]) -> pd.DataFrame:
    """What ads brought back by slot, each against the others in the same month, kind and host.

    `spent` is `with_ads`. One row per slot with three sessions or more: slot, n, cost, brought,
    value (brought ÷ cost), others, ratio, lower, upper, p_value, p_adjusted (Holm against each
    other slot, the worst), verdict (better or worse than every other slot, cannot_tell,
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
    by_slot = pairs.assign(above=pairs["ratio"] > 1).groupby("level")
    worst = by_slot["p_adjusted"].max().reindex(slots["level"]).to_numpy()
    above = by_slot["above"].mean().reindex(slots["level"]).to_numpy()
    verdict = np.select(
        [np.isnan(worst), worst > 1 - thresholds["confidence"], above == 1, above == 0],
        ["not_comparable", "cannot_tell", "better", "worse"],
        "cannot_tell",
    )
    slots = slots.rename(columns={"level": "slot"}).drop(columns="typical")
    slots = slots.assign(p_adjusted=worst, verdict=verdict, apart=bool(able)).join(sums, on="slot")
    return slots.assign(value=slots["brought"] / slots["cost"])


def marginal(spent: pd.DataFrame, *, confidence: float = 0.95) -> level_regression.Contrast:
    """By how much what ads bring grows when their cost doubles (1: not at all, 2: in step).

    A slope of logarithms within slot, month and kind. Budgets were set, not tried: sessions that
    were going well may have been given more.
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
    y, free = np.log(rows["brought"].to_numpy()), len(rows) - rank
    beta = inverse @ y
    enough = free >= level_regression.FEWEST_FREE
    sd = np.sqrt(((y - x @ beta) ** 2).sum() / free) if enough else np.nan
    error = sd * np.sqrt((inverse @ inverse.T)[0, 0])
    half = distributions.t.ppf(0.5 + confidence / 2, max(free, 1)) * error
    return level_regression.Contrast(
        *(float(2**v) for v in (beta[0], beta[0] - half, beta[0] + half)),
        float(2 * distributions.t.sf(abs(beta[0]) / error, max(free, 1))),
    )


def budget_sentence(slots: pd.DataFrame, grows: level_regression.Contrast, *, lang: str) -> str:
    """Which slot is worth more of the budget, if that can be told; what more may bring."""
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
                f" Sessions with twice the spend sold {change} more by ads ({low} to {high}); that "
                "is an association, and adding budget may bring less."
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
            f"({row['n']} sessions, adjusted p={row['p_adjusted']:.3f}){mixed}."
        ),
    )


def to_findings(slots: pd.DataFrame, grows: level_regression.Contrast) -> pd.DataFrame:
    """The slot that is worth more of the budget (`budget`) as a finding, where that is sure.

    It speaks of the account, not of this session: what is worse is left out.
    """
    return findings.frame(
        [
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
                sentence_zh=budget_sentence(slots, grows, lang="zh"),
                sentence_en=budget_sentence(slots, grows, lang="en"),
            )
            for row in slots[slots["verdict"] == "better"].itertuples()
        ]
    )
