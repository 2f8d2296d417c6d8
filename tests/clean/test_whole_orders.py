"""An order list and a list of order lines, both in raw/: each order counts once."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from tests.clean.checked import check

ORDER, ONLY = "4012345678901234567", "4012345678901234777"
LINES = ["4012345678901234568", "4012345678901234569"]
AT = {"订单创建时间": "2026-10-01 20:10:00", "订单付款时间": "2026-10-01 20:11:00"}
EPOCH = 1_791_000_000  # 2026-10-03


def doudian(order, line, qty, amount, **more):
    return {
        "主订单编号": order,
        "子订单编号": line,
        "商品ID": "35001",
        "商品数量": qty,
        "订单提交时间": "2026-10-01 20:10:00",
        "支付完成时间": "2026-10-01 20:11:00",
        "订单应付金额": amount,
    } | more


def whole_21(order, qty, amount):
    """Of the list of 21 columns."""
    amounts = {"总金额": amount, "买家应付货款": amount, "买家实付金额": amount}
    return {"订单编号": order, "支付单号": "1", "宝贝总数量": qty} | amounts | AT


def whole_7(order, qty, amount, refunded="0"):
    """Of the list of seven columns, which states no pieces."""
    return {
        "订单编号": order,
        "总金额": amount,
        "买家实际支付金额": amount,
        "收货地址": "浙江省",
        "退款金额": refunded,
    } | AT


def qianniu(order, line, qty, amount):
    return {
        "子订单编号": line,
        "主订单编号": order,
        "购买数量": qty,
        "买家实付金额": amount,
        "退款金额": "无退款申请",
    } | AT


def live(order, line, qty, amount):
    times = {"下单时间": AT["订单创建时间"], "支付时间": AT["订单付款时间"]}
    return {"父订单": order, "子订单": line, "支付金额": amount, "商品id": "3"} | times


def shop(tmp_path, **files):
    """A workspace of CSV files, of which the first was exported first."""
    raw = tmp_path / "raw"
    raw.mkdir()
    for day, (name, rows) in enumerate(files.items()):
        path = raw / f"{name}.csv"
        lines = [list(rows[0]), *([str(row[name]) for name in rows[0]] for row in rows)]
        text = "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (EPOCH + day * 86400,) * 2)
    (tmp_path / "workspace.yml").write_text("timezone: Asia/Shanghai\n", encoding="utf-8")
    return check(tmp_path)


def paid(shop):
    orders = shop.table("orders")
    return orders.set_index("line_id")["paid"].to_dict()


def both(order_list, lines, *, newer):
    """As files; the order list is the newer export, or the older."""
    return {"lines": lines, "whole": order_list} if newer else {"whole": order_list, "lines": lines}


@pytest.mark.parametrize("newer", [True, False])
@pytest.mark.parametrize(
    ("whole", "line"),
    [(doudian, doudian), (whole_21, qianniu), (whole_21, live), (whole_7, qianniu)],
)
def test_an_order_and_its_lines_in_two_files_count_once(tmp_path, whole, line, newer):
    if whole is doudian:
        order_list = [doudian(ORDER, ORDER, 3, "100.00"), doudian(ONLY, ONLY, 1, "50.00")]
    else:
        order_list = [whole(ORDER, 3, "100.00"), whole(ONLY, 1, "50.00")]
    lines = [line(ORDER, LINES[0], 1, "30.00"), line(ORDER, LINES[1], 2, "70.00")]
    lines.append(line(ONLY, ONLY, 1, "50.00"))
    checked = shop(tmp_path, **both(order_list, lines, newer=newer))
    assert paid(checked) == {LINES[0]: 30.0, LINES[1]: 70.0, ONLY: 50.0}
    assert checked.table("questions").empty and checked.exit_code == 0
    (record,) = checked.of("whole.csv")
    assert (record["rows_in"], record["rows_totals"]) == (2, 1)
    assert "1 rows are orders whose lines other files hold" in record["problem"]


def test_what_the_order_alone_states_goes_to_its_lines(tmp_path):
    whole = [whole_7(ORDER, 3, "100.00", refunded="10.00"), whole_7(ONLY, 1, "50.00")]
    other = "4012345678901234888"  # a single line with an id of its own
    lines = [live(ORDER, LINES[0], 1, "30.00"), live(ORDER, LINES[1], 2, "70.00")]
    checked = shop(tmp_path, whole=whole, lines=[*lines, live(ONLY, other, 1, "50.00")])
    orders = checked.table("orders").set_index("line_id")
    assert orders["refunded"].to_dict() == {LINES[0]: 3.0, LINES[1]: 7.0, other: 0.0}
    assert set(orders["province"]) == {"浙江省"}


@pytest.mark.parametrize(
    ("whole", "line", "amount", "lines"),
    [
        (whole_21, live, "100.00", "30.00"),  # a line was not sold live
        (whole_21, qianniu, "110.00", "100.00"),  # freight
        (whole_7, qianniu, "100.00", "90.00"),
    ],
)
def test_an_order_that_is_not_the_sum_of_its_lines_is_a_question(
    tmp_path, whole, line, amount, lines
):
    rows = [line(ORDER, LINES[0], 1, lines), line(ONLY, ONLY, 1, "50.00")]
    checked = shop(tmp_path, whole=[whole(ORDER, 3, amount), whole(ONLY, 1, "50.00")], lines=rows)
    assert paid(checked) == {LINES[0]: float(lines), ONLY: 50.0}
    words = f"row 2 ({ORDER}: {amount} ≠ {lines})"
    assert checked.names("whole.csv", words, "kept aside")
    (aside,) = checked.table("aside").to_dict("records")
    assert (aside["row"], aside["value"], aside["reason"]) == (2, ORDER, "not_its_lines")
    assert checked.table("questions")["reason"].tolist() == ["not_its_lines"]


def test_an_older_list_in_which_an_order_was_not_paid_yet_is_no_question(tmp_path):
    lines = [qianniu(ORDER, LINES[0], 1, "30.00"), qianniu(ORDER, LINES[1], 2, "70.00")]
    lists = {"old": [whole_21(ORDER, 3, "0.00")], "new": [whole_21(ORDER, 3, "100.00")]}
    checked = shop(tmp_path, **lists, lines=lines)
    assert paid(checked) == {LINES[0]: 30.0, LINES[1]: 70.0} and checked.exit_code == 0
    assert [checked.of(f"{name}.csv")[0]["rows_totals"] for name in lists] == [1, 1]
    held = checked.table("invariants").set_index("invariant").loc["order_lines"]
    assert (held["state"], held["compared"]) == ("agrees", 1)


@pytest.mark.parametrize("newer", [True, False])
def test_a_row_of_several_lines_gives_way_to_what_the_lines_state(tmp_path, newer):
    whole = [doudian(ORDER, ";".join(LINES), 3, "100.00", 订单状态="已完成")]
    lines = [doudian(ORDER, LINES[0], 1, "30.00"), doudian(ORDER, LINES[1], 2, "70.00")]
    lines = [line | {"订单状态": "已发货"} for line in lines]
    checked = shop(tmp_path, **both(whole, lines, newer=newer))
    assert paid(checked) == {LINES[0]: 30.0, LINES[1]: 70.0}
    orders = checked.table("orders")
    assert orders["qty"].tolist() == [1, 2]
    assert set(orders["status"]) == {"已完成" if newer else "已发货"}


@pytest.mark.parametrize(
    "files",
    [
        # the first line bears the order's id, and stands in another export alone
        {
            "a": [doudian(ORDER, ORDER, 1, "50.00"), doudian(ORDER, LINES[1], 1, "50.00")],
            "b": [doudian(ORDER, ORDER, 1, "50.00")],
        },
        {
            "a": [doudian(ORDER, ORDER, 1, "60.00")],
            "b": [doudian(ORDER, LINES[1], 1, "40.00")],
        },
        {"a": [whole_21(ORDER, 3, "100.00")], "b": [whole_7(ORDER, 3, "100.00")]},
    ],
)
def test_lines_of_several_exports_and_two_order_lists_stay_what_they_are(tmp_path, files):
    checked = shop(tmp_path, **files)
    assert sum(paid(checked).values()) == 100.0
    assert checked.table("aside").empty and pd.isna(checked.of("b.csv")[0]["problem"])
