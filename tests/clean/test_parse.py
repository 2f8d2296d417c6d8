"""Every notation of values that was seen in an export, read as the value that it means."""

import datetime as dt
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import reference
from helpers.clean import columns, parse, times
from helpers.clean.notes import note

KEY = b"a secret of thirty-two bytes ...."


def column(*cells):
    return pd.Series(
        cells, dtype="object" if any(not isinstance(cell, str) for cell in cells) else "str"
    )


def one(parsed):
    assert not parsed.bad.any(), parsed.reason
    return parsed.values.iloc[0]


NUMBERS = [
    ("¥236,552", 236552),
    ("¥26,439.25", 26439.25),
    ("￥12", 12),
    ("236552.5元", 236552.5),
    ("1.2万", 12000),
    ("3.5w", 35000),
    ("2.5千", 2500),
    ("1.5亿", 150_000_000),
    ("Rp9.467.316", 9467316),
    ("Rp248.780", 248780),
    ("Rp0", 0),
    ("1,234,567", 1234567),
    ("１２３", 123),
    ("12人", 12),
    ("3739.6690272859823", 3739.6690272859823),
    (39.0, 39),
    (0, 0),
    ("\t17", 17),
    ("'17", 17),
    ("1e3", 1000),
    ("₫125.000", 125000),
    ("฿1,250.50", 1250.5),
    ("RM 12.50", 12.5),
    ("US$3.20", 3.2),
    ("IDR 9.467.316,50", 9467316.5),
]


@pytest.mark.parametrize(("cell", "value"), NUMBERS)
def test_money_and_counts(cell, value):
    assert one(parse.numbers(column(cell), kind="money")) == pytest.approx(value)


@pytest.mark.parametrize(
    "cell", ["", "-", "—", "--", "/", "无退款申请", None, "N/A", "数据将于第二天更新", float("nan")]
)
def test_nothing_is_missing_and_not_an_error(cell):
    parsed = parse.numbers(column(cell, 5), kind="count")
    assert math.isnan(parsed.values.iloc[0]) and not parsed.bad.any()


@pytest.mark.parametrize(
    "cell", ["7.5w~10w", "2500~5000", "7500~1w", "10%~15%", "10w+", "2500-5000"]
)
def test_a_range_is_no_value_but_no_error_either(cell):
    parsed = parse.numbers(column(cell), kind="score")
    assert math.isnan(parsed.values.iloc[0]) and not parsed.bad.any()
    assert cell in parsed.notes[0]


@pytest.mark.parametrize("cell", ["abc", "12abc", "1.2.3,4,5", "五", "inf", "12%"])
def test_what_is_no_number_says_so(cell):
    parsed = parse.numbers(column(cell, "1"), kind="count")
    assert parsed.bad.tolist() == [True, False] and parsed.reason == "not_a_number"


@pytest.mark.parametrize(
    ("cell", "unit", "value"),
    [
        ("10.12%", None, 0.1012),
        ("0.0421", None, 0.0421),
        ("2.75", "percent", 0.0275),
        ("2.75%", "percent", 0.0275),
        (0.35, None, 0.35),
    ],
)
def test_rates_are_fractions(cell, unit, value):
    assert one(parse.numbers(column(cell), kind="ratio", unit=unit)) == pytest.approx(value)


@pytest.mark.parametrize(("unit", "value"), [("wan", 25000), ("fen", 0.025), ("thousand", 2500)])
def test_a_unit_of_the_header_counts_for_plain_numbers(unit, value):
    assert one(parse.numbers(column("2.5"), kind="money", unit=unit)) == pytest.approx(value)


WHOLE, MONEY = "count", "money"


@pytest.mark.parametrize(
    ("columns_of", "dots"),
    [
        ([(WHOLE, "5.000", "4.312")], ["thousands"]),  # no 4.312 people
        ([(WHOLE, "5.000"), (WHOLE, "4.312")], ["thousands"] * 2),
        ([(WHOLE, "1.234.567"), (WHOLE, "5.000")], ["thousands"] * 2),
        ([(WHOLE, "5.000"), (MONEY, "1.234,50")], ["thousands", None]),
        ([(WHOLE, "5.000"), (MONEY, "1,234.50")], [None, None]),
        ([(WHOLE, "5.000"), (MONEY, "49.90")], ["open", None]),
        ([(WHOLE, "5.000"), (MONEY, "49.90"), (WHOLE, "4.312人")], ["thousands", None] * 2),
        ([(WHOLE, "933.5", "4.312")], [None]),
        ([(MONEY, "12.500"), (WHOLE, "4.312")], ["thousands"] * 2),
        ([(MONEY, "12.500"), (WHOLE, "4312")], [None, None]),
        ([(MONEY, "12.500", "45"), (WHOLE, "43")], ["open", None]),
        ([(MONEY, "12.500"), (MONEY, "9.90")], [None, None]),
        ([(MONEY, "12.500", "0.125")], [None]),
        ([(WHOLE, "1.2345万", "12"), (MONEY, "9.9")], [None, None]),
    ],
)
def test_a_dot_groups_thousands_where_the_column_or_its_file_says_so(columns_of, dots):
    cells_of = {str(n): column(*cells) for n, (_, *cells) in enumerate(columns_of)}
    kind_of = {str(n): kind for n, (kind, *_) in enumerate(columns_of)}
    seen = columns.dots_of(cells_of, kind_of)
    expected = (dots * len(columns_of))[: len(columns_of)]
    assert [seen.get(name) for name in cells_of] == expected


def test_fractions_of_people_are_no_counts():
    cells = column("12", "933.5", "1.23456万", "7")
    values = parse.numbers(cells, kind="users").values
    assert columns.not_whole(cells, values).tolist() == [False, True, False, False]
    cells = column(5.0, 4.312, 0, 12000, "8")  # 5.000 and 4.312 opened by an English Excel
    values = parse.numbers(cells, kind="users").values
    assert columns.not_whole(cells, values).tolist() == [True, True, False, False, False]


@pytest.mark.parametrize(
    "cell",
    [
        *("(1,234.50)", "¥(1,234.50)", "(¥1,234.50)", "（1234.50）"),
        *("1,234.50-", "1234.50 CR", "1,234.50元-", "-¥1,234.50", "¥-1234.50"),
        *("−1234.50", "－1234.50", "–1,234.50", "‑1234.50"),
    ],
)
def test_every_way_to_write_a_minus(cell):
    assert one(parse.numbers(column(cell), kind="score")) == -1234.5


def test_a_plus_of_full_width_a_dash_alone_and_two_signs():
    read = parse.numbers(column("＋5", "–", "-5-", "(-5)", "7–9"), kind="score")
    assert read.values.isna().tolist() == [False, True, True, True, True]
    assert read.values[0] == 5 and read.bad.tolist() == [False, False, True, True, False]
    assert read.notes == (note("ranges", example="7–9", cells=1),)


def test_the_column_decides_which_mark_groups_thousands():
    assert parse.numbers(column("1.234", "9.467.316"), kind="money").values.tolist() == [
        1234,
        9467316,
    ]
    assert parse.numbers(column("1.234", "9,467,316"), kind="money").values.tolist() == [
        1.234,
        9467316,
    ]
    assert parse.numbers(column("12,5", "1234,50"), kind="money").values.tolist() == [12.5, 1234.5]


@given(st.integers(0, 10**12))
def test_indonesian_money_comes_back(amount):
    written = "Rp" + f"{amount:,}".replace(",", ".")
    assert one(parse.numbers(column(written), kind="money")) == amount


@given(st.floats(0, 1e9, allow_nan=False).map(lambda x: round(x, 2)))
def test_chinese_money_comes_back(amount):
    assert one(parse.numbers(column(f"¥{amount:,.2f}"), kind="money")) == pytest.approx(amount)


DURATIONS = [
    ("1分5秒", 65),
    ("6小时9分钟", 22140),
    ("45秒", 45),
    ("2小时", 7200),
    ("7小时28分50秒", 26930),
    ("01:02:03", 3723),
    ("2:05", 125),
    ("65", 65),
    (34, 34),
    ("1h 2m 3s", 3723),
    ("5 min", 300),
    (dt.time(0, 1, 5), 65),
    (dt.timedelta(hours=25), 90000),
]


@pytest.mark.parametrize(("cell", "value"), DURATIONS)
def test_durations_in_seconds(cell, value):
    assert one(parse.seconds(column(cell))) == value


@pytest.mark.parametrize(
    ("unit", "value"), [("minutes", 57600), ("hours", 3456000), ("days", 82944000)]
)
def test_the_unit_of_a_duration(unit, value):
    assert one(parse.seconds(column("960"), unit=unit)) == value


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        ([1 / 12, 0.125, None, 0.0], [7200, 10800, None, 0]),
        (["0.001006944", "0.0005"], [87, 43.2]),
        ([0.5, 90], [0.5, 90]),
        (["45秒", "14"], [45, None]),
        ([0.083, 1.2], [None, None]),
        ([7200, 14], [7200, None]),
        (["3:05", "02:40"], [None, None]),  # hours and minutes, or minutes and seconds
        (["3:05", "62:40"], [185, 3760]),
        (["3:05", "2:40:00"], [185, 9600]),
    ],
)
def test_parts_of_a_day_and_sessions_of_seconds(cells, seconds):
    least = 0 if seconds == [0.5, 90] or seconds[0] == 87 else 60
    parsed = parse.seconds(column(*cells), least=least)
    assert parsed.values.tolist() == pytest.approx(
        [math.nan if s is None else s for s in seconds], nan_ok=True, abs=0.001
    )
    doubtful = [s is None and cell is not None for s, cell in zip(seconds, cells, strict=True)]
    assert parsed.bad.tolist() == doubtful


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (None, [10800, None, None]),
        ("days", [10800, 10800, 43200]),
        ("hours", [10800, 450, 1800]),
        ("minutes", [10800, 7.5, 30]),
    ],
)
def test_a_session_of_seconds_is_asked_about_whatever_unit_its_header_states(answer, read):
    parsed = parse.seconds(column(180, 0.125, "0.5"), unit="minutes", answer=answer, least=60)
    expected = [math.nan if seconds is None else seconds for seconds in read]
    assert parsed.values.tolist() == pytest.approx(expected, nan_ok=True)
    assert parsed.bad.tolist() == [seconds is None for seconds in read]


@pytest.mark.parametrize(("answer", "read"), [("hours", [11100, 9600]), ("minutes", [185, 160])])
def test_the_workspace_says_whether_two_parts_are_hours_or_minutes(answer, read):
    cells = column("3:05", "02:40")
    assert parse.seconds(cells, unit="minutes", answer=answer, least=60).values.tolist() == read
    assert parse.seconds(cells, unit="minutes").values.tolist() == [185, 160]  # of one viewer


@pytest.mark.parametrize(
    ("cells", "code", "bad"),
    [
        (["¥12.50", "$45.25", "8"], "CNY", [False, True, False]),
        (["CNY 12.50", "USD 45.25", "8元"], "CNY", [False, True, False]),
        (["$12.50", "Rp45.250"], "USD", [False, True]),
        (["12.50", "(€45.25)", "£1"], "EUR", [False, False, True]),
        (["$12.50", "US$45"], "USD", [False, False]),
    ],
)
def test_money_of_another_currency_is_not_added_up(cells, code, bad):
    parsed = parse.numbers(column(*cells), kind="money", currency=code)
    assert parsed.bad.tolist() == bad and parsed.values.isna().tolist() == bad
    if any(bad):
        assert set(parsed.reason[parsed.bad]) == {"other_currency"}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (["129,500", "1299,900", "45,250"], [129.5, 1299.9, 45.25]),
        (["129,500", "1,299,900"], [129500, 1299900]),
        (["129,500", "1299.90"], [129500, 1299.9]),
    ],
)
def test_four_digits_before_a_comma_make_it_a_decimal_comma(cells, values):
    assert parse.numbers(column(*cells), kind="money").values.tolist() == values


def test_what_is_no_duration_says_so():
    parsed = parse.seconds(column("long", "5分"))
    assert parsed.bad.tolist() == [True, False] and parsed.reason == "not_a_duration"


@pytest.mark.parametrize("cells", [("0.5", "long", "90"), ("long", "0.5", "90", "2:00:00")])
@pytest.mark.parametrize("dtype", ["str", "category", "object"])
def test_each_bad_cell_of_a_column_says_its_own_reason(cells, dtype):
    own = {"0.5": "short_duration", "long": "not_a_duration"}
    parsed = parse.seconds(pd.Series(cells, dtype=dtype), least=60)
    assert parsed.reason[parsed.bad].tolist() == [own[cell] for cell in cells if cell in own]
    own = {"03/04/2026": "ambiguous_date", "soon": "not_a_date", "2026-02-30": "not_a_date"}
    for dates in (list(own), list(own)[::-1], [*own, "2026-04-05"]):
        parsed = times.times(pd.Series(dates, dtype=dtype), timezone="Asia/Jakarta", order="open")
        assert parsed.reason[parsed.bad].tolist() == [own[day] for day in dates if day in own]


TIMES = [
    "2026/07/28 08:15:49",
    "2026-07-28 08:15:49",
    "2026-07-28_08-15-49",
    "2026年7月28日 08:15:49",
    "2026/7/28 8:15:49",
    "2026-07-28T00:15:49Z",
    "2026-07-28 09:15:49+09:00",
    "2026-07-28 上午8:15:49",
    "\t2026-07-28 08:15:49",
    dt.datetime(2026, 7, 28, 8, 15, 49),
    "1785197749",
    "1785197749000",
    46231.344316,
    "46231.344316",
]


@pytest.mark.parametrize("cell", TIMES)
def test_times_on_the_local_clock(cell):
    found = one(times.times(column(cell), timezone="Asia/Shanghai"))
    assert found == pd.Timestamp("2026-07-28 08:15:49", tz="Asia/Shanghai")


@pytest.mark.parametrize("odd", ["12,34,56", "12,5", "¥3,9"])
def test_one_odd_amount_does_not_change_how_the_others_are_read(odd):
    read = parse.numbers(pd.Series(["66.82", odd, "1,234.50", "7"]), kind="money")
    assert read.values.drop(1).tolist() == [66.82, 1234.5, 7.0]
    assert read.bad.tolist() == [False, True, False, False]


@pytest.mark.parametrize(
    "written",
    [["66,82", "7,5", "12"], ["1.234,50", "7"], ["3,9 €", "12,00 €"], ["5 542,08", "1\u202f594,3"]],
)
def test_decimal_commas_of_a_column_are_read(written):
    exact = {"66,82": 66.82, "7,5": 7.5, "12": 12.0, "1.234,50": 1234.5, "7": 7.0}
    exact |= {"3,9 €": 3.9, "12,00 €": 12.0, "5 542,08": 5542.08, "1\u202f594,3": 1594.3}
    read = parse.numbers(pd.Series(written), kind="money")
    assert read.values.tolist() == [exact[text] for text in written]


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York", "Pacific/Kiritimati"])
@pytest.mark.parametrize(
    "cell",
    [
        "2026-01-02 03:04:05 +99:99",
        "2026-01-02 99:99",
        "2026/01/02 10:75",
        "2026年1月2日 31点",
        "9999-12-31 24:00:00",
        "2026-02-30 10:00",
    ],
)
def test_a_time_that_no_clock_shows_is_a_bad_cell_among_good_ones(cell, zone):
    cells = pd.Series([cell, "2026-01-02 03:04:05"])
    read = times.times(cells, timezone=zone)
    assert read.bad.tolist() == [True, False]
    assert read.values[1] == pd.Timestamp("2026-01-02 03:04:05", tz=zone)


@pytest.mark.parametrize("zone", ["Asia/Shanghai", "America/New_York"])
@pytest.mark.parametrize(
    "cell", ["9999-12-31 23:59:59", "9999/12/31 23:59", dt.datetime(9999, 12, 31, 23, 59, 59)]
)
def test_the_end_of_the_calendar_is_impossible_in_every_zone(cell, zone):
    read = times.times(pd.Series([cell, "2026-01-02"], dtype=object), timezone=zone)
    column = reference.tables()["orders"].columns["paid_at"]
    assert columns.impossible(read.values, column).tolist() == [True, False]


def test_times_have_the_dtype_of_the_tables_and_native_and_text_mix():
    parsed = times.times(
        column(dt.datetime(2026, 1, 1, 8), "2026/1/2", "-", "soon"), timezone="Asia/Jakarta"
    )
    assert str(parsed.values.dtype) == "datetime64[us, Asia/Jakarta]"
    assert parsed.bad.tolist() == [False, False, False, True] and parsed.reason == "not_a_date"
    assert parsed.values.iloc[1].hour == 0


@pytest.mark.parametrize(
    "cell",
    [
        *("Apr 12, 2026 8:15 PM", "April 12th, 2026, 8:15 pm", "12 Apr 2026 20:15"),
        *("12-Apr-26 20:15", "Sun, 12 Apr 2026 12:15:00 GMT", "2026-04-12 20:15:00 GMT+8"),
        *("2026-04-12 19:15:00 (GMT+07:00)", "2026-04-12 20:15 UTC+8", "1775996100"),
        *("2026-04-12 12:15:00Z", "1775996100000", "46124.84375"),
        *("2026年4月12日 星期日 20:15", "2026-04-12（周日）20:15", "2026-04-12 20：15：00"),
        *("２０２６－０４－１２ ２０：１５", "Apr 12, 2026 8:15 p.m."),
    ],
)
def test_months_by_name_and_offsets(cell):
    read = times.times(column(cell), timezone="Asia/Shanghai")
    assert one(read) == pd.Timestamp("2026-04-12 20:15", tz="Asia/Shanghai")


@pytest.mark.parametrize("cell", ["1.77600E+12", "4.61248E+04", "1.776E+9"])
def test_moments_in_science_have_lost_their_minutes(cell):
    parsed = times.times(column(cell), timezone="Asia/Shanghai")
    assert parsed.bad.all() and parsed.reason == "not_a_date"


def test_plain_days_count_from_1904_where_the_workbook_says_so():
    read = times.times(column(46124.84375 - 1462), timezone="Asia/Shanghai", era_1904=True)
    assert one(read) == pd.Timestamp("2026-04-12 20:15", tz="Asia/Shanghai")


@pytest.mark.parametrize(
    ("cells", "order", "swapped"),
    [
        ((dt.datetime(2026, 5, 3, 17), "17/03/2026 20:00"), "day", True),
        ((dt.datetime(2026, 3, 17), "17/03/2026 20:00"), "day", False),
        ((dt.datetime(2026, 5, 3), "05/03/2026"), "day", False),  # Excel would have read it
        ((dt.datetime(2026, 5, 3), "2026-03-17"), None, False),
    ],
)
def test_date_cells_that_a_spreadsheet_of_the_other_order_made(cells, order, swapped):
    assert columns.came_swapped([column(*cells)], order) == swapped
    read = times.times(column(cells[0]), timezone="Asia/Shanghai", swapped=swapped)
    assert one(read).month == (3 if swapped else cells[0].month)


def test_an_evening_in_chinese_words_and_an_hour_alone():
    found = times.times(
        column("2026-01-01 下午8:00", "2026-01-01 20", "2026-01-01 20时"), timezone="Asia/Shanghai"
    ).values
    assert (found.dt.hour == 20).all()


@pytest.mark.parametrize(
    ("cells", "order", "first"),
    [
        (("03/04/2026 10:00:00", "13/04/2026 11:00:00\t"), "day", "2026-04-03 10:00"),
        (("03/04/2026 10:00:00", "04/13/2026 11:00:00"), "month", "2026-03-04 10:00"),
        (("17/03/26 20:15", "05/03/26 10:00"), "day", "2026-03-17 20:15"),
        (("26/03/17 20:15", "26/03/05 10:00"), "year", "2026-03-17 20:15"),
    ],
)
def test_day_or_month_first_is_settled_by_the_whole_column(cells, order, first):
    assert columns.day_order([column(*cells)]) == order
    assert one(times.times(column(*cells), timezone="Asia/Jakarta", order=order)) == pd.Timestamp(
        first, tz="Asia/Jakarta"
    )


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (("03/04/2026 10:00:00", "05/06/2026 11:00:00"), "open"),
        (("03/04/2026 10:00:00 PM", "04/05/2026 11:00:00 AM"), "open"),
        (("05/03/26", "05/03/26 10:00"), "open"),
        (("13/04/2026 10:00:00", "04/13/2026 10:00:00"), "mixed"),
    ],
)
def test_an_order_that_cannot_be_told_is_refused(cells, order):
    assert columns.day_order([column(*cells)]) == order
    parsed = times.times(column(*cells), timezone="Asia/Jakarta", order=order)
    reason = {"open": "ambiguous_date", "mixed": "contradicting_dates"}[order]
    assert parsed.bad.all() and (parsed.reason == reason).all()


@pytest.mark.parametrize(
    "cell",
    [
        "2026/07/28 08:15:49-2026/07/28 15:44:39",
        "2026-07-28_08-15-49~2026-07-28_15-44-39",
        "2026-07-28 08:15:49 至 2026-07-28 15:44:39",
    ],
)
def test_both_ends_of_a_range(cell):
    for part, hour in (("start", 8), ("end", 15)):
        assert (
            one(times.times(times.ends_of(column(cell), part=part), timezone="Asia/Shanghai")).hour
            == hour
        )


def test_a_range_of_hours_begins_at_its_first_hour():
    ends = times.ends_of(column("2026-11-10 20:00-21:00", "2026-11-10 20:00~20:59"), part="start")
    assert (times.times(ends, timezone="Asia/Shanghai").values.dt.hour == 20).all()


# what people, programs and other spreadsheets write around an id
AROUND = (
    "6918290123456780013.0",
    "＇6918290123456780013",
    "’6918290123456780013",
    '"6918290123456780013"',
    "“6918290123456780013”",
    "6918\u200b290123456780013",
    "\u200e6918290123456780013\u202c",
    "６９１８２９０１２３４５６７８００１３",
    "6918 2901 2345 6780 013",
    "6918-2901-2345-6780-013",
    "#6918290123456780013",
    "NO.6918290123456780013",
    "No: 6918290123456780013",
    "订单编号：6918290123456780013",
    '=T("6918290123456780013")',
    '=""&"6918290123456780013"',
    '=HYPERLINK("https://x.test/a?b=1","6918290123456780013")',
)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("\t6917926768823643751", "6917926768823643751"),
        ("'6917926768823643751", "6917926768823643751"),
        ('="0012"', "0012"),
        ("583870900000000001\t", "583870900000000001"),
        (12.0, "12"),
        ("A-1", "A-1"),
        *((written, "6918290123456780013") for written in AROUND),
        ("某店（旗舰）", "某店（旗舰）"),  # an account's name, as it stands
        ("my shop 1", "my shop 1"),
        ("576460-1729-3821", "576460-1729-3821"),
    ],
)
def test_ids_are_text_without_the_marks_of_spreadsheets(cell, value):
    parsed = parse.ids(column(cell))
    assert one(parsed) == value and not parsed.notes


@pytest.mark.parametrize(
    "cells",
    [
        (1862046336917810.0, 1862046095439880.0),
        ("1.86E+15", "1.87E+15"),
        ("1.86E+015", "1,87e18", "1.86×10^15"),
        ("1862046336917810", "1862046095439880", "1862057764403480"),
    ],
)
def test_ids_that_lost_digits_are_left_out(cells):
    parsed = parse.ids(column(*cells))
    assert parsed.values.isna().all() and parsed.left_out.all()
    assert parsed.reason == "lost_digits"


def test_a_phone_number_among_long_ids_is_none():
    parsed = parse.ids(column("6917926768823643751", "13812345678", "6.91E+18"))
    assert parsed.bad.tolist() == [False, True, False] and parsed.values.isna().sum() == 2
    assert parsed.reason.tolist()[1:] == ["personal", "lost_digits"]


@pytest.mark.parametrize("other", ["12345678901", "520813912345", "A13", "3645"])
def test_ids_that_look_like_phone_numbers_stay_among_short_ones(other):
    parsed = parse.ids(column("13812345678", "18234567890", other))
    assert parsed.values.tolist() == ["13812345678", "18234567890", other]
    assert not parsed.bad.any()


def test_one_rounded_id_does_not_cost_the_good_ones():
    parsed = parse.ids(column("6917926768823643751", "6.91E+18", "6917926768823643750"))
    assert parsed.values.tolist()[0] == "6917926768823643751" and pd.isna(parsed.values.iloc[1])


@pytest.mark.parametrize("mark", [",", ".", " ", "'", "\u202f"])
def test_marks_of_thousands_are_no_part_of_an_id(mark):
    written = f"{6919320038478964101:,}".replace(",", mark)
    parsed = parse.ids(column(written, "6919320038478964102", "12,345", "101,102,103"))
    assert parsed.values.tolist() == [
        *("6919320038478964101", "6919320038478964102", "12,345", "101,102,103")
    ]
    assert parse.ids(column(f"{6919320038478960000:,}")).values.isna().all()


@pytest.mark.parametrize(
    ("rounded", "length"),
    # one of 40 ids of 18 digits ends in three zeros by chance in 4 % of columns
    [(1, 19), (1, 20), *((count, length) for count in (2, 13, 39, 40) for length in (18, 19, 20))],
)
def test_ids_rounded_by_excel_are_found_one_by_one(rounded, length):
    whole = [str(6 * 10 ** (length - 1) + 7_654_321_987 * number + 1) for number in range(40)]
    ids = [text[:15] + "0" * (length - 15) for text in whole[:rounded]] + whole[rounded:]
    parsed = parse.ids(column(*ids))
    assert parsed.values.isna().tolist() == [True] * rounded + [False] * (40 - rounded)


def test_ids_that_end_in_zeros_by_chance_are_kept():
    short = [str(6 * 10**15 + 7 * number) for number in range(60)]  # every tenth ends in 0
    assert parse.ids(column(*short, "1234500000")).values.notna().all()
    assert parse.ids(column("1234567890123450")).values.notna().all()


def test_hashes_are_stable_keyed_and_no_ids():
    marks = parse.hashed(column("买家甲", " 买家甲\t", "买家乙", "-"), key=KEY).values
    assert marks.iloc[0] == marks.iloc[1] != marks.iloc[2] and pd.isna(marks.iloc[3])
    assert len(marks.iloc[0]) == 16 and int(marks.iloc[0], 16) >= 0
    assert parse.hashed(column("买家甲"), key=b"another").values.iloc[0] != marks.iloc[0]


@pytest.mark.parametrize(
    "text",
    [
        "加我 13812345678",
        "138 1234 5678",
        "138-1234-5678",
        *("138/1234/5678", "138，1234，5678", "138,1234,5678", "138*1234*5678", "138\n1234\n5678"),
        "+8613812345678",
        "a.b-c@mail.example.com",
        "11010519900307123X",
        "0571-88888888",
        "+62 812-3456-7890",
        "081234567890",
        "１３８１２３４５６７８",
    ],
)
def test_phones_identity_numbers_and_addresses_are_masked(text):
    found = one(parse.text(column(f"请联系{text}谢谢")))
    assert (
        "***" in found
        and text not in found
        and found.startswith("请联系")
        and found.endswith("谢谢")
    )


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "666666",
        "买2送1，到手99.9",
        "订单6917926768823643751",
        "2026-11-10 20:00:00",
        "100000人",
    ],
)
def test_ordinary_numbers_in_text_stay(text):
    assert one(parse.text(column(text))) == text


def test_a_required_text_keeps_a_lone_dash():
    assert one(parse.text(column("-"), verbatim=True)) == "-"
    assert pd.isna(parse.text(column("-")).values.iloc[0])


def test_choices_by_code_or_label_in_either_language():
    labels = {"抖音": "douyin", "douyin": "douyin"}
    parsed = parse.choice(column("抖音", "Douyin", "-", "快手"), labels=labels)
    assert parsed.values.tolist()[:2] == ["douyin", "douyin"]
    assert parsed.bad.tolist() == [False, False, False, True] and parsed.reason == "unknown_choice"


def test_words_of_an_export_by_pattern_and_late_attribution_stays_an_answer():
    assert (
        parse.choice(
            column("同意退款，退款成功"), labels=None, words_of={"*退款成功*": "succeeded"}
        ).values.iloc[0]
        == "succeeded"
    )
    assert (
        parse.choice(column("数据将于第二天更新"), labels=None).values.iloc[0]
        == "数据将于第二天更新"
    )


def test_flags():
    parsed = parse.flag(column("是", "no", "-", "也许", True))
    assert (
        parsed.values.iloc[:2].tolist() == [True, False]
        and parsed.values.iloc[4]
        and pd.isna(parsed.values.iloc[2])
    )
    assert parsed.bad.tolist() == [False, False, False, True, False]


@pytest.mark.parametrize(
    ("name", "value", "wrong"),
    [
        ("viewers", -1, True),
        ("paid_amount", -0.01, True),
        ("avg_online", -1, True),
        ("net_1h_amount", -150, False),
        ("fan_viewer_share", 1.01, True),
        ("fan_viewer_share", 1, False),
    ],
)
def test_impossible_values(name, value, wrong):
    column = reference.tables()["sessions"].columns[name]
    assert columns.impossible(pd.Series([float(value)]), column).iloc[0] == wrong


@pytest.mark.parametrize(
    ("name", "written", "read"),
    [
        ("refund_amount", [-10, 0, None, -3], [10, 0, None, 3]),
        ("refund_amount", [-10, 0, 3], [-10, 0, 3]),  # one that cannot be
        ("refund_amount", [10, 3], [10, 3]),
        ("refund_amount", [0, None], [0, None]),
        ("net_1h_amount", [-10, -3], [-10, -3]),  # may be below zero
        ("ad_cost", [-10, -3], [10, 3]),
        ("paid_amount", [-10, -3], [-10, -3]),  # that cannot be
    ],
)
def test_a_column_whose_refunds_all_carry_a_minus_is_a_convention(name, written, read):
    column = reference.tables()["sessions"].columns[name]
    values = columns.without_sign(pd.Series(written, dtype="float64"), column)
    assert values.equals(pd.Series(read, dtype="float64"))


def test_every_reason_that_the_code_gives_has_words():
    code = "".join(
        path.read_text(encoding="utf-8") for path in Path(parse.__file__).parent.glob("*.py")
    )
    given = set(re.findall(r'reason="(\w+)"', code)) | set(
        re.findall(
            r'"(not_a_\w+|ambiguous_date|unknown_choice|impossible|duplicate|lost_digits|no_session|extra_row|missing)"',
            code,
        )
    )
    assert given >= {"not_a_number", "not_a_date", "duplicate"} and given <= set(
        reference.terms()["reason"]
    )
