"""The scorecards of the roles: each figure that a role answers for, beside what is usual."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, stats, text
from helpers.plan import verification

FIGURES = ["metric", "value", "baseline", "lower", "upper", "verdict"]


def scorecard(
    roles: Mapping[str, reference.RoleCard],
    verdicts: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    extra: Iterable[pd.DataFrame] = (),
) -> pd.DataFrame:
    """Each role's own figures: one row per role x metric of `roles.yml` that has a value.

    Columns: role, metric, zh, en (the metric's names), value, baseline, lower, upper, verdict (as
    notebook 03 reads it: normal inside the range), shared (how many roles carry it: such a figure
    says nothing about one person alone), addition (ours, not the source's), note_zh, note_en.
    `extra` are frames shaped as `verdicts` for figures that notebook 03 does not compare.
    """
    parts = [
        frame.assign(verdict=_as_read(frame)).reindex(columns=[*FIGURES, "label_zh", "label_en"])
        for frame in (*extra, verdicts)
        if len(frame)
    ]
    figures = (
        (pd.concat(parts) if parts else pd.DataFrame(columns=FIGURES))
        .drop_duplicates("metric")
        .set_index("metric")
    )
    shared = pd.Series(
        [line.metric for card in roles.values() for line in card.metrics]
    ).value_counts()
    rows = [
        {
            "role": role,
            "metric": line.metric,
            **_as_compared(figures.loc[line.metric], registry[line.metric]),
            **figures.loc[line.metric, FIGURES[1:]].to_dict(),
            "shared": int(shared[line.metric]),
            "addition": line.addition,
            "note_zh": line.note.zh if line.note else "",
            "note_en": line.note.en if line.note else "",
        }
        for role, card in roles.items()
        for line in card.metrics
        if line.metric in figures.index and pd.notna(figures.loc[line.metric, "value"])
    ]
    columns = ["role", "metric", "zh", "en", *FIGURES[1:], "shared", "addition"]
    return pd.DataFrame(rows, columns=[*columns, "note_zh", "note_en"])


def _as_read(frame: pd.DataFrame) -> pd.Series:
    return (
        frame["outcome"]
        if "outcome" in frame
        else findings.outcome(frame["verdict"], frame["value"], frame["lower"], frame["upper"])
    )


def _as_compared(row: pd.Series, metric: reference.Metric) -> dict[str, str]:
    """Notebook 03 names totals per hour."""
    return {
        lang: row[f"label_{lang}"]
        if isinstance(row[f"label_{lang}"], str)
        else text.label(metric, lang)
        for lang in ("zh", "en")
    }


def aftersales_scores(review_findings: pd.DataFrame) -> pd.DataFrame:
    """The session's refund rate at its age (a finding of notebook 05) as a row for `scorecard`."""
    refunds = review_findings[
        (review_findings["metric"] == "refund_rate_orders")
        & (review_findings["slice"].fillna("") == "")
    ]
    renamed = refunds.rename(columns={"ci_lower": "lower", "ci_upper": "upper"})
    return renamed[FIGURES].reset_index(drop=True)


def other_scores(
    history: pd.DataFrame,
    session_id: str,
    ids: Iterable[str],
    *,
    registry: Mapping[str, reference.Metric],
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Metrics that notebook 03 does not compare (those of enquiries) as rows for `scorecard`.

    `history` is `verification.history`. One row per metric that the session has: metric, value,
    baseline (mean of the last comparable sessions), lower, upper (t prediction interval, nan under
    four), verdict.
    """
    rows = []
    for name in ids:
        values = (
            history[(history["metric"] == name) & (history["slice"] == "")]
            .dropna(subset=["value"])
            .sort_values("started_at")
        )
        this_session = values.loc[values["session_id"] == session_id, "value"]
        if this_session.empty or registry[name].bigger_is_better is None:
            continue
        past = values[(values["session_id"] != session_id) & values["comparable"]].tail(
            verification.MOST_BEFORE
        )["value"]
        guess = stats.prediction_interval(
            past if len(past) >= verification.FEWEST_BEFORE else [],
            confidence=confidence,
            log=False,
        )
        outside = this_session.iloc[0] < guess.lower or this_session.iloc[0] > guess.upper
        good = (this_session.iloc[0] > guess.mean) == registry[name].bigger_is_better
        verdict = (
            "not_comparable"
            if np.isnan(guess.lower)
            else "cannot_tell"
            if not outside
            else "better"
            if good
            else "worse"
        )
        rows.append(
            {
                "metric": name,
                "value": this_session.iloc[0],
                "baseline": past.mean(),
                "lower": guess.lower,
                "upper": guess.upper,
                "verdict": verdict,
            }
        )
    return pd.DataFrame(rows, columns=FIGURES)
