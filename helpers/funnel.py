"""The session by itself: its key figures, and its funnels by source and by product.

Nothing here is a judgement against the account's history (that is `compare`): a slice is set against the other slices
of the same session, and every rate travels with its interval. People are de-duplicated within one row of a table, so
slices are never added up to people; where "the others together" are needed, people count once in every slice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from helpers import findings, metrics, reference, stats, text
from helpers.metrics import MetricError
from helpers.reference import Funnel, Metric

NOTEBOOK = "02_funnel"
FEWEST_SESSIONS = 3   # of a group whose rates are shown over sessions
EACH = 2              # facts of a topic among the foremost
GROUPS = ("traffic", "fans", "interaction", "click", "conversion", "sales")
SOURCE_METRICS = [
    "exposure_view_rate", "product_click_rate", "click_pay_rate", "room_conversion", "view_order_rate_times",
    "avg_watch_seconds", "uv_value", "ad_roi",
]
PRODUCT_METRICS = [
    "item_click_rate", "item_click_pay_rate", "item_exposure_pay_rate", "item_exposure_value", "item_customer_price",
]


# ---- key figures -------------------------------------------------------------------------------------------------


def key_figures(
    session: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95
) -> pd.DataFrame:
    """Every metric of one session, in the textbook's groups (直播复盘与售后跟踪: 流量、粉丝、互动、点击、转化, then sales).

    `session` is the session's row of `sessions`. One row per metric, in the registry's order; columns: group, metric,
    label_zh, label_en, unit, value, ci_lower, ci_upper, formula_zh, formula_en, description_zh, description_en; value
    is nan where the session's exports do not carry a term. Raises `MetricError` for more than one row.
    """
    ids = [name for name, m in registry.items() if m.table == "sessions" and m.group in GROUPS]
    values = metrics.by_session(_one_row(session), ids, registry=registry, confidence=confidence)
    words = metrics.glossary(registry, ids)
    figures = words.merge(values[["metric", "value", "ci_lower", "ci_upper"]], on="metric", validate="one_to_one")
    rank = figures["group"].map({name: place for place, name in enumerate(GROUPS)})
    return figures.iloc[rank.argsort(kind="stable")].reset_index(drop=True)


def missing_columns(session: pd.DataFrame, figures: pd.DataFrame, registry: Mapping[str, Metric], lang: str) -> list[str]:
    """Names of the columns for want of which some key figure has no value, in the order of the sessions table."""
    lacking = {term for name in figures.loc[figures["value"].isna(), "metric"] for term in metrics.terms(registry[name])}
    row = _one_row(metrics.with_derived(session)).iloc[0]
    columns = reference.tables()["sessions"].columns
    return [text.label(column, lang) for name, column in columns.items() if name in lacking and np.isnan(_number(row, name))]


def unknown_words(session: pd.DataFrame, figures: pd.DataFrame, registry: Mapping[str, Metric], lang: str) -> str:
    """Which key figures have no value and which columns they want, in a sentence; nothing where all have one."""
    lost = figures.loc[figures["value"].isna(), f"label_{lang}"].tolist()
    lacking = missing_columns(session, figures, registry, lang)
    join = text.choose(lang, "、", ", ").join
    why = text.choose(lang, f"；本场的导出里没有：{join(lacking)}", f". This session's exports lack: {join(lacking)}") if lacking else text.choose(lang, "：分母为零", ": a denominator is zero")
    return text.choose(lang, f"{len(lost)} 个指标算不出：{join(lost)}{why}。", f"{len(lost)} metrics cannot be computed: {join(lost)}{why}.") if lost else ""


def partly_missing(session: pd.DataFrame, tables: Mapping[str, pd.DataFrame], registry: Mapping[str, Metric], funnels: Mapping[str, Funnel], lang: str) -> list[str]:
    """What the exports of a session do not let one compute or draw though their tables are there: key figures, two funnels; in sentences.

    `session` is its row of `sessions`, `tables` the session's rows of the tables that the funnels read.
    """
    counts = {name: counted(tables, funnels[name]) for name in ("enquiry", "ads_times") if len(tables[funnels[name].table])}
    said = [unknown_words(session, key_figures(session, registry), registry, lang), *(lacking_words(row, funnels[name], lang) for name, row in counts.items())]
    return [words for words in said if words]


def _one_row(frame: pd.DataFrame) -> pd.DataFrame:
    if len(frame) != 1:
        raise MetricError(f"expected the one row of a session, found {len(frame)}: people of several are not added up")
    return frame


# ---- funnels -----------------------------------------------------------------------------------------------------


def steps(row: pd.Series | pd.DataFrame, funnel: Funnel, *, confidence: float = 0.95) -> pd.DataFrame:
    """The steps of one funnel for one row (a session, a source, a product), each against the step before and the first.

    One row per step. Columns: step (from 1), column, label_zh, label_en, users (people, or events where the funnel's
    unit is times; nan where the export lacks it), previous (the last known step before), rate_of_previous, ci_lower,
    ci_upper, rate_of_first, first_lower, first_upper, grows. Wilson intervals for funnels of people only. `grows` marks
    a step larger than the one before: no funnel, so its numbers come from different definitions or have gaps.
    Raises `MetricError` for a frame of several rows (by_rows does those one by one).
    """
    row = _one_row(row).iloc[0] if isinstance(row, pd.DataFrame) else row
    table = pd.DataFrame({
        "step": range(1, len(funnel.steps) + 1), "column": [step.column for step in funnel.steps],
        "label_zh": [step.zh for step in funnel.steps], "label_en": [step.en for step in funnel.steps],
        "users": [_number(row, step.column) for step in funnel.steps],
    })
    known = table["users"].dropna()
    before, first = known.shift(), known.iloc[0] if len(known) else np.nan
    of_people = funnel.unit == "users" and funnel.mixed_units is None
    lower, upper = _bounds(known, before, of_people, confidence)
    base = (known * 0 + first).where(known.index != known.index.min())  # the first step is all of itself, without doubt
    first_lower, first_upper = _bounds(known, base, of_people, confidence)
    return table.assign(
        previous=table["column"].loc[known.index].shift().reindex(table.index),
        rate_of_previous=_rate(known, before), ci_lower=lower, ci_upper=upper,
        rate_of_first=_rate(known, known * 0 + first), first_lower=first_lower, first_upper=first_upper,
        grows=(known > before).reindex(table.index, fill_value=False),
    )


def by_rows(frame: pd.DataFrame, funnel: Funnel, key: str, *, confidence: float = 0.95) -> pd.DataFrame:
    """The steps of every row of a frame, with its `key` before them: one row per key value x step."""
    parts = [steps(row, funnel, confidence=confidence).assign(**{key: row[key]}) for _, row in frame.iterrows()]
    if not parts:
        return steps(pd.Series(dtype=float), funnel).iloc[:0].assign(**{key: pd.Series(dtype="str")})
    made = pd.concat(parts, ignore_index=True)
    return made[[key, *made.columns.drop(key)]]


def with_paid(traffic: pd.DataFrame, entry: Funnel, lang: str, *, confidence: float = 0.95) -> pd.DataFrame:
    """`by_rows` of the sources with those of paid and of organic sources taken together below them, where sources are marked.

    People who came through several sources count once in each, so the rows taken together have no interval.
    """
    made, words = by_rows(traffic, entry, "source", confidence=confidence), reference.terms()["is_paid"]
    for name, rows in (("paid", traffic[traffic["is_paid"].fillna(False)]), ("organic", traffic[~traffic["is_paid"].fillna(True)])):
        if len(rows) > 1:
            label = f"{text.label(words[name], lang)}{text.choose(lang, '（合计）', ' (together)')}"
            whole = steps(rows[[step.column for step in entry.steps]].sum(min_count=1), entry).assign(source=label)
            made = pd.concat([made, whole.assign(**{bound: np.nan for bound in ("ci_lower", "ci_upper", "first_lower", "first_upper")})], ignore_index=True)
    return made


def several(row: pd.Series, funnels: Mapping[str, Funnel], *, confidence: float = 0.95) -> pd.DataFrame:
    """The steps of several funnels of one row, those of which two steps are known at least: one row per funnel x step.

    Columns: funnel (its id), funnel_zh, funnel_en, then those of `steps`.
    """
    parts = [
        steps(row, entry, confidence=confidence).assign(funnel=name, funnel_zh=entry.zh, funnel_en=entry.en)
        for name, entry in funnels.items()
    ]
    made = pd.concat(parts, ignore_index=True)
    known = made.groupby("funnel")["users"].transform("count") > 1
    names = ["funnel", "funnel_zh", "funnel_en"]
    return made.loc[known, [*names, *made.columns.drop(names)]].reset_index(drop=True)


def counted(tables: Mapping[str, pd.DataFrame], entry: Funnel) -> pd.Series:
    """The counts of a funnel whose steps stand in tables of many rows (enquiries, ads), as the row that `steps` reads.

    `tables` holds one session's rows by table. Ids are counted once each, flags where they are true, events and orders are
    added up; people are taken from a table of one row and never added up. A step whose table is empty is missing.
    """
    return pd.Series({step.column: _counted(tables[step.of or entry.table], step.of or entry.table, step.column) for step in entry.steps}, dtype=float)


def lacking_words(counts: pd.Series, entry: Funnel, lang: str) -> str:
    """Which steps a funnel lacks where fewer than two are known, so that there is nothing to set against each other; else nothing."""
    lost = [text.label(step, lang) for step in entry.steps if pd.isna(counts[step.column])]
    if len(entry.steps) - len(lost) > 1:
        return ""
    return text.choose(lang, f"{entry.zh}画不出：本场的数据里没有{'、'.join(f'「{name}」' for name in lost)}。",
                       f"{entry.en}: there is none, as this session's data lack {', '.join(f'“{name.lower()}”' for name in lost)}.")


def _counted(rows: pd.DataFrame, table: str, column: str) -> float:
    values, kind = rows[column].dropna(), reference.tables()[table].columns[column].kind
    if values.empty or (kind == "users" and len(rows) > 1):
        return np.nan
    return float(values.nunique() if kind == "id" else values.astype(float).sum())


def over_sessions(sessions: pd.DataFrame, entry: Funnel, by: str) -> pd.DataFrame:
    """The rates of a funnel's steps over the sessions of each group (host, time slot): one row per group x step.

    Ratio of sums over sessions that know every step that any of them knows; each session is a scope of its own, so the people
    of several are a denominator and never a count. Columns: `by`, sessions, step, column, label_zh, label_en,
    rate_of_previous, rate_of_first. No intervals: sessions differ by more than counting. Groups of fewer than
    `FEWEST_SESSIONS` sessions are left out.
    """
    known = [step.column for step in entry.steps if sessions[step.column].notna().any()]
    grouped = sessions.dropna(subset=[*known, by]).groupby(by, sort=True)
    parts = [steps(rows[known].sum(), entry).assign(**{by: name}, sessions=len(rows)) for name, rows in grouped if len(rows) >= FEWEST_SESSIONS]
    columns = [by, "sessions", "step", "column", "label_zh", "label_en", "rate_of_previous", "rate_of_first"]
    made = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return made.astype({"rate_of_previous": float, "rate_of_first": float})


def time_slot(started_at: pd.Series) -> pd.Series:
    """The three hours of the day in which each session starts, e.g. 18:00–21:00."""
    first = started_at.dt.hour // 3 * 3
    return first.map(lambda hour: f"{hour:02d}:00–{hour + 3:02d}:00").astype("str")


def known_steps(table: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The steps that have a number, with `label` in the language asked for, as the funnel chart takes them."""
    return table[table["users"].notna()].assign(label=lambda t: t[f"label_{lang}"]).reset_index(drop=True)


def grown(table: pd.DataFrame, entry: Funnel, *, of: str | None = None) -> pd.DataFrame:
    """The steps that are larger than the one before, with what that most likely means: one row per step (and slice).

    `table` is that of `steps`, `several` or `by_rows`, `of` the column that names the slice. Columns: slice (empty for the
    whole session), before_zh, before_en, label_zh, label_en, before, users, reason_zh, reason_en (empty where funnels.yml has none).
    """
    labels, why = {step.column: step for step in entry.steps}, {step.column: step.grows for step in entry.steps}
    known = table[table["users"].notna()].assign(slice=table[of] if of else "")
    before = known.groupby("slice", sort=False)["users"].shift()
    rows = known.assign(before=before)[known["grows"]]
    words = {
        **{f"before_{lang}": [text.label(labels[name], lang) for name in rows["previous"]] for lang in ("zh", "en")},
        **{f"reason_{lang}": [text.label(why[name], lang) if why[name] else "" for name in rows["column"]] for lang in ("zh", "en")},
    }
    columns = ["slice", "before_zh", "before_en", "label_zh", "label_en", "before", "users", "reason_zh", "reason_en"]
    return rows.assign(**words)[columns].reset_index(drop=True)


def grown_words(found: pd.DataFrame, lang: str, *, unit: str = "users") -> list[str]:
    """A sentence per step that grows: the two counts, that their ratio is no conversion, and the likely clash of definitions."""
    told, made = found.groupby(["before_zh", "label_zh"], sort=False), []
    for _, rows in told:
        row, names = rows.iloc[0], [text.plain(name, 20) for name in rows["slice"] if name]
        which = text.choose(lang, f"（{'、'.join(names)}）", f" ({', '.join(names)})") if names else ""
        counts = [text.value(row[name], unit, lang) for name in ("users", "before")]
        why = text.choose(lang, f"常见的原因：{row['reason_zh']}。", f" The likely reason: {row['reason_en']}.") if row[f"reason_{lang}"] else ""
        made.append(text.choose(
            lang, f"「{row['label_zh']}」{which}比上一步「{row['before_zh']}」还多（{counts[0]} 对 {counts[1]}）：两步的口径不同或数据不全，这一比率不是转化率，不要拿来比。{why}",
            f"“{row['label_en']}”{which} is larger than the step before, “{row['before_en']}” ({counts[0]} against {counts[1]}): the two are counted differently or have gaps, and their ratio is no conversion rate.{why}"))
    return made


def _number(row: pd.Series, column: str) -> float:
    value = row.get(column, np.nan)
    return float(value) if pd.notna(value) else np.nan


def _rate(above: pd.Series, below: pd.Series) -> pd.Series:
    return above / below.where(below != 0)


def _bounds(above: pd.Series, below: pd.Series, wanted: bool, confidence: float) -> tuple[pd.Series, pd.Series]:
    if not wanted:
        return above * np.nan, above * np.nan
    lower, upper = stats.wilson(above, below, confidence=confidence)
    return pd.Series(lower, index=above.index), pd.Series(upper, index=above.index)


def heat(
    each: pd.DataFrame, key: str, lang: str, *, min_people: float = 0, confidence: float = 0.95, false_discovery_rate: float = 0.10, least_effect: float = 0.10,
    only_apart: bool = False,
) -> pd.DataFrame:
    """Rates of the steps of every slice as the heat chart takes them: row (the slice), column (the step), value, shade.

    `each` is the table of by_rows or over_sessions. Steps that no slice knows the rate of are left out, and so are ratios of
    steps that grow (no rates). shade is by how much the rate is off that of the other slices together, in doublings (0.26 is a fifth
    more), so that each step has a scale of its own; of rates without counts the median is what they are off. A slice's step has a
    colour where `against_others` says above or below, as in the tables of sources and products: what is not told apart has none (0).
    With `only_apart` slices of which no cell has one are left out.
    """
    known = each.assign(value=each["rate_of_previous"].where(~each["grows"]) if "grows" in each else each["rate_of_previous"])
    known = known.assign(before=_before(known, key)) if "users" in known else known
    known = known[known.groupby("step")["value"].transform("count") > 0]
    bounds = {"min_people": min_people, "confidence": confidence, "false_discovery_rate": false_discovery_rate, "least_effect": least_effect}
    off = _off_others(known, bounds) if "users" in known else known["value"] / known.groupby("step")["value"].transform("median")
    shade = np.log2(off.where(off >= 0).clip(lower=2**-8)).mask(known["value"].isna())
    made = pd.DataFrame({"row": known[key], "column": known[f"label_{lang}"], "value": known["value"], "shade": shade})
    unlike = made["shade"].fillna(0).ne(0).groupby(made["row"]).transform("any")
    return made[unlike | (not only_apart)].reset_index(drop=True)


def _off_others(known: pd.DataFrame, bounds: Mapping[str, float]) -> pd.Series:
    """Each cell's rate over that of the other slices at the step, 1 where the two are not told apart; aligned to the rows.

    Rows without an interval (the sums of paid and organic sources) are no slices: they are neither judged nor among the others.
    """
    parts = [against_others(rows, numerator="users", denominator="before", **bounds) for _, rows in known[known["ci_lower"].notna()].groupby("step")]
    stands = pd.concat(parts).reindex(known.index) if parts else pd.DataFrame(columns=["rate", "others_rate", "standing"], index=known.index)
    return (stands["rate"] / stands["others_rate"]).astype(float).where(stands["standing"].isin(["above", "below"]), 1.0)


def _before(known: pd.DataFrame, key: str) -> pd.Series:
    """How many were at the step before, of each slice; aligned to the rows, missing where the step's rate is none."""
    return known[known["users"].notna()].groupby(key)["users"].shift().reindex(known.index).where(known["value"].notna())


# ---- a slice against the others of the session -------------------------------------------------------------------


def limits(thresholds: Mapping[str, float]) -> dict[str, float]:
    """The bounds that slices are judged with, from the thresholds that a team may tune."""
    return {
        "min_people": thresholds["min_people_for_ranking"], "confidence": thresholds["confidence"],
        "false_discovery_rate": thresholds["false_discovery_rate"], "least_effect": thresholds["least_effect"],
    }


def against_others(
    frame: pd.DataFrame, *, numerator: str, denominator: str, min_people: float, confidence: float = 0.95,
    false_discovery_rate: float = 0.10, least_effect: float = 0.10,
) -> pd.DataFrame:
    """Each row's rate against that of all other rows together, people counting once in each row.

    One row per row of `frame`, same index. Columns: people (the denominator), rate, ci_lower, ci_upper (Wilson),
    others_rate, ratio (rate ÷ others_rate), ratio_lower, ratio_upper, p_value (Fisher's exact test), p_adjusted
    (Benjamini-Hochberg over the rows tested), standing: above, below (p_adjusted within the false discovery rate and
    the rate off by at least `least_effect`), cannot_tell, too_few (fewer than `min_people`: shown, not judged).
    For slices of one session only; between sessions a rate varies more than this test knows.
    """
    x, n = frame[numerator].astype(float), frame[denominator].astype(float)
    usable = x.notna() & (n > 0) & (x <= n)
    lower, upper = stats.wilson(x, n, confidence=confidence)
    judged = usable & (n >= min_people) & (usable.sum() > 1)
    x_others, n_others = x[usable].sum() - x, n[usable].sum() - n
    pairs = list(zip(x, n, x_others, n_others, strict=True))
    ratios = [stats.ratio(*p, confidence=confidence) if ok else (np.nan,) * 3 for p, ok in zip(pairs, judged, strict=True)]
    p_values = np.array([_fisher(*p) if ok else np.nan for p, ok in zip(pairs, judged, strict=True)], dtype=float)
    table = pd.DataFrame(ratios, columns=["ratio", "ratio_lower", "ratio_upper"], index=frame.index).assign(
        people=n, rate=x / n.where(n > 0), ci_lower=lower, ci_upper=upper,
        others_rate=(x_others / n_others.where(n_others > 0)).where(judged), p_value=p_values,
        p_adjusted=stats.benjamini_hochberg(p_values),
    )
    sure = (table["p_adjusted"] <= false_discovery_rate) & ((table["rate"] / table["others_rate"] - 1).abs() >= least_effect)
    standing = np.select(
        [~usable, ~judged, sure & (table["rate"] > table["others_rate"]), sure],
        ["unknown", "too_few", "above", "below"], "cannot_tell",
    )
    columns = ["people", "rate", "ci_lower", "ci_upper", "others_rate", "ratio", "ratio_lower", "ratio_upper", "p_value", "p_adjusted"]
    return table[columns].assign(standing=pd.Series(standing, index=frame.index, dtype="str"))


def _fisher(x: float, n: float, x_others: float, n_others: float) -> float:
    if n_others <= 0 or x_others > n_others:
        return np.nan
    return float(fisher_exact([[x, n - x], [x_others, n_others - x_others]]).pvalue)


# ---- traffic sources ---------------------------------------------------------------------------------------------


def by_source(
    traffic: pd.DataFrame, registry: Mapping[str, Metric], *, min_people: float, confidence: float = 0.95,
    false_discovery_rate: float = 0.10, least_effect: float = 0.10,
) -> pd.DataFrame:
    """The session's leaf sources side by side, the largest first: structure, rates, and conversion against the others.

    One row per source. Columns: source, is_paid, viewers, views, viewer_share and paid_share (of the sum over
    sources; a viewer who came through two of them counts in both), paid_amount, ad_cost, the values of
    SOURCE_METRICS, and of the room conversion ci_lower, ci_upper, others_rate, ratio, ratio_lower, ratio_upper,
    p_adjusted, standing (see against_others; `unknown` where the export has no paying users by source).
    """
    order = traffic["viewers"].fillna(traffic["views"]).fillna(0).argsort(kind="stable")[::-1]
    rows = traffic.iloc[order].reset_index(drop=True)
    compared = against_others(
        rows, numerator="pay_users", denominator="viewers", min_people=min_people, confidence=confidence,
        false_discovery_rate=false_discovery_rate, least_effect=least_effect,
    )
    kept = rows[["source", "is_paid", "viewers", "views", "paid_amount", "ad_cost"]]
    table = kept.assign(viewer_share=_share(rows["viewers"]), paid_share=_share(rows["paid_amount"]))
    table = table.join(_wide(rows, SOURCE_METRICS, registry, "source"), on="source")
    return table.join(compared.drop(columns=["people", "rate", "p_value"]))


def source_rates(table: pd.DataFrame) -> pd.DataFrame:
    """Conversion of each source as the rates chart takes it: label, metric, rate, ci_lower, ci_upper, n.

    Room conversion with its interval; orders per view, without, where the export has no paying users by source.
    """
    of_people = table["room_conversion"].notna().any()
    metric, n = ("room_conversion", "viewers") if of_people else ("view_order_rate_times", "views")
    rates = pd.DataFrame({
        "label": table["source"], "metric": metric, "rate": table[metric], "ci_lower": table["ci_lower"],
        "ci_upper": table["ci_upper"], "n": table[n],
    })
    return rates[rates["rate"].notna()].reset_index(drop=True)


def paid_and_organic(traffic: pd.DataFrame, registry: Mapping[str, Metric]) -> pd.DataFrame:
    """Paid against organic sources: one row per kind (付费 / 自然 / not said), people counting once in every source.

    Columns: is_paid ("paid", "organic", "unknown"), sources, visits (people summed over sources), visit_share,
    paid_amount, paid_share, ad_cost, room_conversion, uv_value, ad_roi (nan where a term is missing; no intervals).
    """
    kind = traffic["is_paid"].map({True: "paid", False: "organic"}).astype("str").where(traffic["is_paid"].notna(), "unknown")
    rows = traffic.assign(is_paid=kind)
    sums = rows.groupby("is_paid")[["viewers", "paid_amount", "ad_cost"]].sum(min_count=1)
    ids = ["room_conversion", "uv_value", "ad_roi"]
    rates = metrics.evaluate(rows, ids, registry=registry, by="is_paid", count_per_slice=True)
    wide = rates.pivot(index="is_paid", columns="metric", values="value").reindex(columns=ids)
    table = sums.rename(columns={"viewers": "visits"}).assign(sources=rows.groupby("is_paid").size()).join(wide)
    shares = table.assign(visit_share=_share(table["visits"]), paid_share=_share(table["paid_amount"]))
    columns = ["sources", "visits", "visit_share", "paid_amount", "paid_share", "ad_cost", *ids]
    return shares[columns].reset_index()


def _share(values: pd.Series) -> pd.Series:
    total = values.sum(min_count=1)
    return values / (total if pd.notna(total) and total != 0 else np.nan)


def _wide(rows: pd.DataFrame, ids: list[str], registry: Mapping[str, Metric], key: str) -> pd.DataFrame:
    tidy = metrics.evaluate(rows, ids, registry=registry, by=key)
    return tidy.pivot(index=key, columns="metric", values="value").reindex(columns=ids)


# ---- products ----------------------------------------------------------------------------------------------------


def by_product(
    products: pd.DataFrame, registry: Mapping[str, Metric], *, min_people: float, confidence: float = 0.95,
    false_discovery_rate: float = 0.10, least_effect: float = 0.10,
) -> pd.DataFrame:
    """The session's products, the best-selling first, with their rates, and a rank only where enough people saw them.

    SKU rows are left out. One row per product. Columns: product_id, name, tier, price, exposure_users, click_users,
    pay_users, orders, paid_amount, paid_share, the values of PRODUCT_METRICS, click_lower, click_upper,
    click_standing, click_p_adjusted, pay_lower, pay_upper, pay_standing, pay_p_adjusted (click rate and click-to-pay
    rate against the other products, see against_others), and rank by paid amount per person exposed (nan under
    `min_people` exposed people: a few people's luck would be ranked).
    """
    rows = products[products["sku_id"].isna()].sort_values("paid_amount", ascending=False, kind="stable", ignore_index=True)
    options = {
        "min_people": min_people, "confidence": confidence, "false_discovery_rate": false_discovery_rate,
        "least_effect": least_effect,
    }
    click = against_others(rows, numerator="click_users", denominator="exposure_users", **options)
    pay = against_others(rows, numerator="pay_users", denominator="click_users", **options)
    renamed = {"ci_lower": "lower", "ci_upper": "upper", "standing": "standing", "p_adjusted": "p_adjusted"}
    kept = ["product_id", "name", "tier", "price", "exposure_users", "click_users", "pay_users", "orders", "paid_amount"]
    table = rows[kept].assign(paid_share=_share(rows["paid_amount"]))
    table = table.join(_wide(rows, PRODUCT_METRICS, registry, "product_id"), on="product_id")
    for name, compared in (("click", click), ("pay", pay)):
        table = table.join(compared[list(renamed)].rename(columns=renamed).add_prefix(f"{name}_"))
    enough = table["item_exposure_value"].where(table["exposure_users"] >= min_people)
    return table.assign(rank=enough.rank(ascending=False, method="min"))


def quadrant(table: pd.DataFrame) -> pd.DataFrame:
    """Ranked products over people exposed and the share of them who paid: number (by paid amount), label, quadrant, x, y, size (paid amount).

    The lines stand at the median of people exposed and at the rate of all products together, in x_middle and y_middle. Much
    shown and seldom bought is exposure wasted; seldom shown and often bought has room.
    """
    known = table[table["rank"].notna() & table["item_exposure_pay_rate"].notna()].sort_values("paid_amount", ascending=False, kind="stable")
    x, y = known["exposure_users"], known["item_exposure_pay_rate"]
    x_middle, y_middle = table["exposure_users"].median(), pooled_rate(table, "pay_users", "exposure_users")
    sides = [np.where(side >= middle, "high", "low") for side, middle in ((x, x_middle), (y, y_middle))]
    return pd.DataFrame({
        "number": np.arange(1.0, len(known) + 1), "label": known["name"].fillna(known["product_id"]), "quadrant": [f"{across}_{up}" for across, up in zip(*sides, strict=True)],
        "x": x, "y": y, "size": known["paid_amount"], "x_middle": x_middle, "y_middle": y_middle,
    }).reset_index(drop=True)


def source_words(sources: Iterable[str], lang: str) -> str:
    """What the platforms' own names of these sources mean, each known one once; nothing in Chinese, where they are plain words."""
    known = reference.terms()["source_gloss"]
    told = [f"{name}: {known[name].en}" for name in dict.fromkeys(sources) if name in known]
    return text.choose(lang, "", f"Sources bear the platform's names. {'; '.join(told)}.") if told else ""


def pooled_rate(frame: pd.DataFrame, numerator: str, denominator: str) -> float:
    """Sum over sum over the rows that have both terms, people counting once in each; nan over nobody."""
    known = frame[[numerator, denominator]].dropna().sum()
    return float(known[numerator] / known[denominator]) if known[denominator] > 0 else np.nan


# ---- findings: facts of this session, each with its interval -------------------------------------------------------


def step_findings(table: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95) -> list[dict[str, object]]:
    """One fact per known step of the room funnel whose rate has a name in the registry, and one for entering to paying.

    No verdict (`not_comparable`): whether a rate is low for this account is said against its history, elsewhere.
    """
    known = table[table["users"].notna()].set_index("column")
    pairs = [(row.previous, column) for column, row in known.iterrows() if isinstance(row.previous, str)]
    wanted = dict.fromkeys([*pairs, *([("viewers", "pay_users")] if {"viewers", "pay_users"} <= set(known.index) else [])])
    named = [(*pair, metrics.named(*pair, registry=registry)) for pair in wanted]
    return [_step_fact(known.loc[before], known.loc[after], name, registry[name], confidence) for before, after, name in named if name]


def event_findings(table: pd.DataFrame, registry: Mapping[str, Metric]) -> list[dict[str, object]]:
    """One fact per known ratio of the funnels of events (table of `several`): a value without interval or verdict."""
    made = []
    for _, steps_of_one in table[table["users"].notna()].groupby("funnel", sort=False):
        known = steps_of_one.set_index("column")
        pairs = [(row.previous, column) for column, row in known.iterrows() if isinstance(row.previous, str)]
        named = [(*pair, metrics.named(*pair, registry=registry)) for pair in pairs]
        made += [_event_fact(known.loc[before], known.loc[after], name, registry[name]) for before, after, name in named if name]
    return made


def _event_fact(before: pd.Series, after: pd.Series, name: str, metric: Metric) -> dict[str, object]:
    zh, en = ([text.value(step["users"], "times", lang) for step in (before, after)] for lang in ("zh", "en"))
    rate = after["users"] / before["users"] if before["users"] else np.nan
    return findings.make(
        notebook=NOTEBOOK, dimension=metric.group, metric=name, verdict="not_comparable", value=rate,
        sentence_zh=f"{before['label_zh']} {zh[0]}，{after['label_zh']} {zh[1]}：{metric.zh} {text.percent(rate)}。按次数计，没有区间。",
        sentence_en=f"{before['label_en']}: {en[0]}, {after['label_en'].lower()}: {en[1]}. {metric.en} {text.percent(rate)}; counted in events, so without interval.",
    )


def _step_fact(before: pd.Series, after: pd.Series, name: str, metric: Metric, confidence: float) -> dict[str, object]:
    rate = after["users"] / before["users"] if before["users"] else np.nan
    lower, upper = (float(bound) for bound in stats.wilson(after["users"], before["users"], confidence=confidence))
    zh, en = (
        [text.value(before["users"], "users", lang), text.value(after["users"], "users", lang), text.percent(rate), interval_words(lower, upper, lang, confidence)]
        for lang in ("zh", "en")
    )
    return findings.make(
        notebook=NOTEBOOK, dimension=metric.group, metric=name, verdict="not_comparable", value=rate, ci_lower=lower,
        ci_upper=upper,
        sentence_zh=f"{before['label_zh']} {zh[0]} 人，其中{after['label_zh']} {zh[1]} 人：{metric.zh} {zh[2]}{zh[3]}。",
        sentence_en=f"{before['label_en']}: {en[0]} people, of whom {after['label_en'].lower()}: {en[1]}. {metric.en} {en[2]}{en[3]}.",
    )


def interval_words(lower: float, upper: float, lang: str, confidence: float, unit: str = "percent") -> str:
    if not (np.isfinite(lower) and np.isfinite(upper)):
        return ""
    shown = text.interval(lower, upper, unit, lang, decimals=1 if unit == "score" else None)
    level = text.percent(confidence, 0)
    return text.choose(lang, f"（{level}区间 {shown}）", f" ({level} interval {shown})")


def source_findings(table: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95) -> list[dict[str, object]]:
    """One fact per source whose room conversion stands above or below that of the other sources together."""
    told = table[table["standing"].isin(["above", "below"])]
    return [
        _slice_fact(
            "room_conversion", registry["room_conversion"], ("source", str(row.source), row.source), row.room_conversion, row.others_rate,
            (row.ci_lower, row.ci_upper), row.p_adjusted, ("其他来源合计", "the other sources together"), confidence,
        )
        for row in told.itertuples()
    ]


def paid_findings(table: pd.DataFrame, *, currency: str) -> list[dict[str, object]]:
    """One fact of paid traffic, where sources are marked as paid: its share of visits and of paid amount, and its own return."""
    kinds = table.set_index("is_paid")
    if "paid" not in kinds.index or not np.isfinite(kinds.loc["paid", "visit_share"]):
        return []
    paid, money = kinds.loc["paid"], kinds.loc["paid", ["paid_amount", "ad_cost"]]
    zh, en = ([text.money(amount, lang, currency) for amount in money] for lang in ("zh", "en"))
    visits, amount, own = text.percent(paid["visit_share"]), text.percent(paid["paid_share"]), text.number(paid["ad_roi"], "en", 2)
    return [findings.make(
        notebook=NOTEBOOK, dimension="traffic", metric="ad_roi", slice="is_paid=paid", verdict="not_comparable", value=paid["ad_roi"],
        sentence_zh=f"付费来源占各来源人次的 {visits}、支付金额的 {amount}：消耗 {zh[1]}，带来支付 {zh[0]}，自身ROI {own}。",
        sentence_en=f"Paid sources are {visits} of source visits and {amount} of paid amount: {en[1]} spent, {en[0]} paid, a return of their own of {own}.",
    )]


def product_findings(table: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95, most: int = 6) -> list[dict[str, object]]:
    """Facts of at most `most` products (best-selling first) whose click or click-to-pay rate stands apart from the others."""
    told = []
    for name, rate, people, paying in (("click", "item_click_rate", "exposure_users", "click_users"), ("pay", "item_click_pay_rate", "click_users", "pay_users")):
        rows = table[table[f"{name}_standing"].isin(["above", "below"])].head(most)
        others_x, others_n = table[paying].sum() - rows[paying], table[people].sum() - rows[people]
        told += [
            _slice_fact(
                rate, registry[rate], ("product_id", row["product_id"], _product(row, table)), row[rate], others_x[place] / others_n[place],
                (row[f"{name}_lower"], row[f"{name}_upper"]), row[f"{name}_p_adjusted"], ("其他商品合计", "the other products together"), confidence,
            )
            for place, row in rows.iterrows()
        ]
    return told


def _product(row: pd.Series, table: pd.DataFrame) -> str:
    """A product's name, with its id where another product has the same name or it has none."""
    if not isinstance(row["name"], str):
        return str(row["product_id"])
    return row["name"] if (table["name"] == row["name"]).sum() == 1 else f"{text.plain(row['name'], 30)} ({row['product_id']})"


def _slice_fact(
    name: str, metric: Metric, slice_of: tuple[str, str, str], rate: float, others: float, bounds: tuple[float, float], p_adjusted: float,
    others_words: tuple[str, str], confidence: float,
) -> dict[str, object]:
    (key, which, label), (lower, upper) = slice_of, bounds
    shown = text.plain(label)
    zh, en = (interval_words(lower, upper, lang, confidence) for lang in ("zh", "en"))
    side_zh, side_en = ("高于", "above") if rate > others else ("低于", "below")
    return findings.make(
        notebook=NOTEBOOK, dimension=metric.group, metric=name, slice=f"{key}={which}", verdict="not_comparable", value=rate,
        baseline=others, ci_lower=lower, ci_upper=upper, p_adjusted=p_adjusted,
        sentence_zh=f"「{shown}」的{metric.zh} {text.percent(rate)}{zh}，{side_zh}{others_words[0]}的 {text.percent(others)}。",
        sentence_en=f"“{shown}”: {metric.en.lower()} {text.percent(rate)}{en}, {side_en} {others_words[1]} ({text.percent(others)}).",
    )


def foremost(facts: pd.DataFrame, *, most: int = 10) -> tuple[pd.DataFrame, int]:
    """The facts with the few that matter first, topic by topic, and how many those are (`most` at most, `EACH` of a topic).

    First come the whole session's conversion and what a test or the minutes' own unevenness tells apart, the surest of every
    topic before the second of any; the others keep their order. Columns: those of the facts, topic_zh, topic_en.
    """
    topics = reference.terms()["fact_topic"]
    topic = pd.Series([_topic(row) for row in facts.itertuples()], index=facts.index, dtype="str")
    known = facts.assign(topic=topic, sure=facts["p_adjusted"].fillna(0.0)).loc[topic.isin(list(topics))]
    turn = known.sort_values("sure", kind="stable").groupby("topic").cumcount()
    first = turn[turn < EACH].sort_values(kind="stable").head(most).index
    order = {name: place for place, name in enumerate(topics)}
    few = known.loc[first].assign(place=lambda rows: rows["topic"].map(order)).sort_values(["place", "sure"], kind="stable")
    labels = {f"topic_{lang}": few["topic"].map(lambda name, lang=lang: text.label(topics[name], lang)).astype("str") for lang in ("zh", "en")}
    rest = facts.drop(index=few.index)
    return pd.concat([few[facts.columns].assign(**labels), rest], ignore_index=True), len(few)


def _topic(fact) -> str:
    """What a fact of the funnel is about, by its slice; nothing where it describes and tells nothing apart."""
    kind = fact.slice.split("=")[0]
    if not fact.slice:
        return "whole" if fact.metric == "room_conversion" else ""
    named = {"source": "source", "product_id": "product", "span": "minutes", "exit": "minutes", "stretch": "minutes", "word": "comments", "question": "comments"}
    return named.get(kind, "people" if kind in reference.terms()["audience_dimension"] else "")


def all_findings(*parts: Iterable[dict[str, object]]) -> pd.DataFrame:
    """The facts given as one frame with the columns of `findings.COLUMNS`."""
    return findings.frame([row for part in parts for row in part])
