"""A simulated Douyin shop with planted truths.

Severity is fixed in constants, so that no test can choose an easy one. Everything comes from one
seed; each part draws from a generator of its own, so that asking for fewer tables changes none of
the others.
"""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.demo import details, orders
from helpers.demo.planted import ODDS_RATIO, Planted, planted_in, story_truth
from helpers.demo.schedule import as_of, facts, shop, timetable
from helpers.reference import schema

SD_LOG = 0.25  # session to session, of the log of viewers and of every rate
OVERDISPERSION = 0.15  # of the log odds of a source x product cell, each step
VIEWERS = 24_000  # an ordinary session's
FAULTS = ("none", "mix", "source", "product", "all", "demo")
LISTED = 12  # products in a session
SEEN = 3.0  # products that an exposed viewer sees
CLICK_RATE, PAY_RATE, CREATED_PAID = 0.048, 0.056, 0.84
OVERLAP = 1.03  # a viewer who came by two sources is counted by both
DISTINCT_CLICK, DISTINCT_ORDER = 0.74, 0.95


class Simulation(NamedTuple):
    """Canonical tables by name, the cells (session x source x product), and what was planted."""

    tables: dict[str, pd.DataFrame]
    cells: pd.DataFrame
    truth: dict[str, Any]


class World(NamedTuple):
    """What the parts share: timetable, names on the axes of the arrays, arrays by session."""

    seed: int
    fault: str
    sessions: pd.DataFrame  # timetable with session_id, ended_at, duration_seconds
    sources: list[str]
    products: list[str]
    listed: np.ndarray  # session x product: is in the session
    start: np.ndarray  # session x product: second at which its explanation starts
    block: np.ndarray  # session: seconds of one explanation
    price: np.ndarray  # session x product, cents
    stock_out: (
        tuple[int, int] | None
    )  # seconds of the last session in which the stock product cannot be bought


def generator(seed: int, part: int) -> np.random.Generator:
    return np.random.default_rng([seed, part])


def simulate(
    seed: int, *, sessions: int = 200, fault: str = "demo", tables: tuple[str, ...] | None = None
) -> Simulation:
    """The simulated shop: canonical tables, cells and truth; the last session carries the fault.

    `fault`: none; mix (more viewers from a low-converting source); source, product (two), all (odds
    halved); demo (the whole story). `tables` names the tables wanted (None: all); sessions,
    traffic, products and cells are always there. Cells: session_id, source, product_id,
    product_exposure_users, product_click_users, create_users, pay_users, orders, units,
    paid_amount. Raises `ValueError` for an unknown fault or fewer than one session.
    """
    if fault not in FAULTS:
        raise ValueError(f"fault: expected one of {', '.join(FAULTS)}, found {fault!r}")
    if sessions < 1:
        raise ValueError(f"sessions: expected 1 or more, found {sessions}")
    world = _world(seed, sessions, fault)
    planted = planted_in(world, generator(seed, 1))
    totals = _session_level(world, planted)
    viewers = _viewers(world, planted, totals)
    counts = _cells(world, planted, totals, viewers)
    lines = orders.core(world, counts, generator(seed, 4))
    counts = counts | orders.per_cell(lines, counts["pay"].shape)
    session_rows = _sessions(world, totals, viewers, counts, lines)
    frames = {
        "sessions": session_rows,
        "traffic": _traffic(world, totals, viewers, counts, session_rows["views"].to_numpy()),
        "products": _products(world, counts, lines),
    }
    truth = _truth(world, planted, counts)
    frames |= details.tables(
        world,
        frames,
        counts,
        lines,
        truth,
        wanted=tables,
        generator=lambda part: generator(seed, part),
    )
    wanted = (
        frames
        if tables is None
        else {
            name: frames[name]
            for name in frames
            if name in {*tables, "sessions", "traffic", "products"}
        }
    )
    timezone = shop()["timezone"]
    return Simulation(
        {name: schema.conform(frame, name, timezone) for name, frame in wanted.items()},
        _cell_frame(world, counts),
        truth,
    )


def _correlated(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Two shocks of sd SD_LOG whose sum has it too: of two steps of a funnel, and of the whole."""
    first, second = rng.standard_normal((2, n)) * SD_LOG
    return first, -0.5 * first + np.sqrt(0.75) * second


def _world(seed: int, sessions: int, fault: str) -> World:
    plan = timetable(sessions)
    n, goods = len(plan), shop()["products"]
    rng = generator(seed, 0)
    duration = np.round(plan["hours"].to_numpy() * 3600 - 900 + rng.normal(0, 120, n)).astype(int)
    started = plan["started_at"] + pd.to_timedelta(rng.integers(3, 50, n), unit="s")
    core = facts("products", "core")
    keys = rng.random((n, len(goods))) - 10 * core
    listed = keys.argsort(axis=1).argsort(axis=1) < LISTED
    block = (duration - 1200) // LISTED
    place = np.where(listed, rng.random(listed.shape), 9.0).argsort(axis=1).argsort(axis=1)
    if fault == "demo":
        place[-1] = _mid_session(place[-1], list(goods).index(shop()["story"]["stock_product"]))
    start = 660 + place * block[:, None]
    discount = plan["kind"].map(lambda kind: shop()["kind"][kind]["price"]).to_numpy()
    price = np.round(facts("products", "price")[None, :] * discount[:, None], 1) * 100
    stock = _stock_out(start, block) if fault == "demo" else None
    ids = [schema.session_id("douyin", shop()["room"], at) for at in started]
    plan = plan.assign(
        session_id=ids,
        started_at=started,
        duration_seconds=duration,
        ended_at=started + pd.to_timedelta(duration, unit="s"),
    )
    return World(
        seed,
        fault,
        plan,
        list(shop()["sources"]),
        list(goods),
        listed,
        start,
        block,
        np.round(price).astype(int),
        stock,
    )


def _mid_session(places: np.ndarray, product: int) -> np.ndarray:
    middle = int(np.flatnonzero(places == LISTED // 2)[0])
    moved = places.copy()
    moved[[product, middle]] = places[[middle, product]]
    return moved


def _stock_out(start: np.ndarray, block: np.ndarray) -> tuple[int, int]:
    product = list(shop()["products"]).index(shop()["story"]["stock_product"])
    begin = int(start[-1, product] + block[-1] // 3) // 60 * 60
    return begin, begin + shop()["story"]["stock_minutes"] * 60


def _session_level(world: World, planted: Planted) -> dict[str, np.ndarray]:
    plan, n = world.sessions, len(world.sessions)
    rng = generator(world.seed, 2)
    arrive, enter = _correlated(rng, n)
    click, pay = _correlated(rng, n)
    names = (
        "expose",
        "paid",
        "watch",
        "comment",
        "follow",
        "like",
        "share",
        "unfollow",
        "fan",
        "club",
        "peak",
        "cart",
    )
    shocks = dict(zip(names, rng.standard_normal((len(names), n)) * SD_LOG, strict=True))
    slot = plan["slot"].map(lambda name: shop()["slot"][name]["viewers"]).to_numpy()
    kind = plan["kind"].map(lambda name: shop()["kind"][name]["viewers"]).to_numpy()
    season = (
        np.array(shop()["month"])[plan["started_at"].dt.month - 1]
        * np.array(shop()["weekday"])[plan["started_at"].dt.day_of_week]
    )
    length = np.where(plan["hours"] > 4, 1.3, 1.0)
    base = 0.95 * VIEWERS * slot * kind * season * length
    pay_level = (
        plan["slot"].map(lambda name: shop()["slot"][name]["pay"])
        * plan["kind"].map(lambda name: shop()["kind"][name]["pay"])
    ).to_numpy()
    return {
        **shocks,
        "exposure": base / 0.12 * np.exp(arrive),
        "enter": 0.12 * np.exp(enter) * planted.enter,
        "click": np.exp(click),
        "pay": np.exp(pay) * pay_level,
        "follow_factor": planted.follow,
    }


def _logit(p: np.ndarray) -> np.ndarray:
    return np.log(p / (1 - p))


def _odds(p: np.ndarray, ratio: np.ndarray) -> np.ndarray:
    return ratio * p / (1 - p + ratio * p)


def _viewers(
    world: World, planted: Planted, totals: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    rng = generator(world.seed, 3)
    share = facts("sources", "share")[None, :] * planted.share
    share = share * np.exp(rng.standard_normal(share.shape) * OVERDISPERSION)
    share = share / share.sum(axis=1, keepdims=True)
    total = rng.poisson(totals["exposure"] * totals["enter"] * OVERLAP)
    viewers = rng.multinomial(total, share)
    enter = facts("sources", "enter")[None, :] * np.ones_like(share)
    exposure = (
        share
        / enter
        / (share / enter).sum(axis=1, keepdims=True)
        * totals["exposure"][:, None]
        * OVERLAP
    )
    seen = rng.binomial(viewers, _odds(np.full_like(share, 0.8), np.exp(totals["expose"])[:, None]))
    return {
        "exposure": np.maximum(np.round(exposure).astype(int), viewers),
        "viewers": viewers,
        "seen": seen,
    }


def _cells(
    world: World, planted: Planted, totals: dict[str, np.ndarray], viewers: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """People by cell at each step (exposure, click, create, pay), and the expected click → pay."""
    rng = generator(world.seed, 5)
    weight = facts("products", "weight")[None, :] * world.listed
    weight = weight * np.exp(rng.standard_normal(weight.shape) * OVERDISPERSION)
    weight = weight / weight.sum(axis=1, keepdims=True)
    exposure = rng.poisson(viewers["seen"][:, :, None] * np.minimum(SEEN * weight, 0.9)[:, None, :])
    exposure = np.minimum(exposure, viewers["seen"][:, :, None])
    step = {}
    for name, rate in (("click", CLICK_RATE), ("pay", PAY_RATE)):
        effect = facts("sources", name)[:, None] + facts("products", name)[None, :]
        usual = 1 / (1 + np.exp(-(_logit(np.array(rate)) + effect)))
        expected = np.minimum(usual[None] * totals[name][:, None, None], 0.6)
        noise = np.exp(rng.standard_normal(exposure.shape) * OVERDISPERSION)
        step[name] = _odds(expected, noise * getattr(planted, name))
    click = rng.binomial(exposure, step["click"])
    final = _odds(np.array(CREATED_PAID), np.exp(totals["paid"]))[:, None, None]
    possible = step["pay"] * (1 - planted.lost)[:, None, :]
    create = rng.binomial(click, np.minimum(possible / final, 0.95))
    pay = rng.binomial(create, np.broadcast_to(final, create.shape))
    return {
        "exposure": exposure,
        "click": click,
        "create": create,
        "pay": pay,
        "click_to_pay": step["pay"],
    }


def _users(count: np.ndarray, factor: float, at_least: np.ndarray | int = 0) -> np.ndarray:
    """Distinct people behind a sum of counts that overlap."""
    return np.maximum(np.round(count * factor).astype(int), at_least)


def _funnel_users(
    exposed: np.ndarray, counts: dict[str, np.ndarray], axis: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Distinct people at each step, never growing, by session (axis 1, 2) or source too (2)."""
    pay, create, click = (counts[name].sum(axis=axis) for name in ("pay", "create", "click"))
    pay, create = _users(pay, DISTINCT_ORDER), _users(create, DISTINCT_ORDER)
    click = _users(click, DISTINCT_CLICK, create)
    return {
        "product_exposure_users": np.maximum(exposed, click),
        "product_click_users": click,
        "create_users": create,
        "pay_users": pay,
    }


def _sessions(
    world: World,
    totals: dict[str, np.ndarray],
    viewers: dict[str, np.ndarray],
    counts: dict[str, np.ndarray],
    lines: orders.Lines,
) -> pd.DataFrame:
    rng = generator(world.seed, 6)
    plan, n = world.sessions, len(world.sessions)
    people = np.round(viewers["viewers"].sum(axis=1) / OVERLAP).astype(int)
    views = np.round(people * rng.uniform(1.3, 1.4, n)).astype(int)
    exposure = np.round(viewers["exposure"].sum(axis=1) / OVERLAP).astype(int)
    steps = _funnel_users(
        np.round(viewers["seen"].sum(axis=1) / OVERLAP).astype(int), counts, (1, 2)
    )
    watch = 66 * np.exp(totals["watch"])
    average = people * watch / plan["duration_seconds"].to_numpy()
    fan_share = np.round(_odds(np.full(n, 0.24), np.exp(totals["fan"])), 4)
    comments = rng.poisson(0.02 * people * np.exp(totals["comment"]))
    commenters = np.round(comments * rng.uniform(0.5, 0.6, n)).astype(int)
    likes = rng.poisson(1.1 * people * np.exp(totals["like"]))
    shares = rng.poisson(0.006 * people * np.exp(totals["share"]))
    joined = np.minimum(
        np.round(commenters + 0.05 * people * np.exp(totals["like"])).astype(int) + shares, people
    )
    follow = 0.012 * np.exp(totals["follow"]) * totals["follow_factor"]
    new_fans = rng.binomial(people, np.minimum(follow, 0.5))
    create_extra = rng.uniform(1.05, 1.12, n)
    cost = (viewers["viewers"] * facts("sources", "cost")[None, :]).sum(axis=1)
    amounts = orders.per_session(lines, n, as_of=as_of())
    return pd.DataFrame(
        {
            "session_id": plan["session_id"],
            "platform": "douyin",
            "room": shop()["room"],
            "room_name": shop()["room_name"],
            "host": plan["host"],
            "title": _titles(plan),
            "kind": plan["kind"],
            "started_at": plan["started_at"],
            "ended_at": plan["ended_at"],
            "duration_seconds": plan["duration_seconds"],
            "currency": shop()["currency"],
            "room_exposure_users": exposure,
            "room_exposure_times": np.round(exposure * rng.uniform(1.5, 1.7, n)),
            "viewers": people,
            "views": views,
            "peak_online": np.maximum(np.round(average * (1.9 + np.abs(totals["peak"]))), 3),
            "avg_online": np.round(average),
            "avg_watch_seconds": np.round(watch, 1),
            "comments": comments,
            "commenters": commenters,
            "likes": likes,
            "shares": shares,
            "interacting_users": joined,
            "new_fans": new_fans,
            "unfollows": rng.poisson(0.0015 * people * np.exp(totals["unfollow"])),
            "fan_viewer_share": fan_share,
            "fan_viewers": np.round(people * fan_share),
            "fan_club_joins": rng.poisson(0.0012 * people * np.exp(totals["club"])),
            "product_count": world.listed.sum(axis=1),
            **steps,
            "product_exposure_times": counts["exposure"].sum(axis=(1, 2)) + np.round(0.4 * people),
            "product_click_times": np.round(counts["click"].sum(axis=(1, 2)) * create_extra),
            "cart_impression_users": np.round(people * 0.72),
            "cart_click_users": np.round(
                people * 0.72 * _odds(np.full(n, 0.11), np.exp(totals["cart"]))
            ),
            "cart_users": np.round(steps["create_users"] * 1.35),
            **amounts,
            "user_paid_amount": amounts["paid_amount"],
            "commission": np.round(amounts["paid_amount"] * 0.02, 2),
            "ad_cost": np.round(cost, 2),
            "gift_cost": 60.0 + 40 * (plan["hours"].to_numpy() - 3),
            "staff_count": 6.0,
            "as_of": as_of(),
        }
    )


def _titles(plan: pd.DataFrame) -> pd.Series:
    words = {
        "daily": "今晚好物专场",
        "promotion": "大促狂欢 全场到手价",
        "launch": "新品首发 限时尝鲜",
        "clearance": "换季清仓 最后一批",
    }
    titles = plan["kind"].map(words)
    return titles.where(plan["slot"] == "evening", "下午茶好物专场") + plan[
        "started_at"
    ].dt.strftime(" %m%d")


def _traffic(
    world: World,
    totals: dict[str, np.ndarray],
    viewers: dict[str, np.ndarray],
    counts: dict[str, np.ndarray],
    views: np.ndarray,
) -> pd.DataFrame:
    """By session and source; the views of a session's sources add to its own."""
    rng = generator(world.seed, 7)
    n, k = viewers["viewers"].shape
    watch = (
        66
        * np.exp(totals["watch"])[:, None]
        * facts("sources", "watch")[None, :]
        * np.exp(rng.normal(0, 0.05, (n, k)))
    )
    columns = {
        "room_exposure_users": viewers["exposure"],
        "viewers": viewers["viewers"],
        "views": _shared_out(views, viewers["viewers"] * rng.uniform(1.3, 1.4, (n, k))),
        "avg_watch_seconds": np.round(watch),
        **_funnel_users(viewers["seen"], counts, (2,)),
        "orders": counts["orders"].sum(axis=2),
        "paid_amount": counts["paid_cents"].sum(axis=2) / 100,
        "ad_cost": np.round(viewers["viewers"] * facts("sources", "cost")[None, :], 2),
    }
    frame = pd.DataFrame({name: np.asarray(values).ravel() for name, values in columns.items()})
    paid = np.tile(facts("sources", "paid"), n)
    return frame.assign(
        session_id=np.repeat(world.sessions["session_id"].to_numpy(), k),
        source=np.tile(world.sources, n),
        is_paid=paid,
        ad_cost=frame["ad_cost"].where(paid),
    )


def _shared_out(totals: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Whole numbers that add to each total and follow the weights of its row."""
    reached = np.cumsum(weights, axis=1) / weights.sum(axis=1)[:, None]
    return np.diff(np.round(reached * totals[:, None]), axis=1, prepend=0)


def _products(world: World, counts: dict[str, np.ndarray], lines: orders.Lines) -> pd.DataFrame:
    goods = list(shop()["products"].values())
    at, item = np.nonzero(world.listed)
    refunds = orders.per_product(lines, world.listed.shape, as_of=as_of())
    sums = {
        name: counts[name].sum(axis=1)[at, item]
        for name in ("exposure", "click", "create", "pay", "orders", "units", "paid_cents")
    }
    return pd.DataFrame(
        {
            "session_id": world.sessions["session_id"].to_numpy()[at],
            "product_id": np.array(world.products)[item],
            "name": np.array([good["name"] for good in goods])[item],
            "tier": np.array([good["tier"] for good in goods])[item],
            "price": world.price[at, item] / 100,
            "exposure_users": sums["exposure"],
            "click_users": sums["click"],
            "cart_users": np.round(sums["create"] * 1.4),
            "create_users": sums["create"],
            "pay_users": sums["pay"],
            "orders": sums["orders"],
            "units": sums["units"],
            "paid_amount": sums["paid_cents"] / 100,
            **{name: values[at, item] for name, values in refunds.items()},
        }
    )


def _cell_frame(world: World, counts: dict[str, np.ndarray]) -> pd.DataFrame:
    at, source, item = np.nonzero(np.broadcast_to(world.listed[:, None, :], counts["pay"].shape))
    names = {
        "product_exposure_users": "exposure",
        "product_click_users": "click",
        "create_users": "create",
        "pay_users": "pay",
        "orders": "orders",
        "units": "units",
    }
    columns = {name: counts[key][at, source, item].astype(float) for name, key in names.items()}
    return pd.DataFrame(
        {
            "session_id": world.sessions["session_id"].to_numpy()[at],
            "source": np.array(world.sources)[source],
            "product_id": np.array(world.products)[item],
            **columns,
            "paid_amount": counts["paid_cents"][at, source, item] / 100,
        }
    )


def _truth(world: World, planted: Planted, counts: dict[str, np.ndarray]) -> dict[str, Any]:
    plan = world.sessions
    truth: dict[str, Any] = {
        "seed": world.seed,
        "sessions": len(plan),
        "fault": world.fault,
        "target_session": plan["session_id"].iloc[-1],
        "sd_log": SD_LOG,
        "overdispersion": OVERDISPERSION,
        "odds_ratio": ODDS_RATIO,
        "viewers": VIEWERS,
        **planted.what,
        "midnight_sessions": plan.loc[
            plan["started_at"].dt.date != plan["ended_at"].dt.date, "session_id"
        ].tolist(),
        "return_rates": {key: item["returns"] for key, item in shop()["products"].items()},
        "returns": orders.RETURNS,
        "as_of": str(shop()["as_of"]),
    }
    return truth | (story_truth(world, planted, counts) if world.fault == "demo" else {})
