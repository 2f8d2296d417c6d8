"""A slice against all others together: within one session, and over sessions."""

import functools
import math

import numpy as np
import pandas as pd
from scipy import special
from scipy import stats as distributions

from helpers.core import stats

FEWEST_SESSIONS = 5  # of a slice, and of the others, that are set against each other


def against_others(
    frame: pd.DataFrame,
    *,
    numerator: str,
    denominator: str,
    min_people: float,
    confidence: float = 0.95,
    false_discovery_rate: float = 0.10,
    least_effect: float = 0.10,
) -> pd.DataFrame:
    """Each row's rate against that of all other rows together, people counting once in each row.

    One row per row of `frame`, same index. Columns: people (the denominator), rate, ci_lower,
    ci_upper (Wilson), others_rate, ratio (rate ÷ others_rate), ratio_lower, ratio_upper, p_value
    (Fisher's exact test), p_adjusted (Benjamini-Hochberg over the rows tested), standing: above,
    below (p_adjusted within the false discovery rate and the rate off by at least `least_effect`),
    cannot_tell, too_few (fewer than `min_people`: shown, not judged). For slices of one session
    only; between sessions a rate varies more than this test knows.
    """
    x, n = frame[numerator].astype(float), frame[denominator].astype(float)
    usable = x.notna() & (n > 0) & (x <= n)
    lower, upper = stats.wilson(x, n, confidence=confidence)
    judged = usable & (n >= min_people) & (usable.sum() > 1)
    x_others, n_others = x[usable].sum() - x, n[usable].sum() - n
    pairs = list(zip(x, n, x_others, n_others, strict=True))
    ratios = [
        _ratio(*p, confidence) if ok else (np.nan,) * 3 for p, ok in zip(pairs, judged, strict=True)
    ]
    p_values = np.array(
        [_fisher(*p) if ok else np.nan for p, ok in zip(pairs, judged, strict=True)], dtype=float
    )
    table = pd.DataFrame(
        ratios, columns=["ratio", "ratio_lower", "ratio_upper"], index=frame.index
    ).assign(
        people=n,
        rate=x / n.where(n > 0),
        ci_lower=lower,
        ci_upper=upper,
        others_rate=(x_others / n_others.where(n_others > 0)).where(judged),
        p_value=p_values,
        p_adjusted=stats.benjamini_hochberg(p_values),
    )
    sure = (table["p_adjusted"] <= false_discovery_rate) & (
        (table["rate"] / table["others_rate"] - 1).abs() >= least_effect
    )
    standing = np.select(
        [~usable, ~judged, sure & (table["rate"] > table["others_rate"]), sure],
        ["unknown", "too_few", "above", "below"],
        "cannot_tell",
    )
    columns = [
        "people",
        "rate",
        "ci_lower",
        "ci_upper",
        "others_rate",
        "ratio",
        "ratio_lower",
        "ratio_upper",
        "p_value",
        "p_adjusted",
    ]
    return table[columns].assign(standing=pd.Series(standing, index=frame.index, dtype="str"))


# Thousands of small products share their few counts, and each is tested in a table and in a chart.
@functools.lru_cache(maxsize=2**15)
def _fisher(x: float, n: float, x_others: float, n_others: float) -> float:
    """Fisher's exact test, two-sided: all splits of the cases that are no likelier than this one.

    Splits further than ten standard deviations beyond the one observed add nothing that a float
    holds. (SciPy's own takes ten times as long, which thousands of products feel.)
    """
    if n_others <= 0 or x_others > n_others:
        return np.nan
    cases, whole = x + x_others, n + n_others
    mean = cases * n / whole
    sd = math.sqrt(mean * (1 - n / whole) * (1 - cases / whole))
    reach = math.ceil(abs(x - mean) + 10 * sd) + 50
    first = max(0, cases - n_others, math.floor(mean) - reach)
    last = min(n, cases, math.ceil(mean) + reach)
    split = np.arange(first, last + 1.0)
    rest = cases - split
    chance = -sum(special.gammaln(count + 1) for count in (split, n - split, rest, n_others - rest))
    chance = np.exp(chance - chance.max())
    as_rare = chance <= chance[int(x - first)] * (1 + 1e-7)
    return float(min(chance[as_rare].sum() / chance.sum(), 1.0))


@functools.lru_cache(maxsize=2**15)
def _ratio(
    x: float, n: float, x_others: float, n_others: float, confidence: float
) -> stats.Estimate:
    return stats.ratio(x, n, x_others, n_others, confidence=confidence)


_SUMS = ["numerator", "denominator"]
_DIFFERENCE = ["sessions", "rate", "others_rate", "diff", "diff_lower", "diff_upper", "p_value"]


def between_sessions(
    frame: pd.DataFrame,
    *,
    by: list[str],
    session: str = "session_id",
    confidence: float = 0.95,
    false_discovery_rate: float = 0.10,
    least_effect: float = 0.10,
) -> pd.DataFrame:
    """Each slice's ratio of sums against that of the other slices, with sessions as cases.

    `frame` has `by`, the session, numerator and denominator (one row a slice and session). A
    session is one case whatever its size, as its rows go up and down together: the difference of
    the two ratios has the error of its linearisation by session (the jackknife's to first order)
    and Student's t with the degrees of freedom of the side with fewer sessions. One row per slice.
    Columns: those of `by`, sessions, rate, others_rate, diff with diff_lower and diff_upper,
    p_value, p_adjusted (Benjamini-Hochberg over the slices tested), standing as `against_others`
    (too_few: under five sessions on a side).
    """
    usable = frame[frame["numerator"].notna() & (frame["denominator"] > 0)]
    whole = usable.groupby(session)[_SUMS].sum()
    rows = []
    for key, part in usable.groupby(by, dropna=False, observed=True, sort=False):
        mine = part.groupby(session)[_SUMS].sum()
        others = whole.sub(mine, fill_value=0)
        others = others[others["denominator"] > 1e-9]
        rows.append(dict(zip(by, key, strict=True)) | _difference(mine, others, confidence))
    table = pd.DataFrame(rows, columns=[*by, *_DIFFERENCE])
    table = table.assign(p_adjusted=stats.benjamini_hochberg(table["p_value"].astype(float)))
    far = (table["diff"] / table["others_rate"]).abs() >= least_effect
    sure = (table["p_adjusted"] <= false_discovery_rate) & far
    standing = np.select(
        [table["p_value"].isna(), sure & (table["diff"] > 0), sure],
        ["too_few", "above", "below"],
        "cannot_tell",
    )
    return table.assign(standing=pd.Series(standing, index=table.index, dtype="str"))


def _difference(mine: pd.DataFrame, others: pd.DataFrame, confidence: float) -> dict[str, float]:
    sums = [side.sum() for side in (mine, others)]
    rates = [x / n if n > 0 else np.nan for x, n in (side[_SUMS] for side in sums)]
    fewest = min(len(mine), len(others))
    values = [len(mine), *rates, rates[0] - rates[1]]
    if fewest < FEWEST_SESSIONS:
        return dict(zip(_DIFFERENCE, [*values, np.nan, np.nan, np.nan], strict=True))
    moves = [
        (side["numerator"] - rate * side["denominator"])
        / total["denominator"]
        * math.sqrt(len(side) / (len(side) - 1))
        for side, rate, total in zip((mine, others), rates, sums, strict=True)
    ]
    error = math.sqrt((moves[0].sub(moves[1], fill_value=0) ** 2).sum())
    t = distributions.t(fewest - 1)
    reach = t.ppf((1 + confidence) / 2) * error
    p_value = 2 * t.sf(abs(values[-1]) / error) if error > 0 else np.nan
    bounds = [values[-1] - reach, values[-1] + reach, p_value]
    return dict(zip(_DIFFERENCE, [*values, *bounds], strict=True))
