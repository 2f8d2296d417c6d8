"""环比, 同比 and 定基比: against the previous session, the calendar and the year before."""

import numpy as np
import pandas as pd
import pytest

from helpers import compare
from helpers.compare import bases
from tests.evening_sessions import CALENDAR, REGISTRY, judged, noisy, scaled, sessions_of


def test_year_ago_is_by_festival_offset_not_by_date():
    """2026-02-17 is New Year's Day of the lunar year, 2025-02-17 long after it.

    2025-01-29 is the day to compare.
    """
    sessions = sessions_of(
        {"at": "2025-01-29 20:00"}, {"at": "2025-02-17 20:00"}, {"at": "2026-02-17 20:00"}
    )
    assert compare.year_ago(sessions, "s2", calendar=CALENDAR)["session_id"].tolist() == ["s0"]
    plain = sessions_of(
        {"at": "2025-09-04 20:00"}, {"at": "2025-09-06 20:00"}, {"at": "2026-09-03 20:00"}
    )
    assert compare.year_ago(plain, "s2", calendar=CALENDAR)["session_id"].tolist() == ["s0"]
    assert compare.year_ago(plain, "s0", calendar=CALENDAR).empty


def test_against_the_previous_session_says_what_change_is_ordinary():
    sessions = noisy(np.random.default_rng(3), 9)
    table = judged(sessions)
    changes = (
        bases.against(scaled(sessions), "s8", ["s7"], registry=REGISTRY, table=table)
        .set_index("metric")
        .loc["uv_value"]
    )
    sd, now, before = (
        table.set_index("metric").loc["uv_value", "sd"],
        *[
            sessions.set_index("session_id").eval("paid_amount / viewers")[name]
            for name in ("s8", "s7")
        ],
    )
    assert changes["change"] == pytest.approx(now / before - 1) and changes[
        "index"
    ] == pytest.approx(100 * now / before)
    assert changes["ordinary_upper"] == pytest.approx(
        np.exp(2.364624 * sd * np.sqrt(2)) - 1, rel=1e-5
    )


def test_several_reference_sessions_are_taken_as_a_ratio_of_sums():
    sessions = sessions_of(
        {"viewers": 1_000.0, "paid_amount": 10_000.0},
        {"viewers": 9_000.0, "paid_amount": 18_000.0},
        {},
    )
    changes = bases.against(
        scaled(sessions), "s2", ["s0", "s1", "s2"], registry=REGISTRY
    ).set_index("metric")
    assert (
        changes.loc["uv_value", "reference"] == pytest.approx(2.8)
        and changes.loc["uv_value", "n"] == 2
    )


# Days of the festivals: 618 and 双11 carry theirs in their name; Spring Festival by the published
# calendars of the State Council.
FESTIVAL_DAYS = {
    "618": {year: f"{year}-06-18" for year in range(2024, 2028)},
    "双11": {year: f"{year}-11-11" for year in range(2024, 2028)},
    "春节": {2024: "2024-02-10", 2025: "2025-01-29", 2026: "2026-02-17", 2027: "2027-02-06"},
}


@pytest.mark.parametrize("off", [-3, 0, 1])
@pytest.mark.parametrize("year", [2025, 2026, 2027])
@pytest.mark.parametrize("festival", list(FESTIVAL_DAYS))
def test_a_festival_session_is_set_against_the_same_day_of_last_years_festival(festival, year, off):
    """Beside it stands what the date alone would take.

    For the lunar festival these are other sessions.
    """
    day, before = (
        pd.Timestamp(FESTIVAL_DAYS[festival][one]) + pd.Timedelta(days=off)
        for one in (year, year - 1)
    )
    same_date = day - pd.DateOffset(years=1)
    days = sorted({before, same_date, before - pd.Timedelta(days=60), day})
    sessions = sessions_of(*[{"at": f"{one:%Y-%m-%d} 20:00"} for one in days])
    ids = dict(zip(days, sessions["session_id"], strict=True))
    aligned, by_date = (
        find(sessions, ids[day], calendar=CALENDAR)
        for find in (compare.year_ago, compare.same_date_year_ago)
    )
    assert aligned["session_id"].tolist() == [ids[before]] and by_date["session_id"].tolist() == [
        ids[same_date]
    ]
    assert (aligned["session_id"].tolist() == by_date["session_id"].tolist()) == (
        festival != "春节"
    )


def test_the_day_the_week_and_the_month_before_are_those_of_the_calendar():
    """2026-09-08 is a Tuesday.

    The week before it runs from Monday 31 August to Sunday 6 September.
    """
    days = [
        "2026-07-31",
        "2026-08-01",
        "2026-08-31",
        "2026-09-01",
        "2026-09-06",
        "2026-09-07",
        "2026-09-08",
        "2026-09-09",
    ]
    sessions = sessions_of(*[{"at": f"{day} 20:00"} for day in days])
    of = dict(zip(sessions["session_id"], days, strict=True))
    titles = {
        name: [of[one] for one in ids] for name, ids in compare.by_calendar(sessions, "s6").items()
    }
    assert titles == {
        "day": ["2026-09-07"],
        "week": ["2026-08-31", "2026-09-01", "2026-09-06"],
        "month": ["2026-08-01", "2026-08-31"],
    }


def test_an_ordinary_session_has_no_date_of_its_own_beside_it():
    sessions = sessions_of({"at": "2025-09-03 20:00"}, {"at": "2026-09-02 20:00"})
    assert compare.same_date_year_ago(sessions, "s1", calendar=CALENDAR).empty
    assert compare.absent_bases({"previous": [], "same_date": []}) == [bases.ABSENT["previous"]]
