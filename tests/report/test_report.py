"""What is shown is escaped and complete, and the gate refuses what may not go out."""

import base64
import copy
import html
import io
import json
import re
from collections import defaultdict
from types import SimpleNamespace

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from helpers import clean, reference, report
from helpers.compare import goals
from helpers.core import findings
from helpers.reference import metrics
from helpers.report import cards, first_screen, foremost, gate, index, page, parts
from helpers.report.publish import masked
from helpers.review import SENTINEL
from tests.sample_review import (
    NAN,
    both,
    built,
    chart_frames,
    drawn,
    finish,
    notebook,
    notebooks,
    products,
    result,
    results,
    screen,
    session,
)

REGISTRY = reference.registry()
OUTPUTS = len(chart_frames()) + 4
LANGS = pytest.mark.parametrize("lang", ["zh", "en"])


@pytest.fixture(scope="module")
def pages():
    return {lang: (notebooks(lang), built(lang)) for lang in ("zh", "en")}


def cells(html: str) -> list[list[str]]:
    return [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", html)
    ]


def check(page_html: str, books, lang: str = "zh", **more) -> None:
    gate.check(page_html, books, dropped_tags=parts.dropped_tags(lang), **more)


# ------------------------------------------------------------------------------------------ tables


def test_columns_are_named_and_values_stand_in_their_units():
    frame = pd.DataFrame(
        {
            "paid_amount": [12_345.6, NAN],
            "product_click_users": [1203.0, 88],
            "avg_watch_seconds": [65.0, NAN],
            "tier": ["profit", None],
        }
    )
    head, first, second = cells(report.table(frame, lang="zh").html)
    assert head == ["支付金额", "商品点击人数", "人均观看时长", "商品定位"]
    assert first == ["¥1.23万", "1,203", "1分5秒", "利润款"]
    assert second == ["—", "88", "—", "—"]
    assert cells(report.table(frame, lang="en").html)[1] == [
        "¥12,346",
        "1,203",
        "1m 5s",
        "Profit item",
    ]


def test_a_row_that_names_its_metric_has_that_metric_s_unit():
    frame = pd.DataFrame(
        {
            "metric": ["paid_amount", "room_conversion"],
            "value": [200.0, 0.0312],
            "lower": [150.0, 0.02],
            "upper": [250.0, 0.04],
            "verdict": ["better", "worse"],
        }
    )
    rows = cells(report.table(frame, lang="en", registry=REGISTRY).html)
    assert rows[0] == ["Metric", "Value", "Normal range", "Verdict"]
    assert rows[1][1:] == ["¥200", "¥150 – ¥250", "● Better"]
    assert rows[2] == [REGISTRY["room_conversion"].en, "3.12%", "2.00% – 4.00%", "◆ Worse"]


def test_the_words_of_one_language_are_shown_without_their_codes():
    frame = pd.DataFrame(
        {
            "check": ["a.b"],
            "label_zh": ["商品合计"],
            "label_en": ["Products"],
            "note_zh": ["甲"],
            "note_en": ["A"],
            "light": ["red"],
        }
    )
    assert cells(report.table(frame, lang="zh").html) == [
        ["名称", "说明", "核对"],
        ["商品合计", "甲", "◆ 对不上"],
    ]
    assert cells(report.table(frame, lang="en").html) == [
        ["Name", "Note", "Check"],
        ["Products", "A", "◆ Does not reconcile"],
    ]


def test_a_value_that_is_missing_is_a_dash_and_a_column_without_any_is_left_out():
    frame = pd.DataFrame(
        {
            "name": ["x", "y"],
            "weak": pd.array([True, pd.NA], dtype="boolean"),
            "share": [float("nan")] * 2,
        }
    )
    assert cells(report.table(frame, lang="zh").html) == [
        ["名称", "证据偏弱"],
        ["x", "是"],
        ["y", "—"],
    ]


@pytest.mark.parametrize(
    "column, value, expected",
    [
        ("p_adjusted", 0.0002, "&lt;0.001"),
        ("p_adjusted", 0.0312, "0.031"),
        ("share", 0.125, "12.5%"),
        ("ratio", 0.714, "0.71"),
        ("n", 12.0, "12"),
        ("something", 3.0, "3"),
        ("something", 3.14159, "3.14"),
        ("weak", True, "是"),
        ("started_at", pd.Timestamp("2026-11-10 20:00", tz="Asia/Shanghai"), "2026-11-10 20:00"),
        ("money_at_stake", -65_000.0, "−¥6.50万"),
        ("verdict", "effective_but_small", "● 有效但过小"),
        ("verdict", "no such verdict", "no such verdict"),
        ("owner_role", "floor_control", "场控"),
    ],
)
def test_cells_of_columns_that_analyses_add(column, value, expected):
    frame = pd.DataFrame(
        {"name": ["x"], column: pd.array([value], dtype="boolean") if column == "weak" else [value]}
    )
    assert cells(report.table(frame, lang="zh").html)[1][1] == expected


def test_labels_and_units_given_win():
    html = report.table(
        pd.DataFrame({"name": ["a"], "x": [0.5]}),
        lang="zh",
        labels={"x": ("甲", "A")},
        units={"x": "percent"},
    ).html
    assert cells(html) == [["名称", "甲"], ["a", "50.0%"]]


def test_a_limit_says_of_how_many():
    shown = report.table(pd.DataFrame({"name": list("abc")}), lang="zh", limit=2)
    assert "共 3 行，显示前 2 行" in shown.html and "共 3 行，显示前 2 行" in repr(shown)
    assert (
        "显示前" not in report.table(pd.DataFrame({"name": list("abc")}), lang="zh", limit=3).html
    )


@LANGS
def test_a_table_without_rows_says_so(lang):
    html = report.table(
        pd.DataFrame({"name": pd.Series(dtype=str), "paid_amount": pd.Series(dtype=float)}),
        lang=lang,
    ).html
    assert {"zh": "没有数据", "en": "no rows"}[lang] in html


def test_a_frame_is_not_changed_by_being_shown():
    frame = products()
    before = frame.copy(deep=True)
    report.table(frame, lang="zh", limit=1)
    pd.testing.assert_frame_equal(frame, before)


def test_plain_text_of_a_table_is_a_readable_frame():
    assert repr(
        report.table(
            pd.DataFrame({"name": ["甲"], "paid_amount": [5.0]}), lang="zh", caption_zh="商品"
        )
    ).split() == ["商品", "名称", "支付金额", "甲", "¥5.00"]


@given(st.lists(st.text(max_size=30), min_size=1, max_size=4), st.text(max_size=30))
@settings(max_examples=60, deadline=None)
def test_no_text_in_a_table_becomes_markup(names, caption):
    html = report.table(
        pd.DataFrame({"name": names, f"c{caption}": names}), lang="en", caption_en=caption
    ).html
    tags = set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", html))
    assert tags <= {"figure", "figcaption", "div", "table", "thead", "tbody", "tr", "th", "td"}


@given(st.text(max_size=80), st.text(max_size=10))
@settings(max_examples=60)
def test_no_text_in_a_sentence_becomes_markup(words, finding):
    html = report.sentence(words, words, lang="zh", finding=finding).html
    assert set(re.findall(r"<\s*/?\s*([a-zA-Z]+)", html)) == {"p"}
    assert html.count('"') == html.replace("&quot;", "").count('"') and html.count('"') % 2 == 0


@pytest.mark.parametrize("holds", [False, 0, None, float("nan"), pd.NA])
def test_what_does_not_hold_is_shown_with_what_to_do_and_stops_nothing(monkeypatch, holds):
    seen = []
    monkeypatch.setattr("helpers.report.show.display", seen.append)
    report.watch(holds, "各来源<b>加不成</b>全部", "Sources do not add up", lang="zh")
    report.watch(True, "无", "none", lang="zh")
    assert len(seen) == 1 and "fp-warn" in seen[0].html and "<b>" not in seen[0].html
    assert "放进 raw/ 再跑一次" in seen[0].plain
    report.watch(holds, "计划编号重复", "A plan id stands twice", lang="en", remedy="plan")
    assert "A plan id stands twice" in seen[1].plain and "plans/" in seen[1].plain


def test_a_sentence_carries_its_finding_and_its_level():
    html = report.sentence("变差", "worse", lang="en", level="bad", finding="F02-ab12cd").html
    assert 'data-finding="F02-ab12cd"' in html and "fp-bad" in html and html.endswith("worse</p>")


# -------------------------------------------------------------------------------------------- page


@LANGS
def test_the_sample_page_passes_the_gate(pages, lang):
    books, html = pages[lang]
    check(html, books, lang)
    assert (
        html.startswith("<!DOCTYPE html>")
        and f'<html lang="{ {"zh": "zh-CN", "en": "en"}[lang] }">' in html
    )


@LANGS
def test_every_output_is_in_the_page(pages, lang):
    books, html = pages[lang]
    by_hand = sum(
        len([one for one in cell.outputs if SENTINEL not in one.data])
        for book in books.values()
        for cell in book.cells
        if cell.cell_type == "code"
    )
    assert gate.Seen(html).outputs == by_hand == html.count('class="fp-output"')
    assert (
        html.count("<table>") == 1
        and html.count("<svg ") == len(chart_frames())
        and "<img " not in html
    )


def test_the_other_language_s_words_are_left_out(pages):
    for lang, own, other in (
        ("zh", "哪一步流失最多", "Which step loses most"),
        ("en", "Which step loses most", "哪一步流失最多"),
    ):
        html = pages[lang][1]
        assert own in html and other not in html


def test_headings_have_an_id_each_and_the_contents_lead_to_them(pages):
    seen = gate.Seen(pages["zh"][1])
    targets = [link[1:] for link in seen.links if link.startswith("#")]
    assert {"summary", "p02", "p02-1", "p04", "p04-1", "method", "F02-aa11bb"} <= set(targets)
    assert set(targets) <= set(seen.ids) and len(seen.ids) == len(set(seen.ids))


def test_two_notebooks_with_the_same_heading_do_not_share_an_id():
    books = {name: notebook(*both("## 结论", "## So")) for name in ("02_funnel", "03_compare")}
    assert {"p02-1", "p03-1"} <= set(gate.Seen(built("zh", books)).ids)


def test_what_a_notebook_decides_leads_its_part(pages):
    html = pages["zh"][1]
    assert '<p class="fp-lead">先改哪一步</p><ul class="fp-code">' in html


def test_the_same_input_gives_the_same_bytes():
    assert built("zh") == built("zh")


def test_hostile_names_are_words_in_the_page(pages):
    html = pages["zh"][1]
    assert "<script>alert" not in html and "&lt;script&gt;alert" in html
    assert html.count("<script>") == 1 and not re.search(r"<[^>]*\sonerror", html)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        '<img src="https://example.org/x.png" onerror="alert(1)">',
        '<a href="javascript:alert(1)">x</a>',
        '<p style="background:url(https://example.org)">x</p>',
        '<iframe src="https://example.org"></iframe>',
        '<form action="/x"><input name="a"></form>',
        '<svg onload="alert(1)"><use href="https://example.org#a"/></svg>',
        '<p id="summary" class="page masthead">x</p>',
        '<base href="https://example.org">',
        '<a href="https://example.org">x</a>',
        '<img src="data:text/html;base64,PHNjcmlwdD4=">',
        "<style>@import 'https://example.org'</style>x",
        '<svg><path fill="url(https://example.org/#a)" d="M0 0"/><text id="summary">x</text></svg>',
        '<svg><animate onbegin="alert(1)"/></svg>',
        '<svg><foreignObject><form action="/x"></form></foreignObject></svg>',
        '<svg><a href="javascript:alert(1)"><text>x</text></a></svg>',
        (
            '<svg><style>@import "https://example.org"</style><image '
            'href="https://example.org/a.png"/></svg>'
        ),
    ],
)
def test_markup_in_an_output_or_in_words_is_made_harmless(hostile):
    shown = SimpleNamespace(_repr_html_=lambda: f"<p>before</p>{hostile}")
    books = {"02_funnel": notebook(result(shown), new_markdown_cell(f"words {hostile}"))}
    html = built("zh", books)
    check(html, books)
    body = html.split('<section id="p02"')[1].split('<section id="method"')[0]
    assert not re.search(
        r"<[^>]*(?:example\.org|javascript:|\son\w+=|\sstyle=|masthead)|<(?:script|style|iframe|form|input|base|image|animate|foreignObject)\b",
        body,
    )


def test_styles_inline_for_the_notebook_stay_out_of_the_page(pages):
    assert "style=" in report.table(products(), lang="zh").html
    assert not re.search(r"<[^>]+\sstyle=", pages["zh"][1])


def test_outputs_that_are_not_ours_are_shown_as_well():
    frame = pd.DataFrame({"a": [1]})
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0"/></svg>'
    outputs = [
        new_output(
            "execute_result",
            data={"text/html": frame.to_html(), "text/plain": "x"},
            execution_count=1,
        ),
        new_output("display_data", data={"image/svg+xml": svg, "text/plain": "a line"}),
        new_output(
            "display_data",
            data={"image/png": base64.b64encode(b"png").decode(), "text/plain": "a point"},
        ),
        new_output("execute_result", data={"text/plain": "<b>'plain'</b>"}, execution_count=2),
        new_output("stream", name="stdout", text="rows 5\n"),
    ]
    books = {"02_funnel": notebook(new_code_cell("x", outputs=outputs))}
    html = built("zh", books)
    check(html, books)
    assert (
        'alt="a line"' in html and 'alt="a point"' in html and "&lt;b&gt;'plain'&lt;/b&gt;" in html
    )
    assert '<div class="fp-code"><pre>rows 5' in html


def test_an_english_page_takes_its_marks_from_a_latin_font_ahead_of_all_others(pages):
    assert page.LATIN_FACE in pages["en"][1] and page.LATIN_FACE not in pages["zh"][1]
    families = re.findall(
        r"font(?:-family)?:[^;]*?(\"Fupan [^;]*);",
        (parts.TEMPLATES / "fupan" / "style.css").read_text(encoding="utf-8"),
    )
    assert families and all(named.startswith('"Fupan Latin"') for named in families)


@pytest.mark.parametrize(
    "words, kept",
    [
        ("down (−¥2,284) most", "(−¥2,284)"),
        ("少了（−¥1.5万），", "（−¥1.5万）"),
        ("+$12.50.", "+$12.50"),
        ("¥5 and 3 − 2", None),
    ],
)
def test_an_amount_stays_with_its_sign_and_bracket(words, kept):
    found = re.findall(r'<span class="fp-mark">(.*?)</span>', page.unbroken(words))
    assert (
        found == ([kept] if kept else []) and re.sub("<[^>]*>", "", page.unbroken(words)) == words
    )


def font_inside(html: str) -> set[int]:
    """The characters of the font that a page carries."""
    from fontTools.ttLib import TTFont

    data = re.search(r"url\(data:font/woff2;base64,([^)]+)\)", html).group(1)
    assert len(data) < 400_000
    return set(TTFont(io.BytesIO(base64.b64decode(data))).getBestCmap())


def test_the_font_inside_covers_every_character_that_readers_may_lack(pages):
    html = pages["zh"][1]
    held = font_inside(html)
    letters = {mark for words in gate.Seen(html).texts for mark in words if "一" <= mark <= "鿿"}
    assert len(letters) > 150 and {ord(mark) for mark in letters} <= held


def test_a_policy_lets_nothing_in_but_the_page_s_own(pages):
    seen = gate.Seen(pages["zh"][1])
    assert seen.policy.startswith("default-src 'none'; img-src data:; font-src data:;")
    assert len(seen.scripts) == len(seen.styles) == 1
    assert "unsafe" not in seen.policy


def test_the_glossary_holds_the_metrics_of_the_page_and_no_other():
    entries = page.glossary(REGISTRY, "… UV价值 …", "zh")
    assert [entry["name"] for entry in entries] == ["UV价值"]
    assert metrics.formula(REGISTRY["uv_value"], "zh") == "支付金额 ÷ 观看人数"
    (measure,) = page.glossary(REGISTRY, "Time to close: 7m", "en")
    assert "median (Kaplan–Meier)" in measure["formula"] and measure["description"].endswith(
        "(needs: buyer keys of enquiries and buyers of order lines)"
    )
    assert metrics.formula(REGISTRY["gpm"], "en") == "Paid amount ÷ Views × 1000"
    assert metrics.formula(REGISTRY["net_amount"], "zh") == "支付金额 − 退款金额"


# -------------------------------------------------------------------------------------------- gate


def with_output(output) -> dict[str, nbformat.NotebookNode]:
    return {"02_funnel": notebook(new_code_cell("x", outputs=[output]))}


def shown_words(words: str) -> dict[str, nbformat.NotebookNode]:
    return {"02_funnel": notebook(result(report.Shown(f"<p>{html.escape(words)}</p>", words)))}


def test_an_error_output_is_refused():
    books = with_output(new_output("error", ename="KeyError", evalue="'x'", traceback=["…"]))
    with pytest.raises(gate.GateError, match="02_funnel: error output KeyError"):
        check(built("zh", books), books)


def test_a_notebook_without_its_end_is_refused():
    books = {"02_funnel": notebook()}
    books["02_funnel"].cells.pop()
    with pytest.raises(gate.GateError, match="02_funnel: did not reach its end"):
        check(built("zh", books), books)


@pytest.mark.parametrize(
    "words, kind",
    [
        ("请联系 13800138000", "phone number"),
        ("+86 138 0013 8000", "phone number"),
        ("138-0013-8000", "phone number"),
        ("身份证 11010519491231002X", "identity card"),
        ("mail to zhang.san@example.com", "e-mail"),
    ],
)
def test_personal_data_are_refused_and_not_repeated(words, kind):
    books = shown_words(words)
    with pytest.raises(gate.GateError, match=kind) as caught:
        check(built("zh", books), books)
    assert not any(
        secret in str(caught.value)
        for secret in (
            "13800138000",
            "138 0013 8000",
            "138-0013-8000",
            "11010519491231002X",
            "zhang.san@example.com",
        )
    )


@pytest.mark.parametrize(
    "words",
    [
        "订单 6921234567890123456",
        "¥13,800,138,000",
        "110105194912310021",
        "2026-11-10 20:00",
        "138****8000",
        "1.3800138000",
        "n=13800138000.5",
        "@主播",
        "主播@小美.live 今晚见",
    ],
)
def test_numbers_that_are_nobody_s_pass(words):
    books = shown_words(words)
    check(built("zh", books), books)


def test_the_id_of_a_product_is_not_taken_for_a_phone():
    books = shown_words("商品 13800138000")
    check(built("zh", books), books, known_ids={"13800138000"})


@pytest.mark.parametrize(
    "words", ["请联系 13800138000", "身份证 11010519491231002X", "mail to zhang.san@example.com"]
)
def test_what_people_type_is_shown_without_personal_data(words):
    shown = [
        report.table(pd.DataFrame({"note": [words], "file": [words]}), lang="zh").html,
        report.sentence(words, words, lang="en").html,
        report.notes([words], lang="zh").html,
        masked(pd.DataFrame({"action": [words]}))["action"].iloc[0],
    ]
    assert all("***" in one and not list(gate.personal_data([one])) for one in shown)
    assert (
        "13800138000" in report.table(pd.DataFrame({"product_id": ["13800138000"]}), lang="zh").html
    )


def test_a_figure_says_its_finding_where_one_is_given_and_its_title_else():
    plain, said = (
        report.figure(plt.subplots()[1], title_zh="题", title_en="Title", lang="en", **more).html
        for more in ({}, {"alt_zh": "低", "alt_en": "One is <low>"})
    )
    assert (
        'alt="Title"' in plain
        and 'alt="One is &lt;low&gt;"' in said
        and "<figcaption>Title</figcaption>" in said
    )


def test_personal_data_in_an_alternative_text_or_in_code_are_refused():
    assert list(gate.personal_data(gate.Seen('<img alt="13800138000">').texts))
    books = {"02_funnel": notebook(new_code_cell('phone = "13800138000"'))}
    with pytest.raises(gate.GateError, match="phone"):
        check(built("zh", books), books)


@pytest.mark.parametrize(
    "added",
    [
        '<img src="https://example.org/a.png">',
        '<img src="//example.org/a.png">',
        '<link rel="stylesheet" href="http://example.org/a.css">',
        '<img srcset="https://example.org/a.png 2x">',
        '<p style="background:url(https://example.org/a.png)">x</p>',
        '<a href="https://example.org">x</a>',
        '<video poster="https://example.org/a.png"></video>',
        '<object data="https://example.org/a"></object>',
        '<a href="javascript:alert(1)">x</a>',
    ],
)
def test_a_request_to_elsewhere_is_refused(pages, added):
    books, html = pages["zh"]
    with pytest.raises(gate.GateError, match="external request"):
        check(html.replace("</main>", f"{added}</main>"), books)


@pytest.mark.parametrize(
    "added, reason",
    [
        ("<style>p{background:url(https://example.org)}</style>", "external request in a style"),
        ("<style>p{color:red}</style>", "a style that the page's policy"),
        ("<script>fetch('x')</script>", "a script that the page's policy"),
        ('<p id="summary">x</p>', "two elements with the id summary"),
        ('<a href="#nowhere">x</a>', "link to nowhere"),
    ],
)
def test_what_the_page_did_not_bring_itself_is_refused(pages, added, reason):
    books, html = pages["zh"]
    with pytest.raises(gate.GateError, match=reason):
        check(html.replace("</main>", f"{added}</main>"), books)


def test_an_output_that_vanished_is_refused(pages):
    books, html = pages["zh"]
    lost = re.sub(r"<table>.*?</table>", "", html, count=1, flags=re.DOTALL)
    emptied = re.sub(
        r'<div class="fp-output">.*?</figure></div>',
        '<div class="fp-output"></div>',
        html,
        count=1,
        flags=re.DOTALL,
    )
    gone = re.sub(r'<div class="fp-output">.*?</figure></div>', "", html, count=1, flags=re.DOTALL)
    assert lost != html and emptied != html and gone != html
    for broken in (emptied, gone):
        with pytest.raises(
            gate.GateError, match=rf"hold {OUTPUTS} outputs, the page shows {OUTPUTS - 1}"
        ):
            check(broken, books)


def test_a_template_that_forgets_results_is_caught(monkeypatch, tmp_path, pages):
    """nbconvert's base template shows no execute_result: without our block every table would go."""
    source = (parts.TEMPLATES / "fupan" / "index.html.j2").read_text(encoding="utf-8")
    broken = re.sub(
        r"(?s)\{%- block execute_result -%\}.*?\{%- endblock execute_result -%\}", "", source
    )
    assert broken != source
    for path in (parts.TEMPLATES / "fupan").iterdir():
        (tmp_path / "fupan").mkdir(exist_ok=True)
        (tmp_path / "fupan" / path.name).write_text(
            broken if path.name == "index.html.j2" else path.read_text(encoding="utf-8"),
            encoding="utf-8",
        )
    monkeypatch.setattr(parts, "TEMPLATES", tmp_path)
    parts._exporter.cache_clear()
    try:
        html = built("zh", pages["zh"][0])
    finally:
        parts._exporter.cache_clear()
    with pytest.raises(gate.GateError, match=f"hold {OUTPUTS} outputs, the page shows 0"):
        check(html, pages["zh"][0])


def test_all_failures_are_named_at_once():
    books = {**shown_words("13800138000"), "03_compare": notebook()}
    books["03_compare"].cells.pop()
    with pytest.raises(gate.GateError, match=r"03_compare: did not reach its end.*phone number"):
        check(built("zh", books), books)


# ------------------------------------------------------------------------------------ first screen


def test_cards_say_value_change_range_and_verdict():
    cards = {card["name"]: card for card in screen("zh")["cards"]}
    paid = cards["支付金额"]
    assert (paid["value"], paid["change"], paid["range"], paid["verdict"], paid["style"]) == (
        "¥22.75万",
        "较平时 −29%",
        "正常范围 −22% 至 +28%，按每小时比",
        "变差",
        "bad",
    )
    profit = next(card for name, card in cards.items() if name.startswith("净利"))
    assert profit["value"] == "不可计算" and "商品成本" in profit["range"]
    net = next(card for name, card in cards.items() if name.startswith("退后金额"))
    assert net["value"] == "¥20.10万" and net["range"] == "没有可比场次"


def test_the_first_screen_names_a_source_or_product_once():
    several = pd.DataFrame(
        {
            "id": ["a", "b", "e", "c", "d"],
            "verdict": "worse",
            "money_at_stake": [9.0, 8.0, 7.5, 7.0, 6.0],
            "p_adjusted": 0.01,
            "slice": ["霜 (77)", "膜 (77)", "diagnosis", "", ""],
            "sentence_zh": "差",
            "sentence_en": "worse",
        }
    )
    chosen = foremost.foremost(defaultdict(pd.DataFrame, findings=several), REGISTRY)
    assert list(chosen["id"]) == ["a", "c", "d"]


def test_findings_are_the_worse_first_then_by_money():
    assert [finding["id"] for finding in screen("zh")["findings"]] == [
        "F03-000002",
        "F02-aa11bb",
        "F03-000001",
    ]


@pytest.mark.parametrize(
    "row, words",
    [
        ({"state": "reached", "scope": "session"}, ("达成", "good")),
        ({"state": "missed", "scope": "session"}, ("未达成", "bad")),
        ({"state": "running", "scope": "period", "elapsed": 0.4}, ("进行中", "quiet")),
        ({"state": "off_target", "scope": "period", "elapsed": 0.4}, ("目前未达标", "warn")),
        ({"state": "on_track", "scope": "period", "elapsed": 0.4}, ("目前达标", "quiet")),
        ({"state": "", "scope": "session", "value": NAN}, ("无法判断", "quiet")),
    ],
)
def test_goals(row, words):
    frame = pd.DataFrame(
        [
            {
                "metric": "paid_amount",
                "target": 100.0,
                "value": 90.0,
                "completion": 0.9,
                "elapsed": NAN,
                **row,
            }
        ]
    )
    (goal,) = first_screen.goals(
        frame, pd.DataFrame(), pd.DataFrame(), lang="zh", registry=REGISTRY, currency="CNY"
    )
    assert (goal["verdict"], goal["style"]) == words


def test_a_goal_in_a_word_that_is_no_metric_says_what_to_write():
    zh, en = goals.GOAL_NOTES["unknown_metric"]
    frame = pd.DataFrame(
        [
            {
                "metric": "GMV",
                "target": 100.0,
                "value": NAN,
                "completion": NAN,
                "elapsed": NAN,
                "state": "",
                "scope": "session",
                "note": "unknown_metric",
                "note_zh": zh,
                "note_en": en,
            }
        ]
    )
    for lang in ("zh", "en"):
        (goal,) = first_screen.goals(
            frame, pd.DataFrame(), pd.DataFrame(), lang=lang, registry=REGISTRY, currency="CNY"
        )
        assert all(
            getattr(REGISTRY[name], lang) in goal["words"]
            for name in ("paid_amount", "created_amount")
        )


@pytest.mark.parametrize(
    ("target", "per_hour", "baseline", "said"),
    [
        (
            1000.0,
            True,
            300.0,
            ["少 ¥400", "¥300 是目标高于平时", "¥700", "¥100 是本场低于平时"],
        ),  # usual 300 x 7/3 hours = 700
        (1000.0, False, 500.0, ["少 ¥400", "目标定得高于平时", "本场还多 ¥100"]),
        (1000.0, False, 1200.0, ["少 ¥400", "本场低于平时", "¥1,200"]),
        (500.0, False, 1200.0, []),
        (1000.0, False, NAN, []),
    ],
)
def test_a_missed_goal_says_how_much_of_the_gap_is_the_goal(target, per_hour, baseline, said):
    frame = pd.DataFrame(
        [
            {
                "metric": "paid_amount",
                "target": target,
                "value": 600.0,
                "completion": 600 / target,
                "elapsed": NAN,
                "reached": False,
                "state": "missed",
                "scope": "session",
            }
        ]
    )
    verdicts = pd.DataFrame(
        [
            {
                "metric": "paid_amount",
                "baseline": baseline,
                "per_hour": per_hour,
                "denominator": 7 / 3,
            }
        ]
    )
    (goal,) = first_screen.goals(
        frame, pd.DataFrame(), verdicts, lang="zh", registry=REGISTRY, currency="CNY"
    )
    assert all(words in goal["words"] for words in said) and ("少 " in goal["words"]) is bool(said)


@LANGS
def test_a_first_screen_without_any_result_says_so_in_words(lang):
    first = screen(lang, {})
    html = page.build({}, first=first, lang=lang, registry=REGISTRY)
    check(html, {}, lang)
    text = " ".join(gate.Seen(html).texts)
    expected = {
        "zh": ["没有登记目标", "不可计算", "未核对", "没有需要改的事项"],
        "en": ["No goal was entered", "not measurable", "not checked", "Nothing that needs"],
    }[lang]
    assert all(words in text for words in expected)


def test_result_tables_that_are_empty_are_as_good_as_absent():
    empty = {name: frame.iloc[:0] for name, frame in results().items()}
    nothing = {name: pd.DataFrame() for name in results()}
    assert screen("zh", empty)["findings"] == screen("zh", nothing)["findings"] == []
    assert screen("zh", empty)["actions"] == [] and screen("zh", nothing)["goals"] == []


def test_a_session_over_midnight_names_both_days():
    assert screen("zh")["facts"] == [
        "抖音 · 样例旗舰店 · 主播 小周",
        "2026-11-10 20:00 – 11-11 00:12 · 4小时12分 · 大促",
    ]


# ------------------------------------------------------------------------------- publishing, index


def review_in(folder, lang="zh"):
    """What publish needs of a Review, over the sample results."""
    kept = results()
    empty = pd.DataFrame({"product_id": pd.Series(dtype=str), "sku_id": pd.Series(dtype=str)})
    return SimpleNamespace(
        out_dir=folder,
        workspace=SimpleNamespace(reference=None),
        lang=lang,
        registry=REGISTRY,
        currency="CNY",
        session=session(),
        as_of=pd.Timestamp("2026-11-12 09:00"),
        result=lambda name: kept.get(name, pd.DataFrame()),
        findings=lambda: kept["findings"],
        everything=lambda name: clean.scan({}) if name == "personal" else empty,
        table=lambda name: empty,
    )


def written(folder, books) -> list:
    paths = [folder / f"{name}.ipynb" for name in books]
    for path, book in zip(paths, books.values(), strict=True):
        nbformat.write(book, path)
    return paths


def test_publish_writes_the_page_and_what_is_handed_over_with_it(tmp_path):
    paths = written(
        tmp_path,
        {"02_funnel": notebook(result(report.table(products(), lang="zh")), *drawn("zh")[:2])},
    )
    made = {}
    for out in ("one", "two"):
        assert (
            report.publish(paths, review=review_in(tmp_path / out), versions={"fupan": "0.1.0"})
            == tmp_path / out / "review.html"
        )
        made[out] = {
            path.relative_to(tmp_path / out).as_posix(): path.read_bytes()
            for path in (tmp_path / out).rglob("*")
            if path.is_file()
        }
    assert sorted(made["one"]) == [
        "brief.html",
        "charts/02_funnel-1.png",
        "charts/02_funnel-2.png",
        "results.xlsx",
        "review.html",
        *sorted(f"roles/{name}.html" for name in ["all", *reference.brief().sheets]),
        "summary.txt",
    ]
    assert made["one"] == made["two"], "the same input gives the same bytes"
    assert b"0.1.0" in made["one"]["review.html"] and all(
        made["one"][name].startswith(b"\x89PNG") for name in made["one"] if name.endswith("png")
    )


def test_two_languages_are_linked_once_both_exist():
    made = built("zh")
    linked = page.linked(made, "../en/s/review.html", "en")
    assert (
        made.count(page.OTHER_LANGUAGE) == 1
        and page.linked(linked, "../en/s/review.html", "en") == linked
    )
    assert '<a href="../en/s/review.html" hreflang="en" lang="en">English</a>' in linked
    assert set(map(ord, "中文")) <= font_inside(built("en"))  # the name of the other language


def test_a_page_that_fails_leaves_the_last_one_as_it_is(tmp_path):
    (tmp_path / "review.html").write_text("the last one", encoding="utf-8")
    paths = written(tmp_path, shown_words("13800138000"))
    with pytest.raises(report.GateError, match="phone"):
        report.publish(paths, review=review_in(tmp_path))
    assert (tmp_path / "review.html").read_text(encoding="utf-8") == "the last one"
    assert not list(tmp_path.glob(".*"))


def test_publishing_does_not_change_the_notebooks(tmp_path):
    books = {"02_funnel": notebook(result(report.table(products(), lang="zh")))}
    before = copy.deepcopy(books["02_funnel"])
    parts.part("02_funnel", books["02_funnel"], "zh")
    assert books["02_funnel"] == before
    assert any(
        SENTINEL in output.data
        for cell in books["02_funnel"].cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )


def test_the_index_lists_sessions_newest_first_with_their_reports(tmp_path):
    one, two = session(), session()
    two["session_id"], two["started_at"], two["title"] = (
        "20261112-2000-douyin-a1b2",
        pd.Timestamp("2026-11-12 20:00", tz="Asia/Shanghai"),
        "<b>新</b>",
    )
    row = report.index_row(review_in(tmp_path))
    published = {
        one["session_id"]: {
            "status": "published",
            "summary": row,
            "failed": {"message": "03_compare: KeyError"},
        }
    }
    (tmp_path / one["session_id"]).mkdir()
    (tmp_path / one["session_id"] / "brief.html").touch()
    path = report.write_index(
        tmp_path, published, sessions=pd.DataFrame([one, two]), workspace_reference=None, lang="zh"
    )
    html = path.read_text(encoding="utf-8")
    first, second = re.findall(r'(?s)<tr data-state="[^"]*">\n<td.*?</tr>', html)
    assert "2026-11-12" in first and "&lt;b&gt;新&lt;/b&gt;" in first and "还没有报告" in first
    assert "<code>fupan run 20261112-2000-douyin-a1b2</code>" in first and "一页版" not in first
    assert 'href="20261110-2000-douyin-a1b2/brief.html"' in second and "各岗位" not in second
    assert (
        'href="20261110-2000-douyin-a1b2/review.html"' in second
        and "¥22.75万" in second
        and "¥2.32" in second
        and "◆ 变差" in second
    )
    assert (
        "最近一次运行失败：03_compare: KeyError" in second
        and "目标 0/1" in second
        and "1 条，待执行 1" in second
    )
    assert 'data-state="worse reviewed failed"' in second and 'data-state="unreviewed"' in first


def test_the_trend_is_the_median_of_the_last_ten_beside_the_ten_before():
    amounts = [100.0] * 10 + [150.0] * 9 + [9000.0]
    starts = pd.date_range("2026-09-01 20:00", periods=20, freq="D", tz="Asia/Shanghai")
    frame = pd.DataFrame(
        {
            "session_id": [f"s{place}" for place in range(20)],
            "started_at": starts,
            "paid_amount": amounts,
            "viewers": NAN,
            "currency": "CNY",
        }
    )
    (line,) = index.trend(frame.sample(frac=1, random_state=1), workspace_reference=None, lang="zh")
    assert (line["name"], line["value"], line["change"]) == (
        "支付金额",
        "¥150",
        "较此前 10 场 +50%",
    )
    heights = [float(point.split(",")[1]) for point in line["points"].split()]
    assert (
        len(heights) == 20
        and min(heights) == heights[-1] == line["last"][1] == 2
        and len(set(heights[:10])) == 1
        and heights[0] > heights[10]
    )
    assert (
        index.trend(frame.head(1), workspace_reference=None, lang="zh")
        == []
        == index.trend(frame.head(0), workspace_reference=None, lang="en")
    )


@LANGS
def test_the_first_screen_says_what_ads_brought_back_and_which_cases_wait(lang):
    ads = pd.DataFrame(
        {
            "line": ["ads_account", "traffic_sources"],
            "value": [1.5, 0.49],
            "baseline": [1.52, 0.74],
            "cost": [2085.0, 2085.0],
            "usual_cost": [2010.0, 2010.0],
            "n": [9, 9],
        }
    )
    cases = pd.DataFrame({"hours_left": [-36.0, -0.5, 0.0, 20.0, 23.9]})
    first = screen(lang, {**results(), "ads_return": ads, "open_cases": cases})
    spent, back = first["cards"][-2:]
    assert len(first["cards"]) == 8 and (spent["value"], back["value"]) == ("¥2,085", "1.50")
    assert (
        all(number in back["range"] for number in ("1.52", "0.49", "0.74"))
        and "2,010" in spent["range"]
    )
    assert (
        first["waiting"]
        == {
            "zh": "2 张已超时，3 张即将到期（全账号）",
            "en": "2 overdue, 3 due soon (whole account)",
        }[lang]
    )
    back_words = {"zh": "，收回了花费", "en": ": spend earned back"}[lang]
    lost_words = {"zh": "没收回花费", "en": ": spend not earned back"}[lang]
    # without the cost of goods 1.50 may or may not be enough, and 0.49 never is
    assert back_words not in back["range"] and back["range"].count(lost_words) == 1
    alone = screen(
        lang, {**results(), "ads_return": ads.head(1).assign(baseline=NAN, usual_cost=NAN)}
    )
    assert (
        alone["cards"][-2]["range"] == ""
        and "1.50" in alone["cards"][-1]["range"]
        and lost_words not in alone["cards"][-1]["range"]
    )
    # of 100 sold 20 come back and goods cost 30: half is left, so ads need 2.00
    statement = pd.DataFrame(
        {"line": ["paid", "refunds", "unit_cost"], "amount": [100.0, -20, -30]}
    )
    for value, words in ((1.99, lost_words), (2.0, back_words)):
        given = {"ads_return": ads.head(1).assign(value=value), "profit": statement}
        said = screen(lang, {**results(), **given})["cards"][-1]["range"]
        assert words in said and "2.00" in said
    assert len(screen(lang)["cards"]) == 6 and screen(lang)["waiting"] == ""


def test_the_list_and_its_trend_show_refunds_of_sessions_whose_returns_are_over():
    """Recomputed by hand: 30 days (the last look) after the start, refunded orders over orders."""
    starts = pd.date_range("2026-09-01 20:00", periods=4, freq="10D", tz="Asia/Shanghai")
    frame = pd.DataFrame(
        [
            {
                **session(),
                "session_id": f"s{place}",
                "started_at": start,
                "orders": 50.0,
                "refund_orders": 10.0 + place,
                "as_of": starts[0] + pd.Timedelta(days=45),
            }
            for place, start in enumerate(starts)
        ]
    )
    assert {
        line["id"]: line["returns"]
        for line in index.index_lines({}, frame, workspace_reference=None, lang="zh")
    } == {"s0": "20.0%", "s1": "22.0%", "s2": "—", "s3": "—"}
    line = next(
        one
        for one in index.trend(frame, workspace_reference=None, lang="en")
        if one["name"] == "Refund rate (orders)"
    )
    assert (
        line["value"] == "21.0%" and line["about"] == "median of the last 2 whose returns are over"
    )


def test_a_session_stands_at_the_end_of_its_own_line():
    starts = pd.date_range("2026-09-01 20:00", periods=12, freq="D", tz="Asia/Shanghai")
    frame = pd.DataFrame(
        [
            {
                **session(),
                "session_id": f"s{place:02}",
                "started_at": start,
                "paid_amount": float(place),
            }
            for place, start in enumerate(starts)
        ]
    )
    lines = {
        line["id"]: line["spark"]
        for line in index.index_lines({}, frame, workspace_reference=None, lang="zh")
    }
    assert (
        lines["s11"].split()[0] == "54,1"
        and len(lines["s11"].split()) == 10
        and len(lines["s02"].split()) == 3
    )


@LANGS
def test_an_index_of_nothing(tmp_path, lang):
    path = report.write_index(
        tmp_path,
        {},
        sessions=pd.DataFrame([session()]).iloc[:0],
        workspace_reference=None,
        lang=lang,
    )
    assert {"zh": "还没有场次", "en": "No sessions yet"}[lang] in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("outcome", "words"), [("normal", "正常波动内"), ("cannot_tell", "无法判断")]
)
def test_a_card_and_the_index_say_the_word_of_the_table(outcome, words):
    verdicts = pd.DataFrame(
        {
            "metric": ["paid_amount"],
            "ratio": [0.93],
            "ratio_lower": [0.5],
            "ratio_upper": [2.4],
            "verdict": ["cannot_tell"],
            "outcome": [outcome],
        }
    )
    card = cards.against_usual(verdicts.iloc[0], "zh")
    assert card["verdict"] == words and card["sign"] == first_screen.SIGNS[outcome][0]
    assert report.table(
        verdicts[["outcome"]].rename(columns={"outcome": "verdict"}), lang="zh"
    ).plain.endswith(f"{card['sign']} {words}")
    assert (
        index.summary(pd.Series({"paid_amount": 1.0}), {"verdicts": verdicts}, currency="CNY")[
            "verdict"
        ]
        == outcome
    )


def test_index_row_is_plain_json(tmp_path):
    import json

    row = report.index_row(review_in(tmp_path))
    assert (
        json.loads(json.dumps(row)) == row
        and row["paid_amount"] == 227_500
        and row["verdict"] == "worse"
    )


def test_a_finished_cell_is_no_output_of_the_page():
    books = {"02_funnel": notebook()}
    assert gate.shown_outputs(books["02_funnel"]) == 0
    assert finish().outputs[0].data[SENTINEL] and np.isnan(NAN)


def test_a_folded_table_shows_its_caption_until_it_is_opened():
    frame = pd.DataFrame({"name": ["<b>甲</b>"], "value": [1.0]})
    shown = report.table(
        frame, lang="zh", caption_zh="其余 <i>", caption_en="Rest", folded=True
    ).html
    assert shown.startswith(
        '<details class="fp-folded"><summary>其余 &lt;i&gt; (1 行)</summary>'
    ) and shown.endswith("</details>")
    assert "<b>" not in shown and shown.count("其余") == 1


def test_cells_tagged_lead_stand_at_the_beginning_of_their_chapter():
    late = result(report.sentence("先说结论。", "The answer first.", lang="zh"), source="late")
    late.metadata["tags"] = ["lead"]
    early = result(report.sentence("再看细节。", "Then the details.", lang="zh"), source="early")
    body = parts.part("02_funnel", notebook(early, late), "zh").body
    assert body.index("先说结论") < body.index("再看细节") and body.index(
        "先改哪一步"
    ) < body.index("先说结论")


@pytest.mark.parametrize(
    ("final", "expected", "shown"),
    [(True, 0.223, "22.3%"), (False, 0.214, "≈ 21.4%"), (False, np.nan, "—"), (None, 0.1, "—")],
)
def test_the_list_shows_the_refund_rate_once_it_is_final_and_marks_an_estimate(
    final, expected, shown
):
    frame = pd.DataFrame(
        {
            "part": ["all", "band_1"],
            "n": [100.0, 50.0],
            "expected": [expected, 0.9],
            "final": [final, False],
            "age_days": 9.0,
        }
    )
    results = {} if final is None else {"expected_returns": frame}
    kept = json.loads(
        json.dumps(index.summary(pd.Series({"paid_amount": 1.0}), results, currency="CNY"))
    )
    known = pd.DataFrame(
        {
            "session_id": ["s"],
            "started_at": [pd.Timestamp("2026-11-01", tz="Asia/Shanghai")],
            "paid_amount": [1.0],
        }
    )
    (line,) = index.index_lines(
        {"s": {"status": "published", "summary": kept}}, known, workspace_reference=None, lang="zh"
    )
    assert line["returns"] == shown


def test_the_few_findings_come_under_their_topics_and_the_rest_is_folded():
    rows = findings.frame(
        [
            findings.make(
                notebook="02_funnel",
                dimension="sales",
                metric="orders",
                slice=f"k={n}",
                verdict="not_comparable",
                sentence_zh=f"第{n}句",
                sentence_en=f"fact {n}",
            )
            for n in range(4)
        ]
    )
    named = rows.assign(
        topic_zh=["来源", "来源", "<b>商品", None],
        topic_en=["Sources", "Sources", "Products", None],
    )
    shown = report.findings(named, lang="zh", limit=3, folded=True)
    before, after = shown.html.split("<details")
    assert (
        before.count("来源") == 1
        and "&lt;b&gt;商品" in before
        and "第2句" in before
        and "第3句" in after
        and "其余 1 句" in after
    )
    assert shown.plain.splitlines() == ["第0句", "第1句", "第2句", "其余 1 句", "第3句"]
    assert all(
        f'data-finding="{name}"' in shown.html for name in rows["id"]
    )  # folded findings can still be pointed at
    assert (
        "fact 3" not in report.findings(rows, lang="en", limit=3).html
        and "details" not in report.findings(rows, lang="en", limit=9, folded=True).html
    )
