"""The table of a brief: this session, its goal, the usual, the last one, and the judgement."""

import math
from typing import Any

import pandas as pd

from helpers import compare
from helpers.aftersales import profit
from helpers.core import text
from helpers.reference import metrics
from helpers.report import statements
from helpers.report.brief.setting import Setting, finding, number
from helpers.report.signs import SIGNS
from helpers.report.statements import Place, Statement

FINAL = {
    "net_amount": (("net", "expected_net"), ("net", "net")),
    "profit": (("profit_expected", "expected_profit"), ("profit", "profit")),
}  # result and line of what a figure comes to in the end, else of what it is so far


def figures(of: Setting) -> list[dict[str, Any]]:
    """The rows of the table, those that the registry has and this session measures."""
    return [line for metric in of.words.figures if (line := _figure(of, metric))]


def _figure(of: Setting, metric: str) -> dict[str, Any] | None:
    if metric not in of.registry:
        return None
    if metric == "ads_amount_roi":
        return _ads(of)
    if metric in FINAL:
        return _final(of, metric)
    frame = of.results["verdicts"]
    rows = frame[frame["metric"].eq(metric)] if "metric" in frame else frame
    if rows.empty:
        value = _measured(of, of.session, metric)
        return _row(of, metric, value) if math.isfinite(value) else None
    row = rows.iloc[0]
    hourly = row.get("per_hour") in (True, 1)
    hours = _hours(of.session) if hourly else 1.0
    column = "outcome" if "outcome" in row else "verdict"
    verdict = row[column] if isinstance(row[column], str) else "not_comparable"
    key = (("metric", metric),)
    statement = Statement(
        id=f"figure.{metric}",
        metric=metric,
        slice="",
        yardstick="usual",
        value=float(row["value"]),
        verdict=verdict,
        at=Place("verdicts", key, "value"),
        stated=Place("verdicts", key, column) if isinstance(row[column], str) else None,
    )
    value = _measured(of, of.session, metric)
    value = value if math.isfinite(value) else row["value"] * hours
    return _row(
        of,
        metric,
        value,
        usual=row["baseline"] * hours,
        last=_last(of, metric, hours if hourly else math.nan),
        judgement=_judged(of, row, verdict),
        statement=statement,
        proof=finding(of, metric, "") or "p03",
    )


def _row(
    of: Setting,
    metric: str,
    value: float,
    *,
    usual: float = math.nan,
    last: float = math.nan,
    judgement: tuple[str, str, str] = ("", "quiet", ""),
    statement: Statement | None = None,
    proof: str = "",
) -> dict[str, Any]:
    sign, style, words = judgement
    return {
        "name": of.name(metric),
        "value": of.value(metric, value),
        "goal": of.value(metric, _target(of, metric)),
        "usual": of.value(metric, usual),
        "last": of.value(metric, last),
        "sign": sign,
        "style": style,
        "judgement": words or text.NOTHING,
        "statement": statement,
        "proof": proof,
    }


def _hours(session: pd.Series) -> float:
    seconds = session.get("duration_seconds", math.nan)
    return float(seconds) / 3600 if pd.notna(seconds) else math.nan


def _measured(of: Setting, session: pd.Series, metric: str) -> float:
    if of.registry[metric].table != "sessions":
        return math.nan
    rows = metrics.by_session(pd.DataFrame([session]), [metric], registry=of.registry)
    return float(rows["value"].iloc[0]) if len(rows) else math.nan


def _last(of: Setting, metric: str, hours: float) -> float:
    """The session before, a total for as many hours as this session lasted (`hours`)."""
    if of.last is None:
        return math.nan
    value = _measured(of, of.last, metric)
    return value * hours / _hours(of.last) if math.isfinite(hours) else value


def _target(of: Setting, metric: str) -> float:
    """The goal of this session; of a rate also that of a period around it."""
    frame = of.results["goals"]
    if not {"metric", "target", "scope"} <= set(frame.columns):
        return math.nan
    rate = of.registry[metric].unit in ("percent", "ratio")
    scopes = ["session", "period"] if rate else ["session"]
    rows = frame[frame["metric"].eq(metric) & frame["scope"].isin(scopes)]
    rows = rows.sort_values("scope", ascending=False, kind="stable")
    return float(rows.iloc[0]["target"]) if len(rows) else math.nan


def _judged(of: Setting, row: pd.Series, verdict: str) -> tuple[str, str, str]:
    """Sign, style and words of a verdict; of an ordinary value how many sessions go beyond it."""
    sign, style = SIGNS.get(verdict, ("", "quiet"))
    words = text.label(of.words.verdicts[verdict], of.lang) if verdict in of.words.verdicts else ""
    tail = float(row.get("p_value", math.nan)) / 2
    beyond = round(10 * tail) if math.isfinite(tail) else 5
    if verdict != "normal" or beyond >= 4 or not math.isfinite(row.get("expected", math.nan)):
        return sign, style, words
    low = row["value"] < row["expected"]
    often = of.t(f"约 {beyond} 场", f"about {beyond}") if beyond else of.t("不到 1 场", "under 1")
    much = of.t("低" if low else "高", "low" if low else "high")
    return (
        sign,
        style,
        of.t(f"{words}（10 场里{often}这么{much}）", f"{words} ({often} of 10 are this {much})"),
    )


def _final(of: Setting, metric: str) -> dict[str, Any] | None:
    """What is left once all refunds are in; what is left so far, by its own name, else.

    Without order lines nothing is known of either.
    """
    paid = statements.looked_up(Place("net", (("line", "paid"),), "amount"), of.results)
    if metric == "net_amount" and not number(paid) > 0:
        return None
    for name, line in FINAL[metric]:
        place = Place(name, (("line", line),), "amount")
        amount = number(statements.looked_up(place, of.results))
        if math.isfinite(amount):
            statement = Statement(
                f"figure.{metric}", metric, "", "self", amount, "stated", at=place
            )
            row = _row(of, metric, amount, statement=statement, proof="p05")
            so_far = text.label(of.registry[metric], of.lang)
            return row if line.startswith("expected") else row | {"name": so_far}
    return None


def _ads(of: Setting) -> dict[str, Any] | None:
    """What ads brought back, judged by the margin and the returns of this very session."""
    frame = of.results["ads_return"]
    rows = frame[frame["line"].eq("ads_account")] if "line" in frame else frame
    if rows.empty or not math.isfinite(rows.iloc[0]["value"]):
        return None
    row = rows.iloc[0]
    level = profit.break_even(of.results["profit"], of.results["profit_expected"])
    verdict = statements.paid_back(row["value"], level)
    sign, style = SIGNS.get(
        {"earned_back": "better", "not_earned_back": "worse"}.get(verdict, ""), ("?", "quiet")
    )
    words = text.label(of.words.verdicts[verdict], of.lang)
    if math.isfinite(level):
        shown = text.number(level, of.lang, 2)
        words += of.t(
            f"（扣掉成本和退货，要 {shown} 才保本）", f" (after goods and returns it takes {shown})"
        )
    place = Place("ads_return", (("line", "ads_account"),), "value")
    return _row(
        of,
        "ads_amount_roi",
        row["value"],
        usual=row["baseline"],
        judgement=(sign, style, words),
        statement=Statement(
            "figure.ads_amount_roi",
            "ads_amount_roi",
            "",
            "cost",
            float(row["value"]),
            verdict,
            at=place,
        ),
        proof="p02",
    )


def usual(of: Setting) -> str:
    """The one meaning of usual: which sessions, of this length, and what has changed since."""
    rows = of.results["usual"]
    words = [line for row in rows.to_dict("records") for line in compare.usual_words(row, of.lang)]
    if not words or not rows.iloc[0]["n"]:
        return ""
    length = text.seconds(of.session.get("duration_seconds", math.nan), of.lang)
    scaled = of.t(
        f"总数都按本场时长（{length}）折算。", f" Totals are for this session's length ({length})."
    )
    return words[0] + scaled + _before(of, rows.iloc[0])


def _before(of: Setting, row: pd.Series) -> str:
    """Which session the last one is, and the festival that it fell into."""
    if of.last is None:
        return ""
    day = f"{row['previous_at']:%m-%d}"
    festival = text.plain(row["previous_festival"], 30) if row["previous_festival"] else ""
    return of.t(
        f"上一场是 {day}{f'（{festival}）' if festival else ''}。",
        f" The last session was on {day}{f' ({festival})' if festival else ''}.",
    )
