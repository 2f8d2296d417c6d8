"""Loads the knowledge in `data/reference` and checks that it agrees with itself.

Tables, metrics, sources, funnels, playbook, roles, calendar. Every file is checked against a model
when it is loaded: an unknown key, a missing label or a wrong type ends in a `ReferenceDataError`
that names the file and the key. A workspace may hold a `reference/` folder of its own, whose
entries replace those of the same key.
"""

from __future__ import annotations

import csv
import functools
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from helpers.reference.models import (
    ROWS,
    SHIPPED,
    Definition,
    Export,
    Funnel,
    Label,
    M,
    Measure,
    Metric,
    ReferenceDataError,
    System,
    Table,
)
from helpers.reference.trade_models import (
    Assortment,
    Attribution,
    Customers,
    EventKind,
    Evidence,
    Festival,
    Problem,
    ReasonGroup,
    RoleCard,
    Rule,
    ServiceRules,
    Talk,
    Trait,
)

_YAML = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # eight times as fast, where it was built


def _merge(shipped: Any, own: Any) -> Any:
    if isinstance(shipped, dict) and isinstance(own, dict):
        return {
            **shipped,
            **{
                key: _merge(shipped[key], value) if key in shipped else value
                for key, value in own.items()
            },
        }
    return own


def _load(name: str, workspace_reference: Path | None) -> dict[str, Any]:
    """The shipped file's mapping, with the workspace's own laid over it key by key.

    The workspace's file has the same name.
    """
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
            raise ReferenceDataError(
                f"{path}: expected a mapping at the top, found {type(content).__name__}"
            )
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
        raise ReferenceDataError(
            f"{where}: {key}: {first['msg']} (found {str(first.get('input'))[:60]!r})"
        ) from error


def _entries(name: str, model: type[M], workspace_reference: Path | None) -> dict[str, M]:
    content = _load(name, workspace_reference)
    return {key: _validate(model, value, f"{name}: {key}") for key, value in content.items()}


@functools.cache
def tables() -> dict[str, Table]:
    """Canonical tables by name (`tables.yml`); a workspace cannot change them.

    Limits name columns of their table.
    """
    found = _entries("tables.yml", Table, None)
    for name, table in found.items():
        for rule, limits in (
            ("never_above", table.never_above),
            ("never_without", table.never_without),
        ):
            for column in [*limits, *(other for others in limits.values() for other in others)]:
                if column not in table.columns:
                    raise ReferenceDataError(
                        f"tables.yml: {name}.{rule}: {column!r} is no column of {name}"
                    )
    return found


@functools.cache
def terms() -> dict[str, dict[str, Label]]:
    """Labels of closed choices by group and value (`terms.yml`).

    `terms()["stage"]["preheat"].zh`, say; a workspace cannot change them.
    """
    content = _load("terms.yml", None)
    return {
        group: {
            value: _validate(Label, label, f"terms.yml: {group}.{value}")
            for value, label in values.items()
        }
        for group, values in content.items()
    }


@functools.cache
def registry(workspace_reference: Path | None = None) -> dict[str, Metric]:
    """The metric registry by id (`metrics.yml`).

    Raises `ReferenceDataError` where a term is no column of its table, or the id that of a measure.
    """
    registry = _entries("metrics.yml", Metric, workspace_reference)
    if twice := set(registry) & set(measures()):
        raise ReferenceDataError(
            f"metrics.yml: {', '.join(sorted(twice))}: stands in measures.yml too"
        )
    known = tables()
    for name, metric in registry.items():
        if metric.table not in known:
            raise ReferenceDataError(
                f"metrics.yml: {name}.table: {metric.table!r} is no canonical table"
            )
        columns = known[metric.table].columns
        for term in [
            metric.numerator,
            *metric.minus,
            *metric.denominator_minus,
            *filter(None, [metric.denominator]),
        ]:
            if term not in columns and term != ROWS:
                raise ReferenceDataError(
                    f"metrics.yml: {name}: {term!r} is no column of {metric.table}"
                )
    return registry


@functools.cache
def measures() -> dict[str, Measure]:
    """The figures that are no ratio of sums, by id (`measures.yml`).

    The code computes them, so that a workspace cannot change them.
    """
    return _entries("measures.yml", Measure, None)


@functools.cache
def funnels(workspace_reference: Path | None = None) -> dict[str, Funnel]:
    """Funnels by id (`funnels.yml`).

    Every step is a viewer event, else a column of the funnel's table and, unless said, of its unit.
    """
    found = _entries("funnels.yml", Funnel, workspace_reference)
    for name, funnel in found.items():
        for step in funnel.steps:
            if funnel.table == "actions":
                if step.column not in terms()["viewer_event"]:
                    raise ReferenceDataError(
                        f"funnels.yml: {name}: {step.column!r} is no viewer event of terms.yml"
                    )
                continue
            table = step.of or funnel.table
            column = tables()[table].columns.get(step.column) if table in tables() else None
            if column is None:
                raise ReferenceDataError(
                    f"funnels.yml: {name}: {step.column!r} is no column of {table}"
                )
            if column.kind != funnel.unit and funnel.mixed_units is None:
                raise ReferenceDataError(
                    f"funnels.yml: {name}: {step.column} counts {column.kind}, the funnel "
                    f"{funnel.unit}"
                )
    return found


def _check_export(where: str, export: Export) -> None:
    """Refuses columns and constants of an export that its table does not have.

    They may also say which session a row belongs to; rates name columns of the table.
    """
    table = tables().get(export.table)
    if table is None:
        raise ReferenceDataError(f"{where}.table: {export.table!r} is no canonical table")
    naming = {
        "as_of",
        *(("session_started_at", "room", "platform") if table.attribute == "session" else ()),
    }
    for column in [
        *export.columns,
        *export.constants,
        *(how.when for how in export.columns.values() if how.when),
    ]:
        if column not in table.columns and column not in naming:
            raise ReferenceDataError(f"{where}: {column!r} is no column of {export.table}")
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
    found: dict[str, System] = {}
    for folder in (SHIPPED, workspace_reference):
        if folder is None or not (folder / "sources").is_dir():
            continue
        for path in sorted((folder / "sources").glob("*.yml")):
            system = _validate(
                System, yaml.load(path.read_text(encoding="utf-8"), _YAML), str(path.name)
            )
            for export in system.exports:
                _check_export(f"{path.name}: {export.id}", export)
            for export in system.unverified:
                for table in set(export.tables) - set(tables()):
                    raise ReferenceDataError(
                        f"{path.name}: {export.id}.tables: {table!r} is no canonical table"
                    )
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
            raise ReferenceDataError(
                f"reasons.yml: {name}: the name stands for more than one reason or group"
            )
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
        if metric not in registry(workspace_reference):
            raise ReferenceDataError(f"{where}: {metric!r} is no metric of the registry")
    events = "event_kind" if evidence.rule == "event_count" else "cue_kind"
    for group, given in (
        (events, evidence.kind),
        ("stage", [evidence.stage]),
        ("tier", [evidence.tier]),
    ):
        for value in filter(None, given):
            if value not in terms()[group]:
                raise ReferenceDataError(
                    f"{where}: {value!r} is no {group} of terms.yml, which has "
                    f"{', '.join(terms()[group])}"
                )
    if evidence.table and evidence.table not in tables():
        raise ReferenceDataError(f"{where}: {evidence.table!r} is no table of tables.yml")
    for question in evidence.question:
        if question not in talk(workspace_reference).questions:
            raise ReferenceDataError(
                f"{where}: {question!r} is no type of question of comments.yml"
            )
    tree = reasons(workspace_reference)
    known = {*tree, *(name for group in tree.values() for name in group.reasons)}
    for reason in evidence.reason:
        if reason not in known:
            raise ReferenceDataError(f"{where}: {reason!r} is no reason or group of reasons.yml")


@functools.cache
def playbook(workspace_reference: Path | None = None) -> dict[str, Problem]:
    """Problems by id (`playbook.yml`).

    Metrics are in the registry, evidence follows `rules.yml`, cause ids differ.
    """
    found = _entries("playbook.yml", Problem, workspace_reference)
    known = registry(workspace_reference)
    for name, problem in found.items():
        ids = [cause.id for cause in problem.causes]
        if len(set(ids)) < len(ids):
            raise ReferenceDataError(
                f"playbook.yml: {name}: cause ids differ within a problem, found {ids}"
            )
        if not problem.metrics and problem.raised_by is None:
            raise ReferenceDataError(
                f"playbook.yml: {name}: neither metrics nor raised_by, so that nothing could ever "
                "show it"
            )
        for what, evidence in [
            ("raised_by", problem.raised_by),
            *((cause.id, cause.evidence) for cause in problem.causes),
        ]:
            if evidence is not None:
                _check_evidence(f"playbook.yml: {name}.{what}", evidence, workspace_reference)
    for name, problem in found.items():
        for metric in [*problem.metrics, problem.verify]:
            if metric not in known:
                raise ReferenceDataError(
                    f"playbook.yml: {name}: {metric!r} is no metric of the registry"
                )
    return found


@functools.cache
def roles(workspace_reference: Path | None = None) -> dict[str, RoleCard]:
    """Role cards by role (`roles.yml`).

    Roles are those of `terms.yml`, metrics of the registry; evidence follows `rules.yml`.
    """
    found = _entries("roles.yml", RoleCard, workspace_reference)
    for name, card in found.items():
        if name not in terms()["role"]:
            raise ReferenceDataError(
                f"roles.yml: {name}: no role of terms.yml, which has {', '.join(terms()['role'])}"
            )
        for line in card.metrics:
            if line.metric not in registry(workspace_reference):
                raise ReferenceDataError(
                    f"roles.yml: {name}: {line.metric!r} is no metric of the registry"
                )
        for number, fault in enumerate(card.faults):
            if fault.evidence is not None:
                _check_evidence(
                    f"roles.yml: {name}.faults.{number}", fault.evidence, workspace_reference
                )
            if fault.problem and fault.problem not in playbook(workspace_reference):
                raise ReferenceDataError(
                    f"roles.yml: {name}.faults.{number}: {fault.problem!r} is no problem of "
                    "playbook.yml"
                )
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
    """How long each kind of special event is in force and lingers (`events.yml`).

    The kinds are those of `terms.yml`.
    """
    found = _entries("events.yml", EventKind, workspace_reference)
    if unlike := set(found) ^ set(terms()["event_kind"]):
        raise ReferenceDataError(
            f"events.yml: kinds differ from event_kind of terms.yml: {', '.join(sorted(unlike))}"
        )
    return found


@functools.cache
def calendar(workspace_reference: Path | None = None) -> tuple[Festival, ...]:
    """Shopping festivals and holidays by platform and year (`calendar.csv`).

    The workspace's rows come after the shipped ones.
    """
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


@functools.cache
def attribution(workspace_reference: Path | None = None) -> Attribution:
    """The attribution rules (`attribution.yml`)."""
    return _validate(Attribution, _load("attribution.yml", workspace_reference), "attribution.yml")


@functools.cache
def definitions(workspace_reference: Path | None = None) -> dict[str, list[Definition]]:
    """Other meanings of a session's totals by column (`definitions.yml`).

    All terms are columns of the sessions.
    """
    content = _load("definitions.yml", workspace_reference)
    found = {
        name: [_validate(Definition, entry, f"definitions.yml: {name}") for entry in entries]
        for name, entries in content.items()
    }
    for name, entries in found.items():
        for column in [name, *(term for entry in entries for term in [*entry.terms, *entry.minus])]:
            if column not in tables()["sessions"].columns:
                raise ReferenceDataError(
                    f"definitions.yml: {name}: {column!r} is no column of sessions"
                )
    return found


@functools.cache
def talk(workspace_reference: Path | None = None) -> Talk:
    """The words that tell questions, chants and spam in comments (`comments.yml`)."""
    return _validate(Talk, _load("comments.yml", workspace_reference), "comments.yml")


@functools.cache
def lexicon(workspace_reference: Path | None = None) -> tuple[str, ...]:
    """Words of the trade for the segmentation of Chinese (`lexicon.txt`, one a line).

    The shipped ones come first, then the workspace's own.
    """
    paths = [folder / "lexicon.txt" for folder in (SHIPPED, workspace_reference) if folder]
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
    return _validate(Customers, _load("customers.yml", workspace_reference), "customers.yml")


@functools.cache
def service(workspace_reference: Path | None = None) -> ServiceRules:
    """The rules of customer service (`service.yml`).

    They have a limit for every kind of case of `terms.yml`.
    """
    found = _validate(ServiceRules, _load("service.yml", workspace_reference), "service.yml")
    if set(found.limits) != set(terms()["aftersales_kind"]):
        raise ReferenceDataError(
            f"service.yml: limits: expected {', '.join(terms()['aftersales_kind'])}, found "
            f"{', '.join(found.limits)}"
        )
    return found


@functools.cache
def assortment(workspace_reference: Path | None = None) -> Assortment:
    """The rules by which products are kept, moved, restocked or dropped (`assortment.yml`)."""
    return _validate(Assortment, _load("assortment.yml", workspace_reference), "assortment.yml")
