"""Metrics by dimensions against plain pandas on the raw tables; what cannot be is said."""

import ast

import numpy as np
import pandas as pd
import pytest
from scipy import stats as scipy_stats

from helpers import report
from helpers.explore import ExploreError, dimensions, explore, filtered, rows
from helpers.explore.widgets import Form
from helpers.reference.metrics import MetricError
from helpers.review import open_review


def raw(workspace, table):
    """A canonical table as its files hold it."""
    paths = sorted((workspace / "clean" / table).glob("*.parquet"))
    return pd.concat(map(pd.read_parquet, paths), ignore_index=True)


@pytest.fixture(scope="module")
def review(demo_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("explore")
    return open_review(
        "latest", data_dir=demo_workspace, reports_dir=folder, lang="en", notebook="07_explore"
    )


# ------------------------------------------------------------------------------------- the table


def test_people_by_source_of_one_session_with_their_intervals(review, demo_workspace):
    answer = explore(review, "room_conversion", by="source", sessions="this")
    traffic = raw(demo_workspace, "traffic")
    mine = traffic[traffic["session_id"] == review.session_id].set_index("source")
    table = answer.table.set_index("source")
    assert table["value"].to_dict() == pytest.approx(
        (mine["pay_users"] / mine["viewers"]).to_dict()
    )
    for name, row in mine.iterrows():
        test = scipy_stats.binomtest(int(row["pay_users"]), int(row["viewers"]))
        low, high = test.proportion_ci(method="wilson")
        assert table.loc[name, ["ci_lower", "ci_upper"]].tolist() == pytest.approx([low, high])


def test_each_group_is_tested_against_the_rest_with_a_correction(review, demo_workspace):
    """Fisher's test of SciPy for one session, Benjamini and Hochberg by hand."""
    answer = explore(review, "room_conversion", by="source", sessions="this")
    traffic = raw(demo_workspace, "traffic")
    mine = traffic[traffic["session_id"] == review.session_id]
    whole = mine[["pay_users", "viewers"]].sum()
    p_values = {}
    for row in mine.itertuples():
        rest = [whole["pay_users"] - row.pay_users, whole["viewers"] - row.viewers]
        cells = [[row.pay_users, row.viewers - row.pay_users], [rest[0], rest[1] - rest[0]]]
        p_values[row.source] = scipy_stats.fisher_exact(cells).pvalue
    table = answer.against_rest.set_index("source")
    assert table["p_value"].to_dict() == pytest.approx(p_values)
    ordered = sorted(p_values.items(), key=lambda pair: pair[1], reverse=True)
    least, adjusted = 1.0, {}
    for place, (name, p_value) in enumerate(ordered):
        least = min(least, p_value * len(ordered) / (len(ordered) - place))
        adjusted[name] = least
    assert table["p_adjusted"].to_dict() == pytest.approx(adjusted)
    assert "Benjamini-Hochberg" in repr(answer) and "Fisher" in repr(answer)


def test_hosts_over_all_sessions_are_tested_session_by_session(review, demo_workspace):
    answer = explore(review, ["uv_value", "paid_amount"], by=["host"])
    sessions = raw(demo_workspace, "sessions")
    whole = sessions.groupby("host")[["paid_amount", "viewers"]].sum()
    table = answer.table.pivot(index="host", columns="metric", values="value")
    assert table["uv_value"].to_dict() == pytest.approx(
        (whole["paid_amount"] / whole["viewers"]).to_dict()
    )
    assert table["paid_amount"].to_dict() == pytest.approx(whole["paid_amount"].to_dict())
    tested = answer.against_rest.set_index(["metric", "host"])
    counts = sessions.groupby("host").size()
    assert tested.loc["uv_value", "cases"].to_dict() == counts.to_dict()
    means = sessions.groupby("host")["paid_amount"].mean()  # a total: its mean of a session
    assert tested.loc["paid_amount", "value"].to_dict() == pytest.approx(means.to_dict())
    assert "the mean of a session" in repr(answer)


@pytest.mark.parametrize(
    ("metric", "by", "table", "top", "below"),
    [
        ("item_click_rate", "product_id", "products", "click_users", "exposure_users"),
        ("minute_click_rate", "minute", "minutes", "product_click_users", "online"),
        ("new_buyer_line_share", "province", "orders", "is_new_buyer", "line_id"),
        ("ads_amount_roi", "hour", "ads", "amount", "cost"),
    ],
)
def test_the_grains_of_the_tables(review, demo_workspace, metric, by, table, top, below):
    """Sums of both sides over the rows that have both."""
    answer = explore(review, metric, by=by, sessions="this")
    frame = raw(demo_workspace, table)
    frame = frame[frame["session_id"] == review.session_id]
    if table == "products":
        frame = frame[frame["sku_id"].isna()]
    if table == "orders":  # lines are counted
        frame = frame.assign(line_id=1.0, is_new_buyer=frame["is_new_buyer"].astype("Float64"))
    if by == "hour":
        frame = frame.assign(hour=frame["started_at"].dt.hour)
    if by == "minute":
        start = raw(demo_workspace, "sessions").set_index("session_id")["started_at"]
        passed = frame["at"] - start[review.session_id].floor("min")
        frame = frame.assign(minute=passed // pd.Timedelta("1min"))
    expected = {
        key: part.dropna(subset=[top, below])[[top, below]].sum()
        for key, part in frame.groupby(by, dropna=False)
    }
    shown = answer.table.set_index(by)
    assert len(shown) == len(expected) > 0
    for key, sums in expected.items():
        if pd.notna(key) and sums[below] > 0:
            assert shown.loc[key, "value"] == pytest.approx(sums[top] / sums[below])


def test_a_person_counts_in_every_slice_and_has_no_interval(review, demo_workspace):
    answer = explore(review, "room_conversion", by="is_paid")
    sums = raw(demo_workspace, "traffic").groupby("is_paid")[["pay_users", "viewers"]].sum()
    table = answer.table.set_index("is_paid")
    assert table["value"].to_dict() == pytest.approx(
        (sums["pay_users"] / sums["viewers"]).to_dict()
    )
    assert table["ci_lower"].isna().all() and "once in every slice" in repr(answer)


# ----------------------------------------------------------------------- what is asked of the rows


def test_sessions_are_this_all_a_list_or_a_period(review):
    ids = review.sessions["session_id"]
    starts = review.sessions["started_at"]
    assert rows(review, "sessions", "this")["session_id"].tolist() == [review.session_id]
    assert rows(review, "sessions", "latest")["session_id"].tolist() == [ids.iloc[-1]]
    assert rows(review, "sessions")["session_id"].tolist() == ids.tolist()
    assert rows(review, "sessions", list(ids[:2]))["session_id"].tolist() == list(ids[:2])
    assert rows(review, "sessions", tuple(ids[:2]))["session_id"].tolist() == list(ids[:2])
    first, last = starts.iloc[3], starts.iloc[9]
    period = (f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}")
    inside = ids[(starts >= first.normalize()) & (starts < last.normalize() + pd.Timedelta("1D"))]
    assert rows(review, "sessions", period)["session_id"].tolist() == inside.tolist()
    by_date = (first.date(), last.date())
    assert rows(review, "sessions", by_date)["session_id"].tolist() == inside.tolist()


def test_where_is_a_query_or_values(review):
    frame = rows(review, "sessions")
    host = frame["host"].iloc[0]
    asked = filtered(frame, f"host == {host!r} and weekday == 'sat'")
    assert asked["started_at"].dt.day_name().eq("Saturday").all() and len(asked)
    assert asked.equals(filtered(frame, {"host": host, "weekday": ["sat"]}))
    answer = explore(review, "paid_amount", by="host", where="source == '搜索'")
    assert answer.sources[0].table == "traffic"  # the first table that has what is asked


def test_the_code_gives_the_same_table(review):
    asked = [
        {"metrics": ["room_conversion", "uv_value"], "by": ["source"], "sessions": "this"},
        {"metrics": ["uv_value", "new_buyer_line_share"], "by": ["host", "weekday"]},
        {"metrics": "room_conversion", "by": "is_paid", "where": {"weekday": ["sat", "sun"]}},
        {"metrics": "orders", "by": "hour", "where": "minute < 60"},
        {"metrics": "item_click_rate", "by": ["product", "host"]},
        {"metrics": "uv_value", "sessions": ("2026-11-01", "2026-11-20")},
    ]
    for options in asked:
        answer = explore(review, **options)
        names = {"review": review}
        ast.parse(answer.code)
        exec(answer.code, names)
        pd.testing.assert_frame_equal(names["table"], answer.table)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metrics": "gmvv"}, r"'gmvv' is no metric; nearest: gpm"),
        ({"by": "hots"}, r"room_conversion: 'hots' is no dimension of it; nearest: host"),
        ({"by": "minute"}, r"'minute' is no dimension of it; .*others: .*source"),
        ({"by": ["source", "group"]}, r"no table has it by source and group together; .*traffic: "),
        ({"by": ["host", "source", "date"]}, "at most two dimensions"),
        ({"by": "host", "where": "hots == 'a'"}, r"'hots' is no column here; nearest: host"),
        ({"by": "host", "where": "host =="}, r"SyntaxError.*expected a condition.*columns: sess"),
        ({"by": "host", "where": "host"}, "true or false in no row"),
        ({"by": "host", "where": {"host": "nobody"}}, "'nobody' is no value of host here; there"),
        ({"by": "host", "where": {"hots": 1}}, "'hots' is no column here; nearest: host"),
        ({"by": "host", "where": 5}, "expected a pandas query or column"),
        ({"sessions": ("2026-13-01", "2026-12-01")}, "'2026-13-01' is no date"),
        ({"sessions": ("2026-12-01", "2026-11-01")}, "it ends first"),
        ({"metrics": "bad_review_rate", "sessions": "this"}, "belong to no session"),
    ],
)
def test_what_cannot_be_says_what_can(review, options, words):
    with pytest.raises(ExploreError, match=words):
        explore(review, **{"metrics": "room_conversion", **options})


def test_people_of_several_sessions_are_not_added_up(review):
    with pytest.raises(MetricError, match="viewers is people"):
        explore(review, "viewers", by="host")


def test_a_misspelt_session_names_the_nearest(review):
    with pytest.raises(ValueError, match=f"nearest: {review.session_id}"):
        explore(review, "uv_value", sessions=[review.session_id.replace("douyin", "douyn")])


def test_a_dimension_that_is_listed_can_be_asked_for(review):
    for table in ("sessions", "traffic", "products", "minutes", "orders", "ads", "reviews"):
        assert set(dimensions(table)) <= set(rows(review, table)), table


# -------------------------------------------------------------------------------- what is shown


def test_it_shows_table_chart_test_and_code_in_one(review):
    shown = explore(review, "room_conversion", by="source", sessions="this")._repr_html_()
    assert shown.count("<table") == 2 and shown.count("<img alt=") == 1
    assert "<pre>from helpers.explore import filtered, rows" in shown


def test_data_is_never_markup(review):
    hostile = "<img src=x onerror=alert(1)>"
    answer = explore(review, "uv_value", by="host", where=f"host != {hostile!r}")
    assert hostile not in answer._repr_html_() and hostile in answer.code


@pytest.mark.parametrize("by", [["hour"], ["weekday", "host"], ["host", "source"], ["product"]])
def test_charts_are_named_as_the_tables_are(review, by):
    answer = explore(review, "paid_amount", by=by)
    axes = report.Show(review).name_axes(answer.chart())
    names = {axes.get_xlabel(), axes.get_ylabel()}
    assert "Paid amount" in names and not names & {"paid_amount", *by}
    with pytest.raises(ExploreError, match="'uv_value' is no metric of this answer"):
        answer.chart("uv_value")


def test_nothing_that_fits_is_one_line(review):
    answer = explore(review, "uv_value", by="host", where="viewers > 1e12")
    assert repr(answer).startswith("No data fit what was asked.")


def test_the_form_asks_what_was_chosen_and_says_what_cannot_be(review):
    form = Form(review)
    form.metrics.value = ("room_conversion", "item_click_rate")
    offered = [value for _, value in form.by.options]
    assert "host" in offered and "source" not in offered  # products know no source
    form.metrics.value, form.by.value = ("room_conversion",), ("source",)
    form.sessions.value = "this"
    form.ask.click()
    pd.testing.assert_frame_equal(
        form.answer.table, explore(review, "room_conversion", "source", sessions="this").table
    )
    assert "<table" in form.shown.value
    form.where.value = "hots == 1"
    form.ask.click()
    assert "is no column here; nearest: host" in form.shown.value


def test_ads_told_twice_count_once(review, demo_workspace):
    """The ad cost of a session is what the account's list of sessions has, hour by hour or not."""
    answer = explore(review, "ads_cost", by="session_id").table.set_index("session_id")["value"]
    cost = review.sessions.set_index("session_id")["ad_cost"]
    shared = answer.index.intersection(cost.dropna().index)
    assert len(shared) and np.allclose(answer[shared], cost[shared], rtol=0.05)
