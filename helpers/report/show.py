"""What a notebook shows: tables, sentences and figures, named and formatted in the language of the review."""

from __future__ import annotations

import base64
import html
import io
import math
import re
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers import reference
from helpers.core import privacy, text
from helpers.core.findings import slice_name
from helpers.report import charts, drawing, first_screen, page
from helpers.review import Review

MOST_MARKS = 2000
LONGEST = 700  # characters of a sentence
WIDE = 10.0  # a share whose interval reaches beyond 1000 % is not shown in numbers
SHORT = 6  # characters of a cell that is not broken into lines
BROKEN, GAP = (
    8,
    1.4,
)  # half-width columns: the least that words of several lines get, and the room between two columns
ON_PAPER = (
    122,
    152,
)  # half-width columns that A4 holds in the size of a table's print, and in the smaller one
UNBROKEN = re.compile(r"[!-~]+|[^!-~\s]")
KINDS = {
    "rate": "percent",
    "users": "users",
    "times": "times",
    "count": "count",
    "money": "money",
    "ratio": "ratio",
    "seconds": "seconds",
    "score": "score",
}
# Units of the columns that analyses add to those of the canonical tables; where a row names its
# metric, its unit wins.
UNITS = {
    "rate_of_previous": "percent",
    "rate_of_first": "percent",
    "share": "percent",
    "rate": "percent",
    "relative": "percent",
    "ratio": "ratio",
    "ratio_lower": "ratio",
    "ratio_upper": "ratio",
    "n": "count",
    "users": "users",
    "p_value": "p",
    "p_adjusted": "p",
    "money_at_stake": "money",
    "rows": "count",
    "minute": "count",
    "minute_from": "count",
    "minute_to": "count",
    "completion": "percent",
    "elapsed": "percent",
    "change": "+percent",
    "effect_lower": "percent",
    "effect_upper": "percent",
    "least_effect": "percent",
    "mix_effect": "percent",
    "rate_effect": "percent",
}
BY_METRIC = (
    "value",
    "baseline",
    "lower",
    "upper",
    "diff",
    "ci_lower",
    "ci_upper",
    "target",
    "total",
    "parts",
    "difference",
    "recomputed",
    "reference",
    "before",
    "after",
    "expected",
    "flagged",
    "others_rate",
    "rest",
    "usual_lower",
    "usual_upper",
)
CODES = ("metric", "check", "step", "column", "line")
SPANS = (
    ("ci_lower", "ci_upper"),
    ("lower", "upper"),
    ("ratio_lower", "ratio_upper"),
    ("usual_lower", "usual_upper"),
)
PLACE = re.compile(r"_\d+$")  # value_1, value_2: the same column of several sessions side by side
SAID = {
    "good": ("✓", charts.ACCENT),
    "bad": ("×", charts.WORSE),
    "warn": ("!", charts.WORSE),
    "note": ("", charts.QUIET),
}


class Shown(NamedTuple):
    """Something a notebook shows: HTML for JupyterLab and the page, plain text for everything else; a chart has its drawing as well."""

    html: str
    plain: str
    svg: str = ""

    def _repr_html_(self) -> str:
        return self.html

    def _repr_svg_(self) -> str | None:
        """The drawing that a page holds in the place of the picture in `html`."""
        return self.svg or None

    def __repr__(self) -> str:
        return self.plain


def setup(review: Review) -> Shown | None:
    """Make a notebook ready for the review: the charts' theme, and frames printed in full width.

    In a notebook that somebody runs by hand: which session it reviews, of which workspace, and how
    that was chosen.
    """
    charts.use_theme()
    pd.set_option("display.width", 160, "display.max_columns", 30)
    if not review.by_hand:
        return None
    place = text.plain(review.workspace.settings.name or review.workspace.path.name)
    zh, en = FOUND[review.found]
    session = f"{review.title} ({review.session_id})"
    why = f" {text.plain(review.trouble, 300)}" if review.trouble else ""
    level = "warn" if review.found in ("gone", "unusable") else "note"
    return sentence(
        f"{zh}：{session}。工作区：{place}。{why}",
        f"{en}: {session}. Workspace: {place}.{why}",
        lang=review.lang,
        level=level,
    )


FOUND: dict[str, tuple[str, str]] = {
    "named": ("复盘的是参数里写明的一场", "Under review is the session that the parameters name"),
    "chosen": ("复盘的是起始页选定的一场", "Under review is the session chosen on the start page"),
    "newest": ("复盘的是最新的一场", "Under review is the newest session"),
    "gone": (
        "起始页选定的场次已不在这个工作区，改为最新的一场",
        (
            "The session chosen on the start page is no longer in this workspace; under review is "
            "the "
            "newest"
        ),
    ),
    "unusable": (
        "起始页选定的工作区现在用不了，改为演示工作区最新的一场",
        (
            "The workspace chosen on the start page cannot be used; under review is the newest "
            "session of the demo"
        ),
    ),
}


def figure(
    axes: Axes,
    *,
    title_zh: str,
    title_en: str,
    lang: str,
    alt_zh: str | None = None,
    alt_en: str | None = None,
) -> Shown:
    """A chart as an image with its title above and its alternative text, else the title, inside; the figure is closed.

    A notebook shows a picture of points, which needs no font; the page holds the drawing, up to
    some two thousand marks. The same chart gives the same bytes. Raises `UserWarning` where a
    character has no glyph in the font: a box in a customer's report is an error.
    """
    drawn = axes.get_figure(root=True)
    title = privacy.hide(text.plain(text.choose(lang, title_zh, title_en), 120))
    alt = privacy.hide(text.plain(text.choose(lang, alt_zh or title_zh, alt_en or title_en), 400))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing", category=UserWarning)
        _settle(drawn)
        points = _rendered(drawn, "png", dpi=192, metadata={"Software": None})
        lines = (
            _rendered(
                drawn, "svg", dpi=96, metadata={"Date": None, "Creator": None}, transparent=True
            )
            if _marks(drawn) <= MOST_MARKS
            else b""
        )
    width, height = (round(side * 96) for side in drawn.get_size_inches())
    plt.close(drawn)
    image = (
        f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{base64.b64encode(points).decode()}">'
    )
    shown = (
        f'<figure class="fp-figure"><figcaption>{html.escape(title)}</figcaption>{image}</figure>'
    )
    return Shown(shown, f"[{title}] {alt}", drawing.lean(lines, ink=charts.INK) if lines else "")


def _rendered(drawn: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    drawn.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _settle(drawn: Figure) -> None:
    """Lay the figure out once and round the places of its axes: the solver leaves dust that differs from run to run."""
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    for axes in drawn.axes:
        axes.set_position([round(side, 5) for side in axes.get_position().bounds])


def _marks(drawn: Figure) -> int:
    """How many marks a figure holds: points of lines and scatters, bars, cells."""
    return sum(
        sum(len(line.get_xdata()) for line in axes.lines)
        + len(axes.patches)
        + sum(max(len(group.get_offsets()), len(group.get_paths())) for group in axes.collections)
        for axes in drawn.axes
    )


def sentence(
    zh: str,
    en: str,
    *,
    lang: str,
    level: Literal["note", "good", "bad", "warn"] = "note",
    finding: str | None = None,
) -> Shown:
    """A sentence set off from the text, its colour and sign by level; `finding` is the id of the finding it says."""
    words = privacy.hide(text.plain(text.choose(lang, zh, en), LONGEST))
    sign, colour = SAID[level]
    named = f' data-finding="{html.escape(finding)}"' if finding else ""
    lead = f'<span class="fp-sign" aria-hidden="true">{sign}</span> ' if sign else ""
    return Shown(
        (
            f'<p class="fp-say fp-{level}"{named} style="border-left:3px solid '
            f"{colour};padding:.4em "
            f'.8em;margin:.6em 0">{lead}{page.unbroken(words)}</p>'
        ),
        f"{sign} {words}".strip(),
    )


LEVELS: dict[str, Literal["good", "bad", "note"]] = {"better": "good", "worse": "bad"}


def findings(
    frame: pd.DataFrame, *, lang: str, limit: int | None = None, folded: bool = False
) -> Shown:
    """The sentences of findings (`findings.COLUMNS`) one under another, each with its id and coloured by its verdict.

    `limit` shows the first alone; with `folded` the rest stands behind them until it is opened.
    Where a row has `topic_zh` and `topic_en`, the first of each topic comes under its name.
    """
    if frame.empty:
        return sentence("本节没有可说的结论。", "Nothing to state here.", lang=lang)
    shown, rest = (
        (frame, frame.iloc[:0])
        if limit is None
        else (frame.head(limit), frame.iloc[limit:] if folded else frame.iloc[:0])
    )
    topics = (
        shown[f"topic_{lang}"].where(lambda topic: topic != topic.shift())
        if f"topic_{lang}" in shown
        else [None] * len(shown)
    )
    said = [
        Shown(_topic(topic) + one.html, one.plain)
        for topic, one in zip(topics, _said(shown, lang), strict=True)
    ]
    more = _said(rest, lang)
    if more:
        title = text.choose(lang, f"其余 {len(more)} 句", f"{len(more)} more")
        said.append(
            Shown(
                (
                    f'<details class="fp-folded"><summary>{title}</summary>'
                    f"{''.join(one.html for one in more)}</details>"
                ),
                "\n".join([title, *(one.plain for one in more)]),
            )
        )
    return Shown("".join(one.html for one in said), "\n".join(one.plain for one in said))


def _said(rows: pd.DataFrame, lang: str) -> list[Shown]:
    return [
        sentence(
            row.sentence_zh,
            row.sentence_en,
            lang=lang,
            level=LEVELS.get(row.verdict, "note"),
            finding=row.id,
        )
        for row in rows.itertuples()
    ]


def _topic(name: object) -> str:
    return (
        f'<p class="fp-topic" style="margin:.9em 0 0;font-weight:600">{html.escape(name)}</p>'
        if isinstance(name, str)
        else ""
    )


def notes(sentences: Sequence[str], *, lang: str) -> Shown:
    """Sentences of what is missing as one list; where there are none, a line that says no table is missing."""
    words = [privacy.hide(text.plain(words, 600)) for words in sentences]
    if not words:
        return sentence(
            "没有整张缺少的表；个别指标缺什么，写在用到它的地方。",
            "No table is missing altogether; what single figures lack is said where they stand.",
            lang=lang,
            level="good",
        )
    items = "".join(f"<li>{html.escape(words)}</li>" for words in words)
    return Shown(
        (
            '<ul class="fupan-missing" style="border:1px dashed #b5bec6;color:#55616d;padding:.4em '
            f'.8em .4em 2em;margin:.6em 0">{items}</ul>'
        ),
        "\n".join(f"- {line}" for line in words),
    )


class Cell(NamedTuple):
    """One cell of a table as it is read: its words, whether they are a number, and a class for its colour."""

    words: str
    number: bool = False
    style: str = ""


def table(
    frame: pd.DataFrame,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric] | None = None,
    labels: Mapping[str, tuple[str, str]] | None = None,
    units: Mapping[str, str] | None = None,
    currency: str = "CNY",
    caption_zh: str | None = None,
    caption_en: str | None = None,
    limit: int | None = None,
    folded: bool = False,
    anchor: str | None = None,
) -> Shown:
    """A frame as a table to be read: names for columns and codes, values in their units, bounds joined to intervals.

    Of a pair x_zh, x_en the language's is shown. A row that names its `metric` has its values in
    that metric's unit. Names come from `labels`, else from the registry, the canonical tables and
    the terms; units from `units` likewise (+money, +points: a change with its sign). A column
    without a single value is left out. `anchor` names the column of ids to which the page may
    point. `limit` shows the first rows and says of how many; `folded` shows the caption alone until
    it is opened, for tables that back up what was said. All data are escaped.
    """
    caption = text.choose(lang, caption_zh or caption_en or "", caption_en or caption_zh or "")
    shown = _in_language(frame if limit is None else frame.head(limit), lang)
    shown = shown.loc[:, shown.notna().any() | shown.empty]
    names = _column_names(shown, lang, registry or {}, labels or {})
    columns = {
        name: _column(shown, name, lang, registry or {}, units or {}, currency) for name in names
    }
    more = len(frame) - len(shown)
    note = (
        text.choose(
            lang,
            f"共 {len(frame)} 行，显示前 {len(shown)} 行",
            f"showing {len(shown)} of {len(frame)} rows",
        )
        if more
        else ""
    )
    marks = shown[anchor].astype("str").tolist() if anchor else [""] * len(shown)
    body = _table_html(
        list(names.values()),
        list(zip(*columns.values(), strict=True)),
        "" if folded else caption,
        note,
        lang,
        marks,
    )
    words = pd.DataFrame(
        {names[name]: [cell.words for cell in cells] for name, cells in columns.items()}
    )
    if folded:
        count = text.choose(lang, f"{len(frame)} 行", f"{len(frame)} rows")
        body = (
            f'<details class="fp-folded"><summary>{html.escape(caption)} '
            f"({count})</summary>{body}</details>"
        )
    return Shown(body, "\n".join(filter(None, [caption, words.to_string(index=False), note])))


def _in_language(frame: pd.DataFrame, lang: str) -> pd.DataFrame:
    """The frame with the words of this language alone (label_zh, label_en → label; zh, en → label), without their codes."""
    other = text.choose(lang, "en", "zh")
    own = {
        name: name.removesuffix(lang).rstrip("_") or "label"
        for name in frame.columns
        if isinstance(name, str) and (name == lang or name.endswith(f"_{lang}"))
    }
    foreign = [name for name in frame.columns if name == other or str(name).endswith(f"_{other}")]
    # A code beside its own label would say the same thing twice.
    coded = [
        name
        for name in frame.columns
        if name in own.values() or (name in CODES and "label" in own.values())
    ]
    return frame.drop(columns=[name for name in {*foreign, *coded} if name != "metric"]).rename(
        columns=own
    )


def _column_names(
    frame: pd.DataFrame,
    lang: str,
    registry: Mapping[str, reference.Metric],
    labels: Mapping[str, tuple[str, str]],
) -> dict[str, str]:
    """Columns in order with the names they are read under; upper bounds stand with the lower ones, codes with labels."""
    hidden = {upper for lower, upper in SPANS if {lower, upper} <= set(frame.columns)}
    hidden |= {"metric"} if {"metric", "label"} <= set(frame.columns) else set()
    hidden |= {"unit"} & set(frame.columns)
    return {
        name: _name(name, lang, registry, labels) for name in frame.columns if name not in hidden
    }


def _name(
    column: str,
    lang: str,
    registry: Mapping[str, reference.Metric],
    labels: Mapping[str, tuple[str, str]],
) -> str:
    if column in labels:
        return text.choose(lang, *labels[column])
    known = (
        reference.terms().get("column", {}).get(column)
        or registry.get(column)
        or _canonical(column)
    )
    return text.label(known, lang) if known else text.plain(column)


def _canonical(column: str) -> reference.Column | None:
    return next(
        (table.columns[column] for table in reference.tables().values() if column in table.columns),
        None,
    )


def _column(
    frame: pd.DataFrame,
    name: str,
    lang: str,
    registry: Mapping[str, reference.Metric],
    units: Mapping[str, str],
    currency: str,
) -> list[Cell]:
    upper = dict(SPANS).get(name)
    values = frame[name]
    if upper in frame:
        return [
            _span(low, high, *_unit(row, name, registry, units), lang, currency)
            for low, high, row in zip(values, frame[upper], frame.to_dict("records"), strict=True)
        ]
    if pd.api.types.is_bool_dtype(values.dtype):
        return [
            Cell(
                text.NOTHING
                if pd.isna(value)
                else text.choose(lang, *("是", "yes") if value else ("否", "no"))
            )
            for value in values
        ]
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return [
            Cell(text.NOTHING if pd.isna(value) else f"{value:%Y-%m-%d %H:%M}") for value in values
        ]
    if pd.api.types.is_numeric_dtype(values.dtype):
        whole = bool((values.dropna() % 1 == 0).all())
        return [
            _number(value, *_unit(row, name, registry, units, whole), lang, currency)
            for value, row in zip(values, frame.to_dict("records"), strict=True)
        ]
    return [_words(value, name, lang, registry) for value in values]


def _unit(
    row: Mapping[str, Any],
    name: str,
    registry: Mapping[str, reference.Metric],
    units: Mapping[str, str],
    whole: bool = False,
) -> tuple[str, int | None]:
    """Unit and decimals of a column in a row: as told, else of the row's metric, else of the column."""
    if name in units:
        return units[name], None
    name = PLACE.sub("", name)
    if name in BY_METRIC and isinstance(row.get("unit"), str):
        return row["unit"], None
    metric = registry.get(row.get("metric")) if name in BY_METRIC else registry.get(name)
    if metric:
        return (
            metric.unit,
            None if metric.unit == "money" else metric.decimals,
        )  # money shows what its size and currency need
    if name in UNITS:
        return UNITS[name], None
    if name in ("ci_lower", "ci_upper"):
        return "percent", None
    known = _canonical(name)
    return KINDS.get(known.kind if known else "", "count" if whole else "score"), None


def _number(value: float, unit: str, decimals: int | None, lang: str, currency: str) -> Cell:
    if unit == "p":
        return Cell("<0.001" if value < 0.001 else text.number(value, lang, 3), number=True)
    number = math.nan if pd.isna(value) else float(value)
    if unit.startswith("+"):  # a change: its sign is always shown
        return Cell(
            text.signed(number, unit[1:], lang, decimals=decimals, currency=currency), number=True
        )
    return Cell(text.value(number, unit, lang, decimals=decimals, currency=currency), number=True)


def _span(
    low: float, high: float, unit: str, decimals: int | None, lang: str, currency: str
) -> Cell:
    if pd.isna(low) and pd.isna(high):
        return Cell(text.NOTHING, number=True)
    if (unit == "percent" and high > WIDE) or (
        unit != "percent" and low > 0 and high / low > text.WIDEST
    ):
        return Cell(text.choose(lang, "太宽，没有意义", "too wide to mean anything"), number=True)
    return Cell(
        text.interval(low, high, unit, lang, decimals=decimals, currency=currency), number=True
    )


def _words(value: object, name: str, lang: str, registry: Mapping[str, reference.Metric]) -> Cell:
    """A text as it is read: a metric's or a code's name; verdicts and lights with a sign and a colour of their own."""
    if isinstance(value, (bool, np.bool_)):
        return Cell(text.choose(lang, *("是", "yes") if value else ("否", "no")))
    if isinstance(value, (list, tuple, set)):
        value = text.choose(lang, "、", ", ").join(map(str, value))
    if isinstance(value, str) and not value:
        return Cell(text.NOTHING)
    if name == "slice" and isinstance(value, str):
        return Cell(text.plain(slice_name(value), 200))
    if name == "column" and isinstance(value, str) and "+" in value:  # a key of several columns
        return Cell(
            " + ".join(
                text.label(known, lang) if (known := _canonical(part)) else text.plain(part)
                for part in value.split("+")
            )
        )
    if not isinstance(value, str):
        return Cell(text.plain(None if value is None or value is pd.NA else value, 200))
    metric = (
        registry.get(value) or reference.terms()["cue_kind"].get(value)
        if name in ("metric", "verify")
        else None
    )
    if metric:
        return Cell(text.label(metric, lang))
    name = PLACE.sub("", name)
    known = _canonical(name)
    if name == "table":
        named = reference.tables().get(value)
        return Cell(text.label(named, lang) if named else text.plain(value))
    groups = [
        name,
        *([known.terms] if known and known.terms else []),
        *(["plan_verdict"] if "verdict" in name else []),
    ]
    term = next(
        (
            reference.terms()[group][value]
            for group in groups
            if value in reference.terms().get(group, {})
        ),
        None,
    )
    sign, style = (
        first_screen.SIGNS.get(value, ("", ""))
        if {"verdict", "plan_verdict", "light"} & set(groups)
        else ("", "")
    )
    shown = text.plain(value, LONGEST if name in ("sentence", "content") else 200)
    # Words that people type (a note in the plan, a file's name) may hold a phone number; ids are
    # ids.
    said = (
        text.label(term, lang)
        if term
        else shown
        if known and known.kind == "id"
        else privacy.hide(shown)
    )
    return Cell(f"{sign} {said}".strip(), style=style)


def _table_html(
    names: list[str],
    rows: list[tuple[Cell, ...]],
    caption: str,
    note: str,
    lang: str,
    marks: list[str],
) -> str:
    """The table inside a box of its own that scrolls sideways; styles inline for JupyterLab, classes for the page."""
    numeric = [any(row[place].number for row in rows) for place in range(len(names))]
    right = ' class="fp-num" style="text-align:right;font-variant-numeric:tabular-nums"'
    left = ' style="text-align:left"'
    head = "".join(
        f'<th scope="col"{right if number else left}>{html.escape(name)}</th>'
        for name, number in zip(names, numeric, strict=True)
    )
    short = ' class="fp-mark"' if all(row and len(row[0].words) <= SHORT for row in rows) else ""
    lines = []
    for row, mark in zip(rows, marks, strict=True):
        cells = [
            f'<th scope="row"{short}{left}>{html.escape(row[0].words)}</th>'
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
        lines = [
            (
                f'<tr><td colspan="{max(len(names), 1)}">{text.choose(lang, "没有数据", "no rows")}'
                "</td></tr>"
            )
        ]
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
    """The class of a table that must be set smaller to fit the paper: what cannot be broken in each column, in half-width columns."""
    cells = [_piece(name) for name in names]
    for row in rows:
        cells = [
            max(
                widest,
                charts.columns_wide(cell.words)
                if cell.number or _whole(cell)
                else max(_piece(cell.words), BROKEN),
            )
            for widest, cell in zip(cells, row, strict=True)
        ]
    needed = sum(cells) + GAP * len(cells)
    return (
        ""
        if needed <= ON_PAPER[0]
        else ' class="fp-tight"'
        if needed <= ON_PAPER[1]
        else ' class="fp-tightest"'
    )


def _piece(words: str) -> int:
    """The widest part of a text that no line may break."""
    return max((charts.columns_wide(part) for part in UNBROKEN.findall(words)), default=0)


def _whole(cell: Cell) -> bool:
    """Whether a cell of words is never broken: a word or two, figures, times and ids."""
    return len(cell.words) <= (2 * SHORT if cell.style else SHORT) or bool(
        re.fullmatch(r"[-−+¥$\d.,:%万亿 –至to]+|[A-Z]\d*-[0-9a-f]+", cell.words)
    )


def _classes(cell: Cell) -> str:
    """The class attribute of a cell of words: its colour, no break within a word or two, room for a sentence."""
    width, whole = len(cell.words), _whole(cell)
    names = (
        ["fp-mark"] * whole
        + ["fp-long"] * (width > 4 * SHORT)
        + ["fp-words"] * (not whole and width <= 4 * SHORT)
        + [f"fp-{cell.style}"] * bool(cell.style)
    )
    return f' class="{" ".join(names)}"' if names else ""
