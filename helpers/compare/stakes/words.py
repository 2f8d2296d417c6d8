"""The money at stake of products and sources in sentences and findings, Chinese and English."""

from collections.abc import Mapping

import pandas as pd

from helpers.compare.stakes.kinds import leading
from helpers.compare.stakes.rates import OWN_SESSIONS
from helpers.compare.stakes.sizing import LEVEL
from helpers.core import findings, text
from helpers.reference import Metric

NOTEBOOK = "03_compare"
FINDINGS = 5


def of_cells(table: pd.DataFrame, cells: pd.DataFrame, session_id: str) -> tuple[str, str]:
    """What the lines of products by source are held against and show, in one sentence.

    `cells` are the counts of several sessions, `table` is that of `by_kind`.
    """
    rows = table[table["kind"] == "cell"]
    if rows.empty:
        return (
            "观众行为记录里，没有一种商品与来源的组合同时有足够的人和支付金额：不估算。",
            (
                "No pair of product and source in the viewer events has people enough and an "
                "amount paid: nothing is sized."
            ),
        )
    earlier = cells.loc[cells["session_id"] != session_id, "session_id"].nunique()
    own_past, alike = (int(rows["basis"].eq(basis).sum()) for basis in ("own", "alike"))
    low, sure = len(leading(rows, most=len(rows))), int((rows["odd"] >= LEVEL).sum())
    short = (
        (
            f"（要 {OWN_SESSIONS} 场才能与自身以往比）",
            f" ({OWN_SESSIONS} are needed to compare with the past)",
        )
        if earlier < OWN_SESSIONS
        else ("", "")
    )
    due = (
        f"{own_past} 行与自身以往比，{alike} 行按该商品和该来源本场的水平推算",
        (
            f"{own_past} lines are held against their own past, {alike} against what product and "
            "source lead one to expect"
        ),
    )
    certainty = (
        (
            f"其中 {sure} 行基本可以肯定超出平常的起伏",
            f"{sure} of them almost surely beyond ordinary ups and downs",
        )
        if sure
        else (
            "但没有一行能肯定超出平常的起伏，只供参考",
            "none of them surely beyond ordinary ups and downs: to look at, no more",
        )
    )
    return (
        (
            f"此前有观众行为记录的 {earlier} 场{short[0]}：{due[0]}。{low} "
            f"种商品与来源的组合像是比应有的低，{certainty[0]}。"
        ),
        (
            f"Earlier sessions with viewer events: {earlier}{short[1]}; {due[1]}. {low} pairs of "
            f"product and source look lower than due, {certainty[1]}."
        ),
    )


def to_findings(
    table: pd.DataFrame, *, registry: Mapping[str, Metric], currency: str, net: bool
) -> pd.DataFrame:
    """The first lines whose interval leaves zero as findings, at most `FINDINGS`.

    `net`: returns are taken off. They size and do not judge (`not_comparable`): whether a unit fell
    is tested elsewhere. ci_* bound the money. A product of one source is told only where it is as
    good as sure, and neither of the two is at that step.
    """
    sure = leading(table, most=len(table))
    sure = sure[
        (sure["lower"] > 0)
        & sure["metric"].notna()
        & ((sure["kind"] != "cell") | (sure["odd"] >= LEVEL))
    ]
    whole = {
        (row.kind, row.unit, _at(row.above)) for row in sure.itertuples() if row.kind != "cell"
    }
    new = [
        row
        for row in sure.itertuples()
        if row.kind != "cell"
        or whole.isdisjoint(
            {("product", row.product_id, _at(row.above)), ("source", row.source, _at(row.above))}
        )
    ]
    return findings.frame(
        [_finding(row, registry[row.metric], currency, net) for row in new[:FINDINGS]]
    )


def _at(column: str) -> str:
    """The step by a name that products and sources share."""
    return column.removeprefix("product_")


def _slice(row) -> str:
    """What a finding is about, with the id where a cut name would not be unique."""
    if row.kind == "product":
        return f"{text.plain(row.name, 30)} ({row.unit})"
    name = text.plain(row.name, 45)
    return name if name == text.plain(row.name, len(row.name)) else f"{name} ({row.unit})"


def _finding(row, metric: Metric, currency: str, net: bool) -> dict[str, object]:
    return findings.make(
        notebook=NOTEBOOK,
        dimension=metric.group,
        metric=row.metric,
        slice=_slice(row),
        slice_id=f"{row.kind}={row.unit}",
        value=row.rate,
        baseline=row.expected,
        verdict="not_comparable",
        money_at_stake=row.money,
        ci_lower=row.lower,
        ci_upper=row.upper,
        sentence_zh=_sentence(row, metric, "zh", currency, net),
        sentence_en=_sentence(row, metric, "en", currency, net),
    )


def _sentence(row, metric: Metric, lang: str, currency: str, net: bool) -> str:
    name, label = text.plain(row.name, 45), text.label(metric, lang)
    rate, base, due = (
        text.percent(rate, metric.decimals) for rate in (row.rate, row.baseline, row.expected)
    )
    money, level = text.money(row.money, lang, currency), text.percent(LEVEL, 0)
    bounds = text.interval(row.lower, row.upper, "money", lang, currency=currency)
    if lang == "zh":
        whose = (
            f"对照自身以往 {row.sessions} 场合计的"
            if row.basis == "own"
            else "对照按该商品和该来源本场水平推算的"
            if row.kind == "cell"
            else "对照同类平均的"
        )
        moved = f"（按本场整体的变化应有 {due}）" if due != base else ""
        return (
            f"「{name}」{label}约 {rate}，{whose} {base}{moved}；现实中补得回约 "
            f"{money}（{level}区间 {bounds}{'，已扣预计退货' if net else '，未扣退货'}）。"
        )
    whose = (
        f"in its own {row.sessions} earlier sessions together"
        if row.basis == "own"
        else "as product and source lead one to expect"
        if row.kind == "cell"
        else "in the mean of its like"
    )
    moved = f" ({due} as this session went)" if due != base else ""
    return (
        f"“{name}”, {label.lower()}: about {rate} against {base} {whose}{moved}. Realistically "
        f"about {money} could be won back ({level} interval {bounds}, "
        f"{'returns taken off' if net else 'returns not taken off'})."
    )
