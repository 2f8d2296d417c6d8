"""Each evidence rule on a small session worked out by hand; a cause without its record is not
measurable.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from helpers import aftersales, plan, reference
from helpers.plan import causes, measures, rule_words
from helpers.plan import facts as facts_read
from helpers.reference import schema

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-11-14 20:00", tz=ZONE)


def minute(count):
    return START + pd.Timedelta(minutes=count)


def table(name, rows):
    return schema.conform(pd.DataFrame(rows), name, ZONE) if rows else schema.empty(name, ZONE)


SESSION = table(
    "sessions",
    [
        {
            "session_id": "s",
            "platform": "douyin",
            "started_at": START,
            "ended_at": minute(120),
            "host": "小夏",
        }
    ],
).iloc[0]


def facts(results=None, earlier=None, **rows):
    tables = {name: table(name, rows.get(name, [])) for name in (*facts_read.TABLES, "events")}
    past = earlier if earlier is not None else schema.empty("sessions", ZONE)
    as_of = START + pd.Timedelta(days=10)
    lines = aftersales.lines(tables["orders"], tables["aftersales"], as_of=as_of)
    return plan.Facts(SESSION, tables, results or {}, past, lines, as_of, None)


def cue(at, kind, **columns):
    return {"at": minute(at), "kind": kind, **columns}


def evidence(rule, at_least=0.0, **columns):
    return reference.Evidence(rule=rule, at_least=at_least, **columns)


KINDS = list(reference.applies().source_kinds)


def measured(rule, made, **columns):
    if "source_kind" in reference.rules()[rule].takes:
        columns = {"source_kind": KINDS} | columns
    return measures.measure(evidence(rule, **columns), made, reference.rules()[rule])


PROMPTS = [
    cue(10, "follow_prompt"),
    cue(40, "follow_prompt"),
    cue(70, "coupon", planned_at=minute(66)),
]
STOCK = [
    cue(5, "list", product_id="a", stock_after=50),
    cue(30, "stock_change", product_id="a", stock_after=0),
    cue(70, "stock_change", product_id="a", stock_after=20),
    cue(100, "stock_change", product_id="b", stock_after=0),
]
EXPLAINED = [cue(5, "explain_start", product_id="a")]
SEEN = [
    {"session_id": "s", "product_id": name, "exposure_users": 10, "tier": tier, "paid_amount": paid}
    for name, tier, paid in (("a", "traffic", 30), ("b", "profit", 60), ("c", None, 500))
]
SPLIT = pd.DataFrame(
    {
        "source": list("xyz"),
        "mix_effect": [-0.3, 0.2, 0.0],
        "rate_effect": [-0.6, 0.4, -0.3],
        "share_before": 0.2,
        "share_after": [0.4, 0.1, 0.2],
    }
)
VISITS = pd.DataFrame(
    {
        "source": list("xyz"),
        "weight_before": [100.0, 90.0, 50.0],
        "weight_after": [40.0, 70.0, 80.0],
    }
)
OWN = [{"session_id": "s", "source": name, "is_paid": name == "y"} for name in "xyz"]
CASE = {"platform": "douyin", "asked_at": START}
ANSWERED = [{**CASE, "case_id": str(i), "first_reply_at": minute(7)} for i in range(2)]
SETTLED = [{**CASE, "case_id": f"x{i}", "refunded_at": minute(600)} for i in range(2)]
STEPS = pd.DataFrame(
    {
        "factor": ["viewers", "customer_price", "click_pay_rate"],
        "contribution": [-900.0, -100.0, 800.0],
    }
)
STANDING = pd.DataFrame(
    {
        "dimension": ["source", "source", "source", "product_id"],
        "key": ["千川", "千川", "搜索", "1"],
        "slice": ["千川", "千川", "搜索", "面膜"],
        "verdict": ["worse", "worse", "cannot_tell", "better"],
        "metric": ["room_conversion", "click_pay_rate", "room_conversion", "item_click_pay_rate"],
    }
)
WAIT = [
    {"enquiry_id": str(i), "opened_at": START, "first_reply_at": minute(wait)}
    for i, wait in enumerate([1, 2, 9])
]

TALK = [
    {"session_id": "s", "at": minute(at), "online": 100, "comments": 8 if 10 <= at < 13 else 2}
    for at in range(30)
]
SAID = [{"session_id": "s", "at": minute(1), "text": "有酒精吗"}]
ASKED = pd.DataFrame(
    {
        "question": ["ingredients", "ingredients", "size"],
        "product_id": ["a", "b", "b"],
        "product": ["精华", "面膜", "面膜"],
        "users": [20, 30, 40],
        "standing": ["above", "cannot_tell", "too_few"],
    }
)


@pytest.mark.parametrize(
    ("rule", "made", "columns", "expected"),
    [
        ("stock_out_minutes", facts(cues=STOCK), {}, 40 + 20),
        ("stock_out_minutes", facts(cues=PROMPTS), {}, np.nan),  # stock is not logged at all
        ("prompts_per_hour", facts(cues=PROMPTS), {"kind": "follow_prompt"}, 1.0),
        ("max_gap_minutes", facts(cues=PROMPTS), {"kind": "follow_prompt"}, 80),
        ("max_gap_minutes", facts(cues=PROMPTS), {"kind": "activity"}, 120),
        ("kinds_used", facts(cues=PROMPTS), {"kind": ["follow_prompt", "coupon", "activity"]}, 2),
        ("cue_count", facts(cues=PROMPTS), {"kind": "violation"}, 0),
        ("cue_delay_minutes", facts(cues=PROMPTS), {"kind": "coupon"}, 4),
        ("cue_delay_minutes", facts(cues=PROMPTS), {"kind": "follow_prompt"}, np.nan),
        (
            "stage_share",
            facts(
                rundown=[
                    {"starts_at": START, "stage": "introduction"},
                    {"starts_at": minute(90), "stage": "purchase_prompt"},
                ]
            ),
            {"stage": "purchase_prompt"},
            0.25,
        ),
        ("unexplained_share", facts(cues=EXPLAINED, products=SEEN), {}, 2 / 3),
        ("unexplained_share", facts(cues=PROMPTS, products=SEEN), {}, np.nan),
        ("tier_share", facts(products=SEEN), {"tier": "profit"}, 60 / 90),
        (
            "paid_traffic_share",
            facts(
                traffic=[
                    {"session_id": "s", "source": "a", "views": 30, "is_paid": True},
                    {"session_id": "s", "source": "b", "views": 70, "is_paid": False},
                ]
            ),
            {},
            0.3,
        ),
        (
            "traffic_videos",
            facts(videos=[{"session_id": "s", "title": "v1"}, {"session_id": "s", "title": "v2"}]),
            {},
            2,
        ),
        ("source_mix_share", facts({"source_split": SPLIT}), {}, 0.1 / (0.1 + 0.6 + 0.3)),
        ("source_mix_share", facts({"source_split": SPLIT.assign(mix_effect=0.1)}), {}, 0.0),
        (
            "worse_sources",
            facts({"standing": STANDING}),
            {"metric": ["room_conversion", "click_pay_rate"]},
            1,
        ),
        ("worse_sources", facts({"standing": STANDING}), {"metric": "product_click_rate"}, np.nan),
        ("worse_products", facts({"standing": STANDING}), {"metric": "item_click_pay_rate"}, 0),
        (
            "worse_products",
            facts({"standing": STANDING.head(3)}),
            {"metric": "item_click_pay_rate"},
            np.nan,
        ),
        ("formula_share", facts({"formula_split": STEPS}), {"step": "viewers"}, 0.9),
        ("formula_share", facts({"formula_split": STEPS}), {"step": "click_pay_rate"}, 0.0),
        ("formula_share", facts({"formula_split": STEPS}), {"step": "product_click_rate"}, np.nan),
        (
            "event_count",
            facts(events=[{"starts_at": minute(-600), "kind": "outage"}], cues=STOCK),
            {"kind": "stock"},
            np.nan,
        ),  # the floor saw it, nobody entered it
        (
            "event_count",
            facts(events=[{"starts_at": minute(-600), "kind": "outage"}], cues=STOCK),
            {"kind": "outage"},
            0,
        ),
        (
            "event_count",
            facts(
                events=[
                    {"starts_at": minute(-600), "ends_at": minute(5), "kind": "outage"},
                    {"starts_at": minute(-600), "kind": "outage"},
                ]
            ),
            {"kind": "outage"},
            1,
        ),
        ("first_reply_minutes", facts(service=WAIT), {"table": "service"}, 2),
        (
            "first_reply_minutes",
            facts(aftersales=ANSWERED + SETTLED[:1]),
            {"table": "aftersales"},
            7,
        ),  # one settled at a time that nobody logged
        (
            "first_reply_minutes",
            facts(aftersales=ANSWERED + SETTLED),
            {"table": "aftersales"},
            np.nan,
        ),  # as many settled so as answered
        ("organic_fall_share", facts({"source_split": VISITS}, traffic=OWN), {}, 60 / 80),
        (
            "organic_fall_share",
            facts({"source_split": VISITS.assign(weight_after=999.0)}, traffic=OWN),
            {},
            0.0,
        ),
        ("organic_fall_share", facts({"source_split": VISITS}), {}, np.nan),
        (
            "activity_comment_ratio",
            facts(cues=[cue(10, "activity")], minutes=TALK),
            {"kind": "activity"},
            4.0,
        ),
        (
            "activity_comment_ratio",
            facts(cues=[cue(10, "coupon")], minutes=TALK),
            {"kind": "activity"},
            np.nan,
        ),
        (
            "asked_about",
            facts({"questions": ASKED}, comments=SAID),
            {"question": ["ingredients", "usage"]},
            20,
        ),
        (
            "asked_about",
            facts({"questions": ASKED}, comments=SAID),
            {"question": ["size", "usage"]},
            0,
        ),
        ("asked_about", facts(comments=SAID), {"question": "size"}, np.nan),
        ("asked_about", facts({"questions": ASKED}), {"question": "ingredients"}, np.nan),
        ("first_reply_minutes", facts(), {"table": "service"}, np.nan),
    ],
)
def test_rules_by_hand(rule, made, columns, expected):
    assert measured(rule, made, **columns) == pytest.approx(expected, nan_ok=True)


OPEN = pd.DataFrame(
    {
        "question": ["ingredients", "ingredients", "size", "stock"],
        "question_zh": ["成分", "成分", "尺码", "库存"],
        "question_en": ["Ingredients", "Ingredients", "Size", "Stock"],
        "product_id": ["a", "b", "a", "a"],
        "product": ["精华", "面膜", "精华", "精华"],
        "users": [20, 30, 12, 40],
        "comments": [23, 31, 12, 40],
        "unanswered": [23.0, 31.0, 6.0, 40.0],
        "standing": "above",
        "example": "有酒精吗",
    }
).assign(unanswered_share=lambda rows: rows["unanswered"] / rows["comments"])
BESIDE = pd.DataFrame({"product_id": ["a", "b"], "pay_standing": ["below", "cannot_tell"]})
BARE = [{"session_id": "s", "product_id": "a", "click_users": 300}]


@pytest.mark.parametrize(
    ("results", "measured_is"),
    [
        (
            {"questions": OPEN, "products_beside": BESIDE},
            20,
        ),  # the mask sells as the others do, its buyers need no answer; stock is no such question
        ({"questions": OPEN, "products_beside": BESIDE.assign(pay_standing="cannot_tell")}, 0),
        (
            {"questions": OPEN.assign(unanswered_share=0.8), "products_beside": BESIDE},
            0,
        ),  # some were answered
        (
            {
                "questions": OPEN.assign(unanswered=np.nan, unanswered_share=np.nan),
                "products_beside": BESIDE,
            },
            np.nan,
        ),  # the team's replies are not in the data
        ({"questions": OPEN}, np.nan),
    ],
)
def test_questions_without_a_written_answer_count_where_the_product_sells_less(
    results, measured_is
):
    asked = measured(
        "unanswered_about",
        facts(results, comments=SAID, products=BARE),
        question=["ingredients", "size"],
    )
    assert asked == pytest.approx(measured_is, nan_ok=True)


def test_what_was_asked_and_not_answered_is_said_with_its_numbers():
    made = causes.weigh(
        evidence("unanswered_about", 10, question="ingredients"),
        facts({"questions": OPEN, "products_beside": BESIDE}, comments=SAID, products=BARE),
        reference.rules()["unanswered_about"],
    )
    assert (
        made["evidence_zh"]
        == (
            "「精华」有 20 人问成分（例：「有酒精吗」），23 条里 23 条没有文字答复；"
            "点击后成交低于本场其他商品"
        )
        and made["about"] == "精华"
    )
    assert (
        "20 people asked about ingredients" in made["evidence_en"]
        and "23 of 23 comments got no written answer" in made["evidence_en"]
    )
    share = measured("unanswered_share", facts({"questions": OPEN}, comments=SAID))
    assert share == pytest.approx(100 / 106)


def test_the_products_that_are_asked_about_are_named():
    made = causes.weigh(
        evidence("asked_about", 10, question="ingredients"),
        facts({"questions": ASKED}, comments=SAID),
        reference.rules()["asked_about"],
    )
    assert (
        made["verdict"] == "supported"
        and made["about"] == "精华"
        and "成分与配料" in made["evidence_zh"]
    )
    missing = causes.weigh(
        evidence("asked_about", 10, question="ingredients"),
        facts(),
        reference.rules()["asked_about"],
    )
    assert missing["verdict"] == "not_measurable" and "评论弹幕" in missing["missing_zh"]


def lines_with_reasons(words):
    orders = [
        {
            "platform": "douyin",
            "session_id": "s",
            "order_id": f"o{i}",
            "line_id": f"l{i}",
            "created_at": START,
            "paid_at": START,
            "paid": 10.0,
        }
        for i in range(40)
    ]
    rows = [
        {
            "platform": "douyin",
            "case_id": f"c{i}",
            "line_id": f"l{i}",
            "kind": "return_refund",
            "status": "succeeded",
            "asked_at": minute(200),
            "reason": word,
        }
        for i, word in enumerate(words)
    ]
    return facts(orders=orders, aftersales=rows)


def test_reason_share_needs_thirty_refunds():
    assert measured(
        "reason_share", lines_with_reasons(["多拍"] * 12 + ["质量问题"] * 18), reason="ordering"
    ) == pytest.approx(0.4)
    assert (
        measured(
            "reason_share",
            lines_with_reasons(["多拍"] * 12 + ["质量问题"] * 18),
            reason=["over_ordered", "poor_quality"],
        )
        == 1
    )
    assert np.isnan(measured("reason_share", lines_with_reasons(["多拍"] * 29), reason="ordering"))


def test_late_shipping_counts_what_is_still_not_shipped_but_not_what_was_cancelled():
    due = {
        "platform": "douyin",
        "created_at": START,
        "paid_at": START,
        "promised_at": minute(600),
        "paid": 10.0,
    }
    rows = [
        {"shipped_at": minute(500)},
        {"shipped_at": minute(700)},
        {"shipped_at": None},
        {"shipped_at": None, "refunded": 10.0},
    ]
    made = facts(
        orders=[
            {**due, "order_id": f"o{i}", "line_id": f"l{i}", **row} for i, row in enumerate(rows)
        ]
    )
    assert measured("late_shipping_share", made) == pytest.approx(2 / 3)


def test_a_host_is_new_only_where_the_account_is_older():
    past = table(
        "sessions",
        [
            {
                "session_id": str(i),
                "platform": "douyin",
                "started_at": START - pd.Timedelta(days=i + 1),
                "host": "阿宁" if i else "小夏",
            }
            for i in range(20)
        ],
    )
    rule = reference.Evidence(rule="host_sessions", at_most=5)
    assert measures.measure(rule, facts(earlier=past), reference.rules()["host_sessions"]) == 1
    assert np.isnan(
        measures.measure(rule, facts(earlier=past.head(8)), reference.rules()["host_sessions"])
    )


@pytest.mark.parametrize(("host", "says"), [("阿宁", "可比的历史场次不够"), (None, "主播")])
def test_a_short_history_is_no_missing_record(host, says):
    made = dataclasses.replace(facts(), session=pd.Series({**SESSION, "host": host}))
    rule = reference.Evidence(rule="host_sessions", at_most=5)
    assert says in causes.weigh(rule, made, reference.rules()["host_sessions"])["missing_zh"]


def test_every_rule_has_a_measure_and_every_measure_a_rule():
    assert set(reference.rules()) == set(measures.MEASURES)


@pytest.mark.parametrize("name", sorted(reference.rules()))
def test_no_rule_fails_on_a_session_without_records(name):
    rule = reference.rules()[name]
    given = {
        "kind": "coupon",
        "reason": "ordering",
        "step": "viewers",
        "stage": "activity",
        "tier": "profit",
        "table": "service",
        "metric": "room_conversion",
        "question": "size",
        "source_kind": "paid",
        "by": "hour",
    }
    assert np.isnan(measured(name, facts(), **{key: given[key] for key in rule.takes}))


@pytest.mark.parametrize(
    ("value", "bound", "verdict"),
    [
        (10, {"at_least": 10}, "supported"),
        (9.9, {"at_least": 10}, "not_supported"),
        (4, {"at_most": 4}, "supported"),
        (4.1, {"at_most": 4}, "not_supported"),
        (np.nan, {"at_most": 4}, "not_measurable"),
        (np.inf, {"at_least": 3}, "supported"),
    ],
)
def test_bounds_decide(value, bound, verdict):
    assert (
        causes.verdict(value, reference.Evidence(rule="cue_count", kind="coupon", **bound))
        == verdict
    )


def test_a_judged_problem_says_what_was_measured_and_what_is_missing():
    entry = reference.playbook()["pay_low"]
    made = causes.judge(
        "pay_low", entry, facts(cues=[*STOCK, *PROMPTS]), rules=reference.rules()
    ).set_index("cause")
    assert (
        made.loc["stock_out", "verdict"] == "supported"
        and "60" in made.loc["stock_out", "evidence_zh"]
    )
    assert (
        made.loc["rare_prompts", "verdict"] == "supported"
        and made.loc["rare_prompts", "measured"] == 0
    )
    assert (
        made.loc["short_stage", "verdict"] == "not_measurable"
        and made.loc["short_stage", "missing_en"] == "Rundown"
    )
    assert made.loc["no_push", "missing_zh"] != "" and made.loc["no_push", "missing_en"].startswith(
        "recording"
    )
    assert made["verdict"].tolist() == sorted(made["verdict"], key=causes.VERDICTS.index)


def test_evidence_names_what_it_found():
    made = causes.judge(
        "room_conversion_low",
        reference.playbook()["room_conversion_low"],
        facts({"standing": STANDING}),
        rules=reference.rules(),
    ).set_index("cause")
    assert (
        made.loc["one_source", "evidence_zh"].startswith("「千川」差于自己平时：")
        and made.loc["one_source", "about"] == "千川"
    )


# ----------------------------------------------------------- every line of the playbook is reached


PLAYBOOK = reference.playbook()
LINES = [(name, cause) for name, problem in PLAYBOOK.items() for cause in problem.causes]
QUIET = [cue(10, "delist")]  # a log that holds nothing of what is asked for
HALL = {"session_id": "s", "product_id": "a", "exposure_users": 10, "paid_amount": 50}


def late_orders():
    due = {
        "platform": "douyin",
        "created_at": START,
        "paid_at": START,
        "promised_at": minute(600),
        "paid": 10.0,
        "order_id": "o",
        "line_id": "l",
        "shipped_at": minute(700),
    }
    return facts(orders=[due])


def refunded_for(reason):
    tree = reference.reasons()
    group = (
        tree[reason].reasons
        if reason in tree
        else {reason: next(one.reasons[reason] for one in tree.values() if reason in one.reasons)}
    )
    return lines_with_reasons([next(iter(group.values())).words[0]] * 30)


def slow_replies(table):
    wait = {
        "service": {"enquiry_id": "1", "opened_at": START},
        "aftersales": {
            "platform": "douyin",
            "case_id": "1",
            "line_id": "l",
            "order_id": "o",
            "asked_at": START,
        },
    }[table]
    return facts(**{table: [{**wait, "first_reply_at": minute(300)}]})


NAMES = {  # a source of each kind
    "paid": "千川",
    "followers": "关注",
    "video": "短视频",
    "search": "搜索",
    "mall": "商城",
    "recommend": "推荐feed",
    "other": "其他来源",
}


def fallen(evidence):
    """A source of the kind brings a third of what it brought in each of eight sessions."""
    name = NAMES[evidence.source_kind[0]]
    earlier = table(
        "sessions",
        [
            {
                "session_id": f"p{number}",
                "platform": "douyin",
                "started_at": START - pd.Timedelta(days=number),
                "duration_seconds": 7200.0,
            }
            for number in range(1, 9)
        ],
    )
    past = [
        {"session_id": session, "source": name, "viewers": 900 + 10 * number}
        for number, session in enumerate(earlier["session_id"])
    ]
    made = facts(earlier=earlier, traffic=[{"session_id": "s", "source": name, "viewers": 300}])
    return dataclasses.replace(made, past={"traffic": table("traffic", past)})


def step_lost(evidence):
    """An organic source loses people, by exposure or at the door."""
    made = fallen(reference.Evidence(rule="source_fall", source_kind="recommend", at_most=0.6))
    shown = 2400 if evidence.step == "room_exposure_users" else 7500
    traffic = made.tables["traffic"].assign(room_exposure_users=float(shown), is_paid=False)
    past = made.past["traffic"].assign(room_exposure_users=7500.0)
    split = pd.DataFrame(
        {"source": ["推荐feed"], "weight_before": [930.0], "weight_after": [300.0]}
    )
    return dataclasses.replace(
        made,
        tables={**made.tables, "traffic": traffic},
        past={"traffic": past},
        results={"source_split": split},
    )


def wasted(evidence):
    """Half of the spend brings two of a hundred orders, in one hour or campaign."""
    return facts(
        ads=[
            {
                "platform": "douyin",
                "session_id": "s",
                "campaign": f"计划{number}",
                "started_at": minute(60 * number),
                "slot_seconds": 3600.0,
                "cost": cost,
                "orders": orders,
            }
            for number, (cost, orders) in enumerate([(500.0, 2), (250.0, 49), (250.0, 49)])
        ]
    )


def few_orders():
    made = facts()
    three = made.session.copy()
    three["orders"] = 3
    return dataclasses.replace(made, session=three)


PLANTED = {  # for each rule a session in whose records it finds what it looks for
    "stock_out_minutes": lambda e: facts(cues=STOCK),
    "prompts_per_hour": lambda e: facts(cues=QUIET),
    "max_gap_minutes": lambda e: facts(cues=QUIET),
    "kinds_used": lambda e: facts(cues=QUIET),
    "cue_count": lambda e: facts(cues=[cue(5, kind) for kind in e.kind]),
    "cue_delay_minutes": lambda e: facts(
        cues=[cue(60, kind, planned_at=minute(30)) for kind in e.kind]
    ),
    "stage_share": lambda e: facts(rundown=[{"starts_at": START, "stage": "closing"}]),
    "unexplained_share": lambda e: facts(cues=EXPLAINED, products=SEEN),
    "source_mix_share": lambda e: facts(
        {
            "source_split": SPLIT.assign(
                mix_effect=[-0.9, -0.5, 0.0],
                share_before=0.2,
                share_after=[0.4, 0.1, 0.2],
                source=[NAMES[e.source_kind[0]], "b", "c"],
            )
        }
    ),
    "organic_fall_share": lambda e: facts({"source_split": VISITS}, traffic=OWN),
    "worse_sources": lambda e: facts(
        {
            "standing": pd.DataFrame(
                {
                    "dimension": "source",
                    "key": [NAMES[e.source_kind[0]]],
                    "slice": [NAMES[e.source_kind[0]]],
                    "verdict": "worse",
                    "metric": e.metric[:1],
                }
            )
        }
    ),
    "worse_products": lambda e: facts(
        {
            "standing": pd.DataFrame(
                {
                    "dimension": "product_id",
                    "key": ["1"],
                    "slice": ["面膜"],
                    "verdict": "worse",
                    "metric": e.metric[:1],
                }
            )
        }
    ),
    "formula_share": lambda e: facts(
        {"formula_split": pd.DataFrame({"factor": [e.step, "other"], "contribution": [-9.0, -1.0]})}
    ),
    "paid_traffic_share": lambda e: facts(
        traffic=[{"session_id": "s", "source": "a", "views": 30, "is_paid": True}]
    ),
    "traffic_videos": lambda e: facts(videos=[{"session_id": "s", "title": "v1"}]),
    "event_count": lambda e: facts(events=[{"starts_at": minute(5), "kind": e.kind[-1]}]),
    "host_sessions": lambda e: facts(earlier=pd.DataFrame({"host": ["别人"] * 30})),
    "tier_share": lambda e: facts(
        products=[{**HALL, "tier": e.tier if e.at_least is not None else "image"}]
    ),
    "reason_share": lambda e: refunded_for(e.reason[0]),
    "first_reply_minutes": lambda e: slow_replies(e.table),
    "late_shipping_share": lambda e: late_orders(),
    "organic_step_fall": step_lost,
    "source_fall": fallen,
    "ads_waste": wasted,
    "event_in_force": lambda e: facts(events=[{"starts_at": minute(-900), "kind": e.kind[-1]}]),
    "order_count": lambda e: few_orders(),
    "activity_comment_ratio": lambda e: facts(
        cues=[cue(10, kind) for kind in e.kind], minutes=TALK
    ),
    "unanswered_about": lambda e: facts(
        {"questions": OPEN, "products_beside": BESIDE}, comments=SAID, products=BARE
    ),
    "unanswered_share": lambda e: facts({"questions": OPEN}, comments=SAID),
    "asked_about": lambda e: facts(
        {"questions": ASKED.assign(question=e.question[-1])}, comments=SAID
    ),
}


@pytest.mark.parametrize(
    ("name", "cause"), LINES, ids=[f"{name}-{cause.id}" for name, cause in LINES]
)
def test_every_line_of_the_playbook_is_reached_in_both_languages(name, cause):
    made = PLANTED[cause.evidence.rule](cause.evidence) if cause.evidence else facts()
    judged = (
        causes.judge(name, PLAYBOOK[name], made, rules=reference.rules())
        .set_index("cause")
        .loc[cause.id]
    )
    wanted, said = ("supported", "evidence") if cause.measurable else ("not_measurable", "missing")
    assert (
        judged["verdict"] == wanted
        and judged["stage"] in reference.terms()["run_stage"]
        and judged["role"] in reference.terms()["role"]
    )
    assert (
        judged["zh"]
        and judged["en"]
        and judged["action_zh"] != judged["action_en"]
        and judged[f"{said}_zh"]
        and judged[f"{said}_en"]
    )
    assert not [
        letter for letter in judged["action_en"] + judged["en"] if "\u4e00" <= letter <= "\u9fff"
    ]
    without = (
        causes.judge(name, PLAYBOOK[name], facts(), rules=reference.rules())
        .set_index("cause")
        .loc[cause.id]
    )
    assert without["verdict"] == "not_measurable" and without["missing_en"]


def test_twenty_rules_and_more_fire():
    assert set(PLANTED) == set(reference.rules()) == set(measures.MEASURES) and len(PLANTED) >= 20


@pytest.mark.parametrize(
    ("kind", "cause"),
    [
        ("outage", "interrupted"),
        ("suspended", "interrupted"),
        ("slot_change", "slot_or_tag"),
        ("tag_change", "slot_or_tag"),
        ("platform_redesign", "redesign"),
        ("violation", "violation_logged"),
    ],
)
def test_each_logged_event_is_read_by_its_own_cause_alone(kind, cause):
    made = causes.judge(
        "traffic_low",
        PLAYBOOK["traffic_low"],
        facts(events=[{"starts_at": minute(5), "kind": kind}]),
        rules=reference.rules(),
    )
    assert made.loc[made["verdict"] == "supported", "cause"].tolist() == [cause]


def test_no_event_stands_for_two_causes_of_a_problem():
    for problem in PLAYBOOK.values():
        kinds = [
            kind
            for cause in problem.causes
            if cause.evidence and cause.evidence.rule == "event_count"
            for kind in cause.evidence.kind
        ]
        assert len(kinds) == len(set(kinds))


def test_facts_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        facts().as_of = START


@pytest.mark.parametrize(
    ("found", "made", "said"),
    [
        (
            evidence("event_count", 1, kind="stock"),
            facts(events=[{"starts_at": minute(-600), "kind": "outage"}], cues=STOCK),
            ("事件表没有登记", "库存"),
        ),
        (
            evidence("late_shipping_share", 0.05),
            facts(orders=[{"order_id": "1", "paid_at": START}]),
            ("订单明细里的「承诺发货时间」",),
        ),
        (
            evidence("reason_share", 0.2, reason="quality"),
            facts(
                orders=[{"order_id": "1", "paid_at": START}],
                aftersales=[{"case_id": "1", "order_id": "1", "asked_at": minute(9)}],
            ),
            ("退款订单只有", "满 30 条"),
        ),
        (
            evidence("first_reply_minutes", 60, table="aftersales"),
            facts(aftersales=[{"case_id": "1", "order_id": "1", "asked_at": minute(9)}]),
            ("售后单里的「首次响应时间」",),
        ),
        (evidence("stock_out_minutes", 10), facts(), ("场控记录",)),
    ],
)
def test_what_is_missing_is_named_and_no_table_that_is_there(found, made, said):
    weighed = causes.weigh(found, made, reference.rules()[found.rule])
    assert weighed["verdict"] == "not_measurable" and all(
        words in weighed["missing_zh"] for words in said
    )
    assert weighed["missing_zh"] not in {"订单明细", "订单明细、售后单", "售后单", "事件"} and not [
        letter for letter in weighed["missing_en"] if "\u4e00" <= letter <= "\u9fff"
    ]


@pytest.mark.parametrize("rule", rule_words.READS)
def test_a_rule_reads_a_column_that_there_is(rule):
    table, column = rule_words.READS[rule]
    assert column in reference.tables()[table].columns and rule in measures.MEASURES
