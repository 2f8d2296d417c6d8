"""Special events 特殊事件分析: what moved while a logged event was in force.

Coinciding is no cause: a change is claimed only where its interval leaves out zero, also after the
correction over all events and metrics, and at most one in twenty other dates shows as large a one.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.compare.baseline import SPECIAL, described, room_until
from helpers.compare.clock import angle
from helpers.compare.scale import label
from helpers.compare.shift import ENOUGH_DURING, LEAST, UNKNOWN, Shift, level_shift
from helpers.core import stats, text

# Sessions before, in force and after that an effect is taken from.
BEFORE, DURING, AFTER = 60, 30, 20
TOGETHER = 3  # events with fewer sessions than this between their starts cannot be told apart
UNNAMED = ("paid_amount", "viewers", "uv_value")  # looked at where an event names no metric
PLACEBO_LEVEL = 0.05
PER_COLUMN = 12  # sessions outside for each covariate
VERDICTS = {
    "moved": ("时间上吻合", "coincides"),
    "contrary": ("有变化，但与预期相反", "moved, but the other way"),
    "cannot_tell": ("分不出", "cannot be told"),
    "too_early": ("还太早", "too early"),
    "too_few": ("场次太少", "too few sessions"),
    "no_session": ("期间没有场次", "no session meanwhile"),
}
COLUMNS = (
    "event",
    "kind",
    "from",
    "to",
    "joint",
    "logged_after",
    "expected_direction",
    "metric",
    "label_zh",
    "label_en",
    "n_before",
    "n_during",
    "effect",
    "lower",
    "upper",
    "p_value",
    "p_adjusted",
    "p_placebo",
    "dates",
    "method",
    "verdict",
)


def in_force(sessions: pd.DataFrame, event: pd.Series, kind: reference.EventKind) -> np.ndarray:
    """Which sessions (oldest first) an event's change is looked for in.

    Those while it is in force, or the first ones since its start, by its kind.
    """
    begun = (sessions["started_at"] >= event["starts_at"]).to_numpy()
    most = DURING if kind.lag_sessions is None else kind.lag_sessions
    first = begun & (begun.cumsum() <= most)
    end = _end(event, kind)
    return first if end is None else first & (sessions["started_at"] <= end).to_numpy()


def _end(event: pd.Series, kind: reference.EventKind) -> pd.Timestamp | None:
    """When an event's effect is over; None where its sessions are counted or it stays."""
    if kind.lag_sessions is not None or (pd.isna(event["ends_at"]) and kind.stays):
        return None
    lingers = event["starts_at"] + pd.Timedelta(days=kind.days)
    return lingers if pd.isna(event["ends_at"]) else event["ends_at"]


def goes_on(event: pd.Series, kind: reference.EventKind, now: pd.Timestamp) -> bool:
    """Whether further sessions may still show what the event does."""
    end = _end(event, kind)
    return end is None or end > now


def _grouped(masks: list[np.ndarray]) -> list[list[int]]:
    """Events that cannot be told apart, by position: in force at once, begun almost together."""
    groups: list[list[int]] = []
    for k, mask in enumerate(masks):
        first = groups[-1][0] if groups else -1
        near = (
            groups
            and mask.any()
            and masks[first].any()
            and abs(int(mask.argmax()) - int(masks[first].argmax())) < TOGETHER
        )
        if near and (mask & masks[first]).any():
            groups[-1].append(k)
        else:
            groups.append([k])
    return groups


def _covariates(table: pd.DataFrame, outside: int) -> np.ndarray:
    """What else sets sessions apart, in this order, as many columns as they can bear."""
    pause = table["started_at"].diff().dt.total_seconds().div(86400).fillna(0).clip(lower=0)
    hand = angle(table["slot"])
    columns = pd.DataFrame(
        {
            "special": ((table["festival"] != "") | table["kind"].isin(SPECIAL)).astype(float),
            "pause": np.log1p(pause),
            "length": np.log(table["hours"]).fillna(0),
            "clock_x": np.cos(hand),
            "clock_y": np.sin(hand),
            "rest": (table["day"] == "rest").astype(float),
        }
    )
    varying = [name for name in columns if columns[name].std() > 1e-9][: outside // PER_COLUMN]
    return (columns[varying] - columns[varying].mean()).to_numpy()


def _own_metrics(event: pd.Series, with_values: set[str]) -> list[str]:
    if isinstance(event["metric"], str) and event["metric"]:
        return [event["metric"]] if event["metric"] in with_values else []
    return [name for name in UNNAMED if name in with_values]


def _measured(
    table: pd.DataFrame, values: pd.Series, mask: np.ndarray, other: np.ndarray, confidence: float
) -> tuple[Shift, int, int]:
    usable = values.gt(0)
    place = np.arange(len(table))
    begin, last = int(mask.argmax()), int(place[mask].max())
    taken = usable.to_numpy() & (
        mask | (~other & (place >= begin - BEFORE) & (place <= last + AFTER))
    )
    before, during = int((taken & ~mask & (place < begin)).sum()), int((taken & mask).sum())
    if before < LEAST or not during:
        return UNKNOWN, before, during
    rows, y = table[taken], values[taken].to_numpy(float)
    outside = int((taken & ~mask).sum())
    return (
        level_shift(np.log(y), mask[taken], _covariates(rows, outside), confidence=confidence),
        before,
        during,
    )


def effects(
    values: pd.DataFrame,
    sessions: pd.DataFrame,
    events: pd.DataFrame,
    session_id: str,
    *,
    registry: Mapping[str, reference.Metric],
    thresholds: Mapping[str, float],
    calendar: Iterable[reference.Festival],
    kinds: Mapping[str, reference.EventKind],
    days: float = 180,
) -> pd.DataFrame:
    """What moved with each logged event of the last `days`, as known at the reviewed session.

    `values` come from `on_one_scale`; later sessions and other rooms take no part. Promotions are
    held against their like and not measured here; a metric that can be negative is left out.

    One row per event x metric: event (several joined where they cannot be told apart: joint), kind,
    kind_zh, kind_en, from, to, logged_after (only after the first session in force),
    expected_direction, metric (the one named, else `UNNAMED`), label_zh, label_en, n_before,
    n_during, effect (fraction), lower, upper, p_value, p_adjusted (Benjamini-Hochberg over all
    rows), p_placebo (share of `dates` other dates with as large a change), method, verdict (keys of
    `VERDICTS`), outcome_zh, outcome_en.
    """
    session = sessions.set_index("session_id").loc[session_id]
    past = room_until(sessions, session).sort_values("started_at", ignore_index=True)
    table = described(past, calendar)
    recent = events["starts_at"].between(
        session["started_at"] - pd.Timedelta(days=days), session["started_at"]
    )
    looked_at = events["kind"].isin([name for name, kind in kinds.items() if kind.measured])
    logged = events[recent & looked_at].sort_values("starts_at", ignore_index=True)
    masks = [in_force(table, event, kinds[event["kind"]]) for _, event in logged.iterrows()]
    logarithmic = [name for name, metric in registry.items() if not metric.minus]
    wide = values[values["metric"].isin(logarithmic)].pivot(
        index="session_id", columns="metric", values="value"
    )
    wide = wide.reindex(table["session_id"])
    rows = []
    for group in _grouped(masks):
        mask = np.any([masks[k] for k in group], axis=0)
        elsewhere = [masks[k] for k in range(len(masks)) if k not in group]
        other = np.any([np.zeros(len(table), dtype=bool), *elsewhere], axis=0)
        members = logged.loc[group]
        late = any(
            goes_on(event, kinds[event["kind"]], session["started_at"])
            for _, event in members.iterrows()
        )
        names = dict.fromkeys(
            name
            for _, event in members.iterrows()
            for name in _own_metrics(event, set(wide.columns))
        )
        first = table["started_at"][mask].min()
        for name in names:
            of_metric = wide[name].reset_index(drop=True)
            measured = (
                _measured(table, of_metric, mask, other, thresholds["confidence"])
                if mask.any()
                else (UNKNOWN, 0, 0)
            )
            rows.append(_row(members, name, *measured, late, first, registry[name]))
    return _judged(pd.DataFrame(rows, columns=list(COLUMNS)), thresholds)


def _row(
    members: pd.DataFrame,
    name: str,
    shift: Shift,
    before: int,
    during: int,
    late: bool,
    first: pd.Timestamp,
    metric: reference.Metric,
) -> dict:
    directions = set(
        members.loc[
            members["metric"].isna() | members["metric"].eq(name), "expected_direction"
        ].dropna()
    ) - {"unknown"}
    state = (
        "no_session"
        if not during and not late
        else "too_early"
        if during < ENOUGH_DURING and late
        else "too_few"
        if before < LEAST
        else ""
    )
    if state:
        shift = UNKNOWN
    terms = reference.terms()["event_kind"]
    names = [
        text.plain(row.what if isinstance(row.what, str) else terms[row.kind].zh, 40)
        for row in members.itertuples()
    ]
    return {
        "event": " ＋ ".join(names),
        "kind": members["kind"].iloc[0],
        "from": members["starts_at"].min(),
        "to": members["ends_at"].max(),
        "joint": len(members) > 1,
        "logged_after": bool((members["entered_at"] > first).any()),
        "expected_direction": directions.pop() if len(directions) == 1 else "unknown",
        "metric": name,
        "label_zh": label(metric, "zh"),
        "label_en": label(metric, "en"),
        "n_before": before,
        "n_during": during,
        "effect": np.expm1(shift.effect),
        "lower": np.expm1(shift.lower),
        "upper": np.expm1(shift.upper),
        "p_value": shift.p_value,
        "p_adjusted": np.nan,
        "p_placebo": shift.p_placebo,
        "dates": shift.dates,
        "method": shift.method,
        "verdict": state,
    }


def _judged(table: pd.DataFrame, thresholds: Mapping[str, float]) -> pd.DataFrame:
    level = 1 - thresholds["confidence"]
    adjusted = pd.Series(
        stats.benjamini_hochberg(table["p_value"].astype(float)), index=table.index
    )
    moved = (
        (table["p_value"].astype(float) <= level)
        & (adjusted <= thresholds["false_discovery_rate"])
        & ~(table["p_placebo"].astype(float) > PLACEBO_LEVEL)
    )
    expected = table["expected_direction"].map({"up": 1.0, "down": -1.0}).astype(float)
    contrary = moved & expected.notna() & (np.sign(table["effect"].astype(float)) != expected)
    verdict = (
        pd.Series("cannot_tell", index=table.index, dtype="str")
        .mask(moved, "moved")
        .mask(contrary, "contrary")
    )
    verdict = verdict.mask(table["verdict"] != "", table["verdict"])
    zh, en = ([VERDICTS[code][lang] for code in verdict] for lang in (0, 1))
    terms = reference.terms()["event_kind"]
    named = {
        f"kind_{lang}": table["kind"].map(lambda kind, lang=lang: text.label(terms[kind], lang))
        for lang in ("zh", "en")
    }
    return table.assign(p_adjusted=adjusted, verdict=verdict, outcome_zh=zh, outcome_en=en, **named)


def effect_sentences(table: pd.DataFrame) -> list[tuple[str, str]]:
    """A sentence (Chinese, English) for each event and metric that moved, one for the others."""
    moved = table[table["verdict"].isin(["moved", "contrary"])]
    sentences = [_sentence(row) for row in moved.itertuples()]
    unclear = table[~table.index.isin(moved.index)]
    if len(unclear):
        early, few = (
            int((unclear["verdict"] == "too_early").sum()),
            int(unclear["verdict"].isin(["too_few", "no_session"]).sum()),
        )
        why = [
            (len(unclear) - early - few, "与平时的起伏分不开", "within ordinary variation"),
            (
                early,
                f"事件之后不到 {ENOUGH_DURING} 场、还太早",
                f"too early, with fewer than {ENOUGH_DURING} sessions since",
            ),
            (few, "场次不够", "with too few sessions"),
        ]
        reasons = [(n, *words) for n, *words in why if n]
        zh = "，".join(f"{n} 项{words}" if len(reasons) > 1 else words for n, words, _ in reasons)
        en = ", ".join(f"{n} {words}" if len(reasons) > 1 else words for n, _, words in reasons)
        others = ("其余 ", "Of the other ") if len(moved) else ("", "In ")
        sentences.append(
            (
                f"{others[0]}{len(unclear)} 项看不出变化：{zh}。",
                f"{others[1]}{len(unclear)} no change can be told: {en}.",
            )
        )
    return sentences


def _sentence(row) -> tuple[str, str]:
    size, up = text.percent(abs(row.effect), 0), row.effect > 0
    low, high = text.percent(row.lower, 0), text.percent(row.upper, 0)
    after = ("（事后才登记）", " (logged only afterwards)") if row.logged_after else ("", "")
    joint = (
        (
            "几个事件重叠，分不开，合在一起看；",
            "The events overlap and cannot be told apart, so they are taken together. ",
        )
        if row.joint
        else ("", "")
    )
    other = ("", "")
    if np.isfinite(row.p_placebo):
        share = text.percent(row.p_placebo, 0)
        other = (
            f"换成其他 {row.dates} 个日期，有这么大变化的占 {share}。",
            f" Of {row.dates} other dates {share} show as much.",
        )
    contrary = (
        ("与登记的预期方向相反；", "It is the opposite of what was expected. ")
        if row.verdict == "contrary"
        else ("", "")
    )
    zh = (
        f"{row.event}{after[0]}：期间 {row.n_during} "
        f"场的{row.label_zh}比其余场次{'高' if up else '低'} {size}（95% 区间 {low} 到 {high}，"
        f"之前 {row.n_before} 场）。{joint[0]}{contrary[0]}{other[0]}时间上吻合，不等于是它造成的。"
    )
    en = (
        f"{row.event}{after[1]}: in its {row.n_during} sessions {row.label_en} was {size} "
        f"{'above' if up else 'below'} the others (95 % interval {low} to {high}; {row.n_before} "
        f"sessions before).{other[1]} {joint[1]}{contrary[1]}It coincides in time, which is no "
        "proof that it is the cause."
    )
    return zh, en
