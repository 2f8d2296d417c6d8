"""Each group against all others together: which test, and its table."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.core.others import against_others, between_sessions
from helpers.reference import Metric, metrics

COLUMNS = [
    "metric",
    "cases",
    "value",
    "others_rate",
    "off_others",
    "off_lower",
    "off_upper",
    "p_value",
    "p_adjusted",
    "standing",
]


def are_several(frame: pd.DataFrame) -> bool:
    """Whether rows are those of several sessions."""
    return "session_id" in frame and frame["session_id"].nunique() > 1


def against_rest(
    frame: pd.DataFrame,
    name: str,
    by: list[str],
    *,
    registry: Mapping[str, Metric],
    count_per_slice: bool,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Each group of a metric against the others together; one row per group.

    Over several sessions a session is one case (`between_sessions`; cases: sessions); within one, a
    proportion is tested by Fisher (`against_others`; cases: people, orders …), other figures are
    not. Columns: `by`, metric, cases, value, others_rate, off_others (value off others_rate) with
    off_lower and off_upper, p_value, p_adjusted (Benjamini-Hochberg over the groups of this
    metric), standing.
    """
    several = are_several(frame)
    metric = registry[name]
    keys = list(dict.fromkeys([*by, "session_id"])) if several else by
    cells = metrics.evaluate(
        frame, [name], registry=registry, by=keys, count_per_slice=count_per_slice
    )
    if metric.denominator is None:  # a total: its mean of a session
        cells = cells.assign(denominator=1.0)
    limits = {
        name: thresholds[name] for name in ("confidence", "false_discovery_rate", "least_effect")
    }
    if several:
        table = between_sessions(cells, by=by, **limits)
        bounds = {
            f"off_{side}": table[f"diff_{side}"] / table["others_rate"]
            for side in ("lower", "upper")
        }
        cases = table["sessions"]
    else:
        tested = cells if metric.proportion else cells.assign(numerator=np.nan)
        table = against_others(
            tested,
            numerator="numerator",
            denominator="denominator",
            min_people=thresholds["min_people_for_ranking"],
            **limits,
        )
        bounds = {f"off_{side}": table[f"ratio_{side}"] - 1 for side in ("lower", "upper")}
        cases = table["people"]
        table = cells[by].join(table)
        rate = cells["numerator"] / cells["denominator"].where(cells["denominator"] != 0)
        table = table.assign(rate=table["rate"].fillna(rate))
    table = table.astype({"rate": float, "others_rate": float})
    others = table["others_rate"].where(table["others_rate"] != 0)
    table = table.assign(
        metric=name,
        cases=cases,
        value=table["rate"] * metric.factor,
        others_rate=table["others_rate"] * metric.factor,
        off_others=table["rate"] / others - 1,
        **bounds,
    )
    return table[[*by, *COLUMNS]]
