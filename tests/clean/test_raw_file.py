"""Exports of our own making, with the quirks that real ones have.

Every row comes out, or is set aside with its reason.
"""

import datetime as dt
import json
import zipfile

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import clean, reference
from helpers.clean import limits, raw_file
from helpers.clean.open_file import RawFile
from helpers.clean.sheet import Sheet
from helpers.reference import schema
from tests.made_files import (
    CHINA,
    SESSION,
    export,
    headers_of,
    load,
    named,
    table,
    whole_session,
    workbook,
)

# ---- every mapping file

EXPORTS = [(system.system, each.id) for system in reference.systems() for each in system.exports]


@pytest.mark.parametrize(("system", "name"), EXPORTS)
def test_an_export_is_recognised_by_its_own_headers_and_leaves_none_unmapped(
    tmp_path, system, name
):
    how = export(system, name)
    headers = headers_of(how)
    rows = (
        [[header, "5"] for header in headers]
        if how.layout == "vertical"
        else [headers, ["5"] * len(headers)]
    )
    sheet = how.sheet[0] if how.sheet else "Sheet1"
    entry = load(workbook(tmp_path / "x.xlsx", **{sheet: rows})).files.iloc[0]
    assert (entry["system"], entry["export"]) == (system, name)
    assert pd.isna(entry["unmapped"])


@pytest.mark.parametrize(("system", "name"), EXPORTS)
def test_an_export_states_its_money_and_never_counts_a_column_twice(system, name):
    how = export(system, name)
    columns = reference.tables()[how.table].columns
    assert how.money_line or not any(
        columns[column].kind == "money" for column in how.columns if column in columns
    )
    known = [*how.ignore, *how.personal]
    assert len(known) == len(set(known))
    used = {
        name
        for column in how.columns.values()
        for name in [*column.header, *column.plus, *column.joined]
    }
    assert not used & set(known)


# ---- 罗盘


def test_the_session_list_of_compass(tmp_path):
    headers = [*headers_of(export("compass", "session_list")), "投放消耗(店铺被投)"]
    other = {
        **SESSION,
        "直播开始时间": "2026/09/09 08:55:37",
        "直播结束时间": "2026/09/09 12:55:37",
        "投放消耗(店铺绑定)": "-",
    }
    reading = load(
        workbook(tmp_path / "x.xlsx", Sheet1=[["直播间列表"], [], *named(headers, SESSION, other)])
    )
    first, second = (row for _, row in reading.tables["sessions"].iterrows())
    assert first["session_id"].startswith("20260907-0855-douyin-") and not first[
        "session_id"
    ].endswith("0000")
    assert (
        first["duration_seconds"]
        == 57600
        == (first["ended_at"] - first["started_at"]).total_seconds()
    )
    assert first["avg_watch_seconds"] == 90
    assert first["net_1h_amount"] == pytest.approx(first["paid_amount"] - first["refund_1h_amount"])
    assert first["ad_cost"] == second["ad_cost"] == 24052.43  # the two columns hold the same money
    rates = reading.tables["reported"]
    stated = rates[rates["session_id"] == first["session_id"]].set_index("name")
    for name in ("1小时退款率", "观看-成交率(人数)", "商品点击-成交率(人数)"):
        mine = first[stated.at[name, "numerator"]] / first[stated.at[name, "denominator"]]
        assert mine == pytest.approx(stated.at[name, "value"], abs=5e-5)


def test_a_full_and_a_half_width_header_with_odd_spaces_are_the_same(tmp_path):
    rows = named(SESSION, SESSION)
    rows[0] = [header.replace("(", " （").replace(")", "） ") for header in rows[0]]
    assert (
        load(workbook(tmp_path / "x.xlsx", S=rows)).tables["sessions"]["duration_seconds"].iloc[0]
        == 57600
    )


def test_bad_rows_go_aside_and_good_rows_go_on(tmp_path):
    rows = named(
        SESSION,
        SESSION,
        {**SESSION, "直播开始时间": "2026/06/31 20:00:00"},
        {**SESSION, "直播开始时间": "-"},
        {**SESSION, "直播开始时间": "2026/09/09 08:00:00", "直播结束时间": "2026/09/09 07:00:00"},
        {
            **SESSION,
            "直播开始时间": "2026/09/10 08:00:00",
            "直播结束时间": "-",
            "直播间成交金额": "很多",
        },
        {
            **SESSION,
            "直播开始时间": "2026/09/11 08:00:00",
            "直播结束时间": "-",
            "直播间观看人数": -3,
        },
        {**SESSION, "直播间成交金额": 70000},
    )
    reading = load(workbook(tmp_path / "x.xlsx", S=rows))
    assert reading.aside.set_index("row")[["column", "reason"]].T.to_dict("list") == {
        2: ["session_id", "duplicate"],
        3: ["直播开始时间", "not_a_date"],
        4: ["直播开始时间", "missing"],
        5: ["直播结束时间", "impossible"],
        6: ["直播间成交金额", "not_a_number"],
        7: ["直播间观看人数", "impossible"],
    }
    kept = reading.tables["sessions"]
    assert kept["paid_amount"].tolist() == [70000]  # of two rows of one session the last counts
    assert json.loads(reading.aside["row_json"].iloc[1])["直播开始时间"] == "2026/06/31 20:00:00"


def test_the_whole_session_workbook_of_2026(tmp_path):
    name = "直播间详情页_整场数据下载_2026-07-29_09-00-00(某店_2026-07-28_15-44-39).xlsx"
    reading = load(workbook(tmp_path / name, **whole_session()))
    (session,) = (row for _, row in reading.tables["sessions"].iterrows())
    assert session["session_id"].startswith("20260728-0815-douyin-")
    assert (
        session["ended_at"] == pd.Timestamp("2026-07-28 15:44:39", tz=CHINA)
        and session["duration_seconds"] == 26930
    )
    assert (
        session["viewers"],
        session["room_exposure_users"],
        session["pay_users"],
        session["avg_watch_seconds"],
    ) == (8947, 88400, 321, 65)
    assert pd.isna(session["new_fans"]) and session["user_paid_amount"] == 236552
    assert session["as_of"] == pd.Timestamp("2026-07-29 09:00", tz=CHINA)
    traffic, products = reading.tables["traffic"], reading.tables["products"]
    assert traffic["source"].tolist() == ["直播推荐", "千川PC版"] and traffic[
        "is_paid"
    ].tolist() == [False, True]
    assert traffic["paid_amount"].sum() == session["user_paid_amount"]
    parents = products[products["sku_id"].isna()]
    assert (
        parents["product_id"].tolist() == ["3645", "3646"]
        and parents["paid_amount"].sum() == session["user_paid_amount"]
    )
    skus = products[products["sku_id"].notna()]
    assert skus[["product_id", "sku_id"]].values.tolist() == [["3645", "黑色 L"], ["3645", "9001"]]
    assert reading.tables["videos"]["entries"].tolist() == [300]
    for made in reading.tables.values():
        assert set(made["session_id"]) == {session["session_id"]}
    assert reading.files["problem"].isna().all()
    assert reading.files.set_index("sheet").at["流量分析-渠道分析", "rows_totals"] == 1


def test_the_workbook_of_2025_with_other_words_and_stacked_tables(tmp_path):
    goods = [
        ["成交金额", "成交件数", "商品点击人数"],
        ["¥100", 3, 50],
        [],
        [
            "商品名称",
            "商品图片",
            "商品编号",
            "成交金额",
            "成交件数",
            "成交人数",
            "成交订单数",
            "商品曝光人数",
            "商品点击人数",
            "商品点击-成交转化率(人数)",
            "退款金额",
        ],
        ["卫衣", "http://x", "3645", "¥1,100", 3, 3, 3, "1.2万", 50, "6.00%", "-"],
        ["-", "sku名称", "sku编号", "成交金额", "成交件数"],
        ["-", "黑色 L", "77", "¥600", 2],
        ["-", "白色 M", "78", "¥500", 1],
        ["帽子", "http://y", "3646", "¥50", 1, 1, 1, 100, 5, "20.00%", "-"],
    ]
    basics = [
        ["达人昵称", "抖音号", "直播时间", "成交金额"],
        ["某店", "shop1", "2025-09-07_18-00-00~2025-09-08_00-00-46", "¥1,150"],
    ]
    name = "直播间详情页_整场数据下载_2025-09-09_15-40-44(某店_2025-09-08_00-00-46).xlsx"
    reading = load(workbook(tmp_path / name, 基本信息=basics, 商品=goods))
    (session,) = (row for _, row in reading.tables["sessions"].iterrows())
    assert session["started_at"] == pd.Timestamp("2025-09-07 18:00", tz=CHINA)
    assert session["ended_at"] == pd.Timestamp("2025-09-08 00:00:46", tz=CHINA)  # past midnight
    assert (
        session["as_of"] == pd.Timestamp("2025-09-09 15:40:44", tz=CHINA)
        and session["paid_amount"] == 1150
    )
    products = reading.tables["products"]
    assert products["product_id"].tolist() == ["3645", "3645", "3645", "3646"]
    assert products["sku_id"].tolist()[1:3] == ["黑色 L", "白色 M"] and products[
        "paid_amount"
    ].tolist() == [1100, 600, 500, 50]
    assert products["exposure_users"].iloc[0] == 12000


def test_a_workbook_whose_session_is_not_named_keeps_its_rows_aside(tmp_path):
    sheets = whole_session()
    del sheets["基本信息"]
    reading = load(workbook(tmp_path / "x.xlsx", **sheets))
    assert reading.tables == {}
    assert {"no_session", "missing"} == set(reading.aside["reason"])


def test_a_file_name_that_disagrees_with_the_sheet_is_noted(tmp_path):
    name = "直播间详情页_整场数据下载_2026-07-29_09-00-00(某店_2026-07-27_15-44-39).xlsx"
    reading = load(workbook(tmp_path / name, **whole_session()))
    assert (
        "The file name says Ended at 2026-07-27 15:44:39, the sheet says 2026-07-28 15:44:39"
        in reading.files["problem"].iloc[0]
    )
    assert reading.tables["sessions"]["ended_at"].iloc[0].day == 28


def test_two_workbooks_of_one_folder_of_a_zip_stay_two_sessions(tmp_path):
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for day in ("28", "29"):
            basics = [
                ["达人昵称", "抖音号", "直播时间"],
                ["某店", "shop1", f"2026/07/{day} 08:15:49-2026/07/{day} 15:44:39"],
            ]
            book = workbook(tmp_path / f"{day}.xlsx", **whole_session(基本信息=basics))
            archive.write(book, f"七月/直播间详情页_整场数据下载_2026-08-{day}_09-00-00.xlsx")
    reading = load(path)
    assert reading.tables["sessions"]["started_at"].dt.day.tolist() == [28, 29]
    assert reading.tables["sessions"]["as_of"].dt.day.tolist() == [28, 29]
    assert reading.tables["traffic"].groupby("session_id").size().tolist() == [2, 2]


# ---- 抖店

ORDER = {
    "主订单编号": "\t6917926768823643751",
    "子订单编号": "\t6917926768823643752",
    "选购商品": "\t卫衣",
    "商品ID": "\t3645",
    "商品数量": "2",
    "订单提交时间": "2026-09-22 00:54:10",
    "支付完成时间": "2026-09-22 00:54:20",
    "订单应付金额": "119.80",
    "优惠总金额": "10.00",
    "省": "浙江",
    "收件人": "\t##密文甲",
    "收件人手机号": "\t$$13812345678",
    "详细地址": "\t##西湖区某路",
    "流量体裁": "直播",
    "达人昵称": "某店",
    "订单状态": "已完成",
    "快递信息": "SF123-顺丰速运,10001-1",
    "买家留言": "请打 13812345678",
}


def doudian(path, *orders, encoding="utf-8-sig", reverse=False):
    headers = headers_of(export("doudian", "orders"))
    rows = named(headers[::-1] if reverse else headers, *orders)
    return table(
        path, [rows[0], *([*row, ""] for row in rows[1:])], encoding=encoding
    )  # rows have a column without a header


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
def test_doudian_orders_in_any_charset_and_sequence(tmp_path, encoding):
    unpaid = {
        **ORDER,
        "子订单编号": "\t6917926768823643999",
        "支付完成时间": "-",
        "流量体裁": "数据将于第二天更新",
    }
    reading = load(
        doudian(
            tmp_path / "1791213782_ab.csv",
            ORDER,
            unpaid,
            encoding=encoding,
            reverse=encoding == "gb18030",
        )
    )
    orders = reading.tables["orders"]
    assert orders["line_id"].tolist() == ["6917926768823643752", "6917926768823643999"]
    assert (
        orders["paid"].iloc[0] == 119.8
        and pd.isna(orders["paid"].iloc[1])
        and orders["payable"].tolist() == [119.8, 119.8]
    )
    assert orders["channel"].tolist() == ["直播", "数据将于第二天更新"]
    assert orders["created_at"].iloc[0] == pd.Timestamp("2026-09-22 00:54:10", tz=CHINA)
    entry = reading.files.iloc[0]
    assert pd.isna(entry["unmapped"]) and pd.isna(entry["problem"])
    assert entry["as_of"] == pd.Timestamp(1791213782, unit="s", tz=CHINA)


def test_personal_columns_are_nowhere_in_what_is_kept(tmp_path):
    bad = {**ORDER, "子订单编号": "\t6917926768823643998", "订单提交时间": "昨天 13912345678"}
    reading = load(doudian(tmp_path / "o.csv", ORDER, bad, ORDER))
    everything = "".join(
        frame.to_csv() for frame in [*reading.tables.values(), reading.files, reading.aside]
    )
    for secret in ("密文", "13812345678", "13912345678", "西湖区", "顺丰"):
        assert secret not in everything
    assert reading.aside["reason"].tolist() == ["duplicate", "not_a_date"]


LAUNCHES = ["LIVE name", "Launched time", "Campaign name", "Campaign ID", "Cost"]
LOST = [1862046336917810, "1.86205E+15", "1862046336917000000"]


def launches(*ids, name="A{}"):
    started = dt.datetime(2026, 4, 12, 15, 5, 30)
    rows = (["PROMO", started, name.format(at), id, 100 + at] for at, id in enumerate(ids))
    return [LAUNCHES, *rows]


@pytest.mark.parametrize("lost", LOST)
def test_lost_digits_of_an_id_that_nothing_is_joined_by_are_a_note(tmp_path, lost):
    reading = load(workbook(tmp_path / "a.xlsx", Data=launches(lost, "1862046336917812", lost)))
    count = reading.tables["ads"]["campaign_id"].isna().sum()
    assert reading.tables["ads"]["cost"].tolist() == [100, 101, 102] and count in (2, 3)
    assert reading.questions.empty and reading.aside.empty
    assert f"Campaign ID: {count} ids have lost their last digits" in reading.files["problem"][0]


@pytest.mark.parametrize("lost", LOST)
def test_lost_digits_of_ids_that_alone_tell_rows_apart_are_asked_about(tmp_path, lost):
    sheet = launches(lost, "1862046336917812", lost, name="A")
    reading = load(workbook(tmp_path / "a.xlsx", Data=sheet))
    assert reading.questions[["column", "reason", "effect"]].values.tolist() == [
        ["Campaign ID", "lost_digits", "left_out"]
    ]
    assert reading.tables["ads"]["cost"].sum() == 303


def test_ids_that_lost_digits_are_never_joined_on(tmp_path):
    lost = [
        {**ORDER, "主订单编号": "6.91793E+18", "子订单编号": f"6917926768823{tail}0"}
        for tail in ("64300", "65700", "66100")
    ]
    reading = load(doudian(tmp_path / "o.csv", *lost))
    assert "orders" not in reading.tables
    assert reading.aside["reason"].tolist() == ["lost_digits"] * 3
    assert (
        "Column 主订单编号: 3 rows kept aside, first in row 2 (6.91793E+18)"
        in (reading.files["problem"].iloc[0])
    )


def test_aftersales_cases_join_orders_by_line(tmp_path):
    how = export("doudian", "aftersales")
    case = {
        "售后单号": "\t142",
        "订单号": "\t6917926768823643751",
        "商品单号": "\t6917926768823643752",
        "售后类型": "已发货退款",
        "售后状态": "同意退款，退款成功",
        "售后申请时间": "2026-09-23 10:00:00",
        "退商品金额（元）": "100.00",
        "退运费金额（元）": "6.00",
        "商品发货状态": "未发货",
        "售后原因": "拍错 13812345678",
        "售后关闭时间": "-",
        "售后完结时间": "2026-09-24 10:00:00",
    }
    others = [
        {**case, "售后单号": f"\t{n}", "售后类型": kind, "售后状态": status, "仲裁状态": judged}
        for n, (kind, status, judged) in enumerate(
            [
                ("未发货退款", "售后关闭", "仲裁中"),
                ("退货退款", "待商家处理", "-"),
                ("换货", "换货成功", "-"),
                ("补寄", "待买家退货处理", "-"),
            ]
        )
    ]
    rows = named(headers_of(how), case, *others)
    cases = load(table(tmp_path / "c.csv", rows, encoding="utf-8-sig")).tables["aftersales"]
    assert cases["kind"].tolist() == [
        "refund_after_shipping",
        "refund_before_shipping",
        "return_refund",
        "exchange",
        "other",
    ]
    assert cases["status"].tolist() == ["succeeded", "closed", "open", "exchanged", "open"]
    assert (
        cases["disputed"].tolist() == [False, True, False, False, False]
        and cases["before_shipping"].all()
    )
    assert (
        cases["amount"].iloc[0] == 106 and cases["line_id"].iloc[0] == ORDER["子订单编号"].strip()
    )
    assert "138" not in cases["reason"].iloc[0] and cases["closed_at"].notna().all()


# ---- 千川, 百应


def test_qianchuan_by_day_without_its_total_and_by_hour(tmp_path):
    days = [
        [
            "抖音号名称",
            "日期",
            "净成交ROI",
            "净成交金额",
            "整体消耗",
            "整体支付ROI",
            "整体成交金额",
            "整体成交订单数",
            "GPM",
            "直播间整体曝光次数",
        ],
        ["某店", "全部", 2, "4,000.00", "2,000.00", 2.5, "5,000.00", 50, 1, 1],
        ["某店", "2026-11-10", 2, "2,400.00", "1,200.00", 2.5, "3,000.00", 30, 1, 1],
        ["某店", "2026-11-11", 2, "1,600.00", "800.00", 2.5, "2,000.00", 20, 1, 1],
        ["二店", "2026-11-11", 2, "1.00", "1.00", 2.5, "2.00", 1, 1, 1],
    ]
    reading = load(workbook(tmp_path / "d.xlsx", 直播分析=days))
    ads = reading.tables["ads"]
    assert (
        ads["cost"].tolist() == [1200, 800, 1]
        and set(ads["slot_seconds"]) == {86400}
        and reading.files["rows_totals"].iloc[0] == 1
    )
    hours = [
        [
            "时间-小时",
            "整体消耗",
            "整体支付ROI",
            "整体成交金额",
            "整体成交订单数",
            "整体成交订单成本",
            "净成交金额",
        ],
        ["2026-11-10 20:00", "1,100.00", 2, "2,200.00", 20, 55, "2,000.00"],
        ["2026-11-10 21:00:00-2026-11-10 21:59:59", "100.00", 2, "200.00", 2, 50, "-"],
    ]
    ads = load(workbook(tmp_path / "h.xlsx", S=hours)).tables["ads"]
    assert ads["started_at"].dt.hour.tolist() == [20, 21] and set(ads["slot_seconds"]) == {3600}


def test_qianchuan_materials_take_their_day_from_the_file_name(tmp_path):
    rows = [
        [
            "素材名称",
            "素材ID",
            "整体消耗",
            "净成交ROI",
            "净成交金额",
            "1小时内退款率",
            "整体成交金额",
        ],
        ["开箱", "7512345678901234567", "1,200.00", 2, "-", "1.49%", "3,000.00"],
        ["AIGC动态创意视频素材集合", "-", "200.00", 2, "-", "-", "300.00"],
    ]
    name = "全域数据_素材分析_视频_2026-06-01 00_00_00-2026-06-01 23_59_59-77.xlsx"
    reading = load(workbook(tmp_path / name, Sheet1=rows))
    # creatives that the platform put together have no id, and their money is in no other row
    assert reading.tables["ads"][["campaign", "title", "cost"]].values.tolist() == [
        ["开箱", "2026-06-01", 1200],
        ["AIGC动态创意视频素材集合", "2026-06-01", 200],
    ]
    assert reading.files["problem"].isna().all()


def test_the_minute_trend_of_buyin(tmp_path):
    rows = [
        ["时间", "评论次数", "新加直播团人数", "新增粉丝数"],
        ["2026/11/10 20:00", 12, 1, "-"],
        ["2026/11/10 20:01", 15, 0, 3],
    ]
    reading = load(
        workbook(tmp_path / "流量综合趋势分析下载_数据更新日期20261111.xlsx", Sheet1=rows)
    )
    minutes = reading.tables["minutes"]
    assert reading.files["system"].iloc[0] == "buyin" and minutes["comments"].tolist() == [12, 15]
    assert minutes["at"].dt.minute.tolist() == [0, 1]


# ---- 淘宝, TikTok


def test_taobao_paid_column_is_net_of_refunds_already(tmp_path):
    rows = [
        [
            "订单编号",
            "总金额",
            "买家实际支付金额",
            "收货地址 ",
            "订单创建时间",
            "订单付款时间 ",
            "退款金额",
        ],
        [1, 178.8, 0, "上海", "2020-02-21 00:00:00", "", 0],
        [6, 327.7, 148.9, "浙江省", "2020-02-20 23:56:39", "2020-02-20 23:56:53", 178.8],
    ]
    orders = load(table(tmp_path / "o.csv", rows)).tables["orders"]
    assert (
        pd.isna(orders["paid"].iloc[0])
        and orders["paid"].iloc[1] == 327.7
        and orders["refunded"].iloc[1] == 178.8
    )


def test_taobao_live_products_belong_to_the_session_of_their_start(tmp_path):
    sessions = [
        [
            "直播标题",
            "场次id",
            "开播时间",
            "直播间观看次数",
            "直播间观看人数",
            "转粉率",
            "成交金额",
        ],
        ["上新", "55", "2026-05-01 20:00:00", 100, 80, "2.5%", 900],
    ]
    goods = [
        [
            "商品标题",
            "商品id",
            "直播标题",
            "场次id",
            "开播时间",
            "商品点击人数",
            "商品点击次数",
            "成交金额",
        ],
        ["卫衣", "61", "上新", "55", "2026-05-01 20:00:00", 9, 11, 300],
    ]
    (session,) = load(workbook(tmp_path / "s.xlsx", S=sessions)).tables["sessions"]["session_id"]
    assert load(workbook(tmp_path / "p.xlsx", S=goods)).tables["products"][
        "session_id"
    ].tolist() == [session]


def test_taobao_buyers_are_hashed(tmp_path):
    rows = [
        [
            "直播标题",
            "父订单",
            "子订单",
            "会员名",
            "商品id",
            "商品标题",
            "下单时间",
            "支付时间",
            "支付金额",
        ],
        ["上新", "1", "2", "买家甲", "61", "卫衣", "2026-05-01 20:10:00", "-", "-"],
    ]
    orders = load(workbook(tmp_path / "o.xlsx", S=rows)).tables["orders"]
    assert (
        len(orders["buyer_key"].iloc[0]) == 16
        and orders["channel"].iloc[0] == "直播"
        and pd.isna(orders["paid"].iloc[0])
    )


def tiktok_orders(path, *times):
    how = export("tiktok", "orders")
    headers = headers_of(how)
    about = [
        "Platform unique order ID." if header == "Order ID" else "Words about the column."
        for header in headers
    ]
    rows = [
        {
            "Order ID": "583870900000000001\t",
            "SKU ID": f"17293{number}\t",
            "Created Time": f"{time}\t",
            "Paid Time": f"{time}\t",
            "Quantity": "1",
            "Order Amount": "Rp250.000",
            "SKU Subtotal After Discount": amount,
            "Buyer Username": "budi",
            "Recipient": "Budi",
            "Phone #": "(+62)812*****90",
            "Province": "Jawa Barat",
        }
        for number, (time, amount) in enumerate(times)
    ]
    lines = named(headers, *rows)
    return table(path, [lines[0], about, *lines[1:]], encoding="utf-8-sig")


def test_tiktok_orders_use_the_money_of_the_sku(tmp_path):
    reading = load(
        tiktok_orders(
            tmp_path / "o.csv",
            ("25/04/2026 10:00:00", "Rp100.000"),
            ("03/04/2026 11:00:00", "Rp150.000"),
        ),
        timezone="Asia/Jakarta",
        currency="CNY",
    )
    orders = reading.tables["orders"]
    assert orders["paid"].sum() == 250_000 and set(orders["currency"]) == {"IDR"}
    assert orders["order_id"].nunique() == 1 and orders["line_id"].nunique() == 2
    assert orders["created_at"].dt.month.tolist() == [4, 4]
    assert reading.files["rows_totals"].iloc[0] == 1  # the row of explanations
    assert "Budi" not in orders.to_csv()


def test_dates_whose_order_cannot_be_told_are_refused_with_a_clear_problem(tmp_path):
    reading = load(
        tiktok_orders(
            tmp_path / "o.csv",
            ("03/04/2026 10:00:00", "Rp100.000"),
            ("05/04/2026 10:00:00", "Rp1.000"),
        ),
        timezone="Asia/Jakarta",
    )
    assert "orders" not in reading.tables and set(reading.aside["reason"]) == {"ambiguous_date"}
    assert "cannot be told apart" in reading.files["problem"].iloc[0]


def test_the_newer_live_list_of_tiktok(tmp_path):
    how = export("tiktok", "live_list_2")
    row = {
        "Livestream": "Sale",
        "Start time": "2026-06-01 10:00",
        "Duration": "3600",
        "Attributed GMV": "$1,234.50",
        "Views": "100",
        "LIVE impressions": "1000",
        "CTR": "4.2%",
    }
    reading = load(
        workbook(
            tmp_path / "Creator-Live-Performance_20260701093000.xlsx",
            Sheet1=named(headers_of(how), row),
        ),
        timezone="Asia/Jakarta",
        currency="IDR",
    )
    session = reading.tables["sessions"].iloc[0]
    assert (session["paid_amount"], session["currency"], session["room_exposure_times"]) == (
        1234.5,
        "USD",
        1000,
    )
    assert reading.files["as_of"].iloc[0] == pd.Timestamp("2026-07-01 09:30", tz="Asia/Jakarta")


# ---- files

BROKEN = {
    "empty.csv": b"",
    "blank.csv": b"\r\n  \r\n",
    "noise.xlsx": b"PK\x03\x04 and then nothing",
    "noise.xls": b"\xd0\xcf\x11\xe0" + b"x" * 600,
    "page.xls": "<html><table><tr><td>订单编号</td></tr></table></html>".encode(),
    "picture.csv": b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 8,
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_cannot_be_read_is_a_problem_that_names_it(tmp_path, name):
    (tmp_path / name).write_bytes(BROKEN[name])
    reading = load(tmp_path / name)
    assert reading.tables == {} and len(reading.files) == 1
    assert "expected" in reading.files["problem"].iloc[0]


def test_an_unknown_table_says_what_is_nearest(tmp_path):
    reading = load(
        table(
            tmp_path / "x.csv",
            [["主订单编号", "商品ID", "选购商品", "商品数量"], ["1", "2", "3", "4"]],
        )
    )
    assert (
        "doudian/orders, which needs" in reading.files["problem"].iloc[0]
        and "2 rows left unread" in reading.files["problem"].iloc[0]
    )
    assert (reading.files[["rows_in", "rows_kept", "rows_totals", "rows_aside"]] == 0).all(
        axis=None
    )


def test_a_missing_file_is_a_problem(tmp_path):
    assert "cannot be opened" in load(tmp_path / "gone.csv").files["problem"].iloc[0]


def test_a_zip_of_exports_with_a_gbk_name(tmp_path):
    inner = doudian(tmp_path / "a.csv", ORDER).read_bytes()
    book = workbook(tmp_path / "b.xlsx", S=named(SESSION, SESSION)).read_bytes()
    path = tmp_path / "all.zip"
    with zipfile.ZipFile(path, "w") as archive:
        name = zipfile.ZipInfo("订单.csv".encode("gb18030").decode("cp437"))
        archive.writestr(name, inner)
        archive.writestr("lists/b.xlsx", book)
        archive.writestr("__MACOSX/._b.xlsx", b"x")
        archive.writestr("bad.xlsx", b"PK\x03\x04nothing")
        archive.writestr("../out.csv", b"a,b\n1,2\n")
    reading = load(path)
    assert set(reading.tables) == {"orders", "sessions", "reported"}
    assert set(reading.files["file"]) == {"all.zip"}
    problems = reading.files.dropna(subset="problem").set_index("sheet")["problem"]
    assert set(problems.index) == {"bad.xlsx", "../out.csv"}
    assert "is damaged" in problems["bad.xlsx"] and "leads out" in problems["../out.csv"]


def test_a_zip_bomb_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MAX_BYTES", 1000)
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"0" * 10_000)
    assert (
        "more than" in load(path).files["problem"].iloc[0]
        or "unpacks to" in load(path).files["problem"].iloc[0]
    )


def test_rows_of_odd_length_blank_rows_and_a_semicolon(tmp_path):
    path = tmp_path / "o.csv"
    lines = [
        "订单编号;总金额;买家实际支付金额;收货地址;订单创建时间;订单付款时间;退款金额",
        "1;5;5;上海;2020-02-01 10:00:00;2020-02-01 10:00:01;0;;",
        "",
        "2;6;6;北京;2020-02-01 11:00:00",
        "合计;11",
        "",
    ]
    path.write_text("\n".join(lines), encoding="utf-8")
    reading = load(path)
    assert reading.tables["orders"]["payable"].tolist() == [5, 6]
    assert reading.tables["orders"]["source_row"].tolist() == [2, 4]
    assert reading.files[["rows_in", "rows_totals"]].iloc[0].tolist() == [3, 1]


def test_stacked_tables_in_one_sheet_are_read_apart(tmp_path):
    first = named(SESSION, SESSION)
    second = [["渠道名称", "观看人数", "观看次数"], ["直播推荐", 5, 6], ["整体", 5, 6]]
    reading = load(workbook(tmp_path / "x.xlsx", S=[["七月"], *first, [], ["渠道"], *second]))
    assert reading.files["export"].tolist() == ["session_list", "session_channels"]
    assert reading.files["rows_in"].tolist() == [2, 2] and reading.files[
        "rows_totals"
    ].tolist() == [1, 1]  # a title, a total
    assert (
        reading.tables["traffic"]["session_id"].tolist()
        == reading.tables["sessions"]["session_id"].tolist()
    )


def test_merged_headers_in_two_rows_with_the_unit_in_the_header(tmp_path):
    top = ["主播抖音号", "直播开始时间", "流量", None, "成交", None]
    below = [
        None,
        None,
        "直播间曝光人数（万）",
        "直播间观看人数（万）",
        "直播间成交金额（万元）",
        "直播间成交订单数（单）",
    ]
    rows = [["七月直播"], top, below, ["shop1", "2026-07-01 20:00", 1.2, 0.3, 5.5, 320]]
    session = load(workbook(tmp_path / "x.xlsx", S=rows)).tables["sessions"].iloc[0]
    assert (
        session["room_exposure_users"],
        session["viewers"],
        session["paid_amount"],
        session["orders"],
    ) == (12000, 3000, 55000, 320)


def test_a_header_that_is_not_known_is_named_and_a_mapping_is_proposed(tmp_path):
    rows = named([*SESSION, "直播间观看人数量"], {**SESSION, "直播间观看人数量": 5})
    reading = load(workbook(tmp_path / "x.xlsx", S=rows))
    assert reading.files["unmapped"].iloc[0] == "直播间观看人数量"
    proposed = clean.proposals(["直播间观看人数量", "zzz"], export("compass", "session_list"))
    assert proposed["column"].tolist()[0] == "viewers" and pd.isna(proposed["column"].iloc[1])


def test_reading_twice_gives_the_same(tmp_path):
    path = doudian(tmp_path / "o.csv", ORDER, {**ORDER, "子订单编号": "x", "订单提交时间": "?"})
    first, second = load(path), load(path)
    for one, two in zip(
        [*first.tables.values(), first.files, first.aside],
        [*second.tables.values(), second.files, second.aside],
        strict=True,
    ):
        pd.testing.assert_frame_equal(one, two)


CELLS = [
    "",
    "-",
    "—",
    "5",
    "-5",
    "1.2万",
    "7.5w~10w",
    "¥1,234.5",
    "12%",
    "0.5",
    "1分5秒",
    "2026/09/07 08:55:37",
    "2026-09-07_08-55-37~2026-09-07_09-55-37",
    "03/04/2026",
    "13/04/2026 10:00",
    "是",
    "整体",
    "合计",
    "sku名称",
    "1.86E+18",
    "6917926768823643750",
    "直播间观看人数",
    "商品ID",
    "'1",
    "\t7",
    "换货",
    "注：说明",
    float("nan"),
    5.0,
    True,
    1862046336917810.0,
    dt.datetime(2026, 9, 7, 8),
    dt.time(1, 2),
    dt.timedelta(hours=30),
    dt.date(2026, 9, 7),
    None,
]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    which=st.sampled_from(EXPORTS),
    rows=st.lists(st.lists(st.sampled_from(CELLS), min_size=1, max_size=90), max_size=5),
    data=st.data(),
)
def test_no_cells_whatever_raise_or_lose_a_row(monkeypatch, which, rows, data):
    """Any cells below any known headers: nothing is raised and rows in = kept + totals + aside."""
    headers = data.draw(st.permutations(headers_of(export(*which))))
    width = max(map(len, [headers, *rows]))
    grid = pd.DataFrame(
        [[*row, *[""] * (width - len(row))] for row in [headers, *rows]], dtype=object
    )
    grid.index = range(1, len(grid) + 1)
    monkeypatch.setattr(
        raw_file,
        "open_file",
        lambda path, **_: RawFile("x.xlsx", "0", (Sheet("S", grid),), ()),
    )
    reading = load("x.xlsx")
    assert reading.files["rows_in"].sum() <= len(rows) + 1
    for name, frame in reading.tables.items():
        assert schema.validate(frame, name).empty


@given(
    st.one_of(
        st.binary(max_size=3000),
        st.text(alphabet="订单,\t\"'\n\r;1a\x00\ufeff", max_size=200).map(
            lambda text: text.encode("utf-16")
        ),
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_no_bytes_whatever_raise(tmp_path, content):
    for name in ("x.csv", "x.xlsx"):
        (tmp_path / name).write_bytes(content)
        assert len(load(tmp_path / name).files) >= 1


def test_an_open_choice_is_free_text_and_masked(tmp_path):
    reading = load(doudian(tmp_path / "o.csv", {**ORDER, "省": "福建 13800138000"}))
    assert reading.tables["orders"]["province"].tolist() == ["福建 ***"]
