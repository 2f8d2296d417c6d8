"""What an action is worth by its own mechanism, what it must not harm, when it is known, its end.

A sold-out product is worth the minutes without it times what it sells in others, a wasted hour of
ads the spend that could go elsewhere, a source that fell the people who did not come.
"""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from helpers import compare, reference
from helpers.core import text
from helpers.plan import own_past
from helpers.plan.facts import Facts
from helpers.plan.measures import out_spans

Worth = Callable[[Facts, reference.Evidence], float]
STOP_AFTER = 2  # sessions in a row in which the guardrail is worse
GUARD_LIMIT = 0.1  # by how much it may fall
RECENT = 8  # sessions by which the rhythm of an account is told


def sold_out(facts: Facts, evidence: reference.Evidence) -> float:
    """Minutes without a product times what it sold a minute while there was stock."""
    goods = facts.table("products")
    length = facts.hours * 60
    if goods is None or "paid_amount" not in goods or not length > 0:
        return np.nan
    paid = goods.groupby("product_id")["paid_amount"].sum(min_count=1)
    out = out_spans(facts).groupby("product_id")["minutes"].sum().clip(upper=length)
    stocked = (length - out).where(length - out > 0)
    worth = (out * out.index.map(paid) / stocked).dropna()
    return float(worth.sum()) if len(worth) else np.nan


def wasted_spend(facts: Facts, evidence: reference.Evidence) -> float:
    """The spend less what it would take to bring its orders at the price of the other parts."""
    parts = own_past.wasted(facts, evidence).head(1)
    if parts.empty:
        return np.nan
    everything = own_past.spend_parts(facts, parts["by"].iloc[0])
    rest = everything[everything["part"].ne(parts["part"].iloc[0])]
    price = rest["cost"].sum() / rest["orders"].sum() if rest["orders"].sum() > 0 else 0.0
    return float(max(parts["cost"].iloc[0] - parts["orders"].iloc[0] * price, 0.0))


def _of_session(facts: Facts, name: str) -> float:
    value = facts.session.get(name)
    return float(value) if pd.notna(value) else np.nan


def missing_people(facts: Facts, evidence: reference.Evidence) -> float:
    """The people who did not come, times what a viewer of this session paid."""
    gone = own_past.fallen(facts, evidence)
    paid, viewers = (_of_session(facts, name) for name in ("paid_amount", "viewers"))
    if gone.empty or not viewers > 0:
        return np.nan
    return float((gone["usual"] - gone["viewers"]).sum() * paid / viewers)


def cut_off(facts: Facts, evidence: reference.Evidence) -> float:
    """Minutes of interruption times what the session paid in a minute on air."""
    spans = own_past.interruptions(facts, evidence.kind)
    lost = min(float(spans["minutes"].sum()), facts.hours * 60)
    on_air, paid = facts.hours * 60 - lost, _of_session(facts, "paid_amount")
    return lost * paid / on_air if lost > 0 and on_air > 0 else np.nan


BY_RULE: dict[str, tuple[Worth, tuple[str, str]]] = {  # with the mechanism in words
    "stock_out_minutes": (
        sold_out,
        ("断货分钟 × 有货时每分钟的支付", "minutes sold out × what it pays a minute in stock"),
    ),
    "ads_waste": (
        wasted_spend,
        (
            "这份消耗减去按其余均价买到同样订单的钱",
            "this spend less its orders at the others' price",
        ),
    ),
    "source_fall": (
        missing_people,
        ("少来的人 × 本场每位观众的支付", "people who did not come × paid a viewer"),
    ),
    "event_count": (
        cut_off,
        ("中断分钟 × 在播时每分钟的支付", "minutes off air × paid a minute on air"),
    ),
}


def of_mechanism(evidence: reference.Evidence, facts: Facts) -> float:
    """The worth of ending a cause by its own mechanism; `nan` where the records do not say."""
    worth = BY_RULE.get(evidence.rule)
    return worth[0](facts, evidence) if worth else np.nan


def rhythm(earlier: pd.DataFrame) -> float:
    """Days between two sessions of late; `nan` where there are fewer than three."""
    starts = earlier.get("started_at", pd.Series(dtype="object")).dropna().sort_values()
    gaps = pd.Series(pd.to_datetime(starts)).diff().dt.total_seconds().dropna() / 86400
    return float(gaps.tail(RECENT).median()) if len(gaps) >= 2 else np.nan


def expected(
    cause: Mapping[str, object],
    line: Mapping[str, object],
    entry: reference.Problem,
    session: pd.Series,
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str,
) -> str:
    """What the action is expected to bring a session, with the mechanism it is reckoned by.

    Of one source or product that is the money it is behind, never a share of the whole session.
    """
    rule, money = str(cause["rule"]), cause.get("worth", np.nan)
    if rule in BY_RULE and isinstance(money, float) and money > 0:
        how = text.choose(lang, *BY_RULE[rule][1])
        amount = text.money(money, lang, currency, 0)
        return text.choose(lang, f"每场约 {amount}（{how}）", f"about {amount} a session ({how})")
    behind = line.get("money_at_stake", np.nan)
    if pd.notna(behind) and line.get("slice"):
        amount = text.money(float(behind), lang, currency, 0)
        zh = f"每场最多约 {amount}（它比平时少的钱）"
        return text.choose(lang, zh, f"up to about {amount} a session (what it is behind)")
    share = text.percent(entry.least_effect, 0)
    base = session.get(entry.gain, np.nan)
    if pd.isna(base) or line.get("slice"):
        metric = text.label(registry[str(line["metric"])], lang)
        return text.choose(lang, f"{metric}改善 {share}", f"{metric} better by {share}")
    names = reference.tables()["sessions"].columns[entry.gain]
    amount, whole = (
        text.value(part, names.kind, lang, decimals=0, currency=currency)
        for part in (float(base) * entry.least_effect, float(base))
    )
    if names.kind == "users":
        amount = text.choose(lang, f"{amount} 人", f"{amount} people")
    return text.choose(
        lang,
        f"每场约 {amount}（{share} × 本场{names.zh} {whole}）",
        f"about {amount} a session ({share} of {names.en.lower()} {whole})",
    )


def known_by(entry: reference.Problem, earlier: pd.DataFrame, lang: str) -> str:
    """After how many sessions, and with the account's rhythm about how many days, it is known."""
    days = rhythm(earlier)
    zh, en = f"{entry.sessions} 场可比场次", f"{entry.sessions} comparable sessions"
    if np.isfinite(days):
        last = max(round(days * entry.sessions), 1)
        zh, en = f"{zh}，约 {last} 天", f"{en}, about {last} days"
    return text.choose(lang, zh, en)


def stop_rule(
    entry: reference.Problem,
    line: Mapping[str, object],
    registry: Mapping[str, reference.Metric],
    lang: str,
) -> str:
    """When the action is given up: the guardrail falls, or the metric itself gets worse."""
    guard = compare.label(registry[entry.guardrail], lang)
    metric = compare.label(registry[str(line["metric"])], lang)
    fall = text.percent(GUARD_LIMIT, 0)
    return text.choose(
        lang,
        (
            f"连续 {STOP_AFTER} 场{guard}比平时差 {fall} 以上，"
            f"或 {entry.sessions} 场后{metric}没有改善，即停"
        ),
        (
            f"stop when {guard} is worse than usual by {fall} in {STOP_AFTER} sessions running, "
            f"or {metric} is no better after {entry.sessions}"
        ),
    )
