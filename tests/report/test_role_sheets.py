"""A role's sheet holds its own and nobody else's, in words and clock times, on one A4."""

import pandas as pd
import pytest

from helpers import reference
from helpers.report import gate, page, role_sheets
from tests.report.test_brief import NAN, made, setting
from tests.sample_review import built

CHECKS = pd.DataFrame(
    [
        ("host", "卖点掌握不全", "Points not mastered", "by_hand", "", ""),
        ("host", "与观众互动太少", "Too little interaction", "raised", "每小时 2", "2 an hour"),
        ("floor_control", "发券不及时", "Coupons late", "raised", "晚 4.7 分钟", "4.7 minutes"),
        ("designer", "灯光不妥", "Lighting", "by_hand", "", ""),
    ],
    columns=["role", "zh", "en", "check_state", "evidence_zh", "evidence_en"],
)
PLAN = pd.DataFrame(
    {
        "owner_role": ["host", "floor_control"],
        "action": ["开讲先答成分", "提前备券"],
        "problem": ["追问没人答", "券发晚了"],
        "due_session": ["", "11-20 场"],
        "slice": "",
        "metric": "click_pay_rate",
    }
)
SCORES = pd.DataFrame(
    {
        "role": ["host", "floor_control"],
        "metric": ["uv_value", "product_click_rate"],
        "value": [0.5, 0.1],
        "baseline": [0.8, 0.11],
        "verdict": ["worse", "normal"],
    }
)
SPANS = pd.DataFrame(
    {
        "mark": ["A", "B"],
        "start_minute": [11.0, 200.0],
        "end_minute": [27.0, 245.0],
        "label_zh": ["<b>霜</b>", "膜"],
        "label_en": ["<b>霜</b>", "膜"],
        "product_id": ["1", "2"],
        "orders": [20.0, 3.0],
        "paid_amount": [856.0, 99.0],
        "orders_per_1000": [16.0, 2.0],
        "session_orders_per_1000": 8.0,
        "standing": ["above", "below"],
    }
)
QUESTIONS = pd.DataFrame(
    {
        "question": ["ingredients"],
        "question_zh": ["成分与配料"],
        "question_en": ["Ingredients"],
        "product_id": ["1"],
        "product": ["霜"],
        "users": [20],
        "comments": [23],
        "unanswered": [23.0],
        "example": ["有酒精吗"],
    }
)
FRAMES = {
    "role_checks": CHECKS,
    "plan": PLAN,
    "scorecard": SCORES,
    "spans": SPANS,
    "questions": QUESTIONS,
}


def sheets(lang: str = "zh", **others: pd.DataFrame) -> dict[str, dict]:
    of = setting(lang, **{**FRAMES, **others})
    layer = made(lang, **{**FRAMES, **others})
    return {name: role_sheets.make(name, layer, of, reference.roles()) for name in of.words.sheets}


def words(sheet: dict, lang: str = "zh") -> str:
    return " ".join(gate.Seen(page.roles([sheet], lang=lang)).texts)


def test_a_sheet_holds_its_role_s_own_and_no_other_s():
    host, floor = (words(sheets()[name]) for name in ("host", "floor_control"))
    own = ["与观众互动太少", "每小时 2", "卖点掌握不全", "开讲先答成分", "¥0.50", "明显差"]
    assert all(word in host for word in [*own, "20 人问成分与配料", "23 条里 23 条"])
    # minute 11 of a session that began at 20:00; minutes 200 to 245 go over midnight
    assert all(word in host for word in ["20:11–20:27", "23:20–00:05", "成分与配料 23"])
    assert "出单是全场的 2 倍" in host.replace("2.0", "2")
    assert not any(word in host for word in ["发券不及时", "提前备券", "4.7", "灯光"])
    assert all(word in floor for word in ["发券不及时", "提前备券", "11-20 场"])
    assert not any(word in floor for word in [*own[:4], "20 人问"])
    assert "灯光不妥" in words(sheets()["selection"])


def test_the_owner_s_sheet_names_who_does_what():
    boss = words(sheets()["boss"])
    assert all(word in boss for word in ["主播", "开讲先答成分", "场控", "提前备券", "未达成"])
    assert "卖点掌握不全" not in boss


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_all_sheets_pass_the_gate_with_and_without_results(lang):
    nothing = dict.fromkeys([*FRAMES, "goals", "verdicts", "findings"], pd.DataFrame())
    for others in ({}, nothing):
        drawn = sheets(lang, **others)
        html = page.roles([*drawn.values()], lang=lang)
        assert list(gate.layer_failures("roles/all.html", html, built(lang))) == []
        assert html.count("<article") == 9 and "<b>霜" not in html
    names = {getattr(sheet, lang) for sheet in reference.brief().sheets.values()}
    assert {sheet["name"] for sheet in drawn.values()} == names


def test_a_missing_value_is_a_dash():
    frame = pd.DataFrame(
        {
            "source": ["推荐"],
            "viewers": [10.0],
            "paid_amount": [5.0],
            "room_conversion": [0.1],
            "ad_cost": [NAN],
            "standing": ["above"],
        }
    )
    (table,) = [
        block
        for block in sheets(sources=frame)["operations"]["blocks"]
        if block["title"] == "每个来源"
    ]
    assert table["rows"] == [["推荐", "10", "10.00%", "¥5", "—", "● 明显好"]]
