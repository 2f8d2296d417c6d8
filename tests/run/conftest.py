"""A chain of six tiny notebooks, for tests of the chain itself."""

from __future__ import annotations

import shutil
from pathlib import Path

import nbformat
import pytest

from helpers import clean
from helpers.core import places
from helpers.review import choose_session
from helpers.run import chain, steps

PARAMETERS = (
    'session_id: str = "latest"  # which\ndata_dir: str = ""  # where\nreports_dir: str '
    "= "
    '"" '
    " "
    '# out\nlang: str = "zh"  # language'
)
OPEN = (
    "from helpers.core import findings\nfrom helpers.review import open_review\nreview = "
    "open_review(session_id, data_dir=data_dir, reports_dir=reports_dir, lang=lang, "
    'notebook="{name}")'
)


def small_notebook(name: str, *code: str, parameters: str = PARAMETERS) -> nbformat.NotebookNode:
    first = nbformat.v4.new_code_cell(parameters, metadata={"tags": ["parameters"]})
    body = [
        OPEN.format(name=name),
        *code,
        "written = review.add_findings(findings.frame([]))",
        "review.finish()",
    ]
    title = nbformat.v4.new_markdown_cell(f"# {name}")
    return nbformat.v4.new_notebook(
        cells=[title, first, *map(nbformat.v4.new_code_cell, body)],
        metadata={"kernelspec": {"name": "python3", "display_name": "p", "language": "python"}},
    )


@pytest.fixture(scope="module")
def small_notebooks(tmp_path_factory):
    """Six tiny notebooks in the place of the real ones: the chain itself is what is tested."""
    folder = tmp_path_factory.mktemp("notebooks")
    for name in steps.ORDER:
        extra = "confidence: float = 0.95  # of intervals\nsteps: int = 3  # how many"
        nbformat.write(
            small_notebook(
                name, parameters=f"{PARAMETERS}\n{extra}" if name == "03_compare" else PARAMETERS
            ),
            folder / f"{name}.ipynb",
        )
    return folder


@pytest.fixture
def small_chain(small_notebooks, tmp_path, monkeypatch):
    """The small notebooks as the chain, for a test that may change them."""
    folder = shutil.copytree(small_notebooks, tmp_path / "notebooks")
    monkeypatch.setattr(places, "NOTEBOOKS", folder)
    return folder


def newest_reviewed(data: Path, reports: Path):
    """Call it to review the newest session of a workspace."""
    workspace = clean.Workspace.open(data)
    clean.ingest(workspace)
    name = choose_session(clean.sessions(workspace), "latest")
    return lambda **options: chain.review_session(workspace, name, reports_dir=reports, **options)


@pytest.fixture
def reviewed(own_workspace, small_chain, tmp_path):
    """Call it to review the newest session of a demo workspace with the small chain."""
    return newest_reviewed(own_workspace, tmp_path / "reports")


@pytest.fixture(scope="module")
def first_run(demo_workspace, small_notebooks, tmp_path_factory):
    """What `reviewed` does first, for all tests that only begin with it."""
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(places, "NOTEBOOKS", small_notebooks)
        shop = shutil.copytree(demo_workspace, folder / "shop")
        return newest_reviewed(shop, folder / "reports")()


@pytest.fixture
def first(first_run, reviewed, tmp_path):
    """The first run of `reviewed`: it has published the session."""
    assert (first_run.status, first_run.path.name) == ("published", "review.html"), (
        first_run.message
    )
    shutil.copytree(first_run.path.parents[1], tmp_path / "reports")
    return first_run._replace(
        path=tmp_path / "reports" / first_run.session_id / first_run.path.name
    )
