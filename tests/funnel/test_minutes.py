"""The minutes of one session: curve, spans and marks against numbers worked out by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers import funnel
from helpers.funnel import minutes
from helpers.reference import schema
from tests.room_clock import RUNDOWN, START, cues, minute


def test_no_tables_give_empty_frames_not_errors():
    none = {name: schema.empty(name, "Asia/Shanghai") for name in ("minutes", "cues", "rundown")}
    spans = minutes.bands(none["cues"], none["rundown"], {}, started_at=START, ended_at=pd.NaT)
    table = minutes.band_table(minutes.profile(none["minutes"], START), spans)
    empty = [
        table,
        minutes.marks(none["cues"], START),
        minutes.band_findings(table, currency="CNY"),
    ]
    assert [len(frame) for frame in empty] == [0] * len(empty)


def curve() -> pd.DataFrame:
    times = [minute(m) for m in (2, 0, 1, 4)]
    return pd.DataFrame(
        {
            "session_id": "S",
            "at": times,
            "online": [100.0, 50.0, 80.0, 0.0],
            "entered": 5.0,
            "left": 3.0,
            "comments": 9.0,
            "likes": 1.0,
            "new_fans": 1.0,
            "fan_club_joins": np.nan,
            "product_exposure_users": np.nan,
            "product_click_users": [10.0, 5.0, 8.0, 1.0],
            "orders": [4.0, 0.0, 2.0, 1.0],
            "paid_amount": [400.0, 0.0, 160.0, 50.0],
        }
    )


def test_minutes_count_from_the_minute_of_the_start_and_gaps_stay_gaps():
    table = minutes.profile(curve(), START)
    assert table["minute"].tolist() == [0, 1, 2, 4]
    assert table["click_rate"].tolist() == pytest.approx([0.1, 0.1, 0.1, np.nan], nan_ok=True)


def test_nobody_online_beside_an_order_is_missing_and_not_zero():
    table = minutes.profile(
        curve().assign(product_exposure_users=[30.0, 20.0, 25.0, 0.0], orders=[4.0, 0.0, 2.0, 0.0]),
        START,
    )
    assert table["online"].tolist() == pytest.approx([50, 80, 100, np.nan], nan_ok=True), (
        "one click in a minute with nobody online"
    )
    assert table["product_exposure_users"].tolist() == pytest.approx(
        [20, 25, 30, np.nan], nan_ok=True
    )
    empty = minutes.profile(
        curve().assign(product_click_users=[10.0, 5.0, 8.0, 0.0], orders=[4.0, 0.0, 2.0, 0.0]),
        START,
    )
    assert empty["online"].tolist() == [50, 80, 100, 0], "an empty room is one"


def test_rows_within_a_minute_are_taken_together():
    halves = pd.concat(
        [
            curve(),
            curve().assign(
                at=lambda t: t["at"] + pd.Timedelta("30s"), online=lambda t: t["online"] + 20
            ),
        ]
    )
    table = minutes.profile(halves, START)
    assert table["minute"].tolist() == [0, 1, 2, 4] and table["online"].tolist() == [
        60,
        90,
        110,
        10,
    ]
    assert table["orders"].tolist() == [0, 4, 8, 2]


def test_minutes_go_on_past_midnight():
    table = minutes.profile(curve().assign(at=lambda t: t["at"] + pd.Timedelta(hours=4)), START)
    assert table["minute"].tolist() == [240, 241, 242, 244]


def test_an_explanation_lasts_to_its_end_or_to_the_next_one():
    logged = cues(
        (minute(3), "explain_start", "p1"),
        (minute(8), "explain_end", "p1"),
        (minute(9), "coupon", "p1"),
        (minute(12), "explain_start", "p2"),
        (minute(15), "explain_start", "p3"),
    )
    spans = minutes.bands(
        logged, RUNDOWN, {"p1": "茶", "p2": "cup"}, started_at=START, ended_at=minute(60)
    )
    assert spans[["start_minute", "end_minute"]].to_numpy().tolist() == [[3, 8], [12, 15], [15, 60]]
    assert spans["label_zh"].tolist() == ["茶", "cup", "p3"] and (spans["basis"] == "cues").all()


def test_without_a_log_the_rundown_is_taken():
    spans = minutes.bands(cues(), RUNDOWN, {"p1": "茶"}, started_at=START, ended_at=minute(60))
    assert spans[["start_minute", "end_minute"]].to_numpy().tolist() == [[0, 10], [10, 20]]
    assert spans["label_en"].tolist() == ["Pre-heat", "茶"] and (spans["basis"] == "rundown").all()


def test_without_log_and_rundown_there_are_no_spans():
    spans = minutes.bands(cues(), RUNDOWN.iloc[:0], {}, started_at=START, ended_at=minute(60))
    assert spans.empty and minutes.band_table(minutes.profile(curve(), START), spans).empty


def test_marks_are_what_floor_control_did_beside_explaining():
    shown = minutes.marks(
        cues(
            (minute(9), "coupon", "p1"),
            (minute(3), "explain_start", "p1"),
            (minute(5), "lucky_bag", np.nan),
        ),
        START,
    )
    assert shown[["minute", "label_en"]].to_numpy().tolist() == [[5, "Lucky bag"], [9, "Coupon"]]
    assert minutes.marks(cues((minute(1), "follow_prompt", "p1")), START).empty


def test_a_span_sums_its_minutes_and_sets_money_against_people_online():
    spans = pd.DataFrame(
        {
            "start_minute": [0.0, 2.0],
            "end_minute": [2.0, 3.0],
            "label_zh": ["a", "b"],
            "label_en": ["a", "b"],
        }
    )
    table = minutes.band_table(minutes.profile(curve(), START), spans)
    assert table["orders"].tolist() == [2, 4] and table["paid_amount"].tolist() == [160, 400]
    assert table["paid_per_1000"].tolist() == pytest.approx([160 / 130 * 1000, 4000])
    assert table["session_paid_per_1000"].tolist() == pytest.approx([560 / 230 * 1000] * 2), (
        "the minute with an order and nobody online is a gap"
    )
    assert table["orders_per_1000"].tolist() == pytest.approx([2 / 130 * 1000, 40])
    assert table["session_orders_per_1000"].tolist() == pytest.approx([6 / 230 * 1000] * 2)
    assert (
        (table["ci_lower"] < table["orders_per_1000"])
        & (table["orders_per_1000"] < table["ci_upper"])
    ).all()
    assert (table["standing"] == "cannot_tell").all()


def test_a_span_stands_apart_when_its_orders_are_beyond_the_unevenness_of_the_minutes():
    random = np.random.default_rng(1)
    rate = np.where(
        np.arange(120) // 20 == 2, 0.10, 0.02
    )  # minutes 40 to 59 sell five times as well
    long = pd.DataFrame({name: np.nan for name in minutes.CURVES}, index=range(120)).assign(
        minute=np.arange(120.0), online=100.0
    )
    long = long.assign(
        orders=random.poisson(100 * rate).astype(float), paid_amount=lambda t: t["orders"] * 50
    )
    starts = np.arange(0.0, 120, 20)
    spans = pd.DataFrame(
        {"start_minute": starts, "end_minute": starts + 20, "label_zh": "段", "label_en": "span"}
    )
    table = minutes.band_table(long, spans)
    assert table["standing"].tolist()[2] == "above" and (table["standing"].drop(2) != "above").all()
    even = minutes.band_table(long.assign(orders=random.poisson(2.0, 120).astype(float)), spans)
    assert (even["standing"] == "cannot_tell").all()


def test_ends_logged_at_the_minute_of_the_next_start_or_after_it_belong_to_their_own_product():
    logged = cues(
        (minute(3), "explain_start", "p1"),
        (minute(8), "explain_start", "p2"),
        (minute(8), "explain_end", "p1"),
        (minute(20), "explain_start", "p1"),
        (minute(22), "explain_end", "p2"),
        (minute(30), "explain_end", "p1"),
    )
    spans = minutes.bands(logged, RUNDOWN, {}, started_at=START, ended_at=minute(60))
    assert spans[["product_id", "start_minute", "end_minute"]].to_numpy().tolist() == [
        ["p1", 3, 8],
        ["p2", 8, 22],
        ["p1", 20, 30],
    ]


def test_band_findings_name_the_best_and_the_weakest_span_that_stand_apart():
    table = pd.DataFrame(
        {
            "start_minute": [0.0, 2.0, 9.0],
            "end_minute": [2.0, 5.0, 20.0],
            "label_zh": ["甲", "乙", "丙"],
            "label_en": ["a", "b", "c"],
            "orders_per_1000": [4.0, 1.0, 9.0],
            "session_orders_per_1000": 3.0,
            "paid_amount": 50.0,
            "ci_lower": [2.0, 0.5, 1.0],
            "ci_upper": [7.0, 2.0, 30.0],
            "p_adjusted": [0.01, 0.02, 0.4],
            "standing": ["above", "below", "cannot_tell"],
        }
    )
    rows = funnel.all_findings(minutes.band_findings(table, currency="CNY"))
    assert rows["minute_from"].tolist() == [0, 2] and rows["minute_to"].tolist() == [1, 4]
    assert (
        "最高" in rows["sentence_zh"][0]
        and "2.0 – 7.0" in rows["sentence_zh"][0]
        and "lowest" in rows["sentence_en"][1]
    )
    assert minutes.band_findings(table.tail(1), currency="CNY") == []


# ---- before, during, after; stages


def test_a_product_is_counted_by_its_own_orders_before_during_and_after():
    curve_ = pd.DataFrame(
        {"minute": np.arange(40.0), "online": 100.0, "net_inflow": 1.0, "product_click_users": 10.0}
    )
    spans = pd.DataFrame(
        {
            "label_zh": ["茶"],
            "label_en": ["tea"],
            "product_id": ["p1"],
            "start_minute": [15.0],
            "end_minute": [25.0],
        }
    )
    lines = pd.DataFrame(
        {
            "order_id": list("abcdefg"),
            "product_id": ["p1"] * 6 + ["p2"],
            "paid_at": [minute(m) for m in (14.5, 15, 16, 24.9, 25, 39, 16)],
        }
    )
    table = minutes.phases(curve_, spans, lines, START).set_index("phase")
    assert (
        table["own_orders"].to_dict() == {"before": 1, "during": 3, "after": 1}
        and (table["minutes"] == 10).all()
    )
    assert (
        table.loc["during", "own_per_1000"] == pytest.approx(3)
        and table.loc["during", "ci_lower"] < 3 < table.loc["during", "ci_upper"]
    )
    wide = minutes.side_by_side(table.reset_index())
    assert (
        wide.loc[0, ["own_per_1000_before", "own_per_1000_during", "own_per_1000_after"]].tolist()
        == [1, 3, 1]
        and wide["online_during"].item() == 100
    )
    again = pd.concat(
        [lines, lines.assign(paid_at=lines["paid_at"] + pd.Timedelta(seconds=1))]
    )  # every order in two SKUs
    for rows in (lines, again):
        assert minutes.own_orders(spans, rows, START).tolist() == [3]
    assert (
        minutes.own_orders(spans, lines.iloc[:0], START).isna().all()
        and minutes.own_orders(spans.assign(product_id=None), lines, START).isna().all()
    )
    assert minutes.inclusive(spans)["end_minute"].tolist() == [24] and spans[
        "end_minute"
    ].tolist() == [25]
    shown = minutes.clocked(
        pd.DataFrame({"start_minute": [0, 161.0, np.nan], "end_minute": [5, 240.0, np.nan]}),
        pd.Timestamp("2026-11-14 20:00:40", tz="Asia/Shanghai"),
    )
    assert shown.fillna("").to_dict("list") == {
        "start_minute": ["20:00", "22:41", ""],
        "end_minute": ["20:04", "23:59", ""],
    }
    without = minutes.phases(curve_, spans, lines.iloc[:0], START)
    assert (
        without["own_per_1000"].isna().all()
        and minutes.side_by_side(without)["online_before"].item() == 100
    )
    assert minutes.side_by_side(minutes.phases(curve_, spans.iloc[:0], lines, START)).empty
    twice = pd.concat([spans, spans.assign(product_id="p2")], ignore_index=True)
    both = minutes.side_by_side(minutes.phases(curve_, twice, lines, START))
    assert both["own_per_1000_during"].tolist() == [3, 1], "two products of one label stay two"


def test_the_platform_s_own_record_of_explanations_comes_before_the_rundown():
    exported = pd.DataFrame(
        {
            "starts_at": [minute(5), minute(20)],
            "ends_at": [minute(12), pd.NaT],
            "product_id": ["p1", np.nan],
            "name": ["茶", "杯"],
        }
    )
    spans = minutes.bands(
        cues(), RUNDOWN, {"p1": "茶"}, started_at=START, ended_at=minute(60), exported=exported
    )
    assert spans[
        ["mark", "label_zh", "start_minute", "end_minute", "basis"]
    ].to_numpy().tolist() == [
        ["A", "茶", 5, 12, "explanations"],
        ["B", "杯", 20, 60, "explanations"],
    ]


def test_a_thinned_curve_keeps_the_means():
    long = (
        minutes.profile(curve(), START)
        .iloc[[0] * 300]
        .reset_index(drop=True)
        .assign(minute=np.arange(300.0), online=np.arange(300.0))
    )
    thin = minutes.thinned(long)
    assert (
        minutes.step(long) == 3
        and len(thin) == 100
        and thin["online"].mean() == pytest.approx(long["online"].mean())
    )
    assert len(minutes.thinned(long.head(50))) == 50


@pytest.mark.parametrize(
    ("logged", "zh", "en"),
    [
        ([], "", ""),
        ([(minute(3), "coupon", "p1")], "没有违规和违禁词", "logged no violation"),
        (
            [(minute(31), "violation", None), (minute(7), "banned_word", None)],
            "第 7 分钟违禁词、第 31 分钟违规。",
            "minute 7 (banned word), minute 31 (violation).",
        ),
    ],
)
def test_violations_are_told_with_their_minutes_or_that_none_was_logged(logged, zh, en):
    log = cues(*logged)
    assert zh in minutes.violation_words(log, START, "zh") and en in minutes.violation_words(
        log, START, "en"
    )
    assert bool(minutes.violation_words(log, START, "zh")) == bool(logged)
