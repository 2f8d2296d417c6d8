"""The chain of notebooks.

Parameters checked, steps reused, failures kept apart, publication in one move.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from pathlib import Path

import nbformat
import pandas as pd
import papermill
import pytest

from helpers import clean, reference
from helpers.core import places
from helpers.plan import plan_file
from helpers.report import gate
from helpers.review import PARAMETER_TYPES, ParameterError, open_review
from helpers.run import chain, kernel, records, steps
from tests.run.conftest import PARAMETERS, small_notebook


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"confidense": "0.9"}, "did you mean confidence"),
        ({"confidence": "high"}, "confidence: expected float, found 'high'"),
        ({"steps": "2.5"}, "steps: expected int"),
        ({"session_id": "x"}, "unknown parameter 'session_id'"),
        ({"a\nimport os": "1"}, "unknown parameter"),
    ],
)
def test_a_parameter_that_no_notebook_declares_is_refused(small_chain, given, message):
    with pytest.raises(ParameterError, match=message):
        steps.check_parameters(given)


def test_a_parameter_comes_in_the_type_that_the_notebook_declares(small_chain):
    assert steps.check_parameters({"confidence": "0.9", "steps": "2"}) == {
        "confidence": 0.9,
        "steps": 2,
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sesion_id": "latest"}, "unknown parameter 'sesion_id'; did you mean session_id"),
        ({"session_id": 20261130}, "session_id: expected str, found 20261130; papermill takes"),
        ({"confidence": "high"}, "confidence: expected float, found 'high'"),
    ],
)
def test_a_notebook_run_by_plain_papermill_stops_at_what_it_does_not_declare(
    own_workspace, tmp_path, monkeypatch, given, message
):
    monkeypatch.chdir(tmp_path)  # any folder
    given = {"data_dir": str(own_workspace), "reports_dir": str(tmp_path)} | given
    source = places.NOTEBOOKS / "02_funnel.ipynb"
    with pytest.raises(papermill.exceptions.PapermillExecutionError, match=re.escape(message)):
        papermill.execute_notebook(
            str(source), "out.ipynb", given, kernel_name="python3", progress_bar=False
        )


def test_every_real_notebook_declares_the_places_and_only_scalars():
    for name, declared in steps.parameters().items():
        assert set(steps.PLACES) <= set(declared), name
        types = {spec["inferred_type_name"] for spec in declared.values()}
        assert types <= set(PARAMETER_TYPES), name
        assert all(spec["help"] for spec in declared.values()), name


def test_a_run_publishes_and_an_unchanged_one_writes_nothing(reviewed, first):
    record = json.loads((first.path.parent / "run.json").read_text(encoding="utf-8"))
    assert (
        list(record["steps"])
        == list(steps.ORDER)
        == [name for name in record["seconds"] if name != "total"]
    )
    assert (
        record["rows"]["rows_in"]
        == record["rows"]["rows_kept"]
        + record["rows"]["rows_totals"]
        + record["rows"]["rows_aside"]
    )
    page = first.path.read_bytes()
    stamp = first.path.stat().st_mtime_ns
    again = reviewed()
    assert again.status == "unchanged" and first.path.stat().st_mtime_ns == stamp
    forced = reviewed(force=True)
    assert forced.status == "published" and first.path.read_bytes() == page, (
        "the same inputs give the same bytes"
    )
    assert not list((first.path.parents[1] / ".work").glob("*/")), (
        "nothing is left in the work folder"
    )


def test_two_languages_stand_side_by_side_and_lead_to_each_other(reviewed, first):
    alone = first.path.read_bytes()
    english = reviewed(lang="en")
    assert (
        english.path == first.path.parents[1] / "en" / first.session_id / "review.html"
        and (english.path.parent / "run.json").exists()
    )
    for page, other in ((first.path, english.path), (english.path, first.path)):
        (link,) = re.findall(r'<a href="([^"#]+)" hreflang', page.read_text(encoding="utf-8"))
        assert (page.parent / link).resolve() == other.resolve()
    linked = first.path.read_bytes()
    assert linked != alone and reviewed().status == reviewed(lang="en").status == "unchanged"
    assert reviewed(force=True).status == "published" and first.path.read_bytes() == linked


def test_an_edited_plan_runs_the_last_step_only(reviewed, first, own_workspace):
    (own_workspace / "plans" / "20200101-0000-douyin-0000.csv").write_text(
        "plan_id\n", encoding="utf-8"
    )
    assert reviewed().status == "published"
    record = json.loads((first.path.parent / "run.json").read_text(encoding="utf-8"))
    assert [name for name in record["seconds"] if name != "total"] == ["06_plan"]


def test_newer_cases_run_only_what_reads_them(reviewed, first, own_workspace):
    """The export of cases changes: all that reads them runs again, the split does not."""
    workspace = clean.Workspace.open(own_workspace)
    files = clean.read_table(workspace, "files")
    (name,) = files.loc[files["table"] == "aftersales", "file"].unique()
    path = own_workspace / name if (own_workspace / name).exists() else workspace.raw / name
    path.write_bytes(b"\n".join(path.read_bytes().splitlines()[:-5]) + b"\n")
    clean.ingest(workspace)
    assert reviewed().status == "published"
    record = json.loads((first.path.parent / "run.json").read_text(encoding="utf-8"))
    assert [name for name in record["seconds"] if name != "total"] == [
        "01_clean",
        "02_funnel",
        "03_compare",
        "05_aftersales",
        "06_plan",
    ]
    assert reviewed().status == "unchanged"


@pytest.mark.parametrize("name", steps.BEFORE_AFTERSALES)
def test_the_steps_before_after_sales_read_nothing_of_it(name):
    source = (places.PROJECT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8")
    assert (
        not [table for table in clean.AFTER if f'\\"{table}\\"' in source] and "as_of" not in source
    )


def test_pending_knows_when_after_sales_need_another_look():
    start = pd.Timestamp("2026-11-01 20:00", tz="Asia/Shanghai")
    day = pd.Timedelta(days=1)
    known = pd.DataFrame(
        {
            "session_id": list("abcde"),
            "started_at": [
                start - 40 * day,
                start - 20 * day,
                start - 8 * day,
                start - 8 * day,
                start,
            ],
        }
    )

    def page(seen):
        return {"status": "published", "as_of": seen.isoformat()}

    def due(as_of, **changed):
        done = {
            "a": page(start),
            "b": page(start - 18 * day),
            "c": page(start - 6 * day),
            "d": page(start),
        } | changed
        return records.due(known, done, as_of=as_of, recent_days=14, ages=[7, 15, 30])

    # b passed day 7 and 15 since its page, c day 7; a was last seen after day 30, d after day 7; e
    # has no page yet
    assert due(start + day) == ["b", "c", "e"]
    assert due(start - 5 * day) == ["b", "e"], "c had not been seven days old by the newest data"
    assert due(start + day, b=page(start + day), c=page(start + day), e=page(start + day)) == []
    assert due(start + 31 * day, **{name: page(start + day) for name in "abcde"}) == [
        "b",
        "c",
        "d",
        "e",
    ]
    assert due(pd.NaT, e=page(start)) == [] and due(
        start, c={"status": "published"}, b=page(start), e=page(start)
    ) == ["c"]
    assert due(start, b=page(start), c={**page(start), "failed": {}}, e=page(start)) == ["c"], (
        "a failed run is tried again while it is recent"
    )


def test_a_page_of_half_a_file_is_due_once_the_rest_is_there():
    sessions = pd.DataFrame(
        {"session_id": ["a", "b"], "started_at": [pd.Timestamp("2026-11-10 20:00", tz="UTC")] * 2}
    )
    page = {"status": "published", "as_of": "2026-11-11T00:00:00+00:00"}
    runs = {"a": {**page, "cut": ["orders.csv"]}, "b": page}

    def due(cut):
        as_of = pd.Timestamp("2026-11-11", tz="UTC")
        return records.due(sessions, runs, as_of=as_of, recent_days=14, ages=[7], cut=cut)

    assert due({"orders.csv"}) == []
    assert due(set()) == ["a"]


PLAN = """from helpers.plan import plan_file
row = {
    "plan_id": "P-1",
    "session_id": review.session_id,
    "problem": "a",
    "action": "b",
    "owner_role": "host",
    "metric": "follow_rate",
    "status": "open",
}
rows = plan_file.load(review.plans_out, review.session_id, registry=review.registry).rows
plan_file.write(
    plan_file.merge(plan_file.frame([row]), rows),
    review.plans_out,
    review.session_id,
    lang="zh",
    sheets={},
    registry=review.registry,
)"""


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.usefixtures("first")
def test_a_refused_run_leaves_the_plans_as_they_were_and_a_published_one_writes_them(
    reviewed, own_workspace, small_chain, monkeypatch
):
    nbformat.write(small_notebook("06_plan", PLAN), small_chain / "06_plan.ipynb")
    before = contents(own_workspace / "plans")

    def refuse(*args, **options):
        raise gate.GateError("page not published: a phone number")

    with monkeypatch.context() as patch:
        patch.setattr(chain.report, "publish", refuse)
        assert reviewed().status == "failed"
    assert contents(own_workspace / "plans") == before
    outcome = reviewed()
    assert outcome.status == "published", outcome.message
    assert set(contents(own_workspace / "plans")) == {
        *before,
        f"{outcome.session_id}.csv",
        f"{outcome.session_id}.xlsx",
    }
    assert not (outcome.path.parent / "plans").exists() and reviewed().status == "unchanged"
    plan_file.write_csv(
        plan_file.read(
            own_workspace / "plans" / f"{outcome.session_id}.csv", registry=reference.registry()
        ).rows.assign(note="x"),
        own_workspace / "plans" / f"{outcome.session_id}.csv",
    )
    assert reviewed().status == "published"


@pytest.mark.usefixtures("first")
def test_a_plan_saved_while_the_review_runs_is_not_overwritten(
    reviewed, own_workspace, small_chain
):
    late = (
        "import os\npath = review.workspace.plans / "
        'f"{review.session_id}.csv"\npath.write_text("edited")\nos.utime(path, '
        "(path.stat().st_mtime + 60,) * 2)"
    )
    nbformat.write(small_notebook("06_plan", PLAN, late), small_chain / "06_plan.ipynb")
    outcome = reviewed()
    assert outcome.status == "failed" and "saved while the review ran" in outcome.message
    assert (own_workspace / "plans" / f"{outcome.session_id}.csv").read_text() == "edited"


def test_a_notebook_opened_by_hand_writes_into_the_workspace(own_workspace, tmp_path):
    by_hand = open_review(data_dir=own_workspace, reports_dir=tmp_path / "hand", notebook="06_plan")
    in_a_run = open_review(
        data_dir=own_workspace, reports_dir=tmp_path / "reports" / clean.WORK, notebook="06_plan"
    )
    assert (
        by_hand.plans_out == own_workspace / "plans"
        and in_a_run.plans_out == in_a_run.out_dir / "plans"
    )


def test_a_parameter_runs_its_notebook_and_those_after_it(reviewed, first):
    assert reviewed(given={"confidence": 0.9}).status == "published"
    record = json.loads((first.path.parent / "run.json").read_text(encoding="utf-8"))
    assert [name for name in record["seconds"] if name != "total"] == list(steps.ORDER[2:])
    assert record["parameters"] == {"confidence": 0.9}


def test_a_failing_notebook_leaves_the_last_report_and_keeps_its_own(reviewed, first, small_chain):
    page = first.path.read_bytes()
    nbformat.write(
        small_notebook("04_split", "raise ValueError('no such step')"),
        small_chain / "04_split.ipynb",
    )
    failed = reviewed()
    assert failed.status == "failed"
    assert "04_split" in failed.message and "ValueError: no such step" in failed.message
    assert first.path.read_bytes() == page
    kept = nbformat.read(failed.path / "notebooks" / "04_split.ipynb", as_version=4)
    assert any(
        output.output_type == "error"
        for cell in kept.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    )
    assert not (failed.path / "review.html").exists()
    assert (
        records.published(first.path.parents[1])[failed.session_id]["failed"]["message"]
        == failed.message
    )
    shutil.copy(small_chain / "05_aftersales.ipynb", small_chain / "04_split.ipynb")
    nbformat.write(small_notebook("04_split"), small_chain / "04_split.ipynb")
    assert reviewed().status in ("published", "unchanged") and not failed.path.exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [("import os; os._exit(3)", "DeadKernelError"), ("import sys; sys.exit(2)", "SystemExit")],
    ids=["the kernel dies", "the notebook exits"],
)
def test_a_kernel_that_ends_is_a_failure_not_a_traceback(reviewed, small_chain, code, message):
    nbformat.write(small_notebook("02_funnel", code), small_chain / "02_funnel.ipynb")
    outcome = reviewed()
    assert outcome.status == "failed" and message in outcome.message


def test_an_error_while_publishing_is_a_failure_not_a_traceback(reviewed, first, monkeypatch):
    page = first.path.read_bytes()

    def broken(*args, **options):
        raise KeyError("nothing\nof the kind")

    monkeypatch.setattr(chain.report, "publish", broken)
    outcome = reviewed(force=True)
    assert (
        outcome.status == "failed" and "KeyError" in outcome.message and "\n" not in outcome.message
    )
    assert first.path.read_bytes() == page and "Traceback" in (
        outcome.path / "error.txt"
    ).read_text(encoding="utf-8")


def test_a_report_set_aside_by_a_run_that_was_killed_comes_back(reviewed, first):
    final = first.path.parent
    final.rename(final.parent / ".work" / f"{final.name}.old")
    assert reviewed().status == "unchanged" and first.path.exists()


@pytest.mark.usefixtures("first")
def test_a_notebook_that_never_finishes_its_review_is_not_published(reviewed, small_chain):
    unfinished = small_notebook("05_aftersales")
    unfinished.cells.pop()
    nbformat.write(unfinished, small_chain / "05_aftersales.ipynb")
    outcome = reviewed()
    assert outcome.status == "failed" and "05_aftersales" in outcome.message


def test_one_notebook_does_not_see_the_names_of_another(reviewed, small_chain):
    nbformat.write(small_notebook("01_clean", "leftover = 1"), small_chain / "01_clean.ipynb")
    nbformat.write(
        small_notebook("02_funnel", "assert 'leftover' not in dir()"),
        small_chain / "02_funnel.ipynb",
    )
    assert reviewed().status == "published"


def test_a_notebook_opened_by_hand_first_runs_those_before_it(
    own_workspace, small_chain, tmp_path, capsys
):
    review = open_review(data_dir=own_workspace, reports_dir=tmp_path / "hand", notebook="04_split")
    chain.bring_up_to_date(review)
    assert sorted(path.stem for path in (review.out_dir / "findings").iterdir()) == list(
        steps.ORDER[:3]
    )
    said = capsys.readouterr().out.splitlines()
    assert said == [f"先跑 {name}（{n}/3）……" for n, name in enumerate(steps.ORDER[:3], 1)]
    stamps = [path.stat().st_mtime_ns for path in sorted((review.out_dir / "findings").iterdir())]
    chain.bring_up_to_date(review)
    assert capsys.readouterr().out == ""
    assert stamps == [
        path.stat().st_mtime_ns for path in sorted((review.out_dir / "findings").iterdir())
    ]


def test_the_kernel_is_this_environment(monkeypatch, tmp_path):
    """A kernel of the same name on JUPYTER_PATH must not take the place of this one."""
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    (spec / "kernel.json").write_text(
        json.dumps({"argv": ["/bin/false"], "display_name": "other", "language": "python"})
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with kernel.kernel() as manager:
        client = manager.blocking_client()
        client.start_channels()
        client.wait_for_ready(timeout=60)
        client.stop_channels()


def test_kernels_that_run_at_once_do_not_share_a_socket():
    with kernel.kernel() as first, kernel.kernel() as second:
        for manager, number in ((first, "1"), (second, "2")):
            client = manager.blocking_client()
            client.start_channels()
            client.wait_for_ready(timeout=60)
            assert (
                client.execute(f"mine = {number}", reply=True, timeout=60)["content"]["status"]
                == "ok"
            )
            client.stop_channels()
        folders = {Path(manager.ip).parent for manager in (first, second)}
    assert len(folders) == 2 and not any(folder.exists() for folder in folders)


def test_the_gate_error_is_the_one_that_the_runner_catches():
    assert issubclass(gate.GateError, Exception) and chain.report.GateError is gate.GateError


def test_an_executed_notebook_holds_no_path_of_the_machine(tmp_path, monkeypatch):
    shop, reports = tmp_path / "张三的店" / "data", tmp_path / "reports"
    told = [
        "import sys, tempfile, warnings\nfrom pathlib import Path\nimport helpers",
        "print(data_dir, Path.cwd(), reports_dir + '/x', helpers.__file__, sys.executable)",
        "print('file:/', Path.home(), tempfile.gettempdir() + '/y', '1/tmp/2')",
        "warnings.warn('old')\n(data_dir, Path(reports_dir))",
        "from helpers.core import text\ntext.choose(data_dir, '', '')",
    ]
    first = nbformat.v4.new_code_cell(PARAMETERS, metadata={"tags": ["parameters"]})
    cells = [first, *map(nbformat.v4.new_code_cell, told)]
    kernelspec = {"name": "python3", "display_name": "p", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernelspec})
    nbformat.write(notebook, tmp_path / "told.ipynb")
    monkeypatch.setattr(places, "NOTEBOOKS", tmp_path)
    values = {"session_id": "s", "data_dir": str(shop), "reports_dir": str(reports), "lang": "zh"}
    with kernel.kernel() as manager, pytest.raises(kernel.NotebookFailed, match="张三的店"):
        kernel.run_notebook("told", tmp_path / "out.ipynb", values, manager)
    executed = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    written = json.dumps(executed, ensure_ascii=False)
    for folder in (tmp_path, places.PROJECT, sys.prefix, Path.home(), tempfile.gettempdir()):
        assert f'{folder}"' not in written and f"{folder}/" not in written.replace("1/tmp/2", "")
    assert "张三" not in written and "1/tmp/2" in written
    assert "…/helpers/core/text.py" in written, "where an error is stays readable"
    injected = [cell for cell in executed.cells if "injected-parameters" in cell.metadata.tags]
    assert injected[0].source.splitlines() == ["# Parameters", 'session_id = "s"', 'lang = "zh"']
    assert executed.metadata.papermill.parameters == {"session_id": "s", "lang": "zh"}
