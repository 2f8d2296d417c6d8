"""The layers drawn in ARCHITECTURE.md are the layers of the code: a module imports only from the lines above its own."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "helpers"
PAGE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
FILES = sorted(
    path
    for path in PACKAGE.rglob("*.py")
    if path != PACKAGE / "__init__.py" and (path.parent / "__init__.py").exists()  # a font's build script is no module
)


def drawn_layers() -> list[list[str]]:
    """Module names by line of the picture: the part of each line before the two spaces that start its words."""
    (picture,) = re.findall(r"(?s)```layers\n(.+?)```", PAGE)
    return [re.split(r" {2,}", line)[0].split() for line in picture.splitlines() if line.strip()]


def layer_of(module: str) -> int:
    found = [number for number, names in enumerate(drawn_layers()) if module in names]
    assert len(found) == 1, f"{module} stands {len(found)} times in the picture of ARCHITECTURE.md, expected once"
    return found[0]


def module_name(path: Path) -> str:
    """`helpers/funnel.py` is funnel, everything in `helpers/sources/` is sources."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def dotted_imports(path: Path) -> list[str]:
    """Every module that a file imports from this package, also inside functions, as `helpers.…`."""
    package = ["helpers", *path.relative_to(PACKAGE).parts[:-1]]
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            stem = ".".join([*base, *filter(None, [node.module])])
            names += [f"{stem}.{alias.name}" for alias in node.names]
    return [name for name in names if name.split(".")[0] == "helpers"]


def imported_modules(path: Path) -> set[str]:
    parts = [name.split(".") for name in dotted_imports(path)]
    assert all(len(part) > 1 for part in parts), f"{path.name}: `import helpers` names no module"
    return {part[1] for part in parts} - {module_name(path)}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_imports_only_from_the_layers_above(path):
    own = layer_of(module_name(path))
    upward = {name for name in imported_modules(path) if layer_of(name) >= own}
    assert not upward, f"{module_name(path)} imports {sorted(upward)}, drawn beside or below it"


def test_the_picture_has_no_module_that_does_not_exist():
    drawn = [name for names in drawn_layers() for name in names]
    assert sorted(drawn) == sorted({module_name(path) for path in FILES})


def described() -> dict[str, str]:
    """The line of each module by its name; the line of a package names its files."""
    lines = re.findall(r"(?m)^- `([\w/.]+)` (\S.*(?:\n  \S.*)*)", PAGE)
    return {name.removesuffix(".py").removesuffix("/"): words for name, words in lines}


def test_every_module_has_a_line_and_every_line_a_module():
    assert sorted(described()) == sorted({module_name(path) for path in FILES})


@pytest.mark.parametrize("path", [path for path in FILES if path.parent != PACKAGE and path.stem != "__init__"], ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_the_line_of_a_package_names_its_files(path):
    assert f"`{path.stem}`" in described()[module_name(path)]


def test_every_folder_that_the_page_names_exists():
    for name in re.findall(r"`((?:helpers|tests|notebooks|data|reports)(?:/[\w.-]+)*)`", PAGE):
        assert (ROOT / name).exists(), f"ARCHITECTURE.md names {name}, which does not exist"


def test_an_import_that_points_down_is_seen(tmp_path, monkeypatch):
    """The test above can fail: a file that imports a module of a later layer is caught, also inside a function."""
    bad = PACKAGE / "stats.py"
    source = "def late():\n    from helpers import schema\n    return schema\n"
    monkeypatch.setattr(Path, "read_text", lambda self, **_: source)
    assert imported_modules(bad) == {"schema"}
    assert layer_of("schema") >= layer_of("stats")
