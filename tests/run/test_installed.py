"""Fupan without its checkout: the built package, and papermill of another environment."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import clean
from helpers.core import places
from helpers.review import choose_session

pytestmark = pytest.mark.slow
BIN = "Scripts" if os.name == "nt" else "bin"


def run(*command: object, cwd: Path, **environment: str) -> str:
    """What a command prints; it must succeed. None of this project is found by its environment."""
    own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=own | environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def environment_with(folder: Path, *packages: object) -> Path:
    """The bin folder of a new environment with these packages, in the locked versions."""
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder.parent)
    python = folder / BIN / "python"
    run(
        Path(sys.executable).with_name("uv"),
        "pip",
        "install",
        "--python",
        python,
        *packages,
        cwd=places.PROJECT,
    )
    return folder / BIN


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if "__pycache__" not in path.parts}


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The bin folder of an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # building leaves its own files
    for name in ("helpers", "notebooks", "data/reference"):
        shutil.copytree(places.PROJECT / name, source / name)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md"):
        shutil.copy(places.PROJECT / name, source)
    build = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", folder, source)
    run(sys.executable, *build, cwd=folder)
    (wheel,) = folder.glob("*.whl")
    lock = places.PROJECT / "requirements.lock"
    return environment_with(folder / "env", "-r", lock, wheel)


def test_the_wheel_reviews_the_folder_that_it_is_called_in(installed, demo_workspace, tmp_path):
    shop = shutil.copytree(demo_workspace, tmp_path / "shop")
    shutil.rmtree(shop / "clean", ignore_errors=True)
    package = Path(
        run(
            installed / "python", "-c", "import helpers; print(helpers.__path__[0])", cwd=shop
        ).strip()
    )
    assert package.is_relative_to(installed.parent), package
    before = files_below(package)
    fupan = installed / "fupan"
    said = run(fupan, "run", "--help", cwd=shop).split()  # in lines as they fit the terminal
    assert "the current folder" in " ".join(said)
    (outcome,) = json.loads(run(fupan, "run", "--latest", "--json", cwd=shop))
    assert outcome["status"] == "published", outcome
    page = Path(outcome["path"])
    assert page.is_relative_to(shop / "reports") and "支付金额" in page.read_text("utf-8")
    assert files_below(package) == before, "nothing is written beside the installed package"


def test_papermill_of_another_environment_runs_a_notebook_by_the_registered_kernel(
    demo_workspace, tmp_path
):
    kernels = tmp_path / "jupyter"
    register = ("-m", "ipykernel", "install", "--name", "fupan", "--prefix", kernels)
    run(sys.executable, *register, cwd=tmp_path)
    constraints = ("-c", places.PROJECT / "requirements.lock")
    other = environment_with(tmp_path / "other", *constraints, "papermill", "ipykernel")
    workspace = clean.Workspace.open(demo_workspace)
    clean.ingest(workspace)
    name = choose_session(clean.sessions(workspace), "latest")
    notebook = places.NOTEBOOKS / "02_funnel.ipynb"
    given = (
        "-p",
        "session_id",
        name,
        "-p",
        "data_dir",
        demo_workspace,
        "-p",
        "reports_dir",
        tmp_path,
    )
    environment = {"JUPYTER_PATH": str(kernels / "share" / "jupyter")}
    if "PYTHONPATH" in os.environ:  # the kernel's, where this package is not installed
        spec = kernels / "share" / "jupyter" / "kernels" / "fupan" / "kernel.json"
        kept = json.loads(spec.read_text(encoding="utf-8"))
        spec.write_text(json.dumps(kept | {"env": {"PYTHONPATH": str(places.PROJECT)}}))
    command = (other / "papermill", "-k", "fupan", notebook, tmp_path / "out.ipynb", *given)
    run(*command, cwd=tmp_path, **environment)
    assert (tmp_path / name / "results" / "sources.parquet").exists()
