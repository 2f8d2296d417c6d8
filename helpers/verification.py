"""Did the plan work? Sessions after an action against the sessions before it, never against the bad one alone.

The session that a plan came from was picked because it was bad, so the next one is better by itself (regression to the
mean): of products picked as worst with nothing done, most "improve". The baseline is the sessions before the flagged
one, and the interval holds the variation from session to session. Where a plan row names a slice (a source, a product,
a half hour), slices that no plan touched are its controls: what moved all of them alike was not the action
(difference-in-differences).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats as distributions

from helpers import aftersales, compare, findings, metrics, reference, service, split, stats, text
from helpers.split import dimensions

FEWEST_BEFORE = 4
MOST_BEFORE = 15  # further back an account is another account: hosts, seasons and prices change
MOST_FURTHER = 60
INTERIM_SHARE = 0.2  # of the error allowed, spent on looks before the planned number of sessions is reached
NO_VARIATION = 1e-12  # values that differ by less are the same: they say nothing of how much they vary
FEWEST_CONTROLS = 2
NEARLY_ALL = 0.9  # of the sessions looked at, a control must be in so many
PRICE_BAND = 2.0  # a control product's price is at most so many times the treated one's, or its share of it
SLOPE_ERROR = 0.05  # a history against the controls that runs up or down with a p-value below this is not parallel
FEWEST_BLOCKS, FEWEST_BLOCK_MINUTES = 8, 20
FEWEST_RANKED = 5  # judged actions of a kind below which it is not ranked, and of all below which nothing is said
MOST_NAMED = 6  # controls that a sentence lists
AXES = {"source": ("来源", "sources"), "product_id": ("商品", "products"), "slot": ("时段", "time slots")}
RECORD_BY = ("dimension", "problem", "cause", "owner_role")
COLUMNS = [
    "plan_id", "session_id", "metric", "slice", "dimension", "problem", "cause", "action", "owner_role", "status", "verdict", "estimator",
    "n_before", "n_after", "n_planned", "flagged", "before", "after", "expected", "expected_rebound", "effect", "effect_lower",
    "effect_upper", "least_effect", "n_controls", "controls_effect", "controls_lower", "controls_upper", "other_effect", "other_lower",
    "other_upper", "other_verdict", "further_sessions", "alternate_by", "n_blocks", "block_sessions", "final", "controls_zh",
    "controls_en", "reason_zh", "reason_en", "among_zh", "among_en",
]


class Effect(NamedTuple):
    """An action's effect on its metric in the good direction (0.1: 10 % better), with its interval.

    `before` and `after` are (geometric) means; `sd` is from session to session on the scale compared; `expected` is
    what the next session would have shown without any action.
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
    """A slice against its controls: the effect, the controls' own change, and the p-value of a slope in the history."""

    effect: Effect
    controls: Effect
    slope_p: float


def _known(values: npt.ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]


def _gap(x0: np.ndarray, x1: np.ndarray, error: float) -> tuple[np.ndarray, float]:
    """Mean after less mean before with its bounds, and the spread before; no bounds where nothing varied before."""
    sd, n, gap = float(x0.std(ddof=1)), len(x0), x1.mean() - x0.mean()
    half = distributions.t.ppf(1 - error / 2, n - 1) * sd * np.sqrt(1 / len(x1) + 1 / n) if sd > NO_VARIATION else np.nan
    return np.array([gap, gap - half, gap + half]), sd


def _good(bounds: np.ndarray, bigger_is_better: bool) -> list[float]:
    """Value, lower and upper in the good direction."""
    return [float(value) for value in (bounds if bigger_is_better else -bounds[[0, 2, 1]])]


def effect(
    before: npt.ArrayLike, after: npt.ArrayLike, *, flagged: float = np.nan, bigger_is_better: bool = True, error: float = 0.05,
) -> Effect:
    """Mean of the sessions after against the mean before: d +- t(n-1) s sqrt(1/n_after + 1/n_before), s from before.

    On the log scale where all values are positive, else relative to the mean before. `flagged` is the value of the
    session that the plan came from: it is no part of the baseline, but of what to expect without action,
    (n mean + flagged) / (n + 1). `nan` bounds with fewer than `FEWEST_BEFORE` sessions before, none after, or where
    the sessions before are all the same. Effects are in the good direction: for a metric that should fall, a fall by
    10 % is an effect of +0.1.
    """
    y0, y1 = _known(before), _known(after)
    if len(y0) < FEWEST_BEFORE or len(y1) == 0:
        mean0, mean1 = (float(y.mean()) if len(y) else np.nan for y in (y0, y1))
        return Effect(np.nan, np.nan, np.nan, mean0, mean1, np.nan, np.nan, len(y0), len(y1))
    log = bool((y0 > 0).all() and (y1 > 0).all())
    level = 1.0 if log else abs(y0.mean()) or 1.0
    x0, x1 = (np.log(y0), np.log(y1)) if log else (y0 / level, y1 / level)
    back = np.exp if log else (lambda x: x * level)
    bounds, sd = _gap(x0, x1, error)
    value, low, high = _good(np.expm1(bounds) if log else bounds, bigger_is_better)
    n = len(x0)
    bad = np.nan if not np.isfinite(flagged) or (log and flagged <= 0) else (np.log(flagged) if log else flagged / level)
    expected = back((n * x0.mean() + bad) / (n + 1)) if np.isfinite(bad) else back(x0.mean())
    return Effect(value, low, high, float(back(x0.mean())), float(back(x1.mean())), float(expected), sd, n, len(x1))


def _logs(values: npt.ArrayLike) -> np.ndarray:
    """Logarithms; a zero counts as half of the smallest value seen, a negative value has none."""
    y = np.asarray(values, dtype=float)
    seen = y[y > 0]
    least = seen.min() / 2 if seen.size else np.nan
    return np.log(np.where(y == 0, least, np.where(y > 0, y, np.nan)))


def against_controls(
    before: npt.ArrayLike, after: npt.ArrayLike, controls_before: npt.ArrayLike, controls_after: npt.ArrayLike, *,
    flagged: float = np.nan, bigger_is_better: bool = True, error: float = 0.05,
) -> Contrast:
    """Difference-in-differences on the log scale: a session's value less the mean of its controls, before and after.

    `controls_before` and `controls_after` are sessions x controls, nan where a control was not in the session; each
    control counts by its distance from its own mean before, so that a missing one shifts nothing. The interval is that
    of `effect` with the spread of the difference, so what moves all slices of a session alike is not in it.
    `expected` is that of `effect` moved along with the controls. `slope_p` is of the regression of the difference on
    the order of the sessions before: small where slice and controls did not run in parallel.
    """
    n, y = len(np.asarray(before)), _logs(np.r_[before, after])
    wide = pd.DataFrame(np.apply_along_axis(_logs, 0, np.vstack([controls_before, controls_after])))
    levels = wide.iloc[:n].mean()
    shock = (wide - levels).mean(axis=1).to_numpy()
    usable = np.isfinite(y) & np.isfinite(shock)
    own, moved = (x[:n][usable[:n]] for x in (y, shock)), (x[n:][usable[n:]] for x in (y, shock))
    (y0, shock0), (y1, shock1) = own, moved
    alone = effect(np.exp(y0), np.exp(y1), flagged=flagged, bigger_is_better=bigger_is_better, error=error)
    theirs = effect(np.exp(shock0 + levels.mean()), np.exp(shock1 + levels.mean()), bigger_is_better=bigger_is_better, error=error)
    if not np.isfinite(alone.effect):
        return Contrast(alone, theirs, np.nan)
    bounds, sd = _gap(y0 - shock0, y1 - shock1, error)
    value, low, high = _good(np.expm1(bounds), bigger_is_better)
    slope = distributions.linregress(np.arange(len(y0)), y0 - shock0).pvalue if sd > NO_VARIATION else np.nan
    expected = alone.expected * float(np.exp(shock1.mean() - shock0.mean()))
    return Contrast(alone._replace(effect=value, lower=low, upper=high, sd=sd, expected=expected), theirs, float(slope))


def verdict(lower: float, value: float, upper: float, least_effect: float) -> str:
    """harmful, effective_but_small, effective, not_effective or cannot_tell, in this order.

    Interval below 0: harmful. Above 0 but all of it under the least useful effect: effective but small. Above 0 and the
    point at least that effect: effective. All of it under that effect: not effective. Else it cannot be told.
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


def _aim(found: Effect, least_effect: float) -> float:
    """What is to be seen, on the log scale: the least useful effect, or the larger one seen so far."""
    return float(np.log1p(max(least_effect, found.effect)))


def further_sessions(found: Effect, least_effect: float, *, error: float = 0.05, power: float = 0.80) -> float:
    """How many more sessions are needed to see the effect (the least useful one, or the larger one seen so far).

    With the variation of the baseline and the given power; `inf` where `MOST_FURTHER` would not do: then the metric
    varies too much from session to session for this plan, and `nan` where there is no effect to reckon with.
    """
    if not np.isfinite(found.effect) or not np.isfinite(found.sd):
        return np.nan
    aim = _aim(found, least_effect)
    quantiles = distributions.t.ppf([1 - error / 2, power], found.n_before - 1).sum()
    for total in range(found.n_after + 1, found.n_after + MOST_FURTHER + 1):
        if quantiles * found.sd * np.sqrt(1 / total + 1 / found.n_before) <= aim:
            return float(total - found.n_after)
    return np.inf


def blocks_needed(sd: float, aim: float, *, error: float = 0.05, power: float = 0.80) -> int:
    """How many blocks, half of them drawn at random for the new way, show a difference of `aim` on the log scale.

    The smallest even number n >= 8 with (t(1 - error/2) + t(power)) 2 sd / sqrt(n) <= aim at n - 2 degrees of freedom;
    `sd` is from block to block on the log scale, the session's level and the block's usual place in it taken out.
    """
    normal = (distributions.norm.ppf([1 - error / 2, power]).sum() * 2 * sd / aim) ** 2  # as t needs more, the search starts here
    n = max(FEWEST_BLOCKS, int(normal) // 2 * 2)
    while distributions.t.ppf([1 - error / 2, power], n - 2).sum() * 2 * sd / np.sqrt(n) > aim:
        n += 2
    return n


def error_at_look(n_after: int, planned: int, error: float) -> float:
    """The error that one look may spend: looks before the planned number share a fifth of it, the last has the rest."""
    if planned <= 1:
        return error
    return (1 - INTERIM_SHARE) * error if n_after >= planned else INTERIM_SHARE * error / (planned - 1)


# --------------------------------------------------------------------------------------------------- a plan row's values


class _Seen(NamedTuple):
    """The values that one plan row is judged by: before the flagged session, since the action, and on the day itself.

    All are of one festival state (`festival`: a festival's name and year, or none); `later` counts all sessions since,
    `apart` those since that compare but for their festival state, `states` says whether sessions are of several.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    later: int
    flagged: float
    festival: str
    apart: int
    states: bool


def _starts(row: pd.Series, known: pd.Series) -> pd.Timestamp:
    """When the action began to hold: the due session's start where the row names one, else just after the flagged one."""
    flagged, due = known.get(row["session_id"], pd.NaT), row.get("due_session")
    return max(known[due], flagged) if isinstance(due, str) and due in known.index else flagged


def _seen(row: pd.Series, values: pd.DataFrame, known: pd.Series, planned: int) -> _Seen:
    mine = (values["metric"] == row["metric"]) & (values["slice"] == findings.slice_key(row["slice"]))
    own = values[mine].dropna(subset=["value"]).sort_values("started_at")
    flagged_at = known[row["session_id"]]
    later = own[(own["started_at"] > flagged_at) & (own["started_at"] >= _starts(row, known))]
    bad = own.loc[own["session_id"] == row["session_id"], "value"]
    before, since = own[own["comparable"] & (own["started_at"] < flagged_at)], later[later["comparable"]]
    state = _state(before["festival"], since["festival"], planned)
    alike = since["festival"].eq(state)
    return _Seen(
        before[before["festival"].eq(state)].tail(MOST_BEFORE), since[alike].head(planned), len(later), float(bad.iloc[0]) if len(bad) else np.nan,
        state, int((~alike).sum()), bool(set(before["festival"]) | set(since["festival"]) != {state}),
    )


def _state(before: pd.Series, since: pd.Series, planned: int) -> str:
    """The festival state in which sessions since are judged: the one with most of those planned, of states with enough sessions before.

    Ordinary days before a festival where both have as many. Where no state has enough before, that of most sessions since.
    """
    known, held = since.value_counts().clip(upper=planned), before.value_counts()
    enough = known[[held.get(state, 0) >= FEWEST_BEFORE for state in known.index]]
    ranked = enough if len(enough) else known
    return max(sorted(ranked.index), key=lambda state: ranked[state]) if len(ranked) else ""


# -------------------------------------------------------------------------------------------------------------- controls


def _acted(plans: pd.DataFrame, known: pd.Series) -> pd.DataFrame:
    """Plan rows that were not dropped: slice (its key), action, and when it began to hold."""
    rows = plans[plans["status"] != "dropped"]
    began = [_starts(row, known) for _, row in rows.iterrows()]
    return pd.DataFrame({"slice": rows["slice"].map(findings.slice_key), "action": rows["action"], "started_at": began})


def _touched(others: pd.DataFrame, acted: pd.DataFrame, seen: _Seen) -> set[str]:
    """Slices that an action named, by its slice or in its words, that began between the first and the last session seen."""
    first, last = seen.before["started_at"].min(), seen.after["started_at"].max()
    meanwhile = acted[acted["started_at"].between(first, last)]
    words, labels = " ".join(meanwhile["action"]), others.drop_duplicates("slice").set_index("slice")["label"]
    return set(meanwhile["slice"]) | {key for key, label in labels.items() if label and label in words}


def _in_band(others: pd.DataFrame, price: float) -> set[str]:
    """Slices of a similar price; all where prices are not known."""
    theirs = others.groupby("slice")["price"].median()
    return set(theirs.index[theirs.isna() | np.isnan(price) | theirs.between(price / PRICE_BAND, price * PRICE_BAND)])


def _controls(seen: _Seen, values: pd.DataFrame, acted: pd.DataFrame) -> pd.DataFrame:
    """The metric of the untouched slices that may serve as controls: sessions seen (before, then after) x slice."""
    own = seen.before.iloc[0]
    ids = [*seen.before["session_id"], *seen.after["session_id"]]
    same = (values["metric"] == own["metric"]) & (values["axis"] == own["axis"]) & (values["slice"] != own["slice"])
    others = values[same & values["session_id"].isin(ids)]
    allowed = _in_band(others, seen.before["price"].median()) - _touched(others, acted, seen)
    wide = others[others["slice"].isin(allowed)].pivot(index="session_id", columns="slice", values="value").reindex(ids)
    return wide.loc[:, (wide.notna().mean() >= NEARLY_ALL) & (wide >= 0).any()]


def _said(zh: str, en: str, about: str = "reason") -> dict[str, str]:
    return {f"{about}_zh": zh, f"{about}_en": en}


def _among(seen: _Seen) -> dict[str, str]:
    """Which sessions are set against each other, in words, where some were in a festival and some were not."""
    if not seen.states and not seen.festival:
        return _said("", "", "among")
    left = (f"；之后另有 {seen.apart} 场大促状态不同，没有算进来", f"; {seen.apart} since of another festival state do not count") if seen.apart else ("", "")
    if not seen.festival:
        return _said(f"只在非大促场次之间比{left[0]}", f"only sessions outside festivals are compared{left[1]}", "among")
    return _said(f"前后都只取{seen.festival}期间的场次{left[0]}；大促里各天也不一样，大促过后要再判一次",
                 f"only sessions within {seen.festival} are compared{left[1]}; days of a festival differ too, so it must be judged again after it", "among")


def _contrast(
    seen: _Seen, values: pd.DataFrame, acted: pd.DataFrame, *, bigger_is_better: bool, error: float,
) -> tuple[Contrast | None, int, dict[str, str]]:
    """The slice against its controls, how many these are, and in words which they are or why there are none."""
    if seen.before.empty or not seen.before["axis"].iloc[0]:
        return None, 0, _said("", "", "controls")
    controls, (kind_zh, kind_en) = _controls(seen, values, acted), AXES[seen.before["axis"].iloc[0]]
    if controls.shape[1] < FEWEST_CONTROLS:
        return None, controls.shape[1], _said(
            f"可作对照的未改动{kind_zh}不足 {FEWEST_CONTROLS} 个，只能与自己的过去比",
            f"fewer than {FEWEST_CONTROLS} untouched {kind_en} could serve as controls, so it is set against its own past", "controls")
    wide, n = controls.to_numpy(), len(seen.before)
    made = against_controls(
        seen.before["value"], seen.after["value"], wide[:n], wide[n:], flagged=seen.flagged, bigger_is_better=bigger_is_better, error=error)
    labels = values.drop_duplicates("slice").set_index("slice")["label"]
    n_controls = controls.shape[1]
    zh, en = ([_slice_words(labels[key] or key, lang) for key in controls.columns[:MOST_NAMED]] for lang in ("zh", "en"))
    more_zh, more_en = (f"等 {n_controls} 个", f" and {n_controls - MOST_NAMED} more") if n_controls > MOST_NAMED else ("", "")
    return made, n_controls, _said(f"对照：{'、'.join(zh)}{more_zh}（未改动的{kind_zh}）", f"controls: {', '.join(en)}{more_en} (untouched {kind_en})", "controls")


def _stands(contrast: Contrast | None) -> bool:
    """Whether the controls may judge: there are any, with bounds, and the history ran in parallel."""
    return contrast is not None and bool(np.isfinite(contrast.effect.lower)) and not contrast.slope_p < SLOPE_ERROR


def _beside(contrast: Contrast | None, alone: Effect, least_effect: float) -> dict[str, object]:
    """The controls' own change, and the estimator that did not judge with what it would have said."""
    if contrast is None:
        return {}
    other, theirs = alone if _stands(contrast) else contrast.effect, contrast.controls
    return {
        "controls_effect": theirs.effect, "controls_lower": theirs.lower, "controls_upper": theirs.upper, "other_effect": other.effect,
        "other_lower": other.lower, "other_upper": other.upper, "other_verdict": verdict(other.lower, other.effect, other.upper, least_effect),
    }


# ----------------------------------------------------------------------------------------- a quicker proof: alternation


def _slot_rows(minutes: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Minutes as half hours since each session's start, those with at least 20 minutes: one row per session_id x slot.

    Sums of the minutes' columns. People who entered stand for viewers and views, paid orders for people who paid: a
    minute record has no other.
    """
    named = dimensions.half_hours(minutes["at"], minutes["session_id"], sessions).map(dimensions.slot_name, na_action="ignore")
    numbers = [name for name in minutes.columns if pd.api.types.is_numeric_dtype(minutes[name])]
    grouped = minutes.assign(slot=named).groupby(["session_id", "slot"])
    sums = grouped[numbers].sum(min_count=1)[grouped.size() >= FEWEST_BLOCK_MINUTES].reset_index()
    return sums.assign(viewers=sums["entered"], views=sums["entered"], pay_users=sums["orders"])


def _product_rows(products: pd.DataFrame) -> pd.DataFrame:
    """Products (no SKU rows) with the columns that session metrics are made from."""
    rows = split.whole_products(products)
    return rows.assign(product_exposure_users=rows["exposure_users"], product_click_users=rows["click_users"])


def _of_rows(ids: list[str], rows: pd.DataFrame, registry: Mapping[str, reference.Metric]) -> list[str]:
    """The metrics whose every term is a column of these rows."""
    return [name for name in ids if name in registry and set(metrics.terms(registry[name])) <= set(rows.columns)]


def _block_sd(rows: pd.DataFrame, slice: str) -> float:
    """Spread of the log values from block to block, each session's level and each block's usual place taken out."""
    often = rows.assign(x=_logs(rows["value"])).dropna(subset=["x"])
    often = often[often.groupby(slice)["x"].transform("size") >= FEWEST_BEFORE]
    rest = often["x"] - often.groupby("session_id")["x"].transform("mean")
    rest = rest - rest.groupby(often[slice]).transform("mean")
    free = len(often) - often["session_id"].nunique() - often[slice].nunique() + 1
    return float(np.sqrt((rest**2).sum() / free)) if free >= FEWEST_BLOCKS else np.nan


def block_variation(
    known: pd.DataFrame, plans: pd.DataFrame, *, minutes: pd.DataFrame, products: pd.DataFrame, sessions: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """How much the metrics that plans name for the whole session vary within sessions, from one block to the next.

    One row per metric x kind of block: metric, by (half_hour, product), sd (log scale), per_session (blocks in a
    session). From the last comparable sessions of `history` that have minutes or products.
    """
    ids = [name for name in plans.loc[plans["slice"] == "", "metric"].unique() if name in registry]
    recent = known[known["comparable"]].sort_values("started_at", ascending=False)["session_id"].unique()
    made = []
    for by, slice, rows in (("half_hour", "slot", _slot_rows(minutes, sessions)), ("product", "product_id", _product_rows(products))):
        here = set(rows["session_id"])
        own = rows[rows["session_id"].isin([name for name in recent if name in here][:MOST_BEFORE])]
        for name in _of_rows(ids, own, registry) if len(own) else []:
            values = metrics.evaluate(own, [name], registry=registry, by=["session_id", slice]).dropna(subset=["value"])
            per_session = values.groupby("session_id").size().median() if len(values) else np.nan
            made.append({"metric": name, "by": by, "sd": _block_sd(values, slice), "per_session": per_session})
    return pd.DataFrame(made, columns=["metric", "by", "sd", "per_session"]).dropna().reset_index(drop=True)


def _alternation(row: pd.Series, found: Effect, variation: pd.DataFrame | None, further: float) -> dict[str, object]:
    """The kind of block that proves it soonest, with the number of blocks, where that is sooner than waiting."""
    if variation is None or row["slice"] or not np.isfinite(found.effect):
        return {}
    aim = _aim(found, row["least_effect"])
    ways = [(np.ceil(n / way.per_session), n, way.by) for way in variation[variation["metric"] == row["metric"]].itertuples()
            for n in [blocks_needed(way.sd, aim)]]
    taken, blocks, by = min(ways, default=(np.inf, np.nan, ""))
    return {"alternate_by": by, "n_blocks": blocks, "block_sessions": taken} if taken < min(further, MOST_FURTHER + 1) else {}


# -------------------------------------------------------------------------------------------------------------- verdicts


def _refused(row: pd.Series, known: pd.Series, registry: Mapping[str, reference.Metric]) -> dict[str, object] | None:
    """The verdict on a row that cannot be judged, whatever the values; None where it can."""
    if row["status"] != "done":
        return {"verdict": "not_done", **_said("该项未标记为已执行", "not marked as done")}
    if row["session_id"] not in known.index:
        return _said("计划所出的场次不在数据里", "the session of the plan is not in the data")
    if row["metric"] not in registry:
        return _said("验证指标不在指标库里", "the verifying metric is not in the registry")
    if registry[row["metric"]].bigger_is_better is None:
        return {"verdict": "not_comparable", **_said("该指标没有好坏方向", "the metric has no good direction")}
    return None


def _numbers(found: Effect, seen: _Seen) -> dict[str, object]:
    rebound = found.expected / seen.flagged - 1 if seen.flagged else np.nan
    return {
        "n_before": found.n_before, "n_after": found.n_after, "flagged": seen.flagged, "before": found.before, "after": found.after,
        "expected": found.expected, "expected_rebound": rebound, "effect": found.effect, "effect_lower": found.lower, "effect_upper": found.upper,
    }


def _judged(
    row: pd.Series, seen: _Seen, planned: int, values: pd.DataFrame, acted: pd.DataFrame, variation: pd.DataFrame | None, *,
    bigger_is_better: bool, error: float,
) -> dict[str, object]:
    """The verdict on a row with sessions since: by the controls where they may judge, else by its own past."""
    way = {"bigger_is_better": bigger_is_better, "error": error_at_look(len(seen.after), planned, error)}
    alone = effect(seen.before["value"], seen.after["value"], flagged=seen.flagged, **way)
    contrast, n_controls, controls = _contrast(seen, values, acted, **way)
    found, by = (contrast.effect, "controls") if _stands(contrast) else (alone, "baseline")
    if contrast is not None and contrast.slope_p < SLOPE_ERROR:
        controls = _said("此前与对照的走势不平行，对照不作数，只与自己的过去比", "its history did not run in parallel with the controls', so it is set against its own past", "controls")
    said = verdict(found.lower, found.effect, found.upper, row["least_effect"])
    made = {
        **_numbers(found, seen), **controls, **_beside(contrast, alone, row["least_effect"]), "verdict": said, "estimator": by,
        "n_controls": n_controls if row["slice"] else np.nan, "final": len(seen.after) >= planned, **_among(seen),
    }
    if found.n_before < FEWEST_BEFORE and seen.states:
        return made | {"estimator": "", "verdict": "not_comparable"} | _said(
            f"之后的场次与此前的大促状态不同，此前同类场次只有 {found.n_before} 场", f"the sessions since differ from those before in their festival state; only {found.n_before} before are alike")
    if found.n_before < FEWEST_BEFORE:
        return made | {"estimator": ""} | _said(f"此前可比场次只有 {found.n_before} 场", f"only {found.n_before} comparable sessions before")
    if not np.isfinite(found.lower):
        return made | _said("此前各场的数值都一样，无从知道它平时波动多大", "all sessions before have the same value, which does not tell how much it varies")
    if said == "cannot_tell":
        made["further_sessions"] = further_sessions(found, row["least_effect"], error=error)
        made |= _alternation(row, found, variation, made["further_sessions"])
    return made


def _verify_row(
    row: pd.Series, values: pd.DataFrame, known: pd.Series, acted: pd.DataFrame, variation: pd.DataFrame | None,
    registry: Mapping[str, reference.Metric], error: float,
) -> dict[str, object]:
    planned = max(int(row["sessions"]), 1) if pd.notna(row["sessions"]) else 1
    made: dict[str, object] = dict.fromkeys(COLUMNS, np.nan) | {name: row[name] for name in COLUMNS if name in row.index}
    words = dict.fromkeys(("estimator", "alternate_by", "other_verdict", "controls_zh", "controls_en", "reason_zh", "reason_en", "among_zh", "among_en"), "")
    made |= {"n_planned": planned, "verdict": "cannot_tell", "final": False, **words}
    refused = _refused(row, known, registry)
    if refused is not None:
        return made | refused
    seen = _seen(row, values, known, planned)
    if seen.after.empty and seen.later:
        return made | {"verdict": "not_comparable", **_said("之后的场次类型不同，不可比", "the sessions since are of another kind")}
    if seen.after.empty:
        return made | _said("执行后还没有该指标的数据", "no value of the metric since the action")
    better = registry[row["metric"]].bigger_is_better
    return made | _judged(row, seen, planned, values, acted, variation, bigger_is_better=better, error=error)


# ------------------------------------------------------------------------------------------------------ gathering values


def _by_slice(rows: pd.DataFrame, slice: str, wanted: pd.DataFrame, registry: Mapping[str, reference.Metric]) -> pd.DataFrame:
    """The metrics that plan rows name for slices of this kind, of all slices: the others may serve as controls.

    Columns: session_id, metric, value, slice, axis (the kind), label (what people call it), price.
    """
    named = wanted[wanted["slice"].map(findings.slice_key).isin(rows[slice])]
    ids = _of_rows(list(named["metric"].unique()), rows, registry)
    if not ids:
        return pd.DataFrame(columns=["session_id", "metric", "value", "slice", "axis", "label", "price"])
    made = metrics.evaluate(rows[rows[slice].notna()], ids, registry=registry, by=["session_id", slice])
    about = rows.drop_duplicates(["session_id", slice]).set_index(["session_id", slice])
    at = pd.MultiIndex.from_frame(made[["session_id", slice]])
    label, price = (about[name].reindex(at).to_numpy() if name in about else other for name, other in (("name", made[slice]), ("price", np.nan)))
    shaped = made.rename(columns={slice: "slice"}).assign(axis=slice, label=label, price=price)
    return shaped[["session_id", "metric", "value", "slice", "axis", "label", "price"]]


def gather(
    sessions: pd.DataFrame, lines: pd.DataFrame, *, plans: pd.DataFrame, enquiries: pd.DataFrame, traffic: pd.DataFrame, products: pd.DataFrame,
    minutes: pd.DataFrame, session_id: str, as_of: pd.Timestamp, registry: dict[str, reference.Metric],
) -> pd.DataFrame:
    """Every value that the plan rows may name: one row per session_id x metric x slice (slice "" for the whole).

    Session metrics with totals per hour (`compare.on_one_scale`), the refund rate of order lines at the age of the
    session under review (a younger session always looks better), the metrics of enquiries; and the metrics that plan
    rows name for a source, a product or a half hour (as 000-030), of all sources, products or half hours, with axis
    (source, product_id, slot), label and price.
    """
    values = metrics.by_session(sessions, compare.comparable_metrics(registry), registry=registry)
    parts = [compare.on_one_scale(values, sessions, registry)]
    own = lines[lines["session_id"] == session_id]
    if len(own):
        age = ((as_of - own["paid_at"]) / aftersales.DAY).mean()
        same = aftersales.rates_at_age(lines, age_days=age, as_of=as_of).rename(columns={"rate": "value"})
        # The session itself is only about as old as its own mean age: its rate is the one so far.
        now = pd.DataFrame({"session_id": [session_id], "value": [own["refunded"].mean()]})
        parts.append(pd.concat([same[same["session_id"] != session_id], now]).assign(metric="refund_rate_orders"))
    of_service = [name for name, metric in registry.items() if metric.table == "service"]
    known = enquiries.dropna(subset=["session_id"])
    if len(known) and of_service:
        timed = service.marked(known, as_of=as_of, seconds=reference.service().reply.seconds)
        parts.append(metrics.evaluate(timed, of_service, registry=registry, by="session_id"))
    whole = pd.concat([part[["session_id", "metric", "value"]] for part in parts], ignore_index=True).assign(slice="")
    wanted, goods = plans[plans["slice"] != ""], split.whole_products(products)
    slices = (("source", traffic), ("product_id", goods), ("slot", _slot_rows(minutes, sessions)))
    made = [part for slice, rows in slices if len(part := _by_slice(rows, slice, wanted, registry))]
    return pd.concat([whole, *made], ignore_index=True)


def _disturbed(values: pd.DataFrame, sessions: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Whether a logged event that names the metric lay over the session."""
    found = pd.Series(False, index=values.index)
    start = values["session_id"].map(sessions.set_index("session_id")["started_at"])
    for event in events.dropna(subset=["metric"]).itertuples():
        found |= values["metric"].eq(event.metric) & (start >= event.starts_at) & (start <= event.to)
    return found


def history(
    values: pd.DataFrame, sessions: pd.DataFrame, *, room_of: str, events: pd.DataFrame, calendar: Iterable[reference.Festival] = (),
) -> pd.DataFrame:
    """Metric values by session as `verify` reads them: one row per session x metric x slice.

    `values` are tidy (session_id, metric, value, and slice, axis, label, price where there are any: `gather`), `room_of`
    is the session under review, `events` are those of `compare.event_windows`. Columns: session_id, started_at, metric, slice, axis, label, price, value, comparable: whether the session is of the same platform and
    room, no promotion or clearance, and not under a logged event that names the metric; festival: the festival and year
    of `calendar` in which the session lies, or empty. Sessions after the one under review are left out.
    """
    known = sessions.set_index("session_id")
    own = known.loc[room_of]
    started, kind = (values["session_id"].map(known[name]) for name in ("started_at", "kind"))
    same_room = values["session_id"].map(compare.same_room(known, own)).fillna(False).astype(bool)
    ordinary = ~kind.isin(["promotion", "clearance"])
    made = values.assign(started_at=started, comparable=same_room & ordinary & ~_disturbed(values, sessions, events))
    for name in ("slice", "axis", "label"):
        made[name] = made[name].astype("str").where(made[name].notna(), "") if name in made else ""
    made["price"] = made["price"].astype(float) if "price" in made else np.nan
    state = compare.described(sessions, calendar).set_index("session_id")["festival"]
    kept = made[made["started_at"] <= own["started_at"]].assign(festival=lambda rows: rows["session_id"].map(state))
    return kept[["session_id", "started_at", "metric", "slice", "axis", "label", "price", "value", "comparable", "festival"]].reset_index(drop=True)


def verify(
    plans: pd.DataFrame, values: pd.DataFrame, sessions: pd.DataFrame, *, registry: Mapping[str, reference.Metric],
    variation: pd.DataFrame | None = None, error: float = 0.05,
) -> pd.DataFrame:
    """Verdicts on the plan rows of earlier sessions, one row per plan row, columns `COLUMNS`.

    `plans` are plan rows (helpers.planfile.COLUMNS), `values` is `history` up to the session under review, `variation`
    is `block_variation`. The baseline are the comparable sessions before the flagged session, the outcome the first
    `sessions` comparable ones from the due session on. before, after, flagged and expected are in the metric's unit;
    effects are relative and in the good direction. `estimator` says who judged: controls (untouched slices of the same
    kind, for rows that name a slice; `controls_*` is their own change, `other_*` what the slice's own past says) or
    baseline. `further_sessions` says how many more would do (`inf`: more than 60), `alternate_by`, `n_blocks` and
    `block_sessions` where alternating within sessions would do in fewer; `final` whether the planned number of sessions
    is reached, before which a fifth of the error is spent on all looks together. Sessions before and since are of one
    festival state, as in notebook 03: a festival is never set against ordinary days (`among_*` says so in words).
    """
    known = sessions.set_index("session_id")["started_at"]
    acted = _acted(plans, known)
    rows = [_verify_row(row, values, known, acted, variation, registry, error) for _, row in plans.iterrows()]
    made = pd.DataFrame(rows, columns=COLUMNS)
    numbers = [name for name in COLUMNS if name.startswith(("n_", "effect", "expected", "further", "block_")) or name in (
        "flagged", "before", "after", "least_effect", "controls_effect", "controls_lower", "controls_upper", "other_effect", "other_lower", "other_upper")]
    return made.astype({**dict.fromkeys(numbers, "float64"), "final": "bool"})


# --------------------------------------------------------------------------------------------------------- track record


def _by_label(playbook: Mapping[str, reference.Problem]) -> dict[str, reference.Label]:
    """Problems and causes by their name in either language: plan files hold the language of the run that wrote them."""
    named = [*playbook.values(), *(cause for problem in playbook.values() for cause in problem.causes)]
    return {name: entry for entry in named for name in (entry.zh, entry.en)}


def _kinds(checked: pd.DataFrame, by: str, playbook: Mapping[str, reference.Problem]) -> pd.DataFrame:
    """What each row is counted under: key, zh, en."""
    known = {**_by_label(playbook), **reference.terms().get({"owner_role": "role"}.get(by, by), {})}
    labels = [known.get(value) for value in checked[by]]
    zh = [label.zh if label else value for label, value in zip(labels, checked[by], strict=True)]
    en = [label.en if label else value for label, value in zip(labels, checked[by], strict=True)]
    return pd.DataFrame({"zh": zh, "en": en}, index=checked.index)


COUNTED = ("effective", "effective_but_small", "not_effective", "harmful", "cannot_tell")


def _counts(rows: pd.DataFrame) -> dict[str, object]:
    """One kind of action counted: judged are those done that had the planned number of sessions, by their verdict."""
    done = rows[rows["verdict"] != "not_done"]
    judged = done[done["final"] & done["verdict"].isin(COUNTED)]
    lower, upper = stats.wilson((judged["verdict"] == "effective").sum(), len(judged))
    return {
        "done": len(done), "judged": len(judged), **{name: int((judged["verdict"] == name).sum()) for name in COUNTED},
        "running": len(done) - len(judged), "not_done": len(rows) - len(done),
        "share": (judged["verdict"] == "effective").mean() if len(judged) else np.nan,
        "lower": float(lower), "upper": float(upper), "median_effect": judged["effect"].median(),
    }


def track_record(checked: pd.DataFrame, playbook: Mapping[str, reference.Problem]) -> pd.DataFrame:
    """Which kinds of action have worked on this account: the verdicts of `verify` counted, one row per record_by x kind.

    record_by is all, dimension, problem, cause or owner_role; zh, en name the kind. done = judged + running (too few sessions
    yet, or not comparable); judged by verdict; share is effective of judged, those that could not be told included,
    with its Wilson interval (lower, upper); median_effect is over all judged, relative and in the good direction; all
    four are nan under `FEWEST_RANKED` judged, as a share of one or two says nothing.
    rank orders the kinds of one `record_by` by the lower bound, and is nan under `FEWEST_RANKED` judged, and
    where fewer than two kinds have as many.
    """
    rows = [{"record_by": "all", "zh": "全部", "en": "All", **_counts(checked)}] if len(checked) else []
    for by in RECORD_BY:
        kinds = _kinds(checked, by, playbook)
        rows += [{"record_by": by, "zh": zh, "en": en, **_counts(checked.loc[group.index])}
                 for (zh, en), group in kinds.groupby(["zh", "en"], sort=False) if zh]
    counted = ["done", "judged", *COUNTED, "running", "not_done"]
    made = pd.DataFrame(rows, columns=["record_by", "zh", "en", *counted, "share", "lower", "upper", "median_effect"])
    made = made.astype(dict.fromkeys(counted, "int64") | dict.fromkeys(("share", "lower", "upper", "median_effect"), "float64"))
    few = made["judged"] < FEWEST_RANKED
    made = made.assign(**{name: made[name].mask(few) for name in ("share", "lower", "upper", "median_effect")})
    enough = made["lower"].groupby(made["record_by"])
    rank = enough.rank(ascending=False, method="min").where(enough.transform("count") > 1)  # one kind alone is no ranking
    order = {by: place for place, by in enumerate(("all", *RECORD_BY))}
    return made.assign(rank=rank, place=made["record_by"].map(order)).sort_values(["place", "rank", "judged"], ascending=[True, True, False], kind="stable").drop(columns="place").reset_index(drop=True)


def record_sentence(record: pd.DataFrame, *, lang: str) -> str:
    """One sentence on the track record: how many actions were judged and worked, and the best kind where one may be named."""
    whole = record[record["record_by"] == "all"]
    judged = int(whole["judged"].sum())
    if judged < FEWEST_RANKED:
        return text.choose(
            lang, f"到现在判过的行动有 {judged} 条，不到 {FEWEST_RANKED} 条，还说不出哪类办法在这个账号有用。",
            f"So far {judged} actions have been judged, fewer than {FEWEST_RANKED}: which kinds work on this account cannot be said yet.")
    total = whole.iloc[0]
    bounds = text.interval(total["lower"], total["upper"], "percent", lang)
    head = text.choose(
        lang, f"判过的 {judged} 条行动里，有效 {total['effective']} 条（{text.percent(total['share'])}，区间 {bounds}）。",
        f"Of {judged} actions judged, {total['effective']} worked ({text.percent(total['share'])}, interval {bounds}).")
    return head + _best_kind(record, lang)


def _best_kind(record: pd.DataFrame, lang: str) -> str:
    """The best cause, else problem, else dimension: the first of which at least two kinds are ranked."""
    for by in ("cause", "problem", "dimension"):
        ranked = record[(record["record_by"] == by) & record["rank"].notna()]
        if len(ranked) and ranked.iloc[0]["effective"]:
            best, name = ranked.iloc[0], text.plain(ranked.iloc[0][lang], 40)
            return text.choose(
                lang, f"判过至少 {FEWEST_RANKED} 条的各类里，「{name}」有效最多：{best['judged']} 条中 {best['effective']} 条。",
                f" Among kinds with at least {FEWEST_RANKED}, “{name}” worked most often: {best['effective']} of {best['judged']}.")
    return text.choose(lang, f"没有哪两类各判过至少 {FEWEST_RANKED} 条、其中还有有效的，不说哪类最好。", f" No two kinds have at least {FEWEST_RANKED} each and one that worked: none is called the best.")


# ------------------------------------------------------------------------------------------------------------- in words


def _change(row: pd.Series, about: str, lang: str) -> str:
    """A change (of the controls, by the other estimator) with its interval: +12.0% (−3.0% – 29.0%)."""
    value, lower, upper = (row[f"{about}_{end}"] for end in ("effect", "lower", "upper"))
    if not np.isfinite(value):
        return text.NOTHING
    bounds = text.interval(lower, upper, "percent", lang) if np.isfinite(lower) else text.choose(lang, "无区间", "no interval")
    return text.choose(lang, f"{text.signed(value, 'percent', lang)}（{bounds}）", f"{text.signed(value, 'percent', lang)} ({bounds})")


def for_table(checked: pd.DataFrame, registry: Mapping[str, reference.Metric], *, lang: str, currency: str = "CNY") -> pd.DataFrame:
    """Verdicts to be read: one row per plan row, values in words with their units, effects as percentages.

    Columns: action, verify, slice, before, after, expected, effect and effect_lower (the whole interval), n_before,
    n_after, estimator, controls (their own change), other (what the other estimator gives), plan_verdict, next (what
    follows from it).
    """
    rows = []
    for _, row in checked.iterrows():
        metric = registry.get(row["metric"])
        unit, decimals = (metric.unit, metric.decimals) if metric else ("score", 2)
        rows.append({
            "action": row["action"], "verify": row["metric"],
            "slice": _slice_words(findings.slice_name(row["slice"]), lang) if row["slice"] else "",
            **{name: text.value(row[name], unit, lang, decimals=decimals, currency=currency) for name in ("before", "after", "expected")},
            "effect": text.signed(row["effect"], "percent", lang),
            "effect_lower": text.interval(row["effect_lower"], row["effect_upper"], "percent", lang) if np.isfinite(row["effect"]) else text.NOTHING,
            "n_before": row["n_before"], "n_after": row["n_after"], "estimator": row["estimator"],
            **{name: _change(row, name, lang) for name in ("controls", "other")}, "plan_verdict": row["verdict"],
            "next": _next(row, lang),
        })
    columns = ["action", "verify", "slice", "before", "after", "expected", "effect", "effect_lower", "n_before", "n_after", "estimator", "controls", "other", "plan_verdict", "next"]
    made = pd.DataFrame(rows, columns=columns)
    # What holds for none of the rows is no column: plans on whole sessions have neither slice nor controls.
    return made.drop(columns=[name for name in ("slice", "controls", "other") if made[name].isin(["", text.NOTHING]).all()])


def sentence(row: pd.Series, registry: Mapping[str, reference.Metric], *, lang: str, currency: str = "CNY") -> str:
    """One verdict in words: what was done, what the metric did against the sessions before, and what that says."""
    said = text.label(reference.terms()["plan_verdict"][row["verdict"]], lang)
    metric = registry.get(row["metric"])
    said += text.choose(lang, "（目前）", " so far") if row["verdict"].startswith("effective") and not row["final"] else ""
    head = text.choose(lang, f"「{text.plain(row['action'], 40)}」：{said}。", f"“{text.plain(row['action'], 60)}”: {said.lower()}. ")
    if metric is None or not np.isfinite(row["effect"]):
        reason = row[f"reason_{lang}"]
        return head + (text.choose(lang, f"{reason}。", f"{reason[:1].upper()}{reason[1:]}.") if reason else "")
    return head + _measured(row, metric, lang, currency) + _alike(row, lang) + _so_far(row, lang) + _against(row, lang) + _further(row["further_sessions"], lang) + _alternate(row, lang)


def _slice_words(slice: str, lang: str) -> str:
    """A slice as people call it; a half hour 030-060 by its minutes."""
    if minutes := dimensions.slot_minutes(slice):
        begin, end = minutes
        return text.choose(lang, f"第 {begin}–{end} 分钟", f"minutes {begin}–{end}")
    return text.plain(slice, 30)


def _measured(row: pd.Series, metric: reference.Metric, lang: str, currency: str) -> str:
    about = f"{_slice_words(findings.slice_name(row['slice']), lang)} " if row["slice"] else ""
    name = about + text.label(metric, lang)
    show = {key: text.value(row[key], metric.unit, lang, decimals=metric.decimals, currency=currency) for key in ("before", "after", "expected")}
    change, bounds = text.signed(row["effect"], "percent", lang), text.interval(row["effect_lower"], row["effect_upper"], "percent", lang)
    than_zh, than_en = ("与对照相比", " against the controls") if row["estimator"] == "controls" else ("", "")
    return text.choose(
        lang,
        f"{name}：此前 {row['n_before']:.0f} 场 {show['before']}，之后 {row['n_after']:.0f} 场 {show['after']}，{than_zh}改善幅度 {change}（区间 {bounds}）；什么都不做预计也有 {show['expected']}。",
        f"{name}: {show['before']} over {row['n_before']:.0f} sessions before, {show['after']} over {row['n_after']:.0f} since, a change for the better{than_en} of {change} ({bounds}); without any action {show['expected']} was to be expected.",
    )


def _alike(row: pd.Series, lang: str) -> str:
    """Which sessions were compared, where festivals lay among them."""
    among = row[f"among_{lang}"]
    return "" if not among else text.choose(lang, f"{among}。", f" {among[:1].upper()}{among[1:]}.")


def _so_far(row: pd.Series, lang: str) -> str:
    """That a verdict was given before the planned number of sessions, so it may change; nothing afterwards or where none was given."""
    if row["final"] or row["verdict"] in ("cannot_tell", "not_comparable", "not_done"):
        return ""
    return text.choose(lang, f"约定看 {row['n_planned']:.0f} 场，还没看满，不是最后的判断。", f" {row['n_planned']:.0f} sessions were planned and are not reached, so this is not the last word.")


def _next(row: pd.Series, lang: str) -> str:
    """What follows from a verdict; nothing is made the standard before its planned sessions are there."""
    if row["verdict"] == "effective" and not row["final"]:
        return text.choose(lang, "照做；看满约定场次仍有效，再写进标准做法", "Go on; make it the standard way once it holds over the planned sessions")
    return text.label(reference.terms()["plan_next"][row["verdict"]], lang)


def _against(row: pd.Series, lang: str) -> str:
    """Who judged, what the other estimator gives, and what the controls did meanwhile; nothing for whole sessions."""
    controls = row[f"controls_{lang}"]
    if not controls:
        return ""
    if row["estimator"] != "controls":
        beside = "" if not np.isfinite(row["other_effect"]) else text.choose(
            lang, f"（与对照比是 {_change(row, 'other', lang)}，仅供参考）", f" (against them {_change(row, 'other', lang)}, for information only)")
        return text.choose(lang, f"{controls}{beside}。", f" {controls[:1].upper()}{controls[1:]}{beside}.")
    said = text.label(reference.terms()["plan_verdict"][row["other_verdict"]], lang)
    spill = "" if not row["controls_upper"] < 0 else text.choose(
        lang, "对照同期变差了，也可能是被它挤占：这里的改善未必全是净增。",
        " The controls got worse meanwhile, perhaps because it took from them: not all of this need be a net gain.")
    return text.choose(
        lang, f"{controls}，它们同期 {_change(row, 'controls', lang)}；只与自己的过去比是 {_change(row, 'other', lang)}，{said}。{spill}",
        f" {controls[:1].upper()}{controls[1:]}; their own change {_change(row, 'controls', lang)}. Against its own past alone {_change(row, 'other', lang)}: {said.lower()}.{spill}")


def _further(n: float, lang: str) -> str:
    if np.isnan(n):
        return ""
    if np.isinf(n):
        return text.choose(lang, f"该指标场次间波动太大，再看 {MOST_FURTHER} 场也分不清。", f" It varies too much between sessions: {MOST_FURTHER} more would not settle it.")
    return text.choose(lang, f"还需 {n:.0f} 场。", f" {n:.0f} more sessions are needed.")


def _alternate(row: pd.Series, lang: str) -> str:
    """The quicker proof, where there is one: alternate the old and the new way within sessions."""
    if not row["alternate_by"]:
        return ""
    unit_zh, unit_en = {"half_hour": ("半小时", "half-hours"), "product": ("商品", "products")}[row["alternate_by"]]
    return text.choose(
        lang, f"更快的证法：同一场里按{unit_zh}随机轮换新旧做法，约 {row['n_blocks']:.0f} 个{unit_zh}、{row['block_sessions']:.0f} 场就够。",
        f" A quicker proof: alternate the old and the new way at random by {unit_en} within sessions; about {row['n_blocks']:.0f} {unit_en} in {row['block_sessions']:.0f} sessions would do.")
