"""A workbook (xlsx, xls) becomes its sheets, with the values that the workbook itself holds."""

import itertools
from typing import BinaryIO

import pandas as pd
import pyarrow as pa
import python_calamine

from helpers.clean.sheet import EXPECTED, Sheet, UnreadableError, text_column

_ROWS = 10_000  # of a workbook at a time


def workbook_sheets(content: BinaryIO) -> list[Sheet]:
    """The sheets of a workbook; raises `UnreadableError` where it is damaged."""
    content.seek(0)
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(content)
        kinds = {sheet.name: sheet.typ for sheet in book.sheets_metadata}
        names = [
            name
            for name in book.sheet_names
            if kinds.get(name) in (None, python_calamine.SheetTypeEnum.WorkSheet)
        ]
        return [Sheet(name, _cells(book.get_sheet_by_name(name))) for name in names]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a Rust panic on a damaged file is no Exception
        raise UnreadableError(
            f"this workbook cannot be read ({type(error).__name__}: {error}); expected {EXPECTED}. "
            "Open it in Excel or WPS, save it again as xlsx, and put that file in its place"
        ) from error


def _cells(sheet: python_calamine.CalamineSheet) -> pd.DataFrame:
    """Columns of text alone as text, others as the workbook's own values."""
    rows = sheet.iter_rows()
    columns: list[list[pa.Array | tuple]] = []
    while some := list(itertools.islice(rows, _ROWS)):
        pieces = [_piece(cells) for cells in zip(*some, strict=True)]
        before = columns or [[]] * len(pieces)
        columns = [[*done, piece] for done, piece in zip(before, pieces, strict=True)]
    grid = {}
    for place in range(len(columns)):
        grid[place], columns[place] = _joined(columns[place]), []
    frame = pd.DataFrame(grid)
    return frame.set_axis(range(1, len(frame) + 1), axis=0)


def _piece(cells: tuple) -> pa.Array | tuple:
    if all(type(cell) is str for cell in cells):
        return pa.array(cells, pa.string()).dictionary_encode()
    return cells


def _joined(pieces: list[pa.Array | tuple]) -> pd.Series:
    if all(isinstance(piece, pa.Array) for piece in pieces):
        return text_column(pa.chunked_array(pieces), None)
    cells = (piece.to_pylist() if isinstance(piece, pa.Array) else piece for piece in pieces)
    return pd.Series(list(itertools.chain.from_iterable(cells)), dtype=object)
