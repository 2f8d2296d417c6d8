"""Waiting times of customer service against published survival tables."""

import numpy as np
import pandas as pd
import pytest

from helpers import plan, reference
from helpers.aftersales import service
from helpers.core import findings
from helpers.plan import causes
from helpers.reference import schema
from tests.sold_lines import DAY, NO_CASES, START, ZONE, cases, orders

FREIREICH = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def enquiries():
    """The 6-MP arm of Freireich et al. 1963 as waits in seconds.

    The last twelve are censored (resolved without a reply).
    """
    seconds = pd.to_timedelta(FREIREICH, unit="s")
    answered = np.arange(21) < 9
    made = pd.DataFrame({"enquiry_id": [str(i) for i in range(21)], "opened_at": START})
    made["first_reply_at"] = (START + seconds).where(answered)
    made["resolved_at"] = (START + seconds).where(~answered)
    return schema.conform(made, "service", ZONE)


def test_first_response_is_the_published_kaplan_meier():
    """Freireich: S(6) = .857, S(10) = .753, S(22) = .538, median 23."""
    made = service.first_response(enquiries(), as_of=START + DAY)
    assert made == service.Response(21, 9, 23.0)
    within = service.answered_within(enquiries(), as_of=START + DAY, marks=(6, 10, 22))
    assert (1 - within["rate"]).round(3).tolist() == [0.857, 0.753, 0.538]
    assert (1 - within["ci_upper"][0], 1 - within["ci_lower"][0]) == pytest.approx(
        (0.620, 0.952), abs=1e-3
    )


def test_unanswered_enquiries_are_not_left_out():
    waiting = enquiries().assign(first_reply_at=pd.NaT, resolved_at=pd.NaT)
    waiting = schema.conform(waiting, "service", ZONE)
    assert service.first_response(waiting, as_of=START + DAY).median == np.inf
    assert np.isnan(service.first_response(waiting.head(0), as_of=START + DAY).median)


RULES = reference.service()
HOUR, SECOND = pd.Timedelta(hours=1), pd.Timedelta(seconds=1)


def asked(waits, session="s1", **columns):
    """Enquiries of a session a day ago, answered after so many seconds (None: never)."""
    reply = [START + wait * SECOND if wait is not None else pd.NaT for wait in waits]
    made = pd.DataFrame(
        {
            "session_id": session,
            "enquiry_id": [f"{session}-{i}" for i in range(len(waits))],
            "opened_at": START,
            "first_reply_at": reply,
            **columns,
        }
    )
    return schema.conform(made, "service", ZONE)


def test_settling_is_published_kaplan_meier_too_and_open_ones_are_censored():
    """The arm of Freireich et al. as times to the end: the same median as for first replies."""
    seconds, done = pd.to_timedelta(FREIREICH, unit="s"), np.arange(21) < 9
    opened = START - seconds.where(
        ~done, pd.Timedelta(days=2)
    )  # what is open has waited so long at the moment of looking
    made = pd.DataFrame(
        {
            "enquiry_id": [str(i) for i in range(21)],
            "opened_at": opened,
            "resolved_at": (opened + seconds).where(done),
        }
    )
    assert service.first_response(
        schema.conform(made, "service", ZONE), as_of=START, step="settled"
    ) == service.Response(21, 9, 23.0)


def test_queues_show_only_steps_that_somebody_records():
    made = service.responses(
        {
            "service": (asked([10, None]), "opened_at"),
            "aftersales": (cases([{"closed_at": START + 2 * DAY}]), "asked_at"),
        },
        as_of=START + 3 * DAY,
        marks=RULES.marks,
    )
    assert made.groupby("queue")["step"].unique().map(list).to_dict() == {
        "service": ["first_reply"],
        "aftersales": ["settled"],
    }
    assert made.loc[made["queue"] == "service", "seconds"].tolist() == [15, 30, 180]


def test_a_queue_whose_replies_are_hardly_recorded_is_not_called_slow():
    """Ten settled, one of them with a reply: a sentence and no share within a limit."""
    few, most = (
        cases(
            [
                {
                    "first_reply_at": START + HOUR if i < known else None,
                    "closed_at": START + 2 * HOUR,
                }
                for i in range(10)
            ]
        )
        for known in (1, 6)
    )
    options = {"as_of": START + 3 * DAY}
    for table, steps in ((few, ["settled"]), (most, ["first_reply", "settled"])):
        made = service.responses({"aftersales": (table, "asked_at")}, marks=RULES.marks, **options)
        assert made["step"].unique().tolist() == steps
    said = [
        service.sparse_note("aftersales", few, opened="asked_at", lang=lang, **options)
        for lang in ("zh", "en")
    ]
    assert (
        "10 件里解决了 10 件" in said[0]
        and "只有 1 件" in said[0]
        and "10 of 10" in said[1]
        and "only 1 " in said[1]
    )
    assert service.sparse_note("aftersales", most, opened="asked_at", lang="en", **options) == ""


def test_in_time_is_by_the_clock_unless_the_team_states_it():
    table = asked([10, 180, 181, None, None], replied_in_time=[None, None, None, None, True])
    at = (START + HOUR, START + 60 * SECOND)
    later, soon = (
        service.marked(table, as_of=moment, seconds=180)["replied_in_time"] for moment in at
    )
    assert later.tolist() == [True, True, False, False, True]
    assert soon[0] == True and soon[1:4].isna().all()  # noqa: E712  the flag is nullable
    assert (
        service.marked(asked([None, None]), as_of=at[0], seconds=180)["replied_in_time"]
        .isna()
        .all()
    )


@pytest.mark.parametrize(
    ("waits", "past", "verdict"),
    [
        ([400] * 40 + [20] * 60, [], "worse"),  # clearly under the target, no history
        ([20] * 100, [], "cannot_tell"),
        (
            [400] * 10 + [20] * 90,
            [[400] * 2 + [20] * 98] * 6,
            "worse",
        ),  # within the target, clearly under its own past
        ([400] * 2 + [20] * 98, [[400] * 30 + [20] * 70] * 6, "better"),
        ([None] * 40 + [20] * 60, [[20] * 60] * 2, "worse"),  # the unanswered count
        ([], [], None),
    ],
)
def test_slow_replies_are_told_by_target_and_by_the_own_past(waits, past, verdict):
    earlier = pd.concat(
        [asked([]), *(asked(each, f"old{i}") for i, each in enumerate(past))], ignore_index=True
    )
    made = service.reply_findings(
        asked(waits), earlier, as_of=START + DAY, rules=RULES, notebook="05_aftersales"
    )
    assert [row["verdict"] for row in made] == ([verdict] if verdict else [])


def test_slow_replies_become_a_problem_of_the_plan_with_its_cause():
    """A finding of notebook 05 becomes a problem with its cause, and a row of the plan."""
    waits = [400] * 40 + [100] * 60
    playbook, registry = reference.playbook(), reference.registry()
    told = findings.frame(
        service.reply_findings(
            asked(waits), asked([]), as_of=START + DAY, rules=RULES, notebook="05_aftersales"
        )
    )
    notes = schema.empty("notes", ZONE)
    found = plan.problems(told, playbook, notes, suspected=findings.frame([]), registry=registry)
    assert found["problem"].tolist() == ["replies_slow"]
    tables = {
        name: schema.empty(name, ZONE)
        for name in (
            "cues",
            "rundown",
            "products",
            "traffic",
            "videos",
            "orders",
            "aftersales",
            "events",
        )
    }
    facts = causes.Facts(
        pd.Series({"started_at": START, "ended_at": START + HOUR}),
        {**tables, "service": asked(waits)},
        {},
        pd.DataFrame(),
        pd.DataFrame(),
        START + DAY,
        None,
    )
    judged = plan.judge_causes(found["problem"], playbook, facts, rules=reference.rules())
    made = plan.draft(
        found,
        judged,
        playbook,
        session_id="s1",
        verdicts=pd.DataFrame(),
        checked=pd.DataFrame(),
        registry=registry,
        told=told,
    )
    assert (
        (made["metric"] == "reply_in_time_rate").all()
        and made["owner_role"].tolist() == ["service"]
        and "3" in made["evidence_zh"].iloc[0]
    )


def test_the_work_list_has_what_runs_out_first_and_nothing_of_the_buyer():
    now = START + 10 * DAY
    rows = [
        {"status": "open", "due_at": now - HOUR, "refunded_at": None},
        {"status": "open", "due_at": now + 23 * HOUR, "refunded_at": None},
        {"status": "open", "due_at": now + 25 * HOUR, "refunded_at": None},
        {"status": "succeeded", "due_at": now},
        {"status": "open", "asked_at": now - 119 * HOUR, "due_at": None, "refunded_at": None},
        {"status": "open", "asked_at": now + HOUR, "refunded_at": None},
    ]
    made = service.open_cases(cases(rows), as_of=now, rules=RULES)
    assert made["case_id"].tolist() == ["c0", "c4", "c1"] and made[
        "hours_left"
    ].tolist() == pytest.approx([-1, 1, 23])
    assert made["assumed"].tolist() == [False, True, False] and made.attrs["open"] == 4
    assert set(made.columns) == {
        "case_id",
        "kind",
        "product_name",
        "asked_at",
        "due_at",
        "assumed",
        "hours_left",
    }
    assert service.open_cases(NO_CASES, as_of=now, rules=RULES).empty


@pytest.mark.parametrize(
    ("hours", "zh", "en"),
    [
        (-36.35, "超时 36 小时", "36 h overdue"),
        (-0.5, "超时 30 分钟", "30 min overdue"),
        (23.9, "还剩 24 小时", "24 h left"),
        (0.0, "还剩 0 分钟", "0 min left"),
        (-0.999, "超时 1 小时", "1 h overdue"),
    ],
)
def test_a_case_says_how_long_it_is_overdue_or_has_left(hours, zh, en):
    assert (service.left_said(hours, "zh"), service.left_said(hours, "en")) == (zh, en)


def shipped(hours, **columns):
    """Orders promised within 48 hours and shipped after so many (None: not yet)."""
    gone = [START + wait * HOUR if wait is not None else pd.NaT for wait in hours]
    return orders(len(hours), shipped_at=gone, promised_at=START + 48 * HOUR, **columns)


def test_shipping_as_promised_against_what_happened():
    table = shipped(
        [10, 48, 50, None, None, 70],
        product_id=["a", "a", "a", "a", "b", "b"],
        product_name=["a", "a", "a", "a", "b", "b"],
        refunded=[0, 0, 0, 0, 100.0, 0],
    )
    made = service.shipping(table, as_of=START + 60 * HOUR)
    assert made.loc[0, ["due", "late", "waiting"]].tolist() == [
        5,
        3,
        2,
    ]  # the cancelled one is nobody's delay
    assert made.loc[1:, "product_name"].tolist() == ["a", "b"] and made.loc[
        1:, "late"
    ].tolist() == [2, 1]
    assert made.loc[0, "hours_late"] == 12
    assert (
        service.shipping(table, as_of=START + HOUR).empty
        and service.shipping(table.head(0), as_of=START).empty
    )


def test_late_lines_of_two_products_of_one_name_are_not_added_up():
    table = shipped([50, 50, 50, 10], product_id=["p1", "p1", "p2", "p2"], product_name="面膜")
    made = service.shipping(table, as_of=START + 60 * HOUR)
    assert made[["product_name", "due", "late"]].fillna("").values.tolist() == [
        ["", 4, 3],
        ["面膜", 2, 2],
        ["面膜", 2, 1],
    ]


def test_the_six_tasks_have_a_figure_or_say_why_not():
    table = shipped(
        [10, 60, 20, 20],
        finished_at=[START + 6 * DAY, pd.NaT, pd.NaT, pd.NaT],
        refunded=[0, 0, 100.0, 0],
    )
    talks = asked(
        [10, 400],
        called_back=[True, False],
        disputed=[True, False],
        resolved_at=[START + HOUR, pd.NaT],
    )
    quarrel = cases([{"disputed": True, "closed_at": None, "status": "open"}, {"disputed": False}])
    made = service.tasks(table, quarrel, talks, as_of=START + 30 * DAY, rules=RULES).set_index(
        "task"
    )
    assert made["done"].to_dict() == {
        "answered": 1,
        "shipped": 3,
        "tracked": 0,
        "received": 1,
        "called": 1,
        "disputes": 1,
    }
    assert made["n"].to_dict() == {
        "answered": 2,
        "shipped": 4,
        "tracked": 0,
        "received": 3,
        "called": 2,
        "disputes": 2,
    }
    assert made["lacks_zh"].ne("").tolist() == [False, False, True, False, False, False]
    assert made.loc["tracked", ["lacks_zh", "lacks_en"]].tolist() == [
        "缺：订单里的物流更新时间",
        "missing: tracking times in the orders",
    ]
    young = service.tasks(
        table, NO_CASES, asked([]), as_of=START + 30 * HOUR, rules=RULES
    ).set_index("task")
    assert (
        young.loc["shipped", "lacks_zh"] == "承诺时间还没到"
        and young.loc["received", "lacks_en"] == "shipped less than 15 days ago"
    )
    nothing = service.tasks(table.head(0), NO_CASES, asked([]), as_of=START, rules=RULES)
    assert nothing["value"].isna().all() and nothing["lacks_en"].ne("").all()


def test_reviews_of_two_months_and_incidents_in_the_order_of_time():
    at = [START - days * DAY for days in (1, 2, 29, 31, 90)]
    table = schema.conform(
        pd.DataFrame(
            {
                "at": at,
                "rating": [5, 1, 2, 4, 1],
                "reason": ["", "漏液", "漏液", "", ""],
                "shop_score": [4.8, 4.7, None, 4.9, 1],
            }
        ),
        "reviews",
        ZONE,
    )
    made = service.reviews(table, as_of=START, rules=RULES)
    assert (
        made["n"].tolist() == [3, 1]
        and made["bad"].tolist() == [2, 0]
        and made["shop_score"].tolist() == [4.8, 4.9]
        and made.loc[0, "reason"] == "漏液"
    )
    assert made.loc[0, "rating"] == pytest.approx(8 / 3)
    public = schema.conform(
        pd.DataFrame(
            {
                "at": [START - DAY, START - 9 * DAY, START - 99 * DAY, START + DAY],
                "what": list("abcd"),
            }
        ),
        "incidents",
        ZONE,
    )
    assert service.incidents(public, as_of=START)["what"].tolist() == ["b", "a"]


def test_disputes_where_they_are_recorded():
    made = service.disputes(
        NO_CASES, asked([1] * 4, disputed=[True, False, False, None]), as_of=START + DAY
    )
    assert made[["queue", "n", "disputed"]].to_numpy().tolist() == [["service", 3, 1]]
