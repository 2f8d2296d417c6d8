"""Adding an export is editing one YAML file.

What CONTRIBUTING.md shows is followed here to the letter.
"""

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

from helpers import clean, reference
from helpers.run import cli
from tests.made_files import load, table, workbook

ROOT = Path(__file__).parents[2]
SHOWN = re.search(r"(?s)```yaml\n(.+?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))[
    1
]
ROWS = [
    ["序号", "房间", "开播", "时长", "成交额", "加购人數"],
    ["1", "room1", "2026-05-01 20:00", "90", "¥1,200", "7"],
    ["合计", "", "", "", "", ""],
]


@pytest.fixture
def workspace(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "reference" / "sources").mkdir(parents=True)
    (tmp_path / "reference" / "sources" / "myshop.yml").write_text(SHOWN, encoding="utf-8")
    return tmp_path


def check(folder):
    result = CliRunner().invoke(cli.main, ["check", "--data", str(folder), "--json"])
    return json.loads(result.output)


def test_the_page_shows_it_in_about_ten_lines():
    assert SHOWN.count("\n") <= 11
    assert set(yaml.safe_load(SHOWN)) == {"system", "zh", "en", "platform", "where", "exports"}


def test_a_file_of_the_added_export_is_read(workspace):
    table(workspace / "raw" / "场次.csv", ROWS)
    opened = clean.Workspace.open(workspace)
    clean.ingest(opened)
    (session,) = clean.read_table(opened, "sessions").to_dict("records")
    assert (session["room"], session["duration_seconds"], session["paid_amount"]) == (
        "room1",
        5400,
        1200,
    )
    assert session["session_id"].startswith("20260501-2000-douyin-")


def test_check_names_system_and_grade_and_proposes_the_closest_column(workspace):
    table(workspace / "raw" / "场次.csv", ROWS)
    (row,) = check(workspace)
    assert (row["system"], row["export"], row["grade"], row["table"]) == (
        "myshop",
        "live",
        "unverified",
        "sessions",
    )
    assert (row["rows_in"], row["rows_kept"], row["rows_totals"]) == (2, 1, 1)
    (proposal,) = row["proposals"]
    assert (proposal["header"], proposal["column"], proposal["alias"]) == (
        "加购人數",
        "cart_users",
        "加购人数",
    )
    words = CliRunner().invoke(cli.main, ["check", "--lang", "en", "--data", str(workspace)]).output
    assert (
        "column not mapped: 加购人數 (closest: cart_users, by its name 加购人数, 75 of 100)"
        in words
    )


def test_an_alias_is_one_more_name_in_the_file(workspace):
    path = workspace / "reference" / "sources" / "myshop.yml"
    path.write_text(
        SHOWN.replace(
            "paid_amount: {from: 成交额}",
            "paid_amount: {from: 成交额}, cart_users: {from: 加购人數}",
        ),
        encoding="utf-8",
    )
    table(workspace / "raw" / "场次.csv", ROWS)
    (row,) = check(workspace)
    assert row["unmapped"] is None and row["proposals"] == []
    assert clean.read_table(clean.Workspace.open(workspace), "sessions")["cart_users"].tolist() == [
        7
    ]


@pytest.mark.parametrize(
    ("header", "column"),
    [
        ("直播间观看人数量", "viewers"),
        ("Paid amounts", "paid_amount"),
        ("成交人數", "pay_users"),
        ("zzz", None),
    ],
)
def test_proposals_come_from_the_mapping_and_from_the_canonical_labels(header, column):
    how = clean.export("compass", "session_list", reference.systems())
    found = clean.proposals([header], how)["column"].iloc[0]
    assert pd.isna(found) if column is None else found == column


UNSEEN = [(system, export) for system in reference.systems() for export in system.unverified]


@pytest.mark.parametrize(
    ("system", "export"), UNSEEN, ids=[f"{system.system}-{export.id}" for system, export in UNSEEN]
)
@pytest.mark.parametrize("where", ["file", "sheet", "title"])
def test_an_export_that_nobody_has_seen_is_named_and_sent_to_the_template(
    tmp_path, system, export, where
):
    word = export.words[0]
    rows = [[word, ""] if where == "title" else ["导出", ""], ["栏目甲", "栏目乙"], ["1", "2"]]
    path = workbook(
        tmp_path / (f"{word}-5月.xlsx" if where == "file" else "x.xlsx"),
        **{word if where == "sheet" else "Sheet1": rows},
    )
    reading = load(path)
    entry = reading.files.iloc[0]
    assert (entry["system"], entry["export"], entry["grade"]) == (
        system.system,
        export.id,
        "unverified",
    ) and pd.isna(entry["table"])
    assert reading.tables == {}
    for said in (
        export.en,
        "unverified",
        "fupan new",
        *(reference.tables()[name].en for name in export.tables),
    ):
        assert said in entry["problem"]
    assert set(export.tables) <= set(clean.template.SHEETS), "the template has a sheet for it"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("快手订单_2026-03.xlsx", "Orders of the Kuaishou shop"),
        ("快手小店售后单.xlsx", "Other exports of Kuaishou"),
        ("快手人群画像.xlsx", "Other exports of Kuaishou"),
        ("视频号小店订单明细.xlsx", "Orders of the WeChat Channels shop"),
        ("快手直播数据.xlsx", "Live reviews of Kuaishou"),
        ("人群画像.xlsx", "Minute curve and buyers' portrait"),
    ],
)
def test_a_file_of_an_unread_platform_is_called_what_its_name_says(tmp_path, name, label):
    path = workbook(tmp_path / name, 导出=[["栏目甲", "栏目乙"], ["1", "2"]])
    assert f"looks like {label}, whose" in load(path).files["problem"].iloc[0]


@pytest.mark.parametrize("name", ["场次数据.xlsx", "淘宝人群画像.xlsx"])
def test_a_word_of_all_platforms_names_none(tmp_path, name):
    path = workbook(tmp_path / name, 导出=[["栏目甲", "栏目乙"], ["1", "2"]])
    assert "layout is unverified" not in load(path).files["problem"].iloc[0]
