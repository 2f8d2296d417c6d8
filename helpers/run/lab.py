"""JupyterLab on copies of the notebooks, in the workspace that they work on.

What is run or written there stays with the shop's data and touches no file of this project. A
copy that nobody changed follows the shipped notebook; one that somebody changed is theirs.
"""

import datetime as dt
import hashlib
import json
import os
import posixpath
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import nbformat

from helpers import clean
from helpers.core import places
from helpers.report.page import LANGUAGES
from helpers.review import Choice, keep_choice, last_choice

_FOLDERS = {"zh": "", "en": "en"}  # of the copies in each language
_TAKEN = ".shipped.json"  # notebook → digest of what was shipped when it was copied or asked about


def copy_notebooks(folder: Path, take_newer: Callable[[str], bool]) -> list[Path]:
    """Copy the shipped notebooks into a folder, and return those that somebody's own make way for.

    Each is there in Chinese and, in en/, in English, with a link to the other. Where somebody
    changed a copy and a newer notebook is shipped, `take_newer` is asked with its name, once a
    version: the changed one is kept under the day's date.
    """
    taken, aside = _taken(folder), []
    for lang, place in _FOLDERS.items():
        (folder / place).mkdir(parents=True, exist_ok=True)
        for shipped in sorted(places.NOTEBOOKS.glob("*.ipynb")):
            name = (Path(place) / shipped.name).as_posix()
            fresh = _in_one_language(shipped, lang)
            new = _digest(fresh)
            aside += _brought_up_to_date(folder / name, fresh, new, taken.get(name), take_newer)
            taken[name] = new
    with clean.replacing(folder / _TAKEN) as path:
        path.write_text(json.dumps(taken, indent=1), encoding="utf-8")
    return aside


def _brought_up_to_date(
    copy: Path, fresh: str, new: str, before: str | None, take_newer: Callable[[str], bool]
) -> list[Path]:
    """Write a copy where it is not there or only an older one is; where to a changed one went."""
    aside = []
    mine = _digest(copy.read_bytes().decode("utf-8", "replace")) if copy.exists() else before
    is_changed = copy.exists() and mine not in (new, before)
    if is_changed and new != before and take_newer(copy.stem):
        aside = [_free(copy.with_stem(f"{copy.stem}-{dt.date.today()}"))]
        copy.rename(aside[0])
    if not copy.exists() or (not is_changed and mine != new):
        with clean.replacing(copy) as path:
            path.write_text(fresh, encoding="utf-8")
    return aside


def _in_one_language(shipped: Path, lang: str) -> str:
    """A notebook with the text cells of one language, which its outputs are in, too."""
    notebook = nbformat.read(shipped, as_version=4)
    other = next(one for one in _FOLDERS if one != lang)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source = cell.source.replace('lang: str = ""', f'lang: str = "{lang}"')
    notebook.cells = [
        cell for cell in notebook.cells if f"lang-{other}" not in cell.metadata.get("tags", ())
    ]
    link = posixpath.join(posixpath.relpath(_FOLDERS[other] or ".", _FOLDERS[lang]), shipped.name)
    if notebook.cells and notebook.cells[0].cell_type == "markdown":
        notebook.cells[0].source += f"\n\n[{LANGUAGES[other]}]({link})"
    return nbformat.writes(notebook)


def _taken(folder: Path) -> dict[str, str]:
    try:
        kept = json.loads((folder / _TAKEN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _digest(notebook: str) -> str:
    """Of what is written in a notebook, whatever was run in it; of any other text, all of it."""
    try:
        cells = nbformat.reads(notebook, as_version=4).cells
        written = json.dumps([(cell.cell_type, cell.source) for cell in cells])
    except (ValueError, AttributeError):
        written = notebook
    return hashlib.sha256(written.encode()).hexdigest()[:20]


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
