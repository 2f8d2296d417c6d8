"""A change of the account split along its formula, its sources and its products: 拆分分析.

The parts sum to the whole. Steps of a product are split by the additive LMDI-I (Ang 2005), which
has no remainder, does not depend on the order of the steps and lets effects be added; slices by the
centred Kitagawa / Das Gupta split, as a structure effect by LMDI cannot be read slice by slice
(Roux and Plank 2022). A split says through where a change came, not why.
"""

from helpers.split.amount_steps import (
    MAIN_STEPS,
    baseline_session,
    formula,
    hours,
    lines,
    merged,
    no_steps,
    pairs_beyond,
    possible,
    sampling,
    spread_of,
    times,
    tree,
    usual_effects,
    waterfall,
    with_usual,
)
from helpers.split.answers import (
    argument,
    ground,
    lines_agree,
    mix_sentence,
    reversals,
)
from helpers.split.change_tree import PAID_CHANGE, drill, drill_bars, indented, path_sentence
from helpers.split.dimensions import by_dimension, dimension_sums, further, named_dimensions
from helpers.split.facts import to_findings
from helpers.split.levels import session_levels, sold_lines
from helpers.split.margins import CAUSES, OPEN, Diagnosis, diagnose_session
from helpers.split.slices import (
    by_slice,
    mix_and_rate,
    reversal,
    slice_totals,
    standings,
    typical_slices,
)
from helpers.split.tables import (
    largest,
    named_lines,
    named_slices,
    named_states,
    product_names,
    step_table,
    whole_products,
)
