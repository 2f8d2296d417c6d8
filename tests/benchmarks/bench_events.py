"""Special events over 200 fresh seeds.

The planted one found with its size inside the interval, made-up ones left alone.
"""

import pytest

from tests.benchmarks import comparison

SEEDS = range(comparison.FIRST_SCORED, comparison.FIRST_SCORED + 200)


@pytest.fixture(scope="module")
def planted():
    return comparison.planted_events(SEEDS)


def test_the_planted_event_is_found_and_its_size_lies_inside_the_interval(planted):
    print(
        f"\nthe demo's redesign (x 0.7 over six sessions), {len(planted)} "
        f"seeds\n{planted.drop(columns='seed').mean().to_string(float_format='{:.3f}'.format)}"
    )
    assert planted["found"].mean() >= 0.80 and 0.90 <= planted["covered"].mean() <= 0.98
    assert planted["null matched"].mean() <= 0.05


def test_with_no_true_event_a_match_is_seldom_claimed():
    quiet = comparison.planted_events(SEEDS, fault="none")
    print(
        f"\nthe same log on accounts on which nothing happened, {len(quiet)} "
        f"seeds\n{quiet.drop(columns='seed').mean().to_string(float_format='{:.3f}'.format)}"
    )
    assert quiet["any matched"].mean() <= 0.05 and 0.90 <= quiet["covered"].mean() <= 0.98
