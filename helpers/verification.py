"""Did the plan work? Sessions after an action against the sessions before it, never against the bad one alone.

The session that a plan came from was picked because it was bad, so the next one is better by itself (regression to the
mean): of products picked as worst with nothing done, most "improve". The baseline is the sessions before the flagged
one, and the interval holds the variation from session to session.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats as distributions

from helpers import aftersales, compare, findings, metrics, reference, text

FEWEST_BEFORE = 4
MOST_BEFORE = 15  # further back an account is another account: hosts, seasons and prices change
MOST_FURTHER = 60
INTERIM_SHARE = 0.2  # of the error allowed, spent on looks before the planned number of sessions is reached
COLUMNS = [
    "plan_id", "session_id", "metric", "slice", "problem", "action", "owner_role", "status", "verdict", "n_before",
    "n_after", "n_planned", "flagged", "before", "after", "expected", "expected_rebound", "effect", "effect_lower",
    "effect_upper", "least_effect", "further_sessions", "final", "reason_zh", "reason_en",
]


class Effect(NamedTuple):
    """An action's effect on its metric in the good direction (0.1: 10 % better), with its interval.

    `before` and `after` are (geometric) means; `sd` is from session to session on the scale compared; `expected` is
    what the next session would have shown without any action.
    """

    effect: float
    lower: float
    upper: float
    before: float
    after: float
    expected: float
    sd: float
    n_before: int
    n_after: int


def _known(values: npt.ArrayLike) -> np.ndarray:
    array = np.asarray(values, dtype=float)
    return array[np.isfinite(array)]


def effect(
    before: npt.ArrayLike, after: npt.ArrayLike, *, flagged: float = np.nan, bigger_is_better: bool = True, error: float = 0.05,
) -> Effect:
    """Mean of the sessions after against the mean before: d +- t(n-1) s sqrt(1/n_after + 1/n_before), s from before.

    On the log scale where all values are positive, else relative to the mean before. `flagged` is the value of the
    session that the plan came from: it is no part of the baseline, but of what to expect without action,
    (n mean + flagged) / (n + 1). `nan` bounds with fewer than `FEWEST_BEFORE` sessions before or none after.
    Effects are in the good direction: for a metric that should fall, a fall by 10 % is an effect of +0.1.
    """
    y0, y1 = _known(before), _known(after)
    if len(y0) < FEWEST_BEFORE or len(y1) == 0:
        mean0, mean1 = (float(y.mean()) if len(y) else np.nan for y in (y0, y1))
        return Effect(np.nan, np.nan, np.nan, mean0, mean1, np.nan, np.nan, len(y0), len(y1))
    log = bool((y0 > 0).all() and (y1 > 0).all())
    level = 1.0 if log else abs(y0.mean()) or 1.0
    x0, x1 = (np.log(y0), np.log(y1)) if log else (y0 / level, y1 / level)
    back = np.exp if log else (lambda x: x * level)
    sd, n = float(x0.std(ddof=1)), len(x0)
    half = distributions.t.ppf(1 - error / 2, n - 1) * sd * np.sqrt(1 / len(x1) + 1 / n)
    gap = x1.mean() - x0.mean()
    bounds = np.array([gap, gap - half, gap + half])
    relative = np.expm1(bounds) if log else bounds
    value, low, high = relative if bigger_is_better else -relative[[0, 2, 1]]
    bad = np.nan if not np.isfinite(flagged) or (log and flagged <= 0) else (np.log(flagged) if log else flagged / level)
    expected = back((n * x0.mean() + bad) / (n + 1)) if np.isfinite(bad) else back(x0.mean())
    return Effect(float(value), float(low), float(high), float(back(x0.mean())), float(back(x1.mean())), float(expected), sd, n, len(x1))


def verdict(lower: float, value: float, upper: float, least_effect: float) -> str:
    """harmful, effective_but_small, effective, not_effective or cannot_tell, in this order.

    Interval below 0: harmful. Above 0 but all of it under the least useful effect: effective but small. Above 0 and the
    point at least that effect: effective. All of it under that effect: not effective. Else it cannot be told.
    """
    if not np.isfinite([lower, value, upper]).all():
        return "cannot_tell"
    if upper < 0:
        return "harmful"
    if lower > 0 and upper < least_effect:
        return "effective_but_small"
    if lower > 0 and value >= least_effect:
        return "effective"
    if upper < least_effect:
        return "not_effective"
    return "cannot_tell"


def further_sessions(found: Effect, least_effect: float, *, error: float = 0.05, power: float = 0.80) -> float:
    """How many more sessions are needed to see the effect (the least useful one, or the larger one seen so far).

    With the variation of the baseline and the given power; `inf` where `MOST_FURTHER` would not do: then the metric
    varies too much from session to session for this plan, and `nan` where there is no effect to reckon with.
    """
    if not np.isfinite(found.effect) or not np.isfinite(found.sd):
        return np.nan
    aim = np.log1p(max(least_effect, found.effect))
    quantiles = distributions.t.ppf([1 - error / 2, power], found.n_before - 1).sum()
    for total in range(found.n_after + 1, found.n_after + MOST_FURTHER + 1):
        if quantiles * found.sd * np.sqrt(1 / total + 1 / found.n_before) <= aim:
            return float(total - found.n_after)
    return np.inf


def error_at_look(n_after: int, planned: int, error: float) -> float:
    """The error that one look may spend: looks before the planned number share a fifth of it, the last has the rest."""
    if planned <= 1:
        return error
    return (1 - INTERIM_SHARE) * error if n_after >= planned else INTERIM_SHARE * error / (planned - 1)


def _after_from(row: pd.Series, sessions: pd.DataFrame, flagged_at: pd.Timestamp) -> pd.Timestamp:
    """When the action began to hold: the due session's start where the row names one, else just after the flagged one."""
    due = row.get("due_session")
    known = sessions.set_index("session_id")["started_at"]
    return max(known[due], flagged_at) if isinstance(due, str) and due in known.index else flagged_at


def _reason(zh: str, en: str) -> dict[str, str]:
    return {"reason_zh": zh, "reason_en": en}


def _verify_row(row: pd.Series, values: pd.DataFrame, sessions: pd.DataFrame, registry: dict[str, reference.Metric], error: float) -> dict[str, object]:
    made: dict[str, object] = {name: row.get(name) for name in COLUMNS if name in row.index}
    planned = int(row["sessions"]) if pd.notna(row["sessions"]) else 1
    made |= {"n_planned": planned, "verdict": "cannot_tell", "final": False, "further_sessions": np.nan, **_reason("", "")}
    known = sessions.set_index("session_id")["started_at"]
    if row["status"] != "done":
        return made | {"verdict": "not_done", **_reason("该项未标记为已执行", "not marked as done")}
    if row["session_id"] not in known.index:
        return made | _reason("计划所出的场次不在数据里", "the session of the plan is not in the data")
    if row["metric"] not in registry:
        return made | _reason("验证指标不在指标库里", "the verifying metric is not in the registry")
    metric = registry[row["metric"]]
    if metric.bigger_is_better is None:
        return made | {"verdict": "not_comparable", **_reason("该指标没有好坏方向", "the metric has no good direction")}
    own = values[(values["metric"] == row["metric"]) & (values["slice"] == findings.slice_key(row["slice"]))].dropna(subset=["value"]).sort_values("started_at")
    flagged_at = known[row["session_id"]]
    started = _after_from(row, sessions, flagged_at)
    before = own[own["comparable"] & (own["started_at"] < flagged_at)].tail(MOST_BEFORE)
    later = own[(own["started_at"] > flagged_at) & (own["started_at"] >= started)]
    after = later[later["comparable"]].head(planned)
    if len(later) and after.empty:
        return made | {"verdict": "not_comparable", **_reason("之后的场次类型不同，不可比", "the sessions since are of another kind")}
    if after.empty:
        return made | _reason("执行后还没有该指标的数据", "no value of the metric since the action")
    flagged = own.loc[own["session_id"] == row["session_id"], "value"]
    allowed = error_at_look(len(after), planned, error)
    found = effect(
        before["value"], after["value"], flagged=flagged.iloc[0] if len(flagged) else np.nan,
        bigger_is_better=metric.bigger_is_better, error=allowed,
    )
    said = verdict(found.lower, found.effect, found.upper, row["least_effect"])
    rebound = found.expected / flagged.iloc[0] - 1 if len(flagged) and flagged.iloc[0] else np.nan
    made |= {
        "verdict": said, "n_before": found.n_before, "n_after": found.n_after, "flagged": flagged.iloc[0] if len(flagged) else np.nan,
        "before": found.before, "after": found.after, "expected": found.expected, "expected_rebound": rebound,
        "effect": found.effect, "effect_lower": found.lower, "effect_upper": found.upper, "final": found.n_after >= planned,
    }
    if found.n_before < FEWEST_BEFORE:
        return made | _reason(f"此前可比场次只有 {found.n_before} 场", f"only {found.n_before} comparable sessions before")
    if said == "cannot_tell":
        made["further_sessions"] = further_sessions(found, row["least_effect"], error=error)
    return made


def _by_slice(rows: pd.DataFrame, slice: str, wanted: pd.DataFrame, registry: dict[str, reference.Metric]) -> pd.DataFrame:
    """Values of the metrics that plan rows name for slices of this kind: session_id, metric, value, slice."""
    keys = set(rows[slice].dropna())
    named = wanted[[findings.slice_key(one) in keys for one in wanted["slice"]]] if len(wanted) else wanted
    ids = [name for name in named["metric"].unique() if name in registry]
    own = rows[rows[slice].isin([findings.slice_key(one) for one in named["slice"]])]
    if own.empty or not ids:
        return pd.DataFrame({"session_id": [], "metric": [], "value": [], "slice": []})
    made = metrics.evaluate(own, ids, registry=registry, by=["session_id", slice])
    return made.rename(columns={slice: "slice"})[["session_id", "metric", "value", "slice"]]


def gather(
    sessions: pd.DataFrame, lines: pd.DataFrame, *, plans: pd.DataFrame, enquiries: pd.DataFrame, traffic: pd.DataFrame, products: pd.DataFrame,
    session_id: str, as_of: pd.Timestamp, registry: dict[str, reference.Metric],
) -> pd.DataFrame:
    """Every value that the plan rows may name: one row per session_id x metric x slice (slice "" for the whole).

    Session metrics with totals per hour (`compare.on_one_scale`), the refund rate of order lines at the age of the
    session under review (a younger session always looks better), the metrics of enquiries, and for the sources and
    products that plan rows name their own metrics.
    """
    values = metrics.by_session(sessions, compare.comparable_metrics(registry), registry=registry)
    parts = [compare.on_one_scale(values, sessions, registry)]
    own = lines[lines["session_id"] == session_id]
    if len(own):
        age = ((as_of - own["paid_at"]) / aftersales.DAY).mean()
        same = aftersales.rates_at_age(lines, age_days=age, as_of=as_of).rename(columns={"rate": "value"})
        # The session itself is only about as old as its own mean age: its rate is the one so far.
        now = pd.DataFrame({"session_id": [session_id], "value": [own["refunded"].mean()]})
        parts.append(pd.concat([same[same["session_id"] != session_id], now]).assign(metric="refund_rate_orders"))
    of_service = [name for name, metric in registry.items() if metric.table == "service"]
    known = enquiries.dropna(subset=["session_id"])
    if len(known) and of_service:
        parts.append(metrics.evaluate(known, of_service, registry=registry, by="session_id"))
    whole = pd.concat([part[["session_id", "metric", "value"]] for part in parts], ignore_index=True).assign(slice="")
    wanted = plans[plans["slice"] != ""]
    goods = products[products["sku_id"].isna()]
    return pd.concat([whole, _by_slice(traffic, "source", wanted, registry), _by_slice(goods, "product_id", wanted, registry)], ignore_index=True)


def _disturbed(values: pd.DataFrame, sessions: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    """Whether a logged event that names the metric lay over the session."""
    windows = compare.event_windows(events).dropna(subset=["metric"])
    found = pd.Series(False, index=values.index)
    start = values["session_id"].map(sessions.set_index("session_id")["started_at"])
    for event in windows.itertuples():
        found |= values["metric"].eq(event.metric) & (start >= windows.at[event.Index, "from"]) & (start <= event.to)
    return found


def history(values: pd.DataFrame, sessions: pd.DataFrame, *, room_of: str, events: pd.DataFrame) -> pd.DataFrame:
    """Metric values by session as `verify` reads them: one row per session x metric x slice.

    `values` are tidy (session_id, metric, value, and slice where there is one), `room_of` is the session under review.
    Columns: session_id, started_at, metric, slice, value, comparable: whether the session is of the same platform and
    room, no promotion or clearance, and not under a logged event that names the metric. Sessions after the one under
    review are left out.
    """
    known = sessions.set_index("session_id")
    own = known.loc[room_of]
    started, kind = (values["session_id"].map(known[name]) for name in ("started_at", "kind"))
    same_room = pd.Series(True, index=values.index)
    for name in ("platform", "room"):
        theirs = values["session_id"].map(known[name])
        same_room &= theirs.eq(own[name]) | (theirs.isna() & pd.isna(own[name]))
    ordinary = ~kind.isin(["promotion", "clearance"])
    made = values.assign(started_at=started, comparable=same_room & ordinary & ~_disturbed(values, sessions, events))
    made["slice"] = made["slice"].fillna("") if "slice" in made else ""
    kept = made[made["started_at"] <= own["started_at"]]
    return kept[["session_id", "started_at", "metric", "slice", "value", "comparable"]].reset_index(drop=True)


def verify(
    plans: pd.DataFrame, values: pd.DataFrame, sessions: pd.DataFrame, *, registry: dict[str, reference.Metric], error: float = 0.05,
) -> pd.DataFrame:
    """Verdicts on the plan rows of earlier sessions, one row per plan row, columns `COLUMNS`.

    `plans` are plan rows (helpers.planfile.COLUMNS), `values` is `history` up to the session under review. The
    baseline are the comparable sessions before the flagged session, the outcome the first `sessions` comparable ones
    from the due session on. before, after, flagged and expected are in the metric's unit; effects are relative and in
    the good direction; `further_sessions` says how many more would do (`inf`: more than 60); `final` whether the
    planned number of sessions is reached, before which a fifth of the error is spent on all looks together.
    """
    rows = [_verify_row(row, values, sessions, registry, error) for _, row in plans.iterrows()]
    made = pd.DataFrame(rows, columns=COLUMNS)
    numbers = [name for name in COLUMNS if name.startswith(("n_", "effect", "expected", "further")) or name in ("flagged", "before", "after", "least_effect")]
    return made.astype(dict.fromkeys(numbers, "float64"))


def for_table(checked: pd.DataFrame, registry: dict[str, reference.Metric], *, lang: str, currency: str = "CNY") -> pd.DataFrame:
    """Verdicts to be read: one row per plan row, values in words with their units, effects as percentages.

    Columns: action, verify, before, after, expected, effect, effect_lower (the whole
    interval), n_before, n_after, plan_verdict.
    """
    rows = []
    for _, row in checked.iterrows():
        metric = registry.get(row["metric"])
        unit, decimals = (metric.unit, metric.decimals) if metric else ("score", 2)
        rows.append({
            "action": row["action"], "verify": row["metric"],
            **{name: text.value(row[name], unit, lang, decimals=decimals, currency=currency) for name in ("before", "after", "expected")},
            "effect": text.signed(row["effect"], "percent", lang),
            "effect_lower": text.interval(row["effect_lower"], row["effect_upper"], "percent", lang) if np.isfinite(row["effect"]) else text.NOTHING,
            "n_before": row["n_before"], "n_after": row["n_after"], "plan_verdict": row["verdict"],
        })
    return pd.DataFrame(rows, columns=["action", "verify", "before", "after", "expected", "effect", "effect_lower", "n_before", "n_after", "plan_verdict"])


def sentence(row: pd.Series, registry: dict[str, reference.Metric], *, lang: str, currency: str = "CNY") -> str:
    """One verdict in words: what was done, what the metric did against the sessions before, and what that says."""
    said = text.label(reference.terms()["plan_verdict"][row["verdict"]], lang)
    metric = registry.get(row["metric"])
    name = text.label(metric, lang) if metric else row["metric"]
    head = text.choose(lang, f"「{text.plain(row['action'], 40)}」：{said}。", f"“{text.plain(row['action'], 60)}”: {said.lower()}. ")
    if metric is None or not np.isfinite(row["effect"]):
        reason = row[f"reason_{lang}"]
        return head + (text.choose(lang, f"{reason}。", f"{reason[:1].upper()}{reason[1:]}.") if reason else "")
    show = {key: text.value(row[key], metric.unit, lang, decimals=metric.decimals, currency=currency) for key in ("before", "after", "expected")}
    change, bounds = text.signed(row["effect"], "percent", lang), text.interval(row["effect_lower"], row["effect_upper"], "percent", lang)
    body = text.choose(
        lang,
        f"{name}：此前 {row['n_before']:.0f} 场 {show['before']}，之后 {row['n_after']:.0f} 场 {show['after']}，向好 {change}（区间 {bounds}）；什么都不做预计也有 {show['expected']}。",
        f"{name}: {show['before']} over {row['n_before']:.0f} sessions before, {show['after']} over {row['n_after']:.0f} since, {change} for the better ({bounds}); without any action {show['expected']} was to be expected.",
    )
    return head + body + _further(row["further_sessions"], lang)


def _further(n: float, lang: str) -> str:
    if np.isnan(n):
        return ""
    if np.isinf(n):
        return text.choose(lang, "该指标场次间波动太大，再看 60 场也分不清。", f" It varies too much between sessions: {MOST_FURTHER} more would not settle it.")
    return text.choose(lang, f"还需 {n:.0f} 场。", f" {n:.0f} more sessions are needed.")
