"""Small shops of Douyin exports whose sizes and names are chosen: one product or 5,000.

What each session holds is drawn from its seed; the files are written as 罗盘, 抖店 and our own form
write them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from helpers.demo import cells
from helpers.reference import schema
from tests.made_files import table, workbook

ZONE = "Asia/Shanghai"
FIRST_ID, DAY = 3_600_000_000_000_000_000, dt.timedelta(days=1)
CHANNELS = ("直播推荐", "千川PC版", "短视频引流", "关注", "搜索", "商城推荐")
NAMES = {
    "own": lambda place: f"商品{_letters(place)}",
    "equal": lambda place: "秋冬加厚卫衣",
    "empty": lambda place: "",
    "styled": lambda place: f"秋冬加厚卫衣 款号{13_800_000_000 + place}",  # masked, they are equal
}


@dataclass(frozen=True)
class Shop:
    """The sizes of a shop: those of each session, and how many sessions came before the newest."""

    products: int = 5
    names: str = "own"
    sources: int = 5
    minutes: int = 120  # of each session; 0: no table of minutes, and four hours
    viewers: int = 8000
    buyers: int | None = None  # of the newest session; None: one in fifty viewers
    past: int = 4
    floor: bool = True  # with rundown, comments and costs


def _letters(place: int) -> str:
    """A name of its own for each number, without a digit."""
    return "".join("甲乙丙丁戊己庚辛壬癸"[int(digit)] for digit in str(place))


class Session:
    """One session: how many saw, clicked and bought which product, by which source they came."""

    def __init__(self, shop: Shop, place: int) -> None:
        self.shop, self.rng = shop, np.random.default_rng([7, place])
        newest = place == shop.past
        self.start = dt.datetime(2026, 9, 1, 10) + place * DAY
        self.length = dt.timedelta(minutes=shop.minutes or 240)
        varied = self.rng.normal(1, 0.05) if not newest else 0.9
        self.viewers = max(int(shop.viewers * varied), 1)
        self.buyers = self.viewers // 50 if shop.buyers is None or not newest else shop.buyers
        self._sell()

    def _sell(self) -> None:
        weights = 1 / np.arange(1, self.shop.products + 1)
        weights /= weights.sum()
        self.seen = self.rng.binomial(self.viewers, np.minimum(0.8 * (4 * weights) ** 0.5, 0.8))
        self.clicked = self.rng.binomial(self.seen, 0.2)
        self.bought = np.minimum(self.rng.multinomial(self.buyers, weights), self.clicked)
        self.prices = np.round(20 + 60 * self.rng.random(self.shop.products), 2)
        self.paid = np.round(self.bought * self.prices, 2)
        shares = 1 / np.arange(1, self.shop.sources + 1)
        shares /= shares.sum()
        self.came = self.rng.multinomial(self.viewers, shares)
        lines = np.repeat(np.arange(self.shop.products), self.bought)
        self.lines = self.rng.permutation(lines)
        reached = np.repeat(np.arange(self.shop.sources), self.came)
        self.line_source = self.rng.choice(reached, len(lines), replace=False)
        self.line_at = np.sort(self.rng.random(len(lines)))

    def clock(self, share: float) -> dt.datetime:
        """The time at which so much of the session was over, without a fraction of a second."""
        return self.start + dt.timedelta(seconds=int(share * self.length.total_seconds()))

    def of_list(self) -> dict[str, object]:
        """The row of this session in 直播间列表."""
        exposed, clicked = int(0.8 * self.viewers), int(0.25 * self.viewers)
        orders = len(self.lines)
        return {
            "主播昵称": "某店",
            "主播抖音号": "shop1",
            "直播开始时间": self.start.strftime(cells.SLASHES),
            "直播结束时间": (self.start + self.length).strftime(cells.SLASHES),
            "直播时长(分钟)": self.length.total_seconds() / 60,
            "直播间曝光人数": 9 * self.viewers,
            "直播间观看人数": self.viewers,
            "直播间观看次数": int(1.3 * self.viewers),
            "最高在线人数": max(self.viewers // 10, 1),
            "平均在线人数": self.viewers // 20,
            "人均观看时长(分钟)": 1.5,
            "评论次数": self.viewers // 8,
            "新加直播团人数": self.viewers // 200,
            "新增粉丝数": self.viewers // 70,
            "带货商品数": self.shop.products,
            "直播间商品曝光人数": exposed,
            "直播间商品点击人数": clicked,
            "直播间商品曝光次数": 3 * exposed,
            "直播间商品点击次数": 2 * clicked,
            "直播间成交订单数": orders,
            "直播间成交金额": round(float(self.paid.sum()), 2),
            "直播间用户支付金额": round(float(self.paid.sum()), 2),
            "直播间成交件数": orders,
            "直播间成交人数": orders,
            "直播间退款金额": 0,
        }

    def channels(self) -> list[list[object]]:
        bought = np.bincount(self.line_source, minlength=self.shop.sources)
        money = np.bincount(self.line_source, self.prices[self.lines], self.shop.sources)
        headers = [
            "渠道名称",
            "观看次数",
            "观看人数",
            "商品曝光人数",
            "商品点击人数",
            "成交人数",
            "成交订单数",
            "成交金额",
            "千川消耗",
        ]
        rows = [
            [
                channel(place),
                int(1.3 * people),
                int(people),
                int(0.8 * people),
                max(int(0.25 * people), int(bought[place])) if people else 0,
                int(bought[place]),
                int(bought[place]),
                round(float(money[place]), 2),
                people / 20 if channel(place).startswith("千川") else "—",
            ]
            for place, people in enumerate(self.came)
        ]
        return [headers, *rows]

    def goods(self) -> list[list[object]]:
        headers = [
            "商品ID",
            "商品名称",
            "成交金额",
            "成交件数",
            "成交人数",
            "成交订单数",
            "商品曝光人数",
            "商品点击人数",
        ]
        name = NAMES[self.shop.names]
        numbers = zip(self.paid, self.bought, self.seen, self.clicked, strict=True)
        return [
            headers,
            *(
                [str(FIRST_ID + place), name(place), paid, *[int(bought)] * 3, seen, clicked]
                for place, (paid, bought, seen, clicked) in enumerate(numbers)
            ),
        ]

    def orders(self) -> list[dict[str, str]]:
        name, number = NAMES[self.shop.names], int(self.start.timestamp())
        rows = []
        for place, product in enumerate(self.lines):
            order, at = f"69{number}{place:07d}", self.clock(self.line_at[place])
            money, source = f"{self.prices[product]:.2f}", channel(self.line_source[place])
            row = {
                "主订单编号": order,
                "子订单编号": order,
                "选购商品": name(product),
                "商品ID": str(FIRST_ID + product),
                "商品数量": "1",
                "商品金额": money,
                "订单提交时间": at.strftime(cells.DASHES),
                "支付完成时间": at.strftime(cells.DASHES),
                "订单状态": "已发货",
                "订单应付金额": money,
                "收件人手机号": f"$$buyer{place % max(len(self.lines) * 9 // 10, 1)}",
                "省": "浙江省",
                "达人昵称": "某店",
                "流量来源": source,
                "流量体裁": "直播",
            }
            rows.append({header: f"\t{cell}" for header, cell in row.items()})
        return rows

    def cases(self) -> list[dict[str, str]]:
        """Every fifth line came back two days later."""
        reasons = ("尺码不合适", "质量问题", "不想要了")
        rows = []
        for place, order in enumerate(self.orders()[::5]):
            bare = {header: cell.strip() for header, cell in order.items()}
            asked = self.clock(0.5) + 2 * DAY
            row = {
                "售后单号": f"14{bare['主订单编号']}",
                "订单号": bare["主订单编号"],
                "商品单号": bare["子订单编号"],
                "商品名称": bare["选购商品"],
                "商品ID": bare["商品ID"],
                "应付金额（元）": bare["订单应付金额"],
                "商品发货状态": "已发货",
                "售后类型": "退货退款",
                "退商品金额（元）": bare["订单应付金额"],
                "售后状态": "同意退款，退款成功",
                "售后申请时间": asked.strftime(cells.DASHES),
                "售后原因": reasons[place % 3],
                "商家退款时间": (asked + DAY).strftime(cells.DASHES),
            }
            rows.append({header: f"\t{cell}" for header, cell in row.items()})
        return rows

    def minutes(self) -> list[list[object]]:
        count = self.shop.minutes
        share = self.rng.multinomial(self.viewers, np.full(count, 1 / count)) if count else []
        sold = np.floor(self.line_at * count).astype(int)
        orders = np.bincount(sold, minlength=count) if count else []
        paid = np.bincount(sold, self.prices[self.lines], count) if count else []
        return [
            [
                self.start + dt.timedelta(minutes=place),
                int(share[place] * 1.5) + 1,
                int(share[place]),
                int(share[place]),
                int(share[place] // 8),
                int(orders[place]),
                round(float(paid[place]), 2),
            ]
            for place in range(count)
        ]

    def rundown(self) -> list[list[object]]:
        """A product is explained every five minutes, the first ones first and again."""
        count = max(int(self.length.total_seconds() // 300), 1)
        step = self.length / count
        return [
            [
                self.start + place * step,
                self.start + (place + 1) * step,
                "商品导入",
                str(FIRST_ID + place % self.shop.products),
            ]
            for place in range(count)
        ]

    def comments(self) -> list[list[object]]:
        name = NAMES[self.shop.names]
        said = ("{}怎么卖", "{}有货吗", "尺码偏大吗", "主播好", "发什么快递")
        return [
            [
                self.clock(place / 200),
                f"viewer{place % 60}",
                said[place % 5].format(name(place % self.shop.products)),
            ]
            for place in range(200)
        ]


def channel(place: int) -> str:
    """The name of a source; from the seventh on invented ones."""
    return CHANNELS[place] if place < len(CHANNELS) else f"渠道{_letters(place)}"


def workspace(folder: Path, shop: Shop) -> Path:
    """Write the exports of a shop into raw/ of a new workspace, and return its folder."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    sessions = [Session(shop, place) for place in range(shop.past + 1)]
    exported = sessions[-1].start + 12 * DAY
    lines = [session.of_list() for session in sessions]
    headers = cells.layout("compass_list")
    rows = [headers, *([row.get(header, "-") for header in headers] for row in lines)]
    named = f"直播间列表_2026-09-01_2026-09-30_{exported:%Y%m%d%H%M%S}.xlsx"
    workbook(raw / named, 直播间列表=rows)
    for session in sessions:
        _whole_session(raw, session, exported)
    _shop_files(raw, sessions, exported)
    _own_form(raw, shop, sessions)
    return folder


def _whole_session(raw: Path, session: Session, exported: dt.datetime) -> None:
    ended = session.start + session.length
    span = f"{session.start:{cells.SLASHES}}-{ended:{cells.SLASHES}}"
    basics = [["达人昵称", "抖音号or火山号", "直播时间"], ["某店", "shop1", span]]
    stamp = "%Y-%m-%d_%H-%M-%S"
    name = f"直播间详情页_整场数据下载_{exported:{stamp}}(某店_{ended:{stamp}}).xlsx"
    sheets = {
        "基本信息": basics,
        "流量分析-渠道分析": session.channels(),
        "商品分析-商品明细": session.goods(),
    }
    workbook(raw / name, **sheets)


def _shop_files(raw: Path, sessions: list[Session], exported: dt.datetime) -> None:
    for layout, rows in (
        ("doudian_orders", [row for session in sessions for row in session.orders()]),
        ("doudian_aftersales", [row for session in sessions for row in session.cases()]),
    ):
        if rows:
            headers = cells.layout(layout)
            listed = [[row.get(header, "-") for header in headers] for row in rows]
            seconds = int(exported.timestamp()) + len(headers)
            name = f"{seconds}_{'0123456789abcdef' * 2}.csv"
            table(raw / name, [headers, *listed], encoding="utf-8-sig")


def _own_form(raw: Path, shop: Shop, sessions: list[Session]) -> None:
    sheets = {}
    if shop.minutes:
        heads = ["时间", "在线人数", "进入人数", "离开人数", "评论次数", "成交订单数", "支付金额"]
        sheets["分钟"] = [heads, *(row for session in sessions for row in session.minutes())]
    if shop.floor:
        heads = ["开始时间", "结束时间", "环节", "商品ID"]
        sheets["直播脚本"] = [heads, *(row for one in sessions for row in one.rundown())]
        heads = ["时间", "观众标识（加密）", "评论内容"]
        sheets["评论弹幕"] = [heads, *(row for one in sessions for row in one.comments())]
        costs = [["单件成本", str(FIRST_ID + place), 9.5] for place in range(shop.products)]
        sheets["成本"] = [["成本项", "商品ID", "金额"], *costs]
    if sheets:
        workbook(raw / "own.xlsx", **sheets)


def tables(shop: Shop) -> dict[str, pd.DataFrame]:
    """Sessions, products and sources of a shop as `clean` would give them, without any file."""
    sessions = [Session(shop, place) for place in range(shop.past + 1)]
    rows: dict[str, list[pd.DataFrame]] = {"sessions": [], "products": [], "traffic": []}
    for place, session in enumerate(sessions):
        name = f"s{place:02d}"
        rows["sessions"].append(_session_row(session, name))
        rows["products"].append(_product_rows(session, name))
        rows["traffic"].append(_source_rows(session, name))
    return {
        name: schema.conform(pd.concat(parts, ignore_index=True), name, ZONE)
        for name, parts in rows.items()
    }


def _session_row(session: Session, name: str) -> pd.DataFrame:
    money, orders = round(float(session.paid.sum()), 2), len(session.lines)
    return pd.DataFrame(
        {
            "session_id": name,
            "platform": "douyin",
            "room": "shop1",
            "started_at": pd.Timestamp(session.start),
            "ended_at": pd.Timestamp(session.start + session.length),
            "duration_seconds": session.length.total_seconds(),
            "currency": "CNY",
            "viewers": session.viewers,
            "product_exposure_users": int(0.8 * session.viewers),
            "product_click_users": max(int(0.25 * session.viewers), orders),
            "pay_users": orders,
            "orders": orders,
            "paid_amount": money,
        },
        index=[0],
    )


def _product_rows(session: Session, name: str) -> pd.DataFrame:
    called = NAMES[session.shop.names]
    return pd.DataFrame(
        {
            "session_id": name,
            "product_id": [str(FIRST_ID + place) for place in range(session.shop.products)],
            "name": [called(place) or None for place in range(session.shop.products)],
            "exposure_users": session.seen,
            "click_users": session.clicked,
            "pay_users": session.bought,
            "orders": session.bought,
            "paid_amount": session.paid,
        }
    )


def _source_rows(session: Session, name: str) -> pd.DataFrame:
    _, *rows = session.channels()
    columns = ["source", "views", "viewers", "product_exposure_users", "product_click_users"]
    columns += ["pay_users", "orders", "paid_amount", "ad_cost"]
    frame = pd.DataFrame(rows, columns=columns)
    return frame.assign(
        session_id=name,
        ad_cost=pd.to_numeric(frame["ad_cost"], errors="coerce"),
        is_paid=frame["source"].str.startswith("千川"),
    )
