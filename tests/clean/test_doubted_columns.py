"""Columns that are not what their header says: amounts of whole orders, shares of people."""

from __future__ import annotations

import pytest

from tests.made_files import load, workbook

QIANNIU = [
    "子订单编号",
    "主订单编号",
    "商品ID",
    "购买数量",
    "订单创建时间",
    "订单付款时间",
    "买家实付金额",
]
AT = ["2026-10-01 20:10:00", "2026-10-01 20:11:00"]


def lines(*orders, price=False):
    """Sheets of order lines; an order is its lines: product, pieces, amount and price."""
    rows = [
        [f"{order}{line}", f"M{order}", product, pieces, *AT, amount, *([each] if price else [])]
        for order, of_order in enumerate(orders, 1)
        for line, (product, pieces, amount, each) in enumerate(of_order, 1)
    ]
    return {"S": [[*QIANNIU, *(["商品价格"] if price else [])], *rows]}


# one of 10 and two of 20 each: 50 in all; and so on
REPEATED = [
    [("A", 1, 50, 10), ("B", 2, 50, 20)],
    [("A", 1, 39.99, 9.99), ("C", 1, 39.99, 30)],
    [("B", 1, 60, 20), ("C", 1, 60, 30), ("A", 1, 60, 10)],
    [("A", 1, 10, 10)],
]


def test_amounts_of_whole_orders_on_each_line_are_shared_by_price_and_pieces(tmp_path):
    reading = load(workbook(tmp_path / "x.xlsx", **lines(*REPEATED, price=True)))
    paid = reading.tables["orders"]["paid"]
    assert paid.tolist() == [10, 40, 9.99, 30, 20, 30, 10, 10] and paid.sum() == 159.99
    assert reading.questions.empty
    assert reading.files["problem"].iloc[0] == (
        "买家实付金额: each line of 3 orders states the amount of the whole order (the sum of "
        "price × pieces of its lines): shared among its lines by these."
    )


def test_amounts_of_whole_orders_without_prices_are_asked_about(tmp_path):
    reading = load(workbook(tmp_path / "x.xlsx", **lines(*REPEATED)))
    assert reading.tables["orders"]["paid"].tolist() == [10]
    question = reading.questions.iloc[0]
    assert (question["reason"], question["rows"], question["value"]) == ("order_amount", 7, "50")


def test_a_sum_that_prices_do_not_make_is_asked_about(tmp_path):
    discounted = [[(*line[:2], line[2] - 5, line[3]) for line in order] for order in REPEATED]
    reading = load(workbook(tmp_path / "x.xlsx", **lines(*discounted, price=True)))
    assert reading.questions["reason"].tolist() == ["order_amount"]
    assert reading.tables["orders"]["paid"].tolist() == [5]


HONEST = {
    "two equal lines": [[("A", 1, 10, 10), ("A", 1, 10, 10)]] * 4,
    "one order whose lines differ": [*REPEATED[:3], [("A", 1, 10, 10), ("B", 1, 20, 20)]],
    "too few orders": REPEATED[:2],
    "one price, as orders of one line tell": [
        *[[("A", 1, 9.9, None), ("B", 1, 9.9, None)]] * 3,
        [("A", 1, 9.9, None)],
        [("B", 2, 19.8, None)],
    ],
    "nothing was paid": [[("A", 1, 0, 10), ("B", 1, 0, 20)]] * 4,
}


@pytest.mark.parametrize("case", HONEST)
def test_amounts_of_lines_stay(tmp_path, case):
    reading = load(workbook(tmp_path / "x.xlsx", **lines(*HONEST[case])))
    amounts = [line[2] for order in HONEST[case] for line in order]
    assert reading.tables["orders"]["paid"].tolist() == amounts
    assert reading.questions.empty and reading.files["problem"].isna().all()


def test_one_price_that_the_lines_state_stays(tmp_path):
    equal = [[("A", 1, 9.9, 9.9), ("B", 1, 9.9, 9.9)]] * 4
    reading = load(workbook(tmp_path / "x.xlsx", **lines(*equal, price=True)))
    assert reading.tables["orders"]["paid"].tolist() == [9.9] * 8
    assert reading.questions.empty


# ---- audience

AUDIENCE = ["开播时间", "维度", "分组", "观看人数"]


def audience(*rows, head=AUDIENCE):
    return {"用户画像": [head, *rows]}


def of(day, dimension, *groups):
    return [
        [f"2026-09-0{day} 20:00:00", dimension, f"g{at}", people]
        for at, people in enumerate(groups)
    ]


SHARES = {
    "two dimensions": [*of(1, "性别", 75, 25), *of(1, "年龄", 33, 33, 33)],
    "three sessions": [*of(1, "性别", 75, 25), *of(2, "性别", 60, 40), *of(3, "性别", 52, 49)],
}


@pytest.mark.parametrize("case", SHARES)
def test_shares_in_place_of_people_are_asked_about(tmp_path, case):
    reading = load(workbook(tmp_path / "x.xlsx", **audience(*SHARES[case])))
    assert "audience" not in reading.tables
    assert reading.questions["reason"].tolist() == ["shares"]
    assert reading.questions["rows"].tolist() == [len(SHARES[case])]
    head = [*AUDIENCE[:3], "观看人数(人)"]  # the answer
    reading = load(workbook(tmp_path / "x.xlsx", **audience(*SHARES[case], head=head)))
    people = [row[3] for row in SHARES[case]]
    assert reading.tables["audience"]["viewers"].tolist() == people and reading.questions.empty


@pytest.mark.parametrize(
    "rows",
    [
        [*of(1, "性别", 75, 25), *of(1, "年龄", 30, 40, 50)],
        [*of(1, "性别", 75, 25)],
        [*of(1, "性别", 800, 200), *of(1, "年龄", 500, 500)],
    ],
)
def test_people_who_do_not_always_make_100_are_people(tmp_path, rows):
    reading = load(workbook(tmp_path / "x.xlsx", **audience(*rows)))
    assert reading.tables["audience"]["viewers"].tolist() == [row[3] for row in rows]
    assert reading.questions.empty
