"""The exports of 抖音电商罗盘: lists of sessions, and a workbook for each session."""

from pathlib import Path
from typing import Any

import pandas as pd

from helpers.demo import cells
from helpers.demo.schedule import shop

OVERLAP_DAYS = 4  # by which each list export begins before the last one ended
STALE_EXPORT = "2026-11-08 22:00:00"  # of the session list: refunds as they stood then
SKU_SHARE = {"单件装": 0.7, "两件装": 0.3}


def _list_columns(sessions: pd.DataFrame) -> dict[str, pd.Series]:
    s, hours = sessions, sessions["duration_seconds"] / 3600

    def rate(part: str, whole: str) -> pd.Series:
        return (s[part] / s[whole]).round(4)

    return {
        "主播昵称": s["room_name"],
        "主播抖音号": s["room"],
        "直播开始时间": cells.clock(s["started_at"], cells.SLASHES),
        "直播结束时间": cells.clock(s["ended_at"], cells.SLASHES),
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
) -> cells.Dirty:
    days = sessions["started_at"].dt.strftime("%Y-%m-%d")
    path = raw / f"直播间列表_{days.iloc[0]}_{days.iloc[-1]}_{exported:%Y%m%d%H%M%S}.xlsx"
    rows = _list_rows(sessions)
    dirty: cells.Dirty = []
    if broken:  # a session on a day that does not exist, among the others
        bad, impossible = list(rows[1]), "2026/06/31 20:00:00"
        bad[rows[0].index("直播开始时间")] = impossible
        rows.insert(3, bad)
        dirty = [cells.dirty(path, 4, "直播开始时间", impossible, "impossible_time")]
    cells.workbook(path, {"直播间列表": rows}, exported)
    return dirty


def write_lists(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> cells.Dirty:
    """A list for each quarter, begun some days before the last one ended, and a stale one."""
    sessions = tables["sessions"]
    quarter = sessions["started_at"].dt.tz_localize(None).dt.to_period("Q")
    dirty: cells.Dirty = []
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
    amounts = cases[
        (cases["refunded_at"] <= at) & cases["session_id"].isin(sessions["session_id"])
    ].groupby("session_id")["amount"]
    ids = sessions["session_id"]
    count = ids.map(amounts.size()).fillna(0)
    return sessions.assign(
        refund_amount=ids.map(amounts.sum()).fillna(0.0), refund_orders=count, refund_users=count
    )


def write_session(
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
        exported,
    )


def _two_rows(values: dict[str, Any]) -> list[list[Any]]:
    return [list(values), [cells.or_dash(value, "—") for value in values.values()]]


def _basics(s: pd.Series) -> list[list[Any]]:
    span = "-".join(s[name].strftime(cells.SLASHES) for name in ("started_at", "ended_at"))
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
    names = {
        "直播间曝光人数": "room_exposure_users",
        "直播间观看人数": "viewers",
        "商品曝光人数": "product_exposure_users",
        "商品点击人数": "product_click_users",
        "成交人数": "pay_users",
    }
    return [[name, cells.plain(s[column])] for name, column in names.items()]


def _channels(s: pd.Series, traffic: pd.DataFrame) -> list[list[Any]]:
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
            row["posted_at"].strftime(cells.SLASHES),
            cells.plain(row["exposures"]),
            cells.plain(row["entries"]),
            cells.percent(row["entries"], row["exposures"]),
        ]
        for _, row in videos.iterrows()
    ]
    return [headers, *rows]


def _goods(products: pd.DataFrame) -> list[list[Any]]:
    """Products, each followed by its SKUs, which begin with a dash and must not be added."""
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
