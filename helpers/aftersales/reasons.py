"""Why lines were refunded: the tree of reasons, their shares, and what they say to whom."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from scipy import stats as special

from helpers import reference
from helpers.aftersales.order_lines import mean_age
from helpers.aftersales.refund_rates import judged, rates_at_age
from helpers.core import findings, stats, text

FEWEST_FOR_PARETO = 30


def reason_of(text: object, tree: Mapping[str, reference.ReasonGroup]) -> tuple[str, str]:
    """The (group, reason) of a text: that whose longest word occurs in it; ("other", "unknown") where none does."""
    written = str(text).lower() if isinstance(text, str) else ""
    hits = [
        (len(word), group, name)
        for group, branch in tree.items()
        for name, reason in branch.reasons.items()
        for word in reason.words
        if word.lower() in written
    ]
    # The longest word decides; among equals the first of the tree, so that the answer never depends
    # on chance.
    return max(hits, key=lambda hit: hit[0])[1:] if hits else ("other", "unknown")


def classified(written: pd.Series, tree: Mapping[str, reference.ReasonGroup]) -> pd.DataFrame:
    """`reason_of` of many texts, each different text once: columns group, reason, on the index of `written`."""
    known = {text: reason_of(text, tree) for text in written.dropna().unique()}
    return pd.DataFrame(
        [known.get(text, ("other", "unknown")) for text in written],
        columns=["group", "reason"],
        index=written.index,
    )


RECENT = pd.Timedelta(days=60)  # of reviews and incidents, which name no session


def complaints(
    lines: pd.DataFrame,
    reviews: pd.DataFrame,
    incidents: pd.DataFrame,
    names: Mapping[str, str],
    *,
    as_of: pd.Timestamp,
) -> pd.DataFrame:
    """What buyers and the public wrote about products: one row each, columns kind (refund, review, incident), product (name), written.

    `lines` are the session's (refunded ones count), `reviews` and `incidents` the account's of the
    60 days before `as_of`; an incident names its product in its words only. `names` gives product
    names by id.
    """
    back = lines[lines["refunded"]] if len(lines) else lines
    lately = {
        kind: rows[(rows["at"] <= as_of) & (rows["at"] > as_of - RECENT)]
        for kind, rows in (("review", reviews), ("incident", incidents))
    }
    parts = [
        pd.DataFrame({"kind": "refund", "product": back["product_name"], "written": back["reason"]})
        if len(back)
        else None,
        pd.DataFrame(
            {
                "kind": "review",
                "product": lately["review"]["product_id"].map(names),
                "written": lately["review"]["reason"],
            }
        ),
        pd.DataFrame({"kind": "incident", "product": "", "written": lately["incident"]["what"]}),
    ]
    return pd.concat([part.astype("str") for part in parts if part is not None], ignore_index=True)


def shares(lines: pd.DataFrame, *, tree: Mapping[str, reference.ReasonGroup]) -> pd.DataFrame:
    """Why lines were refunded: one row per reason, most frequent first.

    Columns: reason, zh, en, role (who can do something about it), count (refunded lines), share
    with ci_lower and ci_upper (Wilson, of refunded lines), cumulative, amount, n (refunded lines in
    all), enough (whether there are the 30 refunds that a Pareto needs).
    """
    back = lines[lines["refunded"]]
    found = classified(back["reason"], tree)
    made = (
        back.assign(reason=found["reason"], group=found["group"])
        .groupby("reason", as_index=False, sort=True)
        .agg(group=("group", "first"), count=("line_id", "size"), amount=("refunded_amount", "sum"))
        .sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
    )
    entries = [tree[row.group].reasons[row.reason] for row in made.itertuples()]
    lower, upper = stats.wilson(made["count"], len(back))
    return made.drop(columns="group").assign(
        zh=[entry.zh for entry in entries],
        en=[entry.en for entry in entries],
        role=[entry.role for entry in entries],
        share=made["count"] / max(len(back), 1),
        ci_lower=lower,
        ci_upper=upper,
        cumulative=made["count"].cumsum() / max(len(back), 1),
        n=len(back),
        enough=len(back) >= FEWEST_FOR_PARETO,
    )


def rises(
    lines: pd.DataFrame,
    history: pd.DataFrame,
    *,
    tree: Mapping[str, reference.ReasonGroup],
    as_of: pd.Timestamp,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """Which reasons came up more (worse) or less (better) than in earlier sessions at the same age: one row per reason of the session.

    Columns: reason, count (lines refunded for it), rate (of all order lines, as a share of refunds
    would fall when another reason rises), baseline, lower, upper (beta-binomial prediction),
    p_value, p_adjusted (Benjamini-Hochberg), verdict, age_days. Empty without refunds or without
    three earlier sessions of that age.
    """
    columns = ["reason", "count", "rate", "baseline", "lower", "upper", "p_value"]
    age = mean_age(lines, as_of)
    own, past = (
        classified(rows["reason"].where(rows["refunded"]), tree)["reason"]
        for rows in (lines, history)
    )
    rows = []
    for reason, count in own[lines["refunded"]].value_counts(sort=False).items():
        then = rates_at_age(
            history.assign(refunded=history["refunded"] & past.eq(reason)),
            age_days=age,
            as_of=as_of,
        )
        if len(then) < 3:
            continue
        guess = stats.beta_binomial_predictive(count, len(lines), then["refunded"], then["n"])
        rows.append(
            [reason, count, count / len(lines), guess.mean, guess.lower, guess.upper, guess.p_value]
        )
    made = pd.DataFrame(rows, columns=columns)
    return judged(made, false_discovery_rate=false_discovery_rate).assign(age_days=age)


def stages_of(lines: pd.DataFrame, rundown: pd.DataFrame) -> pd.Series:
    """The script stage in which each line was paid, on the index of `lines`; missing outside of the script's lines."""
    script = rundown.dropna(subset=["starts_at", "stage"]).sort_values("starts_at")[
        ["starts_at", "ends_at", "stage"]
    ]
    if script.empty or lines.empty:
        return pd.Series(index=lines.index, dtype="str")
    at = lines["paid_at"].sort_values().rename("starts_at")
    found = pd.merge_asof(
        at.to_frame().reset_index(),
        script.assign(began=script["starts_at"]).astype({"starts_at": at.dtype}),
        on="starts_at",
    )
    inside = found["ends_at"].isna() | (found["starts_at"] < found["ends_at"])
    return found["stage"].where(inside).set_axis(found["index"]).reindex(lines.index)


def _stands_out(of_reason: pd.Series, of_all: pd.Series) -> tuple[object, int]:
    """The value that a reason's lines hold more often than all lines do by more than chance, and how often; (None, 0) where none."""
    counts, usual = of_reason.value_counts(), of_all.value_counts(normalize=True)
    chance = pd.Series(
        {
            value: special.binom.sf(count - 1, len(of_reason), usual[value]) * len(usual)
            for value, count in counts.items()
        },
        dtype=float,
    )
    if chance.empty or chance.min() > 0.05:
        return None, 0
    return chance.idxmin(), int(counts[chance.idxmin()])


def behind(
    lines: pd.DataFrame, rundown: pd.DataFrame, *, tree: Mapping[str, reference.ReasonGroup]
) -> pd.DataFrame:
    """The product and the script stage behind each reason: one row per reason of the session.

    Columns: reason, count, product_name, product_count, stage, stage_count. A product or stage is
    named only where it has more of the reason's refunds than its share of all orders leads to
    expect (binomial, corrected for the number of products or stages); else missing and 0. Names
    what goes together, not what causes it.
    """
    found = lines.assign(
        cause=classified(lines["reason"].where(lines["refunded"]), tree)["reason"],
        stage=stages_of(lines, rundown),
    )
    rows = []
    for reason, part in found[found["refunded"]].groupby("cause", sort=True):
        product, of_product = _stands_out(
            part["product_name"].dropna(), found["product_name"].dropna()
        )
        stage, of_stage = _stands_out(part["stage"].dropna(), found["stage"].dropna())
        rows.append([reason, len(part), product, of_product, stage, of_stage])
    return pd.DataFrame(
        rows, columns=["reason", "count", "product_name", "product_count", "stage", "stage_count"]
    )


def _place(row: pd.Series, lang: str) -> str:
    """Where a reason's refunds gather, in words; nothing where no product and no stage stands out."""
    named = []
    if isinstance(row["product_name"], str):
        named.append(
            text.choose(
                lang,
                f"「{text.plain(row['product_name'], 30)}」（{row['product_count']} 单）",
                f"{text.plain(row['product_name'], 30)} ({row['product_count']})",
            )
        )
    if isinstance(row["stage"], str):
        stage = (
            text.label(reference.terms()["stage"][row["stage"]], lang)
            if row["stage"] in reference.terms()["stage"]
            else text.plain(row["stage"], 20)
        )
        named.append(
            text.choose(
                lang,
                f"「{stage}」时下的单（{row['stage_count']} 单）",
                f"orders placed during “{stage.lower()}” ({row['stage_count']})",
            )
        )
    return (
        text.choose(lang, f"，集中在{'、'.join(named)}", f", mostly {' and '.join(named)}")
        if named
        else ""
    )


def _told(row: pd.Series, lang: str, tree: Mapping[str, reference.ReasonGroup]) -> str:
    """One reason in words: to whom, how many, whether more than usual, where, and what is asked."""
    entry = next(
        group.reasons[row["reason"]] for group in tree.values() if row["reason"] in group.reasons
    )
    role, share = (
        text.label(reference.terms()["role"][entry.role], lang),
        text.percent(row["share"]),
    )
    bounds, name = (
        text.interval(row["ci_lower"], row["ci_upper"], "percent", lang),
        text.label(entry, lang),
    )
    rose = ""
    if row["verdict"] in ("worse", "better"):
        usual = text.interval(row["lower"], row["upper"], "percent", lang)
        rose = text.choose(
            lang,
            (
                f"，占订单 {text.percent(row['rate'])}，"
                f"{'多' if row['verdict'] == 'worse' else '少'}"
                f"于以往同龄的 {usual}"
            ),
            (
                f", {text.percent(row['rate'])} of orders, "
                f"{'more' if row['verdict'] == 'worse' else 'less'} than earlier sessions at that "
                "age "
                f"({usual})"
            ),
        )
    asked = text.label(entry.ask, lang) if entry.ask else ""
    head = text.choose(
        lang,
        (
            f"给{role}：退款原因「{name}」{row['count']} 单，占 {row['n']} 单退款的 {share}（区间 "
            f"{bounds}）{rose}{_place(row, lang)}。"
        ),
        (
            f"For {role.lower()}: “{name.lower()}” is the reason of {row['count']} of {row['n']} "
            f"refunds, {share} ({bounds}){rose}{_place(row, lang)}."
        ),
    )
    return head + (text.choose(lang, f"建议：{asked}。", f" To do: {asked}.") if asked else "")


def reason_findings(
    why: pd.DataFrame,
    rose: pd.DataFrame,
    places: pd.DataFrame,
    *,
    tree: Mapping[str, reference.ReasonGroup],
    notebook: str,
) -> list[dict[str, object]]:
    """What the reasons say to whom: a finding on each reason that rose and, where there are thirty refunds, on the three most frequent.

    Sentences name the role of the reason (reasons.yml) and what it is asked to do. `why` is
    `shares`, `rose` `rises`, `places` `behind`. Verdicts are left to the refund rate: a reason is
    no rate of its own.
    """
    if why.empty:
        return []
    full = why.merge(
        rose[["reason", "rate", "lower", "upper", "verdict"]], on="reason", how="left"
    ).merge(places.drop(columns="count"), on="reason", how="left")
    told = full["verdict"].eq("worse") | (full["enough"] & (full.index < 3))
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="refund_reason",
            slice=row["reason"],
            value=row["share"],
            ci_lower=row["ci_lower"],
            ci_upper=row["ci_upper"],
            verdict="not_comparable",
            sentence_zh=_told(row, "zh", tree),
            sentence_en=_told(row, "en", tree),
        )
        for _, row in full[told].iterrows()
    ]
