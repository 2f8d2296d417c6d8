"""Loads the knowledge in `data/reference` and checks that it agrees with itself.

What does not fit its model ends in a `ReferenceDataError` that names the file and the key. Entries
of a workspace's own `reference/` folder replace those of the same key.
"""

import csv
import functools
import math
from collections.abc import Container, Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from helpers.core import places
from helpers.core.names import Names, no_such
from helpers.reference.models import (
    ROWS,
    Definition,
    Export,
    Funnel,
    Invariant,
    Label,
    M,
    Measure,
    Metric,
    ReferenceDataError,
    Results,
    RowWords,
    System,
    Table,
)
from helpers.reference.trade_models import (
    Applies,
    Assortment,
    Attribution,
    Audience,
    Brief,
    Customers,
    EventKind,
    Evidence,
    Festival,
    Problem,
    ReasonGroup,
    RoleCard,
    Rule,
    ServiceRules,
    Subject,
    Talk,
    Trait,
)


class _Yaml(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # the C one is eight times as fast
    """Refuses a key that is given twice: other loaders keep the last one without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        given = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in given:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is given twice", key.start_mark
                )
            given.add(key.value if isinstance(key, yaml.ScalarNode) else None)
        return super().construct_mapping(node, deep)


def _merge(shipped: Any, workspace: Any) -> Any:
    if not isinstance(shipped, dict) or not isinstance(workspace, dict):
        return workspace
    changed = {
        key: _merge(shipped[key], value) if key in shipped else value
        for key, value in workspace.items()
    }
    return {**shipped, **changed}


def _content(path: Path) -> dict[str, Any]:
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Yaml) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ReferenceDataError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(content, dict):
        raise ReferenceDataError(
            f"{path}: expected a mapping at the top, found {type(content).__name__}"
        )
    return content


def check_own(workspace_reference: Path | None) -> None:
    """Refuses files of a workspace's reference/ that nothing reads, as those of misspelt names."""
    if workspace_reference is None:
        return
    may_be = {path.name for path in places.REFERENCE.iterdir() if path.is_file()} - _FIXED
    for path in sorted(workspace_reference.rglob("*")):
        name = path.relative_to(workspace_reference).as_posix()
        kinds = (".yml", ".yaml", ".csv", ".txt")
        if path.suffix not in kinds or name.startswith(".") or name in may_be:
            continue
        if name in _FIXED:
            raise ReferenceDataError(f"{path}: a workspace cannot change {name}")
        if path.suffix != ".yml" or path.parent.name != "sources":
            raise ReferenceDataError(f"{path}: {no_such(name, 'file that is read there', may_be)}")


_FIXED = {"tables.yml", "invariants.yml", "terms.yml", "notes.yml", "measures.yml", "totals.yml"}


def _load(name: str, workspace_reference: Path | None) -> dict[str, Any]:
    """Shipped entries, those of the same key in the workspace's file in their place."""
    merged: dict[str, Any] = {}
    for folder in (places.REFERENCE, workspace_reference):
        path = folder / name if folder else None
        if path is None or not path.exists():
            continue
        merged = _merge(merged, _content(path))
    if not merged:
        raise ReferenceDataError(f"{places.REFERENCE / name}: missing or empty")
    return merged


def _validate(model: type[M], content: Any, where: str) -> M:
    try:
        return model.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ReferenceDataError(
            f"{where}: {key}: {first['msg']} (found {str(first.get('input'))[:60]!r})"
        ) from error


def _require(names: Iterable[str], among: Container[str], where: str, what: str) -> None:
    for name in names:
        if name not in among:
            raise ReferenceDataError(f"{where}: {name!r} is no {what}")


def _whole(name: str, model: type[M], workspace_reference: Path | None) -> M:
    return _validate(model, _load(name, workspace_reference), name)


def _entries(
    name: str, model: type[M], workspace_reference: Path | None, what: str = ""
) -> dict[str, M]:
    content = _load(name, workspace_reference)
    entries = {key: _validate(model, value, f"{name}: {key}") for key, value in content.items()}
    return Names(what or f"entry of {name}", entries)


@functools.cache
def tables() -> dict[str, Table]:
    """Canonical tables by name (`tables.yml`); a workspace cannot change them."""
    canonical = _entries("tables.yml", Table, None, "canonical table")
    for name, table in canonical.items():
        limits = {"never_above": table.never_above, "never_without": table.never_without}
        for rule, others in limits.items():
            columns = [*others, *(column for names in others.values() for column in names)]
            _require(columns, table.columns, f"tables.yml: {name}.{rule}", f"column of {name}")
        needed = [*table.needs, *filter(None, table.needs.values())]
        _require(needed, table.columns, f"tables.yml: {name}.needs", f"column of {name}")
    return canonical


@functools.cache
def invariants() -> dict[str, Invariant]:
    """What must hold in stated figures, by id (`invariants.yml`); a workspace cannot change it."""
    rules = _entries("invariants.yml", Invariant, None)
    for name, rule in rules.items():
        where = f"invariants.yml: {name}"
        _require(rule.columns, tables(), where, "canonical table")
        for table, columns in rule.columns.items():
            _require(columns, tables()[table].columns, f"{where}.{table}", f"column of {table}")
    return rules


@functools.cache
def terms() -> dict[str, dict[str, Label]]:
    """Labels of closed choices by group and value (`terms.yml`); a workspace cannot change them."""
    content = _load("terms.yml", None)
    return {
        group: {
            value: _validate(Label, label, f"terms.yml: {group}.{value}")
            for value, label in values.items()
        }
        for group, values in content.items()
    }


@functools.cache
def notes() -> dict[str, Label]:
    """What is said of a file, by id (`notes.yml`); a workspace cannot change it."""
    return _entries("notes.yml", Label, None)


@functools.cache
def registry(workspace_reference: Path | None = None) -> dict[str, Metric]:
    """The metric registry by id (`metrics.yml`).

    Raises `ReferenceDataError` where a term is no column of its table, or the id that of a measure.
    """
    registry = _entries("metrics.yml", Metric, workspace_reference, "metric")
    if twice := set(registry) & set(measures()):
        raise ReferenceDataError(
            f"metrics.yml: {', '.join(sorted(twice))}: stands in measures.yml too"
        )
    for name, metric in registry.items():
        where, table = f"metrics.yml: {name}", metric.table
        _require([table], tables(), f"{where}.table", "canonical table")
        terms = [metric.numerator, *metric.minus, *metric.denominator_minus]
        terms += [metric.denominator] if metric.denominator else []
        _require(terms, {*tables()[table].columns, ROWS}, where, f"column of {table}")
    return registry


@functools.cache
def measures() -> dict[str, Measure]:
    """Figures that are no ratio of sums, by id (`measures.yml`); a workspace cannot change them."""
    return _entries("measures.yml", Measure, None)


@functools.cache
def funnels(workspace_reference: Path | None = None) -> dict[str, Funnel]:
    """Funnels by id (`funnels.yml`).

    Every step is a viewer event, else a column of the funnel's table and, unless said, of its unit.
    """
    by_id = _entries("funnels.yml", Funnel, workspace_reference)
    for name, funnel in by_id.items():
        where = f"funnels.yml: {name}"
        for step in funnel.steps:
            if funnel.table == "actions":
                events = terms()["viewer_event"]
                _require([step.column], events, where, "viewer event of terms.yml")
                continue
            table = step.of or funnel.table
            columns = tables()[table].columns if table in tables() else {}
            _require([step.column], columns, where, f"column of {table}")
            kind = columns[step.column].kind
            if kind != funnel.unit and funnel.mixed_units is None:
                raise ReferenceDataError(
                    f"{where}: {step.column} counts {kind}, the funnel {funnel.unit}"
                )
    return by_id


def _check_export(where: str, export: Export) -> None:
    """Refuses columns and constants of an export that its table does not have.

    They may also say which session a row belongs to.
    """
    _require([export.table], tables(), f"{where}.table", "canonical table")
    table = tables()[export.table]
    naming = ("session_started_at", "room", "platform") if table.attribute == "session" else ()
    conditions = [how.when for how in export.columns.values() if how.when]
    named = [*export.columns, *export.constants, *conditions]
    _require(named, {*table.columns, "as_of", *naming}, where, f"column of {export.table}")
    for name, terms in export.reported.items():
        for role, column in terms.items():
            if role not in ("numerator", "denominator", "factor") or (
                role != "factor" and column not in table.columns
            ):
                raise ReferenceDataError(
                    f"{where}.reported: {name}: {role}: {column!r} is no column of {export.table}"
                )


@functools.cache
def systems(workspace_reference: Path | None = None) -> tuple[System, ...]:
    """Source systems (`sources/*.yml`, shipped then the workspace's own), in order of file name."""
    by_name: dict[str, System] = {}
    for folder in (places.REFERENCE, workspace_reference):
        if folder is None or not (folder / "sources").is_dir():
            continue
        for path in sorted((folder / "sources").glob("*.yml")):
            system = _validate(System, _content(path), path.name)
            for export in system.exports:
                _check_export(f"{path.name}: {export.id}", export)
            for export in system.unverified:
                where = f"{path.name}: {export.id}.tables"
                _require(export.tables, tables(), where, "canonical table")
            by_name[system.system] = system
    return tuple(by_name.values())


@functools.cache
def rules(workspace_reference: Path | None = None) -> dict[str, Rule]:
    """Evidence rules by id (`rules.yml`); `plan/causes.py` holds the measurement of each."""
    return _entries("rules.yml", Rule, workspace_reference)


@functools.cache
def applies(workspace_reference: Path | None = None) -> Applies:
    """When an action of the playbook applies (`applies.yml`)."""
    return _whole("applies.yml", Applies, workspace_reference)


@functools.cache
def subjects(workspace_reference: Path | None = None) -> dict[str, Subject]:
    """What team notes speak of (`subjects.yml`), by id; what they act on is in the playbook."""
    entries = _entries("subjects.yml", Subject, workspace_reference)
    problems = playbook(workspace_reference)
    acts = [f"{name}.{cause.id}" for name, entry in problems.items() for cause in entry.causes]
    for name, subject in entries.items():
        _require(
            filter(None, [subject.acts]), acts, f"subjects.yml: {name}", "cause of playbook.yml"
        )
        _require(subject.metric, registry(workspace_reference), f"subjects.yml: {name}", "metric")
    return entries


@functools.cache
def traits(workspace_reference: Path | None = None) -> dict[str, Trait]:
    """What good sessions are held against the rest by (`traits.yml`), by id."""
    return _entries("traits.yml", Trait, workspace_reference)


@functools.cache
def reasons(workspace_reference: Path | None = None) -> dict[str, ReasonGroup]:
    """The tree of refund reasons (`reasons.yml`); a reason stands in one group only."""
    tree = _entries("reasons.yml", ReasonGroup, workspace_reference)
    names = [name for group in tree.values() for name in group.reasons]
    for name in names:
        if names.count(name) > 1 or name in tree:
            raise ReferenceDataError(
                f"reasons.yml: {name}: the name stands for more than one reason or group"
            )
    return tree


OF_EVENTS = ("event_count", "event_in_force")  # rules whose kind is one of the event log


def _check_evidence(where: str, evidence: Evidence, workspace_reference: Path | None) -> None:
    rule = rules(workspace_reference).get(evidence.rule)
    if rule is None:
        raise ReferenceDataError(f"{where}: {evidence.rule!r} is no rule of rules.yml")
    every_source = {"source_kind"} & set(rule.takes)  # where none is named
    if evidence.looks_at() | every_source != set(rule.takes):
        raise ReferenceDataError(
            f"{where}: {evidence.rule} takes {', '.join(rule.takes) or 'nothing but its bound'}, "
            f"found {', '.join(sorted(evidence.looks_at())) or 'nothing'}"
        )
    metrics = [*evidence.metric, *filter(None, [evidence.step])]
    _require(metrics, registry(workspace_reference), where, "metric of the registry")
    choices = {
        "event_kind" if evidence.rule in OF_EVENTS else "cue_kind": evidence.kind,
        "stage": filter(None, [evidence.stage]),
        "tier": filter(None, [evidence.tier]),
    }
    for group, values in choices.items():
        allowed = terms()[group]
        _require(values, allowed, where, f"{group} of terms.yml, which has {', '.join(allowed)}")
    _require(filter(None, [evidence.table]), tables(), where, "table of tables.yml")
    kinds = applies(workspace_reference).source_kinds
    _require(evidence.source_kind, kinds, where, "kind of source of applies.yml")
    questions = talk(workspace_reference).questions
    _require(evidence.question, questions, where, "type of question of comments.yml")
    tree = reasons(workspace_reference)
    names = {*tree, *(name for group in tree.values() for name in group.reasons)}
    _require(evidence.reason, names, where, "reason or group of reasons.yml")


@functools.cache
def playbook(workspace_reference: Path | None = None) -> dict[str, Problem]:
    """Problems by id (`playbook.yml`), whose metrics and rules exist and whose cause ids differ."""
    problems = _entries("playbook.yml", Problem, workspace_reference)
    for name, problem in problems.items():
        where, ids = f"playbook.yml: {name}", [cause.id for cause in problem.causes]
        if len(set(ids)) < len(ids):
            raise ReferenceDataError(f"{where}: cause ids differ within a problem, found {ids}")
        if not problem.metrics and problem.raised_by is None:
            raise ReferenceDataError(
                f"{where}: neither metrics nor raised_by, so that nothing could ever show it"
            )
        evidence = {cause.id: cause.evidence for cause in problem.causes}
        for what, rule in {"raised_by": problem.raised_by, **evidence}.items():
            if rule is not None:
                _check_evidence(f"{where}.{what}", rule, workspace_reference)
    causes = {cause.id for problem in problems.values() for cause in problem.causes}
    for name, problem in problems.items():
        for cause in problem.causes:
            _require(cause.yields, causes, f"playbook.yml: {name}.{cause.id}", "cause")
        metrics = [*problem.metrics, problem.verify, problem.guardrail]
        all_metrics = registry(workspace_reference)
        _require(metrics, all_metrics, f"playbook.yml: {name}", "metric of the registry")
    return problems


@functools.cache
def roles(workspace_reference: Path | None = None) -> dict[str, RoleCard]:
    """Role cards by role (`roles.yml`), whose roles, metrics and rules exist."""
    cards = _entries("roles.yml", RoleCard, workspace_reference)
    for name, card in cards.items():
        where = f"roles.yml: {name}"
        if name not in terms()["role"]:
            raise ReferenceDataError(
                f"{where}: no role of terms.yml, which has {', '.join(terms()['role'])}"
            )
        metrics = [line.metric for line in card.metrics]
        _require(metrics, registry(workspace_reference), where, "metric of the registry")
        for number, fault in enumerate(card.faults):
            place = f"{where}.faults.{number}"
            if fault.evidence is not None:
                _check_evidence(place, fault.evidence, workspace_reference)
            problems = playbook(workspace_reference)
            _require(filter(None, [fault.problem]), problems, place, "problem of playbook.yml")
    return cards


@functools.cache
def thresholds(workspace_reference: Path | None = None) -> dict[str, float]:
    """Numbers that a team may tune, by name (`thresholds.yml`)."""
    shipped = _load("thresholds.yml", None)
    content = _load("thresholds.yml", workspace_reference)
    for name, value in content.items():
        if name not in shipped:
            raise ReferenceDataError(f"thresholds.yml: {no_such(name, 'threshold', shipped)}")
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not math.isfinite(value):
            raise ReferenceDataError(f"thresholds.yml: {name}: expected a number, found {value!r}")
    return {name: float(value) for name, value in content.items()}


@functools.cache
def event_kinds(workspace_reference: Path | None = None) -> dict[str, EventKind]:
    """How long each kind of special event (`terms.yml`) is in force and lingers (`events.yml`)."""
    kinds = _entries("events.yml", EventKind, workspace_reference)
    if unlike := set(kinds) ^ set(terms()["event_kind"]):
        raise ReferenceDataError(
            f"events.yml: kinds differ from event_kind of terms.yml: {', '.join(sorted(unlike))}"
        )
    return kinds


@functools.cache
def calendar(workspace_reference: Path | None = None) -> tuple[Festival, ...]:
    """Shopping festivals and holidays by platform and year (`calendar.csv`), shipped first."""
    festivals = []
    for folder in (places.REFERENCE, workspace_reference):
        path = folder / "calendar.csv" if folder else None
        if path is None or not path.exists():
            continue
        with path.open(encoding="utf-8-sig", newline="") as handle:
            for number, row in enumerate(csv.DictReader(handle), start=2):
                filled = {key: value or None for key, value in row.items()}
                festivals.append(_validate(Festival, filled, f"{path.name}: row {number}"))
    return tuple(festivals)


@functools.cache
def attribution(workspace_reference: Path | None = None) -> Attribution:
    """The attribution rules (`attribution.yml`)."""
    return _whole("attribution.yml", Attribution, workspace_reference)


@functools.cache
def row_words() -> RowWords:
    """Words of rows that are no records (`totals.yml`)."""
    return _whole("totals.yml", RowWords, None)


@functools.cache
def definitions(workspace_reference: Path | None = None) -> dict[str, list[Definition]]:
    """Other meanings of a session's totals by column (`definitions.yml`)."""
    content = _load("definitions.yml", workspace_reference)
    meanings = {
        name: [_validate(Definition, entry, f"definitions.yml: {name}") for entry in entries]
        for name, entries in content.items()
    }
    for name, entries in meanings.items():
        columns = [name, *(term for entry in entries for term in [*entry.terms, *entry.minus])]
        sessions = tables()["sessions"].columns
        _require(columns, sessions, f"definitions.yml: {name}", "column of sessions")
    return meanings


@functools.cache
def audience() -> Audience:
    """What goes to brands and agencies (`audience.yml`); a workspace cannot change it."""
    rules = _whole("audience.yml", Audience, None)
    _require(rules.shows.figures, registry(), "audience.yml: shows", "metric of the registry")
    for name, columns in rules.forbidden.tables.items():
        _require([name], tables(), "audience.yml: forbidden", "canonical table")
        where = f"audience.yml: forbidden: {name}"
        _require(columns, tables()[name].columns, where, "column of the table")
    return rules


@functools.cache
def brief(workspace_reference: Path | None = None) -> Brief:
    """The words of the first layer (`brief.yml`), whose metrics exist."""
    words = _whole("brief.yml", Brief, workspace_reference)
    named = [*words.figures, *words.names]
    _require(named, registry(workspace_reference), "brief.yml", "metric of the registry")
    of_sheets = [role for sheet in words.sheets.values() for role in sheet.roles]
    _require(of_sheets, roles(workspace_reference), "brief.yml: sheets", "role of roles.yml")
    return words


@functools.cache
def talk(workspace_reference: Path | None = None) -> Talk:
    """The words that tell questions, chants and spam in comments (`comments.yml`)."""
    return _whole("comments.yml", Talk, workspace_reference)


@functools.cache
def lexicon(workspace_reference: Path | None = None) -> tuple[str, ...]:
    """Words of the trade for segmenting Chinese (`lexicon.txt`, one a line), shipped first."""
    paths = [folder / "lexicon.txt" for folder in (places.REFERENCE, workspace_reference) if folder]
    lines = [
        line.strip()
        for path in paths
        if path.exists()
        for line in path.read_text(encoding="utf-8-sig").splitlines()
    ]
    words = [line for line in lines if line and not line.startswith("#")]
    for word in words:
        if any(mark.isspace() for mark in word) or len(word) > 20:
            raise ReferenceDataError(
                f"lexicon.txt: {word[:40]!r}: expected one word a line, of 20 characters at most"
            )
    return tuple(dict.fromkeys(words))


@functools.cache
def customers(workspace_reference: Path | None = None) -> Customers:
    """The rules for customers (`customers.yml`)."""
    return _whole("customers.yml", Customers, workspace_reference)


@functools.cache
def service(workspace_reference: Path | None = None) -> ServiceRules:
    """The rules of customer service (`service.yml`), with a limit for every kind of case."""
    rules = _whole("service.yml", ServiceRules, workspace_reference)
    kinds = terms()["aftersales_kind"]
    if set(rules.limits) != set(kinds):
        raise ReferenceDataError(
            f"service.yml: limits: expected {', '.join(kinds)}, found {', '.join(rules.limits)}"
        )
    return rules


@functools.cache
def assortment(workspace_reference: Path | None = None) -> Assortment:
    """The rules by which products are kept, moved, restocked or dropped (`assortment.yml`)."""
    return _whole("assortment.yml", Assortment, workspace_reference)


@functools.cache
def results(workspace_reference: Path | None = None) -> Results:
    """What notebooks show (`results.yml`): tables, charts, sentences, and what must hold."""
    shown = _whole("results.yml", Results, workspace_reference)
    for kind in ("tables", "figures"):
        for name, entry in getattr(shown, kind).items():
            lacking = [entry.missing.partition(".")[0]] if entry.missing else []
            _require(lacking, tables(), f"results.yml: {kind}.{name}.missing", "canonical table")
    return shown
