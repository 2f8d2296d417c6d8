"""Customers: who is new, who comes back and when, who is late, who is worth most.

By key alone, never by name. Source: 电商销售团队绩效管理与提升策略.
"""

from helpers.aftersales.customers.acquisition import origins
from helpers.aftersales.customers.overdue import lateness, won_back
from helpers.aftersales.customers.repurchase import (
    bought,
    curves,
    cycle,
    gaps,
    purchases,
    today,
    within,
)
from helpers.aftersales.customers.scores import best, rated, segments, shortened
from helpers.aftersales.customers.session_buyers import first_orders, referred
from helpers.aftersales.customers.words import customer_findings, figures
