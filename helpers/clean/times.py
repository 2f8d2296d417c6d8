"""Cells become dates and times, and ranges of times their ends."""

import datetime as dt
import re
import unicodedata
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from helpers.clean.cells import Parsed, each_once, filled, is_instance, words

DayOrder = Literal["day", "month", "year", "mixed", "open"]
ZERO_DAY = dt.datetime(1899, 12, 30)
_LAST = pd.Timestamp(9999, 12, 30)
_ERA_1904 = 1462  # days from the zero day of most workbooks to that of 1904
_YMD = re.compile(
    r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[ T_]*(?:(上午|下午|中午|晚上|凌晨)?\s*)"
    r"(\d{1,2})(?:[:\-_时点](\d{1,2})(?:[:\-_分](\d{1,2})(?:\.\d+)?)?)?[秒分时点]?)?"
    r"\s*(am|pm)?\s*(z|utc|[+-][01]\d:?[0-5]\d)?$",
    re.IGNORECASE,
)
_CLOCK = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
YEAR_LAST = (
    r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4}|\d{2})"
    r"(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?)?\s*(?i:(am|pm))?"
    r"\s*(?i:(z|utc|[+-][01]\d:?[0-5]\d))?$"
)
_LATE, _EARLY = ("pm", "下午", "晚上", "中午"), ("am", "上午", "凌晨")
_HOURS = 30  # 25:30 is half past one of the next day
_DOUBTS = {"open": "ambiguous_date", "mixed": "contradicting_dates"}
_PLACES = {"day": (2, 1, 0), "month": (2, 0, 1), "year": (0, 1, 2)}  # of year, month and day
_DIGITS_ONLY = re.compile(r"(20\d\d)([01]\d)([0-3]\d)(?:([0-2]\d)([0-5]\d)([0-5]\d)?)?")
_LETTERS = re.compile("[A-Za-z]{3}")
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_NAME = rf"({'|'.join(_MONTHS)})[a-z]*\.?"
_WEEKDAY = r"^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*\.?,?\s+"
_YEAR = r"(\d{4}|\d{2})(?!\d)(?:\s*,|\s+at\b)?"
_MONTH_DAY = re.compile(rf"^{_NAME}\s+(\d{{1,2}})(?:st|nd|rd|th)?,?\s+{_YEAR}")
_DAY_MONTH = re.compile(rf"^(\d{{1,2}})(?:st|nd|rd|th)?[\s-]*{_NAME}[\s,-]*{_YEAR}")
_WEEKDAY_ZH = r"[(]?(?:星期|周|礼拜)[一二三四五六日天][)]?"
_OFFSET = re.compile(
    r"(?<=[\d apm])\s*\(?(?:gmt|utc)?\s*(?<![\d/.-])([+-])(\d{1,2})(?::?(\d{2}))?\)?$"
)
_MOMENT = (
    r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?(?:[ T_]*\d{1,2}[:\-时]\d{1,2}(?:[:\-分]\d{1,2}秒?)?)?"
)
_CLOCK_ALONE = r"\d{1,2}:\d{2}(?::\d{2})?"
_DAY_AND_CLOCK = (
    r"(\d{4})\D(\d{1,2})\D(\d{1,2})日?(?:[ T_]*(\d{1,2})[:\-时](\d{1,2})(?:[:\-分](\d{1,2})秒?)?)?"
)
_RANGE = rf"^({_MOMENT})\s*(?:[~～—–]|至|到|-)+\s*({_MOMENT}|\d{{1,2}}:\d{{2}}(?::\d{{2}})?)$"


def ends_of(cells: pd.Series, *, part: Literal["start", "end"]) -> pd.Series:
    """One end of ranges such as `2026/07/28 08:15:49-2026/07/28 15:44:39`; other text stays."""
    written = words(cells)
    ends = written.str.extract(_RANGE)
    if part == "end":
        clocks = ends[1].str.fullmatch(_CLOCK_ALONE, na=False)
        ends.loc[clocks, 1] = [_on_day_of(*both) for both in ends[clocks].to_numpy()]
    return ends[0 if part == "start" else 1].fillna(written)


def _on_day_of(start: str, clock: str) -> str:
    """The moment of a clock that follows a start: of its day, or of the next."""
    year, month, day, *begin = map(int, re.fullmatch(_DAY_AND_CLOCK, start).groups(default="0"))
    parts = [int(part) for part in clock.split(":")]
    try:
        date = dt.date(year, month, day) + dt.timedelta(days=parts < begin[: len(parts)])
    except (ValueError, OverflowError):  # a day that no calendar has
        return clock
    return f"{date} {clock}"


_NEAR, _LONGEST_STEP = 600, 900  # seconds


def are_clocks(cells: pd.Series) -> bool:
    """Whether a column holds clocks without a day alone, or whole numbers that count from 0."""
    written = words(cells).dropna()
    if len(written) < 2:
        return False
    return bool(written.str.fullmatch(_CLOCK_ALONE).all() or _counts(written))


def _counts(written: pd.Series) -> bool:
    return written.tolist() == [str(number) for number in range(len(written))]


def on_start(cells: pd.Series, start: dt.datetime, *, clock: bool) -> pd.Series | None:
    """Clocks (`are_clocks`) as moments of a session of this start; None where they fit none.

    Those from 00:00 on are what has passed since the start, unless it began at midnight. Without
    `clock` the start is a day alone, to which clocks can be fitted and what has passed cannot.
    """
    written = words(cells).dropna()
    if _counts(written):
        seconds = 60 * pd.to_numeric(written)
    else:
        parts = written.str.split(":", expand=True).astype("float64").fillna(0)
        seconds = (parts * [3600, 60, 1][: parts.shape[1]]).sum(axis=1)
    seconds += 86_400 * (seconds.diff() < -43_200).cumsum()
    step = seconds.diff().median()
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    began = (start - midnight).total_seconds()
    first = seconds.iloc[0]
    passed = first <= 60 and _NEAR < began < 86_400 - _NEAR
    if not 0 < step <= _LONGEST_STEP or (not clock and first <= 60):
        return None
    if _counts(written) or passed:
        base = start.replace(second=0, microsecond=0)
    else:
        base = midnight + dt.timedelta(days=int(clock and first < began - _NEAR))
    moments = pd.Timestamp(base) + pd.to_timedelta(seconds, unit="s")
    return moments.dt.strftime("%Y-%m-%d %H:%M:%S").reindex(cells.index).astype("object")


def plain_date(written: str) -> str:
    """A date with its month as a number, its offset as +08:00, without the day of the week.

    `Apr 12, 2026`, `12-Apr-26`, `GMT+8` and 20260412 are read so, in letters of any width; other
    text stays.
    """
    if match := _DIGITS_ONLY.fullmatch(written):
        date, clock = "-".join(match.group(1, 2, 3)), ":".join(filter(None, match.group(4, 5, 6)))
        return f"{date} {clock}".strip()
    written = re.sub(_WEEKDAY_ZH, "", unicodedata.normalize("NFKC", written))
    written = re.sub(r"\b([AaPp])\. ?([Mm])\.", r"\1\2", written)
    if not (_LETTERS.search(written) or "+" in written):
        return written
    low = re.sub(_WEEKDAY, "", written.lower())
    for pattern, places in ((_MONTH_DAY, (3, 1, 2)), (_DAY_MONTH, (3, 2, 1))):
        if match := pattern.match(low):
            year, name, day = (match[place] for place in places)
            low = f"{year.rjust(4, '0').replace('00', '20', 1) if len(year) == 2 else year}"
            low += f"-{_MONTHS.index(name) + 1:02}-{int(day):02}{match.string[match.end() :]}"
            break
    low = re.sub(r"\s*\(?gmt\)?$", " utc", low)
    if match := _OFFSET.search(low):
        low = f"{low[: match.start()]}{match[1]}{int(match[2]):02}:{match[3] or '00'}"
    return low


@each_once
def times(
    cells: pd.Series,
    *,
    timezone: str,
    order: DayOrder | None = None,
    swapped: bool = False,
    era_1904: bool = False,
) -> Parsed:
    """Dates and times as datetime64[us, timezone].

    In ISO and Chinese forms, as `2025-09-08_00-00-46`, with names of months, with day or month
    first, as Excel serials (from 1904 with `era_1904`) or epochs. With `swapped` the day and the
    month of date cells change places. Clocks without a zone are the workspace's. An hour that
    summer time repeats is standard time, one that it skips moves forward.
    """
    native = is_instance(cells, dt.date)
    written = filled(cells).mask(native)
    naive = _clocks(written)
    if native.any():
        of_workbook = pd.to_datetime(cells[native].astype("object")).astype("datetime64[us]")
        of_workbook = _turned(of_workbook) if swapped else of_workbook
        naive = naive.mask(native, of_workbook)
    values = _localised(naive, timezone)
    rest = written.notna() & naive.isna()
    if rest.any():
        keys = pd.Series(written[rest].unique(), dtype="str")
        plain = keys.map(plain_date).astype("str")
        moments = _moments(plain, timezone=timezone, order=order, era_1904=era_1904)
        read = pd.Series(moments.array, index=pd.Index(keys))
        values = values.mask(rest, written[rest].map(read))
    unread = (written.notna() | native) & values.isna()
    if order not in _DOUBTS or not unread.any():
        return Parsed(values, unread, "not_a_date")
    year_last = written.where(unread).str.match(YEAR_LAST, na=False)
    return Parsed(values, unread, year_last.map({True: _DOUBTS[order], False: "not_a_date"}))


def _turned(days: pd.Series) -> pd.Series:
    """Dates with day and month in each other's place; days above 12 stay."""
    low = days.dt.day <= 12
    parts = {"year": days.dt.year, "month": days.dt.day.where(low, 1), "day": days.dt.month}
    return days.mask(low, pd.to_datetime(parts) + (days - days.dt.normalize()))


def _clocks(written: pd.Series) -> pd.Series:
    whole = pa.array(written, pa.large_string(), from_pandas=True)
    full = pc.match_substring_regex(whole, _CLOCK)
    try:
        stamps = pc.if_else(full, whole, None).cast(pa.timestamp("us"))
        clocks = stamps.to_numpy(zero_copy_only=False).copy()
    except pa.ArrowInvalid:  # a day that no calendar has
        clocks = np.full(len(written), np.datetime64("NaT", "us"))
        full = pa.repeat(False, len(written))
    short = ~full.fill_null(True).to_numpy(zero_copy_only=False)
    others = pd.to_datetime(written[short], format="%Y-%m-%d %H:%M:%S", errors="coerce")
    clocks[short] = others.astype("datetime64[us]").to_numpy()
    return pd.Series(clocks, index=written.index)


def _localised(naive: pd.Series, timezone: str) -> pd.Series:
    # the last hours of the calendar are beyond it elsewhere; so late is impossible all the same
    return naive.clip(upper=_LAST).dt.tz_localize(
        timezone, ambiguous=np.zeros(len(naive), dtype=bool), nonexistent="shift_forward"
    )


def _moments(
    keys: pd.Series, *, timezone: str, order: DayOrder | None, era_1904: bool
) -> pd.Series:
    clocks, offsets = zip(*(_clock(key, order) for key in keys), strict=True)
    naive = pd.Series(np.array(clocks, dtype="datetime64[us]"), index=keys.index)
    moments = _localised(naive, timezone)
    for offset in {*offsets} - {None}:
        here = np.array([stated == offset for stated in offsets])
        zone = "UTC" if offset.upper() in ("Z", "UTC") else f"UTC{offset[:3]}:{offset[-2:]}"
        moments = moments.mask(here, naive[here].dt.tz_localize(zone).dt.tz_convert(timezone))
    if moments.isna().any():
        moments = moments.fillna(_serials(keys, timezone, _ERA_1904 if era_1904 else 0))
    return moments


def _clock(key: str, order: DayOrder | None) -> tuple[dt.datetime | None, str | None]:
    """The clock that a text shows, and the offset from UTC that it states."""
    if match := _YMD.match(key):
        *date, spoken, hour, minute, second, half, offset = match.groups()
    elif order in _PLACES and (match := re.match(YEAR_LAST, key)):
        *date, hour, minute, second, half, offset = match.groups()
        date, spoken = [date[place] for place in _PLACES[order]], None
    else:
        return None, None
    year, month, day, hours, minutes, seconds = (
        int(part or 0) for part in (*date, hour, minute, second)
    )
    half = (spoken or half or "").lower()
    hours += 12 * (half in _LATE and hours < 12) - 12 * (half in _EARLY and hours == 12)
    later, hours = divmod(hours, 24) if hours < _HOURS else (0, hours)
    try:
        clock = dt.time(hours, minutes, seconds)
        moment = dt.datetime.combine(dt.date(year + 2000 * (year < 100), month, day), clock)
        return moment + dt.timedelta(days=later), offset
    except (ValueError, OverflowError):  # a day that no calendar has, a time that no clock shows
        return None, None


def _serials(keys: pd.Series, timezone: str, later: int) -> pd.Series:
    """Excel's days (2000 to 2099) as local clocks; epoch (milli)seconds as moments."""
    # 1.77254E+12 has lost its minutes
    number = pd.to_numeric(keys.mask(keys.str.contains("e", case=False)), errors="coerce")
    number = number.astype("float64")
    days = (number + later).where((number + later >= 36526) & (number + later < 73051))
    clock = pd.Timestamp(ZERO_DAY) + pd.to_timedelta((days * 86400).round(), unit="s")
    milliseconds = (number / 1000).where((number >= 1e12) & (number < 4.2e12))
    epoch = number.where((number >= 1e9) & (number < 4.2e9)).fillna(milliseconds)
    moment = pd.to_datetime(epoch, unit="s", utc=True).astype("datetime64[us, UTC]")
    local = _localised(clock.astype("datetime64[us]"), timezone)
    return local.fillna(moment.dt.tz_convert(timezone))
