"""Finds the tables in a sheet by name alone, never by position: header row, export, columns."""

import functools
import re
import unicodedata
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import rapidfuzz

from helpers import reference
from helpers.clean.cells import to_arrow
from helpers.clean.template import NOT_ASKED
from helpers.reference import Export, SourceColumn, System, Unverified

_HEAD_ROWS = 60
_HEAD_COLUMNS = 4
_HINT = 3  # a fitting sheet or file name weighs as much as three known headers
_CLOSE = 60  # likeness in percent, under which no name is proposed
_OWN_SHARE = 0.8
_OWN_LEAST = 0.5
_LONGEST_NAME = 200  # characters of a cell that are looked at for a header
_TITLE_ROWS = 5
_FEWEST_FILLED = 3  # cells of a row above the headers that may be one of the table
UNITS = dict.fromkeys(
    ("元", "人民币", "rmb", "cny", "¥", "$", "rp", "人", "次", "件", "单", "个")
) | {
    "万": "wan",
    "万元": "wan",
    "万人": "wan",
    "万次": "wan",
    "w": "wan",
    "千": "thousand",
    "千元": "thousand",
    "k": "thousand",
    "百万元": "million",
    "亿元": "yi",
    "亿": "yi",
    "分钟": "minutes",
    "min": "minutes",
    "秒": "seconds",
    "s": "seconds",
    "小时": "hours",
    "h": "hours",
    "%": "percent",
}
UNSAID = "unsaid"
_ANY_UNIT = "|".join(re.escape(unit) for unit in sorted(UNITS, key=len, reverse=True))
# 金额(万元), 金额[单位:万元], 金额/万元, 金额 万元, 金额万元
_WITH_UNIT = re.compile(
    rf"(.+?)(?:[(\[【〔](?:单位:?)?({_ANY_UNIT})[)\]】〕]|[/,:、 _-](?:单位:?)?({_ANY_UNIT})"
    r"|((?:万|千|百万|亿)?元|分钟|小时))"
)
# 单位：万元, Unit: thousand, in millions; 金额（万元） over some of the columns
_MONEY_UNIT = r"(?:万|千|百万|亿)元"
_UNIT_ABOVE = re.compile(
    rf"单位[:\s]*(?:人民币)?\(?({_MONEY_UNIT})"
    r"|(?:\bunit:|\bin)\s*(?:[a-z]{3} )?(thousand|million)"
)
_UNIT_ALONE = re.compile(rf"[(\[]?(?:单位:?)?({_ANY_UNIT})[)\]]?")
_FOOT_ROWS = 3
_UNIT_OVER = re.compile(rf".*[(\[]({_MONEY_UNIT})[)\]]")


class Header(NamedTuple):
    """One header cell: its place, its text, the name it stands for, the unit it states.

    `known` is None where the name is unknown.
    """

    place: int
    text: str
    known: str | None
    unit: str | None

    def unit_of(self, how: SourceColumn) -> str | None:
        """The unit of the cells below: that which the header states, else the usual one."""
        return self.unit or how.unit


class Block(NamedTuple):
    """One table found in a sheet: its export, its headers, the rows below that are not blank.

    `title` stands above the headers; `last`: no other table follows in the sheet. `hidden` are
    numbers of hidden rows, `cut` that of the row in which the file ends; `shared` has column, value
    and reason of rows of which one figure cannot be told apart; `above`: how many rows above the
    headers look like rows of the table, and the number of the first.
    """

    system: System
    export: Export
    headers: tuple[Header, ...]
    rows: pd.DataFrame
    last: bool = True
    title: str = ""
    hidden: frozenset[int] = frozenset()
    cut: int | None = None
    shared: pd.DataFrame | None = None
    above: tuple[int, int] = (0, 0)

    @property
    def unmapped(self) -> list[str]:
        return [header.text for header in self.headers if header.known is None]

    def places(self, names: Iterable[str]) -> list[Header]:
        """Header cells of these names, in the order of the names."""
        header_of = {header.known: header for header in reversed(self.headers)}
        return [header_of[name] for name in dict.fromkeys(map(normal, names)) if name in header_of]


class Candidate(NamedTuple):
    """An export with the names that it knows: of headers, its signature, of sheets.

    `bare` gives the names that bear a unit, and it, by what is left without it; `asked` are those
    of durations whose unit is asked for where a header states none.
    """

    system: System
    export: Export
    known: frozenset[str]
    bare: dict[str, tuple[str, str | None]]
    signature: tuple[frozenset[str], ...]
    sheets: frozenset[str]
    asked: frozenset[str]


@functools.lru_cache(maxsize=1 << 14)
def normal(header: str) -> str:
    """A header as names are compared: width, spaces, required marks and case are levelled."""
    text = unicodedata.normalize("NFKC", header).replace("\ufeff", "")
    text = re.sub(r"\s+", " ", text).strip(" '\"*")
    return re.sub(r"\s*([()\[\]/:、,])\s*", r"\1", text).casefold()


def candidates(systems: Iterable[System]) -> list[Candidate]:
    """Every export with all the header names that it knows."""
    return [_candidate(system, export) for system in systems for export in system.exports]


def _candidate(system: System, export: Export) -> Candidate:
    names = [*export.ignore, *export.personal, *_read(export)]
    if export.sub_rows and export.sub_rows.header:
        names.append(export.sub_rows.header)
    signature = tuple(frozenset(map(normal, entry.split("|"))) for entry in export.headers)
    all_names = frozenset(map(normal, names)).union(*signature)
    read = map(normal, _read(export))
    bare = {plain: (name, unit) for name in read for plain, unit in [_split_unit(name)]}
    bare = {plain: named for plain, named in bare.items() if plain != named[0]}
    sheets = frozenset(map(normal, export.sheet))
    columns = reference.tables()[export.table].columns
    asked = frozenset(
        normal(header)
        for name, how in export.columns.items()
        if name in columns and columns[name].least
        for header in how.header
    )
    return Candidate(system, export, all_names, bare, signature, sheets, asked)


def _read(export: Export) -> list[str]:
    """Names that a mapping reads; it knows others to leave them."""
    return [
        *export.reported,
        *export.totals,
        *export.list_amount,
        *export.list_price,
        *export.tells_apart,
        *(
            name
            for how in export.columns.values()
            for name in (*how.header, *how.plus, *how.joined)
        ),
    ]


def places_read(block: Block) -> frozenset[int] | None:
    """The columns of a table whose cells are looked at (None: all)."""
    if block.export.layout != "rows" or block.export.sub_rows:
        return None
    wanted = frozenset(map(normal, _read(block.export)))
    return frozenset(
        [
            *range(_HEAD_COLUMNS),
            block.headers[0].place,
            *(header.place for header in block.headers if header.known in wanted),
        ]
    )


def places_wanted(
    grid: pd.DataFrame, file: str, *, candidates: list[Candidate]
) -> frozenset[int] | None:
    """The columns that matter of a long text that begins with these rows (None: unclear)."""
    blocks = tables(grid, sheet="", file=file, candidates=candidates)
    return places_read(blocks[0]) if len(blocks) == 1 else None


def tables(
    grid: pd.DataFrame, *, sheet: str, file: str, candidates: list[Candidate]
) -> list[Block]:
    """The tables of a sheet, from top to bottom; none where no export is recognised."""
    level = [candidate for candidate in candidates if candidate.export.layout != "vertical"]
    top = [_texts(row) for row in grid.iloc[: _HEAD_ROWS + 1].to_numpy(dtype=object)]
    starts = []
    position = 0
    for row in _likely_rows(grid, candidates):
        if row < position:
            continue
        header = _header_at(grid, row, top, sheet=sheet, file=file, candidates=level)
        if header is not None:
            starts.append((row, *header))
            position = row + header[0]
    if all(candidate.export.layout != "rows" for _, _, candidate, _ in starts):
        # names in a column: a row of them has one name beside its value, and may pass for a row of
        # headers
        upright = _upright(grid, sheet=sheet, file=file, candidates=candidates)
        most = max((_count_known(headers) for *_, headers in starts), default=0)
        if upright and _count_known(upright.headers) > most:
            return [upright]
    if not starts:
        return []
    ends = [*(row for row, *_ in starts[1:]), len(grid)]
    blocks = [
        Block(
            candidate.system,
            candidate.export,
            _with_units_around(headers, candidate.export, grid.iloc[:end], row, depth),
            not_blank(grid.iloc[row + depth : end]),
            end == len(grid),
            _title(grid, row),
        )
        for (row, depth, candidate, headers), end in zip(starts, ends, strict=True)
    ]
    whole = [blocks[0]._replace(above=_records_above(grid.iloc[: starts[0][0]], blocks[0]))]
    for (row, *_), block in zip(starts[1:], blocks[1:], strict=True):
        if _goes_on(whole[-1], block, grid, row):
            both = pd.concat([whole[-1].rows, block.rows])
            whole[-1] = whole[-1]._replace(rows=both, last=block.last)
        else:
            whole.append(block)
    return whole


def _goes_on(first: Block, second: Block, grid: pd.DataFrame, row: int) -> bool:
    """Whether the headers of a table are only repeated, as they are on each page of a print."""
    if second.headers != first.headers or second.export != first.export or first.export.title:
        return False
    above = grid.iloc[row - 1]
    cells = above.notna() & (above.astype("str").str.strip() != "")
    return bool(first.export.layout == "rows" and cells.sum() > 1)


def _records_above(rows: pd.DataFrame, block: Block) -> tuple[int, int]:
    """How many rows from the first that fills half of a table's columns, not with words alone.

    Such rows are above its headers where somebody sorted these among the rows. And its number.
    """
    least = max(_FEWEST_FILLED, len(block.headers) / 2)
    if block.export.layout != "rows" or rows.empty:
        return (0, 0)
    places = [header.place for header in block.headers]
    for at, cells in enumerate(rows.iloc[:_HEAD_ROWS][places].to_numpy(dtype=object)):
        texts = [str(cell).strip() for cell in cells if not pd.isna(cell)]
        figures = any(re.fullmatch(r"\W*\d[\d\W]*", text) for text in texts)
        if sum(map(bool, texts)) >= least and figures:
            return len(not_blank(rows.iloc[at:])), int(rows.index[at])
    return (0, 0)


def _with_units_around(
    headers: tuple[Header, ...], export: Export, grid: pd.DataFrame, row: int, depth: int
) -> tuple[Header, ...]:
    """The headers with the units that stand around them, where they state none.

    In a row of their own below the headers; for those of money also above them, or in a remark in
    the last rows.
    """
    columns = reference.tables()[export.table].columns
    below = _units_below(grid, row + depth)
    above, foot = normal(_title(grid, row)), normal(_remarks_below(grid, row + depth))
    stated = _UNIT_ABOVE.search(above) or _UNIT_ABOVE.search(foot)
    if stated is None and not below and not re.search(_MONEY_UNIT, above):
        return headers
    of_all = (UNITS.get(stated[1]) or stated[2]) if stated else None
    over = {
        place: match and UNITS[match[1]]
        for place, text in enumerate(_texts(grid.iloc[row - 1]))
        if text
        for match in [_UNIT_OVER.fullmatch(normal(text))]
    }
    money = {
        normal(name)
        for column, how in export.columns.items()
        if column in columns and columns[column].kind == "money"
        for name in (*how.header, *how.plus)
    }

    def with_unit(header: Header) -> Header:
        if _split_unit(normal(header.text))[0] != normal(header.text):
            return header
        if header.known and header.place in below:
            return header._replace(unit=below[header.place])
        if header.known not in money:
            return header
        over_it = [unit for place, unit in over.items() if place <= header.place]
        return header._replace(unit=(over_it[-1] if over_it else None) or of_all)

    return tuple(map(with_unit, headers))


def _units_below(grid: pd.DataFrame, row: int) -> dict[int, str | None]:
    """By place the units in a row of words alone below the headers."""
    texts = _texts(grid.iloc[row].to_numpy(dtype=object)) if row < len(grid) else []
    if any(char.isdigit() for text in texts for char in text):
        return {}
    matches = {place: _UNIT_ALONE.fullmatch(normal(text)) for place, text in enumerate(texts)}
    return {place: UNITS[match[1]] for place, match in matches.items() if match}


def _remarks_below(grid: pd.DataFrame, row: int) -> str:
    """The texts that stand alone in the last rows of a table."""
    last = grid.iloc[max(row, len(grid) - _FOOT_ROWS) :].to_numpy(dtype=object)
    rows = [[text for text in _texts(cells) if text] for cells in last]
    return " ".join(texts[0] for texts in rows if len(texts) == 1)


def _count_known(headers: tuple[Header, ...]) -> int:
    return sum(header.known is not None for header in headers)


def _title(grid: pd.DataFrame, row: int) -> str:
    above = grid.iloc[max(row - _TITLE_ROWS, 0) : row].to_numpy(dtype=object)
    return " ".join(text for cells in above for text in _texts(cells) if text)


def not_blank(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with at least one cell that is not empty."""
    filled = np.zeros(len(rows), dtype=bool)
    for column in rows:
        cells = rows[column]
        filled |= (cells.notna() & (cells.astype("str").str.strip() != "")).to_numpy(dtype=bool)
        if filled.all():
            break
    return rows if filled.all() else rows[filled]


def _likely_rows(grid: pd.DataFrame, candidates: list[Candidate]) -> list[int]:
    """The first rows, and later ones whose first cells are known names."""
    if len(grid) <= _HEAD_ROWS:
        return list(range(len(grid)))
    names = set().union(*(candidate.known for candidate in candidates))
    known_names = pa.array(names, pa.large_string())
    later = np.zeros(len(grid), dtype=bool)
    for column in list(grid)[:_HEAD_COLUMNS]:
        cells = grid[column].iloc[_HEAD_ROWS:]
        category = isinstance(cells.dtype, pd.CategoricalDtype)
        values = pd.Series(cells.cat.categories) if category else cells
        plain = pc.utf8_lower(pc.utf8_trim_whitespace(to_arrow(values.astype("str"))))
        hit = pc.is_in(plain, known_names).to_numpy(zero_copy_only=False)
        later[_HEAD_ROWS:] |= hit[cells.cat.codes] if category else hit
    return [*range(_HEAD_ROWS), *np.flatnonzero(later)]


def _header_at(
    grid: pd.DataFrame,
    row: int,
    first_rows: list[list[str]],
    *,
    sheet: str,
    file: str,
    candidates: list[Candidate],
) -> tuple[int, Candidate, tuple[Header, ...]] | None:
    """Headers may stand in this row alone or go on in the next (merged headers)."""
    top = first_rows[row] if row < len(first_rows) else _texts(grid.iloc[row])
    best = _best(top, sheet=sheet, file=file, candidates=candidates)
    if best is not None or row + 1 >= len(grid) or not any(top):
        return (1, *best) if best else None
    below = first_rows[row + 1] if row + 1 < len(first_rows) else _texts(grid.iloc[row + 1])
    if _best(below, sheet=sheet, file=file, candidates=candidates) is not None:
        return None
    both = [low or high for high, low in zip(top, below, strict=True)]
    best = _best(both, sheet=sheet, file=file, candidates=candidates)
    return (2, *best) if best else None


def _texts(cells: Iterable[object]) -> list[str]:
    return [cell[:_LONGEST_NAME].strip() if isinstance(cell, str) else "" for cell in cells]


def _best(
    texts: list[str], *, sheet: str, file: str, candidates: list[Candidate]
) -> tuple[Candidate, tuple[Header, ...]] | None:
    plain = [normal(text) for text in texts]
    present = set(plain) | {_split_unit(name)[0] for name in plain}
    best, best_weight, tied = None, (0.0, 0.0), False
    for candidate in candidates:
        if not all(names & present for names in candidate.signature):
            continue
        weight = (
            _score(plain, candidate, sheet=sheet, file=file),
            (len(candidate.signature) if _is_own(candidate) else np.inf),
        )
        if weight[0] and weight > best_weight:
            best, best_weight, tied = candidate, weight, False
        elif best and weight == best_weight and _is_own(candidate):
            tied = True
    return (best, headers(texts, best)) if best and not tied else None


def _score(plain: list[str], candidate: Candidate, *, sheet: str, file: str) -> float:
    """Known headers plus the weight of fitting names.

    0 where our own template would leave too much unexplained: no name fits, most headers are
    unknown, and the row names few of the sheet's columns or more others.
    """
    filled = [name for name in plain if name]
    explained = sum(_known(name, candidate)[0] is not None for name in filled)
    sheet_fits = normal(sheet) in candidate.sheets
    pattern = candidate.export.file_name
    file_fits = pattern is not None and re.search(pattern, file) is not None
    columns = candidate.export.columns.keys() - NOT_ASKED
    whole = explained >= max(_OWN_SHARE * len(columns), _OWN_LEAST * len(filled))
    enough = sheet_fits or file_fits or whole or explained >= _OWN_SHARE * len(filled)
    if _is_own(candidate) and not enough:
        return 0
    return explained + _HINT * (sheet_fits + file_fits)


def _is_own(candidate: Candidate) -> bool:
    return candidate.export.grade == "own"


@functools.lru_cache(maxsize=1 << 14)
def _split_unit(name: str) -> tuple[str, str | None]:
    match = _WITH_UNIT.fullmatch(name)
    if match is None:
        return name, None
    return match[1].strip(), UNITS[match[2] or match[3] or match[4]]


def _known(name: str, candidate: Candidate) -> tuple[str | None, str | None]:
    """The name that an export knows for a header, and the unit that the header states for it.

    Known with another unit (直播时长(分钟) for 直播时长(小时)), it is that name; without any unit
    it is one that is known in plain money or pieces, or a duration that is asked about (`UNSAID`).
    """
    if name in candidate.known:
        return name, None
    plain, unit = _split_unit(name)
    if plain in candidate.known:
        return plain, unit
    full, usual = candidate.bare.get(plain, (None, None))
    if plain == name and usual is not None:
        return (full, UNSAID) if full in candidate.asked else (None, None)
    return full, unit


def headers(texts: list[str], candidate: Candidate) -> tuple[Header, ...]:
    """The header cells of a row, each with the known name that it stands for.

    Of repeated names the first counts, unless the mapping knows the second as `name#2`.
    """
    cells: list[Header] = []
    names: set[str] = set()
    exact = candidate.known.intersection(map(normal, texts))
    for place, text in enumerate(texts):
        if not text:
            continue
        name = normal(text)
        name = f"{name}#2" if name in names and f"{name}#2" in candidate.known else name
        names.add(name)
        stands_for, unit = _known(name, candidate)
        stands_for = stands_for if stands_for == name or stands_for not in exact else None
        cells.append(Header(place, re.sub(r"\s+", " ", text), stands_for, unit))
    return tuple(cells)


def _upright(
    grid: pd.DataFrame, *, sheet: str, file: str, candidates: list[Candidate]
) -> Block | None:
    """Names in one column, values in the next: a block of one row."""
    one_row = [candidate for candidate in candidates if candidate.export.layout != "rows"]
    if len(grid) > 500 or len(grid.columns) < 2:
        return None
    best = None
    for column in list(grid)[:3]:
        texts = _texts(grid[column])
        if column + 1 not in grid:
            continue
        fitting = _best(texts, sheet=sheet, file=file, candidates=one_row)
        if fitting and (best is None or len(fitting[1]) > len(best[1])):
            best = (*fitting, column)
    if best is None or _count_known(best[1]) < 2:
        return None
    candidate, heads, column = best
    first_row = grid.index[heads[0].place]
    values = pd.DataFrame([grid[column + 1].tolist()], index=[first_row], dtype=object)
    return Block(candidate.system, candidate.export, heads, values)


def nearest(grid: pd.DataFrame, candidates: list[Candidate]) -> tuple[Candidate, list[str]] | None:
    """The export that shares the most header names with a sheet, and those it needs and lacks."""
    best, best_count = None, 1
    for row in range(min(_HEAD_ROWS, len(grid))):
        plain = {normal(text) for text in _texts(grid.iloc[row]) if text}
        for candidate in candidates:
            count = len(plain & candidate.known)
            if count > best_count:
                lacking = [
                    "/".join(sorted(names)) for names in candidate.signature if not names & plain
                ]
                best, best_count = (candidate, lacking), count
    return best


def undecided(grid: pd.DataFrame, candidates: list[Candidate]) -> list[Export]:
    """Sheets of our own template that know half of a row that was not recognised.

    Their required headers are there: a name would decide.
    """
    for row in range(min(_HEAD_ROWS, len(grid))):
        plain = [normal(text) for text in _texts(grid.iloc[row]) if text]
        counts = [
            (sum(name in candidate.known for name in plain), candidate.export)
            for candidate in candidates
            if _is_own(candidate) and all(names & set(plain) for names in candidate.signature)
        ]
        most = max((count for count, _ in counts), default=0)
        if most >= max(_OWN_LEAST * len(plain), 1):
            return [export for count, export in counts if count == most]
    return []


def unverified(
    grid: pd.DataFrame, *, sheet: str, file: str, systems: Iterable[System]
) -> tuple[System, Unverified] | None:
    """The export of unverified layout that a sheet's file, name or title speaks of.

    Where they name a platform or system, only of those.
    """
    names = normal(" ".join([file, sheet, _title(grid, min(_TITLE_ROWS, len(grid)))]))
    systems = list(systems)
    labels = {("platform", code): label for code, label in reference.terms()["platform"].items()}
    labels |= {("system", system.system): system for system in systems}
    named = {
        which
        for which, label in labels.items()
        if normal(label.zh) in names or normal(label.en) in names
    }
    fitting = [
        (max(map(len, words)), system, export)
        for system in systems
        if not named or {("system", system.system), ("platform", system.platform)} & named
        for export in system.unverified
        if (words := [word for word in export.words if _all_in(word, names)])
    ]
    # the longest word says most
    return max(fitting, key=lambda entry: entry[0])[1:] if fitting else None


def _all_in(word: str, names: str) -> bool:
    return all(part in names for part in normal(word).split())


def proposals(unmapped: Iterable[str], export: Export) -> pd.DataFrame:
    """Which canonical column an unknown header may be.

    One row per header: header, column, alias and score (0 to 100); none below `_CLOSE`. Compared
    with the names that this export knows, then with the labels of its canonical table. A suggestion
    for a person to confirm and write into the mapping file, never applied.
    """
    labels = {
        name: column
        for column, label in reference.tables()[export.table].columns.items()
        for name in (label.zh, label.en, column)
    }
    aliases = labels | {
        alias: column for column, how in export.columns.items() for alias in how.header
    }
    plain = {normal(alias): alias for alias in aliases}
    rows = []
    for header in unmapped:
        name = _split_unit(normal(header))[0]
        close = rapidfuzz.process.extractOne(
            name, list(plain), scorer=rapidfuzz.fuzz.ratio, score_cutoff=_CLOSE
        )
        alias, score = (plain[close[0]], close[1]) if close else (None, 0.0)
        rows.append((header, aliases.get(alias), alias, score))
    return pd.DataFrame(rows, columns=["header", "column", "alias", "score"])
