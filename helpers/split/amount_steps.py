"""The way to an amount as a formula, and the change of the amount split along its steps."""

import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import stats, text
from helpers.split.product import Floats, lmdi, logarithmic_mean, sampling_interval, shapley

# In people and, where an export has none, in events; the amount stands at the end.
PEOPLE = (
    "room_exposure_users",
    "viewers",
    "product_exposure_users",
    "product_click_users",
    "create_users",
    "pay_users",
)
EVENTS = ("room_exposure_times", "views", "product_exposure_times", "product_click_times", "orders")
AMOUNT = "paid_amount"
MAIN_STEPS = (
    "viewers",
    "product_exposure_users",
    "product_click_users",
    "pay_users",
    "views",
    "product_click_times",
    "orders",
)
LEAST_NET = (
    0.25  # a change smaller than this part of all effects together has no shares worth reading
)


def tree(session: pd.Series, baseline: pd.DataFrame, amount: str = AMOUNT) -> tuple[str, ...]:
    """The longest way to an amount that this session and all of the baseline can be followed along.

    Columns of `sessions` from the first step to the amount, in people where the export has them,
    else in events, without those missing anywhere, or 0 in this session though it sold: that 0 is a
    gap in the recording. The way to the created amount ends in those who ordered, paid or not.
    """
    sold = pd.notna(session.get(amount)) and session[amount] > 0

    def known(columns: Sequence[str]) -> list[str]:
        return [
            name
            for name in columns
            if name in baseline
            and pd.notna(session.get(name))
            and not (sold and session[name] <= 0)
            and baseline[name].notna().all()
        ]

    created = amount == "created_amount"
    people = known([name for name in PEOPLE if not (created and name == "pay_users")])
    events = known([*EVENTS[:-1], "created_orders" if created else EVENTS[-1]])
    # A way in people must end in the people who bought: its last factor is what one of them spent.
    people = people if ("create_users" if created else "pay_users") in people else []
    return (*max(people, events, key=len), amount)


def baseline_session(sessions: pd.DataFrame, columns: Sequence[str], hours: float) -> pd.Series:
    """The session that the comparable ones lead one to expect: their sums, scaled to `hours`.

    Its ratios are ratios of sums, so its sources and products can be made the same way.
    """
    length = sessions["duration_seconds"].sum() / 3600
    return sessions[list(columns)].sum(min_count=1) / length * hours


def factors(row: pd.Series | pd.DataFrame, columns: Sequence[str]) -> Floats:
    """The first column, then each per the one before; `nan` after a step that nobody reached.

    Of a frame, those of each of its rows.
    """
    values = row[list(columns)].to_numpy(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.where(values[..., :-1] > 0, values[..., 1:] / values[..., :-1], np.nan)
    return np.concatenate([values[..., :1], steps], axis=-1)


def undefined_as_unchanged(x0: Floats, x1: Floats) -> tuple[Floats, Floats]:
    """Both sides' factors, a rate that is missing on one side set to that of the other.

    The loss then falls to the first step that is zero, where it belongs.
    """
    known0, known1 = np.where(np.isnan(x0), x1, x0), np.where(np.isnan(x1), x0, x1)
    return np.nan_to_num(known0, nan=1.0), np.nan_to_num(known1, nan=1.0)


def _step_metric(
    columns: Sequence[str], place: int, registry: Mapping[str, reference.Metric]
) -> str:
    above, below = columns[place], columns[place - 1] if place else None
    for name, metric in registry.items():
        plain = (
            metric.table == "sessions"
            and not metric.minus
            and not metric.denominator_minus
            and metric.factor == 1
        )
        if plain and metric.numerator == above and metric.denominator == below:
            return name
    return ""


def _step_names(
    columns: Sequence[str], metrics: Sequence[str], registry: Mapping[str, reference.Metric]
) -> dict[str, list[str]]:
    words = reference.tables()["sessions"].columns

    def label(place: int, lang: str) -> str:
        if metrics[place]:
            return text.label(registry[metrics[place]], lang)
        return " ÷ ".join(
            text.label(words[column], lang) for column in (columns[place], columns[place - 1])
        )

    return {
        "factor": [name or column for name, column in zip(metrics, columns, strict=True)],
        **{
            f"label_{lang}": [label(place, lang) for place in range(len(columns))]
            for lang in ("zh", "en")
        },
    }


def formula(
    before: pd.Series,
    after: pd.Series,
    columns: Sequence[str],
    *,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """The change from a baseline of the same length, split along the amount's steps (LMDI-I).

    Columns: factor (metric of the registry, or the column), label_zh, label_en, unit, numerator,
    denominator, before, after (the step's own value), ratio, contribution (money; sums to the
    change exactly), share (of the change).
    """
    x0, x1 = factors(before, columns), factors(after, columns)
    effects = lmdi(*undefined_as_unchanged(x0, x1))
    total = after[columns[-1]] - before[columns[-1]]
    if not np.isclose(effects.sum(), total, rtol=1e-9, atol=1e-6):
        raise ArithmeticError(
            f"split of {columns[-1]}: effects sum to {effects.sum()}, the change is {total}"
        )
    names = [_step_metric(columns, place, registry) for place in range(len(columns))]
    kinds = reference.tables()["sessions"].columns
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(x0 > 0, x1 / x0, np.nan)
    return pd.DataFrame(
        {
            **_step_names(columns, names, registry),
            "unit": [
                registry[name].unit if name else "ratio" if k else kinds[columns[k]].kind
                for k, name in enumerate(names)
            ],
            "numerator": list(columns),
            "denominator": ["", *columns[:-1]],
            "before": x0,
            "after": x1,
            "ratio": ratio,
            "contribution": effects,
            "share": _shares(effects, total),
        }
    )


def _shares(effects: Sequence[float], total: float) -> Floats:
    """`nan` where the effects mostly cancel and a share of the rest says nothing."""
    parts = np.asarray(effects, dtype=float)
    return (
        parts / total
        if abs(total) >= LEAST_NET * np.abs(parts).sum() > 0
        else np.full(parts.shape, np.nan)
    )


def usual_effects(
    sessions: pd.DataFrame,
    columns: Sequence[str],
    before: pd.Series,
    after: pd.Series,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How large each step's contribution would be in an ordinary session.

    Each step's own value has a t prediction interval from the comparable sessions (totals per hour,
    on the log scale), widened so that all steps together hold the confidence (Bonferroni); at such
    a bound it contributes L(V1, V0) ln(bound / baseline). One row per step in order: usual_lower,
    usual_upper, n. `nan` with fewer than three sessions, or without a sale on one side.
    """
    past = np.array([factors(row, columns) for _, row in sessions.iterrows()]).reshape(
        len(sessions), len(columns)
    )
    past[:, 0] *= (after["duration_seconds"] / sessions["duration_seconds"]).to_numpy(float)
    start, end = before[columns[-1]], after[columns[-1]]
    scale = logarithmic_mean(end, start) if start > 0 and end > 0 and len(sessions) > 2 else np.nan
    level = 1 - (1 - confidence) / len(columns)
    bounds = [
        stats.prediction_interval(past[:, place], confidence=level) for place in range(len(columns))
    ]
    with np.errstate(divide="ignore", invalid="ignore"):
        base = np.log(factors(before, columns))
        lower, upper = (scale * (np.log([edge[k] for edge in bounds]) - base) for k in (1, 2))
    return pd.DataFrame(
        {"usual_lower": lower, "usual_upper": upper, "n": [edge.n for edge in bounds]}
    )


def pairs_beyond(
    sessions: pd.DataFrame, columns: Sequence[str], steps: pd.DataFrame, hours: float
) -> pd.DataFrame:
    """How often two ordinary sessions differ by as much at a step as this one from its baseline.

    Every pair of comparable sessions, brought to `hours`, is split likewise. One row per step in
    order: pairs (with sales on both sides), beyond (contribution at least as large, whichever way).
    """
    size = hours * 3600 / sessions["duration_seconds"].to_numpy(float)
    rows = [
        row[list(columns)].astype(float) * scale
        for (_, row), scale in zip(sessions.iterrows(), size, strict=True)
    ]
    both = [
        pair
        for pair in itertools.combinations(rows, 2)
        if min(side[columns[-1]] for side in pair) > 0
    ]
    effects = [
        lmdi(*undefined_as_unchanged(*(factors(side, columns) for side in pair))) for pair in both
    ]
    beyond = (
        (np.abs(effects) >= steps["contribution"].abs().to_numpy()).sum(axis=0)
        if both
        else np.zeros(len(columns))
    )
    return pd.DataFrame({"pairs": float(len(both)), "beyond": beyond.astype(float)})


def with_usual(steps: pd.DataFrame, usual: pd.DataFrame) -> pd.DataFrame:
    """The steps of `formula` with usual_lower, usual_upper and unusual (beyond these)."""
    assert len(steps) == len(usual)
    joined = steps.assign(
        usual_lower=usual["usual_lower"].to_numpy(), usual_upper=usual["usual_upper"].to_numpy()
    )
    outside = (joined["contribution"] < joined["usual_lower"]) | (
        joined["contribution"] > joined["usual_upper"]
    )
    return joined.assign(unusual=outside)


def merged(
    steps: pd.DataFrame,
    columns: Sequence[str],
    *,
    registry: Mapping[str, reference.Metric],
    keep: Iterable[str] = MAIN_STEPS,
) -> pd.DataFrame:
    """The same split with steps taken together: their contributions (LMDI, not Shapley) add.

    `keep` are the columns that stay, in order; the last of `columns` always does. Columns: factor,
    label_zh, label_en, contribution, share.
    """
    stay = [*(name for name in columns[:-1] if name in keep), columns[-1]]
    ends = [columns.index(name) for name in stay]
    names = [_step_metric(stay, place, registry) for place in range(len(stay))]
    parts = [
        steps["contribution"].iloc[(ends[k - 1] + 1 if k else 0) : ends[k] + 1].sum()
        for k in range(len(stay))
    ]
    return pd.DataFrame(
        {
            **_step_names(stay, names, registry),
            "contribution": parts,
            "share": _shares(parts, sum(parts)),
        }
    )


LINES = {"created": "created_amount", "paid": "paid_amount", "net": "paid_amount"}


def lines(
    session: pd.Series,
    sessions: pd.DataFrame,
    hours: float,
    *,
    registry: Mapping[str, reference.Metric],
) -> pd.DataFrame:
    """The amounts created, paid, and net of refunds split along their formulas, where known.

    Columns: line, factor, label_zh, label_en, contribution (sums to the line's change to 1e-9 of
    it), shapley (the same by Shapley, which alone serves for net: paid minus refunds is no
    product), share. Net takes refunds as of each session's own `as_of`: older sessions have had
    more time to return.
    """
    splits = []
    for line, amount in LINES.items():
        needed = [amount, *(["refund_amount"] if line == "net" else [])]
        if (
            any(
                name not in sessions or pd.isna(session.get(name)) or sessions[name].isna().any()
                for name in needed
            )
            or sessions.empty
        ):
            continue
        columns = tree(session, sessions, amount)
        before = baseline_session(sessions, [*columns, *needed[1:]], hours)
        if not max(before[amount], session[amount]) > 0:
            continue
        table = formula(before, session, columns, registry=registry)[
            ["factor", "label_zh", "label_en", "contribution"]
        ]
        x0, x1 = undefined_as_unchanged(factors(before, columns), factors(session, columns))
        if line == "net":
            refunds = pd.DataFrame(
                {
                    "factor": ["refund_amount"],
                    "label_zh": ["退款（截至数据时点）"],
                    "label_en": ["refunds, as of the data"],
                }
            )
            effects = shapley(
                [*x0, before["refund_amount"]],
                [*x1, session["refund_amount"]],
                lambda *parts: float(np.prod(parts[:-1]) - parts[-1]),
            )
            table = pd.concat([table, refunds], ignore_index=True).assign(
                contribution=effects, shapley=effects
            )
        else:
            table = table.assign(shapley=shapley(list(x0), list(x1)))
        change = (session[amount] - before[amount]) - (
            session["refund_amount"] - before["refund_amount"] if line == "net" else 0.0
        )
        for name in ("contribution", "shapley"):
            residual = abs(table[name].sum() - change)
            assert residual <= 1e-9 * max(abs(change), before[amount], session[amount]), (
                f"split of the {line} amount leaves {residual}"
            )
        splits.append(table.assign(line=line, share=_shares(table["contribution"], change)))
    columns = ["line", "factor", "label_zh", "label_en", "contribution", "shapley", "share"]
    return (
        pd.concat(splits, ignore_index=True)[columns] if splits else pd.DataFrame(columns=columns)
    )


def times(sessions: pd.DataFrame, hours: float) -> float:
    """How many sessions of that length the baseline holds."""
    return float(sessions["duration_seconds"].sum() / 3600 / hours)


def spread_of(orders: pd.DataFrame) -> float:
    """The coefficient of variation of what one buyer paid; `nan` without order lines."""
    paid = orders[orders["paid_at"].notna() & orders["paid"].gt(0)]
    amounts = paid.groupby(paid["buyer_key"].fillna(paid["order_id"]))["paid"].sum()
    return float(amounts.std(ddof=1) / amounts.mean()) if len(amounts) > 1 else np.nan


def sampling(
    before: pd.Series,
    after: pd.Series,
    columns: Sequence[str],
    *,
    times: float,
    spread: float = np.nan,
) -> pd.DataFrame:
    """What chance alone does to each step's contribution (delta method), a row a step.

    Columns: sampling_lower, sampling_upper. Variance of a rate's logarithm (1 - p) / x, of the
    first count 1 / x, of the mean amount spread^2 / n; the baseline holds `times` such sessions,
    `spread` is `spread_of` (unknown: the last step gets no interval).
    """

    def variances(row: pd.Series, size: float) -> Floats:
        counts = row[list(columns[:-1])].to_numpy(float) * size
        steps = [
            max(1 - now / was, 0.0) / now if now > 0 else np.nan
            for was, now in itertools.pairwise(counts)
        ]
        if not len(counts):
            return np.zeros(1)
        return np.array([1 / counts[0], *steps, np.nan_to_num(spread) ** 2 / counts[-1]])

    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = sampling_interval(
            factors(before, columns),
            factors(after, columns),
            variances(before, times),
            variances(after, 1.0),
        )
    has_interval = np.r_[np.ones(len(columns) - 1, dtype=bool), np.isfinite(spread)]
    return pd.DataFrame(
        {
            "sampling_lower": np.where(has_interval, bounds.lower, np.nan),
            "sampling_upper": np.where(has_interval, bounds.upper, np.nan),
        }
    )


def waterfall(
    steps: pd.DataFrame, before: pd.Series, after: pd.Series, columns: Sequence[str], lang: str
) -> pd.DataFrame:
    """The rows of a waterfall chart of the steps, which lead exactly from start to end.

    Columns: label, amount, kind (start, step, end).
    """
    return bars(
        steps[f"label_{lang}"], steps["contribution"], before[columns[-1]], after[columns[-1]], lang
    )


def bars(
    labels: Iterable[str], amounts: Sequence[float], before: float, after: float, lang: str
) -> pd.DataFrame:
    """Steps between a baseline and this session as the rows of a waterfall.

    Columns: label, amount, kind (start, step, end).
    """
    ends = {"zh": ("基准场", "本场"), "en": ("Base session", "This session")}[lang]
    rows = [
        (ends[0], before, "start"),
        *zip(labels, amounts, ["step"] * len(amounts), strict=True),
        (ends[1], after, "end"),
    ]
    drawn = pd.DataFrame(rows, columns=["label", "amount", "kind"])
    assert np.isclose(
        drawn.loc[drawn["kind"] != "end", "amount"].sum(), after, rtol=1e-9, atol=1e-6
    )
    return drawn


def hours(session: pd.Series) -> float:
    """How long a session was, in hours; from its end where no duration is given."""
    seconds = session["duration_seconds"]
    return (
        float(
            seconds
            if pd.notna(seconds)
            else (session["ended_at"] - session["started_at"]).total_seconds()
        )
        / 3600
    )


def possible(before: pd.Series, after: pd.Series, columns: Sequence[str]) -> bool:
    """Whether there is a change to split: both amounts known, and a sale on one side at least.

    Nor can a step be split at which nobody or nothing is left while a later one has some: the
    recording of one of them is wrong.
    """
    sides = [side[list(columns)].to_numpy(float) for side in (before, after)]
    amounts = [side[-1] for side in sides]
    gaps = any(((side[:-1] <= 0) & (side[1:] > 0)).any() for side in sides)
    return not gaps and all(amount >= 0 for amount in amounts) and max(amounts) > 0


def no_steps() -> pd.DataFrame:
    """The frame of `with_usual` without rows, for nothing to compare with."""
    text_columns = ["factor", "label_zh", "label_en", "unit", "numerator", "denominator"]
    numbers = ["before", "after", "ratio", "contribution", "share", "usual_lower", "usual_upper"]
    return pd.DataFrame(
        {
            **{name: pd.Series(dtype="str") for name in text_columns},
            **{name: pd.Series(dtype=float) for name in numbers},
            "unusual": pd.Series(dtype=bool),
        }
    )
