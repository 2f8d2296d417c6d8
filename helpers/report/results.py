"""What a notebook shows: tables, charts and sentences by the entries of `results.yml`."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import ScalarFormatter
from seaborn.axisgrid import Grid

from helpers import reference
from helpers.core import text
from helpers.core.names import UnknownName, no_such
from helpers.report import show
from helpers.report.charts import theme
from helpers.report.show import Shown
from helpers.report.tables import column_cells, column_name
from helpers.report.tables import table as shown_table
from helpers.report.units import PLACE, units_of
from helpers.review import Missing, Review

Words = str | tuple[str, str]  # in the language of the review, or in Chinese and English
Level = Literal["note", "good", "bad", "warn"]
NO_NAME = reference.Label(zh="", en="")
_T = TypeVar("_T")


class Show:
    """Shows a review's frames, charts and sentences in its language, registry and currency.

    What they are called, their columns, units and captions are entries of `results.yml`; `words`
    fill the marks {…} of an entry, those that have a Chinese and an English name by the language.
    Where `when` does not hold, all that is shown is the table that an entry calls missing, and what
    is given as a function (`lambda: …`) is not worked out; where a frame is empty, the entry says
    what stands there instead. Raises `KeyError` for a name without an entry, with the nearest ones.
    """

    def __init__(self, review: Review) -> None:
        self.review, self.lang = review, review.lang
        self.entries = reference.results(review.workspace.reference)

    def table(
        self,
        name: str | pd.DataFrame | pd.Series,
        frame: pd.DataFrame | Callable[[], pd.DataFrame] | None = None,
        *,
        when: object = True,
        heads: Mapping[str, tuple[str, str]] | None = None,
        units: Mapping[str, str] | None = None,
        folded: bool | None = None,
        **words: object,
    ) -> Shown | Missing | None:
        """A frame as a table to be read, by its entry; any frame or series alone, index and all.

        `heads` and `units` are those of columns of this run.
        """
        if not isinstance(name, str):
            name, frame, entry = "", _flat(name), reference.ShownTable(caption=NO_NAME, stays=True)
        else:
            entry = _entry(name, self.entries.tables, "table")
        if not when:
            return None if entry.nothing else self._instead(entry, words)
        frame = _made(frame)
        if frame.empty and not entry.stays:
            return self._instead(entry, words)
        columns = {key: column or reference.ShownColumn() for key, column in entry.columns.items()}
        labels = {
            key: self._worded(one, words) for key, one in columns.items() if one.zh and one.en
        }
        measures = measured(entry, frame)
        zh, en = self._worded(entry.caption, words)
        if columns and not entry.all_columns:
            frame = _chosen(name, frame, columns)
        means = {key: one.empty for key, one in columns.items() if one.empty}
        for column, meaning in means.items():
            frame = frame.assign(**{column: frame[column].fillna(text.label(meaning, self.lang))})
        return shown_table(
            frame,
            lang=self.lang,
            registry=self.review.registry,
            currency=self.review.currency,
            labels={**labels, **(heads or {})},
            units={**measures, **(units or {})},
            caption_zh=zh,
            caption_en=en,
            limit=entry.limit,
            folded=entry.folded if folded is None else folded,
            anchor=entry.anchor,
        )

    def figure(
        self,
        name: str | Axes | Figure | Grid,
        chart: Callable[..., Axes] | Axes | None = None,
        *data: Any,
        when: object = True,
        words: Mapping[str, object] | None = None,
        alt: Callable[[str], str] | None = None,
        **options: Any,
    ) -> Shown | Missing | None:
        """A chart, drawn by `chart` of its data where there are some, or any that is drawn already.

        `alt` describes it in a language to those who cannot see it; else its title does.
        """
        if not isinstance(name, str):
            chart, entry = _axes(name), reference.ShownFigure(title=NO_NAME)
        else:
            entry = _entry(name, self.entries.figures, "figure")
        if not when:
            return None if entry.nothing else self._instead(entry, words or {})
        data = tuple(map(_made, data))
        if data and isinstance(data[0], pd.DataFrame) and data[0].empty:
            return self._instead(entry, words or {})
        if not isinstance(chart, Axes):
            takes = inspect.signature(chart).parameters
            given = {"lang": self.lang, "currency": self.review.currency}
            options |= {key: value for key, value in given.items() if key in takes}
            options |= {key: text.label(one, self.lang) for key, one in entry.labels.items()}
            chart = _axes(chart(*data, **options))
        chart = self.name_axes(chart)
        zh, en = self._worded(entry.title, words or {})
        alt_zh, alt_en = (alt("zh"), alt("en")) if alt else (None, None)
        return show.figure(
            chart, title_zh=zh, title_en=en, alt_zh=alt_zh, alt_en=alt_en, lang=self.lang
        )

    def name_axes(self, axes: Axes) -> Axes:
        """Axes and legends that seaborn has named by a column are named as tables name it.

        Numbers along an axis are in the unit of its column, where that is one of figures.
        """
        theme.use_theme()  # its font has the characters of the names
        registry = self.review.registry
        for panel in axes.figure.axes:
            for axis in (panel.xaxis, panel.yaxis):
                column = axis.get_label_text()
                name = column_name(column, self.lang, registry, {})
                if not column.isascii() or name == text.plain(column):
                    continue
                axis.set_label_text(name, family=theme.FAMILY)
                unit = units_of(pd.DataFrame(index=[0]), column, registry, {})[0][0]
                if isinstance(axis.get_major_formatter(), ScalarFormatter) and unit != "score":
                    theme.unit_ticks(axis, unit.lstrip("+"), self.lang, self.review.currency)
            legend = panel.get_legend()
            if legend and (column := legend.get_title().get_text()):
                looks = {"family": theme.FAMILY, "size": "small"}
                legend.set_title(column_name(column, self.lang, registry, {}), looks)
        return axes

    def named(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The frame with its codes (sources, kinds, yes and no …) as words, to be drawn."""
        registry, currency = self.review.registry, self.review.currency
        words = {}
        for name in frame:
            kind = frame[name].dtype
            figures = pd.api.types.is_numeric_dtype(kind) and not pd.api.types.is_bool_dtype(kind)
            if not figures and not pd.api.types.is_datetime64_any_dtype(kind):
                cells = column_cells(frame, name, self.lang, registry, {}, currency)
                words[name] = [theme.shown(cell.words) for cell in cells]
        return frame.assign(**words)

    def say(
        self, name: str, *, when: object = True, missing: str = "", **words: object
    ) -> Shown | Missing | None:
        """A sentence of `results.yml`; `missing` is the table without which there is none."""
        entry = _entry(name, self.entries.sentences, "sentence")
        if when:
            return self._said(entry, words)
        return self.review.missing(missing) if missing else None

    def sentence(
        self,
        words: Words | Callable[[], Words],
        *,
        when: object = True,
        level: Level = "note",
        missing: str = "",
    ) -> Shown | Missing | None:
        """A sentence that an analysis words; nothing where it is empty.

        `missing` is the table that explains why there is none where `when` does not hold.
        """
        if not when:
            return self.review.missing(missing) if missing else None
        words = _made(words)
        zh, en = (words, words) if isinstance(words, str) else words
        return show.sentence(zh, en, lang=self.lang, level=level) if zh else None

    def notes(
        self,
        lines: Sequence[Words] | Callable[[], Sequence[Words]],
        *,
        when: object = True,
        nothing: str = "",
    ) -> Shown | None:
        """Sentences as a list; where there is none, the sentence `nothing` of `results.yml`."""
        lines = _made(lines) if when else []
        if not lines:
            return self.say(nothing) if nothing else None
        chosen = [
            line if isinstance(line, str) else text.choose(self.lang, *line) for line in lines
        ]
        return show.notes(chosen, lang=self.lang)

    def findings(
        self,
        frame: pd.DataFrame,
        *,
        when: object = True,
        limit: int | None = None,
        folded: bool = False,
    ) -> Shown | None:
        """The sentences of findings, coloured by their verdicts."""
        if not when:
            return None
        return show.findings(frame, lang=self.lang, limit=limit, folded=folded)

    def check(self, name: str, holds: object, **words: object) -> None:
        """What must hold is watched: where it does not, the entry's words and remedy are shown."""
        entry = _entry(name, self.entries.checks, "check")
        show.watch(holds, *self._worded(entry, words), lang=self.lang, remedy=entry.remedy)

    def _instead(
        self, entry: reference.ShownTable | reference.ShownFigure, words: Mapping[str, object]
    ) -> Shown | Missing | None:
        table, _, column = (entry.missing or "").partition(".")
        if table and not (entry.nothing and self.review.has(table)):
            return self.review.missing(table, column)
        return self._said(entry.nothing, words) if entry.nothing else None

    def _said(self, entry: reference.Said, words: Mapping[str, object]) -> Shown:
        return show.sentence(*self._worded(entry, words), lang=self.lang, level=entry.level)

    def _worded(self, label: text.Labelled, values: Mapping[str, object]) -> tuple[str, str]:
        """The two texts of an entry, their marks filled in the language of the review."""
        named = {
            key: text.label(value, self.lang) if hasattr(value, "zh") else value
            for key, value in values.items()
        }
        return label.zh.format(**named), label.en.format(**named)


def measured(entry: reference.ShownTable, frame: pd.DataFrame) -> dict[str, str]:
    """The unit of each column of a frame that its entry gives one, whichever place it is of."""
    columns = {key: column.unit for key, column in entry.columns.items() if column and column.unit}
    units = {key: columns.get(key) or columns.get(PLACE.sub("", key)) for key in map(str, frame)}
    return columns | {key: unit for key, unit in units.items() if unit}


def named(entry: reference.ShownTable) -> dict[str, tuple[str, str]]:
    """The Chinese and English name of each column that its entry names, whatever the session."""
    columns = {key: column for key, column in entry.columns.items() if column}
    return {
        key: (column.zh, column.en)
        for key, column in columns.items()
        if column.zh and column.en and "{" not in column.zh + column.en
    }


def _made(given: _T | Callable[[], _T]) -> _T:
    return given() if callable(given) else given


def _flat(frame: pd.DataFrame | pd.Series) -> pd.DataFrame:
    """A frame whose index, where it says something, is columns, and whose heads are texts."""
    frame = frame.to_frame() if isinstance(frame, pd.Series) else frame
    if not isinstance(frame.index, pd.RangeIndex) or frame.index.name:
        names = {place: f"level_{place}" for place in range(frame.index.nlevels)}
        frame = frame.rename_axis(
            index=[name or names[place] for place, name in enumerate(frame.index.names)]
        )
        frame = frame.set_axis([_head(column) for column in frame.columns], axis=1)
        twice = [name for name in frame.index.names if name in frame]
        return frame.drop(columns=twice).reset_index()
    return frame.set_axis([_head(column) for column in frame.columns], axis=1)


def _head(column: object) -> str:
    parts = column if isinstance(column, tuple) else (column,)
    return " · ".join(str(part) for part in parts if part != "")


def _axes(drawn: Axes | Figure | Grid) -> Axes:
    return drawn if isinstance(drawn, Axes) else (getattr(drawn, "figure", None) or drawn).axes[0]


def _entry(name: str, entries: Mapping[str, _T], kind: str) -> _T:
    if name not in entries:
        raise UnknownName(no_such(name, f"{kind} of results.yml", entries))
    return entries[name]


def _chosen(
    name: str, frame: pd.DataFrame, columns: Mapping[str, reference.ShownColumn]
) -> pd.DataFrame:
    """The columns of an entry in its order, in both languages where the frame has both."""
    taken: dict[str, pd.Series] = {}
    for column, entry in columns.items():
        source = entry.of or column
        pairs = {f"{source}_{one}": f"{column}_{one}" for one in ("zh", "en")}
        if source == "label" and not set(pairs) & set(frame):
            pairs = {"zh": "zh", "en": "en"}
        named = pairs if set(pairs) <= set(frame) else {source: column}
        if not entry.optional and not set(named) <= set(frame):
            what = f"column of the frame for table {name!r} of results.yml"
            raise UnknownName(no_such(source, what, frame))
        taken |= {shown: frame[have] for have, shown in named.items() if have in frame}
    return pd.DataFrame(taken, index=frame.index)
