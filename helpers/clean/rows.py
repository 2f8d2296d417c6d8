"""The rows of a block that are records: totals, notes and headers of sub-rows are none."""

import functools
import itertools
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import mend
from helpers.clean.cells import filled, is_empty, words
from helpers.clean.notes import note
from helpers.clean.recognise import Block, Header, normal
from helpers.clean.sheet import Sheet
from helpers.clean.totals import Totals, totals

_TOLD_BY = 1_000  # rows before a last one
_MOST_FILLED = 10_000_000  # cells of merged ranges


def as_shown(block: Block, sheet: Sheet) -> Block:
    """The block with its merged cells filled as they are shown, and what of its rows is hidden.

    A figure that adds up is not filled: it may be of each row, or of all together.
    """
    columns = reference.tables()[block.export.table].columns
    sums = {
        header.place: header.text
        for name, how in block.export.columns.items()
        if name in columns and (columns[name].is_sum or columns[name].kind == "users")
        for header in block.places([*how.header, *how.plus])
    }
    rows, shared = block.rows, []
    end = sheet.grid.index[-1] if sheet.cut and not _is_whole(sheet, rows) else None
    if end is not None and block.last and end not in rows.index:  # cut in an empty row
        rows = pd.concat([rows, sheet.grid.loc[[end], list(rows)]])
    places = {row: at for at, row in enumerate(rows.index)} if sheet.merged and len(rows) else {}
    columns_of, filled_cells = {}, 0
    for (top, left), (bottom, right) in sheet.merged if len(rows) else ():
        last, right = min(bottom + 1, rows.index[-1]), min(right, rows.columns[-1])
        filled_cells += max(last - top, 0) * max(right - left + 1, 0)
        if filled_cells > _MOST_FILLED:  # ranges that overlap, which Excel never writes
            break
        at = [places[row] for row in range(top + 1, last + 1) if row in places]
        if not at or top + 1 not in places or left not in rows:
            continue
        value = rows.iat[at[0], rows.columns.get_loc(left)]
        if top == bottom and _fills_alone(rows.iloc[at[0]], left, right):
            continue
        for place in range(left, right + 1):
            if place not in sums:
                cells = columns_of.setdefault(place, rows[place].to_numpy(object).copy())
                cells[at] = value
            elif (len(at) > 1 or right > left) and not is_empty(words(pd.Series([value])))[0]:
                shown = mend.shown(pd.Series([value], dtype=object))[0]
                problem = {"column": sums[place], "value": shown, "reason": "merged"}
                shared.append(pd.DataFrame(problem, index=rows.index[at]))
    if columns_of:
        rows = rows.copy()
        for place, cells in columns_of.items():
            rows[place] = pd.Series(cells, index=rows.index, dtype=object)
    return block._replace(
        rows=rows,
        hidden=sheet.hidden,
        cut=end,
        shared=first_of_each_row(shared) if shared else None,
    )


def _is_whole(sheet: Sheet, rows: pd.DataFrame) -> bool:
    """Whether a last row of fewer cells is a remark: of one cell, as none of its column begins."""
    if sheet.cut == "open" or not len(_cells_alone(rows.tail(1))):
        return False
    *others, text = words(rows.iloc[-_TOLD_BY:, 0], code=False).fillna("")
    return not text[:1].isdigit() and not any(other.startswith(text) for other in others)


def _fills_alone(row: pd.Series, left: int, right: int) -> bool:
    """Whether a row has no cell beside a merged one: a title, a remark."""
    cells = words(row.astype(object))
    return cells[[place for place in row.index if not left <= place <= right]].isna().all()


def without(frame: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """The frame without these rows; itself where there are none, as a long one is dear to copy."""
    return frame[~frame.index.isin(rows)] if len(rows) else frame


def first_of_each_row(problems: list[pd.DataFrame]) -> pd.DataFrame:
    """The first problem (column, value, reason by row number) of each row."""
    if not problems:
        return pd.DataFrame({"column": [], "value": [], "reason": []})
    every = pd.concat(problems)
    return every[~every.index.duplicated()]


class NotRecords(NamedTuple):
    """The rows of a block that are no records, and those whose place is unclear.

    `rows`: descriptions, totals, remarks, headers of sub-rows; `totals` has of each total the
    rows that it adds up; `aside` has column, value and reason by number of the row.
    """

    rows: pd.Series
    totals: dict[int, pd.Index]
    aside: pd.DataFrame
    notes: tuple[str, ...]


def not_records(block: Block) -> NotRecords:
    """The rows that are no records: the description below the headers, totals, remarks."""
    rows, export = block.rows, block.export
    marked = pd.Series(False, index=rows.index)
    if export.layout != "rows" or rows.empty:
        return NotRecords(marked, {}, first_of_each_row([]), ())
    if export.description_row:
        for row in rows.index[:3]:
            marked[row] = any(export.description_row in str(cell) for cell in rows.loc[row])
    marked |= _of_words(block, rows.iloc[:1]).reindex(rows.index, fill_value=False)
    foreign, notes = _other_tables(block, without(rows, rows.index[marked]))
    marked |= foreign.reindex(rows.index, fill_value=False)
    marked |= _remarks(block, rows) | _sub_headers(block)
    main = without(rows, rows.index[marked | _sub_rows(block)])
    by_sums = totals(block, main)
    hidden = rows.index.isin(block.hidden)
    if hidden.any():
        shown = totals(block, main[~main.index.isin(block.hidden)])
        left = _sums(shown) > _sums(by_sums)
        by_sums = shown if left else by_sums
        marked |= hidden & left
        notes += (note("hidden_left_out" if left else "hidden_read", rows=int(hidden.sum())),)
    marked[list(by_sums.parts)] = True
    aside = [by_sums.off] if block.shared is None else [by_sums.off, block.shared]
    if block.cut in rows.index and not marked[block.cut]:
        text = mend.shown(rows.loc[[block.cut]].iloc[:, 0])
        cut = {"column": block.headers[0].text, "value": text, "reason": "cut"}
        aside.insert(0, pd.DataFrame(cut))
    aside = first_of_each_row(aside)
    return NotRecords(marked, by_sums.parts, aside[~marked[aside.index]], (*notes, *by_sums.notes))


def _sums(by_sums: Totals) -> int:
    """How many of the rows that are called totals, or may be some, are sums."""
    return sum(len(parts) > 0 for parts in by_sums.parts.values()) - len(by_sums.off)


def _cells_alone(rows: pd.DataFrame) -> pd.Series:
    """The text of rows of one cell, by number of the row."""
    count, text = np.zeros(len(rows), dtype=int), {}
    for place in rows:
        some = np.flatnonzero(count < 2)
        if not len(some):
            break
        cells = words(rows[place] if len(some) == len(rows) else rows[place].iloc[some], code=False)
        filled_at = some[cells.notna().to_numpy()]
        count[filled_at] += 1
        text[place] = cells
    alone = rows.index[count == 1]
    cells = [of_column.reindex(alone) for of_column in text.values()]
    return functools.reduce(pd.Series.fillna, cells) if cells else pd.Series(dtype="str")


def _remarks(block: Block, rows: pd.DataFrame) -> pd.Series:
    """Rows of one cell of words: remarks, at an end whatever they say, and titles of tables."""
    text = _cells_alone(rows)
    remark = "|".join(reference.row_words().remarks)
    remarked = text.str.replace(r"\s", "", regex=True).str.match(f"(?i:{remark})", na=False)
    spoken = text.str.contains(r"[^\W\d_]", na=False) & (len(block.headers) > 1)
    ends = {
        row
        for way in (rows.index, rows.index[::-1])
        for row in itertools.takewhile(text.index.__contains__, way)
    }
    at_end = text.index.isin(ends) & spoken & (text.index != block.cut)
    titles = (text.index == rows.index[-1]) & (not block.last)
    return (remarked | at_end | titles).reindex(rows.index, fill_value=False)


def _of_words(block: Block, rows: pd.DataFrame) -> pd.Series:
    """Rows of words alone, some of them where figures or times would stand."""
    columns = reference.tables()[block.export.table].columns
    figures = {
        header.place
        for name, how in block.export.columns.items()
        if name in columns and columns[name].kind not in ("id", "text", "choice", "flag")
        for header in block.places([*how.header, *how.plus])
    }
    verdicts = []
    for row in rows.to_numpy(dtype=object):
        texts = filled(pd.Series(row, index=list(rows), dtype=object)).dropna()
        digits = any(char.isdigit() for text in texts for char in text)
        verdicts.append(len(texts) > 1 and not digits and not figures.isdisjoint(texts.index))
    return pd.Series(verdicts, index=rows.index, dtype=bool)


def _other_tables(block: Block, rows: pd.DataFrame) -> tuple[pd.Series, tuple[str, ...]]:
    """Rows of another table below: its own headers follow an empty row."""
    numbers = rows.index.to_numpy()
    after_gap = rows.iloc[1:][np.diff(numbers) > 1]
    heads = _of_words(block, after_gap)
    if not heads.any():
        return pd.Series(False, index=rows.index), ()
    first = after_gap.index[heads][0]
    below = note("other_table", first=int(first), last=int(numbers[-1]))
    return pd.Series(numbers >= first, index=rows.index), (below,)


def _sub_rows(block: Block) -> pd.Series:
    if block.export.sub_rows is None or block.rows.empty:
        return pd.Series(False, index=block.rows.index)
    first = words(block.rows[block.headers[0].place])
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


class BlockCells:
    """The cells of a block by header; sub-rows are read through their own, where they have some."""

    def __init__(self, block: Block, body: pd.DataFrame) -> None:
        self.block, self.body = block, body
        self.sub = _sub_rows(block).loc[body.index]
        self.moved = self._moved_places()

    def _moved_places(self) -> dict[str, int]:
        headers = self.block.rows[_sub_headers(self.block)]
        if headers.empty:
            return {}
        main_names = {header.known for header in self.block.headers}
        places = {
            normal(cell): place for place, cell in headers.iloc[0].items() if isinstance(cell, str)
        }
        moved = {name: place for name, place in places.items() if name in main_names}
        of_id = normal(self.block.export.sub_rows.header)
        return {**(moved if len(moved) > 1 else {}), of_id: places[of_id]}

    def of(self, header: Header) -> pd.Series:
        main = self.body[header.place]
        if not self.sub.any() or header.known not in self.moved:
            return main
        return main.astype(object).where(~self.sub, self.body[self.moved[header.known]])

    def own_id(self) -> pd.Series:
        """The id of sub-rows.

        Below their own header, else behind the mark in the first cell, else in the named column.
        """
        rule = self.block.export.sub_rows
        ids = words(self.body[self.block.headers[0].place]).str[len(rule.starts) :].str.strip()
        for place in [
            self.moved.get(normal(rule.header or "")),
            *(header.place for header in self.block.places([rule.id])),
        ]:
            if place in self.moved.values():
                ids = filled(self.body[place]).fillna(ids)
            elif place is not None:
                ids = ids.mask(ids == "").fillna(filled(self.body[place]))
        return ids.mask(ids == "").where(self.sub)
