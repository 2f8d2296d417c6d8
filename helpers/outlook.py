"""What a young session's returns will come to: the expected final refund rate and net amount, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import findings, stats, text
from helpers.aftersales import DAY, FEWEST_FOR_CURVE, delay_curve, maturity

SHRINK_ORDERS = 60.0  # weight of the account's own past rate, in order lines (methods: tried on simulated sessions)


class Expected(NamedTuple):
    """The final refund rate to be expected: value with its interval (fractions), F(age), and the pooled rate."""

    value: float
    lower: float
    upper: float
    maturity: float
    pooled: float


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
