"""What was earned: from the paid amount down to profit, each line with the record that gives it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import findings, text


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


def statement(
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


def profit_findings(told: pd.DataFrame, *, notebook: str, currency: str = "CNY") -> list[dict[str, object]]:
    """A finding on profit: its amount, or that it cannot be measured and which records are missing."""
    end = told.iloc[-1]
    words = {}
    for lang in ("zh", "en"):
        missing = end[f"missing_{lang}"]
        if end["measurable"]:
            lack = text.choose(lang, f"，未计入：{missing}", f"; not included: {missing}") if missing else ""
            words[f"sentence_{lang}"] = text.choose(lang, f"净利 {text.money(end['amount'], lang, currency)}{lack}。", f"Profit {text.money(end['amount'], lang, currency)}{lack}.")
        else:
            words[f"sentence_{lang}"] = text.choose(lang, f"净利无法计算，缺：{missing}。", f"Profit cannot be measured; missing: {missing}.")
    return [findings.make(notebook=notebook, dimension="profit", metric="profit", value=end["amount"], verdict="not_comparable", **words)]
