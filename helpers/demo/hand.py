"""What the demo's team fills in by hand: a template workbook a month, and one for the account."""

from pathlib import Path
from typing import Any

import pandas as pd

from helpers import reference
from helpers.demo import cells
from helpers.demo.schedule import as_of

MONTHLY = (
    "sessions",
    "products",
    "traffic",
    "minutes",
    "rundown",
    "cues",
    "audience",
    "service",
    "comments",
)
ACCOUNT = ("goals", "costs", "events", "notes", "incidents", "reviews")
BY_DAY = ("days", "product_periods")  # no export of the demo's platforms has them
# The platforms' exports say the rest; the team adds what they do not hold.
ASKED = {
    "sessions": [
        "platform",
        "room",
        "room_name",
        "host",
        "title",
        "kind",
        "started_at",
        "ended_at",
        "commenters",
        "likes",
        "shares",
        "interacting_users",
        "fan_viewers",
        "cart_impression_users",
        "cart_click_users",
        "cart_users",
        "create_users",
        "created_orders",
        "created_amount",
        "new_buyer_paid_amount",
        "coupon_amount",
        "gift_cost",
        "staff_count",
    ],
    "products": [
        "product_id",
        "name",
        "tier",
        "price",
        "cart_users",
        "create_users",
        "created_amount",
    ],
    "traffic": [
        "source",
        "is_paid",
        "room_exposure_users",
        "product_exposure_users",
        "product_click_users",
        "create_users",
        "pay_users",
    ],
}
DETAILED = 36  # sessions for which products and traffic are filled in
START = "开播时间"


def write(tables: dict[str, pd.DataFrame], raw: Path) -> cells.Dirty:
    """Write the hand-filled workbooks into `raw`; returns the dirty rows planted in them."""
    sessions = tables["sessions"]
    month = sessions["started_at"].dt.strftime("%Y-%m")
    exported = as_of()
    detailed = set(sessions["session_id"].tail(DETAILED))
    for name in sorted(month.unique()):
        ids = set(sessions.loc[month == name, "session_id"])
        sheets = {
            table: _of(tables[table], ids & detailed if table in ("products", "traffic") else ids)
            for table in MONTHLY
        }
        path = raw / f"复盘手工表_{name}.xlsx"
        names = reference.tables()
        filled = {
            names[table].zh: _sheet(table, rows, sessions)
            for table, rows in sheets.items()
            if len(rows)
        }
        cells.workbook(path, filled, exported)
    account = {
        table: _sheet(table, tables[table], sessions) for table in ACCOUNT if len(tables[table])
    }
    path = raw / "复盘手工表_账号.xlsx"
    dirty = _dirty_cost(account["costs"], path)
    named = {reference.tables()[table].zh: rows for table, rows in account.items()}
    cells.workbook(path, named, exported)
    by_day = {
        reference.tables()[table].zh: _sheet(table, tables[table], sessions) for table in BY_DAY
    }
    cells.workbook(raw / "复盘手工表_店铺日报.xlsx", by_day, exported)
    return dirty


def members(orders: pd.DataFrame, raw: Path, exported: pd.Timestamp, part: str) -> None:
    """The shop's own list of who bought, as a CSV of the template's sheet of orders.

    The platform's order export names no buyer; the lines meet by their ids. The file's name stands
    before the platform's: of two exports of one moment the last in order counts as the newer.
    """
    paid, columns = orders[orders["paid_at"].notna()], reference.tables()["orders"].columns
    filled = {columns[name].zh: paid[name] for name in ("order_id", "line_id", "buyer_key")}
    filled |= {
        columns["platform"].zh: reference.terms()["platform"]["douyin"].zh,
        columns["created_at"].zh: cells.clock(paid["created_at"], cells.DASHES),
        **{
            columns[name].zh: paid[name].map({True: "是", False: "否"})
            for name in ("is_new_buyer", "is_referred")
        },
    }
    path = raw / f"00_会员订单_{part}.csv"
    path.write_bytes(
        pd.DataFrame(filled).to_csv(index=False, lineterminator="\r\n").encode("utf-8-sig")
    )
    cells.stamp(path, exported)


def _of(frame: pd.DataFrame, ids: set[str]) -> pd.DataFrame:
    return frame[frame["session_id"].isin(ids)]


def _sheet(table: str, frame: pd.DataFrame, sessions: pd.DataFrame) -> list[list[Any]]:
    """Columns that hold nothing are left out."""
    columns = reference.tables()[table].columns
    names = ASKED.get(table) or [
        name for name in columns if name != "session_id" and frame[name].notna().any()
    ]
    cells_by_header = {columns[name].zh: _values(frame[name], columns[name]) for name in names}
    if reference.tables()[table].attribute == "session" and table != "sessions":
        starts = frame["session_id"].map(sessions.set_index("session_id")["started_at"])
        cells_by_header = {START: [cells.plain(value) for value in starts], **cells_by_header}
    return [list(cells_by_header), *map(list, zip(*cells_by_header.values(), strict=True))]


def _values(values: pd.Series, column: reference.Column) -> list[Any]:
    if column.kind == "flag":
        return [None if pd.isna(value) else "是" if value else "否" for value in values]
    if column.terms:
        labels = reference.terms()[column.terms]
        return [labels[value].zh if isinstance(value, str) else None for value in values]
    return [cells.plain(value) for value in values]


def _dirty_cost(rows: list[list[Any]], path: Path) -> cells.Dirty:
    header = reference.tables()["costs"].columns["amount"].zh
    bad: list[Any] = [None] * len(rows[0])
    bad[0], bad[rows[0].index(header)] = "人工", "待定"
    rows.append(bad)
    return [cells.dirty(path, len(rows), header, "待定", "text_for_number")]
