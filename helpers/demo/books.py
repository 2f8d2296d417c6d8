"""What the platform settled of the orders, and the shop's figures by day and by period."""

import numpy as np
import pandas as pd

from helpers.demo.schedule import as_of, shop

BILLS_FROM = "2026-10-01"  # of settlements; earlier bills were not exported
DAYS_FROM = "2026-10-01"
PERIODS_FROM = ("2026-10-15", "2026-11-09")  # both until the eve of the export
WAIT = pd.Timedelta(days=4)  # from the end of an order, or of its case, to its settlement
FEE, COMMISSION = 5, 2  # per cent
GOODWILL = 0.01  # of settled lines, paid to the buyer some days later
ADDED = {"首笔结算": 0, "售后补偿": 3}  # kinds of a bill's rows, days after the first


def tables(
    coarse: dict[str, pd.DataFrame],
    orders: pd.DataFrame,
    cases: pd.DataFrame,
    rng: np.random.Generator,
) -> dict[str, pd.DataFrame]:
    """Settlements, days and product periods, which agree with sessions, orders and cases."""
    return {
        "settlements": _settlements(orders, cases, rng),
        "days": _days(coarse["sessions"], cases),
        "product_periods": _periods(orders),
    }


def _settlements(
    orders: pd.DataFrame, cases: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Of each line that is over, what its buyer paid less refunds, fee and commission."""
    over = orders["line_id"].map(cases.groupby("line_id")["closed_at"].max())
    ended = orders["finished_at"].fillna(over.where(orders["shipped_at"].notna()))
    kept = (100 * (orders["paid"] - orders["refunded"].fillna(0))).round()
    at = (ended + WAIT).dt.floor("D") + pd.Timedelta(hours=10)
    goodwill = rng.random(len(orders)) < GOODWILL
    listed = (at >= pd.Timestamp(BILLS_FROM)) & kept.gt(0)
    first = _bill(orders, listed, at, "首笔结算").assign(
        user_paid=kept[listed] / 100,
        refunded_before=-orders["refunded"].fillna(0)[listed],
        income=kept[listed] / 100,
        platform_fee=-(kept[listed] * FEE // 100) / 100,
        commission=-(kept[listed] * COMMISSION // 100) / 100,
    )
    first = first.assign(expense=(first["platform_fee"] + first["commission"]).round(2))
    later = _bill(orders, listed & goodwill, at, "售后补偿").assign(
        user_paid=0.0, refunded_before=0.0, income=0.0, platform_fee=0.0, commission=0.0
    )
    later = later.assign(expense=-np.round(rng.uniform(2, 9, len(later)), 1))
    bill = pd.concat([first, later], ignore_index=True)
    bill = bill.assign(settled=(bill["income"] + bill["expense"]).round(2))
    bill = bill[bill["settled_at"] <= as_of()]
    return bill.sort_values(["settled_at", "line_id"], ignore_index=True)


def _bill(orders: pd.DataFrame, which: pd.Series, at: pd.Series, scene: str) -> pd.DataFrame:
    columns = ["session_id", "platform", "order_id", "line_id", "product_id", "product_name"]
    moment = at[which] + pd.Timedelta(days=ADDED[scene])
    rows = orders.loc[which, [*columns, "created_at"]]
    return rows.assign(
        entry_id=rows["line_id"] + f" {scene}", settled_at=moment, scene=scene, account="聚合账户"
    )


def _days(sessions: pd.DataFrame, cases: pd.DataFrame) -> pd.DataFrame:
    """The days have one session at most, so its viewers are the day's."""
    days = pd.date_range(DAYS_FROM, as_of().floor("D") - pd.Timedelta(days=1))
    began = sessions.groupby(sessions["started_at"].dt.floor("D"))
    sums = began.agg(
        session_count=("session_id", "size"),
        live_seconds=("duration_seconds", "sum"),
        viewers=("viewers", "sum"),
        views=("views", "sum"),
        new_fans=("new_fans", "sum"),
    ).reindex(days, fill_value=0)
    back = cases[cases["status"] == "succeeded"]
    refunds = back.groupby(back["refunded_at"].dt.floor("D"))["amount"].sum().round(2)
    return sums.assign(
        platform="douyin",
        room_name=shop()["room_name"],
        day=days,
        refund_amount=refunds.reindex(days, fill_value=0.0),
    )


def _periods(orders: pd.DataFrame) -> pd.DataFrame:
    """What each product sold, in the whole shop and in sessions."""
    until = as_of().floor("D")
    parts = []
    for begin in map(pd.Timestamp, PERIODS_FROM):
        sold = orders[orders["paid_at"].between(begin, until, inclusive="left")]
        live = sold[sold["session_id"].notna()].groupby("product_id")
        sums = sold.groupby("product_id").agg(
            name=("product_name", "first"),
            units=("qty", "sum"),
            orders=("order_id", "nunique"),
            paid_amount=("paid", "sum"),
        )
        sums = sums.join(live.agg(live_units=("qty", "sum"), live_paid_amount=("paid", "sum")))
        money = ["paid_amount", "live_paid_amount"]
        parts.append(
            sums.assign(
                **{name: sums[name].round(2) for name in money},
                period_from=begin,
                period_to=until - pd.Timedelta(days=1),
                platform="douyin",
                currency=shop()["currency"],
            ).reset_index()
        )
    return pd.concat(parts, ignore_index=True)
