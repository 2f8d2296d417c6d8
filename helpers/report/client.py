"""What goes to brands and agencies: page and workbook of what they may see, behind a gate."""

import math
import re
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from helpers import clean, reference
from helpers.core import text
from helpers.report import gate, heading, page, workbook
from helpers.report.brief.figures import figures
from helpers.report.brief.setting import Setting
from helpers.report.publish import known_ids, masked, saved_results, setting
from helpers.report.publish import sheet as table_sheet
from helpers.report.role_sheets import EMPTY, MOST_ROWS
from helpers.review import Review

DIGITS = 5  # a number with fewer may stand somewhere by chance
WIDTH = 8  # so may a text that is narrower (a Chinese character counts two)
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def publish(review: Review) -> Path:
    """What brands and agencies may see of a published review, in `client/` beside its page.

    Page and workbook alone, of the figures and columns that `audience.yml` shows. Raises
    `GateError` and writes nothing where a value of a forbidden field is in them.
    """
    lang, rules = review.lang, reference.audience()
    saved = saved_results(review)
    shown = {
        name: masked(allowed(saved[name], columns))
        for name, columns in rules.shows.results.items()
        if name in saved
    }
    of = setting(review, {name: masked(frame) for name, frame in saved.items()})
    tables = [_sheet_of(of, name, frame, review) for name, frame in shown.items()]
    content = page.roles([sheet(of, tables, rules.shows)], lang=lang)
    measures = [of.registry[name] for name in rules.shows.figures if name in of.registry]
    book = workbook.workbook(tables, page.definitions(measures, lang), lang=lang)
    cells = [cell for table in tables for column in table.columns for cell, _ in column.cells]
    frames = {name: _of_session(review, name) for name in rules.forbidden.tables}
    public = review.session.drop([*rules.forbidden.tables["sessions"]], errors="ignore")
    wrong = [
        *gate.layer_failures("client/report.html", content, "", known_ids(review)),
        *failures(
            [*gate.Seen(content).texts, *workbook.texts(tables)],
            [cell for cell in cells if isinstance(cell, float)],
            forbidden(frames, saved, rules.forbidden),
            shown=[*shown.values(), pd.DataFrame([public]).infer_objects()],
        ),
    ]
    folder = review.out_dir / FOLDER
    if wrong:
        shutil.rmtree(folder, ignore_errors=True)  # nor may what was let through before
        raise gate.GateError("not published: " + "; ".join(wrong[:12]))
    for name, written in {"report.html": content.encode(), "results.xlsx": book}.items():
        with clean.replacing(folder / name) as path:
            path.write_bytes(written)
    return folder / "report.html"


FOLDER = "client"


def _of_session(review: Review, table: str) -> pd.DataFrame:
    """A canonical table's rows of this session; all, where it does not tell sessions apart."""
    frame = review.everything(table)
    if "session_id" not in frame:
        return frame
    return frame[frame["session_id"].isna() | frame["session_id"].eq(review.session_id)]


def _sheet_of(of: Setting, name: str, frame: pd.DataFrame, review: Review) -> workbook.Sheet:
    entry = reference.results(review.workspace.reference).tables.get(name)
    about = text.label(entry.caption, of.lang) if entry else ""
    return table_sheet(name, frame, about=about, lang=of.lang, registry=of.registry, entry=entry)


def allowed(frame: pd.DataFrame, columns: Collection[str]) -> pd.DataFrame:
    """The columns of a result that a client may see, of those that it has."""
    return frame[[name for name in columns if name in frame]]


def sheet(of: Setting, tables: Sequence[workbook.Sheet], shows: reference.Shows) -> dict[str, Any]:
    """The page of a client, as `page.roles` draws it."""
    heads = [of.t("看什么", "What"), of.t("本场", "This session")]
    theirs = of._replace(words=of.words.model_copy(update={"figures": shows.figures}))
    lines = [
        [line[name] for name in ("name", "value", "usual", "last")] for line in figures(theirs)
    ]
    blocks = [
        EMPTY
        | {
            "title": of.t("数字", "Figures"),
            "heads": [*heads, of.t("平时", "Usual"), of.t("上一场", "Last")],
            "rows": lines,
        }
    ]
    blocks += [_block(of, table) for table in tables if table.columns and table.columns[0].cells]
    return {
        "name": of.t("给合作方", "For partners"),
        "title": heading.title(of.session, of.lang),
        "facts": heading.facts(of.session, of.lang),
        "blocks": blocks,
    }


def _block(of: Setting, table: workbook.Sheet) -> dict[str, Any]:
    cells = [[_words(of, *cell) for cell in column.cells[:MOST_ROWS]] for column in table.columns]
    return EMPTY | {
        "title": table.about or table.name,
        "heads": [column.name for column in table.columns],
        "rows": [list(row) for row in zip(*cells, strict=True)],
    }


def _words(of: Setting, value: float | str | None, unit: str) -> str:
    if value is None or isinstance(value, str):
        return text.plain(value, 60) if value else text.NOTHING
    whole = float(value).is_integer() and unit in ("", "count", "users", "times")
    decimals = 0 if whole else None
    return text.value(value, unit, of.lang, decimals=decimals, currency=of.currency)


# --------------------------------------------------------------------------------------- the gate


def forbidden(
    tables: Mapping[str, pd.DataFrame],
    results: Mapping[str, pd.DataFrame],
    fields: reference.Forbidden,
) -> Iterator[tuple[str, object]]:
    """Each value of a forbidden field with the field's name, as it stands."""
    for frames, named in ((tables, fields.tables), (results, fields.results)):
        for name, columns in named.items():
            frame = frames.get(name, pd.DataFrame())
            for column in frame.columns.intersection(columns):
                for value in frame[column].dropna().unique():
                    yield f"{name}.{column}", value


def failures(
    texts: Sequence[str],
    numbers: Collection[float],
    values: Iterator[tuple[str, object]],
    *,
    shown: Sequence[pd.DataFrame],
) -> list[str]:
    """Forbidden fields of which a value stands in texts or numbers and is none that may be shown.

    A value that may be there by chance (`DIGITS`, `WIDTH`) is passed over.
    """
    everything = "\n".join(texts)
    there = {_digits(number) for number in numbers}
    there |= {mark.replace(",", "") for mark in NUMBER.findall(everything)}
    may_stand = {form for frame in shown for value in _numbers(frame) for form in _forms(value)}
    words = {value for frame in shown for value in _texts(frame)}
    hits: dict[str, None] = {}
    for field, value in values:
        if isinstance(value, str):
            stands = _wide(value) and value not in words and text.plain(value, 10_000) in everything
        elif isinstance(value, int | float | np.number) and not isinstance(value, bool):
            stands = bool((_forms(float(value)) - may_stand) & there)
        else:
            stands = False
        if stands:
            hits[field] = None
    return [f"client: a value of {field}" for field in hits]


def _texts(frame: pd.DataFrame) -> Iterator[str]:
    for name in frame:
        yield from (value for value in frame[name].dropna() if isinstance(value, str))


def _numbers(frame: pd.DataFrame) -> Iterator[float]:
    for name in frame.select_dtypes("number"):
        yield from frame[name].dropna().astype(float)


def _wide(words: str) -> bool:
    return sum(1 if mark.isascii() else 2 for mark in words) >= WIDTH


def _digits(value: float) -> str:
    return f"{abs(value):.10g}"


def _forms(value: float) -> set[str]:
    """How a number may be written, where it has digits enough to be known by."""
    if not math.isfinite(value):
        return set()
    written = {_digits(value), f"{abs(value):.2f}", f"{abs(value):.0f}"}
    return {form for form in written if len(form.replace(".", "").strip("0")) >= DIGITS}
