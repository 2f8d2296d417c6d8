"""The ten worked questions of `07_explore`, each against plain pandas on the raw tables.

Nothing of the package is used to work out what is expected. The notebook also runs where there is
little: one list of sessions, one paid line; it names what is missing and goes on.
"""

import collections
import datetime as dt
import shutil

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from helpers import reference
from tests.made_files import workbook
from tests.odd_accounts import run_here, session, workspace

EXCHANGES = "exchange"


@pytest.fixture(scope="module")
def asked(demo_workspace, tmp_path_factory):
    """The names that the notebook leaves after its run on the demo's newest session."""
    names = {}
    folder = tmp_path_factory.mktemp("asked")
    shown = run_here(
        "07_explore",
        names,
        data_dir=str(demo_workspace),
        reports_dir=str(folder),
        session_id="latest",
        lang="en",
    )
    assert len(shown) == 27  # tables, charts and sentences; nothing is missing
    assert not list(folder.rglob("*.parquet"))  # it writes no result
    return names


@pytest.fixture(scope="module")
def raw(demo_workspace):
    """Call it for a canonical table as its files hold it."""

    def table(name):
        paths = sorted((demo_workspace / "clean" / name).glob("*.parquet"))
        return pd.concat(map(pd.read_parquet, paths), ignore_index=True)

    return table


@pytest.fixture(scope="module")
def newest(raw):
    return raw("sessions").sort_values("started_at").iloc[-1]


@pytest.fixture(scope="module")
def lines(raw):
    """Paid order lines, with the first refund paid back of each and what was written of it."""
    cases = raw("aftersales")
    back = cases[(cases["status"] == "succeeded") & (cases["kind"] != EXCHANGES)]
    back = back.sort_values("asked_at").drop_duplicates("line_id").set_index("line_id")
    paid = raw("orders")
    paid = paid[paid["paid_at"].notna()]
    return paid.assign(
        back=paid["line_id"].isin(back.index),
        back_at=paid["line_id"].map(back["refunded_at"]),
        why=paid["line_id"].map(back["reason"]),
    )


def names_of_products(raw):
    goods = raw("products")
    goods = goods[goods["sku_id"].isna() & goods["name"].notna()]
    return dict(zip(goods["product_id"], goods["name"], strict=True))


def test_1_one_product_in_the_first_hour_by_source(asked, raw, newest):
    log = raw("actions")
    log = log[log["session_id"] == newest["session_id"]]
    log = log[log["at"] < newest["started_at"].floor("min") + pd.Timedelta(hours=1)]
    names = names_of_products(raw)
    paid = collections.Counter(log.loc[log["event"] == "pay", "product_id"])
    most = max(paid.values())
    best = {names[one] for one, count in paid.items() if count == most}
    assert asked["product"] in best
    people = collections.defaultdict(lambda: collections.defaultdict(set))
    for row in log[log["product_id"].map(names) == asked["product"]].itertuples():
        people[row.source][row.event].add(row.user_key)
    expected = {
        source: (len(done["click"]), len(done["click"] & done["pay"]))
        for source, done in people.items()
        if done["click"]
    }
    found = asked["first_hour"].set_index("source")
    assert {name: (row["n"], row["users"]) for name, row in found.iterrows()} == expected
    for source, (clicked, bought) in expected.items():
        low, high = scipy_stats.binomtest(bought, clicked).proportion_ci(method="wilson")
        assert found.loc[source, "rate"] == pytest.approx(bought / clicked)
        assert found.loc[source, ["ci_lower", "ci_upper"]].tolist() == pytest.approx([low, high])


def test_2_two_hosts_on_saturdays(asked, raw):
    sessions = raw("sessions")
    sessions = sessions[sessions["started_at"].dt.day_name() == "Saturday"]
    counts = sessions.groupby("host").size()
    found = asked["hosts"].pivot(index="host", columns="metric", values="value")
    assert len(found) == 2 and sorted(counts[found.index]) == sorted(counts)[-2:]
    for host, row in found.iterrows():
        mine = sessions[sessions["host"] == host]
        assert row["uv_value"] == pytest.approx(mine["paid_amount"].sum() / mine["viewers"].sum())
        bought = mine["pay_users"].sum() / mine["viewers"].sum()
        assert row["room_conversion"] == pytest.approx(bought)
        hours = mine["duration_seconds"].sum() / 3600
        assert row["paid_per_hour"] == pytest.approx(mine["paid_amount"].sum() / hours)


def test_3_the_ten_products_with_most_refunds_and_why(asked, lines):
    counts = lines.loc[lines["back"], "product_name"].value_counts()
    found = asked["worst"].set_index("product_name")
    assert found["refund_orders"].tolist() == counts.head(10).tolist()
    for name, row in found.iterrows():
        mine = lines[lines["product_name"] == name]
        assert (row["n"], row["refund_orders"]) == (len(mine), mine["back"].sum())
        assert row["rate"] == pytest.approx(mine["back"].mean())
        reasons = mine["why"].value_counts()
        assert row["count"] == reasons.max() == reasons[row["reason"]]


def test_4_uv_value_against_watch_time(asked, raw):
    sessions = raw("sessions").dropna(subset=["paid_amount", "viewers", "avg_watch_seconds"])
    value = sessions["paid_amount"] / sessions["viewers"]
    expected = scipy_stats.spearmanr(value, sessions["avg_watch_seconds"]).statistic
    assert asked["rho"] == pytest.approx(expected)
    assert len(asked["both"]) == len(sessions)


def test_5_minutes_after_a_coupon_or_an_explanation(asked, raw):
    starts = raw("sessions").set_index("session_id")["started_at"].dt.floor("min").to_dict()
    orders, sold = raw("minutes"), collections.defaultdict(dict)
    for row in orders.itertuples():
        passed = (row.at - starts[row.session_id]) // pd.Timedelta("1min")
        sold[row.session_id][passed] = row.orders
    sums = collections.defaultdict(list)
    for cue in raw("cues").itertuples():
        if cue.kind in ("coupon", "explain_start") and pd.notna(cue.session_id):
            begun = (cue.at - starts[cue.session_id]) // pd.Timedelta("1min")
            for after in range(-5, 16):
                if begun + after in sold[cue.session_id]:
                    sums[cue.kind, after].append(sold[cue.session_id][begun + after])
    found = asked["after"].set_index(["cue_kind", "minutes_after"])["orders_a_minute"].to_dict()
    assert found == pytest.approx({key: np.mean(values) for key, values in sums.items()})
    sides = asked["sides"].set_index("cue_kind")
    for kind in ("coupon", "explain_start"):
        before = np.mean([one for after in range(-5, 0) for one in sums[kind, after]])
        later = np.mean([one for after in range(10) for one in sums[kind, after]])
        assert sides.loc[kind, ["before", "after"]].tolist() == pytest.approx([before, later])
        assert sides.loc[kind, "ratio"] == pytest.approx(later / before)


def test_6_paid_against_organic_viewers(asked, raw):
    sums = raw("traffic").groupby("is_paid")[["pay_users", "viewers", "paid_amount"]].sum()
    found = asked["paid_sides"].pivot(index="is_paid", columns="metric", values="value")
    for paid, row in sums.iterrows():
        assert found.loc[paid, "room_conversion"] == pytest.approx(row.pay_users / row.viewers)
        assert found.loc[paid, "uv_value"] == pytest.approx(row.paid_amount / row.viewers)
        assert found.loc[paid, "customer_price"] == pytest.approx(row.paid_amount / row.pay_users)


def test_7_first_time_and_returning_buyers_by_product(asked, raw):
    orders = raw("orders")
    names = names_of_products(raw)
    orders = orders[
        orders["paid_at"].notna() & orders["buyer_key"].notna() & orders["session_id"].notna()
    ]
    first = {}
    for row in orders.sort_values("paid_at").itertuples():
        first.setdefault(row.buyer_key, row.paid_at)
    counts = collections.defaultdict(lambda: [0, 0])
    for row in orders.itertuples():
        count = counts[names.get(row.product_id, row.product_name)]
        count[0] += row.paid_at == first[row.buyer_key]
        count[1] += 1
    found = asked["buyers"].set_index("product")[["numerator", "denominator"]]
    assert {name: list(row) for name, row in found.iterrows()} == dict(counts)
    assert asked["buyers"]["value"].is_monotonic_decreasing


def test_8_hours_of_the_day(asked, raw):
    minutes = raw("minutes")
    found = asked["hours"].set_index("hour")
    for hour, mine in minutes.groupby(minutes["at"].dt.hour):
        row = found.loc[hour]
        assert row["n"] == len(mine)
        assert row["orders_a_minute"] == pytest.approx(mine["orders"].sum() / len(mine))
        assert row["paid_amount"] == pytest.approx(mine["paid_amount"].mean())
        assert row["online"] == pytest.approx(mine["online"].mean())


def test_9_what_ad_money_brought_by_source(asked, raw):
    sums = raw("traffic").query("ad_cost > 0").groupby("source").sum(numeric_only=True)
    found = asked["brought"].set_index("source")
    assert sorted(found.index) == sorted(sums.index) and len(sums)
    for source, row in sums.iterrows():
        one = found.loc[source]
        assert one["ad_cost"] == pytest.approx(row.ad_cost)
        assert one["ad_roi"] == pytest.approx(row.paid_amount / row.ad_cost)
        assert one["cost_per_viewer"] == pytest.approx(row.ad_cost / row.viewers)
        assert one["cost_per_order"] == pytest.approx(row.ad_cost / row.orders)


def test_10_refunds_by_cause_and_days_after_the_sale(asked, lines):
    tree = reference.reasons()
    counts = collections.Counter()
    for row in lines[lines["back"] & lines["back_at"].notna()].itertuples():
        words = row.why if isinstance(row.why, str) else ""
        hits = [
            (len(word), branch.en)
            for branch in tree.values()
            for reason in branch.reasons.values()
            for word in reason.words
            if word.lower() in words.lower()
        ]
        longest = max((length for length, _ in hits), default=0)
        cause = next((name for length, name in hits if length == longest), tree["other"].en)
        days = (row.back_at - row.paid_at).total_seconds() // 86400
        edges = {"0": 0, "1-2": 2, "3-6": 6, "7-14": 14, "15+": np.inf}
        counts[cause, next(name for name, last in edges.items() if days <= last)] += 1
    found = asked["refunds"].set_index("cause").stack()
    assert {key: count for key, count in found.items() if count} == dict(counts)


# ----------------------------------------------------------------------- where there is little


def quiet(folder, reports, lang="en"):
    shown = run_here(
        "07_explore",
        data_dir=str(folder),
        reports_dir=str(reports),
        session_id="latest",
        lang=lang,
    )
    return "\n".join(shown)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_list_of_sessions_alone_leaves_a_line_a_question(demo_workspace, tmp_path, lang):
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    for path in (demo_workspace / "raw").glob("直播间列表*"):
        shutil.copy(path, tmp_path / "shop" / "raw")
    shown = quiet(tmp_path / "shop", tmp_path, lang)
    lacking = {"zh": "本节无法计算", "en": "this part cannot be computed"}[lang]
    assert shown.count(lacking) >= 6
    assert ("No viewer events" if lang == "en" else "没有观众行为") in shown


def test_one_paid_line_is_enough_to_run(tmp_path, capsys):
    folder = workspace(tmp_path / "shop", [session(dt.datetime(2026, 11, 10, 20))])
    table = reference.tables()["orders"].columns
    line = {
        "platform": "抖音",
        "order_id": "6918271946073199825",
        "line_id": "6918271946073200727",
        "product_name": "面霜",
        "created_at": "2026-11-10 20:30:00",
        "paid_at": "2026-11-10 20:31:00",
        "qty": 1,
        "paid": 99.0,
        "room_name": "shop1",
    }
    heads = [table[name].zh for name in line]
    workbook(
        folder / "raw" / "orders.xlsx",
        **{reference.tables()["orders"].zh: [heads, list(line.values())]},
    )
    shown = quiet(folder, tmp_path)
    assert "No order lines" not in shown and "Nothing was refunded." in shown
    assert "orders 1" in capsys.readouterr().out
