"""How fast exports become a clean store and in how much memory.

Against a bare pandas reading of the same file. Each reading is a process of its own, the two sides
in turn. Not part of `make test`: `make bench` prints times and memory; only what was read is
asserted.
"""

import csv
import datetime as dt
import json
import os
import random
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
import xlsxwriter

from helpers import demo

RUNS = int(os.environ.get("FUPAN_BENCH_RUNS", "3"))
DOUDIAN = """
主订单编号,子订单编号,支付方式,选购商品,货号,商品ID,商家编码,商品数量,商品金额,订单提交时间,支付完成时间,订单完成时间,承诺发货时间,
预约发货时间,买家留言,旗帜颜色,商家备注,APP渠道,订单状态,取消原因,售后状态,订单类型,发货时间,车型,是否是以旧换新,换新额外补贴,
换新额外补贴发放状态,订单应付金额,运费,优惠总金额,平台优惠,商家优惠,达人优惠,商家改价,支付优惠,手续费,红包抵扣,降价类优惠,
平台实际承担优惠金额,商家实际承担优惠金额,达人实际承担优惠金额,收件人,收件人手机号,省,市,区,街道,详细地址,是否修改过地址,快递信息,
序列号,达人ID,达人昵称,拼团订单团编号,商品单价是否含税,税费,鲁班落地页ID,所属门店ID,流量来源,仓库ID,仓库名称,是否安心购,广告渠道,
流量类型,流量体裁,流量渠道,发货主体,发货主体明细,教育优惠,预计送达时间,是否平台仓自流转,是否是渠道商品,预约送达时间,
建议发货时间（起）,建议发货时间（止）
""".replace("\n", "").split(",")
TMALL = """
订单编号,买家会员名,支付单号,买家应付货款,买家应付邮费,总金额,买家实付金额,订单状态,买家留言,收货人姓名,收货地址,联系手机,
订单创建时间,订单付款时间,商品标题,宝贝种类,物流单号,物流公司,商家备注,宝贝总数量,发货时间
""".replace("\n", "").split(",")
GOODS = [
    f"{kind}{cut} {size}码"
    for kind in ("卫衣", "T恤", "牛仔裤", "羽绒服", "连衣裙")
    for cut in ("宽松", "修身", "加绒")
    for size in "SMLX"
]
PLACES = [
    ("浙江", "杭州市", "西湖区"),
    ("广东", "广州市", "天河区"),
    ("江苏", "苏州市", "吴中区"),
    ("四川", "成都市", "武侯区"),
    ("湖北", "武汉市", "洪山区"),
]
FEES = [
    name
    for name in DOUDIAN
    if name in "运费 税费 手续费 红包抵扣" or name.endswith(("优惠", "优惠金额", "商家改价"))
]
STATUSES = ["已完成", "已完成", "已完成", "已发货", "待发货", "已关闭", "待支付"]
OPENING = dt.datetime(2026, 9, 1, 19)
ONE = """
import json, resource, sys, time
began = time.monotonic()
{do}
unit = 2**20 if sys.platform == "darwin" else 2**10
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = used.ru_utime + used.ru_stime
print(json.dumps([time.monotonic() - began, cpu, used.ru_maxrss / unit, rows]))
"""
STORE = (
    "from helpers import clean\nrows = int(clean.ingest(clean.Workspace.open(sys.argv[1]), "
    "force=True)['rows_in'].sum())"
)
BARE = {
    "csv": "import pandas\nrows = len(pandas.read_csv(sys.argv[1], encoding='gb18030'))",
    "xlsx": "import pandas\nrows = len(pandas.read_excel(sys.argv[1], engine='calamine'))",
}


class Expected(NamedTuple):
    """What a file holds.

    Rows of data, rows that cannot be kept, lines of the orders table, cents paid.
    """

    rows: int
    aside: int
    lines: int
    cents: int


# ---- files as the platforms write them
# ---------------------------------------------------------------------------


def doudian(path: Path, rows: int) -> Expected:
    """Doudian orders, 75 columns and one without a name.

    Tabs before ids, masked contacts, quotes, dashes and empty cells, bad dates.
    """
    draw = random.Random(7)
    aside = cents = 0
    with path.open("w", encoding="gb18030", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(DOUDIAN)
        for number in range(rows):
            line, paid = _line(draw, number)
            bad = number % 25_000 == 17
            if bad:
                line["订单提交时间"] = "2026/02/31 20:00:00"
            aside += bad
            cents += 0 if bad else paid
            writer.writerow([*(line[name] for name in DOUDIAN), ""])
    return Expected(rows, aside, rows - aside, cents)


def _line(draw: random.Random, number: int) -> tuple[dict[str, str], int]:
    status = draw.choice(STATUSES)
    created = OPENING + dt.timedelta(days=number // 40_000, seconds=draw.randrange(14_400))
    paid_at = created + dt.timedelta(seconds=draw.randrange(5, 300)) if status != "待支付" else None
    price, off, goods = (
        draw.randrange(1_990, 89_990),
        draw.choice([0, 0, 500, 1000]),
        draw.randrange(len(GOODS)),
    )
    province, town, district = draw.choice(PLACES)
    line = (
        dict.fromkeys(DOUDIAN, "-")
        | dict.fromkeys(FEES, "0.00")
        | {
            "主订单编号": f"\t{6917926768820000000 + number // 2 * 7}",
            "子订单编号": f"\t{6917926768820000001 + number * 7}",
            "支付方式": "在线支付",
            "选购商品": f"\t{GOODS[goods]}" + (' "新款", 加赠' if goods % 9 == 0 else ""),
            "商品ID": f"\t{3645000000000000001 + goods}",
            "商品数量": "1",
            "商品金额": f"{(price + off) / 100:.2f}",
            "订单提交时间": str(created),
            "支付完成时间": str(paid_at) if paid_at else "-",
            "承诺发货时间": str(created + dt.timedelta(days=2)) if number % 3 else "-",
            "发货时间": str(created + dt.timedelta(hours=20))
            if status in ("已完成", "已发货") and number % 2
            else "-",
            "订单状态": status,
            "售后状态": "退款成功" if number % 11 == 0 else "-",
            "订单应付金额": f"{price / 100:.2f}",
            "优惠总金额": f"{off / 100:.2f}",
            "收件人": "##李*",
            "收件人手机号": f"$$1{number % 100:02d}****{number % 10_000:04d}",
            "省": province,
            "市": town,
            "区": district,
            "详细地址": f"##{number % 900}号",
            "快递信息": f"SF{number},1" if number % 2 else "",
            "达人昵称": "某店",
            "流量来源": draw.choice(["自然流量", "千川"]),
            "流量体裁": draw.choice(
                ["直播", "直播", "直播", "商品卡", "短视频", "数据将于第二天更新"]
            ),
            "商家备注": "请打 13812345678" if number % 5_000 == 0 else "",
        }
    )
    return line, price if paid_at else 0


def tmall(path: Path, rows: int) -> Expected:
    """Taobao and Tmall orders, 21 columns.

    Buyers' names, addresses, numbers and text mixed, times as the workbook's own.
    """
    draw = random.Random(11)
    aside = cents = 0
    book = xlsxwriter.Workbook(path, {"constant_memory": True})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    sheet = book.add_worksheet("订单")
    sheet.write_row(0, 0, TMALL)
    for number in range(rows):
        created = OPENING + dt.timedelta(days=number // 10_000, seconds=draw.randrange(14_400))
        price, paid = draw.randrange(1_990, 89_990), number % 7 > 0
        bad = number % 10_000 == 17
        aside += bad
        cents += price if paid and not bad else 0
        line = {
            "订单编号": f"{2100000000000000001 + number}",
            "买家会员名": f"买家{number % (rows // 3 + 1)}",
            "支付单号": f"2026{number:024d}",
            "买家应付货款": price / 100,
            "买家应付邮费": 0,
            "总金额": price / 100,
            "买家实付金额": price / 100 if paid else "-",
            "订单状态": "交易成功" if paid else "等待买家付款",
            "买家留言": "" if number % 50 else "请打 13812345678",
            "收货人姓名": "李*",
            "收货地址": "".join(draw.choice(PLACES)) + f"某路{number % 900}号",
            "联系手机": f"'1{number % 100:02d}****{number % 10_000:04d}",
            "订单创建时间": "下周" if bad else created,
            "订单付款时间": str(created + dt.timedelta(minutes=2)) if paid else "",
            "商品标题": draw.choice(GOODS),
            "宝贝种类": 1,
            "物流单号": f"No:SF{number}",
            "物流公司": "顺丰速运",
            "商家备注": "",
            "宝贝总数量": 1 + number % 3,
            "发货时间": str(created + dt.timedelta(hours=20)) if number % 2 and paid else "",
        }
        for place, name in enumerate(TMALL):
            cell = line[name]
            if isinstance(cell, dt.datetime):
                sheet.write_datetime(number + 1, place, cell, moment)
            elif isinstance(cell, str):
                sheet.write_string(number + 1, place, cell) if cell else None
            else:
                sheet.write_number(number + 1, place, cell)
    book.close()
    return Expected(rows, aside, rows - aside, cents)


HERE = (
    "from helpers.clean import raw_file, reader_process, readings\nreadings.AT_ONCE = 1\n"
    "reader_process.Readers.start = lambda readers: None\nreader_process.Readers.read = "
    "lambda readers, path, **options: raw_file.read_file(path, **options)\n"
)  # before STORE: files are read in the process itself, one after the other
FILES = {"csv": ("1791213782_orders.csv", doudian), "xlsx": ("ExportOrderList.xlsx", tmall)}


# ---- both sides


class Run(NamedTuple):
    seconds: float
    processor_seconds: float
    peak_megabytes: float
    rows: int


def run(do: str, argument: Path) -> Run:
    """What one process does, timed from before its first import.

    With its own peak memory (Linux and macOS).
    """
    pipe, end = os.pipe()
    program = [sys.executable, "-c", ONE.format(do=do), str(argument)]
    pid = os.posix_spawn(
        sys.executable, program, os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, end, 1)]
    )
    os.close(end)
    with os.fdopen(pipe) as out:
        printed = out.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return Run(*json.loads(printed.splitlines()[-1]))


def median(runs: list[Run]) -> Run:
    return Run(*(statistics.median(values) for values in zip(*runs, strict=True)))


def show(what: str, path: Path, sides: dict[str, Run]) -> None:
    print(f"\n{what}: {path.stat().st_size / 1e6:.0f} MB, medians of {RUNS}")
    for name, one in sides.items():
        print(
            f"  {name:<14}{one.rows / one.seconds:10,.0f} rows/s{one.seconds:8.1f} "
            f"s{one.processor_seconds:8.1f} CPU-s{one.peak_megabytes:8.0f} MB"
        )
    bare, store = sides.values()
    ratio = [mine / theirs for mine, theirs in zip(store[:3], bare[:3], strict=True)]
    print("  {:<14}{:25.2f}  {:8.2f}      {:8.2f}".format("ratio", *ratio))


def stored(data: Path) -> Iterator[pd.DataFrame]:
    """The clean orders of a workspace, month by month."""
    for path in sorted((data / "clean" / "orders").glob("*.parquet")):
        yield pd.read_parquet(path)


@pytest.mark.parametrize(("kind", "rows"), [("csv", 1_000_000), ("xlsx", 300_000)])
def test_orders_from_a_raw_file_to_the_clean_store(kind, rows, tmp_path, monkeypatch):
    monkeypatch.setenv("FUPAN_KEYS", str(tmp_path / "keys"))
    name, write = FILES[kind]
    raw = tmp_path / "shop" / "raw" / name
    raw.parent.mkdir(parents=True)
    expected = write(raw, rows)
    sides: dict[str, list[Run]] = {"bare pandas": [], "clean store": []}
    for _ in range(RUNS):
        sides["bare pandas"].append(run(BARE[kind], raw))
        _forget(tmp_path / "shop" / "clean")
        sides["clean store"].append(run(STORE, tmp_path / "shop"))
    show(
        f"{rows:,} rows x {75 if kind == 'csv' else 21} columns, {kind}",
        raw,
        {side: median(runs) for side, runs in sides.items()},
    )
    ledger = pd.read_parquet(tmp_path / "shop" / "clean" / "files.parquet").iloc[0]
    assert (
        ledger["rows_in"]
        == expected.rows
        == ledger["rows_kept"] + ledger["rows_totals"] + ledger["rows_aside"]
    )
    assert (ledger["rows_kept"], ledger["rows_aside"]) == (expected.lines, expected.aside)
    months = list(stored(tmp_path / "shop"))
    assert sum(month["line_id"].nunique() for month in months) == expected.lines
    assert round(sum(month["paid"].sum() for month in months) * 100) == expected.cents
    assert (sum(month["buyer_key"].notna().sum() for month in months) == expected.lines) == (
        kind == "xlsx"
    )


def demo_files(data: Path) -> None:
    demo.write(demo.simulate(demo.SEED), data)


SHOPS = {
    "csv": (lambda data: doudian(_raw(data, "csv"), 1_000_000), 1.1),
    "xlsx": (lambda data: tmall(_raw(data, "xlsx"), 300_000), 1.1),
    "demo": (demo_files, 1.25),
}


def _raw(data: Path, kind: str) -> Path:
    (data / "raw").mkdir(parents=True)
    return data / "raw" / FILES[kind][0]


@pytest.mark.parametrize("kind", SHOPS)
def test_reading_in_processes_of_their_own_costs_little(kind, tmp_path, monkeypatch):
    """The time by the clock beside that of reading in the process itself, in turn."""
    monkeypatch.setenv("FUPAN_KEYS", str(tmp_path / "keys"))
    make, most = SHOPS[kind]
    make(tmp_path / "shop")
    sides: dict[str, list[Run]] = {"in the process": [], "apart": []}
    for _ in range(RUNS):
        for (name, runs), do in zip(sides.items(), (HERE + STORE, STORE), strict=True):
            _forget(tmp_path / "shop" / "clean")
            runs.append(run(do, tmp_path / "shop"))
            print(f"  {name:<16}{runs[-1].seconds:8.1f} s{runs[-1].processor_seconds:8.1f} CPU-s")
    here, apart = (median(runs) for runs in sides.values())
    assert here.rows == apart.rows
    ratio = apart.seconds / here.seconds
    print(
        f"{kind}: {here.seconds:.1f} s, apart {apart.seconds:.1f} s: {ratio:.2f} (at most {most})"
    )


def _forget(clean: Path) -> None:
    for path in sorted(clean.rglob("*"), reverse=True) if clean.is_dir() else []:
        path.rmdir() if path.is_dir() else path.unlink()
