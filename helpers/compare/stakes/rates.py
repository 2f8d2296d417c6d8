"""The rate of each unit at one step: its own past, what like units do, and draws of both.

A unit is a product, a source, or both.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from helpers.core import stats

DRAWS = 2000
OWN_SESSIONS = 5  # with so many past sessions a unit has a baseline of its own
FEWEST_ALIKE = 6  # fewer units than this have no quartile and no common spread of their own
LEAST_RATE = 1e-9  # nor is any rate nearer to 1: beyond this a draw has no spread to be made from
HALF_A_CASE = 0.5  # weight with which a name's effect is drawn to none
MOVES = 200  # of the fit of such effects, and when it has arrived (log odds)
ARRIVED = 1e-6


class Baseline(NamedTuple):
    """The rate that each unit is held against.

    doubt is its relative variance, weight is in trials, own_past says whether it is the unit's own
    (else that of its like), sessions how many it rests on.
    """

    rate: stats.Floats
    doubt: stats.Floats
    weight: stats.Floats
    own_past: np.ndarray
    sessions: np.ndarray


class Step(NamedTuple):
    """One step of all units: counts of this session, and draws (draw x unit).

    x of n people took the step; target is what the rate should be, odd whether the unit is out of
    the ordinary, expected the baseline moved as this session went.
    """

    x: stats.Floats
    n: stats.Floats
    rate: stats.Floats
    target: stats.Floats
    odd: np.ndarray
    baseline: Baseline
    expected: stats.Floats


def _level(x: pd.DataFrame, n: pd.DataFrame, rate: stats.Floats) -> pd.Series:
    """What all units did in common in each session, as a factor on their rates."""
    due = (n * rate).where(x.notna()).sum(axis=1).replace(0, np.nan)
    return (x.sum(axis=1) / due).replace(0, np.nan).fillna(1.0)


def _of_own_past(
    x: pd.DataFrame, n: pd.DataFrame, level: pd.Series | None
) -> tuple[stats.Floats, stats.Floats]:
    """Past rate of each unit (ratio of sums) and its relative variance.

    `level` is given where the sessions are not those compared with, and taken out of the rate. Out
    of the variance it is taken in any case: what all units did in common comes back as the
    session's shift.
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
    """Mean of like units, its relative variance and its weight in trials, by unit.

    `nan` where fewer than `FEWEST_ALIKE` units have people, alike or not.
    """
    with_people, priors = n.to_numpy(float) > 0, np.full((3, len(n)), np.nan)
    for name in np.unique(groups):
        alike = with_people & (groups == name)
        pool = alike if alike.sum() >= FEWEST_ALIKE else with_people
        if pool.sum() >= FEWEST_ALIKE:
            prior = stats.shrink_rates(x[pool], n[pool])
            weight = prior.alpha + prior.beta
            mean = prior.alpha / weight
            doubt = (1 - mean) / mean / (weight + 1) / pool.sum()
            priors[:, groups == name] = [[mean], [doubt], [weight]]
    return priors[0], priors[1], priors[2]


def _weight(rate: stats.Floats) -> stats.Floats:
    """The trials that a rate is worth where sessions vary by `stats.PRIOR_CV`."""
    return (1 - rate) / rate / stats.PRIOR_CV**2


def crossed(x: pd.Series, n: pd.Series) -> tuple[stats.Floats, stats.Floats, stats.Floats]:
    """Rate, relative variance and weight in trials that both names of a cell lead one to expect.

    A logistic model of main effects on this session's cells; a ridge of half a case keeps names
    without any case off the edge. Newton's method, no cell's log odds moving by more than 1 at a
    time, so that each move is downhill (Bach 2010, self-concordance). `nan` where it has not
    arrived.
    """
    first, second = (pd.factorize(n.index.get_level_values(level))[0] for level in (0, 1))
    cases, trials = np.nan_to_num(x.to_numpy(float)), np.nan_to_num(n.to_numpy(float))
    names = np.hstack([place[:, None] == np.unique(place) for place in (first, second)])
    names = names.astype(float)
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
        _weight(rate),
    )


def _baseline(
    now: pd.DataFrame,
    past: Mapping[str, pd.DataFrame],
    pair: tuple[str, str],
    groups: np.ndarray,
    alike: list[str],
) -> Baseline:
    """The past of each unit with `OWN_SESSIONS` sessions, else what there is of it and its like.

    Without any past, the like of this session; cells of two names have no like (`crossed`). Where a
    unit has too few comparable sessions (`alike`), all of its own, brought to the level of those.
    """
    usable = past[pair[1]].notna() & (past[pair[0]] > 0) & (past[pair[1]] <= past[pair[0]])
    x, n = (past[name].where(usable) for name in (pair[1], pair[0]))
    near = usable.index.isin(alike)
    sessions, every = usable[near].sum().to_numpy(), usable.sum().to_numpy()
    if isinstance(now.index, pd.MultiIndex):
        rate, doubt, weight = crossed(now[pair[1]], now[pair[0]])
    elif sessions.sum():
        rate, doubt, weight = _alike(x[near].sum(), n[near].sum(), groups)
    else:
        rate, doubt, weight = _alike(now[pair[1]], now[pair[0]], groups)
    enough = sessions >= OWN_SESSIONS
    further = ~enough & (every >= OWN_SESSIONS)
    level = pd.Series(1.0, index=usable.index)
    if enough.any():
        rate[enough], doubt[enough] = _of_own_past(x.loc[near, enough], n.loc[near, enough], None)
        level = _level(x.loc[:, enough], n.loc[:, enough], rate[enough])
    if further.any():
        rate[further], doubt[further] = _of_own_past(x.loc[:, further], n.loc[:, further], level)
    few = ~enough & ~further & np.isfinite(rate) & (not isinstance(now.index, pd.MultiIndex))
    if few.any():
        rate[few], doubt[few] = _drawn_to_like(
            now[few], x.loc[:, few], n.loc[:, few], level, pair, (rate[few], weight[few])
        )
        weight[few] = _weight(rate)[few]
    own_past = enough | further
    weight[own_past] = _weight(rate)[own_past]
    return Baseline(rate, doubt, weight, own_past, np.where(further | few, every, sessions))


def _drawn_to_like(
    now: pd.DataFrame,
    x: pd.DataFrame,
    n: pd.DataFrame,
    level: pd.Series,
    pair: tuple[str, str],
    like: tuple[stats.Floats, stats.Floats],
) -> tuple[stats.Floats, stats.Floats]:
    """Usual rate and its relative variance of units with few past sessions or none.

    Units differ by themselves, and far more than one does from session to session: each keeps its
    own level as far as its past sessions and this one tell it, the rest is that of its like. (This
    session may be odd: its doubt holds that.) On logarithms, by precision.
    """
    mean, trials = like
    due = n.mul(level, axis=0)
    parts = [
        (np.log(mean), (1 - mean) / mean / (trials + 1)),
        _log_rate(x.sum().to_numpy(float), due.sum().to_numpy(float), mean, _session_error(n)),
        _log_rate(
            now[pair[1]].to_numpy(float),
            now[pair[0]].to_numpy(float),
            mean,
            stats.PRIOR_CV**2 + stats.ODD * stats.ODD_CV**2,
        ),
    ]
    precision = np.sum([1 / variance for _, variance in parts], axis=0)
    value = np.sum([value / variance for value, variance in parts], axis=0) / precision
    return np.minimum(np.exp(value), 0.999), 1 / precision


def _session_error(n: pd.DataFrame) -> stats.Floats:
    """Relative variance of a rate over its past sessions from their ups and downs."""
    total = n.sum().to_numpy(float)
    shares = (n**2).sum().to_numpy(float) / np.where(total > 0, total, 1) ** 2
    return np.where(total > 0, stats.PRIOR_CV**2 * shares, np.inf)


def _log_rate(
    x: stats.Floats, n: stats.Floats, mean: stats.Floats, between: stats.Floats | float
) -> tuple[stats.Floats, stats.Floats]:
    """Logarithm of a rate, a case of the mean added, and its variance; infinite without trials."""
    rate = (x + HALF_A_CASE) / (n + HALF_A_CASE / mean)
    return np.log(rate), np.where(n > 0, between + (1 - mean) / (x + HALF_A_CASE), np.inf)


def step_rates(
    now: pd.DataFrame,
    past: Mapping[str, pd.DataFrame],
    pair: tuple[str, str],
    groups: np.ndarray,
    alike: list[str],
    rng: np.random.Generator,
) -> Step:
    """Draws of one step of all units.

    `now` has a row a unit, `past` a frame session x unit for each column.
    """
    x, n = now[pair[1]].to_numpy(float), now[pair[0]].to_numpy(float)
    baseline = _baseline(now, past, pair, groups, alike)
    weight, wide = baseline.weight.copy(), baseline.weight.copy()
    chance, shift, error = np.full(len(x), stats.ODD), 0.0, stats.PRIOR_CV
    fitted = (baseline.sessions > 0) | isinstance(now.index, pd.MultiIndex)
    fitted &= (n > 0) & np.isfinite(baseline.rate)
    if fitted.sum() > 2:
        shift, error, weight[fitted], wide[fitted], chance[fitted] = stats.around(
            x[fitted], n[fitted], baseline.rate[fitted]
        )
        error = float(np.hypot(error, np.sqrt(baseline.doubt[fitted].mean() / fitted.sum())))
    shape = (DRAWS, len(x))
    spread = np.log1p(baseline.doubt)
    drawn = baseline.rate * np.exp(rng.normal(size=shape) * np.sqrt(spread) - spread / 2)
    past_rate = np.minimum(drawn, 0.999)
    moved = shift + error * rng.normal(size=(DRAWS, 1))
    odd = rng.random(shape) < chance
    centre, trials = expit(logit(past_rate) + moved), np.where(odd, wide, weight)
    centre = np.clip(centre, LEAST_RATE, 1 - LEAST_RATE)
    rate = rng.beta(
        np.nan_to_num(centre * trials, nan=1) + x,
        np.nan_to_num((1 - centre) * trials, nan=1) + n - x,
    )
    target = expit(logit(past_rate) + np.minimum(moved, 0))
    expected = expit(logit(baseline.rate) + min(shift, 0))
    return Step(x, n, rate, target, odd, baseline, expected)
