"""Refund rates so far, whole and by slice, and against earlier sessions at the same age."""

from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales.order_lines import DAY, ages, mean_age
from helpers.core import findings, stats, text

FEWEST_LINES = 20  # of a slice that is set against earlier sessions
DIMENSIONS = ("product_id", "tier", "source", "province", "price_band")


def ratio_interval(part: pd.Series, whole: pd.Series) -> tuple[float, float]:
    """95 % interval of sum(part) / sum(whole) by linearisation, as amounts are no proportion."""
    n, total = len(whole), whole.sum()
    if n < 2 or total <= 0:
        return np.nan, np.nan
    value = part.sum() / total
    error = np.sqrt(((part - value * whole) ** 2).sum() * n / (n - 1)) / total
    return max(0.0, value - 1.96 * error), min(1.0, value + 1.96 * error)


def rates(lines: pd.DataFrame, *, by: str | list[str] = ()) -> pd.DataFrame:
    """Refund rates: one row per group of `by`, largest paid amount first; without `by` one in all.

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
        lower, upper = ratio_interval(part["refunded_amount"], part["paid"].fillna(0))
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
    table = pd.DataFrame(rows)
    if table.empty:
        return table
    n = table["n"].where(table["n"] > 0).astype(float)
    lower, upper = stats.wilson(table["refunded"], table["n"])
    table = table.assign(
        asked_rate=table["asked"] / n,
        rate=table["refunded"] / n,
        ci_lower=lower,
        ci_upper=upper,
        rate_before=table["refunded_before"] / n,
        rate_after=table["refunded_after"] / n,
        amount_rate=table["refunded_amount"] / table["paid_amount"].where(table["paid_amount"] > 0),
    )
    return table.sort_values("paid_amount", ascending=False, kind="stable", ignore_index=True)


def session_rates(session: pd.Series) -> pd.DataFrame:
    """Refund rates of a session without order lines, from its own totals: one row per rate.

    Columns: metric (refund_rate_orders, refund_rate_amount), numerator, denominator, value,
    ci_lower, ci_upper (Wilson, orders only). Rates whose totals are missing are left out.
    """
    columns = ["metric", "numerator", "denominator", "value", "ci_lower", "ci_upper"]
    rows = []
    for metric, part, whole in (
        ("refund_rate_orders", "refund_orders", "orders"),
        ("refund_rate_amount", "refund_amount", "paid_amount"),
    ):
        x, n = session.get(part, np.nan), session.get(whole, np.nan)
        if pd.notna(x) and pd.notna(n) and n > 0:
            lower, upper = stats.wilson(x, n) if part == "refund_orders" else (np.nan, np.nan)
            rows.append([metric, x, n, x / n, float(lower), float(upper)])
    return pd.DataFrame(rows, columns=columns)


def so_far(lines: pd.DataFrame, session: pd.Series, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """What has come back so far, from order lines, else from the session's totals: a row per rate.

    Columns: rate (asked, refunded, before_shipping, after_shipping, exchanged, amount), zh, en,
    numerator, denominator (of `amount` money, else order lines or orders), value with ci_lower and
    ci_upper, as_of, age_days (mean age of the lines, else of the session's end), basis (lines or
    session). Empty without lines and totals.
    """
    labels = reference.terms()["refund_rate"]
    if lines.empty:
        table = session_rates(session)
        names = {"refund_rate_orders": "refunded", "refund_rate_amount": "amount"}
        table = table.assign(rate=table["metric"].map(names), basis="session")
        age = (as_of - session["started_at"]) / DAY
    else:
        row = rates(lines).iloc[0]
        counts = row[["asked", "refunded", "refunded_before", "refunded_after", "exchanged"]]
        lower, upper = stats.wilson(counts, row["n"])
        table = pd.DataFrame(
            {
                "rate": list(labels),
                "numerator": [*counts, row["refunded_amount"]],
                "denominator": [*[row["n"]] * len(counts), row["paid_amount"]],
                "ci_lower": [*lower, row["amount_lower"]],
                "ci_upper": [*upper, row["amount_upper"]],
                "basis": "lines",
            }
        )
        denominator = table["denominator"].where(table["denominator"] > 0)
        table = table.assign(value=table["numerator"] / denominator)
        age = mean_age(lines, as_of)
    table = table.assign(
        zh=table["rate"].map(lambda name: labels[name].zh),
        en=table["rate"].map(lambda name: labels[name].en),
        as_of=as_of,
        age_days=age,
    )
    numbers = ["numerator", "denominator", "value"]
    columns = ["rate", "zh", "en", *numbers, "ci_lower", "ci_upper", "as_of", "age_days", "basis"]
    return table[columns].astype(dict.fromkeys(numbers, "float64"))


def by_slice(
    lines: pd.DataFrame, *, as_of: pd.Timestamp, by: Iterable[str] = DIMENSIONS
) -> pd.DataFrame:
    """`rates` by each of several dimensions: one row per dimension x slice.

    Columns: return_by, slice, those of `rates`, as_of, age_days.
    """
    parts = []
    for name in by:
        described = lines[lines[name].notna()]
        if len(described):
            age = ages(described, as_of).groupby(described[name]).mean()
            part = rates(described, by=name).rename(columns={name: "slice"})
            parts.append(part.assign(return_by=name, age_days=part["slice"].map(age)))
    if not parts:
        return pd.DataFrame(columns=["return_by", "slice", "n", "rate", "as_of", "age_days"])
    table = pd.concat(parts, ignore_index=True).assign(as_of=as_of)
    first = ["return_by", "slice"]
    return table[[*first, *table.columns.difference(first, sort=False)]]


def rates_at_age(lines: pd.DataFrame, *, age_days: float, as_of: pd.Timestamp) -> pd.DataFrame:
    """Each session's refund rate as it stood when its lines were so old: one row per session.

    Columns: session_id, n, refunded, rate; of sessions that are `age_days` old by `as_of` and whose
    refunds have times. A young session may only be compared with others at the same age.
    """
    old = lines[(ages(lines, as_of) >= age_days) & lines["session_id"].notna()]
    back = old["refunded"] & ((old["refunded_at"] - old["paid_at"]) / DAY <= age_days)
    # a groupby by session would be many times slower, and back-tests ask for it often
    codes, ids = pd.factorize(old["session_id"], sort=True)
    n, refunded, untimed = (
        np.bincount(codes, values, len(ids))
        for values in (None, back, old["refunded"] & old["refunded_at"].isna())
    )
    table = pd.DataFrame({"session_id": ids, "n": n, "refunded": refunded.astype(int)})
    table = table[untimed == 0]
    return table.assign(rate=table["refunded"] / table["n"]).reset_index(drop=True)


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
    rate, baseline, lower, upper (beta-binomial prediction), p_value, p_adjusted (Benjamini-Hochberg
    over the rows), verdict, age_days, paid_amount. Empty without history of that age.
    """
    age = mean_age(lines, as_of)
    columns = ["return_by", "slice", "name", "n", "refunded", "rate", "baseline", "lower", "upper"]
    rows = []
    for *slice_, part, past in _slices(lines, history, by):
        then = rates_at_age(past, age_days=age, as_of=as_of)
        if len(then) < 3 or len(part) < FEWEST_LINES or then["n"].sum() < FEWEST_LINES:
            continue
        n, refunded = len(part), part["refunded"].sum()
        guess = stats.beta_binomial_predictive(refunded, n, then["refunded"], then["n"])
        rows.append([*slice_, n, refunded, refunded / n, *guess, part["paid"].sum()])
    table = pd.DataFrame(rows, columns=[*columns, "p_value", "paid_amount"])
    return judged(table, false_discovery_rate=false_discovery_rate).assign(age_days=age)


def judged(compared: pd.DataFrame, *, false_discovery_rate: float) -> pd.DataFrame:
    """Refund rates beside what earlier sessions let expect, with their verdicts.

    `compared` has rate, baseline, lower, upper, p_value. Columns added: p_adjusted
    (Benjamini-Hochberg), verdict and outcome (the verdict as it is read).
    """
    adjusted = stats.benjamini_hochberg(compared["p_value"])
    is_sure = (compared["p_value"] <= 0.05) & (adjusted <= false_discovery_rate)
    side = np.where(compared["rate"] > compared["baseline"], "worse", "better")
    verdict = pd.Series(side, index=compared.index, dtype="str").where(is_sure, "cannot_tell")
    outcome = findings.outcome(verdict, compared["rate"], compared["lower"], compared["upper"])
    return compared.assign(p_adjusted=adjusted, verdict=verdict, outcome=outcome)


def _slices(
    lines: pd.DataFrame, history: pd.DataFrame, by: Iterable[str]
) -> Iterator[tuple[str, str, str, pd.DataFrame, pd.DataFrame]]:
    yield "", "", "", lines, history
    for dimension in by:
        for value, part in lines.groupby(dimension, sort=True):
            if len(part) < FEWEST_LINES:  # not judged, and a long tail has thousands of these
                continue
            name = part["product_name"].iloc[0] if dimension == "product_id" else value
            past = history[history[dimension] == value]
            yield dimension, str(value), str(name) if pd.notna(name) else "", part, past


def return_findings(
    compared: pd.DataFrame, *, notebook: str, registry: Mapping[str, reference.Metric]
) -> list[dict[str, object]]:
    """Findings on the refund rate against earlier sessions of the same age (`against_past`).

    The whole always gives one; a product only where it differs. Money at stake is the rate's excess
    x paid amount.
    """
    apart = compared["return_by"].eq("product_id") & compared["verdict"].ne("cannot_tell")
    rows = []
    for row in compared[compared["return_by"].eq("") | apart].itertuples():
        metric = "item_refund_rate_orders" if row.slice else "refund_rate_orders"
        rate, age, words = text.percent(row.rate), f"{row.age_days:.1f}", {}
        for lang in ("zh", "en"):
            about = text.choose(lang, "本场", "This session")
            if row.slice:
                about = text.plain(row.name, 30)
            label = text.label(registry[metric], lang)
            past = text.interval(row.lower, row.upper, "percent", lang)
            outcome = text.label(reference.terms()["verdict"][row.outcome], lang)
            words[f"sentence_{lang}"] = text.choose(
                lang,
                f"{about}{label} {rate}（付款后约 {age} 天）；以往场次同龄时 {past}：{outcome}。",
                (
                    f"{about}: {label.lower()} {rate} about {age} days after payment; earlier "
                    f"sessions at that age {past}: {outcome.lower()}."
                ),
            )
        excess = (row.rate - row.baseline) * row.paid_amount
        rows.append(
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
                money_at_stake=excess if row.verdict == "worse" else np.nan,
                **words,
            )
        )
    return rows
