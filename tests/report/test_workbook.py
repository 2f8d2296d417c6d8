"""The review as a workbook, as pictures, as words: complete, inert, without personal data."""

import io

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import reference, report
from helpers.core import privacy
from helpers.report import gate, page, parts, workbook
from tests.report.test_brief import made
from tests.sample_review import NAN, both, drawn, notebook, result, results

REGISTRY = reference.registry()
HOSTILE = [
    "=1+1",
    "@SUM(A1)",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "http://example.org/x",
    "<b>x</b>",
    "\u202egpj.exe",
    "x" * 40_000,
    "a\x07b",
]


def opened(sheets, lang="zh") -> openpyxl.Workbook:
    return openpyxl.load_workbook(
        io.BytesIO(workbook.workbook(sheets, page.definitions(REGISTRY.values(), lang), lang=lang))
    )


def sheet(frame: pd.DataFrame, lang: str = "zh", name: str = "verdicts") -> workbook.Sheet:
    return report.sheet(name, frame, about="为什么？", lang=lang, registry=REGISTRY)


def test_numbers_are_unrounded_and_words_are_those_of_the_page():
    book = opened([sheet(results()["verdicts"])])
    head, first, *_ = book["verdicts"].iter_rows(values_only=True)
    named = dict(zip(head, first, strict=True))
    assert (
        named["数值"] == 227_500
        and named["判断"] == "◆ 变差"
        and named["指标"] == "支付金额"
        and named["正常范围上限"] == 410_000
    )
    formats = {cell.number_format for cell in book["verdicts"][3] if isinstance(cell.value, float)}
    assert "#,##0.00" in formats, "a row has the unit of its own metric"


def test_contents_definitions_and_names_of_columns_stand_before_the_tables():
    book = opened(
        [sheet(results()["verdicts"]), sheet(pd.DataFrame({"name": ["x"]}), name="other")], "zh"
    )
    assert book.sheetnames == ["目录", "指标口径", "列说明", "verdicts", "other"]
    assert [row[:2] for row in book["目录"].iter_rows(values_only=True)][1:] == [
        ("verdicts", "为什么？"),
        ("other", "为什么？"),
    ]
    assert len(list(book["指标口径"].iter_rows())) == len(REGISTRY) + 1
    (value,) = [
        row
        for row in book["列说明"].iter_rows(values_only=True)
        if row[0] == "verdicts" and row[2] == "value"
    ]
    assert value[1] == "数值" and set(value[3].split(", ")) == {"金额", "人"}


@pytest.mark.parametrize(
    ("name", "row", "named"),
    [
        (
            "net",
            {"net_line": "net", "amount": 300.0, "lower": 250.0, "upper": 350.5},
            {
                "科目": {"words"},
                "金额": {"money"},
                "区间下限": {"money"},
                "区间上限": {"money"},
            },
        ),
        # paid is money elsewhere, here the people who paid; rate is of them
        (
            "viewer_carts",
            {"paid": 3.0, "rate": 0.25},
            {"30分钟内支付": {"count"}, "未支付占比": {"percent"}},
        ),
        # "unit" is a product here, and no unit of a number
        (
            "opportunity",
            {"unit": "371 × 搜索", "expected": 0.1, "money": 12.5},
            {
                "对照的水平（自身以往，全场跌了则下调）": {"percent"},
                "现实中补得回": {"money"},
            },
        ),
    ],
)
def test_a_sheet_names_and_measures_its_columns_as_the_page_does(name, row, named):
    entry = reference.results(None).tables[name]
    made = report.sheet(
        name, pd.DataFrame([row]), about="", lang="zh", registry=REGISTRY, entry=entry
    )
    measured = {column.name: {unit for _, unit in column.cells} for column in made.columns}
    assert named.items() <= measured.items()


@pytest.mark.parametrize("words", HOSTILE)
def test_no_text_becomes_a_formula_or_a_link(words):
    book = opened(
        [
            sheet(
                pd.DataFrame({"name": [words], "note": [words], f"c{words[:20]}": [words]}),
                name="t",
            )
        ]
    )
    cells = [
        cell
        for one in book.worksheets
        for row in one.iter_rows()
        for cell in row
        if cell.value is not None
    ]
    assert all(cell.data_type in ("s", "n") for cell in cells)
    assert not [cell for cell in book["t"]["A"] if cell.hyperlink] and not any(
        "\u202e" in str(cell.value) for cell in cells
    )


@given(
    st.lists(
        st.one_of(st.text(max_size=40), st.floats(), st.none(), st.booleans()),
        min_size=1,
        max_size=5,
    )
)
@settings(max_examples=30, deadline=None)
def test_any_table_makes_a_workbook(values):
    frame = pd.DataFrame({"a": pd.Series(values, dtype=object), "paid_amount": [NAN] * len(values)})
    assert opened([sheet(frame, name="t")])["t"].max_row <= len(values) + 1


def test_what_people_type_stands_there_without_personal_data_and_the_gate_would_see_it():
    made = sheet(pd.DataFrame({"note": ["请联系 13800138000"]}))
    assert not list(gate.personal_data(workbook.texts([made])))
    raw = workbook.Sheet(
        "t", "", [workbook.Column("note", "说明", [("请联系 13800138000", "words")])]
    )
    with pytest.raises(gate.GateError, match=r"phone number .* of results\.xlsx"):
        gate.check("", {}, words={"results.xlsx": workbook.texts([raw])})


def test_each_table_is_named_by_the_question_under_which_a_notebook_saves_it():
    saving = result(
        report.sentence("甲", "A", lang="zh"),
        'review.save("funnel", funnel.steps(x))\nreview.save("sources", y)',
    )
    books = {
        "02_funnel": parts.shown_cells(
            notebook(*both("## 哪一步？", "## Which step?"), saving), "zh"
        )
    }
    assert workbook.questions(books) == {"funnel": "哪一步？", "sources": "哪一步？"}


def test_every_chart_is_a_picture_of_its_own():
    charts = drawn("zh")
    made = dict(
        workbook.pictures({"02_funnel": notebook(*charts[:2]), "04_split": notebook(charts[2])})
    )
    assert list(made) == ["02_funnel-1.png", "02_funnel-2.png", "04_split-1.png"]
    assert (
        all(content.startswith(b"\x89PNG") for content in made.values())
        and len(set(made.values())) == 3
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_words_for_a_chat_are_those_of_the_first_layer_and_fit_a_message(lang):
    findings = results()["findings"].assign(metric="", value=1.0, baseline=2.0)
    layer = made(lang, findings=findings)
    words = workbook.chat(layer, lang=lang)
    wanted = [layer["title"], layer["facts"][-1], layer["goals"][0]["words"]]
    wanted += [line["words"] for line in [*layer["matters"], *layer["actions"]]]
    assert all(one in words for one in wanted) and len(words) <= 600
    assert privacy.hide(words) == words
    long = {**layer, "matters": [{**layer["matters"][0], "words": "很长的话" * 100}] * 5}
    cut = workbook.chat(long, lang=lang)
    assert len(cut) <= 600 and cut.count("很长的话") > 10 and layer["actions"][0]["words"] in cut
    empty = workbook.chat(made(lang, **dict.fromkeys(results(), pd.DataFrame())), lang=lang)
    assert {"zh": "没有需要改的事项", "en": "Nothing that needs to be changed"}[lang] in empty


@pytest.mark.parametrize(
    "line, width, words",
    [
        ("卖了 ¥14,115，目标 ¥16,300", 30, "卖了 ¥14,115，目标 ¥16,300"),
        ("卖了 ¥14,115，目标 ¥16,300", 18, "卖了 ¥14,115，目标…"),
        ("it ends at about ¥313,875 in all", 24, "it ends at about…"),
    ],
)
def test_no_line_of_a_chat_ends_within_a_figure(line, width, words):
    assert workbook._cut(line, width) == words
