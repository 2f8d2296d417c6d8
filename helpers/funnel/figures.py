"""The key figures of a session, and what its exports leave unknown."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.funnel.step_rates import _number, _one_row
from helpers.reference import Funnel, Metric, metrics

GROUPS = ("traffic", "fans", "interaction", "click", "conversion", "sales")


def key_figures(
    session: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Every metric of one session, in the groups of the textbook 直播复盘与售后跟踪, then sales.

    `session` is its row of `sessions`. One row per metric, in the registry's order; columns: group
    (流量、粉丝、互动、点击、转化), metric, label_zh, label_en, unit, value (nan where the exports
    do not carry a term), ci_lower, ci_upper, formula_zh, formula_en, description_zh,
    description_en. Raises `MetricError` for more than one row.
    """
    ids = [name for name, m in registry.items() if m.table == "sessions" and m.group in GROUPS]
    values = metrics.by_session(_one_row(session), ids, registry=registry, confidence=confidence)
    words = metrics.glossary(registry, ids)
    figures = words.merge(
        values[["metric", "value", "ci_lower", "ci_upper"]], on="metric", validate="one_to_one"
    )
    rank = figures["group"].map({name: place for place, name in enumerate(GROUPS)})
    return figures.iloc[rank.argsort(kind="stable")].reset_index(drop=True)


def missing_columns(
    session: pd.DataFrame, figures: pd.DataFrame, registry: Mapping[str, Metric], lang: str
) -> list[str]:
    """Names of the columns whose lack leaves a key figure without a value, in the table's order."""
    lacking = {
        term
        for name in figures.loc[figures["value"].isna(), "metric"]
        for term in metrics.terms(registry[name])
    }
    row = _one_row(metrics.with_derived(session)).iloc[0]
    columns = reference.tables()["sessions"].columns
    return [
        text.label(column, lang)
        for name, column in columns.items()
        if name in lacking and np.isnan(_number(row, name))
    ]


def unknown_words(
    session: pd.DataFrame, figures: pd.DataFrame, registry: Mapping[str, Metric], lang: str
) -> str:
    """A sentence on the key figures without a value and the columns they lack; else nothing."""
    lost = figures.loc[figures["value"].isna(), f"label_{lang}"].tolist()
    lacking = missing_columns(session, figures, registry, lang)
    join = text.choose(lang, "、", ", ").join
    why = (
        text.choose(
            lang,
            f"；本场的导出里没有：{join(lacking)}",
            f". This session's exports lack: {join(lacking)}",
        )
        if lacking
        else text.choose(lang, "：分母为零", ": a denominator is zero")
    )
    return (
        text.choose(
            lang,
            f"{len(lost)} 个指标算不出：{join(lost)}{why}。",
            f"{len(lost)} metrics cannot be computed: {join(lost)}{why}.",
        )
        if lost
        else ""
    )


def partly_missing(
    session: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    registry: Mapping[str, Metric],
    funnels: Mapping[str, Funnel],
    lang: str,
) -> list[str]:
    """Sentences on the key figures and funnels left open though a session's tables are there.

    `session` is its row of `sessions`, `tables` its rows of the tables that the funnels read.
    """
    counts = {
        name: counted(tables, funnels[name])
        for name in ("enquiry", "ads_times")
        if len(tables[funnels[name].table])
    }
    sentences = [
        unknown_words(session, key_figures(session, registry), registry, lang),
        *(lacking_words(row, funnels[name], lang) for name, row in counts.items()),
    ]
    return [words for words in sentences if words]


def counted(tables: Mapping[str, pd.DataFrame], entry: Funnel) -> pd.Series:
    """The counts of a funnel over tables of many rows (enquiries, ads), as a row for `steps`.

    `tables` holds one session's rows by table. Ids are counted once each, flags where they are
    true, events and orders are added up; people are taken from a table of one row and never added
    up. A step whose table is empty is missing.
    """
    return pd.Series(
        {
            step.column: _counted(
                tables[step.of or entry.table], step.of or entry.table, step.column
            )
            for step in entry.steps
        },
        dtype=float,
    )


def lacking_words(counts: pd.Series, entry: Funnel, lang: str) -> str:
    """A sentence on the steps that a funnel lacks where fewer than two are known; else nothing."""
    lost = [text.label(step, lang) for step in entry.steps if pd.isna(counts[step.column])]
    if len(entry.steps) - len(lost) > 1:
        return ""
    return text.choose(
        lang,
        f"{entry.zh}画不出：本场的数据里没有{'、'.join(f'「{name}」' for name in lost)}。",
        (
            f"{entry.en}: there is none, as this session's data lack "
            f"{', '.join(f'“{name.lower()}”' for name in lost)}."
        ),
    )


def _counted(rows: pd.DataFrame, table: str, column: str) -> float:
    values, kind = rows[column].dropna(), reference.tables()[table].columns[column].kind
    if values.empty or (kind == "users" and len(rows) > 1):
        return np.nan
    return float(values.nunique() if kind == "id" else values.astype(float).sum())
