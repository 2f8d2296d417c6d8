"""A review holds for any assortment: one product or 5,000, equal names, no orders, any audience.

The grid of whole runs is slow; here its analyses are called directly, without files.
"""

from __future__ import annotations

import json
import os
import time

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import funnel, reference, report
from helpers.compare import stakes
from helpers.report import charts
from helpers.run import cli
from tests import assortments
from tests.assortments import Shop

FUNNELS, REGISTRY = reference.funnels(), reference.registry()
LIMITS = funnel.limits(reference.thresholds())
SIZES = {
    "one_product": Shop(products=1),
    "five": Shop(),
    "eighty": Shop(products=80, viewers=400_000),
    "equal_names": Shop(products=80, names="equal", viewers=400_000),
    "empty_names": Shop(products=80, names="empty", viewers=400_000),
    "names_made_equal": Shop(names="styled"),
    "one_source": Shop(sources=1),
    "thirty_sources": Shop(sources=30),
    "no_minutes": Shop(minutes=0, floor=False),
    "a_whole_day": Shop(minutes=1440, past=1),
    "three_orders": Shop(viewers=300, buyers=3, past=12),
    "no_order": Shop(viewers=300, buyers=0, past=12),
    "one_viewer": Shop(viewers=1, buyers=0, products=1, sources=1, past=0),
    "two_million": Shop(viewers=2_000_000, past=1),
    "alone": Shop(past=0),
    "after_one": Shop(past=1),
    "after_two": Shop(past=2),
    "five_hundred": Shop(products=500),
    "five_thousand": Shop(products=5000, viewers=20_000, buyers=1500, past=3),
}
every_shop = pytest.mark.parametrize("name", SIZES)
by_product = pytest.mark.parametrize(
    "name",
    [
        "one_product",
        "eighty",
        "equal_names",
        "empty_names",
        "no_order",
        "one_viewer",
        "five_hundred",
        "five_thousand",
    ],
)
by_source = pytest.mark.parametrize(
    "name", ["one_source", "thirty_sources", "no_order", "one_viewer", "two_million"]
)
at_stake = pytest.mark.parametrize(
    "name",
    [
        "one_product",
        "eighty",
        "thirty_sources",
        "three_orders",
        "no_order",
        "one_viewer",
        "two_million",
        "alone",
        "after_one",
        "after_two",
        "five_thousand",
    ],
)


@pytest.fixture(autouse=True)
def themed():
    charts.use_theme()


def newest(shop: Shop) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """The tables of the newest session, and those of the sessions before it."""
    last = f"s{shop.past:02d}"
    every = assortments.tables(shop)
    return (
        {name: rows[rows["session_id"] == last] for name, rows in every.items()},
        {name: rows[rows["session_id"] != last] for name, rows in every.items()},
    )


def drawn(axes) -> str:
    return report.figure(axes, title_zh="图", title_en="chart", lang="zh").plain


@by_product
def test_each_product_is_a_row_of_its_own_and_the_largest_are_drawn(name):
    shop = SIZES[name]
    goods = newest(shop)[0]["products"]
    table = funnel.by_product(goods, REGISTRY, **LIMITS)
    assert len(table) == table["product_id"].nunique() == shop.products
    assert table["paid_amount"].sum() == pytest.approx(goods["paid_amount"].sum())
    called = goods.assign(product=goods["name"].fillna(goods["product_id"]))
    steps = funnel.by_rows(called, FUNNELS["product_people"], "product_id")
    assert len(steps) == shop.products * len(FUNNELS["product_people"].steps)
    labels = steps["product_id"].map(called.set_index("product_id")["product"])
    cells = funnel.heat(steps.assign(product=labels), "product_id", "zh", label="product", **LIMITS)
    assert cells["row"].nunique() in (0, shop.products)
    left_out = max(cells["row"].nunique() - 31, 0)
    words = f"（只画最大的 31 个，另有 {left_out} 个未画）" if left_out else ""
    assert drawn(charts.heat(cells, lang="zh", unit="percent")) == f"[图{words}] 图{words}"
    marks = funnel.quadrant(table)
    assert ("未画" in drawn(charts.quadrant(marks, lang="zh", x_label="x", y_label="y"))) == (
        len(marks) > 60
    )


@by_source
def test_each_source_is_judged_and_the_largest_are_drawn(name):
    shop = SIZES[name]
    traffic = newest(shop)[0]["traffic"]
    table = funnel.by_source(traffic, REGISTRY, **LIMITS)
    assert len(table) == shop.sources and table["viewer_share"].sum() == pytest.approx(1)
    rates = funnel.source_rates(table)
    left_out = max(len(rates) - 29, 0)
    assert (f"另有 {left_out} 个未画" in drawn(charts.rates(rates, lang="zh"))) == (left_out > 0)
    each = funnel.with_paid(traffic, FUNNELS["source_people"], "zh")
    drawn(charts.heat(funnel.heat(each, "source", "zh", **LIMITS), lang="zh", unit="percent"))


@at_stake
@pytest.mark.filterwarnings("error")
def test_what_could_be_won_back_is_a_number_or_no_row(name):
    shop = SIZES[name]
    now, past = newest(shop)
    sized = stakes.by_kind(
        {table: (now[table], past[table]) for table in ("products", "traffic")},
        past["sessions"]["session_id"],
        funnels=FUNNELS,
        registry=REGISTRY,
        min_people=LIMITS["min_people"],
        returns=pd.Series(dtype=float),
        sold_out=pd.DataFrame({"product_id": pd.Series(dtype="str"), "share": 0.0}),
    )
    numbers = sized[["rate", "expected", "money", "lower", "upper", "odd"]].astype(float)
    assert np.isfinite(numbers).all(axis=None) and (sized["lower"] <= sized["upper"]).all()
    if not shop.buyers and shop.buyers is not None and shop.past == 12:
        assert set(sized["kind"]) == {"product", "source"}


def test_the_slices_that_are_drawn_are_the_largest_in_their_own_order():
    """Of 40 sources the 29 with the most people fit: all but the 11 of fewest."""
    frame = pd.DataFrame(
        {
            "label": [f"来源{place}" for place in range(40)],
            "rate": 0.02,
            "ci_lower": 0.01,
            "ci_upper": 0.03,
            "n": [float(place) for place in range(40)],
        }
    )
    axes = charts.rates(frame, lang="en")
    labels = [tick.get_text() for tick in axes.get_yticklabels()]
    assert labels == [f"来源{place}" for place in range(11, 40)]
    shown = report.figure(axes, title_zh="图", title_en="chart", lang="en")
    assert "chart (the largest 29; 11 more are not drawn)</figcaption>" in shown.html


@pytest.mark.slow
@every_shop
def test_the_whole_review_is_published(name, tmp_path):
    """5,000 products take at most two minutes of processor time, children included."""
    folder = assortments.workspace(tmp_path / "shop", SIZES[name])
    before = _processor_seconds()
    options = ["--data", str(folder), "--reports", str(tmp_path / "reports"), "--json"]
    done = CliRunner().invoke(cli.main, ["run", "--latest", *options])
    assert done.exit_code == 0, done.output
    (outcome,) = json.loads(done.stdout)
    assert outcome["status"] == "published"
    assert _processor_seconds() - before < 120


def _processor_seconds() -> float:
    spent = os.times()
    return time.process_time() + spent.children_user + spent.children_system
