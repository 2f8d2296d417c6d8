"""The Excel that a team fills in by hand, and the mapping that reads it back, from `tables.yml`."""

import functools
import re
from pathlib import Path

import xlsxwriter

from helpers import reference
from helpers.core import text
from helpers.reference import Column, Export, Label, SourceColumn, System, Table, schema

SHEETS = (
    "sessions",
    "minutes",
    "rundown",
    "cues",
    "events",
    "notes",
    "goals",
    "costs",
    "audience",
    "service",
    "comments",
    "incidents",
    "reviews",
    "products",
    "traffic",
    "orders",
    "actions",
)
EXPLANATION = {"zh": "填写说明", "en": "How to fill in"}
# what clean/ adds to a table: no news where such a table comes back as a CSV
_ADDED = (*schema.TRACE, "known_from", "why_not")
NOT_ASKED = {"session_id", "as_of"}  # columns of our tables that the form leaves out
_SESSION_START = Column(kind="datetime", zh="开播时间", en="Session start")


def is_explanation(sheet: str) -> bool:
    """Whether a sheet is the template's page of explanations, which holds no data."""
    return sheet in EXPLANATION.values()


@functools.cache
def system() -> System:
    """The template as a source system, an export a table; headers as labels or canonical names."""
    exports = [
        _export(name, table)
        for name, table in reference.tables().items()
        if name not in ("files", "aside", "questions")
    ]
    return System(
        system="template",
        zh="本工具模板",
        en="Our own template",
        platform=None,
        exports=exports,
        where=Label(zh="fupan new 生成的 Excel", en="the Excel that `fupan new` writes"),
    )


def _columns(name: str, table: Table) -> dict[str, Column]:
    """With the session's start where a row must name its session."""
    if table.attribute != "session" or name == "sessions":
        return table.columns
    return {"session_started_at": _SESSION_START, **table.columns}


def _export(name: str, table: Table) -> Export:
    columns = {
        column: SourceColumn(header=list(dict.fromkeys([label.zh, label.en, column])))
        for column, label in _columns(name, table).items()
    }
    needed = [
        f"{label.zh}|{label.en}|{column}"
        for column, label in table.columns.items()
        if label.required and column not in NOT_ASKED
    ]
    return Export(
        id=name,
        zh=table.zh,
        en=table.en,
        grade="own",
        table=name,
        sheet=[name, table.zh, table.en],
        headers=needed or ["|".join(next(iter(columns.values())).header)],
        columns=columns,
        file_name=rf"(?i)^(?:{'|'.join(map(re.escape, (name, table.zh, table.en)))})(?![^\W\d_])",
        ignore=list(_ADDED),
    )


def write_template(path: str | Path, lang: str = "zh") -> Path:
    """Write the Excel template: explanations, then a sheet a table with headers and choices.

    Headers are the labels of `tables.yml` in `lang`, bold where they must be filled in. Raises
    `ValueError` for another language than zh or en.
    """
    text.choose(lang, "", "")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    book = xlsxwriter.Workbook(path, {"in_memory": True})
    try:
        _explanation(book, lang)
        for name in SHEETS:
            _sheet(book, name, lang)
    finally:
        book.close()
    return path


def _sheet(book: xlsxwriter.Workbook, name: str, lang: str) -> None:
    table = reference.tables()[name]
    sheet = book.add_worksheet(text.label(table, lang))
    plain = book.add_format({"bg_color": "#EEF2F6", "border": 1})
    needed = book.add_format({"bg_color": "#EEF2F6", "border": 1, "bold": True})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    written = book.add_format({"num_format": "@"})
    for place, column in enumerate(_asked(name)):
        header = text.label(column, lang)
        style = moment if column.kind == "datetime" else written if column.kind == "id" else None
        width = 2 * len(header) if lang == "zh" else len(header) + 2
        sheet.set_column(place, place, max(12, width), style)
        sheet.write(0, place, header, needed if column.required else plain)
        sheet.write_comment(0, place, _how(column, lang))
        choices = _choices(column, lang)
        if choices and sum(map(len, choices)) + len(choices) <= 255:
            sheet.data_validation(1, place, 5000, place, {"validate": "list", "source": choices})
    sheet.freeze_panes(1, 0)


def _asked(name: str) -> list[Column]:
    columns = _columns(name, reference.tables()[name])
    return [column for key, column in columns.items() if key not in NOT_ASKED]


def _choices(column: Column, lang: str) -> list[str]:
    if column.kind == "flag":
        return [text.choose(lang, "是", "yes"), text.choose(lang, "否", "no")]
    terms = reference.terms()[column.terms].values() if column.terms else ()
    return [text.label(label, lang) for label in terms]


def _how(column: Column, lang: str) -> str:
    how = text.label(reference.terms()["expected"][column.kind], lang)
    choices = _choices(column, lang)
    if choices:
        how += text.choose(lang, "：", ": ") + text.choose(lang, "、", ", ").join(choices)
    return how + (text.choose(lang, "（必填）", " (required)") if column.required else "")


def _explanation(book: xlsxwriter.Workbook, lang: str) -> None:
    sheet = book.add_worksheet(EXPLANATION[lang])
    bold = book.add_format({"bold": True})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    sheet.set_column(0, 0, 18, wrap)
    sheet.set_column(1, 1, 26, wrap)
    sheet.set_column(2, 2, 70, wrap)
    intro = (
        (
            "只填您有的工作表，其余留空；表头加粗的列必填。",
            "Fill in the sheets that you have and leave the others empty; columns with bold "
            "headers are required.",
        ),
        (
            "填好后放进 raw/ 文件夹，可以保留多份；不要改动表头。",
            "Put the file into the raw/ folder; several files are fine. Leave the headers as they "
            "are.",
        ),
        (
            "流量来源只填最末级渠道，不填合计；开播时间用来找到所属场次。",
            "Traffic: leaf sources only, no totals. The session's start says which session a row "
            "belongs to.",
        ),
        (
            "观众行为通常很多行，可直接用 CSV：首行为同样的表头，文件任意命名，放进 raw/。",
            "Viewer events are many: a CSV with the same headers in its first row does as well, "
            "under any name, in raw/.",
        ),
        (
            "不要填写买家姓名、电话和地址；买家与观众的标识读入时即加密。",
            "No buyers' names, phones or addresses; buyers' and viewers' ids are hashed when read.",
        ),
    )
    for row, line in enumerate(intro):
        sheet.write(row, 0, text.choose(lang, *line))
    row = len(intro) + 1
    titles = text.choose(lang, "工作表 列 填写方式", "Sheet Column How").split(" ")
    sheet.write_row(row, 0, titles, bold)
    for name in SHEETS:
        for column in _asked(name):
            row += 1
            names = [text.label(label, lang) for label in (reference.tables()[name], column)]
            sheet.write_row(row, 0, [*names, _how(column, lang)], wrap)
