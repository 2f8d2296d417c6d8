"""GMV达成率 and its like: how much of each goal is reached."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.reference import schema

# Where a goal stands in the tree of goals, as it was entered.
GOAL_PLACE = ("name", "level", "parent", "kind", "phase", "owner_role")
GOAL_STATES = {
    "reached": ("达成", "reached"),
    "on_track": ("目前达标", "on track so far"),
    "off_target": ("目前未达标", "off target so far"),
    "running": ("进行中", "still running"),
    "missed": ("未达成", "missed"),
    "": ("", ""),
}
GOAL_NOTES = {
    "behaviour": ("是行为次数，见计划一章", "counts what was done: see the part on the plan"),
    "": ("", ""),
    "unknown_metric": (
        "没有这个指标：请写指标的名称，如“支付金额”或“下单金额（含未支付）”",
        (
            "no such metric: write the name of one, such as “Paid amount” or “Order amount "
            "(unpaid included)”"
        ),
    ),
    "people_do_not_add": ("人数不能跨场相加", "people cannot be added over sessions"),
}


def goal_completion(
    goals: pd.DataFrame,
    values: pd.DataFrame,
    sessions: pd.DataFrame,
    session_id: str,
    *,
    registry: Mapping[str, reference.Metric],
    settled: bool = False,
) -> pd.DataFrame:
    """GMV达成率 and its like: each goal of this session or a period around it.

    `values` are those of `metrics.by_session`, totals undivided, and of `plan.with_behaviours` for
    goals of what is done. One row per goal: scope (session, period), period_from, period_to,
    metric, target, value, completion (value ÷ target), elapsed (share of the period passed by the
    end of this session), pace (elapsed, of totals alone), ahead (completion − pace), reached
    (bool), state and note (also in words), and `GOAL_PLACE`.

    Of a running total also how often past stretches of time as long as what is left brought what is
    lacking: stretches, enough.

    state: reached for good; on_track, off_target (rates) by figures that can still turn; running (a
    total not yet there); missed; empty where unknown. Until refunds are `settled`, what they are
    taken off is on track at best. People cannot be added over sessions: such a goal for a period
    has no value, and the note says so.
    """
    row = sessions.set_index("session_id").loc[session_id]
    start, end = (
        row["started_at"],
        schema.session_ends(sessions.set_index("session_id")).loc[session_id],
    )
    ours = goals[(goals["session_id"] == session_id) & goals["period_from"].isna()]
    goals = goals.assign(period_end=_end_of(goals["period_to"]))
    around = goals[
        (goals["period_from"] <= start)
        & (goals["period_end"].isna() | (goals["period_end"] > start))
    ]
    rows = [
        _goal(
            goal, values[values["session_id"] == session_id], registry, "session", np.nan, settled
        )
        for goal in ours.itertuples()
    ]
    for goal in around.itertuples():
        inside = sessions[
            (sessions["started_at"] >= goal.period_from) & (sessions["started_at"] <= start)
        ]["session_id"]
        elapsed = (
            (end - goal.period_from) / (goal.period_end - goal.period_from)
            if pd.notna(goal.period_end)
            else np.nan
        )
        row = _goal(
            goal,
            values[values["session_id"].isin(inside)],
            registry,
            "period",
            min(elapsed, 1.0),
            settled,
        )
        left = goal.period_end - end
        if row["state"] == "running" and pd.notna(left):
            of_metric = values[values["metric"] == goal.metric]
            past = _past_stretches(of_metric, sessions, start, left)
            row |= {"stretches": len(past), "enough": sum(past >= row["target"] - row["value"])}
        rows.append(row)
    columns = [
        "scope",
        "scope_zh",
        "scope_en",
        "period_from",
        "period_to",
        "metric",
        "target",
        "value",
        "completion",
        "elapsed",
        "pace",
        "ahead",
        "reached",
        "state",
        "state_zh",
        "state_en",
        "note",
        "note_zh",
        "note_en",
        *GOAL_PLACE,
        "stretches",
        "enough",
    ]
    return pd.DataFrame(rows, columns=columns)


def _past_stretches(
    values: pd.DataFrame, sessions: pd.DataFrame, start: pd.Timestamp, length: pd.Timedelta
) -> np.ndarray:
    """What each stretch of a length before a session brought, back to the first session."""
    starts = sessions.set_index("session_id")["started_at"]
    begun = values["session_id"].map(starts)
    ago = (start - begun) / length
    whole = int((start - starts.min()) / length)
    within = ago.gt(0) & ago.le(whole)
    number = np.ceil(ago[within]).astype(int)
    return (
        values.loc[within, "value"]
        .groupby(number)
        .sum()
        .reindex(range(1, whole + 1), fill_value=0.0)
        .to_numpy()
    )


def _end_of(stated: pd.Series) -> pd.Series:
    """When periods end: one stated as a day ends with that day."""
    return stated.mask(stated == stated.dt.normalize(), stated + pd.Timedelta(days=1))


def _state(reached: bool, metric: reference.Metric | None, *, over: bool, settled: bool) -> str:
    """How a goal with a value stands: reached or missed only where that cannot turn."""
    total = metric is not None and metric.denominator is None and not metric.minus
    wanted_up = metric is None or metric.bigger_is_better is not False
    done = over and (settled or metric is None or not _waits_for_refunds(metric))
    if reached:
        return "reached" if done or (total and wanted_up) else "on_track"
    if over or (total and not wanted_up):
        return "missed"
    return "off_target" if metric is None or metric.denominator is not None else "running"


def _waits_for_refunds(metric: reference.Metric) -> bool:
    return any(
        column.startswith("refund") and not column.startswith("refund_1h")
        for column in (metric.numerator, *metric.minus)
    )


def _goal(
    goal,
    values: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
    scope: str,
    elapsed: float,
    settled: bool,
) -> dict:
    metric = registry.get(goal.metric)
    rows = values[values["metric"] == goal.metric].dropna(subset=["value"])
    note, value = "", np.nan
    behaviour = goal.metric in reference.terms()["cue_kind"]
    if metric is None and (rows.empty or not behaviour):
        note = "behaviour" if behaviour else "unknown_metric"
    elif len(rows) <= 1:
        value = float(rows["value"].sum()) if len(rows) else np.nan
    elif metric is None or metric.denominator is not None:
        value = float(
            rows["numerator"].sum() / rows["denominator"].sum() * (metric.factor if metric else 1)
        )
    elif metric.additive:
        value = float(rows["value"].sum())
    else:
        note = "people_do_not_add"
    wanted_up = metric is None or metric.bigger_is_better is not False
    reached = (value >= goal.target) if wanted_up else (value <= goal.target)
    state = (
        _state(bool(reached), metric, over=scope == "session" or elapsed >= 1, settled=settled)
        if np.isfinite(value)
        else ""
    )
    total = metric is not None and metric.denominator is None
    completion, pace = value / goal.target if goal.target else np.nan, elapsed if total else np.nan
    says, spans = (
        GOAL_NOTES[note],
        {"session": ("本场", "this session"), "period": ("周期", "period")}[scope],
    )
    return {
        "scope": scope,
        "scope_zh": spans[0],
        "scope_en": spans[1],
        "period_from": goal.period_from,
        "period_to": goal.period_to,
        "metric": goal.metric,
        "target": goal.target,
        "value": value,
        "completion": completion,
        "elapsed": elapsed,
        "pace": pace,
        "ahead": completion - pace,
        "state": state,
        "state_zh": GOAL_STATES[state][0],
        "state_en": GOAL_STATES[state][1],
        "reached": bool(reached) if np.isfinite(value) else None,
        "note": note,
        "note_zh": says[0],
        "note_en": says[1],
        **{name: getattr(goal, name, None) for name in GOAL_PLACE},
    }
