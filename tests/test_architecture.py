"""The rooms drawn in ARCHITECTURE.md are those of the code, and its files can be read.

A room imports only from rooms above it; files are short, docstrings begin with a sentence, and
names of values say what they hold.
"""

import ast
import re
import statistics
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "helpers"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
FILES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py"
    and (path.parent / "__init__.py").exists()  # a font's build script is no module
)
MOST_ARROWS = 45  # between two rooms
LONGEST_FILE, MEDIAN_FILE = 700, 350  # lines
WIDEST_YAML = 120  # characters
WIDEST_SENTENCE = 100  # columns of a docstring's first line; a Chinese character takes two
VAGUE, MOST_VAGUE = {"known", "made", "found", "own", "told", "said"}, 10


def drawn_rooms() -> list[str]:
    """The rooms in the order of the picture: the first word of each of its lines."""
    (picture,) = re.findall(r"(?s)```rooms\n(.+?)```", PAGE)
    return [line.split()[0] for line in picture.splitlines() if line.strip()]


def room_of(path: Path) -> str:
    """`helpers/funnel/minutes.py` stands in funnel, `helpers/review.py` is a room by itself."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> set[str]:
    """The other rooms that a file imports from, also inside functions."""
    package = ["helpers", *path.relative_to(PACKAGE).parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *filter(None, [node.module])])
            names += [f"{stem}.{alias.name}" for alias in node.names]
    parts = [name.split(".") for name in names if name.split(".")[0] == "helpers"]
    assert all(len(part) > 1 for part in parts), f"{path.name}: `import helpers` names no room"
    return {part[1] for part in parts} - {room_of(path)}


def test_the_picture_has_the_rooms_of_the_package_and_no_others():
    assert sorted(drawn_rooms()) == sorted({room_of(path) for path in FILES})


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_room_imports_only_from_rooms_above_it(path):
    above = drawn_rooms()[: drawn_rooms().index(room_of(path))]
    others = imported_rooms(path) - set(above)
    assert not others, f"{room_of(path)} imports {sorted(others)}, drawn below it"


def test_few_arrows_stand_between_rooms():
    arrows = {(room_of(path), other) for path in FILES for other in imported_rooms(path)}
    assert len(arrows) <= MOST_ARROWS, sorted(arrows)


def described() -> dict[str, set[str]]:
    """The files that the page names under the heading of each room."""
    parts = re.split(r"(?m)^### `helpers/(\w+)(?:\.py|/)`", PAGE)
    named = dict(zip(parts[1::2], parts[2::2], strict=True))
    return {
        room: set(re.findall(r"(?m)^- `([\w/]+\.py|\w+/)`", words)) for room, words in named.items()
    }


@pytest.mark.parametrize("room", sorted({room_of(path) for path in FILES}))
def test_the_page_names_each_file_of_a_room_and_no_other(room):
    inside = {
        path.relative_to(PACKAGE / room)
        for path in FILES
        if path.parent != PACKAGE and room_of(path) == room
    }
    files = {path.as_posix() for path in inside if path.name != "__init__.py"}
    assert sorted(described()[room]) == sorted(files)


def test_every_folder_and_file_that_the_page_names_exists():
    for name in re.findall(r"`((?:helpers|tests|notebooks|data|reports)(?:/[\w.-]+)*)/?`", PAGE):
        assert (ROOT / name).exists(), f"ARCHITECTURE.md names {name}, which does not exist"


def test_no_file_is_too_long_to_be_read():
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    long = {path.name: length for path, length in lengths.items() if length > LONGEST_FILE}
    assert not long, f"longer than {LONGEST_FILE} lines: {long}"
    assert statistics.median(lengths.values()) <= MEDIAN_FILE


@pytest.mark.parametrize(
    "path", sorted((ROOT / "data" / "reference").rglob("*.yml")), ids=lambda path: path.stem
)
def test_no_line_of_the_knowledge_is_too_wide(path):
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    wide = {number: len(line) for number, line in lines if len(line) > WIDEST_YAML}
    assert not wide, f"{path.name}: wider than {WIDEST_YAML} characters: {wide}"


def first_lines(source: str) -> dict[str, str]:
    """The first line of the docstring of a file, and of its public classes, functions and methods.

    What is inside functions has no docstring that anybody sees, and is left out.
    """
    lines, waiting = {}, [("the file", ast.parse(source))]
    while waiting:
        name, node = waiting.pop()
        if words := ast.get_docstring(node):
            lines[name] = words.splitlines()[0]
        inside = [] if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else node.body
        waiting += [
            (child.name, child)
            for child in inside
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not child.name.startswith("_")
        ]
    return lines


def is_a_short_sentence(line: str) -> bool:
    """Whether a line is one whole sentence of fewer than a hundred columns, its quotes beside."""
    wide = sum(2 if unicodedata.east_asian_width(mark) in "WF" else 1 for mark in line)
    return line.endswith(".") and not re.search(r"[.!?] +[A-Z]", line) and wide < WIDEST_SENTENCE


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_docstring_begins_with_one_short_sentence(path):
    lines = first_lines(path.read_text(encoding="utf-8"))
    assert "the file" in lines or not path.read_text(encoding="utf-8").strip()
    poor = {name: line for name, line in lines.items() if not is_a_short_sentence(line)}
    assert not poor, poor


def vague_names(source: str) -> Counter:
    """How often the vague words name a value: assigned, looped over, or a parameter."""
    nodes = list(ast.walk(ast.parse(source)))
    names = [
        node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    names += [node.arg for node in nodes if isinstance(node, ast.arg)]
    return Counter(name for name in names if name in VAGUE)


def test_names_say_what_they_hold_not_how_it_came_about():
    counts = {path: vague_names(path.read_text(encoding="utf-8")) for path in FILES}
    files = {path.relative_to(PACKAGE).as_posix(): count for path, count in counts.items() if count}
    assert sum(count.total() for count in files.values()) <= MOST_VAGUE, files


def test_poor_words_are_seen():
    """The two tests above can fail."""
    source = '"""Rows of a\ntable."""\ndef f(own):\n    """It is. It was."""\n    told = own\n'
    assert first_lines(source) == {"the file": "Rows of a", "f": "It is. It was."}
    assert not any(map(is_a_short_sentence, first_lines(source).values()))
    assert is_a_short_sentence("The trend of each figure (e.g. of `a.b`).")
    assert not is_a_short_sentence("字" * 50 + ".")
    assert vague_names(source) == {"own": 1, "told": 1}


def test_an_import_that_points_down_is_seen(tmp_path, monkeypatch):
    """A file that imports from a later room is caught, also inside a function."""
    source = "def late():\n    from helpers.clean import schema\n    return schema\n"
    monkeypatch.setattr(Path, "read_text", lambda self, **_: source)
    assert imported_rooms(PACKAGE / "core" / "stats.py") == {"clean"}
    assert drawn_rooms().index("clean") > drawn_rooms().index("core")
