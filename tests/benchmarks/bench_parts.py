"""Sources that all lose a third of their entries at once, and quiet sessions, over fresh seeds.

Also how often a quiet session of the demo's simulator names any source or product.
"""

import numpy as np
import pandas as pd

from helpers import compare, demo, reference, split
from tests.benchmarks import parts
from tests.benchmarks.comparison import CALENDAR, FIRST_SCORED, THRESHOLDS

SEEDS = range(FIRST_SCORED, FIRST_SCORED + 200)
RATES = [
    ("source", "viewers", "pay_users", "room_conversion"),
    ("source", "product_exposure_users", "product_click_users", "product_click_rate"),
    ("product_id", "exposure_users", "click_users", "item_click_rate"),
    ("product_id", "click_users", "pay_users", "item_click_pay_rate"),
]


def test_parts_that_fall_together_are_found_and_quiet_ones_left_alone():
    table = pd.DataFrame(
        {
            (sessions, name): parts.called(SEEDS, sessions, factor=factor)
            for sessions in (10, 20)
            for name, factor in (("quiet", 1.0), ("a third less", 0.67))
        }
    ).T
    print(
        f"\nseven sources (own spread {parts.OWN}, shared {parts.SHARED}), {len(SEEDS)} seeds, by "
        f"sessions\n{table.to_string(float_format='{:.3f}'.format)}"
    )
    error = 2 * np.sqrt(0.05 * 0.95 / len(SEEDS))
    assert table.xs("quiet", level=1)["any called"].le(0.05 + error).all()
    assert table.loc[(20, "a third less"), "entry worse"] >= 0.80


def named(seed: int) -> bool:
    """Whether any source or product of a session on which nothing happened is named."""
    made = demo.simulate(seed, sessions=60, fault="none", tables=("sessions", "events"))
    tables, at = made.tables, made.truth["target_session"]
    comparable = compare.comparable(
        tables["sessions"],
        at,
        events=compare.event_windows(tables["events"], reference.event_kinds()),
        calendar=CALENDAR,
        thresholds=THRESHOLDS,
    )
    standing = split.standings(
        {"source": tables["traffic"], "product_id": split.whole_products(tables["products"])},
        RATES,
        at,
        comparable.loc[comparable["chosen"], "session_id"],
        names={},
        thresholds=THRESHOLDS,
    )
    return bool(standing["verdict"].isin(["better", "worse"]).any())


def test_quiet_sessions_seldom_name_a_source_or_product():
    share = float(np.mean([named(seed) for seed in SEEDS]))
    print(f"\nquiet sessions that name any source or product, {len(SEEDS)} seeds: {share:.3f}")
    assert share <= 0.12 + 2 * np.sqrt(0.12 * 0.88 / len(SEEDS))
