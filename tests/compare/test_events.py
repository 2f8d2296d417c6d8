"""Logged events: when they are in force, what coincides, what stays."""

import pandas as pd

from helpers import compare, reference
from helpers.reference import schema
from tests.evening_sessions import (
    CALENDAR,
    ZONE,
    comparable,
    evenings,
    events_of,
    reason_of,
    sessions_of,
)


def test_events_that_coincide_say_when_they_were_logged_and_whether_they_agree():
    sessions = sessions_of(*evenings(6, "2026-11-02"))
    start = sessions["started_at"].iloc[-1]
    events = events_of(
        {
            "starts_at": start - pd.Timedelta(days=3),
            "kind": "ads_change",
            "what": "放量",
            "expected_direction": "up",
            "metric": "viewers",
            "entered_at": start - pd.Timedelta(days=3),
        },
        {
            "starts_at": start + pd.Timedelta(hours=1),
            "kind": "outage",
            "what": "卡顿",
            "expected_direction": "down",
            "metric": "viewers",
            "entered_at": start + pd.Timedelta(days=1),
        },
        {
            "starts_at": start - pd.Timedelta(days=60),
            "kind": "price",
            "what": "旧事",
            "entered_at": start,
        },
    )
    moved = pd.DataFrame({"metric": ["viewers"], "ratio": [0.6]})
    coinciding = compare.coinciding(events, CALENDAR, sessions, "s5", moved)
    assert coinciding["what"].tolist() == ["放量", "卡顿", "双11"]
    assert coinciding["logged_after"].tolist() == [False, True, False]
    assert coinciding["agrees"].tolist()[:2] == [False, True]
    assert compare.coinciding(events_of(), CALENDAR, sessions_of({}), "s0").empty


def test_a_change_that_stays_and_came_after_the_baseline_is_said():
    zone = "Asia/Shanghai"
    comparable = pd.DataFrame(
        {
            "started_at": pd.to_datetime(
                ["2026-09-01", "2026-09-20", "2026-10-05", "2026-10-06"]
            ).tz_localize(zone),
            "chosen": [True, True, True, False],
        }
    )
    dates = pd.to_datetime(["2026-10-03", "2026-08-01", "2026-10-04", "2026-12-01"]).tz_localize(
        zone
    )
    kinds, what = (
        ["platform_redesign", "platform_redesign", "outage", "slot_change"],
        ["改版", "更早的改版", "断流", "以后的"],
    )
    events = events_of(
        *(
            {"kind": kind, "what": words, "starts_at": date}
            for kind, words, date in zip(kinds, what, dates, strict=True)
        )
    )
    session = pd.Series({"started_at": pd.Timestamp("2026-11-14 20:00", tz=zone)})
    (sentences,) = compare.since_baseline(events, comparable, session)
    assert "3 场可比场次里有 2 场早于「改版」（2026-10-03）" in sentences[0] and sentences[
        1
    ].startswith("2 of the 3 comparable sessions")


def test_a_workspace_says_itself_how_long_its_events_are_in_force_and_which_stay(tmp_path):
    """An outage that lingers for five days there leaves out a session three days later.

    And a violation is a new level.
    """
    (tmp_path / "events.yml").write_text(
        "outage: {days: 5}\nviolation: {stays: true}\n", encoding="utf-8"
    )
    sessions = sessions_of(*evenings(6, "2026-09-01"))
    begun = sessions["started_at"].iloc[1] - pd.Timedelta(days=3)
    logged = [{"starts_at": begun, "kind": kind, "what": kind} for kind in ("outage", "violation")]
    log = schema.conform(
        pd.DataFrame(logged, columns=["starts_at", "ends_at", "kind", "what", "metric"]),
        "events",
        ZONE,
    )
    shipped, laid_over = (
        compare.event_windows(log[log["kind"] == "outage"], reference.event_kinds(folder))
        for folder in (None, tmp_path)
    )
    assert [
        reason_of(comparable(sessions, "s5", events), "s1") for events in (shipped, laid_over)
    ] == [
        "chosen",
        "event",
    ]
    table, late = comparable(sessions, "s5"), log.assign(starts_at=sessions["started_at"].iloc[4])
    sentences = [
        compare.since_baseline(
            compare.event_windows(late, reference.event_kinds(folder)), table, sessions.iloc[5]
        )
        for folder in (None, tmp_path)
    ]
    assert sentences[0] == [] and len(sentences[1]) == 1 and "violation" in sentences[1][0][1]
