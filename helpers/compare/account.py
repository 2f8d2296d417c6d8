"""The account over its sessions: how it moves by week and month, and sessions side by side.

Rates of a period are ratios of sums, money is added up, people are not: who watches twice would be
counted twice, so a period shows the mean of its sessions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import reference
from helpers.compare.baseline import LONGEST_RATIO, described, hours, same_room
from helpers.compare.bases import against
from helpers.core import level_regression, stats, text
from helpers.reference import metrics, schema
from helpers.review import choose_session

TREND = ("paid_amount", "net_amount", "uv_value", "room_conversion", "follow_rate")
WEEKS = 54  # how far back the account is looked at: a year, and the same week of the last one
RECENT_WEEKS, EARLIER_WEEKS = 8, 16
PAUSE_DAYS = 14  # without a session for so long an account has to be found again
FEWEST_WEEKS = 3  # weeks on either side below which a movement is not judged
MOST_MARKS = 9  # events a trend is marked with
MOST_BESIDE = 4  # sessions that fit beside the one under review
EVERY = {"week": "W-SUN", "month": "M"}


def sessions_of(sessions: pd.DataFrame, session_id: str, *, weeks: float = WEEKS) -> pd.DataFrame:
    """The sessions of this session's room and currency, up to itself and so many weeks back, oldest first; columns as given.

    Sessions that start later are left out, so that a page says the same whenever it is made.
    """
    session = sessions.set_index("session_id").loc[session_id]
    currency = (
        sessions["currency"].isna()
        if pd.isna(session["currency"])
        else sessions["currency"].eq(session["currency"]).fillna(False)
    )
    until = (sessions["started_at"] <= session["started_at"]) & (
        sessions["started_at"] > session["started_at"] - pd.Timedelta(weeks=weeks)
    )
    return sessions[same_room(sessions, session) & currency & until].sort_values(
        ["started_at", "session_id"], ignore_index=True
    )


def whole(mine: pd.DataFrame) -> pd.Series:
    """Whether a session is about as long as the room's sessions are: neither more than three times shorter nor longer, or unknown."""
    lengths = pd.Series(hours(mine).to_numpy(), index=mine.index)
    ratio = lengths / lengths.median()
    return lengths.isna() | ratio.between(1 / LONGEST_RATIO, LONGEST_RATIO)


def oddities(
    sessions: pd.DataFrame, comparable: pd.DataFrame, session_id: str
) -> list[tuple[str, str]]:
    """What is odd about a session's place among the others, as sentences (Chinese, English).

    After a pause, at the same time as another session, much shorter or longer than the room's
    sessions, over midnight, and why none is comparable, where that is so.
    """
    mine = sessions_of(sessions, session_id, weeks=10_000)
    ends = schema.session_ends(sessions)
    session, end = (
        sessions.set_index("session_id").loc[session_id],
        ends[sessions["session_id"] == session_id].iloc[0],
    )
    also = sessions[
        (sessions["session_id"] != session_id)
        & (sessions["started_at"] < end)
        & (ends > session["started_at"])
    ]
    return [
        *_paused(mine, session),
        *_at_once(also),
        *_length(mine),
        *_midnight(session["started_at"], end),
        *_none_comparable(comparable),
    ]


def _paused(mine: pd.DataFrame, session: pd.Series) -> list[tuple[str, str]]:
    before = mine.loc[mine["started_at"] < session["started_at"], "started_at"].max()
    days = (session["started_at"] - before).days if pd.notna(before) else 0
    return (
        [
            (
                (
                    f"距上一场（{before:%Y-%m-%d}）已有 {days} 天没有开播：流量和粉丝要重新热起来，"
                    "与停播前的比较要打折看。"
                ),
                (
                    f"No session for {days} days before this one (the last was on "
                    f"{before:%Y-%m-%d}): "
                    "traffic and fans have to come back first; read comparisons with what was "
                    "before "
                    "in that light."
                ),
            )
        ]
        if days >= PAUSE_DAYS
        else []
    )


def _at_once(also: pd.DataFrame) -> list[tuple[str, str]]:
    names = [
        (
            f"{row.session_id} "
            f"{text.plain(row.room_name if isinstance(row.room_name, str) else row.room, 20)}"
        )
        for row in also.itertuples()
    ]
    return (
        [
            (
                (
                    f"同一时间还有另一场在播（{'、'.join(names)}）：两边会互相分流；"
                    "各直播间只与自己的历史比，金额和人数不相加。"
                ),
                (
                    f"Another session ran at the same time ({', '.join(names)}): they draw viewers "
                    "from each other; each room is set against its own past, and money and people "
                    "are "
                    "not added."
                ),
            )
        ]
        if names
        else []
    )


def _length(mine: pd.DataFrame) -> list[tuple[str, str]]:
    if whole(mine).iloc[-1]:
        return []
    length, usual = hours(mine).iloc[-1] * 3600, hours(mine).median() * 3600
    return [
        (
            (
                f"本场时长 {text.seconds(length, 'zh')}，账号通常 {text.seconds(usual, 'zh')}，"
                "相差三倍以上：比率几个人就能改变，本场不进时段、主播和好场次的统计。"
            ),
            (
                f"This session lasted {text.seconds(length, 'en')}, the account's usually "
                f"{text.seconds(usual, 'en')}, more than three times apart: a few people change "
                "its "
                "rates, and it is left out of what is said of slots, hosts and good sessions."
            ),
        )
    ]


def _midnight(start: pd.Timestamp, end: pd.Timestamp) -> list[tuple[str, str]]:
    return (
        [
            (
                (
                    f"本场跨零点（{start:%m-%d %H:%M} 到 {end:%m-%d %H:%M}）：整场算在开播那天、"
                    "那周、"
                    "那月。"
                ),
                (
                    f"This session runs over midnight ({start:%m-%d %H:%M} to {end:%m-%d %H:%M}): "
                    "all "
                    "of it counts for the day, week and month in which it began."
                ),
            )
        ]
        if (end - pd.Timedelta(seconds=1)).date() > start.date()
        else []
    )


def _none_comparable(comparable: pd.DataFrame) -> list[tuple[str, str]]:
    if comparable.empty or comparable["chosen"].any():
        return []
    zh, en = (
        sep.join(
            f"{words} {count}"
            for words, count in comparable[f"reason_{lang}"].value_counts().head(3).items()
        )
        for lang, sep in (("zh", "；"), ("en", "; "))
    )
    return [
        (
            f"其余 {len(comparable)} 场为什么都不能比（场数）：{zh}。",
            f"Why none of the other {len(comparable)} sessions compares (how many): {en}.",
        )
    ]


# ------------------------------------------------------------------------------------ the movement


def _period(times: pd.Series, every: str) -> pd.Series:
    """The first moment of each time's calendar week (from Monday) or month, in the zone of the times."""
    return (
        times.dt.tz_localize(None)
        .dt.to_period(EVERY[every])
        .dt.start_time.dt.tz_localize(times.dt.tz)
    )


def trend(
    mine: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    every: str,
    as_of: pd.Timestamp,
    return_days: float,
    names: Iterable[str] = TREND,
) -> pd.DataFrame:
    """Metrics of the account by calendar week or month (`every`), from the sessions of `sessions_of`.

    One row per period with sessions x metric that has a value: period (its first moment), metric,
    label_zh, label_en, unit, value, n (sessions), how (sum, ratio of sums, or mean of the sessions:
    totals that do not add up), open (bool: refunds of the period are still to come, so what is net
    of them is too high).
    """
    names_here = [name for name in names if name in registry]
    framed = mine.assign(period=_period(mine["started_at"], every))
    means = [
        name
        for name in names_here
        if registry[name].denominator is None and not registry[name].additive
    ]
    values = metrics.evaluate(
        framed, [name for name in names_here if name not in means], registry=registry, by="period"
    )
    if means:
        single = metrics.by_session(mine, means, registry=registry)
        single = single.assign(
            period=single["session_id"].map(framed.set_index("session_id")["period"])
        )
        values = pd.concat(
            [values, single.groupby(["period", "metric"], as_index=False)["value"].mean()],
            ignore_index=True,
        )
    values = values.dropna(subset=["value"])
    young = _ages(values["period"], framed, as_of) < return_days
    refunds = [
        bool(
            {"refund_amount", "refund_orders", "refund_users"} & set(metrics.terms(registry[name]))
        )
        for name in values["metric"]
    ]
    return pd.DataFrame(
        {
            "period": values["period"],
            "metric": values["metric"],
            "label_zh": values["metric"].map({name: registry[name].zh for name in names_here}),
            "label_en": values["metric"].map({name: registry[name].en for name in names_here}),
            "unit": values["metric"].map({name: registry[name].unit for name in names_here}),
            "value": values["value"],
            "n": values["period"].map(framed["period"].value_counts()).astype(float),
            "how": [
                "mean"
                if name in means
                else "sum"
                if registry[name].denominator is None
                else "ratio"
                for name in values["metric"]
            ],
            "open": young.to_numpy() & np.array(refunds, dtype=bool),
        }
    ).sort_values(
        ["period", "metric"],
        key=lambda column: (
            column.map({name: place for place, name in enumerate(names_here)})
            if column.name == "metric"
            else column
        ),
        ignore_index=True,
    )


def _ages(periods: pd.Series, framed: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series:
    """Days from the youngest session of each period to the time of the data."""
    last = periods.map(framed.groupby("period")["started_at"].max())
    return (as_of - last).dt.total_seconds() / 86400


def wide(by_month: pd.DataFrame, *, currency: str, lang: str) -> pd.DataFrame:
    """`trend` as a table to read, newest first: one row per period with period, n and a column of words per metric."""
    worded = by_month.assign(
        words=[
            text.value(
                row.value,
                row.unit,
                lang,
                decimals=2 if row.unit == "percent" else None,
                currency=currency,
            )
            + ("*" if row.open else "")
            for row in by_month.itertuples()
        ]
    )
    table = worded.pivot(index=["period", "n"], columns="metric", values="words").reindex(
        columns=list(dict.fromkeys(by_month["metric"]))
    )
    table = table.sort_index(ascending=False).reset_index()
    return table.assign(period=table["period"].dt.strftime("%Y-%m")).rename_axis(columns=None)


def movement(
    by_week: pd.DataFrame,
    mine: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    calendar: Iterable[reference.Festival],
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """The last eight weeks against the sixteen before, a week being one observation (t on the log scale, Welch).

    Weeks with a session inside a festival are left out, for totals also the week that is not over
    yet, and what is net of refunds still to come. One row per metric: metric, label_zh, label_en,
    unit, recent, earlier (geometric means), n_recent, n_earlier (weeks), ratio, lower, upper,
    p_value, p_adjusted (Benjamini-Hochberg), verdict.
    """
    festive = described(mine, calendar)["festival"] != ""
    weeks = _period(mine["started_at"], "week")
    last = weeks.max()
    plain = by_week[~by_week["period"].isin(weeks[festive]) & ~by_week["open"]]
    plain = plain[(plain["how"] != "sum") | (plain["period"] < last)]
    rows = [
        _moved(part, last, thresholds["confidence"])
        for _, part in plain.groupby("metric", sort=False)
    ]
    columns = [
        "metric",
        "label_zh",
        "label_en",
        "unit",
        "recent",
        "earlier",
        "n_recent",
        "n_earlier",
        "ratio",
        "lower",
        "upper",
        "p_value",
    ]
    changes = pd.DataFrame(rows, columns=columns)
    adjusted = stats.benjamini_hochberg(changes["p_value"])
    return changes.assign(
        p_adjusted=adjusted,
        verdict=[
            _verdict(ratio, p, registry[name].bigger_is_better, thresholds)
            for name, ratio, p in zip(changes["metric"], changes["ratio"], adjusted, strict=True)
        ],
    )


def _moved(part: pd.DataFrame, last: pd.Timestamp, confidence: float) -> tuple:
    back = (last - part["period"]).dt.days / 7
    recent, earlier = (
        level_regression.logs(part.loc[back.between(*span), "value"])
        for span in ((0, RECENT_WEEKS - 1), (RECENT_WEEKS, RECENT_WEEKS + EARLIER_WEEKS - 1))
    )
    first, sizes = part.iloc[0], (len(recent), len(earlier))
    centres = [float(np.exp(logs.mean())) if len(logs) else np.nan for logs in (recent, earlier)]
    head = (
        first["metric"],
        first["label_zh"],
        first["label_en"],
        first["unit"],
        *centres,
        *sizes,
        centres[0] / centres[1],
    )
    if min(sizes) < FEWEST_WEEKS:
        return (*head, np.nan, np.nan, np.nan)
    test = distributions.ttest_ind(recent, earlier, equal_var=False)
    bounds = test.confidence_interval(confidence)
    return (*head, float(np.exp(bounds.low)), float(np.exp(bounds.high)), float(test.pvalue))


def _verdict(
    ratio: float, p: float, bigger_is_better: bool | None, thresholds: Mapping[str, float]
) -> str:
    if not np.isfinite(p):
        return "not_comparable"
    if p > 1 - thresholds["confidence"] or bigger_is_better is None:
        return "cannot_tell"
    return "better" if (ratio > 1) == bigger_is_better else "worse"


def movement_sentence(moved: pd.DataFrame, *, lang: str) -> str:
    """What the last weeks say of the account, in one sentence: which metrics rose or fell, and which cannot be told."""
    judged = moved[moved["verdict"] != "not_comparable"]
    if judged.empty:
        return text.choose(
            lang,
            "历史太短：近 8 周与此前 16 周各要有至少 3 周（非大促）才能看趋势。",
            (
                "Too short a history for a trend: at least three ordinary weeks are needed among "
                "the "
                "last 8 and among the 16 before."
            ),
        )
    sure = judged[judged["verdict"].isin(["better", "worse"])]
    parts = [_moved_words(row, lang) for row in sure.itertuples()]
    unclear = [
        text.short(getattr(row, f"label_{lang}"))
        for row in judged[judged["verdict"] == "cannot_tell"].itertuples()
    ]
    quiet = (
        text.choose(
            lang,
            f"{'、'.join(unclear)}看不出变化",
            f"no change can be told in {', '.join(unclear)}",
        )
        if unclear
        else ""
    )
    clauses = text.choose(lang, "；", "; ").join([*parts, *filter(None, [quiet])])
    return text.choose(
        lang,
        f"最近 8 周与此前 16 周比（不含大促周）：{clauses}。",
        f"The last 8 weeks against the 16 before (festival weeks left out): {clauses}.",
    )


def _moved_words(row, lang: str) -> str:
    change, low, high = (
        text.signed(v - 1, "percent", "en", decimals=0) for v in (row.ratio, row.lower, row.upper)
    )
    return text.choose(
        lang,
        (
            f"{text.short(row.label_zh)}{'上升' if row.ratio > 1 else '下降'} {change}（{low} 到 "
            f"{high}）"
        ),
        (
            f"{text.short(row.label_en)} {'rose' if row.ratio > 1 else 'fell'} {change} ({low} to "
            f"{high})"
        ),
    )


def marked(
    mine: pd.DataFrame,
    events: pd.DataFrame,
    calendar: Iterable[reference.Festival],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """What a trend is marked with: festivals in which the account was live, and logged events outside of them.

    `events` are those of `event_windows`. Two frames: bands (starts, ends, label: the days from its
    first to its last session within the festival's window), and marks (number, from, kind_zh,
    kind_en, what, logged_after), the last `MOST_MARKS`.
    """
    sessions = described(mine, calendar)
    inside = sessions[sessions["festival"] != ""]
    bands = (
        inside.groupby("festival", sort=False)["started_at"]
        .agg(starts="min", ends="max")
        .reset_index(names="label")
    )
    bands = bands.assign(label=bands["label"].str.rsplit(" ", n=1).str[0])
    outside = events[~events["kind"].isin(["promotion", "holiday"])] if len(bands) else events
    span = outside[
        (outside["from"] >= mine["started_at"].min() - pd.Timedelta(days=14))
        & (outside["from"] <= mine["started_at"].max())
    ]
    span = span.sort_values("from").tail(MOST_MARKS).reset_index(drop=True)
    names, kinds = reference.terms()["event_kind"], span["kind"]
    marks = span.assign(
        number=range(1, len(span) + 1),
        kind_zh=[text.label(names[kind], "zh") if kind in names else kind for kind in kinds],
        kind_en=[text.label(names[kind], "en") if kind in names else kind for kind in kinds],
        logged_after=(span["entered_at"] > span["from"]).astype("boolean"),
    )
    return bands[["starts", "ends", "label"]], marks[
        ["number", "from", "kind_zh", "kind_en", "what", "logged_after"]
    ]


# ------------------------------------------------------------------------------------ side by side


def named(
    sessions: pd.DataFrame, words: str, session_id: str, *, most: int | None = None
) -> list[str]:
    """The ids of sessions named in a parameter: ids or the beginning of one, by commas; `last` is the one before in the room.

    Raises `WorkspaceError` for a session that is not there, naming the nearest, and `ValueError`
    where the session under review is named itself or more than `most` are.
    """
    earlier = sessions_of(sessions, session_id, weeks=10_000)["session_id"].tolist()[:-1]
    ids = []
    for word in filter(None, (part.strip() for part in words.split(","))):
        if word == "last" and not earlier:
            continue
        ids.append(earlier[-1] if word == "last" else choose_session(sessions, word))
    if session_id in ids:
        raise ValueError(
            f"{session_id}: is the session under review and cannot be compared with itself"
        )
    if most is not None and len(set(ids)) > most:
        raise ValueError(f"{len(set(ids))} sessions named: expected at most {most}")
    return list(dict.fromkeys(ids))


def beside(
    values: pd.DataFrame,
    session_id: str,
    others: list[str],
    *,
    registry: Mapping[str, reference.Metric],
    table: pd.DataFrame,
    thresholds: Mapping[str, float],
) -> pd.DataFrame:
    """Sessions side by side: this one, and for each other its value, the change to this one and a verdict in words.

    `values` and `table` are those of the verdicts (`on_one_scale`, `verdicts`): two single sessions
    differ by chance as much as the account's sessions do, twice over. One row per metric: metric,
    label_zh, label_en, value, then value_1, change_1, verdict_1 and so on, in the order of
    `others`; p-values are corrected over the whole table (Benjamini-Hochberg).
    """
    side_by_side = table[["metric", "label_zh", "label_en", "value"]].reset_index(drop=True)
    parts = [
        _one_beside(
            against(
                values,
                session_id,
                [other],
                registry=registry,
                table=table,
                confidence=thresholds["confidence"],
            ),
            table,
            thresholds,
        )
        for other in others
    ]
    adjusted = stats.benjamini_hochberg(
        np.concatenate([part["p"].to_numpy() for part in parts])
    ).reshape(len(parts), -1)
    for place, (part, p) in enumerate(zip(parts, adjusted, strict=True), start=1):
        verdict = [
            _verdict(1 + change, q, registry[name].bigger_is_better, thresholds)
            for name, change, q in zip(part.index, part["change"], p, strict=True)
        ]
        side_by_side = side_by_side.assign(
            **{
                f"value_{place}": part["reference"].to_numpy(),
                f"change_{place}": part["change"].to_numpy(),
                f"verdict_{place}": verdict,
            }
        )
    return side_by_side


def _one_beside(
    changes: pd.DataFrame, table: pd.DataFrame, thresholds: Mapping[str, float]
) -> pd.DataFrame:
    """This session over one other, by metric of the verdicts: reference, change, and the p-value behind the change that is ordinary."""
    rows = changes.set_index("metric").reindex(table["metric"])
    free = (table.set_index("metric")["n"].astype(float) - 1).where(
        lambda n: n >= thresholds["min_sessions_for_verdict"] - 1
    )
    error = np.log1p(rows["ordinary_upper"]) / distributions.t.ppf(
        0.5 + thresholds["confidence"] / 2, free
    )
    score = np.log1p(rows["change"].where(rows["change"] > -1)).abs() / error.where(error > 0)
    return rows.assign(p=2 * distributions.t.sf(score, free))


def beside_heads(sessions: pd.DataFrame, others: list[str]) -> dict[str, tuple[str, str]]:
    """Column heads of `beside` in both languages: when each other session was, and its host."""
    rows, heads = sessions.set_index("session_id"), {}
    for place, other in enumerate(others, start=1):
        row = rows.loc[other]
        when = (
            f"{row['started_at']:%Y-%m-%d %H:%M} "
            f"{text.plain(row['host'], 12) if isinstance(row['host'], str) else ''}"
        ).strip()
        heads |= {
            f"value_{place}": (when, when),
            f"change_{place}": ("本场比它", "This one against it"),
            f"verdict_{place}": ("结论", "Verdict"),
        }
    return heads
