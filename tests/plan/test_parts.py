"""Ids tell products, causes, actions and findings apart; their names and sentences are only
shown.
"""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from helpers import plan, reference
from helpers.core import findings
from helpers.plan import causes, notes, parts, plan_file, verification, won_back
from helpers.plan.tried import action_ids
from helpers.report import first_screen
from tests.plan.test_causes import START, facts
from tests.plan.test_plan import (
    NO_NOTES,
    NOTHING_TRIED,
    PLAYBOOK,
    REGISTRY,
    about,
    draft,
    finding,
    judged,
    note,
    problems,
)
from tests.plan.test_plan import notes as written
from tests.plan.test_verification import checked_of, plan_row, sold
from tests.sample_review import results, screen

LONG = "秋冬新款加绒加厚显瘦百搭高腰直筒阔腿休闲运动裤女士宽松卫裤"
BLACK, WHITE = f"{LONG}、黑色", f"{LONG}、白色"  # both are shown cut to the same thirty characters


def slice_of(key):
    return f"{ {'1': BLACK, '2': WHITE}[key] } ({key})"


def test_a_cell_gives_back_what_it_was_made_from_and_anything_else_is_nothing():
    assert parts.names(parts.packed({"1": BLACK, '"': "x"})) == {"1": BLACK, '"': "x"}
    assert parts.packed({}) == "" and parts.ids(parts.packed({"1": "甲"})) == {"1"}
    assert [parts.names(cell) for cell in ("", None, np.nan, "甲、乙", "[1]")] == [{}] * 5


def test_a_slice_is_matched_by_its_id_and_a_source_with_brackets_by_itself():
    assert "1" in parts.of_slices([slice_of("1")])
    assert "Feed (paid)" in parts.of_slices(["Feed (paid)", None, np.nan, ""])


# -------------------------------------------------------------------------------------- products


def test_two_long_titles_that_differ_at_the_end_are_two_products_of_a_rule():
    standing = pd.DataFrame(
        {
            "dimension": "product_id",
            "key": ["1", "2"],
            "slice": [BLACK, WHITE],
            "verdict": "worse",
            "metric": "item_click_pay_rate",
        }
    )
    entry = PLAYBOOK["room_conversion_low"]
    made = causes.judge(
        "room_conversion_low", entry, facts({"standing": standing}), rules=reference.rules()
    ).set_index("cause")
    assert parts.ids(made.loc["one_product", "parts"]) == {"1", "2"}
    assert made.loc["one_product", "measured"] == 2
    assert made.loc["one_product", "evidence_zh"].count("差于自己平时") == 2


@pytest.mark.parametrize("key", ["1", "2"])
def test_an_action_is_verified_by_the_product_that_it_is_about(key):
    told = [
        finding("room_conversion", money=900),
        finding("item_click_pay_rate", money=40, p=0.001, slice=slice_of("1")),
        finding("item_click_pay_rate", money=30, p=0.02, slice=slice_of("2")),
    ]
    evidence = about(
        judged(room_conversion_low__one_product="supported"), one_product=(key, "裤、女")
    )
    line = plan.draft(
        problems(told[0]),
        evidence,
        PLAYBOOK,
        session_id="s",
        verdicts=pd.DataFrame(),
        checked=NOTHING_TRIED,
        registry=REGISTRY,
        told=findings.frame(told),
    ).iloc[0]
    assert line["slice"] == slice_of(key) and parts.ids(line["parts"]) == {key}
    assert line["action_zh"].startswith("「裤、女」：")  # one name, whatever marks are in it


@pytest.mark.parametrize(("key", "counts"), [("1", True), ("2", False)])
def test_evidence_on_the_product_next_to_it_supports_no_cause(key, counts):
    found = findings.frame([finding("item_click_pay_rate", slice=slice_of("1"))])
    seen = plan.problems(found, PLAYBOOK, NO_NOTES, suspected=findings.frame([]), registry=REGISTRY)
    name = seen["problem"].iloc[0]
    evidence = about(judged(**{f"{name}__stock_out": "supported"}), stock_out=(key, LONG))
    made = plan.concerning(evidence, seen, found).set_index(["problem", "cause"])
    assert (made.loc[(name, "stock_out"), "verdict"] == "supported") is counts


@pytest.mark.parametrize(("key", "first"), [("1", "stock"), ("2", "pitch")])
def test_a_recorded_reason_goes_first_only_for_the_same_product(key, first):
    found = problems(finding("room_conversion", money=900), finding("click_pay_rate", money=100))
    evidence = about(
        judged(room_conversion_low__one_product="supported", click_pay_low__stock_out="supported"),
        one_product=("1", LONG),
        stock_out=(key, LONG),
    )
    assert (
        draft(found, evidence)
        .loc[0, "cause_en"]
        .startswith(
            "A lead product was out of stock" if first == "stock" else "It lies in single products"
        )
    )


@pytest.mark.parametrize(("key", "state"), [("1", "by_hand"), ("2", "raised")])
def test_a_product_is_excused_by_its_own_stock_alone(key, state):
    standing = pd.DataFrame(
        {
            "dimension": "product_id",
            "key": ["1"],
            "slice": [BLACK],
            "verdict": "worse",
            "metric": "item_click_rate",
        }
    )
    goods = [
        {"session_id": "s", "product_id": product, "name": name}
        for product, name in (("1", BLACK), ("2", WHITE))
    ]
    gone = [{"at": START, "kind": "stock_change", "product_id": key, "stock_after": 0}]
    made = dataclasses.replace(facts(cues=gone, products=goods), results={"standing": standing})
    checks = plan.role_checklist(reference.roles(), made, rules=reference.rules())
    assert checks.set_index("en").loc["Products do not suit the audience", "check_state"] == state


@pytest.mark.parametrize(("key", "borne_out"), [("1", True), ("2", False)])
def test_a_finding_is_explained_by_its_own_product_alone(key, borne_out):
    row = {"id": "F03-000002", "slice": slice_of("1"), "metric": "item_click_pay_rate"}
    own = pd.DataFrame({"problem": ["click_pay_low"], "findings": ["F03-000002"]})
    evidence = about(judged(click_pay_low__stock_out="supported"), stock_out=(key, LONG))
    assert (len(won_back.borne_out(row, own, evidence)) == 1) is borne_out
    assert won_back.of_sold_out(row, evidence) is borne_out


def test_a_note_is_set_against_the_product_that_it_names():
    """Of two products that are called alike but for the end, the note names one and the stock
    ran out of the other.
    """
    names = {"1": f"{LONG}黑裤", "2": f"{LONG}白裤"}
    standing = pd.DataFrame(
        {
            "dimension": "product_id",
            "key": ["1", "2"],
            "slice": list(names.values()),
            "metric": "item_click_pay_rate",
            "value": 0.05,
            "baseline": [0.05, 0.09],
            "verdict": ["cannot_tell", "worse"],
        }
    )
    evidence = about(judged(pay_low__stock_out="supported"), stock_out=("2", names["2"]))
    verdicts = [
        plan.check_notes(
            written(note("conversion", f"{colour}裤中途断货")),
            problems(),
            PLAYBOOK,
            pd.DataFrame(),
            evidence,
            registry=REGISTRY,
            products=names,
            standing=standing,
        )["verdict"].iloc[0]
        for colour in "黑白"
    ]
    assert verdicts == ["cannot_tell", "borne_out"]
    assert notes._products_meant("黑裤太长", names) == {"1": names["1"]}


@pytest.mark.parametrize(("products", "left"), [({"2": LONG}, 2), ({"9": "product 2"}, 3)])
def test_what_an_action_with_ids_touches_is_told_by_them_and_not_by_its_words(products, left):
    row = plan_row(
        plan_id="P-2",
        action="「product 2」：new picture",
        parts=parts.packed(products),
        metric="follow_rate",
    )
    assert checked_of(sold(), row)["n_controls"] == left


# ------------------------------------------------------------------- problems, causes and actions


def test_a_plan_line_knows_whether_its_problem_is_only_suspected():
    suspected = findings.frame([{**finding("click_pay_rate", verdict="cannot_tell"), "id": ""}])
    line = draft(problems(suspected=suspected), judged()).iloc[0]
    assert line["certainty"] == "suspected"
    for lang, words in (("zh", "问题只是疑似，先试"), ("en", "only suspected: a trial")):
        told = results()["plan"].assign(problem="标题", certainty=["suspected"])
        assert screen(lang, {**results(), "plan": told})["actions"][0]["doubt"] == words
        known = told.assign(problem="点击后成交低（疑似）", certainty="found")
        assert screen(lang, {**results(), "plan": known})["actions"][0]["doubt"] == ""


@pytest.mark.parametrize(("products", "same"), [({"1": "另一个叫法"}, True), ({"2": BLACK}, False)])
def test_a_tried_action_is_known_by_its_id_whatever_its_sentence(products, same):
    found = problems(finding("click_pay_rate", money=100))
    evidence = about(judged(click_pay_low__stock_out="supported"), stock_out=("1", BLACK))
    first = draft(found, evidence)
    tried = plan.in_language(first, "zh").assign(
        action="改过的句子", parts=parts.packed(products), verdict="harmful"
    )
    again = draft(found, evidence, tried)
    assert (again.loc[0, "action_zh"] != first.loc[0, "action_zh"]) is same
    assert ("上次" in again.loc[0, "evidence_zh"]) is same


def test_a_replacement_carries_the_id_of_what_is_done_now():
    found, evidence = problems(finding("follow_rate")), judged(fans_few__rare_prompts="supported")
    lines = [draft(found, evidence)]
    for _ in range(2):
        lines.append(
            draft(found, evidence, pd.concat(lines[::-1]).assign(verdict="harmful", action=""))
        )
    assert [line.loc[0, "action_id"] for line in lines] == ["fans_few.rare_prompts", "fans_few", ""]
    assert {line.loc[0, "cause_id"] for line in lines} == {"rare_prompts"}
    assert lines[1].loc[0, "action_zh"].startswith(PLAYBOOK["fans_few"].action.zh)


def test_one_action_in_two_lines_of_the_playbook_is_one_action():
    entry = PLAYBOOK["fans_few"]
    twice = {"fans_few": entry, "again": entry.model_copy(update={"zh": "别的"})}
    ids = action_ids(twice)
    assert (
        ids["again", "rare_prompts"] == ids["fans_few", "rare_prompts"] == "fans_few.rare_prompts"
    )
    assert ids["again", ""] == "fans_few"


def test_the_record_counts_a_problem_found_on_a_product_with_the_problem():
    checked = pd.DataFrame(
        {
            "dimension": "fans",
            "problem": ["千川：新增粉丝少（疑似）", "any words", PLAYBOOK["fans_few"].en],
            "problem_id": ["fans_few", "fans_few", ""],
            "cause": ["改过的原因", "own words", "own words"],
            "cause_id": ["rare_prompts", "", ""],
            "owner_role": "host",
            "verdict": "effective",
            "final": True,
            "effect": 0.1,
        }
    )
    made = verification.track_record(checked, PLAYBOOK).set_index(["record_by", "en"])["judged"]
    assert made["problem"].to_dict() == {PLAYBOOK["fans_few"].en: 3}
    assert made["cause"].to_dict() == {"own words": 2, "Follow prompts too rare": 1}


def test_a_line_from_before_there_were_ids_gets_them_and_stays_as_it_was_otherwise():
    new = plan.in_language(draft(problems(finding("follow_rate")), judged()), "zh")
    old = new.assign(**dict.fromkeys(plan_file.HIDDEN, ""), status="done", action="当时的办法")
    line = plan_file.merge(new, old).iloc[0]
    assert line["problem_id"] == "fans_few" and line["certainty"] == "found"
    assert (line["action"], line["status"]) == ("当时的办法", "done")


# --------------------------------------------------------------------------------------- findings


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_proof_of_the_step_is_the_finding_on_the_step_and_not_one_that_it_mentions(lang):
    metrics = ("room_conversion", "viewers", "paid_amount")
    found = findings.frame(
        [
            *(finding(name, slice="formula", verdict="cannot_tell") for name in metrics[:2]),
            finding("paid_amount"),
            finding("room_conversion", slice=findings.JUDGEMENT),
        ]
    )
    both = " ".join(reference.registry()[name].zh for name in metrics[:2])
    answers = pd.DataFrame(
        {
            "part": ["change", "step", "judgement", "place"],
            "proof": ["paid_amount", "viewers", "room_conversion", ""],
            "sentence_zh": both,
            "sentence_en": both,
        }
    )
    ids = found.set_index(["metric", "slice"])["id"]
    told = first_screen.why(answers, found, lang)
    assert [line["id"] for line in told] == [
        ids["paid_amount", ""],
        ids["viewers", "formula"],
        ids["room_conversion", findings.JUDGEMENT],
    ]
    assert first_screen.why(answers.assign(proof="gone"), found, lang)[1]["id"] == "p04"
