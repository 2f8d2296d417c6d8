"""Time slots, script stages and audience groups as slices, with weight and value."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.split.slices import MIX, mix_and_rate, reversal

SLOT_MINUTES = 30


def half_hours(at: pd.Series, session_id: pd.Series, sessions: pd.DataFrame) -> pd.Series:
    """The half hour of its session in which each moment lies, as the minute at which it begins.

    Earlier moments are in that of minute 0; missing where the session's start is unknown.
    """
    passed = at - session_id.map(sessions.set_index("session_id")["started_at"])
    return (passed.dt.total_seconds() // (60 * SLOT_MINUTES) * SLOT_MINUTES).clip(lower=0)


def slot_name(begin: float) -> str:
    """The name of the half hour that begins at a minute, such as 000-030."""
    return f"{begin:03.0f}-{begin + SLOT_MINUTES:03.0f}"


def slot_minutes(name: str) -> tuple[int, int] | None:
    """The minutes at which a half hour of this name begins and ends; None for any other name."""
    match = re.fullmatch(r"(\d{3})-(\d{3})", name)
    return (int(match[1]), int(match[2])) if match else None


def slots(minutes: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Half hours since each session's start.

    Columns: session_id, slice (as 000-030), weight (clicks by minute), value (orders).
    """
    named = minutes.assign(
        slice=half_hours(minutes["at"], minutes["session_id"], sessions).map(
            slot_name, na_action="ignore"
        )
    )
    return named.groupby(["session_id", "slice"], as_index=False).agg(
        weight=("product_click_users", "sum"), value=("orders", "sum")
    )


def stages(minutes: pd.DataFrame, rundown: pd.DataFrame) -> pd.DataFrame:
    """Script stages as `slots`, of the minutes that a script line covers."""
    script = rundown.dropna(subset=["starts_at", "stage"])[
        ["session_id", "starts_at", "ends_at", "stage"]
    ].sort_values("starts_at")
    joined = pd.merge_asof(
        minutes.sort_values("at"), script, left_on="at", right_on="starts_at", by="session_id"
    )
    assert len(joined) == len(minutes)
    held = joined[
        joined["stage"].notna() & (joined["ends_at"].isna() | (joined["at"] < joined["ends_at"]))
    ]
    sums = held.groupby(["session_id", "stage"], as_index=False).agg(
        weight=("product_click_users", "sum"), value=("orders", "sum")
    )
    return sums.rename(columns={"stage": "slice"})


def groups(audience: pd.DataFrame, dimension: str) -> pd.DataFrame:
    """The groups of one dimension of the audience as `slots`: weight viewers, value payers."""
    held = audience[
        (audience["dimension"] == dimension)
        & audience["viewers"].gt(0)
        & audience["pay_users"].notna()
    ]
    return held.rename(columns={"group": "slice", "viewers": "weight", "pay_users": "value"})[
        ["session_id", "slice", "weight", "value"]
    ]


AUDIENCE = "audience:"  # before the name of a dimension of the audience
DIMENSIONS = {
    "slot": ("时段（开播后分钟）", "Time slot (minutes in)"),
    "stage": ("话术阶段", "Script stage"),
}


def by_dimension(
    rows: Mapping[str, pd.DataFrame], session_id: str, chosen: Iterable[str]
) -> pd.DataFrame:
    """The rate of this session split over each further dimension that comparable ones have too.

    One row per dimension x slice: dimension, n (comparable sessions), the columns of
    `mix_and_rate`, and reversal (whether the whole went against its parts).
    """
    past_ids, tables = list(chosen), []
    for dimension, frame in rows.items():
        sides = frame[frame["session_id"].isin(past_ids)], frame[frame["session_id"] == session_id]
        table = mix_and_rate(*sides, "slice", "weight", "value")
        if len(table):
            tables.append(
                table.assign(
                    dimension=dimension,
                    n=float(sides[0]["session_id"].nunique()),
                    reversal=reversal(table),
                )
            )
    empty = ["dimension", "n", "slice", *MIX, "reversal"]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=empty)


def further(
    minutes: pd.DataFrame, rundown: pd.DataFrame, audience: pd.DataFrame, sessions: pd.DataFrame
) -> dict[str, pd.DataFrame]:
    """The further dimensions that the tables allow, by name: slot, stage, audience:<dimension>."""
    usable = minutes[minutes["product_click_users"].notna() & minutes["orders"].notna()]
    frames = {"slot": slots(usable, sessions)} if len(usable) else {}
    if len(usable) and len(rundown):
        frames["stage"] = stages(usable, rundown)
    return frames | {
        f"{AUDIENCE}{name}": groups(audience, name)
        for name in audience["dimension"].dropna().unique()
    }


def named_dimensions(table: pd.DataFrame) -> pd.DataFrame:
    """`by_dimension` with its words: dimension_zh, dimension_en, label_zh, label_en."""
    terms = reference.terms()
    of_audience = terms["audience_dimension"] | terms["portrait_dimension"]
    named = table.copy()
    for lang in ("zh", "en"):
        people = text.choose(lang, "人群", "Audience")
        named[f"dimension_{lang}"] = [
            text.choose(lang, *DIMENSIONS[name])
            if name in DIMENSIONS
            else f"{people} · {_term(name.removeprefix(AUDIENCE), of_audience, lang)}"
            for name in table["dimension"]
        ]
        named[f"label_{lang}"] = [
            slot_words(value, lang)
            if dimension == "slot"
            else _term(value, terms["stage" if dimension == "stage" else "audience_group"], lang)
            for dimension, value in zip(table["dimension"], table["slice"], strict=True)
        ]
    return named


def slot_words(name: str, lang: str) -> str:
    """A half hour by its minutes; any other name stays as it is."""
    if slot := slot_minutes(name):
        return f"{slot[0]}–{slot[1]}{text.choose(lang, ' 分钟', ' min')}"
    return text.plain(name, 30)


def _term(value: str, words: Mapping[str, reference.Label], lang: str) -> str:
    return text.label(words[value], lang) if value in words else text.plain(value, 30)


def dimension_sums(table: pd.DataFrame) -> pd.DataFrame:
    """`named_dimensions` summed to one row per dimension, those of the same rate together.

    Columns: of_zh, of_en (the rate: orders per clicking person by slot and stage, payers per viewer
    by audience), dimension_zh, dimension_en, n, rate_before, rate_after, mix_effect, rate_effect,
    reversal.
    """
    people = table["dimension"].str.startswith(AUDIENCE)
    rows = table.assign(
        of_zh=np.where(people, "支付 ÷ 观看", "订单 ÷ 点击人数"),
        of_en=np.where(people, "payers ÷ viewers", "orders ÷ clicking people"),
        rate_before=(table["rate_before"] * table["share_before"]).fillna(0.0),
        rate_after=(table["rate_after"] * table["share_after"]).fillna(0.0),
    )
    keys = ["of_zh", "of_en", "dimension", "dimension_zh", "dimension_en"]
    sums = rows.groupby(keys, sort=False, as_index=False).agg(
        n=("n", "first"),
        **{
            name: (name, "sum")
            for name in ("rate_before", "rate_after", "mix_effect", "rate_effect")
        },
        reversal=("reversal", "first"),
    )
    return sums.drop(columns="dimension")
