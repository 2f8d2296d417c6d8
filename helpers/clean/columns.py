"""What a column is as a whole: its currency, its thousands mark, its order of day and month."""

import re
from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers.clean.cells import distinct, is_text, no_cell, words
from helpers.clean.times import YEAR_LAST, DayOrder
from helpers.core import text

_DOT_THOUSANDS = {"IDR", "VND"}
LONGEST = 100 * 86400.0


def impossible(values: pd.Series, kind: str) -> pd.Series:
    """Values that no export can mean.

    Negative counts, money and durations, rates above 1, durations above 100 days, years outside
    2000 to 2099.
    """
    if kind == "datetime":
        return values.notna() & ~values.dt.year.between(2000, 2099)
    if not pd.api.types.is_float_dtype(values.dtype):
        return no_cell(values)
    most = {"rate": 1.0, "seconds": LONGEST}.get(kind, np.inf)
    return ((values < 0) & (kind != "score")) | (values > most)


def thousands_mark(cells: pd.Series) -> str:
    """The mark that groups thousands: "." as in Rp9.467.316 or with decimal commas, else ","."""
    written = "\n".join(cells.dropna().unique())
    comma_groups = re.search(r"\d,\d{3}(?:[,.]|\D*$)", written, re.MULTILINE)
    if re.search(r"\d\.\d{3}\.\d{3}|\d\.\d{3},\d", written):
        return "."
    decimal_comma = re.search(r"\d,\d{1,2}\D*$", written, re.MULTILINE)
    return "." if not comma_groups and (decimal_comma or currency(cells) in _DOT_THOUSANDS) else ","


MONEY_MARK = "|".join(re.escape(mark) for mark in sorted(text.CURRENCY_OF, key=len, reverse=True))
_SIGN = re.compile(
    rf"^[-+]?[ ]*({MONEY_MARK})[ ]*[-+\d.]|\d[ ]*({MONEY_MARK})$", re.IGNORECASE | re.MULTILINE
)


def _texts(cells: pd.Series) -> pd.Series:
    values, _ = distinct(cells)
    return values[is_text(values)].astype("str")


def currency(cells: pd.Series) -> str | None:
    """The ISO code of the first sign of money in the texts of a column."""
    sign = _SIGN.search("\n".join(_texts(cells).dropna().head(200)))
    return text.CURRENCY_OF[(sign[1] or sign[2]).lower()] if sign else None


def day_order(columns: Iterable[pd.Series]) -> DayOrder | None:
    """Whether dates such as 03/04/2026 put the day or the month first.

    All date columns of a table settle it together: `open` where no date decides, `mixed` where they
    contradict each other, None where no date has this form. A.m. and p.m. settle an open case: only
    the month-first export writes them.
    """
    any_date = day_first = month_first = half_days = False
    for cells in columns:
        texts = _texts(cells)
        dates = texts[texts.str.match(r"\W*\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", na=False)]
        parts = words(dates).str.extract(YEAR_LAST).dropna(subset=[0])
        any_date |= len(parts) > 0
        day_first |= bool((pd.to_numeric(parts[0]) > 12).any())
        month_first |= bool((pd.to_numeric(parts[1]) > 12).any())
        half_days |= bool(parts[6].notna().any())
    if not any_date:
        return None
    if day_first:
        return "mixed" if month_first else "day"
    return "month" if month_first or half_days else "open"


def year_last_date(cells: pd.Series) -> str | None:
    """The first date of a column that puts the year last, such as 03/04/2026."""
    texts = words(_texts(cells))
    return next(iter(texts[texts.str.match(YEAR_LAST, na=False)]), None)
