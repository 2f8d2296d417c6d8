"""What was earned: from the paid amount down to profit, each line with the record that gives it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales.order_lines import DAY
from helpers.aftersales.settlement import NOT_SETTLED
from helpers.core import findings, text

SESSION_COLUMN = {
    "commission": "commission",
    "ads": "ad_cost",
    "coupon": "coupon_amount",
    "gift": "gift_cost",
}


def _costs_of(session: pd.Series, costs: pd.DataFrame) -> pd.DataFrame:
    """Cost rows that hold for the session: its own replace those that name no session."""
    of_session = costs["session_id"].eq(session["session_id"])
    general = costs["session_id"].isna() & costs["session_started_at"].isna()
    ranked = pd.concat([costs[of_session], costs[general]])
    return ranked.drop_duplicates(["item", "product_id"], keep="first")


def _put_back(lines: pd.DataFrame) -> pd.Series:
    return lines["returned"] | (lines["refunded"] & lines["before_shipping"])


def units_kept(lines: pd.DataFrame) -> pd.DataFrame:
    """Pieces that buyers kept, one row per product: product_id, units.

    Goods refunded before shipping or returned are back on the shelf; those refunded without a
    return are not.
    """
    pieces = lines[~_put_back(lines)].groupby("product_id", as_index=False)["qty"].sum()
    return pieces.rename(columns={"qty": "units"})


def units_sold(lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Pieces that stay sold, from lines, else from the product export: product_id, units.

    The product export knows refunded orders, not pieces: units are taken down in proportion.
    """
    if len(lines):
        return units_kept(lines)
    rows = products[products["sku_id"].isna() & products["units"].notna()]
    back = (rows["refund_orders"] / rows["orders"].where(rows["orders"] > 0)).fillna(0).clip(0, 1)
    units = rows.assign(units=rows["units"] * (1 - back))
    return units[["product_id", "units"]].reset_index(drop=True)


def _goods_cost(session: pd.Series, costs: pd.DataFrame, units: pd.DataFrame) -> float:
    """The session's own total, else units times unit cost; `nan` where a cost is not known."""
    if pd.notna(session.get("goods_cost", np.nan)):
        return float(session["goods_cost"])
    sold = units[units["units"] > 0]
    if sold.empty:
        return np.nan
    unit_costs = costs[costs["item"] == "unit_cost"].dropna(subset=["product_id"])
    unit_costs = unit_costs.set_index("product_id")["amount"]
    return float((sold["units"] * sold["product_id"].map(unit_costs)).sum(skipna=False))


def statement(
    session: pd.Series,
    *,
    costs: pd.DataFrame,
    units: pd.DataFrame,
    refunded: float,
    fees: Mapping[str, str] = NOT_SETTLED,
) -> pd.DataFrame:
    """From paid amount to profit, one row per line of the statement, ready for a waterfall.

    Columns: line, zh, en, amount (deductions negative), kind (start, step, end), measurable,
    missing_zh, missing_en (what record would fill the line), fees_zh, fees_en (of profit: that the
    platform's fee is not off and what is settled; `fees` is that of `settlement.standing`). Profit
    is measurable when paid amount, refunds and the cost of every product sold are known; other
    lines that are missing leave it incomplete, as its `missing` says. `units` is that of
    `units_kept`; costs of a session replace those that hold for all. Source: 直播复盘与售后跟踪
    (净利).
    """
    own_costs = _costs_of(session, costs)
    amounts = {
        "paid": session["paid_amount"],
        "refunds": refunded,
        "unit_cost": _goods_cost(session, own_costs, units),
    }
    for item in ("commission", "ads", "coupon", "gift", "staff"):
        in_session = session.get(SESSION_COLUMN.get(item, ""), np.nan)
        in_costs = own_costs.loc[own_costs["item"] == item, "amount"].sum(min_count=1)
        amounts[item] = in_costs if pd.notna(in_costs) else in_session
    table = pd.DataFrame([_profit_row(line, float(amount)) for line, amount in amounts.items()])
    lacking = table[~table["measurable"]]
    whole = bool(table.loc[:2, "measurable"].all())  # paid amount, refunds, cost of goods
    label = reference.terms()["profit_line"]["profit"]
    end = {
        "line": "profit",
        "zh": label.zh,
        "en": label.en,
        "amount": table["amount"].sum() if whole else np.nan,
        "kind": "end",
        "measurable": whole,
        "missing_zh": "、".join(lacking["zh"]),
        "missing_en": ", ".join(lacking["en"].str.lower()),
    }
    end |= {f"fees_{lang}": fees[lang] if whole else "" for lang in ("zh", "en")}
    table = table.assign(fees_zh="", fees_en="")
    return pd.concat([table, pd.DataFrame([end])], ignore_index=True)


def _profit_row(line: str, amount: float) -> dict[str, object]:
    measurable = bool(np.isfinite(amount))
    label, record = (reference.terms()[group][line] for group in ("profit_line", "profit_record"))
    return {
        "line": line,
        "zh": label.zh,
        "en": label.en,
        "amount": (amount if line == "paid" else -amount) if measurable else np.nan,
        "kind": "start" if line == "paid" else "step",
        "measurable": measurable,
        "missing_zh": "" if measurable else record.zh,
        "missing_en": "" if measurable else record.en,
    }


def left_out(table: pd.DataFrame, lang: str) -> str:
    """Usual costs that profit does not hold: `not_in_profit` (terms.yml) without an amount."""
    filled = set()
    if {"line", "measurable"} <= set(table.columns):
        filled = set(table.loc[table["measurable"].astype(bool), "line"])
    return text.choose(lang, "、", ", ").join(
        text.label(label, lang)
        for name, label in reference.terms()["not_in_profit"].items()
        if name not in filled
    )


def left_out_note(table: pd.DataFrame, lang: str) -> str:
    """What profit does not hold, and how coupons count in it."""
    costs = left_out(table, lang)
    sentence = text.choose(lang, f"没有计入：{costs}。", f"Not included: {costs}.")
    filled = table["measurable"].astype(bool) & table["amount"].ne(0)
    if "coupon" in set(table.loc[filled, "line"]):
        sentence += text.choose(
            lang,
            (
                "优惠券按商家在支付金额之外另行承担计算；如果导出的支付金额已是用券后的实付，"
                "就是扣了两次，在成本表「优惠券」填 0 即可。"
            ),
            (
                " Coupons count as what the shop pays on top of the paid amount; where the "
                "exported paid amount is already after coupons they are taken off twice: enter 0 "
                "for coupons in the costs sheet."
            ),
        )
    return sentence


def goods_back(past: pd.DataFrame, *, age_days: float) -> float:
    """Worth (as paid) of goods back on the shelf per unit of money refunded after `age_days`.

    `past` are lines of sessions whose return window is over. `nan` where nothing was refunded so
    late.
    """
    late = past[past["refunded"] & ((past["refunded_at"] - past["paid_at"]) / DAY > age_days)]
    refunded = late["refunded_amount"].sum()
    return float(late.loc[_put_back(late), "paid"].sum() / refunded) if refunded > 0 else np.nan


def to_expect(
    table: pd.DataFrame,
    net: pd.DataFrame,
    lines: pd.DataFrame,
    *,
    back: float,
    whole_cost: bool = False,
) -> pd.DataFrame:
    """What profit comes to once all refunds are in: one row per line, with its interval.

    Columns: line (profit so far, refunds_to_come, goods_to_come, expected_profit), zh, en, amount,
    lower, upper. Refunds to come are those of `net` (`final_returns.net_amount`) less those known.
    The part `back` (`goods_back`) of their goods returns to the shelf, at the cost per paid amount
    of the goods still kept; none where the session states its cost of goods as one total
    (`whole_cost`). All other lines stay. Empty where profit is not measurable, nothing is expected
    yet, or refunds are to come of which `back` is not known.
    """
    amounts, expected = table.set_index("line")["amount"], net.set_index("line")
    to_come = expected.loc["expected_refunds", ["amount", "lower", "upper"]].to_numpy(float)
    to_come = to_come - expected.loc["refunded", "amount"]
    kept_goods = lines.loc[~_put_back(lines), "paid"].sum()
    if whole_cost or not to_come.any():
        cost_back = 0.0
    else:
        cost_back = back * -amounts["unit_cost"] / kept_goods if kept_goods > 0 else np.nan
    goods = to_come * cost_back
    columns = ["line", "zh", "en", "amount", "lower", "upper"]
    if not np.isfinite([amounts["profit"], *goods]).all():
        return pd.DataFrame(columns=columns)
    ends = amounts["profit"] - to_come + goods
    rows = {
        "profit": (amounts["profit"], np.nan, np.nan),
        "refunds_to_come": -to_come[[0, 2, 1]],
        "goods_to_come": goods,
        "expected_profit": (ends[0], *sorted(ends[1:])),
    }
    labels = reference.terms()["profit_line"]
    return pd.DataFrame(
        [[line, labels[line].zh, labels[line].en, *ends] for line, ends in rows.items()],
        columns=columns,
    )


# Lines that grow with what is sold; ads, gifts and staff are paid whatever is sold.
VARYING = ("refunds", "unit_cost", "commission", "coupon", "refunds_to_come", "goods_to_come")


def break_even(table: pd.DataFrame, expected: pd.DataFrame) -> float:
    """The return at which ads pay for themselves: 1 ÷ what is left of each unit of money sold.

    `table` is of `statement`, `expected` of `to_expect` (refunds still to come). `nan` where the
    cost of goods is not known, or nothing is left of what is sold.
    """
    if not {"line", "amount"} <= set(table.columns):
        return np.nan
    lines = pd.concat([table, expected]) if "line" in expected else table
    amounts = lines.drop_duplicates("line").set_index("line")["amount"].astype(float)
    paid = amounts.get("paid", np.nan)
    if not paid > 0 or not np.isfinite(amounts.get("unit_cost", np.nan)):
        return np.nan
    left = paid + amounts.reindex(VARYING).sum()
    return float(paid / left) if left > 0 else np.nan


def profit_findings(
    table: pd.DataFrame,
    later: pd.DataFrame,
    *,
    notebook: str,
    as_of: pd.Timestamp,
    currency: str = "CNY",
) -> list[dict[str, object]]:
    """A finding on profit: its amount so far and in the end, or which records are missing."""
    end = table.iloc[-1]
    words = {
        f"sentence_{lang}": _profit_words(end, later, lang, as_of, currency)
        for lang in ("zh", "en")
    }
    return [
        findings.make(
            notebook=notebook,
            dimension="profit",
            metric="profit",
            value=end["amount"],
            verdict="not_comparable",
            **words,
        )
    ]


def _profit_words(
    end: pd.Series, later: pd.DataFrame, lang: str, as_of: pd.Timestamp, currency: str
) -> str:
    missing = end[f"missing_{lang}"]
    if not end["measurable"]:
        return text.choose(
            lang,
            f"净利无法计算，缺：{missing}。",
            f"Profit cannot be measured; missing: {missing}.",
        )
    if missing:
        missing = text.choose(lang, f"，未计入：{missing}", f"; not included: {missing}")
    amount, moment = text.money(end["amount"], lang, currency), f"{as_of:%Y-%m-%d %H:%M}"
    fees = end[f"fees_{lang}"]
    sentence = text.choose(
        lang,
        f"截至 {moment} 净利 {amount}（{fees}；只减了已知的退款{missing}）。",
        f"Profit as of {moment}: {amount} ({fees}; only refunds known so far are taken off"
        f"{missing}).",
    )
    if later.empty:
        return sentence
    row = later.iloc[-1]
    amount = text.money(row["amount"], lang, currency)
    bounds = text.interval(row["lower"], row["upper"], "money", lang, currency=currency)
    return sentence + text.choose(
        lang,
        (
            f"等退款都来了，最终净利约 {amount}（区间 {bounds}）：假设还会退的货按以往的比例回库、"
            "成本照扣回，佣金等其他各项不变。"
        ),
        (
            f" Once all refunds are in, about {amount} is expected ({bounds}), if the goods still "
            "to be refunded come back in the usual share and at cost, and commission and all other "
            "lines stay as they are."
        ),
    )
