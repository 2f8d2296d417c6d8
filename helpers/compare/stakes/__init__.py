"""Money at stake in single products and sources: each step brought back to its own baseline.

`compare.money_at_stake` says what the session as a whole lost at a step against comparable
sessions. Here that movement of the whole is taken as given, and what is sized is how much further a
single product or source fell. The two never overlap; and lines here are not to be added: steps of
one product, and products and sources, share the same people. Method: empirical Bayes (Efron and
Morris 1975) on beta-binomial counts about each unit's own past rate.
"""

from helpers.compare.stakes.kinds import KINDS, by_kind, leading, priced, return_rates
from helpers.compare.stakes.sizing import MOST_SESSIONS, closable, lines, upper_quartile
from helpers.compare.stakes.stock import out_of_stock, sold_out
from helpers.compare.stakes.words import of_cells, to_findings
