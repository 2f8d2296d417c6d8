"""How platforms write values, and workbooks and text tables of them; same cells, same bytes."""

import datetime as dt
import functools
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import xlsxwriter
import yaml

from helpers.demo.schedule import shop

MADE = dt.datetime(2026, 11, 16, 9, 30)
SLASHES, DASHES = "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M:%S"
Dirty = list[dict[str, Any]]


def dirty(path: Path, row: int, column: str, value: str, what: str) -> dict[str, Any]:
    """A planted dirty row as truth.json lists it; rows count from 1, headers included."""
    return {"file": path.name, "row": row, "column": column, "value": value, "what": what}


@functools.cache
def layout(name: str) -> list[str]:
    """The headers of an export (`layouts.yml`)."""
    return yaml.safe_load((Path(__file__).parent / "layouts.yml").read_text(encoding="utf-8"))[name]


def workbook(
    path: Path, sheets: dict[str, Sequence[Sequence[Any]]], exported: pd.Timestamp
) -> None:
    """Write rows of cells to the sheets of a workbook, stamped with the time of its export.

    Text stays text, whatever it begins with.
    """
    options = {
        "in_memory": True,
        "strings_to_formulas": False,
        "strings_to_urls": False,
        "strings_to_numbers": False,
    }
    book = xlsxwriter.Workbook(path, options)
    book.set_properties({"created": MADE})
    moment = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for at, row in enumerate(rows):
            for place, value in enumerate(row):
                if isinstance(value, dt.datetime):
                    sheet.write_datetime(at, place, value, moment)
                elif value is not None:
                    sheet.write(at, place, value)
    book.close()
    stamp(path, exported)


def text_table(
    path: Path,
    headers: Sequence[str],
    columns: dict[str, Iterable[str]],
    *,
    encoding: str,
    extra: bool = False,
) -> None:
    """Write a CSV of cells already quoted; `extra` ends rows with an unnamed empty column."""
    rows = [",".join(cells) for cells in zip(*(columns[name] for name in headers), strict=True)]
    end = ",\r\n" if extra else "\r\n"
    body = ",".join(headers) + "\r\n" + "".join(row + end for row in rows)
    path.write_bytes(body.encode(encoding, errors="replace"))


def plain(value: Any) -> Any:
    """A canonical value as a cell: naive local time, whole numbers without a decimal point."""
    if (
        value is None
        or value is pd.NA
        or value is pd.NaT
        or (isinstance(value, float) and value != value)
    ):
        return None
    if isinstance(value, pd.Timestamp):
        return value.tz_localize(None).to_pydatetime()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def or_dash(value: Any, dash: str = "-") -> Any:
    cell = plain(value)
    return dash if cell is None else cell


def clock(values: pd.Series, form: str) -> pd.Series:
    return values.dt.tz_localize(None).dt.strftime(form).fillna("-").astype("str")


def yuan(value: float) -> str:
    return f"¥{value:,.2f}"


def percent(part: float, whole: float) -> str:
    return f"{part / whole:.2%}" if whole else "—"


def minutes_seconds(value: float) -> str:
    return f"{int(value) // 60}分{int(value) % 60}秒"


def hours_minutes(value: float) -> str:
    return f"{int(value) // 3600}小时{int(value) % 3600 // 60}分{int(value) % 60}秒"


def money(values: pd.Series) -> pd.Series:
    return values.map("{:.2f}".format).mask(values.isna(), "-").astype("str")


def quoted(values: pd.Series) -> pd.Series:
    """Ids and text as the shop system writes them: in quotes, after a tab; `-` for none."""
    return ('"\t' + values.fillna("-").astype("str") + '"').astype("str")


def stamp(path: Path, exported: pd.Timestamp) -> Path:
    """Give a file the time at which the platform would have made it."""
    seconds = int(exported.tz_localize(shop()["timezone"]).timestamp())
    os.utime(path, (seconds, seconds))
    return path
