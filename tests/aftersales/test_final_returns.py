"""Expected returns of young sessions against the formula, its bounds and simulated sessions."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as distributions

from helpers import aftersales, demo
from helpers.aftersales import final_returns
from helpers.core import stats
from tests.sold_lines import DAY, START, account, simulated


def test_expected_rate_is_the_formula():
    """What has come, and of the rest the level drawn to the account's: (r + k q) / (n F + k)."""
    made = final_returns.expected_rate(12, 400, 0.2, stats.Prior(0.3, 60))
    level = (12 + 60 * 0.3) / (400 * 0.2 + 60)
    assert made.value == pytest.approx(12 / 400 + 0.8 * level)
    assert made.lower < made.value < made.upper


@pytest.mark.parametrize(
    ("refunded", "n", "share", "pooled", "k"),
    [(12, 400, 0.2, 0.3, 60), (4, 90, 0.5, 0.1, 25), (0, 60, 0.3, 0.2, 100)],
)
def test_the_interval_is_that_of_drawing_levels_and_then_refunds(refunded, n, share, pooled, k):
    """A second way: quantiles of levels drawn from the Beta and refunds drawn from a binomial."""
    rng = np.random.default_rng(11)
    level = (refunded + k * pooled) / (n * share + k)
    q = rng.beta(level * (n * share + k), (1 - level) * (n * share + k), 200_000)
    chance = np.minimum(n * (1 - share) * q / (n - refunded), 1)
    drawn = (refunded + rng.binomial(n - refunded, chance)) / n
    made = final_returns.expected_rate(refunded, n, share, stats.Prior(pooled, k))
    assert (made.lower, made.upper) == pytest.approx(
        tuple(np.quantile(drawn, [0.025, 0.975])), abs=0.012
    )


def test_a_final_session_has_its_own_rate_and_no_interval():
    assert final_returns.expected_rate(30, 100, 1.0, stats.Prior(0.5, 50))[:3] == (0.3, 0.3, 0.3)


def test_the_account_s_own_variation_decides_how_much_a_session_is_drawn_to_it():
    """Sessions that hardly differ weigh more than sessions that do."""
    alike, apart = (
        stats.session_prior([30] * 12, [100] * 12),
        stats.session_prior([10, 50] * 6, [100] * 12),
    )
    assert alike.weight > 200 > 25 > apart.weight and alike.mean == pytest.approx(0.3, abs=1e-3)


@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_expected_rate_lies_between_the_corrected_and_the_pooled_rate(n, part, share, pooled):
    refunded = int(n * part * share)
    made = final_returns.expected_rate(refunded, n, share, stats.Prior(pooled, 50))
    low, high = sorted([min(refunded / (n * share), 1.0), pooled])
    assert low - 1e-9 <= made.value <= high + 1e-9
    assert 0 <= made.lower <= made.value <= made.upper <= 1


def test_unknown_maturity_gives_no_rate():
    assert np.isnan(final_returns.expected_rate(3, 100, np.nan, stats.Prior(0.3, 50)).value)


def sold(sessions, seed=demo.SEED):
    """All order lines of a simulated account, and the moment of its exports."""
    tables = demo.simulate(seed, sessions=sessions, tables=("orders", "aftersales")).tables
    as_of = tables["orders"]["created_at"].max().ceil("D")
    return aftersales.lines(tables["orders"], tables["aftersales"], as_of=as_of), as_of


def test_estimates_of_old_sessions_with_what_was_known_then():
    """At day 5 the error is at most a quarter of the naive rate's; 95 % intervals hold."""
    lines, as_of = sold(50)
    made = final_returns.scores(
        final_returns.back_test(lines, as_of=as_of, days=(5, 14), sessions=20)
    ).set_index("day")
    assert made.loc[5, "estimates"] == 20 and made.loc[5, "ratio"] <= 0.25
    assert (
        (made["inside"] >= 0.85).all()
        and made.loc[5, "width"] < 0.15
        and made.loc[14, "rmse"] < made.loc[5, "rmse"]
    )


def test_a_back_test_knows_nothing_of_later_days():
    """The estimates are those made again from cases and orders cut off at that day."""
    rng = np.random.default_rng(6)
    old_orders, old_cases = account(rng, early=0.05)
    own_orders, own_cases = simulated(rng, "new", early=0.05)
    both = [
        pd.concat(pair, ignore_index=True)
        for pair in ((old_orders, own_orders), (old_cases, own_cases))
    ]
    tested = final_returns.back_test(
        aftersales.lines(*both, as_of=START + 40 * DAY),
        as_of=START + 40 * DAY,
        days=(9,),
        sessions=1,
    ).iloc[0]
    then = own_orders["paid_at"].mean() + 9 * DAY
    cut = [
        aftersales.lines(orders, cases[cases["refunded_at"] <= then], as_of=then)
        for orders, cases in ((own_orders, own_cases), (old_orders, old_cases))
    ]
    fresh = final_returns.expected_final(*cut, as_of=then, bands=1).iloc[0]
    assert tested[["expected", "lower", "upper"]].tolist() == pytest.approx(
        fresh[["expected", "lower", "upper"]].tolist()
    )
    assert (
        tested["final"] == own_cases["refunded_at"].notna().sum() / 400
        and tested["so_far"] == fresh["refunded"] / 400
    )


def test_scores_of_a_back_test_by_hand():
    tested = pd.DataFrame(
        {
            "day": [3, 3, 3],
            "expected": [0.3, 0.2, np.nan],
            "lower": [0.2, 0.1, np.nan],
            "upper": [0.4, 0.22, np.nan],
            "so_far": [0.1, 0.1, 0.1],
            "final": [0.3, 0.25, 0.3],
        }
    )
    made = final_returns.scores(tested).iloc[0]
    assert (made["estimates"], made["not_yet"], made["inside"]) == (2, 1, 0.5)
    assert made["rmse"] == pytest.approx(np.sqrt(0.0025 / 2)) and made[
        "rmse_so_far"
    ] == pytest.approx(np.sqrt((0.04 + 0.0225) / 2))


def test_too_young_a_session_prints_no_final_rate_and_an_old_one_its_own():
    rng = np.random.default_rng(3)
    history = aftersales.lines(*account(rng), as_of=START)
    young, old = (
        final_returns.expected_final(
            aftersales.lines(*simulated(rng, "new"), as_of=START + days * DAY),
            history,
            as_of=START + days * DAY,
        )
        for days in (1, 31)
    )
    assert not young["printable"].any() and young["expected"].isna().all()
    assert old["final"].all() and old.iloc[0]["expected"] == pytest.approx(
        old.iloc[0]["refunded"] / 400
    )


def test_net_amount_never_expects_less_than_was_refunded_and_closes():
    rng = np.random.default_rng(4)
    history = aftersales.lines(*account(rng), as_of=START)
    lines = aftersales.lines(*simulated(rng, "new"), as_of=START + 9 * DAY)
    made = final_returns.net_amount(
        lines, final_returns.expected_final(lines, history, as_of=START + 9 * DAY)
    ).set_index("line")
    amount = made["amount"]
    assert (
        amount["net"] == amount["paid"] - amount["refunded"]
        and amount["expected_net"] == amount["paid"] - amount["expected_refunds"]
    )
    assert amount["expected_refunds"] >= amount["refunded"]
    assert (made["lower"] <= made["amount"]).all() and (made["amount"] <= made["upper"]).all()


def test_the_newest_sessions_with_what_has_come_and_what_will():
    rng = np.random.default_rng(12)
    sold_before, back_before = account(rng)
    young, back_young = simulated(rng, "young")
    lines = aftersales.lines(
        pd.concat([sold_before, young], ignore_index=True),
        pd.concat([back_before, back_young], ignore_index=True),
        as_of=START + 9 * DAY,
    )
    made = final_returns.recent(lines, as_of=START + 9 * DAY, sessions=3)
    own = lines[lines["session_id"] == "young"]
    assert len(made) == 3 and made["started"].is_monotonic_decreasing
    assert (
        made.loc[0, "net"] == own["paid"].sum() - own["refunded_amount"].sum()
        and made.loc[0, "so_far"] == own["refunded"].mean()
    )
    assert (
        not made.loc[0, "final"]
        and made.loc[1:, "final"].all()
        and (made.loc[1:, "expected"] == made.loc[1:, "so_far"]).all()
    )


def test_refunds_before_shipping_are_called_complete_in_words_and_only_where_the_curve_says_so():
    rng = np.random.default_rng(8)
    history = aftersales.lines(*account(rng, early=0.08), as_of=START)
    lines, now = simulated(rng, "new", early=0.08), START + 5 * DAY
    own = aftersales.lines(*lines, as_of=now).assign(shipped=False)
    made = final_returns.expected_final(own, history, as_of=now).set_index("part")
    assert made["complete"].to_dict() == {name: name == "before_shipping" for name in made.index}
    behind, waiting = (
        int((history["refunded"] & history["before_shipping"]).sum()),
        int((~own["refunded"]).sum()),
    )
    for lang, word in (("zh", "按规则视为已来全"), ("en", "taken as complete by rule")):
        note = final_returns.complete_note(made.reset_index(), own, lang=lang)
        assert word in note and str(behind) in note and str(waiting) in note
    late = final_returns.expected_final(
        aftersales.lines(*lines, as_of=START + 40 * DAY), history, as_of=START + 40 * DAY
    )
    assert not late["complete"].any() and final_returns.complete_note(late, own, lang="en") == ""


def counted(rates, lines=400):
    """Sessions, oldest first, with so many lines and these final rates."""
    return pd.DataFrame({"x": np.array(rates) * lines, "n": float(lines)})


def test_a_session_is_drawn_to_the_level_of_the_last_ones_where_the_account_moves():
    """Forty sessions at 20 %, then twelve at 40 %: the next is expected near 40, not near 25."""
    wobble = 1 + 0.05 * np.sin(np.arange(52) * 2.4)
    prior = final_returns._prior(counted(np.r_[np.full(40, 0.2), np.full(12, 0.4)] * wobble))
    assert prior.mean == pytest.approx(0.4, abs=0.04)
    steady = final_returns._prior(counted(np.full(52, 0.2) * wobble))
    assert steady.mean == pytest.approx(0.2, abs=0.01) and steady.weight > prior.weight


def test_another_level_is_said_and_a_steady_one_is_not():
    wobble = 1 + 0.1 * np.sin(np.arange(48) * 2.4)
    moved = final_returns._moved(counted(np.r_[np.full(40, 0.2), np.full(8, 0.3)] * wobble))
    assert moved.recent == pytest.approx(0.3, abs=0.02)
    assert moved.earlier == pytest.approx(0.2, abs=0.01)
    assert np.isnan(final_returns._moved(counted(np.full(48, 0.2) * wobble)).recent)
    assert np.isnan(final_returns._moved(counted([0.2, 0.3, 0.5])).recent)


def test_the_net_amount_holds_which_of_the_open_lines_come_back():
    """Two of ten open lines of 100 and one of 900 to come, by hand: each comes back with 2/10.

    Mean 0.2 x 1800; variance 0.2 x 0.8 x (9 x 100^2 + 900^2), the rate being known.
    """
    prices = [100.0] * 9 + [900.0] + [50.0]
    lines = pd.DataFrame(
        {
            "paid": prices,
            "refunded": [False] * 10 + [True],
            "refunded_amount": [0.0] * 10 + [50.0],
        }
    )
    expected = pd.DataFrame(
        {
            "part": ["all"],
            "n": [11],
            "refunded": [1],
            "paid_amount": [sum(prices)],
            "to_come": [2.0],
            "to_come_variance": [2.0 * 0.8],
            "printable": [True],
        }
    )
    made = final_returns.net_amount(lines, expected).set_index("line")
    mean, variance = 0.2 * 1800, 0.16 * (9 * 100**2 + 900**2)
    amount = distributions.gamma(mean**2 / variance, scale=variance / mean)
    assert made.loc["expected_net"].tolist() == pytest.approx(
        [1850 - 50 - mean, 1800 - amount.ppf(0.975), 1800 - amount.ppf(0.025)]
    )
