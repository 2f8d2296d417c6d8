"""Funnels and slices of one session, against numbers worked out by hand or a second, dumber way."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from helpers import funnel, reference
from helpers.core import findings, places, stats
from helpers.funnel.figures import GROUPS, missing_columns
from helpers.funnel.slices import against_others
from helpers.reference import schema
from helpers.reference.metrics import MetricError

REGISTRY = reference.registry()
FUNNELS = reference.funnels()
ROOM = FUNNELS["room_people"]
DOUYIN = pd.Series(
    {
        "room_exposure_users": 10000.0,
        "viewers": 2000.0,
        "product_exposure_users": 1600.0,
        "product_click_users": 400.0,
        "create_users": 120.0,
        "pay_users": 100.0,
    }
)
TIKTOK = pd.Series(
    {
        "viewers": 4000.0,
        "views": 5000.0,
        "pay_users": 40.0,
        "product_exposure_times": 30000.0,
        "product_click_times": 2000.0,
        "orders": 50.0,
    }
)
LIMITS = {"min_people": 30, "confidence": 0.95, "false_discovery_rate": 0.10, "least_effect": 0.10}


# ---- steps


def test_each_step_is_set_against_the_one_before_and_against_the_first():
    table = funnel.steps(DOUYIN, ROOM)
    assert table["users"].tolist() == [10000, 2000, 1600, 400, 120, 100]
    assert table["rate_of_previous"].tolist()[1:] == pytest.approx([0.2, 0.8, 0.25, 0.3, 100 / 120])
    assert table["rate_of_first"].tolist() == pytest.approx([1, 0.2, 0.16, 0.04, 0.012, 0.01])
    assert np.isnan(table["rate_of_previous"][0]) and not table["grows"].any()
    assert (table["ci_lower"][3], table["ci_upper"][3]) == pytest.approx(stats.wilson(400, 1600))
    assert np.isnan(table["first_lower"][0])
    assert (table["first_lower"][3], table["first_upper"][3]) == pytest.approx(
        stats.wilson(400, 10000)
    )


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10**6), min_size=6, max_size=6))
def test_rates_of_previous_multiply_to_the_rate_of_the_first(counts):
    ordered = sorted((float(n) for n in counts), reverse=True)
    table = funnel.steps(pd.Series(dict(zip(DOUYIN.index, ordered, strict=True))), ROOM)
    if ordered[-1] > 0:
        assert table["rate_of_previous"].iloc[1:].prod() == pytest.approx(
            table["rate_of_first"].iloc[-1]
        )
    bounded = table.dropna(subset=["ci_lower"])
    assert (bounded["ci_lower"] <= bounded["rate_of_previous"] + 1e-12).all()
    assert (bounded["ci_upper"] >= bounded["rate_of_previous"] - 1e-12).all()


def test_a_step_that_grows_is_flagged_and_has_no_interval():
    table = funnel.steps(DOUYIN.replace(1600.0, 2400.0), ROOM).set_index("column")
    assert table["grows"].tolist() == [False, False, True, False, False, False]
    assert table.loc["product_exposure_users", "rate_of_previous"] == pytest.approx(1.2)
    assert np.isnan(table.loc["product_exposure_users", "ci_lower"])


def test_a_step_that_grows_is_told_with_the_likely_clash_of_definitions():
    table = funnel.steps(DOUYIN.replace(1600.0, 2400.0), ROOM)
    grown = funnel.grown(table, ROOM)
    assert grown[["before", "users"]].to_numpy().tolist() == [[2000, 2400]] and grown[
        "slice"
    ].tolist() == [""]
    (zh,), (en,) = (funnel.grown_words(grown, lang) for lang in ("zh", "en"))
    assert (
        "2,400 对 2,000" in zh
        and "各商品的人数加在了一起" in zh
        and "2,400 against 2,000" in en
        and "products were added up" in en
    )
    assert funnel.grown(funnel.steps(DOUYIN, ROOM), ROOM).empty


def test_slices_in_which_a_step_grows_are_named_and_neighbours_are_not_compared():
    frame = pd.DataFrame([DOUYIN / 100, DOUYIN, DOUYIN.replace(1600.0, 2400.0)]).assign(
        source=["tiny", "feed", "video"]
    )
    grown = funnel.grown(
        funnel.by_rows(frame, FUNNELS["source_people"], "source"),
        FUNNELS["source_people"],
        of="source",
    )
    assert grown["slice"].tolist() == [
        "video"
    ]  # the next source's first step is larger than this one's last, and no growth
    assert "（video）" in funnel.grown_words(grown, "zh")[0]


def test_a_sentence_names_eight_slices_that_grow_and_counts_the_others():
    frame = pd.DataFrame([DOUYIN.replace(1600.0, 2400.0)] * 11).assign(
        source=[f"s{place}" for place in range(11)]
    )
    entry = FUNNELS["source_people"]
    grown = funnel.grown(funnel.by_rows(frame, entry, "source"), entry, of="source")
    (zh,), (en,) = (funnel.grown_words(grown, lang) for lang in ("zh", "en"))
    assert "（s0、s1、s2、s3、s4、s5、s6、s7等 11 个）" in zh and zh.endswith("。")
    assert "(s0, s1, s2, s3, s4, s5, s6, s7 and 3 more)" in en


def test_each_slice_stands_against_the_last_step_that_it_knows():
    """Clicks of the second slice are unknown: its buyers stand against the exposures, 5 of 100."""
    entry = FUNNELS["product_people"]
    counts = [{"exposure_users": 100.0, "click_users": 20.0, "pay_users": 5.0}]
    counts += [{"exposure_users": 100.0, "pay_users": 5.0}]
    frame = pd.DataFrame(counts).assign(product_id=["a", "b"])
    steps = funnel.by_rows(frame, entry, "product_id").set_index(["product_id", "column"])
    assert steps["rate_of_previous"].dropna().tolist() == pytest.approx([0.2, 0.25, 0.05])
    assert steps.loc[("a", "pay_users"), "previous"] == "click_users"
    assert steps.loc[("b", "pay_users"), "previous"] == "exposure_users"
    assert steps["rate_of_first"].dropna().tolist() == pytest.approx([1, 0.2, 0.05, 1, 0.05])


def test_two_products_of_one_name_stay_two_in_the_steps_and_in_the_heat():
    frame = pd.DataFrame([DOUYIN / 100, DOUYIN.replace(1600.0, 2400.0)]).assign(
        product_id=["p1", "p2"]
    )
    entry = FUNNELS["source_people"]
    table = funnel.by_rows(frame, entry, "product_id").assign(product="面膜")
    grown = funnel.grown(table, entry, of="product_id", label="product")
    assert grown[["slice", "before", "users"]].to_numpy().tolist() == [["面膜", 2000, 2400]]
    cells = funnel.heat(table, "product_id", "zh", label="product")
    assert set(cells["row"]) == {"面膜 (p1)", "面膜 (p2)"}
    assert not cells.duplicated(["row", "column"]).any()


def test_every_step_after_the_first_that_is_counted_says_why_it_could_grow():
    for name, entry in FUNNELS.items():
        lacking = [step.column for step in entry.steps[1:] if step.grows is None]
        # a later event of a person follows his own earlier one, marked enquiries are among the
        # enquiries: these cannot grow
        assert entry.table == "actions" or lacking == (
            ["converted"] if name == "enquiry" else []
        ), name
        assert entry.steps[0].grows is None


def test_a_missing_step_is_left_out_and_the_next_is_set_against_the_last_known():
    table = funnel.steps(DOUYIN.drop("create_users"), ROOM).set_index("column")
    assert np.isnan(table.loc["create_users", "users"]) and np.isnan(
        table.loc["create_users", "rate_of_previous"]
    )
    assert table.loc["pay_users", "previous"] == "product_click_users"
    assert table.loc["pay_users", "rate_of_previous"] == pytest.approx(0.25)
    shown = funnel.known_steps(table.reset_index(), "zh")
    assert shown["label"].tolist() == ["看到直播间", "进入直播间", "看到商品", "点击商品", "支付"]


def test_without_exposure_users_the_funnel_of_people_still_says_who_paid():
    table = funnel.known_steps(funnel.steps(TIKTOK, ROOM), "en")
    assert table["label"].tolist() == ["Entered", "Paid"]
    assert table["rate_of_previous"].iloc[1] == pytest.approx(0.01)
    assert table["ci_lower"].iloc[1] == pytest.approx(float(stats.wilson(40, 4000)[0]))


def test_the_funnel_of_events_has_ratios_and_no_intervals():
    table = funnel.steps(TIKTOK, FUNNELS["product_times"])
    assert table["rate_of_previous"].tolist()[1:] == pytest.approx([2000 / 30000, 0.025])
    assert table[["ci_lower", "ci_upper", "first_lower", "first_upper"]].isna().all(axis=None)
    assert FUNNELS["product_times"].mixed_units is not None


def test_funnels_with_a_single_known_step_are_left_out_of_several():
    table = funnel.several(
        TIKTOK, {name: FUNNELS[name] for name in ("room_times", "product_times")}
    )
    assert table["funnel"].unique().tolist() == ["product_times"] and len(table) == 3
    rows = funnel.all_findings(funnel.event_findings(table, REGISTRY))
    assert rows["metric"].tolist() == ["product_click_rate_times", "click_order_rate_times"]
    assert (
        rows["value"].tolist() == pytest.approx([2000 / 30000, 0.025])
        and rows["ci_lower"].isna().all()
    )
    assert "30,000" in rows["sentence_en"][0] and "3.00万" in rows["sentence_zh"][0]


def test_nobody_at_a_step_leaves_the_next_rate_undefined():
    table = funnel.steps(DOUYIN.mask(DOUYIN < 500, 0.0), ROOM)
    assert table["rate_of_previous"].tolist()[3:] == pytest.approx([0, np.nan, np.nan], nan_ok=True)


def test_several_rows_are_not_one_funnel_but_several():
    frame = pd.DataFrame([DOUYIN, DOUYIN / 2]).assign(source=["a", "b"])
    with pytest.raises(MetricError, match="2"):
        funnel.steps(frame, ROOM)
    each = funnel.by_rows(frame, FUNNELS["source_people"], "source")
    assert len(each) == 12 and each.columns[0] == "source"
    assert each.loc[each["source"] == "b", "users"].iloc[0] == 5000
    assert funnel.by_rows(frame.iloc[:0], FUNNELS["source_people"], "source").empty


def test_every_step_of_every_shipped_funnel_has_labels_and_a_known_column():
    for name, entry in FUNNELS.items():
        events = reference.terms()["viewer_event"] if entry.table == "actions" else None
        assert all(
            step.column in (events or reference.tables()[step.of or entry.table].columns)
            for step in entry.steps
        ), name


def test_a_funnel_that_mixes_people_and_events_unsaid_is_refused(tmp_path):
    text = (places.REFERENCE / "funnels.yml").read_text(encoding="utf-8")
    (tmp_path / "funnels.yml").write_text(
        text.replace("column: viewers", "column: views", 1), encoding="utf-8"
    )
    with pytest.raises(reference.ReferenceDataError, match="views"):
        reference.funnels(tmp_path)


def test_the_enquiry_funnel_counts_enquiries_and_never_people_twice():
    service = pd.DataFrame(
        {
            "enquiry_id": ["a", "b", "c", "c"],
            "converted": pd.array([True, False, True, None], dtype="boolean"),
        }
    )
    row = funnel.counted(
        {"service": service, "sessions": pd.DataFrame({"viewers": [600.0]})}, FUNNELS["enquiry"]
    )
    table = funnel.steps(row, FUNNELS["enquiry"])
    assert table["users"].tolist() == [600, 3, 2] and table["rate_of_previous"].tolist()[
        1:
    ] == pytest.approx([0.005, 2 / 3])
    assert (
        table["rate_of_first"].iloc[2] == pytest.approx(2 / 600) and table["ci_lower"].isna().all()
    )
    two = funnel.counted(
        {"service": service, "sessions": pd.DataFrame({"viewers": [600.0, 400.0]})},
        FUNNELS["enquiry"],
    )
    assert np.isnan(two["viewers"])
    none = funnel.counted(
        {"service": service.iloc[:0], "sessions": pd.DataFrame({"viewers": [600.0]})},
        FUNNELS["enquiry"],
    )
    assert len(funnel.known_steps(funnel.steps(none, FUNNELS["enquiry"]), "en")) == 1


def test_the_ads_funnel_adds_slots():
    ads = pd.DataFrame({"views": [1000.0, 500.0], "orders": [10.0, np.nan]})
    assert funnel.counted({"ads": ads}, FUNNELS["ads_times"]).tolist() == [1500, 10]


def test_a_funnel_without_two_steps_says_which_are_lacking():
    ads = FUNNELS["ads_times"]
    bare = funnel.counted({"ads": pd.DataFrame({"views": [np.nan], "orders": [10.0]})}, ads)
    assert "「广告带来的观看次数」" in funnel.lacking_words(
        bare, ads, "zh"
    ) and "订单" not in funnel.lacking_words(bare, ads, "zh")
    assert "lack “views from ads”" in funnel.lacking_words(bare, ads, "en")
    assert funnel.lacking_words(pd.Series({"views": 10.0, "orders": 0.0}), ads, "en") == ""


def test_over_sessions_a_funnel_is_a_ratio_of_sums_without_counts_or_intervals():
    frame = pd.DataFrame([DOUYIN, DOUYIN * 3, DOUYIN * 2, DOUYIN]).assign(host=["a", "a", "a", "b"])
    frame.loc[1, "pay_users"] = 60.0
    table = funnel.over_sessions(frame, ROOM, "host").set_index("column")
    assert set(table["host"]) == {"a"} and set(table["sessions"]) == {3} and "users" not in table
    assert table.loc["pay_users", "rate_of_previous"] == pytest.approx((100 + 60 + 200) / (120 * 6))
    assert table.loc["viewers", "rate_of_first"] == pytest.approx(0.2)
    none = funnel.over_sessions(frame.iloc[:0], ROOM, "host")
    assert none.empty and none["rate_of_previous"].dtype == float


def test_time_slots_are_three_hours():
    times = pd.Series(pd.to_datetime(["2026-11-10 19:58", "2026-11-10 21:00", "2026-11-10 00:05"]))
    assert funnel.time_slot(times).tolist() == ["18:00–21:00", "21:00–24:00", "00:00–03:00"]


# ---- slices


def sources() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session_id": "S",
            "source": ["feed", "video", "search", "mall"],
            "is_paid": pd.array([False, True, False, None], dtype="boolean"),
            "viewers": [6000.0, 3000.0, 980.0, 20.0],
            "views": [7000.0, 3500.0, 1000.0, 25.0],
            "room_exposure_users": [50000.0, 30000.0, 4000.0, np.nan],
            "product_exposure_users": [5000.0, 2000.0, 900.0, 15.0],
            "product_click_users": [1000.0, 300.0, 300.0, 5.0],
            "create_users": np.nan,
            "pay_users": [120.0, 30.0, 49.0, 3.0],
            "orders": [130.0, 32.0, 50.0, 3.0],
            "avg_watch_seconds": [60.0, 30.0, 80.0, 20.0],
            "paid_amount": [6000.0, 1500.0, 2400.0, 100.0],
            "ad_cost": [np.nan, 500.0, np.nan, np.nan],
        }
    )


def test_a_slice_is_tested_exactly_against_the_others_together():
    table = against_others(sources(), numerator="pay_users", denominator="viewers", **LIMITS)
    # Fisher's two-sided p of the search row, summed term by term from the hypergeometric
    # distribution.
    chances = hypergeom(10000, 202, 980).pmf(np.arange(203))
    assert table["p_value"][2] == pytest.approx(chances[chances <= chances[49] * (1 + 1e-7)].sum())
    assert table["others_rate"][2] == pytest.approx(153 / 9020)
    assert table["standing"].tolist() == ["cannot_tell", "below", "above", "too_few"]
    assert np.isnan(table["p_adjusted"][3]) and table["ci_lower"][3] < 0.15 < table["ci_upper"][3]


def test_a_small_but_certain_difference_does_not_stand_out():
    frame = pd.DataFrame({"x": [50_500.0, 49_500.0], "n": [1e6, 1e6]})
    table = against_others(frame, numerator="x", denominator="n", **LIMITS)
    assert (table["p_adjusted"] < 0.01).all() and (table["standing"] == "cannot_tell").all()


def test_equal_slices_are_rarely_called_different():
    """Of sessions whose sources truly convert alike, about one in ten shows one that stands out."""
    random = np.random.default_rng(20261110)
    people = np.array([5000, 3000, 800, 400, 200], dtype=float)
    stands = [
        against_others(
            pd.DataFrame(
                {"x": random.binomial(people.astype(int), 0.03).astype(float), "n": people}
            ),
            numerator="x",
            denominator="n",
            **LIMITS,
        )["standing"]
        .isin(["above", "below"])
        .any()
        for _ in range(150)
    ]
    assert np.mean(stands) <= 0.15


@pytest.mark.parametrize("rows", [0, 1])
def test_one_slice_or_none_has_no_others(rows):
    table = against_others(
        sources().head(rows), numerator="pay_users", denominator="viewers", **LIMITS
    )
    assert len(table) == rows and not table["standing"].isin(["above", "below"]).any()


def test_sources_have_shares_that_close_and_rates_of_their_own():
    table = funnel.by_source(
        sources().sample(frac=1, random_state=1), REGISTRY, **LIMITS
    ).set_index("source")
    assert table.index.tolist() == ["feed", "video", "search", "mall"]
    assert table["viewer_share"].sum() == pytest.approx(1) and table[
        "paid_share"
    ].sum() == pytest.approx(1)
    assert table.loc["feed", "uv_value"] == 1 and table.loc["video", "ad_roi"] == 3
    assert table.loc["search", "room_conversion"] == pytest.approx(0.05)
    assert table.loc["search", "standing"] == "above" and np.isnan(
        table.loc["mall", "exposure_view_rate"]
    )


def test_sources_without_paying_users_keep_their_structure():
    bare = sources().assign(pay_users=np.nan, product_click_users=np.nan)
    table = funnel.by_source(bare, REGISTRY, **LIMITS)
    assert (table["standing"] == "unknown").all() and table["viewer_share"].sum() == pytest.approx(
        1
    )
    assert table["view_order_rate_times"].notna().all()


def test_paid_and_organic_add_visits_and_never_give_an_interval():
    table = funnel.paid_and_organic(sources(), REGISTRY).set_index("is_paid")
    assert table.loc["organic", "visits"] == 6980 and table.loc[
        "organic", "room_conversion"
    ] == pytest.approx(169 / 6980)
    assert table.loc["paid", "ad_roi"] == 3 and table.loc["unknown", "sources"] == 1
    assert table["visit_share"].sum() == pytest.approx(1)


def test_paid_traffic_is_stated_with_its_own_return():
    (fact,) = funnel.paid_findings(funnel.paid_and_organic(sources(), REGISTRY), currency="CNY")
    assert fact["value"] == 3 and "30.0%" in fact["sentence_zh"] and "15.0%" in fact["sentence_en"]
    unmarked = sources().assign(is_paid=pd.array([None] * 4, dtype="boolean"))
    assert funnel.paid_findings(funnel.paid_and_organic(unmarked, REGISTRY), currency="CNY") == []


def products() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session_id": "S",
            "product_id": ["p1", "p2", "p3", "p1"],
            "sku_id": [np.nan, np.nan, np.nan, "k1"],
            "name": ["茶", "cup", np.nan, "茶 250g"],
            "tier": "profit",
            "price": [50.0, 20.0, 5.0, 50.0],
            "exposure_users": [1000.0, 4000.0, 12.0, 900.0],
            "click_users": [300.0, 400.0, 10.0, 290.0],
            "cart_users": np.nan,
            "create_users": np.nan,
            "pay_users": [60.0, 40.0, 9.0, 55.0],
            "orders": [60.0, 41.0, 9.0, 55.0],
            "units": [70.0, 45.0, 9.0, 60.0],
            "created_amount": np.nan,
            "paid_amount": [3000.0, 900.0, 45.0, 2700.0],
            "refund_amount": 0.0,
            "refund_orders": 0.0,
            "refund_users": 0.0,
        }
    )


def test_products_are_ranked_by_what_one_exposed_person_is_worth_and_a_handful_of_people_is_not():
    table = funnel.by_product(products(), REGISTRY, **LIMITS).set_index("product_id")
    assert table.index.tolist() == ["p1", "p2", "p3"]
    assert table["paid_share"].sum() == pytest.approx(1)
    assert table["item_exposure_value"].tolist() == pytest.approx([3, 0.225, 3.75])
    assert table["rank"].tolist() == pytest.approx([1, 2, np.nan], nan_ok=True)
    assert table["click_standing"].tolist() == ["above", "below", "too_few"]
    assert (table.loc["p3", "click_lower"], table.loc["p3", "click_upper"]) == pytest.approx(
        stats.wilson(10, 12)
    )


def test_the_quadrant_shows_ranked_products_only():
    table = funnel.by_product(products(), REGISTRY, **LIMITS)
    marks, ranked = funnel.quadrant(table), table[table["rank"].notna()]
    assert (
        marks["label"].tolist() == ["茶", "cup"]
        and marks["x"].tolist() == ranked["exposure_users"].tolist()
    )
    assert marks["y"].tolist() == pytest.approx(
        (ranked["pay_users"] / ranked["exposure_users"]).tolist()
    )
    assert marks["number"].tolist() == [1, 2] and marks["size"].is_monotonic_decreasing
    middle, pooled = (
        table["exposure_users"].median(),
        table["pay_users"].sum() / table["exposure_users"].sum(),
    )
    assert marks["quadrant"].tolist() == [
        f"{'high' if x >= middle else 'low'}_{'high' if y >= pooled else 'low'}"
        for x, y in zip(marks["x"], marks["y"], strict=True)
    ]
    assert set(marks["quadrant"]) <= set(reference.terms()["quadrant"])


def test_names_of_sources_are_explained_in_english_alone_each_once():
    named = ["千川PC版", "Live feed", "搜索", "千川PC版"]
    sentence = funnel.source_words(named, "en")
    assert (
        sentence.count("千川PC版: Qianchuan") == 1
        and "搜索: search" in sentence
        and "Live feed" not in sentence
        and "关注" not in sentence
    )
    assert funnel.source_words(named, "zh") == funnel.source_words(["Live feed"], "en") == ""


# ---- key figures and findings


def test_no_tables_give_empty_frames_not_errors():
    none = {name: schema.empty(name, "Asia/Shanghai") for name in ("traffic", "products")}
    by_source = funnel.by_source(none["traffic"], REGISTRY, **LIMITS)
    listed = funnel.by_product(none["products"], REGISTRY, **LIMITS)
    each = funnel.by_rows(none["traffic"], FUNNELS["source_people"], "source")
    empty = [
        by_source,
        listed,
        funnel.quadrant(listed),
        funnel.source_rates(by_source),
        funnel.heat(each, "source", "zh"),
        funnel.paid_and_organic(none["traffic"], REGISTRY),
        funnel.all_findings(
            funnel.source_findings(by_source, REGISTRY), funnel.product_findings(listed, REGISTRY)
        ),
    ]
    assert [len(frame) for frame in empty] == [0] * len(empty)


def session_row(**values: object) -> pd.DataFrame:
    return pd.DataFrame([{"session_id": "S", "currency": "CNY", **DOUYIN.to_dict(), **values}])


def fact(name: str, slice_of: str, p: float = np.nan) -> dict[str, object]:
    return findings.make(
        notebook="02_funnel",
        dimension="sales",
        metric=name,
        slice=slice_of,
        verdict="not_comparable",
        p_adjusted=p,
        sentence_zh="句",
        sentence_en="words",
    )


def test_the_few_facts_that_matter_come_first_topic_by_topic():
    rows = [
        fact("exposure_view_rate", ""),
        fact("room_conversion", ""),
        *(fact("item_click_rate", f"product_id=p{n}", 0.01 * (n + 1)) for n in range(6)),
        fact("room_conversion", "source=a", 0.05),
        fact("room_conversion", "source=b", 0.001),
        fact("commenters", "word=w", 0.02),
        fact("ad_roi", "is_paid=paid"),
        fact("orders", "stretch=sales"),
        fact("room_conversion", "fan=x", 0.03),
    ]
    facts = findings.frame(rows)
    shown, few = funnel.foremost(facts, most=7)
    assert sorted(shown["id"]) == sorted(facts["id"]) and few == 7
    assert shown["slice"].head(few).tolist() == [
        "",
        "source=b",
        "product_id=p0",
        "product_id=p1",
        "stretch=sales",
        "fan=x",
        "word=w",
    ]
    assert (
        shown["topic_en"].head(2).tolist() == ["The whole session", "Traffic sources"]
        and shown["topic_zh"].iloc[few:].isna().all()
    )
    assert shown["slice"].tolist()[few:] == [
        "",
        "product_id=p2",
        "product_id=p3",
        "product_id=p4",
        "product_id=p5",
        "source=a",
        "is_paid=paid",
    ]
    assert funnel.foremost(facts.iloc[:0])[1] == 0


def test_the_sentence_of_what_is_not_known_names_every_metric_and_column():
    row = session_row()
    figures = funnel.key_figures(row, REGISTRY)
    zh = funnel.unknown_words(row, figures, REGISTRY, "zh")
    lost = figures[figures["value"].isna()]
    assert (
        len(lost) > 2
        and zh.startswith(f"{len(lost)} 个指标算不出：")
        and all(name in zh for name in lost["label_zh"])
    )
    assert all(name in zh for name in missing_columns(row, figures, REGISTRY, "zh"))
    assert funnel.unknown_words(row, figures[figures["value"].notna()], REGISTRY, "en") == ""


def test_key_figures_come_group_by_group_and_say_what_is_missing():
    figures = funnel.key_figures(session_row(paid_amount=8000.0), REGISTRY)
    assert figures["group"].drop_duplicates().tolist() == list(GROUPS)
    wide = figures.set_index("metric")
    assert wide.loc["uv_value", "value"] == 4 and np.isnan(wide.loc["ad_roi", "value"])
    assert wide.loc["uv_value", "formula_en"] == "Paid amount ÷ Viewers"
    with pytest.raises(MetricError, match="2"):
        funnel.key_figures(pd.concat([session_row(), session_row()]), REGISTRY)


def test_columns_that_are_missing_are_named_once_and_derived_ones_are_not():
    row = session_row(fan_viewer_share=0.3, new_fans=5.0)
    names = missing_columns(row, funnel.key_figures(row, REGISTRY), REGISTRY, "en")
    assert "Paid amount" in names and "Views" in names and len(names) == len(set(names))
    assert not {"Viewers", "Viewers who are fans", "New fans"} & set(names)


def test_conversion_by_source_falls_back_to_orders_per_view_without_interval():
    whole = funnel.source_rates(funnel.by_source(sources(), REGISTRY, **LIMITS))
    assert (whole["metric"] == "room_conversion").all() and whole["ci_lower"].notna().all()
    bare = funnel.source_rates(
        funnel.by_source(sources().assign(pay_users=np.nan), REGISTRY, **LIMITS)
    )
    assert bare["rate"].tolist()[0] == pytest.approx(130 / 7000) and bare["ci_lower"].isna().all()


def test_the_heat_of_steps_leaves_out_steps_that_no_source_knows():
    each = funnel.by_rows(sources(), FUNNELS["source_people"], "source")
    cells = funnel.heat(each, "source", "en")
    assert cells["column"].unique().tolist() == ["Entered", "Saw a product", "Clicked", "Paid"]


def test_each_step_of_the_heat_has_its_own_scale_and_colours_only_what_is_told_apart():
    """Two sources enter alike and click unlike, by hand: 40 of 400 and 160 of 396."""
    frame = pd.DataFrame(
        {
            "session_id": "S",
            "source": ["a", "b"],
            "room_exposure_users": [4000.0, 4000.0],
            "viewers": [402.0, 398.0],
            "product_exposure_users": [400.0, 396.0],
            "product_click_users": [40.0, 160.0],
        }
    )
    cells = funnel.heat(
        funnel.by_rows(frame, FUNNELS["source_people"], "source"), "source", "en"
    ).set_index(["row", "column"])["shade"]
    assert cells[:, "Entered"].tolist() == [0, 0] and cells[:, "Saw a product"].tolist() == [0, 0]
    assert cells[:, "Clicked"].tolist() == pytest.approx(
        [np.log2(0.1 / (160 / 396)), np.log2(160 / 396 / 0.1)]
    )
    hosts = pd.DataFrame(
        {
            "host": list("abc"),
            "step": 2,
            "label_en": "Entered",
            "rate_of_previous": [0.1, 0.2, 0.4],
            "sessions": 5,
        }
    )
    assert funnel.heat(hosts, "host", "en")["shade"].tolist() == pytest.approx([-1, 0, 1])


def test_a_product_is_coloured_where_the_table_says_so_and_nowhere_else():
    """The table of products and the chart below it: one test, one correction, one standing."""
    rng, apart = np.random.default_rng(8), 0
    for _ in range(25):
        seen = rng.integers(60, 3000, 9)
        clicked = rng.binomial(seen, rng.uniform(0.08, 0.14, 9))
        goods = pd.DataFrame(
            {
                "session_id": "S",
                "product_id": list("abcdefghi"),
                "name": list("abcdefghi"),
                "sku_id": None,
                "tier": None,
                "price": 10.0,
                "exposure_users": seen * 1.0,
                "click_users": clicked * 1.0,
                "pay_users": rng.binomial(clicked, rng.uniform(0.05, 0.15, 9)) * 1.0,
                "orders": 1.0,
                "paid_amount": 10.0,
            }
        )
        goods = goods.reindex(columns=[*schema.empty("products", "Asia/Shanghai").columns]).assign(
            **goods
        )
        table = funnel.by_product(goods, REGISTRY, **LIMITS).set_index("product_id")
        cells = funnel.heat(
            funnel.by_rows(goods, FUNNELS["product_people"], "product_id"),
            "product_id",
            "en",
            **LIMITS,
        ).set_index(["row", "column"])["shade"]
        for column, standing in (("Clicked it", "click_standing"), ("Paid", "pay_standing")):
            colours = np.sign(cells.xs(column, level="column").fillna(0)).map(
                {1.0: "above", -1.0: "below", 0.0: ""}
            )
            assert (
                table[standing].where(table[standing].isin(["above", "below"]), "").to_dict()
                == colours.to_dict()
            )
            apart += int((colours != "").sum())
    assert apart > 20


def test_the_cells_of_equal_slices_are_hardly_coloured():
    """Of 40 sessions of eight sources that are all alike at most five have any coloured cell.

    One cell in 20 would be four in five.
    """
    rng, coloured = np.random.default_rng(2), 0
    for _ in range(40):
        viewers = rng.binomial(20000, 0.2, 8)
        seen = rng.binomial(viewers, 0.8)
        frame = pd.DataFrame(
            {
                "source": list("abcdefgh"),
                "room_exposure_users": 20000.0,
                "viewers": viewers,
                "product_exposure_users": seen,
                "product_click_users": rng.binomial(seen, 0.15),
            }
        )
        cells = funnel.heat(
            funnel.by_rows(frame, FUNNELS["source_people"], "source"), "source", "en"
        )
        coloured += bool((cells["shade"] != 0).any())
    assert coloured <= 5
    assert funnel.heat(
        funnel.by_rows(frame.head(0), FUNNELS["source_people"], "source"), "source", "en"
    ).empty


def test_only_the_slices_that_stand_out_are_left_where_that_is_asked():
    frame = pd.DataFrame(
        {
            "source": ["a", "b", "c"],
            "room_exposure_users": 9000.0,
            "viewers": [900.0, 900.0, 1900.0],
        }
    )
    each = funnel.by_rows(frame, FUNNELS["source_people"], "source")
    assert set(funnel.heat(each, "source", "en", only_apart=True)["row"]) == {
        "a",
        "b",
        "c",
    }  # two lie below the others
    alike = funnel.by_rows(
        frame.assign(viewers=[1200.0, 1230.0, 1900.0]), FUNNELS["source_people"], "source"
    )
    assert len(funnel.heat(alike, "source", "en")) == 3


def test_what_is_partly_missing_is_named_metrics_and_funnels():
    tables = {name: schema.empty(name, "Asia/Shanghai") for name in ("sessions", "service", "ads")}
    bare = funnel.partly_missing(session_row(), tables, REGISTRY, FUNNELS, "zh")
    lost = funnel.key_figures(session_row(), REGISTRY)["value"].isna().sum()
    assert len(bare) == 1 and bare[0].startswith(f"{lost} 个指标算不出"), (
        "tables that are not there at all are named elsewhere"
    )
    ads = schema.conform(
        pd.DataFrame(
            [
                {
                    "platform": "douyin",
                    "campaign": "c",
                    "started_at": pd.Timestamp("2026-11-14 20:00", tz="Asia/Shanghai"),
                    "cost": 9.0,
                }
            ]
        ),
        "ads",
        "Asia/Shanghai",
    )
    assert [
        words.startswith(FUNNELS["ads_times"].en)
        for words in funnel.partly_missing(
            session_row(), {**tables, "ads": ads}, REGISTRY, FUNNELS, "en"
        )
    ] == [False, True]


def test_a_step_that_grows_has_no_cell_in_the_heat():
    frame = pd.DataFrame([DOUYIN, DOUYIN.replace(1600.0, 2400.0)]).assign(source=["a", "b"])
    cells = funnel.heat(
        funnel.by_rows(frame, FUNNELS["source_people"], "source"), "source", "en"
    ).set_index(["row", "column"])
    assert (
        np.isnan(cells.loc[("b", "Saw a product"), "value"])
        and cells.loc[("a", "Saw a product"), "value"] == 0.8
    )


def test_paid_and_organic_stand_below_their_sources_without_interval():
    frame = pd.concat([sources(), sources().iloc[:1].assign(source="shop")], ignore_index=True)
    table = funnel.with_paid(frame, FUNNELS["source_people"], "en").set_index(["source", "column"])
    assert table.index.get_level_values(0).unique().tolist() == [
        "feed",
        "video",
        "search",
        "mall",
        "shop",
        "Organic (together)",
    ]  # one paid source needs no sum
    organic = table.loc["Organic (together)"]
    assert organic.loc["viewers", "users"] == 6000 + 980 + 6000 and organic["ci_lower"].isna().all()
    assert organic.loc["viewers", "rate_of_previous"] == pytest.approx(
        (6000 + 980 + 6000) / (50000 + 4000 + 50000)
    )


def test_step_findings_state_each_rate_with_its_interval_and_judge_nothing():
    rows = funnel.all_findings(funnel.step_findings(funnel.steps(DOUYIN, ROOM), REGISTRY))
    assert rows["metric"].tolist() == [
        "exposure_view_rate",
        "view_exposure_rate",
        "product_click_rate",
        "click_create_rate",
        "create_pay_rate",
        "room_conversion",
    ]
    assert (rows["verdict"] == "not_comparable").all() and rows["id"].is_unique
    last = rows.iloc[-1]
    assert last["value"] == pytest.approx(0.05)
    assert (
        "2,000 人" in last["sentence_zh"]
        and "100 人" in last["sentence_zh"]
        and "5.0%" in last["sentence_zh"]
    )
    assert "of whom paid: 100" in last["sentence_en"] and "95% interval" in last["sentence_en"]
    assert list(rows.columns) == list(findings.COLUMNS)


def test_slice_findings_name_only_what_stands_apart():
    table = funnel.by_source(sources(), REGISTRY, **LIMITS)
    rows = funnel.all_findings(funnel.source_findings(table, REGISTRY))
    assert rows["slice"].tolist() == ["source=video", "source=search"]
    assert "低于" in rows["sentence_zh"][0] and "above the other sources" in rows["sentence_en"][1]
    facts = funnel.all_findings(
        funnel.product_findings(funnel.by_product(products(), REGISTRY, **LIMITS), REGISTRY)
    )
    assert set(facts["metric"]) == {"item_click_rate", "item_click_pay_rate"}
    assert facts.set_index("metric").loc["item_click_rate", "baseline"].tolist() == pytest.approx(
        [410 / 4012, 310 / 1012]
    )


def test_no_facts_give_an_empty_frame_of_findings():
    assert list(funnel.all_findings([], []).columns) == list(findings.COLUMNS)


# ---- videos that led into the session, and the product list's period


def test_videos_stand_by_entries_with_their_hour_and_share():
    start = pd.Timestamp("2026-11-14 20:00", tz="Asia/Shanghai")
    videos = schema.conform(
        pd.DataFrame(
            {
                "session_id": "s",
                "title": ["早上发的", "没有次数", "开播后发的"],
                "posted_at": [start - pd.Timedelta(hours=8), pd.NaT, start + pd.Timedelta("30min")],
                "exposures": [4000, None, 1000],
                "entries": [240, None, 360],
            }
        ),
        "videos",
        "Asia/Shanghai",
    )
    table = funnel.by_video(videos, start)
    assert table["title"].tolist() == ["开播后发的", "早上发的", "没有次数"]
    assert table["hours_before"].iloc[:2].tolist() == [-0.5, 8.0]
    assert table["entry_rate"].iloc[:2].tolist() == [0.36, 0.06]
    assert table["entry_share"].iloc[:2].tolist() == [0.6, 0.4]
    assert table.iloc[2][["entry_rate", "entry_share"]].isna().all()
    assert funnel.by_video(videos.iloc[:0], start).empty


def period_tables():
    zone = "Asia/Shanghai"
    products = schema.conform(
        pd.DataFrame(
            {
                "session_id": "s",
                "product_id": ["p", "q", "q", "r"],
                "sku_id": [None, None, "red", None],
                "name": ["甲", "乙", "乙", "丙"],
                "paid_amount": [100.0, 300.0, 300.0, 7.0],
                "units": [1, 3, 3, 1],
            }
        ),
        "products",
        zone,
    )
    rows = [
        ("p", "2026-11-01", "2026-11-30", 2000.0, 1000.0),
        ("p", "2026-11-09", "2026-11-15", 500.0, 400.0),
        ("p", "2026-11-20", "2026-11-26", 9.0, 9.0),  # yet to come
        ("q", "2026-11-01", "2026-11-30", 800.0, 250.0),  # less than the session alone
        ("x", "2026-11-01", "2026-11-30", 5.0, 5.0),
    ]
    periods = pd.DataFrame(
        rows,
        columns=["product_id", "period_from", "period_to", "paid_amount", "live_paid_amount"],
    ).assign(platform="tiktok")
    days = {
        name: pd.to_datetime(periods[name]).dt.tz_localize(zone)
        for name in ("period_from", "period_to")
    }
    session = pd.Series(
        {
            "platform": "tiktok",
            "room_name": "甲店",
            "started_at": pd.Timestamp("2026-11-14 20:00", tz=zone),
            "ended_at": pd.Timestamp("2026-11-14 23:00", tz=zone),
        }
    )
    return products, schema.conform(periods.assign(**days), "product_periods", zone), session


def test_products_stand_beside_the_shortest_period_that_holds_the_session():
    products, periods, session = period_tables()
    table = funnel.beside_period(products, periods, session)
    assert table["product_id"].tolist() == ["q", "p"] and table["holds"].all()
    assert table["period_live"].tolist() == [250.0, 400.0]
    assert table["live_share"].tolist() == [0.3125, 0.8]
    assert table["session_share"].tolist() == [1.2, 0.25]
    assert table["above"].tolist() == [True, False]
    zh = funnel.period_words(table, 3, "zh")
    assert "3 个商品里 2 个" in zh and "《乙》本场 ¥300，周期 ¥250" in zh


def test_products_of_another_room_do_not_stand_beside_the_session():
    products, periods, session = period_tables()
    other = periods.assign(room_name="乙店", live_paid_amount=1.0)
    both = pd.concat([other, periods.assign(room_name="甲店")], ignore_index=True)
    table = funnel.beside_period(products, both, session)
    assert table["period_live"].tolist() == [250.0, 400.0]


def test_a_period_that_ends_during_the_session_is_for_reference_only():
    products, periods, session = period_tables()
    late = dict(session) | {"ended_at": pd.Timestamp("2026-12-01 02:00", tz="Asia/Shanghai")}
    table = funnel.beside_period(products, periods, pd.Series(late))
    assert not table["holds"].any() and table["session_share"].isna().all()
    assert not table["above"].any() and "只能参考" in funnel.period_words(table, 3, "zh")
    other = pd.Series(dict(session) | {"platform": "douyin"})
    assert funnel.beside_period(products, periods, other).empty
