"""Planted causes over 200 fresh seeds each.

Every cause named at least 70 times in 100, a quiet session left alone 90.
"""

from tests.benchmarks import causes


def test_each_planted_cause_is_named_and_a_quiet_session_left_alone():
    table = causes.confusion(range(causes.FIRST_SCORED, causes.FIRST_SCORED + 200))
    print(
        "\nplanted cause (rows) and what was said (columns), shares of 200 seeds "
        f"each\n{table.to_string(float_format='{:.3f}'.format)}"
    )
    diagonal = causes.right(table)
    assert diagonal["none"] >= 0.90
    assert (diagonal >= 0.70).all()
