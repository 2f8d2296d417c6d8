"""Customers against sums by hand, published tables, lifelines and simulated accounts."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lifelines import KaplanMeierFitter
from lifelines.datasets import load_leukemia, load_waltons
from lifelines.statistics import logrank_test

from helpers import reference
from helpers.aftersales import customers
from helpers.aftersales.customers.acquisition import logrank
from helpers.aftersales.customers.repurchase import by_day, curve, day_reached
from helpers.aftersales.customers.session_buyers import basket, new_share, unpaid
from helpers.aftersales.customers.share import Share
from helpers.core import engine
from helpers.reference import schema

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-01-01 20:00", tz=ZONE)
DAY = pd.Timedelta(days=1)
AS_OF = START + 400 * DAY
RULES = reference.customers()


def order_lines(rows):
    """Order lines from (buyer, days after START, paid, refunded) with anything else named."""
    made = pd.DataFrame(
        [
            {
                "platform": "douyin",
                "order_id": f"o{i}",
                "line_id": f"l{i}",
                "session_id": f"s{int(day)}",
                "product_id": "p1",
                "product_name": "面膜",
                "qty": 1.0,
                "buyer_key": buyer,
                "created_at": START + day * DAY,
                "paid_at": START + day * DAY,
                "paid": paid,
                "refunded": refunded,
                **more,
            }
            for i, (buyer, day, paid, refunded, *rest) in enumerate(rows)
            for more in (rest or [{}])
        ]
    )
    return schema.conform(made, "orders", ZONE)


def lines_of(rows, as_of=AS_OF):
    return customers.bought(order_lines(rows), schema.empty("aftersales", ZONE), as_of=as_of)


def purchases_of(rows, as_of=AS_OF):
    return engine.frame(
        customers.purchases(lines_of(rows, as_of), as_of=as_of, rules=RULES)
    ).sort_values(["buyer_key", "number"], ignore_index=True)


def counted(days, happened):
    return (
        pd.DataFrame({"days": days, "happened": happened})
        .astype({"days": int, "happened": bool})
        .value_counts(sort=False)
        .rename("n")
        .reset_index()
    )


# ------------------------------------------------------------------------------- published figures


def leukemia():
    data = load_leukemia()
    return {
        treated: counted(part["t"], part["status"] == 1) for treated, part in data.groupby("Rx")
    }


def test_freireich_6mp_table_and_interval():
    """S = .857 … .448 and the log-log interval at week 6, .620 to .952: Freireich et al. 1963."""
    found = curve(leukemia()[0]).set_index("days")
    left = 1 - found["rate"]
    assert left[[6, 7, 10, 13, 16, 22, 23]].to_numpy() == pytest.approx(
        [0.857, 0.807, 0.753, 0.690, 0.627, 0.538, 0.448], abs=5e-4
    )
    assert (1 - found["ci_upper"][6], 1 - found["ci_lower"][6]) == pytest.approx(
        (0.620, 0.952), abs=5e-4
    )
    assert day_reached(found.reset_index(), 0.5) == 23


def test_freireich_6mp_against_placebo_logrank():
    """Chi-squared 16.79 with one degree of freedom."""
    groups = leukemia()
    more, variance = logrank(by_day(groups[0]), by_day(pd.concat(groups.values())))
    assert more**2 / variance == pytest.approx(16.79, abs=5e-3) and more < 0


def test_waltons_logrank_is_that_of_lifelines_documentation():
    data = load_waltons()
    groups = {name: counted(part["T"], part["E"] == 1) for name, part in data.groupby("group")}
    more, variance = logrank(by_day(groups["miR-137"]), by_day(pd.concat(groups.values())))
    assert more**2 / variance == pytest.approx(122.249, abs=5e-3)
    assert day_reached(curve(pd.concat(groups.values())), 0.5) == 56


def test_cdnow_repurchase():
    """The CDNOW sample of 2,357 customers (Fader and Hardie).

    The median of those who came back says 55 days, but only 45.6 % had come back by day 365, so
    there is no median; later gaps have one, 52 days, and 29 among those who came back.
    """
    counts = pd.read_csv(
        Path(__file__).parents[1] / "fixtures" / "cdnow_gaps.csv", comment="#"
    ).astype({"happened": bool})
    assert counts.loc[counts["number"] == 1, "n"].sum() == 2357
    found = customers.cycle(counts).set_index("gap")
    assert np.isnan(found["median"]["first"]) and found["median"]["later"] == 52
    assert found["among_returned"].to_dict() == {"first": 55, "later": 29}
    by_year = customers.within(counts[counts["number"] == 1], [365]).iloc[0]
    assert by_year["rate"] == pytest.approx(0.456, abs=5e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=2, max_size=60))
def test_curve_and_logrank_are_those_of_lifelines(pairs):
    days, happened = zip(*pairs, strict=True)
    found = curve(counted(days, happened))
    fitted = KaplanMeierFitter().fit(days, happened)
    assert found["rate"].to_numpy() == pytest.approx(
        1 - fitted.survival_function_at_times(found["days"]).to_numpy()
    )
    inside = found["rate"].between(1e-9, 1 - 1e-9).to_numpy()
    bounds = fitted.confidence_interval_survival_function_.loc[found["days"]].to_numpy()[inside]
    assert found.loc[inside, ["ci_upper", "ci_lower"]].to_numpy() == pytest.approx(1 - bounds)
    half = len(days) // 2
    one, other = counted(days[:half], happened[:half]), counted(days[half:], happened[half:])
    more, variance = logrank(by_day(one), by_day(pd.concat([one, other])))
    if variance > 1e-9:
        assert more**2 / variance == pytest.approx(
            logrank_test(days[:half], days[half:], happened[:half], happened[half:]).test_statistic,
            abs=1e-9,
        )


# --------------------------------------------------------------------------------------- purchases


def test_a_purchase_is_a_buyers_shopping_day_and_midnight_does_not_end_it():
    found = purchases_of([("a", 0, 50, 0), ("a", 0.17, 30, 0), ("a", 0.5, 20, 0), ("b", 3, 10, 0)])
    assert found[["buyer_key", "number", "amount"]].values.tolist() == [
        ["a", 1, 80],
        ["a", 2, 20],
        ["b", 1, 10],
    ]  # 20:00 and 00:05, then 08:00
    assert found["days"].tolist() == [1, 399, 397] and found["happened"].tolist() == [
        True,
        False,
        False,
    ]


def test_an_order_refunded_in_full_is_no_repurchase_and_an_exchange_changes_nothing():
    orders = order_lines(
        [
            ("a", 0, 50, 0),
            ("a", 10, 40, 0),
            ("b", 0, 50, 0),
            ("b", 10, 40, 0),
            ("c", 0, 50, 0),
            ("c", 10, 40, 0),
        ]
    )
    case = {
        "platform": "douyin",
        "status": "succeeded",
        "asked_at": START + 11 * DAY,
        "refunded_at": START + 12 * DAY,
    }
    cases = schema.conform(
        pd.DataFrame(
            [
                {
                    **case,
                    "case_id": "1",
                    "line_id": "l1",
                    "order_id": "o1",
                    "kind": "return_refund",
                    "amount": 40.0,
                },
                {
                    **case,
                    "case_id": "2",
                    "line_id": "l3",
                    "order_id": "o3",
                    "kind": "refund_after_shipping",
                    "amount": 15.0,
                },
                {
                    **case,
                    "case_id": "3",
                    "line_id": "l5",
                    "order_id": "o5",
                    "kind": "exchange",
                    "status": "exchanged",
                    "amount": 40.0,
                },
            ]
        ),
        "aftersales",
        ZONE,
    )
    found = engine.frame(
        customers.purchases(customers.bought(orders, cases, as_of=AS_OF), as_of=AS_OF, rules=RULES)
    )
    kept = {
        key: part.sort_values("number")["amount"].tolist()
        for key, part in found.groupby("buyer_key")
    }
    assert kept == {"a": [50], "b": [50, 25], "c": [50, 40]}


def test_lines_without_a_buyer_stay_out_and_an_older_customer_starts_at_two():
    found = purchases_of(
        [
            (None, 0, 50, 0),
            ("old", 1, 50, 0, {"is_new_buyer": False}),
            ("old", 9, 50, 0, {"is_new_buyer": False}),
            ("new", 1, 50, 0, {"is_new_buyer": True}),
        ]
    )
    assert found[["buyer_key", "number"]].values.tolist() == [["new", 1], ["old", 2], ["old", 3]]


buying = st.lists(
    st.tuples(
        st.sampled_from("abcd"),
        st.integers(0, 300),
        st.sampled_from([0.0, 20.0, 50.0]),
        st.sampled_from([0.0, 0.5, 1.0]),
    ),
    min_size=1,
    max_size=30,
)


@settings(max_examples=8, deadline=None)
@given(buying)
def test_purchases_are_those_of_a_plain_loop(rows):
    rows = [(buyer, day, paid, paid * part) for buyer, day, paid, part in rows]
    expected = []
    for buyer in sorted({row[0] for row in rows}):
        days = {}
        for _, day, paid, back in (row for row in rows if row[0] == buyer and row[3] < row[2]):
            days[day] = days.get(day, 0) + paid - back
        order = sorted(days)
        for place, day in enumerate(order):
            after = order[place + 1] - day if place + 1 < len(order) else 400 - day
            expected.append([buyer, days[day], place + 1, after, place + 1 < len(order)])
    assert (
        purchases_of(rows)[["buyer_key", "amount", "number", "days", "happened"]].values.tolist()
        == expected
    )


# ------------------------------------------------------------------------------- coming back, late


def test_within_is_silent_where_nobody_was_followed_so_long():
    found = customers.within(
        counted([5, 20, 40, 40], [True, False, False, False]), [7, 30, 90]
    ).set_index("days")
    assert found["rate"][7] == found["rate"][30] == pytest.approx(0.25) and np.isnan(
        found["rate"][90]
    )
    assert found["watched"].to_dict() == {7: 4, 30: 3, 90: 1} and (found["n"] == 4).all()


def test_young_customers_do_not_lower_the_share_that_comes_back():
    old = counted(np.r_[np.full(40, 10), np.full(60, 200)], np.r_[np.ones(40), np.zeros(60)])
    young = counted(np.full(300, 2), np.zeros(300))
    assert customers.within(pd.concat([old, young]), [30])["rate"][0] == pytest.approx(0.4)


def test_late_is_the_day_by_which_four_of_five_came_back():
    quick = counted(np.arange(1, 101), np.ones(100)).assign(number=1)
    rare = counted(
        np.r_[np.arange(1, 41), np.full(60, 100)], np.r_[np.ones(40), np.zeros(60)]
    ).assign(number=2)
    found = customers.lateness(pd.concat([quick, rare]), rules=RULES).set_index("frequency")
    assert found["overdue_days"].to_dict() == {1: 80, 2: 32, 3: 32, 5: 32}
    assert found["basis"].to_dict() == {1: "all", 2: "returned", 3: "below", 5: "below"}


def test_won_back_counts_from_the_day_of_becoming_late():
    counts = counted([90, 120, 200, 300, 40], [True, True, True, False, True]).assign(number=1)
    late = pd.DataFrame({"frequency": [1], "overdue_days": [80.0]})
    found = customers.won_back(counts, late, rules=RULES)
    assert found.n == 4 and found.value == pytest.approx(
        1 / 4
    )  # after 10, 40 and 120 days; one never


# --------------------------------------------------------------------------------------------- RFM


def scored(rows, as_of=AS_OF):
    made = customers.purchases(lines_of(rows, as_of), as_of=as_of, rules=RULES)
    late = customers.lateness(customers.gaps(made), rules=RULES)
    return customers.rated(made, late, as_of=as_of, rules=RULES)


@settings(max_examples=5, deadline=None)
@given(buying, st.randoms())
def test_equal_customers_score_equally_whatever_their_key_and_order(rows, chance):
    """Each customer has a twin: rank(method="first") would give the two different scores."""
    rows = [(buyer, day, paid, paid * part) for buyer, day, paid, part in rows]
    both = [*rows, *((buyer + "'", *rest) for buyer, *rest in rows)]
    chance.shuffle(both)
    found = engine.frame(scored(both)).set_index("buyer_key")
    for key in [key for key in found.index if not key.endswith("'")]:
        assert (
            found.loc[key]
            .drop("days_since")
            .fillna(-1)
            .equals(found.loc[key + "'"].drop("days_since").fillna(-1))
        )


def test_scores_and_segments_by_hand():
    rows = (
        [("often", day, 100, 0) for day in (0, 100, 200, 380)]
        + [("once", 10, 100, 0)]
        + [("big", 390, 900, 0)]
        + [("new", 399, 10, 0)]
    )
    found = engine.frame(scored(rows)).set_index("buyer_key")
    assert found[["recency", "frequency", "spend"]].T.to_dict("list") == {
        "often": [5, 4, 4],
        "once": [1, 1, 2],
        "big": [5, 1, 5],
        "new": [5, 1, 1],
    }
    assert found["segment"].to_dict() == {"often": "111", "once": "000", "big": "101", "new": "100"}
    table = customers.segments(scored(rows), rules=RULES)
    assert table["segment"].tolist() == ["111", "101", "100", "000"] and table["n"].sum() == 4
    assert table["share"].sum() == pytest.approx(1) and table["amount"].sum() == 1410
    assert customers.best(scored(rows), limit=2)["buyer_key"].tolist() == ["big", "often"]


def test_sums_of_money_are_the_same_to_the_last_digit_in_any_order():
    """Cents as floats add up to another last digit in another order; as whole cents they do not."""
    rng = np.random.default_rng(5)
    lines = lines_of(
        [(f"b{rng.integers(6)}", day, rng.integers(1, 99_999) / 100, 0.0) for day in [0.0] * 3000]
    )
    shuffled = lines.sample(frac=1, random_state=6)
    frames = []
    for source in (lines, shuffled):
        made = customers.purchases(source, as_of=AS_OF, rules=RULES)
        late = customers.lateness(customers.gaps(made), rules=RULES)
        table = customers.rated(made, late, as_of=AS_OF, rules=RULES)
        money, _ = new_share(source, session_id="s0", as_of=AS_OF, rules=RULES)
        frames.append(
            [engine.frame(made), customers.segments(table, rules=RULES), pd.DataFrame([money])]
        )
    for one, other in zip(*frames, strict=True):
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    total = round(lines["paid"].mul(100).round().sum()) / 100
    assert frames[0][1]["amount"].sum() == total


def test_parquet_and_frame_score_alike(tmp_path):
    rng = np.random.default_rng(7)
    rows = [
        (f"b{rng.integers(200)}", float(rng.integers(0, 399)), float(rng.integers(10, 300)), 0.0)
        for _ in range(900)
    ]
    lines = lines_of(rows)
    lines.to_parquet(tmp_path / "lines.parquet")
    stored = engine.table([tmp_path / "lines.parquet"])
    frames = [
        customers.gaps(customers.purchases(source, as_of=AS_OF, rules=RULES))
        for source in (lines, stored)
    ]
    pd.testing.assert_frame_equal(*frames)


# --------------------------------------------------------------------------------- who brings them


def origins(lines):
    made = customers.purchases(lines, as_of=AS_OF, rules=RULES)
    return customers.origins(lines, made, by="product_id", as_of=AS_OF, rules=RULES)


def account(rng, *, better=0.0, buyers=1500):
    """First purchases of ten products over a year, one of which brings back more customers."""
    rows = []
    for buyer in range(buyers):
        product, day = int(rng.integers(10)), float(rng.integers(0, 300))
        rows.append((f"b{buyer}", day, 50.0, 0.0, {"product_id": f"p{product}"}))
        if rng.random() < 0.15 + (better if product == 3 else 0):
            rows.append(
                (f"b{buyer}", day + float(rng.integers(1, 60)), 50.0, 0.0, {"product_id": "p1"})
            )
    return lines_of(rows)


def test_the_product_whose_buyers_come_back_is_found():
    found = origins(account(np.random.default_rng(1), better=0.35)).set_index("product_id")
    assert found["verdict"]["p3"] == "better" and found["rate"]["p3"] > 1.5 * found["usual"]["p3"]
    assert (found.drop("p3")["verdict"] != "better").all()
    assert found["n"].sum() == 1500


def test_where_all_are_alike_few_are_told_apart():
    told = [
        origins(account(np.random.default_rng(seed)))["verdict"].isin(["better", "worse"]).any()
        for seed in range(6)
    ]
    assert sum(told) <= 3  # a tenth of the accounts, and chance


def test_small_origins_are_shown_and_not_judged():
    rows = [(f"a{i}", 5.0, 50.0, 0.0, {"product_id": "few"}) for i in range(29)] + [
        (f"b{i}", 5.0, 50.0, 0.0) for i in range(60)
    ]
    rows += [(f"a{i}", 9.0, 50.0, 0.0) for i in range(29)]
    found = origins(lines_of(rows)).set_index("product_id")
    assert (
        found["verdict"]["few"] == "not_comparable"
        and found["rate"]["few"] == 1
        and found["n"]["few"] == 29
    )


# ------------------------------------------------------------------------------------- one session


def test_new_share_goes_by_the_export_then_by_the_archive():
    rows = [
        ("old", 0, 50, 0),
        ("old", 9, 300, 0),
        ("flag", 9, 100, 0, {"is_new_buyer": False}),
        ("new", 9, 60, 60),
        ("new", 9, 40, 0),
    ]
    money, people = new_share(lines_of(rows), session_id="s9", as_of=AS_OF, rules=RULES)
    assert (
        money.value == pytest.approx(100 / 500)
        and people.value == pytest.approx(1 / 3)
        and money.n == people.n == 3
    )
    assert 0 <= money.lower < money.value < money.upper <= 1


def test_basket_by_hand():
    rows = [
        ("a", 0, 10, 0, {"qty": 2.0}),
        ("a", 0, 10, 0, {"product_id": "p2"}),
        ("b", 0, 10, 0),
        ("c", 0, 10, 0),
    ]
    units, several = basket(lines_of(rows))
    assert (
        units.value == pytest.approx(5 / 3)
        and several.value == pytest.approx(1 / 3)
        and units.n == 3
    )


def test_first_orders_and_recommended_buyers_by_hand():
    """Forty buyers, 30 of them new, of 2,000 viewers: 1.5 %; one of three was recommended."""
    assert customers.first_orders(Share(0.75, 0, 1, 40), 2000).value == 30 / 2000
    assert np.isnan(customers.first_orders(Share(0.75, 0, 1, 40), np.nan).value)
    assert np.isnan(
        customers.first_orders(Share(0.75, 0, 1, 40), 39).value
    )  # more buyers than viewers: no rate
    rows = [
        ("a", True, 1),
        ("a", False, 1),
        ("b", False, 1),
        ("c", False, 1),
        ("d", None, 1),
        (None, True, 1),
        ("e", True, 0),
    ]
    lines = pd.DataFrame(rows, columns=["buyer_key", "is_referred", "paid_at"]).assign(
        paid_at=lambda t: pd.to_datetime(t["paid_at"].map({1: "2026-11-01"})),
        is_referred=lambda t: t["is_referred"].astype("boolean"),
    )
    found = customers.referred(lines)
    assert (found.value, found.n) == (
        pytest.approx(1 / 3),
        3,
    ) and 0 < found.lower < 1 / 3 < found.upper < 1
    assert np.isnan(customers.referred(lines.iloc[4:5]).value)


def test_orders_unpaid_after_half_an_hour_leave_out_the_youngest():
    orders = order_lines([("a", 0, 10, 0)] * 5).assign(created_at=START)
    orders["paid_at"] = [
        START + pd.Timedelta(minutes=1),
        START + pd.Timedelta(minutes=45),
        pd.NaT,
        START,
        pd.NaT,
    ]
    orders.loc[4, "created_at"] = AS_OF - pd.Timedelta(minutes=5)
    found = unpaid(orders, as_of=AS_OF, rules=RULES)
    assert found.n == 4 and found.value == pytest.approx(2 / 4)
    assert np.isnan(unpaid(orders.assign(paid_at=pd.NaT), as_of=AS_OF, rules=RULES).value)


# ----------------------------------------------------------------------------------- what is shown


def everything(rows, session="s300", as_of=AS_OF):
    """The chapter's frames as the notebook makes them."""
    orders, lines = order_lines(rows), lines_of(rows, as_of)
    made = engine.kept(customers.purchases(lines, as_of=as_of, rules=RULES))
    counts = customers.gaps(made)
    late = customers.lateness(counts, rules=RULES)
    parts = customers.segments(customers.rated(made, late, as_of=as_of, rules=RULES), rules=RULES)
    shown = customers.figures(
        lines,
        orders[orders["session_id"] == session],
        pd.Series({"session_id": session, "viewers": 500.0}),
        counts,
        late,
        parts,
        as_of=as_of,
        rules=RULES,
    )
    products = customers.origins(lines, made, by="product_id", as_of=as_of, rules=RULES).assign(
        product_name="面膜 <b>"
    )
    told = customers.customer_findings(
        shown, counts, parts, products, notebook="05_aftersales", rules=RULES
    )
    return shown.set_index("figure"), counts, parts, told


def regulars():
    """Sixty customers: half come back after 20 days, a third of these again after 40.

    Three buy in the session of day 300.
    """
    rows = (
        [(f"b{i}", i, 50.0, 0.0) for i in range(60)]
        + [(f"b{i}", i + 20, 50.0, 0.0) for i in range(30)]
        + [(f"b{i}", i + 60, 50.0, 0.0) for i in range(10)]
    )
    return [*rows, ("b0", 300, 30.0, 0.0), ("x", 300, 60.0, 0.0), ("y", 300, 10.0, 0.0)]


def test_figures_by_hand():
    shown, _, parts, _ = everything(regulars())
    assert shown["value"][["new_share", "new_buyers", "first_order"]].to_list() == pytest.approx(
        [0.7, 2 / 3, 2 / 500]
    )
    assert (
        shown["value"]["repurchase_30"] == pytest.approx(30 / 62)
        and shown["value"]["repurchase_7"] == 0
    )
    assert (
        shown["zh"]["repurchase_30"] == "首购后 30 天内复购率" and shown["n"]["repurchase_30"] == 62
    )
    assert parts["n"].sum() == 62 and shown["value"]["overdue"] == parts["overdue"].sum() / 62
    assert (shown["ci_lower"].dropna() <= shown["value"][shown["ci_lower"].notna()] + 1e-12).all()


def test_findings_say_the_figures_in_both_languages():
    *_, told = everything(regulars())
    assert [row["metric"] for row in told] == [
        "new_customer_share",
        "repurchase_rate",
        "churn_warning",
    ]
    assert (
        "66.7%" in told[0]["sentence_zh"]
        and "66.7%" in told[0]["sentence_en"]
        and "70.0%" in told[0]["sentence_en"]
    )
    assert (
        "48.4%" in told[1]["sentence_zh"]
        and "没有中位数" in told[1]["sentence_zh"]
        and "no median" in told[1]["sentence_en"]
    )


def test_without_buyers_everything_is_empty_and_nothing_fails():
    shown, counts, parts, told = everything([(None, 0, 50, 0), (None, 300, 40, 0)])
    assert counts.empty and parts.empty and told == [] and customers.curves(counts).empty
    assert set(shown.index) <= {"unpaid"}


def test_keys_are_shortened_on_the_page():
    assert customers.shortened(pd.Series(["0123456789abcdef"])).tolist() == ["012345…"]


def test_wrong_bounds_are_refused_by_name(tmp_path):
    (tmp_path / "customers.yml").write_text("scores: {amount: [3, 1]}\n", encoding="utf-8")
    with pytest.raises(reference.ReferenceDataError, match=r"customers.yml: scores.*rising"):
        reference.customers(tmp_path)
