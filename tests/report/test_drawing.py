"""A figure inside a page: what is left out cannot be seen, and what is said is where it was."""

import re
import xml.etree.ElementTree as ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import report
from helpers.report import charts, drawing, parts
from tests.sample_review import chart_frames

INK = "#1c2630"
PLACE = st.floats(-500, 500).map(lambda number: round(number, 6))


def places(steps: str) -> list[tuple[float, float]]:
    """Where a path of relative steps arrives, read letter by letter."""
    found, at, start, command = [], (0.0, 0.0), (0.0, 0.0), "m"
    tokens = re.findall(r"[a-z]|-?(?:\d+\.\d+|\.\d+|\d+)", steps)
    while tokens:
        if tokens[0].isalpha():
            command = tokens.pop(0)
        if command == "z":
            at = start
            continue
        origin = at
        for _ in range({"m": 1, "l": 1, "q": 2, "c": 3}[command]):
            at = (origin[0] + float(tokens.pop(0)), origin[1] + float(tokens.pop(0)))
            found.append(at)
        if command == "m":
            start, command = at, "l"
    return found


@given(
    st.lists(
        st.tuples(st.sampled_from("MLCQZ"), st.lists(PLACE, min_size=6, max_size=6)), max_size=40
    ),
    st.integers(1, 2),
)
def test_a_path_arrives_where_it_did(commands, decimals):
    needed = {"M": 2, "L": 2, "Q": 4, "C": 6, "Z": 0}
    spelled = [("M", [0.0, 0.0])] + [
        (command, numbers[: needed[command]]) for command, numbers in commands
    ]
    absolute = " ".join(f"{command} {' '.join(map(str, numbers))}" for command, numbers in spelled)
    expected = [
        pair for _, numbers in spelled for pair in zip(numbers[::2], numbers[1::2], strict=True)
    ]
    found = places(drawing.path(absolute, decimals))
    assert len(found) == len(expected)
    assert all(
        abs(a - b) <= 0.51 / 10**decimals
        for one, other in zip(found, expected, strict=True)
        for a, b in zip(one, other, strict=True)
    )


@pytest.mark.parametrize("name", chart_frames())
def test_a_chart_keeps_its_words_and_marks_and_no_style(name):
    charts.use_theme()
    frame, options = chart_frames()[name]
    axes = getattr(charts, name)(frame, lang="zh", **options)
    axes.figure.draw_without_rendering()
    wanted = {
        line
        for artist in axes.figure.findobj(lambda one: hasattr(one, "get_text"))
        if artist.get_visible()
        for line in artist.get_text().split("\n")
        if line
    }
    svg = report.figure(axes, title_zh="题", title_en="t", lang="zh").svg
    tree = ElementTree.fromstring(svg)
    said = {node.text for node in tree.iter() if node.tag.endswith("text")}
    assert said and said <= wanted
    assert "style" not in svg and "font-family" not in svg and len(svg) < 25_000
    assert {node.tag for node in tree.iter()} <= set(drawing.TAGS)
    ids = [node.get("id") for node in tree.iter() if node.get("id")]
    assert len(ids) == len(set(ids)) and set(re.findall(r'(?:href="|url\()#(\w+)', svg)) == set(ids)


def test_what_cannot_be_seen_is_left_out_and_words_stay_harmless():
    svg = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 10 10"><metadata>x</metadata><g '
        b'id="a"><g id="b"/><path d="M 0 0 L 1 1" style="fill: none"/>'
        b'<text style="font-size: 9px; fill: #1c2630; text-anchor: start" x="1.000" y="2" '
        b'transform="rotate(-0 1 2)">&lt;b&gt; &amp; "x"</text></g></svg>'
    )
    assert drawing.lean(svg, ink=INK) == (
        f'<svg viewBox="0 0 10 10" role="img" fill="{INK}" stroke-linejoin="round"><text x="1" '
        'y="2" font-size="9">&lt;b&gt; &amp; &quot;x&quot;</text></svg>'
    )


def test_ids_of_two_drawings_in_a_page_differ_and_colours_stay():
    one = (
        '<svg role="img"><path id="c0" d="m0 0" fill="#c0ffee"></path><use href="#c0" '
        'clip-path="url(#c1)"></use></svg>'
    )
    first, second = drawing.numbered(one + '<p id="c0"></p>' + one, "p02g").split('<p id="c0"></p>')
    assert first == (
        '<svg role="img"><path id="p02g1c0" d="m0 0" fill="#c0ffee"/><use href="#p02g1c0" '
        'clip-path="url(#p02g1c1)"/></svg>'
    )
    assert second == first.replace("p02g1", "p02g2")


def test_a_page_lets_every_part_of_a_drawing_through():
    charts.use_theme()
    frame, options = chart_frames()["mix_rate"]
    svg = report.figure(
        charts.mix_rate(frame, lang="zh", **options), title_zh="题", title_en="t", lang="zh"
    ).svg
    kept = ElementTree.fromstring(parts.clean(svg).replace("&nbsp;", " "))
    spoken = lambda tree: sorted((node.tag, sorted(node.attrib.items())) for node in tree.iter())  # noqa: E731
    assert spoken(kept) == spoken(ElementTree.fromstring(svg))
