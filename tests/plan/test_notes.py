"""Notes in the words that teams use get the verdict that the records of their subject give."""

import dataclasses

import pandas as pd
import pytest

from helpers import plan, reference
from helpers.core import findings
from helpers.plan import note_subjects
from tests.plan.labelled_notes import BORNE, FIRST, HELD_OUT
from tests.plan.planted_sessions import finding
from tests.plan.test_causes import facts, lines_with_reasons, minute, table

REGISTRY, PLAYBOOK = reference.registry(), reference.playbook()
REASONS = ["多拍"] * 20 + ["质量问题"] * 12 + ["七天无理由"] * 8
VERDICTS = pd.DataFrame(
    {
        "metric": ["viewers", "follow_rate", "interaction_rate", "customer_price"],
        "verdict": ["worse", "worse", "better", "cannot_tell"],
        "value": [600.0, 0.01, 0.06, 88.0],
        "baseline": [1000.0, 0.02, 0.04, 90.0],
    }
)


def evening():
    online = [100 if number < 60 or number > 64 else 50 for number in range(120)]
    told = ["这个多少钱"] * 24 + ["什么尺码"] + ["来了来了"] * 60
    made = facts(
        traffic=[
            {
                "session_id": "s",
                "source": "千川",
                "viewers": 300,
                "avg_watch_seconds": 18.0,
                "is_paid": True,
            },
            {"session_id": "s", "source": "关注", "viewers": 200, "avg_watch_seconds": 95.0},
            {"session_id": "s", "source": "推荐feed", "viewers": 500, "avg_watch_seconds": 66.0},
        ],
        videos=[
            {"session_id": "s", "title": name, "posted_at": minute(-60 * hours)}
            for name, hours in (("a", 1), ("b", 2))
        ],
        minutes=[{"at": minute(number), "online": online[number]} for number in range(120)],
        comments=[
            {"at": minute(5), "text": words, "speaker": "viewer", "user_key": f"u{number}"}
            for number, words in enumerate(told)
        ],
    )
    back = lines_with_reasons(REASONS)
    session = made.session.copy()
    session["avg_watch_seconds"] = 60.0
    return dataclasses.replace(made, lines=back.lines, session=session)


def checked(labelled, severity=None):
    rows = [
        {
            "role": "operations",
            "dimension": dimension,
            "problem": words,
            "severity": severity,
            "session_started_at": minute(0),
        }
        for dimension, words, _ in labelled
    ]
    made = evening()
    worse = [finding(metric, REGISTRY) for metric in ("viewers", "follow_rate")]
    seen = plan.problems(
        findings.frame(worse),
        PLAYBOOK,
        table("notes", []),
        suspected=findings.frame([]),
        registry=REGISTRY,
    )
    weighed = plan.judge_causes(PLAYBOOK, PLAYBOOK, made, rules=reference.rules())
    return plan.check_notes(
        table("notes", rows), seen, PLAYBOOK, VERDICTS, weighed, registry=REGISTRY, facts=made
    )


@pytest.mark.parametrize("labelled", [FIRST, HELD_OUT], ids=["first", "held_out"])
def test_nine_in_ten_notes_are_judged_right_and_none_is_wrongly_borne_out(labelled):
    made = checked(labelled)
    wanted = [verdict for _, _, verdict in labelled]
    right = made["verdict"].eq(pd.Series(wanted))
    wrong = made.loc[~right, ["problem", "verdict"]].to_numpy().tolist()
    assert right.mean() >= 0.9, wrong
    borne = made["verdict"].isin(["borne_out"]) & pd.Series(wanted).ne(BORNE)
    assert not borne.any(), made.loc[borne, "problem"].tolist()


def test_a_note_is_answered_with_the_figure():
    made = checked([("traffic", "千川来的人留不住", ""), ("aftersales", "多拍退款的很多", "")])
    assert made["evidence_zh"].tolist() == [
        "「千川」人均停留 18 秒，全场 60 秒",
        "退款里写明原因的 40 单，多拍 20 单",
    ]


def test_what_a_severe_note_says_and_the_data_bear_out_is_planned():
    told = table(
        "notes",
        [
            {
                "role": "service",
                "dimension": "aftersales",
                "problem": words,
                "severity": severity,
                "session_started_at": minute(0),
            }
            for words, severity in (("多拍退款的很多", "high"), ("第60分钟卡了", "low"))
        ],
    )
    made = note_subjects.severe(told, evening(), VERDICTS)
    assert list(made) == ["returns_high.mistaken_orders"]
