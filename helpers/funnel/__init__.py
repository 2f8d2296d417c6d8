"""This session by itself: its figures, steps, sources, products, minutes, comments and viewers."""

from helpers.funnel.facts import (
    all_findings,
    event_findings,
    foremost,
    paid_findings,
    product_findings,
    source_findings,
    step_findings,
)
from helpers.funnel.figures import (
    counted,
    key_figures,
    lacking_words,
    partly_missing,
    unknown_words,
)
from helpers.funnel.slices import (
    beside_period,
    by_product,
    by_source,
    by_video,
    heat,
    limits,
    paid_and_organic,
    period_words,
    quadrant,
    source_rates,
    source_words,
)
from helpers.funnel.step_rates import (
    by_rows,
    grown,
    grown_words,
    known_steps,
    over_sessions,
    pooled_rate,
    several,
    steps,
    time_slot,
    with_paid,
)
