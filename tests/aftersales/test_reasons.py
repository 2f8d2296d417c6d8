"""Reasons for refunds: their place in the tree, and shares that close."""

import numpy as np
import pandas as pd
import pytest

from helpers import aftersales, reference
from helpers.aftersales import reasons
from tests.sold_lines import DAY, NO_CASES, START, of, orders, simulated


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("多拍/错拍/不想要", "over_ordered"),
        ("错拍", "wrong_order"),
        ("价格有误", "price_error"),
        ("尺码偏小", "size"),
        ("质量问题", "poor_quality"),
        ("商品破损/污渍", "damaged"),
        ("物流一直未送达", "late"),
        ("颜色/款式/图案与描述不符", "not_as_described"),
        ("七天无理由退货", "seven_days"),
        ("尺寸与商品描述不符", "not_as_described"),
        ("未按约定时间发货", "not_shipped"),
        ("Defective item", "poor_quality"),
        ("？？", "unknown"),
        (np.nan, "unknown"),
    ],
)
def test_reasons_find_their_place_in_the_tree(written, reason):
    assert reasons.reason_of(written, reference.reasons())[1] == reason


def test_pareto_only_from_thirty_refunds_and_its_shares_close():
    lines = [{"line_id": f"l{i}", "reason": "多拍" if i < 20 else "质量问题"} for i in range(30)]
    few, enough = (
        reasons.shares(of(lines[:count], count=40), tree=reference.reasons()) for count in (29, 30)
    )
    assert not few["enough"].any() and enough["enough"].all()
    assert enough["reason"].tolist() == ["over_ordered", "poor_quality"] and enough[
        "count"
    ].tolist() == [20, 10]
    assert enough["share"].sum() == pytest.approx(1) and enough["cumulative"].iloc[
        -1
    ] == pytest.approx(1)


def told(rng, session, rate, sizes, **options):
    """A session's lines whose refunds are by the share `sizes` for the size, else unwanted."""
    bought, back = simulated(rng, session, rate=rate, **options)
    back["reason"] = np.where(rng.random(len(back)) < sizes, "尺码偏小", "不想要了")
    return aftersales.lines(bought, back, as_of=START + 8 * DAY)


def test_a_reason_that_rose_is_named_and_one_that_did_not_is_not():
    rng = np.random.default_rng(9)
    history = pd.concat(
        [told(rng, f"old{i}", 0.3, 0.2, started=START - (40 + i) * DAY) for i in range(10)],
        ignore_index=True,
    )
    lines = told(rng, "new", 0.6, 0.6)
    made = reasons.rises(lines, history, tree=reference.reasons(), as_of=START + 8 * DAY).set_index(
        "reason"
    )
    assert made["verdict"].to_dict() == {"size": "worse", "not_wanted": "cannot_tell"}
    counted = (lines["reason"].eq("尺码偏小") & lines["refunded"]).sum()
    assert made.loc["size", "count"] == counted and made.loc["size", "rate"] == counted / 400
    assert reasons.rises(lines, history.head(0), tree=reference.reasons(), as_of=START).empty


def rundown():
    """Half an hour of introduction, then purchase prompts without an end."""
    return pd.DataFrame(
        {
            "starts_at": [START, START + DAY / 48],
            "ends_at": [START + DAY / 48, pd.NaT],
            "stage": ["introduction", "purchase_prompt"],
        }
    )


def test_the_product_and_the_stage_behind_a_reason():
    """Twelve of sixteen refunds for the size are of the coat, a tenth of all orders.

    All were paid in the last stage.
    """
    late = START + pd.to_timedelta(np.where(np.arange(120) < 40, 40, 10), unit="min")
    rows = [{"line_id": f"l{i}", "reason": "尺码偏小"} for i in [*range(12), 30, 31, 32, 33]] + [
        {"line_id": f"l{i}", "reason": "不想要"} for i in range(50, 60)
    ]
    options = {"count": 120, "paid_at": late, "created_at": late}
    lines = of(rows, **options, product_id=["p2"] * 12 + ["p1"] * 108).assign(
        product_name=["大衣"] * 12 + ["面膜"] * 108
    )
    made = reasons.behind(lines, rundown(), tree=reference.reasons()).set_index("reason")
    assert made.loc[
        "size", ["count", "product_name", "product_count", "stage", "stage_count"]
    ].tolist() == [16, "大衣", 12, "purchase_prompt", 16]
    assert (
        pd.isna(made.loc["not_wanted", "product_name"])
        and made.loc["not_wanted", "product_count"] == 0
    )


def test_products_of_one_name_are_told_apart_by_their_ids():
    """Both are called 面膜: by name all refunds were of all orders, and nothing stood out."""
    rows = [{"line_id": f"l{i}", "reason": "尺码偏小"} for i in [*range(12), 30, 31, 32, 33]]
    lines = of(rows, count=120, product_id=["p2"] * 12 + ["p1"] * 108)
    made = reasons.behind(lines, rundown(), tree=reference.reasons()).iloc[0]
    assert made[["product_name", "product_count"]].tolist() == ["面膜", 12]
    nameless = reasons.behind(
        lines.assign(product_id=None), rundown(), tree=reference.reasons()
    ).iloc[0]
    assert nameless["product_count"] == 0  # without ids only the name is left to go by


def test_complaints_name_a_product_as_the_products_do_whatever_the_order_calls_it():
    lines = of([{"line_id": "l1", "reason": "质量问题"}, {"line_id": "l2", "reason": "破损"}])
    lines.loc[1, ["product_id", "product_name"]] = ["p9", "别的店的名字"]
    none = pd.DataFrame({"at": pd.to_datetime([]).tz_localize("UTC"), "product_id": []})
    made = reasons.complaints(
        lines.assign(product_name=lines["product_name"].replace("面膜", "面膜 5 片装 限时")),
        none.assign(reason=[]),
        none.assign(what=[]),
        {"p1": "面膜"},
        as_of=START + 9 * DAY,
    )
    assert made["product"].tolist() == ["别的店的名字", "面膜"]


def test_stages_are_those_of_the_clock():
    minutes = [-5, 0, 29, 30, 600]
    at = START + pd.to_timedelta(minutes, unit="min")
    lines = aftersales.lines(orders(5, paid_at=at, created_at=at), NO_CASES, as_of=START + DAY)
    assert reasons.stages_of(lines, rundown()).fillna("").tolist() == [
        "",
        "introduction",
        "introduction",
        "purchase_prompt",
        "purchase_prompt",
    ]
    assert reasons.stages_of(lines, rundown().head(0)).isna().all()


def test_the_sentence_goes_to_the_role_of_the_reason_with_what_it_is_asked():
    tree, rows = (
        reference.reasons(),
        [{"line_id": f"l{i}", "reason": "尺码偏小" if i < 20 else "质量问题"} for i in range(30)],
    )
    lines = of(rows, count=60, product_name="<b>大衣</b>")
    why, places = reasons.shares(lines, tree=tree), reasons.behind(lines, rundown(), tree=tree)
    none = reasons.rises(lines, lines.head(0), tree=tree, as_of=START)
    made = reasons.reason_findings(why, none, places, tree=tree, notebook="05_aftersales")
    assert [row["slice"] for row in made] == ["size", "poor_quality"] and {
        row["verdict"] for row in made
    } == {"not_comparable"}
    assert (
        made[0]["sentence_zh"].startswith(
            "给选品：退款原因「尺码不合适」20 单，占 30 单退款的 66.7%"
        )
        and tree["fit"].reasons["size"].ask.zh in made[0]["sentence_zh"]
    )
    assert "For product selection" in made[0]["sentence_en"]
    risen = (
        none.assign()
        .reindex(range(1))
        .assign(reason="size", rate=0.33, lower=0.05, upper=0.12, verdict="worse")
    )
    few = reasons.shares(lines.head(20), tree=tree)
    (alone,) = reasons.reason_findings(few, risen, places, tree=tree, notebook="05_aftersales")
    assert "多于以往同龄的 5.0% – 12.0%" in alone["sentence_zh"]
    assert (
        reasons.reason_findings(few.head(0), none, places, tree=tree, notebook="05_aftersales")
        == []
    )


def test_every_reason_asks_something_of_its_role():
    assert all(
        reason.ask for group in reference.reasons().values() for reason in group.reasons.values()
    )
