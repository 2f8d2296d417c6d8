"""Personal data in text, found by its form and hidden.

The rules are exact rather than wide, as a finding stops a report. Names and nicknames have no form;
they are dropped with their columns on reading.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pandas as pd

# ---- how a number may be written: one plain form of a text, for all that looks for personal data

_EVERY = [chr(code) for code in range(0x80, 0x1FC00)]
_DIGITS = "".join(mark for mark in _EVERY if unicodedata.digit(mark, None) is not None)
_MARKS = "".join(mark for mark in _EVERY if unicodedata.category(mark) == "Cf")  # nothing is seen
_USUAL = "，。！？、；…“”‘’《》【】"  # punctuation of ordinary texts, read as it stands
_ODD = re.compile(rf"[^\n -~\u4e00-\u9fff{_USUAL}]|  |--|\.\.|__")
_BLANKS = "\t\v\f\x1c\x1d\x1e\x1f\u2800\u3164\uffa0\u115f\u1160"
_DASHES = "−⁃ーㅡ"  # beside those that Unicode calls dashes
_DOTS = "·•・‧∙⋅⸱･"
_FOLDED = " -._"  # any number of these in a row counts as one
_SPELLED = "〇零○一二三四五六七八九幺壹贰叁肆伍陆柒捌玖"
_SPOKEN = str.maketrans(_SPELLED, "000123456789" + "1" + "123456789")


@functools.cache
def _form(mark: str) -> str:
    """What a character is read as: a digit, a letter, a space, a dash, a dot, nothing, itself."""
    category = unicodedata.category(mark)
    if mark in _USUAL or mark in _SPELLED or mark == "\n":
        return mark
    if category in ("Cf", "Mn", "Me"):
        return ""
    if mark in _BLANKS or category in ("Zs", "Zl", "Zp"):
        return " "
    if mark in _DASHES or category == "Pd":
        return "-"
    if mark in _DOTS:
        return "."
    digit = unicodedata.digit(mark, None)
    if digit is not None:
        return str(digit)
    form = unicodedata.normalize("NFKC", mark)
    if all(part.isalnum() or part in "+@-._~()[]:#/=¥" for part in form):
        return form
    return " " if category == "So" else mark  # 138❤0013❤8000


def _plain(words: str) -> tuple[str, list[int] | None]:
    """A text in its plain form, and where each of its characters stands in the text itself.

    The places end with the text's length; they are None where nothing had to be changed.
    """
    if not _ODD.search(words):
        return words, None
    parts: list[str] = []
    places: list[int] = []
    for place, mark in enumerate(words):
        for part in _form(mark):
            if parts and part in _FOLDED and part == parts[-1]:
                continue
            parts.append(part)
            places.append(place)
    return "".join(parts), [*places, len(words)]


# ---- forms of personal data in a plain text; each pattern takes time in proportion to the text

# Between groups of digits: a space, a dash, or both. Dots, which stand in decimals, count where
# all gaps are alike.
_GAP = r"(?: ?- ?| )"
_APART = r"(?: ?- ?| |\.)"
_MOBILE = re.compile(
    r"(?<![\d¥$])(?<!\d\.)(?:\(?(?:\+|00)?86\)?[ .-]{0,2})?"
    rf"((?:1[3-9]\d{_GAP}?\d{{4}}{_GAP}?\d{{4}}|1[3-9]\d{_GAP}\d{{3}}{_GAP}\d{{5}}"
    rf"|1{_GAP}[3-9](?:{_GAP}\d){{9}}|\(1[3-9]\d\) ?\d{{4}}{_GAP}?\d{{4}}"
    r"|1[3-9]\d(?:([._~。])\d{4}\2\d{4}|([._~。])\d{3}\3\d{5})))"
    r"(?!\d|,\d{3}(?!\d)|\.\d)"
)
_SPELT_MOBILE = re.compile(rf"1{_GAP}?[3-9](?:{_GAP}?\d){{9}}")
_LANDLINE = re.compile(
    rf"(?<![A-Za-z0-9_-])(?:\(0\d{{2,3}}\){_APART}?|0(?:10|2\d|[3-9]\d{{2}}){_APART}"
    rf"|\(?(?:\+|00)86\)?[ -]?(?:\(0?[1-9]\d{{1,2}}\)|0?[1-9]\d{{1,2}}){_APART}?)"
    rf"\d{{3,4}}{_APART}?\d{{4}}(?!\d)(?:(?: ?- ?| ?转 ?| ?ext\.? ?| ?分机 ?)\d{{1,6}})?(?![\d-])",
    re.IGNORECASE,
)
# countries that the shops sell to
_CODES = "852|853|886|62|66|84|60|63|65|44|49|33|34|39|81|82|61|971|966|55|52|1"
_ABROAD = re.compile(
    rf"(?<![A-Za-z0-9_+])\(?(?:\+|00)(?:{_CODES})\)?[ -]?\(?\d(?:[ -]?\)?[ -]?\d){{6,11}}"
    r"(?![\d,*]|\.\d)"
)
# as written at home: Indonesia; Philippines; Thailand, Vietnam; Malaysia; Britain; America
_AT_HOME = re.compile(
    r"(?<![A-Za-z0-9_.¥$-])(?:"
    r"08(?:1[1-9]|2[1-3]|3[1238]|5[1235-9]|7[78]|8[1-9]|9[5-9])(?:[ -]?\d){7,9}"
    r"|09\d{2}[ -]?\d{3}[ -]?\d{4}|0[35-9]\d[ -]?\d{3}[ -]?\d{4}|0[35-9]\d{2}[ -]\d{3}[ -]\d{3}"
    r"|01\d[ -]?\d{3,4}[ -]?\d{4}|07\d{3}[ -]?\d{3}[ -]?\d{3}"
    r"|\([2-9]\d{2}\)[ -]?[2-9]\d{2}[ -]\d{4})(?![\d*A-Za-z_]|\.\d|-\d)"
)
# behind such a word digits are a number, however they are grouped; 400 and 800 are a service's
_CALLED = re.compile(
    r"(?:电话|手机(?=号| ?:)|座机|联系方式|联系人|联系我|联系|致电|拨打|打给|来电"
    r"|(?<![a-z])(?:tel|telp|phone|mobile|call|whatsapp|wa|hp|hubungi|contact))"
    r"(?:号码|号|我|no)?[ .:是为]{0,3}"
    r"(?![48] ?-?0 ?-?0)((?:\+ ?)?\(?\d(?:[ .~/|,，、。_()-]{0,3}\d){6,14})(?!\d)",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)|20\d\d[-./]?[01]?\d[-./]?[0-3]?\d(?!\d)")
_IDENTITY = re.compile(rf"(?<!\d)([1-9](?:{_APART}?\d){{16}}{_APART}?[\dXx])(?![\dXx])")
_OLD_IDENTITY = re.compile(rf"(?<!\d)(?<!\d-)([1-9]\d{{5}}{_APART}?\d{{6}}{_APART}?\d{{3}})(?!\d)")
_PROVINCE = re.compile("1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[1-3]|91")
_COUNTY = re.compile(  # the numbers of prefectures differ by province
    r"(?:(?:1[12]|31)0[12]|500[1-3]|1[34](?:0\d|1[01]|2[1-9])|15(?:0\d|2[1-9])"
    r"|21(?:0\d|1[0-4])|22(?:0\d|24)|23(?:0\d|1[0-2]|2[1-7])|32(?:0\d|1[0-3])|33(?:0\d|1[01]|2\d)"
    r"|3[46](?:0\d|1[0-8]|2\d)|35(?:0\d|2[1-6])|37(?:0\d|1[0-7]|2\d)"
    r"|4[123](?:0\d|1[0-7]|2[1-9]|31|90)|44(?:0\d|1\d|20|5[1-3])|45(?:0\d|1[0-4]|2\d)|46(?:0[1-4]|90)"
    r"|51(?:0\d|1\d|20|3[2-4])|52(?:0\d|2[1-7])|53(?:0\d|2[1-9]|3[0-4])|54(?:0\d|2[1-7])"
    r"|6[12](?:0\d|1[0-2]|2[1-9]|30)|63(?:0[12]|2[1-8])|64(?:0[1-5]|2[12])|65(?:0[1-5]|2\d|3[0-2]|4[0-3]|90))"
    r"(?:0[1-9]|[12]\d|3[0-5]|8[1-5])"
)
_DAY = re.compile(r"(?:0[13578]|1[02])(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11|02)(?:0[1-9]|[12]\d|30)")
_CERTIFIED = re.compile(
    r"(?:身份证?|证件|证)(?:号码?)?[^\d\n]{0,6}$|(?<![A-Za-z])(?:id|nik)[ :.no]{0,5}$",
    re.IGNORECASE,
)
_CARD = re.compile(
    rf"(?<!\d)(?:([3-6]\d{{3}}({_APART})\d{{4}}\2\d{{4}}\2\d{{4}}(?:\2\d{{1,3}})?)"
    rf"|(62\d{{4}}{_APART}\d{{10,13}})|(3[47]\d{{2}}{_APART}\d{{6}}{_APART}\d{{5}})"
    r"|([3-6]\d{15,18}))(?!\d)"
)
_BANKED = re.compile(
    r"(?:卡|卡号|账号|帐号|账户|帐户|[工建农中招交邮]行|银行|信用社)[^\d\n]{0,6}$"
    r"|(?<![a-z])(?:card|bank|account|acc|rekening|rek|visa|mastercard)[ :.no]{0,6}$",
    re.IGNORECASE,
)
_IN_ONE_PIECE = 5  # the group of `_CARD`
# How card numbers of the large banks begin, behind 62: a long number in one piece is a card's only
# so, as one in ten order ids has a right check digit, too.
_ISSUERS = frozenset(
    re.findall(
        r"\d{4}",
        """
        0058 0062 0501 0516 0535 1002 1069 1080 1081 1095 1096 1098 1222 1226 1227 1256 1281 1282
        1283 1284 1285 1286 1288 1299 1330 1331 1332 1333 1335 1336 1350 1351 1352 1390 1436 1462
        1466 1467 1483 1485 1486 1488 1489 1492 1499 1558 1559 1568 1569 1599 1618 1619 1620 1622
        1626 1660 1661 1662 1663 1665 1666 1667 1668 1669 1671 1672 1674 1691 1700 1722 1723 1725
        1756 1757 1758 1759 1767 1768 1770 1771 1772 1773 1785 1786 1787 1788 1789 1790 1791 1792
        1793 1794 1795 1796 1797 1798 1799 2150 2151 2155 2156 2157 2161 2166 2168 2181 2188 2199
        2200 2202 2203 2208 2210 2211 2230 2235 2240 2245 2252 2253 2258 2259 2260 2261 2262 2276
        2277 2280 2284 2298 2500 2516 2517 2518 2520 2521 2522 2523 2525 2526 2535 2536 2538 2539
        2555 2556 2558 2568 2570 2575 2576 2577 2578 2579 2580 2581 2582 2588 2598 2600 2601 2602
        2603 2609 2615 2616 2617 2618 2619 2622 2630 2631 2632 2633 2636 2637 2638 2650 2655 2656
        2657 2658 2660 2661 2662 2663 2666 2668 2670 2685 2690 2691 2692 2696 2698 2700 2707 2750
        2751 2752 2753 2757 2758 2759 2760 2761 2762 2763 2765 2821 2822 2823 2824 2825 2826 2827
        2828 2836 2837 2838 2839 2840 2841 2844 2845 2846 2847 2848 2849 2901 2902 2908 2909 2922
        2966 2983 2986 2988 2989 2998 2999 3018 3020 3021 3022 3023 3058 3126 3136 3156 3206 3218
        3219 3261 5084 5086
        """,
    )
)
_LOCAL = r"[A-Za-z0-9._%+-]{1,64}@"
_E_MAIL = re.compile(
    rf"{_LOCAL}[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{0,8}}"
    r"\.(?!(?:png|jpe?g|gif|webp|svg|mp4)\b)[A-Za-z]{2,24}"
)  # 主播@小美.live is none
_CHAT = re.compile(
    r"(?:([微薇威维徽]信|v信|加[v微薇]|绿泡泡)"
    r"|(?<![a-z0-9])(?:vx|wx(?!id_)|wechat|weixin|v(?= ?:)))"
    r"( ?(?:号码?|账号|id)? ?(?:[:=是为]|->)? ?)"
    r"([a-z][a-z0-9_-]{5,19}|[1-9]\d{5,11})(?![a-z0-9_-]|\.\d)"
    r"|(?<![a-z0-9])(wxid_[a-z0-9]{6,20})",
    re.IGNORECASE,
)
_QQ = re.compile(
    r"(?:(?<![a-z])qq(?:号码?|群号?)?|(?<!扣)扣扣(?:号码?|群)?|企鹅(?:号码?|群)?"
    r"|(?<![a-z0-9])q[号群]) ?[:=是为]? ?([1-9](?:[ -]?\d){4,10})(?![\d件元个块包斤条只])",
    re.IGNORECASE,
)
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

_ANY_DIGIT = f"[0-9{_DIGITS}]"
_ANY_MARK = "".join(mark for mark in _MARKS if mark != "\u200d")  # which joins emoji
LIKELY = re.compile(  # nothing else is looked at; also in the words of another engine (RE2)
    rf"{_ANY_DIGIT}[^\n]{{0,8}}{_ANY_DIGIT}[^\n]{{0,8}}{_ANY_DIGIT}|{_ANY_DIGIT}[\u200d\ufe0f\u20e3]"
    rf"|[{_ANY_MARK}]|[{_SPELLED}](?:[^\n]{{0,3}}[{_SPELLED}0-9]){{4}}"
    r"|[@＠路街道巷弄同村里区园寓苑厦场]|Jl|Jalan|RW|[Ａ-Ｚａ-ｚ]"
    r"|(?i:[微薇威维徽vｖ]信|加[v微薇]|绿泡泡|vx|wx|wechat|weixin|v ?[:：])"
)
_IN_IDS = r"[@＠路街同村园寓苑厦场]|Jl|Jalan|RW"
NOT_HASHED = "id that is not hashed"

# The same kinds by their form alone, without check digit, border or country: hidden when a file is
# read, but too often something else (an article number, say) to stop a report.
_DOUBTFUL = re.compile(
    rf"{_LOCAL}[A-Za-z0-9-]{{1,63}}(?:\.[A-Za-z0-9-]{{1,63}}){{1,8}}"  # e-mail
    # any number with the code of a country
    rf"|(?<![\dA-Z])(?:\+\d{{1,3}}|00(?:86|{_CODES}))[- .]?(?:\d[- .]?){{6,11}}\d(?!\d)"
    # a mobile that may be a list of figures
    r"|(?<![\d¥$.])1[3-9]\d(?:[/*|,，、\n]\d{4}){2}(?![\d.])"
    # landline, Indonesian mobile
    r"|(?<![\dA-Z])0(?:10|2\d|[3-9]\d{2})[- ]?\d{7,8}(?!\d)"
    r"|(?<!\d)0\d{2,3}[- ]\d{3,4}[- ]\d{3,4}(?!\d)|(?<![\dA-Z])08\d{8,11}(?!\d)"
)
_DOUBTFUL_MOBILE = re.compile(r"(?<![\d¥$A-Z])(?<!\d\.)(1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?![\dA-Z])")


class Hit(NamedTuple):
    """One find: what it is, and where in the text it begins and ends."""

    kind: str
    start: int
    end: int


def _checks(number: str) -> bool:
    """Whether the last digit of an identity number is right by GB 11643 (ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(number[:17]))
    return number[17].upper() == "10X98765432"[total % 11]


def _adds_up(number: str) -> bool:
    """Whether the last digit of a card's number is right (Luhn)."""
    digits = [int(digit) for digit in reversed(number)]
    twice = sum(sum(divmod(2 * digit, 10)) for digit in digits[1::2])
    return (sum(digits[::2]) + twice) % 10 == 0


def _bare(match: re.Match[str]) -> str:
    return re.sub("[ .-]", "", match[match.lastindex])


def _before(words: str, match: re.Match[str], limit: int = 16) -> str:
    begin = match.start(match.lastindex or 0)
    return words[max(begin - limit, 0) : begin]


def _is_prices(number: str) -> bool:
    """Rising numbers that all end in 9: 199 1299 1599."""
    groups = [int(group) for group in re.findall(r"\d+", number)]
    return (
        len(groups) == 3 and groups == sorted(groups) and all(group % 10 == 9 for group in groups)
    )


def _is_mobile(words: str, match: re.Match[str]) -> bool:
    """Whether eleven digits are a phone number.

    Inside a code they are none, unless its letters say whose it is (wx13…, tel13…).
    """
    before, after = (
        words[max(match.start() - 12, 0) : match.start()],
        words[match.end() : match.end() + 1],
    )
    lettered = before[-1:].isascii() and (before[-1:].isalpha() or before[-1:] == "_")
    return (
        not (after.isascii() and (after.isalpha() or after == "_"))
        and (not lettered or bool(_SAID.search(before)))
        and not _is_prices(match[1])
    )


def _in_hash(words: str, match: re.Match[str]) -> bool:
    """Whether the match stands in a longer row of hexadecimal digits."""
    start, end = match.span()
    before = re.search("[0-9a-f]*$", words[max(start - 32, 0) : start])[0]
    behind = re.match("[0-9a-f]*", words[end : end + 32])[0]
    return len(before + match[0] + behind) >= 16 and bool(before + behind)


def _may_be_mobile(words: str, match: re.Match[str]) -> bool:
    """Eleven digits behind letters, as in zhangsan13800138000."""
    return not _in_hash(words, match) and not _is_prices(match[1])


def _is_identity(words: str, match: re.Match[str]) -> bool:
    """A province, a day of birth and the right check digit, or a word that says what it is."""
    number = _bare(match)
    return bool(
        _PROVINCE.match(number)
        and number[6:8] in ("18", "19", "20")
        and _DAY.match(number, 10)
        and (_checks(number) or _CERTIFIED.search(_before(words, match)))
    )


def _may_be_identity(words: str, match: re.Match[str]) -> bool:
    """A county and a day of birth of somebody who is alive; the check digit may be mistyped."""
    number = _bare(match)
    return bool(
        len(number) == len(match[1])
        and _COUNTY.match(number)
        and "1930" <= number[6:10] <= "2019"
        and _DAY.match(number, 10)
    )


def _is_old_identity(words: str, match: re.Match[str]) -> bool:
    """One of fifteen digits, given until 1999; there is no check digit."""
    number = _bare(match)
    return bool(
        _PROVINCE.match(number)
        and _DAY.match(number, 8)
        and (
            (_COUNTY.match(number) and "25" <= number[6:8] <= "90" and len(number) == len(match[1]))
            or _CERTIFIED.search(_before(words, match))
        )
    )


def _is_card(words: str, match: re.Match[str]) -> bool:
    """Grouped as on a card, of a large bank, or behind a word that says so.

    The check digit is right, but for one that begins as China's cards do and is grouped or named.
    """
    number = _bare(match)
    grouped = match.lastindex != _IN_ONE_PIECE
    named = grouped or bool(_BANKED.search(_before(words, match)))
    chinese = number.startswith("62")
    if named and chinese:
        return True
    if match.lastindex == 1:  # what follows sixteen digits may be the next number
        return _adds_up(number) or _adds_up(number[:16])
    return _adds_up(number) and (named or (chinese and number[2:6] in _ISSUERS))


def _is_account(words: str, match: re.Match[str]) -> bool:
    """What follows the name of a messenger: an id by its digits, or by the mark before it."""
    if match[4]:
        return True
    marked = bool(match[2].strip())
    told_by_itself = bool(re.search(r"[\d_-]", match[3])) and bool(match[1] or match[2])
    return marked or told_by_itself


_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str, re.Match[str]], bool] | None], ...] = (
    ("identity card number", _IDENTITY, _is_identity),
    ("identity card number", _OLD_IDENTITY, _is_old_identity),
    ("bank card number", _CARD, _is_card),
    ("phone number", _MOBILE, _is_mobile),
    ("phone number", _LANDLINE, None),
    ("phone number", _ABROAD, None),
    ("phone number", _AT_HOME, None),
    ("phone number", _CALLED, lambda words, match: not _FIGURE.match(match[1])),
    ("messenger account", _QQ, lambda words, match: len(set(match[1]) - set(" -")) > 1),
)
_DOUBTS = (
    ("phone number", _DOUBTFUL, lambda words, match: not _in_hash(words, match)),
    ("phone number", _DOUBTFUL_MOBILE, _may_be_mobile),
    ("identity card number", _IDENTITY, _may_be_identity),
)
_FEWEST = 5  # digits of a number
# a number as a computer writes one that it has worked out: some of these would read as a phone's
_COMPUTED = re.compile(r"(?=(?:\D*\d){15,17}$)-?\d{1,8}\.\d{9,17}")


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


def _hits(plain: str, *, doubtful: bool) -> Iterator[Hit]:
    """What is personal in a plain text; with `doubtful` also what may be."""
    rules = []
    if "@" in plain:
        rules.append(("e-mail address", _E_MAIL, None))
    if sum(map(str.isdigit, plain)) >= _FEWEST:
        rules += _RULES
    rules.append(("messenger account", _CHAT, _is_account))
    if "J" in plain or "RT" in plain:
        rules.append(("postal address", _STREET, None))
    for kind, pattern, fits in (*rules, *(_DOUBTS if doubtful else ())):
        for match in pattern.finditer(plain):
            if fits is None or fits(plain, match):
                yield Hit(kind, *match.span(match.lastindex or 0))
    yield from _spelt(plain)
    yield from _addresses(plain)


def _spelt(plain: str) -> Iterator[Hit]:
    """Numbers in Chinese characters, wholly or in part.

    What stands before a mobile number may be such a character, too, as the name 张三.
    """
    spoken = plain.translate(_SPOKEN)
    if spoken == plain:
        return
    for match in _QQ.finditer(spoken):
        yield Hit("messenger account", *match.span(1))
    for match in _SPELT_MOBILE.finditer(spoken):
        start, end = match.span()
        spelt = sum(mark in _SPELLED for mark in plain[start:end])
        beside = plain[start - 1 : start] + plain[end : end + 1] if start else plain[end : end + 1]
        if not re.search("[0-9]", beside) and (spelt >= 4 or (spelt and end - start == 11)):
            yield Hit("phone number", start, end)


def _found(words: str, *, doubtful: bool = False) -> list[Hit]:
    """`_hits` at their places in the text itself."""
    if not LIKELY.search(words) or _COMPUTED.fullmatch(words):
        return []
    plain, places = _plain(words)
    hits = {*_hits(plain, doubtful=doubtful)}
    if places:
        hits = {Hit(hit.kind, places[hit.start], places[hit.end]) for hit in hits}
    outer: list[Hit] = []
    for hit in sorted(hits, key=lambda hit: (hit.start, -hit.end)):
        # part of a longer number is nothing by itself
        inside = outer and hit.end <= outer[-1].end and hit[1:] != outer[-1][1:]
        outer += [] if inside else [hit]
    return outer


def find(words: str) -> list[Hit]:
    """Personal data in one text, however its digits are written: kind and place.

    Kinds: phone number, identity card number, bank card number (their check digits are right), QQ
    or WeChat account (messenger account), e-mail address, postal address (a place, a road and a
    number).
    """
    return _found(words)


def _without(words: str, hits: list[Hit]) -> str:
    parts, end = [], 0
    for hit in hits:
        parts += [words[end : hit.start], "***"] if hit.start >= end else []
        end = max(end, hit.end)
    return "".join([*parts, words[end:]])


def hide(words: str) -> str:
    """The text with `***` for all that `find` finds in it."""
    return _without(words, _found(words))


def mask(words: str) -> str:
    """The text of a cell with `***` for what `find` finds, and for what may be personal."""
    return _without(words, _found(words, doubtful=True))


def masked(cells: pd.Series) -> pd.Series:
    """Cells of text, each by `mask`."""
    risky = cells.str.contains(LIKELY.pattern, regex=True, na=False)
    return cells.mask(risky, cells[risky].map(mask).astype("str")) if risky.any() else cells


# Beside a number, a word of two or three characters that begins so is its owner's name.
_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金"
    "陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文"
)
_NAMED = rf"[{_SURNAMES}]{_HAN}{{1,2}}"
_NAME_BEFORE = re.compile(rf"(?<!{_HAN})({_NAMED})[^\w\n]{{0,3}}$")
_NAME_BEHIND = re.compile(rf"[^\w\n]{{0,3}}({_NAMED})(?!{_HAN})")


def mask_name(name: str) -> str:
    """The name of a file or a sheet by `mask`; somebody's name beside a number is hidden, too."""
    spaced = name.replace("_", " ")  # in such names a space, elsewhere part of a code
    hits = _found(spaced, doubtful=True)
    people = [
        Hit("name", *match.span(1))
        for hit in hits
        for match in (
            _NAME_BEFORE.search(spaced, max(hit.start - 8, 0), hit.start),
            _NAME_BEHIND.match(spaced, hit.end),
        )
        if match
    ]
    return _without(name, sorted([*hits, *people], key=lambda hit: (hit.start, hit.end)))


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
        # ids hardly repeat, and nearly all are digits alone
        different = cells[~cells.str.isdigit()] if is_id else pd.Series(cells.unique(), dtype="str")
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
