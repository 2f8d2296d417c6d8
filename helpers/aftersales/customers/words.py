"""The figures of the chapter on customers, and findings on them in words."""

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales.customers.overdue import won_back
from helpers.aftersales.customers.repurchase import cycle, first_and_later, within
from helpers.aftersales.customers.session_buyers import (
    basket,
    first_orders,
    new_share,
    referred,
    unpaid,
)
from helpers.aftersales.customers.share import Share
from helpers.core import findings, text
from helpers.reference import Customers


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
    """The figures of the chapter on customers: one row per figure, those of the session first.

    Columns: figure, scope (session or account), unit, value, ci_lower, ci_upper, n (buyers, orders
    or customers), zh, en. `orders` are the session's, `parts` those of `segments`. first_order, new
    buyers over all viewers, is a lower bound: viewers hold old customers. Figures that cannot be
    told have no row.
    """
    options = {"as_of": as_of, "rules": rules, "confidence": confidence}
    money, people = new_share(lines, session_id=session["session_id"], **options)
    units, several = basket(
        lines[lines["session_id"] == session["session_id"]], confidence=confidence
    )
    back = within(first_and_later(counts)["first"], rules.within_days, confidence=confidence)
    customers, overdue = int(parts["n"].sum()), int(parts["overdue"].sum())
    late_share = Share(overdue / customers if customers else np.nan, np.nan, np.nan, customers)
    here = {
        "new_share": money,
        "new_buyers": people,
        "first_order": first_orders(people, session["viewers"], confidence=confidence),
        "referred": referred(orders, confidence=confidence),
        "unpaid": unpaid(orders, **options),
        "units": units,
        "several": several,
    }
    there = {
        "overdue": late_share,
        "won_back": won_back(counts, late, rules=rules, confidence=confidence),
    }
    rows = [
        *((name, name, rules.winback_days, "session", *share) for name, share in here.items()),
        *(
            (f"repurchase_{days}", "repurchase", days, "account", *share)
            for days, *share in back.drop(columns="watched").itertuples(index=False)
        ),
        *((name, name, rules.winback_days, "account", *share) for name, share in there.items()),
    ]
    columns = ["figure", "label", "days", "scope", "value", "ci_lower", "ci_upper", "n"]
    table = pd.DataFrame(rows, columns=columns)
    table["unit"] = np.where(table["figure"] == "units", "ratio", "percent")
    table = table.dropna(subset=["value"]).reset_index(drop=True)
    words = {
        lang: [
            text.label(reference.terms()["customer_figure"][row.label], lang).format(
                days=row.days,
                minutes=rules.unpaid_minutes,
                share=text.percent(rules.overdue_share, 0),
            )
            for row in table.itertuples()
        ]
        for lang in ("zh", "en")
    }
    columns = ["figure", "scope", "unit", "value", "ci_lower", "ci_upper", "n"]
    return table[columns].assign(**words)


def customer_findings(
    shown: pd.DataFrame,
    counts: pd.DataFrame,
    parts: pd.DataFrame,
    products: pd.DataFrame,
    *,
    notebook: str,
    rules: Customers,
) -> list[dict[str, object]]:
    """Findings on customers: new ones in this session, who comes back, who is late.

    `shown` is that of `figures`, `products` that of `origins` with product_name. None says better
    or worse, as no earlier session is compared.
    """
    table = shown.set_index("figure")
    apart = products[products["verdict"].isin(["better", "worse"])]
    return [
        *_new_finding(table, notebook),
        *_back_finding(table, counts, notebook, rules),
        *_late_finding(table, parts, notebook, rules),
        *(_origin_finding(row, notebook, rules) for row in apart.itertuples()),
    ]


def share_words(row: pd.Series, lang: str) -> str:
    """A share with its interval in brackets."""
    bounds = text.interval(row["ci_lower"], row["ci_upper"], "percent", lang)
    return text.percent(row["value"]) + text.choose(lang, f"（{bounds}）", f" ({bounds})")


def _new_finding(table: pd.DataFrame, notebook: str) -> list[dict[str, object]]:
    if not {"new_share", "new_buyers"} <= set(table.index):
        return []
    money, people = table.loc["new_share"], table.loc["new_buyers"]
    return [
        findings.make(
            notebook=notebook,
            dimension="conversion",
            metric="new_customer_share",
            **money[["value", "ci_lower", "ci_upper"]],
            verdict="not_comparable",
            sentence_zh=(
                f"本场 {text.number(people['n'], 'zh')} 位已知买家中，新客占 "
                f"{share_words(people, 'zh')}，其支付金额占 {share_words(money, 'zh')}。"
            ),
            sentence_en=(
                f"Of this session's {text.number(people['n'], 'en')} known buyers, "
                f"{share_words(people, 'en')} are new; they account for "
                f"{share_words(money, 'en')} of the paid amount."
            ),
        )
    ]


def _back_finding(
    table: pd.DataFrame, counts: pd.DataFrame, notebook: str, rules: Customers
) -> list[dict[str, object]]:
    rates = {
        mark: table.loc[f"repurchase_{mark}"]
        for mark in rules.within_days
        if f"repurchase_{mark}" in table.index
    }
    if not rates or next(iter(rates.values()))["n"] < rules.fewest:
        return []
    lead = rates.get(rules.origin_days, list(rates.values())[-1])
    medians = cycle(counts).set_index("gap")["median"]
    first, later = medians["first"], medians.get("later", np.nan)
    words = {}
    for lang in ("zh", "en"):
        shares = [
            f"{text.choose(lang, f'{mark} 天内', f'within {mark} days')} {share_words(row, lang)}"
            for mark, row in rates.items()
        ]
        sentences = [
            text.choose(
                lang,
                f"首购后再买的：{'、'.join(shares)}。",
                f"Bought again after the first purchase: {', '.join(shares)}.",
            )
        ]
        sentences.append(
            text.choose(
                lang,
                "首购到第二次没有中位数：还不到一半人回来过。",
                (
                    "There is no median time to the second purchase, as fewer than half have come "
                    "back."
                ),
            )
            if np.isnan(first)
            else text.choose(
                lang,
                f"首购到第二次的中位数是 {first:.0f} 天。",
                f"The median time to the second purchase is {first:.0f} days.",
            )
        )
        if not np.isnan(later):
            sentences.append(
                text.choose(
                    lang,
                    f"之后每次间隔的中位数是 {later:.0f} 天。",
                    f"After that the median gap is {later:.0f} days.",
                )
            )
        words[f"sentence_{lang}"] = text.choose(lang, "", " ").join(sentences)
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="repurchase_rate",
            **lead[["value", "ci_lower", "ci_upper"]],
            verdict="not_comparable",
            **words,
        )
    ]


def _late_finding(
    table: pd.DataFrame, parts: pd.DataFrame, notebook: str, rules: Customers
) -> list[dict[str, object]]:
    if "overdue" not in table.index or not parts["overdue"].sum():
        return []
    customers, late = int(parts["n"].sum()), int(parts["overdue"].sum())
    share, most = text.percent(late / customers), text.percent(rules.overdue_share, 0)
    words = {}
    for lang in ("zh", "en"):
        whole, part = text.number(customers, lang), text.number(late, lang)
        sentence = text.choose(
            lang,
            (
                f"客户共 {whole}，其中 {part}（{share}）已有流失风险：距上次购买的天数，比 {most} "
                "的同频次回头客当初隔的都长。"
            ),
            (
                f"Of {whole} customers {part} ({share}) are overdue: they have waited longer than "
                f"{most} of repeat buyers with the same purchase frequency did."
            ),
        )
        if "won_back" in table.index:
            back = share_words(table.loc["won_back"], lang)
            sentence += text.choose(
                lang,
                f"以往进入流失预警的客户，此后 {rules.winback_days} 天内又买的占 {back}。",
                (
                    f" Of customers who became overdue in the past, {back} bought again within "
                    f"{rules.winback_days} days."
                ),
            )
        words[f"sentence_{lang}"] = sentence
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="churn_warning",
            value=late / customers,
            verdict="not_comparable",
            **words,
        )
    ]


def _origin_finding(row: tuple, notebook: str, rules: Customers) -> dict[str, object]:
    name, usual, more = (
        text.plain(row.product_name, 30),
        text.percent(row.usual),
        row.verdict == "better",
    )
    rate = pd.Series({"value": row.rate, "ci_lower": row.ci_lower, "ci_upper": row.ci_upper})
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
        sentence_zh=(
            f"首购买「{name}」的 {row.n:.0f} 位新客，{rules.origin_days} 天内复购 "
            f"{share_words(rate, 'zh')}，{'高' if more else '低'}于同期新客的 {usual}。"
        ),
        sentence_en=(
            f"Of {row.n:.0f} new customers whose first purchase held “{name}”, "
            f"{share_words(rate, 'en')} bought again within {rules.origin_days} days, "
            f"{'more' if more else 'fewer'} than the {usual} of all new customers of the same "
            "weeks."
        ),
    )
