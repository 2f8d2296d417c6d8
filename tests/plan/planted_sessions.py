"""Sixty sessions with one planted fault each: the actions that fit, and those that must not appear.

Twenty kinds of fault with three sessions each that differ in names and sizes. Written before the
mechanism that has to pass them. `fits` maps a cause of the playbook to what its action must name.
"""

import dataclasses

import pandas as pd

from helpers.core import findings

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-11-14 20:00", tz=ZONE)
TARGETING = ("定向", "圈人", "低成交计划", "人群包")


def minute(count, start=START):
    return start + pd.Timedelta(minutes=count)


@dataclasses.dataclass(frozen=True)
class Planted:
    """One session: what its records hold, and what a fit plan does and does not say."""

    id: str
    tables: dict = dataclasses.field(default_factory=dict)
    past: dict = dataclasses.field(default_factory=dict)
    session: dict = dataclasses.field(default_factory=dict)
    earlier: dict = dataclasses.field(default_factory=dict)
    found: tuple = ()
    standing: tuple = ()
    results: dict = dataclasses.field(default_factory=dict)
    plans: tuple = ()
    goals: tuple = ()
    fits: dict = dataclasses.field(default_factory=dict)
    never: tuple = ()
    never_words: tuple = ()
    lesson: tuple = ()


def past_start(number):
    """When the session so many before this one began: every third day."""
    return START - pd.Timedelta(days=3 * number)


def every(rows, sessions=10):
    """Rows as they were in each of the earlier sessions; `minute` is theirs."""
    return [
        {
            **{key: value for key, value in row.items() if key != "minute"},
            **({"at": minute(row["minute"], past_start(number))} if "minute" in row else {}),
            "session_id": f"s{number}",
        }
        for number in range(1, sessions + 1)
        for row in rows
    ]


def cue(at, kind, **columns):
    return {"at": minute(at), "kind": kind, **columns}


def at(number, kind):
    return {"minute": number, "kind": kind}


def worse(dimension, key, slice, metric, value, usual):
    return {
        "dimension": dimension,
        "key": key,
        "slice": slice,
        "metric": metric,
        "value": value,
        "baseline": usual,
        "lower": usual * 0.8,
        "upper": usual * 1.2,
        "p_adjusted": 0.01,
        "verdict": "worse",
    }


def finding(metric, registry, slice="", money=900.0, value=0.01, usual=0.02):
    return findings.make(
        notebook="03_compare",
        dimension=registry[metric].group,
        metric=metric,
        slice=slice,
        verdict="worse",
        value=value,
        baseline=usual,
        ci_lower=usual * 0.8,
        ci_upper=usual * 1.2,
        p_adjusted=0.01,
        money_at_stake=money,
        sentence_zh="句",
        sentence_en="said",
    )


def source(name, viewers, paid=False, exposure=None, **columns):
    return {
        "source": name,
        "viewers": viewers,
        "room_exposure_users": exposure or viewers * 8,
        "is_paid": paid,
        **columns,
    }


def _worse_source(id, name, paid, cause, value, usual):
    """A source does worse than its usual; targeting exists for paid sources alone."""
    own = [source(name, 800, paid), source("推荐feed", 900)]
    return Planted(
        id=id,
        tables={"traffic": own},
        past={"traffic": every(own)},
        found=(("room_conversion", {"slice": name, "value": value, "usual": usual}),),
        standing=(worse("source", name, name, "room_conversion", value, usual),),
        fits={cause: (name, f"{value:.1%}"[:3])},
        never=tuple({"one_source", "fans_source", "video_source", "free_source"} - {cause}),
        never_words=() if paid else TARGETING,
    )


def _lost_organic(id, name, exposure, viewers, step):
    """An organic source lost people at a step that the traffic table shows."""
    return Planted(
        id=id,
        tables={"traffic": [source(name, viewers, exposure=exposure), source("千川", 300, True)]},
        past={"traffic": every([source(name, 1000, exposure=10000), source("千川", 300, True)])},
        found=(("viewers", {"value": viewers + 300.0, "usual": 1300.0}),),
        results={
            "source_split": pd.DataFrame(
                {
                    "source": [name, "千川"],
                    "weight_before": [1000.0, 300.0],
                    "weight_after": [float(viewers), 300.0],
                    "share_before": [0.77, 0.23],
                    "share_after": [0.6, 0.4],
                    "mix_effect": [0.0, 0.0],
                    "rate_effect": [0.0, 0.0],
                }
            )
        },
        fits={f"channel_{step}": (name, str(viewers if step == "entry" else f"{exposure:,}"))},
        never=("channel_exposure", "channel_entry")[step == "exposure" :][:1],
        never_words=("哪一步", *TARGETING),
    )


def _ads(id, by, name, spend, orders):
    """One hour or campaign takes most of the spend and hardly any order."""
    parts = (("甲", 1), ("乙", 2), ("丙", 3))
    rest_cost, rest_orders = (1 - spend) * 1000 / 3, (1 - orders) * 100 / 3
    rows = [
        {
            "campaign": "日常" if by == "hour" else label,
            "started_at": minute(60 * at_hour),
            "slot_seconds": 3600.0,
            "cost": rest_cost,
            "orders": rest_orders,
            "amount": rest_orders * 50,
        }
        for label, at_hour in parts
    ]
    if by != "hour":
        rows = [row | {"started_at": START} for row in rows]
    bad = {
        "campaign": "日常" if by == "hour" else name,
        "started_at": START if by != "hour" else minute(0),
        "slot_seconds": 3600.0,
        "cost": spend * 1000,
        "orders": orders * 100,
        "amount": orders * 100 * 50,
    }
    rows = [{"platform": "douyin", "session_id": "s", **row} for row in [bad, *rows]]
    return Planted(
        id=id,
        tables={"ads": rows, "traffic": [source("千川", 500, True)]},
        session={"ad_cost": 1000.0},
        fits={f"ads_{by}": (name, f"{spend:.0%}", f"{orders:.0%}")},
        never=("paid_heavy", "ads_campaign" if by == "hour" else "ads_hour"),
    )


def _price(id, metric, product, raised_on, standing):
    """The event log holds a price rise; the pitch is not to blame."""
    return Planted(
        id=id,
        tables={
            "events": [
                {"starts_at": minute(-raised_on), "kind": "price", "what": f"{product}涨价"},
            ]
        },
        session={},
        found=((metric, {"value": 0.05, "usual": 0.1}),),
        standing=(worse("product_id", "p1", product, standing, 0.05, 0.1),),
        fits={"price_change": (product,)},
        never=("one_product", "conversion", "rare_prompts"),
        never_words=("讲解结构", "核心卖点"),
    )


def _outage(id, kind, lasted, extra):
    """The stream was interrupted: the table says so, and no source or pitch is to blame."""
    return Planted(
        id=id,
        tables={
            "events": [
                {
                    "starts_at": minute(30),
                    "ends_at": minute(30 + lasted),
                    "kind": kind,
                    "what": "推流中断",
                }
            ]
        },
        found=extra,
        standing=(worse("source", "千川", "千川", "room_conversion", 0.01, 0.02),),
        fits={"interrupted": (f"{lasted}", "20:30")},
        never=("one_source", "one_product"),
        never_words=TARGETING,
    )


def _growth(id, rate):
    """The account grows week by week: a sentence says so, and no session is called bad for it."""
    return Planted(
        id=id,
        earlier={"growth": rate},
        session={"viewers": 1000.0},
        lesson=("每周", f"{abs(rate):.0%}"),
        never=("one_source",),
    )


def _new_host(id, metric, name, sessions):
    """A host with few sessions: support, and no targeting on the same evening."""
    return Planted(
        id=id,
        session={"host": name},
        earlier={"host": "老主播", "hosted": (name, sessions), "count": 16},
        tables={"traffic": [source("千川", 800, True)]},
        found=((metric, {"value": 0.01, "usual": 0.02}),),
        standing=(worse("source", "千川", "千川", "room_conversion", 0.01, 0.02),),
        fits={"new_host": (name, str(sessions + 1))},
        never=("one_source", "one_product"),
        never_words=TARGETING,
    )


def _few_entries(id, name, ratio, cause):
    """A source brings far fewer people than ever: named, though no rate is worse."""
    viewers = round(1000 * ratio)
    return Planted(
        id=id,
        tables={"traffic": [source(name, viewers), source("推荐feed", 1500)]},
        past={
            "traffic": [
                row | {"viewers": row["viewers"] + 20 * (int(row["session_id"][1:]) % 5)}
                for row in every([source(name, 960), source("推荐feed", 1500)])
            ]
        },
        fits={cause: (name, f"{viewers:,}")},
        never=("one_source",),
        never_words=TARGETING,
    )


def _few_orders(id, orders, metric):
    """Too few orders to judge any rate of sales by."""
    return Planted(
        id=id,
        session={"orders": orders, "pay_users": orders, "paid_amount": 50.0 * orders},
        found=((metric, {"value": 0.003, "usual": 0.04}),),
        fits={"too_few": (str(orders),)},
        never=("one_product", "one_source", "rare_prompts", "coupon_late", ""),
    )


def _sold_out(id, product, gone, back, sold):
    """A product without stock is worth the minutes without it, times what it sells in others."""
    rows = [{"product_id": "p1", "name": product, "orders": sold, "paid_amount": sold * 40.0}]
    return Planted(
        id=id,
        tables={
            "products": [{"session_id": "s", "exposure_users": 900, **row} for row in rows],
            "cues": [
                cue(5, "explain_start", product_id="p1"),
                cue(gone, "stock_change", product_id="p1", stock_after=0),
                cue(back, "stock_change", product_id="p1", stock_after=50),
            ],
        },
        found=(("click_pay_rate", {"value": 0.05, "usual": 0.1}),),
        standing=(worse("product_id", "p1", product, "item_click_pay_rate", 0.05, 0.1),),
        fits={"stock_out": (product, str(back - gone))},
        never=("one_source",),
        lesson=(),
    )


def _within_plan(id, kind, metric, cause, minutes, words):
    """What the team does is what its plan in force prescribes: no fault."""
    cues = [cue(number, kind) for number in range(minutes, 120, minutes)]
    return Planted(
        id=id,
        tables={"cues": cues},
        found=((metric, {"value": 0.01, "usual": 0.02}),),
        plans=({"action": words, "status": "done", "session_id": "s1"},),
        never=(cause,),
    )


def _within_goal(id, kind, metric, cause, per_hour, target):
    """As often an hour as the team's own goal asks for: no fault."""
    every_so = round(60 / per_hour)
    return Planted(
        id=id,
        tables={"cues": [cue(number, kind) for number in range(every_so // 2, 120, every_so)]},
        found=((metric, {"value": 0.01, "usual": 0.02}),),
        goals=({"metric": kind, "target": target},),
        never=(cause,),
    )


def _own_limit(id, kind, metric, cause, usual, now, fits):
    """The account's own habit is the limit: what is as ever explains no fall."""
    return Planted(
        id=id,
        tables={"cues": [cue(number, kind) for number in range(now, 120, now)]},
        past={"cues": every([at(number, kind) for number in range(usual, 120, usual)])},
        found=((metric, {"value": 0.01, "usual": 0.02}),),
        fits={cause: (str(now),)} if fits else {},
        never=() if fits else (cause,),
    )


def _two_of_one(id, metric, causes_found, cues):
    """Two causes of one problem: no two actions are judged by one metric."""
    return Planted(
        id=id,
        tables={"cues": cues},
        found=((metric, {"value": 0.01, "usual": 0.02}),),
        fits=causes_found,
    )


def _late(id, kind, metric, cause, delay):
    """Floor control came late by so many minutes."""
    return Planted(
        id=id,
        tables={"cues": [cue(40 + delay, kind, planned_at=minute(40), product_id="p1")]},
        found=((metric, {"value": 0.05, "usual": 0.1}),),
        fits={cause: (str(delay),)},
        never=("one_source", "one_product"),
    )


def _unanswered(id, product, question, users):
    """A question that nobody answered about a product that sells less than the others."""
    asked = {
        "question": question,
        "question_zh": "成分",
        "question_en": "Ingredients",
        "product_id": "p1",
        "product": product,
        "users": users,
        "comments": users + 2,
        "unanswered": float(users + 2),
        "unanswered_share": 1.0,
        "standing": "above",
        "example": "里面有什么",
    }
    return Planted(
        id=id,
        tables={
            "comments": [{"at": minute(5), "text": "里面有什么", "speaker": "viewer"}],
            "products": [{"session_id": "s", "product_id": "p1", "name": product}],
        },
        results={
            "questions": pd.DataFrame([asked]),
            "products_beside": pd.DataFrame({"product_id": ["p1"], "pay_standing": ["below"]}),
        },
        fits={"no_answer": (product, str(users))},
        never=("one_source", "one_product"),
    )


def _refunds(id, cause, words, others):
    """Most refunds have one reason."""
    reasons = [words] * 30 + others * 4
    return Planted(
        id=id,
        tables={
            "orders": [
                {
                    "platform": "douyin",
                    "order_id": str(number),
                    "line_id": str(number),
                    "paid_at": START,
                    "created_at": START,
                    "paid": 50.0,
                    "qty": 1,
                }
                for number in range(len(reasons))
            ],
            "aftersales": [
                {
                    "platform": "douyin",
                    "case_id": str(number),
                    "line_id": str(number),
                    "order_id": str(number),
                    "kind": "return_refund",
                    "status": "succeeded",
                    "asked_at": minute(600),
                    "refunded_at": minute(700),
                    "amount": 50.0,
                    "reason": reason,
                }
                for number, reason in enumerate(reasons)
            ],
        },
        found=(("refund_rate_orders", {"value": 0.3, "usual": 0.1}),),
        fits={cause: ("%",)},
        never=tuple({"mistaken_orders", "quality", "size", "wrong_page"} - {cause}),
    )


PLANTED = (
    _worse_source("fans-1", "关注", False, "fans_source", 0.011, 0.04),
    _worse_source("fans-2", "关注页", False, "fans_source", 0.02, 0.05),
    _worse_source("fans-3", "粉丝群", False, "fans_source", 0.013, 0.03),
    _worse_source("paid-1", "千川", True, "one_source", 0.011, 0.02),
    _worse_source("paid-2", "小店随心推", True, "one_source", 0.021, 0.05),
    _worse_source("paid-3", "竞价广告", True, "one_source", 0.013, 0.04),
    _worse_source("video-1", "短视频引流", False, "video_source", 0.011, 0.02),
    _worse_source("video-2", "视频推荐", False, "video_source", 0.022, 0.05),
    _worse_source("search-1", "搜索", False, "free_source", 0.013, 0.04),
    _lost_organic("lost-1", "推荐feed", 3000, 300, "exposure"),
    _lost_organic("lost-2", "直播广场", 4000, 420, "exposure"),
    _lost_organic("lost-3", "推荐feed", 10000, 400, "entry"),
    _ads("ads-1", "hour", "20:00", 0.56, 0.06),
    _ads("ads-2", "hour", "20:00", 0.62, 0.1),
    _ads("ads-3", "campaign", "面膜-通投", 0.58, 0.08),
    _ads("ads-4", "campaign", "放量计划B", 0.5, 0.05),
    _price("price-1", "room_conversion", "精华液", 60, "item_click_pay_rate"),
    _price("price-2", "click_pay_rate", "洗脸巾", 600, "item_click_pay_rate"),
    _price("price-3", "uv_value", "面膜", 1440, "item_click_pay_rate"),
    _outage("outage-1", "outage", 12, ()),
    _outage("outage-2", "outage", 9, (("room_conversion", {"value": 0.01, "usual": 0.02}),)),
    _outage("outage-3", "suspended", 25, (("viewers", {"value": 600.0, "usual": 1000.0}),)),
    _growth("growth-1", 0.05),
    _growth("growth-2", -0.05),
    _growth("growth-3", 0.08),
    _new_host("host-1", "room_conversion", "小夏", 1),
    _new_host("host-2", "click_pay_rate", "阿May", 2),
    _new_host("host-3", "avg_watch_seconds", "老周", 0),
    _few_entries("entries-1", "关注", 0.42, "fans_gone"),
    _few_entries("entries-2", "关注页", 0.3, "fans_gone"),
    _few_entries("entries-3", "搜索", 0.45, "free_gone"),
    _few_orders("few-1", 3, "room_conversion"),
    _few_orders("few-2", 5, "click_pay_rate"),
    _few_orders("few-3", 1, "exposure_pay_rate"),
    _sold_out("stock-1", "洗脸巾", 60, 100, 40),
    _sold_out("stock-2", "精华液 30ml", 20, 50, 90),
    _sold_out("stock-3", "面膜", 80, 95, 21),
    _within_plan("plan-1", "lucky_bag", "avg_watch_seconds", "long_gaps", 26, "每25分钟一轮福袋"),
    _within_plan(
        "plan-2", "follow_prompt", "follow_rate", "rare_prompts", 20, "每20分钟引导一次关注"
    ),
    _within_plan(
        "plan-3", "purchase_prompt", "exposure_pay_rate", "rare_prompts", 20, "每小时催付3次"
    ),
    _within_goal("goal-1", "purchase_prompt", "exposure_pay_rate", "rare_prompts", 3.5, 3.5),
    _within_goal("goal-2", "follow_prompt", "follow_rate", "rare_prompts", 3, 3),
    _within_goal("goal-3", "purchase_prompt", "create_pay_rate", "rare_prompts", 4, 4.2),
    _own_limit("habit-1", "activity", "interaction_rate", "long_gaps", 30, 30, False),
    _own_limit("habit-2", "purchase_prompt", "exposure_pay_rate", "rare_prompts", 20, 20, False),
    _own_limit("habit-3", "follow_prompt", "follow_rate", "long_gaps", 10, 50, True),
    _two_of_one(
        "two-1", "follow_rate", {"rare_prompts": ("引导关注",)}, [cue(60, "follow_prompt")]
    ),
    _two_of_one(
        "two-2",
        "interaction_rate",
        {"long_gaps": ("互动活动",)},
        [cue(60, "activity"), cue(61, "activity")],
    ),
    _two_of_one(
        "two-3",
        "exposure_pay_rate",
        {"rare_prompts": ("催付",)},
        [cue(60, "purchase_prompt"), cue(70, "coupon", planned_at=minute(60))],
    ),
    _late("late-1", "coupon", "click_pay_rate", "coupon_late", 7),
    _late("late-2", "coupon", "exposure_pay_rate", "coupon_late", 12),
    _late("late-3", "list", "product_click_rate", "listing_late", 6),
    _unanswered("asked-1", "烟酰胺精华", "ingredients", 23),
    _unanswered("asked-2", "棉柔巾", "quality", 12),
    _unanswered("asked-3", "羊毛衫", "size", 17),
    _refunds("refund-1", "mistaken_orders", "多拍", ["七天无理由"]),
    _refunds("refund-2", "quality", "质量问题", ["七天无理由"]),
    _refunds("refund-3", "size", "尺码偏小", ["七天无理由"]),
    _worse_source("other-1", "商城", False, "free_source", 0.01, 0.03),
    _worse_source("other-2", "For You", False, "free_source", 0.02, 0.06),
)
