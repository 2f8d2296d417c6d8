"""The list of sessions alone gives causes, a lesson, the account's course and the next file."""

import numpy as np
import pandas as pd
import pytest

from helpers.core import findings
from helpers.plan import lessons
from tests.plan.planted_sessions import PLANTED
from tests.plan.test_actions import REGISTRY, earlier_sessions, made, planted

LISTS = {  # the columns that six lists of sessions have beyond start and length
    "compass": ["viewers", "views", "orders", "paid_amount", "room_exposure_users", "new_fans"],
    "taobao": ["viewers", "views", "orders", "paid_amount"],
    "tiktok_23": ["views", "orders", "paid_amount", "units", "product_count"],
    "tiktok_36": ["viewers", "views", "orders", "paid_amount", "room_exposure_times", "ad_cost"],
    "xiaohongshu": ["viewers", "orders", "paid_amount"],
    "template": ["viewers"],
}


def least(columns, count=12, seed=4):
    """An account of a list alone, whose longer sessions bring more an hour."""
    rng = np.random.default_rng(seed)
    rows = earlier_sessions(count).copy()
    hours = rng.uniform(1.5, 4, count)
    rows["duration_seconds"] = hours * 3600
    for column in columns:
        rows[column] = np.round(100 * hours**2 * rng.uniform(0.95, 1.05, count))
    wanted = ["session_id", "platform", "started_at", "duration_seconds", *columns]
    rows = rows.reindex(columns=wanted)
    now = rows.iloc[0].copy()
    now["session_id"], now["started_at"] = "s", rows["started_at"].max() + pd.Timedelta(days=3)
    now["duration_seconds"] = 3600.0
    for column in columns:
        now[column] = 60.0
    return now, rows


@pytest.mark.parametrize("name", LISTS)
def test_the_least_list_gives_three_measured_causes_a_lesson_and_the_next_file(name):
    now, earlier = least(LISTS[name])
    told = lessons.drawn(now, earlier, findings.frame([]), ["sessions"])
    count = told["kind"].value_counts()
    assert count["cause"] >= 3 and count["lesson"] == 1 and count["next_file"] == 1
    assert told["zh"].str.len().gt(8).all() and told["en"].str.len().gt(8).all()
    lead = told[told["kind"].eq("cause")].iloc[0]
    assert lead["factor"] in ("length", "exposure", "spend", "goods")
    assert lead["state"] == "supported"


@pytest.mark.parametrize("name", ["growth-1", "growth-2", "growth-3"])
def test_an_account_that_grows_says_so_with_its_rate(name):
    facts, _ = made(planted(name))
    told = lessons.course(facts.session, facts.earlier)
    assert len(told) == 1
    assert all(word in told.loc[0, "zh"] for word in planted(name).lesson), told.loc[0, "zh"]
    assert told.loc[0, "value"] == pytest.approx(planted(name).earlier["growth"], abs=0.01)


def test_an_account_that_stays_says_nothing_of_growth():
    facts, _ = made(next(case for case in PLANTED if case.id == "fans-1"))
    assert lessons.course(facts.session, facts.earlier).empty


def test_what_went_better_is_kept_and_nothing_else():
    rows = [
        findings.make(
            notebook="03_compare",
            dimension="traffic",
            metric=metric,
            slice="",
            verdict=verdict,
            value=1200.0,
            baseline=1000.0,
            ci_lower=900.0,
            ci_upper=1100.0,
            p_adjusted=0.01,
            money_at_stake=np.nan,
            sentence_zh=f"观看人数 1200（{verdict}）。",
            sentence_en=f"viewers 1200 ({verdict}).",
        )
        for metric, verdict in (("viewers", "better"), ("views", "worse"))
    ]
    told = lessons.keep(findings.frame(rows))
    assert len(told) == 1 and told.loc[0, "zh"].startswith("保持：观看人数 1200（better）")
    assert REGISTRY["viewers"].zh == "观看人数"
