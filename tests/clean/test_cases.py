"""Small inputs that came out wrong in silence (../shared/cases), and what is right.

The files stay where they are; nothing of them is copied into this project. Where the right answer
is a question, `check` ends with 1 and names file and column, and what was read all the same is
true.
"""

from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from tests.clean.checked import Checked, check, run_apart
from tests.conftest import REAL

CASES = REAL.parent / "cases"
MARCH = (pd.Timestamp("2026-03-01"), pd.Timestamp("2026-04-01"))


def wrong_today(reason: str) -> pytest.MarkDecorator:
    """The mark of what the reader does not do yet; it fails once it does, and goes then."""
    return pytest.mark.xfail(strict=True, reason=reason)


@pytest.fixture
def case(tmp_path):
    """Makes a workspace of its own of a case by name."""

    def made(name: str):
        source = CASES / name
        if not source.is_dir():
            pytest.skip(f"the case {name} (../shared/cases) is not on this machine")
        return shutil.copytree(source, tmp_path / name)

    return made


def calm(found: Checked) -> bool:
    """Whether `check` has nothing to ask."""
    return found.exit_code == 0


def local(times: pd.Series) -> pd.Series:
    return times.dt.tz_localize(None)


# ---- money and signs
# ------------------------------------------------------------------------------------


def test_an_hour_of_ads_whose_net_amount_is_negative(case):
    found = check(case("hourly_net_negative"))
    ads = found.table("ads").sort_values("started_at")
    assert ads["net_amount"].tolist() == [2000.0, -150.0]
    assert ads["net_amount"].sum() == 1850  # the file's own row 全部
    assert (ads["cost"].sum(), ads["amount"].sum(), ads["orders"].sum()) == (1300, 2600, 26)
    assert calm(found)


def test_settlement_rows_without_a_line_are_money(case):
    found = check(case("settlement_adjustments"))
    settled = found.table("settlements")
    assert settled["settled"].tolist() == pytest.approx([45.0, -12.5, -30.0, -8.0])
    assert settled["settled"].sum() == pytest.approx(-5.5)  # the file's own row 合计
    (record,) = found.records
    assert (record["rows_in"], record["rows_kept"], record["rows_totals"]) == (5, 4, 1)
    assert calm(found)


def test_a_channel_without_children_is_a_leaf(case):
    found = check(case("channels_mixed_depth"))
    leaves = found.table("traffic").set_index("source")
    assert leaves["views"].to_dict() == {"自然流量": 4000, "千川PC版": 2000, "品牌投放": 1000}
    assert leaves["viewers"].sum() == 5000
    assert leaves["orders"].sum() == 60
    assert leaves["paid_amount"].to_dict() == {
        "自然流量": 2500,
        "千川PC版": 1000,
        "品牌投放": 500,
    }
    assert leaves["ad_cost"].sum() == 600
    assert calm(found)


def test_an_order_export_without_its_money_is_said(case):
    found = check(case("no_money_column"))
    assert found.names("a.csv", "订单应付金额")
    assert found.names("a.csv", "支付完成时间")
    assert found.table("orders").get("paid", pd.Series(dtype="float64")).isna().all()


def test_one_paid_line_without_an_amount_is_named(case):
    found = check(case("one_blank_amount"))
    lines = found.table("orders")
    known = lines[lines["paid"].notna()]
    assert len(known) == 479
    assert len(lines) + len(found.table("aside")) in (480, 481)  # without amount, or aside
    assert "订单应付金额" in found.said("订单导出.csv")
    assert len(found.table("aftersales")) == 120


def test_one_paid_line_without_an_amount_does_not_stop_the_review(case, tmp_path):
    shop = case("one_blank_amount")
    ran = run_apart(
        *("run", "--latest", "--json", "--data", str(shop)),
        *("--reports", str(tmp_path / "reports")),
        seconds=400,
        megabytes=16_000,
    )
    (outcome,) = json.loads(ran.stdout)
    assert outcome["status"] != "failed", outcome["message"]
    assert ran.exit_code == 0


# ---- ids and keys
# ---------------------------------------------------------------------------------------


def test_lines_that_are_joined_in_a_cell_are_lines(case):
    shop = case("merged_lines")
    found = check(shop)
    lines, cases = found.table("orders"), found.table("aftersales")
    assert len(lines) == 480 and lines["line_id"].is_unique
    assert lines["order_id"].nunique() == 240
    for ids in (lines["order_id"], lines["line_id"], lines["product_id"]):
        assert ids.str.fullmatch(r"\d{19}").all()
    raw = pd.read_csv(shop / "raw" / "订单导出.csv", dtype=str)
    paid = lines["paid"].sum()
    assert paid == pytest.approx(raw["订单应付金额"].astype(float).sum())
    assert len(cases) == 120 and set(cases["line_id"]) <= set(lines["line_id"])
    assert cases["session_id"].notna().all()
    back = pd.read_csv(shop / "raw" / "售后单.csv", dtype=str)
    ordered = raw.assign(line=raw["子订单编号"].str.split(";")).explode("line")
    day = ordered.set_index("line")["订单提交时间"].str[:10].str.replace("-", "")
    right = back["退商品金额（元）"].astype(float).groupby(back["商品单号"].map(day)).sum()
    got = cases.groupby(cases["session_id"].str[:8])["amount"].sum()
    assert len(right) == 8 and got.to_dict() == pytest.approx(right.to_dict())


def test_ids_that_were_rounded_are_told_one_by_one(case):
    shop = case("ids_partly_rounded")
    found = check(shop)
    raw = pd.read_csv(shop / "raw" / "a.csv", dtype=str)
    rounded = raw["子订单编号"].str.endswith("0000")
    assert rounded.sum() == 8
    lines = found.table("orders")
    assert sorted(lines["line_id"]) == sorted(raw.loc[~rounded, "子订单编号"])
    assert lines["paid"].sum() == pytest.approx(32 * 50)
    aside = found.table("aside")
    assert sorted(aside["row"]) == sorted(raw.index[rounded] + 2)
    assert set(aside["reason"]) == {"lost_digits"}
    assert found.names("a.csv", "子订单编号")


def test_two_accounts_on_air_in_the_same_minute_are_two_sessions(case):
    found = check(case("two_creators"))
    sessions = found.table("sessions")
    assert len(sessions) == 6 and sessions["session_id"].is_unique
    assert sessions["paid_amount"].sum() == 6300
    assert sessions.groupby("title")["paid_amount"].sum().to_dict() == {
        "Creator A show": 6000,
        "Creator B show": 300,
    }
    assert sorted(sessions["viewers"]) == [200] * 3 + [4000] * 3


def test_two_packages_and_a_gift_of_one_sku_are_three_lines(case):
    lines = check(case("same_sku_twice")).table("orders")
    same = lines[lines["order_id"].str.endswith("9001")]
    assert sorted(same["paid"]) == [0, 19.99, 19.99]
    assert len(lines) == 4 and lines["paid"].sum() == pytest.approx(44.98)
    assert lines["line_id"].is_unique


def test_merged_cells_hold_for_all_their_rows(case):
    found = check(case("merged_cells"))
    sessions = found.table("sessions")
    assert len(sessions) == 4
    assert set(sessions["room"]) == {"25800000001"} and set(sessions["room_name"]) == {"测试号"}
    assert sessions["paid_amount"].tolist() == [4000] * 4
    assert calm(found)


# ---- dates, durations, thousands
# ------------------------------------------------------------------------------


def test_dates_that_excel_swapped_are_put_right_or_asked_about(case):
    found = check(case("dates_swapped"))
    lines = found.table("orders")
    assert local(lines["created_at"]).between(*MARCH, inclusive="left").all()
    assert local(lines["paid_at"].dropna()).between(*MARCH, inclusive="left").all()
    if len(lines) == 28:
        assert sorted(lines["created_at"].dt.day) == list(range(1, 29))
        assert lines["paid"].sum() == pytest.approx(28 * 19.99)
    else:
        assert found.names("o.xlsx", "Created Time")


def test_am_and_pm_do_not_put_the_month_first(case):
    found = check(case("ampm_day_first"))
    lines = found.table("orders")
    assert local(lines["created_at"]).between(*MARCH, inclusive="left").all()
    if len(lines) == 12:
        assert sorted(lines["created_at"].dt.day) == list(range(1, 13))
        assert set(lines["created_at"].dt.hour) == {21}
    else:
        assert found.names("o.csv", "Created Time")


def test_a_duration_in_days_is_two_hours_or_a_question(case):
    found = check(case("duration_day_fraction"))
    sessions = found.table("sessions")
    assert sessions["duration_seconds"].dropna().tolist() in ([], [pytest.approx(7200)] * 3)
    assert sessions["duration_seconds"].notna().any() or found.names("a.xlsx", "Duration")


def test_a_dot_in_a_count_of_people_is_a_mark_of_thousands(case):
    sessions = check(case("counts_with_dots")).table("sessions")
    assert sessions["views"].tolist() == [5000] * 3
    assert sessions["viewers"].tolist() == [4312] * 3
    assert sessions["paid_amount"].sum() == 6000


# ---- files that bring a reader down
# ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["xlsx_far_cell", "xls_loop"])
def test_a_hostile_file_is_named_and_the_others_are_read(case, name):
    shop = case(name)
    bad = sorted(path.name for path in (shop / "raw").iterdir())
    good = "时间,评论内容\n2026-11-10 20:00:00,好看\n2026-11-10 20:00:01,多少钱\n"
    (shop / "raw" / "comments.csv").write_text(good, encoding="utf-8")
    ran = run_apart(
        "check", "--json", "--lang", "en", "--data", str(shop), seconds=120, megabytes=3_500
    )
    assert ran.exit_code == 1, ran.stderr[-300:]
    found = Checked(shop, json.loads(ran.stdout), ran.exit_code)
    assert all(found.names(file) for file in bad)
    assert len(found.table("comments")) == 2
    assert ran.megabytes < 1_500
