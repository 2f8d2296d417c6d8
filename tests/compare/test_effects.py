"""Special events: the published river, what the smoother says by matrices, the ladder of methods.

And what is claimed of which event.
"""

import numpy as np
import pandas as pd
import pytest
from statsmodels.tsa.statespace.structural import UnobservedComponents

from helpers import compare, reference
from helpers.compare import shift
from helpers.compare.logged import in_force
from tests.benchmarks import comparison
from tests.logged_events import NILE, account, logged

ZONE = comparison.ZONE


def test_the_nile_is_the_published_local_level():
    """Durbin and Koopman's series by exact diffuse likelihood.

    Variances 15 098.5 and 1 469.2, likelihood -632.5456 (KFAS, without -½ ln 2π).
    """
    fitted = UnobservedComponents(NILE, "llevel", use_exact_diffuse=True).fit(disp=False)
    assert fitted.llf + 0.5 * np.log(2 * np.pi) == pytest.approx(-632.5456, abs=1e-3)
    assert fitted.params == pytest.approx([15_098.53, 1_469.178], rel=0.02)


def test_the_nile_fell_with_the_dam_of_1899():
    inside = np.arange(1871, 1971) >= 1899
    fall = shift.level_shift(NILE, inside, np.zeros((100, 0)))
    assert fall.method == "local_level" and fall.effect == pytest.approx(-247.8, abs=1)
    assert [fall.lower, fall.upper] == pytest.approx([-303.6, -190.7], abs=5)
    assert fall.effect == pytest.approx(
        NILE[inside].mean() - NILE[~inside].mean(), rel=0.01
    )  # the level does not drift


def drifting(rng: np.random.Generator, n: int) -> np.ndarray:
    return np.cumsum(rng.normal(0, 0.2, n)) + rng.normal(0, 0.1, n)


def test_the_smoother_is_generalised_least_squares_and_so_is_the_placebo():
    rng = np.random.default_rng(1)
    y, step, other = drifting(rng, 50), np.arange(50) >= 38, rng.normal(size=(50, 1))
    effects, errors, variances = shift.local_level(y, np.c_[step.astype(float), other])
    order = np.arange(1, 51)
    inverse = np.linalg.inv(
        variances[0] * np.eye(50) + variances[1] * np.minimum.outer(order, order)
    )
    assert variances[1] > 0
    design = np.c_[step, np.ones(50), other]
    spread = np.linalg.inv(design.T @ inverse @ design)
    by_hand = spread @ design.T @ inverse @ y
    assert effects[0] == pytest.approx(by_hand[0], rel=1e-3) and errors[0] == pytest.approx(
        np.sqrt(spread[0, 0]), rel=1e-3
    )
    others = shift.placebo(y, step, other, variances)
    design[:, 0] = (order > 8) & (order <= 20)
    spread = np.linalg.inv(design.T @ inverse @ design)
    assert others[0] == pytest.approx(
        abs(spread @ design.T @ inverse @ y)[0] / np.sqrt(spread[0, 0]), rel=1e-3
    )
    assert len(others) == 38 - 12 - 8 + 1


@pytest.mark.parametrize(
    ("before", "during", "method"),
    [
        (20, 5, "local_level"),
        (20, 2, "prediction"),
        (9, 4, "regression"),
        (5, 4, "prediction"),
        (2, 4, "none"),
        (20, 0, "none"),
    ],
)
def test_the_method_follows_the_length_of_the_history(before, during, method):
    y = np.random.default_rng(2).normal(size=before + during)
    level = shift.level_shift(
        y, np.arange(before + during) >= before, np.zeros((before + during, 0))
    )
    assert level.method == method and np.isnan(level.effect) == (method == "none")
    assert not level.effect < level.lower and not level.effect > level.upper


def test_the_prediction_by_hand():
    y = np.array([1.0, 2.0, 3.0, 2.0, 7.0])
    level = shift.level_shift(y, np.arange(5) == 4, np.zeros((5, 0)))
    half = 3.182446 * np.std(y[:4], ddof=1) * np.sqrt(1 / 4 + 1)
    assert [level.effect, level.lower, level.upper] == pytest.approx([5, 5 - half, 5 + half])


# ----------------------------------------------------------------------------------- the event log


def measured(sessions: pd.DataFrame, events: pd.DataFrame) -> pd.DataFrame:
    return compare.effects(
        comparison.scaled(sessions, [*list(comparison.IDS), "paid_amount"]),
        sessions,
        events,
        sessions["session_id"].iloc[-1],
        registry=comparison.REGISTRY,
        thresholds=comparison.THRESHOLDS,
        calendar=comparison.CALENDAR,
        kinds=reference.event_kinds(),
    )


REDESIGN = {
    "starts_at": "2026-05-09 00:00",
    "kind": "platform_redesign",
    "what": "改版",
    "expected_direction": "down",
    "metric": "viewers",
    "entered_at": "2026-05-08 09:00",
}


def test_a_fall_with_a_logged_event_is_matched_and_said_to_be_no_proof():
    row = measured(account(since=50, factor=0.6), logged(REDESIGN)).iloc[0]
    assert (
        row["verdict"],
        row["n_before"],
        row["n_during"],
        bool(row["logged_after"]),
    ) == ("moved", 50, 10, False)
    assert row["lower"] <= 0.6 - 1 <= row["upper"] and row["p_placebo"] <= 0.05
    ((zh, en),) = compare.effect_sentences(
        measured(account(since=50, factor=0.6), logged(REDESIGN))
    )
    assert "不等于是它造成的" in zh and "no proof" in en and "改版" in zh and "nan" not in zh + en


def test_the_rest_is_counted_without_zeros():
    codes = ["cannot_tell", "cannot_tell", "too_early"]
    assert compare.effect_sentences(pd.DataFrame({"verdict": codes[:2]})) == [
        (
            "2 项看不出变化：与平时的起伏分不开。",
            "In 2 no change can be told: within ordinary variation.",
        )
    ]
    ((zh, en),) = compare.effect_sentences(pd.DataFrame({"verdict": codes}))
    assert (
        zh.startswith("3 项看不出变化：2 项与平时的起伏分不开，1 项")
        and "2 within ordinary variation, 1 too early" in en
        and "0 " not in zh + en
    )


def test_a_rise_where_a_fall_was_expected_and_an_entry_after_the_fact_are_marked():
    row = measured(
        account(since=50, factor=1.7), logged({**REDESIGN, "entered_at": "2026-05-12 09:00"})
    ).iloc[0]
    assert row["verdict"] == "contrary" and row["logged_after"]
    assert (
        measured(account(since=50, factor=1.0), logged(REDESIGN)).iloc[0]["verdict"]
        == "cannot_tell"
    )


def test_too_early_too_few_and_nobody_live():
    assert (
        measured(
            account(since=58, factor=0.3), logged({**REDESIGN, "starts_at": "2026-05-17 00:00"})
        ).iloc[0]["verdict"]
        == "too_early"
    )
    assert (
        measured(
            account(since=2, factor=0.3), logged({**REDESIGN, "starts_at": "2026-03-22 00:00"})
        ).iloc[0]["verdict"]
        == "too_few"
    )
    outage = {
        **REDESIGN,
        "kind": "outage",
        "starts_at": "2026-05-09 02:00",
        "ends_at": "2026-05-09 04:00",
    }
    assert (
        measured(account(since=50, factor=0.6), logged(outage)).iloc[0]["verdict"] == "no_session"
    )
    assert measured(account(since=50, factor=0.6), logged({**REDESIGN, "kind": "promotion"})).empty
    assert measured(account(since=50, factor=0.6), logged()).empty


def test_events_of_the_same_days_are_taken_together_and_one_elsewhere_is_not():
    price = {**REDESIGN, "starts_at": "2026-05-10 00:00", "kind": "price", "what": "降价"}
    earlier = {
        **REDESIGN,
        "starts_at": "2026-04-09 00:00",
        "ends_at": "2026-04-12 00:00",
        "what": "旧事",
    }
    effects = measured(account(since=50, factor=0.6), logged(REDESIGN, price, earlier)).set_index(
        "event"
    )
    assert effects.index.tolist() == ["旧事", "改版 ＋ 降价"] and effects["joint"].tolist() == [
        False,
        True,
    ]
    assert (
        effects.loc["改版 ＋ 降价", "n_before"] == 47
        and effects.loc["改版 ＋ 降价", "verdict"] == "moved"
    )
    assert effects.loc["旧事", "verdict"] == "cannot_tell"


def test_after_a_pause_the_first_sessions_are_looked_at():
    """Nobody is live during the pause.

    The seven sessions from its start on are the ones after it.
    """
    sessions = account(since=100, factor=1.0)
    sessions["started_at"] += pd.to_timedelta(np.where(np.arange(60) >= 50, 20, 0), unit="D")
    pause = logged(
        {
            **REDESIGN,
            "kind": "suspended",
            "starts_at": "2026-05-09 00:00",
            "ends_at": "2026-05-28 00:00",
        }
    ).iloc[0]
    inside = in_force(sessions, pause, reference.event_kinds()["suspended"])
    assert np.flatnonzero(inside).tolist() == list(range(50, 57))


def test_every_kind_has_its_lag_and_a_wrong_file_is_named(tmp_path):
    kinds = reference.event_kinds()
    assert (
        set(kinds) == set(reference.terms()["event_kind"]) and kinds["suspended"].lag_sessions == 7
    )
    (tmp_path / "events.yml").write_text(
        "price: {days: 3, lag_days: 2, lag_sessions: 4}\n", encoding="utf-8"
    )
    with pytest.raises(reference.ReferenceDataError, match=r"events\.yml"):
        reference.event_kinds(tmp_path)


def test_planted_events_are_found_and_made_up_ones_are_not():
    """A few seeds; `bench_events` takes two hundred."""
    table = comparison.planted_events(range(comparison.FIRST_SCORED, comparison.FIRST_SCORED + 8))
    assert (
        table["found"].mean() >= 0.5
        and table["covered"].mean() >= 0.7
        and table["null matched"].mean() <= 0.25
    )
