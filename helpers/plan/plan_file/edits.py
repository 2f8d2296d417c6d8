"""What the team did to a plan, and how a new run keeps it.

People edit the Excel; the CSV beside it is a copy, read only where there is no Excel. A row that
the team touched is never overwritten.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from helpers import reference
from helpers.plan.plan_file.columns import (
    DAY,
    EDITED,
    FIXED,
    HIDDEN,
    WRITTEN,
    frame,
)
from helpers.plan.plan_file.copies import is_as_written
from helpers.plan.plan_file.read import (
    Reading,
    Sheet,
    aside,
    csv_sheet,
    reading,
    starts_of,
    workbook,
)

Lines = list[dict[str, object]]
EDITED_COPY = (
    "在 Excel 里改：这份 CSV 是副本，只供阅读（改过的没有采用，原样另存在 kept）",
    "edits in the Excel: this CSV is a copy to read (not taken; it is in kept as it was)",
)


def load(
    folder: Path,
    session_id: str,
    sessions: pd.DataFrame | None = None,
    *,
    registry: Mapping[str, reference.Metric],
) -> Reading:
    """The plan of a session as the team left it in its Excel; in its CSV where there is no Excel.

    An edit is a cell that differs from what the workbook held when it was handed out. A copy that
    somebody edited is named aside and not taken. Raises `PlanFileError` for a file that is no plan.
    """
    return reading(*_loaded(folder, session_id, starts_of(sessions), registry))


def _loaded(
    folder: Path, session_id: str, starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> tuple[Lines, Lines]:
    """The lines of a plan, and what of it is kept aside."""
    book, copy = (folder / f"{session_id}{kind}" for kind in (".xlsx", ".csv"))
    if not book.exists():
        return _read(copy, starts, registry)
    rows, notes = _read(book, starts, registry)
    if copy.exists() and not is_as_written(copy):
        notes = [*notes, aside(copy.name, 1, "", copy.name, *EDITED_COPY)]
    return rows, notes


def read(
    path: Path, sessions: pd.DataFrame | None = None, *, registry: Mapping[str, reference.Metric]
) -> Reading:
    """A plan file, .csv or .xlsx, as it is read; nothing where there is no such file.

    Headers and choices may be ids or labels in either language; a CSV may be UTF-8 or GB18030, with
    a comma, semicolon or tab. Rows by hand without a plan_id get one. Due sessions are checked
    against `sessions` where given. What cannot be used is kept aside; raises `PlanFileError` only
    where it is no plan at all.
    """
    return reading(*_read(path, starts_of(sessions), registry))


def _read(
    path: Path, starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> tuple[Lines, Lines]:
    if not path.exists():
        return [], []
    if path.suffix.lower() == ".xlsx":
        return _edited(path.name, *workbook(path, starts, registry))
    sheet = csv_sheet(path, starts, registry)
    return list(sheet.rows.values()), sheet.aside


def _edited(file: str, now: Sheet, handed_out: Sheet) -> tuple[Lines, Lines]:
    notes, rows = list(now.aside), []
    for id, line in {**now.rows, **handed_out.rows}.items():
        if id not in now.rows:
            zh = "这一行不要删：放弃请把状态改为已放弃（已保留）"
            en = "the line: to give it up, set its status to dropped (it is kept)"
            notes.append(aside(file, line["line"], "plan_id", id, zh, en))
        elif id in handed_out.rows:
            notes += _rewritten(file, now.rows[id], line)
            line = line | _taken(now, id)
        rows.append(line)
    return rows, notes


def _taken(now: Sheet, id: str) -> dict[str, object]:
    line = now.rows[id]
    return {name: line[name] for name in EDITED if name in line and (id, name) not in now.broken}


def _rewritten(file: str, line: Mapping[str, object], before: Mapping[str, object]) -> Lines:
    notes = []
    for column in (*WRITTEN, *FIXED):
        if column not in line or column not in before or line[column] == before[column]:
            continue
        zh, en = (
            "这一格由复盘写出；要改写请写进备注",
            "what the review wrote: put your own words into the note",
        )
        if column in FIXED:
            if pd.isna(line[column]):
                continue
            zh = f"{before[column]}（验证标准事先定好，不改）"
            en = f"{before[column]} (what is fixed beforehand stays)"
        notes.append(aside(file, line["line"], column, line[column], zh, en))
    return notes


def before(sessions: pd.DataFrame, session_id: str) -> list[str]:
    """The sessions of `sessions` that started before the one named, newest first."""
    starts = starts_of(sessions)
    return list(starts[starts < starts[session_id]].sort_values(ascending=False).index)


def earlier(
    folder: Path,
    sessions: pd.DataFrame,
    session_id: str,
    *,
    registry: Mapping[str, reference.Metric],
) -> Reading:
    """The plans of all sessions that started before the one named, newest session first.

    An action due on a day is due in the first session on or after it. A line by hand that does not
    say how it is to be judged has the playbook's usual least effect and number of sessions.
    """
    starts = starts_of(sessions)
    lines: Lines = []
    notes: Lines = []
    for name in before(sessions, session_id):
        of_plan, kept = _loaded(folder, name, starts, registry)
        lines, notes = lines + of_plan, notes + kept
    rows, kept_aside = reading(lines, notes)
    fields = reference.Problem.model_fields
    usual = {name: fields[name].default for name in ("least_effect", "sessions")}
    due = rows["due_session"].map(lambda name: _first_on(name, starts)).astype("str")
    return Reading(rows.fillna(usual).assign(due_session=due), kept_aside)


def together(*readings: Reading) -> Reading:
    """Several readings as one, in their order."""
    return Reading(*(pd.concat(parts, ignore_index=True) for parts in zip(*readings, strict=True)))


def touched(plan: pd.DataFrame) -> pd.DataFrame:
    """The lines that somebody edited: with a note, a due session or a status other than open."""
    return plan[_is_touched(plan)].reset_index(drop=True)


def _is_touched(plan: pd.DataFrame) -> pd.Series:
    return plan["note"].ne("") | plan["due_session"].ne("") | plan["status"].ne("open")


def _first_on(due: str, starts: pd.Series) -> str:
    """A due day stays as it is while there is no session from then on."""
    if not DAY.fullmatch(due):
        return due
    days = {name: start.date().isoformat() for name, start in starts.sort_values().items()}
    return next((name for name, day in days.items() if day >= due), due)


def _with_edits(row: pd.Series, old: pd.DataFrame) -> dict[str, object]:
    """Once done or dropped, a row stays as it was."""
    if row["plan_id"] not in old.index:
        return row.to_dict()
    line = old.loc[row["plan_id"]]
    if line["status"] in ("done", "dropped"):
        return {**line.to_dict(), **{name: line[name] or row[name] for name in HIDDEN}}
    return {**row.to_dict(), **{name: line[name] for name in EDITED if line[name]}}


def merge(new: pd.DataFrame, old: pd.DataFrame) -> pd.DataFrame:
    """New plan rows with the team's edits of the old ones: one row per action, new rows first.

    Of a row in both, the columns `EDITED` are the old one's where it has a value. An old row that
    the run no longer makes stays where it is `touched` or by hand.
    """
    old_by_id = old.set_index("plan_id", drop=False)
    by_hand = ~old["plan_id"].str.startswith("P-")
    stays = old[~old["plan_id"].isin(new["plan_id"]) & (_is_touched(old) | by_hand)]
    edited = [_with_edits(row, old_by_id) for _, row in new.iterrows()]
    return frame([*edited, *stays.to_dict("records")])
