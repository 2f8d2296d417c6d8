"""Settlements by session against sums done by hand, to the cent."""

import pandas as pd
import pytest

from helpers import aftersales
from helpers.aftersales import profit, settlement
from helpers.reference import schema
from tests.sold_lines import DAY, NO_CASES, START, ZONE, cases, orders


def bill(rows):
    """Rows of a settlement bill or of the fund bill; those without a session name a reason."""
    frame = pd.DataFrame(
        [
            {
                "platform": "douyin",
                "entry_id": f"e{number}",
                "settled_at": START + 20 * DAY,
                "why_not": None if row.get("session_id") else "no_order",
                **row,
            }
            for number, row in enumerate(rows)
        ]
    )
    kept = schema.conform(frame, "settlements", ZONE)
    return kept.assign(why_not=frame.get("why_not", pd.Series(dtype="str")).astype("str"))


def sold(count=4, refunds=(), **columns):
    return aftersales.lines(
        orders(count, **columns),
        cases(list(refunds)) if refunds else NO_CASES,
        as_of=START + 30 * DAY,
    )


FIRST = {"session_id": "s1", "scene": "首笔结算"}


def test_several_rows_of_a_line_are_added_to_the_cent_and_the_rest_is_still_out():
    """Four lines of 100: one settled with a later compensation, one refunded in part, one whole."""
    lines = sold(refunds=[{"line_id": "l1", "amount": 30.55}, {"line_id": "l2", "amount": 100.0}])
    rows = bill(
        [
            FIRST
            | {"line_id": "l0", "user_paid": 100.0, "settled": 93.1, "platform_fee": -4.9}
            | {"commission": -2.0, "order_id": "o0"},
            {"session_id": "s1", "line_id": "l0", "scene": "售后补偿", "settled": -0.2},
            {"session_id": "s1", "line_id": "l0", "scene": "运费险", "settled": -0.1},
        ]
    )
    row = settlement.by_session(lines, settlement.counted(rows)).iloc[0]
    assert (row["n"], row["paid_amount"], row["refunded_amount"]) == (4, 400.0, 130.55)
    assert (row["settled_n"], row["settled"]) == (1, 92.8)  # 93.10 − 0.20 − 0.10
    assert (row["platform_fee"], row["commission"]) == (-4.9, -2.0)
    assert (row["open_n"], row["outstanding"]) == (2, 169.45)  # l1: 69.45, l3: 100


def test_a_line_with_an_insurance_row_alone_is_not_settled():
    insured = {"scene": "运费险", "settled": -0.8, "settled_at": START}
    rows = bill([{"session_id": "s1", "line_id": "l0", **insured}])
    row = settlement.by_session(sold(2), settlement.counted(rows)).iloc[0]
    assert (row["settled_n"], row["settled"], row["open_n"]) == (0, -0.8, 2)
    assert row["outstanding"] == 200.0


def test_rows_that_no_session_can_claim_stand_by_reason_and_kind():
    """Of the case `settlement_adjustments`: 45.00 − 12.50 of a session, −30.00 − 8.00 of none."""
    rows = bill(
        [
            FIRST | {"line_id": "l0", "user_paid": 50.0, "settled": 45.0, "platform_fee": -5.0},
            {"session_id": "s1", "line_id": "l1", "scene": "退款结算", "settled": -12.5},
            {"scene": "平台赔付扣款", "settled": -30.0},
            {"scene": "运费险", "order_id": "o9", "settled": -8.0},
            {"scene": "首笔结算", "line_id": "x", "settled": 7.1, "why_not": "not_live"},
            {"scene": "首笔结算", "line_id": "y", "settled": 0.2, "why_not": "not_live"},
        ]
    )
    kept = settlement.counted(rows)
    apart = settlement.unclaimed(kept)
    assert apart[["why_not", "scene", "n", "settled"]].values.tolist() == [
        ["no_order", "平台赔付扣款", 1, -30.0],
        ["no_order", "运费险", 1, -8.0],
        ["not_live", "首笔结算", 2, 7.3],
    ]
    assert apart["why_zh"].tolist() == ["找不到订单", "找不到订单", "非直播成交"]
    of_session = settlement.by_session(sold(2), kept)["settled"].sum()
    assert round(of_session + apart["settled"].sum(), 2) == round(rows["settled"].sum(), 2) == 1.8
    zh = settlement.total_words(kept, rows, "zh")
    assert "6 笔 ¥1.80" in zh and "2 笔 ¥32.50" in zh and "4 笔 -¥30.70" in zh.replace("−", "-")


def test_money_of_the_bill_is_not_counted_once_more_from_the_fund_bill():
    """A movement out is below zero whether or not the file writes its minus."""
    rows = bill(
        [
            FIRST | {"line_id": "l0", "order_id": "o0", "user_paid": 100.0, "settled": 95.0},
            {"session_id": "s1", "line_id": "l0", "flow": "in", "settled": 95.0},
            {"order_id": "o0", "flow": "out", "settled": 3.0},
            {"session_id": "s1", "line_id": "l1", "flow": "in", "user_paid": 50.0, "settled": 47.5},
            {"flow": "out", "scene": "权益保险", "settled": 22.86},
            {"flow": "out", "scene": "提现", "settled": -10.0},
        ]
    )
    kept = settlement.counted(rows)
    assert kept["settled"].tolist() == [95.0, 47.5, -22.86, -10.0]
    assert "2 笔与结算账单是同一笔钱" in settlement.total_words(kept, rows, "zh")
    assert settlement.by_session(sold(2), kept)["settled"].tolist() == [142.5]


def test_what_an_old_session_has_out_is_unknown_where_its_bills_may_not_be_there():
    """The bill begins on day 20; nothing was settled in less than five days."""
    early = sold(2, session_id="s0", line_id=["a", "b"], order_id=["a", "b"])
    day = START + 15 * DAY
    late = sold(2, paid_at=day, created_at=day)
    paid = {"user_paid": 100.0, "settled": 95.0}
    rows = bill([{"session_id": "s0", "line_id": "a", **paid}, FIRST | {"line_id": "l0", **paid}])
    table = settlement.by_session(pd.concat([early, late], ignore_index=True), rows)
    assert table["session_id"].tolist() == ["s1", "s0"]
    assert table["open_n"].tolist() == [1, pd.NA] and table["outstanding"].isna().tolist() == [
        False,
        True,
    ]
    assert "更早的结算账单没有导出" in settlement.standing(table, "s0", "zh")


@pytest.mark.parametrize(
    ("lines", "zh", "en"),
    [
        ((), "未扣平台费、未结算", "before platform fee, not settled"),
        ((0,), "2 单只结算了 1 单（已知平台费 ¥4.90）", "1 of 2 order lines settled"),
        ((0, 1), "未扣平台费 ¥9.80，订单已结算", "before the platform fee of ¥9.80"),
    ],
)
def test_profit_says_that_the_platform_fee_is_not_off_and_what_is_settled(lines, zh, en):
    rows = bill(
        [
            FIRST
            | {"settled_at": START, "line_id": f"l{number}", "user_paid": 100.0}
            | {"settled": 95.1, "platform_fee": -4.9}
            for number in lines
        ]
        or [{"settled_at": START, "scene": "平台赔付扣款", "settled": -30.0}]
    )
    table = settlement.by_session(sold(2), settlement.counted(rows))
    fees = {lang: settlement.standing(table, "s1", lang) for lang in ("zh", "en")}
    assert zh in fees["zh"] and en in fees["en"]
    session = pd.Series(
        {"session_id": "s1", "paid_amount": 200.0, "commission": 0.0, "goods_cost": 50.0}
    )
    made = profit.statement(
        session,
        costs=schema.empty("costs", ZONE),
        units=pd.DataFrame({"product_id": [], "units": []}),
        refunded=0.0,
        fees=fees,
    )
    assert made.iloc[-1]["amount"] == 150.0 and made.iloc[-1]["fees_zh"] == fees["zh"]
    sentence = profit.profit_findings(made, pd.DataFrame(), notebook="05_aftersales", as_of=START)[
        0
    ]["sentence_zh"]
    assert f"净利 ¥150（{fees['zh']}；" in sentence


def test_without_any_settlement_every_line_is_still_out():
    table = settlement.by_session(sold(3), schema.empty("settlements", ZONE))
    assert table[["settled_n", "open_n", "outstanding"]].values.tolist() == [[0, 3, 300.0]]
    assert settlement.unclaimed(schema.empty("settlements", ZONE)).empty
