"""Models of what the trade knows.

Causes and actions, reasons, roles, events, customers, service.
"""

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


class Evidence(Entry):
    """What would speak for a cause.

    A rule of `rules.yml`, what it looks at, and the bound that decides.
    """

    rule: str
    kind: Many = Field([])
    reason: Many = Field([])
    question: Many = Field([])
    step: str | None = None
    metric: Many = Field([])
    stage: Stage | None = None
    tier: str | None = None
    table: str | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _one_bound(self) -> Evidence:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.rule}: exactly one of at_least and at_most is needed")
        return self

    @property
    def bound(self) -> float:
        """The one bound that is given."""
        return self.at_least if self.at_least is not None else self.at_most

    def looks_at(self) -> set[str]:
        """Names of the parameters that are given, the rule and its bound left out."""
        return {
            name
            for name in ("kind", "reason", "question", "step", "metric", "stage", "tier", "table")
            if getattr(self, name)
        }


class Rule(Entry):
    """One evidence rule: the tables that it reads, its parameters, and a measurement in words.

    A table is a canonical one or a saved result; the words hold `{value}`.
    """

    zh: str
    en: str
    said: Label | None = None
    unit: Literal["count", "percent", "score"]
    needs: list[str]
    takes: list[str] = Field([])


class Trait(Entry):
    """Something that sessions are set up with or that is done in them.

    The table it is read from and one measure of it.
    """

    zh: str
    en: str
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


class Cause(Entry):
    """One likely cause of a problem.

    Its evidence or the export that would show it, who is answerable, what to do. `stage` is when
    the action is done: a content stage, before the start or after the end. `words` are what a team
    note that means this cause says (断货, 发券): the note is then checked by its evidence; `unless`
    are words of a note that this record says nothing of (停留, where the evidence is what people
    buy).
    """

    id: str
    zh: str
    en: str
    evidence: Evidence | None = None
    measurable: bool
    export: str | None = None
    role: Role | None = None
    action: Label | None = None
    stage: RunStage | None = None
    words: Many = Field([])
    unless: Many = Field([])

    @model_validator(mode="after")
    def _evidence_or_export(self) -> Cause:
        if self.measurable != (self.evidence is not None):
            raise ValueError(
                f"{self.id}: a measurable cause needs evidence, another must have none"
            )
        if not self.measurable and not self.export:
            raise ValueError(f"{self.id}: say in export which record would show it")
        return self


class Problem(Entry):
    """One line of the playbook.

    Problem, content stages, team work, people, causes, action, verifying metric. Its metrics show
    it; a problem that no metric shows is raised by a rule of evidence instead.
    """

    zh: str
    en: str
    dimension: Dimension
    metrics: Many
    raised_by: Evidence | None = None
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


class Reason(Entry):
    """One reason for a refund.

    The words that platforms and buyers use for it, who can do something about it, and what.
    """

    zh: str
    en: str
    role: Role
    ask: Label | None = None
    words: Many


class ReasonGroup(Entry):
    """One branch of the tree of refund reasons."""

    zh: str
    en: str
    reasons: dict[str, Reason]


class ScoreLine(Entry):
    metric: str
    note: Label | None = None
    addition: bool = False


class Fault(Entry):
    """One typical fault of a role's work; with evidence where a record can speak for it.

    `problem` names the line of the playbook whose verdict it shares, so that one thing is not
    judged twice.
    """

    zh: str
    en: str
    evidence: Evidence | None = None
    problem: str | None = None


class RoleCard(Entry):
    """One role: its scorecard, the team work to check and its typical faults."""

    zh: str
    en: str
    metrics: list[ScoreLine]
    faults: list[Fault]


class Festival(Entry):
    """One shopping festival or holiday window of one year on one platform.

    The platform `all` is every platform.
    """

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
    """How rows without a session find theirs.

    Which order channels are live, and how far times may be off.
    """

    channels: Channels
    start_tolerance_minutes: float
    launch_tolerance_minutes: float
    early_minutes: float


class Question(Entry):
    """One type of question: the words of which a question of the type has at least one."""

    zh: str
    en: str
    words: tuple[str, ...]


class Talk(Entry):
    """What comments say.

    Words that ask (anywhere, first, last, with a type's word), that do not, types, chants, spam,
    stop words.
    """

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
    """What a rule asks of the evidence on a product: the states that let it hold.

    What is not named may be anything.
    """

    click: list[Standing] = Field([])
    conversion: list[Standing] = Field([])
    returns: list[Standing] = Field([])
    slot: list[Literal["better", "none", "unknown"]] = Field([])
    margin: list[Literal["loss", "thin", "fine", "unknown"]] = Field([])
    sold_out: list[Literal["some", "none", "unknown"]] = Field([])
    tier: list[Literal["traffic", "profit", "image", "unknown"]] = Field([])


class AssortmentRule(Entry):
    """One rule: its verdict where all conditions hold, and why, in both languages."""

    verdict: str
    when: AssortmentConditions
    zh: str
    en: str


class Assortment(Entry):
    """选品汰换: limits of the evidence, verdicts, and the rules in their order.

    The first rule that holds decides.
    """

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


class ServiceTask(Entry):
    """One task of customer service.

    lacks: the record that would give its figure where it is not there; none: what is said where
    nothing is due.
    """

    zh: str
    en: str
    lacks: Label
    none: Label


class ServiceRules(Entry):
    """What customer service is measured by.

    Marks, the reply that is wanted, deadlines, the six tasks.
    """

    marks: dict[str, Marks]
    reply: Reply
    look_again_days: list[float]
    soon_hours: float
    late_days: float
    bad_rating: float
    limits: dict[str, float]
    tasks: dict[str, ServiceTask]
