"""Pure statistics: rates, predictions for a new session, many tests, shrinkage, times.

Nothing here knows of sessions or metrics. `nan` stands for undefined (0/0, too short a history) and
is returned on purpose.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import optimize, special, stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

Floats = npt.NDArray[np.float64]

# coefficient of variation between sessions that a short history is shrunk to, and its weight
PRIOR_CV = 0.15
PRIOR_CV_WEIGHT = 4.0


class Estimate(NamedTuple):
    """A value with its interval."""

    value: float
    lower: float
    upper: float


class Prediction(NamedTuple):
    """What the next value should be, from n earlier ones, with the prediction interval.

    With `log=True` the mean is geometric and `sd` is on the log scale (0.12 is about 12 %).
    """

    mean: float | Floats
    lower: float | Floats
    upper: float | Floats
    n: int | npt.NDArray[np.int64]
    sd: float | Floats


class Predictive(NamedTuple):
    """A predictive distribution for a new rate, with the two-sided mid-p of the value observed."""

    mean: float
    lower: float
    upper: float
    p_value: float


class Shrunk(NamedTuple):
    """Posterior means of rates with their intervals, and the Beta prior fitted to the group."""

    rate: Floats
    lower: Floats
    upper: Floats
    alpha: float
    beta: float


class Around(NamedTuple):
    """How rates of one occasion lie about those expected of them, fitted to all units together.

    shift: what all moved by in common, in log odds, with its standard error; weight: of the
    expectation, in trials, for an ordinary unit; wide: for one out of the ordinary; odd: the chance
    that a unit is such a one.
    """

    shift: float
    error: float
    weight: Floats
    wide: Floats
    odd: Floats


def _floats(values: npt.ArrayLike) -> Floats:
    return np.asarray(values, dtype=float)


# ----------------------------------------------------------------------------------- one rate, two


def wilson(
    successes: npt.ArrayLike, trials: npt.ArrayLike, *, confidence: float = 0.95
) -> tuple[Floats, Floats]:
    """Wilson score interval, (lower, upper), of each successes / trials (Newcombe 1998, method 3).

    `nan` where trials are 0 or missing, and where successes exceed trials: that is no proportion.
    """
    x, n = np.broadcast_arrays(_floats(successes), _floats(trials))
    usable = (n > 0) & (x >= 0) & (x <= n)
    lower, upper = np.full(x.shape, np.nan), np.full(x.shape, np.nan)
    if usable.any():
        lower[usable], upper[usable] = proportion_confint(
            x[usable], n[usable], alpha=1 - confidence, method="wilson"
        )
    return np.clip(lower, 0, 1), np.clip(upper, 0, 1)


def ratio(x1: float, n1: float, x2: float, n2: float, *, confidence: float = 0.95) -> Estimate:
    """Ratio (x1/n1) / (x2/n2) with the log interval adjusted by one half.

    `nan` where the second rate is 0. Only for two rates of one session: between sessions it ignores
    that sessions differ, see `prediction_interval`.
    """
    if not (n1 > 0 and n2 > 0 and 0 <= x1 <= n1 and 0 <= x2 <= n2):
        return Estimate(np.nan, np.nan, np.nan)
    lower, upper = confint_proportions_2indep(
        x1, n1, x2, n2, alpha=1 - confidence, compare="ratio", method="log-adjusted"
    )
    value = x1 / n1 / (x2 / n2) if x2 > 0 else np.nan
    return Estimate(float(value), float(lower), float(upper))


# ---------------------------------------------------------------------------- counts over exposure


def dispersion(events: npt.ArrayLike, expected: npt.ArrayLike, *, fitted: int = 1) -> float:
    """How many times more counts vary about their means than Poisson counts would, at least 1.

    Pearson's chi-square over n - fitted. `expected` are the means, made from the counts themselves
    with `fitted` rates; 1 where fewer counts with a positive mean are known than rates.
    """
    x, mean = _with_trials(events, expected)
    free = x.size - fitted
    return float(max(1.0, ((x - mean) ** 2 / mean).sum() / free)) if free > 0 else 1.0


def count_rate(
    events: npt.ArrayLike,
    exposure: npt.ArrayLike,
    *,
    dispersion: float = 1.0,
    confidence: float = 0.95,
) -> tuple[Floats, Floats]:
    """Interval of each rate events / exposure, widened by the dispersion.

    Garwood's (1936), exact for Poisson counts. With a dispersion d the events count as events / d
    independent ones (quasi-Poisson). `nan` where exposure is 0 or missing.
    """
    x, n = np.broadcast_arrays(_floats(events), _floats(exposure))
    usable, tail = (n > 0) & (x >= 0), (1 - confidence) / 2
    x, scale = np.where(usable, x, np.nan) / dispersion, dispersion / np.where(usable, n, np.nan)
    lower = np.where(x > 0, stats.gamma.ppf(tail, np.where(x > 0, x, 1)), x)
    return lower * scale, stats.gamma.ppf(1 - tail, x + 1) * scale


def count_p(events: npt.ArrayLike, expected: npt.ArrayLike, *, dispersion: float = 1.0) -> Floats:
    """Two-sided p-value of each count, twice the smaller tail of the (quasi-)Poisson expected."""
    x, mean = (
        np.asarray(values, dtype=float) / dispersion
        for values in np.broadcast_arrays(events, expected)
    )
    at_most = stats.gamma.sf(mean, x + 1)
    at_least = np.where(x > 0, stats.gamma.cdf(mean, np.where(x > 0, x, 1)), 1.0)
    return np.minimum(1.0, 2 * np.minimum(at_most, at_least)) + 0 * (x + mean)


def log_odds(
    target: npt.ArrayLike, other: npt.ArrayLike, prior: npt.ArrayLike
) -> tuple[Floats, Floats]:
    """Log-odds of each word in one corpus against another, and their z.

    With a Dirichlet prior (Monroe, Colaresi, Quinn 2008). `target` and `other` are counts of the
    same words, `prior` the pseudo-counts that both get.
    """
    y1, y2, alpha = (_floats(values) for values in np.broadcast_arrays(target, other, prior))
    odds = [np.log((y + alpha) / ((y + alpha).sum() - y - alpha)) for y in (y1, y2)]
    delta = odds[0] - odds[1]
    return delta, delta / np.sqrt(1 / (y1 + alpha) + 1 / (y2 + alpha))


# ------------------------------------------------------------------ a new value among earlier ones


def smoothed_rate(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """The rate (x + 1/2) / (n + 1/2), which has a logarithm at x = 0 too."""
    return (_floats(numerator) + 0.5) / (_floats(denominator) + 0.5)


def positive(values: npt.ArrayLike) -> Floats:
    """Values that all have a logarithm: a zero becomes half of the smallest positive value.

    So it holds in any currency. `nan` for missing and negative values, and for zeros where no value
    is positive.
    """
    y = _floats(values)
    smallest = np.min(y[y > 0], initial=np.inf)
    half = smallest / 2 if np.isfinite(smallest) else np.nan
    return np.where(y == 0, half, np.where(y > 0, y, np.nan))


def _centre(history: npt.ArrayLike, log: bool) -> tuple[Floats, Floats, npt.NDArray[np.int64]]:
    """Mean, standard deviation (n - 1) and number of the known values, of logarithms when `log`.

    They go down the first axis: of a table, those of each of its columns.
    """
    values = np.atleast_1d(_floats(history))
    usable = np.isfinite(values) & (values > 0) if log else np.isfinite(values)
    kept = np.where(usable, values, 1.0)
    scaled = np.log(kept) if log else kept
    n = usable.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(usable, scaled, 0.0).sum(axis=0) / n
        squares = np.where(usable, (scaled - mean) ** 2, 0.0).sum(axis=0)
        sd = np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)
    return mean, sd, n


class Spread(NamedTuple):
    """What is known beforehand of how much sessions differ, weighed in sessions."""

    sd: float
    weight: float


def prior_spread(pool: npt.ArrayLike, *, log: bool = True) -> Spread | None:
    """The spread of further sessions of the account, to steady that of a short history.

    None with fewer than three sessions. It weighs at most four, so that a longer history speaks for
    itself.
    """
    _, sd, n = _centre(pool, log)
    return Spread(float(sd), min(PRIOR_CV_WEIGHT, int(n) - 1)) if n > 2 else None


def _steadied(sd: Floats, n: npt.NDArray[np.int64], spread: Spread | None) -> tuple[Floats, Floats]:
    """Standard deviation and degrees of freedom, the prior spread mixed in (a moderated t)."""
    if spread is None:
        return sd, n - 1
    free = n - 1 + spread.weight
    return np.sqrt(((n - 1) * sd**2 + spread.weight * spread.sd**2) / free), free


def prediction_interval(
    history: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    log: bool = True,
    spread: Spread | None = None,
) -> Prediction:
    """Where one further value should lie: mean +- t s sqrt(1 + 1/n), of logarithms when `log`.

    It holds the session-to-session variation that binomial intervals leave out. Three sessions say
    little of their own spread; `spread` lends them that of other sessions. Values that are missing
    (or not positive when `log`) are left out; fewer than two give `nan` bounds. A table sessions x
    units gives arrays, a value per unit.
    """
    mean, own_sd, n = _centre(history, log)
    sd, free = _steadied(own_sd, n, spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        half = stats.t.ppf(0.5 + confidence / 2, free) * sd * np.sqrt(1 + 1 / n)
    bounds = np.array(
        [mean, *(np.where(n > 1, edge, np.nan) for edge in (mean - half, mean + half))]
    )
    values = (*(np.exp(bounds) if log else bounds), n, sd)
    return Prediction(*values) if n.ndim else Prediction(*(value.item() for value in values))


def prediction_p(
    value: npt.ArrayLike,
    history: npt.ArrayLike,
    *,
    log: bool = True,
    spread: Spread | None = None,
) -> float | Floats:
    """Two-sided p-value of `value` under the t prediction of `prediction_interval`.

    `nan` with fewer than two earlier values, and where `log` and the value is not positive; a
    history without variation gives 1 for the same value and 0 for another. Values by unit beside a
    table sessions x units give a p-value per unit.
    """
    mean, own_sd, n = _centre(history, log)
    sd, free = _steadied(own_sd, n, spread)
    observed = _floats(value)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = (np.log(observed) if log else observed) - mean
        p = 2 * stats.t.sf(np.abs(gap) / (sd * np.sqrt(1 + 1 / n)), free)
    p = np.where(sd == 0, np.isclose(gap, 0).astype(float), p)
    p = np.where((n > 1) & np.isfinite(gap), p, np.nan)
    return p if p.ndim else p.item()


def session_cv(
    events: npt.ArrayLike,
    exposure: npt.ArrayLike,
    *,
    proportion: bool = True,
    prior_cv: float = PRIOR_CV,
) -> float:
    """Session-to-session coefficient of variation of a rate, without sampling noise.

    Method of moments on the squared deviations of events / exposure from the pooled rate, shrunk to
    `prior_cv` with the weight of four further sessions: a few sessions say little about their
    spread.
    """
    x, n = _floats(events), _floats(exposure)
    pooled = x.sum() / n.sum()
    noise = pooled * (1 - pooled) / n if proportion else pooled / n
    free = x.size - 1
    if pooled <= 0 or free < 1:
        return prior_cv
    square = ((x / n - pooled) ** 2 - noise * free / x.size).sum() / free / pooled**2
    return float(
        np.sqrt((PRIOR_CV_WEIGHT * prior_cv**2 + free * max(square, 0)) / (PRIOR_CV_WEIGHT + free))
    )


def _mid_p(dist, value: float) -> float:
    below = dist.cdf(value) - 0.5 * dist.pmf(value)
    return float(min(1.0, 2 * min(below, 1 - below)))


def _with_trials(events: npt.ArrayLike, exposure: npt.ArrayLike) -> tuple[Floats, Floats]:
    x, n = _floats(events).ravel(), _floats(exposure).ravel()
    usable = np.isfinite(x) & np.isfinite(n) & (n > 0)
    return x[usable], n[usable]


class Prior(NamedTuple):
    """What earlier sessions say of a new rate: a Beta's mean, and alpha + beta, in trials."""

    mean: float
    weight: float


def session_prior(
    past_successes: npt.ArrayLike, past_trials: npt.ArrayLike, *, prior_cv: float = PRIOR_CV
) -> Prior:
    """The Beta of a new session's rate, `nan` without any history.

    Its mean is the pooled rate, its variance session variation (`session_cv`) and that of the
    pooled rate.
    """
    x, n = _with_trials(past_successes, past_trials)
    if not x.size:
        return Prior(np.nan, np.nan)
    mean = (x.sum() + 0.5) / (n.sum() + 1)  # kept off 0 and 1, where no Beta has that mean
    variance = (mean * session_cv(x, n, prior_cv=prior_cv)) ** 2 * (1 + 1 / x.size) + mean * (
        1 - mean
    ) / n.sum()
    return Prior(float(mean), float(max(mean * (1 - mean) / variance - 1, 1e-6)))


def beta_binomial_predictive(
    successes: float,
    trials: float,
    past_successes: npt.ArrayLike,
    past_trials: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    prior_cv: float = PRIOR_CV,
) -> Predictive:
    """Predicts a small proportion from earlier sessions, with their overdispersion.

    For few events (under about 50), where the logarithm of a rate is too coarse: the rate is that
    of `session_prior`, the count beta-binomial, the p-value a two-sided mid-p. `nan` where there is
    no history or no trial.
    """
    x, n = _with_trials(past_successes, past_trials)
    if not x.size or not trials > 0 or not 0 <= successes <= trials:
        return Predictive(np.nan, np.nan, np.nan, np.nan)
    mean, weight = session_prior(x, n, prior_cv=prior_cv)
    dist = stats.betabinom(round(trials), mean * weight, (1 - mean) * weight)
    lower, upper = dist.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) / round(trials)
    return Predictive(float(mean), float(lower), float(upper), _mid_p(dist, round(successes)))


def negative_binomial_predictive(
    events: float,
    exposure: float,
    past_events: npt.ArrayLike,
    past_exposure: npt.ArrayLike,
    *,
    confidence: float = 0.95,
    prior_cv: float = PRIOR_CV,
) -> Predictive:
    """Predicts a small count per unit of exposure (orders per hour) from earlier sessions.

    The rate is Gamma, the count negative binomial; interval and centre are per unit of exposure.
    """
    x, n = _with_trials(past_events, past_exposure)
    if not x.size or not exposure > 0 or not events >= 0:
        return Predictive(np.nan, np.nan, np.nan, np.nan)
    mean = (x.sum() + 0.5) / n.sum()
    variance = (mean * session_cv(x, n, proportion=False, prior_cv=prior_cv)) ** 2 * (
        1 + 1 / x.size
    ) + mean / n.sum()
    shape = mean**2 / variance
    dist = stats.nbinom(shape, shape / (shape + mean * exposure))
    lower, upper = dist.ppf([(1 - confidence) / 2, (1 + confidence) / 2]) / exposure
    return Predictive(float(mean), float(lower), float(upper), _mid_p(dist, round(events)))


# -------------------------------------------------------------------------- many tests, many rates


def benjamini_hochberg(p_values: npt.ArrayLike) -> Floats:
    """Adjusted p-values of Benjamini and Hochberg (1995), for a false discovery rate.

    A missing p-value stays `nan` and does not count as a test.
    """
    p = _floats(p_values)
    adjusted = np.full(p.shape, np.nan)
    tests = np.isfinite(p)
    if tests.any():
        adjusted[tests] = multipletests(p[tests], method="fdr_bh")[1]
    return adjusted


def holm(p_values: npt.ArrayLike) -> Floats:
    """Adjusted p-values of Holm (1979), for the chance of any error in the family.

    A missing p-value stays `nan` and does not count as a test. (statsmodels' own collects the
    process's garbage on each call.)
    """
    p = _floats(p_values)
    adjusted, order = np.full(p.shape, np.nan), np.argsort(p)[: int(np.isfinite(p).sum())]
    adjusted[order] = np.minimum(
        1.0, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    )
    return adjusted


def _fit_beta(x: Floats, n: Floats) -> tuple[float, float]:
    """Maximum-likelihood Beta prior of beta-binomial counts, as (alpha, beta).

    The weight is held under 1e6, which is what rates without any overdispersion run off to. Units
    of the same counts (thousands of products without a sale) are evaluated once.
    """
    pairs, place = np.unique(np.column_stack([x, n]), axis=0, return_inverse=True)
    place = place.ravel()
    pooled = (x.sum() + 0.5) / (n.sum() + 1)

    def shape(point: Floats) -> tuple[float, float]:
        mean = 1 / (1 + np.exp(-point[0]))
        weight = np.exp(np.clip(point[1], np.log(0.1), np.log(1e6)))
        return float(mean * weight), float((1 - mean) * weight)

    start = np.array([np.log(pooled / (1 - pooled)), np.log(50.0)])
    return shape(
        optimize.minimize(
            lambda point: -stats.betabinom.logpmf(*pairs.T, *shape(point))[place].sum(),
            start,
            method="Nelder-Mead",
            options={"xatol": 1e-6, "fatol": 1e-9, "maxiter": 2000},
        ).x
    )


def shrink_rates(
    successes: npt.ArrayLike,
    trials: npt.ArrayLike,
    *,
    confidence: float = 0.80,
    prior: tuple[float, float] | None = None,
) -> Shrunk:
    """Rates of like units drawn to their common mean by a beta-binomial prior (empirical Bayes).

    A unit without trials gets the prior itself. `prior` is (alpha, beta), for groups too small to
    fit one (under six units, say); a single unit without one keeps a vague Beta(1/2, 1/2). Raises
    ValueError where successes exceed trials.
    """
    x, n = _floats(successes), np.nan_to_num(_floats(trials))
    x = np.where(n > 0, x, 0.0)
    if (x > n).any() or (x < 0).any():
        raise ValueError("shrink_rates: successes must lie between 0 and trials")
    used = n > 0
    alpha, beta = prior or (
        _fit_beta(np.round(x[used]), np.round(n[used])) if used.sum() > 1 else (0.5, 0.5)
    )
    a, b = alpha + x, beta + n - x
    tail = (1 - confidence) / 2
    return Shrunk(
        a / (a + b), stats.beta.ppf(tail, a, b), stats.beta.ppf(1 - tail, a, b), alpha, beta
    )


# of ten units one may be out of the ordinary, and then by so much (its coefficient of variation)
ODD, ODD_CV = 0.1, 0.6


def around(successes: npt.ArrayLike, trials: npt.ArrayLike, expected: npt.ArrayLike) -> Around:
    """Rates of one occasion about expectations of the units' own, by empirical Bayes.

    Expected odds x a common shift, and beta-binomial about that. The prior of each unit has two
    parts, an ordinary one whose spread is fitted (held near `PRIOR_CV` with the weight of
    `PRIOR_CV_WEIGHT` units) and a wide one for a unit that broke, so that it neither widens the
    others' prior nor is drawn to them. `expected` lies strictly between 0 and 1, trials are
    positive. Where no trial succeeded, or all did, no shift is the likeliest: it is then the one
    that leads to half a success, or half a failure.
    """
    x, n = np.round(_floats(successes)), np.round(_floats(trials))
    centre = special.logit(_floats(expected))

    def parts(point: Floats) -> tuple[Floats, Floats, Floats, Floats, Floats]:
        mean = special.expit(centre + point[0])
        scale = (1 - mean) / mean
        spreads = (np.exp(2 * point[1]), ODD_CV**2)
        weights = [np.maximum(scale / spread - 1, 0.1) for spread in spreads]
        usual, odd = (
            stats.betabinom.logpmf(x, n, mean * weight, (1 - mean) * weight) for weight in weights
        )
        return mean, *weights, usual + np.log1p(-ODD), odd + np.log(ODD)

    def loss(point: Floats) -> float:
        prior = PRIOR_CV_WEIGHT * (point[1] + PRIOR_CV**2 * np.exp(-2 * point[1]) / 2)
        return float(prior - np.logaddexp(*parts(point)[3:]).sum())

    options = {"xatol": 1e-5, "fatol": 1e-7, "maxiter": 2000}
    start = [0.0, np.log(PRIOR_CV)]
    if 0 < x.sum() < n.sum():
        best = optimize.minimize(loss, start, method="Nelder-Mead", options=options).x
    else:
        due = 0.5 if x.sum() == 0 else n.sum() - 0.5
        shift = _shift_to(due, n, centre)
        spread = optimize.minimize(
            lambda point: loss(np.array([shift, point[0]])),
            start[1:],
            method="Nelder-Mead",
            options=options,
        ).x
        best = np.array([shift, spread[0]])
    mean, weight, wide, usual, odd = parts(best)
    noise = (1 - mean) / mean * (1 / (weight + 1) + 1 / n)
    return Around(
        float(best[0]),
        float(np.sqrt(noise.mean() / len(n))),
        weight,
        wide,
        special.expit(odd - usual),
    )


def _shift_to(successes: float, trials: Floats, centre: Floats) -> float:
    """The shift of the log odds `centre` by which so many successes are expected in all."""
    share = special.logit(successes / trials.sum())
    return optimize.brentq(
        lambda shift: special.expit(centre + shift) @ trials - successes,
        share - centre.max() - 1,
        share - centre.min() + 1,
    )


# --------------------------------------------------------------------------- times until something


class Course(NamedTuple):
    """The share that has happened by each time, with its limits (Kaplan-Meier).

    times: 0 and every time that occurs, rising; happened: cases at that time; followed: cases that
    were still open just before it.
    """

    times: Floats
    share: Floats
    lower: Floats
    upper: Floats
    happened: Floats
    followed: Floats

    def by(self, moments: npt.ArrayLike) -> Floats:
        return self.share[np.searchsorted(self.times, moments, side="right") - 1]

    def reached(self, share: float) -> float:
        late = self.times[self.share >= share - 1e-12]
        return float(late[0]) if late.size else np.inf


def course(
    durations: npt.ArrayLike,
    happened: npt.ArrayLike,
    counts: npt.ArrayLike | None = None,
    *,
    confidence: float = 0.95,
) -> Course:
    """The Kaplan-Meier estimate of how what happens is spread over time.

    `durations` are times until it happened, else until the case was last looked at; `counts` says
    how many cases each row stands for. The limits are Greenwood's on the log of the log, so that
    they never leave 0 to 1; at a share of 0 or 1 they are that share. Raises ValueError where a
    duration is missing. (statsmodels' SurvfuncRight has Tsiatis' error for counted rows, which is a
    smaller one.)
    """
    durations = _floats(durations)
    if not np.isfinite(durations).all():
        raise ValueError("course: a duration is missing or infinite")
    counts = np.ones_like(durations) if counts is None else _floats(counts)
    times = np.union1d(0.0, durations)
    place = np.searchsorted(times, durations)
    events = np.bincount(place, counts * np.asarray(happened, dtype=bool), len(times))
    followed = np.bincount(place, counts, len(times))[::-1].cumsum()[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        left = np.cumprod(np.where(followed > 0, 1 - events / followed, 1.0))
        steps = np.where(events > 0, events / (followed * (followed - events)), 0.0)
        error = stats.norm.ppf((1 + confidence) / 2) * np.sqrt(np.cumsum(steps))
        widening = np.exp(error / -np.log(left))
    widening = np.where((left > 0) & (left < 1), widening, 1.0)
    return Course(times, 1 - left, 1 - left ** (1 / widening), 1 - left**widening, events, followed)


def happened_within(
    durations: npt.ArrayLike,
    happened: npt.ArrayLike,
    marks: npt.ArrayLike,
    *,
    weights: npt.ArrayLike | None = None,
    confidence: float = 0.95,
) -> tuple[Floats, Floats, Floats]:
    """The share that happens within each mark, by `course`: value, lower, upper.

    What has not happened and is younger than a mark is unknown from its age on. A share of exactly
    0 or 1 has the Wilson interval of those of whom it is known. `nan` where nothing was looked at
    until the mark, unless the last one looked at had happened.
    """
    durations, marks = _floats(durations), _floats(marks)
    happened = np.asarray(happened, dtype=bool)
    weights = np.ones_like(durations) if weights is None else _floats(weights)
    whole = course(durations, happened, weights, confidence=confidence)
    place = np.searchsorted(whole.times, marks, side="right") - 1
    value = whole.share[place]
    decided = np.array([weights[happened | (durations >= mark)].sum() for mark in marks])
    exact = wilson(value * decided, decided, confidence=confidence)
    limits = (
        np.where(np.isin(value, (0, 1)), edge, limit[place])
        for edge, limit in zip(exact, (whole.lower, whole.upper), strict=True)
    )
    sayable = (marks <= durations.max()) | (value == 1)
    return tuple(np.where(sayable, share, np.nan) for share in (value, *limits))


def shrink_means(means: npt.ArrayLike, errors: npt.ArrayLike) -> tuple[Floats, Floats, float]:
    """Means of like units drawn to their common mean: posterior means, their sds, the common mean.

    A normal hierarchy with known standard errors, averaged over how much units differ under a flat
    prior (Gelman et al., Bayesian Data Analysis, section 5.4): a point estimate of that would often
    be zero, and then all units would be one and too sure. A single unit, or units without any
    error, are as they are.
    """
    m, e = _floats(means), _floats(errors)
    if m.size < 3 or not (e > 0).all():
        weight = 1 / np.where(e > 0, e, 1.0) ** 2
        return m, e, float((weight * m).sum() / weight.sum()) if m.size else np.nan
    tau = np.linspace(1e-6, 3 * max(m.std(), float(np.median(e))), 200)[:, None]
    weight = 1 / (tau**2 + e**2)
    common = (weight * m).sum(axis=1, keepdims=True) / weight.sum(axis=1, keepdims=True)
    odds = 0.5 * (
        np.log(weight).sum(axis=1)
        - np.log(weight.sum(axis=1))
        - (weight * (m - common) ** 2).sum(axis=1)
    )
    odds = (np.exp(odds - odds.max()) / np.exp(odds - odds.max()).sum())[:, None]
    pull = tau**2 * weight  # what a unit keeps of its own mean
    centre = common + pull * (m - common)
    spread = pull * e**2 + (1 - pull) ** 2 / weight.sum(axis=1, keepdims=True)
    mean = (odds * centre).sum(axis=0)
    return (
        mean,
        np.sqrt((odds * (spread + (centre - mean) ** 2)).sum(axis=0)),
        float((odds * common).sum()),
    )
