"""The Excel that a team fills in: what is written into it comes back, in either language."""

import datetime as dt

import openpyxl
import pandas as pd
import pytest

from helpers import clean, reference
from helpers.clean import recognise, template
from helpers.core import text

CHINA = "Asia/Shanghai"
START = dt.datetime(2026, 11, 10, 20, 0)
# One filled-in row a table, by canonical column; choices as codes, written in the template's
# language.
FILLED = {
    "sessions": {
        "platform": "douyin",
        "room": "shop1",
        "host": "小李",
        "kind": "promotion",
        "started_at": START,
        "ended_at": START.replace(hour=23),
        "viewers": 1000,
        "avg_watch_seconds": "1分5秒",
        "fan_viewer_share": "35%",
        "paid_amount": 12000.5,
    },
    "minutes": {"at": START, "online": 120, "paid_amount": 99.5},
    "traffic": {
        "session_started_at": START,
        "source": "直播推荐",
        "is_paid": False,
        "viewers": 600,
    },
    "products": {
        "session_started_at": START,
        "product_id": "6917926768823643751",
        "name": "卫衣",
        "tier": "profit",
        "price": 199,
    },
    "comments": {"at": START, "user_key": "观众甲", "text": "多少钱，加我 13812345678"},
    "service": {"enquiry_id": "Q1", "opened_at": START, "converted": True},
    "rundown": {"starts_at": START, "stage": "follow_prompt", "content": "点关注"},
    "cues": {"at": START, "kind": "lucky_bag", "stock_after": 10},
    "audience": {"session_started_at": START, "dimension": "sex", "group": "女", "viewers": 700},
    "goals": {"session_started_at": START, "metric": "paid_amount", "target": 15000},
    "orders": {
        "platform": "douyin",
        "order_id": "6917926768823643751",
        "line_id": "6917926768823643752",
        "created_at": START,
        "buyer_key": "会员乙",
    },
    "costs": {"item": "unit_cost", "product_id": "6917926768823643751", "amount": 80},
    "reviews": {"at": START, "product_id": "6917926768823643751", "rating": 5},
    "incidents": {"at": START, "what": "发错赠品", "owner_role": "service"},
    "events": {"starts_at": START, "kind": "price", "what": "改价", "expected_direction": "down"},
    "notes": {
        "session_started_at": START,
        "role": "host",
        "dimension": "fans",
        "problem": "口播少",
        "severity": "high",
    },
}


def fill(path, lang):
    """Write the template and fill its first rows, as a person would.

    By the headers that stand there.
    """
    clean.write_template(path, lang)
    book = openpyxl.load_workbook(path)
    for table, row in FILLED.items():
        sheet = book[text.label(reference.tables()[table], lang)]
        headers = [cell.value for cell in sheet[1]]
        labels = {
            **reference.tables()[table].columns,
            "session_started_at": template._SESSION_START,
        }
        for column, value in row.items():
            how = labels[column]
            if how.terms:
                value = text.label(reference.terms()[how.terms][value], lang)
            elif how.kind == "flag":
                value = text.choose(lang, "是", "yes") if value else text.choose(lang, "否", "no")
            sheet.cell(2, headers.index(text.label(how, lang)) + 1, value)
    book.save(path)
    return path


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_what_is_filled_in_comes_back(tmp_path, lang):
    path = fill(tmp_path / "t.xlsx", lang)
    reading = clean.read_file(
        path, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
    )
    assert set(reading.tables) == set(FILLED) and reading.aside.empty
    assert reading.files["problem"].isna().all() and reading.files["unmapped"].isna().all()
    assert set(reading.files["system"]) == {"template"} and set(reading.files["grade"]) == {"own"}
    (session,) = reading.tables["sessions"]["session_id"]
    for table, row in FILLED.items():
        (found,) = reading.tables[table].to_dict("records")
        for column, value in row.items():
            if isinstance(value, dt.datetime) and column in found:
                assert found[column] == pd.Timestamp(value, tz=CHINA), (table, column)
            elif (column in found and not isinstance(value, (str, bool))) or (
                column in found and reference.tables()[table].columns[column].terms
            ):
                assert found[column] == value, (table, column)
    assert reading.tables["products"]["product_id"].tolist() == ["6917926768823643751"]
    assert (
        reading.tables["traffic"]["session_id"].tolist()
        == [session]
        == reading.tables["products"]["session_id"].tolist()
    )
    sessions = reading.tables["sessions"].iloc[0]
    assert (sessions["avg_watch_seconds"], sessions["fan_viewer_share"]) == (65, 0.35)
    comment = reading.tables["comments"].iloc[0]
    assert (
        comment["user_key"] != "观众甲"
        and len(comment["user_key"]) == 16
        and "138" not in comment["text"]
    )
    assert len(reading.tables["orders"]["buyer_key"].iloc[0]) == 16


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_empty_template_is_read_without_a_problem(tmp_path, lang):
    path = clean.write_template(tmp_path / "t.xlsx", lang)
    reading = clean.read_file(
        path, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
    )
    assert reading.tables == {} and reading.files["problem"].isna().all()
    assert reading.files["table"].tolist() == list(template.SHEETS)


def test_the_template_asks_for_no_names_of_buyers_and_offers_every_choice(tmp_path):
    book = openpyxl.load_workbook(clean.write_template(tmp_path / "t.xlsx", "zh"))
    assert book.sheetnames[0] == "填写说明" and len(book.sheetnames) == len(template.SHEETS) + 1
    rundown = book["直播脚本"]
    (stages,) = [rule.formula1 for rule in rundown.data_validations.dataValidation]
    assert stages.strip('"').split(",") == [
        label.zh for label in reference.terms()["stage"].values()
    ]


def test_a_template_in_another_language_is_refused(tmp_path):
    with pytest.raises(ValueError, match="zh or en"):
        clean.write_template(tmp_path / "t.xlsx", "fr")


def test_a_csv_of_a_template_sheet_is_known_by_its_headers_or_name(tmp_path):
    path = tmp_path / "costs.csv"
    path.write_text(
        "item,product_id,amount\nunit_cost,61,80\n人工,,500\n待定项,,1\n", encoding="utf-8"
    )
    reading = clean.read_file(
        path, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
    )
    assert reading.tables["costs"]["item"].tolist() == ["unit_cost", "staff"]
    assert reading.aside[["row", "reason", "value"]].values.tolist() == [
        [4, "unknown_choice", "待定项"]
    ]


@pytest.fixture(scope="module")
def known():
    return recognise.candidates([*reference.systems(), template.system()])


def _heads(name, form):
    """The headers of a sheet as it is saved.

    In either language, or the columns of the canonical table.
    """
    table = reference.tables()[name]
    if form == "canonical":
        return {column: column for column in table.columns}
    start = (
        {"session_started_at": template._SESSION_START}
        if table.attribute == "session" and name != "sessions"
        else {}
    )
    return {
        column: text.label(how, form)
        for column, how in {**start, **table.columns}.items()
        if column not in ("session_id", "as_of")
    }


@pytest.mark.parametrize("form", ["zh", "en", "canonical"])
@pytest.mark.parametrize("name", template.SHEETS)
def test_a_sheet_saved_as_a_csv_is_known_under_any_name(tmp_path, known, name, form):
    """Whole or with its required columns only, by its headers.

    With a team's own columns or those of clean/ beside them as well.
    """
    heads, table = _heads(name, form), reference.tables()[name]
    path = tmp_path / "导出1.csv"
    pd.DataFrame([["x"] * len(heads)], columns=list(heads.values())).to_csv(
        path, index=False, encoding="utf-8-sig"
    )
    entry = clean.read_file(
        path, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
    ).files.iloc[0]
    assert (entry["system"], entry["table"]) == ("template", name) and pd.isna(entry["unmapped"])
    required = [
        heads[column] for column, how in table.columns.items() if how.required and column in heads
    ]
    for called in (
        "data.csv",
        f"{name}.csv",
        f"{name.upper()}_2026-04.csv",
        f"{table.zh}.csv",
        f"{table.zh}_4月.csv",
        f"{table.en}.csv",
    ):
        rows = [
            [*heads.values()],
            [*heads.values(), "我们的备注", "x"],
            [*heads.values(), "source_file", "source_sheet", "source_row", "known_from", "why_not"],
            required,
        ]
        for row in rows[: 3 if called == "data.csv" or not required else 4]:
            (block,) = recognise.tables(
                pd.DataFrame([row, ["x"] * len(row)]), sheet="", file=called, candidates=known
            )
            assert (block.system.system, block.export.id) == ("template", name), (called, row)
            assert not {"source_file", "known_from"} & set(block.unmapped)


def test_headers_that_fit_two_sheets_or_hardly_one_are_not_guessed_but_say_which_name_decides(
    tmp_path,
):
    path = tmp_path / "data.csv"
    for line, fits in (
        ("at", "one of minutes.csv, reviews.csv"),
        ("时间,评论内容,城市,设备", "one of comments.csv"),
    ):
        path.write_text(f"{line}\n2026-11-10 20:00,a,b,c\n", encoding="utf-8")
        reading = clean.read_file(
            path, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
        )
        said = clean.said(reading.files["problem"].iloc[0], "en")
        assert reading.tables == {} and f"Name the file as {fits}" in said
    named = path.rename(tmp_path / "评论弹幕 4月.csv")
    reading = clean.read_file(
        named, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
    )
    assert (
        list(reading.tables) == ["comments"] and reading.files["unmapped"].iloc[0] == "城市; 设备"
    )


def test_two_sessions_in_one_workbook_are_told_apart_by_their_start(tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "直播场次"
    book.active.append(["平台", "直播间账号", "开播时间"])
    for day in (10, 11):
        book.active.append(["抖音", "shop1", dt.datetime(2026, 11, day, 20)])
    sheet = book.create_sheet("流量来源")
    sheet.append(["开播时间", "流量来源", "观看人数"])
    for day in (10, 11, 12):
        sheet.append([dt.datetime(2026, 11, day, 20), "直播推荐", day])
    book.save(tmp_path / "t.xlsx")
    reading = clean.read_file(
        tmp_path / "t.xlsx",
        systems=reference.systems(),
        timezone=CHINA,
        key=b"k" * 32,
        currency="CNY",
    )
    assert (
        reading.tables["traffic"]["session_id"].tolist()
        == reading.tables["sessions"]["session_id"].tolist()
    )
    assert reading.aside[["row", "reason"]].values.tolist() == [[4, "no_session"]]


def test_comments_of_unknown_viewers_may_repeat_but_not_those_of_one_viewer(tmp_path):
    for headers, kept in ((["时间", "评论内容"], 2), (["时间", "评论内容", "观众标识（加密）"], 1)):
        path = tmp_path / "comments.csv"
        row = ["2026-11-10 20:00:01", "1", "观众甲"][: len(headers)]
        path.write_text("\n".join(",".join(line) for line in [headers, row, row]), encoding="utf-8")
        reading = clean.read_file(
            path, systems=reference.systems(), timezone=CHINA, key=b"k" * 32, currency="CNY"
        )
        assert len(reading.tables["comments"]) == kept
