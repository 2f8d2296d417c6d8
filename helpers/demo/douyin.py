"""The files of the demo's platforms: 抖音电商罗盘, 抖店, 巨量千川 and 巨量百应."""

from pathlib import Path

import pandas as pd

from helpers.demo import cells, compass, doudian, qianchuan
from helpers.demo.schedule import as_of
from helpers.demo.simulate import Simulation

WORKBOOKS = 36  # sessions that have a whole-session workbook


def write(simulation: Simulation, raw: Path) -> cells.Dirty:
    """Write the platforms' files into `raw`; returns the dirty rows planted (`cells.dirty`).

    again is the row of the second copy.
    """
    tables = simulation.tables
    exported = as_of()
    dirty = [
        *compass.write_lists(tables, raw, exported),
        *doudian.write_orders(tables["orders"], raw, exported),
        *doudian.write_cases(tables, raw, exported),
    ]
    for session_id in tables["sessions"]["session_id"].tail(WORKBOOKS):
        compass.write_session(tables, session_id, raw, exported)
    doudian.write_bills(tables["settlements"], raw, exported)
    qianchuan.write(tables, raw, exported)
    _buyin(tables, raw, exported)
    return dirty


def _buyin(tables: dict[str, pd.DataFrame], raw: Path, exported: pd.Timestamp) -> None:
    minutes = tables["minutes"]
    mine = minutes[minutes["session_id"] == tables["sessions"]["session_id"].iloc[-1]]
    rows = [
        [at.strftime("%Y/%m/%d %H:%M"), *map(cells.plain, values)]
        for at, *values in mine[["at", "comments", "fan_club_joins", "new_fans"]].itertuples(
            index=False
        )
    ]
    path = raw / f"流量综合趋势分析下载_数据更新日期{exported:%Y%m%d}.xlsx"
    cells.workbook(path, {"Sheet1": [cells.layout("buyin_trend"), *rows]}, exported)
