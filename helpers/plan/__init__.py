"""Problems, their causes, the actions, the plan's file, and whether the last plan worked."""

from helpers.plan.aspects import NO_5W2H, five_w_two_h
from helpers.plan.causes import concerning, judge_causes
from helpers.plan.checklists import role_checklist, sheet_of, sheet_titles, stage_checklist
from helpers.plan.closing import three_way
from helpers.plan.draft import draft, in_language, merged, merged_sentence
from helpers.plan.facts import Facts
from helpers.plan.goals import (
    goal_findings,
    goal_levels,
    goal_slice,
    goal_tree,
    goal_words,
    with_behaviours,
)
from helpers.plan.lessons import NEXT_FILES
from helpers.plan.lessons import drawn as lessons_drawn
from helpers.plan.lines import plan_table, verified_by
from helpers.plan.note_subjects import severe as severe_notes
from helpers.plan.note_subjects import with_severe
from helpers.plan.notes import check_notes, with_notes
from helpers.plan.problems import problems, raised, suspicions
from helpers.plan.run_of_show import next_session
from helpers.plan.scorecard import aftersales_scores, other_scores, scorecard
