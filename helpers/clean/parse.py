"""Turns columns of cells into typed values: one parser a kind, over whole columns, for every notation that was seen.

Each parser returns `Parsed`: the values (missing where there is none), the cells that could not be
read, why, and notes.
"""

from __future__ import annotations

import datetime as dt
import fnmatch
import functools
import hashlib
import itertools
import re
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from helpers.clean import limits
from helpers.clean.recognise import normal
from helpers.core import privacy

DayOrder = Literal["day", "month", "mixed", "open"]
EMPTY = {
    "",
    "-",
    "--",
    "—",
    "——",
    "–",
    "/",
    "\\",
    "n/a",
    "na",
    "null",
    "none",
    "nan",
    "nat",
    "无",
    "暂无",
    "暂无数据",
    "#n/a",
}
LATER = {"数据将于第二天更新", "待更新"}
NO_REFUND = {"无退款申请", "没有申请退款"}
NEVER = {"0000-00-00 00:00:00", "0000-00-00"}
CURRENCIES = {
    "rp": "IDR",
    "idr": "IDR",
    "¥": "CNY",
    "￥": "CNY",
    "元": "CNY",
    "cny": "CNY",
    "rmb": "CNY",
    "฿": "THB",
    "thb": "THB",
    "₫": "VND",
    "đ": "VND",
    "vnd": "VND",
    "₱": "PHP",
    "php": "PHP",
    "rm": "MYR",
    "myr": "MYR",
    "s$": "SGD",
    "sgd": "SGD",
    "us$": "USD",
    "usd": "USD",
    "$": "USD",
    "£": "GBP",
    "gbp": "GBP",
    "€": "EUR",
    "eur": "EUR",
}
_CURRENCY = "|".join(re.escape(mark) for mark in sorted(CURRENCIES, key=len, reverse=True))
_DOT_THOUSANDS = {"IDR", "VND"}
_SCALE = {"亿": 1e8, "万": 1e4, "w": 1e4, "千": 1e3, "k": 1e3, "m": 1e6, "b": 1e9}
_FACTOR = {
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86400.0,
    "fraction": 1.0,
    "wan": 1e4,
    "thousand": 1e3,
}
_DIVISOR = {"percent": 100.0, "fen": 100.0}  # divided, as 35 x 0.01 is not 0.35
_SPAN = (
    r"[\d.,]+[万亿千wkm%]?(?:[~～-]|至|到)[\d.,]+[万亿千wkm%]?|[<>≥≤][\d.,]+[万亿千"
    r"wkm%]?|[\d.,]+[万亿千wkm%]?\+"
)
_NOTHING = {
    "".join(marks)
    for word in EMPTY | LATER | NO_REFUND | NEVER
    for marks in itertools.product(*({mark, mark.upper()} for mark in word))
}
_SPACE = " \t\r\n\xa0\u3000\u200b\ufeff"
_YES = {"是", "有", "y", "yes", "true", "1", "1.0", "t", "√", "已", "对"}
_NO = {"否", "n", "no", "false", "0", "0.0", "f", "×", "未", "不是"}
LONGEST = 100 * 86400.0
_ZERO_DAY = dt.datetime(1899, 12, 30)


class Parsed(NamedTuple):
    """A column parsed: values, which cells could not be read, the reason's code (`terms.yml`: reason), and notes on the whole column.

    `noted` are the cells that the notes speak of: each note begins with their count.
    """

    values: pd.Series
    bad: pd.Series
    reason: str = ""
    notes: tuple[str, ...] = ()
    noted: pd.Series | None = None


# ---- each value once
# --------------------------------------------------------------------------------------------


def distinct(cells: pd.Series) -> tuple[pd.Series, np.ndarray | None]:
    """The values that occur in a column, and which of them each cell holds; plain text stays as it is, cell by cell."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        codes = cells.cat.codes.to_numpy()
        occurs = np.zeros(len(cells.cat.categories), dtype=bool)
        occurs[codes] = True
        return pd.Series(cells.cat.categories[occurs]), (occurs.cumsum() - 1)[codes]
    if cells.dtype == object:
        seen: dict[tuple[type, object], int] = {}
        places = [seen.setdefault((type(cell), cell), len(seen)) for cell in cells]
        return pd.Series([cell for _, cell in seen], dtype=object), np.array(places, dtype=np.int64)
    return cells, None


def _spread(values: pd.Series, places: np.ndarray | None, cells: pd.Series) -> pd.Series:
    """Per cell what was found for its value."""
    return values if places is None else pd.Series(values.array.take(places), index=cells.index)


def _each_once(parser: Callable[..., Parsed]) -> Callable[..., Parsed]:
    """The parser of a whole column, made from one that need only see each of its values once."""

    @functools.wraps(parser)
    def whole(cells: pd.Series, **options: object) -> Parsed:
        values, places = distinct(cells)
        found = parser(values, **options)
        noted = None if found.noted is None else _spread(found.noted, places, cells)
        notes = tuple(f"{int(noted.sum())} {note}" for note in found.notes)
        return Parsed(
            _spread(found.values, places, cells),
            _spread(found.bad, places, cells),
            found.reason,
            notes,
            noted,
        )

    return whole


# ---- cells to text
# ----------------------------------------------------------------------------------------------


def words(cells: pd.Series, *, code: bool = True) -> pd.Series:
    """Cells as trimmed text; empty cells are missing. With `code` also the marks that spreadsheets put before ids go."""
    if isinstance(cells.dtype, pd.CategoricalDtype):
        values, places = distinct(cells)
        return _spread(words(values, code=code), places, cells)
    if isinstance(cells.dtype, pd.StringDtype):
        found = cells.str.strip(_SPACE)
    else:
        found = pd.Series([_word(cell) for cell in cells], index=cells.index, dtype="str")
    if code:
        marked = found.str.startswith(("'", "=", "`", "‘"), na=False)
        if marked.any():
            found = found.mask(
                marked,
                found[marked].str.replace(r'^[\'`‘]+|^="|"$', "", regex=True).str.strip(_SPACE),
            )
    return found.mask(found == "")


def _word(cell: object) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell.strip(_SPACE) if cell else None
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float):
        return (
            None
            if np.isnan(cell)
            else (f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e22 else repr(cell))
        )
    return str(cell)


def is_empty(found: pd.Series) -> pd.Series:
    """Cells that say that there is nothing: empty, a dash, a slash, `无退款申请`, a value that comes only tomorrow."""
    return found.isna() | found.isin(_NOTHING)


@_each_once
def text(cells: pd.Series, *, verbatim: bool = False) -> Parsed:
    """Free text with phone numbers, identity numbers and e-mail addresses masked; `verbatim` keeps a lone dash as text."""
    found = words(cells, code=False)
    if not verbatim:
        found = found.mask(is_empty(found))
    long = found.str.len().gt(limits.MAX_CELL).fillna(False).astype(bool)
    return Parsed(masked(found.mask(long)), long, "too_long")


def masked(found: pd.Series) -> pd.Series:
    """Text with phone numbers, identity numbers, e-mail and postal addresses replaced by `***`."""
    risky = found.str.contains(privacy.LIKELY.pattern, regex=True, na=False)
    if not risky.any():
        return found
    return found.mask(risky, found[risky].map(mask_text).astype("str"))


_PERSONAL = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"  # e-mail
    # identity number
    r"|(?<!\d)\d{6}(?:18|19|20)\d{2}(?:0\d|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx](?!\d)"
    # Chinese mobile
    r"|(?<!\d)(?:(?:\+|00)\d{1,3}[- ]?)?[1１][3-9３-９]\d[- .]?\d{4}[- .]?\d{4}(?!\d)"
    r"|(?<!\d)(?:\+|00)\d{1,3}[- .]?(?:\d[- .]?){6,11}\d(?!\d)"  # international number
    # landline, Indonesian mobile
    r"|(?<!\d)0\d{2,3}[- ]?\d{7,8}(?!\d)|(?<!\d)0\d{2,3}[- ]\d{3,4}[- "
    r"]\d{3,4}(?!\d)|(?<!\d)08\d{8,11}(?!\d)"
)


def mask_text(value: str) -> str:
    """One text with phone numbers, identity numbers, e-mail and postal addresses replaced by `***`, wider than they are searched for."""
    return privacy.hide(_PERSONAL.sub("***", value))


@_each_once
def hashed(cells: pd.Series, *, key: bytes) -> Parsed:
    """People's ids as keyed hashes (BLAKE2b, 16 hex digits): the same person keeps one mark, nobody can go back without the key."""
    found = words(cells)
    found = found.mask(is_empty(found))
    secret = key if len(key) <= 64 else hashlib.blake2b(key).digest()
    marks = {
        value: hashlib.blake2b(value.encode(), key=secret, digest_size=8).hexdigest()
        for value in found.dropna().unique()
    }
    return Parsed(found.map(marks).astype("str"), _none(cells))


@_each_once
def ids(cells: pd.Series) -> Parsed:
    """Ids as text. Ids that lost digits in a spreadsheet (long numbers, all ending in 0 or written 1.86E+15) are missing, with a note."""
    found = words(cells)
    found = found.mask(is_empty(found))
    pointed = found.str.contains(".", regex=False, na=False)
    if pointed.any():
        found = found.mask(pointed, found[pointed].str.replace(r"\.0+$", "", regex=True))
    science = found.str.fullmatch(r"\d(?:\.\d+)?[eE]\+?\d{2}", na=False)
    long = found.str.fullmatch(r"\d{16,}", na=False)
    rounded = found[long].str.endswith("0")
    chopped = long & (bool(rounded.all()) and found[long].nunique() >= 3)
    broken = science | chopped | (long & ~_is_text(cells))  # a number cell holds 15 digits
    if not broken.any():
        return Parsed(found, _none(cells))
    note = (
        "ids have lost their last digits in a spreadsheet (for example "
        f"{found[broken].iloc[0]}): left out, never joined on"
    )
    return Parsed(found.mask(broken), _none(cells), "lost_digits", (note,), broken)


@_each_once
def choice(
    cells: pd.Series,
    *,
    labels: dict[str, str] | None,
    words_of: dict[str, str] | None = None,
    free: bool = False,
) -> Parsed:
    """Choices as codes where the choice is closed (`labels`: normal label → code), as given where it is open; `free` text is masked."""
    found = words(cells)
    found = found.mask(
        is_empty(found) & ~found.isin(LATER)
    )  # that an attribution is still to come is an answer
    if words_of:
        patterns = {value: _by_pattern(value, words_of) for value in found.dropna().unique()}
        found = found.map(patterns).astype("str")
    if labels is None:
        return Parsed(masked(found) if free else found, _none(cells))
    codes = found.map(
        {value: labels.get(normal(value)) for value in found.dropna().unique()}
    ).astype("str")
    return Parsed(codes, codes.isna() & found.notna(), "unknown_choice")


def _by_pattern(value: str, words_of: dict[str, str]) -> str:
    return next(
        (code for pattern, code in words_of.items() if fnmatch.fnmatchcase(value, pattern)), value
    )


@_each_once
def flag(cells: pd.Series, *, words_of: dict[str, str] | None = None) -> Parsed:
    """Yes and no in their usual words as pandas booleans."""
    found = words(cells)
    found = found.mask(is_empty(found))
    if words_of:
        found = found.map(
            {value: _by_pattern(value, words_of) for value in found.dropna().unique()}
        ).astype("str")
    low = found.str.lower()
    yes, no = low.isin(_YES), low.isin(_NO)
    values = pd.Series(pd.NA, index=cells.index, dtype="boolean").mask(yes, True).mask(no, False)
    return Parsed(values, found.notna() & ~yes & ~no, "not_a_flag")


# ---- numbers
# ----------------------------------------------------------------------------------------------------


@_each_once
def numbers(cells: pd.Series, *, kind: str, unit: str | None = None) -> Parsed:
    """Counts, money and rates as floats: signs of money, 万 and w, thousands marks of either kind, percent signs.

    A range (`7.5w~10w`) or an open figure (`10w+`) is no value: missing, with a note.
    """
    factor, divisor = _FACTOR.get(unit, 1.0), _DIVISOR.get(unit, 1.0)
    if cells.dtype == object and all(type(cell) in (int, float) for cell in cells):
        return Parsed(cells.astype("float64") * factor / divisor, _none(cells))
    found = words(cells)
    found = found.mask(is_empty(found))
    values = _floats(found) * factor / divisor
    rest = found.notna() & ~np.isfinite(values)
    spans = pd.Series(False, index=cells.index)
    if rest.any():
        style = _thousands(found)
        again = found.notna() if style == "." else rest
        slow, spans_found = _figures(
            found[again], style=style, kind=kind, factor=factor, divisor=divisor
        )
        values = values.mask(again, slow)
        spans = spans_found.reindex(cells.index, fill_value=False).astype(bool)
    unread = found.notna() & ~np.isfinite(values) & ~spans
    values = values.where(np.isfinite(values))
    notes = (
        (f"values are ranges (for example {found[spans].iloc[0]}): left out",)
        if spans.any()
        else ()
    )
    return Parsed(values, unread, "not_a_number", notes, spans)


def _floats(found: pd.Series) -> pd.Series:
    """Plain numbers as floats, other text as missing; at once where the column holds nothing else."""
    try:
        return pd.Series(
            pa.array(found, pa.large_string(), from_pandas=True)
            .cast(pa.float64())
            .to_numpy(zero_copy_only=False),
            index=found.index,
        )
    except pa.ArrowInvalid:
        return pd.to_numeric(found, errors="coerce").astype("float64")


def impossible(values: pd.Series, kind: str) -> pd.Series:
    """Values that no export can mean: negative counts, money and durations, rates above 1, durations above 100 days, years outside 2000 to 2099."""
    if kind == "datetime":
        return values.notna() & ~values.dt.year.between(2000, 2099)
    if not pd.api.types.is_float_dtype(values.dtype):
        return _none(values)
    most = {"rate": 1.0, "seconds": LONGEST}.get(kind, np.inf)
    return ((values < 0) & (kind != "score")) | (values > most)


def _thousands(found: pd.Series) -> str:
    """Which mark groups thousands in this column: "." as in Rp9.467.316 (or with a decimal comma), or ","."""
    written = "\n".join(found.dropna().unique())
    comma_groups = re.search(r"\d,\d{3}(?:[,.]|\D*$)", written, re.MULTILINE)
    if re.search(r"\d\.\d{3}\.\d{3}|\d\.\d{3},\d", written):
        return "."
    decimal_comma = re.search(r"\d,\d{1,2}\D*$", written, re.MULTILINE)
    return "." if not comma_groups and (decimal_comma or currency(found) in _DOT_THOUSANDS) else ","


_SIGN = re.compile(
    rf"^[-+]?[ ]*({_CURRENCY})[ ]*[-+\d.]|\d[ ]*({_CURRENCY})$", re.IGNORECASE | re.MULTILINE
)


def currency(cells: pd.Series) -> str | None:
    """The ISO code of the first sign of money in the texts of a column, or None."""
    values, _ = distinct(cells)
    found = values[_is_text(values)].astype("str")
    sign = _SIGN.search("\n".join(found.dropna().head(200)))
    return CURRENCIES[(sign[1] or sign[2]).lower()] if sign else None


def _figures(
    found: pd.Series, *, style: str, kind: str, factor: float, divisor: float
) -> tuple[pd.Series, pd.Series]:
    plain = (
        found.str.normalize("NFKC")
        .str.lower()
        .str.replace(rf"{_CURRENCY}|[\s_]|[人次件单个]$", "", regex=True)
    )
    spans = plain.str.fullmatch(_SPAN, na=False)
    group, point = (r"\.", ",") if style == "." else ("[,']", r"\.")
    parts = plain.str.extract(
        rf"^([-+]?)(\d{{1,3}}(?:{group}\d{{3}})+(?:{point}\d+)?|\d+(?:{point}\d*)?|{point}\d+)([万"
        r"亿千wkmb]?)(%?)$"
    )
    digits = parts[1].str.replace(group, "", regex=True).str.replace(",", ".", regex=False)
    figure = pd.to_numeric(digits, errors="coerce").astype("float64")
    percent = parts[3] == "%"
    scale = parts[2].map(_SCALE).astype("float64").fillna(1.0)
    sign = np.where(parts[0] == "-", -1.0, 1.0)
    values = (
        figure * scale * sign * np.where(percent, 1.0, factor) / np.where(percent, 100.0, divisor)
    )
    if kind not in ("rate", "ratio", "score"):
        values = values.mask(percent)
    return values, spans & values.isna() & ~percent


@_each_once
def seconds(cells: pd.Series, *, unit: str | None = None) -> Parsed:
    """Durations in seconds: `1分5秒`, `6小时9分钟`, `1h 2m`, H:M:S, M:S, Excel times, or plain numbers in `unit` (seconds by default)."""
    timed = _native(cells, dt.datetime, dt.time, dt.timedelta)
    found = words(cells).mask(timed)
    found = found.mask(is_empty(found))
    values = pd.to_numeric(found, errors="coerce").astype("float64") * _FACTOR.get(unit, 1.0)
    rest = found.notna() & ~np.isfinite(values)
    spoken = {value: _spoken(value) for value in found[rest].unique()}
    values = values.mask(rest, found[rest].map(spoken).astype("float64"))
    values = values.mask(timed, cells[timed].map(_clock).astype("float64"))
    unread = (found.notna() | timed) & ~np.isfinite(values)
    return Parsed(values, unread, "not_a_duration")


_ZH = re.compile(
    r"(?:(\d+)(?:天|日))?(?:(\d+)(?:小时|个小时|时))?(?:(\d+(?:\.\d+)?)(?:分钟|分"
    r"))?(?:(\d+(?:\.\d+)?)秒)?"
)
_EN = re.compile(
    r"(?:(\d+)d(?:ays?)?)?(?:(\d+)h(?:(?:ou)?rs?)?)?(?:(\d+(?:\.\d+)?)m(?:in(?:ute)?s?)?)?(?:(\d+(?:\.\d+)?)s(?:ec(?:ond)?s?)?)?"
)
_HMS = re.compile(r"()(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


def _spoken(value: str) -> float:
    plain = re.sub(r"[\s,]", "", value.lower())
    for pattern in (_ZH, _EN, _HMS):
        found = pattern.fullmatch(plain)
        if found and any(found.groups()):
            parts = [float(part or 0) for part in found.groups()]
            return float(np.dot(parts, [86400, 3600, 60, 1]))
    return float("nan")


def _clock(cell: dt.datetime | dt.time | dt.timedelta) -> float:
    if isinstance(cell, dt.timedelta):
        return cell.total_seconds()
    if isinstance(cell, dt.datetime):
        return (cell - _ZERO_DAY).total_seconds()
    return cell.hour * 3600 + cell.minute * 60 + cell.second + cell.microsecond / 1e6


# ---- times
# ------------------------------------------------------------------------------------------------------

_YMD = re.compile(
    r"^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?(?:[ T_]*(?:(上午|下午|中午|晚上|凌晨"
    r")?\s*)(\d{1,2})(?:[:\-_时点](\d{1,2})(?:[:\-_分](\d{1,2})(?:\.\d+)?)?)?[秒分时点]?)?"
    r"\s*(am|pm)?\s*(z|utc|[+-]\d{2}:?\d{2})?$",
    re.IGNORECASE,
)
_CLOCK = r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$"
_DMY = (
    r"^(\d{1,2})[-/.](\d{1,2})[-/.](\d{4})(?:[ "
    r",T]+(\d{1,2}):(\d{2})(?::(\d{2}))?(?:\.\d+)?)?\s*(?i:(am|pm))?$"
)
_MOMENT = (
    r"\d{4}[-/.年]\d{1,2}[-/.月]\d{1,2}日?(?:[ T_]*\d{1,2}[:\-时]\d{1,2}(?:[:\-分]\d{1,2}秒?)?)?"
)
_RANGE = rf"^({_MOMENT})\s*(?:[~～—–]|至|到|-)+\s*({_MOMENT}|\d{{1,2}}:\d{{2}}(?::\d{{2}})?)$"


def ends_of(cells: pd.Series, *, part: Literal["start", "end"]) -> pd.Series:
    """One end of ranges of times such as `2026/07/28 08:15:49-2026/07/28 15:44:39`, as text; other text stays as it is."""
    found = words(cells)
    ends = found.str.extract(_RANGE)
    return ends[0 if part == "start" else 1].fillna(found)


def first_of(cells: pd.Series) -> pd.Series:
    """The first of two amounts such as `¥11.19 / ¥500` (spent of budget), as text; other text stays as it is."""
    return words(cells).str.replace(r"\s+/\s+\S.*$", "", regex=True)


def day_order(columns: Iterable[pd.Series]) -> DayOrder | None:
    """Whether dates such as 03/04/2026 put the day or the month first, settled by all date columns of a table together.

    `open` where no date decides, `mixed` where they contradict each other, None where no date is of
    this form. A.m. and p.m. marks settle an open case: only the month-first export writes them.
    """
    first, second, marked, seen = False, False, False, False
    for cells in columns:
        values, _ = distinct(cells)
        texts = values[_is_text(values)].astype("str")
        parts = (
            words(texts[texts.str.match(r"\W*\d{1,2}[-/.]\d{1,2}[-/.]\d{4}", na=False)])
            .str.extract(_DMY)
            .dropna(subset=[0])
        )
        seen |= len(parts) > 0
        first |= bool((pd.to_numeric(parts[0]) > 12).any())
        second |= bool((pd.to_numeric(parts[1]) > 12).any())
        marked |= bool(parts[6].notna().any())
    if not seen:
        return None
    if first and second:
        return "mixed"
    if first:
        return "day"
    return "month" if second or marked else "open"


def slashed(cells: pd.Series) -> str | None:
    """The first date of a column that puts the year last, such as 03/04/2026; None where there is none."""
    values, _ = distinct(cells)
    texts = words(values[_is_text(values)])
    found = texts[texts.str.match(_DMY, na=False)]
    return found.iloc[0] if len(found) else None


@_each_once
def times(cells: pd.Series, *, timezone: str, order: DayOrder | None = None) -> Parsed:
    """Dates and times as datetime64[us, timezone]: ISO and Chinese forms, `2025-09-08_00-00-46`, day or month first, Excel serials, epochs.

    Clocks without a zone are the workspace's. An hour that summer time repeats is taken as standard
    time, one that it skips moves forward.
    """
    native = _native(cells, dt.date)
    found = words(cells).mask(native)
    found = found.mask(is_empty(found))
    naive = _clocks(found)
    if native.any():
        naive = naive.mask(
            native, pd.to_datetime(cells[native].astype("object")).astype("datetime64[us]")
        )
    values = _localised(naive, timezone)
    rest = found.notna() & naive.isna()
    if rest.any():
        keys = pd.Series(found[rest].unique(), dtype="str")
        read = pd.Series(_moments(keys, timezone=timezone, order=order).array, index=pd.Index(keys))
        values = values.mask(rest, found[rest].map(read))
    unread = (found.notna() | native) & values.isna()
    doubtful = order in ("open", "mixed") and found[unread].str.match(_DMY).any()
    return Parsed(values, unread, "ambiguous_date" if doubtful else "not_a_date")


def _clocks(found: pd.Series) -> pd.Series:
    """Times such as 2026-09-01 20:00:00, other text as missing; at once where they are written in full."""
    whole = pa.array(found, pa.large_string(), from_pandas=True)
    full = pc.match_substring_regex(whole, _CLOCK)
    try:
        made = (
            pc.if_else(full, whole, None)
            .cast(pa.timestamp("us"))
            .to_numpy(zero_copy_only=False)
            .copy()
        )
    except pa.ArrowInvalid:  # a day that no calendar has
        made = np.full(len(found), np.datetime64("NaT", "us"))
        full = pa.repeat(False, len(found))
    short = ~full.fill_null(True).to_numpy(zero_copy_only=False)
    made[short] = (
        pd.to_datetime(found[short], format="%Y-%m-%d %H:%M:%S", errors="coerce")
        .astype("datetime64[us]")
        .to_numpy()
    )
    return pd.Series(made, index=found.index)


def _localised(naive: pd.Series, timezone: str) -> pd.Series:
    return naive.dt.tz_localize(
        timezone, ambiguous=np.zeros(len(naive), dtype=bool), nonexistent="shift_forward"
    )


def _moments(keys: pd.Series, *, timezone: str, order: DayOrder | None) -> pd.Series:
    """Distinct texts of times as zone-aware times; missing where a text is none."""
    year_first = keys.str.extract(_YMD)
    half = year_first[3].fillna(year_first[7])
    made = _assembled(
        year_first[[0, 1, 2, 4, 5, 6]], half=half, zone=year_first[8], timezone=timezone
    )
    if order in ("day", "month"):
        parts = keys.str.extract(_DMY)
        day, month = (0, 1) if order == "day" else (1, 0)
        made = made.fillna(
            _assembled(parts[[2, month, day, 3, 4, 5]], half=parts[6], zone=None, timezone=timezone)
        )
    return made.fillna(_serials(keys, timezone)) if made.isna().any() else made


def _assembled(
    parts: pd.DataFrame, *, half: pd.Series, zone: pd.Series | None, timezone: str
) -> pd.Series:
    frame = parts.apply(pd.to_numeric).set_axis(
        ["year", "month", "day", "hour", "minute", "second"], axis=1
    )
    frame[["hour", "minute", "second"]] = frame[["hour", "minute", "second"]].fillna(0)
    if half.notna().any():
        late = half.str.lower().isin({"pm", "下午", "晚上", "中午"}) & (frame["hour"] < 12)
        early = half.str.lower().isin({"am", "上午", "凌晨"}) & (frame["hour"] == 12)
        frame["hour"] = frame["hour"] + 12 * late - 12 * early
    naive = pd.to_datetime(frame, errors="coerce").astype("datetime64[us]")
    made = _localised(naive, timezone)
    if zone is None or zone.isna().all():
        return made
    shift = zone.str.upper().replace({"Z": "+00:00", "UTC": "+00:00"})
    for offset in shift.dropna().unique():
        here = shift == offset
        made = made.mask(
            here,
            naive[here].dt.tz_localize(f"UTC{offset[:3]}:{offset[-2:]}").dt.tz_convert(timezone),
        )
    return made


def _serials(keys: pd.Series, timezone: str) -> pd.Series:
    """Excel serial days (2000 to 2099) as local clocks; epoch seconds and milliseconds as moments."""
    number = pd.to_numeric(keys, errors="coerce").astype("float64")
    days = number.where((number >= 36526) & (number < 73051))
    clock = (pd.Timestamp(_ZERO_DAY) + pd.to_timedelta((days * 86400).round(), unit="s")).astype(
        "datetime64[us]"
    )
    epoch = number.where((number >= 1e9) & (number < 4.2e9)).fillna(
        (number / 1000).where((number >= 1e12) & (number < 4.2e12))
    )
    moment = (
        pd.to_datetime(epoch, unit="s", utc=True)
        .astype("datetime64[us, UTC]")
        .dt.tz_convert(timezone)
    )
    return _localised(clock, timezone).fillna(moment)


def _is_text(cells: pd.Series) -> pd.Series:
    if isinstance(cells.dtype, pd.StringDtype):
        return pd.Series(True, index=cells.index)
    return cells.map(lambda cell: isinstance(cell, str)).astype(bool)


def _native(cells: pd.Series, *types: type) -> pd.Series:
    """Cells that are times of the workbook itself rather than text or numbers (a datetime is a date)."""
    if isinstance(cells.dtype, pd.StringDtype):
        return _none(cells)
    return pd.Series([isinstance(cell, types) for cell in cells], index=cells.index, dtype=bool)


def _none(cells: pd.Series) -> pd.Series:
    return pd.Series(False, index=cells.index)
