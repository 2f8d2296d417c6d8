"""Refund rates against sums done by hand, published intervals and simulated sessions."""

import numpy as np
import pandas as pd
import pytest

from helpers import aftersales, reference
from helpers.aftersales import refund_rates
from tests.sold_lines import DAY, START, account, of, simulated


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
    """Tier of the product in its session, host, band of the price: counted once each."""
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


def test_interval_of_the_amount_rate_covers():
    """The linearised interval of an amount ratio holds the true share about as often as it says."""
    rng, hits = np.random.default_rng(7), 0
    for _ in range(300):
        price = rng.lognormal(4, 0.7, 400)
        back = rng.random(400) < 0.25
        lower, upper = refund_rates.ratio_interval(pd.Series(price * back), pd.Series(price))
        hits += lower <= 0.25 <= upper
    assert 0.91 < hits / 300 < 0.99


def test_session_totals_are_used_where_they_exist():
    session = pd.Series(
        {"refund_orders": 15.0, "orders": 148.0, "refund_amount": np.nan, "paid_amount": 10.0}
    )
    made = refund_rates.session_rates(session)
    assert made["metric"].tolist() == ["refund_rate_orders"] and made["ci_upper"][
        0
    ] == pytest.approx(0.1605, abs=5e-5)
    assert refund_rates.session_rates(pd.Series({"orders": 10.0})).empty


def test_rates_at_age_count_what_was_known_then():
    rows = [
        {"line_id": "l1", "refunded_at": START + 2 * DAY},
        {"line_id": "l2", "refunded_at": START + 9 * DAY},
    ]
    made = aftersales.rates_at_age(of(rows), age_days=5, as_of=START + 30 * DAY)
    assert made[["n", "refunded", "rate"]].iloc[0].tolist() == [10, 1, 0.1]
    assert aftersales.rates_at_age(of(rows), age_days=31, as_of=START + 30 * DAY).empty


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
    """A source whose buyers send back far more than before is named; the other is left alone."""
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
