"""选品汰换: what is to become of each product (keep, change slot, restock, drop), with the evidence that says so.

A product is held against others of its price in the same sessions, over the account's recent
sessions: one session has too few buyers a product. The rules are data (`assortment.yml`); where the
evidence is thin the verdict is "cannot tell".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import funnel, reference
from helpers.core import findings, stats, text
from helpers.reference import Assortment, metrics

STEPS = {"click": ("click_users", "exposure_users"), "conversion": ("pay_users", "click_users")}
KINDS = (
    "slot",
    "host",
    "place",
)  # what a slot can be: the hours of the session, its host, the third of it
FEWEST_LIKE = 3  # fewer products of its price: it is held against all others
FEWEST_SESSIONS = 3
MOST_TOLD = 6  # findings
EVIDENCE = ("click", "conversion", "returns", "slot", "margin", "sold_out", "tier")


def places(sessions: pd.DataFrame, *logs: pd.DataFrame) -> pd.DataFrame:
    """Where each product stood in each session: one row per session x product.

    `logs` are tables with session_id, product_id and the time of an explanation (`at` of floor
    control's beginnings, else `starts_at`), the best known first: a session is taken from the first
    that has it. Columns: session_id, product_id, slot (the three hours in which the session
    starts), host, place (early, middle, late: the third of the session in which it was first
    explained; missing where nobody logged it: only those of `logs` have a row).
    """
    known = sessions.set_index("session_id")
    parts, seen = [], set()
    for log in logs:
        if "kind" in log:
            log = log[log["kind"] == "explain_start"].rename(columns={"at": "starts_at"})
        rows = log[~log["session_id"].isin(seen) & log["session_id"].isin(known.index)].dropna(
            subset=["product_id"]
        )
        parts.append(rows[["session_id", "product_id", "starts_at"]])
        seen |= set(rows["session_id"])
    first = (
        pd.concat(parts, ignore_index=True)
        .groupby(["session_id", "product_id"], as_index=False)["starts_at"]
        .min()
    )
    if first.empty:
        return pd.DataFrame(columns=["session_id", "product_id", *KINDS], dtype="str")
    start, length = (
        first["session_id"].map(known[name]) for name in ("started_at", "duration_seconds")
    )
    share = (first["starts_at"] - start).dt.total_seconds() / length
    third = pd.cut(
        share, [-np.inf, 1 / 3, 2 / 3, np.inf], labels=["early", "middle", "late"], right=False
    ).astype("str")
    return first.assign(
        slot=funnel.time_slot(start), host=first["session_id"].map(known["host"]), place=third
    ).drop(columns="starts_at")


def elsewhere(
    recent: pd.DataFrame,
    placed: pd.DataFrame,
    product: str,
    session_id: str,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How a product converts in other slots ÷ where it stood in this session, the best first: one row per slot compared.

    Each of its sessions is first set against products of its price in the same session
    (`against_like`), so that a strong night favours no slot. Columns: kind (slot, host, place),
    slot (the other one), now (this session's), sessions, ratio, lower, upper: t on the log scale,
    with the spread between sessions, at a confidence shared out over all slots compared
    (Bonferroni), so that the best of many is not found by chance. Slots of fewer than
    `FEWEST_SESSIONS` sessions are not compared.
    """
    columns = ["kind", "slot", "now", "sessions", "ratio", "lower", "upper"]
    own, due, _ = _own_and_due(recent, product, *STEPS["conversion"])
    mine = placed[placed["product_id"] == product].set_index("session_id")
    if session_id not in mine.index or session_id not in own.index:
        return pd.DataFrame(columns=columns)
    rows, spread = (
        [],
        stats.session_cv(own.to_numpy(float), due.to_numpy(float), proportion=False) ** 2,
    )
    for kind in KINDS:
        where, now = mine[kind].reindex(own.index), mine.loc[session_id, kind]
        here = where == now
        rows += [
            (kind, other, now, here, where == other)
            for other in where.dropna().unique()
            if other != now and pd.notna(now)
        ]
    compared = [
        row for row in rows if row[3].sum() >= FEWEST_SESSIONS and row[4].sum() >= FEWEST_SESSIONS
    ]
    made = [
        [
            kind,
            other,
            now,
            int(there.sum()),
            *_slot_ratio(own, due, here, there, spread, 1 - (1 - confidence) / len(compared)),
        ]
        for kind, other, now, here, there in compared
    ]
    return pd.DataFrame(made, columns=columns).sort_values(
        "ratio", ascending=False, kind="stable", ignore_index=True
    )


def _slot_ratio(
    own: pd.Series,
    due: pd.Series,
    here: pd.Series,
    there: pd.Series,
    spread: float,
    confidence: float,
) -> stats.Estimate:
    logs, errors = [], []
    for part in (there, here):
        x, weight = own[part].sum() + 0.5, due[part].to_numpy(float)
        logs.append(np.log(x / (weight.sum() + 0.5)))
        errors.append(1 / x + spread * (weight**2).sum() / weight.sum() ** 2)
    value = logs[0] - logs[1]
    half = distributions.t.ppf(
        0.5 + confidence / 2, len(own) - 1 + stats.PRIOR_CV_WEIGHT
    ) * np.sqrt(sum(errors))
    return stats.Estimate(
        float(np.exp(value)), float(np.exp(value - half)), float(np.exp(value + half))
    )


def _slot_evidence(found: pd.DataFrame, least: float) -> dict[str, object]:
    """The slot in which the product sells best against where it stands now, and whether that is sure: better, none, unknown."""
    if found.empty:
        return {
            "slot_kind": "",
            "slot": "",
            "slot_now": "",
            "slot_ratio": np.nan,
            "slot_lower": np.nan,
            "slot_upper": np.nan,
            "slot_state": "unknown",
        }
    sure = found[(found["lower"] > 1) & (found["ratio"] >= 1 + least)]
    best = (sure if len(sure) else found).iloc[0]
    return {
        "slot_kind": best["kind"],
        "slot": str(best["slot"]),
        "slot_now": str(best["now"]),
        "slot_ratio": best["ratio"],
        "slot_lower": best["lower"],
        "slot_upper": best["upper"],
        "slot_state": "better" if len(sure) else "none",
    }


def slot_words(kind: object, slot: object, lang: str) -> str:
    """A slot in words: the hours in which the session starts, the host, or the third of the session."""
    if kind == "place":
        return text.label(reference.terms()["slot_place"][slot], lang)
    if kind == "host":
        return text.choose(
            lang, f"{text.plain(slot, 12)} 主播的场次", f"sessions of {text.plain(slot, 12)}"
        )
    return text.choose(lang, f"{slot} 开播的场次", f"sessions that start at {slot}") if kind else ""


def slot_note(table: pd.DataFrame, lang: str) -> str:
    """On what the advice to change the slot rests: for how many products slots could be compared, and for how many one is surely better."""
    count = table["slot_state"].value_counts()
    better, none, unknown = (int(count.get(name, 0)) for name in ("better", "none", "unknown"))
    return text.choose(
        lang,
        (
            "换时段看的是商品自己在别的开播时段、别的主播、前中后段讲解时的点击-成交率（每场先与同"
            "价"
            f"位比，两边各至少 {FEWEST_SESSIONS} 场）：{better + none} 个商品比得了，"
            f"其中确实有更好位置的 {better} 个；{unknown} 个场数不够，比不了。"
        ),
        (
            "Changing the slot rests on a product's own click-to-pay rate at other starting hours, "
            "under other hosts and in other thirds of the session (each session first set against "
            f"its price band, {FEWEST_SESSIONS} sessions at least on both sides): {better + none} "
            f"products could be compared, for {better} of them another slot is surely better; "
            f"{unknown} have too few sessions."
        ),
    )


def against_like(
    recent: pd.DataFrame, product: str, above: str, below: str, *, confidence: float = 0.95
) -> stats.Estimate:
    """A product's rate ÷ that of other products of its price in the same sessions (ratio of sums), with its interval.

    `recent` has one row per session x product with the column `band`. Each session is its own
    comparison, so that a strong night or a long one favours nobody. The interval holds counting
    noise and the spread between sessions (t, log scale). `nan` under `FEWEST_SESSIONS` sessions.
    """
    own, due, like = _own_and_due(recent, product, above, below)
    if len(own) < FEWEST_SESSIONS:
        return stats.Estimate(np.nan, np.nan, np.nan)
    x, weight = own.to_numpy(float), due.to_numpy(float)
    value = (x.sum() + 0.5) / (weight.sum() + 0.5)
    spread = (
        stats.session_cv(x, weight, proportion=False) ** 2 * (weight**2).sum() / weight.sum() ** 2
    )
    error = np.sqrt(spread + 1 / (x.sum() + 0.5) + 1 / like)
    half = distributions.t.ppf(0.5 + confidence / 2, len(own) - 1 + stats.PRIOR_CV_WEIGHT) * error
    return stats.Estimate(float(value), float(value * np.exp(-half)), float(value * np.exp(half)))


def _own_and_due(
    recent: pd.DataFrame, product: str, above: str, below: str
) -> tuple[pd.Series, pd.Series, float]:
    """What a product reached in each session, what products of its price would have, and how much those reached in all."""
    known = recent.dropna(subset=[above, below])
    known = known[(known[below] > 0) & (known[above] <= known[below])]
    own = known[known["product_id"] == product].set_index("session_id")
    others = known[known["product_id"] != product]
    if len(own):
        near = others[others["band"] == own["band"].iloc[0]]
        others = near if near["product_id"].nunique() >= FEWEST_LIKE else others
    sums = others.groupby("session_id")[[above, below]].sum()
    due = (own[below] * sums[above] / sums[below]).reindex(own.index)
    return own.loc[due > 0, above], due[due > 0], float(sums[above].sum())


def standing(ratio: stats.Estimate, *, band: float, least: float) -> str:
    """low or high where the interval leaves 1 and the ratio is off by `least`, usual where all of it is within `band`, else unclear."""
    if not np.isfinite(ratio.value):
        return "unknown"
    if ratio.upper < 1 and ratio.value <= 1 - least:
        return "low"
    if ratio.lower > 1 and ratio.value >= 1 + least:
        return "high"
    return "usual" if ratio.lower >= 1 - band and ratio.upper <= 1 + band else "unclear"


def _returned(
    finished: pd.DataFrame, product: str, confidence: float
) -> tuple[stats.Estimate, stats.Estimate]:
    """A product's share of orders that came back, with Wilson's interval, and its ratio to that of all other products."""
    rows = finished.dropna(subset=["refund_orders", "orders"])
    rows = rows[rows["refund_orders"] <= rows["orders"]]
    sums = (
        rows.groupby(rows["product_id"] == product)[["refund_orders", "orders"]]
        .sum()
        .reindex([True, False], fill_value=0.0)
    )
    (x, n), (other_x, other_n) = sums.to_numpy(float)
    lower, upper = stats.wilson(x, n, confidence=confidence)
    rate = stats.Estimate(x / n if n else np.nan, float(lower), float(upper))
    return rate, stats.ratio(x, n, other_x, other_n, confidence=confidence)


def _margins(now: pd.DataFrame, costs: pd.DataFrame, commission: float) -> pd.Series:
    """Share of what buyers pay that is left after the goods and the commission, by product_id; `nan` without a unit cost."""
    each = (
        costs[(costs["item"] == "unit_cost") & costs["product_id"].notna()]
        .drop_duplicates("product_id", keep="last")
        .set_index("product_id")["amount"]
    )
    goods = (
        now["product_id"].map(each)
        * now["units"]
        / now["paid_amount"].where(now["paid_amount"] > 0)
    )
    return pd.Series((1 - goods - commission).to_numpy(float), index=now["product_id"])


def evidence(
    products: pd.DataFrame,
    session_id: str,
    *,
    recent: Iterable[str],
    finished: Iterable[str],
    costs: pd.DataFrame,
    commission: float,
    sold_out: pd.DataFrame | None,
    placed: pd.DataFrame,
    rules: Assortment,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What speaks for and against each product of the session: one row per product, those that sold most first.

    `products` are this and earlier sessions' rows, `recent` the sessions over which click and
    conversion are taken, `finished` those whose returns are all in, `sold_out` as `stakes.sold_out`
    gives it (None: nothing was logged), `commission` as a fraction, `placed` that of `places`.
    Columns: product_id, name, tier, orders, paid_amount (this session), sessions (recent ones it
    was in), click and conversion (÷ those of its like) with _lower and _upper, returns (rate) with
    bounds, margin (fraction), minutes (sold out), slot_kind, slot, slot_now, slot_ratio with
    slot_lower, slot_upper (the best other slot ÷ this session's, see `elsewhere`), and a state of
    each in <name>_state.
    """
    rows = products[products["sku_id"].isna()]
    now = rows[rows["session_id"] == session_id].sort_values(
        "paid_amount", ascending=False, kind="stable"
    )
    if now.empty:
        return pd.DataFrame(columns=COLUMNS)
    near = rows[rows["session_id"].isin({*recent, session_id})]
    near = near.assign(band=near["product_id"].map(metrics.price_bands(near)))
    done = rows[rows["session_id"].isin(set(finished))]
    margins, options = (
        _margins(now, costs, commission),
        {"band": rules.limits.usual_band, "least": rules.limits.apart},
    )
    gone = sold_out.set_index("product_id") if sold_out is not None else None
    made = []
    for row in now.itertuples():
        found = {
            name: against_like(near, row.product_id, *pair, confidence=confidence)
            for name, pair in STEPS.items()
        }
        returned, relative = _returned(done, row.product_id, confidence)
        slots = _slot_evidence(
            elsewhere(near, placed, row.product_id, session_id, confidence=confidence),
            rules.limits.apart,
        )
        lost = (
            gone.loc[row.product_id] if gone is not None and row.product_id in gone.index else None
        )
        made.append(
            {
                "product_id": row.product_id,
                "name": row.name,
                "tier": row.tier,
                "orders": row.orders,
                "paid_amount": row.paid_amount,
                "sessions": near.loc[near["product_id"] == row.product_id, "session_id"].nunique(),
                **{
                    f"{name}{end}": value
                    for name, ratio in (found | {"returns": returned}).items()
                    for end, value in zip(("", "_lower", "_upper"), ratio, strict=True)
                },
                **slots,
                "margin": margins[row.product_id],
                "minutes": 0.0
                if lost is None and gone is not None
                else np.nan
                if lost is None
                else lost["minutes"],
                **{
                    f"{name}_state": standing(ratio, **options)
                    for name, ratio in (found | {"returns": relative}).items()
                },
                "margin_state": _margin_state(margins[row.product_id], rules.limits.thin_margin),
                "sold_out_state": "unknown"
                if gone is None
                else "some"
                if lost is not None and lost["share"] >= rules.limits.sold_out_share
                else "none",
                "tier_state": row.tier if isinstance(row.tier, str) else "unknown",
            }
        )
    return pd.DataFrame(made, columns=COLUMNS)


COLUMNS = [
    "product_id",
    "name",
    "tier",
    "orders",
    "paid_amount",
    "sessions",
    *(
        f"{name}{end}"
        for name in ("click", "conversion", "returns")
        for end in ("", "_lower", "_upper")
    ),
    "slot_kind",
    "slot",
    "slot_now",
    "slot_ratio",
    "slot_lower",
    "slot_upper",
    "margin",
    "minutes",
    *(f"{name}_state" for name in EVIDENCE),
]


def _margin_state(margin: float, thin: float) -> str:
    return (
        "unknown"
        if not np.isfinite(margin)
        else "loss"
        if margin < 0
        else "thin"
        if margin < thin
        else "fine"
    )


def decide(table: pd.DataFrame, rules: Assortment) -> pd.DataFrame:
    """The evidence with its verdict: decision, decision_zh, decision_en and why_zh, why_en, from the first rule that holds."""
    rows = table.to_dict("records")
    found, standings = (
        [_first(row, rules) for row in rows],
        [rules.standing[_place(row)] for row in rows],
    )
    labels = [rules.verdicts[rule.verdict if rule else "cannot_tell"] for rule in found]
    return table.assign(
        decision=[rule.verdict if rule else "cannot_tell" for rule in found],
        decision_zh=[label.zh for label in labels],
        decision_en=[label.en for label in labels],
        why_zh=[
            _why(rule, place, row, "zh")
            for rule, place, row in zip(found, standings, rows, strict=True)
        ],
        why_en=[
            _why(rule, place, row, "en")
            for rule, place, row in zip(found, standings, rows, strict=True)
        ],
    )


def _why(
    rule: reference.AssortmentRule | None,
    place: reference.Label,
    row: Mapping[str, object],
    lang: str,
) -> str:
    """The rule's reason with what stands in its braces: {conversion}, {slot}, {slot_now} and {times} (slot ÷ slot_now, with interval)."""
    if rule is None:
        return text.choose(lang, "证据不足或互相矛盾", "the evidence is thin or contradicts itself")
    times = text.choose(
        lang,
        f"{row['slot_ratio']:.2f} 倍（{row['slot_lower']:.2f} – {row['slot_upper']:.2f}）",
        f"{row['slot_ratio']:.2f} times ({row['slot_lower']:.2f} – {row['slot_upper']:.2f})",
    )
    slots = {name: slot_words(row["slot_kind"], row[name], lang) for name in ("slot", "slot_now")}
    return text.label(rule, lang).format(conversion=text.label(place, lang), times=times, **slots)


def _place(row: Mapping[str, object]) -> str:
    """Where conversion stands by its interval (a key of `standing`): away from 1 only where the whole interval is."""
    side = (
        "below"
        if row["conversion_upper"] < 1
        else "above"
        if row["conversion_lower"] > 1
        else "level"
    )
    return f"slightly_{side}" if side != "level" and row["conversion_state"] == "usual" else side


def _first(row: Mapping[str, object], rules: Assortment) -> reference.AssortmentRule | None:
    return next(
        (
            rule
            for rule in rules.rules
            if all(row[f"{name}_state"] in states for name, states in rule.when if states)
        ),
        None,
    )


def to_findings(table: pd.DataFrame, *, notebook: str) -> list[dict[str, object]]:
    """For the selection team: a sentence on each product that is not simply kept, with what speaks for it; at most `MOST_TOLD`."""
    told = table[~table["decision"].isin(["keep", "cannot_tell"])].head(MOST_TOLD)
    return [_finding(row, notebook) for row in told.itertuples()]


def _finding(row, notebook: str) -> dict[str, object]:
    name = text.plain(row.name, 30)
    return findings.make(
        notebook=notebook,
        dimension="conversion",
        metric="item_click_pay_rate",
        slice=f"{name} ({row.product_id})",
        slice_id=row.product_id,
        value=row.conversion,
        baseline=1.0,
        ci_lower=row.conversion_lower,
        ci_upper=row.conversion_upper,
        verdict="not_comparable",
        sentence_zh=f"「{name}」建议{row.decision_zh}：{row.why_zh}（{_said(row, 'zh')}）。",
        sentence_en=f"“{name}”: {row.decision_en.lower()}; {row.why_en} ({_said(row, 'en')}).",
    )


def _said(row, lang: str) -> str:
    """The evidence in words: what is known of conversion, returns, stock and margin."""
    level = (
        text.number(row.conversion, "en", 2),
        text.interval(row.conversion_lower, row.conversion_upper, "ratio", lang),
    )
    back = (
        text.percent(row.returns),
        text.interval(row.returns_lower, row.returns_upper, "percent", lang),
    )
    parts = [
        text.choose(
            lang,
            f"近 {row.sessions} 场点击-成交率是同价位的 {level[0]} 倍，区间 {level[1]}",
            (
                f"click-to-pay {level[0]} times that of its price band over {row.sessions} "
                "sessions, "
                f"interval {level[1]}"
            ),
        )
        if np.isfinite(row.conversion)
        else "",
        text.choose(
            lang, f"退货率 {back[0]}，区间 {back[1]}", f"returns {back[0]}, interval {back[1]}"
        )
        if np.isfinite(row.returns)
        else "",
        text.choose(lang, f"售罄 {row.minutes:.0f} 分钟", f"sold out for {row.minutes:.0f} minutes")
        if row.minutes > 0
        else "",
        text.choose(
            lang, f"毛利率 {text.percent(row.margin)}", f"margin {text.percent(row.margin)}"
        )
        if np.isfinite(row.margin)
        else "",
    ]
    return text.choose(lang, "；", "; ").join(filter(None, parts))
