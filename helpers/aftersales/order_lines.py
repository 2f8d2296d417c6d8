"""Paid order lines, each with what became of it, and what a line is looked at by.

A line with three cases is one refunded line, an exchange is no refund, and what buyers asked for is
kept apart from what was paid back. Every figure belongs to the moment `as_of`.
"""

import itertools
from collections.abc import Iterable

import numpy as np
import pandas as pd

DAY = pd.Timedelta(days=1)
ORDER_COLUMNS = [
    "line_id",
    "session_id",
    "product_id",
    "product_name",
    "source",
    "province",
    "qty",
    "paid",
    "paid_at",
]
LINE_COLUMNS = [
    *ORDER_COLUMNS,
    "shipped",
    "asked",
    "asked_at",
    "refunded",
    "refunded_at",
    "refunded_amount",
    "before_shipping",
    "returned",
    "exchanged",
    "reason",
]


def by_platform(orders: pd.DataFrame, cases: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Orders and cases in which no id is that of orders of two platforms, which may number alike.

    Such an id gets its platform before it.
    """
    if orders["platform"].nunique() < 2:
        return orders, cases
    for name in ("line_id", "order_id"):
        pairs = orders[[name, "platform"]].drop_duplicates()
        shared = pairs[name][pairs[name].duplicated()].dropna()
        if len(shared):
            orders, cases = (
                rows.assign(
                    **{
                        name: rows[name].mask(
                            rows[name].isin(shared), rows["platform"] + ":" + rows[name]
                        )
                    }
                )
                for rows in (orders, cases)
            )
    return orders, cases


def _on_lines(cases: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Cases by order line; one whose line is unknown falls to its order.

    There to the line of its product, else to all lines of the order, its amount shared by what was
    paid for them. A case of an order whose lines are of several sessions stays without.
    """
    unknown = ~cases["line_id"].isin(orders["line_id"])
    of_order = cases.loc[unknown & cases["order_id"].isin(orders["order_id"].dropna())]
    if of_order.empty:
        return cases[~unknown]
    lines_of = orders[["order_id", "line_id", "product_id", "session_id", "paid"]]
    pairs = of_order.drop(columns="line_id").merge(
        lines_of.sort_values("line_id"), on="order_id", suffixes=("", "_of_line")
    )
    same = pairs["product_id"].eq(pairs["product_id_of_line"])
    fits = same | ~same.groupby(pairs["case_id"]).transform("any")
    mine = pairs["session_id"].eq(pairs["session_id_of_line"]) | pairs["session_id"].isna()
    pairs = pairs[fits & mine]
    rooms = pairs.groupby("case_id")["session_id_of_line"].transform("nunique")
    pairs = pairs[rooms <= 1]
    place = pairs.groupby("case_id").cumcount()
    weight = pairs["paid"].fillna(0)
    whole = weight.groupby(pairs["case_id"]).transform("sum")
    weight = weight.where(whole > 0, (place == 0).astype("float64"))
    upto = weight.groupby(pairs["case_id"]).cumsum() / whole.where(whole > 0, 1)
    running = (pairs["amount"] * 100 * upto).round()
    before = running.groupby(pairs["case_id"]).shift(fill_value=0)
    pairs = pairs.assign(amount=(running - before) / 100)
    return pd.concat([cases[~unknown], pairs[list(cases)]], ignore_index=True)


def _cases_until(cases: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    asked = cases[cases["asked_at"] <= as_of]
    is_exchange = asked["kind"].eq("exchange") | asked["status"].eq("exchanged")
    paid_back_at = asked["refunded_at"].fillna(asked["closed_at"]).fillna(asked["asked_at"])
    paid_back = ~is_exchange & asked["status"].eq("succeeded") & (paid_back_at <= as_of)
    early = asked["before_shipping"].astype("boolean")
    return asked.assign(
        is_exchange=is_exchange,
        paid_back=paid_back,
        paid_back_at=paid_back_at.where(paid_back),
        amount=asked["amount"].where(paid_back),
        returned=asked["kind"].isin(["return_refund", "refund_before_shipping"]) & paid_back,
        early=early.fillna(asked["kind"].eq("refund_before_shipping")).astype(bool),
    )


def _by_line(cases: pd.DataFrame) -> pd.DataFrame:
    """One row per line with cases; its reason is of the case paid back, else of the first asked."""
    ordered = cases.sort_values(["paid_back", "asked_at"], ascending=[False, True], kind="stable")
    refunds = ordered[~ordered["is_exchange"]].groupby("line_id", sort=False)
    table = pd.DataFrame(
        {
            "asked_at": refunds["asked_at"].min(),
            "refunded_at": refunds["paid_back_at"].min(),
            "refunded": refunds["paid_back"].any(),
            "refunded_amount": refunds["amount"].sum(min_count=1),
            "before_shipping": refunds["early"].first(),
            "returned": refunds["returned"].any(),
            "reason": refunds["reason"].first(),
        }
    )
    exchanged = ordered.groupby("line_id", sort=False)["is_exchange"].any().rename("exchanged")
    return table.join(exchanged, how="outer")


def _with_payment_time(orders: pd.DataFrame) -> pd.DataFrame:
    """Without any payment times in the export, what was paid was paid when it was created."""
    if orders["paid_at"].notna().any():
        return orders
    return orders.assign(paid_at=orders["created_at"].where(orders["paid"].gt(0)))


def lines(orders: pd.DataFrame, cases: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid order lines with what became of them: one row per line paid by `as_of`.

    Columns: `LINE_COLUMNS`. `asked`: a refund was asked for; `refunded`: it was paid back;
    `before_shipping`: when it was asked for; `refunded_amount`: all cases of the line, at most what
    was paid for it. Without cases the order export's own `refunded` amount is used, which knows
    neither when nor why; without payment times, creation times. Raises `ValueError` where a line id
    occurs twice on a platform.
    """
    orders, cases = by_platform(orders, cases)
    paid = _with_payment_time(orders)
    paid = paid[paid["paid_at"].notna() & (paid["paid_at"] <= as_of)]
    twice = paid["line_id"][paid["line_id"].duplicated()]
    if len(twice):
        raise ValueError(f"orders: line_id {twice.iloc[0]!r} occurs more than once")
    table = paid[ORDER_COLUMNS].assign(
        shipped=paid["shipped_at"].notna() & (paid["shipped_at"] <= as_of)
    )
    asked = _cases_until(_on_lines(cases, orders), as_of)
    table = table.merge(
        _by_line(asked), left_on="line_id", right_index=True, how="left", validate="one_to_one"
    )
    if cases.empty:
        amount = paid["refunded"].fillna(0).to_numpy()
        table = table.assign(
            refunded_amount=amount,
            refunded=amount > 0,
            before_shipping=(amount > 0) & ~table["shipped"].to_numpy(),
        )
    flags = {
        name: table[name].astype("boolean").fillna(False).astype(bool)
        for name in ("refunded", "before_shipping", "returned", "exchanged")
    }
    table = table.assign(**flags, asked=table["asked_at"].notna() | flags["refunded"])
    amount = table["refunded_amount"].fillna(table["paid"].where(table["refunded"])).fillna(0)
    amount = np.minimum(amount, table["paid"].fillna(amount))
    return table.assign(refunded_amount=amount)[LINE_COLUMNS].reset_index(drop=True)


def product_keys(lines: pd.DataFrame) -> pd.Series:
    """What tells products of order lines apart: the id, the name where the export has no id.

    Missing where a product has no name. Two products may bear one name.
    """
    return lines["product_id"].fillna(lines["product_name"]).where(lines["product_name"].notna())


def known_at(lines: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Lines paid by an earlier moment, with their refunds as they stood then.

    Where several cases of one line were paid back at different times, all count with the first.
    """
    then = lines[lines["paid_at"] <= moment]
    back = then["refunded"] & (then["refunded_at"] <= moment)
    asked = (then["asked_at"] <= moment) | back
    return then.assign(
        refunded=back,
        asked=asked,
        refunded_at=then["refunded_at"].where(back),
        asked_at=then["asked_at"].where(asked),
        refunded_amount=then["refunded_amount"].where(back, 0.0),
        returned=then["returned"] & back,
    )


def unmatched(cases: pd.DataFrame, orders: pd.DataFrame) -> int:
    """How many cases belong to no order line at hand (and so count in no rate)."""
    return int((~cases["case_id"].isin(_on_lines(cases, orders)["case_id"])).sum())


def ages(lines: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series:
    """Days since each order line was paid."""
    return (as_of - lines["paid_at"]) / DAY


def mean_age(lines: pd.DataFrame, as_of: pd.Timestamp) -> float:
    """Days since order lines were paid, on the mean; `nan` without lines."""
    return float(ages(lines, as_of).mean())


def described(
    lines: pd.DataFrame, *, products: pd.DataFrame, sessions: pd.DataFrame, cuts: Iterable[float]
) -> pd.DataFrame:
    """Lines with what a refund rate is looked at by: tier (in that session), host, price_band.

    `cuts` are those of `price_cuts`.
    """
    keys = ["session_id", "product_id"]
    tiers = products[products["sku_id"].isna() & products["tier"].notna()]
    tiers = tiers.drop_duplicates(keys, keep="last")[[*keys, "tier"]]
    hosts = sessions.drop_duplicates("session_id").set_index("session_id")["host"]
    return lines.merge(tiers, on=keys, how="left", validate="many_to_one").assign(
        host=lambda table: table["session_id"].map(hosts),
        price_band=lambda table: price_bands(table["paid"], cuts),
    )


def price_cuts(prices: pd.Series, bands: int = 3) -> list[float]:
    """The paid amounts that cut lines into bands of like size; fewer where many have one price."""
    known_prices = prices.dropna()
    if known_prices.empty:
        return []
    return sorted(set(known_prices.quantile(np.linspace(0, 1, bands + 1)[1:-1]).round(2)))


def price_bands(prices: pd.Series, cuts: Iterable[float]) -> pd.Series:
    """The band of each price in words, without its upper bound; missing where the price is."""
    edges = [f"{cut:g}" for cut in cuts]
    names = [f"{low}–{high}" for low, high in itertools.pairwise(edges)]
    names = [f"<{edges[0]}", *names, f"≥{edges[-1]}"] if edges else ["–"]
    place = np.searchsorted(list(cuts), prices.to_numpy(float, na_value=np.nan), side="right")
    return pd.Series(
        np.array(names, dtype=object)[np.minimum(place, len(edges))],
        index=prices.index,
        dtype="str",
    ).where(prices.notna())
