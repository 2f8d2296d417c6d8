"""The comparison held to its word.

Quiet accounts, planted changes, and 122 real sessions each predicted from those before it.
"""

import pandas as pd
import pytest

from helpers import compare, reference
from helpers.review import open_review
from tests.benchmarks import comparison
from tests.conftest import tiktok_workspace  # noqa: F401  a fixture

SEEDS = 200
ACCOUNTS = {
    "even": {},
    "even, 20 further sessions": {"further": 20},
    "drifting, three slots, 40 further": {"further": 40, "slots": 3, "drift": 0.02},
}
SIZES = (3, 5, 8, 15)


def scored(count: int) -> range:
    return range(comparison.FIRST_SCORED, comparison.FIRST_SCORED + count)


def show(title: str, table: object) -> None:
    print(f"\n{title}\n{table.to_string(float_format='{:.3f}'.format)}")


@pytest.mark.parametrize("kind", ACCOUNTS)
def test_quiet_sessions_are_flagged_one_time_in_twenty_and_hardly_called_after_the_correction(kind):
    table = pd.DataFrame({n: comparison.quiet(scored(SEEDS), n, **ACCOUNTS[kind]) for n in SIZES}).T
    show(
        (
            f"nothing happened, {kind}: share of {len(comparison.IDS)} metrics of {SEEDS} accounts "
            "outside their range, by comparable sessions"
        ),
        table,
    )
    assert table["flagged"].between(0.03, 0.07).all()
    assert table[["below", "above"]].ge(0.005).all(axis=None) and table[["below", "above"]].le(
        0.04
    ).all(axis=None)
    assert (
        table["any called"] <= comparison.THRESHOLDS["false_discovery_rate"] + 0.03
    ).all()  # two standard errors


def test_power_by_history_and_size_of_the_change():
    rows = {
        (n, further): {
            factor: comparison.power(scored(150), n, factor, further=further)
            for factor in (0.5, 0.6, 0.7, 0.8, 1.4)
        }
        for n, further in ((3, 0), (5, 0), (8, 0), (8, 20), (15, 20))
    }
    table = pd.DataFrame(rows).T.rename_axis(["comparable", "further"])
    show(
        "pay rate of the last session multiplied: share called after the correction, 150 accounts",
        table,
    )
    assert (table[0.5] >= table[0.7]).all() and table.loc[(15, 20), 0.6] >= 0.8


def test_a_real_account_is_covered_and_narrower_than_by_its_last_eight(tiktok_workspace, tmp_path):  # noqa: F811
    review = open_review(
        "latest", data_dir=tiktok_workspace, reports_dir=tmp_path, notebook="03_compare"
    )
    values = comparison.scaled(review.sessions, compare.comparable_metrics(comparison.REGISTRY))
    ids = [
        name
        for name in compare.family(values, review.session_id, reference.playbook())
        if name not in comparison.WITHOUT_ADS
    ]
    table = comparison.covered(
        comparison.forward(review.sessions, review.everything("events"), ids)
    )
    show(
        (
            "122 real sessions, each from those before it (width: log of upper ÷ lower; plain: t "
            "interval of the last eight)"
        ),
        table,
    )
    assert table["covered"].between(0.92, 0.98).all()
    assert table.loc["all", "width"] < table.loc["all", "plain width"]
