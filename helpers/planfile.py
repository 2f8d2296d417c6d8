"""The plan as a file that people edit: a CSV in the workspace and an Excel copy beside the report.

A row that the team has touched is never overwritten: who does it, by when, how it went and what they noted survive
every new run. Reading says which file, row and column is wrong, and what was expected.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xlsxwriter

from helpers import reference, text

NUMBERS = ("baseline", "least_effect", "sessions", "money_at_stake")
EDITED = ("owner_role", "status", "note", "due_session", "effort")
LABELS: dict[str, tuple[str, str]] = {
    "plan_id": ("编号", "Plan ID"), "session_id": ("场次编号", "Session ID"), "dimension": ("维度", "Dimension"),
    "stage": ("直播环节", "Stage"),
    "problem": ("问题", "Problem"), "evidence": ("证据", "Evidence"), "cause": ("可能原因", "Likely cause"),
    "action": ("优化动作", "Action"), "owner_role": ("负责岗位", "Owner role"), "due_session": ("执行场次", "Due session"),
    "metric": ("验证指标", "Verifying metric"), "slice": ("范围", "Slice"), "baseline": ("基线", "Baseline"),
    "least_effect": ("最小有效幅度", "Least useful effect"), "sessions": ("验证场次数", "Sessions to verify"),
    "money_at_stake": ("涉及金额", "Money at stake"), "effort": ("工作量", "Effort"), "status": ("状态", "Status"),
    "note": ("备注", "Note"),
}
COLUMNS = list(LABELS)
CHOICES = {"owner_role": "role", "status": "plan_status", "effort": "effort", "dimension": "dimension"}
REQUIRED = ("session_id", "problem", "action", "owner_role", "metric", "status")
WIDTHS = {"problem": 26, "evidence": 44, "cause": 30, "action": 48, "note": 30, "session_id": 26, "due_session": 24, "metric": 20}
NUMBER_FORMATS = {"money": "#,##0", "share": "0%", "percent": "0.00%", "seconds": "0", "count": "0", "users": "#,##0", "times": "#,##0", "score": "#,##0.00"}
SHEET_WORDS = {"aspect": ("方面", "Aspect"), "content": ("内容", "Content"), "origin": ("出处", "Origin")}
# A cell that begins so is a formula to Excel; a leading apostrophe makes it text again and is taken off when read.
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


# ------------------------------------------------------------------------------------------------------------- reading


def _decoded(path: Path) -> str:
    """The file's text: UTF-8 as we write it, else as an Excel saves it: Unicode text, or CSV on a Chinese machine."""
    content = path.read_bytes()
    for encoding in ("utf-16",) if content.startswith((b"\xff\xfe", b"\xfe\xff")) else ("utf-8-sig", "gb18030"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise PlanFileError(f"{path.name}: neither UTF-8 nor GB18030; save the plan as CSV (UTF-8)")


def _header(path: Path, found: list[str]) -> list[str]:
    """Column names of a header in either language or as ids."""
    known = {name.casefold(): column for column, labels in LABELS.items() for name in (column, *labels)}
    names = [known.get(cell.strip().casefold(), "") for cell in found]
    lacking = [column for column in COLUMNS if column not in names and column in REQUIRED]
    if lacking:
        raise PlanFileError(f"{path.name}: row 1: column {', '.join(lacking)} is missing; found {', '.join(filter(None, found))}")
    return names


def _choice(value: str, group: str) -> str | None:
    """The code of a choice written as code or label in either language; None where it is none of them."""
    for code, label in reference.terms()[group].items():
        if value.casefold() in (code, label.zh.casefold(), label.en.casefold()):
            return code
    return None


def _cell(path: Path, number: int, column: str, written: str) -> object:
    """One checked cell of a plan file."""
    value = written.strip()
    value = value[1:] if value[:1] == "'" and _runs(value) else value
    where = f"{path.name}: row {number}, {column}"
    if column in REQUIRED and not value:
        raise PlanFileError(f"{where}: empty, a value is needed")
    if column in NUMBERS:
        try:
            return float(value.replace(",", "")) if value else np.nan
        except ValueError:
            raise PlanFileError(f"{where}: found {value!r}, expected a number") from None
    if column in CHOICES and value:
        code = _choice(value, CHOICES[column])
        if code is None:
            raise PlanFileError(f"{where}: found {value!r}, expected one of {', '.join(reference.terms()[CHOICES[column]])}")
        return code
    return value


def read(path: Path) -> pd.DataFrame:
    """A plan file as a frame (see `frame`); an empty frame where there is no such file.

    Headers and choices may be ids or labels in either language, the encoding UTF-8 or GB18030, the separator a comma,
    semicolon or tab: what spreadsheet programs make of a CSV. Rows added by hand without a plan_id get one.
    Raises `PlanFileError` naming file, row and column.
    """
    if not path.exists():
        return frame([])
    content = _decoded(path)
    first = content.partition("\n")[0]
    try:
        table = list(csv.reader(io.StringIO(content), delimiter=max(",;\t", key=first.count)))
    except csv.Error as error:
        raise PlanFileError(f"{path.name}: no table of values ({error}); a quotation mark may have no partner") from error
    if not table:
        raise PlanFileError(f"{path.name}: empty, expected a header and one row per action")
    names = _header(path, table[0])
    rows = []
    for number, cells in enumerate(table[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names):]):
            raise PlanFileError(f"{path.name}: row {number}: {len(cells)} cells, the header has {len(names)}")
        row = {name: _cell(path, number, name, cell) for name, cell in zip(names, cells, strict=False) if name}
        about = (str(row.get(name, "")) for name in ("session_id", "problem", "action"))
        row["plan_id"] = row.get("plan_id") or plan_id(*about, prefix="H")
        rows.append(row)
    made = frame(rows)
    twice = made["plan_id"].duplicated()
    if twice.any():
        raise PlanFileError(f"{path.name}: plan_id {made.loc[twice, 'plan_id'].iloc[0]} occurs more than once")
    return made


def read_earlier(folder: Path, sessions: pd.DataFrame, session_id: str) -> pd.DataFrame:
    """The plan rows of all sessions of `sessions` that started before the one named, newest session first."""
    known = sessions.set_index("session_id")["started_at"]
    earlier = known[known < known[session_id]].sort_values(ascending=False).index
    parts = [read(folder / f"{name}.csv") for name in earlier if (folder / f"{name}.csv").exists()]
    return pd.concat([frame([]), *parts], ignore_index=True)


# ------------------------------------------------------------------------------------------------------------- merging


def _stays(row: pd.Series) -> bool:
    """Whether an old row is the team's own or has been touched, and so stays though no run makes it any more."""
    return not row["plan_id"].startswith("P-") or row["status"] != "open" or bool(row["note"])


def _with_edits(row: pd.Series, old: pd.DataFrame) -> dict[str, object]:
    """A new row with the team's edits; once it is done or dropped, the row as it was: what was done is not rewritten."""
    if row["plan_id"] not in old.index:
        return row.to_dict()
    before = old.loc[row["plan_id"]]
    if before["status"] in ("done", "dropped"):
        return before.to_dict()
    return {**row.to_dict(), **{name: before[name] for name in EDITED if before[name]}}


def merge(new: pd.DataFrame, old: pd.DataFrame) -> pd.DataFrame:
    """New plan rows with the team's edits of the old ones: one row per action, new rows first.

    Of a row in both, the columns `EDITED` are the old one's where it has a value. An old row that the run no longer
    makes stays where the team gave it a status or a note, or wrote it themselves.
    """
    known = old.set_index("plan_id", drop=False)
    generated = set(new["plan_id"])
    stays = [row.to_dict() for _, row in old.iterrows() if row["plan_id"] not in generated and _stays(row)]
    return frame([*(_with_edits(row, known) for _, row in new.iterrows()), *stays])


# ------------------------------------------------------------------------------------------------------------- writing


def safe(value: object) -> str:
    """Text as a CSV cell that no spreadsheet program runs as a formula."""
    written = "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
    return f"'{written}" if _runs(written) else written


def _number(value: float) -> str:
    return "" if not np.isfinite(value) else f"{value:.6g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def _replace(path: Path, content: bytes) -> Path:
    """Write the whole file beside its place, then move it there in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(content)
        unfinished.replace(path)
    except PermissionError as error:
        raise PlanFileError(f"{path}: cannot be replaced; is it open in a spreadsheet program?") from error
    finally:
        unfinished.unlink(missing_ok=True)
    return path


def write_csv(plan: pd.DataFrame, path: Path) -> Path:
    """Write plan rows as CSV (UTF-8 with BOM, so that Excel reads it), whole or not at all; returns the path."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for _, row in plan.iterrows():
        writer.writerow([_number(row[name]) if name in NUMBERS else safe(row[name]) for name in COLUMNS])
    return _replace(path, out.getvalue().encode("utf-8-sig"))


def write_xlsx(plan: pd.DataFrame, path: Path, *, lang: str, sheets: Mapping[str, pd.DataFrame] | None = None) -> Path:
    """Write the plan as Excel in one language: frozen header, drop-downs for choices, every text a text; returns the path.

    `sheets` are further tables by sheet name (for example 5W2H), written as text. Same input, same bytes.
    """
    held = io.BytesIO()
    book = xlsxwriter.Workbook(held, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False})
    book.set_properties({"created": pd.Timestamp("2000-01-01").to_pydatetime(), "title": text.choose(lang, "行动计划", "Plan")})
    formats = {unit: book.add_format({"text_wrap": True, "valign": "top", "num_format": code}) for unit, code in NUMBER_FORMATS.items()}
    head = book.add_format({"bold": True, "bg_color": "#E8EEF2", "text_wrap": True, "valign": "top", "border": 1})
    wrap = book.add_format({"text_wrap": True, "valign": "top"})
    _plan_sheet(book.add_worksheet(text.choose(lang, "行动计划", "Plan")), plan, lang, head, wrap, formats)
    for name, table in (sheets or {}).items():
        _text_sheet(book.add_worksheet(name[:31]), table, lang, head, wrap)
    book.close()
    return _replace(path, held.getvalue())


def _labels(group: str, lang: str) -> list[str]:
    return [text.label(label, lang) for label in reference.terms()[group].values()]


def _number_format(column: str, metric: object) -> str:
    """How Excel shows a number of the plan: money, a share, a baseline in the unit of its row's metric."""
    units = reference.metrics()
    unit = {"money_at_stake": "money", "least_effect": "share", "sessions": "count"}.get(column)
    return unit or (units[metric].unit if metric in units and units[metric].unit in NUMBER_FORMATS else "score")


def _plan_sheet(sheet, plan: pd.DataFrame, lang: str, head, wrap, formats) -> None:
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(plan), 1), len(COLUMNS) - 1)
    for place, column in enumerate(COLUMNS):
        sheet.set_column(place, place, WIDTHS.get(column, 13))
        sheet.write_string(0, place, text.choose(lang, *LABELS[column]), head)
        for number, value in enumerate(plan[column], start=1):
            if column in NUMBERS:
                _ = sheet.write_number(number, place, value, formats[_number_format(column, plan["metric"].iloc[number - 1])]) if np.isfinite(value) else sheet.write_blank(number, place, None, wrap)
            else:
                sheet.write_string(number, place, _shown(column, value, lang), wrap)
        if column in CHOICES:
            sheet.data_validation(1, place, len(plan) + 200, place, {"validate": "list", "source": _labels(CHOICES[column], lang)})


def _shown(column: str, value: str, lang: str) -> str:
    terms = reference.metrics() if column == "metric" else reference.terms().get(CHOICES.get(column, ""), {})
    return text.label(terms[value], lang) if value in terms else value


def _text_sheet(sheet, table: pd.DataFrame, lang: str, head, wrap) -> None:
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, {"aspect": 16, "origin": 20}.get(column, 70))
        sheet.write_string(0, place, text.choose(lang, *SHEET_WORDS.get(column, (str(column), str(column)))), head)
        for number, value in enumerate(table[column], start=1):
            sheet.write_string(number, place, "" if pd.isna(value) else str(value), wrap)
