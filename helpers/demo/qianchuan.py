"""The exports of 巨量千川: ad spend by day, and by hour of the last session's day."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers.demo import cells
from helpers.demo.schedule import shop


def _thousands(value: float) -> str:
    return f"{value:,.2f}"


def write(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> None:
    """The live report by day, until the last session's eve, and that session's day by hour."""
    ads = tables["ads"]
    before, last = ads.iloc[:-1], ads.iloc[-1]
    if len(before):
        days = before["started_at"].dt.strftime("%Y-%m-%d")
        rows = [
            _ads_row("全部", before.sum(numeric_only=True)),
            *(_ads_row(day, row) for day, (_, row) in zip(days, before.iterrows(), strict=True)),
        ]
        path = raw / f"全域数据_直播分析_{days.iloc[0]} 00_00_00-{days.iloc[-1]} 23_59_59.xlsx"
        cells.workbook(path, {"直播分析": [cells.layout("qianchuan_live"), *rows]}, exported)
    day = last["started_at"].strftime("%Y-%m-%d")
    path = raw / f"全域数据_分小时_{day} 00_00_00-{day} 23_59_59.xlsx"
    rows = [cells.layout("qianchuan_hours"), *_hours(last, tables["minutes"], day)]
    cells.workbook(path, {"分小时": rows}, exported)


def _ads_row(day: str, row: pd.Series) -> list[Any]:
    roi = [
        round(row[name] / row["cost"], 2) if row["cost"] else "-"
        for name in ("net_amount", "amount")
    ]
    return [
        shop()["room_name"],
        day,
        roi[0],
        _thousands(row["net_amount"]),
        _thousands(row["cost"]),
        roi[1],
        _thousands(row["amount"]),
        cells.plain(row["orders"]),
        round(1000 * row["amount"] / row["views"], 2) if row["views"] else "-",
        cells.plain(row["views"] * 8),
    ]


def _hours(row: pd.Series, minutes: pd.DataFrame, day: str) -> list[list[Any]]:
    mine = minutes[minutes["session_id"] == row["session_id"]]
    weight = mine.groupby(mine["at"].dt.strftime("%Y-%m-%d %H:00"))["online"].sum()
    weight = weight[weight.index.str.startswith(day)]
    ends = (weight.cumsum() / weight.sum()).to_numpy()

    def share(total: float) -> np.ndarray:
        return np.diff(np.round(ends * total), prepend=0)

    cost, amount, net = (share(row[name] * 100) / 100 for name in ("cost", "amount", "net_amount"))
    orders = share(row["orders"])
    return [
        [
            hour,
            _thousands(cost[i]),
            round(amount[i] / cost[i], 2),
            _thousands(amount[i]),
            int(orders[i]),
            round(cost[i] / orders[i], 2) if orders[i] else "-",
            _thousands(net[i]),
            "0.00",
            _thousands(amount[i] - net[i]),
            "-",
        ]
        for i, hour in enumerate(weight.index)
    ]
