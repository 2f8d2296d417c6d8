"""Comparison 对比分析: which sessions compare, how far this one is from them, how sure that is.

同比 is the same period of last year, 环比 the previous period, 定基比 a fixed base (a slide of
直播复盘与售后跟踪 pairs them wrongly). None of them decides, for two single sessions always differ,
but the account's recent average with its prediction interval.
"""

from helpers.compare.baseline import (
    Basis,
    basis,
    comparable,
    described,
    same_room,
    spread_pool,
)
from helpers.compare.bases import (
    absent_bases,
    by_calendar,
    periods,
    same_date_year_ago,
    year_ago,
)
from helpers.compare.course import course_breaks, course_note
from helpers.compare.days import festival_of
from helpers.compare.events import coinciding, event_windows, since_baseline
from helpers.compare.forecast import Course, ahead, alike
from helpers.compare.goals import GOAL_PLACE, GOAL_STATES, goal_completion
from helpers.compare.logged import effect_sentences, effects
from helpers.compare.odd_sessions import oddities
from helpers.compare.scale import comparable_metrics, family, history, label, on_one_scale
from helpers.compare.setting import Setting, setting_of
from helpers.compare.together import OF_PARTS, together, together_findings
from helpers.compare.usual_sessions import usual, usual_words
from helpers.compare.verdict import money_at_stake, ranges, verdicts
from helpers.compare.words import basis_sentence, calendar_notes, summary, to_findings
