"""Models of what the trade knows: causes, actions, reasons, roles, events, customers, service."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import Field, model_validator

from helpers.reference.models import Entry, Label, Many

Dimension = Literal["traffic", "interaction", "fans", "click", "conversion", "aftersales", "sales"]
Stage = Literal[
    "preheat", "introduction", "follow_prompt", "purchase_prompt", "activity", "closing"
]
RunStage = Literal[
    "before",
    "preheat",
    "introduction",
    "follow_prompt",
    "purchase_prompt",
    "activity",
    "closing",
    "after",
]
Role = Literal[
    "host",
    "assistant_host",
    "assistant",
    "floor_control",
    "planning",
    "operations",
    "selection",
    "designer",
    "service",
    "analyst",
]
Standing = Literal["low", "usual", "high", "unclear", "unknown"]


LOOKED_AT = (
    "kind",
    "reason",
    "question",
    "step",
    "metric",
    "stage",
    "tier",
    "table",
    "source_kind",
    "by",
)  # what a rule may take


class Evidence(Entry):
    """What would speak for a cause: a rule of `rules.yml`, what it looks at, the bound."""

    rule: str
    kind: Many = Field([])
    reason: Many = Field([])
    question: Many = Field([])
    step: str | None = None
    metric: Many = Field([])
    stage: Stage | None = None
    tier: str | None = None
    table: str | None = None
    source_kind: Many = Field([])
    by: Many = Field([])
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Evidence:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.rule}: exactly one of at_least and at_most is needed")
        return self

    @property
    def bound(self) -> float:
        return self.at_least if self.at_least is not None else self.at_most

    def looks_at(self) -> set[str]:
        return {name for name in LOOKED_AT if getattr(self, name)}


class Rule(Label):
    """One evidence rule: what it reads, its parameters, a measurement in words (with `{value}`).

    A table is a canonical one or a saved result. With `own_limit` the plan in force, the goals or
    the account's habit replace the bound of a cause, for the longest gap or the times an hour.
    """

    said: Label | None = None
    unit: Literal["count", "percent", "score"]
    needs: list[str]
    takes: list[str] = Field([])
    own_limit: Literal["gap", "rate"] | None = None


class SourceKind(Label):
    words: Many


class Applies(Entry):
    """When an action applies: kinds of source, what plans call the cues (`applies.yml`)."""

    source_kinds: dict[str, SourceKind]
    cue_words: dict[str, Many]
    slack: float
    habit_slack: float

    def source_kind(self, source: str, paid: object) -> str:
        """The kind of a source by its flag, else by its name."""
        if paid is True:
            return "paid"
        written = source.casefold()
        return next(
            (
                name
                for name, kind in self.source_kinds.items()
                if (name != "paid" or paid is None)
                and any(word.casefold() in written for word in kind.words)
            ),
            "other",
        )


class Subject(Entry):
    """What a note speaks of by its words, and how the records are asked of it (`subjects.yml`)."""

    all: list[Many]
    measure: str
    acts: str = ""
    metric: Many = Field([])
    also: dict[str, Many] = Field({})


class Trait(Label):
    """Something that sessions are set up with or that is done in them, with one measure of it."""

    unit: Literal["count", "percent", "score", "money", "seconds"]
    table: Literal["sessions", "traffic", "videos", "cues", "rundown", "products"]
    measure: Literal[
        "column", "cues", "stage", "paid", "source", "tier", "price", "focus", "videos"
    ]
    column: str | None = None
    per_hour: bool = False
    kind: Many = Field([])
    first: bool = False
    stage: Stage | None = None
    tier: str | None = None
    each: Literal["source"] | None = None

    @model_validator(mode="after")
    def _what_it_measures(self) -> Trait:
        needed = {
            "column": self.column,
            "cues": self.kind,
            "stage": self.stage,
            "tier": self.tier,
            "source": self.each,
        }
        if self.measure in needed and not needed[self.measure]:
            raise ValueError(f"the measure {self.measure} needs to be told what of")
        return self


class Cause(Label):
    """One likely cause of a problem: evidence or the export that would show it, who, what to do.

    `stage` is when the action is done: a content stage, before the start or after the end. `words`
    are what a team note that means this cause says (断货, 发券), which the evidence then checks;
    `unless` are words of a note that this record says nothing of (停留, where the evidence is what
    people buy).
    """

    id: str
    evidence: Evidence | None = None
    measurable: bool
    export: str | None = None
    role: Role | None = None
    action: Label | None = None
    stage: RunStage | None = None
    words: Many = Field([])
    unless: Many = Field([])
    yields: Many = Field([])

    @model_validator(mode="after")
    def _evidence_or_export(self) -> Cause:
        if self.measurable != (self.evidence is not None):
            raise ValueError(
                f"{self.id}: a measurable cause needs evidence, another must have none"
            )
        if not self.measurable and not self.export:
            raise ValueError(f"{self.id}: say in export which record would show it")
        return self


class Problem(Label):
    """One line of the playbook; a problem that no metric shows is raised by a rule of evidence.

    `certain` where the record is the problem itself, not a hint; `silences` the dimensions of which
    nothing is planned meanwhile. `guardrail` is the metric that no action may make worse, `gain`
    the column of a session that `least_effect` is a share of.
    """

    dimension: Dimension
    metrics: Many
    raised_by: Evidence | None = None
    certain: bool = False
    silences: list[Dimension] = Field([])
    guardrail: str = "viewers"
    gain: str = "paid_amount"
    stages: list[Stage] | Literal["all"]
    work: Label
    people: list[Role]
    causes: list[Cause]
    action: Label
    stage: RunStage | None = None
    verify: str
    least_effect: float = 0.10
    sessions: int = 3
    effort: Literal["high", "medium", "low"] = "medium"
    source: str


class Reason(Label):
    """One reason for a refund: the words for it, who can do something about it, and what."""

    role: Role
    ask: Label | None = None
    words: Many


class ReasonGroup(Label):
    """One branch of the tree of refund reasons."""

    reasons: dict[str, Reason]


class ScoreLine(Entry):
    metric: str
    note: Label | None = None
    addition: bool = False


class Fault(Label):
    """One typical fault of a role's work; with evidence where a record can speak for it.

    `problem` names the line of the playbook whose verdict it shares, lest one thing be judged
    twice.
    """

    evidence: Evidence | None = None
    problem: str | None = None


class RoleCard(Label):
    """One role: its scorecard, the team work to check and its typical faults."""

    metrics: list[ScoreLine]
    faults: list[Fault]


class Festival(Entry):
    """One festival or holiday window of one year on one platform (`all`: every platform)."""

    festival: str
    platform: str
    year: int
    presale_from: dt.date | None = None
    starts_on: dt.date
    day: dt.date
    ends_on: dt.date


class EventKind(Entry):
    """How long a kind of special event is in force without an end.

    Lags say where a change that goes with it is looked for.
    """

    days: float
    lag_days: float | None = None
    lag_sessions: int | None = None
    stays: bool = False
    measured: bool = True

    @model_validator(mode="after")
    def _one_lag(self) -> EventKind:
        if (self.lag_days is None) == (self.lag_sessions is None):
            raise ValueError("needs either lag_days or lag_sessions")
        return self


class Channels(Entry):
    live: list[str]
    pending: list[str]


class Attribution(Entry):
    """How rows without a session find theirs: live order channels, how far times may be off."""

    channels: Channels
    start_tolerance_minutes: float
    launch_tolerance_minutes: float
    early_minutes: float


class Question(Label):
    """One type of question: the words of which a question of the type has at least one."""

    words: tuple[str, ...]


Block = Literal[
    "explanations",
    "questions",
    "sources",
    "products",
    "stretches",
    "service",
    "goals",
    "figures",
    "matters",
    "actions",
]


class RoleSheet(Label):
    """The sheet of one or more roles: whose own it holds, and which tables stand on it."""

    roles: tuple[str, ...]
    blocks: tuple[Block, ...]


class Brief(Entry):
    """The first layer: metrics of its table, their plain names, words of verdicts, role sheets."""

    figures: tuple[str, ...]
    names: dict[str, Label]
    verdicts: dict[str, Label]
    sheets: dict[str, RoleSheet]


class Shows(Entry):
    """What somebody outside may see: figures, and columns of results."""

    figures: tuple[str, ...]
    results: dict[str, tuple[str, ...]]


class Forbidden(Entry):
    """Fields of canonical tables and of results whose values must not leave the house."""

    tables: dict[str, tuple[str, ...]]
    results: dict[str, tuple[str, ...]]


class Audience(Entry):
    """What goes to brands and agencies, and what must not."""

    shows: Shows
    forbidden: Forbidden


class Talk(Entry):
    """What comments say: words that ask and that do not, types, chants, spam, stop words."""

    ask: tuple[str, ...]
    ask_first: tuple[str, ...]
    ask_last: tuple[str, ...]
    wish: tuple[str, ...]
    not_ask: tuple[str, ...]
    questions: dict[str, Question]
    chants: tuple[str, ...]
    spam: tuple[str, ...]
    stop: tuple[str, ...]


class Scores(Entry):
    """The bounds of the three scores, each from the worst to the best."""

    recency_days: list[float]
    purchases: list[float]
    amount: list[float]

    @model_validator(mode="after")
    def _in_order(self) -> Scores:
        if self.recency_days != sorted(self.recency_days, reverse=True):
            raise ValueError(
                "recency_days: fewer days are better, expected falling bounds, found "
                f"{self.recency_days}"
            )
        for name in ("purchases", "amount"):
            if getattr(self, name) != sorted(getattr(self, name)):
                raise ValueError(f"{name}: expected rising bounds, found {getattr(self, name)}")
        return self


class High(Entry):
    """The scores from which a customer counts as high."""

    recency: int
    frequency: int
    amount: int


class Customers(Entry):
    """What counts as one purchase, when a customer is late, and how customers are scored."""

    shopping_day_starts: int = Field(ge=0, le=23)
    within_days: list[int]
    origin_days: int
    overdue_share: float = Field(gt=0, lt=1)
    winback_days: int
    unpaid_minutes: int
    close_days: int = Field(ge=1)
    fewest: int
    frequency_classes: list[int]
    scores: Scores
    high_from: High
    segments: dict[str, Label]

    @model_validator(mode="after")
    def _whole(self) -> Customers:
        wanted = {f"{number:03b}" for number in range(8)}
        if set(self.segments) != wanted:
            raise ValueError(
                f"segments: expected {', '.join(sorted(wanted))}, found "
                f"{', '.join(sorted(self.segments))}"
            )
        if self.frequency_classes[:1] != [1] or self.frequency_classes != sorted(
            set(self.frequency_classes)
        ):
            raise ValueError(
                f"frequency_classes: expected rising numbers from 1, found {self.frequency_classes}"
            )
        return self


class AssortmentLimits(Entry):
    """When evidence on a product has a state (`assortment.yml`)."""

    apart: float = Field(gt=0, lt=1)
    usual_band: float = Field(gt=0, lt=1)
    sold_out_share: float = Field(gt=0, lt=1)
    thin_margin: float = Field(ge=0, lt=1)


class AssortmentConditions(Entry):
    """What a rule asks of the evidence on a product; what is not named may be anything."""

    click: list[Standing] = Field([])
    conversion: list[Standing] = Field([])
    returns: list[Standing] = Field([])
    slot: list[Literal["better", "none", "unknown"]] = Field([])
    margin: list[Literal["loss", "thin", "fine", "unknown"]] = Field([])
    sold_out: list[Literal["some", "none", "unknown"]] = Field([])
    tier: list[Literal["traffic", "profit", "image", "unknown"]] = Field([])


class AssortmentRule(Label):
    """One rule: its verdict where all conditions hold, and why, in both languages."""

    verdict: str
    when: AssortmentConditions


class Assortment(Entry):
    """选品汰换: limits of the evidence, verdicts, and the rules; the first that holds decides."""

    limits: AssortmentLimits
    verdicts: dict[str, Label]
    standing: dict[Literal["below", "slightly_below", "level", "slightly_above", "above"], Label]
    rules: list[AssortmentRule]

    @model_validator(mode="after")
    def _known_verdicts(self) -> Assortment:
        for rule in self.rules:
            if rule.verdict not in self.verdicts or not rule.when.model_fields_set:
                raise ValueError(
                    f"rule {rule.verdict!r}: expected one of {', '.join(self.verdicts)} and at "
                    "least one condition"
                )
        if "cannot_tell" not in self.verdicts:
            raise ValueError("verdicts: cannot_tell is needed, for products that no rule speaks of")
        if lacking := {"below", "slightly_below", "level", "slightly_above", "above"} - set(
            self.standing
        ):
            raise ValueError(f"standing: {', '.join(sorted(lacking))} expected")
        return self


class Marks(Entry):
    """Seconds within which the share answered and the share settled of a queue is shown."""

    first_reply: list[float]
    settled: list[float]


class Reply(Entry):
    """When a first reply is in time, and the share of enquiries that should be.

    `assumption` says that this is ours and no published rule.
    """

    seconds: float
    target: float
    assumption: bool = False


class ServiceTask(Label):
    """One task of customer service.

    lacks: the record that would give its figure; none: what is said where nothing is due.
    """

    lacks: Label
    none: Label


class ServiceRules(Entry):
    """What customer service is measured by: marks, the reply wanted, deadlines, the six tasks."""

    marks: dict[str, Marks]
    reply: Reply
    look_again_days: list[float]
    soon_hours: float
    late_days: float
    bad_rating: float
    limits: dict[str, float]
    tasks: dict[str, ServiceTask]
