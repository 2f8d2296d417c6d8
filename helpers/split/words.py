"""What the split says: tables as they are read, sentences and findings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import findings, reference, text
from helpers.split.formula import AMOUNT, possible
from helpers.split.slices import reversal, stands_out

NOTEBOOK = "04_split"

STATES = {"both": ("前后都有", "in both"), "new": ("新出现", "new"), "gone": ("消失", "gone")}
STEP_WORDS = {
    "labels": {"label": ("步骤", "Step"), "was": ("基准", "Baseline"), "now": ("本场", "This session"), "ratio": ("本场 ÷ 基准", "÷ baseline"),
               "contribution": ("对支付金额的影响", "Effect on paid amount"), "share": ("占总变化", "Share of the change"),
               "lower": ("平常的影响", "Usual effect"), "chance": ("影响的抽样区间", "Effect, sampling interval"), "unusual": ("超出平常", "Unusual")},
    "units": {"contribution": "money", "share": "percent", "lower": "money", "ratio": "ratio"},
}
MIX_WORDS = {
    "labels": {"state": ("状态", "State"), "share_before": ("基准占比", "Share, baseline"), "share_after": ("本场占比", "Share, this session"),
               "rate_before": ("基准比率", "Rate, baseline"), "rate_after": ("本场比率", "Rate, this session"),
               "mix_effect": ("结构影响", "Mix effect"), "rate_effect": ("自身影响", "Own-rate effect")},
    "units": {name: "percent" for name in ("share_before", "share_after", "rate_before", "rate_after", "mix_effect", "rate_effect")},
}
LINE_NAMES = {"created": ("下单金额（含未支付）", "Created amount (unpaid inside)"), "paid": ("支付金额", "Paid amount"), "net": ("退后金额（截至数据时点）", "Net of refunds, as of the data")}
LINE_WORDS = {
    "labels": {"line": ("金额口径", "Money line"), "label": ("步骤", "Step"), "contribution": ("影响", "Effect"), "shapley": ("Shapley 复核", "Shapley, for check"), "share": ("占总变化", "Share of the change")},
    "units": {"contribution": "money", "shapley": "money", "share": "percent"},
}
TREE_WORDS = {
    "labels": {"label": ("拆到哪里", "Down to"), "amount": ("金额", "Amount"), "share": ("占总变化", "Share of the change")},
    "units": {"amount": "money", "share": "percent"},
}
DIMENSION_COLUMNS = ["dimension_zh", "dimension_en", "label_zh", "label_en", "share_before", "share_after", "rate_before", "rate_after", "mix_effect", "rate_effect"]
SLICE_COLUMNS = ["label_zh", "label_en", "state_zh", "state_en", "contribution", "step_zh", "step_en", "step_contribution"]
SLICE_WORDS = {
    "labels": {"label": ("名称", "Name"), "state": ("状态", "State"), "contribution": ("支付金额变化", "Change of paid amount"),
               "step": ("主要经由", "Mostly through"), "step_contribution": ("其中这一步", "Of it, this step")},
    "units": {"contribution": "money", "step_contribution": "money"},
}
STANDING_COLUMNS = ["slice", "metric", "value", "baseline", "lower", "upper", "others_rate", "n", "p_adjusted", "verdict"]
STANDING_WORDS = {
    "labels": {"slice": ("来源或商品", "Source or product"), "value": ("本场", "This session"), "baseline": ("一贯水平", "Usual standing"),
               "lower": ("预期范围", "Expected"), "others_rate": ("本场其他部分", "The others today"), "n": ("场数", "Sessions"),
               "p_adjusted": ("校正后 p", "Adjusted p")},
    "units": {"others_rate": "percent"},
}


def ground(before: pd.Series, after: pd.Series, columns: Sequence[str], basis, currency: str = "CNY") -> tuple[str, str]:
    """What the split compares, as one sentence in each language; `basis` is that of `compare.basis`."""
    if not possible(before, after, columns):
        return ("没有可比场次，或支付金额未知，无法拆分。", "No comparable session, or no paid amount: nothing can be split.")
    few = basis.strength != "strong"
    amounts = {lang: [text.money(side[columns[-1]], lang, currency) for side in (before, after)] for lang in ("zh", "en")}
    return (
        f"基准场由{basis.zh}的 {basis.n} 场折算{'（场次偏少）' if few else ''}：支付金额 {amounts['zh'][0]}，本场 {amounts['zh'][1]}。",
        f"The baseline session comes from {basis.n} sessions ({basis.en}{'; few' if few else ''}): paid amount {amounts['en'][0]}, this session {amounts['en'][1]}.")


def step_table(steps: pd.DataFrame, lang: str, currency: str = "CNY") -> pd.DataFrame:
    """The steps as they are read, each value in its own unit: label, was, now, ratio, contribution, share, lower, upper, unusual; chance,
    what sampling alone leaves open, where `sampling` was added."""
    return pd.DataFrame({
        "label": steps[f"label_{lang}"],
        **{name: [text.value(value, unit, lang, currency=currency) for value, unit in zip(steps[side], steps["unit"], strict=True)]
           for name, side in (("was", "before"), ("now", "after"))},
        "ratio": steps["ratio"], "contribution": steps["contribution"], "share": steps["share"], "lower": steps["usual_lower"],
        "upper": steps["usual_upper"], "unusual": steps["unusual"],
        **({"chance": [text.interval(*edges, "money", lang, currency=currency) if np.isfinite(edges[0]) else "—"
                       for edges in zip(steps["sampling_lower"], steps["sampling_upper"], strict=True)]} if "sampling_lower" in steps else {}),
    })


def named_lines(table: pd.DataFrame) -> pd.DataFrame:
    """The table of `lines` with the names of its lines: line_zh, line_en."""
    return table.assign(line_zh=[LINE_NAMES[line][0] for line in table["line"]], line_en=[LINE_NAMES[line][1] for line in table["line"]])


def reversals(table: pd.DataFrame) -> tuple[str, str]:
    """Which dimensions of `named_dimensions` show a whole that went against its parts, in words."""
    against = table[table["reversal"].astype(bool)].drop_duplicates("dimension")
    if against.empty:
        return ("各维度上，整体与各部分方向一致。", "On every dimension the whole moved with its parts.")
    zh, en = ("、".join(against["dimension_zh"]), ", ".join(against["dimension_en"]))
    return (f"{zh}：整体与各部分方向相反，只看总数会得出错的结论。", f"{en}: the whole moved against its parts; the total alone misleads.")


def named_states(table: pd.DataFrame) -> pd.DataFrame:
    """The table with its state in words: state_zh, state_en."""
    return table.assign(state_zh=[STATES[state][0] for state in table["state"]], state_en=[STATES[state][1] for state in table["state"]])


def named_slices(totals: pd.DataFrame, slice: str, names: Mapping[str, str] | None = None) -> pd.DataFrame:
    """`slice_totals` in words: label_zh, label_en, state_zh, state_en, step_zh, step_en beside its columns."""
    columns = {**reference.tables()["products"].columns, **reference.tables()["sessions"].columns}
    steps = {name: (column.zh, column.en) for name, column in columns.items()} | {"new": ("新出现", "new"), "gone": ("消失", "gone")}
    label = totals[slice].map(lambda value: (names or {}).get(value, value))
    said = [
        [" → ".join(steps[end][place] for end in (start, step) if end) for start, step in zip(totals["previous"], totals["step"], strict=True)]
        for place in (0, 1)
    ]
    return named_states(totals).assign(label_zh=label, label_en=label, step_zh=said[0], step_en=said[1])


def largest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with the largest effects first, whichever way they went."""
    size = table["contribution"].abs() if "contribution" in table else table["mix_effect"].abs() + table["rate_effect"].abs()
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
        parts[lang] = [text.signed(value, "percent", lang, decimals=2) for value in (total, mix, own)]
    warn = ("整体与各部分方向相反：只看总数会得出错的结论。", " The whole and its parts moved in opposite ways: the total alone misleads.") if reversal(table) else ("", "")
    return (
        f"{zh}共变化 {parts['zh'][0]}（百分点），其中结构 {parts['zh'][1]}，自身 {parts['zh'][2]}。{warn[0]}",
        f"{en[:1].upper()}{en[1:]} changed by {parts['en'][0]} (points): mix {parts['en'][1]}, own rates {parts['en'][2]}.{warn[1]}")


def standings(
    rows: Mapping[str, pd.DataFrame], tests: Sequence[tuple[str, str, str, str]], session_id: str, chosen: Iterable[str], *,
    names: Mapping[str, str], thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """`stands_out` for several rates at once, in one table: one row per rate x source or product of this session.

    `tests` are (slice column, weight, value, metric), `rows` the frame of each slice column. Columns: dimension (the slice
    column), key, slice (its name), metric, weight_column, value_column, and those of `stands_out`, whose rate is here
    called value and whose expected rate baseline.
    """
    wanted, parts = list(chosen), []
    for slice, weight, value, metric in tests:
        found = stands_out(rows[slice], session_id, wanted, slice, weight, value, thresholds=thresholds)
        found = found.rename(columns={slice: "key", "value": "events", "rate": "value", "expected": "baseline"})
        named = found["key"].map(lambda key, slice=slice: names.get(key, key) if slice == "product_id" else key)
        parts.append(found.assign(dimension=slice, slice=named.astype("str"), metric=metric, weight_column=weight, value_column=value))
    first = ["dimension", "key", "slice", "metric", "weight_column", "value_column"]
    made = pd.concat([part for part in parts if len(part)] or parts[:1], ignore_index=True)
    return made[[*first, *(name for name in made.columns if name not in first)]]


def step_findings(
    steps: pd.DataFrame, *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> list[dict[str, object]]:
    """One finding per step of the formula: what it added to, or took from, the amount, and whether that is unusual.

    The verdict is better or worse only where the contribution leaves the range usual between comparable sessions.
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
                "was": text.value(row.before, unit, lang, currency=currency), "now": text.value(row.after, unit, lang, currency=currency),
                "money": text.signed(row.contribution, "money", lang, currency=currency),
                "usual": text.interval(row.usual_lower, row.usual_upper, "money", lang, currency=currency),
            }
        zh, en = words["zh"], words["en"]
        outside = ("超出", "outside") if row.unusual else ("未超出", "within")
        usual_zh = f"，{outside[0]}场次间平常的影响 {zh['usual']}" if np.isfinite(row.usual_lower) else ""
        usual_en = f", {outside[1]} what is usual between sessions ({en['usual']})" if np.isfinite(row.usual_lower) else ""
        made.append(findings.make(
            notebook=NOTEBOOK, dimension=group, metric=row.factor, slice="formula", verdict=verdict, value=row.after, baseline=row.before,
            money_at_stake=-row.contribution if verdict == "worse" else np.nan,
            sentence_zh=f"{row.label_zh}由 {zh['was']} 到 {zh['now']}，使支付金额 {zh['money']}{usual_zh}。",
            sentence_en=f"{row.label_en} went from {en['was']} to {en['now']} and moved the paid amount by {en['money']}{usual_en}.",
        ))
    return made


def standing_findings(
    standing: pd.DataFrame, rows: Mapping[str, pd.DataFrame], *, registry: Mapping[str, reference.Metric], currency: str = "CNY"
) -> list[dict[str, object]]:
    """One finding per source or product of `standings` that did better or worse than beside the others it usually does.

    The money at stake is the gap times the people who came to the step times what one event of that slice brought today;
    `rows` are this session's rows by slice column.
    """
    made = []
    for row in standing[standing["verdict"].isin(["better", "worse"])].to_dict("records"):
        entry, name = registry[row["metric"]], text.plain(row["slice"], 40)
        worth = worth_of(rows[row["dimension"]], row["dimension"], row["value_column"]).get(row["key"], np.nan)
        stake = row["gap"] * row["weight"] * worth if row["verdict"] == "worse" else np.nan
        value, expected = (text.percent(row[key]) for key in ("value", "baseline"))
        bounds = text.interval(row["lower"], row["upper"], "percent", "zh")
        told = ("好于", "better than") if row["verdict"] == "better" else ("差于", "worse than")
        lost = ("", "") if not np.isfinite(stake) else (
            f"，约合支付金额 {text.money(stake, 'zh', currency)}", f", about {text.money(stake, 'en', currency)} of paid amount")
        made.append(findings.make(
            notebook=NOTEBOOK, dimension=entry.group, metric=row["metric"], slice=name if row["key"] == row["slice"] else f"{name} ({row['key']})",
            verdict=row["verdict"], value=row["value"], baseline=row["baseline"], ci_lower=row["lower"], ci_upper=row["upper"],
            p_adjusted=row["p_adjusted"], money_at_stake=stake,
            sentence_zh=f"「{name}」的{entry.zh}为 {value}，{told[0]}它在同场中一贯的水平 {expected}（预期 {bounds}，{row['n']} 场可比场次）{lost[0]}。",
            sentence_en=f"{name}: {entry.en} {value}, {told[1]} its usual standing within a session, {expected} (expected {bounds}, {row['n']} comparable sessions){lost[1]}.",
        ))
    return made


def to_findings(
    steps: pd.DataFrame, standing: pd.DataFrame, rows: Mapping[str, pd.DataFrame], *, registry: Mapping[str, reference.Metric],
    currency: str = "CNY",
) -> pd.DataFrame:
    """The split's findings: one row per step of the formula and per source or product off its usual standing."""
    return findings.frame([
        *step_findings(steps, registry=registry, currency=currency),
        *standing_findings(standing, rows, registry=registry, currency=currency),
    ])


def worth_of(rows: pd.DataFrame, slice: str, value: str) -> dict[str, float]:
    """What one event of each slice brought: paid amount per `value`, by slice; where a slice has none, that of all."""
    sums = rows.groupby(slice)[[value, AMOUNT]].sum()
    whole = sums[AMOUNT].sum() / sums[value].sum() if sums[value].sum() > 0 else np.nan
    return (sums[AMOUNT] / sums[value].where(sums[value] > 0)).fillna(whole).to_dict()


def argument(
    before: pd.Series, after: pd.Series, columns: Sequence[str], steps: pd.DataFrame, slices: Sequence[tuple[str, str, pd.DataFrame]],
    *, standing: pd.DataFrame | None = None, currency: str = "CNY",
) -> tuple[str, str]:
    """The whole split as one sentence in each language: what moved, by how much, through which step, and where.

    `slices` holds (Chinese noun, English noun, frame with label_zh, label_en, contribution): the split over sources, over
    products; of each the slice that moved most in the direction of the whole is named. `standing` adds which of them did
    worse than beside the others they usually do: that one is evidence, the rest is accounting.
    """
    if steps.empty:
        return ("没有可比场次，或支付金额为零，无法拆分。", "No comparable session, or no sale: nothing to split.")
    before, after = before[columns[-1]], after[columns[-1]]
    change = after - before
    toward = steps["contribution"] * np.sign(change)
    lead = steps.loc[toward.idxmax()]
    surprising = bool(steps["unusual"].any()) if "unusual" in steps else False
    zh = (f"同样时长下，支付金额由 {text.money(before, 'zh', currency)} 到 {text.money(after, 'zh', currency)}，"
          f"{'增加' if change >= 0 else '减少'} {text.money(abs(change), 'zh', currency)}；同方向上影响最大的一步是{lead['label_zh']}（{text.signed(lead['contribution'], 'money', 'zh', currency=currency)}）")
    en = (f"At equal length the paid amount went from {text.money(before, 'en', currency)} to {text.money(after, 'en', currency)}, "
          f"{'up' if change >= 0 else 'down'} {text.money(abs(change), 'en', currency)}; the step that moved it most that way is {lead['label_en']} ({text.signed(lead['contribution'], 'money', 'en', currency=currency)})")
    for noun_zh, noun_en, table in slices:
        if table.empty or not (table["contribution"] * np.sign(change)).max() > 0:
            continue
        top = table.loc[(table["contribution"] * np.sign(change)).idxmax()]
        zh += f"；{noun_zh}上最大的是「{text.plain(top['label_zh'], 30)}」（{text.signed(top['contribution'], 'money', 'zh', currency=currency)}）"
        en += f"; among {noun_en} it is {text.plain(top['label_en'], 30)} ({text.signed(top['contribution'], 'money', 'en', currency=currency)})"
    off = [] if standing is None else list(dict.fromkeys(text.plain(name, 30) for name in standing.loc[standing["verdict"] == "worse", "slice"]))
    if off:
        zh += f"。同场之中，{'、'.join(f'「{name}」' for name in off)}明显差于一贯的位置"
        en += f". Within the session, {', '.join(off)} clearly fell short of the usual standing"
    ends = ("。其中至少一步超出场次间平常的波动。", ". At least one step left what is usual between sessions.") if surprising else (
        "。各步都未超出场次间平常的波动：这是账目，不是证据。", ". No step left what is usual between sessions: an account, not evidence.")
    return zh + ends[0], en + ends[1]
