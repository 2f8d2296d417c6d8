"""The index of a workspace's reviews: a line a session, the trend over them, and the page that shows both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from helpers import clean, reference
from helpers.core import text
from helpers.report import gate, page
from helpers.report.first_screen import SEVERITY, SIGNS, _number, _own, _returns_said, _term, title
from helpers.report.gate import GateError


def write_index(
    reports_dir: Path,
    published: Mapping[str, Mapping[str, Any]],
    *,
    sessions: pd.DataFrame,
    workspace_reference: Path | None,
    lang: str,
    others: Mapping[str, Path] | None = None,
) -> Path:
    """`index.html` of all sessions: one row each, the newest first, with its report where there is one.

    `published` is run.json by session id (with the `index_row` as `summary`; `failed` where a later
    run failed); `sessions` the sessions table; `workspace_reference` the folder that its workspace
    lays over data/reference; `others` where the lists in other languages are, from here.
    """
    links = {other: (folder / "index.html").as_posix() for other, folder in (others or {}).items()}
    lines = index_lines(published, sessions, workspace_reference=workspace_reference, lang=lang)
    moved = trend(sessions, workspace_reference=workspace_reference, lang=lang)
    made = page.index(lines, trend=moved, lang=lang, others=links)
    failures = list(
        gate.page_failures(made, expected_outputs=0, known_ids=set(sessions["room"].dropna()))
    )
    if failures:
        raise GateError("index not written: " + "; ".join(failures))
    with clean.replacing(reports_dir / "index.html") as path:
        path.write_text(made, encoding="utf-8")
    return reports_dir / "index.html"


def index_lines(
    published: Mapping[str, Mapping[str, Any]],
    sessions: pd.DataFrame,
    *,
    workspace_reference: Path | None,
    lang: str,
) -> list[dict[str, Any]]:
    """The index: one line per session of the workspace or the reports folder, the newest first, as words and sort keys."""
    known = sessions.set_index("session_id", drop=False).assign(
        matured=matured(sessions, workspace_reference).to_numpy()
    )
    names = sorted(
        {*known.index, *published}, key=lambda name: _sort_key(known, name), reverse=True
    )
    amounts = (
        known.sort_values("started_at", kind="stable")["paid_amount"].astype("float64").dropna()
    )
    return [
        _index_line(
            name, known.loc[name] if name in known.index else None, published.get(name), lang
        )
        | {"spark": _spark(amounts, name)}
        for name in names
    ]


def matured(sessions: pd.DataFrame, workspace_reference: Path | None) -> pd.Series:
    """The refund rate by orders of each session whose returns are over when its export was made; `nan` for younger ones."""
    if not {"refund_orders", "orders", "as_of"} <= set(sessions.columns):
        return pd.Series(math.nan, index=sessions.index)
    known, started = (pd.to_datetime(sessions[name], utc=True) for name in ("as_of", "started_at"))
    old = known - started >= pd.Timedelta(
        days=max(reference.service(workspace_reference).look_again_days)
    )
    return (
        sessions["refund_orders"].astype("float64") / sessions["orders"].astype("float64")
    ).where(old & sessions["orders"].astype("float64").gt(0))


def _spark(amounts: pd.Series, name: str) -> str:
    """The paid amounts of a session and the nine before it as points of a line 54 by 14, the session itself at the right."""
    if name not in amounts.index:
        return ""
    drawn = amounts.loc[:name].iloc[-RECENT:]
    most = max(drawn.max(), 1e-12)
    return " ".join(
        f"{54 - 6 * place},{round(13 - 12 * max(value, 0) / most, 1):g}"
        for place, value in enumerate(reversed(drawn.tolist()))
    )


def _sort_key(known: pd.DataFrame, name: str) -> tuple[str, str]:
    return (known.loc[name, "started_at"].isoformat() if name in known.index else "", name)


def _index_line(
    name: str, session: pd.Series | None, record: Mapping[str, Any] | None, lang: str
) -> dict[str, Any]:
    record = record or {}
    told = record.get("summary") or {}
    session = pd.Series({"session_id": name}) if session is None else session
    currency = next(
        (code for code in (told.get("currency"), session.get("currency")) if isinstance(code, str)),
        "CNY",
    )
    paid, viewers = (
        _number(session.get(column))
        if _number(session.get(column)) is not None
        else told.get(column)
        for column in ("paid_amount", "viewers")
    )
    value = paid / viewers if paid is not None and viewers else math.nan
    verdict = told.get("verdict", "")
    sign, style = SIGNS.get(verdict, ("", "quiet"))
    failed = record.get("failed") or (record if record.get("status") == "failed" else None)
    started = session.get("started_at")
    returns = told.get("returns") or {
        "rate": _number(session.get("matured", math.nan)),
        "final": True,
    }
    link = f"{name}/review.html" if record.get("status") == "published" else ""
    return {
        "id": name,
        "date": f"{started:%Y-%m-%d %H:%M}" if pd.notna(started) else "",
        "link": link,
        "title": title(session, lang) if "platform" in session else name,
        "room": _own(session.get("room_name")),
        "host": _own(session.get("host")),
        "platform": _term("platform", session.get("platform"), lang),
        "paid": text.money(math.nan if paid is None else paid, lang, currency),
        "paid_key": paid or 0,
        "uv": text.money(value, lang, currency, 2),
        "uv_key": value if math.isfinite(value) else 0,
        "viewers": text.number(math.nan if viewers is None else viewers, lang),
        "viewers_key": viewers or 0,
        "returns": _returns_said(returns),
        "returns_key": returns.get("rate") or 0,
        "verdict": f"{sign} {_term('verdict', verdict, lang)}".strip(),
        "verdict_key": SEVERITY.get(verdict, 9),
        "style": style,
        "failed": text.plain(failed.get("message"), 200) if failed else "",
        "goal": _goals_reached(told.get("goals"), lang),
        "plan": _plan_status(told, lang),
        "plan_key": told.get("plan_open", -1),
        "state": " ".join(
            [verdict] * bool(verdict)
            + ["reviewed"] * bool(link)
            + ["failed"] * bool(failed)
            + ["unreviewed"] * (not link)
        ),
    }


def _goals_reached(goals: list[int] | None, lang: str) -> str:
    reached, of = goals or (0, 0)
    return "" if not of else text.choose(lang, f"目标 {reached}/{of}", f"goals {reached}/{of}")


def _plan_status(told: Mapping[str, Any], lang: str) -> str:
    """How many lines the plan has and how many of them are still open."""
    if "plan_open" not in told:
        return ""
    lines, waiting = told["plan_lines"], told["plan_open"]
    return text.choose(lang, f"{lines} 条，待执行 {waiting}", f"{lines}, {waiting} open")


TREND = {
    "paid_amount": "money",
    "viewers": "users",
    "uv_value": "money",
    "refund_rate_orders": "percent",
}  # of the account, session by session; refunds of matured ones
RECENT = 10  # sessions that are called recent
WIDE, HIGH = 220.0, 44.0  # of the line of a figure, in pixels
SHOWN = 60  # sessions in a line of the trend


def trend(
    sessions: pd.DataFrame, *, workspace_reference: Path | None, lang: str
) -> list[dict[str, Any]]:
    """How the account moves, for the index: of each figure the median of the last ten sessions beside that of the ten before.

    One entry a figure: name, value, change, points (of a line 220 by 44, the newest right, from
    zero) and the words that say the line. A figure with fewer than two sessions, and a currency
    that is not the newest session's, are left out.
    """
    known = sessions.sort_values("started_at", kind="stable")
    if known.empty:
        return []
    currency = known["currency"].iloc[-1] if isinstance(known["currency"].iloc[-1], str) else "CNY"
    known = known[known["currency"].isna() | known["currency"].eq(currency)]
    columns = {
        "paid_amount": known["paid_amount"],
        "viewers": known["viewers"],
        "uv_value": known["paid_amount"] / known["viewers"].where(known["viewers"] > 0),
        "refund_rate_orders": matured(known, workspace_reference),
    }
    registry = reference.registry(workspace_reference)
    return [
        _line(
            text.label(registry[name], lang),
            columns[name].astype("float64").dropna(),
            unit,
            currency,
            lang,
            decimals={"uv_value": 2, "refund_rate_orders": 1}.get(name),
            matured=name == "refund_rate_orders",
        )
        for name, unit in TREND.items()
        if columns[name].notna().sum() > 1
    ]


def _line(
    name: str,
    values: pd.Series,
    unit: str,
    currency: str,
    lang: str,
    *,
    decimals: int | None,
    matured: bool,
) -> dict[str, Any]:
    recent, earlier = values.iloc[-RECENT:], values.iloc[-2 * RECENT : -RECENT]
    middle, other = recent.median(), earlier.median() if len(earlier) == RECENT else math.nan
    drawn = values.iloc[-SHOWN:]
    across, most = WIDE / max(len(drawn) - 1, 1), max(drawn.max(), 1e-12)
    points = [
        (round(place * across, 1), round(HIGH - 2 - (HIGH - 4) * max(value, 0) / most, 1))
        for place, value in enumerate(drawn)
    ]
    change = text.signed(middle / other - 1, "percent", lang, decimals=0) if other else text.NOTHING
    said = text.value(middle, unit, lang, currency=currency, decimals=decimals)
    against = text.choose(lang, f"较此前 {RECENT} 场 {change}", f"{change} on the {RECENT} before")
    return {
        "name": name,
        "value": said,
        "change": against if change != text.NOTHING else "",
        "points": " ".join(f"{x:g},{y:g}" for x, y in points),
        "last": points[-1],
        "about": text.choose(
            lang,
            f"近 {len(recent)} 场{'已过退货期的' if matured else ''}中位数",
            f"median of the last {len(recent)}{' whose returns are over' if matured else ''}",
        ),
        "line": text.choose(
            lang,
            (
                f"{name}：最近 {len(drawn)} 场，从 0 到 "
                f"{text.value(most, unit, lang, currency=currency, decimals=decimals)}"
            ),
            (
                f"{name}: the last {len(drawn)} sessions, from 0 to "
                f"{text.value(most, unit, lang, currency=currency, decimals=decimals)}"
            ),
        ),
    }
