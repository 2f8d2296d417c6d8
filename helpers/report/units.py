"""Units of what is shown: their names, their formats in a workbook, and the unit of each column."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import pandas as pd

from helpers import reference

Registry = Mapping[str, reference.Metric]


class Unit(NamedTuple):
    """A unit: its names, the format of its cells in Excel, the most decimals of a chart's ticks."""

    zh: str
    en: str
    excel: str = ""
    tick_decimals: int | None = None


UNITS = {
    "percent": Unit("比例（1 = 100%）", "fraction (1 = 100 %)", "0.00%", 2),
    "money": Unit("金额", "money", "#,##0.00"),
    "users": Unit("人", "people", "#,##0", 0),
    "times": Unit("次", "times", "#,##0", 0),
    "count": Unit("个数", "count", "#,##0", 0),
    "seconds": Unit("秒", "seconds", "#,##0"),
    "p": Unit("p 值", "p value", "0.000"),
    "ratio": Unit("比值", "ratio"),
    "score": Unit("数值", "number"),
    "points": Unit("小数（0.01 = 1 个百分点）", "fraction (0.01 = 1 point)"),
}
# Of the columns that analyses add to those of the canonical tables; where a row names its metric,
# its unit wins.
ADDED = {
    "percent": "rate_of_previous rate_of_first share rate relative completion elapsed ci_lower "
    "ci_upper effect_lower effect_upper least_effect mix_effect rate_effect "
    "entry_rate entry_share live_share session_share off_lower off_upper",
    "+percent": "change off_others",
    "ratio": "ratio ratio_lower ratio_upper",
    "count": "n rows cases minute minute_from minute_to hour start_hour",
    "users": "users",
    "p": "p_value p_adjusted",
    "money": "money_at_stake outstanding period_live period_paid period_commission live_paid "
    "outside_paid",
}
UNIT_OF_COLUMN = {column: unit for unit, columns in ADDED.items() for column in columns.split()}
IN_UNIT_OF_METRIC = frozenset(
    [
        "value",
        "baseline",
        "lower",
        "upper",
        "diff",
        "ci_lower",
        "ci_upper",
        "target",
        "total",
        "parts",
        "difference",
        "recomputed",
        "reference",
        "before",
        "after",
        "expected",
        "flagged",
        "others_rate",
        "rest",
        "usual_lower",
        "usual_upper",
    ]
)
PLACE = re.compile(r"_\d+$")  # value_1, value_2: the same column of several sessions side by side


def canonical(column: str) -> reference.Column | None:
    """A column of the canonical tables by its name; none where no table has it."""
    tables = reference.tables().values()
    return next((table.columns[column] for table in tables if column in table.columns), None)


def decimals_of(metric: reference.Metric) -> int | None:
    """The decimals of a metric's values; none for money, which has those that its size needs."""
    return None if metric.unit == "money" else metric.decimals


def _unit_of(
    row: Mapping[str, Any],
    column: str,
    registry: Registry,
    units: Mapping[str, str],
    whole: bool = False,
) -> tuple[str, int | None]:
    """Unit and decimals of a column in a row: from `units`, else the row's metric, else the column.

    One that nothing knows is a count where it is `whole`, else a number.
    """
    if column in units:
        return units[column], None
    column = PLACE.sub("", column)
    of_metric = column in IN_UNIT_OF_METRIC
    if of_metric and isinstance(row.get("unit"), str):
        return row["unit"], None
    metric = registry.get(row.get("metric") if of_metric else column)
    if metric:
        return metric.unit, decimals_of(metric)
    if column in UNIT_OF_COLUMN:
        return UNIT_OF_COLUMN[column], None
    entry = canonical(column)
    kind = "" if entry is None else "percent" if entry.kind == "rate" else entry.kind
    return kind if kind in UNITS else "count" if whole else "score", None


def units_of(
    frame: pd.DataFrame,
    column: str,
    registry: Registry,
    units: Mapping[str, str],
    whole: bool = False,
) -> list[tuple[str, int | None]]:
    """`_unit_of` of a column in each row of a table."""
    of_metric = PLACE.sub("", column) in IN_UNIT_OF_METRIC and column not in units
    deciding = [name for name in ("unit", "metric") if of_metric and name in frame]
    if not deciding:
        return [_unit_of({}, column, registry, units, whole)] * len(frame)
    rows = frame[deciding].to_dict("records")
    return [_unit_of(row, column, registry, units, whole) for row in rows]
