"""Days and product lists of two accounts in exports that name none: asked, and answered."""

from __future__ import annotations

import datetime as dt
import os

import pytest

from tests.clean.checked import check
from tests.made_files import workbook

EPOCH = 1_791_000_000  # 2026-10-03 12:00 in China
DAYS = ["日期", "开播场次", "直播访问人数", "直播间浏览次数", "直播间新增粉丝数", "种草成交金额"]
PRODUCTS = ["ID", "Product", "GMV", "Items sold", "Orders", "LIVE GMV", "LIVE items sold"]
LIVE = ["商品信息", "商品信息", "总成交额", "成交件数", "佣金"]


def days(of, *numbers):
    """Days of September of a room with `of` viewers."""
    rows = [[f"2026-09-{n:02d}", "1", *map(str, (of, 2 * of, of // 20, 3 * of))] for n in numbers]
    return [DAYS, *rows]


def products(of, *names, until="2026-09-30"):
    title = [f"2026-09-01 ~ {until}"]
    rows = [[f"17290000000{name}", name, *map(str, (9 * of, of, of, 6 * of, of))] for name in names]
    return [title, [], PRODUCTS, *rows]


def live_products(of, *names):
    rows = [[f"17290000000{name}", name, *map(str, (6 * of, of, of))] for name in names]
    return [["Date Start: 2026-09-01 - Date End: 2026-09-30"], [], LIVE, *rows]


def shop(tmp_path, settings="", exported=None, **files):
    raw = tmp_path / "raw"
    raw.mkdir(exist_ok=True)
    for day, (name, rows) in enumerate(files.items()):
        path = workbook(raw / f"{name}.xlsx", **{"Sheet1": rows})
        at = dt.datetime.fromisoformat(exported[day]).timestamp() if exported else EPOCH + day
        os.utime(path, (at, at))
    (tmp_path / "workspace.yml").write_text(
        f"timezone: Asia/Shanghai\n{settings}", encoding="utf-8"
    )
    return check(tmp_path)


TWO = [
    ("days", "viewers", days(500, 1, 2, 3), days(4000, 2, 3, 4)),
    ("days", "viewers", days(500, 1), days(900, 1)),
    ("product_periods", "units", products(500, "10", "11"), products(40, "10", "11")),
    ("product_periods", "live_units", products(500, "10", "11"), live_products(300, "10", "11")),
]


@pytest.mark.parametrize(("table", "figure", "one", "other"), TWO)
def test_two_accounts_are_asked_about_and_both_count_once_answered(
    tmp_path, table, figure, one, other
):
    checked = shop(tmp_path, a=one, b=other)
    size = {
        name: len(rows) - (1 if table == "days" else 3) for name, rows in (("a", one), ("b", other))
    }
    shared = 2 if size["a"] > 1 else 1
    assert len(checked.table(table)) == size["a"] + size["b"] - 2 * shared
    assert checked.table("aside")["reason"].tolist() == ["other_account"] * 2 * shared
    for name in ("a", "b"):
        assert checked.names(f"{name}.xlsx", "another account", ": a.xlsx, b.xlsx", "rooms: {")
    rooms = "rooms: {'a.xlsx': 甲店, 'b.xlsx': 乙店}\n"
    answered = shop(tmp_path, rooms, a=one, b=other)
    stated = answered.table(table)
    assert stated.groupby("room_name").size().to_dict() == {"甲店": size["a"], "乙店": size["b"]}
    assert answered.table("aside").empty and answered.table("questions").empty


def without_period(rows):
    return rows[2:]


LISTS = [
    # September and October of one shop; the second sold half as many of what both list
    (products(500, "10", "11"), products(250, "10", "12")),
    (products(500, "10"), products(501, "10")),
    (products(500, "10", "11"), live_products(300, "11", "12")),
]


@pytest.mark.parametrize("settings", ["", "rooms: {'*': 甲店}\n"])
@pytest.mark.parametrize(("one", "other"), LISTS)
def test_two_product_lists_that_state_no_period_are_asked_about(tmp_path, one, other, settings):
    files = {"a": without_period(one), "b": without_period(other)}
    checked = shop(tmp_path, settings, **files)
    assert checked.table("product_periods").empty
    assert set(checked.table("aside")["reason"]) == {"other_period"}
    assert len(checked.table("aside")) == len(one) + len(other) - 6
    for name in files:
        assert checked.names(f"{name}.xlsx", "no period is stated", ": a.xlsx, b.xlsx")


def test_product_lists_are_told_apart_by_the_periods_in_their_names(tmp_path):
    one, other = (without_period(rows) for rows in LISTS[0])
    named = {"a 2026-09-01~2026-09-30": one, "b 2026-10-01_2026-10-31": other}
    checked = shop(tmp_path, **named)
    stated = checked.table("product_periods")
    units = stated.groupby(stated["period_from"].dt.strftime("%m-%d"))["units"].sum()
    assert units.to_dict() == {"09-01": 1000, "10-01": 500}
    assert set(stated["period_to"].dt.strftime("%m-%d")) == {"09-30", "10-31"}
    assert checked.table("questions").empty and checked.exit_code == 0


def test_a_product_list_without_a_period_beside_an_equal_one_or_one_that_states_its_own(tmp_path):
    september, october = products(500, "10", "11"), products(250, "10", until="2026-10-31")
    checked = shop(tmp_path, a=without_period(september), b=without_period(september), c=october)
    assert len(checked.table("product_periods")) == 3 and checked.table("questions").empty


@pytest.mark.parametrize(
    ("one", "other", "exported", "viewers"),
    [
        # counted late, and one day in which an error was put right
        (days(500, 1, 2, 3), [*days(510, 1, 2), days(900, 3)[1]], None, [510, 510, 900]),
        # the older export is of the evening of its last day
        (days(500, 3), days(900, 3), ["2026-09-03T20:00+08:00", "2026-09-05T09:00+08:00"], [900]),
        (days(500, 1, 2), days(500, 3, 4), None, [500] * 4),
    ],
)
def test_a_newer_export_of_one_account_takes_the_place_of_the_older(
    tmp_path, one, other, exported, viewers
):
    checked = shop(tmp_path, a=one, b=other, exported=exported)
    stated = checked.table("days").sort_values("day")
    assert stated["viewers"].tolist() == viewers
    assert checked.table("aside").empty and checked.table("questions").empty
