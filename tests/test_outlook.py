"""Expected returns of young sessions against the formula, its bounds, and simulated sessions with known returns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import aftersales, outlook
from tests.sold_lines import DAY, START, account, simulated


def test_expected_rate_is_the_formula():
    made = outlook.expected_rate(12, 400, 0.2, 0.3, k=60)
    assert made.value == pytest.approx((12 + 60 * 0.3) / (400 * 0.2 + 60))
    assert made.lower <= made.value <= made.upper


@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_expected_rate_lies_between_the_corrected_and_the_pooled_rate(n, part, share, pooled):
    refunded = int(n * part * share)
    made = outlook.expected_rate(refunded, n, share, pooled)
    low, high = sorted([min(refunded / (n * share), 1.0), pooled])
    assert low - 1e-9 <= made.value <= high + 1e-9
    assert 0 <= made.lower <= made.value <= made.upper <= 1


def test_unknown_maturity_gives_no_rate():
    assert np.isnan(outlook.expected_rate(3, 100, np.nan, 0.3).value)


def test_young_sessions_at_day_five_are_four_times_closer_than_the_rate_so_far():
    """The gate of the method: error at most a quarter of the naive rate's, and the interval holds the truth."""
    rng = np.random.default_rng(20261101)
    old_orders, old_cases = account(rng, early=0.05)
    history = aftersales.lines(old_orders, old_cases, as_of=START)
    naive, guess, covered = [], [], []
    for number in range(25):
        rate = rng.beta(30, 70)
        lines = aftersales.lines(*simulated(rng, f"new{number}", rate=rate, early=0.05), as_of=START + 5 * DAY)
        final = 1 - (1 - rate) * 0.95
        found = outlook.expected_final(lines, history, as_of=START + 5 * DAY, bands=1).iloc[0]
        naive.append(lines["refunded"].mean() - final)
        guess.append(found["expected"] - final)
        covered.append(found["lower"] <= final <= found["upper"])
    assert np.sqrt(np.mean(np.square(guess))) <= np.sqrt(np.mean(np.square(naive))) / 4
    assert np.mean(covered) >= 0.9


def test_too_young_a_session_prints_no_final_rate_and_an_old_one_its_own():
    rng = np.random.default_rng(3)
    history = aftersales.lines(*account(rng), as_of=START)
    young, old = (
        outlook.expected_final(aftersales.lines(*simulated(rng, "new"), as_of=START + days * DAY), history, as_of=START + days * DAY)
        for days in (1, 31)
    )
    assert not young["printable"].any() and young["expected"].isna().all()
    assert old["final"].all() and old.iloc[0]["expected"] == pytest.approx(old.iloc[0]["refunded"] / 400)


def test_net_amount_never_expects_less_than_was_refunded_and_closes():
    rng = np.random.default_rng(4)
    history = aftersales.lines(*account(rng), as_of=START)
    lines = aftersales.lines(*simulated(rng, "new"), as_of=START + 9 * DAY)
    made = outlook.net_amount(lines, outlook.expected_final(lines, history, as_of=START + 9 * DAY)).set_index("line")
    amount = made["amount"]
    assert amount["net"] == amount["paid"] - amount["refunded"] and amount["expected_net"] == amount["paid"] - amount["expected_refunds"]
    assert amount["expected_refunds"] >= amount["refunded"]
    assert (made["lower"] <= made["amount"]).all() and (made["amount"] <= made["upper"]).all()
