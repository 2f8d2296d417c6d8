"""The start page chooses for notebooks opened by hand and for nothing else."""

from __future__ import annotations

import json
import os
import re
import subprocess

import pytest

from helpers import clean, report
from helpers.core import places
from helpers.report import index
from helpers.review import Choice, Review, keep_choice, kept_choice, open_review
from helpers.run import cli, kernel, records, start, steps


@pytest.fixture
def opened_in_lab(tmp_path, monkeypatch):
    """As in a kernel of a notebook in JupyterLab, with reports in a folder of their own."""
    monkeypatch.setattr(places, "REPORTS", tmp_path / "reports")
    monkeypatch.setattr(places, "BY_HAND", tmp_path / "reports" / "by_hand")
    monkeypatch.setenv("JPY_SESSION_NAME", "00_start.ipynb")


@pytest.fixture
def choose(opened_in_lab, demo_workspace):
    """A session of the demo chosen: its place counted from the newest."""
    names = clean.sessions(clean.Workspace.open(demo_workspace))["session_id"].tolist()

    def chosen(place: int, lang: str = "") -> str:
        keep_choice(Choice(session_id=names[place], data_dir=str(demo_workspace), lang=lang))
        return names[place]

    return chosen


def opened(**parameters) -> Review:
    return open_review(**parameters, notebook="02_funnel")


def test_empty_parameters_are_what_was_chosen_and_named_ones_are_not(choose, demo_workspace):
    name = choose(-5, "en")
    review = opened()
    assert (review.session_id, review.lang, review.workspace.path, review.found) == (
        name,
        "en",
        demo_workspace,
        "chosen",
    )
    assert opened(data_dir=demo_workspace).session_id == name, "the same workspace, named"
    named = opened(session_id="latest", lang="zh")
    assert (named.session_id, named.lang, named.found) == (
        review.sessions["session_id"].iloc[-1],
        "zh",
        "named",
    )


def test_a_choice_holds_in_its_own_workspace_alone(choose, own_workspace):
    choose(-5)
    review = opened(data_dir=own_workspace)
    assert (review.session_id, review.found) == (review.sessions["session_id"].iloc[-1], "newest")


def test_a_chosen_session_that_is_gone_is_said_and_the_newest_shown(opened_in_lab, demo_workspace):
    keep_choice(Choice(session_id="20200101-0000-douyin-0000", data_dir=str(demo_workspace)))
    review = opened()
    assert (review.session_id, review.found) == (review.sessions["session_id"].iloc[-1], "gone")


@pytest.mark.parametrize("kept", ["", "{", '{"lang": "fr"}'])
def test_a_choice_that_cannot_be_used_is_none(opened_in_lab, kept):
    places.BY_HAND.mkdir(parents=True)
    (places.BY_HAND / "chosen.json").write_text(kept)
    assert kept_choice() == Choice()


@pytest.mark.parametrize("broken", ["raw_empty", "settings", "no_session", "gone"])
def test_a_chosen_workspace_that_cannot_be_used_gives_way_to_the_demo_and_is_named(
    opened_in_lab, demo_workspace, tmp_path, monkeypatch, broken
):
    monkeypatch.setattr(places, "DEMO", demo_workspace)
    folder = tmp_path / "shop"
    if broken != "gone":
        (folder / "raw").mkdir(parents=True)
    if broken == "settings":
        (folder / "workspace.yml").write_text("colour: red")
    if broken == "no_session":
        (folder / "raw" / "notes.csv").write_text("a,b\n1,2\n")
    keep_choice(Choice(data_dir=str(folder), session_id="a", lang="en"))
    review = opened()
    assert (review.workspace.path, review.found, review.lang) == (demo_workspace, "unusable", "en")
    assert review.session_id == review.sessions["session_id"].iloc[-1]
    said = report.setup(review).html
    assert "cannot be used" in said and str(folder) in said
    named = [{"data_dir": folder}, {"session_id": "latest"}]
    for parameters in named:  # what is named is never replaced
        with pytest.raises(clean.WorkspaceError, match="shop"):
            opened(**parameters)
    assert start.Picker(review).session.value == ""


def test_outside_of_a_notebook_opened_in_lab_nothing_is_chosen(choose, demo_workspace, monkeypatch):
    choose(-5, "en")
    monkeypatch.delenv("JPY_SESSION_NAME")
    review = opened(data_dir=demo_workspace)
    assert (review.session_id, review.lang, review.found) == (
        review.sessions["session_id"].iloc[-1],
        "zh",
        "newest",
    )


def test_a_run_started_from_a_notebook_is_not_opened_by_hand(opened_in_lab):
    """The run's kernel is asked itself.

    Neither a choice nor what marks an open notebook reaches it.
    """
    with kernel.kernel() as manager:
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        said = []
        client.execute_interactive(
            "import os; print('JPY_SESSION_NAME' in os.environ)",
            output_hook=lambda message: said.append(message["content"].get("text")),
            timeout=60,
        )
        client.stop_channels()
    assert "False\n" in said


def test_a_run_names_every_parameter_that_a_choice_could_fill():
    """With nothing left empty a choice has no place to go.

    The fields of a choice are among those that a run always gives.
    """
    assert set(Choice.model_fields) <= set(steps.PLACES)
    for name, declared in steps.parameters().items():
        assert {
            field for field in Choice.model_fields if declared[field]["default"] == '""'
        } == set(Choice.model_fields), name


@pytest.fixture
def picker(choose):
    choose(-1, "zh")
    return start.Picker(opened())


def test_a_session_picked_in_the_widget_is_what_notebooks_open(picker):
    names = [name for _, name in picker.session.options]
    assert names[0] == "" and names[1:] == picker.review.sessions["session_id"].tolist()[::-1]
    picker.session.value = names[4]
    assert (opened().session_id, opened().found) == (names[4], "chosen") and names[
        4
    ] in picker.said.value
    picker.session.value = ""
    assert (opened().session_id, opened().found) == (names[1], "newest")


def test_the_language_switch_keeps_the_session_and_changes_every_word(picker):
    picker.session.value = chosen = picker.session.options[3][1]
    picker.language.value = "en"
    assert (
        (opened().session_id, opened().lang)
        == (chosen, "en")
        == (picker.session.value, picker.review.lang)
    )
    own = [
        picker.language.description,
        picker.folder.description,
        picker.search.description,
        picker.search.placeholder,
        picker.whole.description,
        picker.session.options[0][0],
    ]
    assert not re.search(r"[\u4e00-\u9fff]", " ".join(own)), own


def test_searching_narrows_the_list_and_picks_nothing(picker):
    before = kept_choice()
    host = picker.sessions["host"].dropna().iloc[0]
    picker.search.value = f"{host} 2026"
    expected = picker.sessions.loc[
        picker.sessions["host"].eq(host) & picker.sessions["started_at"].dt.year.eq(2026),
        "session_id",
    ].tolist()
    assert [name for _, name in picker.session.options][1:] == expected and 0 < len(expected) < len(
        picker.sessions
    )
    assert kept_choice() == before


def test_another_workspace_brings_its_own_sessions_and_a_missing_one_changes_nothing(
    picker, own_workspace, tmp_path
):
    picker.folder.value = str(own_workspace)
    assert (
        opened().workspace.path == own_workspace == picker.review.workspace.path
        and opened().found == "newest"
    )
    picker.folder.value = str(tmp_path / "<b>none")
    assert opened().workspace.path == own_workspace
    assert (
        "no such folder" in picker.said.value
        and "&lt;b&gt;none" in picker.said.value
        and "<b>none" not in picker.said.value
    )


def test_two_open_start_pages_do_not_mix_their_choices(picker, own_workspace, tmp_path):
    other = start.Picker(opened())
    other.folder.value = str(own_workspace)
    kept = (places.BY_HAND / "chosen.json").read_bytes()
    picker.folder.value = str(tmp_path / "mistyped")
    assert (places.BY_HAND / "chosen.json").read_bytes() == kept, "what failed writes nothing"
    picker.session.value = mine = picker.session.options[3][1]
    other.language.value = "en"
    assert (kept_choice().data_dir, kept_choice().session_id) == (str(own_workspace), "")
    picker.language.value = "en"
    assert (kept_choice().data_dir, kept_choice().session_id) == (
        str(picker.review.workspace.path),
        mine,
    )


@pytest.mark.parametrize("typed", ["~nosuchuser/x", "a\0b", "x" * 300, "locked"])
def test_a_folder_that_cannot_be_opened_is_said(picker, monkeypatch, typed):
    listed = os.listdir

    def locked(path):
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "listdir", locked)
    kept = kept_choice()
    picker.folder.value = typed
    assert "cannot be opened" in picker.said.value and kept_choice() == kept


def test_the_list_says_what_published_pages_found(choose, demo_workspace):
    name = choose(-3)
    (places.REPORTS / name).mkdir(parents=True)
    (places.REPORTS / name / "run.json").write_text(
        json.dumps({"status": "published", "summary": {"verdict": "worse"}})
    )
    listed = start.sessions(clean.Workspace.open(demo_workspace)).set_index("session_id")
    assert listed.loc[name, "verdict"] == "worse" and listed["verdict"].notna().sum() == 1
    row = listed.reset_index().iloc[2]
    assert start.option(row, "CNY", "zh").endswith("变差") and start.option(
        row, "CNY", "en"
    ).endswith("Worse")


@pytest.mark.parametrize(
    "odd",
    [
        "[]",
        "null",
        "7",
        "{",
        '{"summary": []}',
        '{"summary": {"verdict": ["worse"]}}',
        '{"status": {}}',
        '{"as_of": "soon"}',
        '{"summary": {"goals": 3}}',
        '{"summary": {"returns": {"rate": "much", "final": true}}}',
        '{"message": 5}',
        '{"steps": ["01_clean"]}',
    ],
)
@pytest.mark.parametrize("place", ["", "failed"])
def test_a_run_json_that_no_run_wrote_counts_as_no_record(choose, demo_workspace, odd, place):
    name = choose(-3)
    (places.REPORTS / place / name).mkdir(parents=True)
    (places.REPORTS / place / name / "run.json").write_text(odd)
    workspace = clean.Workspace.open(demo_workspace)
    known, done = clean.sessions(workspace), records.published(places.REPORTS)
    assert start.sessions(workspace)["verdict"].notna().sum() == 0 and done == {name: {}}
    assert (
        records.due(known, done, as_of=known["started_at"].max(), recent_days=9999, ages=[7])
        == known["session_id"].tolist()
    )
    kept, fresh = (
        index.index_lines(given, known, workspace_reference=None, lang="en") for given in (done, {})
    )
    assert kept == fresh


@pytest.mark.parametrize(
    ("stdout", "stderr", "expected"),
    [
        (
            '[{"status": "published", "path": "/x/review.html", "message": ""}]',
            "",
            "/x/review.html",
        ),
        (
            '[{"status": "failed", "path": "/x/failed", "message": "<i>03</i> stopped"}]',
            "",
            "&lt;i&gt;03",
        ),
        ("", "fupan: no session", "fupan: no session"),
    ],
)
def test_what_became_of_the_whole_review_is_said(stdout, stderr, expected):
    assert expected in start.outcome(subprocess.CompletedProcess([], 0, stdout, stderr), "en").html


def test_the_whole_review_is_the_command_for_what_is_chosen(choose, demo_workspace, monkeypatch):
    """The button runs `fupan run` with every parameter named, and no mark of an open notebook."""
    ran = []
    monkeypatch.setattr(
        start.subprocess,
        "run",
        lambda line, **options: (
            ran.append((line, options)) or subprocess.CompletedProcess(line, 1, "", "stopped")
        ),
    )
    name = choose(-2, "en")
    start.Picker(opened())._run()
    ((line, options),) = ran
    assert (
        line[2:5] == ["helpers.run.cli", "run", name]
        and line[line.index("--data") + 1] == str(demo_workspace)
        and line[line.index("--lang") + 1] == "en"
    )
    assert "JPY_SESSION_NAME" not in options["env"]
    parsed = cli.run_command.make_context("run", line[4:])
    assert (parsed.params["session"], parsed.params["lang"], parsed.params["as_json"]) == (
        name,
        "en",
        True,
    )
