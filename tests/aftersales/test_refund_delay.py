"""How refunds arrive, against plain shares and Kaplan-Meier over single lines."""

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter

from helpers import aftersales
from helpers.aftersales import refund_delay
from helpers.core import engine
from tests.sold_lines import DAY, START, account, of, simulated


def test_delay_curve_is_the_share_of_refunds_seen_when_all_sessions_are_old():
    """Without censoring the Kaplan-Meier curve is the plain share of refunds within each day."""
    history = aftersales.lines(*account(np.random.default_rng(1)), as_of=START + 30 * DAY)
    curve = aftersales.delay_curve(history, as_of=START + 30 * DAY)
    delay = ((history["refunded_at"] - history["paid_at"]) / DAY)[history["refunded"]]
    plain = [(delay <= day).mean() for day in range(31)]
    assert curve["share"].to_numpy() == pytest.approx(plain, abs=1e-9)


def test_delay_curve_counted_by_minutes_is_that_of_every_single_line(tmp_path):
    """Kaplan-Meier over the lines themselves says the same, from a frame and from Parquet."""
    young = [
        simulated(np.random.default_rng(i), f"young{i}", started=START - i * DAY) for i in (2, 5, 9)
    ]
    old = account(np.random.default_rng(3))
    orders, cases = (
        pd.concat([whole, *(pair[place] for pair in young)], ignore_index=True)
        for place, whole in enumerate(old)
    )
    lines = aftersales.lines(orders, cases, as_of=START)
    lines.to_parquet(tmp_path / "lines.parquet")
    curve = aftersales.delay_curve(lines, as_of=START)
    pd.testing.assert_frame_equal(
        curve, aftersales.delay_curve(engine.table([tmp_path / "lines.parquet"]), as_of=START)
    )
    delay, age = (lines["refunded_at"] - lines["paid_at"]) / DAY, (START - lines["paid_at"]) / DAY
    back = lines["refunded"] & (delay <= 30)
    single = KaplanMeierFitter().fit(delay.where(back, age.clip(upper=30)), back)
    lost = 1 - single.survival_function_at_times(range(31)).to_numpy()
    assert (
        curve["share"].to_numpy() == pytest.approx(lost / lost[-1], abs=1e-4)
        and 0.1 < curve["share"][5] < 0.9
    )


def test_delay_curve_needs_thirty_refunds():
    assert aftersales.delay_curve(
        of([{"line_id": f"l{i}"} for i in range(9)]), as_of=START + 30 * DAY
    ).empty
    assert np.isnan(
        refund_delay.maturity(pd.DataFrame({"day": [], "share": [], "refunds": []}), 3).share
    )
