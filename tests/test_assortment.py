"""Keep, change slot, restock or drop: the evidence recomputed by hand, and each rule met by a product made for it."""

import numpy as np
import pandas as pd
import pytest

from helpers import assortment, findings, reference, stats

RULES, REGISTRY = reference.assortment(), reference.metrics()
COSTS = pd.DataFrame({"item": ["unit_cost"] * 2, "product_id": ["a", "b"], "amount": [40.0, 90.0]})


def products(*, sessions: int = 12, units: int = 8, a: tuple[float, float] = (0.10, 0.10), refunds: float = 20.0, tier: str = "profit") -> pd.DataFrame:
    """`units` products at a price of 100, all clicked by 10 % and bought by 10 % of those; product a as told. Ten orders in a session of it."""
    rows = []
    for s in range(sessions):
        for u in range(units):
            click, buy = a if u == 0 else (0.10, 0.10)
            n = 20_000.0
            pays = n * click * buy
            rows.append({"session_id": f"S{s:02d}", "product_id": "abcdefgh"[u], "sku_id": None, "name": f"商品 {'abcdefgh'[u]}", "tier": tier, "price": 100.0,
                         "exposure_users": n, "click_users": n * click, "pay_users": pays, "orders": pays, "units": pays, "paid_amount": pays * 100,
                         "refund_orders": pays * (refunds if u == 0 else 20.0) / 100})
    return pd.DataFrame(rows)


def decided(frame: pd.DataFrame, *, sold_out: float | None = 0.0, costs: pd.DataFrame = COSTS, finished: bool = True) -> pd.DataFrame:
    gone = None if sold_out is None else pd.DataFrame({"product_id": ["a"], "minutes": [40.0], "share": [sold_out]}) if sold_out else pd.DataFrame(columns=["product_id", "minutes", "share"])
    ids = sorted(frame["session_id"].unique())
    table = assortment.evidence(frame, ids[-1], recent=ids, finished=ids if finished else [], costs=costs, commission=0.05, sold_out=gone, rules=RULES)
    return assortment.decide(table, RULES).set_index("product_id")


# ---- the evidence


def test_a_rate_is_held_against_products_of_its_price_in_the_same_sessions():
    frame = products(a=(0.10, 0.05)).assign(band=0)
    found = assortment.against_like(frame, "a", "pay_users", "click_users")
    assert found.value == pytest.approx(0.5, rel=0.01) and found.lower < 0.5 < found.upper < 0.7
    # All of one session doubled for everybody: no product is the better for it.
    strong = frame.assign(pay_users=frame["pay_users"].where(frame["session_id"] != "S03", frame["pay_users"] * 2))
    assert assortment.against_like(strong, "a", "pay_users", "click_users").value == pytest.approx(0.5, rel=0.02)
    # Dearer products that hardly sell are not its like.
    dear = frame[frame["product_id"].isin(list("fgh"))].assign(band=2, pay_users=1.0)
    mixed = pd.concat([frame[~frame["product_id"].isin(list("fgh"))], dear])
    assert assortment.against_like(mixed, "a", "pay_users", "click_users").value == pytest.approx(0.5, rel=0.02)


def test_the_interval_holds_the_spread_between_sessions():
    frame = products(sessions=30, a=(0.10, 0.10)).assign(band=0)
    rng = np.random.default_rng(3)
    factor = pd.Series(np.exp(rng.normal(0, 0.4, 30)), index=[f"S{s:02d}" for s in range(30)])
    shaken = frame.assign(pay_users=frame["pay_users"].mask(frame["product_id"] == "a", frame["pay_users"] * frame["session_id"].map(factor)))
    calm, wild = (assortment.against_like(one, "a", "pay_users", "click_users") for one in (frame, shaken))
    assert wild.upper / wild.lower > 1.15 * calm.upper / calm.lower
    few = assortment.against_like(frame[frame["session_id"] <= "S01"], "a", "pay_users", "click_users")
    assert np.isnan(few.value)


def test_equal_products_are_seldom_called_unlike():
    """150 products of 12 sessions that stray by 15 %: under 5 % are called low or high."""
    rng, called = np.random.default_rng(8), 0
    frame = products().assign(band=0)
    for _ in range(150):
        rate = 0.1 * np.exp(rng.normal(0, 0.15, len(frame)))
        drawn = frame.assign(pay_users=rng.binomial(400, np.clip(rate, 0, 1)), click_users=400.0)
        found = assortment.against_like(drawn, "a", "pay_users", "click_users")
        called += not found.lower <= 1 <= found.upper
    assert called / 150 <= 0.08


@pytest.mark.parametrize(("ratio", "state"), [
    ((0.6, 0.5, 0.72), "low"), ((0.9, 0.85, 0.96), "usual"), ((1.5, 1.2, 1.9), "high"), ((0.7, 0.4, 1.2), "unclear"), ((np.nan,) * 3, "unknown"),
])
def test_states_follow_from_the_interval(ratio, state):
    assert assortment.standing(stats.Estimate(*ratio), band=0.35, least=0.2) == state


def test_returns_and_margin_are_those_worked_out_by_hand():
    row = decided(products(refunds=30.0)).loc["a"]
    assert row["returns"] == pytest.approx(0.3) and (row["returns_lower"], row["returns_upper"]) == pytest.approx(stats.wilson(720, 2400), abs=1e-6)
    assert row["margin"] == pytest.approx(1 - 0.40 - 0.05)  # 40 of 100 for the goods, 5 % commission
    assert decided(products(refunds=30.0), finished=False).loc["a", "returns_state"] == "unknown"
    assert decided(products()).loc["b", "margin"] == pytest.approx(0.05) and np.isnan(decided(products()).loc["c", "margin"])


# ---- the verdicts


@pytest.mark.parametrize(("made", "options", "verdict"), [
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
])
def test_each_rule_is_met_by_a_product_made_for_it(made, options, verdict):
    row = decided(products(**made), **options).loc["a"]
    assert row["decision"] == verdict, row[[name for name in row.index if name.endswith("_state")]].to_dict()
    assert row["decision_zh"] == RULES.verdicts[verdict].zh and row["why_zh"] and row["why_en"]


def test_every_rule_can_decide():
    """No rule is hidden behind an earlier one: for each there is a combination of states that it is the first to fit."""
    states = {"click": ["low", "usual", "high", "unclear", "unknown"], "conversion": ["low", "usual", "high", "unclear", "unknown"],
              "returns": ["low", "usual", "high", "unclear", "unknown"], "margin": ["loss", "thin", "fine", "unknown"],
              "sold_out": ["some", "none", "unknown"], "tier": ["traffic", "profit", "image", "unknown"]}
    rows = pd.MultiIndex.from_product(states.values(), names=[f"{name}_state" for name in states]).to_frame(index=False)
    said = assortment.decide(rows.assign(conversion_lower=0.9, conversion_upper=1.1), RULES)["why_zh"].unique()
    assert {rule.zh.format(conversion=RULES.standing["level"].zh) for rule in RULES.rules} <= set(said)


@pytest.mark.parametrize(("ratio", "zh", "en"), [
    ((0.88, 0.82, 0.96), "略低于同价位", "slightly below its price band"), ((1.10, 1.01, 1.19), "略高于同价位", "slightly above its price band"),
    ((0.95, 0.85, 1.06), "与同价位分不出高低", "not clearly different from its price band"), ((1.43, 1.12, 1.81), "转化高于同价位", "conversion is above its price band"),
])
@pytest.mark.parametrize("returns", ["low", "usual", "high", "unclear"])
@pytest.mark.parametrize("sold_out", ["some", "none"])
def test_the_reason_says_what_the_interval_says(ratio, zh, en, returns, sold_out):
    names = dict(zip(("conversion", "conversion_lower", "conversion_upper"), ratio, strict=True))
    state = assortment.standing(stats.Estimate(*ratio), band=0.35, least=0.2)
    row = {**names, "conversion_state": state, "click_state": "usual", "returns_state": returns, "margin_state": "fine", "sold_out_state": sold_out, "tier_state": "profit"}
    told = assortment.decide(pd.DataFrame([row]), RULES).iloc[0]
    assert zh in told["why_zh"] and en in told["why_en"]


def test_sentences_say_the_evidence_and_only_of_what_is_to_change():
    table = decided(products(a=(0.10, 0.05)), sold_out=0.01).reset_index()
    rows = findings.frame(assortment.to_findings(table, notebook="05_aftersales"))
    assert len(rows) == 1 and rows["slice"][0] == "商品 a (a)" and rows["verdict"][0] == "not_comparable"
    assert "汰换" in rows["sentence_zh"][0] and "12 场" in rows["sentence_zh"][0] and "40 分钟" in rows["sentence_zh"][0]
    assert "over 12 sessions" in rows["sentence_en"][0] and "margin 55.0%" in rows["sentence_en"][0]


def test_no_products_give_an_empty_table():
    table = assortment.decide(assortment.evidence(products().iloc[:0], "S", recent=[], finished=[], costs=COSTS, commission=0.0, sold_out=None, rules=RULES), RULES)
    assert table.empty and assortment.to_findings(table, notebook="05_aftersales") == []


@pytest.mark.parametrize(("old", "new", "message"), [
    ("verdict: restock", "verdict: buy_more", "buy_more"), ("margin: [loss]", "margin: [deficit]", "margin"), ("apart: 0.20", "apart: 20", "apart"),
    ("when: {conversion: [high]}", "when: {}", "at least one condition"), ("thin_margin: 0.15", "thin_margin: 0.15\n  more: 1", "more"),
])
def test_rules_that_have_no_meaning_are_refused(tmp_path, old, new, message):
    content = (reference.SHIPPED / "assortment.yml").read_text(encoding="utf-8")
    assert old in content
    (tmp_path / "assortment.yml").write_text(content.replace(old, new), encoding="utf-8")
    with pytest.raises(reference.ReferenceDataError, match=message):
        reference.assortment(tmp_path)
