"""Where the minutes of a session turn, and what happened at that time.

A level changes, or people leave, beyond the minutes' own unevenness; what happened then only
coincides.
"""

from helpers.funnel.turning_points.circumstances import changing, happened, touching, with_turns
from helpers.funnel.turning_points.points import course, exits, stretches
from helpers.funnel.turning_points.turn_facts import (
    change_findings,
    course_words,
    exit_findings,
    groups,
    leaving_words,
    quiet_words,
)
