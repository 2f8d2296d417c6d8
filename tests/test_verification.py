"""Verdicts on plans: formulas by hand, the error rates that the method promises, and the demo's planted actions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from helpers import compare, demo, metrics, planfile, reference, schema, verification

ZONE = "Asia/Shanghai"


@pytest.mark.parametrize(("lower", "value", "upper", "verdict"), [
    (-0.4, -0.3, -0.1, "harmful"),
    (0.02, 0.05, 0.08, "effective_but_small"),
    (-0.2, -0.1, 0.05, "not_effective"),
    (0.02, 0.3, 0.6, "effective"),
    (0.05, 0.08, 0.2, "cannot_tell"),     # surely better, perhaps by too little
    (-0.2, 0.1, 0.4, "cannot_tell"),
    (np.nan, 0.1, 0.4, "cannot_tell"),
])
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
    assert (made.effect, made.lower, made.upper) == pytest.approx(np.expm1([gap, gap - half, gap + half]))


def test_a_metric_that_should_fall_is_read_the_other_way_round():
    before, after = [0.30, 0.28, 0.32, 0.29, 0.31], [0.15, 0.16]
    made = verification.effect(before, after, bigger_is_better=False)
    assert 0.4 < made.lower < made.effect < made.upper < 0.6
    assert verification.verdict(made.lower, made.effect, made.upper, 0.1) == "effective"
    worse = verification.effect(before, [0.6, 0.62], bigger_is_better=False)
    assert worse.upper < 0 and verification.verdict(worse.lower, worse.effect, worse.upper, 0.1) == "harmful"


def test_values_that_can_be_negative_are_compared_without_logarithms():
    made = verification.effect([100.0, -50.0, 80.0, 70.0], [300.0])
    assert made.before == pytest.approx(50) and made.effect == pytest.approx((300 - 50) / 50)


def test_without_action_the_next_value_is_the_mean_with_the_bad_session_among_n():
    made = verification.effect([1.0, 2.0, 4.0, 2.0], [2.0], flagged=0.1)
    assert made.expected == pytest.approx(np.exp((np.log([1, 2, 4, 2]).sum() + np.log(0.1)) / 5))


@given(st.lists(st.floats(0.01, 10), min_size=4, max_size=12), st.lists(st.floats(0.01, 10), min_size=1, max_size=5), st.floats(0.01, 100))
def test_the_unit_does_not_matter(before, after, scale):
    one, other = (verification.effect(np.array(before) * k, np.array(after) * k) for k in (1, scale))
    assert one[:3] == pytest.approx(other[:3], rel=1e-6, abs=1e-9, nan_ok=True)


def test_looks_share_the_error():
    planned = 4
    spent = [verification.error_at_look(n, planned, 0.05) for n in range(1, planned + 1)]
    assert sum(spent) == pytest.approx(0.05) and spent[-1] == pytest.approx(0.04)
    assert verification.error_at_look(1, 1, 0.05) == 0.05


# ---------------------------------------------------------------------------- the error rates that the method promises


def null_account(rng, slices=12, sessions=8, after=4, sd=0.15):
    level = rng.uniform(0.02, 0.1, slices)
    return np.exp(rng.normal(0, sd, (slices, sessions + 1 + after))) * level[:, None]


def test_the_worst_of_twelve_with_nothing_done_is_seldom_called_effective():
    """Picked as worst and left alone, most slices improve on that session; at most 5 % may be called effective (4 looks)."""
    rng, improved, effective, runs = np.random.default_rng(11), 0, 0, 600
    for _ in range(runs):
        values = null_account(rng)
        relative = values[:, 8] / values[:, :8].mean(axis=1)
        worst = values[relative.argmin()]
        improved += worst[9] > worst[8]
        for n in range(1, 5):
            made = verification.effect(worst[:8], worst[9:9 + n], flagged=worst[8], error=verification.error_at_look(n, 4, 0.05))
            if verification.verdict(made.lower, made.effect, made.upper, 0.1) in ("effective", "effective_but_small"):
                effective += 1
                break
    assert improved / runs > 0.8
    assert effective / runs <= 0.05


def test_a_doubled_metric_is_found_and_the_interval_covers():
    rng, found, covered, runs = np.random.default_rng(12), 0, 0, 300
    for _ in range(runs):
        values = np.exp(rng.normal(0, 0.25, 19))
        made = verification.effect(values[:15], 2 * values[15:], error=verification.error_at_look(4, 4, 0.05))
        found += verification.verdict(made.lower, made.effect, made.upper, 0.1) == "effective"
        covered += made.lower <= 1.0 <= made.upper
    assert found / runs > 0.95 and covered / runs > 0.92


def test_further_sessions_do_what_they_say():
    """With as many sessions more, an effect of the size aimed at is found about four times in five."""
    rng, sd, n = np.random.default_rng(13), 0.08, 40
    start = verification.effect(np.exp(rng.normal(0, sd, n)), np.exp(rng.normal(0.095, sd, 1)))._replace(sd=sd, effect=0.1)
    more = verification.further_sessions(start, 0.1)
    total, hits, runs = int(1 + more), 0, 500
    for _ in range(runs):
        made = verification.effect(np.exp(rng.normal(0, sd, n)), np.exp(rng.normal(np.log1p(0.1), sd, total)))
        hits += made.lower > 0
    assert 0.74 < hits / runs < 0.90


def test_a_metric_that_varies_too_much_is_said_to_be_hopeless():
    noisy = verification.Effect(0.05, -0.5, 0.9, 1.0, 1.05, 1.0, 0.6, 8, 1)
    assert verification.further_sessions(noisy, 0.1) == np.inf


# --------------------------------------------------------------------------------------------------------- plan rows


START = pd.Timestamp("2026-10-01 20:00", tz=ZONE)


def account(values, kinds=None):
    """Sessions a day apart with one metric, follow_rate."""
    ids = [f"s{i:02d}" for i in range(len(values))]
    sessions = schema.conform(pd.DataFrame({
        "session_id": ids, "platform": "douyin", "room": "r", "started_at": [START + pd.Timedelta(days=i) for i in range(len(values))],
        "kind": kinds or "daily",
    }), "sessions", ZONE)
    return sessions, pd.DataFrame({"session_id": ids, "metric": "follow_rate", "value": values})


def plan_row(**columns):
    row = {"plan_id": "P-1", "session_id": "s08", "dimension": "fans", "problem": "p", "action": "a", "owner_role": "host", "metric": "follow_rate",
           "least_effect": 0.1, "sessions": 2, "status": "done", **columns}
    return planfile.frame([row])


BEFORE = [0.010, 0.011, 0.009, 0.010, 0.012, 0.010, 0.011, 0.010]


def verdict_of(values, kinds=None, **columns):
    sessions, tidy = account(values, kinds)
    known = verification.history(tidy, sessions, room_of=sessions["session_id"].iloc[-1], events=schema.empty("events", ZONE))
    return verification.verify(plan_row(**columns), known, sessions, registry=reference.metrics()).iloc[0]


@pytest.mark.parametrize(("values", "columns", "verdict"), [
    ([*BEFORE, 0.006, 0.020, 0.021], {}, "effective"),
    ([*BEFORE, 0.006, 0.003, 0.003], {}, "harmful"),
    ([*BEFORE, 0.006, 0.020, 0.021], {"status": "open"}, "not_done"),
    ([*BEFORE, 0.006, 0.020, 0.021], {"status": "dropped"}, "not_done"),
    ([*BEFORE, 0.006], {}, "cannot_tell"),
    ([*BEFORE, 0.006, 0.020, 0.021], {"session_id": "gone"}, "cannot_tell"),
    ([*BEFORE, 0.006, 0.020, 0.021], {"metric": "no_such_metric"}, "cannot_tell"),
    ([*BEFORE, 0.006, 0.020, 0.021], {"metric": "ad_cost"}, "not_comparable"),
    ([0.01, 0.01, 0.01, 0.006, 0.02, 0.02], {"session_id": "s03"}, "cannot_tell"),
])
def test_plan_rows_and_their_verdicts(values, columns, verdict):
    assert verdict_of(values, **columns)["verdict"] == verdict


def test_the_bad_session_is_no_part_of_the_baseline():
    made = verdict_of([*BEFORE, 0.0001, 0.0105, 0.0100])
    assert made["n_before"] == 8 and made["before"] == pytest.approx(np.exp(np.log(BEFORE).mean()))
    assert made["verdict"] != "effective" and made["flagged"] == 0.0001 and made["expected_rebound"] > 1


def test_promotions_do_not_count_and_only_promotions_since_are_not_comparable():
    kinds = ["daily"] * 9 + ["promotion"] * 2
    assert verdict_of([*BEFORE, 0.006, 0.020, 0.021], kinds)["verdict"] == "not_comparable"
    mixed = verdict_of([*BEFORE, 0.006, 0.500, 0.020, 0.021], ["daily"] * 9 + ["promotion", "daily", "daily"])
    assert mixed["n_after"] == 2 and mixed["after"] < 0.03


def test_the_action_counts_from_its_due_session():
    made = verdict_of([*BEFORE, 0.006, 0.001, 0.020, 0.021], due_session="s10")
    assert made["n_after"] == 2 and made["verdict"] == "effective"


def test_only_the_planned_number_of_sessions_is_judged():
    made = verdict_of([*BEFORE, 0.006, 0.020, 0.021, 0.001, 0.001])
    assert made["n_after"] == 2 and bool(made["final"])


def test_sessions_under_an_event_that_names_the_metric_are_left_out():
    sessions, tidy = account([*BEFORE, 0.006, 0.020, 0.021])
    events = schema.conform(pd.DataFrame([{"starts_at": START, "ends_at": START + pd.Timedelta(days=2.5), "kind": "platform_redesign", "metric": "follow_rate"}]), "events", ZONE)
    known = verification.history(tidy, sessions, room_of="s10", events=events)
    assert known["comparable"].tolist() == [False] * 3 + [True] * 8


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_verdict_has_a_sentence(lang):
    for values, columns in (([*BEFORE, 0.006, 0.020, 0.021], {}), ([*BEFORE, 0.006, 0.0105], {}), ([*BEFORE, 0.006], {}), ([*BEFORE, 0.006], {"status": "open"})):
        words = verification.sentence(verdict_of(values, **columns), reference.metrics(), lang=lang)
        assert words and "nan" not in words


def test_the_demo_action_that_worked_is_found_and_the_one_that_did_not_is_not_called_effective():
    """Planted in the simulator: follow rate x 2 after the plan, interaction rate unchanged (15 sessions before, 4 after)."""
    simulation = demo.simulate(demo.SEED)
    sessions, truth = simulation.tables["sessions"], simulation.truth
    rows = planfile.frame([
        {"plan_id": key, "session_id": truth["plan_session"], "action": key, "metric": truth[key]["metric"], "least_effect": 0.1, "sessions": 4, "status": "done"}
        for key in ("plan_worked", "plan_failed")
    ])
    registry = reference.metrics()
    values = compare.on_one_scale(metrics.by_session(sessions, ["follow_rate", "interaction_rate"], registry=registry), sessions, registry)
    known = verification.history(values, sessions, room_of=truth["target_session"], events=simulation.tables["events"])
    made = verification.verify(rows, known, sessions, registry=registry).set_index("plan_id")
    assert made.loc["plan_worked", "verdict"] == "effective"
    assert made.loc["plan_worked", "effect_lower"] <= truth["plan_worked"]["multiplier"] - 1 <= made.loc["plan_worked", "effect_upper"]
    assert made.loc["plan_failed", "verdict"] in ("cannot_tell", "not_effective")
    assert made.loc["plan_failed", "effect_lower"] <= 0 <= made.loc["plan_failed", "effect_upper"]


def test_values_of_sources_and_products_are_found_by_the_slice_that_a_plan_names():
    sessions, _ = account([1.0, 1.0])
    traffic = schema.conform(pd.DataFrame([{"session_id": s, "source": name, "viewers": 100, "pay_users": paid} for s, name, paid in (("s00", "千川", 5), ("s00", "搜索", 9), ("s01", "千川", 7))]), "traffic", ZONE)
    products = schema.conform(pd.DataFrame([{"session_id": "s00", "product_id": "371", "sku_id": sku, "click_users": 50, "pay_users": 10} for sku in (None, "x")]), "products", ZONE)
    plans = pd.concat([plan_row(metric="room_conversion", slice="千川"), plan_row(plan_id="P-2", metric="item_click_pay_rate", slice="洗脸巾 (371)")])
    made = verification.gather(
        sessions, lines=pd.DataFrame({"session_id": []}), plans=plans, enquiries=schema.empty("service", ZONE), traffic=traffic, products=products,
        minutes=schema.empty("minutes", ZONE), session_id="s01", as_of=START, registry=reference.metrics(),
    )
    sliced = made[made["slice"] != ""]
    assert sliced[["session_id", "metric", "slice", "value"]].to_numpy().tolist() == [
        ["s00", "room_conversion", "千川", 0.05], ["s01", "room_conversion", "千川", 0.07], ["s00", "item_click_pay_rate", "371", 0.2]]
