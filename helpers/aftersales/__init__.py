"""What came back, why, what is still to come, what it leaves as profit, and which customers return."""

from helpers.aftersales.order_lines import (
    DAY,
    described,
    known_at,
    lines,
    mean_age,
    price_bands,
    price_cuts,
    unmatched,
)
from helpers.aftersales.refund_delay import delay_curve, maturity
from helpers.aftersales.refund_rates import (
    DIMENSIONS,
    against_past,
    by_slice,
    rates,
    rates_at_age,
    return_findings,
    session_rates,
    so_far,
)

__all__ = [
    "DAY",
    "DIMENSIONS",
    "against_past",
    "by_slice",
    "delay_curve",
    "described",
    "known_at",
    "lines",
    "maturity",
    "mean_age",
    "price_bands",
    "price_cuts",
    "rates",
    "rates_at_age",
    "return_findings",
    "session_rates",
    "so_far",
    "unmatched",
]
