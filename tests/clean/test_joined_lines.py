"""A list of ids in a cell is so many lines: amounts stay, text stays, what disagrees is aside."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import clean, reference
from helpers.clean import raw_file
from tests.made_files import in_english

ZONE = "Asia/Shanghai"
ORDER = "6918233000000000001"
ONE, TWO, THREE = (f"691823400000000000{number}" for number in (1, 2, 3))
HEADERS = [
    "主订单编号",
    "子订单编号",
    "选购商品",
    "商品ID",
    "商品数量",
    "商品单价",
    "商品金额",
    "订单应付金额",
    "优惠总金额",
    "订单提交时间",
    "支付完成时间",
    "流量体裁",
]
ROW = {
    "主订单编号": ORDER,
    "子订单编号": f"{ONE};{TWO}",
    "选购商品": "杯子;碗",
    "商品ID": "3712846190283710500;3712846190283710501",
    "商品数量": "3",
    "商品单价": "",
    "商品金额": "",
    "订单应付金额": "110.00",
    "优惠总金额": "0.01",
    "订单提交时间": "2026-10-01 19:01:00",
    "支付完成时间": "2026-10-01 19:01:20",
    "流量体裁": "直播",
}
ALONE = ROW | {
    "主订单编号": "6918233000000000009",
    "子订单编号": "6918234000000000009",
    "选购商品": "盘子, 大号",
    "商品ID": "3712846190283710509",
    "商品数量": "1",
    "订单应付金额": "20.00",
    "优惠总金额": "0",
}


def quoted(cell):
    return '"' + cell.replace('"', '""') + '"'


def read(tmp_path, *rows, headers=HEADERS, name="订单.csv"):
    path = tmp_path / name
    lines = [headers, *([row.get(header, "") for header in headers] for row in rows)]
    path.write_text("\n".join(",".join(map(quoted, line)) for line in lines), encoding="utf-8")
    found = raw_file.read_file(
        path, systems=reference.systems(), timezone=ZONE, key=b"k", currency="CNY"
    )
    files = found.files
    parts = files["rows_kept"] + files["rows_totals"] + files["rows_aside"]
    assert (files["rows_in"] == parts).all()
    return found


@pytest.mark.parametrize("mark", [";", "；", ",", "，", "|", "、", "\n", "; ", " / ", " "])
def test_a_row_of_two_lines_is_two_rows_whatever_parts_them(tmp_path, mark):
    row = ROW | {name: ROW[name].replace(";", mark) for name in ("子订单编号", "商品ID")}
    found = read(tmp_path, ALONE, row)
    lines = found.tables["orders"]
    assert lines["line_id"].tolist() == ["6918234000000000009", ONE, TWO]
    assert lines["order_id"].tolist() == ["6918233000000000009", ORDER, ORDER]
    assert lines["product_id"].tolist()[1:] == ["3712846190283710500", "3712846190283710501"]
    assert lines["source_row"].tolist() == [2, 3, 3]
    # 110.00 of the order is on its first line; of 3 pieces each line has one
    assert lines["paid"].tolist() == [20, 110, 0]
    assert lines["discount"].tolist() == [0, 0.01, 0]
    assert lines["qty"].tolist() == [1, 2, 1]
    assert lines["product_name"].iloc[0] == "盘子, 大号"
    assert (
        "1 rows hold several lines: read as 2 lines" in in_english(found.files)["problem"].iloc[0]
    )


@pytest.mark.parametrize(
    ("stated", "paid", "discount"),
    [
        # list amounts 50 and 60: of 110.00 their own; of 0.01 the running halves round to 0 and 1
        ({"商品金额": "50.00;60.00"}, [50, 60], [0, 0.01]),
        # 2 x 20 and 1 x 10: four fifths and one fifth
        ({"商品单价": "20;10", "商品数量": "2;1"}, [88, 22], [0.01, 0]),
        # prices alone, pieces stated once: 1 to 2 of 110.00 = 36.67 and 73.33
        ({"商品单价": "10.00;20.00"}, [36.67, 73.33], [0, 0.01]),
        # an amount a line needs no sharing
        ({"订单应付金额": "30.00;80.00"}, [30, 80], [0.01, 0]),
    ],
)
def test_amounts_of_an_order_are_shared_to_the_cent(tmp_path, stated, paid, discount):
    lines = read(tmp_path, ROW | stated).tables["orders"]
    assert lines["paid"].tolist() == pytest.approx(paid)
    assert lines["payable"].tolist() == pytest.approx(paid)
    assert lines["discount"].tolist() == pytest.approx(discount)


def test_three_lines_share_a_cent_that_does_not_divide(tmp_path):
    row = ROW | {
        "子订单编号": f"{ONE}|{TWO}|{THREE}",
        "商品ID": "11|12|13",
        "商品金额": "1.00|1.00|1.00",
        "订单应付金额": "10.00",
        "商品数量": "3",
    }
    lines = read(tmp_path, row).tables["orders"]
    # thirds of 10.00 as steps of 3.33, 6.67, 10.00
    assert lines["paid"].tolist() == pytest.approx([3.33, 3.34, 3.33])
    assert lines["qty"].tolist() == [1, 1, 1]


def test_words_with_the_mark_are_split_only_where_they_always_agree(tmp_path):
    comma = ROW | {"子订单编号": f"{ONE},{TWO}", "商品ID": "3712846190283710500"}
    lines = read(tmp_path, ALONE, comma | {"选购商品": "杯子,碗"}).tables["orders"]
    # a name of the same column has a comma of its own: the words stay whole
    assert lines["product_name"].tolist() == ["盘子, 大号", "杯子,碗", "杯子,碗"]
    assert lines["product_id"].tolist()[1:] == ["3712846190283710500"] * 2
    lines = read(tmp_path, ROW).tables["orders"]
    assert lines["product_name"].tolist() == ["杯子", "碗"]


def test_one_figure_with_a_thousands_mark_is_no_list(tmp_path):
    comma = ROW | {"子订单编号": f"{ONE},{TWO}", "商品ID": ""}
    lines = read(tmp_path, comma | {"订单应付金额": "1,234.00"}).tables["orders"]
    assert lines["paid"].tolist() == [1234, 0]
    lines = read(tmp_path, comma | {"订单应付金额": "50.00,60.00"}).tables["orders"]
    assert lines["paid"].tolist() == [50, 60]
    found = read(tmp_path, comma | {"订单应付金额": "100,200"}, ALONE)
    assert found.tables["orders"]["paid"].tolist() == [20]
    assert found.aside[["column", "reason"]].values.tolist() == [
        ["订单应付金额", "joined"]
    ] * 2 or (found.aside[["column", "reason"]].values.tolist() == [["订单应付金额", "joined"]])


@pytest.mark.parametrize(
    "wrong",
    [
        {"商品ID": "1;2;3"},  # three products of two lines
        {"子订单编号": ONE},  # two products of one line
        {"主订单编号": f"{ORDER};6918233000000000002;6918233000000000003"},
    ],
)
def test_a_row_whose_lists_disagree_goes_aside(tmp_path, wrong):
    found = read(tmp_path, ROW | wrong, ALONE)
    assert found.tables["orders"]["paid"].tolist() == [20]
    assert found.aside["reason"].tolist() == ["joined"]
    assert found.aside["row"].tolist() == [2]
    assert found.aside["column"].iloc[0] in ("子订单编号", "商品ID", "主订单编号")


def test_an_id_that_is_missing_in_the_list_is_missing(tmp_path):
    found = read(tmp_path, ROW | {"子订单编号": f"{ONE};;{TWO}", "商品ID": "1;2;3"})
    lines = found.tables["orders"]
    assert lines["line_id"].tolist() == [ONE, TWO]
    assert lines["product_id"].tolist() == ["1", "3"]
    assert found.aside[["row", "reason"]].values.tolist() == [[2, "missing"]]


def test_ids_with_thousands_marks_are_no_lists(tmp_path):
    row = ROW | {"子订单编号": "6,918,234,000,000,123,451", "商品ID": "3712846190283710500"}
    assert read(tmp_path, row).tables["orders"]["line_id"].tolist() == ["6918234000000123451"]


def test_the_skus_of_a_tiktok_order_are_its_lines(tmp_path):
    headers = ["Order ID", "SKU ID", "Created Time", "Paid Time", "SKU Subtotal After Discount"]
    times = {"Created Time": "2026-03-21 09:15:00", "Paid Time": "2026-03-21 09:16:00"}
    row = {"Order ID": "576870000000009001", "SKU ID": "11|12"} | times
    found = read(
        tmp_path, row | {"SKU Subtotal After Discount": "19.99|5.00"}, headers=headers, name="o.csv"
    )
    lines = found.tables["orders"]
    assert lines["line_id"].tolist() == ["576870000000009001-11", "576870000000009001-12"]
    assert lines["paid"].tolist() == [19.99, 5]


# ---- cases of orders
# --------------------------------------------------------------------------

CASE = {
    "售后单号": "142000000000000001",
    "订单号": ORDER,
    "商品单号": ONE,
    "售后类型": "退货退款",
    "退商品金额（元）": "50.00",
    "售后状态": "同意退款，退款成功",
    "售后申请时间": "2026-10-03 19:01:00",
    "商家退款时间": "2026-10-05 19:01:00",
}


def shop(tmp_path, cases, orders=(ROW,)):
    raw = tmp_path / "raw"
    raw.mkdir()
    for name, rows in {"订单.csv": orders, "售后.csv": cases}.items():
        lines = [list(rows[0]), *(list(row.values()) for row in rows)]
        text = "\n".join(",".join(map(quoted, line)) for line in lines)
        (raw / name).write_text(text, encoding="utf-8")
    lives = pd.DataFrame(
        {
            "主播昵称": "甲",
            "主播抖音号": "a1",
            "直播开始时间": ["2026/10/01 19:00:00", "2026/10/02 19:00:00"],
            "直播结束时间": ["2026/10/01 21:00:00", "2026/10/02 21:00:00"],
            "直播时长(分钟)": 120,
            "直播间观看人数": 5000,
            "直播间成交金额": 4200,
        }
    )
    lives.to_excel(raw / "直播间列表.xlsx", index=False)
    workspace = clean.Workspace.open(tmp_path)
    clean.ingest(workspace)
    return workspace


@pytest.mark.parametrize("line", ["", "-", "6918239999999999999", f"{ONE};{TWO}"])
def test_a_case_without_a_known_line_belongs_to_its_order(tmp_path, line):
    workspace = shop(tmp_path, [CASE | {"商品单号": line}])
    found = clean.read_table(workspace, "aftersales")
    assert found["session_id"].str[:13].tolist() == ["20261001-1900"]
    assert found["amount"].tolist() == [50]


def test_a_case_of_an_order_of_two_sessions_says_so(tmp_path):
    second = ROW | {"子订单编号": THREE, "商品ID": "7", "订单提交时间": "2026-10-02 19:01:00"}
    first = ROW | {"子订单编号": ONE, "商品ID": "6"}
    workspace = shop(
        tmp_path,
        [CASE | {"商品单号": ""}, CASE | {"售后单号": "142000000000000002", "商品单号": THREE}],
        [first, second],
    )
    found = clean.read_table(workspace, "aftersales").sort_values("case_id")
    assert found["why_not"].fillna("").tolist() == ["several_sessions", ""]
    assert found["session_id"].fillna("").str[:13].tolist() == ["", "20261002-1900"]
