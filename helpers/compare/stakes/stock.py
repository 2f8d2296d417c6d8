"""When products had nothing left to sell, and the share of their clicks in that time."""

import numpy as np
import pandas as pd

from helpers import reference

MINUTE = pd.Timedelta("1min")


def sold_out(
    cues: pd.DataFrame,
    spans: pd.DataFrame,
    sales: pd.DataFrame,
    *,
    started_at: pd.Timestamp,
    ended_at: pd.Timestamp,
) -> pd.DataFrame:
    """When products could not be bought: one row per product that ran out.

    Columns: product_id, minutes, share (of its buyers' clicks). Clicks crowd where a product is
    explained (`spans`: product_id, start_minute, end_minute); how much is taken from the order
    lines `sales` of products that did not run out.
    """
    length = (ended_at - started_at) / MINUTE
    empty = out_of_stock(cues, started_at=started_at, ended_at=ended_at)
    inside = _inside(sales[~sales["product_id"].isin(set(empty["product_id"]))], spans, started_at)
    rows = []
    for span in empty.itertuples():
        begin, end = span.start_minute, span.end_minute
        explained = spans[spans["product_id"] == span.product_id]
        starts, ends = explained["start_minute"], explained["end_minute"]
        total = float((ends - starts).sum())
        hit = float((np.minimum(ends, end) - np.maximum(starts, begin)).clip(lower=0).sum())
        share = (end - begin) / length
        if total:
            outside = (end - begin - hit) / max(length - total, 1)
            share = inside * hit / total + (1 - inside) * outside
        rows.append((span.product_id, end - begin, share))
    table = pd.DataFrame(rows, columns=["product_id", "minutes", "share"])
    return table.groupby("product_id", as_index=False).sum()


def out_of_stock(
    cues: pd.DataFrame, *, started_at: pd.Timestamp, ended_at: pd.Timestamp
) -> pd.DataFrame:
    """One row per span in which a product had nothing left, by floor control's stock changes.

    From 0 left until the next count above 0 or the end: product_id, start_minute, end_minute,
    label_zh, label_en (the same for all).
    """
    stock = cues[(cues["kind"] == "stock_change") & cues["stock_after"].notna()]
    stock = stock.sort_values("at", kind="stable")
    length = (ended_at - started_at) / MINUTE
    word = reference.terms()["turn"]["sold_out"]
    rows = [
        (product, *piece, word.zh, word.en)
        for product, changes in stock.groupby("product_id")
        for piece in _empty(changes, started_at, length)
    ]
    return pd.DataFrame(
        rows, columns=["product_id", "start_minute", "end_minute", "label_zh", "label_en"]
    )


def _empty(
    rows: pd.DataFrame, started_at: pd.Timestamp, length: float
) -> list[tuple[float, float]]:
    at = ((rows["at"] - started_at) / MINUTE).clip(0, length)
    later = at.shift(-1).fillna(length)
    return [
        (begin, end)
        for begin, end, left in zip(at, later, rows["stock_after"], strict=True)
        if left <= 0
    ]


def _inside(sales: pd.DataFrame, spans: pd.DataFrame, started_at: pd.Timestamp) -> float:
    if sales.empty:
        return 0.0
    minute = pd.DataFrame(
        {
            "line": range(len(sales)),
            "product_id": sales["product_id"].to_numpy(),
            "minute": ((sales["created_at"] - started_at) / MINUTE).to_numpy(),
        }
    )
    joined = minute.merge(spans[["product_id", "start_minute", "end_minute"]], on="product_id")
    if joined.empty:
        return 0.0
    within = (joined["minute"] >= joined["start_minute"]) & (
        joined["minute"] < joined["end_minute"]
    )
    explained = minute["product_id"].isin(spans["product_id"]).sum()
    return joined.loc[within, "line"].nunique() / explained
