"""The account over its sessions.

Periods recomputed by hand, movements that are noise stay quiet, sessions side by side.
"""

import numpy as np
import pandas as pd
import pytest

from helpers import clean, compare, reference
from helpers.compare import account, baseline, side_by_side
from helpers.reference import metrics, schema

ZONE = "Asia/Shanghai"
REGISTRY, CALENDAR, THRESHOLDS = reference.registry(), reference.calendar(), reference.thresholds()
AS_OF = pd.Timestamp("2027-01-01", tz=ZONE)


def sessions_of(rows: list[dict]) -> pd.DataFrame:
    rows = [
        {
            "session_id": f"s{number}",
            "platform": "douyin",
            "room": "r",
            "host": "A",
            "kind": "daily",
            "duration_seconds": 7200.0,
            "currency": "CNY",
            "viewers": 1000.0,
            "pay_users": 50.0,
            "new_fans": 20.0,
            "paid_amount": 3000.0,
            "refund_amount": 0.0,
            **row,
            "started_at": pd.Timestamp(row["at"], tz=ZONE),
        }
        for number, row in enumerate(rows)
    ]
    return schema.conform(pd.DataFrame(rows).drop(columns="at"), "sessions", ZONE)


def trend(sessions, every="week", names=account.TREND, as_of=AS_OF):
    return account.trend(
        sessions, registry=REGISTRY, every=every, as_of=as_of, return_days=30, names=names
    )


def value(table, period, metric):
    (values,) = table.loc[
        table["period"].eq(pd.Timestamp(period, tz=ZONE)) & table["metric"].eq(metric), "value"
    ]
    return values


def test_rates_are_ratios_of_sums_money_is_added_and_people_are_averaged():
    table = trend(
        sessions_of(
            [
                {
                    "at": "2026-08-31 20:00",
                    "viewers": 1000,
                    "pay_users": 10,
                    "paid_amount": 500,
                },  # a Monday
                {
                    "at": "2026-09-06 23:00",
                    "viewers": 9000,
                    "pay_users": 270,
                    "paid_amount": 9500,
                },  # the Sunday of that week
                {
                    "at": "2026-09-07 00:30",
                    "viewers": 2000,
                    "pay_users": 20,
                    "paid_amount": 800,
                },  # the Monday after it
            ]
        ),
        names=[*account.TREND, "viewers"],
    )
    assert value(table, "2026-08-31", "paid_amount") == 10_000
    assert (
        value(table, "2026-08-31", "uv_value") == 1.0
        and value(table, "2026-08-31", "room_conversion") == 0.028
    )
    assert value(table, "2026-08-31", "viewers") == 5000  # never 10,000 people
    assert value(table, "2026-09-07", "paid_amount") == 800
    assert set(table.loc[table["metric"] == "viewers", "how"]) == {"mean"}
    monthly = trend(
        sessions_of([{"at": "2026-08-31 20:00"}, {"at": "2026-09-01 20:00"}]), every="month"
    )
    assert monthly["period"].dt.strftime("%Y-%m").drop_duplicates().tolist() == [
        "2026-08",
        "2026-09",
    ]


def test_net_is_open_while_returns_are_still_to_come_and_only_net():
    rows = [{"at": "2026-09-01 20:00"}, {"at": "2026-10-20 20:00"}]
    table = trend(sessions_of(rows), as_of=pd.Timestamp("2026-11-01", tz=ZONE))
    assert table[table["open"]][["metric"]].drop_duplicates()["metric"].tolist() == ["net_amount"]
    assert table.loc[table["open"], "period"].dt.strftime("%m-%d").tolist() == ["10-19"]
    shown = account.wide(table, currency="CNY", lang="en")
    assert shown["net_amount"].str.endswith("*").tolist() == [True, False]


def test_other_rooms_currencies_and_later_sessions_are_no_part_of_the_account():
    rows = [
        {"at": "2026-09-01 20:00"},
        {"at": "2026-09-01 20:00", "room": "other"},
        {"at": "2026-09-02 20:00", "currency": "USD"},
        {"at": "2026-09-03 20:00"},
        {"at": "2026-09-04 20:00"},
        {"at": "2024-09-04 20:00"},
    ]
    assert account.sessions_of(sessions_of(rows), "s3")["session_id"].tolist() == ["s0", "s3"]


def weekly(seed: int, step: float = 1.0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """24 weeks of one metric as `trend` gives them, the last eight `step` times as high.

    And their sessions.
    """
    rng, mondays = (
        np.random.default_rng(seed),
        pd.date_range("2026-07-06", periods=24, freq="7D", tz=ZONE),
    )
    values = np.where(np.arange(24) >= 16, step, 1.0) * np.exp(rng.normal(0, 0.25, 24))
    by_week = pd.DataFrame(
        {
            "period": mondays,
            "metric": "uv_value",
            "label_zh": "甲",
            "label_en": "a",
            "unit": "money",
            "value": values,
            "how": "ratio",
            "open": False,
        }
    )
    return by_week, ORDINARY


ORDINARY = sessions_of(
    [
        {"at": str(day + pd.Timedelta(hours=20))}
        for day in pd.date_range("2026-07-07", periods=24, freq="7D")
    ]
)


def test_a_movement_that_is_noise_is_seldom_called_one_and_a_large_one_is():
    """Weeks that differ by a quarter.

    5 % of quiet accounts are called moving (at most 9 % of 150), a doubling always.
    """

    def judge(seed: int, step: float = 1.0):
        by_week, mine = weekly(seed, step)
        return account.movement(
            by_week, mine, registry=REGISTRY, calendar=(), thresholds=THRESHOLDS
        ).iloc[0]

    quiet = [judge(seed) for seed in range(150)]
    assert 0.01 <= np.mean([row["verdict"] in ("better", "worse") for row in quiet]) <= 0.09
    moved = [judge(seed, 2.0) for seed in range(20)]
    assert all(
        row["verdict"] == "better" and row["lower"] < row["ratio"] < row["upper"] for row in moved
    )
    assert np.mean([row["lower"] < 2 < row["upper"] for row in moved]) >= 0.8


def test_a_short_history_has_no_trend_and_says_so():
    few = ORDINARY.tail(5)
    moved = account.movement(
        trend(few), few, registry=REGISTRY, calendar=CALENDAR, thresholds=THRESHOLDS
    )
    assert set(moved["verdict"]) == {"not_comparable"}
    assert "历史太短" in account.movement_sentence(
        moved, lang="zh"
    ) and "Too short" in account.movement_sentence(moved, lang="en")


def test_festivals_with_sessions_and_events_outside_them_are_marked():
    sessions = sessions_of(
        [{"at": "2026-06-16 20:00"}, {"at": "2026-06-18 20:00"}, {"at": "2026-07-10 20:00"}]
    )
    events = schema.conform(
        pd.DataFrame(
            [
                {
                    "starts_at": pd.Timestamp("2026-06-18", tz=ZONE),
                    "kind": "promotion",
                    "what": "618",
                },
                {
                    "starts_at": pd.Timestamp("2026-07-01", tz=ZONE),
                    "kind": "outage",
                    "what": "停电",
                    "entered_at": pd.Timestamp("2026-07-02", tz=ZONE),
                },
                {
                    "starts_at": pd.Timestamp("2026-08-01", tz=ZONE),
                    "kind": "outage",
                    "what": "later than all",
                },
            ]
        ),
        "events",
        ZONE,
    )
    bands, marks = account.marked(
        sessions, compare.event_windows(events, reference.event_kinds()), CALENDAR
    )
    assert bands["label"].tolist() == ["618"] and (
        bands["ends"] - bands["starts"]
    ).dt.days.tolist() == [2]
    assert marks[["number", "what"]].to_numpy().tolist() == [[1, "停电"]] and marks[
        "logged_after"
    ].tolist() == [True]


# ------------------------------------------------------------------------------------ side by side


def test_sessions_are_named_by_id_beginning_or_last_and_nothing_else():
    sessions = sessions_of([{"at": f"2026-09-0{day} 20:00"} for day in range(1, 5)]).assign(
        session_id=["20260901-a", "20260902-a", "20260903-a", "20260904-a"]
    )
    assert side_by_side.named(sessions, "", "20260904-a") == []
    assert side_by_side.named(sessions, " last , 20260901, 20260903-a", "20260904-a") == [
        "20260903-a",
        "20260901-a",
    ]
    assert (
        side_by_side.named(sessions, "last", "20260901-a") == []
    )  # the first session has none before it
    with pytest.raises(clean.WorkspaceError, match="20260907"):
        side_by_side.named(sessions, "20260907", "20260904-a")
    with pytest.raises(clean.WorkspaceError, match="sessions begin so"):
        side_by_side.named(sessions, "2026", "20260904-a")
    with pytest.raises(ValueError, match="under review"):
        side_by_side.named(sessions, "20260904", "20260904-a")
    with pytest.raises(ValueError, match="at most 2"):
        side_by_side.named(sessions, "20260901,20260902,20260903", "20260904-a", most=2)


def test_days_and_months_name_the_rooms_earlier_sessions_of_that_time():
    days = ("05-31", "06-01", "06-18", "06-30", "07-01", "08-15")
    sessions = sessions_of([{"at": f"2026-{day} 23:30"} for day in days])
    ids = sessions.sort_values("started_at")["session_id"].tolist()
    for words, places in (
        ("2026-06", [1, 2, 3]),
        ("2026-06-18", [2]),
        ("2026-05..2026-06-01", [0, 1]),
        ("2026-06-02..2026-07, 2026-05-31", [2, 3, 4, 0]),
        ("2026-08", []),  # the session under review itself
        ("2025-06", []),
    ):
        named = side_by_side.named(sessions, words, ids[-1])
        assert named == [ids[place] for place in places], words
    assert side_by_side.named(sessions, "2026-06", ids[1]) == [], "none of a later session"


def test_side_by_side_two_sessions_differ_by_more_than_sessions_do_or_it_cannot_be_told():
    rng = np.random.default_rng(4)
    rows = [
        {
            "at": str(day),
            "paid_amount": 3000 * np.exp(rng.normal(0, 0.1)),
            "pay_users": 50 * np.exp(rng.normal(0, 0.1)),
        }
        for day in pd.date_range("2026-08-03 20:00", periods=12, freq="D")
    ]
    rows[-2]["paid_amount"], rows[-3]["pay_users"] = 9000.0, 51.0
    sessions = sessions_of(rows)
    names = ["paid_amount", "room_conversion"]
    values = compare.on_one_scale(
        metrics.by_session(sessions, names, registry=REGISTRY), sessions, REGISTRY
    )
    quiet = [f"s{number}" for number in range(9)]
    table = pd.DataFrame(
        {
            "metric": names,
            "label_zh": names,
            "label_en": names,
            "value": [
                values.set_index(["session_id", "metric"])["value"]["s11", name] for name in names
            ],
            "n": 9.0,
            "sd": 0.1,
            "method": "log_t",
        }
    )
    assert set(quiet) <= set(sessions["session_id"])
    beside = side_by_side.beside(
        values, "s11", ["s10", "s9"], registry=REGISTRY, table=table, thresholds=THRESHOLDS
    ).set_index("metric")
    hours = baseline.hours(sessions)
    paid = sessions.set_index("session_id")["paid_amount"]
    assert beside.loc["paid_amount", "value_1"] == pytest.approx(paid["s10"] / hours["s10"])
    assert beside.loc["paid_amount", "change_1"] == pytest.approx(paid["s11"] / paid["s10"] - 1)
    assert beside.loc["paid_amount", ["verdict_1", "verdict_2"]].tolist() == [
        "worse",
        "cannot_tell",
    ]
    heads = side_by_side.beside_heads(sessions, ["s10", "s9"])
    assert heads["value_1"] == ("2026-08-13 20:00 A",) * 2 or heads["value_1"][0].endswith(
        "20:00 A"
    )


def test_a_baseline_of_two_sessions_gives_no_verdict_side_by_side():
    sessions = sessions_of(
        [{"at": f"2026-09-0{day} 20:00", "paid_amount": 1000.0 * day} for day in range(1, 4)]
    )
    values = compare.on_one_scale(
        metrics.by_session(sessions, ["paid_amount"], registry=REGISTRY), sessions, REGISTRY
    )
    table = pd.DataFrame(
        {
            "metric": ["paid_amount"],
            "label_zh": ["甲"],
            "label_en": ["a"],
            "value": [1500.0],
            "n": [2.0],
            "sd": [0.1],
            "method": ["log_t"],
        }
    )
    beside = side_by_side.beside(
        values, "s2", ["s0"], registry=REGISTRY, table=table, thresholds=THRESHOLDS
    )
    assert beside["verdict_1"].tolist() == ["not_comparable"]
