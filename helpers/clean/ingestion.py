"""What is new in raw/ becomes the tables of clean/; digests say when nothing is new."""

import concurrent.futures
import functools
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from helpers import reference
from helpers.clean import readings
from helpers.clean.folder import Workspace, WorkspaceError, replacing, status, unreadable
from helpers.clean.merge import merge
from helpers.clean.reader_process import readers
from helpers.clean.readings import AT_ONCE
from helpers.clean.tables import LEDGERS
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
# What keeps changing for weeks after a session; the split reads none of it.
AFTER = ("aftersales", "settlements", "reviews", "incidents")


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


def ingest(workspace: Workspace, *, force: bool = False) -> pd.DataFrame:
    """Read what is new in raw/ into clean/, under a lock, and return the files ledger.

    A file whose bytes, mappings and settings are unchanged is not read again; where nothing changed
    at all, nothing is written. Raises `WorkspaceError` where raw/ is missing or holds no file that
    could be an export.
    """
    paths = workspace.raw_files()
    if not paths:
        raise WorkspaceError(
            f"{workspace.raw}: no files to read. Put the platforms' exports there (csv, xlsx, "
            "xls, zip); `fupan new` writes a template for everything else"
        )
    with workspace.lock():
        state = _state(workspace)
        version = _reading_version(workspace)
        stamps = {readings.name_in_raw(workspace, path): _stamp(path) for path in paths}
        if not force and state.get("version") == version and state.get("stamps") == stamps:
            return pd.read_parquet(workspace.clean / "files.parquet")
        with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as digesting:
            of_paths = digesting.map(readings.digest, paths)
            # once for all, as the readers have it then; what is broken in it is said here
            reference.systems(workspace.reference), reference.terms()
        digests = dict(zip(paths, of_paths, strict=True))
        readers().start()
        _write_state(workspace, {})
        # what is read goes to disk while it is worked on
        with concurrent.futures.ThreadPoolExecutor(1) as writer:
            plain, copies = readings.readings_of(workspace, digests, version, writer)
            mended = readings.mended_readings(workspace, plain, version, writer)
            merge(workspace, paths, mended, copies, writer)
        for reading in [*plain.values(), *mended]:
            reading.written.result()
        folders = {reading.folder.name for reading in [*plain.values(), *mended]}
        readings.drop_old_readings(workspace, folders)
        content = sorted(reading.folder.name for reading in mended)
        _write_state(workspace, {"version": version, "stamps": stamps, "content": content})
        return pd.read_parquet(workspace.clean / "files.parquet")


def _stamp(path: Path) -> list[object]:
    """What tells whether a file changed: rights do, too, and who has it open."""
    return [status(path).st_size, status(path).st_mtime_ns, unreadable(path)]


def _state(workspace: Workspace) -> dict:
    path = workspace.clean / "state.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


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
