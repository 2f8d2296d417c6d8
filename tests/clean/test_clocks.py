"""Minute curves of clocks alone, or of minutes since the start."""

from __future__ import annotations

import datetime as dt

import pytest
import xlsxwriter

from tests.made_files import load, whole_session, workbook

HEAD = ["时间", "评论次数", "新增粉丝数"]
CLOCKS = {
    "clocks": ["20:00", "20:01", "20:02"],
    "clocks with seconds": ["20:00:00", "20:01:00", "20:02:00"],
    "times of Excel": [dt.time(20, 0), dt.time(20, 1), dt.time(20, 2)],
    "passed": ["00:00", "00:01", "00:02"],
    "numbers": [0, 1, 2],
}


def curve(cells, head=HEAD, *more):
    return [head, *([cell, at + 1, 5, *more] for at, cell in enumerate(cells))]


def written(path, rows):
    """A workbook of one sheet, times of day as Excel holds and shows them."""
    book = xlsxwriter.Workbook(path)
    clock = book.add_format({"num_format": "hh:mm"})
    sheet = book.add_worksheet("S")
    for at, row in enumerate(rows):
        for place, cell in enumerate(row):
            sheet.write(at, place, cell, *([clock] if isinstance(cell, dt.time) else []))
    book.close()
    return path


def minutes(reading):
    return reading.tables["minutes"]["at"].dt.strftime("%Y-%m-%d %H:%M").tolist()


EVENING = ["2026-09-01 20:00", "2026-09-01 20:01", "2026-09-01 20:02"]


@pytest.mark.parametrize("form", CLOCKS)
def test_the_file_name_tells_the_start(tmp_path, form):
    reading = load(written(tmp_path / "分钟_2026-09-01_20-00.xlsx", curve(CLOCKS[form])))
    assert minutes(reading) == EVENING and reading.questions.empty
    assert "read as those of the session that began 2026-09-01 20:00" in reading.files["problem"][0]


@pytest.mark.parametrize("form", CLOCKS)
def test_another_column_tells_the_start(tmp_path, form):
    rows = curve(CLOCKS[form], [*HEAD, "开播时间"], "2026-09-01 20:00:00")
    assert minutes(load(written(tmp_path / "x.xlsx", rows))) == EVENING


@pytest.mark.parametrize("cells", [["08:16", "08:17"], ["00:00", "00:01"], [0, 1]])
def test_the_only_session_of_the_book_tells_the_start(tmp_path, cells):
    sheets = {"分钟": curve(cells), "基本信息": whole_session()["基本信息"]}
    at = minutes(load(workbook(tmp_path / "x.xlsx", **sheets)))
    first = "2026-07-28 08:16" if cells[0] == "08:16" else "2026-07-28 08:15"
    assert at[0] == first and len(at) == 2


def test_clocks_go_on_past_midnight(tmp_path):
    rows = curve(["23:59", "00:00", "00:01"])
    reading = load(workbook(tmp_path / "分钟_2026-09-01.xlsx", S=rows))
    assert minutes(reading) == ["2026-09-01 23:59", "2026-09-02 00:00", "2026-09-02 00:01"]


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("x", ["20:00", "20:01"]),
        ("x", [0, 1]),
        ("分钟_2026-09-01", ["00:00", "00:01"]),  # at midnight, or since the start?
        ("分钟_2026-09-01_20-00", ["00:00", "01:00"]),  # minutes or hours?
        ("分钟_2026-09-01~2026-09-02", ["20:00", "20:01"]),
    ],
)
def test_what_nothing_tells_is_asked_about(tmp_path, name, cells):
    reading = load(workbook(tmp_path / f"{name}.xlsx", S=curve(cells)))
    assert "minutes" not in reading.tables
    assert reading.questions["reason"].tolist() == ["clock_alone"]
    assert "fill in the sheet of minutes of the template" in reading.files["problem"][0]
