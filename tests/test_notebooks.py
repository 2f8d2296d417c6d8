"""The notebooks keep to the form that the report, the runner and the reader rely on."""

import ast
import dataclasses
import functools
import importlib
import inspect
import re
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest

from helpers import reference, report
from helpers.core import text
from helpers.review import Review, open_review
from tests import notebooks_clean

ROOT = Path(__file__).parents[1]
NAMES = ["00_start", "01_clean", "02_funnel", "03_compare", "04_split", "05_aftersales", "06_plan"]
NAMES += ["07_explore"]
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MOST_LINES, MOST_CHARACTERS = 12, 800  # of a cell, as the formatter leaves it
CHINESE = re.compile("[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]")
PARAMETER = re.compile(
    r"(?P<name>[a-z_]+): (?P<type>str|int|float|bool) = (?P<value>.+?)  # (?P<help>\S.*)"
)

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def cells(path: Path, kind: str | None = None) -> list[nbformat.NotebookNode]:
    found = nbformat.read(path, as_version=4).cells
    return [cell for cell in found if kind in (None, cell.cell_type)]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def parameters(path: Path) -> dict[str, tuple[str, object, str]]:
    """Type, default and help of each parameter by name; fails on a line of another form."""
    found = {}
    for line in cells(path, "code")[0].source.splitlines():
        match = PARAMETER.fullmatch(line)
        assert match, f"{path.name}: not `name: type = value  # help`: {line}"
        found[match["name"]] = (match["type"], ast.literal_eval(match["value"]), match["help"])
    return found


def test_the_notebooks_are_these_and_no_others():
    assert [path.stem for path in PATHS] == NAMES


@every_notebook
def test_notebook_is_in_normal_form(path):
    assert path.read_text(encoding="utf-8") == notebooks_clean.normal_text(path), (
        "run: make notebooks-clean"
    )


@every_notebook
def test_one_to_three_cells_hold_facts_for_nbval_to_compare(path):
    tagged = [cell for cell in cells(path, "code") if notebooks_clean.KEPT in tags(cell)]
    assert 1 <= len(tagged) <= 3
    for cell in tagged:
        text = notebooks_clean.printed(cell.outputs)
        assert re.search(r"\d", text), (
            f"a tagged cell holds no number, so nbval would compare nothing:\n{cell.source}"
        )


@every_notebook
def test_parameters_are_typed_scalars_with_help(path):
    assert [
        number for number, cell in enumerate(cells(path, "code")) if "parameters" in tags(cell)
    ] == [0]
    for name, (kind, value, _) in parameters(path).items():
        assert type(value).__name__ == kind, f"{name} is declared {kind}, its default is {value!r}"


def test_a_parameter_means_the_same_in_every_notebook():
    first: dict[str, tuple] = {}
    for path in PATHS:
        for name, declared in parameters(path).items():
            assert first.setdefault(name, declared) == declared, (
                f"{path.name}: {name} differs from another notebook"
            )


@every_notebook
def test_text_comes_in_pairs_chinese_then_english(path):
    languages = [
        [tag for tag in tags(cell) if tag.startswith("lang-")]
        if cell.cell_type == "markdown"
        else None
        for cell in cells(path)
    ]
    markdown = [language for language in languages if language is not None]
    assert markdown == [["lang-zh"], ["lang-en"]] * (len(markdown) // 2)
    apart = [
        pair for pair in pairwise(languages) if pair[0] == ["lang-zh"] and pair[1] != ["lang-en"]
    ]
    assert not apart, "a Chinese cell is not followed at once by its English one"


@every_notebook
def test_pairs_have_the_same_shape_in_both_languages(path):
    text = cells(path, "markdown")
    for chinese, english in zip(text[::2], text[1::2], strict=True):
        marks = [re.findall(r"(?m)^#+ ", cell.source) for cell in (chinese, english)]
        assert marks[0] == marks[1], f"headings differ:\n{chinese.source}\n{english.source}"
        assert re.search(r"[\u4e00-\u9fff]", chinese.source), f"no Chinese in: {chinese.source}"


@every_notebook
def test_first_text_asks_and_last_text_limits(path):
    text = [cell.source for cell in cells(path, "markdown")]
    for source, words in zip(
        text[:2], (("读", "写", "决定"), ("Reads", "Writes", "Decides")), strict=True
    ):
        assert source.startswith("# ")
        missing = [word for word in words if not re.search(rf"\*\*{word}", source)]
        assert not missing, f"first cell lacks {missing}"
    assert "局限" in text[-2].splitlines()[0]
    assert "Limits" in text[-1].splitlines()[0]


@every_notebook
def test_cells_are_short_and_plain(path):
    for cell in cells(path, "code"):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= MOST_LINES, f"more than {MOST_LINES} lines:\n{cell.source}"
        assert len(cell.source) <= MOST_CHARACTERS, cell.source
        for node in ast.walk(ast.parse(cell.source)):
            banned = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Assert | ast.Raise
            assert not isinstance(node, banned), cell.source  # one bad row never stops a review
        assert not re.search(
            r"sys\.path|filterwarnings|simplefilter|^%|^!", cell.source, re.MULTILINE
        ), cell.source


@every_notebook
def test_imports_stand_in_the_second_code_cell(path):
    for number, cell in enumerate(cells(path, "code")):
        imports = [
            n
            for n in ast.walk(ast.parse(cell.source))
            if isinstance(n, ast.Import | ast.ImportFrom)
        ]
        assert number == 1 or not imports, f"imports outside the second code cell:\n{cell.source}"


@pytest.mark.parametrize(
    "path", [path for path in PATHS if path.stem != "00_start"], ids=lambda path: path.stem
)
def test_the_last_cell_says_that_the_notebook_got_to_its_end(path):
    assert cells(path, "code")[-1].source.splitlines()[-1] == "review.finish()"


def code(source: str, tag: str | None = None, outputs: tuple = ()) -> nbformat.NotebookNode:
    metadata = {"tags": [tag], "collapsed": True} if tag else {"collapsed": True}
    return nbformat.v4.new_code_cell(
        source,
        id="a" + str(len(source)),
        metadata=metadata,
        outputs=list(outputs),
        execution_count=3,
    )


def stream(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return nbformat.v4.new_output("stream", name=name, text=text)


def test_cleaning_keeps_what_tagged_cells_printed_and_nothing_else():
    result = nbformat.v4.new_output("execute_result", data={"text/plain": "2"}, execution_count=3)
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "mine", "display_name": "Mine"}, "widgets": {}},
        cells=[
            code(
                "print(1)",
                notebooks_clean.KEPT,
                (stream("1\n"), stream("noise", "stderr"), stream("2\n"), result),
            ),
            code("print(12)", None, (stream("12\n"),)),
            code("   "),
        ],
    )
    cleaned = notebooks_clean.clean(notebook)
    assert [cell.outputs for cell in cleaned.cells] == [[stream("1\n2\n")], []]
    assert [cell.execution_count for cell in cleaned.cells] == [1, None]
    assert [dict(cell.metadata) for cell in cleaned.cells] == [{"tags": [notebooks_clean.KEPT]}, {}]
    assert cleaned.metadata == notebooks_clean.METADATA
    assert notebooks_clean.clean(cleaned) == cleaned


def test_check_finds_a_notebook_with_outputs_and_cleaning_repairs_it(tmp_path):
    path = tmp_path / "some.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[code("print(1)", None, (stream("1\n"),))]), path)
    command = [sys.executable, notebooks_clean.__file__]
    assert subprocess.run([*command, "--check", path], capture_output=True).returncode == 1
    assert subprocess.run([*command, path], capture_output=True).returncode == 0
    assert subprocess.run([*command, "--check", path], capture_output=True).returncode == 0


def shown(node: ast.expr) -> bool:
    """Whether what a cell ends with is made to be read.

    A table, sentence or figure of the report, what is missing, printed facts; not this or that.
    """
    called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return called.startswith("show.") or called in (
        "report.setup",
        "print",
        "review.missing",
        "review.finish",
        "start.picker",
        "explore",
        "form",
    )


@every_notebook
def test_no_cell_ends_in_a_raw_frame(path):
    for cell in cells(path, "code"):
        last = (ast.parse(cell.source).body or [None])[-1]
        assert not isinstance(last, ast.Expr) or shown(last.value), (
            f"{path.name} {cell.id}: {ast.unparse(last)}"
        )


@every_notebook
def test_code_has_no_words_of_what_is_shown(path):
    """Captions, labels, units and sentences are entries of `results.yml`."""
    for cell in cells(path, "code"):
        if "parameters" not in tags(cell):
            assert not CHINESE.search(cell.source), cell.source
        for node in ast.walk(ast.parse(cell.source)):
            named = {word.arg or "" for word in getattr(node, "keywords", [])}
            assert not re.search(r"\b(caption|title|labels|_zh|_en)\b", " ".join(named)), (
                cell.source
            )


MOST_WORDS = 140  # characters of a docstring's first line: two lines of JupyterLab's tooltip


def imported_from(module: str, name: str) -> object:
    """What `from module import name` gives: a module, else a function of it."""
    try:
        return importlib.import_module(f"{module}.{name}")
    except ModuleNotFoundError:
        return getattr(importlib.import_module(module), name)


def called_helpers() -> dict[str, object]:
    """Every helper that a notebook calls, by its dotted name, also methods of the review."""
    found: dict[str, object] = {}
    for path in PATHS:
        trees = [ast.parse(cell.source) for cell in cells(path, "code")]
        imported: dict[str, object] = {"review": Review, "show": report.Show}
        for node in (
            node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
        ):
            if (node.module or "").split(".")[0] == "helpers":
                imported |= {
                    alias.name: imported_from(node.module, alias.name) for alias in node.names
                }
        calls = [
            ast.unparse(node.func).split(".")
            for tree in trees
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
        ]
        for names in (
            names for names in calls if names[0] in imported and all(map(str.isidentifier, names))
        ):
            if names[0] not in ("review", "show") or len(names) == 2:
                found[".".join(names)] = functools.reduce(getattr, names[1:], imported[names[0]])
    return found


def poorly_told(helper: object) -> str:
    """What is wrong with what Shift-Tab shows of a helper: its signature and first line."""
    lines = (inspect.getdoc(helper) or "").splitlines() or [""]
    untyped = [
        name
        for name, given in inspect.signature(helper).parameters.items()
        if given.annotation is given.empty and name not in ("self", "cls")
    ]
    if untyped:
        return f"no type of {', '.join(untyped)}"
    if not re.fullmatch(r"(?s)[^\s].{10,}\.", lines[0]) or (len(lines) > 1 and lines[1]):
        return f"the first line is not one whole sentence: {lines[0]!r}"
    return (
        ""
        if len(lines[0]) <= MOST_WORDS
        else f"the first line has {len(lines[0])} characters, more than {MOST_WORDS}"
    )


def test_shift_tab_tells_what_each_helper_of_a_notebook_does():
    helpers = called_helpers()
    assert len(helpers) > 200 and "review.table" in helpers and "compare.verdicts" in helpers
    poor = {name: said for name, helper in helpers.items() if (said := poorly_told(helper))}
    assert not poor, "\n".join(f"{name}: {said}" for name, said in sorted(poor.items()))


def test_a_helper_without_words_is_found():
    def bare(frame: int) -> int:
        return frame

    def cut(frame: int) -> int:
        """The frame by its columns, and
        more."""
        return frame

    def loose(frame) -> int:
        """The frame as it is."""
        return frame

    assert [bool(poorly_told(helper)) for helper in (bare, cut, loose, called_helpers)] == [
        True,
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_section_that_contributing_shows_works_as_it_stands(demo_workspace, tmp_path, lang):
    """Its cells keep to the rules, run in a review with the table, and give a note without it."""
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    told = page[page.index("## A section in a notebook") : page.index("## Code and tests")]
    entries, *_ = re.findall(r"(?s)```yaml\n(.+?)```", told)
    (tmp_path / "results.yml").write_text(entries, encoding="utf-8")
    blocks = re.findall(r"(?s)```python\n(.+?)```", told)
    trees = [ast.parse(block) for block in blocks]
    assert len(blocks) == 2 and all(
        len(block.splitlines()) <= 10 and shown(tree.body[-1].value)
        for block, tree in zip(blocks, trees, strict=True)
    )
    review = open_review(
        "latest", data_dir=demo_workspace, reports_dir=tmp_path, lang=lang, notebook="02_funnel"
    )
    words = {"review": review, "show": report.Show(review)}
    words["show"].entries = reference.results(tmp_path)
    table, sentence = (run_cell(tree, words) for tree in trees)
    top = review.table("videos").sort_values("entries").iloc[-1]
    assert (
        top["title"] in table.html
        and top["title"] in sentence.plain
        and text.number(top["entries"], lang) in sentence.plain
    )
    assert review.result("video_entries")["title"].tolist() == words["came"]["title"].tolist()
    without = dataclasses.replace(review, session_id=review.sessions["session_id"].iloc[0])
    words["show"].review = without
    assert without.table("videos").empty and without.missing("videos") == run_cell(
        trees[0], words | {"review": without}
    )


def run_cell(tree: ast.Module, names: dict) -> object:
    """What a cell shows: its statements run, then its last expression."""
    exec(compile(ast.Module(tree.body[:-1], []), "cell", "exec"), names)
    return eval(compile(ast.Expression(tree.body[-1].value), "cell", "eval"), names)
