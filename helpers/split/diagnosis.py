"""Imprecise traffic or a weak pitch: a model of cells of source and product in two periods."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import statsmodels.api as sm
from scipy import stats as distributions

from helpers.split.slices import mix_and_rate


class Diagnosis(NamedTuple):
    """Which kind of change the cells speak for, with the numbers that decided.

    cause: mix (who came), source (one source's people), product (one product's pitch, price or stock), both, overall
    (everything alike), cannot_tell. p_* are F-tests of the quasi-binomial model, dispersion how many times more the cells
    vary than sampling would make them, on average.
    """

    cause: str
    mix_effect: float
    mix_lower: float
    mix_upper: float
    rate_effect: float
    p_period: float
    p_source: float
    p_product: float
    dispersion: float
    zh: str
    en: str


CAUSES = {
    "mix": ("流量结构变化：来的人变了", "the mix of traffic changed: other people came"),
    "source": ("流量不精准：个别来源的人群质量变了", "imprecise traffic: the people of single sources changed"),
    "product": ("话术或货品：个别商品的成交变了", "pitch or product: single products changed"),
    "both": ("流量和话术（货品）都有问题", "there are problems in both traffic and pitch (or products)"),
    "overall": ("整体变化：各来源、各商品一起变了", "everything changed alike, for every source and product"),
    "cannot_tell": ("无法判断", "cannot tell"),
}


def _dummies(cells: pd.DataFrame, names: Iterable[str]) -> pd.DataFrame:
    return pd.get_dummies(cells[list(names)], drop_first=True, dtype=float)


def _times_period(block: pd.DataFrame, after: pd.Series) -> pd.DataFrame:
    return block.mul(after, axis=0).add_suffix(" x after")


def _fit(cells: pd.DataFrame, *blocks: pd.DataFrame):
    design = pd.concat([pd.DataFrame({"one": 1.0}, index=cells.index), *blocks], axis=1)
    rate = cells["successes"] / cells["trials"]
    return sm.GLM(rate, design, family=sm.families.Binomial(), var_weights=cells["weight"]).fit()


def _weighted(cells: pd.DataFrame, *blocks: pd.DataFrame) -> pd.DataFrame:
    """The cells with the weight that makes Pearson's chi-square equal its degrees of freedom (Williams 1982).

    Cells differ by s in the log odds beyond sampling, so a cell of n is worth n / (1 + n p (1 - p) s^2) trials: a large
    cell is not as sure as its size says, which a single dispersion factor would pretend.
    """
    made = cells.assign(weight=cells["trials"])
    fit = _fit(made, *blocks)
    low, high = 0.0, 4.0
    if fit.df_resid <= 0 or fit.pearson_chi2 <= fit.df_resid:
        return made
    for _ in range(18):
        middle = (low + high) / 2
        spread = fit.fittedvalues * (1 - fit.fittedvalues)
        made = made.assign(weight=cells["trials"] / (1 + cells["trials"] * spread * middle))
        fit = _fit(made, *blocks)
        low, high = (middle, high) if fit.pearson_chi2 > fit.df_resid else (low, middle)
    return made


def _f_test(small, large, scale: float) -> float:
    extra = small.df_resid - large.df_resid
    if extra <= 0 or large.df_resid <= 0:
        return np.nan
    return float(distributions.f.sf((small.deviance - large.deviance) / extra / scale, extra, large.df_resid))


def _mix_interval(cells: pd.DataFrame, dispersion: float, confidence: float) -> tuple[float, float, float, float]:
    """Mix and rate effect over sources, and the interval of the mix effect: rates by their overdispersed variance,
    shares by what the source's own cells show them to vary (multinomial, with the same dispersion)."""
    sides = [cells[cells["after"] == side] for side in (0.0, 1.0)]
    table = mix_and_rate(*[side.rename(columns={"source": "slice"}) for side in sides], "slice", "trials", "successes")
    rate = (table["rate_before"].fillna(table["rate_after"]) + table["rate_after"].fillna(table["rate_before"])) / 2
    whole = sum(side["successes"].sum() / side["trials"].sum() for side in sides) / 2
    variance = 0.0
    for share, weight in ((table["share_before"], table["weight_before"].sum()), (table["share_after"], table["weight_after"].sum())):
        centred = rate - whole
        variance += dispersion * ((share * centred**2).sum() - (share * centred).sum() ** 2) / weight
    moved = (table["share_after"] - table["share_before"]) ** 2
    seen = table["weight_before"] + table["weight_after"]
    variance += (moved * dispersion * rate * (1 - rate) / seen).sum()
    half = distributions.norm.ppf(0.5 + confidence / 2) * math.sqrt(max(variance, 0.0))
    mix = float(table["mix_effect"].sum())
    return mix, mix - half, mix + half, float(table["rate_effect"].sum())


def diagnose(
    before: pd.DataFrame, after: pd.DataFrame, *, trials: str, successes: str, source: str = "source",
    product: str = "product_id", confidence: float = 0.95,
) -> Diagnosis:
    """Imprecise traffic, or a weak pitch? From cells of source x product of two periods, for one step of the way.

    Quasi-binomial model logit(p) = source + product + period, then source x period and product x period by F-tests on the
    deviance; cells are weighted for how much they differ beyond sampling (Williams 1982). In this order: mix, where the mix of sources makes most of
    a fall and its interval leaves 0; one source; one product; everything alike; else cannot tell. Cells without trials
    are left out. The dispersion holds cell-to-cell noise; that whole sessions differ must be judged by `compare`.
    """
    cells = pd.concat([
        pd.DataFrame({"source": part[source].to_numpy(), "product": part[product].to_numpy(), "after": flag,
                      "trials": part[trials].to_numpy(float), "successes": part[successes].to_numpy(float)})
        for part, flag in ((before, 0.0), (after, 1.0))
    ], ignore_index=True)
    cells = cells.groupby(["source", "product", "after"], as_index=False)[["trials", "successes"]].sum()
    both = cells.groupby("product")["after"].transform("nunique").eq(2) & cells["trials"].gt(0)
    cells = cells[both].reset_index(drop=True)
    if cells["after"].nunique() < 2 or cells["successes"].sum() == 0:
        return Diagnosis("cannot_tell", *[np.nan] * 8, *CAUSES["cannot_tell"])
    period = cells[["after"]]
    base = _dummies(cells, ["source", "product"])
    by_source, by_product = (_times_period(_dummies(cells, [name]), cells["after"]) for name in ("source", "product"))
    cells = _weighted(cells, base, period, by_source, by_product)
    full = _fit(cells, base, period, by_source, by_product)
    scale = max(full.pearson_chi2 / full.df_resid, 1.0) if full.df_resid > 0 else 1.0
    dispersion = float((cells["trials"] / cells["weight"]).mean()) * scale
    p_source = _f_test(_fit(cells, base, period, by_product), full, scale)
    p_product = _f_test(_fit(cells, base, period, by_source), full, scale)
    p_period = _f_test(_fit(cells, base), _fit(cells, base, period), scale)
    mix, lower, upper, rate = _mix_interval(cells, dispersion, confidence)
    cause = _cause(mix, lower, upper, rate, p_period, p_source, p_product, 1 - confidence)
    return Diagnosis(cause, mix, lower, upper, rate, p_period, p_source, p_product, dispersion, *CAUSES[cause])


def _cause(mix: float, lower: float, upper: float, rate: float, p_period: float, p_source: float, p_product: float, level: float) -> str:
    if upper < 0 and abs(mix) > abs(rate):
        return "mix"
    found = {"source": p_source, "product": p_product}
    told = {name: p for name, p in found.items() if p < level / 2}  # two tests, one conclusion
    if told:
        return min(told, key=told.get)
    return "overall" if p_period < level else "cannot_tell"
