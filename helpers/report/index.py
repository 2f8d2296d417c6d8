"""The index of a workspace's reviews: a line a session, the trend over them, and their page."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import clean, reference
from helpers.core import text
from helpers.report import gate, page
from helpers.report.gate import GateError
from helpers.report.heading import plain, title
from helpers.report.signs import SEVERITY, SIGNS, term

# Of the account, session by session; refunds of matured ones.
TREND = ("paid_amount", "viewers", "uv_value", "refund_rate_orders")
RECENT = 10  # sessions that are called recent
WIDE, HIGH = 220.0, 44.0  # of the line of a figure, in pixels
SHOWN = 60  # sessions in a line of the trend


def summary(
    session: pd.Series, results: Mapping[str, pd.DataFrame], *, currency: str
) -> dict[str, Any]:
    """What the index keeps of a published session: plain values, for run.json."""
    verdicts, plan, lights, goals = (
        results.get(name, pd.DataFrame()) for name in ("verdicts", "plan", "quality", "goals")
    )
    verdict = "outcome" if "outcome" in verdicts else "verdict"
    judged = (
        verdicts.drop_duplicates("metric").set_index("metric")[verdict]
        if {"metric", verdict} <= set(verdicts.columns)
        else pd.Series(dtype=str)
    )
    reached = (
        goals.loc[goals["scope"].eq("session"), "reached"].dropna()
        if {"scope", "reached"} <= set(goals.columns)
        else pd.Series(dtype=bool)
    )
    return {
        "paid_amount": _number(session.get("paid_amount")),
        "viewers": _number(session.get("viewers")),
        "currency": currency,
        "verdict": judged.get("paid_amount", "not_comparable"),
        "light": lights.iloc[0]["light"] if "light" in lights and len(lights) else "grey",
        "goals": [int(reached.astype(bool).sum()), len(reached)],
        "returns": _returns(results.get("expected_returns", pd.DataFrame())),
        "plan_lines": len(plan),
        "plan_open": int(plan["status"].eq("open").sum()) if "status" in plan else len(plan),
    }


def _returns(expected: pd.DataFrame) -> dict[str, Any] | None:
    whole = expected[expected["part"] == "all"] if "part" in expected else expected
    if whole.empty or not whole.iloc[0]["n"]:
        return None
    row = whole.iloc[0]
    return {
        "rate": _number(float(row["expected"])),
        "final": bool(row["final"]),
        "age_days": _number(float(row["age_days"])),
    }


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def write_index(
    reports_dir: Path,
    published: Mapping[str, Mapping[str, Any]],
    *,
    sessions: pd.DataFrame,
    workspace_reference: Path | None,
    lang: str,
    others: Mapping[str, Path] | None = None,
) -> Path:
    """`index.html` of all sessions: a row each, the newest first, with its report if it has one.

    `published` is run.json by session id (with `summary`; `failed` where a later run failed);
    `workspace_reference` the folder laid over data/reference; `others` the lists in other
    languages.
    """
    links = {other: (folder / "index.html").as_posix() for other, folder in (others or {}).items()}
    lines = index_lines(published, sessions, workspace_reference=workspace_reference, lang=lang)
    figures = trend(sessions, workspace_reference=workspace_reference, lang=lang)
    content = page.index(lines, trend=figures, lang=lang, others=links)
    rooms = set(sessions["room"].dropna())
    failures = list(gate.page_failures(content, expected_outputs=0, known_ids=rooms))
    if failures:
        raise GateError("index not written: " + "; ".join(failures))
    with clean.replacing(reports_dir / "index.html", lasting=True) as path:
        path.write_text(content, encoding="utf-8")
    return reports_dir / "index.html"


def index_lines(
    published: Mapping[str, Mapping[str, Any]],
    sessions: pd.DataFrame,
    *,
    workspace_reference: Path | None,
    lang: str,
) -> list[dict[str, Any]]:
    """One line per session of the workspace or the reports folder, the newest first.

    A line has its cells' words and the keys to sort them by.
    """
    rows = sessions.set_index("session_id", drop=False).assign(
        matured=matured(sessions, workspace_reference).to_numpy()
    )
    starts = {name: start.isoformat() for name, start in rows["started_at"].items()}
    names = sorted(
        {*rows.index, *published}, key=lambda name: (starts.get(name, ""), name), reverse=True
    )
    by_time = rows.sort_values("started_at", kind="stable")
    amounts = by_time["paid_amount"].astype("float64").dropna()
    lines = []
    for name in names:
        session = rows.loc[name] if name in rows.index else pd.Series({"session_id": name})
        line = _index_line(name, session, published.get(name, {}), lang)
        lines.append(line | {"spark": _spark(amounts, name)})
    return lines


def matured(sessions: pd.DataFrame, workspace_reference: Path | None) -> pd.Series:
    """The refund rate by orders of sessions whose returns were over when exported, else `nan`."""
    if not {"refund_orders", "orders", "as_of"} <= set(sessions.columns):
        return pd.Series(math.nan, index=sessions.index)
    as_of, started = (pd.to_datetime(sessions[name], utc=True) for name in ("as_of", "started_at"))
    window = pd.Timedelta(days=max(reference.service(workspace_reference).look_again_days))
    orders = sessions["orders"].astype("float64")
    rate = sessions["refund_orders"].astype("float64") / orders
    return rate.where((as_of - started >= window) & orders.gt(0))


def _spark(amounts: pd.Series, name: str) -> str:
    """Points of a line 54 by 14: the session at the right, the nine before it."""
    if name not in amounts.index:
        return ""
    drawn = amounts.loc[:name].iloc[-RECENT:]
    most = max(drawn.max(), 1e-12)
    return " ".join(
        f"{54 - 6 * place},{round(13 - 12 * max(value, 0) / most, 1):g}"
        for place, value in enumerate(reversed(drawn.tolist()))
    )


def _index_line(
    name: str, session: pd.Series, record: Mapping[str, Any], lang: str
) -> dict[str, Any]:
    summary = record.get("summary") or {}
    currencies = (summary.get("currency"), session.get("currency"))
    currency = next((code for code in currencies if isinstance(code, str)), "CNY")
    paid, viewers = (
        summary.get(column) if _number(session.get(column)) is None else _number(session[column])
        for column in ("paid_amount", "viewers")
    )
    value = paid / viewers if paid is not None and viewers else math.nan
    verdict = summary.get("verdict", "")
    sign, style = SIGNS.get(verdict, ("", "quiet"))
    failed = record.get("failed") or (record if record.get("status") == "failed" else None)
    started = session.get("started_at")
    matured_rate = {"rate": _number(session.get("matured", math.nan)), "final": True}
    returns = summary.get("returns") or matured_rate
    link = f"{name}/review.html" if record.get("status") == "published" else ""
    return {
        "id": name,
        "date": f"{started:%Y-%m-%d %H:%M}" if pd.notna(started) else "",
        "link": link,
        "title": title(session, lang) if "platform" in session else name,
        "room": plain(session.get("room_name")),
        "host": plain(session.get("host")),
        "platform": term("platform", session.get("platform"), lang),
        "paid": text.money(paid, lang, currency),
        "paid_key": paid or 0,
        "uv": text.money(value, lang, currency, 2),
        "uv_key": value if math.isfinite(value) else 0,
        "viewers": text.number(viewers, lang),
        "viewers_key": viewers or 0,
        "returns": _returns_words(returns),
        "returns_key": returns.get("rate") or 0,
        "verdict": f"{sign} {term('verdict', verdict, lang)}".strip(),
        "verdict_key": SEVERITY.get(verdict, 9),
        "style": style,
        "failed": text.plain(failed.get("message"), 200) if failed else "",
        "goal": _goals_reached(summary.get("goals"), lang),
        "plan": _plan_status(summary, lang),
        "plan_key": summary.get("plan_open", -1),
        "state": " ".join(
            [verdict] * bool(verdict)
            + ["reviewed"] * bool(link)
            + ["failed"] * bool(failed)
            + ["unreviewed"] * (not link)
        ),
    }


def _returns_words(returns: Mapping[str, Any]) -> str:
    if returns.get("rate") is None:
        return text.NOTHING
    rate = text.percent(returns["rate"])
    return rate if returns["final"] else f"≈ {rate}"


def _goals_reached(goals: list[int] | None, lang: str) -> str:
    reached, of = goals or (0, 0)
    return "" if not of else text.choose(lang, f"目标 {reached}/{of}", f"goals {reached}/{of}")


def _plan_status(summary: Mapping[str, Any], lang: str) -> str:
    if "plan_open" not in summary:
        return ""
    lines, waiting = summary["plan_lines"], summary["plan_open"]
    return text.choose(lang, f"{lines} 条，待执行 {waiting}", f"{lines}, {waiting} open")


def trend(
    sessions: pd.DataFrame, *, workspace_reference: Path | None, lang: str
) -> list[dict[str, Any]]:
    """Of each figure of the account, the median of the last ten sessions beside the ten before.

    One entry a figure: name, value, change, points (of a line 220 by 44, the newest right, from
    zero) and the line in words; none under two sessions, or in an older currency.
    """
    rows = sessions.sort_values("started_at", kind="stable")
    if rows.empty:
        return []
    currency = rows["currency"].iloc[-1] if isinstance(rows["currency"].iloc[-1], str) else "CNY"
    rows = rows[rows["currency"].isna() | rows["currency"].eq(currency)]
    columns = {
        "paid_amount": rows["paid_amount"],
        "viewers": rows["viewers"],
        "uv_value": rows["paid_amount"] / rows["viewers"].where(rows["viewers"] > 0),
        "refund_rate_orders": matured(rows, workspace_reference),
    }
    registry = reference.registry(workspace_reference)
    return [
        _line(
            registry[name],
            columns[name].astype("float64").dropna(),
            currency,
            lang,
            decimals=2 if name == "uv_value" else None,
        )
        | {"about": _about(name, columns[name], lang)}
        for name in TREND
        if columns[name].notna().sum() > 1
    ]


def _about(name: str, values: pd.Series, lang: str) -> str:
    recent, over = min(int(values.notna().sum()), RECENT), name == "refund_rate_orders"
    return text.choose(
        lang,
        f"近 {recent} 场{'已过退货期的' if over else ''}中位数",
        f"median of the last {recent}{' whose returns are over' if over else ''}",
    )


def _line(
    metric: reference.Metric, values: pd.Series, currency: str, lang: str, *, decimals: int | None
) -> dict[str, Any]:
    recent, earlier = values.iloc[-RECENT:], values.iloc[-2 * RECENT : -RECENT]
    middle, other = recent.median(), earlier.median() if len(earlier) == RECENT else math.nan
    drawn = values.iloc[-SHOWN:]
    across, most = WIDE / max(len(drawn) - 1, 1), max(drawn.max(), 1e-12)
    points = [
        (round(place * across, 1), round(HIGH - 2 - (HIGH - 4) * max(value, 0) / most, 1))
        for place, value in enumerate(drawn)
    ]
    name = text.label(metric, lang)
    change = text.signed(middle / other - 1, "percent", lang, decimals=0) if other else text.NOTHING
    against = text.choose(lang, f"较此前 {RECENT} 场 {change}", f"{change} on the {RECENT} before")
    value, highest = (
        text.value(amount, metric.unit, lang, currency=currency, decimals=decimals)
        for amount in (middle, most)
    )
    return {
        "name": name,
        "value": value,
        "change": against if change != text.NOTHING else "",
        "points": " ".join(f"{x:g},{y:g}" for x, y in points),
        "last": points[-1],
        "line": text.choose(
            lang,
            f"{name}：最近 {len(drawn)} 场，从 0 到 {highest}",
            f"{name}: the last {len(drawn)} sessions, from 0 to {highest}",
        ),
    }
