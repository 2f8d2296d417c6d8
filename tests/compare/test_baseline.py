"""The comparable sessions: which rung is taken, and why the others are refused."""

import numpy as np
import pandas as pd
import pytest

from helpers import compare
from tests.evening_sessions import (
    CALENDAR,
    THRESHOLDS,
    ZONE,
    comparable,
    evenings,
    events_of,
    reason_of,
    sessions_of,
)


def test_best_rung_with_five_sessions_wins():
    rows = evenings(12, "2026-08-31")  # Monday 31 August to Friday 11 September
    table = comparable(sessions_of(*rows), "s11")
    assert compare.basis(table, THRESHOLDS)[:3] == ("host_slot_day", 9, "strong")
    assert {reason_of(table, name) for name in ("s5", "s6")} == {"day"}
    assert "s11" not in set(table["session_id"])


def test_too_few_of_the_same_host_leads_to_the_slot_and_then_to_all():
    rows = [
        *evenings(6, host="B"),
        *evenings(2, "2026-08-31", host="A"),
        {"at": "2026-09-02 20:00", "host": "A"},
    ]
    table = comparable(sessions_of(*rows), "s8")
    assert compare.basis(table, THRESHOLDS)[:3] == ("slot", 8, "strong")
    noon = [{**row, "at": row["at"].replace("20:00", "12:00")} for row in evenings(6)]
    table = comparable(sessions_of(*noon, {"at": "2026-09-02 20:00"}), "s6")
    assert compare.basis(table, THRESHOLDS)[:3] == ("recent", 6, "strong")


@pytest.mark.parametrize(
    ("count", "strength"), [(0, "none"), (2, "none"), (3, "weak"), (4, "weak"), (5, "strong")]
)
def test_strength_follows_the_number_of_sessions(count, strength):
    days = ["2026-09-01", "2026-09-02", "2026-09-03", "2026-09-04", "2026-09-07"][:count]
    table = comparable(
        sessions_of(*[{"at": f"{day} 20:00"} for day in days], {"at": "2026-09-08 20:00"}),
        f"s{count}",
    )
    assert compare.basis(table, THRESHOLDS).n == count
    assert compare.basis(table, THRESHOLDS).strength == strength


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"at": "2026-09-11 20:00"}, "later"),
        ({"room": "other"}, "other_room"),
        ({"platform": "taobao"}, "other_room"),
        ({"at": "2026-06-25 20:00"}, "too_old"),
        ({"at": "2026-08-17 20:00"}, "festival"),
        ({"kind": "clearance"}, "kind"),
        ({"duration_seconds": 3600.0}, "length"),
        ({"duration_seconds": 13 * 3600.0}, "length"),
        ({"host": "B"}, "host"),
        ({"at": "2026-09-02 09:00"}, "slot"),
        ({"at": "2026-09-05 20:00"}, "day"),
        ({}, "chosen"),
    ],
)
def test_reasons(fields, reason):
    rows = [
        {"at": "2026-09-02 20:00", **fields},
        *evenings(5, "2026-08-24"),
        {"at": "2026-09-08 20:00"},
    ]
    table = comparable(sessions_of(*rows), "s6")
    assert reason_of(table, "s0") == reason
    assert table["chosen"].eq(table["reason"].eq("chosen")).all()
    assert table["reason_zh"].ne("").all() and table["reason_en"].ne("").all()


def test_slot_is_measured_around_midnight():
    rows = [{"at": f"2026-09-0{day} 23:30"} for day in range(1, 7)]
    table = comparable(sessions_of(*rows, {"at": "2026-09-08 00:30"}), "s6")
    assert table.loc[table["day"] == "work", "chosen"].all()


def test_a_session_under_an_event_of_its_own_is_left_out_but_not_under_a_shared_one():
    rows = [*evenings(6, "2026-08-31"), {"at": "2026-09-08 20:00"}]
    outage = {
        "starts_at": pd.Timestamp("2026-09-01 21:00", tz=ZONE),
        "kind": "outage",
        "what": "直播间黑屏",
    }
    table = comparable(
        sessions_of(*rows),
        "s6",
        events_of({**outage, "ends_at": pd.Timestamp("2026-09-01 22:00", tz=ZONE)}),
    )
    assert reason_of(table, "s1") == "event" and table["reason"].eq("event").sum() == 1
    assert "直播间黑屏" in table.set_index("session_id").loc["s1", "reason_zh"]
    redesign = events_of({**outage, "kind": "platform_redesign", "what": "改版"})
    assert reason_of(comparable(sessions_of(*rows), "s6", redesign), "s2") == "chosen"
    ended = events_of(
        {
            **outage,
            "kind": "platform_redesign",
            "ends_at": pd.Timestamp("2026-09-03 12:00", tz=ZONE),
        }
    )
    assert reason_of(comparable(sessions_of(*rows), "s6", ended), "s2") == "event"


def test_a_festival_session_is_set_against_its_own_festival_only():
    rows = [*evenings(8, "2026-10-08"), *evenings(6, "2026-11-02"), {"at": "2026-11-10 20:00"}]
    table = comparable(sessions_of(*rows), "s14")
    assert compare.basis(table, THRESHOLDS)[:2] == ("festival_host_slot", 6)
    assert set(table.loc[table["chosen"], "festival"]) == {"双11 2026"}
    assert reason_of(table, "s0") == "festival"


def test_a_promotion_night_has_its_like_among_promotion_nights():
    nights = [
        {"at": f"{day} 20:00", "kind": "promotion"}
        for day in ("2025-11-10", "2026-06-16", "2026-06-18", "2026-08-18", "2026-10-31")
    ]
    rows = [*evenings(6, "2026-11-02"), *nights, {"at": "2026-11-10 20:00", "kind": "promotion"}]
    event = events_of(
        {
            "starts_at": pd.Timestamp("2026-06-16", tz=ZONE),
            "ends_at": pd.Timestamp("2026-06-19", tz=ZONE),
            "kind": "promotion",
            "what": "618",
        }
    )
    table = comparable(sessions_of(*rows), "s11", event)
    assert compare.basis(table, THRESHOLDS)[:3] == ("kind", 5, "strong")
    assert reason_of(table, "s0") == "kind" and reason_of(table, "s7") == "chosen"


def test_the_event_that_is_named_is_the_one_that_refused_and_needs_no_words():
    """Promotions refuse no promotion night; an event without words is named by its kind."""
    nights = [
        {"at": f"{day} 20:00", "kind": "promotion"}
        for day in ("2025-11-10", "2026-06-16", "2026-06-18", "2026-08-18", "2026-10-31")
    ]
    rows = [*evenings(6, "2026-11-02"), *nights, {"at": "2026-11-10 20:00", "kind": "promotion"}]
    begins, ends = (pd.Timestamp(f"2026-06-16 {hour}:00", tz=ZONE) for hour in (19, 23))
    events = events_of(
        {"starts_at": begins, "ends_at": ends, "kind": "promotion", "what": "618"},
        {"starts_at": begins, "ends_at": ends, "kind": "outage", "what": ""},
    )
    row = comparable(sessions_of(*rows), "s11", events).set_index("session_id").loc["s7"]
    assert (row["rung"], row["reason"]) == ("kind", "event")
    assert row["reason_en"] == "under a logged event: outage"


def test_a_festival_has_its_name_and_its_year_in_columns():
    sessions = compare.described(sessions_of({"at": "2026-11-10 20:00"}, {}), CALENDAR)
    assert sessions["festival"].tolist() == ["双11 2026", ""]
    assert sessions["festival_name"].tolist() == ["双11", ""]
    assert sessions["festival_year"].iloc[0] == 2026 and np.isnan(sessions["festival_year"].iloc[1])


def test_the_first_days_of_a_festival_are_held_against_ordinary_days_for_orientation():
    rows = [*evenings(10, "2026-10-08"), {"at": "2026-10-19 20:00"}]
    table = comparable(sessions_of(*rows), "s10")
    assert compare.basis(table, THRESHOLDS)[:3] == ("unlike", 9, "weak")
    assert reason_of(table, "s9") == "festival"


def test_session_named_wrongly_is_a_key_error():
    with pytest.raises(KeyError):
        comparable(sessions_of({}), "nope")
    alone = compare.basis(comparable(sessions_of({}), "s0"), THRESHOLDS)
    assert (alone.rung, alone.n, alone.strength) == ("none", 0, "none")
