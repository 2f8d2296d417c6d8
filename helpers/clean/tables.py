"""The canonical tables of a workspace as they are read back: whole, by session, or lazily on the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow

from helpers.clean import history
from helpers.reference import schema

if TYPE_CHECKING:
    import ibis
from helpers.clean.folder import Workspace, replacing

LEDGERS = ("files", "aside", "mended", "attribution", "personal")
MODELS = ("pattern",)  # what a review keeps for the next one


def data_as_of(workspace: Workspace, known: pd.DataFrame) -> pd.Timestamp:
    """How recent the data are: the newest `as_of` of the files read, else the newest time in orders or sessions (`known`); `NaT` where neither says."""
    stated = read_table(workspace, "files")["as_of"].max()
    if pd.notna(stated):
        return stated
    seen = [
        time
        for time in (known["ended_at"].max(), read_table(workspace, "orders")["created_at"].max())
        if pd.notna(time)
    ]
    return max(seen, default=pd.NaT)


def read_table(
    workspace: Workspace,
    table: str,
    session_id: str | None = None,
    *,
    as_of: pd.Timestamp | None = None,
) -> pd.DataFrame:
    """A canonical table of the workspace, of one session where it is named; an empty frame of its columns where there is none.

    Rows carry `known_from`, the time of the export that first said what they say: what the export
    or its name states, else the time of the file on disk. With `as_of` (zone-aware) the table as it
    was known at that moment: rows of later exports are left out, values that a later export changed
    are as they were.
    """
    if table in LEDGERS + MODELS:
        path = workspace.clean / f"{table}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()
    month = f"{session_id[:4]}-{session_id[4:6]}" if session_id and as_of is None else "*"
    parts = [
        pd.read_parquet(path) for path in sorted((workspace.clean / table).glob(f"{month}.parquet"))
    ]
    frame = (
        pd.concat(parts, ignore_index=True)
        if parts
        else schema.empty(table, workspace.settings.timezone)
    )
    if as_of is not None and len(frame):
        before = workspace.clean / "history" / f"{table}.parquet"
        frame = history.as_known(
            frame, pd.read_parquet(before) if before.exists() else frame.iloc[:0], as_of
        )
    if session_id is not None:
        frame = frame[frame["session_id"] == session_id].reset_index(drop=True)
    return frame


def keep_model(workspace: Workspace, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    """Keep what a review found of an account in clean/<name>.parquet and return it; other rooms' rows stay.

    `frame` carries platform, room and until (what it was made of lies before): a model of earlier
    sessions never replaces one of later ones. Reviews that run side by side wait for each other.
    """
    if frame.empty:
        return frame
    with workspace.lock():
        kept = read_table(workspace, name)
        if len(kept):
            same = kept["platform"].eq(frame["platform"].iloc[0]) & kept["room"].fillna("").eq(
                frame["room"].fillna("").iloc[0]
            )
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


def lazy_table(workspace: Workspace, table: str, session_id: str | None = None) -> ibis.Table:
    """A canonical table of the workspace, of one session where it is named, as a table of the engine: nothing is loaded yet.

    For tables that can outgrow memory. Times come in UTC. A table that is not there has its columns
    and no row.
    """
    from helpers.core import engine  # takes a second to import and is needed for few tables only

    month = f"{session_id[:4]}-{session_id[4:6]}" if session_id else "*"
    paths = sorted((workspace.clean / table).glob(f"{month}.parquet"))
    made = engine.table(paths or schema.empty(table, workspace.settings.timezone))
    return made if session_id is None else made.filter(made["session_id"] == session_id)


def sessions(workspace: Workspace) -> pd.DataFrame:
    """The account's sessions, oldest first, with `ad_cost` taken from the ads export where the session has none itself.

    Where the export states the period of its spend, only of sessions that began in it
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
    """The ads of sessions that count: a launch row, hourly rows and daily rows of one session speak of the same money.

    Rows of a launch outside the period of their export hold but a part of its cost and are left
    out; of exports whose periods overlap the one that reaches furthest counts.
    """
    known = ads[ads["session_id"].notna() & ~outside_period(ads)].assign(
        slot=lambda rows: rows["slot_seconds"].fillna(0)
    )
    if "covers_to" in known:
        known = (
            known.sort_values("covers_to", kind="stable", na_position="first")
            .drop_duplicates([*_LAUNCH, "slot"], keep="last")
            .sort_index()
        )
    return known[known["slot"] == known.groupby("session_id")["slot"].transform("min")].drop(
        columns="slot"
    )


_LAUNCH = [
    "session_id",
    "platform",
    "campaign",
    "started_at",
    "title",
]  # what one row of ads speaks of, whichever export holds it


def outside_period(ads: pd.DataFrame) -> pd.Series:
    """Whether each row of ads began outside the period whose spend its export holds; never where that is not known."""
    if "covers_from" not in ads:
        return pd.Series(False, index=ads.index)
    return (ads["started_at"] < ads["covers_from"]) | (
        ads["started_at"] >= ads["covers_to"] + pd.Timedelta(hours=1)
    )
