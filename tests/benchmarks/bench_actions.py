"""The ordered funnel of ten million viewer events, by product and source.

On the engine and in pandas, from the same files. Each side is a process of its own with its own
peak memory, timed after its imports, which are printed beside it. Both must count the same people
and the same times. `FUPAN_BENCH_EVENTS` sets how many events, `FUPAN_BENCH_RUNS` how often.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

EVENTS = int(os.environ.get("FUPAN_BENCH_EVENTS", 10_000_000))
RUNS = int(os.environ.get("FUPAN_BENCH_RUNS", 3))
NAMES = ["expose", "click", "cart", "create", "pay", "like"]
SESSIONS, PRODUCTS, SOURCES = 5, 40, 8
PER_PAIR = 1.736  # events of one person and product, with those that the log repeats

IMPORTS = {
    "pandas": "import numpy as np, pandas as pd, pyarrow.parquet",
    "engine": (
        "from helpers import reference\nfrom helpers.core import engine\n"
        "from helpers.funnel import viewer_events\nengine.backend()"
    ),
}
ENGINE = """
funnel = reference.funnels()["viewer_product"]
events = engine.table(sorted(Path(sys.argv[1]).glob("*.parquet")))
made = viewer_events.people(events, funnel, by=["product_id", "source"])
"""

# As one would write it with care: four columns and the funnel's rows alone are read, the keys of a
# person become one number, times become numbers, each step works on the rows of people who went on,
# sorted once, and windows are found by a running maximum.
PANDAS = """
steps, windows = ["expose", "click", "create", "pay"], [None, None, 1800, 1800]
by, who = ["product_id", "source"], "user_key"
columns = ["at", "event", who, *by]
rows = pd.read_parquet(sys.argv[1], columns=columns, filters=[("event", "in", steps)])
codes, groups = pd.MultiIndex.from_frame(rows[by].astype("category")).factorize()
persons, users = pd.factorize(rows[who])
key = codes.astype("int64") * len(users) + persons
at = rows["at"].astype("int64").to_numpy()
event = rows["event"].astype("category").cat.set_categories(steps).cat.codes.to_numpy()
events = pd.DataFrame({"key": key, "at": at, "event": event})
del rows, event, codes, persons, key, at
hits, done, parts = events.loc[events["event"] == 0, ["key", "at"]], None, []
for step, window in enumerate(windows):
    if step:
        here = events.loc[events["event"] == step, ["key", "at"]]
        hits = hits[hits["key"].isin(here["key"].unique())]
        before = hits.groupby("key", sort=False)["at"].min()
        first = here["key"].map(before)
        here = here[here["at"] >= first]
        if window is not None:
            both = pd.concat([hits.assign(before=hits["at"]), here.assign(before=-1)])
            order, rising = ["key", "at", "before"], [True, True, False]
            both = both.sort_values(order, ascending=rising, kind="stable", ignore_index=True)
            last = both.groupby("key", sort=False)["before"].cummax()
            in_time = (last >= 0) & (both["at"] - last <= window * 1_000_000)
            here = both.loc[(both["before"] < 0) & in_time, ["key", "at"]]
        hits = here
    if step:
        done = hits.groupby("key", sort=False)["at"].min()
        seconds = (done - before.reindex(done.index)) / 1e6
        counted = seconds.groupby(done.index // len(users)).agg(
            users="size",
            seconds_q25=lambda s: s.quantile(0.25),
            seconds_median="median",
            seconds_q75=lambda s: s.quantile(0.75),
        )
    else:
        counted = pd.Series(hits["key"].unique() // len(users)).value_counts()
        counted = counted.rename("users").to_frame()
    parts.append(counted.assign(step=step + 1))
made = pd.concat(parts).rename_axis("group").reset_index()
names = groups.to_frame(index=False, name=by).loc[made["group"]].reset_index(drop=True)
made = pd.concat([names, made.drop(columns="group")], axis=1)
"""

ONE = """
import json, os, resource, sys, time
from pathlib import Path
begun = time.perf_counter()
{imports}
start = time.perf_counter()
{do}
seconds = time.perf_counter() - start
used = resource.getrusage(resource.RUSAGE_SELF)
peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
names = ["product_id", "source", "step", "users", "seconds_q25", "seconds_median", "seconds_q75"]
made = made.reindex(columns=names).astype({{"users": "float64"}}).sort_values(names[:3])
made.to_parquet(sys.argv[2], index=False)
print(json.dumps([seconds, used.ru_utime + used.ru_stime, peak, start - begun]))
"""


def write(folder: Path, events: int) -> int:
    """A file a session, with rows out of order.

    People see products several times; some click, put into the cart, order and pay.
    """
    folder.mkdir()
    rows = 0
    for session in range(SESSIONS):
        table = _session(
            np.random.default_rng([20261111, session]), session, int(events / SESSIONS / PER_PAIR)
        )
        rows += len(table)
        pq.write_table(table, folder / f"2026-{session + 7:02d}.parquet")
    return rows


def _session(rng: np.random.Generator, session: int, pairs: int) -> pa.Table:
    viewers = pairs // 3
    person, product = (
        rng.integers(0, viewers, pairs),
        np.minimum(rng.geometric(0.08, pairs) - 1, PRODUCTS - 1),
    )
    saw = rng.integers(0, 4 * 3600 - 2400, pairs)
    parts = [(np.arange(pairs), 0, saw)]

    def more(
        among: np.ndarray, share: float, event: int, after: np.ndarray, least: int, most: int
    ) -> tuple[np.ndarray, np.ndarray]:
        some = rng.random(len(among)) < share
        at = after[some] + rng.integers(least, most, some.sum())
        parts.append((among[some], event, at))
        return among[some], at

    more(np.arange(pairs), 0.22, 0, saw, 1, 1800)
    more(np.arange(pairs), 0.1, 5, saw, 0, 3600)
    clicked, click = more(
        np.arange(pairs), 0.22, 1, saw, -60, 600
    )  # some before they saw it: out of order
    more(clicked, 0.3, 1, click, 0, 120)
    more(clicked, 0.25, 2, click, 1, 300)
    ordered, order = more(clicked, 0.2, 3, click, 0, 2400)
    more(ordered, 0.8, 4, order, 0, 2100)
    pair, event, at = (
        np.concatenate([np.broadcast_to(part[place], len(part[2])) for part in parts])
        for place in range(3)
    )
    mixed = rng.permutation(len(pair))
    mixed = mixed[np.argsort(at[mixed] // 600, kind="stable")]
    pair, event, at = pair[mixed], event[mixed], at[mixed]
    keys = [f"{(number * 2654435761 + session) % 2**63:016x}" for number in range(viewers)]
    moment = pa.array(
        at.astype("int64") * 1_000_000 + 1_783_000_000_000_000 + session * 86_400_000_000,
        pa.timestamp("us", "Asia/Shanghai"),
    )

    def named(codes: np.ndarray, names: list[str]) -> pa.Array:
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names).cast(pa.string())

    return pa.table(
        {
            "session_id": pa.array([f"2026{session + 7:02d}01-2000-douyin-0000"] * len(pair)),
            "at": moment,
            "user_key": named(person[pair], keys),
            "event": named(event, NAMES),
            "product_id": named(
                product[pair], [f"3712846190283710{number:03d}" for number in range(PRODUCTS)]
            ),
            "source": named(person[pair] % SOURCES, [f"来源{number}" for number in range(SOURCES)]),
        }
    )


class Run(NamedTuple):
    seconds: float
    processor_seconds: float
    peak_megabytes: float
    imports: float


def run(name: str, do: str, folder: Path, result: Path) -> Run:
    """What one process does, with its own peak memory (Linux and macOS)."""
    pipe, end = os.pipe()
    pid = os.posix_spawn(
        sys.executable,
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            ONE.format(do=do, imports=IMPORTS[name]),
            str(folder),
            str(result),
        ],
        os.environ,
        file_actions=[(os.POSIX_SPAWN_DUP2, end, 1)],
    )
    os.close(end)
    with os.fdopen(pipe) as out:
        printed = out.read()
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    return Run(*json.loads(printed.splitlines()[-1]))


def test_the_ordered_funnel_on_the_engine_against_pandas(tmp_path):
    rows = write(tmp_path / "actions", EVENTS)
    sides: dict[str, list[Run]] = {"pandas": [], "engine": []}
    for _ in range(RUNS):
        for name, do in (("pandas", PANDAS), ("engine", ENGINE)):
            sides[name].append(run(name, do, tmp_path / "actions", tmp_path / f"{name}.parquet"))
    pd.testing.assert_frame_equal(
        *(pd.read_parquet(tmp_path / f"{name}.parquet") for name in sides), check_dtype=False
    )
    print(
        f"\nordered funnel of {rows:,} viewer events by {PRODUCTS} products x {SOURCES} sources, "
        f"medians of {RUNS}"
    )
    medians = {
        name: Run(*(statistics.median(values) for values in zip(*runs, strict=True)))
        for name, runs in sides.items()
    }
    for name, one in medians.items():
        print(
            f"  {name:<8}{one.seconds:8.1f} s{one.processor_seconds:8.1f} "
            f"CPU-s{one.peak_megabytes:8.0f} MB, after {one.imports:.1f} s of imports"
        )
    ratio = medians["pandas"].seconds / medians["engine"].seconds
    print(f"  the engine is {ratio:.1f} times as fast")
    assert ratio >= 2.5 and medians["engine"].peak_megabytes < 2_000
