"""Sessions and events in a few words, and accounts of ordinary evenings.

For tests of the comparison.
"""

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.compare import days
from helpers.reference import metrics, schema

ZONE = "Asia/Shanghai"


REGISTRY = reference.registry()


THRESHOLDS = reference.thresholds()


CALENDAR = reference.calendar()
WORKING_DAYS = [
    day
    for day in pd.date_range("2026-04-01", "2026-09-30")
    if days.day_class(day.date(), "douyin") == "work"
]


def sessions_of(*rows: dict) -> pd.DataFrame:
    """Sessions of one Douyin room, 20:00 to 24:00 by host A.

    With the fields of each row over these.
    """
    sessions = []
    for number, row in enumerate(rows):
        day = pd.Timestamp(row.get("at", "2026-09-01 20:00"), tz=ZONE)
        sessions.append(
            {
                "session_id": f"s{number}",
                "platform": "douyin",
                "room": "r",
                "host": "A",
                "kind": "daily",
                "started_at": day,
                "duration_seconds": 4 * 3600.0,
                "currency": "CNY",
                "viewers": 10_000.0,
                "product_click_users": 2_000.0,
                "product_exposure_users": 8_000.0,
                "pay_users": 400.0,
                "orders": 420.0,
                "paid_amount": 40_000.0,
                "room_exposure_users": 100_000.0,
                "create_users": 500.0,
                **{key: value for key, value in row.items() if key != "at"},
            }
        )
    return schema.conform(pd.DataFrame(sessions), "sessions", ZONE)


def events_of(*rows: dict) -> pd.DataFrame:
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
    return compare.event_windows(schema.conform(frame, "events", ZONE), reference.event_kinds())


def comparable(sessions, session_id, events=None):
    events = events_of() if events is None else events
    return compare.comparable(
        sessions, session_id, events=events, calendar=CALENDAR, thresholds=THRESHOLDS
    )


def reason_of(table: pd.DataFrame, session_id: str) -> str:
    return table.set_index("session_id").loc[session_id, "reason"]


def evenings(days: int, start: str = "2026-08-24", **fields) -> list[dict]:
    return [{"at": f"{day:%Y-%m-%d} 20:00", **fields} for day in pd.date_range(start, periods=days)]


def scaled(sessions: pd.DataFrame, ids: list[str] | None = None) -> pd.DataFrame:
    ids = ids or compare.comparable_metrics(REGISTRY)
    return compare.on_one_scale(
        metrics.by_session(sessions, ids, registry=REGISTRY), sessions, REGISTRY
    )


def noisy(
    rng: np.random.Generator, count: int, sd: float = 0.12, last: float = 1.0
) -> pd.DataFrame:
    """Sessions on working-day evenings whose volumes and rates vary by `sd`.

    The last one's pay rate is multiplied.
    """
    rows = []
    for number, day in enumerate(WORKING_DAYS[-count:]):
        vary = np.exp(rng.normal(0, sd, 6))
        viewers = round(12_000 * vary[0])
        exposed = rng.binomial(viewers, min(0.8 * vary[1], 0.99))
        clicked = rng.binomial(exposed, min(0.3 * vary[2], 0.99))
        created = rng.binomial(clicked, min(0.25 * vary[3], 0.99))
        paid = rng.binomial(
            created, min(0.8 * vary[4] * (last if number == count - 1 else 1), 0.99)
        )
        rows.append(
            {
                "at": f"{day:%Y-%m-%d} 20:00",
                "viewers": viewers,
                "product_exposure_users": exposed,
                "product_click_users": clicked,
                "create_users": created,
                "pay_users": paid,
                "orders": paid,
                "room_exposure_users": viewers * 8,
                "paid_amount": paid * 90 * vary[5],
            }
        )
    return sessions_of(*rows)


def judged(sessions: pd.DataFrame) -> pd.DataFrame:
    session_id = sessions["session_id"].iloc[-1]
    chosen = sessions["session_id"].iloc[:-1]
    return compare.verdicts(
        scaled(sessions),
        session_id,
        chosen,
        sessions=sessions,
        registry=REGISTRY,
        thresholds=THRESHOLDS,
    )
