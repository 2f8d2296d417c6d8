"""JupyterLab itself in Chromium, as `make lab` starts it: a session and a language chosen on the start page, notebooks run from it.

Prints how long each took and where the pictures are.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

from helpers import run, store

pytestmark = pytest.mark.browser
CURRENT = "window.jupyterapp.shell.currentWidget"
DO = "window.jupyterapp.commands.execute"
CELLS = f"{CURRENT}.content.widgets"
STATE = f"""(() => {{
  const code = {CELLS}.filter(c => c.model.type === 'code');
  const outputs = code.flatMap(c => [...Array(c.model.outputs.length).keys()].map(i => c.model.outputs.get(i)));
  return {{ran: code.every(c => c.model.executionCount), idle: {CURRENT}.sessionContext.session?.kernel?.status === 'idle', errors: outputs.filter(o => o.type === 'error').length}};
}})()"""
OUTPUTS = f"{CELLS}.flatMap(c => c.model.outputs ? c.model.outputs.toJSON() : []).map(o => JSON.stringify(o)).join('')"


@pytest.fixture
def choice_as_it_was():
    path = store.BY_HAND / "chosen.json"
    before = path.read_bytes() if path.exists() else None
    yield
    path.unlink(missing_ok=True) if before is None else path.write_bytes(before)


@pytest.fixture
def lab(tmp_path, choice_as_it_was):
    """`make lab` over a copy of the notebooks, reachable by this test alone; its address."""
    for name in ("Makefile", ".venv"):
        (tmp_path / name).symlink_to(store.PROJECT / name)
    shutil.copytree(run.NOTEBOOKS, tmp_path / "notebooks")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: str(tmp_path / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")}
    options = f"--no-browser --port={port} --ServerApp.ip=127.0.0.1 --IdentityProvider.token= --allow-root --LabApp.expose_app_in_browser=True"
    server = subprocess.Popen(
        ["make", "--old-file=.venv/.ready", "lab", f"LAB={options}"], cwd=tmp_path, start_new_session=True,
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
        os.killpg(server.pid, 15)
        server.wait(30)


@pytest.fixture
def page(lab, browser, tmp_path):
    """The start page, open; everything that the browser asks for is kept."""
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.asked = []
    opened.on("request", lambda request: opened.asked.append(request.url))
    started = time.monotonic()
    opened.goto(lab)
    wait_until_open(opened, "00_start")
    print(f"\nJupyterLab on its start page: {time.monotonic() - started:.1f} s; pictures: {tmp_path}")
    yield opened
    opened.close()


def wait_for(page, condition: str, seconds: int = 300) -> None:
    page.wait_for_function(condition, timeout=1000 * seconds)


def wait_until_open(page, name: str) -> None:
    wait_for(page, f"window.jupyterapp && {CURRENT}?.context?.path === '{name}.ipynb' && {CURRENT}.context.isReady && {CURRENT}.sessionContext.session?.kernel?.status === 'idle'")


def run_all(page, name: str) -> str:
    """Run the notebook that is open and return its outputs; it must come through without an error."""
    started = time.monotonic()
    page.evaluate(f"{DO}('notebook:run-all-cells')")
    wait_for(page, f"(() => {{ const s = {STATE}; return (s.ran && s.idle) || s.errors; }})()")
    print(f"{name} run: {time.monotonic() - started:.1f} s")
    outputs = page.evaluate(OUTPUTS)
    assert page.evaluate(STATE)["errors"] == 0, outputs
    return outputs


def open_from_start(page, name: str) -> str:
    """Follow the link of the start page to a notebook and run it; its outputs."""
    page.evaluate(f"{DO}('docmanager:open', {{path: '00_start.ipynb'}})")
    page.evaluate(f"{CURRENT}.content.scrollToItem(0)")
    page.locator(".jp-RenderedMarkdown:visible a", has_text=name).first.click()
    wait_until_open(page, name)
    return run_all(page, name)


def test_a_session_and_a_language_chosen_on_the_start_page_are_what_its_notebooks_show(page, lab, tmp_path):
    page.wait_for_timeout(3000)
    page.screenshot(path=tmp_path / "asked.png")
    asks = page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()
    assert not asks, asks
    run_all(page, "00_start")
    page.screenshot(path=tmp_path / "start.png")
    sessions = store.sessions(store.Workspace.open(store.DEMO))["session_id"].tolist()
    assert page.locator("table", has_text=sessions[-1]).count() and page.locator("a", has_text="02_funnel").count()

    page.locator(".widget-select select").select_option(index=5)  # the first is the newest, whichever it is
    page.locator(".widget-html", has_text=sessions[-5]).first.wait_for()
    page.screenshot(path=tmp_path / "chosen.png")
    outputs = open_from_start(page, "02_funnel")
    assert sessions[-5] in outputs and "复盘的是起始页选定的一场" in outputs and "fp-figure" in outputs
    page.screenshot(path=tmp_path / "notebook.png")

    page.evaluate(f"{DO}('docmanager:open', {{path: '00_start.ipynb'}})")
    page.locator(".widget-toggle-button", has_text="English").click()
    page.locator(".widget-html", has_text="Under review").first.wait_for()
    outputs = open_from_start(page, "01_clean")
    assert sessions[-5] in outputs and "Under review is the session chosen on the start page" in outputs and "本场对账" not in outputs
    page.screenshot(path=tmp_path / "english.png")
    outside = [url for url in page.asked if not url.startswith((lab, lab.replace("http", "ws"), "data:", "blob:"))]
    assert not outside, outside


def test_contents_and_tags_of_a_notebook_stand_in_the_side_bars(page, tmp_path):
    page.evaluate(f"{DO}('toc:show-panel')")
    page.locator(".jp-tocItem-content", has_text="复盘哪一场").first.wait_for()
    headings = page.locator(".jp-tocItem-content").all_inner_texts()
    print("contents:", " | ".join(headings))
    assert any("Which session to review" in heading for heading in headings)
    page.evaluate("window.jupyterapp.shell.activateById('jp-property-inspector')")
    shown = {}
    for place, cell in enumerate(page.evaluate(f"{CELLS}.map(c => c.model.getMetadata('tags') ?? [])")):
        page.evaluate(f"{CURRENT}.content.activeCellIndex = {place}")
        if cell:
            page.locator(".jp-CellTags-Applied", has_text=cell[0]).first.wait_for()
            shown[place] = cell
    assert {"parameters", "lang-zh", "lang-en", "nbval-check-output"} <= {tag for tags in shown.values() for tag in tags}
    page.screenshot(path=tmp_path / "sides.png")
