"""False alarms of change points, exit points and hot words where nothing happened.

And how often planted ones are found.
"""

import numpy as np

from helpers.funnel import comments, turning_points
from tests.funnel.test_comments import WORDS, hot, usual
from tests.funnel.test_turning_points import RISE, before, changed, flat, history, times

SEEDS = range(10_000, 10_500)


def test_flat_sessions_are_left_alone():
    change = np.mean([changed(flat(seed)) for seed in SEEDS])
    leave = np.mean([len(turning_points.exits(flat(seed))) > 0 for seed in SEEDS])
    print(
        f"\n{len(SEEDS)} flat sessions of 180 minutes: any change point in six rates "
        f"{change:.3f}, an exit point {leave:.3f}"
    )
    assert change <= 0.05 and leave <= 0.05


def test_sessions_that_go_as_every_session_does_are_left_alone():
    """Every rate rises threefold over each session.

    With the course of 12 earlier sessions taken off, and without.
    """
    names = ("left", "new_fans", "comments", "product_click_users", "orders")
    usual = turning_points.course(history(12, **dict.fromkeys(names, RISE)), before(12))
    plain = turning_points.course(history(12), before(12))
    risen = [flat(seed, **dict.fromkeys(names, RISE)) for seed in SEEDS]
    bare, taken, none = (
        np.mean([changed(curve, usual=known) for curve in curves])
        for known, curves in (
            (None, risen),
            (usual, risen),
            (plain, [flat(seed) for seed in SEEDS]),
        )
    )
    print(
        f"{len(SEEDS)} sessions that rise threefold: any change point {bare:.3f} as they are, "
        f"{taken:.3f} beside the usual course; flat sessions beside a flat course {none:.3f}"
    )
    assert taken <= 0.08 and none <= 0.06


def test_planted_turns_are_found():
    for factor in (0.3, 0.4, 0.5, 0.6):
        tables = [
            turning_points.stretches(flat(seed, product_click_users=times(80, 110, factor)))
            for seed in SEEDS[:200]
        ]
        own = [
            table[(table["rate_of"] == "click") & table["start_minute"].sub(80).abs().le(3)]
            for table in tables
        ]
        print(
            f"clicks times {factor} for 30 minutes: beginning found within 3 minutes "
            f"{np.mean([len(one) > 0 for one in own]):.3f}"
        )
    for factor in (1.5, 2.0, 2.5, 3.0):
        found = [
            turning_points.exits(flat(seed, left=times(100, 103, factor))).head(1)
            for seed in SEEDS[:200]
        ]
        hits = [
            len(one) > 0 and one["start_minute"].iloc[0] < 103 and one["end_minute"].iloc[0] > 100
            for one in found
        ]
        print(f"leavers times {factor} for 3 minutes: found {np.mean(hits):.3f}")


def test_quiet_comments_have_hardly_a_hot_word():
    alarms = np.mean(
        [
            len(comments.word_findings(hot(usual(np.random.default_rng(seed), 9, 60, WORDS)))) > 0
            for seed in SEEDS[:200]
        ]
    )
    print(f"200 accounts without news: a hot word stated in {alarms:.3f}")
    assert alarms <= 0.10
