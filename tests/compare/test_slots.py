"""Hosts and time slots.

Effects recomputed another way, what cannot be told apart is not, quiet accounts stay quiet.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from statsmodels.stats.multitest import multipletests

from helpers import reference
from helpers.compare import ads_budget, slots
from helpers.core import level_regression, stats

REGISTRY, THRESHOLDS, CALENDAR = reference.registry(), reference.thresholds(), reference.calendar()


def account(
    seed: int = 0, n: int = 80, host: float = 1.0, slot: float = 1.0, afternoon: str | None = None
) -> pd.DataFrame:
    """Described sessions: two hosts by turns, evenings and some afternoons, months that drift.

    B sells `host` times as much.
    """
    rng = np.random.default_rng(seed)
    days = pd.date_range("2026-02-02 20:00", periods=n, freq="2D", tz="Asia/Shanghai")
    late, who = np.arange(n) % 4 != 3, np.where(rng.random(n) < 0.5, "A", "B")
    who = np.where(~late, afternoon, who) if afternoon else who
    drift = np.repeat(rng.normal(0, 0.3, n // 10 + 1), 10)[:n]
    noise = (
        np.exp(drift + rng.normal(0, 0.25, n))
        * np.where(who == "B", host, 1.0)
        * np.where(late, slot, 1.0)
    )
    return pd.DataFrame(
        {
            "session_id": [f"s{k}" for k in range(n)],
            "started_at": days,
            "host": who,
            "block": np.where(late, "18:00–21:00", "12:00–15:00"),
            "weekday": days.day_of_week,
            "day": np.where(days.day_of_week >= 5, "rest", "work"),
            "month": days.strftime("%Y-%m"),
            "kind": "daily",
            "festive": False,
            "whole": True,
            "ordinary": True,
            "uv_value": noise,
            "room_conversion": 0.02 * noise,
            "ad_roi": 3 * np.exp(rng.normal(0, 0.3, n)),
            "roi": 2 * noise,
            "cost": 100.0,
            "brought": 200 * noise,
        }
    )


def test_a_host_effect_is_that_of_an_ordinary_regression_by_formula():
    frame = account(3, host=1.3)
    compared = level_regression.compared(
        frame, value="uv_value", by="host", adjust=("block", "day", "month")
    ).rest.set_index("level")
    other = smf.ols("np.log(uv_value) ~ C(host) + C(block) + C(day) + C(month)", frame).fit()
    low, high = other.conf_int().loc["C(host)[T.B]"]
    assert np.log(
        compared.loc["B", ["ratio", "lower", "upper"]].astype(float)
    ).tolist() == pytest.approx([other.params["C(host)[T.B]"], low, high])
    assert compared.loc["B", "p_value"] == pytest.approx(other.pvalues["C(host)[T.B]"])
    assert compared.loc["A", "ratio"] == pytest.approx(1 / compared.loc["B", "ratio"])
    assert compared["n"].sum() == len(frame)


def test_with_three_hosts_each_is_held_against_the_mean_of_the_others():
    frame = account(5).assign(host=lambda one: np.resize(["A", "B", "C"], len(one)))
    compared, both = level_regression.compared(frame, value="uv_value", by="host")
    compared = compared.set_index("level")
    logs = np.log(frame.groupby("host")["uv_value"].apply(lambda one: np.exp(np.log(one).mean())))
    for name in "ABC":
        assert np.log(compared.loc[name, "ratio"]) == pytest.approx(
            logs[name] - logs.drop(name).mean()
        )
    assert len(both) == 6 and (both["p_adjusted"] >= both["p_value"] - 1e-12).all()


def test_holm_is_that_of_the_library():
    rng = np.random.default_rng(0)
    for size in (1, 2, 7, 30):
        p = np.r_[rng.random(size) ** 3, np.nan]
        assert stats.holm(p)[:-1] == pytest.approx(
            multipletests(p[:-1], method="holm")[1]
        ) and np.isnan(stats.holm(p)[-1])


def test_a_host_who_never_shares_a_slot_is_not_compared():
    hosts = slots.hosts(
        account(1, host=3.0, afternoon="C"), ["uv_value"], registry=REGISTRY, thresholds=THRESHOLDS
    ).set_index("level")
    assert hosts["verdict"].to_dict() == {"A": "worse", "B": "better", "C": "not_comparable"}
    assert hosts.loc["A", "others"] == 1 and np.isnan(hosts.loc["C", "ratio"])
    words = slots.hosts_sentence(hosts.reset_index(), lang="zh")
    assert "C从不与别人同时段开播" in words and "B的UV价值比同时段其他主播高" in words


def test_one_host_no_host_and_too_few_sessions_say_so():
    for frame in (account().assign(host="A"), account().assign(host=np.nan), account(n=8).head(4)):
        hosts = slots.hosts(frame, slots.SHOWN, registry=REGISTRY, thresholds=THRESHOLDS)
        assert "无从比较" in slots.hosts_sentence(
            hosts, lang="zh"
        ) and "nothing to compare" in slots.hosts_sentence(hosts, lang="en")
        assert not hosts["verdict"].isin(["better", "worse"]).any()


def test_hosts_and_slots_without_a_difference_are_seldom_named():
    """Of 40 quiet accounts about one in twenty names a host or a slot for the budget.

    At most 5 of 40: over 96 % of such forties.
    """
    hosts, budgets = 0, 0
    for seed in range(40):
        frame = account(seed)
        hosts += (
            slots.hosts(frame, slots.SHOWN, registry=REGISTRY, thresholds=THRESHOLDS)["verdict"]
            .isin(["better", "worse"])
            .any()
        )
        budgets += ads_budget.budget(frame, thresholds=THRESHOLDS)["verdict"].eq("better").any()
    assert hosts <= 5 and budgets <= 5


def test_the_slot_that_is_worth_more_is_named_with_how_sure_that_is():
    budget = ads_budget.budget(account(2, slot=1.8), thresholds=THRESHOLDS).set_index("slot")
    assert (
        budget["verdict"].to_dict() == {"18:00–21:00": "better", "12:00–15:00": "worse"}
        and budget["apart"].all()
    )
    words = ads_budget.budget_sentence(budget.reset_index(), level_regression.NOTHING, lang="zh")
    assert words.startswith("18:00–21:00 更值得加预算") and "p=0.00" in words
    rows = ads_budget.to_findings(budget.reset_index(), level_regression.NOTHING)
    assert rows["verdict"].tolist() == ["better"] and rows["slice"].tolist() == ["slot:18:00–21:00"]
    words = [
        ads_budget.budget_sentence(
            budget.reset_index(), level_regression.Contrast(1.77, 1.57, 2.0, 0.001), lang=lang
        )
        for lang in ("zh", "en")
    ]
    assert (
        "广告成交多 77%（57% 到 100%）；这只是同时出现" in words[0]
        and "77% more by ads (57% to 100%); that is an association" in words[1]
    )
    mixed = ads_budget.budget(account(2, slot=1.8, afternoon="C"), thresholds=THRESHOLDS)
    assert not mixed["apart"].any() and "分不开" in ads_budget.budget_sentence(
        mixed, level_regression.NOTHING, lang="zh"
    )


def test_what_double_the_spend_brought_is_found_again():
    rng = np.random.default_rng(1)
    frame = account(1).assign(cost=lambda one: 100 * np.exp(rng.normal(0, 0.5, len(one))))
    frame = frame.assign(brought=50 * frame["cost"] ** 0.5 * np.exp(rng.normal(0, 0.1, len(frame))))
    grows = ads_budget.marginal(frame)
    assert grows.lower < 2**0.5 < grows.upper and grows.upper - grows.lower < 0.15
    assert np.isnan(ads_budget.marginal(frame.head(20)).ratio)


# ----------------------------------------------------------------------------------- the heat maps


def test_cells_are_drawn_to_the_account_and_small_ones_stay_blank():
    frame = account(7, n=60)
    cells = slots.cells(frame, ["uv_value"], registry=REGISTRY)
    counts = frame.groupby(["block", "weekday"]).size()
    for row in cells.itertuples():
        n = counts.get((row.row, row.weekday), 0)
        assert row.n == n and np.isfinite(row.value) == (n >= slots.FEWEST)
        if n >= slots.FEWEST:
            logs = np.log(
                frame.loc[
                    (frame["block"] == row.row) & (frame["weekday"] == row.weekday), "uv_value"
                ]
            ).mean()
            level = np.log(row.value) - np.log(row.relative)
            assert min(logs, level) - 1e-9 <= np.log(row.value) <= max(logs, level) + 1e-9
            assert row.lower < row.value < row.upper
    festive = slots.cells(frame.assign(ordinary=False), ["uv_value"], registry=REGISTRY)
    assert festive.empty or festive["value"].isna().all()


def test_shrunken_means_are_those_of_a_long_simulation():
    """The hierarchy by rejection.

    Level and spread drawn flat, kept by how well they explain the means.
    """
    means, errors, draws = (
        np.array([1.0, 1.4, 0.7, 1.1, 1.9]),
        np.array([0.2, 0.4, 0.3, 0.2, 0.5]),
        200_000,
    )
    rng = np.random.default_rng(0)
    tau, level = rng.uniform(0, 3 * means.std(), draws), rng.uniform(-1, 4, draws)
    spread = np.sqrt(tau[:, None] ** 2 + errors**2)
    likely = np.exp(-0.5 * ((means - level[:, None]) / spread) ** 2).prod(axis=1) / spread.prod(
        axis=1
    )
    keep = rng.random(draws) < likely / likely.max()
    inner = 1 / (1 / tau[keep][:, None] ** 2 + 1 / errors**2)
    draws = inner * (level[keep][:, None] / tau[keep][:, None] ** 2 + means / errors**2) + np.sqrt(
        inner
    ) * rng.standard_normal((keep.sum(), 5))
    shrunken, spread, common = stats.shrink_means(means, errors)
    assert keep.sum() > 2000
    assert shrunken == pytest.approx(draws.mean(axis=0), abs=0.03) and spread == pytest.approx(
        draws.std(axis=0), abs=0.03
    )
    assert common == pytest.approx(level[keep].mean(), abs=0.03)


def test_the_title_names_the_best_cell_only_where_cells_differ():
    quiet = slots.cells(account(11), ["uv_value"], registry=REGISTRY)
    loud = slots.cells(account(11, slot=3.0), ["uv_value"], registry=REGISTRY)
    assert "分不出高低" in slots.map_sentence(quiet, lang="zh", currency="CNY")
    words = slots.map_sentence(loud, lang="zh", currency="CNY")
    best = loud.loc[loud["value"].idxmax()]
    assert f"UV价值{best['column_zh']} 18:00–21:00" in words and "最低" in words
    none = slots.cells(account(n=8).head(2), ["uv_value"], registry=REGISTRY)
    assert "场次都太少" in slots.map_sentence(none, lang="zh", currency="CNY")


def test_the_return_of_a_sessions_ads_stands_beside_that_of_the_comparable_ones_by_both_accounts():
    """Recomputed row by row.

    What has no cost or no amount takes no part, organic sources neither.
    """
    spent = pd.DataFrame(
        {
            "session_id": list("abcde"),
            "cost": [100.0, 50, 150, 0, np.nan],
            "brought": [150.0, 100, 200, 10, 5],
        }
    )
    traffic = pd.DataFrame(
        {
            "session_id": ["a", "a", "a", "b", "c"],
            "is_paid": [True, True, False, True, None],
            "ad_cost": [60.0, 40, np.nan, 50, 9],
            "paid_amount": [30.0, 20, 900, 40, 9],
        }
    )
    returned = ads_budget.ads_return(
        spent, traffic, session_id="a", base=["b", "c", "d", "e"]
    ).set_index("line")
    assert returned.loc[
        "ads_account", ["value", "baseline", "cost", "usual_cost", "n"]
    ].tolist() == [
        1.5,
        300 / 200,
        100,
        (50 + 150) / 2,
        2,
    ]
    assert returned.loc["traffic_sources", ["value", "baseline", "n"]].tolist() == [0.5, 0.8, 1]
    assert (
        ads_budget.ads_return(spent, traffic, session_id="d", base=["a"]).empty
        and ads_budget.ads_return(spent, traffic, session_id="e", base=[]).empty
    )


def test_ads_of_one_session_are_counted_at_their_finest_slots():
    frame = account(n=8)
    ads = pd.DataFrame(
        {
            "session_id": ["s0", "s0", "s0", "s1", None],
            "slot_seconds": [3600.0, 3600, 86400, np.nan, 3600],
            "cost": [10.0, 20, 31, 0, 5],
            "amount": [30.0, 60, 99, 10, 5],
        }
    )
    spent = ads_budget.with_ads(frame, ads).set_index("session_id")
    assert spent.loc["s0", ["cost", "brought", "roi"]].tolist() == [30, 90, 3]
    assert np.isnan(spent.loc["s1", "roi"]) and spent["roi"].notna().sum() == 1


def test_findings_of_hosts_whose_names_are_cut_alike_are_not_the_same():
    hosts = slots.hosts(
        account(2, host=3.0), ["uv_value"], registry=REGISTRY, thresholds=THRESHOLDS
    )
    best = hosts[hosts["verdict"] == "better"].head(1)
    long = "名字特别长的主播" * 5
    both = pd.concat([best.assign(level=f"{long}甲"), best.assign(level=f"{long}乙")])
    assert slots.to_findings(both)["slice"].tolist() == [f"host:{long}甲", f"host:{long}乙"]
