"""How often the verdict on a plan is right.

Simulated accounts with nothing done, planted effects, the demo's own plan. Accounts come from the
demo's simulator (fault "none"); for coverage and power, where thousands of repetitions are needed,
from a light one: log-normal slices with a shock that all slices of a session share and one of their
own.
"""

import functools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import compare, demo, reference
from helpers.demo.simulate import OVERDISPERSION, SD_LOG
from helpers.demo.write import write_plan
from helpers.plan import plan_file, verification
from helpers.reference import schema

ZONE = "Asia/Shanghai"
WATCHED = {"product_id": "item_click_pay_rate", "source": "room_conversion"}
SESSIONS, AFTER, LEAST, ERROR = 40, 4, 0.1, 0.05
GOOD = ("effective", "effective_but_small")
MULTIPLIERS = (1.0, 1.15, 1.3, 1.5, 2.0)
# Sessions before and after, slices, and the spread of the shared and of the own shock. In the first
# setting a slice has a spread of 0.21 alone and 0.18 against the eleven others, which gives the
# power of an earlier, independent run; the second is the demo's, without the counting noise of few
# buyers.
SETTINGS = {
    "8 before, 1 after": {"before": 8, "after": 1, "slices": 12, "shared": 0.12, "own": 0.175},
    "15 before, 4 after": {
        "before": 15,
        "after": 4,
        "slices": 8,
        "shared": SD_LOG,
        "own": OVERDISPERSION,
    },
}


def registry() -> dict[str, reference.Metric]:
    known = reference.registry()
    return {name: known[name] for name in (*WATCHED.values(), "follow_rate", "interaction_rate")}


def history(simulation: demo.Simulation, plans: pd.DataFrame, at: str) -> pd.DataFrame:
    """The values that `verify` reads, as the notebook gathers them.

    Session `at` is under review.
    """
    tables = simulation.tables
    none = {name: schema.empty(name, ZONE) for name in ("orders", "service", "minutes", "events")}
    values = verification.gather(
        tables["sessions"],
        none["orders"],
        plans=plans,
        enquiries=none["service"],
        traffic=tables["traffic"],
        products=tables["products"],
        minutes=none["minutes"],
        session_id=at,
        as_of=tables["sessions"]["started_at"].max(),
        registry=registry(),
        reply_seconds=180,
    )
    events = compare.event_windows(tables.get("events", none["events"]), reference.event_kinds())
    return verification.history(values, tables["sessions"], room_of=at, events=events)


def ordinary(simulation: demo.Simulation) -> list[str]:
    """Sessions that count, oldest first."""
    sessions = simulation.tables["sessions"]
    return sessions.loc[~sessions["kind"].isin(["promotion", "clearance"]), "session_id"].tolist()


# ------------------------------------------------------------------------------------ nothing done


def line(session_id: str, metric: str, slice: str) -> pd.DataFrame:
    return plan_file.frame(
        [
            {
                "plan_id": "P-1",
                "session_id": session_id,
                "metric": metric,
                "slice": slice,
                "action": "nothing",
                "status": "done",
                "sessions": AFTER,
                "least_effect": LEAST,
            }
        ]
    )


def worst(known: pd.DataFrame, metric: str, flagged: str) -> str:
    """The slice that lies lowest at the flagged session against its own sessions before.

    Of those that are always there.
    """
    own = known[
        (known["metric"] == metric) & (known["slice"] != "") & known["comparable"]
    ].sort_values("started_at")
    wide = (
        own.pivot(index="session_id", columns="slice", values="value")
        .loc[:flagged]
        .tail(verification.MOST_BEFORE + 1)
    )
    wide = wide.loc[:, wide.notna().all()]
    return str((wide.loc[flagged] / wide.iloc[:-1].mean()).idxmin())


def nothing_done(seed: int, axis: str) -> pd.DataFrame:
    """The verdicts on the worst slice of a quiet account: one row per look.

    A look follows each of the planned sessions.
    """
    simulation, metric = (
        demo.simulate(seed, sessions=SESSIONS, fault="none", tables=()),
        WATCHED[axis],
    )
    ids = ordinary(simulation)
    flagged, since = ids[-AFTER - 1], ids[-AFTER:]
    any_slice = simulation.tables["traffic" if axis == "source" else "products"][axis].iloc[0]
    known = history(simulation, line(flagged, metric, any_slice), since[-1])
    plans = line(flagged, metric, worst(known, metric, flagged))
    started = simulation.tables["sessions"].set_index("session_id")["started_at"]
    looks = [
        verification.verify(
            plans,
            known[known["started_at"] <= started[at]],
            simulation.tables["sessions"],
            registry=registry(),
        )
        for at in since
    ]
    return pd.concat(looks, ignore_index=True)


def said_by(looks: pd.DataFrame) -> pd.DataFrame:
    """What the review says, and what each estimator alone would say, by look.

    Empty where the controls cannot be used.
    """
    judged_by_controls = looks["estimator"] == "controls"
    return pd.DataFrame(
        {
            "review": looks["verdict"],
            "own past": looks["other_verdict"].where(judged_by_controls, looks["verdict"]),
            "controls": looks["verdict"].where(judged_by_controls, looks["other_verdict"]),
        }
    )


def false_alarms(seeds: Iterable[int], axis: str) -> pd.DataFrame:
    """Shares of quiet accounts whose worst slice is called effective: one row per estimator.

    Columns: at_the_end (the planned number of sessions), at_any_look, naive (the first session
    since is better than the flagged one), by_controls (how often the controls judged at the end),
    rebound and expected_rebound (medians).
    """
    accounts = [nothing_done(seed, axis) for seed in seeds]
    called = [said_by(looks).isin(GOOD) for looks in accounts]
    first, last = (pd.DataFrame([looks.iloc[place] for looks in accounts]) for place in (0, -1))
    return pd.DataFrame(
        {
            "at_the_end": pd.DataFrame([one.iloc[-1] for one in called]).mean(),
            "at_any_look": pd.DataFrame([one.any() for one in called]).mean(),
            "naive": (first["after"] > first["flagged"]).mean(),
            "by_controls": (last["estimator"] == "controls").mean(),
            "rebound": (last["after"] / last["flagged"] - 1).median(),
            "expected_rebound": last["expected_rebound"].median(),
        }
    )


# ------------------------------------------------------------------------------ coverage and power


def slices(
    rng: np.random.Generator, *, before: int, after: int, slices: int, shared: float, own: float
) -> np.ndarray:
    """A light account: sessions x slices."""
    n = before + after
    return np.exp(
        rng.normal(0, shared, (n, 1))
        + rng.normal(0, own, (n, slices))
        + rng.normal(-3, 0.5, slices)
    )


@functools.cache
def steady(before: int, after: int, gap: float = 2.0) -> compare.Course:
    """Sessions of one kind `gap` days apart, the flagged one among them."""
    days = np.arange(before + 1 + after) * gap
    near = np.exp(-np.abs(days[:, None] - days) / 7)
    return compare.Course(near, np.ones_like(near), days, np.ones_like(near, dtype=bool))


def estimates(
    values: np.ndarray, before: int, multiplier: float, *, error: float = ERROR
) -> Iterator[tuple[str, verification.Effect]]:
    """Both estimators on the first slice, multiplied since; of the flagged session nothing."""
    treated = values[:, 0] * np.where(np.arange(len(values)) < before, 1, multiplier)
    course = steady(before, len(values) - before)
    contrast = verification.against_controls(
        treated[:before],
        treated[before:],
        values[:before, 1:],
        values[before:, 1:],
        error=error,
        course=course,
    )
    yield (
        "own past",
        verification.effect(treated[:before], treated[before:], error=error, course=course),
    )
    yield "controls", contrast.effect


def coverage_and_power(
    runs: int, *, setting: dict, multipliers: Iterable[float] = MULTIPLIERS, seed: int = 7
) -> pd.DataFrame:
    """Shares by multiplier and estimator.

    Covered, effective, cannot_tell, wrong (a useless action called effective, a useful one
    harmful).
    """
    rows = []
    for multiplier in multipliers:
        rng = np.random.default_rng([seed, int(multiplier * 100)])
        for _ in range(runs):
            for name, made in estimates(slices(rng, **setting), setting["before"], multiplier):
                said = verification.verdict(made.lower, made.effect, made.upper, LEAST)
                wrong = said in GOOD if multiplier == 1 else said == "harmful"
                rows.append(
                    (
                        multiplier,
                        name,
                        made.lower <= multiplier - 1 <= made.upper,
                        said == "effective",
                        said == "cannot_tell",
                        wrong,
                    )
                )
    made = pd.DataFrame(
        rows, columns=["multiplier", "estimator", "covered", "effective", "cannot_tell", "wrong"]
    )
    return made.groupby(["multiplier", "estimator"]).mean()


# --------------------------------------------------------------------------------- the demo's plan


def demo_plan(seed: int) -> pd.Series:
    """The verdicts on the two lines of the demo's own plan file, by plan_id.

    D1 worked, D2 did not.
    """
    simulation = demo.simulate(seed, tables=("events",))
    sessions, at = simulation.tables["sessions"], simulation.truth["target_session"]
    with tempfile.TemporaryDirectory() as folder:
        write_plan(simulation, Path(folder))
        plans = plan_file.earlier(Path(folder), sessions, at, registry=reference.registry()).rows
    made = verification.verify(plans, history(simulation, plans, at), sessions, registry=registry())
    return made.set_index("plan_id")["verdict"]


def demo_plans(seeds: Iterable[int]) -> pd.DataFrame:
    """Shares of each verdict over seeds: rows worked and failed."""
    made = pd.DataFrame([demo_plan(seed) for seed in seeds]).rename(
        columns={"D1": "worked", "D2": "failed"}
    )
    return made.apply(lambda column: column.value_counts(normalize=True)).T.fillna(0.0)
