"""The workspace on disk: raw exports in, typed canonical tables out, and what a review reads and writes.

    raw/       what platforms export, never changed
    clean/     canonical tables: <table>/<YYYY-MM>.parquet, and what earlier exports said: history/<table>.parquet;
               files.parquet, aside.parquet (and aside.xlsx, to be mended), mended.parquet, attribution.parquet, personal.parquet;
               pattern.parquet: what the good sessions of each room share, as the newest review found it;
               counted/: what reviews counted in the rows of single sessions of large tables
    plans/     one CSV a session, edited by the team
    reference/ the team's own additions to data/reference
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import functools
import hashlib
import html
import json
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import filelock
import pandas as pd
import platformdirs
import pyarrow
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from helpers import attribution, demo, findings, history, privacy, reference, schema, sources, text

if TYPE_CHECKING:
    import ibis

PROJECT = Path(__file__).resolve().parent.parent
DEMO = PROJECT / "data" / "demo"
REPORTS = PROJECT / "reports"
BY_HAND = REPORTS / "by_hand"  # results of notebooks that somebody runs by hand, and what was chosen on the start page
WORK = ".work"  # under the reports folder: where a run writes until its page may be published
LEDGERS = ("files", "aside", "mended", "attribution", "personal")
MODELS = ("pattern",)  # what a review keeps for the next one
SENTINEL = "application/vnd.fupan.section+json"


class WorkspaceError(ValueError):
    """The workspace cannot be used: the message names the folder or file and says what is expected there."""


class Settings(BaseModel):
    """A workspace's `workspace.yml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = ""
    timezone: str = "Asia/Shanghai"
    currency: str = Field("CNY", pattern=r"^[A-Z]{3}$")
    dates: Literal["day", "month"] | None = None  # which comes first in dates such as 03/04/2026, where a file leaves it open
    id: str | None = Field(None, pattern=r"^\w[\w-]{0,63}$")  # names the key's file: no path


@dataclasses.dataclass(frozen=True)
class Workspace:
    """A folder of one shop or brand: raw exports, clean tables, plans, own reference data."""

    path: Path
    settings: Settings

    @classmethod
    def open(cls, data_dir: str | Path = "") -> Workspace:
        """The workspace of a folder; an empty name is the demo workspace, which is made on first use.

        Raises `WorkspaceError` where the folder is missing or closed to this user, or `workspace.yml` does not fit.
        """
        path = _folder(data_dir) if str(data_dir) else _demo()
        return cls(path, _settings(path / "workspace.yml"))

    @property
    def raw(self) -> Path:
        return self.path / "raw"

    @property
    def clean(self) -> Path:
        return self.path / "clean"

    @property
    def plans(self) -> Path:
        return self.path / "plans"

    @property
    def reference(self) -> Path | None:
        own = self.path / "reference"
        # The shipped data/ is a workspace too: its reference/ is the shipped one, not something laid over it.
        return own if own.is_dir() and own.resolve() != reference.SHIPPED else None

    def raw_files(self) -> list[Path]:
        """Files to read, by name: those of raw/ but for hidden and half-saved ones, and the workspace's own costs.csv."""
        found = [path for path in self.raw.rglob("*") if path.is_file() and not path.name.startswith((".", "~$"))]
        own = self.path / "costs.csv"
        return sorted(found) + ([own] if own.exists() else [])

    def key(self) -> bytes:
        """The secret with which buyer ids are hashed: kept outside the data, in the user's own data folder."""
        name = self.settings.id or hashlib.blake2s(str(self.path).encode(), digest_size=8).hexdigest()
        folder = Path(os.environ.get("FUPAN_KEYS") or platformdirs.user_data_path("fupan") / "keys")
        path = folder / f"{name}.key"
        if path.resolve().is_relative_to(self.path):
            raise WorkspaceError(f"{path}: the key must lie outside the workspace, or who gets the data gets the key; set FUPAN_KEYS elsewhere")
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            own = folder / f"{name}.{secrets.token_hex(8)}"
            with os.fdopen(os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            with contextlib.suppress(FileExistsError):  # another process was first: its key counts
                os.link(own, path)
            own.unlink()
        return path.read_bytes()

    def lock(self) -> filelock.BaseFileLock:
        """The lock under which raw files are read."""
        try:
            self.clean.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(f"{self.clean}: {error.strerror}. What is read from the exports is kept there") from error
        return filelock.FileLock(self.clean / ".lock", timeout=600)


def _folder(data_dir: str | Path) -> Path:
    """The folder of that name, in full; raises `WorkspaceError` where it cannot be opened."""
    try:
        path = Path(data_dir).expanduser().resolve()
        os.listdir(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WorkspaceError(f"{path}: no such folder. A workspace is a folder with your exports in its raw/") from error
    except (OSError, RuntimeError, ValueError) as error:  # not permitted, no such user's home, no name of a file
        raise WorkspaceError(f"{text.plain(str(data_dir), 200)}: the folder cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    return path


def _demo() -> Path:
    if not (DEMO / "truth.json").exists():
        DEMO.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(DEMO.parent / ".demo.lock", timeout=600):
            if not (DEMO / "truth.json").exists():
                demo.write(demo.simulate(demo.SEED), DEMO)
    return DEMO


def _settings(path: Path) -> Settings:
    try:
        if not path.exists():
            return Settings()
        settings = Settings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
        pd.Timestamp("2026-01-01").tz_localize(settings.timezone)
    except (ValidationError, yaml.YAMLError, KeyError, ValueError, OSError) as error:
        detail = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        where = "".join(f"{part}: " for part in detail["loc"])
        raise WorkspaceError(f"{path}: {where}{text.plain(detail['msg'], 300)} (expected name, timezone, currency, dates, id)") from error
    return settings


# ---- reading raw files once -------------------------------------------------------------------------------------


@functools.cache
def code_version() -> str:
    """A digest of the package's code and the shipped reference data: results of other code are not reused."""
    digest = hashlib.sha256()
    package = Path(__file__).parent
    for path in [*sorted(package.rglob("*.py")), *sorted(reference.SHIPPED.rglob("*.*"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


READS = ("sources", "history.py", "privacy.py", "schema.py", "reference.py", "attribution.py", "store.py")
READS_DATA = ("sources", "tables.yml", "terms.yml", "attribution.yml", "thresholds.yml", "metrics.yml")


def _reading_version(workspace: Workspace) -> str:
    """What clean/ depends on beside the raw files: parsers, mappings, attribution, settings and the hashing key."""
    digest = hashlib.sha256()
    own = [workspace.reference] if workspace.reference else []
    for folder, names in [(Path(__file__).parent, READS), *((data, READS_DATA) for data in (reference.SHIPPED, *own))]:
        for top in (folder / name for name in names):
            for path in sorted(top.rglob("*.*")) if top.is_dir() else [top] if top.exists() else []:
                if path.suffix in (".py", ".yml"):
                    digest.update(path.name.encode() + path.read_bytes())
    digest.update(workspace.settings.model_dump_json().encode() + workspace.key())
    return digest.hexdigest()[:16]


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def ingest(workspace: Workspace, *, force: bool = False) -> pd.DataFrame:
    """Read what is new in raw/ and bring clean/ up to date, under a lock; returns the files ledger (`tables.yml`: files).

    A file whose bytes, mappings and settings are unchanged is not read again. Where nothing changed at all, nothing
    is written. Raises `WorkspaceError` where raw/ is missing or holds no file that could be an export.
    """
    paths = workspace.raw_files()
    if not paths:
        raise WorkspaceError(
            f"{workspace.raw}: no files to read. Put the platforms' exports there (csv, xlsx, xls, zip); "
            "`fupan new` writes a template for everything else"
        )
    with workspace.lock():
        state = _state(workspace)
        version = _reading_version(workspace)
        stamps = {str(path.relative_to(workspace.path)): [path.stat().st_size, path.stat().st_mtime_ns] for path in paths}
        if not force and state.get("version") == version and state.get("stamps") == stamps:
            return pd.read_parquet(workspace.clean / "files.parquet")
        _write_state(workspace, {})
        with concurrent.futures.ThreadPoolExecutor(1) as writer:  # what is read goes to disk while it is worked on
            plain, copies = _readings(workspace, paths, version, writer)
            readings = _mended_readings(workspace, plain, version, writer)
            _merge(workspace, paths, readings, copies, writer)
        for reading in [*plain.values(), *readings]:
            reading.written.result()
        _drop_old_readings(workspace, {reading.folder.name for reading in [*plain.values(), *readings]})
        content = sorted(reading.folder.name for reading in readings)
        _write_state(workspace, {"version": version, "stamps": stamps, "content": content})
        return pd.read_parquet(workspace.clean / "files.parquet")


def _state(workspace: Workspace) -> dict:
    path = workspace.clean / "state.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def content_version(workspace: Workspace) -> str:
    """A digest of everything that was read into clean/: equal digests mean equal tables."""
    return hashlib.sha256("|".join(_state(workspace).get("content", [])).encode()).hexdigest()[:16]


# What keeps changing for weeks after a session; the split reads none of it.
AFTER = ("aftersales", "settlements", "reviews", "incidents")


def tables_version(workspace: Workspace, *, without: Iterable[str] = ()) -> str:
    """A digest of the clean tables but those named: newer exports of these alone leave it as it is."""
    digest = hashlib.sha256(str(_state(workspace).get("version")).encode())
    for name in sorted(set(reference.tables()) - {*without, *LEDGERS}):
        for path in [*sorted((workspace.clean / name).glob("*.parquet")), workspace.clean / "history" / f"{name}.parquet"]:
            if path.exists():
                digest.update(f"{name}/{path.name}".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def data_as_of(workspace: Workspace, known: pd.DataFrame) -> pd.Timestamp:
    """How recent the data are: the newest `as_of` of the files read, else the newest time in orders or sessions (`known`); `NaT` where neither says."""
    stated = read(workspace, "files")["as_of"].max()
    if pd.notna(stated):
        return stated
    seen = [time for time in (known["ended_at"].max(), read(workspace, "orders")["created_at"].max()) if pd.notna(time)]
    return max(seen, default=pd.NaT)


def _write_state(workspace: Workspace, state: dict) -> None:
    with replacing(workspace.clean / "state.json") as path:
        path.write_text(json.dumps(state, ensure_ascii=False, indent=1), encoding="utf-8")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place when the block ends well, and vanishes when it does not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class _Read(NamedTuple):
    """A file that was read: the folder of its parsed tables, those that are still at hand, and whether all are on disk."""

    folder: Path
    at_hand: dict[str, pd.DataFrame]
    written: concurrent.futures.Future[None]

    def table(self, name: str) -> pd.DataFrame | None:
        """One of its tables; none where the file has no row of it."""
        if name in self.at_hand:
            return self.at_hand[name]
        path = self.folder / f"{name}.parquet"
        return pd.read_parquet(path) if not self.at_hand and path.exists() else None


def _readings(
    workspace: Workspace, paths: list[Path], version: str, writer: concurrent.futures.Executor
) -> tuple[dict[Path, _Read], dict[str, str]]:
    """The readings of all files, and which file (by name) is a copy of which: equal bytes are read once.

    The copy whose name tells a date is the one that is read, else the oldest. Where the name of a file gives values, or the
    bytes say nothing, each name is read by itself.
    """
    same: dict[str, list[Path]] = {}
    for path in sorted(paths, key=lambda path: (not _TELLS_DATE.search(path.name), path.stat().st_mtime, str(path))):
        same.setdefault(_sha256(path), []).append(path)
    readings, copies = {}, {}
    for sha, (first, *others) in same.items():
        readings[first] = _reading(workspace, first, version, sha, writer)
        if others and _says_all(workspace, readings[first].table("files")):
            copies |= {_file_name(workspace, other): _file_name(workspace, first) for other in others}
        else:
            readings |= {other: _reading(workspace, other, version, sha, writer) for other in others}
    return readings, copies


def _mended_readings(
    workspace: Workspace, plain: Mapping[Path, _Read], version: str, writer: concurrent.futures.Executor
) -> list[_Read]:
    """The readings to be used: where another file holds mended rows of a file, it is read with these, the newest last."""
    mending = [plain[path].table("mends") for path in sorted(plain, key=lambda path: (path.stat().st_mtime, str(path)))]
    mends = pd.concat(mending, ignore_index=True) if mending else pd.DataFrame()
    readings = []
    for path, reading in plain.items():
        sha = reading.table("files")["sha256"].iloc[0]
        mine = mends[mends["hash"] == sha[: sources.HASH_DIGITS]] if len(mends) else mends
        cells: dict[tuple[str, int], dict[str, str]] = {}
        for row in mine.itertuples():
            cells.setdefault((row.sheet, int(row.row)), {}).update(json.loads(row.cells))
        readings.append(_reading(workspace, path, version, sha, writer, cells) if cells else reading)
    return readings


_TELLS_DATE = re.compile(r"20\d\d[-_]?[01]\d[-_]?[0-3]\d|^1\d{9}_")


def _says_all(workspace: Workspace, ledger: pd.DataFrame) -> bool:
    """Whether a reading is independent of the file's name: every sheet is recognised and takes no value from the name."""
    named = {(system.system, export.id) for system in reference.systems(workspace.reference) for export in system.exports
             if any(how.file for how in export.columns.values())}
    return bool(ledger["export"].notna().all()) and not named & set(zip(ledger["system"], ledger["export"], strict=True))


def _file_name(workspace: Workspace, path: Path) -> str:
    """How a file is called everywhere: its path below raw/."""
    return path.relative_to(workspace.raw if path.is_relative_to(workspace.raw) else workspace.path).as_posix()


def _reading(
    workspace: Workspace, path: Path, version: str, sha: str, writer: concurrent.futures.Executor,
    mends: Mapping[tuple[str, int], Mapping[str, str]] | None = None,
) -> _Read:
    """One file's parsed tables, read now (with mended cells) unless they are there already."""
    name = str(path.relative_to(workspace.path))
    changed = json.dumps([[*row, cells] for row, cells in sorted((mends or {}).items())])
    mark = hashlib.sha256(f"{version}|{name}|{sha}|{changed}".encode()).hexdigest()[:20]
    folder = workspace.clean / "readings" / mark
    if folder.is_dir():
        return _Read(folder, {}, writer.submit(lambda: None))
    reading = sources.read_file(
        path, systems=reference.systems(workspace.reference), timezone=workspace.settings.timezone, key=workspace.key(),
        currency=workspace.settings.currency, dates=workspace.settings.dates, name=_file_name(workspace, path), mends=mends,
        sha256=sha,
    )
    tables = {**reading.tables, "files": reading.files, "aside": reading.aside, "mended": reading.mended, "mends": reading.mends}
    return _Read(folder, tables, writer.submit(_write_reading, folder, dict(tables)))


def _write_reading(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for table, frame in tables.items():
        known = reference.tables()[table].columns if table in reference.tables() else {}
        repeating = [name for name, column in known.items() if name in frame and column.kind in ("text", "choice")]
        frame.to_parquet(unfinished / f"{table}.parquet", index=False, use_dictionary=repeating, write_statistics=False)
    unfinished.replace(folder)


def _drop_old_readings(workspace: Workspace, keep: set[str]) -> None:
    for folder in (workspace.clean / "readings").iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder)


def _merge(
    workspace: Workspace, paths: list[Path], readings: list[_Read], copies: Mapping[str, str], writer: concurrent.futures.Executor
) -> None:
    """Bring all readings together: newest value by key, sessions attributed, partitions written, ledgers last."""
    zone = workspace.settings.timezone
    files = pd.concat([reading.table("files") for reading in readings], ignore_index=True)
    known = _known(workspace, paths, files)
    named = [(reading.table("files")["file"].iloc[0], reading) for reading in readings]
    order = sorted(named, key=lambda entry: (known[entry[0]].max(), entry[0], entry[1].folder.name))
    merged: dict[str, pd.DataFrame] = {}
    earlier: dict[str, pd.DataFrame] = {}
    notes = []
    for table in [name for name in reference.tables() if name not in LEDGERS]:
        entry = reference.tables()[table]
        parts = [_dated(part, known[file]) for file, reading in order if (part := reading.table(table)) is not None]
        frame = pd.concat(parts, ignore_index=True) if parts else schema.empty(table, zone).assign(**{history.SINCE: pd.Series(dtype=schema.dtype("datetime", zone))})
        if not frame[history.SINCE].is_monotonic_increasing:
            frame = frame.sort_values(history.SINCE, kind="stable", ignore_index=True)
        if "metric" in frame and len(frame):
            frame = frame.assign(metric=frame["metric"].replace(_metric_names(workspace)))
        if not entry.key:
            frame = history.distinct(frame, [name for name in entry.columns if name in frame and name != "session_id"])
        found_later = entry.attribute != "none" and "session_id" in entry.key and table != "sessions"
        if not found_later:  # what a later export says of an order decides where it belongs
            alone = (files["table"] == table).sum() == 1  # of one sheet each key stands once: it was read so
            frame, earlier[table] = history.versions(frame, [] if alone else entry.key)
        if table != "sessions" and entry.attribute != "none" and len(frame):
            find = functools.partial(
                attribution.attribute, table=table, sessions=merged["sessions"], orders=merged.get("orders"),
                rules=reference.attribution(workspace.reference), grace_minutes=reference.thresholds(workspace.reference)["attribution_grace_minutes"],
            )
            frame = find(frame)
            notes.append(attribution.summary(frame, table))
            if found_later:
                frame, earlier[table] = history.versions(frame, entry.key)
            elif len(earlier[table]):
                earlier[table] = find(earlier[table])
        merged[table] = frame
    writing = [writer.submit(_write_partitions, workspace, table, frame) for table, frame in merged.items()]
    writing.append(writer.submit(_write_history, workspace, earlier))
    aside, mended = (pd.concat([reading.table(name) for reading in readings], ignore_index=True) for name in ("aside", "mended"))
    files, lost = _without_original(files, pd.concat([reading.table("mends").assign(by=file) for file, reading in named]))
    ledgers = {
        "files": pd.concat([files, *_copy_entries(files, copies)], ignore_index=True), "aside": pd.concat([aside, lost.astype(aside.dtypes)], ignore_index=True),
        "mended": mended, "attribution": pd.concat(notes, ignore_index=True) if notes else attribution.nothing(),
    }
    ledgers["personal"] = scan({**merged, "files": ledgers["files"], "aside": ledgers["aside"]})
    _write_aside(workspace, aside, mended, files)
    for one in writing:
        one.result()
    for name, frame in ledgers.items():
        with replacing(workspace.clean / f"{name}.parquet") as path:
            frame.to_parquet(path, index=False)


def _without_original(files: pd.DataFrame, mends: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mended rows whose original is gone or changed: they are rows of the mended file, counted there and kept aside."""
    lost = mends[~mends["hash"].isin(files["sha256"].str[: sources.HASH_DIGITS])]
    count = lost.groupby(["by", "from_sheet"]).size()
    more = pd.Series([count.get(place, 0) for place in zip(files["file"], files["sheet"].fillna(""), strict=True)], index=files.index)
    files = files.assign(rows_in=files["rows_in"] + more, rows_aside=files["rows_aside"] + more)
    rows = {"file": lost["by"], "sheet": lost["from_sheet"], "table": "aside", "row": lost["from_row"], "column": "file", "value": lost["file"],
            "reason": "no_original", "field": None, "expected": "original", "row_json": lost["cells"].map(privacy.hide)}
    return files, pd.DataFrame(rows)


def _write_aside(workspace: Workspace, aside: pd.DataFrame, mended: pd.DataFrame, files: pd.DataFrame) -> None:
    """clean/aside.xlsx: every row kept aside, to be mended and put into raw/; none where there is nothing to mend."""
    path = workspace.clean / "aside.xlsx"
    if aside.empty and mended.empty:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as unfinished:
        sources.write_aside(unfinished, aside, mended, dict(zip(files["file"], files["sha256"], strict=True)), systems=reference.systems(workspace.reference))


def scan(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Personal data left in clean tables: one row per cell, with table, column, kind, file, sheet and row; never the value.

    Empty where all is well. What stands here stops every report (`gate.check`). Names have no form and are not found: their
    columns are dropped on reading.
    """
    parts = [_scanned(name, frame) for name, frame in tables.items() if len(frame)]
    columns = {"table": "str", "column": "str", "kind": "str", "file": "str", "sheet": "str", "row": "float64"}
    return pd.concat([pd.DataFrame(columns=list(columns)), *parts], ignore_index=True).astype(columns)


def _scanned(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    known = reference.tables()[table].columns
    ids = {name for name, column in known.items() if column.kind == "id"}
    keys = {name for name in ids if name.endswith("_key")}
    found = privacy.in_frame(frame[[name for name in frame if name in known]], ids=frozenset(ids - keys), keys=frozenset(keys))
    rows = frame.iloc[found["row"].astype("int64")].reset_index(drop=True)
    from_ledger = table in LEDGERS
    origin = {name: rows.get(trace)
              for name, trace in (("file", "file" if from_ledger else "source_file"), ("sheet", "sheet" if from_ledger else "source_sheet"))}
    number = rows.get("row" if from_ledger else "source_row", found["row"] + 1)
    return found.drop(columns="row").assign(table=table, **origin, row=number)


def _metric_names(workspace: Workspace) -> dict[str, str]:
    """Ids by the names that people write into goals and events, Chinese or English: of metrics, else of what floor control logs."""
    known = [*reference.terms()["cue_kind"].items(), *reversed(reference.metrics(workspace.reference).items())]
    return {name: key for key, entry in known for name in (entry.zh, entry.en)}


def _known(workspace: Workspace, paths: list[Path], files: pd.DataFrame) -> dict[str, pd.Series]:
    """When each sheet of each file was exported: file → (sheet → time). As the export says, else the time of the file on disk."""
    changed = {_file_name(workspace, path): pd.Timestamp(path.stat().st_mtime_ns // 1000, unit="us", tz="UTC") for path in paths}
    written = files["file"].map(changed).astype(files["as_of"].dtype)
    stated = files["as_of"].fillna(written).set_axis(files["sheet"].fillna(""), axis=0)
    return {file: part for file, part in stated.groupby(files["file"].to_numpy())}


def _dated(frame: pd.DataFrame, known: pd.Series) -> pd.DataFrame:
    """The rows of one file with `known_from`, the time at which their sheet was exported."""
    latest = known.groupby(level=0).max()
    if latest.nunique() == 1:
        return frame.assign(**{history.SINCE: latest.iloc[0]}).astype({history.SINCE: known.dtype})
    return frame.assign(**{history.SINCE: frame["source_sheet"].fillna("").map(latest).fillna(latest.max()).astype(known.dtype)})


def _copy_entries(files: pd.DataFrame, copies: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    """Ledger rows of files with the bytes of another: they count no row, as the other's are counted."""
    for copy, original in copies.items():
        mine = files[files["file"] == original]
        counts = dict.fromkeys([*sources.COUNTS, "rows_mended"], 0.0)
        yield mine.assign(file=copy, **counts, unmapped=None, problem=f"{copy}: the same bytes as {original}; read once").astype(mine.dtypes)


def _write_history(workspace: Workspace, earlier: Mapping[str, pd.DataFrame]) -> None:
    folder = workspace.clean / "history"
    for table, frame in earlier.items():
        if len(frame):
            with replacing(folder / f"{table}.parquet") as path:
                frame.to_parquet(path, index=False)
        else:
            (folder / f"{table}.parquet").unlink(missing_ok=True)


def _write_partitions(workspace: Workspace, table: str, frame: pd.DataFrame) -> None:
    folder = workspace.clean / table
    wanted = {}
    if len(frame):
        for month, part in frame.groupby(_month(frame, table), sort=True):
            wanted[f"{month}.parquet"] = part
    for old in folder.glob("*.parquet") if folder.is_dir() else []:
        if old.name not in wanted:
            old.unlink()
    for name, part in wanted.items():
        with replacing(folder / name) as path:
            part.to_parquet(path, index=False)


def _month(frame: pd.DataFrame, table: str) -> pd.Series:
    """The partition of each row: the month of its session, else of its own time, else `account`."""
    month = pd.Series("account", index=frame.index, dtype="str")
    timed = reference.tables()[table].attribute.split()[1:]
    if timed and timed[0] in frame and isinstance(frame[timed[0]].dtype, pd.DatetimeTZDtype):
        at = frame[timed[0]].dt
        number = at.year * 12 + at.month - 1
        names = {each: f"{int(each) // 12:04d}-{int(each) % 12 + 1:02d}" for each in number.dropna().unique()}
        month = number.map(names).astype("str").fillna("account")
    if "session_id" in frame:
        known = frame["session_id"].notna()
        named = frame["session_id"].str[:4] + "-" + frame["session_id"].str[4:6]
        month = month.mask(known, named)
    return month


def read(workspace: Workspace, table: str, session_id: str | None = None, *, as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """A canonical table of the workspace, of one session where it is named; an empty frame of its columns where there is none.

    Rows carry `known_from`, the time of the export that first said what they say: what the export or its name states, else the
    time of the file on disk. With `as_of` (zone-aware) the table as it was known at that moment: rows of later exports are
    left out, values that a later export changed are as they were.
    """
    if table in LEDGERS + MODELS:
        path = workspace.clean / f"{table}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()
    month = f"{session_id[:4]}-{session_id[4:6]}" if session_id and as_of is None else "*"
    parts = [pd.read_parquet(path) for path in sorted((workspace.clean / table).glob(f"{month}.parquet"))]
    frame = pd.concat(parts, ignore_index=True) if parts else schema.empty(table, workspace.settings.timezone)
    if as_of is not None and len(frame):
        before = workspace.clean / "history" / f"{table}.parquet"
        frame = history.as_known(frame, pd.read_parquet(before) if before.exists() else frame.iloc[:0], as_of)
    if session_id is not None:
        frame = frame[frame["session_id"] == session_id].reset_index(drop=True)
    return frame


def keep_model(workspace: Workspace, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep what a review found of an account in clean/<name>.parquet and return it; other rooms' rows stay.

    `frame` carries platform, room and until (what it was made of lies before): a model of earlier sessions never replaces
    one of later ones. Reviews that run side by side wait for each other.
    """
    if frame.empty:
        return frame
    with workspace.lock():
        kept = read(workspace, name)
        if len(kept):
            same = kept["platform"].eq(frame["platform"].iloc[0]) & kept["room"].fillna("").eq(frame["room"].fillna("").iloc[0])
            if (kept.loc[same, "until"] > frame["until"].iloc[0]).any():
                return frame
            kept = kept[~same]
        with replacing(workspace.clean / f"{name}.parquet") as path:
            pd.concat([kept, frame], ignore_index=True).to_parquet(path, index=False)
    return frame


def _once(folder: Path, digest: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What `make` makes, from the folder where it was made before; what was kept under another digest, or is damaged, goes."""
    path = folder / f"{digest}.parquet"
    with contextlib.suppress(OSError, pyarrow.ArrowException):
        return pd.read_parquet(path)
    made = make()
    with replacing(path) as unfinished:
        made.to_parquet(unfinished, index=False)
    for old in folder.glob("*.parquet"):
        if old != path:
            old.unlink(missing_ok=True)
    return made


def lazy(workspace: Workspace, table: str, session_id: str | None = None) -> ibis.Table:
    """A canonical table of the workspace, of one session where it is named, as a table of the engine: nothing is loaded yet.

    For tables that can outgrow memory. Times come in UTC. A table that is not there has its columns and no row.
    """
    from helpers import engine  # takes a second to import and is needed for few tables only

    month = f"{session_id[:4]}-{session_id[4:6]}" if session_id else "*"
    paths = sorted((workspace.clean / table).glob(f"{month}.parquet"))
    made = engine.table(paths or schema.empty(table, workspace.settings.timezone))
    return made if session_id is None else made.filter(made["session_id"] == session_id)


def sessions(workspace: Workspace) -> pd.DataFrame:
    """The account's sessions, oldest first, with `ad_cost` taken from the ads export where the session has none itself.

    Where the export states the period of its spend, only of sessions that began in it (`finest_slots`).
    """
    frame = read(workspace, "sessions").sort_values(["started_at", "session_id"], ignore_index=True)
    ads = read(workspace, "ads")
    if frame.empty or ads.empty or "session_id" not in ads:
        return frame
    cost = finest_slots(ads).groupby("session_id")["cost"].sum(min_count=1)
    return frame.assign(ad_cost=frame["ad_cost"].fillna(frame["session_id"].map(cost)))


def finest_slots(ads: pd.DataFrame) -> pd.DataFrame:
    """The ads of sessions that count: a launch row, hourly rows and daily rows of one session speak of the same money.

    Rows of a launch outside the period of their export hold but a part of its cost and are left out; of exports whose periods
    overlap the one that reaches furthest counts.
    """
    known = ads[ads["session_id"].notna() & ~outside_period(ads)].assign(slot=lambda rows: rows["slot_seconds"].fillna(0))
    if "covers_to" in known:
        known = known.sort_values("covers_to", kind="stable", na_position="first").drop_duplicates([*_LAUNCH, "slot"], keep="last").sort_index()
    return known[known["slot"] == known.groupby("session_id")["slot"].transform("min")].drop(columns="slot")


_LAUNCH = ["session_id", "platform", "campaign", "started_at", "title"]  # what one row of ads speaks of, whichever export holds it


def outside_period(ads: pd.DataFrame) -> pd.Series:
    """Whether each row of ads began outside the period whose spend its export holds; never where that is not known."""
    if "covers_from" not in ads:
        return pd.Series(False, index=ads.index)
    return (ads["started_at"] < ads["covers_from"]) | (ads["started_at"] >= ads["covers_to"] + pd.Timedelta(hours=1))


# ---- what a notebook opens --------------------------------------------------------------------------------------


class Missing(str):
    """A sentence that says which table is missing and which export would fill it; shown as a note."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        # The inline style is for JupyterLab; a published page has its own.
        return f'<p class="fupan-missing" style="border:1px dashed #b5bec6;color:#55616d;padding:.4em .8em;margin:.6em 0">{html.escape(self)}</p>'


# How a session was found: by its name, on the start page, as the newest, or as it instead of one that is gone or lies in a workspace that cannot be used.
Found = Literal["named", "chosen", "newest", "gone", "unusable"]


class Choice(BaseModel):
    """What was chosen on the start page for notebooks opened by hand: a session of the workspace in `data_dir` (a full path), a language."""

    session_id: str = ""
    data_dir: str = ""
    lang: Literal["", "zh", "en"] = ""


def opened_by_hand() -> bool:
    """Whether this process is the kernel of a notebook that is open in JupyterLab: not a run, not a test, not nbconvert."""
    return bool(os.environ.get("JPY_SESSION_NAME"))


def chosen() -> Choice:
    """What was chosen on the start page; nothing anywhere but in a notebook opened by hand, and where the file is unreadable."""
    if opened_by_hand():
        with contextlib.suppress(ValidationError, OSError):
            return Choice.model_validate_json((BY_HAND / "chosen.json").read_bytes())
    return Choice()


def choose(choice: Choice) -> Choice:
    """Keep what was chosen on the start page and return it."""
    with replacing(BY_HAND / "chosen.json") as path:
        path.write_text(choice.model_dump_json(indent=1), encoding="utf-8")
    return choice


@dataclasses.dataclass(frozen=True)
class Review:
    """One session under review: its tables, the account's others, and the place where results go."""

    workspace: Workspace
    session_id: str
    sessions: pd.DataFrame
    out_dir: Path
    lang: str
    notebook: str
    confidence: float | None = None
    found: Found = "named"
    trouble: str = ""  # why the workspace that was chosen cannot be used

    @property
    def session(self) -> pd.Series:
        """The session's row of the sessions table."""
        return self.sessions.set_index("session_id", drop=False).loc[self.session_id]

    @property
    def currency(self) -> str:
        named = self.session["currency"]
        return named if isinstance(named, str) else self.workspace.settings.currency

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds of `thresholds.yml`, with the notebook's own confidence where it has one."""
        shipped = reference.thresholds(self.workspace.reference)
        return shipped if self.confidence is None else shipped | {"confidence": self.confidence}

    @property
    def registry(self) -> dict[str, reference.Metric]:
        return reference.metrics(self.workspace.reference)

    @functools.cached_property
    def as_of(self) -> pd.Timestamp:
        """How recent the data are: the newest `as_of` of the files read, else the newest time in orders or sessions."""
        found = data_as_of(self.workspace, self.sessions)
        return found if pd.notna(found) else self.session["started_at"]

    @property
    def settled(self) -> bool:
        """Whether the return window of the session is over: no refund is to come any more."""
        return (self.as_of - self.session["started_at"]) / pd.Timedelta("1D") > self.thresholds["return_window_days"]

    @property
    def title(self) -> str:
        """The session in one line: start, room, host, title."""
        row = self.session
        parts = [f"{row['started_at']:%Y-%m-%d %H:%M}", *(text.plain(row[name]) for name in ("room_name", "host", "title") if isinstance(row[name], str))]
        return " · ".join(dict.fromkeys(parts))

    @property
    def by_hand(self) -> bool:
        """Whether somebody runs this notebook by itself, and not a run that publishes a page."""
        return self.out_dir.parent.name != WORK

    @property
    def plans_out(self) -> Path:
        """Where this review writes its plan: the workspace's plans; in a run beside the page, until that is published."""
        return self.workspace.plans if self.by_hand else self.out_dir / "plans"

    def table(self, name: str) -> pd.DataFrame:
        """This session's rows of a canonical table."""
        if name == "sessions":
            return self.sessions[self.sessions["session_id"] == self.session_id].reset_index(drop=True)
        return read(self.workspace, name, self.session_id)

    def lazy(self, name: str) -> ibis.Table:
        """This session's rows of a canonical table that can outgrow memory, as a table of the engine."""
        return lazy(self.workspace, name, self.session_id)

    def counted(self, table: str, make: Callable[..., pd.DataFrame], *, also: Iterable[str], most: int, **how: object) -> pd.DataFrame:
        """What `make(rows, **how)` counts in single sessions of a large table: this one, the sessions `also` and the newest `most` before.

        Columns: session_id, then those of `make`. Each session is counted once: the counts wait in clean/counted until its rows,
        our code, or `how` change. Sessions without rows are left out.
        """
        import ibis

        from helpers import engine

        past = self.sessions.loc[self.sessions["started_at"] <= self.session["started_at"], "session_id"]
        rows = lazy(self.workspace, table)
        rows, parts = rows.filter(rows["session_id"].isin(list(past))), []
        if history.SINCE in rows.columns:
            logged = engine.frame(rows.select("session_id").distinct())["session_id"].sort_values()
            rows = rows.filter(rows["session_id"].isin([*logged[logged.isin([*also, *logged.tail(most + 1)])]]))
            mark = ibis.struct({name: rows[name] for name in rows.columns}).hash().sum().cast("string")
            for state in engine.frame(rows.group_by("session_id").agg(mark=mark)).itertuples():
                digest = hashlib.sha256(f"{state.mark}|{how}|{code_version()}".encode()).hexdigest()[:16]
                count = functools.partial(make, lazy(self.workspace, table, state.session_id), **how)
                parts.append(_once(self.workspace.clean / "counted" / f"{table}-{state.session_id}", digest, count).assign(session_id=state.session_id))
        made = pd.concat(parts, ignore_index=True) if parts else make(rows.limit(0), **how).assign(session_id=pd.Series(dtype="str"))
        return made[["session_id", *made.columns.drop("session_id")]]

    def exports(self) -> pd.DataFrame:
        """This session as each raw file gives it: one row per file, oldest export first, of one moment by name."""
        merged = (self.workspace.clean / "readings" / name / "sessions.parquet" for name in _state(self.workspace).get("content", []))
        parts = [pd.read_parquet(path, filters=[("session_id", "==", self.session_id)]) for path in merged if path.exists()]
        every = pd.concat([schema.empty("sessions", self.workspace.settings.timezone), *(part for part in parts if len(part))], ignore_index=True)
        return every.sort_values(["as_of", "source_file"], na_position="first", ignore_index=True)

    def history(self, name: str) -> pd.DataFrame:
        """Rows of the account's earlier sessions: those that started before this one."""
        earlier = self.sessions[self.sessions["started_at"] < self.session["started_at"]]
        if name == "sessions":
            return earlier.reset_index(drop=True)
        frame = read(self.workspace, name)
        return frame[frame["session_id"].isin(earlier["session_id"])].reset_index(drop=True)

    def everything(self, name: str) -> pd.DataFrame:
        """All rows of a table, attributed or not."""
        return self.sessions if name == "sessions" else read(self.workspace, name)

    def has(self, name: str) -> bool:
        """Whether this session has rows of a table; only their session is read."""
        if name == "sessions":
            return True
        paths = (self.workspace.clean / name).glob(f"{self.session_id[:4]}-{self.session_id[4:6]}.parquet")
        return any(len(pd.read_parquet(path, columns=["session_id"], filters=[("session_id", "==", self.session_id)])) for path in paths)

    def missing(self, name: str, column: str = "") -> Missing:
        """Which table (or column of it) is missing and which export of which system would fill it."""
        table = reference.tables()[name]
        platform = self.session["platform"]
        fills = [
            text.choose(self.lang, f"{text.label(system, self.lang)}「{text.label(export, self.lang)}」", f"{text.label(system, self.lang)}: {text.label(export, self.lang)}")
            for system in reference.systems(self.workspace.reference) if system.platform in (platform, None)
            for export in system.exports if export.table == name and (not column or column in export.columns)
        ]
        own = text.choose(self.lang, f"本工具模板的「{table.zh}」工作表（fupan new）", f"the sheet “{table.en}” of our template (fupan new)")
        way = text.choose(self.lang, "、", "; ").join([*dict.fromkeys(fills), own])
        lacking = reference.Label(zh=f"{table.zh}里的「{table.columns[column].zh}」", en=f"“{table.columns[column].en}” in the {table.en.lower()}") if column else reference.Label(zh=table.zh, en=table.en.lower())
        return Missing(text.choose(
            self.lang, f"没有{lacking.zh}，本节无法计算。可由以下任一导出补齐：{way}。",
            f"No {lacking.en} for this session, so this part cannot be computed. Any of these fills it: {way}.",
        ))

    def save(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Write a result table to results/<name>.parquet and return it. Raises `ValueError` for a name that is no plain word."""
        if not name.replace("_", "").isalnum():
            raise ValueError(f"result {name!r}: expected letters, digits and underscores")
        with replacing(self.out_dir / "results" / f"{name}.parquet") as path:
            frame.to_parquet(path, index=False)
        return frame

    def result(self, name: str) -> pd.DataFrame:
        """A result table of this session that a notebook saved; an empty frame where there is none."""
        path = self.out_dir / "results" / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()

    def add_findings(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Keep this notebook's findings (columns of `findings.COLUMNS`); replaces those of its last run."""
        if list(frame.columns) != list(findings.COLUMNS):
            raise ValueError(f"findings: expected the columns {', '.join(findings.COLUMNS)}, found {', '.join(frame.columns)}")
        with replacing(self.out_dir / "findings" / f"{self.notebook}.parquet") as path:
            frame.to_parquet(path, index=False)
        return frame

    def findings(self) -> pd.DataFrame:
        """All findings of this session so far, in order of notebook."""
        parts = [pd.read_parquet(path) for path in sorted((self.out_dir / "findings").glob("*.parquet"))]
        return pd.concat([findings.frame([]), *parts], ignore_index=True)

    def finish(self) -> None:
        """Mark this notebook as run to its end: the publish gate looks for this mark."""
        from IPython.display import display

        display({SENTINEL: {"notebook": self.notebook, "session_id": self.session_id}, "text/plain": ""}, raw=True)


def open_review(
    session_id: str = "", *, data_dir: str | Path = "", reports_dir: str | Path = "", lang: str = "", notebook: str,
    confidence: float | None = None, choice: Choice | None = None,
) -> Review:
    """The session to review, with the workspace's raw files read where new.

    `session_id` is an id of `fupan sessions` or "latest". What is left empty is what `choice` says, by default, in a notebook
    opened by hand, what was chosen on the start page; else the newest session of the demo workspace, in Chinese. That is also
    shown, and said, where nothing is named and the workspace that was chosen cannot be used (any more). Results go to
    <reports_dir>/<session>/; by default to reports/by_hand. `confidence` (of intervals) overrides that of thresholds.yml.
    Raises `WorkspaceError` for an unknown session, naming the nearest ones, and `ValueError` for a confidence outside 0 to 1.
    """
    choice = choice or chosen()
    lang = lang or choice.lang or "zh"
    text.choose(lang, "", "")
    if confidence is not None and not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, found {confidence!r}")
    root = Path(reports_dir).expanduser().resolve() if str(reports_dir) else BY_HAND
    try:
        workspace, known = _opened(data_dir or choice.data_dir)
    except (WorkspaceError, reference.ReferenceDataError, OSError) as error:
        if str(data_dir) or session_id or not choice.data_dir:
            raise
        workspace, known = _opened("")
        name = choose_session(known, "latest")
        return Review(workspace, name, known, root / name, lang, notebook, confidence, "unusable", str(error))
    wanted = choice.session_id if workspace.path == Path(choice.data_dir) else ""  # a choice says nothing of other workspaces
    name, found = (choose_session(known, session_id), "named") if session_id else _found(known, wanted)
    return Review(workspace, name, known, root / name, lang, notebook, confidence, found)


def _opened(data_dir: str | Path) -> tuple[Workspace, pd.DataFrame]:
    """A workspace whose files have been read, and its sessions."""
    workspace = Workspace.open(data_dir)
    ingest(workspace)
    known = sessions(workspace)
    if known.empty:
        raise WorkspaceError(f"{workspace.raw}: no session found in the files there; `fupan check` says what each file is")
    return workspace, known


def _found(known: pd.DataFrame, wanted: str) -> tuple[str, Found]:
    """The session that was chosen on the start page, else the newest one."""
    if wanted in set(known["session_id"]):
        return wanted, "chosen"
    return choose_session(known, "latest"), "gone" if wanted else "newest"


def choose_session(known: pd.DataFrame, session_id: str) -> str:
    """The id of a session: itself, "latest", or the only one that starts with what was given."""
    if session_id == "latest":
        return known.sort_values(["started_at", "session_id"])["session_id"].iloc[-1]
    if session_id in set(known["session_id"]):
        return session_id
    near = [name for name in known["session_id"] if name.startswith(session_id)] if session_id else []
    if len(near) == 1:
        return near[0]
    if near:
        raise WorkspaceError(f"session {session_id!r}: {len(near)} sessions begin so: {_listed(near)}")
    shown = _listed(known["session_id"].tail(3))
    there = f"; for example {shown} (`fupan sessions` lists all)" if shown else ", which holds no session"
    raise WorkspaceError(f"session {session_id!r}: not in this workspace{there}")


def _listed(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:3])
