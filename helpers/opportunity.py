"""Money at stake in single products and sources: each of their steps brought to its own baseline, as far as can be hoped for.

`compare.money_at_stake` says what the session as a whole lost at a step against comparable sessions. Here that movement of
the whole is taken as given, and what is sized is how much further a single product or source fell. The two never overlap;
and lines here are not to be added: steps of one product, and products and sources, share the same people.
Method: empirical Bayes (Efron and Morris 1975) on beta-binomial counts about each unit's own past rate.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit, logit

from helpers import findings, metrics, stats, text
from helpers.reference import Funnel, Metric

NOTEBOOK = "03_compare"
SEED = 20261122
DRAWS = 2000
LEVEL = 0.80                # of the intervals of money: it is planned with, not tested
OWN_SESSIONS = 5            # with so many past sessions a unit has a baseline of its own
MOST_SESSIONS = 25          # and further back than this it may have been another
FEWEST_ALIKE = 6            # fewer units than this have no quartile and no common spread of their own
BUYS_FROM = "click_users"   # people of this column cannot order while the product is sold out
FINDINGS = 5


class Kind(NamedTuple):
    """What is sized: a canonical table, the column that names its units, and its funnel."""

    table: str
    key: str
    funnel: str


KINDS = {"product": Kind("products", "product_id", "product_people"), "source": Kind("traffic", "source", "source_people")}


class Step(NamedTuple):
    """One step of all units: counts of this session, draws (draw x unit) of the rate and of what it should be, and whence.

    baseline is the past rate, expected the same as this session went; own says whose past it is, past how many sessions.
    """

    x: stats.Floats
    n: stats.Floats
    rate: stats.Floats
    target: stats.Floats
    baseline: stats.Floats
    expected: stats.Floats
    own: np.ndarray
    past: np.ndarray


# ------------------------------------------------------------------------------------------------------- one step


def closable(rate: stats.Floats, target: stats.Floats, cap: stats.Floats) -> stats.Floats:
    """The part of the gap from a rate to its target that can be hoped for: all of it up to `cap`, what like units reach, else half."""
    return np.maximum(np.minimum(target, np.maximum(cap, (rate + target) / 2)) - rate, 0)


def upper_quartile(rates: stats.Floats, groups: np.ndarray) -> stats.Floats:
    """The third quartile of each unit's group (last axis), of all units where the group is smaller than `FEWEST_ALIKE`."""
    made = np.repeat(np.quantile(rates, 0.75, axis=-1, keepdims=True), rates.shape[-1], axis=-1)
    for name in np.unique(groups):
        alike = groups == name
        if alike.sum() >= FEWEST_ALIKE:
            made[..., alike] = np.quantile(rates[..., alike], 0.75, axis=-1, keepdims=True)
    return made


def _level(x: pd.DataFrame, n: pd.DataFrame, rate: stats.Floats) -> pd.Series:
    """What all units did in common in each session, as a factor on their rates; 1 where none of them was there."""
    return (x.sum(axis=1) / (n * rate).where(x.notna()).sum(axis=1).replace(0, np.nan)).replace(0, np.nan).fillna(1.0)


def _own(x: pd.DataFrame, n: pd.DataFrame, level: pd.Series | None) -> tuple[stats.Floats, stats.Floats]:
    """Past rate of each unit (ratio of sums) and its relative variance: sessions differ, and counts are finite.

    `level`, where given, is taken out of the rate: the sessions are not those that it is compared with. Out of the variance
    it is taken in any case: what all units did in common is the session's, and comes back as its shift.
    """
    due = n if level is None else n.mul(level, axis=0)
    total = due.sum().to_numpy(float)
    rate = (x.sum().to_numpy(float) + 0.5) / (total + 1)
    even = x.div(_level(x, n, rate) if level is None else level, axis=0)
    spread = [stats.session_cv(even[unit].dropna(), n.loc[even[unit].notna(), unit]) for unit in n.columns]
    between = np.square(spread) * (n**2).sum().to_numpy(float) / n.sum().to_numpy(float) ** 2
    return rate, between + (1 - rate) / (rate * total)


def _alike(x: pd.Series, n: pd.Series, groups: np.ndarray) -> tuple[stats.Floats, stats.Floats, stats.Floats]:
    """For units without a past of their own: the mean of like units, its relative variance, and its weight in trials.

    `nan` where fewer than `FEWEST_ALIKE` units are known, alike or not.
    """
    known, made = n.to_numpy(float) > 0, np.full((3, len(n)), np.nan)
    for name in np.unique(groups):
        alike = known & (groups == name)
        pool = alike if alike.sum() >= FEWEST_ALIKE else known
        if pool.sum() >= FEWEST_ALIKE:
            prior = stats.shrink_rates(x[pool], n[pool])
            weight = prior.alpha + prior.beta
            mean = prior.alpha / weight
            made[:, groups == name] = [[mean], [(1 - mean) / mean / (weight + 1) / pool.sum()], [weight]]
    return made[0], made[1], made[2]


class _Base(NamedTuple):
    """What each unit is held against: past rate, its relative variance, whether it is the unit's own, over how many sessions."""

    rate: stats.Floats
    doubt: stats.Floats
    weight: stats.Floats
    own: np.ndarray
    past: np.ndarray


def _base(now: pd.DataFrame, past: Mapping[str, pd.DataFrame], pair: tuple[str, str], groups: np.ndarray, alike: list[str]) -> _Base:
    """The past of each unit where it has `OWN_SESSIONS` sessions, else that of its like; without any past, this session's.

    Its comparable sessions (`alike`) count; where they are too few, all of its sessions, brought to the level of those.
    """
    known = past[pair[1]].notna() & (past[pair[0]] > 0) & (past[pair[1]] <= past[pair[0]])
    x, n = (past[name].where(known) for name in (pair[1], pair[0]))
    near = known.index.isin(alike)
    sessions, every = known[near].sum().to_numpy(), known.sum().to_numpy()
    rate, doubt, weight = _alike(*((x[near].sum(), n[near].sum()) if sessions.sum() else (now[pair[1]], now[pair[0]])), groups)
    own, further, level = sessions >= OWN_SESSIONS, (sessions < OWN_SESSIONS) & (every >= OWN_SESSIONS), pd.Series(1.0, index=known.index)
    if own.any():
        rate[own], doubt[own] = _own(x.loc[near, own], n.loc[near, own], None)
        level = _level(x.loc[:, own], n.loc[:, own], rate[own])
    if further.any():
        rate[further], doubt[further] = _own(x.loc[:, further], n.loc[:, further], level)
    weight[own | further] = ((1 - rate) / rate / stats.PRIOR_CV**2)[own | further]
    return _Base(rate, doubt, weight, own | further, np.where(further, every, sessions))


def _step(now: pd.DataFrame, past: Mapping[str, pd.DataFrame], pair: tuple[str, str], groups: np.ndarray, alike: list[str], rng: np.random.Generator) -> Step:
    """Draws of one step of all units. `now` has a row a unit, `past` a frame session x unit for each column."""
    x, n = now[pair[1]].to_numpy(float), now[pair[0]].to_numpy(float)
    base = _base(now, past, pair, groups, alike)
    weight, wide, odd, shift, error = base.weight.copy(), base.weight.copy(), np.zeros(len(x)), 0.0, stats.PRIOR_CV
    fitted = base.own & (n > 0)
    if fitted.sum() > 2:
        shift, error, weight[fitted], wide[fitted], odd[fitted] = stats.around(x[fitted], n[fitted], base.rate[fitted])
        error = float(np.hypot(error, np.sqrt(base.doubt[fitted].mean() / fitted.sum())))
    shape = (DRAWS, len(x))
    past_rate = np.minimum(base.rate * np.exp(rng.normal(size=shape) * np.sqrt(np.log1p(base.doubt)) - np.log1p(base.doubt) / 2), 0.999)
    moved = shift + error * rng.normal(size=(DRAWS, 1))
    centre, trials = expit(logit(past_rate) + moved), np.where(rng.random(shape) < odd, wide, weight)
    rate = rng.beta(np.nan_to_num(centre * trials, nan=1) + x, np.nan_to_num((1 - centre) * trials, nan=1) + n - x)
    target = expit(logit(past_rate) + np.minimum(moved, 0))
    return Step(x, n, rate, target, base.rate, expit(logit(base.rate) + min(shift, 0)), base.own, base.past)


# ------------------------------------------------------------------------------------------------------- all lines


def lines(
    current: pd.DataFrame, past: pd.DataFrame, chosen: Iterable[str], funnel: Funnel, *, key: str | list[str], min_people: float,
    groups: pd.Series | None = None, returns: pd.Series | float = 0.0, sold_out: pd.Series | None = None, seed: int = SEED,
) -> pd.DataFrame:
    """Money at stake of each step of each unit (product, source, or both) of one session: one row per unit x step.

    `current` has one row per unit of this session, `past` those of earlier sessions (with session_id), of which `chosen` are
    the comparable ones; `key` names the unit. The baseline is the unit's own past rate where it has `OWN_SESSIONS` sessions
    (comparable ones, else the newest `MOST_SESSIONS` of all, brought to their level), else the shrunken mean of its like
    (`groups`, by unit), moved down by as much as the whole session fell. money = people at the step x closable gap x
    rates of the later steps x what a buyer pays x (1 - returns); sold_out (share of the clicks made while nothing was
    left, by unit) is taken off the people who could order. Columns: unit, below, above (columns of the step), people,
    rate (shrunken), raw_rate, baseline, expected, basis (own, alike), sessions, money (mean), lower, upper (`LEVEL`
    interval), chance (that there is a gap at all), raw_money (what the bare rates would claim), rank (by money). Units with
    fewer than `min_people` at a step, or whose counts grow along the way, have no line. Empty without paid amounts.
    """
    columns = [step.column for step in funnel.steps if step.column in current and current[step.column].notna().any()]
    if "paid_amount" not in current or len(columns) < 2 or columns[-1] != "pay_users":
        return _frame([])
    now = _units(current, key, columns)
    unit_groups = np.zeros(len(now)) if groups is None else groups.reindex(now.index).fillna(-1).to_numpy()
    alike = list(chosen)
    wide = _wide(past, key, [*columns, "paid_amount"], now.index, alike)
    short = (sold_out if sold_out is not None else pd.Series(dtype=float)).reindex(now.index).fillna(0.0).to_numpy(float)
    pairs, rng = list(itertools.pairwise(columns)), np.random.default_rng(seed)
    cut = [now.assign(**{pair[0]: _able(now, pair, short)}) for pair in pairs]
    steps = [_step(rows, wide, pair, unit_groups, alike, rng) for rows, pair in zip(cut, pairs, strict=True)]
    back = returns.reindex(now.index).fillna(0.0).to_numpy(float) if isinstance(returns, pd.Series) else returns
    worth = _paid_per_buyer(now, wide) * (1 - back)
    rows = []
    for place, (pair, step) in enumerate(zip(pairs, steps, strict=True)):
        before_sale = 1 - short if pair[0] != BUYS_FROM and BUYS_FROM in columns[place + 1:] else 1.0
        rows.append(_sized(now.index, pair, step, steps[place + 1:], worth * before_sale, unit_groups, min_people))
    return _frame(rows)


def _units(current: pd.DataFrame, key: str | list[str], columns: list[str]) -> pd.DataFrame:
    """The units whose steps are all known and never grow."""
    rows = current.set_index(key)[[*columns, "paid_amount"]].dropna(subset=columns)
    falling = (rows[columns].diff(axis=1).iloc[:, 1:] <= 0).all(axis=1)
    return rows[falling & (rows[columns[0]] > 0)]


def _wide(past: pd.DataFrame, key: str | list[str], columns: list[str], units: pd.Index, alike: list[str]) -> dict[str, pd.DataFrame]:
    """One frame session x unit for each column, of the sessions `alike` and the newest of each unit; a column that the past lacks is all missing."""
    keys = [key] if isinstance(key, str) else list(key)
    kept = past["session_id"].isin(alike) | (past.sort_values("session_id").groupby(keys, sort=False).cumcount(ascending=False) < MOST_SESSIONS)
    rows = past[kept].reindex(columns=["session_id", *keys, *columns]).set_index(["session_id", *keys])
    return {name: rows[name].astype(float).unstack(keys).reindex(columns=units) for name in columns}


def _able(now: pd.DataFrame, pair: tuple[str, str], short: stats.Floats) -> pd.Series:
    """The people at a step who could take it: without those who came while the product was sold out."""
    return np.maximum(now[pair[0]] * (1 - short), now[pair[1]]) if pair[0] == BUYS_FROM else now[pair[0]]


def _paid_per_buyer(now: pd.DataFrame, past: Mapping[str, pd.DataFrame]) -> stats.Floats:
    """What a buyer of each unit pays: ratio of sums over this session and the comparable ones; 0 where nobody ever paid."""
    known = past["paid_amount"].notna() & past["pay_users"].notna()
    paid = now["paid_amount"].fillna(0) + past["paid_amount"].where(known).sum()
    buyers = now["pay_users"] + past["pay_users"].where(known).sum()
    return (paid / buyers.where(buyers > 0)).fillna(0.0).to_numpy(float)


def _sized(
    units: pd.Index, pair: tuple[str, str], step: Step, later: list[Step], worth: stats.Floats, groups: np.ndarray, min_people: float
) -> pd.DataFrame:
    """The lines of one step: draws of the money, and what the bare rates would claim."""
    onward = np.prod([one.rate for one in later], axis=0) if later else 1.0
    money = step.n * closable(step.rate, step.target, upper_quartile(step.rate, groups)) * onward * worth
    bare, people = step.x / np.where(step.n > 0, step.n, np.nan), step.n
    bare_onward = np.prod([one.x / np.where(one.n > 0, one.n, np.nan) for one in later], axis=0) if later else 1.0
    bare_cap = upper_quartile(np.nan_to_num(bare), groups)
    lower, upper = np.quantile(money, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    made = pd.DataFrame({
        "unit": units, "below": pair[0], "above": pair[1], "people": people, "rate": step.rate.mean(axis=0), "raw_rate": bare,
        "baseline": step.baseline, "expected": step.expected, "basis": np.where(step.own, "own", "alike"), "sessions": step.past,
        "money": money.mean(axis=0), "lower": lower, "upper": upper, "chance": (money > 0).mean(axis=0),
        "raw_money": people * closable(bare, step.expected, bare_cap) * np.nan_to_num(bare_onward) * worth,
    })
    return made[(people >= min_people) & np.isfinite(step.baseline)]


COLUMNS = ["unit", "below", "above", "people", "rate", "raw_rate", "baseline", "expected", "basis", "sessions", "money",
           "lower", "upper", "chance", "raw_money", "rank"]


def _frame(parts: list[pd.DataFrame]) -> pd.DataFrame:
    if not parts:
        return pd.DataFrame(columns=COLUMNS)
    made = pd.concat(parts, ignore_index=True).sort_values("money", ascending=False, kind="stable", ignore_index=True)
    return made.assign(rank=np.arange(1.0, len(made) + 1))[COLUMNS]


# ------------------------------------------------------------------------------------------- what the lines rest on


def return_rates(products: pd.DataFrame, old: Iterable[str]) -> pd.Series:
    """Share of paid orders of each product that came back, by product_id, and of all of them under "".

    From the refunds of the sessions `old`, whose return window is over; a product of few orders is drawn to the others.
    Empty where no export gives refunds.
    """
    rows = products[products["session_id"].isin(set(old)) & products["sku_id"].isna()].dropna(subset=["refund_orders", "orders"])
    sums = rows.groupby("product_id")[["refund_orders", "orders"]].sum()
    sums = sums[(sums["orders"] > 0) & (sums["refund_orders"] <= sums["orders"])]
    if sums.empty:
        return pd.Series(dtype=float)
    rates = pd.Series(stats.shrink_rates(sums["refund_orders"], sums["orders"]).rate, index=sums.index)
    return pd.concat([rates, pd.Series({"": sums["refund_orders"].sum() / sums["orders"].sum()})])


def sold_out(cues: pd.DataFrame, spans: pd.DataFrame, sales: pd.DataFrame, *, started_at: pd.Timestamp, ended_at: pd.Timestamp) -> pd.DataFrame:
    """When products could not be bought: one row per product that ran out, with minutes and share (of its buyers' clicks).

    From floor control's stock changes (0 left, until the next count above 0 or the end). Clicks crowd where a product is
    explained (`spans`: product_id, start_minute, end_minute); how much, is taken from the order lines `sales` of the products
    that did not run out, which are made at other times for the same reason.
    """
    stock = cues[(cues["kind"] == "stock_change") & cues["stock_after"].notna()].sort_values("at", kind="stable")
    length = (ended_at - started_at) / pd.Timedelta("1min")
    empty = {product: _empty(rows, started_at, length) for product, rows in stock.groupby("product_id") if (rows["stock_after"] <= 0).any()}
    inside = _inside(sales[~sales["product_id"].isin(set(empty))], spans, started_at)
    rows = []
    for product, (begin, end) in ((product, piece) for product, pieces in empty.items() for piece in pieces):
        own = spans[spans["product_id"] == product]
        explained = float((own["end_minute"] - own["start_minute"]).sum())
        hit = float((np.minimum(own["end_minute"], end) - np.maximum(own["start_minute"], begin)).clip(lower=0).sum())
        share = (end - begin) / length if not explained else inside * hit / explained + (1 - inside) * (end - begin - hit) / max(length - explained, 1)
        rows.append((product, end - begin, share))
    return pd.DataFrame(rows, columns=["product_id", "minutes", "share"]).groupby("product_id", as_index=False).sum()


def _empty(rows: pd.DataFrame, started_at: pd.Timestamp, length: float) -> list[tuple[float, float]]:
    """Spans of minutes with nothing left, of one product's stock changes in their order."""
    at = ((rows["at"] - started_at) / pd.Timedelta("1min")).clip(0, length)
    later = at.shift(-1).fillna(length)
    return [(begin, end) for begin, end, left in zip(at, later, rows["stock_after"], strict=True) if left <= 0]


def _inside(sales: pd.DataFrame, spans: pd.DataFrame, started_at: pd.Timestamp) -> float:
    """Share of the order lines that were created while their own product was explained; 0 without any."""
    if sales.empty:
        return 0.0
    minute = pd.DataFrame({"line": range(len(sales)), "product_id": sales["product_id"].to_numpy(), "minute": ((sales["created_at"] - started_at) / pd.Timedelta("1min")).to_numpy()})
    joined = minute.merge(spans[["product_id", "start_minute", "end_minute"]], on="product_id")
    within = joined.loc[(joined["minute"] >= joined["start_minute"]) & (joined["minute"] < joined["end_minute"]), "line"]
    return within.nunique() / minute["product_id"].isin(spans["product_id"]).sum() if len(joined) else 0.0


def by_kind(
    tables: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]], chosen: Iterable[str], *, funnels: Mapping[str, Funnel],
    registry: Mapping[str, Metric], min_people: float, returns: pd.Series, sold_out: pd.DataFrame,
) -> pd.DataFrame:
    """The lines of products and of sources, the largest amount first: columns of `lines` and kind, name, metric, label_zh, label_en.

    `tables` holds for each canonical table this session's rows and earlier ones, `chosen` the comparable sessions. name is
    the product's name or the source; label_zh and label_en name the step (metric: its id where the registry has one). Rank
    counts within a kind: money of products and of sources is the same money, seen twice.
    """
    wanted, made = list(chosen), []
    for name, kind in KINDS.items():
        current, past = tables[kind.table]
        options = {}
        if kind.table == "products":
            current, past = (rows[rows["sku_id"].isna()] for rows in (current, past))
            options = {"groups": metrics.price_bands(current), "returns": returns.reindex(current["product_id"].unique()).fillna(returns.get("", 0.0)),
                       "sold_out": sold_out.set_index("product_id")["share"]}
        found = lines(current, past, wanted, funnels[kind.funnel], key=kind.key, min_people=min_people,
                      **({"returns": float(returns.get("", 0.0))} | options))
        names = current.set_index(kind.key)["name"] if "name" in current else pd.Series(dtype="str")
        made.append(found.assign(kind=name, name=found["unit"].map(names).fillna(found["unit"]), **_step_names(found, funnels[kind.funnel], kind.table, registry)))
    every = pd.concat([part.astype({"unit": "str", "name": "str"}) for part in made], ignore_index=True)
    return every.sort_values("money", ascending=False, kind="stable", ignore_index=True)


def _step_names(found: pd.DataFrame, funnel: Funnel, table: str, registry: Mapping[str, Metric]) -> dict[str, list[object]]:
    """Metric id and name of the step of each line: those of the registry, else the two steps of the funnel."""
    ids = [metrics.named(row.below, row.above, registry=registry, table="products" if table == "products" else "sessions") for row in found.itertuples()]
    words = {step.column: step for step in funnel.steps}
    names = {lang: [text.label(registry[name], lang) if name else f"{text.label(words[row.below], lang)} → {text.label(words[row.above], lang)}"
                    for name, row in zip(ids, found.itertuples(), strict=True)] for lang in ("zh", "en")}
    return {"metric": ids, "label_zh": names["zh"], "label_en": names["en"]}


def leading(table: pd.DataFrame, *, most: int = 10) -> pd.DataFrame:
    """The largest line of each product and source that is more likely a gap than none, the largest amounts first."""
    return table[table["chance"] > 0.5].drop_duplicates(["kind", "unit"]).head(most).reset_index(drop=True)


def to_findings(table: pd.DataFrame, *, registry: Mapping[str, Metric], currency: str, net: bool) -> pd.DataFrame:
    """The largest amounts whose interval leaves zero as findings, at most `FINDINGS`; `net`: whether returns are taken off.

    They size and do not judge (`not_comparable`): whether a source or product fell is tested elsewhere. ci_* bound the money.
    """
    made = [_finding(row, registry[row.metric], currency, net) for row in leading(table, most=len(table)).itertuples() if row.lower > 0 and isinstance(row.metric, str)]
    return findings.frame(made[:FINDINGS])


def _finding(row, metric: Metric, currency: str, net: bool) -> dict[str, object]:
    said = {lang: _sentence(row, metric, lang, currency, net) for lang in ("zh", "en")}
    slice_of = f"{text.plain(row.name, 30)} ({row.unit})" if row.kind == "product" else str(row.unit)
    return findings.make(
        notebook=NOTEBOOK, dimension=metric.group, metric=row.metric, slice=slice_of, value=row.rate, baseline=row.expected, verdict="not_comparable",
        money_at_stake=row.money, ci_lower=row.lower, ci_upper=row.upper, sentence_zh=said["zh"], sentence_en=said["en"],
    )


def _sentence(row, metric: Metric, lang: str, currency: str, net: bool) -> str:
    name, what = text.plain(row.name, 30), text.label(metric, lang)
    rate, base, due = (text.percent(one, metric.decimals) for one in (row.rate, row.baseline, row.expected))
    money, level = text.money(row.money, lang, currency), text.percent(LEVEL, 0)
    bounds = text.interval(row.lower, row.upper, "money", lang, currency=currency)
    if lang == "zh":
        whose = f"对照自身 {row.sessions} 场可比场次合计的" if row.basis == "own" else "对照同类平均的"
        moved = f"（按本场整体的变化应有 {due}）" if due != base else ""
        return f"「{name}」{what}约 {rate}，{whose} {base}{moved}；现实中补得回约 {money}（{level}区间 {bounds}{'，已扣预计退货' if net else '，未扣退货'}）。"
    whose = f"its own {row.sessions} comparable sessions together" if row.basis == "own" else "the mean of its like"
    moved = f" ({due} as this session went)" if due != base else ""
    return (f"“{name}”, {what.lower()}: about {rate} against {base} in {whose}{moved}. Realistically about {money} could be won back "
            f"({level} interval {bounds}, {'returns taken off' if net else 'returns not taken off'}).")
