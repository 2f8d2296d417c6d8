"""`fupan export`: a workspace in one DuckDB file."""

import json

import duckdb
import pandas as pd
import pytest
from click.testing import CliRunner

from helpers import clean, reference
from helpers.core import privacy
from helpers.reference import metrics
from helpers.run import cli, export


@pytest.fixture(scope="module")
def shop(demo_workspace):
    workspace = clean.Workspace.open(demo_workspace)
    clean.ingest(workspace)
    return workspace


@pytest.fixture(scope="module")
def reports(shop, tmp_path_factory):
    """Two sessions with a report, of which one knows no reason and the other none but a reason."""
    folder = tmp_path_factory.mktemp("it's reports")
    first, second = clean.sessions(shop)["session_id"].tail(2)
    for name, frame in (
        (first, pd.DataFrame({"reason": pd.Series([7], dtype="int64"), "n": [3]})),
        (second, pd.DataFrame({"reason": ["尺码'不合"], "n": [1.5], "session_id": ["other"]})),
    ):
        (folder / name / "results").mkdir(parents=True)
        (folder / name / "run.json").write_text("{}")
        frame.to_parquet(folder / name / "results" / "reasons.parquet")
    return folder


@pytest.fixture(scope="module")
def path(shop, reports, tmp_path_factory):
    file = tmp_path_factory.mktemp("bi") / "shop.duckdb"
    done = CliRunner().invoke(
        cli.main,
        ["export", str(file), "--data", str(shop.path), "--reports", str(reports), "--json"],
    )
    assert done.exit_code == 0, done.output
    rows = {one["table"]: one["rows"] for one in json.loads(done.stdout)}
    assert rows["orders"] == len(clean.read_table(shop, "orders")) > 0
    assert rows["results.reasons"] == 2
    return file


@pytest.fixture
def base(path):
    with duckdb.connect(str(path), read_only=True) as opened:
        yield opened


def test_every_table_has_its_rows_its_key_and_says_what_it_holds(base, shop):
    query = "SELECT * FROM duckdb_tables() WHERE schema_name = 'main'"
    about = base.execute(query).df().set_index("table_name")
    for name, table in reference.tables().items():
        if name in ("files", "questions", "aside"):
            continue
        frame = clean.read_table(shop, name)
        (rows,) = base.execute(f'SELECT count(*) FROM "{name}"').fetchone()
        assert rows == len(frame), name
        assert table.zh in about.loc[name, "comment"] and table.en in about.loc[name, "comment"]
        tells = bool(table.key) and not frame[table.key].isna().any().any()
        assert about.loc[name, "has_primary_key"] == (
            tells and not frame.duplicated(table.key).any()
        ), name
    columns = base.execute(
        "SELECT comment FROM duckdb_columns() WHERE table_name = 'orders' AND column_name = 'paid'"
    ).fetchone()
    assert "实付金额" in columns[0] and "later refunds inside" in columns[0]
    assert "aside" not in about.index, "rows kept aside are not of the clean store"


def test_the_views_say_what_pandas_says(base, shop):
    sessions = metrics.with_derived(clean.sessions(shop)).set_index("session_id")
    seen = base.execute("SELECT * FROM session_overview").df().set_index("session_id")
    assert len(seen) == len(sessions)
    uv = sessions["paid_amount"] / sessions["viewers"]
    assert (seen["metric_uv_value"] - uv.reindex(seen.index)).abs().max() < 1e-9
    local = sessions["started_at"].dt.date
    assert (pd.to_datetime(seen["local_day"]).dt.date == local.reindex(seen.index)).all()

    orders, cases = clean.read_table(shop, "orders"), clean.read_table(shop, "aftersales")
    of_lines = cases[cases["line_id"].isin(orders["line_id"])]
    assert len(of_lines) > 0
    lines, refunded, with_case = base.execute(
        "SELECT count(*), sum(refunded_by_cases), sum(cases) FROM order_line_returns"
    ).fetchone()
    assert lines == len(orders) and with_case == len(of_lines)
    assert refunded == pytest.approx(of_lines["amount"].sum())

    daily = base.execute("SELECT * FROM daily").df()
    assert daily["paid_amount"].sum() == pytest.approx(sessions["paid_amount"].sum())
    assert daily["sessions"].sum() == len(sessions)


def test_results_stand_by_their_review_whatever_their_types(base, shop):
    first, second = clean.sessions(shop)["session_id"].tail(2)
    rows = base.execute("SELECT * FROM results.reasons ORDER BY review_id").df()
    assert rows["review_id"].tolist() == [first, second]
    assert rows["reason"].tolist() == ["7", "尺码'不合"] and rows["n"].tolist() == [3.0, 1.5]
    assert rows["session_id"].fillna("").tolist() == ["", "other"], "a column of its own stays"


def test_no_personal_data_and_no_path_of_this_machine_is_in_the_file(base, shop):
    texts = base.execute(
        "SELECT table_name, column_name FROM duckdb_columns() WHERE schema_name = 'main' "
        "AND data_type = 'VARCHAR' AND table_name IN ('sessions', 'comments', 'orders', 'service')"
    ).fetchall()
    assert len(texts) > 20
    for table, column in texts:
        if column.endswith(("id", "key", "room")):
            continue
        values = base.execute(f'SELECT DISTINCT "{column}" FROM "{table}"').df()[column].dropna()
        assert not [value for value in values if privacy.hide(value) != value], (table, column)
        assert not values.str.contains(str(shop.path), regex=False).any()


def test_an_export_that_fails_leaves_the_last_one(shop, reports, path, tmp_path, monkeypatch):
    kept = tmp_path / "shop.duckdb"
    kept.write_bytes(path.read_bytes())
    monkeypatch.setattr(export, "_write_views", lambda *given: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        export.export(shop, reports, kept)
    assert kept.read_bytes() == path.read_bytes() and list(tmp_path.iterdir()) == [kept]


def test_a_workspace_without_sessions_has_its_tables_all_the_same(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "x.csv").write_text("甲,乙\n1,2\n", encoding="utf-8")
    path = tmp_path / "new" / "a.duckdb"
    done = CliRunner().invoke(cli.main, ["export", str(path), "--data", str(tmp_path)])
    assert done.exit_code == 0, done.output
    with duckdb.connect(str(path), read_only=True) as base:
        for name in ("session_overview", "order_line_returns", "daily", "orders"):
            assert base.execute(f"SELECT count(*) FROM {name}").fetchone() == (0,)


def test_another_name_is_refused(shop, tmp_path):
    path = str(tmp_path / "a.db")
    done = CliRunner().invoke(cli.main, ["export", path, "--data", str(shop.path)])
    assert done.exit_code == 2 and "expected a name that ends in .duckdb" in done.output
