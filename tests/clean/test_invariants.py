"""What must hold in stated figures: each thing with a table that breaks it and one that does not.

All numbers are added up by hand.
"""

from __future__ import annotations

import json

import openpyxl
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import clean, reference
from helpers.clean import data_quality, invariants
from helpers.reference import schema
from helpers.run import cli

ZONE = "Asia/Shanghai"


LIST = [
    ["达人昵称", "抖音号or火山号", "直播时间", "直播时长", "直播间用户支付金额"],
    ["店", "25800000001", "2026/10/01 19:00:00-2026/10/01 22:00:00", "3小时0分", "¥4,000.00"],
]


def read(path, rows: list[list], sheet: str = "") -> clean.Reading:
    """The reading of a file of these rows; with `sheet` one of a workbook that names a session."""
    if path.suffix == ".csv":
        lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
    else:
        book = openpyxl.Workbook()
        for name, cells in {"列表": LIST if sheet else rows, sheet: rows}.items():
            if name:
                page = book.create_sheet(name)
                for row in cells:
                    page.append(row)
        del book["Sheet"]
        book.save(path)
    return clean.read_file(
        path, systems=reference.systems(), timezone=ZONE, key=b"key", currency="CNY"
    )


def check(reading: clean.Reading, invariant: str) -> pd.Series:
    """Of a file's last sheet."""
    (*_, row) = reading.invariants[reading.invariants["invariant"] == invariant].to_dict("records")
    return pd.Series(row)


HOURS = ["时间-小时", "整体消耗", "整体成交金额", "整体成交订单数", "净成交金额"]


def hours(*rows: list, total: list) -> list[list]:
    return [HOURS, *rows, ["全部", *total]]


def test_rows_add_to_the_total_row_or_the_column_is_named(tmp_path):
    eight = ["2026-10-01 20:00 ~ 20:59", "1,200.00", "2,400.00", 24, "2,000.00"]
    nine = ["2026-10-01 21:00 ~ 21:59", "100.00", "200.00", 2, "-150.00"]
    total = ["1,300.00", "2,600.00", 26, "1,850.00"]
    reading = read(tmp_path / "a.xlsx", hours(eight, nine, total=total))
    good = check(reading, "total_row")
    assert (good["state"], good["compared"], good["differ"]) == ("agrees", 4, 0)
    kept = reading.totals.set_index("column")
    assert kept[["row", "stated", "summed"]].to_dict("index") == {
        "cost": {"row": 4, "stated": 1300.0, "summed": 1300.0},
        "amount": {"row": 4, "stated": 2600.0, "summed": 2600.0},
        "orders": {"row": 4, "stated": 26.0, "summed": 26.0},
        "net_amount": {"row": 4, "stated": 1850.0, "summed": 1850.0},
    }
    broken = check(read(tmp_path / "b.xlsx", hours(eight, total=total)), "total_row")
    assert (broken["state"], broken["compared"], broken["differ"]) == ("differs", 4, 4)
    assert (broken["file"], broken["sheet"], broken["row"]) == ("b.xlsx", "列表", 3)
    assert (broken["column"], broken["largest"]) == ("整体消耗", 200.0)
    assert broken["example_zh"] == ("第 3 行：合计行「全部」的消耗写明 1,300，1 行相加 1,200")
    assert broken["example_en"] == (
        "row 3: the total row “全部” states 1,300 as Cost, its 1 rows add to 1,200"
    )


CHANNELS = ["渠道名称", "观看次数", "观看人数", "成交订单数", "成交金额"]


@pytest.mark.parametrize(
    ("last", "state", "example"),
    [
        (["千川PC版", 3000, 2600, 40, "¥1,500.00"], "agrees", None),
        (
            ["千川PC版", 3000, 2600, 40, "¥1,400.00"],
            "differs",
            "第 2 行：合计行「整体」的支付金额写明 4,000，3 行相加 3,900",
        ),
    ],
)
def test_a_total_of_a_part_is_held_against_the_rows_of_that_part(tmp_path, last, state, example):
    """整体 sums all sources, 全部付费流量 those below it alone."""
    reading = read(
        tmp_path / "a.xlsx",
        [
            CHANNELS,
            ["整体", 7000, 5100, 60, "¥4,000.00"],
            ["推荐feed", 3000, 2400, 15, "¥2,000.00"],
            ["搜索", 1000, 900, 5, "¥500.00"],
            ["全部付费流量", 3000, 2600, 40, "¥1,500.00"],
            last,
        ],
        "渠道流量",
    )
    result = check(reading, "total_row")
    assert result["state"] == state
    assert result["compared"] == 6, "three sums in two total rows; people are no sum"
    if example:
        assert result["example_zh"] == example
        assert result["differ"] == 2 and result["largest"] == 100.0


@pytest.mark.parametrize(
    ("stated", "rows", "state"),
    [
        ("1.2万", (7_000, 4_990), "agrees"),  # 11,990 is 1.2万
        ("1.2万", (7_000, 4_000), "differs"),  # 11,000 is 1.1万
        ("11990", (7_000, 4_989), "differs"),  # one missing of a plain count
    ],
)
def test_a_total_written_in_short_is_held_to_its_last_digit(tmp_path, stated, rows, state):
    sources = [["推荐feed", rows[0], 1, 1, "¥1.00"], ["搜索", rows[1], 1, 1, "¥1.00"]]
    reading = read(
        tmp_path / "a.xlsx", [CHANNELS, ["整体", stated, 2, 2, "¥2.00"], *sources], "渠道流量"
    )
    assert check(reading, "total_row")["state"] == state


def test_a_row_kept_aside_is_said_beside_the_difference(tmp_path):
    rows = [["推荐feed", 10, 5, 1, "¥1.00"], ["搜索", "twenty", 9, 1, "¥2.00"]]
    reading = read(tmp_path / "a.xlsx", [CHANNELS, ["整体", 30, 14, 2, "¥3.00"], *rows], "渠道流量")
    result = check(reading, "total_row")
    assert result["example_zh"].endswith("1 行相加 10；另有 1 行搁置")
    assert result["example_en"].endswith("its 1 rows add to 10; rows kept aside: 1")


def test_a_file_without_total_row_export_time_or_period_says_so(tmp_path):
    reading = read(tmp_path / "a.xlsx", [HOURS, ["2026-10-01 20:00 ~ 20:59", 1, 2, 1, 2]])
    why = reading.invariants.set_index("invariant")["why"].to_dict()
    assert why == {"total_row": "no_total", "after_export": "no_export_time"}


PRODUCTS = ["商品ID", "商品名称", "商品曝光人数", "商品点击人数", "成交件数", "成交金额"]


@pytest.mark.parametrize(("blue", "state"), [("¥60.00", "agrees"), ("¥50.00", "differs")])
def test_skus_add_to_their_product(tmp_path, blue, state):
    rows = [
        ["3500000000000000001", "杯", 900, 90, 3, "¥90.00"],
        ["- 红", None, None, None, 1, "¥30.00"],
        ["- 蓝", None, None, None, 2, blue],
    ]
    result = check(read(tmp_path / "a.xlsx", [PRODUCTS, *rows], "商品"), "sub_rows")
    assert (result["state"], result["compared"]) == (state, 2)
    assert result["metric"] == "paid_amount"
    if state == "differs":
        assert (result["row"], result["column"], result["largest"]) == (2, "成交金额", 10.0)
        assert result["example_zh"] == "第 2 行：商品的支付金额 90，其 SKU 相加 80"
        assert result["example_en"] == (
            "row 2: Paid amount of the product is 90, its SKUs add to 80"
        )


SETTLED = ["结算时间", "订单号", "子订单号", "结算金额", "结算单类型", "收入合计", "支出合计"]


def settlement(number: int, settled: str, income: str, expense: str) -> list:
    ids = (f"'69182335335074650{number:02}", f"'69182335435074650{number:02}")
    return ["2026-10-05 10:00:00", *ids, settled, "首笔结算", income, expense]


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([("45.00", "50.00", "-5.00"), ("-12.50", "0", "-12.50")], "agrees"),
        ([("45.00", "50.00", "5.00"), ("-12.50", "0", "12.50")], "agrees"),  # without the minus
        ([("45.00", "50.00", "-5.00"), ("12.50", "0", "-12.50")], "differs"),
    ],
)
def test_settled_is_income_less_expense(tmp_path, rows, state):
    lines = [settlement(number, *row) for number, row in enumerate(rows)]
    reading = read(tmp_path / "1791213782_a.csv", [SETTLED, *lines])
    result = check(reading, "settled")
    assert (result["state"], result["compared"]) == (state, 2)
    if state == "differs":
        assert (result["row"], result["column"], result["largest"]) == (3, "结算金额", 25.0)
        assert "12.5，收入合计减支出合计是 -12.5" in result["example_zh"]


LIVES = ["主播抖音号", "直播开始时间", "直播结束时间", "直播间观看人数", "直播间成交金额"]
LIVES += ["净成交金额", "1小时退款金额"]


def live(day: int, paid: str, net: str, back: str) -> list:
    date = f"2026-10-{day:02}"
    return ["25800000001", f"{date} 19:00:00", f"{date} 22:00:00", 900, paid, net, back]


def test_net_is_paid_less_what_came_back_within_an_hour(tmp_path):
    """An evening that sold nothing and refunded 40 of the night before is net −40."""
    rows = [live(1, "¥61,045.30", "¥50,512.90", "¥10,532.40"), live(2, "¥0", "-¥40.00", "¥40.00")]
    good = check(read(tmp_path / "a.xlsx", [LIVES, *rows]), "net")
    assert (good["state"], good["compared"]) == ("agrees", 2)
    rows[0] = live(1, "¥61,045.30", "¥50,512.90", "¥532.40")
    bad = check(read(tmp_path / "b.xlsx", [LIVES, *rows]), "net")
    assert (bad["state"], bad["differ"], bad["row"]) == ("differs", 1, 2)
    assert bad["largest"] == pytest.approx(10_000)
    assert "50,512.9，支付金额减1小时退款金额是 60,512.9" in bad["example_zh"]


ORDERS = ["主订单编号", "子订单编号", "选购商品", "商品数量", "订单应付金额", "订单提交时间"]
ORDERS += ["支付完成时间"]


def order(number: int, order_id: str | None = None, made: str = "2026-10-01 20:00:00") -> list:
    name = order_id or f"69182335335074650{number:02}"
    return [f"'{name}", f"'6918233543507465{number:03}", "杯", 1, "10.00", made, made]


def test_the_few_ids_of_another_length_are_named_and_masked(tmp_path):
    rows = [order(number) for number in range(19)]
    good = check(read(tmp_path / "a.csv", [ORDERS, *rows]), "id_length")
    assert (good["state"], good["compared"]) == ("agrees", 38)
    rows.append(order(19, "691823353350746"))  # four digits lost
    bad = check(read(tmp_path / "b.csv", [ORDERS, *rows]), "id_length")
    assert (bad["state"], bad["compared"], bad["differ"]) == ("differs", 40, 1)
    assert (bad["row"], bad["column"], bad["largest"]) == (21, "主订单编号", 4.0)
    assert bad["example_zh"] == "第 21 行：主订单编号 691…46 有 15 个字符，其余是 19 位数字"


def test_ids_that_come_in_several_lengths_are_not_held_to_one(tmp_path):
    rows = [order(number, f"{10 ** (15 + number % 2) + number}") for number in range(10)]
    reading = read(tmp_path / "a.csv", [ORDERS, *rows])
    assert check(reading, "id_length")["compared"] == 10, "line ids alone are of one length"


def test_times_after_the_export_of_their_file_are_named(tmp_path):
    """1791213782 is 2026-10-05 15:23:02 UTC, 23:23:02 in Shanghai."""
    early, late = order(1), order(2, made="2026-10-06 18:03:02")
    good = check(read(tmp_path / "1791213782_a.csv", [ORDERS, early]), "after_export")
    assert (good["state"], good["compared"]) == ("agrees", 2)
    bad = check(read(tmp_path / "1791213782_b.csv", [ORDERS, early, late]), "after_export")
    assert (bad["state"], bad["compared"], bad["differ"], bad["row"]) == ("differs", 4, 2, 3)
    assert bad["example_zh"] == (
        "第 3 行：下单时间 2026-10-06 18:03 晚于文件的导出时间 2026-10-05 23:23"
    )


def test_dates_outside_the_stated_period_are_named(tmp_path):
    """The end of the period belongs to it."""
    inside = [order(1, made="2026-10-01 00:00:00"), order(2, made="2026-10-07 23:59:59")]
    name = "订单_2026-10-01 ~ 2026-10-07"
    good = check(read(tmp_path / f"{name}.csv", [ORDERS, *inside]), "in_period")
    assert (good["state"], good["compared"]) == ("agrees", 2)
    rows = [*inside, order(3, made="2026-01-10 20:00:00")]  # 1 October, day and month swapped
    bad = check(read(tmp_path / f"{name}_b.csv", [ORDERS, *rows]), "in_period")
    assert (bad["state"], bad["differ"], bad["row"]) == ("differs", 1, 4)
    assert bad["example_en"] == (
        "row 4: Created at 2026-01-10 20:00 is outside the period of the file, "
        "2026-10-01 ~ 2026-10-07"
    )


def frame(table: str, rows: list[dict], file: str = "f.csv") -> pd.DataFrame:
    trace = {"source_file": file, "source_sheet": "", "source_row": range(2, len(rows) + 2)}
    return schema.conform(pd.DataFrame(rows).assign(**trace), table, ZONE)


def at(moment: str) -> pd.Timestamp:
    return pd.Timestamp(moment, tz=ZONE)


def across(whole: pd.DataFrame | None = None, **tables: pd.DataFrame) -> pd.DataFrame:
    names = ("sessions", "orders", "aftersales", "days", "product_periods")
    every = {name: tables.get(name, schema.empty(name, ZONE)) for name in names}
    return invariants.across(every, every["orders"].iloc[:0] if whole is None else whole)


def held(checked: pd.DataFrame, invariant: str, table: str) -> pd.DataFrame:
    return checked[(checked["invariant"] == invariant) & (checked["table"] == table)]


def lines(*paid: float, session: str = "s1") -> pd.DataFrame:
    rows = [
        {
            "session_id": session,
            "platform": "douyin",
            "order_id": "691823353350746",
            "line_id": f"69182335335074{number}",
            "paid": amount,
            "created_at": at("2026-10-01 20:00"),
        }
        for number, amount in enumerate(paid)
    ]
    return frame("orders", rows)


def case(line: int, amount: float, status: str = "succeeded") -> dict:
    return {
        "platform": "douyin",
        "case_id": f"c{line}{amount}",
        "order_id": "691823353350746",
        "line_id": f"69182335335074{line}",
        "status": status,
        "asked_at": at("2026-10-03"),
        "amount": amount,
    }


def test_refunds_are_at_most_what_was_paid_by_line_and_by_order():
    paid = lines(50.0, 30.0)
    good = across(orders=paid, aftersales=frame("aftersales", [case(0, 50.0), case(1, 30.0)]))
    for level, compared in (("refund_line", 2), ("refund_order", 1)):
        (row,) = held(good, level, "aftersales").to_dict("records")
        assert (row["state"], row["compared"], row["session_id"]) == ("agrees", compared, "s1")
    cases = frame("aftersales", [case(0, 40.0), case(0, 25.0), case(1, 20.0, "closed")])
    bad = across(orders=paid, aftersales=cases)
    (line,) = held(bad, "refund_line", "aftersales").to_dict("records")
    assert (line["state"], line["compared"], line["largest"]) == ("differs", 1, 15.0)
    assert (line["file"], line["row"], line["column"]) == ("f.csv", 2, "amount")
    assert line["example_zh"] == "第 2 行：订单 691…40 共退 65，只付过 50"
    (whole,) = held(bad, "refund_order", "aftersales").to_dict("records")
    assert whole["state"] == "agrees", "65 of the 80 that the order paid"
    cases = frame("aftersales", [case(0, 50.0), case(1, 30.0), case(1, 5.0)])
    (whole,) = held(across(orders=paid, aftersales=cases), "refund_order", "aftersales").to_dict(
        "records"
    )
    assert (whole["differ"], whole["largest"]) == (1, 5.0)


def test_refunds_that_order_lines_state_themselves_are_held_too():
    paid = lines(50.0, 30.0).assign(refunded=[60.0, 0.0])
    (row,) = held(across(orders=paid), "refund_line", "orders").to_dict("records")
    assert (row["state"], row["largest"], row["row"]) == ("differs", 10.0, 2)


@pytest.mark.parametrize(("second", "state"), [(30.0, "agrees"), (25.0, "differs")])
def test_an_order_of_one_export_is_the_sum_of_its_lines_in_another(second, state):
    whole = {"platform": "taobao", "order_id": "4011", "paid": 80.0, "created_at": at("2026-10-01")}
    parts = [{**whole, "line_id": "4011a", "paid": 50.0}, {**whole, "line_id": "4011b"}]
    parts[1]["paid"] = second
    order = frame("orders", [{**whole, "line_id": "4011"}], "whole.csv")
    checked = across(order, orders=frame("orders", parts, "lines.csv"))
    (row,) = held(checked, "order_lines", "orders").to_dict("records")
    assert (row["state"], row["compared"]) == (state, 1)
    if state == "differs":
        assert (row["file"], row["largest"]) == ("whole.csv", 5.0)
        assert row["example_zh"] == ("第 2 行：订单 401…11 的实付写明 80，它的 2 个子订单相加 75")


def session(start: str, views: float, paid: float) -> dict:
    return {
        "session_id": start,
        "platform": "taobao",
        "room_name": "店",
        "started_at": at(start),
        "views": views,
        "paid_amount": paid,
    }


SESSIONS = [
    session("2026-10-01 10:00", 100, 500.0),
    session("2026-10-01 20:00", 250, 700.0),
    session("2026-10-02 20:00", 300, 800.0),
]


@pytest.mark.parametrize(("count", "views", "differ"), [(2, 350, 0), (3, 350, 1), (2, 360, 1)])
def test_sessions_add_to_the_accounts_day(count, views, differ):
    day = {"platform": "taobao", "day": at("2026-10-01"), "session_count": count, "views": views}
    checked = across(sessions=frame("sessions", SESSIONS), days=frame("days", [day], "d.csv"))
    (row,) = held(checked, "account_days", "days").to_dict("records")
    assert (row["file"], row["compared"], row["differ"]) == ("d.csv", 2, differ)
    if views == 360:
        assert row["example_zh"] == ("第 2 行：2026-10-01 的观看次数写明 360，当天各场相加 350")


@pytest.mark.parametrize(("sold", "state"), [(1_250.0, "agrees"), (1_500.0, "differs")])
def test_sessions_sell_no_more_than_the_account_in_their_period(sold, state):
    """The products sold 1,300 in LIVE on 1 October; the sessions of that day 500 and the rest."""
    periods = [
        {
            "platform": "taobao",
            "product_id": name,
            "period_from": at("2026-10-01"),
            "period_to": at("2026-10-01"),
            "live_paid_amount": amount,
        }
        for name, amount in (("1", 900.0), ("2", 400.0))
    ]
    rows = [SESSIONS[0], {**SESSIONS[1], "paid_amount": sold - 500.0}, SESSIONS[2]]
    tables = {
        "sessions": frame("sessions", rows),
        "product_periods": frame("product_periods", periods),
    }
    (row,) = held(across(**tables), "account_period", "product_periods").to_dict("records")
    assert (row["state"], row["compared"]) == (state, 1)
    if state == "differs":
        assert row["largest"] == 200.0 and "1,300，同期各场支付 1,500" in row["example_zh"]


def test_what_has_no_counterpart_is_not_compared():
    checked = across(orders=lines(50.0))
    assert set(checked["state"]) == {"not_compared"} and set(checked["why"]) == {"no_other"}
    assert {"order_lines", "refund_line", "account_days"} <= set(checked["invariant"])


def checks(*rows: tuple[str, str | None, str]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["label_zh", "metric", "light"])
    return frame.assign(label_en=frame["label_zh"])


FILES = pd.DataFrame(
    {
        **{"file": ["a"], "table": ["orders"], "problem": [None]},
        **{name: [1] for name in clean.COUNTS},
    }
)


@pytest.mark.parametrize(
    ("rows", "light", "says"),
    [
        ([("甲", "paid_amount", "green")], "green", "金额核对：一致。"),
        ([("甲", "orders", "green"), ("乙", None, "green")], "grey", "金额核对：无法核对。"),
        (
            [("甲", "paid_amount", "green"), ("乙", "paid_amount", "grey")],
            "green",
            "金额核对：一致；没法核对：乙。",
        ),
        (
            [("甲", "paid_amount", "green"), ("编号", None, "amber")],
            "amber",
            "金额核对：有差异（编号）。",
        ),
        (
            [("甲", "orders", "green"), ("合计行", None, "red")],
            "red",
            "金额核对：对不上（合计行）。",
        ),
    ],
)
def test_the_verdict_is_agreement_only_where_an_amount_was_compared(rows, light, says):
    row = data_quality.quality(FILES, checks(*rows), pd.DataFrame(), {}).iloc[0]
    assert row["light"] == light and says in row["sentence_zh"]


def test_a_session_sees_its_own_rows_those_of_its_files_and_of_the_account():
    base = {"table": "orders", "invariant": "refund_line", "relative": 0.0, "state": "agrees"}
    rows = [
        {**base, "session_id": "s1", "state": "differs", "relative": 0.2},
        {**base, "session_id": "s2", "state": "differs", "relative": 0.2},
        {**base, "file": "mine.csv", "state": "differs", "relative": 0.01},
        {**base, "file": "other.csv"},
        {**base, "state": "not_compared", "why": "no_other"},
    ]
    checked = pd.DataFrame(rows, columns=list(invariants.CHECKED)).astype(invariants.CHECKED)
    parts = pd.DataFrame({"file": ["mine.csv"], "sheet": [None]})
    limits = {"reconcile_green": 0.01, "reconcile_amber": 0.05}
    shown = invariants.of_session(checked, "s1", parts, limits)
    assert shown["light"].tolist() == ["red", "amber", "grey"]
    assert shown["because_zh"].tolist()[2] == "没有另一份导出可以对照"
    assert shown["label_en"].tolist()[0] == "Refunded ≤ paid, by order line"


def test_check_prints_what_differs_and_gives_it_as_json(tmp_path):
    shop = tmp_path / "shop"
    (shop / "raw").mkdir(parents=True)
    eight = ["2026-10-01 20:00 ~ 20:59", "1,200.00", "2,400.00", 24, "2,000.00"]
    read(shop / "raw" / "hours.xlsx", hours(eight, total=["1,300.00", "2,400.00", 24, "2,000.00"]))
    run = CliRunner().invoke
    told = run(cli.main, ["check", "--lang", "en", "--data", str(shop)])
    assert told.exit_code == 1, "rows were lost, or misread"
    assert (
        "hours.xlsx [列表]: Rows add to the file's own total row: 1 of 4 differ; row 3: the total "
        "row “全部” states 1,300 as Cost, its 1 rows add to 1,200" in told.output
    )
    (row,) = json.loads(run(cli.main, ["check", "--data", str(shop), "--json"]).output)
    (differs,) = [entry for entry in row["invariants"] if entry["state"] == "differs"]
    assert (differs["invariant"], differs["column"], differs["row"]) == ("total_row", "整体消耗", 3)
    assert differs["largest"] == 100.0


def test_all_that_applies_agrees_in_the_demo(demo_workspace):
    workspace = clean.Workspace.open(demo_workspace)
    checked = clean.read_table(workspace, "invariants")
    differ = checked[checked["state"] == "differs"]
    assert differ.empty, differ[["file", "invariant", "example_en"]].to_string()
    compared = checked[checked["state"] == "agrees"].groupby("invariant")["compared"].sum()
    names = (
        "total_row sub_rows net settled id_length after_export in_period refund_line refund_order "
        "account_days account_period"
    )
    assert set(names.split()) == set(compared[compared > 0].index)
