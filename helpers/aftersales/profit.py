"""What was earned: from the paid amount down to profit, each line with the record that gives it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text


class ProfitLine(NamedTuple):
    """One line of the profit statement: its labels, its sign, and which records give it."""

    line: str
    zh: str
    en: str
    sign: int
    record_zh: str
    record_en: str


DAY = pd.Timedelta(days=1)
PROFIT_LINES = (
    ProfitLine("paid", "支付金额", "Paid amount", 1, "场次数据", "the sessions export"),
    ProfitLine(
        "refunds",
        "退款",
        "Refunds",
        -1,
        "售后单或场次退款金额",
        "the after-sales export or the session's refund amount",
    ),
    ProfitLine(
        "unit_cost",
        "商品成本",
        "Cost of goods",
        -1,
        "成本表「单件成本」（每个卖出的商品）",
        "unit costs in the costs sheet (every product sold)",
    ),
    ProfitLine(
        "commission",
        "佣金",
        "Commission",
        -1,
        "场次佣金或成本表「佣金」",
        "the session's commission or the costs sheet",
    ),
    ProfitLine(
        "ads", "投放", "Ads", -1, "投放报表或成本表「投放」", "the ads report or the costs sheet"
    ),
    ProfitLine(
        "coupon",
        "优惠券",
        "Coupons",
        -1,
        "场次优惠券金额或成本表「优惠券」",
        "the session's coupons or the costs sheet",
    ),
    ProfitLine("gift", "福袋礼品", "Gifts", -1, "成本表「福袋礼品」", "the costs sheet"),
    ProfitLine("staff", "人工", "Staff", -1, "成本表「人工」", "the costs sheet"),
)
SESSION_COLUMN = {
    "commission": "commission",
    "ads": "ad_cost",
    "coupon": "coupon_amount",
    "gift": "gift_cost",
}


def _costs_of(session: pd.Series, costs: pd.DataFrame) -> pd.DataFrame:
    """Cost rows that hold for the session: its own, and those that name no session; its own replace the general ones."""
    own = costs["session_id"].eq(session["session_id"])
    general = costs["session_id"].isna() & costs["session_started_at"].isna()
    ranked = pd.concat([costs[own], costs[general]])
    return ranked.drop_duplicates(["item", "product_id"], keep="first")


def _put_back(lines: pd.DataFrame) -> pd.Series:
    """Whether the goods of each line are back on the shelf: returned, or refunded before they were shipped."""
    return lines["returned"] | (lines["refunded"] & lines["before_shipping"])


def units_kept(lines: pd.DataFrame) -> pd.DataFrame:
    """Pieces that buyers kept, one row per product: product_id, units.

    Goods of a refund before shipping or of a return are back on the shelf; those refunded without a
    return are not.
    """
    kept = lines[~_put_back(lines)]
    return kept.groupby("product_id", as_index=False)["qty"].sum().rename(columns={"qty": "units"})


def units_sold(lines: pd.DataFrame, products: pd.DataFrame) -> pd.DataFrame:
    """Pieces that stay sold, one row per product (product_id, units): from lines, else from the product export.

    The product export knows refunded orders but not their pieces: its units are taken down in
    proportion.
    """
    if len(lines):
        return units_kept(lines)
    rows = products[products["sku_id"].isna() & products["units"].notna()]
    back = (rows["refund_orders"] / rows["orders"].where(rows["orders"] > 0)).fillna(0).clip(0, 1)
    return pd.DataFrame(
        {"product_id": rows["product_id"], "units": rows["units"] * (1 - back)}
    ).reset_index(drop=True)


def _goods_cost(session: pd.Series, costs: pd.DataFrame, units: pd.DataFrame) -> float:
    """Units times unit cost; `nan` where there are no units or a product that sold has no cost. The session's own total wins."""
    if pd.notna(session.get("goods_cost", np.nan)):
        return float(session["goods_cost"])
    sold = units[units["units"] > 0]
    each = (
        costs[costs["item"] == "unit_cost"]
        .dropna(subset=["product_id"])
        .set_index("product_id")["amount"]
    )
    return (
        float((sold["units"] * sold["product_id"].map(each)).sum(skipna=False))
        if len(sold)
        else np.nan
    )


def statement(
    session: pd.Series, *, costs: pd.DataFrame, units: pd.DataFrame, refunded: float
) -> pd.DataFrame:
    """From paid amount to profit, one row per line of the statement, ready for a waterfall.

    Columns: line, zh, en, amount (deductions negative), kind (start, step, end), measurable,
    missing_zh, missing_en (what record would fill the line). Profit is measurable when paid amount,
    refunds and the cost of every product sold are known; a missing commission, ads, coupons, gifts
    or staff line leaves it incomplete, which its `missing` says. `units` has product_id and units
    (see `units_kept`); costs of a session replace those that hold for all. Source:
    直播复盘与售后跟踪 (净利).
    """
    own = _costs_of(session, costs)
    amounts = {
        "paid": session["paid_amount"],
        "refunds": refunded,
        "unit_cost": _goods_cost(session, own, units),
    }
    for item in ("commission", "ads", "coupon", "gift", "staff"):
        stated = session.get(SESSION_COLUMN.get(item, ""), np.nan)
        given = own.loc[own["item"] == item, "amount"].sum(min_count=1)
        amounts[item] = given if pd.notna(given) else stated
    rows = [_profit_row(line, float(amounts[line.line])) for line in PROFIT_LINES]
    made = pd.DataFrame(rows)
    lacking = made[~made["measurable"]]
    whole = made.set_index("line")["measurable"][["paid", "refunds", "unit_cost"]].all()
    end = {
        "line": "profit",
        "zh": "截至目前净利",
        "en": "Profit so far",
        "amount": made["amount"].sum() if whole else np.nan,
        "kind": "end",
        "measurable": bool(whole),
        "missing_zh": "、".join(lacking["zh"]),
        "missing_en": ", ".join(lacking["en"].str.lower()),
    }
    return pd.concat([made, pd.DataFrame([end])], ignore_index=True)


def _profit_row(line: ProfitLine, amount: float) -> dict[str, object]:
    known = np.isfinite(amount)
    return {
        "line": line.line,
        "zh": line.zh,
        "en": line.en,
        "amount": line.sign * amount if known else np.nan,
        "kind": "start" if line.line == "paid" else "step",
        "measurable": bool(known),
        "missing_zh": "" if known else line.record_zh,
        "missing_en": "" if known else line.record_en,
    }


def left_out(told: pd.DataFrame, lang: str) -> str:
    """What profit does not hold: usual costs that no export gives (`not_in_profit` of terms.yml), and lines of the statement that nothing filled."""
    known = (
        set(told.loc[told["measurable"].astype(bool), "line"])
        if {"line", "measurable"} <= set(told.columns)
        else set()
    )
    return text.choose(lang, "、", ", ").join(
        text.label(label, lang)
        for name, label in reference.terms()["not_in_profit"].items()
        if name not in known
    )


def left_out_note(told: pd.DataFrame, lang: str) -> str:
    """What profit does not hold, and how coupons count in it, in one sentence or two."""
    coupon = "coupon" in set(
        told.loc[told["measurable"].astype(bool) & told["amount"].ne(0), "line"]
    )
    head = text.choose(
        lang, f"没有计入：{left_out(told, lang)}。", f"Not included: {left_out(told, lang)}."
    )
    return head + (
        text.choose(
            lang,
            (
                "优惠券按商家在支付金额之外另行承担计算；如果导出的支付金额已是用券后的实付，"
                "就是扣了两次，在成本表「优惠券」填 0 即可。"
            ),
            (
                " Coupons count as what the shop pays on top of the paid amount; where the "
                "exported "
                "paid amount is already after coupons they are taken off twice: enter 0 for "
                "coupons "
                "in the costs sheet."
            ),
        )
        if coupon
        else ""
    )


def goods_back(past: pd.DataFrame, *, age_days: float) -> float:
    """Paid worth of the goods put back on the shelf for each unit of money refunded later than `age_days` after payment.

    `past` are lines of sessions whose return window is over. `nan` where nothing was refunded so
    late.
    """
    late = past[past["refunded"] & ((past["refunded_at"] - past["paid_at"]) / DAY > age_days)]
    refunded = late["refunded_amount"].sum()
    return float(late.loc[_put_back(late), "paid"].sum() / refunded) if refunded > 0 else np.nan


def to_expect(
    told: pd.DataFrame,
    net: pd.DataFrame,
    lines: pd.DataFrame,
    *,
    back: float,
    whole_cost: bool = False,
) -> pd.DataFrame:
    """What profit comes to once all refunds are in: one row per line, with its interval.

    Columns: line (profit so far, refunds_to_come, goods_to_come, expected_profit), zh, en, amount,
    lower, upper. Refunds to come are those that `net` (`final_returns.net_amount`) expects less
    those known. Of their goods the part `back` (`goods_back`) returns to the shelf, at the cost per
    paid amount of the goods still kept; none where the session states its cost of goods as one
    total (`whole_cost`), as the statement takes returned goods off neither. Commission and all
    other lines stay. Empty where profit is not measurable, nothing is expected yet, or refunds are
    to come of which `back` is not known.
    """
    amounts, expected = told.set_index("line")["amount"], net.set_index("line")
    rest = (
        expected.loc["expected_refunds", ["amount", "lower", "upper"]].to_numpy(float)
        - expected.loc["refunded", "amount"]
    )
    kept = lines.loc[~_put_back(lines), "paid"].sum()
    each = (
        0.0
        if whole_cost or not rest.any()
        else back * -amounts["unit_cost"] / kept
        if kept > 0
        else np.nan
    )
    goods = rest * each
    if not np.isfinite([amounts["profit"], *goods]).all():
        return pd.DataFrame(columns=["line", "zh", "en", "amount", "lower", "upper"])
    ends = amounts["profit"] - rest + goods
    rows = [
        ("profit", "截至目前净利", "Profit so far", amounts["profit"], np.nan, np.nan),
        ("refunds_to_come", "还会来的退款", "Refunds still to come", *-rest[[0, 2, 1]]),
        (
            "goods_to_come",
            "随之回库的商品成本",
            "Cost of the goods that come back with them",
            *goods,
        ),
        (
            "expected_profit",
            "预计最终净利",
            "Profit expected in the end",
            ends[0],
            *sorted(ends[1:]),
        ),
    ]
    return pd.DataFrame(rows, columns=["line", "zh", "en", "amount", "lower", "upper"])


def profit_findings(
    told: pd.DataFrame,
    later: pd.DataFrame,
    *,
    notebook: str,
    as_of: pd.Timestamp,
    currency: str = "CNY",
) -> list[dict[str, object]]:
    """A finding on profit: its amount so far and what it will come to (`to_expect`), or which records are missing."""
    end = told.iloc[-1]
    words = {f"sentence_{lang}": _said(end, later, lang, as_of, currency) for lang in ("zh", "en")}
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


def _said(
    end: pd.Series, later: pd.DataFrame, lang: str, as_of: pd.Timestamp, currency: str
) -> str:
    missing = end[f"missing_{lang}"]
    if not end["measurable"]:
        return text.choose(
            lang,
            f"净利无法计算，缺：{missing}。",
            f"Profit cannot be measured; missing: {missing}.",
        )
    lack = (
        text.choose(lang, f"，未计入：{missing}", f"; not included: {missing}") if missing else ""
    )
    amount = text.money(end["amount"], lang, currency)
    head = text.choose(
        lang,
        f"截至 {as_of:%Y-%m-%d %H:%M} 净利 {amount}（只减了已知的退款{lack}）。",
        (
            f"Profit as of {as_of:%Y-%m-%d %H:%M}: {amount} (only refunds known so far are taken "
            f"off{lack})."
        ),
    )
    if later.empty:
        return head
    row = later.iloc[-1]
    value, bounds = (
        text.money(row["amount"], lang, currency),
        text.interval(row["lower"], row["upper"], "money", lang, currency=currency),
    )
    return head + text.choose(
        lang,
        (
            f"等退款都来了，最终净利约 {value}（区间 {bounds}）：假设还会退的货按以往的比例回库、"
            "成本照扣回，佣金等其他各项不变。"
        ),
        (
            f" Once all refunds are in, about {value} is expected ({bounds}), if the goods still "
            "to "
            "be refunded come back in the usual share and at cost, and commission and all other "
            "lines "
            "stay as they are."
        ),
    )
