"""What an account's good sessions share: how they were set up and run, against its other ones.

Traits (`traits.yml`) are what a team does, not what comes of it. Of many some differ by chance:
which sessions are called good is mixed at random (Westfall and Young's maximum statistic), so that
without a pattern one account in twenty has a trait named.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.baseline import hours
from helpers.core import findings, level_regression, stats, text

NOTEBOOK = "03_compare"
MIXES = 2000  # how often the good ones are drawn at random
FEWEST_GOOD, FEWEST_REST = 4, 8
MOSTLY = 0.8  # a source is a trait where so many of the sessions have it
CIRCUMSTANCES = ("block", "day", "month")
COLUMNS = [
    "platform",
    "room",
    "until",
    "trait",
    "label_zh",
    "label_en",
    "unit",
    "sessions",
    "n_good",
    "n_rest",
    "good",
    "rest",
    "diff",
    "lower",
    "upper",
    "p_adjusted",
    "shared",
    "usual_lower",
    "usual_upper",
]


def _column(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    values = sessions.set_index("session_id")[trait.column].astype(float)
    return values / hours(sessions) if trait.per_hour else values


def _cues(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    """Cues per hour (0 where only others are logged), or minutes until the first one."""
    logged = rows.groupby("session_id").size()
    of_kind = rows[rows["kind"].isin(trait.kind)].groupby("session_id")["at"]
    if trait.first:
        started = sessions.set_index("session_id")["started_at"]
        first = of_kind.min()
        return ((first - started.reindex(first.index)).dt.total_seconds() / 60).clip(lower=0)
    return of_kind.size().reindex(logged.index, fill_value=0) / hours(sessions).reindex(
        logged.index
    )


def _stage(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    plan = rows.sort_values(["session_id", "starts_at"])
    ends = plan["ends_at"].fillna(plan.groupby("session_id")["starts_at"].shift(-1))
    seconds = (ends - plan["starts_at"]).dt.total_seconds().clip(lower=0)
    total = seconds.groupby(plan["session_id"]).sum()
    of_stage = seconds.where(plan["stage"] == trait.stage, 0.0).groupby(plan["session_id"]).sum()
    return of_stage / total.where(total > 0)


def _visits(rows: pd.DataFrame) -> pd.Series:
    return rows["views"] if rows["views"].notna().all() else rows["viewers"]


def _paid(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    visits, stated = (
        _visits(rows),
        rows.groupby("session_id")["is_paid"].apply(lambda flags: flags.notna().any()),
    )
    total, paid = (
        part.groupby(rows["session_id"]).sum()
        for part in (visits, visits.where(rows["is_paid"].fillna(False).astype(bool), 0.0))
    )
    return (paid / total.where(total > 0)).where(stated)


def _source(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    shares = rows.assign(visits=_visits(rows)).pivot_table(
        index="session_id", columns="source", values="visits", aggfunc="sum"
    )
    usual = shares.columns[shares.notna().mean() >= MOSTLY]
    return (shares.fillna(0.0).div(shares.sum(axis=1), axis=0))[usual]


def _listed(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["sku_id"].isna()]


def _tier(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    tiered = _listed(rows).dropna(subset=["tier"])
    return tiered["tier"].eq(trait.tier).groupby(tiered["session_id"]).mean()


def _price(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    return _listed(rows).groupby("session_id")["price"].median()


def _focus(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    exposures = _listed(rows).groupby("session_id")["exposure_users"]
    return exposures.max() / exposures.sum().where(lambda total: total > 0)


def _videos(trait: reference.Trait, sessions: pd.DataFrame, rows: pd.DataFrame) -> pd.Series:
    return rows.groupby("session_id")["title"].nunique().astype(float)


MEASURES = {
    "column": _column,
    "cues": _cues,
    "stage": _stage,
    "paid": _paid,
    "source": _source,
    "tier": _tier,
    "price": _price,
    "focus": _focus,
    "videos": _videos,
}


class Traits(NamedTuple):
    """Traits of sessions: `values` session x trait, `words` trait, label_zh, label_en, unit."""

    values: pd.DataFrame
    words: pd.DataFrame


def traits(
    sessions: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    *,
    known: Mapping[str, reference.Trait],
) -> Traits:
    """The traits of sessions, measured in their tables.

    Missing where a session has no rows in the table; a trait that fewer than two sessions have is
    left out.
    """
    ids, columns, words = sessions["session_id"], {}, []
    for name, trait in known.items():
        rows = sessions if trait.table == "sessions" else tables[trait.table]
        measured = (
            MEASURES[trait.measure](trait, sessions, rows[rows["session_id"].isin(ids)])
            if len(rows)
            else pd.Series(dtype=float)
        )
        for part, values in (
            measured.items() if isinstance(measured, pd.DataFrame) else [("", measured)]
        ):
            columns[f"{name}:{part}" if part else name] = values.reindex(ids).to_numpy(float)
            words.append(
                (
                    f"{name}:{part}" if part else name,
                    trait.zh.format(each=text.plain(part, 20)),
                    trait.en.format(each=text.plain(part, 20)),
                    trait.unit,
                )
            )
    trait_values = pd.DataFrame(columns, index=pd.Index(ids, name="session_id"))
    trait_values = trait_values.loc[:, trait_values.notna().sum() > 1]
    return Traits(
        trait_values,
        pd.DataFrame(words, columns=["trait", "label_zh", "label_en", "unit"])
        .set_index("trait")
        .loc[trait_values.columns]
        .reset_index(),
    )


def good_ones(
    sessions: pd.DataFrame, session_id: str, *, thresholds: Mapping[str, float]
) -> pd.Series:
    """Which ordinary sessions before this one are the account's good ones, by session_id.

    `sessions` is `slots.described`. Good is the `best_share` with the highest paid amount per hour
    (log), less what slot, kind of day and month explain. Empty under `min_sessions_for_pattern`.
    """
    start = sessions.loc[sessions["session_id"] == session_id, "started_at"].iloc[0]
    plain = sessions[(sessions["started_at"] < start) & sessions["ordinary"]]
    plain = plain.assign(log=level_regression.logs(plain["paid_amount"] / plain["hours"])).dropna(
        subset=["log"]
    )
    if len(plain) < thresholds["min_sessions_for_pattern"]:
        return pd.Series(dtype=bool)
    x = np.column_stack([np.ones(len(plain)), level_regression.design(plain, CIRCUMSTANCES)])
    left = plain["log"].to_numpy() - x @ (level_regression.inverted(x)[0] @ plain["log"].to_numpy())
    count = round(len(plain) * thresholds["best_share"])
    best = np.argsort(-left, kind="stable")[:count]
    return pd.Series(
        np.isin(np.arange(len(plain)), best), index=pd.Index(plain["session_id"], name="session_id")
    )


def _gaps(good: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Differences of means and their errors, draw x trait.

    `good` is draw x session, `values` session x trait.
    """
    mask, filled = np.isfinite(values), np.nan_to_num(values)
    n1, s1, q1 = (good @ part for part in (mask.astype(float), filled, filled**2))
    n0, s0, q0 = (
        part.sum(axis=0) - mine for part, mine in ((mask, n1), (filled, s1), (filled**2, q1))
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = s1 / n1 - s0 / n0
        inner = (q1 - s1**2 / n1 + q0 - s0**2 / n0) / (n1 + n0 - 2)
        error = np.sqrt(np.maximum(inner, 0) * (1 / n1 + 1 / n0))
    return np.where((n1 > 1) & (n0 > 1), gap, np.nan), error


def differences(
    good: pd.Series, values: pd.DataFrame, *, confidence: float = 0.95, mixes: int = MIXES
) -> pd.DataFrame:
    """Each trait of the good sessions against the rest: one row per trait that enough of both have.

    Columns: trait, n_good, n_rest, good, rest (means), diff, lower, upper (all together cover with
    `confidence`), p_adjusted (family-wise), shared (bool), usual_lower, usual_upper (where a
    further good session should lie, `stats.prediction_interval`). A trait that does not vary has no
    row.
    """
    rows = values.reindex(good.index)
    n1, n0 = rows[good].notna().sum(), rows[~good].notna().sum()
    rows = rows.loc[
        :, (n1 >= FEWEST_GOOD) & (n0 >= FEWEST_REST) & (rows.std() > 1e-12 * rows.abs().max())
    ]
    if rows.shape[1] == 0:
        return pd.DataFrame(columns=["trait", *COLUMNS[8:]])
    scaled = ((rows - rows.mean()) / rows.std()).to_numpy(float)
    rng = np.random.default_rng(0)
    draws = np.array([rng.permutation(good.to_numpy(float)) for _ in range(mixes)])
    gap, error = _gaps(good.to_numpy(float)[None, :], scaled)
    far = np.nanmax(np.abs(np.divide(*_gaps(draws, scaled))), axis=1)
    scores = np.abs(gap / error)[0]
    p = (1 + (far[:, None] >= scores[None, :] - 1e-9).sum(axis=0)) / (mixes + 1)
    half = np.quantile(far, confidence) * error[0] * rows.std().to_numpy()
    diff = gap[0] * rows.std().to_numpy()
    usual = [
        stats.prediction_interval(rows.loc[good, name], confidence=confidence, log=False)
        for name in rows.columns
    ]
    return pd.DataFrame(
        {
            "trait": rows.columns,
            "n_good": n1[rows.columns].to_numpy(float),
            "n_rest": n0[rows.columns].to_numpy(float),
            "good": rows[good].mean().to_numpy(),
            "rest": rows[~good].mean().to_numpy(),
            "diff": diff,
            "lower": diff - half,
            "upper": diff + half,
            "p_adjusted": p,
            "shared": p <= 1 - confidence,
            "usual_lower": [max(usual_range.lower, 0.0) for usual_range in usual],
            "usual_upper": [usual_range.upper for usual_range in usual],
        }
    )


def model(
    sessions: pd.DataFrame,
    session_id: str,
    found_traits: Traits,
    *,
    thresholds: Mapping[str, float],
    mixes: int = MIXES,
) -> pd.DataFrame:
    """The account's model of its good sessions, from those before this one (clean/pattern.parquet).

    One row per trait, the surest first: platform, room, until (start of this session), trait,
    label_zh, label_en, unit, sessions (ordinary ones before), and the columns of `differences`.
    Empty with too few ordinary sessions, or no trait that enough of them have.
    """
    good = good_ones(sessions, session_id, thresholds=thresholds)
    if good.empty:
        return pd.DataFrame(columns=COLUMNS)
    rows = differences(good, found_traits.values, confidence=thresholds["confidence"], mixes=mixes)
    session = sessions.set_index("session_id").loc[session_id]
    rows = rows.merge(found_traits.words, on="trait").assign(
        platform=session["platform"],
        room=session["room"],
        until=session["started_at"],
        sessions=float(len(good)),
    )
    return rows.sort_values(["p_adjusted", "trait"], ignore_index=True)[COLUMNS]


def held(pattern: pd.DataFrame, measured: Traits, session_id: str) -> pd.DataFrame:
    """This session against the good sessions' usual range.

    The rows of the model with value and inside (bool, missing if unknown): shared traits first,
    then those outside.
    """
    values = measured.values.loc[session_id].reindex(pattern["trait"]).to_numpy(float)
    inside = (values >= pattern["usual_lower"] - 1e-9) & (values <= pattern["usual_upper"] + 1e-9)
    rows = pattern.assign(value=values, inside=inside.astype("boolean").mask(np.isnan(values)))
    first = rows.assign(
        _last=~rows["shared"].astype(bool), _inside=rows["inside"].fillna(True)
    ).sort_values(["_last", "_inside", "p_adjusted"], kind="stable")
    return first.drop(columns=["_last", "_inside"]).reset_index(drop=True)


def _words(row, lang: str, currency: str) -> tuple[str, str, str, str, str]:
    low, high = (
        text.signed(
            v, "points" if row.unit == "percent" else row.unit, lang, decimals=1, currency=currency
        )
        for v in (row.lower, row.upper)
    )
    points = text.choose(lang, " 个百分点", " percentage points") if row.unit == "percent" else ""
    good, others, value = (
        text.value(
            v,
            row.unit,
            lang,
            decimals=None if row.unit in ("money", "seconds") else 1,
            currency=currency,
        )
        for v in (row.good, row.rest, row.value)
    )
    return (
        good,
        others,
        value,
        f"{low}{text.choose(lang, ' 到 ', ' to ')}{high}{points}",
        getattr(row, f"label_{lang}"),
    )


def trait_sentence(row, *, lang: str, currency: str) -> str:
    """One trait that the good sessions share, beside the rest and this session."""
    good, others, value, span, label = _words(row, lang, currency)
    here = ""
    if pd.notna(row.inside):
        zh = f"本场 {value}，{'在' if row.inside else '不在'}好场次的常见范围里"
        en = (
            f"this session had {value}, {'inside' if row.inside else 'outside'} the good ones' "
            "usual range"
        )
        here = text.choose(lang, zh, en)
    n1, n0 = f"{row.n_good:.0f}", f"{row.n_rest:.0f}"
    return text.choose(
        lang,
        (
            f"好场次的共同点：{label} {good}，其余 {others}（相差 {span}；{n1} 场对 {n0} 场）"
            f"{'；' if here else ''}{here}。同时出现，不等于原因。"
        ),
        (
            f"Shared by the good sessions: {label} {good}, the rest {others} (difference {span}; "
            f"{n1} against {n0} sessions){'; ' if here else ''}{here}. It goes together; it need "
            "not be the cause."
        ),
    )


def summary(held_against: pd.DataFrame, *, lang: str, thresholds: Mapping[str, float]) -> str:
    """What the comparison of good sessions rests on and how much it found."""
    least, share = (
        int(thresholds["min_sessions_for_pattern"]),
        text.percent(thresholds["best_share"], 0),
    )
    if held_against.empty:
        return text.choose(
            lang,
            (
                f"大促以外的日常场次不足 {least} 场（或缺少投放、脚本、场控、商品记录），"
                "还看不出好场次的共同点。"
            ),
            (
                f"Fewer than {least} ordinary sessions before this one (or no records of how they "
                "were run): what good sessions share cannot be seen yet."
            ),
        )
    count, sessions = int(held_against["shared"].sum()), float(held_against["sessions"].iloc[0])
    n, good = f"{sessions:.0f}", round(sessions * thresholds["best_share"])
    head = text.choose(
        lang,
        (
            f"本场之前 {n} 场日常场次里，每小时支付金额（扣除时段、星期类型和月份的影响）最高的 "
            f"{share}（{good} 场）与其余相比，检验 {len(held_against)} 项做法，"
            "每项只用有这项记录的场次："
        ),
        (
            f"Of {n} ordinary sessions before this one, the {share} ({good}) with the highest paid "
            "amount per hour (time slot, kind of day and month taken off) against the rest, "
            f"{len(held_against)} ways tested, each over the sessions with a record of it: "
        ),
    )
    if count:
        return head + text.choose(
            lang, f"{count} 项分得开。", f"{count} differ{'s' * (count == 1)} between the two."
        )
    return head + text.choose(
        lang,
        "没有一项分得开；好场次不多时，只有很大的差别才看得出来。",
        "none differs between the two; with few good sessions only large differences can be seen.",
    )


def to_findings(held_against: pd.DataFrame, *, currency: str) -> pd.DataFrame:
    """One finding per trait that the good sessions share.

    They speak of the account: none is a fault of this session.
    """
    shared = held_against[held_against["shared"].astype(bool)]
    return findings.frame(
        [
            findings.make(
                notebook=NOTEBOOK,
                dimension="sales",
                metric="paid_amount",
                slice=f"trait:{row.trait}",
                verdict="better",
                value=row.good,
                baseline=row.rest,
                ci_lower=row.lower,
                ci_upper=row.upper,
                p_adjusted=row.p_adjusted,
                sentence_zh=trait_sentence(row, lang="zh", currency=currency),
                sentence_en=trait_sentence(row, lang="en", currency=currency),
            )
            for row in shared.itertuples()
        ]
    )
