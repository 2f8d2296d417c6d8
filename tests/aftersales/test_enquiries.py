"""Those who asked customer service: when they bought, and bought again, by hand."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import reference
from helpers.aftersales import customers, enquiries
from helpers.core import stats

RULES = reference.customers()
REGISTRY = reference.registry()
START = pd.Timestamp("2026-09-01 20:00", tz="Asia/Shanghai")
LATE = START + pd.Timedelta(days=60)
HOUR = pd.Timedelta(hours=1)


def asked(*rows):
    """(buyer, hours after START) of enquiries."""
    return pd.DataFrame(
        {
            "enquiry_id": [str(place) for place in range(len(rows))],
            "buyer_key": pd.array([who for who, _ in rows], dtype="str"),
            "opened_at": [START + hours * HOUR for _, hours in rows],
        }
    )


def bought(*rows):
    """(buyer, hours after START, share sent back) of paid order lines of 100."""
    return pd.DataFrame(
        {
            "buyer_key": pd.array([who for who, *_ in rows], dtype="str"),
            "paid_at": pd.Series(
                [START + hours * HOUR for _, hours, *_ in rows],
                dtype="datetime64[us, Asia/Shanghai]",
            ),
            "paid": 100.0,
            "refunded_amount": [100.0 * (rest[0] if rest else 0) for _, _, *rest in rows],
            "is_new_buyer": pd.array([None] * len(rows), dtype="boolean"),
        }
    )


def people(who, lines, as_of=LATE):
    return enquiries.people(who, lines, as_of=as_of, rules=RULES).set_index("buyer_key")


def test_an_order_before_the_enquiry_or_sent_back_in_full_closes_nothing():
    found = people(
        asked(("a", 1), ("b", 1), ("c", 1), ("d", 1)),
        bought(("a", 0.5), ("b", 2, 1.0), ("c", 3, 0.5)),
    )
    assert found["closed_at"].notna().to_dict() == {"a": False, "b": False, "c": True, "d": False}
    assert found.loc["c", "closed_at"] == START + 3 * HOUR


def test_the_first_enquiry_of_a_person_counts_and_nameless_ones_do_not():
    found = people(asked(("a", 5), ("a", 1), (None, 2)), bought(("a", 3)))
    assert (
        found.index.tolist() == ["a"]
        and found.loc["a", "opened_at"] == START + HOUR
        and found.loc["a", "closed_at"] == START + 3 * HOUR
    )


def test_buying_again_is_a_purchase_of_a_later_shopping_day():
    same_night, next_week = (
        people(asked(("a", 0)), bought(("a", 1), ("a", 3))),
        people(asked(("a", 0)), bought(("a", 1), ("a", 1 + 7 * 24))),
    )
    assert not same_night["came_back"].item() and same_night["again_days"].item() == 60
    assert next_week["came_back"].item() and next_week["again_days"].item() == 7


# Ten people ask, all at the start. By hand: a b c d pay at 1, 2, 3 and 200 hours (8.3 days); a buys
# again after 20 days.
TEN = asked(*((name, 0) for name in "abcdefghij"))
LINES = bought(("a", 1), ("b", 2), ("c", 3), ("d", 200), ("a", 20 * 24 + 1))


def test_the_funnel_is_the_one_worked_out_by_hand():
    steps = enquiries.steps(
        people(TEN, LINES).reset_index(), 1000, as_of=LATE, rules=RULES
    ).set_index("step")
    assert steps["users"].to_dict() == {"viewers": 1000, "asked": 10, "ordered": 3, "again": 1}
    assert steps.loc["asked", "rate_of_previous"] == 0.01
    assert (
        steps.loc["ordered", "rate_of_previous"] == pytest.approx(0.3)
        and steps.loc["ordered", "days"] == RULES.close_days
    )
    assert steps.loc["again", "days"] == 30 and steps.loc[
        "again", "rate_of_previous"
    ] == pytest.approx(0.25)  # four have paid, one came back
    assert (steps["ci_lower"].dropna() <= steps["rate_of_previous"].dropna()).all()


def test_who_is_not_followed_long_enough_is_not_counted_as_lost():
    soon = START + pd.Timedelta(days=10)
    steps = enquiries.steps(
        people(TEN, LINES, soon).reset_index(), 1000, as_of=soon, rules=RULES
    ).set_index("step")
    assert (
        steps.loc["again", "days"] == 7 and steps.loc["again", "known"] == 3
    )  # d paid on the ninth day
    next_day = START + pd.Timedelta(days=1, hours=1)
    young = enquiries.steps(
        people(TEN, LINES, next_day).reset_index(), 1000, as_of=next_day, rules=RULES
    ).set_index("step")
    assert young.loc["ordered", "days"] == 1 and young.loc[
        "ordered", "rate_of_previous"
    ] == pytest.approx(0.3)
    assert np.isnan(young.loc["again", "rate_of_previous"])
    said = enquiries.words(
        young.reset_index(),
        people(TEN, LINES, next_day).reset_index(),
        TEN,
        registry=REGISTRY,
        as_of=next_day,
        lang="zh",
    )
    assert "还算不出" in said[1] and len(said) == 2
    content = pd.array([True] * 6 + [False] * 2 + [None] * 2, dtype="boolean")
    (told,) = enquiries.words(
        young.reset_index(),
        people(TEN, LINES, next_day).reset_index(),
        TEN.assign(satisfied=content),
        registry=REGISTRY,
        as_of=next_day,
        lang="en",
    )[2:]
    assert "75.0%" in told and "the 8 enquiries" in told and "other 2" in told


def test_time_to_close_is_the_median_with_the_open_ones_still_waiting():
    four = people(asked(*((name, 0) for name in "abcd")), LINES)
    assert enquiries.close_time(four, as_of=LATE) == 2 * 3600  # the second of four
    assert np.isinf(enquiries.close_time(people(TEN, LINES), as_of=LATE))
    assert np.isnan(enquiries.close_time(four.iloc[:0], as_of=LATE))


def test_without_keys_there_is_no_funnel_and_the_words_say_what_would_give_it():
    nobody = enquiries.steps(
        people(asked((None, 0)), LINES).reset_index(), 1000, as_of=LATE, rules=RULES
    )
    assert nobody.empty
    for lang, word in (("zh", "买家标识"), ("en", "buyer keys")):
        (said,) = enquiries.words(nobody, nobody, TEN, registry=REGISTRY, as_of=LATE, lang=lang)
        assert word in said


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcde"), st.integers(0, 200)), min_size=1, max_size=8),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 1300)), max_size=14),
)
def test_people_are_those_of_a_plain_loop(who, orders):
    found = people(asked(*who), bought(*orders))
    day = {hours: customers.today(START + hours * HOUR, RULES) for _, hours in orders}
    for name in {name for name, _ in who}:
        opened = min(hours for other, hours in who if other == name)
        after = sorted(hours for other, hours in orders if other == name and hours >= opened)
        row = found.loc[name]
        assert (
            pd.isna(row["closed_at"]) if not after else row["closed_at"] == START + after[0] * HOUR
        )
        if after:
            again = sorted({day[hours] for hours in after if day[hours] > day[after[0]]})
            assert bool(row["came_back"]) == bool(again)
            assert (
                row["again_days"]
                == (again[0] if again else customers.today(LATE, RULES)) - day[after[0]]
            )


def test_objections_by_hand():
    frame = pd.DataFrame(
        {
            "enquiry_id": list("12345"),
            "objection": ["price", "price", "fit", None, "price"],
            "converted": pd.array([True, False, True, True, False], dtype="boolean"),
        }
    )
    table = enquiries.objections(frame, registry=REGISTRY).set_index("objection")
    assert table["enquiries"].to_dict() == {"price": 3, "fit": 1} and table["share"].to_dict() == {
        "price": 0.75,
        "fit": 0.25,
    }
    assert table["converted"].to_dict() == pytest.approx({"price": 1 / 3, "fit": 1})
    assert enquiries.objections(frame.assign(objection=None), registry=REGISTRY).empty


@pytest.mark.parametrize("people_asked", [1, 3, 20])
def test_nobody_who_bought_is_no_certainty(people_asked):
    early = START + pd.Timedelta(days=9)
    steps = enquiries.steps(
        people(
            asked(*((f"b{each}", 0) for each in range(people_asked))), bought(), as_of=early
        ).reset_index(),
        1000,
        as_of=early,
        rules=RULES,
    ).set_index("step")
    assert steps.loc["ordered", "rate_of_previous"] == 0 and steps.loc[
        "ordered", "ci_lower"
    ] == pytest.approx(0)
    assert steps.loc["ordered", "ci_upper"] == pytest.approx(stats.wilson(0, people_asked)[1])


def test_repurchase_is_told_for_no_longer_than_somebody_was_followed():
    early = START + pd.Timedelta(days=9)
    steps = enquiries.steps(
        people(asked(("a", 0)), bought(("a", 1), ("a", 50)), as_of=early).reset_index(),
        1000,
        as_of=early,
        rules=RULES,
    ).set_index("step")
    assert steps.loc["again", "days"] == max(mark for mark in RULES.within_days if mark <= 8)
    young = START + pd.Timedelta(days=4)
    steps = enquiries.steps(
        people(asked(("a", 0)), bought(("a", 1), ("a", 50)), as_of=young).reset_index(),
        1000,
        as_of=young,
        rules=RULES,
    ).set_index("step")
    assert steps.loc["again", ["rate_of_previous", "ci_lower", "ci_upper"]].isna().all()
