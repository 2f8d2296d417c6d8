"""Plans that did nothing, on accounts that do not stand still and on a real one.

Simulated accounts share one metric's course: independent sessions, autocorrelation, growth or
decline of 5 % a week, a weekly season, heavy tails; three sessions a week. A plan is made at any
session, or at one that is lower than the last nine and in the lowest tenth of the last fifteen. The
constants of `compare.ahead` were chosen on seeds 0 to 9 999 and on the first 61 sessions of the
real account; scores are taken from 20 000 on and from the sessions after them.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers import reference
from helpers.plan import plan_file, verification
from tests.benchmarks.plans import GOOD, LEAST, steady

KINDS = ("even", "ar .5", "ar .8", "grows", "declines", "weekly", "heavy tails")
SD, GAP, WEEKLY = 0.15, 7 / 3, 0.05  # between sessions; in days; growth
ROOM_FOR_LOW = 40  # sessions among which a low is waited for
TUNED_ON = 61  # real sessions


def series(rng: np.random.Generator, kind: str, n: int) -> np.ndarray:
    """Logarithms of a metric over `n` sessions."""
    place, noise = np.arange(n), rng.normal(size=n)
    if kind.startswith("ar"):
        share = float(kind.split()[1])
        for at in range(1, n):
            noise[at] = share * noise[at - 1] + np.sqrt(1 - share**2) * noise[at]
        return SD * noise
    if kind == "heavy tails":
        return SD * rng.standard_t(3, size=n) / np.sqrt(3)
    grown = {"grows": np.log1p(WEEKLY), "declines": np.log1p(-WEEKLY)}.get(kind, 0.0)
    course = SD * noise + grown * place * GAP / 7
    if kind == "weekly":
        season = np.sin(2 * np.pi * (place * GAP / 7 + rng.uniform()))
        course = course + SD * (season + (place % 3 == 2))
    return course


def _low(course: np.ndarray, at: int) -> bool:
    before = course[max(0, at - 15) : at]
    return course[at] < min(np.quantile(before, 0.1), before[-9:].min())


def plan(
    rng: np.random.Generator, kind: str, before: int, after: int, *, low: bool
) -> tuple[np.ndarray, float, np.ndarray]:
    """Values before a plan, at the session that it came from, and after it, nothing being done."""
    while True:
        course = series(rng, kind, before + (ROOM_FOR_LOW if low else 0) + 1 + after)
        places = range(before, len(course) - after)
        at = next((at for at in places if not low or _low(course, at)), None)
        if at is not None:
            values = np.exp(course)
            return values[at - before : at], float(values[at]), values[at + 1 : at + 1 + after]


def simulated(
    seeds: Iterable[int], kind: str, before: int, after: int, *, low: bool, factor: float = 1.3
) -> pd.Series:
    """Shares of plans that did nothing: covered, effective, harmful; and of those found.

    `found` is the share called effective where the plan multiplied the metric by `factor`; `plain`
    are the same by t around one level, from the last fifteen sessions.
    """
    rows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, KINDS.index(kind), before, after, low])
        past, flagged, since = plan(rng, kind, before, after, low=low)
        course = steady(before, after, GAP)
        by_course = verification.effect(past, since, flagged=flagged, course=course)
        moved = verification.effect(past, since * factor, flagged=flagged, course=course)
        plain, plain_moved = (
            verification.effect(past[-15:], values) for values in (since, since * factor)
        )
        rows.append([*_scores(by_course, moved), *_scores(plain, plain_moved)])
    names = ["covered", "effective", "harmful", "found"]
    columns = [*names, *(f"plain {name}" for name in names)]
    return pd.DataFrame(rows, columns=columns).mean()


def _scores(nothing: verification.Effect, moved: verification.Effect) -> list[bool]:
    said, of_moved = (
        verification.verdict(one.lower, one.effect, one.upper, LEAST) for one in (nothing, moved)
    )
    covered = bool(nothing.lower <= 0 <= nothing.upper)
    return [covered, said in GOOD, said == "harmful", of_moved in GOOD]


def real(
    sessions: pd.DataFrame, values: pd.DataFrame, after: int, *, first: int = TUNED_ON
) -> pd.DataFrame:
    """Verdicts on plans that nobody made at each real session from the `first` on.

    One row per session and metric: place, metric, low (under the nine before), covered, effective,
    harmful.
    """
    sessions = sessions.sort_values("started_at", ignore_index=True)
    ids = sessions["session_id"]
    known = values.assign(
        started_at=values["session_id"].map(sessions.set_index("session_id")["started_at"]),
        slice="",
        axis="",
        label="",
        price=np.nan,
        comparable=True,
        festival="",
    )
    wide = known.pivot(index="session_id", columns="metric", values="value").loc[ids]
    plans = plan_file.frame(
        [
            {
                "plan_id": f"{place} {metric}",
                "session_id": ids[place],
                "metric": metric,
                "slice": "",
                "action": "nothing",
                "status": "done",
                "sessions": after,
                "least_effect": LEAST,
            }
            for place in range(first, len(ids) - after)
            for metric in wide
        ]
    )
    checked = verification.verify(plans, known, sessions, registry=reference.registry())
    checked = checked[checked["effect_lower"].notna()]
    place = checked["session_id"].map(pd.Series(ids.index, index=ids))
    low = [
        wide[metric].iloc[at] < wide[metric].iloc[at - 9 : at].min()
        for at, metric in zip(place, checked["metric"], strict=True)
    ]
    return pd.DataFrame(
        {
            "place": place,
            "metric": checked["metric"],
            "low": low,
            "covered": checked["effect_lower"].le(0) & checked["effect_upper"].ge(0),
            "effective": checked["verdict"].isin(GOOD),
            "harmful": checked["verdict"].eq("harmful"),
        }
    )


def with_error(
    table: pd.DataFrame, *, block: int = 7, draws: int = 1000, seed: int = 3
) -> pd.DataFrame:
    """The shares of `real` and their standard errors, blocks of sessions drawn anew."""
    names = ["covered", "effective", "harmful"]
    by_place = table.groupby("place")[names].agg(["sum", "count"])
    places = np.arange(table["place"].min(), table["place"].max() + 1)
    by_place = by_place.reindex(places, fill_value=0)
    rng, n = np.random.default_rng(seed), len(places)
    starts = rng.integers(0, n, (draws, -(-n // block)))
    drawn = ((starts[:, :, None] + np.arange(block)) % n).reshape(draws, -1)[:, :n]
    shares = {}
    for name in names:
        hits, count = (by_place[name][part].to_numpy() for part in ("sum", "count"))
        again = hits[drawn].sum(axis=1) / np.maximum(count[drawn].sum(axis=1), 1)
        shares[name] = [table[name].mean(), again.std(ddof=1)]
    return pd.DataFrame(shares, index=["share", "error"])
