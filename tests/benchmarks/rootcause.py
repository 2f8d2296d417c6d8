"""Score of the slice finder on labelled cases: `python -m tests.benchmarks.rootcause FOLDER`.

FOLDER holds `anomaly.yaml` (data, timestamp, cause: a mapping of dimension to value, or a list of
them) and one CSV per case (min, value, cnt and dimensions). Each case is the anomalous minute
against all minutes before it, leaves summed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

from helpers.split import scan

MINUTE, VALUE, WEIGHT = "min", "value", "cnt"
Cause = dict[str, str]


class Outcome(NamedTuple):
    """One case: its labelled causes, the answers in order, and the seconds that these took."""

    name: str
    causes: list[Cause]
    answers: list[Cause]
    seconds: float


def text_of(cause: Mapping[str, object]) -> Cause:
    """A cause with its values as text.

    The labels write 2000 where a file may hold 2000 or "2000".
    """
    return {name: str(value) for name, value in cause.items()}


def causes_of(case: Mapping[str, object]) -> list[Cause]:
    """The labelled causes of a case, one or several."""
    return [
        text_of(cause)
        for cause in (case["cause"] if isinstance(case["cause"], list) else [case["cause"]])
    ]


def summed(rows: pd.DataFrame, dimensions: Sequence[str]) -> pd.DataFrame:
    """One row per leaf."""
    return rows.groupby(list(dimensions), as_index=False, dropna=False)[[VALUE, WEIGHT]].sum()


def run_case(folder: Path, case: Mapping[str, object]) -> Outcome:
    """Read a case, find its slices, and keep the time of that.

    The time is that of finding and summing, not of reading.
    """
    table = pd.read_csv(folder / f"{case['data']}.csv")
    dimensions = [name for name in table.columns if name not in (MINUTE, VALUE, WEIGHT)]
    table = table.assign(**{name: table[name].astype("str") for name in dimensions})
    start = time.perf_counter()
    found = scan.find_slices(
        summed(table[table[MINUTE] == case["timestamp"]], dimensions),
        dimensions=dimensions,
        value=VALUE,
        weight=WEIGHT,
        baseline=summed(table[table[MINUTE] < case["timestamp"]], dimensions),
        direction="up",
        top=5,
    )
    seconds = time.perf_counter() - start
    answers = [text_of(row.dropna()) for _, row in found[dimensions].iterrows()]
    return Outcome(str(case["data"]), causes_of(case), answers, seconds)


def run(folder: Path) -> list[Outcome]:
    """Every case of the folder, in the order of its `anomaly.yaml`."""
    cases = yaml.safe_load((folder / "anomaly.yaml").read_text(encoding="utf-8"))
    return [run_case(folder, case) for case in cases]


def f1_first(outcomes: Sequence[Outcome]) -> float:
    """F1 of the first answers.

    Precision over the answers given, recall over all labelled causes.
    """
    right = sum(outcome.answers[0] in outcome.causes for outcome in outcomes if outcome.answers)
    given, labelled = (
        sum(bool(outcome.answers) for outcome in outcomes),
        sum(len(outcome.causes) for outcome in outcomes),
    )
    return 2 * right / (given + labelled) if given + labelled else float("nan")


def hit_rate(outcomes: Sequence[Outcome], first: int) -> float:
    """Share of cases with a labelled cause among the first answers."""
    return sum(
        any(answer in case.causes for answer in case.answers[:first]) for case in outcomes
    ) / len(outcomes)


def summary(outcomes: Sequence[Outcome]) -> str:
    """The scores in one line."""
    seconds = sum(outcome.seconds for outcome in outcomes) / len(outcomes)
    return (
        f"F1@1 {f1_first(outcomes):.3f} hit@3 {hit_rate(outcomes, 3):.3f} hit@5 "
        f"{hit_rate(outcomes, 5):.3f} "
        f"seconds/case {seconds:.3f}"
    )


def line(outcome: Outcome) -> str:
    """One case in words: at which place the cause stands, what it is, what was answered first."""
    place = next(
        (str(k) for k, answer in enumerate(outcome.answers, 1) if answer in outcome.causes), "-"
    )
    said = [
        " | ".join("&".join(f"{k}={v}" for k, v in sorted(cause.items())) for cause in causes)
        for causes in (outcome.causes, outcome.answers[:1])
    ]
    return f"{place}  {outcome.name}: {said[0]} -> {said[1] or 'nothing'}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line per case (the place of the cause among the answers) and, last, the scores."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.rootcause", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="folder with anomaly.yaml and a CSV per case")
    folder = parser.parse_args(arguments).folder
    if not (folder / "anomaly.yaml").is_file():
        parser.error(f"{folder} has no anomaly.yaml")
    outcomes = run(folder)
    for outcome in outcomes:
        print(line(outcome))
    print(summary(outcomes))


if __name__ == "__main__":
    main()
