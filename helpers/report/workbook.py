"""Other forms of a review: a workbook of its tables, pictures of its charts, words for a chat."""

import base64
import datetime
import functools
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import xlsxwriter
from nbformat import NotebookNode

from helpers.core import text
from helpers.report.units import UNITS

PICTURE = re.compile(r'src="data:image/png;base64,([A-Za-z0-9+/=\s]+)"')
SAVED = re.compile(r'review\.save\(\s*"(\w+)"')
WIDEST, NARROWEST = 42, 9
OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
DATED = datetime.datetime(2000, 1, 1)  # the workbook's own date: same results, same bytes


class Column(NamedTuple):
    """A column of a sheet, with a (value, unit) for each row: a number, a text or None."""

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
    """All result tables as an Excel workbook, a sheet a table.

    Before them stand contents, definitions (name, formula, description, source) and names of
    columns. Texts are texts, whatever they begin with; numbers are unrounded and formatted by their
    units. The same input gives the same bytes.
    """
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, OPTIONS)
    title = text.choose(lang, "复盘结果表", "Results of the review")
    book.set_properties({"created": DATED, "title": title})
    head = {"bold": True, "bg_color": "#E8EEF2", "bottom": 1, "text_wrap": True, "valign": "top"}
    styles = {
        name: book.add_format({"num_format": unit.excel})
        for name, unit in UNITS.items()
        if unit.excel
    }
    styles |= {
        "": book.add_format({"num_format": "0.00"}),
        "head": book.add_format(head),
        "words": book.add_format({"text_wrap": True, "valign": "top"}),
        "link": book.add_format({"font_color": "#0b5a85", "underline": 1}),
    }
    before = (_contents(sheets, lang), _definitions(definitions, lang), _names(sheets, lang))
    for sheet in (*before, *sheets):
        _fill(book.add_worksheet(sheet.name[:31]), sheet, styles)
    first = book.worksheets()[0]
    for place, sheet in enumerate(sheets, start=1):
        first.write_url(place, 0, f"internal:'{sheet.name[:31]}'!A1", styles["link"], sheet.name)
    book.close()
    return held.getvalue()


def _words(name: str, id: str, values: Sequence[str]) -> Column:
    return Column(id, name, [(value, "words") for value in values])


def _contents(sheets: Sequence[Sheet], lang: str) -> Sheet:
    names, about, rows = (
        text.choose(lang, *words)
        for words in (
            ("工作表", "Sheet"),
            ("回答的问题", "The question that it answers"),
            ("行数", "Rows"),
        )
    )
    counts = [
        (float(len(sheet.columns[0].cells)) if sheet.columns else 0.0, "count") for sheet in sheets
    ]
    columns = [
        _words(names, "sheet", [sheet.name for sheet in sheets]),
        _words(about, "about", [sheet.about for sheet in sheets]),
        Column("rows", rows, counts),
    ]
    return Sheet(text.choose(lang, "目录", "Contents"), "", columns)


def _definitions(entries: Sequence[Mapping[str, str]], lang: str) -> Sheet:
    heads = {
        "name": ("指标", "Metric"),
        "formula": ("公式", "Formula"),
        "description": ("口径", "Definition"),
        "source": ("出处", "Source"),
    }
    columns = [
        _words(text.choose(lang, *words), key, [entry[key] for entry in entries])
        for key, words in heads.items()
    ]
    return Sheet(text.choose(lang, "指标口径", "Definitions"), "", columns)


def _names(sheets: Sequence[Sheet], lang: str) -> Sheet:
    rows = []
    for sheet in sheets:
        for column in sheet.columns:
            units = sorted({unit for _, unit in column.cells} - {"words", ""})
            named = ", ".join(unit_name(unit, lang) for unit in units)
            rows.append((sheet.name, column.name, column.id, named))
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
    return text.label(UNITS[unit], lang) if unit in UNITS else unit


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
    """For each result table the heading under which a notebook (in one language) saves it."""
    headings: dict[str, str] = {}
    for notebook in notebooks.values():
        heading = ""
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                titles = [line for line in cell.source.splitlines() if line.startswith("#")]
                heading = titles[0].lstrip("# ").strip() if titles else heading
            else:
                for name in SAVED.findall(cell.source):
                    headings.setdefault(name, text.plain(heading, 200))
    return headings


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


LONGEST_CHAT = 600  # characters
WIDTHS = (200, 160, 130, 100, 80, 60, 45)  # of a line, the first at which all of them fit


def chat(layer: Mapping[str, Any], *, lang: str) -> str:
    """The first layer (`brief.make`) as a short plain text to be pasted into a chat.

    At most `LONGEST_CHAT` characters: long lines are cut, and the last ones left out where even
    that is too much.
    """
    t = functools.partial(text.choose, lang)
    colon, amount = t("：", ": "), t("（{}）", " ({})")
    goals = [f"{goal['verdict']} · {goal['words']}" for goal in layer["goals"]]
    matters = [
        f"{place}. {line['where']}{amount.format(line['amount']) if line['amount'] else ''}"
        f"{colon}{line['words']}"
        for place, line in enumerate(layer["matters"], start=1)
    ]
    to_do = [
        f"{place}. {action['words']}" + (amount.format(action["owner"]) if action["owner"] else "")
        for place, action in enumerate(layer["actions"], start=1)
    ]
    well = [f"{t('做得好', 'Went well')}{colon}{line['words']}" for line in layer["strengths"][:1]]
    late = [f"{t('超时没办', 'Overdue')}{colon}{layer['overdue']}"] if layer["overdue"] else []
    nothing = t("没有哪一项明显差过平时。", "Nothing was clearly worse than usual.")
    unjudged = t("没有可比的场次，好坏说不上来。", "No comparable session to judge it by.")
    lines = [
        f"{t('直播复盘', 'Live review')}{colon}{layer['title']}",
        *layer["facts"][-1:],
        *(goals or [t("没登记目标", "No goal was entered")]),
        t("最要紧的", "What matters most"),
        *(matters or [nothing if layer["compared"] else unjudged]),
        t("下一场", "Next session"),
        *(to_do or [t("没有需要改的事项。", "Nothing that needs to be changed.")]),
        *late,
        *well,
        f"{t('数据', 'Data')}{colon}{layer['quality']['light']}",
    ]
    for width in WIDTHS:
        words = "\n".join(_cut(line, width) for line in lines) + "\n"
        if len(words) <= LONGEST_CHAT:
            return words
    return words[:LONGEST_CHAT].rpartition("\n")[0] + "\n"


def _cut(line: str, width: int) -> str:
    """A line of at most a width, never cut within a figure."""
    line = text.plain(line, 1000)
    if len(line) <= width:
        return line
    return re.sub(r"[^\s\W]*[¥$\d.,%−-]+$", "", line[: width - 1]).rstrip() + "…"
