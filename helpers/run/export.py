"""Everything of a workspace in one DuckDB file, for Power BI, Superset or a notebook.

- Each canonical table under its name, with its key and what each of its columns means.
- `session_metrics`: one row per session x metric of the registry, with its interval; `metrics`: one
  row per metric with unit, formula and meaning.
- `files`, `questions` and `invariants`: what was read, what is open and what was checked.
- The schema `results`: the result tables of all sessions that have a report, by `session_id`.
- The views of `_VIEWS`.
"""

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import duckdb
import pandas as pd

from helpers import clean, reference
from helpers.reference import dictionary, metrics, schema
from helpers.run import records

_CHECKS = ("files", "questions", "invariants")
_NO_TABLES = ("aside", "files", "questions")  # of tables.yml: ledgers, with words of bad rows
_SETTINGS = {"memory_limit": "1GB", "threads": 2}  # beyond it DuckDB works on disk

# view → its grain, and its query
_VIEWS = {
    "session_overview": (
        "一行一场：数字、各项指标（metric_…）与当地日期",
        "one row per session: its figures, its metrics (metric_…) and its day in the shop's zone",
        """
        SELECT CAST(timezone({zone}, s.started_at) AS DATE) AS local_day, s.*,
               m.* EXCLUDE (session_id)
        FROM sessions s LEFT JOIN (
            PIVOT (SELECT session_id, 'metric_' || metric AS metric, value FROM session_metrics)
            ON metric IN ({metrics}) USING first(value) GROUP BY session_id
        ) m USING (session_id)
        """,
    ),
    "order_line_returns": (
        "一行一条订单明细：几张售后单、退了多少、第一张的原因与时间",
        "one row per order line: its cases, what they refund, reason and time of the first",
        """
        SELECT o.*, coalesce(c.cases, 0) AS cases, c.refunded_by_cases, c.first_reason,
               c.first_asked_at, date_diff('day', o.paid_at, c.first_asked_at) AS days_to_case
        FROM orders o LEFT JOIN (
            SELECT platform, line_id, count(*) AS cases, sum(amount) AS refunded_by_cases,
                   arg_min(reason, asked_at) AS first_reason, min(asked_at) AS first_asked_at
            FROM aftersales WHERE line_id IS NOT NULL GROUP BY platform, line_id
        ) c USING (platform, line_id)
        """,
    ),
    "daily": (
        "一行一天（当地）、平台、直播间与币种；人数是各场之和，不能当作去重人数",
        "one row per day in the shop's zone, platform, room and currency; viewers are added over "
        "sessions, not counted once",
        """
        SELECT CAST(timezone({zone}, started_at) AS DATE) AS local_day, platform, room, currency,
               count(*) AS sessions, sum(duration_seconds) / 3600 AS hours,
               sum(viewers) AS viewers_of_sessions, sum(orders) AS orders,
               sum(paid_amount) AS paid_amount
        FROM sessions GROUP BY ALL
        """,
    ),
}


def export(workspace: clean.Workspace, reports_dir: Path, path: Path) -> dict[str, int]:
    """Write a workspace's tables and results into a DuckDB file; the rows of each table.

    Raw files must have been read (`clean.ingest`). An older file of that name gives way when the
    new one is whole.
    """
    registry = reference.registry(workspace.reference)
    with clean.replacing(path) as unfinished, _opened(unfinished) as base:
        for name, table in reference.tables().items():
            if name not in _NO_TABLES:
                _write_canonical(base, workspace, name, table, registry)
        for name in _CHECKS:
            _write_frame(base, name, clean.read_table(workspace, name))
        _write_metrics(base, workspace, registry)
        for name, by_session in _results(reports_dir, clean.sessions(workspace)).items():
            _write_result(base, name, by_session)
        _write_views(base, workspace.settings.timezone)
        return _counts(base)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    path.unlink(missing_ok=True)
    base = duckdb.connect(str(path), config=_SETTINGS)
    try:
        base.execute("SET TimeZone = 'UTC'")
        base.execute("CREATE SCHEMA results")
        yield base
    finally:
        base.close()


def _write_canonical(
    base: duckdb.DuckDBPyConnection,
    workspace: clean.Workspace,
    name: str,
    table: reference.Table,
    registry: Mapping[str, reference.Metric],
) -> None:
    if paths := [str(part) for part in clean.parts(workspace, name)]:
        rows = f"read_parquet({_list(paths)}, union_by_name = true)"
        base.execute(f"CREATE TABLE {_id(name)} AS SELECT * FROM {rows}")
    else:
        _write_frame(base, name, schema.empty(name, workspace.settings.timezone))
    if table.key and _is_key(base, name, table.key):
        base.execute(f"ALTER TABLE {_id(name)} ADD PRIMARY KEY ({', '.join(map(_id, table.key))})")
    labels = (f"{label.zh} {label.en}" for label in (table, table.description))
    _comment(base, f"TABLE {_id(name)}", *labels)
    zone = workspace.settings.timezone
    meanings = [dictionary.columns(name, lang, zone, registry) for lang in records.LANGUAGES]
    for rows in zip(*(frame.itertuples() for frame in meanings), strict=True):
        words = (": ".join(filter(None, (f"{row.name} ({row.unit})", row.meaning))) for row in rows)
        _comment(base, f"COLUMN {_id(name)}.{_id(rows[0].column)}", *words)


def _is_key(base: duckdb.DuckDBPyConnection, name: str, key: Sequence[str]) -> bool:
    """Whether the columns that should tell rows apart are all filled and do."""
    filled = " AND ".join(f"{_id(column)} IS NOT NULL" for column in key)
    row = ", ".join(map(_id, key))
    query = f"SELECT count(*), count(DISTINCT ({row})) FILTER (WHERE {filled}) FROM {_id(name)}"
    every, told_apart = base.execute(query).fetchone()
    return every == told_apart


def _write_metrics(
    base: duckdb.DuckDBPyConnection,
    workspace: clean.Workspace,
    registry: Mapping[str, reference.Metric],
) -> None:
    sessions = metrics.with_derived(clean.sessions(workspace))
    of_sessions = [name for name, metric in registry.items() if metric.table == "sessions"]
    values = metrics.by_session(sessions, of_sessions, registry=registry)
    _write_frame(base, "session_metrics", values)
    _write_frame(base, "metrics", metrics.glossary(registry))


def _results(reports_dir: Path, sessions: pd.DataFrame) -> dict[str, dict[str, Path]]:
    """The files of each result by session: of its report in the first language that has one."""
    of_result: dict[str, dict[str, Path]] = defaultdict(dict)
    for session_id in sessions["session_id"]:
        homes = [records.home(reports_dir, lang) / session_id for lang in records.LANGUAGES]
        folder = next((home / "results" for home in homes if (home / "run.json").exists()), None)
        for path in sorted(folder.glob("*.parquet")) if folder else ():
            of_result[path.stem][session_id] = path
    return dict(sorted(of_result.items()))


def _write_result(base: duckdb.DuckDBPyConnection, name: str, of_session: dict[str, Path]) -> None:
    """`review_id` is the session under review; a column whose types differ is text in all."""
    rows = " UNION ALL BY NAME ".join(
        f"SELECT {_text(session_id)} AS review_id, * FROM read_parquet({_text(str(path))})"
        for session_id, path in of_session.items()
    )
    base.execute(f"CREATE TABLE results.{_id(name)} AS {rows}")
    shown = reference.results().tables.get(name)
    if shown is not None and "{" not in shown.caption.zh + shown.caption.en:
        _comment(base, f"TABLE results.{_id(name)}", shown.caption.zh, shown.caption.en)


def _write_views(base: duckdb.DuckDBPyConnection, zone: str) -> None:
    names = base.execute("SELECT DISTINCT metric FROM session_metrics ORDER BY metric").fetchall()
    listed = ", ".join(_text(f"metric_{name}") for (name,) in names) or "''"
    for view, (zh, en, query) in _VIEWS.items():
        filled = query.format(zone=_text(zone), metrics=listed)
        base.execute(f"CREATE VIEW {_id(view)} AS {filled}")
        _comment(base, f"VIEW {_id(view)}", zh, en)


def _write_frame(base: duckdb.DuckDBPyConnection, name: str, frame: pd.DataFrame) -> None:
    base.register("frame", frame)
    base.execute(f"CREATE TABLE {_id(name)} AS SELECT * FROM frame")
    base.unregister("frame")


def _comment(base: duckdb.DuckDBPyConnection, what: str, *words: str) -> None:
    """Parted by a dot; DuckDB takes no parameter there."""
    base.execute(f"COMMENT ON {what} IS {_text(' · '.join(words))}")


def _counts(base: duckdb.DuckDBPyConnection) -> dict[str, int]:
    tables = base.execute(
        "SELECT schema_name, table_name, estimated_size FROM duckdb_tables() ORDER BY ALL"
    )
    return {name if of == "main" else f"{of}.{name}": rows for of, name, rows in tables.fetchall()}


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _id(name: str) -> str:
    """A name as SQL has it: `group` is a word of the language."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
