"""The columns of the plan's file: their names, what may stand in them, and who writes them."""

import hashlib
import re

import pandas as pd

from helpers.core import text

LABELS: dict[str, tuple[str, str]] = {
    "plan_id": ("编号", "Plan ID"),
    "session_id": ("场次编号", "Session ID"),
    "dimension": ("维度", "Dimension"),
    "stage": ("直播环节", "Stage"),
    "problem": ("问题", "Problem"),
    "evidence": ("证据", "Evidence"),
    "cause": ("可能原因", "Likely cause"),
    "action": ("优化动作", "Action"),
    "owner_role": ("负责岗位", "Owner role"),
    "due_session": ("执行场次", "Due session"),
    "metric": ("验证指标", "Verifying metric"),
    "slice": ("范围", "Slice"),
    "baseline": ("基线", "Baseline"),
    "least_effect": ("最小有效幅度", "Least useful effect"),
    "sessions": ("验证场次数", "Sessions to verify"),
    "money_at_stake": ("涉及金额", "Money at stake"),
    "effort": ("工作量", "Effort"),
    "status": ("状态", "Status"),
    "note": ("备注", "Note"),
    "expected_worth": ("预计值多少", "Expected worth"),
    "guardrail": ("不能变差的指标", "Must not get worse"),
    "known_by": ("多久看得出", "When it is known"),
    "stop_rule": ("什么时候停", "When to stop"),
}
# What the next review tells lines and problems apart by.
HIDDEN = ("certainty", "problem_id", "cause_id", "action_id", "parts")
COLUMNS = [*LABELS, *HIDDEN]
NUMBERS = ("baseline", "least_effect", "sessions", "money_at_stake")
REQUIRED = ("session_id", "problem", "action", "owner_role", "metric", "status")
EDITED = ("owner_role", "status", "note", "due_session", "effort")  # by the team
# What the review says; a line by hand says it itself.
WRITTEN = (
    "problem",
    "stage",
    "evidence",
    "cause",
    "action",
    "expected_worth",
    "guardrail",
    "known_by",
    "stop_rule",
)
# A due session that nobody named: the next one that is comparable.
NEXT = ("下一可比场次", "next comparable session")
# What an action is judged by, fixed beforehand.
FIXED = ("metric", "slice", "baseline", "least_effect", "sessions")
# Columns of choices, with their group of terms.yml.
CHOICES = {
    "owner_role": "role",
    "status": "plan_status",
    "effort": "effort",
    "dimension": "dimension",
}
DAY = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T].*)?")
HANDED_OUT = "as handed out"  # the hidden sheet: what cells held before somebody edited them


class PlanFileError(ValueError):
    """A plan file cannot be used; the message names file, row, column and what is expected."""


def label(column: str, lang: str) -> str:
    """A column's name; of a hidden one its id."""
    return text.choose(lang, *LABELS.get(column, (column, column)))


def plan_id(*about: str, prefix: str = "P") -> str:
    """The id of a plan row, made from what it is about: a new run finds it again.

    The prefix is H for rows by hand.
    """
    return f"{prefix}-{hashlib.blake2s('|'.join(about).encode(), digest_size=4).hexdigest()}"


def frame(rows: list[dict[str, object]]) -> pd.DataFrame:
    """Plan rows as a frame: one row per action, columns `COLUMNS`.

    Numbers are float64, the rest is str with "" for none.
    """
    lines = pd.DataFrame(rows, columns=COLUMNS)
    words = {name: lines[name].astype("str").fillna("") for name in COLUMNS if name not in NUMBERS}
    return lines.assign(**words, **{name: lines[name].astype("float64") for name in NUMBERS})
