"""run.json of each report: what a run writes, what is read again, and which sessions are due."""

import contextlib
import json
from collections.abc import Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import AwareDatetime, BaseModel

from helpers import clean
from helpers.run import steps

LANGUAGES = ("zh", "en")


def home(reports_dir: Path, lang: str) -> Path:
    """The folder of a language's reports: `reports_dir` for Chinese, en/ below it for English."""
    return reports_dir if lang == LANGUAGES[0] else reports_dir / lang


class _Returns(BaseModel):
    rate: float | None
    final: bool


class _Summary(BaseModel):
    """What is read again of a session's row in the index (`index.summary`)."""

    paid_amount: float | None = None
    viewers: float | None = None
    currency: str = ""
    verdict: str = ""
    goals: tuple[int, int] | None = None
    returns: _Returns | None = None
    plan_lines: int = 0
    plan_open: int = 0


class _Record(BaseModel):
    status: str = ""
    message: str = ""
    as_of: AwareDatetime | None = None
    steps: dict[str, str] = {}
    cut: list[str] = []
    summary: _Summary | None = None


def last_run(final: Path) -> dict[str, Any]:
    """run.json of one report; empty without one that a run wrote."""
    path = final / "run.json"
    # no file, no JSON, other fields (`ValidationError`)
    with contextlib.suppress(OSError, ValueError):
        written = path.read_bytes()
        _Record.model_validate_json(written, strict=True)
        return json.loads(written)
    return {}


def record(
    workspace: clean.Workspace,
    session_id: str,
    lang: str,
    given: Mapping[str, Any],
    seconds: Mapping[str, float],
) -> dict[str, Any]:
    """What run.json says of a run: parameters, versions, inputs, rows, seconds and step keys.

    Step keys are of the plans as they are after the run.
    """
    files = clean.read_table(workspace, "files")
    return {
        "session_id": session_id,
        "workspace": workspace.identity,
        "status": "published",
        "lang": lang,
        "parameters": dict(given),
        "steps": steps.step_keys(workspace, session_id, lang, given),
        "seconds": dict(seconds),
        "versions": steps.versions(),
        "inputs": dict(zip(files["file"], files["sha256"], strict=True)),
        "rows": {name: int(files[name].sum()) for name in clean.COUNTS},
        "cut": sorted(cut_files(workspace)),
    }


def of_another(final: Path, workspace: clean.Workspace) -> bool:
    """Whether a report is of another workspace: elsewhere, and no file that it read is here.

    A workspace that was moved or copied still has its exports.
    """
    report = last_run(final)
    if report.get("workspace", workspace.identity) == workspace.identity:
        return False
    files = clean.read_table(workspace, "files")
    return not set(report.get("inputs", {}).values()) & set(files.get("sha256", ()))


def cut_files(workspace: clean.Workspace) -> set[str]:
    """The raw files that end in the middle of a row: half of them is still to come."""
    asked = clean.read_table(workspace, "questions")
    return set(asked.loc[asked["reason"] == "cut", "file"])


def write(folder: Path, record: Mapping[str, Any]) -> None:
    """Write run.json into the folder of a report."""
    words = json.dumps(record, ensure_ascii=False, indent=1, default=str)
    (folder / "run.json").write_text(words, encoding="utf-8")


def published(reports_dir: Path) -> dict[str, dict[str, Any]]:
    """run.json of every session under reports/; a failed run is noted on a published one."""
    records = {
        path.parent.name: last_run(path.parent)
        for path in sorted(reports_dir.glob("*/run.json"))
        if path.parent.name != "by_hand"
    }
    for path in sorted(reports_dir.glob("failed/*/run.json")):
        name = path.parent.name
        failed = last_run(path.parent)
        records[name] = {**records[name], "failed": failed} if name in records else failed
    return records


def published_in_any(reports_dir: Path) -> dict[str, dict[str, Any]]:
    """`published` of every language; of a session in several, the first of `LANGUAGES`."""
    return {
        name: run
        for lang in reversed(LANGUAGES)
        for name, run in published(home(reports_dir, lang)).items()
    }


def due(
    sessions: pd.DataFrame,
    runs: Mapping[str, Mapping[str, Any]],
    *,
    as_of: pd.Timestamp,
    recent_days: float,
    ages: Sequence[float],
    cut: Container[str] = (),
) -> list[str]:
    """Sessions that `--pending` takes, oldest first: without a good page, or due another look.

    Without a good page only recent ones. `runs` is `published`. A page is due another look for its
    after-sales where the session has passed one of `ages` (days, service.yml) by the newest data,
    `as_of`, and had not by the data of its page; and where it was made of half a file whose rest
    has come (`cut`: those that are halves today).
    """
    newest = sessions["started_at"].max() - pd.Timedelta(days=recent_days)
    names = []
    for row in sessions.itertuples():
        run = runs.get(row.session_id, {})
        if run.get("status") != "published" or "failed" in run:
            if row.started_at >= newest:
                names.append(row.session_id)
            continue
        if any(file not in cut for file in run.get("cut", ())):
            names.append(row.session_id)
            continue
        looked_at = pd.Timestamp(run["as_of"]) if "as_of" in run else row.started_at
        marks = [row.started_at + pd.Timedelta(days=age) for age in ages]
        if pd.notna(as_of) and any(looked_at < mark <= as_of for mark in marks):
            names.append(row.session_id)
    return names
