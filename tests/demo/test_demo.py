"""The simulated shop gives the same bytes for a seed, parts that add up, and its truths.

The severity is the one that is promised.
"""

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from helpers import clean, demo, reference
from helpers.demo.schedule import shop, timetable
from helpers.plan import plan_file
from helpers.reference import schema

ZONE = "Asia/Shanghai"


def read(path):
    return clean.read_file(
        path, systems=reference.systems(), timezone=ZONE, key=b"k" * 32, currency="CNY"
    )


@pytest.fixture(scope="module")
def whole():
    """All tables of the full demo."""
    return demo.simulate(demo.SEED)


@pytest.fixture(scope="module")
def many():
    """Sessions and cells of ten quiet shops, for measuring what the simulator draws."""
    return [demo.simulate(seed, fault="none", tables=()) for seed in range(10)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A workspace of a small demo."""
    folder = tmp_path_factory.mktemp("written") / "shop"
    simulation = demo.simulate(5, sessions=30)
    return demo.write(simulation, folder), simulation


def odds(successes, trials):
    return successes / (trials - successes)


# ---- the same for a seed


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_seed_gives_the_same_bytes_and_another_seed_others(tmp_path):
    folders = [
        demo.write(demo.simulate(seed, sessions=4), tmp_path / name)
        for seed, name in ((3, "a"), (3, "b"), (4, "c"))
    ]
    first, again, other = map(digests, folders)
    assert len(first) == 20
    assert first == again
    assert first["truth.json"] != other["truth.json"]


def test_files_carry_the_time_of_their_export(written):
    folder, _ = written
    for path in (folder / "raw").iterdir():
        made = pd.Timestamp(path.stat().st_mtime, unit="s", tz="UTC").tz_convert(ZONE)
        assert pd.Timestamp("2026-11-08", tz=ZONE) < made <= pd.Timestamp(shop()["as_of"], tz=ZONE)


def test_settlements_days_and_periods_agree_with_sessions_and_orders(whole):
    """Recomputed from the other tables: fee and commission by line, sums by day and by product."""
    tables = whole.tables
    bill = tables["settlements"].merge(
        tables["orders"][["line_id", "paid", "refunded", "session_id"]],
        on="line_id",
        suffixes=("", "_of_order"),
        validate="many_to_one",
    )
    assert len(bill) == len(tables["settlements"]) > 5_000
    same = bill["session_id"].eq(bill["session_id_of_order"])
    assert (same | (bill["session_id"].isna() & bill["session_id_of_order"].isna())).all()
    first = bill[bill["scene"] == "首笔结算"]
    kept = first["paid"] - first["refunded"].fillna(0)
    np.testing.assert_allclose(first["user_paid"], kept, atol=0.001)
    np.testing.assert_allclose(first["platform_fee"], -0.05 * kept, atol=0.0101)
    np.testing.assert_allclose(bill["settled"], bill["income"] + bill["expense"], atol=0.001)
    assert not first["line_id"].duplicated().any() and (bill["scene"] == "售后补偿").any()
    sessions = tables["sessions"]
    days = tables["days"].set_index("day")
    began = sessions["started_at"].dt.normalize()
    for name, column in (("views", "views"), ("live_seconds", "duration_seconds")):
        sums = sessions.groupby(began)[column].sum().reindex(days.index, fill_value=0)
        assert (days[name] == sums).all(), name
    assert (days["viewers"] <= days["views"]).all() and days["session_count"].sum() > 20
    goods = tables["product_periods"]
    begin, end = goods["period_from"].min(), goods["period_to"].min() + pd.Timedelta(days=1)
    sold = tables["orders"][tables["orders"]["paid_at"].between(begin, end, inclusive="left")]
    month = goods[goods["period_from"] == begin].set_index("product_id")
    np.testing.assert_allclose(
        month["paid_amount"], sold.groupby("product_id")["paid"].sum()[month.index], atol=0.005
    )
    live = sold[sold["session_id"].notna()].groupby("product_id")["paid"].sum()
    np.testing.assert_allclose(
        month["live_paid_amount"].fillna(0),
        live.reindex(month.index, fill_value=0),
        atol=0.005,
    )


def test_asking_for_fewer_tables_changes_none():
    everything, few = (
        demo.simulate(8, sessions=12),
        demo.simulate(8, sessions=12, tables=("minutes",)),
    )
    assert set(few.tables) == {"sessions", "traffic", "products", "minutes"}
    for name, frame in few.tables.items():
        pd.testing.assert_frame_equal(frame, everything.tables[name])
    pd.testing.assert_frame_equal(few.cells, everything.cells)


def test_writing_replaces_a_demo_and_nothing_else(tmp_path):
    simulation = demo.simulate(1, sessions=2)
    folder = demo.write(simulation, tmp_path / "shop")
    (folder / "raw" / "old.csv").write_text("left over")
    demo.write(simulation, folder)
    assert not (folder / "raw" / "old.csv").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "costs.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="mine"):
        demo.write(simulation, tmp_path / "mine")


@pytest.mark.parametrize(
    ("change", "message"),
    [({"fault": "easy"}, "none, mix, source"), ({"sessions": 0}, "1 or more")],
)
def test_wrong_arguments_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        demo.simulate(1, **change)


def test_writing_needs_all_tables(tmp_path):
    with pytest.raises(ValueError, match="orders"):
        demo.write(demo.simulate(1, sessions=2, tables=()), tmp_path / "shop")


# ---- it adds up


def test_every_table_fits_its_schema(whole):
    for name, frame in whole.tables.items():
        assert len(frame), name
        assert schema.validate(frame, name).empty, name
        key = reference.tables()[name].key
        if key:
            assert not frame.duplicated(key).any(), name


def test_orders_pieces_and_money_are_the_same_in_every_table(whole):
    tables = whole.tables
    paid = tables["orders"][
        tables["orders"]["paid"].notna() & tables["orders"]["session_id"].notna()
    ]
    by_session = {
        "cells": whole.cells.groupby("session_id")[["orders", "paid_amount"]].sum(),
        "traffic": tables["traffic"].groupby("session_id")[["orders", "paid_amount"]].sum(),
        "products": tables["products"].groupby("session_id")[["orders", "paid_amount"]].sum(),
        "lines": paid.groupby("session_id").agg(
            orders=("line_id", "nunique"), paid_amount=("paid", "sum")
        ),
    }
    sessions = tables["sessions"].set_index("session_id")[["orders", "paid_amount"]]
    for name, sums in by_session.items():
        np.testing.assert_allclose(sums.loc[sessions.index], sessions, atol=0.005, err_msg=name)
    units = paid.groupby("session_id")["qty"].sum().loc[sessions.index]
    assert (units == tables["sessions"].set_index("session_id")["units"]).all()


def test_created_orders_and_buyers_are_those_of_the_order_lines(whole):
    orders, sessions = whole.tables["orders"], whole.tables["sessions"].set_index("session_id")
    live = orders[orders["session_id"].notna()]
    made = live.groupby("session_id").agg(n=("line_id", "size"), amount=("payable", "sum"))
    assert (made["n"] == sessions["created_orders"]).all()
    np.testing.assert_allclose(made["amount"], sessions["created_amount"], atol=0.005)
    buyers = live[live["paid"].notna()].groupby("session_id")["buyer_key"].nunique()
    assert (buyers == sessions["pay_users"]).all()
    assert orders["line_id"].is_unique and orders["order_id"].is_unique


def test_lines_lie_within_their_session(whole):
    live = (
        whole.tables["orders"]
        .dropna(subset=["session_id"])
        .merge(whole.tables["sessions"][["session_id", "started_at", "ended_at"]])
    )
    assert (live["created_at"] >= live["started_at"]).all()
    assert (live["paid_at"].fillna(live["created_at"]) <= live["ended_at"]).all()
    assert live["session_id"].nunique() == 200


@pytest.mark.parametrize(
    "column", ["orders", "paid_amount", "comments", "likes", "new_fans", "product_click_users"]
)
def test_minutes_sum_to_their_session(whole, column):
    minutes = whole.tables["minutes"].groupby("session_id")[column].sum()
    sessions = whole.tables["sessions"].set_index("session_id")[column].loc[minutes.index]
    np.testing.assert_allclose(minutes, sessions, atol=0.005)
    assert len(minutes) == 36


def test_no_minute_counts_clicks_or_orders_without_people(whole):
    minutes = whole.tables["minutes"]
    assert (minutes["online"] >= 1).all() and (
        minutes["product_click_users"] <= minutes["product_exposure_users"]
    ).all()
    means = minutes.groupby("session_id")["online"].agg(["mean", "max"])
    stated = whole.tables["sessions"].set_index("session_id").loc[means.index]
    assert ((means["mean"] / stated["avg_online"]).between(0.9, 1.25)).all() and (
        means["max"] / stated["peak_online"]
    ).between(0.95, 1.05).all()


def test_the_audience_sums_to_its_session_in_every_dimension(whole):
    sums = (
        whole.tables["audience"]
        .groupby(["session_id", "dimension"])[["viewers", "pay_users", "paid_amount"]]
        .sum()
    )
    sessions = whole.tables["sessions"].set_index("session_id")
    for (session_id, _), row in sums.iterrows():
        np.testing.assert_allclose(
            row,
            sessions.loc[session_id, ["viewers", "pay_users", "paid_amount"]].astype(float),
            atol=0.005,
        )


def test_comments_are_as_many_as_the_session_says(whole):
    of_viewers = whole.tables["comments"].query("speaker == 'viewer'")
    counts = of_viewers.groupby("session_id").size()
    assert (
        counts == whole.tables["sessions"].set_index("session_id")["comments"].loc[counts.index]
    ).all()


@pytest.mark.parametrize("table", ["sessions", "traffic"])
def test_people_never_grow_along_the_funnel(whole, table):
    steps = [
        "room_exposure_users",
        "viewers",
        "product_exposure_users",
        "product_click_users",
        "create_users",
        "pay_users",
    ]
    values = whole.tables[table][steps].to_numpy()
    assert (np.diff(values, axis=1) <= 0).all()


def test_people_overlap_between_sources_and_products(whole):
    sessions = whole.tables["sessions"].set_index("session_id")
    for table, column, total in (
        ("traffic", "viewers", "viewers"),
        ("products", "click_users", "product_click_users"),
        ("products", "pay_users", "pay_users"),
    ):
        assert (whole.tables[table].groupby("session_id")[column].sum() > sessions[total]).all()


# ---- severity


def ordinary(simulation):
    sessions = simulation.tables["sessions"]
    return sessions[(sessions["kind"] == "daily") & (sessions["started_at"].dt.hour >= 19)]


@pytest.mark.parametrize(
    ("numerator", "denominator"),
    [
        ("viewers", "room_exposure_users"),
        ("product_click_users", "product_exposure_users"),
        ("pay_users", "product_click_users"),
        ("pay_users", "viewers"),
        ("new_fans", "viewers"),
        ("comments", "viewers"),
    ],
)
def test_rates_vary_from_session_to_session_by_a_quarter(many, numerator, denominator):
    spread = [np.log(ordinary(one)[numerator] / ordinary(one)[denominator]).std() for one in many]
    assert 0.23 < np.mean(spread) < 0.29  # 0.25 and the counting noise of some hundred people


def test_viewers_vary_by_a_quarter_beside_the_season(many):
    spread = []
    for one in many:
        sessions = ordinary(one)
        season = (
            np.array(shop()["month"])[sessions["started_at"].dt.month - 1]
            * np.array(shop()["weekday"])[sessions["started_at"].dt.day_of_week]
        )
        spread.append(np.log(sessions["viewers"] / season).std())
    assert 0.23 < np.mean(spread) < 0.27


def test_the_size_of_an_ordinary_session(many):
    sessions = pd.concat([one.tables["sessions"] for one in many])
    assert 22_500 < sessions["viewers"].mean() < 26_000
    assert 200 < pd.concat(map(ordinary, many))["orders"].mean() < 270


def test_cells_are_overdispersed_as_promised(many):
    """Log odds of exposure → click, less what is explained.

    Session, source, product and the binomial part are taken off.
    """
    found = []
    core = [key for key, item in shop()["products"].items() if item["core"]]
    for one in many[:4]:
        cells = one.cells[one.cells["product_id"].isin(core)]
        table = cells.pivot(
            index="session_id",
            columns=["source", "product_id"],
            values=["product_click_users", "product_exposure_users"],
        )
        clicks, seen = (
            table["product_click_users"].to_numpy(),
            table["product_exposure_users"].to_numpy(),
        )
        dense = (clicks.mean(axis=0) > 20) & (clicks.min(axis=0) > 0)
        clicks, seen = clicks[:, dense], seen[:, dense]
        logit = np.log(clicks / (seen - clicks))
        residual = logit - logit.mean(axis=1, keepdims=True) - logit.mean(axis=0) + logit.mean()
        counting = 1 / clicks + 1 / (seen - clicks)
        found.append(residual.var() / (1 - 1 / dense.sum()) - counting.mean())
    assert 0.13 < np.sqrt(np.mean(found)) < 0.18


EXPOSURE_CLICK, CLICK_PAY = (
    ("product_click_users", "product_exposure_users"),
    ("pay_users", "product_click_users"),
)
AFFECTED = {
    "source": lambda truth, cells: cells["source"] == truth["source"],
    "product": lambda truth, cells: cells["product_id"].isin(truth["products"]),
    "all": lambda truth, cells: cells["source"].notna(),
}


@pytest.fixture(scope="module")
def pairs():
    """The last session's cells of the same seeds with and without each fault.

    fault → list of (truth, ill, well).
    """
    well = [demo.simulate(seed, sessions=1, fault="none", tables=()) for seed in range(24)]
    made = {}
    for fault in ("source", "product", "all"):
        ill = [demo.simulate(seed, sessions=1, fault=fault, tables=()) for seed in range(24)]
        made[fault] = [
            (one.truth, one.cells, other.cells) for one, other in zip(ill, well, strict=True)
        ]
    return made


def pooled_odds(parts, numerator, denominator):
    return odds(
        sum(part[numerator].sum() for part in parts), sum(part[denominator].sum() for part in parts)
    )


@pytest.mark.parametrize(
    ("fault", "step"),
    [("source", EXPOSURE_CLICK), ("source", CLICK_PAY), ("product", CLICK_PAY), ("all", CLICK_PAY)],
)
def test_a_fault_halves_the_odds_where_the_truth_says(pairs, fault, step):
    """Against the same seeds without the fault, pooled over them."""
    ill = [cells[AFFECTED[fault](truth, cells)] for truth, cells, _ in pairs[fault]]
    well = [cells[AFFECTED[fault](truth, cells)] for truth, _, cells in pairs[fault]]
    assert 0.44 < pooled_odds(ill, *step) / pooled_odds(well, *step) < 0.56


@pytest.mark.parametrize("fault", ["source", "product"])
@pytest.mark.parametrize("step", [EXPOSURE_CLICK, CLICK_PAY])
def test_a_fault_leaves_the_rest_alone(pairs, fault, step):
    ill = [cells[~AFFECTED[fault](truth, cells)] for truth, cells, _ in pairs[fault]]
    well = [cells[~AFFECTED[fault](truth, cells)] for truth, _, cells in pairs[fault]]
    assert 0.93 < pooled_odds(ill, *step) / pooled_odds(well, *step) < 1.07


def test_the_mix_fault_moves_viewers_to_the_source_that_converts_least():
    shares = []
    for seed in range(20):
        ill = demo.simulate(seed, sessions=1, fault="mix", tables=())
        viewers = ill.tables["traffic"].set_index("source")["viewers"]
        shares.append(viewers[ill.truth["source"]] / viewers.sum())
    assert 0.42 < np.mean(shares) < 0.48
    assert ill.truth["source"] == min(
        shop()["sources"], key=lambda name: shop()["sources"][name]["pay"]
    )


def test_the_story_works_on_the_metrics_it_names():
    """Geometric means over shops.

    The follow rate doubles, the comment rate stays, the redesign takes 30 % of the entries.
    """
    gains, idle, redesign = [], [], []
    for seed in range(25):
        one = demo.simulate(seed, sessions=40, tables=())
        sessions = one.tables["sessions"].set_index("session_id")
        rates = np.log(
            pd.DataFrame(
                {
                    "follow": sessions["new_fans"] / sessions["viewers"],
                    "comment": sessions["comments"] / sessions["viewers"],
                    "enter": sessions["viewers"] / sessions["room_exposure_users"],
                }
            )
        )
        plan, event = one.truth["plan_worked"], one.truth["event"]["sessions"]
        change = rates.loc[plan["after"]].mean() - rates.loc[plan["before"]].mean()
        gains.append(change["follow"])
        idle.append(change["comment"])
        redesign.append(
            rates.loc[event, "enter"].mean() - rates.loc[plan["before"], "enter"].mean()
        )
        assert len(plan["before"]) == 15 and len(plan["after"]) == 4 and len(event) == 6
    assert 1.85 < np.exp(np.mean(gains)) < 2.15
    assert 0.92 < np.exp(np.mean(idle)) < 1.08
    assert np.mean(redesign) == pytest.approx(one.truth["event"]["log_effect"], abs=0.08)


# ---- planted truths


def test_the_timetable():
    plan = timetable(200)
    assert plan["started_at"].iloc[0].date().isoformat() == "2025-09-14"
    assert plan["started_at"].iloc[-1].date().isoformat() == "2026-11-14"
    assert plan["started_at"].dt.date.is_unique
    assert not plan["started_at"].between("2026-02-03", "2026-02-26").any()
    assert set(plan["kind"]) == {"daily", "promotion", "launch", "clearance"}


def test_only_the_two_nights_of_double_eleven_cross_midnight(whole):
    sessions = whole.tables["sessions"]
    crossing = sessions.loc[
        sessions["started_at"].dt.date != sessions["ended_at"].dt.date, "session_id"
    ].tolist()
    assert crossing == whole.truth["midnight_sessions"]
    assert [name[:13] for name in crossing] == ["20251110-1930", "20261110-2000"]


def test_nothing_is_ordered_while_sold_out_though_people_look(whole):
    out = whole.truth["stock_out"]
    begin, end = (pd.Timestamp(out[name], tz=ZONE) for name in ("from", "to"))
    assert end - begin == pd.Timedelta(minutes=40)
    lines = whole.tables["orders"]
    mine = lines[
        (lines["session_id"] == whole.truth["target_session"])
        & (lines["product_id"] == out["product_id"])
    ]
    assert len(mine) > 5
    assert not mine["created_at"].between(begin, end, inclusive="left").any()
    cues = whole.tables["cues"]
    stock = cues[
        (cues["kind"] == "stock_change") & (cues["session_id"] == whole.truth["target_session"])
    ]
    assert stock["at"].tolist() == [begin, end] and stock["stock_after"].tolist() == [0.0, 400.0]
    during = whole.tables["minutes"].set_index("at")["product_click_users"]
    assert during[(during.index >= begin) & (during.index < end)].min() > 0


def test_the_lost_orders_are_about_as_many_as_the_truth_says():
    """Shops with and without the story differ in orders of the product sold out.

    By what was expected to be lost.
    """
    lost, expected = [], []
    for seed in range(24):
        told = demo.simulate(seed, sessions=1, tables=())
        product = told.truth["stock_out"]["product_id"]
        cells = told.cells[told.cells["product_id"] == product]
        share = told.truth["stock_out"]["share_of_orders_lost"]
        expected.append(told.truth["stock_out"]["expected_orders_lost"])
        lost.append(
            cells["pay_users"].sum() * share / (1 - share)
        )  # what was sold is the share that was not lost
    assert np.mean(lost) == pytest.approx(np.mean(expected), rel=0.15)


def test_returns_come_as_often_and_as_late_as_the_truth_says(whole):
    orders, cases = whole.tables["orders"], whole.tables["aftersales"]
    old = orders[(orders["paid_at"] < pd.Timestamp("2026-09-15", tz=ZONE))].set_index("line_id")
    back = cases[cases["line_id"].isin(old.index) & ~cases["before_shipping"].astype(bool)]
    rates = back.groupby("product_id").size() / old.groupby("product_id").size()
    stated = pd.Series(whole.truth["return_rates"]) * (
        1 - whole.truth["returns"]["before_shipping"]
    )
    spread = np.sqrt(stated * (1 - stated) / old.groupby("product_id").size())
    assert ((rates - stated).abs() < 4 * spread).all()
    days = (back["asked_at"] - back["line_id"].map(old["paid_at"])).dt.total_seconds() / 86400
    assert days.median() == pytest.approx(7, abs=0.3)
    assert (days > 30).mean() == pytest.approx(whole.truth["returns"]["late"], abs=0.004)
    early = cases[cases["before_shipping"].astype(bool) & cases["line_id"].isin(old.index)]
    assert len(early) / len(old) == pytest.approx(
        whole.truth["returns"]["before_shipping"], abs=0.006
    )
    assert ((early["asked_at"] - early["line_id"].map(old["paid_at"])) < pd.Timedelta(days=1)).all()


def test_young_sessions_have_few_of_their_returns(whole):
    sessions = whole.tables["sessions"]
    share = (sessions["refund_orders"] / sessions["orders"]).to_numpy()
    assert share[-1] < 0.09 < 0.15 < share[:-20].mean()


def test_customers_come_back(whole):
    paid = whole.tables["orders"].dropna(subset=["paid"])
    assert 1.2 < len(paid) / paid["buyer_key"].nunique() < 2.5
    first = paid.sort_values("created_at").drop_duplicates("buyer_key")
    known = paid[~paid["line_id"].isin(first["line_id"])]
    assert not known.loc[
        known["session_id"] != known["buyer_key"].map(first.set_index("buyer_key")["session_id"]),
        "is_new_buyer",
    ].any()


# ---- the files


def lines_of(path):
    content = path.read_bytes()
    return list(
        csv.reader(
            io.StringIO(
                content.decode("utf-8-sig" if content[:3] == b"\xef\xbb\xbf" else "gb18030")
            )
        )
    )


def cell_of(folder, dirty):
    """The cell that the truth names, read without our own reader."""
    path = folder / "raw" / dirty["file"]
    if path.suffix == ".csv":
        rows = lines_of(path)
        return rows[dirty["row"] - 1][rows[0].index(dirty["column"])].strip("\t")
    for sheet in openpyxl.load_workbook(path):
        names = [cell.value for cell in sheet[1]]
        if dirty["column"] in names and sheet.max_row >= dirty["row"]:
            value = sheet.cell(dirty["row"], names.index(dirty["column"]) + 1).value
            if value == dirty["value"]:
                return value
    return None


def test_dirty_rows_stand_where_the_truth_says(written):
    folder, _ = written
    dirty = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["dirty_rows"]
    assert {row["what"] for row in dirty} == {
        "impossible_time",
        "negative_amount",
        "duplicate",
        "unknown_order",
        "text_for_number",
    }
    for row in dirty:
        assert cell_of(folder, row) == row["value"], row


def test_dirty_rows_are_kept_aside_when_read_and_no_others(written):
    folder, _ = written
    dirty = json.loads((folder / "truth.json").read_text(encoding="utf-8"))["dirty_rows"]
    aside = pd.concat(
        [read(folder / "raw" / name).aside for name in sorted({row["file"] for row in dirty})]
    )
    unusable = {(row["file"], row["row"]) for row in dirty if row["what"] != "unknown_order"}
    assert set(zip(aside["file"], aside["row"].astype(int), strict=True)) == unusable


def orders_files(folder):
    return [
        path for path in sorted((folder / "raw").glob("*.csv")) if "支付方式" in lines_of(path)[0]
    ]


def test_order_files_look_like_the_shop_systems(written):
    folder, _ = written
    charsets = set()
    for path in orders_files(folder):
        assert re.fullmatch(r"1\d{9}_[0-9a-f]{32}\.csv", path.name)
        rows = lines_of(path)
        charsets.add("utf-8" if path.read_bytes()[:3] == b"\xef\xbb\xbf" else "gb18030")
        assert len(rows[0]) == 75 and {len(row) for row in rows[1:] if row} <= {75, 76}
        assert rows[1][0].startswith("\t69") and rows[1][rows[0].index("收件人")].startswith("\t##")
        assert any(row[rows[0].index("快递信息")].endswith("-顺丰速运,10001-1") for row in rows[1:])
    assert charsets == {"utf-8", "gb18030"}


def test_the_early_export_does_not_know_yet_where_the_days_orders_came_from(written):
    folder, simulation = written
    early = min(orders_files(folder), key=lambda path: path.name)
    rows = lines_of(early)
    channel, made = rows[0].index("流量体裁"), rows[0].index("订单提交时间")
    pending = [row[made][:10] for row in rows[1:] if row and row[channel] == "数据将于第二天更新"]
    assert set(pending) == {"2026-11-14"}
    last = (simulation.tables["orders"]["session_id"] == simulation.truth["target_session"]).sum()
    assert len(pending) >= last


def test_no_order_reads_wrong(written):
    """Every live line read back from the newest files is the line that was simulated."""
    folder, simulation = written
    frames = [
        read(path).tables["orders"]
        for path in sorted(orders_files(folder), key=lambda path: path.name)
    ]
    every = pd.concat(frames).drop_duplicates("line_id", keep="last").set_index("line_id")
    made = simulation.tables["orders"].set_index("line_id").loc[every.index]
    assert len(every) == len(simulation.tables["orders"])
    for column in (
        "order_id",
        "product_id",
        "qty",
        "created_at",
        "paid_at",
        "payable",
        "paid",
        "channel",
        "status",
    ):
        same = (every[column] == made[column]) | (every[column].isna() & made[column].isna())
        assert same.all(), column


def test_a_whole_session_workbook_reads_as_the_session(written):
    folder, simulation = written
    session = simulation.tables["sessions"].iloc[-1]
    (path,) = (folder / "raw").glob(f"直播间详情页*{session['ended_at']:%Y-%m-%d_%H-%M-%S}*.xlsx")
    tables = read(path).tables
    products = tables["products"][tables["products"]["sku_id"].isna()].set_index("product_id")
    made = (
        simulation.tables["products"]
        .query("session_id == @session.session_id")
        .set_index("product_id")
    )
    np.testing.assert_allclose(products["paid_amount"].loc[made.index], made["paid_amount"])
    skus = tables["products"].dropna(subset=["sku_id"]).groupby("product_id")["paid_amount"].sum()
    np.testing.assert_allclose(skus.loc[made.index], made["paid_amount"])
    traffic = tables["traffic"].set_index("source")["orders"]
    assert "整体" not in traffic.index and traffic.sum() == session["orders"]
    assert tables["sessions"]["session_id"].tolist() == [session["session_id"]]


def test_the_stale_list_has_lower_refunds(written):
    folder, _ = written
    lists = {
        path: read(path).tables["sessions"].set_index("session_id")["refund_amount"]
        for path in (folder / "raw").glob("直播间列表_*.xlsx")
    }
    (stale,) = [frame for path, frame in lists.items() if path.stem.endswith("20261108220000")]
    newest = pd.concat(
        [frame for path, frame in lists.items() if not path.stem.endswith("20261108220000")]
    )
    newest = newest[~newest.index.duplicated()].loc[stale.index]
    assert (stale <= newest).all() and (stale < newest).any()


def test_hostile_comments_are_text_in_the_workbook_and_masked_when_read(written):
    folder, _ = written
    path = folder / "raw" / "复盘手工表_2026-11.xlsx"
    texts = [
        row[0] for row in openpyxl.load_workbook(path)["评论弹幕"].iter_rows(min_col=3, max_col=3)
    ]
    formula = next(cell for cell in texts if str(cell.value).startswith("=HYPERLINK"))
    assert formula.data_type == "s"
    found = read(path).tables["comments"]["text"]
    assert (
        not found.str.contains("13800138000").any()
        and found.str.contains("<script>", regex=False).any()
    )


def test_the_plan_reads_back_and_names_what_the_truth_says(written):
    folder, simulation = written
    truth = simulation.truth
    plan = plan_file.read(
        folder / "plans" / f"{truth['plan_session']}.csv", registry=reference.registry()
    ).rows.set_index("plan_id")
    assert (
        plan.loc["D1", "metric"] == truth["plan_worked"]["metric"]
        and plan.loc["D2", "metric"] == truth["plan_failed"]["metric"]
    )
    assert (plan["status"] == "done").all() and (
        plan["due_session"] == truth["plan_worked"]["after"][0]
    ).all()


def test_every_file_is_recognised(written):
    folder, _ = written
    paths = sorted((folder / "raw").iterdir())
    books = [path for path in paths if path.name.startswith("直播间详情页")]
    ledger = pd.concat([read(path).files for path in paths if path not in books[1:]])
    assert ledger["system"].notna().all() and ledger["unmapped"].isna().all()
    assert set(ledger["system"]) == {"compass", "doudian", "qianchuan", "buyin", "template"}
