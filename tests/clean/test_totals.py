"""Rows that are no records: totals are found by arithmetic, remarks and other tables by place."""

import pandas as pd
import pytest

from tests.clean.test_formats import channels
from tests.made_files import load, workbook

HOURLY = ["时间-小时", "抖音号名称", "整体消耗", "整体成交金额", "整体成交订单数"]
BILL = ["结算时间", "订单号", "子订单号", "结算金额", "结算单类型", "用户实付", "支出合计"]
LIST = [
    *("主播昵称", "主播抖音号", "直播开始时间"),
    *("直播间观看人数", "直播间成交金额", "直播间成交订单数"),
]


def hour(number, *figures):
    return [f"2026-10-01 {number}:00 ~ {number}:59", "某店", *figures]


def night(day, *figures):
    return ["某店", "shop1", f"2026-10-{day:02} 20:00:00", *figures]


def read(tmp_path, *rows):
    return load(workbook(tmp_path / "x.xlsx", S=[list(row) for row in rows]))


def counts(reading):
    """Rows kept, totals and notes, rows aside of the last sheet."""
    entry = reading.files.iloc[-1]
    return tuple(int(entry[name]) for name in ("rows_kept", "rows_totals", "rows_aside"))


HOURS = [hour(20, 100, 300, 3), hour(21, 50, 90, 2), hour(22, 25.5, 10, 1)]


@pytest.mark.parametrize(
    "total",
    [
        ["合计", "", 175.5, 400, 6],
        ["Total of 3 results", "", 175.5, 400, 6],
        ["共计3条", "", "175.50", "400.00", 6],
        ["", "本页合计：", 175.5, 400, 6],
        ["", "", 175.5, 400, 6],  # without any mark
        ["Grand total", "", 175.5, None, None],
    ],
)
@pytest.mark.parametrize("on_top", [False, True])
def test_a_total_is_the_sum_of_the_hours_whatever_it_is_called(tmp_path, total, on_top):
    rows = [total, *HOURS] if on_top else [*HOURS, total]
    reading = read(tmp_path, HOURLY, *rows)
    assert reading.tables["ads"]["cost"].sum() == 175.5
    assert counts(reading) == (3, 1, 0)


@pytest.mark.parametrize("word", [" 汇总", "小计", " Total", "合计："])
@pytest.mark.parametrize("on_top", [False, True])
@pytest.mark.parametrize("grand", [[], [["总计", "", 188.5, 409, 8]]])
def test_subtotals_of_a_spreadsheet_bear_the_name_of_their_group(tmp_path, word, on_top, grand):
    one, two = "某店", "二店"
    first = [[hour(20 + at)[0], one, *row[2:]] for at, row in enumerate(HOURS)]
    second = [[hour(20)[0], two, 10, 4, 1], [hour(21)[0], two, 3, 5, 1]]
    sums = [["", f"{one}{word}", 175.5, 400, 6], ["", f"{two}{word}", 13, 9, 2]]
    groups = [[sums[0], *first], [sums[1], *second]]
    if not on_top:
        groups = [[*first, sums[0]], [*second, sums[1]]]
    reading = read(tmp_path, HOURLY, *groups[0], *groups[1], *grand)
    assert reading.tables["ads"].groupby("campaign")["cost"].sum().to_dict() == {
        one: 175.5,
        two: 13,
    }
    assert counts(reading) == (5, 2 + len(grand), 0)


def test_a_name_that_ends_like_a_total_and_is_no_sum_is_a_record(tmp_path):
    rows = [*HOURS[:2], [hour(22)[0], "双十一汇总", 7, 9, 1]]
    assert read(tmp_path, HOURLY, *rows).tables["ads"]["cost"].sum() == 157


def test_subtotals_stand_between_and_the_grand_total_below(tmp_path):
    rows = [
        *HOURS[:2],
        ["小计", "", 150, 390, 5],
        HOURS[2],
        hour(23, 4.5, 0, 0),
        ["小计", "", 30, 10, 1],
        ["总计", "", 180, 400, 6],
    ]
    reading = read(tmp_path, HOURLY, *rows)
    assert reading.tables["ads"]["cost"].tolist() == [100, 50, 25.5, 4.5]
    assert counts(reading) == (4, 3, 0)


def test_a_total_with_the_date_of_the_last_session(tmp_path):
    nights = [night(1, 5000, 900.5, 9), night(2, 4000, 99.5, 1)]
    total = ["总和", "", "2026-10-02 20:00:00", 9000, 1000, 10]
    reading = read(tmp_path, LIST, *nights, total)
    assert reading.tables["sessions"]["paid_amount"].tolist() == [900.5, 99.5]
    assert counts(reading) == (2, 1, 0)


def test_a_total_of_sums_that_are_off_by_rounding(tmp_path):
    hours = [hour(number, "0.33", "1.2万", 1) for number in (20, 21, 22)]
    reading = read(tmp_path, HOURLY, *hours, ["合计", "", "1.00", "3.7万", 3])
    assert counts(reading) == (3, 1, 0)


def test_what_is_called_a_total_and_adds_up_nothing_is_kept_aside(tmp_path):
    reading = read(tmp_path, HOURLY, *HOURS, ["合计", "", 999, 888, 77])
    assert counts(reading) == (3, 0, 1)
    assert reading.aside[["row", "column", "value", "reason"]].values.tolist() == [
        [5, "时间-小时", "合计", "total_off"]
    ]


def test_an_hour_without_time_and_name_is_no_record_and_is_not_dropped(tmp_path):
    reading = read(tmp_path, HOURLY, *HOURS, ["", "", 5, 7, 1])
    assert counts(reading) == (3, 0, 1) and reading.aside["reason"].tolist() == ["no_key"]


def test_a_room_that_is_called_like_a_total_is_a_record(tmp_path):
    nights = [night(1, 5000, 900, 9), ["汇总", "shop2", "2026-10-02 20:00:00", 100, 50, 2]]
    reading = read(tmp_path, LIST, *nights)
    assert reading.tables["sessions"]["paid_amount"].tolist() == [900, 50]
    assert counts(reading) == (2, 0, 0)


@pytest.mark.parametrize("last", [(7000, 300, 3), (7000, 300, 5), (3000, 300, 3)])
def test_a_session_that_equals_the_sum_of_two_others_is_a_record(tmp_path, last):
    nights = [night(1, 3000, 100, 1), night(2, 4000, 200, 2), night(3, *last)]
    reading = read(tmp_path, LIST, *nights)
    assert len(reading.tables["sessions"]) == 3 and counts(reading) == (3, 0, 0)


@pytest.mark.parametrize("on_top", [False, True])
def test_a_month_below_its_sessions_that_has_a_name_and_a_time(tmp_path, on_top):
    nights = [night(1, 5000, 900, 9), night(2, 4000, 250.5, 2), night(3, 6000, 410, 4)]
    head = [*LIST, "直播间成交件数"]
    nights = [[*row, pieces] for row, pieces in zip(nights, (11, 2, 7), strict=True)]
    month = [*night(30, 14800, 1560.5, 15), 20]
    reading = read(tmp_path, head, *([month, *nights] if on_top else [*nights, month]))
    assert reading.tables["sessions"]["paid_amount"].tolist() == [900, 250.5, 410]
    assert counts(reading) == (3, 1, 0)
    assert "without being called a total" in reading.files["problem"].iloc[-1]
    month = [*night(30, 14800, 1560.4, 15), 20]  # ten cents less: a session
    assert counts(read(tmp_path, head, *nights, month)) == (4, 0, 0)


@pytest.mark.parametrize("figures", [(0, 0, 0), (5, 10, 1)])
def test_of_zeros_and_of_equal_rows_the_mark_decides(tmp_path, figures):
    reading = read(tmp_path, HOURLY, hour(20, *figures), ["全部", "", *figures])
    assert reading.tables["ads"]["cost"].tolist() == [figures[0]]
    assert counts(reading) == (1, 1, 0)


# ---- settlements


def test_settlement_rows_of_no_line_are_money(tmp_path):
    at = "2026-10-05 10:00:00"
    bill = [
        [at, "'6918233533507465000", "'6918233543507465000", 45, "首笔结算", 50, -5],
        [at, "'6918233533507465000", "", -8, "运费险", 0, -8],
        [at, "'6918233533507465014", "", -8, "运费险", 0, -8],
        [at, "", "", -30, "平台赔付", 0, -30],
        [at, "", "", 0, "平台补贴", 0, 0],
        ["", "", "", -1, "", 50, -51],
    ]
    reading = read(tmp_path, BILL, *bill)
    lines = reading.tables["settlements"]
    assert lines["settled"].tolist() == [45, -8, -8, -30, 0] and counts(reading) == (5, 1, 0)
    assert lines["entry_id"].is_unique and lines["line_id"].isna().tolist() == [False] + [True] * 4
    assert lines["order_id"].tolist()[:3] == ["6918233533507465000"] * 2 + ["6918233533507465014"]


# ---- parents and leaves


def sources(tmp_path, *rows):
    heads = ["渠道名称", "观看次数", "用户支付金额", "成交订单数"]
    sheets = channels()
    sheets["渠道流量"] = [heads, *map(list, rows)]
    reading = load(workbook(tmp_path / "x.xlsx", **sheets))
    return reading.tables["traffic"]["source"].tolist(), counts(reading)


def test_a_parent_is_the_sum_of_its_channels_and_a_leaf_is_not(tmp_path):
    rows = [
        ("整体", 7000, 4000, 60),
        ("自然流量", 4000, 2500, 40),
        ("付费流量", 3000, 1500, 20),
        ("千川PC版", 2000, 1000, 15),
        ("品牌投放", 1000, 500, 5),
    ]
    leaves, found = sources(tmp_path, *rows)
    assert leaves == ["自然流量", "千川PC版", "品牌投放"] and found == (3, 2, 0)
    assert sources(tmp_path, *rows[1:]) == (leaves, (3, 1, 0))  # without a grand total
    assert sources(tmp_path, *[rows[place] for place in (0, 3, 1, 4, 2)]) == (
        ["千川PC版", "自然流量", "品牌投放"],
        (3, 2, 0),
    )


def test_a_parent_of_another_name(tmp_path):
    rows = [("投流", 3000, 1500, 20), ("千川PC版", 2000, 1000, 15), ("品牌投放", 1000, 500, 5)]
    assert sources(tmp_path, ("关注", 70, 25, 4), *rows) == (
        ["关注", "千川PC版", "品牌投放"],
        (3, 1, 0),
    )
    # the file's own total counts it: a leaf that equals the two by chance
    with_total = [("整体", 6070, 3025, 44), ("关注", 70, 25, 4), *rows]
    assert len(sources(tmp_path, *with_total)[0]) == 4


def test_one_column_that_agrees_makes_no_parent(tmp_path):
    rows = [("推荐", 30, 300, 3), ("关注", 10, 100, 1), ("搜索", 20, 200, 2)]
    assert sources(tmp_path, *rows)[1] == (3, 0, 0)  # each column is a multiple of the others
    rows = [("推荐", 30, 700, 9), ("关注", 10, 100, 1), ("搜索", 20, 200, 2)]
    assert sources(tmp_path, *rows)[1] == (3, 0, 0)


# ---- remarks and other tables


@pytest.mark.parametrize(
    "remark", ["导出人：某某", "数据截至 2026-10-02 12:00", "* 金额单位为元", "仅供内部使用"]
)
def test_a_remark_below_the_table_is_a_note(tmp_path, remark):
    leaves, found = sources(tmp_path, ("关注", 10, 100, 1), ("搜索", 20, 250, 2), (remark,))
    assert leaves == ["关注", "搜索"] and found == (2, 1, 0)


def test_another_table_below_is_left_and_said(tmp_path):
    below = [[], ["商品", "备货", "成本"], ["卫衣", 300, 25], ["帽子", 120, 8]]
    reading = read(tmp_path, HOURLY, *HOURS, *below)
    assert counts(reading) == (3, 3, 0)
    assert "Rows 6 to 8 stand below an empty row" in reading.files["problem"].iloc[0]


def test_a_long_table_is_looked_at_by_its_ends_and_gaps(tmp_path):
    many = 12_000
    lines = pd.DataFrame(
        {
            "主订单编号": [f"69{n:017}" for n in range(many)],
            "子订单编号": [f"68{n:017}" for n in range(many)],
            "商品数量": 2,
            "订单应付金额": 1.5,
            "订单提交时间": "2026-10-01 20:00:00",
            "支付完成时间": "2026-10-01 20:01:00",
        }
    ).astype(str)
    whole = ["总计", "", str(2 * many), str(1.5 * many), "", ""]
    half = ["", "", str(many), str(0.75 * many), "", ""]
    rows = [*lines.values.tolist()[: many // 2], half, *lines.values.tolist()[many // 2 :], whole]
    path = tmp_path / "o.csv"
    pd.DataFrame(rows, columns=list(lines)).to_csv(path, index=False)
    reading = load(path)
    assert counts(reading) == (many, 2, 0) and reading.tables["orders"]["paid"].sum() == 18_000


def test_a_total_below_headers_that_are_repeated_counts_all_rows(tmp_path):
    rows = [*HOURS[:2], HOURLY, HOURS[2], ["合计", "", 175.5, 400, 6]]
    reading = read(tmp_path, HOURLY, *rows)
    assert reading.tables["ads"]["cost"].sum() == 175.5 and counts(reading) == (3, 1, 0)
