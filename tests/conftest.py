"""Workspaces that several test files share, each made once a run.

And how the tests are dealt out to two processes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import filelock
import pytest

from helpers.clean import reader_process

# a forked server of readers would keep what a test has patched
reader_process._is_alone = lambda: False

REAL = Path(__file__).parents[1].parent / "shared" / "data"
LONGEST = (
    "notebooks",
    "run/test_whole_review",
    "run/test_unlikely_workspaces",
    "run/test_chain",
    "clean/test_cases",
    "clean/test_styles",
    "clean/test_workspace",
    "clean/test_fuzz",
    "split/test_drill",
    "report/test_report",
    "demo/test_demo",
)


def pytest_collection_modifyitems(items):
    """The files that take longest come first, so that two processes end at about the same time."""
    place = {name: number for number, name in enumerate(LONGEST)}

    def called(path: Path) -> str:
        folder = path.parent.name
        return folder if path.suffix == ".ipynb" else f"{folder}/{path.stem}"

    items.sort(key=lambda item: place.get(called(item.path), len(LONGEST)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """The tests of a file stay in one process, and so do all notebooks.

    Each notebook reads what those before it wrote.
    """
    from xdist.scheduler import LoadFileScheduling

    class Files(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "notebooks" if nodeid.startswith("notebooks/") else super()._split_scope(nodeid)

    return Files(config, log)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """The folder of this run that its processes have in common."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def once(folder: Path, make: Callable[[Path], object]) -> Path:
    """`folder`, made by the process that comes first; the others wait for it."""
    done = folder.with_suffix(".done")
    with filelock.FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            make(folder)
            done.touch()
    return folder


@pytest.fixture(scope="session", autouse=True)
def keys_of_their_own(shared):
    """Hashing keys go to a temporary folder, never to the user's own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("FUPAN_KEYS", str(shared / "keys"))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def demo_workspace(shared):
    """A small demo workspace (60 sessions), read once: do not write into it, copy it."""
    from helpers import clean, demo

    def make(folder: Path) -> None:
        demo.write(demo.simulate(demo.SEED, sessions=60), folder)
        clean.ingest(clean.Workspace.open(folder))

    return once(shared / "demo-shop", make)


@pytest.fixture
def own_workspace(demo_workspace, tmp_path):
    """A copy of the demo workspace that a test may change."""
    return shutil.copytree(demo_workspace, tmp_path / "shop")


@pytest.fixture(scope="session")
def tiktok_workspace(shared):
    """A workspace with the two real TikTok Shop exports in its raw/, read once."""
    from helpers import clean

    source = REAL / "tiktok-live-id"
    if not source.is_dir():
        pytest.skip("the real exports (../shared/data/tiktok-live-id) are not on this machine")

    def make(folder: Path) -> None:
        (folder / "raw").mkdir(parents=True)
        for path in source.glob("*.xlsx"):
            shutil.copy(path, folder / "raw")
        clean.ingest(clean.Workspace.open(folder))

    return once(shared / "tiktok-shop", make)


# ---- a real browser
# ----------------------------------------------------------------------------------------------

SIZES = {"desk": (1280, 900), "tablet": (768, 1024), "phone": (390, 844)}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


def chromium_path() -> str | None:
    named = [
        os.environ.get("CHROMIUM", ""),
        *(shutil.which(name) or "" for name in ("chromium", "chromium-browser", "google-chrome")),
    ]
    return next((name for name in named if name), None)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium of this machine.

    Without one the tests fail, unless ALLOW_NO_BROWSER=1 lets them be skipped.
    """
    path = chromium_path()
    if path is None and os.environ.get("ALLOW_NO_BROWSER") == "1":
        pytest.skip("no Chromium on this machine, and ALLOW_NO_BROWSER=1")
    assert path, (
        "no Chromium found: install the package chromium, name it in CHROMIUM, or set "
        "ALLOW_NO_BROWSER=1 to skip"
    )
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield opened
        opened.close()


@pytest.fixture
def opened(browser):
    """Opens a file at a size and keeps what it asks for and what it complains of."""
    made = []

    def open_page(path: Path, size: str = "desk"):
        width, height = SIZES[size]
        context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
        made.append(context)
        one = context.new_page()
        one.requests, one.complaints = [], []
        one.on("request", lambda request: one.requests.append(request.url))
        one.on("console", lambda message: one.complaints.append(message.text))
        one.on("pageerror", lambda error: one.complaints.append(str(error)))
        one.goto(path.as_uri())
        until(
            one, "document.fonts.status === 'loaded' && [...document.images].every(i => i.complete)"
        )
        return one

    yield open_page
    for context in made:
        context.close()


def until(one, condition: str) -> None:
    """Wait for a condition of a page.

    It is asked from outside, as the page's policy lets no string become code inside it.
    """
    for _ in range(60):
        if one.evaluate(condition):
            return
        one.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def outside(one, path: Path) -> list[str]:
    return [url for url in one.requests if not url.startswith("data:") and url != path.as_uri()]
