"""The plan file: what is written is read back, edits survive, errors name file, row and column, nothing runs in Excel."""

import io
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import planfile

ROW = {
    "plan_id": "P-1", "session_id": "20261110-2000-douyin-5435", "dimension": "fans", "problem": "新增粉丝少", "evidence": "转粉率 1.1%，基线 1.2%",
    "cause": "引导关注太少", "action": "每 10 分钟引导一次", "owner_role": "host", "metric": "follow_rate", "baseline": 0.0121, "least_effect": 0.1,
    "sessions": 4.0, "money_at_stake": 1800.0, "effort": "low", "status": "open", "note": "",
}


def plan(*changes):
    return planfile.frame([{**ROW, **change} for change in changes or ({},)])


def file(tmp_path, content, encoding="utf-8-sig", name="s.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


def header(*columns):
    return ",".join(columns or planfile.COLUMNS) + "\n"


LINE = "P-1,s1,fans,,问题,证据,原因,动作,{owner},,follow_rate,,0.01,0.1,{sessions},100,low,{status},备注\n"


# ------------------------------------------------------------------------------------------------------ there and back


def test_what_is_written_is_read_back(tmp_path):
    rows = plan({}, {"plan_id": "P-2", "note": "逗号, 引号\" 与\n换行", "money_at_stake": np.nan, "status": "done"})
    path = planfile.write_csv(rows, tmp_path / "plans" / "s.csv")
    pd.testing.assert_frame_equal(planfile.read(path), rows)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [name.name for name in path.parent.iterdir()] == ["s.csv"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(note=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30), start=st.sampled_from(["", "=", "+", "-", "@", "'", "'="]))
def test_any_note_survives_and_no_cell_starts_a_formula(tmp_path, note, start):
    written = (start + note).strip()
    path = planfile.write_csv(plan({"note": written}), tmp_path / "s.csv")
    assert planfile.read(path)["note"][0] == written
    cell = planfile.safe(written)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(("encoding", "delimiter"), [("utf-8-sig", ","), ("utf-8", ";"), ("gb18030", ","), ("gb18030", "\t")])
def test_what_spreadsheet_programs_make_of_it_is_read(tmp_path, encoding, delimiter):
    content = (header() + LINE.format(owner="host", status="done", sessions=4)).replace(",", delimiter)
    made = planfile.read(file(tmp_path, content, encoding)).iloc[0]
    assert (made["problem"], made["owner_role"], made["status"], made["sessions"]) == ("问题", "host", "done", 4)


def test_headers_and_choices_may_be_labels_of_either_language(tmp_path):
    zh = [planfile.LABELS[column][0] for column in planfile.COLUMNS]
    content = header(*zh) + LINE.format(owner="主播", status="Done", sessions=4)
    made = planfile.read(file(tmp_path, content)).iloc[0]
    assert (made["owner_role"], made["status"]) == ("host", "done")


def test_a_row_added_by_hand_needs_only_what_matters(tmp_path):
    content = header("session_id", "problem", "action", "owner_role", "metric", "status") + "s1,问题,动作,host,follow_rate,open\n\n"
    made = planfile.read(file(tmp_path, content))
    assert len(made) == 1 and made["plan_id"][0].startswith("H-")


def test_no_file_is_an_empty_plan(tmp_path):
    assert planfile.read(tmp_path / "none.csv").empty


@pytest.mark.parametrize(("content", "message"), [
    (header() + LINE.format(owner="boss", status="done", sessions=4), r"s\.csv: row 2, owner_role: found 'boss', expected one of host, "),
    (header() + LINE.format(owner="host", status="ready", sessions=4), r"s\.csv: row 2, status: found 'ready', expected one of open, done, dropped"),
    (header() + LINE.format(owner="host", status="", sessions=4), r"s\.csv: row 2, status: empty, a value is needed"),
    (header() + LINE.format(owner="host", status="done", sessions="four"), r"s\.csv: row 2, sessions: found 'four', expected a number"),
    (header() + LINE.format(owner="host", status="done", sessions=4) * 2, r"s\.csv: plan_id P-1 occurs more than once"),
    (header("plan_id", "problem"), r"s\.csv: row 1: column session_id, action, owner_role, metric, status is missing"),
    (header() + LINE.format(owner="host", status="done", sessions=4).strip() + ",more\n", r"s\.csv: row 2: 20 cells, the header has 19"),
    ("", r"s\.csv: empty"),
])
def test_errors_name_file_row_and_column(tmp_path, content, message):
    with pytest.raises(planfile.PlanFileError, match=message):
        planfile.read(file(tmp_path, content))


def test_empty_cells_behind_a_row_and_unicode_text_are_read(tmp_path):
    line = LINE.format(owner="host", status="done", sessions=4).strip()
    assert len(planfile.read(file(tmp_path, header() + line + ",,,\n"))) == 1
    assert len(planfile.read(file(tmp_path, header() + line, encoding="utf-16"))) == 1


def test_a_quotation_mark_without_a_partner_is_named(tmp_path):
    with pytest.raises(planfile.PlanFileError, match=r"s\.csv: .*quotation mark"):
        planfile.read(file(tmp_path, header() + '"' + "x" * 140_000))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "s.csv").write_bytes(b"PK\x03\x04\xff\xff\x81")
    with pytest.raises(planfile.PlanFileError, match=r"s\.csv"):
        planfile.read(tmp_path / "s.csv")


# --------------------------------------------------------------------------------------------------------------- edits


def test_edits_survive_a_new_run():
    old = plan({"owner_role": "planning", "note": "周五前", "due_session": "20261112-2000-douyin-5435", "effort": "high"})
    made = planfile.merge(plan({"evidence": "新证据", "money_at_stake": 2000.0}), old).iloc[0]
    assert made[list(planfile.EDITED)].tolist() == old.iloc[0][list(planfile.EDITED)].tolist()
    assert made["evidence"] == "新证据" and made["money_at_stake"] == 2000


def test_what_was_done_is_not_rewritten():
    old = plan({"status": "done", "evidence": "当时的证据"})
    pd.testing.assert_frame_equal(planfile.merge(plan({"evidence": "新证据"}), old), old)


def test_rows_that_no_run_makes_any_more_stay_only_where_somebody_cared():
    old = plan({"plan_id": "P-gone"}, {"plan_id": "P-noted", "note": "试过"}, {"plan_id": "P-done", "status": "done"}, {"plan_id": "H-own"})
    assert planfile.merge(plan({}), old)["plan_id"].tolist() == ["P-1", "P-noted", "P-done", "H-own"]


def test_merging_twice_changes_nothing():
    old = plan({"note": "x"}, {"plan_id": "H-own"})
    once = planfile.merge(plan({}), old)
    pd.testing.assert_frame_equal(planfile.merge(plan({}), once), once)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = planfile.write_csv(plan({}), tmp_path / "s.csv")
    before = path.read_bytes()
    monkeypatch.setattr(planfile.Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError()))
    with pytest.raises(planfile.PlanFileError, match="open in a spreadsheet program"):
        planfile.write_csv(plan({"note": "neu"}), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_earlier_plans_are_those_of_sessions_before(tmp_path):
    sessions = pd.DataFrame({"session_id": ["a", "b", "c"], "started_at": pd.date_range("2026-11-01", periods=3, tz="Asia/Shanghai")})
    for name in "abc":
        planfile.write_csv(plan({"plan_id": f"P-{name}", "session_id": name}), tmp_path / f"{name}.csv")
    assert planfile.read_earlier(tmp_path, sessions, "c")["plan_id"].tolist() == ["P-b", "P-a"]


# --------------------------------------------------------------------------------------------------------------- Excel


@pytest.mark.parametrize(("lang", "role", "header_cell"), [("zh", "主播", "编号"), ("en", "Host", "Plan ID")])
def test_excel_has_drop_downs_a_frozen_header_and_only_text(tmp_path, lang, role, header_cell):
    rows = plan({"note": "=HYPERLINK(\"http://x\")", "action": "@cmd"})
    path = planfile.write_xlsx(rows, tmp_path / "plan.xlsx", lang=lang, sheets={"5W2H 1": pd.DataFrame({"a": ["=1+1"], "b": [np.nan]})})
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet["A1"].value == header_cell and sheet.freeze_panes == "B2"
    assert sheet.cell(2, planfile.COLUMNS.index("owner_role") + 1).value == role
    lists = {str(one.sqref).split(":")[0]: one.formula1 for one in sheet.data_validations.dataValidation}
    assert len(lists) == len(planfile.CHOICES) and any(role in choices for choices in lists.values())
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as book:
        assert not any(b"<f>" in book.read(name) for name in book.namelist() if "worksheets" in name and name.endswith(".xml"))


def test_the_same_plan_gives_the_same_bytes(tmp_path):
    first, second = (planfile.write_xlsx(plan({}), tmp_path / name, lang="zh").read_bytes() for name in ("a.xlsx", "b.xlsx"))
    assert first == second
