"""A frame as a table to be read: names for columns and codes, values in their units."""

import functools
import html
import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import privacy, text
from helpers.core.findings import slice_name
from helpers.report import page
from helpers.report.charts.theme import columns_wide
from helpers.report.show import LONGEST, Shown
from helpers.report.signs import SIGNS
from helpers.report.units import PLACE, Registry, canonical, units_of

WIDE = 10.0  # a share whose interval reaches beyond 1000 % is not shown in numbers
LONG = 30  # characters of a row's name that is a sentence: it gets the width of one
SHORT = 6  # characters of a cell that is not broken into lines
# In half-width columns: the least that words of several lines get, the room between two columns,
# what A4 holds in the size of a table's print, and in the smaller one.
BROKEN, GAP = 8, 1.4
ON_PAPER = (122, 152)
UNBROKEN = re.compile(r"[!-~]+|[^!-~\s]")
CODES = ("metric", "check", "step", "column", "line")
SPANS = {
    "ci_lower": "ci_upper",
    "lower": "upper",
    "ratio_lower": "ratio_upper",
    "usual_lower": "usual_upper",
    "off_lower": "off_upper",
}  # bounds that are shown as one column


class Cell(NamedTuple):
    """One cell of a table as it is read: its words, whether they are a number, its colour."""

    words: str
    number: bool = False
    style: str = ""


def table(
    frame: pd.DataFrame,
    *,
    lang: str,
    registry: Registry | None = None,
    labels: Mapping[str, tuple[str, str]] | None = None,
    units: Mapping[str, str] | None = None,
    currency: str = "CNY",
    caption_zh: str | None = None,
    caption_en: str | None = None,
    limit: int | None = None,
    folded: bool = False,
    anchor: str | None = None,
) -> Shown:
    """A frame is shown as a table to be read, with names, values in their units and intervals.

    Of a pair x_zh, x_en the language's is shown. A row that names its `metric` has its values in
    that metric's unit. Names come from `labels`, else from the registry, the canonical tables and
    the terms; units from `units` likewise (+money, +points: a change with its sign). A column
    without a single value is left out. `anchor` names the column of ids to which the page may
    point. `limit` shows the first rows and says of how many, `folded` the caption alone until it is
    opened. All data are escaped.
    """
    registry = registry or {}
    caption = text.choose(lang, caption_zh or caption_en or "", caption_en or caption_zh or "")
    shown = in_language(frame if limit is None else frame.head(limit), lang)
    shown = shown.loc[:, shown.notna().any() | shown.empty]
    names = _column_names(shown, lang, registry, labels or {})
    columns = {
        name: column_cells(shown, name, lang, registry, units or {}, currency) for name in names
    }
    note = text.choose(
        lang,
        f"共 {len(frame)} 行，显示前 {len(shown)} 行",
        f"showing {len(shown)} of {len(frame)} rows",
    )
    note = note if len(frame) > len(shown) else ""
    marks = shown[anchor].astype("str").tolist() if anchor else [""] * len(shown)
    rows = list(zip(*columns.values(), strict=True))
    outer = "" if folded else caption
    body = _table_html(list(names.values()), rows, outer, note, lang, marks)
    words = pd.DataFrame(
        {names[name]: [cell.words for cell in cells] for name, cells in columns.items()}
    )
    if folded:
        count = text.choose(lang, f"{len(frame)} 行", f"{len(frame)} rows")
        summary = f"<summary>{html.escape(caption)} ({count})</summary>"
        body = f'<details class="fp-folded">{summary}{body}</details>'
    return Shown(body, "\n".join(filter(None, [caption, words.to_string(index=False), note])))


def in_language(frame: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The frame with one language's words, label_zh as label, without the codes they stand for."""
    other = text.choose(lang, "en", "zh")
    renamed = {
        name: name.removesuffix(lang).rstrip("_") or "label"
        for name in frame.columns
        if isinstance(name, str) and (name == lang or name.endswith(f"_{lang}"))
    }
    labels = set(renamed.values())
    dropped = {
        name
        for name in frame.columns
        if name == other
        or str(name).endswith(f"_{other}")
        # A code beside its own label would say the same thing twice.
        or name in labels
        or (name in CODES and "label" in labels)
    }
    return frame.drop(columns=[*(dropped - {"metric"})]).rename(columns=renamed)


def _column_names(
    frame: pd.DataFrame, lang: str, registry: Registry, labels: Mapping[str, tuple[str, str]]
) -> dict[str, str]:
    columns = set(frame.columns)
    hidden = {upper for lower, upper in SPANS.items() if lower in columns} | {"unit"}
    hidden |= {"metric"} if "label" in columns else set()
    return {
        column: column_name(column, lang, registry, labels)
        for column in frame.columns
        if column not in hidden
    }


def column_name(
    column: str, lang: str, registry: Registry, labels: Mapping[str, tuple[str, str]]
) -> str:
    """The name under which a column is read: from labels, terms, metrics or canonical tables."""
    if column in labels:
        return text.choose(lang, *labels[column])
    term = reference.terms().get("column", {}).get(column)
    entry = term or registry.get(column) or canonical(column)
    return text.label(entry, lang) if entry else text.plain(column)


def column_cells(
    frame: pd.DataFrame,
    name: str,
    lang: str,
    registry: Registry,
    units: Mapping[str, str],
    currency: str,
) -> list[Cell]:
    """The cells of a column as they are read; a lower bound takes in its upper one."""
    upper, values = SPANS.get(name), frame[name]
    if upper in frame:
        return [
            _span(low, high, *unit, lang, currency)
            for low, high, unit in zip(
                values, frame[upper], units_of(frame, name, registry, units), strict=True
            )
        ]
    if pd.api.types.is_bool_dtype(values.dtype):
        return [
            Cell(text.NOTHING if pd.isna(value) else _yes_or_no(value, lang)) for value in values
        ]
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return [
            Cell(text.NOTHING if pd.isna(value) else f"{value:%Y-%m-%d %H:%M}") for value in values
        ]
    if pd.api.types.is_numeric_dtype(values.dtype):
        whole = bool((values.dropna() % 1 == 0).all())
        return [
            _number(value, *unit, lang, currency)
            for value, unit in zip(
                values, units_of(frame, name, registry, units, whole), strict=True
            )
        ]
    worded = functools.cache(lambda words: _words(words, name, lang, registry))
    return [
        worded(value) if isinstance(value, str) else _words(value, name, lang, registry)
        for value in values
    ]


def _yes_or_no(value: object, lang: str) -> str:
    return text.choose(lang, *("是", "yes") if value else ("否", "no"))


def _number(value: float, unit: str, decimals: int | None, lang: str, currency: str) -> Cell:
    if unit == "p":
        return Cell("<0.001" if value < 0.001 else text.number(value, lang, 3), number=True)
    number = math.nan if pd.isna(value) else float(value)
    written = text.signed if unit.startswith("+") else text.value  # a change always has its sign
    words = written(number, unit.lstrip("+"), lang, decimals=decimals, currency=currency)
    return Cell(words, number=True)


def _span(
    low: float, high: float, unit: str, decimals: int | None, lang: str, currency: str
) -> Cell:
    if pd.isna(low) and pd.isna(high):
        return Cell(text.NOTHING, number=True)
    if high > WIDE if unit == "percent" else low > 0 and high / low > text.WIDEST:
        return Cell(text.choose(lang, "太宽，没有意义", "too wide to mean anything"), number=True)
    words = text.interval(low, high, unit, lang, decimals=decimals, currency=currency)
    return Cell(words, number=True)


def _words(value: object, column: str, lang: str, registry: Registry) -> Cell:
    if isinstance(value, (bool, np.bool_)):
        return Cell(_yes_or_no(value, lang))
    if isinstance(value, (list, tuple, set)):
        value = text.choose(lang, "、", ", ").join(map(str, value))
    if not isinstance(value, str):
        return Cell(text.plain(None if value is pd.NA else value, 200))
    if not value:
        return Cell(text.NOTHING)
    if column == "slice":
        return Cell(text.plain(slice_name(value), 200))
    if column == "column" and "+" in value:  # a key of several columns
        parts = [(part, canonical(part)) for part in value.split("+")]
        return Cell(
            " + ".join(
                text.label(entry, lang) if entry else text.plain(part) for part, entry in parts
            )
        )
    if column in ("metric", "verify"):
        measured = registry.get(value) or reference.terms()["cue_kind"].get(value)
        if measured:
            return Cell(text.label(measured, lang))
    column = PLACE.sub("", column)
    if column == "table":
        entry = reference.tables().get(value)
        return Cell(text.label(entry, lang) if entry else text.plain(value))
    return _term(value, column, lang)


def _term(value: str, column: str, lang: str) -> Cell:
    entry = canonical(column)
    groups = [
        column,
        *([entry.terms] if entry and entry.terms else []),
        *(["plan_verdict"] if "verdict" in column else []),
    ]
    terms = reference.terms()
    term = next((terms[group][value] for group in groups if value in terms.get(group, {})), None)
    coloured = {"verdict", "plan_verdict", "light"} & set(groups)
    sign, style = SIGNS.get(value, ("", "")) if coloured else ("", "")
    if term:
        words = text.label(term, lang)
    else:
        words = text.plain(value, LONGEST if column in ("sentence", "content") else 200)
        # Words that people type (a note in the plan, a file's name) may hold a phone number.
        words = words if entry and entry.kind == "id" else privacy.hide(words)
    return Cell(f"{sign} {words}".strip(), style=style)


def _table_html(
    names: list[str],
    rows: list[tuple[Cell, ...]],
    caption: str,
    note: str,
    lang: str,
    marks: list[str],
) -> str:
    """Styles are for JupyterLab, classes for the page."""
    numeric = [any(row[place].number for row in rows) for place in range(len(names))]
    right = ' class="fp-num" style="text-align:right;font-variant-numeric:tabular-nums"'
    left = ' style="text-align:left"'
    head = "".join(
        f'<th scope="col"{right if number else left}>{html.escape(name)}</th>'
        for name, number in zip(names, numeric, strict=True)
    )
    first = [len(row[0].words) if row else 0 for row in rows]
    width = ' class="fp-mark"' if all(0 < words <= SHORT for words in first) else ""
    if max(first, default=0) > LONG:
        width = ' class="fp-long"'
    lines = []
    for row, mark in zip(rows, marks, strict=True):
        cells = [
            f'<th scope="row"{width}{left}>{html.escape(row[0].words)}</th>'
            if row and row[0].words and not row[0].number
            else f"<td{right}>{html.escape(row[0].words)}</td>"
        ]
        cells += [
            f"<td{right}>{html.escape(cell.words)}</td>"
            if cell.number
            else f"<td{_classes(cell)}{left}>{page.unbroken(cell.words)}</td>"
            for cell in row[1:]
        ]
        named = f' data-finding="{html.escape(mark)}"' if mark else ""
        lines.append(f"<tr{named}>{''.join(cells)}</tr>")
    if not rows:
        nothing = text.choose(lang, "没有数据", "no rows")
        lines = [f'<tr><td colspan="{max(len(names), 1)}">{nothing}</td></tr>']
    label = html.escape(caption or text.choose(lang, "表格", "table"))
    title = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    tail = f'<p class="fp-more">{html.escape(note)}</p>' if note else ""
    return (
        f'<figure class="fp-table" style="margin:1em 0">{title}<div class="fp-scroll" '
        f'role="group" tabindex="0" aria-label="{label}">'
        f"<table{_fitted(names, rows)}><thead><tr>{head}</tr></thead><tbody>{''.join(lines)}"
        f"</tbody></table></div>{tail}</figure>"
    )


def _fitted(names: list[str], rows: list[tuple[Cell, ...]]) -> str:
    """What cannot be broken in each column must fit the paper, in half-width columns."""
    widths = [_piece(name) for name in names]
    for row in rows:
        for place, cell in enumerate(row):
            whole = cell.number or _whole(cell)
            wide = columns_wide(cell.words) if whole else max(_piece(cell.words), BROKEN)
            widths[place] = max(widths[place], wide)
    needed = sum(widths) + GAP * len(widths)
    if needed <= ON_PAPER[0]:
        return ""
    return ' class="fp-tight"' if needed <= ON_PAPER[1] else ' class="fp-tightest"'


def _piece(words: str) -> int:
    return max(map(columns_wide, UNBROKEN.findall(words)), default=0)


def _whole(cell: Cell) -> bool:
    """A word or two, figures, times and ids are never broken."""
    return len(cell.words) <= (2 * SHORT if cell.style else SHORT) or bool(
        re.fullmatch(r"[-−+¥$\d.,:%万亿 –至to]+|[A-Z]\d*-[0-9a-f]+", cell.words)
    )


def _classes(cell: Cell) -> str:
    width, whole = len(cell.words), _whole(cell)
    names = (
        ["fp-mark"] * whole
        + ["fp-long"] * (width > 4 * SHORT)
        + ["fp-words"] * (not whole and width <= 4 * SHORT)
        + [f"fp-{cell.style}"] * bool(cell.style)
    )
    return f' class="{" ".join(names)}"' if names else ""
