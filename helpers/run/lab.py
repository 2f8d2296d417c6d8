"""JupyterLab on copies of the notebooks, in the workspace that they work on.

What is run or written there stays with the shop's data and touches no file of this project. A
copy that nobody changed follows the shipped notebook; one that somebody changed is theirs.
"""

import datetime as dt
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from helpers import clean
from helpers.core import places
from helpers.review import Choice, keep_choice, last_choice

_TAKEN = ".shipped.json"  # notebook → digest of what was shipped when it was copied or asked about


def copy_notebooks(folder: Path, take_newer: Callable[[str], bool]) -> list[Path]:
    """Copy the shipped notebooks into a folder, and return those that somebody's own make way for.

    Where somebody changed a copy and a newer notebook is shipped, `take_newer` is asked with its
    name, once a version: the changed one is kept under the day's date.
    """
    folder.mkdir(parents=True, exist_ok=True)
    taken, aside = _taken(folder), []
    for shipped in sorted(places.NOTEBOOKS.glob("*.ipynb")):
        copy, new = folder / shipped.name, _digest(shipped)
        if copy.exists():
            mine = _digest(copy)
            is_changed = mine not in (new, taken.get(shipped.name))
            is_newer = new != taken.get(shipped.name)
            if is_changed and is_newer and take_newer(shipped.stem):
                aside.append(_free(folder / f"{shipped.stem}-{dt.date.today()}.ipynb"))
                copy.rename(aside[-1])
        if not copy.exists() or (not is_changed and mine != new):
            with clean.replacing(copy) as path:
                path.write_bytes(shipped.read_bytes())
        taken[shipped.name] = new
    with clean.replacing(folder / _TAKEN) as path:
        path.write_text(json.dumps(taken, indent=1), encoding="utf-8")
    return aside


def _taken(folder: Path) -> dict[str, str]:
    try:
        kept = json.loads((folder / _TAKEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _digest(path: Path) -> str:
    """Of what is written in a notebook, whatever was run in it; of any other file, its bytes."""
    content = path.read_bytes()
    try:
        cells = nbformat.reads(content.decode("utf-8"), as_version=4).cells
        written = json.dumps([(cell.cell_type, cell.source) for cell in cells]).encode()
    except (ValueError, AttributeError):
        written = content
    return hashlib.sha256(written).hexdigest()[:20]


def _free(path: Path) -> Path:
    """This name, or with the first number that no file has."""
    numbered = (path.with_stem(f"{path.stem}-{number}") for number in range(2, 1_000))
    return path if not path.exists() else next(name for name in numbered if not name.exists())


def open_lab(workspace: clean.Workspace, options: Sequence[str]) -> int:
    """JupyterLab on the workspace's notebooks, its start page first; the exit code of Jupyter.

    The start page shows this workspace; `options` go to Jupyter.
    """
    choice = last_choice()
    if choice.data_dir != str(workspace.path):
        keep_choice(Choice(data_dir=str(workspace.path), lang=choice.lang))
    # settings of its own: no question about news, no look for updates, long lines wrapped
    config = [str(places.NOTEBOOKS / ".jupyter"), os.environ.get("JUPYTER_CONFIG_PATH", "")]
    environment = os.environ | {
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, config)),
        places.HOME: str(places.PROJECT),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        f"--notebook-dir={workspace.notebooks}",
        "--LabApp.default_url=/lab/tree/00_start.ipynb",
        "--LabApp.extension_manager=readonly",  # no list of extensions from the network
        *options,
    ]
    return subprocess.run(command, env=environment).returncode
