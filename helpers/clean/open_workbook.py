"""A workbook (xlsx, xls) becomes its sheets, with the values that the workbook itself holds."""

from __future__ import annotations

import collections
import functools
import html
import io
import itertools
import posixpath
import re
import zipfile
from collections.abc import Iterable
from typing import BinaryIO
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pyarrow as pa
import python_calamine

from helpers.clean import limits, old_workbook
from helpers.clean.notes import note
from helpers.clean.sheet import Sheet, UnreadableError, text_column

_ROWS = 10_000  # of a workbook at a time
_VISIBLE = python_calamine.SheetVisibleEnum.Visible
_BLOCK = 1 << 20
_ROW = re.compile(rb"<(?:\w+:)?row\b[^>]*>")
_HIDDEN = re.compile(rb"""\shidden\s*=\s*["'](?:1|true)["']""")
_NUMBER = re.compile(rb"""\sr\s*=\s*["'](\d{1,7})["']""")
_ROW_OR_CELL = re.compile(rb"<(?:\w+:)?(row|c)\b[^>]*>")
_COLUMN_ALONE = re.compile(rb"""(\sr\s*=\s*["'][A-Za-z]{1,3})(["'])""")
_FORMULA = rb"<(?:\w+:)?f\b[^>]*(?:/>|>([^<]*)</(?:\w+:)?f>)\s*"
_NO_VALUE = re.compile(
    rb"<(?:\w+:)?c\b([^>]*)>\s*"
    + _FORMULA
    + rb"(?:<(?:\w+:)?v\s*(?:/>|></(?:\w+:)?v>)\s*)?</(?:\w+:)?c>"
)
_ERROR = re.compile(
    rb"""<(?:\w+:)?c\b([^>]*\bt=["']e["'][^>]*)>\s*(?:"""
    + _FORMULA
    + rb""")?<(?:\w+:)?v>([^<]{1,20})<"""
)
_CELL = re.compile(rb"""\sr\s*=\s*["']([A-Z]{1,3})(\d{1,7})["']""")
_OF_TEXT = re.compile(rb"""\bt=["']str["']""")  # a formula whose value is an empty text
_LONGEST_TAG = 10_000  # bytes of the tag of a row, of a cell with its formula


def workbook_sheets(content: BinaryIO, unseen: dict[str, Unseen] | None = None) -> list[Sheet]:
    """The sheets of a workbook; raises `UnreadableError` where it is damaged.

    `unseen` is `looked_through` of an xlsx; None of an old workbook.
    """
    try:
        return _sheets(content, unseen)
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a Rust panic on a damaged file is no Exception
        if _is_locked(content, error):
            raise UnreadableError(note("locked")) from error
        try:
            mended = _with_row_numbers(content)
        except limits.LimitError:
            raise
        except Exception:  # another part of it is damaged
            mended = None
        if mended is not None:
            return workbook_sheets(*mended)
        what = f"{type(error).__name__}: {error}"
        raise UnreadableError(note("no_workbook", error=what)) from error


def _sheets(content: BinaryIO, unseen: dict[str, Unseen] | None) -> list[Sheet]:
    content.seek(0)
    book = python_calamine.CalamineWorkbook.from_filelike(content)
    kinds = {sheet.name: sheet.typ for sheet in book.sheets_metadata}
    seen = {sheet.name: sheet.visible for sheet in book.sheets_metadata}
    if unseen is not None:
        era, unseen = _counts_from_1904(content), _by_name(content, unseen)
    else:
        content.seek(0)
        era, rows = old_workbook.beside(content.read())
        unseen = {name: Unseen(of_it) for name, of_it in zip(book.sheet_names, rows, strict=False)}
    sheets = []
    for name in book.sheet_names:
        if kinds.get(name) not in (None, python_calamine.SheetTypeEnum.WorkSheet):
            continue
        sheet = book.get_sheet_by_name(name)
        beside = unseen.get(name) or Unseen()
        sheets.append(
            Sheet(
                name,
                _with_texts(_cells(sheet), beside.texts),
                era_1904=era,
                merged=tuple(sheet.merged_cell_ranges or ()),
                hidden=frozenset(beside.rows),
                is_hidden=seen.get(name) not in (None, _VISIBLE),
            )
        )
    return sheets


def _with_row_numbers(content: BinaryIO) -> tuple[BinaryIO, dict[str, Unseen]] | None:
    """An xlsx whose cells name their column alone (r="A"), with the rows that they stand in.

    Some platforms write it so; Excel reads it. None of any other.
    """
    if not zipfile.is_zipfile(content):
        return None
    out, is_mended = io.BytesIO(), False
    with zipfile.ZipFile(content) as archive, zipfile.ZipFile(out, "w") as whole:
        for member in archive.infolist():
            part = archive.read(member)
            if posixpath.dirname(member.filename).endswith("worksheets"):
                number = 0

                def numbered(tag: re.Match[bytes]) -> bytes:
                    nonlocal number, is_mended
                    if tag[1] == b"row":
                        stated = _NUMBER.search(tag[0])
                        number = int(stated[1]) if stated else number + 1
                        return tag[0]
                    cell, count = _COLUMN_ALONE.subn(rb"\g<1>%d\g<2>" % number, tag[0])
                    is_mended |= bool(count)
                    return cell

                part = _ROW_OR_CELL.sub(numbered, part)
            whole.writestr(member.filename, part)
    if not is_mended:
        return None
    with zipfile.ZipFile(out) as whole:
        return out, looked_through(whole)


def _is_locked(content: BinaryIO, error: BaseException) -> bool:
    """Whether a workbook asks for a password: an old one says so, a new one is packed away."""
    content.seek(0)
    packed = "EncryptedPackage".encode("utf-16-le") in content.read()
    return isinstance(error, python_calamine.PasswordError) or packed


def _counts_from_1904(content: BinaryIO) -> bool:
    """Whether an xlsx says that its days count from 1904, as Excel for Mac once did."""
    with zipfile.ZipFile(content) as archive:
        if "xl/workbook.xml" not in archive.namelist():
            return False
        head = archive.read("xl/workbook.xml")
    return re.search(rb"""date1904\s*=\s*["'](?:1|true)["']""", head) is not None


_Texts = dict[tuple[int, int], str]


class Unseen:
    """What a reader of values does not see of a sheet: rows that it hides, and `_texts`."""

    def __init__(self, rows: Iterable[int] = ()) -> None:
        self.rows: set[int] = set(rows)
        self.texts: _Texts = {}
        self._rest = b""

    def look(self, block: bytes) -> None:
        """Go on through the sheet's XML; a tag may begin in one block and end in the next."""
        xml = self._rest + block
        if b"hidden" in xml:
            for tag in _ROW.findall(xml):
                number = _NUMBER.search(tag) if _HIDDEN.search(tag) else None
                if number:
                    self.rows.add(int(number[1]))
        self.texts |= _texts(xml)
        self._rest = xml[-_LONGEST_TAG:]


def looked_through(archive: zipfile.ZipFile) -> dict[str, Unseen]:
    """Hold an xlsx against the limits; what its sheets do not show, by the path of each."""
    unseen: dict[str, Unseen] = collections.defaultdict(Unseen)
    limits.check_workbook(archive, lambda path, block: unseen[path].look(block))
    return unseen


def _by_name(content: BinaryIO, unseen: dict[str, Unseen]) -> dict[str, Unseen]:
    """The same by the name of each sheet; one in an unusual place is looked through now."""
    with zipfile.ZipFile(content) as archive:
        names = set(archive.namelist())
        if not {"xl/workbook.xml", "xl/_rels/workbook.xml.rels"} <= names:
            return {}
        book, links = (
            ElementTree.fromstring(archive.read(name))
            for name in ("xl/workbook.xml", "xl/_rels/workbook.xml.rels")
        )
        target = {link.get("Id"): link.get("Target", "") for link in links}
        named = {}
        for sheet in book.iter():
            if not sheet.tag.endswith("}sheet"):
                continue
            link = next((value for key, value in sheet.items() if key.endswith("}id")), None)
            path = posixpath.normpath(posixpath.join("/xl", target.get(link, "")))[1:]
            if path in names and path not in unseen:
                with archive.open(path) as handle:
                    for block in iter(functools.partial(handle.read, _BLOCK), b""):
                        unseen[path].look(block)
            if path in unseen:
                named[sheet.get("name")] = unseen[path]
        return named


def _texts(xml: bytes) -> _Texts:
    """Errors (#DIV/0!) and formulas that were never computed, by row and column from 0.

    A reader of values sees nothing there, where Excel shows something.
    """
    hits = []
    here, before = np.frombuffer(xml, np.uint8)[1:], np.frombuffer(xml, np.uint8)[:-1]
    if _after(here, before, b"e", b"\"'").any() and (b't="e"' in xml or b"t='e'" in xml):
        hits += [(match[1], match[3].decode(errors="replace")) for match in _ERROR.finditer(xml)]
    if _after(here, before, b"f", b"<:").any():
        hits += [
            (match[1], "=" + html.unescape((match[2] or b"").decode(errors="replace"))[:60])
            for match in _NO_VALUE.finditer(xml)
            if not _OF_TEXT.search(match[1])
        ]
    texts = {}
    for attributes, text in hits:
        if cell := _CELL.search(attributes):
            place = functools.reduce(lambda place, mark: place * 26 + mark - 64, cell[1], 0)
            texts[int(cell[2]), place - 1] = text
    return texts


def _after(here: np.ndarray, before: np.ndarray, mark: bytes, others: bytes) -> np.ndarray:
    """Where a mark stands behind one of two others; many times as fast as a search for both."""
    return (here == mark[0]) & ((before == others[0]) | (before == others[1]))


def _with_texts(frame: pd.DataFrame, texts: _Texts) -> pd.DataFrame:
    for place in {place for _, place in texts} & set(frame):
        cells = frame[place].astype(object).copy()
        of_column = {row: text for (row, at), text in texts.items() if at == place}
        frame[place] = cells.mask(cells.index.isin(of_column), pd.Series(of_column))
    return frame


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
    if set(map(type, cells)) == {str}:
        return pa.array(cells, pa.string()).dictionary_encode()
    return cells


def _joined(pieces: list[pa.Array | tuple]) -> pd.Series:
    if all(isinstance(piece, pa.Array) for piece in pieces):
        return text_column(pa.chunked_array(pieces), None)
    cells = (piece.to_pylist() if isinstance(piece, pa.Array) else piece for piece in pieces)
    return pd.Series(list(itertools.chain.from_iterable(cells)), dtype=object)
