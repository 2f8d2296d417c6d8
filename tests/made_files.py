"""Export files of our own making, for the tests of the reader.

CSV, workbooks old and new, and how they are read.
"""

import csv
import datetime as dt
import io
import struct

import xlsxwriter

from helpers import clean, reference
from helpers.clean.columns import Answers

KEY = b"k" * 32
CHINA = "Asia/Shanghai"


def load(path, *, timezone=CHINA, currency="CNY", **answers):
    reading = clean.read_file(
        path,
        systems=reference.systems(),
        timezone=timezone,
        key=KEY,
        currency=currency,
        answers=Answers(**answers),
    )
    files = reading.files.dropna(subset=["export"])
    assert (
        files["rows_in"] == files["rows_kept"] + files["rows_totals"] + files["rows_aside"]
    ).all()
    assert len(reading.aside) == files["rows_aside"].sum()
    return reading._replace(files=in_english(reading.files))


def in_english(files):
    """The list of files with what it says of each in words."""
    return files.assign(problem=files["problem"].map(lambda kept: clean.said(kept, "en") or None))


def workbook(path, merged=(), **sheets):
    """A workbook of sheets of rows.

    `merged` lists ranges such as ("核心指标", 1, 0, 3, 0), whose first cell has the value.
    """
    book = xlsxwriter.Workbook(path)
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            for place, cell in enumerate(row):
                if isinstance(cell, dt.datetime):
                    sheet.write_datetime(at, place, cell, moment)
                elif isinstance(cell, str):
                    sheet.write_string(at, place, cell)
                elif cell is not None:
                    sheet.write(at, place, cell)
    for name, top, left, bottom, right in merged:
        book.get_worksheet_by_name(name).merge_range(
            top, left, bottom, right, sheets[name][top][left]
        )
    book.close()
    return path


def old_workbook(path, rows, *, hidden=(), merged=(), era_1904=False):
    """An Excel 97 file (.xls, BIFF8 in a compound file) of one sheet of texts and numbers.

    Nothing that is kept up writes one. `hidden` are numbers of rows, from 1; `merged` ranges as of
    `workbook`, without their sheet.
    """

    def record(kind, data=b""):
        return struct.pack("<HH", kind, len(data)) + data

    def words(text):
        return struct.pack("<HB", len(text), 1) + text.encode("utf-16-le")

    cells = b"".join(
        record(0x0203, struct.pack("<HHHd", row, place, 0, cell))
        if isinstance(cell, (int, float))
        else record(0x0204, struct.pack("<HHH", row, place, 0) + words(cell))
        for row, line in enumerate(rows)
        for place, cell in enumerate(line)
    )
    lines = b"".join(
        record(
            0x0208,
            struct.pack("<6HI", row, 0, len(line), 0xFF, 0, 0, 0x100 | 0x20 * (row + 1 in hidden)),
        )
        for row, line in enumerate(rows)
    )
    places = b"".join(
        struct.pack("<4H", top, bottom, left, right) for top, left, bottom, right in merged
    )
    cells = lines + cells + record(0x00E5, struct.pack("<H", len(merged)) + places)
    begin = struct.pack("<HHHHII", 0x0600, 0x0005, 0x0DBB, 0x07CC, 0, 6)
    name = b"\x06\x01" + "Sheet1".encode("utf-16-le")
    head = record(0x0809, begin) + record(0x0022, struct.pack("<H", era_1904))
    start = len(head) + len(record(0x0085, b"\0" * 6 + name)) + len(record(0x000A))
    book = head + record(0x0085, struct.pack("<IBB", start, 0, 0) + name) + record(0x000A)
    book += record(0x0809, begin[:2] + b"\x10\x00" + begin[4:]) + cells + record(0x000A)
    book = book.ljust(
        max(4096, -(-len(book) // 512) * 512), b"\0"
    )  # short streams would live elsewhere in the file
    blocks = len(book) // 512

    def entry(title, kind, child, first, size):
        name = title.encode("utf-16-le")
        return (
            name.ljust(64, b"\0")
            + struct.pack("<HBBiii", len(name) + 2 if title else 0, kind, 1, -1, -1, child)
            + b"\0" * 36
            + struct.pack("<iQ", first, size)
        )

    header = (
        bytes.fromhex("d0cf11e0a1b11ae1")
        + b"\0" * 16
        + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6)
        + b"\0" * 6
        + struct.pack("<IIiIIiIiI", 0, 1, 1, 0, 4096, -2, 0, -2, 0)
        + struct.pack("<i", 0)
        + struct.pack("<i", -1) * 108
    )
    links = [-3, -2, *range(3, blocks + 2), -2]
    table = struct.pack("<128i", *links, *[-1] * (128 - len(links)))
    folder = (
        entry("Root Entry", 5, 1, -2, 0)
        + entry("Workbook", 2, -1, 2, len(book))
        + entry("", 0, -1, 0, 0) * 2
    )
    path.write_bytes(header + table + folder + book)
    return path


def table(path, rows, *, encoding="utf-8", separator=",", head=()):
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="\r\n").writerows([*head, *rows])
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def named(headers, *rows):
    return [list(headers), *([row.get(header, "-") for header in headers] for row in rows)]


def export(system, name):
    return clean.export(system, name, reference.systems())


def headers_of(how):
    found = [
        name
        for column in how.columns.values()
        for name in [*column.header[:1], *column.plus, *column.joined]
    ]
    others = [*how.tells_apart, *how.reported, *how.personal, *how.ignore]
    return list(dict.fromkeys([*found, *others]))


SESSION = {
    "主播昵称": "某店",
    "主播抖音号": "shop1",
    "直播开始时间": "2026/09/07 08:55:37",
    "直播结束时间": "2026/09/08 00:55:37",
    "直播时长(分钟)": 960,
    "直播间曝光人数": 182584,
    "直播间观看人数": 15093,
    "直播间商品曝光人数": 12774,
    "直播间商品点击人数": 6390,
    "直播间成交人数": 1513,
    "直播间成交金额": 61045.3,
    "直播间用户支付金额": 59847.17,
    "直播间退款金额": 14603.08,
    "净成交金额": 50512.9,
    "1小时退款金额": 10532.4,
    "1小时退款率": 0.1725,
    "观看-成交率(人数)": 0.1002,
    "商品点击-成交率(人数)": 0.2368,
    "投放消耗(店铺绑定)": 24052.43,
    "投放消耗(店铺被投)": 24052.43,
    "人均观看时长(分钟)": 1.5,
    "观看老粉占比": 0.0421,
}


def whole_session(**changed):
    sheets = {
        "基本信息": [
            [
                "达人昵称",
                "抖音号or火山号",
                "直播时间",
                "直播时长",
                "直播间用户支付金额",
                "千次观看用户支付金额",
                "达人等级",
            ],
            [
                "某店",
                "shop1",
                "2026/07/28 08:15:49-2026/07/28 15:44:39",
                "7小时28分50秒",
                "¥236,552",
                "¥26,439.25",
                "—",
            ],
        ],
        "整体看板": [
            [
                "直播间观看人数",
                "直播间曝光-观看率(人数)",
                "平均在线人数",
                "最高在线人数",
                "商品点击人数",
                "人均观看时长",
                "新增粉丝数",
                "退款金额",
            ],
            ["8,947", "10.12%", 44, 120, "2,001", "1分5秒", "—", "¥1,200.5"],
        ],
        "流量分析-流量转化": [
            ["直播间曝光人数", "8.84万"],
            ["直播间观看人数", 8947],
            ["商品曝光人数", 5000],
            ["商品点击人数", 2001],
            ["成交人数", 321],
        ],
        "流量分析-渠道分析": [
            [
                "渠道名称",
                "人均观看时长",
                "观看次数",
                "观看人数",
                "用户支付金额",
                "成交订单数",
                "笔单价",
                "千川消耗",
            ],
            ["整体", "1分5秒", 10000, 8947, "¥236,552", 330, "¥716.8", "¥9,000"],
            ["直播推荐", "1分0秒", 6000, 5000, "¥136,552", 200, "—", "—"],
            ["千川PC版", "50秒", 4000, 3947, "¥100,000", 130, "—", "¥9,000"],
        ],
        "流量分析-短视频引流": [
            [
                "短视频名称",
                "投稿时间",
                "短视频直播入口曝光次数",
                "短视频引流直播间次数",
                "短视频直播入口点击率(次数)",
            ],
            ["新品", "2026/07/27 18:00:00", 9000, 300, "3.33%"],
        ],
        "商品分析-商品明细": [
            [
                "商品ID",
                "商品名称",
                "用户支付金额",
                "成交件数",
                "成交人数",
                "商品曝光人数",
                "商品点击人数",
            ],
            ["3645", "卫衣", "¥200,000", 300, 280, 4000, 1500],
            ["-", "黑色 L", "¥150,000", 200, "—", "—", "—"],
            ["-9001", "白色 M", "¥50,000", 100, "—", "—", "—"],
            ["3646", "帽子", "¥36,552", 60, 41, 2000, 501],
        ],
    }
    return {**sheets, **changed}
