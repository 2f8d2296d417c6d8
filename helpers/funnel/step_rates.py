"""The funnel of a session step by step, and the same over several sessions."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import stats, text
from helpers.reference import Funnel
from helpers.reference.metrics import MetricError

FEWEST_SESSIONS = 3  # of a group whose rates are shown over sessions
MOST_NAMED = 8  # slices that a sentence calls by their names


def steps(
    row: pd.Series | pd.DataFrame, funnel: Funnel, *, confidence: float = 0.95
) -> pd.DataFrame:
    """The steps of one funnel for one row, each against the step before and the first.

    The row is a session, a source or a product. Columns: step (from 1), column, label_zh, label_en,
    users (people, or events where the funnel's unit is times; nan where the export lacks it),
    previous (the last known step before), rate_of_previous, ci_lower, ci_upper, rate_of_first,
    first_lower, first_upper (Wilson, for funnels of people only), grows (larger than the step
    before: definitions differ or numbers have gaps). Raises `MetricError` for a frame of several
    rows (see `by_rows`).
    """
    row = _one_row(row).iloc[0] if isinstance(row, pd.DataFrame) else row
    users = np.array([[_number(row, step.column) for step in funnel.steps]])
    return _table(users, funnel, confidence)


def _table(counts: np.ndarray, funnel: Funnel, confidence: float) -> pd.DataFrame:
    """The table of `steps` for counts of slice x step, slice by slice: a step at a time, not a row.

    What a slice does not know of is passed over: its next step stands against the last known one.
    """
    slices, width = counts.shape
    columns = np.array([step.column for step in funnel.steps])
    wide = pd.DataFrame(counts)
    seen = wide.notna()
    first = wide.bfill(axis=1)[0]
    before = wide.ffill(axis=1).shift(axis=1).where(seen)
    places = pd.DataFrame(np.tile(np.arange(float(width)), (slices, 1))).where(seen)
    place = places.ffill(axis=1).shift(axis=1).where(seen).to_numpy().ravel()
    table = pd.DataFrame(
        {
            "step": np.tile(np.arange(1, width + 1), slices),
            "column": np.tile(columns, slices),
            "label_zh": [step.zh for step in funnel.steps] * slices,
            "label_en": [step.en for step in funnel.steps] * slices,
            "users": counts.ravel(),
        }
    ).astype({"column": "str", "label_zh": "str", "label_en": "str"})
    users, previous = table["users"], pd.Series(before.to_numpy().ravel())
    whole = pd.Series(np.repeat(first.to_numpy(), width)).where(users.notna())
    of_people = funnel.unit == "users" and funnel.mixed_units is None
    lower, upper = _bounds(users, previous, of_people, confidence)
    # the first step is all of itself, without doubt
    first_lower, first_upper = _bounds(users, whole.where(previous.notna()), of_people, confidence)
    names = pd.Series(columns, dtype="str").reindex(place).reset_index(drop=True)
    return table.assign(
        previous=names,
        rate_of_previous=_rate(users, previous),
        ci_lower=lower,
        ci_upper=upper,
        rate_of_first=_rate(users, whole),
        first_lower=first_lower,
        first_upper=first_upper,
        grows=users > previous,
    )


def by_rows(
    frame: pd.DataFrame, funnel: Funnel, key: str, *, confidence: float = 0.95
) -> pd.DataFrame:
    """The steps of every row of a frame, one row per value of its `key` and step."""
    counts = frame.reindex(columns=[step.column for step in funnel.steps]).to_numpy(float)
    table = _table(counts, funnel, confidence)
    keys = frame[key].repeat(len(funnel.steps)).reset_index(drop=True)
    return table.assign(**{key: keys.astype("str")})[[key, *table.columns]]


def with_paid(
    traffic: pd.DataFrame, entry: Funnel, lang: str, *, confidence: float = 0.95
) -> pd.DataFrame:
    """`by_rows` of the sources, with paid and organic ones taken together below them.

    Only where sources are marked as paid or not. The rows taken together have no interval: people
    count once in each source.
    """
    parts = [by_rows(traffic, entry, "source", confidence=confidence)]
    words = reference.terms()["is_paid"]
    for name, rows in (
        ("paid", traffic[traffic["is_paid"].fillna(False)]),
        ("organic", traffic[~traffic["is_paid"].fillna(True)]),
    ):
        if len(rows) > 1:
            label = f"{text.label(words[name], lang)}{text.choose(lang, '（合计）', ' (together)')}"
            sums = rows[[step.column for step in entry.steps]].sum(min_count=1)
            bounds = dict.fromkeys(("ci_lower", "ci_upper", "first_lower", "first_upper"), np.nan)
            parts.append(steps(sums, entry).assign(source=label, **bounds))
    return pd.concat(parts, ignore_index=True)


def several(
    row: pd.Series, funnels: Mapping[str, Funnel], *, confidence: float = 0.95
) -> pd.DataFrame:
    """The steps of several funnels of one row, one row per funnel and step.

    Funnels of which fewer than two steps are known are left out. Columns: funnel (its id),
    funnel_zh, funnel_en, then those of `steps`.
    """
    parts = [
        steps(row, entry, confidence=confidence).assign(
            funnel=name, funnel_zh=entry.zh, funnel_en=entry.en
        )
        for name, entry in funnels.items()
    ]
    table = pd.concat(parts, ignore_index=True)
    usable = table.groupby("funnel")["users"].transform("count") > 1
    names = ["funnel", "funnel_zh", "funnel_en"]
    return table.loc[usable, [*names, *table.columns.drop(names)]].reset_index(drop=True)


def over_sessions(sessions: pd.DataFrame, entry: Funnel, by: str) -> pd.DataFrame:
    """The rates of a funnel's steps over the sessions of each group (host, time slot).

    Columns: `by`, sessions, step, column, label_zh, label_en, rate_of_previous, rate_of_first:
    ratios of sums over sessions that know every step that any of them knows. No intervals, as
    sessions differ by more than counting; no counts, as people are not added up over sessions.
    Groups of fewer than `FEWEST_SESSIONS` sessions are left out.
    """
    columns_counted = [step.column for step in entry.steps if sessions[step.column].notna().any()]
    grouped = sessions.dropna(subset=[*columns_counted, by]).groupby(by, sort=True)
    parts = [
        steps(rows[columns_counted].sum(), entry).assign(**{by: name}, sessions=len(rows))
        for name, rows in grouped
        if len(rows) >= FEWEST_SESSIONS
    ]
    columns = [
        by,
        "sessions",
        "step",
        "column",
        "label_zh",
        "label_en",
        "rate_of_previous",
        "rate_of_first",
    ]
    table = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    return table.astype({"rate_of_previous": float, "rate_of_first": float})


def time_slot(started_at: pd.Series) -> pd.Series:
    """The three hours of the day in which each session starts, e.g. 18:00–21:00."""
    first = started_at.dt.hour // 3 * 3
    return first.map(lambda hour: f"{hour:02d}:00–{hour + 3:02d}:00").astype("str")


def known_steps(table: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The steps that have a number, with their `label`, for the funnel chart."""
    return (
        table[table["users"].notna()]
        .assign(label=lambda t: t[f"label_{lang}"])
        .reset_index(drop=True)
    )


def grown(
    table: pd.DataFrame, entry: Funnel, *, of: str | None = None, label: str | None = None
) -> pd.DataFrame:
    """The steps that are larger than the one before, with what that most likely means.

    `table` is that of `steps`, `several` or `by_rows`, `of` the column of the slice and `label`
    that of its name. Columns: slice (its name; empty for the whole session), previous, column,
    before_zh, before_en, label_zh, label_en, before, users, reason_zh, reason_en (empty where
    funnels.yml has none).
    """
    labels, why = (
        {step.column: step for step in entry.steps},
        {step.column: step.grows for step in entry.steps},
    )
    counted = table[table["users"].notna()].assign(slice=table[label or of] if of else "")
    before = counted.groupby(of or "slice", sort=False)["users"].shift()
    rows = counted.assign(before=before)[counted["grows"]]
    words = {
        **{
            f"before_{lang}": [text.label(labels[name], lang) for name in rows["previous"]]
            for lang in ("zh", "en")
        },
        **{
            f"reason_{lang}": [
                text.label(why[name], lang) if why[name] else "" for name in rows["column"]
            ]
            for lang in ("zh", "en")
        },
    }
    columns = [
        "slice",
        "previous",
        "column",
        "before_zh",
        "before_en",
        "label_zh",
        "label_en",
        "before",
        "users",
        "reason_zh",
        "reason_en",
    ]
    return rows.assign(**words)[columns].reset_index(drop=True)


def grown_words(grown: pd.DataFrame, lang: str, *, unit: str = "users") -> list[str]:
    """A sentence per step that grows: its counts, that they are no rate, and the likely reason."""
    pairs, sentences = grown.groupby(["previous", "column"], sort=False), []
    for _, rows in pairs:
        row, names = rows.iloc[0], [text.plain(name, 20) for name in rows["slice"] if name]
        which, more = (
            text.choose(lang, "、", ", ").join(names[:MOST_NAMED]),
            len(names) - MOST_NAMED,
        )
        which += text.choose(lang, f"等 {len(names)} 个", f" and {more} more") if more > 0 else ""
        which = text.choose(lang, f"（{which}）", f" ({which})") if names else ""
        counts = [text.value(row[name], unit, lang) for name in ("users", "before")]
        why = (
            text.choose(
                lang,
                f"常见的原因：{row['reason_zh']}。",
                f" The likely reason: {row['reason_en']}.",
            )
            if row[f"reason_{lang}"]
            else ""
        )
        sentences.append(
            text.choose(
                lang,
                (
                    f"「{row['label_zh']}」{which}比上一步「{row['before_zh']}」还多（{counts[0]} "
                    f"对 {counts[1]}）：两步的口径不同或数据不全，这一比率不是转化率，不要拿来比。"
                    f"{why}"
                ),
                (
                    f"“{row['label_en']}”{which} is larger than the step before, "
                    f"“{row['before_en']}” ({counts[0]} against {counts[1]}): the two are counted "
                    f"differently or have gaps, and their ratio is no conversion rate.{why}"
                ),
            )
        )
    return sentences


def _number(row: pd.Series, column: str) -> float:
    value = row.get(column, np.nan)
    return float(value) if pd.notna(value) else np.nan


def _rate(above: pd.Series, below: pd.Series) -> pd.Series:
    return above / below.where(below != 0)


def _bounds(
    above: pd.Series, below: pd.Series, of_people: bool, confidence: float
) -> tuple[pd.Series, pd.Series]:
    if not of_people:
        return above * np.nan, above * np.nan
    lower, upper = stats.wilson(above, below, confidence=confidence)
    return pd.Series(lower, index=above.index), pd.Series(upper, index=above.index)


def pooled_rate(frame: pd.DataFrame, numerator: str, denominator: str) -> float:
    """Sum over sum over the rows that have both terms; nan over nobody."""
    sums = frame[[numerator, denominator]].dropna().sum()
    return float(sums[numerator] / sums[denominator]) if sums[denominator] > 0 else np.nan


def _one_row(frame: pd.DataFrame) -> pd.DataFrame:
    if len(frame) != 1:
        raise MetricError(
            f"expected the one row of a session, found {len(frame)}: people of several are not "
            "added up"
        )
    return frame
