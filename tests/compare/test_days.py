"""The calendar: lunar and fixed festivals, kinds of day, years that are not announced yet."""

import csv
import datetime as dt

import pandas as pd
import pytest
from lunardate import LunarDate

from helpers import compare, reference
from helpers.compare import days
from helpers.core import places
from tests.evening_sessions import CALENDAR, ZONE


def test_calendar_days_are_the_lunar_and_fixed_dates_they_claim():
    """Spring Festival by the lunar calendar; the others carry their date in their name."""
    named = {"38": (3, 8), "618": (6, 18), "818": (8, 18), "双11": (11, 11), "双12": (12, 12)}
    for row in CALENDAR:
        spring = LunarDate(row.year, 1, 1).to_solar_date()
        assert row.day == (
            dt.date(row.year, *named[row.festival]) if row.festival in named else spring
        ), row
        assert row.starts_on <= row.ends_on and (
            row.presale_from is None or row.presale_from <= row.starts_on
        )
    assert {row.day for row in CALENDAR if row.festival == "春节"} == {
        dt.date(2024, 2, 10),
        dt.date(2025, 1, 29),
        dt.date(2026, 2, 17),
        dt.date(2027, 2, 6),
    }


def test_calendar_has_every_festival_of_every_year_once_per_platform():
    keys = [(row.festival, row.platform, row.year) for row in CALENDAR]
    assert len(keys) == len(set(keys))
    names = {"38", "618", "818", "双11", "双12", "年货节", "春节"}
    assert {(f, y) for f, p, y in keys if p == "all"} == {
        (f, y) for f in names for y in range(2024, 2028)
    }


@pytest.mark.parametrize(
    ("day", "platform", "festival", "offset"),
    [
        ("2026-11-11", "douyin", "双11", 0),
        ("2026-10-17", "douyin", "双11", -25),
        ("2026-11-13", "taobao", "双11", 2),
        ("2026-11-14", "douyin", None, None),
        ("2026-02-17", "douyin", "春节", 0),
        ("2025-01-29", "douyin", "春节", 0),
        ("2026-01-25", "douyin", "年货节", -23),
        ("2025-05-13", "taobao", "618", -36),
        ("2025-05-13", "douyin", None, None),
        ("2026-11-11", "tiktok", None, None),
        ("2026-03-04", "douyin", "38", -4),
        ("2026-03-02", "douyin", "春节", 13),
    ],
)
def test_festival_of(day, platform, festival, offset):
    hit = compare.festival_of(dt.date.fromisoformat(day), platform, CALENDAR)
    assert (hit and (hit[0].festival, hit[1])) == (festival and (festival, offset))


@pytest.mark.parametrize(
    ("day", "platform", "expected"),
    [
        ("2026-10-01", "douyin", "rest"),  # National Day, a Thursday
        ("2026-10-10", "douyin", "work"),  # a Saturday made up for it
        ("2026-10-10", "tiktok", "rest"),  # the same Saturday elsewhere
        ("2026-09-02", "douyin", "work"),
        ("2027-02-08", "douyin", "rest"),
        ("2027-02-09", "tiktok", "work"),
    ],
)
def test_day_class(day, platform, expected):
    assert days.day_class(dt.date.fromisoformat(day), platform) == expected


def test_a_year_without_announced_make_up_days_is_said():
    assert days.calendar_gap(dt.date(2027, 3, 1)) and not days.calendar_gap(dt.date(2026, 3, 1))


def test_calendar_file_has_no_columns_but_those_of_its_model():
    path = places.REFERENCE / "calendar.csv"
    with path.open(encoding="utf-8") as handle:
        assert next(csv.reader(handle)) == list(reference.Festival.model_fields)


def test_a_year_that_the_holiday_library_lacks_is_said_in_words():
    ((zh, en),) = compare.calendar_notes(pd.Timestamp("2027-03-01 20:00", tz=ZONE), "douyin")
    assert "2027 年的调休" in zh and "2027" in en
    assert compare.calendar_notes(pd.Timestamp("2027-03-01 20:00", tz=ZONE), "tiktok") == []
    assert compare.calendar_notes(pd.Timestamp("2026-03-01 20:00", tz=ZONE), "douyin") == []
    assert [
        words[0][:4]
        for words in compare.calendar_notes(pd.Timestamp("2028-03-01 20:00", tz=ZONE), "douyin")
    ] == ["2027", "2028"]
