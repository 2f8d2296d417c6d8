"""What matters most and what went well, each with when, where, how much and its proof."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers.core import findings, text
from helpers.plan import won_back
from helpers.report.brief.goals import goal_line, goals, span
from helpers.report.brief.setting import Setting, asking, clock, finding, number, spans_of
from helpers.report.foremost import asked_about, better, foremost
from helpers.report.signs import SIGNS
from helpers.report.statements import Place, Statement


def matters(of: Setting) -> list[dict[str, Any]]:
    """The findings of `foremost` that are not good news."""
    rows = foremost(of.results, of.registry)
    rows = rows[rows["verdict"].ne("better")]
    return [_matter(of, row) for row in rows.to_dict("records")]


def _matter(of: Setting, row: Mapping[str, Any]) -> dict[str, Any]:
    suspected = row["verdict"] == "suspected"
    question = _question(of, row) if suspected else ""
    sign, style = SIGNS["amber" if suspected else row["verdict"]]
    statement = Statement(
        id=f"matter.{row['metric']}.{findings.slice_key(row['slice'])}",
        metric=row["metric"],
        slice=row["slice"],
        yardstick="usual",
        value=number(row["value"]),
        verdict=row["verdict"],
        at=_at(row, "value"),
        stated=_at(row, "certainty" if suspected else "verdict"),
        amount=number(row["amount"]),
        amount_at=_amount_at(of, row),
    )
    return {
        "where": text.plain(findings.slice_name(row["slice"]), 40) or of.t("整场", "Whole session"),
        "words": question or _against(of, row),
        "when": _when(of, row),
        "why": _why(of, row),
        "amount": _amount(of, row),
        "sign": sign,
        "style": style,
        "doubt": of.t("疑似", "suspected") if suspected else "",
        "proof": row["id"] or "p06",
        "statement": statement,
    }


def _at(row: Mapping[str, Any], column: str) -> Place | None:
    if row["verdict"] == "suspected":
        return Place("problems", (("metric", row["metric"]), ("slice", row["slice"])), column)
    if column == "value" and not math.isfinite(number(row["value"])):
        return None
    return Place("findings", (("id", row["id"]),), column)


def _amount_at(of: Setting, row: Mapping[str, Any]) -> Place | None:
    if row["amount_of"] == "gap":
        return Place("findings", (("id", row["id"]),), "money_at_stake")
    if row["amount_of"] == "won_back":
        line = won_back.won_back(row, of.results["opportunity"], of.registry)
        if line is not None:
            key = tuple((name, str(line[name])) for name in ("kind", "unit", "metric"))
            return Place("opportunity", key, "money")
    return None


def _against(of: Setting, row: Mapping[str, Any]) -> str:
    value, baseline = number(row["value"]), number(row["baseline"])
    if not row["metric"] or not (math.isfinite(value) and math.isfinite(baseline)):
        return text.plain(row[f"sentence_{of.lang}"], 160)
    name, shown, usual = (
        of.name(row["metric"]),
        of.value(row["metric"], value),
        of.value(row["metric"], baseline),
    )
    return of.t(
        f"{name}只剩 {shown}，平时 {usual}"
        if value < baseline
        else f"{name}到了 {shown}，平时 {usual}",
        f"{name}: {shown}, usually {usual}",
    )


def _question(of: Setting, row: Mapping[str, Any]) -> str:
    """What viewers asked of a product and how often nobody wrote back; empty without a question."""
    asked = asked_about(of.results["findings"], row["slice"])
    key = str(asked.get("slice", "")).split("|")[0].removeprefix("question=")
    frame = of.results["questions"]
    if not key or not {"question", "product_id", "users"} <= set(frame.columns):
        return ""
    product = findings.slice_key(row["slice"])
    rows = frame[frame["question"].eq(key) & frame["product_id"].eq(product)]
    return asking(of, rows.iloc[0]) if len(rows) else ""


def _when(of: Setting, row: Mapping[str, Any]) -> str:
    spans = spans_of(of, findings.slice_key(row["slice"])) if row["slice"] else []
    if not spans:
        return of.t("整场", "whole session")
    shown = of.t("、", ", ").join(spans[:2])
    return of.t(f"{shown} 讲它时", f"explained {shown}")


def _why(of: Setting, row: Mapping[str, Any]) -> str:
    supported = won_back.borne_out(row, of.results["problems"], of.results["causes"])
    return won_back.cause_list(supported.head(1), of.lang) if row["id"] else ""


def _amount(of: Setting, row: Mapping[str, Any]) -> str:
    if row["amount_of"] == "won_back":
        return won_back.worth_words(row["amount"], of.lang, of.currency)
    if row["amount_of"] == "gap":
        shown = of.money(row["amount"])
        return of.t(f"约少卖 {shown}", f"about {shown} less sold")
    return ""


def strengths(of: Setting) -> list[dict[str, Any]]:
    """What was better than usual, the best stretch, and goals that are reached."""
    return [*_better(of), *_best_stretch(of), *_goals_met(of)]


def _better(of: Setting) -> list[dict[str, Any]]:
    lines = []
    verified = of.results["verification"]
    for row in better(of.results).to_dict("records"):
        done = verified["plan_id"].eq(row["slice"]) if "plan_id" in verified else []
        action = verified[done].iloc[0] if len(done) and done.any() else None
        lines.append(_worked(of, row, action) if action is not None else _went_well(of, row))
    return lines


def _went_well(of: Setting, row: Mapping[str, Any]) -> dict[str, Any]:
    where = text.plain(findings.slice_name(row["slice"]), 40) if row["slice"] else ""
    value, baseline = number(row["value"]), number(row["baseline"])
    if row["metric"] and math.isfinite(value) and math.isfinite(baseline):
        words = of.t(
            f"{of.name(row['metric'])} {of.value(row['metric'], value)}，平时 "
            f"{of.value(row['metric'], baseline)}",
            f"{of.name(row['metric'])}: {of.value(row['metric'], value)}, usually "
            f"{of.value(row['metric'], baseline)}",
        )
    else:
        words = text.plain(row[f"sentence_{of.lang}"], 120)
    return {
        "words": (where + of.t("：", ": ") if where else "") + words,
        "proof": row["id"],
        "statement": Statement(
            id=f"strength.{row['id']}",
            metric=row["metric"],
            slice=row["slice"],
            yardstick="usual",
            value=value,
            verdict="better",
            at=_at(row, "value"),
            stated=_at(row, "verdict"),
        ),
    }


def _worked(of: Setting, row: Mapping[str, Any], action: pd.Series) -> dict[str, Any]:
    """An earlier action that works; not yet sure while it or its metric in this session is open."""
    frame = of.results["verdicts"]
    column = "outcome" if "outcome" in frame else "verdict"
    here = frame.loc[frame["metric"].eq(row["metric"]), column] if "metric" in frame else []
    sure = bool(action["final"]) and "cannot_tell" not in set(here)
    verdict = "better" if sure and action["verdict"] == "effective" else "leaning"
    before, after = (of.value(row["metric"], action[name]) for name in ("before", "after"))
    action_words = text.plain(action["action"], 40)
    verdict_words = text.label(of.words.verdicts[verdict], of.lang)
    tail = (
        ""
        if verdict == "better"
        else of.t(f"（{verdict_words}，先接着做）", f" ({verdict_words}: go on)")
    )
    name, times = of.name(row["metric"]), f"{action['n_after']:.0f}"
    words = of.t(
        f"「{action_words}」做了 {times} 场：{name}从 {before} 到 {after}{tail}",
        f"“{action_words}”, done {times} times: {name.lower()} from {before} to {after}{tail}",
    )
    key = (("plan_id", action["plan_id"]),)
    return {
        "words": words,
        "proof": row["id"],
        "statement": Statement(
            id=f"strength.{row['id']}",
            metric=row["metric"],
            slice="",
            yardstick="since",
            value=float(action["after"]),
            verdict=verdict,
            at=Place("verification", key, "after"),
            stated=Place("verification", key, "verdict"),
        ),
    }


def _best_stretch(of: Setting) -> list[dict[str, Any]]:
    frame = of.results["spans"]
    if not {"standing", "orders_per_1000", "orders", "mark"} <= set(frame.columns):
        return []
    above = frame[frame["standing"].eq("above")].sort_values("orders_per_1000", kind="stable")
    if above.empty:
        return []
    row = above.iloc[-1]
    times = row["orders_per_1000"] / row["session_orders_per_1000"]
    shown, sold = text.number(times, of.lang, 1), of.money(row["paid_amount"])
    span = f"{clock(of.session, row['start_minute'])}–{clock(of.session, row['end_minute'])}"
    name = text.plain(row[f"label_{of.lang}"], 40)
    return [
        {
            "words": of.t(
                f"{span} 讲「{name}」卖得最好：{row['orders']:.0f} 单、{sold}，同样多的人在场，"
                f"出单是全场的 {shown} 倍",
                f"{span} on {name} sold best: {row['orders']:.0f} orders, {sold}; with as many "
                f"people there, {shown} times the orders of the whole session",
            ),
            "proof": finding(of, "orders", "span=highest") or "p02",
            "statement": Statement(
                id="strength.stretch",
                metric="orders_per_1000",
                slice=str(row["mark"]),
                yardstick="session",
                value=float(row["orders_per_1000"]),
                verdict="strong",
                at=Place("spans", (("mark", row["mark"]),), "orders_per_1000"),
                stated=Place("spans", (("mark", row["mark"]),), "standing"),
            ),
        }
    ]


def _goals_met(of: Setting) -> list[dict[str, Any]]:
    frame = of.results["goals"]
    if not {"metric", "target", "scope", "state", "value"} <= set(frame.columns):
        return []
    shown = {line["statement"].id for line in goals(of)}
    lines = []
    for row in frame[frame["state"].isin(["reached", "on_track"])].to_dict("records"):
        if f"goal.{row['scope']}.{row['metric']}" in shown or row["metric"] not in of.registry:
            continue
        value, target = (of.value(row["metric"], row[name]) for name in ("value", "target"))
        goal = goal_line(of, row)
        scope = span(of, row)
        words = of.t(
            f"{scope}：{of.name(row['metric'])} {value}，目标 {target}，{goal['verdict']}",
            f"{scope}: {of.name(row['metric']).lower()} {value}, goal {target}, {goal['verdict']}",
        )
        lines.append(goal | {"words": words})
    return lines
