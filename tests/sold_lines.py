"""Order lines and after-sales cases for tests.

By hand, and simulated with a known rate and delay.
"""

import numpy as np
import pandas as pd

from helpers import aftersales
from helpers.reference import schema

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-11-01 20:00", tz=ZONE)
DAY = pd.Timedelta(days=1)


def orders(count, **columns):
    made = pd.DataFrame(
        {
            "platform": "douyin",
            "session_id": "s1",
            "order_id": [f"o{i}" for i in range(count)],
            "line_id": [f"l{i}" for i in range(count)],
            "product_id": "p1",
            "product_name": "面膜",
            "qty": 1.0,
            "created_at": START,
            "paid_at": START,
            "paid": 100.0,
            **columns,
        }
    )
    return schema.conform(made, "orders", ZONE)


def cases(rows):
    made = pd.DataFrame(
        [
            {
                "platform": "douyin",
                "case_id": f"c{i}",
                "kind": "return_refund",
                "status": "succeeded",
                "asked_at": START + DAY,
                "refunded_at": START + 2 * DAY,
                "amount": 100.0,
                "before_shipping": False,
                **row,
            }
            for i, row in enumerate(rows)
        ]
    )
    return schema.conform(made, "aftersales", ZONE)


NO_CASES = schema.empty("aftersales", ZONE)


def of(rows, count=10, as_of=START + 30 * DAY, **columns):
    return aftersales.lines(
        orders(count, **columns), cases(rows) if rows else NO_CASES, as_of=as_of
    )


def simulated(rng, session, *, lines=400, rate=0.3, started=START, median=7.0, early=0.0):
    """A session's order lines and cases.

    Refunds after a lognormal delay, and some at once before shipping.
    """
    paid_at = started + pd.to_timedelta(rng.uniform(0, 0.15, lines), unit="D")
    delay = rng.lognormal(np.log(median), 0.5, lines)
    back, at_once = rng.random(lines) < rate, rng.random(lines) < early
    ids = [f"{session}-{i}" for i in range(lines)]
    made = orders(
        lines, line_id=ids, order_id=ids, session_id=session, paid_at=paid_at, created_at=paid_at
    )
    days = np.where(at_once, 0.02, delay)
    refunded_at = paid_at + pd.to_timedelta(days, unit="D")
    keep = (back | at_once) & (days < 30)
    rows = pd.DataFrame(
        {
            "platform": "douyin",
            "case_id": ids,
            "line_id": ids,
            "kind": "return_refund",
            "status": "succeeded",
            "asked_at": paid_at,
            "refunded_at": refunded_at,
            "amount": 100.0,
            "before_shipping": at_once,
        }
    )[keep]
    return made, schema.conform(rows, "aftersales", ZONE)


def account(rng, sessions=10, **options):
    parts = [
        simulated(
            rng, f"old{i}", rate=rng.beta(30, 70), started=START - (40 + 3 * i) * DAY, **options
        )
        for i in range(sessions)
    ]
    return pd.concat([o for o, _ in parts], ignore_index=True), pd.concat(
        [c for _, c in parts], ignore_index=True
    )
