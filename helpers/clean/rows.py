"""The rows of a block that are records: totals, notes and headers of sub-rows are none."""

import pandas as pd

from helpers.clean.cells import filled, is_empty, words
from helpers.clean.recognise import Block, Header, normal

TOTAL_WORDS = {"合计", "总计", "小计", "汇总", "total", "grand total", "subtotal"}


def without(frame: pd.DataFrame, rows: pd.Index) -> pd.DataFrame:
    """The frame without these rows; itself where there are none, as a long one is dear to copy."""
    return frame[~frame.index.isin(rows)] if len(rows) else frame


def first_of_each_row(problems: list[pd.DataFrame]) -> pd.DataFrame:
    """The first problem (column, value, reason by row number) of each row."""
    if not problems:
        return pd.DataFrame({"column": [], "value": [], "reason": []})
    every = pd.concat(problems)
    return every[~every.index.duplicated()]


def not_records(block: Block) -> pd.Series:
    """Rows that are no records: the description below the headers, totals, headers of sub-rows."""
    rows, export = block.rows, block.export
    marked = pd.Series(False, index=rows.index)
    if export.layout != "rows" or rows.empty:
        return marked
    if export.description_row:
        for row in rows.index[:3]:
            marked[row] = any(export.description_row in str(cell) for cell in rows.loc[row])
    first = words(rows[block.headers[0].place])
    marked |= first.str.lower().isin(TOTAL_WORDS) | _notes(rows, last=block.last)
    sub = _sub_rows(block)
    for name, marks in export.totals.items():
        for header in block.places([name]):
            cells = words(rows[header.place])
            hit = cells.isin(marks) | (is_empty(cells) & ("" in marks))
            marked |= hit & ~sub
    return marked | _sub_headers(block)


def _notes(rows: pd.DataFrame, *, last: bool) -> pd.Series:
    """Rows of one cell of words: a remark (注：…), or the title of the next table of the sheet."""
    alone = rows.iloc[:, :1]
    for place in list(rows)[1:]:
        if len(alone):
            alone = alone[words(rows.loc[alone.index, place], code=False).isna()]
    first = words(alone.iloc[:, 0])
    remarks = first.str.match(r"(?:注|说明|备注|note|notes|\*)\s*[:：*]", case=False, na=False)
    titles = (alone.index == rows.index[-1]) & (not last)
    return (remarks | titles).reindex(rows.index, fill_value=False)


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
