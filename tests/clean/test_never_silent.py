"""No file, no book of a zip and no row above the headers is left without a word."""

from __future__ import annotations

import zipfile

import pytest
import xlsxwriter

from helpers import clean
from tests.clean.test_raw_file import ORDER, doudian
from tests.made_files import SESSION, load, named, table, workbook

PLAIN = [{**ORDER, "子订单编号": f"691792676882360000{number}"} for number in range(1, 6)]


def with_a_chart(path):
    book = xlsxwriter.Workbook(path)
    chart = book.add_chart({"type": "line"})
    chart.add_series({"values": "=图!$A$1:$A$2"})
    book.add_chartsheet("图").set_chart(chart)
    return book


def chart_alone(path):
    with_a_chart(path).close()


def without_its_list_of_sheets(path):
    whole = zipfile.ZipFile(workbook(path.with_name("whole.xlsx"), S=named(SESSION, SESSION)))
    with zipfile.ZipFile(path, "w") as archive:
        for name in whole.namelist():
            if name != "xl/workbook.xml":
                archive.writestr(name, whole.read(name))


def hidden_list(path):
    book = with_a_chart(path)
    sheet = book.add_worksheet("选项")
    sheet.write_column(0, 0, ["是", "否"])
    sheet.hide()
    book.close()


def explanation_alone(path):
    workbook(path, 填写说明=[["怎么填"]])


def empty_sheets(path):
    workbook(path, Sheet1=[], Sheet2=[[" "]], Sheet3=[])


SILENT = {
    chart_alone: "is a workbook without a worksheet",
    without_its_list_of_sheets: "is a workbook without a worksheet",
    hidden_list: "holds nothing to read",
    explanation_alone: "holds nothing to read",
    empty_sheets: "holds no cells",
}


@pytest.mark.parametrize("write", SILENT)
def test_a_workbook_with_nothing_to_read_is_named(tmp_path, write):
    write(tmp_path / "x.xlsx")
    files = load(tmp_path / "x.xlsx").files
    assert len(files) and files["problem"].str.contains(SILENT[write]).all()
    assert (
        files["problem"].str.contains("expected").all() and files["sha256"].str.len().eq(64).all()
    )


@pytest.mark.parametrize("write", SILENT)
def test_a_book_of_a_zip_with_nothing_to_read_is_named(tmp_path, write):
    write(tmp_path / "x.xlsx")
    orders = doudian(tmp_path / "o.csv", *PLAIN)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.write(orders, "o.csv")
        archive.write(tmp_path / "x.xlsx", "in/x.xlsx")
    reading = load(tmp_path / "all.zip")
    assert len(reading.tables["orders"]) == 5
    files = reading.files[reading.files["sheet"].str.startswith("in/x.xlsx")]
    assert len(files) and files["problem"].str.contains(SILENT[write]).all()


def test_an_empty_sheet_beside_others_is_nothing(tmp_path):
    path = workbook(tmp_path / "x.xlsx", S=named(SESSION, SESSION), Sheet2=[])
    assert load(path).files["problem"].isna().all()


def test_files_with_nothing_to_read_stop_no_ingest(tmp_path):
    workspace = clean.Workspace.open(tmp_path)
    workspace.raw.mkdir()
    doudian(workspace.raw / "o.csv", *PLAIN)
    for write in SILENT:
        write(workspace.raw / f"{write.__name__}.xlsx")
    (workspace.raw / "whole.xlsx").unlink()
    files = clean.ingest(workspace)
    unread = files[files["file"] != "o.csv"]
    assert set(unread["file"]) == {f"{write.__name__}.xlsx" for write in SILENT}
    assert unread["problem"].notna().all() and len(clean.read_table(workspace, "orders")) == 5


def test_somebodys_number_in_the_name_of_an_unread_member_is_hidden(tmp_path):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("张三13812345678.pdf", b"%PDF-1.7")
    files = load(tmp_path / "x.zip").files
    assert "13812345678" not in files.to_csv() and "is a PDF" in files["problem"].iloc[0]


# ---- headers among the rows, as where somebody sorted them with these


@pytest.mark.parametrize("above", [1, 2, 4, 5])
def test_rows_above_the_headers_are_said(tmp_path, above):
    path = doudian(tmp_path / "o.csv", *PLAIN)
    header, *rows = path.read_text(encoding="utf-8-sig").splitlines()
    lines = [*rows[:above], header, *rows[above:]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    reading = load(path)
    entry = reading.files.iloc[0]
    assert entry["rows_in"] == 5 - above
    assert entry["problem"] == (
        f"Column {header.split(',')[0]}: {above} rows left unread, first in row 1: rows above the "
        "headers that look like rows of this table. Put the headers above all rows."
    )
    assert reading.questions["reason"].tolist() == ["above_headers"]  # so `check` ends with 1


def test_headers_below_ten_thousand_rows_are_found_and_the_rows_said(tmp_path):
    path = table(tmp_path / "o.csv", named(ORDER, *[ORDER] * 10_000)[::-1])
    assert (
        load(path)
        .files["problem"]
        .iloc[0]
        .count("10,000 rows left unread, first in row 1: rows above the headers")
    )


@pytest.mark.parametrize(
    "above",
    [
        [["直播间列表"]],
        [["统计周期", "2026-09-01 ~ 2026-09-30"], ["导出时间", "2026-10-01 08:00:00"]],
        [["基础信息", "", "", "", "", "流量", "", "", "", "", "", "成交"]],
        [["说明：近30天"], ["场次数", "成交金额"], ["12", "3,400.50"], []],
    ],
)
def test_titles_above_the_headers_are_no_rows(tmp_path, above):
    entry = load(workbook(tmp_path / "x.xlsx", S=[*above, *named(SESSION, SESSION)])).files.iloc[0]
    assert entry["rows_kept"] == 1 and entry["problem"] is None


# ---- two columns of one name, two tables side by side


@pytest.mark.parametrize(("second", "kept"), [("19.00", 1), ("", 1), ("20.00", 0), ("-", 1)])
def test_a_second_column_of_the_same_name_that_differs_is_asked_about(tmp_path, second, kept):
    row = {"主订单编号": "6918233533507465001", "子订单编号": "6918233533507465002"}
    row |= {"订单提交时间": "2026-10-01 20:00:00", "支付完成时间": "2026-10-01 20:01:00"}
    cells = [[*row, "订单应付金额", "订单应付金额"], [*row.values(), "19.00", second]]
    for name in ("x.xlsx", "x.csv"):
        path = tmp_path / name
        reading = load(workbook(path, S=cells) if name == "x.xlsx" else table(path, cells))
        assert reading.files["rows_kept"].tolist() == [kept]
        assert reading.questions["reason"].tolist() == ["two_columns"] * (1 - kept)


def test_two_tables_side_by_side_are_asked_about(tmp_path):
    header, *rows = named(SESSION, *[SESSION] * 2)
    rows[1][header.index("直播开始时间")] = "2026-05-02 20:00:00"
    money = next(place for place, name in enumerate(header) if "金额" in name)
    rows[1][money] = 7.5
    side = [[*header, "", *header], [*rows[0], "", *rows[1]]]
    reading = load(workbook(tmp_path / "x.xlsx", S=side))
    assert reading.questions["reason"].eq("two_columns").any()


# ---- cells without a value, where Excel shows something

COUNT = '<c r="B2"><v>7</v></c>'


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ('<c r="B2" t="e"><v>#DIV/0!</v></c>', "#DIV/0!"),
        ('<c r="B2" s="1" t="e"><f>1/0</f><v>#REF!</v></c>', "#REF!"),
        ('<c r="B2"><f>A9+1</f></c>', "=A9+1"),
        ('<c r="B2"><f>A9&amp;1</f><v></v></c>', "=A9&1"),
        ('<c r="B2"><f>A9+1</f><v/></c>', "=A9+1"),
        ('<c r="B2"><f>A9+1</f><v>7</v></c>', None),
        ('<c r="B2" t="str"><f>A9</f><v></v></c>', None),  # an empty text
    ],
)
def test_errors_and_formulas_without_a_value_are_named(tmp_path, cell, value):
    plain = workbook(
        tmp_path / "plain.xlsx",
        S=[["直播开始时间", "直播间观看人数", "主播抖音号"], ["2026-05-01 20:00:00", 7, "shop1"]],
    )
    path = tmp_path / "x.xlsx"
    with zipfile.ZipFile(plain) as before, zipfile.ZipFile(path, "w") as after:
        for name in before.namelist():
            content = before.read(name).decode()
            assert not name.endswith("sheet1.xml") or COUNT in content
            after.writestr(name, content.replace(COUNT, cell))
    reading = load(path)
    assert reading.aside["value"].tolist() == ([] if value is None else [value])
    if value:
        assert reading.questions["column"].tolist() == ["直播间观看人数"]
