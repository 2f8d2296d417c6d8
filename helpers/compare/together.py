"""Whether the parts of a session (sources, products) moved together, though none of them far.

Each part's rate is set against its own past, so that another mix of parts changes nothing; their
mean, the steadier parts counting for more, is what moved them all. It varies from session to
session as well: today's is held against those of past sessions (`forecast`), which have the shared
shocks of ordinary evenings in them. Seven sources that each lost a third are ordinary one by one,
and no accident together.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.forecast import FARTHEST, LONG, Alike, alike, forecast
from helpers.core import findings, stats, text

FEWEST_PARTS = 3
FEWEST_EVENTS = 5.0  # of a part in a session; fewer say nothing of its rate
FEWEST_PAST = 5  # sessions with a part
LARGE = 0.8  # of what was to be expected: a fall worth saying though not out of the ordinary
NEARLY_ALL = 0.8  # of the weight must have moved one way
MOST_WEIGHT = 0.34  # of one part: what one part did alone is no common move
# rates that parts may share: part, whole, value, metric
OF_PARTS = (
    ("source", "room_exposure_users", "viewers", "exposure_view_rate"),
    ("source", "viewers", "pay_users", "room_conversion"),
    ("product_id", "exposure_users", "click_users", "item_click_rate"),
    ("product_id", "click_users", "pay_users", "item_click_pay_rate"),
)
# of the error that all rates share, what the entry rate has, where covers, titles and the platform
# act on all sources alike; the other three share the rest
ERROR, REST = {"exposure_view_rate": 0.5}, 3
PARTS = {"source": ("个来源", "sources"), "product_id": ("个商品", "products")}
COLUMNS = [
    "dimension",
    "metric",
    "parts",
    "same_way",
    "ratio",
    "lower",
    "upper",
    "exposed_ratio",
    "p_value",
    "p_adjusted",
    "n_history",
    "verdict",
]


def _weights(moves: pd.DataFrame) -> pd.Series:
    """By how steady each part is beside the others, none with more than `MOST_WEIGHT`."""
    apart = moves.sub(moves.mean(axis=1), axis=0)
    variance = apart.var(ddof=1)
    typical = variance.median()
    count = moves.notna().sum()
    weight = 1 / ((count * variance + 4 * typical) / (count + 4))
    weight = weight / weight.sum()
    most = max(MOST_WEIGHT, 1 / len(weight))
    return weight.clip(upper=most) / weight.clip(upper=most).sum()


def _course(
    rows: pd.DataFrame, ids: list[str], part: str, whole: str, value: str
) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Logarithms of each part's rate less its own mean (sessions x parts), weights, people."""
    sums = rows[rows["session_id"].isin(ids)].groupby(["session_id", part], observed=True)
    sums = sums[[whole, value]].sum(min_count=1)
    rate = stats.smoothed_rate(sums[value], sums[whole])
    enough = (sums[whole] > 0) & (sums[value] <= sums[whole])
    usual = sums[value].groupby(part).transform("median") >= FEWEST_EVENTS
    logs = pd.Series(np.log(rate), index=sums.index).where(enough & usual)
    wide = logs.unstack(part).reindex(ids)
    wide = wide.loc[:, wide.iloc[-1].notna() & (wide.iloc[:-1].notna().sum() >= FEWEST_PAST)]
    moves = wide - wide.iloc[:-1].mean()
    people = sums[whole].unstack(part).reindex(index=ids, columns=wide.columns)
    weights = _weights(moves.iloc[:-1]) if wide.shape[1] >= FEWEST_PARTS else pd.Series(dtype=float)
    return moves, weights, people


def _tested(common: np.ndarray, ids: list[str], likeness: Alike, confidence: float) -> tuple:
    """Expected, bounds and p-value of the last from those before it."""
    past, value = common[:-1], common[-1]
    if len(past) >= LONG:
        near, place = (frame.loc[ids, ids].to_numpy() for frame in likeness)
        return forecast(value, past, near, place, confidence=confidence)[:4]
    bounds = stats.prediction_interval(past, confidence=confidence, log=False)
    p_value = stats.prediction_p(value, past, log=False)
    return float(bounds.mean), float(bounds.lower), float(bounds.upper), float(p_value)


def together(
    rows: Mapping[str, pd.DataFrame],
    tests: Sequence[tuple[str, str, str, str]],
    session_id: str,
    past_ids: Iterable[str],
    *,
    sessions: pd.DataFrame,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Whether all parts of a session fell alike: one row per rate that enough parts have.

    Only falls are looked for, with one-sided p-values.

    `tests` are (part column, whole, value, metric), `rows` the frame of each part column,
    `past_ids` all sessions that may tell how these vary (usual ones and `spread_pool`). Columns:
    dimension, metric, parts, same_way (how many lie on the side of the whole), ratio (of the parts'
    rates to those expected) with lower and upper (of it if nothing moved), exposed_ratio (people of
    the parts ÷ the past median), p_value, p_adjusted (Bonferroni, by `ERROR`), n_history, verdict
    (worse, cannot_tell).
    """
    usable = set(past_ids) | {session_id}
    ordered = sessions[sessions["session_id"].isin(usable)].sort_values("started_at")
    start = ordered.loc[ordered["session_id"] == session_id, "started_at"].iloc[0]
    ordered = ordered[ordered["started_at"] <= start].tail(FARTHEST + 1)
    ids = [*ordered.loc[ordered["session_id"] != session_id, "session_id"], session_id]
    likeness, table = alike(ordered), []
    for part, whole, value, metric in tests:
        moves, weights, people = _course(rows[part], ids, part, whole, value)
        if weights.empty:
            continue
        shares = moves.notna().mul(weights, axis=1)
        common = (moves.mul(weights, axis=1)).sum(axis=1) / shares.sum(axis=1)
        common = common[shares.sum(axis=1) >= 0.5].dropna()
        if len(common) < FEWEST_PAST + 1 or common.index[-1] != session_id:
            continue
        expected, lower, upper, p_value = _tested(
            common.to_numpy(float), list(common.index), likeness, thresholds["confidence"]
        )
        moved = moves.loc[session_id] - expected
        side = np.sign(common.iloc[-1] - expected)
        ratio = float(np.exp(common.iloc[-1] - expected))
        exposed = people.loc[common.index].sum(axis=1)
        table.append(
            {
                "dimension": part,
                "metric": metric,
                "parts": len(weights),
                "same_way": int((np.sign(moved) == side).sum()),
                "one_way": float(weights[np.sign(moved) == side].sum()),
                "ratio": ratio,
                "lower": float(np.exp(lower - expected)),
                "upper": float(np.exp(upper - expected)),
                "exposed_ratio": float(exposed.iloc[-1] / exposed.iloc[:-1].median()),
                "p_value": p_value / 2 if side < 0 else 1 - p_value / 2,
                "n_history": len(common) - 1,
            }
        )
    judged = pd.DataFrame(table, columns=[*COLUMNS[:-1], "one_way"])
    share = judged["metric"].map(ERROR).fillna((1 - sum(ERROR.values())) / REST)
    adjusted = (judged["p_value"].astype(float) / share).clip(upper=1)
    fell = (judged["ratio"] < 1) & (judged["one_way"] >= NEARLY_ALL)
    verdict = np.where(fell & (adjusted <= 1 - thresholds["confidence"]), "worse", "cannot_tell")
    return judged.assign(p_adjusted=adjusted, verdict=verdict)[COLUMNS]


def together_findings(
    moved: pd.DataFrame,
    session: pd.Series,
    *,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> pd.DataFrame:
    """One finding per rate that fell in all parts alike, with what that came to in money.

    Money is what was paid times what the step lacked, the others as they were. A large fall of
    every part that ordinary sessions have, too, is said with how many of them do, without verdict:
    large in money and out of the ordinary are two questions.
    """
    large = (moved["same_way"] == moved["parts"]) & (moved["ratio"] <= LARGE)
    fell = moved[(moved["verdict"] == "worse") | large]
    rows = [_finding(row, session, registry[row.metric], currency) for row in fell.itertuples()]
    return findings.frame(rows)


def _finding(
    row: Any, session: pd.Series, metric: reference.Metric, currency: str
) -> dict[str, object]:
    stake = session.get("paid_amount", np.nan) * (1 / row.ratio - 1)
    parts_zh, parts_en = PARTS[row.dimension]
    share, more = text.percent(row.ratio, 0), text.percent(row.exposed_ratio, 0)
    bounds = text.interval(row.lower, row.upper, "percent", "en", decimals=0)
    money_zh, money_en = (text.money(stake, lang, currency) for lang in ("zh", "en"))
    of_money = (
        (
            f"按平时的水平约值 {money_zh}。",
            f" At the usual level about {money_en} more would be paid.",
        )
        if np.isfinite(stake)
        else ("", "")
    )
    so_low = text.percent(row.p_value, 0)
    worse = row.verdict == "worse"
    so_zh, so_en = (
        (
            "单看哪一个都可能是正常起伏，一起降就不是：先查它们共有的东西，别逐个去改。",
            " Each by itself may be an ordinary dip, all at once are not: look for what they have "
            "in common first.",
        )
        if worse
        else (
            f"照以往的起伏，约 {so_low} 的场次会这么低，还算不上异常；但这一步差得多，"
            "值得先看一眼。",
            f" As sessions vary, about {so_low} are this low, so it is not out of the ordinary; "
            "but much is missing at this step, and it deserves a look.",
        )
    )
    return findings.make(
        notebook="03_compare",
        dimension=metric.group,
        metric=row.metric,
        slice_id=f"together {row.dimension}",
        verdict=row.verdict,
        p_adjusted=row.p_adjusted,
        money_at_stake=stake if worse else np.nan,
        sentence_zh=(
            f"{row.parts} {parts_zh}里有 {row.same_way} 个的{metric.zh}比按平时推算的低，合起来是"
            f"平时的 {share}（没出问题时在 {bounds} 之间），到这一步之前的人数是平时的 {more}。"
            f"{of_money[0]}{so_zh}"
        ),
        sentence_en=(
            f"{metric.en}: {row.same_way} of {row.parts} {parts_en} were below what their past "
            f"lets one expect, together {share} of it (between {bounds} where nothing is wrong), "
            f"with {more} of the usual people before the step.{of_money[1]}{so_en}"
        ),
    )
