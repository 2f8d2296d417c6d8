"""A change over sources and products, and which of them left their usual place."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from helpers.core import stats
from helpers.split.amount_steps import factors, undefined_as_unchanged
from helpers.split.product import lmdi

EFFECTS = ["share_before", "share_after", "rate_before", "rate_after", "mix_effect", "rate_effect"]
MIX = ["state", "weight_before", "weight_after", *EFFECTS]
FEW_ORDERS = 5  # with fewer paid orders on either side a split is arithmetic about nothing


def typical_slices(
    rows: pd.DataFrame, sessions: pd.DataFrame, slice: str, columns: Sequence[str], hours: float
) -> pd.DataFrame:
    """The baseline's sources or products: sums over the comparable sessions, scaled to `hours`.

    One row per slice: slice and the columns. `rows` are by session (traffic, products), `sessions`
    the comparable ones that have such rows; a slice that one of them lacks counts as zero there.
    """
    held = rows[rows["session_id"].isin(sessions["session_id"])]
    present = sessions[sessions["session_id"].isin(held["session_id"])]
    length = present["duration_seconds"].sum() / 3600
    return (held.groupby(slice, sort=True)[list(columns)].sum() / length * hours).reset_index()


def _aligned(
    before: pd.DataFrame, after: pd.DataFrame, slice: str, columns: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    sides = [side.groupby(slice, sort=False)[list(columns)].sum() for side in (after, before)]
    names = list(dict.fromkeys([*sides[0].index, *sides[1].index]))
    now, then = (side.reindex(names).fillna(0.0) for side in sides)
    return then, now


def _state(then: pd.Series, now: pd.Series) -> npt.NDArray[np.str_]:
    return np.where(
        (then > 0) & (now > 0),
        "both",
        np.where(now > 0, "new", np.where(then > 0, "gone", "absent")),
    )


def mix_and_rate(
    before: pd.DataFrame, after: pd.DataFrame, slice: str, weight: str, value: str
) -> pd.DataFrame:
    """The change of a rate split over slices into who came (mix) and how they did (rate).

    The rate is sum(value) / sum(weight). Centred Kitagawa (Das Gupta 1993): mix = change of share x
    (the slice's mean rate - the whole's mean rate), rate = mean share x change of rate; both sum to
    the change exactly and swap sign with the periods. Columns: the slice column, state (both, new,
    gone), weight_before, weight_after, share_before, share_after, rate_before, rate_after,
    mix_effect, rate_effect. A slice on one side only counts as mix entirely. Empty where either
    side has no weight.
    """
    then, now = _aligned(before, after, slice, [weight, value])
    if not (then[weight].sum() > 0 and now[weight].sum() > 0):
        return pd.DataFrame(columns=[slice, *MIX])
    whole = (then[value].sum() / then[weight].sum() + now[value].sum() / now[weight].sum()) / 2
    s0, s1 = then[weight] / then[weight].sum(), now[weight] / now[weight].sum()
    r0, r1 = (
        then[value] / then[weight].where(then[weight] > 0),
        now[value] / now[weight].where(now[weight] > 0),
    )
    known0, known1 = r0.fillna(r1).fillna(0.0), r1.fillna(r0).fillna(0.0)
    table = pd.DataFrame(
        {
            "state": _state(then[weight], now[weight]),
            "weight_before": then[weight],
            "weight_after": now[weight],
            "share_before": s0,
            "share_after": s1,
            "rate_before": r0,
            "rate_after": r1,
            "mix_effect": (s1 - s0) * ((known0 + known1) / 2 - whole),
            "rate_effect": (s0 + s1) / 2 * (known1 - known0),
        }
    )
    return table[table["state"] != "absent"].rename_axis(slice).reset_index()[[slice, *MIX]]


def reversal(table: pd.DataFrame) -> bool:
    """Whether the whole moved one way, its slices' own rates the other (Simpson's paradox)."""
    change, rates = (
        table["mix_effect"].sum() + table["rate_effect"].sum(),
        table["rate_effect"].sum(),
    )
    return bool(change * rates < 0)


def by_slice(
    before: pd.DataFrame, after: pd.DataFrame, slice: str, columns: Sequence[str]
) -> pd.DataFrame:
    """The change of the last column split over slices and over the steps within each (LMDI-I).

    One row per slice x step between the columns, slices in order of their change: slice, state
    (both, new, gone), step (the column reached, or `new` and `gone` for a slice on one side only),
    previous (the column it is reached from; empty for the first), contribution, ratio (the step
    after / before; missing where there is none). Contributions sum to the change of the whole
    exactly.
    """
    then, now = _aligned(before, after, slice, columns)
    # A step that an export does not have is left out, and its neighbours meet.
    columns = [
        name
        for name in columns
        if name == columns[-1] or (then[name].sum() > 0 and now[name].sum() > 0)
    ]
    state = _state(then[columns[0]] + then[columns[-1]], now[columns[0]] + now[columns[-1]])
    totals = now[columns[-1]] - then[columns[-1]]
    both = state == "both"
    x0, x1 = undefined_as_unchanged(factors(then[both], columns), factors(now[both], columns))
    effects = lmdi(x0, x1)
    # Unattributed sales, without a person at the first step, cannot be followed.
    closes = np.isclose(effects.sum(axis=1), totals[both], rtol=1e-9, atol=1e-6)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(x0 > 0, x1 / x0, np.nan)
    followed = iter(zip(closes, effects, ratios, strict=True))
    rows = []
    for name, kind, total in zip(then.index, state, totals, strict=True):
        if kind == "both":
            closed, steps, changes = next(followed)
            parts = (
                zip(columns, ["", *columns[:-1]], steps, changes, strict=True)
                if closed
                else [(columns[-1], "", total, np.nan)]
            )
            rows += [(name, kind, *part) for part in parts]
        elif kind != "absent":
            rows.append((name, kind, kind, "", total, np.nan))
    table = pd.DataFrame(
        rows, columns=[slice, "state", "step", "previous", "contribution", "ratio"]
    ).astype({"contribution": float, "ratio": float})
    order = table.groupby(slice)["contribution"].transform("sum")
    return (
        table.assign(_order=order)
        .sort_values("_order", kind="stable")
        .drop(columns="_order")
        .reset_index(drop=True)
    )


def slice_totals(table: pd.DataFrame, slice: str) -> pd.DataFrame:
    """Each slice's whole contribution and the step that made most of it.

    One row per slice, most negative first. Columns: the slice, state, contribution, step, previous,
    step_contribution.
    """
    total = table.groupby(slice, sort=False).agg(
        state=("state", "first"), contribution=("contribution", "sum")
    )
    toward = table["contribution"] * np.sign(table[slice].map(total["contribution"]))
    lead = table.loc[toward.groupby(table[slice], sort=False).idxmax()].set_index(slice)
    joined = total.join(
        lead[["step", "previous", "contribution"]].rename(
            columns={"contribution": "step_contribution"}
        )
    )
    return joined.sort_values("contribution", kind="stable").reset_index()


STANDS_OUT = [
    "weight",
    "value",
    "rate",
    "expected",
    "lower",
    "upper",
    "others_rate",
    "n",
    "p_value",
]


def _relative(
    rows: pd.DataFrame, slice: str, weight: str, value: str, apart: Iterable[str]
) -> pd.DataFrame:
    """By session and slice, smoothed; slices `apart` are not among the others of anyone else."""
    held = rows.groupby(["session_id", slice])[[weight, value]].sum()
    ordinary = held.mul(~held.index.get_level_values(slice).isin(list(apart)), axis=0)
    others = ordinary.groupby("session_id").transform("sum") - ordinary
    rate, others_rate = (stats.smoothed_rate(side[value], side[weight]) for side in (held, others))
    comparable = (held[weight] > 0) & (others[weight] > 0)
    return held.assign(
        others_rate=others[value] / others[weight].where(others[weight] > 0),
        relative=np.log(rate / others_rate),
    ).where(comparable)


def _one_round(
    rows: pd.DataFrame,
    session_id: str,
    slice: str,
    weight: str,
    value: str,
    apart: Iterable[str],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    table = _relative(rows, slice, weight, value, apart)
    today = table.xs(session_id, level="session_id").dropna(subset=["relative"])
    by_session = table["relative"].unstack(slice).reindex(columns=today.index)
    past = by_session[by_session.index != session_id]
    bounds = stats.prediction_interval(past, confidence=thresholds["confidence"], log=False)
    others_rate = today["others_rate"].to_numpy(float)
    expected, lower, upper = (np.exp(edge) * others_rate for edge in bounds[:3])
    few = (bounds.n < thresholds["min_sessions_for_verdict"]) | ~(
        expected * today[weight] >= FEW_ORDERS
    )
    p_values = stats.prediction_p(today["relative"], past, log=False)
    return pd.DataFrame(
        {
            slice: today.index,
            "weight": today[weight].to_numpy(),
            "value": today[value].to_numpy(),
            "rate": (today[value] / today[weight]).to_numpy(),
            "expected": expected,
            "lower": lower,
            "upper": upper,
            "others_rate": others_rate,
            "n": bounds.n,
            "p_value": np.where(few, np.nan, p_values),
        }
    )[[slice, *STANDS_OUT]]


def stands_out(
    rows: pd.DataFrame,
    session_id: str,
    chosen: Iterable[str],
    slice: str,
    weight: str,
    value: str,
    *,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """The sources or products with how they did beside the others, against what is usual for them.

    A good or bad evening moves all slices alike, so each is first set against the others of its own
    session, and that relation against the comparable sessions (difference in differences on the log
    scale, t prediction interval). The surest slice that leaves its range is then kept out of the
    others, who would else look better for it, and so on. Columns: the slice, weight, value, rate,
    expected (its usual relation times the others' rate today), lower, upper, others_rate, n
    (sessions with it), p_value, p_adjusted (Benjamini-Hochberg over the slices), gap (expected -
    rate), verdict: none for fewer than five expected events or too few sessions. Of two slices it
    cannot be told which one moved.
    """
    rows = rows[rows["session_id"].isin({session_id, *chosen})]
    columns = [slice, *STANDS_OUT, "p_adjusted", "gap", "verdict"]
    if not (rows["session_id"] == session_id).any():
        return pd.DataFrame(columns=columns)
    p_of_unusual: dict[str, float] = {}
    while True:
        tested = _one_round(rows, session_id, slice, weight, value, p_of_unusual, thresholds)
        tested = tested.assign(
            p_value=tested["p_value"].where(
                ~tested[slice].isin(p_of_unusual), tested[slice].map(p_of_unusual)
            )
        )
        tested = tested.assign(p_adjusted=stats.benjamini_hochberg(tested["p_value"].astype(float)))
        unusual = (tested["p_value"] <= 1 - thresholds["confidence"]) & (
            tested["p_adjusted"] <= thresholds["false_discovery_rate"]
        )
        left = tested[unusual & ~tested[slice].isin(p_of_unusual)].sort_values(
            "p_value", kind="stable"
        )
        if left.empty or len(p_of_unusual) + 2 >= len(tested):
            break
        p_of_unusual[left[slice].iloc[0]] = left["p_value"].iloc[0]
    side = np.where(tested["rate"] < tested["expected"], "worse", "better")
    verdict = np.where(
        tested["p_value"].isna(),
        "not_comparable",
        np.where(tested[slice].isin(p_of_unusual), side, "cannot_tell"),
    )
    return tested.assign(gap=tested["expected"] - tested["rate"], verdict=verdict)[
        columns
    ].sort_values("p_value", kind="stable", na_position="last", ignore_index=True)


def standings(
    rows: Mapping[str, pd.DataFrame],
    tests: Sequence[tuple[str, str, str, str]],
    session_id: str,
    chosen: Iterable[str],
    *,
    names: Mapping[str, str],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """`stands_out` for several rates at once, corrected for all that are stated together.

    `tests` are (slice column, weight, value, metric), `rows` the frame of each slice column.
    Columns: dimension (the slice column), key, slice (its name), metric, weight_column,
    value_column, and those of `stands_out`, whose rate is here called value and whose expected rate
    baseline; p_adjusted is over the slices of all rates, and so are verdicts.
    """
    past_ids, parts = list(chosen), []
    for slice, weight, value, metric in tests:
        tested = stands_out(
            rows[slice], session_id, past_ids, slice, weight, value, thresholds=thresholds
        )
        tested = tested.rename(
            columns={slice: "key", "value": "events", "rate": "value", "expected": "baseline"}
        )
        named = tested["key"].map(
            lambda key, slice=slice: names.get(key, key) if slice == "product_id" else key
        )
        parts.append(
            tested.assign(
                dimension=slice,
                slice=named.astype("str"),
                metric=metric,
                weight_column=weight,
                value_column=value,
            )
        )
    first = ["dimension", "key", "slice", "metric", "weight_column", "value_column"]
    table = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    table["p_adjusted"] = stats.benjamini_hochberg(table["p_value"].astype(float))
    chance = table["verdict"].isin(["better", "worse"]) & ~(
        table["p_adjusted"] <= thresholds["false_discovery_rate"]
    )
    table["verdict"] = table["verdict"].mask(chance, "cannot_tell")
    return table[[*first, *(name for name in table.columns if name not in first)]]
