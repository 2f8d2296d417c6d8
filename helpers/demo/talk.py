"""What is said in the demo's sessions: viewers' comments and the team's replies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from helpers.demo import floor
from helpers.demo.schedule import shop

if TYPE_CHECKING:
    from helpers.demo.details import Part


def comments(part: Part) -> pd.DataFrame:
    return part.of_recent("comments", _comments_of)


def _comments_of(part: Part, i: int) -> pd.DataFrame:
    session, rng, groups = part.sessions.iloc[i], part.rng, shop()["comments"]
    n = int(session["comments"])
    at = session["started_at"] + pd.to_timedelta(
        np.sort(rng.integers(30, int(session["duration_seconds"]), n)), unit="s"
    )
    weight = np.array([group["weight"] for group in groups.values()], float)
    kinds = rng.choice(len(groups), n, p=weight / weight.sum())
    listed = [
        shop()["products"][key]["name"].split(" ")[0] for key in floor.blocks(part, i)["product_id"]
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
    """Adds chants after activities, replies, and in the last session a question that many ask."""
    session, texts = part.sessions.iloc[i], frame["text"].tolist()
    gap = floor.ACTIVITY_MINUTES[int(part.after_action(i))]
    for at in floor.every(session, 25, gap):
        after = np.flatnonzero(
            ((frame["at"] >= at) & (frame["at"] < at + pd.Timedelta(minutes=2))).to_numpy()
        )
        for place in after[rng.random(len(after)) < 0.6]:
            texts[place] = shop()["prompted_words"][rng.integers(len(shop()["prompted_words"]))]
    if part.world.stock_out is not None and i == len(part.sessions) - 1:
        product, words = shop()["story"]["pitch_product"], shop()["asked_words"]
        block = floor.blocks(part, i).set_index("product_id").loc[product]
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
    """Adds a reply to half of the questions that the team has words for."""
    rows = []
    for row in frame.itertuples():
        reply = next((reply for word, reply in shop()["replies"].items() if word in row.text), None)
        if reply is not None and rng.random() < 0.5:
            at = min(row.at + pd.Timedelta(seconds=int(rng.integers(8, 90))), session["ended_at"])
            rows.append(
                {
                    "session_id": session["session_id"],
                    "at": at,
                    "text": reply,
                    "user_key": np.nan,
                    "speaker": "team",
                }
            )
    replies = pd.DataFrame(rows, columns=["session_id", "at", "text", "user_key", "speaker"])
    return pd.concat(
        [frame, replies.astype({"at": frame["at"].dtype})], ignore_index=True
    ).sort_values("at", kind="stable", ignore_index=True)


def _said(text: str, listed: list[str], good: int) -> str:
    return text.replace("{p}", listed[good]).replace("{n}", str(good + 1))


def _plant_comments(part: Part, frame: pd.DataFrame) -> pd.DataFrame:
    """The last session's comments, with hostile texts, and complaints while sold out."""
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
