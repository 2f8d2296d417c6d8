"""Special events: when a logged event is in force, and what coincides with a session."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.days import festival_of
from helpers.reference import schema

COINCIDING = [
    "source",
    "source_zh",
    "source_en",
    "kind",
    "what",
    "from",
    "to",
    "expected_direction",
    "metric",
    "logged_after",
    "agrees",
]


def event_windows(events: pd.DataFrame, kinds: Mapping[str, reference.EventKind]) -> pd.DataFrame:
    """The logged events with the time they are in force: columns of `events` and from, to, stays.

    One without an end stays in force for the days that its kind lingers (a redesign two weeks, an
    outage a day); stays: its kind leaves a new level behind (bool). `kinds` are those of
    `reference.event_kinds`.
    """
    lingers = pd.to_timedelta(
        events["kind"].map({name: kind.days for name, kind in kinds.items()}).fillna(1), unit="D"
    )
    stays = events["kind"].isin([name for name, kind in kinds.items() if kind.stays])
    return events.assign(
        **{
            "from": events["starts_at"],
            "to": events["ends_at"].fillna(events["starts_at"] + lingers),
        },
        stays=stays,
    )


def events_over(windows: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """The events (`event_windows`) that are in force at some time from start to end."""
    return windows[(windows["from"] <= end) & (windows["to"] >= start)]


def lasting(events: pd.DataFrame, comparable: pd.DataFrame, session: pd.Series) -> pd.DataFrame:
    """Logged changes that stay and came after most of the baseline and before the session.

    Rows of `events`, oldest first, and before (number of chosen sessions before it).
    """
    chosen = comparable.loc[comparable["chosen"], "started_at"]
    stayed = events["stays"].astype(bool) & (events["starts_at"] < session["started_at"])
    changes = events[stayed].sort_values("starts_at")
    before = changes["starts_at"].map(lambda begun: int((chosen < begun).sum())).astype("int64")
    return changes.assign(before=before)[before * 2 > len(chosen)]


def since_baseline(
    events: pd.DataFrame, comparable: pd.DataFrame, session: pd.Series
) -> list[tuple[str, str]]:
    """Sentences (Chinese, English) on the `lasting` changes, which are in every difference.

    `events` are those of `event_windows`, `comparable` has `started_at` and `chosen`.
    """
    n = int(comparable["chosen"].sum())
    return [
        (
            (
                f"{n} 场可比场次里有 {event.before} 场早于「{event.what}」"
                f"（{event.starts_at:%Y-%m-%d}）：与平时的差别里含着这次变动，不全是本场的事。"
            ),
            (
                f"{event.before} of the {n} comparable sessions lie before “{event.what}” "
                f"({event.starts_at:%Y-%m-%d}): what it changed is in every difference from the "
                "usual."
            ),
        )
        for event in lasting(events, comparable, session).itertuples()
    ]


def coinciding(
    events: pd.DataFrame,
    calendar: Iterable[reference.Festival],
    sessions: pd.DataFrame,
    session_id: str,
    verdicts: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """What was logged, or stands in the calendar, for the time of this session; it proves nothing.

    `events` are those of `event_windows`. One row per event: source (log, calendar), source_zh,
    source_en, kind, what, from, to, expected_direction, metric, logged_after (after the session had
    begun), agrees (the metric named moved in the direction named).
    """
    by_id = sessions.set_index("session_id")
    row, end = by_id.loc[session_id], schema.session_ends(by_id).loc[session_id]
    logged = events_over(events, row["started_at"], end)
    coincident = logged.assign(
        source="log",
        source_zh="事件登记",
        source_en="event log",
        logged_after=(logged["entered_at"] > row["started_at"]).astype("boolean"),
        agrees=_agreement(logged, verdicts),
    ).reindex(columns=COINCIDING)
    festival = festival_of(row["started_at"].date(), row["platform"], calendar)
    if festival is None:
        return coincident.reset_index(drop=True)
    window, zone = festival[0], row["started_at"].tz
    marked = {
        "source": "calendar",
        "source_zh": "大促日历",
        "source_en": "calendar of festivals",
        "kind": "promotion",
        "what": window.festival,
        "from": pd.Timestamp(window.starts_on, tz=zone),
        "to": pd.Timestamp(window.ends_on, tz=zone) + pd.Timedelta(days=1),
        "expected_direction": "up",
        "metric": np.nan,
        "logged_after": False,
        "agrees": np.nan,
    }
    marked = pd.DataFrame([marked], columns=COINCIDING)
    return pd.concat([coincident, marked], ignore_index=True) if len(coincident) else marked


def _agreement(logged: pd.DataFrame, verdicts: pd.DataFrame | None) -> pd.Series:
    if verdicts is None or verdicts.empty:
        return pd.Series(pd.NA, index=logged.index, dtype="boolean")
    change = logged["metric"].map(verdicts.set_index("metric")["ratio"]).astype(float) - 1
    expected = logged["expected_direction"].map({"up": 1.0, "down": -1.0}).astype(float)
    return (np.sign(change) == expected).astype("boolean").mask(change.isna() | expected.isna())
