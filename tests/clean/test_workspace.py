"""The workspace on disk: read once, newest wins, nothing half-written, keys outside the data."""

from __future__ import annotations

import os
import shutil
import stat
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from helpers import clean, reference
from helpers.clean import data_quality, history, merge, tables
from helpers.clean.reader_process import Readers
from helpers.compare import ads_budget
from helpers.core import places
from helpers.review import choose_session, open_review


def refuse(*args, **kwargs):
    raise AssertionError("a raw file was read again")


def test_unchanged_files_are_not_read_again(own_workspace, monkeypatch):
    workspace = clean.Workspace.open(own_workspace)
    monkeypatch.setattr(Readers, "read", refuse)
    before = set(workspace.clean.rglob("*.parquet"))
    for path in workspace.raw.iterdir():  # all an hour on: which file is the newer one stays
        clock = path.stat().st_mtime_ns + 3600 * 10**9
        os.utime(path, ns=(clock, clock))
    files = clean.ingest(workspace)  # only the clocks of the files changed: their bytes are known
    assert len(files) and before == set(workspace.clean.rglob("*.parquet"))


def test_only_the_new_file_is_read(own_workspace, monkeypatch):
    workspace = clean.Workspace.open(own_workspace)
    seen = []
    real = Readers.read
    monkeypatch.setattr(
        Readers,
        "read",
        lambda readers, path, **options: seen.append(path.name) or real(readers, path, **options),
    )
    (workspace.raw / "随手记.csv").write_text("备注,数字\n好,1\n", encoding="utf-8")
    files = clean.ingest(workspace)
    assert seen == ["随手记.csv"]
    assert files.loc[files["file"] == "随手记.csv", "problem"].notna().all()


def test_a_file_taken_away_takes_its_rows_with_it(own_workspace):
    workspace = clean.Workspace.open(own_workspace)
    gone = clean.read_table(workspace, "aftersales")["source_file"].iloc[0]
    (workspace.raw / gone).unlink()
    clean.ingest(workspace)
    assert gone not in set(
        clean.read_table(workspace, "aftersales").get("source_file", pd.Series(dtype="str"))
    )
    assert gone not in set(clean.read_table(workspace, "files")["file"])


def test_reading_waits_for_the_lock(own_workspace):
    workspace = clean.Workspace.open(own_workspace)
    done = []
    with workspace.lock():
        thread = threading.Thread(
            target=lambda: done.append(len(clean.ingest(clean.Workspace.open(own_workspace))))
        )
        thread.start()
        time.sleep(0.5)
        assert not done
    thread.join(timeout=60)
    assert done


def test_a_reading_that_breaks_off_is_done_anew(own_workspace, monkeypatch):
    workspace = clean.Workspace.open(own_workspace)
    want = clean.read_table(workspace, "sessions")
    (workspace.raw / "新.csv").write_text("a\n1\n", encoding="utf-8")
    real = merge._write_partitions

    def stop_in_the_middle(workspace, table, frame):
        if table == "products":
            raise KeyboardInterrupt
        real(workspace, table, frame)

    monkeypatch.setattr(merge, "_write_partitions", stop_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        clean.ingest(workspace)
    monkeypatch.undo()
    (workspace.raw / "新.csv").unlink()
    clean.ingest(workspace)
    pd.testing.assert_frame_equal(clean.read_table(workspace, "sessions"), want)


def test_the_newest_value_that_is_there_wins_column_by_column():
    day = [pd.Timestamp(2026, 1, number) for number in (1, 1, 2)]
    rows = pd.DataFrame(
        {
            "session_id": ["a", "b", "a"],
            "viewers": [1.0, 5.0, 2.0],
            "likes": [7.0, 1.0, float("nan")],
            "known_from": day,
        }
    )
    newest, earlier = history.versions(rows, ["session_id"])
    assert newest.set_index("session_id")[["viewers", "likes"]].T.to_dict("list") == {
        "b": [5.0, 1.0],
        "a": [2.0, 7.0],
    }
    assert earlier[["session_id", "viewers", "known_from", "known_to"]].values.tolist() == [
        ["a", 1.0, day[0], day[2]]
    ]


def test_each_row_of_a_keyed_table_stands_once(demo_workspace):
    workspace = clean.Workspace.open(demo_workspace)
    for table, entry in reference.tables().items():
        frame = clean.read_table(workspace, table) if table not in clean.LEDGERS else pd.DataFrame()
        if entry.key and len(frame):
            assert not frame.duplicated(entry.key).any(), table


def test_ads_cost_is_taken_from_one_grain_of_slots_only(own_workspace, monkeypatch):
    workspace = clean.Workspace.open(own_workspace)
    sessions = clean.read_table(workspace, "sessions").head(1).assign(ad_cost=float("nan"))
    name = sessions["session_id"].iloc[0]
    ads = pd.DataFrame(
        {
            "session_id": [name] * 3,
            "slot_seconds": [3600.0, 3600.0, 86400.0],
            "cost": [10.0, 5.0, 15.0],
        }
    )
    monkeypatch.setattr(
        tables,
        "read_table",
        lambda workspace, table, session_id=None: {"sessions": sessions, "ads": ads}[table],
    )
    assert clean.sessions(workspace)["ad_cost"].tolist() == [15.0]


LIVES = {
    "A": "2026-04-04 20:00",
    "B": "2026-04-05 23:59",
    "C": "2026-04-06 00:00",
    "D": "2026-04-12 23:30",
    "E": "2026-04-13 00:00",
    "F": "2026-04-08 20:00",
}


def _spend(raw, name, costs):
    lines = [f"{title},{LIVES[title]}:20,plan,{cost},{100 * cost}" for title, cost in costs.items()]
    (raw / name).write_text(
        "\n".join(["LIVE name,Launched time,Campaign name,Cost,Gross revenue", *lines]),
        encoding="utf-8",
    )


def test_ads_count_for_sessions_that_began_in_the_period_of_their_export(tmp_path):
    """The file name says the period, its last hour included.

    Of a launch in several exports one cost counts; no name, no period.
    """
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "sessions.csv").write_text(
        "\n".join(
            [
                "platform,title,started_at,duration_seconds",
                *(f"tiktok,{title},{at},3600" for title, at in LIVES.items()),
            ]
        ),
        encoding="utf-8",
    )
    first = {"A": 7, "B": 3, "C": 500, "D": 400, "E": 9, "F": 300}
    _spend(raw, "广告消耗 2026-04-06 00 ~ 2026-04-12 23.csv", first)
    workspace = clean.Workspace.open(tmp_path)
    clean.ingest(workspace)
    known = clean.sessions(workspace).set_index("title")["ad_cost"]
    inside = {
        title: cost
        for title, cost in first.items()
        if pd.Timestamp("2026-04-06") <= pd.Timestamp(LIVES[title]) < pd.Timestamp("2026-04-13")
    }
    assert (
        known.dropna().to_dict() == inside == {"C": 500, "D": 400, "F": 300}
        and known.isna().sum() == 3
    )
    ads = clean.read_table(workspace, "ads")
    assert ads["session_id"].notna().all() and ads["cost"].sum() == sum(
        first.values()
    )  # nothing is lost, some of it does not count
    spent = ads_budget.with_ads(clean.sessions(workspace), ads).set_index("title")
    assert spent["cost"].sum() == known.sum() and spent.loc[
        ["A", "B", "E"], ["cost", "brought", "roi"]
    ].isna().all(axis=None)
    for lang, word in (
        ("zh", "2026-04-06 00:00 到 2026-04-13 00:00"),
        ("en", "2026-04-06 00:00 to 2026-04-13 00:00"),
    ):
        said = {
            title: data_quality.ads_left_out(ads[ads["title"] == title], lang) for title in LIVES
        }
        assert {title for title, words in said.items() if words} == {
            "A",
            "B",
            "E",
        } and word in said["A"][0]
    assert data_quality.ads_left_out(ads.iloc[:0], "zh") == []

    _spend(
        raw, "spend 2026-03-30 00 _ 2026-04-05 23.csv", {"A": 700, "B": 200}
    )  # the week before holds what A and B really cost
    _spend(
        raw, "spend 2026-04-06 00 ~ 2026-04-19 23.csv", {"D": 450, "E": 90}
    )  # and a longer export what D went on to cost
    clean.ingest(workspace)
    assert clean.sessions(workspace).set_index("title")["ad_cost"].to_dict() == {
        "A": 700,
        "B": 200,
        "C": 500,
        "D": 450,
        "E": 90,
        "F": 300,
    }


def test_ads_whose_file_name_says_no_period_count_as_they_are(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "sessions.csv").write_text(
        f"platform,title,started_at\ntiktok,A,{LIVES['A']}\n", encoding="utf-8"
    )
    _spend(tmp_path / "raw", "ads.csv", {"A": 7})
    workspace = clean.Workspace.open(tmp_path)
    clean.ingest(workspace)
    assert (
        clean.sessions(workspace)["ad_cost"].tolist() == [7]
        and data_quality.ads_left_out(clean.read_table(workspace, "ads"), "zh") == []
    )


def test_the_key_is_private_and_outside_the_workspace(own_workspace):
    workspace = clean.Workspace.open(own_workspace)
    key = workspace.key()
    assert len(key) == 32 and key == workspace.key()
    assert not any(path.is_file() and key in path.read_bytes() for path in own_workspace.rglob("*"))


def test_the_key_file_is_readable_by_its_owner_only(own_workspace, tmp_path, monkeypatch):
    monkeypatch.setenv("FUPAN_KEYS", str(tmp_path / "keys"))
    clean.Workspace.open(own_workspace).key()
    (path,) = (tmp_path / "keys").iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_key_inside_the_workspace_is_refused(own_workspace, monkeypatch):
    monkeypatch.setenv("FUPAN_KEYS", str(own_workspace / "keys"))
    with pytest.raises(clean.WorkspaceError, match="outside the workspace"):
        clean.Workspace.open(own_workspace).key()
    assert not (own_workspace / "keys").exists()


def test_without_raw_files_the_message_names_the_folder(tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(clean.WorkspaceError, match=r"raw: no files to read"):
        clean.ingest(clean.Workspace.open(tmp_path))
    with pytest.raises(clean.WorkspaceError, match="no such folder"):
        clean.Workspace.open(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("content", "key"),
    [
        ("timezone: Mars/Olympus", "Olympus"),
        ("colour: red", "colour"),
        ("name: [", "workspace.yml"),
        ("id: ../../elsewhere", "id: "),
        ("currency: <b>", "currency: "),
    ],
)
def test_settings_that_do_not_fit_are_named(tmp_path, content, key):
    (tmp_path / "workspace.yml").write_text(content, encoding="utf-8")
    with pytest.raises(clean.WorkspaceError, match=key):
        clean.Workspace.open(tmp_path)


def test_a_session_is_found_by_its_id_its_beginning_or_as_the_latest(demo_workspace):
    known = clean.sessions(clean.Workspace.open(demo_workspace))
    last = known["session_id"].iloc[-1]
    assert (
        choose_session(known, "latest")
        == last
        == choose_session(known, last)
        == choose_session(known, last[:13])
    )
    with pytest.raises(clean.WorkspaceError, match="not in this workspace"):
        choose_session(known, "19990101")


def test_a_review_says_what_is_missing_and_what_would_fill_it(tiktok_workspace, tmp_path):
    review = open_review(
        data_dir=tiktok_workspace, reports_dir=tmp_path, lang="en", notebook="02_funnel"
    )
    assert not review.has("orders")
    assert (
        "No order lines" in review.missing("orders")
        and "TikTok" in review.missing("orders")
        and "fupan new" in review.missing("orders")
    )
    assert "<p" in review.missing("orders")._repr_html_()


def test_results_come_back_as_they_were_saved(demo_workspace, tmp_path):
    review = open_review(data_dir=demo_workspace, reports_dir=tmp_path, notebook="02_funnel")
    frame = pd.DataFrame({"step": ["观看"], "users": [3.0]})
    pd.testing.assert_frame_equal(review.save("funnel", frame), review.result("funnel"))
    assert review.result("nothing").empty
    with pytest.raises(ValueError, match="letters, digits"):
        review.save("../funnel", frame)


def test_history_holds_earlier_sessions_only(demo_workspace, tmp_path):
    known = clean.sessions(clean.Workspace.open(demo_workspace))
    middle = known["session_id"].iloc[30]
    review = open_review(
        middle, data_dir=demo_workspace, reports_dir=tmp_path, notebook="03_compare"
    )
    assert len(review.history("sessions")) == 30 and middle not in set(
        review.history("traffic")["session_id"]
    )
    assert len(review.table("sessions")) == 1


def test_an_unfinished_file_never_takes_the_place_of_the_last_one(tmp_path):
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), clean.replacing(path) as part:
        part.write_text("new")
        raise RuntimeError
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_the_shipped_data_folder_does_not_overlay_its_own_reference():
    assert clean.Workspace(places.PROJECT / "data", clean.Settings()).reference is None


def a_session_list(folder: Path) -> clean.Workspace:
    """A workspace with one session and nothing else in its raw/."""
    columns = {
        name: reference.tables()["sessions"].columns[name].zh
        for name in ("platform", "room", "started_at", "ended_at", "viewers")
    }
    row = {
        "platform": "douyin",
        "room": "13800138000",
        "started_at": "2026-03-01 20:00:00",
        "ended_at": "2026-03-01 20:10:00",
        "viewers": 100,
    }
    (folder / "raw").mkdir()
    pd.DataFrame([row]).rename(columns=columns).to_excel(
        folder / "raw" / "场次.xlsx", sheet_name="直播场次", index=False
    )
    return clean.Workspace.open(folder)


def test_own_reference_data_lead_to_a_new_reading(tmp_path, monkeypatch):
    workspace = a_session_list(tmp_path)
    clean.ingest(workspace)
    before, seen, real = clean.content_version(workspace), [], Readers.read
    monkeypatch.setattr(
        Readers,
        "read",
        lambda readers, path, **options: seen.append(path.name) or real(readers, path, **options),
    )
    (tmp_path / "reference").mkdir()
    shutil.copy(places.REFERENCE / "thresholds.yml", tmp_path / "reference")
    clean.ingest(clean.Workspace.open(tmp_path))
    assert clean.content_version(workspace) != before and seen == ["场次.xlsx"]


def test_a_costs_file_beside_raw_is_read_like_the_templates_sheet(own_workspace):
    workspace = clean.Workspace.open(own_workspace)
    product = clean.read_table(workspace, "products")["product_id"].iloc[0]
    (own_workspace / "costs.csv").write_text(
        f"成本项,商品ID,开播时间,金额\n单件成本,{product},,77.5\n", encoding="utf-8"
    )
    files = clean.ingest(workspace)
    assert files.loc[files["file"] == "costs.csv", ["table", "rows_kept"]].to_numpy().tolist() == [
        ["costs", 1.0]
    ]
    costs = clean.read_table(workspace, "costs")
    assert costs.loc[
        (costs["item"] == "unit_cost") & (costs["product_id"] == product), "amount"
    ].tolist() == [77.5]


def test_a_session_list_alone_is_enough_for_every_ledger(tmp_path):
    workspace = a_session_list(tmp_path)
    clean.ingest(workspace)
    assert len(clean.sessions(workspace)) == 1
    assert {"table", "rule", "rows", "attributed"} <= set(
        clean.read_table(workspace, "attribution").columns
    )


def test_a_goal_may_name_its_metric_as_the_report_does(own_workspace):
    workspace = clean.Workspace.open(own_workspace)
    start = f"{clean.sessions(workspace)['started_at'].iloc[-1]:%Y-%m-%d %H:%M:%S}"
    (workspace.raw / "目标.csv").write_text(
        f"开播时间,指标,目标值\n{start},观看人数,12000\n{start},UV value,0.9\n", encoding="utf-8"
    )
    clean.ingest(workspace)
    goals = clean.read_table(workspace, "goals")
    own = goals[goals["source_file"] == "目标.csv"]
    assert sorted(own["metric"]) == ["uv_value", "viewers"] and own["session_id"].nunique() == 1
