"""Cells of text tables come out as they went in.

That is so however the file is cut into blocks and its columns are held.
"""

import csv
import io

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from helpers import clean, reference
from helpers.clean import charset, notes, open_csv, open_file, parse, sheet
from helpers.clean.cells import distinct

ROWS = st.lists(
    st.lists(st.text(alphabet='ab"、,;\n 订1', max_size=4), min_size=1, max_size=6),
    min_size=1,
    max_size=30,
)


def written(rows, *, end="\r\n"):
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator=end).writerows(rows)
    return text.getvalue()


def cells(content):
    return open_csv.text_sheet(io.BytesIO(content)).grid.to_numpy(dtype=object).tolist()


@given(
    rows=ROWS,
    charset=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=60, deadline=None)
def test_rows_of_any_length_come_back_in_their_places(rows, charset, end):
    text = written(rows, end=end)
    assume(text.strip() and not text.lstrip().startswith("<") and open_csv._separator(text) == ",")
    found = cells(text.encode(charset))
    widest = max(max(map(len, rows)), len(found[0]))
    filled = [row + [""] * (widest - len(row)) for row in found]
    assert filled == [row + [""] * (widest - len(row)) for row in rows]


def test_a_quotation_mark_that_is_never_closed_is_a_problem_and_swallows_no_row():
    with pytest.raises(sheet.UnreadableError, match="never closed"):
        cells(b'a,b\n1,2\n3,"4\n5,6\n7,8\n')


def test_a_row_longer_than_a_block_is_read(monkeypatch):
    rows = [["a", "b"], ["1", "x" * 500], ["2", "y"]]
    monkeypatch.setattr(open_csv, "_BLOCK", 64)
    assert cells(written(rows).encode()) == rows


def test_a_file_that_stops_being_gb18030_half_way_says_so(monkeypatch):
    monkeypatch.setattr(charset, "HEAD", 1 << 10)
    content = "订单编号,金额\n".encode("gb18030") * 200
    with pytest.raises(sheet.UnreadableError, match="begins as gb18030"):
        cells(content + b"\xff\xff,1\n" * 200)
    assert (
        cells(content + b"\xff\xff,1\n")[-1][1] == "1"
    )  # a single damaged character does not cost the file


ORDERS = [
    [
        "主订单编号",
        "子订单编号",
        "商品ID",
        "选购商品",
        "订单提交时间",
        "支付完成时间",
        "订单应付金额",
        "订单状态",
        "省",
        "收件人",
    ]
] + [
    [
        f"\t69{n:017d}",
        f"\t{n % 290}",
        "\t3645",
        "卫衣",
        f"2026-09-2{n % 3} 00:00:{n % 60:02d}" if n % 50 else "昨天",
        "-" if n % 4 else "2026-09-22 00:54:20",
        "1,234.50" if n % 60 else "很多",
        "已完成",
        "浙江" if n % 7 else "福建 13800138000",
        "##李*",
    ]
    for n in range(300)
]


def test_long_columns_are_read_as_short_ones_are(tmp_path, monkeypatch):
    path = tmp_path / "o.csv"
    path.write_bytes(written(ORDERS).encode("gb18030"))
    options = {
        "systems": reference.systems(),
        "timezone": "Asia/Shanghai",
        "key": b"k" * 32,
        "currency": "CNY",
    }
    short = clean.read_file(path, **options)
    monkeypatch.setattr(sheet, "_LONG", 1)
    assert isinstance(open_file.open_file(path).sheets[0].grid[2].dtype, pd.CategoricalDtype)
    long = clean.read_file(path, **options)
    for one, two in zip(
        [*short.tables.values(), short.files, short.aside],
        [*long.tables.values(), long.files, long.aside],
        strict=True,
    ):
        pd.testing.assert_frame_equal(one, two)
    assert {"not_a_date", "not_a_number", "duplicate"} == set(short.aside["reason"])


def test_values_that_only_compare_equal_are_told_apart():
    mixed = pd.Series([1, True, 1.0, "1", True], index=[5, 6, 7, 8, 9], dtype=object)
    values, places = distinct(mixed)
    assert values.tolist() == [1, True, 1.0, "1"] and [type(value) for value in values] == [
        int,
        bool,
        float,
        str,
    ]
    assert places.tolist() == [0, 1, 2, 3, 1]


def test_a_note_counts_cells_and_not_values():
    cells = pd.Series(["7w~10w"] * 3 + ["5"], dtype=object)
    (kept,) = parse.numbers(cells, kind="count").notes
    said = "列: 3 values are ranges (for example 7w~10w): left out."
    assert notes.in_words(notes.with_values(kept, column="列"), "en") == said
