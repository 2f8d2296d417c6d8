"""A slice against the others over sessions: a session is one case."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from helpers.core.others import between_sessions


def account(count=24, *, seed=1, better=0.0, hosts=False):
    """Rates of four slices that go up and down together in each session; slice 0 may be better."""
    rng = np.random.default_rng(seed)
    rows = []
    for session in range(count):
        level = rng.normal(0, 0.3)
        for slice_ in range(4):
            if hosts and session % 4 != slice_:
                continue
            n = int(rng.integers(500, 5000))
            rate = 0.02 * np.exp(level + rng.normal(0, 0.2) + better * (slice_ == 0))
            rows.append((f"s{session}", slice_, float(rng.binomial(n, rate)), float(n)))
    return pd.DataFrame(rows, columns=["session_id", "slice", "numerator", "denominator"])


def test_the_ratios_are_sums_over_sums_and_the_test_is_welch_s_where_sizes_are_equal():
    """Two slices of different sessions, all of one size: the ratio is a mean, the error Welch's."""
    one, other = [10, 14, 9, 12, 15, 11], [20, 18, 25, 17, 22, 21, 19]
    frame = pd.DataFrame(
        {
            "session_id": [f"s{place}" for place in range(13)],
            "slice": ["a"] * 6 + ["b"] * 7,
            "numerator": np.array(one + other, float),
            "denominator": 100.0,
        }
    )
    table = between_sessions(frame, by=["slice"]).set_index("slice")
    assert table.loc["a", "sessions"] == 6 and table.loc["a", "rate"] == sum(one) / 600
    assert table.loc["a", "others_rate"] == pytest.approx(sum(other) / 700)
    t = scipy_stats.ttest_ind(one, other, equal_var=False).statistic
    expected = 2 * scipy_stats.t(5).sf(abs(t))  # the fewer sessions less one: careful
    assert table["p_value"].tolist() == pytest.approx([expected, expected])
    assert table.loc["a", "p_adjusted"] == pytest.approx(expected)
    assert table["standing"].to_dict() == {"a": "below", "b": "above"}
    gap = sum(one) / 600 - sum(other) / 700
    error = np.sqrt(np.var(one, ddof=1) / 6 + np.var(other, ddof=1) / 7) / 100
    assert table.loc["a", "diff_lower"] == pytest.approx(gap - scipy_stats.t(5).ppf(0.975) * error)


def test_the_error_is_that_of_leaving_out_one_session_at_a_time():
    frame = account(40)
    table = between_sessions(frame, by=["slice"]).set_index("slice")

    def gap(rows):
        sums = rows.groupby("slice")[["numerator", "denominator"]].sum()
        mine, rest = sums.loc[0], sums.drop(0).sum()
        return mine["numerator"] / mine["denominator"] - rest["numerator"] / rest["denominator"]

    left = [gap(frame[frame["session_id"] != name]) for name in frame["session_id"].unique()]
    jackknife = np.sqrt(39 / 40 * np.sum((np.array(left) - np.mean(left)) ** 2))
    half = (table.loc[0, "diff_upper"] - table.loc[0, "diff_lower"]) / 2
    assert half / scipy_stats.t(39).ppf(0.975) == pytest.approx(jackknife, rel=0.05)


@pytest.mark.parametrize("hosts", [False, True])
def test_where_nothing_differs_it_is_said_as_often_as_it_should(hosts):
    p_values = np.concatenate(
        [
            between_sessions(account(seed=seed, hosts=hosts), by=["slice"])["p_value"]
            for seed in range(100)
        ]
    )
    assert (p_values < 0.05).mean() < 0.075


def test_a_slice_that_is_better_is_found_and_few_sessions_are_not_judged():
    table = between_sessions(account(better=0.5), by=["slice"]).set_index("slice")
    assert table["standing"].to_dict()[0] == "above"
    few = between_sessions(account(4, better=2.0), by=["slice"])
    assert set(few["standing"]) == {"too_few"} and few["p_value"].isna().all()


def test_a_slice_alone_or_without_cases_has_no_others():
    alone = account().assign(slice=0).groupby(["session_id", "slice"], as_index=False).sum()
    table = between_sessions(alone, by=["slice"])
    assert table["standing"].tolist() == ["too_few"] and table["others_rate"].isna().all()
    assert between_sessions(alone.iloc[:0], by=["slice"]).empty
