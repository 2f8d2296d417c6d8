"""What the name of a file says: when it was exported, and what its cells do not hold."""

import functools
import os
import re

import pandas as pd

from helpers import reference
from helpers.clean.notes import both, note
from helpers.clean.times import times
from helpers.reference import Export, Table


def decoded(name: bytes) -> str:
    """A file's name: UTF-8, or GBK as Chinese Windows packs it; other bytes are written out."""
    for charset in ("utf-8", "gb18030"):
        try:
            return name.decode(charset)
        except UnicodeDecodeError:
            continue
    return name.decode("utf-8", errors="backslashreplace")


def printable(name: str) -> str:
    """A name as the file system gives it, or a path; what is no UTF-8 in it is decoded."""
    return "/".join(decoded(os.fsencode(part)) for part in name.split("/"))


def exact(name: str) -> str:
    """A name as the file system gives it, each byte of it that is no UTF-8 written out."""
    return os.fsencode(name).decode("utf-8", errors="backslashreplace")


def disagreements(frame: pd.DataFrame, export: Export, file: str, timezone: str) -> tuple[str, ...]:
    """A note for each time in the file name that is not the one in the cells; the cells count."""
    notes = []
    for name, stamp in _groups(export.file_name, file).items():
        timed = name in frame and isinstance(frame[name].dtype, pd.DatetimeTZDtype)
        if stamp is None or name == "as_of" or not timed or frame.empty:
            continue
        stated = _moment(stamp, timezone)
        if pd.isna(stated):
            continue
        if ((frame[name] - stated).abs() > pd.Timedelta(minutes=1)).all():
            column = reference.tables()[export.table].columns[name]
            times = {"stated": f"{stated:{_SECOND}}", "found": f"{frame[name].iloc[0]:{_SECOND}}"}
            notes.append(note("file_name_time", column=both(column), **times))
    return tuple(notes)


def named_group(pattern: str | None, words: str, group: str) -> str | None:
    """What a pattern finds in words for one of its groups."""
    return _groups(pattern, words).get(group)


def _groups(pattern: str | None, words: str) -> dict[str, str | None]:
    match = re.search(pattern, words) if pattern else None
    return match.groupdict() if match else {}


def exported_at(file: str, export: Export | None, *, timezone: str) -> pd.Timestamp:
    """When a file was exported, as its name says; else missing.

    The group `as_of` of `file_name`, a leading epoch, or the last 14 digits.
    """
    stamp = named_group(export.file_name, file, "as_of") if export else None
    if stamp is None:
        stamped = re.match(r"(1\d{9})_", file) or re.search(r"[_-](20\d{12})\.\w+$", file)
        stamp = stamped[1] if stamped else None
    if stamp is None:
        return pd.NaT
    if re.fullmatch(r"20\d{6}(?:\d{6})?", stamp):
        form = "%Y%m%d%H%M%S" if len(stamp) == 14 else "%Y%m%d"
        moment = pd.to_datetime(stamp, format=form, errors="coerce")
        if pd.isna(moment):  # digits that are no date: an order's or a batch's number
            return pd.NaT
        stamp = moment.isoformat(" ")
    return _moment(stamp, timezone)


def not_before(
    exported: pd.Timestamp, frame: pd.DataFrame, table: Table
) -> tuple[pd.Timestamp, tuple[str, ...]]:
    """The time of an export, which is not before its own rows: the latest of these, and a note."""
    if pd.isna(exported):
        return exported, ()
    happened = [
        frame[name].dropna()
        for name, column in table.columns.items()
        if column.kind == "datetime" and not column.ahead and name in frame
    ]
    if not any(len(at) and at.max() > exported for at in happened):
        return exported, ()
    every = pd.concat([at for at in happened if len(at)])
    # a date far from all others is no time of the export
    latest = every[every <= every.median() + _FAR].max()
    if latest <= exported:
        return exported, ()
    day_alone = exported == exported.normalize() and latest.date() == exported.date()
    times = {"stated": f"{exported:{_MINUTE}}", "found": f"{latest:{_MINUTE}}"}
    return latest, () if day_alone else (note("export_time", **times),)


_FAR = pd.Timedelta(days=366)
_SECOND, _MINUTE = "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"
_DAY = r"(20\d\d[-/.]?\d\d[-/.]?\d\d)(?!\d)"
_PERIOD = re.compile(rf"(?<!\d){_DAY}\D{{1,20}}{_DAY}")


def period(words: str, *, timezone: str) -> tuple[pd.Timestamp, pd.Timestamp]:
    """The first two days that words state as a period, its end included; else missing."""
    match = _PERIOD.search(words)
    if match is None:
        return pd.NaT, pd.NaT
    days = [re.sub(r"\D", "", day) for day in match.groups()]
    begin, end = (_moment(f"{day[:4]}-{day[4:6]}-{day[6:]}", timezone) for day in days)
    return begin, end + pd.Timedelta(days=1)


_BEGAN = re.compile(rf"(?<!\d){_DAY}(?:[ T_日]*(\d\d)[-:：点时_]?(\d\d)(?!\d))?")


def start(words: str, *, timezone: str) -> tuple[pd.Timestamp, bool]:
    """The one day that words name, and whether with a clock; missing where none or several."""
    named = {match.group(1, 2, 3) for match in _BEGAN.finditer(words)}
    if len(named) != 1:
        return pd.NaT, False
    day, hour, minute = named.pop()
    day = re.sub(r"\D", "", day)
    clock = f" {hour}:{minute}" if hour else ""
    return _moment(f"{day[:4]}-{day[4:6]}-{day[6:]}{clock}", timezone), bool(hour)


@functools.lru_cache(maxsize=256)
def _moment(stamp: str, timezone: str) -> pd.Timestamp:
    return times(pd.Series([stamp], dtype="str"), timezone=timezone).values.iloc[0]
