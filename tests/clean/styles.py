"""Tables that are known, written as people and programs write exports and save them again.

`tables(number)` makes eight exports of a shop's week (orders and after-sales of Doudian, its
settlements, sessions, sources and ads by hour of Douyin, orders and sessions of TikTok Shop), the
values drawn by a generator of our own; another number gives other ids, rooms and amounts, so that
many files live in one workspace. `written` puts one through styles; `judged` holds what the reader
made of the file against what is known: equal, or named, or wrong. What is named in part leaves
values out; it never gives another value.

A style marked = must be read with equal money and counts. One marked ? may also be refused, or
asked about, by name: exit code 1, and the file's problem names a column concerned (or the sheet);
what is kept all the same is true.

Figures
  = plain                     as the platform writes it
  = comma_thousands           1,234.50 and 12,345
  = dots_and_comma            1.234,50 (German, Indonesian, Brazilian Excel)
  = decimal_comma             1234,50
  = space_thousands           1 234,50 with a no-break space (French, Polish Excel)
  = apostrophe_thousands      1'234.50 (Swiss Excel)
  = sign_of_money_before      ¥1,234.50
  = word_of_money_behind      1,234.50元
  = rupiah                    Rp1.234,50, in exports of no one currency
  = accounting                ` 1,234.50 ` with the spaces of the accounting format
  = trailing_zeros_gone       1234.5 and 50, as General format shows them
  = text_numbers              a workbook whose numbers are texts
  = number_cells              a workbook whose numbers are numbers, with a format of two decimals
  ? counts_with_dots          5.000 for five thousand people
  = counts_in_wan             1.2345万
  = full_width_digits         １２３．５０
  = percent                   shares of 4.21%
  ? money_in_wan_by_header    成交金额（万元）
Signs
  ? refunds_negative          every refund carries a minus
  ? in_parentheses            (150.00) for less than nothing
  ? trailing_minus            150.00-
  = another_minus             −150.00 with the minus of typesetting
  = a_negative_hour           an hour of ads, or a session, whose net amount is below 0
Ids
  ? ids_as_numbers            number cells: 15 digits are left
  ? some_ids_rounded          a third of the ids end in 0000, as text
  ? ids_in_science            6.91829E+18
  ? ids_with_thousands        6,918,290,123,456,789,012
  = ids_after_apostrophe      '6918290123456789012
  = ids_with_tab              a TAB before and behind
  = ids_as_formula            ="6918290123456789012"
  ? lines_joined              the lines of an order in one row, their ids joined by ;
Rows
  = total_marked              合计, 总计, 汇总, Total, Grand total as last row
  = total_in_other_words      总和, 合计：, 总 计, 本页合计, Sum, Totals …
  = total_with_count          共计30条, Total of 30 results
  = total_on_top              the total is the first row
  = total_with_date           总和, and the last date in the column of dates
  = total_without_mark        a last row of sums alone
  = subtotals                 小计 after each half, 总计 at the end
  = empty_rows                an empty row between any two
  = header_again              the header once more in the middle
  = remark_below              数据来源：… in one cell below the table
  ? line_without_id           a settlement that is of no line: compensation, insurance
  ? one_amount_missing        one paid row whose amount is a dash
Columns
  = columns_turned            the columns in another order
  = columns_added             columns that nobody knows
  = column_left_out           a column without money is missing
  ? money_left_out            the column of money is missing
  = spaces_in_headers         spaces, full-width brackets, capitals
  = unnamed_column            a column without a header at the end
Sheet
  = header_two_rows_down      a title and an empty row above the header
  = description_row           a row below the header that explains the columns
  = merged_cells              equal neighbours merged into one cell
  = second_sheet              the table on the second sheet, an explanation on the first
  = over_two_sheets           half of the rows on each of two sheets
  = pivot_sheet               a pivot table of the same on a sheet of its own
  = block_below               a small table of something else below
  = block_beside              a small table of something else to the right
  ? hidden_rows               rows hidden by a filter: left out as Excel shows it, or said
File
  = utf8_with_mark            UTF-8 with a byte order mark
  = gb18030                   GB18030
  = utf16_text                "Unicode text" of Excel: UTF-16, tabs
  ? big5                      Big5 with traditional characters
  = tabs                      separated by tabs
  = semicolons                separated by semicolons
  = sep_line                  sep=; as first line
  = all_quoted                every cell in quotation marks
  = line_ends_in_cells        line ends and quotation marks within cells
  = old_xls                   Excel 97
  = zipped                    in a zip
  = another_ending            a workbook named .xls
  ? html_as_xls               a web page named .xls
  ? saved_as_csv_by_excel     ids in science, times as y/m/d h:mm, money without zeros, GB18030
  ? cut_in_a_row              the file ends in the middle of a row
Times
  = iso_t                     2026-03-05T20:15:00
  = ymd_slashes               2026/3/5 20:15
  = chinese_dates             2026年3月5日 20:15
  = dmy                       05/03/2026 20:15:00, days above 12 among them
  = mdy_pm                    03/05/2026 08:15:00 PM, days above 12 among them
  = dmy_pm                    05/03/2026 08:15:00 PM, days above 12 among them
  ? dmy_low_days              day first, and no day above 12
  ? two_digit_years           05/03/26 20:15
  ? month_names               Mar 5, 2026 8:15 PM
  ? day_month_names           5 Mar 2026 20:15
  ? gmt_offset                2026-03-05 20:15:00 GMT+8
  = utc_offset                2026-03-05 12:15:00+00:00
  ? epoch_seconds             1772712900
  = date_cells                cells that are dates
  ? serial_days               46086.84375 in General format
  ? workbook_of_1904          date cells of a workbook that counts from 1904
  ? serial_days_of_1904       the same in General format
  ? swapped_by_excel          dd/mm opened by an American Excel: days to 12 swapped, others text
Durations
  ? day_fractions             0.125 for three hours
  = clock_durations           3:00:00
  = spoken_durations          3小时0分0秒
  = duration_cells            cells in the format [h]:mm:ss
"""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import html
import io
import itertools
import math
import random
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import xlsxwriter

from tests.clean.checked import Checked
from tests.made_files import old_workbook

ZONE = "Asia/Shanghai"
DAYS = (3, 5, 9, 12, 17, 21, 26, 28)  # of March 2026; those above 12 tell the day from the month
MONEY, COUNTS = ("money", "refund", "net"), ("count", "people")
LASTING = ("duration", "minutes")


class Cell(NamedTuple):
    """A number or date of a workbook with the format that it is shown in."""

    value: object
    form: str


@dataclasses.dataclass
class Column:
    """A column of an export: its header, its values, the canonical columns that they become.

    Durations are kept in seconds, shares as fractions, times as clocks of the workspace.
    """

    header: str
    role: str
    values: list
    to: tuple[str, ...] = ()

    def __post_init__(self):
        self.name = self.header  # as the export calls it, whatever a style makes of the header


@dataclasses.dataclass
class Table:
    """An export before it is written: its columns, and how its own platform writes them."""

    kind: str
    table: str
    key: tuple[str, ...]
    columns: list[Column]
    file: str
    book: bool = False
    sheet: str = "Sheet1"
    above: list[list] = dataclasses.field(default_factory=list)
    before: dict[str, list[list]] = dataclasses.field(default_factory=dict)
    total: tuple[str, bool] | None = None  # its own total row: the word, whether it comes first
    tables: tuple[str, ...] = ()  # what else the file is read as
    moment: Callable[[dt.datetime], object] = lambda at: f"{at:%Y-%m-%d %H:%M:%S}"
    name: Callable[[str], object] = str
    figure: Callable[[float, str], object] = lambda size, role: _plain(size, role)

    def column(self, header: str) -> Column:
        return next(column for column in self.columns if column.name == header)

    def headers(self, *roles: str) -> list[str]:
        return [column.header for column in self.columns if column.role in roles]

    def has(self, *roles: str) -> bool:
        return bool(self.headers(*roles))

    def rows(self) -> int:
        return len(self.columns[0].values)

    def kept(self, rows: list[int]) -> None:
        for column in self.columns:
            column.values = [column.values[row] for row in rows]

    def known(self, rows: list[int] | None = None) -> pd.DataFrame:
        """What the clean table must hold of these rows (of all), in canonical columns."""
        made = {}
        for column in self.columns:
            for name in column.to:
                values = [math.nan if v is None else v for v in column.values]
                if name in made:  # one amount written in two columns
                    values = [a + b for a, b in zip(made[name], values, strict=True)]
                made[name] = values
        if self.table == "orders" and "payable" in made and "paid_at" in made:
            paid = [not isinstance(at, float) for at in made["paid_at"]]
            made["paid"] = [
                v if done else math.nan for v, done in zip(made["payable"], paid, strict=True)
            ]
        frame = pd.DataFrame(made)
        return frame if rows is None else frame.iloc[rows].reset_index(drop=True)


def _plain(size: float, role: str) -> str:
    return f"{size:.2f}" if role in MONEY else f"{size:g}"


def _number(size: float, role: str) -> float | int:
    return round(size, 2) if role in MONEY else size


# ---- eight tables that are known
# ------------------------------------------------------------------


def _digits(dice: random.Random, head: str, length: int) -> str:
    return head + str(
        dice.randrange(10 ** (length - len(head) - 1), 10 ** (length - len(head)) - 9)
    )


def _id(dice: random.Random, head: str, length: int = 19) -> str:
    made = _digits(dice, head, length)
    return made[:-4] + f"{dice.randrange(1111, 9999) // 10 * 10 + dice.randrange(1, 10)}"


def _money(dice: random.Random, low: float = 9, high: float = 400) -> float:
    return round(dice.uniform(1000, 4999) if dice.random() < 0.3 else dice.uniform(low, high), 2)


def _starts(number: int) -> list[dt.datetime]:
    hour, minute = 8 + number // 60 % 12, number % 60
    return [dt.datetime(2026, 3, day, hour, minute) for day in DAYS]


def tables(number: int) -> dict[str, Table]:
    """The eight exports of shop `number` by kind."""
    dice = random.Random(f"shop {number}")
    starts = _starts(number)
    made = [
        *_doudian(dice, starts, number),
        _sessions(dice, starts, number),
        _traffic(dice, starts[3], number),
        _ads(dice, starts, number),
        _tiktok_orders(dice, starts, number),
        _tiktok_sessions(dice, starts, number),
    ]
    return {table.kind: table for table in made}


KINDS = (
    "orders",
    "aftersales",
    "settlements",
    "sessions",
    "traffic",
    "ads",
    "tiktok_orders",
    "tiktok_sessions",
)


def _doudian(dice: random.Random, starts: list, number: int) -> list[Table]:
    orders = [_id(dice, "6918") for _ in range(16)]
    of = sorted([*range(16), *dice.sample(range(16), 8)])
    count = len(of)
    lines = [_id(dice, "6919") for _ in of]
    goods = [_id(dice, "37128") for _ in range(5)]
    sold = [dice.randrange(5) for _ in of]
    put = [starts[order % 8] + dt.timedelta(minutes=7 * order + 5) for order in of]
    paid = [at + dt.timedelta(minutes=1) for at in put]
    unpaid = [of.index(order) for order in range(16) if of.count(order) == 1][1::5]
    for row in unpaid:
        paid[row] = None
    amounts = [_money(dice) for _ in of]
    same = ["-"] * count
    order_table = Table(
        "orders",
        "orders",
        ("line_id",),
        [
            Column("主订单编号", "id", [orders[order] for order in of], ("order_id",)),
            Column("子订单编号", "id", lines, ("line_id",)),
            Column("选购商品", "text", [f"卫衣{good}款" for good in sold], ("product_name",)),
            Column("商品ID", "id", [goods[good] for good in sold], ("product_id",)),
            Column("商品数量", "count", [dice.choice([1, 1, 2, 3]) for _ in of], ("qty",)),
            Column("商品金额", "money", [round(v + 5, 2) for v in amounts]),
            Column("订单应付金额", "money", amounts, ("payable",)),
            Column("优惠总金额", "money", [5.0] * count, ("discount",)),
            Column("订单提交时间", "time", put, ("created_at",)),
            Column("支付完成时间", "time", paid, ("paid_at",)),
            Column("订单状态", "choice", ["已发货" if at else "已关闭" for at in paid]),
            Column("售后状态", "choice", same),
            Column("流量体裁", "choice", ["直播"] * count),
            Column("达人昵称", "text", [f"某店{number}"] * count),
            Column("省", "choice", [dice.choice(["广东", "浙江"]) for _ in of]),
        ],
        f"{1775000000 + number}_订单.csv",
        name=lambda text: f"\t{text}",
    )
    back = [row for row in range(count) if paid[row]][::2]
    asked = [put[row] + dt.timedelta(hours=2) for row in back]
    freight = [dice.choice([0.0, 0.0, 8.5]) for _ in back]
    cases = Table(
        "aftersales",
        "aftersales",
        ("case_id",),
        [
            Column("售后单号", "id", [_id(dice, "1420") for _ in back], ("case_id",)),
            Column("订单号", "id", [orders[of[row]] for row in back], ("order_id",)),
            Column("商品单号", "id", [lines[row] for row in back], ("line_id",)),
            Column("商品名称", "text", [f"卫衣{sold[row]}款" for row in back]),
            Column("商品ID", "id", [goods[sold[row]] for row in back], ("product_id",)),
            Column("售后类型", "choice", ["退货退款"] * len(back)),
            Column("退商品金额（元）", "refund", [amounts[row] for row in back], ("amount",)),
            Column("退运费金额（元）", "refund", freight, ("amount",)),
            Column("售后状态", "choice", ["同意退款，退款成功"] * len(back)),
            Column("售后申请时间", "time", asked, ("asked_at",)),
            Column("售后原因", "text", ["质量问题"] * len(back)),
            Column("商品发货状态", "choice", ["已发货"] * len(back)),
            Column(
                "商家退款时间",
                "time",
                [at + dt.timedelta(hours=1) for at in asked],
                ("refunded_at",),
            ),
        ],
        f"{1775000000 + number}_售后单.csv",
    )
    done = [row for row in range(count) if paid[row]]
    entries = [(row, "首笔结算") for row in done[:12]] + [(row, "退款结算") for row in done[:3]]
    settled, fees, came, went = [], [], [], []
    for row, scene in entries:
        first = scene == "首笔结算"
        came.append(amounts[row] if first else 0.0)
        fees.append(-round(amounts[row] * 0.05, 2) if first else 0.0)
        went.append(fees[-1] if first else -round(amounts[row] / 4, 2))
        settled.append(round(came[-1] + went[-1], 2))
    days = [put[row] + dt.timedelta(hours=3) for row, _ in entries]
    bill = Table(
        "settlements",
        "settlements",
        ("line_id", "scene"),
        [
            Column("结算时间", "time", days, ("settled_at",)),
            Column("订单号", "id", [orders[of[row]] for row, _ in entries], ("order_id",)),
            Column("子订单号", "id", [lines[row] for row, _ in entries], ("line_id",)),
            Column("商品ID", "id", [goods[sold[row]] for row, _ in entries], ("product_id",)),
            Column("结算金额", "net", settled, ("settled",)),
            Column("结算账户", "choice", ["聚合账户"] * len(entries)),
            Column("结算单类型", "choice", [scene for _, scene in entries], ("scene",)),
            Column("用户实付", "money", came, ("user_paid",)),
            Column("收入合计", "net", list(came), ("income",)),
            Column("支出合计", "net", went, ("expense",)),
            Column("平台服务费", "net", fees, ("platform_fee",)),
        ],
        f"{1775000000 + number}_结算.csv",
        name=lambda text: f"'{text}",
    )
    return [order_table, cases, bill]


def _sessions(dice: random.Random, starts: list, number: int) -> Table:
    many = len(starts)
    seen = [dice.randrange(3000, 60000) for _ in starts]
    paid = [_money(dice, 2000, 9000) for _ in starts]
    at_once = [round(v / 10, 2) for v in paid]
    minutes = [dice.choice([120, 150, 180]) for _ in starts]
    ends = [at + dt.timedelta(minutes=m) for at, m in zip(starts, minutes, strict=True)]
    return Table(
        "sessions",
        "sessions",
        ("started_at",),
        [
            Column("主播昵称", "text", [f"某店{number}"] * many, ("room_name",)),
            Column("主播抖音号", "code", [f"shop{number:05d}"] * many, ("room",)),
            Column("直播开始时间", "time", list(starts), ("started_at",)),
            Column("直播结束时间", "time", ends, ("ended_at",)),
            Column("直播时长(分钟)", "minutes", [m * 60.0 for m in minutes], ("duration_seconds",)),
            Column("直播间曝光人数", "people", [v * 6 for v in seen], ("room_exposure_users",)),
            Column("直播间观看人数", "people", seen, ("viewers",)),
            Column("直播间观看次数", "people", [v + 900 for v in seen], ("views",)),
            Column(
                "最高在线人数", "people", [dice.randrange(90, 900) for _ in seen], ("peak_online",)
            ),
            Column(
                "人均观看时长(分钟)",
                "minutes",
                [6.0 * dice.randrange(5, 30) for _ in seen],
                ("avg_watch_seconds",),
            ),
            Column(
                "观看老粉占比",
                "rate",
                [dice.randrange(100, 900) / 10000 for _ in seen],
                ("fan_viewer_share",),
            ),
            Column(
                "直播间成交订单数", "count", [dice.randrange(60, 90) for _ in seen], ("orders",)
            ),
            Column(
                "直播间成交人数", "people", [dice.randrange(30, 60) for _ in seen], ("pay_users",)
            ),
            Column("直播间成交金额", "money", paid, ("paid_amount",)),
            Column("直播间退款金额", "refund", [round(v / 5, 2) for v in paid], ("refund_amount",)),
            Column(
                "净成交金额",
                "net",
                [round(a - b, 2) for a, b in zip(paid, at_once, strict=True)],
                ("net_1h_amount",),
            ),
            Column("1小时退款金额", "refund", at_once, ("refund_1h_amount",)),
        ],
        f"直播间列表{number:05d}_20260401100000.xlsx",
        book=True,
        tables=("reported",),
        moment=lambda at: f"{at:%Y/%m/%d %H:%M:%S}",
        figure=_number,
    )


def _traffic(dice: random.Random, start: dt.datetime, number: int) -> Table:
    sources = ["直播推荐", "短视频引流", "关注", "千川PC版", "品牌投放"]
    views = [dice.randrange(1500, 20000) for _ in sources]
    room = f"chan{number:05d}"
    span = f"{start:%Y/%m/%d %H:%M:%S}-{start + dt.timedelta(hours=3):%Y/%m/%d %H:%M:%S}"
    watched = [float(dice.randrange(30, 200)) for _ in sources]
    return Table(
        "traffic",
        "traffic",
        ("source",),
        [
            Column("渠道名称", "name", sources, ("source",)),
            Column("人均观看时长", "duration", watched, ("avg_watch_seconds",)),
            Column("观看次数", "people", views, ("views",)),
            Column(
                "观看人数", "people", [v - dice.randrange(200, 900) for v in views], ("viewers",)
            ),
            Column("用户支付金额", "money", [_money(dice) for _ in sources], ("paid_amount",)),
            Column("成交订单数", "count", [dice.randrange(5, 90) for _ in sources], ("orders",)),
            Column(
                "千川消耗",
                "money",
                [None, None, None, _money(dice), _money(dice)],
                ("ad_cost",),
            ),
        ],
        f"整场{number:05d}_20260401100000.xlsx",
        book=True,
        sheet="流量分析-渠道分析",
        before={
            "基本信息": [
                ["达人昵称", "抖音号or火山号", "直播时间", "直播时长"],
                [f"渠道{number}", room, span, "3小时0分"],
            ]
        },
        total=("整体", True),
        tables=("sessions", "reported"),
        figure=lambda size, role: f"¥{size:,.2f}" if role in MONEY else f"{size:g}",
    )


def _ads(dice: random.Random, starts: list, number: int) -> Table:
    hours = [f"{at:%Y-%m-%d %H}:00 ~ {at:%H}:59" for at in starts]
    money = [_money(dice, 200, 900) for _ in hours]
    back = [round(v / 8, 2) for v in money]
    column = Column("时间-小时", "slot", hours)
    column.to = ("started_at",)
    return Table(
        "ads",
        "ads",
        ("started_at",),
        [
            column,
            Column("抖音号名称", "text", [f"某店{number}"] * len(hours), ("campaign",)),
            Column("整体消耗", "money", [_money(dice, 50, 400) for _ in hours], ("cost",)),
            Column("整体支付ROI", "ratio", [2.0 for _ in hours]),
            Column("整体成交金额", "money", money, ("amount",)),
            Column("整体成交订单数", "count", [dice.randrange(2, 60) for _ in hours], ("orders",)),
            Column(
                "净成交金额",
                "net",
                [round(a - b, 2) for a, b in zip(money, back, strict=True)],
                ("net_amount",),
            ),
            Column("1小时内退款金额", "refund", back),
        ],
        f"分时报表{number:05d}_20260401100000.xlsx",
        book=True,
        total=("全部", False),
        figure=lambda size, role: f"{size:,.2f}" if role in MONEY else f"{size:g}",
    )


def _tiktok_orders(dice: random.Random, starts: list, number: int) -> Table:
    orders = [_id(dice, "5768", 18) for _ in range(14)]
    goods = [_id(dice, "1729", 18) for _ in range(6)]
    rows = [(order, good) for order in range(14) for good in dice.sample(range(6), 1 + order % 2)]
    put = [starts[order % 8] + dt.timedelta(minutes=6 * order + 3) for order, _ in rows]
    amounts = [_money(dice) for _ in rows]
    whole = {
        order: round(sum(a for a, (o, _) in zip(amounts, rows, strict=True) if o == order), 2)
        for order in range(14)
    }
    many = len(rows)
    return Table(
        "tiktok_orders",
        "orders",
        ("order_id", "product_id"),
        [
            Column("Order ID", "id", [orders[order] for order, _ in rows], ("order_id",)),
            Column("Order Status", "choice", ["Shipped"] * many),
            Column("SKU ID", "id", [goods[good] for _, good in rows], ("product_id",)),
            Column("Product Name", "text", [f"Mug {good}" for _, good in rows], ("product_name",)),
            Column("Quantity", "count", [dice.choice([1, 1, 2]) for _ in rows], ("qty",)),
            Column("SKU Platform Discount", "money", [0.0] * many, ("discount",)),
            Column("SKU Subtotal After Discount", "money", amounts, ("payable",)),
            Column("Order Amount", "money", [whole[order] for order, _ in rows]),
            Column("Created Time", "time", put, ("created_at",)),
            Column("Paid Time", "time", [at + dt.timedelta(minutes=2) for at in put], ("paid_at",)),
            Column("Package ID", "code", [str(7000 + row) for row in range(many)]),
        ],
        f"orders{number:05d}_20260401100000.csv",
        moment=lambda at: f"{at:%d/%m/%Y %H:%M:%S}\t",
        name=lambda text: f"{text}\t",
    )


def _tiktok_sessions(dice: random.Random, starts: list, number: int) -> Table:
    many = len(starts)
    seen = [dice.randrange(2000, 9000) for _ in starts]
    paid = [_money(dice, 900, 9000) for _ in starts]
    return Table(
        "tiktok_sessions",
        "sessions",
        ("started_at",),
        [
            Column("Livestream", "text", [f"Show {number}"] * many, ("title",)),
            Column("Start time", "time", list(starts), ("started_at",)),
            Column(
                "Duration",
                "duration",
                [60.0 * dice.randrange(90, 200) for _ in seen],
                ("duration_seconds",),
            ),
            Column("Gross revenue", "money", paid, ("paid_amount",)),
            Column(
                "Direct GMV", "money", [round(v * 0.9, 2) for v in paid], ("direct_paid_amount",)
            ),
            Column("Items sold", "count", [dice.randrange(90, 200) for _ in seen], ("units",)),
            Column("Customers", "people", [dice.randrange(20, 50) for _ in seen], ("pay_users",)),
            Column("Orders paid for", "count", [dice.randrange(50, 90) for _ in seen], ("orders",)),
            Column("Views", "people", [v + 1200 for v in seen], ("views",)),
            Column("Viewers", "people", seen, ("viewers",)),
            Column(
                "Avg. view duration",
                "duration",
                [float(dice.randrange(20, 90)) for _ in seen],
                ("avg_watch_seconds",),
            ),
            Column("Likes", "people", [dice.randrange(900, 9000) for _ in seen], ("likes",)),
        ],
        f"Live{number:05d}_20260401100000.xlsx",
        book=True,
        above=[["2026-03-01 ~ 2026-03-31"], []],
        tables=("reported",),
        moment=lambda at: f"{at:%Y-%m-%d %H:%M}",
        figure=_number,
    )


# ---- a table being written
# ------------------------------------------------------------------------


@dataclasses.dataclass
class Doc:
    """A table on its way to a file: how cells are written, what stands around, what file it is."""

    table: Table
    dice: random.Random
    holds: str  # text, xlsx, xls or html
    figures: dict[str, Callable[[float, str], object]] = dataclasses.field(default_factory=dict)
    minus: Callable[[object], object] | None = None
    flipped: bool = False
    moment: Callable[[dt.datetime], object] | None = None
    name: Callable[[str], object] | None = None
    lasting: Callable[[float], object] | None = None
    share: Callable[[float], object] = lambda value: f"{value:.4f}"
    above: list[list] = dataclasses.field(default_factory=list)
    under: list[list] = dataclasses.field(default_factory=list)
    rows: list[list] = dataclasses.field(default_factory=list)
    tail: list[list] = dataclasses.field(default_factory=list)
    before: dict[str, list[list]] = dataclasses.field(default_factory=dict)
    after: dict[str, list[list]] = dataclasses.field(default_factory=dict)
    own_total: bool = True
    merged: bool = False
    hidden: set[int] = dataclasses.field(default_factory=set)  # of the rows of the body
    halves: bool = False
    beside: bool = False
    charset: str = "utf-8"
    separator: str = ","
    first_line: str = ""
    quoting: int = csv.QUOTE_MINIMAL
    era_1904: bool = False
    zipped: bool = False
    ending: str = ""
    cut: bool = False
    anything: bool = False  # any problem of the file is enough of a name
    must_say: str = ""  # a header that the file's problem must name, though no value is different
    by_order: bool = (
        False  # lines share the amount of their order: held against each other by order
    )

    def cell(self, column: Column, value: object) -> object:
        """A value as this file writes it."""
        role, table = column.role, self.table
        if value is None:
            return "-" if table.kind != "tiktok_orders" else ""
        if role in (*MONEY, *COUNTS):
            below = value < 0
            below = not below if self.flipped and role == "refund" and value else below
            made = self.figures.get(role, table.figure)(abs(value), role)
            return self._negative(made) if below else made
        if role == "time":
            return (self.moment or table.moment)(value)
        if role == "id":
            return (self.name or table.name)(value)
        if role in LASTING:
            return self._lasted(role, value)
        if role == "rate":
            return self.share(value)
        return value

    def _negative(self, made: object) -> object:
        if self.minus:
            return self.minus(f"{made:.2f}" if isinstance(made, float) else made)
        if isinstance(made, Cell):
            return made._replace(value=-made.value)
        return f"-{made}" if isinstance(made, str) else -made

    def _lasted(self, role: str, value: float) -> object:
        if self.lasting and role == "duration":
            return self.lasting(value)
        if self.table.kind == "traffic":
            return f"{value // 60:.0f}分{value % 60:.0f}秒"
        made = round(value / 60, 4) if role == "minutes" else value
        return made if self.holds == "xlsx" else f"{made:g}"

    def body(self) -> list[list]:
        columns = self.table.columns
        return [
            [self.cell(column, column.values[row]) for column in columns]
            for row in range(self.table.rows())
        ]

    def sums(self, rows: list[int], marks: dict[int, object]) -> list:
        """A row of sums over some rows, with marks by the place of a column.

        The mark of the first column moves to the first one of words where the first holds figures.
        """
        if 0 in marks:
            first = next(iter(_places(self, "text", "name", "slot", "id", "code", "time")))
            marks = {first: marks[0], **{place: mark for place, mark in marks.items() if place}}
        made = []
        for place, column in enumerate(self.table.columns):
            if column.role in (*MONEY, *COUNTS):
                whole = sum(column.values[row] or 0 for row in rows)
                made.append(self.cell(column, round(whole, 2)))
            else:
                made.append(marks.get(place, ""))
        return made


def _places(doc: Doc, *roles: str) -> list[int]:
    return [place for place, column in enumerate(doc.table.columns) if column.role in roles]


# ---- styles
# ------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Style:
    """A way to write or save an export.

    `stage`: 0 changes what is known, 1 how cells are written, 2 what stands around the rows, 3 the
    file. Styles that share an aspect, or need different kinds of file, cannot be combined. `asks`
    gives the headers that a question may name; none: the file must be read in full.
    """

    name: str
    stage: int
    aspects: frozenset[str]
    needs: str
    fits: Callable[[Table], bool]
    asks: Callable[[Table], list[str]] | None
    make: Callable[[Doc], None]


STYLES: dict[str, Style] = {}


def style(
    stage: int,
    aspects: str,
    *,
    needs: str = "",
    fits: Callable[[Table], bool] = lambda table: True,
    asks: Callable[[Table], list[str]] | None = None,
):
    """Register a style under the name of its function."""

    def kept(make: Callable[[Doc], None]) -> Callable[[Doc], None]:
        STYLES[make.__name__] = Style(
            make.__name__, stage, frozenset(aspects.split()), needs, fits, asks, make
        )
        return make

    return kept


def _has(*roles: str) -> Callable[[Table], bool]:
    return lambda table: table.has(*roles)


def _only(*kinds: str) -> Callable[[Table], bool]:
    return lambda table: table.kind in kinds


def _heads(*roles: str) -> Callable[[Table], list[str]]:
    return lambda table: table.headers(*roles)


def _all_figures(doc: Doc, make: Callable[[float, str], object], *, counts: bool = True) -> None:
    for role in (*MONEY, *(COUNTS if counts else ())):
        doc.figures[role] = make


@style(1, "")
def plain(doc):
    pass


@style(1, "money counts")
def comma_thousands(doc):
    _all_figures(doc, lambda v, role: f"{v:,.2f}" if role in MONEY else f"{v:,}")


def _swapped(text: str, group: str = ".") -> str:
    return text.replace(",", "#").replace(".", ",").replace("#", group)


@style(1, "money")
def dots_and_comma(doc):
    _all_figures(doc, lambda v, role: _swapped(f"{v:,.2f}"), counts=False)


@style(1, "money")
def decimal_comma(doc):
    _all_figures(doc, lambda v, role: _swapped(f"{v:.2f}"), counts=False)


@style(1, "money counts")
def space_thousands(doc):
    _all_figures(
        doc,
        lambda v, role: (
            _swapped(f"{v:,.2f}", "\xa0") if role in MONEY else _swapped(f"{v:,}", "\xa0")
        ),
    )


@style(1, "money counts")
def apostrophe_thousands(doc):
    _all_figures(
        doc, lambda v, role: (f"{v:,.2f}" if role in MONEY else f"{v:,}").replace(",", "'")
    )


@style(1, "money")
def sign_of_money_before(doc):
    _all_figures(doc, lambda v, role: f"¥{v:,.2f}", counts=False)


@style(1, "money")
def word_of_money_behind(doc):
    _all_figures(doc, lambda v, role: f"{v:,.2f}元", counts=False)


@style(1, "money", fits=_only("tiktok_sessions"))
def rupiah(doc):
    _all_figures(doc, lambda v, role: f"Rp{_swapped(f'{v:,.2f}')}", counts=False)


@style(1, "money")
def accounting(doc):
    _all_figures(doc, lambda v, role: f" {v:,.2f} ", counts=False)
    doc.minus = lambda made: f" -{str(made).strip()} "


@style(1, "money")
def trailing_zeros_gone(doc):
    _all_figures(doc, lambda v, role: f"{v:.2f}".rstrip("0").rstrip("."), counts=False)


@style(1, "money counts", needs="xlsx")
def text_numbers(doc):
    _all_figures(doc, _plain)


@style(1, "money counts sign", needs="xlsx")
def number_cells(doc):
    _all_figures(doc, lambda v, role: Cell(v, "#,##0.00" if role in MONEY else "0"))


@style(1, "counts", fits=_has("people"), asks=_heads("people"))
def counts_with_dots(doc):
    doc.figures["people"] = lambda v, role: f"{v:,}".replace(",", ".")


@style(1, "counts", fits=_has("people"))
def counts_in_wan(doc):
    doc.figures["people"] = lambda v, role: f"{v / 10000:.4f}万" if v >= 10000 else f"{v}"


@style(1, "money")
def full_width_digits(doc):
    wide = {ord(c): chr(ord(c) + 0xFEE0) for c in "0123456789."}
    _all_figures(doc, lambda v, role: f"{v:.2f}".translate(wide), counts=False)


@style(1, "rates", fits=_has("rate"))
def percent(doc):
    doc.share = lambda value: f"{value:.2%}"


@style(0, "money columns", fits=_only("sessions", "aftersales"), asks=_heads("money", "refund"))
def money_in_wan_by_header(doc):
    column = doc.table.column(_main_money(doc.table))
    column.header += "（万元）"
    doc.figures[column.role] = _per_wan(column)


def _per_wan(column: Column) -> Callable[[float, str], object]:
    """Amounts of one column in ten thousands; others of its role stay (equal amounts are equal)."""
    wan = {abs(value) for value in column.values if value is not None}
    return lambda v, role: f"{v / 10000:.6f}" if v in wan else f"{v:.2f}"


MAIN = {
    "orders": "订单应付金额",
    "aftersales": "退商品金额（元）",
    "settlements": "结算金额",
    "sessions": "直播间成交金额",
    "traffic": "用户支付金额",
    "ads": "整体消耗",
    "tiktok_orders": "SKU Subtotal After Discount",
    "tiktok_sessions": "Gross revenue",
}


def _main_money(table: Table) -> str:
    return MAIN[table.kind]


# ---- signs


@style(1, "sign", fits=_has("refund"), asks=_heads("refund"))
def refunds_negative(doc):
    doc.flipped = True


def _below_zero(table: Table) -> bool:
    return any(
        value is not None and value < 0
        for column in table.columns
        if column.role == "net"
        for value in column.values
    )


@style(1, "sign", fits=_below_zero, asks=_heads("net", "refund"))
def in_parentheses(doc):
    doc.minus = lambda made: f"({made})"


@style(1, "sign", fits=_below_zero, asks=_heads("net", "refund"))
def trailing_minus(doc):
    doc.minus = lambda made: f"{made}-"


@style(1, "sign", fits=_below_zero)
def another_minus(doc):
    doc.minus = lambda made: f"−{made}"


@style(0, "truth", fits=_only("ads", "sessions"))
def a_negative_hour(doc):
    table = doc.table
    net = table.column("净成交金额").values
    back = table.column("1小时内退款金额" if table.kind == "ads" else "1小时退款金额").values
    paid = table.column("整体成交金额" if table.kind == "ads" else "直播间成交金额").values
    row = doc.dice.randrange(len(net))
    back[row] = round(paid[row] + 150, 2)
    net[row] = -150.0


# ---- ids


def _rounded(text: str) -> str:
    return text[:15] + "0" * (len(text) - 15)


@style(1, "ids", needs="xlsx", fits=_has("id"), asks=_heads("id"))
def ids_as_numbers(doc):
    doc.name = lambda text: Cell(float(_rounded(text)), "0")


@style(1, "ids", fits=_has("id"), asks=_heads("id"))
def some_ids_rounded(doc):
    doc.name = lambda text: _rounded(text) if int(text[3:9]) % 3 == 0 else text


@style(1, "ids", fits=_has("id"), asks=_heads("id"))
def ids_in_science(doc):
    doc.name = lambda text: f"{float(text):.5E}"


@style(1, "ids", fits=_has("id"), asks=_heads("id"))
def ids_with_thousands(doc):
    doc.name = lambda text: f"{int(text):,}"


@style(1, "ids", fits=_has("id"))
def ids_after_apostrophe(doc):
    doc.name = lambda text: f"'{text}"


@style(1, "ids", fits=_has("id"))
def ids_with_tab(doc):
    doc.name = lambda text: f"\t{text}\t"


@style(1, "ids", fits=_has("id"))
def ids_as_formula(doc):
    doc.name = lambda text: f'="{text}"'


@style(2, "rows ids truth merge", fits=_only("orders"), asks=_heads("id", "money"))
def lines_joined(doc):
    """Lines of an order in one row: ids and names joined, the order's own amount and pieces."""
    table = doc.table
    order = table.column("主订单编号").values
    made = []
    for _, group in itertools.groupby(range(len(order)), key=order.__getitem__):
        rows = list(group)
        row = []
        for column in table.columns:
            values = [column.values[one] for one in rows]
            if column.name in ("子订单编号", "选购商品", "商品ID"):
                row.append(";".join(str(value) for value in values))
            elif column.role in (*MONEY, *COUNTS):
                row.append(doc.cell(column, round(sum(values), 2)))
            else:
                row.append(doc.cell(column, values[0]))
        made.append(row)
    doc.rows, doc.by_order = made, True


# ---- rows

WORDS = ("合计", "总计", "汇总", "Total", "Grand total", "TOTAL")
OTHER_WORDS = ("总和", "合计：", "总 计", "本页合计", "全部合计", "Sum", "Totals", "累计")


@style(2, "total")
def total_marked(doc):
    doc.tail.append(doc.sums([*range(doc.table.rows())], {0: doc.dice.choice(WORDS)}))


@style(2, "total")
def total_in_other_words(doc):
    doc.tail.append(doc.sums([*range(doc.table.rows())], {0: doc.dice.choice(OTHER_WORDS)}))


@style(2, "total")
def total_with_count(doc):
    count = doc.table.rows()
    word = doc.dice.choice([f"共计{count}条", f"Total of {count} results", f"合计（{count}）"])
    doc.tail.append(doc.sums([*range(count)], {0: word}))


@style(2, "total")
def total_on_top(doc):
    doc.rows.insert(0, doc.sums([*range(doc.table.rows())], {0: doc.dice.choice(WORDS)}))
    doc.hidden = {row + 1 for row in doc.hidden}


@style(2, "total", fits=lambda table: table.has("time") and table.columns[0].role != "time")
def total_with_date(doc):
    last = max(doc.table.columns[_places(doc, "time")[0]].values)
    marks = {place: doc.cell(doc.table.columns[place], last) for place in _places(doc, "time")}
    doc.tail.append(doc.sums([*range(doc.table.rows())], {**marks, 0: "总和"}))


@style(2, "total")
def total_without_mark(doc):
    doc.tail.append(doc.sums([*range(doc.table.rows())], {}))


@style(2, "total rows")
def subtotals(doc):
    count = doc.table.rows()
    half, every = count // 2, [*range(count)]
    first, second = (doc.sums(rows, {0: "小计"}) for rows in (every[:half], every[half:]))
    doc.rows = [*doc.rows[:half], first, *doc.rows[half:], second]
    doc.tail.append(doc.sums(every, {0: "总计"}))


@style(2, "rows")
def empty_rows(doc):
    doc.rows = [made for row in doc.rows for made in (row, [""] * len(row))]


@style(2, "rows")
def header_again(doc):
    half = len(doc.rows) // 2
    header = [column.header for column in doc.table.columns]
    doc.rows = [*doc.rows[:half], header, *doc.rows[half:]]


@style(2, "remark")
def remark_below(doc):
    doc.tail.append(
        [doc.dice.choice(["数据来源：直播后台，仅供参考", "* 金额单位为元", "导出人：某某"])]
    )


@style(0, "truth rows", fits=_only("settlements"), asks=_heads("id", "net"))
def line_without_id(doc):
    """Compensation and insurance: money of the shop that is of no line."""
    table = doc.table
    for header, values in {
        "结算时间": [table.column("结算时间").values[0]] * 2,
        "订单号": [None, table.column("订单号").values[0]],
        "子订单号": [None, None],
        "商品ID": [None, None],
        "结算金额": [-30.0, -8.0],
        "结算账户": ["聚合账户"] * 2,
        "结算单类型": ["平台赔付扣款", "运费险"],
        "用户实付": [0.0, 0.0],
        "收入合计": [0.0, 0.0],
        "支出合计": [-30.0, -8.0],
        "平台服务费": [0.0, 0.0],
    }.items():
        table.column(header).values.extend(values)


@style(
    0,
    "truth money_column",
    fits=_only("orders", "tiktok_orders", "settlements"),
    asks=lambda table: [_main_money(table)],
)
def one_amount_missing(doc):
    values = doc.table.column(_main_money(doc.table)).values
    sold = doc.table.column("支付完成时间").values if doc.table.kind == "orders" else values
    values[next(row for row in range(3, len(values)) if sold[row] is not None)] = None
    doc.must_say = _main_money(doc.table)


# ---- columns


@style(0, "columns first")
def columns_turned(doc):
    doc.table.columns.reverse()


@style(0, "columns")
def columns_added(doc):
    many = doc.table.rows()
    made = [
        Column("自定义列A", "other", [f"备注{row}" for row in range(many)]),
        Column("毛利预测", "other", [f"{row * 3}.5" for row in range(many)]),
    ]
    doc.table.columns[2:2] = made[:1]
    doc.table.columns.append(made[1])


LESS = {
    "orders": "商品数量",
    "aftersales": "商品发货状态",
    "settlements": "商品ID",
    "sessions": "最高在线人数",
    "traffic": "人均观看时长",
    "ads": "整体支付ROI",
    "tiktok_orders": "Product Name",
    "tiktok_sessions": "Likes",
}


@style(0, "columns")
def column_left_out(doc):
    doc.table.columns.remove(doc.table.column(LESS[doc.table.kind]))


@style(0, "columns money_column", asks=lambda table: [_main_money(table)])
def money_left_out(doc):
    """The money is gone, yet known to have been there: its value is missing and must be said."""
    column = doc.table.column(_main_money(doc.table))
    column.header = ""


@style(0, "headers")
def spaces_in_headers(doc):
    for column in doc.table.columns:
        header = column.header.replace("(", " （").replace(")", "） ")
        column.header = f" {header.upper() if header.isascii() else header}  "


@style(2, "width")
def unnamed_column(doc):
    doc.rows = [[*row, "10001-1"] for row in doc.rows]


# ---- sheet


@style(2, "top")
def header_two_rows_down(doc):
    doc.above += [["2026年3月 经营数据"], []]


@style(2, "note", fits=lambda table: table.kind != "tiktok_sessions")
def description_row(doc):
    said = {"id": "平台唯一编号", "time": "北京时间", "money": "单位：元，含运费", "net": "可为负"}
    doc.under.append([said.get(column.role, "统计口径说明") for column in doc.table.columns])
    if doc.table.kind == "tiktok_orders":
        doc.under[-1][0] = "Platform unique order ID."


@style(2, "merge rows", needs="xlsx", fits=_only("orders", "sessions", "tiktok_sessions"))
def merged_cells(doc):
    doc.merged = True


@style(2, "sheets", needs="xlsx")
def second_sheet(doc):
    doc.before["使用说明"] = [["本表由系统导出"], ["字段", "含义"], ["金额", "单位元"]]


@style(2, "sheets rows total", needs="xlsx", fits=lambda table: table.total is None)
def over_two_sheets(doc):
    doc.halves = True


@style(2, "sheets money_column", needs="xlsx")
def pivot_sheet(doc):
    column = doc.table.column(_main_money(doc.table))
    whole = round(sum(value or 0 for value in column.values), 2)
    doc.after["数据透视"] = [
        [],
        ["行标签", f"求和项:{column.header}", "计数项"],
        ["(空白)", whole, doc.table.rows()],
        ["总计", whole, doc.table.rows()],
    ]


@style(2, "below remark total")
def block_below(doc):
    doc.tail += [
        [],
        ["商品", "备货", "成本"],
        ["卫衣", "300", "25.00"],
        ["帽子", "120", "8.00"],
    ]


@style(2, "width total")
def block_beside(doc):
    doc.beside = True


@style(
    2,
    "hidden rows total",
    needs="xlsx",
    fits=lambda table: table.total is None,
    asks=lambda table: [],
)
def hidden_rows(doc):
    doc.hidden = set(range(1, doc.table.rows(), 3))


# ---- file


@style(3, "charset", needs="text")
def utf8_with_mark(doc):
    doc.charset = "utf-8-sig"


@style(3, "charset", needs="text")
def gb18030(doc):
    doc.charset = "gb18030"


@style(3, "charset separator", needs="text")
def utf16_text(doc):
    doc.charset, doc.separator = "utf-16", "\t"


@style(3, "charset", needs="text", asks=lambda table: [])
def big5(doc):
    doc.charset, doc.anything = "big5", True


@style(3, "separator", needs="text")
def tabs(doc):
    doc.separator = "\t"


@style(3, "separator", needs="text")
def semicolons(doc):
    doc.separator = ";"


@style(3, "separator top", needs="text")
def sep_line(doc):
    doc.separator, doc.first_line = ";", "sep=;\r\n"


@style(3, "quoting", needs="text")
def all_quoted(doc):
    doc.quoting = csv.QUOTE_ALL


@style(0, "texts", needs="text", fits=_has("text"))
def line_ends_in_cells(doc):
    texts = [column for column in doc.table.columns if column.role == "text"]
    column = texts[0] if texts else doc.table.columns[-1]
    column.values = [f'{value}\n"大",红' for value in column.values]
    column.to = ()


@style(3, "zip", needs="xls")
def old_xls(doc):
    pass


@style(3, "zip")
def zipped(doc):
    doc.zipped = True


@style(3, "zip", needs="xlsx")
def another_ending(doc):
    doc.ending = ".xls"


@style(3, "zip", needs="html", asks=lambda table: [])
def html_as_xls(doc):
    doc.ending, doc.anything = ".xls", True


@style(
    1,
    "money ids times charset separator quoting",
    needs="text",
    asks=_heads("id"),
    fits=_has("id"),
)
def saved_as_csv_by_excel(doc):
    doc.charset = "gb18030"
    doc.name = lambda text: f"{float(text):.5E}"
    doc.moment = lambda at: f"{at.year}/{at.month}/{at.day} {at.hour}:{at:%M}"
    _all_figures(doc, lambda v, role: f"{v:.2f}".rstrip("0").rstrip("."), counts=False)


@style(3, "cut charset zip total remark below", needs="text", asks=lambda table: [])
def cut_in_a_row(doc):
    doc.cut = doc.anything = True


# ---- times


def _times(name: str, form: Callable[[dt.datetime], object], **how: object) -> None:
    def make(doc: Doc) -> None:
        doc.moment = form

    make.__name__ = name
    style(1, "times", fits=_has("time"), **how)(make)


_ASK = _heads("time")
_times("iso_t", lambda at: f"{at:%Y-%m-%dT%H:%M:%S}")
_times("ymd_slashes", lambda at: f"{at.year}/{at.month}/{at.day} {at.hour}:{at:%M}")
_times("chinese_dates", lambda at: f"{at.year}年{at.month}月{at.day}日 {at:%H:%M}")
_times("dmy", lambda at: f"{at:%d/%m/%Y %H:%M:%S}")
_times("mdy_pm", lambda at: f"{at:%m/%d/%Y %I:%M:%S %p}")
_times("dmy_pm", lambda at: f"{at:%d/%m/%Y %I:%M:%S %p}")
_times("two_digit_years", lambda at: f"{at:%d/%m/%y %H:%M}", asks=_ASK)
_times("month_names", lambda at: f"{at:%b} {at.day}, {at.year} {at:%I:%M %p}", asks=_ASK)
_times("day_month_names", lambda at: f"{at.day} {at:%b %Y %H:%M}", asks=_ASK)
_times("gmt_offset", lambda at: f"{at:%Y-%m-%d %H:%M:%S} GMT+8", asks=_ASK)
_times("utc_offset", lambda at: f"{at - dt.timedelta(hours=8):%Y-%m-%d %H:%M:%S}+00:00")
_times(
    "epoch_seconds",
    lambda at: f"{(at - dt.datetime(1970, 1, 1, 8)).total_seconds():.0f}",
    asks=_ASK,
)
_times("date_cells", lambda at: Cell(at, "yyyy-mm-dd hh:mm:ss"), needs="xlsx")


def _serial(at: dt.datetime, zero: dt.datetime) -> float:
    return round((at - zero) / dt.timedelta(days=1), 9)


_times(
    "serial_days",
    lambda at: Cell(_serial(at, dt.datetime(1899, 12, 30)), "General"),
    needs="xlsx",
    asks=_ASK,
)
_times(
    "swapped_by_excel",
    lambda at: (
        Cell(at.replace(month=at.day, day=at.month), "m/d/yyyy h:mm")
        if at.day <= 12
        else f"{at:%d/%m/%Y %H:%M}"
    ),
    needs="xlsx",
    asks=_ASK,
)


@style(1, "times truth", fits=_has("time"), asks=_ASK)
def dmy_low_days(doc):
    """Rows of days up to 12 alone, day first."""
    table = doc.table
    first = next(column for column in table.columns if column.role == "time")
    table.kept([row for row, at in enumerate(first.values) if at and at.day <= 12])
    doc.moment = lambda at: f"{at:%d/%m/%Y %H:%M:%S}"


@style(1, "times era", needs="xlsx", fits=_has("time"), asks=_ASK)
def workbook_of_1904(doc):
    doc.era_1904 = True
    doc.moment = lambda at: Cell(at, "yyyy-mm-dd hh:mm:ss")


@style(1, "times era", needs="xlsx", fits=_has("time"), asks=_ASK)
def serial_days_of_1904(doc):
    doc.era_1904 = True
    doc.moment = lambda at: Cell(_serial(at, dt.datetime(1904, 1, 1)), "General")


# ---- durations


def _durations(name: str, form: Callable[[float], object], **how: object) -> None:
    def make(doc: Doc) -> None:
        doc.lasting = form

    make.__name__ = name
    style(1, "durations", fits=_has("duration"), **how)(make)


_durations(
    "day_fractions",
    lambda s: Cell(s / 86400, "General"),
    needs="xlsx",
    asks=_heads("duration"),
)
_durations("clock_durations", lambda s: f"{s // 3600:.0f}:{s % 3600 // 60:02.0f}:{s % 60:02.0f}")
_durations(
    "spoken_durations",
    lambda s: f"{s // 3600:.0f}小时{s % 3600 // 60:.0f}分{s % 60:.0f}秒",
)
_durations("duration_cells", lambda s: Cell(s / 86400, "[h]:mm:ss"), needs="xlsx")


# ---- from styles to a file
# ------------------------------------------------------------------------


class File(NamedTuple):
    """A file that was written, the styles it went through, and what is known of it.

    `said` is what is known of its rows where the file's problem must say so; `asks` the words of
    which a question must hold one.
    """

    name: str
    table: Table
    styles: tuple[str, ...]
    truth: pd.DataFrame
    said: tuple[str, pd.DataFrame] | None
    asks: tuple[str, ...] | None
    anything: bool
    must_say: str
    by_order: bool


def fitting(kind: str) -> list[str]:
    """The styles that a kind of export can go through."""
    made = tables(0)[kind]
    return [
        name
        for name, one in STYLES.items()
        if one.fits(made) and not (kind == "traffic" and one.needs not in ("", "xlsx"))
    ]


def compatible(names: tuple[str, ...]) -> bool:
    """Whether a file can go through these styles together."""
    chosen = [STYLES[name] for name in names]
    needs = {one.needs for one in chosen} - {""}
    aspects = [aspect for one in chosen for aspect in one.aspects]
    return len(needs) <= 1 and len(aspects) == len(set(aspects)) and len(set(names)) == len(names)


def drawn(dice: random.Random) -> tuple[str, tuple[str, ...]]:
    """A kind of export and two or three styles that go together."""
    kind = dice.choice(KINDS)
    known = [name for name in fitting(kind) if name != "plain"]
    while True:
        names = tuple(dice.sample(known, dice.choice([2, 2, 3])))
        if compatible(names):
            return kind, names


def written(folder: Path, kind: str, names: tuple[str, ...], number: int) -> File:
    """Export `kind` of shop `number` written into a folder through styles."""
    table = tables(number)[kind]
    chosen = sorted((STYLES[name] for name in names), key=lambda one: one.stage)
    needs = next((one.needs for one in chosen if one.needs), "")
    holds = needs or ("xlsx" if table.book else "text")
    doc = Doc(table, random.Random(f"{number} {kind} {names}"), holds)
    doc.above, doc.before = list(table.above), dict(table.before)
    asks = None
    for one in chosen:
        if one.asks is not None:
            asks = (*(asks or ()), *one.asks(table))
        if one.stage < 2:
            one.make(doc)
    if "columns_turned" in names:
        doc.own_total = False  # its mark would stand in the last column
    truth = table.known()
    if "money_left_out" in names:
        table.columns = [column for column in table.columns if column.header]
    doc.rows = doc.body()
    for one in chosen:
        if one.stage >= 2:
            one.make(doc)
    if table.total and doc.own_total:
        word, first = table.total
        place = next(i for i, c in enumerate(table.columns) if c.role in ("slot", "name"))
        sums = doc.sums([*range(table.rows())], {place: word})
        doc.rows.insert(0 if first else len(doc.rows), sums)
    said = None
    if doc.hidden:
        said = ("隐藏|hidden", truth)
        truth = table.known([row for row in range(table.rows()) if row not in doc.hidden])
    name = _save(folder, doc)
    return File(name, table, names, truth, said, asks, doc.anything, doc.must_say, doc.by_order)


def _save(folder: Path, doc: Doc) -> str:
    header = [column.header for column in doc.table.columns]
    top = [*doc.above, header, *doc.under]
    rows = [*top, *doc.rows, *doc.tail]
    if doc.beside:
        for row, cells in zip(rows[len(doc.above) :], _BESIDE, strict=False):
            row += [""] * (len(header) - len(row)) + [""] + cells
    stem = doc.table.file.rpartition(".")[0]
    ending = {"text": ".csv", "xlsx": ".xlsx", "xls": ".xls", "html": ".xls"}[doc.holds]
    path = folder / f"{stem}{doc.ending or ending}"
    if doc.holds == "xlsx":
        _workbook(path, doc, rows, top)
    elif doc.holds == "xls":
        old_workbook(path, [[_simple(cell) for cell in row] for row in rows])
    elif doc.holds == "html":
        path.write_text(_page(rows), encoding="utf-8")
    else:
        path.write_bytes(_text(doc, rows))
    if doc.zipped:
        inner, path = path, path.with_suffix(".zip")
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(inner, inner.name)
        inner.unlink()
    return path.name


_BESIDE = [["商品", "备货"], ["卫衣", "300"], ["帽子", "120"]]


def _simple(cell: object) -> object:
    value = cell.value if isinstance(cell, Cell) else cell
    return float(value) if isinstance(value, (int, float)) else value


def shown(cell: object) -> str:
    """A cell as the text that a spreadsheet shows."""
    value = cell.value if isinstance(cell, Cell) else cell
    if isinstance(value, dt.datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    return f"{value:.10g}" if isinstance(value, float) else str(value)


TRADITIONAL = str.maketrans(
    "订单编号选购商品数量额应优总提时间态后类达直开始结束"
    "长钟观显费运货质问题销电标签户实际说明关键转经营",
    "訂單編號選購商品數量額應優總提時間態後類達直開始結束"
    "長鐘觀顯費運貨質問題銷電標籤戶實際說明關鍵轉經營",
)


def _text(doc: Doc, rows: list[list]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=doc.separator, lineterminator="\r\n", quoting=doc.quoting)
    writer.writerows([[shown(cell) for cell in row] for row in rows])
    text = doc.first_line + out.getvalue()
    if doc.charset == "big5":
        text = text.translate(TRADITIONAL).translate({ord("¥"): "￥", 0xA0: " ", ord("−"): "－"})
        return text.encode("big5", errors="replace")
    if doc.cut:
        text = _cut(text, doc, rows)
    return text.encode(doc.charset)


def _cut(text: str, doc: Doc, rows: list[list]) -> str:
    """The text up to the middle of a row of its last third."""
    ends = [place for place, char in enumerate(text) if char == "\n"]
    start = ends[len(ends) * 3 // 4] + 1
    cells = text[start:].split("\n")[0].split(doc.separator)
    kept = cells[: len(cells) // 2]
    return text[:start] + doc.separator.join(kept)[:-2]


def _page(rows: list[list]) -> str:
    lines = "".join(
        "<tr>" + "".join(f"<td>{html.escape(shown(cell))}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f'<html><head><meta charset="utf-8"></head><body><table>{lines}</table></body></html>'


def _workbook(path: Path, doc: Doc, rows: list[list], top: list[list]) -> None:
    book = xlsxwriter.Workbook(path, {"date_1904": doc.era_1904})
    forms: dict[str, object] = {}

    def put(sheet, at: int, place: int, cell: object) -> None:
        form = cell.form if isinstance(cell, Cell) else None
        value = cell.value if isinstance(cell, Cell) else cell
        if form and form not in forms:
            forms[form] = book.add_format({"num_format": form})
        if isinstance(value, dt.datetime):
            sheet.write_datetime(at, place, value, forms[form])
        elif isinstance(value, str):
            sheet.write_string(at, place, value)
        else:
            sheet.write_number(at, place, value, forms.get(form))

    def sheet_of(name: str, lines: list[list]) -> object:
        sheet = book.add_worksheet(name)
        for at, row in enumerate(lines):
            for place, cell in enumerate(row):
                if cell != "":
                    put(sheet, at, place, cell)
        return sheet

    ranges = _ranges(doc) if doc.merged else []
    for place, first, last, _ in ranges:
        for row in rows[len(top) + first + 1 : len(top) + last + 1]:
            row[place] = ""
    for name, lines in doc.before.items():
        sheet_of(name, lines)
    if doc.halves:
        half = len(top) + (len(rows) - len(top)) // 2
        sheet_of(f"{doc.table.sheet}_1", rows[:half])
        sheet_of(f"{doc.table.sheet}_2", [*top, *rows[half:]])
    else:
        sheet = sheet_of(doc.table.sheet, rows)
        for row in doc.hidden:
            sheet.set_row(len(top) + row, None, None, {"hidden": True})
        for place, first, last, value in ranges:
            at = len(top)
            sheet.merge_range(at + first, place, at + last, place, value)
    for name, lines in doc.after.items():
        sheet_of(name, lines)
    book.close()


def _ranges(doc: Doc) -> list[tuple[int, int, int, str]]:
    """Equal neighbours of names and order ids as users merge them: place, first, last, value."""
    named = ("主播昵称", "主播抖音号", "主订单编号", "livestream")
    made = []
    for place, column in enumerate(doc.table.columns):
        if column.header.strip().lower() in named:
            at = 0
            for value, group in itertools.groupby(
                row[place] for row in doc.rows[: doc.table.rows()]
            ):
                many = len(list(group))
                if many > 1 and isinstance(value, str):
                    made.append((place, at, at + many - 1, value))
                at += many
    return made


# ---- what the reader made of it
# -------------------------------------------------------------------


def judged(file: File, found: Checked) -> tuple[str, str]:
    """Equal, named or wrong, and what is wrong. Named: nothing differs, what is missing is said."""
    stray = [
        record["table"]
        for record in found.of(file.name)
        if record["table"] not in (None, file.table.table, *file.table.tables)
        and record["rows_kept"]
    ]
    if stray:
        return "wrong", f"rows were read as {stray}"
    got, truth, key = found.table(file.table.table, file.name), file.truth, file.table.key
    if file.by_order:
        got, truth, key = _by_order(got), _by_order(truth), ("order_id",)
    other, less = held_against(got, truth, key)
    said = found.said(file.name)
    if not other and not less:
        if file.must_say.casefold() in said.casefold():
            return "equal", ""
        return "wrong", f"{file.must_say} is missing in a row{_heard(said)}"
    if file.said:
        also, missing = held_against(got, file.said[1], file.table.key)
        hit = any(word in said.casefold() for word in file.said[0].split("|"))
        if not also and (not missing or hit):
            return ("named", "") if hit else ("wrong", "hidden rows are read without a word")
    if other:
        return "wrong", f"{other}{_heard(said)}"
    if file.asks is None:
        return "wrong", f"{less}; it must be read{_heard(said)}"
    if not said:
        return "wrong", f"{less}, and nothing is said"
    low = said.casefold()
    if file.anything or len(got) == 0 or any(word.strip().casefold() in low for word in file.asks):
        return "named", less
    return "wrong", f"{less}; none of {list(file.asks)[:4]} is named{_heard(said)}"


def _heard(said: str) -> str:
    return f" (said: {said[:120]})" if said else " (nothing is said)"


def _by_order(lines: pd.DataFrame) -> pd.DataFrame:
    """Orders with the sums and the number of their lines."""
    if lines.empty:
        return lines
    sums = ["qty", "payable", "paid", "discount"]
    made = lines.groupby("order_id")[sums].sum(min_count=1)
    ids = lines.groupby("order_id")["line_id"].agg(lambda found: " ".join(sorted(found)))
    return made.assign(lines=ids).reset_index()


def _same(mine: object, known: object) -> bool | None:
    """Whether two values are the same; None where the reader has none and there is one."""
    absent, unknown = _absent(mine), _absent(known)
    if unknown:
        return absent or mine == 0
    if absent:
        return None
    if isinstance(known, dt.datetime):
        return abs(pd.Timestamp(mine).tz_localize(None) - known) < dt.timedelta(minutes=1)
    if isinstance(known, str):
        return str(mine) == known
    return math.isclose(float(mine), float(known), rel_tol=1e-6, abs_tol=0.004)


def _absent(value: object) -> bool:
    return value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _key(row: dict, key: tuple[str, ...]) -> tuple | None:
    parts = []
    for name in key:
        value = row.get(name)
        if _absent(value):
            parts.append(None)
        elif isinstance(value, (dt.datetime, pd.Timestamp)):
            parts.append(str(pd.Timestamp(value).tz_localize(None))[:16])
        else:
            parts.append(str(value))
    return tuple(parts)


def held_against(got: pd.DataFrame, truth: pd.DataFrame, key: tuple[str, ...]) -> tuple[str, str]:
    """What differs, and what is missing, of rows by key; sums that differ are told with it."""
    known = truth.to_dict("records")
    for row in known:
        if "started_at" in row and isinstance(row["started_at"], str):
            row["started_at"] = dt.datetime.strptime(row["started_at"][:16], "%Y-%m-%d %H:%M")
    wanted: dict[tuple, list[dict]] = {}
    for row in known:
        wanted.setdefault(_key(row, key), []).append(row)
    other, less = [], []
    loose = []
    for mine in got.to_dict("records"):
        mark = _key(mine, key)
        if wanted.get(mark):
            right = wanted[mark].pop()
            for name, value in right.items():
                same = _same(mine.get(name), value)
                if same is None:
                    less.append(f"{name} of {mark} is missing")
                elif not same:
                    other.append(f"{name} of {mark} is {mine.get(name)}, not {value}")
        elif None in mark:
            loose.append(mine)
        else:
            other.append(f"a row {mark} that is not in the file")
    left = [row for rows in wanted.values() for row in rows]
    for mine in loose:  # a row whose key was left out is one of those that are left
        fits = [
            row
            for row in left
            if all(_same(mine.get(name), value) is not False for name, value in row.items())
        ]
        if fits:
            left.remove(fits[0])
            less.append(f"the key of a row is missing: {_key(mine, key)}")
        else:
            other.append(f"a row without its key that is not in the file: {_key(mine, key)}")
    less += [f"row {_key(row, key)} is missing" for row in left]
    sums = "; ".join(
        f"Σ{name} {pd.to_numeric(got[name]).sum():.2f} for {truth[name].sum():.2f}"
        for name in truth
        if pd.api.types.is_float_dtype(truth[name].dtype)
        and name in got
        and not math.isclose(pd.to_numeric(got[name]).sum(), truth[name].sum(), abs_tol=0.01)
    )
    tail = f" [{len(got)} rows for {len(truth)}; {sums}]" if other or less else ""
    return (
        f"{len(other)} differ: {other[0]}{tail}" if other else "",
        f"{len(less)} missing: {less[0]}{tail}" if less else "",
    )
