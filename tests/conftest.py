"""Workspaces that several test files share; each is made once a run, in a folder of its own."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

REAL = Path(__file__).parents[1].parent / "shared" / "data"


@pytest.fixture(scope="session", autouse=True)
def keys_of_their_own(tmp_path_factory):
    """Hashing keys go to a temporary folder, never to the user's own."""
    patch = pytest.MonkeyPatch()
    patch.setenv("FUPAN_KEYS", str(tmp_path_factory.mktemp("keys")))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def demo_workspace(tmp_path_factory):
    """A small demo workspace (60 sessions), read once: do not write into it, copy it."""
    from helpers import demo, store

    folder = tmp_path_factory.mktemp("demo") / "shop"
    demo.write(demo.simulate(demo.SEED, sessions=60), folder)
    store.ingest(store.Workspace.open(folder))
    return folder


@pytest.fixture
def own_workspace(demo_workspace, tmp_path):
    """A copy of the demo workspace that a test may change."""
    return shutil.copytree(demo_workspace, tmp_path / "shop")


@pytest.fixture(scope="session")
def tiktok_workspace(tmp_path_factory):
    """A workspace with the two real TikTok Shop exports in its raw/, read once."""
    from helpers import store

    source = REAL / "tiktok-live-id"
    if not source.is_dir():
        pytest.skip("the real exports (../shared/data/tiktok-live-id) are not on this machine")
    folder = tmp_path_factory.mktemp("tiktok") / "shop"
    (folder / "raw").mkdir(parents=True)
    for path in source.glob("*.xlsx"):
        shutil.copy(path, folder / "raw")
    store.ingest(store.Workspace.open(folder))
    return folder


# ---- a real browser ----------------------------------------------------------------------------------------------

SIZES = {"desk": (1280, 900), "tablet": (768, 1024), "phone": (390, 844)}
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


def chromium_path() -> str | None:
    named = [os.environ.get("CHROMIUM", ""), *(shutil.which(name) or "" for name in ("chromium", "chromium-browser", "google-chrome"))]
    return next((name for name in named if name), None)


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium of this machine. Without one the tests fail, unless ALLOW_NO_BROWSER=1 lets them be skipped."""
    path = chromium_path()
    if path is None and os.environ.get("ALLOW_NO_BROWSER") == "1":
        pytest.skip("no Chromium on this machine, and ALLOW_NO_BROWSER=1")
    assert path, "no Chromium found: install the package chromium, name it in CHROMIUM, or set ALLOW_NO_BROWSER=1 to skip"
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
        until(one, "document.fonts.status === 'loaded' && [...document.images].every(i => i.complete)")
        return one

    yield open_page
    for context in made:
        context.close()


def until(one, condition: str) -> None:
    """Wait for a condition; asked from outside, as the page's policy lets no string become code inside it."""
    for _ in range(60):
        if one.evaluate(condition):
            return
        one.wait_for_timeout(50)
    raise AssertionError(f"never came true: {condition}")


def outside(one, path: Path) -> list[str]:
    return [url for url in one.requests if not url.startswith("data:") and url != path.as_uri()]
