"""The account over its sessions: how it moves by week and month.

Over a period rates are ratios of sums and money is added; people are not, for who watches twice
would count twice: a period shows the mean of its sessions.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy import stats as distributions

from helpers import reference
from helpers.compare.baseline import LONGEST_RATIO, described, hours, room_until, same_value
from helpers.core import level_regression, stats, text
from helpers.reference import metrics

TREND = ("paid_amount", "net_amount", "uv_value", "room_conversion", "follow_rate")
WEEKS = 54  # how far back the account is looked at: a year, and the same week of the last one
RECENT_WEEKS, EARLIER_WEEKS = 8, 16
FEWEST_WEEKS = 3  # weeks on either side below which a movement is not judged
MOST_MARKS = 9  # events a trend is marked with
REFUNDS = {"refund_amount", "refund_orders", "refund_users"}
EVERY = {"week": "W-SUN", "month": "M"}


def sessions_of(sessions: pd.DataFrame, session_id: str, *, weeks: float = WEEKS) -> pd.DataFrame:
    """The sessions of this session's room and currency, up to itself, oldest first.

    Later ones are left out, so that a page says the same whenever it is made.
    """
    session = sessions.set_index("session_id").loc[session_id]
    room = room_until(sessions, session)
    recent = room["started_at"] > session["started_at"] - pd.Timedelta(weeks=weeks)
    mine = room[recent & same_value(room["currency"], session["currency"])]
    return mine.sort_values(["started_at", "session_id"], ignore_index=True)


def whole(mine: pd.DataFrame) -> pd.Series:
    """Whether a session is within a factor of three of the median length, or of unknown length."""
    lengths = pd.Series(hours(mine).to_numpy(), index=mine.index)
    ratio = lengths / lengths.median()
    return lengths.isna() | ratio.between(1 / LONGEST_RATIO, LONGEST_RATIO)


def _period(times: pd.Series, every: str) -> pd.Series:
    """The first moment of each time's week (from Monday) or month."""
    periods = times.dt.tz_localize(None).dt.to_period(EVERY[every])
    return periods.dt.start_time.dt.tz_localize(times.dt.tz)


def trend(
    mine: pd.DataFrame,
    *,
    registry: Mapping[str, reference.Metric],
    every: str,
    as_of: pd.Timestamp,
    return_days: float,
    names: Iterable[str] = TREND,
) -> pd.DataFrame:
    """Metrics of the account by calendar week or month (`every`), from `sessions_of`.

    One row per period x metric that has a value: period (its first moment), metric, label_zh,
    label_en, unit, value, n (sessions), how (sum, ratio, or mean of the sessions), open (bool:
    refunds are still to come, so what is net of them is too high).
    """
    shown = {name: registry[name] for name in names if name in registry}
    framed = mine.assign(period=_period(mine["started_at"], every))
    how = {
        name: "ratio" if metric.denominator else "sum" if metric.additive else "mean"
        for name, metric in shown.items()
    }
    means = [name for name in shown if how[name] == "mean"]
    others = [name for name in shown if how[name] != "mean"]
    values = metrics.evaluate(framed, others, registry=registry, by="period")
    if means:
        single = metrics.by_session(mine, means, registry=registry)
        period = single["session_id"].map(framed.set_index("session_id")["period"])
        of_periods = single.assign(period=period).groupby(["period", "metric"], as_index=False)
        values = pd.concat([values, of_periods["value"].mean()], ignore_index=True)
    values = values[["period", "metric", "value"]].dropna(subset=["value"])
    young = _ages(values["period"], framed, as_of) < return_days
    refunds = [bool(REFUNDS & set(metrics.terms(shown[name]))) for name in values["metric"]]
    words = pd.DataFrame(
        [(name, metric.zh, metric.en, metric.unit) for name, metric in shown.items()],
        columns=["metric", "label_zh", "label_en", "unit"],
    ).assign(how=how.values(), place=range(len(shown)))
    table = values.assign(
        n=values["period"].map(framed["period"].value_counts()).astype(float),
        open=young.to_numpy() & np.array(refunds, dtype=bool),
    ).merge(words, on="metric")
    columns = ["period", *words.columns[:4], "value", "n", "how", "open"]
    return table.sort_values(["period", "place"], ignore_index=True)[columns]


def _ages(periods: pd.Series, framed: pd.DataFrame, as_of: pd.Timestamp) -> pd.Series:
    last = periods.map(framed.groupby("period")["started_at"].max())
    return (as_of - last).dt.total_seconds() / 86400


def wide(by_month: pd.DataFrame, *, currency: str, lang: str) -> pd.DataFrame:
    """The periods of `trend` to read, newest first: period, n and a column of words per metric."""
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
    """The last eight weeks against the sixteen before, a week being one observation.

    Welch's t on logarithms, without weeks that touch a festival, totals of the week not over yet,
    and what is net of refunds still to come. One row per metric: metric, label_zh, label_en, unit,
    recent, earlier (geometric means), n_recent, n_earlier (weeks), ratio, lower, upper, p_value,
    p_adjusted (Benjamini-Hochberg), verdict.
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
            movement_verdict(ratio, p, registry[name].bigger_is_better, thresholds)
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


def movement_verdict(
    ratio: float, p: float, bigger_is_better: bool | None, thresholds: Mapping[str, float]
) -> str:
    if not np.isfinite(p):
        return "not_comparable"
    if p > 1 - thresholds["confidence"] or bigger_is_better is None:
        return "cannot_tell"
    return "better" if (ratio > 1) == bigger_is_better else "worse"


def movement_sentence(moved: pd.DataFrame, *, lang: str) -> str:
    """Which metrics of the account rose or fell lately, and which cannot be told."""
    judged = moved[moved["verdict"] != "not_comparable"]
    if judged.empty:
        return text.choose(
            lang,
            "历史太短：近 8 周与此前 16 周各要有至少 3 周（非大促）才能看趋势。",
            (
                "Too short a history for a trend: at least three ordinary weeks are needed among "
                "the last 8 and among the 16 before."
            ),
        )
    sure = judged[judged["verdict"].isin(["better", "worse"])]
    parts = [_moved_words(row, lang) for row in sure.itertuples()]
    unclear = judged.loc[judged["verdict"] == "cannot_tell", f"label_{lang}"].map(text.short)
    if len(unclear):
        zh, en = f"{'、'.join(unclear)}看不出变化", f"no change can be told in {', '.join(unclear)}"
        parts.append(text.choose(lang, zh, en))
    clauses = text.choose(lang, "；", "; ").join(parts)
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
    """What a trend is marked with: festivals in which the account was live, other logged events.

    `events` are those of `event_windows`. Two frames: bands (starts, ends, label: first to last
    session within a festival), and marks (number, from, kind_zh, kind_en, what, logged_after), the
    last `MOST_MARKS`.
    """
    sessions = described(mine, calendar)
    inside = sessions[sessions["festival"] != ""]
    bands = inside.groupby("festival", sort=False).agg(
        starts=("started_at", "min"), ends=("started_at", "max"), label=("festival_name", "first")
    )
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
    columns = ["number", "from", "kind_zh", "kind_en", "what", "logged_after"]
    return bands.reset_index(drop=True), marks[columns]
