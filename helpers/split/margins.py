"""Imprecise traffic or a weak pitch: the sources and products of a session against the usual.

Exports do not hold which source bought which product; the two margins answer nearly as well. The
quasi-binomial model logit(rate) = slice + session (with cells of source x product: both factors) is
fitted to the comparable sessions: what each slice does beside the others and how much further
sessions stray. This session is then held against it.
"""

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as distributions
from scipy.special import logsumexp

from helpers.core import text
from helpers.split.product import Floats
from helpers.split.slices import mix_and_rate

# The chance of each false alarm; together one quiet session in ten at most is called otherwise. A
# changed mix and a broken source lose nothing by a strict level; single products sell in dozens.
LEVELS = {"mix": 0.003, "source": 0.003, "product": 0.065, "product_click": 0.003, "overall": 0.03}
SINGLE = 5  # one slice in five at most may have fallen for it to be a matter of single ones
FALLS = (
    0.35,
    0.5,
    0.7,
)  # what is left of the odds of a slice that fell: the falls that are looked for
SEARCHED = (
    60  # slices with the most expected events; no fall of a smaller one could be told from chance
)
DRAWS = 1999
SEED = 20261114
LEAST_SESSIONS = 3
OPEN = (
    "话术、价格还是库存，这里分不开",
    "pitch, price and stock cannot be told apart here",
)  # of products, unless the records bear out a cause
CAUSES = {
    "mix": ("流量结构变化：来的人变了", "the mix of traffic changed: other people came"),
    "source": (
        "问题在流量：个别来源变差（定向、人群还是素材，这里分不开）",
        (
            "single sources of traffic did worse (targeting, audience and material cannot be told "
            "apart here)"
        ),
    ),
    "product": (f"问题在商品：个别商品变差（{OPEN[0]}）", f"single products did worse ({OPEN[1]})"),
    "both": (
        f"流量和商品两边都有变差的（商品这边，{OPEN[0]}）",
        f"traffic and products both did worse in places (for products, {OPEN[1]})",
    ),
    "overall": (
        "整体变化：各来源、各商品一起变了",
        "everything changed alike, for every source and product",
    ),
    "cannot_tell": ("无法判断", "cannot tell"),
}


DIAGNOSED = "room_conversion"  # the metric of the finding that sums up the split


class Diagnosis(NamedTuple):
    """Which cause a session's fall speaks for (a key of `CAUSES`), and the evidence in words."""

    cause: str
    zh: str
    en: str


class Step(NamedTuple):
    """One step of one margin: this session's slices beside what comparable sessions make expect.

    `slices` has one row per slice: slice, trials, successes, expected (given how the session did as
    a whole), rate_usual, seen (events in the history); level is the session's own log odds ratio,
    past those of the other sessions by id; variance that of the log odds of a cell beyond sampling.
    """

    slices: pd.DataFrame
    level: float
    past: pd.Series
    variance: float


class Fallen(NamedTuple):
    """The slices whose fall beside the others is the least likely by chance, and how likely."""

    names: list[str]
    p_value: float


class Fit(NamedTuple):
    """The history's log odds of each level by factor, and a cell's variance beyond sampling."""

    effects: dict[str, pd.Series]
    variance: float


def _rate(log_odds: Floats | pd.Series) -> Floats | pd.Series:
    return 1 / (1 + np.exp(-log_odds))


def _quasi_binomial(rows: pd.DataFrame, names: Sequence[str]) -> Fit:
    """Newton's steps by factor: a design matrix with a column for each session would be slow.

    Cells are weighted so that Pearson's chi-square equals its degrees of freedom (Williams 1982).
    """
    codes = [pd.factorize(rows[name]) for name in names]
    trials, successes = rows["trials"].to_numpy(float), rows["successes"].to_numpy(float)
    values = [np.zeros(len(levels)) for _, levels in codes]
    values[0] += math.log(successes.sum() / (trials.sum() - successes.sum()))
    free = max(len(rows) - sum(len(levels) - 1 for _, levels in codes) - 1, 1)

    def fitted() -> Floats:
        return _rate(sum(value[place] for value, (place, _) in zip(values, codes, strict=True)))

    def sweep(variance: float, times: int) -> float:
        for _ in range(times):
            for value, (place, levels) in zip(values, codes, strict=True):
                p = fitted()
                weight = 1 / (1 + trials * p * (1 - p) * variance)
                gap = np.bincount(place, weight * (successes - trials * p), len(levels))
                slope = np.bincount(place, weight * trials * p * (1 - p), len(levels))
                value[:] = np.clip(value + np.clip(gap / np.maximum(slope, 1e-9), -1, 1), -9, 9)
        p = fitted()
        spread = trials * p * (1 - p)
        return float(
            (
                (successes - trials * p) ** 2 / np.maximum(spread * (1 + spread * variance), 1e-12)
            ).sum()
        )

    low, high, variance = 0.0, 1.0, 0.0
    if sweep(0.0, 25) > free:
        for _ in range(14):
            variance = (low + high) / 2
            low, high = (variance, high) if sweep(variance, 3) > free else (low, variance)
    return Fit(
        {
            name: pd.Series(value, index=levels)
            for name, value, (_, levels) in zip(names, values, codes, strict=True)
        },
        variance,
    )


def _levels(rows: pd.DataFrame) -> pd.Series:
    level = pd.Series(0.0, index=pd.Index(rows["session_id"].unique(), name="session_id"))
    for _ in range(25):
        p = _rate(rows["logit"] + rows["session_id"].map(level))
        sums = (
            pd.DataFrame(
                {
                    "gap": rows["successes"] - rows["trials"] * p,
                    "slope": rows["trials"] * p * (1 - p),
                }
            )
            .groupby(rows["session_id"])
            .sum()
        )
        level = (level + (sums["gap"] / sums["slope"].clip(lower=1e-9)).clip(-2, 2)).clip(-8, 8)
    return level


def step_of(
    rows: pd.DataFrame,
    session_id: str,
    chosen: Iterable[str],
    slice: str,
    trials: str,
    successes: str,
    *,
    pool: Iterable[str] = (),
    factors: Sequence[str] = (),
) -> Step | None:
    """One step of this session beside the `chosen` ones; None where either lacks it.

    `rows` are rows by session and slice, or cells with the two `factors`; `pool` are further
    sessions, too unlike to say where this one should be as a whole, like enough to say how slices
    stand to each other and how far sessions stray. Slices without a past are left out.
    """
    past_ids, factors = list(chosen), list(factors) or [slice]
    held = rows[
        rows["session_id"].isin([session_id, *past_ids, *pool])
        & rows[trials].gt(0)
        & rows[successes].notna()
    ]
    held = held.assign(
        trials=held[trials].astype(float),
        successes=np.minimum(held[successes], held[trials]).astype(float),
    )
    past = held[held["session_id"] != session_id]
    if (
        past["session_id"].nunique() < LEAST_SESSIONS
        or past["successes"].sum() == 0
        or (past["successes"] == past["trials"]).all()
    ):
        return None
    with_past = np.logical_and.reduce([held[name].isin(past[name]) for name in factors])
    held = held[with_past]
    if held.loc[held["session_id"] == session_id, slice].nunique() < 2:
        return None
    fit = _quasi_binomial(past, [*factors, "session_id"])
    held = held.assign(logit=sum(held[name].map(fit.effects[name]) for name in factors))
    levels = _levels(held)
    usual = float(levels[levels.index.isin(past_ids)].mean())
    this_session = held[held["session_id"] == session_id]
    p, ordinary = (_rate(this_session["logit"] + level) for level in (levels[session_id], usual))
    table = (
        pd.DataFrame(
            {
                "slice": this_session[slice],
                "trials": this_session["trials"],
                "successes": this_session["successes"],
                "expected": this_session["trials"] * p,
                "ordinary": this_session["trials"] * ordinary,
                "cells": 1.0,
            }
        )
        .groupby("slice", as_index=False)
        .sum()
    )
    past_successes = past.groupby(slice)["successes"].sum().reindex(table["slice"]).to_numpy() + 0.5
    table = table.assign(rate_usual=table["ordinary"] / table["trials"], seen=past_successes)
    return Step(
        table, float(levels[session_id] - usual), levels.drop(session_id) - usual, fit.variance
    )


def _best_set(counts: Floats, expected: Floats, most: int) -> Floats:
    """Only the slices that fell furthest can be the best set of their size (Neill 2012)."""
    total = counts.sum()
    share = expected / expected.sum() * total
    order = np.argsort(counts / share)
    inside, hoped = (values[order].cumsum()[:most] for values in (counts, share))
    outside, outside_hoped = total - inside, total - hoped
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(inside > 0, inside * np.log(inside / hoped), 0.0) + np.where(
            outside > 0, outside * np.log(outside / outside_hoped), 0.0
        )
    return order[: int(np.where(inside < hoped, ratio, 0.0).argmax()) + 1]


def _evidence(counts: Floats, expected: Floats, most: int) -> Floats:
    """The log likelihood ratio of a fall of one slice or two, averaged over sets and `FALLS`.

    Where neither is known, the average finds more than the best set does (Neyman and Pearson).
    """
    top = np.argsort(-expected[:SEARCHED], kind="stable")
    share, total, sizes = expected / expected.sum(), counts.sum(axis=-1, keepdims=True), []
    for size in range(1, min(most, 2) + 1):
        sets = np.array(list(itertools.combinations(top, size)))
        inside, hoped = counts[:, sets].sum(axis=-1), share[sets].sum(axis=-1)
        ratios = [inside * math.log(left) - total * np.log1p(-hoped * (1 - left)) for left in FALLS]
        sizes.append(logsumexp(ratios, axis=(0, 2)) - math.log(len(FALLS) * len(sets)))
    return logsumexp(sizes, axis=0) - math.log(len(sizes))


def _rest_as_one(
    expected: Floats, log_variance: Floats, *counts: Floats
) -> tuple[Floats, Floats, *tuple[Floats, ...]]:
    """The `SEARCHED` largest slices in their order, and all others together as the last.

    Thousands of products of which no fall could be told from chance are drawn as one, with the
    variance of their sum.
    """
    if len(expected) <= SEARCHED:
        return expected, log_variance, *counts
    rest = np.argsort(-expected, kind="stable")[SEARCHED:]
    squares = (expected[rest] ** 2 * np.expm1(log_variance[rest])).sum()
    of_rest = math.log1p(squares / expected[rest].sum() ** 2)
    summed = ([*np.delete(each, rest), each[rest].sum()] for each in (expected, *counts))
    expected, *counts = map(np.array, summed)
    return expected, np.append(np.delete(log_variance, rest), of_rest), *counts


def fallen(step: Step) -> Fallen:
    """The set of up to a fifth of the slices that fell beside the others, and its p-value.

    How often a session without any such fault shows as clear a fall: its slices drawn from the
    model, with the variance beyond sampling and the uncertainty of the history, and searched alike.
    """
    rows = step.slices
    trials, expected, observed = (
        rows[name].to_numpy(float) for name in ("trials", "expected", "successes")
    )
    most = max(1, len(rows) // SINGLE)
    best = rows["slice"].iloc[_best_set(observed, expected, most)].tolist()
    log_variance = step.variance / rows["cells"].to_numpy(float) + 1 / rows["seen"].to_numpy(float)
    expected, log_variance, trials, observed = _rest_as_one(
        expected, log_variance, trials, observed
    )
    spread = np.sqrt(log_variance)
    rng = np.random.default_rng(SEED)
    noise = np.exp(rng.standard_normal((DRAWS, len(trials))) * spread - spread**2 / 2)
    drawn = rng.binomial(trials.astype(int), np.minimum(expected / trials * noise, 0.999)).astype(
        float
    )
    as_clear = _evidence(drawn, expected, most) >= _evidence(observed[None], expected, most)
    return Fallen(best, float((1 + as_clear.sum()) / (DRAWS + 1)))


def _one_sided(value: float, past: pd.Series) -> float:
    if len(past) < LEAST_SESSIONS or past.std(ddof=1) == 0:
        return np.nan
    return float(
        distributions.t.cdf(
            (value - past.mean()) / (past.std(ddof=1) * math.sqrt(1 + 1 / len(past))), len(past) - 1
        )
    )


def overall(pay: Step, click: Step | None, chosen: Iterable[str]) -> float:
    """The chance that a session like the others sells so little to those who click.

    Evenings with many idle clicks sell to fewer of them, so the log odds of paying are predicted
    from those of clicking (straight line over all sessions known, the level by the chosen ones).
    """
    is_chosen = pay.past.index.isin(list(chosen))
    group = np.where(is_chosen, "chosen", "pool")
    if click is None or len(pay.past) < 8 or not pay.past.index.equals(click.past.index):
        return _one_sided(pay.level, pay.past[is_chosen])
    x, y = (side.past - side.past.groupby(group).transform("mean") for side in (click, pay))
    slope = float((x * y).sum() / (x**2).sum()) if (x**2).sum() > 0 else 0.0
    free = len(x) - 1 - len(set(group))
    sd, n = math.sqrt(((y - slope * x) ** 2).sum() / free), int(is_chosen.sum())
    error = sd * math.sqrt(1 + 1 / n + click.level**2 / (x**2).sum())
    return float(distributions.t.cdf((pay.level - slope * click.level) / error, free))


class Mix(NamedTuple):
    """The effect of the sources' shares on the room conversion, in points, with its usual range."""

    effect: float
    lower: float
    upper: float
    rate_effect: float
    p_value: float
    source: str  # whose share pulled most, with its share in the baseline and in this session
    share_before: float
    share_after: float


def mix_of(
    traffic: pd.DataFrame, session_id: str, chosen: Iterable[str], *, confidence: float = 0.95
) -> Mix | None:
    """The mix effect of this session over its sources, and how far it lies from the ordinary.

    The logarithm of what each session's shares make at the usual rates of the sources has a t
    prediction interval from the chosen sessions.
    """
    past_ids = list(chosen)
    held = traffic[traffic["session_id"].isin([session_id, *past_ids])]
    people = held.pivot_table(
        index="session_id", columns="source", values="viewers", aggfunc="sum", fill_value=0.0
    )
    if (
        session_id not in people.index
        or len(people) <= LEAST_SESSIONS
        or people.loc[session_id].sum() == 0
    ):
        return None
    before, after = held[held["session_id"] != session_id], held[held["session_id"] == session_id]
    table = mix_and_rate(before, after, "source", "viewers", "pay_users").set_index("source")
    if table.empty or not table["rate_before"].max() > 0:
        return None
    usual = (
        table["rate_before"]
        .fillna(table["rate_after"])
        .fillna(0.0)
        .reindex(people.columns)
        .fillna(0.0)
    )
    people = people[people.sum(axis=1) > 0]
    size = np.log((people * usual).sum(axis=1) / people.sum(axis=1))
    past, gap = size.drop(session_id), float(size[session_id] - size.drop(session_id).mean())
    half = (
        distributions.t.ppf(0.5 + confidence / 2, len(past) - 1)
        * past.std(ddof=1)
        * math.sqrt(1 + 1 / len(past))
    )
    level = float(np.exp(past.mean()))
    pulled = table["mix_effect"].idxmin()
    return Mix(
        float(table["mix_effect"].sum()),
        level * math.expm1(-half),
        level * math.expm1(half),
        float(table["rate_effect"].sum()),
        _one_sided(gap, past - past.mean()),
        str(pulled),
        *(float(table.loc[pulled, name]) for name in ("share_before", "share_after")),
    )


def sold(*tables: pd.DataFrame) -> str:
    """The column that counts buyers: who ordered where every row has it, else who paid."""
    return (
        "create_users"
        if all("create_users" in table and table["create_users"].notna().all() for table in tables)
        else "pay_users"
    )


class Evidence(NamedTuple):
    """All that was tested of one session; a step that the tables lack is None."""

    mix: Mix | None
    source_click: Step | None
    source_pay: Step | None
    product_click: Step | None
    product_pay: Step | None


def gathered(
    traffic: pd.DataFrame,
    products: pd.DataFrame,
    session_id: str,
    chosen: Iterable[str],
    *,
    pool: Iterable[str] = (),
    cells: pd.DataFrame | None = None,
) -> Evidence:
    """The material of the tests: the margins, or the `cells` where there are any.

    Columns of cells: session_id, source, product_id, exposed, clicked, sold.
    """
    past_ids, pool = list(chosen), list(pool)
    if cells is not None and len(cells):
        factors = ["source", "product_id"]
        margins = [
            step_of(cells, session_id, past_ids, slice, *step, pool=pool, factors=factors)
            for slice in factors
            for step in (("exposed", "clicked"), ("clicked", "sold"))
        ]
    else:
        margins = [
            step_of(table, session_id, past_ids, slice, *step, pool=pool)
            for table, slice, exposed, clicked in (
                (traffic, "source", "product_exposure_users", "product_click_users"),
                (products, "product_id", "exposure_users", "click_users"),
            )
            for step in ((exposed, clicked), (clicked, sold(table)))
        ]
    return Evidence(mix_of(traffic, session_id, past_ids), *margins)


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _p(test: Fallen | None) -> float:
    return test.p_value if test else np.nan


def diagnose_session(
    traffic: pd.DataFrame,
    products: pd.DataFrame,
    session_id: str,
    chosen: Iterable[str],
    *,
    pool: Iterable[str] = (),
    cells: pd.DataFrame | None = None,
    names: Mapping[str, str] | None = None,
) -> Diagnosis:
    """The cause that one session's fall speaks for: 流量不精准 or 话术不足.

    Read off the two margins or, where there are any, the cells. cause: mix (other people came),
    source (single sources), product (single products), both (traffic and products), overall (all
    alike), cannot_tell. Only falls are looked for. A quiet session is called quiet nine times in
    ten; `tests/benchmarks/bench_causes.py` measures what that finds.
    """
    past_ids = list(chosen)
    evidence = gathered(traffic, products, session_id, past_ids, pool=pool, cells=cells)
    falls = {
        name: fallen(step) if (step := getattr(evidence, name)) else None
        for name in Evidence._fields[1:]
    }
    p_mix = evidence.mix.p_value if evidence.mix else np.nan
    p_source = float(np.nanmin([_p(falls["source_click"]), _p(falls["source_pay"]), 0.5])) * 2
    p_overall = (
        overall(evidence.product_pay, evidence.product_click, past_ids)
        if evidence.product_pay
        else np.nan
    )
    traffic_says = [name for name, p in (("mix", p_mix), ("source", p_source)) if p <= LEVELS[name]]
    product_says = (
        _p(falls["product_pay"]) <= LEVELS["product"]
        or _p(falls["product_click"]) <= LEVELS["product_click"]
    )
    # Where all fell alike some product always fell furthest: the surer of the two is named.
    p_product = np.nan_to_num(_p(falls["product_pay"]), nan=1.0)
    alike = (
        p_overall <= LEVELS["overall"]
        and p_overall / LEVELS["overall"] < p_product / LEVELS["product"]
    )
    if traffic_says and product_says:
        cause = "both"
    elif traffic_says:
        cause = min(traffic_says, key={"mix": p_mix, "source": p_source}.get)
    else:
        cause = "overall" if alike else "product" if product_says else "cannot_tell"
    if evidence.mix is None and not any(falls.values()):
        return Diagnosis(
            "cannot_tell",
            "无法判断：没有来源表或商品表，或可比场次不足三场。",
            (
                "Cannot tell: no table of sources or products, or fewer than three comparable "
                "sessions."
            ),
        )
    reasons = _reasons(evidence, falls, p_mix, p_overall, names or {})
    words = []
    for place, (stop, between) in enumerate((("。", "；"), (". ", "; "))):
        parts = CAUSES[cause][place], between.join(reason[place] for reason in reasons), ""
        words.append(stop.join(map(_capital, parts)).rstrip())
    return Diagnosis(cause, *words)


def _reasons(
    evidence: Evidence,
    falls: Mapping[str, Fallen | None],
    p_mix: float,
    p_overall: float,
    names: Mapping[str, str],
) -> list[tuple[str, str]]:
    reasons = []
    if p_mix <= LEVELS["mix"]:
        mix = evidence.mix
        shares = [text.percent(share) for share in (mix.share_before, mix.share_after)]
        points = [
            text.signed(value, "points", "en")
            for value in (mix.effect + mix.rate_effect, mix.effect, mix.rate_effect)
        ]
        source = text.plain(mix.source, 30)
        reasons.append(
            (
                (
                    f"成交转化率共变化 {points[0]} 个百分点，其中来源结构 {points[1]}、各来源自身 "
                    f"{points[2]}，结构上拖累最多的「{source}」占比从 {shares[0]} 到 {shares[1]}"
                ),
                (
                    f"room conversion changed by {points[0]} percentage points, of which the mix "
                    f"of sources {points[1]} and the sources themselves {points[2]}; the mix was "
                    f"pulled down most by {source}, whose share went from {shares[0]} to "
                    f"{shares[1]}"
                ),
            )
        )
    steps = {"click": ("曝光到点击", "exposure to click"), "pay": ("点击到下单", "click to order")}
    for dimension, zh, en in (
        ("source", "其他来源", "the other sources"),
        ("product", "其他商品", "the other products"),
    ):
        for step, (step_zh, step_en) in steps.items():
            key = f"{dimension}_{step}"
            level = (
                LEVELS["source"] / 2
                if dimension == "source"
                else LEVELS["product" if step == "pay" else "product_click"]
            )
            if _p(falls[key]) <= level:
                rows = getattr(evidence, key).slices.set_index("slice").loc[falls[key].names]
                listed = [
                    (
                        text.plain(names.get(name, name), 30),
                        text.percent(row["successes"] / row["trials"]),
                    )
                    for name, row in rows.iterrows()
                ]
                falls_zh = "、".join(f"「{name}」{step_zh} {rate}" for name, rate in listed)
                falls_en = ", ".join(f"{name}: {step_en} {rate}" for name, rate in listed)
                reasons.append(
                    (
                        f"{falls_zh}（低于照同场{zh}推算的水平）",
                        f"{falls_en} (below what {en} of this session imply)",
                    )
                )
    if p_overall <= LEVELS["overall"] and evidence.product_pay:
        ratio = text.percent(math.exp(evidence.product_pay.level))
        reasons.append(
            (
                f"所有商品从点击到下单的胜算一起降到平时的 {ratio}",
                f"the odds from click to order fell to {ratio} of the usual for all products alike",
            )
        )
    quiet = (
        "来源结构、单个来源、单个商品和整体，都在可比场次间平常的差异之内",
        (
            "the mix, single sources, single products and the whole are all within the normal "
            "range between comparable sessions"
        ),
    )
    return reasons or [quiet]
