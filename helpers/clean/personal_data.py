"""Personal data that is left in clean tables, named by its place."""

from collections.abc import Mapping

import pandas as pd

from helpers import reference
from helpers.clean.history import TRACE
from helpers.clean.tables import LEDGERS
from helpers.core import privacy


def scan(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Personal data left in clean tables and ledgers, one row per cell.

    Columns: table, column, kind, file, sheet and row; never the value. Any row stops every report
    (`gate.check`). Names have no form and are not found: their columns are dropped on reading.
    """
    parts = [_scanned(name, frame) for name, frame in tables.items() if len(frame)]
    columns = ["table", "column", "kind", "file", "sheet", "row"]
    types = dict.fromkeys(columns, "str") | {"row": "float64"}
    return pd.concat([pd.DataFrame(columns=columns), *parts], ignore_index=True).astype(types)


def _scanned(table: str, frame: pd.DataFrame) -> pd.DataFrame:
    entry = reference.tables().get(table)  # some ledgers are ours alone: all of them is text
    columns = entry.columns if entry else {}
    ids = frozenset(name for name, column in columns.items() if column.kind == "id")
    keys = frozenset(name for name in ids if name.endswith("_key"))
    canonical = frame[[name for name in frame if name in columns]] if entry else frame
    hits = privacy.in_frame(canonical, ids=ids - keys, keys=keys)
    rows = frame.iloc[hits["row"].astype("int64")].reset_index(drop=True)
    file, sheet, row = ("file", "sheet", "row") if table in LEDGERS else TRACE
    origin = {
        "file": rows.get(file),
        "sheet": rows.get(sheet),
        "row": rows.get(row, hits["row"] + 1),
    }
    return hits.drop(columns="row").assign(table=table, **origin)
