"""A raw file becomes sheets of cells: a text table, a workbook, or a zip of these."""

import contextlib
import hashlib
import io
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from helpers.clean import limits
from helpers.clean.file_name import decoded, printable
from helpers.clean.notes import note
from helpers.clean.open_csv import text_sheet
from helpers.clean.open_workbook import Unseen, looked_through, workbook_sheets
from helpers.clean.sheet import Sheet, UnreadableError, Wanted

# what zipfile raises of a damaged archive (`RuntimeError` also for one with a password)
_DAMAGES = (
    zipfile.BadZipFile,
    zlib.error,
    ValueError,
    NotImplementedError,
    RuntimeError,
    EOFError,
    OSError,
    struct.error,
)

# how files begin that are mistaken for exports
_NO_TABLES = {
    b"%PDF": note("pdf"),
    b"Rar!": note("packed", kind="RAR"),
    b"7z\xbc\xaf": note("packed", kind="7-Zip"),
    b"\x1f\x8b": note("packed", kind="gzip"),
    b"\x89PNG": note("picture"),
    b"\xff\xd8\xff": note("picture"),
    b"MIME-Version:": note("web_archive"),
}
_MARK = max(map(len, _NO_TABLES))


class RawFile(NamedTuple):
    """A raw file opened: its sheets, and (part of the file, problem) of what was not opened."""

    file: str
    sha256: str
    sheets: tuple[Sheet, ...]
    problems: tuple[tuple[str, str], ...]


@contextlib.contextmanager
def _archive(content: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The archive, its limits checked; raises `UnreadableError` where damaged or beyond them."""
    try:
        with zipfile.ZipFile(content) as archive:
            limits.check_members(archive)
            yield archive
    except UnreadableError:
        raise
    except limits.LimitError as error:
        raise UnreadableError(error.kept) from error
    except _DAMAGES as error:
        raise UnreadableError(note("damaged", error=str(error))) from error


def open_file(path: str | Path, *, sha256: str = "", wanted: Wanted | None = None) -> RawFile:
    """The sheets of a file, and a problem for each part that cannot be read.

    Never raises for what the file holds. `sha256` is its digest where known; `wanted` says which
    columns of a long text matter (`Sheet.places`).
    """
    path = Path(path)
    name = printable(path.name)
    try:
        content = path.open("rb")
    except OSError as error:
        problem = note("cannot_open", error=error.strerror)
        return RawFile(name, "", (), (("", problem),))
    with content:
        digest = sha256 or hashlib.file_digest(content, "sha256").hexdigest()
        sheets, problems = _open(content, name, wanted)
    return RawFile(name, digest, tuple(sheets), tuple(problems))


def _open(
    content: BinaryIO, name: str, wanted: Wanted | None, *, in_zip: bool = False
) -> tuple[list[Sheet], list[tuple[str, str]]]:
    try:
        content.seek(0)
        mark = content.read(_MARK)
        for start, what in _NO_TABLES.items():
            if mark.startswith(start):
                raise UnreadableError(what)
        mark = mark[:4]
        if mark == b"PK\x03\x04" and not _is_workbook(content):
            if in_zip:
                raise UnreadableError(note("zip_in_zip"))
            return _zip(content, wanted)
        if mark in (b"PK\x03\x04", b"\xd0\xcf\x11\xe0"):
            sheets = workbook_sheets(content, _unseen(content) if mark[:2] == b"PK" else None)
            if not sheets:  # charts alone, or its list of sheets is damaged
                raise UnreadableError(note("no_worksheet"))
            return sheets, []
        return [text_sheet(content, PurePosixPath(name).name, wanted)], []
    except (UnreadableError, limits.LimitError) as error:
        return [], [("", error.kept)]


def _is_workbook(content: BinaryIO) -> bool:
    with _archive(content) as archive:
        names = {PurePosixPath(member.filename).name for member in archive.infolist()}
        return bool(names & {"[Content_Types].xml", "mimetype"})


def _unseen(content: BinaryIO) -> dict[str, Unseen]:
    with _archive(content) as archive:
        return looked_through(archive)


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
            raise UnreadableError(note("empty_zip"))
        names: Counter[str] = Counter()
        for member in members:
            name = _member_name(member)
            names[name] += 1
            if names[name] > 1:  # a zip may hold two files of one name
                name += f" ({names[name]})"
            try:
                unpacked = io.BytesIO(_member(archive, member, name))
                inner, trouble = _open(unpacked, name, wanted, in_zip=True)
            except UnreadableError as error:
                inner, trouble = [], [("", error.kept)]
            sheets += [sheet._replace(member=name) for sheet in inner]
            problems += [(name, problem) for _, problem in trouble]
    return sheets, problems


def _is_litter(name: str) -> bool:
    path = PurePosixPath(name.replace("\\", "/"))
    return "__MACOSX" in path.parts or path.name.startswith((".", "~$"))


def _member_name(member: zipfile.ZipInfo) -> str:
    """Names without the mark of UTF-8 are read as cp437 by zipfile, whatever they are."""
    if member.flag_bits & 0x800:
        return member.filename
    try:
        return decoded(member.filename.encode("cp437"))
    except UnicodeEncodeError:
        return member.filename


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> bytes:
    """Never more bytes than the archive states. Raises `UnreadableError`."""
    try:
        limits.check_path(name)
        return archive.read(member)
    except limits.LimitError as error:
        raise UnreadableError(error.kept) from error
    except _DAMAGES as error:
        raise UnreadableError(note("cannot_unpack", error=str(error))) from error
