"""Keep, change slot, restock or drop: evidence by hand, each rule met by a product made for it."""

import numpy as np
import pandas as pd
import pytest

from helpers import reference
from helpers.aftersales import assortment
from helpers.core import findings, places, stats

RULES, REGISTRY = reference.assortment(), reference.registry()
COSTS = pd.DataFrame({"item": ["unit_cost"] * 2, "product_id": ["a", "b"], "amount": [40.0, 90.0]})


NOWHERE = pd.DataFrame(
    {"session_id": [], "product_id": [], "slot": [], "host": [], "place": []}, dtype="str"
)


def products(
    *,
    sessions: int = 12,
    units: int = 8,
    a: tuple[float, float] = (0.10, 0.10),
    refunds: float = 20.0,
    tier: str = "profit",
) -> pd.DataFrame:
    """Products at a price of 100, all clicked by 10 % and bought by 10 % of those.

    Product a as its rates say.
    """
    rows = []
    for s in range(sessions):
        for u in range(units):
            click, buy = a if u == 0 else (0.10, 0.10)
            n = 20_000.0
            pays = n * click * buy
            rows.append(
                {
                    "session_id": f"S{s:02d}",
                    "product_id": "abcdefgh"[u],
                    "sku_id": None,
                    "name": f"商品 {'abcdefgh'[u]}",
                    "tier": tier,
                    "price": 100.0,
                    "exposure_users": n,
                    "click_users": n * click,
                    "pay_users": pays,
                    "orders": pays,
                    "units": pays,
                    "paid_amount": pays * 100,
                    "refund_orders": pays * (refunds if u == 0 else 20.0) / 100,
                }
            )
    return pd.DataFrame(rows)


def decided(
    frame: pd.DataFrame,
    *,
    sold_out: float | None = 0.0,
    costs: pd.DataFrame = COSTS,
    finished: bool = True,
    placed: pd.DataFrame | None = None,
) -> pd.DataFrame:
    gone = (
        None
        if sold_out is None
        else pd.DataFrame({"product_id": ["a"], "minutes": [40.0], "share": [sold_out]})
        if sold_out
        else pd.DataFrame(columns=["product_id", "minutes", "share"])
    )
    ids = sorted(frame["session_id"].unique())
    table = assortment.evidence(
        frame,
        ids[-1],
        recent=ids,
        finished=ids if finished else [],
        costs=costs,
        commission=0.05,
        sold_out=gone,
        placed=NOWHERE if placed is None else placed,
        rules=RULES,
    )
    return assortment.decide(table, RULES).set_index("product_id")


# ---- the evidence


def reached(frame: pd.DataFrame) -> assortment.Reached:
    return assortment.reach(frame, "pay_users", "click_users")["a"]


def against_like(frame: pd.DataFrame):
    return assortment.against_like(reached(frame))


def test_a_rate_is_held_against_products_of_its_price_in_the_same_sessions():
    frame = products(a=(0.10, 0.05)).assign(band=0)
    found = against_like(frame)
    assert found.value == pytest.approx(0.5, rel=0.01) and found.lower < 0.5 < found.upper < 0.7
    # All of one session doubled for everybody: no product is the better for it.
    strong = frame.assign(
        pay_users=frame["pay_users"].where(frame["session_id"] != "S03", frame["pay_users"] * 2)
    )
    assert against_like(strong).value == pytest.approx(0.5, rel=0.02)
    # Dearer products that hardly sell are not its like.
    dear = frame[frame["product_id"].isin(list("fgh"))].assign(band=2, pay_users=1.0)
    mixed = pd.concat([frame[~frame["product_id"].isin(list("fgh"))], dear])
    assert against_like(mixed).value == pytest.approx(0.5, rel=0.02)


def test_the_interval_holds_the_spread_between_sessions():
    frame = products(sessions=30, a=(0.10, 0.10)).assign(band=0)
    rng = np.random.default_rng(3)
    factor = pd.Series(np.exp(rng.normal(0, 0.4, 30)), index=[f"S{s:02d}" for s in range(30)])
    shaken = frame.assign(
        pay_users=frame["pay_users"].mask(
            frame["product_id"] == "a", frame["pay_users"] * frame["session_id"].map(factor)
        )
    )
    calm, wild = (against_like(one) for one in (frame, shaken))
    assert wild.upper / wild.lower > 1.15 * calm.upper / calm.lower
    few = against_like(frame[frame["session_id"] <= "S01"])
    assert np.isnan(few.value)


def test_equal_products_are_seldom_called_unlike():
    """150 products of 12 sessions that stray by 15 %: under 5 % are called low or high."""
    rng, called = np.random.default_rng(8), 0
    frame = products().assign(band=0)
    for _ in range(150):
        rate = 0.1 * np.exp(rng.normal(0, 0.15, len(frame)))
        drawn = frame.assign(pay_users=rng.binomial(400, np.clip(rate, 0, 1)), click_users=400.0)
        found = against_like(drawn)
        called += not found.lower <= 1 <= found.upper
    assert called / 150 <= 0.08


@pytest.mark.parametrize(
    ("ratio", "state"),
    [
        ((0.6, 0.5, 0.72), "low"),
        ((0.9, 0.85, 0.96), "usual"),
        ((1.5, 1.2, 1.9), "high"),
        ((0.7, 0.4, 1.2), "unclear"),
        ((np.nan,) * 3, "unknown"),
    ],
)
def test_states_follow_from_the_interval(ratio, state):
    assert assortment.standing(stats.Estimate(*ratio), band=0.35, least=0.2) == state


def test_returns_and_margin_are_those_worked_out_by_hand():
    row = decided(products(refunds=30.0)).loc["a"]
    assert row["returns"] == pytest.approx(0.3) and (
        row["returns_lower"],
        row["returns_upper"],
    ) == pytest.approx(stats.wilson(720, 2400), abs=1e-6)
    assert row["margin"] == pytest.approx(
        1 - 0.40 - 0.05
    )  # 40 of 100 for the goods, 5 % commission
    assert decided(products(refunds=30.0), finished=False).loc["a", "returns_state"] == "unknown"
    assert decided(products()).loc["b", "margin"] == pytest.approx(0.05) and np.isnan(
        decided(products()).loc["c", "margin"]
    )


# ---- the verdicts


@pytest.mark.parametrize(
    ("made", "options", "verdict"),
    [
        ({}, {}, "keep"),
        ({}, {"sold_out": 0.3}, "restock"),
        ({}, {"sold_out": 0.01}, "keep"),
        ({"a": (0.10, 0.05)}, {}, "drop"),
        ({"a": (0.10, 0.05), "refunds": 45.0}, {}, "drop"),
        ({"a": (0.05, 0.10)}, {}, "change_slot"),
        ({"a": (0.20, 0.05)}, {}, "change_slot"),
        ({"a": (0.10, 0.05), "tier": "traffic"}, {}, "keep"),
        ({"a": (0.05, 0.05), "tier": "traffic"}, {}, "drop"),
        ({"a": (0.10, 0.05), "tier": "image"}, {}, "cannot_tell"),
        ({"refunds": 45.0}, {}, "keep"),
        ({"sessions": 2}, {}, "cannot_tell"),
        ({}, {"costs": COSTS.assign(amount=120.0)}, "drop"),
        ({"tier": "traffic"}, {"costs": COSTS.assign(amount=120.0)}, "keep"),
        ({}, {"sold_out": None, "costs": COSTS.iloc[:0]}, "keep"),
    ],
)
def test_each_rule_is_met_by_a_product_made_for_it(made, options, verdict):
    row = decided(products(**made), **options).loc["a"]
    assert row["decision"] == verdict, row[
        [name for name in row.index if name.endswith("_state")]
    ].to_dict()
    assert row["decision_zh"] == RULES.verdicts[verdict].zh and row["why_zh"] and row["why_en"]


MOVED = {
    "slot_kind": "place",
    "slot": "late",
    "slot_now": "early",
    "slot_ratio": 1.5,
    "slot_lower": 1.2,
    "slot_upper": 1.9,
}


def test_every_rule_can_decide():
    """No rule is hidden behind an earlier one: for each there are states that it fits first."""
    states = {
        "click": ["low", "usual", "high"],
        "conversion": ["low", "usual", "high", "unclear", "unknown"],
        "returns": ["usual", "high"],
        "slot": ["better", "none", "unknown"],
        "margin": ["loss", "thin", "fine", "unknown"],
        "sold_out": ["some", "none", "unknown"],
        "tier": ["traffic", "profit", "image", "unknown"],
    }
    rows = pd.MultiIndex.from_product(
        states.values(), names=[f"{name}_state" for name in states]
    ).to_frame(index=False)
    said = assortment.decide(
        rows.assign(conversion_lower=0.9, conversion_upper=1.1, **MOVED), RULES
    )["why_zh"].unique()
    known = {
        "conversion": RULES.standing["level"].zh,
        "slot": "后段",
        "slot_now": "前段",
        "times": "1.50 倍（1.20 – 1.90）",
    }
    assert {rule.zh.format(**known) for rule in RULES.rules} <= set(said)


@pytest.mark.parametrize(
    ("ratio", "zh", "en"),
    [
        ((0.88, 0.82, 0.96), "略低于同价位", "slightly below its price band"),
        ((1.10, 1.01, 1.19), "略高于同价位", "slightly above its price band"),
        ((0.95, 0.85, 1.06), "与同价位分不出高低", "not clearly different from its price band"),
        ((1.43, 1.12, 1.81), "转化高于同价位", "conversion is above its price band"),
    ],
)
@pytest.mark.parametrize("returns", ["low", "usual", "high", "unclear"])
@pytest.mark.parametrize("sold_out", ["some", "none"])
def test_the_reason_says_what_the_interval_says(ratio, zh, en, returns, sold_out):
    names = dict(zip(("conversion", "conversion_lower", "conversion_upper"), ratio, strict=True))
    state = assortment.standing(stats.Estimate(*ratio), band=0.35, least=0.2)
    row = {
        **names,
        **MOVED,
        "slot_state": "none",
        "conversion_state": state,
        "click_state": "usual",
        "returns_state": returns,
        "margin_state": "fine",
        "sold_out_state": sold_out,
        "tier_state": "profit",
    }
    told = assortment.decide(pd.DataFrame([row]), RULES).iloc[0]
    assert zh in told["why_zh"] and en in told["why_en"]


def test_sentences_say_the_evidence_and_only_of_what_is_to_change():
    table = decided(products(a=(0.10, 0.05)), sold_out=0.01).reset_index()
    rows = findings.frame(assortment.to_findings(table, notebook="05_aftersales"))
    assert (
        len(rows) == 1
        and rows["slice"][0] == "商品 a (a)"
        and rows["verdict"][0] == "not_comparable"
    )
    assert (
        "汰换" in rows["sentence_zh"][0]
        and "12 场" in rows["sentence_zh"][0]
        and "40 分钟" in rows["sentence_zh"][0]
    )
    assert "over 12 sessions" in rows["sentence_en"][0] and "margin 55.0%" in rows["sentence_en"][0]


def test_a_finding_is_of_the_product_by_its_whole_name():
    """Names are cut where they are shown, not where they say which product is meant."""
    long = "商品 " + "很长的名字" * 9
    table = decided(products(a=(0.10, 0.05)), sold_out=0.01).reset_index().assign(name=long)
    (row,) = assortment.to_findings(table, notebook="05_aftersales")
    assert row["slice"] == f"{long} (a)" and long not in row["sentence_zh"]


def test_no_products_give_an_empty_table():
    table = assortment.decide(
        assortment.evidence(
            products().iloc[:0],
            "S",
            recent=[],
            finished=[],
            costs=COSTS,
            commission=0.0,
            sold_out=None,
            placed=NOWHERE,
            rules=RULES,
        ),
        RULES,
    )
    assert table.empty and assortment.to_findings(table, notebook="05_aftersales") == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("verdict: restock", "verdict: buy_more", "buy_more"),
        ("margin: [loss]", "margin: [deficit]", "margin"),
        ("apart: 0.20", "apart: 20", "apart"),
        ("when: {conversion: [high]}", "when: {}", "at least one condition"),
        ("thin_margin: 0.15", "thin_margin: 0.15\n  more: 1", "more"),
    ],
)
def test_rules_that_have_no_meaning_are_refused(tmp_path, old, new, message):
    content = (places.REFERENCE / "assortment.yml").read_text(encoding="utf-8")
    assert old in content
    (tmp_path / "assortment.yml").write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(reference.ReferenceDataError, match=message):
        reference.assortment(tmp_path)


# ---- where it stands in the session


def stands(frame: pd.DataFrame, *, late: set[str]) -> pd.DataFrame:
    """Every product in the last third of the sessions named, in the first of the others."""
    return frame[["session_id", "product_id"]].assign(
        slot="18:00–21:00",
        host="h",
        place=["late" if name in late else "early" for name in frame["session_id"]],
    )


def test_the_place_of_a_product_is_the_third_of_the_session_in_which_it_is_first_explained():
    start = pd.Timestamp("2026-11-01 20:00", tz="Asia/Shanghai")
    sessions = pd.DataFrame(
        {
            "session_id": ["S1", "S2", "S3"],
            "started_at": [start, start + pd.Timedelta("1D"), start + pd.Timedelta("2D")],
            "duration_seconds": 10800.0,
            "host": ["h", "g", "h"],
        }
    )

    def log(column: str, rows: list[tuple], **more) -> pd.DataFrame:
        days = {"S1": 0, "S2": 1, "S3": 2}
        return pd.DataFrame(
            {
                "session_id": [s for s, *_ in rows],
                "product_id": [p for _, p, *_ in rows],
                column: [start + pd.Timedelta(days=days[s], minutes=m) for s, _, m in rows],
            }
        ).assign(**more)

    cues = log("at", [("S1", "a", 130), ("S1", "a", 59), ("S1", "b", 60)], kind="explain_start")
    exported = log("starts_at", [("S1", "b", 170), ("S2", "a", 120)])
    table = assortment.places(
        sessions, cues, exported, log("starts_at", [("S2", "c", 1), ("S3", None, 1)])
    ).set_index(["session_id", "product_id"])
    assert table["place"].to_dict() == {
        ("S1", "a"): "early",
        ("S1", "b"): "middle",
        ("S2", "a"): "late",
    }  # the log of floor control wins, then the platform's
    assert table.loc[("S2", "a"), ["slot", "host"]].tolist() == ["18:00–21:00", "g"]
    assert assortment.places(sessions, cues.iloc[:0]).empty


def test_a_product_that_sells_better_in_another_third_is_to_change_its_slot():
    frame, late = products(sessions=16), {f"S{s:02d}" for s in range(0, 15, 2)}
    better = frame.assign(
        pay_users=frame["pay_users"].mask(
            (frame["product_id"] == "a") & frame["session_id"].isin(late), frame["pay_users"] * 2
        )
    )
    row = decided(better, placed=stands(frame, late=late)).loc["a"]
    assert (row["slot_state"], row["slot"], row["slot_now"], row["decision"]) == (
        "better",
        "late",
        "early",
        "change_slot",
    )
    assert row["slot_ratio"] == pytest.approx(2.0, rel=0.02) and 1 < row["slot_lower"] < 2
    assert (
        "后段" in row["why_zh"]
        and "前段" in row["why_zh"]
        and "2.0" in row["why_en"]
        and "last third" in row["why_en"]
    )
    # A strong half of sessions lifts everybody, and no slot of this product is the better for it.
    lifted = frame.assign(
        pay_users=frame["pay_users"].mask(frame["session_id"].isin(late), frame["pay_users"] * 2)
    )
    assert decided(lifted, placed=stands(frame, late=late)).loc["a", "slot_state"] == "none"


def test_too_few_sessions_in_another_slot_are_not_compared():
    frame = products(sessions=12)
    table = decided(frame, placed=stands(frame, late={"S00", "S01"}))
    assert (table["slot_state"] == "unknown").all() and np.isnan(table.loc["a", "slot_ratio"])
    assert "12" not in assortment.slot_note(table, "zh") and "8 个场数不够" in assortment.slot_note(
        table, "zh"
    )


def test_where_no_slot_is_better_few_products_are_told_to_move():
    """Of 60 products that stray by 15 % from night to night at most 5 % are told to move."""
    rng, told = np.random.default_rng(4), 0
    frame = products(sessions=16).assign(band=0)
    placed = stands(frame, late=set()).assign(
        place=rng.choice(["early", "middle", "late"], len(frame)),
        host=rng.choice(["g", "h"], len(frame)),
    )
    for _ in range(60):
        rate = 0.1 * np.exp(rng.normal(0, 0.15, len(frame)))
        drawn = frame.assign(
            pay_users=rng.binomial(400, np.clip(rate, 0, 1)).astype(float), click_users=400.0
        )
        found = assortment.elsewhere(reached(drawn), placed, "a", "S15")
        told += bool(((found["lower"] > 1) & (found["ratio"] >= 1 + RULES.limits.apart)).any())
    assert told <= 3
