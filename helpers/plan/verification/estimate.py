"""How large an effect is and how sure: before against after, alone or beside controls."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats as distributions

from helpers.core import stats

FEWEST_BEFORE = 4
MOST_FURTHER = 60
INTERIM_SHARE = 0.2  # of the error, spent on looks before the planned number of sessions
NO_VARIATION = 1e-12  # closer values are the same: they do not say how much they vary
FEWEST_BLOCKS = 8
POWER = 0.80  # with which a real effect is to be found


class Effect(NamedTuple):
    """An action's effect on its metric in the good direction (0.1: 10 % better), with its interval.

    `before` and `after` are (geometric) means; `sd` is from session to session on the scale
    compared; `expected` is what the next session would have shown without any action.
    """

    effect: float
    lower: float
    upper: float
    before: float
    after: float
    expected: float
    sd: float
    n_before: int
    n_after: int


class Contrast(NamedTuple):
    """A slice against its controls: its effect, their change, the p-value of an earlier slope."""

    effect: Effect
    controls: Effect
    slope_p: float


def _known(values: npt.ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]


def _gap(x0: np.ndarray, x1: np.ndarray, error: float) -> tuple[np.ndarray, float]:
    """Mean after less mean before with its bounds (nan where nothing varied), and the spread."""
    sd, n, gap = float(x0.std(ddof=1)), len(x0), x1.mean() - x0.mean()
    half = (
        distributions.t.ppf(1 - error / 2, n - 1) * sd * np.sqrt(1 / len(x1) + 1 / n)
        if sd > NO_VARIATION
        else np.nan
    )
    return np.array([gap, gap - half, gap + half]), sd


def _good(bounds: np.ndarray, bigger_is_better: bool) -> list[float]:
    return [float(value) for value in (bounds if bigger_is_better else -bounds[[0, 2, 1]])]


def effect(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    flagged: float = np.nan,
    bigger_is_better: bool = True,
    error: float = 0.05,
) -> Effect:
    """Mean of the sessions after against the mean before, with its t interval.

    d +- t(n-1) s sqrt(1/n_after + 1/n_before), s from before; on the log scale where all values are
    positive, else relative to the mean before. `flagged` is the value of the session that the plan
    came from: no part of the baseline, but of what to expect without action, (n mean + flagged) /
    (n + 1). `nan` bounds with fewer than `FEWEST_BEFORE` sessions before, none after, or where
    those before are all the same.
    """
    y0, y1 = _known(before), _known(after)
    if len(y0) < FEWEST_BEFORE or len(y1) == 0:
        mean0, mean1 = (float(y.mean()) if len(y) else np.nan for y in (y0, y1))
        return Effect(np.nan, np.nan, np.nan, mean0, mean1, np.nan, np.nan, len(y0), len(y1))
    log = bool((y0 > 0).all() and (y1 > 0).all())
    level = 1.0 if log else abs(y0.mean()) or 1.0
    x0, x1 = (np.log(y0), np.log(y1)) if log else (y0 / level, y1 / level)
    back = np.exp if log else (lambda x: x * level)
    bounds, sd = _gap(x0, x1, error)
    value, low, high = _good(np.expm1(bounds) if log else bounds, bigger_is_better)
    n = len(x0)
    bad = (
        np.nan
        if not np.isfinite(flagged) or (log and flagged <= 0)
        else (np.log(flagged) if log else flagged / level)
    )
    expected = back((n * x0.mean() + bad) / (n + 1)) if np.isfinite(bad) else back(x0.mean())
    return Effect(
        value,
        low,
        high,
        float(back(x0.mean())),
        float(back(x1.mean())),
        float(expected),
        sd,
        n,
        len(x1),
    )


def logs(values: npt.ArrayLike) -> np.ndarray:
    """Logarithms of values as `stats.positive` gives them."""
    return np.log(stats.positive(values))


def against_controls(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    controls_before: npt.ArrayLike,
    controls_after: npt.ArrayLike,
    *,
    flagged: float = np.nan,
    bigger_is_better: bool = True,
    error: float = 0.05,
) -> Contrast:
    """Difference-in-differences on the log scale: a value less the mean of its controls.

    `controls_before` and `controls_after` are sessions x controls, nan where a control was not in
    the session; each counts by its distance from its own mean before, so that a missing one shifts
    nothing. The interval is that of `effect` with the spread of the difference; `expected` is that
    of `effect` moved along with the controls. `slope_p` is of the regression of the difference on
    the order of the sessions before: small where slice and controls did not run in parallel.
    """
    n, y = len(np.asarray(before)), logs(np.r_[before, after])
    wide = pd.DataFrame(np.apply_along_axis(logs, 0, np.vstack([controls_before, controls_after])))
    levels = wide.iloc[:n].mean()
    shock = (wide - levels).mean(axis=1).to_numpy()
    usable = np.isfinite(y) & np.isfinite(shock)
    before_pair, moved = (
        (x[:n][usable[:n]] for x in (y, shock)),
        (x[n:][usable[n:]] for x in (y, shock)),
    )
    (y0, shock0), (y1, shock1) = before_pair, moved
    alone = effect(
        np.exp(y0), np.exp(y1), flagged=flagged, bigger_is_better=bigger_is_better, error=error
    )
    theirs = effect(
        np.exp(shock0 + levels.mean()),
        np.exp(shock1 + levels.mean()),
        bigger_is_better=bigger_is_better,
        error=error,
    )
    if not np.isfinite(alone.effect):
        return Contrast(alone, theirs, np.nan)
    bounds, sd = _gap(y0 - shock0, y1 - shock1, error)
    value, low, high = _good(np.expm1(bounds), bigger_is_better)
    slope = (
        distributions.linregress(np.arange(len(y0)), y0 - shock0).pvalue
        if sd > NO_VARIATION
        else np.nan
    )
    expected = alone.expected * float(np.exp(shock1.mean() - shock0.mean()))
    return Contrast(
        alone._replace(effect=value, lower=low, upper=high, sd=sd, expected=expected),
        theirs,
        float(slope),
    )


def verdict(lower: float, value: float, upper: float, least_effect: float) -> str:
    """harmful, effective_but_small, effective, not_effective or cannot_tell, in this order.

    Interval below 0; above 0 but all under the least useful effect; above 0 with the point at least
    that effect; all under that effect; else.
    """
    if not np.isfinite([lower, value, upper]).all():
        return "cannot_tell"
    if upper < 0:
        return "harmful"
    if lower > 0 and upper < least_effect:
        return "effective_but_small"
    if lower > 0 and value >= least_effect:
        return "effective"
    if upper < least_effect:
        return "not_effective"
    return "cannot_tell"


def aim_of(measured: Effect, least_effect: float) -> float:
    """What is to be seen, on the log scale: the least useful effect, or the larger one so far."""
    return float(np.log1p(max(least_effect, measured.effect)))


def further_sessions(measured: Effect, least_effect: float, *, error: float = 0.05) -> float:
    """How many more sessions are needed to see the effect (`aim_of`).

    With the variation of the baseline and a power of `POWER`; `inf` where `MOST_FURTHER` would not
    do, `nan` where there is no effect to reckon with.
    """
    if not np.isfinite(measured.effect) or not np.isfinite(measured.sd):
        return np.nan
    aim = aim_of(measured, least_effect)
    quantiles = distributions.t.ppf([1 - error / 2, POWER], measured.n_before - 1).sum()
    for total in range(measured.n_after + 1, measured.n_after + MOST_FURTHER + 1):
        if quantiles * measured.sd * np.sqrt(1 / total + 1 / measured.n_before) <= aim:
            return float(total - measured.n_after)
    return np.inf


def blocks_needed(sd: float, aim: float) -> int:
    """How many blocks, half of them at random in the new way, show a difference of `aim` (log).

    The smallest even n >= 8 with (t(0.975) + t(`POWER`)) 2 sd / sqrt(n) <= aim at n - 2 degrees of
    freedom; `sd` is that of `block_variation`.
    """
    normal = (
        distributions.norm.ppf([0.975, POWER]).sum() * 2 * sd / aim
    ) ** 2  # as t needs more, the search starts here
    n = max(FEWEST_BLOCKS, int(normal) // 2 * 2)
    while distributions.t.ppf([0.975, POWER], n - 2).sum() * 2 * sd / np.sqrt(n) > aim:
        n += 2
    return n


def error_at_look(n_after: int, planned: int, error: float) -> float:
    """The error that one look may spend: early looks share a fifth of it, the last has the rest."""
    if planned <= 1:
        return error
    return (
        (1 - INTERIM_SHARE) * error if n_after >= planned else INTERIM_SHARE * error / (planned - 1)
    )
