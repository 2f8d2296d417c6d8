"""Sessions with an odd place among the others: the page says so and claims nothing it cannot."""

import datetime as dt

import matplotlib
import pandas as pd
import pytest

from helpers import compare, reference
from helpers.reference import schema
from tests import odd_accounts

ZONE = "Asia/Shanghai"
matplotlib.use("agg")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """What notebook 03 shows of each odd account, in Chinese, one after another in this process."""
    shown = {}
    for name, rows in odd_accounts.accounts().items():
        folder = odd_accounts.workspace(tmp_path_factory.mktemp(name) / "shop", rows)
        shown[name] = odd_accounts.run_here(
            "03_compare", data_dir=str(folder), reports_dir=str(folder / "out")
        )
    return shown


def test_no_odd_account_shows_a_table_without_rows_or_a_chart_without_marks(pages):
    for name, shown in pages.items():
        assert not [
            words
            for words in shown
            if "Empty DataFrame" in words or "没有可画" in words or "nan" in words
        ], name


def test_a_session_alone_is_shown_and_compared_with_nothing(pages):
    page = "\n".join(pages["alone"])
    assert (
        "没有可比场次" in page
        and "历史太短" in page
        and "无从比较" in page
        and "不足 16 场" in page
    )
    assert "变好" not in page.replace("0 个变好", "") and "[" not in "".join(
        words[:1] for words in pages["alone"]
    )


def test_a_gap_of_months_is_named_with_its_days_and_why_nothing_compares(pages):
    days = (dt.date(2026, 9, 10) - dt.date(2026, 1, 5) - dt.timedelta(days=8 * 3)).days
    (notes,) = [words for words in pages["gap"] if words.startswith("- 距上一场")]
    assert (
        f"距上一场（2026-01-29）已有 {days} 天" in notes
        and "早于回看期 9" in notes
        and "跨零点" not in notes
    )


def test_of_two_rooms_at_once_each_is_set_against_its_own_past(pages):
    page = "\n".join(pages["at_once"])
    assert "同一时间还有另一场在播" in page and "shop2" in page and "其他平台或直播间" in page
    month = next(words for words in pages["at_once"] if words.startswith("按月"))
    rows = [row for row in odd_accounts.accounts()["at_once"] if row["room"] == "shop1"]
    assert f"{sum(row['paid_amount'] for row in rows) / 10_000:.2f}万" in month


def test_ten_minutes_are_no_full_session(pages):
    page = "\n".join(pages["ten_minutes"])
    assert "本场时长 10分钟，账号通常 4小时" in page and "时长相差三倍以上 7" in page
    assert not [words for words in pages["ten_minutes"] if words.startswith(("× ", "✓ "))]


def test_a_session_over_midnight_counts_where_it_began_and_compares_with_late_evenings(pages):
    page = "\n".join(pages["midnight"])
    assert "本场跨零点（09-30 22:30 到 10-01 02:00）" in page and "同时段" in page
    assert "2026-09" in page and "2026-10  " not in next(
        words for words in pages["midnight"] if words.startswith("按月")
    )


def test_an_ordinary_session_has_nothing_odd():
    at = pd.date_range("2026-09-01 20:00", periods=5, freq="2D", tz=ZONE)
    sessions = schema.conform(
        pd.DataFrame(
            {
                "session_id": [f"s{k}" for k in range(5)],
                "platform": "douyin",
                "room": "r",
                "started_at": at,
                "ended_at": at + pd.Timedelta(hours=4),
                "duration_seconds": 4 * 3600.0,
            }
        ),
        "sessions",
        ZONE,
    )
    events = compare.event_windows(schema.empty("events", ZONE), reference.event_kinds())
    table = compare.comparable(
        sessions,
        "s4",
        events=events,
        calendar=reference.calendar(),
        thresholds=reference.thresholds(),
    )
    assert compare.oddities(sessions, table, "s4") == []  # ends at midnight, not over it
    longer = sessions.assign(ended_at=sessions["ended_at"] + pd.Timedelta(minutes=1))
    assert len(compare.oddities(longer, table, "s4")) == 1
