"""A browser of this machine prints a report to a PDF."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from helpers import clean
from helpers.core import text
from helpers.run.steps import CELL_TIMEOUT

BROWSERS = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "microsoft-edge",
    "microsoft-edge-stable",
    "msedge",
    "chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
)


def browser() -> str | None:
    """The Chromium that is named in CHROMIUM, else the first that is installed."""
    paths = map(shutil.which, filter(None, (os.environ.get("CHROMIUM"), *BROWSERS)))
    return next(filter(None, paths), None)


def print_pdf(report_page: Path, chromium: str) -> Path:
    """Print a page to a PDF beside it; raises `RuntimeError` where the browser makes none."""
    target = report_page.with_suffix(".pdf")
    with clean.replacing(target) as path, tempfile.TemporaryDirectory(prefix="fupan-") as profile:
        options = [
            "--headless",
            "--disable-gpu",
            "--disable-background-networking",
            "--no-first-run",
            "--no-pdf-header-footer",
            f"--user-data-dir={profile}",
        ]
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            options.append("--no-sandbox")  # root has none to offer
        printed = path.with_name(f"{path.name}.pdf")  # Chromium insists on the ending
        done = subprocess.run(
            [chromium, *options, f"--print-to-pdf={printed}", report_page.as_uri()],
            capture_output=True,
            text=True,
            timeout=CELL_TIMEOUT,
        )
        if not printed.exists():
            raise RuntimeError(f"{chromium} printed nothing: {text.plain(done.stderr, 300)}")
        printed.replace(path)
    return target
