"""Money at stake of single products and sources.

Worked out by hand where nothing is random, and against planted leaks.
"""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats
from scipy.special import expit, logit

from helpers import reference
from helpers.compare import stakes
from helpers.compare.stakes import rates, sizing
from helpers.core import findings, text
from helpers.reference import schema
from tests.benchmarks import opportunity as simulated

REGISTRY, FUNNELS = reference.registry(), reference.funnels()
START = pd.Timestamp("2026-11-10 20:00", tz="Asia/Shanghai")
MANY = 1_000_000.0  # so many people that chance has no say


def product(session: str, unit: str, *counts: float, paid: float = 0.0, **others: object) -> dict:
    names = ("exposure_users", "click_users", "create_users", "pay_users")
    return {
        "session_id": session,
        "product_id": unit,
        "paid_amount": paid,
        **dict(zip(names, counts, strict=True)),
        **others,
    }


def account(*, sessions: int = 8, units: int = 8) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """Products that all convert 10 %, 10 % and 80 % at a price of 100.

    In the session reviewed the first orders half as often.
    """
    rows = [
        product(f"S{s}", f"p{u}", MANY, MANY / 10, MANY / 100, MANY / 125, paid=MANY / 125 * 100)
        for s in range(sessions)
        for u in range(units)
    ]
    now = [
        product("NOW", f"p{u}", MANY, MANY / 10, MANY / 100, MANY / 125, paid=MANY / 125 * 100)
        for u in range(1, units)
    ]
    broken = product("NOW", "p0", MANY, MANY / 10, MANY / 200, MANY / 250, paid=MANY / 250 * 100)
    return pd.DataFrame([broken, *now]), pd.DataFrame(rows), [f"S{s}" for s in range(sessions)]


def size(
    now: pd.DataFrame, past: pd.DataFrame, chosen: list[str], **options: object
) -> pd.DataFrame:
    return stakes.lines(
        now, past, chosen, FUNNELS["product_people"], key="product_id", min_people=30, **options
    )


# ---- what can be worked out by hand


def test_with_ample_counts_the_money_is_people_times_gap_times_what_follows():
    lines = size(*account(), returns=0.25)
    first = lines.iloc[0]
    assert (first["unit"], first["below"], first["above"], first["basis"]) == (
        "p0",
        "click_users",
        "create_users",
        "own",
    )
    # 100,000 clicks x (10 % - 5 %) x 80 % paid x 100 each, a quarter comes back; the others'
    # movement (one in eight) is the session's.
    assert first["money"] == pytest.approx(MANY / 10 * 0.05 * 0.8 * 100 * 0.75, rel=0.12)
    assert first["lower"] < first["money"] < first["upper"] and first["chance"] > 0.99
    others = lines[(lines["unit"] != "p0") | (lines["above"] != "create_users")]
    assert others["money"].max() < 0.4 * first["money"] and lines["rank"].tolist() == list(
        range(1, len(lines) + 1)
    )


def test_a_gap_is_closed_up_to_what_like_units_reach_else_by_half():
    rate, target = np.array([0.02, 0.02, 0.05, 0.02]), np.array([0.06, 0.06, 0.04, 0.03])
    gap = stakes.closable(rate, target, np.array([0.10, 0.01, 0.10, 0.025]))
    assert gap == pytest.approx([0.04, 0.02, 0, 0.005])


def test_the_quartile_is_that_of_the_group_where_it_is_large_enough():
    rates = np.arange(1.0, 11.0)
    groups = np.array([0] * 7 + [1] * 3)
    quartiles = stakes.upper_quartile(rates, groups)
    assert quartiles.tolist() == [np.quantile(rates[:7], 0.75)] * 7 + [np.quantile(rates, 0.75)] * 3


def test_what_the_whole_session_lost_is_no_products_money():
    """All orders halved: the comparison says so, and no single product has a gap beyond it."""
    now, past, chosen = account()
    halved = now.assign(create_users=MANY / 200, pay_users=MANY / 250, paid_amount=MANY / 250 * 100)
    lines = size(halved, past, chosen)
    step = lines[lines["above"] == "create_users"]
    assert (step["expected"] / step["baseline"]).to_numpy() == pytest.approx(0.5, rel=0.05)
    assert step["money"].max() < 0.1 * size(now, past, chosen)["money"].iloc[0]


def test_sold_out_minutes_are_taken_off_the_people_who_could_order():
    now, past, chosen = account()
    lines = size(now, past, chosen, sold_out=pd.Series({"p0": 0.5})).set_index(["unit", "above"])
    row = lines.loc[("p0", "create_users")]
    assert (
        row["people"] == MANY / 20 and row["raw_rate"] == pytest.approx(0.1) and row["chance"] < 0.7
    )
    assert lines.loc[("p1", "create_users"), "people"] == MANY / 10


def test_a_unit_without_a_past_is_held_against_the_mean_of_its_like():
    now, past, chosen = account()
    new = now.replace({"product_id": {"p0": "new"}})
    row = size(new, past, chosen).set_index(["unit", "above"]).loc[("new", "create_users")]
    assert (row["basis"], row["sessions"]) == ("alike", 0) and row["baseline"] == pytest.approx(
        0.1, rel=0.02
    )
    assert size(
        new.head(3), past.iloc[:0], []
    ).empty  # three products, no history: nothing to hold them against


def test_sessions_that_are_not_comparable_serve_a_rare_product_at_the_level_of_those_that_are():
    """p0 was only in festival sessions, in which everything ordered twice as often.

    Its own rate is half of what it showed there.
    """
    now, past, chosen = account()
    festival = past.assign(
        session_id="F" + past["session_id"], create_users=MANY / 50, pay_users=MANY / 62.5
    )
    every = pd.concat([past[past["product_id"] != "p0"], festival], ignore_index=True)
    row = size(now, every, chosen).set_index(["unit", "above"]).loc[("p0", "create_users")]
    assert (
        row["basis"] == "own"
        and row["baseline"] == pytest.approx(0.1, rel=0.05)
        and row["sessions"] == 8
    )


@pytest.mark.parametrize(
    "change", [{"pay_users": np.nan}, {"click_users": 2 * MANY}, {"exposure_users": 0.0}]
)
def test_units_with_a_missing_or_growing_step_have_no_line(change):
    now, past, chosen = account()
    now = now.assign(
        **{name: now[name].mask(now["product_id"] == "p0", value) for name, value in change.items()}
    )
    lines = size(now, past, chosen)
    assert "p0" not in set(lines["unit"]) and set(lines["unit"]) == {f"p{u}" for u in range(1, 8)}


def test_few_people_and_missing_tables_give_no_line_and_no_error():
    now, past, chosen = account()
    assert stakes.lines(
        now, past, chosen, FUNNELS["product_people"], key="product_id", min_people=2 * MANY
    ).empty
    assert list(size(now.iloc[:0], past, chosen).columns) == sizing.COLUMNS
    assert size(now.drop(columns="paid_amount"), past, chosen).empty


def test_the_same_data_give_the_same_lines():
    pd.testing.assert_frame_equal(size(*account()), size(*account()))


@pytest.mark.parametrize("rate", [0.01, 2275.0])
def test_another_currency_scales_every_amount(rate):
    now, past, chosen = account(sessions=5, units=6)
    one = size(now, past, chosen)
    other = size(
        *(frame.assign(paid_amount=frame["paid_amount"] * rate) for frame in (now, past)), chosen
    )
    for name in ("money", "lower", "upper", "raw_money"):
        np.testing.assert_allclose(other[name], one[name] * rate, rtol=1e-6, atol=1e-9)


# ---- what comes first


def test_a_product_that_broke_comes_before_the_ups_and_downs_of_a_large_one():
    """p0 sells twenty times as much as the others and is down by a tenth, as happens.

    p1 orders half as often.
    """
    now, past, chosen = account(units=12)
    orders = ["create_users", "pay_users", "paid_amount"]
    now[orders] = (
        now[orders].to_numpy()
        * np.where(
            now["product_id"] == "p0", 2 * 0.9, np.where(now["product_id"] == "p1", 0.5, 1.0)
        )[:, None]
    )
    for frame in (now, past):
        frame["paid_amount"] *= np.where(frame["product_id"] == "p0", 20.0, 1.0)
    lines = size(now, past, chosen)
    first, second = (
        lines.iloc[0],
        lines[(lines["unit"] == "p0") & (lines["above"] == "create_users")].iloc[0],
    )
    assert (first["unit"], first["above"]) == ("p1", "create_users") and second["money"] > first[
        "money"
    ]
    assert first["odd"] > 0.9 > 0.3 > second["odd"]
    assert (lines["odd_money"] <= lines["money"] + 1e-9).all() and (
        lines["odd"] <= lines["chance"]
    ).all()
    assert lines["odd_money"].is_monotonic_decreasing


# ---- products by source


SHARES, RATES = {"feed": 1.0, "ads": 0.5, "search": 0.25}, {"feed": 1.0, "ads": 0.5, "search": 1.5}


def crossed(session: str, *, cut: str = "", exposed: bool = True) -> pd.DataFrame:
    """Six products in three sources, whose odds to order multiply.

    The cell `cut` orders half as often.
    """
    rows = []
    for unit, source in ((f"p{u}", name) for u in range(6) for name in SHARES):
        odds = (1 + int(unit[1])) * 0.02 * RATES[source]
        clicks = MANY / 10 * SHARES[source]
        orders = clicks * odds / (1 + odds) * (0.5 if f"{unit} {source}" == cut else 1.0)
        counts = product(
            session, unit, 10 * clicks if exposed else np.nan, clicks, orders, orders * 0.8
        )
        rows.append(counts | {"source": source})
    return pd.DataFrame(rows).drop(columns="paid_amount")


GOODS = pd.DataFrame([product("NOW", f"p{u}", 1, 1, 1, 10, paid=1000.0) for u in range(6)]).assign(
    sku_id=None, name="面膜 <b>" + pd.Series(list("012345")), price=100.0
)


def joint(now: pd.DataFrame, past: pd.DataFrame, **returns: float) -> pd.DataFrame:
    cells = stakes.priced(pd.concat([now, past]), GOODS)
    here, empty = cells["session_id"] == "NOW", schema.empty("traffic", "Asia/Shanghai")
    tables = {
        "products": (GOODS, GOODS.iloc[:0]),
        "traffic": (empty, empty),
        "actions": (cells[here], cells[~here]),
    }
    return stakes.by_kind(
        tables,
        [f"S{s}" for s in range(8)],
        funnels=FUNNELS,
        registry=REGISTRY,
        min_people=30,
        returns=pd.Series({"": 0.0, **returns}),
        sold_out=pd.DataFrame({"product_id": [], "share": []}),
    )


def test_viewer_events_are_priced_by_what_a_buyer_of_the_product_pays():
    rows = pd.DataFrame(
        {
            "session_id": ["NOW", "OLD", "OTHER"],
            "product_id": "a",
            "sku_id": None,
            "pay_users": [3.0, 7, 100],
            "paid_amount": [30.0, 170, 9],
        }
    )
    cells = pd.DataFrame(
        {
            "session_id": ["NOW", "OLD"],
            "product_id": ["a", "b"],
            "source": "feed",
            "pay_users": [2.0, 5],
        }
    )
    assert stakes.priced(cells, rows)["paid_amount"].tolist() == pytest.approx(
        [2 * 200 / 10, np.nan], nan_ok=True
    )


def test_a_cell_without_a_past_is_due_what_its_product_and_its_source_lead_one_to_expect():
    """The odds of the cells are products of their two names' odds.

    So that main effects give each cell's own rate.
    """
    lines = joint(crossed("NOW"), crossed("S0"))
    orders = lines[(lines["kind"] == "cell") & (lines["above"] == "create_users")]
    assert set(orders["basis"]) == {"alike"} and len(orders) == 18
    assert orders["baseline"].to_numpy() == pytest.approx(orders["raw_rate"].to_numpy(), rel=0.01)
    cut = joint(crossed("NOW", cut="p3 ads"), crossed("S0")).iloc[0]
    assert (cut["kind"], cut["unit"], cut["above"], cut["name"]) == (
        "cell",
        "p3 × ads",
        "create_users",
        "面膜 <b>3 × ads",
    )
    assert (
        cut["odd"] > 0.9
        and cut["raw_rate"] == pytest.approx(0.02 / 1.04)
        and cut["raw_rate"] * 1.2 < cut["expected"] < 0.04 / 1.04
    )


def effects(
    cases: list[float], trials: list[float], names: list[tuple[str, str]]
) -> list[np.ndarray]:
    index = pd.MultiIndex.from_tuples(names)
    return rates.crossed(
        pd.Series(cases, index, dtype=float), pd.Series(trials, index, dtype=float)
    )


@pytest.mark.parametrize(
    ("cases", "trials", "rates"),
    [
        ([250, 240], [5000, 300], [0.05, 0.80]),
        ([150, 150], [5000, 300], [0.03, 0.50]),
        ([400, 120], [20000, 300], [0.02, 0.40]),
    ],
)
def test_one_product_in_two_sources_is_expected_at_the_rate_of_each_source(cases, trials, rates):
    """As many names as cells.

    Nothing is left to be expected but what is seen, less the weight of half a case.
    """
    assert effects(cases, trials, [("p0", "feed"), ("p0", "card")])[0] == pytest.approx(
        rates, rel=0.02
    )


@pytest.mark.parametrize("seed", range(4))
def test_what_two_names_lead_one_to_expect_is_the_least_of_its_loss(seed):
    """The same model found without derivatives or gradient of ours.

    No way from the point that is given leads further down.
    """
    rng = np.random.default_rng(seed)
    names = [(f"p{u}", f"s{v}") for u in range(3) for v in range(2)]
    trials = rng.choice([0, 30, 900, 5000], 6).astype(float) + (seed == 0)
    cases = np.floor(trials * rng.choice([0, 0.01, 0.6, 1], 6))
    rate, doubt, weight = effects(cases, trials, names)
    assert (
        ((rate > 0) & (rate < 1)).all() and np.isfinite(doubt).all() and np.isfinite(weight).all()
    )
    whole = logit((cases.sum() + 0.5) / (trials.sum() + 1))

    def loss(point: np.ndarray) -> float:
        odds = whole + point[[0, 0, 1, 1, 2, 2]] + point[[3, 4, 3, 4, 3, 4]]
        return -stats.binom.logpmf(cases, trials, expit(odds)).sum() + 0.5 * (point**2).sum() / 2

    best = optimize.minimize(loss, np.zeros(5), method="BFGS").x
    assert rate == pytest.approx(
        expit(whole + best[[0, 0, 1, 1, 2, 2]] + best[[3, 4, 3, 4, 3, 4]]), rel=0.01, abs=1e-5
    )


def test_names_without_a_case_and_cells_without_trials_have_a_rate_and_a_finite_weight():
    """Five products in two sources.

    The third's clicks come from one of them, the second has no order at all.
    """
    names = [(f"p{u}", source) for u in range(5) for source in ("feed", "card")]
    trials, cases = (
        [4605, 0, 834, 0, 4906, 3766, 356, 293, 0, 0],
        [61, 0, 20, 0, 0, 37, 17, 250, 0, 0],
    )
    rate, doubt, weight = effects(cases, trials, names)
    assert np.isfinite([rate, doubt, weight]).all() and (
        np.array(trials) * rate
    ).sum() == pytest.approx(sum(cases), rel=0.02)
    assert rate[0] == pytest.approx(61 / 4605, rel=0.05) and 0 < rate[4] < 0.001


def test_the_order_of_the_rows_is_nobodys_money():
    now, past, chosen = account()
    pd.testing.assert_frame_equal(
        size(now, past, chosen), size(now[::-1], past.sample(frac=1, random_state=1), chosen)
    )


def test_a_cell_with_a_past_is_held_against_it_step_by_step():
    """The earlier log begins at the click.

    What follows is held against the past, the click itself is not.
    """
    past = pd.concat([crossed(f"S{s}", exposed=False) for s in range(8)])
    lines = joint(crossed("NOW", cut="p3 ads"), past, p3=0.25, p4=0.25)
    cells = lines[lines["kind"] == "cell"].set_index(["unit", "above"])
    assert (
        cells.xs("create_users", level=1)["basis"].eq("own").all()
        and cells.xs("click_users", level=1)["basis"].eq("alike").all()
    )
    row, odds = cells.loc[("p3 × ads", "create_users")], 0.04
    due = odds / (1 + odds)
    assert row["baseline"] == pytest.approx(due, rel=0.02) and row["sessions"] == 8
    # 50,000 clicks x half of the rate x 80 % paid x 100 each, a quarter of this product comes back
    assert row["money"] == pytest.approx(MANY / 20 * due / 2 * 0.8 * 100 * 0.75, rel=0.15)
    assert lines.iloc[0]["unit"] == "p3 × ads"


def test_a_cell_is_told_only_where_its_product_and_its_source_are_not():
    past = pd.concat([crossed(f"S{s}", exposed=False) for s in range(8)])
    lines, cells = joint(crossed("NOW", cut="p3 ads"), past), pd.concat([crossed("NOW"), past])
    rows = stakes.to_findings(lines, registry=REGISTRY, currency="CNY", net=False)
    assert rows["slice"].tolist() == [text.plain("面膜 <b>3 × ads")]
    assert (
        "its own 8 earlier sessions together" in rows["sentence_en"].item()
        and "自身以往 8 场" in rows["sentence_zh"].item()
    )
    for kind, unit in (("product", "p3"), ("source", "ads")):
        line = lines.iloc[[0]].assign(kind=kind, unit=unit, name=unit, above="create_users")
        both = stakes.to_findings(
            pd.concat([lines, line], ignore_index=True),
            registry=REGISTRY,
            currency="CNY",
            net=False,
        )
        assert len(both) == 1 and "×" not in both["slice"].item()
    zh, en = stakes.of_cells(lines, cells, "NOW")
    every, own_past = (lines["kind"] == "cell").sum(), (lines["basis"] == "own").sum()
    assert (
        f"Earlier sessions with viewer events: 8; {own_past} lines are held against their own "
        f"past, {every - own_past} against"
    ) in en
    assert f"此前有观众行为记录的 8 场：{own_past} 行" in zh and "其中 1 行" in zh
    few = stakes.of_cells(
        joint(crossed("NOW"), crossed("S0")), pd.concat([crossed("NOW"), crossed("S0")]), "NOW"
    )
    assert (
        "1（要 5 场" not in few[0]
        and "1 场（要 5 场才能与自身以往比）：0 行" in few[0]
        and "(5 are needed to compare with the past)" in few[1]
    )


def test_without_a_price_no_cell_is_sized_and_that_is_said():
    cells = pd.concat([crossed("NOW"), crossed("S0")])
    unpriced = stakes.priced(cells, GOODS.assign(paid_amount=np.nan))
    here, empty = unpriced["session_id"] == "NOW", schema.empty("traffic", "Asia/Shanghai")
    tables = {
        "products": (GOODS, GOODS.iloc[:0]),
        "traffic": (empty, empty),
        "actions": (unpriced[here], unpriced[~here]),
    }
    nothing = {
        "returns": pd.Series({"": 0.0}),
        "sold_out": pd.DataFrame({"product_id": [], "share": []}),
    }
    lines = stakes.by_kind(
        tables, ["S0"], funnels=FUNNELS, registry=REGISTRY, min_people=30, **nothing
    )
    assert (
        lines.empty and stakes.to_findings(lines, registry=REGISTRY, currency="CNY", net=True).empty
    )
    zh, en = stakes.of_cells(lines, cells, "NOW")
    assert "不估算" in zh and "nothing is sized" in en


# ---- planted leaks


def test_planted_leaks_are_first_and_the_claim_is_the_truth():
    """Few tables with honest bounds; `bench_opportunity` scores 200 of each kind.

    The bare rates promise more than there is.
    """
    scores = pd.DataFrame(
        {kind: simulated.score(range(16), kind, 24_000) for kind in ("product", "source")}
    )
    assert (scores.loc["first"] >= 0.80).all()
    assert (scores.loc["first"] >= scores.loc[["oracle", "oracle_money"]].max() - 0.20).all(), (
        "who knows all but the place finds no more than chance more"
    )
    assert scores.loc["covered"].between(0.68, 0.92).all()
    assert scores.loc["claimed"].between(0.80, 1.20).all()
    assert scores.loc["bare", "product"] > scores.loc["claimed", "product"] + 0.15


# ---- what the lines rest on


def test_return_rates_are_drawn_to_the_mean_and_come_from_finished_sessions_only():
    rows = pd.DataFrame(
        {
            "session_id": ["old"] * 8 + ["young"],
            "product_id": [*"abcdefgh", "a"],
            "sku_id": None,
            "orders": [1000.0] * 7 + [4, 1000],
            "refund_orders": [100.0, 150, 200, 250, 300, 350, 400, 4, 900],
        }
    )
    by_product = stakes.return_rates(rows, ["old"])
    assert by_product["a"] == pytest.approx(0.1, abs=0.02) and by_product["g"] == pytest.approx(
        0.4, abs=0.02
    )
    assert 0.25 < by_product["h"] < 0.7 and by_product[""] == pytest.approx(1754 / 7004)
    assert stakes.return_rates(rows, []).empty


def cues(*rows: tuple[int, str, float]) -> pd.DataFrame:
    rows = [
        {
            "kind": "stock_change",
            "product_id": which,
            "stock_after": left,
            "at": START + pd.Timedelta(minutes=at),
        }
        for at, which, left in rows
    ]
    return schema.conform(
        pd.DataFrame(rows, columns=["kind", "product_id", "stock_after", "at"]),
        "cues",
        "Asia/Shanghai",
    )


def test_sold_out_minutes_weigh_more_inside_the_explanation():
    end = START + pd.Timedelta(minutes=100)
    spans = pd.DataFrame(
        {"product_id": ["a", "b"], "start_minute": [10.0, 50], "end_minute": [20.0, 60]}
    )
    # Of ten lines of b, eight were made while b was explained.
    at = [START + pd.Timedelta(minutes=m) for m in (50, 51, 52, 53, 54, 55, 56, 57, 5, 90)]
    sales = pd.DataFrame({"product_id": ["b"] * 10, "created_at": at})
    gone = stakes.out_of_stock(
        cues((15, "a", 0), (25, "a", 50), (30, "b", 5), (40, "a", 0)),
        started_at=START,
        ended_at=end,
    )
    assert gone[["product_id", "start_minute", "end_minute"]].to_numpy().tolist() == [
        ["a", 15, 25],
        ["a", 40, (end - START) / pd.Timedelta("1min")],
    ]
    sold_out = stakes.sold_out(
        cues((15, "a", 0), (25, "a", 50), (30, "b", 5)),
        spans,
        sales,
        started_at=START,
        ended_at=end,
    )
    assert sold_out["product_id"].tolist() == ["a"] and sold_out["minutes"].tolist() == [10.0]
    assert sold_out["share"].item() == pytest.approx(0.8 * 5 / 10 + 0.2 * 5 / 90)
    until_the_end = stakes.sold_out(
        cues((90, "a", 0)), spans.iloc[:0], sales.iloc[:0], started_at=START, ended_at=end
    )
    assert until_the_end[["minutes", "share"]].iloc[0].tolist() == [10.0, 0.1]
    assert stakes.sold_out(cues(), spans, sales, started_at=START, ended_at=end).empty


# ---- what is said


def both_kinds() -> pd.DataFrame:
    now, past, chosen = account()
    now, past = (
        frame.assign(sku_id=None, name="面膜 <b>" + frame["product_id"], price=100.0)
        for frame in (now, past)
    )
    empty = schema.empty("traffic", "Asia/Shanghai")
    return stakes.by_kind(
        {"products": (now, past), "traffic": (empty, empty)},
        chosen,
        funnels=FUNNELS,
        registry=REGISTRY,
        min_people=30,
        returns=pd.Series({"": 0.2}),
        sold_out=pd.DataFrame({"product_id": [], "share": []}),
    )


def test_lines_carry_the_names_of_products_and_steps():
    table = both_kinds()
    first = table.iloc[0]
    assert (first["kind"], first["name"], first["metric"]) == (
        "product",
        "面膜 <b>p0",
        "item_click_create_rate",
    )
    assert (first["label_zh"], first["label_en"]) == (
        REGISTRY["item_click_create_rate"].zh,
        REGISTRY["item_click_create_rate"].en,
    )
    assert not stakes.leading(table).duplicated(["kind", "unit"]).any()


def test_a_finding_sizes_and_does_not_judge():
    rows = stakes.to_findings(both_kinds(), registry=REGISTRY, currency="CNY", net=True)
    first = rows.iloc[0]
    assert list(rows.columns) == list(findings.COLUMNS) and set(rows["verdict"]) == {
        "not_comparable"
    }
    assert first["money_at_stake"] > first["ci_lower"] > 0
    assert (
        "80%" in first["sentence_zh"]
        and "已扣预计退货" in first["sentence_zh"]
        and "returns taken off" in first["sentence_en"]
    )
    assert (
        "自身以往 8 场" in first["sentence_zh"]
        and "its own 8 earlier sessions together" in first["sentence_en"]
    )


# ---- words are not data


def test_a_source_whose_name_holds_the_mark_between_two_names_is_one_source():
    """The mark between product and source is for the eye; units are told apart by their ids."""
    marked = {"ads": "ads × live"}
    lines = joint(
        crossed("NOW", cut="p3 ads").replace({"source": marked}),
        crossed("S0").replace({"source": marked}),
    )
    first = lines.iloc[0]
    assert (first["product_id"], first["source"]) == ("p3", "ads × live")
    assert first["name"] == "面膜 <b>3 × ads × live"
    by_unit = lines[lines["kind"] == "cell"].drop_duplicates(["product_id", "source"])
    assert len(by_unit) == 18 and by_unit["unit"].is_unique


def test_findings_of_names_that_are_cut_alike_are_not_the_same():
    lines = both_kinds()
    first = lines[lines["kind"] == "product"].iloc[[0]]
    long = "自然流量里名字特别长的来源" * 5
    sources = [
        first.assign(kind="source", product_id=np.nan, source=name, unit=name, name=name)
        for name in (f"{long}一", f"{long}二")
    ]
    rows = stakes.to_findings(pd.concat(sources), registry=REGISTRY, currency="CNY", net=True)
    assert rows["slice"].map(findings.slice_key).tolist() == [f"{long}一", f"{long}二"]
