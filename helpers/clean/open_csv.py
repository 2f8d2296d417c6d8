"""A text table becomes a sheet: taken apart and decoded piece by piece, its cells text."""

import codecs
import concurrent.futures
import contextlib
import csv
import io
import re
import shutil
import statistics
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from helpers.clean import limits
from helpers.clean.charset import DAMAGE, HEAD, MOST_DAMAGED, beginning, detect_charset
from helpers.clean.notes import note
from helpers.clean.sheet import Sheet, UnreadableError, Wanted, text_column

_LINES = 200
_LINES_OF_ROW = 20  # in cells of a last row whose quotation mark is open
_LONG_TEXT = 1 << 24  # bytes of a text of which only the columns that matter are made
_BLOCK, _LARGEST = 1 << 22, (1 << 31) - 1  # bytes that are taken apart at a time
_END = "\x01"  # the row behind the last one of a piece
_WORKERS = 2  # columns made at the same time: more would only need more memory


def text_sheet(content: BinaryIO, name: str = "", wanted: Wanted | None = None) -> Sheet:
    """A CSV as a sheet, its cells text.

    Rows may differ in length; blank rows stay; missing cells are empty text. A long column is a
    category where its values repeat.
    """
    charset = detect_charset(content)
    head = beginning(content, HEAD).decode(charset, errors="ignore")
    head = head.replace("\0", "").lstrip("\ufeff")
    if head.lstrip()[:1] == "<":
        raise UnreadableError(_markup(head))
    separator = _separator(head)
    width = max(statistics.mode(_counts(head, separator)) + 1, 1)
    try:
        with _separable(content, charset, separator) as (text, encoding):
            form = _Form(encoding, separator, width)
            places = _places_wanted(text, form, name, wanted) if wanted else None
            text, is_open = _with_end(text)
            grid, is_short = _grid(text, form, places)
            cut = "open" if is_open else "short" if is_short else ""
            return Sheet("", grid, places=places, cut=cut)
    except UnicodeError as error:
        raise UnreadableError(note("breaks_off", charset=charset)) from error
    except pa.ArrowInvalid as error:
        raise UnreadableError(note("no_values", error=str(error))) from error


def _markup(head: str) -> str:
    if "urn:schemas-microsoft-com:office:spreadsheet" in head:
        return note("xml_spreadsheet")
    return note("html" if re.search(r"(?i)<(?:html|table|!doctype)", head) else "xml")


def _with_end(text: BinaryIO) -> tuple[BinaryIO, bool]:
    """The text, and whether it ends within the quotation marks of a last row; these are closed."""
    size = text.seek(0, io.SEEK_END)
    text.seek(max(size - 1, 0))
    if not size or text.read(1) in b"\r\n":
        return text, False
    text.seek(0)
    marks = 0
    while some := text.read(_BLOCK):
        marks += some.count(b'"')
    text.seek(max(size - limits.MAX_CELL, 0))
    tail = text.read()
    row = tail[_last_row_start(tail, marks) :]
    if marks % 2 == 0 or row.count(b"\n") > _LINES_OF_ROW or row.count(b'"') % 2 == 0:
        return text, False
    whole = tempfile.TemporaryFile()  # noqa: SIM115, it lives as long as the text
    text.seek(0)
    shutil.copyfileobj(text, whole)
    whole.write(b'"')
    return whole, True


def _last_row_start(tail: bytes, marks: int) -> int:
    """Where in the tail of a text the last row begins, before which all marks are closed."""
    end, behind = len(tail), 0
    while end > 0:
        start = tail.rfind(b"\n", 0, end) + 1
        behind += tail.count(b'"', start, end)
        if (marks - behind) % 2 == 0:
            return start
        end = start - 1
    return 0


@contextlib.contextmanager
def _separable(content: BinaryIO, charset: str, separator: str) -> Iterator[tuple[BinaryIO, str]]:
    """A text in which no byte of a character passes for a mark of the table, and its charset.

    UTF-8 as it is, and with the usual separators GB18030, whose later bytes of a character are
    digits or beyond `@`; a text of another charset is written anew.
    """
    if charset in ("utf-8", "utf-8-sig") or (charset == "gb18030" and separator < "0"):
        yield content, charset.removesuffix("-sig")
        return
    with tempfile.TemporaryFile() as anew:
        content.seek(0)
        decoder = codecs.getincrementaldecoder(charset)(errors="replace")
        while some := content.read(_BLOCK):
            anew.write(decoder.decode(some).encode())
        yield anew, "utf-8"


def _pieces(text: BinaryIO, size: int | None) -> Iterator[bytes]:
    """The text without NULs in pieces of whole rows (of `size` None: in one)."""
    text.seek(0)
    rest = b""
    while some := text.read(max(size, len(rest)) if size else None):
        rest += some.replace(b"\0", b"")
        end = _last_row_end(rest) if size else 0
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest if rest[-1:] in b"\r\n" else rest + b"\n"


def _last_row_end(piece: bytes) -> int:
    """Where the last row ends; a line end within quotation marks ends none."""
    end = piece.rfind(b"\n") + 1
    marks = int(np.count_nonzero(np.frombuffer(piece, np.uint8, end) == ord('"')))
    while end and marks % 2:
        before = piece.rfind(b"\n", 0, end - 1) + 1
        marks -= piece.count(b'"', before, end)
        end = before
    return end


class _Form(NamedTuple):
    """How a text is written; `width` is how many cells most rows have."""

    charset: str
    separator: str
    width: int


class _Fields(NamedTuple):
    """A piece's rows of the usual width, and the others: number of the row from 1, fields, text."""

    usual: pa.Table
    odd: list[tuple[int, int, str]]
    damaged: int


def _places_wanted(text: BinaryIO, form: _Form, name: str, wanted: Wanted) -> frozenset[int] | None:
    """The columns wanted by a text's first rows; None, for all, where it is not long."""
    if text.seek(0, io.SEEK_END) < _LONG_TEXT:
        return None
    try:
        return wanted(_grid(io.BytesIO(next(_pieces(text, HEAD))), form, None)[0], name)
    except UnreadableError:  # a quotation mark is open at the end of the first piece
        return None


def _grid(text: BinaryIO, form: _Form, places: frozenset[int] | None) -> tuple[pd.DataFrame, bool]:
    """Rows of the usual width are made at once, the others put between.

    Also whether the last row has fewer cells and no line end: the text is cut.
    """
    usual, odd = _taken_apart(text, form, places)
    rows = len(usual) + len(odd)
    is_short = bool(odd) and odd[-1][0] == rows and odd[-1][1] < form.width
    text.seek(-1 if is_short else 0, io.SEEK_END)
    is_short &= text.read(1) not in b"\r\n"
    lines = [_trimmed(count, line, form.separator) for _, count, line in odd]
    widest = max([form.width, *(count for count, _ in lines)])
    limits.check_size(rows, widest)
    filled = [f"{line}{form.separator * (widest - count)}\n" for count, line in lines]
    others = None
    if filled:
        content = "".join(["\ufeff", *filled]).encode()  # a first mark is skipped
        others = _fields(content, _Form("utf-8", form.separator, widest)).usual
    numbers = [number for number, *_ in odd]
    # titles and headers: nothing to put in between
    at_top = numbers == list(range(1, len(odd) + 1))
    moved = None if at_top else _moved(rows, numbers)
    columns = [*usual.columns, *[pa.chunked_array([_nothing(len(usual))])] * (widest - form.width)]
    del usual

    def joined(place: int) -> pd.Series:
        cells, columns[place] = columns[place].chunks, None  # given back as soon as it is made
        more = others.column(place).chunks if others is not None else []
        return text_column(pa.chunked_array([*more, *cells] if at_top else [*cells, *more]), moved)

    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        grid = dict(enumerate(pool.map(joined, range(widest))))
    while len(grid) > 1 and _is_blank(grid[len(grid) - 1]):
        grid.popitem()
    return pd.DataFrame(grid, copy=False).set_axis(range(1, rows + 1), axis=0), is_short


def _taken_apart(
    text: BinaryIO, form: _Form, places: frozenset[int] | None
) -> tuple[pa.Table, list[tuple[int, int, str]]]:
    """The rows of the usual width, and the others with their numbers in the whole text.

    Raises `UnreadableError` where a quotation mark is never closed, `UnicodeError` where too much
    is no text of the charset.
    """
    for size in (_BLOCK, None):
        tables, odd, rows, damaged = [], [], 0, 0
        for piece in _ahead(
            lambda number, piece: _fields(piece, form, places if number else None),
            _pieces(text, size),
        ):
            if piece is None:
                break  # what looked like the end of a row was none
            odd += [(rows + number, count, line) for number, count, line in piece.odd]
            rows, damaged = rows + len(piece.usual) + len(piece.odd), damaged + piece.damaged
            tables.append(piece.usual)
        else:
            if damaged > text.tell() * MOST_DAMAGED:
                raise UnicodeError
            return pa.concat_tables(tables), odd
    raise UnreadableError(note("open_quote"))


def _ahead(
    make: Callable[[int, bytes], _Fields | None], pieces: Iterable[bytes]
) -> Iterator[_Fields | None]:
    """In their order, a few at the same time."""
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        coming: deque[concurrent.futures.Future[_Fields | None]] = deque()
        for number, piece in enumerate(pieces):
            coming.append(pool.submit(make, number, piece))
            if len(coming) > _WORKERS:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _fields(piece: bytes, form: _Form, places: frozenset[int] | None = None) -> _Fields | None:
    """A piece taken apart; None where its last row does not end, as a quotation mark is open.

    Cells outside `places` stay empty, unless a row has hardly a cell in these.
    """
    odd: list[tuple[int, int, str]] = []
    try:
        usual = _rows(piece, form, places)
    except pa.ArrowInvalid:  # rows of other widths are handed over one by one, and as UTF-8 only
        piece = piece.decode(form.charset, errors="replace").encode()
        form, places = form._replace(charset="utf-8"), None

        def skip(row: pa.csv.InvalidRow) -> str:
            odd.append((row.number, row.actual_columns, row.text))
            return "skip"

        usual = _rows(piece, form, None, skip)
    if not len(usual) or usual.column(0)[-1].as_py() != _END:
        return None
    columns, damaged = {}, 0
    for name, cells in zip(usual.column_names, usual.slice(0, len(usual) - 1).columns, strict=True):
        columns[name] = column = _decoded(cells.chunk(0), form.charset)
        damaged += 0 if _is_ascii(column.dictionary) else _damaged(column)
    if places is not None and _hardly_filled(list(columns.values())):
        return _fields(piece, form)
    damaged += sum(line.count(DAMAGE) for *_, line in odd)
    nothing = _nothing(len(usual) - 1)
    names = map(str, range(form.width))
    return _Fields(pa.table({name: columns.get(name, nothing) for name in names}), odd, damaged)


def _rows(
    piece: bytes,
    form: _Form,
    places: frozenset[int] | None,
    otherwise: Callable[[pa.csv.InvalidRow], str] | None = None,
) -> pa.Table:
    """The rows of a piece and one more that says it is the last.

    Raises `pa.ArrowInvalid` for rows of other widths that nobody takes.
    """
    whole = piece + f"{_END}{form.separator * (form.width - 1)}\n".encode()
    names = [str(place) for place in range(form.width)]
    return pa.csv.read_csv(
        pa.BufferReader(whole),
        read_options=pa.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=min(len(whole), _LARGEST)
        ),  # else rows have no number
        parse_options=pa.csv.ParseOptions(
            delimiter=form.separator,
            newlines_in_values=True,
            ignore_empty_lines=False,
            invalid_row_handler=otherwise,
        ),
        convert_options=pa.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.dictionary(pa.int32(), pa.string())),
            strings_can_be_null=False,
            check_utf8=False,
            include_columns=[name for name in names if places is None or int(name) in places],
        ),
    ).combine_chunks()


def _nothing(rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(rows, np.int32)), pa.array([""], pa.string())
    )


def _hardly_filled(columns: list[pa.DictionaryArray]) -> bool:
    """A row may be a remark or a title then, or its cells are elsewhere."""
    count = np.zeros(len(columns[0]), np.int32)
    for column in columns:
        empty = pc.equal(pc.utf8_trim_whitespace(column.dictionary), "")
        count += ~empty.to_numpy(zero_copy_only=False)[column.indices.to_numpy()]
        if (count > 1).all():
            return False
    return bool((count < 2).any())


def _decoded(column: pa.DictionaryArray, charset: str) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(column.indices, _words(column.dictionary, charset))


def _is_ascii(values: pa.StringArray) -> bool:
    _, ends, content = values.buffers()
    ends = np.frombuffer(ends, np.int32)[values.offset : values.offset + len(values) + 1]
    return content is None or memoryview(content)[ends[0] : ends[-1]].tobytes().isascii()


def _words(values: pa.StringArray, charset: str) -> pa.StringArray:
    if _is_ascii(values):
        return values
    whole = b"\0".join(values.cast(pa.binary()).to_pylist()).decode(charset, errors="replace")
    return pa.array(whole.split("\0"), pa.string())


def _damaged(column: pa.DictionaryArray) -> int:
    count = pc.count_substring(column.dictionary, DAMAGE).to_numpy(zero_copy_only=False)
    return int(count[column.indices.to_numpy()].sum()) if count.any() else 0


def _trimmed(count: int, line: str, separator: str) -> tuple[int, str]:
    short = line.rstrip(separator)
    return count - (len(line) - len(short)), short


def _moved(rows: int, odd: list[int]) -> np.ndarray:
    """Where each row of the file stands when the odd ones come last."""
    is_odd = np.zeros(rows, dtype=bool)
    is_odd[np.array(odd, dtype=int) - 1] = True
    places = np.empty(rows, dtype=np.int64)
    places[~is_odd], places[is_odd] = np.arange(rows - len(odd)), np.arange(rows - len(odd), rows)
    return places


def _is_blank(cells: pd.Series) -> bool:
    category = isinstance(cells.dtype, pd.CategoricalDtype)
    return not (cells.cat.categories if category else cells).astype(bool).any()


def _separator(head: str) -> str:
    def fields(separator: str) -> float:
        counts = _counts(head, separator)
        return statistics.quantiles([*counts, *counts], n=10)[-1]

    return max(",\t;|", key=fields)


def _counts(head: str, separator: str) -> list[int]:
    lines = head.splitlines()[:_LINES] or [""]
    if '"' in head:
        with contextlib.suppress(csv.Error):  # a quote that never ends
            return [len(row) - 1 for row in csv.reader(lines, delimiter=separator)]
    return [line.count(separator) for line in lines]
