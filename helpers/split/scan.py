"""The slice finder: where, over all combinations of dimensions, a rate went wrong."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from helpers.split.product import Floats


def _scores(count: Floats, expected: Floats, total: float, total_expected: float) -> Floats:
    """Log-likelihood ratio of each slice having more than its share (Kulldorff), 0 where it has not."""
    inside = np.divide(count, expected, out=np.zeros_like(count), where=expected > 0)
    rest, rest_expected = total - count, total_expected - expected
    outside = np.divide(rest, rest_expected, out=np.zeros_like(count), where=rest_expected > 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        first = np.where(count > 0, count * np.log(inside), 0.0)
        second = np.where(rest > 0, rest * np.log(outside), 0.0)
    whole = total * math.log(total / total_expected) if total > 0 else 0.0
    return np.where((expected > 0) & (rest_expected > 0) & (inside > outside), first + second - whole, 0.0)


def find_slices(
    frame: pd.DataFrame, *, dimensions: Sequence[str], value: str, weight: str, baseline: str, direction: str = "up",
    top: int = 5, depth: int = 3, least_expected: float = 5.0,
) -> pd.DataFrame:
    """Where a rate went wrong: slices of up to `depth` dimensions with more (up) or fewer (down) events than expected.

    `frame` has one row per leaf: the dimensions, `value` (events), `weight` (exposures) and `baseline` (the rate expected
    there). A likelihood-ratio scan over all combinations of dimensions; a further dimension must earn half of ln(total)
    more. One row per slice, best first: slice (dimension=value joined by "&"), the dimensions (missing where any), depth,
    count, expected, ratio, score. It says where, not why, and its search is not corrected for.
    """
    if direction not in ("up", "down"):
        raise ValueError(f"direction: expected up or down, found {direction!r}")
    used = [name for name in dimensions if frame[name].nunique(dropna=False) > 1]
    rows = frame.assign(_count=frame[value], _expected=frame[weight] * frame[baseline])
    if direction == "down":
        rows = rows.assign(_count=frame[weight] - frame[value], _expected=frame[weight] * (1 - frame[baseline]))
    total, expected = float(rows["_count"].sum()), float(rows["_expected"].sum())
    found = []
    for size in range(1, min(depth, len(used)) + 1):
        for names in itertools.combinations(used, size):
            cells = rows.groupby(list(names), sort=True, dropna=False)[["_count", "_expected"]].sum().reset_index()
            score = _scores(cells["_count"].to_numpy(float), cells["_expected"].to_numpy(float), total, expected)
            penalty = (size - 1) * 0.5 * math.log(max(total, 1.0))
            kept = (score > penalty) & (cells["_expected"] >= least_expected)
            found.append(cells[kept].assign(score=score[kept] - penalty, depth=size))
    columns = ["slice", *dimensions, "depth", "count", "expected", "ratio", "score"]
    made = pd.concat(found, ignore_index=True) if found else pd.DataFrame()
    if made.empty:
        return pd.DataFrame(columns=columns)
    made = made.sort_values(["score", "depth"], ascending=[False, True], kind="stable").head(top)
    named = [
        "&".join(f"{name}={row[name]}" for name in used if name in row and pd.notna(row[name])) for row in made.to_dict("records")
    ]
    return made.assign(slice=named, count=made["_count"], expected=made["_expected"], ratio=made["_count"] / made["_expected"]
                       ).reindex(columns=columns).reset_index(drop=True)
