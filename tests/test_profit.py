"""The profit statement against sums done by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers import profit, schema
from tests.sold_lines import START, ZONE, of


def costs(rows):
    return schema.conform(pd.DataFrame(rows, columns=["item", "product_id", "session_id", "session_started_at", "amount"]), "costs", ZONE)


SESSION = pd.Series({"session_id": "s1", "paid_amount": 1000.0, "commission": 50.0, "ad_cost": 200.0, "coupon_amount": np.nan, "gift_cost": np.nan})
UNITS = pd.DataFrame({"product_id": ["a", "b"], "units": [3.0, 2.0]})
PRICES = [("unit_cost", "a", None, None, 10.0), ("unit_cost", "b", None, None, 20.0)]


def test_profit_by_hand():
    made = profit.statement(SESSION, costs=costs([*PRICES, ("staff", None, None, None, 80.0), ("staff", None, "s1", START, 90.0)]), units=UNITS, refunded=100.0)
    amounts = made.set_index("line")["amount"]
    assert amounts["unit_cost"] == -70 and amounts["staff"] == -90
    assert amounts["profit"] == 1000 - 100 - 70 - 50 - 200 - 90
    assert made["amount"].iloc[:-1].sum() == pytest.approx(amounts["profit"])
    assert made["kind"].tolist() == ["start", *["step"] * 7, "end"]
    assert made.iloc[-1]["missing_en"] == "coupons, gifts"


@pytest.mark.parametrize(("rows", "refunded", "missing"), [
    ([], 100.0, "cost of goods"), (PRICES[:1], 100.0, "cost of goods"), (PRICES, np.nan, "refunds"),
])
def test_profit_is_not_measurable_without_costs_or_refunds(rows, refunded, missing):
    made = profit.statement(SESSION, costs=costs(rows), units=UNITS, refunded=refunded).set_index("line")
    assert not made.loc["profit", "measurable"] and np.isnan(made.loc["profit", "amount"])
    assert missing in made.loc["profit", "missing_en"] and made["missing_zh"].ne("").sum() >= 2


def test_returned_goods_are_back_on_the_shelf_and_refunded_ones_without_return_are_not():
    lines = of([{"line_id": "l0"}, {"line_id": "l1", "kind": "refund_after_shipping"}, {"line_id": "l2", "kind": "refund_before_shipping", "before_shipping": True}], count=5, qty=2.0)
    assert profit.units_kept(lines)["units"].sum() == 2 * 3
