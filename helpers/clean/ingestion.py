"""What is new in raw/ becomes the typed canonical tables of clean/: read once, under a lock, merged, and said what was read."""

from __future__ import annotations

import concurrent.futures
import functools
import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean import attribution, history, mend, raw_file
from helpers.clean.mend import HASH_DIGITS
from helpers.core import privacy
from helpers.reference import schema

if TYPE_CHECKING:
    pass
from helpers.clean.folder import Workspace, WorkspaceError, replacing
from helpers.clean.tables import LEDGERS


@functools.cache
def code_version() -> str:
    """A digest of the package's code and the shipped reference data: results of other code are not reused."""
    digest = hashlib.sha256()
    package = Path(__file__).parents[1]
    for path in [*sorted(package.rglob("*.py")), *sorted(reference.SHIPPED.rglob("*.*"))]:
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()[:16]


READS = ("clean", "core/privacy.py", "core/text.py", "reference")
READS_DATA = (
    "sources",
    "tables.yml",
    "terms.yml",
    "attribution.yml",
    "thresholds.yml",
    "metrics.yml",
)


def _reading_version(workspace: Workspace) -> str:
    """What clean/ depends on beside the raw files: parsers, mappings, attribution, settings and the hashing key."""
    digest = hashlib.sha256()
    own = [workspace.reference] if workspace.reference else []
    for folder, names in [
        (Path(__file__).parents[1], READS),
        *((data, READS_DATA) for data in (reference.SHIPPED, *own)),
    ]:
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

    A file whose bytes, mappings and settings are unchanged is not read again. Where nothing changed
    at all, nothing is written. Raises `WorkspaceError` where raw/ is missing or holds no file that
    could be an export.
    """
    paths = workspace.raw_files()
    if not paths:
        raise WorkspaceError(
            f"{workspace.raw}: no files to read. Put the platforms' exports there (csv, xlsx, "
            "xls, zip); "
            "`fupan new` writes a template for everything else"
        )
    with workspace.lock():
        state = _state(workspace)
        version = _reading_version(workspace)
        stamps = {
            str(path.relative_to(workspace.path)): [path.stat().st_size, path.stat().st_mtime_ns]
            for path in paths
        }
        if not force and state.get("version") == version and state.get("stamps") == stamps:
            return pd.read_parquet(workspace.clean / "files.parquet")
        _write_state(workspace, {})
        with concurrent.futures.ThreadPoolExecutor(
            1
        ) as writer:  # what is read goes to disk while it is worked on
            plain, copies = _readings(workspace, paths, version, writer)
            readings = _mended_readings(workspace, plain, version, writer)
            _merge(workspace, paths, readings, copies, writer)
        for reading in [*plain.values(), *readings]:
            reading.written.result()
        _drop_old_readings(
            workspace, {reading.folder.name for reading in [*plain.values(), *readings]}
        )
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

    The copy whose name tells a date is the one that is read, else the oldest. Where the name of a
    file gives values, or the bytes say nothing, each name is read by itself.
    """
    same: dict[str, list[Path]] = {}
    for path in sorted(
        paths, key=lambda path: (not _TELLS_DATE.search(path.name), path.stat().st_mtime, str(path))
    ):
        same.setdefault(_sha256(path), []).append(path)
    readings, copies = {}, {}
    for sha, (first, *others) in same.items():
        readings[first] = _reading(workspace, first, version, sha, writer)
        if others and _says_all(workspace, readings[first].table("files")):
            copies |= {
                _file_name(workspace, other): _file_name(workspace, first) for other in others
            }
        else:
            readings |= {
                other: _reading(workspace, other, version, sha, writer) for other in others
            }
    return readings, copies


def _mended_readings(
    workspace: Workspace,
    plain: Mapping[Path, _Read],
    version: str,
    writer: concurrent.futures.Executor,
) -> list[_Read]:
    """The readings to be used: where another file holds mended rows of a file, it is read with these, the newest last."""
    mending = [
        plain[path].table("mends")
        for path in sorted(plain, key=lambda path: (path.stat().st_mtime, str(path)))
    ]
    mends = pd.concat(mending, ignore_index=True) if mending else pd.DataFrame()
    readings = []
    for path, reading in plain.items():
        sha = reading.table("files")["sha256"].iloc[0]
        mine = mends[mends["hash"] == sha[:HASH_DIGITS]] if len(mends) else mends
        cells: dict[tuple[str, int], dict[str, str]] = {}
        for row in mine.itertuples():
            cells.setdefault((row.sheet, int(row.row)), {}).update(json.loads(row.cells))
        readings.append(
            _reading(workspace, path, version, sha, writer, cells) if cells else reading
        )
    return readings


_TELLS_DATE = re.compile(r"20\d\d[-_]?[01]\d[-_]?[0-3]\d|^1\d{9}_")


def _says_all(workspace: Workspace, ledger: pd.DataFrame) -> bool:
    """Whether a reading is independent of the file's name: every sheet is recognised and takes no value from the name."""
    named = {
        (system.system, export.id)
        for system in reference.systems(workspace.reference)
        for export in system.exports
        if any(how.file for how in export.columns.values())
    }
    return bool(ledger["export"].notna().all()) and not named & set(
        zip(ledger["system"], ledger["export"], strict=True)
    )


def _file_name(workspace: Workspace, path: Path) -> str:
    """How a file is called everywhere: its path below raw/."""
    return path.relative_to(
        workspace.raw if path.is_relative_to(workspace.raw) else workspace.path
    ).as_posix()


def _reading(
    workspace: Workspace,
    path: Path,
    version: str,
    sha: str,
    writer: concurrent.futures.Executor,
    mends: Mapping[tuple[str, int], Mapping[str, str]] | None = None,
) -> _Read:
    """One file's parsed tables, read now (with mended cells) unless they are there already."""
    name = str(path.relative_to(workspace.path))
    changed = json.dumps([[*row, cells] for row, cells in sorted((mends or {}).items())])
    mark = hashlib.sha256(f"{version}|{name}|{sha}|{changed}".encode()).hexdigest()[:20]
    folder = workspace.clean / "readings" / mark
    if folder.is_dir():
        return _Read(folder, {}, writer.submit(lambda: None))
    reading = raw_file.read_file(
        path,
        systems=reference.systems(workspace.reference),
        timezone=workspace.settings.timezone,
        key=workspace.key(),
        currency=workspace.settings.currency,
        dates=workspace.settings.dates,
        name=_file_name(workspace, path),
        mends=mends,
        sha256=sha,
    )
    tables = {
        **reading.tables,
        "files": reading.files,
        "aside": reading.aside,
        "mended": reading.mended,
        "mends": reading.mends,
    }
    return _Read(folder, tables, writer.submit(_write_reading, folder, dict(tables)))


def _write_reading(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    unfinished = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    for table, frame in tables.items():
        known = reference.tables()[table].columns if table in reference.tables() else {}
        repeating = [
            name
            for name, column in known.items()
            if name in frame and column.kind in ("text", "choice")
        ]
        frame.to_parquet(
            unfinished / f"{table}.parquet",
            index=False,
            use_dictionary=repeating,
            write_statistics=False,
        )
    unfinished.replace(folder)


def _drop_old_readings(workspace: Workspace, keep: set[str]) -> None:
    for folder in (workspace.clean / "readings").iterdir():
        if folder.name not in keep:
            shutil.rmtree(folder)


def _merge(
    workspace: Workspace,
    paths: list[Path],
    readings: list[_Read],
    copies: Mapping[str, str],
    writer: concurrent.futures.Executor,
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
        parts = [
            _dated(part, known[file])
            for file, reading in order
            if (part := reading.table(table)) is not None
        ]
        frame = (
            pd.concat(parts, ignore_index=True)
            if parts
            else schema.empty(table, zone).assign(
                **{history.SINCE: pd.Series(dtype=schema.dtype("datetime", zone))}
            )
        )
        if not frame[history.SINCE].is_monotonic_increasing:
            frame = frame.sort_values(history.SINCE, kind="stable", ignore_index=True)
        if "metric" in frame and len(frame):
            frame = frame.assign(metric=frame["metric"].replace(_metric_names(workspace)))
        if not entry.key:
            frame = history.distinct(
                frame, [name for name in entry.columns if name in frame and name != "session_id"]
            )
        found_later = (
            entry.attribute != "none" and "session_id" in entry.key and table != "sessions"
        )
        if not found_later:  # what a later export says of an order decides where it belongs
            alone = (
                files["table"] == table
            ).sum() == 1  # of one sheet each key stands once: it was read so
            frame, earlier[table] = history.versions(frame, [] if alone else entry.key)
        if table != "sessions" and entry.attribute != "none" and len(frame):
            find = functools.partial(
                attribution.attribute,
                table=table,
                sessions=merged["sessions"],
                orders=merged.get("orders"),
                rules=reference.attribution(workspace.reference),
                grace_minutes=reference.thresholds(workspace.reference)[
                    "attribution_grace_minutes"
                ],
            )
            frame = find(frame)
            notes.append(attribution.summary(frame, table))
            if found_later:
                frame, earlier[table] = history.versions(frame, entry.key)
            elif len(earlier[table]):
                earlier[table] = find(earlier[table])
        merged[table] = frame
    writing = [
        writer.submit(_write_partitions, workspace, table, frame) for table, frame in merged.items()
    ]
    writing.append(writer.submit(_write_history, workspace, earlier))
    aside, mended = (
        pd.concat([reading.table(name) for reading in readings], ignore_index=True)
        for name in ("aside", "mended")
    )
    files, lost = _without_original(
        files, pd.concat([reading.table("mends").assign(by=file) for file, reading in named])
    )
    ledgers = {
        "files": pd.concat([files, *_copy_entries(files, copies)], ignore_index=True),
        "aside": pd.concat([aside, lost.astype(aside.dtypes)], ignore_index=True),
        "mended": mended,
        "attribution": pd.concat(notes, ignore_index=True) if notes else attribution.nothing(),
    }
    ledgers["personal"] = scan({**merged, "files": ledgers["files"], "aside": ledgers["aside"]})
    _write_aside(workspace, aside, mended, files)
    for one in writing:
        one.result()
    for name, frame in ledgers.items():
        with replacing(workspace.clean / f"{name}.parquet") as path:
            frame.to_parquet(path, index=False)


def _without_original(
    files: pd.DataFrame, mends: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mended rows whose original is gone or changed: they are rows of the mended file, counted there and kept aside."""
    lost = mends[~mends["hash"].isin(files["sha256"].str[:HASH_DIGITS])]
    count = lost.groupby(["by", "from_sheet"]).size()
    more = pd.Series(
        [
            count.get(place, 0)
            for place in zip(files["file"], files["sheet"].fillna(""), strict=True)
        ],
        index=files.index,
    )
    files = files.assign(rows_in=files["rows_in"] + more, rows_aside=files["rows_aside"] + more)
    rows = {
        "file": lost["by"],
        "sheet": lost["from_sheet"],
        "table": "aside",
        "row": lost["from_row"],
        "column": "file",
        "value": lost["file"],
        "reason": "no_original",
        "field": None,
        "expected": "original",
        "row_json": lost["cells"].map(privacy.hide),
    }
    return files, pd.DataFrame(rows)


def _write_aside(
    workspace: Workspace, aside: pd.DataFrame, mended: pd.DataFrame, files: pd.DataFrame
) -> None:
    """clean/aside.xlsx: every row kept aside, to be mended and put into raw/; none where there is nothing to mend."""
    path = workspace.clean / "aside.xlsx"
    if aside.empty and mended.empty:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as unfinished:
        mend.write(
            unfinished,
            aside,
            mended,
            dict(zip(files["file"], files["sha256"], strict=True)),
            systems=reference.systems(workspace.reference),
        )


def scan(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Personal data left in clean tables: one row per cell, with table, column, kind, file, sheet and row; never the value.

    Empty where all is well. What stands here stops every report (`gate.check`). Names have no form
    and are not found: their columns are dropped on reading.
    """
    parts = [_scanned(name, frame) for name, frame in tables.items() if len(frame)]
    columns = {
        "table": "str",
        "column": "str",
        "kind": "str",
        "file": "str",
        "sheet": "str",
        "row": "float64",
    }
    return pd.concat([pd.DataFrame(columns=list(columns)), *parts], ignore_index=True).astype(
        columns
    )


def _scanned(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    known = reference.tables()[table].columns
    ids = {name for name, column in known.items() if column.kind == "id"}
    keys = {name for name in ids if name.endswith("_key")}
    found = privacy.in_frame(
        frame[[name for name in frame if name in known]],
        ids=frozenset(ids - keys),
        keys=frozenset(keys),
    )
    rows = frame.iloc[found["row"].astype("int64")].reset_index(drop=True)
    from_ledger = table in LEDGERS
    origin = {
        name: rows.get(trace)
        for name, trace in (
            ("file", "file" if from_ledger else "source_file"),
            ("sheet", "sheet" if from_ledger else "source_sheet"),
        )
    }
    number = rows.get("row" if from_ledger else "source_row", found["row"] + 1)
    return found.drop(columns="row").assign(table=table, **origin, row=number)


def _metric_names(workspace: Workspace) -> dict[str, str]:
    """Ids by the names that people write into goals and events, Chinese or English: of metrics, else of what floor control logs."""
    known = [
        *reference.terms()["cue_kind"].items(),
        *reversed(reference.registry(workspace.reference).items()),
    ]
    return {name: key for key, entry in known for name in (entry.zh, entry.en)}


def _known(workspace: Workspace, paths: list[Path], files: pd.DataFrame) -> dict[str, pd.Series]:
    """When each sheet of each file was exported: file → (sheet → time). As the export says, else the time of the file on disk."""
    changed = {
        _file_name(workspace, path): pd.Timestamp(
            path.stat().st_mtime_ns // 1000, unit="us", tz="UTC"
        )
        for path in paths
    }
    written = files["file"].map(changed).astype(files["as_of"].dtype)
    stated = files["as_of"].fillna(written).set_axis(files["sheet"].fillna(""), axis=0)
    return {file: part for file, part in stated.groupby(files["file"].to_numpy())}


def _dated(frame: pd.DataFrame, known: pd.Series) -> pd.DataFrame:
    """The rows of one file with `known_from`, the time at which their sheet was exported."""
    latest = known.groupby(level=0).max()
    if latest.nunique() == 1:
        return frame.assign(**{history.SINCE: latest.iloc[0]}).astype({history.SINCE: known.dtype})
    return frame.assign(
        **{
            history.SINCE: frame["source_sheet"]
            .fillna("")
            .map(latest)
            .fillna(latest.max())
            .astype(known.dtype)
        }
    )


def _copy_entries(files: pd.DataFrame, copies: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    """Ledger rows of files with the bytes of another: they count no row, as the other's are counted."""
    for copy, original in copies.items():
        mine = files[files["file"] == original]
        counts = dict.fromkeys([*raw_file.COUNTS, "rows_mended"], 0.0)
        yield mine.assign(
            file=copy,
            **counts,
            unmapped=None,
            problem=f"{copy}: the same bytes as {original}; read once",
        ).astype(mine.dtypes)


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
        names = {
            each: f"{int(each) // 12:04d}-{int(each) % 12 + 1:02d}"
            for each in number.dropna().unique()
        }
        month = number.map(names).astype("str").fillna("account")
    if "session_id" in frame:
        known = frame["session_id"].notna()
        named = frame["session_id"].str[:4] + "-" + frame["session_id"].str[4:6]
        month = month.mask(known, named)
    return month
