"""Whether verdicts on plans can be trusted.

Nothing done, effects of known size, and the demo's own plan over 200 seeds; plans that did nothing
on accounts that do not stand still and on a real one.
"""

import numpy as np
import pandas as pd
import pytest

from helpers import compare
from helpers.review import open_review
from tests.benchmarks import comparison, placebos, plans
from tests.conftest import tiktok_workspace  # noqa: F401  a fixture

ACCOUNTS, RUNS, SEEDS = 500, 2000, 200
PLACEBOS = 1000
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
    # wider than on accounts known to stand still: with so few sessions that cannot be told
    assert table["covered"].between(0.935, 0.995).all()
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


@pytest.mark.parametrize("low", [False, True], ids=["any session", "at a low"])
@pytest.mark.parametrize("after", [1, 4])
def test_plans_that_did_nothing_are_seldom_called_either(after, low):
    """On accounts of forty sessions; bounds are two Monte-Carlo errors wider."""
    seeds = range(FIRST_SCORED, FIRST_SCORED + PLACEBOS)
    table = pd.DataFrame(
        {kind: placebos.simulated(seeds, kind, 40, after, low=low) for kind in placebos.KINDS}
    ).T
    show(f"nothing done, 40 sessions before, {after} after, {PLACEBOS} seeds (x 1.3: found)", table)
    wider = 2 * np.sqrt(0.05 * 0.95 / PLACEBOS)
    assert table["covered"].between(0.92 - wider, 0.98 + wider).all()
    assert table[["effective", "harmful"]].le(0.05 + wider).all(axis=None)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_plans_that_nobody_made_on_a_real_account(after, tiktok_workspace, tmp_path):  # noqa: F811
    """The sessions after the 61 that the constants were chosen on; errors by blocks of a week."""
    review = open_review(
        "latest", data_dir=tiktok_workspace, reports_dir=tmp_path, notebook="06_plan"
    )
    registry = comparison.REGISTRY
    values = comparison.scaled(review.sessions, compare.comparable_metrics(registry))
    judged = [
        name
        for name in values["metric"].unique()
        if registry[name].bigger_is_better is not None and name not in comparison.WITHOUT_ADS
    ]
    values = values[values["metric"].isin(judged)].dropna(subset=["value"])
    table = placebos.real(review.sessions, values, after)
    for name, rows in (("any session", table), ("at a low", table[table["low"]])):
        scores = placebos.with_error(rows)
        show(f"{len(rows)} plans that nobody made, {after} sessions after, {name}", scores)
        share, error = scores.loc["share"], scores.loc["error"]
        assert share["covered"] >= 0.92 - 2 * error["covered"]
        assert (share.drop("covered") <= 0.05 + 2 * error.drop("covered")).all()
