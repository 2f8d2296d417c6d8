"""Opens raw files: CSV in any of the usual charsets, workbooks, zips of exports. Cells only; nothing is interpreted."""

from __future__ import annotations

import codecs
import concurrent.futures
import contextlib
import csv
import hashlib
import io
import itertools
import statistics
import struct
import tempfile
import zipfile
import zlib
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

import charset_normalizer
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import python_calamine

from helpers.clean import limits

EXPECTED = "an Excel workbook (xlsx, xls), a CSV or text table, or a zip of these"
_LINES = 200
_HEAD = 1 << 18
_LONG_TEXT = 1 << 24  # bytes of a text of which only the columns that matter are made
_BLOCK, _LARGEST = 1 << 22, (1 << 31) - 1  # bytes that are taken apart at a time
_ROWS = 10_000  # of a workbook at a time
_BAD = 0.002  # share of damaged characters up to which the rest of a text is worth reading
_DAMAGE = "\ufffd"
_END = "\x01"  # the row behind the last one of a piece
_WORKERS = 2  # columns made at the same time: more would only need more memory
_LONG = 10_000  # columns of so many cells are categories where most cells repeat

if (
    "jemalloc" in pa.supported_memory_backends()
):  # the default asks the system for new pages with every block: a second for a million rows
    pa.set_memory_pool(pa.jemalloc_memory_pool())


class Sheet(NamedTuple):
    """One sheet: its name and its cells, index = row number in the file (1-based), columns 0, 1, 2 …

    `member` is the path inside a zip of the file that the sheet is of, and empty outside a zip.
    `places` are the columns that were asked for (None: all); of the others only the first rows are
    there, and rows with hardly a cell in those columns.
    """

    name: str
    grid: pd.DataFrame
    member: str = ""
    places: frozenset[int] | None = None


Wanted = Callable[
    [pd.DataFrame, str], frozenset[int] | None
]  # the first rows of a long text and its name → the columns to read, None: all


class RawFile(NamedTuple):
    """A raw file opened: its sheets, and what could not be opened as (part of the file, problem)."""

    file: str
    sha256: str
    sheets: tuple[Sheet, ...]
    problems: tuple[tuple[str, str], ...]


class UnreadableError(ValueError):
    """The bytes are not what they should be; the message says what was found and what was expected."""


@contextlib.contextmanager
def _archive(content: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The archive of these bytes, its limits checked. Raises `UnreadableError` where it is damaged or beyond them."""
    try:
        with zipfile.ZipFile(content) as archive:
            limits.check_members(archive)
            yield archive
    except limits.LimitError as error:
        raise UnreadableError(str(error)) from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        ValueError,
        NotImplementedError,
        RuntimeError,
        EOFError,
        OSError,
        struct.error,
    ) as error:
        if isinstance(error, UnreadableError):
            raise
        raise UnreadableError(
            f"looks like a workbook or a zip but is damaged ({error}); expected {EXPECTED}"
        ) from error


def open_file(path: str | Path, *, sha256: str = "", wanted: Wanted | None = None) -> RawFile:
    """The sheets of a file, and a problem for each part that cannot be read; never raises for what the file holds.

    `sha256` is the file's digest where it is known already; `wanted` says which columns of a long
    text matter (`Sheet.places`).
    """
    path = Path(path)
    try:
        content = path.open("rb")
    except OSError as error:
        return RawFile(
            path.name, "", (), (("", f"cannot be opened ({error.strerror}); expected {EXPECTED}"),)
        )
    with content:
        digest = sha256 or hashlib.file_digest(content, "sha256").hexdigest()
        sheets, problems = _open(content, path.name, wanted)
    return RawFile(path.name, digest, tuple(sheets), tuple(problems))


def _open(
    content: BinaryIO, name: str, wanted: Wanted | None, *, in_zip: bool = False
) -> tuple[list[Sheet], list[tuple[str, str]]]:
    try:
        mark = _head(content, 4)
        if mark == b"PK\x03\x04" and not _is_workbook(content):
            if in_zip:
                raise UnreadableError("is a zip inside a zip; unpack it first")
            return _zip(content, wanted)
        if mark in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            return _workbook(content), []
        return [text_sheet(content, PurePosixPath(name).name, wanted)], []
    except (UnreadableError, limits.LimitError) as error:
        return [], [("", f"{name}: {error}")]


def _head(content: BinaryIO, size: int) -> bytes:
    content.seek(0)
    return content.read(size)


def _is_workbook(content: BinaryIO) -> bool:
    with _archive(content) as archive:
        names = {PurePosixPath(member.filename).name for member in archive.infolist()}
        known = bool(names & {"[Content_Types].xml", "mimetype"})
        if known:
            limits.check_workbook(archive)
    return known


def _workbook(content: BinaryIO) -> list[Sheet]:
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
    """The cells of a sheet: columns of text alone as text, others as the workbook's own values."""
    rows = sheet.iter_rows()
    columns: list[list[pa.Array | tuple]] = []
    while some := list(itertools.islice(rows, _ROWS)):
        made = [_piece(cells) for cells in zip(*some, strict=True)]
        columns = [
            [*before, piece]
            for before, piece in zip(columns or [[]] * len(made), made, strict=True)
        ]
    grid = {}
    for place in range(len(columns)):
        grid[place], columns[place] = _joined(columns[place]), []
    frame = pd.DataFrame(grid)
    return frame.set_axis(range(1, len(frame) + 1), axis=0)


def _piece(cells: tuple) -> pa.Array | tuple:
    return (
        pa.array(cells, pa.string()).dictionary_encode()
        if all(type(cell) is str for cell in cells)
        else cells
    )


def _joined(pieces: list[pa.Array | tuple]) -> pd.Series:
    if all(isinstance(piece, pa.Array) for piece in pieces):
        return _column(pa.chunked_array(pieces), None)
    cells = (piece.to_pylist() if isinstance(piece, pa.Array) else piece for piece in pieces)
    return pd.Series(list(itertools.chain.from_iterable(cells)), dtype=object)


# ---- zip
# --------------------------------------------------------------------------------------------------------


def _zip(content: BinaryIO, wanted: Wanted | None) -> tuple[list[Sheet], list[tuple[str, str]]]:
    sheets: list[Sheet] = []
    problems: list[tuple[str, str]] = []
    with _archive(content) as archive:
        members = [
            member
            for member in archive.infolist()
            if not member.filename.endswith("/") and not _is_litter(member.filename)
        ]
        if not members:
            raise UnreadableError(f"is an empty zip; expected {EXPECTED}")
        names: Counter[str] = Counter()
        for member in members:
            name = _member_name(member)
            names[name] += 1
            name += (
                f" ({names[name]})" if names[name] > 1 else ""
            )  # a zip may hold two files of one name
            try:
                inner, trouble = _open(
                    io.BytesIO(_member(archive, member, name)), name, wanted, in_zip=True
                )
            except UnreadableError as error:
                inner, trouble = [], [("", f"{name}: {error}")]
            sheets += [sheet._replace(member=name) for sheet in inner]
            problems += [(name, text) for _, text in trouble]
    return sheets, problems


def _is_litter(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return "__MACOSX" in path.parts or path.name.startswith((".", "~$"))


def _member_name(member: zipfile.ZipInfo) -> str:
    """Zips made on Chinese Windows hold GBK names, which zipfile reads as cp437."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return member.filename.encode("cp437").decode("gb18030")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return member.filename


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    """The bytes of one file of an archive, never more than it states. Raises `UnreadableError`."""
    try:
        limits.check_path(name)
        return archive.read(member)
    except limits.LimitError as error:
        raise UnreadableError(str(error)) from error
    except (
        RuntimeError,
        zipfile.BadZipFile,
        NotImplementedError,
        EOFError,
        OSError,
        zlib.error,
        ValueError,
        struct.error,
    ) as error:
        raise UnreadableError(
            f"cannot be unpacked ({error}); expected a zip without password"
        ) from error


# ---- text tables
# ------------------------------------------------------------------------------------------------


def text_sheet(content: BinaryIO, name: str = "", wanted: Wanted | None = None) -> Sheet:
    """A CSV as a sheet, its cells text. Rows may differ in length; blank rows stay; missing cells are empty text.

    The file is taken apart and decoded piece by piece; a long column is a category where its values
    repeat.
    """
    charset = detect_charset(content)
    head = _head(content, _HEAD).decode(charset, errors="ignore").replace("\0", "").lstrip("\ufeff")
    if head.lstrip()[:1] == "<":
        raise UnreadableError(f"is a web page (HTML or XML) by its content; expected {EXPECTED}")
    separator = _separator(head)
    width = max(statistics.mode(_counts(head, separator)) + 1, 1)
    try:
        with _separable(content, charset, separator) as (text, encoding):
            form = _Form(encoding, separator, width)
            places = _places_wanted(text, form, name, wanted) if wanted else None
            return Sheet("", _grid(text, form, places), places=places)
    except UnicodeError as error:
        raise UnreadableError(
            f"begins as {charset} text but does not go on as such (cut off while saving?); "
            f"expected {EXPECTED}"
        ) from error
    except pa.ArrowInvalid as error:
        raise UnreadableError(f"is no table of values ({error}); expected {EXPECTED}") from error


@contextlib.contextmanager
def _separable(content: BinaryIO, charset: str, separator: str) -> Iterator[tuple[BinaryIO, str]]:
    """A text in which no byte of a character passes for a separator, a quotation mark or a line end, and its charset.

    That is the file itself in UTF-8 and, with the usual separators, in GB18030, whose later bytes
    of a character are digits or beyond `@`; a text of another charset is written anew.
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
    """The text in pieces of some such size (None: in one), each ending with a row, without NULs, its last line ended."""
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
    """Behind the last line end with an even number of quotation marks before it: a line end within marks ends no row."""
    end = piece.rfind(b"\n") + 1
    marks = piece.count(b'"', 0, end)
    while end and marks % 2:
        before = piece.rfind(b"\n", 0, end - 1) + 1
        marks -= piece.count(b'"', before, end)
        end = before
    return end


class _Form(NamedTuple):
    """How a text is written: the charset of its bytes, what separates cells, how many cells most rows have."""

    charset: str
    separator: str
    width: int


class _Fields(NamedTuple):
    """The fields of a piece of text: its rows of the usual width, and the others as (number of the row from 1, count of fields, text)."""

    usual: pa.Table
    odd: list[tuple[int, int, str]]
    damaged: int


def _places_wanted(text: BinaryIO, form: _Form, name: str, wanted: Wanted) -> frozenset[int] | None:
    """The columns of a long text that are wanted by what its first rows say; all where the text is not long."""
    if text.seek(0, io.SEEK_END) < _LONG_TEXT:
        return None
    try:
        return wanted(_grid(io.BytesIO(next(_pieces(text, _HEAD))), form, None), name)
    except UnreadableError:  # a quotation mark is open at the end of the first piece
        return None


def _grid(text: BinaryIO, form: _Form, places: frozenset[int] | None) -> pd.DataFrame:
    """The rows of the usual width at once, the others filled up with empty cells and put back in their places."""
    usual, odd = _taken_apart(text, form, places)
    rows = len(usual) + len(odd)
    lines = [_trimmed(count, line, form.separator) for _, count, line in odd]
    widest = max([form.width, *(count for count, _ in lines)])
    limits.check_size(rows, widest)
    filled = "".join(
        ["\ufeff", *(f"{line}{form.separator * (widest - count)}\n" for count, line in lines)]
    ).encode()  # a first mark is skipped
    others = _fields(filled, _Form("utf-8", form.separator, widest)).usual if lines else None
    numbers = [number for number, *_ in odd]
    at_top = numbers == list(
        range(1, len(odd) + 1)
    )  # titles and headers: nothing to put in between
    moved = None if at_top else _moved(rows, numbers)
    columns = [*usual.columns, *[pa.chunked_array([_nothing(len(usual))])] * (widest - form.width)]
    del usual

    def made(place: int) -> pd.Series:
        cells, columns[place] = columns[place].chunks, None  # given back as soon as it is made
        more = others.column(place).chunks if others is not None else []
        return _column(pa.chunked_array([*more, *cells] if at_top else [*cells, *more]), moved)

    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        grid = dict(enumerate(pool.map(made, range(widest))))
    while len(grid) > 1 and _is_blank(grid[len(grid) - 1]):
        grid.popitem()
    return pd.DataFrame(grid, copy=False).set_axis(range(1, rows + 1), axis=0)


def _taken_apart(
    text: BinaryIO, form: _Form, places: frozenset[int] | None
) -> tuple[pa.Table, list[tuple[int, int, str]]]:
    """The rows of the usual width, and the others with their numbers in the whole text; piece by piece, else all at once.

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
            if damaged > text.tell() * _BAD:
                raise UnicodeError
            return pa.concat_tables(tables), odd
    raise UnreadableError(
        f"is no table of values (a quotation mark is never closed); expected {EXPECTED}"
    )


def _ahead(
    make: Callable[[int, bytes], _Fields | None], pieces: Iterable[bytes]
) -> Iterator[_Fields | None]:
    """What is made of the pieces and their numbers, in their order, a few of them at the same time."""
    with concurrent.futures.ThreadPoolExecutor(_WORKERS) as pool:
        coming: deque[concurrent.futures.Future[_Fields | None]] = deque()
        for number, piece in enumerate(pieces):
            coming.append(pool.submit(make, number, piece))
            if len(coming) > _WORKERS:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()


def _fields(piece: bytes, form: _Form, places: frozenset[int] | None = None) -> _Fields | None:
    """A piece of text taken apart; nothing where its last row does not end, as a quotation mark is not closed.

    Cells of other columns than those of `places` are left empty, unless a row of the piece has
    hardly a cell in these.
    """
    odd: list[tuple[int, int, str]] = []
    try:
        usual = _rows(piece, form, places)
    except pa.ArrowInvalid:  # rows of other widths are handed over one by one, and as UTF-8 only
        piece, form, places = (
            piece.decode(form.charset, errors="replace").encode(),
            form._replace(charset="utf-8"),
            None,
        )
        usual = _rows(
            piece,
            form,
            None,
            lambda row: odd.append((row.number, row.actual_columns, row.text)) or "skip",
        )
    if not len(usual) or usual.column(0)[-1].as_py() != _END:
        return None
    found = {
        name: _decoded(column.chunk(0), form.charset)
        for name, column in zip(
            usual.column_names, usual.slice(0, len(usual) - 1).columns, strict=True
        )
    }
    if places is not None and _hardly_filled(list(found.values())):
        return _fields(piece, form)
    damaged = sum(map(_damaged, found.values())) + sum(line.count(_DAMAGE) for *_, line in odd)
    nothing = _nothing(len(usual) - 1)
    return _Fields(
        pa.table({str(place): found.get(str(place), nothing) for place in range(form.width)}),
        odd,
        damaged,
    )


def _rows(
    piece: bytes,
    form: _Form,
    places: frozenset[int] | None,
    otherwise: Callable[[pa.csv.InvalidRow], str] | None = None,
) -> pa.Table:
    """The rows of a piece and one more that says it is the last. Raises `pa.ArrowInvalid` for rows of other widths that nobody takes."""
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
            include_columns=None
            if places is None
            else [name for name in names if int(name) in places],
        ),
    ).combine_chunks()


def _nothing(rows: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(rows, np.int32)), pa.array([""], pa.string())
    )


def _hardly_filled(columns: list[pa.DictionaryArray]) -> bool:
    """Whether a row has fewer than two cells in these columns: it may be a remark or a title, or its other cells are elsewhere."""
    count = np.zeros(len(columns[0]), np.int32)
    for column in columns:
        empty = pc.equal(pc.utf8_trim_whitespace(column.dictionary), "").to_numpy(
            zero_copy_only=False
        )
        count += ~empty[column.indices.to_numpy()]
        if (count > 1).all():
            return False
    return bool((count < 2).any())


def _decoded(column: pa.DictionaryArray, charset: str) -> pa.DictionaryArray:
    """A column of categories whose values are bytes of a charset, with values that are text."""
    return pa.DictionaryArray.from_arrays(column.indices, _words(column.dictionary, charset))


def _words(values: pa.StringArray, charset: str) -> pa.StringArray:
    ends = np.frombuffer(values.buffers()[1], np.int32)[
        values.offset : values.offset + len(values) + 1
    ]
    if (
        values.buffers()[2] is None
        or (np.frombuffer(values.buffers()[2], np.uint8)[ends[0] : ends[-1]] < 128).all()
    ):
        return values
    words = (
        b"\0".join(values.cast(pa.binary()).to_pylist())
        .decode(charset, errors="replace")
        .split("\0")
    )
    return pa.array(words, pa.string())


def _damaged(column: pa.DictionaryArray) -> int:
    """How many characters of a column were none of its charset."""
    count = pc.count_substring(column.dictionary, _DAMAGE).to_numpy(zero_copy_only=False)
    return int(count[column.indices.to_numpy()].sum()) if count.any() else 0


def _trimmed(count: int, line: str, separator: str) -> tuple[int, str]:
    """A row without the empty cells at its end, and how many cells it has then."""
    short = line.rstrip(separator)
    return count - (len(line) - len(short)), short


def _moved(rows: int, odd: list[int]) -> np.ndarray:
    """Where each row of the file stands when the odd ones come after the usual ones."""
    is_odd = np.zeros(rows, dtype=bool)
    is_odd[np.array(odd, dtype=int) - 1] = True
    places = np.empty(rows, dtype=np.int64)
    places[~is_odd], places[is_odd] = np.arange(rows - len(odd)), np.arange(rows - len(odd), rows)
    return places


def _column(cells: pa.ChunkedArray, moved: np.ndarray | None) -> pd.Series:
    """A column of text, its cells in the sequence of `moved`; a long one is a category where its values repeat."""
    if len(cells) < _LONG or sum(len(chunk.dictionary) for chunk in cells.chunks) > len(cells) / 2:
        text = cells.cast(pa.large_string()).combine_chunks()
        return (text if moved is None else text.take(pa.array(moved))).to_pandas()
    whole = pa.concat_arrays(cells.unify_dictionaries().chunks)
    codes = whole.indices.to_numpy()
    values = pd.Index(whole.dictionary.cast(pa.large_string()).to_pandas())
    return pd.Series(
        pd.Categorical.from_codes(codes if moved is None else codes[moved], categories=values)
    )


def _is_blank(cells: pd.Series) -> bool:
    return (
        not (cells.cat.categories if isinstance(cells.dtype, pd.CategoricalDtype) else cells)
        .astype(bool)
        .any()
    )


def detect_charset(content: BinaryIO) -> str:
    """The charset of a text: by its mark, else UTF-8 if it is valid, else GB18030, else what charset-normalizer says.

    Raises `UnreadableError` where the bytes are no text.
    """
    head = _head(content, _HEAD)
    if not head.strip(_NOTHING) and not content.read().strip(_NOTHING):
        raise UnreadableError(f"is empty; expected {EXPECTED}")
    for mark, charset in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return charset
    zeros = [head[start::2].count(0) for start in (0, 1)]
    if max(zeros) > len(head) // 8 and max(zeros) > 4 * min(zeros):
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if len(head.translate(None, _TEXT)) > len(head.replace(b"\0", b"")) // 100:
        raise UnreadableError(f"is a binary file that is not known; expected {EXPECTED}")
    if _decodes(content, "utf-8"):
        return "utf-8"
    if _common_share(head[: 1 << 16]) > 0.7 and _decodes(io.BytesIO(head), "gb18030"):
        return "gb18030"  # whether it goes on as such is seen on reading
    if _nearly(head, "utf-8"):
        return "utf-8"
    guess = charset_normalizer.from_bytes(
        head[: 1 << 16], cp_isolation=["gb18030", "big5", "cp1252", "cp1258", "cp874"]
    ).best()
    for charset in [*([guess.encoding] if guess else []), "gb18030"]:
        if _decodes(content, charset):
            return charset
    if _nearly(head, "gb18030"):
        return "gb18030"
    raise UnreadableError(f"is neither UTF-8, UTF-16 nor GB18030 text; expected {EXPECTED}")


_NOTHING = b"\0 \t\r\n\x0b\x0c"
_TEXT = bytes(
    [0, *b"\t\n\r\x0b\x0c\x1a", *range(32, 256)]
)  # what a text of any of these charsets may hold; NULs are dropped


def _nearly(head: bytes, charset: str) -> bool:
    """Whether a text is of this charset but for a few damaged characters."""
    text = head.decode(charset, errors="replace")
    return text.count("\ufffd") <= max(len(text) * _BAD, 1)


def _common_share(head: bytes) -> float:
    """The share of common Chinese characters and marks (GB2312 rows A1 and B0 to D7) among the non-ASCII ones."""
    marks = [mark for mark in head.decode("gb18030", errors="ignore") if ord(mark) > 127]
    leads = [mark.encode("gb18030")[0] for mark in marks]
    return sum(lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7 for lead in leads) / max(len(leads), 1)


def _decodes(content: BinaryIO, charset: str) -> bool:
    """Whether a text is of this charset; its last character may be cut off."""
    decoder = codecs.getincrementaldecoder(charset)()
    content.seek(0)
    try:
        while block := content.read(1 << 22):
            decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _separator(head: str) -> str:
    """The separator that splits most of the first lines into the most fields."""

    def fields(separator: str) -> float:
        counts = _counts(head, separator)
        return statistics.quantiles([*counts, *counts], n=10)[-1]

    return max(",\t;|", key=fields)


def _counts(head: str, separator: str) -> list[int]:
    """How often the separator parts each of the first lines."""
    lines = head.splitlines()[:_LINES] or [""]
    if '"' in head:
        with contextlib.suppress(csv.Error):  # a quote that never ends
            return [len(row) - 1 for row in csv.reader(lines, delimiter=separator)]
    return [line.count(separator) for line in lines]
