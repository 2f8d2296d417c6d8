"""What kind of day it is: shopping festivals, working days with their make-up days."""

import datetime as dt
import functools
from collections.abc import Iterable

import chinese_calendar
import holidays

from helpers import reference

CHINESE = {"douyin", "taobao", "xiaohongshu", "shipinhao"}


def festival_of(
    day: dt.date, platform: str, calendar: Iterable[reference.Festival]
) -> tuple[reference.Festival, int] | None:
    """The shopping festival a day lies in and its offset in days from the festival's day, or None.

    Rows for the platform count before rows for `all`, the Chinese platforms; the window begins with
    the presale where known. Of overlapping festivals the one whose day is nearer.
    """
    rows = [
        row
        for row in calendar
        if row.platform == platform or (row.platform == "all" and platform in CHINESE)
    ]
    dated = {(row.festival, row.year) for row in rows if row.platform == platform}
    festivals = [
        row
        for row in rows
        if (row.platform == platform or (row.festival, row.year) not in dated)
        and min(row.presale_from or row.starts_on, row.starts_on) <= day <= row.ends_on
    ]
    nearest = min(festivals, key=lambda row: abs((day - row.day).days), default=None)
    return (nearest, (day - nearest.day).days) if nearest else None


@functools.cache
def _statutory(year: int) -> frozenset[dt.date]:
    return frozenset(holidays.China(years=year))


@functools.cache
def day_class(day: dt.date, platform: str) -> str:
    """The kind of day: `work` or `rest`.

    On Chinese platforms by the State Council's calendar (where a year's make-up days are not
    announced, weekends and statutory holidays), else by weekday.
    """
    if platform not in CHINESE:
        return "rest" if day.weekday() >= 5 else "work"
    try:
        return "work" if chinese_calendar.is_workday(day) else "rest"
    except NotImplementedError:
        return "rest" if day.weekday() >= 5 or day in _statutory(day.year) else "work"


def calendar_gap(day: dt.date) -> bool:
    """Whether the make-up days of this day's year are not known yet (调休未公布)."""
    try:
        chinese_calendar.is_workday(day)
    except NotImplementedError:
        return True
    return False
