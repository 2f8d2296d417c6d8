"""The comparison in sentences and findings, Chinese and English."""

import datetime as dt
import functools
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.baseline import Basis
from helpers.compare.days import CHINESE, calendar_gap
from helpers.core import findings, text

NOTEBOOK = "03_compare"
OUTCOMES = {
    "better": ("：变好", "Better"),
    "worse": ("：变差", "Worse"),
    "normal": ("，属正常波动", "Ordinary variation"),
}


def _shown(row, metric: reference.Metric, lang: str, currency: str) -> dict[str, str]:
    options = {
        "decimals": None if metric.unit == "money" else metric.decimals,
        "currency": currency,
    }
    return {
        "value": text.value(row.value, metric.unit, lang, **options),
        "baseline": text.value(row.baseline, metric.unit, lang, **options),
        "range": text.interval(row.lower, row.upper, metric.unit, lang, **options),
        "change": text.percent(abs(row.ratio - 1), 0) if np.isfinite(row.ratio) else text.NOTHING,
    }


def basis_sentence(ground: Basis) -> tuple[str, str]:
    """What the comparison rests on, in one sentence."""
    if not ground.n:
        return (
            "没有可比场次：只列出本场数值，不比较。",
            "No comparable session: values are shown, nothing is compared.",
        )
    zh = {
        "strong": "场次够，区间可用。",
        "weak": "场次偏少或不完全同类，结论偏弱。",
        "none": "不足三场，只列差异，不下结论。",
    }[ground.strength]
    en = {
        "strong": "Enough for an interval.",
        "weak": "Few, or not quite alike: a weak basis.",
        "none": "Fewer than three: differences only, no verdict.",
    }[ground.strength]
    return (
        f"“平时”指{ground.zh}的 {ground.n} 场可比场次合计。{zh}",
        f"“Usual” is the total of {ground.n} comparable sessions ({ground.en}). {en}",
    )


def calendar_notes(started_at: pd.Timestamp, platform: str) -> list[tuple[str, str]]:
    """Which make-up days the calendar lacks for this session's year and the one before.

    Only Chinese platforms follow those that the State Council announces each November.
    """
    years = [
        year
        for year in (started_at.year - 1, started_at.year)
        if platform in CHINESE and calendar_gap(dt.date(year, 7, 1))
    ]
    return [
        (
            (
                f"{year} 年的调休安排不在假日库里：工作日与休息日只按周末和法定节假日区分，"
                "补班的周末会算作休息日；大促与农历春节的日期不受影响。"
            ),
            f"The make-up days of {year} are not in the holiday library: working days are told by "
            "weekends and statutory holidays alone, and a weekend that is worked counts as rest. "
            "Festivals and the lunar Spring Festival are not affected.",
        )
        for year in years
    ]


def _says_nothing(row) -> bool:
    return row.verdict == "cannot_tell" and row.lower > 0 and row.upper / row.lower > text.WIDEST


def _torn(row) -> bool:
    """Whether the value lies on one side of comparable ones and beyond its range on the other."""
    return bool(row.unusual) and (row.value >= row.baseline) != (row.value >= row.upper)


def sentence(row, words: dict[str, str], ground: Basis, lang: str) -> str:
    """A verdict in words; `words` are the row's values as shown."""
    choose = functools.partial(text.choose, lang)
    head = choose(f"{row.label_zh} {words['value']}", f"{row.label_en}: {words['value']}")
    if not row.n:
        rest = choose("；没有可比场次，不下结论。", "; no comparable session, so no verdict.")
        return head + rest
    side = ("高", "above") if row.value >= row.baseline else ("低", "below")
    head = choose(
        f"{head}，平时 {words['baseline']}（{ground.zh}的 {row.n} 场可比场次），{side[0]} "
        f"{words['change']}",
        f"{head}; usually {words['baseline']} ({row.n} comparable sessions, {ground.en}), this one "
        f"is {words['change']} {side[1]}",
    )
    if row.verdict == "not_comparable":
        return head + choose("；场次太少，不下结论。", ". Too few sessions for a verdict.")
    if _says_nothing(row):
        return head + choose(
            "；历史波动太大，正常范围说明不了什么，无法判断。",
            ". The history varies too much for a normal range to say anything.",
        )
    if _torn(row):
        beyond = ("高", "above") if row.value >= row.upper else ("低", "below")
        return head + choose(
            f"；却{beyond[0]}于按近期走势预期的 {words['range']}，两者不一致，无法判断。",
            f", yet {beyond[1]} the {words['range']} that the recent course leads one to expect: "
            "the two disagree, so no verdict.",
        )
    weak = choose("（场次少，区间偏弱）", " (few sessions: a weak interval)") if row.weak else ""
    if row.unusual:
        outside = choose("超出正常范围 {}", "outside the normal range {}")
    elif row.lower <= row.value <= row.upper:
        outside = choose("仍在正常范围 {} 内", "within the normal range {}")
    else:
        outside = choose(
            "略出正常范围 {}，但同时检验多个指标，不足为据",
            "outside the normal range {}, but not by enough among so many tests",
        )
    unsure = (
        ("，高低本身无好坏", "Neither good nor bad by itself")
        if row.unusual
        else ("，无法判断", "Cannot tell")
    )
    verdict = choose(*OUTCOMES.get(row.outcome, unsure))
    outside = outside.format(words["range"])
    return choose(f"{head}，{outside}{weak}{verdict}。", f"{head}, {outside}{weak}. {verdict}.")


def to_findings(
    table: pd.DataFrame,
    ground: Basis,
    *,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> pd.DataFrame:
    """The verdicts as findings, one row per metric tested.

    ci_* bound the value expected. `table` is `verdicts`, with money_at_stake where known: it is
    stated for a metric called worse only.
    """
    rows = []
    for row in table.itertuples():
        metric, stake = registry[row.metric], getattr(row, "money_at_stake", np.nan)
        zh, en = (_shown(row, metric, lang, currency) for lang in ("zh", "en"))
        rows.append(
            findings.make(
                notebook=NOTEBOOK,
                dimension=metric.group,
                metric=row.metric,
                verdict=row.verdict,
                value=row.value,
                baseline=row.baseline,
                ci_lower=row.lower,
                ci_upper=row.upper,
                p_adjusted=row.p_adjusted,
                money_at_stake=stake if row.verdict == "worse" else np.nan,
                sentence_zh=sentence(row, zh, ground, "zh"),
                sentence_en=sentence(row, en, ground, "en"),
            )
        )
    return findings.frame(rows)


def summary(table: pd.DataFrame, ground: Basis) -> tuple[str, str]:
    """How many metrics were tested, and how many are out of range, in one sentence."""
    count = {
        name: int((table["outcome"] == name).sum())
        for name in ("better", "worse", "normal", "cannot_tell", "not_comparable")
    }
    if not len(table) or ground.strength == "none":
        return (
            ("没有可比场次，不比较。", "No comparable session: nothing is compared.")
            if not ground.n
            else (
                f"可比场次只有 {ground.n} 场，只列差异，不下结论。",
                f"Only {ground.n} comparable sessions: differences are shown, no verdicts given.",
            )
        )
    weak = ("（结论偏弱）", " (a weak basis)") if ground.strength == "weak" else ("", "")
    open_zh, open_en = (
        (f"，{count['cannot_tell']} 个无法判断", f", {count['cannot_tell']} cannot be told")
        if count["cannot_tell"]
        else ("", "")
    )
    return (
        (
            f"与平时（{ground.zh}的 {ground.n} 场可比场次）相比{weak[0]}，检验 {len(table)} "
            f"个指标：{count['worse']} 个变差，{count['better']} 个变好，{count['normal']} "
            f"个在正常波动内{open_zh}。"
        ),
        (
            f"Against {ground.n} sessions ({ground.en}){weak[1]}, {len(table)} metrics were "
            f"tested: {count['worse']} worse, {count['better']} better, {count['normal']} within "
            f"normal range{open_en}."
        ),
    )
