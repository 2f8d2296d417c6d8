"""The demo's exports of 抖音电商罗盘, 抖店, 巨量千川 and 巨量百应, with their formats and some dirty rows."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.demo import cells, hand
from helpers.demo.schedule import shop
from helpers.demo.simulate import Simulation

WORKBOOKS = 36  # sessions that have a whole-session workbook
OVERLAP_DAYS = 4  # by which each list export begins before the last one ended
# of the orders, when the platform has not yet said where the day's orders came from
EARLY_EXPORT = "2026-11-15 00:10:00"
STALE_EXPORT = "2026-11-08 22:00:00"  # of the session list: refunds as they stood then
SKU_SHARE = {"单件装": 0.7, "两件装": 0.3}
SLASHES, DASHES = "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S"
Dirty = list[dict[str, Any]]


def write(simulation: Simulation, raw: Path) -> Dirty:
    """Write the platforms' files into `raw`; returns the dirty rows planted: file, row (in the file), column, value, what (and again:
    the row of the second copy)."""
    tables = simulation.tables
    exported = pd.Timestamp(shop()["as_of"])
    dirty = [
        *_lists(tables, raw, exported),
        *_orders(tables["orders"], raw, exported),
        *_cases(tables, raw, exported),
    ]
    for session_id in tables["sessions"]["session_id"].tail(WORKBOOKS):
        _whole_session(tables, session_id, raw, exported)
    _qianchuan(tables, raw, exported)
    _buyin(tables, raw, exported)
    return dirty


# ---- 罗盘: session list
# -------------------------------------------------------------------------------------------


def _list_columns(sessions: pd.DataFrame) -> dict[str, pd.Series]:
    """The columns of the list that have values, by header; unrounded numbers, rates as fractions."""
    s, hours = sessions, sessions["duration_seconds"] / 3600

    def rate(part: str, whole: str) -> pd.Series:
        return (s[part] / s[whole]).round(4)

    return {
        "主播昵称": s["room_name"],
        "主播抖音号": s["room"],
        "直播开始时间": cells.clock(s["started_at"], SLASHES),
        "直播结束时间": cells.clock(s["ended_at"], SLASHES),
        "直播时长(分钟)": s["duration_seconds"] / 60,
        "直播间曝光人数": s["room_exposure_users"],
        "直播间曝光次数": s["room_exposure_times"],
        "直播间观看人数": s["viewers"],
        "单小时观看人数": s["viewers"] / hours,
        "直播间观看次数": s["views"],
        "最高在线人数": s["peak_online"],
        "平均在线人数": s["avg_online"],
        "人均观看时长(分钟)": s["avg_watch_seconds"] / 60,
        "评论次数": s["comments"],
        "新加直播团人数": s["fan_club_joins"],
        "新增粉丝数": s["new_fans"],
        "取关粉丝数": s["unfollows"],
        "观看老粉占比": s["fan_viewer_share"],
        "带货商品数": s["product_count"],
        "直播间商品曝光人数": s["product_exposure_users"],
        "直播间商品点击人数": s["product_click_users"],
        "直播间商品曝光次数": s["product_exposure_times"],
        "直播间商品点击次数": s["product_click_times"],
        "直播间成交订单数": s["orders"],
        "直播间成交金额": s["paid_amount"],
        "直播间用户支付金额": s["user_paid_amount"],
        "单小时用户支付金额": s["user_paid_amount"] / hours,
        "直播间成交件数": s["units"],
        "直播间成交人数": s["pay_users"],
        "直播间退款订单数": s["refund_orders"],
        "直播间退款金额": s["refund_amount"],
        "直播间退款人数": s["refund_users"],
        "预估佣金支出": s["commission"],
        "商品曝光-点击率(次数)": rate("product_click_times", "product_exposure_times"),
        "商品曝光-点击率(人数)": rate("product_click_users", "product_exposure_users"),
        "商品点击-成交率(次数)": rate("orders", "product_click_times"),
        "商品点击-成交率(人数)": rate("pay_users", "product_click_users"),
        "观看-成交率(次数)": rate("orders", "views"),
        "观看-成交率(人数)": rate("pay_users", "viewers"),
        "投放消耗(店铺绑定)": s["ad_cost"],
        "投放消耗(店铺被投)": s["ad_cost"],
        "净成交金额": s["net_1h_amount"],
        "净成交订单数": s["orders"] - s["refund_1h_orders"],
        "1小时退款金额": s["refund_1h_amount"],
        "1小时退款订单数": s["refund_1h_orders"],
        "1小时退款率": rate("refund_1h_amount", "paid_amount"),
    }


def _list_rows(sessions: pd.DataFrame) -> list[list[Any]]:
    columns, headers = _list_columns(sessions), cells.layout("compass_list")
    frame = pd.DataFrame(
        {name: columns.get(name, pd.Series("-", index=sessions.index)) for name in headers}
    ).astype(object)
    return [
        headers,
        *([cells.or_dash(value) for value in row] for row in frame.itertuples(index=False)),
    ]


def _list_file(
    sessions: pd.DataFrame, raw: Path, exported: pd.Timestamp, *, broken: bool = False
) -> Dirty:
    days = sessions["started_at"].dt.strftime("%Y-%m-%d")
    path = raw / f"直播间列表_{days.iloc[0]}_{days.iloc[-1]}_{exported:%Y%m%d%H%M%S}.xlsx"
    rows = _list_rows(sessions)
    dirty: Dirty = []
    if broken:  # a session on a day that does not exist, among the others
        bad = list(rows[1])
        bad[rows[0].index("直播开始时间")] = "2026/06/31 20:00:00"
        rows.insert(3, bad)
        dirty = [
            {
                "file": path.name,
                "row": 4,
                "column": "直播开始时间",
                "value": "2026/06/31 20:00:00",
                "what": "impossible_time",
            }
        ]
    cells.workbook(path, {"直播间列表": rows})
    cells.stamp(path, exported)
    return dirty


def _lists(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> Dirty:
    """A list for each quarter, each beginning some days before the last one ended, and a stale one of the last weeks."""
    sessions = tables["sessions"]
    quarter = sessions["started_at"].dt.tz_localize(None).dt.to_period("Q")
    dirty: Dirty = []
    for number, period in enumerate(sorted(quarter.unique())):
        begin = (period.start_time - pd.Timedelta(days=OVERLAP_DAYS)).tz_localize(
            shop()["timezone"]
        )
        end = period.end_time.tz_localize(shop()["timezone"])
        part = sessions[(sessions["started_at"] >= begin) & (sessions["started_at"] <= end)]
        dirty += _list_file(part, raw, exported, broken=number == 0)
    stale = pd.Timestamp(STALE_EXPORT, tz=shop()["timezone"])
    old = sessions[
        (sessions["ended_at"] < stale) & (sessions["started_at"] >= stale - pd.Timedelta(days=14))
    ]
    if len(old):
        _list_file(_refunds_at(old, tables["aftersales"], stale), raw, stale.tz_localize(None))
    return dirty


def _refunds_at(sessions: pd.DataFrame, cases: pd.DataFrame, at: pd.Timestamp) -> pd.DataFrame:
    """Sessions with the refunds that had been made by a time."""
    made = cases[
        (cases["refunded_at"] <= at) & cases["session_id"].isin(sessions["session_id"])
    ].groupby("session_id")["amount"]
    ids = sessions["session_id"]
    count = ids.map(made.size()).fillna(0)
    return sessions.assign(
        refund_amount=ids.map(made.sum()).fillna(0.0), refund_orders=count, refund_users=count
    )


# ---- 罗盘: whole-session workbook
# ---------------------------------------------------------------------------------


def _whole_session(
    tables: dict[str, pd.DataFrame], session_id: str, raw: Path, exported: pd.Timestamp
) -> None:
    session = tables["sessions"].set_index("session_id").loc[session_id]
    mine = {
        name: tables[name][tables[name]["session_id"] == session_id]
        for name in ("traffic", "products", "videos")
    }
    ended = session["ended_at"].strftime("%Y-%m-%d_%H-%M-%S")
    path = raw / (
        f"直播间详情页_整场数据下载_{exported:%Y-%m-%d_%H-%M-%S}({shop()['room_name']}_"
        f"{ended}).xlsx"
    )
    cells.workbook(
        path,
        {
            "基本信息": _basics(session),
            "整体看板": _board(session),
            "流量分析-流量转化": _steps(session),
            "流量分析-渠道分析": _channels(session, mine["traffic"]),
            "流量分析-短视频引流": _traffic_videos(mine["videos"]),
            "商品分析-商品明细": _goods(mine["products"]),
        },
    )
    cells.stamp(path, exported)


def _two_rows(values: dict[str, Any]) -> list[list[Any]]:
    return [list(values), [cells.or_dash(value, "—") for value in values.values()]]


def _basics(s: pd.Series) -> list[list[Any]]:
    span = "-".join(s[name].strftime(SLASHES) for name in ("started_at", "ended_at"))
    return _two_rows(
        {
            "达人昵称": s["room_name"],
            "抖音号or火山号": s["room"],
            "直播时间": span,
            "直播时长": cells.hours_minutes(s["duration_seconds"]),
            "直播间用户支付金额": cells.yuan(s["user_paid_amount"]),
            "千次观看用户支付金额": cells.yuan(1000 * s["user_paid_amount"] / s["views"]),
            "达人头像": None,
            "达人等级": "LV5",
            "达人类型": "店铺账号",
            "达人粉丝数": "12.6万",
        }
    )


def _board(s: pd.Series) -> list[list[Any]]:
    return _two_rows(
        {
            "直播间观看人数": s["viewers"],
            "直播间曝光-观看率(人数)": cells.percent(s["viewers"], s["room_exposure_users"]),
            "平均在线人数": s["avg_online"],
            "最高在线人数": s["peak_online"],
            "商品点击人数": s["product_click_users"],
            "直播间商品曝光-点击率(人数)": cells.percent(
                s["product_click_users"], s["product_exposure_users"]
            ),
            "人均观看时长": cells.minutes_seconds(s["avg_watch_seconds"]),
            "新增粉丝数": s["new_fans"],
            "直播间观看-关注率(人数)": cells.percent(s["new_fans"], s["viewers"]),
            "直播间观看-互动率(人数)": cells.percent(s["interacting_users"], s["viewers"]),
            "人均评论次数": round(s["comments"] / s["commenters"], 2) if s["commenters"] else None,
            "直播间观看-成交率(人数)": cells.percent(s["pay_users"], s["viewers"]),
            "直播间商品点击-成交率(人数)": cells.percent(s["pay_users"], s["product_click_users"]),
            "客单价": cells.yuan(s["user_paid_amount"] / s["pay_users"])
            if s["pay_users"]
            else None,
            "退款金额": cells.yuan(s["refund_amount"]),
            "退款订单数": s["refund_orders"],
            "退款人数": s["refund_users"],
        }
    )


def _steps(s: pd.Series) -> list[list[Any]]:
    """Names in column A, values in column B."""
    names = {
        "直播间曝光人数": "room_exposure_users",
        "直播间观看人数": "viewers",
        "商品曝光人数": "product_exposure_users",
        "商品点击人数": "product_click_users",
        "成交人数": "pay_users",
    }
    return [[name, cells.plain(s[column])] for name, column in names.items()]


def _channels(s: pd.Series, traffic: pd.DataFrame) -> list[list[Any]]:
    """One row per leaf channel below a row for all of them."""
    headers = [
        "渠道名称",
        "人均观看时长",
        "观看次数",
        "观看人数",
        "直播间观看-互动率(次数)",
        "用户支付金额",
        "成交订单数",
        "笔单价",
        "直播间观看-成交率(次数)",
        "千川消耗",
    ]
    whole = pd.Series(
        {
            "source": "整体",
            **{name: s[name] for name in ("avg_watch_seconds", "views", "viewers", "orders")},
            "paid_amount": s["paid_amount"],
            "ad_cost": s["ad_cost"],
        }
    )
    rows = [whole, *(row for _, row in traffic.iterrows())]
    return [headers, *(_channel(row) for row in rows)]


def _channel(row: pd.Series) -> list[Any]:
    price = cells.yuan(row["paid_amount"] / row["orders"]) if row["orders"] else "—"
    cost = cells.yuan(row["ad_cost"]) if pd.notna(row["ad_cost"]) else "—"
    return [
        row["source"],
        cells.minutes_seconds(row["avg_watch_seconds"]),
        cells.plain(row["views"]),
        cells.plain(row["viewers"]),
        "—",
        cells.yuan(row["paid_amount"]),
        cells.plain(row["orders"]),
        price,
        cells.percent(row["orders"], row["views"]),
        cost,
    ]


def _traffic_videos(videos: pd.DataFrame) -> list[list[Any]]:
    headers = [
        "短视频名称",
        "投稿时间",
        "短视频直播入口曝光次数",
        "短视频引流直播间次数",
        "短视频直播入口点击率(次数)",
    ]
    rows = [
        [
            row["title"],
            row["posted_at"].strftime(SLASHES),
            cells.plain(row["exposures"]),
            cells.plain(row["entries"]),
            cells.percent(row["entries"], row["exposures"]),
        ]
        for _, row in videos.iterrows()
    ]
    return [headers, *rows]


def _goods(products: pd.DataFrame) -> list[list[Any]]:
    """Products, each followed by its SKUs: their first cell begins with a dash, and they must not be added to the products."""
    headers = [
        "商品ID",
        "商品名称",
        "用户支付金额",
        "成交件数",
        "成交人数",
        "成交订单数",
        "商品曝光人数",
        "商品点击人数",
        "退款金额",
        "退款订单数",
        "退款人数",
    ]
    rows: list[list[Any]] = [headers]
    for _, row in products.iterrows():
        rows.append(
            [
                row["product_id"],
                row["name"],
                cells.yuan(row["paid_amount"]),
                *(
                    cells.plain(row[name])
                    for name in ("units", "pay_users", "orders", "exposure_users", "click_users")
                ),
                cells.yuan(row["refund_amount"]),
                *(cells.plain(row[name]) for name in ("refund_orders", "refund_users")),
            ]
        )
        rows += _skus(row)
    return rows


def _skus(row: pd.Series) -> list[list[Any]]:
    units, money = int(row["units"]), round(row["paid_amount"] * 100)
    first, cents = int(units * SKU_SHARE["单件装"]), int(money * SKU_SHARE["单件装"])
    parts = [(first, cents), (units - first, money - cents)]
    return [
        [
            f"-{row['product_id'][-9:]}0{number}",
            name,
            cells.yuan(part[1] / 100),
            part[0],
            *["—"] * 7,
        ]
        for number, (name, part) in enumerate(zip(SKU_SHARE, parts, strict=True), start=1)
    ]


# ---- 抖店: orders and after-sales
# ---------------------------------------------------------------------------------


def _cipher(values: pd.Series, mark: str) -> pd.Series:
    """Masked contact fields: the same person has the same text."""
    known = {
        value: mark + hashlib.blake2b(value.encode(), digest_size=8).hexdigest()
        for value in values.unique()
    }
    return values.map(known)


def _order_columns(orders: pd.DataFrame, exported: pd.Timestamp) -> dict[str, pd.Series]:
    """The columns of an order export that have values, as quoted text by header; later than the export is not known yet."""
    o = orders

    def known(name: str) -> pd.Series:
        return cells.clock(o[name].mask(o[name] > exported), DASHES)

    status = o["status"].mask(o["shipped_at"] > exported, "待发货")
    refunded = o["refunded"].notna()
    after = (
        pd.Series("-", index=o.index)
        .mask(refunded, "退款成功")
        .mask(refunded & (o["refunded"] == o["paid"]), "已全额退款")
    )
    live = o["channel"] == "直播"
    late = (o["created_at"] >= exported.floor("D") - pd.Timedelta(days=1)) & (exported.hour < 8)
    where = o["channel"].mask(late, "数据将于第二天更新")
    source = o["source"].fillna("-").mask(late, "-")
    packet = "SF" + o["line_id"].str[-12:] + "-顺丰速运,10001-1"
    return {
        "主订单编号": cells.quoted(o["order_id"]),
        "子订单编号": cells.quoted(o["line_id"]),
        "支付方式": pd.Series("支付宝", index=o.index).where(o["paid"].notna(), "-"),
        "选购商品": cells.quoted(o["product_name"]),
        "商品ID": cells.quoted(o["product_id"]),
        "商品数量": o["qty"].astype(int).astype(str),
        "商品金额": cells.money((o["payable"] + o["discount"]) / o["qty"]),
        "订单提交时间": known("created_at"),
        "支付完成时间": known("paid_at"),
        "订单完成时间": known("finished_at"),
        "承诺发货时间": cells.clock(o["promised_at"], DASHES),
        "发货时间": known("shipped_at"),
        "APP渠道": pd.Series("抖音", index=o.index),
        "订单状态": status,
        "取消原因": pd.Series("-", index=o.index).where(o["paid"].notna(), "超时未支付"),
        "售后状态": after,
        "订单类型": pd.Series("普通订单", index=o.index),
        "订单应付金额": cells.money(o["payable"]),
        "运费": pd.Series("0.00", index=o.index),
        "优惠总金额": cells.money(o["discount"]),
        "商家优惠": cells.money(o["discount"]),
        "收件人": cells.quoted(_cipher(o["buyer_key"], "##")),
        "收件人手机号": cells.quoted(_cipher(o["buyer_key"], "$$")),
        "省": o["province"],
        "详细地址": cells.quoted(_cipher(o["buyer_key"] + "a", "##")),
        "快递信息": cells.quoted(packet.where(o["shipped_at"] <= exported)),
        "达人昵称": o["room_name"].fillna("-"),
        "流量来源": source,
        "流量类型": source.map(
            {
                name: "付费流量" if item["paid"] else "自然流量"
                for name, item in shop()["sources"].items()
            }
        ).fillna("-"),
        "流量体裁": where,
        "流量渠道": source.where(live, "-"),
    }


def _shop_file(
    path: Path,
    layout: str,
    columns: dict[str, pd.Series],
    rows: int,
    *,
    encoding: str,
    extra: bool = False,
) -> Path:
    headers = cells.layout(layout)
    filled = {name: columns[name].tolist() if name in columns else ["-"] * rows for name in headers}
    cells.text_table(path, headers, filled, encoding=encoding, extra=extra)
    return path


def _epoch_name(exported: pd.Timestamp, part: str) -> str:
    digest = hashlib.blake2b(f"{exported}{part}".encode(), digest_size=16).hexdigest()
    return f"{int(exported.tz_localize(shop()['timezone']).timestamp())}_{digest}.csv"


def _order_file(
    orders: pd.DataFrame,
    raw: Path,
    exported: pd.Timestamp,
    part: str,
    *,
    encoding: str = "utf-8-sig",
) -> Path:
    zoned = exported.tz_localize(shop()["timezone"])
    hand.members(orders, raw, exported, part)
    path = raw / _epoch_name(exported, f"orders {part}")
    _shop_file(
        path,
        "doudian_orders",
        _order_columns(orders, zoned),
        len(orders),
        encoding=encoding,
        extra=True,
    )
    return cells.stamp(path, exported)


def _orders(orders: pd.DataFrame, raw: Path, exported: pd.Timestamp) -> Dirty:
    """Orders by quarter, the first in GB18030; of the last one an export made just after the last session, and one of the last week made later."""
    made = orders["created_at"].dt.tz_localize(None)
    quarter = made.dt.to_period("Q")
    early = pd.Timestamp(EARLY_EXPORT)
    periods = sorted(quarter.unique())
    for number, period in enumerate(periods[:-1]):
        encoding = "gb18030" if number == 0 else "utf-8-sig"
        _order_file(
            orders[quarter == period],
            raw,
            exported - pd.Timedelta(hours=len(periods) - number),
            str(period),
            encoding=encoding,
        )
    last = quarter == periods[-1]
    dirty = _dirty_orders(_order_file(orders[last & (made < early)], raw, early, "early"))
    _order_file(
        orders[last & (made >= early.floor("D") - pd.Timedelta(days=7))], raw, exported, "late"
    )
    return dirty


def _dirty_orders(path: Path) -> Dirty:
    """Plants a row twice, one at an impossible time, one with a negative amount; both of the latter with ids of their own."""
    head, *rows = path.read_bytes().decode("utf-8-sig").split("\r\n")
    headers, stamp = head.split(","), path.stat()
    rows = rows[:-1]
    place = {name: headers.index(name) for name in headers}

    def changed(row: str, number: int, column: str, value: str) -> str:
        parts = row.split(",")
        parts[place["主订单编号"]] = parts[place["子订单编号"]] = f'"\t69999999999999900{number}7"'
        parts[place[column]] = value
        return ",".join(parts)

    time, amount = "2026-13-45 25:61:00", "-19.90"
    rows.insert(10, changed(rows[3], 1, "订单提交时间", time))
    rows.insert(20, changed(rows[4], 2, "订单应付金额", amount))
    rows.insert(30, rows[29])
    path.write_bytes(("\r\n".join([head, *rows]) + "\r\n").encode("utf-8-sig"))
    cells.stamp(
        path,
        pd.Timestamp(stamp.st_mtime, unit="s", tz="UTC")
        .tz_convert(shop()["timezone"])
        .tz_localize(None),
    )
    return [
        {
            "file": path.name,
            "row": 12,
            "column": "订单提交时间",
            "value": time,
            "what": "impossible_time",
        },
        {
            "file": path.name,
            "row": 22,
            "column": "订单应付金额",
            "value": amount,
            "what": "negative_amount",
        },
        {
            "file": path.name,
            "row": 31,
            "column": "子订单编号",
            "value": rows[30].split(",")[1].strip('"\t'),
            "what": "duplicate",
            "again": 32,
        },
    ]


CASE_KINDS = {
    "refund_before_shipping": "未发货退款",
    "refund_after_shipping": "已发货退款",
    "return_refund": "退货退款",
    "exchange": "换货",
}
CASE_STATUS = {
    "succeeded": "同意退款，退款成功",
    "closed": "售后关闭",
    "exchanged": "换货成功",
    "open": "待商家处理",
}


def _case_columns(cases: pd.DataFrame, paid: pd.Series) -> dict[str, pd.Series]:
    c = cases
    return {
        "售后单号": cells.quoted(c["case_id"]),
        "订单号": cells.quoted(c["order_id"]),
        "商品单号": cells.quoted(c["line_id"]),
        "商品名称": cells.quoted(c["product_name"]),
        "商品ID": cells.quoted(c["product_id"]),
        "应付金额（元）": cells.money(paid),
        "商品运费（元）": pd.Series("0.00", index=c.index),
        "商品发货状态": pd.Series("已发货", index=c.index).mask(
            c["before_shipping"].fillna(False), "未发货"
        ),
        "售后类型": c["kind"].map(CASE_KINDS),
        "退商品金额（元）": cells.money(c["amount"]),
        "退运费金额（元）": pd.Series("0.00", index=c.index),
        "售后状态": c["status"].map(CASE_STATUS),
        "售后申请时间": cells.clock(c["asked_at"], DASHES),
        "退款方式": pd.Series("原路退款", index=c.index),
        "售后原因": c["reason"],
        "自动处理截止时间": cells.clock(c["due_at"], DASHES),
        "同意售后申请时间": cells.clock(c["first_reply_at"], DASHES),
        "商家退款时间": cells.clock(c["refunded_at"], DASHES),
        "用户到账时间": cells.clock(c["refunded_at"], DASHES),
        "售后关闭时间": cells.clock(c["closed_at"].where(c["status"] == "closed"), DASHES),
        "售后完结时间": cells.clock(c["closed_at"], DASHES),
        "仲裁状态": pd.Series("-", index=c.index).mask(c["disputed"].fillna(False), "仲裁中"),
        "是否极速退款": pd.Series("否", index=c.index),
        "门店名称": pd.Series(shop()["name"], index=c.index),
    }


def _cases(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> Dirty:
    """After-sales cases by half year; in the last file a case of an unknown order and one whose amount is a remark."""
    cases = tables["aftersales"].reset_index(drop=True)
    if cases.empty:
        return []
    paid = cases["line_id"].map(tables["orders"].set_index("line_id")["payable"])
    asked = cases["asked_at"].dt.tz_localize(None)
    half = asked.dt.year * 2 + (asked.dt.month > 6)
    dirty: Dirty = []
    for number, key in enumerate(sorted(half.unique())):
        mine = cases[half == key].reset_index(drop=True)
        columns = _case_columns(mine, paid[half == key].reset_index(drop=True))
        at = exported - pd.Timedelta(minutes=30 - number)
        path = raw / _epoch_name(at, f"cases {key}")
        if key == half.max():
            columns, dirty = _dirty_cases(columns, path.name)
        _shop_file(
            path, "doudian_aftersales", columns, len(columns["售后单号"]), encoding="utf-8-sig"
        )
        cells.stamp(path, at)
    return dirty


def _dirty_cases(columns: dict[str, pd.Series], name: str) -> tuple[dict[str, pd.Series], Dirty]:
    """Two more cases at the end: one whose order is nowhere, one whose amount is words."""
    more = {
        header: pd.concat([values, values.iloc[[0, 0]]], ignore_index=True)
        for header, values in columns.items()
    }
    n = len(more["售后单号"])
    changes = [
        (n - 2, "售后单号", '"\t142999999999999017"'),
        (n - 1, "售后单号", '"\t142999999999999027"'),
        (n - 1, "退商品金额（元）", "见备注"),
        (n - 2, "订单号", '"\t6900000000000000137"'),
        (n - 2, "商品单号", '"\t6900000000000000139"'),
    ]
    for row, header, value in changes:
        more[header] = more[header].where(more[header].index != row, value)
    return more, [
        {
            "file": name,
            "row": n,
            "column": "商品单号",
            "value": "6900000000000000139",
            "what": "unknown_order",
        },
        {
            "file": name,
            "row": n + 1,
            "column": "退商品金额（元）",
            "value": "见备注",
            "what": "text_for_number",
        },
    ]


# ---- 千川 and 百应
# ------------------------------------------------------------------------------------------------


def _thousands(value: float) -> str:
    return f"{value:,.2f}"


def _qianchuan(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> None:
    """The live report by day up to the last session's eve, below a row of totals, and the last session's day by hour."""
    ads = tables["ads"]
    before, last = ads.iloc[:-1], ads.iloc[-1]
    if len(before):
        days = before["started_at"].dt.strftime("%Y-%m-%d")
        rows = [
            _ads_row("全部", before.sum(numeric_only=True)),
            *(_ads_row(day, row) for day, (_, row) in zip(days, before.iterrows(), strict=True)),
        ]
        path = raw / f"全域数据_直播分析_{days.iloc[0]} 00_00_00-{days.iloc[-1]} 23_59_59.xlsx"
        cells.workbook(path, {"直播分析": [cells.layout("qianchuan_live"), *rows]})
        cells.stamp(path, exported)
    day = last["started_at"].strftime("%Y-%m-%d")
    path = raw / f"全域数据_分小时_{day} 00_00_00-{day} 23_59_59.xlsx"
    cells.workbook(
        path, {"分小时": [cells.layout("qianchuan_hours"), *_hours(last, tables["minutes"], day)]}
    )
    cells.stamp(path, exported)


def _ads_row(day: str, row: pd.Series) -> list[Any]:
    roi = [
        round(row[name] / row["cost"], 2) if row["cost"] else "-"
        for name in ("net_amount", "amount")
    ]
    return [
        shop()["room_name"],
        day,
        roi[0],
        _thousands(row["net_amount"]),
        _thousands(row["cost"]),
        roi[1],
        _thousands(row["amount"]),
        cells.plain(row["orders"]),
        round(1000 * row["amount"] / row["views"], 2) if row["views"] else "-",
        cells.plain(row["views"] * 8),
    ]


def _hours(row: pd.Series, minutes: pd.DataFrame, day: str) -> list[list[Any]]:
    """The day's spend and sales shared over the hours by the people online; the hours sum to the day."""
    mine = minutes[minutes["session_id"] == row["session_id"]]
    weight = mine.groupby(mine["at"].dt.strftime("%Y-%m-%d %H:00"))["online"].sum()
    weight = weight[weight.index.str.startswith(day)]
    ends = (weight.cumsum() / weight.sum()).to_numpy()

    def share(total: float) -> np.ndarray:
        return np.diff(np.round(ends * total), prepend=0)

    cost, amount, net = (share(row[name] * 100) / 100 for name in ("cost", "amount", "net_amount"))
    orders = share(row["orders"])
    return [
        [
            hour,
            _thousands(cost[i]),
            round(amount[i] / cost[i], 2),
            _thousands(amount[i]),
            int(orders[i]),
            round(cost[i] / orders[i], 2) if orders[i] else "-",
            _thousands(net[i]),
            "0.00",
            _thousands(amount[i] - net[i]),
            "-",
        ]
        for i, hour in enumerate(weight.index)
    ]


def _buyin(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> None:
    """百应's trend by minute of the last session: a few of the columns of the minute table."""
    minutes = tables["minutes"]
    mine = minutes[minutes["session_id"] == tables["sessions"]["session_id"].iloc[-1]]
    rows = [
        [at.strftime("%Y/%m/%d %H:%M"), *map(cells.plain, values)]
        for at, *values in mine[["at", "comments", "fan_club_joins", "new_fans"]].itertuples(
            index=False
        )
    ]
    path = raw / f"流量综合趋势分析下载_数据更新日期{exported:%Y%m%d}.xlsx"
    cells.workbook(path, {"Sheet1": [cells.layout("buyin_trend"), *rows]})
    cells.stamp(path, exported)
