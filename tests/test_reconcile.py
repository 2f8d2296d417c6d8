"""Parts against totals, the platform's rates against its counts, and the sentence about both."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import reconcile, reference, schema

ZONE = "Asia/Shanghai"
THRESHOLDS = {"reconcile_green": 0.01, "reconcile_amber": 0.05}


def session(**values: float) -> pd.Series:
    row = {"session_id": "s", "platform": "douyin", "started_at": pd.Timestamp("2026-11-10", tz=ZONE), **values}
    return schema.conform(pd.DataFrame([row]), "sessions", ZONE).iloc[0]


def products(*rows: tuple[str, str | None, float, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["product_id", "sku_id", "orders", "units", "paid_amount"])
    return schema.conform(frame.assign(session_id="s"), "products", ZONE)


@pytest.mark.parametrize(("paid", "light"), [(1000, "green"), (1009, "green"), (1040, "amber"), (1100, "red"), (None, "grey")])
def test_the_light_follows_the_relative_difference(paid, light):
    checked = reconcile.checks(session(paid_amount=1000.0), {"products": products(("p", None, 1, 1, paid))}, thresholds=THRESHOLDS)
    assert checked.set_index("check").loc["products.paid_amount", "light"] == light


def test_sku_rows_are_not_counted_on_top_of_their_product():
    rows = products(("p", None, 3, 4, 90), ("p", "red", 1, 1, 30), ("p", "blue", 2, 3, 60))
    checked = reconcile.checks(session(orders=3.0, units=4.0, paid_amount=90.0), {"products": rows}, thresholds=THRESHOLDS).set_index("check")
    assert checked.loc[["products.orders", "products.units", "products.paid_amount"], "parts"].tolist() == [3, 4, 90]


def test_only_paid_orders_count_and_an_order_of_two_lines_is_one_order():
    lines = pd.DataFrame({
        "platform": "douyin", "order_id": ["1", "1", "2"], "line_id": ["1a", "1b", "2a"], "qty": [1, 2, 5], "paid": [10.0, 20.0, 50.0],
        "created_at": pd.Timestamp("2026-11-10", tz=ZONE), "paid_at": [pd.Timestamp("2026-11-10", tz=ZONE)] * 2 + [pd.NaT],
    })
    checked = reconcile.checks(
        session(orders=1.0, units=3.0, paid_amount=30.0), {"orders": schema.conform(lines, "orders", ZONE)}, thresholds=THRESHOLDS
    ).set_index("check")
    assert checked.loc[["orders.orders", "orders.units", "orders.paid_amount"], "light"].tolist() == ["green"] * 3


def test_a_platform_rate_is_held_against_its_own_counts():
    reported = pd.DataFrame({
        "session_id": "s", "name": ["CTR", "GPM", "wrong", "unknown"], "value": [0.25, 5.0, 0.5, 1.0],
        "numerator": ["product_click_times", "paid_amount", "orders", "orders"], "denominator": ["views", "views", "views", "nothing"],
        "factor": [None, 1000.0, None, None],
    })
    found = reconcile.rates(reported, session(product_click_times=50.0, views=200.0, paid_amount=1.0, orders=2.0), tolerance=0.01)
    assert found.set_index("name")["light"].to_dict() == {"CTR": "green", "GPM": "green", "wrong": "red"}


def test_worst_light_wins_and_grey_means_that_nothing_was_checked():
    assert [reconcile.worst(pd.Series(lights)) for lights in (["green", "red"], ["grey", "amber", "green"], ["grey", "grey"])] == ["red", "amber", "grey"]


def test_the_quality_sentence_states_rows_and_what_is_missing():
    files = pd.DataFrame({"file": ["a", "a", "b"], "rows_in": [10, 5, 1], "rows_kept": [9, 4, 0], "rows_totals": [0, 1, 0],
                          "rows_aside": [1, 0, 1], "problem": [None, "a note", "broken"], "table": ["sessions", "orders", None]})
    checked = pd.DataFrame({"light": ["green"]})
    row = reconcile.quality(files, checked, pd.DataFrame(), {"orders": False, "products": True}).iloc[0]
    assert (row["files"], row["unread"], row["rows_in"], row["rows_kept"], row["rows_totals"], row["rows_aside"]) == (2, 1, 16, 13, 1, 2)
    assert row["missing"] == "orders"
    assert reference.tables()["orders"].zh in row["sentence_zh"] and "13 kept" in row["sentence_en"]
