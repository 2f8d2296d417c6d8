"""What was known when.

The newest export wins, what earlier ones said is kept, and nothing is counted twice.
"""

from __future__ import annotations

import os
import shutil

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import clean, reference
from helpers.clean import history
from helpers.clean.reader_process import Readers
from tests.made_files import in_english

ZONE = "Asia/Shanghai"
CASE = [
    "售后单号",
    "订单号",
    "商品单号",
    "售后申请时间",
    "售后类型",
    "售后状态",
    "退商品金额（元）",
]
EPOCH = 1_791_000_000  # 2026-10-03


def at(day: float) -> pd.Timestamp:
    return pd.Timestamp(EPOCH + day * 86400, unit="s", tz=ZONE)


def cases(folder, name, rows, day=None):
    """An after-sales export whose name is as given; `day` is the time of the file on disk."""
    path = folder / "raw" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(",".join(row) for row in [CASE, *rows]) + "\n", encoding="utf-8")
    if day is not None:
        os.utime(path, (EPOCH + day * 86400,) * 2)
    return path


def case(number, status="待商家处理", amount="10"):
    return [number, f"9{number}", f"8{number}", "2026-10-02 10:00:00", "未发货退款", status, amount]


def opened(folder):
    workspace = clean.Workspace.open(folder)
    files = clean.ingest(workspace)
    assert (
        files["rows_in"] == files["rows_kept"] + files["rows_totals"] + files["rows_aside"]
    ).all()
    return workspace


def known(workspace, as_of=None):
    frame = clean.read_table(workspace, "aftersales", as_of=as_of)
    return {row.case_id: (row.status, row.amount) for row in frame.itertuples()}


# ---- versions, against a second and dumber way

cells = st.one_of(st.none(), st.integers(0, 2))
exports = st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ab"), cells, cells), max_size=12)


def told(rows, moment):
    """The state of each key at a moment, row by row."""
    state = {}
    for since, key, one, two in sorted(rows, key=lambda row: row[0]):
        if since <= moment:
            old = state.get(key, (None, None))
            state[key] = (old[0] if one is None else one, old[1] if two is None else two)
    return state


@given(exports)
@settings(deadline=None, max_examples=150)
def test_at_every_moment_the_state_is_what_the_exports_until_then_said(rows):
    rows = sorted(rows, key=lambda row: row[0])
    frame = pd.DataFrame(rows, columns=["known_from", "key", "one", "two"]).astype(
        {"one": "float64", "two": "float64", "key": "str"}
    )
    frame["known_from"] = pd.Timestamp("2026-01-01") + pd.to_timedelta(
        frame["known_from"], unit="D"
    )
    now, earlier = history.versions(frame, ["key"])
    assert not now["key"].duplicated().any()
    for moment in range(-1, 6):
        then = history.as_known(
            now, earlier, pd.Timestamp("2026-01-01") + pd.Timedelta(days=moment)
        )
        assert not then["key"].duplicated().any()
        found = {
            row.key: tuple(None if pd.isna(cell) else cell for cell in (row.one, row.two))
            for row in then.itertuples()
        }
        assert found == told(rows, moment)
    told_twice = earlier.merge(now, on="key", suffixes=("", "_now"))
    assert (told_twice["known_from"] < told_twice["known_from_now"]).all() and (
        earlier["known_from"] < earlier["known_to"]
    ).all()


# ---- exports of a workspace


def test_the_newest_export_wins_and_what_was_known_before_is_kept(tmp_path):
    cases(
        tmp_path,
        f"{EPOCH + 14 * 86400}_c.csv",
        [case("1", "同意退款，退款成功", "9"), case("2"), case("3")],
    )
    cases(
        tmp_path, f"{EPOCH + 3 * 86400}_a.csv", [case("1"), case("2")], day=99
    )  # older, though its file is newer on disk
    cases(tmp_path, f"{EPOCH + 7 * 86400}_b.csv", [case("1", "售后关闭"), case("2")])
    workspace = opened(tmp_path)
    assert known(workspace) == {"1": ("succeeded", 9), "2": ("open", 10), "3": ("open", 10)}
    assert known(workspace, at(14)) == known(workspace)
    assert (
        known(workspace, at(7))
        == {"1": ("closed", 10), "2": ("open", 10)}
        == known(workspace, at(13.9))
    )
    assert known(workspace, at(3)) == {"1": ("open", 10), "2": ("open", 10)}
    assert known(workspace, at(2.9)) == {}
    first = clean.read_table(workspace, "aftersales").set_index("case_id")["known_from"]
    assert first.to_dict() == {
        "1": at(14),
        "2": at(3),
        "3": at(14),
    }  # since when it is known as it is


def test_a_file_whose_name_tells_nothing_is_as_old_as_it_is_on_disk(tmp_path):
    cases(tmp_path, "a.csv", [case("1", "售后关闭")], day=5)
    cases(tmp_path, "b.csv", [case("1")], day=3)
    workspace = opened(tmp_path)
    assert known(workspace) == {"1": ("closed", 10)} and known(workspace, at(4)) == {
        "1": ("open", 10)
    }
    assert (
        clean.read_table(workspace, "files")["as_of"].isna().all()
    )  # what the export does not state is not claimed


def test_a_column_that_states_the_time_of_the_export_counts_before_name_and_disk(tmp_path):
    (tmp_path / "reference" / "sources").mkdir(parents=True)
    (tmp_path / "reference" / "sources" / "own.yml").write_text(
        """
system: own
zh: 自有
en: Own
platform: douyin
where: {zh: 无, en: none}
exports:
  - id: cases
    zh: 售后
    en: Cases
    grade: unverified
    table: aftersales
    headers: [单号, 更新时间]
    constants: {platform: douyin}
    money_line: refunded goods
    columns:
      case_id: {from: 单号}
      asked_at: {from: 申请}
      amount: {from: 金额}
      as_of: {from: 更新时间}
""",
        encoding="utf-8",
    )
    (tmp_path / "raw").mkdir()
    for name, amount, moment in (
        (f"{EPOCH}_a.csv", 5, at(9)),
        (f"{EPOCH + 86400}_b.csv", 4, at(8)),
    ):
        (tmp_path / "raw" / name).write_text(
            f"单号,申请,金额,更新时间\n1,2026-10-02 10:00:00,{amount},{moment:%Y-%m-%d %H:%M:%S}\n",
            encoding="utf-8",
        )
    workspace = opened(tmp_path)
    assert clean.read_table(workspace, "aftersales")["amount"].tolist() == [5]
    assert clean.read_table(workspace, "aftersales", as_of=at(8.5))["amount"].tolist() == [4]
    assert sorted(clean.read_table(workspace, "files")["as_of"]) == [at(8), at(9)]


def test_a_session_counted_anew_keeps_what_was_counted_first(tmp_path):
    head = "平台,直播间账号,开播时间,观看人数,支付金额\n抖音,shop1,2026-10-01 20:00:00,"
    (tmp_path / "raw").mkdir()
    for day, numbers in ((1, "100,900"), (6, "100,870")):
        path = tmp_path / "raw" / f"场次{day}.csv"
        path.write_text(f"{head}{numbers}\n", encoding="utf-8")
        os.utime(path, (EPOCH + day * 86400,) * 2)
    workspace = opened(tmp_path)
    (name,) = clean.sessions(workspace)["session_id"]
    assert clean.read_table(workspace, "sessions", name)["paid_amount"].tolist() == [870]
    assert clean.read_table(workspace, "sessions", name, as_of=at(2))["paid_amount"].tolist() == [
        900
    ]


def test_the_same_bytes_under_another_name_change_nothing_and_are_not_read(tmp_path, monkeypatch):
    path = cases(tmp_path, "a.csv", [case("1"), case("2", amount="x")], day=3)
    workspace = opened(tmp_path)
    before = {
        path.relative_to(tmp_path): path.read_bytes()
        for path in (tmp_path / "clean" / "aftersales").glob("*")
    }
    aside = clean.read_table(workspace, "aside")
    shutil.copy(path, path.with_name("另存为.csv"))
    monkeypatch.setattr(Readers, "read", lambda *args, **options: pytest.fail("read again"))
    files = in_english(clean.ingest(workspace)).set_index("file")
    assert {
        path.relative_to(tmp_path): path.read_bytes()
        for path in (tmp_path / "clean" / "aftersales").glob("*")
    } == before
    pd.testing.assert_frame_equal(clean.read_table(workspace, "aside"), aside)
    assert (
        files.at["另存为.csv", "rows_in"] == 0
        and "the same bytes as a.csv" in files.at["另存为.csv", "problem"]
    )
    assert files["rows_in"].sum() == 2 and files["table"].notna().all()


def test_overlapping_exports_of_a_table_without_key_count_no_row_twice(tmp_path):
    (tmp_path / "raw").mkdir()
    lines = [
        f"2026-10-01 20:00:0{second},{words}"
        for second, words in ((1, "1"), (1, "1"), (2, "多少钱"), (3, "好看"), (4, "1"))
    ]
    for name, part in (("a.csv", lines[:3]), ("b.csv", lines[1:4]), ("c.csv", lines[3:])):
        (tmp_path / "raw" / name).write_text("\n".join(["时间,评论内容", *part]), encoding="utf-8")
    comments = clean.read_table(opened(tmp_path), "comments")
    assert sorted(
        f"{row.at:%Y-%m-%d %H:%M:%S},{row.text}" for row in comments.itertuples()
    ) == sorted(lines)


def test_with_the_last_export_of_a_table_goes_what_the_earlier_ones_said(tmp_path):
    """Also of a table that belongs to sessions, whose history is written apart."""
    (tmp_path / "raw").mkdir()
    start = "2026-10-01 20:00:00"
    (tmp_path / "raw" / "场次.csv").write_text(
        f"平台,直播间账号,开播时间,观看人数\n抖音,shop1,{start},90\n", encoding="utf-8"
    )
    sheet = reference.tables()["audience"].zh
    for day, viewers in ((2, 30), (4, 40)):
        path = tmp_path / "raw" / f"观众{day}.xlsx"
        row = {"session_started_at": start, "dimension": "性别", "group": "女", "viewers": viewers}
        pd.DataFrame([row]).to_excel(path, sheet_name=sheet, index=False)
        os.utime(path, (EPOCH + day * 86400,) * 2)
    workspace = opened(tmp_path)
    for day, viewers in ((3, 30), (5, 40)):
        assert clean.read_table(workspace, "audience", as_of=at(day))["viewers"].tolist() == [
            viewers
        ]
    for path in (tmp_path / "raw").glob("观众*"):
        path.unlink()
    opened(tmp_path)
    assert clean.read_table(workspace, "audience", as_of=at(3)).empty


def test_files_of_one_name_in_two_folders_are_two_files(tmp_path):
    cases(tmp_path, "九月/售后.csv", [case("1"), case("2", amount="x")], day=1)
    cases(
        tmp_path, "十月/售后.csv", [case("1", "售后关闭"), case("3", amount="x"), case("4")], day=4
    )
    workspace = opened(tmp_path)
    assert known(workspace) == {"1": ("closed", 10), "4": ("open", 10)} and known(
        workspace, at(2)
    ) == {"1": ("open", 10)}
    assert (
        sorted(clean.read_table(workspace, "files")["file"])
        == ["九月/售后.csv", "十月/售后.csv"]
        == sorted(clean.read_table(workspace, "aside")["file"])
    )


def test_a_file_taken_away_and_put_back_leaves_everything_as_it_was(tmp_path):
    cases(tmp_path, f"{EPOCH}_a.csv", [case("1"), case("2", amount="x")])
    path = cases(tmp_path, f"{EPOCH + 86400}_b.csv", [case("1", "售后关闭")])

    def everything():
        return {
            path.relative_to(tmp_path): path.read_bytes()
            for path in (tmp_path / "clean").rglob("*.parquet")
            if "readings" not in path.parts
        }

    workspace = opened(tmp_path)
    before = everything()
    path.rename(tmp_path / "elsewhere.csv")
    assert (
        known(opened(tmp_path)) == {"1": ("open", 10)}
        and not (workspace.clean / "history" / "aftersales.parquet").exists()
    )
    (tmp_path / "elsewhere.csv").rename(path)
    opened(tmp_path)
    assert everything() == before
