"""Split analysis 拆分分析: a change split along its formula, then along sources and products; the parts sum to the whole.

Steps of a product are split by the additive LMDI-I (Ang 2005), which has no remainder, does not depend on the order of the
steps and lets steps be merged by adding their effects; shares and rates of slices by the centred Kitagawa / Das Gupta
split, because a structure effect by LMDI cannot be read slice by slice (Roux and Plank 2022). A split is accounting: it
says through which step and where a change came, not why.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
import statsmodels.api as sm
from scipy import stats as distributions

from helpers import findings, reference, stats, text

NOTEBOOK = "04_split"
Floats = npt.NDArray[np.float64]

# The way to the sale, in people and, where an export has none, in events; the amount stands at the end.
PEOPLE = ("room_exposure_users", "viewers", "product_exposure_users", "product_click_users", "create_users", "pay_users")
EVENTS = ("room_exposure_times", "views", "product_exposure_times", "product_click_times", "orders")
AMOUNT = "paid_amount"
MAIN_STEPS = ("viewers", "product_exposure_users", "product_click_users", "pay_users", "views", "product_click_times", "orders")
LEAST_NET = 0.25        # a change smaller than this part of all effects together has no shares worth reading
FEW_ORDERS = 5          # with fewer paid orders on either side a split is arithmetic about nothing


class Interval(NamedTuple):
    """Lower and upper bounds of each effect, as arrays in the order of the factors."""

    lower: Floats
    upper: Floats


# --------------------------------------------------------------------------------------------- splitting a product


def logarithmic_mean(a: float, b: float) -> float:
    """(a - b) / ln(a / b), which is a where both are equal (libraries that say 0 there report no effect at all)."""
    if a == b:
        return a
    # Near equality the quotient loses its digits; the series of the mean around the middle keeps them.
    if abs(a - b) < 1e-6 * max(a, b):
        return (a + b) / 2 - (a - b) ** 2 / (12 * (a + b) / 2)
    return (a - b) / math.log(a / b)


def _lmdi_row(before: Floats, after: Floats) -> Floats:
    """Effects of one slice: LMDI-I with the limits of Ang, Zhang and Choi (1998) where a factor is zero."""
    start, end = before.prod(), after.prod()
    if start > 0 and end > 0:
        return logarithmic_mean(end, start) * np.log(after / before)
    if start == end:
        return np.zeros_like(before)
    # A product that rises from 0 (falls to 0) owes it to the factor that was (became) 0; to several, in equal parts.
    zero = (before == 0) if start == 0 else (after == 0)
    return np.where(zero, (end - start) / zero.sum(), 0.0)


def lmdi(before: npt.ArrayLike, after: npt.ArrayLike) -> Floats:
    """Additive LMDI-I: what each factor adds to the change of their product, or of the sum of products over slices.

    `before` and `after` are factors, or slices x factors; the effects have that shape and sum to the change exactly.
    Raises `ValueError` for negative or missing factors: use `shapley` for what is no product of positive numbers.
    """
    x0, x1 = np.asarray(before, dtype=float), np.asarray(after, dtype=float)
    if x0.shape != x1.shape:
        raise ValueError(f"lmdi: before has the shape {x0.shape}, after {x1.shape}")
    if not (np.isfinite(x0).all() and np.isfinite(x1).all()) or (x0 < 0).any() or (x1 < 0).any():
        raise ValueError("lmdi: factors must be known and not negative; use shapley for differences")
    if x0.ndim == 1:
        return _lmdi_row(x0, x1)
    return np.array([_lmdi_row(a, b) for a, b in zip(x0, x1, strict=True)]).reshape(x0.shape)


def lmdi_ratios(before: npt.ArrayLike, after: npt.ArrayLike) -> Floats:
    """The multiplicative form: by what each factor multiplies the total; the product is the total's own ratio."""
    x0, x1 = np.atleast_2d(np.asarray(before, dtype=float)), np.atleast_2d(np.asarray(after, dtype=float))
    effects = lmdi(x0, x1).sum(axis=0)
    return np.exp(effects / logarithmic_mean(x1.prod(axis=1).sum(), x0.prod(axis=1).sum()))


def shapley(
    before: Sequence[npt.ArrayLike], after: Sequence[npt.ArrayLike], function: Callable[..., float] | None = None
) -> Floats:
    """Shapley effects (Das Gupta 1993): the change of `function` of the factors, averaged over all orders of change.

    Factors may be scalars or arrays; `function` takes them as arguments and defaults to their product, summed. It works
    for what is no product (profit = amount - cost) and through zeros, but merging two steps does not add their effects.
    """
    value = function or (lambda *factors: float(np.sum(np.prod(np.broadcast_arrays(*factors), axis=0))))
    count = len(before)
    worth = {
        moved: value(*[np.asarray(after[k] if moved >> k & 1 else before[k], dtype=float) for k in range(count)])
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
    before: npt.ArrayLike, after: npt.ArrayLike, variance_before: npt.ArrayLike, variance_after: npt.ArrayLike, *,
    confidence: float = 0.95,
) -> Interval:
    """Delta-method bounds of the LMDI effects of one product, from the variances of the factors' logarithms.

    For a rate x/n that variance is (1 - p) / x, for a mean amount (s / mean)^2 / n. This is sampling noise alone, always
    narrower than what sessions differ by anyway (`usual_effects`). `nan` where a product is 0.
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
    own = np.eye(len(x0)) * mean
    variance = (np.outer(gain, np.full(len(x0), toward_end)) + own) ** 2 @ v1
    variance += (np.outer(gain, np.full(len(x0), toward_start)) - own) ** 2 @ v0
    half = distributions.norm.ppf(0.5 + confidence / 2) * np.sqrt(variance)
    effects = lmdi(x0, x1)
    return Interval(effects - half, effects + half)


# ---------------------------------------------------------------------------------------- the formula of a session


def tree(session: pd.Series, baseline: pd.DataFrame, amount: str = AMOUNT) -> tuple[str, ...]:
    """The longest way to the paid amount that this session and all of the baseline can be followed along.

    Columns of `sessions` from the first step to the amount, in people where the export has them, else in events. A
    column that is missing anywhere is left out and its neighbours meet; without any, the amount alone.
    """
    def known(columns: Sequence[str]) -> list[str]:
        return [name for name in columns if name in baseline and pd.notna(session.get(name)) and baseline[name].notna().all()]

    people, events = known(PEOPLE), known(EVENTS)
    # A way in people must end in the people who paid: its last factor is what one of them spent.
    people = people if "pay_users" in people else []
    return (*max(people, events, key=len), amount)


def baseline_session(sessions: pd.DataFrame, columns: Sequence[str], hours: float) -> pd.Series:
    """The session that the comparable ones lead one to expect: their sums, scaled to the same number of hours.

    A Series by column. Its ratios are ratios of sums, so that its sources and products can be made the same way.
    """
    length = sessions["duration_seconds"].sum() / 3600
    return sessions[list(columns)].sum(min_count=1) / length * hours


def factors(row: pd.Series, columns: Sequence[str]) -> Floats:
    """The first column, then each column per one of the column before; `nan` after a step that nobody reached."""
    values = row[list(columns)].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(values[:-1] > 0, values[1:] / values[:-1], np.nan)
    return np.r_[values[0], steps]


def _undefined_as_unchanged(x0: Floats, x1: Floats) -> tuple[Floats, Floats]:
    """A rate that does not exist on one side (nobody came to its step) is set to the other side's: the loss then falls
    to the first step that is zero, where it belongs."""
    known0, known1 = np.where(np.isnan(x0), x1, x0), np.where(np.isnan(x1), x0, x1)
    return np.nan_to_num(known0, nan=1.0), np.nan_to_num(known1, nan=1.0)


def _step_metric(columns: Sequence[str], place: int, registry: Mapping[str, reference.Metric]) -> str:
    """The registry's metric of a step: the first column itself, or a column per the one before it."""
    above, below = columns[place], columns[place - 1] if place else None
    for name, metric in registry.items():
        plain = metric.table == "sessions" and not metric.minus and not metric.denominator_minus and metric.factor == 1
        if plain and metric.numerator == above and metric.denominator == below:
            return name
    return ""


def _step_label(columns: Sequence[str], place: int, metric: str, registry: Mapping[str, reference.Metric], lang: str) -> str:
    if metric:
        return getattr(registry[metric], lang)
    names = reference.tables()["sessions"].columns
    return " ÷ ".join(getattr(names[column], lang) for column in (columns[place], columns[place - 1]))


def formula(
    before: pd.Series, after: pd.Series, columns: Sequence[str], *, registry: Mapping[str, reference.Metric]
) -> pd.DataFrame:
    """The change of the amount split along its steps (LMDI-I), from a baseline session of the same length.

    One row per step: factor (metric of the registry, or the column), label_zh, label_en, unit, numerator, denominator,
    before, after (the step's own value), ratio, contribution (money), share (of the change). Contributions sum to the
    change exactly.
    """
    x0, x1 = factors(before, columns), factors(after, columns)
    effects = lmdi(*_undefined_as_unchanged(x0, x1))
    total = after[columns[-1]] - before[columns[-1]]
    if not np.isclose(effects.sum(), total, rtol=1e-9, atol=1e-6):
        raise ArithmeticError(f"split of {columns[-1]}: effects sum to {effects.sum()}, the change is {total}")
    names = [_step_metric(columns, place, registry) for place in range(len(columns))]
    kinds = reference.tables()["sessions"].columns
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(x0 > 0, x1 / x0, np.nan)
    return pd.DataFrame({
        "factor": [name or column for name, column in zip(names, columns, strict=True)],
        "label_zh": [_step_label(columns, k, name, registry, "zh") for k, name in enumerate(names)],
        "label_en": [_step_label(columns, k, name, registry, "en") for k, name in enumerate(names)],
        "unit": [registry[name].unit if name else "ratio" if k else kinds[columns[k]].kind for k, name in enumerate(names)],
        "numerator": list(columns), "denominator": ["", *columns[:-1]], "before": x0, "after": x1, "ratio": ratio,
        "contribution": effects, "share": _shares(effects, total),
    })


def _shares(effects: Sequence[float], total: float) -> Floats:
    """Each effect as a share of the change; `nan` where the effects mostly cancel and a share of the rest says nothing."""
    parts = np.asarray(effects, dtype=float)
    return parts / total if abs(total) >= LEAST_NET * np.abs(parts).sum() > 0 else np.full(parts.shape, np.nan)


def usual_effects(
    sessions: pd.DataFrame, columns: Sequence[str], before: pd.Series, after: pd.Series, *, confidence: float = 0.95
) -> pd.DataFrame:
    """How large each step's contribution would be in an ordinary session: what it must leave to mean anything.

    Each step's own value has a t prediction interval from the comparable sessions (totals per hour, on the log scale),
    widened so that all steps together hold the confidence (Bonferroni); a step at such a bound would contribute L(V1, V0) ln(bound /
    baseline). One row per step in order: usual_lower, usual_upper, n. `nan` with fewer than three sessions, and where
    there is no sale on one side.
    """
    past = np.array([factors(row, columns) for _, row in sessions.iterrows()]).reshape(len(sessions), len(columns))
    past[:, 0] *= (after["duration_seconds"] / sessions["duration_seconds"]).to_numpy(float)
    start, end = before[columns[-1]], after[columns[-1]]
    scale = logarithmic_mean(end, start) if start > 0 and end > 0 and len(sessions) > 2 else np.nan
    level = 1 - (1 - confidence) / len(columns)
    bounds = [stats.prediction_interval(past[:, place], confidence=level) for place in range(len(columns))]
    with np.errstate(divide="ignore", invalid="ignore"):
        base = np.log(factors(before, columns))
        lower, upper = (scale * (np.log([edge[k] for edge in bounds]) - base) for k in (1, 2))
    return pd.DataFrame({"usual_lower": lower, "usual_upper": upper, "n": [edge.n for edge in bounds]})


def with_usual(steps: pd.DataFrame, usual: pd.DataFrame) -> pd.DataFrame:
    """The steps of `formula` with the range that is usual for each and whether it is left: usual_lower, usual_upper, unusual."""
    assert len(steps) == len(usual)
    joined = steps.assign(usual_lower=usual["usual_lower"].to_numpy(), usual_upper=usual["usual_upper"].to_numpy())
    outside = (joined["contribution"] < joined["usual_lower"]) | (joined["contribution"] > joined["usual_upper"])
    return joined.assign(unusual=outside)


def merged(
    steps: pd.DataFrame, columns: Sequence[str], *, registry: Mapping[str, reference.Metric], keep: Iterable[str] = MAIN_STEPS
) -> pd.DataFrame:
    """The same split with steps taken together: contributions add, which is a property of LMDI and not of Shapley.

    `keep` are the columns that stay, in order; the amount, the last of `columns`, always does. One row per step: factor,
    label_zh, label_en, contribution, share.
    """
    stay = [*(name for name in columns[:-1] if name in keep), columns[-1]]
    ends = [columns.index(name) for name in stay]
    names = [_step_metric(stay, place, registry) for place in range(len(stay))]
    parts = [steps["contribution"].iloc[(ends[k - 1] + 1 if k else 0):ends[k] + 1].sum() for k in range(len(stay))]
    return pd.DataFrame({
        "factor": [name or column for name, column in zip(names, stay, strict=True)],
        "label_zh": [_step_label(stay, k, name, registry, "zh") for k, name in enumerate(names)],
        "label_en": [_step_label(stay, k, name, registry, "en") for k, name in enumerate(names)],
        "contribution": parts, "share": _shares(parts, sum(parts)),
    })


def waterfall(steps: pd.DataFrame, before: pd.Series, after: pd.Series, columns: Sequence[str], lang: str) -> pd.DataFrame:
    """The rows of a waterfall chart: label, amount, kind (start, step, end); the steps lead exactly from start to end."""
    before, after = before[columns[-1]], after[columns[-1]]
    ends = {"zh": ("基准场", "本场"), "en": ("Baseline", "This session")}[lang]
    rows = [(ends[0], before, "start"), *zip(steps[f"label_{lang}"], steps["contribution"], ["step"] * len(steps), strict=True),
            (ends[1], after, "end")]
    made = pd.DataFrame(rows, columns=["label", "amount", "kind"])
    assert np.isclose(made.loc[made["kind"] != "end", "amount"].sum(), after, rtol=1e-9, atol=1e-6)
    return made


def hours(session: pd.Series) -> float:
    """How long a session was, in hours; from its end where no duration is given."""
    seconds = session["duration_seconds"]
    return float(seconds if pd.notna(seconds) else (session["ended_at"] - session["started_at"]).total_seconds()) / 3600


def possible(before: pd.Series, after: pd.Series, columns: Sequence[str]) -> bool:
    """Whether there is a change to split: both amounts known, and a sale on one side at least."""
    amounts = [side[columns[-1]] for side in (before, after)]
    return all(pd.notna(amount) for amount in amounts) and max(amounts) > 0


def no_steps() -> pd.DataFrame:
    """The frame of `formula` with `with_usual`, without rows: where there is nothing to compare with."""
    text_columns = ["factor", "label_zh", "label_en", "unit", "numerator", "denominator"]
    numbers = ["before", "after", "ratio", "contribution", "share", "usual_lower", "usual_upper"]
    return pd.DataFrame({**{name: pd.Series(dtype="str") for name in text_columns}, **{name: pd.Series(dtype=float) for name in numbers},
                         "unusual": pd.Series(dtype=bool)})


# ------------------------------------------------------------------------------------------------ slices: mix and rate


def typical_slices(
    rows: pd.DataFrame, sessions: pd.DataFrame, slice: str, columns: Sequence[str], hours: float
) -> pd.DataFrame:
    """The baseline's sources or products: sums over the comparable sessions, scaled to `hours`.

    One row per slice: slice and the columns. `rows` are rows of a table by session (traffic, products), `sessions` the
    comparable sessions that have such rows; a slice that one of them lacks counts as zero there.
    """
    held = rows[rows["session_id"].isin(sessions["session_id"])]
    present = sessions[sessions["session_id"].isin(held["session_id"])]
    length = present["duration_seconds"].sum() / 3600
    return (held.groupby(slice, sort=True)[list(columns)].sum() / length * hours).reset_index()


def _aligned(before: pd.DataFrame, after: pd.DataFrame, slice: str, columns: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both sides summed by slice over the same slices, a slice missing on one side as zeros."""
    sides = [side.groupby(slice, sort=False)[list(columns)].sum() for side in (after, before)]
    names = list(dict.fromkeys([*sides[0].index, *sides[1].index]))
    now, then = (side.reindex(names).fillna(0.0) for side in sides)
    return then, now


def _state(then: pd.Series, now: pd.Series) -> npt.NDArray[np.str_]:
    return np.where((then > 0) & (now > 0), "both", np.where(now > 0, "new", np.where(then > 0, "gone", "absent")))


def mix_and_rate(before: pd.DataFrame, after: pd.DataFrame, slice: str, weight: str, value: str) -> pd.DataFrame:
    """The change of a rate, sum(value) / sum(weight), split over slices into who came (mix) and how they did (rate).

    Centred Kitagawa (Das Gupta 1993): mix = change of share x (the slice's mean rate - the whole's mean rate), rate =
    mean share x change of rate; both sum over slices to the change exactly and swap sign when the periods are swapped.
    One row per slice: the slice column, state (both, new, gone), weight_before, weight_after, share_before, share_after,
    rate_before, rate_after, mix_effect, rate_effect. A slice that exists on one side only has no rate on the other: it
    counts as mix entirely. Empty where either side has no weight at all.
    """
    then, now = _aligned(before, after, slice, [weight, value])
    columns = [slice, "state", "weight_before", "weight_after", "share_before", "share_after", "rate_before", "rate_after",
               "mix_effect", "rate_effect"]
    if not (then[weight].sum() > 0 and now[weight].sum() > 0):
        return pd.DataFrame(columns=columns)
    whole = (then[value].sum() / then[weight].sum() + now[value].sum() / now[weight].sum()) / 2
    s0, s1 = then[weight] / then[weight].sum(), now[weight] / now[weight].sum()
    r0, r1 = then[value] / then[weight].where(then[weight] > 0), now[value] / now[weight].where(now[weight] > 0)
    known0, known1 = r0.fillna(r1).fillna(0.0), r1.fillna(r0).fillna(0.0)
    made = pd.DataFrame({
        "state": _state(then[weight], now[weight]), "weight_before": then[weight], "weight_after": now[weight],
        "share_before": s0, "share_after": s1, "rate_before": r0, "rate_after": r1,
        "mix_effect": (s1 - s0) * ((known0 + known1) / 2 - whole), "rate_effect": (s0 + s1) / 2 * (known1 - known0),
    })
    return made[made["state"] != "absent"].rename_axis(slice).reset_index()[columns]


def reversal(table: pd.DataFrame) -> bool:
    """Simpson's paradox: the whole moved one way while the slices' own rates, taken together, moved the other."""
    change, own = table["mix_effect"].sum() + table["rate_effect"].sum(), table["rate_effect"].sum()
    return bool(change * own < 0)


def by_slice(before: pd.DataFrame, after: pd.DataFrame, slice: str, columns: Sequence[str]) -> pd.DataFrame:
    """The change of the last column split over slices and, within each, over the steps between the columns (LMDI-I).

    One row per slice x step, slices in order of their change: slice, state (both, new, gone), step (the column reached,
    or `new` and `gone` for a slice that exists on one side only, which has no steps to compare), previous (the column it
    is reached from; empty for the first), contribution. The
    contributions sum to the change of the whole exactly.
    """
    then, now = _aligned(before, after, slice, columns)
    # A step that an export does not have is left out, and its neighbours meet.
    columns = [name for name in columns if name == columns[-1] or (then[name].sum() > 0 and now[name].sum() > 0)]
    state = _state(then[columns[0]] + then[columns[-1]], now[columns[0]] + now[columns[-1]])
    rows = []
    for name, kind in zip(then.index, state, strict=True):
        total = now.loc[name, columns[-1]] - then.loc[name, columns[-1]]
        if kind == "both":
            x0, x1 = _undefined_as_unchanged(factors(then.loc[name], columns), factors(now.loc[name], columns))
            effects = lmdi(x0, x1)
            # Sales without a single person at the first step (unattributed ones) cannot be followed step by step.
            closes = np.isclose(effects.sum(), total, rtol=1e-9, atol=1e-6)
            parts = zip(columns, ["", *columns[:-1]], effects, strict=True) if closes else [(columns[-1], "", total)]
            rows += [(name, kind, *part) for part in parts]
        elif kind != "absent":
            rows.append((name, kind, kind, "", total))
    made = pd.DataFrame(rows, columns=[slice, "state", "step", "previous", "contribution"]).astype({"contribution": float})
    order = made.groupby(slice)["contribution"].transform("sum")
    return made.assign(_order=order).sort_values("_order", kind="stable").drop(columns="_order").reset_index(drop=True)


def slice_totals(table: pd.DataFrame, slice: str) -> pd.DataFrame:
    """Each slice's whole contribution and the step that made most of it: one row per slice, most negative first.

    Columns: the slice, state, contribution, step, previous, step_contribution.
    """
    total = table.groupby(slice, sort=False).agg(state=("state", "first"), contribution=("contribution", "sum"))
    toward = table["contribution"] * np.sign(table[slice].map(total["contribution"]))
    lead = table.loc[toward.groupby(table[slice], sort=False).idxmax()].set_index(slice)
    joined = total.join(lead[["step", "previous", "contribution"]].rename(columns={"contribution": "step_contribution"}))
    return joined.sort_values("contribution", kind="stable").reset_index()


STANDS_OUT = ["weight", "value", "rate", "expected", "lower", "upper", "others_rate", "n", "p_value"]


def _relative(rows: pd.DataFrame, slice: str, weight: str, value: str, apart: Iterable[str]) -> pd.DataFrame:
    """Each slice's rate over that of the other slices of its session (logarithm, smoothed), by session and slice.

    Slices `apart` are compared with the others but are not among the others of anyone else.
    """
    held = rows.groupby(["session_id", slice])[[weight, value]].sum()
    ordinary = held.mul(~held.index.get_level_values(slice).isin(list(apart)), axis=0)
    others = ordinary.groupby("session_id").transform("sum") - ordinary
    own, rest = (stats.smoothed_rate(side[value], side[weight]) for side in (held, others))
    known = (held[weight] > 0) & (others[weight] > 0)
    return held.assign(others_rate=others[value] / others[weight].where(others[weight] > 0), relative=np.log(own / rest)).where(known)


def _one_round(
    rows: pd.DataFrame, session_id: str, slice: str, weight: str, value: str, apart: Iterable[str], thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """Every slice of the session tested once, with the slices already found kept out of the others."""
    table = _relative(rows, slice, weight, value, apart)
    names = table.index.get_level_values(slice)
    made = []
    for name, own in table.xs(session_id, level="session_id").dropna(subset=["relative"]).iterrows():
        past = table.loc[(names == name) & (table.index.get_level_values("session_id") != session_id), "relative"].dropna()
        bounds = stats.prediction_interval(past, confidence=thresholds["confidence"], log=False)
        expected, lower, upper = (float(np.exp(edge) * own["others_rate"]) for edge in bounds[:3])
        few = len(past) < thresholds["min_sessions_for_verdict"] or not expected * own[weight] >= FEW_ORDERS
        p = np.nan if few else stats.prediction_p(own["relative"], past, log=False)
        made.append((name, own[weight], own[value], own[value] / own[weight], expected, lower, upper, own["others_rate"], len(past), p))
    return pd.DataFrame(made, columns=[slice, *STANDS_OUT])


def stands_out(
    rows: pd.DataFrame, session_id: str, chosen: Iterable[str], slice: str, weight: str, value: str, *,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Which sources or products did better or worse than they usually do beside the others of the same session.

    A good or bad evening moves all slices alike, so each is first set against the others of its own session, and that
    relation against the comparable sessions (difference in differences on the log scale, t prediction interval). The
    surest slice that leaves its range is then kept out of the others, who would else look better for it, and so on.
    One row per slice of this session: the slice, weight, value, rate, expected (its usual relation times the others' rate
    today), lower, upper, others_rate, n (sessions with it), p_value, p_adjusted (Benjamini-Hochberg over the slices),
    gap (expected - rate), verdict. Fewer than five expected events, or too few sessions, give no verdict; of two slices it
    cannot be told which one moved.
    """
    rows = rows[rows["session_id"].isin({session_id, *chosen})]
    columns = [slice, *STANDS_OUT, "p_adjusted", "gap", "verdict"]
    if not (rows["session_id"] == session_id).any():
        return pd.DataFrame(columns=columns)
    told: dict[str, float] = {}
    while True:
        found = _one_round(rows, session_id, slice, weight, value, told, thresholds)
        found = found.assign(p_value=found["p_value"].where(~found[slice].isin(told), found[slice].map(told)))
        found = found.assign(p_adjusted=stats.benjamini_hochberg(found["p_value"].astype(float)))
        unusual = (found["p_value"] <= 1 - thresholds["confidence"]) & (found["p_adjusted"] <= thresholds["false_discovery_rate"])
        left = found[unusual & ~found[slice].isin(told)].sort_values("p_value", kind="stable")
        if left.empty or len(told) + 2 >= len(found):
            break
        told[left[slice].iloc[0]] = left["p_value"].iloc[0]
    side = np.where(found["rate"] < found["expected"], "worse", "better")
    verdict = np.where(found["p_value"].isna(), "not_comparable", np.where(found[slice].isin(told), side, "cannot_tell"))
    return found.assign(gap=found["expected"] - found["rate"], verdict=verdict)[columns].sort_values(
        "p_value", kind="stable", na_position="last", ignore_index=True)


# ------------------------------------------------------------------------------- traffic or pitch: cells of two periods


class Diagnosis(NamedTuple):
    """Which kind of change the cells speak for, with the numbers that decided.

    cause: mix (who came), source (one source's people), product (one product's pitch, price or stock), overall
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


# --------------------------------------------------------------------------------------------------- finding slices


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


# ---------------------------------------------------------------------------------------------------- tables to be read

STATES = {"both": ("前后都有", "in both"), "new": ("新出现", "new"), "gone": ("消失", "gone")}
STEP_WORDS = {
    "labels": {"label": ("步骤", "Step"), "was": ("基准", "Baseline"), "now": ("本场", "This session"), "ratio": ("本场 ÷ 基准", "÷ baseline"),
               "contribution": ("对支付金额的影响", "Effect on paid amount"), "share": ("占总变化", "Share of the change"),
               "lower": ("平常的影响", "Usual effect"), "unusual": ("超出平常", "Unusual")},
    "units": {"contribution": "money", "share": "percent", "lower": "money", "ratio": "ratio"},
}
MIX_WORDS = {
    "labels": {"state": ("状态", "State"), "share_before": ("基准占比", "Share, baseline"), "share_after": ("本场占比", "Share, this session"),
               "rate_before": ("基准比率", "Rate, baseline"), "rate_after": ("本场比率", "Rate, this session"),
               "mix_effect": ("结构影响", "Mix effect"), "rate_effect": ("自身影响", "Own-rate effect")},
    "units": {name: "percent" for name in ("share_before", "share_after", "rate_before", "rate_after", "mix_effect", "rate_effect")},
}
SLICE_COLUMNS = ["label_zh", "label_en", "state_zh", "state_en", "contribution", "step_zh", "step_en", "step_contribution"]
SLICE_WORDS = {
    "labels": {"label": ("名称", "Name"), "state": ("状态", "State"), "contribution": ("支付金额变化", "Change of paid amount"),
               "step": ("主要经由", "Mostly through"), "step_contribution": ("其中这一步", "Of it, this step")},
    "units": {"contribution": "money", "step_contribution": "money"},
}
STANDING_COLUMNS = ["slice", "metric", "value", "baseline", "lower", "upper", "others_rate", "n", "p_adjusted", "verdict"]
STANDING_WORDS = {
    "labels": {"slice": ("来源或商品", "Source or product"), "value": ("本场", "This session"), "baseline": ("一贯水平", "Usual standing"),
               "lower": ("预期范围", "Expected"), "others_rate": ("本场其他部分", "The others today"), "n": ("场数", "Sessions"),
               "p_adjusted": ("校正后 p", "Adjusted p")},
    "units": {"others_rate": "percent"},
}


def ground(before: pd.Series, after: pd.Series, columns: Sequence[str], basis, currency: str = "CNY") -> tuple[str, str]:
    """What the split compares, as one sentence in each language; `basis` is that of `compare.basis`."""
    if not possible(before, after, columns):
        return ("没有可比场次，或支付金额未知，无法拆分。", "No comparable session, or no paid amount: nothing can be split.")
    few = basis.strength != "strong"
    amounts = {lang: [text.money(side[columns[-1]], lang, currency) for side in (before, after)] for lang in ("zh", "en")}
    return (
        f"基准场由{basis.zh}的 {basis.n} 场折算{'（场次偏少）' if few else ''}：支付金额 {amounts['zh'][0]}，本场 {amounts['zh'][1]}。",
        f"The baseline session comes from {basis.n} sessions ({basis.en}{'; few' if few else ''}): paid amount {amounts['en'][0]}, this session {amounts['en'][1]}.")


def step_table(steps: pd.DataFrame, lang: str, currency: str = "CNY") -> pd.DataFrame:
    """The steps as they are read, each value in its own unit: label, was, now, ratio, contribution, share, lower, upper, unusual."""
    return pd.DataFrame({
        "label": steps[f"label_{lang}"],
        **{name: [text.value(value, unit, lang, currency=currency) for value, unit in zip(steps[side], steps["unit"], strict=True)]
           for name, side in (("was", "before"), ("now", "after"))},
        "ratio": steps["ratio"], "contribution": steps["contribution"], "share": steps["share"], "lower": steps["usual_lower"],
        "upper": steps["usual_upper"], "unusual": steps["unusual"],
    })


def named_states(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its state in words: state_zh, state_en."""
    return table.assign(state_zh=[STATES[state][0] for state in table["state"]], state_en=[STATES[state][1] for state in table["state"]])


def named_slices(totals: pd.DataFrame, slice: str, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """`slice_totals` in words: label_zh, label_en, state_zh, state_en, step_zh, step_en beside its columns."""
    columns = {**reference.tables()["products"].columns, **reference.tables()["sessions"].columns}
    steps = {name: (column.zh, column.en) for name, column in columns.items()} | {"new": ("新出现", "new"), "gone": ("消失", "gone")}
    label = totals[slice].map(lambda value: (names or {}).get(value, value))
    said = [
        [" → ".join(steps[end][place] for end in (start, step) if end) for start, step in zip(totals["previous"], totals["step"], strict=True)]
        for place in (0, 1)
    ]
    return named_states(totals).assign(label_zh=label, label_en=label, step_zh=said[0], step_en=said[1])


def largest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest effects first, whichever way they went."""
    size = table["contribution"].abs() if "contribution" in table else table["mix_effect"].abs() + table["rate_effect"].abs()
    return table.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def whole_products(products: pd.DataFrame) -> pd.DataFrame:
    """The product rows without the SKU rows that repeat them."""
    return products[products["sku_id"].isna()]


def product_names(products: pd.DataFrame) -> dict[str, str]:
    """The last name known of each product, by id."""
    named = products.dropna(subset=["name"]).drop_duplicates("product_id", keep="last")
    return dict(zip(named["product_id"], named["name"], strict=True))


def mix_sentence(table: pd.DataFrame, zh: str, en: str) -> tuple[str, str]:
    """The two-way split of a rate as one sentence in each language, with a warning where aggregate and parts disagree."""
    mix, own = float(table["mix_effect"].sum()), float(table["rate_effect"].sum())
    total, parts = mix + own, {}
    for lang in ("zh", "en"):
        parts[lang] = [text.signed(value, "percent", lang, decimals=2) for value in (total, mix, own)]
    warn = ("整体与各部分方向相反：只看总数会得出错的结论。", " The whole and its parts moved in opposite ways: the total alone misleads.") if reversal(table) else ("", "")
    return (
        f"{zh}共变化 {parts['zh'][0]}（百分点），其中结构 {parts['zh'][1]}，自身 {parts['zh'][2]}。{warn[0]}",
        f"{en[:1].upper()}{en[1:]} changed by {parts['en'][0]} (points): mix {parts['en'][1]}, own rates {parts['en'][2]}.{warn[1]}")


def standings(
    rows: Mapping[str, pd.DataFrame], tests: Sequence[tuple[str, str, str, str]], session_id: str, chosen: Iterable[str], *,
    names: Mapping[str, str], thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """`stands_out` for several rates at once, in one table: one row per rate x source or product of this session.

    `tests` are (slice column, weight, value, metric), `rows` the frame of each slice column. Columns: dimension (the slice
    column), key, slice (its name), metric, weight_column, value_column, and those of `stands_out`, whose rate is here
    called value and whose expected rate baseline.
    """
    wanted, parts = list(chosen), []
    for slice, weight, value, metric in tests:
        found = stands_out(rows[slice], session_id, wanted, slice, weight, value, thresholds=thresholds)
        found = found.rename(columns={slice: "key", "value": "events", "rate": "value", "expected": "baseline"})
        named = found["key"].map(lambda key, slice=slice: names.get(key, key) if slice == "product_id" else key)
        parts.append(found.assign(dimension=slice, slice=named.astype("str"), metric=metric, weight_column=weight, value_column=value))
    first = ["dimension", "key", "slice", "metric", "weight_column", "value_column"]
    made = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return made[[*first, *(name for name in made.columns if name not in first)]]


# -------------------------------------------------------------------------------------------------------- what is said


def step_findings(
    steps: pd.DataFrame, *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> list[dict[str, object]]:
    """One finding per step of the formula: what it added to, or took from, the amount, and whether that is unusual.

    The verdict is better or worse only where the contribution leaves the range usual between comparable sessions.
    """
    made = []
    for row in steps.itertuples():
        known = row.unusual and np.isfinite(row.usual_lower)
        verdict = ("better" if row.contribution > 0 else "worse") if known else "cannot_tell"
        verdict = verdict if np.isfinite(row.usual_lower) else "not_comparable"
        unit = registry[row.factor].unit if row.factor in registry else row.unit
        group = registry[row.factor].group if row.factor in registry else "sales"
        words = {}
        for lang in ("zh", "en"):
            words[lang] = {
                "was": text.value(row.before, unit, lang, currency=currency), "now": text.value(row.after, unit, lang, currency=currency),
                "money": text.signed(row.contribution, "money", lang, currency=currency),
                "usual": text.interval(row.usual_lower, row.usual_upper, "money", lang, currency=currency),
            }
        zh, en = words["zh"], words["en"]
        outside = ("超出", "outside") if row.unusual else ("未超出", "within")
        usual_zh = f"，{outside[0]}场次间平常的影响 {zh['usual']}" if np.isfinite(row.usual_lower) else ""
        usual_en = f", {outside[1]} what is usual between sessions ({en['usual']})" if np.isfinite(row.usual_lower) else ""
        made.append(findings.make(
            notebook=NOTEBOOK, dimension=group, metric=row.factor, slice="formula", verdict=verdict, value=row.after, baseline=row.before,
            money_at_stake=-row.contribution if verdict == "worse" else np.nan,
            sentence_zh=f"{row.label_zh}由 {zh['was']} 到 {zh['now']}，使支付金额 {zh['money']}{usual_zh}。",
            sentence_en=f"{row.label_en} went from {en['was']} to {en['now']} and moved the paid amount by {en['money']}{usual_en}.",
        ))
    return made


def standing_findings(
    standing: pd.DataFrame, rows: Mapping[str, pd.DataFrame], *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> list[dict[str, object]]:
    """One finding per source or product of `standings` that did better or worse than beside the others it usually does.

    The money at stake is the gap times the people who came to the step times what one event of that slice brought today;
    `rows` are this session's rows by slice column.
    """
    made = []
    for row in standing[standing["verdict"].isin(["better", "worse"])].to_dict("records"):
        entry, name = registry[row["metric"]], text.plain(row["slice"], 40)
        worth = worth_of(rows[row["dimension"]], row["dimension"], row["value_column"]).get(row["key"], np.nan)
        stake = row["gap"] * row["weight"] * worth if row["verdict"] == "worse" else np.nan
        value, expected = (text.percent(row[key]) for key in ("value", "baseline"))
        bounds = text.interval(row["lower"], row["upper"], "percent", "zh")
        told = ("好于", "better than") if row["verdict"] == "better" else ("差于", "worse than")
        lost = ("", "") if not np.isfinite(stake) else (
            f"，约合支付金额 {text.money(stake, 'zh', currency)}", f", about {text.money(stake, 'en', currency)} of paid amount")
        made.append(findings.make(
            notebook=NOTEBOOK, dimension=entry.group, metric=row["metric"], slice=name if row["key"] == row["slice"] else f"{name} ({row['key']})",
            verdict=row["verdict"], value=row["value"], baseline=row["baseline"], ci_lower=row["lower"], ci_upper=row["upper"],
            p_adjusted=row["p_adjusted"], money_at_stake=stake,
            sentence_zh=f"「{name}」的{entry.zh}为 {value}，{told[0]}它在同场中一贯的水平 {expected}（预期 {bounds}，{row['n']} 场可比场次）{lost[0]}。",
            sentence_en=f"{name}: {entry.en} {value}, {told[1]} its usual standing within a session, {expected} (expected {bounds}, {row['n']} comparable sessions){lost[1]}.",
        ))
    return made


def to_findings(
    steps: pd.DataFrame, standing: pd.DataFrame, rows: Mapping[str, pd.DataFrame], *, registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> pd.DataFrame:
    """The split's findings: one row per step of the formula and per source or product off its usual standing."""
    return findings.frame([
        *step_findings(steps, registry=registry, currency=currency),
        *standing_findings(standing, rows, registry=registry, currency=currency),
    ])


def worth_of(rows: pd.DataFrame, slice: str, value: str) -> dict[str, float]:
    """What one event of each slice brought: paid amount per `value`, by slice; where a slice has none, that of all."""
    sums = rows.groupby(slice)[[value, AMOUNT]].sum()
    whole = sums[AMOUNT].sum() / sums[value].sum() if sums[value].sum() > 0 else np.nan
    return (sums[AMOUNT] / sums[value].where(sums[value] > 0)).fillna(whole).to_dict()


def argument(
    before: pd.Series, after: pd.Series, columns: Sequence[str], steps: pd.DataFrame, slices: Sequence[tuple[str, str, pd.DataFrame]],
    *, standing: pd.DataFrame | None = None, currency: str = "CNY",
) -> tuple[str, str]:
    """The whole split as one sentence in each language: what moved, by how much, through which step, and where.

    `slices` holds (Chinese noun, English noun, frame with label_zh, label_en, contribution): the split over sources, over
    products; of each the slice that moved most in the direction of the whole is named. `standing` adds which of them did
    worse than beside the others they usually do: that one is evidence, the rest is accounting.
    """
    if steps.empty:
        return ("没有可比场次，或支付金额为零，无法拆分。", "No comparable session, or no sale: nothing to split.")
    before, after = before[columns[-1]], after[columns[-1]]
    change = after - before
    toward = steps["contribution"] * np.sign(change)
    lead = steps.loc[toward.idxmax()]
    surprising = bool(steps["unusual"].any()) if "unusual" in steps else False
    zh = (f"同样时长下，支付金额由 {text.money(before, 'zh', currency)} 到 {text.money(after, 'zh', currency)}，"
          f"{'增加' if change >= 0 else '减少'} {text.money(abs(change), 'zh', currency)}；同方向上影响最大的一步是{lead['label_zh']}（{text.signed(lead['contribution'], 'money', 'zh', currency=currency)}）")
    en = (f"At equal length the paid amount went from {text.money(before, 'en', currency)} to {text.money(after, 'en', currency)}, "
          f"{'up' if change >= 0 else 'down'} {text.money(abs(change), 'en', currency)}; the step that moved it most that way is {lead['label_en']} ({text.signed(lead['contribution'], 'money', 'en', currency=currency)})")
    for noun_zh, noun_en, table in slices:
        if table.empty or not (table["contribution"] * np.sign(change)).max() > 0:
            continue
        top = table.loc[(table["contribution"] * np.sign(change)).idxmax()]
        zh += f"；{noun_zh}上最大的是「{text.plain(top['label_zh'], 30)}」（{text.signed(top['contribution'], 'money', 'zh', currency=currency)}）"
        en += f"; among {noun_en} it is {text.plain(top['label_en'], 30)} ({text.signed(top['contribution'], 'money', 'en', currency=currency)})"
    off = [] if standing is None else list(dict.fromkeys(text.plain(name, 30) for name in standing.loc[standing["verdict"] == "worse", "slice"]))
    if off:
        zh += f"。同场之中，{'、'.join(f'「{name}」' for name in off)}明显差于一贯的位置"
        en += f". Within the session, {', '.join(off)} clearly fell short of the usual standing"
    ends = ("。其中至少一步超出场次间平常的波动。", ". At least one step left what is usual between sessions.") if surprising else (
        "。各步都未超出场次间平常的波动：这是账目，不是证据。", ". No step left what is usual between sessions: an account, not evidence.")
    return zh + ends[0], en + ends[1]
