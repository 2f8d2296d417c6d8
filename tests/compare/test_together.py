"""Parts that fall together are told from one that falls, and from an ordinary evening."""

import numpy as np
import pandas as pd
import pytest

from helpers import compare, reference
from tests.benchmarks import parts
from tests.benchmarks.comparison import THRESHOLDS

COUNT = 20


def told(tables, sessions):
    ids = sessions["session_id"].tolist()
    table = compare.together(
        tables, compare.OF_PARTS, ids[-1], ids[:-1], sessions=sessions, thresholds=THRESHOLDS
    )
    return table.set_index("metric")


def even(factors=(1.0,) * 7):
    """Seven sources of 10,000 people each, entry rate 20 %, all of a session off by up to 10 %."""
    sessions, tables = parts.account(1, COUNT)
    place = np.repeat(np.arange(COUNT), parts.SOURCES)
    source = np.tile(np.arange(parts.SOURCES), COUNT)
    wobble = 1 + 0.1 * np.sin(place * 2.4) + 0.02 * np.sin(place * source)
    last = np.where(place == COUNT - 1, np.tile(factors, COUNT), 1.0)
    viewers = (2000 * wobble * last).round()
    traffic = tables["source"].assign(
        room_exposure_users=10_000, viewers=viewers, pay_users=(viewers * 0.04).round()
    )
    return sessions, {"source": traffic, "product_id": tables["product_id"]}


def test_seven_sources_that_each_lose_a_third_are_said_to_fall_together():
    sessions, tables = even((2 / 3,) * 7)
    row = told(tables, sessions).loc["exposure_view_rate"]
    assert row["verdict"] == "worse" and (row["parts"], row["same_way"]) == (7, 7)
    assert row["ratio"] == pytest.approx(2 / 3, abs=0.08)
    assert row["exposed_ratio"] == pytest.approx(1)


@pytest.mark.parametrize("factors", [(1.0,) * 7, (0.3, *(1.0,) * 6), (0.6, 1.5, 0.7, 1.4, 1, 1, 1)])
def test_an_ordinary_evening_and_single_sources_are_no_common_fall(factors):
    sessions, tables = even(factors)
    assert told(tables, sessions).loc["exposure_view_rate", "verdict"] == "cannot_tell"


def test_two_sources_and_an_account_without_a_past_say_nothing():
    sessions, tables = even()
    few = tables | {"source": tables["source"][tables["source"]["source"].isin(["0", "1"])]}
    assert "exposure_view_rate" not in told(few, sessions).index
    ids = sessions["session_id"].tolist()
    none = compare.together(
        tables, compare.OF_PARTS, ids[-1], ids[-3:-1], sessions=sessions, thresholds=THRESHOLDS
    )
    assert none.empty and compare.together_findings(none, pd.Series(), registry={}).empty


def test_the_finding_says_how_many_of_how_many_and_what_it_came_to():
    sessions, tables = even((2 / 3,) * 7)
    table = told(tables, sessions).reset_index()
    session = pd.Series({"paid_amount": 10_000.0})
    made = compare.together_findings(table, session, registry=reference.registry())
    row = made.set_index("metric").loc["exposure_view_rate"]
    ratio = table.set_index("metric").loc["exposure_view_rate", "ratio"]
    assert row["money_at_stake"] == pytest.approx(10_000 * (1 / ratio - 1))
    assert "7 个来源里有 7 个" in row["sentence_zh"] and "7 of 7 sources" in row["sentence_en"]


def test_a_large_fall_that_ordinary_sessions_have_too_is_said_without_a_verdict():
    """All seven at 0.7 of the usual, one session in eight being so low: no finding of its own."""
    sessions, tables = even((2 / 3,) * 7)
    row = told(tables, sessions).reset_index().iloc[:1]
    row = row.assign(metric="exposure_view_rate", ratio=0.7, p_value=0.12, verdict="cannot_tell")
    session = pd.Series({"paid_amount": 7_000.0})
    made = compare.together_findings(row, session, registry=reference.registry()).iloc[0]
    assert made["verdict"] == "cannot_tell" and np.isnan(made["money_at_stake"])
    assert "约 12% 的场次会这么低" in made["sentence_zh"] and "3,000" in made["sentence_zh"]
    assert "about 12% are this low" in made["sentence_en"]
    small = compare.together_findings(row.assign(ratio=0.9), session, registry=reference.registry())
    assert small.empty
