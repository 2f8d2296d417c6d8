"""Sessions side by side: this one beside a few others that are named."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import reference
from helpers.compare.account import movement_verdict, sessions_of
from helpers.compare.bases import against
from helpers.core import stats, text
from helpers.review import choose_session

MOST_BESIDE = 4  # sessions that fit beside the one under review
_DAYS = re.compile(r"(\d{4}-\d\d(?:-\d\d)?)(?:\.\.(\d{4}-\d\d(?:-\d\d)?))?")


def named(
    sessions: pd.DataFrame, words: str, session_id: str, *, most: int | None = None
) -> list[str]:
    """The ids of sessions named in a parameter, divided by commas.

    Each is an id or the beginning of one; `last` is the session before in the room; a day, a month
    or two of them (2026-06, 2026-06-01..2026-06-20) are its earlier sessions of that time. Raises
    `WorkspaceError` for a session that is not there, naming the nearest, and `ValueError` for the
    session under review or more than `most`.
    """
    earlier = sessions_of(sessions, session_id, weeks=10_000).iloc[:-1]
    ids: list[str] = []
    for word in filter(None, (part.strip() for part in words.split(","))):
        if word == "last":
            ids += earlier["session_id"].tail(1).tolist()
        elif days := _DAYS.fullmatch(word):
            clock = earlier["started_at"].dt.tz_localize(None)
            first, last = pd.Period(days[1]), pd.Period(days[2] or days[1])
            ids += earlier.loc[
                clock.between(first.start_time, last.end_time), "session_id"
            ].tolist()
        else:
            ids.append(choose_session(sessions, word))
    if session_id in ids:
        raise ValueError(
            f"{session_id}: is the session under review and cannot be compared with itself"
        )
    if most is not None and len(set(ids)) > most:
        raise ValueError(f"{len(set(ids))} sessions named: expected at most {most}")
    return list(dict.fromkeys(ids))


def beside(
    values: pd.DataFrame,
    session_id: str,
    others: list[str],
    *,
    registry: Mapping[str, reference.Metric],
    table: pd.DataFrame,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Sessions side by side: each other's value, the change to this one and a verdict.

    `values` and `table` are those of the verdicts (`on_one_scale`, `verdicts`): two single sessions
    differ by chance twice over. One row per metric: metric, label_zh, label_en, value, then
    value_1, change_1, verdict_1 and so on in the order of `others`; p-values are corrected over the
    whole table (Benjamini-Hochberg).
    """
    side_by_side = table[["metric", "label_zh", "label_en", "value"]].reset_index(drop=True)
    parts = [
        _one_beside(
            against(
                values,
                session_id,
                [other],
                registry=registry,
                table=table,
                confidence=thresholds["confidence"],
            ),
            table,
            thresholds,
        )
        for other in others
    ]
    adjusted = stats.benjamini_hochberg(
        np.concatenate([part["p"].to_numpy() for part in parts])
    ).reshape(len(parts), -1)
    for place, (part, p) in enumerate(zip(parts, adjusted, strict=True), start=1):
        verdict = [
            movement_verdict(1 + change, q, registry[name].bigger_is_better, thresholds)
            for name, change, q in zip(part.index, part["change"], p, strict=True)
        ]
        side_by_side = side_by_side.assign(
            **{
                f"value_{place}": part["reference"].to_numpy(),
                f"change_{place}": part["change"].to_numpy(),
                f"verdict_{place}": verdict,
            }
        )
    return side_by_side


def _one_beside(
    changes: pd.DataFrame, table: pd.DataFrame, thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """`against` one other by metric of the verdicts, with p behind the ordinary change."""
    rows = changes.set_index("metric").reindex(table["metric"])
    free = (table.set_index("metric")["n"].astype(float) - 1).where(
        lambda n: n >= thresholds["min_sessions_for_verdict"] - 1
    )
    error = np.log1p(rows["ordinary_upper"]) / distributions.t.ppf(
        0.5 + thresholds["confidence"] / 2, free
    )
    score = np.log1p(rows["change"].where(rows["change"] > -1)).abs() / error.where(error > 0)
    return rows.assign(p=2 * distributions.t.sf(score, free))


def beside_heads(sessions: pd.DataFrame, others: list[str]) -> dict[str, tuple[str, str]]:
    """Column heads of `beside`: when each other session was, and its host."""
    rows, heads = sessions.set_index("session_id"), {}
    for place, other in enumerate(others, start=1):
        row = rows.loc[other]
        when = (
            f"{row['started_at']:%Y-%m-%d %H:%M} "
            f"{text.plain(row['host'], 12) if isinstance(row['host'], str) else ''}"
        ).strip()
        heads |= {
            f"value_{place}": (when, when),
            f"change_{place}": ("本场比它", "This one against it"),
            f"verdict_{place}": ("结论", "Verdict"),
        }
    return heads
