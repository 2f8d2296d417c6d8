"""Personal data in text, found by its form and hidden.

The rules are exact rather than wide, as a finding stops a report. Names and nicknames have no form;
they are dropped with their columns on reading.
"""

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pandas as pd

_WIDE = {ord("０") + digit: str(digit) for digit in range(10)} | {
    ord("＋"): "+",
    ord("＠"): "@",
    ord("－"): "-",
}
_MOBILE = re.compile(
    r"(?<![\d¥$])(?<!\d\.)(?:\+?86[ -]?|\(\+?86\)[ -]?)?(1[3-9]\d[ -]?\d{4}[ "
    r"-]?\d{4})(?!\d|,\d{3}(?!\d)|\.\d)"
)
_LANDLINE = re.compile(
    r"(?<![\w-])(?:\(0\d{2,3}\) ?|0(?:10|2\d|[3-9]\d{2})[ -])\d{3,4}[ -]?\d{4}(?![\d-])"
)
# countries that the shops sell to
_CODES = "852|853|886|62|66|84|60|63|65|44|49|33|34|39|81|82|61|971|966|55|52|1"
_ABROAD = re.compile(
    rf"(?<![\w+])\(?\+(?:{_CODES})\)?[ -]?\(?\d(?:[ -]?\)?[ -]?\d){{6,11}}(?![\d,*]|\.\d)"
)
_INDONESIA = re.compile(
    r"(?<![\w.-])08(?:1[1-9]|2[1-3]|3[1238]|5[1235-9]|7[78]|8[1-9]|9[5-9])(?:[ "
    r"-]?\d){7,9}(?![\d*]|\.\d)"
)
_IDENTITY = re.compile(
    r"(?<!\d)((?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91)\d{4}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx])(?![\dXx])"
)
_E_MAIL = re.compile(
    r"(?<![A-Za-z0-9.])[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.(?!(?:png|jpe?g|gif|webp|svg|mp4)\b)[A-Za-z]{2,}"
)  # 主播@小美.live is none
_SAID = re.compile(
    r"(?:^|[^A-Za-z])(?:tel|phone|mobile|call|no|to|at|is|hp|wa|whatsapp|wechat|wx|vx|v|q|qq|t|m)$",
    re.IGNORECASE,
)

_PROVINCES = (
    "北京|天津|上海|重庆|河北|山西|辽宁|吉林|黑龙江|江苏|浙江|安徽|福建|江西|山东|河南|湖"
    "北"
    "|湖"
    "南|广东|海南|四川|贵州|云南|陕西|甘肃|青海|台湾|内蒙古|广西|西藏|宁夏|新疆|香港|澳门"
)
_HAN = "[\u4e00-\u9fff]"
_PLACE = re.compile(
    rf"(?:{_PROVINCES})(?:省|市|自治区)?|{_HAN}{{1,4}}(?:省|(?<![城都超门上夜股])市|自治州|盟)"
)
_DISTRICT = re.compile(
    rf"{_HAN}{{1,4}}(?:(?<![城都超门上夜股])市|(?<![小社专地景分校片市])区|县|旗|镇|乡|街道)"
)
_ROAD = re.compile(
    rf"{_HAN}(?:路|街|道|巷|弄|胡同|村|里|小区|花园|家园|公寓|苑|大厦|广场)[^，。；;、"
    rf"|\"\n{{}}\[\]]{{0,8}}$"
)
_ESTATE = re.compile(rf"{_HAN}{{2,6}}(?:小区|花园|家园|公寓|苑|大厦).{{0,4}}$")
_HOUSE = re.compile(
    r"[\dA-Za-z一二三四五六七八九十-]{1,6} ?(?:号楼|号院|号|弄|栋|幢|座|单元|室|组)(?![色链款品主"
    r"机麦码班])"
)
_DOOR = re.compile(r".{0,6}?\d{1,5} ?(?:号楼|栋|幢|座|单元|室|号)")
_ENDS = re.compile(r"[，。；;、|\"\n{}\[\]]")
_BEFORE = 48  # characters before a house number in which its road, district and place stand
_STREET = re.compile(
    r"\b(?:Jl\.?|Jalan) ?[A-Z][\w .']{2,40}?,? ?No\.? ?\d+|\bRT[ .]?\d{1,3} ?/ ?RW[ .]?\d{1,3}\b"
)

LIKELY = re.compile(
    r"[0-9０-９][^\n]{0,3}[0-9０-９][^\n]{0,3}[0-9０-９]|[@＠]|[路街道巷弄同村里区园寓苑厦场"
    r"]|Jl|Jalan|RW"
)  # nothing else is looked at
_IN_IDS = r"[@＠路街同村园寓苑厦场]|Jl|Jalan|RW"
NOT_HASHED = "id that is not hashed"

# The same kinds by their form alone, without check digit, border or country: hidden when a file is
# read, but too often something else (an article number, say) to stop a report.
_DOUBTFUL = re.compile(
    r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"  # e-mail
    r"|(?<!\d)\d{6}(?:18|19|20)\d{2}(?:0\d|1[0-2])(?:[0-2]\d|3[01])\d{3}[\dXx](?!\d)"  # identity
    # Chinese mobile, any number with the code of a country
    r"|(?<!\d)(?:(?:\+|00)\d{1,3}[- ]?)?[1１][3-9３-９]\d[- .]?\d{4}[- .]?\d{4}(?!\d)"
    r"|(?<!\d)(?:\+|00)\d{1,3}[- .]?(?:\d[- .]?){6,11}\d(?!\d)"
    # landline, Indonesian mobile
    r"|(?<!\d)0\d{2,3}[- ]?\d{7,8}(?!\d)|(?<!\d)0\d{2,3}[- ]\d{3,4}[- ]\d{3,4}(?!\d)"
    r"|(?<!\d)08\d{8,11}(?!\d)"
)


class Hit(NamedTuple):
    """One find: what it is, and where in the text it begins and ends."""

    kind: str
    start: int
    end: int


def _checks(number: str) -> bool:
    """Whether the last digit of an identity number is right by GB 11643 (ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(number[:17]))
    return number[17].upper() == "10X98765432"[total % 11]


def _is_mobile(words: str, match: re.Match[str]) -> bool:
    """Whether eleven digits are a phone number.

    Inside a code they are none, unless its letters say whose it is (wx13…, tel13…).
    """
    before, after = words[: match.start()], words[match.end() : match.end() + 1]
    lettered = before[-1:].isascii() and (before[-1:].isalpha() or before[-1:] == "_")
    return not (after.isascii() and (after.isalpha() or after == "_")) and (
        not lettered or bool(_SAID.search(before[-12:]))
    )


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str, re.Match[str]], bool] | None], ...] = (
    ("e-mail address", _E_MAIL, None),
    ("identity card number", _IDENTITY, lambda words, match: _checks(match[1])),
    ("phone number", _MOBILE, _is_mobile),
    ("phone number", _LANDLINE, None),
    ("phone number", _ABROAD, None),
    ("phone number", _INDONESIA, None),
    ("postal address", _STREET, None),
)


def _addresses(words: str) -> Iterator[Hit]:
    """House numbers behind a road behind a place of two levels, or of one where a door follows."""
    end = 0
    for house in _HOUSE.finditer(words):
        if house.start() < end:
            continue
        start = max(house.start() - _BEFORE, end)
        start = max(
            [start, *(start + mark.end() for mark in _ENDS.finditer(words[start : house.start()]))]
        )
        before = words[start : house.start()]
        road, door = _ROAD.search(before), _DOOR.match(words, house.end())
        estate = _ESTATE.search(before) if door else None
        begins = _place(before[: road.start() + 1], with_door=bool(door)) if road else None
        if begins is not None or estate:
            end = (door or house).end()
            yield Hit(
                "postal address", start + (begins if begins is not None else estate.start()), end
            )


def _place(before: str, *, with_door: bool) -> int | None:
    """Where the place begins that the words before a road name, if they name enough of one."""
    place = _PLACE.search(before)
    if place and _DISTRICT.search(before, place.end()):
        return place.start()
    one = place or _DISTRICT.search(before)
    return one.start() if one and with_door else None


def find(words: str) -> list[Hit]:
    """Personal data in one text: kind and place.

    Kinds: phone number, identity card number (its check digit is right), e-mail address, postal
    address (a place, a road and a number).
    """
    if not LIKELY.search(words):
        return []
    plain = words.translate(_WIDE)
    formed = (
        Hit(kind, match.start(1) if match.re.groups else match.start(), match.end())
        for kind, pattern, fits in _RULES
        for match in pattern.finditer(plain)
        if fits is None or fits(plain, match)
    )
    return sorted({*formed, *_addresses(plain)}, key=lambda hit: (hit.start, hit.end))


def hide(words: str) -> str:
    """The text with `***` for all that `find` finds in it."""
    parts, end = [], 0
    for hit in find(words):
        parts += [words[end : hit.start], "***"] if hit.start >= end else []
        end = max(end, hit.end)
    return "".join([*parts, words[end:]])


def mask(words: str) -> str:
    """The text of a cell with `***` for what `find` finds, and for what may be personal."""
    return hide(_DOUBTFUL.sub("***", words))


def masked(cells: pd.Series) -> pd.Series:
    """Cells of text, each by `mask`."""
    risky = cells.str.contains(LIKELY.pattern, regex=True, na=False)
    return cells.mask(risky, cells[risky].map(mask).astype("str")) if risky.any() else cells


def in_frame(
    frame: pd.DataFrame, *, ids: frozenset[str] = frozenset(), keys: frozenset[str] = frozenset()
) -> pd.DataFrame:
    """Cells of text columns that hold personal data, without their values: one row per cell.

    Columns: row (position, from 0), column, kind. Columns of `ids` are not searched for numbers, as
    any digits may be an id; in those of `keys` everything that is no keyed hash (16 hex digits) is
    a find.
    """
    hits = [
        _in_column(frame[name], name, is_id=name in ids, is_key=name in keys)
        for name in frame.select_dtypes(["str", "object"])
    ]
    return pd.concat(
        [pd.DataFrame({"row": [], "column": [], "kind": []}, dtype="object"), *hits],
        ignore_index=True,
    )


def _in_column(cells: pd.Series, name: str, *, is_id: bool, is_key: bool) -> pd.DataFrame:
    cells = cells.reset_index(drop=True).dropna().astype("str")
    if is_key:
        hit = cells[~cells.str.fullmatch("[0-9a-f]{16}")].map(lambda words: NOT_HASHED)
    else:
        different = cells if is_id else pd.Series(cells.unique(), dtype="str")  # ids hardly repeat
        likely = different[
            different.str.contains(_IN_IDS if is_id else LIKELY.pattern, regex=True)
        ].unique()
        kinds = {words: kind for words in likely if (kind := _first_kind(words, is_id=is_id))}
        hit = cells[cells.isin(list(kinds))].map(kinds) if kinds else cells.iloc[:0]
    return pd.DataFrame({"row": hit.index, "column": name, "kind": hit.to_numpy()}, dtype="object")


def _first_kind(words: str, *, is_id: bool) -> str | None:
    return next(
        (
            hit.kind
            for hit in find(words)
            if not is_id or hit.kind in ("e-mail address", "postal address")
        ),
        None,
    )
