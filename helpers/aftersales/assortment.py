"""选品汰换: what is to become of each product (keep, change slot, restock, drop), and why.

A product is held against others of its price in the same sessions, over recent sessions: one has
too few buyers a product. The rules are data (`assortment.yml`); thin evidence gives "cannot tell".
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import funnel, reference
from helpers.core import findings, stats, text
from helpers.reference import Assortment, metrics

STEPS = {"click": ("click_users", "exposure_users"), "conversion": ("pay_users", "click_users")}
# what a slot can be: the hours in which the session starts, its host, the third of the session
KINDS = ("slot", "host", "place")
FEWEST_LIKE = 3  # fewer products of its price: it is held against all others
FEWEST_SESSIONS = 3
MOST_FINDINGS = 6
EVIDENCE = ("click", "conversion", "returns", "slot", "margin", "sold_out", "tier")
ENDS = ("", "_lower", "_upper")  # of a column with an interval: its value and its bounds
NO_SLOT = {
    "slot_kind": "",
    "slot": "",
    "slot_now": "",
    "slot_ratio": np.nan,
    "slot_lower": np.nan,
    "slot_upper": np.nan,
    "slot_state": "unknown",
}
COLUMNS = [
    *("product_id", "name", "tier", "orders", "paid_amount", "sessions"),
    *(f"{name}{end}" for name in ("click", "conversion", "returns") for end in ENDS),
    *[name for name in NO_SLOT if name != "slot_state"],
    *("margin", "minutes"),
    *(f"{name}_state" for name in EVIDENCE),
]


class Reached(NamedTuple):
    """What a product reached at one step by session, and what the rate of others made due.

    like is what those others reached in all.
    """

    sessions: np.ndarray
    reached: stats.Floats
    due: stats.Floats
    like: float


NOTHING = Reached(np.array([], dtype=object), np.array([]), np.array([]), 0.0)


def places(sessions: pd.DataFrame, *logs: pd.DataFrame) -> pd.DataFrame:
    """Where each product stood in each session: one row per session x product logged.

    `logs` have session_id, product_id and the time of an explanation (`at` of floor control's
    beginnings, else `starts_at`), the best first: a session is taken from the first that has it.
    Columns: session_id, product_id, slot (the three hours in which the session starts), host, place
    (early, middle, late: the third of the session of the first explanation).
    """
    by_session = sessions.set_index("session_id")
    keys = ["session_id", "product_id"]
    parts, logged_sessions = [], set()
    for log in logs:
        if "kind" in log:
            log = log[log["kind"] == "explain_start"].rename(columns={"at": "starts_at"})
        new = ~log["session_id"].isin(logged_sessions) & log["session_id"].isin(by_session.index)
        rows = log[new].dropna(subset=["product_id"])
        parts.append(rows[[*keys, "starts_at"]])
        logged_sessions |= set(rows["session_id"])
    first = pd.concat(parts, ignore_index=True).groupby(keys, as_index=False)["starts_at"].min()
    if first.empty:
        return pd.DataFrame(columns=[*keys, *KINDS], dtype="str")
    start, length, host = (
        first["session_id"].map(by_session[name])
        for name in ("started_at", "duration_seconds", "host")
    )
    share = (first["starts_at"] - start).dt.total_seconds() / length
    edges = [-np.inf, 1 / 3, 2 / 3, np.inf]
    third = pd.cut(share, edges, labels=["early", "middle", "late"], right=False).astype("str")
    return first.assign(slot=funnel.time_slot(start), host=host, place=third).drop(
        columns="starts_at"
    )


def elsewhere(
    conversion: Reached,
    placed: pd.DataFrame,
    product: str,
    session_id: str,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How a product converts in other slots ÷ in this session's: one row per slot, best first.

    Against products of its price (`against_like`), so that a strong night favours no slot;
    `conversion` is what it reached at that step. Columns: kind (slot, host, place), slot (the other
    one), now (this session's), sessions, ratio, lower, upper (t, log scale, spread between
    sessions, Bonferroni over all slots compared). Slots of fewer than `FEWEST_SESSIONS` sessions
    are left out.
    """
    held, reached, due, _ = conversion
    slots = placed[placed["product_id"] == product].set_index("session_id")
    compared = []
    for kind in KINDS if session_id in slots.index and session_id in held else ():
        where, now = slots[kind].reindex(held), slots.loc[session_id, kind]
        sessions = where.value_counts(sort=False)
        if sessions.get(now, 0) >= FEWEST_SESSIONS:
            compared += [
                (
                    kind,
                    other,
                    now,
                    int(sessions[other]),
                    *((where == name).to_numpy() for name in (other, now)),
                )
                for other in where.dropna().unique()
                if other != now and sessions[other] >= FEWEST_SESSIONS
            ]
    rows, spread = [], _spread(reached, due) if compared else np.nan
    for *slot, there, here in compared:
        (rate, variance), (now_rate, now_variance) = (
            _rate(reached[part], due[part], spread) for part in (there, here)
        )
        half = _half(len(reached), variance + now_variance, 1 - (1 - confidence) / len(compared))
        value = np.log(rate) - np.log(now_rate)
        rows.append([*slot, *(float(np.exp(end)) for end in (value, value - half, value + half))])
    columns = ["kind", "slot", "now", "sessions", "ratio", "lower", "upper"]
    return pd.DataFrame(rows, columns=columns).sort_values(
        "ratio", ascending=False, kind="stable", ignore_index=True
    )


def _spread(reached: stats.Floats, due: stats.Floats) -> float:
    return stats.session_cv(reached, due, proportion=False) ** 2


def _rate(reached: stats.Floats, due: stats.Floats, spread: float) -> tuple[float, float]:
    x = reached.sum() + 0.5
    variance = spread * (due**2).sum() / due.sum() ** 2 + 1 / x
    return x / (due.sum() + 0.5), variance


def _half(sessions: int, variance: float, confidence: float) -> float:
    """Half the width of the interval of a logarithm: t, with the weight of the prior spread."""
    free = sessions - 1 + stats.PRIOR_CV_WEIGHT
    return distributions.t.ppf(0.5 + confidence / 2, free) * np.sqrt(variance)


def _slot_evidence(slots: pd.DataFrame, least: float) -> dict[str, object]:
    if slots.empty:
        return NO_SLOT
    sure = slots[(slots["lower"] > 1) & (slots["ratio"] >= 1 + least)]
    best = (sure if len(sure) else slots).iloc[0]
    values = [best["kind"], str(best["slot"]), str(best["now"]), *best[["ratio", "lower", "upper"]]]
    return dict(zip(NO_SLOT, [*values, "better" if len(sure) else "none"], strict=True))


def slot_words(kind: object, slot: object, lang: str) -> str:
    """A slot in words: the hours in which the session starts, its host, or the third of it."""
    if kind == "place":
        return text.label(reference.terms()["slot_place"][slot], lang)
    if kind == "host":
        host = text.plain(slot, 12)
        return text.choose(lang, f"{host} 主播的场次", f"sessions of {host}")
    return text.choose(lang, f"{slot} 开播的场次", f"sessions that start at {slot}") if kind else ""


def slot_note(table: pd.DataFrame, lang: str) -> str:
    """How many products the advice to change the slot rests on."""
    count = table["slot_state"].value_counts()
    better, none, unknown = (int(count.get(name, 0)) for name in ("better", "none", "unknown"))
    return text.choose(
        lang,
        (
            "换时段看的是商品自己在别的开播时段、别的主播、前中后段讲解时的点击-成交率"
            f"（每场先与同价位比，两边各至少 {FEWEST_SESSIONS} 场）：{better + none} 个商品比得了，"
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


def against_like(step: Reached, *, confidence: float = 0.95) -> stats.Estimate:
    """A product's rate ÷ that of others of its price in the same sessions (ratio of sums).

    The interval (t, log scale) holds counting noise and the spread between sessions. `nan` under
    `FEWEST_SESSIONS` sessions.
    """
    if len(step.reached) < FEWEST_SESSIONS:
        return stats.Estimate(np.nan, np.nan, np.nan)
    value, variance = _rate(step.reached, step.due, _spread(step.reached, step.due))
    half = _half(len(step.reached), variance + 1 / step.like, confidence)
    return stats.Estimate(float(value), float(value * np.exp(-half)), float(value * np.exp(half)))


def reach(recent: pd.DataFrame, above: str, below: str) -> dict[str, Reached]:
    """One step of every product, beside others of its price, of all prices where these are few.

    `recent` has one row per session x product with the column `band`. The others' sums are those of
    all less the product's own: thousands of products are not added up once for each.
    """
    rows = recent.dropna(subset=[above, below])
    rows = rows[(rows[below] > 0) & (rows[above] <= rows[below])]
    rows = rows.sort_values("product_id", kind="stable")
    columns, product, session = [above, below], rows["product_id"], rows["session_id"]
    band = rows.groupby(product)["band"].transform("first")
    alike = product.groupby(band).transform("nunique") > FEWEST_LIKE
    of_product, near, all_prices = (
        rows.groupby(keys)[columns].transform("sum")
        for keys in ([product, session], [band, session], session)
    )
    others = near.where(alike, all_prices) - of_product
    like = rows[above].groupby(band).transform("sum").where(alike, rows[above].sum())
    like -= rows[above].groupby(product).transform("sum")
    due = rows[below] * others[above] / others[below].where(others[below] > 0)
    kept = due > 0
    reached, made_due, by_like = (
        values[kept].to_numpy(float) for values in (rows[above], due, like)
    )
    products, sessions = product[kept].to_numpy(), session[kept].to_numpy()
    starts = np.flatnonzero(np.r_[True, products[1:] != products[:-1]][: len(products)])
    return {
        products[start]: Reached(
            sessions[start:end], reached[start:end], made_due[start:end], by_like[start]
        )
        for start, end in itertools.pairwise([*starts, len(products)])
    }


def standing(ratio: stats.Estimate, *, band: float, least: float) -> str:
    """The state of a ratio: low, high, usual, unclear or unknown.

    low or high where the interval leaves 1 and the ratio is off by `least`; usual: all within
    `band`.
    """
    if not np.isfinite(ratio.value):
        return "unknown"
    if ratio.upper < 1 and ratio.value <= 1 - least:
        return "low"
    if ratio.lower > 1 and ratio.value >= 1 + least:
        return "high"
    return "usual" if ratio.lower >= 1 - band and ratio.upper <= 1 + band else "unclear"


def _returned(
    finished: pd.DataFrame, confidence: float
) -> Callable[[str], tuple[stats.Estimate, stats.Estimate]]:
    """Of each product, the rate of its returns and that rate ÷ that of all others."""
    rows = finished.dropna(subset=["refund_orders", "orders"])
    rows = rows[rows["refund_orders"] <= rows["orders"]]
    sums = rows.groupby("product_id")[["refund_orders", "orders"]].sum()
    by_product = dict(zip(sums.index, sums.to_numpy(float), strict=True))
    whole = sums.sum().to_numpy(float)

    def returned(product: str) -> tuple[stats.Estimate, stats.Estimate]:
        x, n = counts = by_product.get(product, np.zeros(2))
        lower, upper = stats.wilson(x, n, confidence=confidence)
        rate = stats.Estimate(x / n if n else np.nan, float(lower), float(upper))
        return rate, stats.ratio(x, n, *(whole - counts), confidence=confidence)

    return returned


def _margins(now: pd.DataFrame, costs: pd.DataFrame, commission: float) -> pd.Series:
    unit_costs = costs[(costs["item"] == "unit_cost") & costs["product_id"].notna()]
    unit_costs = unit_costs.drop_duplicates("product_id", keep="last").set_index("product_id")
    units, paid = now["units"], now["paid_amount"].where(now["paid_amount"] > 0)
    goods = now["product_id"].map(unit_costs["amount"]) * units / paid
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
    """What speaks for and against each product of the session: one row per product, largest first.

    `products` are rows of this and earlier sessions, `recent` the sessions of click and conversion,
    `finished` those whose returns are all in, `sold_out` that of `stakes.sold_out` (None: nothing
    was logged), `commission` a fraction, `placed` that of `places`. Columns: product_id, name,
    tier, orders, paid_amount (this session), sessions (recent ones it was in), click and conversion
    (÷ those of its like) with _lower and _upper, returns (rate) with bounds, margin (fraction),
    minutes (sold out), slot_kind, slot, slot_now, slot_ratio with slot_lower, slot_upper (the best
    of `elsewhere`), and a state of each in <name>_state.
    """
    rows = products[products["sku_id"].isna()]
    now = rows[rows["session_id"] == session_id].sort_values(
        "paid_amount", ascending=False, kind="stable"
    )
    if now.empty:
        return pd.DataFrame(columns=COLUMNS)
    near = rows[rows["session_id"].isin({*recent, session_id})]
    near = near.assign(band=near["product_id"].map(metrics.price_bands(near)))
    sessions = near.groupby("product_id")["session_id"].nunique()
    done = rows[rows["session_id"].isin(set(finished))]
    margins, limits = _margins(now, costs, commission), rules.limits
    gone = pd.DataFrame(columns=["minutes", "share"])
    if sold_out is not None:
        gone = sold_out.set_index("product_id")
    returned_of = _returned(done, confidence)
    reached = {name: reach(near, *step) for name, step in STEPS.items()}
    in_script = set(placed.loc[placed["session_id"] == session_id, "product_id"])
    table = []
    for row in now.itertuples():
        product, margin = row.product_id, margins[row.product_id]
        steps = {name: by_product.get(product, NOTHING) for name, by_product in reached.items()}
        ratios = {name: against_like(step, confidence=confidence) for name, step in steps.items()}
        returned, relative = returned_of(product)
        slots = (
            elsewhere(steps["conversion"], placed, product, session_id, confidence=confidence)
            if product in in_script
            else None
        )
        minutes, share = (
            gone.loc[product, ["minutes", "share"]] if product in gone.index else (0, 0)
        )
        table.append(
            {
                **{name: getattr(row, name) for name in COLUMNS[:5]},
                "sessions": sessions[product],
                **{
                    f"{name}{end}": value
                    for name, ratio in (ratios | {"returns": returned}).items()
                    for end, value in zip(ENDS, ratio, strict=True)
                },
                **(NO_SLOT if slots is None else _slot_evidence(slots, limits.apart)),
                "margin": margin,
                "minutes": float(minutes) if sold_out is not None else np.nan,
                **{
                    f"{name}_state": standing(ratio, band=limits.usual_band, least=limits.apart)
                    for name, ratio in (ratios | {"returns": relative}).items()
                },
                "margin_state": _margin_state(margin, limits.thin_margin),
                "sold_out_state": "unknown"
                if sold_out is None
                else "some"
                if product in gone.index and share >= limits.sold_out_share
                else "none",
                "tier_state": row.tier if isinstance(row.tier, str) else "unknown",
            }
        )
    return pd.DataFrame(table, columns=COLUMNS)


def _margin_state(margin: float, thin: float) -> str:
    if not np.isfinite(margin):
        return "unknown"
    return "loss" if margin < 0 else "thin" if margin < thin else "fine"


def decide(table: pd.DataFrame, rules: Assortment) -> pd.DataFrame:
    """The evidence with its verdict from the first rule that holds.

    Columns added: decision, decision_zh, decision_en, why_zh, why_en.
    """
    rows = table.to_dict("records")
    decisive = [_first(row, rules) for row in rows]
    verdicts = [rule.verdict if rule else "cannot_tell" for rule in decisive]
    words = {}
    for lang in ("zh", "en"):
        words[f"decision_{lang}"] = [text.label(rules.verdicts[name], lang) for name in verdicts]
        words[f"why_{lang}"] = [
            _why(rule, rules.standing[_place(row)], row, lang)
            for rule, row in zip(decisive, rows, strict=True)
        ]
    columns = ["decision_zh", "decision_en", "why_zh", "why_en"]
    return table.assign(decision=verdicts, **{name: words[name] for name in columns})


def _why(
    rule: reference.AssortmentRule | None,
    place: reference.Label,
    row: Mapping[str, object],
    lang: str,
) -> str:
    if rule is None:
        return text.choose(lang, "证据不足或互相矛盾", "the evidence is thin or contradicts itself")
    bounds = f"{row['slot_lower']:.2f} – {row['slot_upper']:.2f}"
    ratio = f"{row['slot_ratio']:.2f}"
    times = text.choose(lang, f"{ratio} 倍（{bounds}）", f"{ratio} times ({bounds})")
    slots = {name: slot_words(row["slot_kind"], row[name], lang) for name in ("slot", "slot_now")}
    return text.label(rule, lang).format(conversion=text.label(place, lang), times=times, **slots)


def _place(row: Mapping[str, object]) -> str:
    side = "level"
    if row["conversion_upper"] < 1:
        side = "below"
    elif row["conversion_lower"] > 1:
        side = "above"
    return f"slightly_{side}" if side != "level" and row["conversion_state"] == "usual" else side


def _first(row: Mapping[str, object], rules: Assortment) -> reference.AssortmentRule | None:
    for rule in rules.rules:
        if all(row[f"{name}_state"] in states for name, states in rule.when if states):
            return rule
    return None


def to_findings(table: pd.DataFrame, *, notebook: str) -> list[dict[str, object]]:
    """A finding with its evidence on each product not simply kept; `MOST_FINDINGS` at most."""
    changes = table[~table["decision"].isin(["keep", "cannot_tell"])].head(MOST_FINDINGS)
    return [_finding(row, notebook) for row in changes.itertuples()]


def _finding(row: tuple, notebook: str) -> dict[str, object]:
    name = text.plain(row.name, 30)
    return findings.make(
        notebook=notebook,
        dimension="conversion",
        metric="item_click_pay_rate",
        slice=f"{row.name} ({row.product_id})",
        slice_id=row.product_id,
        value=row.conversion,
        baseline=1.0,
        ci_lower=row.conversion_lower,
        ci_upper=row.conversion_upper,
        verdict="not_comparable",
        sentence_zh=f"「{name}」建议{row.decision_zh}：{row.why_zh}（{_evidence(row, 'zh')}）。",
        sentence_en=f"“{name}”: {row.decision_en.lower()}; {row.why_en} ({_evidence(row, 'en')}).",
    )


def _evidence(row: tuple, lang: str) -> str:
    parts = []
    if np.isfinite(row.conversion):
        level = text.number(row.conversion, "en", 2)
        bounds = text.interval(row.conversion_lower, row.conversion_upper, "ratio", lang)
        parts += [
            text.choose(
                lang,
                f"近 {row.sessions} 场点击-成交率是同价位的 {level} 倍，区间 {bounds}",
                (
                    f"click-to-pay {level} times that of its price band over {row.sessions} "
                    f"sessions, interval {bounds}"
                ),
            )
        ]
    if np.isfinite(row.returns):
        rate = text.percent(row.returns)
        bounds = text.interval(row.returns_lower, row.returns_upper, "percent", lang)
        parts += [
            text.choose(lang, f"退货率 {rate}，区间 {bounds}", f"returns {rate}, interval {bounds}")
        ]
    if row.minutes > 0:
        minutes = f"{row.minutes:.0f}"
        parts += [text.choose(lang, f"售罄 {minutes} 分钟", f"sold out for {minutes} minutes")]
    if np.isfinite(row.margin):
        margin = text.percent(row.margin)
        parts += [text.choose(lang, f"毛利率 {margin}", f"margin {margin}")]
    return text.choose(lang, "；", "; ").join(parts)
