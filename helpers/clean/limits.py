"""How much of a file is unpacked: one beyond these limits is refused before it fills the memory."""

import functools
import re
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import IO

import numpy as np

from helpers.clean.notes import NotedError, note

MAX_MEMBERS = 500  # exports of one download come by the dozen
MAX_BYTES = 2_000_000_000  # unpacked; one million orders of 75 columns are 230 million
# unpacked to packed; sheets of real exports stay below 50, a bomb comes near the 1,032 of deflate
MAX_RATIO = 250
# from this unpacked size on the ratio counts: little files of blanks are harmless
RATIO_FROM = 20_000_000
# the widest export that is known has 120; each column costs as much as thousands of rows
MAX_COLUMNS = 2_000
# of the rectangle that a sheet spans; one million rows of 75 columns are 75 million
MAX_CELLS = 120_000_000
MAX_CELL = 32_767  # characters; Excel's own
_BLOCK = 1 << 20
_LONGEST_REFERENCE = 16  # r="XFD1048576" and what stands before it


class LimitError(NotedError):
    """A file goes beyond a limit; the note says which, what was found and what was expected."""


def check_members(archive: zipfile.ZipFile) -> None:
    """Raise `LimitError` for an archive of too many files or bytes, or far above its weight."""
    members = archive.infolist()
    size = sum(member.file_size for member in members)
    if len(members) > MAX_MEMBERS:
        raise LimitError(note("many_files", count=len(members), most=MAX_MEMBERS))
    if size > MAX_BYTES:
        raise LimitError(note("many_bytes", count=size, most=MAX_BYTES))
    for member in members:
        size, packed = member.file_size, max(member.compress_size, 1)
        if size > max(RATIO_FROM, MAX_RATIO * packed):
            name, times = member.filename[:60], size // packed
            raise LimitError(note("zip_bomb", times=times, part=name, count=size, most=MAX_RATIO))


def check_path(name: str) -> None:
    """Raise `LimitError` for a path that is none or leads out of its archive."""
    path = PurePosixPath(name.replace("\\", "/"))
    outside = path.is_absolute() or ".." in path.parts or re.match(r"^[A-Za-z]:", name)
    if outside or not name or "\0" in name:
        raise LimitError(note("leads_out"))


def check_size(rows: int, columns: int) -> None:
    """Raise `LimitError` for a table of more columns or cells than one can hold."""
    if columns > MAX_COLUMNS:
        raise LimitError(note("wide_row", columns=columns, most=MAX_COLUMNS))
    if rows * columns > MAX_CELLS:
        raise LimitError(note("many_cells", rows=rows, columns=columns, most=MAX_CELLS))


def check_workbook(
    archive: zipfile.ZipFile, look: Callable[[str, bytes], object] | None = None
) -> None:
    """Raise `LimitError` where a sheet spans more cells than `MAX_CELLS`.

    Two cells in far corners are a billion when opened. A part is read to its end, which holds it
    against its checksum: the workbook reader itself would not stop. `look` is given the path of
    each sheet with its XML, block by block.
    """
    for member in archive.infolist():
        path = PurePosixPath(member.filename)
        is_sheet = "worksheets" in path.parts
        if path.suffix == ".xml" and (is_sheet or path.name == "sharedStrings.xml"):
            see = functools.partial(look, member.filename) if look and is_sheet else None
            with archive.open(member) as handle:
                rows, columns = _span(handle, see)
            if is_sheet and (rows * columns > MAX_CELLS or columns > MAX_COLUMNS):
                size = {"rows": rows, "columns": columns, "part": path.name}
                most = {"most": MAX_CELLS, "most_columns": MAX_COLUMNS}
                raise LimitError(note("far_cells", **size, **most))


def _span(handle: IO[bytes], look: Callable[[bytes], object] | None = None) -> tuple[int, int]:
    """By the references of a sheet's XML, without parsing it."""
    rows = columns = 0
    rest = b""
    while block := handle.read(_BLOCK):
        if look:
            look(block)
        end = b"\0" * _LONGEST_REFERENCE if len(block) < _BLOCK else b""
        data = np.frombuffer(rest + block + end, dtype=np.uint8)
        if len(data) > _LONGEST_REFERENCE:
            high, wide = _highest(data)
            rows, columns = max(rows, high), max(columns, wide)
        rest = (rest + block)[-_LONGEST_REFERENCE:]
    return rows, columns


def _highest(data: np.ndarray) -> tuple[int, int]:
    """Among references such as r="AB12"."""
    end = len(data) - _LONGEST_REFERENCE + 3
    quoted = (data[2:end] == ord('"')) | (data[2:end] == ord("'"))
    begins = quoted & (data[1 : end - 1] == ord("=")) & (data[: end - 2] == ord("r"))
    at = np.flatnonzero(begins) + 3
    letters = [data[at], data[at + 1], data[at + 2]]
    length, columns = np.zeros(len(at), dtype=np.intp), 0
    for step, marks in enumerate(letters):
        named = (length == step) & (marks >= ord("A")) & (marks <= ord("Z"))
        length += named
        if named.any():  # longer names come after shorter ones
            name = [before[named].astype(np.int64) - ord("A") + 1 for before in letters[: step + 1]]
            columns = int(sum(part * 26 ** (step - place) for place, part in enumerate(name)).max())
    return _highest_number(data, at + length), columns


def _highest_number(data: np.ndarray, at: np.ndarray) -> int:
    """The highest number (up to 7 digits) at these places."""
    value, best = np.zeros(len(at), dtype=np.int32), 0
    for step in range(7):
        digit = data[at + step] - ord("0")  # what is no digit wraps around to more than 9
        going = digit <= 9
        if not going.all():
            at, value, digit = at[going], value[going], digit[going]
        value = value * 10 + digit
        best = max(best, int(value.max(initial=0)))
    return best
