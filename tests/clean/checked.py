"""What a user has of a workspace that was read: `fupan check --json` and the clean tables.

Nothing of the reader's inside is used, so that the tests that stand on this say what is right
whatever the reader looks like.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from click.testing import CliRunner

from helpers import clean
from helpers.run.cli import main


class Checked(NamedTuple):
    """A workspace after `fupan check --json`: its records, one a sheet and table, and exit code."""

    workspace: Path
    records: list[dict]
    exit_code: int

    def table(self, name: str, file: str | None = None) -> pd.DataFrame:
        """A clean table of the workspace, of one raw file where it is named."""
        frame = clean.read_table(clean.Workspace.open(self.workspace), name)
        if file is None or frame.empty:
            return frame
        return frame[frame["source_file"] == file].reset_index(drop=True)

    def of(self, file: str) -> list[dict]:
        """The records of one raw file, members of a zip among them."""
        return [record for record in self.records if record["file"] == file]

    def said(self, file: str) -> str:
        """All that is said of one raw file: its problems, with the sheets that they are of."""
        return "\n".join(
            f"{record['sheet'] or ''}: {record['problem']}"
            for record in self.of(file)
            if record["problem"]
        )

    def names(self, file: str, *words: str) -> bool:
        """Whether `check` ends with 1 and what it says of the file holds each of the words."""
        said = self.said(file).casefold()
        return self.exit_code == 1 and bool(said) and all(w.casefold() in said for w in words)


def check(workspace: Path) -> Checked:
    """`fupan check --json`, run in this process. Raises what the reading of the files raises."""
    found = CliRunner().invoke(main, ["check", "--json", "--lang", "en", "--data", str(workspace)])
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Checked(workspace, json.loads(found.stdout), found.exit_code)


class Ran(NamedTuple):
    """A command run by itself: exit code, output, errors, the most memory of a process in MB."""

    exit_code: int
    stdout: str
    stderr: str
    megabytes: float


def run_apart(*arguments: str, seconds: float, megabytes: int) -> Ran:
    """The `fupan` command in a process of its own, with limits of addresses and time."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    command = [sys.executable, "-m", "helpers.run.cli", *arguments]
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(
            command,
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            preexec_fn=limited,
            env={**os.environ, "PYTHONUTF8": "1"},
            cwd=Path(__file__).parents[2],
        )
        end = time.monotonic() + seconds
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        while not pid:
            if time.monotonic() > end:
                process.kill()
            time.sleep(0.05)
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = []
        for stream in (out, err):
            stream.seek(0)
            texts.append(stream.read().decode(errors="replace"))
    return Ran(process.returncode, *texts, used.ru_maxrss / 1024)
