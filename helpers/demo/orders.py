"""Order lines and after-sales cases behind the cells: times, buyers, coupons, refunds."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from helpers.demo.schedule import as_of, facts, shop

if TYPE_CHECKING:
    from helpers.demo.simulate import World

IN_BLOCK = 0.55  # of a product's orders come while it is explained, the rest at any time
AGAIN = 0.04  # further orders per paying person and cell
NEW_BUYERS = 0.62
EARLIER_BUYERS = 6_000  # people who had bought before the first session of the data
CARD_ORDERS_A_DAY = 8
# Days from payment to the request: shift + gamma(shape, scale), at most `longest`, median 7; a
# share `late` comes after the 30 days, cancellations before shipping within hours.
RETURNS = {
    "shift": 1.5,
    "shape": 2.0,
    "scale": 3.28,
    "longest": 30.0,
    "late": 0.006,
    "before_shipping": 0.05,
}
KINDS = ("", "refund_before_shipping", "return_refund", "refund_after_shipping", "exchange")
SECOND = np.timedelta64(1, "s")


class Lines(NamedTuple):
    """Order lines as arrays of one length; times are seconds since 1970 on the local clock."""

    session: np.ndarray  # position of the session, -1 outside of sessions
    source: np.ndarray  # position of the source, -1 outside
    product: np.ndarray
    paid: np.ndarray
    qty: np.ndarray
    payable: np.ndarray  # cents, after the coupon
    discount: np.ndarray  # cents
    created: np.ndarray
    paid_at: np.ndarray  # 0 where not paid
    buyer: np.ndarray  # number of the buyer within the session
    new: np.ndarray
    kind: np.ndarray  # position in KINDS of the after-sales case, 0 for none
    asked: np.ndarray
    resolved: np.ndarray
    amount: np.ndarray  # cents of the case
    withdrawn: np.ndarray  # the buyer took the request back


def time_share(begin: int, end: int, *, start: int, block: int, duration: int) -> float:
    """The share of a product's orders that falls between two seconds of its session."""

    def overlap(low: float, high: float) -> float:
        return max(0.0, min(end, high) - max(begin, low)) / (high - low)

    return IN_BLOCK * overlap(start, start + block) + (1 - IN_BLOCK) * overlap(300, duration - 180)


def _seconds(world: World, name: str) -> np.ndarray:
    return world.sessions[name].to_numpy().astype("datetime64[s]").astype(int)


def _offsets(
    world: World, session: np.ndarray, product: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Seconds after the session's start, none while the product is sold out."""
    duration = world.sessions["duration_seconds"].to_numpy()[session]
    start, block = world.start[session, product], world.block[session]

    def draw(which: np.ndarray) -> np.ndarray:
        inside = rng.random(which.sum()) < IN_BLOCK
        any_time = 300 + rng.random(which.sum()) * (duration[which] - 480)
        return np.where(
            inside, start[which] + rng.random(which.sum()) * block[which], any_time
        ).astype(int)

    offsets = draw(np.ones(len(session), bool))
    if world.stock_out is None:
        return offsets
    begin, end = world.stock_out
    empty = (session == len(world.sessions) - 1) & (
        product == world.products.index(shop()["story"]["stock_product"])
    )
    while (wrong := empty & (offsets >= begin) & (offsets < end)).any():
        offsets[wrong] = draw(wrong)
    return offsets


def _basket(
    price: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    qty = 1 + rng.binomial(2, 0.07, len(price))
    discount = np.where(rng.random(len(price)) < 0.3, price * qty * 5 // 100, 0)
    return qty, price * qty - discount, discount


def _cases(
    product: np.ndarray, paid_at: np.ndarray, payable: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    n = len(product)
    rate = facts("products", "returns")[product]
    before = rng.random(n) < RETURNS["before_shipping"]
    back = rng.random(n) < rate
    later = rng.choice([2, 3, 4], n, p=[0.8, 0.14, 0.06])
    kind = np.where(paid_at == 0, 0, np.where(before, 1, np.where(back, later, 0)))
    days = RETURNS["shift"] + rng.gamma(RETURNS["shape"], RETURNS["scale"], n)
    while (far := days > RETURNS["longest"]).any():
        days[far] = RETURNS["shift"] + rng.gamma(RETURNS["shape"], RETURNS["scale"], far.sum())
    days = np.where(rng.random(n) < RETURNS["late"], rng.uniform(31, 45, n), days)
    asked = paid_at + np.where(
        kind == 1, rng.exponential(2.5 * 3600, n).clip(60, 20 * 3600), days * 86400
    ).astype(int)
    resolved = asked + np.where(
        kind == 1, rng.uniform(60, 1800, n), rng.uniform(1, 7, n) * 86400
    ).astype(int)
    part = np.where(kind == 3, rng.integers(3, 11, n), 10)
    return {
        "kind": kind,
        "asked": asked,
        "resolved": resolved,
        "amount": np.where(kind > 0, payable * part // 10, 0),
        "withdrawn": (rng.random(n) < 0.06) & (kind > 1),
    }


def core(world: World, counts: dict[str, np.ndarray], rng: np.random.Generator) -> Lines:
    """The lines created in sessions, by session and cell: one per order, also the unpaid."""
    paid_count = counts["pay"] + rng.binomial(counts["pay"], AGAIN)
    where, paid = [], []
    for count, is_paid in ((paid_count, True), (counts["create"] - counts["pay"], False)):
        cells = np.repeat(np.arange(count.size), count.ravel())
        where.append(cells)
        paid.append(np.full(len(cells), is_paid))
    cell, paid = np.concatenate(where), np.concatenate(paid)
    order = np.argsort(cell, kind="stable")
    cell, paid = cell[order], paid[order]
    session, source, product = np.unravel_index(cell, counts["pay"].shape)
    qty, payable, discount = _basket(world.price[session, product], rng)
    offset = _offsets(world, session, product, rng)
    begins = _seconds(world, "started_at")
    created = begins[session] + offset
    wait = np.minimum(3 + rng.exponential(40, len(cell)).astype(int), 170)
    paid_at = np.where(paid, created + wait, 0)
    buyer, new = _buyers(counts["pay"].sum(axis=(1, 2)), session, paid, rng)
    return Lines(
        session,
        source,
        product,
        paid,
        qty,
        payable,
        discount,
        created,
        paid_at,
        buyer,
        new,
        **_cases(product, paid_at, payable, rng),
    )


def _buyers(
    paying: np.ndarray, session: np.ndarray, paid: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Each line's buyer and whether he is new; exactly the session's paying users pay."""
    people = np.round(paying * 0.95).astype(int)
    rank = np.empty(len(session), int)
    shuffled = np.lexsort((rng.random(len(session)), ~paid, session))
    first = np.searchsorted(session[shuffled], np.arange(len(paying)))
    rank[shuffled] = np.arange(len(session)) - first[session[shuffled]]
    lines = np.bincount(session[paid], minlength=len(paying))
    spare = np.maximum(people, 1)[session]
    again = rng.integers(0, spare)
    buyer = np.where(rank < people[session], rank, again)
    # an unpaid line mostly belongs to somebody who did not buy
    buyer = np.where(~paid & (rng.random(len(session)) < 0.7), lines[session] + rank, buyer)
    bought_before = rng.random((len(paying), int(buyer.max(initial=0)) + 1)) >= NEW_BUYERS
    return buyer, ~bought_before[session, buyer]


def per_cell(lines: Lines, shape: tuple[int, ...]) -> dict[str, np.ndarray]:
    """Paid orders, pieces and cents by session x source x product."""
    cell = np.ravel_multi_index((lines.session, lines.source, lines.product), shape)[lines.paid]

    def add(values: np.ndarray) -> np.ndarray:
        return (
            np.bincount(cell, values[lines.paid], int(np.prod(shape)))
            .reshape(shape)
            .round()
            .astype(int)
        )

    return {
        "orders": add(np.ones(len(lines.qty))),
        "units": add(lines.qty),
        "paid_cents": add(lines.payable),
    }


def _refunded(lines: Lines, as_of: pd.Timestamp) -> np.ndarray:
    return (
        (lines.kind > 0)
        & (lines.kind < 4)
        & ~lines.withdrawn
        & (lines.resolved <= as_of.value // 10**9)
    )


def per_session(lines: Lines, n: int, *, as_of: pd.Timestamp) -> dict[str, np.ndarray]:
    """Session sums of orders, money and refunds made by `as_of`: arrays by column name."""

    def add(mask: np.ndarray, values: np.ndarray | float = 1.0) -> np.ndarray:
        return np.bincount(lines.session, mask * values, n).round()

    back = _refunded(lines, as_of)
    hour = back & (lines.resolved - lines.paid_at <= 3600)
    cost = np.round(facts("products", "cost") * 100)[lines.product]
    paid = add(lines.paid, lines.payable)
    within_hour = add(hour, lines.amount)
    return {
        "created_orders": add(np.ones(len(lines.paid))),
        "created_amount": add(np.ones(len(lines.paid)), lines.payable) / 100,
        "orders": add(lines.paid),
        "units": add(lines.paid, lines.qty),
        "paid_amount": paid / 100,
        "new_buyer_paid_amount": add(lines.paid & lines.new, lines.payable) / 100,
        "net_1h_amount": (paid - within_hour) / 100,
        "refund_1h_amount": within_hour / 100,
        "refund_1h_orders": add(hour),
        "refund_amount": add(back, lines.amount) / 100,
        "refund_orders": add(back),
        "refund_users": np.round(add(back) * 0.98),
        "coupon_amount": add(lines.paid, lines.discount) / 100,
        "goods_cost": add(lines.paid, lines.qty * cost) / 100,
    }


def per_product(
    lines: Lines, shape: tuple[int, int], *, as_of: pd.Timestamp
) -> dict[str, np.ndarray]:
    """Created amount and refunds by session x product: arrays by column name."""
    cell = np.ravel_multi_index((lines.session, lines.product), shape)

    def add(mask: np.ndarray, values: np.ndarray | float = 1.0) -> np.ndarray:
        return np.bincount(cell, mask * values, int(np.prod(shape))).reshape(shape).round()

    back = _refunded(lines, as_of)
    return {
        "created_amount": add(np.ones(len(cell)), lines.payable) / 100,
        "refund_amount": add(back, lines.amount) / 100,
        "refund_orders": add(back),
        "refund_users": add(back),
    }


def _card(world: World, rng: np.random.Generator) -> Lines:
    """Lines sold outside of the room, at any time until the export."""
    begin = int(world.sessions["started_at"].iloc[0].value // 10**9)
    end = int(as_of().value // 10**9) - 7200
    n = int(rng.poisson(CARD_ORDERS_A_DAY * (end - begin) / 86400))
    created = np.sort(rng.integers(begin, end, n))
    weight = facts("products", "weight")
    product = rng.choice(len(weight), n, p=weight / weight.sum())
    price = np.round(facts("products", "price") * 100).astype(int)[product]
    qty, payable, discount = _basket(price, rng)
    paid = rng.random(n) < 0.9
    paid_at = np.where(paid, created + rng.integers(5, 900, n), 0)
    begins, ends = (_seconds(world, name) for name in ("started_at", "ended_at"))
    during = np.searchsorted(begins, created, side="right") > np.searchsorted(
        ends, created, side="right"
    )
    new = (
        rng.random(n) < 0.7
    ) | during  # who buys elsewhere while a session runs has not bought in it
    none = np.full(n, -1)
    return Lines(
        none,
        none,
        product,
        paid,
        qty,
        payable,
        discount,
        created,
        paid_at,
        np.arange(n),
        new,
        **_cases(product, paid_at, payable, rng),
    )


def _identities(world: World, lines: Lines, rng: np.random.Generator) -> np.ndarray:
    """The person behind each line: new people get new numbers, others have bought before.

    In the order of time: the lines sold outside of the room before a session, then the session's.
    """
    begins = _seconds(world, "started_at")
    outside = lines.session < 0
    group = np.where(
        outside, 2 * np.searchsorted(begins, lines.created, side="right"), 2 * lines.session + 1
    )
    keys, inverse = np.unique(group * 1_000_000 + lines.buyer, return_inverse=True)
    is_new = np.zeros(len(keys), bool)
    is_new[inverse] = lines.new
    people = np.full(len(keys), -1)
    people[is_new] = EARLIER_BUYERS + np.arange(is_new.sum())
    _, first = np.unique(keys // 1_000_000, return_index=True)
    pools = EARLIER_BUYERS + np.concatenate([[0], np.cumsum(is_new)])[first]
    for at, (start, end) in enumerate(zip(first, [*first[1:], len(keys)], strict=True)):
        wanted = start + np.flatnonzero(~is_new[start:end])
        people[wanted] = _returning(pools[at], len(wanted), rng)
    return people[inverse]


def _returning(pool: int, n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws `n` different people out of the first `pool`, the likelier the more recent."""
    near = pool - 1 - np.floor(pool * rng.beta(0.8, 2.2, 4 * n + 8)).astype(int)
    return rng.permutation(np.unique(near.clip(0)))[:n]


def frames(world: World, lines: Lines, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    """The tables `orders` and `aftersales` as of the export: one row per line, one per case."""
    every = Lines(*(np.concatenate(pair) for pair in zip(lines, _card(world, rng), strict=True)))
    person = _identities(world, every, rng)
    order = np.lexsort((np.arange(len(person)), every.created))
    every, person = Lines(*(values[order] for values in every)), person[order]
    number = 6917926768000000000 + np.cumsum(rng.integers(10**9, 10**10, len(person)))
    table = _orders(world, every, person, number, rng)
    return {"orders": table, "aftersales": _aftersales(every, table, rng)}


def _clock(seconds: np.ndarray, present: np.ndarray) -> pd.Series:
    return pd.Series(seconds.astype("datetime64[s]").astype("datetime64[us]")).where(present)


def _orders(
    world: World, every: Lines, person: np.ndarray, number: np.ndarray, rng: np.random.Generator
) -> pd.DataFrame:
    now, n = int(as_of().value // 10**9), len(person)
    live, items = every.session >= 0, list(shop()["products"].values())
    shipped = every.paid_at + rng.integers(4 * 3600, 50 * 3600, n)
    has_shipped = every.paid & (every.kind != 1) & (shipped <= now)
    finished = shipped + rng.integers(5 * 86400, 12 * 86400, n)
    has_finished = has_shipped & (finished <= now) & (every.kind == 0)
    back = _refunded(every, as_of())
    status = np.select(
        [~every.paid, back & (every.amount == every.payable), has_finished, has_shipped],
        ["已关闭", "已关闭", "已完成", "已发货"],
        "待发货",
    )
    others = np.array(["商品卡", "短视频", "其他"])[rng.choice(3, n, p=[0.85, 0.1, 0.05])]
    return pd.DataFrame(
        {
            "session_id": pd.Series(world.sessions["session_id"].to_numpy()[every.session]).where(
                live
            ),
            "platform": "douyin",
            "order_id": number.astype(str),
            "line_id": (number + rng.integers(1, 999, n)).astype(str),
            "buyer_key": np.char.add("b", np.char.zfill(person.astype(str), 6)),
            "product_id": np.array(world.products)[every.product],
            "product_name": np.array([item["name"] for item in items])[every.product],
            "qty": every.qty,
            "created_at": _clock(every.created, np.ones(n, bool)),
            "paid_at": _clock(every.paid_at, every.paid),
            "shipped_at": _clock(shipped, has_shipped),
            "promised_at": _clock(every.paid_at + 48 * 3600, every.paid),
            "finished_at": _clock(finished, has_finished),
            "status": status,
            "payable": every.payable / 100,
            "paid": pd.Series(every.payable / 100).where(every.paid),
            "discount": every.discount / 100,
            "refunded": pd.Series(every.amount / 100).where(back),
            "currency": shop()["currency"],
            "channel": np.where(live, "直播", others),
            "source": pd.Series(np.array(world.sources)[every.source]).where(live),
            "room_name": pd.Series(np.full(n, shop()["room_name"])).where(live),
            "is_new_buyer": every.new,
            "province": rng.choice(
                list(shop()["provinces"]), n, p=np.array(list(shop()["provinces"].values())) / 100
            ),
        }
    )


def _reasons(every: Lines, which: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    kinds = [item["kind"] for item in shop()["products"].values()]
    reasons = np.empty(len(which), dtype=object)
    for group, table in shop()["reasons"].items():
        if group == "before":
            mask = every.kind[which] == 1
        else:
            mask = (every.kind[which] != 1) & (np.array(kinds)[every.product[which]] == group)
        weight = np.array(list(table.values()), float)
        reasons[mask] = rng.choice(list(table), mask.sum(), p=weight / weight.sum())
    return reasons


def _aftersales(every: Lines, table: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    now = int(as_of().value // 10**9)
    which = np.flatnonzero((every.kind > 0) & (every.asked <= now))
    kind, resolved = every.kind[which], every.resolved[which]
    over = resolved <= now
    status = np.select(
        [~over, every.withdrawn[which], kind == 4], ["open", "closed", "exchanged"], "succeeded"
    )
    n, base = len(which), table.iloc[which]
    reply = every.asked[which] + rng.exponential(3 * 3600, n).astype(int) + 30
    money = status == "succeeded"
    frame = base[
        ["session_id", "platform", "order_id", "line_id", "product_id", "product_name"]
    ].reset_index(drop=True)
    case = 142000000000000000 + np.cumsum(rng.integers(10**6, 10**7, n))
    return frame.assign(
        case_id=case.astype(str),
        kind=np.array(KINDS)[kind],
        status=status,
        reason=_reasons(every, which, rng),
        asked_at=_clock(every.asked[which], np.ones(n, bool)),
        first_reply_at=_clock(reply, reply <= np.minimum(resolved, now)),
        refunded_at=_clock(resolved, money),
        closed_at=_clock(resolved, over),
        due_at=_clock(every.asked[which] + 5 * 86400, np.ones(n, bool)),
        amount=every.amount[which] / 100,
        before_shipping=kind == 1,
        disputed=rng.random(n) < 0.015,
    )
