"""A sheet of a raw file as it is handed on: its cells, columns of text, and what is no sheet."""

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from helpers.clean.notes import NotedError

# The default pool asks the system for new pages with every block: a second for a million rows.
if "jemalloc" in pa.supported_memory_backends():
    pa.set_memory_pool(pa.jemalloc_memory_pool())

_LONG = 10_000  # columns of so many cells are categories where most cells repeat


class Sheet(NamedTuple):
    """One sheet: its name and its cells.

    The index is the row number in the file (from 1), columns are 0, 1, 2 … `member` is the path
    inside a zip, empty outside one. `places` are the columns that were asked for (None: all); of
    the others only the first rows are there, and rows with hardly a cell in those columns.
    `era_1904`: days that are plain numbers count from 1904. `merged` are ranges of cells that are
    shown as one (first and last row and column, from 0); `hidden` the numbers of hidden rows,
    `is_hidden` a hidden sheet; `cut`: the last row, and so the file, ends before its last cell, or
    within quotation marks that are still open.
    """

    name: str
    grid: pd.DataFrame
    member: str = ""
    places: frozenset[int] | None = None
    era_1904: bool = False
    merged: tuple[tuple[tuple[int, int], tuple[int, int]], ...] = ()
    hidden: frozenset[int] = frozenset()
    is_hidden: bool = False
    cut: Literal["", "short", "open"] = ""


# the first rows of a long text and its name → the columns to read, None: all
Wanted = Callable[[pd.DataFrame, str], frozenset[int] | None]


class UnreadableError(NotedError):
    """The bytes are not what they should be; the note says what was found and expected."""


def text_column(cells: pa.ChunkedArray, moved: np.ndarray | None) -> pd.Series:
    """A column of text in the order of `moved`; a long one is a category where values repeat."""
    if len(cells) < _LONG or sum(len(chunk.dictionary) for chunk in cells.chunks) > len(cells) / 2:
        text = cells.cast(pa.large_string()).combine_chunks()
        return (text if moved is None else text.take(pa.array(moved))).to_pandas()
    whole = pa.concat_arrays(cells.unify_dictionaries().chunks)
    codes = whole.indices.to_numpy()
    codes = codes if moved is None else codes[moved]
    values = pd.Index(whole.dictionary.cast(pa.large_string()).to_pandas())
    return pd.Series(pd.Categorical.from_codes(codes, categories=values))
