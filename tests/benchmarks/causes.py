"""Planted causes found again.

A five-way confusion matrix over simulated sessions, as `bench_causes` and the tests read it.
`python -m tests.benchmarks.causes [seeds] [first seed]` prints it. Development used the seeds 0 to
599; scores are taken from 10 000 on.
"""

import sys

import pandas as pd

from helpers import compare, demo, reference, split

CAUSES = {
    "none": "cannot_tell",
    "mix": "mix",
    "source": "source",
    "product": "product",
    "all": "overall",
}
FIRST_SCORED = 10_000


def said(seed: int, fault: str, *, sessions: int = 120, with_cells: bool = False) -> str:
    """What the split says of the last session of one simulated account."""
    made = demo.simulate(seed, sessions=sessions, fault=fault, tables=("sessions", "events"))
    tables, session = made.tables, made.truth["target_session"]
    comparable = compare.comparable(
        tables["sessions"],
        session,
        events=compare.event_windows(tables["events"], reference.event_kinds()),
        calendar=reference.calendar(),
        thresholds=reference.thresholds(),
    )
    chosen = comparable.loc[comparable["chosen"], "session_id"]
    cells = made.cells.rename(
        columns={
            "product_exposure_users": "exposed",
            "product_click_users": "clicked",
            "create_users": "sold",
        }
    )
    return split.diagnose_session(
        tables["traffic"],
        tables["products"],
        session,
        chosen,
        pool=compare.spread_pool(comparable),
        cells=cells if with_cells else None,
    ).cause


def confusion(seeds: range, **options) -> pd.DataFrame:
    """How often each planted cause (rows) is called what (columns), as shares of the seeds."""
    rows = [(fault, said(seed, fault, **options)) for fault in CAUSES for seed in seeds]
    frame = pd.DataFrame(rows, columns=["planted", "said"])
    counts = pd.crosstab(frame["planted"], frame["said"], normalize="index")
    return counts.reindex(index=list(CAUSES), columns=[*CAUSES.values(), "both"], fill_value=0.0)


def right(table: pd.DataFrame) -> pd.Series:
    """The diagonal: the share of each planted cause that was named."""
    return pd.Series({fault: table.loc[fault, cause] for fault, cause in CAUSES.items()})


if __name__ == "__main__":
    count, first = (
        int(sys.argv[k]) if len(sys.argv) > k else value
        for k, value in ((1, 200), (2, FIRST_SCORED))
    )
    print(confusion(range(first, first + count)).to_string(float_format="{:.3f}".format))
