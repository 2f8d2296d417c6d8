"""Personal data planted in a small workspace reaches nothing that is written or printed."""

import datetime as dt
import hashlib
import re

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import clean, reference
from helpers.clean import invariants, personal_data, template
from helpers.core import text
from helpers.report import gate
from helpers.run import cli
from tests.made_files import in_english

START = dt.datetime(2026, 11, 10, 20)
PLANTED = [
    "13912345678",
    "139　1234　5678",
    "139  1234  5678",
    "139\u200b1234\u200b5678",
    "１３９－１２３４－５６７８",
    "139 123 45678",
    "一三九一二三四五六七八",
    "1️⃣3️⃣9️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣8️⃣",
    "（０５７１）8888 6666",
    "１１０１０５１９４９１２３１００２Ｘ",
    "身份证110105491231002",
    "6222 0202 0011 2230 954",
    "微信：abc_1234",
    "QQ 98765432",
    "zhang.san＠example.com",
    "浙江省杭州市西湖区文三路90号",
]
SECRETS = re.compile(
    "1234.{0,6}5678|123 45678|一三九一二三|1️⃣2️⃣3️⃣|8888.{0,3}6666|１９４９１２３１|491231"
    "|0011.{0,3}2230|abc_1234|98765432|zhang.san|文三路|李四|12345678"
)


def fill(path, rows_of):
    """Write the template with these rows by table and canonical column."""
    clean.write_template(path, "zh")
    book = openpyxl.load_workbook(path)
    for table, rows in rows_of.items():
        sheet = book[text.label(reference.tables()[table], "zh")]
        headers = [cell.value for cell in sheet[1]]
        labels = reference.tables()[table].columns | {"session_started_at": template._SESSION_START}
        for number, row in enumerate(rows, start=2):
            for column, value in row.items():
                sheet.cell(number, headers.index(text.label(labels[column], "zh")) + 1, value)
    for name in ("客户 139　1234　5678", "客户 139 1234 5678"):
        book.create_sheet(name).append(["甲", "乙"])
    book.save(path)


@pytest.fixture
def planted(tmp_path, monkeypatch):
    monkeypatch.setenv("FUPAN_KEYS", str(tmp_path / "keys"))
    folder = tmp_path / "shop"
    (folder / "raw").mkdir(parents=True)
    session = {"platform": "抖音", "room": "shop1", "started_at": START}
    moments = [START + dt.timedelta(minutes=number) for number in range(len(PLANTED))]
    of_orders = {"platform": "抖音", "created_at": START}
    fill(
        folder / "raw" / "李四_１３９　１２３４　５６７８.xlsx",
        {
            "sessions": [
                session
                | {"title": f"今晚 {PLANTED[1]}", "host": PLANTED[3], "room_name": PLANTED[7]}
            ],
            "comments": [
                {"at": at, "user_key": words, "text": f"加我 {words} 谢谢"}
                for at, words in zip(moments, PLANTED, strict=True)
            ]
            + [{"at": "不知道", "text": words} for words in PLANTED],
            "orders": [
                of_orders
                | {
                    "order_id": f"69179267688236437{number:02}",
                    "line_id": f"69179267688236438{number:02}",
                    "product_name": f"卫衣 {words}",
                    "buyer_key": words,
                }
                for number, words in enumerate(PLANTED, start=10)
            ],
            "notes": [
                {
                    "session_started_at": START,
                    "role": "host",
                    "dimension": "fans",
                    "severity": "high",
                    "problem": words,
                }
                for words in PLANTED
            ],
        },
    )
    (folder / "raw" / "张三 13912345678.csv").write_text("甲,乙\n1,2\n", encoding="utf-8")
    return folder


def texts_of(folder):
    """Every text below clean/, with the file that holds it."""
    for path in sorted(folder.rglob("*.parquet")):
        for name, cells in pd.read_parquet(path).items():
            yield from ((path.name, words) for words in (name, *cells.dropna().astype("str")))
    for path in sorted(folder.rglob("*.xlsx")):
        for sheet in openpyxl.load_workbook(path):
            yield path.name, sheet.title
            for row in sheet.iter_rows(values_only=True):
                yield from ((path.name, str(cell)) for cell in row if cell is not None)
    for path in sorted(folder.rglob("*.json")):
        yield path.name, path.read_text(encoding="utf-8")


def test_what_is_planted_reaches_no_table_workbook_or_message(planted):
    for options in ([], ["--json"]):
        outcome = CliRunner().invoke(cli.main, ["check", "--data", str(planted), *options])
        assert not SECRETS.search(outcome.output.replace(str(planted), ""))
    held = list(texts_of(planted / "clean"))
    assert [(name, words) for name, words in held if SECRETS.search(words)] == []
    workspace = clean.Workspace.open(planted)
    assert clean.read_table(workspace, "personal").empty
    comments = clean.read_table(workspace, "comments")
    assert len(comments) == len(PLANTED) and comments["text"].str.contains("***", regex=False).all()
    assert comments["text"].str.startswith("加我 ").all(), "the rest of the text stays"
    orders = clean.read_table(workspace, "orders")
    assert set(orders["order_id"]) == {f"69179267688236437{number:02}" for number in range(10, 26)}
    assert len(clean.read_table(workspace, "aside")) == len(PLANTED)
    assert {"aside.xlsx"} < {name for name, _ in held}


def test_a_file_with_a_telling_name_is_shown_masked_and_found_by_its_digest(planted):
    digests = {
        path.suffix: hashlib.sha256(path.read_bytes()).hexdigest()[:8]
        for path in (planted / "raw").iterdir()
    }
    files = in_english(clean.ingest(clean.Workspace.open(planted)))
    assert set(files["file"]) == {
        f"***_***~{digests['.xlsx']}.xlsx",
        f"*** ***~{digests['.csv']}.csv",
    }
    assert files["problem"].str.contains("give it another name").all()
    of_csv = files[files["file"].str.endswith(".csv")]
    assert of_csv["problem"].str.contains(f"SHA-256 begins with {digests['.csv']}").all()
    unknown = files.loc[files["file"].str.endswith(".xlsx") & files["table"].isna(), "sheet"]
    assert set(unknown) == {"客户 ***", "客户 *** (2)"}


HOURS = ["时间-小时", "整体消耗", "整体成交金额", "整体成交订单数", "净成交金额"]
EIGHT = ["2026-10-01 20:00 ~ 20:59", "100.00", "200.00", 2, "150.00"]
NINE = ["2026-10-01 21:00 ~ 21:59", "100.00", "200.00", 2, "150.00"]


@pytest.mark.parametrize("words", [PLANTED[0], PLANTED[4], PLANTED[6]])
def test_what_a_total_row_and_a_sheet_are_called_is_hidden_in_every_store(tmp_path, words):
    (tmp_path / "raw").mkdir()
    book = openpyxl.Workbook()
    book.active.title = f"李四 {words}"
    for row in (HOURS, EIGHT, NINE, [f"合计 {words}", "300.00", "400.00", 4, "300.00"]):
        book.active.append(row)
    book.save(tmp_path / "raw" / "hours.xlsx")
    outcome = CliRunner().invoke(cli.main, ["check", "--json", "--data", str(tmp_path)])
    assert not SECRETS.search(outcome.output)
    held = list(texts_of(tmp_path / "clean"))
    assert [(name, words) for name, words in held if SECRETS.search(words)] == []
    workspace = clean.Workspace.open(tmp_path)
    assert clean.read_table(workspace, "files")["sheet"].tolist() == ["*** ***"]
    assert any("合计 ***" in words for _, words in held), "as a total row, or as one kept aside"


@pytest.mark.parametrize(
    ("table", "column", "rows"),
    [
        ("invariants", "example_zh", {"example_zh": "合计行「合计 13912345678」"}),
        ("questions", "value", {"value": "１３９－１２３４－５６７８", "reason": "missing"}),
        ("mended", "row_json", {"row_json": '{"备注": "微信：abc_1234"}'}),
        ("attribution", "note", {"note": "zhang.san＠example.com"}),
    ],
)
def test_a_ledger_that_holds_something_personal_is_named(table, column, rows):
    ledger = pd.DataFrame([{"file": "a.csv", "sheet": None, "row": 3.0} | rows])
    (hit,) = personal_data.scan({table: ledger}).to_dict("records")
    assert (hit["table"], hit["column"]) == (table, column)
    (failure,) = gate.stored_failures(personal_data.scan({table: ledger}))
    assert failure.startswith(f"clean/{table}, column {column}: ")


def test_the_ledger_of_invariants_goes_through_the_scan(planted, monkeypatch):
    checked = invariants.across

    def planting(*tables):
        return pd.concat([checked(*tables)] * 2).assign(example_zh="合计 13912345678")

    monkeypatch.setattr(invariants, "across", planting)
    workspace = clean.Workspace.open(planted)
    clean.ingest(workspace)
    assert set(clean.read_table(workspace, "personal")["table"]) == {"invariants"}
