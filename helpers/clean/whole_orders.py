"""Orders that one file states as a whole and another line by line: the lines count, once.

An order's own row is one of a list of orders, or bears the order's id for its line's and holds the
sum of its lines. It is their total. What it alone states of the order they take over; amounts that
they lack are shared among them (`tables.yml`: shared). A row that was parted into lines
(`joined_lines`) gives way in these amounts to what its lines state themselves.
"""

from __future__ import annotations

from typing import NamedTuple

import pandas as pd

from helpers import reference
from helpers.clean import joined_lines
from helpers.clean.history import SINCE, TRACE

_CENT = 0.005
_PLACE = ["source_file", "source_sheet"]
_LINE = ["platform", "line_id"]
_AMOUNTS = ["payable", "paid"]
_OF_LINE = {"line_id", "product_id", "product_name", SINCE, "as_of", *TRACE}


class WholeOrders(NamedTuple):
    """The rows without those of whole orders, which are `totals` of lines or differ (`unclear`).

    `of_lines` of the unclear is what their lines add up to.
    """

    rows: pd.DataFrame
    totals: pd.DataFrame
    unclear: pd.DataFrame


def lists_orders(export: reference.Export) -> bool:
    """Whether an export has one row an order: it knows no other id of a line."""
    line, order = (export.columns.get(name) for name in ("line_id", "order_id"))
    return bool(line and order and not line.joined and set(line.header) & set(order.header))


def without_whole_orders(frame: pd.DataFrame, listing: set[tuple[str, str]]) -> WholeOrders:
    """The rows of `orders`, of which an order's own goes where other sheets state its lines.

    `frame` is sorted by the time of the export; `listing` names files and sheets of one row an
    order. An own row whose paid amount its lines do not make is unclear.
    """
    if frame.empty or frame[_PLACE].nunique(dropna=False).max() == 1:
        return WholeOrders(frame, frame.iloc[:0], frame.iloc[:0].assign(of_lines=0.0))
    frame = _with_lines_own_figures(frame)
    lines, wholes = _lines_and_own(frame, listing)
    if wholes.empty:
        return WholeOrders(frame, wholes, wholes.assign(of_lines=0.0))
    lines = lines.assign(line=lines.groupby(["order", "line_id"], sort=False).ngroup())
    newest = lines.groupby("line").last()
    of_order = newest.groupby("order")[_AMOUNTS]
    against = of_order.sum(min_count=1).loc[wholes["order"]].set_axis(wholes.index, axis=0)
    slack = _CENT * (of_order.size().loc[wholes["order"]].to_numpy() + 1)
    off = (wholes[_AMOUNTS] - against).abs().gt(slack, axis=0)
    off["paid"] = wholes["paid"].gt(0) & (off["paid"] | against["paid"].isna())
    off = off.groupby(wholes["order"]).transform("last")  # the newest state counts
    compared = (wholes[_AMOUNTS].notna() & against.notna()).any(axis=1)
    certain = wholes["listed"] | (compared & ~off.any(axis=1))
    wholes = wholes.assign(of_lines=against["paid"])
    totals, unclear = wholes[certain & ~off["paid"]], wholes[certain & off["paid"]]
    rows = _with_facts(frame.drop(index=wholes.index[certain]), lines, newest, totals)
    return WholeOrders(rows, totals, unclear)


def _with_lines_own_figures(frame: pd.DataFrame) -> pd.DataFrame:
    """Shares of a row that was parted, as its lines state them where these make the same sum."""
    several = frame.duplicated(list(TRACE), keep=False)
    shares = frame[several]
    if shares.empty:
        return frame
    alone = frame[~several & frame["line_id"].isin(shares["line_id"].unique())]
    stated = alone.groupby(_LINE).last()
    row = shares.groupby(list(TRACE), dropna=False, sort=False).ngroup()
    frame = frame.copy()
    for name in [name for name in reference.tables()["orders"].shared if name in frame]:
        theirs = stated[name].reindex(pd.MultiIndex.from_frame(shares[_LINE])).set_axis(row.index)
        of_row = pd.DataFrame({"one": shares[name], "other": theirs}).groupby(row)
        off = of_row["one"].transform("sum") - of_row["other"].transform("sum")
        same = theirs.notna().groupby(row).transform("all") & off.abs().le(_CENT)
        frame.loc[theirs.index[same], name] = theirs[same]
    return frame


def _lines_and_own(
    frame: pd.DataFrame, listing: set[tuple[str, str]]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lines, and rows that may be their whole orders'; `order` numbers both.

    Own rows have the amounts that their sheet states of the order, which it may part.
    """
    place = frame.groupby(_PLACE, dropna=False, sort=False).ngroup()
    sheets = frame.loc[~place.duplicated(), _PLACE].fillna("").itertuples(index=False, name=None)
    listed = place.map(dict(enumerate(sheet in listing for sheet in sheets)))
    whole = listed | (frame["line_id"] == frame["order_id"])
    order = frame.groupby(["platform", "order_id"], sort=False).ngroup()
    rows = frame[order.isin(order[whole]) & order.isin(order[~whole])]
    whole, listed, place, order = (part[rows.index] for part in (whole, listed, place, order))
    beside = (~whole).groupby([order, place]).transform("any")
    # of an order's lines the first may bear the order's id
    first = (whole & ~listed & beside).groupby(order).transform("any")
    alone = whole & ~listed & ~beside & ~first
    rows = rows.assign(order=order, listed=listed)
    lines, wholes = rows[~listed & ~alone], rows[listed | alone]
    wholes = wholes[wholes["order"].isin(lines["order"])]
    shared = [name for name in reference.tables()["orders"].shared if name in wholes]
    of_sheet = wholes.groupby(["order", *_PLACE], dropna=False)
    sums = {name: of_sheet[name].transform("sum", min_count=1) for name in shared}
    return lines, wholes.assign(**sums)


def _with_facts(
    kept: pd.DataFrame, lines: pd.DataFrame, newest: pd.DataFrame, totals: pd.DataFrame
) -> pd.DataFrame:
    """The rows, lines with what the orders' own rows state and all lines of an order lack."""
    if totals.empty:
        return kept
    stated = totals.groupby("order").last()
    lines = lines[lines["order"].isin(stated.index)]
    newest = newest[newest["order"].isin(stated.index)]
    order = newest["order"]
    lone = newest["paid"].fillna(0).groupby(order).transform("sum") == 0
    weights = newest["paid"].fillna(0).mask(lone, (~order.duplicated()).astype("float64"))
    for name in [name for name in kept if name not in _OF_LINE]:
        facts = order.map(stated[name])
        if name in reference.tables()["orders"].shared:
            facts = joined_lines.shares(facts, name, weights, order)
        lacking = newest[name].isna().groupby(order).transform("all")
        facts = facts[lacking].dropna()
        lines_of = lines.loc[lines["line"].isin(facts.index), "line"]
        if len(lines_of):
            kept.loc[lines_of.index, name] = facts.loc[lines_of].array
    return kept
