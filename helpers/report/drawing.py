"""A drawn figure as SVG that lives inside a page: its words are text in the page's own font, its looks attributes.

A page's policy refuses styles inside elements, and glyphs drawn as paths were two thirds of every
page.
"""

from __future__ import annotations

import itertools
import re
import xml.etree.ElementTree as ElementTree

NAMESPACE = "{http://www.w3.org/2000/svg}"
LINK = "{http://www.w3.org/1999/xlink}href"
# What is drawn, and the attributes that say how; `page` lets the same through and nothing else.
TAGS = frozenset(["svg", "g", "defs", "path", "rect", "use", "text", "clipPath"])
LOOKS = frozenset(
    [
        "fill",
        "fill-opacity",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "stroke-linejoin",
        "stroke-linecap",
        "opacity",
        "font-size",
        "text-anchor",
    ]
)
PLACES = frozenset(
    ["x", "y", "width", "height", "d", "transform", "viewBox", "clip-path", "href", "id"]
)
DEFAULTS = {
    "stroke-linejoin": "round",
    "stroke-linecap": "butt",
    "text-anchor": "start",
    "stroke-width": "1",
}  # of the root, inherited by all
NUMBER = re.compile(r"-?\d+\.\d+")
STEP = re.compile(r"([MLCQZ])([^MLCQZ]*)", re.IGNORECASE)
ID = re.compile(r'(?<= href="#)\w+|(?<="url\(#)\w+|(?<= id=")\w+')


def lean(svg: bytes, *, ink: str) -> str:
    """Matplotlib's SVG (with `svg.fonttype` none) as an element for a page: half a pixel's tenth is kept, what cannot be seen is not.

    Texts without a colour of their own have `ink`. Ids are short and belong to this figure alone;
    `numbered` makes them differ within a page.
    """
    root = ElementTree.fromstring(svg)
    box = [float(side) for side in root.get("viewBox", "").split()]
    children = "".join(_element(child, ink) for child in root)
    made = (
        f'<svg viewBox="{" ".join(_short(side) for side in box)}" role="img" fill="{ink}" '
        f'stroke-linejoin="round">{children}</svg>'
    )
    names = {name: f"c{place}" for place, name in enumerate(dict.fromkeys(ID.findall(made)))}
    return ID.sub(lambda match: names[match.group()], made)


def _element(element: ElementTree.Element, ink: str) -> str:
    """One element with all below it; nothing for what is never seen, and no group that says nothing."""
    tag = element.tag.removeprefix(NAMESPACE)
    if tag not in TAGS:
        return ""
    given = _attributes(element, tag, ink)
    inner = (
        _escaped(element.text or "")
        if tag == "text"
        else "".join(_element(child, ink) for child in element)
    )
    if tag in ("g", "defs") and (not inner or not given):
        return inner if tag == "g" else f"<defs>{inner}</defs>" if inner else ""
    if (
        tag in ("path", "use")
        and given.get("fill") == "none"
        and given.get("stroke", "none") == "none"
    ):
        return ""
    said = "".join(f' {name}="{_escaped(value)}"' for name, value in given.items())
    return f"<{tag}{said}>{inner}</{tag}>" if inner or tag == "text" else f"<{tag}{said}/>"


def _attributes(element: ElementTree.Element, tag: str, ink: str) -> dict[str, str]:
    """What of an element's attributes and style is worth saying."""
    styled = dict(
        part.split(": ", 1) for part in re.split(r";\s*", element.get("style", "")) if ": " in part
    )
    given = {name: value for name, value in element.attrib.items() if name in PLACES | LOOKS} | {
        name: value for name, value in styled.items() if name in LOOKS
    }
    if LINK in element.attrib:
        given["href"] = element.attrib[LINK]
    if tag == "g" or (tag == "path" and "d" not in given):
        given.pop("id", None)  # names of matplotlib's own, which nothing points to
    if tag in ("path", "rect") and "fill" not in given and "id" not in given:
        given["fill"] = "#000"
    if tag == "text" and given.get("fill") == ink:
        del given["fill"]
    return {
        name: worth
        for name, value in given.items()
        if (worth := _worth(name, value, "id" in given)) is not None
    }


def _worth(name: str, value: str, defined: bool) -> str | None:
    """An attribute's value in its shortest form; None where leaving it out says the same."""
    value = value.removesuffix("px")
    if DEFAULTS.get(name) == value or (name == "stroke-width" and float(value) == 1):
        return None
    if name == "d":
        return path(value, 2 if defined else 1)
    if name == "transform" and re.match(r"rotate\(-?0(\.0)? ", value):
        return None
    return NUMBER.sub(lambda match: _short(float(match.group())), value)


def path(commands: str, decimals: int) -> str:
    """A path in steps from point to point, in whole tenths or hundredths: absolute places would be twice as long.

    Reads M, L, C, Q and Z with absolute places, all that matplotlib writes. A step starts from
    where the rounded one before it ended, so that errors never add up.
    """
    factor, at, said = 10**decimals, (0, 0), []
    start = at
    for command, numbers in STEP.findall(commands):
        values = [round(float(number) * factor) for number in numbers.split()]
        points = list(zip(values[::2], values[1::2], strict=True))
        if command in "Zz":
            said, at = [*said, "z"], start
            continue
        steps = [(x - at[0], y - at[1]) for x, y in points]
        said.append(
            command.lower()
            + _joined([_short(side / factor, decimals) for step in steps for side in step])
        )
        at = points[-1]
        start = at if command == "M" else start
    return _joined_steps(said)


def _joined_steps(said: list[str]) -> str:
    """Steps of the same kind behind one letter; after a move the letter of a line is understood."""
    made = said[0] if said else ""
    for before, step in itertools.pairwise(said):
        kind = "l" if before[0] == "m" and step[0] == "l" else before[0]
        same = step[0] == kind and step[0] in "lcq"
        made += ("" if step[1] == "-" else " ") + step[1:] if same else step
    return made


def _joined(numbers: list[str]) -> str:
    return numbers[0] + "".join(
        number if number.startswith("-") else f" {number}" for number in numbers[1:]
    )


def _short(value: float, decimals: int = 2) -> str:
    said = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    said = re.sub(r"^(-?)0\.", r"\1.", said)
    return "0" if said in ("-0", "", "-") else said


def _escaped(words: str) -> str:
    return (
        words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


def numbered(page: str, prefix: str) -> str:
    """HTML in which the ids of no two drawings are the same: those of the first begin with the prefix and 1."""
    count = itertools.count(1)

    def renamed(match: re.Match[str]) -> str:
        first = f"{prefix}{next(count)}"
        own = ID.sub(lambda name: f"{first}{name.group()}", match.group())
        return re.sub(r"></(?:path|use|rect)>", "/>", own)

    return re.sub(r"<svg .*?</svg>", renamed, page, flags=re.DOTALL)
