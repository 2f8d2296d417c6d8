"""What a run publishes of a session: its page behind the gate, its workbook, its pictures and its words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd

from helpers import clean, reference
from helpers.core import privacy, text
from helpers.report import first_screen, gate, page, workbook
from helpers.report.show import SPANS, _column, _in_language, _name, _unit
from helpers.review import Review

RESULTS = (
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
)


def publish(
    notebooks: list[Path], *, review: Review, versions: Mapping[str, str] | None = None
) -> Path:
    """Executed notebooks and the review's results become `review.html` in the review's folder, behind the gate.

    Beside it: all tables (`results.xlsx`), the first screen for a chat (`summary.txt`), the charts
    as pictures (`charts/`). Raises `GateError` and leaves all that was there as it is where the
    gate finds anything wrong. The same input gives the same bytes.
    """
    lang, registry = review.lang, review.registry
    read = {path.stem: nbformat.read(path, as_version=4) for path in notebooks}
    saved = _saved(review)
    results = {
        name: _masked(frame)
        for name, frame in {
            **{name: saved.get(name, pd.DataFrame()) for name in RESULTS},
            "findings": review.findings(),
        }.items()
    }
    first = first_screen.make(
        review.session, results, lang=lang, registry=registry, currency=review.currency
    )
    made = page.build(
        read, first=first, lang=lang, registry=registry, as_of=review.as_of, versions=versions or {}
    )
    kept = {name: page.kept(notebook, lang) for name, notebook in read.items()}
    words = workbook.chat(first, lang=lang)
    asked = workbook.questions(kept)
    tables = [
        sheet(name, frame, about=asked.get(name, ""), lang=lang, registry=registry)
        for name, frame in {"findings": results["findings"], **saved}.items()
    ]
    gate.check(
        made,
        read,
        dropped_tags=page.dropped_tags(lang),
        known_ids=_known_ids(review),
        stored=review.everything("personal"),
        results=saved,
        words={"summary.txt": [words], "results.xlsx": workbook.texts(tables)},
    )
    book = workbook.workbook(
        tables,
        page.definitions([*registry.values(), *reference.measures().values()], lang),
        lang=lang,
    )
    charts_made = {f"charts/{name}": picture for name, picture in workbook.pictures(kept)}
    for name, content in {
        **charts_made,
        "results.xlsx": book,
        "summary.txt": words.encode(),
        "review.html": made.encode(),
    }.items():
        with clean.replacing(review.out_dir / name) as path:
            path.write_bytes(content)
    return review.out_dir / "review.html"


def sheet(
    name: str,
    frame: pd.DataFrame,
    *,
    about: str,
    lang: str,
    registry: Mapping[str, reference.Metric],
) -> workbook.Sheet:
    """A result table as a sheet of the workbook: all its rows and columns, named as in the page, numbers unrounded."""
    shown = _in_language(frame, lang)
    names = {column: _bound(column, lang, registry) for column in shown}
    twice = pd.Series(list(names.values())).value_counts()
    return workbook.Sheet(
        name,
        about,
        [
            workbook.Column(
                text.plain(column),
                f"{named} ({text.plain(column)})"
                if twice[named] > 1 and named != column
                else named,
                _sheet_cells(shown, column, lang, registry),
            )
            for column, named in names.items()
        ],
    )


def _bound(column: str, lang: str, registry: Mapping[str, reference.Metric]) -> str:
    """A column's name; of an interval, which in the page is one column, the lower or the upper end."""
    for lower, upper in SPANS:
        if column in (lower, upper):
            return _name(lower, lang, registry, {}) + text.choose(
                lang, *("下限", ": lower") if column == lower else ("上限", ": upper")
            )
    return _name(column, lang, registry, {})


def _sheet_cells(
    frame: pd.DataFrame, name: str, lang: str, registry: Mapping[str, reference.Metric]
) -> list[tuple[float | str | None, str]]:
    """The cells of a column: numbers with the unit of their metric or column, everything else in the words of the page."""
    values = frame[name]
    if name == "unit":
        return [
            (workbook.unit_name(value, lang) if isinstance(value, str) else None, "words")
            for value in values
        ]
    if not pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype):
        return [
            (cell.words if cell.words != text.NOTHING else None, "words")
            for cell in _column(frame, name, lang, registry, {}, "")
        ]
    whole = bool((values.dropna() % 1 == 0).all())
    return [
        (
            float(value) if pd.notna(value) and math.isfinite(value) else None,
            _unit(row, name, registry, {}, whole)[0].lstrip("+"),
        )
        for value, row in zip(values, frame.to_dict("records"), strict=True)
    ]


def _saved(review: Review) -> dict[str, pd.DataFrame]:
    """Every result table that lies beside the page, by name."""
    return {
        path.stem: review.result(path.stem)
        for path in sorted((review.out_dir / "results").glob("*.parquet"))
    }


def _masked(frame: pd.DataFrame) -> pd.DataFrame:
    """Results whose texts hold no personal data: what the team types into a plan has not been read through `sources`."""
    texts = [name for name in frame.select_dtypes("str") if not name.endswith("id")]
    return frame.assign(
        **{name: frame[name].map(privacy.hide, na_action="ignore").astype("str") for name in texts}
    )


def _known_ids(review: Review) -> set[str]:
    """Ids of products, rooms and listed cases: numbers in a report that could look like somebody's phone and are not."""
    products = review.everything("products")
    cases = review.result("open_cases").get("case_id", [])
    return {
        str(value)
        for value in [
            *products["product_id"].dropna(),
            *products["sku_id"].dropna(),
            *cases,
            review.session["room"],
        ]
    }


def index_row(review: Review) -> dict[str, Any]:
    """What the index says of a published session: its date, room, host, title, paid amount, UV value and verdict."""
    results = {name: review.result(name) for name in RESULTS}
    return first_screen.row(review.session, results, currency=review.currency)
