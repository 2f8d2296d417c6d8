"""Rows that hold several lines: a list of ids in a cell makes as many rows of it.

A list is found in the columns of ids alone, so that text with commas stays whole. Amounts and
pieces that the row states once (`tables.yml`: shared) are shared among its lines, to the cent: by
the lines' list amounts, or list prices times pieces, where the export states them line by line
(`list_amount`, `list_price` of its mapping); else all of it stands on the first line, 0 on the
others.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import parse
from helpers.clean.cells import digits_alone, distinct, filled, is_text, words
from helpers.clean.notes import note
from helpers.clean.recognise import Block, Header
from helpers.clean.rows import without
from helpers.reference.schema import NUMBERS

# what no id holds, then what an id holds only between parts that are long
_SURE = (r"\r?\n", "[;；]", r"[|｜]", "、")
_LONG = {"[,，]": r"[\w-]{6,}", r"[/+&]": r"\d{10,}", r"\s+": r"\d{10,}"}
_ANY = r"[^0-9A-Za-z_.-]"
_EDGE = " \t\r\n;；|｜、,，/+&'\"\xa0\u3000\u200b\ufeff"
_GROUPS = r"\D*\d{1,3}(?:[,，]\d{3})+(?:\.\d+)?\D*"


class Lines(NamedTuple):
    """The rows of a table, those of several lines as so many; what could not be split.

    Line k of row r is labelled r + k x `step` (`row_of`; 0 where no row was split). `line` is the
    place of each line of a split row; `listed` says by column which of their cells were lists,
    `weights` what amounts are shared by.
    """

    rows: pd.DataFrame
    aside: pd.DataFrame
    notes: tuple[str, ...]
    step: int
    line: pd.Series
    listed: dict[int, pd.Series]
    weights: pd.Series
    shared_names: frozenset[str]

    def shared(self, values: pd.Series, name: str, place: int) -> pd.Series:
        """A column of numbers, with what a row states once shared among its lines."""
        if name not in self.shared_names or self.line.empty:
            return values
        once = self.line.index[~self.listed[place]] if place in self.listed else self.line.index
        if once.empty:
            return values
        row = pd.Series(once % self.step, index=once)
        share = shares(values.loc[once], name, self.weights.loc[once], row)
        return values.astype("float64").mask(values.index.isin(once), share)


def row_of(labels: pd.Index, step: int) -> pd.Index:
    """The row of the sheet that each label means."""
    return labels % step if step else labels


def split(block: Block, body: pd.DataFrame) -> Lines:
    """The rows of `body`, those that hold a list of ids split into lines or set aside."""
    export, table = block.export, reference.tables()[block.export.table]
    none = Lines(body, _aside({}), (), 0, pd.Series(dtype="float64"), {}, pd.Series(), frozenset())
    if export.layout != "rows" or export.sub_rows or body.empty:
        return none
    headers = _id_headers(block, table)
    marks = {header.place: _marks(body[header.place]) for header in headers}
    marks = {place: mark_of for place, mark_of in marks.items() if len(mark_of)}
    if not marks:
        return none
    counts = _counts(body, marks)
    of_key = {header.place for header in _key_headers(block, table)}
    of_order = {header.place for header in block.places(_names(export.columns.get("order_id")))}
    of_line = of_key - of_order if table.shared else of_key
    named = (
        counts[[place for place in counts if place in of_line or not of_line]].notna().any(axis=1)
    )
    alike = counts.min(axis=1) == counts.max(axis=1)
    parted = named & alike & bool(table.shared)
    one_record = ~named & (not table.shared or table.attribute.startswith("order"))
    text_of = {header.place: header.text for header in headers}
    bad = counts.index[~parted & ~one_record]
    aside = _aside(
        {
            row: (text_of[place], str(body.at[row, place]))
            for row in bad
            for place in [counts.loc[row].first_valid_index()]
        }
    )
    notes: list[str] = []
    body = without(body, aside.index)
    if one_record.any():
        body = _without_lists(body, counts[one_record])
        notes.append(note("one_record", rows=int(one_record.sum())))
    rows = counts.index[parted]
    if rows.empty:
        return none._replace(rows=body, aside=aside, notes=tuple(notes))
    mark_of = pd.DataFrame(marks).loc[rows].bfill(axis=1).iloc[:, 0]
    size = counts.loc[rows].max(axis=1).astype(int)
    unclear = _aside(_doubtful(block, body, mark_of, size))
    aside, body = pd.concat([aside, unclear]), without(body, unclear.index)
    mark_of, size = mark_of.drop(unclear.index), size.drop(unclear.index)
    if size.empty:
        return none._replace(rows=body, aside=aside, notes=tuple(notes))
    notes.append(note("several_lines", rows=len(size), lines=int(size.sum())))
    lines = _exploded(block, body, mark_of, size)
    weights = _weights(block, lines)
    return lines._replace(
        aside=aside, notes=tuple(notes), weights=weights, shared_names=frozenset(table.shared)
    )


def _names(how: reference.SourceColumn | None) -> list[str]:
    return [*how.header, *how.joined] if how else []


def _id_headers(block: Block, table: reference.Table) -> list[Header]:
    names = [
        name
        for column, how in block.export.columns.items()
        if column in table.columns
        and table.columns[column].kind == "id"
        and not column.endswith("_key")
        for name in _names(how)
    ]
    return block.places(names)


def _key_headers(block: Block, table: reference.Table) -> list[Header]:
    ids = [name for name in table.key if table.columns[name].kind == "id"]
    return block.places([name for key in ids for name in _names(block.export.columns.get(key))])


def _marks(cells: pd.Series) -> pd.Series:
    """What parts the ids of cells that hold several, by row."""
    values, places = distinct(cells)
    is_plain = isinstance(values.dtype, pd.StringDtype)
    texts = values if is_plain else values[is_text(values)].astype("str")
    texts = texts[~digits_alone(texts)]  # what nearly all are
    texts = texts.str.strip(_EDGE)
    likely = filled(texts[texts.str.contains(_ANY, na=False)]).dropna()
    mark_of = {at: mark for at, value in likely.items() if (mark := _mark(value))}
    marks = pd.Series(mark_of, dtype="object").reindex(values.index)
    if places is not None:
        marks = pd.Series(marks.to_numpy()[places], index=cells.index)
    return marks.dropna()


def _mark(value: str) -> str | None:
    value = value.strip(_EDGE)
    for mark in _SURE:
        if re.search(mark, value):
            return mark
    for mark, long in _LONG.items():
        parts = [part.strip(_EDGE) for part in re.split(mark, value)]
        if len(parts) > 1 and all(re.fullmatch(long, part) for part in parts):
            return mark
    return None


def _parts(value: object, mark: str) -> list[str]:
    """The parts of a text; one that is empty at the end only closes the last."""
    text = value if isinstance(value, str) else ""
    parts = [part.strip(" \t\r\n\xa0\u3000") for part in re.split(mark, text)]
    while len(parts) > 1 and not parts[-1]:
        parts.pop()
    return parts


def _ids(value: object, mark: str) -> list[str]:
    return [part.strip(_EDGE) for part in _parts(words(pd.Series([value])).iloc[0], mark)]


def _counts(body: pd.DataFrame, marks: dict[int, pd.Series]) -> pd.DataFrame:
    """How many ids a cell holds, by row and column; missing where it is one."""
    counts = {
        place: pd.Series(
            [float(len(_ids(body.at[row, place], mark))) for row, mark in mark_of.items()],
            index=mark_of.index,
        )
        for place, mark_of in marks.items()
    }
    return pd.DataFrame(counts).sort_index()


def _without_lists(body: pd.DataFrame, counts: pd.DataFrame) -> pd.DataFrame:
    """Without the ids of which a record names several: none of them is its own."""
    kept = body.copy()
    for place, count in counts.items():
        column = kept[place].astype("object")
        column.loc[count.dropna().index] = None
        kept = kept.drop(columns=place).assign(cells=column).rename(columns={"cells": place})
    return kept[list(body)]


def _aside(bad: dict[int, tuple[str, str]]) -> pd.DataFrame:
    rows = {
        "column": [column for column, _ in bad.values()],
        "value": [value for _, value in bad.values()],
        "reason": "joined",
    }
    return pd.DataFrame(rows, index=pd.Index(list(bad), dtype="int64"))


def _exploded(block: Block, body: pd.DataFrame, mark_of: pd.Series, size: pd.Series) -> Lines:
    """Each row as its lines: cells of as many parts part with the ids, the others repeat."""
    step = int(max(body.index.max(), 0)) + 1
    times = size.reindex(body.index).fillna(1).astype(int)
    at = np.repeat(np.arange(len(body)), times)
    nth = pd.Series(at).groupby(at).cumcount().to_numpy()
    rows = body.iloc[at].set_axis(body.index[at] + nth * step, axis=0)
    parted = rows.index[np.isin(at, np.flatnonzero(body.index.isin(size.index)))]
    line = pd.Series(parted // step, index=parted, dtype="float64")
    kinds = _kinds(block)
    listed: dict[int, pd.Series] = {}
    for place in body:
        cells, kind = body[place], kinds.get(place, "text")
        lists = {
            row: parts for row, mark in mark_of.items()
            if len(parts := _read(cells.at[row], mark, kind)) == size[row] and size[row] > 1
        }  # fmt: skip
        if kind in ("text", "choice") and not _always(cells, mark_of, lists):
            lists = {}
        column = rows[place].astype("object")
        of_lists = pd.Series(parted % step, index=parted).isin(list(lists))
        if lists:
            values = [lists[label % step][label // step] or None for label in parted[of_lists]]
            column.loc[parted[of_lists]] = values
            rows = rows.drop(columns=place).assign(cells=column).rename(columns={"cells": place})
        listed[place] = of_lists
    empty = _aside({})
    return Lines(rows[list(body)], empty, (), step, line, listed, pd.Series(), frozenset())


def _kinds(block: Block) -> dict[int, str]:
    """What the columns hold that are mapped or shared by, by place."""
    columns = reference.tables()[block.export.table].columns
    kinds = {
        header.place: columns[name].kind
        for name, how in block.export.columns.items()
        if name in columns
        for header in block.places([*how.header, *how.plus, *how.joined])
    }
    lists = block.places([*block.export.list_amount, *block.export.list_price])
    return {header.place: "money" for header in lists} | kinds


def _read(value: object, mark: str, kind: str) -> list[str]:
    if not isinstance(value, str):
        return []
    if kind == "id":
        return _ids(value, mark)
    parts = _parts(value, mark)
    if mark in _SURE or (mark == "[,，]" and kind in ("text", "choice", "flag")):
        return parts
    if mark != "[,，]":  # spaces and slashes part long ids alone
        return []
    if kind == "datetime":  # Apr 12, 2026 is one day
        lengths = [len(part) for part in parts]
        long = all(len(re.findall(r"\d", part)) >= 6 for part in parts)
        return parts if long and max(lengths) - min(lengths) <= 2 else []
    # 1,234.00 is one figure: only figures with decimals, or smaller ones, are a list
    pointed = all(re.search(r"\d\.\d+$", part) for part in parts)
    return parts if pointed or not re.fullmatch(_GROUPS, value.strip()) else []


def _doubtful(block: Block, body: pd.DataFrame, mark_of: pd.Series, size: pd.Series) -> dict:
    """Rows with a cell such as 100,200, one figure or two, and that cell."""
    numbers = [place for place, kind in _kinds(block).items() if kind in NUMBERS]
    text_of = {header.place: header.text for header in block.headers}
    return {
        row: (text_of[place], value)
        for row, mark in mark_of.items()
        if mark == "[,，]"
        for place in numbers
        if isinstance(value := body.at[row, place], str)
        and re.fullmatch(_GROUPS, value.strip())
        and "." not in value
        and len(_parts(value, mark)) == size[row]
    }


def _always(cells: pd.Series, mark_of: pd.Series, lists: dict[int, list[str]]) -> bool:
    """Whether a column of words has its marks where it is a list, and nowhere else."""
    marks = "|".join(mark_of.unique())
    holds = words(cells, code=False).str.contains(marks, na=False)
    return bool(lists) and set(cells.index[holds]) <= set(lists)


def _weights(block: Block, lines: Lines) -> pd.Series:
    """What each line is worth beside the others of its row; 1 and 0 where nothing tells."""

    def stated(names: list[str]) -> pd.Series | None:
        for header in block.places(names):
            cells = lines.rows.loc[lines.line.index, header.place]
            values = parse.numbers(cells, kind="money", unit=header.unit).values
            return values.where(lines.listed[header.place])
        return None

    first = (lines.line == 0).astype("float64")
    amounts, prices = stated(block.export.list_amount), stated(block.export.list_price)
    if prices is not None:
        how = block.export.columns.get("qty")
        pieces = stated(how.header) if how else None
        worth = prices * (1 if pieces is None else pieces.fillna(1))
        amounts = worth if amounts is None else amounts.fillna(worth)
    if amounts is None:
        return first
    row = pd.Series(lines.line.index % lines.step, index=lines.line.index)
    whole = amounts.ge(0).groupby(row).transform("all") & (
        amounts.groupby(row).transform("sum") > 0
    )
    return amounts.where(whole, first)


def shares(stated: pd.Series, name: str, weights: pd.Series, row: pd.Series) -> pd.Series:
    """What each line has of a figure that its row states once: one piece, or cents by weight.

    Cents add up to what is stated: each share is the step of a rounded running sum.
    """
    if name == "qty":
        size = row.groupby(row).transform("size")
        rest = (stated - size).where(stated >= size, stated)
        other = (stated >= size).astype("float64").where(stated.notna())
        return other.where(row.duplicated(), rest + other)
    upto = weights.groupby(row).cumsum() / weights.groupby(row).transform("sum")
    cents = (stated * 100).round()
    running = (cents * upto).round()
    return (running - running.groupby(row).shift(fill_value=0)) / 100
