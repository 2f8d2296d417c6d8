"""What the first layer says, as data: each held against its result, any two against each other."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import pandas as pd

from helpers.aftersales import profit
from helpers.core import findings

Key = tuple[tuple[str, str], ...]  # columns and the values by which a row of a result is found

# What a verdict says of the business: good, bad, or neither.
DIRECTIONS = {
    **dict.fromkeys(["better", "leaning", "strong", "reached", "on_track", "earned_back"], 1),
    **dict.fromkeys(["worse", "suspected", "missed", "off_target", "not_earned_back"], -1),
}
FIRM = ("better", "worse")
# What may be said where a result says so; what is not here is said as it stands.
SAID = {
    "effective": ("better", "leaning"),
    "effective_but_small": ("leaning",),
    "better": ("better", "leaning"),
    "above": ("strong",),
    "": ("cannot_tell",),
}


class Place(NamedTuple):
    """Where a figure stands: the result, its row, its column."""

    result: str
    row: Key
    column: str


class Statement(NamedTuple):
    """One statement of the first layer.

    It speaks of a metric of the session or a part of it (`slice`), measured against a yardstick
    (usual, goal, since an action, cost, or the session itself). Its value and amount stand at a
    place of a result, and so does what it is called there (`stated`).
    """

    id: str
    metric: str
    slice: str
    yardstick: str
    value: float
    verdict: str
    at: Place | None
    stated: Place | None = None
    amount: float = math.nan
    amount_at: Place | None = None

    @property
    def direction(self) -> int:
        """1 where it is good news, −1 where bad, 0 where neither."""
        return DIRECTIONS.get(self.verdict, 0)


Results = Mapping[str, pd.DataFrame]


def faults(claims: Sequence[Statement], results: Results) -> dict[str, list[str]]:
    """What is wrong with which statement, by id; empty where all hold.

    Of two that contradict each other the later one is at fault.
    """
    wrong: dict[str, list[str]] = {}
    for statement in claims:
        for words in _unheld(statement, results):
            wrong.setdefault(statement.id, []).append(words)
    for first, second in itertools.combinations(claims, 2):
        words = contradiction(first, second)
        if words and first.id not in wrong:
            wrong.setdefault(second.id, []).append(f"{words} {first.id}")
    return wrong


def contradiction(first: Statement, second: Statement) -> str:
    """How two statements contradict each other; empty where they do not."""
    if (first.metric, _about(first)) != (second.metric, _about(second)) or not first.metric:
        return ""
    alike = first.yardstick == second.yardstick
    if {first.yardstick, second.yardstick} <= {"usual", "since"} and (
        first.direction * second.direction < 0 or _firm_and_open(first, second)
    ):
        return "says otherwise than"
    if alike and first.direction * second.direction < 0 and first.value == second.value:
        return "says otherwise than"
    if alike and _differ(first.value, second.value) and first.yardstick != "goal":
        return "states another value than"
    if _differ(first.amount, second.amount):
        return "states another amount than"
    return ""


def _about(statement: Statement) -> str:
    return findings.slice_key(statement.slice)


def _firm_and_open(first: Statement, second: Statement) -> bool:
    verdicts = {first.verdict, second.verdict}
    return "cannot_tell" in verdicts and bool(verdicts & set(FIRM))


def _differ(one: float, other: float) -> bool:
    return math.isfinite(one) and math.isfinite(other) and not math.isclose(one, other)


def _unheld(statement: Statement, results: Results) -> Iterator[str]:
    if statement.at and _differs(statement.value, looked_up(statement.at, results)):
        yield f"its value is not that of {statement.at.result}"
    if statement.amount_at:
        stands = looked_up(statement.amount_at, results)
        # a shortfall is an amount without its sign
        if _differs(statement.amount, abs(stands) if isinstance(stands, int | float) else stands):
            yield f"its amount is not that of {statement.amount_at.result}"
    if statement.stated:
        stated = looked_up(statement.stated, results)
        if statement.verdict not in SAID.get(stated, (stated,)):
            yield f"{statement.stated.result} does not say so"
    if statement.yardstick == "cost":
        level = profit.break_even(results["profit"], results["profit_expected"])
        if statement.verdict != paid_back(statement.value, level):
            yield "the margin and the returns do not say so"


def paid_back(value: float, level: float) -> str:
    """Whether a return of ads pays for itself; below 1 it never does, whatever goods cost."""
    if value < 1:
        return "not_earned_back"
    if not math.isfinite(level):
        return "cannot_tell"
    return "earned_back" if value >= level else "not_earned_back"


def looked_up(place: Place, results: Results) -> object:
    """What stands at a place of a result; None where there is no such row."""
    frame = results[place.result]
    if not {place.column, *(name for name, _ in place.row)} <= set(frame.columns):
        return None
    for name, value in place.row:
        frame = frame[frame[name].astype(str).eq(str(value))]
    return frame.iloc[0][place.column] if len(frame) else None


def _differs(value: float, stands: object) -> bool:
    if not isinstance(stands, int | float):
        return True
    return not math.isclose(value, stands, rel_tol=1e-9)
