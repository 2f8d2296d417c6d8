"""A model for every file of `data/reference`: what an entry may hold, and what each key means."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "reference"
Kind = Literal[
    "id",
    "text",
    "choice",
    "flag",
    "datetime",
    "users",
    "times",
    "count",
    "money",
    "rate",
    "ratio",
    "seconds",
    "score",
]
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
M = TypeVar("M", bound=BaseModel)
Many = Annotated[list[str], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)]


class ReferenceDataError(ValueError):
    """A file of `data/reference` does not fit its model: the message names the file, the key and what was expected."""


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Label(_Entry):
    """One name in both languages."""

    zh: str
    en: str

    def get(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


class Column(_Entry):
    """One column of a canonical table."""

    kind: Kind
    zh: str
    en: str
    required: bool = False
    terms: str | None = None
    line: Literal["created", "paid", "net", "refund", "cost", "price"] | None = None


class Table(_Entry):
    """One canonical table: grain, key, how a row finds its session, columns.

    `never_above` says which column can never exceed which others in the same row (people who pay
    and people who watch), `never_without` which cannot be above 0 where another is 0 (orders with
    nobody online); with `repeats` equal rows of one file are all rows.
    """

    zh: str
    en: str
    grain: str
    key: list[str]
    attribute: str
    columns: dict[str, Column]
    never_above: dict[str, Many] = {}
    never_without: dict[str, Many] = {}
    repeats: bool = False


Group = Literal[
    "traffic",
    "fans",
    "interaction",
    "click",
    "conversion",
    "sales",
    "aftersales",
    "customers",
    "profit",
]
Unit = Literal["users", "times", "count", "money", "percent", "ratio", "seconds", "score"]
ROWS = "rows"  # the term of a metric that counts the rows of its table


class Metric(_Entry):
    """One metric of the registry.

    A ratio is sum(numerator) / sum(denominator) x factor over the rows of `table` that are grouped
    together; a total has no denominator. Terms are column names of the table, or `rows` (how many
    there are); `a - b` has b in `minus`.
    """

    zh: str
    en: str
    table: str
    group: Group
    numerator: str
    minus: Many = []
    denominator: str | None = None
    denominator_minus: Many = []
    factor: float = 1.0
    unit: Unit
    proportion: bool = False
    mixed_units: str | None = None
    additive: bool
    bigger_is_better: bool | None
    decimals: int = 1
    description: Label
    source: str


class Measure(_Entry):
    """One figure that is no ratio of sums (a median time, a share of persons followed): the function `by` works it out.

    `by` is module.function under helpers; `formula` says it in words, `needs` which data it wants.
    """

    zh: str
    en: str
    group: Group
    unit: Unit
    by: str = Field(pattern=r"^[a-z_]+(\.[a-z_]+)+$")
    formula: Label
    description: Label
    needs: Label
    source: str


class SourceColumn(_Entry):
    """How one canonical column is read from an export.

    `from` lists header names; where a file has several of them, the first that has a value counts.
    `plus` headers are added to the amount, `with` headers are joined to the id. `part` takes one
    end of a range of times, or the first of two amounts (`¥11.19 / ¥500`); `when` keeps the value
    only where another canonical column has one, `file` takes it from a named group of the export's
    `file_name` or `title`. `name#2` is the second header of that name. `map` goes from the export's
    words (`*` and `?` as wildcards, first fit wins) to ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    header: Many = Field(alias="from", default=[])
    unit: (
        Literal[
            "seconds", "minutes", "hours", "days", "fraction", "percent", "wan", "fen", "thousand"
        ]
        | None
    ) = None
    map: dict[str, str] | None = None
    default: str | None = None
    plus: Many = []
    joined: Many = Field(alias="with", default=[])
    part: Literal["start", "end", "first"] | None = None
    when: str | None = None
    file: str | None = None


class SubRows(_Entry):
    """Rows below their parent row: the mark that their first cell starts with, and where their own id stands."""

    starts: str
    header: str | None = None
    id: str


class Export(_Entry):
    """One table of one export of one system.

    An export is recognised where all of `headers` are there (`a | b`: either name); the one that
    explains most of the headers wins. `sheet` and `file_name` (a regular expression; its group
    `as_of` is the time of the export) only help. A column `as_of` may be mapped in every export:
    the time at which it was made, which counts before the name's. `title` is one for the rows above
    the headers (a period, say). `totals` names headers and the values that mark a total row (`""`:
    no value); `description_row` is a text in the row of explanations below the headers. `personal`
    columns are never read, `ignore` ones are known and not needed.
    """

    id: str
    zh: str
    en: str
    grade: Literal["F", "S", "A", "unverified", "own"]
    table: str
    layout: Literal["rows", "vertical", "first_row"] = "rows"
    sheet: Many = []
    file_name: str | None = None
    title: str | None = None
    headers: Many
    columns: dict[str, SourceColumn]
    constants: dict[str, str] = {}
    reported: dict[str, dict[str, str | float]] = {}
    totals: dict[str, Many] = {}
    sub_rows: SubRows | None = None
    description_row: str | None = None
    personal: Many = []
    ignore: Many = []
    money_line: str | None = None
    note: Label | None = None


class Unverified(_Entry):
    """One export whose layout nobody has seen: it is not guessed at, its figures go into sheets of our template.

    `words` name it in a file name, a sheet name or a title; `tables` are the template's sheets for
    what it holds.
    """

    id: str
    zh: str
    en: str
    words: Many
    tables: Many
    note: Label | None = None


class System(_Entry):
    """One source system: the exports that are read, and those whose layout is not verified."""

    system: str
    zh: str
    en: str
    platform: str | None
    exports: list[Export] = []
    unverified: list[Unverified] = []
    where: Label


class FunnelStep(_Entry):
    """One step: a column of the funnel's table, or of the table `of`; `grows` says why it can exceed the step before."""

    column: str
    of: str | None = None
    zh: str
    en: str
    within_minutes: float | None = Field(None, gt=0)
    grows: Label | None = None


class Funnel(_Entry):
    """One funnel: an ordered list of columns of one table, all of one unit unless `mixed_units` says why not.

    A funnel of `actions` has viewer events instead of columns; a step counts within so many minutes
    of the one before, and with `ordered: false` in any order.
    """

    zh: str
    en: str
    table: str
    unit: Literal["users", "times"]
    mixed_units: Label | None = None
    ordered: bool = True
    steps: list[FunnelStep] = Field(min_length=2)

    @model_validator(mode="after")
    def _of_events(self) -> Funnel:
        windows = [step.within_minutes for step in self.steps]
        if any(windows) and (self.table != "actions" or not self.ordered or windows[0]):
            raise ValueError(
                "within_minutes: only a later step of an ordered funnel of actions follows "
                "another one in time"
            )
        if self.table == "actions" and (
            self.unit != "users" or len({step.column for step in self.steps}) < len(self.steps)
        ):
            raise ValueError("a funnel of actions counts users, and each event is one step")
        return self


class Evidence(_Entry):
    """What would speak for a cause: a rule of `rules.yml`, what it looks at, and the bound that decides."""

    rule: str
    kind: Many = []
    reason: Many = []
    question: Many = []
    step: str | None = None
    metric: Many = []
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


class Rule(_Entry):
    """One evidence rule: the tables that it reads (each a canonical table or a saved result), its parameters, and a measurement in words (`{value}`)."""

    zh: str
    en: str
    said: Label | None = None
    unit: Literal["count", "percent", "score"]
    needs: list[str]
    takes: list[str] = []


class Trait(_Entry):
    """Something that sessions are set up with or that is done in them: the table it is read from and one measure of it."""

    zh: str
    en: str
    unit: Literal["count", "percent", "score", "money", "seconds"]
    table: Literal["sessions", "traffic", "videos", "cues", "rundown", "products"]
    measure: Literal[
        "column", "cues", "stage", "paid", "source", "tier", "price", "focus", "videos"
    ]
    column: str | None = None
    per_hour: bool = False
    kind: Many = []
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


class Cause(_Entry):
    """One likely cause of a problem: its evidence or the export that would show it, who is answerable, what to do.

    `stage` is when the action is done: a content stage, before the start or after the end. `words`
    are what a team note that means this cause says (断货, 发券): the note is then checked by its
    evidence; `unless` are words of a note that this record says nothing of (停留, where the
    evidence is what people buy).
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
    words: Many = []
    unless: Many = []

    @model_validator(mode="after")
    def _evidence_or_export(self) -> Cause:
        if self.measurable != (self.evidence is not None):
            raise ValueError(
                f"{self.id}: a measurable cause needs evidence, another must have none"
            )
        if not self.measurable and not self.export:
            raise ValueError(f"{self.id}: say in export which record would show it")
        return self


class Problem(_Entry):
    """One line of the playbook: problem, content stages, team work, people, causes, action, verifying metric.

    Its metrics show it; a problem that no metric shows is raised by a rule of evidence instead.
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


class Reason(_Entry):
    """One reason for a refund: the words that platforms and buyers use for it, who can do something about it, and what."""

    zh: str
    en: str
    role: Role
    ask: Label | None = None
    words: Many


class ReasonGroup(_Entry):
    """One branch of the tree of refund reasons."""

    zh: str
    en: str
    reasons: dict[str, Reason]


class ScoreLine(_Entry):
    metric: str
    note: Label | None = None
    addition: bool = False


class Fault(_Entry):
    """One typical fault of a role's work; with evidence where a record can speak for it.

    `problem` names the line of the playbook whose verdict it shares, so that one thing is not
    judged twice.
    """

    zh: str
    en: str
    evidence: Evidence | None = None
    problem: str | None = None


class RoleCard(_Entry):
    """One role: its scorecard, the team work to check and its typical faults."""

    zh: str
    en: str
    metrics: list[ScoreLine]
    faults: list[Fault]


class Festival(_Entry):
    """One shopping festival or holiday window of one year on one platform (`all` for every platform)."""

    festival: str
    platform: str
    year: int
    presale_from: dt.date | None = None
    starts_on: dt.date
    day: dt.date
    ends_on: dt.date


class EventKind(_Entry):
    """How long a kind of special event is in force without an end, and where a change that goes with it is looked for."""

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


class Channels(_Entry):
    live: list[str]
    pending: list[str]


class Attribution(_Entry):
    """How rows without a session find theirs: which order channels are live, and how far times may be off."""

    channels: Channels
    start_tolerance_minutes: float
    launch_tolerance_minutes: float
    early_minutes: float


class Definition(_Entry):
    """One other meaning of a session's total: a sum of its columns, less others."""

    terms: Many
    minus: Many = []
    zh: str
    en: str


class Question(_Entry):
    """One type of question: the words of which a question of the type has at least one."""

    zh: str
    en: str
    words: tuple[str, ...]


class Talk(_Entry):
    """What comments say: words that ask (anywhere, first, last, with a type's word), that do not, types, chants, spam, stop words."""

    ask: tuple[str, ...]
    ask_first: tuple[str, ...]
    ask_last: tuple[str, ...]
    wish: tuple[str, ...]
    not_ask: tuple[str, ...]
    questions: dict[str, Question]
    chants: tuple[str, ...]
    spam: tuple[str, ...]
    stop: tuple[str, ...]


class Scores(_Entry):
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


class High(_Entry):
    """The scores from which a customer counts as high."""

    recency: int
    frequency: int
    amount: int


class Customers(_Entry):
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


Standing = Literal["low", "usual", "high", "unclear", "unknown"]


class AssortmentLimits(_Entry):
    """When evidence on a product has a state (`assortment.yml`)."""

    apart: float = Field(gt=0, lt=1)
    usual_band: float = Field(gt=0, lt=1)
    sold_out_share: float = Field(gt=0, lt=1)
    thin_margin: float = Field(ge=0, lt=1)


class AssortmentConditions(_Entry):
    """What a rule asks of the evidence on a product: the states that let it hold; what is not named may be anything."""

    click: list[Standing] = []
    conversion: list[Standing] = []
    returns: list[Standing] = []
    slot: list[Literal["better", "none", "unknown"]] = []
    margin: list[Literal["loss", "thin", "fine", "unknown"]] = []
    sold_out: list[Literal["some", "none", "unknown"]] = []
    tier: list[Literal["traffic", "profit", "image", "unknown"]] = []


class AssortmentRule(_Entry):
    """One rule: its verdict where all conditions hold, and why, in both languages."""

    verdict: str
    when: AssortmentConditions
    zh: str
    en: str


class Assortment(_Entry):
    """选品汰换: limits of the evidence, verdicts, and the rules in their order; the first that holds decides."""

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


class Marks(_Entry):
    """Seconds within which the share answered and the share settled of a queue is shown."""

    first_reply: list[float]
    settled: list[float]


class Reply(_Entry):
    """When a first reply is in time, and the share of enquiries that should be; whether that is ours and no published rule."""

    seconds: float
    target: float
    assumption: bool = False


class ServiceTask(_Entry):
    """One task of customer service: the record that would give its figure where it is not there, and what is said where nothing is due."""

    zh: str
    en: str
    lacks: Label
    none: Label


class ServiceRules(_Entry):
    """What customer service is measured by: marks, the reply that is wanted, deadlines, the six tasks."""

    marks: dict[str, Marks]
    reply: Reply
    look_again_days: list[float]
    soon_hours: float
    late_days: float
    bad_rating: float
    limits: dict[str, float]
    tasks: dict[str, ServiceTask]
