"""What one level of something (a host, a time slot) is worth beside the others, all else equal.

A session is one observation, so that the error is how much sessions differ: the logarithm of its
value is regressed on the levels and on what else differs. Levels that never meet under the same
circumstances are not compared.
"""

import itertools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats as distributions

from helpers.core import stats

FEWEST = 3  # sessions of a level below which it is not compared
FEWEST_FREE = 8  # degrees of freedom below which the spread itself is guesswork


class Fit(NamedTuple):
    """A least-squares fit.

    names: of the levels; covariance: unscaled; estimable: what can be estimated; sd: the spread;
    free: degrees of freedom.
    """

    names: list[str]
    beta: np.ndarray
    covariance: np.ndarray
    estimable: np.ndarray
    sd: float
    free: int


class Contrast(NamedTuple):
    """One level over others as a ratio (1: the same); `nan` where it cannot be estimated."""

    ratio: float
    lower: float
    upper: float
    p_value: float


NOTHING = Contrast(np.nan, np.nan, np.nan, np.nan)


def logs(values: npt.ArrayLike) -> np.ndarray:
    """Logarithms of values that are not negative; a zero counts as `stats.positive` says."""
    return np.log(stats.positive(values))


def design(frame: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """Columns of 0 and 1 for all values of the factors but each one's first; missing is a value."""
    words = [frame[name].astype("str").fillna("?") for name in factors]
    columns = [
        pd.get_dummies(values, prefix=name, dtype=float).iloc[:, 1:]
        for name, values in zip(factors, words, strict=True)
    ]
    return pd.concat(columns, axis=1) if columns else pd.DataFrame(index=frame.index)


def inverted(x: np.ndarray) -> tuple[np.ndarray, int]:
    """The pseudo-inverse of a design and its rank: columns that repeat others are no error."""
    left, sizes, right = np.linalg.svd(x, full_matrices=False)
    distinct = sizes > sizes.max(initial=0) * max(x.shape) * np.finfo(float).eps
    return (right[distinct].T / sizes[distinct]) @ left[:, distinct].T, int(distinct.sum())


def fit(y: npt.ArrayLike, levels: pd.Series, others: pd.DataFrame) -> Fit:
    """Least squares of y on a column for each level and on the other columns, nothing missing."""
    of_levels = pd.get_dummies(levels.astype("str"), dtype=float)
    x, y = np.column_stack([of_levels, others]), np.asarray(y, dtype=float)
    inverse, rank = inverted(x)
    beta, free = inverse @ y, len(y) - rank
    sd = float(np.sqrt(((y - x @ beta) ** 2).sum() / free)) if free > 0 else np.nan
    return Fit(list(of_levels.columns), beta, inverse @ inverse.T, inverse @ x, sd, free)


def contrast(
    fitted: Fit, above: str, below: Iterable[str], *, confidence: float = 0.95
) -> Contrast:
    """One level over the mean of others, the rest of the fit being equal."""
    weights, below = np.zeros(len(fitted.beta)), list(below)
    weights[fitted.names.index(above)] = 1.0
    weights[[fitted.names.index(name) for name in below]] = -1.0 / max(len(below), 1)
    if (
        not below
        or fitted.free < FEWEST_FREE
        or not np.allclose(weights @ fitted.estimable, weights, atol=1e-7)
    ):
        return NOTHING
    value, error = weights @ fitted.beta, fitted.sd * np.sqrt(weights @ fitted.covariance @ weights)
    half = distributions.t.ppf(0.5 + confidence / 2, fitted.free) * error
    p = 2 * distributions.t.sf(abs(value) / error, fitted.free) if error > 1e-12 else np.nan
    return Contrast(*(float(np.exp(v)) for v in (value, value - half, value + half)), float(p))


class Compared(NamedTuple):
    """Levels against the mean of the others, and pair by pair."""

    rest: pd.DataFrame
    each: pd.DataFrame


class _Sessions(NamedTuple):
    """The sessions that count, the names of their levels, and their fit, if any."""

    rows: pd.DataFrame
    names: list[str]
    fitted: Fit | None


def _sessions(frame: pd.DataFrame, value: str, by: str, adjust: Sequence[str]) -> _Sessions:
    rows = frame.assign(_log=logs(frame[value])).dropna(subset=["_log", by])
    rows = rows[rows.groupby(by)["_log"].transform("size") >= FEWEST]
    names = sorted(rows[by].astype("str").unique())
    comparable = len(names) > 1
    fitted = fit(rows["_log"], rows[by], design(rows, adjust)) if comparable else None
    return _Sessions(rows, names, fitted)


def _pairs(sessions: _Sessions, confidence: float) -> pd.DataFrame:
    rows = [
        (level, other, *contrast(sessions.fitted, level, [other], confidence=confidence))
        for level, other in itertools.permutations(sessions.names, 2)
    ]
    pairs = pd.DataFrame(rows, columns=["level", "other", *Contrast._fields])
    pairs = pairs.dropna(subset=["ratio"])
    return pairs.assign(p_adjusted=_holm(pairs)).reset_index(drop=True)


def _holm(contrasts: pd.DataFrame) -> pd.Series:
    levels = zip(contrasts["level"], contrasts["other"], strict=True)
    key = [" | ".join(sorted(pair)) for pair in levels]
    once = contrasts["p_value"].groupby(key).first().dropna()
    return (
        pd.Series(key, index=contrasts.index, dtype="str")
        .map(pd.Series(stats.holm(once), index=once.index))
        .astype(float)
    )


def compared(
    frame: pd.DataFrame,
    *,
    value: str,
    by: str,
    adjust: Sequence[str] = (),
    confidence: float = 0.95,
) -> Compared:
    """Each level of `by` against the mean of the others that it meets, and against each of them.

    `frame` has one row per session; the columns of `adjust` are held equal, levels of fewer than
    `FEWEST` sessions left out. rest has one row per level: level, n (sessions), typical (geometric
    mean, as it is), others (how many levels it is held against), ratio, lower, upper, p_value;
    `nan` where it meets no other level under the same circumstances, or the sessions are too few.
    each has one row per ordered pair that can be estimated: level, other, ratio, lower, upper,
    p_value, p_adjusted (Holm over the pairs).
    """
    sessions = _sessions(frame, value, by, adjust)
    pairs, rows = _pairs(sessions, confidence), []
    for level in sessions.names:
        of_level = sessions.rows[by].astype("str") == level
        values = sessions.rows.loc[of_level, "_log"]
        others = pairs.loc[pairs["level"] == level, "other"].tolist()
        against = (
            contrast(sessions.fitted, level, others, confidence=confidence) if others else NOTHING
        )
        rows.append((level, len(values), float(np.exp(values.mean())), len(others), *against))
    columns = ["level", "n", "typical", "others", *Contrast._fields]
    return Compared(pd.DataFrame(rows, columns=columns), pairs)


def separable(frame: pd.DataFrame, *, by: str, adjust: Sequence[str]) -> bool:
    """Whether all levels of `by` can be told apart from what the columns of `adjust` hold."""
    rows = frame.dropna(subset=[by])
    levels = sorted(rows[by].astype("str").unique())
    if len(levels) < 2:
        return False
    fitted = fit(np.zeros(len(rows)), rows[by], design(rows, adjust))
    first = np.array(
        [
            [1.0 if name == levels[0] else -1.0 if name == other else 0.0 for name in fitted.names]
            for other in levels[1:]
        ]
    )
    weights = np.column_stack([first, np.zeros((len(first), len(fitted.beta) - len(fitted.names)))])
    return bool(np.allclose(weights @ fitted.estimable, weights, atol=1e-7))
