"""The cleaning checklist.

Every format that was seen in a file or a schema, as one table of what is written and what it means.

Each line is a file of one export, one column of it and the values that must come out; what cannot
be read is kept aside with its reason. Then the kinds of files: charsets, old and new workbooks,
zips.
"""

import datetime as dt
import zipfile
from typing import NamedTuple

import pandas as pd
import pytest

from helpers.clean.file_name import exported_at
from tests.made_files import (
    CHINA,
    SESSION,
    load,
    named,
    old_workbook,
    table,
    whole_session,
    workbook,
)

JAKARTA = "Asia/Jakarta"


class Format(NamedTuple):
    """Sheets of cells, the canonical column to look at, its values; the reasons of rows aside.

    Rows that are totals or notes.
    """

    sheets: dict
    column: str
    values: list
    aside: tuple = ()
    totals: int = 0
    timezone: str = CHINA


def sessions(column, *cells, **more):
    """A list of Compass sessions, one a cell, a day apart."""
    rows = [
        {
            "主播抖音号": "shop1",
            "直播开始时间": f"2026-05-{day:02} 20:00:00",
            "直播间观看人数": 10,
            column: cell,
            **more,
        }
        for day, cell in enumerate(cells, 1)
    ]
    headers = list(dict.fromkeys(["主播抖音号", "直播开始时间", "直播间观看人数", column, *more]))
    return {"S": named(headers, *rows)}


def starts(*cells):
    return {
        "S": [
            ["主播抖音号", "直播开始时间", "直播间观看人数"],
            *(["shop1", cell, 5] for cell in cells),
        ]
    }


def orders(column, *cells, **more):
    rows = [
        {
            "主订单编号": f"M{n}",
            "子订单编号": f"L{n}",
            "订单提交时间": "2026-05-01 20:00:00",
            column: cell,
            **more,
        }
        for n, cell in enumerate(cells)
    ]
    return {
        "S": named(
            list(dict.fromkeys(["主订单编号", "子订单编号", "订单提交时间", column, *more])), *rows
        )
    }


def channels(*rows, above=()):
    return {
        **{"基本信息": whole_session()["基本信息"]},
        "渠道流量": [*above, ["渠道名称", "观看次数"], *rows],
    }


def day(text, zone=CHINA):
    return pd.Timestamp(text, tz=zone)


def tiktok(*times):
    return {
        "S": [
            ["Order ID", "SKU ID", "Created Time"],
            *(["5838709", f"S{n}", time] for n, time in enumerate(times)),
        ]
    }


HEAD = ["主播抖音号", "直播开始时间", "直播间观看人数"]
ROW = ["shop1", "2026-05-01 20:00:00", 5]
CHECKLIST = {
    "title rows above the header": Format(
        {"S": [["五月直播"], ["2026-05-01 ~ 2026-05-31"], [], HEAD, ROW]}, "viewers", [5]
    ),
    "a description row below it": Format(
        {
            "S": [
                ["Order ID", "SKU ID", "Created Time"],
                ["Platform unique order ID.", "SKU.", "Time."],
                ["1", "2", "2026-05-01 20:00:00"],
            ]
        },
        "order_id",
        ["1"],
        totals=1,
    ),
    "a note row below it": Format(
        {"S": [HEAD, ROW, ["注：数据每日更新", "", ""]]}, "viewers", [5], totals=1
    ),
    "duplicate headers that agree": Format(
        {"S": [[*HEAD, "直播间观看人数"], [*ROW, 5]]}, "viewers", [5]
    ),
    "double-spaced and trailing-space headers": Format(
        {"S": [[" 主播抖音号 ", "直播开始时间  ", "直播间观看人数\t"], ROW]}, "viewers", [5]
    ),
    "headers in full-width brackets": Format(
        sessions("直播时长（分钟）", 90), "duration_seconds", [5400]
    ),
    "two-row merged headers with the unit in the header": Format(
        {
            "S": [
                ["主播抖音号", "直播开始时间", "流量", None],
                [None, None, "直播间观看人数（万）", "直播间成交金额（万元）"],
                ["shop1", "2026-05-01 20:00", 1.2, 3],
            ]
        },
        "paid_amount",
        [30000],
    ),
    "several tables stacked in one sheet": Format(
        {"S": [HEAD, ROW, [], ["渠道名称", "观看次数"], ["搜索", 7]]}, "views", [7]
    ),
    "a vertical name/value sheet": Format(
        {
            "基本信息": [
                ["直播时间", "2026-05-01 20:00:00~2026-05-01 23:00:00"],
                ["抖音号", "shop1"],
            ]
        },
        "duration_seconds",
        [10800],
    ),
    "¥236,552": Format(
        sessions("直播间成交金额", "¥236,552", "￥1,234.5", "12.5元"),
        "paid_amount",
        [236552, 1234.5, 12.5],
    ),
    "Rp9.467.316": Format(
        {
            "S": [
                ["Livestream", "Start time", "Gross revenue", "Direct GMV"],
                ["a", "2026-05-01 20:00:00", "Rp9.467.316", "Rp1"],
                ["b", "2026-05-02 20:00:00", "Rp248.780", "Rp1"],
            ]
        },
        "paid_amount",
        [9467316, 248780],
    ),
    "a comma as the decimal mark": Format(
        sessions("直播间成交金额", "1.234.567,50", "12,5"), "paid_amount", [1234567.5, 12.5]
    ),
    "a comma behind a zero is a decimal mark": Format(
        sessions("直播间成交金额", "0,125", "1,234", "12"), "paid_amount", [0.125, 1.234, 12]
    ),
    "a comma behind a zero beside points": Format(
        sessions("直播间成交金额", "0,125", "1,234.50"), "paid_amount", [1234.5], ("not_a_number",)
    ),
    "1.2万": Format(
        sessions("直播间曝光人数", "1.2万", "3w", "1.5亿"),
        "room_exposure_users",
        [12000, 30000, 150_000_000],
    ),
    "7.5w~10w is a range, no value": Format(
        sessions("直播间曝光人数", "7.5w~10w", "2500~5000", "100"),
        "room_exposure_users",
        [None, None, 100],
    ),
    "10%~15% is a range, no value": Format(
        sessions("观看老粉占比", "10%~15%", "12%"), "fan_viewer_share", [None, 0.12]
    ),
    "fractions and percent signs": Format(
        sessions("观看老粉占比", 0.0421, "2.75%"), "fan_viewer_share", [0.0421, 0.0275]
    ),
    "percent by the header only": Format(
        sessions("观看老粉占比(%)", "2.75", 50), "fan_viewer_share", [0.0275, 0.5]
    ),
    "minutes by the header": Format(sessions("直播时长(分钟)", 960), "duration_seconds", [57600]),
    "1分5秒, H:M:S and a time of the workbook": Format(
        {
            "整体看板": [["直播间观看人数", "最高在线人数", "人均观看时长"], [100, 10, "1分5秒"]],
            **{"基本信息": whole_session()["基本信息"]},
        },
        "avg_watch_seconds",
        [65],
    ),
    "H:M:S": Format(
        {
            "整体看板": [["直播间观看人数", "最高在线人数", "人均观看时长"], [100, 10, "0:01:05"]],
            **{"基本信息": whole_session()["基本信息"]},
        },
        "avg_watch_seconds",
        [65],
    ),
    "an Excel day": Format(
        starts(46143.75, "46144.75"),
        "started_at",
        [day("2026-05-01 18:00"), day("2026-05-02 18:00")],
    ),
    "- — / and empty are nothing": Format(
        sessions("评论次数", "-", "—", "/", "", 3), "comments", [None, None, None, None, 3]
    ),
    "无退款申请 is nothing": Format(
        {
            "S": [
                ["子订单编号", "主订单编号", "购买数量", "订单创建时间", "退款金额"],
                ["1", "2", 1, "2026-05-01", "无退款申请"],
            ]
        },
        "refunded",
        [None],
    ),
    "tabs and apostrophes around ids": Format(
        orders("商品ID", "\t3645", "'3645", '="3645"', "3645\t"), "product_id", ["3645"] * 4
    ),
    "ids stay text, zeros and all": Format(
        orders("商品ID", "0012345678901234567", "12"), "product_id", ["0012345678901234567", "12"]
    ),
    "ids that lost digits are left out": Format(
        orders("商品ID", "6.91793E+18", "3645"), "product_id", [None, "3645"]
    ),
    "an order id that lost digits keeps its row aside": Format(
        {
            "S": [
                ["主订单编号", "子订单编号", "订单提交时间"],
                ["1", "6.91793E+18", "2026-05-01"],
                ["1", "2", "2026-05-01"],
            ]
        },
        "line_id",
        ["2"],
        ("lost_digits",),
    ),
    "totals rows: 整体": Format(
        channels(["整体", 10], ["搜索", 4], ["关注", 6]), "views", [4, 6], totals=1
    ),
    "totals rows: 全部流量 and 全部付费流量": Format(
        channels(["全部流量", 10], ["全部付费流量", 4], ["千川PC版", 4], ["搜索", 6]),
        "views",
        [4, 6],
        totals=2,
    ),
    "a total that is the sum of nothing": Format(
        channels(["全部流量", 10], ["全部付费流量", 4], ["千川PC版", 4]),
        "views",
        [4],
        ("total_off",),
        totals=1,
    ),
    "totals rows: 合计": Format({"S": [HEAD, ROW, ["合计", "", 5]]}, "viewers", [5], totals=1),
    "an average below the rows": Format(
        {"S": [HEAD, ROW, ["shop1", "2026-05-02 20:00:00", 8], ["平均", "", 6.5]]},
        "viewers",
        [5, 8],
        ("statistic",),
    ),
    "an average above the total": Format(
        {
            "S": [
                HEAD,
                ROW,
                ["shop1", "2026-05-02 20:00:00", 8],
                ["Average", "", 6.5],
                ["合计", "", 13],
            ]
        },
        "viewers",
        [5, 8],
        ("statistic",),
        totals=1,
    ),
    "an average of sources": Format(
        channels(["推荐", 10], ["搜索", 4], ["均值", 7]), "views", [10, 4], ("statistic",)
    ),
    "a session that is called average": Format(
        sessions("主播昵称", "平均", "小美"), "room_name", ["平均", "小美"]
    ),
    "dates of digits alone": Format(
        starts("20260901", 20260902, "20260903203000", "202609042030"),
        "started_at",
        [
            day("2026-09-01"),
            day("2026-09-02"),
            day("2026-09-03 20:30"),
            day("2026-09-04 20:30"),
        ],
    ),
    "hours behind midnight": Format(
        starts("2026-09-01 24:05", "2026-09-02 25:30:10", "2026-09-03 24:00", "2026-09-04 30:00"),
        "started_at",
        [day("2026-09-02 00:05"), day("2026-09-03 01:30:10"), day("2026-09-04")],
        ("not_a_date",),
    ),
    "a range that ends behind midnight": Format(
        {
            "基本信息": [
                ["达人昵称", "抖音号or火山号", "直播时间"],
                ["某店", "shop1", "2026/07/28 20:15:49~02:44:39"],
            ]
        },
        "ended_at",
        [day("2026-07-29 02:44:39")],
    ),
    "a range that ends on its day": Format(
        {
            "基本信息": [
                ["达人昵称", "抖音号or火山号", "直播时间"],
                ["某店", "shop1", "2026/07/28 20:15:49 - 23:44"],
            ]
        },
        "ended_at",
        [day("2026-07-28 23:44")],
    ),
    "rates of which one is above 1": Format(
        sessions("观看老粉占比", 0.5, 12.5, "3.4%", 0),
        "fan_viewer_share",
        [0.034, 0],
        ("mixed_rates", "mixed_rates"),
    ),
    "percentages under a header that says so": Format(
        sessions("观看老粉占比(%)", 0.5, 12.5), "fan_viewer_share", [0.005, 0.125]
    ),
    "minutes that every source is watched, without their unit": Format(
        {
            "基本信息": whole_session()["基本信息"],
            "渠道流量": [
                ["渠道名称", "观看次数", "人均观看时长"],
                ["推荐", 10, 1.5],
                ["搜索", 7, 0.8],
            ],
        },
        "views",
        [10, 7],
    ),
    "seconds that sources are watched, one of them a few": Format(
        {
            "基本信息": whole_session()["基本信息"],
            "渠道流量": [
                ["渠道名称", "观看次数", "人均观看时长"],
                ["推荐", 10, 65],
                ["搜索", 7, 3],
            ],
        },
        "avg_watch_seconds",
        [65, 3],
    ),
    "watch time as a spreadsheet keeps it, of a day": Format(
        {
            "基本信息": whole_session()["基本信息"],
            "渠道流量": [
                ["渠道名称", "观看次数", "人均观看时长"],
                ["推荐", 10, 45 / 86400],
                ["搜索", 7, 90 / 86400],
            ],
        },
        "avg_watch_seconds",
        [45, 90],
    ),
    "a session of minutes, as its header says": Format(
        {
            "场次概览": [
                ["直播开始时间", "2026-05-01 20:00:00"],
                ["主播昵称", "某店"],
                ["直播时长(分钟)", 180],
            ]
        },
        "duration_seconds",
        [10800],
    ),
    "an age group that became a date": Format(
        {
            "用户画像": [
                ["开播时间", "维度", "分组", "观看人数"],
                ["2026-05-01 20:00:00", "年龄", "18-23", 60],
                ["2026-05-01 20:00:00", "年龄", dt.datetime(2026, 10, 12), 20],
            ]
        },
        "group",
        ["18-23"],
        ("turned_date",),
    ),
    "two sessions of one day whose clock is missing": Format(
        {
            "S": [
                HEAD,
                ["shop1", "2026-05-01", 5],
                ["shop1", "2026-05-01", 8],
                ["shop1", "2026-05-02", 7],
            ]
        },
        "viewers",
        [7],
        ("collision", "collision"),
    ),
    "a phone number as an amount": Format(
        orders(
            "订单应付金额",
            "100",
            "99.5",
            "13812345678元",
            "138 1234 5678",
            支付完成时间="2026-05-01 20:01:00",
        ),
        "paid",
        [100, 99.5],
        ("impossible", "impossible"),
    ),
    "a phone number as a count": Format(
        orders("商品数量", 1, 2, 13812345678), "qty", [1, 2], ("impossible",)
    ),
    "amounts of rupiah of eleven digits": Format(
        {
            "S": [
                ["Livestream", "Start time", "Gross revenue", "Direct GMV"],
                ["a", "2026-05-01 20:00:00", "Rp13.812.345.678", "Rp1"],
                ["b", "2026-05-02 20:00:00", "Rp812.345.678", "Rp1"],
            ]
        },
        "paid_amount",
        [13812345678, 812345678],
    ),
    "a header of dollars in an export of yuan": Format(
        sessions("直播间成交金额($)", 100, "-"), "viewers", [10], ("other_currency",)
    ),
    "dollars of sources, whose export states no currency": Format(
        {
            "基本信息": whole_session()["基本信息"],
            "渠道流量": [
                ["渠道名称", "观看次数", "成交金额"],
                ["推荐", 10, "$5.00"],
                ["搜索", 7, "¥8.00"],
            ],
        },
        "views",
        [7],
        ("other_currency",),
    ),
    "a header of yuan": Format(sessions("直播间成交金额(¥)", 100), "paid_amount", [100]),
    "a duration whose unit is nowhere said": Format(
        sessions("直播时长", 960, 57600, "16小时"),
        "duration_seconds",
        [57600],
        ("short_duration",) * 2,
    ),
    "a duration without a unit that says it in its cells": Format(
        sessions("直播时长", "16小时", "2:30:00"), "duration_seconds", [57600, 9000]
    ),
    "a duration without a unit between a start and an end": Format(
        sessions("直播时长", 180, 直播结束时间="2026-05-01 23:00:00"), "duration_seconds", [10800]
    ),
    "a row of money without an id": Format(
        {"S": [["素材名称", "素材ID", "整体消耗"], ["开箱", "7512", 3], ["素材集合", "-", 9]]},
        "cost",
        [3, 9],
    ),
    "parent and SKU sub-rows": Format(
        {
            "基本信息": whole_session()["基本信息"],
            "商品": [
                ["商品ID", "商品名称", "商品点击人数", "用户支付金额"],
                ["1", "甲", 9, 100],
                ["-", "红", "", 60],
                ["-", "蓝", "", 40],
            ],
        },
        "sku_id",
        [None, "红", "蓝"],
    ),
    "a trailing column without a header": Format({"S": [HEAD, [*ROW, "10001-1"]]}, "viewers", [5]),
    "blank rows, and blank tail rows": Format(
        {"S": [HEAD, [], ROW, [], ["", " ", None], []]}, "viewers", [5]
    ),
    "clocks without a zone are the workspace's": Format(
        starts("2026-05-01 20:00:00"),
        "started_at",
        [day("2026-05-01 20:00", JAKARTA)],
        timezone=JAKARTA,
    ),
    "clocks with a zone keep their moment": Format(
        starts("2026-05-01T12:00:00Z"), "started_at", [day("2026-05-01 20:00")]
    ),
    "day first, settled by the column": Format(
        tiktok("03/04/2026 10:00:00", "25/04/2026 10:00:00"),
        "created_at",
        [day("2026-04-03 10:00"), day("2026-04-25 10:00")],
    ),
    "month first, settled by the column": Format(
        tiktok("03/04/2026 10:00:00", "04/25/2026 10:00:00"),
        "created_at",
        [day("2026-03-04 10:00"), day("2026-04-25 10:00")],
    ),
    "a.m. and p.m. do not put the month first": Format(
        tiktok("03/04/2026 10:00:00 PM", "2026-04-25 10:00:00"),
        "created_at",
        [day("2026-04-25 10:00")],
        ("ambiguous_date",),
    ),
    "day or month first that cannot be told is refused": Format(
        tiktok("03/04/2026 10:00:00", "2026-04-25 10:00:00"),
        "created_at",
        [day("2026-04-25 10:00")],
        ("ambiguous_date",),
    ),
    "a doubtful day and no day at all, each with its own reason": Format(
        tiktok("soon", "03/04/2026 10:00:00", "2026-04-25 10:00:00"),
        "created_at",
        [day("2026-04-25 10:00")],
        ("not_a_date", "ambiguous_date"),
    ),
    "a session that crosses midnight": Format(
        {
            "S": [
                ["主播抖音号", "直播开始时间", "直播结束时间", "直播间观看人数"],
                ["shop1", "2026-05-01 20:00:00", "2026-05-02 00:55:37", 5],
            ]
        },
        "duration_seconds",
        [17737],
    ),
    "late attribution": Format(
        orders("流量体裁", "数据将于第二天更新", "直播"), "channel", ["数据将于第二天更新", "直播"]
    ),
    "an order amount repeated on each SKU row": Format(
        {
            "S": [
                [
                    "Order ID",
                    "SKU ID",
                    "Created Time",
                    "Paid Time",
                    "SKU Subtotal After Discount",
                    "Order Amount",
                ],
                *(
                    ["1", sku, "2026-05-01", "2026-05-01", amount, 250]
                    for sku, amount in (("a", 100), ("b", 150))
                ),
            ]
        },
        "paid",
        [100, 150],
    ),
}


@pytest.mark.parametrize("name", CHECKLIST)
def test_the_checklist(tmp_path, name):
    case = CHECKLIST[name]
    reading = load(workbook(tmp_path / "x.xlsx", **case.sheets), timezone=case.timezone)
    assert reading.files["export"].notna().all(), reading.files["problem"].tolist()
    (found,) = [
        frame[case.column]
        for frame in reading.tables.values()
        if case.column in frame and len(frame) == len(case.values)
    ][-1:]
    got = [None if pd.isna(value) else value for value in found]
    assert got == [
        value if not isinstance(value, float) else pytest.approx(value) for value in case.values
    ]
    assert tuple(reading.aside["reason"]) == case.aside
    assert reading.files["rows_totals"].sum() == case.totals


def test_a_file_name_whose_dates_disagree_is_noted_and_the_sheet_counts(tmp_path):
    name = "直播间详情页_整场数据下载_2026-07-29_09-00-00(某店_2026-07-27_15-44-39).xlsx"
    reading = load(workbook(tmp_path / name, **whole_session()))
    assert "The file name says Ended at 2026-07-27" in reading.files["problem"].iloc[
        0
    ] and reading.tables["sessions"]["ended_at"].dt.day.tolist() == [28]


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        *(("直播间成交金额(元)", 1), ("直播间成交金额（单位：元）", 1), ("直播间成交金额/元", 1)),
        *(("直播间成交金额元", 1), ("直播间成交金额[万元]", 1e4), ("直播间成交金额【万元】", 1e4)),
        *(
            ("直播间成交金额，万元", 1e4),
            ("直播间成交金额万元", 1e4),
            ("直播间成交金额 (千元)", 1e3),
        ),
        *(
            ("直播间成交金额(百万元)", 1e6),
            ("直播间成交金额（亿元）", 1e8),
            ("直播间成交金额(k)", 1e3),
        ),
    ],
)
def test_the_unit_of_money_beside_its_header(tmp_path, header, factor):
    reading = load(workbook(tmp_path / "x.xlsx", **sessions(header, 2.5, "0.125")))
    paid = reading.tables["sessions"]["paid_amount"]
    assert paid.tolist() == pytest.approx([2.5 * factor, 0.125 * factor])
    assert reading.files["unmapped"].isna().all()


@pytest.mark.parametrize(
    ("above", "paid"),
    [
        ([["单位：万元"]], 20000),
        ([["直播间列表", "", "金额单位：人民币（千元）"], []], 2000),
        ([["金额单位: 万元、人次"]], 20000),
        ([["Unit: RMB thousand"]], 2000),
        ([["直播", "", "", "成交（万元）"]], 20000),
        ([["直播", "", "成交（万元）", "成交"]], 2),
        ([["单位：元"]], 2),
        ([["目标（万元）：300"], []], 2),
    ],
)
def test_the_unit_of_money_above_a_table(tmp_path, above, paid):
    rows = sessions("直播间成交金额", 2)["S"]
    reading = load(workbook(tmp_path / "x.xlsx", S=[*above, *rows]))
    assert reading.tables["sessions"]["paid_amount"].tolist() == [paid]
    rows = sessions("直播间成交金额(元)", 2)["S"]  # what a header says itself comes first
    reading = load(workbook(tmp_path / "x.xlsx", S=[*above, *rows]))
    assert reading.tables["sessions"]["paid_amount"].tolist() == [2]


@pytest.mark.parametrize(
    ("below", "foot", "paid", "exposed"),
    [
        (["", "", "人", "万元", "万"], [], 20000, 30000),
        (["", "", "（人）", "（千元）", "（人）"], [], 2000, 3),
        (["", "", "", "单位：元", ""], [], 2, 3),
        ([], ["单位：万元"], 20000, 3),
        ([], ["以上金额单位：千元"], 2000, 3),
        ([], ["数据来源：直播后台"], 2, 3),
    ],
)
def test_the_units_below_the_headers_and_below_the_rows(tmp_path, below, foot, paid, exposed):
    head, row = sessions("直播间成交金额", 2, 直播间曝光人数=3)["S"]
    rows = [head, *([below] if below else []), row, *([foot] if foot else [])]
    read = load(workbook(tmp_path / "x.xlsx", S=rows)).tables["sessions"]
    assert read[["viewers", "paid_amount", "room_exposure_users"]].values.tolist() == [
        [10, paid, exposed]
    ]


@pytest.mark.parametrize(
    ("header", "cell", "seconds"),
    [
        *(
            ("直播时长(小时)", 3, 10800),
            ("直播时长【分钟】", 180, 10800),
            ("直播时长（秒）", 90, 90),
        ),
        *(("直播时长分钟", 180, 10800), ("直播时长(分钟)", "3.0小时", 10800)),
    ],
)
def test_a_header_of_another_unit_is_the_same_column(tmp_path, header, cell, seconds):
    reading = load(workbook(tmp_path / "x.xlsx", **sessions(header, cell)))
    assert reading.tables["sessions"]["duration_seconds"].tolist() == [seconds]


def test_a_header_that_is_known_as_it_stands_comes_first(tmp_path):
    sheet = sessions("直播间成交金额(万元)", 0.5, 直播间成交金额=5001)
    reading = load(workbook(tmp_path / "x.xlsx", **sheet))
    assert reading.tables["sessions"]["paid_amount"].tolist() == [5001]


def test_overlapping_channels_are_not_added_to_the_total(tmp_path):
    """整体 and 全部付费流量 hold what their channels hold: only the channels are rows."""
    reading = load(
        workbook(
            tmp_path / "x.xlsx",
            **channels(
                ["全部流量", 10],
                ["全部付费流量", 4],
                ["千川PC版", 3],
                ["小店随心推", 1],
                ["搜索", 6],
            ),
        )
    )
    traffic = reading.tables["traffic"]
    assert traffic["views"].sum() == 10 and traffic["is_paid"].tolist() == [True, True, False]


@pytest.mark.parametrize(
    ("dates", "month", "aside"), [(None, [], 2), ("day", [4, 6], 0), ("month", [3, 5], 0)]
)
def test_dates_that_a_file_leaves_open_are_a_question_until_the_workspace_answers_it(
    tmp_path, dates, month, aside
):
    path = workbook(tmp_path / "x.xlsx", **tiktok("03/04/2026 10:00:00", "05/06/2026 10:00:00"))
    reading = load(path, dates=dates)
    assert (
        len(reading.aside) == aside
        and [
            at.month
            for at in reading.tables.get("orders", pd.DataFrame({"created_at": []}))["created_at"]
        ]
        == month
    )
    question = (
        "Column Created Time: 2 rows kept aside, first in row 2 (03/04/2026 10:00:00): day and "
        "month cannot be told apart. Write one line into workspace.yml: dates: day "
        "(03/04/2026 10:00:00 is 2026-04-03), or dates: month (03/04/2026 10:00:00 is 2026-03-04)."
    )
    assert (question in reading.files["problem"].iloc[0]) == (dates is None)


def test_a_whole_column_of_another_currency_is_asked_about(tmp_path):
    sheets = sessions("直播间成交金额", "$100.00", "$250.00")
    reading = load(workbook(tmp_path / "x.xlsx", **sheets))
    assert set(reading.aside["reason"]) == {"other_currency"} and len(reading.aside) == 2
    assert "Column 直播间成交金额: 2 rows kept aside" in reading.files["problem"].iloc[0]


@pytest.mark.parametrize("minutes", [(180, 120, 95), (45, 14, 240)])
def test_sessions_that_are_all_of_a_few_minutes_may_be_of_hours(tmp_path, minutes):
    rows = [["平台", "直播间账号", "开播时间", "直播时长"]]
    rows += [["抖音", "a", f"2026-09-0{day} 20:00", cell] for day, cell in enumerate(minutes, 1)]
    path = workbook(tmp_path / "直播场次.xlsx", 直播场次=rows)
    assert load(path).aside["reason"].tolist() == ["short_duration"] * 3
    lasted = load(path, durations="minutes").tables["sessions"]["duration_seconds"]
    assert lasted.tolist() == [60 * cell for cell in minutes]
    rows[2][3] = 7200  # two hours: so all are seconds
    lasted = load(workbook(tmp_path / "直播场次.xlsx", 直播场次=[*rows[:3]]))
    assert lasted.tables["sessions"]["duration_seconds"].tolist()[-1] == 7200


def test_watch_time_without_a_unit_is_asked_about_and_answered_in_the_settings(tmp_path):
    head = ["渠道名称", "观看次数", "人均观看时长"]
    sheets = {
        "基本信息": whole_session()["基本信息"],
        "渠道流量": [head, ["推荐", 10, 1.5], ["搜索", 7, 0.5]],
    }
    path = workbook(tmp_path / "x.xlsx", **sheets)
    reading = load(path)
    assert reading.tables["traffic"]["avg_watch_seconds"].isna().all()
    assert "人均观看时长: 2 cells left out" in reading.files["problem"].str.cat(sep=" ")
    answered = load(path, durations="minutes").tables["traffic"]
    assert answered["avg_watch_seconds"].tolist() == [90, 30]


def test_a_running_total_is_no_curve_of_minutes(tmp_path):
    def minutes(per_minute):
        rows = [
            [f"2026/11/10 20:{at:02}", count, 100 + at % 3] for at, count in enumerate(per_minute)
        ]
        return load(workbook(tmp_path / "x.xlsx", S=[["时间", "评论次数", "新增粉丝数"], *rows]))

    per_minute = [3, 1, 4, 1, 5, 9, 2, 6, 5, 3] * 3
    running = minutes([sum(per_minute[: at + 1]) for at in range(30)])
    assert running.tables["minutes"]["comments"].isna().all()
    assert (
        len(running.tables["minutes"]) == 30 and running.tables["minutes"]["new_fans"].notna().all()
    )
    assert "评论次数: 30 cells left out" in running.files["problem"].iloc[0]
    assert minutes(per_minute).tables["minutes"]["comments"].sum() == 117
    assert minutes([0] * 20 + [1] * 9 + [2]).files["problem"].isna().all()


def test_a_unit_that_nothing_says_is_answered_in_the_settings(tmp_path):
    path = workbook(tmp_path / "x.xlsx", **sessions("直播时长", 960, 90))
    lasted = load(path, durations="minutes").tables["sessions"]["duration_seconds"]
    assert lasted.tolist() == [57600, 5400]


@pytest.mark.parametrize("cells", [("很久", 14), (14, "很久"), ("很久", "2小时", 14)])
def test_an_open_question_is_asked_beside_a_cell_that_is_no_value_at_all(tmp_path, cells):
    rows = [["平台", "直播间账号", "开播时间", "直播时长"]]
    rows += [
        ["抖音", "a", f"2026-05-0{day} 20:00:00", cell] for day, cell in enumerate(cells, start=1)
    ]
    reading = load(workbook(tmp_path / "直播场次.xlsx", 直播场次=rows))
    of_cell = dict(zip(reading.aside["value"], reading.aside["reason"], strict=True))
    assert of_cell == {"很久": "not_a_duration", "14": "short_duration"}
    problem = reading.files["problem"].iloc[0]
    assert (
        f"Column 直播时长: 1 rows kept aside, first in row {cells.index(14) + 2} (14): a duration "
        "whose unit cannot be told: none is stated, it is impossibly short as it stands, or h:mm "
        "or m:ss. Write one line into workspace.yml: "
        "durations: seconds (14 is 0 days 00:00:14), or durations: minutes (14 is 0 days "
        "00:14:00), or durations: hours (14 is 0 days 14:00:00), or durations: days (14 is 14 "
        "days 00:00:00)."
    ) in problem
    assert f"first in row {cells.index('很久') + 2} (很久): not a duration." in problem


def test_the_workspace_answers_only_what_a_file_leaves_open(tmp_path):
    path = workbook(tmp_path / "x.xlsx", **tiktok("03/04/2026 10:00:00", "25/06/2026 10:00:00"))
    assert load(path, dates="month").tables["orders"]["created_at"].dt.month.tolist() == [4, 6]


# ---- kinds of files

LIST = named(
    ["主播抖音号", "主播昵称", "直播开始时间", "直播间观看人数"],
    {**SESSION, "主播昵称": "某店，旗舰"},
)


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "gb18030", "gbk", "utf-16", "utf-16-le", "utf-16-be"]
)
@pytest.mark.parametrize("separator", [",", "\t"])
def test_text_of_every_charset_and_separator(tmp_path, encoding, separator):
    sessions = load(table(tmp_path / "x.csv", LIST, encoding=encoding, separator=separator)).tables[
        "sessions"
    ]
    assert sessions[["room_name", "viewers"]].values.tolist() == [["某店，旗舰", 15093]]


@pytest.mark.parametrize("name", ["x.xls", "x.xlsx", "x.csv"])  # the content counts, not the suffix
def test_an_old_workbook_under_any_suffix(tmp_path, name):
    sessions = load(old_workbook(tmp_path / name, LIST)).tables["sessions"]
    assert sessions[["room_name", "viewers"]].values.tolist() == [["某店，旗舰", 15093]]


def test_a_zip_of_every_kind(tmp_path):
    other = {**SESSION, "直播开始时间": "2026/09/08 08:55:37"}
    third = {**SESSION, "直播开始时间": "2026/09/09 08:55:37"}
    parts = [
        table(tmp_path / "a.csv", LIST, encoding="gb18030"),
        workbook(tmp_path / "b.xlsx", S=named(LIST[0], other)),
        old_workbook(tmp_path / "c.xls", named(LIST[0], third)),
    ]
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for part in parts:
            archive.write(part, f"导出/{part.name}")
    reading = load(tmp_path / "all.zip")
    assert reading.tables["sessions"]["started_at"].dt.day.tolist() == [7, 8, 9]
    assert reading.files["sheet"].tolist() == ["导出/a.csv", "导出/b.xlsx/S", "导出/c.xls/Sheet1"]


def test_native_times_of_a_workbook(tmp_path):
    rows = [HEAD, ["shop1", dt.datetime(2026, 5, 1, 20), 5]]
    assert load(workbook(tmp_path / "x.xlsx", S=rows)).tables["sessions"][
        "started_at"
    ].tolist() == [day("2026-05-01 20:00")]


@pytest.mark.parametrize(
    "name",
    ["sessions_20261399999999.csv", "sessions-20260230120000.csv", "sessions_20260601250000.csv"],
)
def test_digits_of_a_file_name_that_are_no_date_state_none(name):
    assert pd.isna(exported_at(name, None, timezone="Asia/Shanghai"))
    assert exported_at(
        "sessions_20260601120000.csv", None, timezone="Asia/Shanghai"
    ) == pd.Timestamp("2026-06-01 12:00", tz="Asia/Shanghai")
