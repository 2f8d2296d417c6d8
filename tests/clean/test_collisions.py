"""Rows that share a key: one record or several, the same in whatever order they stand."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from helpers import clean
from tests.made_files import in_english, load, named, whole_session, workbook

EPOCH = 1_791_000_000  # 2026-10-03
LIVE = {
    "Livestream": "A",
    "Start time": "2026-10-01 19:00",
    "Duration": "7200",
    "Gross revenue": "1000",
    "Direct GMV": "900",
    "Views": "5000",
    "Viewers": "4000",
}
SMALL = {"Livestream": "B", "Duration": "3600", "Gross revenue": "50", "Views": "300"} | {
    "Direct GMV": "40",
    "Viewers": "200",
}


def lives(of=None, days=(1, 2, 3), **changes):
    return [
        LIVE | {"Start time": f"2026-10-{day:02d} 19:00"} | (of or {}) | changes for day in days
    ]


def shop(tmp_path, settings="", **files):
    """A workspace of CSV files, of which the first was exported first."""
    raw = tmp_path / "raw"
    raw.mkdir(exist_ok=True)
    for day, (name, rows) in enumerate(files.items()):
        path = raw / f"{name}.csv"
        lines = [list(rows[0]), *([row.get(name, "") for name in rows[0]] for row in rows)]
        text = "\n".join(",".join(f'"{cell}"' for cell in line) for line in lines)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (EPOCH + day * 86400,) * 2)
    (tmp_path / "workspace.yml").write_text(
        f"timezone: Asia/Shanghai\n{settings}", encoding="utf-8"
    )
    workspace = clean.Workspace.open(tmp_path)
    ledger = in_english(clean.ingest(workspace, force=True))
    parts = ledger["rows_kept"] + ledger["rows_totals"] + ledger["rows_aside"]
    assert (ledger["rows_in"] == parts).all()
    return workspace, ledger


def sums(workspace, by="title", of="paid_amount"):
    sessions = clean.read_table(workspace, "sessions")
    assert sessions["session_id"].is_unique
    return sessions.groupby(by)[of].sum().to_dict()


# ---- two rooms at once
# ------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_two_rooms_of_one_minute_in_two_files_are_two(tmp_path, order):
    files = {"a": lives(), "b": lives(SMALL)}
    workspace, ledger = shop(tmp_path, **{name: files[name] for name in order})
    assert sums(workspace) == {"A": 3000, "B": 150}
    assert ledger["rows_aside"].sum() == 0
    sessions = clean.read_table(workspace, "sessions")
    first = sessions[sessions["title"] == order[0].upper()]["session_id"]
    assert first.str.endswith("-0000").all()  # the room that was there first keeps its ids


def test_two_rooms_in_one_file_are_two_and_stay_so_in_a_later_export(tmp_path):
    one = [row for pair in zip(lives(), lives(SMALL), strict=True) for row in pair]
    workspace, ledger = shop(tmp_path, one=one)
    ids = clean.read_table(workspace, "sessions").set_index("session_id")["title"].to_dict()
    assert len(ids) == 6
    assert ledger["problem"].tolist() == [
        "6 sessions share their minute with another room's: told apart by their rows."
    ]
    grown = [row | {"Gross revenue": str(int(row["Gross revenue"]) + 1)} for row in reversed(one)]
    workspace, ledger = shop(tmp_path, one=one, two=grown)
    assert clean.read_table(workspace, "sessions").set_index("session_id")["title"].to_dict() == ids
    assert sums(workspace) == {"A": 3003, "B": 153}
    assert ledger["rows_aside"].sum() == 0


def test_two_rooms_whose_titles_are_equal_are_told_apart_by_their_figures(tmp_path):
    workspace, _ = shop(tmp_path, a=lives(), b=lives(SMALL, Livestream="A"))
    assert sums(workspace) == {"A": 3150}
    assert len(clean.read_table(workspace, "sessions")) == 6


def test_a_later_export_of_one_room_replaces_the_earlier_one(tmp_path):
    later = lives(days=(1, 2, 3, 4), **{"Gross revenue": "1010", "Views": "5100"})
    workspace, ledger = shop(tmp_path, a=lives(), b=later)
    assert sums(workspace) == {"A": 4040}
    assert ledger["rows_aside"].sum() == 0 and ledger["problem"].isna().all()


def test_a_new_title_in_a_later_export_is_the_same_session(tmp_path):
    later = lives()
    later[1] |= {"Livestream": "new", "Views": "5100"}
    workspace, _ = shop(tmp_path, a=lives(), b=later)
    assert sums(workspace) == {"A": 2000, "new": 1000}
    # even where it was cut as well, the other sessions of the export say whose it is
    later[1] |= {"Duration": "3000", "Views": "9000"}
    workspace, _ = shop(tmp_path, a=lives(), b=later)
    assert sums(workspace) == {"A": 2000, "new": 1000}


def test_a_session_that_was_still_on_air_is_counted_anew(tmp_path):
    early = lives(days=(1, 2), Duration="7200")
    early[1] |= {"Duration": "1200", "Views": "200", "Viewers": "150", "Gross revenue": "10"}
    workspace, ledger = shop(tmp_path, a=early, b=lives())
    assert sums(workspace) == {"A": 3000}
    assert ledger["rows_aside"].sum() == 0


def test_what_nothing_decides_is_asked_and_answered_in_the_settings(tmp_path):
    early = lives(days=(1,), Duration="1200", Views="200", Viewers="150")
    late = lives(days=(1,), Livestream="another")
    workspace, ledger = shop(tmp_path, a=early, b=late)
    assert sums(workspace) == {"A": 1000}
    aside = clean.read_table(workspace, "aside")
    assert aside[["file", "row", "column", "reason"]].values.tolist() == [
        ["b.csv", 2, "Start time", "other_room"]
    ]
    said = ledger.set_index("file")["problem"]["b.csv"]
    assert "first in row 2 (2026-10-01 19:00, another)" in said and "rooms: {'b.csv': NAME}" in said
    workspace, ledger = shop(tmp_path, "rooms:\n  b*: second\n", a=early, b=late)
    assert sums(workspace) == {"A": 1000, "another": 1000}
    rooms = clean.read_table(workspace, "sessions").set_index("title")["room"]
    assert rooms["another"] == "second" and pd.isna(rooms["A"])
    assert ledger["rows_aside"].sum() == 0


TAOBAO = {
    "场次id": "1",
    "直播标题": "好物",
    "开播时间": "2026-10-01 19:00:00",
    "直播间观看次数": "5000",
    "直播间观看人数": "4000",
    "成交金额": "1000",
}


def test_the_number_of_a_session_tells_rooms_of_one_title_apart(tmp_path):
    other = TAOBAO | {"场次id": "2", "直播间观看次数": "5100", "成交金额": "70"}
    workspace, _ = shop(tmp_path, one=[TAOBAO, other])
    assert sums(workspace) == {"好物": 1070}
    workspace, _ = shop(tmp_path, one=[other | {"成交金额": "75"}, TAOBAO], two=[TAOBAO])
    assert sums(workspace) == {"好物": 1075}
    named = TAOBAO | {"直播标题": "改名", "直播间观看次数": "9000"}
    workspace, _ = shop(tmp_path, one=[TAOBAO, other], two=[named])
    assert sums(workspace) == {"改名": 1000, "好物": 70}


def test_rows_of_one_sheet_that_nothing_tells_apart_are_asked_about(tmp_path):
    workspace, ledger = shop(tmp_path, one=[*lives(days=(1,)), *lives(SMALL, (1,), Livestream="A")])
    assert ledger["rows_aside"].sum() == 1
    assert clean.read_table(workspace, "aside")["reason"].tolist() == ["other_room"]


def test_orders_of_two_rooms_at_once_are_of_neither(tmp_path):
    line = {
        "Order ID": "576870000000009001",
        "SKU ID": "11",
        "SKU Subtotal After Discount": "19.99",
        "Created Time": "2026-10-01 19:10:00",
        "Paid Time": "2026-10-01 19:11:00",
    }
    workspace, _ = shop(tmp_path, a=lives(), b=lives(SMALL), orders=[line])
    found = clean.read_table(workspace, "orders")
    assert found["session_id"].isna().all() and found["why_not"].tolist() == ["several_sessions"]
    late = line | {"Created Time": "2026-10-01 20:45:00", "Paid Time": "2026-10-01 20:46:00"}
    workspace, _ = shop(tmp_path, a=lives(), b=lives(SMALL), orders=[late])
    found = clean.read_table(workspace, "orders")
    assert found["session_id"].tolist() == ["20261001-1900-tiktok-0000"]  # A's: B ended at eight


# ---- lines of one key
# --------------------------------------------------------------------------

LINE = {
    "Order ID": "576870000000009001",
    "SKU ID": "172940000000000001",
    "Quantity": "1",
    "SKU Subtotal After Discount": "19.99",
    "Created Time": "2026-03-21 09:15:00",
    "Paid Time": "2026-03-21 09:16:00",
    "Order Status": "Shipped",
    "Package ID": "1",
}
GIFT = LINE | {"SKU Subtotal After Discount": "0", "Package ID": "3"}
SECOND = LINE | {"Package ID": "2"}


def paid(workspace):
    lines = clean.read_table(workspace, "orders")
    return dict(zip(lines["line_id"].str.split("-").str[2].fillna(""), lines["paid"], strict=True))


@pytest.mark.parametrize("rows", [[LINE, SECOND, GIFT], [GIFT, SECOND, LINE]])
def test_packages_and_gifts_of_one_sku_are_lines_in_any_order(tmp_path, rows):
    workspace, ledger = shop(tmp_path, one=rows)
    assert paid(workspace) == {"": 19.99, "2": 19.99, "3": 0}
    assert ledger["problem"].str.contains("3 rows share platform[+]line_id").all()
    later = [row | {"Order Status": "Delivered"} for row in reversed(rows)]
    workspace, _ = shop(tmp_path, one=rows, two=later)
    assert paid(workspace) == {"": 19.99, "2": 19.99, "3": 0}
    assert set(clean.read_table(workspace, "orders")["status"]) == {"Delivered"}
    workspace, _ = shop(tmp_path, one=rows, two=later, three=[GIFT])
    assert paid(workspace) == {"": 19.99, "2": 19.99, "3": 0}


def test_a_row_that_stands_twice_is_one(tmp_path):
    workspace, _ = shop(tmp_path, one=[LINE, LINE, GIFT])
    assert paid(workspace) == {"": 19.99, "2": 0}
    aside = clean.read_table(workspace, "aside")
    assert aside[["row", "reason"]].values.tolist() == [[2, "duplicate"]]


SETTLED = {
    "结算时间": "2026-10-20 08:00:00",
    "子订单号": "6918234000000000001",
    "订单号": "6918233000000000001",
    "结算单类型": "首笔结算",
    "结算账户": "聚合账户",
    "结算金额": "45.00",
}
OTHER_ACCOUNT = SETTLED | {"结算账户": "微信", "结算金额": "5.00"}


def test_a_line_that_is_settled_to_two_accounts_is_settled_twice(tmp_path):
    workspace, _ = shop(tmp_path, one=[SETTLED, OTHER_ACCOUNT])
    entries = clean.read_table(workspace, "settlements")
    assert entries["settled"].sum() == 50 and entries["entry_id"].is_unique
    workspace, _ = shop(tmp_path, one=[SETTLED, OTHER_ACCOUNT], two=[OTHER_ACCOUNT])
    entries = clean.read_table(workspace, "settlements")
    assert entries.groupby("account")["settled"].sum().to_dict() == {"聚合账户": 45, "微信": 5}


COMPENSATION = SETTLED | {
    "子订单号": "-",
    "订单号": "-",
    "结算单类型": "平台赔付",
    "结算金额": "8.00",
}
LATER = SETTLED | {"结算时间": "2026-10-21 08:00:00"}


def test_two_equal_compensations_of_no_order_are_two_and_stay_so_in_a_later_export(tmp_path):
    # 45 + 45 + 2 x 8
    workspace, _ = shop(tmp_path, one=[SETTLED, LATER, COMPENSATION, COMPENSATION])
    entries = clean.read_table(workspace, "settlements")
    assert entries["settled"].sum() == 106 and entries["entry_id"].is_unique
    workspace, _ = shop(tmp_path, two=[LATER, COMPENSATION, COMPENSATION])
    assert clean.read_table(workspace, "settlements")["settled"].sum() == 106


def test_compensations_of_an_export_that_was_pasted_twice_are_one(tmp_path):
    rows = [SETTLED, LATER, COMPENSATION]
    workspace, _ = shop(tmp_path, one=[*rows, *rows])
    assert clean.read_table(workspace, "settlements")["settled"].sum() == 98


def test_a_line_that_is_settled_twice_in_all_columns_alike_is_one(tmp_path):
    workspace, _ = shop(tmp_path, one=[SETTLED, SETTLED, LATER, COMPENSATION])
    assert clean.read_table(workspace, "settlements")["settled"].sum() == 98


def test_an_order_number_on_each_of_its_lines_is_no_key_of_a_line(tmp_path):
    line = {
        "订单编号": "1234567890123456789",
        "总金额": "30.00",
        "买家实际支付金额": "30.00",
        "订单付款时间": "2026-10-01 19:11:00",
        "退款金额": "0",
        "订单创建时间": "2026-10-01 19:10:00",
    }
    workspace, _ = shop(tmp_path, one=[line, line | {"总金额": "12.50"}])
    lines = clean.read_table(workspace, "orders")
    assert lines["paid"].sum() == 42.5 and lines["line_id"].is_unique


CASE = {
    "售后单号": "142000000000000001",
    "订单号": "6918233000000000001",
    "商品单号": "6918234000000000001",
    "售后类型": "退货退款",
    "退商品金额（元）": "50.00",
    "售后状态": "待商家处理",
    "售后申请时间": "2026-10-03 19:01:00",
}


@pytest.mark.parametrize("second", ["50.00", "60.00"])
def test_two_sheets_of_one_book_that_state_a_case_otherwise_are_a_question(tmp_path, second):
    other = CASE | {"售后单号": "142000000000000002"}
    sheets = {"售后": named([*CASE], CASE, other), "售后 (2)": named([*CASE], CASE, other)}
    sheets["售后 (2)"][1][[*CASE].index("退商品金额（元）")] = second
    (tmp_path / "raw").mkdir()
    workbook(tmp_path / "raw" / "x.xlsx", **sheets)
    workspace, _ = shop(tmp_path)
    cases = clean.read_table(workspace, "aftersales")
    asked = clean.read_table(workspace, "questions")
    if second == "50.00":
        assert cases["amount"].tolist() == [50, 50] and asked.empty
    else:
        assert cases["case_id"].tolist() == ["142000000000000002"]
        assert asked["reason"].tolist() == ["collision"] * 2
        assert asked["sheet"].tolist() == ["售后", "售后 (2)"]


def test_an_id_that_the_export_states_is_one_record_or_a_question(tmp_path):
    later = CASE | {"售后状态": "同意退款，退款成功"}
    workspace, _ = shop(tmp_path, one=[CASE, later])
    assert clean.read_table(workspace, "aftersales")["status"].tolist() == ["succeeded"]
    assert clean.read_table(workspace, "aside")["reason"].tolist() == ["duplicate"]
    workspace, _ = shop(tmp_path, one=[CASE, later | {"退商品金额（元）": "60.00"}])
    assert clean.read_table(workspace, "aftersales").empty
    aside = clean.read_table(workspace, "aside")
    assert aside["reason"].tolist() == ["collision"] * 2 and aside["row"].tolist() == [2, 3]


SHEETS = ("整体看板", "流量分析-流量转化")


@pytest.mark.parametrize(
    ("on_board", "below", "differ"),
    [
        ("9,999", 8947, True),
        ("0.9万", 8947, False),  # 8,500 to 9,500
        ("8,947", 8947, False),
        ("0.8万", 8947, True),
        ("8947", 0, True),
    ],
)
def test_two_sheets_of_one_session_that_state_a_figure_otherwise_are_a_question(
    tmp_path, on_board, below, differ
):
    board, funnel = (whole_session()[name] for name in SHEETS)
    sheets = whole_session(
        整体看板=[board[0], [on_board, *board[1][1:]]],
        **{SHEETS[1]: [funnel[0], ["直播间观看人数", below], *funnel[2:]]},
    )
    reading = load(workbook(tmp_path / "x.xlsx", **sheets))
    session = reading.tables["sessions"].iloc[0]
    assert session["product_click_users"] == 2001 and session["pay_users"] == 321
    if not differ:
        assert reading.questions.empty and session["viewers"] in (8947, 9000)
        return
    asked = reading.questions
    assert asked["reason"].tolist() == ["two_sheets"] * 2
    assert asked["sheet"].tolist() == list(SHEETS)
    assert asked["column"].tolist() == ["直播间观看人数"] * 2
    assert asked["value"].tolist() == [
        f"{on_board} ≠ {below} ({SHEETS[1]})",
        f"{below} ≠ {on_board} ({SHEETS[0]})",
    ]
    assert session.isna()["viewers"]
