"""What stands beside the figures of the first screen: causes borne out, what can be won back,
what usual means.
"""

import pandas as pd
import pytest

from helpers import compare, reference, split
from helpers.aftersales import profit
from helpers.plan import closing, parts, verification, won_back
from helpers.report import first_screen
from tests.sample_review import results, screen

REGISTRY = reference.registry()
FINDING = {
    "id": "F03-000002",
    "slice": "甲 (1)",
    "metric": "item_click_pay_rate",
    "verdict": "worse",
}


def problems():
    return pd.DataFrame(
        {"problem": ["click_pay_low", "pay_low"], "findings": ["F09-000000,F03-000002", ""]}
    )


def judged(**own):
    row = {
        "problem": "click_pay_low",
        "verdict": "supported",
        "rule": "stock_out_minutes",
        "parts": parts.packed({"2": "乙", "1": "甲"}),
        "measured": 40.0,
        "zh": "主推商品断货",
        "en": "Sold out",
    }
    return pd.DataFrame([{**row, **own}])


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({}, "记录支持的原因：断货 40 分钟。"),
        ({"parts": parts.packed({"2": "乙"})}, ""),
        ({"verdict": "not_supported"}, ""),
        ({"problem": "pay_low"}, ""),
        ({"rule": "worse_products"}, ""),  # which product fell is what the finding says already
        (
            {"rule": "cue_delay_minutes", "parts": ""},
            "",
        ),  # of the whole session: nothing about this product
    ],
)
def test_a_finding_says_the_cause_that_the_records_bear_out(own, said):
    assert (
        won_back.cause_words(won_back.borne_out(FINDING, problems(), judged(**own)), "zh") == said
    )


def test_of_the_whole_session_any_measured_cause_counts_and_each_rule_once():
    late = {
        "rule": "cue_delay_minutes",
        "parts": "",
        "measured": 4.66,
        "zh": "优惠券发放不及时",
        "en": "Coupons came late",
    }
    found = won_back.borne_out(
        {**FINDING, "slice": ""},
        problems(),
        pd.concat([judged(**late), judged(**late), judged()], ignore_index=True),
    )
    assert won_back.cause_words(found, "en") == (
        "Borne out by the records: Coupons came late (average delay behind plan in "
        "minutes 4.7), sold out for 40 minutes."
    )


def lines(**own):
    row = {
        "kind": "product",
        "unit": "1",
        "metric": "item_click_create_rate",
        "below": "click_users",
        "above": "create_users",
        "chance": 0.9,
        "rank": 2.0,
        "money": 278.4,
        "label_zh": "下单",
        "label_en": "ordering",
    }
    return pd.DataFrame([{**row, **own}])


@pytest.mark.parametrize(
    ("table", "money"),
    [
        (lines(), 278.4),
        (lines(unit="2"), None),
        (lines(chance=0.4), None),
        (lines(kind="cell"), None),
        (
            lines(below="exposure_users", above="click_users", metric="item_click_rate"),
            None,
        ),  # the step before the metric's first
        (
            pd.concat(
                [
                    lines(rank=1.0),
                    lines(metric="item_click_pay_rate", above="pay_users", money=99.0),
                ],
                ignore_index=True,
            ),
            99.0,
        ),
        (
            pd.concat(
                [
                    lines(),
                    lines(rank=1.0, below="create_users", above="pay_users", metric="x", money=5.0),
                ],
                ignore_index=True,
            ),
            5.0,
        ),
    ],
)
def test_what_can_be_won_back_is_that_of_the_same_step_else_the_foremost_inside_it(table, money):
    found = won_back.won_back(FINDING, table, REGISTRY)
    assert (None if found is None else found["money"]) == money


def test_the_words_name_the_step_and_leave_the_minutes_sold_out_apart():
    causes = (judged(verdict="not_supported"), judged())  # sold out: not borne out, and borne out
    told = [
        won_back.won_back_words(
            FINDING, lines(), gone, registry=REGISTRY, lang=lang, currency="CNY"
        )
        for gone in causes
        for lang in ("zh", "en")
    ]
    assert told == [
        "其中补得回约 ¥278（在「下单」这一步）",
        "of it, about ¥278 can be won back (at the step ordering)",
        "断货的时段之外，补得回约 ¥278（在「下单」这一步）",
        "outside the minutes sold out, about ¥278 can be won back (at the step ordering)",
    ]
    assert (
        won_back.won_back_words(
            FINDING, lines(unit="2"), judged(), registry=REGISTRY, lang="zh", currency="CNY"
        )
        == ""
    )


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_first_screen_does_not_deny_a_cause_that_it_knows(lang):
    said = split.CAUSES["product"]
    argument = pd.DataFrame(
        {
            "part": ["judgement"],
            "sentence_zh": [said[0] + "。再说"],
            "sentence_en": [said[1] + ". More"],
        }
    )
    found = results()["findings"].assign(metric="item_click_pay_rate")
    known = {
        "argument": argument,
        "findings": found,
        "problems": problems(),
        "opportunity": lines(metric="item_click_pay_rate"),
    }
    unsaid, told = (
        screen(lang, {**results(), **known, "causes": table})
        for table in (judged(verdict="not_supported"), judged())
    )
    assert (
        split.OPEN[lang == "en"] in unsaid["why"][0]["words"]
        and split.OPEN[lang == "en"] not in told["why"][0]["words"]
    )
    assert (
        told["why"][0]["words"]
        == {"zh": "问题在商品：个别商品变差。", "en": "single products did worse."}[lang]
    )
    first = told["findings"][0]
    assert (
        "40" in first["cause"]
        and "¥278" in first["won_back"]
        and unsaid["findings"][0]["cause"] == ""
    )
    assert told["amounts"].startswith({"zh": "“约少”", "en": "“Less”"}[lang])


# -------------------------------------------------------------------------------- what usual means


def usual_of(**changed):
    zone = "Asia/Shanghai"
    starts = pd.to_datetime(
        [f"2026-09-{day:02d} 20:00" for day in (1, 3, 5, 8, 20, 25)]
    ).tz_localize(zone)
    sessions = pd.DataFrame(
        {
            "session_id": list("abcdef"),
            "platform": "douyin",
            "room": ["1"] * 4 + ["2", "1"],
            "host": ["甲", "乙", "甲", "乙", "乙", "甲"],
            "started_at": starts,
            "ended_at": starts + pd.Timedelta(hours=2),
            "duration_seconds": 7200.0,
            "paid_amount": [100.0, 100, 100, 400, 900, 100],
        }
    ).assign(**changed)
    comparable = (
        sessions[["session_id", "started_at", "host"]]
        .iloc[:5]
        .assign(chosen=[True, True, True, False, False])
    )
    log = pd.DataFrame(
        {
            "what": ["改版", "太早", "断流"],
            "stays": [True, True, False],
            "starts_at": pd.to_datetime(["2026-09-06", "2026-09-02", "2026-09-06"]).tz_localize(
                zone
            ),
        }
    )
    return compare.usual(log, comparable, sessions, "f", calendar=[]).iloc[0]


def test_usual_is_said_with_its_sessions_hosts_and_what_changed_since():
    """Session d, of the same room, is the one before: 400 in two hours against 100."""
    row = usual_of()
    assert row["n"] == 3 and row["previous_change"] == pytest.approx(100 / 400 - 1)
    assert compare.usual_words(row.to_dict(), "zh") == [
        (
            "“平时”是 2026-09-01 至 09-05 的 3 场可比场次（甲 2、乙 1）；此后登记的「改版」"
            "（09-06）"
            "都含在与平时的差别里。"
        ),
        "与上一场（09-08 20:00，同为非大促）比，每小时支付金额 −75%。",
    ]
    assert (
        compare.usual_words(row.to_dict(), "en")[1]
        == "Against the session before (09-08 20:00, both: no festival), paid amount per hour −75%."
    )


def test_without_comparable_or_earlier_sessions_nothing_is_said_of_usual():
    row = usual_of(room=list("123456")).to_dict()
    assert (
        len(compare.usual_words(row, "zh")) == 1
        and compare.usual_words({**row, "n": 0}, "zh") == []
    )
    apart = {**usual_of().to_dict(), "previous_festival": "双11 2026"}
    assert (
        "（09-08 20:00，双11 2026，本场非大促）" in compare.usual_words(apart, "zh")[1]
        and "(09-08 20:00, 双11 2026; this one: no festival)" in compare.usual_words(apart, "en")[1]
    )


# -------------------------------------------------------------------------------- money in the end


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_cards_of_money_say_what_it_comes_to_and_what_profit_lacks(lang):
    net = pd.DataFrame(
        {
            "line": ["refunded", "expected_refunds", "expected_net"],
            "amount": [100.0, 300.0, 2_000.0],
            "lower": [100.0, 200, 1_900],
            "upper": [100.0, 400, 2_100],
        }
    )
    later = pd.DataFrame(
        {"line": ["expected_profit"], "amount": [700.0], "lower": [650.0], "upper": [750.0]}
    )
    told = pd.DataFrame(
        {
            "line": ["paid", "refunds", "coupon", "staff", "profit"],
            "amount": [3_000.0, -100, -20, -50, 900],
            "measurable": True,
            "missing_zh": "",
            "missing_en": "",
        }
    )
    cards = {
        card["name"]: card
        for card in screen(
            lang, {**results(), "net": net, "profit": told, "profit_expected": later}
        )["cards"]
    }
    kept, earned = (
        next(card for name, card in cards.items() if name.startswith(start))
        for start in ({"zh": ("退后", "净利"), "en": ("Net", "Profit")}[lang])
    )
    assert (
        "¥2,000" in kept["expected"]
        and "¥1,900" in kept["expected"]
        and "¥2,100" in kept["expected"]
    )
    assert earned["value"] == "¥900" and all(
        number in earned["expected"] for number in ("¥700", "¥650", "¥750")
    )
    assert {
        "zh": "未计入运费、包装、退货运费险；优惠券算商家另付",
        "en": (
            "not included: freight, packaging, return-freight insurance; coupons count as "
            "paid on top by the shop"
        ),
    }[lang] in earned["range"]
    bare = told[~told["line"].isin(["coupon", "staff"])]
    assert profit.left_out(bare, lang).endswith({"zh": "工资", "en": "wages"}[lang]) and {
        "zh": "优惠券",
        "en": "oupons",
    }[lang] not in profit.left_out_note(bare, lang)
    assert {"zh": "扣了两次", "en": "taken off twice"}[lang] in profit.left_out_note(told, lang)


# -------------------------------------------------------------------------------- verified actions


@pytest.mark.parametrize(
    ("verdict", "final", "said"),
    [
        ("effective", True, "有效"),
        ("effective", False, "目前有效，未看满"),
        ("harmful", False, "目前适得其反，未看满"),
        ("cannot_tell", False, "无法判断"),
        ("not_done", False, "未执行"),
    ],
)
def test_a_verified_action_is_called_the_same_in_table_sentence_and_record(verdict, final, said):
    row = {"verdict": verdict, "final": final}
    assert reference.terms()["plan_verdict"][verification.status(row)].zh == said
    assert first_screen.SIGNS.get(verification.status(row)) == first_screen.SIGNS.get(
        verdict
    )  # a verdict so far has the sign of the verdict


def test_the_closing_page_the_record_and_the_next_session_count_one_action_alike():
    checked = pd.DataFrame(
        {
            "plan_id": ["P-1", "P-2"],
            "verdict": ["effective", "cannot_tell"],
            "final": [False, False],
            "dimension": "fans",
            "problem": "",
            "cause": "",
            "owner_role": "host",
            "effect": [1.0, 0.0],
        }
    )
    counts = verification.track_record(checked, {}).iloc[0]
    assert (counts["judged"], counts["effective_so_far"], counts["running"]) == (0, 1, 2)
    assert verification.record_sentence(verification.track_record(checked, {}), lang="zh").endswith(
        "另有 1 条目前有效，未看满。"
    )
    assert closing.on_verdicts(checked) == (
        "执行了的：目前有效，未看满 1；无法判断 1。",
        "Of those done: effective so far, not final 1; cannot tell 1.",
    )


def test_what_happened_since_the_plan_is_said_beside_its_verdict():
    """The festival touches the day after the plan; of three logged events one came into force in
    between.
    """
    zone = "Asia/Shanghai"
    at = pd.to_datetime(["2026-11-08 20:00", "2026-11-14 20:00"]).tz_localize(zone)
    sessions = pd.DataFrame({"session_id": ["a", "b"], "started_at": at, "platform": "douyin"})
    log = pd.DataFrame(
        {
            "what": ["早", "中、下午", "晚"],
            "from": pd.to_datetime(["2026-11-01", "2026-11-10", "2026-11-20"]).tz_localize(zone),
        }
    )
    plans = pd.DataFrame({"plan_id": ["P-1", "P-2"], "session_id": ["a", "gone"]})
    checked = won_back.with_meanwhile(plans, log, sessions, "b", calendar=reference.calendar())
    assert checked["meanwhile_zh"].tolist() == ["双11 2026、中、下午", ""]
    assert (
        won_back.meanwhile_words({"slice": "P-1"}, checked, "en")
        == "Meanwhile: 双11 2026, 中、下午; the change need not be this action's alone."
    )
    assert (
        won_back.meanwhile_words({"slice": "P-2"}, checked, "zh")
        == won_back.meanwhile_words({"slice": "x"}, checked, "zh")
        == ""
    )
