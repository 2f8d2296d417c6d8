"""Order lines and what became of them, against sums done by hand."""

import numpy as np
import pandas as pd
import pytest

from helpers import aftersales
from helpers.aftersales import customers, order_lines
from tests.sold_lines import DAY, NO_CASES, START, ZONE, cases, of, orders, simulated


@pytest.mark.parametrize(
    ("rows", "asked", "refunded", "amount"),
    [
        ([], 0, 0, 0),
        ([{"line_id": "l1"}], 1, 1, 100),
        ([{"line_id": "l1"}, {"line_id": "l2", "status": "open", "refunded_at": None}], 2, 1, 100),
        (
            [{"line_id": "l1"}, {"line_id": "l1", "amount": 30.0}],
            1,
            1,
            100,
        ),  # never more than was paid
        ([{"line_id": "l1", "amount": 20.0}, {"line_id": "l1", "amount": 30.0}], 1, 1, 50),
        ([{"line_id": "l1", "status": "closed"}], 1, 0, 0),  # asked, withdrawn
        ([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}], 0, 0, 0),  # no refund
        (
            [{"line_id": "l1", "kind": "exchange", "status": "exchanged"}, {"line_id": "l1"}],
            1,
            1,
            100,
        ),
        ([{"line_id": None, "order_id": "o3"}], 1, 1, 100),  # found by its order
        ([{"line_id": "elsewhere"}], 0, 0, 0),
    ],
)
def test_lines_are_counted_once_and_asked_is_not_refunded(rows, asked, refunded, amount):
    made = of(rows)
    assert len(made) == 10
    assert (made["asked"].sum(), made["refunded"].sum(), made["refunded_amount"].sum()) == (
        asked,
        refunded,
        amount,
    )


@pytest.mark.parametrize(
    ("case", "back"),
    [
        ({}, [40, 20, 0]),  # 60.00 of an order of 80 and 40: two thirds and one third
        ({"product_id": "b"}, [0, 40, 0]),  # the line of its product, at most what was paid
        ({"amount": 0.01}, [0.01, 0, 0]),
        ({"session_id": "s2"}, [0, 0, 0]),  # another session's
        ({"line_id": "l1"}, [0, 40, 0]),
    ],
)
def test_a_case_whose_line_is_unknown_falls_to_its_order_once(case, back):
    made = of(
        [{"line_id": None, "order_id": "o", "session_id": "s1", "amount": 60.0, **case}],
        count=3,
        order_id=["o", "o", "p"],
        product_id=["a", "b", "b"],
        paid=[80.0, 40.0, 100.0],
    )
    assert made.sort_values("line_id")["refunded_amount"].tolist() == pytest.approx(back)


def test_exchange_is_kept_apart():
    assert (
        of([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}])["exchanged"].sum() == 1
    )


def test_as_of_hides_what_came_later():
    rows = [{"line_id": "l1", "asked_at": START + DAY, "refunded_at": START + 3 * DAY}]
    seen = [
        of(rows, as_of=START + days * DAY)[["asked", "refunded"]].sum().tolist()
        for days in (0.5, 2, 4)
    ]
    assert seen == [[0, 0], [1, 0], [1, 1]]


def test_lines_as_known_on_an_earlier_day_are_those_made_from_that_day_s_cases():
    """Set back, the lines say what lines made of the cases and orders of that day say."""
    rng = np.random.default_rng(2)
    bought, sent_back = simulated(rng, "s", lines=300, early=0.1)
    whole = aftersales.lines(bought, sent_back, as_of=START + 40 * DAY)
    for day in (0.05, 3, 8, 20):
        then, set_back = START + day * DAY, order_lines.known_at(whole, START + day * DAY)
        fresh = aftersales.lines(bought, sent_back, as_of=then)
        names = ["line_id", "refunded", "refunded_at", "refunded_amount"]
        assert set_back[names].reset_index(drop=True).equals(fresh[names])
        assert set_back["asked"].tolist() == fresh["asked"].tolist()


def test_unpaid_lines_and_lines_paid_later_are_no_part_of_it():
    times = pd.Series([START, START + 9 * DAY, pd.NaT]).dt.tz_convert(ZONE)
    assert len(of([], count=3, paid_at=times, as_of=START + DAY)) == 1


def test_an_export_without_payment_times_is_taken_at_its_creation_times():
    assert len(of([], count=3, paid_at=pd.NaT, paid=[100.0, 0.0, 50.0])) == 2


def test_without_cases_the_order_export_tells_the_amount():
    made = of([], refunded=[100.0] + [0.0] * 8 + [np.nan])
    assert made["refunded"].sum() == 1 and made["refunded_amount"].sum() == 100
    assert aftersales.delay_curve(made, as_of=START + 30 * DAY).empty


def test_a_line_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="line_id 'same' occurs more than once"):
        of([], line_id="same")


def test_cases_without_an_order_are_counted_as_unmatched():
    assert (
        aftersales.unmatched(
            cases([{"line_id": "l1"}, {"line_id": "x"}, {"line_id": None, "order_id": "o2"}]),
            orders(5),
        )
        == 1
    )


def test_price_bands_have_like_numbers_and_keep_lines_without_a_price_apart():
    prices = pd.Series([float(i) for i in range(1, 91)] + [np.nan])
    cuts = aftersales.price_cuts(prices)
    bands = order_lines.price_bands(prices, cuts)
    assert bands.value_counts().between(29, 31).all() and bands.isna().sum() == 1
    assert (
        order_lines.price_bands(prices.head(3), []).tolist() == ["–"] * 3
        and aftersales.price_cuts(prices.tail(1)) == []
    )


@pytest.mark.parametrize("line", ["1", None])
def test_orders_of_two_platforms_that_number_alike_are_two(line):
    same = {"line_id": ["1", "1"], "order_id": ["1", "1"], "session_id": ["d", "t"]}
    bought = {"platform": ["douyin", "taobao"], "paid": [100.0, 50.0], "buyer_key": ["a", "b"]}
    case = {"platform": "taobao", "line_id": line, "order_id": "1", "amount": 20.0}
    sold, asked, as_of = orders(2, **same, **bought), cases([case]), START + 30 * DAY
    made = aftersales.lines(sold, asked, as_of=as_of).set_index("session_id")
    assert made["refunded_amount"].to_dict() == {"d": 0.0, "t": 20.0}
    by_buyer = customers.bought(sold, asked, as_of=as_of).set_index("buyer_key")
    assert by_buyer["paid"].to_dict() == {"a": 100.0, "b": 50.0}
    alone = aftersales.lines(orders(2), NO_CASES, as_of=as_of)
    assert alone["line_id"].tolist() == ["l0", "l1"]
