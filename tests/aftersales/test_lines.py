"""After-sales figures against sums done by hand, published tables and simulated sessions with known returns."""

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter

from helpers import aftersales, reference
from helpers.aftersales.lines import _ratio_interval
from helpers.core import engine
from tests.sold_lines import DAY, START, ZONE, account, cases, of, orders, simulated

# ------------------------------------------------------------------------------------- order lines


@pytest.mark.parametrize(
    ("rows", "asked", "refunded", "amount"),
    [
        ([], 0, 0, 0),
        ([{"line_id": "l1"}], 1, 1, 100),
        ([{"line_id": "l1"}, {"line_id": "l2", "status": "open", "refunded_at": None}], 2, 1, 100),
        (
            [{"line_id": "l1"}, {"line_id": "l1", "amount": 30.0}],
            1,
            1,
            100,
        ),  # never more than was paid
        ([{"line_id": "l1", "amount": 20.0}, {"line_id": "l1", "amount": 30.0}], 1, 1, 50),
        ([{"line_id": "l1", "status": "closed"}], 1, 0, 0),  # asked, withdrawn
        ([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}], 0, 0, 0),  # no refund
        (
            [{"line_id": "l1", "kind": "exchange", "status": "exchanged"}, {"line_id": "l1"}],
            1,
            1,
            100,
        ),
        ([{"line_id": None, "order_id": "o3"}], 1, 1, 100),  # found by its order
        ([{"line_id": "elsewhere"}], 0, 0, 0),
    ],
)
def test_lines_are_counted_once_and_asked_is_not_refunded(rows, asked, refunded, amount):
    made = of(rows)
    assert len(made) == 10
    assert (made["asked"].sum(), made["refunded"].sum(), made["refunded_amount"].sum()) == (
        asked,
        refunded,
        amount,
    )


def test_exchange_is_kept_apart():
    assert (
        of([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}])["exchanged"].sum() == 1
    )


def test_as_of_hides_what_came_later():
    rows = [{"line_id": "l1", "asked_at": START + DAY, "refunded_at": START + 3 * DAY}]
    seen = [
        of(rows, as_of=START + days * DAY)[["asked", "refunded"]].sum().tolist()
        for days in (0.5, 2, 4)
    ]
    assert seen == [[0, 0], [1, 0], [1, 1]]


def test_lines_as_known_on_an_earlier_day_are_those_made_from_that_day_s_cases():
    """Set back, the lines say what lines made of the cases and orders of that day say."""
    rng = np.random.default_rng(2)
    bought, sent_back = simulated(rng, "s", lines=300, early=0.1)
    whole = aftersales.lines(bought, sent_back, as_of=START + 40 * DAY)
    for day in (0.05, 3, 8, 20):
        then, set_back = START + day * DAY, aftersales.known_at(whole, START + day * DAY)
        fresh = aftersales.lines(bought, sent_back, as_of=then)
        names = ["line_id", "refunded", "refunded_at", "refunded_amount"]
        assert set_back[names].reset_index(drop=True).equals(fresh[names])
        assert set_back["asked"].tolist() == fresh["asked"].tolist()


def test_unpaid_lines_and_lines_paid_later_are_no_part_of_it():
    times = pd.Series([START, START + 9 * DAY, pd.NaT]).dt.tz_convert(ZONE)
    assert len(of([], count=3, paid_at=times, as_of=START + DAY)) == 1


def test_an_export_without_payment_times_is_taken_at_its_creation_times():
    assert len(of([], count=3, paid_at=pd.NaT, paid=[100.0, 0.0, 50.0])) == 2


def test_without_cases_the_order_export_tells_the_amount():
    made = of([], refunded=[100.0] + [0.0] * 8 + [np.nan])
    assert made["refunded"].sum() == 1 and made["refunded_amount"].sum() == 100
    assert aftersales.delay_curve(made, as_of=START + 30 * DAY).empty


def test_a_line_that_occurs_twice_is_refused():
    with pytest.raises(ValueError, match="line_id 'same' occurs more than once"):
        of([], line_id="same")


def test_cases_without_an_order_are_counted_as_unmatched():
    assert (
        aftersales.unmatched(
            cases([{"line_id": "l1"}, {"line_id": "x"}, {"line_id": None, "order_id": "o2"}]),
            orders(5),
        )
        == 1
    )


# ------------------------------------------------------------------------------------------- rates


def test_rates_by_hand():
    paid = [50.0, 150.0, 100.0, 100.0]
    made = aftersales.rates(
        of(
            [{"line_id": "l1", "amount": 150.0, "before_shipping": True}, {"line_id": "l2"}],
            count=4,
            paid=paid,
        )
    ).iloc[0]
    assert (made["n"], made["refunded"], made["refunded_before"], made["refunded_after"]) == (
        4,
        2,
        1,
        1,
    )
    assert made["rate"] == 0.5 and made["amount_rate"] == 250 / 400


def test_newcombe_1998_interval_of_a_refund_rate():
    """15 of 148: 0.0624 to 0.1605 (Newcombe 1998, Table I, method 3)."""
    made = aftersales.rates(of([{"line_id": f"l{i}"} for i in range(15)], count=148)).iloc[0]
    assert made["ci_lower"] == pytest.approx(0.0624, abs=5e-5) and made[
        "ci_upper"
    ] == pytest.approx(0.1605, abs=5e-5)


def test_groups_add_up_to_the_whole():
    lines = of([{"line_id": f"l{i}"} for i in (0, 3, 5)], product_id=["a", "b"] * 5)
    whole, parts = aftersales.rates(lines).iloc[0], aftersales.rates(lines, by="product_id")
    for name in ("n", "paid_amount", "asked", "refunded", "refunded_amount"):
        assert parts[name].sum() == whole[name]


def test_every_dimension_adds_up_to_the_whole_and_says_as_of_when():
    """Tier of the product in its session, host of the session, bands of the price: counted once each, as sums by hand say."""
    lines = of(
        [{"line_id": f"l{i}"} for i in (0, 3, 5)],
        product_id=["a", "b"] * 5,
        paid=[10.0, 20.0, 30.0, 40.0, 50.0] * 2,
        source="推荐",
        province="浙江",
    )
    goods = pd.DataFrame(
        {
            "session_id": "s1",
            "product_id": ["a", "b", "b"],
            "sku_id": [None, None, "x"],
            "tier": ["profit", "image", "traffic"],
        }
    )
    hosts = pd.DataFrame({"session_id": ["s1"], "host": ["甲"]})
    made = aftersales.described(lines, products=goods, sessions=hosts, cuts=[25.0, 45.0])
    assert made["price_band"].value_counts().to_dict() == {"<25": 4, "25–45": 4, "≥45": 2}
    table = aftersales.by_slice(made, as_of=START + 4 * DAY, by=(*aftersales.DIMENSIONS, "host"))
    assert table.groupby("return_by")["n"].sum().to_dict() == dict.fromkeys(
        [*aftersales.DIMENSIONS, "host"], 10
    )
    assert (
        table.groupby("return_by")["refunded"].sum().eq(3).all()
        and table["age_days"].eq(4).all()
        and table["as_of"].eq(START + 4 * DAY).all()
    )
    tier = table[table["return_by"] == "tier"].set_index("slice")
    assert tier.loc["profit", "refunded"] == 1 and tier.loc["image", "refunded"] == 2
    assert aftersales.by_slice(made.head(0), as_of=START).empty


def test_price_bands_have_like_numbers_and_keep_lines_without_a_price_apart():
    prices = pd.Series([float(i) for i in range(1, 91)] + [np.nan])
    cuts = aftersales.price_cuts(prices)
    bands = aftersales.price_bands(prices, cuts)
    assert bands.value_counts().between(29, 31).all() and bands.isna().sum() == 1
    assert (
        aftersales.price_bands(prices.head(3), []).tolist() == ["–"] * 3
        and aftersales.price_cuts(prices.tail(1)) == []
    )


def test_interval_of_the_amount_rate_covers():
    """The linearised interval of an amount ratio holds the true share about as often as it says."""
    rng, hits = np.random.default_rng(7), 0
    for _ in range(300):
        price = rng.lognormal(4, 0.7, 400)
        back = rng.random(400) < 0.25
        lower, upper = _ratio_interval(pd.Series(price * back), pd.Series(price))
        hits += lower <= 0.25 <= upper
    assert 0.91 < hits / 300 < 0.99


def test_session_totals_are_used_where_they_exist():
    session = pd.Series(
        {"refund_orders": 15.0, "orders": 148.0, "refund_amount": np.nan, "paid_amount": 10.0}
    )
    made = aftersales.session_rates(session)
    assert made["metric"].tolist() == ["refund_rate_orders"] and made["ci_upper"][
        0
    ] == pytest.approx(0.1605, abs=5e-5)
    assert aftersales.session_rates(pd.Series({"orders": 10.0})).empty


# ---------------------------------------------------------------------------------- as they arrive


def test_delay_curve_is_the_share_of_refunds_seen_when_all_sessions_are_old():
    """Without censoring the Kaplan-Meier curve is the plain share of refunds within each day."""
    history = aftersales.lines(*account(np.random.default_rng(1)), as_of=START + 30 * DAY)
    curve = aftersales.delay_curve(history, as_of=START + 30 * DAY)
    delay = ((history["refunded_at"] - history["paid_at"]) / DAY)[history["refunded"]]
    plain = [(delay <= day).mean() for day in range(31)]
    assert curve["share"].to_numpy() == pytest.approx(plain, abs=1e-9)


def test_delay_curve_counted_by_minutes_is_that_of_every_single_line(tmp_path):
    """Young sessions inside, from a frame and from Parquet: Kaplan-Meier over the lines themselves says the same."""
    young = [
        simulated(np.random.default_rng(i), f"young{i}", started=START - i * DAY) for i in (2, 5, 9)
    ]
    old = account(np.random.default_rng(3))
    orders, cases = (
        pd.concat([whole, *(pair[place] for pair in young)], ignore_index=True)
        for place, whole in enumerate(old)
    )
    lines = aftersales.lines(orders, cases, as_of=START)
    lines.to_parquet(tmp_path / "lines.parquet")
    curve = aftersales.delay_curve(lines, as_of=START)
    pd.testing.assert_frame_equal(
        curve, aftersales.delay_curve(engine.table([tmp_path / "lines.parquet"]), as_of=START)
    )
    delay, age = (lines["refunded_at"] - lines["paid_at"]) / DAY, (START - lines["paid_at"]) / DAY
    back = lines["refunded"] & (delay <= 30)
    single = KaplanMeierFitter().fit(delay.where(back, age.clip(upper=30)), back)
    lost = 1 - single.survival_function_at_times(range(31)).to_numpy()
    assert (
        curve["share"].to_numpy() == pytest.approx(lost / lost[-1], abs=1e-4)
        and 0.1 < curve["share"][5] < 0.9
    )


def test_delay_curve_needs_thirty_refunds():
    assert aftersales.delay_curve(
        of([{"line_id": f"l{i}"} for i in range(9)]), as_of=START + 30 * DAY
    ).empty
    assert np.isnan(
        aftersales.maturity(pd.DataFrame({"day": [], "share": [], "refunds": []}), 3).share
    )


def test_rates_at_age_count_what_was_known_then():
    rows = [
        {"line_id": "l1", "refunded_at": START + 2 * DAY},
        {"line_id": "l2", "refunded_at": START + 9 * DAY},
    ]
    made = aftersales.rates_at_age(of(rows), age_days=5, as_of=START + 30 * DAY)
    assert made[["n", "refunded", "rate"]].iloc[0].tolist() == [10, 1, 0.1]
    assert aftersales.rates_at_age(of(rows), age_days=31, as_of=START + 30 * DAY).empty


# ---------------------------------------------------------------------------------------- findings


def test_a_rate_beyond_what_the_same_age_led_to_expect_is_worse_and_says_so():
    rng = np.random.default_rng(5)
    history = aftersales.lines(*account(rng), as_of=START)
    bad, usual = (
        aftersales.against_past(
            aftersales.lines(*simulated(rng, "new", rate=rate), as_of=START + 6 * DAY),
            history,
            as_of=START + 6 * DAY,
        )
        for rate in (0.85, 0.3)
    )
    assert bad["verdict"].iloc[0] == "worse" and usual["verdict"].iloc[0] == "cannot_tell"
    rows = aftersales.return_findings(bad, notebook="05_aftersales", registry=reference.registry())
    assert rows[0]["money_at_stake"] == pytest.approx(
        (bad["rate"][0] - bad["baseline"][0]) * 400 * 100
    )
    assert "同龄" in rows[0]["sentence_zh"] and rows[0]["slice"] == ""


SESSION = pd.Series({"session_id": "s1", "paid_amount": 1000.0})


def test_so_far_says_as_of_when():
    lines = of(
        [{"line_id": "l1"}, {"line_id": "l2", "status": "open", "refunded_at": None}],
        as_of=START + 4 * DAY,
    )
    made = aftersales.so_far(lines, SESSION, as_of=START + 4 * DAY).set_index("rate")
    assert (
        made.loc["asked", "value"] == 0.2
        and made.loc["refunded", "value"] == 0.1
        and made.loc["amount", "value"] == 0.1
    )
    assert made["age_days"].tolist() == [4.0] * 6 and (made["as_of"] == START + 4 * DAY).all()
    totals = aftersales.so_far(
        lines.head(0),
        SESSION.reindex([*SESSION.index, "started_at"]).fillna({"started_at": START}),
        as_of=START,
    )
    assert totals.empty


def test_a_slice_that_stands_out_is_told_from_those_that_do_not():
    """One source whose buyers send back far more than its own past: named; the other sources are left alone."""
    rng = np.random.default_rng(8)
    history = aftersales.lines(*account(rng), as_of=START)
    history = history.assign(source=np.where(np.arange(len(history)) % 2 == 0, "甲", "乙"))
    high, usual = (
        aftersales.lines(*simulated(rng, name, rate=rate), as_of=START + 8 * DAY).assign(
            source=source
        )
        for name, rate, source in (("x", 0.8, "甲"), ("y", 0.3, "乙"))
    )
    made = aftersales.against_past(
        pd.concat([high, usual], ignore_index=True), history, as_of=START + 8 * DAY, by=("source",)
    )
    told = made[made["return_by"] == "source"].set_index("slice")["verdict"]
    assert (
        told.to_dict() == {"甲": "worse", "乙": "cannot_tell"} and made["return_by"].iloc[0] == ""
    )
