"""Cells become typed values: text, ids, choices, flags, numbers and durations.

A parser a kind, over whole columns, for every notation that was seen; each returns `Parsed`.
"""

import datetime as dt
import fnmatch
import hashlib
import re
import unicodedata

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from helpers.clean.cells import (
    LATER,
    Parsed,
    count_different,
    digits_alone,
    each_once,
    filled,
    is_empty,
    is_instance,
    is_text,
    mapped,
    no_cell,
    to_arrow,
    too_long,
    words,
)
from helpers.clean.columns import MONEY_MARK, foreign, thousands_mark
from helpers.clean.notes import note
from helpers.clean.recognise import UNSAID, normal
from helpers.clean.times import ZERO_DAY
from helpers.core import privacy

_SCALE = {"亿": 1e8, "万": 1e4, "w": 1e4, "千": 1e3, "k": 1e3, "m": 1e6, "b": 1e9}
_FACTOR = {
    "seconds": 1.0,
    "minutes": 60.0,
    "hours": 3600.0,
    "days": 86400.0,
    "fraction": 1.0,
    "wan": 1e4,
    "thousand": 1e3,
    "million": 1e6,
    "yi": 1e8,
}
_DIVISOR = {"percent": 100.0, "fen": 100.0}  # divided, as 35 x 0.01 is not 0.35
_AMOUNT = r"[\d.,]+[万亿千wkm%]?"
_SPAN = rf"{_AMOUNT}(?:[~～-]|至|到){_AMOUNT}|[<>≥≤]{_AMOUNT}|{_AMOUNT}\+"
_DASHES = "[\N{MINUS SIGN}‐‑‒–—]"
# (150.00), 150.00- and 150.00 CR of accountants: less than nothing
_BELOW = r"^(?:\(([^-+()]*\d[^-+()]*)\)|([^-+()]*\d[^-+()]*)(?:-|cr))$"
# an id that a spreadsheet shows in thousands: four groups and more
_GROUPED = r"^(\d{1,3}([,.'’ \u00a0\u202f])\d{3}(?:\2\d{3}){2,})(?:[.,]0+)?$"
_ROUNDED = r"\d{15}0+"
_DIGITS_KEPT = 15  # by a spreadsheet, in a cell that is a number
_SHORTENED = r"\d(?:[.,]\d+)?(?:[eE]\+?|[×x*]10\^?)0?\d{2}"  # 1.86E+15, 1.86×10^15
_STRANGE = r"[^0-9A-Za-z_.,+'-]|^['#]|^[Nn][Oo]\.?\d|\d{4}-\d{4}-\d{4}"
_BARE_ID = re.compile(
    r"(?:no\.?|#|(?:订单|子订单|主订单|售后|商品)?(?:编号|单号|号)|id)?[:.]?(?=\d{6})([\w-]+)|([\w-]+)",
    re.ASCII | re.IGNORECASE,
)
_CHANCE = 0.01
_MOBILE, _MOBILE_LENGTH, _LONG_ID = r"^1[3-9]\d{9}$", 11, 15
_YES = {"是", "有", "y", "yes", "true", "1", "1.0", "t", "√", "已", "对"}
_NO = {"否", "n", "no", "false", "0", "0.0", "f", "×", "未", "不是"}


@each_once
def text(cells: pd.Series, *, verbatim: bool = False) -> Parsed:
    """Free text, personal data masked (`privacy.mask`); `verbatim` keeps a lone dash as text."""
    written = words(cells, code=False)
    if not verbatim:
        written = written.mask(is_empty(written))
    long = too_long(written)
    return Parsed(privacy.masked(written.mask(long)), long, "too_long")


@each_once
def hashed(cells: pd.Series, *, key: bytes) -> Parsed:
    """People's ids as keyed hashes (BLAKE2b, 16 hex digits): no way back without the key."""
    written = filled(cells)
    secret = key if len(key) <= 64 else hashlib.blake2b(key).digest()

    def mark(value: str) -> str:
        return hashlib.blake2b(value.encode(), key=secret, digest_size=8).hexdigest()

    return Parsed(mapped(written, mark).astype("str"), no_cell(cells))


@each_once
def ids(cells: pd.Series) -> Parsed:
    """Ids as text; those that lost digits in a spreadsheet are missing, and left out.

    Number cells of more than 15 digits, texts whose digits from the 16th on are 0 (`_rounded`), and
    those written 1.86E+15. Marks of thousands are taken off, and what people and programs write
    around an id (`_bare_id`). A phone number among long ids is not understood (`_phones`).
    """
    written, broken = filled(cells), no_cell(cells)
    plain = digits_alone(written) | written.isna()
    if not plain.all():
        odd = written[~plain]
        strange = odd.str.contains(_STRANGE, na=False)
        if strange.any():
            odd = odd.mask(strange, mapped(odd[strange], _bare_id).astype("str"))
        grouped = odd.str.extract(_GROUPED)[0].str.replace(r"\D", "", regex=True)
        odd = grouped.fillna(odd).str.replace(r"\.0+$", "", regex=True)
        written = written.mask(~plain, odd)
        broken |= written.str.fullmatch(_SHORTENED, na=False)
    phones = _phones(written, broken)
    if phones.any():
        written = written.mask(phones)
    numbers = ~is_text(cells)
    zeros = written.str.endswith("0", na=False)
    zeros[zeros] = written[zeros].str.fullmatch(_ROUNDED)
    if numbers.any() or zeros.any():
        long = digits_alone(written) & (written.str.len() > _DIGITS_KEPT)
        broken |= long & numbers
        broken |= _rounded(written[long], zeros[long]).reindex(written.index, fill_value=False)
    if not broken.any():
        return Parsed(written, phones, "personal")
    reason = "lost_digits"
    if phones.any():
        reason = phones.map({True: "personal", False: reason})
    return Parsed(written.mask(broken), phones, reason, left_out=broken)


def _phones(written: pd.Series, broken: pd.Series) -> pd.Series:
    """Mobile numbers in a column whose ids, but for `broken` ones, are all much longer.

    Where others have eleven digits, or nearly, they are ids like those.
    """
    texts = to_arrow(written)
    lengths = pc.binary_length(texts)
    if not pc.any(pc.equal(lengths, _MOBILE_LENGTH)).as_py():
        return no_cell(written)
    phones = pc.match_substring_regex(texts, _MOBILE).fill_null(False)
    others = pc.invert(pc.or_(phones, pa.array(broken)))
    least = pc.min(lengths.filter(others)).as_py() or 0
    if least < _LONG_ID:
        return no_cell(written)
    return pd.Series(phones.to_numpy(zero_copy_only=False), index=written.index)


def _bare_id(written: str) -> str:
    """An id without quotes, unseen marks, a word before it, or a formula around it.

    Digits of other scripts and groups of four (6918 2901 2345 …) are read, too; what is then no id
    of letters and digits stays as it stands.
    """
    if written.startswith("="):  # =T("691829"), =HYPERLINK("https://…","691829")
        quoted = [
            part for part in re.findall('"([^"]*)"', written) if re.fullmatch(r"\w{6,}", part)
        ]
        return quoted[0] if len(quoted) == 1 else written
    plain = unicodedata.normalize("NFKC", written)
    plain = "".join(char for char in plain if unicodedata.category(char) != "Cf")
    plain = plain.strip(" \"'`“”‘’&")
    if re.fullmatch(r"\d{4}([ -])\d{4}(?:\1\d{4})+(?:\1\d{1,4})?", plain):
        plain = re.sub("[ -]", "", plain)
    match = _BARE_ID.fullmatch(re.sub(r"(?<=[:.#])\s+", "", plain))
    return (match[1] or match[2]) if match else written


def _rounded(long: pd.Series, zeros: pd.Series) -> pd.Series:
    """Which of the ids that are zeros from the 16th digit on are so because Excel rounded them.

    An id may end so by chance, one of ten of 16 digits, one of 10,000 of 19. So those of a length
    are taken for rounded where they are more than chance explains among the column's ids of it.
    """
    lengths = long.str.len()
    rounded = zeros & False
    for length in lengths[zeros].unique():
        here = lengths == length
        of_length = long if here.all() else long[here]
        by_chance = count_different(of_length) * 0.1 ** (length - _DIGITS_KEPT)
        count = count_different(long[here & zeros])
        if count >= by_chance + 2 * by_chance**0.5 and _more_than(count, by_chance):
            rounded |= here & zeros
    return rounded


def _more_than(count: int, by_chance: float) -> bool:
    """Whether so many are more than chance explains (Poisson)."""
    from scipy import special  # dear to import for what few files hold

    return special.pdtrc(count - 1, by_chance) < _CHANCE


@each_once
def choice(
    cells: pd.Series,
    *,
    labels: dict[str, str] | None,
    words_of: dict[str, str] | None = None,
    free: bool = False,
) -> Parsed:
    """Choices as codes where the choice is closed, as written where it is open.

    `labels` gives the code of each normal label (None: open). `free` text is masked.
    """
    written = words(cells)
    # that an attribution is still to come is an answer
    written = _by_pattern(written.mask(is_empty(written) & ~written.isin(LATER)), words_of)
    if labels is None:
        dates = is_instance(cells, dt.date)  # what was a group of 10-12 years, say
        written = privacy.masked(written) if free else written
        return Parsed(written.mask(dates) if dates.any() else written, dates, "turned_date")
    codes = mapped(written, lambda value: labels.get(normal(value))).astype("str")
    return Parsed(codes, codes.isna() & written.notna(), "unknown_choice")


def _by_pattern(cells: pd.Series, words_of: dict[str, str] | None) -> pd.Series:
    """Texts become the code of the first pattern that they fit."""

    def code_of(value: str) -> str:
        fitting = (code for mark, code in words_of.items() if fnmatch.fnmatchcase(value, mark))
        return next(fitting, value)

    return mapped(cells, code_of).astype("str") if words_of else cells


@each_once
def flag(cells: pd.Series, *, words_of: dict[str, str] | None = None) -> Parsed:
    """Yes and no in their usual words as pandas booleans."""
    written = _by_pattern(filled(cells), words_of)
    low = written.str.lower()
    yes, no = low.isin(_YES), low.isin(_NO)
    values = pd.Series(pd.NA, index=cells.index, dtype="boolean").mask(yes, True).mask(no, False)
    return Parsed(values, written.notna() & ~yes & ~no, "not_a_flag")


@each_once
def numbers(
    cells: pd.Series, *, kind: str, unit: str | None = None, currency: str | None = None
) -> Parsed:
    """Counts, money and rates as floats.

    With signs of money, 万 and w, thousands marks of either kind, percent signs. A range
    (`7.5w~10w`) or an open figure (`10w+`) is no value: missing, with a note. Money with the sign
    of another `currency` is not understood.
    """
    factor, divisor = _FACTOR.get(unit, 1.0), _DIVISOR.get(unit, 1.0)
    if cells.dtype == object and all(type(cell) in (int, float) for cell in cells):
        return Parsed(cells.astype("float64") * factor / divisor, no_cell(cells))
    written = filled(cells)
    values = _floats(written) * factor / divisor
    rest = written.notna() & ~np.isfinite(values)
    other = foreign(written.where(rest), currency) if currency and rest.any() else no_cell(cells)
    if rest.any():
        mark = thousands_mark(written)
        unclear = written.notna() if mark == "." else rest
        share = kind in ("rate", "ratio", "score")
        read = {
            text: _figure(text, mark, factor=factor, divisor=divisor, share=share)
            for text in written[unclear].unique()
        }
        values = values.mask(unclear, written.map(read).astype("float64"))
    spans = np.isinf(values)
    unread = written.notna() & values.isna() | other
    values = values.mask(spans | other)
    notes = [note("ranges", example=span) for span in written[spans][:1]]
    reason = "not_a_number"
    if other.any():
        reason = other.map({True: "other_currency", False: reason})
    return Parsed(values, unread, reason, tuple(notes), noted=spans)


def _floats(written: pd.Series) -> pd.Series:
    try:
        figures = pa.array(written, pa.large_string(), from_pandas=True).cast(pa.float64())
        return pd.Series(figures.to_numpy(zero_copy_only=False), index=written.index)
    except pa.ArrowInvalid:
        return pd.to_numeric(written, errors="coerce").astype("float64")


_FIGURE = {
    mark: re.compile(
        rf"([-+]?)([1-9]\d{{0,2}}(?:{group}\d{{3}})+(?:{point}\d+)?|\d+(?:{point}\d*)?|{point}\d+)"
        r"([万亿千wkmb]?)(%?)",
        re.ASCII,
    )
    for mark, group, point in ((".", r"\.", ","), (",", "[,']", r"\."))
}
_UNITS = re.compile(rf"{MONEY_MARK}|[\s_]|[人次件单个]$")


def _figure(text: str, mark: str, *, factor: float, divisor: float, share: bool) -> float:
    """The figure that a text is, infinite where it is a range, NaN where it is neither.

    `mark` groups thousands; a percentage is a figure only of a `share`.
    """
    plain = _UNITS.sub("", unicodedata.normalize("NFKC", text).lower())
    plain = re.sub(_BELOW, r"-\1\2", re.sub(_DASHES, "-", plain))
    match = _FIGURE[mark].fullmatch(plain)
    if match is None:
        return np.inf if re.fullmatch(_SPAN, plain) else np.nan
    sign, digits, scale, percent = match.groups()
    if percent and not share:
        return np.nan
    point = digits.replace(".", "").replace(",", ".") if mark == "." else re.sub("[,']", "", digits)
    figure = float(point) * _SCALE.get(scale, 1.0) * (-1.0 if sign == "-" else 1.0)
    figure = figure / 100.0 if percent else figure * factor / divisor
    return figure if np.isfinite(figure) else np.nan


@each_once
def seconds(
    cells: pd.Series,
    *,
    unit: str | None = None,
    answer: str | None = None,
    least: float = 0,
    usual: float = 0,
) -> Parsed:
    """Durations in seconds.

    `1分5秒`, `6小时9分钟`, `1h 2m`, H:M:S, M:S, Excel times, or plain numbers in `unit`, else in
    that of the workspace's `answer`. Without both they are seconds, or days where all of the column
    are below 1. A plain number shorter than `least` is in the unit of the answer, or not
    understood; so is every one of a column whose unit is `unsaid`, and 3:05 in a column that holds
    nothing else, of hours or minutes. Plain numbers that are all below `usual` are in the unit of
    the answer, or not understood, too; without a `least` they are left out.
    """
    timed = is_instance(cells, dt.datetime, dt.time, dt.timedelta)
    written = filled(cells).mask(timed)
    plain = pd.to_numeric(written, errors="coerce").astype("float64")
    given = plain[plain > 0]
    if unit == UNSAID:
        unit, least = None, np.inf
    left_out = no_cell(cells)
    if usual and unit is None:
        below = len(given) > 0 and (given < usual).all() and (given > _AN_HOUR).any()
        if least:
            least = np.inf if below else least
        elif below:
            left_out = plain.notna() & (answer is None)
        else:
            answer = None
    values = plain * _FACTOR.get(unit or answer, 1.0)
    if not (unit or answer) and len(given) and (given < 1).all():  # of a day, as Excel keeps them
        values = (plain * _FACTOR["days"]).round(3)
    short = (values > 0) & (values < least)
    values = values.mask(short, plain * _FACTOR[answer] if answer else np.nan)
    doubtful = plain.notna() & values.isna()
    rest = written.notna() & ~np.isfinite(values) & ~doubtful
    values = values.mask(rest, mapped(written[rest], _spoken).astype("float64"))
    clocks = written[rest].str.fullmatch(_TWO_PARTS, na=False) if least else rest & False
    if clocks.any() and clocks.all():
        if answer == "hours":
            values = values.mask(rest, values * 60)
        elif answer is None:
            values, doubtful = values.mask(rest), doubtful | rest
    values = values.mask(timed, cells[timed].map(_clock).astype("float64"))
    unread = (written.notna() | timed) & ~np.isfinite(values)
    if left_out.any():
        values, unread = values.mask(left_out), unread & ~left_out
        reason = left_out.map({True: "short_duration", False: "not_a_duration"})
        return Parsed(values, unread, reason, left_out=left_out)
    if not doubtful.any():
        return Parsed(values, unread, "not_a_duration")
    return Parsed(values, unread, doubtful.map({True: "short_duration", False: "not_a_duration"}))


_AN_HOUR = 1 / 24  # of a day, as a spreadsheet keeps it
_TWO_PARTS = r"(?:[01]?\d|2[0-3]):[0-5]\d"
_ZH = re.compile(
    r"(?:(\d+)(?:天|日))?(?:(\d+(?:\.\d+)?)(?:小时|个小时|时))?"
    r"(?:(\d+(?:\.\d+)?)(?:分钟|分))?(?:(\d+(?:\.\d+)?)秒)?"
)
_EN = re.compile(
    r"(?:(\d+)d(?:ays?)?)?(?:(\d+(?:\.\d+)?)h(?:(?:ou)?rs?)?)?"
    r"(?:(\d+(?:\.\d+)?)m(?:in(?:ute)?s?)?)?(?:(\d+(?:\.\d+)?)s(?:ec(?:ond)?s?)?)?"
)
_HMS = re.compile(r"()(?:(\d+):)?(\d{1,3}):(\d{1,2}(?:\.\d+)?)")


def _spoken(value: str) -> float:
    plain = re.sub(r"[\s,]", "", value.lower())
    for pattern in (_ZH, _EN, _HMS):
        match = pattern.fullmatch(plain)
        if match and any(match.groups()):
            parts = [float(part or 0) for part in match.groups()]
            return float(np.dot(parts, [86400, 3600, 60, 1]))
    return float("nan")


def _clock(cell: dt.datetime | dt.time | dt.timedelta) -> float:
    if isinstance(cell, dt.timedelta):
        return cell.total_seconds()
    if isinstance(cell, dt.datetime):
        return (cell - ZERO_DAY).total_seconds()
    return cell.hour * 3600 + cell.minute * 60 + cell.second + cell.microsecond / 1e6


def first_of(cells: pd.Series) -> pd.Series:
    """The first of two amounts such as `¥11.19 / ¥500` (spent of budget); other text stays."""
    return words(cells).str.replace(r"\s+/\s+\S.*$", "", regex=True)
