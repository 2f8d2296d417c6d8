"""Sixty sessions with one planted fault each get the actions that fit and none that do not."""

import re

import numpy as np
import pandas as pd
import pytest

from helpers import aftersales, plan, reference
from helpers.core import findings
from helpers.plan import facts as facts_read
from helpers.plan import worth
from helpers.reference import schema
from tests.plan.planted_sessions import PLANTED, START, ZONE, finding, minute, past_start

REGISTRY, PLAYBOOK, RULES = reference.registry(), reference.playbook(), reference.rules()
TABLES = (*facts_read.TABLES, "events")
SESSION = {
    "session_id": "s",
    "platform": "douyin",
    "started_at": START,
    "ended_at": minute(120),
    "duration_seconds": 7200.0,
    "host": "老主播",
    "currency": "CNY",
    "viewers": 1500,
    "views": 2000,
    "orders": 60,
    "pay_users": 50,
    "paid_amount": 4000.0,
    "new_fans": 20,
    "comments": 80,
}


def table(name, rows):
    return schema.conform(pd.DataFrame(rows), name, ZONE) if rows else schema.empty(name, ZONE)


def earlier_sessions(count=10, growth=0.0, host="老主播", hosted=("", 0)):
    rows = []
    for number in range(1, count + 1):
        level = (1 + growth) ** (-3 * number / 7)
        rows.append(
            SESSION
            | {
                "session_id": f"s{number}",
                "started_at": past_start(number),
                "ended_at": minute(120, past_start(number)),
                "viewers": round(1000 * level * (1 + 0.01 * (number % 3 - 1))),
                "host": hosted[0] if number <= hosted[1] else host,
            }
        )
    return table("sessions", rows)


def made(case):
    """The facts, findings and results of a constructed session."""
    session = table("sessions", [SESSION | case.session]).iloc[0]
    own = {"session_id": "s"}
    tables = {
        name: table(name, [own | row for row in case.tables.get(name, [])]) for name in TABLES
    }
    past = {name: table(name, case.past.get(name, [])) for name in ("traffic", "cues")}
    as_of = START + pd.Timedelta(days=10)
    results = dict(case.results)
    if case.standing:
        results["standing"] = pd.DataFrame(list(case.standing))
    facts = plan.Facts(
        session,
        tables,
        results,
        earlier_sessions(**case.earlier),
        aftersales.lines(tables["orders"], tables["aftersales"], as_of=as_of),
        as_of,
        None,
        past,
        pd.DataFrame(list(case.plans)),
        pd.DataFrame(list(case.goals)),
    )
    rows = [finding(metric, REGISTRY, **columns) for metric, columns in case.found]
    return facts, findings.frame(rows)


def drafted(case):
    facts, found = made(case)
    suspected = plan.raised(PLAYBOOK, facts, rules=RULES)
    weighed = plan.judge_causes(PLAYBOOK, PLAYBOOK, facts, rules=RULES)
    seen = plan.problems(
        found, PLAYBOOK, schema.empty("notes", ZONE), suspected=suspected, registry=REGISTRY
    )
    judged = plan.concerning(weighed, seen, found)
    bases = pd.DataFrame({"metric": list(REGISTRY), "baseline": 0.1})
    lines = plan.draft(
        seen,
        judged,
        PLAYBOOK,
        session_id="s",
        verdicts=bases,
        checked=pd.DataFrame({"action": [], "verdict": []}, dtype="str"),
        registry=REGISTRY,
        told=found,
        session=facts.session,
        earlier=facts.earlier,
    )
    return facts, seen, judged, lines


@pytest.mark.parametrize("case", PLANTED, ids=[case.id for case in PLANTED])
def test_the_actions_of_a_planted_session_fit_and_no_other_appears(case):
    _, _, _, lines = drafted(case)
    actions = {
        cause: lines.loc[lines["cause_id"].eq(cause), "action_zh"].str.cat(sep=" ")
        for cause in lines["cause_id"].unique()
    }
    for cause, named in case.fits.items():
        assert cause in actions, (cause, actions)
        assert all(word in actions[cause] for word in named), (named, actions[cause])
    assert not set(case.never) & set(actions), actions
    every = " ".join(actions.values())
    assert not [word for word in case.never_words if word in every], every


@pytest.mark.parametrize("case", PLANTED, ids=[case.id for case in PLANTED])
def test_every_action_names_object_and_number_and_what_was_agreed_of_it(case):
    _, _, _, lines = drafted(case)
    for lang in ("zh", "en"):
        assert lines[f"action_{lang}"].map(lambda words: bool(re.search(r"\d", words))).all()
        assert lines[f"action_{lang}"].str.contains("（" if lang == "zh" else r"\(").all()
        for column in ("expected_worth", "guardrail", "known_by", "stop_rule"):
            assert lines[f"{column}_{lang}"].str.len().gt(1).all(), column
        assert not lines[f"stop_rule_{lang}"].str.contains("nan").any()
        assert not lines[f"expected_worth_{lang}"].str.contains("nan").any()
    assert not lines.duplicated(["metric", "slice"]).any()
    assert lines["owner_role"].isin(list(reference.roles())).all()
    guards = lines["problem_id"].map(lambda name: PLAYBOOK[name].guardrail)
    assert (guards != lines["metric"]).all()


def planted(name):
    return next(case for case in PLANTED if case.id == name)


@pytest.mark.parametrize(
    ("name", "rule", "by_hand"),
    [
        ("stock-1", "stock_out_minutes", 40 * (40 * 40 / 80)),  # 40 of 120 minutes without stock
        ("ads-3", "ads_waste", 580 - 8 * (420 / 92)),  # its 8 orders at the others' price
        ("entries-1", "source_fall", 1000 * 0.58 * 4000 / 1500),  # 580 people did not come
        ("outage-1", "event_count", 12 * 4000 / 108),
    ],
)
def test_what_an_action_is_worth_is_reckoned_by_its_own_mechanism(name, rule, by_hand):
    _, _, judged, _ = drafted(planted(name))
    held = judged[judged["rule"].eq(rule) & judged["verdict"].eq("supported")]
    assert held["worth"].iloc[0] == pytest.approx(by_hand, rel=0.02)


def test_an_account_of_three_sessions_a_week_knows_when_it_will_know():
    _, _, _, lines = drafted(planted("fans-1"))
    assert lines.loc[0, "known_by_zh"] == "4 场可比场次，约 12 天"
    assert np.isnan(worth.rhythm(pd.DataFrame({"started_at": []})))
