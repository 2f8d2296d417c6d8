"""JupyterLab itself in Chromium: the start page, and a notebook run from it with another session. Prints how long each took."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from helpers import run, store

pytestmark = pytest.mark.browser
CURRENT = "window.jupyterapp.shell.currentWidget"
RUN_ALL = "window.jupyterapp.commands.execute('notebook:run-all-cells')"
CELLS = f"{CURRENT}.content.widgets"
STATE = f"""(() => {{
  const code = {CELLS}.filter(c => c.model.type === 'code');
  const outputs = code.flatMap(c => [...Array(c.model.outputs.length).keys()].map(i => c.model.outputs.get(i)));
  return {{ran: code.every(c => c.model.executionCount), idle: {CURRENT}.sessionContext.session?.kernel?.status === 'idle', errors: outputs.filter(o => o.type === 'error').length}};
}})()"""


@pytest.fixture
def lab(tmp_path):
    """A JupyterLab of its own over a copy of the notebooks, reachable by this test alone; its address."""
    shutil.copytree(run.NOTEBOOKS, tmp_path / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", "--no-browser", f"--port={port}", "--ServerApp.ip=127.0.0.1", "--IdentityProvider.token=", "--allow-root",
         f"--notebook-dir={tmp_path / 'notebooks'}", "--LabApp.default_url=/lab/tree/00_start.ipynb", "--LabApp.expose_app_in_browser=True"],
        env=os.environ | own | {"PYTHONPATH": str(store.PROJECT)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            try:
                urllib.request.urlopen(f"{address}/api", timeout=1)
                break
            except OSError:
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait(30)


def wait_for(page, condition: str, seconds: int = 300) -> None:
    page.wait_for_function(condition, timeout=1000 * seconds)


def ran_without_error(page) -> bool:
    wait_for(page, f"(() => {{ const s = {STATE}; return (s.ran && s.idle) || s.errors; }})()")
    return page.evaluate(STATE)["errors"] == 0


def test_the_start_page_opens_and_a_notebook_runs_with_another_session(lab, browser, tmp_path):
    page = browser.new_page(viewport={"width": 1400, "height": 1000})
    started = time.monotonic()
    page.goto(lab)
    wait_for(page, f"window.jupyterapp && {CURRENT}?.context?.path === '00_start.ipynb' && {CURRENT}.sessionContext.session?.kernel?.status === 'idle'")
    print(f"\nJupyterLab on its start page: {time.monotonic() - started:.1f} s")
    page.evaluate(RUN_ALL)
    assert ran_without_error(page)
    sessions = store.sessions(store.Workspace.open(store.PROJECT / "data" / "demo"))["session_id"].tolist()
    assert page.locator("table", has_text=sessions[-1]).count() and page.locator("a", has_text="02_funnel").count()
    page.screenshot(path=tmp_path / "start.png")

    page.locator(".jp-RenderedMarkdown a", has_text="02_funnel").first.click()
    wait_for(page, f"{CURRENT}?.context?.path === '02_funnel.ipynb' && {CURRENT}.context.isReady && {CURRENT}.sessionContext.session?.kernel?.status === 'idle'")
    page.evaluate(f"""(session) => {{
      const cell = {CELLS}.find(c => (c.model.getMetadata('tags') ?? []).includes('parameters'));
      cell.model.sharedModel.setSource(cell.model.sharedModel.getSource().replace('session_id: str = "latest"', `session_id: str = "${{session}}"`));
    }}""", sessions[-5])
    started = time.monotonic()
    page.evaluate(RUN_ALL)
    assert ran_without_error(page)
    print(f"02_funnel run for {sessions[-5]}: {time.monotonic() - started:.1f} s")
    outputs = page.evaluate(f"{CELLS}.flatMap(c => c.model.outputs ? c.model.outputs.toJSON() : []).map(o => JSON.stringify(o)).join('')")
    assert sessions[-5] in outputs and "fp-figure" in outputs
    page.screenshot(path=tmp_path / "notebook.png")
    print(f"pictures: {tmp_path}")
    page.close()
