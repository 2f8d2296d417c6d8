"""The head of the first screen: the session's title, where, who, when and how long."""

import math

import pandas as pd

from helpers.core import text
from helpers.report.signs import term


def title(session: pd.Series, lang: str) -> str:
    """The session's title, else its room's name, else the platform's."""
    names = [session.get(name) for name in ("title", "room_name")]
    return next(
        (text.plain(name, 60) for name in names if isinstance(name, str) and name.strip()),
        term("platform", session["platform"], lang),
    )


def facts(session: pd.Series, lang: str) -> list[str]:
    """What is known of the session in two lines: where and who; when, how long, of what kind."""
    host = session.get("host")
    who = text.choose(lang, "主播 ", "host ") + text.plain(host) if isinstance(host, str) else ""
    seconds = session.get("duration_seconds", math.nan)
    place = [term("platform", session["platform"], lang), plain(session.get("room_name")), who]
    moment = [
        _time(session),
        text.seconds(seconds, lang) if pd.notna(seconds) else "",
        term("session_kind", session.get("kind"), lang),
    ]
    return [" · ".join(filter(None, line)) for line in (place, moment)]


def _time(session: pd.Series) -> str:
    start, end = session["started_at"], session.get("ended_at")
    if pd.isna(end):
        return f"{start:%Y-%m-%d %H:%M}"
    until = f"{end:%H:%M}" if start.date() == end.date() else f"{end:%m-%d %H:%M}"
    return f"{start:%Y-%m-%d %H:%M} – {until}"


def plain(value: object) -> str:
    """A value that may be missing as a harmless text."""
    return text.plain(value) if isinstance(value, str) else ""
