"""What stands beside a finding: its cause, what can be won back, what else happened."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from helpers import compare, reference
from helpers.compare import stakes
from helpers.core import findings, text
from helpers.plan import parts, rule_words

MOST_CAUSES = 2
SOLD_OUT = "stock_out_minutes"


def borne_out(row: Mapping[str, Any], problems: pd.DataFrame, judged: pd.DataFrame) -> pd.DataFrame:
    """The rows of `causes` that the records support for the problem of a finding (`id`, `slice`).

    A cause that only restates which source or product fell is none; of a single source or product
    it must name that one.
    """
    if not {"problem", "findings"} <= set(problems.columns) or not {
        "problem",
        "verdict",
        "rule",
        "parts",
    } <= set(judged.columns):
        return pd.DataFrame()
    of_finding = problems.loc[
        problems["findings"].fillna("").map(lambda ids: row["id"] in ids.split(",")).astype(bool),
        "problem",
    ]
    part = parts.of_slices([row.get("slice")])
    named = judged["parts"].map(lambda cell: not part or bool(part & parts.ids(cell))).astype(bool)
    supported = judged[
        judged["problem"].isin(of_finding)
        & judged["verdict"].eq("supported")
        & ~judged["rule"].isin(rule_words.STANDING)
        & named
    ]
    return supported.drop_duplicates("rule").head(MOST_CAUSES)


def cause_list(supported: pd.DataFrame, lang: str) -> str:
    """The causes of `borne_out` with what was measured, one behind the other."""
    return text.choose(lang, "、", ", ").join(
        _measured(row, lang) for row in supported.to_dict("records")
    )


def cause_words(supported: pd.DataFrame, lang: str) -> str:
    """The causes of `borne_out` with what was measured, as one sentence; empty without any."""
    if supported.empty:
        return ""
    listed = cause_list(supported, lang)
    return text.choose(lang, f"记录支持的原因：{listed}。", f"Borne out by the records: {listed}.")


def _measured(row: Mapping[str, Any], lang: str) -> str:
    rule = reference.rules().get(row["rule"])
    name = text.plain(row[lang], 60)
    if rule is None or not math.isfinite(row["measured"]):
        return name
    shown = text.value(
        row["measured"], rule.unit, lang, decimals=rule_words.RULE_DECIMALS[rule.unit]
    )
    return (
        text.label(rule.said, lang).format(value=shown)
        if rule.said
        else text.choose(
            lang,
            f"{name}（{text.label(rule, lang)} {shown}）",
            f"{name} ({text.label(rule, lang).lower()} {shown})",
        )
    )


def of_sold_out(row: Mapping[str, Any], judged: pd.DataFrame) -> bool:
    """Whether the product of a finding or plan line was sold out, by the causes judged."""
    if not {"verdict", "rule", "parts"} <= set(judged.columns):
        return False
    gone = judged.loc[judged["rule"].eq(SOLD_OUT) & judged["verdict"].eq("supported"), "parts"]
    sold_out = {key for cell in gone for key in parts.ids(cell)}
    return not parts.of_slices([row.get("slice")]).isdisjoint(sold_out)


def won_back(
    row: Mapping[str, Any], table: pd.DataFrame, registry: Mapping[str, reference.Metric]
) -> pd.Series | None:
    """The line of `opportunity` for the part and step of a finding or plan line, or None.

    Of a metric that spans several steps the foremost: lines are not to be added up.
    """
    if (
        not {"kind", "unit", "metric", "chance", "rank"} <= set(table.columns)
        or not isinstance(row.get("slice"), str)
        or row.get("metric") not in registry
    ):
        return None
    lines = table[
        table["kind"].isin(["source", "product"])
        & table["unit"].eq(findings.slice_key(row["slice"]))
        & table["chance"].gt(0.5)
    ].sort_values("rank")
    exact = lines[lines["metric"].eq(row["metric"])]
    inside = lines[
        pd.Series(
            [_within(line, registry[row["metric"]]) for line in lines.to_dict("records")],
            index=lines.index,
            dtype=bool,
        )
    ]
    candidates = exact if len(exact) else inside
    return candidates.iloc[0] if len(candidates) else None


def _within(line: Mapping[str, Any], metric: reference.Metric) -> bool:
    """Whether the step of a line lies between the columns that a metric divides."""
    steps = [step.column for step in reference.funnels()[stakes.KINDS[line["kind"]].funnel].steps]
    ends = [metric.denominator, line["below"], line["above"], metric.numerator]
    return (
        set(ends) <= set(steps)
        and steps.index(ends[0]) <= steps.index(ends[1])
        and steps.index(ends[2]) <= steps.index(ends[3])
    )


def worth_words(amount: float, lang: str, currency: str) -> str:
    """An amount that can be won back, by itself."""
    shown = text.money(amount, lang, currency, 0)
    return text.choose(lang, f"补得回约 {shown}", f"about {shown} can be won back")


def won_back_words(
    row: Mapping[str, Any],
    sized: pd.DataFrame,
    judged: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str,
) -> str:
    """How much of a gap can be won back, and at which step; empty where not known.

    `sized` is `opportunity`, without the minutes in which a product was sold out (by the causes
    `judged`).
    """
    line = won_back(row, sized, registry)
    if line is None or not line["money"] > 0:
        return ""
    amount = text.money(line["money"], lang, currency, 0)
    label = line[f"label_{lang}"]
    step = (
        ""
        if line["metric"] == row["metric"]
        else text.choose(lang, f"（在「{label}」这一步）", f" (at the step {label})")
    )
    if of_sold_out(row, judged):
        return text.choose(
            lang,
            f"断货的时段之外，补得回约 {amount}{step}",
            f"outside the minutes sold out, about {amount} can be won back{step}",
        )
    return text.choose(
        lang, f"其中补得回约 {amount}{step}", f"of it, about {amount} can be won back{step}"
    )


def with_meanwhile(
    checked: pd.DataFrame,
    events: pd.DataFrame,
    sessions: pd.DataFrame,
    session_id: str,
    *,
    calendar: Iterable[reference.Festival],
) -> pd.DataFrame:
    """`verification.verify` with meanwhile_zh and meanwhile_en: what happened since each plan.

    A festival counts with any of its days between the plan's session and this one (`session_id`), a
    logged event (`compare.event_windows`) where it came into force then.
    """
    starts, festivals = sessions.set_index("session_id")["started_at"], tuple(calendar)
    platform = sessions.set_index("session_id").loc[session_id, "platform"]
    names = [
        _meanwhile(starts.get(plan), starts[session_id], platform, events, festivals)
        for plan in checked["session_id"]
    ]
    words = {
        f"meanwhile_{lang}": [text.choose(lang, "、", ", ").join(happened) for happened in names]
        for lang in ("zh", "en")
    }
    return checked.assign(
        **{
            name: pd.Series(lines, index=checked.index, dtype="str")
            for name, lines in words.items()
        }
    )


def _meanwhile(
    begin: pd.Timestamp | None,
    end: pd.Timestamp,
    platform: str,
    events: pd.DataFrame,
    calendar: tuple[reference.Festival, ...],
) -> list[str]:
    """Festivals and logged events from one session to another, by name."""
    if begin is None:
        return []
    days = [
        compare.festival_of(day.date(), platform, calendar)
        for day in pd.date_range(begin.normalize(), end.normalize(), freq="D")
    ]
    logged = events.loc[(events["from"] > begin) & (events["from"] <= end), "what"]
    festivals = [f"{hit[0].festival} {hit[0].year}" for hit in days if hit]
    return list(dict.fromkeys([*festivals, *(text.plain(what, 30) for what in logged)]))


def meanwhile_words(row: Mapping[str, Any], checked: pd.DataFrame, lang: str) -> str:
    """What else happened since the plan of a verified action; empty without."""
    if not {"plan_id", f"meanwhile_{lang}"} <= set(checked.columns):
        return ""
    of_row = checked["plan_id"].eq(row.get("slice"))
    words = next(iter(checked.loc[of_row, f"meanwhile_{lang}"]), "")
    if not words:
        return ""
    return text.choose(
        lang,
        f"同期还有：{words}，变化未必都来自这个办法。",
        f"Meanwhile: {words}; the change need not be this action's alone.",
    )
