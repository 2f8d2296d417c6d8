"""Each raw file is read once: its tables wait in clean/readings until it or the code changes."""

import concurrent.futures
import fnmatch
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean import raw_file
from helpers.clean.file_name import exact, printable
from helpers.clean.folder import Workspace, status, unreadable
from helpers.clean.ledger import TOLD_BY
from helpers.clean.mend import HASH_DIGITS
from helpers.clean.reader_process import readers
from helpers.core import privacy
from helpers.reference import schema

FOLDER = "readings"  # below clean/
AT_ONCE = 2  # files that are read at the same time
_TELLS_DATE = re.compile(r"20\d\d[-_]?[01]\d[-_]?[0-3]\d|^1\d{9}_")


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


class StoredReading(NamedTuple):
    """A file that was read: the folder of its parsed tables, and those that are still at hand.

    `written`: all are on disk.
    """

    folder: Path
    at_hand: dict[str, pd.DataFrame]
    written: concurrent.futures.Future[None]

    def table(self, name: str) -> pd.DataFrame | None:
        """One of its tables; None where the file has no row of it."""
        if name in self.at_hand:
            return self.at_hand[name]
        path = self.folder / f"{name}.parquet"
        return pd.read_parquet(path) if not self.at_hand and path.exists() else None


def digest(path: Path) -> str:
    """The SHA-256 of a file's bytes; of one that cannot be read its name and why."""
    problem = unreadable(path)
    return f"{exact(str(path))} {problem}" if problem else _sha256(path)


def readings_of(
    workspace: Workspace,
    digests: Mapping[Path, str],
    version: str,
    writer: concurrent.futures.Executor,
    progress: Callable[[str], None],
) -> tuple[dict[Path, StoredReading], dict[str, str]]:
    """The readings of all files by their digests, and which file (by name) is a copy of which.

    Of equal bytes one is read: the copy whose name tells a date, else the oldest. Where the name of
    a file gives values, or the bytes say nothing, each name is read by itself.
    """
    paths_of: dict[str, list[Path]] = {}
    for path in sorted(digests, key=lambda path: (not _TELLS_DATE.search(path.name), *_age(path))):
        paths_of.setdefault(digests[path], []).append(path)
    readings, copies = {}, {}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as reading:
        read_of = {
            sha: reading.submit(_reading, workspace, first, version, sha, writer)
            for sha, (first, *_) in paths_of.items()
        }
        try:
            for count, done in enumerate(concurrent.futures.as_completed(read_of.values()), 1):
                done.result()
                if count % max(1, len(read_of) // 10) == 0 or count == len(read_of):
                    progress(f"file {count} of {len(read_of)} read")
        finally:  # who interrupts the reading does not wait for all files
            reading.shutdown(wait=False, cancel_futures=True)
    for sha, (first, *others) in paths_of.items():
        readings[first] = read_of[sha].result()
        alike = others and _says_all(workspace, readings[first].table("files"))
        for other in others:
            if alike:
                copies[name_in_raw(workspace, other)] = name_in_raw(workspace, first)
            else:
                readings[other] = _reading(workspace, other, version, sha, writer)
    return readings, copies


def _age(path: Path) -> tuple[float, str]:
    return status(path).st_mtime, str(path)


def mended_readings(
    workspace: Workspace,
    plain: Mapping[Path, StoredReading],
    version: str,
    writer: concurrent.futures.Executor,
) -> list[StoredReading]:
    """The readings to be used: a file is read with its rows that others mend, the newest last."""
    mending = [plain[path].table("mends") for path in sorted(plain, key=_age)]
    mends = pd.concat(mending, ignore_index=True) if mending else pd.DataFrame()
    readings = []
    for path, reading in plain.items():
        sha = reading.table("files")["sha256"].iloc[0]
        of_file = mends[mends["hash"] == sha[:HASH_DIGITS]] if len(mends) else mends
        cells: dict[tuple[str, int], dict[str, str]] = {}
        for row in of_file.itertuples():
            cells.setdefault((row.sheet, int(row.row)), {}).update(json.loads(row.cells))
        if cells:
            reading = _reading(workspace, path, version, sha, writer, cells)
        readings.append(reading)
    return readings


def _says_all(workspace: Workspace, ledger: pd.DataFrame) -> bool:
    """Whether every sheet is recognised and takes no value from the file's name."""
    named = {
        (system.system, export.id)
        for system in reference.systems(workspace.reference)
        for export in system.exports
        if any(how.file for how in export.columns.values())
    }
    exports = set(zip(ledger["system"], ledger["export"], strict=True))
    return bool(ledger["export"].notna().all()) and not named & exports


def name_in_raw(workspace: Workspace, path: Path) -> str:
    """How a file is called everywhere: its path below raw/.

    Somebody's phone or the like in it is hidden; the first digits of the file's digest then say
    which file it is.
    """
    folder = workspace.raw if path.is_relative_to(workspace.raw) else workspace.path
    name = path.relative_to(folder).as_posix()
    taken = printable(name) != name and (folder / printable(name)).exists()
    name = exact(name) if taken else printable(name)
    shown = PurePosixPath(privacy.mask_name(name))
    if str(shown) == name:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest() if unreadable(path) else _sha256(path)
    return str(shown.with_name(f"{shown.stem}~{digest[:TOLD_BY]}{shown.suffix}"))


def _room_of(workspace: Workspace, path: Path) -> str | None:
    rooms = workspace.settings.rooms
    names = (path.name, name_in_raw(workspace, path))
    return next(
        (
            room
            for pattern, room in rooms.items()
            if any(fnmatch.fnmatchcase(name.casefold(), pattern.casefold()) for name in names)
        ),
        None,
    )


def _reading(
    workspace: Workspace,
    path: Path,
    version: str,
    sha: str,
    writer: concurrent.futures.Executor,
    mends: Mapping[tuple[str, int], Mapping[str, str]] | None = None,
) -> StoredReading:
    named = name_in_raw(workspace, path)
    name = f"{exact(str(path.relative_to(workspace.path)))}|{named}"
    changed = json.dumps([[*row, cells] for row, cells in sorted((mends or {}).items())])
    mark = hashlib.sha256(f"{version}|{name}|{sha}|{changed}".encode()).hexdigest()[:20]
    folder = workspace.clean / FOLDER / mark
    if folder.is_dir():
        return StoredReading(folder, {}, writer.submit(lambda: None))
    options = {
        "timezone": workspace.settings.timezone,
        "key": workspace.key(),
        "currency": workspace.settings.currency,
        "name": named,
    }
    if problem := unreadable(path):
        reading = raw_file.unreadable(path, problem, **options)
    else:
        reading = readers().read(
            path,
            systems=reference.systems(workspace.reference),
            answers=workspace.settings.answers._replace(room=_room_of(workspace, path)),
            mends=mends,
            sha256=sha,
            **options,
        )
    tables = reading._asdict()
    tables |= tables.pop("tables")
    return StoredReading(folder, tables, writer.submit(_write_reading, folder, dict(tables)))


def _write_reading(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for table, frame in tables.items():
        schema.write(frame, table, unfinished / f"{table}.parquet")
    unfinished.replace(folder)


def drop_old_readings(workspace: Workspace, keep: set[str]) -> None:
    """Remove the folders of readings but those of these names."""
    for folder in (workspace.clean / FOLDER).iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder)
