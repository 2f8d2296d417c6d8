"""Plan lines as they are read on the page: who, what, and by what the action will be verified."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import findings, text
from helpers.plan import plan_file, won_back


def term_names(codes: str, group: str, lang: str) -> str:
    """Comma-separated codes of a group of terms.yml by name; unknown ones are left out."""
    terms = reference.terms()[group]
    names = (text.label(terms[code], lang) for code in codes.split(",") if code in terms)
    return text.choose(lang, "、", ", ").join(names)


def role_name(role: str, lang: str) -> str:
    """A role by name; what is no role stands as it is."""
    return term_names(role, "role", lang) or role


def verified_by(
    row: Mapping[str, object], metric: reference.Metric, lang: str, currency: str
) -> str:
    """What will tell whether an action worked: which metric of what, from which level, how long."""
    slice, name = row.get("slice"), compare.label(metric, lang)
    part = text.plain(findings.slice_name(slice), 30) if isinstance(slice, str) and slice else ""
    about = text.choose(lang, f"「{part}」的{name}", f"{part}: {name}") if part else name
    baseline, sessions = (float(row.get(end, np.nan)) for end in ("baseline", "sessions"))
    terms = []
    if np.isfinite(baseline):
        decimals = metric.decimals if metric.unit != "money" else None
        usual = text.value(baseline, metric.unit, lang, decimals=decimals, currency=currency)
        terms.append(text.choose(lang, f"平时 {usual}", f"usually {usual}"))
    if np.isfinite(sessions):
        zh, en = f"看之后 {sessions:.0f} 场", f"over the next {sessions:.0f} sessions"
        terms.append(text.choose(lang, zh, en))
    if not terms:
        return about
    return about + text.choose(lang, f"（{'，'.join(terms)}）", f" ({', '.join(terms)})")


def plan_table(
    lines: pd.DataFrame,
    judged: pd.DataFrame,
    sized: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str,
) -> pd.DataFrame:
    """The plan as the page shows it, one row per line.

    Columns action, cause, owner_role, due_session (the next comparable one where none is named),
    verified_by (with the least useful effect), expected_worth, agreed (what must not get worse,
    when it is known, when to stop), money_at_stake, won_back (of lines with money, by `judged`
    causes and `sized`, the `opportunity`; left out where nothing is known), plan_id.
    """
    proofs, amounts = [], []
    for row in lines.to_dict("records"):
        proof, amount = _not_apart(row, lines, lang), ""
        if row["metric"] in registry:
            metric = registry[row["metric"]]
            proof = verified_by(row, metric, lang, currency) + _least_effect(row, lang) + proof
        if np.isfinite(row["money_at_stake"]):
            amount = won_back.won_back_words(
                row, sized, judged, registry=registry, lang=lang, currency=currency
            )
        proofs.append(proof)
        amounts.append(amount)
    due = lines["due_session"].replace("", text.choose(lang, *plan_file.NEXT))
    table = lines.assign(
        due_session=due,
        agreed=pd.Series([_agreed(row, lang) for row in lines.to_dict("records")], dtype="str"),
        verified_by=pd.Series(proofs, index=lines.index, dtype="str"),
        won_back=pd.Series(amounts, index=lines.index, dtype="str"),
    )
    columns = ["action", "cause", "owner_role", "due_session", "verified_by"]
    columns += ["expected_worth", "agreed", "money_at_stake"]
    return table[[*columns, *["won_back"] * any(amounts), "plan_id"]]


def _agreed(row: Mapping[str, Any], lang: str) -> str:
    """What was settled beforehand of a line, in one cell."""
    guard, know_by, stop = (row.get(name) or "" for name in ("guardrail", "known_by", "stop_rule"))
    clauses = [
        guard and text.choose(lang, f"不能变差：{guard}", f"must not get worse: {guard}"),
        know_by and text.choose(lang, f"看 {know_by}", f"known after {know_by}"),
        stop,
    ]
    return text.choose(lang, "；", "; ").join(filter(None, clauses))


def _least_effect(row: Mapping[str, Any], lang: str) -> str:
    if not np.isfinite(row["least_effect"]):
        return ""
    least = text.percent(row["least_effect"], 0)
    return text.choose(lang, f"；至少改善 {least}", f"; at least {least} better")


def _not_apart(row: Mapping[str, Any], lines: pd.DataFrame, lang: str) -> str:
    same = (
        lines["metric"].eq(row["metric"])
        & lines["slice"].fillna("").eq(row["slice"] or "")
        & lines["status"].eq("open")
        & lines["plan_id"].ne(row["plan_id"])
    )
    others = ", ".join(lines.loc[same, "plan_id"])
    if not others or row["status"] != "open" or not row["metric"]:
        return ""
    return text.choose(
        lang,
        f"；与 {others} 同一个指标，一起做事后分不清是哪条起的作用",
        f"; same metric as {others}: done together, they cannot be told apart afterwards",
    )
