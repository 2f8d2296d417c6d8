"""Rows kept aside come back.

Mended in the Excel, dropped into raw/, read with the next run, and counted once.
"""

from __future__ import annotations

import json
import shutil

import openpyxl
import pandas as pd
import pytest

from helpers import clean, demo, reference
from helpers.clean import mend
from helpers.review import open_review
from tests.clean.test_raw_file import ORDER, doudian
from tests.made_files import export, headers_of, named, table, whole_session, workbook

GOOD = {**ORDER, "子订单编号": "\t6917926768823643001"}
LATE = {
    **ORDER,
    "子订单编号": "\t6917926768823643002",
    "订单提交时间": "=HYPERLINK(昨天 13912345678)",
    "选购商品": "=1+1 卫衣",
}
MANY = {
    **ORDER,
    "子订单编号": "\t6917926768823643003",
    "订单应付金额": "很多",
    "选购商品": "@SUM(A1) 裤子",
}
LIVE = [
    "直播标题",
    "父订单",
    "子订单",
    "会员名",
    "商品id",
    "商品标题",
    "下单时间",
    "支付时间",
    "支付金额",
]


def opened(folder):
    workspace = clean.Workspace.open(folder)
    files = clean.ingest(workspace)
    assert (
        files["rows_in"] == files["rows_kept"] + files["rows_totals"] + files["rows_aside"]
    ).all()
    assert len(clean.read_table(workspace, "aside")) == files["rows_aside"].sum()
    return workspace


def counts(workspace, file):
    files = clean.read_table(workspace, "files")
    return (
        files.loc[files["file"] == file, ["rows_in", "rows_kept", "rows_aside", "rows_mended"]]
        .sum()
        .tolist()
    )


def mended(workspace, name, *cells):
    """Mend cells of clean/aside.xlsx as a person would, and save it into raw/.

    A cell is given as (row of the original, header, new value).
    """
    book = openpyxl.load_workbook(workspace.clean / "aside.xlsx")
    for number, header, value in cells:
        for sheet in book.worksheets[1:]:
            heads = [cell.value for cell in sheet[1]]
            at = heads.index(mend.HEADERS["row"])
            for row in sheet.iter_rows(min_row=2):
                if row[at].value == str(number) and header in heads:
                    row[heads.index(header)].value = value
    book.save(workspace.raw / name)


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "raw").mkdir()
    doudian(tmp_path / "raw" / "1791213782_ab.csv", GOOD, LATE, MANY)
    return tmp_path


def test_the_workbook_shows_each_row_as_it_stood_and_nobody_s_data(shop):
    workspace = opened(shop)
    book = openpyxl.load_workbook(workspace.clean / "aside.xlsx")
    explanation, sheet = book.worksheets
    assert "raw/" in explanation["A3"].value + explanation["A4"].value
    heads = [cell.value for cell in sheet[1]]
    first = dict(zip(heads, [cell.value for cell in sheet[2]], strict=True))
    assert first["选购商品"] == "=1+1 卫衣" and first["子订单编号"] == "6917926768823643002"
    assert [first[mend.HEADERS[name]] for name in ("file", "row", "column")] == [
        "1791213782_ab.csv",
        "3",
        "订单提交时间",
    ]
    assert (
        "not a date" in first[mend.HEADERS["reason"]]
        and "2026-11-10 20:00:00" in first[mend.HEADERS["expected"]]
    )
    cells = [cell for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert {cell.data_type for cell in cells} == {"s"} and all(
        cell.quotePrefix and cell.number_format == "@" for cell in cells
    )
    everything = (
        "".join(cell.value for cell in cells) + clean.read_table(workspace, "aside").to_csv()
    )
    for secret in ("密文", "13812345678", "13912345678", "西湖区", "收件人", "买家留言"):
        assert secret not in everything
    assert not set(heads) & set(export("doudian", "orders").personal)
    assert sheet.cell(2, heads.index("订单提交时间") + 1).fill.fgColor.rgb.endswith("FFE699")


def test_mended_rows_are_read_counted_once_and_what_is_still_wrong_stays_aside(shop):
    workspace = opened(shop)
    assert counts(workspace, "1791213782_ab.csv") == [3, 1, 2, 0]
    mended(
        workspace,
        "修正.xlsx",
        (3, "订单提交时间", "2026-09-22 01:00:00"),
        (4, "订单应付金额", "更多"),
    )
    workspace = opened(shop)
    assert counts(workspace, "1791213782_ab.csv") == [3, 2, 1, 1] and counts(
        workspace, "修正.xlsx"
    ) == [0, 0, 0, 0]
    orders = clean.read_table(workspace, "orders").set_index("line_id")
    assert orders.at["6917926768823643002", "created_at"] == pd.Timestamp(
        "2026-09-22 01:00", tz="Asia/Shanghai"
    )
    assert (orders["source_file"] == "1791213782_ab.csv").all()
    aside = clean.read_table(workspace, "aside")
    assert aside[["row", "column", "value", "reason", "field", "expected"]].values.tolist() == [
        [4, "订单应付金额", "更多", "not_a_number", "payable", "money"]
    ]
    changed = clean.read_table(workspace, "mended")
    assert changed[["row", "column", "value", "mended"]].values.tolist() == [
        [3, "订单提交时间", "=HYPERLINK(昨天 ***)", "2026-09-22 01:00:00"],
        [4, "订单应付金额", "很多", "更多"],
    ]
    assert clean.read_table(workspace, "files")["table"].notna().all()


def test_the_next_workbook_may_replace_the_last_one(shop):
    workspace = opened(shop)
    mended(workspace, "修正.xlsx", (3, "订单提交时间", "2026-09-22 01:00:00"))
    workspace = opened(shop)
    mended(workspace, "修正.xlsx", (4, "订单应付金额", "88"))
    workspace = opened(shop)
    assert counts(workspace, "1791213782_ab.csv") == [3, 3, 0, 2]
    assert (
        clean.read_table(workspace, "orders")
        .set_index("line_id")
        .at["6917926768823643003", "payable"]
        == 88
    )
    before = (workspace.clean / "aside.xlsx").read_bytes()
    clean.ingest(workspace, force=True)
    assert (workspace.clean / "aside.xlsx").read_bytes() == before


def test_a_mended_file_stands_once_among_the_exports_and_its_copy_counts_nothing(tmp_path):
    (tmp_path / "raw").mkdir()
    session = {
        "主播昵称": "小店",
        "主播抖音号": "shop1",
        "直播开始时间": "2026/11/10 20:00:00",
        "直播结束时间": "2026/11/10 23:00:00",
        "直播间观看人数": "100",
    }
    rows = named(
        demo.cells.layout("compass_list"),
        session,
        {**session, "直播开始时间": "2026/11/31 20:00:00", "直播结束时间": "2026/11/11 23:00:00"},
    )
    workbook(tmp_path / "raw" / "list.xlsx", 直播间列表=rows)
    workspace = opened(tmp_path)
    mended(workspace, "修正.xlsx", (3, "直播开始时间", "2026/11/11 20:00:00"))
    shutil.copy(workspace.raw / "list.xlsx", workspace.raw / "另存为.xlsx")
    workspace = opened(tmp_path)
    assert counts(workspace, "list.xlsx")[3] == 1 and counts(workspace, "另存为.xlsx") == [
        0,
        0,
        0,
        0,
    ]
    good = clean.read_table(workspace, "sessions")["session_id"].min()
    assert open_review(
        good, data_dir=str(tmp_path), reports_dir=str(tmp_path / "reports"), notebook="x"
    ).exports()["source_file"].tolist() == ["list.xlsx"]


def test_a_workbook_put_back_untouched_changes_nothing(shop):
    workspace = opened(shop)
    before = clean.read_table(workspace, "aside")
    shutil.copy(workspace.clean / "aside.xlsx", workspace.raw / "原样.xlsx")
    workspace = opened(shop)
    pd.testing.assert_frame_equal(clean.read_table(workspace, "aside"), before)
    assert clean.read_table(workspace, "mended").empty and counts(
        workspace, "1791213782_ab.csv"
    ) == [3, 1, 2, 0]


def test_the_mended_row_keeps_its_buyer(tmp_path):
    (tmp_path / "raw").mkdir()
    row = ["上新", "1", "2", "买家甲", "61", "卫衣", "2026-05-01 20:10:00", "-", "-"]
    workbook(
        tmp_path / "raw" / "o.xlsx", S=[LIVE, row, [*row[:2], "3", *row[3:6], "昨晚", *row[7:]]]
    )
    workspace = opened(tmp_path)
    assert "买家甲" not in clean.read_table(workspace, "aside").to_csv()
    mended(workspace, "m.xlsx", (3, "下单时间", "2026-05-01 20:15:00"))
    keys = clean.read_table(opened(tmp_path), "orders")["buyer_key"]
    assert len(keys) == 2 and keys.nunique() == 1


def test_rows_that_lean_on_their_sheet_are_mended_in_it(tmp_path):
    """A SKU below its product, a channel of a session named on another sheet.

    Read with the whole workbook, not alone.
    """
    (tmp_path / "raw").mkdir()
    sheets = whole_session()
    sheets["商品分析-商品明细"][2][2] = "很多"
    sheets["流量分析-渠道分析"][2][3] = "几千"
    workbook(tmp_path / "raw" / "x.xlsx", **sheets)
    workspace = opened(tmp_path)
    assert counts(workspace, "x.xlsx")[2] == 2
    mended(workspace, "m.xlsx", (3, "用户支付金额", "¥150,000"), (3, "观看人数", "5,000"))
    workspace = opened(tmp_path)
    assert counts(workspace, "x.xlsx")[2:] == [0, 2]
    products = clean.read_table(workspace, "products").set_index("sku_id")
    assert products.loc["黑色 L", ["product_id", "paid_amount"]].tolist() == ["3645", 150000]
    assert (
        clean.read_table(workspace, "traffic").set_index("source").at["直播推荐", "viewers"] == 5000
    )


def test_mended_rows_without_their_original_are_kept_aside_with_that_reason(shop):
    workspace = opened(shop)
    mended(workspace, "修正.xlsx", (3, "订单提交时间", "2026-09-22 01:00:00"))
    (shop / "raw" / "1791213782_ab.csv").unlink()
    workspace = opened(shop)
    assert counts(workspace, "修正.xlsx") == [2, 0, 2, 0]
    aside = clean.read_table(workspace, "aside")
    assert (
        set(aside["reason"]) == {"no_original"}
        and set(aside["value"]) == {"1791213782_ab.csv"}
        and aside["row"].tolist() == [2, 3]
    )


@pytest.mark.parametrize(
    ("system", "name"),
    [
        (system.system, each.id)
        for system in reference.systems()
        for each in system.exports
        if each.layout == "rows"
    ],
)
def test_every_row_in_is_kept_a_total_or_aside_and_every_row_aside_stands_in_the_workbook(
    tmp_path, system, name
):
    """Of each export a file with good, bad, total and repeated rows.

    The counts agree, and the workbook holds the bad ones.
    """
    how = export(system, name)
    heads = headers_of(how)
    wrong = [{header: value for header in heads} for value in ("5", "?", "很多", "5", "合计")]
    (tmp_path / "raw").mkdir()
    table(tmp_path / "raw" / "x.csv", named(heads, *wrong))
    workspace = opened(tmp_path)
    files, aside = clean.read_table(workspace, "files"), clean.read_table(workspace, "aside")
    assert files["rows_in"].sum() == 5 and files["rows_aside"].sum() >= 1
    grids = pd.read_excel(
        workspace.clean / "aside.xlsx", sheet_name=None, header=None, dtype="str", engine="calamine"
    )
    rows = pd.concat(
        [
            mend.rows_of(grid.astype(object).where(grid.notna(), None), "")
            for key, grid in grids.items()
            if mend.is_ours(grid)
        ]
    )
    assert sorted(rows["row"]) == sorted(aside["row"])
    assert [json.loads(cells) for cells in rows["cells"]] == [
        json.loads(cells) for cells in aside["row_json"]
    ]
    shutil.copy(workspace.clean / "aside.xlsx", workspace.raw / "again.xlsx")
    assert clean.read_table(opened(tmp_path), "mended").empty
