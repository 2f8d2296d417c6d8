"""A small review made by hand for the tests of charts, page, gate and browser."""

from __future__ import annotations

import numpy as np
import pandas as pd
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from helpers import reference, report
from helpers.report import charts, first_screen, gate, page
from helpers.review import SENTINEL

NAN = float("nan")
LONG = "很长的商品名称 $x_1$ 秋冬加厚保暖不起球宽松百搭"


def chart_frames() -> dict[str, tuple[pd.DataFrame, dict]]:
    """For each chart a small frame and its other arguments."""
    minute = np.arange(90.0)
    weeks = pd.date_range("2026-06-01", periods=8, freq="7D", tz="Asia/Shanghai")
    days = pd.date_range("2026-09-01 20:00", periods=12, freq="3D", tz="Asia/Shanghai")
    return {
        "funnel": (
            pd.DataFrame(
                {
                    "label": ["曝光", "观看", "点击", "成交"],
                    "users": [1000.0, 400, 90, 30],
                    "grows": False,
                    "rate_of_previous": [NAN, 0.4, 0.225, 1 / 3],
                    "ci_lower": [NAN, 0.37, 0.19, 0.25],
                    "ci_upper": [NAN, 0.43, 0.27, 0.44],
                }
            ),
            {},
        ),
        "intervals": (
            pd.DataFrame(
                {
                    "label": ["支付金额", "观看人数", "转粉率", "新指标"],
                    "ratio": [0.7, 1.02, 1.5, NAN],
                    "ratio_lower": [0.8, 0.8, 0.75, NAN],
                    "ratio_upper": [1.25, 1.3, 1.3, NAN],
                    "verdict": ["worse", "cannot_tell", "better", "not_comparable"],
                }
            ),
            {},
        ),
        "effects": (
            pd.DataFrame(
                {
                    "label": ["改版 观看人数", "降价 支付金额", "新事件"],
                    "effect": [-0.3, 0.1, NAN],
                    "lower": [-0.45, -0.2, NAN],
                    "upper": [-0.1, 0.5, NAN],
                    "verdict": ["moved", "cannot_tell", "too_early"],
                }
            ),
            {},
        ),
        "waterfall": (
            pd.DataFrame(
                {
                    "label": ["基准", "人数", "客单价", "本场"],
                    "amount": [100.0, -30, 5, 75],
                    "kind": ["start", "step", "step", "end"],
                }
            ),
            {},
        ),
        "mix_rate": (
            pd.DataFrame(
                {
                    "label": ["推荐", "付费"],
                    "mix_effect": [0.01, -0.02],
                    "rate_effect": [-0.005, 0.004],
                }
            ),
            {"unit": "percent"},
        ),
        "minutes": (
            pd.DataFrame(
                {"minute": minute, "online": 100 + minute, "orders": minute % 7, "entered": NAN}
            ),
            {
                "bands": pd.DataFrame({"start_minute": [20], "end_minute": [30], "mark": ["A"]}),
                "marks": pd.DataFrame({"minute": [5, 60], "label": [LONG, "福袋"]}),
            },
        ),
        "history": (
            pd.DataFrame({"started_at": days, "value": np.linspace(80, 140, 12)}),
            {
                "lower": 90.0,
                "upper": 130.0,
                "current": days[-1],
                "label": "支付金额",
                "unit": "money",
            },
        ),
        "rates": (
            pd.DataFrame(
                {
                    "label": ["推荐", "付费"],
                    "rate": [0.03, 0.012],
                    "ci_lower": [0.028, 0.01],
                    "ci_upper": [0.032, 0.014],
                    "n": [5000.0, 800],
                }
            ),
            {"reference": 0.025},
        ),
        "pareto": (
            pd.DataFrame(
                {
                    "label": ["尺码", "质量"],
                    "count": [4.0, 12],
                    "share": [0.25, 0.75],
                    "ci_lower": [0.1, 0.5],
                    "ci_upper": [0.5, 0.9],
                }
            ),
            {},
        ),
        "words": (pd.DataFrame({"word": ["酒精", LONG], "z": [4.3, 2.6], "users": [16.0, 6]}), {}),
        "quadrant": (
            pd.DataFrame(
                {
                    "label": ["甲", "乙", LONG],
                    "x": [0.1, 0.2, 0.3],
                    "y": [0.05, 0.01, 0.03],
                    "size": [10.0, 40, 20],
                }
            ),
            {"x_label": "点击率", "y_label": "成交率"},
        ),
        "estimates": (
            pd.DataFrame(
                {
                    "label": ["09-22", LONG],
                    "so_far": [0.08, 0.05],
                    "expected": [0.24, NAN],
                    "lower": [0.19, NAN],
                    "upper": [0.28, NAN],
                    "final": [0.22, 0.3],
                }
            ),
            {},
        ),
        "trend": (
            pd.DataFrame(
                {
                    "period": [*weeks[:3], *weeks[5:], *weeks[:2]],
                    "label": ["支付金额"] * 6 + ["转粉率（全部观众）"] * 2,
                    "unit": ["money"] * 6 + ["percent"] * 2,
                    "value": [900.0, 1200, 1100, 1000, 1400, 1300, 0.011, 0.013],
                    "open": [False] * 5 + [True] + [False] * 2,
                }
            ),
            {
                "bands": pd.DataFrame({"starts": weeks[1:2], "ends": weeks[2:3], "label": ["618"]}),
                "marks": pd.DataFrame({"number": [1], "from": weeks[5:6]}),
            },
        ),
        "cells": (
            pd.DataFrame(
                {
                    "label": ["UV价值"] * 4,
                    "unit": ["money"] * 4,
                    "row": ["18:00–21:00"] * 2 + ["12:00–15:00"] * 2,
                    "column": ["周一", "周日"] * 2,
                    "value": [1.2, 0.8, NAN, NAN],
                    "n": [12.0, 5, 2, 0],
                    "relative": [1.2, 0.8, NAN, NAN],
                }
            ),
            {},
        ),
        "comeback": (
            pd.DataFrame(
                {
                    "label": ["首购"] * 3 + ["之后"] * 2,
                    "days": [0, 30, 60, 0, 60],
                    "rate": [0, 0.2, 0.3, 0, 0.4],
                    "ci_lower": [0, 0.1, 0.2, 0, 0.3],
                    "ci_upper": [0, 0.3, 0.4, 0, 0.6],
                }
            ),
            {},
        ),
        "heat": (
            pd.DataFrame(
                {
                    "row": ["推荐", "推荐", "付费", "付费"],
                    "column": ["前段", "后段"] * 2,
                    "value": [0.01, 0.02, 0.03, NAN],
                    "shade": [0.5, -0.3, 0.1, NAN],
                }
            ),
            {"unit": "percent"},
        ),
    }


def both(zh: str, en: str) -> list[NotebookNode]:
    return [
        new_markdown_cell(words, metadata={"tags": [f"lang-{lang}"]})
        for lang, words in (("zh", zh), ("en", en))
    ]


def result(
    shown: object,
    source: str = (
        f"report.table(frame, lang=lang)  # {'a line far longer than any screen is wide, ' * 6}"
    ),
) -> NotebookNode:
    """An executed cell whose result is a displayable."""
    data = {"text/html": shown._repr_html_(), "text/plain": repr(shown)}
    data |= {"image/svg+xml": shown.svg} if getattr(shown, "svg", "") else {}
    return new_code_cell(
        source, outputs=[new_output("execute_result", data=data, execution_count=1)]
    )


def finish() -> NotebookNode:
    return new_code_cell(
        "review.finish()",
        outputs=[new_output("display_data", data={SENTINEL: {"notebook": "x"}, "text/plain": ""})],
    )


def notebook(
    *cells: NotebookNode,
    title_zh: str = "漏斗：在哪一步流失？",
    title_en: str = "Funnel: where are people lost?",
) -> NotebookNode:
    first = both(
        f"# {title_zh}\n\n- **读**：sessions\n- **写**：`funnel`\n- **决定**：先改哪一步",
        (
            f"# {title_en}\n\n- **Reads**: sessions\n- **Writes**: `funnel`\n- **Decides**: what "
            "to mend first"
        ),
    )
    return new_notebook(cells=[*first, *cells, finish()])


def products() -> pd.DataFrame:
    """Product rows whose names try to break out of the page."""
    return pd.DataFrame(
        {
            "name": [
                '<script>alert("x")</script><img src=x onerror=alert(1)>',
                "\u202eabc $x$ \x07",
                LONG,
            ],
            "paid_amount": [1234.5, NAN, 80_000.0],
            "product_click_users": [1203.0, 88, 5],
            "verdict": ["worse", "better", "cannot_tell"],
        }
    )


def drawn(lang: str) -> list[NotebookNode]:
    charts.use_theme()
    return [
        result(
            report.figure(
                getattr(charts, name)(frame, lang=lang, **options),
                title_zh=f"图 {name}：点击拖累最大",
                title_en=f"Chart {name}: clicks cost most",
                lang=lang,
            ),
            f"charts.{name}(frame, lang=lang)",
        )
        for name, (frame, options) in chart_frames().items()
    ]


def notebooks(lang: str) -> dict[str, NotebookNode]:
    """Two executed notebooks with every chart, a table of hostile text and sentences."""
    said = [
        report.sentence(
            "点击成交率低于正常范围。",
            "Click to pay is below its range.",
            lang=lang,
            level="bad",
            finding="F02-aa11bb",
        ),
        report.sentence("样本偏少。", "Few sessions.", lang=lang, level="warn"),
        report.notes(["没有评论弹幕。" if lang == "zh" else "No comments."], lang=lang),
    ]
    table = report.table(products(), lang=lang, caption_zh="商品", caption_en="Products", limit=2)
    figures = drawn(lang)
    return {
        "02_funnel": notebook(
            *both("## 哪一步流失最多？", "## Which step loses most?"),
            figures[0],
            result(table),
            *map(result, said),
        ),
        "04_split": notebook(
            *both("## 差在哪里？", "## Where is the difference?"),
            *figures[1:],
            title_zh="拆分：差在哪一步？",
            title_en="Split: which step?",
        ),
    }


def session() -> pd.Series:
    known = {
        "session_id": "20261110-2000-douyin-a1b2",
        "platform": "douyin",
        "room": "room-1",
        "room_name": "样例旗舰店",
        "host": "小周",
        "title": "双11 秋冬专场",
        "kind": "promotion",
        "started_at": pd.Timestamp("2026-11-10 20:00", tz="Asia/Shanghai"),
        "ended_at": pd.Timestamp("2026-11-11 00:12", tz="Asia/Shanghai"),
        "duration_seconds": 15_120.0,
        "currency": "CNY",
        "paid_amount": 227_500.0,
        "refund_amount": 26_500.0,
        "viewers": 98_000.0,
        "pay_users": 2_900.0,
    }
    columns = reference.tables()["sessions"].columns
    return pd.Series({**dict.fromkeys(columns, NAN), **known}, dtype=object)


def results() -> dict[str, pd.DataFrame]:
    """The result tables that the first screen is made from."""
    return {
        "verdicts": pd.DataFrame(
            {
                "metric": ["paid_amount", "uv_value", "viewers"],
                "value": [227_500.0, 2.32, 98_000],
                "baseline": [320_000.0, 3.2, 100_000],
                "lower": [250_000.0, 2.6, 70_000],
                "upper": [410_000.0, 4.0, 140_000],
                "ratio": [0.71, 0.725, 0.98],
                "ratio_lower": [0.78, 0.81, 0.7],
                "ratio_upper": [1.28, 1.25, 1.4],
                "verdict": ["worse", "worse", "cannot_tell"],
                "per_hour": [True, False, True],
            }
        ),
        "findings": pd.DataFrame(
            {
                "slice": ["", "", "甲 (1)", "", "乙 (1)"],
                "id": ["F02-aa11bb", "F03-000001", "F03-000002", "F03-000003", "F03-000004"],
                "verdict": ["worse", "better", "worse", "cannot_tell", "better"],
                "money_at_stake": [-100.0, 9_000, -65_000, 99_999, 50],
                "p_adjusted": [0.01, 0.02, 0.03, 0.9, 0.01],
                "sentence_zh": ["甲变差", "乙变好", "丙变差", "丁不明", "戊变好"],
                "sentence_en": [
                    "A is worse",
                    "B is better",
                    "C is worse",
                    "D unclear",
                    "E is better",
                ],
            }
        ),
        "plan": pd.DataFrame(
            {
                "action_zh": ["改讲解"],
                "action_en": ["Rewrite the pitch"],
                "owner_role": ["planning"],
                "metric": ["click_pay_rate"],
                "money_at_stake": [65_000.0],
            }
        ),
        "goals": pd.DataFrame(
            {
                "scope": ["session"],
                "metric": ["paid_amount"],
                "target": [300_000.0],
                "value": [227_500.0],
                "completion": [0.758],
                "elapsed": [NAN],
                "reached": [False],
                "state": ["missed"],
            }
        ),
        "quality": pd.DataFrame(
            {
                "light": ["amber"],
                "sentence_zh": ["读入 9 个文件。"],
                "sentence_en": ["9 files were read."],
            }
        ),
        "profit": pd.DataFrame(
            {
                "line": ["paid", "refunds", "profit"],
                "amount": [227_500.0, -26_500, NAN],
                "missing_zh": ["", "", "商品成本"],
                "missing_en": ["", "", "cost of goods"],
            }
        ),
    }


def screen(lang: str, given: dict[str, pd.DataFrame] | None = None) -> dict:
    return first_screen.make(
        session(),
        results() if given is None else given,
        lang=lang,
        registry=reference.registry(),
        currency="CNY",
    )


def built(lang: str, books: dict[str, NotebookNode] | None = None) -> str:
    """The whole page of the sample review."""
    return page.build(
        books or notebooks(lang),
        first=screen(lang),
        lang=lang,
        registry=reference.registry(),
        as_of=pd.Timestamp("2026-11-12 09:00"),
        versions={"fupan": "0.1.0"},
    )


def words_of(html: str) -> str:
    """All that a reader of a page meets as words."""
    return " ".join(gate.Seen(html).texts)
