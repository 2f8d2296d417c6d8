"""Finds the session of rows that carry none, by room and time.

The rules stand in `tables.yml` (attribute) and `attribution.yml`. A row that fits no session, or
several, is left unattributed with the reason, never guessed.
"""

import numpy as np
import pandas as pd

from helpers import reference
from helpers.reference import schema

UNATTRIBUTED = ("not_live", "no_time", "no_session", "several_sessions", "no_order")


def attribute(
    frame: pd.DataFrame,
    table: str,
    sessions: pd.DataFrame,
    *,
    rules: reference.Attribution,
    orders: pd.DataFrame | None = None,
    grace_minutes: float = 30,
) -> pd.DataFrame:
    """The frame with `session_id` where the table's rule finds one session, else with `why_not`.

    `why_not` is missing for attributed rows, else one of `UNATTRIBUTED`: not_live (the order's
    channel is not live), no_time, no_session (none was running), several_sessions (the room does
    not decide), no_order (a case whose order is not in the workspace). `sessions` needs session_id,
    platform, room_name, title, started_at and ended_at; cases need `orders` already attributed.
    """
    rule, *columns = reference.tables()[table].attribute.split()
    nothing_said = pd.Series(index=frame.index, dtype="str")
    named = frame.get("session_id", nothing_said)
    exists = named.isin(sessions["session_id"])
    if rule in ("session", "none"):
        why = nothing_said.where(exists, "no_session") if rule == "session" else nothing_said
        return frame.assign(session_id=named, why_not=why)
    if rule == "order":
        ids, why = _by_order(frame, orders, columns[0])
    elif rule == "start":
        ids, why = _by_start(frame[columns[0]], sessions, tolerance=rules.start_tolerance_minutes)
    elif table == "ads":
        ids, why = _ads(frame, sessions, rules=rules)
    else:
        ids, why = _by_time(
            frame,
            frame[columns[0]],
            sessions,
            early=rules.early_minutes,
            late=grace_minutes if table == "orders" else rules.early_minutes,
        )
    if table == "orders":
        ids, why = _only_live(frame["channel"], ids, why, rules=rules)
    if "session_id" in frame:
        ids, why = named.where(exists, ids), why.mask(exists)
    return frame.assign(session_id=ids.astype("str"), why_not=why.astype("str"))


_DAY_ALONE = r"^(\d{8})-0000-(.+)-([0-9a-f]{4})$"
_NO_ROOM = "0000"


def by_day(
    attributed: pd.DataFrame, table: str, sessions: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows, those whose start is a date alone with the one session of that day; and others.

    Such a row has no session, as none began at midnight. Where none or several of its platform and
    room began on that day it is one of the others: `day`, and `beside` with their starts.
    """
    rule, *columns = reference.tables()[table].attribute.split()
    nothing_unclear = attributed.iloc[:0].assign(day="", beside="")
    open_rows = attributed[attributed["why_not"].notna()]
    if rule not in ("session", "start") or open_rows.empty:
        return attributed, nothing_unclear
    parts = open_rows["session_id"].astype("str").str.extract(_DAY_ALONE)
    if rule == "start":
        start = open_rows[columns[0]]
        parts[0] = start.dt.strftime("%Y%m%d").where(start == start.dt.normalize())
    parts = parts[parts[0].notna()]
    began = sessions.assign(
        day=sessions["started_at"].dt.strftime("%Y%m%d"),
        mark=sessions["session_id"].str[-len(_NO_ROOM) :],
    )
    session_of: dict[object, str] = {}
    unclear: dict[object, tuple[str, str]] = {}
    for (day, platform, mark), rows in parts.groupby([0, 1, 2], dropna=False):
        fitting = began[began["day"] == day]
        if isinstance(platform, str):
            fitting = fitting[fitting["platform"] == platform]
            if mark != _NO_ROOM:
                fitting = fitting[fitting["mark"].isin([mark, _NO_ROOM])]
        if len(fitting) == 1:
            session_of |= dict.fromkeys(rows.index, fitting["session_id"].iloc[0])
        else:
            starts = fitting["started_at"].sort_values().dt.strftime("%H:%M")
            dated = f"{day[:4]}-{day[4:6]}-{day[6:]}"
            unclear |= dict.fromkeys(rows.index, (dated, ", ".join(starts) or "-"))
    settled = attributed.index.isin(list(session_of))
    ids = attributed["session_id"].mask(settled, pd.Series(session_of, dtype="object"))
    rows = attributed.assign(
        session_id=ids.astype("str"), why_not=attributed["why_not"].mask(settled)
    )
    if not unclear:
        return rows, nothing_unclear
    of_rows = pd.DataFrame.from_dict(unclear, orient="index", columns=["day", "beside"])
    return rows.drop(index=of_rows.index), attributed.loc[of_rows.index].join(of_rows)


def nothing() -> pd.DataFrame:
    """The columns of `summary` without a row, for a workspace without such a table."""
    return summary(pd.DataFrame({"why_not": pd.Series(dtype="str")}), "orders").iloc[:0]


def summary(attributed: pd.DataFrame, table: str) -> pd.DataFrame:
    """How many rows of a table found their session, in one row.

    Columns: table, rule, rows, attributed, share and a column per reason. A goal or a cost without
    a session's start belongs to the whole account and is not counted.
    """
    rule = reference.tables()[table].attribute.split()[0]
    looking = attributed[~((attributed["why_not"] == "no_time") & (rule == "start"))]
    counts = looking["why_not"].value_counts()
    row = {
        "table": table,
        "rule": rule,
        "rows": len(looking),
        "attributed": int(looking["why_not"].isna().sum()),
    }
    row["share"] = row["attributed"] / row["rows"] if row["rows"] else float("nan")
    return pd.DataFrame([row | {reason: int(counts.get(reason, 0)) for reason in UNATTRIBUTED}])


def _windows(sessions: pd.DataFrame, *, early: float, late: float) -> pd.DataFrame:
    ends = schema.session_ends(sessions)
    return pd.DataFrame(
        {
            "session_id": sessions["session_id"],
            "room_name": sessions["room_name"],
            "platform": sessions["platform"],
            "opens": sessions["started_at"] - pd.Timedelta(minutes=early),
            "starts": sessions["started_at"],
            "ends": ends,
            "closes": ends + pd.Timedelta(minutes=late),
        }
    ).sort_values(["opens", "session_id"], ignore_index=True)


def _within(times: pd.Series, windows: pd.DataFrame) -> pd.DataFrame:
    """For each time the session that holds it (first) and how many do (size).

    A running one beats one held by margins. Worked out once per end of a window and gap between.
    """
    ends = {
        name: windows[name].astype("int64").to_numpy()
        for name in ("opens", "starts", "ends", "closes")
    }
    points = np.unique(np.concatenate(list(ends.values())))
    gaps = np.append((points[:-1] + points[1:]) / 2, np.inf)
    moments = np.stack([points, gaps], axis=1).ravel()[:, None]
    held = (moments >= ends["opens"]) & (moments <= ends["closes"])
    running = held & (moments >= ends["starts"]) & (moments <= ends["ends"])
    best = np.where(running.any(axis=1, keepdims=True), running, held)
    clock = times.astype("int64").to_numpy()
    place = np.searchsorted(points, clock, side="right") - 1
    later = points[place] != clock
    moment = np.where((place >= 0) & times.notna().to_numpy(), 2 * place + later, -1)
    size = np.where(moment >= 0, best.sum(axis=1)[moment], 0)
    first = windows["session_id"].to_numpy()[best.argmax(axis=1)[moment]]
    return pd.DataFrame({"first": first, "size": size}, index=times.index)


def _by_time(
    frame: pd.DataFrame, times: pd.Series, sessions: pd.DataFrame, *, early: float, late: float
) -> tuple[pd.Series, pd.Series]:
    windows = _windows(sessions, early=early, late=late)
    ids = pd.Series(index=frame.index, dtype="str")
    why = pd.Series("no_session", index=frame.index, dtype="str").mask(times.isna(), "no_time")
    keys = [key for key in ("platform", "room_name") if key in frame]
    rooms = set(sessions["room_name"].dropna())
    groups = [((), range(len(frame)))]
    if keys:
        groups = frame.groupby(keys, dropna=False, sort=False).indices.items()
    for key, places in groups:
        of = dict(zip(keys, key if isinstance(key, tuple) else (key,), strict=True))
        fitting = windows
        if isinstance(of.get("platform"), str):
            fitting = fitting[fitting["platform"] == of["platform"]]
        if isinstance(of.get("room_name"), str):
            same = (fitting["room_name"] == of["room_name"]) & (of["room_name"] in rooms)
            fitting = fitting[same | fitting["room_name"].isna()]
        if fitting.empty:
            continue
        index = frame.index[places]
        held = _within(times.loc[index], fitting)
        ids.loc[index] = held["first"].where(held["size"] == 1)
        why.loc[index] = why.loc[index].mask(held["size"] > 1, "several_sessions")
    return ids, why.mask(ids.notna())


def _by_start(
    times: pd.Series, sessions: pd.DataFrame, *, tolerance: float
) -> tuple[pd.Series, pd.Series]:
    starts = sessions[["started_at", "session_id"]].sort_values("started_at")
    rows = pd.DataFrame({"at": times, "row": range(len(times))}).dropna(subset=["at"])
    nearest = pd.merge_asof(
        rows.sort_values("at"),
        starts,
        left_on="at",
        right_on="started_at",
        direction="nearest",
        tolerance=pd.Timedelta(minutes=tolerance),
    )
    nearest = nearest.set_index("row").reindex(range(len(times))).set_axis(times.index)
    twice = nearest["started_at"].isin(starts["started_at"][starts["started_at"].duplicated()])
    near = nearest["session_id"].mask(twice)
    why = pd.Series("no_session", index=times.index, dtype="str").mask(times.isna(), "no_time")
    return near, why.mask(twice, "several_sessions").mask(near.notna())


def _by_order(
    cases: pd.DataFrame, orders: pd.DataFrame | None, column: str
) -> tuple[pd.Series, pd.Series]:
    """By the line, else by the order: the one session of its lines, or that they are of several."""
    ids = pd.Series(index=cases.index, dtype="str")
    if orders is None or orders.empty:
        return ids, ids.fillna("no_order")
    lines = orders.drop_duplicates(column).set_index(column)
    why = cases[column].map(lines["why_not"]) if "why_not" in lines else ids
    ids = cases[column].map(lines["session_id"])
    unknown = ~cases[column].isin(lines.index)
    why = why.mask(unknown, "no_order")
    if "order_id" in cases and "order_id" in orders and unknown.any():
        of_case = cases.loc[unknown, "order_id"].dropna()
        theirs = orders[orders["order_id"].isin(of_case)]
        sessions = theirs.groupby("order_id")["session_id"].agg(["first", "nunique"])
        count = of_case.map(sessions["nunique"])
        first = theirs.drop_duplicates("order_id").set_index("order_id")
        none = of_case.map(first.get("why_not", first["session_id"]))
        ids.loc[of_case.index] = of_case.map(sessions["first"]).where(count == 1).astype("str")
        reason = none.astype("str").mask(count > 1, "several_sessions")
        why.loc[of_case.index] = reason.fillna("no_order")
    return ids, why.mask(ids.notna())


def _ads(
    ads: pd.DataFrame, sessions: pd.DataFrame, *, rules: reference.Attribution
) -> tuple[pd.Series, pd.Series]:
    """Ads rows name a launch (same title and start), an hour, or a day (of a single session)."""
    launch = ads["title"].notna() & ads["slot_seconds"].isna()
    ids, why = _by_time(
        ads,
        ads["started_at"] + pd.to_timedelta(ads["slot_seconds"].fillna(0) / 2, unit="s"),
        sessions,
        early=30,
        late=rules.early_minutes,
    )
    near, _ = _by_start(ads["started_at"], sessions, tolerance=rules.launch_tolerance_minutes)
    same = near.map(sessions.set_index("session_id")["title"]) == ads["title"]
    daily = ads["slot_seconds"] >= 86_400
    days = sessions["started_at"].dt.floor("D")
    by_day = sessions.groupby(days)["session_id"].agg(["first", "size"])
    day = ads["started_at"].dt.floor("D")
    alone = day.map(by_day["first"]).where(day.map(by_day["size"]) == 1)
    ids = ids.mask(launch, near.where(same)).mask(daily, alone)
    why = why.mask(launch, "no_session").mask(
        daily & (day.map(by_day["size"]) > 1), "several_sessions"
    )
    return ids, why.mask(ids.notna())


def _only_live(
    channel: pd.Series, ids: pd.Series, why: pd.Series, *, rules: reference.Attribution
) -> tuple[pd.Series, pd.Series]:
    live = channel.isna() | channel.isin(rules.channels.live) | channel.isin(rules.channels.pending)
    return ids.where(live), why.mask(~live, "not_live")
