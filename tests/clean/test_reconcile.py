"""Parts against totals, the platform's rates against its counts, and the sentence about both."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import clean, reference
from helpers.clean import data_quality, impossible_values, reconcile
from helpers.clean.notes import note
from helpers.reference import schema
from helpers.report import first_screen

ZONE = "Asia/Shanghai"
UNCOMPARED = pd.DataFrame({"light": ["grey"], "metric": None, "label_zh": "甲", "label_en": "A"})
THRESHOLDS = {"reconcile_green": 0.01, "reconcile_amber": 0.05}


def session(**values: float) -> pd.Series:
    row = {
        "session_id": "s",
        "platform": "douyin",
        "started_at": pd.Timestamp("2026-11-10", tz=ZONE),
        **values,
    }
    return schema.conform(pd.DataFrame([row]), "sessions", ZONE).iloc[0]


def products(*rows: tuple[str, str | None, float, float, float]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["product_id", "sku_id", "orders", "units", "paid_amount"])
    return schema.conform(frame.assign(session_id="s"), "products", ZONE)


@pytest.mark.parametrize(
    ("paid", "light"),
    [(1000, "green"), (1009, "green"), (1040, "amber"), (1100, "red"), (None, "grey")],
)
def test_the_light_follows_the_relative_difference(paid, light):
    checked = reconcile.checks(
        session(paid_amount=1000.0),
        {"products": products(("p", None, 1, 1, paid))},
        thresholds=THRESHOLDS,
        definitions=reference.definitions(),
    )
    assert checked.set_index("check").loc["products.paid_amount", "light"] == light


def test_sku_rows_are_not_counted_on_top_of_their_product():
    rows = products(("p", None, 3, 4, 90), ("p", "red", 1, 1, 30), ("p", "blue", 2, 3, 60))
    checked = reconcile.checks(
        session(orders=3.0, units=4.0, paid_amount=90.0),
        {"products": rows},
        thresholds=THRESHOLDS,
        definitions=reference.definitions(),
    ).set_index("check")
    assert checked.loc[
        ["products.orders", "products.units", "products.paid_amount"], "parts"
    ].tolist() == [3, 4, 90]


def test_only_paid_orders_count_and_an_order_of_two_lines_is_one_order():
    lines = pd.DataFrame(
        {
            "platform": "douyin",
            "order_id": ["1", "1", "2"],
            "line_id": ["1a", "1b", "2a"],
            "qty": [1, 2, 5],
            "paid": [10.0, 20.0, 50.0],
            "created_at": pd.Timestamp("2026-11-10", tz=ZONE),
            "paid_at": [pd.Timestamp("2026-11-10", tz=ZONE)] * 2 + [pd.NaT],
        }
    )
    checked = reconcile.checks(
        session(orders=1.0, units=3.0, paid_amount=30.0),
        {"orders": schema.conform(lines, "orders", ZONE)},
        thresholds=THRESHOLDS,
        definitions=reference.definitions(),
    ).set_index("check")
    assert (
        checked.loc[["orders.orders", "orders.units", "orders.paid_amount"], "light"].tolist()
        == ["green"] * 3
    )


def test_the_quality_sentence_states_shares_without_a_session_and_names_only_some_files():
    files = pd.DataFrame(
        {
            "file": list("abcde"),
            "rows_in": 0,
            "rows_kept": 0,
            "rows_totals": 0,
            "rows_aside": 0,
            "problem": note("empty"),
            "table": None,
        }
    )
    attributed = pd.DataFrame(
        {
            "table": ["orders", "aftersales", "ads"],
            "share": [0.946, float("nan"), 0.5],
            "not_live": [30, 0, 0],
            "no_session": [24, 0, 0],
        }
    ).assign(no_time=0, several_sessions=0, no_order=0)
    row = data_quality.quality(files, UNCOMPARED, attributed, {}).iloc[0]
    assert (
        "5.4%" in row["sentence_zh"]
        and "5.4% of the order lines belong to no session, mostly: not sold live."
        in row["sentence_en"]
        and "主要是非直播成交" in row["sentence_zh"]
        and "50" not in row["sentence_en"]
    )
    assert "a, b, c and 2 more" in row["sentence_en"] and "a、b、c 等 5 个" in row["sentence_zh"]


def test_a_platform_rate_is_held_against_its_own_counts():
    reported = pd.DataFrame(
        {
            "session_id": "s",
            "name": ["CTR", "GPM", "wrong", "unknown"],
            "value": [0.25, 5.0, 0.5, 1.0],
            "numerator": ["product_click_times", "paid_amount", "orders", "orders"],
            "denominator": ["views", "views", "views", "nothing"],
            "factor": [None, 1000.0, None, None],
        }
    )
    found = reconcile.rates(
        reported,
        session(product_click_times=50.0, views=200.0, paid_amount=1.0, orders=2.0),
        tolerance=0.01,
    )
    assert found.set_index("name")["light"].to_dict() == {
        "CTR": "green",
        "GPM": "green",
        "wrong": "red",
    }
    assert found.set_index("name")["unit"].to_dict() == {
        "CTR": "percent",
        "GPM": "money",
        "wrong": "percent",
    }  # money per thousand views is money
    hourly = reported.head(1).assign(
        name="per hour",
        value=200.0,
        numerator="viewers",
        denominator="duration_seconds",
        factor=3600.0,
    )
    row = reconcile.rates(
        hourly, session(viewers=100.0, duration_seconds=1800.0), tolerance=0.01
    ).iloc[0]
    assert (row["unit"], row["recomputed"], row["formula_zh"]) == (
        "users",
        200,
        "观看人数 ÷ 直播时长（小时）",
    )


def test_one_verdict_and_one_table_answer_what_a_reader_asks_of_the_data():
    files = pd.DataFrame(
        {
            "file": ["a.csv", "b.csv", "c.xlsx"],
            "table": ["orders", None, "orders"],
            "problem": [None, note("empty"), None],
            "rows_in": [10, 0, 5],
            "rows_kept": [7, 0, 5],
            "rows_totals": 0,
            "rows_aside": [3, 0, 0],
        }
    )
    aside = pd.DataFrame({"reason": ["not_a_date", "duplicate", "not_a_date"]})
    checked = pd.DataFrame(
        {
            "light": ["green", "amber", "grey"],
            "metric": ["paid_amount", "orders", "orders"],
            "label_zh": ["甲", "乙", "丙"],
            "label_en": ["A", "B", "C"],
        }
    )
    flags = pd.DataFrame({"reason": ["above"]})
    verdict = data_quality.quality(
        files, checked, pd.DataFrame(), {"orders": True, "comments": False}
    ).iloc[0]
    table = data_quality.overview(
        verdict, files, aside, checked, flags, partly={"zh": [], "en": []}
    )
    assert table["answer_zh"].tolist() == ["1 个没读成", "3 行搁置", "有差异", "1 处", "缺 1 种"]
    assert table["because_zh"].tolist() == [
        "b.csv",
        "不是日期时间 2；重复行（保留最后一行） 1",
        "2 项核对里 1 项一致；不一致：乙；1 项没法核对",
        "前者不可能大于后者 1",
        "评论弹幕",
    ]
    assert table["because_en"].tolist()[2] == "1 of 2 checks agree; not: B; not compared: 1"
    zh, en = (data_quality.verdict_words(verdict, lang) for lang in ("zh", "en"))
    assert (
        zh.startswith("可以用，但")
        and "1 个文件没有读成" in zh
        and "3 行搁置" in zh
        and "1 files could not be read" in en
    )
    clean = pd.Series({**verdict, "light": "green", "unread": 0, "rows_aside": 0})
    assert data_quality.verdict_words(clean, "zh") == "可以用：钱和单对得上。"
    empty = data_quality.overview(
        clean,
        files.drop(index=1),
        aside.iloc[:0],
        checked.head(1),
        flags.iloc[:0],
        partly={"zh": [], "en": []},
    )
    assert empty["answer_en"].tolist()[:4] == ["yes", "none", "Agrees", "none"]
    whole = clean.copy()
    whole["missing"] = ""
    some = data_quality.overview(
        whole,
        files.drop(index=1),
        aside.iloc[:0],
        checked.head(1),
        flags.iloc[:0],
        partly={
            "zh": ["2 个指标算不出：甲、乙。", "投放漏斗画不出。"],
            "en": ["2 metrics cannot be computed."],
        },
    )
    assert some[["answer_zh", "because_zh", "answer_en", "because_en"]].values.tolist()[-1] == [
        "表都有，表里缺几栏",
        "2 个指标算不出：甲、乙；投放漏斗画不出",
        "no table, some columns",
        "2 metrics cannot be computed",
    ]


def test_worst_light_wins_and_grey_means_that_nothing_was_checked():
    assert [
        data_quality.worst(pd.Series(lights))
        for lights in (["green", "red"], ["grey", "amber", "green"], ["grey", "grey"])
    ] == ["red", "amber", "grey"]


def test_the_quality_sentence_states_rows_and_what_is_missing():
    files = pd.DataFrame(
        {
            "file": ["a", "a", "b"],
            "rows_in": [10, 5, 1],
            "rows_kept": [9, 4, 0],
            "rows_totals": [0, 1, 0],
            "rows_aside": [1, 0, 1],
            "problem": [None, note("one_record", rows=3), note("pdf")],
            "table": ["sessions", "orders", None],
        }
    )
    checked = UNCOMPARED.assign(light="green", metric="paid_amount")
    row = data_quality.quality(
        files, checked, pd.DataFrame(), {"orders": False, "products": True}
    ).iloc[0]
    assert (
        row["files"],
        row["unread"],
        row["rows_in"],
        row["rows_kept"],
        row["rows_totals"],
        row["rows_aside"],
    ) == (2, 1, 16, 13, 1, 2)
    assert (
        row["missing"] == "orders"
        and "未能读入：b。" in row["sentence_zh"]
        and "Not read: b." in row["sentence_en"]
    )
    assert reference.tables()["orders"].zh in row["sentence_zh"] and "13 kept" in row["sentence_en"]
    clean = data_quality.quality(files.assign(problem=None), checked, pd.DataFrame(), {}).iloc[0]
    assert (
        "没有读不了的文件" in clean["sentence_zh"]
        and "Every file could be read." in clean["sentence_en"]
    )


@pytest.mark.parametrize(
    ("light", "asked", "shown", "zh", "en"),
    [
        ("green", 3, "▲", "一致，有 3 处没看懂", "Agrees; 3 things were not understood"),
        ("red", 1, "◆", "对不上，有 1 处没看懂", "Does not reconcile; 1 thing was not understood"),
        (
            "grey",
            1_200,
            "○",
            "无法核对，有 1,200 处没看懂",
            "Cannot be checked; 1,200 things were not understood",
        ),
        ("green", 0, "●", "一致", "Agrees"),
    ],
)
def test_open_questions_stand_beside_the_light_and_in_its_sentence(light, asked, shown, zh, en):
    files = pd.DataFrame(
        [{"file": "a", "rows_in": 9, "rows_kept": 9, "rows_totals": 0, "rows_aside": 0}]
    ).assign(problem=None, table="sessions")
    checked = UNCOMPARED.assign(light=light, metric="paid_amount")
    frame = data_quality.quality(files, checked, pd.DataFrame(), {}, asked=asked)
    first = {lang: first_screen.quality(frame, lang) for lang in ("zh", "en")}
    assert {words["sign"] for words in first.values()} == {shown}
    assert (first["zh"]["light"], first["en"]["light"]) == (zh, en)
    for lang, open_ in (("zh", zh.partition("，")[2]), ("en", en.partition("; ")[2])):
        assert open_ in first[lang]["words"]
    assert "understood" not in data_quality.quality(files, checked, pd.DataFrame(), {}).to_json()


def orders(paid: float) -> pd.DataFrame:
    line = {
        "platform": "douyin",
        "order_id": "1",
        "line_id": "1a",
        "qty": 1,
        "paid": paid,
        "created_at": pd.Timestamp("2026-11-10", tz=ZONE),
        "paid_at": pd.Timestamp("2026-11-10", tz=ZONE),
    }
    return schema.conform(pd.DataFrame([line]), "orders", ZONE)


SAMPLE = {
    "paid_amount": 61045.3,
    "user_paid_amount": 59847.17,
    "net_1h_amount": 50512.9,
    "refund_1h_amount": 10532.4,
    "refund_amount": 14603.08,
}


@pytest.mark.parametrize(
    ("parts", "light", "says"),
    [
        (61045.3, "green", None),
        (59847.17, "amber", "用户支付金额"),
        (50512.9, "amber", "只扣1小时内退款"),
        (61045.3 - 14603.08, "amber", "减至今退款"),
        (30000.0, "red", None),
    ],
)
def test_a_definition_that_explains_a_difference_is_named(parts, light, says):
    """The published sample row of the Compass list.

    Each of its own amounts is recognised for what it is.
    """
    row = (
        reconcile.checks(
            session(**SAMPLE),
            {"orders": orders(parts)},
            thresholds=THRESHOLDS,
            definitions=reference.definitions(),
        )
        .set_index("check")
        .loc["orders.paid_amount"]
    )
    assert row["light"] == light
    assert (
        pd.isna(row["note_zh"])
        if says is None
        else says in row["note_zh"] and "another definition" in row["note_en"]
    )


def test_a_session_without_paid_amount_is_held_against_what_users_paid():
    """The whole-session download of 2026 has 用户支付金额 alone, and its products too."""
    rows = products(("p", None, 1, 1, 236552.0))
    row = (
        reconcile.checks(
            session(user_paid_amount=236552.0, created_amount=300000.0),
            {"products": rows},
            thresholds=THRESHOLDS,
            definitions=reference.definitions(),
        )
        .set_index("check")
        .loc["products.paid_amount"]
    )
    assert (row["total"], row["light"]) == (236552, "green") and "用户支付金额" in row["note_zh"]
    unpaid = (
        reconcile.checks(
            session(created_amount=300000.0),
            {"products": rows},
            thresholds=THRESHOLDS,
            definitions=reference.definitions(),
        )
        .set_index("check")
        .loc["products.paid_amount"]
    )
    assert unpaid["light"] == "grey", "what was created never stands in for what was paid"


def test_every_definition_is_a_sum_of_session_columns_of_the_sample():
    row = session(**SAMPLE)
    values = [
        sum(row[name] for name in each.terms) - sum(row[name] for name in each.minus)
        for each in reference.definitions()["paid_amount"]
    ]
    assert [round(value, 2) for value in values if pd.notna(value)] == [
        59847.17,
        50512.9,
        50512.9,
        46442.22,
    ]


@pytest.mark.parametrize(
    ("older", "hours", "light"),
    [(1000.0, 40, "green"), (1030.0, 40, "amber"), (500.0, 40, "red"), (500.0, 4, "amber")],
)
def test_two_exports_of_one_session_are_held_against_each_other(older, hours, light):
    end = pd.Timestamp("2026-11-10 23:00", tz=ZONE)
    rows = [
        {
            "session_id": "s",
            "platform": "douyin",
            "started_at": end - pd.Timedelta(hours=3),
            "ended_at": end,
            "paid_amount": paid,
            "as_of": end + pd.Timedelta(hours=late),
        }
        for paid, late in ((older, hours), (1000.0, 200))
    ]
    frame = schema.conform(pd.DataFrame(rows), "sessions", ZONE).assign(
        source_file=["老.xlsx", "新.xlsx"]
    )
    (found,) = reconcile.exports(frame, thresholds=THRESHOLDS).to_dict("records")
    assert (found["check"], found["total"], found["parts"], found["light"]) == (
        "exports.paid_amount",
        1000,
        older,
        light,
    )
    assert "老.xlsx" in found["label_zh"] and (found["note_zh"] is not None) == (hours == 4)
    assert reconcile.exports(frame.iloc[1:], thresholds=THRESHOLDS).empty
    with_session = reconcile.checks(
        session(paid_amount=1000.0),
        {},
        thresholds=THRESHOLDS,
        files=frame,
        definitions=reference.definitions(),
    )
    assert (
        with_session["check"].tolist()[-1] == "exports.paid_amount"
        and with_session.iloc[-1]["light"] == light
    )


# ---- values that cannot be

ABOVE = [
    (table, low, high)
    for table, entry in reference.tables().items()
    for low, highs in entry.never_above.items()
    for high in highs
]


@pytest.mark.parametrize(("table", "low", "high"), ABOVE)
def test_every_limit_flags_the_row_that_breaks_it_and_no_other(table, low, high):
    kind = reference.tables()[table].columns[low].kind
    assert reference.tables()[table].columns[high].kind == kind or {
        kind,
        reference.tables()[table].columns[high].kind,
    } <= {"users", "times", "count", "score"}
    one, two = (
        (pd.Timestamp("2026-11-10", tz=ZONE), pd.Timestamp("2026-11-11", tz=ZONE))
        if kind == "datetime"
        else (1.0, 2.0)
    )
    frame = pd.DataFrame(
        {
            low: [one, two, one, two],
            high: [two, one, one, None],
            "source_file": "f.xlsx",
            "source_sheet": "S",
            "source_row": [2, 3, 4, 5],
        }
    )
    if kind == "datetime":
        frame[high] = pd.to_datetime(frame[high])
    found = impossible_values.impossible({table: frame})
    assert found[["table", "file", "sheet", "row", "column", "reason"]].values.tolist() == [
        [table, "f.xlsx", "S", 3, f"{low}+{high}", "above"]
    ]
    assert len(frame) == 4, "rows are flagged, not dropped"


def test_a_minute_with_orders_and_nobody_online_is_a_gap_in_the_recording():
    frame = pd.DataFrame(
        {
            "online": [0.0, 0.0, 5.0, None],
            "orders": [1.0, 0.0, 1.0, 2.0],
            "product_click_users": [3.0, 0.0, 2.0, 1.0],
            "product_exposure_users": [0.0, 0.0, 1.0, None],
            "source_file": "m.xlsx",
            "source_sheet": "S",
            "source_row": [2, 3, 4, 5],
        }
    )
    found = impossible_values.impossible({"minutes": frame})
    assert found[["row", "column", "value", "reason"]].values.tolist() == [
        [2, "product_click_users+product_exposure_users", "3, 0", "without"],
        [2, "product_click_users+online", "3, 0", "without"],
        [2, "orders+online", "1, 0", "without"],
    ]
    assert impossible_values.impossible(
        {"minutes": frame[["orders", "product_click_users"]]}
    ).empty, "an export without the column says nothing of it"


def test_sums_of_cents_are_not_above_themselves():
    frame = pd.DataFrame({"paid_amount": [0.1 + 0.2], "created_amount": [0.3]})
    assert impossible_values.impossible({"sessions": frame}).empty


def test_a_rate_of_people_above_one_cannot_be_but_events_per_person_can():
    reported = pd.DataFrame(
        {
            "name": ["成交率", "人均评论", "千次"],
            "value": [1.2, 3.0, 50.0],
            "numerator": ["pay_users", "comments", "paid_amount"],
            "denominator": ["viewers", "viewers", "views"],
            "factor": [1.0, 1.0, 1000.0],
            "source_file": "f",
            "source_sheet": "S",
            "source_row": 2,
        }
    )
    assert impossible_values.impossible({"reported": reported})[
        ["column", "value", "reason"]
    ].values.tolist() == [["成交率", "1.2", "above_one"]]


def test_an_impossible_cell_sets_its_row_aside_with_the_reason(tmp_path):
    from tests.made_files import SESSION, load, named, workbook

    bad = [
        {**SESSION, "直播间观看人数": -3},
        {**SESSION, "直播开始时间": "2026/09/11 08:00:00", "观看老粉占比": "140%"},
    ]
    reading = load(workbook(tmp_path / "x.xlsx", S=named(SESSION, *bad)))
    assert reading.tables == {}
    assert reading.aside[["row", "column", "value", "reason"]].values.tolist() == [
        [2, "直播间观看人数", "-3", "impossible"],
        [3, "观看老粉占比", "140%", "impossible"],
    ]


def test_the_reasons_of_flags_have_words():
    assert {"above", "above_one", "without"} <= set(reference.terms()["reason"])


def test_of_a_whole_simulated_account_nothing_is_impossible_but_the_planted_row(demo_workspace):
    import json

    workspace = clean.Workspace.open(demo_workspace)
    planted = [
        row
        for row in json.loads((demo_workspace / "truth.json").read_text(encoding="utf-8"))[
            "dirty_rows"
        ]
        if row["what"] == "negative_amount"
    ]
    flags = impossible_values.impossible(
        {name: clean.read_table(workspace, name) for name in reference.tables()}
    )
    assert flags.empty
    aside = clean.read_table(workspace, "aside").query("reason == 'impossible'")
    assert set(zip(aside["file"], aside["row"].astype(int), strict=True)) == {
        (row["file"], row["row"]) for row in planted
    }


# ---- days beside sessions


def day_tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """A day that agrees, one whose second session is not there, one that states nothing."""

    def at(words: str) -> pd.Timestamp:
        return pd.Timestamp(words, tz=ZONE)

    stated = pd.DataFrame(
        [
            {"day": at("2026-11-01"), "session_count": 2, "viewers": 1500, "views": 3000}
            | {"live_seconds": 7250, "new_fans": 30, "refund_amount": 12.5},
            {"day": at("2026-11-02"), "session_count": 2, "viewers": 900, "views": 4000},
            {"day": at("2026-11-03"), "seeded_paid_amount": 70.0},
            {"day": at("2026-11-09"), "session_count": 1},
        ]
    ).assign(platform="douyin", room_name="木木")
    held = pd.DataFrame(
        [
            {"started_at": at("2026-11-01 10:00"), "viewers": 1000, "views": 1800}
            | {"duration_seconds": 3600, "new_fans": 10, "paid_amount": 100.0},
            {"started_at": at("2026-11-01 23:30"), "viewers": 800, "views": 1200}
            | {"duration_seconds": 3600, "new_fans": 20, "paid_amount": 50.5},
            {"started_at": at("2026-11-02 20:00"), "viewers": 1000, "views": 2000}
            | {"duration_seconds": 3600, "new_fans": 5, "paid_amount": 80.0},
        ]
    ).assign(platform="douyin", room_name="木木", session_id=["a", "b", "c"])
    sold = pd.DataFrame(
        {
            "session_id": ["a", None, None, None],
            "paid_at": [at(f"2026-11-0{day} 12:00") for day in (1, 1, 1, 2)],
            "paid": [100.0, 20.0, 3.3, None],
            "created_at": at("2026-11-01 09:00"),
            "order_id": [*"wxyz"],
            "line_id": [*"wxyz"],
            "platform": "douyin",
        }
    )
    frames = {"days": stated, "sessions": held, "orders": sold}
    return tuple(schema.conform(frame, name, ZONE) for name, frame in frames.items())


def test_a_day_stands_beside_the_sum_of_its_sessions_and_what_was_sold_outside():
    stated, held, sold = day_tables()
    table = reconcile.days(
        stated, held, sold, until=pd.Timestamp("2026-11-03 20:00", tz=ZONE), tolerance=0.01
    )
    assert table["day"].dt.day.tolist() == [3, 2, 1]  # the 9th is yet to come
    assert table["n"].tolist() == [0, 1, 2]
    assert table["live_paid"].iloc[1:].tolist() == [80.0, 150.5]
    assert table["outside_paid"].iloc[1:].tolist() == [0.0, 23.3]
    assert table["matches"].tolist() == [pd.NA, False, True]
    assert table["differs_zh"].tolist() == [
        "没有可比的数",
        "开播场次：日 2，场次 1；观看次数：日 4,000，场次 2,000；观看人数：日 900，场次 1,000",
        "一致",
    ]
    assert reconcile.day_words(table, "en") == (
        "Of 3 days with figures 2 can be held against their sessions; 1 differ (11-02): exports of "
        "sessions may be missing, or the day holds another account; export the list of sessions of "
        "those days again."
    )


def test_a_sum_that_lacks_a_session_and_a_day_of_another_account_are_not_held_against_each_other():
    stated, held, sold = day_tables()
    held = held.assign(views=held["views"].where(held["session_id"] != "c"))
    other = stated.assign(room_name="别家")
    until = pd.Timestamp("2026-11-03 20:00", tz=ZONE)
    table = reconcile.days(
        pd.concat([stated, other], ignore_index=True), held, sold, until=until, tolerance=0.01
    )
    mine = table[(table["room_name"] == "木木") & (table["day"].dt.day == 2)]
    assert "观看次数" not in mine["differs_zh"].item()
    assert table["outside_paid"].isna().all()  # whose order it was is not said
    empty = reconcile.days(
        schema.empty("days", ZONE), held, schema.empty("orders", ZONE), until=until, tolerance=0.01
    )
    assert empty.empty and "matches" in empty
