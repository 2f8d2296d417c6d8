"""What goes wrong at night ends in the right state and one clear line."""

from __future__ import annotations

import concurrent.futures
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path

import filelock
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import clean, reference
from helpers.clean import folder as folders
from helpers.run import chain, commands, kernel, records
from helpers.run.cli import main
from tests.run.conftest import newest_reviewed


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def tables_of(workspace: clean.Workspace) -> dict[str, pd.DataFrame]:
    names = [*reference.tables(), *clean.LEDGERS]
    return {name: clean.read_table(workspace, name) for name in names}


def assert_equal_tables(workspace: clean.Workspace, before: dict[str, pd.DataFrame]) -> None:
    for name, frame in tables_of(workspace).items():
        pd.testing.assert_frame_equal(frame, before[name], obj=name)


@pytest.fixture(scope="module")
def read_once(demo_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("few") / "shop"
    (folder / "raw").mkdir(parents=True)
    for pattern in ("直播间列表*", "00_会员订单_early*", "复盘手工表_2026-11*"):
        for path in (demo_workspace / "raw").glob(pattern):
            shutil.copy2(path, folder / "raw")
    (folder / "workspace.yml").write_text("id: few")  # else a copy has a key of its own
    clean.ingest(clean.Workspace.open(folder))
    return folder


@pytest.fixture
def few_files(read_once, tmp_path):
    """A workspace of lists of sessions, some orders and what people wrote down, read once."""
    return shutil.copytree(read_once, tmp_path / "shop")


# ---- what is kept in clean/ ----------------------------------------------------------------------


@pytest.mark.parametrize("harm", [emptied, cut, flipped, Path.unlink])
@pytest.mark.parametrize(
    "of",
    [
        "sessions/*.parquet",
        "history/*.parquet",
        "files.parquet",
        "questions.parquet",
        "readings/*/orders.parquet",
        "readings/*/files.parquet",
    ],
)
def test_a_damaged_table_is_made_again_from_raw(few_files, of, harm):
    workspace = clean.Workspace.open(few_files)
    before = tables_of(workspace)
    path = sorted(workspace.clean.glob(of))[0]
    harm(path)
    said = []
    clean.ingest(workspace, progress=said.append)
    name = path.relative_to(few_files)
    assert f"{name}: not as it was written; made again from raw/" in said
    assert_equal_tables(workspace, before)
    said.clear()
    clean.ingest(workspace, progress=said.append)
    assert not said


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b'{"written": {"x": 1}}', b"\xff\xfe", b'{"stamps": 3}']
)
def test_a_damaged_state_is_made_again_from_raw(few_files, content):
    workspace = clean.Workspace.open(few_files)
    before = tables_of(workspace)
    (workspace.clean / "state.json").write_bytes(content)
    said = []
    clean.ingest(workspace, progress=said.append)
    assert said[0] == "clean/state.json: damaged; made again from raw/"
    assert_equal_tables(workspace, before)


def test_a_reading_damaged_while_the_state_was_lost_is_read_again(few_files):
    workspace = clean.Workspace.open(few_files)
    before = tables_of(workspace)
    (workspace.clean / "state.json").write_text("{}")  # as a reading that was killed leaves it
    cut(sorted(workspace.clean.glob("readings/*/orders.parquet"))[0])
    said = []
    clean.ingest(workspace, progress=said.append)
    assert "clean/readings: damaged; made again from raw/" in said
    assert_equal_tables(workspace, before)


def test_a_copied_workspace_keeps_what_was_read(few_files, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    shutil.copytree(few_files, copy, copy_function=shutil.copy)  # with other clocks
    said = []
    clean.ingest(clean.Workspace.open(copy), progress=said.append)
    assert not [words for words in said if words.endswith(clean.AGAIN)]


def test_a_command_says_what_it_makes_again(few_files):
    emptied(few_files / "clean" / "aside.parquet")
    result = CliRunner().invoke(main, ["sessions", "--data", str(few_files), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)
    assert result.stderr == (
        "note: clean/aside.parquet: not as it was written; made again from raw/\n"
    )


# ---- keys ----------------------------------------------------------------------------------------


@pytest.fixture
def keyed(tmp_path, monkeypatch):
    monkeypatch.setenv("FUPAN_KEYS", str(tmp_path / "keys"))
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    workspace = clean.Workspace.open(tmp_path / "shop")
    return workspace, workspace.key(), next((tmp_path / "keys").iterdir())


@pytest.mark.parametrize("content", [b"", b"\n", b"a" * 31, b"a" * 33])
def test_a_key_that_is_none_is_refused(keyed, content):
    workspace, _, path = keyed
    path.write_bytes(content)
    with pytest.raises(clean.WorkspaceError, match=f"has {len(content)} bytes, expected 32"):
        workspace.key()


@pytest.mark.skipif(os.name != "posix", reason="rights of files are those of POSIX")
@pytest.mark.parametrize("rights", [0o604, 0o602, 0o666, 0o777])
def test_a_key_open_to_everybody_is_refused(keyed, rights):
    workspace, key, path = keyed
    path.chmod(rights)
    with pytest.raises(clean.WorkspaceError, match="chmod 600"):
        workspace.key()
    path.chmod(0o600)
    assert workspace.key() == key


def test_a_key_is_on_the_disk_before_it_is_used(tmp_path, monkeypatch):
    monkeypatch.setenv("FUPAN_KEYS", str(tmp_path / "keys"))
    (tmp_path / "shop").mkdir()
    steps = []
    sync, link = os.fsync, os.link
    monkeypatch.setattr(os, "fsync", lambda number: steps.append("sync") or sync(number))
    monkeypatch.setattr(os, "link", lambda *names: steps.append("link") or link(*names))
    clean.Workspace.open(tmp_path / "shop").key()
    assert steps == ["sync", "link", "sync"]


# ---- a workspace's own reference data ------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("thresholds.yml", "confidense: 0.9", "nearest: confidence"),
        ("thresholds.yml", "confidence: true", "expected a number, found True"),
        ("thresholds.yml", "confidence: .nan", "expected a number, found nan"),
        ("threshold.yml", "confidence: 0.9", "nearest: thresholds.yml"),
        ("thresholds.yaml", "confidence: 0.9", "nearest: thresholds.yml"),
        ("tables.yml", "{}", "a workspace cannot change tables.yml"),
        ("calender.csv", "x", "nearest: calendar.csv"),
        ("sources/shop.yml", "system: [", "not valid YAML"),
        ("sources/shop.yml", "- a list", "expected a mapping at the top, found list"),
        ("sources/shop.yaml", "system: x", "is no file that is read there"),
        ("service.yml", "look_again_day: [1]", "look_again_day"),
    ],
)
def test_what_is_wrong_in_own_reference_data_is_one_line(
    few_files, tmp_path, name, content, message
):
    path = few_files / "reference" / name
    path.parent.mkdir(parents=True)
    path.write_text(content, encoding="utf-8")
    arguments = ["run", "--latest", "--data", str(few_files), "--reports", str(tmp_path / "r")]
    result = CliRunner().invoke(main, arguments)
    last = result.stderr.strip().splitlines()[-1]
    said = [line for line in result.output.splitlines() if message in line]
    assert result.exit_code == 1 and "Traceback" not in result.output
    assert said, result.output
    assert name in last or name in said[0]


# ---- publishing ----------------------------------------------------------------------------------


def test_there_is_a_page_at_every_moment_of_publishing(tmp_path):
    work, final = tmp_path / "work", tmp_path / "final"
    if not _can_exchange(tmp_path):
        pytest.skip("this system cannot let two folders change places in one step")
    final.mkdir()
    (final / "review.html").write_text("0")
    stop, missed, seen = threading.Event(), [], set()

    def look() -> None:
        while not stop.is_set():
            try:
                seen.add((final / "review.html").read_text())
            except FileNotFoundError as error:
                missed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(200):
        work.mkdir()
        (work / "review.html").write_text(str(number))
        chain._swap(work, final)
        assert not work.exists() and not chain._aside(work).exists()
    stop.set()
    thread.join()
    assert not missed and len(seen) > 1 and (final / "review.html").read_text() == "199"


def _can_exchange(folder: Path) -> bool:
    for name in "ab":
        (folder / name).mkdir()
    able = chain._exchanged(folder / "a", folder / "b")
    for name in "ab":
        (folder / name).rmdir()
    return able


def test_without_such_a_step_two_moves_do(tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "_exchanged", lambda one, other: False)
    work, final = tmp_path / "work", tmp_path / "final"
    for number in range(3):
        work.mkdir()
        (work / "review.html").write_text(str(number))
        chain._swap(work, final)
    assert (final / "review.html").read_text() == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["final"]


def test_a_finished_report_is_on_the_disk_before_it_takes_its_place(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    (work / "review.html").write_text("page")
    synced = []
    monkeypatch.setattr(clean, "synced", lambda path: synced.append((path.name, work.exists())))
    chain._swap(work, tmp_path / "final")
    assert ("review.html", True) in synced and ("work", True) in synced
    assert synced[-1] == (tmp_path.name, False)


def test_two_workspaces_do_not_overwrite_each_others_pages(reviewed, first, tmp_path):
    page = first.path.read_bytes()
    other = tmp_path / "other"
    (other / "raw").mkdir(parents=True)
    for path in (tmp_path / "shop" / "raw").glob("直播间列表*"):  # the same session, other bytes
        with zipfile.ZipFile(path) as book, zipfile.ZipFile(other / "raw" / path.name, "w") as new:
            for member in book.namelist():
                new.writestr(member, book.read(member))
    workspace = clean.Workspace.open(other)
    clean.ingest(workspace)
    assert first.session_id in set(clean.sessions(workspace)["session_id"])
    outcome = chain.review_session(workspace, first.session_id, reports_dir=tmp_path / "reports")
    assert outcome.status == "failed" and "a report of another workspace" in outcome.message
    assert "--reports" in outcome.message and first.path.read_bytes() == page
    elsewhere = chain.review_session(workspace, first.session_id, reports_dir=tmp_path / "own")
    assert elsewhere.status == "published"
    assert reviewed().status == "unchanged"


@pytest.mark.parametrize("langs", [("zh", "zh"), ("zh", "en")])
def test_runs_of_one_session_at_once_wait_for_each_other(
    own_workspace,
    small_chain,
    tmp_path,
    langs,
):
    one = newest_reviewed(own_workspace, tmp_path / "reports")
    said: list[str] = []
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(one, lang=lang, force=True, progress=said.append) for lang in langs]
        outcomes = [run.result() for run in runs]
    assert [outcome.status for outcome in outcomes] == ["published"] * 2, outcomes
    assert said.count("waiting for another run of this session") == 1


# ---- runs that are killed ------------------------------------------------------------------------

RUN = """
import sys
from pathlib import Path
from helpers import clean
from helpers.core import places
from helpers.run import chain
places.NOTEBOOKS = Path(sys.argv[1])
workspace, session, reports = clean.Workspace.open(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
print("ready", flush=True)
chain.tidy(reports, workspace)
clean.ingest(workspace, force=True)
print("read", flush=True)
outcome = chain.review_session(workspace, session, reports_dir=reports, force=True)
print(outcome.status, outcome.message, flush=True)
"""


def started(notebooks: Path, data: Path, session: str, reports: Path) -> subprocess.Popen:
    arguments = [sys.executable, "-c", RUN, str(notebooks), str(data), session, str(reports)]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    return process


def litter(data: Path, reports: Path) -> set[str]:
    """What only a run under way has."""
    places = [*data.rglob("*"), *reports.rglob("*"), *Path(tempfile.gettempdir()).glob("fupan-*-*")]
    return {
        path.name
        for path in places
        if path.name.endswith((".part", ".old"))
        or (path.parent.name == clean.WORK and path.is_dir())
        or (path.name.startswith("fupan-") and _is_dead(path))
    }


def _is_dead(path: Path) -> bool:
    process = path.name.split("-")[1]
    return process.isdigit() and not clean.is_alive(int(process))


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
@pytest.mark.parametrize(
    "kills", [8, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_whenever_a_run_is_killed_the_last_page_stands_and_the_next_run_ends_well(
    few_files,
    small_chain,
    tmp_path,
    kills,
):
    if not _can_exchange(tmp_path):
        pytest.skip("this system cannot let two folders change places in one step")
    workspace, reports = clean.Workspace.open(few_files), tmp_path / "reports"
    first = newest_reviewed(few_files, reports)()
    assert first.status == "published", first.message
    before, page = tables_of(workspace), first.path.read_bytes()
    call = (small_chain, few_files, first.session_id, reports)
    began = time.monotonic()
    process = started(*call)
    ready = time.monotonic()
    assert "published" in process.communicate(timeout=120)[0]
    whole = time.monotonic() - ready
    assert ready - began < 60
    chance = random.Random(20261201)
    for _ in range(kills):
        process = started(*call)
        time.sleep(chance.uniform(0, whole))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert first.path.read_bytes() == page
        assert (first.path.parent / "run.json").stat().st_size
    assert "published" in started(*call).communicate(timeout=120)[0]
    assert_equal_tables(workspace, before)
    assert first.path.read_bytes() == page and not litter(few_files, reports)
    with filelock.FileLock(workspace.clean / ".lock", timeout=1):
        pass


def test_a_run_that_is_under_way_is_not_tidied_by_another_workspace(few_files, tmp_path):
    workspace, reports = clean.Workspace.open(few_files), tmp_path / "reports"
    for home in (reports, reports / "en"):
        (home / clean.WORK / "s1").mkdir(parents=True)
    with chain._alone(reports, "s1", print):  # as a run of any workspace into this folder
        chain.tidy(reports, workspace)
        assert all((home / clean.WORK / "s1").exists() for home in (reports, reports / "en"))
    chain.tidy(reports, workspace)
    assert not any((home / clean.WORK / "s1").exists() for home in (reports, reports / "en"))


@pytest.mark.skipif(os.name != "posix", reason="asks by signal 0")
def test_only_leavings_of_processes_that_are_gone_are_swept(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    names = [f".a.html.{gone.pid}.part", f".a.html.{os.getpid()}.part", "mine.part", ".x.part"]
    for name in names:
        (tmp_path / name).write_text("")
    folders.sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[1:])


@pytest.mark.skipif(os.name != "posix", reason="sockets of kernels are files on POSIX only")
def test_folders_of_sockets_of_killed_runs_go(tmp_path, monkeypatch):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for process in (gone.pid, os.getpid()):
        (tmp_path / f"fupan-{process}-x").mkdir()
    kernel.sweep()
    assert [path.name for path in tmp_path.iterdir()] == [f"fupan-{os.getpid()}-x"]


# ---- several sessions at once --------------------------------------------------------------------


def ends_its_process(workspace, name: str, *, reports_dir: Path, **options) -> chain.Outcome:
    """As `chain.review_session`: one session always dies, another one once."""
    seen = reports_dir / name
    if name == "always" or (name == "once" and not seen.exists()):
        seen.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return chain.Outcome(name, "published", reports_dir / name / "review.html", "", 0.1)


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_a_killed_worker_is_one_failed_session(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(chain, "review_session", ends_its_process)
    names = ["first", "once", "always", "last"]
    outcomes = commands._run_all(None, names, tmp_path, "zh", {}, False, 2, False)
    assert [outcome.status for outcome in outcomes] == [
        "published",
        "published",
        "failed",
        "published",
    ]
    assert "its process was ended from outside" in outcomes[2].message
    said = capsys.readouterr()
    assert "Traceback" not in said.err and said.out.count("published") == 3


# ---- what a run says -----------------------------------------------------------------------------


def test_a_log_gets_a_line_a_step_and_json_nothing_else(
    own_workspace,
    small_chain,
    tmp_path,
):
    arguments = ["run", "--latest", "--data", str(own_workspace), "--reports", str(tmp_path / "r")]
    result = CliRunner().invoke(main, [*arguments, "--force"])
    assert result.exit_code == 0, result.output
    steps = [line[21:] for line in result.stderr.splitlines() if line.startswith("20")]
    session = result.stdout.split()[0]
    assert steps[:2] == ["reading raw files", session]
    assert f"{session}  01_clean (1 of 6)" in steps and f"{session}  publish" in steps
    for force in ([], ["--force"]):
        result = CliRunner().invoke(main, [*arguments, "--json", *force])
        assert json.loads(result.stdout)[0]["session_id"] == session and not result.stderr


def test_pending_says_json_where_nothing_is(few_files, tmp_path, monkeypatch):
    monkeypatch.setattr(records, "due", lambda *args, **kwargs: [])
    arguments = ["run", "--pending", "--data", str(few_files), "--reports", str(tmp_path)]
    result = CliRunner().invoke(main, [*arguments, "--json"])
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (0, [], "")


def test_a_file_that_cannot_be_read_is_in_the_exit_code(few_files, tmp_path, monkeypatch):
    (few_files / "raw" / "broken.xlsx").write_bytes(b"no workbook")
    monkeypatch.setattr(records, "due", lambda *args, **kwargs: [])
    arguments = ["run", "--pending", "--data", str(few_files), "--reports", str(tmp_path)]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 1 and "broken.xlsx" in result.stderr
