"""What the list of sessions alone can tell: causes that it measures, lessons, what to keep.

The least export has when a session began, how long it was and what came of it. That says whether
the hour, the length, the rest before it or the account's course speaks for what came out.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import scipy.stats

from helpers import reference
from helpers.core import findings, stats, text

FEWEST = 5  # earlier sessions that make a usual
FEWEST_COURSE = 8  # that make a course
LEVEL, DEVIATES = 0.1, 0.1  # of the link of a factor to the outcome; of a factor from its usual
OUTCOMES = ("paid_amount", "orders", "units", "viewers", "views", "new_fans")
COLUMNS = ["kind", "factor", "zh", "en", "state", "value", "usual", "p", "n"]
MOST_KEPT, MOST_CAUSES = 3, 6
# What to export next, by the table that is missing, and what it would decide.
NEXT_FILES = {
    "traffic": (
        "下一份最值得导出的是「流量来源」：能判断人少是哪个来源、少在曝光还是少在进入",
        "Next export the traffic sources: they tell which one brought fewer, by exposure or entry",
    ),
    "products": (
        "下一份最值得导出的是「商品」：能判断是哪件商品卖得差、差在点击还是付款",
        "Next export the products: they tell which one sold worse, and at which step",
    ),
    "minutes": (
        "下一份最值得导出的是「分钟数据」：能判断哪几分钟掉人、哪段讲解有用",
        "Next export the minutes: they tell when people left and which explanation worked",
    ),
    "orders": (
        "下一份最值得导出的是「订单明细」：能判断退款、复购与新老客",
        "Next export the order lines: they tell refunds, repurchase and new buyers",
    ),
    "cues": (
        "下一份最值得记的是「场控记录」：能判断断货、发券与引导是不是原因",
        "Next keep the floor-control log: it tells whether stock, coupons or prompts were a cause",
    ),
}


class Factor(NamedTuple):
    """What is measured of a session, how it is written, and whether a team sets it itself."""

    zh: str
    en: str
    unit: str
    is_set: bool = True


FACTORS = {
    "hour": Factor("开播时间（点）", "starting hour", "score"),
    "length": Factor("时长（小时）", "length in hours", "score"),
    "rest": Factor("距上一场（天）", "days since the session before", "score"),
    "often": Factor("之前 7 天的场次", "sessions in the seven days before", "count"),
    "price": Factor("笔单价", "paid per order", "money"),
    "exposure": Factor("每小时曝光", "exposures an hour", "count", is_set=False),
    "entry": Factor("曝光后进入的比例", "share of exposures that entered", "percent", is_set=False),
    "goods": Factor("带货商品数", "products listed", "count"),
    "spend": Factor("每小时投放消耗", "ad spend an hour", "money"),
}


def _column(sessions: pd.DataFrame, *names: str) -> pd.Series:
    """The first of the columns that has values."""
    for name in names:
        if name in sessions and sessions[name].notna().any():
            return sessions[name].astype("float64")
    return pd.Series(np.nan, index=sessions.index)


def factors(sessions: pd.DataFrame) -> pd.DataFrame:
    """What each session was set up as, by what its list says: one column per factor."""
    ordered = sessions.sort_values("started_at")
    starts = pd.to_datetime(ordered["started_at"])
    hours = ordered["duration_seconds"].astype("float64") / 3600
    hours = hours.where(hours > 0)
    seconds = starts.map(pd.Timestamp.timestamp)
    often = [int(((seconds < at) & (seconds >= at - 7 * 86400)).sum()) for at in seconds]
    exposures = _column(ordered, "room_exposure_times", "room_exposure_users")
    entered = _column(ordered, "views", "viewers")
    return pd.DataFrame(
        {
            "session_id": ordered["session_id"],
            "hour": starts.dt.hour + starts.dt.minute / 60,
            "length": hours,
            "rest": seconds.diff() / 86400,
            "often": np.array(often, dtype=float),
            "price": _column(ordered, "paid_amount") / _column(ordered, "orders", "units"),
            "exposure": exposures / hours,
            "entry": entered / exposures,
            "goods": _column(ordered, "product_count"),
            "spend": _column(ordered, "ad_cost") / hours,
        }
    ).replace([np.inf, -np.inf], np.nan)


def outcome_of(sessions: pd.DataFrame) -> tuple[str, pd.Series]:
    """The foremost outcome that this and the earlier sessions have, for an hour of the session."""
    hours = sessions["duration_seconds"].astype("float64") / 3600
    for name in OUTCOMES:
        if name in sessions and sessions[name].notna().sum() > FEWEST:
            return name, sessions[name].astype("float64") / hours.where(hours > 0)
    return "", pd.Series(np.nan, index=sessions.index)


def _shown(value: float, factor: Factor, lang: str, currency: str) -> str:
    decimals = {"score": 1, "count": 0, "percent": 1, "money": 1}[factor.unit]
    return text.value(value, factor.unit, lang, decimals=decimals, currency=currency)


def causes(session: pd.Series, earlier: pd.DataFrame, *, currency: str = "CNY") -> pd.DataFrame:
    """What the list measures of this session, those that speak for its outcome first (`COLUMNS`).

    state: supported (it differs from usual, and sessions that differed so came out so), usual (as
    in other sessions, so it explains nothing), cannot_tell (it differs; its link is not known). p
    is that of the link, corrected for all factors that were looked at (Benjamini-Hochberg).
    """
    sessions = pd.concat([earlier, session.to_frame().T], ignore_index=True)
    sessions = sessions.drop_duplicates("session_id", keep="last")
    name, outcome = outcome_of(sessions)
    table = factors(sessions).join(outcome.rename("outcome"))
    mine = table["session_id"].eq(session["session_id"])
    if not name or mine.sum() != 1 or (~mine).sum() < FEWEST:
        return pd.DataFrame(columns=COLUMNS)
    now, past = table[mine].iloc[0], table[~mine]
    middle = past["outcome"].median()
    went = np.sign(now["outcome"] - middle) if pd.notna(now["outcome"]) else 0.0
    label = reference.tables()["sessions"].columns[name]
    held_of = {key: past[[key, "outcome"]].dropna() for key in FACTORS if pd.notna(now[key])}
    held_of = {key: held for key, held in held_of.items() if len(held) >= FEWEST}
    links = {key: _link(held[key], held["outcome"]) for key, held in held_of.items()}
    p_values = stats.benjamini_hochberg([p for _, p in links.values()])
    adjusted = dict(zip(links, map(float, p_values), strict=True))
    rows = []
    for key, held in held_of.items():
        factor, link, p = FACTORS[key], links[key][0], adjusted[key]
        usual = float(held[key].median())
        differs = abs(now[key] - usual) > DEVIATES * max(abs(usual), 1e-9)
        agrees = np.sign(link) * np.sign(now[key] - usual) == went != 0
        state = "usual" if not differs else "cannot_tell"
        state = "supported" if differs and p <= LEVEL and agrees else state
        row = {"kind": "cause", "factor": key, "state": state, "value": now[key], "usual": usual}
        for lang in ("zh", "en"):
            value, base = (_shown(end, factor, lang, currency) for end in (now[key], usual))
            ends = {
                "usual": (
                    "与平时一样，不解释这一场",
                    "as usual, it explains nothing here",
                ),
                "supported": (
                    f"过去 {len(held)} 场里这一项与每小时{label.zh}一起变（p={p:.2f}），方向相符",
                    f"over {len(held)} sessions it goes with {label.en.lower()} an hour "
                    f"(p={p:.2f}), in this direction",
                ),
                "cannot_tell": (
                    f"与平时不同，但过去 {len(held)} 场里它与每小时{label.zh}看不出关系",
                    f"it differs, yet over {len(held)} sessions it shows no link to "
                    f"{label.en.lower()} an hour",
                ),
            }[state]
            row[lang] = text.choose(
                lang,
                f"{factor.zh} {value}，平时 {base}：{ends[0]}",
                f"{factor.en} {value}, usually {base}: {ends[1]}",
            )
        rows.append(row | {"p": p, "n": len(held)})
    order = {"supported": 0, "cannot_tell": 1, "usual": 2}
    listed = pd.DataFrame(rows, columns=COLUMNS)
    ranked = listed.assign(at=listed["state"].map(order)).sort_values(["at", "p"], kind="stable")
    return ranked[COLUMNS].head(MOST_CAUSES).reset_index(drop=True)


def _link(factor: pd.Series, outcome: pd.Series) -> tuple[float, float]:
    """The rank correlation of both, and its p-value; none where one of them never varies."""
    if factor.nunique() < 2 or outcome.nunique() < 2:
        return 0.0, 1.0
    link, p = scipy.stats.spearmanr(factor, outcome)
    return float(link), float(p)


def course(session: pd.Series, earlier: pd.DataFrame) -> pd.DataFrame:
    """By how much an account grows or shrinks a week, where that is more than chance.

    A line through the logarithms; its error is widened by how alike neighbouring sessions are.
    """
    sessions = pd.concat([earlier, session.to_frame().T], ignore_index=True)
    sessions = sessions.drop_duplicates("session_id").sort_values("started_at", ignore_index=True)
    for name in ("viewers", "views", "paid_amount"):
        if name in sessions and sessions[name].notna().sum() > FEWEST_COURSE:
            break
    else:
        return pd.DataFrame(columns=COLUMNS)
    values = sessions[name].astype("float64")
    earlier_ones = sessions["session_id"].ne(session["session_id"]) & values.gt(0)
    weeks = sessions["started_at"].map(pd.Timestamp.timestamp) / (7 * 86400)
    at, logs = weeks[earlier_ones].to_numpy(), np.log(values[earlier_ones].to_numpy())
    if len(at) < FEWEST_COURSE or np.ptp(at) < 2:
        return pd.DataFrame(columns=COLUMNS)
    fit = scipy.stats.linregress(at, logs)
    rest = logs - fit.intercept - fit.slope * at
    alike = np.corrcoef(rest[:-1], rest[1:])[0, 1] if rest.std() > 0 else 0.0
    wide = float(np.sqrt((1 + np.clip(alike, 0, 0.9)) / (1 - np.clip(alike, 0, 0.9))))
    edge = scipy.stats.t.ppf(0.975, len(at) - 2) * fit.stderr * wide
    low, high = fit.slope - edge, fit.slope + edge
    if low <= 0 <= high:
        return pd.DataFrame(columns=COLUMNS)
    rates = [float(np.expm1(one)) for one in (fit.slope, low, high)]
    rate, lower, upper = (text.percent(abs(one), 0) for one in rates)
    bounds = " – ".join(sorted((lower, upper), key=lambda words: float(words.rstrip("%"))))
    label = reference.tables()["sessions"].columns[name]
    zh = "增长" if fit.slope > 0 else "下降"
    en = "grows" if fit.slope > 0 else "falls"
    row = {
        "kind": "course",
        "factor": name,
        "state": "supported",
        "value": rates[0],
        "usual": np.nan,
        "p": float(fit.pvalue),
        "n": len(at),
        "zh": f"这个账号的{label.zh}每周{zh} {rate}（95% 区间 {bounds}，{len(at)} 场），"
        "与平时比时要扣掉它",
        "en": f"{label.en} of this account {en} {rate} a week (95% interval {bounds}, {len(at)} "
        "sessions): it is inside of what differs from usual",
    }
    return pd.DataFrame([row], columns=COLUMNS)


def lesson(measured: pd.DataFrame, *, currency: str = "CNY") -> pd.DataFrame:
    """One thing to do next by what the list measured: go back to the usual, or try one thing."""
    measured = measured[[FACTORS[name].is_set for name in measured["factor"]]]
    if measured.empty:
        return pd.DataFrame(columns=COLUMNS)
    lead = measured[measured["state"].eq("supported")].head(1)
    row = (lead if len(lead) else measured.head(1)).iloc[0]
    factor = FACTORS[row["factor"]]
    words = {}
    for lang in ("zh", "en"):
        value, usual = (_shown(row[end], factor, lang, currency) for end in ("value", "usual"))
        words[lang] = text.choose(
            lang,
            f"下 2 场把{factor.zh}放回 {usual}，其余不动，看每小时的结果（本场 {value}）"
            if len(lead)
            else f"哪一项都说不清这一场；下 4 场只改{factor.zh}（2 场 {usual}，2 场不同），再比",
            f"put {factor.en} back to {usual} for two sessions, all else as it is (now {value})"
            if len(lead)
            else f"nothing in the list explains this session; in the next four change {factor.en} "
            f"alone (two at {usual}, two apart) and compare",
        )
    return pd.DataFrame([{**row, "kind": "lesson", **words}], columns=COLUMNS)


def keep(review_findings: pd.DataFrame) -> pd.DataFrame:
    """What went better than usual, the surest first: to be done again, then made practice."""
    better = review_findings[review_findings["verdict"].eq("better")]
    better = better[~better["slice"].isin([findings.JUDGEMENT])]
    rows = [
        {
            "kind": "keep",
            "factor": row["metric"],
            "state": "supported",
            "value": row["value"],
            "usual": row["baseline"],
            "p": row["p_adjusted"],
            "n": np.nan,
            "zh": f"保持：{row['sentence_zh'].rstrip('。')}；下一场照做，"
            "再有 2 场也更好就写成账号的做法",
            "en": f"Keep: {row['sentence_en'].rstrip('.')}; do the same next time, and make it "
            "practice if two more sessions are better too",
        }
        for row in better.sort_values("p_adjusted").head(MOST_KEPT).to_dict("records")
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def next_file(present: Iterable[str]) -> pd.DataFrame:
    """The one file worth exporting next, and what it would decide; none where all are there."""
    have = set(present)
    rows = [
        {"kind": "next_file", "factor": name, "state": "missing", "zh": zh, "en": en}
        for name, (zh, en) in NEXT_FILES.items()
        if name not in have
    ]
    return pd.DataFrame(rows[:1], columns=COLUMNS)


def drawn(
    session: pd.Series,
    earlier: pd.DataFrame,
    review_findings: pd.DataFrame,
    present: Iterable[str],
    *,
    currency: str = "CNY",
) -> pd.DataFrame:
    """One row a sentence (`COLUMNS`): course, keep, causes, the lesson, the next file."""
    measured = causes(session, earlier, currency=currency)
    groups = [
        course(session, earlier),
        keep(review_findings),
        measured,
        lesson(measured, currency=currency),
        next_file(present),
    ]
    filled = [group for group in groups if len(group)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)
