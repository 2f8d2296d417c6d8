"""Says whether the working tree reviews as a commit does: same.py [COMMIT].

Both sides review the newest session of the demo, and of a workspace with the real TikTok Shop
exports where these are on this machine, each in Chinese and in English. Compared are, file by
file: the words of the pages in their order, summary.txt and run.json, every column, type and
value of the result tables, the findings and the plan, the cells of the workbooks, the pictures of
the charts. A changed page names the chapter, a changed table its column and row, counted from 1;
in a sheet rows and columns are those of Excel. Exit codes: 0 equal, 1 something differs or a side
could not review, 2 wrong usage.

Ignored, because it varies though nothing that is said has changed:
- the digest of the code (at the end of a page and in run.json), and the keys of the steps;
- how long steps took (run.json);
- markup, styles and scripts of a page, and the code of the notebooks that it can unfold; executed
  notebooks, as the page shows what they say;
- formats and widths of cells in the workbooks;
- numbers that agree to eleven digits: the engine adds up on several threads, in no fixed order.
Paths and hashing keys need no exception: both sides work in the same folder, one after the other,
with the same keys. Raw files keep their dates, as an export may be as old as its file.

The commit's reviews are kept under build/same/ and made again where the real exports or Python
changed; after a change of how this script makes reviews, delete that folder. The code of both
sides is only started, never imported: a commit may have other modules than the working tree.
"""

from __future__ import annotations

import concurrent.futures
import csv
import difflib
import hashlib
import itertools
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import bs4
import filelock
import openpyxl
import pandas as pd
import pyarrow.parquet
from openpyxl.utils import get_column_letter

ROOT = Path(__file__).resolve().parents[1]
REAL = ROOT.parent / "shared" / "data" / "tiktok-live-id"
HOME = ROOT / "build" / "same"
RUN = HOME / "run"  # where both sides work, one after the other
MOST = 40  # lines that are printed of one file
WIDTH = 160  # characters that are printed of one value or line
DIGEST = re.compile(r"\bcode [0-9a-f]{16}\b")
FLOAT = re.compile(r"-?\d+(\.\d+(e[-+]\d+)?|e[-+]\d+)")
CLOSE = 1e-11  # sums of the engine differ by some 1e-13 from run to run
INLINE = {"a", "abbr", "b", "code", "em", "i", "mark", "small", "span", "strong", "sub", "sup"}
CHECK = """
from jupyter_client.manager import run_kernel
with run_kernel(cwd="notebooks") as client:
    client.execute_interactive("import {0}; print({0}.__file__)", timeout=120)
"""


class Stopped(Exception):
    """A side could not be made ready or could not review: the message says which and why."""


class Review(NamedTuple):
    """One review that both sides make."""

    shop: str
    lang: str

    @property
    def name(self) -> str:
        return f"{self.shop}-{self.lang}"


class Side(NamedTuple):
    """A tree of code, the Python that runs it, and what it is called in messages."""

    tree: Path
    python: str
    title: str


# ---- making the reviews --------------------------------------------------------------------------


def resolved(commit: str) -> str | None:
    """The full id of a commit, or nothing where there is none of that name."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options"]
    asked = [*command, f"{commit}^{{commit}}"]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def asked_for() -> list[Review]:
    """The reviews to make on this machine."""
    shops = ["demo", "tiktok"] if REAL.is_dir() else ["demo"]
    return [Review(shop, lang) for shop in shops for lang in ("zh", "en")]


def of_commit(commit: str) -> Path:
    """The folder with the reviews of a commit; they are made where they are not there yet."""
    home = HOME / commit
    stamp, now = home / "stamp.json", made_from()
    if stamp.exists() and json.loads(stamp.read_text(encoding="utf-8")) == now:
        print(f"commit {commit[:7]}: reviewed before, in {home.relative_to(ROOT)}", flush=True)
        return home / "reviews"
    stamp.unlink(missing_ok=True)
    tree = home / "tree"
    if not tree.exists():
        check_out(commit, tree)
    make_reviews(Side(tree, python_of(tree), f"commit {commit[:7]}"), home / "reviews")
    stamp.write_text(json.dumps(now), encoding="utf-8")
    return home / "reviews"


def made_from() -> dict:
    """All beside a commit's own code that its reviews depend on."""
    exports = {path.name: path.read_bytes() for path in REAL.glob("*.xlsx")}
    digests = {name: hashlib.sha256(read).hexdigest() for name, read in exports.items()}
    return {"root": str(ROOT), "python": sys.version, "files": digests}


def check_out(commit: str, tree: Path) -> None:
    """Write the files of a commit into a new folder, which is there only when it is complete."""
    half = tree.with_name("tree.half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir(parents=True)
    archive = half.with_suffix(".tar")
    subprocess.run(["git", "archive", "--output", archive, commit], cwd=ROOT, check=True)
    with tarfile.open(archive) as opened:
        opened.extractall(half, filter="data")
    archive.unlink()
    half.rename(tree)


def python_of(tree: Path) -> str:
    """The Python for a commit: this one where the locked packages are the same, else its own."""
    lock = "requirements.lock"
    if (tree / lock).exists() and (tree / lock).read_bytes() == (ROOT / lock).read_bytes():
        return sys.executable
    print(f"{lock} differs: setting up the commit's own environment", flush=True)
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    if subprocess.run(["make", ".venv/.ready"], cwd=tree, env=ours).returncode:
        raise Stopped(f"{tree}: `make .venv/.ready` failed")
    return str(tree / ".venv" / "bin" / "python")


def make_reviews(side: Side, target: Path) -> None:
    """Make all reviews of one side, two at a time; of each its reports and plans are kept."""
    reviews = asked_for()
    print(f"{side.title}: reviewing {', '.join(one.name for one in reviews)} (minutes)", flush=True)
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    check_kernel(side)
    fill_demo(side, [one for one in reviews if one.shop == "demo"])
    for one in reviews:
        if one.shop == "tiktok":
            fill_real(RUN / one.name)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: review(side, one), reviews))
    shutil.rmtree(target, ignore_errors=True)
    for one in reviews:
        (target / one.name).mkdir(parents=True)
        (RUN / one.name / "plans").rename(target / one.name / "plans")
        (RUN / f"{one.name}-reports").rename(target / one.name / "reports")
    shutil.rmtree(RUN)


def fill_demo(side: Side, reviews: list[Review]) -> None:
    """Simulate the demo and read its files once; each further review gets a copy."""
    first, *others = [RUN / one.name for one in reviews]
    fupan(side, "demo", first)
    fupan(side, "sessions", "--data", first)
    for folder in others:
        shutil.copytree(first, folder)


def fill_real(folder: Path) -> None:
    """Make a workspace of the real exports, with the dates of their files."""
    (folder / "raw").mkdir(parents=True)
    for path in sorted(REAL.glob("*.xlsx")):
        shutil.copy2(path, folder / "raw")


def review(side: Side, one: Review) -> None:
    """Review the newest session of one workspace."""
    places = ["--data", RUN / one.name, "--reports", RUN / f"{one.name}-reports"]
    fupan(side, "run", "--latest", "--lang", one.lang, *places)


def entry(tree: Path) -> tuple[str, str]:
    """Module and function that the command `fupan` of a tree starts."""
    project = tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, function = project["scripts"]["fupan"].split(":")
    return module, function


def fupan(side: Side, *arguments: object) -> None:
    """Run the command `fupan` of one side."""
    module, function = entry(side.tree)
    code = f"import sys; from {module} import {function}; sys.exit({function}())"
    started(side, code, *map(str, arguments))


def check_kernel(side: Side) -> None:
    """Make sure that notebooks of this side import this side's package, not an installed one."""
    package = entry(side.tree)[0].split(".")[0]
    said = started(side, CHECK.format(package)).strip()
    if not said or not Path(said).resolve().is_relative_to(side.tree):
        raise Stopped(f"{side.title}: its notebooks import {said or 'nothing'}, not {side.tree}")


def started(side: Side, code: str, *arguments: str) -> str:
    """What a piece of Python prints that runs in the tree of one side."""
    mine = {
        "PYTHONPATH": str(side.tree),
        "FUPAN_KEYS": str(HOME / "keys"),
        "PYTHONUTF8": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [side.python, "-c", code, *arguments]
    done = subprocess.run(
        command,
        cwd=side.tree,
        env=os.environ | mine,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).strip()[-2000:]
        raise Stopped(f"{side.title}: exit code {done.returncode} of {' '.join(arguments)}\n{said}")
    return done.stdout


# ---- comparing them ------------------------------------------------------------------------------


Rows = list[tuple[str, ...]]


class Grid(NamedTuple):
    """A table as it is compared: names and types of its columns, and its rows as text."""

    columns: list[str]
    kinds: list[str]
    rows: Rows


class Line(NamedTuple):
    """A line of text and the chapter in which it stands."""

    chapter: str
    words: str


class Compared(NamedTuple):
    """How many files of each kind are equal, and by file what differs."""

    equal: Counter[str]
    differences: dict[str, list[str]]


def compared(base: Path, working: Path) -> Compared:
    """Compare two folders of reviews file by file."""
    sides = [
        {path.relative_to(top).as_posix(): path for path in files_of(top)}
        for top in (base, working)
    ]
    equal: Counter[str] = Counter()
    differences = {}
    for name in sorted(sides[0].keys() | sides[1].keys()):
        kind, difference = KINDS[Path(name).suffix]
        if name not in sides[1]:
            found = ["only the commit makes it"]
        elif name not in sides[0]:
            found = ["only the working tree makes it"]
        else:
            paths = [side[name] for side in sides]
            alike = paths[0].read_bytes() == paths[1].read_bytes()
            found = [] if alike else difference(*paths)
        if found:
            differences[name] = found
        else:
            equal[kind] += 1
    return Compared(equal, differences)


def files_of(top: Path) -> Iterator[Path]:
    """The files under a folder that are compared."""
    for path in top.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(top).parts)
        if path.is_file() and not hidden and path.suffix in KINDS:
            yield path


def of_pages(base: Path, working: Path) -> list[str]:
    """What differs in the words of two pages."""
    return of_lines(*(page_lines(path.read_text(encoding="utf-8")) for path in (base, working)))


def page_lines(content: str) -> list[Line]:
    """The words of a page in their order, a line for each paragraph and each row of a table."""
    soup = bs4.BeautifulSoup(content, "html.parser")
    for tag in soup.select("script, style, .fp-code"):
        tag.decompose()
    chapter, lines = "", []
    for tag, words in pieces(soup):
        words = DIGEST.sub("code …", " ".join(words.split()))
        chapter = words if tag in ("h1", "h2") else chapter
        if words.strip("| "):
            lines.append(Line(chapter, words))
    return lines


def pieces(tag: bs4.Tag) -> Iterator[tuple[str, str]]:
    """The text of each block under a tag, with the name of the block."""
    held = ""
    for child in tag.children:
        if isinstance(child, bs4.Tag) and child.name not in INLINE:
            if child.name == "tr":
                cells = [cell.get_text() for cell in child.find_all(["td", "th"])]
                inner = [("tr", " | ".join(cells))]
            else:
                labels = [str(child.get(name, "")) for name in ("alt", "aria-label")]
                inner = [(child.name, " ".join(labels)), *pieces(child)]
            yield tag.name, held
            held = ""
            yield from inner
        elif isinstance(child, bs4.Tag):
            held += child.get_text()
        elif type(child) is bs4.NavigableString:
            held += child
    yield tag.name, held


def of_texts(base: Path, working: Path) -> list[str]:
    """What differs in two plain texts."""
    read = [path.read_text(encoding="utf-8").splitlines() for path in (base, working)]
    return of_lines(*([Line("", words) for words in lines] for lines in read))


def of_records(base: Path, working: Path) -> list[str]:
    """What differs in two run.json, but for seconds and digests of the code."""
    sides = []
    for path in (base, working):
        record = json.loads(path.read_text(encoding="utf-8"))
        record = {name: value for name, value in record.items() if name not in ("seconds", "steps")}
        record["versions"] = {**record.get("versions", {}), "code": "…"}
        lines = json.dumps(record, ensure_ascii=False, indent=1, sort_keys=True).splitlines()
        sides.append([Line("", words) for words in lines])
    return of_lines(*sides)


def of_lines(base: list[Line], working: list[Line]) -> list[str]:
    """The lines that differ, under the chapter of each: - of the commit, + of the working tree."""
    words = [[line.words for line in lines] for lines in (base, working)]
    found, last = [], ""
    for what, i, j, m, n in difflib.SequenceMatcher(None, *words, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        chapter = (base[i:j] or working[m:n])[0].chapter
        if chapter != last:
            found.append(f"chapter {cut(chapter)}")
            last = chapter
        for old, new in itertools.zip_longest(words[0][i:j], words[1][m:n]):
            old, new = around(old, new) if old is not None and new is not None else (old, new)
            found += [f"- {cut(old)}"] if old is not None else []
            found += [f"+ {cut(new)}"] if new is not None else []
    return found


def of_tables(base: Path, working: Path) -> list[str]:
    """What differs in two result tables or lists of findings."""
    old, new = parquet_grid(base), parquet_grid(working)
    found = of_grids(old, new)
    if found and base.parent.name == "findings" and "id" in old.columns and "id" in new.columns:
        rest = of_grids(without(old, "id"), without(new, "id"))
        return found if rest else [f"only the ids differ: {line}" for line in found]
    return found


def parquet_grid(path: Path) -> Grid:
    """A Parquet file: types as pandas and the file name them, values as Python writes them."""
    frame, stored = pd.read_parquet(path), pyarrow.parquet.read_table(path)
    names = stored.column_names
    read = [frame[name].dtype if name in frame else "index" for name in names]
    kinds = [f"{one} ({kind})" for one, kind in zip(read, stored.schema.types, strict=True)]
    columns = [[repr(value) for value in column.to_pylist()] for column in stored.columns]
    return Grid(names, kinds, list(zip(*columns, strict=True)))


def without(grid: Grid, name: str) -> Grid:
    """A table without one of its columns."""
    kept = [place for place, column in enumerate(grid.columns) if column != name]
    return Grid(*([row[place] for place in kept] for row in grid[:2]), chosen(grid, kept))


def chosen(grid: Grid, places: list[int]) -> Rows:
    """The rows of a table with the columns at these places alone."""
    return [tuple(row[place] for place in places) for row in grid.rows]


def of_plans(base: Path, working: Path) -> list[str]:
    """What differs in two CSV files."""
    return of_grids(csv_grid(base), csv_grid(working))


def csv_grid(path: Path) -> Grid:
    """A CSV file with its header; a name that comes again is numbered."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = [*csv.reader(file)] or [[]]
    width = max(map(len, [header, *rows]))
    header += [""] * (width - len(header))
    before = [header[:place].count(name) for place, name in enumerate(header)]
    names = [f"{name} ({n + 1})" if n else name for name, n in zip(header, before, strict=True)]
    return Grid(names, [""] * width, [(*row, *[""] * (width - len(row))) for row in rows])


def of_workbooks(base: Path, working: Path) -> list[str]:
    """What differs in the sheets of two workbooks."""
    old, new = sheets(base), sheets(working)
    found = of_names("sheet", [*old], [*new])
    for name in [name for name in old if name in new]:
        found += [f"sheet {name}: {line}" for line in of_grids(old[name], new[name])]
    return found


def sheets(path: Path) -> dict[str, Grid]:
    """The cells of each sheet of a workbook, as wide as its widest row."""
    book = openpyxl.load_workbook(path)
    made = {}
    for sheet in book.worksheets:
        width = sheet.max_column
        rows = [tuple(map(cell_text, row)) for row in sheet.values]
        names = [get_column_letter(place + 1) for place in range(width)]
        made[sheet.title] = Grid(names, [""] * width, rows)
    book.close()
    return made


def cell_text(value: object) -> str:
    """A cell of a sheet as text; Excel knows no whole numbers apart from others."""
    if value is None:
        return ""
    return repr(float(value) if type(value) is int else value)


def of_grids(base: Grid, working: Grid) -> list[str]:
    """What differs in two tables: columns, their order and types, and cells or rows."""
    found = of_names("column", base.columns, working.columns)
    both = [name for name in base.columns if name in working.columns]
    places = [[grid.columns.index(name) for name in both] for grid in (base, working)]
    for name, i, j in zip(both, *places, strict=True):
        if base.kinds[i] != working.kinds[j]:
            found.append(f"column {name}: type {base.kinds[i]} → {working.kinds[j]}")
    return found + of_rows(both, chosen(base, places[0]), chosen(working, places[1]))


def of_names(what: str, base: list[str], working: list[str]) -> list[str]:
    """Names that only one side has, or that stand in another order."""
    found = [f"{what} {name}: only the commit has it" for name in base if name not in working]
    new = [name for name in working if name not in base]
    found += [f"{what} {name}: only the working tree has it" for name in new]
    old_order = [name for name in base if name in working]
    new_order = [name for name in working if name in base]
    if old_order != new_order:
        found.append(f"{what}s in another order: {', '.join(old_order)} → {', '.join(new_order)}")
    return found


def of_rows(names: list[str], base: Rows, working: Rows) -> list[str]:
    """Cells that differ; where rows were added, left out or moved, the rows."""
    if len(base) == len(working):
        cells = [
            f"row {number}, column {name}: {' → '.join(map(cut, around(old, new)))}"
            for number, rows in enumerate(zip(base, working, strict=True), 1)
            for name, old, new in zip(names, *rows, strict=True)
            if not alike(old, new)
        ]
        moved = cells and sorted(base) == sorted(working)
        return [f"the same {len(base)} rows in another order"] if moved else cells
    lines = [[Line("", " | ".join(row)) for row in rows] for rows in (base, working)]
    return [f"{len(base)} rows → {len(working)} rows", *of_lines(*lines)]


def alike(old: str, new: str) -> bool:
    """Whether two values are the same, or numbers that differ in their last digits alone."""
    if old == new or not (FLOAT.fullmatch(old) and FLOAT.fullmatch(new)):
        return old == new
    return math.isclose(float(old), float(new), rel_tol=CLOSE)


def of_pictures(base: Path, working: Path) -> list[str]:
    """What differs in two pictures of other bytes."""
    return [f"the picture differs ({base.stat().st_size} → {working.stat().st_size} bytes)"]


KINDS: dict[str, tuple[str, Callable[[Path, Path], list[str]]]] = {
    ".html": ("pages", of_pages),
    ".txt": ("summaries", of_texts),
    ".json": ("records", of_records),
    ".parquet": ("tables", of_tables),
    ".csv": ("plans", of_plans),
    ".xlsx": ("workbooks", of_workbooks),
    ".png": ("charts", of_pictures),
}


def around(old: str, new: str) -> tuple[str, str]:
    """Two texts from a little before the place where they begin to differ."""
    if max(len(old), len(new)) <= WIDTH:
        return old, new
    pairs = enumerate(zip(old, new, strict=False))
    begins = next((place for place, (one, other) in pairs if one != other), min(len(old), len(new)))
    start = max(0, begins - 40)
    mark = "…" if start else ""
    return mark + old[start:], mark + new[start:]


def cut(words: str) -> str:
    """A text in one line, not longer than is printed."""
    line = words.replace("\n", "⏎")
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


# ---- the command ---------------------------------------------------------------------------------


def told(result: Compared) -> int:
    """Print what is equal in one line and what differs by file; returns the exit code."""
    counts = [f"{count} {kind}" for kind, count in sorted(result.equal.items())]
    print(f"equal: {', '.join(counts) or 'nothing'}")
    for name, lines in result.differences.items():
        print(f"\n{name}")
        print("\n".join(f"  {line}" for line in lines[:MOST]))
        if len(lines) > MOST:
            print(f"  … {len(lines) - MOST} more lines")
    if result.differences:
        print(f"\n{len(result.differences)} files differ")
    return 1 if result.differences or not result.equal else 0


def main(arguments: list[str]) -> int:
    """Compare with the commit named, or with the last one; returns the exit code."""
    if len(arguments) > 1:
        print("same: give one commit, or none for the last one", file=sys.stderr)
        return 2
    named = arguments[0] if arguments else "HEAD"
    commit = resolved(named)
    if commit is None:
        print(f"same: {named}: no such commit in this repository", file=sys.stderr)
        return 2
    if not REAL.is_dir():
        print("../shared/data/tiktok-live-id is not here: only the demo is compared")
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(HOME / ".lock"):
            base, working = of_commit(commit), HOME / "working" / "reviews"
            make_reviews(Side(ROOT, sys.executable, "working tree"), working)
            return told(compared(base, working))
    except Stopped as trouble:
        print(f"same: {trouble}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
