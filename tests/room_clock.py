"""A room's clock for tests of minutes.

When it opens, what floor control logged, what the script planned.
"""

import numpy as np
import pandas as pd

START = pd.Timestamp("2026-11-10 19:58:40", tz="Asia/Shanghai")


def minute(number: float) -> pd.Timestamp:
    return START.floor("min") + pd.Timedelta(minutes=number)


def cues(*rows: tuple) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=["at", "kind", "product_id"])
    return frame.assign(at=pd.to_datetime(frame["at"]), session_id="S") if len(frame) else frame


RUNDOWN = pd.DataFrame(
    {
        "starts_at": [minute(0), minute(10)],
        "ends_at": [pd.NaT, minute(20)],
        "stage": ["preheat", "introduction"],
        "product_id": [np.nan, "p1"],
    }
)
