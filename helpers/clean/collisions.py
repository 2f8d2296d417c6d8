"""Rows that share a key and are no one record: told apart by evidence, or asked about.

Two rooms that go on air in one minute have one session id where the export names no room. Whether
a later row is the same session counted anew is told by its title, its length, its figures, which
never shrink, and by the other sessions of its file: exports of one room agree on most of them,
those of two rooms on none. So it is with days, and products of a period, of two accounts.
"""

from __future__ import annotations

import collections
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean.cells import all_differ
from helpers.clean.history import SINCE
from helpers.reference import schema

MEMBER = "member"
# figures that only grow while a session is on air and stay once it has ended
_GROWING = ("views", "viewers", "room_exposure_times", "comments", "likes", "pay_users", "orders")
_SHRUNK, _GROWN = 0.9, 1.5  # newer by older: a correction; what late counting adds
_COUNTED = ("users", "times", "count", "money")
_SAME_LENGTH = 60  # seconds
_PLACE = ["source_file", "source_sheet"]
_PERIOD = ("period_from", "period_to")
_PROVEN = 9  # votes of an id that the export states


def numbered(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """With `MEMBER`: which record of its key each row is, where a sheet holds several of one key.

    Rows are alike where the columns agree that complete the key (`tables.yml`), in whatever order
    they stand; of equal ones the nth of each sheet. `frame` is sorted by the time of the export.
    """
    entry = reference.tables()[table]
    one = frame.assign(**{MEMBER: 1})
    key = [name for name in entry.key if name in frame]
    if not entry.completes or "session_id" in key or all_differ(frame[key[-1]]):
        return one
    twice = frame.duplicated([*key, *_PLACE], keep=False)
    if not twice.any():
        return one
    group = frame.groupby(key, dropna=False, sort=False).ngroup()
    rows = frame[group.isin(group[twice])]
    of_key = group.loc[rows.index]
    content = pd.DataFrame({"key": of_key})
    for name in entry.completes:
        always = rows[name].notna().groupby(of_key).transform("all")
        number = entry.columns[name].kind in schema.NUMBERS
        values = -rows[name].round(2) if number else rows[name]  # the largest is the first
        content[name] = pd.factorize(values, sort=True)[0]
        content[name] = content[name].where(always, -1)
    names = list(content)
    content["nth"] = rows.assign(**content).groupby([*names, *_PLACE], dropna=False).cumcount()
    content[SINCE] = rows[SINCE].to_numpy()
    first = content.groupby([*names, "nth"], sort=False)[SINCE].min().reset_index()
    first = first.sort_values(["key", SINCE, *names[1:], "nth"], kind="stable")
    first[MEMBER] = first.groupby("key").cumcount() + 1
    number = content.merge(first.drop(columns=SINCE), on=[*names, "nth"], how="left")[MEMBER]
    one.loc[rows.index, MEMBER] = number.to_numpy()
    return one


def with_numbers(frame: pd.DataFrame, table: str) -> pd.DataFrame:
    """Without `MEMBER`: an id of the key that several records share bears their number."""
    key, number = reference.tables()[table].key, frame[MEMBER]
    frame = frame.drop(columns=MEMBER)
    if not (number > 1).any() or reference.tables()[table].columns[key[-1]].kind != "id":
        return frame
    name = key[-1]
    return frame.assign(**{name: frame[name].mask(number > 1, frame[name] + "-" + number.map(str))})


class Rooms(NamedTuple):
    """Sessions told apart: rows with their ids, and those that may be of either (`unclear`).

    `ids` gives the ids that sessions have now, by file, sheet, row and id before, `of_file` by file
    and id before; `shared` are the ids that were those of several.
    """

    rows: pd.DataFrame
    unclear: pd.DataFrame
    ids: dict[tuple, str]
    of_file: dict[tuple, set[str]]
    shared: frozenset[str]


def accounts(frame: pd.DataFrame, table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows, and those of keys that two sheets without a room state as two accounts would.

    A newer export of one account agrees with the older in most of what both state: figures of a
    time that was over do not change much. Of two accounts they do, and their rows are unclear;
    `beside` names the files. `frame` is sorted by the time of the export.
    """
    entry = reference.tables()[table]
    key = [name for name in entry.key if name != "room_name"]
    if "room_name" not in entry.key or frame.empty:
        return frame, frame.iloc[:0].assign(beside="")
    rows = frame[frame["room_name"].isna()].dropna(subset=key)
    figures = [name for name, column in entry.columns.items() if column.kind in _COUNTED]
    place = rows.groupby(_PLACE, dropna=False, sort=False).ngroup()
    of_key = rows.assign(place=place).groupby(key, sort=False)
    older = of_key[[*figures, SINCE, "place"]].shift()
    both = rows[figures].notna() & older[figures].notna()
    # what is counted before its day is over still grows
    part = rows[entry.key[-1]] + pd.Timedelta(days=1) > older[SINCE]
    grown = (rows[figures] > _GROWN * older[figures]).mul(~part, axis=0)
    off = both & (grown | (rows[figures] < _SHRUNK * older[figures]))
    pair = older["place"].notna() & (older["place"] != place)
    differs = pair & off.any(axis=1) & (2 * off.sum(axis=1) >= both.sum(axis=1))
    sheets = [np.fmin(older["place"], place), np.fmax(older["place"], place)]
    votes = (differs * 2 - 1).where(pair, 0).groupby(sheets).transform("sum")
    two = (differs & (votes > 0)).groupby([rows[name] for name in key]).transform("any")
    unclear = rows[two]
    files = unclear.groupby(key)["source_file"].transform(lambda names: ", ".join(names.unique()))
    return frame.drop(index=unclear.index), unclear.assign(beside=files)


def without_period(frame: pd.DataFrame, table: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows, and those of sheets that state no period and figures that contradict each other's.

    They may be of two periods, or one newer than the other: nothing tells. All rows of such sheets
    are unclear; `beside` names the files.
    """
    entry = reference.tables()[table]
    times = [name for name in entry.key if name in _PERIOD and name in frame]
    if len(times) < len(_PERIOD) or frame.empty:
        return frame, frame.iloc[:0].assign(beside="")
    rows = frame[frame[times].isna().any(axis=1)]
    place = rows.groupby(_PLACE, dropna=False, sort=False).ngroup()
    figures = [name for name, column in entry.columns.items() if column.kind in _COUNTED]
    key = [rows[name] for name in entry.key if name not in times]
    several = place.groupby(key, dropna=False).transform("nunique") > 1
    off = several & (rows[figures].groupby(key, dropna=False).transform("nunique") > 1).any(axis=1)
    unclear = rows[place.isin(place[off])]
    files = ", ".join(unclear["source_file"].unique())
    return frame.drop(index=unclear.index), unclear.assign(beside=files)


class _Session:
    """A session of an id: its newest row, and the sheet that it stands in."""

    def __init__(self) -> None:
        self.id, self.label, self.sheet = "", -1, ("", "")


def rooms(frame: pd.DataFrame) -> Rooms:
    """Sessions of one id that are of two rooms get two; `frame` is sorted by time of export."""
    nothing = Rooms(frame, frame.iloc[:0], {}, {}, frozenset())
    unnamed = frame[frame["room"].isna()]
    unnamed = unnamed[unnamed["session_id"].duplicated(keep=False)]
    doubted = unnamed[unnamed["session_id"].isin(_contradicted(unnamed))]
    if doubted.empty:
        return nothing
    evidence = _Evidence(frame[frame["room"].isna()])
    sessions: dict[str, list[_Session]] = collections.defaultdict(list)
    session_of: dict[int, _Session] = {}
    for (*sheet, before), rows in doubted.groupby([*_PLACE, "session_id"], sort=False):
        titles = set(frame.loc[[session.label for session in sessions[before]], "title"])
        rows = rows.assign(new=~rows["title"].isin(titles)).sort_values(["new", "title"])
        taken: list[_Session] = []
        for label in rows.index:
            mine = evidence.session_of(label, tuple(sheet), sessions[before], taken)
            if mine is None:
                continue
            if not mine.id:
                mine.id = _new_id(frame.loc[label], sessions[before])
                sessions[before].append(mine)
            mine.label, mine.sheet = label, tuple(sheet)
            session_of[label] = mine
            taken.append(mine)
    unclear = doubted[~doubted.index.isin(list(session_of))]
    shared = {before for before, several in sessions.items() if len(several) > 1}
    shared |= set(unclear["session_id"])
    now = frame["session_id"].copy()
    now.loc[list(session_of)] = [session.id for session in session_of.values()]
    ids: dict[tuple, str] = {}
    of_file: dict[tuple, set[str]] = collections.defaultdict(set)
    touched = doubted[doubted["session_id"].isin(shared) & doubted.index.isin(list(session_of))]
    for label, place in touched[[*schema.TRACE, "session_id"]].iterrows():
        ids[tuple(place)] = now[label]
        of_file[place["source_file"], place["session_id"]].add(now[label])
    rows = frame.assign(session_id=now).drop(index=unclear.index)
    return Rooms(rows, unclear, ids, dict(of_file), frozenset(shared))


def renamed(frame: pd.DataFrame, table: str, told_apart: Rooms) -> pd.DataFrame:
    """Rows of another table with the ids that sessions have now; none where it may be several."""
    if "session_id" not in frame:
        return frame
    hit = frame["session_id"].isin(told_apart.shared)
    if not hit.any():
        return frame
    ids = []
    for place in frame.loc[hit, [*schema.TRACE, "session_id"]].itertuples(index=False, name=None):
        of_file = told_apart.of_file.get((place[0], place[-1]), set())
        alone = next(iter(of_file)) if len(of_file) == 1 else None
        ids.append(told_apart.ids.get(place) if table == "reported" else alone)
    column = frame["session_id"].astype("object")
    column[hit] = ids
    frame = frame.assign(session_id=column.astype(frame["session_id"].dtype))
    return frame[frame["session_id"].notna() | ~hit] if table == "reported" else frame


def _contradicted(rows: pd.DataFrame) -> pd.Index:
    """Ids of which rows differ in title, in length, or in figures by more than a correction."""
    by_id = rows.groupby("session_id")
    several = by_id[["title", "room_name"]].nunique().max(axis=1) > 1
    if schema.MARK in rows:
        several |= by_id[schema.MARK].nunique() > 1
    figures = by_id[list(_GROWING)]
    several |= (figures.max() > _GROWN * figures.min()).any(axis=1)
    several |= (figures.min() < _SHRUNK * figures.max()).any(axis=1)
    lengths = by_id["duration_seconds"]
    several |= lengths.max() - lengths.min() > _SAME_LENGTH
    # of one sheet no two rows are one session counted anew
    several |= rows.duplicated([*_PLACE, "session_id"]).groupby(rows["session_id"]).any()
    return several.index[several]


class _Evidence:
    """What the rows of sessions without a room say of each other."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self.rows = rows
        self.sheets = dict(iter(rows.groupby(_PLACE, dropna=False, sort=False)))
        self.related: dict[tuple, bool | None] = {}

    def session_of(
        self, label: int, sheet: tuple, sessions: list[_Session], taken: list[_Session]
    ) -> _Session | None:
        """The session whose newest state a row is, or a new one; None where both may be."""
        fits, unclear = [], False
        for session in sessions:
            if session in taken:  # a sheet lists a session once
                unclear |= not self._another(session.label, label)
                continue
            votes = self._votes([session.label], [label], self.sheets[session.sheet]).iloc[0]
            two_rooms = votes["sum"] < 0 and votes["against"] >= 2
            related = None if votes["sum"] > 0 else self._related(session.sheet, sheet)
            if votes["sum"] > 0 or (related and votes["against"] < _PROVEN):
                fits.append((votes["sum"], session))
            elif not two_rooms and related is None:
                unclear = True
        if fits:
            return max(fits, key=lambda fit: fit[0])[1]
        return None if unclear else _Session()

    def _another(self, one: int, other: int) -> bool:
        """Whether two rows of one sheet are two rooms: by their marks, else title and figures."""
        pair = self.rows.loc[[one, other]]
        if schema.MARK in pair and pair[schema.MARK].notna().all():
            return pair[schema.MARK].nunique() > 1
        columns = reference.tables()["sessions"].columns
        figures = [name for name in columns if columns[name].kind in schema.NUMBERS]
        return pair["title"].nunique() > 1 and (pair[figures].nunique() > 1).any()

    def _related(self, older: tuple, newer: tuple) -> bool | None:
        """Whether two sheets are of one room; None where their sessions do not tell."""
        if (older, newer) not in self.related:
            old, new = (
                self.sheets[sheet].drop_duplicates("session_id", keep=False)
                for sheet in (older, newer)
            )
            both = old.reset_index().merge(new.reset_index(), on="session_id")
            votes = self._votes(both["index_x"], both["index_y"], self.sheets[older])
            same = (votes["sum"] > 0).sum()
            other = ((votes["sum"] < 0) & (votes["against"] >= 2)).sum()
            two_rooms = other > 0 and same == 0
            self.related[older, newer] = True if same > other else False if two_rooms else None
        return self.related[older, newer]

    def _votes(self, old: list[int], new: list[int], older: pd.DataFrame) -> pd.DataFrame:
        """For pairs of rows the sum of what speaks for one session (1) or two (-1).

        `against`: how many speak for two. Title, room name, length and figures speak; the id that
        the export states is proof. The last session of the older export may still have been on air.
        """
        before = self.rows.loc[old].reset_index(drop=True)
        after = self.rows.loc[new].reset_index(drop=True)
        votes = {}
        for name in ("title", "room_name"):
            both = before[name].notna() & after[name].notna()
            votes[name] = np.where(before[name] == after[name], 1, -1) * both
        figures = [before[list(_GROWING)], after[list(_GROWING)]]
        stated = figures[0].gt(0) & figures[1].notna()
        ratio = (figures[1] / figures[0]).where(stated)
        lasted = after["duration_seconds"] - before["duration_seconds"]
        on_air = before["started_at"].eq(older["started_at"].max()) & (lasted > _SAME_LENGTH)
        on_air &= ~(ratio < 1).any(axis=1)
        alike = ~((ratio < _SHRUNK) | (ratio > _GROWN)).any(axis=1)
        votes["figures"] = np.where(alike, 1, -1) * stated.any(axis=1) * ~on_air
        votes["length"] = np.where(lasted.abs() <= _SAME_LENGTH, 1, -1) * lasted.notna() * ~on_air
        votes = pd.DataFrame(votes)
        counted = pd.DataFrame({"sum": votes.sum(axis=1), "against": (votes < 0).sum(axis=1)})
        if schema.MARK in before:
            both = before[schema.MARK].notna() & after[schema.MARK].notna()
            same = both & (before[schema.MARK] == after[schema.MARK])
            counted = counted.mask(both, -_PROVEN).assign(
                against=counted["against"].mask(both, _PROVEN)
            )
            counted = counted.assign(
                sum=counted["sum"].mask(same, _PROVEN), against=counted["against"].mask(same, 0)
            )
        return counted


def _new_id(row: pd.Series, others: list[_Session]) -> str:
    """The first session of an id keeps it; others are marked by their title."""
    if not others:
        return row["session_id"]
    title = row["title"] if isinstance(row["title"], str) else ""
    taken = {session.id for session in others}
    marks = [f"{title}#{number}" if number else title or "#" for number in range(len(taken) + 9)]
    ids = [schema.session_id(row["platform"], mark, row["started_at"]) for mark in marks]
    return next(id_ for id_ in ids if id_ not in taken)
