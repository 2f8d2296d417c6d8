"""Money at stake in single products and sources: each step brought back to its own baseline.

`compare.money_at_stake` sizes what the whole session lost; here it is how much further a single
product or source fell, so the two never overlap. Lines are not to be added: they share the same
people. Method: empirical Bayes (Efron and Morris 1975) on beta-binomial counts.
"""

from helpers.compare.stakes.kinds import KINDS, by_kind, leading, priced, return_rates
from helpers.compare.stakes.sizing import MOST_SESSIONS, closable, lines, upper_quartile
from helpers.compare.stakes.stock import out_of_stock, sold_out
from helpers.compare.stakes.words import of_cells, to_findings
