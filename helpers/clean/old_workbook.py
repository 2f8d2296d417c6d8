"""What an old workbook (.xls) says beside its cells: its hidden rows, and when its days begin."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

_BOF, _EOF, _BOUNDSHEET, _DATEMODE, _ROW = 0x0809, 0x000A, 0x0085, 0x0022, 0x0208
_ZERO_HEIGHT = 0x20  # of the flags of a row: it is hidden
_HIDDEN = re.compile(rb"(?s)\x08\x02\x10\x00.{12}[\x20-\x3f\x60-\x7f\xa0-\xbf\xe0-\xff]")
_ENTRY = 128  # bytes of an entry of the directory


class Beside(NamedTuple):
    """Whether days count from 1904; for each sheet, in order, the numbers of its hidden rows."""

    era_1904: bool
    hidden: tuple[frozenset[int], ...]


def beside(content: bytes) -> Beside:
    """What the workbook says; raises `ValueError` or `struct.error` where it is damaged."""
    book = _workbook(content)
    era, starts = False, []
    for kind, body in _records(book, 0):
        if kind == _BOUNDSHEET:
            starts.append(struct.unpack_from("<I", body)[0])
        elif kind == _DATEMODE:
            era = struct.unpack_from("<H", body)[0] == 1
    # most workbooks hide nothing: looking for it costs less than walking over all their cells
    walked = starts if _HIDDEN.search(book) else []
    hidden = [frozenset(_hidden_rows(book, start)) for start in walked]
    return Beside(era, tuple(hidden) or (frozenset(),) * len(starts))


def _hidden_rows(book: bytes, start: int) -> Iterator[int]:
    for kind, body in _records(book, start):
        if kind == _ROW and struct.unpack_from("<H", body, 12)[0] & _ZERO_HEIGHT:
            yield struct.unpack_from("<H", body)[0] + 1


def _records(book: bytes, at: int) -> Iterator[tuple[int, memoryview]]:
    """The records of the part that begins here, to its end; parts in it (charts) among them."""
    view, inside = memoryview(book), 0
    while at + 4 <= len(book):
        kind, size = struct.unpack_from("<HH", book, at)
        inside += (kind == _BOF) - (kind == _EOF)
        if inside <= 0:
            return
        yield kind, view[at + 4 : at + 4 + size]
        at += 4 + size


def _workbook(content: bytes) -> bytes:
    """The stream of the workbook in its compound file."""
    shift, short_shift = struct.unpack_from("<HH", content, 30)
    first, cutoff, first_short, more = struct.unpack_from("<i4x2i4xi", content, 48)
    block = 1 << shift
    sectors = [*struct.unpack_from("<109i", content, 76)]
    for _ in range(len(content) // block):  # a chain that comes back to itself ends, too
        if more < 0:
            break
        *others, more = struct.unpack_from(f"<{block // 4}i", content, (more + 1) * block)
        sectors += others
    pieces = [_piece(content, number, block) for number in sectors if number >= 0]
    links = np.frombuffer(b"".join(pieces), dtype="<i4")

    def stream(number: int) -> bytes:
        return b"".join(_piece(content, each, block) for each in _chain(links, number))

    folder = stream(first)
    entries = {
        folder[at : at + 64].decode("utf-16-le", errors="replace").split("\0")[0].lower(): (
            struct.unpack_from("<iI", folder, at + 116)
        )
        for at in range(0, len(folder) - _ENTRY + 1, _ENTRY)
    }
    start, size = entries.get("workbook") or entries.get("book") or (-2, 0)
    if size >= cutoff:
        return stream(start)[:size]
    of_short = np.frombuffer(stream(first_short), dtype="<i4")
    short = stream(entries["root entry"][0])
    little = 1 << short_shift
    numbers = _chain(of_short, start)
    return b"".join(short[each * little : (each + 1) * little] for each in numbers)[:size]


def _piece(content: bytes, number: int, block: int) -> bytes:
    return content[(number + 1) * block : (number + 2) * block]


def _chain(links: np.ndarray, number: int) -> list[int]:
    numbers = []
    while 0 <= number < len(links) and len(numbers) < len(links):
        numbers.append(number)
        number = int(links[number])
    return numbers
