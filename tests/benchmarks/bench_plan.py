"""Whether verdicts on plans can be trusted.

Nothing done, effects of known size, and the demo's own plan over 200 seeds.
"""

import pytest

from tests.benchmarks import plans

ACCOUNTS, RUNS, SEEDS = 500, 2000, 200
FIRST_SCORED = 20_000
# of an earlier, independent run of both estimators: eight sessions before, one after, by multiplier
POWER = {
    "own past": {1.5: 0.34, 2.0: 0.75},
    "controls": {1.5: 0.42, 2.0: 0.88},
}


def show(title: str, table: object) -> None:
    print(f"\n{title}\n{table.to_string(float_format='{:.3f}'.format)}")


@pytest.mark.parametrize("axis", plans.WATCHED)
def test_with_nothing_done_the_worst_slice_is_seldom_called_effective(axis):
    table = plans.false_alarms(range(FIRST_SCORED, FIRST_SCORED + ACCOUNTS), axis)
    show(
        (
            f"nothing done, worst {axis} of {ACCOUNTS} simulated accounts, {plans.WATCHED[axis]}, "
            f"{plans.AFTER} looks"
        ),
        table.T,
    )
    assert (table[["at_the_end", "at_any_look"]] <= 0.05).all(axis=None)
    assert (table["naive"] > 0.75).all()


@pytest.mark.parametrize("setting", plans.SETTINGS)
def test_intervals_cover_and_effects_are_found(setting):
    table = plans.coverage_and_power(RUNS, setting=plans.SETTINGS[setting])
    show(f"light simulator, {setting}: {plans.SETTINGS[setting]}, {RUNS} runs a row", table)
    assert (abs(table["covered"] - 0.95) < 0.015).all()
    assert (table["wrong"] <= 0.05).all()
    found = table["effective"].unstack()
    assert (found.loc[1.3:, "controls"] > found.loc[1.3:, "own past"]).all()


def test_power_is_that_of_the_earlier_run():
    found = plans.coverage_and_power(
        RUNS, setting=plans.SETTINGS["8 before, 1 after"], multipliers=(1.5, 2.0)
    )["effective"]
    for estimator, known in POWER.items():
        for multiplier, share in known.items():
            assert found[multiplier, estimator] == pytest.approx(share, abs=0.05)


def test_the_demo_plan_that_worked_is_told_from_the_one_that_did_not():
    table = plans.demo_plans(range(FIRST_SCORED, FIRST_SCORED + SEEDS))
    show(f"the demo's plan (x 2, 15 sessions before, 4 after), {SEEDS} seeds", table)
    assert table.loc["worked", "effective"] >= 0.80
    assert table.loc["failed"].reindex(plans.GOOD).sum() <= 0.05
