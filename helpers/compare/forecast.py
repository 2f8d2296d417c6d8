"""What the next sessions should be, from those before them: near and like ones count for more.

Ordinary kriging (Cressie 1993, section 3.2) of logarithms over time and place (slot, length, kind
of day, host); with nothing shared it is `stats.prediction_interval`. How much is shared each
metric's history says, by restricted likelihood; how far sessions stray, one-step errors. For the
mean of several sessions ahead (`ahead`) the level may also drift for weeks or grow.
"""

import functools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import linalg
from scipy import stats as distributions

from helpers.compare.baseline import hours
from helpers.compare.clock import angle, start_minute
from helpers.compare.days import day_class

Floats = npt.NDArray[np.float64]
LONG = 12  # sessions; under so many, what they share cannot be told from chance
FARTHEST = 120  # sessions; those before them say nothing more of the next one
DAYS = 7.0  # sessions so far apart share the level of the time to 37 %
LENGTH = 0.5  # sessions whose lengths differ by this much (log) are alike to 61 %
SHARED = (0.0, 0.25, 1.0, 4.0)  # variance that sessions share, as multiples of their own
# Of the sessions ahead of a plan: over which time a level is shared (35 and 10 days), and how much.
# Several sessions ahead a level that lasts is the main risk, so no way is less likely beforehand.
LASTING = (0.2, 0.7)  # powers of `near`
LEVELS = (0.0, 1.0, 4.0, 16.0)
PLACES = (0.0, 1.0, 4.0)
GROWTHS = (0.0, 0.02, 0.1)  # variance of a growth per week, as multiples of a session's own
DIFFUSE = 100.0  # variance between levels of which nothing is known, as a multiple of a session's
# what is taken for likely beforehand: off by a factor of e counts as one standard deviation
USUAL = 0.5
ROUNDING = 1e-12  # of the mean: no error that values have
FORGETTING = 40  # sessions after which an error counts half


class Alike(NamedTuple):
    """How much each two sessions share in time and in place, by session_id on both sides."""

    near: pd.DataFrame
    place: pd.DataFrame


class Course(NamedTuple):
    """What sessions share, those past first: `near` and `place` as of `alike`, `days` since one.

    `level` says of each two whether they have one level (festivals have their own).
    """

    near: Floats
    place: Floats
    days: Floats
    level: npt.NDArray[np.bool_]

    def of(self, kept: npt.NDArray[np.bool_]) -> "Course":
        """That of the sessions marked."""
        near, place, level = (both[kept][:, kept] for both in (self.near, self.place, self.level))
        return Course(near, place, self.days[kept], level)


class Forecast(NamedTuple):
    """The next value, on the scale of the past: interval, two-sided p-value, standard error."""

    mean: float
    lower: float
    upper: float
    p_value: float
    error: float


def alike(sessions: pd.DataFrame) -> Alike:
    """How alike sessions are in time and place, oldest first; two unknown hosts are the same."""
    sessions = sessions.sort_values("started_at")
    ids = pd.Index(sessions["session_id"])
    start = sessions["started_at"]
    hand = angle(start_minute(start)).to_numpy()
    days = (start - start.min()).dt.total_seconds().to_numpy() / 86400
    length = np.log(hours(sessions)).fillna(0).to_numpy()
    host = sessions["host"].fillna("").to_numpy(str)
    day = np.array(
        [
            day_class(when.date(), platform)
            for when, platform in zip(start, sessions["platform"], strict=True)
        ]
    )
    place = (
        np.exp(np.cos(_apart(hand)) - 1)
        + 0.2 * np.exp(-0.5 * (_apart(length) / LENGTH) ** 2)
        + 0.2 * (day[:, None] == day)
        + 0.5 * (host[:, None] == host)
    )
    frame = functools.partial(pd.DataFrame, index=ids, columns=ids)
    return Alike(frame(np.exp(-np.abs(_apart(days)) / DAYS)), frame(place))


def _apart(values: Floats) -> Floats:
    return values[:, None] - values


@functools.cache
def _prior(shared: float) -> float:
    return 0.5 * np.log(max(shared, 0.1) / USUAL) ** 2


class _Tried(NamedTuple):
    """One way of sharing; loss is the restricted negative log likelihood less the scale."""

    loss: float
    mean: float
    variance: float


def _scale(errors: Floats) -> tuple[float, float]:
    n = errors.size
    weight = 0.5 ** (np.arange(n)[::-1] / FORGETTING)
    free = (n - 1) / n
    variance = weight @ errors**2 / weight.sum() / free
    return float(variance), float(weight.sum() ** 2 / (weight**2).sum() * free)


def _try(past: Floats, covariance: Floats) -> _Tried:
    """The mean of the sessions after the `past` ones, `covariance` being of all of them."""
    n = past.size
    root = linalg.cholesky(covariance[:n, :n], lower=True, check_finite=False)
    after = covariance[n:].mean(axis=0)
    # One column at a time: BLAS gives several to its threads, which costs a hundredfold on so small
    # a matrix.
    ones, values, with_next = (
        linalg.blas.dtrsv(root, column, lower=1) for column in (np.ones(n), past, after[:n])
    )
    weight = ones @ ones
    level = ones @ values / weight
    errors = values - level * ones
    free, total = n - 1, max(errors @ errors, 1e-300)
    loss = np.log(np.diag(root)).sum() + 0.5 * np.log(weight) + 0.5 * free * np.log(total / free)
    unknown = after[n:].mean() - with_next @ with_next + (1 - ones @ with_next) ** 2 / weight
    return _Tried(
        float(loss), float(level + with_next @ errors), float(_scale(errors)[0] * unknown)
    )


def forecast(
    value: float, past: npt.ArrayLike, near: Floats, place: Floats, *, confidence: float = 0.95
) -> Forecast:
    """The next value from the `past` ones, oldest first, on a scale on which they vary evenly.

    Logarithms, mostly. `near` and `place` are those of `alike`, the session itself last. All ways
    of sharing in `SHARED` are averaged by posterior weight, their disagreement included in the
    error. Raises `ValueError` with fewer than `LONG` values.
    """
    past = np.asarray(past, dtype=float)
    if past.size < LONG:
        raise ValueError(f"a forecast needs {LONG} sessions, {past.size} given")
    identity, ways = np.eye(past.size + 1), [(time, here) for time in SHARED for here in SHARED]
    tried = [_try(past, identity + time * near + here * place) for time, here in ways]
    prior = [_prior(time) + _prior(here) for time, here in ways]
    return _averaged(value, past, tried, np.array(prior), confidence)


def ahead(
    after: npt.ArrayLike, past: npt.ArrayLike, course: Course, *, confidence: float = 0.95
) -> Forecast:
    """The mean of the sessions `after` the `past` ones, oldest first, as `forecast` for the next.

    All ways in which a level may last and grow are averaged by how well they fit the past,
    whichever of its sessions made one look ahead: a plan made at a low is part of what it is judged
    by.
    """
    past = np.asarray(past, dtype=float)
    weeks = (course.days - course.days[past.size - 1]) / 7
    growing, levelled = np.outer(weeks, weeks), np.eye(weeks.size) + DIFFUSE * course.level
    lasting = [(0.0, 1.0), *((level, power) for level in LEVELS[1:] for power in LASTING)]
    tried, prior = [], []
    for level, power in lasting:
        levels = levelled + level * course.near**power
        for here in PLACES:
            for growth in GROWTHS:
                tried.append(_try(past, levels + here * course.place + growth * growing))
                prior.append(np.log(len(LASTING)) if level else 0.0)
    return _averaged(float(np.mean(after)), past, tried, np.array(prior), confidence)


def _averaged(
    value: float, past: Floats, tried: list[_Tried], prior: Floats, confidence: float
) -> Forecast:
    """All ways by their posterior weight, their disagreement included in the error."""
    losses = np.array([way.loss for way in tried]) + prior
    weights = np.exp(losses.min() - losses)
    weights = weights / weights.sum()
    means = np.array([way.mean for way in tried])
    variances = np.array([way.variance for way in tried])
    mean = float(weights @ means)
    error, free = float(np.sqrt(weights @ (variances + (means - mean) ** 2))), _scale(past)[1]
    half = float(distributions.t.ppf(0.5 + confidence / 2, free)) * error
    p = (
        float(2 * distributions.t.sf(abs(value - mean) / error, free))
        if error > ROUNDING * abs(mean)
        else float(np.isclose(value, mean))
    )
    return Forecast(mean, mean - half, mean + half, p, error)
