"""What a session is by the account's own measure: its sources before, its plan, goals and habits.

A fixed limit of the trade says nothing of a team that plans otherwise, or has always done so.
"""

import re

import numpy as np
import pandas as pd
from scipy import stats

from helpers import reference
from helpers.core import text
from helpers.plan.facts import Facts

FEWEST_PAST = 5  # earlier sessions by which a source has a usual
FEWEST_PEOPLE = 50  # that a source usually brings
BESIDE_ROOM = 0.75  # a source fell if it fell so much further than the whole room
CHANCE = 0.05  # of calling a source that did not fall, over all sources
FEWEST_HABIT = 3  # earlier sessions with a log that make a habit
ORDERS_TO_SPEND = 1 / 3  # a share of orders this small beside the share of spend is waste
WASTE_P = 0.001
PER_HOUR = re.compile(
    r"每小时\D{0,8}?(\d+(?:\.\d+)?)\s*次|(\d+(?:\.\d+)?)\s*(?:times|prompts)?\s*(?:an|per) hour",
    re.IGNORECASE,
)
EVERY = re.compile(r"每\s*隔?\s*(\d+)\s*分钟|every (\d+) minutes", re.IGNORECASE)
IN_FORCE = ("open", "done")


# ----------------------------------------------------------------------------------------- sources


def source_kinds(facts: Facts) -> pd.Series:
    """The kind (`applies.yml`) of each source of the session or of what it was split by."""
    rules = reference.applies(facts.workspace_reference)
    paid = {}
    for frame in (facts.past.get("traffic"), facts.table("traffic")):
        if frame is not None:
            paid |= dict(zip(frame["source"], frame["is_paid"], strict=True))
    names = set(paid)
    for table, column in (("source_split", "source"), ("standing", "key")):
        if (frame := facts.table(table)) is not None:
            rows = frame[frame["dimension"].eq("source")] if table == "standing" else frame
            names |= set(rows[column].dropna())
    flags = {name: paid.get(name) for name in names}
    return pd.Series(
        {
            name: rules.source_kind(str(name), None if pd.isna(flag) else bool(flag))
            for name, flag in flags.items()
        },
        dtype="object",
    )


def of_kind(names: pd.Series, facts: Facts, evidence: reference.Evidence) -> pd.Series:
    """Which of the sources named are of the kinds that the evidence is about; all without any."""
    if not evidence.source_kind:
        return pd.Series(True, index=names.index)
    return names.map(source_kinds(facts)).isin(evidence.source_kind)


def _hours_before(facts: Facts) -> pd.Series:
    earlier = facts.earlier.reindex(columns=["session_id", "duration_seconds"])
    return earlier.set_index("session_id")["duration_seconds"] / 3600


def beside_usual(facts: Facts) -> pd.DataFrame:
    """Each source's people an hour beside its usual: source, kind, viewers, usual, ratio, p, n.

    `viewers` and `usual` are for a session as long as this one; p is one-sided, of a value so low.
    """
    columns = ["source", "kind", "viewers", "usual", "ratio", "p", "n"]
    past, now = facts.past.get("traffic"), facts.table("traffic")
    if past is None or past.empty or now is None or not facts.hours > 0:
        return pd.DataFrame(columns=columns)
    hours = past["session_id"].map(_hours_before(facts))
    rated = past.assign(rate=past["viewers"] / hours.where(hours > 0)).dropna(subset=["rate"])
    current = now.groupby("source")["viewers"].sum(min_count=1)
    kinds, rows = source_kinds(facts), []
    for name, group in rated.groupby("source"):
        rates = group.groupby("session_id")["rate"].sum()
        usual = float(rates.median()) * facts.hours
        brought = current.get(name, 0.0)
        viewers = float(brought) if pd.notna(brought) else np.nan
        if len(rates) < FEWEST_PAST or usual < FEWEST_PEOPLE or np.isnan(viewers):
            continue
        logs = np.log(np.maximum(rates.to_numpy(dtype=float) * facts.hours, 1.0))
        spread = max(logs.std(ddof=1), 1 / np.sqrt(max(viewers, 1.0)))
        at = (np.log(max(viewers, 1.0)) - logs.mean()) / (spread * np.sqrt(1 + 1 / len(logs)))
        chance = float(stats.t.cdf(at, len(logs) - 1))
        rows.append([name, kinds[name], viewers, usual, viewers / usual, chance, len(logs)])
    return pd.DataFrame(rows, columns=columns)


def fallen(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    """Sources of the kinds that fell below their own past, further than the room did."""
    beside = beside_usual(facts)
    if beside.empty:
        return beside
    room = beside["viewers"].sum() / beside["usual"].sum()
    low = beside["p"].le(CHANCE / len(beside)) & beside["ratio"].le(BESIDE_ROOM * max(room, 0))
    alone = beside["ratio"].le(BESIDE_ROOM) if len(beside) == 1 else low
    kinds = of_kind(beside["source"], facts, evidence)
    return beside[kinds & (low | (alone & beside["p"].le(CHANCE)))].sort_values("ratio")


def source_fall(facts: Facts, evidence: reference.Evidence) -> float:
    """People of the source that fell furthest, as a share of its usual; 1 where none fell."""
    beside = beside_usual(facts)
    if beside.empty or not of_kind(beside["source"], facts, evidence).any():
        return np.nan
    return float(min(fallen(facts, evidence)["ratio"], default=1.0))


def steps_of(source: str, facts: Facts) -> dict[str, tuple[float, float]]:
    """A source's exposure and entry rate, each now and usual for a session of this length."""
    past, now = facts.past.get("traffic"), facts.table("traffic")
    if past is None or now is None:
        return {}
    columns = ["room_exposure_users", "viewers"]
    hours = past["session_id"].map(_hours_before(facts))
    before = past[past["source"].eq(source)].assign(hours=hours).dropna(subset=[*columns, "hours"])
    current = now.loc[now["source"].eq(source), columns].sum(min_count=1)
    sums = before[[*columns, "hours"]].sum()
    if before["session_id"].nunique() < FEWEST_HABIT or current.isna().any():
        return {}
    if not (current > 0).all() or not (sums > 0).all():
        return {}
    exposure = sums["room_exposure_users"] / sums["hours"] * facts.hours
    rates = (
        current["viewers"] / current["room_exposure_users"],
        sums["viewers"] / sums["room_exposure_users"],
    )
    return {
        "room_exposure_users": (float(current["room_exposure_users"]), float(exposure)),
        "exposure_view_rate": (float(rates[0]), float(rates[1])),
    }


def step_that_fell(source: str, facts: Facts) -> str:
    """The step at which a source lost most people; empty where it cannot be told."""
    steps = steps_of(source, facts)
    logs = {name: np.log(now / usual) for name, (now, usual) in steps.items()}
    return min(logs, key=lambda name: logs[name]) if logs and min(logs.values()) < 0 else ""


# --------------------------------------------------------------------------------------------- ads


def spend_parts(facts: Facts, by: str) -> pd.DataFrame:
    """What each hour or campaign took of the spend and brought of the orders: part, cost, orders.

    With money, and spend_share and order_share; empty where there is only one.
    """
    ads = facts.tables["ads"].dropna(subset=["cost", "orders"])
    if by == "hour":
        slots = ads[ads["slot_seconds"].le(3600) & ads["started_at"].notna()]
        begins = slots["started_at"].dt.floor("h")
        names = begins.dt.strftime("%H:%M–") + (begins + pd.Timedelta(hours=1)).dt.strftime("%H:%M")
        ads = slots.assign(part=names)
    else:
        ads = ads.dropna(subset=["campaign"]).rename(columns={"campaign": "part"})
    if ads.empty:
        return pd.DataFrame(columns=["part", "cost", "orders", "spend_share", "order_share"])
    parts = ads.groupby("part")[["cost", "orders", "amount"]].sum().reset_index()
    cost, orders = parts["cost"].sum(), parts["orders"].sum()
    if len(parts) < 2 or not cost > 0 or not orders > 0:
        return parts.head(0).assign(spend_share=0.0, order_share=0.0)
    return parts.assign(spend_share=parts["cost"] / cost, order_share=parts["orders"] / orders)


def wasted(facts: Facts, evidence: reference.Evidence) -> pd.DataFrame:
    """The hours or campaigns with much of the spend and too few orders for it to be chance."""
    parts_wasted = []
    for by in evidence.by:
        parts = spend_parts(facts, by)
        expected = parts["spend_share"] * parts["orders"].sum()
        poor = parts["order_share"].le(parts["spend_share"] * ORDERS_TO_SPEND)
        orders, mean = (one.to_numpy(dtype=float) for one in (parts["orders"], expected))
        unlikely = stats.poisson.cdf(orders, np.maximum(mean, 1e-9)) <= WASTE_P
        parts_wasted.append(parts[poor & unlikely].assign(by=by))
    return pd.concat(parts_wasted).sort_values("spend_share", ascending=False)


def ads_waste(facts: Facts, evidence: reference.Evidence) -> float:
    """Share of the spend that went to the worst such hour or campaign, 0 where there is none."""
    if all(spend_parts(facts, by).empty for by in evidence.by):
        return np.nan
    return float(max(wasted(facts, evidence)["spend_share"], default=0.0))


# ------------------------------------------------------------------------------------------ events


def in_force(facts: Facts, kinds: list[str]) -> pd.DataFrame:
    """Logged events of the kinds that act on the session: during it, or so many days after."""
    events = facts.tables["events"]
    days = {
        name: kind.days for name, kind in reference.event_kinds(facts.workspace_reference).items()
    }
    lasts = pd.to_timedelta(events["kind"].map(days).astype("float64"), unit="D")
    ends = events["ends_at"].fillna(events["starts_at"] + lasts).fillna(events["starts_at"])
    acts = events["starts_at"].le(facts.end) & ends.ge(facts.start)
    return events[acts & events["kind"].isin(kinds)]


def event_in_force(facts: Facts, evidence: reference.Evidence) -> float:
    """How many logged events of the kinds are in force during the session."""
    return float(len(in_force(facts, evidence.kind)))


def interruptions(facts: Facts, kinds: list[str]) -> pd.DataFrame:
    """Logged events of the kinds as they lie within the session: from, to, minutes, what."""
    events = facts.tables["events"]
    ends = events["ends_at"].fillna(events["starts_at"])
    during = events["starts_at"].le(facts.end) & ends.ge(facts.start) & events["kind"].isin(kinds)
    begins = events["starts_at"].clip(lower=facts.start)[during]
    until = ends.clip(upper=facts.end)[during]
    spans = events[during].assign(begins=begins, until=until)
    return spans.assign(minutes=(until - begins).dt.total_seconds() / 60)


def order_count(facts: Facts, evidence: reference.Evidence) -> float:
    """Paid orders of the session."""
    orders = facts.session.get("orders", np.nan)
    return float(orders) if pd.notna(orders) else np.nan


# ------------------------------------------------------------------------------------------ limits


def limit(
    evidence: reference.Evidence, facts: Facts, rule: reference.Rule, habits: list[float]
) -> tuple[float, str]:
    """The bound of a cause and where it is from: plan, goal, habit, or trade.

    `habits` are what the earlier sessions measured. The plan in force comes first, then the goal,
    then the account's own habit; the limit of the trade holds where there is none of them.
    """
    if rule.own_limit is None:
        return evidence.bound, "trade"
    slack = reference.applies(facts.workspace_reference)
    for minutes, origin in (
        (_planned_gap(evidence, facts), "plan"),
        (_goal(evidence, facts), "goal"),
    ):
        if np.isfinite(minutes):
            rate = 60 / minutes
            bound = (
                minutes * (1 + slack.slack) if rule.own_limit == "gap" else rate * (1 - slack.slack)
            )
            return bound, origin
    values = [value for value in habits if np.isfinite(value)]
    if len(values) >= FEWEST_HABIT:
        usual = float(np.median(values))
        way = 1 + slack.habit_slack if rule.own_limit == "gap" else 1 - slack.habit_slack
        return usual * way, "habit"
    return evidence.bound, "trade"


def _planned_gap(evidence: reference.Evidence, facts: Facts) -> float:
    """Minutes between two cues as the newest plan in force prescribes them."""
    if facts.plans.empty:
        return np.nan
    rules, kinds = reference.applies(facts.workspace_reference), reference.terms()["cue_kind"]
    words = [
        word.casefold()
        for kind in evidence.kind
        for word in [*rules.cue_words.get(kind, []), kinds[kind].zh, kinds[kind].en]
    ]
    lines = facts.plans[facts.plans["status"].isin(IN_FORCE)]
    for line in lines.to_dict("records"):
        written = f"{line.get('action') or ''} {line.get('note') or ''}"
        if not any(word in written.casefold() for word in words):
            continue
        if hit := EVERY.search(written):
            return float(next(filter(None, hit.groups())))
        if hit := PER_HOUR.search(written):
            return 60 / float(next(filter(None, hit.groups())))
    return np.nan


def _goal(evidence: reference.Evidence, facts: Facts) -> float:
    """Minutes between two cues as the session's goals ask for so many an hour."""
    if facts.goals.empty:
        return np.nan
    targets = facts.goals.loc[facts.goals["metric"].isin(evidence.kind), "target"].dropna()
    return 60 / float(targets.iloc[0]) if len(targets) and targets.iloc[0] > 0 else np.nan


def clock(begins: pd.Timestamp, until: pd.Timestamp) -> str:
    """Two times of one evening as they stand on a clock; one where they are the same minute."""
    start, end = f"{begins:%H:%M}", f"{until:%H:%M}"
    return start if start == end else f"{start}–{end}"


LIMIT_WORDS = {  # where a limit is from
    "plan": ("执行中的计划", "the plan in force"),
    "goal": ("本场目标", "the session's goal"),
    "habit": ("本账号平时", "the account's habit"),
}


def limit_words(origin: str, lang: str) -> str:
    """Where a limit is from, in words; empty for that of the trade."""
    return text.choose(lang, *LIMIT_WORDS[origin]) if origin in LIMIT_WORDS else ""
