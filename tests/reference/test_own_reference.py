"""A workspace's own metric, laid over the registry, is known and named everywhere.

Wherever its playbook, roles and plans use it.
"""

import shutil

import numpy as np
import openpyxl
import pandas as pd
import pytest
import yaml

from helpers import clean, compare, plan, reference, report
from helpers.clean import data_quality, reconcile
from helpers.core import findings, places
from helpers.plan import plan_file
from helpers.reference import metrics, schema
from helpers.report import index

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-11-14 20:00", tz=ZONE)
OWN = {
    "metrics.yml": """
own_rate:
  {zh: 自家成交指数, en: Own pay index, table: sessions, group: conversion,
   numerator: pay_users, denominator: viewers, unit: percent, additive: false,
   bigger_is_better: true, decimals: 2, source: own,
   description: {zh: 店里自己的, en: The shop's own}}""",
    "comments.yml": (
        "questions:\n  own_question: {zh: 自家问题类型, en: Own kind of question, words: [自家]}"
    ),
    "reasons.yml": (
        "own_group: {zh: 自家原因组, en: Own group, reasons: {own_reason: "
        "{zh: 自家原因, en: Own reason, role: service, words: 自家原因}}}"
    ),
    "playbook.yml": """
own_line:
  zh: 自家问题
  en: Own problem
  dimension: conversion
  metrics: own_rate
  stages: all
  work: {zh: 自查, en: Check}
  people: [operations]
  causes:
    - {id: source, zh: 来源, en: A source, measurable: true,
       evidence: {rule: worse_sources, metric: own_rate, at_least: 1}}
    - {id: quiet, zh: 商品, en: A product, measurable: true,
       evidence: {rule: worse_products, metric: own_rate, at_least: 1}}
    - {id: step, zh: 步骤, en: A step, measurable: true,
       evidence: {rule: formula_share, step: own_rate, at_least: 0.3}}
    - {id: asked, zh: 问得多, en: Asked, measurable: true,
       evidence: {rule: asked_about, question: own_question, at_least: 1}}
    - {id: back, zh: 退货, en: Sent back, measurable: true,
       evidence: {rule: reason_share, reason: own_group, at_least: 0.1}}
  action: {zh: 自家行动, en: Own action}
  verify: own_rate
  source: own""",
    "roles.yml": (
        "operations: {metrics: [{metric: own_rate}], faults: [{zh: 自家毛病, en: Own "
        "fault, "
        "evidence: {rule: worse_sources, metric: own_rate, at_least: 1}}]}"
    ),
    "definitions.yml": (
        "paid_amount: [{terms: [ad_cost], zh: 自家口径, en: the shop's own meaning}]"
    ),
}


@pytest.fixture
def own(tmp_path):
    """The reference folder of a workspace with entries of its own.

    A metric, a playbook line, a line of a role, a reason and a question.
    """
    folder = tmp_path / "shop" / "reference"
    folder.mkdir(parents=True)
    (folder.parent / "raw").mkdir()
    for name, content in OWN.items():
        (folder / name).write_text(content, encoding="utf-8")
    return clean.Workspace.open(folder.parent).reference


def worse(dimension: str, slice: str, verdict: str) -> dict[str, object]:
    return {
        "dimension": dimension,
        "key": slice,
        "slice": slice,
        "metric": "own_rate",
        "value": 0.01,
        "baseline": 0.03,
        "verdict": verdict,
    }


@pytest.fixture
def facts(own):
    """Records in which a source does worse by the own metric.

    Its step took all of the fall, and returns say the own reason.
    """
    standing = pd.DataFrame(
        [worse("source", "推荐", "worse"), worse("product_id", "大碗", "better")]
    )
    steps = pd.DataFrame({"factor": ["own_rate", "viewers"], "contribution": [-100.0, 0.0]})
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
            "service",
            "minutes",
            "comments",
            "events",
        )
    }
    tables["comments"] = pd.DataFrame({"text": ["自家吗"]})
    tables["orders"], tables["aftersales"] = (
        pd.DataFrame({"order_id": ["1"]}),
        pd.DataFrame({"order_id": ["1"]}),
    )
    asked = pd.DataFrame(
        {
            "question": ["own_question"],
            "product_id": ["1"],
            "product": ["大碗"],
            "users": [3],
            "standing": ["above"],
        }
    )
    lines = pd.DataFrame({"refunded": [True] * 40, "reason": ["自家原因"] * 40})
    session = pd.Series(
        {
            "session_id": "s",
            "started_at": START,
            "ended_at": START + pd.Timedelta(hours=3),
            "host": None,
        }
    )
    results = {
        "standing": standing,
        "formula_split": steps,
        "source_split": pd.DataFrame(),
        "questions": asked,
    }
    return plan.Facts(
        session, tables, results, pd.DataFrame(), lines, START + pd.Timedelta(days=3), own
    )


def judged(own, facts) -> pd.DataFrame:
    return plan.judge_causes(
        ["own_line"], reference.playbook(own), facts, rules=reference.rules(own)
    ).set_index("cause")


@pytest.mark.parametrize(
    ("cause", "zh", "en"),
    [
        ("source", "自家成交指数", "Own pay index"),
        ("quiet", "自家成交指数", "Own pay index"),
        ("step", "自家成交指数", "Own pay index"),
        ("asked", "自家问题类型", "Own kind of question"),
        ("back", "自家原因组", "Own group"),
    ],
)
def test_evidence_names_what_is_the_workspace_s_own(own, facts, cause, zh, en):
    said = judged(own, facts).loc[cause]
    assert (
        said["verdict"] != "not_measurable"
        and zh in said["evidence_zh"]
        and en in said["evidence_en"]
    )


def test_a_fault_of_a_role_is_checked_by_the_own_metric(own, facts):
    checks = plan.role_checklist(
        {"operations": reference.roles(own)["operations"]}, facts, rules=reference.rules(own)
    )
    assert (
        checks.astype(str).apply(lambda row: row.str.contains("自家成交指数").any(), axis=1).sum()
        == 1
    )


@pytest.mark.parametrize(
    ("note", "says"),
    [("成交不好", "自家成交指数变好"), ("大碗卖不动", "「大碗」自家成交指数 1.00%，平时 3.00%")],
)
def test_a_note_is_held_against_the_own_metric_by_name(own, facts, note, says):
    notes = schema.conform(
        pd.DataFrame(
            [
                {
                    "role": "host",
                    "stage": None,
                    "dimension": "conversion",
                    "problem": note,
                    "session_started_at": START,
                }
            ]
        ),
        "notes",
        ZONE,
    )
    checked = plan.check_notes(
        notes,
        pd.DataFrame({"problem": [], "zh": [], "en": []}),
        reference.playbook(own),
        pd.DataFrame({"metric": ["own_rate"], "verdict": ["better"]}),
        judged(own, facts).reset_index().iloc[:0],
        registry=reference.registry(own),
        products={"大碗": "大碗"},
        standing=facts.results["standing"],
    ).iloc[0]
    assert checked["verdict"] == "not_borne_out" and says in checked["evidence_zh"]


def test_the_plan_of_the_own_line_keeps_its_metric_through_csv_and_excel(own, facts, tmp_path):
    registry, playbook = reference.registry(own), reference.playbook(own)
    finding = findings.make(
        notebook="03_compare",
        dimension="conversion",
        metric="own_rate",
        slice="",
        verdict="worse",
        value=0.01,
        baseline=0.02,
        ci_lower=0.015,
        ci_upper=0.03,
        p_adjusted=0.01,
        money_at_stake=100.0,
        sentence_zh="句",
        sentence_en="said",
    )
    found, causes_seen = findings.frame([finding]), judged(own, facts).reset_index()
    problems = plan.with_notes(
        plan.problems(
            found,
            playbook,
            schema.empty("notes", ZONE),
            suspected=findings.frame([]),
            registry=registry,
        ),
        pd.DataFrame(columns=["problem", "verdict", "matched", "role"]),
        causes_seen,
    )
    drafted = plan.draft(
        problems,
        causes_seen,
        playbook,
        session_id="s",
        verdicts=pd.DataFrame({"metric": ["own_rate"], "value": [0.01], "baseline": [0.02]}),
        checked=pd.DataFrame(),
        registry=registry,
        told=found,
    )
    assert set(drafted["metric"]) == {"own_rate"} and len(drafted)
    lines = plan.in_language(drafted, "zh")
    plan_file.write(lines, tmp_path, "s", lang="zh", registry=registry, sheets={})
    column = plan_file.COLUMNS.index("metric") + 1
    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx").worksheets[0]
    assert {sheet.cell(row, column).value for row in range(2, sheet.max_row + 1)} == {
        "自家成交指数"
    }
    assert (
        sheet.cell(2, plan_file.COLUMNS.index("baseline") + 1).number_format
        == plan_file.NUMBER_FORMATS["percent"]
    )
    again = plan_file.load(tmp_path, "s", registry=registry)
    assert set(again.rows["metric"]) == {"own_rate"} and again.aside.empty


def test_a_goal_on_the_own_metric_is_completed_by_two_columns_of_the_session(own):
    registry = reference.registry(own)
    sessions = schema.conform(
        pd.DataFrame(
            [
                {
                    "session_id": "s",
                    "platform": "douyin",
                    "started_at": START,
                    "viewers": 200,
                    "pay_users": 5,
                }
            ]
        ),
        "sessions",
        ZONE,
    )
    goals = schema.conform(
        pd.DataFrame(
            [{"session_id": "s", "session_started_at": START, "metric": "own_rate", "target": 0.02}]
        ),
        "goals",
        ZONE,
    )
    done = metrics.by_session(sessions, ["own_rate"], registry=registry)
    made = compare.goal_completion(goals, done, sessions, "s", registry=registry, settled=True)
    assert np.isclose(made["completion"].iloc[0], 5 / 200 / 0.02)


def test_a_total_that_agrees_with_the_own_meaning_is_told_by_it(own):
    session = pd.Series({name: np.nan for name in reference.tables()["sessions"].columns}).astype(
        "object"
    )
    session["paid_amount"], session["ad_cost"] = 1000.0, 400.0
    limits = {"reconcile_green": 0.01, "reconcile_amber": 0.05}
    products = pd.DataFrame(
        {"sku_id": [None], "orders": [np.nan], "units": [np.nan], "paid_amount": [400.0]}
    )
    made = reconcile.checks(
        session, {"products": products}, thresholds=limits, definitions=reference.definitions(own)
    ).set_index("check")
    assert (
        "自家口径" in made.at["products.paid_amount", "note_zh"]
        and made.at["products.paid_amount", "light"] == "amber"
    )


def test_an_own_metric_cannot_take_the_name_of_a_measure(own):
    name = next(iter(reference.measures()))
    (own / "metrics.yml").write_text(OWN["metrics.yml"].replace("own_rate", name), encoding="utf-8")
    with pytest.raises(reference.ReferenceDataError, match=f"{name}: stands in measures.yml too"):
        reference.registry(own)


def test_the_list_of_sessions_looks_again_when_the_workspace_says_and_has_its_names(own):
    (own / "service.yml").write_text("look_again_days: [7]", encoding="utf-8")
    (own / "metrics.yml").write_text("refund_rate_orders: {zh: 自家退款率}", encoding="utf-8")
    starts = pd.date_range(START, periods=3, freq="D")
    rows = [
        {
            "session_id": f"s{place}",
            "platform": "douyin",
            "started_at": start,
            "orders": 50,
            "refund_orders": 10 + place,
        }
        for place, start in enumerate(starts)
    ]
    sessions = schema.conform(pd.DataFrame(rows), "sessions", ZONE).assign(
        as_of=START + pd.Timedelta(days=8)
    )
    lines = {
        line["id"]: line["returns"]
        for line in index.index_lines({}, sessions, workspace_reference=own, lang="zh")
    }
    assert lines == {"s0": "20.0%", "s1": "22.0%", "s2": "—"}
    assert [
        line["value"]
        for line in index.trend(sessions, workspace_reference=own, lang="zh")
        if line["name"] == "自家退款率"
    ] == ["21.0%"]


def test_a_file_is_listed_under_the_name_of_the_workspace_s_own_export_or_of_the_template_s_table(
    own,
):
    (own / "sources").mkdir()
    shutil.copy(places.REFERENCE / "sources" / "qianchuan.yml", own / "sources" / "own_system.yml")
    content = yaml.safe_load((own / "sources" / "own_system.yml").read_text(encoding="utf-8"))
    export = {**content["exports"][0], "id": "own_export", "zh": "自家导出", "en": "Own export"}
    (own / "sources" / "own_system.yml").write_text(
        yaml.safe_dump(
            {**content, "system": "own_system", "exports": [export]}, allow_unicode=True
        ),
        encoding="utf-8",
    )
    files = pd.DataFrame(
        {
            "file": ["a", "b", "c"],
            "sheet": None,
            "export": ["own_export", "goals", None],
            "problem": None,
            "rows_aside": 1,
        }
    )
    shown = data_quality.files_to_show(
        files, pd.DataFrame({"file": [], "sheet": []}), reference.systems(own)
    )
    told = report.table(shown[["file", "export_zh", "export_en"]], lang="zh").plain
    assert (
        shown["export_en"].tolist()[:2] == ["Own export", "Goals"]
        and "自家导出" in told
        and "目标" in told
        and "own_export" not in told
    )


def test_a_key_that_is_given_twice_is_refused_and_named(tmp_path):
    path = tmp_path / "thresholds.yml"
    path.write_text("pending_days: 7\nhot_word_users: 4\npending_days: 9\n", encoding="utf-8")
    with pytest.raises(
        reference.ReferenceDataError,
        match=r"(?s)thresholds\.yml: not valid YAML: .* 'pending_days' is given twice.*line 3",
    ):
        reference.thresholds(tmp_path)
