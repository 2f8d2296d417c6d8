"""The engine for tables that can outgrow memory: ibis expressions, run by DuckDB in this process.

Viewer events, and order lines over years, stay in Parquet and are aggregated where they lie; what
fits goes through pandas. The expressions know no engine, so that another one can run them.
"""

import functools
from collections.abc import Iterable
from pathlib import Path

import ibis
import pandas as pd

MEMORY = "1GB"  # beyond it DuckDB works on disk
THREADS = 2


@functools.cache
def backend() -> ibis.BaseBackend:
    """The engine of this process, DuckDB with a bound on its memory; its times are in UTC."""
    connection = ibis.duckdb.connect(
        memory_limit=MEMORY, threads=THREADS, preserve_insertion_order=False
    )
    connection.raw_sql("SET TimeZone = 'UTC'")
    return connection


def table(source: pd.DataFrame | Iterable[Path]) -> ibis.Table:
    """A frame, or the Parquet files of one canonical table, as a table of the engine.

    Raises `ValueError` for no file: an engine cannot know the columns of nothing.
    """
    if isinstance(source, pd.DataFrame):
        return ibis.memtable(
            source
        )  # lies where it is, and goes with the last expression that names it
    paths = [str(path) for path in source]
    if not paths:
        raise ValueError("no Parquet file to read: expected at least one")
    return backend().read_parquet(paths, union_by_name=True)


def kept(expression: ibis.Table) -> ibis.Table:
    """The rows of an expression, worked out once and kept as long as the process lives."""
    return backend().create_table(ibis.util.gen_name("fupan"), expression, temp=True)


def frame(expression: ibis.Table) -> pd.DataFrame:
    """The rows of an expression, ordered by all columns, as threads return them in any order."""
    return backend().execute(expression.order_by(list(expression.columns)))


@ibis.udf.scalar.builtin
def epoch_us(at) -> int:
    """Microseconds since 1970 of a time with its zone, as the engine keeps it.

    The engine's own casts go through a calendar and take ten times as long.
    """
