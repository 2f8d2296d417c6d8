"""The cards of the first screen: key figures beside the usual, and what ads brought back."""

import math
from collections.abc import Mapping

import pandas as pd

from helpers import reference
from helpers.aftersales import profit
from helpers.core import text
from helpers.reference import metrics
from helpers.report.signs import SIGNS, term
from helpers.report.statements import paid_back
from helpers.report.units import Registry, decimals_of

CARDS = ("paid_amount", "net_amount", "viewers", "uv_value", "room_conversion", "profit")
FINAL = {
    "net_amount": ("net", "expected_net"),
    "profit": ("profit_expected", "expected_profit"),
}  # result and line that hold what a card's amount will come to
ADS_WORDS = {
    "ads_account": ("投放平台自己归因", "as the ads platform credits itself"),
    "traffic_sources": ("按付费来源进房的人", "by those who came through paid sources"),
}
Results = Mapping[str, pd.DataFrame]  # by name; one that is missing is an empty frame


def cards(
    session: pd.Series, results: Results, *, lang: str, registry: Registry, currency: str
) -> list[dict[str, str]]:
    """The key figures of a session that the registry has, a card each."""
    figures = _figures(session, results, registry)
    return [
        _card(name, figures.get(name, math.nan), results, lang, registry, currency)
        for name in CARDS
        if name in registry
    ]


def _figures(session: pd.Series, results: Results, registry: Registry) -> dict[str, float]:
    names = [name for name in CARDS if name in registry and registry[name].table == "sessions"]
    measured = metrics.by_session(pd.DataFrame([session]), names, registry=registry)
    figures = dict(zip(measured["metric"], measured["value"].astype(float), strict=True))
    amounts = _amounts(results, "profit")
    if amounts is not None:
        figures["profit"] = amounts.get("profit", math.nan)
        net = amounts.get("paid", math.nan) + amounts.get("refunds", math.nan)
        figures |= {"net_amount": net} if math.isfinite(net) else {}
    return figures


def _amounts(results: Results, name: str) -> pd.Series | None:
    statement = results[name]
    if not {"line", "amount"} <= set(statement.columns):
        return None
    return statement.drop_duplicates("line").set_index("line")["amount"]


def _value(value: float, metric: reference.Metric, lang: str, currency: str) -> str:
    return text.value(value, metric.unit, lang, decimals=decimals_of(metric), currency=currency)


def _joined(lang: str, *parts: str) -> str:
    return text.choose(lang, "；", "; ").join(filter(None, parts))


def _card(
    name: str, value: float, results: Results, lang: str, registry: Registry, currency: str
) -> dict[str, str]:
    card = {
        "name": text.label(registry[name], lang),
        "value": _value(value, registry[name], lang, currency),
        "expected": _final(name, results, lang, currency),
        "change": "",
        "range": "",
        "style": "quiet",
        "sign": "",
        "verdict": "",
    }
    if not math.isfinite(value):
        return card | {
            "value": text.choose(lang, "不可计算", "not measurable"),
            "range": _lacking(name, results, lang),
            "style": "unknown",
        }
    waiting = _joined(
        lang, _still_to_come(name, results, lang, currency), _not_in(name, results, lang)
    )
    verdicts = results["verdicts"]
    rows = verdicts[verdicts["metric"] == name] if "metric" in verdicts else verdicts
    if rows.empty or not math.isfinite(rows.iloc[0]["ratio"]):
        alone = text.choose(lang, "没有可比场次", "no comparable session")
        return card | {"range": waiting or alone}
    usual = against_usual(rows.iloc[0], lang)
    return card | usual | {"range": _joined(lang, usual["range"], waiting)}


def _still_to_come(name: str, results: Results, lang: str, currency: str) -> str:
    amounts = _amounts(results, "net")
    if name not in ("net_amount", "profit") or amounts is None:
        return ""
    so_far, expected = (
        float(amounts.get(line, math.nan)) for line in ("refunded", "expected_refunds")
    )
    if not expected > so_far:
        return ""
    total, off = (text.money(amount, lang, currency) for amount in (expected, so_far))
    return text.choose(
        lang,
        f"只扣了已知退款 {off}，预计退款共 {total}",
        f"only known refunds of {off} are off; {total} expected in all",
    )


def _final(name: str, results: Results, lang: str, currency: str) -> str:
    """Once all refunds are in; empty where that is not known, or nothing is to come."""
    if name not in FINAL:
        return ""
    table, line = FINAL[name]
    expected = results[table]
    if not {"line", "amount", "lower", "upper"} <= set(expected.columns):
        return ""
    rows = expected[expected["line"] == line]
    if rows.empty or not rows.iloc[0]["lower"] < rows.iloc[0]["upper"]:
        return ""
    row = rows.iloc[0]
    amount = text.money(row["amount"], lang, currency)
    bounds = text.interval(row["lower"], row["upper"], "money", lang, currency=currency)
    return text.choose(
        lang, f"预计最终 {amount}（{bounds}）", f"in the end about {amount} ({bounds})"
    )


def _not_in(name: str, results: Results, lang: str) -> str:
    statement = results["profit"]
    if name != "profit" or not {"line", "measurable", "amount"} <= set(statement.columns):
        return ""
    left_out = profit.left_out(statement, lang)
    coupons = text.choose(lang, "；优惠券算商家另付", "; coupons count as paid on top by the shop")
    any_coupon = statement.loc[statement["line"].eq("coupon"), "amount"].lt(0).any()
    costs = text.choose(lang, f"未计入{left_out}", f"not included: {left_out}")
    fees = text.plain(statement.iloc[-1].get(f"fees_{lang}") or "", 80)
    return _joined(lang, fees, costs) + (coupons if any_coupon else "")


def _lacking(name: str, results: Results, lang: str) -> str:
    statement = results["profit"]
    if name != "profit" or f"missing_{lang}" not in statement or statement.empty:
        return ""
    missing = text.plain(statement.iloc[-1][f"missing_{lang}"], 60)
    return text.choose(lang, f"缺少：{missing}", f"missing: {missing}") if missing else ""


def against_usual(row: pd.Series, lang: str) -> dict[str, str]:
    """A verdict as a card says it: change, normal range, verdict, sign and style."""
    outcome = row.get("outcome", row["verdict"])
    sign, style = SIGNS.get(outcome, ("", "quiet"))
    change, low, high = (
        text.signed(row[name] - 1, "percent", lang, decimals=0)
        for name in ("ratio", "ratio_lower", "ratio_upper")
    )
    hourly = row.get("per_hour") in (True, 1)
    per_hour = text.choose(lang, "，按每小时比", ", per hour") if hourly else ""
    usual = text.choose(
        lang, f"正常范围 {low} 至 {high}{per_hour}", f"normal range {low} to {high}{per_hour}"
    )
    return {
        "change": text.choose(lang, f"较平时 {change}", f"{change} vs usual"),
        "range": "" if text.NOTHING in (low, high) else usual,
        "style": style,
        "sign": sign,
        "verdict": term("verdict", outcome, lang),
    }


def ads_cards(
    results: Results, *, lang: str, registry: Registry, currency: str
) -> list[dict[str, str]]:
    """What was spent on ads and what they brought back by either account; none without ads.

    The room's sources are the other account. Either is held against the return at which ads pay for
    themselves by the session's own margin and returns; the usual is said, no range.
    """
    frame = results["ads_return"]
    level = profit.break_even(results["profit"], results["profit_expected"])
    lines = frame.set_index("line") if "line" in frame else frame
    if "ads_account" not in lines.index:
        return []
    ads = lines.loc["ads_account"]
    figures = {
        "ad_cost": (ads["cost"], _usual_cost(ads, lang, registry, currency)),
        "ads_amount_roi": (ads["value"], _earned_back(lines, level, lang)),
    }
    plain = {"expected": "", "change": "", "style": "quiet", "sign": "", "verdict": ""}
    return [
        plain
        | {
            "name": text.label(registry[name], lang),
            "value": _value(value, registry[name], lang, currency),
            "range": beside,
        }
        for name, (value, beside) in figures.items()
        if name in registry
    ]


def _usual_cost(ads: pd.Series, lang: str, registry: Registry, currency: str) -> str:
    if "ad_cost" not in registry or not math.isfinite(ads["usual_cost"]):
        return ""
    usual = _value(ads["usual_cost"], registry["ad_cost"], lang, currency)
    return text.choose(
        lang,
        f"平时每场 {usual}（{ads['n']:.0f} 场可比场次）",
        f"usually {usual} a session ({ads['n']:.0f} comparable sessions)",
    )


def _earned_back(lines: pd.DataFrame, level: float, lang: str) -> str:
    """By either account: ads also claim those who would have come otherwise."""
    returns = [
        _return(lines.loc[name], words, level, lang)
        for name, words in ADS_WORDS.items()
        if name in lines.index and math.isfinite(lines.loc[name, "value"])
    ]
    if math.isfinite(level):
        shown = text.value(level, "ratio", lang, decimals=2)
        costs = text.choose(
            lang,
            f"扣掉成本和退货，要 {shown} 才保本",
            f"after goods and returns it takes {shown} to pay for itself",
        )
    else:
        costs = text.choose(lang, "都还没扣商品成本和退款", "cost of goods and refunds not yet off")
    return _joined(lang, *returns, costs) if returns else ""


PAID_BACK = {
    "earned_back": ("，收回了花费", ": spend earned back"),
    "not_earned_back": ("，没收回花费", ": spend not earned back"),
    "cannot_tell": ("", ""),
}


def _return(row: pd.Series, words: tuple[str, str], level: float, lang: str) -> str:
    value, usual = (
        text.value(row[name], "ratio", lang, decimals=2) for name in ("value", "baseline")
    )
    usually = text.choose(lang, f"（平时 {usual}）", f" (usually {usual})")
    usually = usually if math.isfinite(row["baseline"]) else ""
    paid = text.choose(lang, *PAID_BACK[paid_back(row["value"], level)])
    return f"{text.choose(lang, *words)} {value}{usually}{paid}"
