"""The `fupan` command: what it says, where, and with which exit code."""

from __future__ import annotations

import json
import re
import shutil

import pytest
from click.testing import CliRunner

from helpers import clean
from helpers.review import choose_session
from helpers.run import chain, cli, commands, pdf

QIANCHUAN = "qianchuan-material-demo"


def fupan(*arguments: object):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run"], "name one of"),
        (["run", "--latest", "--all"], "name one of"),
        (["run", "--latest", "-p", "confidense", "0.9"], "did you mean confidence"),
        (["run", "--latest", "-p", "confidence", "high"], "expected float"),
        (["run", "--latest", "--lang", "fr"], "'fr' is not one of"),
        (["run", "--latest", "--jobs", "0"], "--jobs"),
        (["frobnicate"], "No such command"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_what_is_wrong(arguments, says):
    result = fupan(*arguments)
    assert result.exit_code == 2 and says in result.output


def test_an_unknown_session_is_wrong_usage_and_names_real_ones(demo_workspace, tmp_path):
    result = fupan("run", "19990101-0000", "--data", demo_workspace, "--reports", tmp_path)
    assert (
        result.exit_code == 2
        and "not in this workspace" in result.output
        and re.search(r"(nearest|there are): 20", result.output)
    )


def test_an_empty_raw_folder_ends_with_1_and_names_it(tmp_path):
    (tmp_path / "raw").mkdir()
    result = fupan("run", "--latest", "--data", tmp_path, "--reports", tmp_path / "reports")
    assert result.exit_code == 1 and "no files to read" in result.output and "raw" in result.output
    assert not (tmp_path / "reports").exists()


def test_a_workbook_that_cannot_be_read_is_named_and_nothing_is_published(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "坏.xlsx").write_bytes(b"PK\x03\x04 not a workbook")
    checked = fupan("check", "--lang", "en", "--data", tmp_path)
    assert checked.exit_code == 1 and "坏.xlsx" in checked.output
    result = fupan("run", "--latest", "--data", tmp_path, "--reports", tmp_path / "reports")
    assert (
        result.exit_code == 1
        and "no session found" in result.output
        and "Traceback" not in result.output
    )
    assert not list((tmp_path / "reports").glob("*/review.html"))


def test_check_says_what_every_file_is(demo_workspace):
    result = fupan("check", "--data", demo_workspace, "--json")
    files = json.loads(result.output)
    assert {row["grade"] for row in files if row["table"]} <= {"F", "S", "A", "own", "unverified"}
    assert {
        "sessions",
        "orders",
        "aftersales",
        "products",
        "traffic",
        "minutes",
        "rundown",
        "events",
        "notes",
    } <= {row["table"] for row in files}
    assert all(
        row["rows_in"] == row["rows_kept"] + row["rows_totals"] + row["rows_aside"] for row in files
    )


def test_check_says_why_rows_are_kept_aside_and_where_they_are(demo_workspace):
    asked = clean.read_table(clean.Workspace.open(demo_workspace), "questions")
    result = fupan("check", "--lang", "en", "--data", demo_workspace)
    assert result.exit_code == 1
    assert len(asked) == 5 and result.output.count(" kept aside, first in row ") == 5
    for question in asked.itertuples():
        words = f"Column {question.column}: {question.rows:.0f} rows kept aside, first in row"
        assert f"{words} {question.row:.0f} ({question.value}): " in result.output
    assert "not a date and time" in result.output and "aside.xlsx" in result.output


def test_check_of_workbooks_that_cannot_be_read_names_each(tmp_path, tiktok_workspace):
    from tests.conftest import REAL

    shutil.copytree(tiktok_workspace / "raw", tmp_path / "raw")
    broken = sorted((REAL / QIANCHUAN).glob("*.xlsx"))
    for path in broken:
        (tmp_path / "raw" / path.name).write_bytes(path.read_bytes()[:-300])  # half a download
    result = fupan("check", "--data", tmp_path)
    assert result.exit_code == 1 and len(broken) == 3
    flat = "".join(result.output.split())
    assert all("".join(path.name.split()) in flat for path in broken)
    listed = json.loads(fupan("sessions", "--data", tmp_path, "--json").output)
    assert len(listed) == 122, "the good files go on"


def test_sessions_lists_the_newest_first_with_the_state_of_the_report(demo_workspace, tmp_path):
    rows = json.loads(
        fupan("sessions", "--data", demo_workspace, "--reports", tmp_path, "--json").output
    )
    assert len(rows) == 60 and [row["started_at"] for row in rows] == sorted(
        (row["started_at"] for row in rows), reverse=True
    )
    assert {row["status"] for row in rows} == {"no report"}


def test_new_writes_a_template_once(tmp_path):
    path = tmp_path / "模板.xlsx"
    assert fupan("new", path).exit_code == 0 and path.exists()
    content = path.read_bytes()
    again = fupan("new", path)
    assert (
        again.exit_code == 1 and "exists already" in again.output and path.read_bytes() == content
    )


def test_demo_does_not_write_into_a_folder_that_holds_something(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    result = fupan("demo", tmp_path)
    assert result.exit_code == 1 and "not empty" in result.output


def test_pending_is_what_has_no_report_yet(demo_workspace, tmp_path, monkeypatch):
    asked = []

    def pretend(workspace, name, *, reports_dir, **options):
        asked.append(name)
        (reports_dir / name).mkdir(parents=True)
        (reports_dir / name / "run.json").write_text(
            json.dumps(
                {"session_id": name, "status": "published", "as_of": "2026-11-16T09:30:00+08:00"}
            )
        )
        return chain.Outcome(name, "published", reports_dir / name / "review.html", "", 0.0)

    monkeypatch.setattr(chain, "review_session", pretend)
    monkeypatch.setattr(commands.report, "write_index", lambda *args, **options: None)
    known = clean.sessions(clean.Workspace.open(demo_workspace))
    days = known["started_at"].max() - known["started_at"]
    assert fupan("run", "--pending", "--data", demo_workspace, "--reports", tmp_path).exit_code == 0
    assert asked == known.loc[days.dt.days < 14, "session_id"].tolist() or set(asked) >= set(
        known.loc[days.dt.days < 14, "session_id"]
    )
    asked.clear()
    again = fupan("run", "--pending", "--data", demo_workspace, "--reports", tmp_path)
    assert again.exit_code == 0 and not asked and "nothing pending" in again.output


def test_the_demo_and_the_plan_of_its_earlier_session_can_be_shown(demo_workspace):
    name = sorted((demo_workspace / "plans").glob("*.csv"))[0].stem
    result = fupan("plan", name, "--data", demo_workspace)
    assert result.exit_code == 0, result.output
    assert "follow_rate" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--latest", "--data", "{workspace}", "--reports", "{file}"],
        ["demo", "{file}"],
        ["demo", "{file}/below"],
        ["new", "{file}/below.xlsx"],
    ],
)
def test_trouble_with_the_disk_is_one_line_not_a_traceback(demo_workspace, tmp_path, arguments):
    (tmp_path / "file").write_text("a file where a folder should be")
    result = fupan(
        *(word.format(workspace=demo_workspace, file=tmp_path / "file") for word in arguments)
    )
    assert result.exit_code == 1 and isinstance(result.exception, SystemExit)
    *steps, last = result.output.splitlines()
    assert last.startswith("fupan: ") and all(step.startswith("20") for step in steps)


def test_pending_where_no_session_was_found_is_not_all_well(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.csv").write_text("a,b\n1,2\n")
    result = fupan("run", "--pending", "--data", tmp_path, "--reports", tmp_path / "reports")
    assert result.exit_code == 1 and "no session found" in result.output


def test_a_list_of_sessions_that_may_not_go_out_ends_with_1(demo_workspace, tmp_path, monkeypatch):
    def refuse(*args, **options):
        raise commands.report.GateError("index not written: …")

    monkeypatch.setattr(
        chain,
        "review_session",
        lambda workspace, name, **options: chain.Outcome(name, "published", tmp_path, "", 0.0),
    )
    monkeypatch.setattr(commands.report, "write_index", refuse)
    result = fupan("run", "--latest", "--data", demo_workspace, "--reports", tmp_path)
    assert (
        result.exit_code == 1
        and "index not written" in result.output
        and isinstance(result.exception, SystemExit)
    )


def test_pdf_says_what_is_lacking(demo_workspace, tmp_path, monkeypatch):
    name = choose_session(clean.sessions(clean.Workspace.open(demo_workspace)), "latest")
    lacking = fupan("pdf", "latest", "--data", demo_workspace, "--reports", tmp_path)
    assert lacking.exit_code == 1 and f"fupan run {name}" in lacking.output
    (tmp_path / "en" / name).mkdir(parents=True)
    (tmp_path / "en" / name / "review.html").write_text("<p>x</p>", encoding="utf-8")
    monkeypatch.setattr(pdf, "browser", lambda: None)
    nothing = fupan(
        "pdf", "latest", "--data", demo_workspace, "--reports", tmp_path, "--lang", "en"
    )
    assert (
        nothing.exit_code == 1
        and "CHROMIUM" in nothing.output
        and "Traceback" not in nothing.output
    )
    monkeypatch.setattr(pdf, "browser", lambda: "/bin/false")
    failed = fupan("pdf", "latest", "--data", demo_workspace, "--reports", tmp_path, "--lang", "en")
    assert (
        failed.exit_code == 1
        and "printed nothing" in failed.output
        and [path.name for path in (tmp_path / "en" / name).iterdir()] == ["review.html"]
    )


def test_pdf_of_a_page_needs_no_workspace(tmp_path, monkeypatch):
    printed = []
    monkeypatch.setattr(pdf, "browser", lambda: "/bin/true")
    monkeypatch.setattr(
        pdf,
        "print_pdf",
        lambda path, chromium: printed.append(path.parent.name) or path.with_suffix(".pdf"),
    )
    for name in ("20261013-2000-a", "20261014-2000-a", "20261014-2000-b"):
        (tmp_path / "reports" / name).mkdir(parents=True)
        (tmp_path / "reports" / name / "review.html").write_text("<p>x</p>", encoding="utf-8")
    there = ("--data", tmp_path / "nowhere", "--reports", tmp_path / "reports")
    assert [fupan("pdf", given, *there).exit_code for given in ("20261014-2000-b", "20261013")] == [
        0,
        0,
    ]
    assert printed == ["20261014-2000-b", "20261013-2000-a"] and not (tmp_path / "nowhere").exists()
    several, unknown = fupan("pdf", "20261014", *there), fupan("pdf", "2025", *there)
    assert several.exit_code == unknown.exit_code == 1 and len(printed) == 2
    assert "2 reports fit: 20261014-2000-a, 20261014-2000-b" in several.output
    assert (
        "no report yet" in unknown.output
        and "fupan run 2025" in unknown.output
        and "20261014-2000-b" in unknown.output
    )
    empty = fupan("pdf", "2025", *there, "--lang", "en")
    assert (
        empty.exit_code == 1
        and "reports there" not in empty.output
        and "fupan run 2025 --lang en" in empty.output
    )


def test_the_latest_of_no_workspace_is_said_to_be_unknown(tmp_path):
    (tmp_path / "data" / "raw").mkdir(parents=True)
    (tmp_path / "data" / "raw" / "x.csv").write_text("a,b\n1,2\n")
    result = fupan("pdf", "latest", "--data", tmp_path / "data", "--reports", tmp_path)
    assert (
        result.exit_code == 1
        and "--data" in result.output
        and isinstance(result.exception, SystemExit)
    )
