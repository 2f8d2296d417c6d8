"""JupyterLab itself in Chromium, as `make lab` starts it.

A session and a language chosen on the start page, notebooks run from it. Prints how long each took
and where the pictures are.
"""

import os
import shutil
import socket
import subprocess
import time
import urllib.request

import pytest

from helpers import clean
from helpers.core import places

pytestmark = pytest.mark.browser
CURRENT = "window.jupyterapp.shell.currentWidget"
CELLS = f"{CURRENT}.content.widgets"
STATE = f"""(() => {{
  const code = {CELLS}.filter(c => c.model.type === 'code');
  const all = outputs => [...Array(outputs.length).keys()].map(i => outputs.get(i));
  const errors = code.flatMap(c => all(c.model.outputs)).filter(o => o.type === 'error').length;
  const idle = {CURRENT}.sessionContext.session?.kernel?.status === 'idle';
  return {{ran: code.every(c => c.model.executionCount), idle, errors}};
}})()"""
OUTPUTS = (
    f"{CELLS}.flatMap(c => c.model.outputs ? c.model.outputs.toJSON() : []).map(o => "
    "JSON.stringify(o)).join('')"
)


@pytest.fixture
def project(demo_workspace, tmp_path):
    """A copy of the project in which everything that a reader changes stays.

    Notebooks, choices, reports; its demo is the small one.
    """
    for name in ("helpers", "notebooks", "data/reference"):
        shutil.copytree(places.PROJECT / name, tmp_path / name)
    shutil.copytree(demo_workspace, tmp_path / "data" / "demo")
    for name in ("Makefile", ".venv"):
        (tmp_path / name).symlink_to(places.PROJECT / name)
    return tmp_path


@pytest.fixture
def lab(project):
    """`make lab` in that copy, reachable by this test alone; its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {
        name: str(project / name.lower())
        for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    options = (
        f"--no-browser --port={port} --ServerApp.ip=127.0.0.1 --IdentityProvider.token= "
        "--allow-root --LabApp.expose_app_in_browser=True"
    )
    server = subprocess.Popen(
        ["make", "--old-file=.venv/.ready", "lab", f"LAB={options}"],
        cwd=project,
        start_new_session=True,
        env=os.environ | own | {"PYTHONPATH": str(project)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
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
def page(lab, browser, project):
    """The start page, open; everything that the browser asks for is kept."""
    opened = browser.new_page(viewport={"width": 1400, "height": 1000})
    opened.asked = []
    opened.on("request", lambda request: opened.asked.append(request.url))
    started = time.monotonic()
    opened.goto(lab)
    wait_until_open(opened, "00_start")
    print(
        f"\nJupyterLab on its start page: {time.monotonic() - started:.1f} s; pictures: {project}"
    )
    yield opened
    opened.close()


def wait_for(page, condition: str, seconds: int = 300) -> None:
    page.wait_for_function(condition, timeout=1000 * seconds)


def do(page, command: str, **options) -> None:
    page.evaluate(
        "([name, options]) => window.jupyterapp.commands.execute(name, options).then(() => null)",
        [command, options],
    )


def wait_until_open(page, name: str) -> None:
    wait_for(
        page,
        (
            f"window.jupyterapp && {CURRENT}?.context?.path === '{name}.ipynb' && "
            f"{CURRENT}.context.isReady && {CURRENT}.sessionContext.session?.kernel?.status === "
            "'idle'"
        ),
    )


def run_all(page, name: str) -> str:
    """Run the notebook that is open and return its outputs.

    It must come through without an error.
    """
    started = time.monotonic()
    do(page, "notebook:run-all-cells")
    wait_for(page, f"(() => {{ const s = {STATE}; return (s.ran && s.idle) || s.errors; }})()")
    print(f"{name} run: {time.monotonic() - started:.1f} s")
    outputs = page.evaluate(OUTPUTS)
    assert page.evaluate(STATE)["errors"] == 0, outputs
    return outputs


def show(page, cell: int) -> None:
    """Make a cell the active one and bring it into view."""
    page.evaluate(
        f"{CURRENT}.content.activeCellIndex = {cell}; {CURRENT}.content.scrollToItem({cell}, "
        "'start').then(() => null)"
    )


def open_from_start(page, name: str, home: str = "") -> str:
    """Follow the link of a start page to a notebook and run it; its outputs."""
    do(page, "docmanager:open", path=f"{home}00_start.ipynb")
    show(page, 0)
    page.locator(".jp-RenderedMarkdown:visible a", has_text=name).first.click()
    wait_until_open(page, home + name)
    return run_all(page, name)


def test_a_session_and_a_language_chosen_on_the_start_page_are_what_its_notebooks_show(
    page, lab, project
):
    page.wait_for_timeout(3000)
    asked = page.locator(".jp-Dialog, .Toastify__toast").all_inner_texts()
    assert not asked, asked
    run_all(page, "00_start")
    sessions = clean.sessions(clean.Workspace.open(project / "data" / "demo"))[
        "session_id"
    ].tolist()
    show(page, 0)
    page.screenshot(path=project / "start.png")

    page.locator(".widget-select select").select_option(
        index=5
    )  # the first is the newest, whichever it is
    page.locator(".widget-html", has_text=sessions[-5]).first.wait_for()
    page.screenshot(path=project / "chosen.png")
    outputs = open_from_start(page, "02_funnel")
    assert (
        sessions[-5] in outputs and "复盘的是起始页选定的一场" in outputs and "fp-figure" in outputs
    )
    page.screenshot(path=project / "notebook.png")

    do(page, "docmanager:open", path="00_start.ipynb")
    show(page, 0)
    page.locator(".jp-RenderedMarkdown:visible a", has_text="English").first.click()
    wait_until_open(page, "en/00_start")
    run_all(page, "en/00_start")
    outputs = open_from_start(page, "01_clean", home="en/")
    assert (
        sessions[-5] in outputs
        and "Under review is the session chosen on the start page" in outputs
        and "本场对账" not in outputs
    )
    page.screenshot(path=project / "english.png")
    outside = [
        url
        for url in page.asked
        if not url.startswith((lab, lab.replace("http", "ws"), "data:", "blob:"))
    ]
    assert not outside, outside


def test_contents_tags_and_shift_tab_tell_what_a_reader_needs(page, project):
    do(page, "toc:show-panel")
    page.locator(".jp-tocItem-content", has_text="复盘哪一场").first.wait_for()
    headings = page.locator(".jp-tocItem-content").all_inner_texts()
    print("contents:", " | ".join(headings))
    assert not any("Which session" in heading for heading in headings), "one language at a time"

    do(page, "property-inspector:show-panel")
    page.get_by_text("Common Tools").click()
    tags = page.evaluate(f"{CELLS}.map(c => c.model.getMetadata('tags') ?? [])")
    assert {"parameters", "lang-zh", "nbval-check-output"} <= {tag for one in tags for tag in one}
    for place, one in enumerate(tags):
        show(page, place)
        for tag in one:
            page.locator(".jp-CellTags-Applied", has_text=tag).first.wait_for()
    page.screenshot(path=project / "sides.png")

    run_all(page, "00_start")
    last = next(
        place
        for place, cell in enumerate(
            page.evaluate(f"{CELLS}.map(c => c.model.sharedModel.getSource())")
        )
        if cell.startswith("start.picker(")
    )
    show(page, last)
    page.evaluate(
        f"{CURRENT}.content.mode = 'edit'; {CURRENT}.content.activeCell.editor.focus(); "
        f"{CURRENT}.content.activeCell.editor.setCursorPosition({{line: 0, column: 9}})"
    )
    page.keyboard.press("Shift+Tab")
    page.locator(".jp-Tooltip", has_text="The widgets of the start page").wait_for()
    page.screenshot(path=project / "tooltip.png")
