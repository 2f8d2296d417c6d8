"""Customers: who is new, who comes back and when, who is late, who is worth most. By key alone, never by name.

Counted on order lines and what became of them: a line refunded in full is no purchase, an exchange
changes nothing, one buyer's orders of one shopping day are one purchase, and who has not come back
yet counts as not yet. Order lines may outgrow memory: they are aggregated on the engine, and only
small results become frames. Source: 电商销售团队绩效管理与提升策略.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd
from scipy.stats import chi2, norm

from helpers import reference
from helpers.aftersales import lines as order_lines
from helpers.core import engine, findings, stats, text
from helpers.reference import Customers

DAY = pd.Timedelta(days=1)
CURVE_DAYS = 14  # between the points of a curve that is drawn
MICRO = pd.Timedelta(microseconds=1)
# amounts are whole cents, and sums of floats are not: without it the order of the lines decides at
# a bound
DUST = 0.001
WITHIN = ["days", "rate", "ci_lower", "ci_upper", "n", "watched"]
BUYER_COLUMNS = ["order_id", "buyer_key", "is_new_buyer"]


class Share(NamedTuple):
    """A share with its interval, what it is of (money, people, orders) and how many cases it rests on."""

    value: float
    lower: float
    upper: float
    n: int


def bought(orders: pd.DataFrame, cases: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid order lines with their buyers and what became of them: one row per line whose buyer is known.

    Columns: those of `lines`, order_id, buyer_key, is_new_buyer (what the export says, often
    missing).
    """
    lines = order_lines.lines(orders, cases, as_of=as_of)
    return lines.merge(
        orders[["line_id", *BUYER_COLUMNS]].dropna(subset=["buyer_key"]),
        on="line_id",
        validate="one_to_one",
    )


def _table(lines: pd.DataFrame | ibis.Table) -> ibis.Table:
    return engine.table(lines) if isinstance(lines, pd.DataFrame) else lines


def _shift(as_of: pd.Timestamp, rules: Customers) -> pd.Timedelta:
    """From UTC to the local clock, less the hour at which a shopping day starts."""
    return as_of.utcoffset() - pd.Timedelta(hours=rules.shopping_day_starts)


def _day(at: ibis.Value, as_of: pd.Timestamp, rules: Customers) -> ibis.Value:
    """The number of the shopping day: local, from the hour in the morning at which nobody buys to the next."""
    return ((engine.epoch_us(at) + int(_shift(as_of, rules) / MICRO)) // int(DAY / MICRO)).cast(
        "int32"
    )


def today(as_of: pd.Timestamp, rules: Customers) -> int:
    """The number of the shopping day of a moment, as in `purchases`."""
    return int((as_of - pd.Timestamp(0, tz="UTC") + _shift(as_of, rules)) // DAY)


# --------------------------------------------------------------------------------------- purchases


def purchases(
    lines: pd.DataFrame | ibis.Table, *, as_of: pd.Timestamp, rules: Customers
) -> ibis.Table:
    """Every purchase that was kept, as an expression: one row per buyer x shopping day with something not sent back.

    Who asks it more than once has it worked out once: `engine.kept`.

    `lines` are those of `bought`, or a table of the engine with buyer_key, is_new_buyer, paid,
    paid_at, refunded_amount. Columns: buyer_key, day, amount (net of refunds), number (1 for the
    first of all; counted one higher where the export knows an older customer), days (to the next
    purchase, else to `as_of`), happened (whether there is a next one). Lines that cost nothing are
    no purchase either: gifts come with another line.
    """
    table = _table(lines)
    kept = table.filter(
        table.buyer_key.notnull(),
        table.paid_at <= as_of,
        table.refunded_amount.fill_null(0) < table.paid,
    )
    made = kept.group_by("buyer_key", day=_day(kept.paid_at, as_of, rules)).agg(
        amount=(kept.paid - kept.refunded_amount.fill_null(0)).sum(),
        known=(~kept.is_new_buyer).min().fill_null(False),
    )
    each = ibis.window(group_by=made.buyer_key, order_by=made.day)
    following = made.day.lead().over(each)
    place = ibis.row_number().over(each) + 1
    return made.select(
        "buyer_key",
        "day",
        "amount",
        number=(place + made.known.first().over(each).cast("int32")).cast("int32"),
        days=(following.coalesce(today(as_of, rules)) - made.day).cast("int32"),
        happened=following.notnull(),
    )


def gaps(made: ibis.Table) -> pd.DataFrame:
    """How long customers took: one row per number (of the purchase before) x days x happened, with n."""
    return engine.frame(made.group_by("number", "days", "happened").agg(n=made.count()))


# ------------------------------------------------------------------------------------- coming back


def _grid(counts: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """By day from 0: how many came back on it, and how many were still followed when it began."""
    length = int(counts["days"].max()) + 1
    back = np.bincount(counts["days"], counts["n"] * counts["happened"], length)
    gone = np.bincount(counts["days"], counts["n"], length)
    return back, gone[::-1].cumsum()[::-1]


def curve(counts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """The share that came back, day by day, by Kaplan-Meier: who has not yet counts as not yet.

    `counts` has days (whole), happened and n (`gaps`). One row per day on which somebody came back,
    and for day 0: days, rate, ci_lower, ci_upper, watched (customers still followed when the day
    began).
    """
    if counts.empty:
        return pd.DataFrame(
            columns=["days", "rate", "ci_lower", "ci_upper", "watched"], dtype=float
        )
    found = stats.course(counts["days"], counts["happened"], counts["n"], confidence=confidence)
    made = pd.DataFrame(
        {
            "days": found.times.astype("int64"),
            "rate": found.share,
            "ci_lower": found.lower,
            "ci_upper": found.upper,
            "watched": found.followed.astype("int64"),
        }
    )
    return made[(found.happened > 0) | (made["days"] == 0)].reset_index(drop=True)


def within(counts: pd.DataFrame, marks: Sequence[int], *, confidence: float = 0.95) -> pd.DataFrame:
    """The share that came back within each mark: one row per mark, days, rate, ci_lower, ci_upper, n (customers), watched.

    watched are those of whom it is known by then: back, or followed for so long. `nan` where that
    cannot be said (`stats.happened_within`).
    """
    made = pd.DataFrame({"days": [*marks], "n": int(counts["n"].sum())})
    if counts.empty:
        return made.assign(rate=np.nan, ci_lower=np.nan, ci_upper=np.nan, watched=0)[WITHIN]
    values = stats.happened_within(
        counts["days"], counts["happened"], marks, weights=counts["n"], confidence=confidence
    )
    watched = [
        int(counts.loc[counts["happened"] | (counts["days"] >= mark), "n"].sum()) for mark in marks
    ]
    return made.assign(
        **dict(zip(("rate", "ci_lower", "ci_upper"), values, strict=True)), watched=watched
    )[WITHIN]


def _first_and_later(counts: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """The gaps after the first purchase, and those after the later ones."""
    return [("first", counts[counts["number"] == 1]), ("later", counts[counts["number"] > 1])]


def cycle(counts: pd.DataFrame) -> pd.DataFrame:
    """How long until the next purchase, the first gap and the later ones apart: one row each that there are purchases for.

    Columns: gap (first, later), n (purchases), came_back (followed by another), median (days by
    Kaplan-Meier, `nan` where not even half have come back: then there is none), among_returned
    (median of those who did; always too short).
    """
    rows = []
    for name, part in _first_and_later(counts):
        if len(part):
            found, back = curve(part), part[part["happened"]]
            rows.append(
                {
                    "gap": name,
                    "n": int(part["n"].sum()),
                    "came_back": int(back["n"].sum()),
                    "median": _reached(found, 0.5),
                    "among_returned": _reached(curve(back), 0.5) if len(back) else np.nan,
                }
            )
    return pd.DataFrame(rows, columns=["gap", "n", "came_back", "median", "among_returned"])


def _reached(found: pd.DataFrame, share: float) -> float:
    """The first day on which so large a share has come back; `nan` where it never does."""
    late = found[found["rate"] >= share - 1e-12]
    return float(late["days"].iloc[0]) if len(late) else np.nan


# ------------------------------------------------------------------------------- late and won back


def lateness(counts: pd.DataFrame, *, rules: Customers) -> pd.DataFrame:
    """From how many days on a customer is late, by how often he bought: one row per frequency class.

    Columns: frequency (purchases so far, from), overdue_days, basis, n (purchases), came_back.
    overdue_days is the day by which `overdue_share` had come back, by Kaplan-Meier; where so many
    never do, of those who come back within the longest time followed (basis "returned" instead of
    "all"). Where fewer than `fewest` came back, the class below stands in (basis "below"); `nan`
    where there is none.
    """
    rows = []
    for start, end in zip(
        rules.frequency_classes, [*rules.frequency_classes[1:], np.inf], strict=True
    ):
        part = counts[(counts["number"] >= start) & (counts["number"] < end)]
        back = int(part.loc[part["happened"], "n"].sum())
        found = curve(part)
        every = _reached(found, rules.overdue_share)
        late = (
            every
            if np.isfinite(every)
            else _reached(found, rules.overdue_share * found["rate"].max())
        )
        enough = back >= rules.fewest
        rows.append(
            {
                "frequency": start,
                "overdue_days": late if enough else np.nan,
                "basis": ("all" if np.isfinite(every) else "returned") if enough else "below",
                "n": int(part["n"].sum()),
                "came_back": back,
            }
        )
    made = pd.DataFrame(rows)
    return made.assign(overdue_days=made["overdue_days"].ffill())


def _class_of(number: ibis.Value, late: pd.DataFrame) -> ibis.Value:
    """The day from which a customer of so many purchases is late, as a column of the engine."""
    found = ibis.null("float64")
    for row in late.itertuples():
        days = (
            ibis.null("float64")
            if np.isnan(row.overdue_days)
            else ibis.literal(float(row.overdue_days))
        )
        found = ibis.ifelse(number >= row.frequency, days, found)
    return found


def won_back(
    counts: pd.DataFrame, late: pd.DataFrame, *, rules: Customers, confidence: float = 0.95
) -> Share:
    """Of all who became overdue, the share that bought again within `winback_days` of it (Kaplan-Meier): 流失挽回率.

    n is how many became overdue. It says that they came back, not that anybody won them.
    """
    place = np.searchsorted(late["frequency"], counts["number"], side="right") - 1
    over = counts["days"] - late["overdue_days"].to_numpy()[place]
    lost = counts[over > 0].assign(days=over[over > 0])
    row = within(lost, [rules.winback_days], confidence=confidence).iloc[0]
    return Share(row["rate"], row["ci_lower"], row["ci_upper"], int(row["n"]))


# --------------------------------------------------------------------------------------------- RFM


def _score(value: ibis.Value, bounds: Sequence[float], *, falling: bool = False) -> ibis.Value:
    """1, and one more for each bound that is reached: equal values, equal scores."""
    score = ibis.literal(1)
    for bound in bounds:
        score = score + ((value <= bound) if falling else (value >= bound)).cast("int32")
    return score.cast("int32")


def rated(
    made: ibis.Table, late: pd.DataFrame, *, as_of: pd.Timestamp, rules: Customers
) -> ibis.Table:
    """Every customer with his scores, as an expression: one row per buyer who kept something.

    Columns: buyer_key, days_since, purchases, amount, recency, frequency and spend (scores from 1),
    segment (a key of `customers.yml`), overdue_days (`nan` where his class has none), overdue.
    Bounds are fixed and amounts in medians of one purchase, so that equal customers score equally
    and any currency will do.
    """
    last = made.group_by("buyer_key").agg(
        days_since=today(as_of, rules) - made.day.max(),
        purchases=made.number.max(),
        amount=made.amount.sum(),
    )
    usual = made.aggregate(usual=made.amount.quantile(0.5))
    told = last.cross_join(usual)
    high, bounds = rules.high_from, rules.scores
    scored = told.mutate(
        recency=_score(told.days_since, bounds.recency_days, falling=True),
        frequency=_score(told.purchases, bounds.purchases),
        spend=_score((told.amount + DUST) / told.usual, bounds.amount),
        overdue_days=_class_of(told.purchases, late),
    )
    marks = [
        (scored.recency >= high.recency),
        (scored.frequency >= high.frequency),
        (scored.spend >= high.amount),
    ]
    segment = marks[0].ifelse("1", "0") + marks[1].ifelse("1", "0") + marks[2].ifelse("1", "0")
    return scored.mutate(
        segment=segment, overdue=(scored.days_since > scored.overdue_days).fill_null(False)
    ).drop("usual")


def segments(scored: ibis.Table, *, rules: Customers) -> pd.DataFrame:
    """The customers by segment: one row per segment that has any, in the order of `customers.yml`.

    Columns: segment, zh, en, n (customers), share, amount (net), amount_share, overdue (customers).
    """
    found = engine.frame(
        scored.group_by("segment").agg(
            n=scored.count(), amount=scored.amount.sum(), overdue=scored.overdue.cast("int64").sum()
        )
    )
    made = (
        found.set_index("segment")
        .reindex([name for name in rules.segments if name in set(found["segment"])])
        .reset_index()
    )
    labels = [rules.segments[name] for name in made["segment"]]
    return made.assign(
        zh=[label.zh for label in labels],
        en=[label.en for label in labels],
        share=made["n"] / made["n"].sum(),
        amount_share=made["amount"] / made["amount"].sum(),
    )


def best(scored: ibis.Table, *, limit: int = 100) -> pd.DataFrame:
    """The customers of the largest net amounts, by key alone: the columns of `rated`, largest first, equal ones by key."""
    found = scored.order_by(ibis.desc("amount"), "buyer_key").limit(limit)
    return engine.frame(found).sort_values(
        ["amount", "buyer_key"], ascending=[False, True], ignore_index=True
    )


# --------------------------------------------------------------------------------- who brings them


MONTH = 28


def origins(
    lines: pd.DataFrame | ibis.Table,
    made: ibis.Table,
    *,
    by: str,
    as_of: pd.Timestamp,
    rules: Customers,
    confidence: float = 0.95,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """Which sessions or products bring customers who come back: one row per value of `by` in first purchases, most first.

    `made` are the `purchases` of the lines. Columns: `by`, n (new customers whose first purchase
    holds it), watched (of whom it is known after `origin_days`), rate (back within them,
    Kaplan-Meier), ci_lower, ci_upper, usual (the same of all new customers of the same four weeks),
    p_value (log-rank against them), p_adjusted (Benjamini-Hochberg), verdict. A customer stands
    under each product of his first purchase: rows are not to be added. Under `fewest` customers
    watched: shown, not judged (not_comparable).
    """
    table = _table(lines)
    new = made.filter(made.number == 1)
    first = new.select("buyer_key", "day", "days", "happened", month=new.day // MONTH)
    found = table.filter(
        table.paid_at <= as_of, table.refunded_amount.fill_null(0) < table.paid, table[by].notnull()
    )
    named = found.select("buyer_key", by, day=_day(found.paid_at, as_of, rules)).distinct()
    joined = first.join(named, ["buyer_key", "day"])
    keys = ["month", "days", "happened"]
    whole = engine.frame(first.group_by(keys).agg(n=first.count()))
    counts = engine.frame(joined.group_by([by, *keys]).agg(n=joined.count()))
    tables = {month: _grid(part) for month, part in whole.groupby("month")}
    usual = {
        month: stats.course(part["days"], part["happened"], part["n"]).by(rules.origin_days)
        for month, part in whole.groupby("month")
        if part["days"].max() >= rules.origin_days
    }
    rows = [
        {by: name, **_origin(part, tables, usual, rules, confidence)}
        for name, part in counts.groupby(by, sort=True)
    ]
    told = pd.DataFrame(
        rows,
        columns=[by, "n", "watched", "rate", "ci_lower", "ci_upper", "usual", "more", "p_value"],
    )
    adjusted = stats.benjamini_hochberg(told["p_value"])
    sure = np.where(
        adjusted <= false_discovery_rate,
        np.where(told["more"] > 0, "better", "worse"),
        "cannot_tell",
    )
    verdict = pd.Series(
        np.where(told["p_value"].isna(), "not_comparable", sure), index=told.index, dtype="str"
    )
    return (
        told.assign(p_adjusted=adjusted, verdict=verdict)
        .drop(columns="more")
        .sort_values(["n", by], ascending=[False, True], ignore_index=True)
    )


def _origin(
    part: pd.DataFrame,
    tables: dict[int, tuple[np.ndarray, np.ndarray]],
    usual: dict[int, float],
    rules: Customers,
    confidence: float,
) -> dict[str, float]:
    """One origin against all new customers of the same months."""
    own = within(part, [rules.origin_days], confidence=confidence).iloc[0]
    months = part.groupby("month")
    more, variance = np.sum(
        [logrank(_grid(group), tables[month]) for month, group in months], axis=0
    )
    weight = months["n"].sum().reindex(list(usual)).fillna(0)
    expected = (
        float(np.average(list(usual.values()), weights=weight)) if weight.sum() > 0 else np.nan
    )
    judged = own["watched"] >= rules.fewest and variance > 0
    return {
        **{name: own[name] for name in ("n", "watched", "rate", "ci_lower", "ci_upper")},
        "usual": expected,
        "more": more,
        "p_value": float(chi2.sf(more**2 / variance, 1)) if judged else np.nan,
    }


def logrank(
    part: tuple[np.ndarray, np.ndarray], whole: tuple[np.ndarray, np.ndarray]
) -> tuple[float, float]:
    """How many more of a part came back than the whole lets one expect, and the variance of that: the log-rank test.

    Both as (came back, followed) by day, the part inside the whole; more² / variance is chi-squared
    with one degree of freedom, and over several months the sums of both are. lifelines tests one
    pair without months; there are hundreds.
    """
    (own_back, own), (back, followed) = part, whole
    back, followed = back[: len(own)], followed[: len(own)]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(followed > 0, own / followed, 0.0)
        spread = np.where(followed > 1, back * (followed - back) / (followed - 1), 0.0)
    return float((own_back - share * back).sum()), float((share * (1 - share) * spread).sum())


# ------------------------------------------------------------------------------------- one session


def new_share(
    lines: pd.DataFrame | ibis.Table,
    *,
    session_id: str,
    as_of: pd.Timestamp,
    rules: Customers,
    confidence: float = 0.95,
) -> tuple[Share, Share]:
    """New customers' share of a session's paid amount, and of its buyers: 新客GMV占比 and the people behind it.

    A buyer is new where the export says so, else where no paid line of an earlier shopping day is
    known. The amount is as paid, with later refunds inside; its interval is the linear
    approximation over buyers, that of people Wilson's.
    """
    table = _table(lines)
    paid = table.filter(table.buyer_key.notnull(), table.paid_at <= as_of)
    dated = paid.mutate(day=_day(paid.paid_at, as_of, rules))
    first = dated.group_by("buyer_key").agg(first_day=dated.day.min())
    here = dated.filter(dated.session_id == session_id).join(first, "buyer_key")
    told = here.mutate(new=here.is_new_buyer.fill_null(here.day == here.first_day))
    buyers = engine.frame(told.group_by("buyer_key").agg(paid=told.paid.sum(), new=told.new.max()))
    part, whole = buyers["paid"].where(buyers["new"], 0.0), buyers["paid"]
    value = part.sum() / whole.sum() if whole.sum() > 0 else np.nan
    lower, upper = stats.wilson(buyers["new"].sum(), len(buyers), confidence=confidence)
    error = (
        _mean_error(part - value * whole, confidence) / whole.mean() if len(buyers) > 1 else np.nan
    )
    people = buyers["new"].mean() if len(buyers) else np.nan
    return (
        Share(float(value), max(value - error, 0.0), min(value + error, 1.0), len(buyers)),
        Share(float(people), float(lower), float(upper), len(buyers)),
    )


def _mean_error(values: pd.Series, confidence: float) -> float:
    """Half the width of the interval of a mean."""
    return float(norm.ppf((1 + confidence) / 2) * values.std(ddof=1) / np.sqrt(len(values)))


def basket(lines: pd.DataFrame, *, confidence: float = 0.95) -> tuple[Share, Share]:
    """Units per buyer (连带率), and the share of buyers who took two or more products, of the lines given."""
    by_buyer = lines.groupby("buyer_key").agg(
        units=("qty", "sum"), products=("product_id", "nunique")
    )
    n = len(by_buyer)
    mean, error = (
        (by_buyer["units"].mean(), _mean_error(by_buyer["units"], confidence))
        if n > 1
        else (np.nan, np.nan)
    )
    several = int((by_buyer["products"] > 1).sum())
    lower, upper = stats.wilson(several, n, confidence=confidence)
    return Share(float(mean), mean - error, mean + error, n), Share(
        several / n if n else np.nan, float(lower), float(upper), n
    )


def unpaid(
    orders: pd.DataFrame, *, as_of: pd.Timestamp, rules: Customers, confidence: float = 0.95
) -> Share:
    """Orders created and not paid within `unpaid_minutes`, out of those at least so old at `as_of` (Wilson).

    `nan` where the export has no payment times. Carts that never became an order are not in it.
    """
    limit = pd.Timedelta(minutes=rules.unpaid_minutes)
    each = orders.groupby("order_id").agg(
        created_at=("created_at", "min"), paid_at=("paid_at", "min")
    )
    old = each[each["created_at"] + limit <= as_of]
    if old["paid_at"].isna().all():
        return Share(np.nan, np.nan, np.nan, len(old))
    late = int((~(old["paid_at"] - old["created_at"] <= limit)).sum())
    lower, upper = stats.wilson(late, len(old), confidence=confidence)
    return Share(late / len(old), float(lower), float(upper), len(old))


def referred(orders: pd.DataFrame, *, confidence: float = 0.95) -> Share:
    """老客推荐占比: buyers whom a customer recommended, out of those who paid and of whom it is stated (Wilson).

    A buyer with one recommended line is one. `nan` where nobody fills it in. Source:
    电商销售团队绩效管理与提升策略.
    """
    known = orders[orders["paid_at"].notna()].dropna(subset=["buyer_key", "is_referred"])
    brought = known["is_referred"].astype(bool).groupby(known["buyer_key"]).any()
    lower, upper = stats.wilson(int(brought.sum()), len(brought), confidence=confidence)
    return Share(
        float(brought.mean()) if len(brought) else np.nan, float(lower), float(upper), len(brought)
    )


# ----------------------------------------------------------------------------------- what is shown


def figures(
    lines: pd.DataFrame,
    orders: pd.DataFrame,
    session: pd.Series,
    counts: pd.DataFrame,
    late: pd.DataFrame,
    parts: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    rules: Customers,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The figures of the chapter on customers: one row per figure, those of the session first, then the account's.

    Columns: figure, zh, en, scope (session or account), value, ci_lower, ci_upper, unit, n (buyers,
    orders or customers). `orders` are the session's, `parts` those of `segments`. first_order are
    new buyers over all viewers, old customers among them, so it is a lower bound. Where a figure
    cannot be told its row is left out.
    """
    options = {"as_of": as_of, "rules": rules, "confidence": confidence}
    money, people = new_share(lines, session_id=session["session_id"], **options)
    units, several = basket(
        lines[lines["session_id"] == session["session_id"]], confidence=confidence
    )
    customers, overdue = int(parts["n"].sum()), int(parts["overdue"].sum())
    here = [
        ("new_share", "percent", money),
        ("new_buyers", "percent", people),
        ("first_order", "percent", first_orders(people, session["viewers"], confidence=confidence)),
        ("referred", "percent", referred(orders, confidence=confidence)),
        ("unpaid", "percent", unpaid(orders, **options)),
        ("units", "ratio", units),
        ("several", "percent", several),
    ]
    back = [
        (f"repurchase_{row.days}", "percent", Share(row.rate, row.ci_lower, row.ci_upper, row.n))
        for row in within(
            counts[counts["number"] == 1], rules.within_days, confidence=confidence
        ).itertuples()
    ]
    there = [
        *back,
        (
            "overdue",
            "percent",
            Share(overdue / customers if customers else np.nan, np.nan, np.nan, customers),
        ),
        ("won_back", "percent", won_back(counts, late, rules=rules, confidence=confidence)),
    ]
    rows = [
        {
            "figure": name,
            "scope": scope,
            "unit": unit,
            "value": found.value,
            "ci_lower": found.lower,
            "ci_upper": found.upper,
            "n": found.n,
        }
        for scope, told in (("session", here), ("account", there))
        for name, unit, found in told
    ]
    made = pd.DataFrame(rows).dropna(subset=["value"]).reset_index(drop=True)
    return made.assign(
        **{
            lang: [_figure_name(name, rules, lang) for name in made["figure"]]
            for lang in ("zh", "en")
        }
    )


def _figure_name(name: str, rules: Customers, lang: str) -> str:
    """A figure's label of terms.yml, with the days or minutes that the rules set."""
    kind, _, days = (
        name.partition("_") if name.startswith("repurchase_") else (name, "", rules.winback_days)
    )
    return text.label(reference.terms()["customer_figure"][kind], lang).format(
        days=days, minutes=rules.unpaid_minutes, share=text.percent(rules.overdue_share, 0)
    )


def first_orders(people: Share, viewers: float, *, confidence: float = 0.95) -> Share:
    """首单转化率: new buyers of a session (those of `new_share`) over its viewers; `nan` where viewers are not known."""
    if not (people.n and pd.notna(viewers) and viewers >= people.n):
        return Share(np.nan, np.nan, np.nan, 0)
    new = round(people.value * people.n)
    lower, upper = stats.wilson(new, viewers, confidence=confidence)
    return Share(new / viewers, float(lower), float(upper), int(viewers))


def curves(counts: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """What the chart shows: one row per gap (first, later) x `CURVE_DAYS` days, with gap, zh, en, days, rate, ci_lower, ci_upper."""
    parts = []
    for name, part in _first_and_later(counts):
        found = curve(part, confidence=confidence)
        if len(found) > 1:
            marks = np.unique(
                [*range(0, int(found["days"].max()) + 1, CURVE_DAYS), int(found["days"].max())]
            )
            place = np.searchsorted(found["days"], marks, side="right") - 1
            label = reference.terms()["customer_gap"][name]
            parts.append(found.iloc[place].assign(days=marks, gap=name, zh=label.zh, en=label.en))
    columns = ["gap", "zh", "en", "days", "rate", "ci_lower", "ci_upper", "watched"]
    made = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)
    return made[made["watched"] >= 1][columns]


def shortened(keys: pd.Series) -> pd.Series:
    """Keys as the page shows them: enough to find a customer in the result table, not enough to be of use elsewhere."""
    return keys.str[:6] + "…"


def customer_findings(
    shown: pd.DataFrame,
    counts: pd.DataFrame,
    parts: pd.DataFrame,
    products: pd.DataFrame,
    *,
    notebook: str,
    rules: Customers,
) -> list[dict[str, object]]:
    """Findings on customers: new ones in this session, how many come back and when, who is late, which products bring them.

    `shown` is that of `figures`, `products` that of `origins` with product_name. They state facts:
    none says better or worse, as no earlier session is compared.
    """
    told = shown.set_index("figure")
    made = [
        *_new_finding(told, notebook),
        *_back_finding(told, counts, notebook, rules),
        *_late_finding(told, parts, notebook, rules),
    ]
    return [
        *made,
        *(
            _origin_finding(row, notebook, rules)
            for row in products[products["verdict"].isin(["better", "worse"])].itertuples()
        ),
    ]


def _bounds(row: pd.Series, lang: str) -> str:
    return text.choose(
        lang,
        f"（{text.interval(row['ci_lower'], row['ci_upper'], 'percent', lang)}）",
        f" ({text.interval(row['ci_lower'], row['ci_upper'], 'percent', lang)})",
    )


def _new_finding(told: pd.DataFrame, notebook: str) -> list[dict[str, object]]:
    if not {"new_share", "new_buyers"} <= set(told.index):
        return []
    money, people = told.loc["new_share"], told.loc["new_buyers"]
    words = {
        lang: (
            text.percent(people["value"]) + _bounds(people, lang),
            text.percent(money["value"]) + _bounds(money, lang),
            text.number(people["n"], lang),
        )
        for lang in ("zh", "en")
    }
    return [
        findings.make(
            notebook=notebook,
            dimension="conversion",
            metric="new_customer_share",
            value=money["value"],
            ci_lower=money["ci_lower"],
            ci_upper=money["ci_upper"],
            verdict="not_comparable",
            sentence_zh=(
                f"本场 {words['zh'][2]} 位已知买家中，新客占 {words['zh'][0]}，"
                "其支付金额占 "
                f"{words['zh'][1]}。"
            ),
            sentence_en=(
                f"Of this session's {words['en'][2]} known buyers, {words['en'][0]} are "
                "new; "
                f"they account for {words['en'][1]} of the paid amount."
            ),
        )
    ]


def _back_finding(
    told: pd.DataFrame, counts: pd.DataFrame, notebook: str, rules: Customers
) -> list[dict[str, object]]:
    days = [mark for mark in rules.within_days if f"repurchase_{mark}" in told.index]
    if not days or told.loc[f"repurchase_{days[0]}", "n"] < rules.fewest:
        return []
    lead, gap = (
        told.loc[f"repurchase_{rules.origin_days if rules.origin_days in days else days[-1]}"],
        cycle(counts).set_index("gap")["median"],
    )
    words = {}
    for lang in ("zh", "en"):
        shares = [
            (
                f"{text.choose(lang, f'{mark} 天内', f'within {mark} days')} "
                f"{text.percent(told.loc[f'repurchase_{mark}', 'value'])}"
                f"{_bounds(told.loc[f'repurchase_{mark}'], lang)}"
            )
            for mark in days
        ]
        head = text.choose(
            lang,
            f"首购后再买的：{'、'.join(shares)}。",
            f"Bought again after the first purchase: {', '.join(shares)}. ",
        )
        first = (
            text.choose(
                lang,
                "首购到第二次没有中位数：还不到一半人回来过。",
                (
                    "There is no median time to the second purchase, as fewer than half have come "
                    "back."
                ),
            )
            if np.isnan(gap["first"])
            else text.choose(
                lang,
                f"首购到第二次的中位数是 {gap['first']:.0f} 天。",
                f"The median time to the second purchase is {gap['first']:.0f} days.",
            )
        )
        later = gap.get("later", np.nan)
        words[f"sentence_{lang}"] = (
            head
            + first
            + (
                ""
                if np.isnan(later)
                else text.choose(
                    lang,
                    f"之后每次间隔的中位数是 {later:.0f} 天。",
                    f" After that the median gap is {later:.0f} days.",
                )
            )
        )
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="repurchase_rate",
            value=lead["value"],
            ci_lower=lead["ci_lower"],
            ci_upper=lead["ci_upper"],
            verdict="not_comparable",
            **words,
        )
    ]


def _late_finding(
    told: pd.DataFrame, parts: pd.DataFrame, notebook: str, rules: Customers
) -> list[dict[str, object]]:
    if "overdue" not in told.index or not parts["overdue"].sum():
        return []
    whole, late, back = (
        int(parts["n"].sum()),
        int(parts["overdue"].sum()),
        told.loc["won_back"] if "won_back" in told.index else None,
    )
    most, words = text.percent(rules.overdue_share, 0), {}
    for lang in ("zh", "en"):
        head = text.choose(
            lang,
            (
                f"客户共 {text.number(whole, lang)}，其中 {text.number(late, lang)}（"
                f"{text.percent(late / whole)}）已有流失风险：距上次购买的天数，比 {most} "
                "的同频次回头客当初隔的都长。"
            ),
            (
                f"Of {text.number(whole, lang)} customers {text.number(late, lang)} "
                f"({text.percent(late / whole)}) are overdue: they have waited longer than {most} "
                "of "
                "repeat buyers with the same purchase frequency did."
            ),
        )
        tail = (
            ""
            if back is None
            else text.choose(
                lang,
                (
                    f"以往进入流失预警的客户，此后 {rules.winback_days} 天内又买的占 "
                    f"{text.percent(back['value'])}{_bounds(back, lang)}。"
                ),
                (
                    f" Of customers who became overdue in the past, {text.percent(back['value'])}"
                    f"{_bounds(back, lang)} bought again within {rules.winback_days} days."
                ),
            )
        )
        words[f"sentence_{lang}"] = head + tail
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="churn_warning",
            value=late / whole,
            verdict="not_comparable",
            **words,
        )
    ]


def _origin_finding(row: object, notebook: str, rules: Customers) -> dict[str, object]:
    words = {}
    for lang in ("zh", "en"):
        name, share = (
            text.plain(row.product_name, 30),
            text.percent(row.rate) + _bounds(pd.Series(row._asdict()), lang),
        )
        more = row.verdict == "better"
        words[f"sentence_{lang}"] = text.choose(
            lang,
            (
                f"首购买「{name}」的 {row.n:.0f} 位新客，{rules.origin_days} 天内复购 {share}，"
                f"{'高' if more else '低'}于同期新客的 {text.percent(row.usual)}。"
            ),
            (
                f"Of {row.n:.0f} new customers whose first purchase held “{name}”, {share} bought "
                f"again within {rules.origin_days} days, {'more' if more else 'fewer'} than the "
                f"{text.percent(row.usual)} of all new customers of the same weeks."
            ),
        )
    return findings.make(
        notebook=notebook,
        dimension="aftersales",
        metric="repurchase_rate",
        slice=f"{row.product_name} ({row.product_id})",
        slice_id=row.product_id,
        value=row.rate,
        baseline=row.usual,
        ci_lower=row.ci_lower,
        ci_upper=row.ci_upper,
        p_adjusted=row.p_adjusted,
        verdict="not_comparable",
        **words,
    )
