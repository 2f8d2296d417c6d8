"""The registry's formulas against hand-computed values, and what the evaluation must refuse."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import reference
from helpers.core import places
from helpers.reference import metrics
from helpers.reference.metrics import MetricError

REGISTRY, MEASURES = reference.registry(), reference.measures()
REAL = Path(__file__).parents[3] / "shared" / "data" / "tiktok-live-id"

SESSION = {
    "session_id": "S1",
    "currency": "CNY",
    "duration_seconds": 7200.0,
    "room_exposure_users": 10000.0,
    "room_exposure_times": 24000.0,
    "viewers": 2000.0,
    "views": 3000.0,
    "peak_online": 300.0,
    "avg_online": 120.0,
    "avg_watch_seconds": 65.0,
    "comments": 2600.0,
    "commenters": 400.0,
    "likes": 5000.0,
    "shares": 20.0,
    "interacting_users": 500.0,
    "new_fans": 80.0,
    "unfollows": 5.0,
    "fan_viewer_share": 0.2,
    "fan_club_joins": 10.0,
    "product_count": 12.0,
    "product_exposure_users": 1600.0,
    "product_exposure_times": 8000.0,
    "product_click_users": 400.0,
    "product_click_times": 1000.0,
    "cart_impression_users": 900.0,
    "cart_click_users": 300.0,
    "cart_users": 90.0,
    "create_users": 120.0,
    "created_orders": 160.0,
    "created_amount": 15000.0,
    "pay_users": 100.0,
    "orders": 125.0,
    "units": 150.0,
    "paid_amount": 12000.0,
    "user_paid_amount": 11500.0,
    "direct_paid_amount": 9000.0,
    "new_buyer_paid_amount": 3000.0,
    "net_1h_amount": 11400.0,
    "refund_1h_amount": 600.0,
    "refund_1h_orders": 5.0,
    "refund_amount": 2400.0,
    "refund_orders": 25.0,
    "refund_users": 22.0,
    "presale_amount": 700.0,
    "presale_orders": 7.0,
    "commission": 1200.0,
    "ad_cost": 3000.0,
    "coupon_amount": 400.0,
    "gift_cost": 100.0,
    "goods_cost": 4000.0,
    "staff_count": 5.0,
}
# value of each session metric of SESSION, worked out by hand from the formulas of domain texts, not
# from the registry
BY_HAND = {
    "room_exposure_users": 10000,
    "room_exposure_times": 24000,
    "viewers": 2000,
    "views": 3000,
    "exposure_view_rate": 0.2,
    "exposure_view_rate_times": 0.125,
    "views_per_viewer": 1.5,
    "peak_online": 300,
    "avg_online": 120,
    "avg_watch_seconds": 65,
    "viewers_per_hour": 1000,
    "ad_cost": 3000,
    "ad_roi": 4,
    "direct_ad_roi": 3,
    "cost_per_viewer": 1.5,
    "cost_per_order": 24,
    "new_fans": 80,
    "follow_rate": 0.04,
    "nonfan_follow_rate": 0.05,
    "fan_return_rate": 0.2,
    "fan_viewers": 400,
    "unfollows": 5,
    "net_new_fans": 75,
    "fan_club_joins": 10,
    "fan_club_join_rate": 0.005,
    "comments": 2600,
    "commenters": 400,
    "likes": 5000,
    "shares": 20,
    "interaction_rate": 1.3,
    "view_interaction_rate": 0.25,
    "commenter_rate": 0.2,
    "comments_per_commenter": 6.5,
    "likes_per_viewer": 2.5,
    "shares_per_viewer": 0.01,
    "product_count": 12,
    "product_exposure_users": 1600,
    "product_exposure_times": 8000,
    "product_click_users": 400,
    "product_click_times": 1000,
    "view_exposure_rate": 0.8,
    "product_click_rate": 0.25,
    "product_click_rate_times": 0.125,
    "clicks_per_view": 1 / 3,
    "cart_click_rate": 1 / 3,
    "create_users": 120,
    "pay_users": 100,
    "click_create_rate": 0.3,
    "create_pay_rate": 100 / 120,
    "click_pay_rate": 0.25,
    "room_conversion": 0.05,
    "exposure_pay_rate": 0.0625,
    "cart_pay_rate": 100 / 90,
    "order_pay_rate": 0.78125,
    "click_order_rate_times": 0.125,
    "view_order_rate_times": 125 / 3000,
    "created_amount": 15000,
    "created_orders": 160,
    "paid_amount": 12000,
    "user_paid_amount": 11500,
    "direct_paid_amount": 9000,
    "net_1h_amount": 11400,
    "net_amount": 9600,
    "orders": 125,
    "units": 150,
    "uv_value": 6,
    "customer_price": 120,
    "order_price": 96,
    "direct_order_price": 72,
    "unit_price": 80,
    "units_per_buyer": 1.5,
    "orders_per_buyer": 1.25,
    "gpm": 4000,
    "direct_gpm": 3000,
    "exposure_gpm": 500,
    "paid_per_hour": 6000,
    "orders_per_hour": 62.5,
    "presale_amount": 700,
    "presale_orders": 7,
    "output_per_person": 2400,
    "refund_amount": 2400,
    "refund_orders": 25,
    "refund_rate_orders": 0.2,
    "refund_rate_amount": 0.2,
    "refund_rate_users": 0.22,
    "refund_1h_rate_amount": 0.05,
    "refund_1h_rate_orders": 0.04,
    "new_customer_share": 0.25,
    "commission": 1200,
    "coupon_amount": 400,
    "gift_cost": 100,
    "commission_rate": 0.1,
    "profit": 900,
}
OTHER_TABLES = {
    "ads": (
        {
            "cost": [100.0, 300.0],
            "net_cost": [90.0, 270.0],
            "views": [1000.0, 600.0],
            "follows": [3.0, 5.0],
            "orders": [10.0, 6.0],
            "amount": [900.0, 1100.0],
            "net_amount": [500.0, 940.0],
        },
        {
            "ads_cost": 400,
            "ads_amount_roi": 5,
            "ads_net_roi": 4,
            "ads_cost_per_order": 25,
            "ads_cost_per_view": 0.25,
            "ads_cost_per_follow": 50,
        },
    ),
    "videos": (
        {"exposures": [4000.0, 1000.0], "entries": [80.0, 120.0]},
        {"video_entry_rate": 0.04},
    ),
    "minutes": ({"online": [200.0], "product_click_users": [15.0]}, {"minute_click_rate": 0.075}),
    "aftersales": (
        {
            "case_id": ["a", "b", "c", "d"],
            "amount": [10.0, 20.0, 30.0, 40.0],
            "disputed": pd.array([True, False, False, False], dtype="boolean"),
            "before_shipping": pd.array([True, True, False, None], dtype="boolean"),
        },
        {"case_count": 4, "case_amount": 100, "dispute_rate": 0.25, "before_shipping_share": 2 / 3},
    ),
    "reviews": (
        {
            "bad": pd.array([True, False, False, False, None], dtype="boolean"),
            "rating": [1.0, 5.0, 4.0, 4.0, np.nan],
        },
        {"bad_review_rate": 0.25, "review_rating": 3.5},
    ),
    "reviews, the last one": ({"shop_score": [4.8]}, {"shop_score": 4.8}),
    "incidents": ({"what": ["a", "a"]}, {"incident_count": 2}),
    "service": (
        {
            "satisfied": pd.array([True, None, False], dtype="boolean"),
            "enquiry_id": ["e1", "e2", "e3"],
            "converted": pd.array([True, True, False], dtype="boolean"),
            "disputed": pd.array([False, False, True], dtype="boolean"),
            "replied_in_time": pd.array([True, None, False], dtype="boolean"),
        },
        {
            "satisfaction_rate": 1 / 2,
            "enquiries": 3,
            "enquiry_conversion": 2 / 3,
            "enquiry_dispute_rate": 1 / 3,
            "reply_in_time_rate": 1 / 2,
        },
    ),
    "orders": (
        {
            "line_id": ["l1", "l2", "l3"],
            "buyer_key": ["x", "x", "y"],
            "paid": [50.0, 30.0, 20.0],
            "refunded": [0.0, 30.0, 0.0],
            "is_new_buyer": pd.array([True, True, False], dtype="boolean"),
            "is_referred": pd.array([True, None, False], dtype="boolean"),
        },
        {
            "referred_line_share": 1 / 2,
            "line_refund_rate_amount": 0.3,
            "new_buyer_line_share": 2 / 3,
            "lines_per_buyer": 1.5,
        },
    ),
    "products": (
        {
            "exposure_users": [800.0],
            "click_users": [200.0],
            "cart_users": [40.0],
            "create_users": [50.0],
            "pay_users": [40.0],
            "orders": [44.0],
            "units": [60.0],
            "paid_amount": [2400.0],
            "refund_orders": [11.0],
            "refund_amount": [600.0],
        },
        {
            "item_click_rate": 0.25,
            "item_click_create_rate": 0.25,
            "item_create_pay_rate": 0.8,
            "item_click_pay_rate": 0.2,
            "item_exposure_pay_rate": 0.05,
            "item_cart_rate": 0.2,
            "item_cart_pay_rate": 1,
            "item_exposure_value": 3,
            "item_customer_price": 60,
            "item_units_per_buyer": 1.5,
            "item_orders": 44,
            "item_units": 60,
            "item_paid_amount": 2400,
            "item_refund_rate_orders": 0.25,
            "item_refund_rate_amount": 0.25,
        },
    ),
}


def value(frame: pd.DataFrame | dict, name: str, **options: object) -> float:
    frame = frame if isinstance(frame, pd.DataFrame) else pd.DataFrame([frame])
    return metrics.evaluate(frame, [name], registry=REGISTRY, **options)["value"].item()


def session(**changed: object) -> pd.DataFrame:
    return pd.DataFrame([{**SESSION, **changed}])


# ---- the formulas


@pytest.mark.parametrize(("name", "expected"), BY_HAND.items())
def test_session_metric_is_the_value_worked_out_by_hand(name, expected):
    assert value(SESSION, name) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("table", "name", "expected"),
    [(table, name, v) for table, (_, values) in OTHER_TABLES.items() for name, v in values.items()],
)
def test_metric_of_another_table_is_the_value_worked_out_by_hand(table, name, expected):
    assert REGISTRY[name].table == table.split(",")[0]
    assert value(pd.DataFrame(OTHER_TABLES[table][0]), name) == pytest.approx(expected)


def test_every_metric_of_the_registry_has_a_value_by_hand():
    assert set(REGISTRY) == set(BY_HAND) | {
        name for _, values in OTHER_TABLES.values() for name in values
    }


# ---- every formula of the trade's list (流量, 粉丝, 互动, 点击, 转化, 带货, 售后, 客户), in its
# own words, and where it stands: the id of a metric (its value by hand is above), or of a measure
# and the test that works it out by hand.
TRADE = {
    "直播间曝光人数/次数": ["room_exposure_users", "room_exposure_times"],
    "观看人数 UV": ["viewers"],
    "观看次数 PV": ["views"],
    "曝光-观看率": ["exposure_view_rate", "exposure_view_rate_times"],
    "最高在线": ["peak_online"],
    "平均在线": ["avg_online"],
    "人均观看时长": ["avg_watch_seconds"],
    "流量结构": ["source_share"],
    "付费/自然": ["paid_share"],
    "消耗": ["ad_cost", "ads_cost"],
    "ROI": ["ad_roi", "direct_ad_roi", "ads_amount_roi", "ads_net_roi"],
    "cost per viewer": ["cost_per_viewer"],
    "cost per order": ["cost_per_order", "ads_cost_per_order"],
    "新增粉丝数": ["new_fans"],
    "转粉率": ["follow_rate", "nonfan_follow_rate"],
    "粉丝回访率": ["fan_return_rate"],
    "取关": ["unfollows"],
    "fan-club joins": ["fan_club_joins"],
    "评论数": ["comments"],
    "弹幕人数": ["commenters"],
    "点赞": ["likes"],
    "shares": ["shares"],
    "互动率": ["interaction_rate"],
    "观看-互动率(人数)": ["view_interaction_rate"],
    "弹幕热词": ["hot_words"],
    "商品曝光人数": ["product_exposure_users"],
    "商品点击人数": ["product_click_users"],
    "商品点击率": ["product_click_rate"],
    "购物车点击率": ["cart_click_rate"],
    "商品点击创建转化率": ["click_create_rate"],
    "商品创建成交转化率": ["create_pay_rate"],
    "商品成交转化率": ["room_conversion"],
    "商品曝光点击转化率": ["product_click_rate"],
    "曝光-成交转化率(人数)": ["exposure_pay_rate"],
    "点击-成交率(人数)": ["click_pay_rate"],
    "加购支付率": ["cart_pay_rate"],
    "created amount": ["created_amount"],
    "支付金额": ["paid_amount"],
    "退后金额": ["net_amount"],
    "UV价值": ["uv_value"],
    "客单价": ["customer_price"],
    "笔单价": ["order_price"],
    "连带率": ["units_per_buyer"],
    "GPM": ["gpm"],
    "paid per hour": ["paid_per_hour"],
    "GMV达成率": ["goal_completion"],
    "净利": ["profit"],
    "人均产能": ["output_per_person"],
    "refund rate by orders, by amount": ["refund_rate_orders", "refund_rate_amount"],
    "before/after shipping": ["before_shipping_share"],
    "reasons": ["refund_reasons"],
    "customer satisfaction": ["satisfaction_rate"],
    "first response time": ["first_response"],
    "resolution time": ["resolution_time"],
    "纠纷率": ["dispute_rate", "enquiry_dispute_rate"],
    "差评": ["bad_review_rate"],
    "DSR": ["shop_score"],
    "公关事件": ["incident_count"],
    "新客GMV占比": ["new_customer_share"],
    "复购率": ["repurchase_rate"],
    "复购周期": ["repurchase_cycle"],
    "RFM": ["rfm"],
    "流失预警": ["churn_warning"],
    "加购后30分钟未支付占比": ["unpaid_carts"],
    "UV→咨询→下单→复购": ["enquiries", "enquiry_conversion", "enquiry_repurchase"],
    "首单转化率": ["first_order_conversion"],
    "成单周期": ["close_time"],
    "客户异议类型": ["objection_share"],
    "流失挽回率": ["win_back_rate"],
    "老客推荐占比": ["referral_share", "referred_line_share"],
    "用户画像": ["portrait_index"],
}
MEASURED_BY_HAND = {
    "source_share": (
        "funnel/test_funnel::test_sources_have_shares_that_close_and_rates_of_their_own"
    ),
    "paid_share": "funnel/test_funnel::test_paid_and_organic_add_visits_and_never_give_an_interval",
    "hot_words": "funnel/test_comments::test_the_published_example_of_log_odds",
    "goal_completion": "compare/test_goals::test_goals_of_the_session_and_of_the_month",
    "refund_reasons": (
        "aftersales/test_reasons::test_pareto_only_from_thirty_refunds_and_its_shares_close"
    ),
    "first_response": "aftersales/test_service::test_first_response_is_the_published_kaplan_meier",
    "resolution_time": (
        "aftersales/test_service::"
        "test_settling_is_published_kaplan_meier_too_and_open_ones_are_censored"
    ),
    "repurchase_rate": "aftersales/test_customers::test_cdnow_repurchase",
    "repurchase_cycle": "aftersales/test_customers::test_cdnow_repurchase",
    "rfm": "aftersales/test_customers::test_scores_and_segments_by_hand",
    "churn_warning": (
        "aftersales/test_customers::test_late_is_the_day_by_which_four_of_five_came_back"
    ),
    "win_back_rate": (
        "aftersales/test_customers::test_won_back_counts_from_the_day_of_becoming_late"
    ),
    "first_order_conversion": (
        "aftersales/test_customers::test_first_orders_and_recommended_buyers_by_hand"
    ),
    "referral_share": "aftersales/test_customers::test_first_orders_and_recommended_buyers_by_hand",
    "unpaid_carts": (
        "funnel/test_viewer_events::test_unpaid_carts_are_those_of_a_loop_with_kaplan_meier_by_hand"
    ),
    "enquiry_repurchase": (
        "aftersales/test_enquiries::test_the_funnel_is_the_one_worked_out_by_hand"
    ),
    "close_time": (
        "aftersales/test_enquiries::"
        "test_time_to_close_is_the_median_with_the_open_ones_still_waiting"
    ),
    "objection_share": "aftersales/test_enquiries::test_objections_by_hand",
    "portrait_index": (
        "funnel/test_buyers::test_the_index_is_the_share_of_buyers_over_that_of_viewers"
    ),
}


@pytest.mark.parametrize("words", TRADE)
def test_each_figure_of_the_trade_stands_in_the_registry(words):
    assert TRADE[words] and all(name in REGISTRY or name in MEASURES for name in TRADE[words])


def test_no_measure_stands_outside_the_trades_list_and_each_has_its_function_and_its_test():
    assert (
        set(MEASURES)
        == {name for names in TRADE.values() for name in names} - set(REGISTRY)
        == set(MEASURED_BY_HAND)
    )
    for name, measure in MEASURES.items():
        module, _, function = measure.by.rpartition(".")
        assert callable(getattr(importlib.import_module(f"helpers.{module}"), function)), name
        file, _, test = MEASURED_BY_HAND[name].partition("::")
        assert f"def {test}(" in (Path(__file__).parents[1] / f"{file}.py").read_text(
            encoding="utf-8"
        ), name


# The sample record of a Compass session list, with the rates that the platform printed beside it.
COMPASS = {
    "viewers": 15093.0,
    "room_exposure_users": 182584.0,
    "product_exposure_users": 12774.0,
    "product_click_users": 6390.0,
    "pay_users": 1513.0,
    "paid_amount": 61045.3,
    "net_1h_amount": 50512.9,
    "refund_1h_amount": 10532.4,
    "refund_amount": 14603.08,
}


@pytest.mark.parametrize(
    ("name", "printed"),
    [("refund_1h_rate_amount", 0.1725), ("room_conversion", 0.1002), ("click_pay_rate", 0.2368)],
)
def test_compass_prints_the_same_rates_for_its_sample_session(name, printed):
    assert round(value(COMPASS, name), 4) == printed


def test_amount_net_of_one_hour_refunds_is_not_the_net_amount():
    assert value(COMPASS, "net_1h_amount") == pytest.approx(61045.3 - 10532.4)
    assert value(COMPASS, "net_amount") == pytest.approx(61045.3 - 14603.08)


@pytest.mark.real
@pytest.mark.skipif(not REAL.is_dir(), reason="the real TikTok export is not beside this project")
def test_tiktoks_own_rates_are_these_formulas_in_every_session():
    (path,) = REAL.glob("*直播数据.xlsx")
    shown = pd.read_excel(path, header=2, engine="calamine")
    money = shown["Direct GMV"].str.removeprefix("Rp").str.replace(".", "").astype(float)
    per_mille = shown["GMV/1K views"].str.removeprefix("Rp").str.replace(".", "").astype(float)
    frame = shown.rename(
        columns={
            "Views": "views",
            "Product clicks": "product_click_times",
            "Orders paid for": "orders",
        }
    )
    frame = frame.assign(session_id=frame.index.astype("str"), direct_paid_amount=money)
    wanted = ["clicks_per_view", "click_order_rate_times", "direct_gpm"]
    wide = metrics.by_session(frame, wanted, registry=REGISTRY).pivot(
        index="session_id", columns="metric", values="value"
    )
    wide = wide.loc[frame["session_id"]].to_numpy()
    assert len(frame) == 122
    np.testing.assert_allclose(wide[:, 0], shown["CTOR (SKU orders)"], atol=1e-6)
    np.testing.assert_allclose(wide[:, 1], shown["CTR"], atol=1e-6)
    np.testing.assert_allclose(wide[:, 2], per_mille, rtol=2e-3)


# ---- missing and undefined


@pytest.mark.parametrize("missing", ["viewers", "paid_amount"])
def test_a_missing_term_gives_nan_whether_the_cell_or_the_column_is_missing(missing):
    assert np.isnan(value(session(**{missing: np.nan}), "uv_value"))
    assert np.isnan(value(session().drop(columns=missing), "uv_value"))


@pytest.mark.parametrize(("above", "below"), [(0.0, 0.0), (5.0, 0.0)])
def test_a_rate_over_nobody_is_nan(above, below):
    assert np.isnan(value(session(pay_users=above, viewers=below), "room_conversion"))


def test_a_ratio_leaves_out_rows_that_lack_a_term_and_a_total_does_not():
    two = pd.concat([session(), session(session_id="S2", viewers=1000.0, new_fans=np.nan)])
    assert value(two, "follow_rate") == pytest.approx(80 / 2000)
    assert np.isnan(value(two.assign(ad_cost=[np.nan, 10.0]), "ad_cost"))


def test_profit_is_not_computed_while_one_cost_is_missing():
    assert np.isnan(value(session(goods_cost=np.nan), "profit"))


def test_fan_viewers_given_by_the_platform_win_over_those_from_the_share():
    assert value(session(fan_viewers=500.0), "nonfan_follow_rate") == pytest.approx(80 / 1500)


# ---- ratios of sums, groups, intervals


def test_over_sessions_a_rate_is_a_ratio_of_sums_not_a_mean_of_rates():
    two = pd.concat([session(), session(session_id="S2", viewers=200.0, pay_users=50.0)])
    assert value(two, "room_conversion") == pytest.approx(150 / 2200)


def test_groups_come_in_order_of_appearance_with_their_metrics_inside():
    frame = pd.concat(
        [
            session(session_id=name, host=host)
            for name, host in [("S1", "b"), ("S2", "a"), ("S3", "b")]
        ]
    )
    tidy = metrics.evaluate(frame, ["uv_value", "orders"], registry=REGISTRY, by="host")
    assert tidy["host"].tolist() == ["b", "b", "a", "a"]
    assert tidy["metric"].tolist() == ["uv_value", "orders"] * 2
    assert tidy["value"].tolist() == [6, 250, 6, 125]


def test_a_missing_group_is_a_group():
    frame = pd.concat([session(host="a"), session(session_id="S2", host=np.nan)])
    assert len(metrics.evaluate(frame, ["orders"], registry=REGISTRY, by=["host"])) == 2


def test_no_rows_give_no_values():
    empty = session().iloc[:0]
    assert metrics.evaluate(empty, ["uv_value"], registry=REGISTRY, by="session_id").empty
    assert list(metrics.evaluate(empty, [], registry=REGISTRY).columns) == metrics.VALUES


def test_only_proportions_have_an_interval_and_it_is_wilsons():
    tidy = metrics.evaluate(session(), list(BY_HAND), registry=REGISTRY).set_index("metric")
    bounded = set(tidy.index[tidy["ci_lower"].notna()])
    assert bounded == {name for name in BY_HAND if REGISTRY[name].proportion}
    assert not {"interaction_rate", "uv_value", "click_order_rate_times", "cart_pay_rate"} & bounded
    p, n, z = 0.05, 2000, 1.959963984540054
    centre, half = p + z * z / 2 / n, z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    found = tidy.loc["room_conversion", ["ci_lower", "ci_upper"]].tolist()
    assert found == pytest.approx(
        [(centre - half) / (1 + z * z / n), (centre + half) / (1 + z * z / n)]
    )


def test_more_people_in_the_numerator_than_in_the_denominator_leaves_the_interval_out():
    tidy = metrics.evaluate(session(pay_users=500.0), ["click_pay_rate"], registry=REGISTRY)
    assert tidy["value"].item() == 1.25
    assert tidy[["ci_lower", "ci_upper"]].isna().all(axis=None)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 10**6), st.floats(0, 1)), min_size=1, max_size=8))
def test_a_pooled_rate_lies_between_the_least_and_the_greatest_and_order_does_not_matter(rows):
    frame = pd.DataFrame(
        {
            "session_id": [f"S{i}" for i in range(len(rows))],
            "viewers": [float(n) for n, _ in rows],
            "pay_users": [float(int(n * share)) for n, share in rows],
        }
    )
    each = frame["pay_users"] / frame["viewers"]
    pooled = value(frame, "room_conversion")
    assert each.min() - 1e-12 <= pooled <= each.max() + 1e-12
    assert value(frame.iloc[::-1], "room_conversion") == pytest.approx(pooled)


def test_by_session_gives_each_metric_of_each_session():
    frame = pd.concat([session(), session(session_id="S2", viewers=500.0)])
    tidy = metrics.by_session(frame, ["viewers", "uv_value"], registry=REGISTRY)
    assert tidy[["session_id", "metric", "value"]].to_numpy().tolist() == [
        ["S1", "viewers", 2000],
        ["S1", "uv_value", 6],
        ["S2", "viewers", 500],
        ["S2", "uv_value", 24],
    ]


def test_the_frame_given_is_not_changed():
    frame = session()
    before = frame.copy()
    metrics.evaluate(frame, list(BY_HAND), registry=REGISTRY)
    pd.testing.assert_frame_equal(frame, before)


# ---- refusals


@pytest.mark.parametrize(
    "name", ["viewers", "pay_users", "avg_online", "avg_watch_seconds", "peak_online"]
)
def test_people_and_averages_are_not_added_over_rows(name):
    two = pd.concat([session(), session(session_id="S2")])
    with pytest.raises(MetricError, match="cannot be added"):
        value(two, name)


def test_amounts_orders_and_events_are_added_over_rows():
    two = pd.concat([session(), session(session_id="S2")])
    assert [value(two, name) for name in ("paid_amount", "orders", "comments")] == [
        24000,
        250,
        5200,
    ]


def test_people_of_several_sources_of_one_session_are_not_added_unless_said():
    sources = pd.DataFrame(
        {
            "session_id": "S1",
            "source": ["a", "b"],
            "viewers": [60.0, 40.0],
            "pay_users": [6.0, 1.0],
            "paid_amount": [600.0, 100.0],
        }
    )
    with pytest.raises(MetricError, match="count_per_slice"):
        value(sources, "room_conversion")
    tidy = metrics.evaluate(sources, ["room_conversion"], registry=REGISTRY, count_per_slice=True)
    assert tidy["value"].item() == pytest.approx(0.07)
    assert tidy["ci_lower"].isna().item()
    assert len(metrics.evaluate(sources, ["room_conversion"], registry=REGISTRY, by="source")) == 2


def test_products_and_their_skus_are_not_taken_together():
    frame = pd.DataFrame(
        {
            "session_id": "S1",
            "product_id": ["p", "p"],
            "sku_id": [np.nan, "k"],
            "paid_amount": [9.0, 9.0],
        }
    )
    with pytest.raises(MetricError, match="SKU"):
        value(frame, "item_paid_amount")
    assert value(frame[frame["sku_id"].isna()], "item_paid_amount") == 9


def test_amounts_of_two_currencies_are_not_added():
    two = pd.concat([session(), session(session_id="S2", currency="IDR")])
    with pytest.raises(MetricError, match="currencies"):
        value(two, "paid_amount")
    assert len(metrics.evaluate(two, ["paid_amount"], registry=REGISTRY, by="currency")) == 2


def test_unknown_metric_grouping_or_table_is_refused_by_name():
    with pytest.raises(MetricError, match="gmv"):
        value(SESSION, "gmv")
    with pytest.raises(MetricError, match="slot"):
        value(session(), "orders", by="slot")
    with pytest.raises(MetricError, match="none of the columns"):
        value(pd.DataFrame({"left": [1.0]}), "uv_value")
    with pytest.raises(MetricError, match="one row per session_id"):
        metrics.by_session(pd.concat([session(), session()]), ["orders"], registry=REGISTRY)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"numerator": "comments"}, "mixes people and events"),
        ({"denominator": "orders"}, "proportion"),
        ({"numerator": "customers"}, "no column of sessions"),
    ],
)
def test_a_definition_that_has_no_meaning_is_refused(changed, message):
    broken = REGISTRY["room_conversion"].model_copy(update=changed)
    with pytest.raises(MetricError, match=message):
        metrics.evaluate(session(), ["broken"], registry={"broken": broken})


# ---- the registry


def test_every_definition_of_the_registry_holds():
    for name, metric in REGISTRY.items():
        metrics.check(name, metric)


def test_an_unknown_column_in_a_workspaces_registry_is_refused(tmp_path):
    text = (places.REFERENCE / "metrics.yml").read_text(encoding="utf-8")
    (tmp_path / "metrics.yml").write_text(
        text.replace("numerator: pay_users", "numerator: payers", 1), encoding="utf-8"
    )
    with pytest.raises(reference.ReferenceDataError, match="payers"):
        reference.registry(tmp_path)


def test_ratios_are_never_additive_and_people_are_never_added():
    for name, metric in REGISTRY.items():
        kind = metrics.kinds(metric)[metric.numerator]
        assert not (
            metric.additive and (metric.denominator or kind in ("users", "seconds", "score"))
        ), name


def test_no_label_says_a_bare_gmv():
    for name, metric in REGISTRY.items():
        assert "GMV" not in metric.zh + metric.en, name


def test_labels_are_unique_so_that_two_definitions_are_told_apart():
    for lang in ("zh", "en"):
        labels = [getattr(metric, lang) for metric in REGISTRY.values()]
        assert len(labels) == len(set(labels)), [
            label for label in labels if labels.count(label) > 1
        ]


def test_sources_are_named_in_the_reader_s_language():
    """Beside the platforms' own names no English is left in the Chinese glossary.

    In none of the metrics.
    """
    left = {
        metrics.source(metric, "zh")
        .replace("TikTok Shop", "")
        .replace("TikTok", "")
        .replace("UV价值", "")
        for metric in REGISTRY.values()
    }
    assert {
        words for words in left if any(mark.isascii() and mark.isalpha() for mark in words)
    } == set()
    assert (
        metrics.source(REGISTRY["nonfan_follow_rate"], "zh")
        == "直播复盘与售后跟踪，取其文字，不取其公式"
    )
    assert (
        metrics.source(REGISTRY["view_order_rate_times"], "en")
        == "platform definition (抖音电商罗盘)"
    )


@pytest.mark.parametrize(
    ("name", "zh", "en"),
    [
        ("follow_rate", "新增粉丝数 ÷ 观看人数", "New fans ÷ Viewers"),
        (
            "nonfan_follow_rate",
            "新增粉丝数 ÷ (观看人数 − 观看老粉人数)",
            "New fans ÷ (Viewers − Viewers who are fans)",
        ),
        ("gpm", "支付金额 ÷ 观看次数 × 1000", "Paid amount ÷ Views × 1000"),
        ("paid_per_hour", "支付金额 ÷ 直播时长（小时）", "Paid amount ÷ Duration (hours)"),
        ("net_amount", "支付金额 − 退款金额", "Paid amount − Refund amount"),
        ("viewers", "", ""),  # stands in the export: nothing to work out
        ("enquiries", "客服咨询条数", "count of enquiries"),
        (
            "lines_per_buyer",
            "订单明细条数 ÷ 买家标识（加密）（去重）个数",
            "count of order lines ÷ distinct buyer key (hashed)",
        ),
        (
            "enquiry_conversion",
            "“是否下单”为是的条数 ÷ 客服咨询条数",
            "count of “converted” ÷ count of enquiries",
        ),
    ],
)
def test_formulas_are_written_in_the_words_of_the_columns(name, zh, en):
    assert (metrics.formula(REGISTRY[name], "zh"), metrics.formula(REGISTRY[name], "en")) == (
        zh,
        en,
    )


def test_glossary_has_a_row_for_each_metric_in_the_order_asked():
    assert metrics.glossary(REGISTRY, ["gpm", "viewers"])["metric"].tolist() == ["gpm", "viewers"]
    whole = metrics.glossary(REGISTRY)
    assert len(whole) == len(REGISTRY) and whole.notna().all(axis=None)
    with pytest.raises(MetricError, match="nothing"):
        metrics.glossary(REGISTRY, ["nothing"])


# ---- prices


def test_price_bands_are_thirds():
    frame = pd.DataFrame(
        {"product_id": [*list("abcdef"), "n"], "price": [9.0, 19, 29, 39, 199, 299, np.nan]}
    )
    assert metrics.price_bands(frame).to_dict() == {
        "a": 0,
        "b": 0,
        "c": 1,
        "d": 1,
        "e": 2,
        "f": 2,
        "n": -1,
    }
