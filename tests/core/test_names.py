"""A name that does not exist is answered with the nearest and the others."""

import pandas as pd
import pytest

from helpers import reference
from helpers.core.names import Names, UnknownName, nearest, no_such
from helpers.reference import metrics


def test_the_nearest_come_first_and_the_others_are_listed():
    words = no_such("hots", "dimension", ["source", "host", "product"])
    assert words == "'hots' is no dimension; nearest: host; others: source, product"
    assert no_such("zzz", "column", ["host"]) == "'zzz' is no column; there are: host"
    assert no_such("a", "session", []) == "'a' is no session; there is none"


def test_many_names_are_counted_not_listed():
    words = no_such("x9", "row", [f"x{number}" for number in range(1000)], most=2)
    assert "nearest: x9, " in words and words.endswith(" … (995 more)")


@pytest.mark.parametrize("given", ["Order", "ORDERS", "订单明细", "order lines", "ordres"])
def test_capitals_and_the_names_in_both_languages_are_understood(given):
    assert nearest(given, reference.tables())[0] == "orders"


def test_an_unknown_entry_is_a_key_error_that_reads_as_words():
    entries = Names("canonical table", {"orders": 1, "ads": 2})
    assert entries["orders"] == 1 and entries.get("order") is None and "order" not in entries
    with pytest.raises(UnknownName) as error:
        entries["order"]
    assert isinstance(error.value, KeyError)
    assert str(error.value) == "'order' is no canonical table; nearest: orders; others: ads"


@pytest.mark.parametrize(
    ("look_up", "words"),
    [
        (lambda: reference.tables()["order"], "'order' is no canonical table; nearest: orders;"),
        (lambda: reference.tables()["orders"].columns["paidd"], "'paidd' is no column; nearest: p"),
        (lambda: reference.registry()["gmvv"], "'gmvv' is no metric; nearest: gpm; others: room_"),
        (lambda: reference.funnels()["people"], "'people' is no entry of funnels.yml; nearest:"),
    ],
)
def test_what_is_looked_up_in_the_reference_names_the_nearest(look_up, words):
    with pytest.raises(KeyError) as error:
        look_up()
    assert str(error.value).startswith(words)


def test_a_column_that_is_grouped_by_names_the_nearest():
    frame = pd.DataFrame({"host": ["a"], "paid_amount": [1.0], "viewers": [2.0]})
    registry = reference.registry()
    with pytest.raises(metrics.MetricError, match="'hots' is no column of the frame; nearest: h"):
        metrics.evaluate(frame, ["uv_value"], registry=registry, by="hots")
    with pytest.raises(metrics.MetricError, match=r"'uv_valu' is no metric .*; nearest: uv_value"):
        metrics.evaluate(frame, ["uv_valu"], registry=registry)
