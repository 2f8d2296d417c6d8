"""Executed notebooks and a first screen become one page of HTML: nothing outside it is ever asked for."""

from __future__ import annotations

import base64
import copy
import functools
import html
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import nh3
import pandas as pd
from fontTools import subset
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.boundsPen import BoundsPen
from fontTools.pens.t2CharStringPen import T2CharStringPen
from fontTools.pens.transformPen import TransformPen
from fontTools.ttLib import TTFont
from markupsafe import Markup
from nbconvert import HTMLExporter
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode

from helpers import reference
from helpers.core import text
from helpers.reference import metrics
from helpers.report import charts, drawing, gate
from helpers.review import SENTINEL

LAST = "01_clean"  # what readers of a report want last: where the data come from
AHEAD = "lead"  # tag of the cells that stand at the beginning of their chapter
OTHER_LANGUAGE = "<!-- other language -->"  # where the link to the page in the other language goes
TEMPLATES = Path(__file__).parent / "templates"
LATIN = "Fupan Latin"
WIDE_MARKS = (0xB7, 0x2018, 0x2019, 0x201C, 0x201D, 0x2026)  # · ‘ ’ “ ” …
BESIDE_INK = 55  # thousandths of an em on either side
TAGS = {
    "a",
    "abbr",
    "b",
    "blockquote",
    "br",
    "caption",
    "code",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "hr",
    "i",
    "img",
    "kbd",
    "li",
    "ol",
    "p",
    "pre",
    "s",
    "small",
    "span",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "u",
    "ul",
} | drawing.TAGS
ATTRIBUTES = {
    "*": {"class", "aria-hidden", "aria-label", "role", "tabindex", "data-finding"},
    "a": {"href"},
    "img": {"alt", "src", "width", "height"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "ol": {"start"},
} | {tag: set(drawing.LOOKS | drawing.PLACES) for tag in drawing.TAGS}
# Classes of ours, of a plain pandas frame and of highlighted code (one to three characters); no
# other comes through.
CLASS = re.compile(r"fp-[a-z]+|fupan-[a-z]+|dataframe|highlight|hl-[a-z0-9]+|[a-z][a-z0-9]{0,2}")
IMAGE = re.compile(r"data:image/(?:svg\+xml|png|jpeg);base64,[A-Za-z0-9+/=\s]+")
DRAWN = re.compile(r"c\d+")  # an id of a drawing, before `drawing.numbered`
PICTURE = re.compile(r'<img alt="([^"]*)"[^>]*>')
# Classes of highlighted code that the style colours; names and texts, too, would be a third of the
# page.
COLOURED = "k|kn|kc|ow|c1"
PLAIN_CODE = re.compile(
    rf'<span class="(?!(?:{COLOURED})")[a-z0-9]{{1,3}}">([^<]*)</span>|<span></span>'
)
HEADING = re.compile(r"<h([1-5])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)
TEXT = re.compile(
    r"<text\b[^>]*>[^<]*"
)  # the words of drawings, whose letters must all be in the page's font
LEAD = re.compile(r"<ul>(.*?)</ul>", re.DOTALL)
FINDING = re.compile(r' data-finding="([^"]+)"')


class Part(NamedTuple):
    """One notebook in the page: its title, its headings as (id, words), its body."""

    id: str
    title: str
    headings: list[tuple[str, str]]
    body: str


def dropped_tags(lang: str) -> set[str]:
    """Tags of the cells that the page of a language leaves out: the other language's words, and what is not for readers."""
    return {f"lang-{text.choose(lang, 'en', 'zh')}", "report-hidden"}


def build(
    notebooks: Mapping[str, NotebookNode],
    *,
    first: Mapping[str, Any],
    lang: str,
    registry: Mapping[str, reference.Metric],
    as_of: pd.Timestamp | None = None,
    versions: Mapping[str, str] | None = None,
) -> str:
    """The page of a review: first screen, a part for each executed notebook, glossary, method. Same input, same bytes.

    `first` comes from `first_screen.make`; `notebooks` are in order, but the part about the data
    comes last. What the page must not hold is found by `gate.check`, not here.
    """
    parts = [
        part(name, notebook, lang)
        for name, notebook in sorted(notebooks.items(), key=lambda item: item[0] == LAST)
    ]
    bodies = _anchored([one.body for one in parts])
    parts = [one._replace(body=body) for one, body in zip(parts, bodies, strict=True)]
    anchors = {name for body in bodies for name in re.findall(r'id="([A-Z][^"]*)"', body)}
    words = " ".join([*(one.body for one in parts), str(first)])
    content = (
        _environment()
        .get_template("page.html.j2")
        .render(
            lang=lang,
            t=lambda zh, en: text.choose(lang, zh, en),
            first=first,
            parts=parts,
            anchors=anchors,
            glossary=glossary(registry, words, lang),
            as_of="" if as_of is None or pd.isna(as_of) else f"{as_of:%Y-%m-%d %H:%M}",
            versions=dict(versions or {}),
            data_part="p01" if LAST in notebooks else "",
        )
    )
    return _dressed(
        content,
        title=f"{first['title']} · {text.choose(lang, '直播复盘', 'live review')}",
        lang=lang,
        scripts=("sort.js", "page.js"),
    )


def linked(made: str, href: str, lang: str) -> str:
    """A finished page with a link to the same review in another language."""
    named = text.choose(lang, "中文", "English")
    other = (
        f'<p class="other"><a href="{html.escape(href)}" hreflang="{lang}" '
        f'lang="{lang}">{named}</a></p>'
    )
    return made.replace(OTHER_LANGUAGE, other)


def index(
    lines: list[dict[str, Any]],
    *,
    trend: list[dict[str, Any]],
    lang: str,
    others: Mapping[str, str] | None = None,
) -> str:
    """The page that lists all sessions (`index.index_lines`) below the account's trend (`index.trend`): sortable, searchable.

    `others` are the addresses of the same list in other languages.
    """
    content = (
        _environment()
        .get_template("index_page.html.j2")
        .render(
            lines=lines,
            trend=trend,
            lang=lang,
            t=lambda zh, en: text.choose(lang, zh, en),
            others={**(others or {})},
            names={"zh": "中文", "en": "English"},
        )
    )
    return _dressed(
        content,
        title=text.choose(lang, "直播复盘 · 全部场次", "Live reviews · all sessions"),
        lang=lang,
        scripts=("sort.js", "index.js"),
    )


def _dressed(content: str, *, title: str, lang: str, scripts: Sequence[str]) -> str:
    """The content inside a whole document: its style with the embedded font, its scripts as one, and the policy that allows only these."""
    code = '"use strict";\n' + "".join(
        (TEMPLATES / "fupan" / script).read_text(encoding="utf-8") for script in scripts
    )
    look = (TEMPLATES / "fupan" / "style.css").read_text(encoding="utf-8")
    letters = frozenset(_letters(f"{title}{content}{code}", beyond=0xFF)) | frozenset(
        _letters("".join(TEXT.findall(content)), beyond=0x1F)
    )
    style = f"{_font_face(letters)}{_latin_face() if lang == 'en' else ''}{look}{_foot(title)}"
    policy = (
        f"default-src 'none'; img-src data:; font-src data:; style-src {gate.digest(style)}; "
        f"script-src {gate.digest(code)}; base-uri 'none'; form-action 'none'"
    )
    return (
        _environment()
        .get_template("document.html.j2")
        .render(
            content=Markup(content),
            title=title,
            policy=policy,
            style=Markup(style),
            script=Markup(code),
            html_lang={"zh": "zh-CN", "en": "en"}[lang],
        )
    )


def _foot(title: str) -> str:
    """A style rule that prints the title at the foot of every sheet; each character that is no letter or digit is spelled as its number."""
    spelled = "".join(
        mark if mark.isascii() and mark.isalnum() else f"\\{ord(mark):x} " for mark in title
    )
    return (
        f'@media print {{ @page {{ @bottom-left {{ content: "{spelled}"; font: 7.5pt '
        f'"{LATIN}", "{charts.FAMILY}", sans-serif; color: #55616d; }} }} }}\n'
    )


@functools.cache
def _environment() -> jinja2.Environment:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES / "fupan"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["unbroken"] = lambda words: Markup(unbroken(words))
    return made


def unbroken(words: str) -> str:
    """Words as HTML in which no line ends between the bracket or the sign of an amount and its figures."""
    return re.sub(
        r"[(（]?[-−+][¥$€£฿₫₱][\d,.]*\d万?[)）]?",
        r'<span class="fp-mark">\g<0></span>',
        html.escape(words),
    )


# ------------------------------------------------------------------------------------ one notebook


def part(name: str, notebook: NotebookNode, lang: str) -> Part:
    """One executed notebook as a part of the page: its language alone, cleaned, its headings a level down and numbered."""
    shown = kept(notebook, lang)
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = [_as_drawn(output) for output in cell.outputs]
    fragment, _ = _exporter().from_notebook_node(shown)
    own = f"p{name.split('_')[0]}"
    body, title, headings = _headings(
        drawing.numbered(clean(PLAIN_CODE.sub(r"\1", fragment)), f"{own}g"), prefix=own
    )
    return Part(own, title or name, headings, body)


def kept(notebook: NotebookNode, lang: str) -> NotebookNode:
    """A copy with the cells that the page of a language shows, without the mark of the notebook's end; cells tagged lead come first.

    A notebook can only say at its end what its reader wants to know at the beginning.
    """
    own = copy.deepcopy(notebook)
    for cell in own.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if SENTINEL not in output.get("data", {})
            ]
    made, _ = TagRemovePreprocessor(enabled=True, remove_cell_tags=dropped_tags(lang)).preprocess(
        own, {}
    )
    title, rest = made.cells[:1], made.cells[1:]
    made.cells = [
        *title,
        *sorted(rest, key=lambda cell: AHEAD not in cell.metadata.get("tags", [])),
    ]
    return made


def _as_drawn(output: NotebookNode) -> NotebookNode:
    """An output that holds a picture and its drawing with the drawing in the picture's place: sharp at any size, and lean."""
    data = output.get("data", {})
    if {"text/html", "image/svg+xml"} <= set(data):
        drawing = data["image/svg+xml"]
        data["text/html"] = PICTURE.sub(
            lambda picture: drawing.replace("<svg ", f'<svg aria-label="{picture.group(1)}" ', 1),
            data["text/html"],
            count=1,
        )
    return output


@functools.cache
def _exporter() -> HTMLExporter:
    return HTMLExporter(
        template_name="fupan", extra_template_basedirs=[str(TEMPLATES)], exclude_anchor_links=True
    )


def clean(fragment: str) -> str:
    """HTML without anything that runs, asks for something elsewhere or looks like the page's own frame.

    Styles written inline for JupyterLab go as well: the page's policy would refuse them.
    """
    return nh3.clean(
        fragment,
        tags=TAGS,
        clean_content_tags={"script", "style"},
        attributes=ATTRIBUTES,
        attribute_filter=_attribute,
        url_schemes={"data"},
        link_rel=None,
    )


def _attribute(tag: str, name: str, value: str) -> str | None:
    if name == "class":
        return " ".join(word for word in value.split() if CLASS.fullmatch(word)) or None
    if name == "href":
        return value if value.startswith("#") else None
    if name == "src":
        return value if IMAGE.fullmatch(value) else None
    if name == "id":
        return value if DRAWN.fullmatch(value) else None
    if "url" in value and name in drawing.LOOKS | drawing.PLACES:
        return value if re.fullmatch(rf"url\(#{DRAWN.pattern}\)", value) else None
    return value


def _headings(body: str, *, prefix: str) -> tuple[str, str, list[tuple[str, str]]]:
    """The body with its headings a level down and numbered ids; its first title, taken out; the headings under it."""
    titles: list[str] = []
    headings: list[tuple[str, str]] = []

    def lowered(match: re.Match[str]) -> str:
        level, inner = int(match.group(1)), match.group(2)
        words = html.unescape(re.sub(r"<[^>]+>", "", inner)).strip()
        if level == 1 and not titles:
            titles.append(words)
            return ""
        name = f"{prefix}-{len(headings) + 1}"
        headings.append((name, words))
        return f'<h{level + 1} id="{name}">{inner}</h{level + 1}>'

    made = HEADING.sub(lowered, body)
    made = LEAD.sub(_lead, made, count=1) if titles else made
    return made, titles[0] if titles else "", headings


def _lead(match: re.Match[str]) -> str:
    """What a notebook decides, as the part's first line; what it reads and writes stands with the code."""
    items = re.findall(r"<li>(.*?)</li>", match.group(1), re.DOTALL)
    decided = "".join(
        item for item in items if re.match(r"\s*<strong>(决定|Decides)</strong>", item)
    )
    words = re.sub(r"^\s*<strong>.*?</strong>\s*[：:]\s*", "", decided)
    rest = "".join(f"<li>{item}</li>" for item in items if item != decided)
    return (
        f'<p class="fp-lead">{words}</p><ul class="fp-code">{rest}</ul>' if words else match.group()
    )


def _anchored(bodies: list[str]) -> list[str]:
    """The bodies with the id of each finding or plan line where it is first said, so that the first screen can point there."""
    seen: set[str] = set()

    def named(match: re.Match[str]) -> str:
        name = match.group(1)
        if name in seen or not re.fullmatch(r"[A-Z][\w-]*", name):
            return ""
        seen.add(name)
        return f' id="{name}"'

    return [FINDING.sub(named, body) for body in bodies]


# ------------------------------------------------------------------------------- glossary and font


def glossary(
    registry: Mapping[str, reference.Metric], words: str, lang: str
) -> list[dict[str, str]]:
    """The metrics and measures that the page speaks of: name, formula, description, source; in the registry's order."""
    known = [*registry.values(), *reference.measures().values()]
    return definitions(
        [metric for metric in known if text.label(metric, lang).lower() in words.lower()], lang
    )


def definitions(
    wanted: Iterable[reference.Metric | reference.Measure], lang: str
) -> list[dict[str, str]]:
    """Name, formula, description and source of metrics and measures."""
    return [
        {
            "name": text.label(metric, lang),
            "formula": _formula(metric, lang) or text.NOTHING,
            "description": text.label(metric.description, lang) + _needs(metric, lang),
            "source": metrics.source(metric, lang),
        }
        for metric in wanted
    ]


def _needs(metric: reference.Metric | reference.Measure, lang: str) -> str:
    """The data without which a measure cannot be told; a metric's formula names its columns already."""
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


def _letters(content: str, *, beyond: int) -> set[int]:
    """The characters that a reader of this HTML meets, from a place in Unicode on."""
    return {
        ord(mark) for mark in html.unescape(re.sub("<[^>]*>", "", content)) if ord(mark) > beyond
    }


@functools.lru_cache(maxsize=8)
def _font_face(letters: frozenset[int]) -> str:
    """A style rule that embeds the committed font's glyphs of these characters, for readers without Chinese fonts."""
    if not letters:
        return ""
    options = subset.Options(
        flavor="woff2", layout_features=[], desubroutinize=False, notdef_outline=True
    )
    with TTFont(charts.FONT, lazy=True, recalcTimestamp=False, recalcBBoxes=False) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=letters)
        cutter.subset(font)
        font.flavor = "woff2"
        buffer = io.BytesIO()
        font.save(buffer)
    return _embedded(charts.FAMILY, buffer.getvalue())


def _embedded(family: str, font: bytes) -> str:
    return (
        f'@font-face{{font-family:"{family}";src:url(data:font/woff2;base64,'
        f'{base64.b64encode(font).decode()}) format("woff2")}}\n'
    )


@functools.cache
def _latin_face() -> str:
    """A style rule that embeds the marks which Chinese fonts draw as wide as a character, cut to the width of their ink.

    First in every list of families, so that an English page has them narrow whatever fonts its
    reader has.
    """
    with TTFont(charts.FONT, lazy=True) as font:
        glyphs, names, upright = (
            font.getGlyphSet(),
            font.getBestCmap(),
            {".notdef": T2CharStringPen(500, None).getCharString()},
        )
        widths = {".notdef": (500, 0)}
        for code in WIDE_MARKS:
            bounds = BoundsPen(glyphs)
            glyphs[names[code]].draw(bounds)
            left, _, right, _ = bounds.bounds
            pen = T2CharStringPen(right - left + 2 * BESIDE_INK, None)
            glyphs[names[code]].draw(TransformPen(pen, (1, 0, 0, 1, BESIDE_INK - left, 0)))
            upright[names[code]], widths[names[code]] = (
                pen.getCharString(),
                (int(right - left + 2 * BESIDE_INK), BESIDE_INK),
            )
        made = FontBuilder(font["head"].unitsPerEm, isTTF=False)
        made.setupGlyphOrder(list(upright))
        made.setupCharacterMap({code: names[code] for code in WIDE_MARKS})
        made.setupCFF(LATIN.replace(" ", ""), {}, upright, {})
        made.setupHorizontalMetrics(widths)
        made.setupHorizontalHeader(ascent=font["hhea"].ascent, descent=font["hhea"].descent)
        made.setupOS2(
            sTypoAscender=font["OS/2"].sTypoAscender, sTypoDescender=font["OS/2"].sTypoDescender
        )
        made.setupNameTable({"familyName": LATIN, "styleName": "Regular"})
        made.setupPost()
        made.font["head"].created = made.font["head"].modified = font["head"].created
    made.font.recalcTimestamp, made.font.flavor = False, "woff2"
    buffer = io.BytesIO()
    made.font.save(buffer)
    return _embedded(LATIN, buffer.getvalue())
