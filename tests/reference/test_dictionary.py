"""What there is, in words: tables with their rows, columns and metrics, and the review itself."""

import pandas as pd
import pytest

from helpers import clean, reference
from helpers.core.names import UnknownName
from helpers.review import open_review


@pytest.fixture(scope="module", params=["zh", "en"])
def review(request, demo_workspace, tmp_path_factory):
    folder = tmp_path_factory.mktemp("dictionary")
    return open_review(
        "latest", data_dir=demo_workspace, reports_dir=folder, lang=request.param, notebook="x"
    )


def test_tables_say_grain_rows_and_meaning(review):
    tables = review.tables().set_index("table")
    assert list(tables.index) == list(reference.tables())
    for name in ("traffic", "products", "orders", "comments"):
        frame = clean.read_table(review.workspace, name)
        assert tables.loc[name, "account"] == len(frame)
        assert tables.loc[name, "here"] == (frame["session_id"] == review.session_id).sum()
    assert tables.loc["sessions", ["here", "account"]].tolist() == [1, 60]
    assert pd.isna(tables.loc["reviews", "here"]) and tables.loc["reviews", "account"] == 60
    assert tables.loc["traffic", "grain"] == "session_id × source"
    said = {"zh": "一行一场的一个来源", "en": "One row a traffic source of a session"}
    assert tables.loc["traffic", "meaning"].startswith(said[review.lang])


def test_columns_say_name_unit_type_and_meaning(review):
    columns = review.columns("orders").set_index("column")
    assert list(columns.index) == list(reference.tables()["orders"].columns)
    expected = {
        "zh": ("实付金额", "金额（主单位）", "支付口径（含后来退的）"),
        "en": ("Paid (before refunds)", "money in main units", "paid (later refunds inside)"),
    }
    row = columns.loc["paid"]
    assert (row["name"], row["unit"], row["meaning"]) == expected[review.lang]
    assert row["type"] == str(review.table("orders")["paid"].dtype) == "float64"
    assert columns.loc["created_at", "type"] == str(review.table("orders")["created_at"].dtype)
    assert "douyin" in columns.loc["platform", "meaning"]
    entries = {"zh": "进入直播间的去重人数", "en": "Distinct people who entered the room"}
    said = review.columns("sessions").set_index("column").loc["viewers", "meaning"]
    assert said.startswith(entries[review.lang])


def test_metrics_say_formula_and_unit(review):
    metrics = review.metrics().set_index("metric")
    assert len(metrics) == len(review.registry)
    formulas = {"zh": "支付金额 ÷ 观看人数", "en": "Paid amount ÷ Viewers"}
    assert metrics.loc["uv_value", "formula"] == formulas[review.lang]
    assert metrics.loc["uv_value", "table"] == "sessions"
    assert set(review.metrics("orders")["metric"]) == {
        name for name, metric in review.registry.items() if metric.table == "orders"
    }


def test_a_review_says_what_it_holds_in_ten_lines(review):
    lines = repr(review).splitlines()
    assert len(lines) == 10 and max(map(len, lines)) < 300
    assert review.session_id in lines[0] and str(review.session["host"]) in lines[0]
    assert f"traffic {len(review.table('traffic'))}" in repr(review)
    assert "explanations" in lines[5] and "traffic" not in lines[5]
    assert 'review.columns("orders")' in repr(review) and "explore(review" in repr(review)


@pytest.mark.parametrize(
    "look_up",
    [
        lambda review: review.table("order"),
        lambda review: review.everything("order"),
        lambda review: review.history("order"),
        lambda review: review.lazy("order"),
        lambda review: review.has("order"),
        lambda review: review.missing("order"),
        lambda review: review.columns("order"),
        lambda review: review.metrics("order"),
        lambda review: review.summable("order"),
    ],
)
def test_an_unknown_table_names_the_nearest_and_the_others(review, look_up):
    with pytest.raises(UnknownName, match=r"'order' is no canonical table; nearest: orders; oth"):
        look_up(review)


def test_an_unknown_column_names_the_nearest(review):
    with pytest.raises(UnknownName, match=r"'is_payd' is no column; nearest: is_paid"):
        review.missing("traffic", "is_payd")


def test_an_unknown_session_names_the_nearest(review):
    wrong = review.session_id.replace("douyin", "douyn")
    with pytest.raises(clean.WorkspaceError, match=f"not in this workspace.*{review.session_id}"):
        open_review(wrong, data_dir=review.workspace.path, reports_dir="x", notebook="x")
