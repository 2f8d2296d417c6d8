"""Rows find their session as `tables.yml` and `attribution.yml` say.

Where they do not, they are left out with the reason.
"""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from helpers import reference
from helpers.clean import attribution
from helpers.reference import schema
from tests.clean.checked import check
from tests.made_files import workbook

ZONE = "Asia/Shanghai"


def at(clock: str) -> pd.Timestamp:
    return pd.Timestamp(clock, tz=ZONE)


def sessions(*rows: tuple[str, str, str, str, str]) -> pd.DataFrame:
    """(session_id, platform, room_name, start, end) as a sessions frame."""
    frame = pd.DataFrame(
        rows, columns=["session_id", "platform", "room_name", "started_at", "ended_at"]
    )
    return schema.conform(
        frame.assign(
            started_at=pd.to_datetime(frame["started_at"]),
            ended_at=pd.to_datetime(frame["ended_at"]),
        ),
        "sessions",
        ZONE,
    )


NIGHT = sessions(
    ("s1", "douyin", "甲", "2026-11-10 14:00", "2026-11-10 17:00"),
    ("s2", "douyin", "甲", "2026-11-10 20:00", "2026-11-11 02:00"),
    ("s3", "douyin", "乙", "2026-11-10 21:00", "2026-11-10 23:00"),
    ("s4", "tiktok", "丙", "2026-11-10 20:00", "2026-11-10 22:00"),
)


def listed(values: pd.Series) -> list[str | None]:
    return [value if isinstance(value, str) else None for value in values]


def orders(*rows: tuple[str, str | None, str | None]) -> pd.DataFrame:
    """(created_at, room_name, channel) as an orders frame of Douyin."""
    frame = pd.DataFrame(rows, columns=["created_at", "room_name", "channel"])
    ids = [str(number) for number in range(len(frame))]
    frame = frame.assign(
        platform="douyin", order_id=ids, line_id=ids, created_at=pd.to_datetime(frame["created_at"])
    )
    return schema.conform(frame, "orders", ZONE)


@pytest.mark.parametrize(
    ("created", "room", "channel", "session", "why"),
    [
        ("2026-11-10 14:00", "甲", "直播", "s1", None),
        ("2026-11-10 17:29", "甲", "直播", "s1", None),  # half an hour of grace after the end
        ("2026-11-10 17:31", "甲", "直播", None, "no_session"),
        ("2026-11-11 01:30", "甲", "直播", "s2", None),  # past midnight
        ("2026-11-10 21:30", "乙", "直播", "s3", None),  # two rooms at once: the room decides
        ("2026-11-10 21:30", None, "直播", None, "several_sessions"),
        ("2026-11-10 20:30", None, "直播", "s2", None),  # another platform's session does not count
        ("2026-11-10 21:30", "甲", "商品卡", None, "not_live"),
        ("2026-11-10 21:30", "甲", "数据将于第二天更新", "s2", None),
        (
            "2026-11-10 21:30",
            "丁",
            "直播",
            None,
            "no_session",
        ),  # a room that the workspace does not know
    ],
)
def test_an_order_finds_the_session_of_its_room_and_time(created, room, channel, session, why):
    found = attribution.attribute(
        orders((created, room, channel)), "orders", NIGHT, rules=reference.attribution()
    ).iloc[0]
    assert (found["session_id"] if pd.notna(found["session_id"]) else None) == session
    assert (found["why_not"] if pd.notna(found["why_not"]) else None) == why


def test_between_two_sessions_the_one_that_is_running_wins_over_the_one_just_ended():
    close = sessions(
        ("a", "douyin", "甲", "2026-11-10 14:00", "2026-11-10 16:00"),
        ("b", "douyin", "甲", "2026-11-10 16:05", "2026-11-10 18:00"),
    )
    found = attribution.attribute(
        orders(("2026-11-10 16:10", "甲", "直播")), "orders", close, rules=reference.attribution()
    )
    assert found["session_id"].tolist() == ["b"]


def test_a_case_goes_where_its_order_line_went():
    lines = attribution.attribute(
        orders(("2026-11-10 14:10", "甲", "直播"), ("2026-11-10 14:10", "甲", "商品卡")),
        "orders",
        NIGHT,
        rules=reference.attribution(),
    )
    frame = pd.DataFrame(
        {
            "platform": "douyin",
            "case_id": ["a", "b", "c"],
            "line_id": ["0", "1", "9"],
            "asked_at": pd.to_datetime(["2026-11-12"] * 3),
        }
    )
    cases = attribution.attribute(
        schema.conform(frame, "aftersales", ZONE),
        "aftersales",
        NIGHT,
        orders=lines,
        rules=reference.attribution(),
    )
    assert listed(cases["session_id"]) == ["s1", None, None]
    assert listed(cases["why_not"]) == [None, "not_live", "no_order"]


def test_ads_of_a_launch_need_the_title_and_a_day_needs_a_single_session():
    ads = schema.conform(
        pd.DataFrame(
            {
                "platform": "douyin",
                "title": ["晚场", "别家", None, None, None],
                "started_at": pd.to_datetime(
                    [
                        "2026-11-10 20:00:40",
                        "2026-11-10 20:00:40",
                        "2026-11-10",
                        "2026-11-09",
                        "2026-11-10 14:00",
                    ],
                    format="ISO8601",
                ),
                "slot_seconds": [None, None, 86_400, 86_400, 3_600],
            }
        ),
        "ads",
        ZONE,
    )
    titled = NIGHT[NIGHT["platform"] == "douyin"].iloc[:2].assign(title=["午场", "晚场"])
    found = attribution.attribute(ads, "ads", titled, rules=reference.attribution())
    assert listed(found["session_id"]) == ["s2", None, None, None, "s1"]
    assert listed(found["why_not"]) == [None, "no_session", "several_sessions", "no_session", None]


@settings(max_examples=60, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    starts=st.lists(st.integers(0, 2000), min_size=1, max_size=6, unique=True),
    lengths=st.lists(st.integers(5, 400), min_size=6, max_size=6),
    times=st.lists(st.integers(-50, 2600), min_size=1, max_size=20),
)
def test_attribution_agrees_with_asking_every_session_in_turn(starts, lengths, times):
    zero = at("2026-11-10 00:00")
    windows = [
        (zero + pd.Timedelta(minutes=s), zero + pd.Timedelta(minutes=s + n))
        for s, n in zip(starts, lengths, strict=False)
    ]
    known = sessions(
        *[
            (f"s{i}", "douyin", "甲", str(a.tz_localize(None)), str(b.tz_localize(None)))
            for i, (a, b) in enumerate(windows)
        ]
    )
    clocks = [zero + pd.Timedelta(minutes=t) for t in times]
    found = attribution.attribute(
        orders(*[(str(c.tz_localize(None)), "甲", "直播") for c in clocks]),
        "orders",
        known,
        rules=reference.attribution(),
    )
    for clock, session, why in zip(clocks, found["session_id"], found["why_not"], strict=True):
        held = [
            i
            for i, (a, b) in enumerate(windows)
            if a - pd.Timedelta(minutes=5) <= clock <= b + pd.Timedelta(minutes=30)
        ]
        running = [i for i in held if windows[i][0] <= clock <= windows[i][1]]
        best = running or held
        if len(best) == 1:
            assert session == f"s{best[0]}"
        else:
            assert pd.isna(session)
            assert why == ("several_sessions" if best else "no_session")


def test_the_summary_counts_every_row_once():
    found = attribution.attribute(
        orders(
            ("2026-11-10 14:10", "甲", "直播"),
            ("2026-11-10 09:00", "甲", "直播"),
            ("2026-11-10 14:10", "甲", "其他"),
        ),
        "orders",
        NIGHT,
        rules=reference.attribution(),
    )
    row = attribution.summary(found, "orders").iloc[0]
    assert (row["rows"], row["attributed"], row["no_session"], row["not_live"]) == (3, 1, 1, 1)
    assert row["share"] == pytest.approx(1 / 3)


def test_spend_in_another_currency_than_its_session_is_asked_about(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "workspace.yml").write_text("timezone: Asia/Jakarta\ncurrency: IDR\n", "utf-8")
    lives = [
        ["Livestream", "Start time", "Gross revenue", "Direct GMV"],
        ["Live", "2026-09-01 20:00", "Rp9.467.316", "Rp8.000.000"],
    ]
    spend = [
        ["LIVE name", "Launched time", "Campaign name", "Cost", "Currency"],
        ["Live", "2026-09-01 20:00:00", "one", 100, "USD"],
        ["Live", "2026-09-01 20:00:00", "two", 200000, "IDR"],
    ]
    workbook(tmp_path / "raw" / "lives.xlsx", S=lives)
    workbook(tmp_path / "raw" / "ads 2026-09-01 00 ~ 2026-09-05 23.xlsx", S=spend)
    checked = check(tmp_path)
    assert checked.table("ads")[["campaign", "cost"]].values.tolist() == [["two", 200000]]
    assert checked.names("ads 2026-09-01 00 ~ 2026-09-05 23.xlsx", "Currency", "USD / IDR")


STARTS = ["2026-09-01 20:00:00", "2026-09-02 14:00:00", "2026-09-02 20:00:00"]
GOODS = ["商品id", "场次id", "开播时间", "商品点击人数", "成交金额"]


def of_days(tmp_path, *days):
    """Sessions of three starts, and a product list whose rows are of days alone."""
    (tmp_path / "raw").mkdir()
    live = [["场次id", "开播时间", "直播间观看次数", "成交金额"]]
    live += [[str(at), start, 900, 500] for at, start in enumerate(STARTS)]
    workbook(tmp_path / "raw" / "a.xlsx", S=live)
    goods = [[f"3500{at}", "9", day, 40, 100] for at, day in enumerate(days)]
    workbook(tmp_path / "raw" / "b.xlsx", S=[GOODS, *goods])
    return check(tmp_path)


def test_a_start_that_is_a_date_alone_is_of_the_one_session_of_its_day(tmp_path):
    checked = of_days(tmp_path, "2026-09-01", "2026-09-01 20:00:00")
    ids = checked.table("products")["session_id"]
    assert checked.exit_code == 0 and set(ids) == {"20260901-2000-taobao-0000"} and len(ids) == 2


@pytest.mark.parametrize(("day", "starts"), [("2026-09-02", "14:00, 20:00"), ("2026-09-05", "-")])
def test_a_start_that_is_a_date_alone_of_none_or_several_sessions_is_asked_about(
    tmp_path, day, starts
):
    checked = of_days(tmp_path, "2026-09-01", day, day)
    assert len(checked.table("products")) == 1
    assert checked.names(
        "b.xlsx", f"Column 开播时间: 2 rows kept aside, first in row 3 ({day}: {starts})"
    )
    entry = checked.of("b.xlsx")[0]
    assert (entry["rows_in"], entry["rows_kept"], entry["rows_aside"]) == (3, 1, 2)


def test_an_audience_of_a_date_alone_is_of_the_one_session_of_its_day(tmp_path):
    (tmp_path / "raw").mkdir()
    live = [["平台", "直播间账号", "开播时间", "观看人数"], ["抖音", "a", "2026-09-01 20:00", 9]]
    people = [["开播时间", "维度", "分组", "观看人数"]]
    people += [[day, "性别", "女", 5] for day in ("2026-09-01", "2026-09-03")]
    workbook(tmp_path / "raw" / "a.xlsx", 直播场次=live, 用户画像=people)
    checked = check(tmp_path)
    audience = checked.table("audience")
    assert audience["viewers"].tolist() == [5] and audience["session_id"].notna().all()
    assert checked.names("a.xlsx", "first in row 3 (2026-09-03: -)")
