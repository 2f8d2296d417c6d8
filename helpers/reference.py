"""Loads and validates the knowledge in `data/reference`: tables, metrics, sources, funnels, playbook, roles, calendar.

Every file is checked against a model when it is loaded: an unknown key, a missing label or a wrong type ends in a
`ReferenceDataError` that names the file and the key. A workspace may hold a `reference/` folder of its own, whose
entries replace those of the same key.
"""

from __future__ import annotations

import csv
import datetime as dt
import functools
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

SHIPPED = Path(__file__).resolve().parent.parent / "data" / "reference"
_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where it was built

Kind = Literal[
    "id", "text", "choice", "flag", "datetime", "users", "times", "count", "money", "rate", "ratio", "seconds", "score"
]
Dimension = Literal["traffic", "interaction", "fans", "click", "conversion", "aftersales", "sales"]
Stage = Literal["preheat", "introduction", "follow_prompt", "purchase_prompt", "activity", "closing"]
RunStage = Literal["before", "preheat", "introduction", "follow_prompt", "purchase_prompt", "activity", "closing", "after"]
Role = Literal[
    "host", "assistant_host", "assistant", "floor_control", "planning", "operations", "selection", "designer",
    "service", "analyst",
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

    `never_above` says which column can never exceed which others in the same row (people who pay and people who watch),
    `never_without` which cannot be above 0 where another is 0 (orders with nobody online); with `repeats` equal rows of one file are all rows.
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


Group = Literal["traffic", "fans", "interaction", "click", "conversion", "sales", "aftersales", "customers", "profit"]
Unit = Literal["users", "times", "count", "money", "percent", "ratio", "seconds", "score"]
ROWS = "rows"   # the term of a metric that counts the rows of its table


class Metric(_Entry):
    """One metric of the registry.

    A ratio is sum(numerator) / sum(denominator) x factor over the rows of `table` that are grouped together; a total
    has no denominator. Terms are column names of the table, or `rows` (how many there are); `a - b` has b in `minus`.
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

    `from` lists header names; where a file has several of them, the first that has a value counts. `plus` headers are
    added to the amount, `with` headers are joined to the id. `part` takes one end of a range of times, or the first of two
    amounts (`¥11.19 / ¥500`); `when` keeps the value only where another canonical column has one, `file` takes it from a
    named group of the export's `file_name` or `title`. `name#2` is the second header of that name.
    `map` goes from the export's words (`*` and `?` as wildcards, first fit wins) to ours.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)
    header: Many = Field(alias="from", default=[])
    unit: Literal["seconds", "minutes", "hours", "days", "fraction", "percent", "wan", "fen", "thousand"] | None = None
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

    An export is recognised where all of `headers` are there (`a | b`: either name); the one that explains most of the
    headers wins. `sheet` and `file_name` (a regular expression; its group `as_of` is the time of the export) only help.
    A column `as_of` may be mapped in every export: the time at which it was made, which counts before the name's.
    `title` is one for the rows above the headers (a period, say).
    `totals` names headers and the values that mark a total row (`""`: no value); `description_row` is a text in the row
    of explanations below the headers. `personal` columns are never read, `ignore` ones are known and not needed.
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

    `words` name it in a file name, a sheet name or a title; `tables` are the template's sheets for what it holds.
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

    A funnel of `actions` has viewer events instead of columns; a step counts within so many minutes of the one before, and
    with `ordered: false` in any order.
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
            raise ValueError("within_minutes: only a later step of an ordered funnel of actions follows another one in time")
        if self.table == "actions" and (self.unit != "users" or len({step.column for step in self.steps}) < len(self.steps)):
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
        return {name for name in ("kind", "reason", "question", "step", "metric", "stage", "tier", "table") if getattr(self, name)}


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
    measure: Literal["column", "cues", "stage", "paid", "source", "tier", "price", "focus", "videos"]
    column: str | None = None
    per_hour: bool = False
    kind: Many = []
    first: bool = False
    stage: Stage | None = None
    tier: str | None = None
    each: Literal["source"] | None = None

    @model_validator(mode="after")
    def _what_it_measures(self) -> Trait:
        needed = {"column": self.column, "cues": self.kind, "stage": self.stage, "tier": self.tier, "source": self.each}
        if self.measure in needed and not needed[self.measure]:
            raise ValueError(f"the measure {self.measure} needs to be told what of")
        return self


class Cause(_Entry):
    """One likely cause of a problem: its evidence or the export that would show it, who is answerable, what to do.

    `stage` is when the action is done: a content stage, before the start or after the end.
    `words` are what a team note that means this cause says (断货, 发券): the note is then checked by its evidence;
    `unless` are words of a note that this record says nothing of (停留, where the evidence is what people buy).
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
            raise ValueError(f"{self.id}: a measurable cause needs evidence, another must have none")
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

    `problem` names the line of the playbook whose verdict it shares, so that one thing is not judged twice.
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


def _merge(shipped: Any, own: Any) -> Any:
    if isinstance(shipped, dict) and isinstance(own, dict):
        return {**shipped, **{key: _merge(shipped[key], value) if key in shipped else value for key, value in own.items()}}
    return own


def _load(name: str, workspace_reference: Path | None) -> dict[str, Any]:
    """The shipped file's mapping, with the workspace's own file of the same name laid over it key by key."""
    merged: dict[str, Any] = {}
    for folder in (SHIPPED, workspace_reference):
        path = folder / name if folder else None
        if path is None or not path.exists():
            continue
        try:
            content = yaml.load(path.read_text(encoding="utf-8"), _YAML) or {}
        except yaml.YAMLError as error:
            raise ReferenceDataError(f"{path}: not valid YAML: {error}") from error
        if not isinstance(content, dict):
            raise ReferenceDataError(f"{path}: expected a mapping at the top, found {type(content).__name__}")
        merged = _merge(merged, content)
    if not merged:
        raise ReferenceDataError(f"{SHIPPED / name}: missing or empty")
    return merged


def _validate(model: type[M], content: Any, where: str) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReferenceDataError(f"{where}: {key}: {first['msg']} (found {str(first.get('input'))[:60]!r})") from error


def _entries(name: str, model: type[M], workspace_reference: Path | None) -> dict[str, M]:
    content = _load(name, workspace_reference)
    return {key: _validate(model, value, f"{name}: {key}") for key, value in content.items()}


@functools.cache
def tables() -> dict[str, Table]:
    """Canonical tables by name (`tables.yml`); a workspace cannot change them. Limits name columns of their table."""
    found = _entries("tables.yml", Table, None)
    for name, table in found.items():
        for rule, limits in (("never_above", table.never_above), ("never_without", table.never_without)):
            for column in [*limits, *(other for others in limits.values() for other in others)]:
                if column not in table.columns:
                    raise ReferenceDataError(f"tables.yml: {name}.{rule}: {column!r} is no column of {name}")
    return found


@functools.cache
def terms() -> dict[str, dict[str, Label]]:
    """Labels of closed choices by group and value (`terms.yml`), e.g. `terms()["stage"]["preheat"].zh`; a workspace cannot change them."""
    content = _load("terms.yml", None)
    return {
        group: {value: _validate(Label, label, f"terms.yml: {group}.{value}") for value, label in values.items()}
        for group, values in content.items()
    }


@functools.cache
def metrics(workspace_reference: Path | None = None) -> dict[str, Metric]:
    """The metric registry by id (`metrics.yml`). Raises `ReferenceDataError` where a term is no column of its table, or the id that of a measure."""
    registry = _entries("metrics.yml", Metric, workspace_reference)
    if twice := set(registry) & set(measures()):
        raise ReferenceDataError(f"metrics.yml: {', '.join(sorted(twice))}: stands in measures.yml too")
    known = tables()
    for name, metric in registry.items():
        if metric.table not in known:
            raise ReferenceDataError(f"metrics.yml: {name}.table: {metric.table!r} is no canonical table")
        columns = known[metric.table].columns
        for term in [metric.numerator, *metric.minus, *metric.denominator_minus, *filter(None, [metric.denominator])]:
            if term not in columns and term != ROWS:
                raise ReferenceDataError(f"metrics.yml: {name}: {term!r} is no column of {metric.table}")
    return registry


@functools.cache
def measures() -> dict[str, Measure]:
    """The figures that are no ratio of sums, by id (`measures.yml`): what the code computes, so that a workspace cannot change them."""
    return _entries("measures.yml", Measure, None)


@functools.cache
def funnels(workspace_reference: Path | None = None) -> dict[str, Funnel]:
    """Funnels by id (`funnels.yml`); every step is a viewer event, else a column of the funnel's table and, unless said, of its unit."""
    found = _entries("funnels.yml", Funnel, workspace_reference)
    for name, funnel in found.items():
        for step in funnel.steps:
            if funnel.table == "actions":
                if step.column not in terms()["viewer_event"]:
                    raise ReferenceDataError(f"funnels.yml: {name}: {step.column!r} is no viewer event of terms.yml")
                continue
            table = step.of or funnel.table
            column = tables()[table].columns.get(step.column) if table in tables() else None
            if column is None:
                raise ReferenceDataError(f"funnels.yml: {name}: {step.column!r} is no column of {table}")
            if column.kind != funnel.unit and funnel.mixed_units is None:
                raise ReferenceDataError(f"funnels.yml: {name}: {step.column} counts {column.kind}, the funnel {funnel.unit}")
    return found


def _check_export(where: str, export: Export) -> None:
    """Columns and constants are those of the table, or say which session a row belongs to; rates name session columns."""
    table = tables().get(export.table)
    if table is None:
        raise ReferenceDataError(f"{where}.table: {export.table!r} is no canonical table")
    naming = {"as_of", *(("session_started_at", "room", "platform") if table.attribute == "session" else ())}
    for column in [*export.columns, *export.constants, *(how.when for how in export.columns.values() if how.when)]:
        if column not in table.columns and column not in naming:
            raise ReferenceDataError(f"{where}: {column!r} is no column of {export.table}")
    for name, terms in export.reported.items():
        for role, column in terms.items():
            if role not in ("numerator", "denominator", "factor") or (role != "factor" and column not in table.columns):
                raise ReferenceDataError(f"{where}.reported: {name}: {role}: {column!r} is no column of {export.table}")


@functools.cache
def systems(workspace_reference: Path | None = None) -> tuple[System, ...]:
    """Source systems (`sources/*.yml`, shipped then the workspace's own), in order of file name."""
    found: dict[str, System] = {}
    for folder in (SHIPPED, workspace_reference):
        if folder is None or not (folder / "sources").is_dir():
            continue
        for path in sorted((folder / "sources").glob("*.yml")):
            system = _validate(System, yaml.load(path.read_text(encoding="utf-8"), _YAML), str(path.name))
            for export in system.exports:
                _check_export(f"{path.name}: {export.id}", export)
            for export in system.unverified:
                for table in set(export.tables) - set(tables()):
                    raise ReferenceDataError(f"{path.name}: {export.id}.tables: {table!r} is no canonical table")
            found[system.system] = system
    return tuple(found.values())


@functools.cache
def rules(workspace_reference: Path | None = None) -> dict[str, Rule]:
    """Evidence rules by id (`rules.yml`); `helpers.causes` holds the measurement of each."""
    return _entries("rules.yml", Rule, workspace_reference)


@functools.cache
def traits(workspace_reference: Path | None = None) -> dict[str, Trait]:
    """What good sessions are held against the rest by (`traits.yml`), by id."""
    return _entries("traits.yml", Trait, workspace_reference)


@functools.cache
def reasons(workspace_reference: Path | None = None) -> dict[str, ReasonGroup]:
    """The tree of refund reasons (`reasons.yml`); a reason stands in one group only."""
    found = _entries("reasons.yml", ReasonGroup, workspace_reference)
    names = [name for group in found.values() for name in group.reasons]
    for name in names:
        if names.count(name) > 1 or name in found:
            raise ReferenceDataError(f"reasons.yml: {name}: the name stands for more than one reason or group")
    return found


def _check_evidence(where: str, evidence: Evidence, workspace_reference: Path | None) -> None:
    rule = rules(workspace_reference).get(evidence.rule)
    if rule is None:
        raise ReferenceDataError(f"{where}: {evidence.rule!r} is no rule of rules.yml")
    if evidence.looks_at() != set(rule.takes):
        raise ReferenceDataError(
            f"{where}: {evidence.rule} takes {', '.join(rule.takes) or 'nothing but its bound'}, "
            f"found {', '.join(sorted(evidence.looks_at())) or 'nothing'}"
        )
    for metric in [*evidence.metric, *filter(None, [evidence.step])]:
        if metric not in metrics(workspace_reference):
            raise ReferenceDataError(f"{where}: {metric!r} is no metric of the registry")
    events = "event_kind" if evidence.rule == "event_count" else "cue_kind"
    for group, given in ((events, evidence.kind), ("stage", [evidence.stage]), ("tier", [evidence.tier])):
        for value in filter(None, given):
            if value not in terms()[group]:
                raise ReferenceDataError(f"{where}: {value!r} is no {group} of terms.yml, which has {', '.join(terms()[group])}")
    if evidence.table and evidence.table not in tables():
        raise ReferenceDataError(f"{where}: {evidence.table!r} is no table of tables.yml")
    for question in evidence.question:
        if question not in talk(workspace_reference).questions:
            raise ReferenceDataError(f"{where}: {question!r} is no type of question of comments.yml")
    tree = reasons(workspace_reference)
    known = {*tree, *(name for group in tree.values() for name in group.reasons)}
    for reason in evidence.reason:
        if reason not in known:
            raise ReferenceDataError(f"{where}: {reason!r} is no reason or group of reasons.yml")


@functools.cache
def playbook(workspace_reference: Path | None = None) -> dict[str, Problem]:
    """Problems by id (`playbook.yml`): metrics are in the registry, evidence follows `rules.yml`, cause ids differ."""
    found = _entries("playbook.yml", Problem, workspace_reference)
    known = metrics(workspace_reference)
    for name, problem in found.items():
        ids = [cause.id for cause in problem.causes]
        if len(set(ids)) < len(ids):
            raise ReferenceDataError(f"playbook.yml: {name}: cause ids differ within a problem, found {ids}")
        if not problem.metrics and problem.raised_by is None:
            raise ReferenceDataError(f"playbook.yml: {name}: neither metrics nor raised_by, so that nothing could ever show it")
        for what, evidence in [("raised_by", problem.raised_by), *((cause.id, cause.evidence) for cause in problem.causes)]:
            if evidence is not None:
                _check_evidence(f"playbook.yml: {name}.{what}", evidence, workspace_reference)
    for name, problem in found.items():
        for metric in [*problem.metrics, problem.verify]:
            if metric not in known:
                raise ReferenceDataError(f"playbook.yml: {name}: {metric!r} is no metric of the registry")
    return found


@functools.cache
def roles(workspace_reference: Path | None = None) -> dict[str, RoleCard]:
    """Role cards by role (`roles.yml`): roles of `terms.yml`, metrics of the registry, evidence that follows `rules.yml`."""
    found = _entries("roles.yml", RoleCard, workspace_reference)
    for name, card in found.items():
        if name not in terms()["role"]:
            raise ReferenceDataError(f"roles.yml: {name}: no role of terms.yml, which has {', '.join(terms()['role'])}")
        for line in card.metrics:
            if line.metric not in metrics(workspace_reference):
                raise ReferenceDataError(f"roles.yml: {name}: {line.metric!r} is no metric of the registry")
        for number, fault in enumerate(card.faults):
            if fault.evidence is not None:
                _check_evidence(f"roles.yml: {name}.faults.{number}", fault.evidence, workspace_reference)
            if fault.problem and fault.problem not in playbook(workspace_reference):
                raise ReferenceDataError(f"roles.yml: {name}.faults.{number}: {fault.problem!r} is no problem of playbook.yml")
    return found


@functools.cache
def thresholds(workspace_reference: Path | None = None) -> dict[str, float]:
    """Numbers that a team may tune, by name (`thresholds.yml`)."""
    content = _load("thresholds.yml", workspace_reference)
    for name, value in content.items():
        if not isinstance(value, (int, float)):
            raise ReferenceDataError(f"thresholds.yml: {name}: expected a number, found {value!r}")
    return {name: float(value) for name, value in content.items()}


@functools.cache
def event_kinds(workspace_reference: Path | None = None) -> dict[str, EventKind]:
    """How long each kind of special event is in force and lingers (`events.yml`); the kinds are those of `terms.yml`."""
    found = _entries("events.yml", EventKind, workspace_reference)
    if unlike := set(found) ^ set(terms()["event_kind"]):
        raise ReferenceDataError(f"events.yml: kinds differ from event_kind of terms.yml: {', '.join(sorted(unlike))}")
    return found


@functools.cache
def calendar(workspace_reference: Path | None = None) -> tuple[Festival, ...]:
    """Shopping festivals and holidays by platform and year (`calendar.csv`; the workspace's rows come after)."""
    found = []
    for folder in (SHIPPED, workspace_reference):
        path = folder / "calendar.csv" if folder else None
        if path is None or not path.exists():
            continue
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle), start=2):
                filled = {key: value or None for key, value in row.items()}
                found.append(_validate(Festival, filled, f"{path.name}: row {number}"))
    return tuple(found)


class Channels(_Entry):
    live: list[str]
    pending: list[str]


class Attribution(_Entry):
    """How rows without a session find theirs: which order channels are live, and how far times may be off."""

    channels: Channels
    start_tolerance_minutes: float
    launch_tolerance_minutes: float
    early_minutes: float


@functools.cache
def attribution(workspace_reference: Path | None = None) -> Attribution:
    """The attribution rules (`attribution.yml`)."""
    return _validate(Attribution, _load("attribution.yml", workspace_reference), "attribution.yml")


class Definition(_Entry):
    """One other meaning of a session's total: a sum of its columns, less others."""

    terms: Many
    minus: Many = []
    zh: str
    en: str


@functools.cache
def definitions(workspace_reference: Path | None = None) -> dict[str, list[Definition]]:
    """Other meanings of a session's totals by column (`definitions.yml`); all terms are columns of the sessions."""
    content = _load("definitions.yml", workspace_reference)
    found = {name: [_validate(Definition, entry, f"definitions.yml: {name}") for entry in entries] for name, entries in content.items()}
    for name, entries in found.items():
        for column in [name, *(term for entry in entries for term in [*entry.terms, *entry.minus])]:
            if column not in tables()["sessions"].columns:
                raise ReferenceDataError(f"definitions.yml: {name}: {column!r} is no column of sessions")
    return found


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


@functools.cache
def talk(workspace_reference: Path | None = None) -> Talk:
    """The words that tell questions, chants and spam in comments (`comments.yml`)."""
    return _validate(Talk, _load("comments.yml", workspace_reference), "comments.yml")


@functools.cache
def lexicon(workspace_reference: Path | None = None) -> tuple[str, ...]:
    """Words of the trade for the segmentation of Chinese (`lexicon.txt`, one a line): the shipped ones, then the workspace's own."""
    paths = [folder / "lexicon.txt" for folder in (SHIPPED, workspace_reference) if folder]
    lines = [line.strip() for path in paths if path.exists() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    words = [line for line in lines if line and not line.startswith("#")]
    for word in words:
        if any(mark.isspace() for mark in word) or len(word) > 20:
            raise ReferenceDataError(f"lexicon.txt: {word[:40]!r}: expected one word a line, of 20 characters at most")
    return tuple(dict.fromkeys(words))


class Scores(_Entry):
    """The bounds of the three scores, each from the worst to the best."""

    recency_days: list[float]
    purchases: list[float]
    amount: list[float]

    @model_validator(mode="after")
    def _in_order(self) -> Scores:
        if self.recency_days != sorted(self.recency_days, reverse=True):
            raise ValueError(f"recency_days: fewer days are better, expected falling bounds, found {self.recency_days}")
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
            raise ValueError(f"segments: expected {', '.join(sorted(wanted))}, found {', '.join(sorted(self.segments))}")
        if self.frequency_classes[:1] != [1] or self.frequency_classes != sorted(set(self.frequency_classes)):
            raise ValueError(f"frequency_classes: expected rising numbers from 1, found {self.frequency_classes}")
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
                raise ValueError(f"rule {rule.verdict!r}: expected one of {', '.join(self.verdicts)} and at least one condition")
        if "cannot_tell" not in self.verdicts:
            raise ValueError("verdicts: cannot_tell is needed, for products that no rule speaks of")
        if lacking := {"below", "slightly_below", "level", "slightly_above", "above"} - set(self.standing):
            raise ValueError(f"standing: {', '.join(sorted(lacking))} expected")
        return self


@functools.cache
def customers(workspace_reference: Path | None = None) -> Customers:
    """The rules for customers (`customers.yml`)."""
    return _validate(Customers, _load("customers.yml", workspace_reference), "customers.yml")


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


@functools.cache
def service(workspace_reference: Path | None = None) -> ServiceRules:
    """The rules of customer service (`service.yml`); a limit for every kind of case of terms.yml."""
    found = _validate(ServiceRules, _load("service.yml", workspace_reference), "service.yml")
    if set(found.limits) != set(terms()["aftersales_kind"]):
        raise ReferenceDataError(f"service.yml: limits: expected {', '.join(terms()['aftersales_kind'])}, found {', '.join(found.limits)}")
    return found


@functools.cache
def assortment(workspace_reference: Path | None = None) -> Assortment:
    """The rules by which products are kept, moved, restocked or dropped (`assortment.yml`)."""
    return _validate(Assortment, _load("assortment.yml", workspace_reference), "assortment.yml")
