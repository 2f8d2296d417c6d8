"""Rows kept aside as an Excel that a person mends, and the way back of its mended cells.

A row is known by the hash of its file, its sheet and its number. Only cells that differ from what
was written count as mended; all else, personal columns above all, comes from the original, which
must still be in raw/.
"""

import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import xlsxwriter

from helpers import reference
from helpers.clean.cells import words
from helpers.clean.recognise import Block, normal
from helpers.clean.template import EXPLANATION
from helpers.core import privacy, text

HEADERS = {
    "file": "文件 / File",
    "sheet": "工作表 / Sheet",
    "row": "行号 / Row",
    "column": "列 / Column",
    "value": "原值 / Value",
    "reason": "原因 / Reason",
    "expected": "应为 / Expected",
    "hash": "指纹 / Hash",
}
# of one sheet: the same fault in more rows is mended in the export, not row by row
MOST_ROWS = 5000
_LONGEST_NUMBER = 200  # signs of a number or an address, however it is written
MOST_SIGNS = 1000  # of a cell: enough to know it by
HASH_DIGITS = 16
_MADE = dt.datetime(2000, 1, 1)  # the same rows give the same bytes
_NEEDED = ("file", "sheet", "row", "hash")
COLUMNS = ["file", "sheet", "row", "hash", "cells", "from_sheet", "from_row"]


class Change(NamedTuple):
    """One mended cell: what stood there and what stands there now, as shown."""

    row: int
    column: str
    value: str
    mended: str


def shown(cells: pd.Series) -> pd.Series:
    """Cells as text in the workbook: personal data masked, very long ones cut, empty as ""."""
    texts = words(cells).fillna("")
    long = texts.str.len() > MOST_SIGNS
    if long.any():  # what is cut off in the middle could not be told for a number
        texts = texts.mask(long, texts.str.slice(0, MOST_SIGNS + _LONGEST_NUMBER))
    masked = privacy.masked(texts)
    return masked.mask(long, masked.str.slice(0, -_LONGEST_NUMBER)) if long.any() else masked


def is_ours(grid: pd.DataFrame) -> bool:
    """Whether a sheet is one of rows kept aside, by the headers of its first row."""
    return len(grid) > 0 and {HEADERS[name] for name in _NEEDED} <= {
        cell for cell in grid.iloc[0] if isinstance(cell, str)
    }


def rows_of(grid: pd.DataFrame, sheet: str) -> pd.DataFrame:
    """The rows of a sheet of rows kept aside.

    Columns: file, sheet, row, hash of the original, cells by header as JSON, where they stand.
    """
    names = [
        (cell, place) for place, cell in grid.iloc[0].items() if isinstance(cell, str) and cell
    ]
    body = grid.iloc[1:]
    text_of = {
        name: words(body[place], code=False).fillna("") for name, place in dict(names[::-1]).items()
    }
    origin = {name: text_of[HEADERS[name]] for name in _NEEDED}
    others = pd.DataFrame(
        {name: cells for name, cells in text_of.items() if name not in HEADERS.values()},
        index=body.index,
    )
    cells = [json.dumps(row, ensure_ascii=False) for row in others.to_dict("records")]
    number = pd.to_numeric(origin.pop("row"), errors="coerce").astype("float64")
    rows = pd.DataFrame(
        {
            **origin,
            "row": number,
            "cells": cells,
            "from_sheet": sheet,
            "from_row": body.index.astype("float64"),
        },
        index=body.index,
    )
    return rows.loc[(origin["hash"] != "") & number.notna(), COLUMNS].reset_index(drop=True)


def applied(
    block: Block, shown_headers: Iterable[str], cells: Mapping[int, Mapping[str, str]]
) -> tuple[Block, list[Change]]:
    """The block with mended cells (by header, by number of the row), and what changed."""
    places = {
        header.text: header.place
        for header in reversed(block.headers)
        if header.text in set(shown_headers)
    }
    rows, changes = block.rows, []
    mine = [number for number in cells if number in rows.index]
    for name, place in places.items() if mine else ():
        typed = {number: cells[number][name] for number in mine if name in cells[number]}
        typed = pd.Series(typed, dtype="str")
        before = shown(rows.loc[typed.index, place])
        differs = shown(typed) != before
        if differs.any():
            column = rows[place].astype("object")
            column.loc[typed.index[differs]] = typed[differs].astype("object")
            rows = rows.drop(columns=place).assign(mended=column)
            rows = rows.rename(columns={"mended": place})[list(block.rows)]
            after = shown(typed[differs])
            changes += [
                Change(int(number), name, before[number], after[number]) for number in after.index
            ]
    return block._replace(rows=rows), sorted(changes)


def write(
    path: Path,
    aside: pd.DataFrame,
    mended: pd.DataFrame,
    hashes: Mapping[str, str],
    *,
    systems: Iterable[reference.System],
) -> None:
    """Write the workbook of all rows kept aside, one sheet per sheet of a file.

    `aside` is that of `tables.yml`. Rows mended before stand in it as mended, so that it can take
    the place of the last one. No spreadsheet takes a cell for a formula. `hashes` are the files'
    SHA-256 by name; `systems` say what a column is called in exports.
    """
    origin = ["file", "sheet", "row"]
    before = mended.drop_duplicates(origin).assign(reason="mended", expected=None)
    again = pd.MultiIndex.from_frame(before[origin]).isin(pd.MultiIndex.from_frame(aside[origin]))
    before = before.loc[~again, [name for name in before if name in aside]]
    every = pd.concat([aside, before], ignore_index=True)
    as_text = ("strings_to_formulas", "strings_to_urls", "strings_to_numbers")
    book = xlsxwriter.Workbook(path, dict.fromkeys(as_text, False))
    book.set_properties({"created": _MADE})
    try:
        formats, headers = _formats(book), _headers(systems)
        _explain(book, every)
        groups = every.groupby(["file", "sheet", "table"], dropna=False, sort=False)
        for number, ((file, *_), rows) in enumerate(groups, start=1):
            stem = re.sub(r"[^\w. -]", " ", Path(str(file)).stem)
            sheet = book.add_worksheet(f"{number} {stem}"[:31].strip())
            _fill(sheet, rows.head(MOST_ROWS), hashes.get(file, "")[:HASH_DIGITS], headers, formats)
    finally:
        book.close()


def _formats(book: xlsxwriter.Workbook) -> dict[str, xlsxwriter.format.Format]:
    plain = {"num_format": "@", "quote_prefix": True}  # stays text even when the cell is edited
    return {
        "plain": book.add_format(plain),
        "bad": book.add_format({**plain, "bg_color": "#FFE699", "border": 1}),
        "ours": book.add_format({**plain, "font_color": "#55616D", "bg_color": "#F3F5F7"}),
        "head": book.add_format({**plain, "bold": True, "bg_color": "#EEF2F6", "border": 1}),
    }


def _fill(
    sheet: xlsxwriter.worksheet.Worksheet,
    rows: pd.DataFrame,
    file_hash: str,
    headers: Mapping[str, set[str]],
    formats: Mapping,
) -> None:
    cells = [json.loads(row) for row in rows["row_json"]]
    names = list(dict.fromkeys(name for row in cells for name in row))
    for place, name in enumerate([*HEADERS.values(), *names]):
        sheet.write_string(0, place, name, formats["head"])
        sheet.set_column(place, place, 16)
    for at, (row, values) in enumerate(zip(rows.itertuples(), cells, strict=True), start=1):
        for place, value in enumerate(_about(row, file_hash)):
            sheet.write_string(at, place, value, formats["ours"])
        for place, name in enumerate(names, start=len(HEADERS)):
            wrong = row.reason != "mended" and _is_meant(name, row.column, row.field, headers)
            form = formats["bad" if wrong else "plain"]
            sheet.write_string(at, place, values.get(name) or "", form)
    sheet.freeze_panes(1, 0)


def _about(row: tuple, file_hash: str) -> list[str]:
    def both(group: str, code: object) -> str:
        label = reference.terms()[group].get(code) if isinstance(code, str) else None
        return f"{label.zh} / {label.en}" if label else ""

    about = {
        "file": row.file,
        "sheet": row.sheet,
        "row": f"{row.row:.0f}",
        "column": row.column,
        "value": row.value,
        "reason": both("reason", row.reason),
        "expected": both("expected", row.expected) + _choices(row),
        "hash": file_hash,
    }
    return [value if isinstance(value, str) else "" for value in (about[name] for name in HEADERS)]


def _choices(row: tuple) -> str:
    if row.expected != "choice" or not isinstance(row.field, str):
        return ""
    column = reference.tables()[row.table].columns.get(row.field)
    if column is None or column.terms is None:
        return ""
    labels = reference.terms()[column.terms].values()
    return ": " + "、".join(f"{label.zh}/{label.en}" for label in labels)


def _is_meant(name: str, column: object, field: object, headers: Mapping[str, set[str]]) -> bool:
    """By its own name, or as a name of the canonical column that is empty."""
    if name == column:
        return True
    return isinstance(field, str) and column == field and normal(name) in headers.get(field, ())


def _headers(systems: Iterable[reference.System]) -> dict[str, set[str]]:
    """In the exports, and by its own names."""
    names: dict[str, set[str]] = {}
    for columns in (export.columns for system in systems for export in system.exports):
        for field, how in columns.items():
            names.setdefault(field, set()).update(map(normal, how.header))
    for columns in (table.columns for table in reference.tables().values()):
        for field, label in columns.items():
            names.setdefault(field, set()).update(map(normal, (label.zh, label.en, field)))
    return names


def _explain(book: xlsxwriter.Workbook, rows: pd.DataFrame) -> None:
    sheet = book.add_worksheet(EXPLANATION["zh"])
    sheet.set_column(0, 0, 110)
    lines = [
        (
            "每张表是一个原文件中被搁置的行；黄色格子就是出问题的格子。",
            "Each sheet holds the rows kept aside of one file; the yellow cell is the wrong one.",
        ),
        (
            "改好黄色格子，把本文件另存到 raw/，原文件也要留在 raw/；下一次运行就会读入这些行。",
            "Mend the yellow cells and save this file into raw/; leave the original there. The "
            "next run reads the rows.",
        ),
        (
            "灰色的列用来找回原来的行，不要改动；不想改的行留着不动即可。",
            "Leave the grey columns as they are: they find the row again. Rows that you leave "
            "alone stay aside.",
        ),
        (
            "这里没有买家的姓名、电话、地址和账号；它们仍取自原文件。",
            "Buyers' names, phones, addresses and accounts are not in here: they are taken from "
            "the original.",
        ),
        (
            "已修正过的行也列在这里，所以新的一份可以替换旧的一份。",
            "Rows mended before are listed too, so the newer workbook may replace the older one.",
        ),
    ]
    for at, line in enumerate(line for pair in lines for line in pair):
        sheet.write_string(at, 0, line)
    counts = rows.groupby(["file", "sheet"], dropna=False, sort=False).size()
    long = counts[counts > MOST_ROWS].items()
    for at, ((file, name), count) in enumerate(long, start=2 * len(lines) + 1):
        words_of_count = (
            f"{text.plain(file)} [{text.plain(name)}]: {count:,} 行，只列前 {MOST_ROWS:,} 行 / "
            f"only the first {MOST_ROWS:,} of {count:,} rows; mend the export itself"
        )
        sheet.write_string(at, 0, words_of_count)
