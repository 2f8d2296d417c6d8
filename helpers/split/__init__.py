"""Split analysis 拆分分析: a change split along its formula, then along sources and products; the parts sum to the whole.

Steps of a product are split by the additive LMDI-I (Ang 2005), which has no remainder, does not depend on the order of the
steps and lets steps be merged by adding their effects; shares and rates of slices by the centred Kitagawa / Das Gupta
split, because a structure effect by LMDI cannot be read slice by slice (Roux and Plank 2022). A split is accounting: it
says through which step and where a change came, not why.
"""

from helpers.split.diagnosis import CAUSES, Diagnosis, diagnose
from helpers.split.drill import along, along_sentence, drill, drill_bars, indented, session_levels
from helpers.split.formula import (
    baseline_session,
    factors,
    formula,
    hours,
    merged,
    no_steps,
    possible,
    tree,
    usual_effects,
    waterfall,
    with_usual,
)
from helpers.split.margins import diagnose_session
from helpers.split.product import Interval, lmdi, lmdi_ratios, logarithmic_mean, sampling_interval, shapley
from helpers.split.scan import find_causes, find_slices
from helpers.split.slices import by_slice, mix_and_rate, reversal, slice_totals, stands_out, typical_slices
from helpers.split.words import (
    MIX_WORDS,
    SLICE_COLUMNS,
    SLICE_WORDS,
    STANDING_COLUMNS,
    STANDING_WORDS,
    STEP_WORDS,
    argument,
    ground,
    largest,
    mix_sentence,
    named_slices,
    named_states,
    product_names,
    standing_findings,
    standings,
    step_findings,
    step_table,
    to_findings,
    whole_products,
    worth_of,
)

__all__ = [
    "CAUSES",
    "MIX_WORDS",
    "SLICE_COLUMNS",
    "SLICE_WORDS",
    "STANDING_COLUMNS",
    "STANDING_WORDS",
    "STEP_WORDS",
    "Diagnosis",
    "Interval",
    "along",
    "along_sentence",
    "argument",
    "baseline_session",
    "by_slice",
    "diagnose",
    "diagnose_session",
    "drill",
    "drill_bars",
    "factors",
    "find_causes",
    "find_slices",
    "formula",
    "ground",
    "hours",
    "indented",
    "largest",
    "lmdi",
    "lmdi_ratios",
    "logarithmic_mean",
    "merged",
    "mix_and_rate",
    "mix_sentence",
    "named_slices",
    "named_states",
    "no_steps",
    "possible",
    "product_names",
    "reversal",
    "sampling_interval",
    "session_levels",
    "shapley",
    "slice_totals",
    "standing_findings",
    "standings",
    "stands_out",
    "step_findings",
    "step_table",
    "to_findings",
    "tree",
    "typical_slices",
    "usual_effects",
    "waterfall",
    "whole_products",
    "with_usual",
    "worth_of",
]
