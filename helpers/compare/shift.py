"""How far a level stands off over some sessions, and how often other dates show as much."""

import warnings
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import statsmodels.api as sm
from scipy import stats as distributions
from statsmodels.tsa.statespace.structural import UnobservedComponents

Floats = npt.NDArray[np.float64]
# Sessions outside the event: for a level that drifts, for a regression, for anything at all.
LONG, MIDDLE, LEAST = 12, 8, 3
ENOUGH_DURING = 3
DRIFT = 1.92  # half of the chi-square of one in twenty with one degree of freedom
ENOUGH_DATES = 19  # other dates, under which no share of them could be as low as one in twenty


class Shift(NamedTuple):
    """How far the level stands off, with its interval and p-value.

    p_placebo is the share of other `dates` with as much.
    """

    effect: float
    lower: float
    upper: float
    p_value: float
    p_placebo: float
    dates: int
    method: str


UNKNOWN = Shift(*[np.nan] * 5, 0, "none")


def level_shift(
    values: npt.ArrayLike, inside: npt.ArrayLike, covariates: Floats, *, confidence: float = 0.95
) -> Shift:
    """The level of the sessions `inside` against the others, oldest first.

    `covariates` is session x column. With `LONG` others and `ENOUGH_DURING` inside a local level
    with a step, with `MIDDLE` a regression with errors robust to autocorrelation, with `LEAST` the
    t prediction interval of their mean; else, or with nobody inside, `UNKNOWN`.
    """
    y, step = np.asarray(values, dtype=float), np.asarray(inside, dtype=bool)
    outside, during = int((~step).sum()), int(step.sum())
    if outside < LEAST or not during:
        return UNKNOWN
    if outside >= LONG and during >= ENOUGH_DURING:
        return _local_level(y, step, covariates, confidence)
    if outside >= MIDDLE and during >= ENOUGH_DURING:
        return _regression(y, step, confidence)
    return _predicted(y, step, confidence)


def _shift(effect: float, error: float, free: float, confidence: float, method: str) -> Shift:
    half = float(distributions.t.ppf(0.5 + confidence / 2, free)) * error
    p = (
        float(2 * distributions.t.sf(abs(effect) / error, free))
        if error > 0
        else float(np.isclose(effect, 0))
    )
    return Shift(float(effect), float(effect - half), float(effect + half), p, np.nan, 0, method)


def _predicted(y: Floats, step: npt.NDArray[np.bool_], confidence: float) -> Shift:
    before, during = y[~step], y[step]
    error = before.std(ddof=1) * np.sqrt(1 / before.size + 1 / during.size)
    return _shift(during.mean() - before.mean(), error, before.size - 1, confidence, "prediction")


def _regression(y: Floats, step: npt.NDArray[np.bool_], confidence: float) -> Shift:
    fitted = sm.OLS(y, np.c_[np.ones(y.size), step.astype(float)]).fit(
        cov_type="HAC", cov_kwds={"maxlags": 1, "use_correction": True}, use_t=True
    )
    plain = sm.OLS(y, np.c_[np.ones(y.size), step.astype(float)]).fit()
    # Of so few sessions the robust error is often far too small: the larger of both.
    return _shift(
        fitted.params[1], max(fitted.bse[1], plain.bse[1]), y.size - 2, confidence, "regression"
    )


def _fitted(y: Floats, columns: Floats, level: str):
    model = UnobservedComponents(
        y, level, exog=columns, mle_regression=False, use_exact_diffuse=True
    )
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # a level variance of zero lies on the edge, of which statsmodels warns
        return model.fit(disp=False)


def local_level(y: Floats, columns: Floats) -> tuple[Floats, Floats, Floats]:
    """Coefficients, their errors and the variances (session, level) of a level with regressors.

    By exact diffuse likelihood. The level drifts only where a likelihood-ratio test at one in
    twenty says so: else errors would be wide for nothing.
    """
    drifting, steady = _fitted(y, columns, "llevel"), _fitted(y, columns, "deterministic constant")
    fitted = drifting if drifting.llf - steady.llf > DRIFT else steady
    return (
        fitted.smoothed_state[1:, -1],
        np.sqrt(np.diag(fitted.smoothed_state_cov[:, :, -1])[1:]),
        np.r_[fitted.params, 0.0][:2],
    )


def _local_level(
    y: Floats, step: npt.NDArray[np.bool_], covariates: Floats, confidence: float
) -> Shift:
    columns = np.c_[step.astype(float), covariates]
    # On the scale of one the optimiser has the same work with every metric.
    scale = y.std() or 1.0
    effects, errors, variances = local_level(y / scale, columns)
    free = y.size - columns.shape[1] - 2
    shift = _shift(effects[0] * scale, errors[0] * scale, free, confidence, "local_level")
    others = placebo(y / scale - effects[0] * step, step, covariates, variances)
    share = (
        (1 + (others >= abs(effects[0]) / errors[0]).sum()) / (1 + others.size)
        if others.size >= ENOUGH_DATES
        else np.nan
    )
    return shift._replace(p_placebo=float(share), dates=int(others.size))


def placebo(
    y: Floats, step: npt.NDArray[np.bool_], covariates: Floats, variances: Floats
) -> Floats:
    """|effect| ÷ error of a step as long as the real one at every other date.

    `y` is the series without the real step. Generalised least squares with the local level's
    variances gives what the smoother gives, for all dates at once.
    """
    n, length = y.size, int(step.sum())
    starts = [k for k in range(MIDDLE, n - length + 1) if not step[k : k + length].any()]
    order = np.arange(1, n + 1)
    covariance = (
        variances[0] * np.eye(n) + variances[1] * np.minimum.outer(order, order) + 1e-9 * np.eye(n)
    )
    root = np.linalg.cholesky(covariance)
    windows = (
        np.array([(order > k) & (order <= k + length) for k in starts], dtype=float)
        .reshape(-1, n)
        .T
    )
    white = np.linalg.solve(root, np.c_[np.ones(n), covariates, y, windows])
    level_columns, remainders = (
        white[:, : 1 + covariates.shape[1]],
        white[:, 1 + covariates.shape[1] :],
    )
    remainders = (
        remainders - level_columns @ np.linalg.lstsq(level_columns, remainders, rcond=None)[0]
    )
    series, tried = remainders[:, 0], remainders[:, 1:]
    size = (tried**2).sum(axis=0)
    return np.abs(series @ tried) / np.sqrt(np.where(size > 1e-12, size, np.inf))
