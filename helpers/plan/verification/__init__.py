"""Whether the plan worked: sessions after an action against the sessions before it.

The session that a plan came from was picked because it was bad, so the next one is better by itself
(regression to the mean), and an account has its course: what is held against is what the sessions
before let one expect, with their level of the time, growth and kind (`compare.ahead`). Where a
plan row names a slice (a source, a product, a half hour), slices that no plan touched are its
controls: what moved all of them alike was not the action (difference-in-differences).
"""

from helpers.plan.verification.alternation import block_variation
from helpers.plan.verification.estimate import (
    FEWEST_BEFORE,
    Effect,
    against_controls,
    blocks_needed,
    effect,
    error_at_look,
    further_sessions,
    verdict,
)
from helpers.plan.verification.judge import COLUMNS, MOST_BEFORE, verify
from helpers.plan.verification.record import record_sentence, track_record
from helpers.plan.verification.values import gather, history
from helpers.plan.verification.words import findings_of, for_table, sentence, status
