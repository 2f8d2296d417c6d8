"""Executed notebooks and a first screen become one page of HTML that asks for nothing outside."""

import base64
import functools
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2
import pandas as pd
from fontTools import subset
from fontTools.ttLib import TTFont
from markupsafe import Markup
from nbformat import NotebookNode

from helpers import reference
from helpers.core import text
from helpers.reference import metrics
from helpers.report import gate
from helpers.report.charts.theme import FAMILY, FONT
from helpers.report.parts import TEMPLATES, part
from helpers.report.units import Registry

LAST = "01_clean"  # what readers of a report want last: where the data come from
OTHER_LANGUAGE = "<!-- other language -->"  # where the link to the page in the other language goes
LANGUAGES = {"zh": "中文", "en": "English"}
PAGES = TEMPLATES / "fupan"
# The words of drawings, whose letters must all be in the page's font.
TEXT = re.compile(r"<text\b[^>]*>[^<]*")
# Chinese fonts draw these marks as wide as a character: an English page takes them from a Latin
# font of its reader, ahead of all others.
LATIN = "Fupan Latin"
LATIN_FACE = (
    f'@font-face{{font-family:"{LATIN}";src:local("Arial"),local("Helvetica"),local("Roboto"),'
    'local("Liberation Sans"),local("DejaVu Sans");'
    "unicode-range:U+B7,U+2018-2019,U+201C-201D,U+2026}\n"
)
FINDING = re.compile(r' data-finding="([^"]+)"')


def build(
    notebooks: Mapping[str, NotebookNode],
    *,
    first: Mapping[str, Any],
    lang: str,
    registry: Registry,
    as_of: pd.Timestamp | None = None,
    versions: Mapping[str, str] | None = None,
    saved_under: Mapping[str, str] | None = None,
) -> str:
    """The page of a review: first screen, a part for each executed notebook, glossary, method.

    Parts are chapters, closed until opened. `saved_under` names for each result the heading below
    which a notebook shows it. `first` comes from `first_screen.make`; of the `notebooks` the part
    about the data comes last. `gate.check` finds what the page must not hold. The same input gives
    the same bytes.
    """
    ordered = sorted(notebooks.items(), key=lambda item: item[0] == LAST)
    parts = [part(name, notebook, lang) for name, notebook in ordered]
    bodies = _anchored([chapter.body for chapter in parts])
    parts = [chapter._replace(body=body) for chapter, body in zip(parts, bodies, strict=True)]
    anchors = {name for body in bodies for name in re.findall(r'id="([A-Z][^"]*)"', body)}
    words = " ".join([*bodies, str(first)])
    content = _rendered(
        "page.html.j2",
        lang,
        first=first,
        parts=parts,
        anchors=anchors,
        glossary=glossary(registry, words, lang),
        as_of="" if as_of is None or pd.isna(as_of) else f"{as_of:%Y-%m-%d %H:%M}",
        versions=dict(versions or {}),
        sections=_sections(
            {words: id for chapter in parts for id, words in chapter.headings}, saved_under or {}
        ),
        data_part="p01" if LAST in notebooks else "",
    )
    return _dressed(
        content,
        title=f"{first['title']} · {text.choose(lang, '直播复盘', 'live review')}",
        lang=lang,
        scripts=("sort.js", "page.js"),
    )


def brief(
    layer: Mapping[str, Any], *, review: str, saved_under: Mapping[str, str], lang: str
) -> str:
    """The first layer as a page of its own, whose proofs lead into the finished page `review`.

    `layer` comes from `brief.make`; `saved_under` names for each result the heading below which a
    notebook shows it.
    """
    content = _rendered(
        "brief.html.j2", lang, brief=layer, places=places(review, layer, saved_under)
    )
    return _dressed(
        content,
        title=f"{layer['title']} · {text.choose(lang, '一页复盘', 'review on one page')}",
        lang=lang,
        scripts=(),
        styles=("style.css", "brief.css"),
    )


def roles(sheets: Sequence[Mapping[str, Any]], *, lang: str) -> str:
    """One sheet of `role_sheets.make`, or several one behind the other, as a page of its own."""
    name = sheets[0]["name"] if len(sheets) == 1 else text.choose(lang, "全部岗位", "All roles")
    return _dressed(
        _rendered("roles.html.j2", lang, sheets=sheets),
        title=f"{name} · {sheets[0]['title']}",
        lang=lang,
        scripts=(),
        styles=("style.css", "brief.css"),
    )


HEAD = re.compile(r'<h[3-6] id="([^"]+)">(.*?)</h[3-6]>', re.DOTALL)


def places(review: str, layer: Mapping[str, Any], saved_under: Mapping[str, str]) -> dict[str, str]:
    """Where in a finished page each proof stands: itself, else its result, else its chapter."""
    ids = set(re.findall(r' id="([^"]+)"', review))
    anchor = _sections({_bare(inner): id for id, inner in HEAD.findall(review)}, saved_under)
    anchor |= {id: id for id in ids}
    proofs = [
        line["proof"]
        for block in ("goals", "figures", "strengths", "matters", "actions")
        for line in layer[block]
    ]
    for proof in filter(None, proofs):
        chapter = f"p{proof[1:3]}" if proof[:1] == "F" else "p06"
        if proof not in anchor and chapter in ids:
            anchor[proof] = chapter
    return anchor


def _sections(headings: Mapping[str, str], saved_under: Mapping[str, str]) -> dict[str, str]:
    """The id of the heading below which each result is shown."""
    named = {text.plain(words, 200): id for words, id in headings.items()}
    return {name: named[words] for name, words in saved_under.items() if words in named}


def _bare(inner: str) -> str:
    return text.plain(html.unescape(re.sub(r"<[^>]+>", "", inner)).strip(), 200)


def linked(content: str, href: str, lang: str) -> str:
    """A finished page with a link to the same review in another language."""
    named, href = LANGUAGES[lang], html.escape(href)
    other = f'<p class="other"><a href="{href}" hreflang="{lang}" lang="{lang}">{named}</a></p>'
    return content.replace(OTHER_LANGUAGE, other)


def index(
    lines: list[dict[str, Any]],
    *,
    trend: list[dict[str, Any]],
    lang: str,
    others: Mapping[str, str] | None = None,
) -> str:
    """The page that lists all sessions below the account's trend, to be sorted and searched.

    `lines` are of `index.index_lines`, `trend` of `index.trend`, `others` addresses by language.
    """
    content = _rendered(
        "index_page.html.j2",
        lang,
        lines=lines,
        trend=trend,
        others=dict(others or {}),
        names=LANGUAGES,
    )
    return _dressed(
        content,
        title=text.choose(lang, "直播复盘 · 全部场次", "Live reviews · all sessions"),
        lang=lang,
        scripts=("sort.js", "index.js"),
    )


def _dressed(
    content: str,
    *,
    title: str,
    lang: str,
    scripts: Sequence[str],
    styles: Sequence[str] = ("style.css",),
) -> str:
    """The document's policy allows this style, font and script alone."""
    code = '"use strict";\n' + "".join(
        (PAGES / script).read_text(encoding="utf-8") for script in scripts
    )
    look = "".join((PAGES / style).read_text(encoding="utf-8") for style in styles)
    names = "".join(LANGUAGES.values())  # of a link that a finished page may get
    letters = _letters(f"{title}{content}{code}{names}", beyond=0xFF)
    letters |= _letters("".join(TEXT.findall(content)), beyond=0x1F)
    style = f"{_font_face(letters)}{text.choose(lang, '', LATIN_FACE)}{look}{_foot(title)}"
    policy = (
        f"default-src 'none'; img-src data:; font-src data:; style-src {gate.digest(style)}; "
        f"script-src {gate.digest(code)}; base-uri 'none'; form-action 'none'"
    )
    return _rendered(
        "document.html.j2",
        lang,
        content=Markup(content),
        title=title,
        policy=policy,
        style=Markup(style),
        script=Markup(code),
        html_lang=text.choose(lang, "zh-CN", "en"),
    )


def _rendered(template: str, lang: str, **values: Any) -> str:
    words = functools.partial(text.choose, lang)
    return _environment().get_template(template).render(lang=lang, t=words, **values)


def _foot(title: str) -> str:
    """Prints the title at the foot of every sheet, all but letters and digits as numbers."""
    spelled = "".join(
        mark if mark.isascii() and mark.isalnum() else f"\\{ord(mark):x} " for mark in title
    )
    return (
        f'@media print {{ @page {{ @bottom-left {{ content: "{spelled}"; font: 7.5pt '
        f'"{LATIN}", "{FAMILY}", sans-serif; color: #55616d; }} }} }}\n'
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["unbroken"] = lambda words: Markup(unbroken(words))
    return environment


def unbroken(words: str) -> str:
    """Words as HTML in which no line ends between an amount's bracket or sign and its figures."""
    return re.sub(
        r"[(（]?[-−+][¥$€£฿₫₱][\d,.]*\d万?[)）]?",
        r'<span class="fp-mark">\g<0></span>',
        html.escape(words),
    )


def _anchored(bodies: list[str]) -> list[str]:
    """A finding or plan line has its id where it first stands: the first screen points there."""
    placed: set[str] = set()

    def named(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in placed or not re.fullmatch(r"[A-Z][\w-]*", name):
            return ""
        placed.add(name)
        return f' id="{name}"'

    return [FINDING.sub(named, body) for body in bodies]


def glossary(registry: Registry, words: str, lang: str) -> list[dict[str, str]]:
    """The definitions of the metrics and measures that the page names, in the registry's order."""
    everything, words = [*registry.values(), *reference.measures().values()], words.lower()
    return definitions(
        [metric for metric in everything if text.label(metric, lang).lower() in words], lang
    )


def definitions(
    measured: Iterable[reference.Metric | reference.Measure], lang: str
) -> list[dict[str, str]]:
    """Name, formula, description and source of metrics and measures."""
    return [
        {
            "name": text.label(metric, lang),
            "formula": _formula(metric, lang) or text.NOTHING,
            "description": text.label(metric.description, lang) + _needs(metric, lang),
            "source": metrics.source(metric, lang),
        }
        for metric in measured
    ]


def _needs(metric: reference.Metric | reference.Measure, lang: str) -> str:
    return (
        text.choose(lang, f"（需要：{metric.needs.zh}）", f" (needs: {metric.needs.en})")
        if isinstance(metric, reference.Measure)
        else ""
    )


def _formula(metric: reference.Metric | reference.Measure, lang: str) -> str:
    return (
        text.label(metric.formula, lang)
        if isinstance(metric, reference.Measure)
        else metrics.formula(metric, lang)
    )


def _letters(content: str, *, beyond: int) -> frozenset[int]:
    words = html.unescape(re.sub("<[^>]*>", "", content))
    return frozenset(ord(mark) for mark in words if ord(mark) > beyond)


@functools.lru_cache(maxsize=8)
def _font_face(letters: frozenset[int]) -> str:
    """For readers without Chinese fonts."""
    if not letters:
        return ""
    options = subset.Options(
        flavor="woff2", layout_features=[], desubroutinize=False, notdef_outline=True
    )
    with TTFont(FONT, lazy=True, recalcTimestamp=False, recalcBBoxes=False) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=letters)
        cutter.subset(font)
        font.flavor = "woff2"
        buffer = io.BytesIO()
        font.save(buffer)
    packed = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'@font-face{{font-family:"{FAMILY}";src:url(data:font/woff2;base64,{packed}) '
        'format("woff2")}\n'
    )
