"""The whole way of workspaces that no team has, and some team will have.

One session alone; texts that would do harm if they were more than words.
"""

import re

import openpyxl
import pandas as pd
import pytest

from helpers import clean, reference
from tests.conftest import outside
from tests.published import published, words

pytestmark = pytest.mark.browser


def test_a_session_alone_in_its_workspace_gets_a_page_that_says_what_cannot_be_compared(tmp_path):
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    (tmp_path / "shop" / "raw" / "场次.csv").write_text(
        (
            "平台,直播间账号,开播时间,下播时间,直播时长,观看人数,成交人数,支付金额\n抖音"
            ",room1,2026-11-10 20:00:00,2026-11-10 20:10:00,600,800,12,960.5\n"
        ),
        encoding="utf-8",
    )
    folder = published(tmp_path / "shop", tmp_path / "reports", "zh")
    said = words((folder / "review.html").read_text(encoding="utf-8"))
    assert "¥960" in said and "没有可比" in said
    assert "好还是差无从判断" in said and "没有指标超出正常范围" not in said


# ------------------------------------------------------- what people type is never more than words


HOSTILE = (
    '<img src=x onerror="window.hit=1"><script>window.hit=1</script>',
    '=HYPERLINK("http://example.org",1)',
    "\u202egpj.exe\u2066 \u200b",
    "长" * 3000,
    "x" * 3000,
    "</text></svg><svg onload=window.hit=1>",
    "{{7*7}} ${7*7} $x_1$ `x` **b** [a](javascript:window.hit=1)",
    "@SUM(A1) +1-2",
    "\"' onmouseover=window.hit=1 x=",
    "a|b\\n# heading",
)
START = pd.Timestamp("2026-11-10 20:00")
NUMBERS = {
    "duration_seconds": 3600,
    "minute": 5,
    "rating": 3,
    "viewers": 5000,
    "paid_amount": 900.0,
    "target": 1000,
    "qty": 1,
}


def hostile_row(table: str, place: int) -> dict[str, object]:
    """A row of a canonical table with what would do harm if it were more than words.

    It stands in every column that takes text.
    """
    start = START + pd.Timedelta(days=place % 7)
    row: dict[str, object] = {"session_started_at": start, "session_room": "room1"}
    for number, (name, column) in enumerate(reference.tables()[table].columns.items()):
        if name in ("session_id", "as_of") or (table == "sessions" and name == "currency"):
            continue
        if column.terms:
            labels = list(reference.terms()[column.terms].values())
            row[name] = "抖音" if name == "platform" else labels[place % len(labels)].zh
        elif column.kind in ("text", "choice"):
            row[name] = {"currency": "CNY", "metric": "paid_amount"}.get(
                name, HOSTILE[(number + place) % len(HOSTILE)]
            )
        elif column.kind == "id":
            row[name] = "room1" if name == "room" else f"{name[0]}<b>{place % 3}"
        elif column.kind == "datetime":
            row[name] = start + pd.Timedelta(
                minutes=0
                if name.startswith("start")
                else 60
                if name.startswith("end")
                else 5 + place
            )
        else:
            row[name] = (
                "是"
                if column.kind == "flag"
                else NUMBERS.get(name, 0.05 if column.kind == "rate" else 40 + place % 5)
            )
    return row


def wrong_row(table: str) -> dict[str, object]:
    """A row with the same words where a number, a time or one of a few words must stand.

    It is kept aside, and shown there.
    """
    return {name: HOSTILE[place % len(HOSTILE)] for place, name in enumerate(hostile_row(table, 0))}


@pytest.fixture(scope="module")
def hostile_workspace(tmp_path_factory):
    """A small workspace in which every text of every table is hostile, names of files included."""
    folder = tmp_path_factory.mktemp("hostile") / "shop"
    (folder / "raw").mkdir(parents=True)
    words_alone = {"options": {"strings_to_formulas": False, "strings_to_urls": False}}
    with pd.ExcelWriter(
        folder / "raw" / "复盘 =1+1 <img src=x onerror=window.hit=1>.xlsx",
        engine="xlsxwriter",
        engine_kwargs=words_alone,
    ) as book:
        for name, table in reference.tables().items():
            if name not in ("files", "aside", "questions"):
                rows = [
                    hostile_row(name, place)
                    for place in range(7 if name in ("sessions", "goals", "events") else 21)
                ]
                pd.DataFrame([*rows, wrong_row(name)]).to_excel(
                    book, sheet_name=table.zh, index=False
                )
    return folder


@pytest.fixture(scope="module")
def hostile_review(hostile_workspace, tmp_path_factory):
    return published(hostile_workspace, tmp_path_factory.mktemp("reports"), "zh")


@pytest.mark.parametrize("size", ["desk", "phone"])
def test_a_hostile_workspace_is_words_on_the_page(hostile_review, opened, size):
    one = opened(hostile_review / "review.html", size)
    one.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    one.wait_for_timeout(100)
    assert (
        one.evaluate("window.hit") is None
        and one.complaints == []
        and not outside(one, hostile_review / "review.html")
    )
    assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    said = one.evaluate("document.body.textContent")
    assert "onerror=" in said and "=HYPERLINK(" in said and "window.hit=1" in said, (
        "the words themselves are there"
    )
    assert (
        not re.search("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]", said)
        and "长" * 800 not in said
    )
    assert one.evaluate(
        "[...document.querySelectorAll('*')].every(e => e.getAttributeNames().every(n => "
        "!n.startsWith('on')))"
    )
    listed = opened(hostile_review.parent / "index.html", size)
    assert listed.evaluate("window.hit") is None and listed.evaluate(
        "document.documentElement.scrollWidth <= window.innerWidth"
    )


def test_every_table_there_is_took_part_with_hostile_words_and_rows_kept_aside(hostile_workspace):
    """A table added to tables.yml later is in the hostile workspace by itself.

    That it was read as that table is what can go wrong.
    """
    workspace = clean.Workspace.open(hostile_workspace)
    read = {name: clean.read_table(workspace, name) for name in reference.tables()}
    aside = set(read["aside"]["table"])  # hostile ids are lists of ids, and all of their rows aside
    assert [name for name, rows in read.items() if rows.empty and name not in aside] == []
    assert aside == set(reference.tables()) - {"files", "aside", "questions"}


def test_a_hostile_workspace_is_words_in_its_workbooks(hostile_review, hostile_workspace):
    texts = [
        path
        for path in (
            hostile_review / "results.xlsx",
            hostile_review / "plan.xlsx",
            hostile_workspace / "clean" / "aside.xlsx",
            *(hostile_workspace / "plans").glob("*.xlsx"),
        )
        if path.exists()
    ]
    assert len(texts) == 4
    for path in texts:
        cells = [
            cell
            for sheet in openpyxl.load_workbook(path).worksheets
            for row in sheet.iter_rows()
            for cell in row
            if cell.value is not None
        ]
        assert len(cells) > 100 and not [cell.coordinate for cell in cells if cell.data_type == "f"]
    assert not re.search(
        "[\u202a-\u202e\u2066-\u2069]", (hostile_review / "summary.txt").read_text(encoding="utf-8")
    )
