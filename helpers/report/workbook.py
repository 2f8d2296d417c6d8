"""Other ways to hand a review over: all its tables in one workbook, its charts as pictures, its first screen as words for a chat."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd
import xlsxwriter
from nbformat import NotebookNode

from helpers.core import text

PICTURE = re.compile(r'src="data:image/png;base64,([A-Za-z0-9+/=\s]+)"')
SAVED = re.compile(r'review\.save\(\s*"(\w+)"')
FORMATS = {
    "percent": "0.00%",
    "money": "#,##0.00",
    "users": "#,##0",
    "times": "#,##0",
    "count": "#,##0",
    "seconds": "#,##0",
    "p": "0.000",
}
UNITS = {
    "percent": ("比例（1 = 100%）", "fraction (1 = 100 %)"),
    "money": ("金额", "money"),
    "users": ("人", "people"),
    "times": ("次", "times"),
    "count": ("个数", "count"),
    "seconds": ("秒", "seconds"),
    "p": ("p 值", "p value"),
    "ratio": ("比值", "ratio"),
    "score": ("数值", "number"),
    "points": ("小数（0.01 = 1 个百分点）", "fraction (0.01 = 1 point)"),
}
WIDEST, NARROWEST = 42, 9
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
MADE = pd.Timestamp(
    "2000-01-01"
).to_pydatetime()  # the workbook's own date: the same results give the same bytes


class Column(NamedTuple):
    """A column of a sheet: its id, its name, and a (value, unit) for each row; a value is a number, a text or None."""

    id: str
    name: str
    cells: list[tuple[float | str | None, str]]


class Sheet(NamedTuple):
    """A sheet: its name, the question that its table answers, its columns."""

    name: str
    about: str
    columns: list[Column]


def workbook(
    sheets: Sequence[Sheet], definitions: Sequence[Mapping[str, str]], *, lang: str
) -> bytes:
    """All result tables as an Excel workbook: contents, definitions of the metrics, names of the columns, a sheet a table.

    `definitions` have name, formula, description and source. Texts are texts, whatever they begin
    with; numbers are unrounded and formatted by their units. The same input gives the same bytes.
    """
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, OPTIONS)
    book.set_properties(
        {"created": MADE, "title": text.choose(lang, "复盘结果表", "Results of the review")}
    )
    styles = {unit: book.add_format({"num_format": code}) for unit, code in FORMATS.items()}
    styles |= {
        "": book.add_format({"num_format": "0.00"}),
        "head": book.add_format(
            {"bold": True, "bg_color": "#E8EEF2", "bottom": 1, "text_wrap": True, "valign": "top"}
        ),
        "words": book.add_format({"text_wrap": True, "valign": "top"}),
        "link": book.add_format({"font_color": "#0b5a85", "underline": 1}),
    }
    for sheet in (
        _contents(sheets, lang),
        _definitions(definitions, lang),
        _names(sheets, lang),
        *sheets,
    ):
        _fill(book.add_worksheet(sheet.name[:31]), sheet, styles)
    first = book.worksheets()[0]
    for place, sheet in enumerate(sheets, start=1):
        first.write_url(place, 0, f"internal:'{sheet.name[:31]}'!A1", styles["link"], sheet.name)
    book.close()
    return held.getvalue()


def _words(name: str, id: str, values: Sequence[str]) -> Column:
    return Column(id, name, [(value, "words") for value in values])


def _contents(sheets: Sequence[Sheet], lang: str) -> Sheet:
    return Sheet(
        text.choose(lang, "目录", "Contents"),
        "",
        [
            _words(text.choose(lang, "工作表", "Sheet"), "sheet", [sheet.name for sheet in sheets]),
            _words(
                text.choose(lang, "回答的问题", "The question that it answers"),
                "about",
                [sheet.about for sheet in sheets],
            ),
            Column(
                "rows",
                text.choose(lang, "行数", "Rows"),
                [
                    (float(len(sheet.columns[0].cells)) if sheet.columns else 0.0, "count")
                    for sheet in sheets
                ],
            ),
        ],
    )


def _definitions(entries: Sequence[Mapping[str, str]], lang: str) -> Sheet:
    named = {
        "name": ("指标", "Metric"),
        "formula": ("公式", "Formula"),
        "description": ("口径", "Definition"),
        "source": ("出处", "Source"),
    }
    columns = [
        _words(text.choose(lang, *words), key, [entry[key] for entry in entries])
        for key, words in named.items()
    ]
    return Sheet(text.choose(lang, "指标口径", "Definitions"), "", columns)


def _names(sheets: Sequence[Sheet], lang: str) -> Sheet:
    """One row per column of each table: its name, its id, and the unit of its numbers."""
    rows = [
        (
            sheet.name,
            column.name,
            column.id,
            ", ".join(
                unit_name(unit, lang)
                for unit in sorted({unit for _, unit in column.cells} - {"words", ""})
            ),
        )
        for sheet in sheets
        for column in sheet.columns
    ]
    heads = (
        ("工作表", "Sheet"),
        ("列", "Column"),
        ("列的代码", "Id of the column"),
        ("单位", "Unit"),
    )
    columns = [
        _words(text.choose(lang, *words), words[1], [row[place] for row in rows])
        for place, words in enumerate(heads)
    ]
    return Sheet(text.choose(lang, "列说明", "Columns"), "", columns)


def _fill(sheet: xlsxwriter.worksheet.Worksheet, table: Sheet, styles: Mapping[str, Any]) -> None:
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column.name, styles["head"])
        for row, (value, unit) in enumerate(column.cells, start=1):
            if isinstance(value, str):
                sheet.write_string(row, place, value, styles["words"])
            elif value is not None:
                sheet.write_number(row, place, value, styles.get(unit, styles[""]))
        longest = max(
            (2 * len(value) if isinstance(value, str) else 12 for value, _ in column.cells),
            default=0,
        )
        sheet.set_column(place, place, min(max(longest, 2 * len(column.name), NARROWEST), WIDEST))
    sheet.freeze_panes(1, 1)
    if table.columns and table.columns[0].cells:
        sheet.autofilter(0, 0, len(table.columns[0].cells), len(table.columns) - 1)


def unit_name(unit: str, lang: str) -> str:
    """A unit in words; an unknown one as it is."""
    return text.choose(lang, *UNITS.get(unit, (unit, unit)))


def texts(sheets: Sequence[Sheet]) -> list[str]:
    """Every text of the sheets, for the gate."""
    return [
        words
        for sheet in sheets
        for column in sheet.columns
        for words in (
            sheet.about,
            column.name,
            *(value for value, _ in column.cells if isinstance(value, str)),
        )
    ]


def questions(notebooks: Mapping[str, NotebookNode]) -> dict[str, str]:
    """For each result table the heading under which a notebook saves it (of notebooks in one language)."""
    found: dict[str, str] = {}
    for notebook in notebooks.values():
        heading = ""
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                heading = next(
                    (
                        line.lstrip("# ").strip()
                        for line in cell.source.splitlines()
                        if line.startswith("#")
                    ),
                    heading,
                )
            else:
                found |= {
                    name: text.plain(heading, 200)
                    for name in SAVED.findall(cell.source)
                    if name not in found
                }
    return found


def pictures(notebooks: Mapping[str, NotebookNode]) -> Iterator[tuple[str, bytes]]:
    """The charts that notebooks show, as (file name, PNG), numbered within each notebook."""
    for name, notebook in notebooks.items():
        shown = [
            match
            for cell in notebook.cells
            if cell.cell_type == "code"
            for output in cell.outputs
            for match in PICTURE.findall(output.get("data", {}).get("text/html", ""))
        ]
        yield from (
            (f"{name}-{place}.png", base64.b64decode(data))
            for place, data in enumerate(shown, start=1)
        )


def chat(first: Mapping[str, Any], *, lang: str) -> str:
    """The first screen (`first_screen.make`) as a short plain text to be pasted into a chat."""
    t = lambda zh, en: text.choose(lang, zh, en)  # noqa: E731
    goals = [
        f"{goal['verdict']} · {goal['scope']}{t('：', ': ')}{goal['words']}"
        for goal in first["goals"]
    ] or [t("未登记目标", "No goal was entered")]
    figures = [
        " · ".join(
            filter(
                None,
                [
                    f"{card['name']} {card['value']}",
                    card["expected"],
                    card["verdict"],
                    card["change"],
                ],
            )
        )
        for card in first["cards"]
        if card["style"] != "unknown"
    ]
    found = [
        (
            f"{place}. "
            f"{' '.join(filter(None, [one['words'], one['money'], one['won_back'], one['cause'], one['meanwhile']]))}"
        )
        for place, one in enumerate(first["findings"], start=1)
    ]
    to_do = [
        f"{place}. {one['words']}{_duty(one, lang)}"
        for place, one in enumerate(first["actions"], start=1)
    ]
    blocks = [
        [f"{t('直播复盘', 'Live review')}{t('：', ': ')}{first['title']}", *first["facts"]],
        goals,
        [one["words"] for one in first["why"]],
        [*figures, *first["usual"]],
        [
            t("发现", "Findings"),
            *(found or [t("没有指标超出正常范围。", "No metric left its normal range.")]),
        ],
        [
            t("下一场", "Next session"),
            *(to_do or [t("没有需要改的事项。", "Nothing that needs to be changed.")]),
        ],
        [f"{t('数据质量：', 'Data quality: ')}{first['quality']['light']}"],
    ]
    return "\n\n".join("\n".join(block) for block in blocks if block) + "\n"


def _duty(action: Mapping[str, str], lang: str) -> str:
    """Who answers for an action and what will tell whether it worked, in brackets."""
    told = [
        action["owner"],
        *(
            [text.choose(lang, "验证：", "verified by: ") + action["verify"]]
            if action["verify"]
            else []
        ),
    ]
    words = text.choose(lang, "；", "; ").join(filter(None, told))
    return text.choose(lang, f"（{words}）", f" ({words})") if words else ""
