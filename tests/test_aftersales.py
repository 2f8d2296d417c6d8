"""After-sales figures against sums done by hand, published tables and simulated sessions with known returns."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import aftersales, reference, schema

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-11-01 20:00", tz=ZONE)
DAY = pd.Timedelta(days=1)


def orders(count, **columns):
    made = pd.DataFrame({
        "platform": "douyin", "session_id": "s1", "order_id": [f"o{i}" for i in range(count)], "line_id": [f"l{i}" for i in range(count)],
        "product_id": "p1", "product_name": "面膜", "qty": 1.0, "created_at": START, "paid_at": START, "paid": 100.0, **columns,
    })
    return schema.conform(made, "orders", ZONE)


def cases(rows):
    made = pd.DataFrame([
        {"platform": "douyin", "case_id": f"c{i}", "kind": "return_refund", "status": "succeeded", "asked_at": START + DAY,
         "refunded_at": START + 2 * DAY, "amount": 100.0, "before_shipping": False, **row} for i, row in enumerate(rows)
    ])
    return schema.conform(made, "aftersales", ZONE)


NO_CASES = schema.empty("aftersales", ZONE)


def of(rows, count=10, as_of=START + 30 * DAY, **columns):
    return aftersales.lines(orders(count, **columns), cases(rows) if rows else NO_CASES, as_of=as_of)


# ------------------------------------------------------------------------------------------------------- order lines


@pytest.mark.parametrize(("rows", "asked", "refunded", "amount"), [
    ([], 0, 0, 0),
    ([{"line_id": "l1"}], 1, 1, 100),
    ([{"line_id": "l1"}, {"line_id": "l2", "status": "open", "refunded_at": None}], 2, 1, 100),
    ([{"line_id": "l1"}, {"line_id": "l1", "amount": 30.0}], 1, 1, 100),                                    # never more than was paid
    ([{"line_id": "l1", "amount": 20.0}, {"line_id": "l1", "amount": 30.0}], 1, 1, 50),
    ([{"line_id": "l1", "status": "closed"}], 1, 0, 0),                                                     # asked, withdrawn
    ([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}], 0, 0, 0),                              # no refund
    ([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}, {"line_id": "l1"}], 1, 1, 100),
    ([{"line_id": None, "order_id": "o3"}], 1, 1, 100),                                                     # found by its order
    ([{"line_id": "elsewhere"}], 0, 0, 0),
])
def test_lines_are_counted_once_and_asked_is_not_refunded(rows, asked, refunded, amount):
    made = of(rows)
    assert len(made) == 10
    assert (made["asked"].sum(), made["refunded"].sum(), made["refunded_amount"].sum()) == (asked, refunded, amount)


def test_exchange_is_kept_apart():
    assert of([{"line_id": "l1", "kind": "exchange", "status": "exchanged"}])["exchanged"].sum() == 1


def test_as_of_hides_what_came_later():
    rows = [{"line_id": "l1", "asked_at": START + DAY, "refunded_at": START + 3 * DAY}]
    seen = [of(rows, as_of=START + days * DAY)[["asked", "refunded"]].sum().tolist() for days in (0.5, 2, 4)]
    assert seen == [[0, 0], [1, 0], [1, 1]]


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
    assert aftersales.unmatched(cases([{"line_id": "l1"}, {"line_id": "x"}, {"line_id": None, "order_id": "o2"}]), orders(5)) == 1


# -------------------------------------------------------------------------------------------------------------- rates


def test_rates_by_hand():
    paid = [50.0, 150.0, 100.0, 100.0]
    made = aftersales.rates(of([{"line_id": "l1", "amount": 150.0, "before_shipping": True}, {"line_id": "l2"}], count=4, paid=paid)).iloc[0]
    assert (made["n"], made["refunded"], made["refunded_before"], made["refunded_after"]) == (4, 2, 1, 1)
    assert made["rate"] == 0.5 and made["amount_rate"] == 250 / 400


def test_newcombe_1998_interval_of_a_refund_rate():
    """15 of 148: 0.0624 to 0.1605 (Newcombe 1998, Table I, method 3)."""
    made = aftersales.rates(of([{"line_id": f"l{i}"} for i in range(15)], count=148)).iloc[0]
    assert made["ci_lower"] == pytest.approx(0.0624, abs=5e-5) and made["ci_upper"] == pytest.approx(0.1605, abs=5e-5)


def test_groups_add_up_to_the_whole():
    lines = of([{"line_id": f"l{i}"} for i in (0, 3, 5)], product_id=["a", "b"] * 5)
    whole, parts = aftersales.rates(lines).iloc[0], aftersales.rates(lines, by="product_id")
    for name in ("n", "paid_amount", "asked", "refunded", "refunded_amount"):
        assert parts[name].sum() == whole[name]


def test_interval_of_the_amount_rate_covers():
    """The linearised interval of an amount ratio holds the true share about as often as it says."""
    rng, hits = np.random.default_rng(7), 0
    for _ in range(300):
        price = rng.lognormal(4, 0.7, 400)
        back = rng.random(400) < 0.25
        lower, upper = aftersales._ratio_interval(pd.Series(price * back), pd.Series(price))
        hits += lower <= 0.25 <= upper
    assert 0.91 < hits / 300 < 0.99


def test_session_totals_are_used_where_they_exist():
    session = pd.Series({"refund_orders": 15.0, "orders": 148.0, "refund_amount": np.nan, "paid_amount": 10.0})
    made = aftersales.session_rates(session)
    assert made["metric"].tolist() == ["refund_rate_orders"] and made["ci_upper"][0] == pytest.approx(0.1605, abs=5e-5)
    assert aftersales.session_rates(pd.Series({"orders": 10.0})).empty


# ------------------------------------------------------------------------------------------------------------ reasons


@pytest.mark.parametrize(("written", "reason"), [
    ("多拍/错拍/不想要", "over_ordered"), ("错拍", "wrong_order"), ("价格有误", "price_error"), ("尺码偏小", "size"), ("质量问题", "poor_quality"),
    ("商品破损/污渍", "damaged"), ("物流一直未送达", "late"), ("颜色/款式/图案与描述不符", "not_as_described"), ("七天无理由退货", "seven_days"),
    ("尺寸与商品描述不符", "not_as_described"), ("未按约定时间发货", "not_shipped"), ("Defective item", "poor_quality"), ("？？", "unknown"), (np.nan, "unknown"),
])
def test_reasons_find_their_place_in_the_tree(written, reason):
    assert aftersales.reason_of(written, reference.reasons())[1] == reason


def test_pareto_only_from_thirty_refunds_and_its_shares_close():
    lines = [{"line_id": f"l{i}", "reason": "多拍" if i < 20 else "质量问题"} for i in range(30)]
    few, enough = (aftersales.reasons(of(lines[:count], count=40), tree=reference.reasons()) for count in (29, 30))
    assert not few["enough"].any() and enough["enough"].all()
    assert enough["reason"].tolist() == ["over_ordered", "poor_quality"] and enough["count"].tolist() == [20, 10]
    assert enough["share"].sum() == pytest.approx(1) and enough["cumulative"].iloc[-1] == pytest.approx(1)
    grouped = aftersales.reasons(of(lines, count=40), tree=reference.reasons(), group=True)
    assert grouped["count"].sum() == 30 and grouped["reason"].tolist() == ["ordering", "quality"]


# ---------------------------------------------------------------------------------------------------- still to come


def simulated(rng, session, *, lines=400, rate=0.3, started=START, median=7.0, early=0.0):
    """A session's order lines and cases: refunds after a lognormal delay, and some at once before shipping."""
    paid_at = started + pd.to_timedelta(rng.uniform(0, 0.15, lines), unit="D")
    delay = rng.lognormal(np.log(median), 0.5, lines)
    back, at_once = rng.random(lines) < rate, rng.random(lines) < early
    ids = [f"{session}-{i}" for i in range(lines)]
    made = orders(lines, line_id=ids, order_id=ids, session_id=session, paid_at=paid_at, created_at=paid_at)
    days = np.where(at_once, 0.02, delay)
    refunded_at = paid_at + pd.to_timedelta(days, unit="D")
    keep = (back | at_once) & (days < 30)
    rows = pd.DataFrame({
        "platform": "douyin", "case_id": ids, "line_id": ids, "kind": "return_refund", "status": "succeeded", "asked_at": paid_at,
        "refunded_at": refunded_at, "amount": 100.0, "before_shipping": at_once,
    })[keep]
    return made, schema.conform(rows, "aftersales", ZONE)


def account(rng, sessions=10, **options):
    parts = [simulated(rng, f"old{i}", rate=rng.beta(30, 70), started=START - (40 + 3 * i) * DAY, **options) for i in range(sessions)]
    return pd.concat([o for o, _ in parts], ignore_index=True), pd.concat([c for _, c in parts], ignore_index=True)


def test_delay_curve_is_the_share_of_refunds_seen_when_all_sessions_are_old():
    """Without censoring the Kaplan-Meier curve is the plain share of refunds within each day."""
    history = aftersales.lines(*account(np.random.default_rng(1)), as_of=START + 30 * DAY)
    curve = aftersales.delay_curve(history, as_of=START + 30 * DAY)
    delay = ((history["refunded_at"] - history["paid_at"]) / DAY)[history["refunded"]]
    plain = [(delay <= day).mean() for day in range(31)]
    assert curve["share"].to_numpy() == pytest.approx(plain, abs=1e-9)


def test_delay_curve_needs_thirty_refunds():
    assert aftersales.delay_curve(of([{"line_id": f"l{i}"} for i in range(9)]), as_of=START + 30 * DAY).empty
    assert np.isnan(aftersales.maturity(pd.DataFrame({"day": [], "share": [], "refunds": []}), 3).share)


def test_expected_rate_is_the_formula():
    made = aftersales.expected_rate(12, 400, 0.2, 0.3, k=60)
    assert made.value == pytest.approx((12 + 60 * 0.3) / (400 * 0.2 + 60))
    assert made.lower <= made.value <= made.upper


@given(st.integers(1, 2000), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1))
def test_expected_rate_lies_between_the_corrected_and_the_pooled_rate(n, part, share, pooled):
    refunded = int(n * part * share)
    made = aftersales.expected_rate(refunded, n, share, pooled)
    low, high = sorted([min(refunded / (n * share), 1.0), pooled])
    assert low - 1e-9 <= made.value <= high + 1e-9
    assert 0 <= made.lower <= made.value <= made.upper <= 1


def test_unknown_maturity_gives_no_rate():
    assert np.isnan(aftersales.expected_rate(3, 100, np.nan, 0.3).value)


def test_young_sessions_at_day_five_are_four_times_closer_than_the_rate_so_far():
    """The gate of the method: error at most a quarter of the naive rate's, and the interval holds the truth."""
    rng = np.random.default_rng(20261101)
    old_orders, old_cases = account(rng, early=0.05)
    history = aftersales.lines(old_orders, old_cases, as_of=START)
    naive, guess, covered = [], [], []
    for number in range(25):
        rate = rng.beta(30, 70)
        lines = aftersales.lines(*simulated(rng, f"new{number}", rate=rate, early=0.05), as_of=START + 5 * DAY)
        final = 1 - (1 - rate) * 0.95
        found = aftersales.expected_final(lines, history, as_of=START + 5 * DAY, bands=1).iloc[0]
        naive.append(lines["refunded"].mean() - final)
        guess.append(found["expected"] - final)
        covered.append(found["lower"] <= final <= found["upper"])
    assert np.sqrt(np.mean(np.square(guess))) <= np.sqrt(np.mean(np.square(naive))) / 4
    assert np.mean(covered) >= 0.9


def test_too_young_a_session_prints_no_final_rate_and_an_old_one_its_own():
    rng = np.random.default_rng(3)
    history = aftersales.lines(*account(rng), as_of=START)
    young, old = (
        aftersales.expected_final(aftersales.lines(*simulated(rng, "new"), as_of=START + days * DAY), history, as_of=START + days * DAY)
        for days in (1, 31)
    )
    assert not young["printable"].any() and young["expected"].isna().all()
    assert old["final"].all() and old.iloc[0]["expected"] == pytest.approx(old.iloc[0]["refunded"] / 400)


def test_net_amount_never_expects_less_than_was_refunded_and_closes():
    rng = np.random.default_rng(4)
    history = aftersales.lines(*account(rng), as_of=START)
    lines = aftersales.lines(*simulated(rng, "new"), as_of=START + 9 * DAY)
    made = aftersales.net_amount(lines, aftersales.expected_final(lines, history, as_of=START + 9 * DAY)).set_index("line")
    amount = made["amount"]
    assert amount["net"] == amount["paid"] - amount["refunded"] and amount["expected_net"] == amount["paid"] - amount["expected_refunds"]
    assert amount["expected_refunds"] >= amount["refunded"]
    assert (made["lower"] <= made["amount"]).all() and (made["amount"] <= made["upper"]).all()


def test_rates_at_age_count_what_was_known_then():
    rows = [{"line_id": "l1", "refunded_at": START + 2 * DAY}, {"line_id": "l2", "refunded_at": START + 9 * DAY}]
    made = aftersales.rates_at_age(of(rows), age_days=5, as_of=START + 30 * DAY)
    assert made[["n", "refunded", "rate"]].iloc[0].tolist() == [10, 1, 0.1]
    assert aftersales.rates_at_age(of(rows), age_days=31, as_of=START + 30 * DAY).empty


# ---------------------------------------------------------------------------------------------------- first response


FREIREICH = [6, 6, 6, 7, 10, 13, 16, 22, 23, 6, 9, 10, 11, 17, 19, 20, 25, 32, 32, 34, 35]


def enquiries():
    """The 6-MP arm of Freireich et al. 1963 as waits in seconds; the last twelve are censored (resolved without a reply)."""
    seconds = pd.to_timedelta(FREIREICH, unit="s")
    answered = np.arange(21) < 9
    made = pd.DataFrame({"enquiry_id": [str(i) for i in range(21)], "opened_at": START})
    made["first_reply_at"] = (START + seconds).where(answered)
    made["resolved_at"] = (START + seconds).where(~answered)
    return schema.conform(made, "service", ZONE)


def test_first_response_is_the_published_kaplan_meier():
    """Freireich: S(6) = .857, S(10) = .753, S(22) = .538, median 23."""
    made = aftersales.first_response(enquiries(), as_of=START + DAY)
    assert made == aftersales.Response(21, 9, 23.0)
    within = aftersales.answered_within(enquiries(), as_of=START + DAY, marks=(6, 10, 22))
    assert (1 - within["rate"]).round(3).tolist() == [0.857, 0.753, 0.538]
    assert (1 - within["ci_upper"][0], 1 - within["ci_lower"][0]) == pytest.approx((0.620, 0.952), abs=1e-3)


def test_unanswered_enquiries_are_not_left_out():
    waiting = enquiries().assign(first_reply_at=pd.NaT, resolved_at=pd.NaT)
    waiting = schema.conform(waiting, "service", ZONE)
    assert aftersales.first_response(waiting, as_of=START + DAY).median == np.inf
    assert np.isnan(aftersales.first_response(waiting.head(0), as_of=START + DAY).median)


# ------------------------------------------------------------------------------------------------------------- profit


def costs(rows):
    return schema.conform(pd.DataFrame(rows, columns=["item", "product_id", "session_id", "session_started_at", "amount"]), "costs", ZONE)


SESSION = pd.Series({"session_id": "s1", "paid_amount": 1000.0, "commission": 50.0, "ad_cost": 200.0, "coupon_amount": np.nan, "gift_cost": np.nan})
UNITS = pd.DataFrame({"product_id": ["a", "b"], "units": [3.0, 2.0]})
PRICES = [("unit_cost", "a", None, None, 10.0), ("unit_cost", "b", None, None, 20.0)]


def test_profit_by_hand():
    made = aftersales.profit(SESSION, costs=costs([*PRICES, ("staff", None, None, None, 80.0), ("staff", None, "s1", START, 90.0)]), units=UNITS, refunded=100.0)
    amounts = made.set_index("line")["amount"]
    assert amounts["unit_cost"] == -70 and amounts["staff"] == -90
    assert amounts["profit"] == 1000 - 100 - 70 - 50 - 200 - 90
    assert made["amount"].iloc[:-1].sum() == pytest.approx(amounts["profit"])
    assert made["kind"].tolist() == ["start", *["step"] * 7, "end"]
    assert made.iloc[-1]["missing_en"] == "coupons, gifts"


@pytest.mark.parametrize(("rows", "refunded", "missing"), [
    ([], 100.0, "cost of goods"), (PRICES[:1], 100.0, "cost of goods"), (PRICES, np.nan, "refunds"),
])
def test_profit_is_not_measurable_without_costs_or_refunds(rows, refunded, missing):
    made = aftersales.profit(SESSION, costs=costs(rows), units=UNITS, refunded=refunded).set_index("line")
    assert not made.loc["profit", "measurable"] and np.isnan(made.loc["profit", "amount"])
    assert missing in made.loc["profit", "missing_en"] and made["missing_zh"].ne("").sum() >= 2


def test_returned_goods_are_back_on_the_shelf_and_refunded_ones_without_return_are_not():
    lines = of([{"line_id": "l0"}, {"line_id": "l1", "kind": "refund_after_shipping"}, {"line_id": "l2", "kind": "refund_before_shipping", "before_shipping": True}], count=5, qty=2.0)
    assert aftersales.units_kept(lines)["units"].sum() == 2 * 3


# ----------------------------------------------------------------------------------------------------------- findings


def test_a_rate_beyond_what_the_same_age_led_to_expect_is_worse_and_says_so():
    rng = np.random.default_rng(5)
    history = aftersales.lines(*account(rng), as_of=START)
    bad, usual = (
        aftersales.against_past(aftersales.lines(*simulated(rng, "new", rate=rate), as_of=START + 6 * DAY), history, as_of=START + 6 * DAY)
        for rate in (0.85, 0.3)
    )
    assert bad["verdict"].iloc[0] == "worse" and usual["verdict"].iloc[0] == "cannot_tell"
    rows = aftersales.return_findings(bad, notebook="05_aftersales", registry=reference.metrics())
    assert rows[0]["money_at_stake"] == pytest.approx((bad["rate"][0] - bad["baseline"][0]) * 400 * 100)
    assert "同龄" in rows[0]["sentence_zh"] and rows[0]["slice"] == ""


def test_so_far_says_as_of_when():
    lines = of([{"line_id": "l1"}, {"line_id": "l2", "status": "open", "refunded_at": None}], as_of=START + 4 * DAY)
    made = aftersales.so_far(lines, SESSION, as_of=START + 4 * DAY).set_index("rate")
    assert made.loc["asked", "value"] == 0.2 and made.loc["refunded", "value"] == 0.1 and made.loc["amount", "value"] == 0.1
    assert made["age_days"].tolist() == [4.0] * 6 and (made["as_of"] == START + 4 * DAY).all()
    totals = aftersales.so_far(lines.head(0), SESSION.reindex([*SESSION.index, "started_at"]).fillna({"started_at": START}), as_of=START)
    assert totals.empty
