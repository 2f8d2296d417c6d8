"""How viewer events come in.

Our own layout as CSV or sheet, and a clickstream with known incidents.
"""

import gzip
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from helpers import clean, reference
from helpers.core import engine
from helpers.funnel import viewer_events
from helpers.reference import Funnel
from helpers.review import open_review
from tests.conftest import REAL

COLUMNS = ["时间", "观众标识（加密）", "行为", "商品ID", "流量来源", "观众类型"]
ROWS = [
    ("2026-11-10 20:00:05", "u-1001", "进入", "", "推荐feed", "新观众"),
    ("2026-11-10 20:01:00", "u-1001", "商品点击", "3601", "推荐feed", "新观众"),
    ("2026-11-10 20:01:00", "u-1002", "加购", "3601", "关注", "粉丝"),
    ("2026-11-10 20:09:00", "u-1002", "支付", "3601", "关注", "粉丝"),
]


@pytest.fixture
def shop(tmp_path):
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    return tmp_path / "shop"


def written(shop, name, frame) -> clean.Workspace:
    frame.to_csv(shop / "raw" / name, index=False)
    workspace = clean.Workspace.open(shop)
    clean.ingest(workspace)
    return workspace


@pytest.mark.parametrize(
    "columns", [COLUMNS, ["at", "user_key", "event", "product_id", "source", "viewer_kind"]]
)
def test_an_event_log_under_any_name_is_read_and_people_are_hashed(shop, columns):
    workspace = written(shop, "export (3).csv", pd.DataFrame(ROWS, columns=columns))
    made = clean.read_table(workspace, "actions")
    assert made["event"].tolist() == ["enter", "click", "cart", "pay"]
    assert made["user_key"].nunique() == 2 and not made["user_key"].str.contains("u-").any()
    assert made["viewer_kind"].tolist() == ["新观众", "新观众", "粉丝", "粉丝"]
    assert made["at"].iloc[0] == pd.Timestamp("2026-11-10 20:00:05", tz="Asia/Shanghai")


def test_the_engine_reads_what_the_store_keeps_session_by_session(shop):
    table = pd.DataFrame(
        {"平台": ["抖音"], "开播时间": ["2026-11-10 19:55"], "下播时间": ["2026-11-10 23:00"]}
    )
    table.to_csv(shop / "raw" / "直播场次.csv", index=False)
    workspace = written(shop, "行为.csv", pd.DataFrame(ROWS, columns=COLUMNS))
    session = clean.sessions(workspace)["session_id"].item()
    assert clean.lazy_table(workspace, "actions", session).count().execute() == 4
    assert clean.lazy_table(workspace, "actions", "20261110-2000-other-0000").count().execute() == 0
    assert clean.lazy_table(workspace, "comments").count().execute() == 0, (
        "a table that is not there has no row"
    )
    plain = clean.read_table(workspace, "actions", session)
    lazy = engine.frame(
        clean.lazy_table(workspace, "actions", session).select("at", "user_key", "event")
    )
    assert set(zip(lazy["at"], lazy["user_key"], lazy["event"], strict=True)) == set(
        zip(plain["at"], plain["user_key"], plain["event"], strict=True)
    )


def test_single_sessions_of_a_large_table_are_counted_once_until_their_rows_change(shop):
    starts = pd.to_datetime(
        ["2026-10-30 19:55", "2026-11-09 19:55", "2026-11-10 19:55", "2026-11-12 19:55"]
    )
    table = pd.DataFrame(
        {
            "平台": "抖音",
            "开播时间": starts.astype(str),
            "下播时间": (starts + pd.Timedelta("3h")).astype(str),
        }
    )
    table.to_csv(shop / "raw" / "直播场次.csv", index=False)

    def logged(name: str, day: str, rows: list) -> None:
        pd.DataFrame(
            [(row[0].replace("2026-11-10", day), *row[1:]) for row in rows], columns=COLUMNS
        ).to_csv(shop / "raw" / name, index=False)

    for day in ("2026-10-30", "2026-11-09", "2026-11-10", "2026-11-12"):
        logged(f"{day}.csv", day, ROWS)
    asked = []

    def count(rows, *, event: str) -> pd.DataFrame:
        found = engine.frame(rows.filter(rows["event"] == event).count().name("n").as_table())
        asked.append(event)
        return found

    def counts(event: str, most: int, also: tuple = ()) -> dict[str, int]:
        review = open_review(
            "20261110", data_dir=shop, reports_dir=shop / "out", notebook="03_compare"
        )
        made = review.counted(
            "actions",
            count,
            event=event,
            also=[name for name in review.sessions["session_id"] if name.startswith(also)]
            if also
            else [],
            most=most,
        )
        return dict(zip(made["session_id"].str[:8], made["n"], strict=True))

    assert counts("cart", 1) == {"20261109": 1, "20261110": 1} and len(asked) == 2, (
        "the session after it is none of its past"
    )
    assert (
        counts("cart", 1, also=("20261030",)) == {"20261030": 1, "20261109": 1, "20261110": 1}
        and len(asked) == 3
    )
    assert counts("pay", 0) == {"20261110": 1} and len(asked) == 4, "another event is another count"
    logged(
        "2026-11-09.csv",
        "2026-11-09",
        [*ROWS, ("2026-11-10 20:10:00", "u-1003", "支付", "3601", "关注", "粉丝")],
    )
    assert counts("pay", 1) == {"20261109": 2, "20261110": 1}
    assert counts("pay", 1) == {"20261109": 2, "20261110": 1} and len(asked) == 5
    assert len(list((shop / "clean" / "counted").glob("*20261110*/*.parquet"))) == 1, (
        "what was counted otherwise before is gone"
    )
    written_at = (shop / "raw" / "2026-11-09.csv").stat().st_mtime_ns
    corrected = [(*row[:2], "支付" if row[2] == "商品点击" else row[2], *row[3:]) for row in ROWS]
    logged(
        "2026-11-09.csv",
        "2026-11-09",
        [*corrected, ("2026-11-10 20:10:00", "u-1003", "支付", "3601", "关注", "粉丝")],
    )
    os.utime(shop / "raw" / "2026-11-09.csv", ns=(written_at, written_at))
    assert counts("pay", 1) == {"20261109": 3, "20261110": 1} and len(asked) == 6, (
        "as many rows of the same time and file name, but others"
    )
    (kept,) = (shop / "clean" / "counted").glob("*20261110*/*.parquet")
    for damaged in (kept.read_bytes()[:100], b""):
        kept.write_bytes(damaged)
        assert counts("pay", 0) == {"20261110": 1} and pd.read_parquet(kept)["n"].tolist() == [1], (
            "what is damaged is counted again"
        )
    assert len(asked) == 8


# ---- the clickstream with planted incidents


@pytest.fixture(scope="module")
def clickstream(tmp_path_factory) -> clean.Workspace:
    source = REAL / "retent-ecom" / "ecom.csv.gz"
    if not source.exists():
        pytest.skip("the clickstream (../shared/data/retent-ecom) is not on this machine")
    folder = tmp_path_factory.mktemp("clicks") / "shop"
    (folder / "raw").mkdir(parents=True)
    with gzip.open(source) as packed, (folder / "raw" / "ecom.csv").open("wb") as plain:
        shutil.copyfileobj(packed, plain)
    workspace = clean.Workspace.open(folder)
    clean.ingest(workspace)
    return workspace


def checkout(*steps: str, ordered: bool = False) -> Funnel:
    shipped = reference.funnels()["viewer_checkout"]
    return shipped.model_copy(
        update={
            "steps": [step for step in shipped.steps if step.column in steps],
            "ordered": ordered,
        }
    )


def rates(
    workspace: clean.Workspace, funnel: Funnel, first: str, last: str, *by: str
) -> pd.DataFrame:
    """People of the last step among those of the first.

    Visits are those between two days (both inside).
    """
    events = clean.lazy_table(workspace, "actions")
    day = events["at"].cast("timestamp('Asia/Shanghai')")
    begin, end = (
        pd.Timestamp(moment, tz="Asia/Shanghai")
        for moment in (first, pd.Timestamp(last) + pd.Timedelta(days=1))
    )
    counts = viewer_events.people(
        events.filter(day >= begin, day < end), funnel, by=by, who="visit_id"
    )
    return viewer_events.steps(counts, funnel).groupby([*by, "step"] if by else "step").last()


@pytest.mark.real
def test_the_log_is_read_whole_its_exact_duplicates_too(clickstream):
    ledger = clean.read_table(clickstream, "files").iloc[0]
    assert (ledger["system"], ledger["grade"], ledger["rows_in"], ledger["rows_aside"]) == (
        "retentioneering",
        "F",
        31_106,
        0,
    )
    made = clean.read_table(clickstream, "actions")
    assert (
        len(made) == 31_106
        and made["user_key"].nunique() == 600
        and made["visit_id"].nunique() == 3_605
    )
    assert (
        made["event"]
        .value_counts()
        .reindex(["checkout", "cashier", "pay"])
        .between(400, 1_000)
        .all()
    )


@pytest.mark.real
def test_the_planted_checkout_bug_shows_on_mobile_in_its_window(clickstream):
    made = rates(clickstream, checkout("checkout", "cashier"), "2024-04-09", "2024-05-09", "device")
    assert made.loc[("mobile", 2), "rate_of_previous"] == pytest.approx(0.367, abs=0.0005)
    assert made.loc[("desktop", 2), "rate_of_previous"] == pytest.approx(0.814, abs=0.0005)
    assert made.loc[("mobile", 2), "ci_upper"] < made.loc[("desktop", 2), "ci_lower"]
    before = rates(clickstream, checkout("checkout", "cashier"), "2024-01-01", "2024-04-08")
    assert before.loc[2, "rate_of_previous"] == pytest.approx(0.844, abs=0.0005)


@pytest.mark.real
def test_the_planted_payment_failure_shows_in_its_window(clickstream):
    made = rates(clickstream, checkout("cashier", "pay"), "2024-05-19", "2024-06-07")
    assert made.loc[2, "rate_of_previous"] == pytest.approx(0.354, abs=0.0005)
    after = rates(clickstream, checkout("cashier", "pay"), "2024-06-08", "2024-06-30")
    assert after.loc[2, "rate_of_previous"] == pytest.approx(0.855, abs=0.0005)


@pytest.mark.real
def test_in_order_the_same_visits_convert_less_as_the_log_is_not_in_order(clickstream):
    """Half of its payments stand before the delivery details.

    The planted figures are those of visits in any order.
    """
    made = rates(
        clickstream,
        checkout("checkout", "cashier", ordered=True),
        "2024-04-09",
        "2024-05-09",
        "device",
    )
    rows = clean.read_table(clickstream, "actions")
    rows = rows[
        (rows["at"] >= "2024-04-09") & (rows["at"] < "2024-05-10") & (rows["device"] == "mobile")
    ]
    first = rows[rows["event"] == "checkout"].groupby("visit_id")["at"].min()
    last = rows[rows["event"] == "cashier"].groupby("visit_id")["at"].max().reindex(first.index)
    assert made.loc[("mobile", 2), "rate_of_previous"] == pytest.approx(np.mean(last >= first))
