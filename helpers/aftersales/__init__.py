"""What came back and why, what is still to come, the profit that it leaves, who buys again."""

from helpers.aftersales import settlement
from helpers.aftersales.order_lines import (
    DAY,
    described,
    lines,
    mean_age,
    price_cuts,
    unmatched,
)
from helpers.aftersales.refund_delay import delay_curve
from helpers.aftersales.refund_rates import (
    DIMENSIONS,
    against_past,
    by_slice,
    rates,
    rates_at_age,
    return_findings,
    so_far,
)
