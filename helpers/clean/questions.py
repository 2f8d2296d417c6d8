"""What was not understood in a file: the rows concerned, an example, what to answer, and where."""

from collections.abc import Callable, Mapping

import pandas as pd

from helpers import reference
from helpers.clean import columns, parse
from helpers.clean.assemble import Context, Part
from helpers.clean.keys import KeptRows
from helpers.clean.notes import note
from helpers.clean.times import times
from helpers.core import text
from helpers.reference import schema

SETTLED = {"duplicate", "statistic"}  # reasons that nobody needs to answer
_SAME = ["file", "sheet", "table", "column", "reason", "effect"]


def table(asked: list[pd.DataFrame], context: Context) -> pd.DataFrame:
    """The questions of the parts of a file as their table (`tables.yml`: questions)."""
    every = pd.concat(asked, ignore_index=True) if asked else pd.DataFrame()
    return schema.conform(every, "questions", context.timezone)


def of_part(done: KeptRows, context: Context) -> pd.DataFrame:
    """The questions of one table of a sheet: of rows aside, cells left out, columns that lack."""
    part = done.part
    export, table = part.export, reference.tables()[part.export.table]
    # our template is filled with what a team has; what it lacks other exports hold
    whole = export.layout == "rows" and export.grade != "own" and done.rows_kept > 0
    lacking = [
        {"column": part.header_of(name), "reason": "no_column", "effect": "lacking"}
        for name in table.needs
        if whole and name in export.columns and name not in part.frame
    ]
    above = _above(part)
    if not lacking and above.empty and part.bad.empty and done.aside.empty and part.left_out.empty:
        return pd.DataFrame()
    left_out = part.left_out[~part.left_out.index.isin(done.aside.index)]
    others = done.aside[~done.aside.index.isin(part.bad.index)]
    cells = [
        frame.rename_axis("row").reset_index().assign(effect=effect)
        for frame, effect in ((part.bad, "aside"), (others, "aside"), (left_out, "left_out"))
    ]
    every = pd.concat([*cells, pd.DataFrame(lacking), above], ignore_index=True)
    rows = every.assign(file=context.file, sheet=part.sheet, table=export.table)
    return of_rows(rows, whole=done.rows_kept)


def _above(part: Part) -> pd.DataFrame:
    """Rows above the headers that look like rows of the table, and were left unread."""
    count, first = part.above
    rows = pd.DataFrame({"row": range(first, first + count)})
    column = next(iter(part.raw), "")
    return rows.assign(column=column, value="", reason="above_headers", effect="unread")


def of_rows(rows: pd.DataFrame, *, whole: int = 0) -> pd.DataFrame:
    """Rows kept aside, by what is asked of them; a column that lacks concerns `whole` rows."""
    asked = rows if rows.empty else rows[~rows["reason"].isin(SETTLED)]
    if asked.empty:
        return pd.DataFrame(columns=[*_SAME, "rows", "row", "value"])
    if "effect" not in asked:
        asked = asked.assign(effect="aside")
    asked = asked.drop_duplicates([*_SAME, "row"])  # two columns of ours may read one of theirs
    groups = asked.groupby(_SAME, sort=False, dropna=False)
    counted = groups.agg(rows=("row", "size"), row=("row", "first"), value=("value", "first"))
    counted = counted.reset_index()
    return counted.assign(rows=counted["rows"].mask(counted["effect"] == "lacking", whole))


def _readings(reason: str, value: str, file: str) -> dict[str, str | None]:
    """The lines of `workspace.yml` that settle a reason, and how a cell reads with each.

    None where it does not, as 31.12.2026 with the month first.
    """
    if reason in ("other_room", "other_account"):
        quoted = text.plain(file, 200).replace("'", "''")
        return {f"rooms: {{'{quoted}': NAME}}": None}
    cell = pd.Series([value], dtype="str")

    def first(values: pd.Series, form: Callable[[object], str]) -> str | None:
        return form(values.iloc[0]) if pd.notna(values.iloc[0]) else None

    if reason == "ambiguous_date":
        orders = {order: times(cell, timezone="UTC", order=order) for order in ("day", "month")}
        return {
            f"dates: {order}": first(parsed.values, "{:%Y-%m-%d}".format)
            for order, parsed in orders.items()
        }
    if reason == "ambiguous_number":
        marks = {".": columns.without_dots(cell), ",": cell}
        return {
            f'thousands: "{mark}"': first(parse.numbers(cells, kind="score").values, "{:g}".format)
            for mark, cells in marks.items()
        }
    if reason == "short_duration":
        units = ("minutes", "hours") if ":" in value else ("seconds", "minutes", "hours", "days")
        return {
            f"durations: {unit}": first(parse.seconds(cell, answer=unit).values, _lasting)
            for unit in units
        }
    return {}


def _lasting(seconds: float) -> str:
    return str(pd.Timedelta(seconds=round(seconds)))


def as_note(question: Mapping[str, object]) -> str:
    """A question as a note of the ledger."""
    return note("question", **{name: _plain(value) for name, value in question.items()})


def _plain(value: object) -> object:
    return None if pd.isna(value) else value if isinstance(value, str) else int(value)


def sentence(question: Mapping[str, object], lang: str) -> str:
    """A question in words: column, rows, an example, why, and what to do.

    `question` is a row of the table.
    """
    terms = reference.terms()
    column = text.plain(question["column"]) or "?"
    why = text.label(terms["reason"][question["reason"]], lang)
    count = f"{int(question['rows']):,}"
    first = "" if pd.isna(question["row"]) else f"{int(question['row'])}"
    value = text.plain(question["value"], 120) if isinstance(question["value"], str) else ""
    answers = text.choose(lang, "，或 ", ", or ").join(
        line
        if reading is None
        else text.choose(lang, f"{line}（{value} 即 {reading}）", f"{line} ({value} is {reading})")
        for line, reading in _readings(question["reason"], value, question["file"]).items()
    )
    answers = f"{text.choose(lang, '：', ': ')}{answers}" if answers else ""
    remedy = terms["remedy"].get(question["reason"], terms["remedy"]["other"])
    remedy = text.label(remedy, lang)
    if question["effect"] == "lacking":
        return text.choose(
            lang,
            f"列「{column}」：{why}，影响 {count} 行。{remedy}。",
            f"Column {column}: {why}, {count} rows lack it. {remedy}.",
        )
    effect = text.label(terms["effect"][question["effect"]], lang)
    example = text.choose(lang, f"（{value}）", f" ({value})") if value else ""
    where = text.choose(lang, f"，最先在第 {first} 行", f", first in row {first}") if first else ""
    return text.choose(
        lang,
        f"列「{column}」：{count} {effect}{where}{example}：{why}。{remedy}{answers}。",
        f"Column {column}: {count} {effect}{where}{example}: {why}. {remedy}{answers}.",
    )


def worded(asked: pd.DataFrame) -> pd.DataFrame:
    """Questions in words: file, sheet, question_zh and question_en, one row a question."""
    columns = {
        f"question_{lang}": [sentence(row, lang) for row in asked.to_dict("records")]
        for lang in ("zh", "en")
    }
    return asked[["file", "sheet"]].assign(**columns)
