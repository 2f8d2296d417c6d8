"""What came back after a session: refund rates, reasons, what is still to come, first response, and what was earned.

Everything is counted on order lines: a line with three cases is one refunded line, an exchange is no refund, and
what buyers asked for is kept apart from what was paid back. Every figure belongs to the moment `as_of`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import findings, reference, stats, text

SHRINK_ORDERS = 60.0  # weight of the account's own past rate, in order lines (methods: tried on simulated sessions)
FEWEST_FOR_PARETO = 30
FEWEST_FOR_CURVE = 30
DAY = pd.Timedelta(days=1)
RATES = {
    "asked": ("申请退款率（订单）", "Refunds asked for (orders)"), "refunded": ("退款率（订单）", "Refund rate (orders)"),
    "before_shipping": ("发货前退款率", "Refunded before shipping"), "after_shipping": ("发货后退款率", "Refunded after shipping"),
    "exchanged": ("换货率", "Exchanges"), "amount": ("退款率（金额）", "Refund rate (amount)"),
}
LINE_COLUMNS = [
    "line_id", "session_id", "product_id", "product_name", "qty", "paid", "paid_at", "shipped", "asked", "asked_at",
    "refunded", "refunded_at", "refunded_amount", "before_shipping", "returned", "exchanged", "reason",
]


class Maturity(NamedTuple):
    """How much of what will come back has come back at an age: the share F(age) and the refunds it rests on."""

    share: float
    refunds: int


class Expected(NamedTuple):
    """The final refund rate to be expected: value with its interval (fractions), F(age), and the pooled rate."""

    value: float
    lower: float
    upper: float
    maturity: float
    pooled: float


class Response(NamedTuple):
    """First response: enquiries or cases, how many are answered, and the Kaplan-Meier median in seconds."""

    n: int
    answered: int
    median: float


# ------------------------------------------------------------------------------------------------------- order lines


def _line_of_case(cases: pd.DataFrame, orders: pd.DataFrame) -> pd.Series:
    """The order line of each case: its own line_id, else the line of its order where that order has only one."""
    single = orders[~orders["order_id"].duplicated(keep=False)].set_index("order_id")["line_id"]
    return cases["line_id"].fillna(cases["order_id"].map(single))


def _cases_until(cases: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Cases that existed at `as_of`, with `is_refund`, `paid_back` and the time of paying back as known then."""
    known = cases[cases["asked_at"] <= as_of]
    is_exchange = known["kind"].eq("exchange") | known["status"].eq("exchanged")
    paid_back_at = known["refunded_at"].fillna(known["closed_at"]).fillna(known["asked_at"])
    paid_back = ~is_exchange & known["status"].eq("succeeded") & (paid_back_at <= as_of)
    return known.assign(
        is_exchange=is_exchange, is_refund=~is_exchange, paid_back=paid_back, paid_back_at=paid_back_at.where(paid_back),
        amount=known["amount"].where(paid_back),
        returned=known["kind"].isin(["return_refund", "refund_before_shipping"]) & paid_back,
        early=known["before_shipping"].astype("boolean").fillna(known["kind"].eq("refund_before_shipping")).astype(bool),
    )


def _by_line(cases: pd.DataFrame) -> pd.DataFrame:
    """One row per order line that has cases; the reason is that of the case that was paid back, else the first asked."""
    ordered = cases.sort_values(["paid_back", "asked_at"], ascending=[False, True], kind="stable")
    refunds = ordered[ordered["is_refund"]].groupby("line_id", sort=False)
    made = pd.DataFrame({
        "asked_at": refunds["asked_at"].min(), "refunded_at": refunds["paid_back_at"].min(),
        "refunded": refunds["paid_back"].any(), "refunded_amount": refunds["amount"].sum(min_count=1),
        "before_shipping": refunds["early"].first(), "returned": refunds["returned"].any(), "reason": refunds["reason"].first(),
    })
    exchanged = ordered.groupby("line_id", sort=False)["is_exchange"].any().rename("exchanged")
    return made.join(exchanged, how="outer")


def _with_payment_time(orders: pd.DataFrame) -> pd.DataFrame:
    """Orders of an export that has no payment times at all: what was paid counts as paid when it was created."""
    if orders["paid_at"].notna().any():
        return orders
    return orders.assign(paid_at=orders["created_at"].where(orders["paid"].gt(0)))


def lines(orders: pd.DataFrame, cases: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid order lines with what became of them: one row per line paid by `as_of`, columns `LINE_COLUMNS`.

    `asked` counts lines with a refund asked for, `refunded` those paid back; `refunded_amount` adds up the cases of a
    line and never passes what was paid for it. Without cases the order export's own `refunded` amount is used, which
    knows neither when nor why. An export without payment times is taken at its creation times. `before_shipping` says when the refund was asked for. Raises `ValueError` where a line
    id occurs twice.
    """
    paid = _with_payment_time(orders)
    paid = paid[paid["paid_at"].notna() & (paid["paid_at"] <= as_of)]
    if paid["line_id"].duplicated().any():
        raise ValueError(f"orders: line_id {paid['line_id'][paid['line_id'].duplicated()].iloc[0]!r} occurs more than once")
    base = paid[["line_id", "session_id", "product_id", "product_name", "qty", "paid", "paid_at"]].assign(
        shipped=paid["shipped_at"].notna() & (paid["shipped_at"] <= as_of)
    )
    known = _cases_until(cases, as_of)
    found = _by_line(known.assign(line_id=_line_of_case(known, orders)).dropna(subset=["line_id"]))
    made = base.merge(found, left_on="line_id", right_index=True, how="left", validate="one_to_one")
    if cases.empty:
        amount = paid["refunded"].fillna(0).to_numpy()
        made = made.assign(refunded_amount=amount, refunded=amount > 0, before_shipping=(amount > 0) & ~base["shipped"].to_numpy())
    flags = {name: made[name].astype("boolean").fillna(False).astype(bool) for name in ("refunded", "before_shipping", "returned", "exchanged")}
    made = made.assign(**flags, asked=made["asked_at"].notna() | flags["refunded"])
    amount = made["refunded_amount"].fillna(made["paid"].where(made["refunded"])).fillna(0)
    return made.assign(refunded_amount=np.minimum(amount, made["paid"].fillna(amount)))[LINE_COLUMNS].reset_index(drop=True)


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

    Columns: by…, n (order lines), paid_amount, asked, refunded, refunded_before, refunded_after (lines), exchanged,
    refunded_amount, asked_rate, rate with ci_lower and ci_upper (lines, Wilson), rate_before, rate_after,
    amount_rate with amount_lower and amount_upper (linearised), as fractions. Source: 直播复盘与售后跟踪.
    """
    names = [by] if isinstance(by, str) else list(by)
    grouped = lines.groupby(names, sort=False, dropna=False) if names else [((), lines)]
    rows = []
    for key, part in grouped:
        back = part["refunded"]
        lower, upper = _ratio_interval(part["refunded_amount"], part["paid"].fillna(0))
        rows.append({
            **dict(zip(names, key if isinstance(key, tuple) else (key,), strict=True)),
            "n": len(part), "paid_amount": part["paid"].sum(), "asked": part["asked"].sum(), "refunded": back.sum(),
            "refunded_before": (back & part["before_shipping"]).sum(), "refunded_after": (back & ~part["before_shipping"]).sum(),
            "exchanged": part["exchanged"].sum(), "refunded_amount": part["refunded_amount"].sum(),
            "amount_lower": lower, "amount_upper": upper,
        })
    made = pd.DataFrame(rows)
    if made.empty:
        return made
    n = made["n"].where(made["n"] > 0).astype(float)
    lower, upper = stats.wilson(made["refunded"], made["n"])
    made = made.assign(
        asked_rate=made["asked"] / n, rate=made["refunded"] / n, ci_lower=lower, ci_upper=upper,
        rate_before=made["refunded_before"] / n, rate_after=made["refunded_after"] / n,
        amount_rate=made["refunded_amount"] / made["paid_amount"].where(made["paid_amount"] > 0),
    )
    return made.sort_values("paid_amount", ascending=False, kind="stable", ignore_index=True)


def session_rates(session: pd.Series) -> pd.DataFrame:
    """Refund rates from the session's own totals, for sessions without order lines: one row per rate.

    Columns: metric (refund_rate_orders, refund_rate_amount), numerator, denominator, value, ci_lower, ci_upper (Wilson,
    orders only). Rates whose totals the platform does not give are left out, so the frame can be empty.
    """
    rows = []
    for metric, part, whole in (("refund_rate_orders", "refund_orders", "orders"), ("refund_rate_amount", "refund_amount", "paid_amount")):
        x, n = session.get(part, np.nan), session.get(whole, np.nan)
        if pd.notna(x) and pd.notna(n) and n > 0:
            lower, upper = stats.wilson(x, n) if part == "refund_orders" else (np.nan, np.nan)
            rows.append({"metric": metric, "numerator": x, "denominator": n, "value": x / n, "ci_lower": float(lower), "ci_upper": float(upper)})
    return pd.DataFrame(rows, columns=["metric", "numerator", "denominator", "value", "ci_lower", "ci_upper"])


def so_far(lines: pd.DataFrame, session: pd.Series, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """What has come back so far: one row per rate, from order lines, else from the session's totals (may be empty).

    Columns: rate (asked, refunded, before_shipping, after_shipping, exchanged, amount), zh, en, numerator,
    denominator, value with ci_lower and ci_upper, as_of, age_days (mean age of the lines, else of the session's end),
    basis (lines or session). Numerator and denominator of `amount` are money, else order lines or orders.
    """
    names = {"refund_rate_orders": "refunded", "refund_rate_amount": "amount"}
    if lines.empty:
        made = session_rates(session)
        made = made.assign(rate=made["metric"].map(names), basis="session")
        age = (as_of - session["started_at"]) / DAY
    else:
        row = rates(lines).iloc[0]
        parts = {"asked": "asked", "refunded": "refunded", "before_shipping": "refunded_before", "after_shipping": "refunded_after", "exchanged": "exchanged"}
        counts = [row[column] for column in parts.values()]
        lower, upper = stats.wilson(counts, row["n"])
        made = pd.DataFrame({"rate": list(parts), "numerator": counts, "denominator": row["n"], "ci_lower": lower, "ci_upper": upper})
        made.loc[len(made)] = ["amount", row["refunded_amount"], row["paid_amount"], row["amount_lower"], row["amount_upper"]]
        made = made.assign(value=made["numerator"] / made["denominator"].where(made["denominator"] > 0), basis="lines")
        age = ((as_of - lines["paid_at"]) / DAY).mean()
    made = made.assign(zh=made["rate"].map(lambda name: RATES[name][0]), en=made["rate"].map(lambda name: RATES[name][1]), as_of=as_of, age_days=float(age))
    return made[["rate", "zh", "en", "numerator", "denominator", "value", "ci_lower", "ci_upper", "as_of", "age_days", "basis"]].astype(
        {"numerator": "float64", "denominator": "float64", "value": "float64"})


# ----------------------------------------------------------------------------------------------------------- reasons


def reason_of(text: object, tree: Mapping[str, reference.ReasonGroup]) -> tuple[str, str]:
    """The (group, reason) of a text: that whose longest word occurs in it; ("other", "unknown") where none does."""
    written = str(text).lower() if isinstance(text, str) else ""
    hits = [
        (len(word), group, name) for group, branch in tree.items() for name, reason in branch.reasons.items()
        for word in reason.words if word.lower() in written
    ]
    # The longest word decides; among equals the first of the tree, so that the answer never depends on chance.
    return max(hits, key=lambda hit: hit[0])[1:] if hits else ("other", "unknown")


def reasons(lines: pd.DataFrame, *, tree: Mapping[str, reference.ReasonGroup], group: bool = False) -> pd.DataFrame:
    """Why lines were refunded: one row per reason (or per group of reasons), most frequent first.

    Columns: reason, zh, en, role (who can do something about it; none for a group), count (refunded lines), share with
    ci_lower and ci_upper (Wilson, of refunded lines), cumulative, amount, n (refunded lines in all), enough (whether
    there are the 30 refunds that a Pareto needs).
    """
    back = lines[lines["refunded"]]
    found = [reason_of(text, tree) for text in back["reason"]]
    keyed = back.assign(reason=[pair[0] if group else pair[1] for pair in found], group=[pair[0] for pair in found])
    made = keyed.groupby("reason", as_index=False, sort=True).agg(
        group=("group", "first"), count=("line_id", "size"), amount=("refunded_amount", "sum")
    ).sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
    entries = [tree[row.group] if group else tree[row.group].reasons[row.reason] for row in made.itertuples()]
    lower, upper = stats.wilson(made["count"], len(back))
    return made.drop(columns="group").assign(
        zh=[entry.zh for entry in entries], en=[entry.en for entry in entries],
        role=[getattr(entry, "role", "") for entry in entries], share=made["count"] / max(len(back), 1),
        ci_lower=lower, ci_upper=upper, cumulative=made["count"].cumsum() / max(len(back), 1), n=len(back),
        enough=len(back) >= FEWEST_FOR_PARETO,
    )


# ---------------------------------------------------------------------------------------------------- still to come


def _survival(durations: pd.Series, happened: pd.Series):
    # lifelines takes a second to import and is needed by one notebook only.
    from lifelines import KaplanMeierFitter

    return KaplanMeierFitter().fit(durations, happened)


def _aged(lines: pd.DataFrame, as_of: pd.Timestamp, window_days: float) -> pd.DataFrame:
    """Days from payment to refund, or to `as_of` (at most the window) for lines not refunded by then."""
    age = (as_of - lines["paid_at"]) / DAY
    delay = (lines["refunded_at"] - lines["paid_at"]) / DAY
    happened = lines["refunded"] & delay.notna() & (delay <= window_days)
    days = delay.where(happened, np.minimum(age, window_days)).clip(lower=0)
    return pd.DataFrame({"days": days, "happened": happened, "paid": lines["paid"], "before_shipping": lines["before_shipping"]})


def delay_curve(lines: pd.DataFrame, *, as_of: pd.Timestamp, window_days: float = 30) -> pd.DataFrame:
    """How refunds arrive over time, from older sessions: one row per day 0 … window_days.

    Columns: day, share (of all refunds within the window, F(day) = (1 - S(day)) / (1 - S(window)) with the
    Kaplan-Meier S of paid lines, so that younger sessions help as far as they go), refunds (how many it rests on).
    Empty under 30 refunds with a known time. Lines paid after `as_of` do not belong in `lines`.
    """
    data = _aged(lines, as_of, window_days)
    refunds = int(data["happened"].sum())
    if refunds < FEWEST_FOR_CURVE:
        return pd.DataFrame({"day": [], "share": [], "refunds": []})
    days = np.arange(0, int(window_days) + 1)
    fitted = _survival(data["days"], data["happened"])
    lost = 1 - fitted.survival_function_at_times([*days, window_days]).to_numpy()
    return pd.DataFrame({"day": days, "share": np.minimum(lost[:-1] / lost[-1], 1.0), "refunds": refunds})


def maturity(curve: pd.DataFrame, age_days: float) -> Maturity:
    """F(age) of a delay curve, linear between days; `nan` where the curve is empty, 1 after its window."""
    if curve.empty:
        return Maturity(np.nan, 0)
    return Maturity(float(np.interp(age_days, curve["day"], curve["share"])), int(curve["refunds"].iloc[0]))


def expected_rate(
    refunded: float, n: float, share: float, pooled: float, *, k: float = SHRINK_ORDERS, confidence: float = 0.95
) -> Expected:
    """Final refund rate of a young session: (refunded + k * pooled) / (n * F + k), interval Wilson(refunded, n) / F.

    `share` is F(age), `pooled` the account's final rate, `k` its weight in lines. With F = 0 this is the pooled rate
    and the interval says nothing (0 to 1); `nan` where F is unknown. The interval is of the session's own data; where
    shrinkage moves the value out of it, it is widened to hold it.
    """
    weight = k if np.isfinite(pooled) else 0.0
    if not (n > 0 and share >= 0 and n * share + weight > 0):
        return Expected(np.nan, np.nan, np.nan, share, pooled)
    value = min((refunded + weight * np.nan_to_num(pooled)) / (n * share + weight), 1.0)
    lower, upper = (float(bound) for bound in stats.wilson(refunded, n, confidence=confidence))
    if share == 0:
        return Expected(value, 0.0, 1.0, share, pooled)
    return Expected(value, min(lower / share, value), max(min(upper / share, 1.0), value), share, pooled)


def rates_at_age(lines: pd.DataFrame, *, age_days: float, as_of: pd.Timestamp) -> pd.DataFrame:
    """Each session's refund rate as it stood when its lines were `age_days` old: one row per session old enough by `as_of`.

    Columns: session_id, n, refunded, rate. A young session may only be compared with others at the same age. Sessions
    whose refunds have no time are left out: how they stood at that age is not known.
    """
    old = lines[((as_of - lines["paid_at"]) / DAY >= age_days) & lines["session_id"].notna()]
    timed = old[~(old["refunded"] & old["refunded_at"].isna()).groupby(old["session_id"]).transform("any")]
    back = timed["refunded"] & ((timed["refunded_at"] - timed["paid_at"]) / DAY <= age_days)
    made = timed.assign(back=back).groupby("session_id", as_index=False).agg(n=("line_id", "size"), refunded=("back", "sum"))
    return made.assign(rate=made["refunded"] / made["n"])


def against_past(
    lines: pd.DataFrame, history: pd.DataFrame, *, as_of: pd.Timestamp, fewest: int = 20, false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """The session's refund rate, whole and by product, against earlier sessions at the same age.

    One row for the whole (product_id "") and per product with at least `fewest` lines here and in the past: product_id,
    product_name, n, refunded, rate, baseline, lower, upper (beta-binomial prediction with the account's own session
    variation), p_value, p_adjusted (Benjamini-Hochberg over the rows), verdict, age_days, paid_amount. Empty without
    history of that age. A young session set against final rates would always look better.
    """
    age = float(((as_of - lines["paid_at"]) / DAY).mean()) if len(lines) else np.nan
    rows = []
    for product, name, part, past in _with_products(lines, history):
        then = rates_at_age(past, age_days=age, as_of=as_of)
        if len(then) < 3 or len(part) < fewest or then["n"].sum() < fewest:
            continue
        refunded = part["refunded"].sum()
        guess = stats.beta_binomial_predictive(refunded, len(part), then["refunded"], then["n"])
        rows.append({"product_id": product, "product_name": name, "n": len(part), "refunded": refunded, "rate": refunded / len(part),
                     "baseline": guess.mean, "lower": guess.lower, "upper": guess.upper, "p_value": guess.p_value, "paid_amount": part["paid"].sum()})
    made = pd.DataFrame(rows, columns=["product_id", "product_name", "n", "refunded", "rate", "baseline", "lower", "upper", "p_value", "paid_amount"])
    adjusted = stats.benjamini_hochberg(made["p_value"]) if len(made) else np.array([])
    told = (made["p_value"] <= 0.05) & (adjusted <= false_discovery_rate)
    verdict = pd.Series(np.where(made["rate"] > made["baseline"], "worse", "better"), index=made.index, dtype="str").where(told, "cannot_tell")
    return made.assign(p_adjusted=adjusted, verdict=verdict, age_days=age)


def _with_products(lines: pd.DataFrame, history: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame, pd.DataFrame]]:
    """The whole session and each of its products: id, name, its lines, the same product's earlier lines."""
    yield "", "", lines, history
    for (product, name), part in lines.groupby(["product_id", "product_name"], sort=False):
        yield product, name, part, history[history["product_id"] == product]


def _bands(prices: pd.Series, cuts: np.ndarray) -> pd.Series:
    """Price band of each line: 0 for the cheapest. Lines without a price go to the cheapest."""
    return pd.Series(np.searchsorted(cuts, prices.fillna(0), side="right"), index=prices.index)


def _final_rate(lines: pd.DataFrame, as_of: pd.Timestamp, window_days: float) -> float:
    """Refund rate within the window of lines old enough for it to be final; `nan` under 30 of them."""
    old = lines[(as_of - lines["paid_at"]) / DAY >= window_days]
    late = (old["refunded_at"] - old["paid_at"]) / DAY > window_days
    return float((old["refunded"] & ~late).mean()) if len(old) >= FEWEST_FOR_CURVE else np.nan


def _channel(lines: pd.DataFrame, name: str) -> pd.DataFrame:
    """The lines with the refunds of one channel only; the other channel's count as not refunded here."""
    return lines if name == "all" else lines.assign(refunded=lines["refunded"] & (lines["before_shipping"] == (name == "before_shipping")))


def _part(
    lines: pd.DataFrame, history: pd.DataFrame, shares: Mapping[str, float], *, as_of: pd.Timestamp, window_days: float, confidence: float,
) -> dict[str, Expected]:
    """The expectation of each channel and of all refunds together: the value of `all` is the sum of its channels."""
    # Once the window is over the rate is known: nothing is left to borrow from other sessions.
    k = 0.0 if shares["all"] == 1 else SHRINK_ORDERS
    made = {
        name: expected_rate(_channel(lines, name)["refunded"].sum(), len(lines), share, _final_rate(_channel(history, name), as_of, window_days), k=k, confidence=confidence)
        for name, share in shares.items()
    }
    value = made["before_shipping"].value + made["after_shipping"].value
    whole = made["all"]
    held = whole._replace(value=value, lower=min(whole.lower, value), upper=max(whole.upper, value)) if np.isfinite(value) else whole
    return {**made, "all": held}


def expected_final(
    lines: pd.DataFrame, history: pd.DataFrame, *, as_of: pd.Timestamp, window_days: float = 30,
    min_maturity: float = 0.15, bands: int = 3, confidence: float = 0.95,
) -> pd.DataFrame:
    """What the session's refunds will come to: one row for all, for each channel and for each price band.

    `history` are the lines of earlier sessions. Refunds before shipping come at once and those after it late, so each
    channel has its own delay curve and rate, and the whole is their sum (tried on simulated sessions: a third less
    error in the first week than one curve for both); the interval of the whole is Wilson / F of all refunds. Price
    bands (thirds of the history's prices) have their own rates, as dear goods come back more often. Columns: part
    (all, before_shipping, after_shipping, band_1 …), n, paid_amount, refunded, refunded_amount, maturity, pooled,
    expected, lower, upper (lines), age_days, final (whether the window is over), printable (whether the maturity of
    all refunds reaches `min_maturity`; expected is `nan` where it does not).
    """
    age = float(((as_of - lines["paid_at"]) / DAY).mean())
    shares = {
        name: 1.0 if age >= window_days else maturity(delay_curve(_channel(history, name), as_of=as_of, window_days=window_days), age).share
        for name in ("all", "before_shipping", "after_shipping")
    }
    options = {"as_of": as_of, "window_days": window_days, "confidence": confidence}
    cuts = np.unique(history["paid"].dropna().quantile(np.linspace(0, 1, bands + 1)[1:-1])) if len(history) else np.array([])
    own, past = _bands(lines["paid"], cuts), _bands(history["paid"], cuts)
    whole = _part(lines, history, shares, **options)
    parts = [(name, _channel(lines, name), guess) for name, guess in whole.items()]
    for band in range(len(cuts) + 1):
        part = lines[own == band]
        parts.append((f"band_{band + 1}", part, _part(part, history[past == band], shares, **options)["all"]))
    printable = bool(shares["all"] >= min_maturity)
    rows = [{
        "part": name, "n": len(part), "paid_amount": part["paid"].sum(), "refunded": part["refunded"].sum(),
        "refunded_amount": part["refunded_amount"].where(part["refunded"], 0).sum(), "maturity": guess.maturity, "pooled": guess.pooled,
        **{column: value if printable else np.nan for column, value in (("expected", guess.value), ("lower", guess.lower), ("upper", guess.upper))},
        "age_days": age, "final": age >= window_days, "printable": printable,
    } for name, part, guess in parts]
    made = pd.DataFrame(rows)
    order = {"all": 0, "before_shipping": 1, "after_shipping": 2}
    return made.sort_values("part", key=lambda part: part.map(order).fillna(3), kind="stable", ignore_index=True)


def net_amount(lines: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Paid, refunded so far, net so far, and the net to be expected: one row per line of the statement.

    Columns: line (paid, refunded, net, expected_refunds, expected_net), amount, lower, upper. Expected refunds are
    added over the price bands of `expected_final`, each rate times the band's paid amount and the share of a line's
    price that a refund gives back; never less than what has been refunded already. The interval is that of all lines'
    rate, in proportion. `nan` where not printable.
    """
    paid, refunded = lines["paid"].sum(), lines["refunded_amount"].sum()
    whole = lines.loc[lines["refunded"], "paid"].sum()
    depth = refunded / whole if whole > 0 else 1.0
    whole = expected.set_index("part").loc["all"]
    bands = expected[expected["part"].str.startswith("band_") & (expected["n"] > 0)]
    by_band = (bands["expected"] * bands["paid_amount"]).sum(min_count=max(len(bands), 1)) * depth if len(bands) else whole["expected"] * paid * depth
    low, mid, high = (
        max(by_band * (whole[name] / whole["expected"] if whole["expected"] else 1.0), refunded) if np.isfinite(by_band) else np.nan
        for name in ("lower", "expected", "upper")
    )
    rows = [("paid", paid, paid, paid), ("refunded", refunded, refunded, refunded), ("net", *[paid - refunded] * 3),
            ("expected_refunds", mid, low, high), ("expected_net", paid - mid, paid - high, paid - low)]
    return pd.DataFrame(rows, columns=["line", "amount", "lower", "upper"])


# ---------------------------------------------------------------------------------------------------- first response


def _waits(cases: pd.DataFrame, opened: str, as_of: pd.Timestamp) -> pd.DataFrame:
    """Seconds to the first reply, or to the end or `as_of` for what was not answered by then."""
    known = cases[cases[opened] <= as_of]
    answered = known["first_reply_at"].notna() & (known["first_reply_at"] <= as_of)
    end = known["first_reply_at"].where(answered, as_of)
    for column in {"closed_at", "resolved_at"} & set(known.columns):
        end = end.where(answered | known[column].isna() | (known[column] > end), known[column])
    return pd.DataFrame({"seconds": (end - known[opened]).dt.total_seconds().clip(lower=0), "answered": answered})


def first_response(cases: pd.DataFrame, *, as_of: pd.Timestamp, opened: str = "opened_at") -> Response:
    """Median time to the first reply by Kaplan-Meier: what is unanswered at `as_of` counts as not answered yet.

    A mean over answered cases would reward not answering. `inf` where more than half are still unanswered, `nan`
    without any case. `opened` is the column of the start (opened_at of enquiries, asked_at of cases).
    """
    data = _waits(cases, opened, as_of)
    if data.empty:
        return Response(0, 0, np.nan)
    return Response(len(data), int(data["answered"].sum()), float(_survival(data["seconds"], data["answered"]).median_survival_time_))


def answered_within(
    cases: pd.DataFrame, *, as_of: pd.Timestamp, opened: str = "opened_at", marks: tuple[float, ...] = (30, 180, 600, 3600),
) -> pd.DataFrame:
    """Share answered within each mark: one row per mark, columns seconds, rate, ci_lower, ci_upper (1 - Kaplan-Meier), n."""
    data = _waits(cases, opened, as_of)
    if data.empty:
        return pd.DataFrame(columns=["seconds", "rate", "ci_lower", "ci_upper", "n"])
    fitted = _survival(data["seconds"], data["answered"])
    bounds = fitted.confidence_interval_survival_function_
    steps = bounds.index.to_numpy()
    place = np.searchsorted(steps, marks, side="right") - 1
    lower, upper = 1 - bounds.iloc[place, 1].to_numpy(), 1 - bounds.iloc[place, 0].to_numpy()
    return pd.DataFrame({
        "seconds": marks, "rate": 1 - fitted.survival_function_at_times(list(marks)).to_numpy(),
        "ci_lower": lower, "ci_upper": upper, "n": len(data),
    })


def responses(
    queues: Mapping[str, tuple[pd.DataFrame, str, tuple[float, ...]]], *, as_of: pd.Timestamp,
) -> pd.DataFrame:
    """First response of several queues: one row per queue x mark, empty queues left out.

    `queues` maps a name to its cases, the column of their start and the marks in seconds. Columns: queue, n, answered,
    median (seconds), seconds (the mark), rate (answered within it), ci_lower, ci_upper.
    """
    parts = []
    for name, (cases, opened, marks) in queues.items():
        if len(cases):
            found = first_response(cases, as_of=as_of, opened=opened)
            within = answered_within(cases, as_of=as_of, opened=opened, marks=marks)
            parts.append(within.assign(queue=name, answered=found.answered, median=found.median))
    columns = ["queue", "n", "answered", "median", "seconds", "rate", "ci_lower", "ci_upper"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


# ----------------------------------------------------------------------------------------------------------- profit


class ProfitLine(NamedTuple):
    """One line of the profit statement: its labels, its sign, and which records give it."""

    line: str
    zh: str
    en: str
    sign: int
    record_zh: str
    record_en: str


PROFIT_LINES = (
    ProfitLine("paid", "支付金额", "Paid amount", 1, "场次数据", "the sessions export"),
    ProfitLine("refunds", "退款", "Refunds", -1, "售后单或场次退款金额", "the after-sales export or the session's refund amount"),
    ProfitLine("unit_cost", "商品成本", "Cost of goods", -1, "成本表「单件成本」（每个卖出的商品）", "unit costs in the costs sheet (every product sold)"),
    ProfitLine("commission", "佣金", "Commission", -1, "场次佣金或成本表「佣金」", "the session's commission or the costs sheet"),
    ProfitLine("ads", "投放", "Ads", -1, "投放报表或成本表「投放」", "the ads report or the costs sheet"),
    ProfitLine("coupon", "优惠券", "Coupons", -1, "场次优惠券金额或成本表「优惠券」", "the session's coupons or the costs sheet"),
    ProfitLine("gift", "福袋礼品", "Gifts", -1, "成本表「福袋礼品」", "the costs sheet"),
    ProfitLine("staff", "人工", "Staff", -1, "成本表「人工」", "the costs sheet"),
)
SESSION_COLUMN = {"commission": "commission", "ads": "ad_cost", "coupon": "coupon_amount", "gift": "gift_cost"}


def _costs_of(session: pd.Series, costs: pd.DataFrame) -> pd.DataFrame:
    """Cost rows that hold for the session: its own, and those that name no session; its own replace the general ones."""
    own = costs["session_id"].eq(session["session_id"])
    general = costs["session_id"].isna() & costs["session_started_at"].isna()
    ranked = pd.concat([costs[own], costs[general]])
    return ranked.drop_duplicates(["item", "product_id"], keep="first")


def units_kept(lines: pd.DataFrame) -> pd.DataFrame:
    """Pieces that buyers kept, one row per product: product_id, units.

    Goods of a refund before shipping or of a return are back on the shelf; those refunded without a return are not.
    """
    kept = lines[~(lines["returned"] | (lines["refunded"] & lines["before_shipping"]))]
    return kept.groupby("product_id", as_index=False)["qty"].sum().rename(columns={"qty": "units"})


def units_sold(lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Pieces that stay sold, one row per product (product_id, units): from lines, else from the product export.

    The product export knows refunded orders but not their pieces: its units are taken down in proportion.
    """
    if len(lines):
        return units_kept(lines)
    rows = products[products["sku_id"].isna() & products["units"].notna()]
    back = (rows["refund_orders"] / rows["orders"].where(rows["orders"] > 0)).fillna(0).clip(0, 1)
    return pd.DataFrame({"product_id": rows["product_id"], "units": rows["units"] * (1 - back)}).reset_index(drop=True)


def _goods_cost(session: pd.Series, costs: pd.DataFrame, units: pd.DataFrame) -> float:
    """Units times unit cost; `nan` where there are no units or a product that sold has no cost. The session's own total wins."""
    if pd.notna(session.get("goods_cost", np.nan)):
        return float(session["goods_cost"])
    sold = units[units["units"] > 0]
    each = costs[costs["item"] == "unit_cost"].dropna(subset=["product_id"]).set_index("product_id")["amount"]
    return float((sold["units"] * sold["product_id"].map(each)).sum(skipna=False)) if len(sold) else np.nan


def profit(
    session: pd.Series, *, costs: pd.DataFrame, units: pd.DataFrame, refunded: float, paid: float | None = None
) -> pd.DataFrame:
    """From paid amount to profit, one row per line of the statement, ready for a waterfall.

    Columns: line, zh, en, amount (deductions negative), kind (start, step, end), measurable, missing_zh, missing_en (what
    record would fill the line). Profit is measurable when paid amount, refunds and the cost of every product sold are
    known; a missing commission, ads, coupons, gifts or staff line leaves it incomplete, which its `missing` says.
    `units` has product_id and units (see `units_kept`); costs of a session replace those that hold for all.
    Source: 直播复盘与售后跟踪 (净利).
    """
    own = _costs_of(session, costs)
    amounts = {"paid": session["paid_amount"] if paid is None else paid, "refunds": refunded, "unit_cost": _goods_cost(session, own, units)}
    for item in ("commission", "ads", "coupon", "gift", "staff"):
        stated = session.get(SESSION_COLUMN.get(item, ""), np.nan)
        given = own.loc[own["item"] == item, "amount"].sum(min_count=1)
        amounts[item] = given if pd.notna(given) else stated
    rows = [_profit_row(line, float(amounts[line.line])) for line in PROFIT_LINES]
    made = pd.DataFrame(rows)
    lacking = made[~made["measurable"]]
    whole = made.set_index("line")["measurable"][["paid", "refunds", "unit_cost"]].all()
    end = {
        "line": "profit", "zh": "净利", "en": "Profit", "amount": made["amount"].sum() if whole else np.nan, "kind": "end",
        "measurable": bool(whole), "missing_zh": "、".join(lacking["zh"]), "missing_en": ", ".join(lacking["en"].str.lower()),
    }
    return pd.concat([made, pd.DataFrame([end])], ignore_index=True)


def _profit_row(line: ProfitLine, amount: float) -> dict[str, object]:
    known = np.isfinite(amount)
    return {
        "line": line.line, "zh": line.zh, "en": line.en, "amount": line.sign * amount if known else np.nan,
        "kind": "start" if line.line == "paid" else "step", "measurable": bool(known),
        "missing_zh": "" if known else line.record_zh, "missing_en": "" if known else line.record_en,
    }


# ----------------------------------------------------------------------------------------------------------- findings


def return_findings(compared: pd.DataFrame, *, notebook: str, registry: Mapping[str, reference.Metric], currency: str = "CNY") -> list[dict[str, object]]:
    """Findings on the refund rate against earlier sessions of the same age: one per row of `against_past` that says something.

    The whole always gives one; a product only where it differs. Money at stake is the rate's excess x paid amount.
    """
    made = []
    for row in compared[(compared["product_id"] == "") | (compared["verdict"] != "cannot_tell")].itertuples():
        metric = "item_refund_rate_orders" if row.product_id else "refund_rate_orders"
        stake = (row.rate - row.baseline) * row.paid_amount if row.verdict == "worse" else np.nan
        words = {}
        for lang in ("zh", "en"):
            rate, past = text.percent(row.rate), text.interval(row.lower, row.upper, "percent", lang)
            about = text.plain(row.product_name, 30) if row.product_id else text.choose(lang, "本场", "This session")
            told = text.label(reference.terms()["verdict"][row.verdict], lang)
            words[f"sentence_{lang}"] = text.choose(
                lang, f"{about}{text.label(registry[metric], lang)} {rate}（付款后约 {row.age_days:.1f} 天）；以往场次同龄时 {past}：{told}。",
                f"{about}: {text.label(registry[metric], lang).lower()} {rate} about {row.age_days:.1f} days after payment; earlier sessions at that age {past}: {told.lower()}.",
            )
        made.append(findings.make(
            notebook=notebook, dimension="aftersales", metric=metric, slice=f"{row.product_name} ({row.product_id})" if row.product_id else "", value=row.rate, baseline=row.baseline,
            ci_lower=row.lower, ci_upper=row.upper, p_adjusted=row.p_adjusted, verdict=row.verdict, money_at_stake=stake, **words,
        ))
    return made


def reason_findings(why: pd.DataFrame, *, notebook: str) -> list[dict[str, object]]:
    """A finding on the most frequent refund reason, where there are the thirty refunds that it takes."""
    if why.empty or not why["enough"].iloc[0]:
        return []
    top = why.iloc[0]
    share, bounds = text.percent(top["share"]), text.interval(top["ci_lower"], top["ci_upper"], "percent", "zh")
    return [findings.make(
        notebook=notebook, dimension="aftersales", metric="refund_reason", slice=top["reason"], value=top["share"], ci_lower=top["ci_lower"],
        ci_upper=top["ci_upper"], verdict="not_comparable",
        sentence_zh=f"退款原因最多的是「{top['zh']}」：{top['n']} 单退款中占 {share}（区间 {bounds}）。",
        sentence_en=f"The most frequent refund reason is “{top['en'].lower()}”: {share} of {top['n']} refunded orders ({bounds}).",
    )]


def net_findings(net: pd.DataFrame, expected: pd.DataFrame, *, notebook: str, as_of: pd.Timestamp, currency: str = "CNY") -> list[dict[str, object]]:
    """A finding on the net amount so far and, where the session is old enough to say, on what it will come to."""
    amount, whole = net.set_index("line"), expected.set_index("part").loc["all"]
    words = {}
    for lang in ("zh", "en"):
        show = {name: text.money(amount.loc[name, "amount"], lang, currency) for name in ("paid", "refunded", "net", "expected_net")}
        bounds = text.interval(amount.loc["expected_net", "lower"], amount.loc["expected_net", "upper"], "money", lang, currency=currency)
        head = text.choose(lang, f"截至 {as_of:%Y-%m-%d %H:%M}，支付 {show['paid']}，已退 {show['refunded']}，退后 {show['net']}。",
                           f"As of {as_of:%Y-%m-%d %H:%M}: paid {show['paid']}, refunded {show['refunded']}, net {show['net']}.")
        share = text.percent(whole["maturity"], 0)
        if whole["final"]:
            tail = text.choose(lang, "退货期已过，不再变动。", " The return window is over.")
        elif whole["printable"]:
            tail = text.choose(lang, f"预计退货还只来了约 {share}，最终退后约 {show['expected_net']}（区间 {bounds}）。",
                               f" About {share} of all refunds have come in; the final net is expected at {show['expected_net']} ({bounds}).")
        else:
            tail = text.choose(lang, "场次太新或历史不足，还不能推算最终退款。", " Too young, or too little history, to reckon the final refunds.")
        words[f"sentence_{lang}"] = head + tail
    row = amount.loc["expected_net" if whole["printable"] else "net"]
    return [findings.make(notebook=notebook, dimension="aftersales", metric="net_amount", value=row["amount"], ci_lower=row["lower"], ci_upper=row["upper"], verdict="not_comparable", **words)]


def profit_findings(statement: pd.DataFrame, *, notebook: str, currency: str = "CNY") -> list[dict[str, object]]:
    """A finding on profit: its amount, or that it cannot be measured and which records are missing."""
    end = statement.iloc[-1]
    words = {}
    for lang in ("zh", "en"):
        missing = end[f"missing_{lang}"]
        if end["measurable"]:
            lack = text.choose(lang, f"，未计入：{missing}", f"; not included: {missing}") if missing else ""
            words[f"sentence_{lang}"] = text.choose(lang, f"净利 {text.money(end['amount'], lang, currency)}{lack}。", f"Profit {text.money(end['amount'], lang, currency)}{lack}.")
        else:
            words[f"sentence_{lang}"] = text.choose(lang, f"净利无法计算，缺：{missing}。", f"Profit cannot be measured; missing: {missing}.")
    return [findings.make(notebook=notebook, dimension="profit", metric="profit", value=end["amount"], verdict="not_comparable", **words)]
