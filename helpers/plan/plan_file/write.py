"""The plan as the Excel that the team edits, and how the files of a run take their place."""

import datetime as dt
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xlsxwriter
from xlsxwriter.format import Format
from xlsxwriter.worksheet import Worksheet

from helpers import reference
from helpers.core import text
from helpers.plan.plan_file.columns import (
    CHOICES,
    COLUMNS,
    HANDED_OUT,
    HIDDEN,
    LABELS,
    NEXT,
    NUMBERS,
    PlanFileError,
    label,
)
from helpers.plan.plan_file.copies import csv_of, replace, write_csv
from helpers.plan.plan_file.edits import before, load

WIDTHS = {
    "problem": 26,
    "evidence": 44,
    "cause": 30,
    "action": 48,
    "note": 30,
    "session_id": 26,
    "due_session": 24,
    "expected_worth": 36,
    "guardrail": 20,
    "known_by": 26,
    "stop_rule": 44,
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


BOOK_OPTIONS = {
    "in_memory": True,
    "strings_to_formulas": False,
    "strings_to_urls": False,
    "strings_to_numbers": False,
}
SPARE_ROWS = 200  # below the plan, with drop-downs for lines added by hand


# -------------------------------------------------------------------------------------------- files


def write(
    plan: pd.DataFrame,
    folder: Path,
    session_id: str,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    sheets: Mapping[str, pd.DataFrame],
    first: str = "",
    sessions: pd.DataFrame | None = None,
) -> Path:
    """Write a session's plan: an Excel to be edited, a CSV to be read; returns the Excel's path.

    Files there of which something could not be taken stay under `kept` as they were.
    """
    _keep(folder, session_id, sessions, registry)
    write_csv(plan, folder / f"{session_id}.csv")
    return write_xlsx(
        plan,
        folder / f"{session_id}.xlsx",
        lang=lang,
        registry=registry,
        sheets=sheets,
        first=first,
    )


def refresh(
    plans: Path,
    out: Path,
    sessions: pd.DataFrame,
    session_id: str,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
) -> None:
    """Write the copies of earlier plans that no longer say what their Excel says into `out`.

    A plan without its Excel gets one, from its CSV.
    """
    for name in before(sessions, session_id):
        book, copy = (plans / f"{name}{kind}" for kind in (".xlsx", ".csv"))
        if not book.exists() and not copy.exists():
            continue
        plan = load(plans, name, sessions, registry=registry).rows
        if not book.exists():
            write(plan, out, name, lang=lang, registry=registry, sheets={}, sessions=sessions)
        elif not copy.exists() or copy.read_bytes() != csv_of(plan):
            _keep(out, name, sessions, registry)
            write_csv(plan, out / copy.name)


def _keep(
    plans: Path,
    session_id: str,
    sessions: pd.DataFrame | None,
    registry: Mapping[str, reference.Metric],
) -> None:
    """Keep the files of a plan under plans/kept where they hold something that was not taken."""
    if load(plans, session_id, sessions, registry=registry).aside.empty:
        return
    (plans / "kept").mkdir(exist_ok=True)
    for path in (plans / f"{session_id}{kind}" for kind in (".xlsx", ".csv")):
        if path.exists():
            saved = dt.datetime.fromtimestamp(path.stat().st_mtime).strftime("%Y%m%d-%H%M%S")
            replace(plans / "kept" / f"{path.stem} {saved}{path.suffix}", path.read_bytes())


def take_over(
    written: Path,
    plans: Path,
    *,
    since: float,
    registry: Mapping[str, reference.Metric],
    sessions: pd.DataFrame | None = None,
) -> None:
    """Move plan files that a run wrote beside its page into the workspace's plans.

    Files there of which something could not be taken (`load`, with `sessions`) stay under
    plans/kept. Raises `PlanFileError` where one was saved there after `since` (seconds of the
    epoch): an edit made while the review ran would be lost.
    """
    paths = sorted(written.iterdir()) if written.is_dir() else []
    for path in paths:
        target = plans / path.name
        if target.exists() and target.stat().st_mtime > since:
            raise PlanFileError(
                f"{target}: saved while the review ran; run it again so that the edit is read"
            )
    for session_id in {path.stem for path in paths}:
        _keep(plans, session_id, sessions, registry)
    for path in paths:
        replace(plans / path.name, path.read_bytes())
        path.unlink()
    if written.is_dir():
        written.rmdir()


# -------------------------------------------------------------------------------------------- Excel


def write_xlsx(
    plan: pd.DataFrame,
    path: Path,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    sheets: Mapping[str, pd.DataFrame] | None = None,
    first: str = "",
) -> Path:
    """Write the plan as Excel in one language, with drop-downs for choices; returns the path.

    `sheets` are further tables by sheet name, written as text; the one named `first` is laid out to
    be printed on one page. A hidden sheet keeps what was handed out, so that `load` can tell what
    was edited. Same input, same bytes.
    """
    held, title = io.BytesIO(), text.choose(lang, "行动计划", "Plan")
    book = xlsxwriter.Workbook(held, BOOK_OPTIONS)
    book.set_properties({"created": pd.Timestamp("2000-01-01").to_pydatetime(), "title": title})
    wrapped = {"text_wrap": True, "valign": "top"}
    formats = {
        unit: book.add_format({**wrapped, "num_format": code})
        for unit, code in NUMBER_FORMATS.items()
    }
    formats["head"] = book.add_format({"bold": True, "bg_color": "#E8EEF2", **wrapped, "border": 1})
    formats["words"] = book.add_format(wrapped)
    plan_sheet = book.add_worksheet(title)
    _plan_sheet(plan_sheet, plan, lang, registry, formats)
    for column, group in CHOICES.items():
        place, labels = COLUMNS.index(column), reference.terms()[group].values()
        choices = {"validate": "list", "source": [text.label(one, lang) for one in labels]}
        plan_sheet.data_validation(1, place, len(plan) + SPARE_ROWS, place, choices)
    for name, table in (sheets or {}).items():
        sheet = book.add_worksheet(name[:31])
        _text_sheet(sheet, table, lang, formats)
        if name == first:
            _on_one_page(sheet, table)
    hidden = book.add_worksheet(HANDED_OUT)
    _plan_sheet(hidden, plan, lang, registry, formats)
    hidden.very_hidden()
    book.close()
    return replace(path, held.getvalue())


def _number_format(column: str, metric: object, registry: Mapping[str, reference.Metric]) -> str:
    unit = {"money_at_stake": "money", "least_effect": "share", "sessions": "count"}.get(column)
    if unit is None and metric in registry:
        unit = registry[metric].unit
    return unit if unit in NUMBER_FORMATS else "score"


def _plan_sheet(
    sheet: Worksheet,
    plan: pd.DataFrame,
    lang: str,
    registry: Mapping[str, reference.Metric],
    formats: Mapping[str, Format],
) -> None:
    sheet.freeze_panes(1, 1)
    sheet.autofilter(0, 0, max(len(plan), 1), len(LABELS) - 1)
    for place, column in enumerate(COLUMNS):
        sheet.set_column(place, place, WIDTHS.get(column, 13), None, {"hidden": column in HIDDEN})
        sheet.write_string(0, place, label(column, lang), formats["head"])
        for number, (value, metric) in enumerate(zip(plan[column], plan["metric"], strict=True), 1):
            if column not in NUMBERS:
                words = _shown(column, value, lang, registry)
                sheet.write_string(number, place, words, formats["words"])
            elif np.isfinite(value):
                style = formats[_number_format(column, metric, registry)]
                sheet.write_number(number, place, value, style)
            else:
                sheet.write_blank(number, place, None, formats["words"])


def _on_one_page(sheet: Worksheet, table: pd.DataFrame) -> None:
    """Landscape A4, fitted to one page."""
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.3, right=0.3, top=0.4, bottom=0.4)
    sheet.print_area(0, 0, max(len(table), 1), max(len(table.columns) - 1, 0))
    sheet.fit_to_pages(1, 1)


def _shown(column: str, value: str, lang: str, registry: Mapping[str, reference.Metric]) -> str:
    if column == "due_session" and not value:
        return text.choose(lang, *NEXT)
    terms = registry if column == "metric" else reference.terms().get(CHOICES.get(column, ""), {})
    return text.label(terms[value], lang) if value in terms else value


def _text_sheet(
    sheet: Worksheet, table: pd.DataFrame, lang: str, formats: Mapping[str, Format]
) -> None:
    sheet.freeze_panes(1, 1)
    for place, column in enumerate(table.columns):
        sheet.set_column(place, place, SHEET_WIDTHS.get(column, 70))
        names = SHEET_WORDS.get(column, (str(column), str(column)))
        sheet.write_string(0, place, text.choose(lang, *names), formats["head"])
        for number, value in enumerate(table[column], start=1):
            words = "" if pd.isna(value) else str(value)
            sheet.write_string(number, place, words, formats["words"])
