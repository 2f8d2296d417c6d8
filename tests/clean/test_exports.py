"""One file for each known export, and the canonical rows that it must become.

Files are written as their published descriptions say.

Header lists are those that were published or read from real files, in their own order; cells and
rows are made up, except the sample row of the Compass list. Quirks are part of the files: charsets,
merged headers, totals, notes, sub-rows, marks around ids, units in cells.
"""

import datetime as dt
from typing import NamedTuple

import pandas as pd
import pytest

from helpers import reference
from tests.made_files import CHINA, SESSION, load, named, table, workbook

JAKARTA = "Asia/Jakarta"


class Case(NamedTuple):
    """A file to write, and what must come out.

    Rows of the canonical table (some columns of each), money lines, counts.

    `money` maps a canonical column of the first row to (its line, its value). `counts` are rows in,
    kept, totals, aside.
    """

    write: object
    table: str
    rows: list
    money: dict
    counts: tuple
    grade: str = "S"
    timezone: str = CHINA
    currency: str = "CNY"


def split(headers: str) -> list[str]:
    return [name.strip() for name in headers.split(",") if name.strip()]


def at(text: str, zone: str = CHINA) -> pd.Timestamp:
    return pd.Timestamp(text, tz=zone)


def book(name, merged=(), **sheets):
    return lambda folder: workbook(folder / name, merged, **sheets)


def text(name, rows, **how):
    return lambda folder: table(folder / name, rows, **how)


# ---- 罗盘

SESSION_LIST = split(
    """主播头像, 主播昵称, 主播抖音号, 直播开始时间, 直播结束时间, 直播时长(分钟), 直播间曝光人数,
    直播间曝光次数, 直播间观看人数, 单小时观看人数, 直播间观看次数, 直播激励观看次数,
    最高在线人数, 平均在线人数, 人均观看时长(分钟), 评论次数, 新加直播团人数, 新增粉丝数,
    取关粉丝数, 观看老粉占比, 带货商品数, 直播间商品曝光人数, 直播间商品点击人数,
    直播间商品曝光次数, 直播间商品点击次数, 直播间成交订单数, 直播间成交金额, 直播间用户支付金额,
    单小时用户支付金额, 直播间成交件数, 直播间成交人数, 直播间退款订单数, 直播间退款金额,
    直播间退款人数, 预估佣金支出, 商品曝光-点击率(次数), 商品曝光-点击率(人数),
    商品点击-成交率(次数), 商品点击-成交率(人数), 观看-成交率(次数), 观看-成交率(人数),
    预售订单数, 预售全款金额, 新加购物团人数, 投放消耗(店铺绑定), 投放消耗(店铺被投), 净成交金额,
    净成交订单数, 1小时退款金额, 1小时退款订单数, 1小时退款率, 消费券引导支付金额,
    消费券引导支付占比, 消费券补贴金额, 消费券使用量"""
)

NEW_NAME = "直播间详情页_整场数据下载_2026-07-29_09-00-00(某店_2026-07-28_15-44-39).xlsx"
NEW_BOOK = {
    "基本信息": [
        split(
            "达人昵称, 抖音号or火山号, 直播时间, 直播时长, 直播间用户支付金额, "
            "千次观看用户支付金额, 达人头像, 达人等级, 达人类型, 达人粉丝数"
        ),
        [
            "某店",
            "shop1",
            "2026/07/28 08:15:49-2026/07/28 15:44:39",
            "7小时28分50秒",
            "¥236,552",
            "¥26,439.25",
            "—",
            "—",
            "—",
            "12.3万",
        ],
    ],
    "整体看板": [
        split(
            "直播间观看人数, 直播间曝光-观看率(人数), 平均在线人数, 最高在线人数, 商品点击人数, "
            "直播间商品曝光-点击率(人数), 人均观看时长, 新增粉丝数, "
            "直播间观看-关注率(人数), 直播间观看-互动率(人数), 人均评论次数, "
            "直播间观看-成交率(人数), 直播间商品点击-成交率(人数), 客单价, 退款金额, 退款订单数, "
            "退款人数"
        ),
        [
            "8,947",
            "10.12%",
            44,
            120,
            "2,001",
            "40.02%",
            "1分5秒",
            "—",
            "0.50%",
            "3.20%",
            "1.2",
            "3.59%",
            "16.04%",
            "¥736.9",
            "¥1,200.5",
            3,
            3,
        ],
    ],
    "流量分析-流量转化": [
        ["直播间曝光人数", "8.84万"],
        ["直播间观看人数", 8947],
        ["商品曝光人数", 5000],
        ["商品点击人数", 2001],
        ["成交人数", 321],
    ],
    "流量分析-渠道分析": [
        split(
            "渠道名称, 人均观看时长, 观看次数, 观看人数, 直播间观看-互动率(次数), 用户支付金额, "
            "成交订单数, 笔单价, 直播间观看-成交率(次数), 千川消耗"
        ),
        ["整体", "1分5秒", 10000, 8947, "2%", "¥236,552", 330, "¥716.8", "3%", "¥9,000"],
        ["直播推荐", "1分0秒", 6000, 5000, "2%", "¥136,552", 200, "—", "3%", "—"],
        ["千川PC版", "50秒", 4000, 3947, "2%", "¥100,000", 130, "—", "3%", "¥9,000"],
    ],
    "流量分析-短视频引流": [
        split(
            "短视频名称, 投稿时间, 短视频直播入口曝光次数, 短视频引流直播间次数, "
            "短视频直播入口点击率(次数)"
        ),
        ["新品", "2026/07/27 18:00:00", 9000, 300, "3.33%"],
    ],
    "商品分析-商品明细": [
        split("商品ID, 商品名称, 用户支付金额, 成交件数, 成交人数, 商品曝光人数, 商品点击人数"),
        ["3645", "卫衣", "¥200,000", 300, 280, 4000, 1500],
        ["-", "黑色 L", "¥150,000", 200, "—", "—", "—"],
        ["-9001", "白色 M", "¥50,000", 100, "—", "—", "—"],
        ["3646", "帽子", "¥36,552", 60, 41, 2000, 501],
    ],
}

OLD_NAME = "直播间详情页_整场数据下载_2025-09-09_15-40-44(某店_2025-09-08_00-00-46).xlsx"
OLD_BOOK = {
    "基本信息": [
        ["达人昵称", "抖音号", "直播时间", "成交金额"],
        ["某店", "shop1", "2025-09-07_18-00-00~2025-09-08_00-00-46", "¥1,150"],
    ],
    "流量&转化-转化漏斗": [
        ["直播间曝光人数", "1.2万"],
        ["直播间观看人数", "3,000"],
        ["商品曝光人数", 900],
        ["商品点击人数", 55],
        ["成交人数", 4],
        ["人均观看时长", "1分钟5秒"],
    ],
    "流量分析-渠道分析": [
        ["渠道名称", "观看次数", "观看人数", "成交金额"],
        ["整体", "1.2万", 3000, "¥1,150"],
        ["关注", "1.2万", 3000, "¥1,150"],
    ],
    "流量&转化-短视频引流": [
        ["短视频名称", "发布时间", "短视频引流直播间次数"],
        ["预告", "2025-09-06_12-00-00", 12],
    ],
    "互动&人群&售后": [
        ["评论次数", "新增粉丝数", "退款金额", "退款人数"],
        ["1,234", 56, "¥100", 1],
    ],
    "商品": [
        ["成交金额", "成交件数", "商品点击人数"],
        ["¥1,150", 4, 55],
        [],
        split(
            "商品名称, 商品图片, 商品编号, 成交金额, 成交件数, 成交人数, 成交订单数, 预售订单数, "
            "预售创建金额, 商品曝光人数, 商品点击人数, 商品曝光-点击率(人数), "
            "商品点击-成交转化率(人数), 退款人数, 退款金额, 退款订单数"
        ),
        [
            "卫衣",
            "http://x",
            "3645",
            "¥1,100",
            3,
            3,
            3,
            "-",
            "-",
            "1.2万",
            50,
            "0.42%",
            "6.00%",
            1,
            "¥100",
            1,
        ],
        ["-", "sku名称", "sku编号", "成交金额", "成交件数"],
        ["-", "黑色 L", "77", "¥600", 2],
        ["-", "白色 M", "78", "¥500", 1],
        [
            "帽子",
            "http://y",
            "3646",
            "¥50",
            1,
            1,
            1,
            "-",
            "-",
            100,
            5,
            "5.00%",
            "20.00%",
            "-",
            "-",
            "-",
        ],
    ],
}

SHOP_BOOK = {
    "场次概览": [
        ["直播开始时间", "2026-05-01 20:00:00"],
        ["直播结束时间", "2026-05-01 23:00:00"],
        ["主播昵称", "某店"],
    ],
    "核心指标": [
        ["分组", "指标", "本期值", "上期值", "较上期"],
        ["流量", "直播间观看人数", "1.2万", "1万", "20%"],
        [None, "最高在线人数", 300, 280, "7%"],
        [None, "平均在线人数", 120, 110, "9%"],
        ["成交", "用户支付金额(元)", "5,000", "4,000", "25%"],
    ],
    "渠道流量": [["渠道名称", "观看人数"], ["整体", 12000], ["搜索", 12000]],
    "货品明细": [
        ["商品ID", "商品名称", "商品点击人数", "用户支付金额"],
        ["3645", "卫衣", 800, "5,000"],
    ],
    "商品讲解": [
        split(
            "商品名称, 讲解开始时间戳, 讲解结束时间戳, 用户支付金额(元), 成交件数, 起止人数变化, "
            "分均在线人数"
        ),
        ["卫衣", "1777637400", "1777637700", "1,234.5", 12, -35, 140.5],
        ["卫衣", "2026-05-01 21:00:00", "2026-05-01 21:04:00", "—", 0, 20, 150],
    ],
}
SHOP_MERGED = [("核心指标", 1, 0, 3, 0)]

COMPASS = {
    "session_list": Case(
        book("列表.xlsx", Sheet1=named(SESSION_LIST, SESSION)),
        "sessions",
        [
            {
                "room": "shop1",
                "started_at": at("2026-09-07 08:55:37"),
                "ended_at": at("2026-09-08 00:55:37"),
                "duration_seconds": 57600,
                "viewers": 15093,
                "fan_viewer_share": 0.0421,
                "ad_cost": 24052.43,
                "comments": None,
                "currency": "CNY",
            }
        ],
        {
            "paid_amount": ("paid", 61045.3),
            "user_paid_amount": ("paid", 59847.17),
            "net_1h_amount": ("net", 50512.9),
            "refund_amount": ("refund", 14603.08),
            "refund_1h_amount": ("refund", 10532.4),
        },
        (1, 1, 0, 0),
    ),
    "session_basics": Case(
        book(NEW_NAME, **NEW_BOOK),
        "sessions",
        [
            {
                "room": "shop1",
                "started_at": at("2026-07-28 08:15:49"),
                "ended_at": at("2026-07-28 15:44:39"),
                "duration_seconds": 26930,
                "as_of": at("2026-07-29 09:00:00"),
            }
        ],
        {"user_paid_amount": ("paid", 236552)},
        (1, 1, 0, 0),
    ),
    "session_board": Case(
        book(NEW_NAME, **NEW_BOOK),
        "sessions",
        [
            {
                "viewers": 8947,
                "peak_online": 120,
                "avg_watch_seconds": 65,
                "new_fans": None,
                "refund_orders": 3,
            }
        ],
        {"refund_amount": ("refund", 1200.5)},
        (1, 1, 0, 0),
    ),
    "session_funnel": Case(
        book(OLD_NAME, **OLD_BOOK),
        "sessions",
        [
            {
                "started_at": at("2025-09-07 18:00:00"),
                "ended_at": at("2025-09-08 00:00:46"),
                "as_of": at("2025-09-09 15:40:44"),
                "room_exposure_users": 12000,
                "viewers": 3000,
                "product_click_users": 55,
                "pay_users": 4,
                "avg_watch_seconds": 65,
            }
        ],
        {"paid_amount": ("paid", 1150)},
        (1, 1, 0, 0),
    ),
    "session_interaction": Case(
        book(OLD_NAME, **OLD_BOOK),
        "sessions",
        [{"comments": 1234, "new_fans": 56, "refund_users": 1}],
        {"refund_amount": ("refund", 100)},
        (1, 1, 0, 0),
        "unverified",
    ),
    "session_overview": Case(
        book("单场.xlsx", SHOP_MERGED, **SHOP_BOOK),
        "sessions",
        [
            {
                "started_at": at("2026-05-01 20:00:00"),
                "duration_seconds": 10800,
                "room_name": "某店",
                "viewers": 12000,
                "peak_online": 300,
                "avg_online": 120,
            }
        ],
        {"user_paid_amount": ("paid", 5000)},
        (1, 1, 0, 0),
        "unverified",
    ),
    "session_channels": Case(
        book(NEW_NAME, **NEW_BOOK),
        "traffic",
        [
            {
                "source": "直播推荐",
                "is_paid": False,
                "viewers": 5000,
                "avg_watch_seconds": 60,
                "ad_cost": None,
            },
            {"source": "千川PC版", "is_paid": True, "ad_cost": 9000},
        ],
        {"paid_amount": ("paid", 136552)},
        (3, 2, 1, 0),
    ),
    "session_videos": Case(
        book(NEW_NAME, **NEW_BOOK),
        "videos",
        [
            {
                "title": "新品",
                "posted_at": at("2026-07-27 18:00:00"),
                "exposures": 9000,
                "entries": 300,
            }
        ],
        {},
        (1, 1, 0, 0),
    ),
    "session_products": Case(
        book(OLD_NAME, **OLD_BOOK),
        "products",
        [
            {
                "product_id": "3645",
                "sku_id": None,
                "exposure_users": 12000,
                "units": 3,
                "refund_amount": 100,
            },
            {"product_id": "3645", "sku_id": "黑色 L", "paid_amount": 600},
            {"product_id": "3645", "sku_id": "白色 M", "paid_amount": 500},
            {"product_id": "3646", "sku_id": None, "paid_amount": 50, "refund_amount": None},
        ],
        {"paid_amount": ("paid", 1100)},
        (5, 4, 1, 0),  # the headers of the SKU block are no row
    ),
    "session_explanations": Case(
        book("单场.xlsx", SHOP_MERGED, **SHOP_BOOK),
        "explanations",
        [
            {
                "name": "卫衣",
                "starts_at": at("2026-05-01 20:10:00"),
                "ends_at": at("2026-05-01 20:15:00"),
                "units": 12,
                "online_change": -35,
                "avg_online": 140.5,
            },
            {
                "name": "卫衣",
                "starts_at": at("2026-05-01 21:00:00"),
                "paid_amount": None,
                "online_change": 20,
            },
        ],
        {"paid_amount": ("paid", 1234.5)},
        (2, 2, 0, 0),
    ),
}

# ---- 百应, 千川, 视频号, 小红书

TREND = [
    ["时间", "评论次数", "新加直播团人数", "新增粉丝数"],
    ["2026/11/10 20:00", 12, 1, "-"],
    ["2026/11/10 20:01", 15, 0, 3],
]
HOURS = split(
    "时间-小时, 整体消耗, 整体支付ROI, 整体成交金额, 整体成交订单数, 整体成交订单成本, "
    "净成交金额, 整体成交智能优惠券金额, 1小时内退款金额, 1小时内退款订单数"
)
LIVE = split(
    "抖音号名称, 日期, 净成交ROI, 净成交金额, 整体消耗, 整体支付ROI, 整体成交金额, "
    "整体成交订单数, GPM, 直播间整体曝光次数"
)
MATERIAL = split(
    "素材名称, 素材ID, 素材评估, 素材时长, 素材创建时间, 素材来源, 标签, 整体消耗, 净成交ROI, "
    "净成交金额, 1小时内退款率, 整体支付ROI, 整体成交金额, 净成交金额结算率, 净成交订单数"
)
BOOST = split(
    """订单状态, 订单创建人, 组件类型, 实际加热时长, 优先提升目标, 出价(ROI), 订单创建时间,
    开始消耗时间, 结束消耗时间, 投放进度, 补贴金额, 新增关注数, 平均千次展示费用, 曝光人数,
    观看人数, 观看人次, 进入率（人数）, 千次观看成交金额, 当场下单金额, 当场成交订单数,
    当场成交金额, 当场成交ROI, 7日成交金额, 净成交金额"""
)
NOTE_LIST = split(
    """主播昵称, 直播开始时间, 支付金额, 退款金额, 直播间曝光人数, 直播间曝光次数, 直播间观看人数,
    直播间观看次数, 平均在线人数, 人均停留时长, 直播时长（分钟）, 互动人数, 评论人数,
    商品曝光人数, 商品点击人数, 商品曝光次数, 商品点击次数, 商品点击率（人数）, 支付人数,
    支付订单数, 支付件数, 观看支付率, 支付转化率, 退款订单数, 退款人数, 退款率, 新增粉丝数"""
)

OTHERS = {
    ("buyin", "trend"): Case(
        book("流量综合趋势分析下载_数据更新日期20261111.xlsx", Sheet1=TREND),
        "minutes",
        [
            {"at": at("2026-11-10 20:00"), "comments": 12, "fan_club_joins": 1, "new_fans": None},
            {"at": at("2026-11-10 20:01"), "new_fans": 3},
        ],
        {},
        (2, 2, 0, 0),
    ),
    ("qianchuan", "hourly"): Case(
        book(
            "分时.xlsx",
            S=[
                HOURS,
                [
                    "2026-11-10 20:00",
                    "1,100.00",
                    2,
                    "2,200.00",
                    20,
                    55,
                    "2,000.00",
                    "0.00",
                    "200.00",
                    2,
                ],
                [
                    "2026-11-10 21:00:00-2026-11-10 21:59:59",
                    "100.00",
                    2,
                    "200.00",
                    2,
                    50,
                    "-",
                    "-",
                    "-",
                    "-",
                ],
                ["全部", "1,200.00", 2, "2,400.00", 22, 54, "-", "-", "-", "-"],
            ],
        ),
        "ads",
        [
            {
                "started_at": at("2026-11-10 20:00"),
                "cost": 1100,
                "orders": 20,
                "slot_seconds": 3600,
            },
            {"started_at": at("2026-11-10 21:00"), "net_amount": None},
        ],
        {"amount": ("paid", 2200), "net_amount": ("net", 2000), "cost": ("cost", 1100)},
        (3, 2, 1, 0),
    ),
    ("qianchuan", "live"): Case(
        book(
            "直播分析.xlsx",
            S=[
                LIVE,
                ["某店", "全部", 2, "4,000.00", "2,000.00", 2.5, "5,000.00", 50, 1, 1],
                ["某店", "2026-11-10", 2, "2,400.00", "1,200.00", 2.5, "3,000.00", 30, 1, 1],
                ["二店", "2026-11-10", 2, "1,600.00", "800.00", 2.5, "2,000.00", 20, 1, 1],
            ],
        ),
        "ads",
        [
            {
                "room_name": "某店",
                "started_at": at("2026-11-10"),
                "slot_seconds": 86400,
                "cost": 1200,
            },
            {"room_name": "二店", "cost": 800},
        ],
        {"amount": ("paid", 3000), "net_amount": ("net", 2400)},
        (3, 2, 1, 0),
    ),
    ("qianchuan", "material"): Case(
        book(
            "全域数据_素材分析_视频_2026-06-01 00_00_00-2026-06-01 23_59_59-77.xlsx",
            Sheet1=named(
                MATERIAL,
                {
                    "素材名称": "开箱",
                    "素材ID": "7512345678901234567",
                    "整体消耗": "1,200.00",
                    "整体成交金额": "3,000.00",
                    "1小时内退款率": "1.49%",
                },
                {
                    "素材名称": "AIGC动态创意视频素材集合",
                    "整体消耗": "200.00",
                    "整体成交金额": "300.00",
                },
            ),
        ),
        "ads",
        [
            {
                "campaign": "开箱",
                "campaign_id": "7512345678901234567",
                "title": "2026-06-01",
                "cost": 1200,
                "net_amount": None,
            },
            {"campaign": "AIGC动态创意视频素材集合", "campaign_id": None, "cost": 200},
        ],
        {"amount": ("paid", 3000)},
        (2, 2, 0, 0),
    ),
    ("shipinhao", "boost_orders"): Case(
        text(
            "标准订单.csv",
            named(
                BOOST,
                {
                    "订单状态": "已结束",
                    "订单创建人": "王小明",
                    "实际加热时长": "6小时9分钟",
                    "出价(ROI)": "¥60",
                    "订单创建时间": "2026-08-28 18:00:00",
                    "开始消耗时间": "2026-08-28 19:00:00",
                    "投放进度": "¥414.44 / ¥500",
                    "新增关注数": "12",
                    "观看人数": "1,000",
                    "观看人次": "1,200",
                    "进入率（人数）": "10.5%",
                    "当场成交金额": "¥1,414.44",
                    "当场下单金额": "¥2,000",
                    "当场成交订单数": "3",
                    "7日成交金额": "¥9,999",
                    "净成交金额": "—",
                },
                {
                    "订单创建时间": "2026-08-28 18:05:00",
                    "开始消耗时间": "2026-08-28 19:30:00",
                    "投放进度": "¥0 / ¥500",
                },
            ),
            encoding="utf-8-sig",
        ),
        "ads",
        [
            {
                "started_at": at("2026-08-28 19:00:00"),
                "cost": 414.44,
                "views": 1200,
                "follows": 12,
                "orders": 3,
                "net_amount": None,
                "platform": "shipinhao",
            },
            {"cost": 0, "amount": None},
        ],
        {"amount": ("paid", 1414.44), "cost": ("cost", 414.44)},
        (2, 2, 0, 0),
    ),
    ("xiaohongshu", "session_list"): Case(
        text(
            "直播.csv",
            named(
                NOTE_LIST,
                {
                    "主播昵称": "某店",
                    "直播开始时间": "2026-05-01 20:00:00",
                    "支付金额": "12,345.6",
                    "退款金额": "¥45.6",
                    "直播时长（分钟）": "185",
                    "人均停留时长": "1分5秒",
                    "直播间观看人数": "1.2万",
                    "互动人数": "300",
                    "商品曝光人数": "1,000",
                    "商品点击人数": "250",
                    "商品点击率（人数）": "25%",
                    "支付人数": "30",
                },
            ),
            encoding="utf-8",
        ),
        "sessions",
        [
            {
                "room": "某店",
                "duration_seconds": 11100,
                "avg_watch_seconds": 65,
                "viewers": 12000,
                "interacting_users": 300,
                "pay_users": 30,
            }
        ],
        {"paid_amount": ("paid", 12345.6), "refund_amount": ("refund", 45.6)},
        (1, 1, 0, 0),
    ),
}

# ---- 抖店

ORDERS_75 = split(
    """主订单编号, 子订单编号, 支付方式, 选购商品, 货号, 商品ID, 商家编码, 商品数量, 商品金额,
    订单提交时间, 支付完成时间, 订单完成时间, 承诺发货时间, 预约发货时间, 买家留言, 旗帜颜色,
    商家备注, APP渠道, 订单状态, 取消原因, 售后状态, 订单类型, 发货时间, 车型, 是否是以旧换新,
    换新额外补贴, 换新额外补贴发放状态, 订单应付金额, 运费, 优惠总金额, 平台优惠, 商家优惠,
    达人优惠, 商家改价, 支付优惠, 手续费, 红包抵扣, 降价类优惠, 平台实际承担优惠金额,
    商家实际承担优惠金额, 达人实际承担优惠金额, 收件人, 收件人手机号, 省, 市, 区, 街道, 详细地址,
    是否修改过地址, 快递信息, 序列号, 达人ID, 达人昵称, 拼团订单团编号, 商品单价是否含税, 税费,
    鲁班落地页ID, 所属门店ID, 流量来源, 仓库ID, 仓库名称, 是否安心购, 广告渠道, 流量类型,
    流量体裁, 流量渠道, 发货主体, 发货主体明细, 教育优惠, 预计送达时间, 是否平台仓自流转,
    是否是渠道商品, 预约送达时间, 建议发货时间（起）, 建议发货时间（止）"""
)
ORDERS_74 = [
    "商品规格",
    "商品单价",
    *[name for name in reversed(ORDERS_75) if name not in ("货号", "商品金额", "教育优惠")],
]
CASES_50 = split(
    """售后单号, 订单号, 商品单号, 商品名称, 商品ID, 应付金额（元）, 商品运费（元）, 支付优惠（元）,
    商品税费（元）, 商品发货状态, 售后类型, 退商品金额（元）, 退运费金额（元）, 退支付优惠（元）,
    退税费金额（元）, 售后状态, 售后申请时间, 退款方式, 是否已上传退款凭证, 售后原因,
    售后原因标签, 退货物流单号, 退货异常, 退货发货时间, 退货物流公司, 自动处理截止时间,
    同意售后申请时间, 商家退款时间, 用户到账时间, 售后关闭时间, 商家退货地址, 商家退货联系人姓名,
    商家退货联系人电话, 仲裁状态, 纠纷责任方, 是否极速退款, 是否拒签后退款, 发货物流单号,
    发货物流状态, 换货物流单号, 退货物流状态, 售后完结时间, 订单备注, 用户售后说明, 售后备注,
    操作人, 协商记录, 换货商品信息, 商家编码, 门店名称"""
)
SETTLEMENT = split(
    """结算时间, 订单号, 子订单号, 下单时间, 结算金额, 结算账户, 结算单类型, 有结算前退款, 商品ID,
    商品名称, 商品数量, 达人ID, 达人名称, 业务类型, 订单类型, 订单总价, 商品总价, 运费, 店铺券,
    结算前退款金额, 平台补贴, 达人补贴, 抖音支付补贴, 抖音月付营销补贴, 用户实付, 收入合计,
    平台服务费, 达人佣金, 服务商佣金, 渠道分成, 招商服务费, 站外推广费, 其他分成, 支出合计"""
)
FUNDS = split(
    """动账时间, 动帐流水号, 动账方向, 动账金额, 动账账户, 动账场景, 计费类型, 子订单号, 订单号,
    售后编号, 下单时间, 商品ID, 商品名称, 达人ID, 达人名称, 订单类型, 订单实付应结, 运费实付,
    实际平台补贴_运费, 实际平台补贴, 其他平台补贴, 以旧换新抵扣, 政府补贴平台垫资, 实际达人补贴,
    实际抖音支付补贴, 实际抖音月付营销补贴, 银行补贴, 订单退款, 平台服务费, 佣金, 服务商佣金,
    渠道分成, 招商服务费, 站外推广费, 其他分成, 是否免佣, 免佣金额, 商户主体名称, 备注"""
)

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
    "收件人手机号": "\t$$密文乙",
    "流量体裁": "直播",
    "达人昵称": "某店",
    "订单状态": "已完成",
    "售后状态": "退款成功",
    "快递信息": "SF123-顺丰速运,10001-1",
}
UNPAID = {
    **ORDER,
    "子订单编号": "\t6917926768823643999",
    "支付完成时间": "-",
    "流量体裁": "数据将于第二天更新",
}
ORDER_ROWS = [
    {
        "order_id": "6917926768823643751",
        "line_id": "6917926768823643752",
        "product_id": "3645",
        "qty": 2,
        "created_at": at("2026-09-22 00:54:10"),
        "channel": "直播",
        "room_name": "某店",
    },
    {
        "line_id": "6917926768823643999",
        "paid_at": None,
        "paid": None,
        "payable": 119.8,
        "channel": "数据将于第二天更新",
    },
]
ORDER_MONEY = {"payable": ("created", 119.8), "paid": ("paid", 119.8)}


def doudian(headers, *rows):
    """Rows end in a cell without a header.

    快递信息 holds a comma that was not quoted in the header's count.
    """
    lines = named(headers, *rows)
    return [lines[0], *([*line, ""] for line in lines[1:])]


CASE = {
    "售后单号": "\t142",
    "订单号": "\t6917926768823643751",
    "商品单号": "\t6917926768823643752",
    "售后类型": "已发货退款",
    "售后状态": "同意退款，退款成功",
    "售后申请时间": "2026-09-23 10:00:00",
    "同意售后申请时间": "2026-09-23 11:00:00",
    "退商品金额（元）": "100.00",
    "退运费金额（元）": "6.00",
    "商品发货状态": "已发货",
    "售后原因": "拍错",
    "售后完结时间": "2026-09-24 10:00:00",
    "商家退货地址": "某路 1 号",
    "操作人": "客服甲",
}
DOUDIAN = {
    "orders": Case(
        text("1791213782_a.csv", doudian(ORDERS_75, ORDER, UNPAID), encoding="utf-8-sig"),
        "orders",
        ORDER_ROWS,
        ORDER_MONEY,
        (2, 2, 0, 0),
    ),
    "orders (74 columns)": Case(
        text("订单.csv", doudian(ORDERS_74, ORDER, UNPAID), encoding="gb18030"),
        "orders",
        ORDER_ROWS,
        ORDER_MONEY,
        (2, 2, 0, 0),
    ),
    "aftersales": Case(
        text(
            "售后.csv",
            named(
                CASES_50,
                CASE,
                {
                    **CASE,
                    "售后单号": "\t143",
                    "售后类型": "未发货退款",
                    "售后状态": "售后关闭",
                    "商品发货状态": "未发货",
                },
            ),
            encoding="utf-8-sig",
        ),
        "aftersales",
        [
            {
                "case_id": "142",
                "order_id": "6917926768823643751",
                "line_id": "6917926768823643752",
                "kind": "refund_after_shipping",
                "status": "succeeded",
                "before_shipping": False,
                "first_reply_at": at("2026-09-23 11:00:00"),
            },
            {
                "case_id": "143",
                "kind": "refund_before_shipping",
                "status": "closed",
                "before_shipping": True,
            },
        ],
        {"amount": ("refund", 106)},
        (2, 2, 0, 0),
    ),
    "settlement": Case(
        text(
            "结算账单.csv",
            [
                SETTLEMENT,
                ["平台计算说明", *[""] * 33],
                *named(
                    SETTLEMENT,
                    {
                        "结算时间": "2026-10-03 10:00:00",
                        "订单号": "'6917926768823643751",
                        "子订单号": "'6917926768823643752",
                        "下单时间": "2026-09-22 00:54:10",
                        "结算金额": "95.00",
                        "结算账户": "聚合账户",
                        "结算单类型": "已结算",
                        "用户实付": "119.80",
                        "收入合计": "119.80",
                        "平台服务费": "-5.99",
                        "达人佣金": "-18.81",
                        "支出合计": "-24.80",
                    },
                    {
                        "结算时间": "2026-10-20 10:00:00",
                        "订单号": "'6917926768823643751",
                        "子订单号": "'6917926768823643752",
                        "结算金额": "-1.23",
                        "结算单类型": "结算后退款",
                    },
                    {"结算金额": "93.77"},
                )[1:],
            ],
            encoding="utf-8-sig",
        ),
        "settlements",
        [
            {
                "order_id": "6917926768823643751",
                "line_id": "6917926768823643752",
                "settled_at": at("2026-10-03 10:00:00"),
                "settled": 95,
                "expense": -24.8,
                "commission": -18.81,
            },
            {
                "line_id": "6917926768823643752",
                "settled": -1.23,
                "scene": "结算后退款",
                "user_paid": None,
            },
        ],
        {"user_paid": ("paid", 119.8)},
        (4, 2, 2, 0),  # the note, and a total without an order
    ),
    "funds": Case(
        text(
            "资金账单.csv",
            named(
                FUNDS,
                {
                    "动账时间": "2026-10-03 10:00:00",
                    "动帐流水号": "'2026070806273341620114198961",
                    "动账方向": "入账",
                    "动账金额": "95.00",
                    "动账账户": "聚合账户",
                    "动账场景": "货款结算入账",
                    "子订单号": "'6917926768823643752",
                    "订单号": "'6917926768823643751",
                    "订单实付应结": "119.80",
                    "平台服务费": "-5.99",
                },
                {
                    "动账时间": "2026-10-04 10:00:00",
                    "动帐流水号": "'2026070806273341620114198977",
                    "动账方向": "出账",
                    "动账金额": "22.86",
                    "动账场景": "权益保险",
                },
            ),
            encoding="gb18030",
        ),
        "settlements",
        [
            {
                "entry_id": "2026070806273341620114198961",
                "line_id": "6917926768823643752",
                "flow": "in",
                "settled": 95,
            },
            {"line_id": None, "flow": "out", "settled": 22.86, "scene": "权益保险"},
        ],
        {"user_paid": ("paid", 119.8)},
        (2, 2, 0, 0),
    ),
}

# ---- 淘宝 / 天猫

ORDERS_21 = split(
    """订单编号, 支付单号, 买家应付货款, 买家应付邮费, 总金额, 买家实付金额, 订单状态, 收货地址,
    运送方式, 订单创建时间, 商品标题, 宝贝种类, 物流单号, 物流公司, 备注标签, 商家备注,
    宝贝总数量, 开票信息, 手机订单, 商品属性SKU, 发货时间"""
)
ORDERS_OLD = split(
    """订单编号, 买家会员名, 买家支付宝账号, 买家应付货款, 买家应付邮费, 买家支付积分, 总金额,
    返点积分, 买家实际支付金额, 买家实际支付积分, 订单状态, 买家留言, 收货人姓名, 收货地址,
    运送方式, 联系电话, 联系手机, 订单创建时间, 订单付款时间, 宝贝标题, 宝贝种类, 物流单号,
    物流公司, 订单备注, 宝贝总数量, 分销商Id, 分销商店铺名称, 订单关闭原因, 卖家服务费,
    买家服务费, 发票抬头, 定金排名, 修改后的sku, 修改后的收货地址, 异常信息, 卡券抵扣, 积分抵扣,
    是否是O2O交易"""
)
SUB_ORDERS = split(
    "子订单编号, 主订单编号, 商品标题, 商品价格, 购买数量, 商品属性, 订单状态, 买家实付金额, "
    "退款状态, 退款金额, 商品ID, 发货时间, 订单创建时间"
)
LIVE_SESSIONS = split(
    "直播标题, 场次id, 开播时间, 直播间观看次数, 直播间观看人数, 新增粉丝数, 转粉率, "
    "商品点击人数, 商品点击次数, 商品点击率, 商品加购人数, 商品加购件数, 成交转化率, 成交人数, "
    "成交件数, 成交笔数, 成交金额, 互助率"
)
LIVE_PRODUCTS = split(
    "商品标题, 商品id, 直播标题, 场次id, 开播时间, 商品点击人数, 商品点击次数, 加购商品件数, "
    "加购人数, 成交人数, 成交件数, 成交笔数, 成交金额"
)
LIVE_ORDERS = split(
    "直播标题, 开播时间, 场次id, 代播主播名称, 会员名, 直播间粉丝层级, 商品id, 商品标题, "
    "商品一级类目, 父订单, 子订单, 下单时间, 支付时间, 支付金额, 确认收货时间, 确认收货金额, 代播id"
)
LIVE_DAYS = split(
    "日期, 开播场次, 直播访问人数, 直播间新增粉丝数, 种草成交人数, 种草成交金额, 直播间浏览次数, "
    "粉丝回访率, 当日成功退款金额, 开播时长"
)

TAOBAO = {
    "orders_7": Case(
        text(
            "tmall.csv",
            [
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
            ],
        ),
        "orders",
        [
            {"order_id": "1", "paid": None, "payable": 178.8},
            {"order_id": "6", "paid": 327.7, "refunded": 178.8, "province": "浙江省"},
        ],  # refunds are taken off once
        {"payable": ("created", 178.8), "refunded": ("refund", 0)},
        (2, 2, 0, 0),
        "F",
    ),
    "orders_21": Case(
        book(
            "已卖出.xlsx",
            S=named(
                ORDERS_21,
                {
                    "订单编号": "'3312345678901234567",
                    "支付单号": "'20260501",
                    "买家应付货款": "119.80",
                    "总金额": "129.80",
                    "买家实付金额": "119.80",
                    "收货地址": "浙江省 某路 1 号",
                    "订单创建时间": "2026-05-01 20:10:00",
                    "商品标题": "卫衣",
                    "宝贝总数量": 2,
                    "订单状态": "交易成功",
                    "发货时间": "2026-05-02 10:00:00",
                },
            ),
        ),
        "orders",
        [
            {
                "order_id": "3312345678901234567",
                "qty": 2,
                "status": "交易成功",
                "shipped_at": at("2026-05-02 10:00:00"),
                "province": None,
            }
        ],
        {"payable": ("created", 129.8), "paid": ("paid", 119.8)},
        (1, 1, 0, 0),
    ),
    "orders_old": Case(
        text(
            "ExportOrderList.csv",
            named(
                ORDERS_OLD,
                {
                    "订单编号": '="3312345678901234567"',
                    "买家会员名": "买家甲",
                    "买家应付货款": "119.80",
                    "总金额": "129.80",
                    "买家实际支付金额": "29.80",
                    "收货人姓名": "王小明",
                    "订单创建时间": "2026-05-01 20:10:00",
                    "订单付款时间": "2026-05-01 20:11:00",
                    "宝贝标题": "卫衣",
                    "宝贝总数量": "2",
                },
                {
                    "订单编号": '="3312345678901234568"',
                    "总金额": "50",
                    "买家实际支付金额": "0",
                    "订单创建时间": "2026-05-01 20:12:00",
                    "订单付款时间": "",
                },
            ),
            encoding="gb18030",
        ),
        "orders",
        [
            {
                "order_id": "3312345678901234567",
                "product_name": "卫衣",
                "paid_at": at("2026-05-01 20:11:00"),
            },
            {"paid": None, "payable": 50},
        ],
        {"payable": ("created", 129.8), "paid": ("paid", 129.8)},
        (2, 2, 0, 0),
    ),
    "sub_orders": Case(
        book(
            "子订单.xlsx",
            S=named(
                SUB_ORDERS,
                {
                    "子订单编号": "101",
                    "主订单编号": "100",
                    "购买数量": 1,
                    "商品属性": "商品规格:黑色 L",
                    "买家实付金额": "59.9",
                    "退款状态": "没有申请退款",
                    "退款金额": "无退款申请",
                    "商品ID": "61",
                    "订单创建时间": "2026-05-01 20:10:00",
                },
                {
                    "子订单编号": "102",
                    "主订单编号": "100",
                    "购买数量": 1,
                    "买家实付金额": "40",
                    "退款状态": "退款成功",
                    "退款金额": 40,
                    "商品ID": "62",
                    "订单创建时间": "2026-05-01 20:10:00",
                },
                {"子订单编号": "103", "主订单编号": "100", "购买数量": 1, "买家实付金额": "1"},
            ),
        ),
        "orders",
        [
            {"line_id": "101", "order_id": "100", "product_id": "61", "refunded": None},
            {"line_id": "102", "refunded": 40},
        ],
        {"paid": ("paid", 59.9)},
        (3, 2, 0, 1),  # no time: aside
    ),
    "live_sessions": Case(
        book(
            "分场次.xlsx",
            S=named(
                LIVE_SESSIONS,
                {
                    "直播标题": "上新",
                    "场次id": "55",
                    "开播时间": "2026-05-01 20:00:00",
                    "直播间观看次数": "1.2万",
                    "直播间观看人数": 8000,
                    "转粉率": "2.5%",
                    "成交笔数": 90,
                    "成交金额": "9,000",
                },
            ),
        ),
        "sessions",
        [{"title": "上新", "platform": "taobao", "views": 12000, "viewers": 8000, "orders": 90}],
        {"paid_amount": ("paid", 9000)},
        (1, 1, 0, 0),
    ),
    "live_products": Case(
        book(
            "分商品.xlsx",
            S=named(
                LIVE_PRODUCTS,
                {
                    "商品标题": "卫衣",
                    "商品id": "61",
                    "直播标题": "上新",
                    "场次id": "55",
                    "开播时间": "2026-05-01 20:00:00",
                    "商品点击人数": 9,
                    "加购人数": 4,
                    "成交金额": 300,
                },
            ),
        ),
        "products",
        [
            {
                "product_id": "61",
                "name": "卫衣",
                "click_users": 9,
                "cart_users": 4,
                "session_id": "20260501-2000-taobao-0000",
            }
        ],
        {"paid_amount": ("paid", 300)},
        (1, 1, 0, 0),
    ),
    "live_orders": Case(
        book(
            "订单明细.xlsx",
            S=named(
                LIVE_ORDERS,
                {
                    "直播标题": "上新",
                    "会员名": "买家甲",
                    "商品id": "61",
                    "父订单": "1",
                    "子订单": "2",
                    "下单时间": "2026-05-01 20:10:00",
                    "支付时间": "2026-05-01 20:11:00",
                    "支付金额": "59.9",
                },
            ),
        ),
        "orders",
        [{"order_id": "1", "line_id": "2", "channel": "直播", "product_id": "61"}],
        {"paid": ("paid", 59.9)},
        (1, 1, 0, 0),
    ),
    "live_days": Case(
        book(
            "直播间大盘.xlsx",
            S=named(
                LIVE_DAYS,
                {
                    "日期": "2026-05-01",
                    "开播场次": 2,
                    "直播访问人数": "1.2万",
                    "直播间浏览次数": 20000,
                    "粉丝回访率": "12.5%",
                    "种草成交金额": "9,000",
                    "当日成功退款金额": 300,
                    "开播时长": "5:30:00",
                },
                {"日期": "合计", "开播场次": 2},
            ),
        ),
        "days",
        [
            {
                "day": at("2026-05-01"),
                "platform": "taobao",
                "session_count": 2,
                "viewers": 12000,
                "fan_return_rate": 0.125,
                "live_seconds": 19800,
            }
        ],
        {"seeded_paid_amount": ("paid", 9000), "refund_amount": ("refund", 300)},
        (2, 1, 1, 0),
    ),
}

# ---- TikTok Shop

LIVE_1 = split(
    """Livestream, Start time, Duration, Gross revenue, Direct GMV, Items sold, Customers,
    Avg. price, Orders paid for, GMV/1K shows, GMV/1K views, Views, Viewers, Peak viewers,
    New followers, Avg. view duration, Likes, Comments, Shares, Product impressions,
    Product clicks, CTR, CTOR (SKU orders)"""
)
LIVE_2 = split(
    """Livestream, Start time, Duration, Attributed GMV, Attributed items sold, Customers, AOV,
    Attributed orders, Attributed SKU orders, Views, LIVE impressions, Impressions per hour,
    GMV Per Hour, Show GPM, Avg. viewing duration, Tap-through rate, CTR, CTOR, LIVE CTR,
    SKU order rate, Product clicks, CTOR (SKU order), Avg. viewing duration per viewer,
    Product impressions, Watch GPM, New followers, Follow rate, Comment rate, Share rate,
    Like rate, Likes, Comments, Shares, Ads ROAS, Ads Cost, Ads GMV"""
)
ADS = split(
    """LIVE name, Launched time, Status, Campaign name, Campaign ID, Cost, Net Cost, SKU orders,
    SKU orders (Current shop), Cost per order (Current shop), Gross revenue,
    Gross revenue (Current shop), ROI (Current shop), LIVE views, Cost per LIVE view,
    10-second LIVE views, Cost per 10-second LIVE view, LIVE follows, Currency"""
)
TT_ORDERS = split(
    """Order ID, Order Status, Order Substatus, Cancelation/Return Type, Normal or Pre-order,
    SKU ID, Seller SKU, Product Name, Variation, Quantity, Sku Quantity of return,
    SKU Unit Original Price, SKU Subtotal Before Discount, SKU Platform Discount,
    SKU Seller Discount, SKU Subtotal After Discount, Shipping Fee After Discount,
    Original Shipping Fee, Shipping Fee Seller Discount, Shipping Fee Platform Discount,
    Payment platform discount, Taxes, Small Order Fee, Order Amount, Order Refund Amount,
    Created Time, Paid Time, RTS Time, Shipped Time, Delivered Time, Cancelled Time, Cancel By,
    Cancel Reason, Fulfillment Type, Warehouse Name, Tracking ID, Delivery Option,
    Shipping Provider Name, Buyer Message, Buyer Username, Recipient, Phone #, Zipcode, Country,
    Province, District, Detail Address, Additional address information, Payment Method,
    Weight(kg), Product Category, Package ID, Seller Note, Checked Status, Checked Marked by"""
)
PRODUCTS = split(
    """ID, Product, Status, GMV, Items sold, Orders, Shop tab GMV, Shop Tab items sold,
    Shop tab listing impressions, Shop tab page views, Shop tab unique page views,
    Shop tab unique product customers, Shop tab clickthrough rate, Shop tab conversion rate,
    LIVE GMV, LIVE items sold, LIVE impressions, Page views from LIVE,
    Unique page views from LIVE, LIVE unique product customers, LIVE click-through rate,
    LIVE conversion rate, Video GMV, Video items sold, Video impressions"""
)


def tiktok_orders(*rows):
    lines = named(
        TT_ORDERS,
        *(
            {
                "Order ID": "583870900000000001\t",
                "Quantity": "1",
                "Order Amount": "Rp250.000",
                "Buyer Username": "budi",
                "Recipient": "Budi",
                "Province": "Jawa Barat",
                **row,
            }
            for row in rows
        ),
    )
    about = [
        "Platform unique order ID." if header == "Order ID" else "Words about the column."
        for header in TT_ORDERS
    ]
    return [lines[0], about, *lines[1:]]


TIKTOK = {
    "live_list": Case(
        book(
            "LIVE.xlsx",
            Sheet1=[
                ["2026-03-16 ~ 2026-04-12"],
                [],
                *named(
                    LIVE_1,
                    {
                        "Livestream": "PROMO 🔥",
                        "Start time": dt.datetime(2026, 4, 12, 15, 5),
                        "Duration": 10521,
                        "Gross revenue": "Rp9.467.316",
                        "Direct GMV": "Rp8.956.092",
                        "Items sold": 39,
                        "Customers": 34,
                        "Orders paid for": 36,
                        "Views": 5679,
                        "Viewers": 4587,
                        "Peak viewers": 181,
                        "Product impressions": 32780,
                        "Product clicks": 2007,
                        "CTR": 0.353407,
                        "CTOR (SKU orders)": 0.017937,
                        "Avg. view duration": 34,
                    },
                ),
            ],
        ),
        "sessions",
        [
            {
                "title": "PROMO 🔥",
                "started_at": at("2026-04-12 15:05", JAKARTA),
                "duration_seconds": 10521,
                "viewers": 4587,
                "orders": 36,
                "currency": "IDR",
            }
        ],
        {"paid_amount": ("paid", 9467316), "direct_paid_amount": ("paid", 8956092)},
        (1, 1, 0, 0),
        "F",
        JAKARTA,
    ),
    "live_list_2": Case(
        book(
            "Creator-Live-Performance_20260701093000.xlsx",
            Sheet1=named(
                LIVE_2,
                {
                    "Livestream": "Sale",
                    "Start time": "2026-06-01 10:00",
                    "Duration": "3600",
                    "Attributed GMV": "$1,234.50",
                    "Attributed orders": 12,
                    "Views": "100",
                    "LIVE impressions": "1000",
                    "CTR": "4.2%",
                    "Ads Cost": "$50",
                },
            ),
        ),
        "sessions",
        [
            {
                "as_of": at("2026-07-01 09:30", JAKARTA),
                "room_exposure_times": 1000,
                "orders": 12,
                "viewers": None,
                "currency": "USD",
            }
        ],
        {"paid_amount": ("paid", 1234.5), "ad_cost": ("cost", 50)},
        (1, 1, 0, 0),
        "S",
        JAKARTA,
        "IDR",
    ),
    "live_ads": Case(
        book(
            "ads.xlsx",
            Data=[
                *named(
                    ADS,
                    {
                        "LIVE name": "PROMO 🔥",
                        "Launched time": dt.datetime(2026, 4, 12, 15, 5, 30),
                        "Campaign name": "A",
                        "Campaign ID": 1862046336917810,
                        "Cost": 1000.125,
                        "Net Cost": 1000.125,
                        "SKU orders": 12,
                        "Gross revenue": 90000.5,
                        "LIVE views": 800,
                        "LIVE follows": 3,
                        "Currency": "IDR",
                    },
                ),
                *[[]] * 10,
            ],
        ),
        "ads",
        [
            {
                "title": "PROMO 🔥",
                "campaign_id": None,
                "cost": 1000.125,
                "orders": 12,
                "currency": "IDR",
            }
        ],  # an id of 16 digits in a number cell has lost the last ones
        {"amount": ("paid", 90000.5), "cost": ("cost", 1000.125)},
        (1, 1, 0, 0),
        "F",
        JAKARTA,
    ),
    "orders": Case(
        text(
            "orders.csv",
            tiktok_orders(
                {
                    "SKU ID": "17291\t",
                    "Created Time": "25/04/2026 10:00:00\t",
                    "Paid Time": "25/04/2026 10:01:00\t",
                    "SKU Subtotal After Discount": "Rp100.000",
                    "SKU Platform Discount": "Rp5.000",
                    "SKU Seller Discount": "Rp2.000",
                },
                {
                    "SKU ID": "17292\t",
                    "Created Time": "03/04/2026 11:00:00\t",
                    "Paid Time": "\t",
                    "SKU Subtotal After Discount": "Rp150.000",
                },
            ),
            encoding="utf-8-sig",
        ),
        "orders",
        [
            {
                "order_id": "583870900000000001",
                "line_id": "583870900000000001-17291",
                "product_id": "17291",
                "created_at": at("2026-04-25 10:00", JAKARTA),
                "discount": 7000,
            },
            {"created_at": at("2026-04-03 11:00", JAKARTA), "paid": None},
        ],
        {"payable": ("created", 100000), "paid": ("paid", 100000)},
        (3, 2, 1, 0),
        "S",
        JAKARTA,
    ),
    "product_list": Case(
        book(
            "product_list.xlsx",
            Sheet1=[
                ["2026-04-06 ~ 2026-04-12"],
                [],
                *named(
                    PRODUCTS,
                    {
                        "ID": "1733447356508964124",
                        "Product": "Rice cooker",
                        "Status": "Active",
                        "GMV": "Rp279.940.892",
                        "Items sold": "510",
                        "Orders": "510",
                        "Shop tab GMV": "Rp24.494.305",
                        "LIVE GMV": "Rp269.877.834",
                        "LIVE items sold": "494",
                        "LIVE impressions": "391024",
                        "Page views from LIVE": "20222",
                        "Unique page views from LIVE": "12471",
                        "LIVE unique product customers": "463",
                        "LIVE click-through rate": "5.17%",
                    },
                ),
            ],
        ),
        "product_periods",
        [
            {
                "product_id": "1733447356508964124",
                "period_from": at("2026-04-06", JAKARTA),
                "period_to": at("2026-04-12", JAKARTA),
                "units": 510,
                "live_click_users": 12471,
                "currency": "IDR",
            }
        ],
        {"paid_amount": ("paid", 279940892), "live_paid_amount": ("paid", 269877834)},
        (1, 1, 0, 0),
        "F",
        JAKARTA,
    ),
    "live_products": Case(
        book(
            "直播产品.xlsx",
            **{
                "Sheet 1": [
                    ["Date Start: 2026-04-04 - Date End: 2026-04-11"],
                    [],
                    ["商品信息", "商品信息", "总成交额", "佣金", "成交件数"],
                    ["1733433942955754780", "Wajan 4 Pcs", "Rp140.334.601", "Rp0", "214"],
                ]
            },
        ),
        "product_periods",
        [
            {
                "product_id": "1733433942955754780",
                "name": "Wajan 4 Pcs",
                "live_units": 214,
                "period_from": at("2026-04-04", JAKARTA),
            }
        ],
        {"live_paid_amount": ("paid", 140334601), "commission": ("cost", 0)},
        (1, 1, 0, 0),
        "F",
        JAKARTA,
    ),
}

EVENTS = [
    "user_id",
    "session_id",
    "event",
    "timestamp",
    "platform",
    "acquisition_channel",
    "user_lifecycle",
    "user_cohort",
]
LOGS = {
    ("retentioneering", "event_log"): Case(
        text(
            "clickstream.csv",
            [
                EVENTS,
                ["u7", "v1", "home", "2026-11-10 20:00:05", "mobile", "organic", "new", "c1"],
                ["u7", "v1", "wishlist", "2026-11-10 20:01:00", "mobile", "organic", "new", "c1"],
            ],
        ),
        "actions",
        [
            {
                "at": at("2026-11-10 20:00:05"),
                "event": "enter",
                "visit_id": "v1",
                "device": "mobile",
                "source": "organic",
                "viewer_kind": "new",
            },
            {"event": "other"},
        ],
        {},
        (2, 2, 0, 0),
        "F",
    ),
}

CASES = {
    **{("compass", name): case for name, case in COMPASS.items()},
    **OTHERS,
    **LOGS,
    **{("doudian", name): case for name, case in DOUDIAN.items()},
    **{("taobao", name): case for name, case in TAOBAO.items()},
    **{("tiktok", name): case for name, case in TIKTOK.items()},
}


@pytest.mark.parametrize(("system", "export"), CASES)
def test_an_export_as_described_becomes_its_canonical_rows(tmp_path, system, export):
    case = CASES[system, export]
    reading = load(case.write(tmp_path), timezone=case.timezone, currency=case.currency)
    assert reading.files["export"].notna().all(), reading.files["problem"].tolist()
    entry = reading.files[reading.files["export"] == export.split(" ")[0]].iloc[0]
    assert (entry["system"], entry["table"], entry["grade"]) == (system, case.table, case.grade)
    assert pd.isna(entry["unmapped"]), "every header that was published is known"
    assert tuple(entry[["rows_in", "rows_kept", "rows_totals", "rows_aside"]]) == case.counts
    made = reading.tables[case.table]
    assert len(made) == len(case.rows)
    for expected, (_, found) in zip(case.rows, made.iterrows(), strict=True):
        for column, value in expected.items():
            assert (
                pd.isna(found[column])
                if value is None
                else found[column] == pytest.approx(value)
                if isinstance(value, float)
                else found[column] == value
            ), column
    for column, (line, value) in case.money.items():
        assert reference.tables()[case.table].columns[column].line == line
        assert made[column].iloc[0] == pytest.approx(value), column
    kept = "".join(
        frame.to_csv() for frame in [*reading.tables.values(), reading.aside, reading.files]
    )
    assert not any(
        secret in kept for secret in ("密文", "王小明", "某路", "客服甲", "Budi", "买家甲", "顺丰")
    )


def test_every_source_layout_has_a_case():
    known = {(system.system, each.id) for system in reference.systems() for each in system.exports}
    assert {(system, name.split(" ")[0]) for system, name in CASES} == known


def test_an_amount_of_sales_is_never_read_as_created():
    """成交金额, 支付金额, GMV and Gross revenue are paid or, where the header says so, net.

    On no system are they orders created.
    """
    columns = {name: table.columns for name, table in reference.tables().items()}
    found = {
        (system.system, each.id, header, columns[each.table][column].line)
        for system in reference.systems()
        for each in system.exports
        for column, how in each.columns.items()
        if column in columns[each.table]
        for header in how.header
        if any(
            word in header for word in ("成交金额", "支付金额", "成交额", "GMV", "Gross revenue")
        )
    }
    assert len(found) > 20
    assert {
        (entry, line)
        for *entry, line in ((*entry[:3], entry[3]) for entry in found)
        if line != ("net" if "净" in entry[2] else "paid")
    } == set()


def test_the_published_lists_have_their_published_lengths():
    """Nothing was lost in copying the headers.

    Doudian has 75 and 74 columns of orders, 50 of cases, 34 and 39 of bills; TikTok 36 and 23.
    """
    lists = (
        ORDERS_75,
        ORDERS_74,
        CASES_50,
        SETTLEMENT,
        FUNDS,
        LIVE_1,
        LIVE_2,
        ADS,
        TT_ORDERS,
        ORDERS_21,
        LIVE,
        MATERIAL,
        PRODUCTS,
        SESSION_LIST,
    )
    assert [len(names) for names in lists] == [
        75,
        74,
        50,
        34,
        39,
        23,
        36,
        19,
        55,
        21,
        10,
        15,
        25,
        55,
    ]
    assert all(len(set(names)) == len(names) for names in lists)
