"""All readings become the tables of clean/: newest value by key, attributed, written by month."""

import collections
import concurrent.futures
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean import (
    attribution,
    collisions,
    history,
    invariants,
    mend,
    questions,
    raw_file,
    whole_orders,
)
from helpers.clean.folder import Workspace, replacing, status
from helpers.clean.ledger import COUNTS
from helpers.clean.mend import HASH_DIGITS
from helpers.clean.notes import joined, note
from helpers.clean.personal_data import scan
from helpers.clean.readings import StoredReading, name_in_raw
from helpers.clean.tables import LEDGERS
from helpers.core import privacy
from helpers.reference import schema

# what bringing them together tells of others is needed even where no file has them
_READ_BY_OTHERS = ("sessions", "orders")


def merge(
    workspace: Workspace,
    paths: list[Path],
    readings: list[StoredReading],
    copies: Mapping[str, str],
    writer: concurrent.futures.Executor,
) -> None:
    """Bring all readings together in clean/, the ledgers last."""
    zone = workspace.settings.timezone
    thresholds = reference.thresholds(workspace.reference)
    files = pd.concat([reading.table("files") for reading in readings], ignore_index=True)
    exported = _export_times(workspace, paths, files)
    named = [(reading.table("files")["file"].iloc[0], reading) for reading in readings]
    order = sorted(
        named, key=lambda entry: (exported[entry[0]].max(), entry[0], entry[1].folder.name)
    )
    merged: dict[str, pd.DataFrame] = {}
    earlier: dict[str, pd.DataFrame] = {}
    notes = []
    doubted: list[_Doubted] = []
    systems = reference.systems(workspace.reference)
    by_room: collisions.Rooms | None = None
    for table in [name for name in reference.tables() if name not in LEDGERS]:
        entry = reference.tables()[table]
        parts = [
            _dated(part, exported[file])
            for file, reading in order
            if (part := reading.table(table)) is not None
        ]
        if parts:
            frame = pd.concat(parts, ignore_index=True)
        else:
            since = pd.Series(dtype=schema.dtype("datetime", zone))
            frame = schema.empty(table, zone).assign(**{history.SINCE: since})
        if not parts and table not in _READ_BY_OTHERS:
            merged[table] = earlier[table] = frame
            continue
        if not frame[history.SINCE].is_monotonic_increasing:
            frame = frame.sort_values(history.SINCE, kind="stable", ignore_index=True)
        if table == "sessions":
            by_room = collisions.rooms(frame)
            frame = by_room.rows
            doubted.append(_of_two_rooms(by_room))
        else:
            frame = collisions.renamed(frame, table, by_room)
        if table == "orders":
            of_orders = whole_orders.without_whole_orders(frame, _listing_orders(files, systems))
            frame = of_orders.rows
            doubted.append(_not_their_lines(of_orders))
        frame, of_accounts = collisions.accounts(frame, table)
        if len(of_accounts):
            doubted.append(_unlike_others(of_accounts, table, "other_account"))
        frame, of_periods = collisions.without_period(frame, table)
        if len(of_periods):
            doubted.append(_unlike_others(of_periods, table, "other_period"))
        frame = frame.drop(columns=schema.MARK, errors="ignore")
        if "metric" in frame and len(frame):
            frame = frame.assign(metric=frame["metric"].replace(_metric_names(workspace)))
        if not entry.key:
            told_apart = [name for name in entry.columns if name in frame and name != "session_id"]
            frame = history.distinct(frame, told_apart)
        attributed = entry.attribute != "none" and table != "sessions"
        by_session = attributed and "session_id" in entry.key
        if not by_session:  # what a later export says of an order decides where it belongs
            # of one sheet each key stands once: it was read so
            alone = (files["table"] == table).sum() == 1
            key = [*entry.key, collisions.MEMBER] if entry.key else []
            frame = collisions.numbered(frame, table)
            frame, earlier[table] = history.versions(frame, [] if alone else key)
            frame, earlier[table] = (
                collisions.with_numbers(states, table) for states in (frame, earlier[table])
            )
        if attributed and len(frame):
            find = functools.partial(
                attribution.attribute,
                table=table,
                sessions=merged["sessions"],
                orders=merged.get("orders"),
                rules=reference.attribution(workspace.reference),
                grace_minutes=thresholds["attribution_grace_minutes"],
            )
            frame = find(frame)
            if by_session and table != "reported":  # whose rows are those of sessions
                frame, of_days = attribution.by_day(frame, table, merged["sessions"])
                if len(of_days):
                    doubted.append(_of_a_day(of_days, table))
            if (odd := _in_other_money(frame, table, merged["sessions"])) is not None:
                doubted.append(odd)
                frame = frame.drop(index=odd.rows.index)
            notes.append(attribution.summary(frame, table))
            if by_session:
                frame, earlier[table] = history.versions(frame, entry.key)
            elif len(earlier[table]):
                earlier[table] = find(earlier[table])
        merged[table] = frame
    writing = [
        writer.submit(_write_partitions, workspace, table, frame) for table, frame in merged.items()
    ]
    writing.append(writer.submit(_write_history, workspace, earlier))
    aside, asked, mended = (
        pd.concat([reading.table(name) for reading in readings], ignore_index=True)
        for name in ("aside", "questions", "mended")
    )
    files, lost = _without_original(
        files, pd.concat([reading.table("mends").assign(by=file) for file, reading in named])
    )
    files = _with_whole_orders(_with_rooms_told_apart(files, by_room), of_orders.totals)
    late, asked_late = [lost], [questions.of_rows(lost)]
    for one in doubted:
        files, rows, of_rows = _with_doubted(files, one, systems)
        late.append(rows)
        asked_late.append(of_rows)
    aside = pd.concat([aside, *(rows.astype(aside.dtypes) for rows in late)], ignore_index=True)
    ledgers = {
        "files": pd.concat([files, *_copy_entries(files, copies)], ignore_index=True),
        "aside": aside,
        "questions": pd.concat([asked, *asked_late], ignore_index=True),
        "mended": mended,
        "attribution": pd.concat(notes, ignore_index=True) if notes else attribution.nothing(),
    }
    held = [invariants.across(merged, pd.concat([of_orders.totals, of_orders.unclear]))]
    held += [reading.table("invariants") for reading in readings]
    ledgers["invariants"] = pd.concat(held[::-1], ignore_index=True)
    ledgers["personal"] = pd.concat([scan({**merged, **ledgers}), scan(earlier)], ignore_index=True)
    _write_aside(workspace, aside, mended, files)
    for future in writing:
        future.result()
    for name, frame in ledgers.items():
        with replacing(workspace.clean / f"{name}.parquet") as path:
            frame.to_parquet(path, index=False)


def _without_original(
    files: pd.DataFrame, mends: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The ledger, and as rows kept aside the mended ones whose original is gone or changed.

    They are counted as rows of the mended file.
    """
    lost = mends[~mends["hash"].isin(files["sha256"].str[:HASH_DIGITS])]
    count = lost.groupby(["by", "from_sheet"]).size()
    places = zip(files["file"], files["sheet"].fillna(""), strict=True)
    more = pd.Series([count.get(place, 0) for place in places], index=files.index)
    files = files.assign(rows_in=files["rows_in"] + more, rows_aside=files["rows_aside"] + more)
    rows = {
        "file": lost["by"],
        "sheet": lost["from_sheet"],
        "table": "aside",
        "row": lost["from_row"],
        "column": "file",
        "value": lost["file"].map(privacy.mask_name),
        "reason": "no_original",
        "field": None,
        "expected": "original",
        "row_json": lost["cells"].map(privacy.mask),
    }
    return files, pd.DataFrame(rows)


class _Doubted(NamedTuple):
    """Rows of a table that stand aside once all files lie side by side.

    `field` is the column concerned, `cells` are its cells as they are shown, `examples` these with
    what the rows are held against.
    """

    table: str
    rows: pd.DataFrame
    field: str
    reason: str
    cells: pd.Series
    examples: pd.Series


def _of_two_rooms(by_room: collisions.Rooms) -> _Doubted:
    rows = by_room.unclear
    starts = rows["started_at"].dt.strftime("%Y-%m-%d %H:%M")
    titles = rows["title"].fillna("-")
    return _Doubted("sessions", rows, "started_at", "other_room", starts, starts + ", " + titles)


def _not_their_lines(orders: whole_orders.WholeOrders) -> _Doubted:
    rows = orders.unclear
    examples = [
        f"{row.order_id}: {row.paid:,.2f} ≠ "
        + ("-" if pd.isna(row.of_lines) else f"{row.of_lines:,.2f}")
        for row in rows.itertuples()
    ]
    shown = pd.Series(examples, index=rows.index, dtype="str")
    return _Doubted("orders", rows, "order_id", "not_its_lines", rows["order_id"], shown)


def _unlike_others(rows: pd.DataFrame, table: str, reason: str) -> _Doubted:
    field = next(name for name in ("product_id", "day") if name in rows)
    cells = rows[field].dt.strftime("%Y-%m-%d") if field == "day" else rows[field]
    return _Doubted(table, rows, field, reason, cells, cells + ": " + rows["beside"])


def _of_a_day(rows: pd.DataFrame, table: str) -> _Doubted:
    examples = rows["day"] + ": " + rows["beside"]
    return _Doubted(table, rows, "session_started_at", "day_alone", rows["day"], examples)


def _in_other_money(frame: pd.DataFrame, table: str, sessions: pd.DataFrame) -> _Doubted | None:
    """Rows whose money is not in the currency of their session, and cannot be added to its."""
    if "currency" not in frame or frame.empty:
        return None
    if len({*frame["currency"].dropna().unique(), *sessions["currency"].dropna().unique()}) < 2:
        return None
    money = frame["session_id"].map(sessions.set_index("session_id")["currency"].astype("str"))
    stated = frame["currency"].astype("str")
    rows = frame[stated.notna() & money.notna() & (stated != money)]
    if rows.empty:
        return None
    cells = stated.loc[rows.index]
    examples = cells + " / " + money.loc[rows.index]
    return _Doubted(table, rows, "currency", "other_currency", cells, examples)


def _with_doubted(
    files: pd.DataFrame, doubted: _Doubted, systems: list[reference.System]
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The ledger with the rows counted aside, these as rows of `aside`, and their questions."""
    columns = list(reference.tables()["aside"].columns)
    rows, asked = [pd.DataFrame(columns=columns)], [questions.of_rows(pd.DataFrame())]
    for (file, sheet), of_sheet in _by_sheet(doubted.rows):
        place = (file, sheet, doubted.table)
        entry = files[_table_of_sheet(files, place)].iloc[0]
        export = raw_file.export(entry["system"], entry["export"], systems)
        header_of = {name: how.header[0] for name, how in export.columns.items() if how.header}
        cells = of_sheet[[name for name in header_of if name in of_sheet]].rename(columns=header_of)
        cells = cells.loc[:, ~cells.columns.duplicated()]  # two columns of ours may read one
        cells = cells.astype("str").where(cells.notna(), "")
        aside = pd.DataFrame(
            {
                "file": file,
                "sheet": sheet,
                "table": doubted.table,
                "row": of_sheet["source_row"],
                "column": header_of.get(doubted.field, doubted.field),
                "value": doubted.cells.loc[of_sheet.index],
                "reason": doubted.reason,
                "field": doubted.field,
                "expected": "unique",
                "row_json": [
                    json.dumps(row, ensure_ascii=False) for row in cells.to_dict("records")
                ],
            }
        )
        rows.append(aside)
        asked.append(questions.of_rows(aside.assign(value=doubted.examples.loc[of_sheet.index])))
        asked_here = joined(questions.as_note(row) for row in asked[-1].to_dict("records"))
        files = _with_problem(files, place, asked_here, aside=len(of_sheet))
    return files, pd.concat(rows), pd.concat(asked)


def _with_rooms_told_apart(files: pd.DataFrame, by_room: collisions.Rooms) -> pd.DataFrame:
    apart = collections.Counter(place[:2] for place in by_room.ids)
    for place, count in apart.items():
        apart_by_rows = note("rooms_apart", rows=count)
        files = _with_problem(files, (*place, "sessions"), apart_by_rows)
    return files


def _with_whole_orders(files: pd.DataFrame, totals: pd.DataFrame) -> pd.DataFrame:
    for place, rows in _by_sheet(totals):
        of_lines = note("whole_orders", rows=len(rows))
        files = _with_problem(files, (*place, "orders"), of_lines, totals=len(rows))
    return files


def _listing_orders(files: pd.DataFrame, systems: list[reference.System]) -> set[tuple[str, str]]:
    """Files and sheets that hold one row an order."""
    return {
        (entry.file, "" if pd.isna(entry.sheet) else entry.sheet)
        for entry in files[files["table"] == "orders"].itertuples()
        if whole_orders.lists_orders(raw_file.export(entry.system, entry.export, systems))
    }


def _by_sheet(rows: pd.DataFrame) -> Iterable[tuple[tuple[str, str], pd.DataFrame]]:
    return rows.groupby(["source_file", "source_sheet"], dropna=False) if len(rows) else ()


def _table_of_sheet(files: pd.DataFrame, place: tuple) -> pd.Series:
    file, sheet, table = place
    sheet = "" if pd.isna(sheet) else sheet
    here = (files["file"] == file) & (files["sheet"].fillna("") == sheet)
    return here & (files["table"] == table)


def _with_problem(
    files: pd.DataFrame, place: tuple, problem: str, *, aside: int = 0, totals: int = 0
) -> pd.DataFrame:
    here = _table_of_sheet(files, place)
    here &= ~here.cumsum().gt(1)  # of several tables of a sheet the first speaks for it
    before = files["problem"].fillna("")
    whole = (before + "\n" + problem).str.removeprefix("\n")
    return files.assign(
        rows_kept=files["rows_kept"] - here * (aside + totals),
        rows_totals=files["rows_totals"] + here * totals,
        rows_aside=files["rows_aside"] + here * aside,
        problem=files["problem"].mask(here, whole),
    )


def _write_aside(
    workspace: Workspace, aside: pd.DataFrame, mended: pd.DataFrame, files: pd.DataFrame
) -> None:
    path = workspace.clean / "aside.xlsx"
    if aside.empty and mended.empty:
        path.unlink(missing_ok=True)
        return
    with replacing(path) as unfinished:
        hashes = dict(zip(files["file"], files["sha256"], strict=True))
        systems = reference.systems(workspace.reference)
        mend.write(unfinished, aside, mended, hashes, systems=systems)


def _metric_names(workspace: Workspace) -> dict[str, str]:
    """Ids of metrics, else of what floor control logs."""
    entries = [
        *reference.terms()["cue_kind"].items(),
        *reversed(reference.registry(workspace.reference).items()),
    ]
    return {name: key for key, entry in entries for name in (entry.zh, entry.en)}


def _export_times(
    workspace: Workspace, paths: list[Path], files: pd.DataFrame
) -> dict[str, pd.Series]:
    """File → (sheet → time): what the export says, else the time of the file on disk."""
    changed = {
        name_in_raw(workspace, path): pd.Timestamp(
            status(path).st_mtime_ns // 1000, unit="us", tz="UTC"
        )
        for path in paths
    }
    written = files["file"].map(changed).astype(files["as_of"].dtype)
    stated = files["as_of"].fillna(written).set_axis(files["sheet"].fillna(""), axis=0)
    return {file: part for file, part in stated.groupby(files["file"].to_numpy())}


def _dated(frame: pd.DataFrame, exported: pd.Series) -> pd.DataFrame:
    latest = exported.groupby(level=0).max()
    since = latest.iloc[0]
    if latest.nunique() != 1:
        since = frame["source_sheet"].fillna("").map(latest).fillna(latest.max())
    return frame.assign(**{history.SINCE: since}).astype({history.SINCE: exported.dtype})


def _copy_entries(files: pd.DataFrame, copies: Mapping[str, str]) -> Iterator[pd.DataFrame]:
    """Ledger rows of files with the bytes of another, whose rows alone are counted."""
    for copy, original in copies.items():
        entries = files[files["file"] == original]
        changes = dict.fromkeys([*COUNTS, "rows_mended"], 0.0)
        changes |= {"file": copy, "unmapped": None, "problem": note("same_bytes", file=original)}
        yield entries.assign(**changes).astype(entries.dtypes)


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
    months = frame.groupby(_month(frame, table), sort=True) if len(frame) else ()
    parts = {f"{month}.parquet": part for month, part in months}
    for old in folder.glob("*.parquet"):
        if old.name not in parts:
            old.unlink()
    for name, part in parts.items():
        with replacing(folder / name) as path:
            schema.write(part, table, path)


def _month(frame: pd.DataFrame, table: str) -> pd.Series:
    """The month of each row's session, else of its own time, else `account`."""
    month = pd.Series("account", index=frame.index, dtype="str")
    timed = reference.tables()[table].attribute.split()[1:]
    if timed and timed[0] in frame and isinstance(frame[timed[0]].dtype, pd.DatetimeTZDtype):
        at = frame[timed[0]].dt
        number = at.year * 12 + at.month - 1
        names = {
            count: f"{int(count) // 12:04d}-{int(count) % 12 + 1:02d}"
            for count in number.dropna().unique()
        }
        month = number.map(names).astype("str").fillna("account")
    if "session_id" in frame:
        of_session = frame["session_id"].str[:4] + "-" + frame["session_id"].str[4:6]
        month = month.mask(frame["session_id"].notna(), of_session)
    return month
