"""How good money at stake is.

Simulated tables with one planted leak, whose true rates and true money are known. The sources,
products, rates and severities are the demo's (nothing is made easier here): sessions differ by
`SD_LOG` in each step, each cell of source x product strays by `OVERDISPERSION`, a leak halves the
odds (`ODDS_RATIO`) of one step. It sits in the product, the source, or the cell of both that sells
most, or in any product of every session and any source of 12 % or more. The true money is what
`opportunity` promises to estimate: people x closable part of the true gap x true later rates x true
price less returns.

An oracle is asked the same: it sees the counts that we see, and knows the true usual rates, the
true spread of sessions and units, that there is one leak, and how deep it is, all of which we have
to estimate. What it misses cannot be found in the counts. It comes in two ways: the likeliest
place, every line being equally likely beforehand (`oracle`), and the place with the most expected
money (`oracle_money`), which is nearer to our question and favours large units as we do. Where the
leak is always in the largest unit, both know nothing of that.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit, logsumexp

from helpers import reference
from helpers.compare import stakes
from helpers.demo.planted import ODDS_RATIO
from helpers.demo.schedule import shop
from helpers.demo.simulate import CLICK_RATE, LISTED, OVERDISPERSION, PAY_RATE, SD_LOG, SEEN

PAST = 10  # comparable sessions before
LONG = 200  # sessions from which the true baseline is taken
STEPS = ["exposure_users", "click_users", "pay_users"]
FUNNEL = reference.Funnel(
    zh="",
    en="",
    table="products",
    unit="users",
    steps=[reference.FunnelStep(column=name, zh=name, en=name) for name in STEPS],
)


NODES, NODE_WEIGHTS = np.polynomial.hermite_e.hermegauss(15)
SHOCKS = np.linspace(-4, 4, 33)  # standard deviations of the session's own shock


class Made(NamedTuple):
    """Sessions x source x product.

    People exposed, chances to click and to pay, and the session's own shock of each (log odds).
    """

    seen: np.ndarray
    chance: np.ndarray
    shock: np.ndarray


class Table(NamedTuple):
    """What a table shows, and the truth by step and unit.

    One row a session x unit; the last session is the one reviewed.

    usual and spread are mean and standard deviation of a unit's log odds over very many sessions,
    each less its session's shock.
    """

    rows: pd.DataFrame
    rate: np.ndarray
    target: np.ndarray
    worth: np.ndarray
    leak: tuple[int, str]
    usual: np.ndarray
    spread: np.ndarray


def _goods(rng: np.random.Generator) -> pd.DataFrame:
    every = pd.DataFrame(shop()["products"].values())
    others = rng.choice(
        np.flatnonzero(~every["core"]), LISTED - int(every["core"].sum()), replace=False
    )
    return every.iloc[[*np.flatnonzero(every["core"]), *others]].reset_index(drop=True)


def _usual(goods: pd.DataFrame) -> np.ndarray:
    """Log odds of each step by source x product."""
    sources = pd.DataFrame(shop()["sources"].values())
    return np.stack(
        [
            logit(rate) + sources[name].to_numpy()[:, None] + goods[name].to_numpy()
            for name, rate in (("click", CLICK_RATE), ("pay", PAY_RATE))
        ]
    )


def _sessions(rng: np.random.Generator, n: int, viewers: float, goods: pd.DataFrame) -> Made:
    share = np.array([item["share"] for item in shop()["sources"].values()])
    share = share * np.exp(rng.normal(0, OVERDISPERSION, (n, len(share))))
    weight = goods["weight"].to_numpy() * np.exp(rng.normal(0, OVERDISPERSION, (n, len(goods))))
    part = (share / share.sum(axis=1, keepdims=True))[:, :, None] * (
        weight / weight.sum(axis=1, keepdims=True)
    )[:, None, :]
    seen = rng.poisson(
        0.8 * SEEN * viewers * np.exp(rng.normal(0, SD_LOG, n))[:, None, None] * part
    )
    shock = rng.normal(0, SD_LOG, (2, n))
    return Made(
        seen,
        expit(
            _usual(goods)[:, None]
            + shock[:, :, None, None]
            + rng.normal(0, OVERDISPERSION, (2, *seen.shape))
        ),
        shock,
    )


def _place(rng: np.random.Generator, kind: str, where: str, goods: pd.DataFrame) -> tuple:
    """Index of the leak in an array source x product."""
    shares = np.array([item["share"] for item in shop()["sources"].values()])
    sells = (
        shares[:, None]
        * goods["weight"].to_numpy()
        * expit(_usual(goods)).prod(axis=0)
        * goods["price"].to_numpy()
    )
    product = (
        int(sells.sum(axis=0).argmax())
        if where == "largest"
        else int(rng.choice(np.flatnonzero(goods["core"])))
    )
    source = (
        int(sells.sum(axis=1).argmax())
        if where == "largest"
        else int(rng.choice(np.flatnonzero(shares >= 0.12)))
    )
    if kind == "cell" and where == "largest":
        return np.unravel_index(int(sells.argmax()), sells.shape)
    return slice(None) if kind == "product" else source, slice(
        None
    ) if kind == "source" else product


def _summed(values: np.ndarray, kind: str) -> np.ndarray:
    """Sessions x unit."""
    return {
        "product": values.sum(axis=1),
        "source": values.sum(axis=2),
        "cell": values.reshape(len(values), -1),
    }[kind]


def _true_rates(made: Made, kind: str) -> np.ndarray:
    """Step x session x unit."""
    clicks = made.seen * made.chance[0]
    return np.stack(
        [
            _summed(clicks, kind) / np.maximum(_summed(made.seen, kind), 1),
            _summed(clicks * made.chance[1], kind) / _summed(clicks, kind),
        ]
    )


def table(seed: int, kind: str, viewers: float, where: str = "largest") -> Table:
    """One simulated table of `kind` with a leak in its last session.

    Kinds: product, source, cell; the leak is in the largest unit or in any.
    """
    rng = np.random.default_rng([seed, 31])
    goods = _goods(rng)
    made, place, step = (
        _sessions(rng, PAST + 1, viewers, goods),
        _place(rng, kind, where, goods),
        int(rng.integers(2)),
    )
    broken = made.chance[step, -1]
    broken[place] = expit(logit(broken[place]) + np.log(ODDS_RATIO))
    net = (goods["price"] * (1 - goods["returns"])).to_numpy()
    clicks = rng.binomial(made.seen, made.chance[0])
    pays = rng.binomial(clicks, made.chance[1])
    counts = [_summed(value, kind) for value in (made.seen, clicks, pays, pays * net)]
    rows = pd.DataFrame(
        {
            name: value.ravel().astype(float)
            for name, value in zip([*STEPS, "paid_amount"], counts, strict=True)
        }
    )
    units = counts[0].shape[1]
    rows = rows.assign(
        session_id=np.repeat([f"S{i:02d}" for i in range(PAST + 1)], units),
        unit=np.tile(np.arange(units), PAST + 1),
    )
    long = _sessions(np.random.default_rng([seed, 32]), LONG, viewers, goods)
    weight = np.stack([_summed(long.seen, kind), _summed(long.seen * long.chance[0], kind)])
    every = _true_rates(long, kind)
    usual = (every * weight).sum(axis=1) / weight.sum(axis=1)
    odds = logit(np.clip(np.nan_to_num(every, nan=0.05), 1e-6, 1 - 1e-6)) - long.shock[:, :, None]
    target = expit(logit(usual) + np.minimum(made.shock[:, -1], 0)[:, None])
    sales = made.seen * made.chance[0] * made.chance[1]
    worth = (_summed(sales * net, kind) / np.maximum(_summed(sales, kind), 1e-12))[-1]
    unit = int(
        np.flatnonzero(
            _summed(_marked(made.seen.shape[1:], place), kind)[0]
            == _summed(_marked(made.seen.shape[1:], place), kind).max()
        )[0]
    )
    return Table(
        rows,
        _true_rates(made, kind)[:, -1],
        target,
        worth,
        (unit, STEPS[step + 1]),
        odds.mean(axis=1),
        odds.std(axis=1),
    )


def _marked(shape: tuple[int, ...], place: tuple) -> np.ndarray:
    marked = np.zeros((1, *shape))
    marked[(0, *place)] = 1
    return marked


def sized(one: Table) -> pd.DataFrame:
    """The lines of one table with `truth`, the true money, and whether the interval `covers` it."""
    past = one.rows[one.rows["session_id"] != f"S{PAST:02d}"]
    now = one.rows[one.rows["session_id"] == f"S{PAST:02d}"]
    found = stakes.lines(now, past, past["session_id"].unique(), FUNNEL, key="unit", min_people=1)
    cap = stakes.upper_quartile(one.rate, np.zeros(one.rate.shape[1]))
    gap = stakes.closable(one.rate, one.target, cap)
    per_person = np.stack([gap[0] * one.rate[1], gap[1]]) * one.worth
    step = found["above"].map({"click_users": 0, "pay_users": 1})
    truth = found["people"].to_numpy() * per_person[step, found["unit"].astype(int)]
    return found.assign(
        truth=truth, covers=(found["lower"] <= truth + 1e-9) & (truth <= found["upper"])
    )


def oracle(one: Table) -> tuple[tuple[int, str], tuple[int, str]]:
    """Where the leak is to who knows all but its place.

    The likeliest line, and the line with the most expected money.
    """
    counts = (
        one.rows[one.rows["session_id"] == f"S{PAST:02d}"].sort_values("unit")[STEPS].to_numpy().T
    )
    usual, leaking = (one.usual + shift for shift in (0.0, np.log(ODDS_RATIO)))
    alone, whole = [], []
    for step in range(2):
        sound, broken = (
            _likelihood(counts[step + 1], counts[step], odds[step], one.spread[step])
            for odds in (usual, leaking)
        )
        each = sound.sum(axis=1) - SHOCKS**2 / 2
        alone.append(logsumexp(each[:, None] + broken - sound, axis=0))
        whole.append(logsumexp(each))
    odds = np.stack([alone[0] + whole[1], alone[1] + whole[0]])
    gap = expit(usual) - expit(leaking)
    money = np.stack([counts[0] * gap[0] * expit(usual[1]), counts[1] * gap[1]]) * one.worth
    places = [
        np.unravel_index(value.argmax(), odds.shape)
        for value in (odds, np.exp(odds - odds.max()) * money)
    ]
    return tuple((int(unit), STEPS[step + 1]) for step, unit in places)


def _likelihood(x: np.ndarray, n: np.ndarray, odds: np.ndarray, spread: np.ndarray) -> np.ndarray:
    """Log likelihood of each unit's count under each shock of the session.

    Shock x unit: binomial, its log odds normal.
    """
    rate = expit(odds[:, None] + SD_LOG * SHOCKS[:, None, None] + spread[:, None] * NODES)
    rate = np.clip(rate, 1e-9, 1 - 1e-9)
    return logsumexp(
        x[:, None] * np.log(rate)
        + (n - x)[:, None] * np.log1p(-rate)
        + np.log(NODE_WEIGHTS / NODE_WEIGHTS.sum()),
        axis=-1,
    )


def score(seeds: Iterable[int], kind: str, viewers: float, where: str = "largest") -> pd.Series:
    """Shares over tables.

    first: the leak's line is ranked first; covered: of the lines with true money; covered_all:
    first were the lines ranked by their amount alone, or by that of the bare rates, and by the
    oracle in both its ways; claimed and bare ÷ true money over all lines, of the first line of each
    table too; possible: tables whose leak truly is the largest line; lines: how many a table has.
    """
    tables = [table(seed, kind, viewers, where) for seed in seeds]
    found = [sized(one) for one in tables]
    every, top = pd.concat(found), pd.concat([one.head(1) for one in found])
    leaks = [one.leak for one in tables]
    known = [oracle(one) for one in tables]
    return pd.Series(
        {
            "first": np.mean(
                [
                    (row.unit, row.above) == leak
                    for row, leak in zip(top.itertuples(), leaks, strict=True)
                ]
            ),
            "oracle": np.mean(
                [place == leak for (place, _), leak in zip(known, leaks, strict=True)]
            ),
            "oracle_money": np.mean(
                [place == leak for (_, place), leak in zip(known, leaks, strict=True)]
            ),
            "first_by_amount": np.mean(
                [_largest(one, "money") == leak for one, leak in zip(found, leaks, strict=True)]
            ),
            "first_by_bare_rates": np.mean(
                [_largest(one, "raw_money") == leak for one, leak in zip(found, leaks, strict=True)]
            ),
            "possible": np.mean(
                [_largest(one, "truth") == leak for one, leak in zip(found, leaks, strict=True)]
            ),
            "covered": every.loc[every["truth"] > 0, "covers"].mean(),
            "covered_all": every["covers"].mean(),
            "claimed": every["money"].sum() / every["truth"].sum(),
            "bare": every["raw_money"].sum() / every["truth"].sum(),
            "claimed_top": top["money"].sum() / top["truth"].sum(),
            "bare_top": top["raw_money"].sum() / top["truth"].sum(),
            "lines": len(every) / len(found),
        }
    )


def _largest(found: pd.DataFrame, column: str) -> tuple[int, str]:
    row = found.loc[found[column].idxmax()]
    return int(row["unit"]), str(row["above"])
