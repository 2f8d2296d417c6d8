"""How large a finished page is and how long it takes to open.

On a desk and on a phone; and that it comes out the same elsewhere. Not part of `make test`: the
times depend on the machine. A phone is Chromium at 390 pixels with a processor four times slower.
`FUPAN_PAGES` names finished pages (separated by colons) to measure instead of reviewing anew.
"""

import os
import shutil
import statistics
from pathlib import Path

import pytest

from tests.benchmarks.bench_review import measure
from tests.conftest import REAL

ROUNDS = 5
READY = """async () => {
  await document.fonts.ready;
  await Promise.all([...document.images].map(image => image.decode().catch(() => {})));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  const [entry] = performance.getEntriesByType("navigation");
  const painted = performance.getEntriesByName("first-contentful-paint")[0];
  return [painted ? painted.startTime : NaN, entry.domContentLoadedEventEnd, performance.now()];
}"""


def opening(browser, path: Path, *, width: int, slower: int) -> list[float]:
    """Milliseconds from the navigation's start until a page can be read.

    To the first words, to the end of the scripts, and until fonts and images stand.
    """
    context = browser.new_context(viewport={"width": width, "height": 844}, offline=True)
    one = context.new_page()
    context.new_cdp_session(one).send("Emulation.setCPUThrottlingRate", {"rate": slower})
    one.goto(path.as_uri())
    found = one.evaluate(READY)
    context.close()
    return found


def show(browser, name: str, path: Path) -> None:
    size = path.stat().st_size / 1e6
    for place, width, slower in (("desk", 1280, 1), ("phone", 390, 4)):
        rounds = [opening(browser, path, width=width, slower=slower) for _ in range(ROUNDS)]
        first, scripts, whole = (statistics.median(times) for times in zip(*rounds, strict=True))
        print(
            f"  {name:<24}{size:6.2f} MB  {place:<6} first words {first:6.0f} ms  scripts "
            f"{scripts:6.0f} ms  fonts and images {whole:6.0f} ms"
        )


def reviewed(data: Path, reports: Path, lang: str) -> Path:
    measure(
        f"{data.name} {lang}",
        "run",
        "--latest",
        "--data",
        data,
        "--reports",
        reports,
        "--lang",
        lang,
    )
    (page,) = reports.glob("*/review.html") if lang == "zh" else reports.glob("en/*/review.html")
    return page


def test_size_and_time_to_open_and_the_same_bytes_in_another_folder(browser, tmp_path, monkeypatch):
    if os.environ.get("FUPAN_PAGES"):
        print()
        for path in map(Path, os.environ["FUPAN_PAGES"].split(":")):
            show(browser, path.parent.name[-24:], path)
        return
    shop = tmp_path / "shop"
    measure("simulate", "demo", shop)
    twin = shutil.copytree(shop, tmp_path / "elsewhere" / "twin")
    chinese, english = (reviewed(shop, tmp_path / lang, lang) for lang in ("zh", "en"))
    print()
    show(browser, "demo, Chinese", chinese)
    show(browser, "demo, English", english)
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    assert reviewed(twin, tmp_path / "again", "zh").read_bytes() == chinese.read_bytes(), (
        "the same inputs give the same bytes, elsewhere and later"
    )


def test_a_page_of_real_exports(browser, tmp_path):
    if os.environ.get("FUPAN_PAGES") or not (REAL / "tiktok-live-id").is_dir():
        pytest.skip("pages are named, or the real exports are not on this machine")
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    for path in (REAL / "tiktok-live-id").glob("*.xlsx"):
        shutil.copy(path, tmp_path / "shop" / "raw")
    print()
    show(browser, "TikTok Shop, English", reviewed(tmp_path / "shop", tmp_path / "reports", "en"))
