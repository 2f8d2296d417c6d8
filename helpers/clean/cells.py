"""Cells as text, each different value looked at once, and what a parser gives for a column."""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from helpers.clean import limits
from helpers.clean.notes import with_values

EMPTY = {
    "",
    "-",
    "--",
    "—",
    "——",
    "–",
    "/",
    "\\",
    "n/a",
    "na",
    "null",
    "none",
    "nan",
    "nat",
    "无",
    "暂无",
    "暂无数据",
    "#n/a",
}
LATER = {"数据将于第二天更新", "待更新"}
NO_REFUND = {"无退款申请", "没有申请退款"}
NEVER = {
    "0000-00-00 00:00:00",
    "0000-00-00",
    "1970-01-01 00:00:00",
    "1970-01-01 08:00:00",
    "1970-01-01",
}
_NOTHING = pa.array(
    {
        "".join(marks)
        for word in EMPTY | LATER | NO_REFUND | NEVER
        for marks in itertools.product(*({mark, mark.upper()} for mark in word))
    },
    pa.large_string(),
)
SPACE = " \t\r\n\xa0\u3000\u200b\ufeff"


_STR = pd.StringDtype("pyarrow", na_value=np.nan)
_CODE = "^['=`‘]"


class Parsed(NamedTuple):
    """A column parsed: values, cells that could not be read and why, notes on the whole column.

    `reason` is a code of `terms.yml`, or one for each cell; it is also that of cells `left_out`,
    whose value is not to be trusted. Each note has the count of its cells, `noted`.
    """

    values: pd.Series
    bad: pd.Series
    reason: str | pd.Series = ""
    notes: tuple[str, ...] = ()
    noted: pd.Series | None = None
    left_out: pd.Series | None = None


def distinct(cells: pd.Series) -> tuple[pd.Series, np.ndarray | None]:
    """A column's values, and which of them each cell holds (None: plain text, cell by cell)."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        codes = cells.cat.codes.to_numpy()
        if len(codes) < len(cells.cat.categories):
            values, places = np.unique(codes, return_inverse=True)
            return pd.Series(cells.cat.categories[values]), places
        occurs = np.zeros(len(cells.cat.categories), dtype=bool)
        occurs[codes] = True
        return pd.Series(cells.cat.categories[occurs]), (occurs.cumsum() - 1)[codes]
    if cells.dtype == object:
        place_of: dict[tuple[type, object], int] = {}
        typed = zip(map(type, cells), cells, strict=True)
        places = [place_of.setdefault(cell, len(place_of)) for cell in typed]
        values = pd.Series([cell for _, cell in place_of], dtype=object)
        return values, np.array(places, dtype=np.int64)
    return cells, None


def _spread(values: pd.Series, places: np.ndarray | None, cells: pd.Series) -> pd.Series:
    return values if places is None else pd.Series(values.array.take(places), index=cells.index)


def each_once(parser: Callable[..., Parsed]) -> Callable[..., Parsed]:
    """A decorator: the parser of a column sees each of its values once."""

    @functools.wraps(parser)
    def whole(cells: pd.Series, **options: object) -> Parsed:
        values, places = distinct(cells)
        parsed = parser(values, **options)
        reason = parsed.reason
        noted, left_out = (
            None if marked is None else _spread(marked, places, cells)
            for marked in (parsed.noted, parsed.left_out)
        )
        notes = tuple(with_values(note, cells=int(noted.sum())) for note in parsed.notes)
        return Parsed(
            _spread(parsed.values, places, cells),
            _spread(parsed.bad, places, cells),
            reason if isinstance(reason, str) else _spread(reason, places, cells),
            notes,
            noted,
            left_out,
        )

    return whole


def words(cells: pd.Series, *, code: bool = True) -> pd.Series:
    """Cells as trimmed text; empty cells are missing.

    With `code` the marks go that spreadsheets put before ids.
    """
    if isinstance(cells.dtype, pd.CategoricalDtype):
        values, places = distinct(cells)
        return _spread(words(values, code=code), places, cells)
    if not isinstance(cells.dtype, pd.StringDtype):
        texts = pa.array([_word(cell) for cell in cells], pa.large_string())
    else:
        texts = pc.utf8_trim(to_arrow(cells), SPACE)
    if code:
        marked = pc.match_substring_regex(texts, _CODE)
        if pc.any(marked).as_py():
            bare = pc.replace_substring_regex(texts, r'^[\'`‘]+|^="|"$', "")
            texts = pc.if_else(marked, pc.utf8_trim(bare, SPACE), texts)
    texts = pc.if_else(pc.equal(texts, ""), None, texts)
    return from_arrow(texts, cells.index)


def _word(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell.strip(SPACE) if cell else None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        if np.isnan(cell):
            return None
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e22 else repr(cell)
    return str(cell)


def is_empty(cells: pd.Series) -> pd.Series:
    """Cells that say that there is nothing, as a dash, `无退款申请` or a value due tomorrow do."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        values, places = distinct(cells)
        return _spread(is_empty(words(values, code=False)), places, cells)
    if not isinstance(cells.dtype, pd.StringDtype):
        is_written = is_text(cells)
        written = words(from_arrow(to_arrow(cells.where(is_written))), code=False)
        return cells.isna() | (is_written & is_empty(written).set_axis(cells.index))
    texts = to_arrow(cells)
    empty = pc.or_(pc.is_null(texts), pc.is_in(texts, _NOTHING))
    return pd.Series(empty.to_numpy(zero_copy_only=False), index=cells.index)


def to_arrow(cells: pd.Series) -> pa.Array | pa.ChunkedArray:
    """The texts of a column as Arrow keeps them."""
    return pa.array(cells.array, pa.large_string(), from_pandas=True)


def from_arrow(texts: pa.Array | pa.ChunkedArray, index: pd.Index | None = None) -> pd.Series:
    """Arrow's texts as a column."""
    return pd.Series(pd.arrays.ArrowStringArray(texts, dtype=_STR), index=index)


def is_text(cells: pd.Series) -> pd.Series:
    if isinstance(cells.dtype, pd.StringDtype):
        return pd.Series(True, index=cells.index)
    return pd.Series([isinstance(cell, str) for cell in cells], index=cells.index, dtype=bool)


def is_instance(cells: pd.Series, *types: type) -> pd.Series:
    """Cells that are the workbook's own values of these types; a datetime is a date."""
    if cells.dtype != object:
        return no_cell(cells)
    return pd.Series([isinstance(cell, types) for cell in cells], index=cells.index, dtype=bool)


def no_cell(cells: pd.Series) -> pd.Series:
    """False for each cell."""
    return pd.Series(False, index=cells.index)


def filled(cells: pd.Series) -> pd.Series:
    """Cells as text (`words`), missing where they say that there is nothing."""
    written = words(cells)
    texts = to_arrow(written)
    return from_arrow(pc.if_else(pc.is_in(texts, _NOTHING), None, texts), written.index)


def mapped(cells: pd.Series, make: Callable[[str], object]) -> pd.Series:
    """What `make` gives for each text, made once for each different one."""
    return cells.map({value: make(value) for value in cells.dropna().unique()})


def digits_alone(cells: pd.Series) -> pd.Series:
    """Texts of the digits 0 to 9 alone; a missing one is none."""
    plain = pc.ascii_is_decimal(to_arrow(cells)).fill_null(False)
    return pd.Series(plain.to_numpy(zero_copy_only=False), index=cells.index)


def same_digits(cells: pd.Series) -> int | None:
    """Of how many digits each text is, where all are of so many digits alone; else None."""
    texts = to_arrow(cells)
    length = pc.min_max(pc.binary_length(texts))
    if length["min"] != length["max"] or not pc.all(pc.ascii_is_decimal(texts)).as_py():
        return None
    return length["max"].as_py()


def count_different(cells: pd.Series) -> int:
    """How many texts there are that differ; those of up to 19 digits are compared as numbers."""
    cells = cells.dropna()
    texts = to_arrow(cells)
    if (same_digits(cells) or 20) < 20:
        texts = pc.cast(texts, pa.uint64())
    return len(pc.unique(texts))


def all_differ(cells: pd.Series) -> bool:
    """Whether no cell is missing or stands twice."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return cells.notna().all() and cells.is_unique
    return count_different(cells) == len(cells)


def too_long(cells: pd.Series) -> pd.Series:
    """Texts longer than a cell can be: an open quotation mark swallows what follows."""
    if not isinstance(cells.dtype, pd.StringDtype):
        return no_cell(cells)
    texts = to_arrow(cells)
    if (pc.max(pc.binary_length(texts)).as_py() or 0) <= limits.MAX_CELL:
        return no_cell(cells)
    long = pc.greater(pc.utf8_length(texts), limits.MAX_CELL).fill_null(False)
    return pd.Series(long.to_numpy(zero_copy_only=False), index=cells.index)
