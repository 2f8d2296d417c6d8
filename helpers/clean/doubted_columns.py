"""Columns that are not what their header says, as the others of their table tell.

A second column of the same name, a running total, shares in place of people, and the amount of a
whole order on each of its lines.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import joined_lines, mend, parse
from helpers.clean.cells import all_differ, filled
from helpers.clean.columns import are_shares, is_running_total
from helpers.clean.notes import note
from helpers.clean.recognise import Block, Header, normal
from helpers.clean.rows import BlockCells

_CENT = 0.005
_FEWEST_ORDERS = 3  # that show what a column does
_SAMPLE = 1_000  # lines
_PAYMENTS = ("created", "paid")


class BadCells(NamedTuple):
    """Cells of a column that are no values, and why."""

    column: str
    cells: pd.Series
    bad: pd.Series
    reason: str | pd.Series

    def frame(self) -> pd.DataFrame:
        shown = mend.shown(self.cells[self.bad])
        reason = self.reason if isinstance(self.reason, str) else self.reason[self.bad]
        return pd.DataFrame({"column": self.column, "value": shown, "reason": reason})


def twins(block: Block, cells: BlockCells, header: Header) -> list[BadCells]:
    """Cells of a second column of the same name that state another figure."""
    same = [h for h in block.headers if h.known == header.known and h.place != header.place]
    if not same:
        return []
    first = filled(cells.of(header))
    others = [(twin, filled(cells.of(twin))) for twin in same if twin.place in cells.body]
    return [
        BadCells(
            twin.text,
            cells.of(twin),
            first.notna() & (first != other.fillna(first)),
            "two_columns",
        )
        for twin, other in others
    ]


def running_totals(values: dict[str, pd.Series], block: Block, cells: BlockCells) -> list[BadCells]:
    """Cells of columns that add up step by step where each row is of a step; their values go."""
    table = reference.tables()[block.export.table]
    left_out = []
    for name in values if table.steps in values else ():
        column = table.columns.get(name)
        if column is None or not (column.is_sum or column.kind == "users"):
            continue
        if is_running_total(values[name], values[table.steps]):
            header = block.places(block.export.columns[name].header)[0]
            given = values[name].notna()
            left_out.append(BadCells(header.text, cells.of(header), given, "running_total"))
            values[name] = values[name].mask(given)
    return left_out


def shares_of_people(
    values: dict[str, pd.Series], block: Block, cells: BlockCells
) -> list[BadCells]:
    """Cells of people that make 100 in each division; a header that states a unit is believed."""
    table = reference.tables()[block.export.table]
    if table.divided_by not in values:
        return []
    of_which = [name for name in values if name in ("session_id", "session_started_at")]
    sets = pd.DataFrame({name: values[name] for name in [*of_which, table.divided_by]})
    bad = []
    people = [name for name, column in table.columns.items() if column.kind == "users"]
    for name in [name for name in people if name in values]:
        header = block.places(block.export.columns[name].header)[0]
        if normal(header.text) == header.known and are_shares(values[name], sets):
            bad.append(BadCells(header.text, cells.of(header), values[name].notna(), "shares"))
    return bad


class Repeated(NamedTuple):
    """Amounts of whole orders: shared among their lines, or else cells in doubt; and notes."""

    values: dict[str, pd.Series]
    bad: list[BadCells]
    notes: list[str]


def repeated_amounts(
    values: dict[str, pd.Series],
    block: Block,
    cells: BlockCells,
    lines: joined_lines.Lines | None,
) -> Repeated:
    """Columns whose amount is the whole order's on each of its lines.

    So it is where the lines of every order of several products state one amount, in three orders
    at least, and no line's amount is its own as its price or orders of one line tell. It is certain
    where the list amounts of the lines make it: then it is shared among them by these.
    """
    repeated = Repeated({}, [], [])
    table = reference.tables()[block.export.table]
    paying = [name for name in table.shared if table.columns[name].line in _PAYMENTS]
    paying = [name for name in paying if name in values]
    if lines is None or not paying:
        return repeated
    first = _lines({name: cells.iloc[:_SAMPLE] for name, cells in values.items()}, table, lines)
    if first is None:
        return repeated
    # the first lines of most exports tell otherwise
    paying = [name for name in paying if not _are_own(_stated(first, values[name]))]
    if not paying or all_differ(values["order_id"]):
        return repeated
    of_line = _lines(values, table, lines)
    several = of_line[of_line["order"].duplicated(keep=False)]
    worth = None
    for name in paying:
        stated = _stated(several, values[name])
        if not _is_repeated(stated):
            continue
        worth = _worth(block, cells, several) if worth is None else worth
        if _is_own(stated, worth, of_line, values[name]):
            continue
        header = block.places(block.export.columns[name].header)[0]
        equal = stated["amount"] > 0
        equal &= stated.groupby("order")["amount"].transform("nunique") == 1
        equal &= stated.groupby("order")["amount"].transform("size") > 1
        whole = stated[equal]
        of_lines = worth.loc[whole.index].groupby(whole["order"]).transform("sum", min_count=1)
        of_order = whole.groupby("order")["amount"].transform("size")
        certain = (of_lines - whole["amount"]).abs() <= _CENT * (of_order + 1)
        if certain.all():
            weights = worth.loc[whole.index]
            share = joined_lines.shares(whole["amount"], name, weights, whole["order"])
            repeated.values[name] = values[name].mask(values[name].index.isin(share.index), share)
            count = int(whole["order"].nunique())
            repeated.notes.append(note("order_amounts", column=header.text, orders=count))
        else:
            doubted = pd.Series(values[name].index.isin(whole.index), index=values[name].index)
            repeated.bad.append(BadCells(header.text, cells.of(header), doubted, "order_amount"))
    return repeated


def _lines(
    values: dict[str, pd.Series], table: reference.Table, lines: joined_lines.Lines
) -> pd.DataFrame | None:
    """Order, product and pieces of each line; None where a table or export has no such lines.

    Rows that hold several lines are none of these: their amounts were shared already.
    """
    products = [name for name in ("product_id", "product_name") if name in values]
    if not table.shared or "order_id" not in values or not products:
        return None
    product = values[products[0]].astype("str")
    for name in products[1:]:
        product = product.fillna(values[name].astype("str"))
    pieces = values["qty"].fillna(1).clip(lower=1) if "qty" in values else 1.0
    of_line = pd.DataFrame({"order": values["order_id"], "product": product, "qty": pieces})
    if not len(lines.line):
        return of_line
    row = pd.Series(joined_lines.row_of(of_line.index, lines.step), index=of_line.index)
    return of_line[~row.duplicated(keep=False)]


def _stated(of_line: pd.DataFrame, amounts: pd.Series) -> pd.DataFrame:
    """The lines that state an amount, with it."""
    return of_line.assign(amount=amounts.loc[of_line.index]).dropna(subset="amount")


def _of_several(stated: pd.DataFrame) -> pd.DataFrame:
    """The least and the most that lines of each paid order of several products state."""
    by_order = stated.groupby("order")
    most, products = by_order["amount"].max(), by_order["product"].nunique()
    several = (products > 1) & (most > 0)
    return pd.DataFrame({"least": by_order["amount"].min(), "most": most})[several]


def _are_own(stated: pd.DataFrame) -> bool:
    """Whether the lines of some order of several products state different amounts."""
    several = _of_several(stated)
    return bool((several["least"] != several["most"]).any())


def _is_repeated(stated: pd.DataFrame) -> bool:
    """Whether the lines of every order of several products state one amount."""
    several = _of_several(stated)
    return len(several) >= _FEWEST_ORDERS and bool((several["least"] == several["most"]).all())


def _worth(block: Block, cells: BlockCells, several: pd.DataFrame) -> pd.Series:
    """What each line is worth by its list amount, or list price times pieces."""
    worth = pd.Series(np.nan, index=several.index)
    for names, pieces in (
        (block.export.list_amount, 1.0),
        (block.export.list_price, several["qty"]),
    ):
        for header in block.places(names)[:1]:
            prices = cells.of(header).loc[several.index]
            read = parse.numbers(prices, kind="money", unit=header.unit).values
            worth = worth.fillna(read * pieces)
    return worth


def _is_own(
    stated: pd.DataFrame, worth: pd.Series, of_line: pd.DataFrame, amounts: pd.Series
) -> bool:
    """Whether all lines of some order state their own amount, as its price or other orders tell."""
    alone = of_line[~of_line["order"].duplicated(keep=False)]
    usual = (amounts.loc[alone.index] / alone["qty"]).round(2)
    pairs = pd.MultiIndex.from_arrays([alone["product"], usual])
    of_these = pd.MultiIndex.from_arrays(
        [stated["product"], (stated["amount"] / stated["qty"]).round(2)]
    )
    by_itself = ((worth.loc[stated.index] - stated["amount"]).abs() <= _CENT) | of_these.isin(pairs)
    several = stated.groupby("order")["product"].transform("nunique") > 1
    paid = several & (stated["amount"] > 0)
    return bool(by_itself[paid].groupby(stated.loc[paid, "order"]).all().any())
