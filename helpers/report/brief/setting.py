"""What all words of a brief are made from: the session, its results, plain names, a clock."""

import math
from collections.abc import Mapping
from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.report.units import Registry, decimals_of


class Setting(NamedTuple):
    """What all words of a brief are made from."""

    session: pd.Series
    last: pd.Series | None
    results: Mapping[str, pd.DataFrame]
    registry: Registry
    words: reference.Brief
    lang: str
    currency: str

    def t(self, zh: str, en: str) -> str:
        """The words of the brief's language."""
        return text.choose(self.lang, zh, en)

    def name(self, metric: str) -> str:
        """The plain name of a metric, else its own."""
        named = self.words.names.get(metric) or self.registry.get(metric)
        return text.label(named, self.lang) if named else text.plain(metric)

    def value(self, metric: str, value: float) -> str:
        """A value in the metric's unit."""
        if metric not in self.registry:
            return text.number(value, self.lang, 2)
        one = self.registry[metric]
        return text.value(
            value, one.unit, self.lang, decimals=decimals_of(one), currency=self.currency
        )

    def money(self, amount: float) -> str:
        """An amount without cents."""
        return text.money(amount, self.lang, self.currency, 0)


def finding(of: Setting, metric: str, slice: str) -> str:
    """The id of the finding about a metric of the session or of a part of it, or empty."""
    frame = of.results["findings"]
    if not {"metric", "slice", "id"} <= set(frame.columns):
        return ""
    rows = frame[frame["metric"].eq(metric) & frame["slice"].fillna("").eq(slice)]
    return rows.iloc[0]["id"] if len(rows) else ""


def clock(session: pd.Series, minute: float) -> str:
    """A minute of the session as the clock on the wall."""
    return f"{session['started_at'] + pd.Timedelta(minutes=float(minute)):%H:%M}"


def spans_of(of: Setting, product: str) -> list[str]:
    """When a product was explained, by the clock."""
    frame = of.results["spans"]
    if not {"product_id", "start_minute", "end_minute"} <= set(frame.columns):
        return []
    rows = frame[frame["product_id"].eq(product)]
    return [
        f"{clock(of.session, row.start_minute)}–{clock(of.session, row.end_minute)}"
        for row in rows.itertuples()
    ]


def asking(of: Setting, row: pd.Series) -> str:
    """How many asked what, in which words, and how often nobody wrote back."""
    kind, example = row[f"question_{of.lang}"], text.plain(row["example"], 24)
    left = row["unanswered"]
    unanswered = (
        of.t(
            f"，{row['comments']:.0f} 条里 {left:.0f} 条没人打字回",
            f"; {left:.0f} of {row['comments']:.0f} got no written answer",
        )
        if pd.notna(left)
        else ""
    )
    return of.t(
        f"{row['users']:.0f} 人问{kind}（“{example}”）{unanswered}",
        f"{row['users']:.0f} people asked about {kind.lower()} (“{example}”){unanswered}",
    )


def number(value: object) -> float:
    """A value of a row as a number; `nan` where it is none."""
    return float(value) if isinstance(value, int | float) else math.nan
