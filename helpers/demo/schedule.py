"""The demo shop's invented settings (`shop.yml`) and its timetable of sessions."""

import datetime as dt
import functools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

EVENING_DAYS = (1, 3, 5)
AFTERNOON_DAY = 6


@functools.cache
def shop() -> dict[str, Any]:
    """The settings of `shop.yml`."""
    return yaml.safe_load((Path(__file__).parent / "shop.yml").read_text(encoding="utf-8"))


def as_of() -> pd.Timestamp:
    """When the platforms' files are exported, on the local clock."""
    return pd.Timestamp(shop()["as_of"])


def facts(group: str, name: str) -> np.ndarray:
    """One fact of all products, or of all sources, in the order of `shop.yml`."""
    return np.array([item[name] for item in shop()[group].values()])


def _kind_and_slot(day: dt.date) -> tuple[str, str] | None:
    if day in shop()["specials"]:
        return shop()["specials"][day]["kind"], "evening"
    if any(gap["from"] <= day <= gap["to"] for gap in shop()["rests"]):
        return None
    if day.weekday() in EVENING_DAYS:
        return "daily", "evening"
    weeks_back = (shop()["last_day"] - day).days // 7
    return (
        ("daily", "afternoon") if day.weekday() == AFTERNOON_DAY and weeks_back % 3 == 0 else None
    )


def _start(day: dt.date, slot: str) -> pd.Timestamp:
    clock = "14:00" if slot == "afternoon" else "19:30" if day < shop()["slot_change"] else "20:00"
    return pd.Timestamp(f"{day} {clock}")


def _host(slot: str, day: dt.date) -> str:
    hosts = shop()["hosts"][slot]
    return hosts[day.toordinal() // 2 % len(hosts)]


def timetable(sessions: int) -> pd.DataFrame:
    """The last `sessions` sessions of the shop, one row each.

    Columns: started_at (naive local), hours, kind, slot, host.
    """
    rows: list[dict[str, Any]] = []
    day = shop()["last_day"]
    while len(rows) < sessions:
        kind_and_slot = _kind_and_slot(day)
        if kind_and_slot:
            kind, slot = kind_and_slot
            hours = shop()["specials"].get(day, {}).get("hours", 4 if slot == "evening" else 3)
            rows.append(
                {
                    "started_at": _start(day, slot),
                    "hours": hours,
                    "kind": kind,
                    "slot": slot,
                    "host": _host(slot, day),
                }
            )
        day -= dt.timedelta(days=1)
    return pd.DataFrame(rows[::-1])
