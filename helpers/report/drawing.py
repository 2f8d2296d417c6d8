"""A drawn figure as SVG inside a page: its words are text in the page's font, its looks attributes.

A page's policy refuses styles inside elements; glyphs as paths were two thirds of every page.
"""

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
# Of the root, inherited by all.
DEFAULTS = {
    "stroke-linejoin": "round",
    "stroke-linecap": "butt",
    "text-anchor": "start",
    "stroke-width": "1",
}
NUMBER = re.compile(r"-?\d+\.\d+")
STEP = re.compile(r"([MLCQZ])([^MLCQZ]*)", re.IGNORECASE)
ID = re.compile(r'(?<= href="#)\w+|(?<="url\(#)\w+|(?<= id=")\w+')


def lean(drawn: bytes, *, ink: str) -> str:
    """Matplotlib's SVG (with `svg.fonttype` none) as an element for a page, without what is unseen.

    Places are exact to a tenth of a pixel; texts without a colour have `ink`. Ids belong to this
    figure alone; `numbered` makes them differ within a page.
    """
    root = ElementTree.fromstring(drawn)
    box = [float(side) for side in root.get("viewBox", "").split()]
    children = "".join(_element(child, ink) for child in root)
    svg = (
        f'<svg viewBox="{" ".join(_short(side) for side in box)}" role="img" fill="{ink}" '
        f'stroke-linejoin="round">{children}</svg>'
    )
    names = {name: f"c{place}" for place, name in enumerate(dict.fromkeys(ID.findall(svg)))}
    return ID.sub(lambda match: names[match.group()], svg)


def _element(element: ElementTree.Element, ink: str) -> str:
    tag = element.tag.removeprefix(NAMESPACE)
    if tag not in TAGS:
        return ""
    attributes = _attributes(element, tag, ink)
    inner = (
        _escaped(element.text or "")
        if tag == "text"
        else "".join(_element(child, ink) for child in element)
    )
    if tag in ("g", "defs") and (not inner or not attributes):
        return inner if tag == "g" else f"<defs>{inner}</defs>" if inner else ""
    unseen = attributes.get("fill") == "none" and attributes.get("stroke", "none") == "none"
    if tag in ("path", "use") and unseen:
        return ""
    words = "".join(f' {name}="{_escaped(value)}"' for name, value in attributes.items())
    return f"<{tag}{words}>{inner}</{tag}>" if inner or tag == "text" else f"<{tag}{words}/>"


def _attributes(element: ElementTree.Element, tag: str, ink: str) -> dict[str, str]:
    styled = dict(
        part.split(": ", 1) for part in re.split(r";\s*", element.get("style", "")) if ": " in part
    )
    attributes = {name: element.attrib[name] for name in element.attrib if name in PLACES | LOOKS}
    attributes |= {name: value for name, value in styled.items() if name in LOOKS}
    if LINK in element.attrib:
        attributes["href"] = element.attrib[LINK]
    if tag == "g" or (tag == "path" and "d" not in attributes):
        attributes.pop("id", None)  # names of matplotlib's own, which nothing points to
    if tag in ("path", "rect") and "fill" not in attributes and "id" not in attributes:
        attributes["fill"] = "#000"
    if tag == "text" and attributes.get("fill") == ink:
        del attributes["fill"]
    shortest = {name: _worth(name, value, "id" in attributes) for name, value in attributes.items()}
    return {name: value for name, value in shortest.items() if value is not None}


def _worth(name: str, value: str, defined: bool) -> str | None:
    """None where leaving it out says the same."""
    value = value.removesuffix("px")
    if DEFAULTS.get(name) == value or (name == "stroke-width" and float(value) == 1):
        return None
    if name == "d":
        return path(value, 2 if defined else 1)
    if name == "transform" and re.match(r"rotate\(-?0(\.0)? ", value):
        return None
    return NUMBER.sub(lambda match: _short(float(match.group())), value)


def path(commands: str, decimals: int) -> str:
    """A path in steps from point to point, in whole tenths or hundredths: half as long.

    Reads absolute M, L, C, Q and Z, all that matplotlib writes. A step starts from where the
    rounded one before it ended, so that errors never add up.
    """
    factor, at, written = 10**decimals, (0, 0), []
    start = at
    for command, numbers in STEP.findall(commands):
        values = [round(float(number) * factor) for number in numbers.split()]
        points = list(zip(values[::2], values[1::2], strict=True))
        if command in "Zz":
            written, at = [*written, "z"], start
            continue
        sides = [side for x, y in points for side in (x - at[0], y - at[1])]
        written.append(
            command.lower() + _joined([_short(side / factor, decimals) for side in sides])
        )
        at = points[-1]
        start = at if command == "M" else start
    return _joined_steps(written)


def _joined_steps(steps: list[str]) -> str:
    """After a move the letter of a line is understood."""
    commands = steps[0] if steps else ""
    for before, step in itertools.pairwise(steps):
        kind = "l" if before[0] == "m" and step[0] == "l" else before[0]
        same = step[0] == kind and step[0] in "lcq"
        commands += ("" if step[1] == "-" else " ") + step[1:] if same else step
    return commands


def _joined(numbers: list[str]) -> str:
    return numbers[0] + "".join(
        number if number.startswith("-") else f" {number}" for number in numbers[1:]
    )


def _short(value: float, decimals: int = 2) -> str:
    digits = f"{value:.{decimals}f}".rstrip("0").rstrip(".") if decimals else f"{value:.0f}"
    digits = re.sub(r"^(-?)0\.", r"\1.", digits)
    return "0" if digits in ("-0", "", "-") else digits


def _escaped(words: str) -> str:
    return (
        words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    )


def numbered(page: str, prefix: str) -> str:
    """HTML in which no two drawings have the same ids: the first's begin with the prefix and 1."""
    count = itertools.count(1)

    def renamed(match: re.Match[str]) -> str:
        first = f"{prefix}{next(count)}"
        svg = ID.sub(lambda name: f"{first}{name.group()}", match.group())
        return re.sub(r"></(?:path|use|rect)>", "/>", svg)

    return re.sub(r"<svg .*?</svg>", renamed, page, flags=re.DOTALL)
