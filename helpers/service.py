"""Customer service: how soon enquiries and cases get their first reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import stats


class Response(NamedTuple):
    """First response: enquiries or cases, how many are answered, and the Kaplan-Meier median in seconds."""

    n: int
    answered: int
    median: float


def _waits(cases: pd.DataFrame, opened: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """Seconds to the first reply, or to the end or `as_of` for what was not answered by then."""
    known = cases[cases[opened] <= as_of]
    answered = known["first_reply_at"].notna() & (known["first_reply_at"] <= as_of)
    end = known["first_reply_at"].where(answered, as_of)
    for column in {"closed_at", "resolved_at"} & set(known.columns):
        end = end.where(answered | known[column].isna() | (known[column] > end), known[column])
    return pd.DataFrame({"seconds": (end - known[opened]).dt.total_seconds().clip(lower=0), "answered": answered})


def first_response(cases: pd.DataFrame, *, as_of: pd.Timestamp, opened: str = "opened_at") -> Response:
    """Median time to the first reply by Kaplan-Meier: what is unanswered at `as_of` counts as not answered yet.

    A mean over answered cases would reward not answering. `inf` where more than half are still unanswered, `nan`
    without any case. `opened` is the column of the start (opened_at of enquiries, asked_at of cases).
    """
    data = _waits(cases, opened, as_of)
    if data.empty:
        return Response(0, 0, np.nan)
    return Response(len(data), int(data["answered"].sum()), float(stats.survival(data["seconds"], data["answered"]).median_survival_time_))


def answered_within(
    cases: pd.DataFrame, *, as_of: pd.Timestamp, opened: str = "opened_at", marks: tuple[float, ...] = (30, 180, 600, 3600),
) -> pd.DataFrame:
    """Share answered within each mark: one row per mark, columns seconds, rate, ci_lower, ci_upper (1 - Kaplan-Meier), n."""
    data = _waits(cases, opened, as_of)
    if data.empty:
        return pd.DataFrame(columns=["seconds", "rate", "ci_lower", "ci_upper", "n"])
    fitted = stats.survival(data["seconds"], data["answered"])
    bounds = fitted.confidence_interval_survival_function_
    steps = bounds.index.to_numpy()
    place = np.searchsorted(steps, marks, side="right") - 1
    lower, upper = 1 - bounds.iloc[place, 1].to_numpy(), 1 - bounds.iloc[place, 0].to_numpy()
    return pd.DataFrame({
        "seconds": marks, "rate": 1 - fitted.survival_function_at_times(list(marks)).to_numpy(),
        "ci_lower": lower, "ci_upper": upper, "n": len(data),
    })


def responses(
    queues: Mapping[str, tuple[pd.DataFrame, str, tuple[float, ...]]], *, as_of: pd.Timestamp,
) -> pd.DataFrame:
    """First response of several queues: one row per queue x mark, empty queues left out.

    `queues` maps a name to its cases, the column of their start and the marks in seconds. Columns: queue, n, answered,
    median (seconds), seconds (the mark), rate (answered within it), ci_lower, ci_upper.
    """
    parts = []
    for name, (cases, opened, marks) in queues.items():
        if len(cases):
            found = first_response(cases, as_of=as_of, opened=opened)
            within = answered_within(cases, as_of=as_of, opened=opened, marks=marks)
            parts.append(within.assign(queue=name, answered=found.answered, median=found.median))
    columns = ["queue", "n", "answered", "median", "seconds", "rate", "ci_lower", "ci_upper"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
