"""Canonical tables: dtypes, conforming, checks and session ids."""

from __future__ import annotations

import pandas as pd
import pytest

from helpers import clean, reference
from helpers.reference import schema

ZONE = "Asia/Shanghai"


@pytest.mark.parametrize("table", list(reference.tables()))
def test_every_table_is_empty_conform_and_valid(table):
    frame = schema.empty(table, ZONE)
    assert list(frame.columns) == list(reference.tables()[table].columns)
    assert schema.conform(frame, table, ZONE).dtypes.equals(frame.dtypes)
    assert schema.validate(frame, table).empty


@pytest.mark.parametrize("table", list(reference.tables()))
def test_every_key_and_rule_names_a_column_of_its_table(table):
    entry = reference.tables()[table]
    rule, *columns = entry.attribute.split()
    assert rule in ("session", "time", "start", "order", "none")
    assert set(entry.key) | set(columns) <= set(entry.columns)


def test_conform_localises_naive_clocks_and_keeps_where_a_row_came_from():
    frame = schema.conform(
        pd.DataFrame(
            {"at": pd.to_datetime(["2026-11-10 20:00"]), "source_row": [7], "extra": ["x"]}
        ),
        "minutes",
        ZONE,
    )
    assert frame["at"].iloc[0] == pd.Timestamp("2026-11-10 12:00", tz="UTC")
    assert frame["source_row"].tolist() == [7]
    assert "extra" not in frame


def test_conform_names_the_column_that_does_not_fit():
    with pytest.raises(ValueError, match=r"sessions\.viewers: expected users"):
        schema.conform(pd.DataFrame({"viewers": ["many"]}), "sessions", ZONE)
    with pytest.raises(KeyError, match="no canonical table"):
        schema.conform(pd.DataFrame(), "session", ZONE)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("viewers", -1.0, "0 or more"),
        ("fan_viewer_share", 1.2, "at most 1"),
        ("platform", "facebook", "expected one of douyin"),
        ("platform", None, "a value is required"),
    ],
)
def test_validate_names_row_column_and_reason(column, value, reason):
    good = {
        "session_id": "a",
        "platform": "douyin",
        "started_at": pd.Timestamp("2026-01-01", tz=ZONE),
    }
    frame = schema.conform(
        pd.DataFrame([good, good | {"session_id": "b", column: value}]), "sessions", ZONE
    )
    failures = schema.validate(frame, "sessions")
    assert failures[["row", "column"]].to_numpy().tolist() == [[1, column]]
    assert reason in failures["reason"].iloc[0]


def test_a_session_id_says_when_where_and_in_which_room():
    start = pd.Timestamp("2026-11-10 20:00:59", tz=ZONE)
    one, other = (schema.session_id("douyin", room, start) for room in ("room1", "room2"))
    assert (
        one.startswith("20261110-2000-douyin-")
        and other.startswith("20261110-2000-douyin-")
        and one != other
    )
    assert (
        schema.session_id("tiktok", None, start)
        == schema.session_id("tiktok", "", start)
        == "20261110-2000-tiktok-0000"
    )


def test_a_key_that_comes_twice_is_a_failure_of_both_rows():
    good = {
        "platform": "douyin",
        "order_id": "1",
        "line_id": "a",
        "created_at": pd.Timestamp("2026-01-01", tz=ZONE),
    }
    frame = schema.conform(pd.DataFrame([good, good | {"line_id": "b"}, good]), "orders", ZONE)
    failures = schema.validate(frame, "orders")
    assert set(failures["row"]) == {0, 2} and set(failures["column"]) == {"platform", "line_id"}
    assert set(failures["reason"]) == {"expected one row per order line"}


def test_rows_that_found_no_session_yet_may_share_the_rest_of_their_key():
    frame = pd.DataFrame(
        {"at": [pd.Timestamp("2026-01-01", tz=ZONE)] * 2, "session_id": [None, None]}
    )
    assert schema.validate(schema.conform(frame, "minutes", ZONE), "minutes").empty
    assert len(
        schema.validate(schema.conform(frame.assign(session_id="s"), "minutes", ZONE), "minutes")
    )


def test_every_clean_table_of_the_demo_has_its_grain_and_fits_its_schema(demo_workspace):
    pass
    workspace = clean.Workspace.open(demo_workspace)
    for table in reference.tables():
        frame = clean.read_table(workspace, table)
        failures = schema.validate(frame, table) if len(frame) else frame
        assert failures.empty, f"{table}: {failures.head(3).to_dict('records')}"


def test_every_amount_of_money_says_which_line_it_is():
    assert [
        (name, column)
        for name, table in reference.tables().items()
        for column, entry in table.columns.items()
        if (entry.kind == "money") != (entry.line is not None)
    ] == []
