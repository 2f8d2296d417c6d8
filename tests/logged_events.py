"""Accounts whose level moves at a session, logged events.

And the river whose level fell in 1899.
"""

import numpy as np
import pandas as pd
import statsmodels.api as sm

from helpers.reference import schema
from tests.benchmarks import comparison

NILE = sm.datasets.nile.load_pandas().data["volume"].to_numpy()  # 1871 to 1970
ZONE = comparison.ZONE


def logged(*rows: dict) -> pd.DataFrame:
    frame = pd.DataFrame(
        rows,
        columns=[
            "starts_at",
            "ends_at",
            "kind",
            "what",
            "expected_direction",
            "metric",
            "entered_at",
        ],
    )
    for name in ("starts_at", "ends_at", "entered_at"):
        frame[name] = pd.to_datetime(frame[name]).dt.tz_localize(ZONE)
    return schema.conform(frame, "events", ZONE)


def account(count: int = 60, *, since: int, factor: float) -> pd.DataFrame:
    """One session a day from 20 March at 20:00; viewers times `factor` from session `since` on."""
    sessions = comparison.account(np.random.default_rng(3), count)
    return sessions.assign(
        viewers=sessions["viewers"].where(np.arange(count) < since, sessions["viewers"] * factor)
    )
