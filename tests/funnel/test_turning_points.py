"""Change points and exit points: quiet where nothing happens, found where it does."""

import numpy as np
import pandas as pd
import pytest
import ruptures
import statsmodels.api as sm

from helpers.funnel import minutes, turning_points
from helpers.funnel.turning_points.points import STEADYING, breaks
from helpers.reference import schema
from tests.room_clock import RUNDOWN, START, cues, minute


def ar(rng: np.random.Generator, minutes_: int, memory: float, sd: float) -> np.ndarray:
    noise, correlated = rng.normal(0, sd * np.sqrt(1 - memory**2), minutes_), np.zeros(minutes_)
    for place in range(1, minutes_):
        correlated[place] = memory * correlated[place - 1] + noise[place]
    return correlated


def flat(seed: int, *, length: int = 180, **factors: np.ndarray) -> pd.DataFrame:
    """A session in which every rate stays as it is but for AR(1) noise of memory 0.5.

    The factors given multiply the rates.
    """
    rng = np.random.default_rng([seed, length])
    online = np.round(120 * np.exp(ar(rng, length, 0.95, 0.2)))
    curve = pd.DataFrame({"minute": np.arange(length, dtype=float), "online": online})
    for name, rate in (
        ("left", 0.4),
        ("new_fans", 0.02),
        ("comments", 0.15),
        ("product_click_users", 0.13),
        ("orders", 0.02),
    ):
        curve[name] = rng.poisson(
            rate * online * np.exp(ar(rng, length, 0.5, 0.2)) * factors.get(name, np.ones(length))
        ).astype(float)
    return curve


def times(first: int, last: int, factor: float, length: int = 180) -> np.ndarray:
    return np.where((np.arange(length) >= first) & (np.arange(length) < last), factor, 1.0)


def changed(curve_: pd.DataFrame, **options) -> bool:
    return bool(turning_points.stretches(curve_, **options)["rate_of"].duplicated().any())


def test_flat_sessions_show_no_change_and_no_exit_but_for_a_few():
    seeds = range(40)  # 1000 in the benchmark
    assert np.mean([changed(flat(seed)) for seed in seeds]) <= 0.10
    assert np.mean([len(turning_points.exits(flat(seed))) > 0 for seed in seeds]) <= 0.10


RISE = np.linspace(0.5, 1.5, 180)  # a rate that grows threefold over every session


def history(number: int, **factors: np.ndarray) -> pd.DataFrame:
    """Minutes of so many earlier sessions, each with the course given."""
    days = [
        flat(5000 + seed, **factors).assign(
            session_id=f"S{seed:02d}",
            at=lambda t, s=seed: (
                START - pd.Timedelta(days=s + 1) + pd.to_timedelta(t["minute"], unit="min")
            ),
        )
        for seed in range(number)
    ]
    return (
        pd.concat(days, ignore_index=True)
        .drop(columns="minute")
        .reindex(columns=["session_id", "at", *minutes.CURVES])
    )


def before(number: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session_id": [f"S{seed:02d}" for seed in range(number)],
            "started_at": [START - pd.Timedelta(days=seed + 1) for seed in range(number)],
        }
    )


def test_the_usual_course_is_the_rate_of_each_tenth_over_that_of_the_session():
    rows = history(6, product_click_users=RISE)
    courses = turning_points.course(rows, before(6)).query("rate_of == 'click'")
    parts = rows.assign(part=np.tile(np.arange(180) // 18, 6))
    events, expected = np.zeros(10), np.zeros(10)
    for _, one in parts.groupby("session_id"):
        rate = one["product_click_users"].sum() / one["online"].sum()
        for part, tenth in one.groupby("part"):
            events[part] += tenth["product_click_users"].sum()
            expected[part] += rate * tenth["online"].sum()
    np.testing.assert_allclose(
        courses["factor"],
        (events + STEADYING) / (expected + STEADYING),
    )
    assert (
        (courses["sessions"] == 6).all()
        and courses["factor"].iloc[0] < 0.7
        and courses["factor"].iloc[-1] > 1.3
    )
    few = turning_points.course(rows[rows["session_id"] < "S04"], before(6))
    assert (
        few.empty
        and "不足 5 场" in turning_points.course_words(few, "zh")
        and "last 6 sessions" in turning_points.course_words(courses, "en")
    )


def test_what_every_session_does_is_no_change_and_what_this_one_does_beside_it_is():
    usual = turning_points.course(history(12, product_click_users=RISE), before(12))
    others = dict.fromkeys(
        ("left", "new_fans", "comments", "orders"), np.nan
    )  # clicks alone: the other rates are as they were
    risen = [flat(seed, product_click_users=RISE).assign(**others) for seed in range(20)]
    clicks = [
        len(turning_points.stretches(curve, usual=courses)) > 1
        for courses in (None, usual)
        for curve in risen
    ]
    assert np.mean(clicks[:20]) >= 0.8 and np.mean(clicks[20:]) <= 0.10
    halved = [
        turning_points.stretches(
            flat(seed, product_click_users=RISE * times(80, 110, 0.4)).assign(**others), usual=usual
        )
        for seed in range(20)
    ]
    assert (
        np.mean([len(one) > 1 and one["start_minute"].sub(80).abs().min() <= 3 for one in halved])
        >= 0.75
    )


def test_what_is_usual_at_a_point_adds_up_to_the_events_of_the_session():
    usual = turning_points.course(history(6, product_click_users=RISE), before(6))
    curve = flat(3, product_click_users=RISE * times(80, 110, 0.4))
    table = turning_points.stretches(curve, usual=usual).query("rate_of == 'click'")
    people = [
        curve.loc[curve["minute"].between(row.start_minute, row.end_minute - 1), "online"].sum()
        for row in table.itertuples()
    ]
    assert (table["usual_per_1000"] * people).sum() / 1000 == pytest.approx(
        curve["product_click_users"].sum()
    )
    parts = turning_points.change_findings(
        table, pd.DataFrame(columns=["minute", "until", "label_zh", "label_en", "weight"])
    )[0]
    assert (
        "平常这时" in parts["sentence_zh"]
        and "usual at that point" in parts["sentence_en"]
        and parts["baseline"] in table["usual_per_1000"].tolist()
    )


def test_a_halved_rate_is_found_where_it_is():
    near = [
        turning_points.stretches(flat(seed, product_click_users=times(80, 110, 0.4))).query(
            "rate_of == 'click'"
        )
        for seed in range(20)
    ]
    hits = [
        len(one) >= 3
        and one["start_minute"].sub(80).abs().min() <= 3
        and one["end_minute"].sub(110).abs().min() <= 3
        for one in near
    ]
    assert np.mean(hits) >= 0.85


def test_an_exit_point_is_found_where_people_left():
    points = [
        turning_points.exits(flat(seed, left=times(100, 103, 2.5))).head(1) for seed in range(20)
    ]
    hits = [
        len(one) and one["start_minute"].item() < 103 and one["end_minute"].item() > 100
        for one in points
    ]
    assert np.mean(hits) >= 0.8
    best = next(one for one in points if len(one)).iloc[0]
    assert best["leave_rate"] > 1.5 * best["around_rate"] and best["left_per_minute"] > 0


def test_the_break_of_the_nile_is_found_with_every_place_a_candidate():
    flow = sm.datasets.nile.load_pandas().data["volume"].to_numpy()
    spread = np.var(np.diff(flow)) / 2
    penalty = 3 * np.log(len(flow)) * spread
    ours = (
        ruptures.KernelCPD(kernel="linear", min_size=5)
        .fit(flow.reshape(-1, 1))
        .predict(pen=penalty)
    )
    theirs = ruptures.Pelt(model="l2", min_size=5, jump=1).fit(flow).predict(pen=penalty)
    assert ours == theirs == [28, 100] and flow[28:].mean() - flow[:28].mean() == pytest.approx(
        -247.78, abs=0.01
    )


def test_stretches_hold_all_events_and_a_curve_without_noise_has_one():
    curve_ = flat(1, orders=times(60, 120, 5.0))
    part = turning_points.stretches(curve_).query("rate_of == 'sales'")
    assert (
        part["minutes"].sum() == len(curve_)
        and part["start_minute"].tolist()[1:] == part["end_minute"].tolist()[:-1]
    )
    exposure = [
        curve_.loc[
            curve_["minute"].between(row.start_minute, row.end_minute, inclusive="left"), "online"
        ].sum()
        for row in part.itertuples()
    ]
    assert (part["per_1000"] * exposure / 1000).sum() == pytest.approx(curve_["orders"].sum())
    assert ((part["ci_lower"] < part["per_1000"]) & (part["per_1000"] < part["ci_upper"])).all()
    assert not changed(
        curve_.assign(
            **{
                name: 5.0
                for name in ("left", "new_fans", "comments", "product_click_users", "orders")
            },
            online=50.0,
        )
    )


def test_a_handful_of_people_online_is_not_looked_at():
    curve_ = flat(2)
    curve_.loc[:9, "online"], curve_.loc[:9, "left"] = 1.0, 9.0
    assert (
        turning_points.stretches(curve_).query("rate_of != 'conversion'")["start_minute"].min()
        == 10
        and turning_points.exits(curve_).query("start_minute < 10").empty
    )


def test_what_began_near_a_change_is_named_the_most_telling_first_else_what_runs():
    spans = pd.DataFrame(
        {
            "start_minute": [10.0, 30.0],
            "end_minute": [30.0, 50.0],
            "label_zh": ["茶", "杯"],
            "label_en": ["tea", "cup"],
        }
    )
    script = minutes.stages(RUNDOWN, START, minute(60))
    events = pd.DataFrame(
        {"starts_at": [minute(29)], "ends_at": [minute(35)], "kind": ["outage"], "what": ["断流"]}
    )
    logged = cues(
        (minute(31), "coupon", "p1"),
        (minute(32), "banned_word", np.nan),
        (minute(33), "list", "p1"),
    )
    things = turning_points.happened(spans, logged, script, events, START, minute(60))
    assert (
        turning_points.touching(30, things, "zh", most=4)
        == "故障「断流」、违禁词、讲解「杯」、发优惠券"
    )
    assert (
        turning_points.touching(20, things, "en") == "explaining “tea”"
        and turning_points.touching(45, things, "zh") == "讲解「杯」"
    )
    assert turning_points.touching(58, things, "zh") == ""
    assert turning_points.happened(
        spans.iloc[:0],
        schema.empty("cues", "Asia/Shanghai"),
        script.iloc[:0],
        schema.empty("events", "Asia/Shanghai"),
        START,
        minute(60),
    ).empty


def test_turns_say_where_and_how_much_and_what_went_with_it():
    leaving = turning_points.exits(flat(3, left=times(100, 103, 3.0)))
    spans = pd.DataFrame(
        {"start_minute": [100.0], "end_minute": [120.0], "label_zh": ["茶"], "label_en": ["tea"]}
    )
    things = turning_points.happened(
        spans,
        schema.empty("cues", "Asia/Shanghai"),
        minutes.stages(RUNDOWN, START, minute(60)),
        schema.empty("events", "Asia/Shanghai"),
        START,
        minute(180),
    )
    fact = turning_points.exit_findings(leaving, things)[0]
    assert (
        fact["minute_from"] >= 98
        and "流失节点" in fact["sentence_zh"]
        and "讲解「茶」" in fact["sentence_zh"]
        and "explaining “tea”" in fact["sentence_en"]
    )
    stretches = turning_points.stretches(flat(4, orders=times(100, 140, 6.0)))
    facts = {fact["slice"]: fact for fact in turning_points.change_findings(stretches, things)}
    sales = facts["stretch=sales"]
    assert (
        abs(sales["minute_from"] - 100) <= 3
        and sales["value"] > sales["baseline"]
        and "高" in sales["sentence_zh"]
        and "above" in sales["sentence_en"]
    )
    assert set(turning_points.changing(stretches, things)["rate_of"]) >= {"sales"}
    shown = turning_points.with_turns(
        minutes.marks(cues((minute(5), "coupon", "p1")), START), leaving, stretches
    )
    assert {"exit", "change", "coupon"} <= set(shown["kind"])
    still = turning_points.stretches(flat(5))
    assert (
        "没有可以确定的变点" in turning_points.quiet_words(still, "zh")
        and turning_points.quiet_words(still.iloc[:0], "en") == ""
    )


def test_the_heading_is_answered_also_where_no_exit_point_is_sure():
    """The five minutes with most leavers per person online, looked for one start after another."""
    curve, none = flat(5), pd.DataFrame(columns=["start_minute", "end_minute"], dtype=float)
    counted = curve[curve["online"] >= curve["online"].median() / 10].reset_index(drop=True)
    rates = [
        counted["left"][k : k + 5].sum() / counted["online"][k : k + 5].sum()
        for k in range(len(counted) - 4)
    ]
    first = int(counted["minute"][max(range(len(rates)), key=rates.__getitem__)])
    zh, en = (turning_points.leaving_words(curve, none, lang) for lang in ("zh", "en"))
    assert (
        f"第 {first}–{first + 4} 分钟（每百个在线的人每分钟走 {100 * max(rates):.1f} 人次" in zh
        and f"minutes {first}–{first + 4}" in en
    )
    sure = pd.DataFrame({"start_minute": [30.0, 10.0], "end_minute": [33.0, 11.0]})
    assert (
        turning_points.leaving_words(curve, sure, "zh")
        == "人走得明显多的：第 10 分钟、第 30–32 分钟（流失节点）。"
    )
    assert turning_points.leaving_words(curve.iloc[:0], none, "en") == ""


def test_each_group_has_its_leading_figure_and_what_its_minutes_do():
    curve = (
        flat(1, product_click_users=times(80, 110, 0.4))
        .drop(columns="comments")
        .reindex(columns=[*minutes.CURVES, "minute"])
    )
    figures = pd.DataFrame(
        {
            "metric": ["follow_rate", "interaction_rate", "product_click_rate", "uv_value"],
            "value": [0.02, 1.2, np.nan, 0.8],
            "ci_lower": [0.01, np.nan, np.nan, np.nan],
            "ci_upper": [0.03, np.nan, np.nan, np.nan],
        }
    )
    table = turning_points.groups(
        figures, turning_points.stretches(curve), turning_points.exits(curve)
    ).set_index("group")
    assert table.index.tolist() == [
        "traffic",
        "fans",
        "interaction",
        "click",
        "conversion",
        "sales",
    ]
    assert [one if isinstance(one, str) else None for one in table["metric"]] == [
        None,
        "follow_rate",
        "interaction_rate",
        None,
        None,
        "uv_value",
    ]
    assert (
        table.loc["click", "minutes_zh"].startswith("第 8")
        and "low" in table.loc["click", "minutes_en"]
    )
    assert (
        table.loc["interaction", "minutes_en"] == "not in the minutes"
        and "没有可以确定的变点" in table.loc["sales", "minutes_zh"]
    )
    assert turning_points.groups(
        figures.iloc[:0],
        turning_points.stretches(curve.iloc[:0]),
        turning_points.exits(curve.iloc[:0]),
    ).empty


@pytest.mark.parametrize("minute", [0, 1, 30, 58, 59])
def test_a_single_event_is_no_change_wherever_it_stands(minute):
    counts = np.zeros(60)
    counts[minute] = 1
    assert breaks(counts, 100 + np.arange(60) % 7.0) == []
