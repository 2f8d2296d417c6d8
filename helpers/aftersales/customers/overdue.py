"""Who has waited longer than most who came back, and how many such customers bought again."""

import ibis
import numpy as np
import pandas as pd

from helpers.aftersales.customers.repurchase import curve, day_reached, within
from helpers.aftersales.customers.share import Share
from helpers.reference import Customers


def lateness(counts: pd.DataFrame, *, rules: Customers) -> pd.DataFrame:
    """From how many days on a customer is late, one row per frequency class.

    Columns: frequency (purchases so far, from), overdue_days, basis, n (purchases), came_back.
    overdue_days is the day by which `overdue_share` had come back (Kaplan-Meier); where so many
    never do, of those who come back within the longest time followed (basis "returned" instead of
    "all"). Where fewer than `fewest` came back, the class below stands in (basis "below"); `nan`
    where there is none.
    """
    rows = []
    ends = [*rules.frequency_classes[1:], np.inf]
    for start, end in zip(rules.frequency_classes, ends, strict=True):
        part = counts[(counts["number"] >= start) & (counts["number"] < end)]
        came_back = int(part.loc[part["happened"], "n"].sum())
        daily = curve(part)
        days, basis = day_reached(daily, rules.overdue_share), "all"
        if np.isnan(days):
            days, basis = day_reached(daily, rules.overdue_share * daily["rate"].max()), "returned"
        if came_back < rules.fewest:
            days, basis = np.nan, "below"
        rows.append([start, days, basis, int(part["n"].sum()), came_back])
    columns = ["frequency", "overdue_days", "basis", "n", "came_back"]
    table = pd.DataFrame(rows, columns=columns)
    return table.assign(overdue_days=table["overdue_days"].ffill())


def overdue_days(purchases: ibis.Value, late: pd.DataFrame) -> ibis.Value:
    """The day from which a customer of so many purchases is late (`lateness`), on the engine."""
    days = ibis.null("float64")
    for row in late.itertuples():
        limit = None if np.isnan(row.overdue_days) else float(row.overdue_days)
        days = ibis.ifelse(purchases >= row.frequency, ibis.literal(limit, "float64"), days)
    return days


def won_back(
    counts: pd.DataFrame, late: pd.DataFrame, *, rules: Customers, confidence: float = 0.95
) -> Share:
    """流失挽回率: of the n who became overdue, the share that bought again within `winback_days`.

    By Kaplan-Meier. It says that they came back, not that anybody won them.
    """
    place = np.searchsorted(late["frequency"], counts["number"], side="right") - 1
    days_over = counts["days"] - late["overdue_days"].to_numpy()[place]
    overdue = counts[days_over > 0].assign(days=days_over[days_over > 0])
    row = within(overdue, [rules.winback_days], confidence=confidence).iloc[0]
    return Share(row["rate"], row["ci_lower"], row["ci_upper"], int(row["n"]))
