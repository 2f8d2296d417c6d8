"""One plan file, Excel or CSV, as it is read: its lines by id, and what in it cannot be used."""

import csv
import datetime as dt
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import clean, reference
from helpers.core import privacy
from helpers.plan.plan_file.columns import (
    CHOICES,
    COLUMNS,
    DAY,
    HANDED_OUT,
    HIDDEN,
    LABELS,
    NEXT,
    NUMBERS,
    REQUIRED,
    PlanFileError,
    frame,
    plan_id,
)

ASIDE = ["file", "row", "column", "found", "expected_zh", "expected_en"]
COLUMN_OF = {name: name for name in HIDDEN} | {
    name.casefold(): column for column, labels in LABELS.items() for name in (column, *labels)
}
# Begins a formula in Excel; an apostrophe before it makes it text and is taken off when read.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


MOST_BYTES = 20_000_000  # of a CSV; a plan of a thousand lines has half a million


class Reading(NamedTuple):
    """A plan as it was read: its rows (`frame`), and the cells and lines kept aside (`ASIDE`)."""

    rows: pd.DataFrame
    aside: pd.DataFrame


class Sheet(NamedTuple):
    """One table of a plan: rows by id, unusable cells as (id, column), what was kept aside."""

    rows: dict[str, dict[str, object]]
    broken: set[tuple[str, str]]
    aside: list[dict[str, object]]


def reading(rows: list[dict[str, object]], kept_aside: list[dict[str, object]]) -> Reading:
    """Lines and what was kept aside as the two frames of a `Reading`."""
    types = {name: "int64" if name == "row" else "str" for name in ASIDE}
    return Reading(frame(rows), pd.DataFrame(kept_aside, columns=ASIDE).astype(types))


def aside(file: str, row: int, column: str, found: object, zh: str, en: str) -> dict[str, object]:
    """One cell or line that is not taken, as a row of `ASIDE`: what was typed is shown masked."""
    column, written = privacy.mask(column), privacy.mask(str(found))
    return dict(zip(ASIDE, (file, row, column, written, zh, en), strict=True))


def starts_of(sessions: pd.DataFrame | None) -> pd.Series:
    """When each session started, by id; empty where no sessions are given."""
    if sessions is None:
        return pd.Series(dtype="object")
    return sessions.set_index("session_id")["started_at"]


def runs(written: str) -> bool:
    """Whether a cell would be a formula, or be taken for one made harmless by an apostrophe."""
    return written.lstrip("'").startswith(FORMULA)


def _decoded(path: Path) -> str:
    """UTF-8 as we write it, else as Excel saves Unicode text or Chinese CSV."""
    if (size := path.stat().st_size) > MOST_BYTES:
        raise PlanFileError(
            f"{path.name}: {size:,} bytes; expected a plan of at most {MOST_BYTES:,}"
        )
    content = path.read_bytes()
    utf16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    for encoding in ("utf-16",) if utf16 else ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise PlanFileError(f"{path.name}: neither UTF-8 nor GB18030; save the plan as CSV (UTF-8)")


def _csv_cells(path: Path) -> list[list[str]]:
    content = _decoded(path)
    first = content.partition("\n")[0]
    try:
        return list(csv.reader(io.StringIO(content), delimiter=max(",;\t", key=first.count)))
    except csv.Error as error:
        raise PlanFileError(
            f"{path.name}: no table of values ({error}); a quotation mark may have no partner"
        ) from error


def _written(cell: object) -> str:
    """A whole number without its point, a date as 2026-11-20."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return f"{cell:%Y-%m-%d}" if isinstance(cell, dt.date) else "" if cell is None else str(cell)


def _sheets(path: Path) -> dict[str, list[list[str]]]:
    """Read in a process of its own, as raw files are: what comes back was in other hands."""
    book = clean.readers().open_file(path)
    if book.problems:
        problem = privacy.mask(clean.in_words(book.problems[0][1], "en").rstrip("."))
        raise PlanFileError(
            f"{path.name}: cannot be read as an Excel workbook ({problem}); save the plan as .xlsx "
            "or CSV"
        )
    return {
        sheet.name: [
            [_written(cell) for cell in row]
            for row in sheet.grid.astype("object").itertuples(index=False)
        ]
        for sheet in book.sheets
    }


def _header(file: str, cells: list[str]) -> list[str]:
    names = [COLUMN_OF.get(cell.strip().casefold(), "") for cell in cells]
    lacking = [column for column in COLUMNS if column not in names and column in REQUIRED]
    if lacking:
        raise PlanFileError(
            f"{file}: row 1: column {', '.join(lacking)} is missing; found "
            f"{privacy.mask(', '.join(filter(None, cells)))}"
        )
    return names


def _code(value: str, choices: Mapping[str, reference.Label]) -> str | None:
    written = value.casefold()
    return next(
        (
            code
            for code, label in choices.items()
            if written in (code, label.zh.casefold(), label.en.casefold())
        ),
        None,
    )


def _cell(
    column: str, written: str, registry: Mapping[str, reference.Metric]
) -> tuple[object, tuple[str, str] | None]:
    """The value, and what was expected where it cannot be used."""
    value = written.strip()
    value = value[1:] if value[:1] == "'" and runs(value) else value
    if column in REQUIRED and not value:
        return "", ("不能为空", "a value is needed")
    if column in NUMBERS:
        try:
            return float(value.replace(",", "")) if value else np.nan, None
        except ValueError:
            return np.nan, ("一个数字", "a number")
    if column in CHOICES and value:
        choices = reference.terms()[CHOICES[column]]
        code = _code(value, choices)
        listed = ("、".join(label.zh for label in choices.values()), ", ".join(choices))
        return (code, None) if code else ("", (f"以下之一：{listed[0]}", f"one of {listed[1]}"))
    metric = _code(value, registry) if column == "metric" else None
    return metric or value, None


def _due(due: str, planned_in: str, starts: pd.Series) -> tuple[str, tuple[str, str] | None]:
    """The due session or day, and what was expected where it cannot be used."""
    if due.casefold() in NEXT:
        return "", None
    if not due or starts.empty:
        return due, None
    planned = starts.get(planned_in)
    if due in starts.index:
        late = planned is not None and starts[due] <= planned
        return (
            ("", (f"晚于 {planned_in} 的场次", f"a session after {planned_in}"))
            if late
            else (due, None)
        )
    day = DAY.fullmatch(due)
    try:
        date = dt.date(*map(int, day.groups())) if day else None
    except ValueError:
        date = None
    if date is None:
        return "", (
            "之后某场的场次编号，或日期，如 2026-11-20",
            "the id of a later session, or a date such as 2026-11-20",
        )
    if planned is not None and date < planned.date():
        return "", (f"不早于 {planned:%Y-%m-%d} 的日期", f"a date not before {planned:%Y-%m-%d}")
    return date.isoformat(), None


def _parsed(
    file: str, table: list[list[str]], starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> Sheet:
    """Cells that cannot be used are empty and kept aside."""
    if not table:
        raise PlanFileError(f"{file}: empty, expected a header and one row per action")
    names = _header(file, table[0])
    sheet = Sheet({}, set(), [])
    for place, (name, header) in enumerate(zip(names, table[0], strict=False)):
        if not name and any(cells[place].strip() for cells in table[1:] if place < len(cells)):
            zh, en = (
                "表里原有的列名；这一列没有读入",
                "a header of the plan; this column was not read",
            )
            sheet.aside.append(aside(file, 1, header.strip(), header.strip(), zh, en))
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names) :]):
            zh = f"{len(names)} 格，与表头一致（整行搁置）"
            en = f"{len(names)} cells, as the header has (line left out)"
            sheet.aside.append(aside(file, number, "", len(cells), zh, en))
            continue
        named = {name: cell for name, cell in zip(names, cells, strict=False) if name}
        _add_row(sheet, file, number, named, starts, registry)
    return sheet


def _add_row(
    sheet: Sheet,
    file: str,
    number: int,
    cells: Mapping[str, str],
    starts: pd.Series,
    registry: Mapping[str, reference.Metric],
) -> None:
    """Aside go a second line with an id, and a line by hand that lacks what it needs."""
    values = {name: _cell(name, cell, registry) for name, cell in cells.items()}
    row: dict[str, object] = {name: value for name, (value, _) in values.items()}
    wrong = {name: expected for name, (_, expected) in values.items() if expected}
    if "due_session" in row:
        planned_in = str(row.get("session_id", ""))
        row["due_session"], late = _due(str(row["due_session"]), planned_in, starts)
        wrong |= {"due_session": late} if late else {}
    by_hand = not row.get("plan_id")
    about = (str(row.get(name, "")) for name in ("session_id", "problem", "action"))
    id = str(row.get("plan_id") or plan_id(*about, prefix="H"))
    sheet.aside.extend(
        aside(file, number, column, cells.get(column, ""), *expected)
        for column, expected in wrong.items()
    )
    if id in sheet.rows:
        zh, en = "每个编号只有一行（保留第一行）", "one line per id (the first one is kept)"
        sheet.aside.append(aside(file, number, "plan_id", id, zh, en))
    elif not (by_hand and set(wrong) & set(REQUIRED)):
        status = row.get("status") or "open"
        sheet.rows[id] = {**row, "plan_id": id, "status": status, "line": number}
        sheet.broken.update((id, column) for column in wrong)


def csv_sheet(path: Path, starts: pd.Series, registry: Mapping[str, reference.Metric]) -> Sheet:
    """The plan of a CSV."""
    return _parsed(path.name, _csv_cells(path), starts, registry)


def workbook(
    path: Path, starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> tuple[Sheet, Sheet]:
    """The plan of a workbook as it is now and as handed out (as now without the hidden sheet)."""
    sheets = _sheets(path)
    handed_out = sheets.pop(HANDED_OUT, None)
    tables = list(sheets.values())
    like_a_plan = (
        table
        for table in tables
        if table and sum(cell.strip().casefold() in COLUMN_OF for cell in table[0]) > len(REQUIRED)
    )
    now = _parsed(path.name, next(like_a_plan, tables[0] if tables else []), starts, registry)
    if handed_out is None:
        return now, Sheet(now.rows, set(), [])
    return now, _parsed(path.name, handed_out, starts, registry)
