"""The publish gate: what a finished page must be before it takes the place of the last one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping
from html.parser import HTMLParser
from typing import NamedTuple

from nbformat import NotebookNode

from helpers.store import SENTINEL

VOID = frozenset(["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"])
OUTSIDE = re.compile(r"^\s*(?:[a-z][a-z0-9+.-]*:)?//|^\s*(?:https?|ftp|file|ws|wss|javascript|vbscript):", re.IGNORECASE)
OUTSIDE_STYLE = re.compile(r"@import|url\(\s*['\"]?(?!data:|#)", re.IGNORECASE)
REQUESTING = frozenset(["src", "srcset", "href", "xlink:href", "poster", "data", "action", "formaction", "background", "cite", "manifest", "ping"])
SPOKEN = ("alt", "title", "aria-label")
E_MAIL = re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}")  # 主播@小美.live is none
PHONE = re.compile(r"(?<![\d.,¥$])(?:\+?86[ -]?)?(1[3-9]\d[ -]?\d{4}[ -]?\d{4})(?![\d,]|\.\d)")
ID_CARD = re.compile(r"(?<!\d)([1-9]\d{5}(?:18|19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx])(?![\dXx])")


class GateError(RuntimeError):
    """A page may not be published; the message names every check that failed and where."""


class Seen(NamedTuple):
    """What a page holds: texts a reader meets, addresses it would ask for, outputs with content, styles, scripts, ids, links."""

    texts: list[str]
    outside: list[str]
    outputs: int
    empty_outputs: int
    styles: list[str]
    scripts: list[str]
    ids: list[str]
    links: list[str]
    policy: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.outside: list[str] = []
        self.held: dict[str, list[str]] = {"style": [], "script": []}
        self.ids: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self.open: list[tuple[str, bool]] = []
        self.outputs: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.texts += [given[name] for name in SPOKEN if given.get(name)]
        self.outside += [f"<{tag} {name}={value[:60]}>" for name, value in given.items() if name in REQUESTING and OUTSIDE.search(value)]
        self.outside += [f"<{tag} style={given['style'][:60]}>" for _ in (0,) if OUTSIDE_STYLE.search(given.get("style", ""))]
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        if tag == "meta" and given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = given.get("content", "")
        if tag in self.held:
            self.held[tag].append("")
        if tag == "img":
            self._fill()
        if tag not in VOID:
            is_output = "fp-output" in given.get("class", "").split()
            self.outputs += [False] if is_output else []
            self.open.append((tag, is_output))

    def handle_endtag(self, tag: str) -> None:
        while self.open and any(name == tag for name, _ in self.open):
            if self.open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        inside = self.open[-1][0] if self.open else ""
        if inside in self.held:
            self.held[inside][-1] += data
        elif data.strip():
            self.texts.append(data)
            self._fill()

    def _fill(self) -> None:
        if any(is_output for _, is_output in self.open):
            self.outputs[-1] = True


def read(page: str) -> Seen:
    """What a page of HTML holds, as a browser's parser meets it."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return Seen(reader.texts, reader.outside, sum(reader.outputs), len(reader.outputs) - sum(reader.outputs),
                reader.held["style"], reader.held["script"], reader.ids, reader.links, reader.policy)


def shown_outputs(notebook: NotebookNode, dropped_tags: Collection[str] = ()) -> int:
    """How many results and displays of a notebook its page must show; the mark of its end is not one of them."""
    return sum(
        output.output_type in ("execute_result", "display_data") and SENTINEL not in output.get("data", {})
        for cell in notebook.cells if cell.cell_type == "code" and not set(cell.metadata.get("tags", ())) & set(dropped_tags)
        for output in cell.outputs
    )


def notebook_failures(notebooks: Mapping[str, NotebookNode]) -> Iterator[str]:
    """What stops the notebooks themselves: an error output, or no mark that the last cell was reached."""
    for name, notebook in notebooks.items():
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        yield from (f"{name}: error output {output.ename}: {output.evalue}" for output in outputs if output.output_type == "error")
        if not any(SENTINEL in output.get("data", {}) for output in outputs):
            yield f"{name}: did not reach its end (no {SENTINEL} output)"


def personal_data(texts: list[str], known_ids: Collection[str] = ()) -> Iterator[str]:
    """Mainland phone numbers, identity card numbers (with a right check digit) and e-mail addresses, masked.

    `known_ids` are numbers that are known to be something else, such as a product's id.
    """
    for words in texts:
        for kind, pattern in (("phone number", PHONE), ("identity card number", ID_CARD), ("e-mail address", E_MAIL)):
            for match in pattern.finditer(words):
                number = match.group(match.lastindex or 0)
                if number not in known_ids and (pattern is not ID_CARD or _checks(number)):
                    yield f"{kind} {number[:3]}… in {words.strip()[:12].replace(number, '…')!r}"


def masked(words: str) -> str:
    """Words as a page may show them: what `personal_data` would find in them is replaced by `***`."""
    for pattern in (PHONE, ID_CARD, E_MAIL):
        words = pattern.sub(lambda match: "***" if match.re is not ID_CARD or _checks(match.group(1)) else match.group(), words)
    return words


def _checks(number: str) -> bool:
    """Whether the last digit of an identity card number is the right one (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(number[:17]))
    return number[17].upper() == "10X98765432"[total % 11]


def page_failures(page: str, *, expected_outputs: int, known_ids: Collection[str] = ()) -> Iterator[str]:
    """What stops a page: a request to elsewhere, an output that vanished, personal data, a script or style not of ours."""
    seen = read(page)
    yield from (f"external request {address}" for address in seen.outside)
    yield from (f"external request in a style: {match.group()}" for style in seen.styles for match in OUTSIDE_STYLE.finditer(style))
    if seen.outputs != expected_outputs:
        yield f"the notebooks hold {expected_outputs} outputs, the page shows {seen.outputs} ({seen.empty_outputs} empty)"
    yield from (f"personal data: {found}" for found in personal_data(seen.texts, known_ids))
    for kind, contents in (("script", seen.scripts), ("style", seen.styles)):
        yield from (f"a {kind} that the page's policy does not name" for content in contents if digest(content) not in seen.policy)
    yield from (f"two elements with the id {name}" for name in sorted({name for name in seen.ids if seen.ids.count(name) > 1}))
    yield from (f"a link to nowhere: {link}" for link in seen.links if link.startswith("#") and link[1:] not in seen.ids)


def digest(content: str) -> str:
    """The hash by which a content security policy allows a script or a style of the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def check(
    page: str, notebooks: Mapping[str, NotebookNode], *, dropped_tags: Collection[str] = (), known_ids: Collection[str] = (),
) -> None:
    """Raise `GateError` naming all that is wrong with a page made from the executed notebooks; else return."""
    expected = sum(shown_outputs(notebook, dropped_tags) for notebook in notebooks.values())
    failures = [*notebook_failures(notebooks), *page_failures(page, expected_outputs=expected, known_ids=known_ids)]
    if failures:
        raise GateError("not published: " + "; ".join(failures[:12]) + (f"; and {len(failures) - 12} more" if len(failures) > 12 else ""))
