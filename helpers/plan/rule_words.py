"""What a rule of evidence measured, in words, and which record is missing where it could not."""

from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales import reasons
from helpers.core import text
from helpers.plan import own_past
from helpers.plan.facts import Facts
from helpers.plan.measures import (
    FOUND,
    lacking,
    out_spans,
    seen_on_the_floor,
    standing_rows,
    unanswered,
)

RULE_DECIMALS = {"count": 0, "score": 1, "percent": 0}  # by unit
# Rules on slices worse than usual: the dimension, and what its slices are called.
STANDING = {
    "worse_sources": ("source", "来源", "source"),
    "worse_products": ("product_id", "商品", "product"),
}
MOST_SLICES = 3  # that the words name
# The column that a rule reads; its table may be there without it.
READS = {
    "activity_comment_ratio": ("minutes", "comments"),
    "asked_about": ("comments", "text"),
    "unanswered_about": ("comments", "speaker"),
    "unanswered_share": ("comments", "speaker"),
    "stock_out_minutes": ("cues", "stock_after"),
    "cue_delay_minutes": ("cues", "planned_at"),
    "stage_share": ("rundown", "ends_at"),
    "tier_share": ("products", "tier"),
    "paid_traffic_share": ("traffic", "is_paid"),
    "organic_fall_share": ("traffic", "is_paid"),
    "late_shipping_share": ("orders", "promised_at"),
    "host_sessions": ("sessions", "host"),
    "organic_step_fall": ("traffic", "room_exposure_users"),
    "order_count": ("sessions", "orders"),
    "ads_waste": ("ads", "campaign"),
}


def _listed(names: list[str], lang: str) -> str:
    return text.choose(lang, "、", ", ").join(names)


def _about(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    terms, groups = reference.terms(), facts.reasons
    labels = {**terms["cue_kind"], **terms["event_kind"], **groups}
    for group in groups.values():
        labels |= group.reasons
    entries = [labels[name] for name in [*evidence.kind, *evidence.reason] if name in labels]
    questions = reference.talk(facts.workspace_reference).questions
    entries += [questions[name] for name in evidence.question]
    entries += [terms["stage"][evidence.stage]] if evidence.stage else []
    entries += [terms["tier"][evidence.tier]] if evidence.tier else []
    metrics = [*evidence.metric, *filter(None, [evidence.step])]
    entries += [facts.registry[name] for name in metrics]
    entries += [reference.tables()[evidence.table]] if evidence.table else []
    return _listed([text.label(entry, lang) for entry in entries], lang)


def _joined(lang: str, clauses: Iterable[str]) -> str:
    """Several measurements in one line."""
    return text.choose(lang, "；", "; ").join(clauses)


def _standing_words(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    dimension, zh, en = STANDING[evidence.rule]
    rows = standing_rows(facts, evidence, dimension)
    worse = rows[rows["verdict"] == "worse"]

    def metrics(names: list[str]) -> str:
        return _listed([text.label(facts.registry[name], lang) for name in names], lang)

    if worse.empty:
        looked = metrics(evidence.metric)
        return text.choose(
            lang,
            f"没有{zh}明显差于自己平时（看的是{looked}）",
            f"no {en} is clearly worse than its own usual standing ({looked})",
        )
    words = []
    for _, group in list(worse.groupby("key", sort=False))[:MOST_SLICES]:
        name, by = text.plain(group["slice"].iloc[0], 30), metrics(group["metric"])
        words.append(
            text.choose(
                lang, f"「{name}」差于自己平时：{by}", f"{name} is worse than usual by {by}"
            )
        )
    return _joined(lang, words)


def _unanswered_words(row: pd.Series, lang: str) -> str:
    name, example = text.plain(row["product"], 30), row["example"]
    users, comments, unanswered = (
        text.number(row[column], lang) for column in ("users", "comments", "unanswered")
    )
    question = text.choose(lang, row["question_zh"], str(row["question_en"]).lower())
    return text.choose(
        lang,
        (
            f"「{name}」有 {users} 人问{question}（例：「{example}」），{comments} 条里 "
            f"{unanswered} 条没有文字答复；点击后成交低于本场其他商品"
        ),
        (
            f"{name}: {users} people asked about {question} (for example “{example}”), "
            f"{unanswered} of {comments} comments got no written answer; of those who click fewer "
            "buy than of the session's other products"
        ),
    )


def measured_words(
    measured: float,
    evidence: reference.Evidence,
    rule: reference.Rule,
    facts: Facts,
    names: list[str],
    lang: str,
    edge: tuple[float, str] | None = None,
) -> str:
    """The measurement in words, with its bound: "times per hour 2.3 (a problem at 4 or less)".

    What it is about stands before it, `names` after it. `edge` is the bound that holds for the
    account, and in words where it is from.
    """
    if evidence.rule in STANDING:
        return _standing_words(evidence, facts, lang)
    if evidence.rule == "unanswered_about" and measured > 0:
        return _unanswered_words(unanswered(facts, evidence).iloc[0], lang)
    colon, decimals = text.choose(lang, "：", ": "), RULE_DECIMALS[rule.unit]
    about = _about(evidence, facts, lang)
    value = text.NOTHING
    if np.isfinite(measured):
        value = text.value(measured, rule.unit, lang, decimals=decimals)
    elif measured > 0:
        zh, en = "尚无（半数以上还没有响应）", "none yet (more than half have had no reply)"
        value = text.choose(lang, zh, en)
    limit, origin = edge or (evidence.bound, "")
    whole = float(limit).is_integer()
    end = text.value(limit, rule.unit, lang, decimals=0 if whole else max(decimals, 1))
    end = text.choose(lang, f"{end}，按{origin}", f"{end}, by {origin}") if origin else end
    bound = text.choose(lang, f"（不超过 {end} 算作问题）", f" (a problem at {end} or less)")
    if evidence.at_least is not None:
        bound = text.choose(lang, f"（从 {end} 起算作问题）", f" (a problem at {end} or more)")
    before = about + colon if about else ""
    after = colon + _listed(names, lang) if names else ""
    return f"{before}{text.label(rule, lang)} {value}{bound}{after}"


def fact_words(
    measured: float, evidence: reference.Evidence, rule: reference.Rule, facts: Facts, lang: str
) -> str:
    """What an action is about and its number, as its sentence says it."""
    if evidence.rule in FACTS:
        return FACTS[evidence.rule](evidence, facts, lang)
    value = text.NOTHING
    if np.isfinite(measured):
        value = text.value(measured, rule.unit, lang, decimals=RULE_DECIMALS[rule.unit])
    about = _about(evidence, facts, lang)
    before = about + text.choose(lang, "：", ": ") if about else ""
    return f"{before}{text.label(rule, lang)} {value}"


def _of_slices(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """The first figure of each source or product below its usual, beside that usual."""
    rows = standing_rows(facts, evidence, STANDING[evidence.rule][0])
    worse = rows[rows["verdict"] == "worse"].drop_duplicates("key").head(MOST_SLICES)
    clauses = []
    for row in worse.to_dict("records"):
        metric = facts.registry[row["metric"]]
        value, usual = (
            text.value(row.get(name, np.nan), metric.unit, lang, decimals=metric.decimals)
            for name in ("value", "baseline")
        )
        label = text.label(metric, lang)
        clauses.append(
            text.choose(lang, f"{label} {value}，平时 {usual}", f"{label} {value}, usually {usual}")
        )
    return _joined(lang, clauses)


def _of_fallen(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    clauses = []
    for row in own_past.fallen(facts, evidence).head(MOST_SLICES).to_dict("records"):
        now, usual = (text.number(round(row[name]), lang) for name in ("viewers", "usual"))
        share = text.percent(row["ratio"], 0)
        clauses.append(
            text.choose(
                lang,
                f"本场 {now} 人，平时 {usual} 人，只有平时的 {share}",
                f"{now} people, usually {usual}, {share} of it",
            )
        )
    return _joined(lang, clauses)


def _of_step(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """Both steps of the organic source that lost most people: now and usual."""
    falls = FOUND[evidence.rule](facts, evidence)
    source = next(iter(falls), "")
    clauses = []
    for name, (now, usual) in own_past.steps_of(source, facts).items():
        metric = facts.registry[name]
        value, base = (
            text.value(end, metric.unit, lang, decimals=metric.decimals) for end in (now, usual)
        )
        label = text.label(metric, lang)
        clauses.append(
            text.choose(lang, f"{label} {value}，平时 {base}", f"{label} {value}, usually {base}")
        )
    current = facts.tables["traffic"]
    people = current.loc[current["source"].eq(source), "viewers"].sum()
    here = text.number(round(float(people)), lang)
    clauses.append(text.choose(lang, f"进来 {here} 人", f"{here} people entered"))
    return _joined(lang, clauses)


def _of_ads(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    clauses = []
    for row in own_past.wasted(facts, evidence).head(MOST_SLICES).to_dict("records"):
        name = text.plain(row["part"], 30)
        spend, orders = (text.percent(row[share], 0) for share in ("spend_share", "order_share"))
        clauses.append(
            text.choose(
                lang,
                f"「{name}」花了 {spend} 的消耗，只来 {orders} 的订单",
                f"{name} took {spend} of the spend and brought {orders} of the orders",
            )
        )
    return _joined(lang, clauses)


def _of_events(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    kinds, clauses = reference.terms()["event_kind"], []
    for row in own_past.interruptions(facts, evidence.kind).to_dict("records"):
        when = own_past.clock(row["begins"], row["until"])
        what = text.plain(row["what"] or text.label(kinds[row["kind"]], lang), 30)
        lasted = text.choose(lang, f" {row['minutes']:.0f} 分钟", f", {row['minutes']:.0f} minutes")
        clauses.append(f"{when} {what}" + lasted * bool(row["minutes"] > 0))
    return _joined(lang, clauses)


def _of_force(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    rows = own_past.in_force(facts, evidence.kind)
    kinds = reference.terms()["event_kind"]
    clauses = (
        text.choose(
            lang, f"{row['starts_at']:%m-%d %H:%M} 起：", f"since {row['starts_at']:%m-%d %H:%M}: "
        )
        + text.plain(row["what"] or text.label(kinds[row["kind"]], lang), 30)
        for row in rows.to_dict("records")
    )
    return _joined(lang, clauses)


def _of_host(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    host = text.plain(facts.session["host"], 20)
    nth = int(facts.earlier["host"].eq(facts.session["host"]).sum()) + 1
    return text.choose(
        lang, f"{host}在本账号的第 {nth} 场", f"{host}: session {nth} on this account"
    )


def _of_stock(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    clauses = []
    for row in out_spans(facts).to_dict("records"):
        when = own_past.clock(row["begins"], row["until"])
        minutes = f"{row['minutes']:.0f}"
        clauses.append(
            text.choose(lang, f"{when} 断货 {minutes} 分钟", f"sold out {when}, {minutes} minutes")
        )
    return _joined(lang, clauses[:MOST_SLICES])


def _of_question(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    rows = unanswered(facts, evidence).head(1)
    return "；".join(
        text.choose(
            lang,
            f"{row['users']:.0f} 人问{row['question_zh']}，没有文字答复",
            f"{row['users']:.0f} people asked about {str(row['question_en']).lower()}, unanswered",
        )
        for row in rows.to_dict("records")
    )


# What an action's sentence says of its object, by rule; the rest says what was measured.
FACTS: dict[str, Callable[[reference.Evidence, Facts, str], str]] = {
    "worse_sources": _of_slices,
    "worse_products": _of_slices,
    "source_fall": _of_fallen,
    "organic_step_fall": _of_step,
    "ads_waste": _of_ads,
    "event_count": _of_events,
    "event_in_force": _of_force,
    "host_sessions": _of_host,
    "stock_out_minutes": _of_stock,
    "unanswered_about": _of_question,
}


def missing_words(
    rule: reference.Rule, evidence: reference.Evidence, facts: Facts, lang: str
) -> str:
    """What a rule lacks: records that are not there, or what is not in those that are."""
    needs = [*rule.needs, *([evidence.table] if evidence.table else [])]
    missing, tables = lacking(needs, facts), reference.tables()
    if not missing:
        return _not_in_them(evidence, facts, lang)
    split = text.choose(lang, "拆分结果（04）", "the split (notebook 04)")
    names = [text.label(tables[name], lang) if name in tables else split for name in missing]
    return _listed(list(dict.fromkeys(names)), lang)


def _not_in_them(evidence: reference.Evidence, facts: Facts, lang: str) -> str:
    """A column without values, too few rows, or an event that was not entered."""
    if evidence.rule == "reason_share":
        lines, fewest = int(facts.lines["refunded"].sum()), reasons.FEWEST_FOR_PARETO
        return text.choose(
            lang,
            f"退款订单只有 {lines} 条，满 {fewest} 条才看原因占比",
            f"only {lines} refunded lines; shares of reasons need {fewest}",
        )
    if evidence.rule == "event_count":
        terms, logged = reference.terms()["event_kind"], seen_on_the_floor(facts, evidence)
        kinds = _listed([text.label(terms[kind], lang) for kind in logged], lang)
        return text.choose(
            lang,
            f"事件表没有登记，场控记录里却有：{kinds}",
            f"not entered in the event log, though the floor-control log has it: {kinds}",
        )
    if evidence.rule == "unexplained_share":
        zh, en = "场控记录里的「开始讲解」", "start of explanations in the floor-control log"
        return text.choose(lang, zh, en)
    promised = (
        facts.tables["orders"]["promised_at"] if evidence.rule == "late_shipping_share" else None
    )
    if promised is not None and promised.notna().any():
        return text.label(reference.service(facts.workspace_reference).tasks["shipped"].none, lang)
    table, column = READS.get(evidence.rule, ("", ""))
    if evidence.rule == "first_reply_minutes":
        table, column = evidence.table or "aftersales", "first_reply_at"
    named_host = evidence.rule == "host_sessions" and isinstance(facts.session["host"], str)
    if not table or named_host:
        return text.choose(lang, "可比的历史场次不够", "too few comparable sessions")
    entry = reference.tables()[table]
    name, label = text.label(entry, lang), text.label(entry.columns[column], lang)
    return text.choose(lang, f"{name}里的「{label}」", f"{label} in {name}")
