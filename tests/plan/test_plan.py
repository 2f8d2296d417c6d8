"""From findings to the plan on small frames: which problems, in which order, what the team saw,
which actions.
"""

import numpy as np
import pandas as pd
import pytest

from helpers import plan, reference
from helpers.core import findings
from helpers.plan import causes, parts, plan_file, verification
from helpers.plan.problems import problem_figures
from helpers.reference import schema

ZONE = "Asia/Shanghai"
PLAYBOOK, REGISTRY = reference.playbook(), reference.registry()
NO_NOTES = schema.empty("notes", ZONE)
SESSION = pd.Series(
    {
        "session_id": "s",
        "started_at": pd.Timestamp("2026-11-14 20:00", tz=ZONE),
        "viewers": 1000.0,
        "room_exposure_users": 9000.0,
        "product_exposure_users": 800.0,
        "product_click_users": 200.0,
        "create_users": 30.0,
        "pay_users": 20.0,
        "paid_amount": 2000.0,
        "duration_seconds": 7200.0,
    }
)


def finding(metric, verdict="worse", money=np.nan, p=0.01, slice="", **columns):
    return findings.make(
        notebook="03_compare",
        dimension=REGISTRY[metric].group,
        metric=metric,
        slice=slice,
        verdict=verdict,
        value=0.01,
        baseline=0.02,
        ci_lower=0.015,
        ci_upper=0.03,
        p_adjusted=p,
        money_at_stake=money,
        sentence_zh="句",
        sentence_en="said",
        **columns,
    )


def problems(*rows, notes=NO_NOTES, suspected=None):
    return plan.problems(
        findings.frame(list(rows)),
        PLAYBOOK,
        notes,
        suspected=findings.frame([]) if suspected is None else suspected,
        registry=REGISTRY,
    )


def note(dimension, text, stage=None, role="host"):
    return {
        "role": role,
        "stage": stage,
        "dimension": dimension,
        "problem": text,
        "session_started_at": SESSION["started_at"],
    }


def notes(*rows):
    return schema.conform(pd.DataFrame(rows), "notes", ZONE)


def judged(**verdicts):
    """Causes of the playbook with the verdicts given for problem__cause; the rest not
    measurable.
    """
    rows = [
        {
            "problem": name,
            "cause": cause.id,
            "zh": cause.zh,
            "en": cause.en,
            "rule": cause.evidence.rule if cause.evidence else "",
            "verdict": verdicts.get(f"{name}__{cause.id}", "not_measurable"),
            "measured": np.nan,
            "bound": np.nan,
            "evidence_zh": "量到 40",
            "evidence_en": "measured 40",
            "missing_zh": "",
            "missing_en": "",
            "role": cause.role or problem.people[0],
            "action_zh": (cause.action or problem.action).zh,
            "action_en": (cause.action or problem.action).en,
        }
        for name, problem in PLAYBOOK.items()
        for cause in problem.causes
    ]
    return pd.DataFrame(rows, columns=causes.COLUMNS)


def about(evidence, **products):
    """The causes with the sources or products that those named are about: an id, or (id, name)."""
    cells = {
        cause: parts.packed(dict([one if isinstance(one, tuple) else (one, one)]))
        for cause, one in products.items()
    }
    return evidence.assign(parts=evidence["cause"].map(cells).fillna(""))


# --------------------------------------------------------------------------------------- the files


def test_every_dimension_and_role_of_the_textbook_is_there():
    assert {problem.dimension for problem in PLAYBOOK.values()} >= {
        "traffic",
        "interaction",
        "fans",
        "click",
        "conversion",
        "aftersales",
    }
    assert set(reference.roles()) == set(reference.terms()["role"])
    assert {
        stage
        for problem in PLAYBOOK.values()
        if problem.stages != "all"
        for stage in problem.stages
    } >= {"preheat", "introduction", "follow_prompt", "purchase_prompt", "activity"}


def test_a_metric_belongs_to_one_problem():
    named = [metric for problem in PLAYBOOK.values() for metric in problem.metrics]
    assert len(named) == len(set(named))


def test_a_problem_is_verified_by_a_metric_of_its_own():
    assert all(
        problem.verify in problem.metrics for problem in PLAYBOOK.values() if problem.metrics
    )


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        (
            "playbook.yml",
            "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true}]}",
            r"pay_low: causes.0: .*a measurable cause needs evidence",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "guess, "
                "at_least: 1}}]}"
            ),
            r"'guess' is no rule",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "cue_count, kind: coupon}}]}"
            ),
            r"exactly one of at_least and at_most",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "cue_count, at_least: 1}}]}"
            ),
            r"cue_count takes kind, found nothing",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "reason_share, reason: whim, at_least: 1}}]}"
            ),
            r"'whim' is no reason",
        ),
        ("playbook.yml", "pay_low: {verify: no_such}", r"'no_such' is no metric"),
        ("playbook.yml", "pay_low: {metrics: []}", r"pay_low: neither metrics nor raised_by"),
        (
            "playbook.yml",
            "questions_open: {raised_by: {rule: guess, at_least: 1}}",
            r"questions_open.raised_by: .*'guess' is no rule",
        ),
        ("playbook.yml", "pay_low: {colour: red}", r"playbook.yml: pay_low: colour"),
        ("playbook.yml", "pay_low: {people: [boss]}", r"playbook.yml: pay_low: people.0: .*'host'"),
        ("playbook.yml", "pay_low: {stage: midnight}", r"playbook.yml: pay_low: stage: .*'before'"),
        (
            "playbook.yml",
            "pay_low: {metrics: [pay_low_rate]}",
            r"playbook.yml: pay_low: 'pay_low_rate' is no metric",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "cue_count, kind: juggling, at_least: 1}}]}"
            ),
            r"pay_low.a: 'juggling' is no cue_kind of terms.yml",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "event_count, kind: coupon, at_least: 1}}]}"
            ),
            r"pay_low.a: 'coupon' is no event_kind",
        ),
        (
            "playbook.yml",
            (
                "pay_low: {causes: [{id: a, zh: b, en: c, measurable: true, evidence: {rule: "
                "first_reply_minutes, table: letters, at_least: 1}}]}"
            ),
            r"pay_low.a: 'letters' is no table",
        ),
        (
            "playbook.yml",
            "pay_low: {causes: [{id: a, zh: b, measurable: false, export: c}]}",
            r"playbook.yml: pay_low: causes.0.en",
        ),
        (
            "roles.yml",
            "boss: {zh: a, en: b, metrics: [], faults: []}",
            r"roles.yml: boss: no role of terms.yml",
        ),
        (
            "roles.yml",
            "host: {metrics: [{metric: charm}]}",
            r"roles.yml: host: 'charm' is no metric",
        ),
        (
            "roles.yml",
            "host: {faults: [{zh: a, en: b, evidence: {rule: guess, at_least: 1}}]}",
            r"roles.yml: host.faults.0: 'guess' is no rule",
        ),
        (
            "roles.yml",
            "host: {faults: [{zh: a, en: b, colour: red}]}",
            r"roles.yml: host: faults.0.colour",
        ),
        (
            "reasons.yml",
            "other: {reasons: {size: {zh: a, en: b, role: host, words: [c]}}}",
            r"size: the name stands for more than one",
        ),
    ],
)
def test_a_wrong_reference_file_is_refused_by_file_and_key(tmp_path, file, content, message):
    (tmp_path / file).write_text(content, encoding="utf-8")
    with pytest.raises(reference.ReferenceDataError, match=message):
        {
            "playbook.yml": reference.playbook,
            "roles.yml": reference.roles,
            "reasons.yml": reference.reasons,
        }[file](tmp_path)


# ---------------------------------------------------------------------------------------- problems


def test_only_worse_findings_are_problems_and_the_costliest_comes_first():
    made = problems(
        finding("follow_rate"),
        finding("click_pay_rate", money=100),
        finding("exposure_view_rate", money=900),
        finding("avg_watch_seconds", verdict="better"),
        finding("room_conversion", verdict="cannot_tell", money=9e9),
    )
    assert made["problem"].tolist() == ["traffic_imprecise", "click_pay_low", "fans_few"]
    assert made["rank"].tolist() == [1, 2, 3] and made["certainty"].eq("found").all()


def test_certainty_counts_with_the_money():
    made = problems(
        finding("click_pay_rate", money=100, p=0.001),
        finding("exposure_view_rate", money=101, p=0.09),
    )
    assert made["problem"].tolist() == ["click_pay_low", "traffic_imprecise"]


def test_outcomes_come_after_the_steps_that_lead_to_them():
    assert problems(finding("uv_value", money=9e6), finding("click_pay_rate", money=1))[
        "problem"
    ].tolist() == ["click_pay_low", "sales_slow"]


def test_findings_of_one_problem_are_one_problem_and_the_whole_session_speaks_for_it():
    made = problems(
        finding("room_conversion", slice="千川", p=0.0001, money=50),
        finding("room_conversion", p=0.02, money=70),
        finding("view_order_rate_times", slice="x"),
    )
    assert (
        len(made) == 1
        and made.loc[0, "slice"] == ""
        and made.loc[0, "money_at_stake"] == 70
        and len(made.loc[0, "findings"].split(",")) == 3
    )


def test_a_rate_the_playbook_does_not_know_is_a_problem_and_a_total_is_not():
    made = problems(finding("commission_rate"), finding("product_click_users"))
    assert made["problem"].tolist() == ["metric:commission_rate"] and made.loc[0, "zh"].endswith(
        "变差"
    )


def verdict_rows(**values):
    """Rows of notebook 03's verdicts: metric=(value, baseline, p_value)."""
    return pd.DataFrame(
        [
            {
                "metric": name,
                "group": REGISTRY[name].group,
                "value": value,
                "baseline": baseline,
                "lower": 0.0,
                "upper": 1.0,
                "p_value": p,
                "p_adjusted": 0.9,
                "verdict": "cannot_tell",
                "per_hour": False,
                "denominator": SESSION[REGISTRY[name].denominator],
            }
            for name, (value, baseline, p) in values.items()
        ]
    )


def test_suspicions_are_bad_steps_with_money_and_stand_after_what_was_found():
    rows = verdict_rows(
        click_pay_rate=(0.1, 0.15, 0.3),
        exposure_view_rate=(0.1, 0.12, 0.4),
        room_conversion=(0.03, 0.02, 0.2),
        uv_value=(1, 2, 0.3),
        create_pay_rate=(0.6, 0.7, 0.8),
    )
    made = plan.suspicions(rows, SESSION, PLAYBOOK, registry=REGISTRY)
    # click-to-pay: 0.05 x 200 clickers x 100 each; exposure: 0.02 x 9000 x 2; conversion is on the
    # good side, uv_value an outcome, the last too likely
    assert made["metric"].tolist() == ["click_pay_rate", "exposure_view_rate"]
    assert made["money_at_stake"].tolist() == pytest.approx([1000, 360])
    both = problems(finding("follow_rate"), finding("exposure_view_rate", money=5), suspected=made)
    assert both["problem"].tolist() == ["traffic_imprecise", "fans_few", "click_pay_low"]
    assert both["certainty"].tolist() == ["found", "found", "suspected"] and both.loc[
        2, "zh"
    ].endswith("（疑似）")


def test_what_is_only_suspected_lies_within_the_expected_and_carries_no_money():
    rows = verdict_rows(
        click_pay_rate=(0.1, 0.15, 0.3),
        exposure_pay_rate=(0.02, 0.03, 0.3),
        follow_rate=(0.01, 0.02, 0.3),
    )
    suspected = plan.suspicions(rows, SESSION, PLAYBOOK, registry=REGISTRY)
    assert suspected["money_at_stake"].notna().sum() == 2
    made = problems(suspected=suspected)
    assert (
        made["problem"].tolist() == ["click_pay_low", "pay_low"]
        and made["money_at_stake"].isna().all()
    )
    after = problems(finding("room_conversion", money=70), suspected=suspected)
    assert after["money_at_stake"].tolist() == pytest.approx([70, np.nan, np.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("slice", "named", "counts"),
    [
        ("千川", {"one_source": "千川"}, True),
        ("千川", {"one_source": "搜索"}, False),
        ("千川", {"one_product": "面膜"}, False),
        ("", {"one_source": "搜索"}, True),
        ("千川", {"source_mix": "千川"}, False),
        ("", {"source_mix": "千川"}, True),
    ],
)
def test_evidence_about_another_source_or_product_supports_no_cause(slice, named, counts):
    found = findings.frame([finding("room_conversion", slice=slice)])
    seen = plan.problems(found, PLAYBOOK, NO_NOTES, suspected=findings.frame([]), registry=REGISTRY)
    evidence = judged(**{f"room_conversion_low__{cause}": "supported" for cause in named})
    evidence = about(evidence, **named)
    made = plan.concerning(evidence, seen, found)
    own = made[(made["problem"] == "room_conversion_low") & made["cause"].isin(named)].iloc[0]
    assert (own["verdict"] == "supported") == counts and (
        (causes.BETWEEN if "source_mix" in named else causes.ELSEWHERE)["en"] in own["evidence_en"]
    ) == (not counts)
    assert (
        len(made) == len(evidence)
        and made["problem"].unique().tolist() == evidence["problem"].unique().tolist()
    )


def test_a_problem_of_a_source_is_named_by_it():
    made = problems(finding("room_conversion", slice="千川"), finding("follow_rate"))
    assert made.set_index("problem")["zh"].to_dict() == {
        "room_conversion_low": f"千川：{PLAYBOOK['room_conversion_low'].zh}",
        "fans_few": PLAYBOOK["fans_few"].zh,
    }


# ------------------------------------------------------------------------------------------- notes


@pytest.mark.parametrize(
    ("row", "verdict"),
    [
        (note("fans", "没人点关注"), "borne_out"),
        (
            note("fans", "没人点关注", stage="closing"),
            "not_measurable",
        ),  # of another stage; nothing of it was compared
        (note("interaction", "太冷"), "not_borne_out"),  # interaction was better
        (
            note("conversion", "没人下单"),
            "not_measurable",
        ),  # that the dimension is as usual says nothing of it
        (note("aftersales", "投诉多"), "not_measurable"),
        (note("conversion", "洗脸巾断货了"), "borne_out"),  # the cause that it names is supported
        (note("conversion", "发券太晚"), "not_borne_out"),
        (note("traffic", "预热视频太少"), "not_borne_out"),
        (
            note("traffic", "预热视频发得太晚"),
            "not_measurable",
        ),  # how many there were says nothing of when
    ],
)
def test_notes_are_set_against_the_data(row, verdict):
    found = problems(finding("follow_rate"))
    said = pd.DataFrame(
        {
            "metric": ["follow_rate", "interaction_rate", "create_pay_rate"],
            "verdict": ["worse", "better", "cannot_tell"],
        }
    )
    evidence = judged(
        pay_low__stock_out="supported",
        pay_low__coupon_late="not_supported",
        traffic_low__few_videos="not_supported",
    )
    assert plan.check_notes(notes(row), found, PLAYBOOK, said, evidence, registry=REGISTRY)[
        "verdict"
    ].tolist() == [verdict]


OWN = pd.DataFrame(
    {
        "dimension": "product_id",
        "key": ["1", "2"],
        "slice": ["焕亮精华液 30ml", "加厚棉柔洗脸巾 6包"],
        "metric": "item_click_pay_rate",
        "value": [0.05, 0.04],
        "baseline": [0.05, 0.09],
        "verdict": ["cannot_tell", "worse"],
    }
)


@pytest.mark.parametrize(
    ("written", "verdict", "evidence"),
    [
        ("精华液的卖点没讲透", "cannot_tell", "「焕亮精华液 30ml」"),
        ("洗脸巾卖点没讲透", "borne_out", "「加厚棉柔洗脸巾 6包」"),
        ("面膜卖点没讲透", "not_measurable", ""),
        ("洗脸巾中途断货", "borne_out", "量到 40"),
        (
            "精华液中途断货",
            "cannot_tell",
            "「焕亮精华液 30ml」",
        ),  # the stock-out found was of the towels
        ("卖点没讲透", "borne_out", ""),  # names no product: by the session's figure
    ],
)
def test_a_note_that_names_a_product_is_set_against_that_product(written, verdict, evidence):
    found, told = problems(finding("room_conversion")), judged(pay_low__stock_out="supported")
    told = about(told, stock_out=("2", "加厚棉柔洗脸巾 6包"))
    names = {**dict(zip(OWN["key"], OWN["slice"], strict=True)), "3": "补水面膜 5片"}
    made = plan.check_notes(
        notes(note("conversion", written)),
        found,
        PLAYBOOK,
        pd.DataFrame(),
        told,
        products=names,
        standing=OWN,
        registry=REGISTRY,
    ).iloc[0]
    assert (
        made["verdict"] == verdict
        and evidence in made["evidence_zh"]
        and bool(made["evidence_en"]) >= bool(evidence)
    )


@pytest.mark.parametrize(
    ("kind", "written", "verdict"),
    [
        ("refund", "包装漏液", "borne_out"),
        ("incident", "发帖称面膜漏液", "hinted"),
        ("review", "味道不错", "cannot_tell"),
        ("incident", "精华液漏液", "cannot_tell"),
    ],
)
def test_a_note_on_after_sales_is_set_against_what_was_written_of_its_product(
    kind, written, verdict
):
    said = pd.DataFrame(
        {
            "kind": [kind],
            "product": ["" if kind == "incident" else "补水面膜 5片"],
            "written": [written],
        }
    )
    made = plan.check_notes(
        notes(note("aftersales", "面膜漏液的投诉又有几单")),
        problems(),
        PLAYBOOK,
        pd.DataFrame(),
        judged(),
        registry=REGISTRY,
        products={"3": "补水面膜 5片", "1": "焕亮精华液 30ml"},
        complaints=said,
        tree=reference.reasons(),
    ).iloc[0]
    assert made["verdict"] == verdict
    hits = {
        name: int(verdict != "cannot_tell" and name == kind)
        for name in ("refund", "review", "incident")
    }
    assert made["evidence_zh"] == (
        f"补水面膜 5片，破损：本场退款 {hits['refund']}、近 60 天评价 {hits['review']}、"
        f"近 60 天公关事件 {hits['incident']}"
    )
    assert f"incidents in 60 days {hits['incident']}" in made["evidence_en"]


def test_what_people_buy_says_nothing_of_how_long_they_stay():
    told = judged(traffic_imprecise__one_source="supported")
    written = notes(
        note("traffic", "千川进来的人停留很短 人群包可能放太宽"),
        note("traffic", "千川人群包放太宽"),
    )
    made = plan.check_notes(
        written,
        problems(finding("exposure_view_rate")),
        PLAYBOOK,
        pd.DataFrame(),
        told,
        registry=REGISTRY,
    )
    assert made["verdict"].tolist() == ["not_measurable", "borne_out"]


def test_a_problem_says_who_noted_it():
    written = notes(
        note("fans", "没人点关注", role="floor_control"),
        note("conversion", "洗脸巾断货了", role="service"),
    )
    found = problems(finding("follow_rate"), finding("click_pay_rate"), notes=written)
    assert found.set_index("problem")["noted_by"].to_dict() == {
        "fans_few": "floor_control",
        "click_pay_low": "",
    }
    evidence = judged(click_pay_low__stock_out="supported", pay_low__stock_out="supported")
    checked = plan.check_notes(
        written, found, PLAYBOOK, pd.DataFrame(), evidence, registry=REGISTRY
    )
    assert (
        plan.with_notes(found, checked, evidence).set_index("problem")["noted_by"]["click_pay_low"]
        == "service"
    )


# -------------------------------------------------------------------------------------------- plan


NOTHING_TRIED = pd.DataFrame({"action": [], "verdict": []}, dtype="str")


def judged_lines(*lines):
    """Drafted lines with the verdicts on them, the newest first."""
    return pd.concat(
        [line.assign(action=line["action_zh"], verdict=verdict) for line, verdict in lines]
    )


def draft(found, evidence, checked=NOTHING_TRIED):
    return plan.draft(
        found,
        evidence,
        PLAYBOOK,
        session_id="s",
        verdicts=pd.DataFrame(
            {"metric": ["click_pay_rate", "create_pay_rate"], "baseline": [0.15, 0.8]}
        ),
        checked=checked,
        registry=REGISTRY,
    )


@pytest.mark.parametrize(
    ("problem", "metric"),
    [("traffic_imprecise", "exposure_view_rate"), ("room_conversion_low", "room_conversion")],
)
def test_what_moves_people_between_sources_is_verified_by_the_whole_session_and_not_by_one_source(
    problem, metric
):
    """A smaller budget for a source changes how many come from it, not how those convert."""
    told = findings.frame([finding("product_click_rate", slice="千川", money=70)])
    evidence = about(judged(**{f"{problem}__source_mix": "supported"}), source_mix="千川")
    bases = pd.DataFrame(
        {"metric": ["room_conversion", "exposure_view_rate"], "baseline": [0.009, 0.13]}
    )
    made = plan.draft(
        problems(finding(metric)),
        evidence,
        PLAYBOOK,
        session_id="s",
        verdicts=bases,
        checked=NOTHING_TRIED,
        registry=REGISTRY,
        told=told,
    )
    line = made[made["action_zh"].str.contains("把预算移回")].iloc[0]
    assert (
        (line["metric"], line["slice"], line["baseline"]) == ("room_conversion", "", 0.009)
        and np.isnan(line["money_at_stake"])
        and line["action_zh"].startswith("「千川」")
    )


@pytest.mark.parametrize(
    ("verdict", "same"),
    [
        ("effective", True),
        ("cannot_tell", True),
        ("not_done", True),
        ("not_effective", False),
        ("harmful", False),
    ],
)
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_action_that_was_tried_says_so_and_one_that_failed_is_another_one(verdict, same, lang):
    found, evidence = problems(finding("follow_rate")), judged(fans_few__rare_prompts="supported")
    first = draft(found, evidence)
    told = judged_lines((first, verdict)).assign(action=first[f"action_{lang}"])
    again = draft(found, evidence, told)
    assert (again.loc[0, "action_zh"] == first.loc[0, "action_zh"]) is same and (
        again.loc[0, "action_en"] == first.loc[0, "action_en"]
    ) is same
    assert (
        reference.terms()["plan_verdict"][verdict].zh in again.loc[0, "evidence_zh"]
        and again.loc[0, "plan_id"] == first.loc[0, "plan_id"]
    )


def test_the_newest_verdict_on_an_action_counts_and_a_replacement_that_failed_is_not_offered():
    found, evidence = problems(finding("follow_rate")), judged(fans_few__rare_prompts="supported")
    first, general = draft(found, evidence), draft(found, judged())
    newest_first = judged_lines((first, "not_done"), (first, "effective"), (first, "harmful"))
    written = first.loc[0, "action_zh"]
    assert draft(found, evidence, newest_first).loc[0, "action_zh"] == written
    both_failed = judged_lines((first, "harmful"), (general, "not_effective"))
    other = draft(found, evidence, both_failed).loc[0, "action_zh"]
    assert other not in (written, general.loc[0, "action_zh"])
    only_first = draft(found, evidence, judged_lines((first, "harmful")))
    assert only_first.loc[0, "action_zh"].startswith(PLAYBOOK["fans_few"].action.zh)


def test_a_general_action_that_failed_is_left_to_the_owner():
    found = problems(finding("follow_rate"))
    general = draft(found, judged())
    again = draft(found, judged(), judged_lines((general, "harmful")))
    assert "适得其反" in again.loc[0, "action_zh"] and again.loc[0, "action_en"].startswith(
        "Another way"
    )


def test_questions_that_nobody_answered_raise_a_suspected_problem_on_their_product():
    asked = pd.DataFrame(
        {
            "question": "ingredients",
            "question_zh": "成分",
            "question_en": "Ingredients",
            "product_id": ["p1"],
            "product": ["精华"],
            "users": 20,
            "comments": 23,
            "unanswered": 23.0,
            "unanswered_share": 1.0,
            "standing": "above",
            "example": "有酒精吗",
        }
    )
    standing = pd.DataFrame(
        {
            "key": ["p1"],
            "metric": ["item_click_pay_rate"],
            "value": [0.02],
            "baseline": [0.05],
            "lower": [0.02],
            "upper": [0.11],
        }
    )
    tables = {
        "comments": pd.DataFrame({"text": ["有酒精吗"]}),
        "products": pd.DataFrame({"product_id": ["p1"]}),
    }
    results = {
        "questions": asked,
        "standing": standing,
        "products_beside": pd.DataFrame({"product_id": ["p1"], "pay_standing": ["below"]}),
    }
    facts = plan.Facts(SESSION, tables, results, pd.DataFrame(), pd.DataFrame(), pd.NaT, None)
    own = plan.raised(PLAYBOOK, facts, rules=reference.rules())
    assert own[["named", "metric", "slice", "value", "baseline"]].values.tolist() == [
        ["questions_open", "item_click_pay_rate", "精华 (p1)", 0.02, 0.05]
    ]
    seen = problems(finding("click_pay_rate", money=5), suspected=own)
    assert seen[["problem", "certainty"]].values.tolist() == [
        ["click_pay_low", "found"],
        ["questions_open", "suspected"],
    ]
    assert seen["en"].iloc[1] == f"精华: {PLAYBOOK['questions_open'].en} (suspected)"
    weighed = causes.judge(
        "questions_open", PLAYBOOK["questions_open"], facts, rules=reference.rules()
    )
    line = draft(seen.tail(1), weighed).iloc[0]
    assert (
        line["metric"] == "item_click_pay_rate"
        and line["slice"] == "精华 (p1)"
        and line["baseline"] == 0.05
        and line["owner_role"] == "assistant_host"
    )
    assert (
        line["action_zh"].startswith("「精华」：把这个问题的答案写上手卡")
        and "23 条里 23 条没有文字答复" in line["evidence_zh"]
        and "usually 5.0%" in line["evidence_en"]
    )
    quiet = plan.Facts(
        SESSION,
        tables,
        {**results, "questions": asked.assign(users=9)},
        pd.DataFrame(),
        pd.DataFrame(),
        pd.NaT,
        None,
    )
    assert plan.raised(PLAYBOOK, quiet, rules=reference.rules()).empty
    assert "usually" not in problem_figures(
        pd.Series({**seen.iloc[1], "baseline": np.nan}), REGISTRY, "en", "CNY"
    )


@pytest.mark.parametrize("name", [name for name, problem in PLAYBOOK.items() if problem.metrics])
def test_every_problem_of_the_playbook_is_reached_by_each_of_its_metrics_and_gets_a_plan_line(name):
    for metric in PLAYBOOK[name].metrics:
        assert problems(finding(metric))["problem"].tolist() == [name]
    made = draft(problems(finding(PLAYBOOK[name].metrics[0])), judged()).iloc[0]
    stages = {
        getattr(label, lang)
        for label in reference.terms()["run_stage"].values()
        for lang in ("zh", "en")
    }
    assert (
        made["action_zh"]
        and made["action_en"]
        and made["stage_zh"] in stages
        and made["stage_en"] in stages
    )
    assert (
        made["owner_role"] in reference.roles()
        and made["metric"] in REGISTRY
        and PLAYBOOK[name].source
    )


def test_supported_causes_become_actions_and_one_cause_is_one_action():
    found = problems(finding("click_pay_rate", money=500), finding("create_pay_rate", money=300))
    made = draft(
        found,
        judged(
            click_pay_low__stock_out="supported",
            pay_low__stock_out="supported",
            pay_low__rare_prompts="supported",
            pay_low__coupon_late="not_supported",
        ),
    )
    assert made[["metric", "cause_en"]].to_numpy().tolist() == [
        ["click_pay_rate", "A lead product was out of stock"],
        ["exposure_pay_rate", "Payment prompts too rare"],
    ]
    assert made["owner_role"].tolist() == ["floor_control", "host"] and made[
        "money_at_stake"
    ].tolist() == [500, 300]
    assert made.loc[0, "baseline"] == 0.15 and "量到 40" in made.loc[0, "evidence_zh"]


def test_money_stands_once_and_no_more_than_two_actions_of_a_problem():
    supported = {
        f"pay_low__{cause.id}": "supported"
        for cause in PLAYBOOK["pay_low"].causes
        if cause.measurable
    }
    made = draft(problems(finding("create_pay_rate", money=300)), judged(**supported))
    assert made["metric"].tolist() == ["exposure_pay_rate", "create_pay_rate"]
    assert (
        len(made) == 2
        and made["money_at_stake"].sum() == 300
        and made["money_at_stake"].isna().sum() == 1
    )


def test_without_a_supported_cause_the_cause_is_to_be_found():
    made = draft(problems(finding("follow_rate")), judged())
    assert made["cause_zh"].tolist() == ["原因待查"]
    assert made["action_zh"].tolist() == [
        f"{PLAYBOOK['fans_few'].action.zh}（转粉率 1.00%，平时 2.00%（正常范围 1.50% – 3.00%））"
    ]


def test_a_suspected_problem_needs_a_supported_cause_unless_nothing_else_is_planned():
    suspected = plan.suspicions(
        verdict_rows(click_pay_rate=(0.1, 0.15, 0.3)), SESSION, PLAYBOOK, registry=REGISTRY
    )
    assert draft(problems(finding("follow_rate"), suspected=suspected), judged())[
        "metric"
    ].tolist() == ["follow_rate"]
    assert draft(problems(suspected=suspected), judged())["metric"].tolist() == ["click_pay_rate"]
    assert draft(problems(), judged()).empty


def test_a_problem_of_one_slice_is_verified_there():
    made = draft(problems(finding("item_click_pay_rate", slice="洗脸巾 (371)")), judged())
    assert made.loc[0, ["metric", "slice", "baseline"]].tolist() == [
        "item_click_pay_rate",
        "洗脸巾 (371)",
        0.02,
    ]
    assert made.loc[0, "evidence_zh"].startswith("洗脸巾：")


def test_an_action_on_a_source_or_product_is_verified_there_and_carries_its_money_once():
    told = [
        finding("room_conversion", money=900),
        finding("room_conversion", money=300, slice="千川"),
        finding("item_click_pay_rate", money=40, slice="洗脸巾 (371)"),
    ]
    evidence = judged(
        room_conversion_low__one_source="supported",
        click_pay_low__stock_out="supported",
        click_pay_low__one_source="supported",
    )
    evidence = about(evidence, one_source="千川", stock_out=("371", "洗脸巾"))
    made = plan.draft(
        problems(*told),
        evidence,
        PLAYBOOK,
        session_id="s",
        verdicts=pd.DataFrame(),
        checked=NOTHING_TRIED,
        registry=REGISTRY,
        told=findings.frame(told),
    )
    assert made[["metric", "slice", "money_at_stake"]].to_numpy().tolist() == [
        ["room_conversion", "千川", 300],
        ["item_click_pay_rate", "洗脸巾 (371)", 40],
    ]
    assert draft(problems(told[0]), evidence)[
        ["metric", "slice", "money_at_stake"]
    ].to_numpy().tolist() == [["room_conversion", "", 900]]


@pytest.mark.parametrize(("product", "first"), [("洗脸巾", "stock"), ("面膜", "pitch")])
def test_a_recorded_reason_comes_before_naming_the_product_that_sold_worse(product, first):
    found = problems(finding("room_conversion", money=900), finding("click_pay_rate", money=100))
    evidence = judged(
        room_conversion_low__one_product="supported", click_pay_low__stock_out="supported"
    )
    evidence = about(evidence, one_product=product, stock_out="洗脸巾")
    made = draft(found, evidence)
    assert len(made) == 2 and made.loc[0, "cause_en"].startswith(
        "A lead product was out of stock" if first == "stock" else "It lies in single products"
    )


def test_a_problem_whose_cause_is_acted_on_already_names_that_line():
    found = problems(
        finding("room_conversion", money=900),
        finding("exposure_view_rate", money=100),
        finding("follow_rate"),
    )
    evidence = judged(
        room_conversion_low__one_source="supported", traffic_imprecise__one_source="supported"
    )
    made = draft(found, evidence)
    together = plan.merged(found, evidence, made)
    assert together["en"].tolist() == [PLAYBOOK["traffic_imprecise"].en] and together[
        "lines"
    ].tolist() == [made.loc[0, "plan_id"]]


def test_ids_do_not_depend_on_the_language_and_rows_fit_the_file():
    made = draft(problems(finding("follow_rate")), judged(fans_few__rare_prompts="supported"))
    zh, en = (plan.in_language(made, lang) for lang in ("zh", "en"))
    assert zh["plan_id"].tolist() == en["plan_id"].tolist() and list(zh) == plan_file.COLUMNS
    assert zh["action"].tolist() != en["action"].tolist()


# ------------------------------------------------------------------------------------- 5W2H, roles


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_5w2h_has_seven_rows_and_marks_what_is_proposed(lang):
    rows = [finding("create_pay_rate", money=300, minute_from=10.0, minute_to=50.0)]
    found, evidence = problems(*rows), judged(pay_low__stock_out="supported")
    made = plan.five_w_two_h(
        found.iloc[0],
        evidence,
        draft(found, evidence),
        PLAYBOOK,
        findings.frame(rows),
        SESSION,
        registry=REGISTRY,
        lang=lang,
    )
    assert len(made) == 7 and made["origin"].nunique() == 2 and (made["content"] != "").all()
    assert "10–50" in made["content"][1] and ("300" in made["content"][3])
    assert made["content"][4] == (
        "场控负责；主播参与" if lang == "zh" else "answers for it: Floor control; taking part: Host"
    )


def test_scorecard_shows_what_is_known_and_how_many_share_it():
    known = pd.DataFrame(
        {
            "metric": ["follow_rate", "room_conversion"],
            "value": [0.02, np.nan],
            "baseline": [0.01, 0.01],
            "lower": 0.0,
            "upper": 1.0,
            "verdict": "better",
        }
    )
    made = plan.scorecard(
        reference.roles(),
        known,
        registry=REGISTRY,
        extra=[plan.aftersales_scores(findings.frame([finding("refund_rate_orders")]))],
    )
    assert made["role"].tolist() == ["host", "selection", "service"] and made[
        "shared"
    ].tolist() == [1, 2, 2]
    assert made.loc[made["role"] == "service", "addition"].all()


def test_verified_actions_become_findings():
    checked = pd.DataFrame(
        {
            "plan_id": ["a", "b", "c"],
            "metric": "follow_rate",
            "after": 0.02,
            "before": 0.01,
            "verdict": ["effective", "harmful", "not_done"],
        }
    )
    rows = plan_file.frame([{"plan_id": name, "dimension": "fans"} for name in "abc"])
    made = verification.findings_of(
        checked, dict.fromkeys("abc", ("句", "said")), rows, notebook="06_plan"
    )
    assert made["verdict"].tolist() == ["better", "worse"]


@pytest.mark.parametrize(
    ("own", "verdict"), [(0.5, "better"), (0.1, "worse"), (0.3, "cannot_tell")]
)
def test_enquiries_are_set_against_their_own_history(own, verdict):
    values = [0.29, 0.31, 0.30, 0.28, 0.32, own]
    known = pd.DataFrame(
        {
            "session_id": [f"s{i}" for i in range(6)],
            "started_at": range(6),
            "metric": "enquiry_conversion",
            "slice": "",
            "value": values,
            "comparable": True,
        }
    )
    assert plan.other_scores(known, "s5", ["enquiry_conversion"], registry=REGISTRY)[
        "verdict"
    ].tolist() == [verdict]
    assert plan.other_scores(known.tail(2), "s5", ["enquiry_conversion"], registry=REGISTRY)[
        "verdict"
    ].tolist() == ["not_comparable"]


def test_the_scorecard_reads_a_value_inside_its_range_as_ordinary_as_the_comparison_does():
    values = pd.DataFrame(
        {
            "metric": ["uv_value", "room_conversion"],
            "value": [1.0, 0.5],
            "baseline": [1.1, 0.2],
            "lower": [0.5, 0.1],
            "upper": [2.0, 0.3],
            "verdict": "cannot_tell",
            "outcome": ["normal", "cannot_tell"],
        }
    )
    refunds = (
        values.drop(columns="outcome").iloc[[0, 1]].assign(metric=["refund_rate_orders", "ad_roi"])
    )
    made = (
        plan.scorecard(reference.roles(), values, registry=REGISTRY, extra=[refunds])
        .drop_duplicates("metric")
        .set_index("metric")["verdict"]
    )
    assert made.to_dict() == {
        "uv_value": "normal",
        "room_conversion": "cannot_tell",
        "refund_rate_orders": "normal",
        "ad_roi": "cannot_tell",
    }
