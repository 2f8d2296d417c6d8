"""The publish gate: what a finished page must be before it takes the place of the last one."""

import base64
import functools
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from html.parser import HTMLParser

import pandas as pd
from nbformat import NotebookNode

from helpers.core import privacy
from helpers.review import SENTINEL

VOID = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "source",
        "track",
        "wbr",
    ]
)
OUTSIDE = re.compile(
    r"^\s*(?:[a-z][a-z0-9+.-]*:)?//|^\s*(?:https?|ftp|file|ws|wss|javascript|vbscript):",
    re.IGNORECASE,
)
OUTSIDE_STYLE = re.compile(r"@import|url\(\s*['\"]?(?!data:|#)", re.IGNORECASE)
REQUESTING = frozenset(
    [
        "src",
        "srcset",
        "href",
        "xlink:href",
        "poster",
        "data",
        "action",
        "formaction",
        "background",
        "cite",
        "manifest",
        "ping",
    ]
)
STYLING = ("style", "fill", "stroke", "clip-path", "mask", "filter")
SPOKEN = ("alt", "title", "aria-label")
HEADINGS = ("h1", "h2", "h3", "h4", "summary", "caption", "figcaption")


class GateError(RuntimeError):
    """A page may not be published; the message names every check that failed and where."""


class Seen(HTMLParser):
    """What a page of HTML holds, as a browser's parser meets it."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []  # that a reader meets
        self.places: list[str] = []  # of the texts
        self.outside: list[str] = []  # what it would ask for elsewhere
        self.raw: list[str] = []  # headings below which a frame of results stands raw
        self.styles: list[str] = []
        self.scripts: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self._held = {"style": self.styles, "script": self.scripts}
        self._filled: list[bool] = []  # each output
        self._open: list[tuple[str, bool]] = []
        self._heading = ""
        self._row, self._column = 0, 0
        self._heads: list[str] = []
        self._frame = False
        self.feed(page)
        self.close()
        self.outputs = sum(self._filled)
        self.empty_outputs = len(self._filled) - self.outputs

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self._in_table(tag)
        classes = attributes.get("class", "").split()
        if tag == "table":
            self._frame = "dataframe" in classes
        for name in SPOKEN:
            self._say(attributes.get(name, ""))
        self.outside += [
            f"<{tag} {name}={value[:60]}>"
            for name, value in attributes.items()
            if name in REQUESTING and OUTSIDE.search(value)
        ]
        self.outside += [
            f"<{tag} {name}={attributes[name][:60]}>"
            for name in STYLING
            if OUTSIDE_STYLE.search(attributes.get(name, ""))
        ]
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes["href"]] if tag == "a" and "href" in attributes else []
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = attributes.get("content", "")
        if tag in self._held:
            self._held[tag].append("")
        if tag in ("img", "svg"):
            self._fill()
        if tag not in VOID:
            is_output = "fp-output" in classes
            self._filled += [False] if is_output else []
            self._open.append((tag, is_output))

    def handle_endtag(self, tag: str) -> None:
        while self._open and any(name == tag for name, _ in self._open):
            if self._open.pop()[0] == tag:
                break

    def handle_data(self, data: str) -> None:
        inside = self._open[-1][0] if self._open else ""
        if inside in self._held:
            self._held[inside][-1] += data
        elif data.strip():
            if inside in HEADINGS:
                self._heading = data.strip()
            elif inside == "th" and self._row <= 1:
                self._heads.append(data.strip())
                raw = self._frame and data.strip().endswith(("_zh", "_en"))
                if raw and self._heading not in self.raw:
                    self.raw.append(self._heading)
            self._say(data)
            self._fill()

    def _in_table(self, tag: str) -> None:
        if tag == "table":
            self._row, self._heads = 0, []
        elif tag == "tr":
            self._row, self._column = self._row + 1, 0
        elif tag in ("td", "th"):
            self._column += 1

    def _say(self, words: str) -> None:
        if not words.strip():
            return
        cell = ""
        if any(tag == "td" for tag, _ in self._open):
            column = self._heads[self._column - 1 : self._column] or [str(self._column)]
            cell = f"row {self._row - 1}, column {privacy.hide(column[0])}"
        below = f"below “{privacy.hide(self._heading)}”" if self._heading else ""
        self.texts.append(words)
        self.places.append(", ".join(filter(None, [below, cell])))

    def _fill(self) -> None:
        if any(is_output for _, is_output in self._open):
            self._filled[-1] = True


def shown_outputs(notebook: NotebookNode, dropped_tags: Collection[str] = ()) -> int:
    """How many results and displays of a notebook its page must show; its end's mark is none."""
    return sum(
        output.output_type in ("execute_result", "display_data")
        and SENTINEL not in output.get("data", {})
        for cell in notebook.cells
        if cell.cell_type == "code" and not set(cell.metadata.get("tags", ())) & set(dropped_tags)
        for output in cell.outputs
    )


def notebook_failures(notebooks: Mapping[str, NotebookNode]) -> Iterator[str]:
    """What stops the notebooks themselves: an error, or no mark that the last cell was reached."""
    for name, notebook in notebooks.items():
        outputs = [
            output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
        ]
        yield from (
            f"{name}: error output {output.ename}: {output.evalue}"
            for output in outputs
            if output.output_type == "error"
        )
        if not any(SENTINEL in output.get("data", {}) for output in outputs):
            yield f"{name}: did not reach its end (no {SENTINEL} output)"


def personal_data(
    texts: Sequence[str], known_ids: Collection[str] = (), places: Sequence[str] = ()
) -> Iterator[str]:
    """What `privacy` finds in texts, as its kind and place, never the value.

    A place is of `places`, one a text, else the text's number. `known_ids` are something else, such
    as a product's id.
    """
    hits = functools.cache(privacy.find)  # the same words stand in many cells
    for number, words in enumerate(texts):
        for hit in hits(words):
            if words[hit.start : hit.end] not in known_ids:
                where = places[number] if places and places[number] else f"text {number + 1}"
                yield f"a {hit.kind} {where}"


def stored_failures(scan: pd.DataFrame) -> Iterator[str]:
    """What `clean.scan` found in the clean store: a sentence per table and column."""
    if scan.empty:
        return
    for (table, column, kind), rows in scan.groupby(["table", "column", "kind"], sort=False):
        first = rows.iloc[0]
        origin = f"row {first['row']:.0f}"
        if isinstance(first["file"], str):
            named = isinstance(first["sheet"], str) and first["sheet"]
            sheet = f" [{first['sheet']}]" if named else ""
            origin = f"{first['file']}{sheet} {origin}"
        yield (
            f"clean/{table}, column {column}: a {kind} ({len(rows)} rows, the first from "
            f"{privacy.hide(origin)}); name the column under "
            "`personal` in the export's mapping, or take the value out of the raw file"
        )


def page_failures(
    page: str, *, expected_outputs: int, known_ids: Collection[str] = ()
) -> Iterator[str]:
    """What stops a page: requests to elsewhere, lost outputs, personal data, foreign scripts."""
    seen = Seen(page)
    yield from (f"external request {address}" for address in seen.outside)
    yield from (
        f"external request in a style: {match.group()}"
        for style in seen.styles
        for match in OUTSIDE_STYLE.finditer(style)
    )
    if seen.outputs != expected_outputs:
        yield (
            f"the notebooks hold {expected_outputs} outputs, the page shows {seen.outputs} "
            f"({seen.empty_outputs} empty)"
        )
    yield from (
        f"a raw frame of results below “{privacy.hide(heading)}”: show it with report.table"
        for heading in seen.raw
    )
    yield from (
        f"personal data: {hit}" for hit in personal_data(seen.texts, known_ids, seen.places)
    )
    for kind, contents in (("script", seen.scripts), ("style", seen.styles)):
        yield from (
            f"a {kind} that the page's policy does not name"
            for content in contents
            if digest(content) not in seen.policy
        )
    yield from (
        f"two elements with the id {name}"
        for name in sorted({name for name in seen.ids if seen.ids.count(name) > 1})
    )
    yield from (
        f"a link to nowhere: {link}"
        for link in seen.links
        if link.startswith("#") and link[1:] not in seen.ids
    )


def layer_failures(
    name: str, layer: str, page: str, known_ids: Collection[str] = ()
) -> Iterator[str]:
    """What stops a page of the first layers, whose proofs must stand in the page."""
    failures = page_failures(layer, expected_outputs=0, known_ids=known_ids)
    yield from (f"{name}: {words}" for words in failures)
    there = set(Seen(page).ids)
    yield from (
        f"{name}: a link to nowhere: {link}"
        for link in Seen(layer).links
        if link.startswith("review.html#") and link.removeprefix("review.html#") not in there
    )


def digest(content: str) -> str:
    """The hash by which a content security policy allows a script or a style of the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def check(
    page: str,
    notebooks: Mapping[str, NotebookNode],
    *,
    dropped_tags: Collection[str] = (),
    known_ids: Collection[str] = (),
    stored: pd.DataFrame | None = None,
    results: Mapping[str, pd.DataFrame] | None = None,
    layers: Mapping[str, str] | None = None,
    words: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Raise `GateError` naming all that is wrong with a page made from the executed notebooks.

    `stored` is of the scan of the clean store; `results`, other pages (`layers`, by file) and
    `words` (by file) are published beside the page.
    """
    expected = sum(shown_outputs(notebook, dropped_tags) for notebook in notebooks.values())
    failures = [
        *notebook_failures(notebooks),
        *page_failures(page, expected_outputs=expected, known_ids=known_ids),
        *(stored_failures(stored) if stored is not None else ()),
        *result_failures(results or {}, known_ids),
        *(
            failure
            for name, layer in (layers or {}).items()
            for failure in layer_failures(name, layer, page, known_ids)
        ),
        *(
            f"personal data: {hit} of {name}"
            for name, texts in (words or {}).items()
            for hit in personal_data(texts, known_ids)
        ),
    ]
    if failures:
        raise GateError(
            "not published: "
            + "; ".join(failures[:12])
            + (f"; and {len(failures) - 12} more" if len(failures) > 12 else "")
        )


def result_failures(
    results: Mapping[str, pd.DataFrame], known_ids: Collection[str] = ()
) -> Iterator[str]:
    """Personal data in the result tables of a review, as table, column and row."""
    for name, frame in results.items():
        plain = frame.assign(
            **{
                column: frame[column].mask(frame[column].map(known_ids.__contains__).astype(bool))
                for column in frame.select_dtypes("str")
            }
        )
        ids = frozenset(column for column in frame if str(column).endswith("id"))
        for hit in privacy.in_frame(plain, ids=ids).itertuples():
            place = f"the result {name}, column {hit.column}, row {hit.row + 1}"
            yield f"personal data: a {hit.kind} in {place}"
