"""The engine reads what pandas wrote and returns what pandas would.

Values, missing ones, times, and the same order always.
"""

import pandas as pd
import pytest

from helpers.core import engine

TIMES = pd.to_datetime(
    ["2026-11-10 20:00:00.25", None, "2026-11-11 00:30:00"], format="ISO8601"
).tz_localize("Asia/Shanghai")
ROWS = pd.DataFrame(
    {
        "name": ["乙", "甲", None],
        "number": [2.5, None, -1.0],
        "at": TIMES.astype(pd.DatetimeTZDtype("us", "Asia/Shanghai")),
    }
).astype({"name": "str"})


def test_a_frame_comes_back_as_it_was():
    made = engine.frame(engine.table(ROWS)).fillna({"name": ""}).set_index("name")
    assert made["number"].to_dict() == pytest.approx(
        {"乙": 2.5, "甲": float("nan"), "": -1.0}, nan_ok=True
    )
    assert made.loc["乙", "at"] == ROWS["at"].iloc[0] and made["at"].dt.tz is not None
    assert made["at"].isna().tolist() == [name == "甲" for name in made.index]


def test_files_of_one_table_are_one_table_though_a_column_came_later(tmp_path):
    ROWS.drop(columns="number").to_parquet(tmp_path / "2026-10.parquet")
    ROWS.to_parquet(tmp_path / "2026-11.parquet")
    both = engine.table(sorted(tmp_path.glob("*.parquet")))
    assert both.count().execute() == 6
    assert (
        engine.frame(both.agg(total=both["number"].sum()))["total"].item() == ROWS["number"].sum()
    )


def test_rows_come_in_the_same_order_whatever_the_threads_do():
    many = pd.DataFrame(
        {"group": [f"{place % 97:02d}" for place in range(20_000)], "value": [1] * 20_000}
    )
    table = engine.table(many)
    made = engine.frame(table.group_by("group").agg(n=table.count()))
    assert made["group"].is_monotonic_increasing and made["n"].sum() == 20_000


def test_no_file_is_an_error_that_says_so():
    with pytest.raises(ValueError, match="at least one"):
        engine.table([])


def test_the_engine_has_a_bound_on_memory():
    limit = engine.backend().raw_sql("SELECT current_setting('memory_limit')").fetchone()[0]
    assert limit == "953.6 MiB"  # 1 GB
