"""The publish gate: what a finished page must be before it takes the place of the last one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from html.parser import HTMLParser
from typing import NamedTuple

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


class Seen(NamedTuple):
    """What a page holds: texts a reader meets and where, addresses it would ask for, outputs with content, styles, scripts, ids, links, below which headings a frame of results stands raw."""

    texts: list[str]
    outside: list[str]
    outputs: int
    empty_outputs: int
    styles: list[str]
    scripts: list[str]
    ids: list[str]
    links: list[str]
    policy: str
    places: list[str]
    raw: list[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.texts: list[str] = []
        self.places: list[str] = []
        self.heading = ""
        self.row, self.column = 0, 0
        self.heads: list[str] = []
        self.outside: list[str] = []
        self.raw: list[str] = []
        self.frame = False
        self.held: dict[str, list[str]] = {"style": [], "script": []}
        self.ids: list[str] = []
        self.links: list[str] = []
        self.policy = ""
        self.open: list[tuple[str, bool]] = []
        self.outputs: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self._in_table(tag)
        self.frame = "dataframe" in given.get("class", "").split() if tag == "table" else self.frame
        for name in SPOKEN:
            self._say(given.get(name, ""))
        self.outside += [
            f"<{tag} {name}={value[:60]}>"
            for name, value in given.items()
            if name in REQUESTING and OUTSIDE.search(value)
        ]
        self.outside += [
            f"<{tag} {name}={given[name][:60]}>"
            for name in STYLING
            if OUTSIDE_STYLE.search(given.get(name, ""))
        ]
        self.ids += [given["id"]] if "id" in given else []
        self.links += [given["href"]] if tag == "a" and "href" in given else []
        if tag == "meta" and given.get("http-equiv", "").lower() == "content-security-policy":
            self.policy = given.get("content", "")
        if tag in self.held:
            self.held[tag].append("")
        if tag in ("img", "svg"):
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
            if inside in HEADINGS:
                self.heading = data.strip()
            elif inside == "th" and self.row <= 1:
                self.heads.append(data.strip())
                self.raw += (
                    [self.heading]
                    if self.frame
                    and data.strip().endswith(("_zh", "_en"))
                    and self.heading not in self.raw
                    else []
                )
            self._say(data)
            self._fill()

    def _in_table(self, tag: str) -> None:
        if tag == "table":
            self.row, self.heads = 0, []
        elif tag == "tr":
            self.row, self.column = self.row + 1, 0
        elif tag in ("td", "th"):
            self.column += 1

    def _say(self, words: str) -> None:
        """Keep words with their place: below which heading, and in a table in which row and column."""
        if words.strip():
            named = self.heads[self.column - 1 : self.column] or [str(self.column)]
            cell = (
                f", row {self.row - 1}, column {privacy.hide(named[0])}"
                if any(name == "td" for name, _ in self.open)
                else ""
            )
            self.texts.append(words)
            self.places.append(
                f"below “{privacy.hide(self.heading)}”{cell}"
                if self.heading
                else cell.removeprefix(", ")
            )

    def _fill(self) -> None:
        if any(is_output for _, is_output in self.open):
            self.outputs[-1] = True


def read(page: str) -> Seen:
    """What a page of HTML holds, as a browser's parser meets it."""
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return Seen(
        reader.texts,
        reader.outside,
        sum(reader.outputs),
        len(reader.outputs) - sum(reader.outputs),
        reader.held["style"],
        reader.held["script"],
        reader.ids,
        reader.links,
        reader.policy,
        reader.places,
        reader.raw,
    )


def shown_outputs(notebook: NotebookNode, dropped_tags: Collection[str] = ()) -> int:
    """How many results and displays of a notebook its page must show; the mark of its end is not one of them."""
    return sum(
        output.output_type in ("execute_result", "display_data")
        and SENTINEL not in output.get("data", {})
        for cell in notebook.cells
        if cell.cell_type == "code" and not set(cell.metadata.get("tags", ())) & set(dropped_tags)
        for output in cell.outputs
    )


def notebook_failures(notebooks: Mapping[str, NotebookNode]) -> Iterator[str]:
    """What stops the notebooks themselves: an error output, or no mark that the last cell was reached."""
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
    """What `privacy` finds in texts, as its kind and place (`places`, one a text, else the text's number); never the value.

    `known_ids` are numbers that are known to be something else, such as a product's id.
    """
    for number, words in enumerate(texts):
        for hit in privacy.find(words):
            if words[hit.start : hit.end] not in known_ids:
                where = places[number] if places and places[number] else f"text {number + 1}"
                yield f"a {hit.kind} {where}"


def stored_failures(found: pd.DataFrame) -> Iterator[str]:
    """What the scan of the clean store found (`clean.scan`): one sentence per table and column, with the first row."""
    for (table, column, kind), rows in (
        found.groupby(["table", "column", "kind"], sort=False) if len(found) else ()
    ):
        first = rows.iloc[0]
        sheet = f" [{first['sheet']}]" if isinstance(first["sheet"], str) and first["sheet"] else ""
        origin = (
            f"{first['file']}{sheet} row {first['row']:.0f}"
            if isinstance(first["file"], str)
            else f"row {first['row']:.0f}"
        )
        yield (
            f"clean/{table}, column {column}: a {kind} ({len(rows)} rows, the first from "
            f"{privacy.hide(origin)}); name the column under "
            "`personal` in the export's mapping, or take the value out of the raw file"
        )


def page_failures(
    page: str, *, expected_outputs: int, known_ids: Collection[str] = ()
) -> Iterator[str]:
    """What stops a page: a request to elsewhere, an output that vanished, personal data, a script or style not of ours."""
    seen = read(page)
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
        f"personal data: {found}" for found in personal_data(seen.texts, known_ids, seen.places)
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
    words: Mapping[str, Sequence[str]] | None = None,
) -> None:
    """Raise `GateError` naming all that is wrong with a page made from the executed notebooks; else return.

    `stored` is what the scan of the clean store found, `results` the tables that are published
    beside the page, `words` the texts of other files there, by file.
    """
    expected = sum(shown_outputs(notebook, dropped_tags) for notebook in notebooks.values())
    failures = [
        *notebook_failures(notebooks),
        *page_failures(page, expected_outputs=expected, known_ids=known_ids),
        *(stored_failures(stored) if stored is not None else ()),
        *result_failures(results or {}, known_ids),
        *(
            f"personal data: {found} of {name}"
            for name, said in (words or {}).items()
            for found in personal_data(said, known_ids)
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
        plain = frame.mask(frame.isin(list(known_ids))) if known_ids else frame
        for row in privacy.in_frame(
            plain, ids=frozenset(column for column in frame if str(column).endswith("id"))
        ).itertuples():
            yield (
                f"personal data: a {row.kind} in the result {name}, column {row.column}, row "
                f"{row.row + 1}"
            )
