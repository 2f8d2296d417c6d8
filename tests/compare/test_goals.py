"""Goals of a session and of a period: how much of each is reached, and whether that can turn."""

import pandas as pd
import pytest

from helpers import compare, reference
from helpers.compare import goals
from helpers.reference import metrics, schema
from tests.evening_sessions import REGISTRY, ZONE, evenings, sessions_of


def goals_of(*rows: dict) -> pd.DataFrame:
    columns = list(reference.tables()["goals"].columns)
    return schema.conform(pd.DataFrame(rows, columns=columns), "goals", ZONE)


def test_goals_of_the_session_and_of_the_month():
    sessions = sessions_of(*evenings(3, "2026-09-01"))
    values = metrics.by_session(sessions, ["paid_amount", "viewers", "uv_value"], registry=REGISTRY)
    month = {
        "period_from": pd.Timestamp("2026-09-01", tz=ZONE),
        "period_to": pd.Timestamp("2026-09-30", tz=ZONE),
    }
    goals = goals_of(
        {"session_id": "s2", "metric": "paid_amount", "target": 50_000},
        {"session_id": "s1", "metric": "paid_amount", "target": 1},
        {"metric": "paid_amount", "target": 400_000, **month},
        {"metric": "viewers", "target": 30_000, **month},
        {"metric": "uv_value", "target": 4, **month},
        {"metric": "nonsense", "target": 4, **month},
    )
    completion = compare.goal_completion(goals, values, sessions, "s2", registry=REGISTRY)
    assert completion["value"].tolist()[:2] == [40_000, 120_000] and completion[
        "completion"
    ].tolist()[:2] == [0.8, 0.3]
    assert completion["note"].tolist() == ["", "", "people_do_not_add", "", "unknown_metric"]
    assert completion["value"].iloc[3] == pytest.approx(4) and bool(completion["reached"].iloc[3])
    assert completion["elapsed"].iloc[1] == pytest.approx(3 / 30, abs=1e-9)
    assert (
        completion["state"].tolist() == ["missed", "running", "", "on_track", ""]
        and completion["state_en"].iloc[1] == "still running"
    )
    assert completion["pace"].notna().tolist() == [
        False,
        True,
        True,
        False,
        False,
    ]  # a rate does not fill up with time


@pytest.mark.parametrize(
    ("metric", "target", "session", "settled", "running", "over"),
    [
        ("paid_amount", 1, "reached", "reached", "reached", "reached"),  # what was paid only grows
        ("paid_amount", 9e9, "missed", "missed", "running", "missed"),
        ("uv_value", 0.1, "reached", "reached", "on_track", "reached"),  # a rate can fall again
        (
            "net_amount",
            1,
            "on_track",
            "reached",
            "on_track",
            "on_track",
        ),  # refunds are still to come
        ("net_amount", 9e9, "missed", "missed", "running", "missed"),
        ("refund_rate_amount", 0.5, "on_track", "reached", "on_track", "on_track"),
        (
            "refund_rate_amount",
            0.01,
            "missed",
            "missed",
            "off_target",
            "missed",
        ),  # a rate is not on its way: it is where it is
        ("ad_cost", 1, "missed", "missed", "missed", "missed"),  # nor does a cost shrink
    ],
)
def test_a_goal_is_reached_only_where_that_cannot_turn(
    metric, target, session, settled, running, over
):
    rows = [
        {**row, "refund_amount": 1_000.0, "ad_cost": 500.0} for row in evenings(3, "2026-09-01")
    ]
    sessions = sessions_of(*rows)
    registry = {
        **REGISTRY,
        "ad_cost": REGISTRY["ad_cost"].model_copy(update={"bigger_is_better": False}),
    }
    values = metrics.by_session(sessions, [metric], registry=registry)
    begins, in_it = (
        pd.Timestamp("2026-09-01", tz=ZONE),
        sessions["started_at"].iloc[2] + pd.Timedelta(minutes=1),
    )
    goals = goals_of(
        {"session_id": "s2", "metric": metric, "target": target},
        *(
            {"metric": metric, "target": target, "period_from": begins, "period_to": ends}
            for ends in (pd.Timestamp("2026-09-30", tz=ZONE), in_it)
        ),
    )
    states = [
        compare.goal_completion(goals, values, sessions, "s2", registry=registry, settled=final)[
            "state"
        ].tolist()
        for final in (False, True)
    ]
    assert states[0] == [session, running, over] and states[1][0] == settled


def test_what_is_lacking_is_held_against_past_stretches_as_long():
    starts = pd.to_datetime(
        ["2026-01-01", "2026-01-05", "2026-01-09", "2026-01-12", "2026-01-19", "2026-01-21"]
    ).tz_localize("Asia/Shanghai")
    names = list("abcdef")
    sessions = pd.DataFrame({"session_id": names, "started_at": starts})
    values = pd.DataFrame({"session_id": names, "value": [900.0, 1.0, 20.0, 30.0, 400.0, 5.0]})
    # back from the 21st in stretches of 8 days: e within the first; b, at its edge, c and d in the
    # second; a lies before the last whole one, and the session itself counts for none
    past = goals._past_stretches(values, sessions, starts[-1], pd.Timedelta(days=8))
    assert list(past) == [400.0, 51.0]
    longer = goals._past_stretches(values, sessions, starts[-1], pd.Timedelta(days=5))
    # the 16th to the 21st, the 11th, the 6th, the 1st with its first moment
    assert list(longer) == [400.0, 30.0, 20.0, 901.0]
    assert len(goals._past_stretches(values, sessions, starts[0], pd.Timedelta(days=5))) == 0
