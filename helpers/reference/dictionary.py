"""The data dictionary: tables, their columns and the metrics as frames in one language."""

from collections.abc import Mapping

import pandas as pd

from helpers.core import text
from helpers.reference import load, metrics, schema
from helpers.reference.models import Column, Metric


def tables(lang: str) -> pd.DataFrame:
    """One row a canonical table: table, name, grain (what tells its rows apart), meaning."""
    rows = [
        {
            "table": name,
            "name": text.label(entry, lang),
            "grain": " × ".join(entry.key),
            "meaning": text.label(entry.description, lang),
        }
        for name, entry in load.tables().items()
    ]
    return pd.DataFrame(rows)


def columns(
    table: str, lang: str, timezone: str, registry: Mapping[str, Metric] | None = None
) -> pd.DataFrame:
    """One row a column of a table: column, name, unit, type (of pandas), meaning.

    The meaning is that of the metric of the same name, the line of money, the values of a choice.
    Raises `KeyError` for an unknown table, naming the nearest.
    """
    kinds = load.terms()["column_kind"]
    rows = [
        {
            "column": name,
            "name": text.label(column, lang),
            "unit": text.label(kinds[column.kind], lang),
            "type": str(schema.dtype(column.kind, timezone)),
            "meaning": _meaning(name, table, column, lang, registry or {}),
        }
        for name, column in load.tables()[table].columns.items()
    ]
    return pd.DataFrame(rows)


def _meaning(
    name: str, table: str, column: Column, lang: str, registry: Mapping[str, Metric]
) -> str:
    parts = []
    metric = registry.get(name)
    if metric and metric.table == table and metric.numerator == name and not metric.denominator:
        parts.append(text.label(metric.description, lang))
    if column.line:
        parts.append(text.label(load.terms()["money_line"][column.line], lang))
    if column.terms:
        values = load.terms()[column.terms]
        parts.append(" · ".join(f"{value} {text.label(values[value], lang)}" for value in values))
    return text.choose(lang, "；", "; ").join(parts)


def described_metrics(registry: Mapping[str, Metric], lang: str) -> pd.DataFrame:
    """One row a metric: metric, name, group, unit, formula, meaning, table (it is made from)."""
    kinds, groups = load.terms()["column_kind"], load.terms()["group"]
    written = metrics.glossary(registry)
    unit = (
        written["unit"].replace("percent", "rate").map(lambda kind: text.label(kinds[kind], lang))
    )
    return pd.DataFrame(
        {
            "metric": written["metric"],
            "name": written[f"label_{lang}"],
            "group": written["group"].map(lambda group: text.label(groups[group], lang)),
            "unit": unit,
            "formula": written[f"formula_{lang}"],
            "meaning": written[f"description_{lang}"],
            "table": [registry[name].table for name in written["metric"]],
        }
    )
