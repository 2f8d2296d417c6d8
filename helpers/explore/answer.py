"""The one call: metrics by dimensions, as a table, a chart, a test, and the code to paste."""

import dataclasses
import html
from collections.abc import Iterable
from typing import Any

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes

from helpers import report
from helpers.core import text
from helpers.core.names import no_such
from helpers.explore.grains import (
    ExploreError,
    Sessions,
    Where,
    carriers,
    dimensions,
    filtered,
    rows,
)
from helpers.explore.rest import COLUMNS, against_rest, are_several
from helpers.reference import Metric, metrics
from helpers.report.charts import theme
from helpers.review import Review

IN_ORDER = ("date", "month", "weekday", "start_hour", "hour", "minute")  # drawn as a line
MOST_LINES = 40  # of a table that is shown
ROW = 0.34  # inches of a group in a chart


@dataclasses.dataclass(frozen=True)
class Source:
    """The rows that metrics are worked out from, and how."""

    table: str
    metrics: list[str]
    count_per_slice: bool
    frame: pd.DataFrame


@dataclasses.dataclass(frozen=True)
class Answer:
    """What was asked and what came out; JupyterLab shows table, charts, test and code.

    `table` has by…, metric, numerator, denominator, value, ci_lower, ci_upper; `against_rest` by…
    and the columns of `explore.rest`; `code` gives the same table when pasted.
    """

    review: Review
    metrics: list[str]
    by: list[str]
    sources: list[Source]
    table: pd.DataFrame
    against_rest: pd.DataFrame
    code: str

    def chart(self, metric: str = "") -> Axes:
        """One metric by the dimensions, with its intervals: a seaborn chart of the table."""
        name = metric or self.metrics[0]
        if name not in self.metrics:
            raise ExploreError(no_such(name, "metric of this answer", self.metrics))
        lang = self.review.lang
        theme.use_theme()
        frame = self.table[self.table["metric"] == name].dropna(subset=["value"])
        if frame.empty or not self.by:
            return theme.empty(lang=lang)
        drawn = report.Show(self.review).named(frame.rename(columns={"value": name}))
        first, second = _laid_out(drawn, self.by)
        if first in IN_ORDER:
            axes = theme.canvas(3.2)
            sns.lineplot(drawn, x=first, y=name, hue=second, marker="o", errorbar=None, ax=axes)
            if second is None:
                bounds = drawn[["ci_lower", "ci_upper"]].astype(float)
                axes.fill_between(drawn[first], *bounds.to_numpy().T, alpha=0.2, linewidth=0)
            return axes
        sizes = drawn["denominator"].fillna(drawn[name].abs())
        kept = theme.largest(drawn, sizes, theme.rows_that_fit(ROW, 1))
        kept = kept.sort_values(name, ascending=False)
        axes = theme.canvas(ROW * kept[first].nunique() + 1)
        axes.hlines(kept[first], kept["ci_lower"], kept["ci_upper"], color=theme.QUIET, lw=2.4)
        sns.scatterplot(kept, x=name, y=first, hue=second, style=second, s=46, zorder=3, ax=axes)
        theme.say_left_out(axes, len(kept), len(drawn) - len(kept), lang)
        return axes

    @property
    def notes(self) -> list[str]:
        """How to read it: the test, and where people count in every slice."""
        return [text.choose(self.review.lang, zh, en) for zh, en in self._notes()]

    def _notes(self) -> list[tuple[str, str]]:
        several = any(are_several(source.frame) for source in self.sources)
        lines = [
            (
                "与其余合计比较：一场算一个个案（按场次线性化，t 检验），每个指标内按 "
                "Benjamini-Hochberg 校正；一边不足 5 场不判断。",
                "Against the others together: a session is one case (linearised by session, "
                "t test), corrected by Benjamini-Hochberg within each metric; not judged with "
                "fewer than five sessions on a side.",
            )
            if several
            else (
                "与其余合计比较：只对比例作费舍尔精确检验，每个指标内按 Benjamini-Hochberg 校正。",
                "Against the others together: Fisher's exact test, of proportions only, corrected "
                "by Benjamini-Hochberg within each metric.",
            )
        ]
        if any(source.count_per_slice for source in self.sources):
            lines.append(
                (
                    "同一人在每个切片里各算一次，因此不给区间。",
                    "A person counts once in every slice, so no interval is given.",
                )
            )
        if any(self.review.registry[name].denominator is None for name in self.metrics):
            lines.append(
                (
                    "合计类指标比较的是每场平均。",
                    "Of totals the mean of a session is compared.",
                )
            )
        return lines

    def _shown(self, frame: pd.DataFrame) -> report.Shown:
        review = self.review
        currency = review.currency
        return report.table(
            frame, lang=review.lang, registry=review.registry, currency=currency, limit=MOST_LINES
        )

    def _parts(self) -> list[report.Shown]:
        show, lang = report.Show(self.review), self.review.lang
        if self.table["value"].isna().all():
            return [show.sentence(("没有符合条件的数据。", "No data fit what was asked."))]
        parts = [self._shown(self.table)]
        if self.table[self.by].notna().any(axis=None) and self.by:
            for name in self.metrics:
                title = text.label(self.review.registry[name], lang)
                shown = report.figure(
                    show.name_axes(self.chart(name)), title_zh=title, title_en=title, lang=lang
                )
                parts.append(shown)
        if self.against_rest["p_value"].notna().any():
            parts += [self._shown(self.against_rest), show.notes(self.notes)]
        return parts

    def _repr_html_(self) -> str:
        shown = "".join(part.html for part in self._parts())
        return f"{shown}<pre>{html.escape(self.code)}</pre>"

    def __repr__(self) -> str:
        return "\n\n".join([*(part.plain for part in self._parts()), self.code])


def explore(
    review: Review,
    metrics: str | Iterable[str],
    by: str | Iterable[str] = (),
    *,
    where: Where = None,
    sessions: Sessions = "all",
) -> Answer:
    """Metrics by one or two dimensions, of the sessions and rows that are wanted.

    `by`: see `dimensions` of a metric's table. `where`: a pandas query, or column → value or
    values. `sessions`: "this", "all", a list of ids, or a pair (from, to) of dates, both inside.
    Each metric is worked out from the first table that has its columns and what is asked of them
    (viewers by source: traffic). Raises `ExploreError` for what cannot be combined, and
    `MetricError` where rows cannot be added up (people of several sessions).
    """
    names = [metrics] if isinstance(metrics, str) else list(metrics)
    keys = [by] if isinstance(by, str) else list(dict.fromkeys(by))
    registry = review.registry
    if not names or len(keys) > 2:
        raise ExploreError("explore: expected one metric or more, by at most two dimensions")
    for name in names:
        if name not in registry:
            raise ExploreError(no_such(name, "metric", registry))
    asked = {"where": where, "sessions": sessions}
    sources: list[Source] = []
    for name in names:
        _add(sources, name, _source(review, name, keys, **asked))
    parts = [
        review.evaluate(
            source.frame, source.metrics, by=keys, count_per_slice=source.count_per_slice
        )
        for source in sources
    ]
    tests = [
        against_rest(
            source.frame,
            name,
            keys,
            registry=registry,
            count_per_slice=source.count_per_slice,
            thresholds=review.thresholds,
        )
        for source in sources
        for name in source.metrics
        if keys
    ]
    tested = pd.concat(tests, ignore_index=True) if tests else pd.DataFrame(columns=COLUMNS)
    code = _code(sources, keys, confidence=review.thresholds["confidence"], **asked)
    return Answer(review, names, keys, sources, _joined(parts, keys), tested, code)


def _add(sources: list[Source], name: str, source: Source) -> None:
    """Metrics of the same rows are worked out together."""
    for one in sources:
        if (one.table, one.count_per_slice) == (source.table, source.count_per_slice):
            one.metrics.append(name)
            return
    sources.append(source)


def _source(
    review: Review, name: str, by: list[str], *, where: Where, sessions: Sessions
) -> Source:
    """The first table that a metric can be read off and that has what is asked of it."""
    metric = review.registry[name]
    tables = carriers(metric)
    fitting = [table for table in tables if set(by) <= set(dimensions(table))]
    if not fitting:
        possible = list(dict.fromkeys(one for table in tables for one in dimensions(table)))
        for key in by:
            if key not in possible:
                raise ExploreError(f"{name}: {no_such(key, 'dimension of it', possible)}")
        each = "; ".join(f"{table}: {', '.join(dimensions(table))}" for table in tables)
        raise ExploreError(
            f"{name}: no table has it by {' and '.join(by)} together; what there is: {each}"
        )
    troubles, empty = [], []
    for table in fitting:
        whole = rows(review, table, sessions)
        try:
            frame = filtered(whole, where)
        except ExploreError as error:
            troubles.append(error)
            continue
        source = Source(table, [name], _per_slice(frame, metric, by), frame)
        if len(whole):
            return source
        empty.append(source)
    if not empty:
        raise troubles[0]
    return empty[0]


def _per_slice(frame: pd.DataFrame, metric: Metric, by: list[str]) -> bool:
    """Whether people of several slices of one session fall together in a group of a ratio."""
    if metric.denominator is None or "session_id" not in frame:
        return False
    of_people = "users" in metrics.kinds(metric).values()
    return of_people and bool(frame.duplicated(list(dict.fromkeys([*by, "session_id"]))).any())


def _joined(parts: list[pd.DataFrame], by: list[str]) -> pd.DataFrame:
    table = pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0]
    return table.sort_values(by, kind="stable", ignore_index=True) if by else table


def _laid_out(drawn: pd.DataFrame, by: list[str]) -> tuple[str, str | None]:
    """What runs along the axis and what is told apart by colour: never more than a legend holds."""
    first, second = [*by, None][:2]
    if second is None or first in IN_ORDER:
        return first, second
    if second in IN_ORDER or drawn[second].nunique() > drawn[first].nunique():
        return second, first
    return first, second


def _code(
    sources: list[Source], by: list[str], *, where: Where, sessions: Sessions, confidence: float
) -> str:
    """What gives the same table when it is pasted into a cell."""
    lines = ["from helpers.explore import filtered, rows"]
    lines = ["import pandas as pd", "", *lines] if len(sources) > 1 else lines
    parts = []
    for number, source in enumerate(sources):
        part = "table" if len(sources) == 1 else f"part_{number + 1}"
        parts.append(part)
        wanted = f"rows(review, {source.table!r}, sessions={_written(sessions)})"
        wanted = f"filtered({wanted}, {where!r})" if where else wanted
        options = [f"by={by!r}", f"confidence={confidence!r}"]
        options += ["count_per_slice=True"] if source.count_per_slice else []
        lines += [
            "",
            f"frame = {wanted}",
            f"{part} = review.evaluate(",
            f"    frame, {source.metrics!r}, {', '.join(options)}",
            ")",
        ]
    if len(parts) > 1:
        lines += ["", f"table = pd.concat([{', '.join(parts)}], ignore_index=True)"]
    if by:
        lines.append(f"table = table.sort_values({by!r}, kind='stable', ignore_index=True)")
    return "\n".join(lines)


def _written(sessions: Any) -> str:
    """Sessions as code: dates as they read, whatever type they came in."""
    if isinstance(sessions, str):
        return repr(sessions)
    return repr(type(sessions)(one if isinstance(one, str) else str(one) for one in sessions))
