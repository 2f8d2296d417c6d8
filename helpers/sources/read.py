"""Opens raw files: CSV in any of the usual charsets, workbooks, zips of exports. Cells only; nothing is interpreted."""

from __future__ import annotations

import codecs
import csv
import hashlib
import io
import re
import statistics
import zipfile
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import charset_normalizer
import pandas as pd
import python_calamine

MAX_MEMBERS = 500
MAX_BYTES = 2_000_000_000
EXPECTED = "an Excel workbook (xlsx, xls), a CSV or text table, or a zip of these"
_LINES = 200


class Sheet(NamedTuple):
    """One sheet: its name and its cells, index = row number in the file (1-based), columns 0, 1, 2 …

    `member` is the path inside a zip of the file that the sheet is of, and empty outside a zip.
    """

    name: str
    grid: pd.DataFrame
    member: str = ""


class RawFile(NamedTuple):
    """A raw file opened: its sheets, and what could not be opened as (part of the file, problem)."""

    file: str
    sha256: str
    sheets: tuple[Sheet, ...]
    problems: tuple[tuple[str, str], ...]


class UnreadableError(ValueError):
    """The bytes are not what they should be; the message says what was found and what was expected."""


def open_file(path: str | Path) -> RawFile:
    """The sheets of a file, and a problem for each part that cannot be read; never raises for what the file holds."""
    path = Path(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        return RawFile(path.name, "", (), (("", f"cannot be opened ({error.strerror}); expected {EXPECTED}"),))
    sheets, problems = _open(content, path.name)
    return RawFile(path.name, hashlib.sha256(content).hexdigest(), tuple(sheets), tuple(problems))


def _open(content: bytes, name: str) -> tuple[list[Sheet], list[tuple[str, str]]]:
    try:
        if content[:4] == b"PK\x03\x04" and not _is_workbook(content):
            return _zip(content)
        if content[:4] in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            return _workbook(content), []
        return [Sheet("", text_grid(content))], []
    except UnreadableError as error:
        return [], [("", f"{name}: {error}")]


def _is_workbook(content: bytes) -> bool:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {PurePosixPath(member.filename).name for member in archive.infolist()}
            size = sum(member.file_size for member in archive.infolist())
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableError(f"looks like a workbook or a zip but is damaged ({error}); expected {EXPECTED}") from error
    if size > MAX_BYTES:
        raise UnreadableError(f"unpacks to {size:,} bytes; expected at most {MAX_BYTES:,}")
    return bool(names & {"[Content_Types].xml", "mimetype"})


def _workbook(content: bytes) -> list[Sheet]:
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(content))
        kinds = {sheet.name: sheet.typ for sheet in book.sheets_metadata}
        names = [name for name in book.sheet_names if kinds.get(name) in (None, python_calamine.SheetTypeEnum.WorkSheet)]
        return [Sheet(name, _cells(book.get_sheet_by_name(name))) for name in names]
    except (KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:  # a Rust panic on a damaged file is no Exception
        raise UnreadableError(
            f"this workbook cannot be read ({type(error).__name__}: {error}); expected {EXPECTED}. "
            "Open it in Excel or WPS, save it again as xlsx, and put that file in its place"
        ) from error


def _cells(sheet: python_calamine.CalamineSheet) -> pd.DataFrame:
    rows = sheet.to_python(skip_empty_area=False)
    return pd.DataFrame(rows, index=range(1, len(rows) + 1), dtype=object)


# ---- zip --------------------------------------------------------------------------------------------------------


def _zip(content: bytes) -> tuple[list[Sheet], list[tuple[str, str]]]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [member for member in archive.infolist() if not member.is_dir() and not _is_litter(member.filename)]
        if len(members) > MAX_MEMBERS:
            raise UnreadableError(f"holds {len(members)} files; expected at most {MAX_MEMBERS}")
        if not members:
            raise UnreadableError(f"is an empty zip; expected {EXPECTED}")
        sheets: list[Sheet] = []
        problems: list[tuple[str, str]] = []
        left = MAX_BYTES
        for member in members:
            name = _member_name(member)
            try:
                part = _member(archive, member, name, left)
                left -= len(part)
                inner, trouble = _open_member(part, name)
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


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, left: int) -> bytes:
    path = PurePosixPath(name.replace("\\", "/"))
    if path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", name):
        raise UnreadableError("has a path that leads out of the zip; left unread")
    try:
        with archive.open(member) as handle:
            part = handle.read(left + 1)
    except (RuntimeError, zipfile.BadZipFile, NotImplementedError, EOFError, OSError) as error:
        raise UnreadableError(f"cannot be unpacked ({error}); expected a zip without password") from error
    if len(part) > left:
        raise UnreadableError(f"the zip unpacks to more than {MAX_BYTES:,} bytes; the rest is left unread")
    return part


def _open_member(part: bytes, name: str) -> tuple[list[Sheet], list[tuple[str, str]]]:
    if part[:4] == b"PK\x03\x04" and not _is_workbook(part):
        raise UnreadableError("is a zip inside a zip; unpack it first")
    return _open(part, name)


# ---- text tables ------------------------------------------------------------------------------------------------


def text_grid(content: bytes) -> pd.DataFrame:
    """The cells of a CSV as text. Rows may differ in length; blank rows stay; missing cells are empty text."""
    if not content.strip():
        raise UnreadableError(f"is empty; expected {EXPECTED}")
    charset = detect_charset(content)
    if not _decodes(content, charset):
        raise UnreadableError(f"begins as {charset} text but does not go on as such (cut off while saving?); expected {EXPECTED}")
    head = content[: 1 << 18].decode(charset, errors="ignore").lstrip("\ufeff")
    if head.lstrip()[:1] == "<":
        raise UnreadableError(f"is a web page (HTML or XML) by its content; expected {EXPECTED}")
    separator = _separator(head)
    width = _width(content, charset, separator)
    while True:
        try:
            grid = pd.read_csv(
                io.BytesIO(content), header=None, names=range(width), dtype="str", sep=separator, encoding=charset,
                keep_default_na=False, skip_blank_lines=False, index_col=False, on_bad_lines="error",
            )
            break
        except pd.errors.ParserError as error:
            seen = re.search(r"saw (\d+)", str(error))
            if not seen or int(seen[1]) <= width:
                raise UnreadableError(f"is no table of values ({error}); expected {EXPECTED}") from error
            width = int(seen[1])
        except ValueError as error:
            raise UnreadableError(f"is no table of values ({error}); expected {EXPECTED}") from error
    grid = grid.fillna("")  # rows that are shorter than the widest
    used = [column for column in grid if (grid[column] != "").any()]
    grid = grid[range(max(used, default=0) + 1)]
    return grid.set_axis(range(1, len(grid) + 1), axis=0)


def detect_charset(content: bytes) -> str:
    """The charset of a text: by its mark, else UTF-8 if it is valid, else GB18030, else what charset-normalizer says.

    Raises `UnreadableError` where the bytes are no text.
    """
    for mark, charset in ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if content.startswith(mark):
            return charset
    head = content[: 1 << 16]
    if head.count(0):
        zeros = [head[start::2].count(0) for start in (0, 1)]
        if max(zeros) < len(head) // 8:
            raise UnreadableError(f"is a binary file that is not known; expected {EXPECTED}")
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    if _decodes(content, "utf-8"):
        return "utf-8"
    chinese = _decodes(content, "gb18030")
    if chinese and _common_share(head) > 0.7:
        return "gb18030"
    guess = charset_normalizer.from_bytes(head, cp_isolation=["gb18030", "big5", "cp1252", "cp1258", "cp874"]).best()
    if guess is not None and _decodes(content, guess.encoding):
        return guess.encoding
    if chinese:
        return "gb18030"
    raise UnreadableError(f"is neither UTF-8, UTF-16 nor GB18030 text; expected {EXPECTED}")


def _common_share(head: bytes) -> float:
    """The share of common Chinese characters and marks (GB2312 rows A1 and B0 to D7) among the non-ASCII ones."""
    marks = [mark for mark in head.decode("gb18030", errors="ignore") if ord(mark) > 127]
    leads = [mark.encode("gb18030")[0] for mark in marks]
    return sum(lead in (0xA1, 0xA3) or 0xB0 <= lead <= 0xD7 for lead in leads) / max(len(leads), 1)


def _decodes(content: bytes, charset: str) -> bool:
    decoder = codecs.getincrementaldecoder(charset)()
    try:
        for start in range(0, len(content), 1 << 22):
            decoder.decode(content[start : start + (1 << 22)])
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _separator(head: str) -> str:
    """The separator that splits most of the first lines into the most fields."""
    lines = head.splitlines()[:_LINES]

    def fields(separator: str) -> float:
        counts = [line.count(separator) for line in lines] if '"' not in head else _counted(lines, separator)
        return statistics.quantiles([*counts, *counts], n=10)[-1] if counts else 0

    return max(",\t;|", key=fields)


def _counted(lines: list[str], separator: str) -> list[int]:
    try:
        return [len(row) - 1 for row in csv.reader(lines, delimiter=separator)]
    except csv.Error:  # a quote that never ends
        return [line.count(separator) for line in lines]


def _width(content: bytes, charset: str, separator: str) -> int:
    """An upper bound of the fields in a row, from the lines; a quoted line break can only make the parser ask again."""
    widest = 1
    decoder = io.TextIOWrapper(io.BytesIO(content), encoding=charset, errors="replace", newline=None)
    for line in decoder:
        widest = max(widest, line.count(separator) + 1)
    return widest

