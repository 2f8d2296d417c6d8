"""What a team note speaks of, and what the record of that subject says.

A subject without a record says nothing: the note stays to be answered.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales import reasons
from helpers.core import text
from helpers.plan import own_past
from helpers.plan.facts import Facts

FEWEST_REFUNDS = 5  # with a reason, before a reason that is absent speaks against a note
FEW, MANY = 0.05, 0.1  # a share of refunds that contradicts a note, and one that bears it out
SHORT = 0.8  # of the room's watch time: below it people of a source leave early
LATE_HOURS, EARLY_HOURS = 3.0, 24.0  # before the start, of videos posted late or early
DROP, STEADY = 0.2, 0.1  # share of people online lost in the minutes named; as good as none
BEFORE, AFTER = 5, 3  # minutes before and from the one that a note names
ASKED, HARDLY = 10, 3  # people who asked a thing: often, hardly
FEWEST_COMMENTS = 50
MINUTE = re.compile(r"第?\s*(\d{1,3})\s*(?:分钟|min)", re.IGNORECASE)
CLOCK = re.compile(r"(?<!\d)([01]?\d|2[0-3])[:：点]([0-5]\d)")


class Held(NamedTuple):
    """What the records say of a note: a verdict, the words, the problem and cause it is about."""

    verdict: str
    zh: str
    en: str
    acts: str

    def words(self, lang: str) -> str:
        return text.choose(lang, self.zh, self.en)


Answer = tuple[str, str, str] | None
Measure = Callable[[str, reference.Subject, Facts, pd.DataFrame], Answer]


def _names(note: str, words: list[str]) -> bool:
    return any(word.casefold() in note.casefold() for word in words)


def _judged(*, holds: bool, fails: bool) -> str:
    """The verdict on a note: what lies between both bounds cannot be told."""
    if fails:
        return "not_borne_out"
    return "borne_out" if holds else "cannot_tell"


def refund_reason(note: str, entry: reference.Subject, facts: Facts, _: pd.DataFrame) -> Answer:
    """How many of the session's refunds have the reason that a note names."""
    reason = reasons.reason_of(note, facts.reasons)[1]
    back = facts.lines
    if reason == "unknown" or back.empty or "refunded" not in back:
        return None
    refunded = back[back["refunded"]]
    read = reasons.classified(refunded["reason"], facts.reasons)["reason"]
    stated = int(read.ne("unknown").sum())
    if stated < FEWEST_REFUNDS:
        return None
    hits = int(read.eq(reason).sum())
    share = hits / stated
    verdict = _judged(holds=share >= MANY and hits > 1, fails=share < FEW)
    label = next(g.reasons[reason] for g in facts.reasons.values() if reason in g.reasons)
    return (
        verdict,
        f"退款里写明原因的 {stated} 单，{label.zh} {hits} 单",
        f"of {stated} refunds with a reason {hits} are: {label.en}",
    )


def watch_by_source(note: str, entry: reference.Subject, facts: Facts, _: pd.DataFrame) -> Answer:
    """How long people of the source that a note names stay, beside the room."""
    traffic = facts.table("traffic")
    if traffic is None or traffic["avg_watch_seconds"].notna().sum() < 2:
        return None
    rows = traffic.dropna(subset=["avg_watch_seconds"])
    kinds = own_past.source_kinds(facts)
    words = reference.applies(facts.workspace_reference).source_kinds
    exact = rows[rows["source"].map(lambda name: name.casefold() in note.casefold())]
    of_kind = rows[
        rows["source"].map(
            lambda name: _names(note, [*words[kinds[name]].words, *entry.also.get(kinds[name], [])])
        )
    ]
    meant = exact if len(exact) else of_kind
    if meant.empty:
        return None
    watch = meant["avg_watch_seconds"].mean()
    rest = rows[~rows["source"].isin(meant["source"])]
    weights = rest["viewers"].fillna(1).clip(lower=1)
    if rest.empty:
        return None
    others = float(np.average(rest["avg_watch_seconds"], weights=weights))
    room = facts.session.get("avg_watch_seconds", np.nan)
    usual = float(room) if pd.notna(room) else others
    verdict = _judged(holds=watch <= SHORT * usual, fails=watch >= usual)
    name = text.plain("、".join(meant["source"].head(2)), 30)
    return (
        verdict,
        f"「{name}」人均停留 {watch:.0f} 秒，全场 {usual:.0f} 秒",
        f"{name}: {watch:.0f} seconds watched, the room {usual:.0f}",
    )


def video_hours(note: str, entry: reference.Subject, facts: Facts, _: pd.DataFrame) -> Answer:
    """How long before the start the videos were posted."""
    videos = facts.table("videos")
    posted = videos["posted_at"].dropna() if videos is not None else pd.Series(dtype="object")
    if posted.empty:
        return None
    hours = (facts.start - posted).dt.total_seconds() / 3600
    middle = float(hours.median())
    early = "早" in note or "early" in note.casefold()
    holds = middle > EARLY_HOURS if early else middle < LATE_HOURS
    return (
        "borne_out" if holds else "not_borne_out",
        f"{len(hours)} 条视频在开播前 {hours.min():.1f}–{hours.max():.1f} 小时发布",
        f"{len(hours)} videos posted {hours.min():.1f} to {hours.max():.1f} hours before the start",
    )


def _minute_meant(note: str, facts: Facts) -> pd.Timestamp | None:
    if hit := CLOCK.search(note):
        day = facts.start.normalize() + pd.Timedelta(
            hours=int(hit.group(1)), minutes=int(hit.group(2))
        )
        return day if day >= facts.start else day + pd.Timedelta(days=1)
    hit = MINUTE.search(note)
    return facts.start + pd.Timedelta(minutes=int(hit.group(1))) if hit else None


def minute(note: str, entry: reference.Subject, facts: Facts, _: pd.DataFrame) -> Answer:
    """How many people online the minutes that a note names lost, or an interruption logged then."""
    at, minutes = _minute_meant(note, facts), facts.table("minutes")
    if at is None or at > facts.end:
        return None
    spans = own_past.interruptions(facts, ["outage", "suspended"])
    window = pd.Timedelta(minutes=AFTER)
    logged = spans[(spans["begins"] <= at + window) & (spans["until"] >= at - window)]
    if len(logged):
        when = own_past.clock(logged["begins"].iloc[0], logged["until"].iloc[0])
        return "borne_out", f"事件表登记了 {when} 的中断", f"an interruption is logged for {when}"
    if minutes is None or minutes["online"].isna().all():
        return None
    series = minutes.dropna(subset=["online"]).set_index("at")["online"].sort_index()
    before = series[(series.index >= at - pd.Timedelta(minutes=BEFORE)) & (series.index < at)]
    then = series[(series.index >= at) & (series.index < at + window)]
    if before.empty or then.empty or not before.mean() > 0:
        return None
    lost = 1 - then.min() / before.mean()
    verdict = _judged(holds=lost >= DROP, fails=lost <= STEADY)
    number = (at - facts.start).total_seconds() / 60
    return (
        verdict,
        f"第 {number:.0f} 分钟在线 {then.min():.0f} 人，之前 {BEFORE} 分钟 {before.mean():.0f} 人",
        f"minute {number:.0f}: {then.min():.0f} online, {before.mean():.0f} in the {BEFORE} before",
    )


def asked(note: str, entry: reference.Subject, facts: Facts, _: pd.DataFrame) -> Answer:
    """How many viewers wrote what a note says that they ask."""
    comments = facts.table("comments")
    talk = reference.talk(facts.workspace_reference)
    meant = [
        (len(word), name)
        for name, kind in talk.questions.items()
        for word in kind.words
        if word.casefold() in note.casefold()
    ]
    if comments is None or not meant:
        return None
    viewers = comments[comments["speaker"].ne("team").fillna(True)]
    if len(viewers) < FEWEST_COMMENTS:
        return None
    kind = talk.questions[max(meant)[1]]
    hits = viewers[viewers["text"].map(lambda words: _names(str(words), kind.words))]
    people = hits["user_key"].nunique() + int(hits["user_key"].isna().sum())
    verdict = _judged(holds=people >= ASKED, fails=people <= HARDLY)
    return (
        verdict,
        f"{people} 人在弹幕里问{kind.zh}",
        f"{people} people wrote about {kind.en.lower()}",
    )


def figure(note: str, entry: reference.Subject, facts: Facts, verdicts: pd.DataFrame) -> Answer:
    """How a figure that a note calls low stands beside the account's own history."""
    if not {"metric", "verdict"} <= set(verdicts):
        return None
    rows = verdicts[verdicts["metric"].isin(entry.metric)]
    rows = rows[~rows["verdict"].isin(["not_comparable"])]
    if rows.empty:
        return None
    order = {name: place for place, name in enumerate(entry.metric)}
    row = rows.sort_values("metric", key=lambda names: names.map(order)).iloc[0]
    metric = facts.registry[row["metric"]]
    value, usual = (row.get(name, np.nan) for name in ("value", "baseline"))
    verdict = {"worse": "borne_out", "better": "not_borne_out"}.get(row["verdict"], "cannot_tell")
    if verdict == "cannot_tell" and pd.notna(value) and pd.notna(usual):
        bad = value < usual if metric.bigger_is_better else value > usual
        verdict = "hinted" if bad else "not_borne_out"
    shown = {"decimals": metric.decimals}
    words = [
        text.choose(
            lang,
            f"{text.label(metric, lang)} {text.value(value, metric.unit, lang, **shown)}，平时 "
            f"{text.value(usual, metric.unit, lang, **shown)}",
            f"{text.label(metric, lang)} {text.value(value, metric.unit, lang, **shown)}, usually "
            f"{text.value(usual, metric.unit, lang, **shown)}",
        )
        for lang in ("zh", "en")
    ]
    return verdict, words[0], words[1]


MEASURES: dict[str, Measure] = {
    measure.__name__: measure
    for measure in (refund_reason, watch_by_source, video_hours, minute, asked, figure)
}


def held_against(note: str, facts: Facts, verdicts: pd.DataFrame) -> Held | None:
    """What the record of a note's own subject says; None where it has none, or no such record."""
    for entry in reference.subjects(facts.workspace_reference).values():
        if not all(_names(note, words) for words in entry.all):
            continue
        answer = MEASURES[entry.measure](note, entry, facts, verdicts)
        if answer is not None:
            paid = reference.applies(facts.workspace_reference).source_kinds["paid"].words
            of_paid = _names(note, [*paid, *entry.also.get("paid", [])])
            acts = entry.acts if of_paid or not entry.also else ""  # targeting is for paid alone
            return Held(*answer, acts if entry.acts else _acts(note, facts))
    return None


def _acts(note: str, facts: Facts) -> str:
    """The cause of the playbook whose evidence is the reason that a note names; empty without."""
    group, reason = reasons.reason_of(note, facts.reasons)
    for name, problem in reference.playbook(facts.workspace_reference).items():
        for cause in problem.causes:
            rule = cause.evidence
            if rule and rule.rule == "reason_share" and {group, reason} & set(rule.reason):
                return f"{name}.{cause.id}"
    return ""


def severe(notes: pd.DataFrame, facts: Facts, verdicts: pd.DataFrame) -> Mapping[str, Held]:
    """What the severe and borne-out notes say, by the problem and cause of the playbook."""
    planned: dict[str, Held] = {}
    for note in notes[notes["severity"].eq("high").fillna(False)]["problem"]:
        held = held_against(str(note), facts, verdicts)
        if held is not None and held.verdict == "borne_out" and held.acts:
            planned.setdefault(held.acts, held)
    return planned


def with_severe(judged: pd.DataFrame, severe_ones: Mapping[str, Held]) -> pd.DataFrame:
    """The judged causes with those that severe, borne-out notes name as supported by the record."""
    rows = judged.copy()
    for acts, held in severe_ones.items():
        name, _, cause = acts.partition(".")
        here = rows["problem"].eq(name) & rows["cause"].eq(cause)
        rows.loc[here, ["verdict", "missing_zh", "missing_en"]] = ["supported", "", ""]
        for lang in ("zh", "en"):
            rows.loc[here, f"evidence_{lang}"] = held.words(lang)
            rows.loc[here, f"fact_{lang}"] = held.words(lang)
    return rows
