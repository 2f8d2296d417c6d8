"""A share with its interval and what it rests on."""

from typing import NamedTuple

import numpy as np

from helpers.core import stats


class Share(NamedTuple):
    """A share (of money, people, orders) with its interval, and how many cases it rests on."""

    value: float
    lower: float
    upper: float
    n: int


def counted(hits: float, n: int, confidence: float) -> Share:
    """The share of hits among `n` cases, with Wilson's interval; `nan` without a case."""
    lower, upper = stats.wilson(hits, n, confidence=confidence)
    return Share(float(hits / n) if n else np.nan, float(lower), float(upper), int(n))
