"""A recognised block of cells becomes rows of its canonical table, rows kept aside, and counts."""

import concurrent.futures
import datetime as dt
import functools
import json
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import file_name, joined_lines, mend, parse, recognise
from helpers.clean.cells import Parsed, filled, is_instance, no_cell, too_long
from helpers.clean.columns import (
    LONGEST,
    WHOLE,
    Dots,
    came_swapped,
    currency,
    day_order,
    dots_of,
    impossible,
    not_whole,
    with_dots,
    without_dots,
    without_sign,
    year_last_date,
)
from helpers.clean.joined_lines import Lines
from helpers.clean.recognise import Block, Header, normal
from helpers.clean.rows import BlockCells, first_of_each_row, not_records, without
from helpers.clean.times import DayOrder, ends_of, times
from helpers.reference import Column, Export, SourceColumn, System, schema

HELPERS = {
    "session_started_at": Column(kind="datetime", zh="开播时间", en="Session start"),
    "as_of": Column(kind="datetime", zh="数据截至", en="As of"),
    "room": Column(kind="id", zh="直播间账号", en="Room account"),
    "platform": Column(kind="choice", terms="platform", zh="平台", en="Platform"),
}
HASHED = {"buyer_key", "user_key"}
_LONG = 10_000  # rows


class Context(NamedTuple):
    """What the parsers must know beside the cells.

    `named` is the file whose name speaks: inside a zip, the member.
    """

    file: str
    named: str
    timezone: str
    key: bytes
    currency: str
    dates: DayOrder | None = None
    room: str | None = None  # of files that name none (workspace.yml: rooms)
    era_1904: bool = False
    swapped: bool = False  # date cells of a table whose day and month have changed places


class Part(NamedTuple):
    """One block parsed: canonical columns by row number, the platform's own rates, counts, notes.

    Rows of `frame` may lack their session: the rest of the file may name it. `aside` has column,
    value and reason by row number; lines that share a row are labelled with `step`
    (`joined_lines`).
    """

    system: System
    export: Export
    sheet: str
    book: str
    frame: pd.DataFrame
    reported: pd.DataFrame
    aside: pd.DataFrame
    raw: pd.DataFrame
    rows_in: int
    rows_totals: int
    unmapped: list[str]
    notes: tuple[str, ...]
    as_of: pd.Timestamp
    step: int


class _BadCells(NamedTuple):
    column: str
    cells: pd.Series
    bad: pd.Series
    reason: str


def columns_of(export: Export) -> dict[str, Column]:
    """The canonical columns that an export may fill: its table's, and `HELPERS`."""
    return {**HELPERS, **reference.tables()[export.table].columns}


def part(block: Block, *, sheet: str, book: str, context: Context) -> Part:
    """The block's rows as canonical columns: each is kept, a total or note, or aside."""
    export, rows = block.export, block.rows
    totals = not_records(block)
    body = without(rows, rows.index[totals])
    extra = body.iloc[1:] if export.layout != "rows" else body.iloc[:0]
    body = without(body, extra.index)
    lines = joined_lines.split(block, body)
    count = len(rows) + len(lines.rows) + len(lines.aside) - len(body)
    body = lines.rows
    cells = BlockCells(block if lines.line.empty else block._replace(rows=body), body)
    values, bad, notes = _columns(block, cells, context, lines)
    frame = pd.DataFrame(
        {
            "source_file": context.file,
            "source_sheet": sheet,
            "source_row": joined_lines.row_of(body.index, lines.step),
        },
        index=body.index,
    )
    frame = frame.assign(**_completed(values, block, context), **_mark(block, cells))
    extra_rows = {"column": "", "value": "", "reason": "extra_row"}
    problems = _problems(bad, frame, export)
    aside = pd.concat(
        [
            problems.set_axis(joined_lines.row_of(problems.index, lines.step), axis=0),
            lines.aside,
            pd.DataFrame(extra_rows, index=extra.index),
        ]
    )
    notes = lines.notes + notes
    notes += file_name.disagreements(frame, export, context.named, context.timezone)
    stamp = frame["as_of"].max() if "as_of" in frame else pd.NaT
    if pd.isna(stamp):
        stamp = file_name.exported_at(context.named, export, timezone=context.timezone)
    if export.table == "sessions" and len(frame):
        frame["as_of"] = frame["as_of"].fillna(stamp) if "as_of" in frame else stamp
    return Part(
        block.system,
        export,
        sheet,
        book,
        without(frame, problems.index),
        _reported(block, cells),
        aside,
        _raw(block, rows),
        count,
        int(totals.sum()),
        block.unmapped,
        notes,
        stamp,
        lines.step,
    )


def _columns(
    block: Block, cells: BlockCells, context: Context, lines: Lines
) -> tuple[dict[str, pd.Series], list[_BadCells], tuple[str, ...]]:
    """Values by column, cells that set rows aside, and notes."""
    export, columns = block.export, columns_of(block.export)
    dated = [
        cells.of(header)
        for name, how in export.columns.items()
        if columns[name].kind == "datetime"
        for header in block.places(how.header)
    ]
    order = day_order(dated)
    if order == "open":
        order = context.dates or _order_by_file(dated, block, context)
    context = context._replace(
        swapped=came_swapped(dated, order) or _wrong_cells(dated, block, context)
    )
    notes = [_question(dated, order)] if order in ("open", "mixed") else []
    dots = _dots(block, cells, columns)
    parsed_of = _all_parsed(block, cells, columns, dots, order=order, context=context)
    parsed_of = {
        (name, place): parsed._replace(values=lines.shared(parsed.values, name, place))
        for (name, place), parsed in parsed_of.items()
    }
    values: dict[str, pd.Series] = {}
    bad: list[_BadCells] = []
    for name, how in export.columns.items():
        headers = block.places(how.header)
        if name == "product_id" and cells.sub.any() and headers:
            raw = cells.of(headers[0]).astype(object).where(~cells.sub)
            main_rows = parse.ids(raw)
            lost = _lost(main_rows)
            values[name] = main_rows.values.mask(lost, "").ffill().replace("", np.nan)
            bad.append(_BadCells(headers[0].text, raw, lost, "lost_digits"))
            notes += [f"{headers[0].text}: {note}" for note in main_rows.notes]
            continue
        required = columns[name].required
        for header in headers:
            raw, parsed = cells.of(header), parsed_of[name, header.place]
            read = without_sign(parsed.values, columns[name])
            wrong = impossible(read, columns[name]) & ~parsed.bad
            if columns[name].kind in WHOLE and not (how.unit or header.unit):
                bad.append(_BadCells(header.text, raw, not_whole(raw, read), "not_whole"))
            if dots.get(header.text) == "open":
                bad.append(_BadCells(header.text, raw, with_dots(raw), "ambiguous_number"))
            values[name] = values[name].fillna(read) if name in values else read
            notes += [f"{header.text}: {note}" for note in parsed.notes]
            bad += [
                _BadCells(header.text, raw, parsed.bad, parsed.reason),
                _BadCells(header.text, raw, too_long(read), "too_long"),
                _BadCells(header.text, raw, wrong, "impossible"),
            ]
            if required:
                bad.append(_BadCells(header.text, raw, _lost(parsed), "lost_digits"))
        if name in values:
            for header in block.places(how.plus):
                raw, more = cells.of(header), parsed_of[name, header.place]
                read = without_sign(more.values, columns[name])
                wrong = impossible(read, columns[name]) & ~more.bad
                values[name] = values[name] + read.fillna(0)
                bad += [
                    _BadCells(header.text, raw, more.bad, more.reason),
                    _BadCells(header.text, raw, wrong, "impossible"),
                ]
            for header in block.places(how.joined):
                raw = cells.of(header)
                more = parse.ids(raw)
                values[name] = values[name] + "-" + more.values.fillna("")
                notes += [f"{header.text}: {note}" for note in more.notes]
                bad.append(_BadCells(header.text, raw, _lost(more), "lost_digits"))
    if cells.sub.any() and export.sub_rows and "sku_id" in columns:
        values["sku_id"] = cells.own_id().astype("str")
    return values, bad, tuple(dict.fromkeys(notes))


def _lost(parsed: Parsed) -> pd.Series:
    """Ids that have lost their last digits."""
    if parsed.reason == "lost_digits" and parsed.noted is not None:
        return parsed.noted
    return no_cell(parsed.values)


def _all_parsed(
    block: Block,
    cells: BlockCells,
    columns: dict[str, Column],
    dots: dict[str, Dots],
    *,
    order: DayOrder | None,
    context: Context,
) -> dict[tuple[str, int], Parsed]:
    sources = [
        (name, how, header)
        for name, how in block.export.columns.items()
        for header in block.places([*how.header, *how.plus])
    ]

    def parsed(source: tuple[str, SourceColumn, Header]) -> Parsed:
        name, how, header = source
        unit = how.unit or header.unit
        raw = cells.of(header)
        raw = without_dots(raw) if dots.get(header.text) == "thousands" else raw
        return _parsed(raw, columns[name], how, unit, name, order, context)

    keys = [(name, header.place) for name, _, header in sources]
    if len(cells.body) < _LONG:
        return dict(zip(keys, map(parsed, sources), strict=True))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(keys, pool.map(parsed, sources), strict=True))


def _dots(block: Block, cells: BlockCells, columns: dict[str, Column]) -> dict[str, Dots]:
    """What dots mean in the block's columns of whole numbers and money, by header."""
    cells_of: dict[str, pd.Series] = {}
    kind_of: dict[str, str] = {}
    for name, how in block.export.columns.items():
        kind = columns[name].kind
        if kind in WHOLE or kind in ("money", "score"):
            for header in block.places([*how.header, *how.plus]):
                cells_of[header.text], kind_of[header.text] = cells.of(header), kind
    return dots_of(cells_of, kind_of)


def _order_by_file(dated: list[pd.Series], block: Block, context: Context) -> DayOrder:
    """The one order of day and month under which no date contradicts the file; else `open`."""
    fitting = [order for order in ("day", "month") if _fits(dated, block, context, order=order)]
    return fitting[0] if len(fitting) == 1 else "open"


def _wrong_cells(dated: list[pd.Series], block: Block, context: Context) -> bool:
    """Whether date cells contradict the file as they are, and do not with day and month swapped."""
    native = [cells[is_instance(cells, dt.datetime)].astype(object) for cells in dated]
    native = [cells for cells in native if len(cells)]
    if not native or any(cell.day > 12 for cells in native for cell in cells):
        return False
    return not _fits(native, block, context) and _fits(native, block, context, swapped=True)


def _fits(
    dated: list[pd.Series],
    block: Block,
    context: Context,
    *,
    order: DayOrder | None = None,
    swapped: bool = False,
) -> bool:
    """Whether dates are read so that none is after the export, the first of each row in its period.

    The period is the one that stands above the table or in the file's name.
    """
    zone = context.timezone
    read = [times(cells, timezone=zone, order=order, swapped=swapped) for cells in dated]
    if any(parsed.bad.any() for parsed in read):
        return False
    first = pd.concat([parsed.values for parsed in read], axis=1).min(axis=1).dropna()
    begin, end = file_name.period(f"{block.title} {context.named}", timezone=zone)
    exported = file_name.exported_at(context.named, block.export, timezone=zone)
    after = [moment for moment in (end, exported) if not pd.isna(moment)]
    late = bool(after) and bool((first > min(after) + pd.Timedelta(days=1)).any())
    return not late and not (not pd.isna(begin) and bool((first < begin).any()))


def _question(dated: list[pd.Series], order: DayOrder) -> str:
    example = next(filter(None, map(year_last_date, dated)), "03/04/2026")
    why, answer = {
        "open": (
            "no date of the file decides it",
            "say so in workspace.yml (dates: day, or dates: month)",
        ),
        "mixed": (
            "other dates of the file contradict each other",
            "write the dates as year-month-day",
        ),
    }[order]
    return (
        f"{example}: day and month cannot be told apart, is the day or the month first? "
        f"{why}, so the rows are kept aside; {answer}"
    )


def _parsed(
    cells: pd.Series,
    column: Column,
    how: SourceColumn,
    unit: str | None,
    name: str,
    order: DayOrder | None,
    context: Context,
) -> Parsed:
    kind = column.kind
    if how.part:
        cells = parse.first_of(cells) if how.part == "first" else ends_of(cells, part=how.part)
    if name in HASHED:
        return parse.hashed(cells, key=context.key)
    if kind == "choice":
        open_choice = column.terms is None
        labels = None if open_choice else _labels(column.terms)
        return parse.choice(cells, labels=labels, words_of=how.map, free=open_choice)
    if kind == "flag":
        return parse.flag(cells, words_of=how.map)
    if how.map:
        cells = parse.choice(cells, labels=None, words_of=how.map).values
    if kind == "id":
        return parse.ids(cells)
    if kind == "text":
        return parse.text(cells, verbatim=column.required)
    if kind == "datetime":
        return times(
            cells,
            timezone=context.timezone,
            order=order,
            swapped=context.swapped,
            era_1904=context.era_1904,
        )
    if kind == "seconds":
        return parse.seconds(cells, unit=unit, least=column.least)
    return parse.numbers(cells, kind=kind, unit=unit)


def _labels(terms: str) -> dict[str, str]:
    return {
        normal(word): code
        for code, label in reference.terms()[terms].items()
        for word in (label.en, label.zh, code)
    }


def _completed(
    values: dict[str, pd.Series], block: Block, context: Context
) -> dict[str, pd.Series]:
    """The values, and those that cells do not hold: by file name, constant, default or currency."""
    export, columns = block.export, columns_of(block.export)
    completed = dict(values)
    index = next(iter(values.values())).index if values else block.rows.index[:0]

    def constant(name: str, word: str) -> pd.Series:
        codes = np.zeros(len(index), dtype=np.int8)
        cells = pd.Series(pd.Categorical.from_codes(codes, categories=[word]), index=index)
        return _parsed(cells, columns[name], SourceColumn(), None, name, None, context).values

    for name, how in export.columns.items():
        if how.file and name not in completed:
            word = file_name.named_group(export.file_name, context.named, how.file)
            if word := word or file_name.named_group(export.title, block.title, how.file):
                completed[name] = constant(name, word)
        if how.default is not None:
            default = constant(name, how.default)
            completed[name] = completed[name].fillna(default) if name in completed else default
        if how.when in completed and name in completed:
            completed[name] = completed[name].where(completed[how.when].notna())
    for name, word in export.constants.items():
        completed[name] = constant(name, word)
    if "currency" in columns:
        code = _currency_of(block) or context.currency
        completed["currency"] = (
            completed["currency"].fillna(code)
            if "currency" in completed
            else constant("currency", code)
        )
    if context.room:
        for name in {"room", "room_name"} & set(columns):
            given = constant(name, context.room)
            completed[name] = completed[name].fillna(given) if name in completed else given
    return _with_ends(completed) if export.table == "sessions" else completed


def _mark(block: Block, cells: BlockCells) -> dict[str, pd.Series]:
    """What tells rows of one key apart beside their columns, as a digest."""
    headers = block.places(block.export.tells_apart)
    if not headers:
        return {}
    written = [filled(cells.of(header)) for header in headers]
    any_written = pd.concat(written, axis=1).notna().any(axis=1)
    text = functools.reduce(lambda one, other: one + "|" + other, [w.fillna("") for w in written])
    return {schema.MARK: parse.hashed(text.where(any_written), key=b"").values}


def _currency_of(block: Block) -> str | None:
    columns = reference.tables()[block.export.table].columns
    for name, how in block.export.columns.items():
        if name in columns and columns[name].kind == "money":
            for header in block.places(how.header):
                if code := currency(block.rows[header.place]):
                    return code
    return None


def _with_ends(values: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """The values with start, end and duration: any two give the third."""
    if "started_at" not in values:
        return values
    start = values["started_at"]
    lasted = values.get("duration_seconds", pd.Series(index=start.index, dtype="float64"))
    ended = values.get("ended_at", pd.Series(pd.NaT, index=start.index, dtype=start.dtype))
    whole_seconds = pd.to_timedelta(lasted.where(lasted <= LONGEST).round(), unit="s")
    return {
        **values,
        "ended_at": ended.fillna(start + whole_seconds.astype("timedelta64[us]")),
        "duration_seconds": lasted.fillna((ended - start).dt.total_seconds()),
    }


def _problems(bad: list[_BadCells], frame: pd.DataFrame, export: Export) -> pd.DataFrame:
    """The first unreadable cell of each row, and why."""
    problems = [
        pd.DataFrame(
            {
                "column": entry.column,
                "value": mend.shown(entry.cells[entry.bad]),
                "reason": entry.reason,
            }
        )
        for entry in bad
        if entry.bad.any()
    ]
    if export.table == "sessions" and {"started_at", "ended_at"} <= set(frame):
        ends = frame.loc[frame["ended_at"] < frame["started_at"], "ended_at"].astype("str")
        problems.append(pd.DataFrame({"column": "ended_at", "value": ends, "reason": "impossible"}))
    return first_of_each_row(problems)


def _reported(block: Block, cells: BlockCells) -> pd.DataFrame:
    """One row per source row and rate."""
    rates = []
    for name, terms in block.export.reported.items():
        for header in block.places([name]):
            values = parse.numbers(cells.of(header), kind="score", unit=header.unit).values.dropna()
            rates.append(
                pd.DataFrame(
                    {
                        "row": values.index,
                        "name": name,
                        "value": values.to_numpy(),
                        "numerator": terms.get("numerator"),
                        "denominator": terms.get("denominator"),
                        "factor": float(terms.get("factor", 1)),
                    }
                )
            )
    columns = ["row", "name", "value", "numerator", "denominator", "factor"]
    return pd.concat(rates, ignore_index=True) if rates else pd.DataFrame(columns=columns)


def _raw(block: Block, rows: pd.DataFrame) -> pd.DataFrame:
    """By header; of repeated headers the first."""
    places = {header.text: header.place for header in reversed(shown_headers(block))}
    return rows[list(places.values())[::-1]].set_axis(list(places)[::-1], axis=1)


def shown_headers(block: Block) -> list[Header]:
    """Headers of columns that are read and hold nothing personal."""
    export, places = block.export, recognise.places_read(block)
    people = [
        name for column in HASHED & set(export.columns) for name in export.columns[column].header
    ]
    secret = {normal(name) for name in [*export.personal, *people]}
    return [
        header
        for header in block.headers
        if header.known is not None
        and header.known not in secret
        and (places is None or header.place in places)
    ]


def row_json(raw: pd.DataFrame) -> pd.Series:
    """Each row as JSON text by header, empty cells too; personal data are masked."""
    frame = pd.DataFrame({name: mend.shown(raw[name]) for name in raw}, index=raw.index)
    rows = [json.dumps(row, ensure_ascii=False) for row in frame.to_dict("records")]
    return pd.Series(rows, index=raw.index, dtype="str")


def with_session_ids(frame: pd.DataFrame, export: Export) -> pd.DataFrame:
    """Rows that name platform, start and (where known) room get their session id."""
    start = "started_at" if export.table == "sessions" else "session_started_at"
    if start not in frame or "platform" not in frame:
        return frame
    room = frame["room"] if "room" in frame else pd.Series(index=frame.index, dtype="str")
    ids = [
        schema.session_id(platform, account if isinstance(account, str) else None, at)
        if pd.notna(platform) and pd.notna(at)
        else None
        for platform, account, at in zip(frame["platform"], room, frame[start], strict=True)
    ]
    ids = pd.Series(ids, index=frame.index, dtype="str")
    return frame.assign(
        session_id=frame["session_id"].fillna(ids) if "session_id" in frame else ids
    )
