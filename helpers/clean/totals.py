"""Which rows of a table are sums of others: arithmetic decides, a word such as 合计 is a hint."""

import functools
import itertools
import re
import unicodedata
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.clean import mend, parse
from helpers.clean.cells import SPACE, is_empty, words
from helpers.clean.columns import WHOLE, without_dots
from helpers.clean.notes import note
from helpers.clean.recognise import Block, Header
from helpers.reference import Column

_SHORT = 10_000  # rows of a table that are all looked at; of a longer one, those that lack a key
_NAMED = 200  # rows of a table of names, among which a row may be the sum of others unmarked
_FEW = 1_000  # rows of a table of which a row with a key of its own may be the sum
_ENDS = 3  # first and last rows of a long table that are looked at
_HINTED = 10  # rows of which each may be a parent or a leaf, as the grand total says
_LONGEST = 40  # characters of a text that may name a total
_FEWEST = 3  # rows, and columns, that make a row with a key of its own their sum
_SCALED = 0.02  # 1.2万 is rounded
_TELLS = ("room", "room_name", "title", "session_started_at")  # what a row is of, beside its key


class Totals(NamedTuple):
    """The total rows with the rows that each adds up, rows that are none and no record, notes.

    `parts` has by number of a total row the numbers of the rows whose sum it is, none where the
    mark alone decided; `off` has column, value and reason by number of the row.
    """

    parts: dict[int, pd.Index]
    off: pd.DataFrame
    notes: tuple[str, ...] = ()


def totals(block: Block, rows: pd.DataFrame) -> Totals:
    """The total rows among `rows`, the block's without remarks and sub-rows."""
    nothing = Totals({}, pd.DataFrame({"column": [], "value": [], "reason": []}))
    keys = _key_headers(block)
    likely = _likely(rows, keys)
    if not len(likely):
        return nothing
    hints = _hints(block, rows.iloc[likely], keys)
    named = len(rows) <= _NAMED and bool(keys) and all(_is_name(block, name) for name in keys)
    if not named and len(rows) > _FEW and not hints[list(_ROLES)].to_numpy().any():
        return nothing
    figures = _figures(block, rows)
    if figures is None:
        return nothing
    role = {int(at): _role(row) for at, row in zip(likely, hints.to_dict("records"), strict=True)}
    if len(rows) > _FEW:
        role = {at: name for at, name in role.items() if name != "whole"}
    search = _Search(figures, {at: name for at, name in role.items() if name}, named=named)
    search.settle()
    place = block.headers[0].place
    # of a required key the row's own column will be named
    says_more = any(_is_required(block, name) for name in keys)
    off = [(at, why) for at, why in search.off.items() if why != "no_key" or not says_more]
    cells = mend.shown(rows[place].iloc[[at for at, _ in off]])
    number = rows.index
    notes = [
        note("unnamed_total", row=number[at], first=number[parts[0]], last=number[parts[-1]])
        for at, parts in search.sums.items()
        if role.get(at, "") in ("", "edge", "whole")
    ]
    averages = [at for at, why in off if why == "statistic"]
    if averages:
        notes.append(note("statistic_rows", rows=len(averages), row=number[averages[0]]))
    return Totals(
        {int(rows.index[at]): rows.index[parts] for at, parts in search.sums.items()},
        pd.DataFrame(
            {
                "column": block.headers[0].text,
                "value": cells.to_numpy(),
                "reason": [why for _, why in off],
            },
            index=cells.index,
        ),
        tuple(notes),
    )


# ---- what a row says of itself


def _key_headers(block: Block) -> dict[str, list[Header]]:
    """The headers of what a row is of, by canonical column: its key, and what it must have."""
    table, export = reference.tables()[block.export.table], block.export
    needed = {name for name, column in table.columns.items() if column.required}
    headers = {}
    for name, how in export.columns.items():
        column = table.columns.get(name)
        is_figure = column is not None and column.kind not in ("id", "text", "choice", "datetime")
        if name in {*table.key, *needed, *_TELLS} and not is_figure:
            headers[name] = block.places([*how.header, *how.joined])
    return {name: places for name, places in headers.items() if places}


def _is_name(block: Block, name: str) -> bool:
    column = reference.tables()[block.export.table].columns.get(name)
    return column is not None and column.kind in ("text", "choice")


def _is_required(block: Block, name: str) -> bool:
    column = reference.tables()[block.export.table].columns.get(name)
    return column is not None and column.required


def _likely(rows: pd.DataFrame, keys: dict[str, list[Header]]) -> np.ndarray:
    """Places of rows that may be totals: all of a short table, else ends and gaps in the key."""
    if len(rows) <= _SHORT:
        return np.arange(len(rows))
    hit = np.zeros(len(rows), dtype=bool)
    hit[:_ENDS] = hit[-_ENDS:] = True
    for place in {header.place for headers in keys.values() for header in headers}:
        empty = is_empty(rows[place]).to_numpy()
        if empty.mean() < 0.01:  # else the column tells nothing
            hit |= empty
    return np.flatnonzero(hit)


@functools.cache
def _mark() -> re.Pattern[str]:
    entry = reference.row_words()
    before, behind = "|".join(map(re.escape, entry.before)), "|".join(entry.behind)
    word = "|".join(map(re.escape, sorted(entry.words, key=len, reverse=True)))
    return re.compile(f"(?:{before})*(?:{word})(?:{behind})*|{'|'.join(entry.alone)}")


@functools.lru_cache(maxsize=1 << 14)
def _mark_of(cell: str) -> str:
    """What a text marks: `total`, `statistic`, maybe `part` of a total (A 汇总), or nothing."""
    if len(cell) > _LONGEST or cell.isdecimal():
        return ""
    plain = re.sub(r"\s", "", unicodedata.normalize("NFKC", cell)).casefold().strip(":.。*")
    if plain in reference.row_words().statistics:
        return "statistic"
    if _mark().fullmatch(plain):
        return "total"
    return "part" if plain.endswith(tuple(reference.row_words().of_parts)) else ""


def _marks(cells: pd.Series) -> pd.Series:
    texts = {cell: _mark_of(cell.strip(SPACE)) for cell in set(cells) if isinstance(cell, str)}
    if not any(texts.values()):
        return pd.Series("", index=cells.index)
    return pd.Series([texts.get(cell, "") for cell in cells], index=cells.index)


_SCALE = re.compile("[万亿wk]", re.IGNORECASE)
_ROLES = ("marked", "hinted", "statistic", "bare", "edge")


def _hints(block: Block, rows: pd.DataFrame, keys: dict[str, list[Header]]) -> pd.DataFrame:
    """What speaks for a total, by row.

    marked: a word of a total; hinted: a name of the export's `totals`, or one behind which a word
    of a total stands; statistic: a word of an average, and not all that is required; bare: nothing
    of the key; edge: first or last (end), and the key has gaps; keyed: all that is required.
    """
    columns, export = reference.tables()[block.export.table].columns, block.export
    spoken = {block.headers[0].place} | {
        header.place
        for name, how in export.columns.items()
        if name not in columns or columns[name].kind in ("id", "text", "choice", "datetime")
        for header in block.places([*how.header, *how.joined])
    }
    mark_of = {place: _marks(rows[place]) for place in spoken}
    marked, statistic, hinted = (
        functools.reduce(np.logical_or, [marks == kind for marks in mark_of.values()])
        for kind in ("total", "statistic", "part")
    )
    for name, marks in export.totals.items():
        for header in block.places([name]):
            hinted = hinted | words(rows[header.place]).isin(marks)
    parts = {
        name: functools.reduce(
            np.logical_or,
            [
                ~is_empty(words(rows[h.place])) & mark_of[h.place].isin(["", "part"])
                for h in headers
            ],
        )
        for name, headers in keys.items()
    }
    whole = pd.DataFrame(parts, index=rows.index)
    required = [name for name in parts if _is_required(block, name)]
    some = whole.any(axis=1) if keys else pd.Series(False, index=rows.index)
    keyed = whole[required].all(axis=1) if required else some
    ends = pd.Series(False, index=rows.index)
    ends.iloc[[0, -1]] = True
    return pd.DataFrame(
        {
            "marked": marked,
            "hinted": hinted,
            "bare": ~some & bool(keys),
            "edge": ends & ~whole.all(axis=1),
            "end": ends,
            "statistic": statistic & ~keyed,
            "keyed": keyed,
        }
    )


def _role(row: dict[str, bool]) -> str:
    if row["statistic"]:
        return "statistic"
    if row["marked"] or row["hinted"]:
        return "maybe" if row["keyed"] else "marked"
    if row["bare"] or row["edge"]:
        return "bare" if row["bare"] else "edge"
    return "whole" if row["end"] else ""


# ---- what a row adds up


class _Figures(NamedTuple):
    """The numbers of rows by column; which columns add up, and how far sums may be off.

    People are counted once, so a total of theirs lies between the largest part and the sum.
    """

    values: np.ndarray
    adds: np.ndarray
    rounded: np.ndarray
    scaled: np.ndarray


def _figures(block: Block, rows: pd.DataFrame) -> _Figures | None:
    columns: dict[int, tuple[Column, pd.Series, bool]] = {}
    table = reference.tables()[block.export.table].columns
    for name, how in block.export.columns.items():
        column = table.get(name)
        if column is None or not (column.is_sum or column.kind == "users"):
            continue
        for header in block.places([*how.header, *how.plus]):
            cells = rows[header.place]
            scaled = any(
                isinstance(cell, str) and _SCALE.search(cell) for cell in cells.iloc[-_SHORT:]
            )
            cells = without_dots(cells) if column.kind in WHOLE and not scaled else cells
            read = parse.numbers(cells, kind="score", unit=header.unit_of(how)).values
            columns[header.place] = (column, read, scaled)
    if not columns:
        return None
    values = np.column_stack([read.to_numpy(float) for _, read, _ in columns.values()])
    return _Figures(
        values,
        np.array([column.is_sum for column, _, _ in columns.values()]),
        (np.nan_to_num(values) % 1 != 0).any(axis=0),
        np.array([scaled for _, _, scaled in columns.values()]),
    )


class _Search:
    """Settles which candidates (place → role) are sums: `sums` has their parts, `off` the rest."""

    def __init__(self, figures: _Figures, role: dict[int, str], *, named: bool) -> None:
        self.figures, self.role, self.named = figures, role, named
        self.filled = np.nan_to_num(figures.values)
        self.records = np.ones(len(self.filled), dtype=bool)
        self.records[[at for at, name in role.items() if name not in ("edge", "whole")]] = False
        self.sums: dict[int, np.ndarray] = {}
        self.off: dict[int, str] = {}

    def settle(self) -> None:
        self._by_grand_total()
        for _ in range(4):
            before = self.records.copy()
            for at, name in self.role.items():
                if name == "maybe" and at not in self.sums:
                    self.records[at] = self._parts(at, sure=True) is None
            if (before == self.records).all():
                break
        if self.named and not self._is_whole(self.records):
            self._find_parents()
        for at, name in self.role.items():
            if name == "edge":
                parts = self._parts(at, sure=True, least=2)
                if parts is not None and self._independent(at, parts):
                    self.records[at], self.sums[at] = False, parts
            elif name == "whole":
                self._take_out(at)
            elif not self.records[at] and at not in self.sums:
                self._judge(at, name)

    def _take_out(self, at: int) -> None:
        """A first or last row with a name and a time of its own is a sum only if all say so."""
        others = np.flatnonzero(self.records)
        others = others[others != at]
        adds = self.figures.adds & (self.filled[at] != 0)
        enough = self.records[at] and len(others) >= _FEWEST and adds.sum() >= _FEWEST
        if enough and self._agrees(at, others, sure=True) and self._independent(at, others):
            self.records[at], self.sums[at] = False, others

    def _judge(self, at: int, name: str) -> None:
        if name == "statistic":
            self.off[at] = name
            return
        parts = self._parts(at, sure=name == "maybe")
        if parts is None and self._undecidable(at):
            parts = np.zeros(0, dtype=int)
        if parts is not None:
            self.sums[at] = parts
        elif name == "maybe":
            self.records[at] = True
        else:
            self.off[at] = "total_off" if name == "marked" else "no_key"

    def _undecidable(self, at: int) -> bool:
        """Whether sums cannot tell: the row has no figures but 0, or there are no other rows."""
        if not self.filled[at].any():
            return self.role[at] == "marked" or not self.filled[self.records].any()
        return self.role[at] == "marked" and not self.records.any()

    def _parts(self, at: int, *, sure: bool, least: int = 1) -> np.ndarray | None:
        """The rows whose sum a row is: all, those up to the next total, or a run beside it.

        `sure`: all of its columns must agree, else one is enough; of a run all must.
        """
        others = np.flatnonzero(self.records)
        others = others[others != at]
        ends = np.flatnonzero(~self.records)
        above = others[(others < at) & (others > max(ends[ends < at], default=-1))]
        below = others[(others > at) & (others < min(ends[ends > at], default=len(self.records)))]
        for parts in (others, above, below):
            if len(parts) >= least and self._agrees(at, parts, sure=sure):
                return parts
        if len(others) <= _SHORT and sum(map(bool, self.role.values())) <= _NAMED:
            for run in (others[others < at][::-1], others[others > at]):
                size = self._run(at, run, least)
                if size:
                    return np.sort(run[:size])
        return None

    def _slack(self, sums: np.ndarray, count: np.ndarray | int) -> np.ndarray:
        """How far a stated total may be from the sum: its parts may have been rounded."""
        cents = (0.005 + 0.015 * np.sqrt(count)) * self.figures.rounded
        return 1e-6 + cents + np.abs(sums) * np.where(self.figures.scaled, _SCALED, 1e-9)

    def _agrees(self, at: int, parts: np.ndarray, *, sure: bool) -> bool:
        stated, sums = self.figures.values[at], self.filled[parts].sum(axis=0)
        given, slack = ~np.isnan(stated), self._slack(sums, len(parts))
        close, adds = np.abs(stated - sums) <= slack, self.figures.adds & given
        if (stated[adds] != 0).any():
            tells = (close & adds & (stated != 0)).any()
            return bool(tells and (not sure or (close[adds].all() and self._people(at, parts))))
        return bool((stated[given] != 0).any()) and self._people(at, parts)

    def _people(self, at: int, parts: np.ndarray) -> bool:
        stated = self.figures.values[at]
        people = ~np.isnan(stated) & ~self.figures.adds
        of_parts = self.filled[parts][:, people]
        most, least = of_parts.sum(axis=0), of_parts.max(axis=0, initial=0)
        fits = stated[people] <= most * (1 + _SCALED)
        return bool((fits & (stated[people] >= least * (1 - _SCALED))).all())

    def _run(self, at: int, run: np.ndarray, least: int) -> int:
        """How many rows of a run add up to a row in all of its columns; 0 where none do."""
        stated = self.figures.values[at]
        adds = self.figures.adds & ~np.isnan(stated)
        if not (stated[adds] != 0).any():
            return 0
        sums = self.filled[run].cumsum(axis=0)
        count = np.arange(1, len(run) + 1)[:, None]
        close = np.abs(stated - sums) <= self._slack(sums, count)
        sizes = np.flatnonzero(close[:, adds].all(axis=1)) + 1
        return next((n for n in sizes if n >= least and self._people(at, run[:n])), 0)

    def _independent(self, at: int, parts: np.ndarray) -> bool:
        """Whether two columns say so of which one is no multiple of the other."""
        columns = self.figures.adds & ~np.isnan(self.figures.values[at])
        return np.linalg.matrix_rank(self.filled[parts][:, columns]) >= 2

    def _is_whole(self, records: np.ndarray) -> bool:
        """Whether the records add up to the grand total that the table states."""
        parts = np.flatnonzero(records)
        marked = [at for at, name in self.role.items() if name == "marked"]
        return len(parts) > 0 and any(self._agrees(at, parts, sure=True) for at in marked)

    def _by_grand_total(self) -> None:
        """Of rows that may be parents, those that the stated grand total counts are leaves."""
        hinted = [at for at, name in self.role.items() if name == "maybe"]
        if not 0 < len(hinted) <= _HINTED:
            return
        for size in range(len(hinted) + 1):
            for parents in itertools.combinations(hinted, size):
                leaves = self.records.copy()
                leaves[[at for at in hinted if at not in parents]] = True
                if self._is_whole(leaves):
                    self.records = leaves
                    self.role = {at: name for at, name in self.role.items() if not leaves[at]}
                    self.sums = {at: np.zeros(0, dtype=int) for at in parents}
                    return

    def _find_parents(self) -> None:
        """Rows of names that add up rows beside them, unmarked: two columns must say so."""
        records = self.records.copy()
        for at in np.flatnonzero(self.records)[::-1]:
            parts = self._parts(int(at), sure=True, least=2)
            if parts is not None and self._independent(int(at), parts):
                self.records[at], self.sums[int(at)] = False, parts
        stated = any(name == "marked" for name in self.role.values())
        if stated and not self._is_whole(self.records):
            for at in np.flatnonzero(records & ~self.records):
                del self.sums[int(at)]
            self.records = records
