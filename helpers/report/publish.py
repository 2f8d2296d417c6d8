"""What a run publishes of a session, behind the gate: page, workbook, pictures and words."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from helpers import clean, compare, reference
from helpers.core import privacy, text
from helpers.report import brief, first_screen, gate, index, page, role_sheets, workbook
from helpers.report.parts import dropped_tags, shown_cells
from helpers.report.results import measured, named
from helpers.report.tables import SPANS, column_cells, column_name, in_language
from helpers.report.units import Registry, units_of
from helpers.review import Review

# What the first screen and the index are made from, beside the findings.
RESULTS = [
    "verdicts",
    "plan",
    "quality",
    "profit",
    "net",
    "goals",
    "argument",
    "expected_returns",
    "ads_return",
    "open_cases",
    "problems",
    "causes",
    "opportunity",
    "usual",
    "profit_expected",
    "verification",
    "spans",
    "questions",
    "scorecard",
    "role_checks",
    "sources",
    "products",
    "assortment",
    "stretches",
    "service_tasks",
]


def publish(
    notebooks: list[Path], *, review: Review, versions: Mapping[str, str] | None = None
) -> Path:
    """Executed notebooks and the review's results become `review.html` in the review's folder.

    Beside it: what decides on one sheet (`brief.html`), a sheet for each role (`roles/`), all
    tables (`results.xlsx`), words for a chat (`summary.txt`), pictures (`charts/`). Raises
    `GateError` and changes nothing where the gate finds anything wrong. The same input gives the
    same bytes.
    """
    lang, registry = review.lang, review.registry
    executed = {path.stem: nbformat.read(path, as_version=4) for path in notebooks}
    saved = saved_results(review)
    results = {name: masked(saved.get(name, pd.DataFrame())) for name in RESULTS}
    results["findings"] = masked(review.findings())
    words = {"lang": lang, "registry": registry, "currency": review.currency}
    first = first_screen.make(review.session, results, **words)
    of = setting(review, results)
    layer = brief.make(first, of)
    shown = {name: shown_cells(notebook, lang) for name, notebook in executed.items()}
    questions = workbook.questions(shown)
    content = page.build(
        executed,
        first=first,
        lang=lang,
        registry=registry,
        as_of=review.as_of,
        versions=versions,
        saved_under=questions,
    )
    summary = workbook.chat(layer, lang=lang)
    layers = {"brief.html": page.brief(layer, review=content, saved_under=questions, lang=lang)}
    layers |= _role_pages(layer, of, reference.roles(review.workspace.reference))
    entries = reference.results(review.workspace.reference).tables
    tables = [
        sheet(
            name,
            frame,
            about=questions.get(name, ""),
            lang=lang,
            registry=registry,
            entry=entries.get(name),
        )
        for name, frame in {"findings": results["findings"], **saved}.items()
    ]
    gate.check(
        content,
        executed,
        dropped_tags=dropped_tags(lang),
        known_ids=known_ids(review),
        stored=review.everything("personal"),
        results=saved,
        layers=layers,
        words={"summary.txt": [summary], "results.xlsx": workbook.texts(tables)},
    )
    definitions = page.definitions([*registry.values(), *reference.measures().values()], lang)
    files = {f"charts/{name}": picture for name, picture in workbook.pictures(shown)}
    files["results.xlsx"] = workbook.workbook(tables, definitions, lang=lang)
    files |= {
        "summary.txt": summary.encode(),
        **{name: page_of_layer.encode() for name, page_of_layer in layers.items()},
        "review.html": content.encode(),
    }
    for name, written in files.items():
        with clean.replacing(review.out_dir / name) as path:
            path.write_bytes(written)
    return review.out_dir / "review.html"


def _role_pages(
    layer: Mapping[str, Any], of: brief.Setting, cards: Mapping[str, reference.RoleCard]
) -> dict[str, str]:
    """A page for each role, and all of them in one file."""
    sheets = {name: role_sheets.make(name, layer, of, cards) for name in of.words.sheets}
    pages = {
        f"roles/{name}.html": page.roles([sheet], lang=of.lang) for name, sheet in sheets.items()
    }
    return pages | {"roles/all.html": page.roles([*sheets.values()], lang=of.lang)}


def setting(review: Review, results: Mapping[str, pd.DataFrame]) -> brief.Setting:
    """What the words of all short pages of a review are made from."""
    return brief.Setting(
        review.session,
        _last(review, results.get("usual", pd.DataFrame())),
        defaultdict(pd.DataFrame, results),
        words=reference.brief(review.workspace.reference),
        registry=review.registry,
        lang=review.lang,
        currency=review.currency,
    )


def _last(review: Review, usual: pd.DataFrame) -> pd.Series | None:
    """The room's session before, which `usual` names by its start."""
    sessions = review.everything("sessions")
    if "previous_at" not in usual or usual.empty or "started_at" not in sessions:
        return None
    before = sessions["started_at"].eq(usual.iloc[0]["previous_at"])
    rows = sessions[before & compare.same_room(sessions, review.session)]
    return rows.iloc[0] if len(rows) else None


def sheet(
    name: str,
    frame: pd.DataFrame,
    *,
    about: str,
    lang: str,
    registry: Registry,
    entry: reference.ShownTable | None = None,
) -> workbook.Sheet:
    """A result table as a sheet of the workbook: all its rows and columns, numbers unrounded.

    Columns are named and measured as in the page (`entry`), those of one name with their ids.
    """
    shown = in_language(frame, lang)
    labels, units = (named(entry), measured(entry, shown)) if entry else ({}, {})
    units |= {SPANS[lower]: units[lower] for lower in SPANS.keys() & units if SPANS[lower] in shown}
    names = {column: _bound_name(column, lang, registry, labels) for column in shown}
    count = Counter(names.values())
    columns = []
    for column, label in names.items():
        id = text.plain(column)
        label = f"{label} ({id})" if count[label] > 1 and label != column else label
        cells = _sheet_cells(shown, column, lang, registry, units)
        columns.append(workbook.Column(id, label, cells))
    return workbook.Sheet(name, about, columns)


def _bound_name(
    column: str, lang: str, registry: Registry, labels: Mapping[str, tuple[str, str]]
) -> str:
    lower = {upper: lower for lower, upper in SPANS.items()}.get(column, column)
    name = column_name(lower, lang, registry, labels)
    if lower not in SPANS:
        return name
    low, high = text.choose(lang, "下限", ": lower"), text.choose(lang, "上限", ": upper")
    return name + (low if column == lower else high)


def _sheet_cells(
    frame: pd.DataFrame,
    column: str,
    lang: str,
    registry: Registry,
    units: Mapping[str, str],
) -> list[tuple[float | str | None, str]]:
    values = frame[column]
    if column == "unit":
        return [
            (workbook.unit_name(value, lang) if isinstance(value, str) else None, "words")
            for value in values
        ]
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return [
            (cell.words if cell.words != text.NOTHING else None, "words")
            for cell in column_cells(frame, column, lang, registry, units, "")
        ]
    whole = bool((values.dropna() % 1 == 0).all())
    return [
        (
            float(value) if pd.notna(value) and math.isfinite(value) else None,
            unit.lstrip("+"),
        )
        for value, (unit, _) in zip(
            values, units_of(frame, column, registry, units, whole), strict=True
        )
    ]


def saved_results(review: Review) -> dict[str, pd.DataFrame]:
    """All results that the notebooks of a review saved, by name."""
    return {
        path.stem: review.result(path.stem)
        for path in sorted((review.out_dir / "results").glob("*.parquet"))
    }


def masked(frame: pd.DataFrame) -> pd.DataFrame:
    """Results without personal data in their texts.

    What the team types into a plan has not been read through `sources`.
    """
    texts = [name for name in frame.select_dtypes("str") if not name.endswith("id")]
    return frame.assign(
        **{name: frame[name].map(privacy.hide, na_action="ignore").astype("str") for name in texts}
    )


def known_ids(review: Review) -> set[str]:
    """They could look like somebody's phone."""
    products = review.everything("products")
    ids = [*products["product_id"].dropna(), *products["sku_id"].dropna(), review.session["room"]]
    return {str(value) for value in [*ids, *review.result("open_cases").get("case_id", [])]}


def index_row(review: Review) -> dict[str, Any]:
    """What the index says of a published session (`index.summary`)."""
    results = {name: review.result(name) for name in RESULTS}
    return index.summary(review.session, results, currency=review.currency)
