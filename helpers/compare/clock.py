"""The time of day at which sessions start: how far apart two are, and which share a slot."""

import numpy as np
import pandas as pd

DAY = 1440  # minutes
SAME_SLOT_MINUTES = 90  # starts further apart than this are two time slots


def start_minute(times: pd.Series) -> pd.Series:
    """Minutes since midnight of each time."""
    return (times.dt.hour * 60 + times.dt.minute).astype(float)


def angle(minutes: pd.Series) -> pd.Series:
    """Minutes since midnight as an angle, once around a day."""
    return 2 * np.pi * minutes / DAY


def minutes_apart(minutes: pd.Series, minute: float) -> pd.Series:
    """Minutes between times of day (minutes since midnight), the short way around."""
    apart = (minutes - minute).abs()
    return np.minimum(apart, DAY - apart)


def same_slot(minutes: pd.Series, minute: float) -> pd.Series:
    """Whether sessions that start at `minutes` share the slot of one that starts at `minute`."""
    return minutes_apart(minutes, minute) <= SAME_SLOT_MINUTES
