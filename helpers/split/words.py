"""What the split says: tables as they are read, sentences and findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.split.drill import path_sentence
from helpers.split.formula import AMOUNT, possible
from helpers.split.margins import Diagnosis
from helpers.split.slices import reversal, stands_out

NOTEBOOK = "04_split"

STATES = {"both": (None, None), "new": ("新上", "new"), "gone": ("本场没上", "not this time")}
STEP_WORDS = {
    "labels": {
        "label": ("步骤", "Step"),
        "was": ("基准场", "Base session"),
        "now": ("本场", "This session"),
        "ratio": ("为基准场的倍数", "Times the base session"),
        "contribution": ("对支付金额的影响", "Effect on paid amount"),
        "share": ("占总变化", "Share of the change"),
        "lower": ("平常的影响", "Ordinary effect"),
        "chance": ("影响的抽样区间", "Effect, sampling interval"),
        "pairs": ("平常两场之间也差这么多", "Ordinary pairs that differ as much"),
        "unusual": ("超出平常", "Unusual"),
    },
    "units": {"contribution": "+money", "share": "percent", "lower": "money", "ratio": "ratio"},
}
STEP_COLUMNS = [
    "label",
    "contribution",
    "lower",
    "upper",
    "unusual",
    "was",
    "now",
]  # the others back them up
MIX_WORDS = {
    "labels": {
        "state": ("状态", "State"),
        "share_before": ("基准场占比", "Share, base session"),
        "share_after": ("本场占比", "Share, this session"),
        "rate_before": ("基准场比率", "Rate, base session"),
        "rate_after": ("本场比率", "Rate, this session"),
        "mix_effect": ("结构影响（百分点）", "Mix effect (percentage points)"),
        "rate_effect": ("转化影响（百分点）", "Own-rate effect (percentage points)"),
    },
    "units": {
        **dict.fromkeys(("share_before", "share_after", "rate_before", "rate_after"), "percent"),
        "mix_effect": "+points",
        "rate_effect": "+points",
    },
}
LINE_NAMES = {
    "created": ("下单金额（含未支付）", "Order amount (unpaid included)"),
    "paid": ("支付金额", "Paid amount"),
    "net": ("退后金额（截至数据时点）", "Net of refunds, as of the data"),
}
LINE_WORDS = {
    "labels": {
        "line": ("金额口径", "Money line"),
        "label": ("步骤", "Step"),
        "contribution": ("影响", "Effect"),
        "shapley": ("用 Shapley 法复核", "Checked by Shapley"),
        "share": ("占总变化", "Share of the change"),
    },
    "units": {"contribution": "+money", "shapley": "+money", "share": "percent"},
}
TREE_WORDS = {
    "labels": {
        "label": ("拆到哪里", "Down to"),
        "amount": ("比基准场多或少", "Against the base session"),
        "share": ("占总变化", "Share of the change"),
        "evidence": ("本项或其下有一项异常", "It or a part of it is unusual"),
    },
    "units": {"amount": "+money", "share": "percent"},
}
SUM_WORDS = {
    "labels": {
        **MIX_WORDS["labels"],
        "of": ("比率", "Rate"),
        "dimension": ("维度", "Dimension"),
        "n": ("可比场次", "Comparable sessions"),
        "reversal": ("整体与各部分方向相反", "Whole goes against its parts"),
    },
    "units": {
        "mix_effect": "+points",
        "rate_effect": "+points",
        "n": "count",
        "rate_before": "percent",
        "rate_after": "percent",
    },
}
DIMENSION_COLUMNS = [
    "dimension_zh",
    "dimension_en",
    "label_zh",
    "label_en",
    "share_before",
    "share_after",
    "rate_before",
    "rate_after",
    "mix_effect",
    "rate_effect",
]
SLICE_COLUMNS = [
    "label_zh",
    "label_en",
    "state_zh",
    "state_en",
    "contribution",
    "step_zh",
    "step_en",
    "step_contribution",
]
SLICE_WORDS = {
    "labels": {
        "label": ("名称", "Name"),
        "state": ("状态", "State"),
        "contribution": ("支付金额比基准场", "Paid amount against the base session"),
        "step": ("主要经由", "Mostly through"),
        "step_contribution": ("其中这一步", "Of it, this step"),
    },
    "units": {"contribution": "+money", "step_contribution": "+money"},
}
STANDING_COLUMNS = [
    "slice",
    "metric",
    "value",
    "baseline",
    "lower",
    "upper",
    "others_rate",
    "n",
    "p_adjusted",
    "verdict",
]
STANDING_WORDS = {
    "labels": {
        "slice": ("来源或商品", "Source or product"),
        "value": ("本场", "This session"),
        "baseline": ("平时", "Usual"),
        "lower": ("正常范围", "Normal range"),
        "others_rate": ("本场其他来源或商品", "The others today"),
        "n": ("场数", "Sessions"),
        "p_adjusted": ("校正后 p", "Adjusted p"),
    },
    "units": {"others_rate": "percent"},
}


class Basis(Protocol):
    """What the baseline rests on, as `compare.basis` says it."""

    n: int
    strength: str
    zh: str
    en: str


def ground(
    before: pd.Series, after: pd.Series, columns: Sequence[str], basis: Basis, currency: str = "CNY"
) -> tuple[str, str]:
    """What the split compares, as one sentence in each language; `basis` is that of `compare.basis`."""
    if not possible(before, after, columns):
        return (
            "没有可比场次，或支付金额未知，无法拆分。",
            "No comparable session, or no paid amount: nothing can be split.",
        )
    few = basis.strength != "strong"
    amounts = {
        lang: [text.money(side[columns[-1]], lang, currency) for side in (before, after)]
        for lang in ("zh", "en")
    }
    return (
        (
            f"基准场由{basis.zh}的 {basis.n} 场折算{'（场次偏少）' if few else ''}：支付金额 "
            f"{amounts['zh'][0]}，本场 {amounts['zh'][1]}。"
        ),
        (
            f"The base session comes from {basis.n} sessions ({basis.en}{'; few' if few else ''}): "
            f"paid amount {amounts['en'][0]}, this session {amounts['en'][1]}."
        ),
    )


def step_table(steps: pd.DataFrame, lang: str, currency: str = "CNY") -> pd.DataFrame:
    """The steps as they are read, each value in its own unit, one row per step.

    Columns label, was, now, ratio, contribution, share, lower, upper, unusual; chance, what
    sampling alone leaves open, where `sampling` was added, and pairs, where `pairs_beyond` was.
    """
    return pd.DataFrame(
        {
            "label": steps[f"label_{lang}"],
            **{
                name: [
                    text.value(value, unit, lang, currency=currency)
                    for value, unit in zip(steps[side], steps["unit"], strict=True)
                ]
                for name, side in (("was", "before"), ("now", "after"))
            },
            "ratio": steps["ratio"],
            "contribution": steps["contribution"],
            "share": steps["share"],
            "lower": steps["usual_lower"],
            "upper": steps["usual_upper"],
            "unusual": steps["unusual"],
            **(
                {
                    "chance": [
                        text.interval(*edges, "money", lang, currency=currency)
                        if np.isfinite(edges[0])
                        else "—"
                        for edges in zip(
                            steps["sampling_lower"], steps["sampling_upper"], strict=True
                        )
                    ]
                }
                if "sampling_lower" in steps
                else {}
            ),
            **(
                {
                    "pairs": [
                        f"{beyond:.0f} / {pairs:.0f}" if pairs else "—"
                        for beyond, pairs in zip(steps["beyond"], steps["pairs"], strict=True)
                    ]
                }
                if "pairs" in steps
                else {}
            ),
        }
    )


def named_lines(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `lines` with the names of its lines: line_zh, line_en."""
    return table.assign(
        line_zh=[LINE_NAMES[line][0] for line in table["line"]],
        line_en=[LINE_NAMES[line][1] for line in table["line"]],
    )


def reversals(table: pd.DataFrame) -> tuple[str, str]:
    """Which dimensions of `named_dimensions` show a whole that went against its parts, in words."""
    against = table[table["reversal"].astype(bool)].drop_duplicates("dimension")
    if against.empty:
        return (
            "各维度上，整体与各部分方向一致。",
            "On every dimension the whole moved with its parts.",
        )
    said = {"zh": [], "en": []}
    for _, part in table[table["dimension"].isin(against["dimension"])].groupby(
        "dimension", sort=False
    ):
        mix, own = (
            {lang: text.signed(part[name].sum(), "points", lang) for lang in said}
            for name in ("mix_effect", "rate_effect")
        )
        said["zh"].append(
            f"{part['dimension_zh'].iloc[0]}（结构 {mix['zh']}，各部分自身 {own['zh']} 个百分点）"
        )
        said["en"].append(
            f"{part['dimension_en'].iloc[0]} (mix {mix['en']}, the parts themselves {own['en']} "
            "percentage points)"
        )
    return (
        f"{'、'.join(said['zh'])}：总数与各部分方向相反，只看总数会看错。",
        f"{', '.join(said['en'])}: the total and its parts disagree; the total alone misleads.",
    )


def named_states(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its state in words where it is worth saying (new, gone): state_zh, state_en."""
    return table.assign(
        state_zh=[STATES[state][0] for state in table["state"]],
        state_en=[STATES[state][1] for state in table["state"]],
    )


def named_slices(
    totals: pd.DataFrame, slice: str, names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """`slice_totals` in words: label_zh, label_en, state_zh, state_en, step_zh, step_en beside its columns."""
    columns = {**reference.tables()["products"].columns, **reference.tables()["sessions"].columns}
    steps = {name: (column.zh, column.en) for name, column in columns.items()} | {
        "new": ("新上", "new"),
        "gone": ("本场没上", "not this time"),
    }
    label = totals[slice].map(lambda value: (names or {}).get(value, value))
    said = [
        [
            " → ".join(steps[end][place] for end in (start, step) if end)
            for start, step in zip(totals["previous"], totals["step"], strict=True)
        ]
        for place in (0, 1)
    ]
    return named_states(totals).assign(
        label_zh=label, label_en=label, step_zh=said[0], step_en=said[1]
    )


def largest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest effects first, whichever way they went."""
    size = (
        table["contribution"].abs()
        if "contribution" in table
        else table["mix_effect"].abs() + table["rate_effect"].abs()
    )
    return table.loc[size.sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def whole_products(products: pd.DataFrame) -> pd.DataFrame:
    """The product rows without the SKU rows that repeat them."""
    return products[products["sku_id"].isna()]


def product_names(products: pd.DataFrame) -> dict[str, str]:
    """The last name known of each product, by id."""
    named = products.dropna(subset=["name"]).drop_duplicates("product_id", keep="last")
    return dict(zip(named["product_id"], named["name"], strict=True))


def mix_sentence(table: pd.DataFrame, zh: str, en: str) -> tuple[str, str]:
    """The two-way split of a rate as one sentence in each language, with a warning where aggregate and parts disagree."""
    mix, own = float(table["mix_effect"].sum()), float(table["rate_effect"].sum())
    total, parts = mix + own, {}
    for lang in ("zh", "en"):
        parts[lang] = [text.signed(value, "points", lang) for value in (total, mix, own)]
    warn = (
        (
            "总数与各部分方向相反：只看总数会看错。",
            " The total and its parts disagree: the total alone misleads.",
        )
        if reversal(table)
        else ("", "")
    )
    return (
        (
            f"{zh}共变化 {parts['zh'][0]} 个百分点，其中结构 {parts['zh'][1]}，自身 "
            f"{parts['zh'][2]}。"
            f"{warn[0]}"
        ),
        (
            f"{en[:1].upper()}{en[1:]} changed by {parts['en'][0]} percentage points: mix "
            f"{parts['en'][1]}, own rates {parts['en'][2]}.{warn[1]}"
        ),
    )


def standings(
    rows: Mapping[str, pd.DataFrame],
    tests: Sequence[tuple[str, str, str, str]],
    session_id: str,
    chosen: Iterable[str],
    *,
    names: Mapping[str, str],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """`stands_out` for several rates at once, in one table: one row per rate x source or product of this session.

    `tests` are (slice column, weight, value, metric), `rows` the frame of each slice column.
    Columns: dimension (the slice column), key, slice (its name), metric, weight_column,
    value_column, and those of `stands_out`, whose rate is here called value and whose expected rate
    baseline.
    """
    wanted, parts = list(chosen), []
    for slice, weight, value, metric in tests:
        found = stands_out(
            rows[slice], session_id, wanted, slice, weight, value, thresholds=thresholds
        )
        found = found.rename(
            columns={slice: "key", "value": "events", "rate": "value", "expected": "baseline"}
        )
        named = found["key"].map(
            lambda key, slice=slice: names.get(key, key) if slice == "product_id" else key
        )
        parts.append(
            found.assign(
                dimension=slice,
                slice=named.astype("str"),
                metric=metric,
                weight_column=weight,
                value_column=value,
            )
        )
    first = ["dimension", "key", "slice", "metric", "weight_column", "value_column"]
    made = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return made[[*first, *(name for name in made.columns if name not in first)]]


def step_findings(
    steps: pd.DataFrame, *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> list[dict[str, object]]:
    """One finding per step of the formula: what it added to, or took from, the amount, and whether that is unusual.

    The verdict is better or worse only where the contribution leaves the range usual between
    comparable sessions.
    """
    made = []
    for row in steps.itertuples():
        known = row.unusual and np.isfinite(row.usual_lower)
        verdict = ("better" if row.contribution > 0 else "worse") if known else "cannot_tell"
        verdict = verdict if np.isfinite(row.usual_lower) else "not_comparable"
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
        usual_zh = (
            f"，{outside[0]}场次间平常的影响 {zh['usual']}" if np.isfinite(row.usual_lower) else ""
        )
        usual_en = (
            f", {outside[1]} what is usual between sessions ({en['usual']})"
            if np.isfinite(row.usual_lower)
            else ""
        )
        made.append(
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
                    f"{row.label_en} went from {en['was']} to {en['now']} and moved the "
                    "paid "
                    f"amount by {en['money']}{usual_en}."
                ),
            )
        )
    return made


def standing_findings(
    standing: pd.DataFrame,
    rows: Mapping[str, pd.DataFrame],
    *,
    registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> list[dict[str, object]]:
    """One finding per source or product of `standings` that did better or worse than beside the others it usually does.

    The money at stake is the gap times the people who came to the step times what one event of that
    slice brought today; `rows` are this session's rows by slice column.
    """
    made = []
    for row in standing[standing["verdict"].isin(["better", "worse"])].to_dict("records"):
        entry, name = registry[row["metric"]], text.plain(row["slice"], 40)
        worth = worth_of(rows[row["dimension"]], row["dimension"], row["value_column"]).get(
            row["key"], np.nan
        )
        stake = row["gap"] * row["weight"] * worth if row["verdict"] == "worse" else np.nan
        value, expected = (text.percent(row[key]) for key in ("value", "baseline"))
        bounds = text.interval(row["lower"], row["upper"], "percent", "zh")
        told = ("好", "better") if row["verdict"] == "better" else ("差", "worse")
        lost = (
            ("", "")
            if not np.isfinite(stake)
            else (
                f"；按它平时的相对水平，今天约少 {text.money(stake, 'zh', currency)}",
                (
                    f", about {text.money(stake, 'en', currency)} less than its usual standing "
                    "would "
                    "have brought today"
                ),
            )
        )
        made.append(
            findings.make(
                notebook=NOTEBOOK,
                dimension=entry.group,
                metric=row["metric"],
                slice=name if name == row["key"] else f"{name} ({row['key']})",
                verdict=row["verdict"],
                value=row["value"],
                baseline=row["baseline"],
                ci_lower=row["lower"],
                ci_upper=row["upper"],
                p_adjusted=row["p_adjusted"],
                money_at_stake=stake,
                sentence_zh=(
                    f"「{name}」的{entry.zh}为 {value}，扣除全场涨落后，"
                    f"仍比它平时{told[0]}（平时 {expected}，正常范围 {bounds}，{row['n']} "
                    f"场可比场次）{lost[0]}。"
                ),
                sentence_en=(
                    f"{name}: {entry.en} {value}, relative to the rest of the session "
                    f"{told[1]} than usual (usually {expected}, normal range {bounds}, "
                    f"{row['n']} comparable sessions){lost[1]}."
                ),
            )
        )
    return made


DIAGNOSED = "room_conversion"  # the metric of the finding that sums up the split


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
    """The split's findings: the diagnosis, one row per step of the formula and per source or product off its usual standing."""
    return findings.frame(
        [
            diagnosis_finding(diagnosis),
            *step_findings(steps, registry=registry, currency=currency),
            *standing_findings(standing, rows, registry=registry, currency=currency),
        ]
    )


def worth_of(rows: pd.DataFrame, slice: str, value: str) -> dict[str, float]:
    """What one event of each slice brought: paid amount per `value`, by slice; where a slice has none, that of all."""
    sums = rows.groupby(slice)[[value, AMOUNT]].sum()
    whole = sums[AMOUNT].sum() / sums[value].sum() if sums[value].sum() > 0 else np.nan
    return (sums[AMOUNT] / sums[value].where(sums[value] > 0)).fillna(whole).to_dict()


ARGUMENT_WORDS = {"labels": {"question": ("问题", "Question"), "sentence": ("回答", "Answer")}}
QUESTIONS = {
    "change": ("差多少？", "How much?"),
    "step": ("经由哪一步？", "Through which step?"),
    "place": ("落在哪里？", "Where?"),
    "judgement": ("来的人变了，还是卖得不一样？", "Who came, or how it was sold?"),
    "certainty": ("有多确定？", "How sure is that?"),
}


def argument(
    before: pd.Series,
    after: pd.Series,
    columns: Sequence[str],
    steps: pd.DataFrame,
    tree: pd.DataFrame,
    diagnosis: Diagnosis,
    basis: Basis,
    *,
    finer: pd.DataFrame,
    standing: pd.DataFrame,
    sides: pd.DataFrame,
    currency: str = "CNY",
) -> pd.DataFrame:
    """The whole split as questions and answers: how much, through which step, where, who came or how it was sold, how sure.

    One row per answer: part (the keys of `QUESTIONS`), proof (the metric whose finding proves it),
    question_zh, question_en, sentence_zh, sentence_en, and the amounts that change and step name: baseline, value. `steps` has the usual
    effects (`with_usual`) of the steps that the `tree` of `drill` begins with, `finer` is the same
    change in all its steps, `standing` is that of `standings`, `sides` that of `named_dimensions`,
    `basis` that of `compare.basis`.
    """
    start, end = float(before[columns[-1]]), float(after[columns[-1]])
    said, amounts = (
        {"change": ground(before, after, columns, basis, currency)},
        {"change": {"baseline": start, "value": end}},
    )
    if len(steps):
        amounts["step"] = {"value": float(_lead(steps, end - start)["contribution"])}
        said = {
            "change": _change(start, end, currency),
            "step": _main_step(steps, finer, tree, end - start, currency),
            "place": tuple(
                path_sentence(tree, lang, currency) + slots
                for lang, slots in zip(("zh", "en"), _worst_slots(sides), strict=True)
            ),
        }
    proofs = {"change": columns[-1], "judgement": DIAGNOSED}
    if len(steps):
        proofs["step"] = _lead(steps, end - start)["factor"]
    said |= {
        "judgement": _judgement(steps, diagnosis),
        "certainty": _certainty(steps, standing, basis),
    }
    rows = [
        (part, proofs.get(part, ""), *QUESTIONS[part], zh, en) for part, (zh, en) in said.items()
    ]
    made = pd.DataFrame(
        rows, columns=["part", "proof", "question_zh", "question_en", "sentence_zh", "sentence_en"]
    )
    return made.join(
        pd.DataFrame(
            [amounts.get(part, {}) for part in made["part"]],
            columns=["baseline", "value"],
            dtype="float64",
        )
    )


def _change(before: float, after: float, currency: str) -> tuple[str, str]:
    zh, en = (
        [text.money(abs(value), lang, currency) for value in (before, after, after - before)]
        for lang in ("zh", "en")
    )
    share = f"（{text.signed(after / before - 1, 'percent', 'zh')}）" if before > 0 else ""
    up = after >= before
    return (
        (
            f"同样时长下，支付金额从基准场的 {zh[0]} {'升' if up else '降'}到 {zh[1]}，"
            f"{'多' if up else '少'}了 {zh[2]}{share}。"
        ),
        (
            f"At equal length the paid amount went from {en[0]} in the base session to {en[1]}: "
            f"{'up' if up else 'down'} {en[2]}{share.replace('（', ' (').replace('）', ')')}."
        ),
    )


def _lead(steps: pd.DataFrame, change: float) -> pd.Series:
    """The step with the largest effect in the direction of the change."""
    return steps.loc[(steps["contribution"] * np.sign(change)).idxmax()]


def _parts(lead: pd.Series, finer: pd.DataFrame, lang: str, currency: str) -> str:
    """The finer steps that a step takes together, with what each did; nothing where it is one of them itself."""
    ends = finer["numerator"].tolist()
    rows = finer.iloc[
        ends.index(lead["denominator"]) + 1 if lead["denominator"] in ends else 0 : ends.index(
            lead["numerator"]
        )
        + 1
    ]
    said = [
        f"{name} {text.signed(value, 'money', lang, currency=currency)}"
        for name, value in zip(rows[f"label_{lang}"], rows["contribution"], strict=True)
    ]
    return (
        text.choose(lang, "，其中", ", of which ") + text.choose(lang, "、", " and ").join(said)
        if len(said) > 1
        else ""
    )


def _main_step(
    steps: pd.DataFrame, finer: pd.DataFrame, tree: pd.DataFrame, change: float, currency: str
) -> tuple[str, str]:
    """The step that moved the amount most the way it went and its parts; the largest one that contains an unusual source or product."""
    lead = _lead(steps, change)
    unusual = steps[steps["unusual"]]
    moved = [
        text.signed(lead["contribution"], "money", lang, currency=currency) for lang in ("zh", "en")
    ]
    parts = [_parts(lead, finer, lang, currency) for lang in ("zh", "en")]
    known = np.isfinite(lead["usual_lower"])
    way = ("拉高", "up") if change >= 0 else ("拉低", "down")
    zh = f"{way[0]}最多的一步是{lead['label_zh']}（{moved[0]}{parts[0]}）。"
    en = f"The step that pulled it {way[1]} most is {lead['label_en']} ({moved[1]}{parts[1]})."
    hidden = _hidden(steps, tree, currency)
    if len(unusual):
        return (
            zh + f"整体超出平常的步骤：{'、'.join(unusual['label_zh'])}。" + hidden[0],
            en
            + f" Steps that as a whole are beyond the usual: {', '.join(unusual['label_en'])}."
            + hidden[1],
        )
    if hidden[0] and _goes_down(steps, tree)["label_zh"] == lead["label_zh"]:
        return (
            zh + "它这么大的变化在可比场次之间平常就有，但里面有来源或商品反常，就从这一步查。",
            en
            + (
                " A change of that size is ordinary between comparable sessions, but a source "
                "or product in it is out of the ordinary: look into it."
            ),
        )
    aside = (
        "它这么大的变化在可比场次之间平常就有，先放下。",
        " A change of that size is ordinary between comparable sessions, so it is set aside.",
    )
    return (
        (
            zh + aside[0] + (hidden[0] or "其余各步也都在平常的起伏之内。"),
            en + aside[1] + (hidden[1] or " So are the other steps."),
        )
        if known
        else (zh, en)
    )


def _goes_down(steps: pd.DataFrame, tree: pd.DataFrame) -> pd.Series | None:
    """The first step at which the tree goes down although it is ordinary as a whole; None where there is none."""
    top = tree[(tree["depth"] == 1) & tree["node"].isin(tree["parent"])]
    top = top[~top["label_zh"].isin(steps.loc[steps["unusual"], "label_zh"])]
    return None if top.empty else top.iloc[0]


def _hidden(steps: pd.DataFrame, tree: pd.DataFrame, currency: str) -> tuple[str, str]:
    """The step at which the tree goes down although it is ordinary as a whole: a source or product in it is not; else nothing."""
    row = _goes_down(steps, tree)
    if row is None:
        return "", ""
    moved = [text.signed(row["amount"], "money", lang, currency=currency) for lang in ("zh", "en")]
    return (
        f"按大小往下，第一个有来源或商品反常的是{row['label_zh']}（{moved[0]}），从这一步查。",
        (
            " Next in size, the first with a source or product out of the ordinary is "
            f"{row['label_en']} ({moved[1]}): look into that one."
        ),
    )


def _judgement(steps: pd.DataFrame, diagnosis: Diagnosis) -> tuple[str, str]:
    """The diagnosis, beside what the steps of the whole say: a session within the usual may hide a source that is not."""
    if diagnosis.cause == "cannot_tell" or not len(steps) or steps["unusual"].any():
        return diagnosis.zh, diagnosis.en
    return (
        f"整场属平常起伏，但分开看：{diagnosis.zh}",
        (
            "The session as a whole is within its normal range, but part by part: "
            f"{diagnosis.en[:1].lower()}{diagnosis.en[1:]}"
        ),
    )


def _worst_slots(sides: pd.DataFrame) -> tuple[str, str]:
    """The time slots that pulled the rate down most, in words; nothing where no minutes were kept."""
    slots = sides[sides["dimension"] == "slot"]
    moved = (slots["mix_effect"] + slots["rate_effect"]).astype(float)
    worst = slots.loc[moved[moved < 0].nsmallest(2).index]
    if worst.empty:
        return "", ""
    points = {
        lang: [text.signed(moved[at], "points", lang) for at in worst.index]
        for lang in ("zh", "en")
    }
    zh = "、".join(
        f"{name}（{point} 个百分点）"
        for name, point in zip(worst["label_zh"], points["zh"], strict=True)
    )
    en = " and ".join(
        f"{name} ({point} percentage points)"
        for name, point in zip(worst["label_en"], points["en"], strict=True)
    )
    return (
        f"分时段看，订单 ÷ 点击人数被拉低最多的是开播后 {zh}，结构与转化两项合计，只是算账。",
        (
            f" By time, orders ÷ clicking people were pulled down most in {en}, mix and own rate "
            "together: an account only."
        ),
    )


def _certainty(steps: pd.DataFrame, standing: pd.DataFrame, basis: Basis) -> tuple[str, str]:
    """What the answers rest on: the comparable sessions, what left the usual, and that a split is no cause."""
    off = list(
        dict.fromkeys(
            text.plain(name, 30) for name in standing.loc[standing["verdict"] == "worse", "slice"]
        )
    )
    firm = bool(steps["unusual"].any()) if len(steps) else False
    zh = f"依据是{basis.zh}的 {basis.n} 场可比场次" if basis.n else "没有可比场次"
    en = (
        f"This rests on {basis.n} comparable sessions ({basis.en})"
        if basis.n
        else "There is no comparable session"
    )
    few = basis.n and basis.strength != "strong"
    zh, en = zh + ("（偏少）" if few else "") + "。", en + (", which is few" if few else "") + "."
    if off:
        zh += f"{'、'.join(f'「{name}」' for name in off)}比平时差，超出了正常范围，这是证据。"
        en += f" {', '.join(off)} did worse than usual, outside the normal range: that is evidence."
    zh += (
        "整场的变化也超出了平常的起伏，也是证据。"
        if firm
        else "整场各步的变化在平常起伏之内，只是算账。"
    )
    en += (
        " The steps of the whole left the normal range, which is evidence too."
        if firm
        else " The steps of the whole stayed within the normal range: an account only."
    )
    return (
        zh + "拆分只说变化经由哪里，不说原因。",
        en + " A split says where a change came through, not why.",
    )


def lines_agree(table: pd.DataFrame, currency: str = "CNY") -> tuple[str, str]:
    """Whether the money lines of `lines` moved the same way, in words."""
    sums = table.groupby("line", sort=False)["contribution"].sum()
    zh, en = (
        [
            f"{LINE_NAMES[line][place]} {text.signed(value, 'money', lang, currency=currency)}"
            for line, value in sums.items()
        ]
        for place, lang in enumerate(("zh", "en"))
    )
    same = sums.gt(0).all() or sums.lt(0).all()
    why = (
        (
            "；较早的场次退款时间更长，退后金额要等满龄再比",
            "; older sessions have had longer to be refunded: compare net when this one is as old",
        )
        if "net" in sums and not same
        else ("", "")
    )
    return (
        f"{'一样，方向一致' if same else '不一样，方向不一致'}：{'，'.join(zh)}{why[0]}。",
        f"{'Yes, all the same way' if same else 'No, not the same way'}: {', '.join(en)}{why[1]}.",
    )
