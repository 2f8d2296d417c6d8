"""A file as its user sees it: merged cells, hidden rows and sheets, half a file, a wrong name."""

import re
import zipfile

import pandas as pd
import pytest
import xlsxwriter

from helpers.clean import limits
from tests.clean.test_totals import HOURLY, HOURS, LIST, counts, night
from tests.made_files import load, old_workbook, workbook

ORDERS = ["主订单编号", "子订单编号", "商品数量", "订单应付金额", "订单提交时间", "支付完成时间"]
NIGHTS = [night(1, 3000, 100, 1), night(2, 4000, 200, 2), night(3, 5000, 300, 3)]


def line(order, number, amount):
    at = "2026-10-01 20:00:00"
    return [f"691823350750746{order:04}", f"691823350750747{number:04}", 1, amount, at, at]


def book(path, rows, *, merge=(), hide=(), hidden_sheet=None, very=False):
    """A workbook of one sheet: merged ranges (top, left, bottom, right, value), hidden rows."""
    made = xlsxwriter.Workbook(path)
    sheet = made.add_worksheet("S")
    for at, row in enumerate(rows):
        sheet.write_row(at, 0, row)
    for *place, value in merge:
        sheet.merge_range(*place, value)
    for at in hide:
        sheet.set_row(at, None, None, {"hidden": True})
    if hidden_sheet:
        other = made.add_worksheet("旧")
        for at, row in enumerate(hidden_sheet):
            other.write_row(at, 0, row)
        (other.very_hidden if very else other.hide)()
    made.close()
    return path


# ---- merged cells


def test_what_is_merged_down_is_of_all_its_rows(tmp_path):
    rows = [ORDERS, line(1, 1, 10.5), line(1, 2, 20), line(2, 3, 30)]
    merge = [(1, 0, 2, 0, rows[1][0]), (1, 4, 3, 4, "2026-10-01 20:00:00")]
    lines = load(book(tmp_path / "o.xlsx", rows, merge=merge)).tables["orders"]
    assert lines["order_id"].tolist() == [rows[1][0], rows[1][0], rows[3][0]]
    assert lines["paid"].sum() == 60.5 and lines["created_at"].notna().all()


def test_names_merged_down_and_titles_and_remarks_merged_right(tmp_path):
    rows = [["十月直播"], LIST, *NIGHTS, ["数据来自后台"]]
    merge = [
        (0, 0, 0, 5, "十月直播"),
        (2, 0, 4, 0, "某店"),
        (2, 1, 4, 1, "shop1"),
        (5, 0, 5, 5, "数据来自后台"),
    ]
    reading = load(book(tmp_path / "x.xlsx", rows, merge=merge))
    assert reading.tables["sessions"]["room"].tolist() == ["shop1"] * 3
    assert counts(reading) == (3, 1, 0)


def test_one_amount_merged_over_two_lines_is_asked_about(tmp_path):
    rows = [ORDERS, line(1, 1, 30), line(1, 2, 30), line(2, 3, 5)]
    reading = load(book(tmp_path / "o.xlsx", rows, merge=[(1, 3, 2, 3, 30)]))
    assert reading.tables["orders"]["paid"].tolist() == [5]
    assert reading.aside[["row", "column", "value", "reason"]].values.tolist() == [
        [2, "订单应付金额", "30", "merged"],
        [3, "订单应付金额", "30", "merged"],
    ]
    assert "订单应付金额" in reading.files["problem"].iloc[0]


# ---- hidden rows and sheets


@pytest.mark.parametrize(
    ("total", "cost", "said"),
    [
        (["合计", "", 125.5, 310, 4], 125.5, "left out"),  # of the two rows that are shown
        (["合计", "", 175.5, 400, 6], 175.5, "read like the others"),
        (None, 175.5, "read like the others"),
    ],
)
def test_hidden_rows_are_read_where_the_total_counts_them(tmp_path, total, cost, said):
    rows = [HOURLY, *HOURS, *([total] if total else [])]
    reading = load(book(tmp_path / "x.xlsx", rows, hide=[2]))
    assert reading.tables["ads"]["cost"].sum() == cost and not len(reading.aside)
    assert f"1 rows are hidden in the sheet: {said}" in reading.files["problem"].iloc[0]


@pytest.mark.parametrize(
    ("total", "cost", "said"),
    [
        (["合计", "", 125.5, 310, 4], 125.5, "left out"),
        (["合计", "", 175.5, 400, 6], 175.5, "read like the others"),
    ],
)
def test_hidden_rows_of_an_old_workbook(tmp_path, total, cost, said):
    path = old_workbook(tmp_path / "x.xls", [HOURLY, *HOURS, total], hidden=[3])
    reading = load(path)
    assert reading.tables["ads"]["cost"].sum() == cost and not len(reading.aside)
    assert f"1 rows are hidden in the sheet: {said}" in reading.files["problem"].iloc[0]


def test_merged_cells_of_an_old_workbook(tmp_path):
    rows = [ORDERS, line(1, 1, 10.5), ["", *line(1, 2, 20)[1:]], line(2, 3, 30)]
    lines = load(old_workbook(tmp_path / "o.xls", rows, merged=[(1, 0, 2, 0)])).tables["orders"]
    assert lines["order_id"].tolist() == [rows[1][0], rows[1][0], rows[3][0]]
    shared = [ORDERS, line(1, 1, 30), [*line(1, 2, 0)[:3], "", *line(1, 2, 0)[4:]], line(2, 3, 5)]
    asked = load(old_workbook(tmp_path / "p.xls", shared, merged=[(1, 3, 2, 3)]))
    assert asked.tables["orders"]["paid"].tolist() == [5]
    assert asked.aside[["row", "reason"]].values.tolist() == [[2, "merged"], [3, "merged"]]


def test_plain_days_of_an_old_workbook_that_counts_from_1904(tmp_path):
    """2026-10-01 20:00 is day 44834.8333 since 1904-01-01, and 46296.8333 as others count."""
    rows = [ORDERS, [*line(1, 1, 30)[:4], 44834 + 5 / 6, 44834 + 5 / 6]]
    old, usual = (
        load(old_workbook(tmp_path / f"{era}.xls", rows, era_1904=era)) for era in (True, False)
    )
    at = old.tables["orders"]["created_at"].iloc[0]
    assert f"{at:%Y-%m-%d %H:%M}" == "2026-10-01 20:00"
    at = usual.tables["orders"]["created_at"].iloc[0]
    assert f"{at:%Y-%m-%d %H:%M}" == "2022-09-30 20:00"


def without_row_numbers(path):
    """The workbook with cells that name their column alone, as some platforms write it."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            if name.startswith("xl/worksheets/"):
                part = re.sub(rb'(<c r="[A-Z]+)\d+"', rb'\1"', part)
            archive.writestr(name, part)
    return path


@pytest.mark.parametrize("hide", [[], [2]])
def test_cells_that_name_their_column_alone_stand_in_the_row_around_them(tmp_path, hide):
    rows = [HOURLY, *HOURS, ["合计", "", 125.5, 310, 4]] if hide else [HOURLY, [], *HOURS]
    reading = load(without_row_numbers(book(tmp_path / "x.xlsx", rows, hide=hide)))
    assert reading.tables["ads"]["cost"].sum() == (125.5 if hide else 175.5)
    assert reading.tables["ads"]["source_row"].tolist() == ([2, 4] if hide else [3, 4, 5])


def test_such_a_workbook_keeps_its_limits(tmp_path, monkeypatch):
    path = without_row_numbers(book(tmp_path / "x.xlsx", [HOURLY, *HOURS]))
    monkeypatch.setattr(limits, "MAX_CELLS", 10)
    (said,) = load(path).files["problem"]
    assert "expected at most 2,000 columns and 10 cells" in said


def test_such_a_workbook_that_is_damaged_elsewhere_is_named(tmp_path):
    path = without_row_numbers(book(tmp_path / "x.xlsx", [HOURLY, *HOURS]))
    content = path.read_bytes()
    at = content.index(b"<styleSheet")
    path.write_bytes(content[:at] + b"<damaged!!!" + content[at + 11 :])
    (said,) = load(path).files["problem"]
    assert said.startswith("This workbook cannot be read (")


@pytest.mark.parametrize("very", [False, True])
def test_a_hidden_sheet_is_left_and_said(tmp_path, very):
    path = book(tmp_path / "x.xlsx", [HOURLY, *HOURS], hidden_sheet=[HOURLY, HOURS[0]], very=very)
    reading = load(path)
    assert reading.tables["ads"]["cost"].sum() == 175.5
    problem = reading.files.set_index("sheet").at["旧", "problem"]
    assert problem.startswith("This sheet is hidden: 1 rows left unread")


def test_a_hidden_sheet_without_a_table_is_nothing(tmp_path):
    path = book(tmp_path / "x.xlsx", [HOURLY, *HOURS], hidden_sheet=[["是"], ["否"]])
    assert load(path).files["sheet"].tolist() == ["S"]


# ---- half a file


@pytest.mark.parametrize(
    "half",
    [
        "某店,shop1,2026-10-04 20:0",
        "某店,shop1,2026-10-04 20:00:00,6000,4",  # of ¥400
        "某",
        '"某店',
        '某店,"shop1,2026-10-04 20:00:00',
        '某店,shop1,2026-10-04 20:00:00,6000,400,"4',
    ],
)
def test_a_row_in_which_the_file_ends_is_kept_aside(tmp_path, half):
    path = tmp_path / "x.csv"
    rows = "\n".join(",".join(map(str, row)) for row in [LIST, *NIGHTS])
    path.write_text(f"{rows}\n{half}", encoding="utf-8")
    reading = load(path)
    assert reading.tables["sessions"]["paid_amount"].tolist() == [100, 200, 300]
    assert reading.aside[["row", "reason"]].values.tolist() == [[5, "cut"]]
    assert "the file ends in the middle of this row" in reading.files["problem"].iloc[0]


@pytest.mark.parametrize("last", ["导出人：某某", "合计,,,12000,600,6", "合计,,,12000,600"])
def test_a_last_row_without_a_line_end_may_be_whole(tmp_path, last):
    path = tmp_path / "x.csv"
    rows = "\n".join(",".join(map(str, row)) for row in [LIST, *NIGHTS])
    path.write_text(f"{rows}\n{last}", encoding="utf-8")
    assert counts(load(path)) == (3, 1, 0)


# ---- an export time before the rows


@pytest.mark.parametrize(
    ("name", "exported", "said"),
    [
        ("list_20260901100000.xlsx", "2026-10-03 20:00", True),
        ("list_20261003190000.xlsx", "2026-10-03 20:00", True),
        ("list_20261004100000.xlsx", "2026-10-04 10:00", False),
    ],
)
def test_the_rows_are_not_after_the_export(tmp_path, name, exported, said):
    files = load(workbook(tmp_path / name, S=[LIST, *NIGHTS])).files
    assert files["as_of"].iloc[0] == pd.Timestamp(exported, tz="Asia/Shanghai")
    assert ("the rows count" in str(files["problem"].iloc[0])) == said
