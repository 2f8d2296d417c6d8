"""Where the minutes of a session turn, and what happened at that time.

The level of a rate changes, or people leave. Both are told only where they are beyond the minutes'
own unevenness; what happened at the same time only coincides.
"""

from __future__ import annotations

import functools

import numpy as np
import pandas as pd
import ruptures

from helpers import reference
from helpers.core import stats, text
from helpers.funnel import minutes
from helpers.funnel.facts import fact
from helpers.funnel.step_rates import pooled_rate

# What is looked at minute by minute, per thousand of its denominator: people leaving, then the
# textbook's five groups.
RATES = {
    "leaving": ("left", "online"),
    "fans": ("new_fans", "online"),
    "interaction": ("comments", "online"),
    "click": ("product_click_users", "online"),
    "conversion": ("orders", "product_click_users"),
    "sales": ("orders", "online"),
}
SHORTEST = 5  # minutes of a stretch between two change points
# of a change point, times ln(minutes) and the noise: 3 keeps one curve quiet, 5 six of them
PENALTY = 5.0
PARTS = 10  # of a session, for its usual course
FEWEST_SESSIONS = 5  # fewer earlier sessions with minutes: no usual course is known
LAST_SESSIONS = 20  # that it is taken from
STEADYING = 30.0  # events: what a part is weighed down with towards no difference
AROUND = 15  # minutes before and after that exits are set against
LONGEST_EXIT = 5
MOST_EXITS = 3
EXIT_ALARM = 0.05  # chance that a session without exit points shows one
SILENT = (
    "list",
    "delist",
    "explain_start",
    "explain_end",
)  # cues that say nothing more than the explanations do
TELLING = {
    "violation": 0,
    "banned_word": 0,
    "stock_change": 1,
}  # cues that explain more than an explanation; others explain less
NEAR = 2  # minutes within which something that happened goes with a change
DIMENSIONS = {name: name for name in RATES} | {"leaving": "traffic"}
LEADING = {  # the figure that speaks for each of the groups; the first that the session has
    "leaving": ("exposure_view_rate",),
    "fans": ("follow_rate",),
    "interaction": ("view_interaction_rate", "interaction_rate"),
    "click": ("product_click_rate", "product_click_rate_times"),
    "conversion": ("click_pay_rate", "click_order_rate_times"),
    "sales": ("uv_value", "paid_per_hour"),
}
METRICS = {
    "leaving": "avg_online",
    "fans": "new_fans",
    "interaction": "comments",
    "click": "product_click_users",
    "conversion": "orders",
    "sales": "orders",
}

# ---- change points and exit points


def breaks(counts: np.ndarray, exposure: np.ndarray) -> list[int]:
    """Places at which the level of a rate changes; none in a curve without noise.

    PELT on squared error, every place a candidate. The counts are brought to one variance, 2√(count
    ÷ exposure · mean exposure + 3/8). The noise is that of neighbours' differences, cut at four
    deviations so that the changes themselves do not count, times what an AR(1) adds to a mean.
    """
    y = 2 * np.sqrt(counts / exposure * exposure.mean() + 3 / 8)
    steps = np.diff(y)
    spread = (
        1.4826 * np.median(np.abs(steps - np.median(steps))) if len(steps) > 2 * SHORTEST else 0.0
    )
    steps = np.clip(steps, -4 * spread, 4 * spread) if spread > 0 else steps
    if len(steps) <= 2 * SHORTEST or np.isclose([steps[:-1].std(), steps[1:].std()], 0).any():
        return []
    memory = float(np.clip(1 + 2 * np.corrcoef(steps[:-1], steps[1:])[0, 1], 0, 0.8))
    noise = steps.var() / (2 * (1 - memory)) * (1 + memory) / (1 - memory)
    places = (
        ruptures.KernelCPD(kernel="linear", min_size=SHORTEST)
        .fit(y.reshape(-1, 1))
        .predict(pen=PENALTY * np.log(len(y)) * noise)
    )
    return [int(place) for place in places[:-1]]


def course(minutes_: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """The account's usual course: each rate in each tenth of a session ÷ that of the whole session.

    `minutes_` are those of earlier sessions, `sessions` their rows; the last LAST_SESSIONS that
    have them are taken. One row per rate and tenth: rate_of, part (0 to PARTS - 1), factor (ratio
    of sums: events ÷ those that the session's own rate leads to expect, steadied towards 1 where
    there are few), sessions. Rates that fewer than FEWEST_SESSIONS sessions hold are left out.
    """
    begun = sessions.set_index("session_id")["started_at"]
    last = begun[begun.index.isin(minutes_["session_id"])].sort_values().index[-LAST_SESSIONS:]
    rows = [
        row
        for name in last
        for row in _parts_of(minutes.profile(minutes_[minutes_["session_id"] == name], begun[name]))
    ]
    sums = (
        pd.DataFrame(rows, columns=["rate_of", "part", "events", "expected"])
        .groupby(["rate_of", "part"], sort=False)
        .agg(events=("events", "sum"), expected=("expected", "sum"), sessions=("events", "size"))
        .reset_index()
    )
    sums = sums[sums["sessions"] >= FEWEST_SESSIONS]
    return sums.assign(factor=(sums["events"] + STEADYING) / (sums["expected"] + STEADYING))[
        ["rate_of", "part", "factor", "sessions"]
    ].reset_index(drop=True)


def _parts_of(curve: pd.DataFrame) -> list[tuple[str, int, float, float]]:
    """Events of each rate in each tenth of one session, and how many its own rate makes expect."""
    parts = []
    for name, (above, below) in RATES.items():
        counted = _enough(curve, above, below)
        if len(counted) and counted[above].sum() > 0:
            part = (counted["minute"] * PARTS // (curve["minute"].max() + 1)).astype(int)
            sums = counted.groupby(part)[[above, below]].sum()
            rate = counted[above].sum() / counted[below].sum()
            parts += [
                (name, int(place), float(row[above]), float(rate * row[below]))
                for place, row in sums.iterrows()
            ]
    return parts


def _usual(
    curve: pd.DataFrame, minute: pd.Series, name: str, courses: pd.DataFrame | None
) -> np.ndarray:
    """The usual course of a rate at these minutes; 1 where it is not known.

    Straight lines lead from the middle of a tenth to that of the next.
    """
    tenths = courses[courses["rate_of"] == name].sort_values("part") if courses is not None else []
    if len(tenths) < PARTS:
        return np.ones(len(minute))
    length = curve["minute"].max() + 1
    return np.interp((minute + 0.5) / length, (tenths["part"] + 0.5) / PARTS, tenths["factor"])


def course_words(courses: pd.DataFrame, lang: str) -> str:
    """A sentence on whether change points are those beside a usual course, and from what.

    It names the number of sessions that the course is of.
    """
    if courses.empty:
        return text.choose(
            lang,
            (
                f"此前有分钟数据的场次不足 {FEWEST_SESSIONS} 场，没有减去平常的走势：开场冷、"
                "收尾淡也会算作变点。"
            ),
            (
                f"Fewer than {FEWEST_SESSIONS} earlier sessions have minutes, so no usual course "
                "is taken off: a slow opening or a fading end counts as a change too."
            ),
        )
    number = int(courses["sessions"].max())
    return text.choose(
        lang,
        (
            f"找变点前已减去本账号此前 {number} 场的平常走势（每场分十段），开场冷、"
            "收尾淡这类每场都有的起伏不算变点。"
        ),
        (
            f"The usual course of the last {number} sessions (in tenths of a session) is taken off "
            "before change points are looked for: what every session does, such as a slow opening "
            "or a fading end, is none."
        ),
    )


def stretches(
    curve: pd.DataFrame, *, usual: pd.DataFrame | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """The rates of RATES between their change points, one row per rate and stretch.

    There is one stretch where nothing changes. `usual` is the account's `course`: change points are
    those of a rate beside it. Columns: rate_of (a name of RATES), start_minute, end_minute (past
    its last minute), minutes, per_1000 (events per 1000 of the denominator: online person-minutes,
    for conversion clicks), ci_lower, ci_upper (quasi-Poisson, the dispersion measured within the
    stretches), session_per_1000, usual_per_1000 (what the session's own level and the usual course
    lead to expect there; without a course the session's), apart (how far off that, in standard
    deviations). Rates that the minutes do not hold, or for too few minutes, are left out.
    """
    parts = [_stretches_of(curve, name, usual, confidence) for name in RATES]
    with_minutes = [part for part in parts if len(part)]
    return (
        pd.concat(with_minutes, ignore_index=True)
        if with_minutes
        else _stretches_of(curve.iloc[:0], "sales", None, confidence)
    )


def _enough(curve: pd.DataFrame, above: str, below: str) -> pd.DataFrame:
    """The minutes that know both terms of a rate, without those of a handful of people.

    A handful is a tenth of the usual number.
    """
    counted = curve[curve[above].notna() & (curve[below] > 0)]
    return counted[counted[below] >= counted[below].median() / 10].reset_index(drop=True)


def _stretches_of(
    curve: pd.DataFrame, name: str, usual: pd.DataFrame | None, confidence: float
) -> pd.DataFrame:
    above, below = RATES[name]
    counted = _enough(curve, above, below)
    rows = counted if len(counted) > 3 * SHORTEST and counted[above].sum() > 0 else counted.iloc[:0]
    x, n = (rows[column].to_numpy(dtype=float) for column in (above, below))
    due = n * _usual(curve, rows["minute"], name, usual)
    cuts = breaks(x, due) if len(rows) else []
    part = np.searchsorted(cuts, np.arange(len(rows)), side="right")
    sums = (
        rows.assign(x=x, n=n, due=due)
        .groupby(part)
        .agg(
            start_minute=("minute", "first"),
            last=("minute", "last"),
            minutes=("minute", "size"),
            x=("x", "sum"),
            n=("n", "sum"),
            due=("due", "sum"),
        )
    )
    session, level = (
        sums["x"].sum() / sums[base].sum() if len(sums) else np.nan for base in ("n", "due")
    )
    fitted = due * (sums["x"] / sums["due"]).to_numpy()[part] if len(sums) else due
    spread = stats.dispersion(x, fitted, fitted=max(len(sums), 1))
    lower, upper = stats.count_rate(
        sums["x"], sums["n"] / 1000, dispersion=spread, confidence=confidence
    )
    return pd.DataFrame(
        {
            "rate_of": name,
            "start_minute": sums["start_minute"],
            "end_minute": sums["last"] + 1,
            "minutes": sums["minutes"].astype(float),
            "per_1000": 1000 * sums["x"] / sums["n"],
            "ci_lower": lower,
            "ci_upper": upper,
            "session_per_1000": 1000 * session,
            "usual_per_1000": 1000 * level * sums["due"] / sums["n"],
            "apart": (sums["x"] - level * sums["due"]) / np.sqrt(spread * level * sums["due"]),
        }
    ).reset_index(drop=True)


def _off(rows: np.ndarray) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """How far windows lie above the running median, in deviations, and the memory of each curve.

    Windows are of one to LONGEST_EXIT minutes: by length, a row a curve.
    """
    padded = np.pad(rows, ((0, 0), (AROUND, AROUND)), mode="reflect")
    residual = rows - np.median(
        np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1, axis=1), axis=2
    )
    spread = 1.4826 * np.median(np.abs(residual), axis=1, keepdims=True)
    unit = np.clip(residual / np.where(spread > 0, spread, np.inf), -3, 3)
    square = (unit**2).mean(axis=1)
    memory = np.clip(
        (unit[:, 1:] * unit[:, :-1]).mean(axis=1) / np.where(square > 0, square, 1), 0, 0.8
    )
    sums = np.cumsum(np.pad(residual, ((0, 0), (1, 0))), axis=1)
    windows = {}
    for length in range(1, LONGEST_EXIT + 1):
        extra = sum(
            ((length - lag) * memory**lag for lag in range(1, length)), np.zeros_like(memory)
        )
        windows[length] = (sums[:, length:] - sums[:, :-length]) / (
            np.where(spread > 0, spread, np.inf) * np.sqrt(length + 2 * extra)[:, None]
        )
    return windows, memory


@functools.cache
def _bar(length: int, memory: float) -> float:
    """What the furthest window of a curve of AR(1) noise passes with the chance EXIT_ALARM.

    By 200 curves of a fixed seed.
    """
    steps = np.random.default_rng(0).standard_normal((200, length + 20))
    noise = np.zeros_like(steps)
    for place in range(1, length + 20):
        noise[:, place] = memory * noise[:, place - 1] + np.sqrt(1 - memory**2) * steps[:, place]
    off, _ = _off(noise[:, 20:])
    return float(
        np.quantile(
            np.max([windows.max(axis=1) for windows in off.values()], axis=0), 1 - EXIT_ALARM
        )
    )


def exits(curve: pd.DataFrame) -> pd.DataFrame:
    """Exit points 流失节点, in which more of those online left than around, the clearest first.

    Each is of up to five minutes. One row per exit point, at most `MOST_EXITS`: start_minute,
    end_minute (past its last minute), left_per_minute, leave_rate (left ÷ online over it),
    around_rate (the same over AROUND minutes before and after), apart (deviations). The bar is set
    so that EXIT_ALARM of the sessions without one show one. Empty where the minutes have no
    leavers.
    """
    counted = _enough(curve, "left", "online")
    columns = [
        "start_minute",
        "end_minute",
        "left_per_minute",
        "leave_rate",
        "around_rate",
        "apart",
    ]
    if len(counted) <= 2 * AROUND:
        return pd.DataFrame(columns=columns, dtype=float)
    off, memory = _off(
        np.log((counted["left"] + 0.5) / counted["online"]).to_numpy(dtype=float)[None]
    )
    bar = _bar(len(counted), min(round(1.1 * float(memory[0]) + 0.05, 1), 0.9))
    over = sorted(
        (
            (float(apart), place, place + length)
            for length, windows in off.items()
            for place, apart in enumerate(windows[0])
            if apart > bar
        ),
        reverse=True,
    )
    clearest: list[tuple[float, int, int]] = []
    for apart, first, last in over:
        if all(
            last + AROUND // 3 <= other[1] or first >= other[2] + AROUND // 3 for other in clearest
        ):
            clearest.append((apart, first, last))
    return pd.DataFrame(
        [_exit(counted, *window) for window in clearest[:MOST_EXITS]], columns=columns, dtype=float
    )


def _exit(counted: pd.DataFrame, apart: float, first: int, last: int) -> list[float]:
    inside = counted.iloc[first:last]
    near = counted.iloc[max(first - AROUND, 0) : last + AROUND].drop(inside.index)
    rates = [pooled_rate(part, "left", "online") for part in (inside, near)]
    return [
        inside["minute"].iloc[0],
        inside["minute"].iloc[-1] + 1,
        inside["left"].mean(),
        *rates,
        apart,
    ]


# ---- what happened then


def happened(
    spans: pd.DataFrame,
    cues: pd.DataFrame,
    script: pd.DataFrame,
    events: pd.DataFrame,
    started_at: pd.Timestamp,
    ended_at: pd.Timestamp,
) -> pd.DataFrame:
    """All that a change can go with, one row per thing, in order.

    Columns: minute, until (nan for a moment), label_zh, label_en, weight. Explanations, floor
    control's cues, stages of the script, logged events of the session; the smaller the weight the
    more telling.
    """
    during = events[
        (events["starts_at"] <= ended_at)
        & (events["ends_at"].fillna(events["starts_at"]) >= started_at)
    ]
    moments = minutes.marks(
        cues,
        started_at,
        kinds=[kind for kind in reference.terms()["cue_kind"] if kind not in SILENT],
    )
    begins, ends = (minutes.elapsed(during[name], started_at) for name in ("starts_at", "ends_at"))
    rows = [
        *(
            (begin, end, *_event(row.kind, row.what), 0)
            for begin, end, row in zip(begins, ends, during.itertuples(), strict=True)
        ),
        *(
            (row.minute, np.nan, row.label_zh, row.label_en.lower(), TELLING.get(row.kind, 3))
            for row in moments.itertuples()
        ),
        *(
            (
                row.start_minute,
                row.end_minute,
                f"讲解「{row.label_zh}」",
                f"explaining “{row.label_en}”",
                2,
            )
            for row in spans.itertuples()
        ),
        *(
            (
                row.start_minute,
                row.end_minute,
                f"脚本环节「{row.label_zh}」",
                f"the stage “{row.label_en.lower()}”",
                4,
            )
            for row in script.itertuples()
        ),
    ]
    things = pd.DataFrame(rows, columns=["minute", "until", "label_zh", "label_en", "weight"])
    return things.astype({"minute": "float64", "until": "float64"}).sort_values(
        ["minute", "weight"], kind="stable", ignore_index=True
    )


def _event(kind: object, what: object) -> tuple[str, str]:
    """A logged event in words: its kind and what was written."""
    term, note = (
        reference.terms()["event_kind"].get(kind) if isinstance(kind, str) else None,
        text.plain(what, 20),
    )
    return (
        (f"{term.zh}「{note}」", f"{term.en.lower()} “{note}”")
        if term
        else (f"事件「{note}」", f"event “{note}”")
    )


def touching(
    minute: float, things: pd.DataFrame, lang: str, *, until: float | None = None, most: int = 2
) -> str:
    """What began near a minute, the most telling first; else what was running; else nothing.

    Near is within NEAR minutes of it, or before `until`.
    """
    last = minute if until is None else until - 1
    near = things[(things["minute"] >= minute - NEAR) & (things["minute"] <= last + NEAR)]
    running = things[(things["minute"] <= minute) & (things["until"] > minute)]
    labels = (
        (near if len(near) else running)
        .sort_values("weight", kind="stable")[f"label_{lang}"]
        .drop_duplicates()
        .head(most)
    )
    return text.choose(lang, "、", ", ").join(labels)


def with_turns(marks: pd.DataFrame, leaving: pd.DataFrame, stretches: pd.DataFrame) -> pd.DataFrame:
    """`marks` with the exit points and change points of the session.

    Change points of several rates at one minute stand once.
    """
    begins = stretches[stretches.groupby("rate_of").cumcount() > 0][
        "start_minute"
    ].drop_duplicates()
    words = reference.terms()["turn"]
    kind = ["exit"] * len(leaving) + ["change"] * len(begins)
    turns = pd.DataFrame(
        {
            "minute": [*leaving["start_minute"], *begins],
            "kind": kind,
            "label_zh": [words[name].zh for name in kind],
            "label_en": [words[name].en for name in kind],
        }
    )
    return pd.concat([part for part in (marks, turns) if len(part)] or [marks], ignore_index=True)


# ---- findings


def exit_findings(leaving: pd.DataFrame, things: pd.DataFrame) -> list[dict[str, object]]:
    """One fact per exit point, with what went with it.

    How many left a minute, of how many, against the minutes around.
    """
    return [_exit_fact(row, things) for row in leaving.itertuples()]


def _exit_fact(row: object, things: pd.DataFrame) -> dict[str, object]:
    first, last = row.start_minute, row.end_minute - 1
    when = _when(first, last)
    went = {lang: touching(first, things, lang, until=row.end_minute) for lang in ("zh", "en")}
    left, inside, around = (
        text.number(value, "en")
        for value in (row.left_per_minute, 100 * row.leave_rate, 100 * row.around_rate)
    )
    return fact(
        dimension="traffic",
        metric="avg_online",
        slice=f"exit={first:.0f}",
        value=row.leave_rate,
        baseline=row.around_rate,
        minute_from=first,
        minute_to=last,
        sentence_zh=(
            f"流失节点：{when['zh']}每分钟离开约 {left} 人次，每百个在线的人 {inside} 次，"
            f"前后一刻钟是 {around} 次"
        )
        + (f"；同时：{went['zh']}。" if went["zh"] else "。"),
        sentence_en=(
            f"Exit point: in {when['en'].lower()} people left about {left} times a minute, "
            f"{inside} per hundred online, against {around} in the quarter hours around"
        )
        + (f"; at that time: {went['en']}." if went["en"] else "."),
    )


def _when(first: float, last: float) -> dict[str, str]:
    """A stretch of minutes in words; one minute is no stretch."""
    if last <= first:
        return {"zh": f"第 {first:.0f} 分钟", "en": f"Minute {first:.0f}"}
    return {"zh": f"第 {first:.0f}–{last:.0f} 分钟", "en": f"Minutes {first:.0f}–{last:.0f}"}


def leaving_words(curve: pd.DataFrame, leaving: pd.DataFrame, lang: str) -> str:
    """A sentence on when people left: the exit points, else the five minutes with most leavers.

    Those are per person online, and said not to be sure.
    """
    if len(leaving):
        listed = text.choose(lang, "、", ", ").join(
            _when(row.start_minute, row.end_minute - 1)[lang]
            for row in leaving.sort_values("start_minute").itertuples()
        )
        return text.choose(
            lang,
            f"人走得明显多的：{listed}（流失节点）。",
            (
                f"People left clearly more than around in: {listed[0].lower()}{listed[1:]} (exit "
                "points)."
            ),
        )
    counted = _enough(curve, "left", "online")
    if len(counted) < LONGEST_EXIT:
        return ""
    sums = counted[["left", "online"]].rolling(LONGEST_EXIT).sum()
    last = int((sums["left"] / sums["online"]).argmax())
    most, whole = (
        text.number(100 * share, "en", 1)
        for share in (
            sums["left"].iloc[last] / sums["online"].iloc[last],
            pooled_rate(counted, "left", "online"),
        )
    )
    when = _when(counted["minute"].iloc[last - LONGEST_EXIT + 1], counted["minute"].iloc[last])
    return text.choose(
        lang,
        (
            f"按在线人数算，走得最多的是{when['zh']}（每百个在线的人每分钟走 {most} 人次，全场 "
            f"{whole}），但没有超出分钟之间平常的起伏，不能定为流失节点：人是陆续走的。"
        ),
        (
            f"By the people online, most left in {when['en'].lower()} ({most} leavings a minute "
            f"for every hundred online, {whole} in the whole session), which is within the "
            "minutes' usual unevenness: no exit point is sure, people left little by little."
        ),
    )


def quiet_words(stretches: pd.DataFrame, lang: str) -> str:
    """A sentence on the rates without a sure change point; nothing where there is none."""
    labels, several = reference.terms()["rate_of"], stretches["rate_of"].duplicated(keep=False)
    still = [text.label(labels[name], lang) for name in stretches.loc[~several, "rate_of"]]
    listed = text.choose(lang, "、", "; ").join(still)
    return (
        text.choose(
            lang, f"全程没有可以确定的变点的：{listed}。", f"No change point is sure in: {listed}."
        )
        if still
        else ""
    )


def changing(parts: pd.DataFrame, things: pd.DataFrame) -> pd.DataFrame:
    """The stretches of the rates whose level changes, with what went with their beginning.

    Columns added: began_zh, began_en.
    """
    several = parts[parts.groupby("rate_of")["rate_of"].transform("size") > 1]
    return several.assign(
        **{
            f"began_{lang}": [touching(minute, things, lang) for minute in several["start_minute"]]
            for lang in ("zh", "en")
        }
    )


def groups(figures: pd.DataFrame, parts: pd.DataFrame, leaving: pd.DataFrame) -> pd.DataFrame:
    """The six groups 流量、粉丝、互动、点击、转化、带货 at a glance, one row each.

    A row has the group's leading figure and what its minutes do. `figures` are those of
    `key_figures`. Columns: group, metric, value, ci_lower, ci_upper, minutes_zh, minutes_en (the
    most unusual stretch, else that none is sure, else that the minutes do not hold it).
    """
    valued, unusual = (
        figures[figures["value"].notna()].set_index("metric"),
        standing_out(parts).set_index("rate_of"),
    )
    rows = []
    for name, names in LEADING.items():
        metric = next((name_of for name_of in names if name_of in valued.index), None)
        words = {lang: _group_words(name, unusual, parts, leaving, lang) for lang in ("zh", "en")}
        if metric is not None or len(parts):
            rows.append(
                {
                    "group": DIMENSIONS[name],
                    "metric": metric,
                    **{
                        column: valued.loc[metric, column] if metric else np.nan
                        for column in ("value", "ci_lower", "ci_upper")
                    },
                    **{f"minutes_{lang}": sentence for lang, sentence in words.items()},
                }
            )
    return pd.DataFrame(
        rows,
        columns=["group", "metric", "value", "ci_lower", "ci_upper", "minutes_zh", "minutes_en"],
    )


def _group_words(
    name: str, unusual: pd.DataFrame, parts: pd.DataFrame, leaving: pd.DataFrame, lang: str
) -> str:
    """What the minutes of one group do, in a few words."""
    if name not in set(parts["rate_of"]):
        return text.choose(lang, "分钟数据里没有", "not in the minutes")
    label = text.label(reference.terms()["rate_of"][name], lang)
    if name in unusual.index:
        row = unusual.loc[name]
        when, level, usual = (
            _when(row["start_minute"], row["end_minute"] - 1)[lang],
            text.number(row["per_1000"], "en", 1),
            text.number(row["usual_per_1000"], "en", 1),
        )
        high = row["per_1000"] > row["usual_per_1000"]
        return text.choose(
            lang,
            f"{when}{'高' if high else '低'}：{label} {level}，平常这时 {usual}",
            (
                f"{when}, {'high' if high else 'low'}: {label.lower()} {level}, usual at that "
                f"point {usual}"
            ),
        )
    quiet = text.choose(lang, f"{label}：没有可以确定的变点", f"{label}: no sure change")
    if name != "leaving" or leaving.empty:
        return quiet
    return quiet + text.choose(
        lang, f"；流失节点 {len(leaving)} 处", f"; exit points: {len(leaving)}"
    )


def standing_out(parts: pd.DataFrame) -> pd.DataFrame:
    """Of each rate that changes the stretch that is furthest from the session's.

    One row per rate, in the order of RATES.
    """
    several = parts[parts.groupby("rate_of")["rate_of"].transform("size") > 1]
    return several.loc[
        several["apart"].abs().groupby(several["rate_of"], sort=False).idxmax()
    ].reset_index(drop=True)


def change_findings(parts: pd.DataFrame, things: pd.DataFrame) -> list[dict[str, object]]:
    """One fact per rate whose level changes: its most unusual stretch, and what came with it."""
    return [_change_fact(row, things) for row in standing_out(parts).itertuples()]


def _change_fact(row: object, things: pd.DataFrame) -> dict[str, object]:
    first, last = row.start_minute, row.end_minute - 1
    named, when = reference.terms()["rate_of"][row.rate_of], _when(first, last)
    went = {lang: touching(first, things, lang) for lang in ("zh", "en")}
    level, session, usual = (
        text.number(value, "en", 1)
        for value in (row.per_1000, row.session_per_1000, row.usual_per_1000)
    )
    above, plain = row.per_1000 > row.usual_per_1000, usual == session
    beside = {
        "zh": f"全场 {session}" if plain else f"按本场水平，平常这时是 {usual}（全场 {session}）",
        "en": f"the session's {session}"
        if plain
        else (
            f"the {usual} that is usual at that point of a session of this level (whole "
            f"session {session})"
        ),
    }
    return fact(
        dimension=DIMENSIONS[row.rate_of],
        metric=METRICS[row.rate_of],
        slice=f"stretch={row.rate_of}",
        value=row.per_1000,
        baseline=row.usual_per_1000,
        ci_lower=row.ci_lower,
        ci_upper=row.ci_upper,
        minute_from=first,
        minute_to=last,
        sentence_zh=f"{named.zh}在{when['zh']}{'高' if above else '低'}：{level}，{beside['zh']}"
        + (f"；从这里开始：{went['zh']}。" if went["zh"] else "。"),
        sentence_en=(
            f"{named.en}, {when['en'].lower()}: {level}, {'above' if above else 'below'} "
            f"{beside['en']}"
        )
        + (f"; at its beginning: {went['en']}." if went["en"] else "."),
    )
