"""Numbers and names as people read them, in Chinese and English.

The only place where a number is rounded.
"""

import math
import re
import unicodedata
from typing import Protocol

# How each currency is printed, then the other marks by which exports write it, beside its code.
CURRENCIES = {
    "CNY": ("¥", "￥", "元", "RMB"),
    "USD": ("$", "US$"),
    "IDR": ("Rp",),
    "THB": ("฿",),
    "VND": ("₫", "đ"),
    "MYR": ("RM",),
    "PHP": ("₱",),
    "SGD": ("SGD ", "S$"),
    "GBP": ("£",),
    "EUR": ("€",),
}
CURRENCY_OF = {
    mark.strip().lower(): code for code, marks in CURRENCIES.items() for mark in (*marks, code)
}
NOTHING = "—"
MINUS = "−"  # a hyphen before a figure reads as the dash of a range
WIDEST = (
    1000.0  # an interval whose upper end is so many times its lower one says nothing in numbers
)
_BIDI = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
# Pictographs (🔥) have a glyph in colour fonts only, which neither charts nor every reader's
# machine have.
_PICTOGRAPHS = re.compile("[\U0001f000-\U0001faff\ufe0e\ufe0f]")


class Labelled(Protocol):
    zh: str
    en: str


def choose(lang: str, zh: str, en: str) -> str:
    """The text of the language asked for; raises `ValueError` where it is neither zh nor en."""
    if lang not in ("zh", "en"):
        raise ValueError(f"lang: expected zh or en, found {lang!r}")
    return zh if lang == "zh" else en


def label(entry: Labelled, lang: str) -> str:
    """The name of a registry entry in the language asked for."""
    return choose(lang, entry.zh, entry.en)


def short(name: str) -> str:
    """A name without what stands in brackets behind it."""
    return re.split(r" ?[（(]", name)[0]


def plain(text: object, limit: int = 60) -> str:
    """Data text made fit for a sentence.

    Without control and bidirectional marks and pictographs; spaces folded, long text shortened.
    """
    if text is None or (isinstance(text, float) and math.isnan(text)):
        return NOTHING
    visible = "".join(
        mark if unicodedata.category(mark) not in ("Cc", "Cs", "Co") else " " for mark in str(text)
    )
    folded = " ".join(_PICTOGRAPHS.sub("", _BIDI.sub("", visible)).split())
    return folded if len(folded) <= limit else folded[: limit - 1] + "…"


def number(x: float, lang: str, decimals: int = 0) -> str:
    """A number with thousands separators, in Chinese from ten thousand on in 万, then 亿."""
    if x is None or not math.isfinite(x):
        return NOTHING
    if lang == "zh" and round(abs(x)) >= 100_000_000:
        return _minus(f"{x / 100_000_000:,.2f}亿")
    if lang == "zh" and round(abs(x)) >= 10_000:
        return _minus(f"{x / 10_000:,.2f}万")
    if lang == "en" and abs(x) >= 1_000_000_000:
        return _minus(f"{x / 1_000_000_000:,.2f}B")
    if lang == "en" and abs(x) >= 1_000_000:
        return _minus(f"{x / 1_000_000:,.2f}M")
    return _minus(f"{x:,.{decimals}f}")


def _minus(words: str) -> str:
    """A figure with a true minus, none for what rounds to zero, such as a sum's -0.0000000001."""
    return (
        words.replace("-", MINUS if _not_zero(words) else "", 1) if words.startswith("-") else words
    )


def _not_zero(words: str) -> bool:
    return any(digit in words for digit in "123456789")


def money(x: float, lang: str, currency: str = "CNY", decimals: int | None = None) -> str:
    """An amount with its currency sign; two decimals under a hundred, none above, unless told."""
    if x is None or not math.isfinite(x):
        return NOTHING
    shown = (
        decimals
        if decimals is not None
        else (2 if abs(x) < 100 and currency not in ("IDR", "VND") else 0)
    )
    sign = "-" if x < 0 else ""
    return _minus(
        f"{sign}{CURRENCIES.get(currency, (currency + ' ',))[0]}{number(abs(x), lang, shown)}"
    )


def percent(x: float, decimals: int = 1) -> str:
    """A fraction as a percentage; under one percent with as many decimals as show two digits."""
    if x is None or not math.isfinite(x):
        return NOTHING
    shown = (
        decimals if abs(x) < 1e-9 or abs(x) >= 0.01 else max(decimals, 2)
    )  # dust of floats is a plain zero
    return _minus(f"{100 * x:,.{shown}f}%")


def seconds(x: float, lang: str) -> str:
    """A length of time in hours, minutes and seconds.

    No seconds from an hour on, no part that is zero behind another.
    """
    if x is None or not math.isfinite(x):
        return NOTHING
    whole = round(abs(x))
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    h, m, s = choose(lang, "小时", "h "), choose(lang, "分", "m "), choose(lang, "秒", "s")
    sign = MINUS if x < 0 and whole else ""
    if hours:
        return f"{sign}{hours}{h}{minutes}{m}".strip() if minutes else f"{sign}{hours}{h}".strip()
    if minutes and not rest:
        return f"{sign}{minutes}{choose(lang, '分钟', 'm')}"
    return f"{sign}{minutes}{m}{rest}{s}" if minutes else f"{sign}{rest}{s}"


def value(
    x: float, unit: str, lang: str, *, decimals: int | None = None, currency: str = "CNY"
) -> str:
    """A value in the unit of its metric; missing is a dash.

    Units: users, times, count, money, percent, ratio, seconds, score. The change of a fraction has
    the unit points: percentage points, as a bare number.
    """
    if x is None or not math.isfinite(x):
        return NOTHING
    if unit == "points":
        return _minus(f"{100 * x:,.{2 if decimals is None else decimals}f}")
    if unit == "money":
        return money(x, lang, currency, decimals)
    if unit == "percent":
        return percent(x, 1 if decimals is None else decimals)
    if unit == "seconds":
        return seconds(x, lang)
    if unit in ("users", "times", "count"):
        return number(x, lang, decimals or 0)
    return number(x, lang, 2 if decimals is None else decimals)


def signed(
    x: float, unit: str, lang: str, *, decimals: int | None = None, currency: str = "CNY"
) -> str:
    """A change with its sign always shown; one that rounds to zero has none."""
    shown = value(x, unit, lang, decimals=decimals, currency=currency)
    return shown if shown == NOTHING or x < 0 or not _not_zero(shown) else f"+{shown}"


def interval(
    lower: float,
    upper: float,
    unit: str,
    lang: str,
    *,
    decimals: int | None = None,
    currency: str = "CNY",
) -> str:
    """An interval "lower – upper" in the unit of its metric; "to" where an end is negative.

    A rate about one percent has as many decimals at both ends.
    """
    if (
        unit == "percent"
        and decimals in (None, 1)
        and 1e-9 < abs(lower) < 0.01 <= abs(upper) < 0.02
    ):
        decimals = 2
    ends = [value(end, unit, lang, decimals=decimals, currency=currency) for end in (lower, upper)]
    return (
        choose(lang, " 至 ", " to ").join(ends)
        if any(end.startswith(MINUS) for end in ends)
        else " – ".join(ends)
    )
