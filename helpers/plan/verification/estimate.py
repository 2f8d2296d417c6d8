"""How large an effect is and how sure: before against after, alone or beside controls."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats as distributions

from helpers.compare import Course, ahead
from helpers.core import stats

FEWEST_BEFORE = 4
MOST_FURTHER = 60
INTERIM_SHARE = 0.2  # of the error, spent on looks before the planned number of sessions
NO_VARIATION = 1e-12  # closer values are the same: they do not say how much they vary
FEWEST_BLOCKS = 8
POWER = 0.80  # with which a real effect is to be found
FARTHEST = 3.0  # standard deviations; beyond them a session tells of a fault, not of the level


class Effect(NamedTuple):
    """An action's effect on its metric in the good direction (0.1: 10 % better), with its interval.

    `before` and `after` are (geometric) means; `sd` is from session to session on the scale
    compared; `expected` is what the sessions after would have shown without any action, and what
    the effect is held against.
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
    """A slice against its controls: its effect, and their own change."""

    effect: Effect
    controls: Effect


def _counted(n: int, course: Course | None) -> np.ndarray:
    """Which of the `n` sessions before are of the level of those after."""
    if course is None or not len(course.days):
        return np.ones(n, dtype=bool)
    return course.level[-1, :n]


def _gap(
    x0: np.ndarray, x1: np.ndarray, bad: float, error: float, course: Course | None
) -> tuple[np.ndarray, float]:
    """Mean after less what was to be expected, with its bounds, and the spread.

    Without a course the mean before is expected, and the bounds are those of t. Bounds are `nan`
    where nothing varied. `course` has a place for the flagged session only if `bad` is known.
    """
    alike = x0[_counted(len(x0), course)]
    sd, n = float(alike.std(ddof=1)), len(alike)
    if not sd > NO_VARIATION:
        return np.array([x1.mean() - alike.mean(), np.nan, np.nan]), sd
    per_session = np.sqrt(1 / len(x1) + 1 / n)
    if course is None:
        half = distributions.t.ppf(1 - error / 2, n - 1) * sd * per_session
        return x1.mean() - alike.mean() + np.array([0.0, -half, half]), sd
    reach = FARTHEST * x0.std(ddof=1)
    bad = np.clip(bad, x0.mean() - reach, x0.mean() + reach)
    past = np.r_[x0, bad] if np.isfinite(bad) else x0
    expected = ahead(x1, past, course, confidence=1 - error)
    bounds = x1.mean() - np.array([expected.mean, expected.upper, expected.lower])
    return bounds, expected.error / per_session


def _good(bounds: np.ndarray, bigger_is_better: bool) -> list[float]:
    return [float(value) for value in (bounds if bigger_is_better else -bounds[[0, 2, 1]])]


def effect(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    *,
    flagged: float = np.nan,
    bigger_is_better: bool = True,
    error: float = 0.05,
    course: Course | None = None,
) -> Effect:
    """Mean of the sessions after against what those before let one expect, with its interval.

    On the log scale where all values are positive, else relative to the mean before. With a
    `course` (of before, flagged, after) the expectation is that of `compare.ahead`: `flagged`, the
    value of the session that the plan came from, is part of the past, as what is picked because it
    is low says something of the level and goes back to it; those before of another level tell how
    sessions vary, and are not counted. Without one sessions are taken to vary around one level: d
    +- t(n-1) s sqrt(1/n_after + 1/n_before), `flagged` being no part of it.
    `nan` bounds with fewer than `FEWEST_BEFORE` sessions before, none after, or where those before
    are all the same.
    """
    y0, y1 = (np.asarray(values, dtype=float) for values in (before, after))
    known0, known1 = np.isfinite(y0), np.isfinite(y1)
    y0, y1 = y0[known0], y1[known1]
    counted = _counted(len(known0), course)[known0]
    n0, n1 = int(counted.sum()), len(y1)
    if n0 < FEWEST_BEFORE or n1 == 0:
        mean0, mean1 = (float(y.mean()) if len(y) else np.nan for y in (y0[counted], y1))
        return Effect(np.nan, np.nan, np.nan, mean0, mean1, np.nan, np.nan, n0, n1)
    log = bool((y0 > 0).all() and (y1 > 0).all())
    level = 1.0 if log else abs(y0[counted].mean()) or 1.0
    x0, x1 = (np.log(y0), np.log(y1)) if log else (y0 / level, y1 / level)
    back = np.exp if log else (lambda x: x * level)
    bad = flagged / level if not log else np.log(flagged) if flagged > 0 else np.nan
    if course is not None:
        course = course.of(np.r_[known0, np.isfinite(bad), known1])
    bounds, sd = _gap(x0, x1, bad, error, course)
    value, low, high = _good(np.expm1(bounds) if log else bounds, bigger_is_better)
    before_and_after = x0[counted].mean(), x1.mean()
    means = (float(back(x)) for x in (*before_and_after, x1.mean() - bounds[0]))
    return Effect(value, low, high, *means, sd, n0, n1)


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
    controls_flagged: npt.ArrayLike | None = None,
    bigger_is_better: bool = True,
    error: float = 0.05,
    course: Course | None = None,
) -> Contrast:
    """Difference-in-differences on the log scale: a value less the mean of its controls.

    `controls_before` and `controls_after` are sessions x controls, nan where a control was not in
    the session; each counts by its distance from its own mean before, so that a missing one shifts
    nothing. The interval is that of `effect` of the difference: with a `course` a difference that
    drifts or grows, as of slices that do not run in parallel, is expected to go on. `expected` is
    what the difference lets one expect beside the controls since.
    """
    n = len(np.asarray(before))
    rows = [
        np.asarray(controls_before, dtype=float),
        np.full((1, np.shape(controls_before)[1]), np.nan)
        if controls_flagged is None
        else np.reshape(controls_flagged, (1, -1)),
        np.asarray(controls_after, dtype=float),
    ]
    y = logs(np.r_[before, flagged, after])
    wide = pd.DataFrame(np.apply_along_axis(logs, 0, np.vstack(rows)))
    levels = wide.iloc[:n].mean()
    shock = (wide - levels).mean(axis=1).to_numpy()
    usable = np.isfinite(y) & np.isfinite(shock)
    sides = np.arange(n), np.arange(n + 1, len(y))
    y0, y1 = (np.where(usable, y, np.nan)[side] for side in sides)
    how = {"bigger_is_better": bigger_is_better, "error": error, "course": course}
    alone = effect(np.exp(y0), np.exp(y1), flagged=flagged, **how)
    shocks = np.exp(np.where(usable, shock, np.nan) + levels.mean())
    theirs = effect(*(shocks[side] for side in sides), flagged=shocks[n], **how)
    if not np.isfinite(alone.effect):
        return Contrast(alone, theirs)
    apart = y - shock
    bad = apart[n] if usable[n] else np.nan
    if course is not None:
        course = course.of(usable)
    (before_apart, after_apart), after_shock = (
        [apart[side][usable[side]] for side in sides],
        shock[sides[1]][usable[sides[1]]],
    )
    bounds, sd = _gap(before_apart, after_apart, bad, error, course)
    value, low, high = _good(np.expm1(bounds), bigger_is_better)
    expected = float(np.exp(after_apart.mean() - bounds[0] + after_shock.mean()))
    return Contrast(
        alone._replace(effect=value, lower=low, upper=high, sd=sd, expected=expected), theirs
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
    """The error that one look may spend: the last has the rest of what early ones share.

    Early looks share `INTERIM_SHARE` of it by the sessions that they have seen.
    """
    if planned <= 1:
        return error
    if n_after >= planned:
        return (1 - INTERIM_SHARE) * error
    return INTERIM_SHARE * error * n_after / (planned * (planned - 1) / 2)
