"""Statistics against published tables and a second way of counting.

Intervals, predictions, false discoveries, shrinkage, times until something.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter

from helpers.core import stats

NAN = float("nan")

# Newcombe 1998, Statistics in Medicine 17:857, Table I, method 3 (score, without continuity
# correction).
NEWCOMBE_ONE = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
# Benjamini and Hochberg 1995, section 4.1: fifteen p-values of a myocardial infarction trial.
BH_1995 = [
    0.0001,
    0.0004,
    0.0019,
    0.0095,
    0.0201,
    0.0278,
    0.0298,
    0.0344,
    0.0459,
    0.3240,
    0.4262,
    0.5719,
    0.6528,
    0.7590,
    1.0,
]
# Efron and Morris 1975: hits in the first 45 at-bats of 18 players, and their averages over the
# rest of 1970.
HITS = [18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7]
REST = [
    0.346,
    0.298,
    0.276,
    0.222,
    0.273,
    0.270,
    0.263,
    0.210,
    0.269,
    0.230,
    0.264,
    0.256,
    0.303,
    0.264,
    0.226,
    0.286,
    0.316,
    0.200,
]


@pytest.mark.parametrize(("x", "n", "lower", "upper"), NEWCOMBE_ONE)
def test_wilson_is_newcombes_table_one(x, n, lower, upper):
    assert np.round(stats.wilson(x, n), 4) == pytest.approx([lower, upper], abs=1e-9)


def test_wilson_is_undefined_where_there_is_no_proportion():
    lower, upper = stats.wilson([0, 3, np.nan, 2], [0, 2, 10, 4])
    assert np.isnan(lower).tolist() == np.isnan(upper).tolist() == [True, True, True, False]


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.data())
def test_wilson_solves_the_score_equation(n, data):
    x = data.draw(st.integers(0, n))
    lower, upper = (float(v) for v in stats.wilson(x, n))
    assert 0 <= lower <= x / n + 1e-12 and x / n - 1e-12 <= upper <= 1
    for bound in (lower, upper):
        if 1e-9 < bound < 1 - 1e-9:
            z = (x / n - bound) / math.sqrt(bound * (1 - bound) / n)
            assert abs(z) == pytest.approx(1.959964, abs=1e-4)


def test_two_rates_of_nothing_are_undefined():
    assert all(math.isnan(v) for v in stats.ratio(0, 0, 1, 2))
    assert math.isnan(stats.ratio(3, 10, 0, 10).value)


def test_ratio_by_hand():
    """The log of the ratio with one half added to each count, and its error by the delta method."""
    found = stats.ratio(30, 100, 20, 100)
    centre, error = math.log(30.5 / 20.5), math.sqrt(1 / 30.5 + 1 / 20.5 - 2 / 100.5)
    assert found.value == pytest.approx(1.5)
    assert np.log(found[1:]) == pytest.approx(
        [centre - 1.959964 * error, centre + 1.959964 * error]
    )


def test_prediction_interval_by_hand():
    # ln 1, ln e, ln e2: mean 1, sd 1, n 3; t(.975, 2) = 4.302653
    found = stats.prediction_interval([1, math.e, math.e**2, np.nan, 0])
    half = 4.302653 * math.sqrt(1 + 1 / 3)
    assert (found.mean, found.sd, found.n) == (pytest.approx(math.e), pytest.approx(1), 3)
    assert found.upper == pytest.approx(math.exp(1 + half), rel=1e-5)
    assert found.lower == pytest.approx(math.exp(1 - half), rel=1e-5)


def test_prediction_p_is_5_percent_on_the_bound():
    history = [0.031, 0.035, 0.04, 0.029, 0.038]
    for log in (True, False):
        bounds = stats.prediction_interval(history, log=log)
        assert stats.prediction_p(bounds.lower, history, log=log) == pytest.approx(0.05)
        assert stats.prediction_p(bounds.upper, history, log=log) == pytest.approx(0.05)


def test_a_lent_spread_is_a_weighted_mean_of_variances():
    history, spread = [1, math.e, math.e**2], stats.Spread(sd=0.5, weight=4)
    found = stats.prediction_interval(history, spread=spread)
    sd = math.sqrt((2 * 1 + 4 * 0.25) / 6)  # t(.975, 6) = 2.446912
    assert found.sd == pytest.approx(sd)
    assert math.log(found.upper) == pytest.approx(1 + 2.446912 * sd * math.sqrt(4 / 3), rel=1e-6)
    assert stats.prediction_p(found.upper, history, spread=spread) == pytest.approx(0.05)
    assert stats.prior_spread([1, 2]) is None and stats.prior_spread(
        np.exp([1.0, 2.0, 3.0])
    ) == pytest.approx((1.0, 2.0))


def test_predictions_of_many_units_are_those_of_each():
    history = np.array([[0.1, 0.2, 0.5], [0.3, np.nan, 0.5], [0.2, 0.4, 0.5], [0.4, 0.1, 0.5]])
    values = np.array([0.9, 0.2, 0.5])
    together = stats.prediction_interval(history, log=False)
    p_values = stats.prediction_p(values, history, log=False)
    assert together.n.tolist() == [4, 3, 4] and p_values[2] == 1
    for place, column in enumerate(history.T):
        alone = stats.prediction_interval(column, log=False)
        assert [float(each[place]) for each in together] == pytest.approx(list(alone))
        assert p_values[place] == pytest.approx(
            stats.prediction_p(values[place], column, log=False)
        )
    # 0.25 - 3.1824 x 0.1291 x sqrt(1 + 1/4), by t with three degrees of freedom
    assert together.lower[0] == pytest.approx(0.25 - 0.4594, abs=1e-4)


def test_prediction_needs_two_sessions():
    assert math.isnan(stats.prediction_interval([0.1]).lower)
    assert math.isnan(stats.prediction_p(0.1, [0.1]))
    assert stats.prediction_p(0.1, [0.1, 0.1]) == 1 and stats.prediction_p(0.2, [0.1, 0.1]) == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1, 1e6), min_size=3, max_size=12), st.floats(1e-3, 1e3))
def test_prediction_does_not_depend_on_the_currency(history, rate):
    plain, other = (
        stats.prediction_interval(history),
        stats.prediction_interval(np.array(history) * rate),
    )
    assert other.lower == pytest.approx(plain.lower * rate, rel=1e-6)
    assert other.upper == pytest.approx(plain.upper * rate, rel=1e-6)


def _simulated(rng, n, orders, sd):
    """Entrants and orders of n + 1 sessions whose rate varies by `sd` (log) around 2 %."""
    entrants = np.full(n + 1, round(orders / 0.02))
    return rng.binomial(entrants, np.clip(0.02 * np.exp(rng.normal(0, sd, n + 1)), 0, 1)), entrants


@pytest.mark.parametrize("n", [3, 5, 8, 15])
def test_quiet_sessions_are_flagged_about_one_time_in_twenty(n):
    """Null calibration: nothing happened, sessions vary by 12 % and by sampling.

    2000 sessions of 240 orders. The bounds are those of the acceptance table (.03 to .07); the
    Monte-Carlo error is half a point.
    """
    rng = np.random.default_rng(20261110 + n)
    flags = 0
    for _ in range(2000):
        orders, entrants = _simulated(rng, n, 240, 0.12)
        rates = stats.smoothed_rate(orders, entrants)
        flags += stats.prediction_p(rates[0], rates[1:]) < 0.05
    assert 0.03 <= flags / 2000 <= 0.07


def test_a_lent_spread_keeps_quiet_sessions_quiet_and_sees_more():
    """Three sessions and the spread of twenty others.

    False alarms stay in bounds, a fall to 60 % is seen far more often.
    """
    rng, flags, seen = np.random.default_rng(11), np.zeros(2), np.zeros(2)
    for _ in range(1500):
        values, pool = np.exp(rng.normal(0, 0.12, 4)), np.exp(rng.normal(0.1, 0.12, 20))
        for place, spread in enumerate([None, stats.prior_spread(pool)]):
            flags[place] += stats.prediction_p(values[0], values[1:], spread=spread) < 0.05
            seen[place] += stats.prediction_p(0.6 * values[0], values[1:], spread=spread) < 0.05
    assert (flags / 1500 >= 0.03).all() and (flags / 1500 <= 0.07).all()
    assert seen[1] > 1.4 * seen[0]


@pytest.mark.parametrize(("n", "orders"), [(3, 6), (3, 30), (5, 6), (5, 30), (8, 12), (15, 30)])
def test_small_counts_are_flagged_no_more_often_than_promised(n, orders):
    rng = np.random.default_rng(n * 100 + orders)
    flags = np.zeros(2)
    for _ in range(800):
        x, entrants = _simulated(rng, n, orders, 0.12)
        flags += [
            stats.beta_binomial_predictive(x[0], entrants[0], x[1:], entrants[1:]).p_value < 0.05,
            stats.negative_binomial_predictive(x[0], 4, x[1:], np.full(n, 4.0)).p_value < 0.05,
        ]
    assert (flags / 800 <= 0.07).all() and (flags / 800 >= 0.015).all()


def test_small_counts_still_notice_a_collapse():
    """A rate that falls to a third is seen with 30 orders a session.

    Log-t at n = 4 is nearly blind there.
    """
    rng = np.random.default_rng(7)
    seen = np.zeros(2)
    for _ in range(300):
        x, entrants = _simulated(rng, 4, 30, 0.12)
        x[0] = rng.binomial(entrants[0], 0.02 / 3)
        rates = stats.smoothed_rate(x, entrants)
        seen += [
            stats.beta_binomial_predictive(x[0], entrants[0], x[1:], entrants[1:]).p_value < 0.05,
            stats.prediction_p(rates[0], rates[1:]) < 0.05,
        ]
    assert seen[0] / 300 > 0.9 and seen[0] > seen[1]


def test_predictive_without_session_noise_nears_the_binomial():
    """With ample history the interval is that of the plain binomial.

    No extra variation is asked for.
    """
    n = np.full(200, 1000.0)
    x = np.round(n * 0.05)
    found = stats.beta_binomial_predictive(50, 1000, x, n)
    assert found.mean == pytest.approx(0.05, rel=1e-3)
    assert found.lower == pytest.approx(0.05 - 1.96 * math.sqrt(0.05 * 0.95 / 1000), abs=0.003)


@pytest.mark.parametrize(
    "predict", [stats.beta_binomial_predictive, stats.negative_binomial_predictive]
)
def test_predictive_without_history_or_exposure_is_undefined(predict):
    assert math.isnan(predict(1, 10, [], []).p_value)
    assert math.isnan(predict(1, 0, [1, 2], [10, 10]).p_value)
    assert math.isfinite(predict(0, 10, [0, 0, 0], [10, 10, 10]).p_value)


def test_bh_is_the_table_of_1995():
    q = stats.benjamini_hochberg(BH_1995)
    assert (q <= 0.05).sum() == 4
    assert q[3] == pytest.approx(0.035625) and q[4] == pytest.approx(0.0603)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.floats(0, 1), st.just(math.nan)), max_size=25),
    st.sampled_from([0.05, 0.1, 0.3]),
)
def test_bh_rejects_what_the_step_up_rule_rejects(p, rate):
    q = stats.benjamini_hochberg(p)
    known = sorted(v for v in p if not math.isnan(v))
    passed = [v for k, v in enumerate(known, start=1) if v * len(known) / k <= rate]
    cut = max(passed, default=-1.0)
    assert [bool(a <= rate) for a in q] == [not math.isnan(v) and v <= cut for v in p]


def test_shrinkage_is_efron_and_morris():
    """Total squared error falls from .0755 (raw) to .0229, near James and Stein's .0214.

    Published are .077 and .022.
    """
    raw = np.array(HITS) / 45
    shrunk = stats.shrink_rates(HITS, [45] * 18)
    assert ((raw - REST) ** 2).sum() == pytest.approx(0.0755, abs=5e-5)
    assert ((shrunk.rate - REST) ** 2).sum() == pytest.approx(0.0229, abs=5e-5)
    low, high = np.minimum(raw, raw.mean()), np.maximum(raw, raw.mean())
    assert ((shrunk.rate >= low - 1e-6) & (shrunk.rate <= high + 1e-6)).all()


def test_shrinkage_at_its_ends():
    big = stats.shrink_rates([30, 50, 100_000], [1000, 1000, 1_000_000])
    assert big.rate[2] == pytest.approx(0.1, rel=1e-3)
    empty = stats.shrink_rates([5, 6, 0], [100, 110, 0], prior=(5.0, 95.0))
    assert empty.rate[2] == pytest.approx(0.05)
    assert stats.shrink_rates([3], [10]).rate[0] == pytest.approx(3.5 / 11)
    with pytest.raises(ValueError, match="between 0 and trials"):
        stats.shrink_rates([5], [3])


# ---- counts over exposure

# Garwood 1936, Biometrika 28:437: exact 95 % limits of a Poisson mean.
GARWOOD = [
    (0, 0.0, 3.689),
    (1, 0.0253, 5.572),
    (5, 1.623, 11.668),
    (10, 4.795, 18.390),
    (20, 12.217, 30.888),
]


@pytest.mark.parametrize(("x", "lower", "upper"), GARWOOD)
def test_limits_of_a_count_are_garwoods(x, lower, upper):
    assert np.array(stats.count_rate(x, 1)) == pytest.approx([lower, upper], abs=6e-4)
    assert np.array(stats.count_rate(x, 4)) == pytest.approx([lower / 4, upper / 4], abs=6e-4)


def test_a_dispersed_count_counts_for_less():
    narrow, wide = (
        np.array(stats.count_rate(40, 10)),
        np.array(stats.count_rate(40, 10, dispersion=4)),
    )
    assert wide == pytest.approx(4 * np.array(stats.count_rate(10, 10)))
    assert wide[0] < narrow[0] < 4 < narrow[1] < wide[1]
    assert np.isnan(stats.count_rate(3, 0)).all() and np.isnan(stats.count_rate(np.nan, 5)).all()


def test_dispersion_is_one_for_even_counts_and_pearsons_for_uneven_ones():
    assert stats.dispersion([10, 10, 10], [10, 10, 10]) == 1
    assert stats.dispersion([0, 20], [10, 10]) == pytest.approx(
        20
    )  # (100 + 100) / 10 over one degree of freedom
    assert stats.dispersion([0, 20, 7, 7], [10, 10, 7, 7], fitted=2) == pytest.approx(10)
    assert stats.dispersion([0, 0], [0, 0]) == 1 and stats.dispersion([4], [4]) == 1


@pytest.mark.parametrize(("x", "mean"), [(0, 2.0), (3, 10.0), (10, 10.0), (18, 10.0)])
def test_p_of_a_count_is_twice_the_smaller_tail_summed_term_by_term(x, mean):
    term = [math.exp(-mean) * mean**k / math.factorial(k) for k in range(100)]
    expected = min(1.0, 2 * min(sum(term[: x + 1]), sum(term[x:])))
    assert float(stats.count_p(x, mean)) == pytest.approx(expected)
    assert float(stats.count_p(2 * x, 2 * mean, dispersion=2)) == pytest.approx(expected)
    assert np.isnan(stats.count_p(np.nan, mean))


# ---- rates about expectations of their own


def test_rates_about_their_expectations_find_the_common_shift_and_the_broken_unit():
    """Forty units about rates from 2 to 20 %, all odds x 0.8, one of them halved.

    Shift, spread and the one are found.
    """
    rng = np.random.default_rng(5)
    expected = np.linspace(0.02, 0.20, 40)
    odds = expected / (1 - expected) * 0.8 * np.exp(rng.normal(0, 0.1, 40))
    odds[17] /= 2
    n = np.full(40, 20_000)
    found = stats.around(rng.binomial(n, odds / (1 + odds)), n, expected)
    assert found.shift == pytest.approx(math.log(0.8), abs=3 * found.error) and found.error < 0.05
    assert found.odd.argmax() == 17 and found.odd[17] > 0.9 and np.delete(found.odd, 17).max() < 0.7
    mean = expected * 0.8
    cv = np.sqrt((1 - mean) / mean / (found.weight + 1))
    assert 0.07 < cv.mean() < 0.15


def test_few_trials_leave_the_prior_its_spread():
    found = stats.around([1, 0, 2, 1], [20, 20, 20, 20], [0.05] * 4)
    cv = np.sqrt((1 - 0.05) / 0.05 / (found.weight + 1))
    assert cv == pytest.approx(stats.PRIOR_CV, rel=0.25) and (found.wide < found.weight).all()
    assert (found.odd < 0.25).all()


@pytest.mark.parametrize(("each", "shift"), [(0, -1.46634), (10, 5.86079)])
def test_where_nothing_or_everything_happened_the_shift_is_that_of_half_a_case(each, shift):
    """ln(.025/.975) - ln(.1/.9), and ln(.975/.025) - ln(.1/.9): half a case of twenty."""
    found = stats.around([each, each], [10, 10], [0.1, 0.1])
    assert found.shift == pytest.approx(shift, abs=1e-4) and np.isfinite(found.error)
    assert (found.weight > 0).all() and np.isfinite(found.odd).all()


CASES = st.lists(
    st.tuples(st.integers(0, 40), st.booleans(), st.integers(1, 30)), min_size=1, max_size=40
)


@settings(max_examples=40, deadline=None)
@given(CASES, st.sampled_from([0.8, 0.95, 0.99]))
def test_the_course_of_counted_cases_is_that_of_lifelines(cases, confidence):
    """Curve, limits and median, with ties, with cases that end at 0, and where all are censored."""
    days, happened, counts = (np.array(column) for column in zip(*cases, strict=True))
    course = stats.course(days / 2, happened, counts, confidence=confidence)
    fitted = KaplanMeierFitter(alpha=1 - confidence).fit(days / 2, happened, weights=counts)
    assert (course.times == fitted.survival_function_.index).all()
    left = fitted.survival_function_.iloc[:, 0].to_numpy()
    assert 1 - course.share == pytest.approx(left, abs=1e-12)
    limits = fitted.confidence_interval_survival_function_.to_numpy()
    assert 1 - course.upper == pytest.approx(limits[:, 0], abs=1e-10)
    assert 1 - course.lower == pytest.approx(limits[:, 1], abs=1e-10)
    if np.abs(left - 0.5).min() > 1e-9:  # at exactly one half lifelines is at the mercy of a digit
        assert course.reached(0.5) == fitted.median_survival_time_
    moments = [0, 3.2, 20, 25]
    assert 1 - course.by(moments) == pytest.approx(
        fitted.survival_function_at_times(moments).to_numpy(), abs=1e-12
    )


@pytest.mark.parametrize("n", [2, 10, 28, 94])
def test_the_median_of_an_even_number_of_times_is_the_one_by_which_half_have_happened(n):
    assert stats.course(np.arange(1, n + 1), np.ones(n)).reached(0.5) == n / 2


def test_a_course_needs_all_durations():
    with pytest.raises(ValueError, match="duration"):
        stats.course([1.0, NAN], [True, False])


def test_a_share_of_none_or_all_within_a_mark_is_not_certain():
    waits, happened = [30, 1800, 1800, 1800, 5, 10], [False, False, False, False, True, True]
    value, lower, upper = stats.happened_within(waits, happened, [4, 1800])
    assert value[0] == 0 and (lower[0], upper[0]) == pytest.approx(np.ravel(stats.wilson(0, 6)))
    assert lower[1] < value[1] < upper[1]
    value, lower, upper = stats.happened_within([5, 10], [True, True], [60], weights=[3, 4])
    assert value[0] == 1 and (lower[0], upper[0]) == pytest.approx(np.ravel(stats.wilson(7, 7)))


def test_what_nobody_was_watched_for_is_unknown():
    assert np.isnan(stats.happened_within([10, 20], [True, False], [30])).all()
    assert not np.isnan(stats.happened_within([10, 20], [True, False], [20])).any()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 0.0, 0.5], [3.0, 0.25, 0.5]),
        ([-2.0, 0.0, NAN, 8.0], [NAN, 4.0, NAN, 8.0]),
        ([0.0, -1.0, NAN], [NAN, NAN, NAN]),
        ([0, 0], [NAN, NAN]),
        ([], []),
    ],
)
def test_a_zero_counts_as_half_of_the_smallest_positive_value(values, expected):
    np.testing.assert_array_equal(stats.positive(values), expected)
