"""Effects of the factors of a product: additive LMDI-I, Shapley, and their sampling intervals."""

import itertools
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import stats as distributions

Floats = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """Lower and upper bounds of each effect, in the order of the factors."""

    lower: Floats
    upper: Floats


def logarithmic_mean(a: float, b: float) -> float:
    """The logarithmic mean (a - b) / ln(a / b), which is a where both are equal."""
    if a == b:
        return a
    # Near equality the quotient loses its digits; the series of the mean around the middle keeps
    # them.
    if abs(a - b) < 1e-6 * max(a, b):
        return (a + b) / 2 - (a - b) ** 2 / (12 * (a + b) / 2)
    return (a - b) / math.log(a / b)


def _lmdi_row(before: Floats, after: Floats) -> Floats:
    """The limits where a factor is zero are those of Ang, Zhang and Choi (1998)."""
    start, end = before.prod(), after.prod()
    if start > 0 and end > 0:
        return logarithmic_mean(end, start) * np.log(after / before)
    if start == end:
        return np.zeros_like(before)
    # A product that rises from 0 (falls to 0) owes it to the factor that was (became) 0; to
    # several, in equal parts.
    zero = (before == 0) if start == 0 else (after == 0)
    return np.where(zero, (end - start) / zero.sum(), 0.0)


def lmdi(before: npt.ArrayLike, after: npt.ArrayLike) -> Floats:
    """The additive LMDI-I effects: what each factor adds to the change of their product.

    `before` and `after` are factors, or slices x factors (a sum of products); the effects have that
    shape and sum to the change exactly. Raises `ValueError` for negative or missing factors: use
    `shapley` for what is no product of positive numbers.
    """
    x0, x1 = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if x0.shape != x1.shape:
        raise ValueError(f"lmdi: before has the shape {x0.shape}, after {x1.shape}")
    if not (np.isfinite(x0).all() and np.isfinite(x1).all()) or (x0 < 0).any() or (x1 < 0).any():
        raise ValueError(
            "lmdi: factors must be known and not negative; use shapley for differences"
        )
    if x0.ndim == 1:
        return _lmdi_row(x0, x1)
    return np.array([_lmdi_row(a, b) for a, b in zip(x0, x1, strict=True)]).reshape(x0.shape)


def shapley(
    before: Sequence[npt.ArrayLike],
    after: Sequence[npt.ArrayLike],
    function: Callable[..., float] | None = None,
) -> Floats:
    """The Shapley effects (Das Gupta 1993) of a function's factors, over all orders of change.

    Factors are scalars or arrays, the arguments of `function` (default: their product, summed). It
    works for what is no product (profit = amount - cost) and through zeros, but merging two steps
    does not add their effects.
    """
    value = function or (
        lambda *factors: float(np.sum(np.prod(np.broadcast_arrays(*factors), axis=0)))
    )
    count = len(before)
    worth = {
        moved: value(
            *[
                np.asarray(after[k] if moved >> k & 1 else before[k], dtype=float)
                for k in range(count)
            ]
        )
        for moved in range(2**count)
    }
    effects = np.zeros(count)
    for k, moved in itertools.product(range(count), range(2**count)):
        if not moved >> k & 1:
            size = moved.bit_count()
            weight = math.factorial(size) * math.factorial(count - size - 1) / math.factorial(count)
            effects[k] += weight * (worth[moved | 1 << k] - worth[moved])
    return effects


def sampling_interval(
    before: npt.ArrayLike,
    after: npt.ArrayLike,
    variance_before: npt.ArrayLike,
    variance_after: npt.ArrayLike,
    *,
    confidence: float = 0.95,
) -> Interval:
    """Delta-method bounds of the LMDI effects of one product, by its factors' log variances.

    For a rate x/n that variance is (1 - p) / x, for a mean amount (s / mean)^2 / n. Sampling noise
    alone, always narrower than what sessions differ by anyway (`usual_effects`). `nan` where a
    product is 0.
    """
    x0, x1 = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    v0, v1 = np.asarray(variance_before, dtype=float), np.asarray(variance_after, dtype=float)
    start, end = x0.prod(), x1.prod()
    if not (start > 0 and end > 0):
        return Interval(np.full(x0.shape, np.nan), np.full(x0.shape, np.nan))
    mean, gain, change = logarithmic_mean(end, start), np.log(x1 / x0), math.log(end / start)
    small = abs(change) < 1e-6
    toward_end = end / 2 if small else (end - mean) / change
    toward_start = start / 2 if small else (mean - start) / change
    diagonal = np.eye(len(x0)) * mean
    variance = (np.outer(gain, np.full(len(x0), toward_end)) + diagonal) ** 2 @ v1
    variance += (np.outer(gain, np.full(len(x0), toward_start)) - diagonal) ** 2 @ v0
    half = distributions.norm.ppf(0.5 + confidence / 2) * np.sqrt(variance)
    effects = lmdi(x0, x1)
    return Interval(effects - half, effects + half)
