"""The real exports.

Facts that were counted in the files themselves must come out of the reading.
"""

from pathlib import Path

import pandas as pd
import pytest

from helpers import aftersales, clean, reference
from helpers.clean import attribution, impossible_values
from helpers.reference import schema

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} with the real exports is not here"),
]


def read(folder, pattern, *, timezone="Asia/Jakarta", currency="IDR"):
    return [
        clean.read_file(
            path, systems=reference.systems(), timezone=timezone, key=b"k" * 32, currency=currency
        )
        for path in sorted((DATA / folder).glob(pattern))
    ]


@pytest.fixture(scope="module")
def live():
    (reading,) = read("tiktok-live-id", "4.13*.xlsx", currency="CNY")
    return reading


@pytest.fixture(scope="module")
def ads():
    (reading,) = read("tiktok-live-id", "广告消耗*.xlsx", currency="CNY")
    return reading


def test_tiktok_sessions_and_both_amounts(live):
    sessions = live.tables["sessions"]
    assert len(sessions) == sessions["session_id"].nunique() == 122
    assert sessions["paid_amount"].sum() == 1_485_708_532
    assert sessions["direct_paid_amount"].sum() == 1_328_701_559
    assert set(sessions["currency"]) == {"IDR"}  # from the Rp in the cells, not from the workspace
    assert sessions["duration_seconds"].between(3608, 21018).all()
    entry = live.files.iloc[0]
    assert (
        entry["system"],
        entry["export"],
        entry["grade"],
        entry["rows_in"],
        entry["rows_kept"],
    ) == ("tiktok", "live_list", "F", 122, 122)
    assert pd.isna(entry["unmapped"]) and pd.isna(entry["problem"]) and live.aside.empty


def test_tiktok_rates_are_clicks_by_views_and_orders_by_clicks(live):
    sessions = live.tables["sessions"].set_index("session_id")
    for name, places in (("CTR", 6), ("CTOR (SKU orders)", 6), ("GMV/1K views", 0)):
        rates = live.tables["reported"].query("name == @name").set_index("session_id")
        mine = (
            sessions[rates["numerator"].iloc[0]]
            / sessions[rates["denominator"].iloc[0]]
            * rates["factor"].iloc[0]
        )
        assert ((mine - rates["value"]).abs() <= 1.01 * 10.0**-places).sum() == 122, name


def test_tiktok_ads_without_blank_rows_and_without_broken_ids(ads):
    entry = ads.files.iloc[0]
    assert (entry["rows_in"], entry["rows_kept"], entry["rows_totals"], entry["rows_aside"]) == (
        135,
        135,
        0,
        0,
    )
    assert clean.said(entry["problem"], "en").startswith(
        "Campaign ID: 135 ids have lost their last digits"
    )
    assert ads.questions.empty, "nothing is joined by them"
    assert ads.tables["ads"]["campaign_id"].isna().all()
    assert (ads.tables["ads"]["cost"] == 0).sum() == 48
    assert ads.tables["ads"]["started_at"].min().date().isoformat() == "2026-02-11"


def test_tiktok_launches_meet_sessions_on_the_same_clock(live, ads):
    launches = ads.tables["ads"][["title", "started_at"]].drop_duplicates()
    pairs = launches.merge(
        live.tables["sessions"][["title", "started_at"]], on="title", suffixes=("_ads", "")
    )
    near = pairs[(pairs["started_at_ads"] - pairs["started_at"]).dt.total_seconds().abs() < 120]
    assert len(near) == 52
    attributed = attribution.attribute(
        ads.tables["ads"], "ads", live.tables["sessions"], rules=reference.attribution()
    )
    assert attributed["session_id"].nunique() == 52


def test_tiktok_ad_spend_counts_for_sessions_of_the_week_that_the_file_covers(live, ads):
    """28 of the 52 began in the week of the file's name.

    The 24 before it share 1,317 IDR, the tail of what they cost.
    """
    attributed = attribution.attribute(
        ads.tables["ads"], "ads", live.tables["sessions"], rules=reference.attribution()
    ).dropna(subset=["session_id"])
    counted = clean.finest_slots(attributed)
    began = live.tables["sessions"].set_index("session_id")["started_at"].dt.strftime("%Y-%m-%d")
    week = began[(began >= "2026-04-06") & (began <= "2026-04-12")]
    assert set(counted["session_id"]) == set(week.index) and len(week) == 28
    left = (
        attributed[~attributed["session_id"].isin(week.index)].groupby("session_id")["cost"].sum()
    )
    assert len(left) == 24 and left.sum() == 1_317 and left.max() == 599
    assert counted["cost"].sum() == 11_379_111 == attributed["cost"].sum() - left.sum()
    assert (
        counted.groupby("session_id")[["amount", "cost"]]
        .sum()
        .eval("amount / cost")
        .between(4, 80)
        .all()
    )


def test_tmall_orders_whose_paid_column_is_net_already():
    (reading,) = read("tmall-orders", "*.csv", timezone="Asia/Shanghai", currency="CNY")
    orders = reading.tables["orders"]
    raw = pd.read_csv(DATA / "tmall-orders" / "tmall_order_report.csv")
    assert len(orders) == 28_010 and reading.aside.empty
    assert orders["paid_at"].isna().sum() == 3_923 == orders["paid"].isna().sum()
    assert (orders["refunded"] > 0).sum() == 5_646
    assert orders["paid"].sum() == pytest.approx(
        raw.loc[raw["订单付款时间 "].notna(), "总金额"].sum()
    )
    kept = (orders["paid"] - orders["refunded"]).sum()
    assert kept == pytest.approx(raw.loc[raw["订单付款时间 "].notna(), "买家实际支付金额"].sum())
    assert pd.isna(reading.files["unmapped"].iloc[0])
    assert str(orders["created_at"].dtype) == "datetime64[us, Asia/Shanghai]"


def test_workbooks_whose_cells_name_their_column_alone_are_read():
    readings = read("qianchuan-material-demo", "*.xlsx", timezone="Asia/Shanghai", currency="CNY")
    costs = [reading.tables["ads"]["cost"].sum() for reading in readings]
    # what was spent on creatives without an id: 63.00, 765.66 and 779.84
    assert costs == pytest.approx([350.0 + 63.0, 4253.64 + 765.66, 4332.43 + 779.84])
    assert [len(reading.tables["ads"]) for reading in readings] == [3, 8, 14]


def test_no_limit_is_broken_by_what_platforms_really_export(live, ads):
    """28,010 orders, 122 sessions, 135 launches.

    A rule that flagged one of them would be wrong about what is impossible.
    """
    (orders,) = read("tmall-orders", "*.csv", timezone="Asia/Shanghai", currency="CNY")
    for reading in (live, ads, orders):
        assert impossible_values.impossible(reading.tables).empty


def test_tmall_refunds_by_day_and_province_on_what_was_paid():
    """Refund rates of the real orders by pay day and province, beside sums over the file itself.

    Refunds over what was paid before them (总金额 of paid orders), not over what the export calls
    paid, which has them taken off already.
    """
    (reading,) = read("tmall-orders", "*.csv", timezone="Asia/Shanghai", currency="CNY")
    lines = aftersales.lines(
        reading.tables["orders"],
        schema.empty("aftersales", "Asia/Shanghai"),
        as_of=pd.Timestamp("2020-03-31", tz="Asia/Shanghai"),
    )
    raw = pd.read_csv(
        DATA / "tmall-orders" / "tmall_order_report.csv",
        dtype={"订单编号": str},
        parse_dates=["订单付款时间 "],
    )
    paid = raw[raw["订单付款时间 "].notna()].assign(
        back=raw["退款金额"].gt(0), day=raw["订单付款时间 "].dt.strftime("%Y-%m-%d")
    )
    whole = aftersales.rates(lines).iloc[0]
    assert (whole["n"], whole["refunded"]) == (24_087, 5_646) == (len(paid), paid["back"].sum())
    assert whole["amount_rate"] == pytest.approx(paid["退款金额"].sum() / paid["总金额"].sum())
    assert whole["paid_amount"] - whole["refunded_amount"] == pytest.approx(
        paid["买家实际支付金额"].sum()
    )
    days = (
        aftersales.rates(lines.assign(day=lines["paid_at"].dt.strftime("%Y-%m-%d")), by="day")
        .set_index("day")
        .sort_index()
    )
    provinces = (
        aftersales.by_slice(lines, as_of=lines["paid_at"].max(), by=("province",))
        .set_index("slice")
        .sort_index()
    )
    for made, by_hand in ((days, paid.groupby("day")), (provinces, paid.groupby("收货地址 "))):
        total, back, amount = (
            by_hand["总金额"].sum(),
            by_hand["back"].sum(),
            by_hand["退款金额"].sum(),
        )
        assert (
            made["n"].tolist() == by_hand.size().tolist()
            and made["refunded"].tolist() == back.tolist()
        )
        assert made["amount_rate"].fillna(0).to_numpy() == pytest.approx(
            (amount / total.where(total > 0)).fillna(0).to_numpy()
        )
