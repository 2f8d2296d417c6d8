"""What is new in raw/ becomes the tables of clean/; digests say when nothing is new."""

import concurrent.futures
import functools
import hashlib
import json
import pickle
import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
from pydantic import BaseModel, ValidationError

from helpers import reference
from helpers.clean import readings
from helpers.clean.folder import (
    Workspace,
    WorkspaceError,
    replacing,
    status,
    sweep,
    unreadable,
)
from helpers.clean.merge import merge
from helpers.clean.reader_process import readers
from helpers.clean.readings import AT_ONCE
from helpers.clean.tables import COUNTED, LEDGERS, MODELS
from helpers.core import places

READS = ("clean", "core/privacy.py", "core/text.py", "reference")
READS_DATA = (
    "sources",
    "tables.yml",
    "invariants.yml",
    "terms.yml",
    "totals.yml",
    "attribution.yml",
    "thresholds.yml",
    "metrics.yml",
)
AGAIN = "made again from raw/"  # how what `progress` is told of damage ends
# What keeps changing for weeks after a session; the split reads none of it.
AFTER = ("aftersales", "settlements", "reviews", "incidents")


def _silent(step: str) -> None:
    """Nobody watches."""


@functools.cache
def code_version() -> str:
    """A digest of code and shipped reference data; results of other code are not reused."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in [*sorted(package.rglob("*.py")), *sorted(places.REFERENCE.rglob("*.*"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _reading_version(workspace: Workspace) -> str:
    digest = hashlib.sha256()
    tops = [Path(__file__).parents[1] / name for name in READS]
    for folder in filter(None, (places.REFERENCE, workspace.reference)):
        tops += [folder / name for name in READS_DATA]
    for top in tops:
        for path in sorted(top.rglob("*.*")) if top.is_dir() else filter(Path.exists, [top]):
            if path.suffix in (".py", ".yml"):
                digest.update(path.name.encode() + path.read_bytes())
    digest.update(workspace.settings.model_dump_json().encode() + workspace.key())
    return digest.hexdigest()[:16]


def ingest(
    workspace: Workspace, *, force: bool = False, progress: Callable[[str], None] = _silent
) -> pd.DataFrame:
    """Read what is new in raw/ into clean/, under a lock, and return the files ledger.

    A file whose bytes, mappings and settings are unchanged is not read again; where nothing changed
    at all, nothing is written. What somebody or something else changed or damaged in clean/ is made
    again from raw/. `progress` is told so, and how many files are read. Raises `WorkspaceError`
    where raw/ is missing or holds no file that could be an export.
    """
    paths = workspace.raw_files()
    if not paths:
        raise WorkspaceError(
            f"{workspace.raw}: no files to read. Put the platforms' exports there (csv, xlsx, "
            "xls, zip); `fupan new` writes a template for everything else"
        )
    reference.check_own(workspace.reference)
    with workspace.lock():
        sweep(workspace.clean, "**/")
        try:
            state = _state(workspace)
        except ValidationError:
            progress(f"clean/state.json: damaged; {AGAIN}")
            shutil.rmtree(workspace.clean / readings.FOLDER, ignore_errors=True)
            state = {}
        damaged = _damaged(workspace, state.get("written", {}))
        for path in damaged:
            name = path.relative_to(workspace.path)
            progress(f"{name}: not as it was written; {AGAIN}")
            if path.is_relative_to(workspace.clean / readings.FOLDER):
                shutil.rmtree(path.parent, ignore_errors=True)
        version = _reading_version(workspace)
        stamps = {readings.name_in_raw(workspace, path): _stamp(path) for path in paths}
        same = state.get("version") == version and state.get("stamps") == stamps
        if same and not damaged and not force:
            return pd.read_parquet(workspace.clean / "files.parquet")
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as digesting:
            of_paths = digesting.map(readings.digest, paths)
            # once for all, as the readers have it then; what is broken in it is said here
            reference.systems(workspace.reference), reference.terms()
        digests = dict(zip(paths, of_paths, strict=True))
        readers().start()
        _write_state(workspace, {})
        try:
            content = _read_all(workspace, digests, version, progress)
        except (pyarrow.ArrowException, pickle.UnpicklingError):  # none of them is needed
            progress(f"clean/{readings.FOLDER}: damaged; {AGAIN}")
            shutil.rmtree(workspace.clean / readings.FOLDER)
            content = _read_all(workspace, digests, version, progress)
        tables = _written(workspace)
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
            checksums = list(pool.map(_checksum, tables))
        written = {
            path.relative_to(workspace.clean).as_posix(): [*_of_disk(path), checksum]
            for path, checksum in zip(tables, checksums, strict=True)
        }
        state = {"version": version, "stamps": stamps, "content": content, "written": written}
        _write_state(workspace, state)
        return pd.read_parquet(workspace.clean / "files.parquet")


def _read_all(
    workspace: Workspace,
    digests: Mapping[Path, str],
    version: str,
    progress: Callable[[str], None],
) -> list[str]:
    """Read and bring together all files; the names of the readings that clean/ is made of."""
    # what is read goes to disk while it is worked on
    with concurrent.futures.ThreadPoolExecutor(1) as writer:
        plain, copies = readings.readings_of(workspace, digests, version, writer, progress)
        mended = readings.mended_readings(workspace, plain, version, writer)
        progress("bringing the tables together")
        merge(workspace, list(digests), mended, copies, writer)
    for reading in [*plain.values(), *mended]:
        reading.written.result()
    folders = {reading.folder.name for reading in [*plain.values(), *mended]}
    readings.drop_old_readings(workspace, folders)
    return sorted(reading.folder.name for reading in mended)


def _written(workspace: Workspace) -> list[Path]:
    """The tables that reading writes, without what reviews keep beside them."""
    kept = {workspace.clean / f"{name}.parquet" for name in MODELS}
    return [
        path
        for path in sorted(workspace.clean.rglob("*.parquet"))
        if path not in kept and not path.is_relative_to(workspace.clean / COUNTED)
    ]


def _damaged(workspace: Workspace, written: Mapping[str, list[int]]) -> list[Path]:
    """The tables that are gone or hold other bytes than were written."""
    return [
        path
        for name, (*of_disk, checksum) in written.items()
        for path in [workspace.clean / name]
        if not path.is_file() or (_of_disk(path) != of_disk and _checksum(path) != checksum)
    ]


def _of_disk(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns]


def _checksum(path: Path) -> int:
    checksum = 0
    with path.open("rb") as content:
        while block := content.read(1 << 20):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _stamp(path: Path) -> list[object]:
    """What tells whether a file changed: rights do, too, and who has it open."""
    return [status(path).st_size, status(path).st_mtime_ns, unreadable(path)]


class _State(BaseModel):
    """What clean/state.json holds; nothing while a reading is under way."""

    version: str = ""
    stamps: dict[str, list] = {}
    content: list[str] = []
    written: dict[str, tuple[int, int, int]] = {}


def _state(workspace: Workspace) -> dict[str, Any]:
    path = workspace.clean / "state.json"
    if not path.exists():
        return {}
    return _State.model_validate_json(path.read_bytes()).model_dump(mode="json")


def current_readings(workspace: Workspace) -> list[Path]:
    """The folders of the readings of which clean/ is made."""
    names = _state(workspace).get("content", [])
    return [workspace.clean / "readings" / name for name in names]


def content_version(workspace: Workspace) -> str:
    """A digest of everything that was read into clean/: equal digests mean equal tables."""
    return hashlib.sha256("|".join(_state(workspace).get("content", [])).encode()).hexdigest()[:16]


def tables_version(workspace: Workspace, *, without: Iterable[str] = ()) -> str:
    """A digest of the clean tables but those named: newer exports of these leave it as it is."""
    digest = hashlib.sha256(str(_state(workspace).get("version")).encode())
    for name in sorted(set(reference.tables()) - {*without, *LEDGERS}):
        for path in [
            *sorted((workspace.clean / name).glob("*.parquet")),
            workspace.clean / "history" / f"{name}.parquet",
        ]:
            if path.exists():
                digest.update(f"{name}/{path.name}".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def _write_state(workspace: Workspace, state: dict) -> None:
    with replacing(workspace.clean / "state.json") as path:
        path.write_text(json.dumps(state, ensure_ascii=False, indent=1), encoding="utf-8")
