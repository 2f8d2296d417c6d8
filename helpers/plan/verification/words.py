"""The verdicts in words and as a table, Chinese and English."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.plan.verification.estimate import MOST_FURTHER
from helpers.split import dimensions

OPTIONAL = ("slice", "controls", "other")  # columns that a table of verdicts may lack
BLANK = ("", text.NOTHING)


def _change(row: pd.Series, about: str, lang: str) -> str:
    """A change with its interval: +12.0% (−3.0% – 29.0%)."""
    value, lower, upper = (row[f"{about}_{end}"] for end in ("effect", "lower", "upper"))
    if not np.isfinite(value):
        return text.NOTHING
    bounds = (
        text.interval(lower, upper, "percent", lang)
        if np.isfinite(lower)
        else text.choose(lang, "无区间", "no interval")
    )
    return text.choose(
        lang,
        f"{text.signed(value, 'percent', lang)}（{bounds}）",
        f"{text.signed(value, 'percent', lang)} ({bounds})",
    )


def status(row: Mapping[str, object]) -> str:
    """How a verified action stands: its verdict, `…_so_far` before its planned sessions."""
    early = f"{row['verdict']}_so_far"
    return (
        early
        if not row.get("final", True) and early in reference.terms()["plan_verdict"]
        else str(row["verdict"])
    )


def for_table(
    checked: pd.DataFrame,
    registry: Mapping[str, reference.Metric],
    *,
    lang: str,
    currency: str = "CNY",
) -> pd.DataFrame:
    """Verdicts to be read: one row per plan row, values in words with their units.

    Columns: action, verify, slice, before, after, expected, effect and effect_lower (the whole
    interval), n_before, n_after, estimator, controls (their own change), other (what the other
    estimator gives), plan_verdict, next (what follows from it).
    """
    rows = []
    for _, row in checked.iterrows():
        metric = registry.get(row["metric"])
        unit, decimals = (metric.unit, metric.decimals) if metric else ("score", 2)
        rows.append(
            {
                "action": row["action"],
                "verify": row["metric"],
                "slice": slice_words(findings.slice_name(row["slice"]), lang)
                if row["slice"]
                else "",
                **{
                    name: text.value(row[name], unit, lang, decimals=decimals, currency=currency)
                    for name in ("before", "after", "expected")
                },
                "effect": text.signed(row["effect"], "percent", lang),
                "effect_lower": text.interval(
                    row["effect_lower"], row["effect_upper"], "percent", lang
                )
                if np.isfinite(row["effect"])
                else text.NOTHING,
                "n_before": row["n_before"],
                "n_after": row["n_after"],
                "estimator": row["estimator"],
                **{name: _change(row, name, lang) for name in ("controls", "other")},
                "plan_verdict": status(row),
                "next": _next(row, lang),
            }
        )
    table = pd.DataFrame(rows)
    # Plans on whole sessions have neither slice nor controls.
    empty = [name for name in OPTIONAL if name in table and table[name].isin(BLANK).all()]
    return table.drop(columns=empty)


def sentence(
    row: pd.Series, registry: Mapping[str, reference.Metric], *, lang: str, currency: str = "CNY"
) -> str:
    """One verdict in words: what was done, what the metric did since, and what that says."""
    outcome = text.label(reference.terms()["plan_verdict"][status(row)], lang)
    metric = registry.get(row["metric"])
    head = text.choose(
        lang,
        f"「{text.plain(row['action'], 40)}」：{outcome}。",
        f"“{text.plain(row['action'], 60)}”: {outcome.lower()}. ",
    )
    if metric is None or not np.isfinite(row["effect"]):
        reason = row[f"reason_{lang}"]
        return head + (
            text.choose(lang, f"{reason}。", f"{reason[:1].upper()}{reason[1:]}.") if reason else ""
        )
    return (
        head
        + _measured(row, metric, lang, currency)
        + _alike(row, lang)
        + _so_far(row, lang)
        + _against(row, lang)
        + _further(row["further_sessions"], lang)
        + _alternate(row, lang)
    )


def slice_words(slice: str, lang: str) -> str:
    """A slice as people call it; a half hour 030-060 by its minutes."""
    if minutes := dimensions.slot_minutes(slice):
        begin, end = minutes
        return text.choose(lang, f"第 {begin}–{end} 分钟", f"minutes {begin}–{end}")
    return text.plain(slice, 30)


def _measured(row: pd.Series, metric: reference.Metric, lang: str, currency: str) -> str:
    about = f"{slice_words(findings.slice_name(row['slice']), lang)} " if row["slice"] else ""
    name = about + text.label(metric, lang)
    show = {
        key: text.value(row[key], metric.unit, lang, decimals=metric.decimals, currency=currency)
        for key in ("before", "after", "expected")
    }
    change, bounds = (
        text.signed(row["effect"], "percent", lang),
        text.interval(row["effect_lower"], row["effect_upper"], "percent", lang),
    )
    from_zh, from_en = (
        ("此前走势和对照", "the course before and the controls")
        if row["estimator"] == "controls"
        else ("此前走势", "the course before")
    )
    return text.choose(
        lang,
        (
            f"{name}：此前 {row['n_before']:.0f} 场 {show['before']}，之后 {row['n_after']:.0f} 场 "
            f"{show['after']}；按{from_zh}，什么都不做预计也有 {show['expected']}，与它相比改善 "
            f"{change}（区间 {bounds}）。"
        ),
        (
            f"{name}: {show['before']} over {row['n_before']:.0f} sessions before, {show['after']} "
            f"over {row['n_after']:.0f} since; by {from_en}, {show['expected']} was to be expected "
            f"without any action, and against that the change is {change}, plus being better "
            f"(interval {bounds})."
        ),
    )


def _alike(row: pd.Series, lang: str) -> str:
    among = row[f"among_{lang}"]
    return "" if not among else text.choose(lang, f"{among}。", f" {among[:1].upper()}{among[1:]}.")


def _so_far(row: pd.Series, lang: str) -> str:
    if row["final"] or row["verdict"] in ("cannot_tell", "not_comparable", "not_done"):
        return ""
    return text.choose(
        lang,
        f"约定看 {row['n_planned']:.0f} 场。",
        f" {row['n_planned']:.0f} sessions were agreed on.",
    )


def _next(row: pd.Series, lang: str) -> str:
    """Nothing becomes the standard before its planned sessions."""
    if row["verdict"] == "effective" and not row["final"]:
        return text.choose(
            lang,
            "照做；看满约定场次仍有效，再写进标准做法",
            "Go on; make it the standard way once it holds over the planned sessions",
        )
    return text.label(reference.terms()["plan_next"][row["verdict"]], lang)


def _against(row: pd.Series, lang: str) -> str:
    controls = row[f"controls_{lang}"]
    if not controls:
        return ""
    if row["estimator"] != "controls":
        beside = (
            ""
            if not np.isfinite(row["other_effect"])
            else text.choose(
                lang,
                f"（与对照比是 {_change(row, 'other', lang)}，仅供参考）",
                f" (against them {_change(row, 'other', lang)}, for information only)",
            )
        )
        return text.choose(
            lang, f"{controls}{beside}。", f" {controls[:1].upper()}{controls[1:]}{beside}."
        )
    outcome = text.label(reference.terms()["plan_verdict"][row["other_verdict"]], lang)
    spill = (
        ""
        if not row["controls_upper"] < 0
        else text.choose(
            lang,
            "对照同期变差了，也可能是被它挤占：这里的改善未必全是净增。",
            (
                " The controls got worse meanwhile, perhaps because it took from them: not all of "
                "this need be a net gain."
            ),
        )
    )
    return text.choose(
        lang,
        (
            f"{controls}，它们同期 {_change(row, 'controls', lang)}；只与自己的过去比是 "
            f"{_change(row, 'other', lang)}，{outcome}。{spill}"
        ),
        (
            f" {controls[:1].upper()}{controls[1:]}; their own change "
            f"{_change(row, 'controls', lang)}. Against its own past alone "
            f"{_change(row, 'other', lang)}: {outcome.lower()}.{spill}"
        ),
    )


def _further(n: float, lang: str) -> str:
    if np.isnan(n):
        return ""
    if np.isinf(n):
        return text.choose(
            lang,
            f"该指标场次间波动太大，再看 {MOST_FURTHER} 场也分不清。",
            f" It varies too much between sessions: {MOST_FURTHER} more would not settle it.",
        )
    return text.choose(lang, f"还需 {n:.0f} 场。", f" {n:.0f} more sessions are needed.")


def _alternate(row: pd.Series, lang: str) -> str:
    if not row["alternate_by"]:
        return ""
    unit_zh, unit_en = {"half_hour": ("半小时", "half-hours"), "product": ("商品", "products")}[
        row["alternate_by"]
    ]
    return text.choose(
        lang,
        (
            f"更快的证法：同一场里按{unit_zh}随机轮换新旧做法，约 {row['n_blocks']:.0f} "
            f"个{unit_zh}、"
            f"{row['block_sessions']:.0f} 场就够。"
        ),
        (
            f" A quicker proof: alternate the old and the new way at random by {unit_en} within "
            f"sessions; about {row['n_blocks']:.0f} {unit_en} in {row['block_sessions']:.0f} "
            "sessions "
            "would do."
        ),
    )


def findings_of(
    checked: pd.DataFrame,
    sentences: Mapping[str, tuple[str, str]],
    plans: pd.DataFrame,
    *,
    notebook: str,
) -> pd.DataFrame:
    """Findings of the verdicts on earlier plans: one row per verdict on what was done.

    effective and effective_but_small are better, harmful is worse, the rest cannot be told.
    `sentences` maps plan_id to its (zh, en) sentence, `plans` gives the dimension.
    """
    finding_verdicts = {
        "effective": "better",
        "effective_but_small": "better",
        "harmful": "worse",
        "not_comparable": "not_comparable",
    }
    dimension = plans.drop_duplicates("plan_id").set_index("plan_id")["dimension"]
    return findings.frame(
        [
            findings.make(
                notebook=notebook,
                dimension=dimension[row.plan_id],
                metric=row.metric,
                slice=row.plan_id,
                value=row.after,
                baseline=row.before,
                verdict=finding_verdicts.get(row.verdict, "cannot_tell"),
                sentence_zh=sentences[row.plan_id][0],
                sentence_en=sentences[row.plan_id][1],
            )
            for row in checked.itertuples()
            if row.verdict != "not_done"
        ]
    )
