"""The money that each step of each unit could win back."""

import itertools
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers.compare.stakes.rates import FEWEST_ALIKE, Step, step_rates
from helpers.core import stats
from helpers.reference import Funnel

SEED = 20261122
LEVEL = 0.80  # of the intervals of money: it is planned with, not tested
MOST_SESSIONS = 25  # further back than this a unit may have been another
BUYS_FROM = "click_users"  # people of this column cannot order while the product is sold out
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


def closable(rate: stats.Floats, target: stats.Floats, cap: stats.Floats) -> stats.Floats:
    """The part of the gap from a rate to its target that can be hoped for.

    All of it up to `cap`, what like units reach, and half beyond.
    """
    return np.maximum(np.minimum(target, np.maximum(cap, (rate + target) / 2)) - rate, 0)


def upper_quartile(rates: stats.Floats, groups: np.ndarray) -> stats.Floats:
    """The third quartile of each unit's group (last axis), of all units under `FEWEST_ALIKE`."""
    of_all = np.quantile(rates, 0.75, axis=-1, keepdims=True)
    quartiles = np.repeat(of_all, rates.shape[-1], axis=-1)
    for name in np.unique(groups):
        alike = groups == name
        if alike.sum() >= FEWEST_ALIKE:
            quartiles[..., alike] = np.quantile(rates[..., alike], 0.75, axis=-1, keepdims=True)
    return quartiles


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
    """Money at stake of one session: one row per unit (product, source, or both) x step.

    `current` has one row per unit, `past` those of earlier sessions (with session_id), of which
    `chosen` are comparable; `key` names the unit; `groups`, `returns` and `sold_out` go by unit, or
    its first name. money = people at the step x closable gap x rates of the later steps x what a
    buyer pays x (1 - returns); `sold_out` (share of clicks while nothing was left) is taken off the
    people who could order.

    The baseline is the unit's own past rate with `OWN_SESSIONS` sessions (comparable ones, else the
    newest `MOST_SESSIONS`, brought to their level), else the shrunken mean of its group (two names:
    what both lead one to expect), moved down as far as the whole session fell.

    Columns: unit (id, or tuple of two), below, above (columns of the step), people, rate
    (shrunken), raw_rate, baseline, expected, basis (own, alike), sessions, money (mean), lower,
    upper (`LEVEL` interval), chance (of any gap), odd (chance of one beyond ordinary ups and
    downs), odd_money (the money of that alone), raw_money (what bare rates would claim), rank (by
    odd_money: a small unit that broke comes before the ups and downs of large ones). No line for
    under `min_people` at a step or counts that grow along the way; empty without paid amounts.
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
        return pd.DataFrame(columns=COLUMNS)
    now = _units(current, key, columns)
    if now.empty:
        return pd.DataFrame(columns=COLUMNS)
    unit_groups = np.zeros(len(now)) if groups is None else _of(groups, now.index, -1)
    alike = list(chosen)
    wide = _wide(past, key, [*columns, "paid_amount"], now.index, alike)
    short = np.zeros(len(now)) if sold_out is None else _of(sold_out, now.index, 0.0)
    pairs, rng = list(itertools.pairwise(columns)), np.random.default_rng(seed)
    able = [now.assign(**{pair[0]: _able(now, pair, short)}) for pair in pairs]
    steps = [
        step_rates(rows, wide, pair, unit_groups, alike, rng)
        for rows, pair in zip(able, pairs, strict=True)
    ]
    back = _of(returns, now.index, 0.0) if isinstance(returns, pd.Series) else returns
    worth = _paid_per_buyer(now, wide) * (1 - back)
    parts = []
    for place, pair in enumerate(pairs):
        sale_follows = pair[0] != BUYS_FROM and BUYS_FROM in columns[place + 1 :]
        paid = worth * (1 - short) if sale_follows else worth
        parts.append(_sized(now.index, pair, steps[place:], paid, unit_groups, min_people))
    table = pd.concat(parts, ignore_index=True).sort_values(
        ORDER, ascending=False, kind="stable", ignore_index=True
    )
    return table.assign(rank=np.arange(1.0, len(table) + 1))[COLUMNS]


def _of(values: pd.Series, units: pd.Index, otherwise: float) -> stats.Floats:
    return values.reindex(units.get_level_values(0)).fillna(otherwise).to_numpy(float)


def _units(current: pd.DataFrame, key: str | list[str], columns: list[str]) -> pd.DataFrame:
    """The units whose steps are all known and never grow, sorted: draws go by place."""
    rows = current.set_index(key).sort_index()[[*columns, "paid_amount"]].dropna(subset=columns)
    falling = (rows[columns].diff(axis=1).iloc[:, 1:] <= 0).all(axis=1)
    return rows[falling & (rows[columns[0]] > 0)]


def _wide(
    past: pd.DataFrame, key: str | list[str], columns: list[str], units: pd.Index, alike: list[str]
) -> dict[str, pd.DataFrame]:
    """One frame session x unit per column, of the sessions `alike` and the newest of each unit."""
    keys = [key] if isinstance(key, str) else list(key)
    past = past.sort_values("session_id", kind="stable")
    age = past.groupby(keys, sort=False).cumcount(ascending=False)
    recent = past[past["session_id"].isin(alike) | (age < MOST_SESSIONS)]
    index = ["session_id", *keys]
    rows = recent.reindex(columns=[*index, *columns]).set_index(index)
    return {name: rows[name].astype(float).unstack(keys).reindex(columns=units) for name in columns}


def _able(now: pd.DataFrame, pair: tuple[str, str], short: stats.Floats) -> pd.Series:
    people = now[pair[0]]
    return np.maximum(people * (1 - short), now[pair[1]]) if pair[0] == BUYS_FROM else people


def _paid_per_buyer(now: pd.DataFrame, past: Mapping[str, pd.DataFrame]) -> stats.Floats:
    """What a buyer of each unit pays, this session and past ones; 0 where nobody ever paid."""
    both = past["paid_amount"].notna() & past["pay_users"].notna()
    paid = now["paid_amount"].fillna(0) + past["paid_amount"].where(both).sum()
    buyers = now["pay_users"] + past["pay_users"].where(both).sum()
    return (paid / buyers.where(buyers > 0)).fillna(0.0).to_numpy(float)


def _bare(step: Step) -> stats.Floats:
    return step.x / np.where(step.n > 0, step.n, np.nan)


def _sized(
    units: pd.Index,
    pair: tuple[str, str],
    steps: list[Step],
    worth: stats.Floats,
    groups: np.ndarray,
    min_people: float,
) -> pd.DataFrame:
    step, later = steps[0], steps[1:]
    gap = closable(step.rate, step.target, upper_quartile(step.rate, groups))
    money = step.n * gap * np.prod([following.rate for following in later], axis=0) * worth
    lower, upper = np.quantile(money, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    bare = _bare(step)
    bare_gap = closable(bare, step.expected, upper_quartile(np.nan_to_num(bare), groups))
    bare_onward = np.nan_to_num(np.prod([_bare(following) for following in later], axis=0))
    sized = pd.DataFrame(
        {
            "unit": units.to_flat_index(),
            "below": pair[0],
            "above": pair[1],
            "people": step.n,
            "rate": step.rate.mean(axis=0),
            "raw_rate": bare,
            "baseline": step.baseline.rate,
            "expected": step.expected,
            "basis": np.where(step.baseline.own_past, "own", "alike"),
            "sessions": step.baseline.sessions,
            "money": money.mean(axis=0),
            "lower": lower,
            "upper": upper,
            "chance": (money > 0).mean(axis=0),
            "odd": ((money > 0) & step.odd).mean(axis=0),
            "odd_money": (money * step.odd).mean(axis=0),
            "raw_money": step.n * bare_gap * bare_onward * worth,
        }
    )
    return sized[(step.n >= min_people) & np.isfinite(step.baseline.rate)]
