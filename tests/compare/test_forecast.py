"""The forecast of the next session.

Kriging recomputed by inverting matrices, its limits, and quiet, drifting and slotted accounts.
"""

import numpy as np
import pandas as pd
import pytest

from helpers.compare import forecast as forecasting
from helpers.core import stats
from helpers.review import open_review
from tests.benchmarks import comparison

forecast = forecasting.forecast


def shared(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values of count + 1 sessions with how much each two of them share, in time and in place."""
    likeness = forecasting.alike(comparison.account(rng, count + 1, slots=3))
    return rng.normal(3, 0.2, count + 1), likeness.near.to_numpy(), likeness.place.to_numpy()


def test_with_nothing_shared_it_is_the_t_prediction_interval(monkeypatch):
    monkeypatch.setattr(forecasting, "SHARED", (0.0,))
    monkeypatch.setattr(forecasting, "FORGETTING", 1e9)
    values, near, place = shared(np.random.default_rng(1), 20)
    forecasted, plain = (
        forecast(values[-1], values[:-1], near, place),
        stats.prediction_interval(values[:-1], log=False),
    )
    assert [forecasted.mean, forecasted.lower, forecasted.upper] == pytest.approx(
        [plain.mean, plain.lower, plain.upper]
    )
    assert forecasted.p_value == pytest.approx(
        stats.prediction_p(values[-1], values[:-1], log=False)
    )


def test_one_way_of_sharing_is_generalised_least_squares(monkeypatch):
    """Mean and error by inverting the covariance.

    The level by GLS, then the conditional mean of the next value around it.
    """
    monkeypatch.setattr(forecasting, "SHARED", (1.0,))
    monkeypatch.setattr(forecasting, "FORGETTING", 1e9)
    values, near, place = shared(np.random.default_rng(2), 25)
    joint = np.eye(26) + near + place
    inverse, ones, with_next = np.linalg.inv(joint[:-1, :-1]), np.ones(25), joint[:-1, -1]
    level = ones @ inverse @ values[:-1] / (ones @ inverse @ ones)
    off = values[:-1] - level
    unknown = (
        joint[-1, -1]
        - with_next @ inverse @ with_next
        + (1 - ones @ inverse @ with_next) ** 2 / (ones @ inverse @ ones)
    )
    forecasted = forecast(values[-1], values[:-1], near, place)
    assert forecasted.mean == pytest.approx(level + with_next @ inverse @ off)
    assert forecasted.error == pytest.approx(np.sqrt(off @ inverse @ off / 24 * unknown))


def test_it_moves_with_the_values_and_says_five_percent_on_its_bound():
    values, near, place = shared(np.random.default_rng(3), 30)
    forecasted, moved = (
        forecast(values[-1], values[:-1], near, place),
        forecast(2 * values[-1] + 5, 2 * values[:-1] + 5, near, place),
    )
    assert [moved.lower, moved.upper, moved.p_value] == pytest.approx(
        [2 * forecasted.lower + 5, 2 * forecasted.upper + 5, forecasted.p_value]
    )
    assert forecast(forecasted.upper, values[:-1], near, place).p_value == pytest.approx(0.05)
    with pytest.raises(ValueError, match="needs 12 sessions"):
        forecast(1.0, values[:11], near[:12, :12], place[:12, :12])


def test_a_constant_history_excludes_every_other_value():
    _, near, place = shared(np.random.default_rng(4), 14)
    assert forecast(2.0, np.full(14, 2.0), near, place).p_value == pytest.approx(1)
    assert forecast(2.1, np.full(14, 2.0), near, place).p_value < 1e-6


def test_near_in_time_and_alike_in_place():
    sessions = comparison.account(np.random.default_rng(5), 4)
    start = pd.to_datetime(
        ["2026-09-01 23:30", "2026-09-02 00:30", "2026-09-08 23:30", "2026-09-02 12:00"]
    ).tz_localize("Asia/Shanghai")
    likeness = forecasting.alike(sessions.assign(started_at=start, host=["A", None, None, "A"]))
    near, place = likeness
    assert (
        near.loc["s0", "s2"] == pytest.approx(np.exp(-1))
        and np.allclose(near, near.T)
        and np.allclose(place, place.T)
    )
    assert (
        place.loc["s1", "s2"] > place.loc["s0", "s1"] > place.loc["s1", "s3"]
    )  # two unknown hosts are the same; the clock is round
    assert list(near.index) == ["s0", "s1", "s3", "s2"]


@pytest.mark.parametrize("kind", ["even", "slots"])
def test_what_is_shared_narrows_the_range_and_nothing_shared_widens_it_little(kind):
    """Widths against the plain t interval of the same forty sessions.

    Hardly wider where there is nothing to find.
    """
    rng, ratios = np.random.default_rng(6), []
    for _ in range(12):
        sessions = comparison.account(rng, 41, slots=3)
        likeness = forecasting.alike(sessions)
        level = {"even": 0.0, "slots": 0.5}[kind] * (
            sessions["started_at"].dt.hour.to_numpy() == 20
        )
        values = rng.normal(0, 0.15, 41) + level
        forecasted = forecast(
            values[-1], values[:-1], likeness.near.to_numpy(), likeness.place.to_numpy()
        )
        plain = stats.prediction_interval(values[:-1], log=False)
        ratios.append((forecasted.upper - forecasted.lower) / (plain.upper - plain.lower))
    assert (0.95 < np.mean(ratios) < 1.08) if kind == "even" else np.mean(ratios) < 0.85


@pytest.mark.real
def test_a_real_account_predicted_forward_is_covered_and_narrower_than_by_its_last_eight(
    tiktok_workspace, tmp_path
):
    """Every ninth of 122 real sessions from those before it.

    `bench_compare` takes all of them and prints them by metric.
    """
    from helpers import compare, reference

    review = open_review(
        "latest", data_dir=tiktok_workspace, reports_dir=tmp_path, notebook="03_compare"
    )
    values = comparison.scaled(review.sessions, compare.comparable_metrics(comparison.REGISTRY))
    tested = compare.family(values, review.session_id, reference.playbook())
    ids = [name for name in tested if name not in comparison.WITHOUT_ADS]
    coverage = comparison.covered(
        comparison.forward(review.sessions, review.everything("events"), ids, step=9)
    ).loc["all"]
    assert coverage["sessions"] == 13 and 0.90 <= coverage["covered"] <= 0.99
    assert coverage["width"] < 0.95 * coverage["plain width"]
