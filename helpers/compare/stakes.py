"""Money at stake in single products and sources: each of their steps brought to its own baseline, as far as can be hoped for.

`compare.money_at_stake` says what the session as a whole lost at a step against comparable
sessions. Here that movement of the whole is taken as given, and what is sized is how much further a
single product or source fell. The two never overlap; and lines here are not to be added: steps of
one product, and products and sources, share the same people. Method: empirical Bayes (Efron and
Morris 1975) on beta-binomial counts about each unit's own past rate.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from helpers import reference
from helpers.core import findings, stats, text
from helpers.reference import Funnel, Metric, metrics

NOTEBOOK = "03_compare"
SEED = 20261122
DRAWS = 2000
LEVEL = 0.80  # of the intervals of money: it is planned with, not tested
OWN_SESSIONS = 5  # with so many past sessions a unit has a baseline of its own
MOST_SESSIONS = 25  # and further back than this it may have been another
FEWEST_ALIKE = 6  # fewer units than this have no quartile and no common spread of their own
BUYS_FROM = "click_users"  # people of this column cannot order while the product is sold out
FINDINGS = 5
HALF_A_CASE = 0.5  # weight with which a name's effect is drawn to none
MOVES = 200  # of the fit of such effects, and when it has arrived (log odds)
ARRIVED = 1e-6


class Kind(NamedTuple):
    """What is sized: a canonical table, the column or columns that name its units, and its funnel."""

    table: str
    key: str | list[str]
    funnel: str


KINDS = {
    "product": Kind("products", "product_id", "product_people"),
    "source": Kind("traffic", "source", "source_people"),
    "cell": Kind(
        "actions", ["product_id", "source"], "product_people"
    ),  # of both: counted in viewer events
}
BETWEEN = " × "  # the names of a unit that has two


class Step(NamedTuple):
    """One step of all units: counts of this session, draws (draw x unit) of the rate, of what it should be, and of whether

    the unit is out of the ordinary (odd), and whence: baseline is the past rate, expected the same
    as this session went; own says whose past it is, past how many sessions.
    """

    x: stats.Floats
    n: stats.Floats
    rate: stats.Floats
    target: stats.Floats
    odd: np.ndarray
    baseline: stats.Floats
    expected: stats.Floats
    own: np.ndarray
    past: np.ndarray


# ---------------------------------------------------------------------------------------- one step


def closable(rate: stats.Floats, target: stats.Floats, cap: stats.Floats) -> stats.Floats:
    """The part of the gap from a rate to its target that can be hoped for: all of it up to `cap`, what like units reach, else half."""
    return np.maximum(np.minimum(target, np.maximum(cap, (rate + target) / 2)) - rate, 0)


def upper_quartile(rates: stats.Floats, groups: np.ndarray) -> stats.Floats:
    """The third quartile of each unit's group (last axis), of all units where the group is smaller than `FEWEST_ALIKE`."""
    quartiles = np.repeat(
        np.quantile(rates, 0.75, axis=-1, keepdims=True), rates.shape[-1], axis=-1
    )
    for name in np.unique(groups):
        alike = groups == name
        if alike.sum() >= FEWEST_ALIKE:
            quartiles[..., alike] = np.quantile(rates[..., alike], 0.75, axis=-1, keepdims=True)
    return quartiles


def _level(x: pd.DataFrame, n: pd.DataFrame, rate: stats.Floats) -> pd.Series:
    """What all units did in common in each session, as a factor on their rates; 1 where none of them was there."""
    return (
        (x.sum(axis=1) / (n * rate).where(x.notna()).sum(axis=1).replace(0, np.nan))
        .replace(0, np.nan)
        .fillna(1.0)
    )


def _own(
    x: pd.DataFrame, n: pd.DataFrame, level: pd.Series | None
) -> tuple[stats.Floats, stats.Floats]:
    """Past rate of each unit (ratio of sums) and its relative variance: sessions differ, and counts are finite.

    `level`, where given, is taken out of the rate: the sessions are not those that it is compared
    with. Out of the variance it is taken in any case: what all units did in common is the
    session's, and comes back as its shift.
    """
    due = n if level is None else n.mul(level, axis=0)
    total = due.sum().to_numpy(float)
    rate = (x.sum().to_numpy(float) + 0.5) / (total + 1)
    even = x.div(_level(x, n, rate) if level is None else level, axis=0)
    spread = [
        stats.session_cv(even[unit].dropna(), n.loc[even[unit].notna(), unit]) for unit in n.columns
    ]
    between = np.square(spread) * (n**2).sum().to_numpy(float) / n.sum().to_numpy(float) ** 2
    return rate, between + (1 - rate) / (rate * total)


def _alike(
    x: pd.Series, n: pd.Series, groups: np.ndarray
) -> tuple[stats.Floats, stats.Floats, stats.Floats]:
    """For units without a past of their own: the mean of like units, its relative variance, and its weight in trials.

    `nan` where fewer than `FEWEST_ALIKE` units are known, alike or not.
    """
    counted, prior_values = n.to_numpy(float) > 0, np.full((3, len(n)), np.nan)
    for name in np.unique(groups):
        alike = counted & (groups == name)
        pool = alike if alike.sum() >= FEWEST_ALIKE else counted
        if pool.sum() >= FEWEST_ALIKE:
            prior = stats.shrink_rates(x[pool], n[pool])
            weight = prior.alpha + prior.beta
            mean = prior.alpha / weight
            prior_values[:, groups == name] = [
                [mean],
                [(1 - mean) / mean / (weight + 1) / pool.sum()],
                [weight],
            ]
    return prior_values[0], prior_values[1], prior_values[2]


def _crossed(x: pd.Series, n: pd.Series) -> tuple[stats.Floats, stats.Floats, stats.Floats]:
    """For cells of two names without a past of their own: what the first and the second together lead one to expect.

    A logistic model of main effects on this session's cells, each effect drawn to none with the
    weight of half a case (a ridge, which keeps names without any case off the edge): its rate, the
    relative variance of that, and the weight in trials with which cells keep to it. Newton's
    method; as no cell's log odds move by more than 1 at a time, each move is downhill (Bach 2010,
    self-concordance). `nan` where it has not arrived.
    """
    first, second = (pd.factorize(n.index.get_level_values(level))[0] for level in (0, 1))
    cases, trials = np.nan_to_num(x.to_numpy(float)), np.nan_to_num(n.to_numpy(float))
    names = np.hstack([place[:, None] == np.unique(place) for place in (first, second)]).astype(
        float
    )
    effects, moved = np.zeros(names.shape[1]), np.inf
    rate = np.full(len(cases), (cases.sum() + 0.5) / (trials.sum() + 1))
    whole, ridge = logit(rate), np.diag(np.full(len(effects), HALF_A_CASE))
    for _ in range(MOVES):
        curvature = names.T @ (names * (trials * rate * (1 - rate))[:, None]) + ridge
        move = np.linalg.solve(curvature, names.T @ (cases - trials * rate) - HALF_A_CASE * effects)
        moved = np.abs(names @ move).max(initial=0)
        effects += move / max(moved, 1)
        rate = expit(whole + names @ effects)
        if moved < ARRIVED:
            break
    doubt = ((names @ np.linalg.inv(curvature)) * names).sum(axis=1)
    return (
        np.where(moved < ARRIVED, rate, np.nan),
        doubt * (1 - rate) ** 2,
        (1 - rate) / rate / stats.PRIOR_CV**2,
    )


class _Base(NamedTuple):
    """What each unit is held against: past rate, its relative variance, whether it is the unit's own, over how many sessions."""

    rate: stats.Floats
    doubt: stats.Floats
    weight: stats.Floats
    own: np.ndarray
    past: np.ndarray


def _base(
    now: pd.DataFrame,
    past: Mapping[str, pd.DataFrame],
    pair: tuple[str, str],
    groups: np.ndarray,
    alike: list[str],
) -> _Base:
    """The past of each unit where it has `OWN_SESSIONS` sessions, else that of its like; without any past, this session's.

    Cells of two names have no like: without a past, they are held against what both names lead one
    to expect in this session. Its comparable sessions (`alike`) count; where they are too few, all
    of its sessions, brought to the level of those.
    """
    usable = past[pair[1]].notna() & (past[pair[0]] > 0) & (past[pair[1]] <= past[pair[0]])
    x, n = (past[name].where(usable) for name in (pair[1], pair[0]))
    near = usable.index.isin(alike)
    sessions, every = usable[near].sum().to_numpy(), usable.sum().to_numpy()
    if isinstance(now.index, pd.MultiIndex):
        rate, doubt, weight = _crossed(now[pair[1]], now[pair[0]])
    else:
        rate, doubt, weight = _alike(
            *((x[near].sum(), n[near].sum()) if sessions.sum() else (now[pair[1]], now[pair[0]])),
            groups,
        )
    enough, further, level = (
        sessions >= OWN_SESSIONS,
        (sessions < OWN_SESSIONS) & (every >= OWN_SESSIONS),
        pd.Series(1.0, index=usable.index),
    )
    if enough.any():
        rate[enough], doubt[enough] = _own(x.loc[near, enough], n.loc[near, enough], None)
        level = _level(x.loc[:, enough], n.loc[:, enough], rate[enough])
    if further.any():
        rate[further], doubt[further] = _own(x.loc[:, further], n.loc[:, further], level)
    weight[enough | further] = ((1 - rate) / rate / stats.PRIOR_CV**2)[enough | further]
    return _Base(rate, doubt, weight, enough | further, np.where(further, every, sessions))


def _step(
    now: pd.DataFrame,
    past: Mapping[str, pd.DataFrame],
    pair: tuple[str, str],
    groups: np.ndarray,
    alike: list[str],
    rng: np.random.Generator,
) -> Step:
    """Draws of one step of all units. `now` has a row a unit, `past` a frame session x unit for each column."""
    x, n = now[pair[1]].to_numpy(float), now[pair[0]].to_numpy(float)
    base = _base(now, past, pair, groups, alike)
    weight, wide, chance, shift, error = (
        base.weight.copy(),
        base.weight.copy(),
        np.full(len(x), stats.ODD),
        0.0,
        stats.PRIOR_CV,
    )
    fitted = (base.own | isinstance(now.index, pd.MultiIndex)) & (n > 0) & np.isfinite(base.rate)
    if fitted.sum() > 2:
        shift, error, weight[fitted], wide[fitted], chance[fitted] = stats.around(
            x[fitted], n[fitted], base.rate[fitted]
        )
        error = float(np.hypot(error, np.sqrt(base.doubt[fitted].mean() / fitted.sum())))
    shape = (DRAWS, len(x))
    past_rate = np.minimum(
        base.rate
        * np.exp(rng.normal(size=shape) * np.sqrt(np.log1p(base.doubt)) - np.log1p(base.doubt) / 2),
        0.999,
    )
    moved = shift + error * rng.normal(size=(DRAWS, 1))
    odd = rng.random(shape) < chance
    centre, trials = expit(logit(past_rate) + moved), np.where(odd, wide, weight)
    rate = rng.beta(
        np.nan_to_num(centre * trials, nan=1) + x,
        np.nan_to_num((1 - centre) * trials, nan=1) + n - x,
    )
    target = expit(logit(past_rate) + np.minimum(moved, 0))
    return Step(
        x,
        n,
        rate,
        target,
        odd,
        base.rate,
        expit(logit(base.rate) + min(shift, 0)),
        base.own,
        base.past,
    )


# --------------------------------------------------------------------------------------- all lines


def lines(
    current: pd.DataFrame,
    past: pd.DataFrame,
    chosen: Iterable[str],
    funnel: Funnel,
    *,
    key: str | list[str],
    min_people: float,
    groups: pd.Series | None = None,
    returns: pd.Series | float = 0.0,
    sold_out: pd.Series | None = None,
    seed: int = SEED,
) -> pd.DataFrame:
    """Money at stake of each step of each unit (product, source, or both) of one session: one row per unit x step.

    `current` has one row per unit of this session, `past` those of earlier sessions (with
    session_id), of which `chosen` are the comparable ones; `key` names the unit. The baseline is
    the unit's own past rate where it has `OWN_SESSIONS` sessions (comparable ones, else the newest
    `MOST_SESSIONS` of all, brought to their level), else the shrunken mean of its like (`groups`,
    by unit; a unit of two names: what both lead one to expect), moved down by as much as the whole
    session fell. money = people at the step x closable gap x rates of the later steps x what a
    buyer pays x (1 - returns); sold_out (share of the clicks made while nothing was left) is taken
    off the people who could order; `groups`, `returns` and `sold_out` go by unit, or by its first
    name. Columns: unit, below, above (columns of the step), people, rate (shrunken), raw_rate,
    baseline, expected, basis (own, alike), sessions, money (mean), lower, upper (`LEVEL` interval),
    chance (that there is a gap at all), odd (that there is one beyond ordinary ups and downs),
    odd_money (the money of that alone), raw_money (what the bare rates would claim), rank (by
    odd_money: large units go up and down for large amounts, a smaller one that broke comes before
    them). Units with fewer than `min_people` at a step, or whose counts grow along the way, have no
    line. Empty without paid amounts.
    """
    columns = [
        step.column
        for step in funnel.steps
        if step.column in current and current[step.column].notna().any()
    ]
    priced = any(
        "paid_amount" in rows and rows["paid_amount"].notna().any() for rows in (current, past)
    )
    if "paid_amount" not in current or not priced or len(columns) < 2 or columns[-1] != "pay_users":
        return _frame([])
    now = _units(current, key, columns)
    if now.empty:
        return _frame([])
    unit_groups = np.zeros(len(now)) if groups is None else _of(groups, now.index, -1)
    alike = list(chosen)
    wide = _wide(past, key, [*columns, "paid_amount"], now.index, alike)
    short = np.zeros(len(now)) if sold_out is None else _of(sold_out, now.index, 0.0)
    pairs, rng = list(itertools.pairwise(columns)), np.random.default_rng(seed)
    cut = [now.assign(**{pair[0]: _able(now, pair, short)}) for pair in pairs]
    steps = [
        _step(rows, wide, pair, unit_groups, alike, rng)
        for rows, pair in zip(cut, pairs, strict=True)
    ]
    back = _of(returns, now.index, 0.0) if isinstance(returns, pd.Series) else returns
    worth = _paid_per_buyer(now, wide) * (1 - back)
    rows = []
    for place, (pair, step) in enumerate(zip(pairs, steps, strict=True)):
        before_sale = (
            1 - short if pair[0] != BUYS_FROM and BUYS_FROM in columns[place + 1 :] else 1.0
        )
        rows.append(
            _sized(
                now.index,
                pair,
                step,
                steps[place + 1 :],
                worth * before_sale,
                unit_groups,
                min_people,
            )
        )
    return _frame(rows)


def _of(values: pd.Series, units: pd.Index, otherwise: float) -> stats.Floats:
    """The value of each unit, by its name or, where it has two, by the first."""
    return values.reindex(units.get_level_values(0)).fillna(otherwise).to_numpy(float)


def _units(current: pd.DataFrame, key: str | list[str], columns: list[str]) -> pd.DataFrame:
    """The units whose steps are all known and never grow, in the order of their names: draws go by place."""
    rows = current.set_index(key).sort_index()[[*columns, "paid_amount"]].dropna(subset=columns)
    falling = (rows[columns].diff(axis=1).iloc[:, 1:] <= 0).all(axis=1)
    return rows[falling & (rows[columns[0]] > 0)]


def _wide(
    past: pd.DataFrame, key: str | list[str], columns: list[str], units: pd.Index, alike: list[str]
) -> dict[str, pd.DataFrame]:
    """One frame session x unit for each column, of the sessions `alike` and the newest of each unit; a column that the past lacks is all missing."""
    keys = [key] if isinstance(key, str) else list(key)
    past = past.sort_values("session_id", kind="stable")
    recent = past["session_id"].isin(alike) | (
        past.groupby(keys, sort=False).cumcount(ascending=False) < MOST_SESSIONS
    )
    rows = (
        past[recent]
        .reindex(columns=["session_id", *keys, *columns])
        .set_index(["session_id", *keys])
    )
    return {name: rows[name].astype(float).unstack(keys).reindex(columns=units) for name in columns}


def _able(now: pd.DataFrame, pair: tuple[str, str], short: stats.Floats) -> pd.Series:
    """The people at a step who could take it: without those who came while the product was sold out."""
    return (
        np.maximum(now[pair[0]] * (1 - short), now[pair[1]])
        if pair[0] == BUYS_FROM
        else now[pair[0]]
    )


def _paid_per_buyer(now: pd.DataFrame, past: Mapping[str, pd.DataFrame]) -> stats.Floats:
    """What a buyer of each unit pays: ratio of sums over this session and the comparable ones; 0 where nobody ever paid."""
    both = past["paid_amount"].notna() & past["pay_users"].notna()
    paid = now["paid_amount"].fillna(0) + past["paid_amount"].where(both).sum()
    buyers = now["pay_users"] + past["pay_users"].where(both).sum()
    return (paid / buyers.where(buyers > 0)).fillna(0.0).to_numpy(float)


def _sized(
    units: pd.Index,
    pair: tuple[str, str],
    step: Step,
    later: list[Step],
    worth: stats.Floats,
    groups: np.ndarray,
    min_people: float,
) -> pd.DataFrame:
    """The lines of one step: draws of the money, and what the bare rates would claim."""
    onward = np.prod([step_later.rate for step_later in later], axis=0) if later else 1.0
    money = (
        step.n
        * closable(step.rate, step.target, upper_quartile(step.rate, groups))
        * onward
        * worth
    )
    bare, people = step.x / np.where(step.n > 0, step.n, np.nan), step.n
    bare_onward = (
        np.prod(
            [
                step_later.x / np.where(step_later.n > 0, step_later.n, np.nan)
                for step_later in later
            ],
            axis=0,
        )
        if later
        else 1.0
    )
    bare_cap = upper_quartile(np.nan_to_num(bare), groups)
    lower, upper = np.quantile(money, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    sized = pd.DataFrame(
        {
            "unit": units.map(BETWEEN.join) if isinstance(units, pd.MultiIndex) else units,
            "below": pair[0],
            "above": pair[1],
            "people": people,
            "rate": step.rate.mean(axis=0),
            "raw_rate": bare,
            "baseline": step.baseline,
            "expected": step.expected,
            "basis": np.where(step.own, "own", "alike"),
            "sessions": step.past,
            "money": money.mean(axis=0),
            "lower": lower,
            "upper": upper,
            "chance": (money > 0).mean(axis=0),
            "odd": ((money > 0) & step.odd).mean(axis=0),
            "odd_money": (money * step.odd).mean(axis=0),
            "raw_money": people
            * closable(bare, step.expected, bare_cap)
            * np.nan_to_num(bare_onward)
            * worth,
        }
    )
    return sized[(people >= min_people) & np.isfinite(step.baseline)]


COLUMNS = [
    "unit",
    "below",
    "above",
    "people",
    "rate",
    "raw_rate",
    "baseline",
    "expected",
    "basis",
    "sessions",
    "money",
    "lower",
    "upper",
    "chance",
    "odd",
    "odd_money",
    "raw_money",
    "rank",
]
ORDER = ["odd_money", "money"]


def _frame(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat(parts, ignore_index=True).sort_values(
        ORDER, ascending=False, kind="stable", ignore_index=True
    )
    return table.assign(rank=np.arange(1.0, len(table) + 1))[COLUMNS]


# -------------------------------------------------------------------------- what the lines rest on


def return_rates(products: pd.DataFrame, old: Iterable[str]) -> pd.Series:
    """Share of paid orders of each product that came back, by product_id, and of all of them under "".

    From the refunds of the sessions `old`, whose return window is over; a product of few orders is
    drawn to the others. Empty where no export gives refunds.
    """
    rows = products[products["session_id"].isin(set(old)) & products["sku_id"].isna()].dropna(
        subset=["refund_orders", "orders"]
    )
    sums = rows.groupby("product_id")[["refund_orders", "orders"]].sum()
    sums = sums[(sums["orders"] > 0) & (sums["refund_orders"] <= sums["orders"])]
    if sums.empty:
        return pd.Series(dtype=float)
    rates = pd.Series(
        stats.shrink_rates(sums["refund_orders"], sums["orders"]).rate, index=sums.index
    )
    return pd.concat([rates, pd.Series({"": sums["refund_orders"].sum() / sums["orders"].sum()})])


def sold_out(
    cues: pd.DataFrame,
    spans: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    started_at: pd.Timestamp,
    ended_at: pd.Timestamp,
) -> pd.DataFrame:
    """When products could not be bought: one row per product that ran out, with minutes and share (of its buyers' clicks).

    From floor control's stock changes (0 left, until the next count above 0 or the end). Clicks
    crowd where a product is explained (`spans`: product_id, start_minute, end_minute); how much, is
    taken from the order lines `sales` of the products that did not run out, which are made at other
    times for the same reason.
    """
    length, empty = (
        (ended_at - started_at) / pd.Timedelta("1min"),
        out_of_stock(cues, started_at=started_at, ended_at=ended_at),
    )
    inside = _inside(sales[~sales["product_id"].isin(set(empty["product_id"]))], spans, started_at)
    rows = []
    for product, begin, end in empty[["product_id", "start_minute", "end_minute"]].itertuples(
        index=False
    ):
        explanations = spans[spans["product_id"] == product]
        explained = float((explanations["end_minute"] - explanations["start_minute"]).sum())
        hit = float(
            (
                np.minimum(explanations["end_minute"], end)
                - np.maximum(explanations["start_minute"], begin)
            )
            .clip(lower=0)
            .sum()
        )
        share = (
            (end - begin) / length
            if not explained
            else inside * hit / explained
            + (1 - inside) * (end - begin - hit) / max(length - explained, 1)
        )
        rows.append((product, end - begin, share))
    return (
        pd.DataFrame(rows, columns=["product_id", "minutes", "share"])
        .groupby("product_id", as_index=False)
        .sum()
    )


def out_of_stock(
    cues: pd.DataFrame, *, started_at: pd.Timestamp, ended_at: pd.Timestamp
) -> pd.DataFrame:
    """One row per span in which a product had nothing left: product_id, start_minute, end_minute, label_zh, label_en (the same for all)."""
    stock = cues[(cues["kind"] == "stock_change") & cues["stock_after"].notna()].sort_values(
        "at", kind="stable"
    )
    length, word = (
        (ended_at - started_at) / pd.Timedelta("1min"),
        reference.terms()["turn"]["sold_out"],
    )
    rows = [
        (product, *piece, word.zh, word.en)
        for product, changes in stock.groupby("product_id")
        for piece in _empty(changes, started_at, length)
    ]
    return pd.DataFrame(
        rows, columns=["product_id", "start_minute", "end_minute", "label_zh", "label_en"]
    )


def _empty(
    rows: pd.DataFrame, started_at: pd.Timestamp, length: float
) -> list[tuple[float, float]]:
    """Spans of minutes with nothing left, of one product's stock changes in their order."""
    at = ((rows["at"] - started_at) / pd.Timedelta("1min")).clip(0, length)
    later = at.shift(-1).fillna(length)
    return [
        (begin, end)
        for begin, end, left in zip(at, later, rows["stock_after"], strict=True)
        if left <= 0
    ]


def _inside(sales: pd.DataFrame, spans: pd.DataFrame, started_at: pd.Timestamp) -> float:
    """Share of the order lines that were created while their own product was explained; 0 without any."""
    if sales.empty:
        return 0.0
    minute = pd.DataFrame(
        {
            "line": range(len(sales)),
            "product_id": sales["product_id"].to_numpy(),
            "minute": ((sales["created_at"] - started_at) / pd.Timedelta("1min")).to_numpy(),
        }
    )
    joined = minute.merge(spans[["product_id", "start_minute", "end_minute"]], on="product_id")
    within = joined.loc[
        (joined["minute"] >= joined["start_minute"]) & (joined["minute"] < joined["end_minute"]),
        "line",
    ]
    return (
        within.nunique() / minute["product_id"].isin(spans["product_id"]).sum()
        if len(joined)
        else 0.0
    )


def by_kind(
    tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    chosen: Iterable[str],
    *,
    funnels: Mapping[str, Funnel],
    registry: Mapping[str, Metric],
    min_people: float,
    returns: pd.Series,
    sold_out: pd.DataFrame,
) -> pd.DataFrame:
    """The lines of products, of sources and of both, by rank: columns of `lines` and kind, name, metric, label_zh, label_en.

    `tables` holds for each canonical table this session's rows and earlier ones (of actions: as
    `priced` makes them), `chosen` the comparable sessions. name is the product's name or the
    source, or both; label_zh and label_en name the step (metric: its id where the registry has
    one). Rank counts within a kind: money of all kinds is the same money, seen several times.
    """
    chosen_ids, parts = list(chosen), []
    goods = tables["products"][0]
    goods = goods[goods["sku_id"].isna()]
    of_products = {
        "groups": metrics.price_bands(goods),
        "returns": returns.reindex(goods["product_id"].unique()).fillna(returns.get("", 0.0)),
        "sold_out": sold_out.set_index("product_id")["share"],
    }
    for name, kind in ((name, kind) for name, kind in KINDS.items() if kind.table in tables):
        current, past = (
            rows[rows["sku_id"].isna()] if "sku_id" in rows else rows for rows in tables[kind.table]
        )
        options = {"returns": float(returns.get("", 0.0))} if name == "source" else of_products
        sized = lines(
            current,
            past,
            chosen_ids,
            funnels[kind.funnel],
            key=kind.key,
            min_people=min_people,
            **options,
        )
        table = "sessions" if name == "source" else "products"
        parts.append(
            sized.assign(
                kind=name,
                name=_names(sized["unit"], goods),
                **_step_names(sized, funnels[kind.funnel], table, registry),
            )
        )
    every = pd.concat(
        [part.astype({"unit": "str", "name": "str"}) for part in parts], ignore_index=True
    )
    return every.sort_values(ORDER, ascending=False, kind="stable", ignore_index=True)


def _names(units: pd.Series, goods: pd.DataFrame) -> list[str]:
    """What the units are called: products by their names, sources by themselves."""
    product_names = (
        dict(goods.dropna(subset=["name"])[["product_id", "name"]].itertuples(index=False))
        if "name" in goods
        else {}
    )
    return [
        BETWEEN.join(product_names.get(part, part) for part in str(unit).split(BETWEEN))
        for unit in units
    ]


def priced(cells: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Counts by product and source (`viewer_events.cells`) with paid_amount, which viewer events do not have.

    Its buyers x what a buyer of the product pays: ratio of sums over the rows `products` of the
    same sessions.
    """
    of_these = products["sku_id"].isna() & products["session_id"].isin(cells["session_id"])
    priced_rows = products[of_these].dropna(subset=["paid_amount", "pay_users"])
    sums = priced_rows.groupby("product_id")[["paid_amount", "pay_users"]].sum()
    per_buyer = sums["paid_amount"] / sums["pay_users"].where(sums["pay_users"] > 0)
    return cells.assign(
        paid_amount=cells["pay_users"] * cells["product_id"].map(per_buyer).astype(float)
    )


def _step_names(
    sized: pd.DataFrame, funnel: Funnel, table: str, registry: Mapping[str, Metric]
) -> dict[str, list[object]]:
    """Metric id and name of the step of each line: those of the registry, else the two steps of the funnel."""
    ids = [
        metrics.named(row.below, row.above, registry=registry, table=table)
        for row in sized.itertuples()
    ]
    words = {step.column: step for step in funnel.steps}
    names = {
        lang: [
            text.label(registry[name], lang)
            if name
            else f"{text.label(words[row.below], lang)} → {text.label(words[row.above], lang)}"
            for name, row in zip(ids, sized.itertuples(), strict=True)
        ]
        for lang in ("zh", "en")
    }
    return {"metric": ids, "label_zh": names["zh"], "label_en": names["en"]}


def leading(table: pd.DataFrame, *, most: int = 10) -> pd.DataFrame:
    """The first line of each unit that is more likely a gap than none, by rank."""
    return (
        table[table["chance"] > 0.5]
        .drop_duplicates(["kind", "unit"])
        .head(most)
        .reset_index(drop=True)
    )


def of_cells(table: pd.DataFrame, cells: pd.DataFrame, session_id: str) -> tuple[str, str]:
    """One sentence on what the lines of products by source (`cells`, of several sessions) are held against, and what there is to see."""
    rows = table[table["kind"] == "cell"]
    if rows.empty:
        return (
            "观众行为记录里，没有一种商品与来源的组合同时有足够的人和支付金额：不估算。",
            (
                "No pair of product and source in the viewer events has people enough and an "
                "amount "
                "paid: nothing is sized."
            ),
        )
    earlier, own_past, every = (
        cells.loc[cells["session_id"] != session_id, "session_id"].nunique(),
        int(rows["basis"].eq("own").sum()),
        len(rows),
    )
    low, sure = len(leading(rows, most=every)), int((rows["odd"] >= LEVEL).sum())
    short = (
        (
            f"（要 {OWN_SESSIONS} 场才能与自身以往比）",
            f" ({OWN_SESSIONS} are needed to compare with the past)",
        )
        if earlier < OWN_SESSIONS
        else ("", "")
    )
    due = (
        f"{own_past} 行与自身以往比，{every - own_past} 行按该商品和该来源本场的水平推算",
        (
            f"{own_past} lines are held against their own past, {every - own_past} against what product and "
            "source lead one to expect"
        ),
    )
    certainty = (
        (
            f"其中 {sure} 行基本可以肯定超出平常的起伏",
            f"{sure} of them almost surely beyond ordinary ups and downs",
        )
        if sure
        else (
            "但没有一行能肯定超出平常的起伏，只供参考",
            "none of them surely beyond ordinary ups and downs: to look at, no more",
        )
    )
    return (
        (
            f"此前有观众行为记录的 {earlier} 场{short[0]}：{due[0]}。{low} "
            "种商品与来源的组合像是比应"
            f"有的低，{certainty[0]}。"
        ),
        (
            f"Earlier sessions with viewer events: {earlier}{short[1]}; {due[1]}. {low} pairs of "
            f"product and source look lower than due, {certainty[1]}."
        ),
    )


def to_findings(
    table: pd.DataFrame, *, registry: Mapping[str, Metric], currency: str, net: bool
) -> pd.DataFrame:
    """The first lines whose interval leaves zero as findings, at most `FINDINGS`; `net`: whether returns are taken off.

    They size and do not judge (`not_comparable`): whether a source or product fell is tested
    elsewhere. ci_* bound the money. A product of one source is told only where it is as good as
    sure, and neither the product nor the source is at that step.
    """
    sure = leading(table, most=len(table))
    sure = sure[
        (sure["lower"] > 0)
        & sure["metric"].notna()
        & ((sure["kind"] != "cell") | (sure["odd"] >= LEVEL))
    ]
    whole_steps = {(row.unit, _at(row.above)) for row in sure.itertuples() if row.kind != "cell"}
    new = [
        row
        for row in sure.itertuples()
        if row.kind != "cell"
        or not whole_steps & {(name, _at(row.above)) for name in row.unit.split(BETWEEN)}
    ]
    return findings.frame(
        [_finding(row, registry[row.metric], currency, net) for row in new[:FINDINGS]]
    )


def _at(column: str) -> str:
    """The step by a name that products and sources share: theirs are product_click_users and click_users."""
    return column.removeprefix("product_")


def _finding(row, metric: Metric, currency: str, net: bool) -> dict[str, object]:
    sentences = {lang: _sentence(row, metric, lang, currency, net) for lang in ("zh", "en")}
    slice_of = (
        f"{text.plain(row.name, 30)} ({row.unit})"
        if row.kind == "product"
        else text.plain(row.name, 45)
    )
    return findings.make(
        notebook=NOTEBOOK,
        dimension=metric.group,
        metric=row.metric,
        slice=slice_of,
        value=row.rate,
        baseline=row.expected,
        verdict="not_comparable",
        money_at_stake=row.money,
        ci_lower=row.lower,
        ci_upper=row.upper,
        sentence_zh=sentences["zh"],
        sentence_en=sentences["en"],
    )


def _sentence(row, metric: Metric, lang: str, currency: str, net: bool) -> str:
    name, label = text.plain(row.name, 45), text.label(metric, lang)
    rate, base, due = (
        text.percent(rate, metric.decimals) for rate in (row.rate, row.baseline, row.expected)
    )
    money, level = text.money(row.money, lang, currency), text.percent(LEVEL, 0)
    bounds = text.interval(row.lower, row.upper, "money", lang, currency=currency)
    if lang == "zh":
        whose = (
            f"对照自身以往 {row.sessions} 场合计的"
            if row.basis == "own"
            else "对照按该商品和该来源本场水平推算的"
            if row.kind == "cell"
            else "对照同类平均的"
        )
        moved = f"（按本场整体的变化应有 {due}）" if due != base else ""
        return (
            f"「{name}」{label}约 {rate}，{whose} {base}{moved}；现实中补得回约 "
            f"{money}（{level}区间 {bounds}{'，已扣预计退货' if net else '，未扣退货'}）。"
        )
    whose = (
        f"in its own {row.sessions} earlier sessions together"
        if row.basis == "own"
        else "as product and source lead one to expect"
        if row.kind == "cell"
        else "in the mean of its like"
    )
    moved = f" ({due} as this session went)" if due != base else ""
    return (
        f"“{name}”, {label.lower()}: about {rate} against {base} {whose}{moved}. Realistically "
        f"about {money} could be won back "
        f"({level} interval {bounds}, {'returns taken off' if net else 'returns not taken off'})."
    )
