"""Waiting times of customer service against published survival tables."""

import numpy as np
import pandas as pd
import pytest

from helpers import schema, service
from tests.sold_lines import DAY, START, ZONE

FREIREICH = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def enquiries():
    """The 6-MP arm of Freireich et al. 1963 as waits in seconds; the last twelve are censored (resolved without a reply)."""
    seconds = pd.to_timedelta(FREIREICH, unit="s")
    answered = np.arange(21) < 9
    made = pd.DataFrame({"enquiry_id": [str(i) for i in range(21)], "opened_at": START})
    made["first_reply_at"] = (START + seconds).where(answered)
    made["resolved_at"] = (START + seconds).where(~answered)
    return schema.conform(made, "service", ZONE)


def test_first_response_is_the_published_kaplan_meier():
    """Freireich: S(6) = .857, S(10) = .753, S(22) = .538, median 23."""
    made = service.first_response(enquiries(), as_of=START + DAY)
    assert made == service.Response(21, 9, 23.0)
    within = service.answered_within(enquiries(), as_of=START + DAY, marks=(6, 10, 22))
    assert (1 - within["rate"]).round(3).tolist() == [0.857, 0.753, 0.538]
    assert (1 - within["ci_upper"][0], 1 - within["ci_lower"][0]) == pytest.approx((0.620, 0.952), abs=1e-3)


def test_unanswered_enquiries_are_not_left_out():
    waiting = enquiries().assign(first_reply_at=pd.NaT, resolved_at=pd.NaT)
    waiting = schema.conform(waiting, "service", ZONE)
    assert service.first_response(waiting, as_of=START + DAY).median == np.inf
    assert np.isnan(service.first_response(waiting.head(0), as_of=START + DAY).median)
