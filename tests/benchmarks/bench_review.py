"""How long a review takes and how much memory it needs, as a user meets it.

One process a command, on a new workspace. Not part of `make test`: the numbers depend on the
machine. `make bench` prints them; only their order is asserted.
"""

import os
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

FUPAN = Path(sys.executable).with_name("fupan")


class Measured(NamedTuple):
    what: str
    seconds: float
    processor_seconds: float
    peak_megabytes: float


def measure(what: str, *arguments: object) -> Measured:
    """One `fupan` command and what it took.

    Wall time, processor time with its children, and its own peak memory (Linux and macOS).
    """
    began = time.monotonic()
    pid = os.posix_spawn(FUPAN, [str(FUPAN), *map(str, arguments)], os.environ)
    _, status, usage = os.wait4(pid, 0)
    seconds = time.monotonic() - began
    assert os.waitstatus_to_exitcode(status) in (0, 1), (
        f"fupan {arguments[0]} ended with status {status}"
    )
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Measured(what, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / unit)


def show(title: str, rows: list[Measured]) -> None:
    print(f"\n{title}")
    for row in rows:
        print(
            f"  {row.what:<28}{row.seconds:8.1f} s  {row.processor_seconds:8.1f} CPU-s  "
            f"{row.peak_megabytes:8.0f} MB"
        )


@pytest.mark.parametrize("sessions", [50, 200, 400])
def test_a_review_of_a_growing_account(sessions, tmp_path):
    data, reports = tmp_path / "shop", tmp_path / "reports"
    places = ("--data", data, "--reports", reports)
    simulated = measure("simulate", "demo", data, "--sessions", sessions)
    read = measure("read every raw file", "check", "--data", data)
    again = measure("nothing new to read", "check", "--data", data)
    first = measure("review the newest session", "run", "--latest", *places)
    unchanged = measure("nothing changed", "run", "--latest", *places)
    show(f"{sessions} sessions", [simulated, read, again, first, unchanged])
    assert list(reports.glob("*/review.html"))
    assert again.seconds < read.seconds
    assert unchanged.seconds < first.seconds
