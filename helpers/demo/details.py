"""The finer tables of the demo: audience, enquiries, videos, ads, goals, costs, notes, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from helpers.demo import books, floor, orders, talk, viewers
from helpers.demo.schedule import as_of, shop

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


class Part(NamedTuple):
    """What the makers of the tables share."""

    world: World
    sessions: pd.DataFrame
    products: pd.DataFrame
    traffic: pd.DataFrame
    counts: dict[str, np.ndarray]
    lines: orders.Lines
    truth: dict[str, Any]
    rng: np.random.Generator

    def recent(self, table: str) -> list[int]:
        n = len(self.sessions)
        return list(range(max(0, n - RECENT[table]), n))

    def of_recent(self, table: str, make: Callable[[Part, int], pd.DataFrame]) -> pd.DataFrame:
        return pd.concat([make(self, i) for i in self.recent(table)], ignore_index=True)

    def after_action(self, i: int) -> bool:
        return (
            self.world.fault == "demo"
            and i >= len(self.sessions) - shop()["story"]["after_sessions"]
        )


def tables(
    world: World,
    coarse: dict[str, pd.DataFrame],
    counts: dict[str, np.ndarray],
    lines: orders.Lines,
    truth: dict[str, Any],
    *,
    wanted: tuple[str, ...] | None,
    generator: Callable[[int], np.random.Generator],
) -> dict[str, pd.DataFrame]:
    """The tables wanted (None: all) beside sessions, traffic and products, not conformed."""
    makers = {
        "minutes": floor.minutes,
        "rundown": floor.rundown,
        "cues": floor.cues,
        "comments": talk.comments,
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
    by_name: dict[str, pd.DataFrame] = {}
    if wanted is None or {"orders", "aftersales"} & set(wanted):
        by_name |= orders.frames(world, lines, generator(10))
    for number, (name, make) in enumerate(makers.items(), start=20):
        if wanted is None or name in wanted:
            by_name[name] = make(
                Part(
                    world,
                    coarse["sessions"],
                    coarse["products"],
                    coarse["traffic"],
                    counts,
                    lines,
                    truth,
                    generator(number),
                )
            )
    if "service" in by_name:
        by_name["service"] = _whose(by_name["service"], by_name.get("orders"), generator(60))
    if "orders" in by_name:
        by_name["orders"] = _recommended(by_name["orders"], generator(61))
    if wanted is None:
        by_name |= books.tables(coarse, by_name["orders"], by_name["aftersales"], generator(62))
    return by_name


def _audience(part: Part) -> pd.DataFrame:
    return part.of_recent("audience", _audience_of)


def _audience_of(part: Part, i: int) -> pd.DataFrame:
    session, rng = part.sessions.iloc[i], part.rng
    fans = float(session["fan_viewer_share"])
    province = {name: [share / 100, 1.0] for name, share in shop()["provinces"].items()}
    groups = shop()["audience"] | {
        "fan": {"老粉": [fans, 2.2], "新客": [1 - fans, 0.6]},
        "province": province,
    }
    parts = []
    for dimension, table in groups.items():
        share, pays = (np.array([pair[j] for pair in table.values()], float) for j in (0, 1))
        viewers = np.round(share * session["viewers"])
        viewers[-1] += session["viewers"] - viewers.sum()
        buyers = rng.multinomial(int(session["pay_users"]), share * pays / (share * pays).sum())
        cents = np.floor(buyers / max(buyers.sum(), 1) * round(session["paid_amount"] * 100))
        cents[-1] += round(session["paid_amount"] * 100) - cents.sum()
        parts.append(
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
    return pd.concat(parts, ignore_index=True).assign(
        session_id=session["session_id"], session_started_at=session["started_at"].floor("min")
    )


def _service(part: Part) -> pd.DataFrame:
    parts = []
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
        parts.append(
            pd.DataFrame(
                {
                    "session_id": session["session_id"],
                    "enquiry_id": numbers,
                    "opened_at": opened,
                    "first_reply_at": reply,
                    "resolved_at": solved,
                    "product_id": rng.choice(floor.blocks(part, i)["product_id"], n),
                    "converted": answered & (rng.random(n) < 0.32),
                    "disputed": rng.random(n) < 0.03,
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _whose(
    enquiries: pd.DataFrame, sold: pd.DataFrame | None, rng: np.random.Generator
) -> pd.DataFrame:
    """Whose most enquiries are: who ordered is a buyer of that session."""
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
            lines = paid.get_group(session_id)
            for place, at in rows["opened_at"].items():
                after = lines.loc[lines["created_at"] > at, "buyer_key"]
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
    """Whether a customer recommended the shop; asked of those who paid, mostly of new ones."""
    by_buyer = rng.random(len(sold)) < np.where(sold["is_new_buyer"], 0.14, 0.02)
    return sold.assign(
        is_referred=pd.Series(by_buyer, index=sold.index).groupby(sold["order_id"]).transform("max")
    )


def _videos(part: Part) -> pd.DataFrame:
    parts = []
    for i in part.recent("videos"):
        session, rng = part.sessions.iloc[i], part.rng
        titles = rng.permutation(shop()["videos"])[:3]
        exposures = rng.integers(4_000, 30_000, 3)
        parts.append(
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
    return pd.concat(parts, ignore_index=True)


def _ads(part: Part) -> pd.DataFrame:
    """Ad spend by day; the amount it claims is what its own sources sold, and a little more."""
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
    rng, end = part.rng, as_of()
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
