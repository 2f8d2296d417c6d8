"""Turns a recognised block of cells into rows of its canonical table, rows kept aside, and the count of all of them."""

from __future__ import annotations

import concurrent.futures
import functools
import json
import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import limits, mend, parse, recognise
from helpers.clean.recognise import Block, Header, normal
from helpers.reference import Column, Export, SourceColumn, System, schema

HELPERS = {
    "session_started_at": Column(kind="datetime", zh="开播时间", en="Session start"),
    "as_of": Column(kind="datetime", zh="数据截至", en="As of"),
    "room": Column(kind="id", zh="直播间账号", en="Room account"),
    "platform": Column(kind="choice", terms="platform", zh="平台", en="Platform"),
}
HASHED = {"buyer_key", "user_key"}
_LONG = 10_000  # rows
TOTAL_WORDS = {"合计", "总计", "小计", "汇总", "total", "grand total", "subtotal"}


class Context(NamedTuple):
    """What the parsers must know beside the cells; `named` is the file whose name speaks: inside a zip, the member."""

    file: str
    named: str
    timezone: str
    key: bytes
    currency: str
    dates: parse.DayOrder | None = None


class Part(NamedTuple):
    """One block parsed: canonical columns by row number, the platform's own rates, rows kept aside, counts and notes.

    `frame` is not yet conformed: rows whose session is known only from the rest of the file have
    none yet. `aside` has one row per row kept aside, indexed by row number: column, value, reason.
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


def part(block: Block, *, sheet: str, book: str, context: Context) -> Part:
    """The block's rows as canonical columns. Every row is kept, a total or note, or aside: nothing is lost."""
    export, system = block.export, block.system
    rows = block.rows
    totals = _totals(block)
    body = without(rows, rows.index[totals])
    extra = body.iloc[1:] if export.layout != "rows" else body.iloc[:0]
    body = without(body, extra.index)
    cells = _Cells(block, body)
    values, bad, left_out, notes = _columns(block, cells, context)
    frame = pd.DataFrame(
        {"source_file": context.file, "source_sheet": sheet, "source_row": body.index},
        index=body.index,
    )
    frame = frame.assign(**_completed(values, block, context), **_flags(left_out, body.index))
    aside = _problems(bad, frame, export)
    aside = pd.concat(
        [aside, pd.DataFrame({"column": "", "value": "", "reason": "extra_row"}, index=extra.index)]
    )
    notes += _name_disagrees(frame, export, context)
    stamp = frame["as_of"].max() if "as_of" in frame else pd.NaT
    stamp = (
        exported_at(context.named, export, timezone=context.timezone) if pd.isna(stamp) else stamp
    )
    if export.table == "sessions" and len(frame):
        frame["as_of"] = frame["as_of"].fillna(stamp) if "as_of" in frame else stamp
    return Part(
        system,
        export,
        sheet,
        book,
        without(frame, aside.index),
        _reported(block, cells),
        aside,
        _raw(block, rows),
        len(rows),
        int(totals.sum()),
        block.unmapped,
        notes,
        stamp,
    )


def without(frame: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """The frame without these rows; itself where there are none, as a long frame is not copied for nothing."""
    return frame[~frame.index.isin(rows)] if len(rows) else frame


# ---- which rows are rows
# ----------------------------------------------------------------------------------------


def _totals(block: Block) -> pd.Series:
    """Rows that are no records: the description below the headers, totals, headers of sub-rows."""
    rows, export = block.rows, block.export
    found = pd.Series(False, index=rows.index)
    if export.layout != "rows" or rows.empty:
        return found
    if export.description_row:
        for row in rows.index[:3]:
            found[row] = any(export.description_row in str(cell) for cell in rows.loc[row])
    first = parse.words(rows[block.headers[0].place])
    found |= first.str.lower().isin(TOTAL_WORDS) | _notes(rows, last=block.last)
    sub = _sub_rows(block)
    for name, marks in export.totals.items():
        for header in block.places([name]):
            cells = parse.words(rows[header.place])
            hit = cells.isin(marks) | (parse.is_empty(cells) & ("" in marks))
            found |= hit & ~sub
    return found | _sub_headers(block)


def _notes(rows: pd.DataFrame, *, last: bool) -> pd.Series:
    """Rows of one cell that are words: a remark (注：…), or the title of the next table of the sheet."""
    alone = rows.iloc[:, :1]
    for place in list(rows)[1:]:
        alone = (
            alone[parse.words(rows.loc[alone.index, place], code=False).isna()]
            if len(alone)
            else alone
        )
    first = parse.words(alone.iloc[:, 0])
    found = first.str.match(r"(?:注|说明|备注|note|notes|\*)\s*[:：*]", case=False, na=False) | (
        (alone.index == rows.index[-1]) & (not last)
    )
    return found.reindex(rows.index, fill_value=False)


def _sub_rows(block: Block) -> pd.Series:
    none = pd.Series(False, index=block.rows.index)
    if block.export.sub_rows is None or block.rows.empty:
        return none
    first = parse.words(block.rows[block.headers[0].place])
    return first.str.startswith(block.export.sub_rows.starts, na=False)


def _sub_headers(block: Block) -> pd.Series:
    sub, rule = _sub_rows(block), block.export.sub_rows
    if rule is None or rule.header is None or not sub.any():
        return sub & False
    name = normal(rule.header)
    named = [
        any(isinstance(cell, str) and normal(cell) == name for cell in row)
        for row in block.rows[sub].to_numpy(dtype=object)
    ]
    return sub & pd.Series(named, index=block.rows.index[sub]).reindex(sub.index, fill_value=False)


class _Cells:
    """The cells of a block by header name, sub-rows read through their own headers where they have some."""

    def __init__(self, block: Block, body: pd.DataFrame) -> None:
        self.block, self.body = block, body
        self.sub = _sub_rows(block).loc[body.index]
        self.moved = self._moved_places()

    def _moved_places(self) -> dict[str, int]:
        headers = self.block.rows[_sub_headers(self.block)]
        if headers.empty:
            return {}
        known = {header.known for header in self.block.headers}
        named = {
            normal(cell): place for place, cell in headers.iloc[0].items() if isinstance(cell, str)
        }
        moved = {name: place for name, place in named.items() if name in known}
        own = normal(self.block.export.sub_rows.header)
        return {**(moved if len(moved) > 1 else {}), own: named[own]}

    def of(self, header: Header) -> pd.Series:
        main = self.body[header.place]
        if not self.sub.any() or header.known not in self.moved:
            return main
        return main.astype(object).where(~self.sub, self.body[self.moved[header.known]])

    def own_id(self) -> pd.Series:
        """The id of sub-rows: below their own header, else behind the mark in the first cell, else in the named column."""
        rule = self.block.export.sub_rows
        found = (
            parse.words(self.body[self.block.headers[0].place]).str[len(rule.starts) :].str.strip()
        )
        for place in [
            self.moved.get(normal(rule.header or "")),
            *(header.place for header in self.block.places([rule.id])),
        ]:
            cells = parse.words(self.body[place]) if place is not None else None
            if cells is not None:
                cells = cells.mask(parse.is_empty(cells))
                found = (
                    cells.fillna(found)
                    if place in self.moved.values()
                    else found.mask(found == "").fillna(cells)
                )
        return found.mask(found == "").where(self.sub)


# ---- columns
# ----------------------------------------------------------------------------------------------------


def _columns(
    block: Block, cells: _Cells, context: Context
) -> tuple[dict[str, pd.Series], list[tuple], list[tuple[str, pd.Series]], tuple[str, ...]]:
    """Values by canonical column; cells that set their row aside; cells with impossible values, left out; notes."""
    export = block.export
    columns = {**HELPERS, **reference.tables()[export.table].columns}
    dated = [
        cells.of(header)
        for name, how in export.columns.items()
        if columns[name].kind == "datetime"
        for header in block.places(how.header)
    ]
    order = parse.day_order(dated)
    if order == "open" and context.dates:
        order = context.dates
    values: dict[str, pd.Series] = {}
    bad: list[tuple[str, pd.Series, pd.Series, str]] = []
    left_out: list[tuple[str, pd.Series]] = []
    notes: list[str] = []
    if order in ("open", "mixed"):
        notes.append(_question(dated, order))
    parsed_of = _all_parsed(block, cells, columns, order=order, context=context)
    for name, how in export.columns.items():
        used = block.places(how.header)
        if name == "product_id" and cells.sub.any() and used:
            values[name] = parse.ids(
                cells.of(used[0]).astype(object).where(~cells.sub)
            ).values.ffill()
            continue
        for header in used:
            parsed = parsed_of[name, header.place]
            wrong = parse.impossible(parsed.values, columns[name].kind) & ~parsed.bad
            if wrong.any() and not columns[name].required:
                left_out.append((name, parse.masked(parse.words(cells.of(header)[wrong]))))
                parsed = parsed._replace(values=parsed.values.mask(wrong))
            if name in values:
                values[name] = values[name].fillna(parsed.values)
            else:
                values[name] = parsed.values
            notes += [f"{header.text}: {note}" for note in parsed.notes]
            bad.append((header.text, cells.of(header), parsed.bad, parsed.reason))
            bad.append((header.text, cells.of(header), _too_long(parsed.values), "too_long"))
            bad.append(
                (header.text, cells.of(header), wrong & columns[name].required, "impossible")
            )
            if parsed.reason == "lost_digits" and columns[name].required:
                bad.append(
                    (
                        header.text,
                        cells.of(header),
                        parsed.values.isna() & ~parse.is_empty(parse.words(cells.of(header))),
                        "lost_digits",
                    )
                )
        if name in values:
            for header in block.places(how.plus):
                more = parsed_of[name, header.place]
                values[name] = values[name] + more.values.fillna(0)
                bad.append((header.text, cells.of(header), more.bad, more.reason))
            for header in block.places(how.joined):
                values[name] = values[name] + "-" + parse.ids(cells.of(header)).values.fillna("")
    if cells.sub.any() and export.sub_rows and "sku_id" in reference.tables()[export.table].columns:
        values["sku_id"] = cells.own_id().astype("str")
    return values, bad, left_out, tuple(dict.fromkeys(notes))


def _all_parsed(
    block: Block,
    cells: _Cells,
    columns: dict[str, Column],
    *,
    order: parse.DayOrder | None,
    context: Context,
) -> dict[tuple[str, int], parse.Parsed]:
    """The parsed cells by canonical column and place in the sheet, those of a long sheet two columns at a time."""
    wanted = [
        (name, how, header)
        for name, how in block.export.columns.items()
        for header in block.places([*how.header, *how.plus])
    ]

    def parsed(one: tuple[str, SourceColumn, Header]) -> parse.Parsed:
        name, how, header = one
        return _parsed(
            cells.of(header), columns[name], how, header, name=name, order=order, context=context
        )

    if len(cells.body) < _LONG:
        return {(name, header.place): parsed((name, how, header)) for name, how, header in wanted}
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        return {
            (name, header.place): found
            for (name, _, header), found in zip(wanted, pool.map(parsed, wanted), strict=True)
        }


def _question(dated: list[pd.Series], order: parse.DayOrder) -> str:
    """What a person must say about dates whose day and month cannot be told apart."""
    example = next(filter(None, map(parse.slashed, dated)), "03/04/2026")
    why = (
        "no date of the file decides it"
        if order == "open"
        else "other dates of the file contradict each other"
    )
    answer = (
        "say so in workspace.yml (dates: day, or dates: month)"
        if order == "open"
        else "write the dates as year-month-day"
    )
    return (
        f"{example}: day and month cannot be told apart, is the day or the month first? "
        f"{why}, so the rows are kept aside; {answer}"
    )


def _flags(left_out: list[tuple[str, pd.Series]], index: pd.Index) -> dict[str, pd.Series]:
    """The column `source_flags`: `column=cell` for each cell that was left out, a line each; no column where there is none."""
    if not left_out:
        return {}
    said = pd.concat([name + "=" + cells for name, cells in left_out])
    return {
        "source_flags": said.groupby(level=0)
        .agg("\n".join)
        .reindex(index, fill_value="")
        .astype("str")
    }


def _parsed(
    cells: pd.Series,
    column: Column,
    how: SourceColumn,
    header: Header | None,
    *,
    name: str,
    order: parse.DayOrder | None,
    context: Context,
) -> parse.Parsed:
    unit = how.unit or (header.unit if header else None)
    kind = column.kind
    if how.part:
        cells = (
            parse.first_of(cells) if how.part == "first" else parse.ends_of(cells, part=how.part)
        )
    if name in HASHED:
        return parse.hashed(cells, key=context.key)
    if how.map and kind not in ("choice", "flag"):
        cells = parse.choice(cells, labels=None, words_of=how.map).values
    if kind == "id":
        return parse.ids(cells)
    if kind == "text":
        return parse.text(cells, verbatim=column.required)
    if kind == "choice":
        return parse.choice(
            cells, labels=_labels(column.terms), words_of=how.map, free=column.terms is None
        )
    if kind == "flag":
        return parse.flag(cells, words_of=how.map)
    if kind == "datetime":
        return parse.times(cells, timezone=context.timezone, order=order)
    if kind == "seconds":
        return parse.seconds(cells, unit=unit)
    return parse.numbers(cells, kind=kind, unit=unit)


def _too_long(values: pd.Series) -> pd.Series:
    """Texts and ids longer than a cell can be: a quotation mark that is not closed swallows what follows."""
    if not isinstance(values.dtype, pd.StringDtype):
        return pd.Series(False, index=values.index)
    return (values.str.len() > limits.MAX_CELL).fillna(False).astype(bool)


def _labels(terms: str | None) -> dict[str, str] | None:
    if terms is None:
        return None
    return {
        normal(word): code
        for code, label in reference.terms()[terms].items()
        for word in (label.en, label.zh, code)
    }


def _completed(
    values: dict[str, pd.Series], block: Block, context: Context
) -> dict[str, pd.Series]:
    """Values that the cells do not hold: from the file's name, constants, defaults, the currency, ends from durations."""
    export, index = block.export, block.rows.index
    columns = {**HELPERS, **reference.tables()[export.table].columns}
    made = dict(values)
    index = next(iter(values.values())).index if values else index[:0]

    def constant(name: str, word: str) -> pd.Series:
        cells = pd.Series(
            pd.Categorical.from_codes(np.zeros(len(index), dtype=np.int8), categories=[word]),
            index=index,
        )
        return _parsed(
            cells, columns[name], SourceColumn(), None, name=name, order=None, context=context
        ).values

    for name, how in export.columns.items():
        if (
            how.file
            and name not in made
            and (
                word := _from_name(context.named, export, how.file)
                or _named(export.title, block.title, how.file)
            )
        ):
            made[name] = constant(name, word)
        if how.default is not None:
            default = constant(name, how.default)
            made[name] = made[name].fillna(default) if name in made else default
        if how.when and name in made:
            made[name] = (
                made[name].where(made[how.when].notna()) if how.when in made else made[name]
            )
    for name, word in export.constants.items():
        made[name] = constant(name, word)
    if "currency" in columns:
        seen = _currency_seen(block) or context.currency
        made["currency"] = (
            made["currency"].fillna(seen) if "currency" in made else constant("currency", seen)
        )
    return _with_ends(made) if export.table == "sessions" else made


def _currency_seen(block: Block) -> str | None:
    for how_name, how in block.export.columns.items():
        column = reference.tables()[block.export.table].columns.get(how_name)
        if column is None or column.kind != "money":
            continue
        for header in block.places(how.header):
            found = parse.currency(block.rows[header.place])
            if found:
                return found
    return None


def _with_ends(values: dict[str, pd.Series]) -> dict[str, pd.Series]:
    """Start, end and duration say the same thing twice: the third follows from two where an export leaves it out."""
    if "started_at" not in values:
        return values
    start = values["started_at"]
    lasted = values.get("duration_seconds", pd.Series(index=start.index, dtype="float64"))
    ended = values.get("ended_at", pd.Series(pd.NaT, index=start.index, dtype=start.dtype))
    by_duration = start + pd.to_timedelta(
        lasted.where(lasted <= parse.LONGEST).round(), unit="s"
    ).astype("timedelta64[us]")
    by_ends = (ended - start).dt.total_seconds()
    return {
        **values,
        "ended_at": ended.fillna(by_duration),
        "duration_seconds": lasted.fillna(by_ends),
    }


def _problems(
    bad: list[tuple[str, pd.Series, pd.Series, str]], frame: pd.DataFrame, export: Export
) -> pd.DataFrame:
    """One row per row kept aside: the first cell that could not be read and why."""
    found = [
        pd.DataFrame({"column": column, "value": mend.shown(cells[mask]), "reason": reason})
        for column, cells, mask, reason in bad
        if mask.any()
    ]
    if export.table == "sessions" and {"started_at", "ended_at"} <= set(frame):
        wrong = frame["ended_at"] < frame["started_at"]
        found.append(
            pd.DataFrame(
                {
                    "column": "ended_at",
                    "value": frame.loc[wrong, "ended_at"].astype("str"),
                    "reason": "impossible",
                }
            )
        )
    every = pd.concat(found) if found else pd.DataFrame({"column": [], "value": [], "reason": []})
    return every[~every.index.duplicated()]


# ---- rates as the platform states them
# --------------------------------------------------------------------------


def _reported(block: Block, cells: _Cells) -> pd.DataFrame:
    """The platform's own rates: one row per source row and rate, with row, name, value, numerator, denominator, factor."""
    made = []
    for name, terms in block.export.reported.items():
        for header in block.places([name]):
            values = parse.numbers(cells.of(header), kind="score", unit=header.unit).values.dropna()
            made.append(
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
    return pd.concat(made, ignore_index=True) if made else pd.DataFrame(columns=columns)


# ---- what a row kept aside shows
# --------------------------------------------------------------------------------


def _raw(block: Block, rows: pd.DataFrame) -> pd.DataFrame:
    """The cells of the columns that are read and hold nothing personal. Of repeated headers the first."""
    shown = {header.text: header.place for header in reversed(shown_headers(block))}
    return rows[list(shown.values())[::-1]].set_axis(list(shown)[::-1], axis=1)


def shown_headers(block: Block) -> list[Header]:
    """Headers of columns that are read and hold nothing personal: people's ids are not among them."""
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
    """Each row as JSON text by header, empty cells too, as `mend` shows it: phone numbers and the like masked."""
    frame = pd.DataFrame({name: mend.shown(raw[name]) for name in raw}, index=raw.index)
    return pd.Series(
        [json.dumps(row, ensure_ascii=False) for row in frame.to_dict("records")],
        index=raw.index,
        dtype="str",
    )


# ---- file names
# -------------------------------------------------------------------------------------------------


def _name_disagrees(frame: pd.DataFrame, export: Export, context: Context) -> tuple[str, ...]:
    """A note for each time in the file name that is not the one in the cells; the cells count."""
    found = re.search(export.file_name, context.named) if export.file_name else None
    notes = []
    for name, stamp in (found.groupdict() if found else {}).items():
        if (
            stamp is None
            or name == "as_of"
            or name not in frame
            or not isinstance(frame[name].dtype, pd.DatetimeTZDtype)
        ):
            continue
        stated = _moment(stamp, context.timezone)
        if (
            len(frame)
            and pd.notna(stated)
            and ((frame[name] - stated).abs() > pd.Timedelta(minutes=1)).all()
        ):
            notes.append(
                f"the file name says {name} {stated:%Y-%m-%d %H:%M:%S}, the sheet says "
                f"{frame[name].iloc[0]:%Y-%m-%d %H:%M:%S}: the sheet counts"
            )
    return tuple(notes)


def _from_name(file: str, export: Export, group: str) -> str | None:
    return _named(export.file_name, file, group)


def _named(pattern: str | None, words: str, group: str) -> str | None:
    found = re.search(pattern, words) if pattern else None
    return found.groupdict().get(group) if found else None


def exported_at(file: str, export: Export | None, *, timezone: str) -> pd.Timestamp:
    """When a file was exported, as its name says: the group `as_of` of `file_name`, a leading epoch, a last 14 digits; else missing."""
    stamp = _from_name(file, export, "as_of") if export else None
    if stamp is None:
        stamped = re.match(r"(1\d{9})_", file) or re.search(r"[_-](20\d{12})\.\w+$", file)
        stamp = stamped[1] if stamped else None
    if stamp is None:
        return pd.NaT
    if re.fullmatch(r"20\d{6}(?:\d{6})?", stamp):
        moment = pd.to_datetime(
            stamp, format="%Y%m%d%H%M%S" if len(stamp) == 14 else "%Y%m%d", errors="coerce"
        )
        if pd.isna(moment):  # digits that are no date: an order's or a batch's number
            return pd.NaT
        stamp = moment.isoformat(" ")
    return _moment(stamp, timezone)


@functools.lru_cache(maxsize=256)
def _moment(stamp: str, timezone: str) -> pd.Timestamp:
    return parse.times(pd.Series([stamp], dtype="str"), timezone=timezone).values.iloc[0]


def with_session_ids(frame: pd.DataFrame, export: Export) -> pd.DataFrame:
    """Rows that name platform, start and (where known) room get their session id."""
    start = "started_at" if export.table == "sessions" else "session_started_at"
    if start not in frame or "platform" not in frame:
        return frame
    room = frame["room"] if "room" in frame else pd.Series(index=frame.index, dtype="str")
    named = frame[start].notna() & frame["platform"].notna()
    made = [
        schema.session_id(platform, account if isinstance(account, str) else None, at)
        if known
        else None
        for platform, account, at, known in zip(
            frame["platform"], room, frame[start], named, strict=True
        )
    ]
    ids = pd.Series(made, index=frame.index, dtype="str")
    return frame.assign(
        session_id=frame["session_id"].fillna(ids) if "session_id" in frame else ids
    )
