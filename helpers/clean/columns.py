"""What a column is as a whole: its currency, its thousands mark, its order of day and month."""

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from helpers.clean.cells import distinct, from_arrow, is_instance, is_text, no_cell, to_arrow, words
from helpers.clean.recognise import normal
from helpers.clean.times import YEAR_LAST, DayOrder, plain_date
from helpers.core import text
from helpers.reference import Column

_DOT_THOUSANDS = {"IDR", "VND"}
LONGEST = 100 * 86400.0
_MOST, _TIMES_USUAL = 1e10, 1000  # beyond it, and so many times the usual, digits are no figure


def impossible(values: pd.Series, column: Column) -> pd.Series:
    """Values that the column cannot hold.

    Negative ones where it may not be below zero, rates above 1, durations above 100 days, years
    outside 2000 to 2099, phone numbers and ids among counts and money.
    """
    if column.kind == "datetime":
        return values.notna() & ~values.dt.year.between(2000, 2099)
    if not pd.api.types.is_float_dtype(values.dtype):
        return no_cell(values)
    figures = values.to_numpy()
    most = {"rate": 1.0, "seconds": LONGEST}.get(column.kind)
    beyond = figures > (_most(figures) if most is None else most)
    if not column.below_zero:
        beyond |= figures < 0
    return pd.Series(beyond, index=values.index)


def _most(figures: np.ndarray) -> float:
    """The most that a column of counts or money can hold, by what is usual in it.

    A phone number has eleven digits. So have amounts of rupiah, but then not one among small ones.
    """
    given = figures[~np.isnan(figures)]
    if not (given > _MOST).any():
        return _MOST
    usual = given[(given > 0) & (given <= _MOST)]
    if not len(usual):
        return _MOST if len(given) == 1 else np.inf
    return max(_MOST, _TIMES_USUAL * float(np.median(usual)))


def without_sign(values: pd.Series, column: Column) -> pd.Series:
    """Refunds and costs without their minus where all of the column have one; others as given."""
    if column.line not in ("refund", "cost") or column.below_zero:
        return values
    given = values[values.notna() & (values != 0)]
    return values.abs() if len(given) and (given < 0).all() else values


WHOLE = ("users", "times", "count")
_DOTTED = r"[-+]?\d{1,3}(?:\.\d{3})+\s*[人次件单个]?"
_DIGITS_ALONE = r"^[\d\s+-]*$"
_SAMPLE = 2_000  # texts of a column of money that tell its notation
Dots = Literal["thousands", "open"]


class Answers(NamedTuple):
    """What a workspace says of cells that their file leaves open (`workspace.yml`).

    `dates`: what comes first in 03/04/2026; `thousands`: the mark of 5.000; `durations`: the unit
    of plain numbers; `room`: the account on air of a file that names none.
    """

    dates: DayOrder | None = None
    thousands: Literal[".", ","] | None = None
    durations: Literal["seconds", "minutes", "hours", "days"] | None = None
    room: str | None = None


NOTHING_SAID = Answers()


def dots_of(
    cells_of: Mapping[str, pd.Series], kind_of: Mapping[str, str], answer: str | None = None
) -> dict[str, Dots]:
    """What 5.000 is in columns of whole numbers and money, where it is no decimal point.

    Thousands where the column itself holds 4.312 people, or else where other columns of its file
    group thousands by dots, or where the workspace says so (`answer`); `open` where nothing tells,
    not even a thousand that is written without a mark.
    """
    seen_in = {name: _dots_in(cells, kind_of[name]) for name, cells in cells_of.items()}
    if not set(seen_in.values()) & {"thousands", "open"}:
        return {}
    whole = {seen_in[name] for name in seen_in if kind_of[name] in WHOLE}
    every = set(seen_in.values())
    if answer:
        seen_as = {"thousands", "open"} if answer == "." else {"thousands"}
        return {name: "thousands" for name in seen_in if seen_in[name] in seen_as}
    dots: dict[str, Dots] = {}
    for name, seen in seen_in.items():
        if seen != "open":
            dots |= {name: "thousands"} if seen == "thousands" and kind_of[name] in WHOLE else {}
        elif kind_of[name] in WHOLE:
            if "thousands" in every or "commas" not in every:
                by_file = "thousands" in (whole if whole & {"thousands", "point"} else every)
                dots[name] = "thousands" if by_file else "open"
        elif "thousands" in every and not every & {"point", "commas"}:
            dots[name] = "thousands"
        elif not every & {"point", "commas"} and not any(
            map(_has_plain_thousands, cells_of.values())
        ):
            dots[name] = "open"
    return dots


def _has_plain_thousands(cells: pd.Series) -> bool:
    """Whether a column writes a number of four digits without a mark."""
    return pc.any(pc.match_substring_regex(_texts(cells), r"^\D*\d{4,}\D*$")).as_py() is True


def _dots_in(cells: pd.Series, kind: str) -> str:
    """`thousands`, `commas` or `point` where the column tells, `open` for 5.000 alone, or ""."""
    texts = _texts(cells)
    if pc.all(pc.match_substring_regex(texts, _DIGITS_ALONE)).as_py() is not False:
        return ""
    # dots are rare in whole numbers, so all of theirs count
    dotted = pc.match_substring(texts, ".") if kind in WHOLE else None
    texts = texts.slice(0, _SAMPLE) if dotted is None else texts.filter(dotted)
    written = words(from_arrow(texts)).dropna()
    if thousands_mark(written) == ".":
        return "thousands"
    pointed = [text for text in written if "." in text]
    dotted = [text for text in pointed if re.fullmatch(_DOTTED, text)]
    others = set(pointed).difference(dotted)
    if any(re.match(r"\D*0\.", text) for text in dotted):
        return "point"
    if any(re.search(r"\d,\d{3}", text) for text in others):
        return "commas"
    if any(re.fullmatch(r"\D*\d+\.\d+\D?", text) for text in others):
        return "point"
    if not dotted:
        return ""
    plain = all(re.fullmatch(r"\D*\d+\.000\D*", text) for text in dotted)
    return "thousands" if kind in WHOLE and not plain else "open"


def without_dots(cells: pd.Series) -> pd.Series:
    """The column with the dots off that group thousands."""
    if not pc.any(pc.match_substring(_texts(cells), ".")).as_py():
        return cells
    written = words(cells)
    dotted = is_text(cells) & written.str.fullmatch(_DOTTED, na=False)
    return cells.astype(object).mask(dotted, written.str.replace(".", "", regex=False))


def with_dots(cells: pd.Series) -> pd.Series:
    """Cells such as 5.000, whose dot groups thousands or is a decimal point."""
    return is_text(cells) & words(cells).str.fullmatch(_DOTTED, na=False)


def not_whole(cells: pd.Series, values: pd.Series) -> pd.Series:
    """Fractions of people or pieces; with them all number cells that lost their thousands alike.

    1.2345万 is rounded, no fraction. A number cell of 4.312 is 4,312 that an English Excel has read
    as a number; then 5 beside it may be 5,000.
    """
    figures = values.to_numpy()
    broken = np.abs(figures - np.round(figures)) > 1e-6 * np.maximum(np.abs(figures), 1)
    if not broken.any():
        return no_cell(values)
    broken = pd.Series(broken, index=values.index)
    scaled = words(cells[broken]).str.contains("[万亿千wkmb]", case=False, na=False)
    broken &= ~scaled.reindex(broken.index, fill_value=False)
    numbers = ~is_text(cells)
    if (broken & numbers).any():
        broken |= numbers & (values.abs() < 1000) & (values != 0)
    return broken


def mixed_rates(cells: pd.Series, values: pd.Series) -> pd.Series:
    """Plain numbers of a column of rates one of which is above 1.

    Those are percentages, or of two exports: then 0.5 may be a half or half a percent.
    """
    if not (values > 1).any():
        return no_cell(values)
    plain = ~words(cells).str.contains("[%％]", na=False)
    return plain & (values > 0) if (plain & (values > 1)).any() else no_cell(values)


STEP, SESSION_GAP = 20, pd.Timedelta(hours=1)


def is_running_total(values: pd.Series, at: pd.Series) -> bool:
    """Whether figures of steps of time never fall and mostly rise, from one step to the next.

    A pause of an hour begins anew; what has fewer than 20 steps tells nothing.
    """
    given = pd.DataFrame({"at": at, "value": values}).dropna().sort_values("at", kind="stable")
    part = (given["at"].diff() > SESSION_GAP).cumsum()
    steps = given["value"].groupby(part).diff()
    each = pd.DataFrame({"falls": steps < 0, "rises": steps > 0}).groupby(part).agg(["sum", "size"])
    long = each[each["rises", "size"] >= STEP]
    rises = long["rises", "sum"] >= long["rises", "size"] / 2
    return bool(len(long) and not long["falls", "sum"].any() and rises.all())


# an amount with cents; one such cell does not decide how all others are read
_CENTS = r"(?m)^\D*\d{{1,3}}(?:[ \xa0\u202f'’.,]?\d{{3}})*{}\d{{1,2}}\D*$"


def thousands_mark(cells: pd.Series) -> str:
    """The mark that groups thousands: "." as in Rp9.467.316 or with decimal commas, else ","."""
    written = "\n".join(cells.dropna().unique())
    comma_groups = re.search(r"\d,\d{3}(?:[,.]|\D*$)", written, re.MULTILINE)
    if re.search(r"\d\.\d{3}\.\d{3}|\d\.\d{3},\d", written):
        return "."
    if re.search(r"^\D*\d{4,},\d+\D*$", written, re.MULTILINE) and "." not in written:
        return "."  # 1299,900
    if re.search(r"^\D*0,\d", written, re.MULTILINE) and "." not in written:
        return "."  # 0,125
    commas, points = (len(re.findall(_CENTS.format(point), written)) for point in (",", r"\."))
    in_dots = commas > points or (not points and currency(cells) in _DOT_THOUSANDS)
    return "." if in_dots and not comma_groups else ","


MONEY_MARK = "|".join(re.escape(mark) for mark in sorted(text.CURRENCY_OF, key=len, reverse=True))
_SIGNS = "[-+(（−－–＋ ]*"
_SIGN = re.compile(
    rf"^{_SIGNS}({MONEY_MARK}){_SIGNS}[\d.]|\d[ ]*({MONEY_MARK})[-)]?$",
    re.IGNORECASE | re.MULTILINE,
)


_SHORT_DATE = r"^\W*\d{1,2}[-/.]\d{1,2}[-/.]\d"


def _texts(cells: pd.Series) -> pa.Array | pa.ChunkedArray:
    """The texts of a column as Arrow keeps them, each once where they repeat much."""
    if isinstance(cells.dtype, pd.StringDtype | pd.CategoricalDtype):
        return to_arrow(distinct(cells)[0])
    return pa.array([cell for cell in cells if isinstance(cell, str)], pa.large_string()).unique()


def currency(cells: pd.Series) -> str | None:
    """The ISO code of the first sign of money in the texts of a column."""
    sign = _SIGN.search("\n".join(_texts(cells).drop_null().slice(0, 200).to_pylist()))
    return text.CURRENCY_OF[(sign[1] or sign[2]).lower()] if sign else None


_SIGN_OF_HEADER = re.compile(rf"[(\[/ ]({MONEY_MARK})[)\]]?$")


def currency_of_header(header: str) -> str | None:
    """The ISO code of the sign of money at the end of a header, as in GMV (Rp)."""
    sign = _SIGN_OF_HEADER.search(normal(header))
    return text.CURRENCY_OF[sign[1]] if sign else None


def foreign(cells: pd.Series, code: str) -> pd.Series:
    """Texts with the sign of another currency."""
    marks = [re.escape(mark) for mark, stated in text.CURRENCY_OF.items() if stated != code]
    likely = cells[cells.str.contains("|".join(marks), case=False, na=False)]
    codes = {}
    for written in likely.unique():
        sign = _SIGN.search(written)
        codes[written] = text.CURRENCY_OF[(sign[1] or sign[2]).lower()] if sign else code
    others = [written for written, stated in codes.items() if stated != code]
    return cells.isin(others) if others else no_cell(cells)


def day_order(columns: Iterable[pd.Series]) -> DayOrder | None:
    """Whether dates such as 03/04/2026 put the day or the month first.

    All date columns of a table settle it together: `open` where no date decides, `mixed` where they
    contradict each other, None where no date has this form. Of dates with a year of two digits, the
    year is the part that hardly changes.
    """
    any_date = day_first = month_first = False
    for cells in columns:
        texts = _texts(cells)
        dates = texts.filter(pc.match_substring_regex(texts, _SHORT_DATE))
        if not len(dates):
            continue
        written = words(from_arrow(dates))
        plain = written.map(plain_date, na_action="ignore").astype("str")
        parts = plain.str.extract(YEAR_LAST).dropna(subset=[0])
        short = parts[parts[2].str.len() == 2]
        if len(short):
            first, last = (pd.to_numeric(short[place]).agg(np.ptp) for place in (0, 2))
            if first <= 1 or last > 1:
                return "year" if first <= 1 < last else "open"
        any_date |= len(parts) > 0
        day_first |= bool((pd.to_numeric(parts[0]) > 12).any())
        month_first |= bool((pd.to_numeric(parts[1]) > 12).any())
    if not any_date:
        return None
    if day_first:
        return "mixed" if month_first else "day"
    return "month" if month_first else "open"


def came_swapped(columns: Iterable[pd.Series], order: DayOrder | None) -> bool:
    """Whether a spreadsheet of the other order has read those dates that its calendar allows.

    Of 05/03/2026 an American Excel makes the 3rd of May, while 17/03/2026 stays text. So texts that
    it could not read, in a column of date cells none of which is of a day above 12.
    """
    if order not in ("day", "month"):
        return False
    swapped = False
    for cells in columns:
        native = cells[is_instance(cells, dt.datetime)]
        if native.empty:
            continue
        parts = words(from_arrow(_texts(cells))).str.extract(YEAR_LAST).dropna(subset=[0])
        if any(cell.day > 12 for cell in native):
            return False
        numbers = parts[[0, 1]].apply(pd.to_numeric)
        left = len(numbers) > 0 and bool((numbers.max(axis=1) > 12).all())
        swapped |= left
    return swapped


_WRITTEN = r"(?:\.(\d+))?\s*(亿|万|w|千|k|m|b)?\D*$"
_IN_SHORT = {"亿": 1e8, "万": 1e4, "w": 1e4, "千": 1e3, "k": 1e3, "m": 1e6, "b": 1e9, "": 1.0}
_CENT = 0.005


def rounding(cell: object, value: float, *, kind: str) -> float:
    """By how much a value may be off as its cell is written: half the unit of its last digit.

    A plain count is exact; 1.2万, or 1.2 below a header of 万, is not.
    """
    written = re.findall(r"\d[\d,]*(?:\.\d+)?", str(cell))
    if len(written) != 1:  # 1分5秒
        return 0.5
    number = float(written[0].replace(",", ""))
    scale = abs(value) / number if number else 1.0
    if kind in WHOLE and scale <= 1:
        return 0.0
    return scale * 10.0 ** -len(written[0].partition(".")[2]) / 2


def are_shares(values: pd.Series, of_which: pd.DataFrame) -> bool:
    """Whether figures make 100 in all, but for their rounding, in each set of rows (`of_which`).

    At least two sets, one of several rows: so do percentages, and hardly ever people.
    """
    given = values.notna()
    sets = values[given].groupby([of_which.loc[given, name] for name in of_which], dropna=False)
    sums = sets.agg(["sum", "size"])
    off = (sums["sum"] - 100).abs() > sums["size"].clip(2, 10) / 2
    return bool(len(sums) > 1 and (sums["size"] > 1).any() and not off.any())


def slack_of(
    stated: pd.Series, parts: pd.Series, *, kind: str, unit: str | None = None
) -> pd.Series:
    """By how much the sum of cells may miss each cell that states it, as all are rounded.

    Half the last digit of what is written in short (1.2万) or in thousands; half a cent an amount,
    half a unit where no amount of the column has cents; nothing for plain counts.
    """
    both = pd.concat([words(stated), words(parts)]).fillna("").str.lower()
    written = both.str.extract(_WRITTEN).fillna("")
    of_unit = {"wan": 1e4, "thousand": 1e3, "million": 1e6, "yi": 1e8}.get(unit or "", 1.0)
    scale = written[1].map(_IN_SHORT).astype("float64") * of_unit
    half = (scale * 10.0 ** -written[0].str.len() / 2).where((scale > 1) & (both != ""), 0.0)
    given = len(stated)
    rounded = half.iloc[:given] + half.iloc[given:].sum()
    if kind in WHOLE:
        return rounded
    count = len(parts)
    cents = (written[0] != "").any()
    plain = _CENT * (count + 1) if cents else min((count + 1) / 2, 0.5 + count**0.5)
    return rounded + plain
