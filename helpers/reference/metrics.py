"""Evaluates the metric registry: ratios of sums over any grouping of a canonical table.

A ratio is sum over sum, never a mean of ratios. People are de-duplicated within one row only, so a
total of people over several rows is refused, and a ratio that would add the people of several
slices of one session; over sessions it stands, as each is a scope of its own.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers.core import stats, text
from helpers.core.names import no_such
from helpers.reference import load
from helpers.reference.models import ROWS, Measure, Metric

VALUES = ["metric", "numerator", "denominator", "value", "ci_lower", "ci_upper"]


class MetricError(ValueError):
    """A metric that does not exist, or rows over which it has no meaning; the message says why."""


def terms(metric: Metric) -> list[str]:
    """Column names that a metric is made from."""
    return [
        metric.numerator,
        *metric.minus,
        *filter(None, [metric.denominator]),
        *metric.denominator_minus,
    ]


def kinds(metric: Metric) -> dict[str, str]:
    """Kind of each term of a metric (users, times, money …) as `tables.yml` has it.

    Raises `MetricError` where a term is no column of the metric's table.
    """
    columns = load.tables()[metric.table].columns
    unknown = [term for term in terms(metric) if term not in columns and term != ROWS]
    if unknown:
        raise MetricError(f"{metric.en}: {', '.join(unknown)} is no column of {metric.table}")
    return {term: "id" if term == ROWS else columns[term].kind for term in terms(metric)}


def check(name: str, metric: Metric) -> None:
    """Refuses (`MetricError`) mixing people and events unsaid, and a proportion that is none."""
    kind_of = kinds(metric)
    if {"users", "times"} <= set(kind_of.values()) and metric.mixed_units is None:
        raise MetricError(
            f"{name}: mixes people and events ({kind_of}) and mixed_units does not say why"
        )
    if metric.denominator is None:
        return
    of_one_kind = kind_of[metric.numerator] == kind_of[metric.denominator] and kind_of[
        metric.numerator
    ] in ("users", "count")
    of_rows = kind_of[metric.numerator] == "flag" and kind_of[metric.denominator] == "id"
    if metric.proportion and not (of_one_kind or of_rows):
        raise MetricError(
            f"{name}: a proportion needs people of people, orders of orders or marked rows, found "
            f"{kind_of}"
        )


def formula(metric: Metric, lang: str) -> str:
    """The formula in the words of the columns, e.g. "新增粉丝数 ÷ 观看人数".

    Ids and marked rows are counted. Empty for a figure that stands in the export as it is.
    """
    table = load.tables()[metric.table]

    def named(term: str) -> str:
        if term == ROWS or (term in table.key and table.columns[term].kind == "id"):
            return text.choose(lang, f"{table.zh}条数", f"count of {table.en.lower()}")
        column = table.columns[term]
        if column.kind == "id":
            return text.choose(lang, f"{column.zh}（去重）个数", f"distinct {column.en.lower()}")
        return (
            text.choose(lang, f"“{column.zh}”为是的条数", f"count of “{column.en.lower()}”")
            if column.kind == "flag"
            else text.label(column, lang)
        )

    def side(first: str, rest: Iterable[str]) -> str:
        names = [named(term) for term in (first, *rest)]
        return (
            " − ".join(names)
            if len(names) == 1 or metric.denominator is None
            else f"({' − '.join(names)})"
        )

    above = side(metric.numerator, metric.minus)
    if metric.denominator is None:
        return above if metric.minus or kinds(metric)[metric.numerator] in ("id", "flag") else ""
    below = side(metric.denominator, metric.denominator_minus)
    if metric.factor == 3600:
        return f"{above} ÷ {below}{'（小时）' if lang == 'zh' else ' (hours)'}"
    return f"{above} ÷ {below}" + (f" × {metric.factor:g}" if metric.factor != 1 else "")


def source(metric: Metric | Measure, lang: str) -> str:
    """Where a metric's definition comes from, in the words of `terms.yml` (metric_source)."""
    words = metric.source
    for word, label in load.terms()["metric_source"].items():
        words = words.replace(word, text.label(label, lang))
    return text.choose(
        lang,
        words.replace("; ", "；").replace(", ", "，").replace(" (", "（").replace(")", "）"),
        words,
    )


def glossary(registry: Mapping[str, Metric], ids: Iterable[str] | None = None) -> pd.DataFrame:
    """The registry as a table: one row per metric, all of it or the ids given, in that order.

    Columns: metric, group, label_zh, label_en, formula_zh, formula_en, description_zh,
    description_en, unit, source.
    """
    wanted = list(registry) if ids is None else list(ids)
    _refuse_unknown(wanted, registry)
    rows = [
        {
            "metric": name,
            "group": m.group,
            "label_zh": m.zh,
            "label_en": m.en,
            "formula_zh": formula(m, "zh"),
            "formula_en": formula(m, "en"),
            "description_zh": m.description.zh,
            "description_en": m.description.en,
            "unit": m.unit,
            "source": m.source,
        }
        for name, m in ((name, registry[name]) for name in wanted)
    ]
    return pd.DataFrame(rows)


def with_derived(sessions: pd.DataFrame) -> pd.DataFrame:
    """The frame with missing `fan_viewers` filled: viewers x fan_viewer_share, rounded."""
    if not {"viewers", "fan_viewer_share"} <= set(sessions.columns):
        return sessions
    implied = (sessions["viewers"] * sessions["fan_viewer_share"]).round()
    exported = (
        sessions["fan_viewers"]
        if "fan_viewers" in sessions
        else pd.Series(np.nan, index=sessions.index)
    )
    return sessions.assign(fan_viewers=exported.astype(float).fillna(implied))


def evaluate(
    frame: pd.DataFrame,
    ids: Iterable[str],
    *,
    registry: Mapping[str, Metric],
    by: str | Sequence[str] = (),
    count_per_slice: bool = False,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Evaluates metrics over the rows of each group: one row per group x metric.

    Groups stand in order of appearance. Columns: those of `by`, metric, numerator, denominator (nan
    for a total), value, ci_lower, ci_upper (Wilson, where the registry says proportion; else nan).
    `frame` is any table that carries the metrics' columns (those of `sessions` also by source); a
    column it lacks counts as missing. A ratio leaves out the rows that lack one of its terms; a
    total with a missing row is missing; 0/0 and x/0 are nan. `count_per_slice=True` lets people be
    counted once in every slice they were in (paid sources of a session, say); such a ratio is no
    proportion and gets no interval.

    Raises `MetricError` for an unknown id, a grouping column that is not there, none of the
    metrics' columns present, people or averages added over rows, product rows mixed with their SKU
    rows, and money of several currencies.
    """
    names_of_metrics, keys = list(ids), [by] if isinstance(by, str) else list(by)
    _refuse_unknown(names_of_metrics, registry)
    data = with_derived(frame).reset_index(drop=True)
    _refuse_frame(data, names_of_metrics, registry, keys)
    group, names = _groups(data, keys)
    parts = [
        names.assign(
            metric=name,
            **_one(data, name, registry[name], group, len(names), count_per_slice, confidence),
        )
        for name in names_of_metrics
    ]
    if not parts:
        return pd.DataFrame(columns=[*keys, *VALUES])
    # the parts' index is the number of the group: the metrics of one group come together
    return pd.concat(parts).sort_index(kind="stable").reset_index(drop=True)[[*keys, *VALUES]]


def by_session(
    sessions: pd.DataFrame,
    ids: Iterable[str],
    *,
    registry: Mapping[str, Metric],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Evaluates metrics of each session: one row per session_id x metric, columns as `evaluate`.

    Raises `MetricError` where a session has more than one row.
    """
    if "session_id" not in sessions or sessions["session_id"].duplicated().any():
        raise MetricError("by_session: expected a frame with one row per session_id")
    return evaluate(sessions, ids, registry=registry, by="session_id", confidence=confidence)


def _groups(data: pd.DataFrame, keys: list[str]) -> tuple[pd.Series, pd.DataFrame]:
    """The number of each row's group, and the keys of each group, in order of appearance."""
    if not keys:
        return pd.Series(0, index=data.index), pd.DataFrame(index=range(min(len(data), 1)))
    grouped = data.groupby(keys, sort=False, dropna=False, observed=True)
    return grouped.ngroup(), grouped.size().index.to_frame(index=False)


def _one(
    data: pd.DataFrame,
    name: str,
    metric: Metric,
    group: pd.Series,
    n_groups: int,
    count_per_slice: bool,
    confidence: float,
) -> dict[str, object]:
    check(name, metric)
    _refuse_sums(data, name, metric, group, count_per_slice)
    above = _side(data, metric, group, metric.numerator, metric.minus)
    if metric.denominator is None:
        total = _sums(above, group).mask(~_every(above.notna(), group))
        interval = {"ci_lower": np.nan, "ci_upper": np.nan}
        value = total * metric.factor
        return {"numerator": total, "denominator": np.nan, "value": value, **interval}
    below = _side(data, metric, group, metric.denominator, metric.denominator_minus)
    complete = above.notna() & below.notna()
    x, n = (
        _sums(side[complete], group[complete]).reindex(range(n_groups)) for side in (above, below)
    )
    lower, upper = _wilson(x, n, metric, count_per_slice, confidence)
    return {
        "numerator": x,
        "denominator": n,
        "value": x / n.where(n != 0) * metric.factor,
        "ci_lower": lower,
        "ci_upper": upper,
    }


def _sums(values: pd.Series, group: pd.Series) -> pd.Series:
    """The sum of each group; where each row is a group, as sessions are, the values themselves."""
    if group.is_unique:
        return values.fillna(0).set_axis(group).sort_index()
    return values.groupby(group).sum()


def _every(holds: pd.Series, group: pd.Series) -> pd.Series:
    """Whether it holds in every row of each group."""
    return holds.set_axis(group).sort_index() if group.is_unique else holds.groupby(group).all()


def _side(
    data: pd.DataFrame, metric: Metric, group: pd.Series, first: str, rest: Sequence[str]
) -> pd.Series:
    """Row values of one side of a ratio: the first term less the others."""
    side = _values(data, metric, group, first)
    for term in rest:
        side = side - _values(data, metric, group, term)
    return side


def _values(data: pd.DataFrame, metric: Metric, group: pd.Series, term: str) -> pd.Series:
    """Row values of one term: an id is 1 where first seen in its group, else 0; a flag 1 or 0."""
    if term == ROWS:
        return pd.Series(1.0, index=data.index)
    if term not in data:
        return pd.Series(np.nan, index=data.index)
    kind = load.tables()[metric.table].columns[term].kind
    if kind == "id":
        first_seen = ~pd.DataFrame({"group": group, "id": data[term]}).duplicated()
        return first_seen.astype(float).where(data[term].notna())
    if kind == "flag":
        return data[term].astype("boolean").astype("Float64").astype(float)
    return data[term].astype(float)


def _wilson(
    x: pd.Series, n: pd.Series, metric: Metric, count_per_slice: bool, confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    if not metric.proportion or count_per_slice:
        return np.full(len(n), np.nan), np.full(len(n), np.nan)
    return stats.wilson(x, n, confidence=confidence)


def named(
    denominator: str, numerator: str, *, registry: Mapping[str, Metric], table: str = "sessions"
) -> str | None:
    """Id of the metric of a table that is `numerator` ÷ `denominator` and nothing more, if any."""
    for name, m in registry.items():
        if (
            m.table == table
            and (m.numerator, m.denominator) == (numerator, denominator)
            and not m.minus
            and not m.denominator_minus
        ):
            return name
    return None


def price_bands(products: pd.DataFrame) -> pd.Series:
    """Price band of each product by product_id: 0 to 2 by thirds, cheapest first; -1 unpriced."""
    price = products.groupby("product_id")["price"].median()
    cuts = price.dropna().quantile([1 / 3, 2 / 3]).to_numpy()
    return pd.Series(
        np.where(price.isna(), -1, np.searchsorted(cuts, price, side="right")), index=price.index
    )


def _refuse_unknown(ids: Iterable[str], registry: Mapping[str, Metric]) -> None:
    for name in ids:
        if name not in registry:
            raise MetricError(no_such(name, "metric of the registry", registry))


def _refuse_frame(
    frame: pd.DataFrame, ids: list[str], registry: Mapping[str, Metric], keys: list[str]
) -> None:
    for key in keys:
        if key not in frame:
            raise MetricError(f"by: {no_such(key, 'column of the frame', frame)}")
    needed = {term for name in ids for term in terms(registry[name])} - {ROWS}
    if needed and not needed & set(frame.columns):
        raise MetricError(
            "the frame has none of the columns these metrics are made from: "
            f"{', '.join(sorted(needed))}"
        )
    if (
        "sku_id" in frame
        and "sku_id" not in keys
        and frame["sku_id"].notna().any()
        and frame["sku_id"].isna().any()
    ):
        raise MetricError(
            "product rows and their SKU rows are in one frame: they would be counted twice"
        )


def _refuse_sums(
    data: pd.DataFrame, name: str, metric: Metric, group: pd.Series, count_per_slice: bool
) -> None:
    kind_of = kinds(metric)
    sizes = group.value_counts()
    if (
        "money" in kind_of.values()
        and "currency" in data
        and (data["currency"].groupby(group).nunique() > 1).any()
    ):
        raise MetricError(f"{name}: amounts of several currencies in one group; group by currency")
    if metric.denominator is None and not metric.additive and (sizes > 1).any():
        what = (
            "people, de-duplicated within a row"
            if kind_of[metric.numerator] == "users"
            else "an average or a maximum"
        )
        raise MetricError(
            f"{name}: {metric.numerator} is {what}; {sizes.max()} rows in one group cannot be "
            "added up"
        )
    if (
        metric.denominator is None
        or "users" not in kind_of.values()
        or count_per_slice
        or "session_id" not in data
    ):
        return
    if pd.DataFrame({"group": group, "session": data["session_id"]}).duplicated().any():
        raise MetricError(
            f"{name}: several rows of one session in a group would add its people up, who are in "
            "more than one of them; "
            "group by the slice, or say count_per_slice"
        )
