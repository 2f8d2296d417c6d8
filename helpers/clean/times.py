"""Cells become dates and times, and ranges of times their ends."""

import datetime as dt
import re
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from helpers.clean.cells import Parsed, each_once, filled, is_instance, words

DayOrder = Literal["day", "month", "mixed", "open"]
ZERO_DAY = dt.datetime(1899, 12, 30)
_YMD = re.compile(
    r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?"
    r"(?:[ T_]*(?:(上午|下午|中午|晚上|凌晨)?\s*)"
    r"(\d{1,2})(?:[:\-_时点](\d{1,2})(?:[:\-_分](\d{1,2})(?:\.\d+)?)?)?[秒分时点]?)?"
    r"\s*(am|pm)?\s*(z|utc|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
_CLOCK = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
YEAR_LAST = (
    r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})"
    r"(?:[ ,T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?)?\s*(?i:(am|pm))?$"
)
_MOMENT = (
    r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?(?:[ T_]*\d{1,2}[:\-时]\d{1,2}(?:[:\-分]\d{1,2}秒?)?)?"
)
_RANGE = rf"^({_MOMENT})\s*(?:[~～—–]|至|到|-)+\s*({_MOMENT}|\d{{1,2}}:\d{{2}}(?::\d{{2}})?)$"


def ends_of(cells: pd.Series, *, part: Literal["start", "end"]) -> pd.Series:
    """One end of ranges such as `2026/07/28 08:15:49-2026/07/28 15:44:39`; other text stays."""
    written = words(cells)
    ends = written.str.extract(_RANGE)
    return ends[0 if part == "start" else 1].fillna(written)


@each_once
def times(cells: pd.Series, *, timezone: str, order: DayOrder | None = None) -> Parsed:
    """Dates and times as datetime64[us, timezone].

    In ISO and Chinese forms, as `2025-09-08_00-00-46`, with day or month first, as Excel serials or
    epochs. Clocks without a zone are the workspace's. An hour that summer time repeats is standard
    time, one that it skips moves forward.
    """
    native = is_instance(cells, dt.date)
    written = filled(cells).mask(native)
    naive = _clocks(written)
    if native.any():
        of_workbook = pd.to_datetime(cells[native].astype("object")).astype("datetime64[us]")
        naive = naive.mask(native, of_workbook)
    values = _localised(naive, timezone)
    rest = written.notna() & naive.isna()
    if rest.any():
        keys = pd.Series(written[rest].unique(), dtype="str")
        read = pd.Series(_moments(keys, timezone=timezone, order=order).array, index=pd.Index(keys))
        values = values.mask(rest, written[rest].map(read))
    unread = (written.notna() | native) & values.isna()
    doubtful = order in ("open", "mixed") and written[unread].str.match(YEAR_LAST).any()
    return Parsed(values, unread, "ambiguous_date" if doubtful else "not_a_date")


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
    return naive.dt.tz_localize(
        timezone, ambiguous=np.zeros(len(naive), dtype=bool), nonexistent="shift_forward"
    )


def _moments(keys: pd.Series, *, timezone: str, order: DayOrder | None) -> pd.Series:
    year_first = keys.str.extract(_YMD)
    half = year_first[3].fillna(year_first[7])
    moments = _assembled(year_first[[0, 1, 2, 4, 5, 6]], half, year_first[8], timezone)
    if order in ("day", "month"):
        parts = keys.str.extract(YEAR_LAST)
        day, month = (0, 1) if order == "day" else (1, 0)
        by_order = _assembled(parts[[2, month, day, 3, 4, 5]], parts[6], None, timezone)
        moments = moments.fillna(by_order)
    return moments.fillna(_serials(keys, timezone)) if moments.isna().any() else moments


def _assembled(
    parts: pd.DataFrame, half: pd.Series, zone: pd.Series | None, timezone: str
) -> pd.Series:
    frame = parts.apply(pd.to_numeric).set_axis(
        ["year", "month", "day", "hour", "minute", "second"], axis=1
    )
    frame[["hour", "minute", "second"]] = frame[["hour", "minute", "second"]].fillna(0)
    if half.notna().any():
        late = half.str.lower().isin({"pm", "下午", "晚上", "中午"}) & (frame["hour"] < 12)
        early = half.str.lower().isin({"am", "上午", "凌晨"}) & (frame["hour"] == 12)
        frame["hour"] = frame["hour"] + 12 * late - 12 * early
    naive = pd.to_datetime(frame, errors="coerce").astype("datetime64[us]")
    moments = _localised(naive, timezone)
    if zone is None or zone.isna().all():
        return moments
    shift = zone.str.upper().replace({"Z": "+00:00", "UTC": "+00:00"})
    for offset in shift.dropna().unique():
        here = shift == offset
        stated = naive[here].dt.tz_localize(f"UTC{offset[:3]}:{offset[-2:]}")
        moments = moments.mask(here, stated.dt.tz_convert(timezone))
    return moments


def _serials(keys: pd.Series, timezone: str) -> pd.Series:
    """Excel's days (2000 to 2099) as local clocks; epoch (milli)seconds as moments."""
    number = pd.to_numeric(keys, errors="coerce").astype("float64")
    days = number.where((number >= 36526) & (number < 73051))
    clock = pd.Timestamp(ZERO_DAY) + pd.to_timedelta((days * 86400).round(), unit="s")
    milliseconds = (number / 1000).where((number >= 1e12) & (number < 4.2e12))
    epoch = number.where((number >= 1e9) & (number < 4.2e9)).fillna(milliseconds)
    moment = pd.to_datetime(epoch, unit="s", utc=True).astype("datetime64[us, UTC]")
    local = _localised(clock.astype("datetime64[us]"), timezone)
    return local.fillna(moment.dt.tz_convert(timezone))
