"""What the split found, as findings."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.split.amount_steps import AMOUNT
from helpers.split.margins import DIAGNOSED, Diagnosis

NOTEBOOK = "04_split"


def step_findings(
    steps: pd.DataFrame, *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> list[dict[str, object]]:
    """One finding per step of the formula: what it added to, or took from, the amount.

    Better or worse only where the contribution leaves the usual range.
    """
    rows = []
    for row in steps.itertuples():
        comparable = np.isfinite(row.usual_lower)
        verdict = "cannot_tell" if comparable else "not_comparable"
        if comparable and row.unusual:
            verdict = "better" if row.contribution > 0 else "worse"
        unit = registry[row.factor].unit if row.factor in registry else row.unit
        group = registry[row.factor].group if row.factor in registry else "sales"
        words = {}
        for lang in ("zh", "en"):
            words[lang] = {
                "was": text.value(row.before, unit, lang, currency=currency),
                "now": text.value(row.after, unit, lang, currency=currency),
                "money": text.signed(row.contribution, "money", lang, currency=currency),
                "usual": text.interval(
                    row.usual_lower, row.usual_upper, "money", lang, currency=currency
                ),
            }
        zh, en = words["zh"], words["en"]
        outside = ("超出", "outside") if row.unusual else ("未超出", "within")
        usual_zh = f"，{outside[0]}场次间平常的影响 {zh['usual']}" if comparable else ""
        usual_en = (
            f", {outside[1]} what is usual between sessions ({en['usual']})" if comparable else ""
        )
        rows.append(
            findings.make(
                notebook=NOTEBOOK,
                dimension=group,
                metric=row.factor,
                slice="formula",
                verdict=verdict,
                value=row.after,
                baseline=row.before,
                money_at_stake=-row.contribution if verdict == "worse" else np.nan,
                sentence_zh=(
                    f"{row.label_zh}由 {zh['was']} 到 {zh['now']}，使支付金额 "
                    f"{zh['money']}{usual_zh}。"
                ),
                sentence_en=(
                    f"{row.label_en} went from {en['was']} to {en['now']} and moved the paid "
                    f"amount by {en['money']}{usual_en}."
                ),
            )
        )
    return rows


def standing_findings(
    standing: pd.DataFrame,
    rows: Mapping[str, pd.DataFrame],
    *,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> list[dict[str, object]]:
    """One finding per source or product of `standings` that did better or worse than usual.

    At stake is the gap times the people at the step times what one event of that slice brought
    today; `rows` are this session's by slice column.
    """
    found_rows = []
    for row in standing[standing["verdict"].isin(["better", "worse"])].to_dict("records"):
        entry, name = registry[row["metric"]], text.plain(row["slice"], 40)
        worth = worth_of(rows[row["dimension"]], row["dimension"], row["value_column"]).get(
            row["key"], np.nan
        )
        stake = row["gap"] * row["weight"] * worth if row["verdict"] == "worse" else np.nan
        value, expected = (text.percent(row[key]) for key in ("value", "baseline"))
        bounds = text.interval(row["lower"], row["upper"], "percent", "zh")
        way = ("好", "better") if row["verdict"] == "better" else ("差", "worse")
        lost = (
            ("", "")
            if not np.isfinite(stake)
            else (
                f"；按它平时的相对水平，今天约少 {text.money(stake, 'zh', currency)}",
                (
                    f", about {text.money(stake, 'en', currency)} less than its usual standing "
                    "would have brought today"
                ),
            )
        )
        found_rows.append(
            findings.make(
                notebook=NOTEBOOK,
                dimension=entry.group,
                metric=row["metric"],
                slice=row["key"] if row["key"] == row["slice"] else f"{name} ({row['key']})",
                slice_id=f"{row['dimension']}={row['key']}",
                verdict=row["verdict"],
                value=row["value"],
                baseline=row["baseline"],
                ci_lower=row["lower"],
                ci_upper=row["upper"],
                p_adjusted=row["p_adjusted"],
                money_at_stake=stake,
                sentence_zh=(
                    f"「{name}」的{entry.zh}为 {value}，扣除全场涨落后，仍比它平时{way[0]}（平时 "
                    f"{expected}，正常范围 {bounds}，{row['n']} 场可比场次）{lost[0]}。"
                ),
                sentence_en=(
                    f"{name}: {entry.en} {value}, relative to the rest of the session "
                    f"{way[1]} than usual (usually {expected}, normal range {bounds}, "
                    f"{row['n']} comparable sessions){lost[1]}."
                ),
            )
        )
    return found_rows


def diagnosis_finding(diagnosis: Diagnosis) -> dict[str, object]:
    """The answer of `diagnose_session` as one finding about the whole session."""
    return findings.make(
        notebook=NOTEBOOK,
        dimension="conversion",
        metric=DIAGNOSED,
        slice=findings.JUDGEMENT,
        verdict="cannot_tell" if diagnosis.cause == "cannot_tell" else "worse",
        sentence_zh=diagnosis.zh,
        sentence_en=diagnosis.en,
    )


def to_findings(
    steps: pd.DataFrame,
    standing: pd.DataFrame,
    rows: Mapping[str, pd.DataFrame],
    diagnosis: Diagnosis,
    *,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> pd.DataFrame:
    """The split's findings: the diagnosis, the steps, then the slices off their usual standing."""
    return findings.frame(
        [
            diagnosis_finding(diagnosis),
            *step_findings(steps, registry=registry, currency=currency),
            *standing_findings(standing, rows, registry=registry, currency=currency),
        ]
    )


def worth_of(rows: pd.DataFrame, slice: str, value: str) -> dict[str, float]:
    """The amount paid per `value` of each slice; that of all where a slice has none."""
    sums = rows.groupby(slice)[[value, AMOUNT]].sum()
    whole = sums[AMOUNT].sum() / sums[value].sum() if sums[value].sum() > 0 else np.nan
    return (sums[AMOUNT] / sums[value].where(sums[value] > 0)).fillna(whole).to_dict()
