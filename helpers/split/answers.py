"""The split in sentences: what is compared, and how much, where, who and how sure."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import pandas as pd

from helpers.core import text
from helpers.split.amount_steps import possible
from helpers.split.change_tree import is_large, path_sentence
from helpers.split.margins import DIAGNOSED, Diagnosis
from helpers.split.slices import reversal
from helpers.split.tables import LINE_NAMES

QUESTIONS = {
    "change": ("差多少？", "How much?"),
    "step": ("经由哪一步？", "Through which step?"),
    "place": ("落在哪里？", "Where?"),
    "judgement": ("来的人变了，还是卖得不一样？", "Who came, or how it was sold?"),
    "certainty": ("有多确定？", "How sure is that?"),
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
    """What the split compares, as one sentence in each language."""
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


def mix_sentence(
    table: pd.DataFrame, zh: str = "成交转化率", en: str = "room conversion"
) -> tuple[str, str]:
    """The two-way split of a rate as a sentence, with a warning where whole and parts disagree."""
    mix, rates = float(table["mix_effect"].sum()), float(table["rate_effect"].sum())
    total, parts = mix + rates, {}
    for lang in ("zh", "en"):
        parts[lang] = [text.signed(value, "points", lang) for value in (total, mix, rates)]
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
            f"{parts['zh'][2]}。{warn[0]}"
        ),
        (
            f"{en[:1].upper()}{en[1:]} changed by {parts['en'][0]} percentage points: mix "
            f"{parts['en'][1]}, own rates {parts['en'][2]}.{warn[1]}"
        ),
    )


def reversals(table: pd.DataFrame) -> tuple[str, str]:
    """Which dimensions of `named_dimensions` show a whole that went against its parts, in words."""
    against = table[table["reversal"].astype(bool)].drop_duplicates("dimension")
    if against.empty:
        return (
            "各维度上，整体与各部分方向一致。",
            "On every dimension the whole moved with its parts.",
        )
    listed = {"zh": [], "en": []}
    for _, part in table[table["dimension"].isin(against["dimension"])].groupby(
        "dimension", sort=False
    ):
        mix, rates = (
            {lang: text.signed(part[name].sum(), "points", lang) for lang in listed}
            for name in ("mix_effect", "rate_effect")
        )
        listed["zh"].append(
            f"{part['dimension_zh'].iloc[0]}（结构 {mix['zh']}，各部分自身 {rates['zh']} 个百分点）"
        )
        listed["en"].append(
            f"{part['dimension_en'].iloc[0]} (mix {mix['en']}, the parts themselves {rates['en']} "
            "percentage points)"
        )
    return (
        f"{'、'.join(listed['zh'])}：总数与各部分方向相反，只看总数会看错。",
        f"{', '.join(listed['en'])}: the total and its parts disagree; the total alone misleads.",
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
    """The whole split as questions and answers.

    One row per answer: part (the keys of `QUESTIONS`), proof (the metric whose finding proves it),
    question_zh, question_en, sentence_zh, sentence_en, and the amounts that change and step name:
    baseline, value. `steps` has the usual effects (`with_usual`) of the steps that the `tree` of
    `drill` begins with, `finer` is the same change in all its steps, `standing` that of
    `standings`, `sides` that of `named_dimensions`.
    """
    start, end = float(before[columns[-1]]), float(after[columns[-1]])
    sentences, amounts = (
        {"change": ground(before, after, columns, basis, currency)},
        {"change": {"baseline": start, "value": end}},
    )
    proofs = {"change": columns[-1], "judgement": DIAGNOSED}
    if len(steps):
        lead = _lead(steps, end - start)
        amounts["step"], proofs["step"] = {"value": float(lead["contribution"])}, lead["factor"]
        sentences = {
            "change": _change(start, end, currency),
            "step": _main_step(steps, finer, tree, end - start, currency),
            "place": tuple(
                path_sentence(tree, lang, currency) + slots
                for lang, slots in zip(("zh", "en"), _worst_slots(sides), strict=True)
            ),
        }
    sentences |= {
        "judgement": _judgement(steps, diagnosis),
        "certainty": _certainty(steps, standing, basis),
    }
    rows = [
        (part, proofs.get(part, ""), *QUESTIONS[part], zh, en)
        for part, (zh, en) in sentences.items()
    ]
    names = ["part", "proof", "question_zh", "question_en", "sentence_zh", "sentence_en"]
    answers = pd.DataFrame(rows, columns=names)
    return answers.join(
        pd.DataFrame(
            [amounts.get(part, {}) for part in answers["part"]],
            columns=["baseline", "value"],
            dtype="float64",
        )
    )


def _change(before: float, after: float, currency: str) -> tuple[str, str]:
    zh, en = (
        [text.money(abs(value), lang, currency) for value in (before, after, after - before)]
        for lang in ("zh", "en")
    )
    share = text.signed(after / before - 1, "percent", "zh") if before > 0 else ""
    up = after >= before
    return (
        (
            f"同样时长下，支付金额从基准场的 {zh[0]} {'升' if up else '降'}到 {zh[1]}，"
            f"{'多' if up else '少'}了 {zh[2]}{f'（{share}）' if share else ''}。"
        ),
        (
            f"At equal length the paid amount went from {en[0]} in the base session to {en[1]}: "
            f"{'up' if up else 'down'} {en[2]}{f' ({share})' if share else ''}."
        ),
    )


def _signed(amount: float, currency: str) -> list[str]:
    return [text.signed(amount, "money", lang, currency=currency) for lang in ("zh", "en")]


def _lead(steps: pd.DataFrame, change: float) -> pd.Series:
    return steps.loc[(steps["contribution"] * np.sign(change)).idxmax()]


def _parts(lead: pd.Series, finer: pd.DataFrame, lang: str, currency: str) -> str:
    ends = finer["numerator"].tolist()
    rows = finer.iloc[
        ends.index(lead["denominator"]) + 1 if lead["denominator"] in ends else 0 : ends.index(
            lead["numerator"]
        )
        + 1
    ]
    effects = [
        f"{name} {text.signed(value, 'money', lang, currency=currency)}"
        for name, value in zip(rows[f"label_{lang}"], rows["contribution"], strict=True)
    ]
    return (
        text.choose(lang, "，其中", ", of which ") + text.choose(lang, "、", " and ").join(effects)
        if len(effects) > 1
        else ""
    )


def _main_step(
    steps: pd.DataFrame, finer: pd.DataFrame, tree: pd.DataFrame, change: float, currency: str
) -> tuple[str, str]:
    lead = _lead(steps, change)
    unusual = steps[steps["unusual"]]
    moved = _signed(lead["contribution"], currency)
    parts = [_parts(lead, finer, lang, currency) for lang in ("zh", "en")]
    has_range = np.isfinite(lead["usual_lower"])
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
    if hidden[0] and _goes_down(steps, tree)["numerator"] == lead["numerator"]:
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
        if has_range
        else (zh, en)
    )


def _goes_down(steps: pd.DataFrame, tree: pd.DataFrame) -> pd.Series | None:
    """The first step that is split though ordinary; the tree's first level has them in order."""
    nodes = tree.loc[(tree["depth"] == 1) & (tree["kind"] == "part"), "node"]
    if nodes.empty:
        return None
    large = steps[is_large(steps["contribution"], tree.loc[tree["depth"] == 0, "amount"].item())]
    ordinary = large[nodes.isin(tree["parent"]).to_numpy() & ~large["unusual"]]
    return None if ordinary.empty else ordinary.iloc[0]


def _hidden(steps: pd.DataFrame, tree: pd.DataFrame, currency: str) -> tuple[str, str]:
    row = _goes_down(steps, tree)
    if row is None:
        return "", ""
    moved = _signed(row["contribution"], currency)
    return (
        f"按大小往下，第一个有来源或商品反常的是{row['label_zh']}（{moved[0]}），从这一步查。",
        (
            " Next in size, the first with a source or product out of the ordinary is "
            f"{row['label_en']} ({moved[1]}): look into that one."
        ),
    )


def _judgement(steps: pd.DataFrame, diagnosis: Diagnosis) -> tuple[str, str]:
    """A session within the usual may hide a source that is not."""
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
    worse = standing[standing["verdict"] == "worse"].drop_duplicates(["dimension", "key"])
    names = worse["slice"].map(lambda name: text.plain(name, 30))
    alike = names.duplicated(keep=False)  # once shortened: their ids tell them apart
    off = names.where(~alike, names + " (" + worse["key"] + ")").tolist()
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
