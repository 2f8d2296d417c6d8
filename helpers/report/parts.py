"""An executed notebook becomes a part of the page: one language, cleaned, numbered headings."""

import copy
import functools
import html
import re
from pathlib import Path
from typing import NamedTuple

import nh3
from nbconvert import HTMLExporter
from nbconvert.preprocessors import TagRemovePreprocessor
from nbformat import NotebookNode

from helpers.core import text
from helpers.report import drawing
from helpers.review import SENTINEL

AHEAD = "lead"  # tag of the cells that stand at the beginning of their chapter
TEMPLATES = Path(__file__).parent / "templates"
TAGS = drawing.TAGS | set(
    [
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
    ]
)
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
# Classes of highlighted code with a colour; names and texts, too, would be a third of the page.
COLOURED = "k|kn|kc|ow|c1"
PLAIN_CODE = re.compile(
    rf'<span class="(?!(?:{COLOURED})")[a-z0-9]{{1,3}}">([^<]*)</span>|<span></span>'
)
HEADING = re.compile(r"<h([1-5])(?: [^>]*)?>(.*?)</h\1>", re.DOTALL)
LEAD = re.compile(r"<ul>(.*?)</ul>", re.DOTALL)


class Part(NamedTuple):
    """One notebook in the page: its title, its headings as (id, words), its body."""

    id: str
    title: str
    headings: list[tuple[str, str]]
    body: str


def dropped_tags(lang: str) -> set[str]:
    """Tags of the cells that a page leaves out: the other language, what no reader needs."""
    return {f"lang-{text.choose(lang, 'en', 'zh')}", "report-hidden"}


def part(name: str, notebook: NotebookNode, lang: str) -> Part:
    """One executed notebook as a part of the page, its headings a level down and numbered."""
    shown = shown_cells(notebook, lang)
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = [_as_drawn(output) for output in cell.outputs]
    fragment, _ = _exporter().from_notebook_node(shown)
    prefix = f"p{name.split('_')[0]}"
    cleaned = drawing.numbered(clean(PLAIN_CODE.sub(r"\1", fragment)), f"{prefix}g")
    body, title, headings = _headings(cleaned, prefix=prefix)
    return Part(prefix, title or name, headings, body)


def shown_cells(notebook: NotebookNode, lang: str) -> NotebookNode:
    """A copy of a notebook with the cells that a language's page shows, without the end's mark.

    Cells tagged lead come first: a notebook can only say at its end what its reader wants first.
    """
    shown = copy.deepcopy(notebook)
    for cell in shown.cells:
        if cell.cell_type == "code":
            cell.outputs = [
                output for output in cell.outputs if SENTINEL not in output.get("data", {})
            ]
    remover = TagRemovePreprocessor(enabled=True, remove_cell_tags=dropped_tags(lang))
    shown, _ = remover.preprocess(shown, {})
    others = sorted(shown.cells[1:], key=lambda cell: AHEAD not in cell.metadata.get("tags", []))
    shown.cells = [*shown.cells[:1], *others]
    return shown


def _as_drawn(output: NotebookNode) -> NotebookNode:
    """The drawing, lean and sharp at any size, takes its picture's place."""
    data = output.get("data", {})
    if {"text/html", "image/svg+xml"} <= set(data):
        drawn = data["image/svg+xml"]
        data["text/html"] = PICTURE.sub(
            lambda picture: drawn.replace("<svg ", f'<svg aria-label="{picture.group(1)}" ', 1),
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
    """HTML without anything that runs, asks for something elsewhere or looks like the page's frame.

    Styles inline, made for JupyterLab, go as well: the page's policy would refuse them.
    """
    return nh3.clean(
        fragment,
        tags=set(TAGS),
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

    body = HEADING.sub(lowered, body)
    if not titles:
        return body, "", headings
    return LEAD.sub(_lead, body, count=1), titles[0], headings


def _lead(match: re.Match[str]) -> str:
    """What a notebook decides comes first; the rest of its list is with the code."""
    items = re.findall(r"<li>(.*?)</li>", match.group(1), re.DOTALL)
    decides = re.compile(r"\s*<strong>(决定|Decides)</strong>")
    decided = "".join(item for item in items if decides.match(item))
    words = re.sub(r"^\s*<strong>.*?</strong>\s*[：:]\s*", "", decided)
    others = "".join(f"<li>{item}</li>" for item in items if item != decided)
    if not words:
        return match.group()
    return f'<p class="fp-lead">{words}</p><ul class="fp-code">{others}</ul>'
