"""Why lines were refunded: the tree of reasons, their shares, and what they say to whom."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from helpers import findings, reference, stats, text

FEWEST_FOR_PARETO = 30


def reason_of(text: object, tree: Mapping[str, reference.ReasonGroup]) -> tuple[str, str]:
    """The (group, reason) of a text: that whose longest word occurs in it; ("other", "unknown") where none does."""
    written = str(text).lower() if isinstance(text, str) else ""
    hits = [
        (len(word), group, name) for group, branch in tree.items() for name, reason in branch.reasons.items()
        for word in reason.words if word.lower() in written
    ]
    # The longest word decides; among equals the first of the tree, so that the answer never depends on chance.
    return max(hits, key=lambda hit: hit[0])[1:] if hits else ("other", "unknown")


def shares(lines: pd.DataFrame, *, tree: Mapping[str, reference.ReasonGroup], group: bool = False) -> pd.DataFrame:
    """Why lines were refunded: one row per reason (or per group of reasons), most frequent first.

    Columns: reason, zh, en, role (who can do something about it; none for a group), count (refunded lines), share with
    ci_lower and ci_upper (Wilson, of refunded lines), cumulative, amount, n (refunded lines in all), enough (whether
    there are the 30 refunds that a Pareto needs).
    """
    back = lines[lines["refunded"]]
    found = [reason_of(text, tree) for text in back["reason"]]
    keyed = back.assign(reason=[pair[0] if group else pair[1] for pair in found], group=[pair[0] for pair in found])
    made = keyed.groupby("reason", as_index=False, sort=True).agg(
        group=("group", "first"), count=("line_id", "size"), amount=("refunded_amount", "sum")
    ).sort_values(["count", "reason"], ascending=[False, True], ignore_index=True)
    entries = [tree[row.group] if group else tree[row.group].reasons[row.reason] for row in made.itertuples()]
    lower, upper = stats.wilson(made["count"], len(back))
    return made.drop(columns="group").assign(
        zh=[entry.zh for entry in entries], en=[entry.en for entry in entries],
        role=[getattr(entry, "role", "") for entry in entries], share=made["count"] / max(len(back), 1),
        ci_lower=lower, ci_upper=upper, cumulative=made["count"].cumsum() / max(len(back), 1), n=len(back),
        enough=len(back) >= FEWEST_FOR_PARETO,
    )


def reason_findings(why: pd.DataFrame, *, notebook: str) -> list[dict[str, object]]:
    """A finding on the most frequent refund reason, where there are the thirty refunds that it takes."""
    if why.empty or not why["enough"].iloc[0]:
        return []
    top = why.iloc[0]
    share, bounds = text.percent(top["share"]), text.interval(top["ci_lower"], top["ci_upper"], "percent", "zh")
    return [findings.make(
        notebook=notebook, dimension="aftersales", metric="refund_reason", slice=top["reason"], value=top["share"], ci_lower=top["ci_lower"],
        ci_upper=top["ci_upper"], verdict="not_comparable",
        sentence_zh=f"退款原因最多的是「{top['zh']}」：{top['n']} 单退款中占 {share}（区间 {bounds}）。",
        sentence_en=f"The most frequent refund reason is “{top['en'].lower()}”: {share} of {top['n']} refunded orders ({bounds}).",
    )]
