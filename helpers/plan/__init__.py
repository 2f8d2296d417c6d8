"""Problems, their causes, the actions, the plan's file, and whether the last plan worked."""

from helpers.plan.draft import (
    BETWEEN,
    ELSEWHERE,
    NO_5W2H,
    concerning,
    draft,
    five_w_two_h,
    in_language,
    judge_causes,
    merged,
    verification_findings,
)
from helpers.plan.notes import check_notes, with_notes
from helpers.plan.problems import problems, raised, suspicions
from helpers.plan.scorecard import aftersales_scores, other_scores, scorecard

__all__ = [
    "BETWEEN",
    "ELSEWHERE",
    "NO_5W2H",
    "aftersales_scores",
    "check_notes",
    "concerning",
    "draft",
    "five_w_two_h",
    "in_language",
    "judge_causes",
    "merged",
    "other_scores",
    "problems",
    "raised",
    "scorecard",
    "suspicions",
    "verification_findings",
    "with_notes",
]
