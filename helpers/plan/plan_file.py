"""The plan as a file that people edit: a CSV and an Excel of the same lines in the workspace.

A row that the team has touched is never overwritten: who does it, by when, how it went and what
they noted survive every new run. What cannot be read is kept aside with file, row and column, what
was found and what was expected.
"""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import python_calamine
import xlsxwriter

from helpers import reference
from helpers.core import text

NUMBERS = ("baseline", "least_effect", "sessions", "money_at_stake")
EDITED = ("owner_role", "status", "note", "due_session", "effort")
WRITTEN = (
    "problem",
    "stage",
    "evidence",
    "cause",
    "action",
)  # what the review says; a line by hand says it itself
FIXED = (
    "metric",
    "slice",
    "baseline",
    "least_effect",
    "sessions",
)  # what an action is judged by, fixed beforehand
ASIDE = ["file", "row", "column", "found", "expected_zh", "expected_en"]
HANDED_OUT = (
    "as handed out"  # the hidden sheet that says what a cell held before somebody edited it
)
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T].*)?")
LABELS: dict[str, tuple[str, str]] = {
    "plan_id": ("编号", "Plan ID"),
    "session_id": ("场次编号", "Session ID"),
    "dimension": ("维度", "Dimension"),
    "stage": ("直播环节", "Stage"),
    "problem": ("问题", "Problem"),
    "evidence": ("证据", "Evidence"),
    "cause": ("可能原因", "Likely cause"),
    "action": ("优化动作", "Action"),
    "owner_role": ("负责岗位", "Owner role"),
    "due_session": ("执行场次", "Due session"),
    "metric": ("验证指标", "Verifying metric"),
    "slice": ("范围", "Slice"),
    "baseline": ("基线", "Baseline"),
    "least_effect": ("最小有效幅度", "Least useful effect"),
    "sessions": ("验证场次数", "Sessions to verify"),
    "money_at_stake": ("涉及金额", "Money at stake"),
    "effort": ("工作量", "Effort"),
    "status": ("状态", "Status"),
    "note": ("备注", "Note"),
}
# What the next review tells lines and problems apart by: in the file, hidden from who fills it in.
HIDDEN = ("certainty", "problem_id", "cause_id", "action_id", "parts")
COLUMNS = [*LABELS, *HIDDEN]
WORDS = {word for labels in LABELS.items() for word in (labels[0], *labels[1])}
CHOICES = {
    "owner_role": "role",
    "status": "plan_status",
    "effort": "effort",
    "dimension": "dimension",
}
REQUIRED = ("session_id", "problem", "action", "owner_role", "metric", "status")
WIDTHS = {
    "problem": 26,
    "evidence": 44,
    "cause": 30,
    "action": 48,
    "note": 30,
    "session_id": 26,
    "due_session": 24,
    "metric": 20,
}
NUMBER_FORMATS = {
    "money": "#,##0",
    "share": "0%",
    "percent": "0.00%",
    "seconds": "0",
    "count": "0",
    "users": "#,##0",
    "times": "#,##0",
    "score": "#,##0.00",
}
SHEET_WORDS = {
    "aspect": ("方面", "Aspect"),
    "content": ("内容", "Content"),
    "origin": ("出处", "Origin"),
    "step": ("环节", "Stage"),
    "timing": ("上一场的时间", "Last time"),
    "change": ("这一场怎么做", "What to do this time"),
    "who": ("谁做", "Who"),
    "verified_by": ("用什么验证", "Verified by"),
    "line": ("计划编号", "Plan line"),
    "item": ("检查项", "To check"),
    "state": ("记录怎么说", "What the records say"),
    "evidence": ("依据", "Evidence"),
    "role": ("岗位", "Role"),
}
SHEET_WIDTHS = {
    "aspect": 16,
    "origin": 20,
    "step": 14,
    "timing": 30,
    "change": 60,
    "who": 14,
    "verified_by": 34,
    "line": 13,
    "item": 34,
    "state": 24,
    "evidence": 50,
    "role": 16,
}
# A cell that begins so is a formula to Excel; a leading apostrophe makes it text again and is taken
# off when read.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class PlanFileError(ValueError):
    """A plan file cannot be used: the message names file, row and column, what was found and what is expected."""


def _runs(written: str) -> bool:
    """Whether a cell would be a formula, or would be taken for one that was made harmless (apostrophes before it)."""
    return written.lstrip("'").startswith(FORMULA)


def plan_id(*about: str, prefix: str = "P") -> str:
    """The id of a plan row, made from what it is about, so that a new run finds it again; prefix H for rows by hand."""
    return f"{prefix}-{hashlib.blake2s('|'.join(about).encode(), digest_size=4).hexdigest()}"


def frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Plan rows as a frame: one row per action, columns `COLUMNS`; numbers float64, the rest str with "" for none."""
    made = pd.DataFrame(rows, columns=COLUMNS)
    words = {name: made[name].astype("str").fillna("") for name in COLUMNS if name not in NUMBERS}
    return made.assign(**words, **{name: made[name].astype("float64") for name in NUMBERS})


# ----------------------------------------------------------------------------------------- reading


class Reading(NamedTuple):
    """A plan as it was read: its rows (see `frame`), and what in it was kept aside (`ASIDE`), one row per cell or line."""

    rows: pd.DataFrame
    aside: pd.DataFrame


class _Sheet(NamedTuple):
    """One table of a plan: rows by id, cells that could not be used as (id, column), and what was kept aside."""

    rows: dict[str, dict[str, object]]
    broken: set[tuple[str, str]]
    aside: list[dict[str, object]]


def _aside(file: str, row: int, column: str, found: object, zh: str, en: str) -> dict[str, object]:
    return {
        "file": file,
        "row": row,
        "column": column,
        "found": str(found),
        "expected_zh": zh,
        "expected_en": en,
    }


def _decoded(path: Path) -> str:
    """The file's text: UTF-8 as we write it, else as an Excel saves it: Unicode text, or CSV on a Chinese machine."""
    content = path.read_bytes()
    for encoding in (
        ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "gb18030")
    ):
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
    """A cell of Excel as text: a whole number without its point, a date as 2026-11-20."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return f"{cell:%Y-%m-%d}" if isinstance(cell, dt.date) else "" if cell is None else str(cell)


def _sheets(path: Path) -> dict[str, list[list[str]]]:
    """The sheets of a workbook by name, every cell as text."""
    try:
        book = python_calamine.CalamineWorkbook.from_filelike(io.BytesIO(path.read_bytes()))
        return {
            name: [
                [_written(cell) for cell in row]
                for row in book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            ]
            for name in book.sheet_names
        }
    except python_calamine.CalamineError as error:
        raise PlanFileError(
            f"{path.name}: cannot be read as an Excel workbook ({error}); save the plan as .xlsx "
            "or CSV"
        ) from error


def _header(file: str, found: list[str]) -> list[str]:
    """Column names of a header in either language or as ids."""
    known = {name: name for name in HIDDEN} | {
        name.casefold(): column for column, labels in LABELS.items() for name in (column, *labels)
    }
    names = [known.get(cell.strip().casefold(), "") for cell in found]
    lacking = [column for column in COLUMNS if column not in names and column in REQUIRED]
    if lacking:
        raise PlanFileError(
            f"{file}: row 1: column {', '.join(lacking)} is missing; found "
            f"{', '.join(filter(None, found))}"
        )
    return names


def _code(value: str, choices: Mapping[str, reference.Label]) -> str | None:
    """The code of a choice written as code or label in either language; None where it is none of them."""
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
    """One cell as its value, and what was expected where it cannot be used."""
    value = written.strip()
    value = value[1:] if value[:1] == "'" and _runs(value) else value
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
    known = _code(value, registry) if column == "metric" else None
    return known or value, None


def _due(due: str, planned_in: str, starts: pd.Series) -> tuple[str, tuple[str, str] | None]:
    """The session or the day on which an action is due, checked against the sessions known; days as 2026-11-20."""
    if not due or starts.empty:
        return due, None
    known = starts.get(planned_in)
    day = DAY.fullmatch(due)
    if due in starts.index:
        late = known is not None and starts[due] <= known
        return (
            ("", (f"晚于 {planned_in} 的场次", f"a session after {planned_in}"))
            if late
            else (due, None)
        )
    try:
        named = dt.date(*map(int, day.groups())) if day else None
    except ValueError:
        named = None
    if named is None:
        return "", (
            "之后某场的场次编号，或日期，如 2026-11-20",
            "the id of a later session, or a date such as 2026-11-20",
        )
    if known is not None and named < known.date():
        return "", (f"不早于 {known:%Y-%m-%d} 的日期", f"a date not before {known:%Y-%m-%d}")
    return named.isoformat(), None


def _parsed(
    file: str, table: list[list[str]], starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> _Sheet:
    """The rows of a table by id; cells that cannot be used are empty (a status: open) and kept aside with what was expected.

    Raises `PlanFileError` where the table has no header of a plan.
    """
    if not table:
        raise PlanFileError(f"{file}: empty, expected a header and one row per action")
    names = _header(file, table[0])
    made = _Sheet({}, set(), [])
    for place, (name, header) in enumerate(zip(names, table[0], strict=False)):
        if not name and any(cells[place].strip() for cells in table[1:] if place < len(cells)):
            made.aside.append(
                _aside(
                    file,
                    1,
                    header.strip(),
                    header.strip(),
                    "表里原有的列名；这一列没有读入",
                    "a header of the plan; this column was not read",
                )
            )
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names) :]):
            made.aside.append(
                _aside(
                    file,
                    number,
                    "",
                    f"{len(cells)}",
                    f"{len(names)} 格，与表头一致（整行搁置）",
                    f"{len(names)} cells, as the header has (line left out)",
                )
            )
            continue
        _add_row(
            made,
            file,
            number,
            {name: cell for name, cell in zip(names, cells, strict=False) if name},
            starts,
            registry,
        )
    return made


def _add_row(
    made: _Sheet,
    file: str,
    number: int,
    cells: Mapping[str, str],
    starts: pd.Series,
    registry: Mapping[str, reference.Metric],
) -> None:
    """One line of a table into its sheet, or aside: a line with the id of another, a line by hand that lacks what it needs."""
    read = {name: _cell(name, cell, registry) for name, cell in cells.items()}
    row: dict[str, object] = {name: value for name, (value, _) in read.items()}
    wrong = {name: expected for name, (_, expected) in read.items() if expected}
    row["due_session"], late = _due(
        str(row.get("due_session", "")), str(row.get("session_id", "")), starts
    )
    wrong |= {"due_session": late} if late else {}
    by_hand = not row.get("plan_id")
    name = str(
        row.get("plan_id")
        or plan_id(
            *(str(row.get(about, "")) for about in ("session_id", "problem", "action")), prefix="H"
        )
    )
    made.aside.extend(
        _aside(file, number, column, cells.get(column, ""), *expected)
        for column, expected in wrong.items()
    )
    if name in made.rows:
        made.aside.append(
            _aside(
                file,
                number,
                "plan_id",
                name,
                "每个编号只有一行（保留第一行）",
                "one line per id (the first one is kept)",
            )
        )
    elif not (by_hand and set(wrong) & set(REQUIRED)):
        made.rows[name] = {
            **row,
            "plan_id": name,
            "status": row.get("status") or "open",
            "line": number,
        }
        made.broken.update((name, column) for column in wrong)


def _starts(sessions: pd.DataFrame | None) -> pd.Series:
    return (
        pd.Series(dtype="object")
        if sessions is None
        else sessions.set_index("session_id")["started_at"]
    )


def read(
    path: Path, sessions: pd.DataFrame | None = None, *, registry: Mapping[str, reference.Metric]
) -> Reading:
    """A plan file, .csv or .xlsx, as it is read; nothing where there is no such file.

    Headers and choices may be ids or labels in either language. A CSV may be UTF-8 or GB18030, with
    a comma, semicolon or tab: what spreadsheet programs make of it. Rows added by hand without a
    plan_id get one. Due sessions are checked against `sessions` where they are given. What cannot
    be used is kept aside; raises `PlanFileError`, naming the file, only where it is no plan at all.
    """
    if not path.exists():
        return _reading(frame([]), [])
    if path.suffix.lower() != ".xlsx":
        sheet = _parsed(path.name, _csv_cells(path), _starts(sessions), registry)
        return _reading(frame(list(sheet.rows.values())), sheet.aside)
    book, handed_out = _workbook(path, _starts(sessions), registry)
    return _combined(handed_out or book, book, handed_out, file=path.name, newer=True)


def _workbook(
    path: Path, starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> tuple[_Sheet, _Sheet | None]:
    """The plan of a workbook as it is now, and as it was handed out where the hidden sheet is still there."""
    sheets = _sheets(path)
    before = sheets.pop(HANDED_OUT, None)
    table = next(
        (
            table
            for table in sheets.values()
            if table and sum(cell in WORDS for cell in table[0]) > len(REQUIRED)
        ),
        next(iter(sheets.values()), []),
    )
    return _parsed(path.name, table, starts, registry), None if before is None else _parsed(
        path.name, before, starts, registry
    )


def load(
    folder: Path,
    session_id: str,
    sessions: pd.DataFrame | None = None,
    *,
    registry: Mapping[str, reference.Metric],
) -> Reading:
    """The plan of a session as the team left it in <session>.csv and <session>.xlsx, either of which may be missing.

    An edit is a cell that differs from what the workbook held when it was handed out. Where both
    files changed the same cell, the file saved last wins, and `aside` says so. Raises
    `PlanFileError` for a file that is no plan.
    """
    text_file, book_file = (folder / f"{session_id}{kind}" for kind in (".csv", ".xlsx"))
    if not book_file.exists() or not text_file.exists():
        return read(book_file if book_file.exists() else text_file, sessions, registry=registry)
    starts = _starts(sessions)
    lines = _parsed(text_file.name, _csv_cells(text_file), starts, registry)
    book, handed_out = _workbook(book_file, starts, registry)
    newer = book_file.stat().st_mtime_ns > text_file.stat().st_mtime_ns
    made = _combined(lines, book, handed_out, file=book_file.name, newer=newer)
    return _reading(made.rows, [*lines.aside, *made.aside.to_dict("records")])


def _reading(rows: pd.DataFrame, aside: list[dict[str, object]]) -> Reading:
    return Reading(
        rows,
        pd.DataFrame(aside, columns=ASIDE).astype(
            {name: "int64" if name == "row" else "str" for name in ASIDE}
        ),
    )


def _combined(
    lines: _Sheet, book: _Sheet, handed_out: _Sheet | None, *, file: str, newer: bool
) -> Reading:
    """The lines with the edits of the workbook; a line that somebody deleted from it stays, as dropping it is a status."""
    before = handed_out.rows if handed_out else {}
    notes, rows = list(book.aside), []
    for name, line in {**book.rows, **lines.rows}.items():
        if name not in book.rows and name in before:
            notes.append(
                _aside(
                    file,
                    before[name]["line"],
                    "plan_id",
                    name,
                    "这一行不要删：放弃请把状态改为已放弃（已保留）",
                    "the line: to give it up, set its status to dropped (it is kept)",
                )
            )
        if name in book.rows and name in lines.rows:
            line = _edited(
                line,
                book.rows[name],
                before.get(name),
                broken=(lines.broken, book.broken),
                newer=newer,
            )
            notes += _rewritten(file, book.rows[name], before[name]) if name in before else []
            notes += (
                _both_changed(file, lines.rows[name], book.rows[name], before[name], newer=newer)
                if name in before
                else []
            )
        rows.append(line)
    return _reading(frame(rows), notes)


def _edited(
    line: Mapping[str, object],
    book: Mapping[str, object],
    before: Mapping[str, object] | None,
    *,
    broken: tuple[set[tuple[str, str]], set[tuple[str, str]]],
    newer: bool,
) -> dict[str, object]:
    """A line with the workbook's edits: of each column that people edit, the value that is no longer as handed out."""
    made = dict(line)
    for column in EDITED:
        mine, theirs = line.get(column, ""), book.get(column, "")
        old = mine if before is None else before.get(column, "")
        mine = old if (line["plan_id"], column) in broken[0] else mine
        theirs = old if (line["plan_id"], column) in broken[1] else theirs
        changed = theirs != old and (mine == old or newer)
        made[column] = theirs if changed else mine
    return made


def _both_changed(
    file: str,
    line: Mapping[str, object],
    book: Mapping[str, object],
    before: Mapping[str, object],
    *,
    newer: bool,
) -> list[dict[str, object]]:
    """A note for each cell that was changed to different values in both files: the file saved last counts."""
    said = "Excel" if newer else "CSV"
    values = {
        column: [str(one.get(column, "")) for one in (line, book, before)] for column in EDITED
    }
    return [
        _aside(
            file,
            book["line"],
            column,
            f"{found[1]} / {found[0]}",
            f"只在一个文件里改（以后保存的 {said} 为准）",
            f"an edit in one file only (the {said}, saved last, counts)",
        )
        for column, found in values.items()
        if len(set(found)) == 3 and all(found[:2])
    ]


def _rewritten(
    file: str, book: Mapping[str, object], before: Mapping[str, object]
) -> list[dict[str, object]]:
    """A note for each cell that was changed and is not taken: figures that an action is judged by, and words of the review."""
    words = [
        _aside(
            file,
            book["line"],
            column,
            book[column],
            "这一格由复盘写出；要改写请写进备注",
            "what the review wrote: put your own words into the note",
        )
        for column in WRITTEN
        if column in book and column in before and book[column] != before[column]
    ]
    return words + [
        _aside(
            file,
            book["line"],
            column,
            book[column],
            f"{before[column]}（验证标准事先定好，不改）",
            f"{before[column]} (what is fixed beforehand stays)",
        )
        for column in FIXED
        if column in book
        and column in before
        and book[column] != before[column]
        and not pd.isna(book[column])
    ]


def earlier(
    folder: Path,
    sessions: pd.DataFrame,
    session_id: str,
    *,
    registry: Mapping[str, reference.Metric],
) -> Reading:
    """The plans of all sessions of `sessions` that started before the one named, newest session first.

    An action due on a day is due in the first session on or after it. A line by hand that does not
    say how it is to be judged has the least effect and the number of sessions that the playbook
    takes where it says nothing.
    """
    known = _starts(sessions)
    before = known[known < known[session_id]].sort_values(ascending=False).index
    rows, aside = together(
        _reading(frame([]), []),
        *(load(folder, name, sessions, registry=registry) for name in before),
    )
    usual = {
        name: reference.Problem.model_fields[name].default for name in ("least_effect", "sessions")
    }
    rows = rows.fillna(usual)
    due = rows["due_session"].map(lambda name: _first_on(name, known)).astype("str")
    return Reading(rows.assign(due_session=due), aside)


def together(*readings: Reading) -> Reading:
    """Several readings as one, in their order."""
    return Reading(*(pd.concat(parts, ignore_index=True) for parts in zip(*readings, strict=True)))


def touched(plan: pd.DataFrame) -> pd.DataFrame:
    """The lines that somebody edited: with a note, a due session or a status other than open."""
    return plan[_is_touched(plan)].reset_index(drop=True)


def _is_touched(plan: pd.DataFrame) -> pd.Series:
    return plan["note"].ne("") | plan["due_session"].ne("") | plan["status"].ne("open")


def _first_on(due: str, starts: pd.Series) -> str:
    """The session that a due day means: the first that starts on or after it; the day itself while there is none."""
    if not DAY.fullmatch(due):
        return due
    later = [
        name for name, start in starts.sort_values().items() if start.date().isoformat() >= due
    ]
    return later[0] if later else due


# ----------------------------------------------------------------------------------------- merging


def _with_edits(row: pd.Series, old: pd.DataFrame) -> dict[str, object]:
    """A new row with the team's edits; once it is done or dropped, the row as it was: what was done is not rewritten."""
    if row["plan_id"] not in old.index:
        return row.to_dict()
    before = old.loc[row["plan_id"]]
    if before["status"] in ("done", "dropped"):
        return {**before.to_dict(), **{name: before[name] or row[name] for name in HIDDEN}}
    return {**row.to_dict(), **{name: before[name] for name in EDITED if before[name]}}


def merge(new: pd.DataFrame, old: pd.DataFrame) -> pd.DataFrame:
    """New plan rows with the team's edits of the old ones: one row per action, new rows first.

    Of a row in both, the columns `EDITED` are the old one's where it has a value. An old row that
    the run no longer makes stays where the team edited it (`touched`) or wrote it themselves.
    """
    known = old.set_index("plan_id", drop=False)
    generated = set(new["plan_id"])
    stays = old[
        ~old["plan_id"].isin(generated) & (_is_touched(old) | ~old["plan_id"].str.startswith("P-"))
    ]
    return frame(
        [*(_with_edits(row, known) for _, row in new.iterrows()), *stays.to_dict("records")]
    )


# ----------------------------------------------------------------------------------------- writing


def safe(value: object) -> str:
    """Text as a CSV cell that no spreadsheet program runs as a formula."""
    written = "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
    return f"'{written}" if _runs(written) else written


def _number(value: float) -> str:
    return (
        ""
        if not np.isfinite(value)
        else f"{value:.6g}"
        if abs(value) < 1
        else f"{value:.2f}".rstrip("0").rstrip(".")
    )


def _replace(path: Path, content: bytes) -> Path:
    """Write the whole file beside its place, then move it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except PermissionError as error:
        raise PlanFileError(
            f"{path}: cannot be replaced; is it open in a spreadsheet program?"
        ) from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def write_csv(plan: pd.DataFrame, path: Path) -> Path:
    """Write plan rows as CSV (UTF-8 with BOM, so that Excel reads it), whole or not at all; returns the path."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for _, row in plan.iterrows():
        writer.writerow(
            [_number(row[name]) if name in NUMBERS else safe(row[name]) for name in COLUMNS]
        )
    return _replace(path, out.getvalue().encode("utf-8-sig"))


def write_xlsx(
    plan: pd.DataFrame,
    path: Path,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    sheets: Mapping[str, pd.DataFrame] | None = None,
    first: str = "",
) -> Path:
    """Write the plan as Excel in one language: frozen header, drop-downs for choices, every text a text; returns the path.

    `sheets` are further tables by sheet name (for example 5W2H), written as text; the one named
    `first` is laid out to be printed on one page. A hidden sheet keeps what was handed out, so that
    `load` can tell what was edited. Same input, same bytes.
    """
    held = io.BytesIO()
    book = xlsxwriter.Workbook(
        held,
        {
            "in_memory": True,
            "strings_to_formulas": False,
            "strings_to_urls": False,
            "strings_to_numbers": False,
        },
    )
    book.set_properties(
        {
            "created": pd.Timestamp("2000-01-01").to_pydatetime(),
            "title": text.choose(lang, "行动计划", "Plan"),
        }
    )
    formats = {
        unit: book.add_format({"text_wrap": True, "valign": "top", "num_format": code})
        for unit, code in NUMBER_FORMATS.items()
    }
    head = book.add_format(
        {"bold": True, "bg_color": "#E8EEF2", "text_wrap": True, "valign": "top", "border": 1}
    )
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    plan_sheet = book.add_worksheet(text.choose(lang, "行动计划", "Plan"))
    _plan_sheet(plan_sheet, plan, lang, registry, head, wrap, formats)
    for column in CHOICES:
        place = COLUMNS.index(column)
        plan_sheet.data_validation(
            1,
            place,
            len(plan) + 200,
            place,
            {"validate": "list", "source": _labels(CHOICES[column], lang)},
        )
    for name, table in (sheets or {}).items():
        sheet = book.add_worksheet(name[:31])
        _text_sheet(sheet, table, lang, head, wrap)
        _ = _on_one_page(sheet, table) if name == first else None
    hidden = book.add_worksheet(HANDED_OUT)
    _plan_sheet(hidden, plan, lang, registry, head, wrap, formats)
    hidden.very_hidden()
    book.close()
    return _replace(path, held.getvalue())


def write(
    plan: pd.DataFrame,
    folder: Path,
    session_id: str,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    sheets: Mapping[str, pd.DataFrame],
    first: str = "",
) -> Path:
    """Write a session's plan into a folder as <session>.csv and <session>.xlsx, two faces of the same lines; returns the Excel's path."""
    write_csv(plan, folder / f"{session_id}.csv")
    return write_xlsx(
        plan,
        folder / f"{session_id}.xlsx",
        lang=lang,
        registry=registry,
        sheets=sheets,
        first=first,
    )


def take_over(
    written: Path,
    plans: Path,
    *,
    since: float,
    registry: Mapping[str, reference.Metric],
    sessions: pd.DataFrame | None = None,
) -> None:
    """Move plan files that a run wrote beside its page into the workspace's plans.

    A file there that held something that could not be taken (`load`, with the `sessions` known) is
    kept as it was, under plans/kept.

    Raises `PlanFileError` where one of them was saved there after `since` (seconds of the epoch):
    an edit made while the review ran would be lost.
    """
    found = sorted(written.iterdir()) if written.is_dir() else []
    for path in found:
        target = plans / path.name
        if target.exists() and target.stat().st_mtime > since:
            raise PlanFileError(
                f"{target}: saved while the review ran; run it again so that the edit is read"
            )
    doubtful = {
        name
        for name in {path.stem for path in found}
        if len(load(plans, name, sessions, registry=registry).aside)
    }
    for path in found:
        target = plans / path.name
        if path.stem in doubtful and target.exists():
            (plans / "kept").mkdir(exist_ok=True)
            saved = dt.datetime.fromtimestamp(target.stat().st_mtime).strftime("%Y%m%d-%H%M%S")
            _replace(plans / "kept" / f"{path.stem} {saved}{path.suffix}", target.read_bytes())
        _replace(target, path.read_bytes())
        path.unlink()
    if written.is_dir():
        written.rmdir()


def _labels(group: str, lang: str) -> list[str]:
    return [text.label(label, lang) for label in reference.terms()[group].values()]


def _number_format(column: str, metric: object, registry: Mapping[str, reference.Metric]) -> str:
    """How Excel shows a number of the plan: money, a share, a baseline in the unit of its row's metric."""
    unit = {"money_at_stake": "money", "least_effect": "share", "sessions": "count"}.get(column)
    return unit or (
        registry[metric].unit
        if metric in registry and registry[metric].unit in NUMBER_FORMATS
        else "score"
    )


def _plan_sheet(
    sheet,
    plan: pd.DataFrame,
    lang: str,
    registry: Mapping[str, reference.Metric],
    head,
    wrap,
    formats,
) -> None:
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(plan), 1), len(LABELS) - 1)
    for place, column in enumerate(COLUMNS):
        sheet.set_column(place, place, WIDTHS.get(column, 13), None, {"hidden": column in HIDDEN})
        name = text.choose(lang, *LABELS[column]) if column in LABELS else column
        sheet.write_string(0, place, name, head)
        for number, value in enumerate(plan[column], start=1):
            if column in NUMBERS:
                _ = (
                    sheet.write_number(
                        number,
                        place,
                        value,
                        formats[_number_format(column, plan["metric"].iloc[number - 1], registry)],
                    )
                    if np.isfinite(value)
                    else sheet.write_blank(number, place, None, wrap)
                )
            else:
                sheet.write_string(number, place, _shown(column, value, lang, registry), wrap)


def _on_one_page(sheet, table: pd.DataFrame) -> None:
    """What a sheet needs to come out of the printer as one page: landscape A4, narrow margins, fitted."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.3, right=0.3, top=0.4, bottom=0.4)
    sheet.print_area(0, 0, max(len(table), 1), max(len(table.columns) - 1, 0))
    sheet.fit_to_pages(1, 1)


def _shown(column: str, value: str, lang: str, registry: Mapping[str, reference.Metric]) -> str:
    terms = registry if column == "metric" else reference.terms().get(CHOICES.get(column, ""), {})
    return text.label(terms[value], lang) if value in terms else value


def _text_sheet(sheet, table: pd.DataFrame, lang: str, head, wrap) -> None:
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, SHEET_WIDTHS.get(column, 70))
        sheet.write_string(
            0, place, text.choose(lang, *SHEET_WORDS.get(column, (str(column), str(column)))), head
        )
        for number, value in enumerate(table[column], start=1):
            sheet.write_string(number, place, "" if pd.isna(value) else str(value), wrap)
