"""Breaks in the account's course.

The published river, quiet series, and what stands beside a break.
"""

import numpy as np
import pandas as pd
import pytest
import ruptures
import statsmodels.api as sm

from helpers import compare, reference
from helpers.compare import course
from helpers.review import open_review
from tests.benchmarks import comparison
from tests.logged_events import NILE, account, logged

REDESIGN = {
    "starts_at": "2026-05-07 00:00",
    "kind": "platform_redesign",
    "what": "改版",
    "metric": "viewers",
}


def breaks_of(
    sessions: pd.DataFrame, events: pd.DataFrame, ids: tuple[str, ...] = ("viewers",)
) -> pd.DataFrame:
    return compare.course_breaks(
        comparison.scaled(sessions, list(ids)),
        sessions,
        events,
        sessions["session_id"].iloc[-1],
        registry=comparison.REGISTRY,
        calendar=comparison.CALENDAR,
        kinds=reference.event_kinds(),
    )


def test_the_nile_breaks_between_1898_and_1899_and_by_default_the_library_would_say_1900():
    assert course.breaks(NILE) == [28] and NILE[28:].mean() - NILE[:28].mean() == pytest.approx(
        -247.78, abs=0.005
    )
    assert (
        ruptures.Pelt(model="l2", min_size=5)
        .fit(NILE)
        .predict(pen=3 * np.log(100) * NILE.std() ** 2)[0]
        == 30
    )
    assert len(sm.datasets.nile.load_pandas().data) == len(NILE)


@pytest.mark.parametrize(
    ("touches", "words"),
    [
        (
            ["促销", ""],
            (
                "2 breaks: 1 coincides with a logged event, a festival, another host or time "
                "slot; 1 with nothing known. Coincidence is not cause."
            ),
        ),
        (
            ["促销", "促销"],
            (
                "2 breaks: 2 coincide with a logged event, a festival, another host or time slot. "
                "Coincidence is not cause."
            ),
        ),
        ([""], "1 break: 1 with nothing known."),
    ],
)
def test_breaks_are_counted_without_zeros(touches, words):
    assert compare.course_note(pd.DataFrame({"touches_zh": touches}))[1] == words


@pytest.mark.parametrize("resembles", [0.0, 0.5])
def test_quiet_series_seldom_break(resembles):
    rng, broken = np.random.default_rng(1), 0
    for _ in range(40):
        series = [0.0]
        for shock in rng.normal(size=60):
            series.append(resembles * series[-1] + shock)
        broken += bool(course.breaks(series[1:]))
    assert broken <= 7


def test_short_and_even_series_have_no_break():
    assert course.breaks(np.arange(9.0)) == [] and course.breaks(np.ones(30)) == []


def test_a_break_is_where_the_level_changed_and_names_the_event_beside_it():
    row = breaks_of(account(since=50, factor=0.5), logged(REDESIGN)).iloc[0]
    assert (
        row["n_before"] in (49, 50, 51)
        and row["change"] == pytest.approx(-0.5, abs=0.1)
        and row["by"] == "session"
    )
    assert row["touches_zh"] == "平台改版：改版" and row["touches_en"] == "Platform redesign: 改版"
    far = breaks_of(
        account(since=50, factor=0.5), logged({**REDESIGN, "starts_at": "2026-04-01 00:00"})
    ).iloc[0]
    assert far["touches_zh"] == ""
    assert breaks_of(account(since=100, factor=1.0), logged()).empty


def test_another_host_and_another_slot_are_named_and_turns_taken_in_a_day_are_not():
    sessions = account(since=50, factor=0.5)
    late = np.arange(60) >= 50
    moved = sessions.assign(
        host=np.where(late, "B", "A"),
        started_at=sessions["started_at"] - pd.to_timedelta(np.where(late, 8, 0), unit="h"),
    )
    assert breaks_of(moved, logged()).iloc[0]["touches_en"] == "host A → B; time slot 20:00 → 12:00"
    turns = sessions.assign(host=np.where(np.arange(60) % 2, "B", "A"))
    assert breaks_of(turns, logged()).iloc[0]["touches_en"] == ""


def test_hosts_whose_names_are_cut_alike_are_two_hosts():
    long = "名字特别长的主播" * 4
    hosts = np.where(np.arange(60) >= 50, f"{long}乙", f"{long}甲")
    row = breaks_of(account(since=50, factor=0.5).assign(host=hosts), logged()).iloc[0]
    assert row["touches_zh"].startswith("主播由 ")


def test_the_words_of_an_event_are_shown_as_they_are():
    event = logged({**REDESIGN, "what": "v2 : live"})
    row = breaks_of(account(since=50, factor=0.5), event).iloc[0]
    assert row["touches_en"] == "Platform redesign: v2 : live"


def test_several_sessions_a_day_are_looked_at_by_day_too():
    sessions = account(120, since=60, factor=0.5)
    day = pd.to_timedelta(-(np.arange(120) // 2 + np.arange(120) % 2), unit="D") + pd.to_timedelta(
        np.where(np.arange(120) % 2, 3, 0), unit="h"
    )
    table = breaks_of(sessions.assign(started_at=sessions["started_at"] + day), logged())
    assert set(table["by"]) == {"session", "day"} and table.groupby("by")[
        "n_before"
    ].first().to_dict() == {"session": 60, "day": 30}


@pytest.mark.real
def test_the_end_of_ramadan_is_visible_and_can_be_logged(tiktok_workspace, tmp_path):
    """The click rate of a real Indonesian account is lowest on 19 to 21 March 2026.

    Logged afterwards, it is matched and marked so.
    """
    from helpers.reference import metrics

    review = open_review(
        "latest", data_dir=tiktok_workspace, reports_dir=tmp_path, notebook="03_compare"
    )
    name, zone = "product_click_rate_times", str(review.sessions["started_at"].dt.tz)
    values = compare.on_one_scale(
        metrics.by_session(review.sessions, [name], registry=comparison.REGISTRY),
        review.sessions,
        comparison.REGISTRY,
    )
    day = review.sessions.set_index("session_id")["started_at"].dt.date
    daily = values.assign(day=values["session_id"].map(day)).groupby("day")["value"].mean()
    assert {str(one) for one in daily.nsmallest(3).index} <= {
        f"2026-03-{number}" for number in range(18, 24)
    }
    log = logged(
        {
            "starts_at": "2026-03-19",
            "ends_at": "2026-03-21 23:59",
            "kind": "holiday",
            "what": "Ramadan",
            "expected_direction": "down",
            "metric": name,
            "entered_at": "2026-04-13",
        }
    )
    for column in ("starts_at", "ends_at", "entered_at"):
        log[column] = log[column].dt.tz_localize(None).dt.tz_localize(zone)
    options = {
        "registry": comparison.REGISTRY,
        "calendar": comparison.CALENDAR,
        "kinds": reference.event_kinds(),
    }
    row = compare.effects(
        values, review.sessions, log, review.session_id, thresholds=comparison.THRESHOLDS, **options
    ).iloc[0]
    assert (
        row["verdict"] == "moved"
        and row["upper"] < 0
        and row["logged_after"]
        and row["n_during"] == 14
    )
    assert (
        compare.course_breaks(values, review.sessions, log, review.session_id, **options)["change"]
        > 0
    ).any()  # the way back up
