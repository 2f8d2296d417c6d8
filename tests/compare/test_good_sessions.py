"""What good sessions share.

Traits recomputed by loops, accounts without a pattern stay quiet, a planted one is found.
"""

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from helpers import clean, demo, reference
from helpers.compare import good_sessions, slots
from helpers.reference import schema

ZONE = "Asia/Shanghai"
THRESHOLDS, TRAITS, REGISTRY = reference.thresholds(), reference.traits(), reference.registry()
SIMULATED = demo.simulate(5, sessions=24, fault="none")


def described(n: int, seed: int = 0, planted: np.ndarray | None = None) -> pd.DataFrame:
    """Described daily sessions whose paid amount per hour is noise around drifting months.

    And what is planted.
    """
    rng, days = (
        np.random.default_rng(seed),
        pd.date_range("2026-01-03 20:00", periods=n, freq="3D", tz=ZONE),
    )
    level = np.exp(
        8
        + np.repeat(rng.normal(0, 0.3, n // 10 + 1), 10)[:n]
        + rng.normal(0, 0.25, n)
        + (0 if planted is None else planted)
    )
    return pd.DataFrame(
        {
            "session_id": [f"s{k}" for k in range(n)],
            "platform": "douyin",
            "room": "r",
            "started_at": days,
            "hours": 4.0,
            "paid_amount": 4 * level,
            "kind": "daily",
            "festive": False,
            "ordinary": True,
            "block": "18:00–21:00",
            "day": np.where(days.day_of_week >= 5, "rest", "work"),
            "month": days.strftime("%Y-%m"),
        }
    )


def noise(n: int, seed: int, columns: int = 25) -> good_sessions.Traits:
    """Traits that have nothing to do with the sessions.

    Every other one drifts, some are in half of the sessions only.
    """
    rng = np.random.default_rng([seed, 1])
    values = rng.normal(5, 1, (n, columns)) + np.cumsum(
        rng.normal(0, 0.1, (n, columns)), axis=0
    ) * (np.arange(columns) % 2)
    values[: n // 2, :5] = np.nan
    frame = pd.DataFrame(
        values,
        columns=[f"t{k}" for k in range(columns)],
        index=pd.Index([f"s{k}" for k in range(n)], name="session_id"),
    )
    words = pd.DataFrame(
        {
            "trait": frame.columns,
            "label_zh": frame.columns,
            "label_en": frame.columns,
            "unit": "score",
        }
    )
    return good_sessions.Traits(frame, words)


def model(frame, traits, session="last", mixes=300):
    return good_sessions.model(
        frame,
        frame["session_id"].iloc[-1] if session == "last" else session,
        traits,
        thresholds=THRESHOLDS,
        mixes=mixes,
    )


# -------------------------------------------------------------------------------------- the traits


def test_traits_of_a_simulated_shop_are_those_of_a_loop_over_its_rows():
    sessions, tables = SIMULATED.tables["sessions"], SIMULATED.tables
    values = good_sessions.traits(sessions, tables, known=TRAITS).values
    for row in sessions.tail(3).itertuples():
        mine = {
            name: [line for line in tables[name].itertuples() if line.session_id == row.session_id]
            for name in ("cues", "rundown", "products", "traffic")
        }
        hours = row.duration_seconds / 3600
        cues = [cue for cue in mine["cues"] if cue.kind == "purchase_prompt"]
        expected = {
            "purchase_prompts": len(cues) / hours,
            "activities": sum(cue.kind in ("activity", "lucky_bag") for cue in mine["cues"])
            / hours,
            "first_offer": (min(cue.at for cue in cues) - row.started_at).total_seconds() / 60,
            "stage_follow": sum(
                (line.ends_at - line.starts_at).total_seconds()
                for line in mine["rundown"]
                if line.stage == "follow_prompt"
            )
            / sum((line.ends_at - line.starts_at).total_seconds() for line in mine["rundown"]),
            "paid_share": sum(line.views for line in mine["traffic"] if line.is_paid)
            / sum(line.views for line in mine["traffic"]),
            "source_share:搜索": sum(
                line.views for line in mine["traffic"] if line.source == "搜索"
            )
            / sum(line.views for line in mine["traffic"]),
        }
        listed = [line for line in mine["products"] if pd.isna(line.sku_id)]
        expected |= {
            "tier_profit": sum(line.tier == "profit" for line in listed) / len(listed),
            "price": float(np.median([line.price for line in listed])),
            "focus": max(line.exposure_users for line in listed)
            / sum(line.exposure_users for line in listed),
            "hours": row.duration_seconds,
        }
        assert values.loc[row.session_id, list(expected)].to_dict() == pytest.approx(expected)


def test_sessions_without_records_have_no_value_and_no_cue_of_a_kind_is_zero():
    sessions = SIMULATED.tables["sessions"].tail(3)
    first, second, third = sessions["session_id"]
    cues = SIMULATED.tables["cues"]
    kept = cues[
        (cues["session_id"] == first)
        | ((cues["session_id"] == second) & (cues["kind"] != "follow_prompt"))
    ]
    tables = {
        name: SIMULATED.tables[name].iloc[:0]
        for name in ("traffic", "videos", "rundown", "products")
    } | {"cues": kept}
    traits = good_sessions.traits(sessions, tables, known=TRAITS)
    assert traits.values.loc[second, "follow_prompts"] == 0 and np.isnan(
        traits.values.loc[third, "follow_prompts"]
    )
    assert not {"paid_share", "price", "stage_follow"} & set(traits.values.columns)
    assert traits.words["trait"].tolist() == list(traits.values.columns)


def test_a_trait_that_does_not_say_what_it_measures_is_refused():
    with pytest.raises(ValidationError, match="needs to be told"):
        reference.Trait(zh="甲", en="a", unit="score", table="cues", measure="cues")
    assert set(good_sessions.MEASURES) == {trait.measure for trait in TRAITS.values()}


# ----------------------------------------------------------------------------------- good and rest


def test_the_session_under_review_and_those_after_it_are_not_in_its_model():
    frame, traits = described(60), noise(60, 0)
    best = good_sessions.good_ones(frame, "s40", thresholds=THRESHOLDS)
    assert list(best.index) == [f"s{k}" for k in range(40)] and best.sum() == 10
    changed = frame.assign(
        paid_amount=frame["paid_amount"].where(frame["session_id"] != "s40", 1e9)
    )
    pd.testing.assert_frame_equal(model(frame, traits, "s40"), model(changed, traits, "s40"))
    assert (model(frame, traits, "s40")["until"] == frame["started_at"].iloc[40]).all()


def test_good_is_what_slot_and_month_leave():
    """Every other month sells ten times as much: its sessions are no better than the others'."""
    frame = described(60)
    loud = frame["started_at"].dt.month % 2 == 0
    rich = frame.assign(paid_amount=frame["paid_amount"].where(~loud, 10 * frame["paid_amount"]))
    pd.testing.assert_series_equal(
        good_sessions.good_ones(frame, "s59", thresholds=THRESHOLDS),
        good_sessions.good_ones(rich, "s59", thresholds=THRESHOLDS),
    )


def test_festivals_and_special_kinds_are_no_ordinary_sessions():
    days = pd.date_range("2026-06-10 20:00", periods=40, freq="D", tz=ZONE)  # 618 ends on the 20th
    sessions = schema.conform(
        pd.DataFrame(
            {
                "session_id": [f"s{k}" for k in range(40)],
                "platform": "douyin",
                "room": "r",
                "started_at": days,
                "viewers": 100.0,
                "paid_amount": 900.0,
                "pay_users": 5.0,
                "duration_seconds": np.where(np.arange(40) == 30, 600.0, 7200.0),
                "kind": np.where(np.arange(40) == 35, "promotion", "daily"),
            }
        ),
        "sessions",
        ZONE,
    )
    frame = slots.described(sessions, reference.calendar(), ["uv_value"], REGISTRY)
    assert frame.loc[frame["ordinary"], "session_id"].tolist() == [
        f"s{k}" for k in range(11, 40) if k not in (30, 35)
    ]
    assert list(good_sessions.good_ones(frame, "s39", thresholds=THRESHOLDS).index) == [
        f"s{k}" for k in range(11, 39) if k not in (30, 35)
    ]
    assert (
        good_sessions.good_ones(described(16), "s15", thresholds=THRESHOLDS).empty
        and not good_sessions.good_ones(described(17), "s16", thresholds=THRESHOLDS).empty
    )


def test_differences_and_their_spread_are_those_of_a_plain_t():
    rng = np.random.default_rng(2)
    good = pd.Series([True] * 8 + [False] * 22, index=[f"s{k}" for k in range(30)])
    values = pd.DataFrame(
        {"a": rng.normal(0, 1, 30), "b": np.r_[rng.normal(0, 1, 20), [np.nan] * 10], "flat": 3.0},
        index=good.index,
    )
    rows = good_sessions.differences(good, values).set_index("trait")
    assert set(rows.index) == {"a", "b"}
    for name in ("a", "b"):
        one, other = values.loc[good, name].dropna(), values.loc[~good, name].dropna()
        assert rows.loc[name, "diff"] == pytest.approx(one.mean() - other.mean()) and rows.loc[
            name, "n_rest"
        ] == len(other)
        inner = np.sqrt(
            ((one - one.mean()) ** 2).sum() + ((other - other.mean()) ** 2).sum()
        ) / np.sqrt(len(one) + len(other) - 2)
        half = (rows.loc[name, "upper"] - rows.loc[name, "lower"]) / 2
        assert (
            2.0 < half / (inner * np.sqrt(1 / len(one) + 1 / len(other))) < 2.8
        )  # a t of 28, for the farther of two traits
    alone = good_sessions.differences(good, values[["a"]], mixes=5000).iloc[0]
    mixed = [
        abs(values["a"].to_numpy()[order[:8]].mean() - values["a"].to_numpy()[order[8:]].mean())
        for order in (rng.permutation(30) for _ in range(5000))
    ]
    assert alone["p_adjusted"] == pytest.approx(
        np.mean(np.array(mixed) >= abs(alone["diff"])), abs=0.03
    )


def test_accounts_without_a_pattern_name_a_trait_one_in_twenty_times_and_a_planted_one_is_found():
    """60 quiet accounts of 80 sessions and 25 traits.

    Family-wise 5 % (at most 7 of 60: 98 % of such sixties); then one that matters.
    """
    named = sum(
        model(described(80, seed), noise(80, seed), mixes=200)["shared"].any() for seed in range(60)
    )
    assert named <= 7
    hits = 0
    for seed in range(10):
        traits = noise(80, seed)
        pattern = model(
            described(80, seed, planted=0.4 * (traits.values["t10"].to_numpy() - 5)),
            traits,
            mixes=200,
        )
        hits += (
            pattern["trait"].iloc[0] == "t10"
            and bool(pattern["shared"].iloc[0])
            and pattern["lower"].iloc[0] > 0
        )
    assert hits >= 8


# --------------------------------------------------------------------------------------- the model


def test_a_session_is_held_against_the_good_ones_range():
    traits = noise(80, 3)
    frame = described(80, 3, planted=0.5 * (traits.values["t10"].to_numpy() - 5))
    pattern = model(frame, traits)
    traits.values.loc["s79", "t10"], traits.values.loc["s79", "t11"] = -50.0, np.nan
    held = good_sessions.held(pattern, traits, "s79").set_index("trait")
    assert (
        held.index[0] == "t10"
        and not held.loc["t10", "inside"]
        and pd.isna(held.loc["t11", "inside"])
    )
    rows = held.dropna(subset=["inside"])
    assert (
        ((rows["value"] >= rows["usual_lower"]) & (rows["value"] <= rows["usual_upper"]))
        .eq(rows["inside"].astype(bool))
        .all()
    )
    words = good_sessions.trait_sentence(
        next(held.reset_index().itertuples()), lang="zh", currency="CNY"
    )
    assert "不在好场次的常见范围里" in words and "不等于原因" in words
    sentences = good_sessions.to_findings(held.reset_index(), currency="CNY")
    assert len(sentences) == held["shared"].sum() and set(sentences["verdict"]) == {"better"}
    summary = good_sessions.summary(held.reset_index(), lang="zh", thresholds=THRESHOLDS)
    count = good_sessions.good_ones(frame, "s79", thresholds=THRESHOLDS).sum()
    assert "分得开" in summary and f"（{count} 场）" in summary


def test_an_account_too_young_for_a_pattern_says_so():
    pattern = model(described(10), noise(10, 0))
    assert pattern.empty and list(pattern.columns) == good_sessions.COLUMNS
    held = good_sessions.held(pattern, noise(10, 0), "s9")
    assert "不足 16 场" in good_sessions.summary(held, lang="zh", thresholds=THRESHOLDS)
    assert good_sessions.to_findings(held, currency="CNY").empty


def test_the_model_is_kept_by_room_and_never_by_an_older_one(tmp_path):
    workspace = clean.Workspace(tmp_path, clean.Settings())
    new, old = (model(described(60), noise(60, 0), name) for name in ("s50", "s40"))
    for frame in (new, old, new.assign(room="other")):
        assert clean.keep_model(workspace, "pattern", frame) is frame
    kept = clean.read_table(workspace, "pattern")
    assert kept.groupby("room")["until"].unique().map(list).to_dict() == {
        "r": [new["until"].iloc[0]],
        "other": [new["until"].iloc[0]],
    }
    clean.keep_model(workspace, "pattern", new.head(1))
    assert clean.read_table(workspace, "pattern")["room"].value_counts().to_dict() == {
        "r": 1,
        "other": len(new),
    }
    assert (
        clean.keep_model(workspace, "pattern", new.head(0)).empty
        and len(clean.read_table(workspace, "pattern")) == len(new) + 1
    )


def test_a_whole_simulated_shop_goes_through():
    sessions = SIMULATED.tables["sessions"]
    frame = slots.described(sessions, reference.calendar(), slots.SHOWN, REGISTRY)
    traits = good_sessions.traits(sessions, SIMULATED.tables, known=TRAITS)
    pattern = good_sessions.model(
        frame,
        sessions["session_id"].iloc[-1],
        traits,
        thresholds=THRESHOLDS | {"min_sessions_for_pattern": 8},
        mixes=100,
    )
    assert (pattern["usual_lower"] >= 0).all() and pattern["p_adjusted"].between(0, 1).all()
