"""The plan file: what is written is read back, edits survive, errors name file, row and column,
nothing runs in Excel.
"""

import datetime as dt
import io
import os
import pathlib
import time
import zipfile

import numpy as np
import openpyxl
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import reference
from helpers.plan import plan_file
from tests.clean.test_reader_process import far_cell

REGISTRY = reference.registry()
ROW = {
    "plan_id": "P-1",
    "session_id": "20261110-2000-douyin-5435",
    "dimension": "fans",
    "problem": "新增粉丝少",
    "evidence": "转粉率 1.1%，基线 1.2%",
    "cause": "引导关注太少",
    "action": "每 10 分钟引导一次",
    "owner_role": "host",
    "metric": "follow_rate",
    "baseline": 0.0121,
    "least_effect": 0.1,
    "sessions": 4.0,
    "money_at_stake": 1800.0,
    "effort": "low",
    "status": "open",
    "note": "",
}


def plan(*changes):
    return plan_file.frame([{**ROW, **change} for change in changes or ({},)])


def file(tmp_path, content, encoding="utf-8-sig", name="s.csv"):
    path = tmp_path / name
    path.write_bytes(content.encode(encoding))
    return path


def header(*columns):
    return ",".join(columns or plan_file.LABELS) + "\n"


LINE = (
    "P-1,s1,fans,,问题,证据,原因,动作"
    ",{owner},,follow_rate,,0.01,0.1,{sessions},100,low,{status},备注,,,,\n"
)


# ---------------------------------------------------------------------------------- there and back


def test_what_is_written_is_read_back(tmp_path):
    rows = plan(
        {},
        {
            "plan_id": "P-2",
            "note": '逗号, 引号" 与\n换行',
            "money_at_stake": np.nan,
            "status": "done",
        },
    )
    path = plan_file.write_csv(rows, tmp_path / "plans" / "s.csv")
    pd.testing.assert_frame_equal(plan_file.read(path, registry=REGISTRY).rows, rows)
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    assert [name.name for name in path.parent.iterdir()] == ["s.csv"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    note=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=30),
    start=st.sampled_from(["", "=", "+", "-", "@", "'", "'="]),
)
def test_any_note_survives_and_no_cell_starts_a_formula(tmp_path, note, start):
    written = (start + note).strip()
    path = plan_file.write_csv(plan({"note": written}), tmp_path / "s.csv")
    assert plan_file.read(path, registry=REGISTRY).rows["note"][0] == written
    cell = plan_file.safe(written)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8-sig", ","), ("utf-8", ";"), ("gb18030", ","), ("gb18030", "\t")],
)
def test_what_spreadsheet_programs_make_of_it_is_read(tmp_path, encoding, delimiter):
    content = (header() + LINE.format(owner="host", status="done", sessions=4)).replace(
        ",", delimiter
    )
    made = plan_file.read(file(tmp_path, content, encoding), registry=REGISTRY).rows.iloc[0]
    assert (made["problem"], made["owner_role"], made["status"], made["sessions"]) == (
        "问题",
        "host",
        "done",
        4,
    )


def test_headers_and_choices_may_be_labels_of_either_language(tmp_path):
    zh = [plan_file.LABELS[column][0] for column in plan_file.LABELS]
    content = header(*zh) + LINE.format(owner="主播", status="Done", sessions=4)
    made = plan_file.read(file(tmp_path, content), registry=REGISTRY).rows.iloc[0]
    assert (made["owner_role"], made["status"]) == ("host", "done")


def test_a_row_added_by_hand_needs_only_what_matters(tmp_path):
    content = (
        header("session_id", "problem", "action", "owner_role", "metric", "status")
        + "s1,问题,动作,host,follow_rate,open\n\n"
    )
    made = plan_file.read(file(tmp_path, content), registry=REGISTRY).rows
    assert len(made) == 1 and made["plan_id"][0].startswith("H-")


def test_no_file_is_an_empty_plan(tmp_path):
    assert plan_file.read(tmp_path / "none.csv", registry=REGISTRY).rows.empty


@pytest.mark.parametrize(
    ("content", "place", "found", "expected"),
    [
        (
            header() + LINE.format(owner="boss", status="done", sessions=4),
            (2, "owner_role"),
            "boss",
            "one of host, assistant_host",
        ),
        (
            header() + LINE.format(owner="host", status="ready", sessions=4),
            (2, "status"),
            "ready",
            "one of open, done, dropped",
        ),
        (
            header() + LINE.format(owner="host", status="", sessions=4),
            (2, "status"),
            "",
            "a value is needed",
        ),
        (
            header() + LINE.format(owner="host", status="done", sessions="four"),
            (2, "sessions"),
            "four",
            "a number",
        ),
        (
            header() + LINE.format(owner="host", status="done", sessions=4) * 2,
            (3, "plan_id"),
            "P-1",
            "one line per id",
        ),
        (
            header() + LINE.format(owner="host", status="done", sessions=4).strip() + ",more\n",
            (2, ""),
            "24",
            "23 cells",
        ),
    ],
)
def test_a_broken_cell_is_kept_aside_and_the_good_lines_go_on(
    tmp_path, content, place, found, expected
):
    good = LINE.format(owner="planning", status="dropped", sessions=2).replace("P-1", "P-2")
    rows, aside = plan_file.read(file(tmp_path, content + good), registry=REGISTRY)
    assert (aside.loc[0, "row"], aside.loc[0, "column"]) == place and len(aside) == 1
    assert (
        (aside.loc[0, "file"], aside.loc[0, "found"]) == ("s.csv", found)
        and expected in aside.loc[0, "expected_en"]
        and aside.loc[0, "expected_zh"]
    )
    assert rows.set_index("plan_id").loc["P-2", ["owner_role", "status"]].tolist() == [
        "planning",
        "dropped",
    ]


@pytest.mark.parametrize("phone", ["13812345678", "138-1234-5678", "138 1234 5678"])
def test_what_was_typed_into_a_plan_is_shown_masked(tmp_path, phone):
    good = LINE.format(owner="host", status="open", sessions=4)
    bad = LINE.format(owner=f"ask {phone}", status=f"ask {phone}", sessions=f"ask {phone}")
    last = good.strip().replace("P-1", "P-2") + "\n"
    content = header().strip() + f",call {phone}\n" + bad + last.replace("\n", ",x\n")
    _, aside = plan_file.read(file(tmp_path, content), registry=REGISTRY)
    assert sorted(aside["found"]) == ["ask ***"] * 3 + ["call ***"]
    assert "call ***" in set(aside["column"])
    with pytest.raises(plan_file.PlanFileError, match=r"found plan_id, call \*\*\*$"):
        plan_file.read(file(tmp_path, f"plan_id,call {phone}\n"), registry=REGISTRY)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            header("plan_id", "problem"),
            r"s\.csv: row 1: column session_id, action, owner_role, metric, status is missing",
        ),
        ("", r"s\.csv: empty"),
    ],
)
def test_a_file_that_is_no_plan_is_refused(tmp_path, content, message):
    with pytest.raises(plan_file.PlanFileError, match=message):
        plan_file.read(file(tmp_path, content), registry=REGISTRY)


def test_a_line_by_hand_that_lacks_what_it_needs_is_left_out(tmp_path):
    content = (
        header("session_id", "problem", "action", "owner_role", "metric", "status")
        + "s1,问题,,host,follow_rate,open\ns1,问题,动作,host,转粉率,open\n"
    )
    rows, aside = plan_file.read(file(tmp_path, content), registry=REGISTRY)
    assert (
        rows["action"].tolist() == ["动作"]
        and rows["metric"].tolist() == ["follow_rate"]
        and aside["row"].tolist() == [2]
    )


def test_empty_cells_behind_a_row_and_unicode_text_are_read(tmp_path):
    line = LINE.format(owner="host", status="done", sessions=4).strip()
    assert (
        len(plan_file.read(file(tmp_path, header() + line + ",,,\n"), registry=REGISTRY).rows) == 1
    )
    assert (
        len(
            plan_file.read(
                file(tmp_path, header() + line, encoding="utf-16"), registry=REGISTRY
            ).rows
        )
        == 1
    )


def test_a_quotation_mark_without_a_partner_is_named(tmp_path):
    with pytest.raises(plan_file.PlanFileError, match=r"s\.csv: .*quotation mark"):
        plan_file.read(file(tmp_path, header() + '"' + "x" * 140_000), registry=REGISTRY)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "s.csv").write_bytes(b"PK\x03\x04\xff\xff\x81")
    with pytest.raises(plan_file.PlanFileError, match=r"s\.csv"):
        plan_file.read(tmp_path / "s.csv", registry=REGISTRY)


# ------------------------------------------------------------------------------------------- edits


def test_edits_survive_a_new_run():
    old = plan(
        {
            "owner_role": "planning",
            "note": "周五前",
            "due_session": "20261112-2000-douyin-5435",
            "effort": "high",
        }
    )
    made = plan_file.merge(plan({"evidence": "新证据", "money_at_stake": 2000.0}), old).iloc[0]
    assert made[list(plan_file.EDITED)].tolist() == old.iloc[0][list(plan_file.EDITED)].tolist()
    assert made["evidence"] == "新证据" and made["money_at_stake"] == 2000


def test_what_was_done_is_not_rewritten():
    old = plan({"status": "done", "evidence": "当时的证据"})
    pd.testing.assert_frame_equal(plan_file.merge(plan({"evidence": "新证据"}), old), old)


def test_rows_that_no_run_makes_any_more_stay_only_where_somebody_cared():
    old = plan(
        {"plan_id": "P-gone"},
        {"plan_id": "P-noted", "note": "试过"},
        {"plan_id": "P-done", "status": "done"},
        {"plan_id": "H-own"},
    )
    assert plan_file.merge(plan({}), old)["plan_id"].tolist() == [
        "P-1",
        "P-noted",
        "P-done",
        "H-own",
    ]


def test_every_line_that_counts_as_edited_stays():
    old = plan({"plan_id": "P-dated", "due_session": "2026-11-20"}, {"plan_id": "P-gone"})
    assert (
        set(plan_file.touched(old)["plan_id"])
        == {"P-dated"}
        <= set(plan_file.merge(plan({}), old)["plan_id"])
    )


def test_merging_twice_changes_nothing():
    old = plan({"note": "x"}, {"plan_id": "H-own"})
    once = plan_file.merge(plan({}), old)
    pd.testing.assert_frame_equal(plan_file.merge(plan({}), once), once)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = plan_file.write_csv(plan({}), tmp_path / "s.csv")
    before = path.read_bytes()
    monkeypatch.setattr(
        pathlib.Path, "replace", lambda *_: (_ for _ in ()).throw(PermissionError())
    )
    with pytest.raises(plan_file.PlanFileError, match="open in a spreadsheet program"):
        plan_file.write_csv(plan({"note": "neu"}), path)
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["s.csv"]


def test_earlier_plans_are_those_of_sessions_before(tmp_path):
    sessions = pd.DataFrame(
        {
            "session_id": ["a", "b", "c"],
            "started_at": pd.date_range("2026-11-01", periods=3, tz="Asia/Shanghai"),
        }
    )
    for name in "abc":
        plan_file.write_csv(
            plan({"plan_id": f"P-{name}", "session_id": name}), tmp_path / f"{name}.csv"
        )
    assert plan_file.earlier(tmp_path, sessions, "c", registry=REGISTRY).rows[
        "plan_id"
    ].tolist() == ["P-b", "P-a"]


# ----------------------------------------------------------------------- due on a day or a session


SESSIONS = pd.DataFrame(
    {
        "session_id": ["s1", "s2", "s3"],
        "started_at": pd.to_datetime(
            ["2026-11-10 20:00", "2026-11-12 20:00", "2026-11-14 20:00"]
        ).tz_localize("Asia/Shanghai"),
    }
)


@pytest.mark.parametrize(
    ("written", "kept", "expected"),
    [
        ("s2", "s2", None),
        ("2026-11-13", "2026-11-13", None),
        ("2026/11/13 0:00", "2026-11-13", None),
        ("2026年11月13日", "2026-11-13", None),
        ("2027-01-01", "2027-01-01", None),
        ("s9", "", "the id of a later session"),
        ("46339", "", "a date such as 2026-11-20"),
        ("11/13/2026", "", "a date such as"),
        ("2026-13-13", "", "a date such as"),
        ("s1", "", "a session after s1"),
        ("2026-11-09", "", "not before 2026-11-10"),
    ],
)
def test_a_due_session_is_a_later_one_or_a_day(tmp_path, written, kept, expected):
    line = LINE.format(owner="host", status="done", sessions=4).replace(
        "host,,follow_rate", f"host,{written},follow_rate"
    )
    rows, aside = plan_file.read(file(tmp_path, header() + line), SESSIONS, registry=REGISTRY)
    assert rows.loc[0, "due_session"] == kept and len(aside) == (expected is not None)
    assert expected is None or (
        expected in aside.loc[0, "expected_en"] and aside.loc[0, "found"] == written
    )


def test_a_day_means_the_first_session_from_then_on(tmp_path):
    plan_file.write_csv(
        plan(
            {"session_id": "s1", "due_session": "2026-11-11"},
            {"plan_id": "P-2", "session_id": "s1", "due_session": "2026-12-01"},
        ),
        tmp_path / "s1.csv",
    )
    assert plan_file.earlier(tmp_path, SESSIONS, "s3", registry=REGISTRY).rows[
        "due_session"
    ].tolist() == ["s2", "2026-12-01"]


def test_a_line_by_hand_is_judged_by_the_usual_figures(tmp_path):
    (tmp_path / "s1.csv").write_text(
        header("session_id", "problem", "action", "owner_role", "metric", "status")
        + "s1,问题,动作,host,follow_rate,done\n",
        encoding="utf-8",
    )
    assert plan_file.earlier(tmp_path, SESSIONS, "s3", registry=REGISTRY).rows.loc[
        0, ["least_effect", "sessions"]
    ].tolist() == [0.10, 3]


# ----------------------------------------------------------------------------- edits made in Excel


def handed_out(tmp_path, *changes, lang="zh"):
    """A plan written as a run writes it: the CSV and the Excel of session s1."""
    rows = plan(*[{"session_id": "s1", **change} for change in changes or ({},)])
    return plan_file.write(rows, tmp_path, "s1", lang=lang, sheets={}, registry=REGISTRY)


def in_excel(path, *cells, later=True, drop=None, append=None):
    """Change cells (row, column, value) as a person does in Excel, and save."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    for row, column, value in cells:
        sheet.cell(row, plan_file.COLUMNS.index(column) + 1).value = value
    for values in append or []:
        sheet.append([values.get(column) for column in plan_file.COLUMNS])
    if drop:
        sheet.delete_rows(drop)
    book.save(path)
    moved(path, 60 if later else -60)


def moved(path, seconds):
    stamp = path.stat().st_mtime + seconds
    os.utime(path, (stamp, stamp))


@pytest.mark.parametrize(
    ("lang", "role", "status"), [("zh", "策划", "已执行"), ("en", "Planning", "Done")]
)
def test_what_is_edited_in_excel_is_read(tmp_path, lang, role, status):
    path = handed_out(tmp_path, {}, {"plan_id": "P-2"}, lang=lang)
    before = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert before.aside.empty and before.rows["status"].tolist() == ["open", "open"]
    in_excel(
        path,
        (2, "owner_role", role),
        (2, "status", status),
        (3, "note", "=1+1 不是公式"),
        (2, "due_session", dt.datetime(2026, 11, 12)),
    )
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert aside.empty and rows["plan_id"].tolist() == ["P-1", "P-2"]
    assert rows.loc[0, ["owner_role", "status", "due_session", "metric", "baseline"]].tolist() == [
        "planning",
        "done",
        "2026-11-12",
        "follow_rate",
        0.0121,
    ]


def test_an_excel_alone_is_a_plan(tmp_path):
    path = handed_out(tmp_path, {}, {"plan_id": "P-2"})
    (tmp_path / "s1.csv").unlink()
    in_excel(path, (2, "status", "已执行"), (3, "owner_role", "老板"))
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert rows["status"].tolist() == ["done", "open"] and rows["owner_role"].tolist() == [
        "host",
        "host",
    ]
    assert aside[["file", "row", "column", "found"]].to_numpy().tolist() == [
        ["s1.xlsx", 3, "owner_role", "老板"]
    ]


def in_csv(path, **notes):
    """Write notes into the lines of a CSV as a person does in a text editor, by plan_id without
    its dash.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    place = plan_file.COLUMNS.index("note")
    for number, line in enumerate(lines):
        cells = line.split(",")
        cells[place] = notes.get(cells[0].replace("-", ""), cells[place])
        lines[number] = ",".join(cells)
    path.write_text("\n".join(lines), encoding="utf-8-sig")


def test_the_csv_is_a_copy_and_one_that_somebody_edited_is_named_and_not_taken(tmp_path):
    path = handed_out(tmp_path, {}, {"plan_id": "P-2"}, {"plan_id": "P-3"})
    in_csv(tmp_path / "s1.csv", P1="写在 CSV", P3="CSV 说")
    in_excel(path, (3, "note", "写在 Excel"), (4, "note", "Excel 说"))
    made, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert made["note"].tolist() == ["", "写在 Excel", "Excel 说"]
    assert aside["file"].tolist() == ["s1.csv"]
    assert "in the Excel" in aside.loc[0, "expected_en"] and "副本" in aside.loc[0, "expected_zh"]


@pytest.mark.parametrize("content", ["edited", "", "plan_id,note\nP-1,x\n"])
def test_a_copy_that_is_no_plan_any_more_does_not_stop_a_review(tmp_path, content):
    handed_out(tmp_path)
    (tmp_path / "s1.csv").write_text(content, encoding="utf-8")
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert len(rows) == 1 and aside["file"].tolist() == ["s1.csv"]


def test_a_copy_that_is_only_behind_the_excel_says_nothing(tmp_path):
    path = handed_out(tmp_path)
    for note in ("先写的", "后写的"):
        in_excel(path, (2, "note", note))
        assert plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY).aside.empty
        plan_file.refresh(tmp_path, tmp_path, SESSIONS, "s3", lang="zh", registry=REGISTRY)
        copy = plan_file.read(tmp_path / "s1.csv", registry=REGISTRY).rows
        assert copy["note"].tolist() == [note]
    in_excel(path, (2, "note", "又改"))
    assert plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY).aside.empty


def test_a_new_run_writes_the_copies_of_earlier_plans_anew_and_keeps_what_was_typed_into_them(
    tmp_path,
):
    plans, out = tmp_path / "plans", tmp_path / "work"
    path = handed_out(plans)
    in_excel(path, (2, "status", "已执行"))
    in_csv(plans / "s1.csv", P1="写错了地方")
    typed, edited = (plans / "s1.csv").read_bytes(), path.read_bytes()
    plan_file.refresh(plans, out, SESSIONS, "s3", lang="zh", registry=REGISTRY)
    assert [one.name for one in out.iterdir()] == ["s1.csv"]
    until = time.time() + 120
    plan_file.take_over(out, plans, since=until, registry=REGISTRY, sessions=SESSIONS)
    assert path.read_bytes() == edited
    copy = plan_file.read(plans / "s1.csv", registry=REGISTRY).rows
    assert copy[["status", "note"]].to_numpy().tolist() == [["done", ""]]
    assert typed in [one.read_bytes() for one in (plans / "kept").iterdir()]
    assert plan_file.load(plans, "s1", SESSIONS, registry=REGISTRY).aside.empty
    plan_file.refresh(plans, out, SESSIONS, "s3", lang="zh", registry=REGISTRY)
    assert not out.exists()  # nothing to write any more


def test_a_plan_without_its_excel_gets_one_from_its_csv(tmp_path):
    handed_out(tmp_path).unlink()
    in_csv(tmp_path / "s1.csv", P1="写在 CSV")
    assert plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY).rows["note"][0] == "写在 CSV"
    plan_file.refresh(tmp_path, tmp_path, SESSIONS, "s3", lang="zh", registry=REGISTRY)
    rows, aside = plan_file.read(tmp_path / "s1.xlsx", SESSIONS, registry=REGISTRY)
    assert rows["note"].tolist() == ["写在 CSV"] and aside.empty
    assert plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY).aside.empty


def test_a_plan_written_before_a_column_existed_is_read(tmp_path):
    """The Excel and the CSV of an earlier version: no hidden columns, and the CSV without a
    mark.
    """
    path = handed_out(tmp_path, {"parts": '{"1": "甲"}', "certainty": "found"})
    assert plan_file.read(path, registry=REGISTRY).rows.loc[0, "parts"] == '{"1": "甲"}'
    book = openpyxl.load_workbook(path)
    for sheet in book.worksheets:
        sheet.delete_cols(len(plan_file.LABELS) + 1, 99)
    book.save(path)
    lines = (tmp_path / "s1.csv").read_text(encoding="utf-8-sig").splitlines()
    (tmp_path / "s1.csv").write_text(
        "\n".join(",".join(line.split(",")[: len(plan_file.LABELS)]) for line in lines), "utf-8"
    )
    in_excel(path, (2, "note", "急"))
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert rows.loc[0, ["note", "parts", "certainty"]].tolist() == ["急", "", ""]
    assert aside["file"].tolist() == ["s1.csv"]  # without a mark it may have been edited
    assert len(plan_file.read(tmp_path / "s1.csv", registry=REGISTRY).rows) == 1


def test_what_is_for_the_next_review_alone_is_hidden_in_excel(tmp_path):
    sheet = openpyxl.load_workbook(handed_out(tmp_path)).worksheets[0]
    hidden = {
        sheet.cell(1, place).value
        for place in range(1, sheet.max_column + 1)
        if sheet.column_dimensions[openpyxl.utils.get_column_letter(place)].hidden
    }
    assert "certainty" in hidden and not hidden & {label[0] for label in plan_file.LABELS.values()}


def test_a_column_that_somebody_deleted_is_no_edit(tmp_path):
    path = handed_out(tmp_path, {"note": "留着", "due_session": "2026-11-12"})
    book = openpyxl.load_workbook(path)
    for column in ("note", "due_session"):
        book.worksheets[0].delete_cols(plan_file.COLUMNS.index(column) + 1)
    book.save(path)
    rows = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY).rows
    assert rows.loc[0, ["note", "due_session"]].tolist() == ["留着", "2026-11-12"]


@pytest.mark.parametrize(
    ("cell", "found", "expected"),
    [
        ((2, "owner_role", "老板"), "老板", "one of host"),
        ((2, "status", "差不多"), "差不多", "one of open, done, dropped"),
        ((2, "status", None), "", "a value is needed"),
        ((2, "due_session", 46339), "46339", "a date such as 2026-11-20"),
        ((2, "due_session", "s1"), "s1", "a session after s1"),
        ((2, "sessions", "四场"), "四场", "a number"),
        ((2, "least_effect", 0.5), "0.5", "fixed beforehand"),
        ((2, "metric", "互动率"), "interaction_rate", "follow_rate (what is fixed"),
    ],
)
def test_a_broken_edit_in_excel_is_named_and_the_rest_counts(tmp_path, cell, found, expected):
    path = handed_out(tmp_path, {}, {"plan_id": "P-2"})
    in_excel(path, cell, (2, "note", "照常"), (3, "status", "已放弃"))
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    was = plan({"session_id": "s1", "note": "照常"}).iloc[0]
    assert (
        rows.iloc[0][
            ["owner_role", "due_session", "metric", "least_effect", "sessions", "note"]
        ].tolist()
        == was[["owner_role", "due_session", "metric", "least_effect", "sessions", "note"]].tolist()
    )
    assert rows["status"].tolist() == ["open", "dropped"]
    assert len(aside) == 1 and aside.loc[0, "row"] == 2 and aside.loc[0, "column"] == cell[1]
    assert aside.loc[0, "found"] == found and expected in aside.loc[0, "expected_en"]


def test_a_line_deleted_or_doubled_in_excel_is_said_and_stays_once(tmp_path):
    path = handed_out(tmp_path, {}, {"plan_id": "P-2", "note": "留着"}, {"plan_id": "P-3"})
    in_excel(
        path,
        drop=3,
        append=[
            {
                "plan_id": "P-1",
                **{name: ROW[name] for name in plan_file.REQUIRED},
                "session_id": "s1",
            }
        ],
    )
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert (
        sorted(rows["plan_id"]) == ["P-1", "P-2", "P-3"]
        and rows.set_index("plan_id").loc["P-2", "note"] == "留着"
    )
    assert aside[["row", "found"]].to_numpy().tolist() == [[4, "P-1"], [3, "P-2"]]


def test_a_number_typed_as_text_is_a_number_and_a_line_added_in_excel_is_a_line(tmp_path):
    path = handed_out(tmp_path)
    in_excel(
        path,
        (2, "sessions", "4"),
        append=[
            {
                "session_id": "s1",
                "problem": "麦克风杂音",
                "action": "换麦",
                "owner_role": "助理",
                "metric": "人均观看时长",
                "status": "待执行",
                "sessions": "2",
            }
        ],
    )
    rows, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert (
        aside.empty
        and rows["sessions"].tolist() == [4, 2]
        and rows.loc[1, ["owner_role", "metric"]].tolist() == ["assistant", "avg_watch_seconds"]
    )


def test_edits_in_excel_survive_a_new_run_in_the_other_language(tmp_path):
    path = handed_out(tmp_path)
    in_excel(path, (2, "note", "周五前"), (2, "due_session", "2026-11-12"))
    merged = plan_file.merge(
        plan({"session_id": "s1", "evidence": "new evidence"}),
        plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY).rows,
    )
    plan_file.write(merged, tmp_path, "s1", lang="en", sheets={}, registry=REGISTRY)
    again, aside = plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)
    assert aside.empty and again.loc[0, ["note", "due_session", "evidence"]].tolist() == [
        "周五前",
        "2026-11-12",
        "new evidence",
    ]


@pytest.mark.parametrize("place", ['r="xfd1048576"', 'r=" XFD1048576 "'])
def test_a_workbook_that_would_fill_the_memory_is_refused(tmp_path, place):
    far_cell(tmp_path / "s1.xlsx", place)
    with pytest.raises(plan_file.PlanFileError, match=r"s1\.xlsx: cannot be read"):
        plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)


def test_a_csv_of_far_more_than_a_plan_is_refused(tmp_path):
    path = tmp_path / "s1.csv"
    path.write_bytes(header().encode() + b"x" * 20_000_000)
    with pytest.raises(plan_file.PlanFileError, match=r"s1\.csv: 20,000,\d+ bytes; expected"):
        plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)


def test_a_workbook_that_is_none_is_refused(tmp_path):
    (tmp_path / "s1.xlsx").write_bytes(b"PK\x03\x04 no workbook")
    with pytest.raises(plan_file.PlanFileError, match=r"s1\.xlsx: cannot be read"):
        plan_file.load(tmp_path, "s1", SESSIONS, registry=REGISTRY)


# -------------------------------------------------------------------------------------- taken over


def test_a_plan_written_by_a_run_takes_its_place_when_the_page_is_published(tmp_path):
    handed_out(tmp_path / "work")
    plan_file.take_over(tmp_path / "work", tmp_path / "plans", since=0.0, registry=REGISTRY)
    assert (
        sorted(path.name for path in (tmp_path / "plans").iterdir()) == ["s1.csv", "s1.xlsx"]
        and not (tmp_path / "work").exists()
    )
    plan_file.take_over(
        tmp_path / "work", tmp_path / "plans", since=0.0, registry=REGISTRY
    )  # a run that made no new plan changes nothing
    assert len(plan_file.load(tmp_path / "plans", "s1", registry=REGISTRY).rows) == 1


def test_what_cannot_be_taken_is_named_and_the_file_kept_as_it_was(tmp_path):
    handed_out(tmp_path / "plans")
    path = tmp_path / "plans" / "s1.xlsx"
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    places = {cell.value: cell.column for cell in sheet[1]}
    sheet.cell(2, places[plan_file.LABELS["action"][0]], "换个说法")
    sheet.cell(1, sheet.max_column + 1, "会议结论")
    sheet.cell(2, sheet.max_column, "下周再议")
    book.save(path)
    aside = plan_file.load(tmp_path / "plans", "s1", registry=REGISTRY).aside.set_index("column")
    assert (
        aside.loc["action", "found"] == "换个说法" and "备注" in aside.loc["action", "expected_zh"]
    )
    assert aside.loc["会议结论", "row"] == 1 and "没有读入" in aside.loc["会议结论", "expected_zh"]
    edited = path.read_bytes()
    handed_out(tmp_path / "work")
    plan_file.take_over(
        tmp_path / "work", tmp_path / "plans", since=time.time() + 60, registry=REGISTRY
    )
    kept = [one for one in (tmp_path / "plans" / "kept").iterdir() if one.suffix == ".xlsx"]
    assert len(kept) == 1 and kept[0].read_bytes() == edited and path.read_bytes() != edited
    assert plan_file.load(tmp_path / "plans", "s1", registry=REGISTRY).aside.empty


def test_a_due_date_that_only_the_sessions_refuse_is_kept_too(tmp_path):
    in_excel(handed_out(tmp_path / "plans"), (2, "due_session", "下周五"))
    handed_out(tmp_path / "work")
    plan_file.take_over(
        tmp_path / "work",
        tmp_path / "plans",
        since=time.time() + 60,
        sessions=SESSIONS,
        registry=REGISTRY,
    )
    assert len(list((tmp_path / "plans" / "kept").glob("*.xlsx"))) == 1


def test_an_edit_saved_while_the_review_ran_stops_it(tmp_path):
    began = time.time()
    edited = handed_out(tmp_path / "plans")
    moved(edited, 60)
    content = edited.read_bytes()
    handed_out(tmp_path / "work", {"note": "neu"})
    with pytest.raises(
        plan_file.PlanFileError, match=r"s1\.(csv|xlsx): saved while the review ran"
    ):
        plan_file.take_over(tmp_path / "work", tmp_path / "plans", since=began, registry=REGISTRY)
    assert edited.read_bytes() == content


# ------------------------------------------------------------------------------------------- Excel


@pytest.mark.parametrize(
    ("lang", "role", "header_cell"), [("zh", "主播", "编号"), ("en", "Host", "Plan ID")]
)
def test_excel_has_drop_downs_a_frozen_header_and_only_text(tmp_path, lang, role, header_cell):
    rows = plan({"note": '=HYPERLINK("http://x")', "action": "@cmd"})
    path = plan_file.write_xlsx(
        rows,
        tmp_path / "plan.xlsx",
        lang=lang,
        sheets={"5W2H 1": pd.DataFrame({"a": ["=1+1"], "b": [np.nan]})},
        registry=REGISTRY,
    )
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert sheet["A1"].value == header_cell and sheet.freeze_panes == "B2"
    assert sheet.cell(2, plan_file.COLUMNS.index("owner_role") + 1).value == role
    lists = {
        str(one.sqref).split(":")[0]: one.formula1 for one in sheet.data_validations.dataValidation
    }
    assert len(lists) == len(plan_file.CHOICES) and any(
        role in choices for choices in lists.values()
    )
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as book:
        assert not any(
            b"<f>" in book.read(name)
            for name in book.namelist()
            if "worksheets" in name and name.endswith(".xml")
        )


def test_the_same_plan_gives_the_same_bytes(tmp_path):
    first, second = (
        plan_file.write_xlsx(plan({}), tmp_path / name, lang="zh", registry=REGISTRY).read_bytes()
        for name in ("a.xlsx", "b.xlsx")
    )
    assert first == second


def test_the_next_session_is_laid_out_for_one_page(tmp_path):
    path = plan_file.write_xlsx(
        plan({}),
        tmp_path / "plan.xlsx",
        lang="en",
        sheets={
            "Next session": pd.DataFrame({"step": ["a"], "change": ["b"]}),
            "5W2H 1": pd.DataFrame({"aspect": ["c"]}),
        },
        first="Next session",
        registry=REGISTRY,
    )
    sheet, other = (openpyxl.load_workbook(path)[name] for name in ("Next session", "5W2H 1"))
    assert (
        sheet.page_setup.orientation == "landscape"
        and sheet.sheet_properties.pageSetUpPr.fitToPage
        and (sheet.page_setup.fitToWidth or 1, sheet.page_setup.fitToHeight or 1) == (1, 1)
    )
    assert sheet.print_area and sheet["A1"].value == "Stage" and not other.print_area
