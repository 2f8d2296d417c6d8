"""Which sessions compare, what they lead one to expect, and that quiet sessions stay quiet."""

import csv
import datetime as dt

import numpy as np
import pandas as pd
import pytest
from lunardate import LunarDate

from helpers import compare, reference
from helpers.compare import bases, words
from helpers.reference import metrics, schema

ZONE = "Asia/Shanghai"
REGISTRY = reference.registry()
THRESHOLDS = reference.thresholds()
CALENDAR = reference.calendar()


def sessions_of(*rows: dict) -> pd.DataFrame:
    """Sessions of one Douyin room, 20:00 to 24:00 by host A, with the fields of each row over these."""
    made = []
    for number, row in enumerate(rows):
        day = pd.Timestamp(row.get("at", "2026-09-01 20:00"), tz=ZONE)
        made.append(
            {
                "session_id": f"s{number}",
                "platform": "douyin",
                "room": "r",
                "host": "A",
                "kind": "daily",
                "started_at": day,
                "duration_seconds": 4 * 3600.0,
                "currency": "CNY",
                "viewers": 10_000.0,
                "product_click_users": 2_000.0,
                "product_exposure_users": 8_000.0,
                "pay_users": 400.0,
                "orders": 420.0,
                "paid_amount": 40_000.0,
                "room_exposure_users": 100_000.0,
                "create_users": 500.0,
                **{key: value for key, value in row.items() if key != "at"},
            }
        )
    return schema.conform(pd.DataFrame(made), "sessions", ZONE)


def events_of(*rows: dict) -> pd.DataFrame:
    frame = pd.DataFrame(
        rows,
        columns=[
            "starts_at",
            "ends_at",
            "kind",
            "what",
            "expected_direction",
            "metric",
            "entered_at",
        ],
    )
    return compare.event_windows(schema.conform(frame, "events", ZONE), reference.event_kinds())


def comparable(sessions, session_id, events=None):
    events = events_of() if events is None else events
    return compare.comparable(
        sessions, session_id, events=events, calendar=CALENDAR, thresholds=THRESHOLDS
    )


def reason_of(table: pd.DataFrame, session_id: str) -> str:
    return table.set_index("session_id").loc[session_id, "reason"]


# ------------------------------------------------------------------------------------ the calendar


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
    found = compare.festival_of(dt.date.fromisoformat(day), platform, CALENDAR)
    assert (found and (found[0].festival, found[1])) == (festival and (festival, offset))


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
    assert compare.day_class(dt.date.fromisoformat(day), platform) == expected


def test_a_year_without_announced_make_up_days_is_said():
    assert compare.calendar_gap(dt.date(2027, 3, 1)) and not compare.calendar_gap(
        dt.date(2026, 3, 1)
    )


# ------------------------------------------------------------------------- the comparable sessions


def evenings(days: int, start: str = "2026-08-24", **fields) -> list[dict]:
    return [{"at": f"{day:%Y-%m-%d} 20:00", **fields} for day in pd.date_range(start, periods=days)]


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


def test_a_session_under_an_event_of_its_own_is_left_out_and_a_shared_event_is_not_held_against_it():
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


def test_the_first_days_of_a_festival_are_held_against_ordinary_days_for_orientation():
    rows = [*evenings(10, "2026-10-08"), {"at": "2026-10-19 20:00"}]
    table = comparable(sessions_of(*rows), "s10")
    assert compare.basis(table, THRESHOLDS)[:3] == ("unlike", 9, "weak")
    assert reason_of(table, "s9") == "festival"


def test_year_ago_is_by_festival_offset_not_by_date():
    """2026-02-17 is New Year's Day of the lunar year, 2025-02-17 long after it; 2025-01-29 is the day to compare."""
    sessions = sessions_of(
        {"at": "2025-01-29 20:00"}, {"at": "2025-02-17 20:00"}, {"at": "2026-02-17 20:00"}
    )
    assert compare.year_ago(sessions, "s2", calendar=CALENDAR)["session_id"].tolist() == ["s0"]
    plain = sessions_of(
        {"at": "2025-09-04 20:00"}, {"at": "2025-09-06 20:00"}, {"at": "2026-09-03 20:00"}
    )
    assert compare.year_ago(plain, "s2", calendar=CALENDAR)["session_id"].tolist() == ["s0"]
    assert compare.year_ago(plain, "s0", calendar=CALENDAR).empty


# -------------------------------------------------------------------------------------- the values


def scaled(sessions: pd.DataFrame, ids: list[str] | None = None) -> pd.DataFrame:
    ids = ids or compare.comparable_metrics(REGISTRY)
    return compare.on_one_scale(
        metrics.by_session(sessions, ids, registry=REGISTRY), sessions, REGISTRY
    )


def test_totals_are_compared_per_hour_and_rates_as_they_are():
    sessions = sessions_of({}, {"duration_seconds": 2 * 3600.0, "created_amount": 10_000.0})
    values = scaled(sessions).set_index(["session_id", "metric"])["value"]
    assert values["s0", "viewers"] == 2_500 and values["s1", "viewers"] == 5_000
    assert values["s1", "created_amount"] == 5_000 and values["s1", "uv_value"] == 4


def test_metrics_that_grow_with_age_or_stand_twice_are_not_compared():
    ids = set(compare.comparable_metrics(REGISTRY))
    assert not ids & {
        "refund_rate_amount",
        "refund_amount",
        "net_amount",
        "profit",
        "viewers_per_hour",
        "paid_per_hour",
    }
    assert {"viewers", "paid_amount", "orders", "uv_value", "avg_watch_seconds", "new_fans"} <= ids


def noisy(
    rng: np.random.Generator, count: int, sd: float = 0.12, last: float = 1.0
) -> pd.DataFrame:
    """Sessions on working-day evenings whose volumes and rates vary by `sd`; the last one's pay rate is multiplied."""
    days = [
        d
        for d in pd.date_range("2026-04-01", "2026-09-30")
        if compare.day_class(d.date(), "douyin") == "work"
    ][-count:]
    rows = []
    for number, day in enumerate(days):
        vary = np.exp(rng.normal(0, sd, 6))
        viewers = round(12_000 * vary[0])
        exposed = rng.binomial(viewers, min(0.8 * vary[1], 0.99))
        clicked = rng.binomial(exposed, min(0.3 * vary[2], 0.99))
        created = rng.binomial(clicked, min(0.25 * vary[3], 0.99))
        paid = rng.binomial(
            created, min(0.8 * vary[4] * (last if number == count - 1 else 1), 0.99)
        )
        rows.append(
            {
                "at": f"{day:%Y-%m-%d} 20:00",
                "viewers": viewers,
                "product_exposure_users": exposed,
                "product_click_users": clicked,
                "create_users": created,
                "pay_users": paid,
                "orders": paid,
                "room_exposure_users": viewers * 8,
                "paid_amount": paid * 90 * vary[5],
            }
        )
    return sessions_of(*rows)


def judged(sessions: pd.DataFrame) -> pd.DataFrame:
    own = sessions["session_id"].iloc[-1]
    chosen = sessions["session_id"].iloc[:-1]
    return compare.verdicts(
        scaled(sessions), own, chosen, sessions=sessions, registry=REGISTRY, thresholds=THRESHOLDS
    )


def test_verdicts_by_hand():
    rates = [0.20, 0.22, 0.18, 0.21, 0.19]
    rows = [{"product_click_users": 1_000.0, "pay_users": 1_000 * rate} for rate in rates]
    found = (
        judged(sessions_of(*rows, {"product_click_users": 1_000.0, "pay_users": 100.0}))
        .set_index("metric")
        .loc["click_pay_rate"]
    )
    logs = np.log((1_000 * np.array(rates) + 0) / 1_000)
    half = 2.776445 * logs.std(ddof=1) * np.sqrt(1 + 1 / 5)
    assert found["baseline"] == pytest.approx(0.2) and found["value"] == pytest.approx(0.1)
    assert [found["lower"], found["upper"]] == pytest.approx(
        list(np.exp(logs.mean() + half * np.array([-1, 1]))), rel=1e-6
    )
    assert (
        found["verdict"] == "worse" and found["ratio"] == pytest.approx(0.5) and not found["weak"]
    )


def test_direction_follows_what_is_good():
    rows = [{"ad_cost": cost} for cost in (900.0, 1000.0, 1100.0, 950.0, 1050.0)]
    found = judged(sessions_of(*rows, {"ad_cost": 4_000.0})).set_index("metric")
    assert (
        found.loc["cost_per_viewer", "verdict"] == "worse"
        and found.loc["ad_roi", "verdict"] == "worse"
    )
    assert found.loc["ad_cost", "unusual"] and found.loc["ad_cost", "verdict"] == "cannot_tell"


@pytest.mark.parametrize(("count", "verdict"), [(2, "not_comparable"), (3, "worse")])
def test_two_sessions_give_no_verdict(count, verdict):
    rows = [{"pay_users": 400.0 + number} for number in range(count)]
    found = (
        judged(sessions_of(*rows, {"pay_users": 100.0})).set_index("metric").loc["room_conversion"]
    )
    assert found["verdict"] == verdict and found["weak"]
    assert np.isnan(found["lower"]) == (count == 2) and found["baseline"] > 0


def outcome_by_hand(row) -> str:
    """The word shown, told again from the row's own numbers."""
    if row.verdict != "cannot_tell":
        return row.verdict
    return (
        "normal"
        if row.lower <= row.value <= row.upper
        and not (row.lower > 0 and row.upper > 1000 * row.lower)
        else "cannot_tell"
    )


def test_inside_the_range_is_normal_and_only_what_is_undecided_cannot_be_told():
    seen = set()
    for seed in range(10):
        table = judged(noisy(np.random.default_rng(seed), 6))
        assert table["outcome"].tolist() == [outcome_by_hand(row) for row in table.itertuples()]
        seen |= set(table["outcome"])
        ground = compare.Basis("slot", 5, "strong", "同时段", "same slot")
        said = compare.to_findings(table, ground, registry=REGISTRY).set_index("metric")
        for row in table.itertuples():
            words = said.loc[row.metric, ["sentence_zh", "sentence_en"]]
            assert (
                ("属正常波动" in words["sentence_zh"])
                == ("Ordinary variation" in words["sentence_en"])
                == (row.outcome == "normal")
            )
            assert ("无法判断" in words["sentence_zh"]) <= (row.outcome == "cannot_tell")
        zh, en = compare.summary(table, ground)
        assert (
            f"{(table['outcome'] == 'normal').sum()} 个在正常波动内" in zh
            and f"{(table['outcome'] == 'normal').sum()} within normal range" in en
        )
        assert ("无法判断" in zh) == (table["outcome"] == "cannot_tell").any()
    assert {"normal", "cannot_tell"} <= seen


def test_the_session_is_never_in_its_own_baseline():
    sessions = noisy(np.random.default_rng(1), 7)
    values, ids = scaled(sessions), sessions["session_id"]
    with_itself = compare.verdicts(
        values, ids.iloc[-1], ids, sessions=sessions, registry=REGISTRY, thresholds=THRESHOLDS
    )
    pd.testing.assert_frame_equal(with_itself, judged(sessions))


@pytest.mark.parametrize("n", [3, 5, 8, 15])
def test_a_quiet_session_is_seldom_flagged(n):
    """Nothing happened; before the false-discovery screen a metric is flagged about one time in twenty, after it hardly ever.

    Each of 40 sessions against the n before it (they overlap, so the bounds are wide;
    `bench_compare` has the sharp ones).
    """
    ids = [
        "viewers",
        "product_click_rate",
        "click_create_rate",
        "create_pay_rate",
        "customer_price",
        "uv_value",
    ]
    sessions = noisy(np.random.default_rng(n), 40 + n)
    values, names = scaled(sessions, ids), sessions["session_id"]
    tables = [
        compare.verdicts(
            values,
            names[i],
            names[i - n : i],
            sessions=sessions,
            registry=REGISTRY,
            thresholds=THRESHOLDS,
        )
        for i in range(n, 40 + n)
    ]
    made = pd.concat(tables)
    below, above = (made["value"] < made["lower"]).mean(), (made["value"] > made["upper"]).mean()
    assert len(made) == 240 and 0.01 <= below + above <= 0.10 and max(below, above) <= 0.07
    assert (
        (made["p_value"] < 0.05)
        == ((made["value"] < made["lower"]) | (made["value"] > made["upper"]))
    ).mean() > 0.99
    assert (
        np.mean([table["verdict"].isin(["better", "worse"]).any() for table in tables]) <= 0.2
    )  # 0.10 promised; 40 overlapping sessions


def test_below_what_is_comparable_but_above_what_the_course_leads_to_expect_is_no_verdict():
    """The account has slid down for weeks: a session below what they were on average, yet far above the last ones, is neither better nor worse."""
    days = [
        day
        for day in pd.date_range("2026-04-01", "2026-09-30")
        if compare.day_class(day.date(), "douyin") == "work"
    ][:41]
    level = np.geomspace(1, 0.2, 40) * np.exp(np.random.default_rng(8).normal(0, 0.02, 40))
    rows = [
        {"at": f"{day:%Y-%m-%d} 20:00", "paid_amount": 100_000 * size, "viewers": 10_000.0 + k}
        for k, (day, size) in enumerate(zip(days, [*level, 0.48], strict=True))
    ]
    sessions = sessions_of(*rows)
    table = judged(sessions)
    row = table.set_index("metric").loc["paid_amount"]
    assert (
        row["baseline"] > row["value"] > row["upper"]
        and row["unusual"]
        and row["verdict"] == "cannot_tell"
    )
    ground = compare.Basis("slot", 40, "strong", "同时段", "same slot")
    said = (
        compare.to_findings(table, ground, registry=REGISTRY).set_index("metric").loc["paid_amount"]
    )
    assert "两者不一致" in said["sentence_zh"] and "disagree" in said["sentence_en"]


def test_a_broken_step_is_found_and_named():
    """The pay rate is cut to 55 %: it is called worse every time, the steps before it hardly ever."""
    rng, found, wrong = np.random.default_rng(5), 0, 0
    ids = ["product_click_rate", "click_create_rate", "create_pay_rate", "customer_price"]
    for _ in range(20):
        sessions = noisy(rng, 13, last=0.55)
        names = sessions["session_id"]
        table = compare.verdicts(
            scaled(sessions, ids),
            names.iloc[-1],
            names,
            sessions=sessions,
            registry=REGISTRY,
            thresholds=THRESHOLDS,
        )
        worse = set(table.loc[table["verdict"] == "worse", "metric"])
        found, wrong = (
            found + ("create_pay_rate" in worse),
            wrong + len(worse - {"create_pay_rate"}),
        )
    assert found >= 19 and wrong <= 4


def test_a_zero_does_not_depend_on_the_currency():
    rows = [{"paid_amount": paid} for paid in (100.0, 0.0, 120.0, 90.0, 110.0)]
    plain = judged(sessions_of(*rows, {"paid_amount": 0.0})).set_index("metric").loc["paid_amount"]
    rupiah = [{"paid_amount": 2_000 * row["paid_amount"]} for row in rows]
    other = (
        judged(sessions_of(*rupiah, {"paid_amount": 0.0})).set_index("metric").loc["paid_amount"]
    )
    assert plain["p_value"] == pytest.approx(other["p_value"]) and plain[
        "upper"
    ] * 2_000 == pytest.approx(other["upper"])


def test_money_at_stake_is_gap_times_people_times_what_they_pay():
    rows = [{}, {}, {}, {}, {}]
    sessions = sessions_of(
        *rows, {"product_click_users": 1_000.0, "pay_users": 200.0, "paid_amount": 20_000.0}
    )
    table = judged(sessions)
    stake = compare.money_at_stake(table, sessions.iloc[-1], REGISTRY).set_axis(table["metric"])
    # click rate 2000/8000 before, 1000/8000 now: 1000 clicks missing, each worth 20 000 / 1 000 now
    assert stake["product_click_rate"] == pytest.approx((0.25 - 0.125) * 8_000 * 20)
    assert (
        stake["customer_price"] != stake["customer_price"]
        and stake["click_pay_rate"] != stake["click_pay_rate"]
    )
    assert stake["uv_value"] == pytest.approx((4 - 2) * 10_000)
    assert stake["paid_amount"] == pytest.approx(20_000)
    assert np.isnan(stake.get("peak_online", np.nan))


def test_against_the_previous_session_says_what_change_is_ordinary():
    sessions = noisy(np.random.default_rng(3), 9)
    table = judged(sessions)
    found = (
        compare.against(scaled(sessions), "s8", ["s7"], registry=REGISTRY, table=table)
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
    assert found["change"] == pytest.approx(now / before - 1) and found["index"] == pytest.approx(
        100 * now / before
    )
    assert found["ordinary_upper"] == pytest.approx(
        np.exp(2.364624 * sd * np.sqrt(2)) - 1, rel=1e-5
    )


def test_several_reference_sessions_are_taken_as_a_ratio_of_sums():
    sessions = sessions_of(
        {"viewers": 1_000.0, "paid_amount": 10_000.0},
        {"viewers": 9_000.0, "paid_amount": 18_000.0},
        {},
    )
    found = compare.against(
        scaled(sessions), "s2", ["s0", "s1", "s2"], registry=REGISTRY
    ).set_index("metric")
    assert (
        found.loc["uv_value", "reference"] == pytest.approx(2.8) and found.loc["uv_value", "n"] == 2
    )


# -------------------------------------------------------------------------------- goals and events


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
    found = compare.goal_completion(goals, values, sessions, "s2", registry=REGISTRY)
    assert found["value"].tolist()[:2] == [40_000, 120_000] and found["completion"].tolist()[
        :2
    ] == [0.8, 0.3]
    assert found["note"].tolist() == ["", "", "people_do_not_add", "", "unknown_metric"]
    assert found["value"].iloc[3] == pytest.approx(4) and bool(found["reached"].iloc[3])
    assert found["elapsed"].iloc[1] == pytest.approx(3 / 30, abs=1e-9)
    assert (
        found["state"].tolist() == ["missed", "running", "", "on_track", ""]
        and found["state_en"].iloc[1] == "still running"
    )
    assert found["pace"].notna().tolist() == [
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
    told = [
        compare.goal_completion(goals, values, sessions, "s2", registry=registry, settled=known)[
            "state"
        ].tolist()
        for known in (False, True)
    ]
    assert told[0] == [session, running, over] and told[1][0] == settled


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
    found = compare.coinciding(events, CALENDAR, sessions, "s5", moved)
    assert found["what"].tolist() == ["放量", "卡顿", "双11"]
    assert found["logged_after"].tolist() == [False, True, False]
    assert found["agrees"].tolist()[:2] == [False, True]
    assert compare.coinciding(events_of(), CALENDAR, sessions_of({}), "s0").empty


def test_calendar_file_has_no_columns_but_those_of_its_model():
    path = reference.SHIPPED / "calendar.csv"
    with path.open(encoding="utf-8") as handle:
        assert next(csv.reader(handle)) == list(reference.Festival.model_fields)


def test_session_named_wrongly_is_a_key_error():
    with pytest.raises(KeyError):
        comparable(sessions_of({}), "nope")
    alone = compare.basis(comparable(sessions_of({}), "s0"), THRESHOLDS)
    assert (alone.rung, alone.n, alone.strength) == ("none", 0, "none")


# ------------------------------------------------------------------------------------ what is said


def test_the_family_is_one_metric_a_problem_that_the_session_has():
    sessions = sessions_of({}, {})
    names = compare.family(scaled(sessions), "s1", reference.playbook())
    assert (
        names[0] == "paid_amount"
        and "viewers" in names
        and len(names) == len(set(names)) <= len(reference.playbook()) + 1
    )
    gone = scaled(sessions).query("metric != 'viewers'")
    assert "viewers" not in compare.family(gone, "s1", reference.playbook())


def test_findings_say_what_the_verdicts_say():
    rows = [
        {"pay_users": 400.0 + number, "paid_amount": 40_000.0 + 90 * number} for number in range(6)
    ]
    sessions = sessions_of(
        *[{**row, "at": f"2026-09-0{number + 1} 20:00"} for number, row in enumerate(rows)],
        {"at": "2026-09-08 20:00", "pay_users": 100.0, "paid_amount": 9_000.0},
    )
    chosen = comparable(sessions, "s6")
    ground, table = compare.basis(chosen, THRESHOLDS), judged(sessions)
    table = table.assign(money_at_stake=compare.money_at_stake(table, sessions.iloc[-1], REGISTRY))
    found = compare.to_findings(table, ground, registry=REGISTRY).set_index("metric")
    row = found.loc["room_conversion"]
    assert row["verdict"] == "worse" and row["money_at_stake"] > 0
    for said in ("1.00%", "4.03%", "变差"):
        assert said in row["sentence_zh"]
    assert "Worse" in row["sentence_en"] and not found["sentence_en"].str.contains("nan").any()
    assert found.loc[found["verdict"] != "worse", "money_at_stake"].isna().all()
    zh, en = compare.summary(table, ground)
    assert str(len(table)) in zh and str(len(table)) in en
    assert "不下结论" in compare.summary(table, ground._replace(strength="none", n=2))[0]


def test_ranges_carry_no_verdict():
    sessions = sessions_of({}, {}, {}, {})
    found = compare.ranges(
        scaled(sessions),
        "s3",
        ["s0", "s1", "s2"],
        sessions=sessions,
        registry=REGISTRY,
        thresholds=THRESHOLDS,
    )
    assert (
        "verdict" not in found
        and "p_value" not in found
        and {"lower", "upper", "baseline"} <= set(found.columns)
    )


def test_a_range_over_many_powers_of_ten_is_not_printed_as_if_it_said_something():
    row = pd.Series(
        {
            "label_zh": "支付金额",
            "label_en": "Paid amount",
            "n": 3,
            "value": 2.0,
            "baseline": 1.0,
            "lower": 0.02,
            "upper": 1.76e8,
            "ratio": 2.0,
            "verdict": "cannot_tell",
            "outcome": "cannot_tell",
            "weak": True,
            "unusual": False,
        }
    )
    ground = compare.Basis("slot", 3, "weak", "同时段", "same slot")
    said = {"value": "2", "baseline": "1", "range": "0.02 – 1.76亿", "change": "100%"}
    assert "1.76" not in words._sentence_zh(row, said, ground) and "无法判断" in words._sentence_zh(
        row, said, ground
    )
    assert "1.76" not in words._sentence_en(row, said, ground)


# --------------------------------------------------------------- the same festival of another year

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
    """Beside it stands what the date alone would take; for the lunar festival these are other sessions."""
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
    """2026-09-08 is a Tuesday: the week before it runs from Monday 31 August to Sunday 6 September."""
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
    found = {
        name: [of[one] for one in ids] for name, ids in compare.by_calendar(sessions, "s6").items()
    }
    assert found == {
        "day": ["2026-09-07"],
        "week": ["2026-08-31", "2026-09-01", "2026-09-06"],
        "month": ["2026-08-01", "2026-08-31"],
    }


def test_an_ordinary_session_has_no_date_of_its_own_beside_it():
    sessions = sessions_of({"at": "2025-09-03 20:00"}, {"at": "2026-09-02 20:00"})
    assert compare.same_date_year_ago(sessions, "s1", calendar=CALENDAR).empty
    assert compare.absent_bases({"previous": [], "same_date": []}) == [bases.ABSENT["previous"]]


def test_a_year_that_the_holiday_library_lacks_is_said_in_words():
    ((zh, en),) = compare.calendar_notes(pd.Timestamp("2027-03-01 20:00", tz=ZONE), "douyin")
    assert "2027 年的调休" in zh and "2027" in en
    assert compare.calendar_notes(pd.Timestamp("2027-03-01 20:00", tz=ZONE), "tiktok") == []
    assert compare.calendar_notes(pd.Timestamp("2026-03-01 20:00", tz=ZONE), "douyin") == []
    assert [
        words[0][:4]
        for words in compare.calendar_notes(pd.Timestamp("2028-03-01 20:00", tz=ZONE), "douyin")
    ] == ["2027", "2028"]


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
    (found,) = compare.since_baseline(events, comparable, session)
    assert "3 场可比场次里有 2 场早于「改版」（2026-10-03）" in found[0] and found[1].startswith(
        "2 of the 3 comparable sessions"
    )


def test_a_workspace_says_itself_how_long_its_events_are_in_force_and_which_stay(tmp_path):
    """An outage that lingers for five days there leaves out a session three days later, and a violation is a new level."""
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
    shipped, own = (
        compare.event_windows(log[log["kind"] == "outage"], reference.event_kinds(folder))
        for folder in (None, tmp_path)
    )
    assert [reason_of(comparable(sessions, "s5", events), "s1") for events in (shipped, own)] == [
        "chosen",
        "event",
    ]
    table, late = comparable(sessions, "s5"), log.assign(starts_at=sessions["started_at"].iloc[4])
    said = [
        compare.since_baseline(
            compare.event_windows(late, reference.event_kinds(folder)), table, sessions.iloc[5]
        )
        for folder in (None, tmp_path)
    ]
    assert said[0] == [] and len(said[1]) == 1 and "violation" in said[1][0][1]
