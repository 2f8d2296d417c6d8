"""`fupan lab`: copies of the notebooks to work in."""

import json
import re
import sys

import nbformat
import pytest
from click.testing import CliRunner

from helpers import clean
from helpers.core import places
from helpers.review import last_choice
from helpers.run import cli, commands, lab


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """Two notebooks as they ship, in a folder where a test may change them."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(places, "NOTEBOOKS", folder)
    for name in ("00_start", "02_funnel"):
        write(folder / f"{name}.ipynb", "1 + 1")
    return folder


def write(path, source: str) -> None:
    """A notebook as they ship: a title in each language, parameters, one cell of code."""
    titles = [
        nbformat.v4.new_markdown_cell(words, metadata={"tags": [tag]})
        for words, tag in (("# 漏斗", "lang-zh"), ("# The funnel", "lang-en"))
    ]
    tags = {"tags": ["parameters"]}
    parameters = nbformat.v4.new_code_cell('lang: str = ""  # zh or en', metadata=tags)
    cells = [*titles, parameters, nbformat.v4.new_code_cell(source)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)


def change(path, **changed) -> None:
    """Somebody saves a copy whose last cell is another."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[-1].update(changed)
    nbformat.write(notebook, path)


def source(path) -> str:
    return nbformat.read(path, as_version=4).cells[-1].source


def never(name: str) -> bool:
    raise AssertionError(f"asked about {name}")


def test_what_is_run_in_a_copy_changes_no_shipped_file_and_is_not_asked_about(shipped, tmp_path):
    work = tmp_path / "shop" / "notebooks"
    assert lab.copy_notebooks(work, never) == []
    before = {path.name: path.read_bytes() for path in shipped.iterdir()}
    change(work / "02_funnel.ipynb", outputs=[nbformat.v4.new_output("stream", text="顾客 3 人")])
    write(work / "my_own.ipynb", "2")
    lab.copy_notebooks(work, never)
    as_run = (work / "02_funnel.ipynb").read_text(encoding="utf-8")
    assert "顾客" in as_run, "same code: left as it was run"
    assert source(work / "my_own.ipynb") == "2"
    assert {path.name: path.read_bytes() for path in shipped.iterdir()} == before


def test_an_unchanged_copy_follows_and_a_changed_one_stays_until_a_newer_is_shipped(
    shipped, tmp_path
):
    work = tmp_path / "notebooks"
    lab.copy_notebooks(work, never)
    change(work / "02_funnel.ipynb", source="mine")
    lab.copy_notebooks(work, never)
    for name in ("00_start", "02_funnel"):
        write(shipped / f"{name}.ipynb", "newer")
    asked = []
    assert lab.copy_notebooks(work, lambda name: asked.append(name)) == []
    assert asked == ["02_funnel"]
    assert source(work / "00_start.ipynb") == "newer"
    assert source(work / "02_funnel.ipynb") == "mine"
    lab.copy_notebooks(work, never)  # once a version
    write(shipped / "02_funnel.ipynb", "newest")
    (kept,) = lab.copy_notebooks(work, lambda name: True)
    assert source(kept) == "mine" and source(work / "02_funnel.ipynb") == "newest"
    change(work / "02_funnel.ipynb", source="mine again")
    write(shipped / "02_funnel.ipynb", "even newer")
    (second,) = lab.copy_notebooks(work, lambda name: True)
    assert second != kept and source(second) == "mine again" and source(kept) == "mine"


@pytest.mark.parametrize("state", ["", "no json", "[1]", '{"02_funnel.ipynb": 7}'])
def test_a_lost_record_of_what_was_copied_loses_nobodys_work(shipped, tmp_path, state):
    work = tmp_path / "notebooks"
    lab.copy_notebooks(work, never)
    change(work / "02_funnel.ipynb", source="mine")
    (work / ".shipped.json").write_text(state)
    lab.copy_notebooks(work, lambda name: False)
    assert source(work / "02_funnel.ipynb") == "mine"
    names = {"00_start.ipynb", "02_funnel.ipynb", "en/00_start.ipynb", "en/02_funnel.ipynb"}
    assert set(json.loads((work / ".shipped.json").read_text())) == names


def test_a_copy_speaks_one_language_and_leads_to_the_other(shipped, tmp_path):
    lab.copy_notebooks(tmp_path, never)
    chinese, english = (
        nbformat.read(tmp_path / place / "02_funnel.ipynb", as_version=4).cells
        for place in ("", "en")
    )
    assert [cell.source for cell in chinese] == [
        "# 漏斗\n\n[English](en/02_funnel.ipynb)",
        'lang: str = "zh"  # zh or en',
        "1 + 1",
    ]
    assert [cell.source for cell in english] == [
        "# The funnel\n\n[中文](../02_funnel.ipynb)",
        'lang: str = "en"  # zh or en',
        "1 + 1",
    ]


def test_the_real_notebooks_have_each_heading_once_and_links_that_lead_somewhere(tmp_path):
    lab.copy_notebooks(tmp_path, never)
    copies = sorted(tmp_path.rglob("*.ipynb"))
    assert len(copies) == 2 * len(list(places.NOTEBOOKS.glob("*.ipynb")))
    for path in copies:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        words = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
        headings = re.findall(r"(?m)^#+ .+$", "\n".join(words))
        assert len(headings) == len(set(headings)) > 2, path
        assert bool(re.search("[一-鿿]", " ".join(headings))) == (path.parent.name != "en"), path
        for link in re.findall(r"\]\(([^)#:]+\.ipynb)\)", "\n".join(words)):
            assert (path.parent / link).resolve().is_file(), (path, link)


@pytest.fixture
def opened(monkeypatch, tmp_path):
    """What Jupyter is started with, instead of starting it."""
    calls = []
    monkeypatch.setattr(places, "BY_HAND", tmp_path / "by_hand")
    monkeypatch.setattr(places, "WORKSPACE", tmp_path / "nothing")

    class Done:
        returncode = 0

    def start(command, env):
        calls.append((command, env))
        return Done

    monkeypatch.setattr(lab.subprocess, "run", start)
    return calls


def test_the_command_opens_the_workspaces_own_start_page(shipped, opened, tmp_path):
    shop = tmp_path / "my shop"
    (shop / "raw").mkdir(parents=True)
    done = CliRunner().invoke(cli.main, ["lab", "--data", str(shop), "--no-browser", "--port=9"])
    assert done.exit_code == 0, done.output
    ((command, environment),) = opened
    assert command[:3] == [sys.executable, "-m", "jupyterlab"]
    assert command[3] == f"--notebook-dir={shop / 'notebooks'}"
    assert command[-2:] == ["--no-browser", "--port=9"]
    assert environment["JUPYTER_CONFIG_PATH"].startswith(str(shipped / ".jupyter"))
    assert last_choice().data_dir == str(shop)
    assert (shop / "notebooks" / "00_start.ipynb").exists()


def test_without_a_workspace_the_one_with_exports_is_opened_or_else_the_demo(
    shipped, opened, tmp_path, monkeypatch, demo_workspace
):
    monkeypatch.setattr(places, "DEMO", demo_workspace)
    monkeypatch.setattr(
        clean.Workspace, "notebooks", property(lambda own: tmp_path / own.path.name)
    )
    assert CliRunner().invoke(cli.main, ["lab"]).exit_code == 0
    assert last_choice().data_dir == str(demo_workspace)
    raw = places.WORKSPACE / "raw"
    raw.mkdir(parents=True)
    (raw / "场次.csv").write_text("x")
    assert CliRunner().invoke(cli.main, ["lab"]).exit_code == 0
    assert last_choice().data_dir == str(places.WORKSPACE)


def test_without_a_terminal_nobody_is_asked_and_the_changed_copy_stays(capsys):
    assert commands._take_newer("02_funnel") is False
    assert "02_funnel has changed in Fupan; your changed copy stays" in capsys.readouterr().err


def test_a_folder_that_is_none_is_said(opened, tmp_path):
    done = CliRunner().invoke(cli.main, ["lab", "--data", str(tmp_path / "nowhere")])
    assert done.exit_code == 1 and "no such folder" in done.output
    assert not opened
