"""Purchases of each buyer, and how many customers come back and when.

A line refunded in full is no purchase, an exchange changes nothing, and one buyer's orders of one
shopping day are one purchase. Order lines may outgrow memory: they are aggregated on the engine.
"""

from collections.abc import Sequence

import ibis
import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales import order_lines
from helpers.core import engine, stats
from helpers.reference import Customers

DAY = order_lines.DAY
CURVE_DAYS = 14  # between the points of a curve that is drawn
MICRO = pd.Timedelta(microseconds=1)
WITHIN = ["days", "rate", "ci_lower", "ci_upper", "n", "watched"]
BUYER_COLUMNS = ["order_id", "buyer_key", "is_new_buyer"]


def bought(orders: pd.DataFrame, cases: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid order lines whose buyer is known, with what became of them: one row per line.

    Columns: those of `order_lines.lines`, order_id, buyer_key, is_new_buyer (often missing).
    """
    orders, cases = order_lines.by_platform(orders, cases)
    buyers = orders[["line_id", *BUYER_COLUMNS]].dropna(subset=["buyer_key"])
    paid_lines = order_lines.lines(orders, cases, as_of=as_of)
    return paid_lines.merge(buyers, on="line_id", validate="one_to_one")


def on_engine(lines: pd.DataFrame | ibis.Table) -> ibis.Table:
    """The lines as a table of the engine."""
    return engine.table(lines) if isinstance(lines, pd.DataFrame) else lines


def _shift(as_of: pd.Timestamp, rules: Customers) -> pd.Timedelta:
    """From UTC to the local clock, less the hour at which a shopping day starts."""
    return as_of.utcoffset() - pd.Timedelta(hours=rules.shopping_day_starts)


def shopping_day(at: ibis.Value, as_of: pd.Timestamp, rules: Customers) -> ibis.Value:
    """The number of a time's shopping day, which ends in the morning when nobody buys."""
    local = engine.epoch_us(at) + int(_shift(as_of, rules) / MICRO)
    return (local // int(DAY / MICRO)).cast("int32")


def today(as_of: pd.Timestamp, rules: Customers) -> int:
    """The number of the shopping day of a moment, as in `purchases`."""
    return int((as_of - pd.Timestamp(0, tz="UTC") + _shift(as_of, rules)) // DAY)


def cents(amounts: ibis.Value) -> ibis.Value:
    """Amounts in whole cents, as integers."""
    return (amounts * 100).round()


def exact_sum(amounts: ibis.Value) -> ibis.Value:
    """The sum of amounts in whole cents: that of floats depends on the order of threads."""
    return cents(amounts).sum() / 100


def not_sent_back(lines: ibis.Table, as_of: pd.Timestamp) -> ibis.Table:
    """Lines paid by `as_of` of which something was kept; without those that cost nothing."""
    return lines.filter(lines.paid_at <= as_of, lines.refunded_amount.fill_null(0) < lines.paid)


def purchases(
    lines: pd.DataFrame | ibis.Table, *, as_of: pd.Timestamp, rules: Customers
) -> ibis.Table:
    """Every purchase that was kept, as an expression: one row per buyer x shopping day.

    `engine.kept` works it out once. `lines` are those of `bought`, or a table of the engine with
    buyer_key, is_new_buyer, paid, paid_at, refunded_amount. Columns: buyer_key, day, amount (net of
    refunds), number (from 1; one higher where the export knows an older customer), days (to the
    next purchase, else to `as_of`), happened (whether there is a next one). Lines that cost nothing
    are no purchase: gifts come with another line.
    """
    kept_lines = not_sent_back(on_engine(lines), as_of)
    kept_lines = kept_lines.filter(kept_lines.buyer_key.notnull())
    days = kept_lines.group_by("buyer_key", day=shopping_day(kept_lines.paid_at, as_of, rules)).agg(
        amount=exact_sum(kept_lines.paid - kept_lines.refunded_amount.fill_null(0)),
        older_customer=(~kept_lines.is_new_buyer).min().fill_null(False),
    )
    of_buyer = ibis.window(group_by=days.buyer_key, order_by=days.day)
    next_day = days.day.lead().over(of_buyer)
    place = ibis.row_number().over(of_buyer) + 1
    older_customer = days.older_customer.first().over(of_buyer).cast("int32")
    return days.select(
        "buyer_key",
        "day",
        "amount",
        number=(place + older_customer).cast("int32"),
        days=(next_day.coalesce(today(as_of, rules)) - days.day).cast("int32"),
        happened=next_day.notnull(),
    )


def gaps(purchases: ibis.Table) -> pd.DataFrame:
    """How long customers took: n by number (of the purchase before), days and happened."""
    return engine.frame(purchases.group_by("number", "days", "happened").agg(n=purchases.count()))


def by_day(counts: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """By day from 0: how many came back on it, and how many were still followed when it began."""
    length = int(counts["days"].max()) + 1
    back = np.bincount(counts["days"], counts["n"] * counts["happened"], length)
    gone = np.bincount(counts["days"], counts["n"], length)
    return back, gone[::-1].cumsum()[::-1]


def curve(counts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """The share that came back, day by day, by Kaplan-Meier: who has not yet counts as not yet.

    `counts` is that of `gaps`. One row per day on which somebody came back, and for day 0: days,
    rate, ci_lower, ci_upper, watched (customers still followed when the day began).
    """
    if counts.empty:
        columns = ["days", "rate", "ci_lower", "ci_upper", "watched"]
        return pd.DataFrame(columns=columns, dtype=float)
    back = stats.course(counts["days"], counts["happened"], counts["n"], confidence=confidence)
    daily = pd.DataFrame(
        {
            "days": back.times.astype("int64"),
            "rate": back.share,
            "ci_lower": back.lower,
            "ci_upper": back.upper,
            "watched": back.followed.astype("int64"),
        }
    )
    return daily[(back.happened > 0) | (daily["days"] == 0)].reset_index(drop=True)


def within(counts: pd.DataFrame, marks: Sequence[int], *, confidence: float = 0.95) -> pd.DataFrame:
    """The share that came back within each mark: one row per mark.

    Columns: days, rate, ci_lower, ci_upper, n (customers), watched (back by then, or followed for
    so long). `nan` as in `stats.happened_within`.
    """
    table = pd.DataFrame({"days": [*marks], "n": int(counts["n"].sum())})
    if counts.empty:
        return table.assign(rate=np.nan, ci_lower=np.nan, ci_upper=np.nan, watched=0)[WITHIN]
    rate, lower, upper = stats.happened_within(
        counts["days"], counts["happened"], marks, weights=counts["n"], confidence=confidence
    )
    watched = [
        int(counts.loc[counts["happened"] | (counts["days"] >= mark), "n"].sum()) for mark in marks
    ]
    return table.assign(rate=rate, ci_lower=lower, ci_upper=upper, watched=watched)[WITHIN]


def first_and_later(counts: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The gaps after the first purchase, and those after the later ones."""
    first = counts["number"] == 1
    return {"first": counts[first], "later": counts[~first]}


def cycle(counts: pd.DataFrame) -> pd.DataFrame:
    """How long until the next purchase: a row for the first gap and one for the later ones.

    Columns: gap (first, later), n (purchases), came_back (followed by another), median (days by
    Kaplan-Meier; `nan` where not even half have come back), among_returned (median of those who
    did; always too short). A gap without purchases has no row.
    """
    rows = []
    for gap, part in first_and_later(counts).items():
        if len(part):
            back = part[part["happened"]]
            rows.append(
                {
                    "gap": gap,
                    "n": int(part["n"].sum()),
                    "came_back": int(back["n"].sum()),
                    "median": day_reached(curve(part), 0.5),
                    "among_returned": day_reached(curve(back), 0.5),
                }
            )
    return pd.DataFrame(rows, columns=["gap", "n", "came_back", "median", "among_returned"])


def day_reached(daily: pd.DataFrame, share: float) -> float:
    """The first day of a `curve` on which such a share has come back; `nan` where it never does."""
    late = daily.loc[daily["rate"] >= share - 1e-12, "days"]
    return float(late.iloc[0]) if len(late) else np.nan


def curves(counts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """What the chart shows of coming back: one row per gap (first, later) x `CURVE_DAYS` days.

    Columns: gap, zh, en, days, rate, ci_lower, ci_upper, watched.
    """
    columns = ["gap", "zh", "en", "days", "rate", "ci_lower", "ci_upper", "watched"]
    parts = []
    for gap, part in first_and_later(counts).items():
        daily = curve(part, confidence=confidence)
        if len(daily) > 1:
            last = int(daily["days"].max())
            marks = np.unique([*range(0, last + 1, CURVE_DAYS), last])
            place = np.searchsorted(daily["days"], marks, side="right") - 1
            label = reference.terms()["customer_gap"][gap]
            parts.append(daily.iloc[place].assign(days=marks, gap=gap, zh=label.zh, en=label.en))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return table[table["watched"] >= 1][columns]
