"""The wording of a comment: its one form, its words, and the names of products in it."""

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping

import rjieba

# how often the dictionary says a word of the lexicon occurs: more often than its parts together
FREQUENT = 20_000
_PICTURES = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\ufe0e\ufe0f\u200d]|\\[[^\\[\\]\\s]{1,6}\\]"
)
_NUMERALS = {mark: str(number) for number, mark in enumerate("一二三四五六七八九十", start=1)}
_LINK = re.compile(
    r"(?:链接|link|item|no\.|#) ?#?(\d{1,3})(?!\d)|(?<![\d月])(\d{1,3}) ?号? "
    r"?(?:小)?链接|(?<![\d月.])(\d{1,3}) ?号(?=有|还|多|什|怎|没|是|宝贝|商品|款|品|$)"
)
LINKED = re.compile(r"\d{1,3}号链接|扣\d")
_TOKEN = re.compile(r"[a-z][a-z']+|[\u4e00-\u9fff]+")


def normalised(words: object) -> str:
    """A comment in its one form, in which equal meanings are equal texts.

    Half width, lower case, no pictures, repeats folded, link numbers as "3号链接", 11111 as "扣1".
    """
    plain = " ".join(_PICTURES.sub(" ", unicodedata.normalize("NFKC", str(words)).lower()).split())
    plain = re.sub("([一二三四五六七八九十])(?=号链接)", lambda match: _NUMERALS[match[1]], plain)
    plain = _LINK.sub(lambda match: f"{next(filter(None, match.groups()))}号链接", plain)
    if once := re.fullmatch(r"(?:[扣打敲刷发] ?)?(\d)(?: ?\1)*[!。.~]*", plain):
        return f"扣{once[1]}" if once[0] != "666" else plain
    plain = re.sub(r"(\D)\1{2,}", r"\1\1", plain)
    return re.sub(r"^(.{2,6}?)[ ,，!~]*(?:\1[ ,，!~]*)+$", r"\1", plain)


@functools.cache
def _segmenter(lexicon: tuple[str, ...]) -> rjieba.Jieba:
    segmenter = rjieba.Jieba()
    for word in lexicon:
        segmenter.add_word(word, FREQUENT, None)
    return segmenter


def words(plain: str, lexicon: tuple[str, ...]) -> list[str]:
    """The words of a comment in its one form: cut by rjieba and the lexicon, link numbers whole."""
    cut: list[str] = []
    end = 0
    for whole in [*LINKED.finditer(plain), None]:
        between = plain[end : whole.start() if whole else None]
        for run in _TOKEN.findall(between):
            cut += _segmenter(lexicon).cut(run) if run[0] > "z" else [run.removesuffix("'s")]
        cut += [whole[0]] if whole else []
        end = whole.end() if whole else end
    return cut


@functools.cache
def pattern(listed: tuple[str, ...]) -> re.Pattern[str]:
    """The pattern of any of the words, the longest first; Latin words stand whole."""
    ordered = sorted(listed, key=len, reverse=True)
    return re.compile(
        "|".join(
            rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])"
            if word[-1].isascii()
            else re.escape(word)
            for word in ordered
        )
    )


def marks_of(names: Mapping[str, str]) -> dict[str, str]:
    """The words that name one product: its first word, where no other product begins so."""
    first = {
        key: normalised(name).split(" ")[0]
        for key, name in names.items()
        if isinstance(name, str) and name.strip()
    }
    single = {
        key: word
        for key, word in first.items()
        if len(word) > 1 and list(first.values()).count(word) == 1
    }
    return dict(
        sorted(((word, key) for key, word in single.items()), key=lambda pair: -len(pair[0]))
    )


def without_names(plain: str, marks: Iterable[str]) -> str:
    """A comment without the names of products in it, unless it is nothing else."""
    return functools.reduce(lambda left, mark: left.replace(mark, "这款"), marks, plain)
