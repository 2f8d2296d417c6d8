"""The verdicts on plan rows: what each is held against, and what comes out."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings
from helpers.plan import parts
from helpers.plan.verification.alternation import alternation
from helpers.plan.verification.estimate import (
    FEWEST_BEFORE,
    Contrast,
    Effect,
    against_controls,
    effect,
    error_at_look,
    further_sessions,
    verdict,
)
from helpers.plan.verification.words import slice_words

MOST_BEFORE = 40  # sessions; those before them say little more of the next ones
MOST_ALIKE = 15  # of one festival state, however long ago
FEWEST_CONTROLS = 2
NEARLY_ALL = 0.9  # of the sessions, a control must be in so many
PRICE_BAND = 2.0  # by which factor a control product's price may differ, up or down
MOST_NAMED = 6  # controls that a sentence lists
AXES = {
    "source": ("来源", "sources"),
    "product_id": ("商品", "products"),
    "slot": ("时段", "time slots"),
}
# What a verdict takes from its plan row, and the columns that are words.
OF_PLAN = (
    "plan_id",
    "session_id",
    "metric",
    "slice",
    "dimension",
    "problem",
    "cause",
    "action",
    "owner_role",
    "problem_id",
    "cause_id",
    "action_id",
    "parts",
    "status",
    "least_effect",
)
TEXTS = (
    "verdict",
    "estimator",
    "other_verdict",
    "alternate_by",
    "controls_zh",
    "controls_en",
    "reason_zh",
    "reason_en",
    "among_zh",
    "among_en",
)
COLUMNS = [
    *OF_PLAN[:-1],
    "verdict",
    "estimator",
    "n_before",
    "n_after",
    "n_planned",
    "flagged",
    "before",
    "after",
    "expected",
    "expected_rebound",
    "effect",
    "effect_lower",
    "effect_upper",
    "least_effect",
    "n_controls",
    "controls_effect",
    "controls_lower",
    "controls_upper",
    "other_effect",
    "other_lower",
    "other_upper",
    "other_verdict",
    "further_sessions",
    "alternate_by",
    "n_blocks",
    "block_sessions",
    "final",
    "controls_zh",
    "controls_en",
    "reason_zh",
    "reason_en",
    "among_zh",
    "among_en",
]


class _Seen(NamedTuple):
    """The values that one plan row is judged by, those after of one festival state (or none).

    Those before are of any: a level is that of one state, how sessions vary is told by all. `later`
    counts all sessions since, `apart` those that compare but for their festival state;
    `states` says whether sessions are of several. `flagged`, of the state `flagged_in`, compares
    with those before if `like`.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    later: int
    flagged: float
    festival: str
    apart: int
    states: bool
    flagged_id: str
    flagged_in: str
    like: bool

    @property
    def ids(self) -> list[str]:
        """The sessions of a `Course`."""
        return [*self.before["session_id"], self.flagged_id, *self.after["session_id"]]

    @property
    def past(self) -> float:
        """The flagged value as far as it is part of the past."""
        return self.flagged if self.like else np.nan


def _starts(row: pd.Series, starts: pd.Series) -> pd.Timestamp:
    """An action holds from the due session's start, else just after the flagged one."""
    flagged, due = starts.get(row["session_id"], pd.NaT), row.get("due_session")
    return max(starts[due], flagged) if isinstance(due, str) and due in starts.index else flagged


def _seen(row: pd.Series, values: pd.DataFrame, starts: pd.Series, planned: int) -> _Seen:
    mine = (values["metric"] == row["metric"]) & (
        values["slice"] == findings.slice_key(row["slice"])
    )
    of_row = values[mine].dropna(subset=["value"]).sort_values("started_at")
    flagged_at = starts[row["session_id"]]
    later = of_row[
        (of_row["started_at"] > flagged_at) & (of_row["started_at"] >= _starts(row, starts))
    ]
    bad = of_row[of_row["session_id"] == row["session_id"]]
    before, since = (
        of_row[of_row["comparable"] & (of_row["started_at"] < flagged_at)],
        later[later["comparable"]],
    )
    state = _state(before["festival"], since["festival"], planned)
    alike = since["festival"].eq(state)
    in_state = before["festival"].eq(state)
    recent = before.index[-MOST_BEFORE:].union(before.index[in_state][-MOST_ALIKE:])
    return _Seen(
        before[before.index.isin(recent)],
        since[alike].head(planned),
        len(later),
        float(bad["value"].iloc[0]) if len(bad) else np.nan,
        state,
        int((~alike).sum()),
        bool(set(before["festival"]) | set(since["festival"]) != {state}),
        row["session_id"],
        str(bad["festival"].iloc[0]) if len(bad) else state,
        bool(bad["comparable"].any()),
    )


def _course(seen: _Seen, sessions: pd.DataFrame) -> compare.Course:
    rows = sessions[sessions["session_id"].isin(seen.ids)]
    near, place = (frame.loc[seen.ids, seen.ids].to_numpy() for frame in compare.alike(rows))
    starts = rows.set_index("session_id")["started_at"].loc[seen.ids]
    days = ((starts - starts.iloc[0]) / pd.Timedelta(days=1)).to_numpy()
    state = np.r_[seen.before["festival"], [seen.flagged_in], seen.after["festival"]].astype(str)
    return compare.Course(near, place, days, state[:, None] == state)


def _state(before: pd.Series, since: pd.Series, planned: int) -> str:
    """The festival state to judge in: that of most sessions since, with enough before if any has.

    Ordinary days go before a festival where both have as many.
    """
    sessions_by_state, held = since.value_counts().clip(upper=planned), before.value_counts()
    enough = sessions_by_state[
        [held.get(state, 0) >= FEWEST_BEFORE for state in sessions_by_state.index]
    ]
    ranked = enough if len(enough) else sessions_by_state
    return max(sorted(ranked.index), key=lambda state: ranked[state]) if len(ranked) else ""


def _acted(plans: pd.DataFrame, starts: pd.Series) -> pd.DataFrame:
    rows = plans[plans["status"] != "dropped"]
    began = [_starts(row, starts) for _, row in rows.iterrows()]
    return pd.DataFrame(
        {
            "slice": rows["slice"].map(findings.slice_key),
            "parts": rows["parts"].map(parts.ids),
            "action": rows["action"],
            "started_at": began,
        }
    )


def _touched(others: pd.DataFrame, acted: pd.DataFrame, sessions: _Seen) -> set[str]:
    """Slices that an action meanwhile was about; of a line without ids, those that it names."""
    first, last = sessions.before["started_at"].min(), sessions.after["started_at"].max()
    meanwhile = acted[acted["started_at"].between(first, last)]
    words = " ".join(meanwhile.loc[meanwhile["parts"].eq(set()), "action"])
    labels = others.drop_duplicates("slice").set_index("slice")["label"]
    named = {key for key, label in labels.items() if label and label in words}
    return named.union(meanwhile["slice"], *meanwhile["parts"])


def _in_band(others: pd.DataFrame, price: float) -> set[str]:
    theirs = others.groupby("slice")["price"].median()
    return set(
        theirs.index[
            theirs.isna() | np.isnan(price) | theirs.between(price / PRICE_BAND, price * PRICE_BAND)
        ]
    )


def _controls(sessions: _Seen, values: pd.DataFrame, acted: pd.DataFrame) -> pd.DataFrame:
    """The metric of untouched slices: sessions x slice."""
    first = sessions.before.iloc[0]
    same = (
        (values["metric"] == first["metric"])
        & (values["axis"] == first["axis"])
        & (values["slice"] != first["slice"])
    )
    others = values[same & values["session_id"].isin(sessions.ids)]
    allowed = _in_band(others, sessions.before["price"].median()) - _touched(
        others, acted, sessions
    )
    wide = (
        others[others["slice"].isin(allowed)]
        .pivot(index="session_id", columns="slice", values="value")
        .reindex(sessions.ids)
    )
    judged = wide.drop(index=sessions.flagged_id)
    return wide.loc[:, (judged.notna().mean() >= NEARLY_ALL) & (judged >= 0).any()]


def _said(zh: str, en: str, about: str = "reason") -> dict[str, str]:
    return {f"{about}_zh": zh, f"{about}_en": en}


def _among(sessions: _Seen) -> dict[str, str]:
    if not sessions.states and not sessions.festival:
        return _said("", "", "among")
    left = (
        (
            f"；之后另有 {sessions.apart} 场大促状态不同，没有算进来",
            (
                "; later sessions left out because festival and ordinary days do not compare: "
                f"{sessions.apart}"
            ),
        )
        if sessions.apart
        else ("", "")
    )
    if not sessions.festival:
        return _said(
            f"只在非大促场次之间比{left[0]}",
            f"only sessions outside festivals are compared{left[1]}",
            "among",
        )
    return _said(
        f"前后都只取{sessions.festival}期间的场次{left[0]}；大促里各天也不一样，大促过后要再判一次",
        (
            f"only sessions within {sessions.festival} are compared{left[1]}; days of a festival "
            "differ "
            "too, so it must be judged again after it"
        ),
        "among",
    )


def _contrast(
    sessions: _Seen,
    values: pd.DataFrame,
    acted: pd.DataFrame,
    **way: object,
) -> tuple[Contrast | None, int, dict[str, str]]:
    """The slice against its controls, their number, and in words which or why there are none."""
    if sessions.before.empty or not sessions.before["axis"].iloc[0]:
        return None, 0, _said("", "", "controls")
    controls, (kind_zh, kind_en) = (
        _controls(sessions, values, acted),
        AXES[sessions.before["axis"].iloc[0]],
    )
    if controls.shape[1] < FEWEST_CONTROLS:
        return (
            None,
            controls.shape[1],
            _said(
                f"可作对照的未改动{kind_zh}不足 {FEWEST_CONTROLS} 个，只能与自己的过去比",
                (
                    f"fewer than {FEWEST_CONTROLS} untouched {kind_en} could serve as controls, "
                    "so it "
                    "is set against its own past"
                ),
                "controls",
            ),
        )
    wide, n = controls.to_numpy(), len(sessions.before)
    contrast = against_controls(
        sessions.before["value"],
        sessions.after["value"],
        wide[:n],
        wide[n + 1 :],
        flagged=sessions.past,
        controls_flagged=wide[n],
        **way,
    )
    labels = values.drop_duplicates("slice").set_index("slice")["label"]
    n_controls = controls.shape[1]
    zh, en = (
        [slice_words(labels[key] or key, lang) for key in controls.columns[:MOST_NAMED]]
        for lang in ("zh", "en")
    )
    more_zh, more_en = (
        (f"等 {n_controls} 个", f" and {n_controls - MOST_NAMED} more")
        if n_controls > MOST_NAMED
        else ("", "")
    )
    return (
        contrast,
        n_controls,
        _said(
            f"对照：{'、'.join(zh)}{more_zh}（未改动的{kind_zh}）",
            f"controls: {', '.join(en)}{more_en} (untouched {kind_en})",
            "controls",
        ),
    )


def _stands(contrast: Contrast | None) -> bool:
    """Whether the controls may judge: there are bounds."""
    return contrast is not None and bool(np.isfinite(contrast.effect.lower))


def _beside(contrast: Contrast | None, alone: Effect, least_effect: float) -> dict[str, object]:
    """The controls' own change, and what the estimator that did not judge would have said."""
    if contrast is None:
        return {}
    other, theirs = alone if _stands(contrast) else contrast.effect, contrast.controls
    return {
        "controls_effect": theirs.effect,
        "controls_lower": theirs.lower,
        "controls_upper": theirs.upper,
        "other_effect": other.effect,
        "other_lower": other.lower,
        "other_upper": other.upper,
        "other_verdict": verdict(other.lower, other.effect, other.upper, least_effect),
    }


def _refused(
    row: pd.Series, starts: pd.Series, registry: Mapping[str, reference.Metric]
) -> dict[str, object] | None:
    if row["status"] != "done":
        return {"verdict": "not_done", **_said("该项未标记为已执行", "not marked as done")}
    if row["session_id"] not in starts.index:
        return _said("计划所出的场次不在数据里", "the session of the plan is not in the data")
    if row["metric"] not in registry:
        return _said("验证指标不在指标库里", "the verifying metric is not in the registry")
    if registry[row["metric"]].bigger_is_better is None:
        return {
            "verdict": "not_comparable",
            **_said("该指标没有好坏方向", "the metric has no good direction"),
        }
    return None


def _numbers(measured: Effect, sessions: _Seen) -> dict[str, object]:
    rebound = measured.expected / sessions.flagged - 1 if sessions.flagged else np.nan
    return {
        "n_before": measured.n_before,
        "n_after": measured.n_after,
        "flagged": sessions.flagged,
        "before": measured.before,
        "after": measured.after,
        "expected": measured.expected,
        "expected_rebound": rebound,
        "effect": measured.effect,
        "effect_lower": measured.lower,
        "effect_upper": measured.upper,
    }


def _judged(
    row: pd.Series,
    sessions: _Seen,
    planned: int,
    values: pd.DataFrame,
    acted: pd.DataFrame,
    variation: pd.DataFrame | None,
    *,
    bigger_is_better: bool,
    error: float,
    course: compare.Course,
) -> dict[str, object]:
    """By the controls if they may judge, else by the row's own past."""
    way = {
        "bigger_is_better": bigger_is_better,
        "error": error_at_look(len(sessions.after), planned, error),
        "course": course,
    }
    alone = effect(sessions.before["value"], sessions.after["value"], flagged=sessions.past, **way)
    contrast, n_controls, controls = _contrast(sessions, values, acted, **way)
    measured, by = (contrast.effect, "controls") if _stands(contrast) else (alone, "baseline")
    outcome = verdict(measured.lower, measured.effect, measured.upper, row["least_effect"])
    row_verdict = {
        **_numbers(measured, sessions),
        **controls,
        **_beside(contrast, alone, row["least_effect"]),
        "verdict": outcome,
        "estimator": by,
        "n_controls": n_controls if row["slice"] else np.nan,
        "final": len(sessions.after) >= planned,
        **_among(sessions),
    }
    if measured.n_before < FEWEST_BEFORE and sessions.states:
        return (
            row_verdict
            | {"estimator": "", "verdict": "not_comparable"}
            | _said(
                f"之后的场次与此前的大促状态不同，此前同类场次只有 {measured.n_before} 场",
                (
                    "the sessions since differ from those before in their festival state; only "
                    f"{measured.n_before} before are alike"
                ),
            )
        )
    if measured.n_before < FEWEST_BEFORE:
        return (
            row_verdict
            | {"estimator": ""}
            | _said(
                f"此前可比场次只有 {measured.n_before} 场",
                f"only {measured.n_before} comparable sessions before",
            )
        )
    if not np.isfinite(measured.lower):
        return row_verdict | _said(
            "此前各场的数值都一样，无从知道它平时波动多大",
            "all sessions before have the same value, which does not tell how much it varies",
        )
    if outcome == "cannot_tell":
        row_verdict["further_sessions"] = further_sessions(
            measured, row["least_effect"], error=error
        )
        row_verdict |= alternation(row, measured, variation, row_verdict["further_sessions"])
    return row_verdict


def _verify_row(
    row: pd.Series,
    values: pd.DataFrame,
    account: pd.DataFrame,
    acted: pd.DataFrame,
    variation: pd.DataFrame | None,
    registry: Mapping[str, reference.Metric],
    error: float,
) -> dict[str, object]:
    starts = account.set_index("session_id")["started_at"]
    planned = max(int(row["sessions"]), 1) if pd.notna(row["sessions"]) else 1
    row_verdict: dict[str, object] = dict.fromkeys(COLUMNS, np.nan) | {
        name: row[name] for name in COLUMNS if name in row.index
    }
    row_verdict |= {"n_planned": planned, "verdict": "cannot_tell", "final": False}
    row_verdict |= dict.fromkeys(set(TEXTS) - {"verdict"}, "")
    refused = _refused(row, starts, registry)
    if refused is not None:
        return row_verdict | refused
    sessions = _seen(row, values, starts, planned)
    if sessions.after.empty and sessions.later:
        return row_verdict | {
            "verdict": "not_comparable",
            **_said("之后的场次类型不同，不可比", "the sessions since are of another kind"),
        }
    if sessions.after.empty:
        return row_verdict | _said(
            "执行后还没有该指标的数据", "no value of the metric since the action"
        )
    better = registry[row["metric"]].bigger_is_better
    return row_verdict | _judged(
        row,
        sessions,
        planned,
        values,
        acted,
        variation,
        bigger_is_better=better,
        error=error,
        course=_course(sessions, account),
    )


def verify(
    plans: pd.DataFrame,
    values: pd.DataFrame,
    sessions: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    variation: pd.DataFrame | None = None,
    error: float = 0.05,
) -> pd.DataFrame:
    """Verdicts on the plan rows of earlier sessions, one row per plan row, columns `COLUMNS`.

    `values` is `history` up to the session under review, `variation` is `block_variation`. The
    baseline are the comparable sessions before the flagged one, the outcome the first `sessions`
    comparable ones from the due session on, all of one festival state as in notebook 03 (`among_*`
    says so in words). before, after, flagged and expected (from the course of the sessions before,
    without any action) are in the metric's unit; effects are those of after against expected,
    relative and in the good direction. `estimator` says who judged: controls (untouched slices of
    the same kind, for rows that name a slice; `controls_*` is their own change, `other_*` what the
    slice's own past says) or baseline. `further_sessions` says how many more would do (`inf`: more
    than 60), `alternate_by`, `n_blocks` and `block_sessions` where alternating within sessions
    needs fewer; `final` whether the planned number of sessions is reached, before which a fifth of
    the error is spent on all looks together.
    """
    acted = _acted(plans, sessions.set_index("session_id")["started_at"])
    rows = [
        _verify_row(row, values, sessions, acted, variation, registry, error)
        for _, row in plans.iterrows()
    ]
    judged = pd.DataFrame(rows, columns=COLUMNS)
    numbers = [name for name in COLUMNS if name not in (*OF_PLAN, *TEXTS, "final")]
    return judged.astype(dict.fromkeys([*numbers, "least_effect"], "float64") | {"final": "bool"})
