"""Viewer events against loops: the ordered funnel with its windows, and unpaid carts."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from matplotlib.collections import LineCollection, PathCollection

from helpers import demo, reference
from helpers.compare import stakes
from helpers.core import engine, stats
from helpers.funnel import viewer_events
from helpers.reference import Funnel
from helpers.report import charts

ZONE = "Asia/Shanghai"
START = pd.Timestamp("2026-11-10 20:00", tz=ZONE)
QUICK = (Phase.explicit, Phase.reuse, Phase.generate)  # shrinking a case costs minutes
EVENTS = ("expose", "click", "create", "pay")


def spec(minutes=(None, None, None, None), *, ordered=True, events=EVENTS) -> Funnel:
    steps = [
        {"column": event, "zh": event, "en": event, "within_minutes": each}
        for event, each in zip(events, minutes, strict=True)
    ]
    return Funnel.model_validate(
        {
            "zh": "漏斗",
            "en": "Funnel",
            "table": "actions",
            "unit": "users",
            "ordered": ordered,
            "steps": steps,
        }
    )


def log(*rows: tuple) -> pd.DataFrame:
    """Events as (seconds after the start, person, event, product, source)."""
    events = pd.DataFrame(rows, columns=["at", "user_key", "event", "product_id", "source"])
    texts = {name: "str" for name in events.columns.drop("at")}
    return events.astype(texts).assign(
        at=(START + pd.to_timedelta(events["at"].astype(float), unit="s")).astype(
            pd.DatetimeTZDtype("us", ZONE)
        )
    )


def counted(events: pd.DataFrame, funnel: Funnel, *by: str, **how) -> pd.DataFrame:
    return viewer_events.people(engine.table(events), funnel, by=by, **how)


# ---- the dumb way


def loop(
    rows: list[tuple], funnel: Funnel, places: tuple[int, ...]
) -> dict[tuple, tuple[int, list[float]]]:
    """By (group, step) the number of people who reached it, and their seconds.

    By trying every pair of events.
    """
    people: dict[tuple, dict[tuple, list[float]]] = {}
    for row in rows:
        key = tuple(row[place] for place in (*places, 1))
        if None not in key:
            people.setdefault(key, {}).setdefault(row[2], []).append(row[0])
    reached: dict[tuple, tuple[int, list[float]]] = {}
    for key, events in people.items():
        hits, first = None, None
        for number, step in enumerate(funnel.steps, 1):
            here = events.get(step.column, [])
            limit = np.inf if step.within_minutes is None else step.within_minutes * 60
            if hits is not None and funnel.ordered:
                here = [t for t in here if any(0 <= t - before <= limit for before in hits)]
            if not here:
                break
            count, seconds = reached.setdefault((key[:-1], number), (0, []))
            reached[key[:-1], number] = (
                count + 1,
                [*seconds, *([] if first is None or not funnel.ordered else [min(here) - first])],
            )
            hits, first = here, min(here)
    return reached


def same(table: pd.DataFrame, expected: dict, by: tuple[str, ...]) -> None:
    got = {
        (tuple(row[name] for name in by), int(row["step"])): row
        for _, row in table[table["users"] > 0].iterrows()
    }
    assert got.keys() == expected.keys()
    for key, (users, seconds) in expected.items():
        assert got[key]["users"] == users, key
        for name, share in viewer_events.QUANTILES.items():
            value = np.quantile(seconds, share) if seconds else np.nan
            assert got[key][name] == pytest.approx(value, nan_ok=True), (key, name)


event = st.tuples(
    st.integers(0, 12).map(lambda tens: tens * 10),
    st.sampled_from(["a", "b", "c", None]),
    st.sampled_from([*EVENTS, "like"]),
    st.sampled_from(["p1", "p2", None]),
    st.sampled_from([f"s{number}" for number in range(12)]),
)
windows = st.tuples(st.none(), *[st.sampled_from([None, 0.25, 0.5, 1.0])] * 3)


@settings(max_examples=15, deadline=None, phases=QUICK)
@given(
    rows=st.lists(event, min_size=1, max_size=300),
    minutes=windows,
    by=st.sampled_from([(), ("source",), ("product_id", "source")]),
    ordered=st.booleans(),
    doubled=st.booleans(),
)
def test_the_funnel_is_that_of_a_loop_over_every_pair_of_events(
    rows, minutes, by, ordered, doubled
):
    """Times of ten seconds make ties, rows come in any order, and half of the logs are doubled.

    A source is a log of its own.
    """
    rows = rows * (2 if doubled else 1)
    funnel = spec(minutes if ordered else (None,) * 4, ordered=ordered)
    places = tuple({"product_id": 3, "source": 4}[name] for name in by)
    same(counted(log(*rows), funnel, *by), loop(rows, funnel, places), by)


# ---- by hand


def users(events: pd.DataFrame, funnel: Funnel, **how) -> list[float]:
    return viewer_events.steps(counted(events, funnel, **how), funnel)["users"].tolist()


def test_a_second_attempt_counts_and_the_window_holds_its_bound():
    rows = [
        (0, "a", "click", "p", "s"),
        (3600, "a", "click", "p", "s"),
        (3660, "a", "create", "p", "s"),
        (5460, "a", "pay", "p", "s"),
        (0, "b", "click", "p", "s"),
        (1800.5, "b", "create", "p", "s"),
    ]
    short = spec((None, 30, 30), events=("click", "create", "pay"))
    assert users(log(*rows), short) == [2, 1, 1], (
        "b ordered half a second too late, a paid exactly 30 minutes after the order"
    )
    times = counted(log(*rows), short).set_index("step")["seconds_median"]
    assert times[2] == 3660 and times[3] == 1800, "the times run from the first click"


def test_a_step_that_only_a_skipped_one_leads_to_is_not_reached():
    rows = [
        (0, "a", "expose", "p", "s"),
        (10, "a", "create", "p", "s"),
        (20, "a", "click", "p", "s"),
        (30, "a", "pay", "p", "s"),
    ]
    assert users(log(*rows), spec()) == [1, 1, 0, 0]
    assert users(log(*rows), spec(ordered=False)) == [1, 1, 1, 1]


def test_a_chain_stays_within_its_group_and_people_are_not_added_up():
    rows = [
        (0, "a", "expose", "p", "s"),
        (10, "a", "click", "q", "s"),
        (0, "a", "expose", "q", "t"),
        (5, "a", "click", "q", "t"),
    ]
    by_product = viewer_events.steps(counted(log(*rows), spec(), "product_id"), spec()).set_index(
        ["product_id", "step"]
    )["users"]
    assert (by_product["p", 1], by_product["p", 2], by_product["q", 2]) == (1, 0, 1)
    assert users(log(*rows), spec())[:2] == [1, 1]


def test_the_frame_is_that_of_a_funnel_from_counts():
    from helpers import funnel

    rows = [
        (second, person, event, "p", "s")
        for second, event in enumerate(EVENTS)
        for person in "abcdefgh"[: 8 - 2 * second]
    ]
    table = viewer_events.steps(counted(log(*rows), spec()), spec())
    plain = funnel.steps(pd.Series({"expose": 8, "click": 6, "create": 4, "pay": 2}), spec())
    pd.testing.assert_frame_equal(table[plain.columns], plain)
    assert table["seconds_median"].tolist()[1:] == [1, 1, 1]


def test_an_empty_log_has_no_group_and_a_funnel_of_zeros():
    nobody = log().iloc[:0]
    assert counted(nobody, spec(), "source").empty
    assert users(nobody, spec()) == [0, 0, 0, 0]


def test_visits_can_be_counted_instead_of_people():
    rows = log(
        (0, "a", "expose", "p", "s"), (10, "a", "click", "p", "s"), (20, "a", "expose", "p", "s")
    ).assign(visit_id=["v1", "v2", "v2"])
    assert users(rows, spec(), who="visit_id")[:2] == [2, 0]
    assert users(rows, spec())[:2] == [1, 1]


# ---- the funnels of the reference file


def test_funnels_of_events_are_checked():
    shipped = [funnel for funnel in reference.funnels().values() if funnel.table == "actions"]
    assert {"viewer_room", "viewer_product", "viewer_cart"} <= set(reference.funnels()) and all(
        funnel.unit == "users" for funnel in shipped
    )
    with pytest.raises(ValueError, match="follows another one in time"):
        spec((30, None, None, None))
    with pytest.raises(ValueError, match="follows another one in time"):
        spec((None, 30, None, None), ordered=False)
    with pytest.raises(ValueError, match="each event is one step"):
        spec((None, None), events=("click", "click"))


def test_an_unknown_event_is_refused_by_name(tmp_path):
    (tmp_path / "funnels.yml").write_text(
        (
            "mine: {zh: 我, en: Mine, table: actions, unit: users, steps: [{column: click, zh: 点, "
            "en: C}, {column: teleport, zh: 传, en: T}]}"
        ),
        encoding="utf-8",
    )
    with pytest.raises(reference.ReferenceDataError, match="teleport"):
        reference.funnels(tmp_path)


# ---- carts


def unpaid(waits: list[tuple[float, bool]], mark: float) -> float:
    """Kaplan-Meier by hand: what is left after each moment at which something was paid."""
    left = 1.0
    for moment in sorted({seconds for seconds, paid in waits if paid and seconds <= mark}):
        at_risk = sum(seconds >= moment for seconds, _ in waits)
        left *= 1 - sum(paid and seconds == moment for seconds, paid in waits) / at_risk
    return left


@settings(max_examples=15, deadline=None, phases=QUICK)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(0, 40).map(lambda minutes: minutes * 60),
            st.sampled_from("abcdef"),
            st.sampled_from(["cart", "pay", "click"]),
            st.sampled_from(["p1", "p2", None]),
            st.sampled_from(["feed", "ads"]),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_unpaid_carts_are_those_of_a_loop_with_kaplan_meier_by_hand(rows):
    end, mark = 2400, 1800
    waits: dict[str, list[tuple[float, bool]]] = {}
    for person, product, source in {(row[1], row[3], row[4]) for row in rows}:
        begun = [row[0] for row in rows if row[1:] == (person, "cart", product, source)]
        if begun:
            paid = [
                row[0] - min(begun)
                for row in rows
                if row[1:4] == (person, "pay", product) and row[0] >= min(begun)
            ]
            took = min([*paid, end - min(begun)])
            waits.setdefault(source, []).append((min(took, mark), bool(paid) and min(paid) <= mark))
    table = viewer_events.carts(
        engine.table(log(*rows)), by=["source"], until=START + pd.Timedelta(seconds=end)
    ).set_index("source")
    assert set(table.index) == set(waits)
    for source, each in waits.items():
        left = unpaid(each, mark)
        waited = max(seconds for seconds, _ in each) >= mark or left == 0
        assert table.loc[source, "rate"] == pytest.approx(left if waited else np.nan, nan_ok=True)
        assert table.loc[source, ["carts", "paid", "unknown"]].tolist() == [
            len(each),
            sum(paid for _, paid in each),
            sum(not paid and seconds < mark for seconds, paid in each),
        ]


def test_a_young_cart_is_unknown_and_not_unpaid():
    old = [(0, f"o{number}", "cart", "p", "s") for number in range(10)] + [
        (60, f"o{number}", "pay", "p", "s") for number in range(6)
    ]
    young = [(3000, f"y{number}", "cart", "p", "s") for number in range(10)]
    row = viewer_events.carts(
        engine.table(log(*old, *young)), until=START + pd.Timedelta(seconds=3030)
    ).iloc[0]
    assert (row["carts"], row["paid"], row["unknown"]) == (20, 6, 10)
    assert row["rate"] == pytest.approx(0.4), (
        "not 14 of 20: the ten that are 30 seconds old say nothing of the first minute"
    )
    assert row["ci_lower"] < 0.4 < row["ci_upper"]
    assert np.isnan(
        viewer_events.carts(engine.table(log(*young)), until=START + pd.Timedelta(seconds=3030))[
            "rate"
        ].item()
    )


def test_no_cart_no_row():
    assert viewer_events.carts(engine.table(log((0, "a", "click", "p", "s"))), until=START).empty


# ---- one group against the others


def test_a_leak_of_one_source_stands_out_at_its_step_alone():
    rows = [(0, f"{source}{n}", "click", "p", source) for source in "abc" for n in range(400)]
    rows += [
        (9, f"{source}{n}", "create", "p", source)
        for source in "abc"
        for n in range(60 if source == "b" else 160)
    ]
    rows += [
        (20, f"{source}{n}", "pay", "p", source)
        for source in "abc"
        for n in range(48 if source == "b" else 128)
    ]
    funnel = spec((None, 30, 30), events=("click", "create", "pay"))
    table = viewer_events.steps(counted(log(*rows), funnel, "source"), funnel)
    compared = viewer_events.against_others(table, min_people=30)
    assert compared.set_index(["source", "column"])["standing"].to_dict() == {
        ("a", "create"): "above",
        ("b", "create"): "below",
        ("c", "create"): "above",
        ("a", "pay"): "cannot_tell",
        ("b", "pay"): "cannot_tell",
        ("c", "pay"): "cannot_tell",
    }
    leak = compared.set_index(["source", "column"]).loc[("b", "create")]
    assert leak["rate"] == 60 / 400 and leak["others_rate"] == 320 / 800 and leak["people"] == 400


def test_a_step_is_drawn_with_its_intervals_and_said_for_who_cannot_see_it():
    """Of 400 who clicked in each source a few order; the fourth has too few people to be drawn."""
    orders = {"a": 160, "b": 60, "c": 100}
    rows = [(0, f"{source}{n}", "click", "p", source) for source in orders for n in range(400)] + [
        (0, f"d{n}", "click", "p", "d") for n in range(5)
    ]
    rows += [
        (9, f"{source}{n}", "create", "p", source)
        for source, many in orders.items()
        for n in range(many)
    ]
    funnel = spec((None, 30, 30), events=("click", "create", "pay"))
    compared = viewer_events.against_others(
        viewer_events.steps(counted(log(*rows), funnel, "source"), funnel), min_people=30
    )
    drawn, whole = viewer_events.of_step(
        compared, viewer_events.steps(counted(log(*rows), funnel), funnel), "create"
    )
    assert (
        drawn["label"].tolist() == ["a", "c", "b"]
        and drawn["rate"].tolist() == [0.4, 0.25, 0.15]
        and whole == 320 / 1205
    )
    axes = charts.rates(drawn, lang="zh", reference=whole, reference_label="全部")
    points = next(
        group for group in axes.collections if isinstance(group, PathCollection)
    ).get_offsets()
    bounds = next(
        group for group in axes.collections if isinstance(group, LineCollection)
    ).get_segments()
    assert np.asarray(points)[:, 0].tolist() == drawn["rate"].tolist()
    assert [(line[0][0], line[1][0]) for line in bounds] == [
        tuple(stats.wilson(many, 400)) for many in (160, 100, 60)
    ]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["a", "c", "b"]
    sentence = viewer_events.step_words(drawn, whole, "en")
    assert (
        sentence.startswith("3 sources: highest a 40.0% (95% interval")
        and "lowest b 15.0%" in sentence
        and sentence.endswith("all together 26.6%.")
    )


# ---- counts by product and source


def test_a_funnel_leaves_out_what_the_log_never_has_and_keeps_what_nobody_reached():
    shipped = spec((None, None, 30, 30))
    later = log((0, "a", "click", "p", "s"), (9, "a", "create", "p", "s"))
    seen = viewer_events.logged(engine.table(later), shipped)
    assert [(step.column, step.within_minutes) for step in seen.steps] == [
        ("click", None),
        ("create", 30),
        ("pay", 30),
    ]
    assert users(later, seen) == [1, 1, 0] and users(later, shipped) == [0, 0, 0, 0]
    only = log((0, "a", "pay", "p", "s"))
    assert [
        (step.column, step.within_minutes)
        for step in viewer_events.logged(engine.table(only), shipped).steps
    ] == [("pay", None)]
    assert viewer_events.logged(engine.table(log().iloc[:0]), shipped) == shipped


def test_counts_by_product_and_source_are_those_of_a_loop(simulated):
    """The log of one session of the demo, and its clicks alone, as sets of people by hand.

    Each event of the demo comes in its order.
    """
    every = simulated.tables["actions"]
    every = every[every["session_id"] == simulated.truth["target_session"]]
    product = reference.funnels()["viewer_product"]
    by_hand = {
        key: {event: set(rows.loc[rows["event"] == event, "user_key"]) for event in EVENTS}
        for key, rows in every.groupby(["product_id", "source"])
    }
    table = viewer_events.cells(engine.table(every), product).set_index(["product_id", "source"])
    assert list(table.columns) == [
        "exposure_users",
        "click_users",
        "create_users",
        "pay_users",
    ] and set(table.index) == set(by_hand)
    for key, people in by_hand.items():
        assert table.loc[key].tolist()[:2] == [
            len(people["expose"]),
            len(people["expose"] & people["click"]),
        ]
        assert table.loc[key, "create_users"] <= len(people["create"])
    alone = viewer_events.cells(engine.table(every[every["event"] != "expose"]), product).set_index(
        ["product_id", "source"]
    )
    assert (
        alone["exposure_users"].isna().all()
        and (alone["click_users"] == table["click_users"].reindex(alone.index)).all()
    )
    assert alone["create_users"].sum() == table["create_users"].sum() > 100


@pytest.mark.parametrize(
    ("change", "missing"),
    [
        (lambda log: log[log["event"] != "pay"], ["pay_users"]),
        (
            lambda log: log.assign(source=log["source"].mask(log["event"].isin(["create", "pay"]))),
            ["create_users", "pay_users"],
        ),
        (
            lambda log: log.assign(product_id=log["product_id"].mask(log["event"] == "create")),
            ["create_users"],
        ),
        (
            lambda log: log.assign(user_key=log["user_key"].mask(log["event"] == "expose")),
            ["exposure_users"],
        ),
    ],
)
def test_a_step_that_the_log_has_of_no_product_and_source_is_missing_and_no_money(change, missing):
    """Seven earlier sessions have every step, the eighth log lacks one, or the names at it.

    Nobody knows who left there.
    """
    people = (("expose", 300), ("click", 180), ("create", 90), ("pay", 80))
    whole = log(
        *(
            (10 * step, f"u{person}", name, f"p{cell % 3}", f"s{cell // 3}")
            for cell in range(6)
            for step, (name, many) in enumerate(people)
            for person in range(many)
        )
    )
    product = reference.funnels()["viewer_product"]
    past, now = (
        viewer_events.cells(engine.table(events), product) for events in (whole, change(whole))
    )
    assert (past.iloc[:, 2:] == [300, 180, 90, 80]).all(axis=None)
    assert (
        now[missing].isna().all(axis=None)
        and now.drop(columns=missing).notna().all(axis=None)
        and len(now) == 6
    )
    priced = [
        cells.assign(session_id=name, paid_amount=8000.0)
        for name, cells in [("NOW", now), *((f"S{s}", past) for s in range(7))]
    ]
    sized = stakes.lines(
        priced[0],
        pd.concat(priced[1:]),
        [f"S{s}" for s in range(7)],
        reference.funnels()["product_people"],
        key=["product_id", "source"],
        min_people=30,
    )
    if "pay_users" in missing:
        assert sized.empty
    else:
        assert (
            not set(missing) & {*sized["below"], *sized["above"]}
            and sized["odd"].max() < 0.3
            and len(sized)
        )


# ---- the demo's log


@pytest.fixture(scope="module")
def simulated() -> demo.Simulation:
    return demo.simulate(demo.SEED, sessions=40, tables=("actions",))


def test_the_demos_log_holds_the_people_of_its_cells(simulated):
    log = simulated.tables["actions"]
    whole = log["session_id"].isin(log.loc[log["event"] == "enter", "session_id"])
    later = log[~whole]
    assert (
        set(later["event"]) == {"click", "cart", "create", "pay"}
        and later["session_id"].nunique() == 11
    ), "the log was tried out from the click on"
    assert log["at"].is_monotonic_increasing
    many = (
        later[later["event"] == "click"]
        .groupby(["session_id", "source", "product_id"])["user_key"]
        .nunique()
    )
    clicks = simulated.cells.set_index(["session_id", "source", "product_id"])[
        "product_click_users"
    ]
    assert (many == clicks.reindex(many.index)).all() and many.sum() == clicks[
        clicks.index.isin(later["session_id"].unique(), level=0)
    ].sum()
    log = log[whole]
    cells = simulated.cells[simulated.cells["session_id"].isin(log["session_id"])].set_index(
        ["session_id", "source", "product_id"]
    )
    people = (
        log[log["product_id"].notna()]
        .groupby(["session_id", "source", "product_id", "event"])["user_key"]
        .agg(["nunique", "size"])
        .unstack(fill_value=0)
    )
    people = people.reindex(cells.index, fill_value=0)
    for event, column in (
        ("expose", "product_exposure_users"),
        ("click", "product_click_users"),
        ("create", "create_users"),
    ):
        assert (people["nunique", event] == cells[column]).all(), event
    assert (people["size", "pay"] == cells["orders"]).all()
    entered = log[log["event"] == "enter"].groupby(["session_id", "source"])["user_key"].nunique()
    traffic = simulated.tables["traffic"].set_index(["session_id", "source"])["viewers"]
    assert (entered == traffic.reindex(entered.index)).all()


def test_the_planted_source_leaks_between_click_and_order(simulated):
    log, truth = simulated.tables["actions"], simulated.truth
    log = log[log["session_id"] == truth["target_session"]]
    room = reference.funnels()["viewer_room"]
    compared = viewer_events.against_others(
        viewer_events.steps(counted(log, room, "source"), room), min_people=30
    )
    leak = compared.set_index(["source", "column"]).loc[
        (truth["imprecise_source"]["source"], "create")
    ]
    assert leak["standing"] == "below" and leak["ratio_upper"] < 1
    sentence = viewer_events.leak_findings(compared, reference.registry())
    assert any(
        one["slice"] == f"source={truth['source']}" and one["metric"] == "click_create_rate"
        for one in sentence
    )


def test_what_is_said_of_carts_has_their_numbers_and_few_carts_say_nothing(simulated):
    log = simulated.tables["actions"]
    table = viewer_events.carts_by(engine.table(log), "source", min_carts=30)
    (one,) = viewer_events.cart_findings(table, min_carts=30)
    assert (
        pd.isna(table["source"].iloc[0])
        and table["carts"].iloc[0]
        == log[log["event"] == "cart"].groupby(["user_key", "product_id"]).ngroups
    )
    assert (
        f"{100 * (1 - table['rate'].iloc[0]):.1f}%" in one["sentence_zh"]
        and "30 minutes" in one["sentence_en"]
    )
    assert viewer_events.cart_findings(table, min_carts=1e6) == []
    assert viewer_events.carts_by(engine.table(log.iloc[:0]), "source", min_carts=30).empty
