"""The profit statement against sums done by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers.aftersales import profit
from helpers.reference import schema
from tests.sold_lines import START, ZONE, of


def costs(rows):
    return schema.conform(
        pd.DataFrame(
            rows, columns=["item", "product_id", "session_id", "session_started_at", "amount"]
        ),
        "costs",
        ZONE,
    )


SESSION = pd.Series(
    {
        "session_id": "s1",
        "paid_amount": 1000.0,
        "commission": 50.0,
        "ad_cost": 200.0,
        "coupon_amount": np.nan,
        "gift_cost": np.nan,
    }
)
UNITS = pd.DataFrame({"product_id": ["a", "b"], "units": [3.0, 2.0]})
PRICES = [("unit_cost", "a", None, None, 10.0), ("unit_cost", "b", None, None, 20.0)]


def test_profit_by_hand():
    made = profit.statement(
        SESSION,
        costs=costs(
            [*PRICES, ("staff", None, None, None, 80.0), ("staff", None, "s1", START, 90.0)]
        ),
        units=UNITS,
        refunded=100.0,
    )
    amounts = made.set_index("line")["amount"]
    assert amounts["unit_cost"] == -70 and amounts["staff"] == -90
    assert amounts["profit"] == 1000 - 100 - 70 - 50 - 200 - 90
    assert made["amount"].iloc[:-1].sum() == pytest.approx(amounts["profit"])
    assert made["kind"].tolist() == ["start", *["step"] * 7, "end"]
    assert made.iloc[-1]["missing_en"] == "coupons, gifts"


@pytest.mark.parametrize(
    ("rows", "refunded", "missing"),
    [
        ([], 100.0, "cost of goods"),
        (PRICES[:1], 100.0, "cost of goods"),
        (PRICES, np.nan, "refunds"),
    ],
)
def test_profit_is_not_measurable_without_costs_or_refunds(rows, refunded, missing):
    made = profit.statement(SESSION, costs=costs(rows), units=UNITS, refunded=refunded).set_index(
        "line"
    )
    assert not made.loc["profit", "measurable"] and np.isnan(made.loc["profit", "amount"])
    assert missing in made.loc["profit", "missing_en"] and made["missing_zh"].ne("").sum() >= 2


def test_returned_goods_are_back_on_the_shelf_and_refunded_ones_without_return_are_not():
    lines = of(
        [
            {"line_id": "l0"},
            {"line_id": "l1", "kind": "refund_after_shipping"},
            {"line_id": "l2", "kind": "refund_before_shipping", "before_shipping": True},
        ],
        count=5,
        qty=2.0,
    )
    assert profit.units_kept(lines)["units"].sum() == 2 * 3


def returned_lines(**columns):
    """Ten lines at 100 each: one returned, one refunded by half and kept by the buyer."""
    return of(
        [{"line_id": "l0"}, {"line_id": "l1", "kind": "refund_after_shipping", "amount": 50.0}],
        product_id="a",
        **columns,
    )


def expected_net(lines, *, mid, low, high):
    paid, refunded = lines["paid"].sum(), lines["refunded_amount"].sum()
    rows = [
        ("refunded", refunded, refunded, refunded),
        ("expected_refunds", mid, low, high),
        ("expected_net", paid - mid, paid - high, paid - low),
    ]
    return pd.DataFrame(rows, columns=["line", "amount", "lower", "upper"])


def stated(lines):
    session = SESSION.copy()
    session["paid_amount"] = lines["paid"].sum()
    return profit.statement(
        session,
        costs=costs(PRICES),
        units=profit.units_kept(lines),
        refunded=lines["refunded_amount"].sum(),
    )


def test_goods_back_is_the_paid_worth_put_back_for_each_yuan_refunded_so_late():
    lines = (
        returned_lines()
    )  # both refunded two days after payment: goods of 100 back for 150 paid back
    assert profit.goods_back(lines, age_days=1) == pytest.approx(100 / 150)
    assert np.isnan(profit.goods_back(lines, age_days=2))


def test_expected_profit_takes_off_what_is_still_to_come_and_puts_its_goods_back():
    lines = returned_lines()
    told = stated(lines)
    made = profit.to_expect(
        told, expected_net(lines, mid=350.0, low=250.0, high=450.0), lines, back=0.8
    ).set_index("line")
    so_far = 1000 - 150 - 9 * 10 - 50 - 200
    each = 0.8 * (9 * 10) / 900  # cost that comes back for each yuan: 90 of cost for 900 kept
    assert made["amount"].to_dict() == pytest.approx(
        {
            "profit": so_far,
            "refunds_to_come": -200,
            "goods_to_come": 200 * each,
            "expected_profit": so_far - 200 * (1 - each),
        }
    )
    assert made.loc["expected_profit", ["lower", "upper"]].tolist() == pytest.approx(
        [so_far - 300 * (1 - each), so_far - 100 * (1 - each)]
    )
    (said,) = profit.profit_findings(
        told, made.reset_index(), notebook="05_aftersales", as_of=START
    )
    assert (
        "¥510" in said["sentence_zh"]
        and "¥326" in said["sentence_en"]
        and "¥234 – ¥418" in said["sentence_en"]
        and "2026-11-01 20:00" in said["sentence_zh"]
    )


def test_carried_through_to_the_end_the_expectation_is_the_statement_of_that_day():
    """A second way: the refunds that were expected do come, and the statement is made again."""
    then, later = (
        returned_lines(),
        of(
            [
                {"line_id": "l0"},
                {"line_id": "l1", "kind": "refund_after_shipping", "amount": 50.0},
                {"line_id": "l2"},
                {"line_id": "l3"},
            ],
            product_id="a",
        ),
    )
    guess = profit.to_expect(
        stated(then), expected_net(then, mid=350.0, low=350.0, high=350.0), then, back=1.0
    )
    assert guess["amount"].iloc[-1] == pytest.approx(stated(later)["amount"].iloc[-1])


def test_nothing_is_expected_of_profit_where_refunds_are_not_and_a_final_one_stays():
    lines = returned_lines()
    assert profit.to_expect(
        stated(lines), expected_net(lines, mid=np.nan, low=np.nan, high=np.nan), lines, back=0.8
    ).empty
    assert profit.to_expect(
        stated(lines), expected_net(lines, mid=350.0, low=250.0, high=450.0), lines, back=np.nan
    ).empty
    made = profit.to_expect(
        stated(lines), expected_net(lines, mid=150.0, low=150.0, high=150.0), lines, back=np.nan
    )
    assert made["amount"].iloc[-1] == stated(lines)["amount"].iloc[-1]
    whole = profit.to_expect(
        stated(lines),
        expected_net(lines, mid=350.0, low=250.0, high=450.0),
        lines,
        back=0.8,
        whole_cost=True,
    )
    assert whole.set_index("line").loc["goods_to_come", "amount"] == 0
