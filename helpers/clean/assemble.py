"""A recognised block of cells becomes rows of its canonical table, rows kept aside, and counts."""

import concurrent.futures
import datetime as dt
import functools
import json
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import file_name, joined_lines, mend, parse, recognise
from helpers.clean.cells import Parsed, filled, is_instance, no_cell, too_long, words
from helpers.clean.columns import (
    LONGEST,
    NOTHING_SAID,
    WHOLE,
    Answers,
    Dots,
    came_swapped,
    currency,
    currency_of_header,
    day_order,
    dots_of,
    impossible,
    mixed_rates,
    not_whole,
    slack_of,
    with_dots,
    without_dots,
    without_sign,
)
from helpers.clean.doubted_columns import (
    BadCells,
    repeated_amounts,
    running_totals,
    shares_of_people,
    twins,
)
from helpers.clean.joined_lines import Lines
from helpers.clean.notes import note, with_values
from helpers.clean.recognise import Block, Header, normal
from helpers.clean.rows import BlockCells, first_of_each_row, not_records, without
from helpers.clean.times import DayOrder, are_clocks, ends_of, on_start, times
from helpers.core import privacy
from helpers.reference import Column, Export, SourceColumn, System, schema

HELPERS = {
    "session_started_at": Column(kind="datetime", zh="开播时间", en="Session start"),
    "as_of": Column(kind="datetime", zh="数据截至", en="As of"),
    "room": Column(kind="id", zh="直播间账号", en="Room account"),
    "platform": Column(kind="choice", terms="platform", zh="平台", en="Platform"),
}
HASHED = {"buyer_key", "user_key"}
_LONG = 10_000  # rows
_FOREIGN = "other_currency"


class Context(NamedTuple):
    """What the parsers must know beside the cells.

    `named` is the file whose name speaks: inside a zip, the member.
    """

    file: str
    named: str
    timezone: str
    key: bytes
    currency: str
    answers: Answers = NOTHING_SAID
    era_1904: bool = False
    started: pd.Timestamp = pd.NaT  # of the only session of the workbook
    swapped: bool = False  # date cells of a table whose day and month have changed places


class Part(NamedTuple):
    """One block parsed: canonical columns by row number, the platform's own rates, counts, notes.

    Rows of `frame` may lack their session: the rest of the file may name it. `aside` has column,
    value and reason by row number, once a row; `bad` has them of every bad cell, `left_out` of
    cells whose rows stay; `totals` what the total rows state (`_stated_totals`). Lines that share
    a row are labelled with `step` (`joined_lines`). `exported` and `period` (begin, end) are
    what cells, title or file name state, missing where they do not; `as_of` is not before the rows.
    `above`: how many rows above the headers were left unread, and the number of the first.
    """

    system: System
    export: Export
    sheet: str
    book: str
    frame: pd.DataFrame
    reported: pd.DataFrame
    aside: pd.DataFrame
    bad: pd.DataFrame
    left_out: pd.DataFrame
    raw: pd.DataFrame
    rows_in: int
    rows_totals: int
    unmapped: list[str]
    notes: tuple[str, ...]
    as_of: pd.Timestamp
    exported: pd.Timestamp
    step: int
    totals: pd.DataFrame
    period: tuple[pd.Timestamp, pd.Timestamp]
    above: tuple[int, int]

    def header_of(self, name: str) -> str:
        """The header of a column in the block; else all that it may have, else its name."""
        return _header_of(name, self.export, self.raw)


def _header_of(name: str, export: Export, present: Iterable[str]) -> str:
    headers = export.columns[name].header if name in export.columns else ()
    plain = {normal(header): header for header in present}
    fitting = [plain[normal(header)] for header in headers if normal(header) in plain]
    return fitting[0] if fitting else " / ".join(headers) or name


class _ParsedColumns(NamedTuple):
    """Values by column, cells that set rows aside, cells left out of rows that stay, notes."""

    values: dict[str, pd.Series]
    bad: list[BadCells]
    left_out: list[BadCells]
    notes: tuple[str, ...]


def columns_of(export: Export) -> dict[str, Column]:
    """The canonical columns that an export may fill: its table's, and `HELPERS`."""
    return {**HELPERS, **reference.tables()[export.table].columns}


def part(block: Block, *, sheet: str, book: str, context: Context) -> Part:
    """The block's rows as canonical columns: each is kept, a total or note, or aside."""
    export, rows = block.export, block.rows
    others = not_records(block)
    body = without(rows, rows.index[others.rows].union(others.aside.index))
    extra = body.iloc[1:] if export.layout != "rows" else body.iloc[:0]
    body = without(body, extra.index)
    records = body.index
    lines = joined_lines.split(block, body)
    count = len(rows) + len(lines.rows) + len(lines.aside) - len(body)
    body = lines.rows
    cells = BlockCells(block if lines.line.empty else block._replace(rows=body), body)
    values, bad, left_out, notes = _columns(block, cells, context, lines)
    frame = pd.DataFrame(
        {
            "source_file": context.file,
            "source_sheet": sheet,
            "source_row": joined_lines.row_of(body.index, lines.step),
        },
        index=body.index,
    )
    frame = frame.assign(**_completed(values, block, context), **_mark(block, cells))

    def by_row(cells: pd.DataFrame) -> pd.DataFrame:
        return cells.set_axis(joined_lines.row_of(cells.index, lines.step), axis=0)

    bad_cells = _problems(bad, frame, block)
    problems = first_of_each_row([bad_cells])
    problem = {"column": "", "value": "", "reason": "extra_row"}
    extra_rows = pd.DataFrame(problem, index=extra.index)
    aside = pd.concat([by_row(problems), lines.aside, extra_rows, others.aside])
    notes = others.notes + lines.notes + notes
    called_totals = others.aside.index[others.aside["reason"] == "total_off"]
    total_rows = rows.index[others.rows].union(called_totals)
    notes += file_name.disagreements(frame, export, context.named, context.timezone)
    kept = without(frame, problems.index)
    stamp = exported = frame["as_of"].max() if "as_of" in frame else pd.NaT
    if pd.isna(stamp):
        exported = file_name.exported_at(context.named, export, timezone=context.timezone)
        stamp, late = file_name.not_before(exported, kept, reference.tables()[export.table])
        notes += late
    if export.table == "sessions" and len(frame):
        kept = kept.assign(as_of=kept["as_of"].fillna(stamp) if "as_of" in kept else stamp)
    return Part(
        block.system,
        export,
        sheet,
        book,
        kept,
        _reported(block, cells),
        aside,
        by_row(bad_cells),
        by_row(_every(left_out)),
        _raw(block, rows),
        count,
        int(others.rows.sum()),
        block.unmapped,
        notes,
        stamp,
        exported,
        lines.step,
        _stated_totals(block, records, total_rows, context),
        file_name.period(f"{block.title} {context.named}", timezone=context.timezone),
        block.above,
    )


def _stated_totals(
    block: Block, body: pd.Index, totals: pd.Index, context: Context
) -> pd.DataFrame:
    """What the total rows state of columns that are sums (`invariants.yml`), one row a value.

    Columns: row, label (how the row calls itself), column, header, stated, and slack: by how much
    the rows may miss it because cells are written in short. Read together with the other rows, so
    that a column is read in one way.
    """
    export = block.export
    sums = {
        name: how
        for rule in reference.invariants().values()
        if rule.kind == "total"
        for name in rule.columns.get(export.table, ())
        if (how := export.columns.get(name)) and how.when is None and block.places(how.header)
    }
    stated = []
    if len(totals) and sums:
        narrow = export.model_copy(update={"columns": sums, "sub_rows": None})
        rows = block.rows.loc[block.rows.index.isin(body.union(totals))]
        block = block._replace(export=narrow, rows=rows)
        cells = BlockCells(block, rows)
        values = _columns(block, cells, context).values
        label = words(rows.loc[totals, block.headers[0].place]).fillna("")
        for name, how in sums.items():
            header = block.places(how.header)[0]
            sums_up = values[name].loc[totals].dropna()
            cell, kind = cells.of(header), columns_of(export)[name].kind
            unit = header.unit_of(how)
            slack = slack_of(cell.loc[sums_up.index], cell.loc[body], kind=kind, unit=unit)
            stated.append(
                pd.DataFrame(
                    {
                        "row": sums_up.index,
                        "label": privacy.masked(label.loc[sums_up.index]).str.slice(0, 40),
                        "column": name,
                        "header": header.text,
                        "stated": sums_up,
                        "slack": slack,
                    }
                )
            )
    columns = ["row", "label", "column", "header", "stated", "slack"]
    return pd.concat(stated, ignore_index=True) if stated else pd.DataFrame(columns=columns)


def _every(cells: list[BadCells]) -> pd.DataFrame:
    filled = [entry.frame() for entry in cells if entry.bad.any()]
    return pd.concat(filled) if filled else pd.DataFrame(columns=["column", "value", "reason"])


def _columns(
    block: Block, cells: BlockCells, context: Context, lines: Lines | None = None
) -> _ParsedColumns:
    export, columns = block.export, columns_of(block.export)
    dated = [
        cells.of(header)
        for name, how in export.columns.items()
        if columns[name].kind == "datetime"
        for header in block.places(how.header)
    ]
    order = day_order(dated)
    if order == "open":
        order = context.answers.dates or _order_by_file(dated, block, context)
    context = context._replace(
        swapped=came_swapped(dated, order) or _wrong_cells(dated, block, context)
    )
    dots = _dots(block, cells, columns, context.answers)
    parsed_of = _all_parsed(block, cells, columns, dots, order=order, context=context)
    if lines is not None:
        parsed_of = {
            (name, place): parsed._replace(values=lines.shared(parsed.values, name, place))
            for (name, place), parsed in parsed_of.items()
        }
    values: dict[str, pd.Series] = {}
    bad: list[BadCells] = []
    left_out: list[BadCells] = []
    notes: list[str] = []
    for name, how in export.columns.items():
        headers = block.places(how.header)
        if name == "product_id" and cells.sub.any() and headers:
            raw = cells.of(headers[0]).astype(object).where(~cells.sub)
            main_rows = parse.ids(raw)
            lost = _lost(main_rows)
            values[name] = main_rows.values.mask(lost, "").ffill().replace("", np.nan)
            bad.append(BadCells(headers[0].text, raw, lost, "lost_digits"))
            continue
        for header in headers:
            raw, parsed = cells.of(header), parsed_of[name, header.place]
            read = without_sign(parsed.values, columns[name])
            wrong = impossible(read, columns[name]) & ~parsed.bad
            if columns[name].kind == "rate" and not header.unit_of(how):
                mixed = mixed_rates(raw, read)
                bad.append(BadCells(header.text, raw, mixed, "mixed_rates"))
                wrong &= ~mixed
            if columns[name].kind in WHOLE and not header.unit_of(how):
                bad.append(BadCells(header.text, raw, not_whole(raw, read), "not_whole"))
            if columns[name].kind in schema.NUMBERS:
                bad += twins(block, cells, header)
            if dots.get(header.text) == "open":
                bad.append(BadCells(header.text, raw, with_dots(raw), "ambiguous_number"))
            values[name] = values[name].fillna(read) if name in values else read
            notes += [with_values(kept, column=header.text) for kept in parsed.notes]
            bad += [
                BadCells(header.text, raw, parsed.bad, parsed.reason),
                BadCells(header.text, raw, too_long(read), "too_long"),
                BadCells(header.text, raw, wrong, "impossible"),
            ]
            lost = BadCells(header.text, raw, _lost(parsed), parsed.reason)
            (bad if columns[name].required else left_out).append(lost)
        if name in values:
            for header in block.places(how.plus):
                raw, more = cells.of(header), parsed_of[name, header.place]
                read = without_sign(more.values, columns[name])
                wrong = impossible(read, columns[name]) & ~more.bad
                values[name] = values[name] + read.fillna(0)
                bad += [
                    BadCells(header.text, raw, more.bad, more.reason),
                    BadCells(header.text, raw, wrong, "impossible"),
                ]
            for header in block.places(how.joined):
                raw = cells.of(header)
                more = parse.ids(raw)
                values[name] = values[name] + "-" + more.values.fillna("")
                bad.append(BadCells(header.text, raw, _lost(more), "lost_digits"))
    left_out += running_totals(values, block, cells)
    bad += shares_of_people(values, block, cells)
    repeated = repeated_amounts(values, block, cells, lines)
    values, notes = values | repeated.values, [*notes, *repeated.notes]
    bad += repeated.bad
    if {"started_at", "ended_at"} <= set(values):  # which tell how long it was
        unknown = values["started_at"].isna() | values["ended_at"].isna()
        bad = [
            cell._replace(bad=cell.bad & (unknown | (cell.reason != "short_duration")))
            if isinstance(cell.reason, pd.Series)
            else cell
            for cell in bad
        ]
    if cells.sub.any() and export.sub_rows and "sku_id" in columns:
        values["sku_id"] = cells.own_id().astype("str")
    return _ParsedColumns(values, bad, left_out, tuple(dict.fromkeys(notes)))


def _lost(parsed: Parsed) -> pd.Series:
    """Cells that are left out, as ids that have lost their last digits."""
    return no_cell(parsed.values) if parsed.left_out is None else parsed.left_out


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

    code = _fixed_currency(block) or _currency_of(block)
    steps = reference.tables()[block.export.table].steps

    def parsed(source: tuple[str, SourceColumn, Header]) -> Parsed:
        name, how, header = source
        unit = header.unit_of(how)
        raw = cells.of(header)
        raw = without_dots(raw) if dots.get(header.text) == "thousands" else raw
        if name == steps and are_clocks(raw):
            return _of_clocks(raw, block, cells, context)
        parsed = _parsed(raw, columns[name], how, unit, name, order, context, code)
        stated = currency_of_header(header.text) if columns[name].is_sum else None
        if stated and code and stated != code:
            every = filled(raw).notna()
            return parsed._replace(values=parsed.values.mask(every), bad=every, reason=_FOREIGN)
        return parsed

    keys = [(name, header.place) for name, _, header in sources]
    if len(cells.body) < _LONG:
        return dict(zip(keys, map(parsed, sources), strict=True))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return dict(zip(keys, pool.map(parsed, sources), strict=True))


def _of_clocks(raw: pd.Series, block: Block, cells: BlockCells, context: Context) -> Parsed:
    """Clocks without a day, or minutes from 0 on, as moments of the session that the file tells.

    Its start is that of a column, of the only session of the workbook, of the title or file name.
    """
    sources = [(context.started, True)]
    names = {normal(HELPERS["session_started_at"].zh), normal(HELPERS["session_started_at"].en)}
    for header in block.headers:
        if normal(header.text) in names and header.place in cells.body:
            starts = times(cells.of(header), timezone=context.timezone).values.dropna().unique()
            sources.insert(0, (starts[0] if len(starts) == 1 else pd.NaT, True))
    export_time = file_name.named_group(block.export.file_name, context.named, "as_of") or " "
    named = context.named.replace(export_time, " ")
    sources += [file_name.start(text, timezone=context.timezone) for text in (block.title, named)]
    for start, clock in sources:
        if pd.isna(start):
            continue
        moments = on_start(raw, start.tz_localize(None).to_pydatetime(), clock=clock)
        if moments is not None:
            shown = f"{start:%Y-%m-%d %H:%M}" if clock else f"{start:%Y-%m-%d}"
            dated = times(moments, timezone=context.timezone)
            return dated._replace(notes=(note("clocks", start=shown),))
    unread = times(raw.mask(raw.notna(), "-"), timezone=context.timezone).values
    return Parsed(unread, filled(raw).notna(), "clock_alone")


def _dots(
    block: Block, cells: BlockCells, columns: dict[str, Column], answers: Answers
) -> dict[str, Dots]:
    """What dots mean in the block's columns of whole numbers and money, by header."""
    cells_of: dict[str, pd.Series] = {}
    kind_of: dict[str, str] = {}
    for name, how in block.export.columns.items():
        kind = columns[name].kind
        if kind in WHOLE or kind in ("money", "score"):
            for header in block.places([*how.header, *how.plus]):
                if not header.unit_of(how):  # 1.285 of 万元 is a fraction
                    cells_of[header.text], kind_of[header.text] = cells.of(header), kind
    return dots_of(cells_of, kind_of, answers.thousands)


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


def _parsed(
    cells: pd.Series,
    column: Column,
    how: SourceColumn,
    unit: str | None,
    name: str,
    order: DayOrder | None,
    context: Context,
    code: str | None = None,
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
        answer = context.answers.durations if column.least or column.usual else None
        return parse.seconds(
            cells, unit=unit, answer=answer, least=column.least, usual=column.usual
        )
    is_money = kind == "money" or column.adds
    return parse.numbers(cells, kind=kind, unit=unit, currency=code if is_money else None)


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
            word = file_name.named_group(export.title, block.title, how.file)
            if word := word or file_name.named_group(export.file_name, context.named, how.file):
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
    if context.answers.room:
        for name in {"room", "room_name"} & set(columns):
            given = constant(name, context.answers.room)
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


def _fixed_currency(block: Block) -> str | None:
    """The currency that an export has wherever it is made: its own, else that of its system."""
    exports = (block.export, *block.system.exports)
    fixed = (export.constants.get("currency") for export in exports)
    return next(filter(None, fixed), None)


def _currency_of(block: Block) -> str | None:
    """The currency that a block states, behind a header of money or in its cells."""
    columns = reference.tables()[block.export.table].columns
    for name, how in block.export.columns.items():
        if name in columns and columns[name].kind == "money":
            for header in block.places(how.header):
                stated = currency_of_header(header.text) or currency(block.rows[header.place])
                if stated:
                    return stated
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


def _problems(bad: list[BadCells], frame: pd.DataFrame, block: Block) -> pd.DataFrame:
    """The cells that set rows aside, and why: by themselves, or beside others of their row."""
    headers = [header.text for header in block.headers]

    def impossible_at(name: str, rows: pd.Series) -> pd.DataFrame:
        column = _header_of(name, block.export, headers)
        values = frame.loc[rows, name].astype("str")
        return pd.DataFrame({"column": column, "value": values, "reason": "impossible"})

    problems = [_every(bad)]
    if {"started_at", "ended_at"} <= set(frame):
        problems.append(impossible_at("ended_at", frame["ended_at"] < frame["started_at"]))
    for name, column in columns_of(block.export).items():
        if column.per_hour and {name, "duration_seconds"} <= set(frame):
            most = column.per_hour * frame["duration_seconds"] / 3600
            problems.append(impossible_at(name, frame[name] > most))
    return pd.concat(problems)


def _reported(block: Block, cells: BlockCells) -> pd.DataFrame:
    """One row per source row and rate."""
    values = {
        (name, header.place): parse.numbers(cells.of(header), kind="score", unit=header.unit).values
        for name in block.export.reported
        for header in block.places([name])
    }
    columns = ["row", "name", "value", "numerator", "denominator", "factor"]
    if not values:
        return pd.DataFrame(columns=columns)
    names = [name for name, _ in values]
    terms = pd.DataFrame([block.export.reported[name] for name in names], index=range(len(names)))
    terms = terms.reindex(columns=["numerator", "denominator", "factor"])
    rates = terms.assign(name=names, factor=terms["factor"].astype("float64").fillna(1.0))
    rates = rates.loc[np.repeat(rates.index, len(cells.body))].assign(
        row=np.tile(cells.body.index, len(names)), value=np.concatenate(list(values.values()))
    )
    return rates.dropna(subset="value")[columns].reset_index(drop=True)


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
