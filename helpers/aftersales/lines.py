"""What came back after a session: refund rates so far, how refunds arrive over time, and the rates of earlier sessions at the same age.

Everything is counted on order lines: a line with three cases is one refunded line, an exchange is
no refund, and what buyers asked for is kept apart from what was paid back. Every figure belongs to
the moment `as_of`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import ibis
import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import engine, findings, stats, text

FEWEST_FOR_CURVE = 30
FEWEST_LINES = 20  # of a slice that is set against earlier sessions
DAY = pd.Timedelta(days=1)
RATES = {
    "asked": ("申请退款率（订单）", "Refunds asked for (orders)"),
    "refunded": ("退款率（订单）", "Refund rate (orders)"),
    "before_shipping": ("发货前退款率", "Refunded before shipping"),
    "after_shipping": ("发货后退款率", "Refunded after shipping"),
    "exchanged": ("换货率", "Exchanges"),
    "amount": ("退款率（金额）", "Refund rate (amount)"),
}
LINE_COLUMNS = [
    "line_id",
    "session_id",
    "product_id",
    "product_name",
    "source",
    "province",
    "qty",
    "paid",
    "paid_at",
    "shipped",
    "asked",
    "asked_at",
    "refunded",
    "refunded_at",
    "refunded_amount",
    "before_shipping",
    "returned",
    "exchanged",
    "reason",
]


class Maturity(NamedTuple):
    """How much of what will come back has come back at an age: the share F(age) and the refunds it rests on."""

    share: float
    refunds: int


# ------------------------------------------------------------------------------------- order lines


def _line_of_case(cases: pd.DataFrame, orders: pd.DataFrame) -> pd.Series:
    """The order line of each case: its own line_id, else the line of its order where that order has only one."""
    single = orders[~orders["order_id"].duplicated(keep=False)].set_index("order_id")["line_id"]
    return cases["line_id"].fillna(cases["order_id"].map(single).astype(cases["line_id"].dtype))


def _cases_until(cases: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Cases that existed at `as_of`, with `is_refund`, `paid_back` and the time of paying back as known then."""
    known = cases[cases["asked_at"] <= as_of]
    is_exchange = known["kind"].eq("exchange") | known["status"].eq("exchanged")
    paid_back_at = known["refunded_at"].fillna(known["closed_at"]).fillna(known["asked_at"])
    paid_back = ~is_exchange & known["status"].eq("succeeded") & (paid_back_at <= as_of)
    return known.assign(
        is_exchange=is_exchange,
        is_refund=~is_exchange,
        paid_back=paid_back,
        paid_back_at=paid_back_at.where(paid_back),
        amount=known["amount"].where(paid_back),
        returned=known["kind"].isin(["return_refund", "refund_before_shipping"]) & paid_back,
        early=known["before_shipping"]
        .astype("boolean")
        .fillna(known["kind"].eq("refund_before_shipping"))
        .astype(bool),
    )


def _by_line(cases: pd.DataFrame) -> pd.DataFrame:
    """One row per order line that has cases; the reason is that of the case that was paid back, else the first asked."""
    ordered = cases.sort_values(["paid_back", "asked_at"], ascending=[False, True], kind="stable")
    refunds = ordered[ordered["is_refund"]].groupby("line_id", sort=False)
    made = pd.DataFrame(
        {
            "asked_at": refunds["asked_at"].min(),
            "refunded_at": refunds["paid_back_at"].min(),
            "refunded": refunds["paid_back"].any(),
            "refunded_amount": refunds["amount"].sum(min_count=1),
            "before_shipping": refunds["early"].first(),
            "returned": refunds["returned"].any(),
            "reason": refunds["reason"].first(),
        }
    )
    exchanged = ordered.groupby("line_id", sort=False)["is_exchange"].any().rename("exchanged")
    return made.join(exchanged, how="outer")


def _with_payment_time(orders: pd.DataFrame) -> pd.DataFrame:
    """Orders of an export that has no payment times at all: what was paid counts as paid when it was created."""
    if orders["paid_at"].notna().any():
        return orders
    return orders.assign(paid_at=orders["created_at"].where(orders["paid"].gt(0)))


def lines(orders: pd.DataFrame, cases: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid order lines with what became of them: one row per line paid by `as_of`, columns `LINE_COLUMNS`.

    `asked` counts lines with a refund asked for, `refunded` those paid back; `refunded_amount` adds
    up the cases of a line and never passes what was paid for it. Without cases the order export's
    own `refunded` amount is used, which knows neither when nor why. An export without payment times
    is taken at its creation times. `before_shipping` says when the refund was asked for. Raises
    `ValueError` where a line id occurs twice.
    """
    paid = _with_payment_time(orders)
    paid = paid[paid["paid_at"].notna() & (paid["paid_at"] <= as_of)]
    if paid["line_id"].duplicated().any():
        raise ValueError(
            f"orders: line_id {paid['line_id'][paid['line_id'].duplicated()].iloc[0]!r} occurs "
            "more than once"
        )
    base = paid[
        [
            "line_id",
            "session_id",
            "product_id",
            "product_name",
            "source",
            "province",
            "qty",
            "paid",
            "paid_at",
        ]
    ].assign(shipped=paid["shipped_at"].notna() & (paid["shipped_at"] <= as_of))
    known = _cases_until(cases, as_of)
    found = _by_line(known.assign(line_id=_line_of_case(known, orders)).dropna(subset=["line_id"]))
    made = base.merge(found, left_on="line_id", right_index=True, how="left", validate="one_to_one")
    if cases.empty:
        amount = paid["refunded"].fillna(0).to_numpy()
        made = made.assign(
            refunded_amount=amount,
            refunded=amount > 0,
            before_shipping=(amount > 0) & ~base["shipped"].to_numpy(),
        )
    flags = {
        name: made[name].astype("boolean").fillna(False).astype(bool)
        for name in ("refunded", "before_shipping", "returned", "exchanged")
    }
    made = made.assign(**flags, asked=made["asked_at"].notna() | flags["refunded"])
    amount = made["refunded_amount"].fillna(made["paid"].where(made["refunded"])).fillna(0)
    return made.assign(refunded_amount=np.minimum(amount, made["paid"].fillna(amount)))[
        LINE_COLUMNS
    ].reset_index(drop=True)


def known_at(lines: pd.DataFrame, moment: pd.Timestamp) -> pd.DataFrame:
    """Lines as their refunds stood at an earlier moment: those paid by then, asked for and paid back by then.

    The flags are those of `lines` made from the cases of that day. Amounts are of lines refunded by
    then; where several cases of one line were paid back at different times, all of them count with
    the first.
    """
    then = lines[lines["paid_at"] <= moment]
    back = then["refunded"] & (then["refunded_at"] <= moment)
    asked = (then["asked_at"] <= moment) | back
    return then.assign(
        refunded=back,
        asked=asked,
        refunded_at=then["refunded_at"].where(back),
        asked_at=then["asked_at"].where(asked),
        refunded_amount=then["refunded_amount"].where(back, 0.0),
        returned=then["returned"] & back,
    )


def unmatched(cases: pd.DataFrame, orders: pd.DataFrame) -> int:
    """How many cases belong to no order line at hand (and so count in no rate)."""
    return int((~_line_of_case(cases, orders).isin(orders["line_id"])).sum())


def _ratio_interval(part: pd.Series, whole: pd.Series) -> tuple[float, float]:
    """95 % interval of sum(part) / sum(whole) over lines by linearisation; amounts are no proportion, so not Wilson."""
    n, total = len(whole), whole.sum()
    if n < 2 or total <= 0:
        return np.nan, np.nan
    value = part.sum() / total
    error = np.sqrt(((part - value * whole) ** 2).sum() * n / (n - 1)) / total
    return max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)


def rates(lines: pd.DataFrame, *, by: str | list[str] = ()) -> pd.DataFrame:
    """Refund rates, one row per group of `by` (one row in all where it is empty), largest paid amount first.

    Columns: by…, n (order lines), paid_amount, asked, refunded, refunded_before, refunded_after
    (lines), exchanged, refunded_amount, asked_rate, rate with ci_lower and ci_upper (lines,
    Wilson), rate_before, rate_after, amount_rate with amount_lower and amount_upper (linearised),
    as fractions. Source: 直播复盘与售后跟踪.
    """
    names = [by] if isinstance(by, str) else list(by)
    grouped = lines.groupby(names, sort=False, dropna=False) if names else [((), lines)]
    rows = []
    for key, part in grouped:
        back = part["refunded"]
        lower, upper = _ratio_interval(part["refunded_amount"], part["paid"].fillna(0))
        rows.append(
            {
                **dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True)),
                "n": len(part),
                "paid_amount": part["paid"].sum(),
                "asked": part["asked"].sum(),
                "refunded": back.sum(),
                "refunded_before": (back & part["before_shipping"]).sum(),
                "refunded_after": (back & ~part["before_shipping"]).sum(),
                "exchanged": part["exchanged"].sum(),
                "refunded_amount": part["refunded_amount"].sum(),
                "amount_lower": lower,
                "amount_upper": upper,
            }
        )
    made = pd.DataFrame(rows)
    if made.empty:
        return made
    n = made["n"].where(made["n"] > 0).astype(float)
    lower, upper = stats.wilson(made["refunded"], made["n"])
    made = made.assign(
        asked_rate=made["asked"] / n,
        rate=made["refunded"] / n,
        ci_lower=lower,
        ci_upper=upper,
        rate_before=made["refunded_before"] / n,
        rate_after=made["refunded_after"] / n,
        amount_rate=made["refunded_amount"] / made["paid_amount"].where(made["paid_amount"] > 0),
    )
    return made.sort_values("paid_amount", ascending=False, kind="stable", ignore_index=True)


def session_rates(session: pd.Series) -> pd.DataFrame:
    """Refund rates from the session's own totals, for sessions without order lines: one row per rate.

    Columns: metric (refund_rate_orders, refund_rate_amount), numerator, denominator, value,
    ci_lower, ci_upper (Wilson, orders only). Rates whose totals the platform does not give are left
    out, so the frame can be empty.
    """
    rows = []
    for metric, part, whole in (
        ("refund_rate_orders", "refund_orders", "orders"),
        ("refund_rate_amount", "refund_amount", "paid_amount"),
    ):
        x, n = session.get(part, np.nan), session.get(whole, np.nan)
        if pd.notna(x) and pd.notna(n) and n > 0:
            lower, upper = stats.wilson(x, n) if part == "refund_orders" else (np.nan, np.nan)
            rows.append(
                {
                    "metric": metric,
                    "numerator": x,
                    "denominator": n,
                    "value": x / n,
                    "ci_lower": float(lower),
                    "ci_upper": float(upper),
                }
            )
    return pd.DataFrame(
        rows, columns=["metric", "numerator", "denominator", "value", "ci_lower", "ci_upper"]
    )


def mean_age(lines: pd.DataFrame, as_of: pd.Timestamp) -> float:
    """Days since order lines were paid, on the mean; `nan` without lines."""
    return float(((as_of - lines["paid_at"]) / DAY).mean())


def so_far(lines: pd.DataFrame, session: pd.Series, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """What has come back so far: one row per rate, from order lines, else from the session's totals (may be empty).

    Columns: rate (asked, refunded, before_shipping, after_shipping, exchanged, amount), zh, en,
    numerator, denominator, value with ci_lower and ci_upper, as_of, age_days (mean age of the
    lines, else of the session's end), basis (lines or session). Numerator and denominator of
    `amount` are money, else order lines or orders.
    """
    names = {"refund_rate_orders": "refunded", "refund_rate_amount": "amount"}
    if lines.empty:
        made = session_rates(session)
        made = made.assign(rate=made["metric"].map(names), basis="session")
        age = (as_of - session["started_at"]) / DAY
    else:
        row = rates(lines).iloc[0]
        parts = {
            "asked": "asked",
            "refunded": "refunded",
            "before_shipping": "refunded_before",
            "after_shipping": "refunded_after",
            "exchanged": "exchanged",
        }
        counts = [row[column] for column in parts.values()]
        lower, upper = stats.wilson(counts, row["n"])
        made = pd.DataFrame(
            {
                "rate": list(parts),
                "numerator": counts,
                "denominator": row["n"],
                "ci_lower": lower,
                "ci_upper": upper,
            }
        )
        made.loc[len(made)] = [
            "amount",
            row["refunded_amount"],
            row["paid_amount"],
            row["amount_lower"],
            row["amount_upper"],
        ]
        made = made.assign(
            value=made["numerator"] / made["denominator"].where(made["denominator"] > 0),
            basis="lines",
        )
        age = mean_age(lines, as_of)
    made = made.assign(
        zh=made["rate"].map(lambda name: RATES[name][0]),
        en=made["rate"].map(lambda name: RATES[name][1]),
        as_of=as_of,
        age_days=age,
    )
    return made[
        [
            "rate",
            "zh",
            "en",
            "numerator",
            "denominator",
            "value",
            "ci_lower",
            "ci_upper",
            "as_of",
            "age_days",
            "basis",
        ]
    ].astype({"numerator": "float64", "denominator": "float64", "value": "float64"})


# ----------------------------------------------------------------------------------- still to come


MINUTE = pd.Timedelta(minutes=1)


def _minutes_to_refund(
    lines: pd.DataFrame | ibis.Table, as_of: pd.Timestamp, window_days: float
) -> pd.DataFrame:
    """Lines by begun minutes from payment to refund, or to `as_of` (at most the window) where not refunded by then.

    Counted on the engine, so that it takes lines beyond memory: one row per minutes x happened,
    with n.
    """
    table = (
        engine.table(lines[["paid_at", "refunded", "refunded_at"]])
        if isinstance(lines, pd.DataFrame)
        else lines
    )
    one, window, now = (
        int(span / pd.Timedelta(microseconds=1))
        for span in (MINUTE, window_days * DAY, as_of - pd.Timestamp(0, tz="UTC"))
    )
    paid = engine.epoch_us(table.paid_at)
    delay = engine.epoch_us(table.refunded_at) - paid
    happened = (table.refunded & (delay <= window)).fill_null(False)
    passed = ibis.ifelse(happened, delay, ibis.least(now - paid, window))
    counted = table.select(minutes=(ibis.greatest(passed, 0) + one - 1) // one, happened=happened)
    return engine.frame(counted.group_by("minutes", "happened").agg(n=counted.count()))


def delay_curve(
    lines: pd.DataFrame | ibis.Table, *, as_of: pd.Timestamp, window_days: float = 30
) -> pd.DataFrame:
    """How refunds arrive over time, from older sessions: one row per day 0 … window_days.

    `lines` are a frame, or a table of the engine (`engine.table`) with paid_at, refunded and
    refunded_at. Columns: day, share (of all refunds within the window, F(day) = (1 - S(day)) / (1 -
    S(window)) with the Kaplan-Meier S of paid lines, so that younger sessions help as far as they
    go), refunds (how many it rests on). Empty under 30 refunds with a known time. Lines paid after
    `as_of` do not belong in `lines`.
    """
    none = pd.DataFrame({"day": [], "share": [], "refunds": []})
    if isinstance(lines, pd.DataFrame) and lines.empty:
        return none
    counted = _minutes_to_refund(lines, as_of, window_days)
    refunds = int(counted.loc[counted["happened"], "n"].sum())
    if refunds < FEWEST_FOR_CURVE:
        return none
    days = np.arange(0, int(window_days) + 1)
    arrived = stats.course(counted["minutes"], counted["happened"], counted["n"])
    lost = arrived.by(np.array([*days, window_days]) * (DAY / MINUTE))
    return pd.DataFrame(
        {"day": days, "share": np.minimum(lost[:-1] / lost[-1], 1.0), "refunds": refunds}
    )


def maturity(curve: pd.DataFrame, age_days: float) -> Maturity:
    """F(age) of a delay curve, linear between days; `nan` where the curve is empty, 1 after its window."""
    if curve.empty:
        return Maturity(np.nan, 0)
    return Maturity(
        float(np.interp(age_days, curve["day"], curve["share"])), int(curve["refunds"].iloc[0])
    )


def rates_at_age(lines: pd.DataFrame, *, age_days: float, as_of: pd.Timestamp) -> pd.DataFrame:
    """Each session's refund rate as it stood when its lines were `age_days` old: one row per session old enough by `as_of`.

    Columns: session_id, n, refunded, rate. A young session may only be compared with others at the
    same age. Sessions whose refunds have no time are left out: how they stood at that age is not
    known.
    """
    old = lines[((as_of - lines["paid_at"]) / DAY >= age_days) & lines["session_id"].notna()]
    back = old["refunded"] & ((old["refunded_at"] - old["paid_at"]) / DAY <= age_days)
    # Sums over codes: the same as a groupby by session, and many times faster, as back-tests ask
    # for it often.
    codes, ids = pd.factorize(old["session_id"], sort=True)
    n, refunded, untimed = (
        np.bincount(codes, values, len(ids))
        for values in (None, back, old["refunded"] & old["refunded_at"].isna())
    )
    made = pd.DataFrame({"session_id": ids, "n": n, "refunded": refunded.astype(int)})[untimed == 0]
    return made.assign(rate=made["refunded"] / made["n"]).reset_index(drop=True)


def against_past(
    lines: pd.DataFrame,
    history: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    by: Iterable[str] = ("product_id",),
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """The session's refund rate, whole and by slice, against earlier sessions at the same age.

    One row for the whole (return_by "") and per slice of the columns `by` with at least
    `FEWEST_LINES` lines here and in the past: return_by (the column), slice, name, n, refunded,
    rate, baseline, lower, upper (beta-binomial prediction with the account's own session
    variation), p_value, p_adjusted (Benjamini-Hochberg over the rows), verdict, age_days,
    paid_amount. Empty without history of that age. A young session set against final rates would
    always look better.
    """
    age = mean_age(lines, as_of)
    rows = []
    for dimension, slice_, name, part, past in _slices(lines, history, by):
        then = rates_at_age(past, age_days=age, as_of=as_of)
        if len(then) < 3 or len(part) < FEWEST_LINES or then["n"].sum() < FEWEST_LINES:
            continue
        refunded = part["refunded"].sum()
        guess = stats.beta_binomial_predictive(refunded, len(part), then["refunded"], then["n"])
        rows.append(
            {
                "return_by": dimension,
                "slice": slice_,
                "name": name,
                "n": len(part),
                "refunded": refunded,
                "rate": refunded / len(part),
                "baseline": guess.mean,
                "lower": guess.lower,
                "upper": guess.upper,
                "p_value": guess.p_value,
                "paid_amount": part["paid"].sum(),
            }
        )
    made = pd.DataFrame(
        rows,
        columns=[
            "return_by",
            "slice",
            "name",
            "n",
            "refunded",
            "rate",
            "baseline",
            "lower",
            "upper",
            "p_value",
            "paid_amount",
        ],
    )
    return judged(made, false_discovery_rate=false_discovery_rate).assign(age_days=age)


def judged(made: pd.DataFrame, *, false_discovery_rate: float) -> pd.DataFrame:
    """Rates of refunds beside what earlier sessions let expect (rate, baseline, p_value), with p_adjusted, verdict and outcome (the verdict as it is read)."""
    adjusted = stats.benjamini_hochberg(made["p_value"])
    told = (made["p_value"] <= 0.05) & (adjusted <= false_discovery_rate)
    verdict = pd.Series(
        np.where(made["rate"] > made["baseline"], "worse", "better"), index=made.index, dtype="str"
    ).where(told, "cannot_tell")
    return made.assign(
        p_adjusted=adjusted,
        verdict=verdict,
        outcome=findings.outcome(verdict, made["rate"], made["lower"], made["upper"]),
    )


def _slices(
    lines: pd.DataFrame, history: pd.DataFrame, by: Iterable[str]
) -> Iterator[tuple[str, str, str, pd.DataFrame, pd.DataFrame]]:
    """The whole session and each slice: dimension, slice, its name, its lines, the same slice's earlier lines."""
    yield "", "", "", lines, history
    for dimension in by:
        for value, part in lines.groupby(dimension, sort=True):
            name = part["product_name"].iloc[0] if dimension == "product_id" else value
            yield (
                dimension,
                str(value),
                str(name) if pd.notna(name) else "",
                part,
                history[history[dimension] == value],
            )


DIMENSIONS = ("product_id", "tier", "source", "province", "price_band")


def described(
    lines: pd.DataFrame, *, products: pd.DataFrame, sessions: pd.DataFrame, cuts: Iterable[float]
) -> pd.DataFrame:
    """Lines with what a refund rate is looked at by: columns tier (of the product in that session), host, price_band.

    `cuts` are the prices at which a band ends (`price_cuts`); bands are named by the prices they
    hold.
    """
    tiers = products[products["sku_id"].isna() & products["tier"].notna()].drop_duplicates(
        ["session_id", "product_id"], keep="last"
    )
    made = lines.merge(
        tiers[["session_id", "product_id", "tier"]],
        on=["session_id", "product_id"],
        how="left",
        validate="many_to_one",
    )
    hosts = sessions.drop_duplicates("session_id").set_index("session_id")["host"]
    return made.assign(
        host=made["session_id"].map(hosts), price_band=price_bands(made["paid"], cuts)
    )


def price_cuts(prices: pd.Series, bands: int = 3) -> list[float]:
    """The paid amounts that cut lines into bands of like size; fewer where many lines have one price."""
    known = prices.dropna()
    return (
        sorted(set(known.quantile(np.linspace(0, 1, bands + 1)[1:-1]).round(2)))
        if len(known)
        else []
    )


def price_bands(prices: pd.Series, cuts: Iterable[float]) -> pd.Series:
    """The band of each price in words of its bounds, each band without its upper bound; missing where the price is."""
    edges = [f"{cut:g}" for cut in cuts]
    names = (
        [
            f"{low}–{high}" if low and high else f"<{high}" if high else f"≥{low}"
            for low, high in zip(["", *edges], [*edges, ""], strict=True)
        ]
        if edges
        else ["–"]
    )
    place = np.searchsorted(list(cuts), prices.to_numpy(float, na_value=np.nan), side="right")
    return pd.Series(
        np.array(names, dtype=object)[np.minimum(place, len(edges))],
        index=prices.index,
        dtype="str",
    ).where(prices.notna())


def by_slice(
    lines: pd.DataFrame, *, as_of: pd.Timestamp, by: Iterable[str] = DIMENSIONS
) -> pd.DataFrame:
    """`rates` by each of several dimensions: one row per dimension x slice, columns return_by, slice, those of `rates`, as_of, age_days."""
    parts = [
        rates(lines[lines[name].notna()], by=name)
        .rename(columns={name: "slice"})
        .assign(
            return_by=name,
            age_days=lambda made, name=name: made["slice"].map(
                ((as_of - lines["paid_at"]) / DAY).groupby(lines[name]).mean()
            ),
        )
        for name in by
        if lines[name].notna().any()
    ]
    if not parts:
        return pd.DataFrame(columns=["return_by", "slice", "n", "rate", "as_of", "age_days"])
    made = pd.concat(parts, ignore_index=True).assign(as_of=as_of)
    return made[
        ["return_by", "slice", *[name for name in made if name not in ("return_by", "slice")]]
    ]


# ---------------------------------------------------------------------------------------- findings


def return_findings(
    compared: pd.DataFrame, *, notebook: str, registry: Mapping[str, reference.Metric]
) -> list[dict[str, object]]:
    """Findings on the refund rate against earlier sessions of the same age: one per row of `against_past` that says something.

    The whole always gives one; a product only where it differs. Money at stake is the rate's excess
    x paid amount.
    """
    made = []
    for row in compared[
        compared["return_by"].eq("")
        | (compared["return_by"].eq("product_id") & compared["verdict"].ne("cannot_tell"))
    ].itertuples():
        metric = "item_refund_rate_orders" if row.slice else "refund_rate_orders"
        stake = (row.rate - row.baseline) * row.paid_amount if row.verdict == "worse" else np.nan
        words = {}
        for lang in ("zh", "en"):
            rate, past = (
                text.percent(row.rate),
                text.interval(row.lower, row.upper, "percent", lang),
            )
            about = (
                text.plain(row.name, 30) if row.slice else text.choose(lang, "本场", "This session")
            )
            told = text.label(reference.terms()["verdict"][row.outcome], lang)
            words[f"sentence_{lang}"] = text.choose(
                lang,
                (
                    f"{about}{text.label(registry[metric], lang)} {rate}（付款后约 "
                    f"{row.age_days:.1f} "
                    f"天）；以往场次同龄时 {past}：{told}。"
                ),
                (
                    f"{about}: {text.label(registry[metric], lang).lower()} {rate} about "
                    f"{row.age_days:.1f} days after payment; earlier sessions at that age {past}: "
                    f"{told.lower()}."
                ),
            )
        made.append(
            findings.make(
                notebook=notebook,
                dimension="aftersales",
                metric=metric,
                slice=f"{row.name} ({row.slice})" if row.slice else "",
                slice_id=row.slice,
                value=row.rate,
                baseline=row.baseline,
                ci_lower=row.lower,
                ci_upper=row.upper,
                p_adjusted=row.p_adjusted,
                verdict=row.verdict,
                money_at_stake=stake,
                **words,
            )
        )
    return made
