"""What happened at the time of a change: explanations, cues, stages and logged events."""

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.funnel import minutes

SILENT = (
    "list",
    "delist",
    "explain_start",
    "explain_end",
)  # cues that say nothing more than the explanations do
TELLING = {
    "violation": 0,
    "banned_word": 0,
    "stock_change": 1,
}  # cues that explain more than an explanation; others explain less
NEAR = 2  # minutes within which something that happened goes with a change


def happened(
    spans: pd.DataFrame,
    cues: pd.DataFrame,
    script: pd.DataFrame,
    events: pd.DataFrame,
    started_at: pd.Timestamp,
    ended_at: pd.Timestamp,
) -> pd.DataFrame:
    """What a change can go with: explanations, cues, stages of the script, logged events.

    Columns: minute, until (nan for a moment), label_zh, label_en, weight (the smaller the more
    telling).
    """
    during = events[
        (events["starts_at"] <= ended_at)
        & (events["ends_at"].fillna(events["starts_at"]) >= started_at)
    ]
    moments = minutes.marks(
        cues,
        started_at,
        kinds=[kind for kind in reference.terms()["cue_kind"] if kind not in SILENT],
    )
    begins, ends = (minutes.elapsed(during[name], started_at) for name in ("starts_at", "ends_at"))
    rows = [
        *(
            (begin, end, *_event(row.kind, row.what), 0)
            for begin, end, row in zip(begins, ends, during.itertuples(), strict=True)
        ),
        *(
            (row.minute, np.nan, row.label_zh, row.label_en.lower(), TELLING.get(row.kind, 3))
            for row in moments.itertuples()
        ),
        *(
            (
                row.start_minute,
                row.end_minute,
                f"讲解「{row.label_zh}」",
                f"explaining “{row.label_en}”",
                2,
            )
            for row in spans.itertuples()
        ),
        *(
            (
                row.start_minute,
                row.end_minute,
                f"脚本环节「{row.label_zh}」",
                f"the stage “{row.label_en.lower()}”",
                4,
            )
            for row in script.itertuples()
        ),
    ]
    things = pd.DataFrame(rows, columns=["minute", "until", "label_zh", "label_en", "weight"])
    return things.astype({"minute": "float64", "until": "float64"}).sort_values(
        ["minute", "weight"], kind="stable", ignore_index=True
    )


def _event(kind: object, what: object) -> tuple[str, str]:
    term, note = (
        reference.terms()["event_kind"].get(kind) if isinstance(kind, str) else None,
        text.plain(what, 20),
    )
    return (
        (f"{term.zh}「{note}」", f"{term.en.lower()} “{note}”")
        if term
        else (f"事件「{note}」", f"event “{note}”")
    )


def touching(
    minute: float, things: pd.DataFrame, lang: str, *, until: float | None = None, most: int = 2
) -> str:
    """What began near a minute, the most telling first; else what was running; else nothing.

    Near is within NEAR minutes of it, or before `until`.
    """
    last = minute if until is None else until - 1
    near = things[(things["minute"] >= minute - NEAR) & (things["minute"] <= last + NEAR)]
    running = things[(things["minute"] <= minute) & (things["until"] > minute)]
    labels = (
        (near if len(near) else running)
        .sort_values("weight", kind="stable")[f"label_{lang}"]
        .drop_duplicates()
        .head(most)
    )
    return text.choose(lang, "、", ", ").join(labels)


def with_turns(marks: pd.DataFrame, leaving: pd.DataFrame, stretches: pd.DataFrame) -> pd.DataFrame:
    """`marks` with the exit and change points; change points of several rates at a minute once."""
    begins = stretches[stretches.groupby("rate_of").cumcount() > 0][
        "start_minute"
    ].drop_duplicates()
    words = reference.terms()["turn"]
    kind = ["exit"] * len(leaving) + ["change"] * len(begins)
    turns = pd.DataFrame(
        {
            "minute": [*leaving["start_minute"], *begins],
            "kind": kind,
            "label_zh": [words[name].zh for name in kind],
            "label_en": [words[name].en for name in kind],
        }
    )
    return pd.concat([part for part in (marks, turns) if len(part)] or [marks], ignore_index=True)


def changing(parts: pd.DataFrame, things: pd.DataFrame) -> pd.DataFrame:
    """The stretches of rates that change, with what they began with (began_zh, began_en)."""
    several = parts[parts.groupby("rate_of")["rate_of"].transform("size") > 1]
    return several.assign(
        **{
            f"began_{lang}": [touching(minute, things, lang) for minute in several["start_minute"]]
            for lang in ("zh", "en")
        }
    )
