"""Workspaces that several test files share; each is made once a run, in a folder of its own."""

from __future__ import annotations

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
