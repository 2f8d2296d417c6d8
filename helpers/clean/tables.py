"""The canonical tables of a workspace read back: whole, by session, or lazily on the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow
from pyarrow import parquet

from helpers import reference
from helpers.clean import history
from helpers.clean.folder import Workspace, replacing
from helpers.reference import schema

if TYPE_CHECKING:
    import ibis

LEDGERS = ("files", "aside", "questions", "mended", "invariants", "attribution", "personal")
COUNTED = "counted"  # the folder of `computed_once`
MODELS = ("pattern",)  # what a review keeps for the next one
# what one row of ads speaks of, whichever export holds it
_LAUNCH = ["session_id", "platform", "campaign", "started_at", "title"]


def data_as_of(workspace: Workspace, known_sessions: pd.DataFrame) -> pd.Timestamp:
    """How recent the data are: the newest `as_of` of the files read.

    Without one, the newest time in orders or sessions, else `NaT`.
    """
    stated = read_table(workspace, "files")["as_of"].max()
    if pd.notna(stated):
        return stated
    times = (known_sessions["ended_at"].max(), read_table(workspace, "orders")["created_at"].max())
    return max(filter(pd.notna, times), default=pd.NaT)


def read_table(
    workspace: Workspace,
    table: str,
    session_id: str | None = None,
    *,
    as_of: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """A canonical table of the workspace, of one session where it is named.

    An empty frame of its columns where there is none. `known_from` is the time of the export that
    first said what a row says: as the export or its name states, else that of the file on disk.
    With `as_of` (zone-aware) the table as it was known then, without rows and values of later
    exports.
    """
    path = workspace.clean / f"{table}.parquet"
    if table in LEDGERS:
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()
    if table in MODELS:  # of one that is damaged nothing is known: a review makes it anew
        with contextlib.suppress(OSError, pyarrow.ArrowException):
            return pd.read_parquet(path)
        return pd.DataFrame()
    paths = parts(workspace, table, session_id if as_of is None else None)
    if paths:
        frame = pd.concat(map(pd.read_parquet, paths), ignore_index=True)
    else:
        frame = schema.empty(table, workspace.settings.timezone)
    if as_of is not None and len(frame):
        path = workspace.clean / "history" / f"{table}.parquet"
        earlier = pd.read_parquet(path) if path.exists() else frame.iloc[:0]
        frame = history.as_known(frame, earlier, as_of)
    if session_id is not None:
        frame = frame[frame["session_id"] == session_id].reset_index(drop=True)
    return frame


def parts(workspace: Workspace, table: str, session_id: str | None = None) -> list[Path]:
    """The Parquet files of a canonical table; of one session, those that can hold it."""
    month = f"{session_id[:4]}-{session_id[4:6]}" if session_id else "*"
    return sorted((workspace.clean / table).glob(f"{month}.parquet"))


def count_rows(workspace: Workspace, table: str, session_id: str | None = None) -> int:
    """How many rows a canonical table has, of one session where it is named, without loading them.

    Raises `KeyError` for an unknown table, naming the nearest.
    """
    columns = reference.tables()[table].columns
    if session_id and "session_id" not in columns:
        return 0
    if table in LEDGERS:
        return len(read_table(workspace, table))
    paths = parts(workspace, table, session_id)
    if session_id is None:
        return sum(parquet.read_metadata(path).num_rows for path in paths)
    mine = [("session_id", "==", session_id)]
    return sum(len(pd.read_parquet(path, columns=["session_id"], filters=mine)) for path in paths)


def keep_model(workspace: Workspace, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep what a review found of an account in clean/<name>.parquet and return it.

    Other rooms' rows stay. `frame` carries platform, room and until (what it was made of lies
    before): a model of earlier sessions never replaces one of later ones. Reviews side by side wait
    for each other.
    """
    if frame.empty:
        return frame
    with workspace.lock():
        models = read_table(workspace, name)
        if len(models):
            platform, room = frame["platform"].iloc[0], frame["room"].fillna("").iloc[0]
            same = models["platform"].eq(platform) & models["room"].fillna("").eq(room)
            if (models.loc[same, "until"] > frame["until"].iloc[0]).any():
                return frame
            models = models[~same]
        with replacing(workspace.clean / f"{name}.parquet") as path:
            pd.concat([models, frame], ignore_index=True).to_parquet(path, index=False)
    return frame


def computed_once(folder: Path, digest: str, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What `make` makes, or was kept in the folder under this digest; other digests go."""
    path = folder / f"{digest}.parquet"
    with contextlib.suppress(OSError, pyarrow.ArrowException):
        return pd.read_parquet(path)
    frame = make()
    with replacing(path) as unfinished:
        frame.to_parquet(unfinished, index=False)
    for old in folder.glob("*.parquet"):
        if old != path:
            old.unlink(missing_ok=True)
    return frame


def lazy_table(workspace: Workspace, table: str, session_id: str | None = None) -> ibis.Table:
    """A canonical table, of one session where it is named, as a table of the engine.

    For tables that can outgrow memory: nothing is loaded yet. Times come in UTC. A table that is
    not there has its columns and no row.
    """
    from helpers.core import engine  # takes a second to import and is needed for few tables only

    paths = parts(workspace, table, session_id)
    rows = engine.table(paths or schema.empty(table, workspace.settings.timezone))
    return rows if session_id is None else rows.filter(rows["session_id"] == session_id)


def sessions(workspace: Workspace) -> pd.DataFrame:
    """The account's sessions, oldest first, a missing `ad_cost` filled from the ads export.

    Where the export states the period of its spend, only for sessions that began in it
    (`finest_slots`).
    """
    frame = read_table(workspace, "sessions").sort_values(
        ["started_at", "session_id"], ignore_index=True
    )
    ads = read_table(workspace, "ads")
    if frame.empty or ads.empty or "session_id" not in ads:
        return frame
    cost = finest_slots(ads).groupby("session_id")["cost"].sum(min_count=1)
    return frame.assign(ad_cost=frame["ad_cost"].fillna(frame["session_id"].map(cost)))


def finest_slots(ads: pd.DataFrame) -> pd.DataFrame:
    """The ads of sessions that count.

    A session's launch row, hourly rows and daily rows speak of the same money. Rows of a launch
    outside the period of their export hold but a part of its cost and are left out; of exports
    whose periods overlap the one that reaches furthest counts.
    """
    counted = ads[ads["session_id"].notna() & ~outside_period(ads)]
    counted = counted.assign(slot=counted["slot_seconds"].fillna(0))
    if "covers_to" in counted:
        by_end = counted.sort_values("covers_to", kind="stable", na_position="first")
        counted = by_end.drop_duplicates([*_LAUNCH, "slot"], keep="last").sort_index()
    finest = counted.groupby("session_id")["slot"].transform("min")
    return counted[counted["slot"] == finest].drop(columns="slot")


def outside_period(ads: pd.DataFrame) -> pd.Series:
    """Whether each ads row began outside its export's period; never where that is not known."""
    if "covers_from" not in ads:
        return pd.Series(False, index=ads.index)
    return (ads["started_at"] < ads["covers_from"]) | (
        ads["started_at"] >= ads["covers_to"] + pd.Timedelta(hours=1)
    )
