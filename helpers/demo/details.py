"""The finer tables of the demo: minutes, run log, comments, audience, enquiries, notes, goals, costs, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.demo import orders, viewers
from helpers.demo.schedule import shop

if TYPE_CHECKING:
    from helpers.demo.simulate import World

# How many of the last sessions have each table: a team keeps the fine records only for a while.
RECENT = {
    "minutes": 36,
    "rundown": 36,
    "cues": 36,
    "audience": 36,
    "comments": 5,
    "service": 5,
    "videos": 36,
    "goals": 36,
    "actions": 2,
}
FOLLOW_PROMPT_MINUTES = (30, 12)  # between prompts, before and since the action that worked
OBJECTIONS = {
    "price": 0.3,
    "quality": 0.16,
    "fit": 0.2,
    "trust": 0.08,
    "delivery": 0.08,
    "returns": 0.06,
    "rival": 0.05,
    "later": 0.07,
}
ACTIVITY_MINUTES = (45, 25)  # between activities, before and since the action that did not


class Part(NamedTuple):
    """What the makers of the tables below share: the world, the tables and counts already made, the order lines."""

    world: World
    sessions: pd.DataFrame
    products: pd.DataFrame
    traffic: pd.DataFrame
    counts: dict[str, np.ndarray]
    lines: orders.Lines
    truth: dict[str, Any]
    rng: np.random.Generator

    def recent(self, table: str) -> list[int]:
        """Positions of the sessions that have this table."""
        n = len(self.sessions)
        return list(range(max(0, n - RECENT[table]), n))

    def after_action(self, i: int) -> bool:
        return (
            self.world.fault == "demo"
            and i >= len(self.sessions) - shop()["story"]["after_sessions"]
        )


def tables(
    world: World,
    made: dict[str, pd.DataFrame],
    counts: dict[str, np.ndarray],
    lines: orders.Lines,
    truth: dict[str, Any],
    *,
    wanted: tuple[str, ...] | None,
    generator: Callable[[int], np.random.Generator],
) -> dict[str, pd.DataFrame]:
    """The tables beside sessions, traffic and products that are wanted (None: all), before they are conformed."""
    makers = {
        "minutes": _minutes,
        "rundown": _rundown,
        "cues": _cues,
        "comments": _comments,
        "audience": _audience,
        "service": _service,
        "videos": _videos,
        "ads": _ads,
        "goals": _goals,
        "costs": _costs,
        "notes": _notes,
        "events": _events,
        "reviews": _reviews,
        "incidents": _incidents,
        "actions": viewers.actions,
    }
    found: dict[str, pd.DataFrame] = {}
    if wanted is None or {"orders", "aftersales"} & set(wanted):
        found |= orders.frames(world, lines, generator(10))
    for number, (name, make) in enumerate(makers.items(), start=20):
        if wanted is None or name in wanted:
            found[name] = make(
                Part(
                    world,
                    made["sessions"],
                    made["products"],
                    made["traffic"],
                    counts,
                    lines,
                    truth,
                    generator(number),
                )
            )
    if "service" in found:
        found["service"] = _whose(found["service"], found.get("orders"), generator(60))
    if "orders" in found:
        found["orders"] = _recommended(found["orders"], generator(61))
    return found


def _minute_clock(session: pd.Series) -> pd.DatetimeIndex:
    begin = session["started_at"].floor("min")
    return pd.date_range(begin, session["ended_at"].floor("min"), freq="min")


def _profile(part: Part, i: int, n: int) -> np.ndarray:
    """Share of each product's interest that falls into each minute: product x minute."""
    begin = (
        part.sessions["started_at"].iloc[i] - part.sessions["started_at"].iloc[i].floor("min")
    ).total_seconds()
    edges = np.arange(n + 1) * 60 - begin
    start, block = part.world.start[i][:, None], part.world.block[i]
    inside = (
        np.clip(np.minimum(edges[1:], start + block) - np.maximum(edges[:-1], start), 0, None)
        / block
    )
    return orders.IN_BLOCK * inside + (1 - orders.IN_BLOCK) / n


def _online(session: pd.Series, n: int, rng: np.random.Generator) -> np.ndarray:
    """A curve of the session's average and peak: a quick rise, a plateau with waves, a slow fall; never an empty room."""
    x = np.linspace(0, 1, n)
    wave = np.cumsum(rng.normal(0, 0.03, n))
    shape = (
        (1 - np.exp(-14 * x))
        * (1.15 - 0.45 * x**3)
        * np.exp(wave - np.linspace(wave[0], wave[-1], n))
    )
    shape = shape / shape.mean()
    scale = (session["peak_online"] - session["avg_online"]) / max(shape.max() - 1, 1e-9)
    rising = 0.3 * session["avg_online"] * (1 - np.exp(-40 * (x + 1 / n)))
    return np.maximum(np.round(np.maximum(session["avg_online"] + scale * (shape - 1), rising)), 1)


def _minutes(part: Part) -> pd.DataFrame:
    return pd.concat([_minutes_of(part, i) for i in part.recent("minutes")], ignore_index=True)


def _minutes_of(part: Part, i: int) -> pd.DataFrame:
    """One session's minutes; orders and money are those of its paid lines, the other sums the session's own totals."""
    session, rng = part.sessions.iloc[i], part.rng
    clock = _minute_clock(session)
    n = len(clock)
    online = _online(session, n, rng)
    entered = rng.multinomial(int(session["views"]), (online + 5) / (online + 5).sum())
    left = np.maximum(entered - np.diff(online, prepend=0), 0)
    goods = part.products[part.products["session_id"] == session["session_id"]].set_index(
        "product_id"
    )
    clicks = goods["click_users"].reindex(part.world.products).fillna(0).to_numpy()
    interest = clicks @ _profile(part, i, n)
    prompts = np.ones(n)
    prompts[(np.arange(n) % FOLLOW_PROMPT_MINUTES[int(part.after_action(i))]) < 3] = 3.0
    mine = (part.lines.session == i) & part.lines.paid
    minute = (part.lines.paid_at[mine] - int(clock[0].value // 10**9)) // 60
    made = pd.DataFrame(
        {
            "session_id": session["session_id"],
            "at": clock,
            "online": online,
            "entered": entered,
            "left": left,
            "comments": rng.multinomial(
                int(session["comments"]), (online + 3) / (online + 3).sum()
            ),
            "likes": rng.multinomial(int(session["likes"]), (online + 3) / (online + 3).sum()),
            "new_fans": rng.multinomial(
                int(session["new_fans"]), prompts * (online + 3) / (prompts * (online + 3)).sum()
            ),
            "fan_club_joins": rng.multinomial(int(session["fan_club_joins"]), np.full(n, 1 / n)),
            "product_exposure_users": np.round(online * rng.uniform(0.5, 0.7, n)),
            "product_click_users": rng.multinomial(
                int(session["product_click_users"]), interest / interest.sum()
            ),
            "orders": np.bincount(minute, minlength=n),
            "paid_amount": np.bincount(minute, part.lines.payable[mine], n).round() / 100,
        }
    )
    return made.assign(
        product_exposure_users=np.maximum(
            made["product_exposure_users"], made["product_click_users"]
        )
    )  # nobody clicks what he does not see


def _blocks(part: Part, i: int) -> pd.DataFrame:
    """The session's explanations in order: product, start and end."""
    listed = np.flatnonzero(part.world.listed[i])
    order = listed[np.argsort(part.world.start[i, listed])]
    begin = part.sessions["started_at"].iloc[i].floor("min") + pd.to_timedelta(
        part.world.start[i, order] // 60, unit="min"
    )
    length = pd.Timedelta(minutes=int(part.world.block[i] // 60))
    return pd.DataFrame(
        {"product_id": np.array(part.world.products)[order], "from": begin, "to": begin + length}
    )


def _rundown(part: Part) -> pd.DataFrame:
    return pd.concat([_rundown_of(part, i) for i in part.recent("rundown")], ignore_index=True)


def _rundown_of(part: Part, i: int) -> pd.DataFrame:
    """The script: pre-heat, then each product's introduction and purchase prompt with a follow prompt or activity, closing."""
    session, blocks = part.sessions.iloc[i], _blocks(part, i)
    names = shop()["products"]
    begin, end = session["started_at"].floor("min"), session["ended_at"].floor("min")
    rows: list[tuple[Any, ...]] = [
        (begin, blocks["from"].iloc[0], "preheat", None, "开场欢迎 预告今晚福利")
    ]
    for number, block in enumerate(blocks.itertuples(index=False)):
        length = (block[2] - block[1]) / pd.Timedelta(minutes=1)
        cuts = [
            block[1] + pd.Timedelta(minutes=int(length * share)) for share in (0, 0.55, 0.85)
        ] + [block[2]]
        third = (
            ("follow_prompt", "引导关注 报关注福利")
            if number % 2 == 0
            else ("activity", "互动问答或福袋")
        )
        said = names[block[0]]["name"]
        stages = [
            ("introduction", block[0], f"讲解 {said}"),
            ("purchase_prompt", block[0], f"逼单 {said}"),
            (third[0], None, third[1]),
        ]
        rows += [(cuts[j], cuts[j + 1], *stages[j]) for j in range(3)]
    rows.append((blocks["to"].iloc[-1], end, "closing", None, "感谢 预告下一场"))
    frame = pd.DataFrame(rows, columns=["starts_at", "ends_at", "stage", "product_id", "content"])
    return frame.assign(session_id=session["session_id"], host=session["host"])


def _cues(part: Part) -> pd.DataFrame:
    found = pd.concat([_cues_of(part, i) for i in part.recent("cues")], ignore_index=True)
    return found.sort_values(["at", "kind"], ignore_index=True, kind="stable")


def _every(session: pd.Series, first: int, gap: int) -> list[pd.Timestamp]:
    return list(
        pd.date_range(
            session["started_at"].floor("min") + pd.Timedelta(minutes=first),
            session["ended_at"],
            freq=f"{gap}min",
        )
    )


def _cues_of(part: Part, i: int) -> pd.DataFrame:
    """The floor's log: planned and real time of what was listed, explained, prompted and handed out."""
    session, blocks, rng = part.sessions.iloc[i], _blocks(part, i), part.rng
    rows: list[tuple[Any, ...]] = []
    for block in blocks.itertuples(index=False):
        length, stock = block[2] - block[1], float(rng.integers(3, 13) * 50)
        rows += [
            (block[1], "list", block[0], stock),
            (block[1], "explain_start", block[0], np.nan),
            (block[1] + 0.6 * length, "purchase_prompt", block[0], np.nan),
            (block[2], "explain_end", block[0], np.nan),
        ]
    since = int(part.after_action(i))
    timed = (
        ("follow_prompt", 8, FOLLOW_PROMPT_MINUTES[since]),
        ("activity", 25, ACTIVITY_MINUTES[since]),
        ("lucky_bag", 40, 60),
        ("coupon", 15, 40),
    )
    for kind, first, gap in timed:
        rows += [
            (at, kind, None, np.nan)
            for at in _every(session, first, gap)
            if at < session["ended_at"]
        ]
    frame = pd.DataFrame(rows, columns=["planned_at", "kind", "product_id", "stock_after"])
    late = np.abs(rng.normal(0, 40, len(frame))) + np.where(
        (frame["kind"] == "coupon") & (i == len(part.sessions) - 1), 240, 0
    )
    at = frame["planned_at"] + pd.to_timedelta(late.astype(int), unit="s")
    return pd.concat(
        [frame.assign(at=at.clip(upper=session["ended_at"])), _stock_cues(part, i)],
        ignore_index=True,
    ).assign(
        session_id=session["session_id"], planned_at=lambda rows: rows["planned_at"].dt.floor("min")
    )


def _stock_cues(part: Part, i: int) -> pd.DataFrame:
    """Sold out and refilled, in the last session of the story."""
    columns = ["planned_at", "kind", "product_id", "stock_after", "at"]
    if part.world.stock_out is None or i != len(part.sessions) - 1:
        return pd.DataFrame(columns=columns).astype(
            {"planned_at": "datetime64[us]", "at": "datetime64[us]", "stock_after": "float64"}
        )
    times = [pd.Timestamp(part.truth["stock_out"][name]) for name in ("from", "to")]
    product = shop()["story"]["stock_product"]
    rows = [
        (pd.NaT, "stock_change", product, left, at)
        for at, left in zip(times, (0.0, 400.0), strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def _comments(part: Part) -> pd.DataFrame:
    return pd.concat([_comments_of(part, i) for i in part.recent("comments")], ignore_index=True)


def _comments_of(part: Part, i: int) -> pd.DataFrame:
    session, rng, groups = part.sessions.iloc[i], part.rng, shop()["comments"]
    n = int(session["comments"])
    at = session["started_at"] + pd.to_timedelta(
        np.sort(rng.integers(30, int(session["duration_seconds"]), n)), unit="s"
    )
    weight = np.array([group["weight"] for group in groups.values()], float)
    kinds = rng.choice(len(groups), n, p=weight / weight.sum())
    listed = [
        shop()["products"][key]["name"].split(" ")[0] for key in _blocks(part, i)["product_id"]
    ]
    pools = [group["texts"] for group in groups.values()]
    picks, goods = rng.random(n), rng.integers(0, len(listed), n)
    texts = [
        _said(pools[kind][int(pick * len(pools[kind]))], listed, good)
        for kind, pick, good in zip(kinds, picks, goods, strict=True)
    ]
    frame = pd.DataFrame({"session_id": session["session_id"], "at": at, "text": texts})
    frame["user_key"] = [
        f"v{value:06d}"
        for value in rng.integers(0, max(int(session["commenters"]), 1), n) + 1000 * (i % 3)
    ]
    frame = _plant_comments(part, frame) if i == len(part.sessions) - 1 else frame
    return _plant_talk(part, i, frame, np.random.default_rng([part.world.seed, 230, i]))


def _plant_talk(part: Part, i: int, frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Chants after activities, in the last session of the story one question about one product, and the team's replies."""
    session, texts = part.sessions.iloc[i], frame["text"].tolist()
    gap = ACTIVITY_MINUTES[int(part.after_action(i))]
    for at in _every(session, 25, gap):
        after = np.flatnonzero(
            ((frame["at"] >= at) & (frame["at"] < at + pd.Timedelta(minutes=2))).to_numpy()
        )
        for place in after[rng.random(len(after)) < 0.6]:
            texts[place] = shop()["prompted_words"][rng.integers(len(shop()["prompted_words"]))]
    if part.world.stock_out is not None and i == len(part.sessions) - 1:
        product, words = shop()["story"]["pitch_product"], shop()["asked_words"]
        block = _blocks(part, i).set_index("product_id").loc[product]
        inside = np.flatnonzero(
            ((frame["at"] >= block["from"]) & (frame["at"] < block["to"])).to_numpy()
        )
        for number, place in enumerate(inside[rng.random(len(inside)) < 0.7]):
            texts[place] = words[number % len(words)].replace(
                "{p}", shop()["products"][product]["name"].split(" ")[0]
            )
    return _with_replies(frame.assign(text=texts, speaker="viewer"), session, rng)


def _with_replies(
    frame: pd.DataFrame, session: pd.Series, rng: np.random.Generator
) -> pd.DataFrame:
    """The comments and, behind half of the questions that the team has words for, its reply some seconds later."""
    found = []
    for row in frame.itertuples():
        said = next((reply for word, reply in shop()["replies"].items() if word in row.text), None)
        if said is not None and rng.random() < 0.5:
            at = min(row.at + pd.Timedelta(seconds=int(rng.integers(8, 90))), session["ended_at"])
            found.append(
                {
                    "session_id": session["session_id"],
                    "at": at,
                    "text": said,
                    "user_key": np.nan,
                    "speaker": "team",
                }
            )
    made = pd.DataFrame(found, columns=["session_id", "at", "text", "user_key", "speaker"])
    return pd.concat(
        [frame, made.astype({"at": frame["at"].dtype})], ignore_index=True
    ).sort_values("at", kind="stable", ignore_index=True)


def _said(text: str, listed: list[str], good: int) -> str:
    return text.replace("{p}", listed[good]).replace("{n}", str(good + 1))


def _plant_comments(part: Part, frame: pd.DataFrame) -> pd.DataFrame:
    """The last session's comments with hostile texts in fixed places and, in the story, complaints while sold out."""
    texts = frame["text"].tolist()
    for place, text in enumerate(shop()["hostile"], start=1):
        if place * 7 < len(texts):
            texts[place * 7] = text
    if part.world.stock_out is not None:
        begin, end = (pd.Timestamp(part.truth["stock_out"][name]) for name in ("from", "to"))
        name = shop()["products"][shop()["story"]["stock_product"]]["name"].split(" ")[0]
        words = shop()["sold_out_words"]
        inside = np.flatnonzero(((frame["at"] >= begin) & (frame["at"] < end)).to_numpy())
        for number, place in enumerate(inside[part.rng.random(len(inside)) < 0.35]):
            texts[place] = words[number % len(words)].replace("{p}", name)
    return frame.assign(text=texts)


def _audience(part: Part) -> pd.DataFrame:
    return pd.concat([_audience_of(part, i) for i in part.recent("audience")], ignore_index=True)


def _audience_of(part: Part, i: int) -> pd.DataFrame:
    """Viewers, buyers and money by group; the groups of each dimension sum to the session's totals."""
    session, rng = part.sessions.iloc[i], part.rng
    fans = float(session["fan_viewer_share"])
    province = {name: [share / 100, 1.0] for name, share in shop()["provinces"].items()}
    groups = shop()["audience"] | {
        "fan": {"老粉": [fans, 2.2], "新客": [1 - fans, 0.6]},
        "province": province,
    }
    made = []
    for dimension, table in groups.items():
        share, pays = (np.array([pair[j] for pair in table.values()], float) for j in (0, 1))
        viewers = np.round(share * session["viewers"])
        viewers[-1] += session["viewers"] - viewers.sum()
        buyers = rng.multinomial(int(session["pay_users"]), share * pays / (share * pays).sum())
        cents = np.floor(buyers / max(buyers.sum(), 1) * round(session["paid_amount"] * 100))
        cents[-1] += round(session["paid_amount"] * 100) - cents.sum()
        made.append(
            pd.DataFrame(
                {
                    "dimension": dimension,
                    "group": list(table),
                    "viewers": viewers,
                    "pay_users": buyers,
                    "paid_amount": cents / 100,
                }
            )
        )
    return pd.concat(made, ignore_index=True).assign(
        session_id=session["session_id"], session_started_at=session["started_at"].floor("min")
    )


def _service(part: Part) -> pd.DataFrame:
    """Enquiries during the session: first reply after minutes, some never answered, some turned into orders or disputes."""
    made = []
    for i in part.recent("service"):
        session, rng = part.sessions.iloc[i], part.rng
        n = int(rng.poisson(60))
        opened = session["started_at"] + pd.to_timedelta(
            np.sort(rng.integers(0, int(session["duration_seconds"]), n)), unit="s"
        )
        answered = rng.random(n) < 0.93
        reply = pd.Series(
            opened + pd.to_timedelta(rng.exponential(75, n).astype(int) + 8, unit="s")
        ).where(answered)
        solved = (
            reply + pd.to_timedelta(rng.exponential(500, n).astype(int) + 60, unit="s")
        ).where(rng.random(n) < 0.9)
        numbers = [f"ZX{session['started_at']:%Y%m%d%H}{k:04d}" for k in range(n)]
        made.append(
            pd.DataFrame(
                {
                    "session_id": session["session_id"],
                    "enquiry_id": numbers,
                    "opened_at": opened,
                    "first_reply_at": reply,
                    "resolved_at": solved,
                    "product_id": rng.choice(_blocks(part, i)["product_id"], n),
                    "converted": answered & (rng.random(n) < 0.32),
                    "disputed": rng.random(n) < 0.03,
                }
            )
        )
    return pd.concat(made, ignore_index=True)


def _whose(
    enquiries: pd.DataFrame, sold: pd.DataFrame | None, rng: np.random.Generator
) -> pd.DataFrame:
    """Whose most enquiries are, what kept them and whether they were content: those who ordered are buyers of that session."""
    n = len(enquiries)
    objects = rng.random(n) < np.where(enquiries["converted"], 0.3, 0.7)
    kinds = rng.choice(list(OBJECTIONS), n, p=list(OBJECTIONS.values()))
    content = rng.random(n) < np.where(enquiries["disputed"], 0.2, 0.9)
    keys = np.char.add("q", np.char.zfill(rng.integers(0, 10**6, n).astype(str), 6)).astype(object)
    if sold is not None:
        paid = sold[
            sold["paid_at"].notna() & sold["session_id"].isin(enquiries["session_id"])
        ].groupby("session_id")
        for session_id, rows in enquiries[enquiries["converted"]].groupby("session_id"):
            own = paid.get_group(session_id)
            for place, at in rows["opened_at"].items():
                after = own.loc[own["created_at"] > at, "buyer_key"]
                keys[place] = (
                    after.iloc[min(int(rng.exponential(6)), len(after) - 1)]
                    if len(after)
                    else keys[place]
                )
    return enquiries.assign(
        buyer_key=pd.Series(keys, index=enquiries.index).where(rng.random(n) < 0.85),
        objection=pd.Series(kinds, index=enquiries.index).where(objects),
        satisfied=pd.Series(content, index=enquiries.index, dtype="boolean").where(
            rng.random(n) < 0.45
        ),
    )


def _recommended(sold: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Whether an older customer recommended the shop to the buyer: asked of those whose order is paid, mostly of new ones."""
    by_buyer = rng.random(len(sold)) < np.where(sold["is_new_buyer"], 0.14, 0.02)
    return sold.assign(
        is_referred=pd.Series(by_buyer, index=sold.index).groupby(sold["order_id"]).transform("max")
    )


def _videos(part: Part) -> pd.DataFrame:
    made = []
    for i in part.recent("videos"):
        session, rng = part.sessions.iloc[i], part.rng
        titles = rng.permutation(shop()["videos"])[:3]
        exposures = rng.integers(4_000, 30_000, 3)
        made.append(
            pd.DataFrame(
                {
                    "session_id": session["session_id"],
                    "title": titles,
                    "exposures": exposures,
                    "entries": rng.binomial(exposures, 0.06),
                    "posted_at": session["started_at"].floor("h")
                    - pd.to_timedelta(rng.integers(2, 40, 3), unit="h"),
                }
            )
        )
    return pd.concat(made, ignore_index=True)


def _ads(part: Part) -> pd.DataFrame:
    """Ad spend by day, as the ads system reports it: the amount it claims is what its own sources sold, and a little more."""
    sessions, rng = part.sessions, part.rng
    n = len(sessions)
    amount = np.round(sessions["paid_amount"] * rng.uniform(0.16, 0.24, n), 2)
    return pd.DataFrame(
        {
            "session_id": sessions["session_id"],
            "platform": "douyin",
            "room_name": sessions["room_name"],
            "started_at": sessions["started_at"].dt.floor("D"),
            "slot_seconds": 86_400,
            "cost": sessions["ad_cost"],
            "views": np.round(sessions["views"] * 0.2),
            "orders": np.round(sessions["orders"] * 0.19),
            "amount": amount,
            "net_amount": np.round(amount * 0.94, 2),
            "currency": shop()["currency"],
        }
    )


def _goals(part: Part) -> pd.DataFrame:
    """A paid-amount goal for each of the last sessions and for each month, and under the last month's what it takes to reach it."""
    usual = float(part.sessions.loc[part.sessions["kind"] == "daily", "paid_amount"].median())
    recent = part.sessions.iloc[part.recent("goals")]
    target = [round(usual * shop()["kind"][kind]["goal"], -2) for kind in recent["kind"]]
    per_session = pd.DataFrame(
        {
            "session_id": recent["session_id"],
            "session_started_at": recent["started_at"].dt.floor("min"),
            "target": target,
        }
    )
    month = part.sessions["started_at"].dt.to_period("M")
    first = pd.Series(sorted(month.unique())).dt.to_timestamp()
    weight = (
        part.sessions["kind"]
        .map(lambda kind: shop()["kind"][kind]["goal"])
        .groupby(month)
        .sum()
        .sort_index()
    )
    weight.iloc[-1] *= 30 / part.sessions["started_at"].iloc[-1].day  # the last month is not over
    sums = (weight * usual).round(-3).to_numpy()
    monthly = pd.DataFrame(
        {"period_from": first, "period_to": first + pd.offsets.MonthEnd(0), "target": sums}
    )
    amounts = pd.concat([per_session, monthly], ignore_index=True).assign(metric="paid_amount")
    under = pd.DataFrame(
        shop()["goals"],
        columns=["level", "name", "parent", "kind", "metric", "target", "owner_role"],
    )
    return pd.concat(
        [amounts, under.assign(**monthly[["period_from", "period_to"]].iloc[-1])], ignore_index=True
    )


def _costs(part: Part) -> pd.DataFrame:
    """Unit cost of each product, and the staff of the last sessions."""
    goods = pd.DataFrame(
        [
            {"item": "unit_cost", "product_id": key, "amount": item["cost"]}
            for key, item in shop()["products"].items()
        ]
    )
    recent = part.sessions.iloc[part.recent("goals")]
    staff = pd.DataFrame(
        {
            "session_id": recent["session_id"],
            "item": "staff",
            "session_started_at": recent["started_at"].dt.floor("min"),
            "amount": 180.0 * (recent["duration_seconds"] / 3600).round(),
        }
    )
    return pd.concat([goods, staff], ignore_index=True)


def _notes(part: Part) -> pd.DataFrame:
    rows = [
        note
        for note in shop()["notes"]
        if part.world.fault == "demo" and note[0] <= len(part.sessions)
    ]
    frame = pd.DataFrame(
        rows, columns=["back", "role", "stage", "dimension", "problem", "severity"]
    )
    place = len(part.sessions) - frame.pop("back")
    session = part.sessions.iloc[place].reset_index(drop=True)
    return frame.assign(
        session_id=session["session_id"], session_started_at=session["started_at"].dt.floor("min")
    )


def _events(part: Part) -> pd.DataFrame:
    names = ["starts_at", "ends_at", "kind", "what", "expected_direction", "metric", "entered_at"]
    frame = pd.DataFrame(shop()["events"], columns=names)
    frame = frame.assign(
        **{name: pd.to_datetime(frame[name]) for name in ("starts_at", "ends_at", "entered_at")}
    )
    planted = frame["kind"].isin(["platform_redesign", "tag_change"])
    return frame[~planted | (part.world.fault == "demo")].reset_index(drop=True)


def _reviews(part: Part) -> pd.DataFrame:
    rng, end = part.rng, pd.Timestamp(shop()["as_of"])
    n = 60
    at = end.floor("s") - pd.to_timedelta(
        np.sort(rng.integers(3600, 60 * 86400, n))[::-1], unit="s"
    )
    return pd.DataFrame(
        {
            "at": at,
            "product_id": rng.choice(part.world.products, n),
            "rating": rng.choice([5.0, 4.0, 3.0, 2.0, 1.0], n, p=[0.55, 0.2, 0.1, 0.08, 0.07]),
            "reason": rng.choice(shop()["reviews"], n),
            "shop_score": 4.8,
        }
    )


def _incidents(part: Part) -> pd.DataFrame:
    at = pd.Timestamp("2026-10-22 15:30")
    return pd.DataFrame(
        {
            "at": [at],
            "what": ["顾客在小红书发帖称面膜漏液"],
            "status": ["已致歉并补发"],
            "owner_role": ["service"],
        }
    )
