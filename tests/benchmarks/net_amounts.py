"""Whether the net amount to be expected of a young session holds, in money.

On simulated accounts, and on those whose returns change: from some session on more of the lines
come back, or fewer. Development used the seeds 7200 to 7299, scores are taken from 7300 on.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers import aftersales, demo
from helpers.aftersales import final_returns
from helpers.aftersales.order_lines import DAY, known_at

FIRST_SCORED = 7300
DAYS, WINDOW = (3, 7, 14), 30.0
COLUMNS = ["day", "since", "expected", "lower", "upper", "final", "paid"]


def account(seed: int, *, sessions: int = 110) -> tuple[pd.DataFrame, pd.Timestamp]:
    """The order lines of a simulated account, and when they were exported."""
    tables = demo.simulate(seed, sessions=sessions, tables=("orders", "aftersales")).tables
    as_of = tables["orders"]["created_at"].max().ceil("D")
    return aftersales.lines(tables["orders"], tables["aftersales"], as_of=as_of), as_of


def changed(
    lines: pd.DataFrame, from_session: int, factor: float, rng: np.random.Generator
) -> pd.DataFrame:
    """The same lines with `factor` times as many refunds from that session on.

    Further ones are delayed as others of the account are; of too many, some never happened.
    """
    order = lines.groupby("session_id")["paid_at"].min().sort_values().index
    late = lines["session_id"].isin(order[from_session:])
    back = lines["refunded"] & lines["refunded_at"].notna()
    delay = (lines["refunded_at"] - lines["paid_at"])[back].to_numpy()
    made = lines.copy()
    if factor < 1:
        dropped = late & lines["refunded"] & (rng.random(len(lines)) > factor)
        made.loc[dropped, ["refunded", "asked", "returned"]] = False
        made.loc[dropped, ["refunded_at", "asked_at"]] = pd.NaT
        made.loc[dropped, "refunded_amount"] = 0.0
        return made
    rate = lines.loc[late, "refunded"].mean()
    chance = rate * (factor - 1) / (1 - rate)
    new = late & ~lines["refunded"] & (rng.random(len(lines)) < chance)
    when = lines.loc[new, "paid_at"] + rng.choice(delay, int(new.sum()))
    made.loc[new, ["refunded", "asked"]] = True
    made.loc[new, "refunded_at"] = when
    made.loc[new, "asked_at"] = when
    made.loc[new, "refunded_amount"] = lines.loc[new, "paid"]
    made.loc[new, "before_shipping"] = False
    return made


def back_tested(
    lines: pd.DataFrame, as_of: pd.Timestamp, *, newest: int = 40, from_session: int = 0
) -> pd.DataFrame:
    """Net amounts expected of the newest sessions that are over, from what was known then."""
    timed = ~(lines["refunded"] & lines["refunded_at"].isna())
    lines = lines[lines["session_id"].notna() & timed]
    paid_at = lines.groupby("session_id")["paid_at"].agg(["min", "mean", "max"]).sort_values("min")
    over = paid_at[paid_at["max"] + WINDOW * DAY <= as_of]
    rows = []
    for session, times in over.tail(newest).iterrows():
        own = lines[lines["session_id"] == session]
        earlier = lines[lines["paid_at"] < times["min"]]
        within = own["refunded_at"] - own["paid_at"] <= WINDOW * DAY
        final = own["paid"].sum() - own.loc[within, "refunded_amount"].sum()
        since = paid_at.index.get_loc(session) - from_session
        for day in DAYS:
            then = times["mean"] + day * DAY
            known = known_at(own, then)
            guess = final_returns.expected_final(known, known_at(earlier, then), as_of=then)
            net = final_returns.net_amount(known, guess).set_index("line").loc["expected_net"]
            rows.append(
                [day, since, net["amount"], net["lower"], net["upper"], final, own["paid"].sum()]
            )
    return pd.DataFrame(rows, columns=COLUMNS)


def scores(tested: pd.DataFrame) -> pd.DataFrame:
    """By day: share of final amounts inside, width and error of the interval, of what was paid."""
    known = tested.dropna(subset=["lower"])
    return (
        pd.DataFrame(
            {
                "day": known["day"],
                "inside": known["final"].between(known["lower"] - 0.005, known["upper"] + 0.005),
                "width": (known["upper"] - known["lower"]) / known["paid"],
                "off": (known["expected"] / known["final"] - 1),
                "n": 1.0,
            }
        )
        .groupby("day")
        .agg({"inside": "mean", "width": "mean", "off": "mean", "n": "sum"})
    )


def accounts(seeds: Iterable[int], *, factor: float = 1.0, ago: int = 25) -> pd.DataFrame:
    """`back_tested` of several accounts; with a factor returns changed so many sessions ago."""
    parts = []
    for seed in seeds:
        lines, as_of = account(seed)
        count = lines["session_id"].nunique()
        if factor != 1.0:
            lines = changed(lines, count - ago - 12, factor, np.random.default_rng(seed))
        newest = 40 if factor == 1.0 else ago
        parts.append(back_tested(lines, as_of, newest=newest, from_session=count - ago - 12))
    return pd.concat(parts, ignore_index=True)
