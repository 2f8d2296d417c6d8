"""Verdicts on plans: formulas by hand, the error rates that the method promises, and the demo's
planted actions.

The error rates over hundreds of accounts are those of `benchmarks/bench_plan.py`; here are a few
seconds of each.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from helpers import compare, demo, reference
from helpers.plan import plan_file, verification
from helpers.reference import metrics, schema
from tests.benchmarks import plans as simulated

ZONE = "Asia/Shanghai"


@pytest.mark.parametrize(
    ("lower", "value", "upper", "verdict"),
    [
        (-0.4, -0.3, -0.1, "harmful"),
        (0.02, 0.05, 0.08, "effective_but_small"),
        (-0.2, -0.1, 0.05, "not_effective"),
        (0.02, 0.3, 0.6, "effective"),
        (0.05, 0.08, 0.2, "cannot_tell"),  # surely better, perhaps by too little
        (-0.2, 0.1, 0.4, "cannot_tell"),
        (np.nan, 0.1, 0.4, "cannot_tell"),
    ],
)
def test_verdicts_in_their_order(lower, value, upper, verdict):
    assert verification.verdict(lower, value, upper, 0.10) == verdict


@pytest.mark.parametrize(("least", "verdict"), [(0.02, "effective"), (0.10, "effective_but_small")])
def test_the_verdict_turns_with_the_least_useful_effect(least, verdict):
    assert verification.verdict(0.02, 0.05, 0.08, least) == verdict


def test_effect_is_the_t_interval_on_logarithms():
    before, after = [0.010, 0.012, 0.009, 0.011, 0.010], [0.016, 0.018]
    made = verification.effect(before, after)
    x, y = np.log(before), np.log(after)
    half = distributions.t.ppf(0.975, 4) * x.std(ddof=1) * np.sqrt(1 / 2 + 1 / 5)
    gap = y.mean() - x.mean()
    assert (made.effect, made.lower, made.upper) == pytest.approx(
        np.expm1([gap, gap - half, gap + half])
    )


def test_a_metric_that_should_fall_is_read_the_other_way_round():
    before, after = [0.30, 0.28, 0.32, 0.29, 0.31], [0.15, 0.16]
    made = verification.effect(before, after, bigger_is_better=False)
    assert 0.4 < made.lower < made.effect < made.upper < 0.6
    assert verification.verdict(made.lower, made.effect, made.upper, 0.1) == "effective"
    worse = verification.effect(before, [0.6, 0.62], bigger_is_better=False)
    assert (
        worse.upper < 0
        and verification.verdict(worse.lower, worse.effect, worse.upper, 0.1) == "harmful"
    )


def test_values_that_can_be_negative_are_compared_without_logarithms():
    made = verification.effect([100.0, -50.0, 80.0, 70.0], [300.0])
    assert made.before == pytest.approx(50) and made.effect == pytest.approx((300 - 50) / 50)


def sharing(n, days=2.0, level=None):
    """The course of `n` sessions of one place, so many days apart."""
    when = np.arange(n) * days
    near = np.exp(-np.abs(when[:, None] - when) / 7)
    level = np.zeros(n) if level is None else np.asarray(level)
    return compare.Course(near, np.ones((n, n)), when, level[:, None] == level)


def test_the_effect_is_that_against_what_the_course_lets_one_expect():
    rng = np.random.default_rng(1)
    before, after = np.exp(rng.normal(0, 0.1, 20)), [1.5, 1.6]
    made = verification.effect(before, after, flagged=0.8, course=sharing(23))
    assert made.after == pytest.approx(np.sqrt(1.5 * 1.6))
    assert made.effect == pytest.approx(made.after / made.expected - 1)
    # on a steady account little more than the mean with the bad session among n
    assert made.expected == pytest.approx(
        np.exp((np.log(before).sum() + np.log(0.8)) / 21), rel=0.06
    )


def test_growth_that_was_there_before_is_expected_to_go_on():
    """5 % a session for 30 sessions: the two since, on that very course, are no effect."""
    values = np.exp(0.05 * np.arange(33) + 0.02 * np.sin(np.arange(33) * 2.4))
    plain = verification.effect(values[:30], values[31:])
    made = verification.effect(values[:30], values[31:], flagged=values[30], course=sharing(33))
    assert plain.lower > 0.2 and made.lower < 0 < made.upper
    assert made.expected == pytest.approx(np.exp(0.05 * 31.5), rel=0.15)


def test_a_level_that_sank_before_the_plan_is_not_the_plans_doing():
    """Six sessions at half the level, the last of them flagged, two more after: not harmful."""
    values = np.r_[np.full(24, 1.0), np.full(9, 0.5)] * np.exp(0.05 * np.sin(np.arange(33) * 2.4))
    plain = verification.effect(values[:30], values[31:])
    made = verification.effect(values[:30], values[31:], flagged=values[30], course=sharing(33))
    assert plain.upper < 0 and made.lower < 0 < made.upper
    assert made.expected == pytest.approx(0.5, rel=0.2)


def test_sessions_of_another_level_tell_how_sessions_vary_and_are_not_counted():
    """Twenty ordinary sessions at 1, five of a festival at 2; the two since are of the festival."""
    values = np.r_[np.full(20, 1.0), np.full(8, 2.0)] * np.exp(0.05 * np.sin(np.arange(28) * 2.4))
    course = sharing(28, level=[0] * 20 + [1] * 8)
    made = verification.effect(values[:25], values[26:], flagged=values[25], course=course)
    assert made.n_before == 5 and made.before == pytest.approx(2.0, rel=0.05)
    assert made.expected == pytest.approx(2.0, rel=0.05) and made.lower < 0 < made.upper


@given(
    st.lists(st.floats(0.01, 10), min_size=4, max_size=12),
    st.lists(st.floats(0.01, 10), min_size=1, max_size=5),
    st.floats(0.01, 100),
)
def test_the_unit_does_not_matter(before, after, scale):
    one, other = (
        verification.effect(np.array(before) * k, np.array(after) * k) for k in (1, scale)
    )
    assert one[:3] == pytest.approx(other[:3], rel=1e-6, abs=1e-9, nan_ok=True)


def test_looks_share_the_error():
    planned = 4
    spent = [verification.error_at_look(n, planned, 0.05) for n in range(1, planned + 1)]
    assert sum(spent) == pytest.approx(0.05) and spent[-1] == pytest.approx(0.04)
    assert verification.error_at_look(1, 1, 0.05) == 0.05


# -------------------------------------------------------- the error rates that the method promises


def null_account(rng, slices=12, sessions=8, after=4, sd=0.15):
    level = rng.uniform(0.02, 0.1, slices)
    return np.exp(rng.normal(0, sd, (slices, sessions + 1 + after))) * level[:, None]


def test_the_worst_of_twelve_with_nothing_done_is_seldom_called_effective():
    """Picked as worst and left alone, most slices improve on that session; at most 5 % may be
    called effective (4 looks).
    """
    rng, improved, effective, runs = np.random.default_rng(11), 0, 0, 600
    for _ in range(runs):
        values = null_account(rng)
        relative = values[:, 8] / values[:, :8].mean(axis=1)
        worst = values[relative.argmin()]
        improved += worst[9] > worst[8]
        for n in range(1, 5):
            made = verification.effect(
                worst[:8],
                worst[9 : 9 + n],
                flagged=worst[8],
                error=verification.error_at_look(n, 4, 0.05),
            )
            if verification.verdict(made.lower, made.effect, made.upper, 0.1) in (
                "effective",
                "effective_but_small",
            ):
                effective += 1
                break
    assert improved / runs > 0.8
    assert effective / runs <= 0.05


def test_a_doubled_metric_is_found_and_the_interval_covers():
    rng, found, covered, runs = np.random.default_rng(12), 0, 0, 300
    for _ in range(runs):
        values = np.exp(rng.normal(0, 0.25, 19))
        made = verification.effect(
            values[:15], 2 * values[15:], error=verification.error_at_look(4, 4, 0.05)
        )
        found += verification.verdict(made.lower, made.effect, made.upper, 0.1) == "effective"
        covered += made.lower <= 1.0 <= made.upper
    assert found / runs > 0.95 and covered / runs > 0.92


def test_further_sessions_do_what_they_say():
    """With as many sessions more, an effect of the size aimed at is found about four times in
    five.
    """
    rng, sd, n = np.random.default_rng(13), 0.08, 40
    start = verification.effect(
        np.exp(rng.normal(0, sd, n)), np.exp(rng.normal(0.095, sd, 1))
    )._replace(sd=sd, effect=0.1)
    more = verification.further_sessions(start, 0.1)
    total, hits, runs = int(1 + more), 0, 500
    for _ in range(runs):
        made = verification.effect(
            np.exp(rng.normal(0, sd, n)), np.exp(rng.normal(np.log1p(0.1), sd, total))
        )
        hits += made.lower > 0
    assert 0.74 < hits / runs < 0.90


def test_a_metric_that_varies_too_much_is_said_to_be_hopeless():
    noisy = verification.Effect(0.05, -0.5, 0.9, 1.0, 1.05, 1.0, 0.6, 8, 1)
    assert verification.further_sessions(noisy, 0.1) == np.inf


# --------------------------------------------------------------------------------------- plan rows


START = pd.Timestamp("2026-10-01 20:00", tz=ZONE)


def account(values, kinds=None):
    """Sessions a day apart with one metric, follow_rate."""
    ids = [f"s{i:02d}" for i in range(len(values))]
    sessions = schema.conform(
        pd.DataFrame(
            {
                "session_id": ids,
                "platform": "douyin",
                "room": "r",
                "started_at": [START + pd.Timedelta(days=i) for i in range(len(values))],
                "kind": kinds or "daily",
            }
        ),
        "sessions",
        ZONE,
    )
    return sessions, pd.DataFrame({"session_id": ids, "metric": "follow_rate", "value": values})


def plan_row(**columns):
    row = {
        "plan_id": "P-1",
        "session_id": "s08",
        "dimension": "fans",
        "problem": "p",
        "action": "a",
        "owner_role": "host",
        "metric": "follow_rate",
        "least_effect": 0.1,
        "sessions": 2,
        "status": "done",
        **columns,
    }
    return plan_file.frame([row])


BEFORE = [0.010, 0.011, 0.009, 0.010, 0.012, 0.010, 0.011, 0.010]


def verdict_of(values, kinds=None, **columns):
    sessions, tidy = account(values, kinds)
    known = verification.history(
        tidy, sessions, room_of=sessions["session_id"].iloc[-1], events=schema.empty("events", ZONE)
    )
    return verification.verify(
        plan_row(**columns), known, sessions, registry=reference.registry()
    ).iloc[0]


@pytest.mark.parametrize(
    ("values", "columns", "verdict"),
    [
        ([*BEFORE, 0.006, 0.020, 0.021], {}, "effective"),
        ([*BEFORE, 0.006, 0.003, 0.003], {}, "harmful"),
        ([*BEFORE, 0.006, 0.020, 0.021], {"status": "open"}, "not_done"),
        ([*BEFORE, 0.006, 0.020, 0.021], {"status": "dropped"}, "not_done"),
        ([*BEFORE, 0.006], {}, "cannot_tell"),
        ([*BEFORE, 0.006, 0.020, 0.021], {"session_id": "gone"}, "cannot_tell"),
        ([*BEFORE, 0.006, 0.020, 0.021], {"metric": "no_such_metric"}, "cannot_tell"),
        ([*BEFORE, 0.006, 0.020, 0.021], {"metric": "ad_cost"}, "not_comparable"),
        ([0.01, 0.01, 0.01, 0.006, 0.02, 0.02], {"session_id": "s03"}, "cannot_tell"),
    ],
)
def test_plan_rows_and_their_verdicts(values, columns, verdict):
    assert verdict_of(values, **columns)["verdict"] == verdict


def test_the_bad_session_is_no_part_of_the_baseline():
    made = verdict_of([*BEFORE, 0.0001, 0.0105, 0.0100])
    assert made["n_before"] == 8 and made["before"] == pytest.approx(np.exp(np.log(BEFORE).mean()))
    assert (
        made["verdict"] != "effective"
        and made["flagged"] == 0.0001
        and made["expected_rebound"] > 1
    )


def test_promotions_do_not_count_and_only_promotions_since_are_not_comparable():
    kinds = ["daily"] * 9 + ["promotion"] * 2
    assert verdict_of([*BEFORE, 0.006, 0.020, 0.021], kinds)["verdict"] == "not_comparable"
    mixed = verdict_of(
        [*BEFORE, 0.006, 0.500, 0.020, 0.021], ["daily"] * 9 + ["promotion", "daily", "daily"]
    )
    assert mixed["n_after"] == 2 and mixed["after"] < 0.03


def in_festival(values, festive, calendar=True):
    """The verdict where the sessions numbered in `festive` lie in a festival."""
    sessions, tidy = account(values)
    days = [(START + pd.Timedelta(days=i)).date() for i in festive]
    window = reference.Festival(
        festival="大促",
        platform="all",
        year=START.year,
        presale_from=None,
        starts_on=days[0],
        day=days[0],
        ends_on=days[-1],
    )
    known = verification.history(
        tidy,
        sessions,
        room_of=sessions["session_id"].iloc[-1],
        events=schema.empty("events", ZONE),
        calendar=(window,) if calendar else (),
    )
    return verification.verify(plan_row(), known, sessions, registry=reference.registry()).iloc[0]


@pytest.mark.parametrize(
    ("values", "festive", "verdict", "n"),
    [
        (
            [*BEFORE, 0.006, 0.020, 0.021],
            range(9, 11),
            "not_comparable",
            (0, 2),
        ),  # all since in a festival, none before
        (
            [*BEFORE, 0.006, 0.500, 0.020, 0.021],
            range(9, 10),
            "effective",
            (8, 2),
        ),  # the one in the festival is left out
        ([*BEFORE, 0.006, 0.020, 0.021], range(2, 11), "effective", (6, 2)),  # all of one festival
    ],
)
def test_a_festival_is_never_set_against_ordinary_days(values, festive, verdict, n):
    made = in_festival(values, list(festive))
    assert (made["verdict"], (made["n_before"], made["n_after"])) == (verdict, n)
    words = [verification.sentence(made, reference.registry(), lang=lang) for lang in ("zh", "en")]
    assert "大促" in words[0] and ("festival" in words[1] or "大促" in words[1])
    assert in_festival(values, list(festive), calendar=False)["among_zh"] == ""


def test_the_action_counts_from_its_due_session():
    made = verdict_of([*BEFORE, 0.006, 0.001, 0.020, 0.021], due_session="s10")
    assert made["n_after"] == 2 and made["verdict"] == "effective"


def test_only_the_planned_number_of_sessions_is_judged():
    made = verdict_of([*BEFORE, 0.006, 0.020, 0.021, 0.001, 0.001])
    assert made["n_after"] == 2 and bool(made["final"])


def test_sessions_under_an_event_that_names_the_metric_are_left_out():
    sessions, tidy = account([*BEFORE, 0.006, 0.020, 0.021])
    events = schema.conform(
        pd.DataFrame(
            [
                {
                    "starts_at": START,
                    "ends_at": START + pd.Timedelta(days=2.5),
                    "kind": "platform_redesign",
                    "metric": "follow_rate",
                }
            ]
        ),
        "events",
        ZONE,
    )
    known = verification.history(
        tidy, sessions, room_of="s10", events=compare.event_windows(events, reference.event_kinds())
    )
    assert known["comparable"].tolist() == [False] * 3 + [True] * 8


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_verdict_has_a_sentence(lang):
    for values, columns in (
        ([*BEFORE, 0.006, 0.020, 0.021], {}),
        ([*BEFORE, 0.006, 0.0105], {}),
        ([*BEFORE, 0.006], {}),
        ([*BEFORE, 0.006], {"status": "open"}),
    ):
        words = verification.sentence(
            verdict_of(values, **columns), reference.registry(), lang=lang
        )
        assert words and "nan" not in words


def test_the_demo_action_that_worked_is_found_and_the_one_that_did_not_is_not_called_effective():
    """Planted in the simulator: follow rate x 2 after the plan, interaction rate unchanged; only
    sessions of one festival state are compared.
    """
    simulation = demo.simulate(demo.SEED)
    sessions, truth = simulation.tables["sessions"], simulation.truth
    rows = plan_file.frame(
        [
            {
                "plan_id": key,
                "session_id": truth["plan_session"],
                "action": key,
                "metric": truth[key]["metric"],
                "least_effect": 0.1,
                "sessions": 4,
                "status": "done",
            }
            for key in ("plan_worked", "plan_failed")
        ]
    )
    registry = reference.registry()
    values = compare.on_one_scale(
        metrics.by_session(sessions, ["follow_rate", "interaction_rate"], registry=registry),
        sessions,
        registry,
    )
    events = compare.event_windows(simulation.tables["events"], reference.event_kinds())
    known = verification.history(
        values,
        sessions,
        room_of=truth["target_session"],
        events=events,
        calendar=reference.calendar(),
    )
    made = verification.verify(rows, known, sessions, registry=registry).set_index("plan_id")
    states = known.drop_duplicates("session_id").set_index("session_id")["festival"]
    assert (
        made["n_after"].eq(states[states.index > truth["plan_session"]].value_counts().max()).all()
        and states[truth["target_session"]] == ""
    )
    assert made.loc["plan_worked", "verdict"] == "effective"
    assert (
        made.loc["plan_worked", "effect_lower"]
        <= truth["plan_worked"]["multiplier"] - 1
        <= made.loc["plan_worked", "effect_upper"]
    )
    assert made.loc["plan_failed", "verdict"] in ("cannot_tell", "not_effective")
    assert made.loc["plan_failed", "effect_lower"] <= 0 <= made.loc["plan_failed", "effect_upper"]


def test_values_of_sources_and_products_are_found_by_the_slice_that_a_plan_names():
    sessions, _ = account([1.0, 1.0])
    traffic = schema.conform(
        pd.DataFrame(
            [
                {"session_id": s, "source": name, "viewers": 100, "pay_users": paid}
                for s, name, paid in (("s00", "千川", 5), ("s00", "搜索", 9), ("s01", "千川", 7))
            ]
        ),
        "traffic",
        ZONE,
    )
    products = schema.conform(
        pd.DataFrame(
            [
                {
                    "session_id": "s00",
                    "product_id": "371",
                    "sku_id": sku,
                    "click_users": 50,
                    "pay_users": 10,
                }
                for sku in (None, "x")
            ]
        ),
        "products",
        ZONE,
    )
    plans = pd.concat(
        [
            plan_row(metric="room_conversion", slice="千川"),
            plan_row(plan_id="P-2", metric="item_click_pay_rate", slice="洗脸巾 (371)"),
        ]
    )
    made = verification.gather(
        sessions,
        lines=pd.DataFrame({"session_id": []}),
        plans=plans,
        enquiries=schema.empty("service", ZONE),
        traffic=traffic,
        products=products,
        minutes=schema.empty("minutes", ZONE),
        session_id="s01",
        as_of=START,
        registry=reference.registry(),
        reply_seconds=180,
    )
    sliced = made[made["slice"] != ""]
    assert sliced[["session_id", "metric", "slice", "value", "axis"]].to_numpy().tolist() == [
        ["s00", "room_conversion", "千川", 0.05, "source"],
        ["s00", "room_conversion", "搜索", 0.09, "source"],
        ["s01", "room_conversion", "千川", 0.07, "source"],
        ["s00", "item_click_pay_rate", "371", 0.2, "product_id"],
    ]


def minutes_of(session: str, start: pd.Timestamp, clicks: list[float], **columns) -> pd.DataFrame:
    at = [start + pd.Timedelta(minutes=i) for i in range(len(clicks))]
    return pd.DataFrame(
        {
            "session_id": session,
            "at": at,
            "online": 100.0,
            "entered": 50.0,
            "product_click_users": clicks,
            "orders": 1.0,
            **columns,
        }
    )


def test_half_hours_are_slices_that_a_plan_can_name():
    sessions, _ = account([1.0])
    minutes = schema.conform(
        minutes_of("s00", START, [5.0] * 30 + [8.0] * 30 + [99.0] * 19), "minutes", ZONE
    )
    made = verification.gather(
        sessions,
        lines=pd.DataFrame({"session_id": []}),
        plans=plan_row(metric="minute_click_rate", slice="030-060"),
        enquiries=schema.empty("service", ZONE),
        traffic=schema.empty("traffic", ZONE),
        products=schema.empty("products", ZONE),
        minutes=minutes,
        session_id="s00",
        as_of=START,
        registry=reference.registry(),
        reply_seconds=180,
    )
    sliced = made[made["axis"] == "slot"]  # nineteen minutes are no half hour
    assert sliced[["slice", "value"]].to_numpy().tolist() == [["000-030", 0.05], ["030-060", 0.08]]


def test_a_metric_that_the_slice_does_not_have_is_no_error():
    sessions, _ = account([1.0])
    traffic = schema.conform(
        pd.DataFrame([{"session_id": "s00", "source": "千川", "viewers": 100}]), "traffic", ZONE
    )
    made = verification.gather(
        sessions,
        lines=pd.DataFrame({"session_id": []}),
        plans=plan_row(metric="item_click_rate", slice="千川"),
        enquiries=schema.empty("service", ZONE),
        traffic=traffic,
        products=schema.empty("products", ZONE),
        minutes=schema.empty("minutes", ZONE),
        session_id="s00",
        as_of=START,
        registry=reference.registry(),
        reply_seconds=180,
    )
    assert (made["slice"] == "").all()


# ---------------------------------------------------------------------------------------- controls


def test_a_slice_against_its_controls_by_hand():
    """The dumb way: subtract the mean log of the controls session by session, then the t
    interval on what is left.
    """
    rng = np.random.default_rng(3)
    values = np.exp(rng.normal(0, 0.2, (9, 1)) + rng.normal(0, 0.1, (9, 4)))
    made = verification.against_controls(
        values[:6, 0], values[6:, 0], values[:6, 1:], values[6:, 1:]
    )
    g = [np.log(row[0]) - sum(np.log(x) for x in row[1:]) / 3 for row in values]
    gap, s = np.mean(g[6:]) - np.mean(g[:6]), np.std(g[:6], ddof=1)
    half = distributions.t.ppf(0.975, 5) * s * np.sqrt(1 / 3 + 1 / 6)
    assert made.effect[:3] == pytest.approx(np.expm1([gap, gap - half, gap + half]))
    theirs = [np.exp(np.mean([np.log(x) for x in row[1:]])) for row in values]
    assert made.controls.effect == pytest.approx(
        np.exp(np.mean(np.log(theirs[6:])) - np.mean(np.log(theirs[:6]))) - 1
    )


def test_a_control_that_missed_a_session_shifts_nothing():
    """Controls count by their distance from their own mean: one that is a hundred times larger
    and absent once is no shock.
    """
    rng = np.random.default_rng(4)
    wide = np.exp(rng.normal(0, 0.01, (10, 3))) * [1, 100, 1]
    wide[3, 1] = np.nan
    made = verification.against_controls(
        np.ones(7) + rng.normal(0, 0.01, 7), np.ones(3), wide[:7], wide[7:]
    )
    assert abs(made.effect.effect) < 0.05 and made.effect.sd < 0.05


def test_what_moves_all_slices_is_not_the_action():
    rng = np.random.default_rng(5)
    values = np.exp(rng.normal(0, 0.05, (12, 5)))
    values[8:] *= 2
    made = verification.against_controls(
        values[:8, 0], values[8:, 0], values[:8, 1:], values[8:, 1:]
    )
    assert verification.effect(values[:8, 0], values[8:, 0]).lower > 0.5
    assert made.effect.lower < 0 < made.effect.upper and made.controls.lower > 0.5
    assert made.effect.expected == pytest.approx(
        np.exp(
            np.log(values[:8, 0]).mean()
            + np.diff([np.log(values[a:b, 1:]).mean() for a, b in ((0, 8), (8, 12))])[0]
        )
    )


def test_for_a_metric_that_should_fall_the_signs_turn():
    rng = np.random.default_rng(6)
    values = np.exp(rng.normal(0, 0.05, (10, 4)))
    values[7:, 0] /= 2
    made = verification.against_controls(
        values[:7, 0], values[7:, 0], values[:7, 1:], values[7:, 1:], bigger_is_better=False
    )
    assert 0.3 < made.effect.lower < made.effect.effect < made.effect.upper < 0.7


N_BEFORE, N_AFTER = 8, 2
PRODUCTS = {
    "1": 40.0,
    "2": 45.0,
    "3": 60.0,
    "4": 30.0,
    "5": 900.0,
}  # prices; the last is out of any band


def sold(seed=0, *, treated=1.0, shared=0.3, trend=0.0, absent=()):
    """An account of products with a shock that all share: sessions, tidy values; product 1 is
    multiplied since.
    """
    rng, n = np.random.default_rng(seed), N_BEFORE + 1 + N_AFTER
    sessions, _ = account(np.ones(n))
    shock = np.exp(rng.normal(0, shared, n))
    rows = []
    for key, price in PRODUCTS.items():
        values = 0.05 * shock * np.exp(rng.normal(0, 0.05, n))
        if key == "1":
            values = (
                values
                * np.exp(trend * np.arange(n))
                * np.where(np.arange(n) > N_BEFORE, treated, 1)
            )
        rows += [
            {
                "session_id": f"s{i:02d}",
                "metric": "item_click_pay_rate",
                "slice": key,
                "axis": "product_id",
                "label": f"product {key}",
                "price": price,
                "value": value,
            }
            for i, value in enumerate(values)
            if not (key in absent and i < 4)
        ]
    return sessions, pd.DataFrame(rows)


def checked_of(account, *rows, error=0.05):
    sessions, tidy = account
    known = verification.history(
        tidy, sessions, room_of=sessions["session_id"].iloc[-1], events=schema.empty("events", ZONE)
    )
    mine = plan_row(metric="item_click_pay_rate", slice="product 1 (1)")
    return verification.verify(
        pd.concat([mine, *rows], ignore_index=True),
        known,
        sessions,
        registry=reference.registry(),
        error=error,
    ).iloc[0]


def test_a_row_that_names_a_product_is_judged_by_untouched_products_of_its_price():
    made = checked_of(sold(treated=1.5))
    assert (
        made["estimator"] == "controls"
        and made["verdict"] == "effective"
        and made["n_controls"] == 3
    )
    assert (
        all(f"product {key}" in made["controls_en"] for key in "234")
        and "product 5" not in made["controls_en"]
    )
    assert made["other_verdict"] == "cannot_tell" and made["other_lower"] < made["effect_lower"]
    assert made["controls_lower"] < made["controls_effect"] < made["controls_upper"]


@pytest.mark.parametrize(
    ("row", "left"),
    [
        (
            {"plan_id": "P-2", "slice": "product 2 (2)", "metric": "item_click_pay_rate"},
            2,
        ),  # named by a plan in force
        (
            {
                "plan_id": "P-2",
                "slice": "product 2 (2)",
                "metric": "item_click_pay_rate",
                "status": "open",
            },
            2,
        ),
        (
            {"plan_id": "P-2", "action": "new picture for product 2", "metric": "follow_rate"},
            2,
        ),  # named in the action's words
        ({"plan_id": "P-2", "slice": "product 2 (2)", "status": "dropped"}, 3),
        ({"plan_id": "P-2", "slice": "product 2 (2)", "session_id": "gone"}, 3),
    ],
)
def test_what_another_plan_touches_is_no_control(row, left):
    assert checked_of(sold(), plan_row(**row))["n_controls"] == left


def test_an_action_from_before_the_first_session_looked_at_does_not_spoil_a_control():
    assert (
        checked_of(
            sold(absent=("1",)), plan_row(plan_id="P-2", slice="product 2 (2)", session_id="s00")
        )["n_controls"]
        == 3
    )


def test_a_product_that_is_often_not_there_is_no_control():
    made = checked_of(sold(absent=("2", "3")))
    assert (
        made["estimator"] == "baseline"
        and made["n_controls"] == 1
        and "fewer than 2" in made["controls_en"]
        and "不足 2 个" in made["controls_zh"]
    )


def test_a_slice_that_grows_beside_its_controls_is_expected_to_go_on():
    """15 % a session more than the others all along: no effect of the plan; it was called one."""
    sessions, tidy = sold(trend=0.15, shared=0.05)
    made = checked_of((sessions, tidy))
    assert made["estimator"] == "controls" and made["n_controls"] == 3
    assert made["effect_lower"] < 0 < made["effect_upper"]
    wide = tidy.pivot(index="session_id", columns="slice", values="value")
    plain = verification.effect(wide["1"][:N_BEFORE], wide["1"][N_BEFORE + 1 :])
    assert plain.lower > 0.1


def test_where_the_controls_got_worse_the_sentence_says_that_it_may_have_taken_from_them():
    sessions, tidy = sold(treated=1.6, shared=0.02)
    since = tidy["session_id"] > f"s{N_BEFORE:02d}"
    tidy.loc[since & (tidy["slice"] != "1"), "value"] *= 0.6
    made = checked_of((sessions, tidy))
    assert made["controls_upper"] < 0
    assert "挤占" in verification.sentence(
        made, reference.registry(), lang="zh"
    ) and "took from them" in verification.sentence(made, reference.registry(), lang="en")


def test_a_row_on_the_whole_session_has_no_controls():
    made = verdict_of([*BEFORE, 0.006, 0.020, 0.021])
    assert (
        made["estimator"] == "baseline"
        and made["controls_en"] == ""
        and np.isnan(made["n_controls"])
    )


def test_zeros_do_not_end_the_comparison():
    sessions, tidy = sold()
    tidy.loc[(tidy["slice"] == "1") & (tidy["session_id"] == "s02"), "value"] = 0.0
    assert checked_of((sessions, tidy))["estimator"] == "controls"


def test_sessions_that_are_all_the_same_do_not_tell_how_much_a_metric_varies():
    made = verdict_of([*[0.01] * 8, 0.006, 0.020, 0.021])
    assert made["verdict"] == "cannot_tell" and "same value" in made["reason_en"]


def test_every_verdict_says_what_follows():
    assert list(reference.terms()["plan_next"]) == [
        name for name in reference.terms()["plan_verdict"] if not name.endswith("_so_far")
    ]


def test_verdicts_to_be_read_have_the_columns_that_hold_something():
    both = pd.DataFrame([checked_of(sold(treated=1.5)), verdict_of([*BEFORE, 0.006, 0.020, 0.021])])
    one = verification.for_table(both.iloc[1:], reference.registry(), lang="zh")
    two = verification.for_table(both, reference.registry(), lang="zh")
    assert set(two) - set(one) == {"slice", "controls", "other"}
    assert one["next"].tolist() == ["写进标准做法，换下一个问题"]
    assert two["other"].iloc[0].startswith(("+", "-")) and two["other"].iloc[1] == "—"


def test_the_worst_of_twelve_is_seldom_called_effective_by_its_controls_either():
    """Four looks at the worst slice with nothing done, the controls judging, or its own past
    where they may not.
    """
    rng, effective, runs = np.random.default_rng(21), 0, 60
    for _ in range(runs):
        values = simulated.slices(rng, before=9, after=4, slices=12, shared=0.12, own=0.175)
        worst = (values[8] / values[:8].mean(axis=0)).argmin()
        values = np.roll(values, -worst, axis=1)
        for n in range(1, 5):
            made = dict(
                simulated.estimates(
                    np.delete(values, 8, axis=0)[: 8 + n],
                    8,
                    1.0,
                    error=verification.error_at_look(n, 4, 0.05),
                )
            )["controls"]
            if verification.verdict(made.lower, made.effect, made.upper, 0.1) in simulated.GOOD:
                effective += 1
                break
    assert effective / runs <= 0.05


def test_controls_cover_and_find_more():
    table = simulated.coverage_and_power(
        150, setting=simulated.SETTINGS["15 before, 4 after"], multipliers=(1.0, 1.5)
    )
    assert (table["covered"] > 0.90).all() and (table.loc[1.0, "wrong"] <= 0.08).all()
    assert (
        table.loc[(1.5, "controls"), "effective"] > table.loc[(1.5, "own past"), "effective"] + 0.1
    )


@pytest.mark.slow
def test_the_demo_plan_over_a_few_seeds():
    table = simulated.demo_plans(range(100, 108))
    assert table.loc["worked", "effective"] >= 0.75
    assert table.loc["failed"].reindex(simulated.GOOD).sum() <= 1 / 8


# ------------------------------------------------------------------------------------- alternation


@pytest.mark.parametrize(("sd", "aim"), [(0.15, 0.25), (0.3, 0.2)])
def test_so_many_blocks_find_the_effect_four_times_in_five(sd, aim):
    rng, n, runs = np.random.default_rng(31), verification.blocks_needed(sd, aim), 1500
    assert (
        n % 2 == 0
        and distributions.t.ppf([0.975, 0.8], n - 4).sum() * 2 * sd / np.sqrt(n - 2) > aim
    )
    hits = 0
    for _ in range(runs):
        new = rng.permutation(n) < n // 2
        blocks = rng.normal(0, sd, n) + aim * new
        hits += distributions.ttest_ind(blocks[new], blocks[~new]).pvalue < 0.05
    assert 0.76 < hits / runs < 0.86


def test_an_effect_that_cannot_be_missed_still_takes_eight_blocks():
    assert verification.blocks_needed(0.01, 0.5) == 8


def half_hours(sd, sessions=12, blocks=8, seed=41):
    """Minutes of an account whose clicks vary by session, by place in the session and, by `sd`,
    from half hour to half hour.
    """
    rng, made = np.random.default_rng(seed), []
    for i in range(sessions):
        level = rng.normal(0, 0.4) + np.linspace(0.5, -0.5, blocks) + rng.normal(0, sd, blocks)
        made.append(
            minutes_of(
                f"s{i:02d}",
                START + pd.Timedelta(days=i),
                list(np.repeat(10 * np.exp(level), 30)),
                product_exposure_users=200.0,
            )
        )
    return schema.conform(pd.concat(made), "minutes", ZONE)


def variation_of(minutes, n=12, **row):
    sessions, tidy = account(np.ones(n))
    known = verification.history(
        tidy, sessions, room_of=sessions["session_id"].iloc[-1], events=schema.empty("events", ZONE)
    )
    return verification.block_variation(
        known,
        plan_row(**row),
        minutes=minutes,
        products=schema.empty("products", ZONE),
        sessions=sessions,
        registry=reference.registry(),
    )


def test_block_to_block_variation_leaves_out_the_session_and_its_usual_course():
    made = variation_of(half_hours(0.2), metric="product_click_rate")
    assert made[["metric", "by", "per_session"]].to_numpy().tolist() == [
        ["product_click_rate", "half_hour", 8.0]
    ]
    assert made["sd"].iloc[0] == pytest.approx(0.2, abs=0.04)


def test_metrics_without_minutes_and_rows_that_name_a_slice_have_no_alternation():
    assert variation_of(half_hours(0.2), metric="avg_watch_seconds").empty
    assert variation_of(half_hours(0.2), metric="product_click_rate", slice="千川").empty
    assert variation_of(schema.empty("minutes", ZONE), metric="product_click_rate").empty


def test_products_are_blocks_too():
    rng = np.random.default_rng(43)
    level = rng.normal(0, 0.4, (12, 1)) + rng.normal(0, 0.5, 10) + rng.normal(0, 0.25, (12, 10))
    rows = [
        {
            "session_id": f"s{i:02d}",
            "product_id": str(j),
            "click_users": 10000,
            "pay_users": round(200 * np.exp(level[i, j])),
        }
        for i in range(12)
        for j in range(10)
    ]
    sessions, tidy = account(np.ones(12))
    known = verification.history(tidy, sessions, room_of="s11", events=schema.empty("events", ZONE))
    made = verification.block_variation(
        known,
        plan_row(metric="click_pay_rate"),
        minutes=schema.empty("minutes", ZONE),
        products=schema.conform(pd.DataFrame(rows), "products", ZONE),
        sessions=sessions,
        registry=reference.registry(),
    )
    assert made[["by", "per_session"]].to_numpy().tolist() == [["product", 10.0]] and made[
        "sd"
    ].iloc[0] == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize(("sd", "offered"), [(0.05, True), (5.0, False)])
def test_alternation_is_suggested_where_it_is_quicker(sd, offered):
    variation = pd.DataFrame(
        [{"metric": "follow_rate", "by": "half_hour", "sd": sd, "per_session": 8.0}]
    )
    sessions, tidy = account([*BEFORE, 0.006, 0.0112, 0.0109])
    known = verification.history(tidy, sessions, room_of="s10", events=schema.empty("events", ZONE))
    made = verification.verify(
        plan_row(), known, sessions, registry=reference.registry(), variation=variation
    ).iloc[0]
    assert made["verdict"] == "cannot_tell" and (made["alternate_by"] == "half_hour") is offered
    for lang, word in (("zh", "轮换"), ("en", "alternate")):
        assert (word in verification.sentence(made, reference.registry(), lang=lang)) is offered
    if offered:
        assert made["n_blocks"] == verification.blocks_needed(
            sd, np.log1p(max(0.1, made["effect"]))
        ) and made["block_sessions"] == np.ceil(made["n_blocks"] / 8)


# ------------------------------------------------------------------------------------ track record


def verdicts(*rows):
    """Rows as `verify` makes them: verdict, cause, effect, whether final."""
    known = {
        "dimension": "fans",
        "problem": "新增粉丝少，粉丝未维护",
        "owner_role": "host",
        "final": True,
        "effect": 0.2,
    }
    return pd.DataFrame(
        [{**known, "verdict": verdict, "cause": cause, **more} for verdict, cause, more in rows]
    )


MANY = (
    [("effective", "引导关注太少", {"effect": 0.5})] * 4
    + [("cannot_tell", "Follow prompts too rare", {"effect": 0.1})]
    + [("not_effective", "own words", {"effect": 0.0})] * 5
)


def test_actions_are_counted_by_kind_whatever_the_language_of_the_plan():
    made = verification.track_record(verdicts(*MANY), reference.playbook())
    cause = made[(made["record_by"] == "cause")].set_index("en")
    assert cause["judged"].to_dict() == {"Follow prompts too rare": 5, "own words": 5}
    best = cause.loc["Follow prompts too rare"]
    z, n, p = distributions.norm.ppf(0.975), 5, 4 / 5
    middle, half = (
        (p + z**2 / 2 / n) / (1 + z**2 / n),
        z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / 4 / n**2),
    )
    assert (best["share"], best["lower"], best["upper"]) == pytest.approx(
        (0.8, middle - half, middle + half)
    )
    assert (
        best["median_effect"] == 0.5
        and best["zh"] == "引导关注太少"
        and cause["rank"].to_dict() == {"Follow prompts too rare": 1, "own words": 2}
    )
    words = [verification.record_sentence(made, lang=lang) for lang in ("zh", "en")]
    assert (
        "引导关注太少" in words[0]
        and "5 条中 4 条" in words[0]
        and "4 of 5" in words[1]
        and "Of 10 actions judged, 4 worked" in words[1]
    )


def test_only_what_was_done_and_had_its_sessions_is_judged():
    rows = verdicts(
        ("effective", "a", {"final": False}),
        ("not_done", "a", {"final": False}),
        ("not_comparable", "a", {"final": False}),
        ("harmful", "a", {}),
    )
    whole = verification.track_record(rows, reference.playbook()).iloc[0]
    assert whole[["done", "judged", "harmful", "effective", "running", "not_done"]].tolist() == [
        3,
        1,
        1,
        0,
        2,
        1,
    ]


def test_few_judged_actions_are_not_ranked_and_it_says_so():
    made = verification.track_record(verdicts(*MANY[:4]), reference.playbook())
    assert made["rank"].isna().all()
    assert "4 条" in verification.record_sentence(
        made, lang="zh"
    ) and "cannot be said yet" in verification.record_sentence(made, lang="en")
    one_kind = verification.track_record(verdicts(*MANY[:5], MANY[5]), reference.playbook())
    assert one_kind[
        "rank"
    ].isna().all() and "none is called the best" in verification.record_sentence(
        one_kind, lang="en"
    )


def test_an_account_without_plans_has_no_record():
    empty = verification.verify(
        plan_file.frame([]),
        *[
            account([1.0])[1].assign(
                slice="", axis="", label="", price=np.nan, started_at=START, comparable=True
            ),
            account([1.0])[0],
        ],
        registry=reference.registry(),
    )
    made = verification.track_record(empty, reference.playbook())
    assert made.empty and "0 条" in verification.record_sentence(made, lang="zh")
