"""Who buys against who watches: indices by hand, small groups, and order lines alone."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from helpers import funnel, reference
from helpers.core import findings, stats
from helpers.funnel import buyers
from helpers.reference import schema

REGISTRY = reference.registry()
LIMITS = funnel.limits(reference.thresholds())
ZONE = "Asia/Shanghai"


def audience() -> pd.DataFrame:
    rows = [
        ("sex", "女", 6000.0, 160.0),
        ("sex", "男", 3980.0, 40.0),
        ("sex", "未知", 20.0, 0.0),
        ("fan", "老粉", 2500.0, 100.0),
        ("fan", "新客", 7500.0, 100.0),
    ]
    groups = pd.DataFrame(rows, columns=["dimension", "group", "viewers", "pay_users"]).assign(
        session_id="S"
    )
    return schema.conform(groups, "audience", ZONE)


def test_the_index_is_the_share_of_buyers_over_that_of_viewers():
    table = buyers.of_audience(audience(), **LIMITS).set_index("group")
    assert table.loc["老粉", ["viewer_share", "buyer_share", "index"]].tolist() == pytest.approx(
        [0.25, 0.5, 200]
    )
    lower, upper = stats.wilson(100, 200)
    assert table.loc["老粉", ["lower", "upper"]].tolist() == pytest.approx(
        [float(lower) * 400, float(upper) * 400]
    )
    assert table.loc["女", "index"] == pytest.approx(100 * 0.8 / 0.6)
    # Weighted by the viewers, the indices of a dimension come to 100.
    fans = table[table["dimension"] == "fan"]
    assert (fans["index"] * fans["viewer_share"]).sum() == pytest.approx(100)


def test_conversion_is_tested_within_its_dimension_and_small_groups_are_not_judged():
    table = buyers.of_audience(audience(), **LIMITS).set_index("group")
    expected = fisher_exact([[100, 2400], [100, 7400]]).pvalue  # two groups: one test, told twice
    assert table.loc["老粉", "p_adjusted"] == pytest.approx(expected) and table[
        "standing"
    ].to_dict() == {
        "女": "above",
        "男": "below",
        "未知": "too_few",
        "老粉": "above",
        "新客": "below",
    }
    assert np.isnan(table.loc["未知", "index"]) and table.loc["未知", "viewers"] == 20
    assert "未知" not in " ".join(buyers.drawn(table.reset_index(), "zh")["label"])


def test_a_thin_group_has_no_index_however_many_watched():
    few = audience().assign(pay_users=[3.0, 1, 0, 2, 2])
    table = buyers.of_audience(few, **LIMITS)
    assert table["index"].isna().all() and set(table["standing"]) == {"too_few"}
    assert buyers.drawn(table, "en").empty and buyers.to_findings(table, REGISTRY) == []


def test_no_audience_gives_an_empty_table():
    empty = buyers.of_audience(schema.empty("audience", ZONE), **LIMITS)
    assert list(empty.columns) == buyers.COLUMNS and empty.empty and buyers.drawn(empty, "zh").empty


def test_facts_name_the_surest_groups_in_both_languages():
    rows = findings.frame(buyers.to_findings(buyers.of_audience(audience(), **LIMITS), REGISTRY))
    assert set(rows["slice"]) == {"sex=女", "sex=男", "fan=老粉"} and set(rows["verdict"]) == {
        "not_comparable"
    }  # of two groups one says it
    row = rows[rows["slice"] == "fan=老粉"].iloc[0]
    assert (
        "粉丝关系「粉丝」占观众 25.0%、占买家 50.0%（指数 200" in row["sentence_zh"]
        and "index 200" in row["sentence_en"]
    )


def test_groups_are_read_in_the_reader_s_language_and_fans_are_not_new_buyers():
    table = buyers.of_audience(audience(), **LIMITS)
    assert table["group_en"].tolist() == [
        "Women",
        "Men",
        "Not known",
        "Fans",
        "Not fans",
    ] and table["group_zh"].tolist() == ["女", "男", "未知", "粉丝", "非粉丝"]
    assert set(table.loc[table["dimension"] == "fan", "dimension_en"]) == {"Fan or not"}
    other = buyers.of_audience(audience().assign(group=["a", "b", "c", "d", "e"]), **LIMITS)
    assert other["group_en"].tolist() == list("abcde")  # what no term names stays as it is
    bought = lines({"广东": 6, "江苏": 4}, session="now")
    share = 100 * bought.loc[bought["paid"] > 0].drop_duplicates("buyer_key")["is_new_buyer"].mean()
    zh, en = (buyers.fan_words(table, bought, lang) for lang in ("zh", "en"))
    assert (
        f"首次购买的占 {share:.1f}%" in zh
        and f"{share:.1f}% of this session's buyers bought for the first time" in en
    )
    assert buyers.fan_words(table[table["dimension"] == "sex"], bought, "zh") == ""


def lines(groups: dict[str, int], *, session: str, keys: bool = True) -> pd.DataFrame:
    rows = [
        {
            "platform": "douyin",
            "line_id": f"{session}{g}{n}{again}",
            "order_id": f"{session}{g}{n}{again}",
            "buyer_key": f"{session}{g}{n}" if keys else None,
            "created_at": "2026-11-10 20:00",
            "paid": 9.0,
            "province": g,
            "is_new_buyer": n % 2 == 0,
            "session_id": session,
        }
        for g, count in groups.items()
        for n in range(count)
        for again in range(2)
    ]
    return schema.conform(pd.DataFrame(rows), "orders", ZONE)


def test_order_lines_compare_buyers_with_earlier_buyers_and_each_counts_once():
    now, before = (
        lines({"广东": 30, "浙江": 10}, session="B"),
        lines({"广东": 100, "浙江": 280, "西藏": 20}, session="A"),
    )
    table = buyers.of_orders(now, before, confidence=0.95, min_people=30).set_index("group")
    assert table.loc["广东", ["viewers", "pay_users", "index"]].tolist() == pytest.approx(
        [100, 30, 100 * 0.75 / 0.25]
    )
    assert np.isnan(table.loc["西藏", "index"]) and table.loc["西藏", "pay_users"] == 0
    assert (
        table.loc["新客", "index"] == pytest.approx(100)
        and set(table["basis"]) == {"orders"}
        and table["rate"].isna().all()
    )
    without = buyers.of_orders(
        *(frame.assign(buyer_key=None) for frame in (now, before)), confidence=0.95, min_people=30
    )
    assert (
        without.set_index("group").loc["广东", "pay_users"] == 60
    )  # whose they are is not known: orders are counted
    assert buyers.of_orders(now.iloc[:0], before, confidence=0.95, min_people=30).empty
