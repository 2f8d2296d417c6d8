"""Whether the expected range of a session holds.

Quiet simulated accounts, planted changes, and a real account predicted forward. `bench_compare`
reads it with many seeds, the tests with few. Development used the seeds 0 to 9 999; scores are
taken from 20 000 on.
"""

import numpy as np
import pandas as pd

from helpers import compare, demo, reference
from helpers.core import stats
from helpers.reference import metrics, schema

REGISTRY, THRESHOLDS, CALENDAR = reference.registry(), reference.thresholds(), reference.calendar()
FIRST_SCORED = 20_000
ZONE = "Asia/Shanghai"
IDS = (
    "viewers",
    "product_click_rate",
    "click_create_rate",
    "create_pay_rate",
    "customer_price",
    "uv_value",
)
LEVEL_OFF = 0.05  # rates before correction: both tails together
PLAIN = 8  # sessions of the plain interval that the real account's forecast is held against
WITHOUT_ADS = ("ad_roi",)  # known for a third of the real sessions only


def account(
    rng: np.random.Generator, sessions: int, *, sd: float = 0.13, drift: float = 0.0, slots: int = 1
) -> pd.DataFrame:
    """Sessions of an account on which nothing happens.

    Each metric varies by `sd`, its level by `drift` from session to session. With more than one
    slot they start at 10, 15 or 20 o'clock, each slot at its own level.
    """
    days = pd.date_range("2026-03-20", periods=sessions, freq="D")
    slot = rng.integers(0, slots, sessions)
    vary = np.exp(
        rng.normal(0, sd, (sessions, 6))
        + np.cumsum(rng.normal(0, drift, (sessions, 6)), axis=0)
        - 0.3 * slot[:, None]
    )
    exposed = rng.poisson(9_000 * vary[:, 0])
    clicked = rng.binomial(exposed, np.clip(0.20 * vary[:, 1], 0, 1))
    created = rng.binomial(clicked, np.clip(0.25 * vary[:, 2], 0, 1))
    paid = rng.binomial(created, np.clip(0.60 * vary[:, 3], 0, 1))
    made = pd.DataFrame(
        {
            "session_id": [f"s{number}" for number in range(sessions)],
            "platform": "douyin",
            "room": "r",
            "host": "A",
            "kind": "daily",
            "started_at": (
                days + pd.to_timedelta(np.array([20, 15, 10])[slot], unit="h")
            ).tz_localize(ZONE),
            "duration_seconds": 4 * 3600.0,
            "currency": "CNY",
            "viewers": np.round(12_000 * vary[:, 0]),
            "product_exposure_users": exposed,
            "product_click_users": clicked,
            "create_users": created,
            "pay_users": paid,
            "orders": paid,
            "paid_amount": paid * 90 * vary[:, 4],
        }
    )
    return schema.conform(made, "sessions", ZONE)


def scaled(sessions: pd.DataFrame, ids: list[str]) -> pd.DataFrame:
    return compare.on_one_scale(
        metrics.by_session(sessions, ids, registry=REGISTRY), sessions, REGISTRY
    )


def last_judged(sessions: pd.DataFrame, n: int, *, factor: float = 1.0) -> pd.DataFrame:
    """The verdicts on the last session against the n before it.

    All others lend their spread; the pay rate of the last is multiplied by `factor`.
    """
    changed = sessions.copy()
    for name in ("pay_users", "paid_amount"):
        changed.loc[changed.index[-1], name] *= factor
    ids = changed["session_id"]
    return compare.verdicts(
        scaled(changed, list(IDS)),
        ids.iloc[-1],
        ids.iloc[-n - 1 : -1],
        sessions=changed,
        registry=REGISTRY,
        thresholds=THRESHOLDS,
        pool_ids=ids.iloc[: -n - 1],
    )


def quiet(seeds: range, n: int, *, further: int = 0, **options) -> pd.Series:
    """On accounts on which nothing happens.

    How often a metric lies below and above its range, and how often any is called. below, above,
    flagged: shares of all metrics before the correction. called: share of all metrics with a
    verdict after it.
    """
    tables = [
        last_judged(account(np.random.default_rng(seed), n + further + 1, **options), n)
        for seed in seeds
    ]
    made = pd.concat(tables)
    below, above = made["value"] < made["lower"], made["value"] > made["upper"]
    # Where nothing is true every call is a false discovery: the false discovery rate is the share
    # of reports with any.
    return pd.Series(
        {
            "below": below.mean(),
            "above": above.mean(),
            "flagged": (below | above).mean(),
            "any called": np.mean([table["unusual"].any() for table in tables]),
        }
    )


def power(seeds: range, n: int, factor: float, *, further: int = 0) -> float:
    """How often the pay rate, multiplied in the last session, is called worse or better.

    By `factor`, and after the correction.
    """
    tables = [
        last_judged(account(np.random.default_rng(seed), n + further + 1), n, factor=factor)
        for seed in seeds
    ]
    wanted = "worse" if factor < 1 else "better"
    return float(
        np.mean(
            [
                (table.set_index("metric")["verdict"]["create_pay_rate"] == wanted)
                for table in tables
            ]
        )
    )


def forward(
    sessions: pd.DataFrame, events: pd.DataFrame, ids: list[str], *, step: int = 1
) -> pd.DataFrame:
    """Each session from the ninth on predicted from those before it.

    As the review does, and by the plain t interval of the last eight. One row per session and
    metric: metric, value, lower, upper, plain_lower, plain_upper, method.
    """
    sessions, events = (
        sessions.sort_values("started_at", ignore_index=True),
        compare.event_windows(events, reference.event_kinds()),
    )
    values, made = scaled(sessions, ids), []
    wide = values.pivot(index="session_id", columns="metric", values="value")
    for place in range(PLAIN, len(sessions), step):
        known, own = sessions.iloc[: place + 1], sessions["session_id"][place]
        table = compare.comparable(
            known, own, events=events, calendar=CALENDAR, thresholds=THRESHOLDS
        )
        found = compare.verdicts(
            values,
            own,
            table.loc[table["chosen"], "session_id"],
            sessions=known,
            registry=REGISTRY,
            thresholds=THRESHOLDS,
            pool_ids=compare.spread_pool(table),
        )
        before = wide.loc[sessions["session_id"][place - PLAIN : place]]
        plain = [stats.prediction_interval(before[name].to_numpy()) for name in found["metric"]]
        made.append(
            found.assign(
                plain_lower=[one.lower for one in plain], plain_upper=[one.upper for one in plain]
            )
        )
    return pd.concat(made, ignore_index=True)


def covered(made: pd.DataFrame) -> pd.DataFrame:
    """Coverage and mean width of both intervals of `forward`, by metric and over all.

    The width is log(upper ÷ lower).
    """
    known = made.dropna(subset=["lower", "plain_lower"])
    table = pd.DataFrame(
        {
            "metric": known["metric"],
            "covered": known["value"].between(known["lower"], known["upper"]),
            "width": np.log(known["upper"] / known["lower"]),
            "plain covered": known["value"].between(known["plain_lower"], known["plain_upper"]),
            "plain width": np.log(known["plain_upper"] / known["plain_lower"]),
        }
    )
    by_metric = table.groupby("metric").mean()
    return pd.concat([by_metric, table.drop(columns="metric").mean().to_frame("all").T]).assign(
        sessions=len(made) // made["metric"].nunique()
    )


def planted_events(seeds: range, *, fault: str = "demo", sessions: int = 120) -> pd.DataFrame:
    """The demo's redesign and its tag change, with the fault and without.

    The redesign takes entries times 0.7 over six sessions, the tag change does nothing; without the
    fault neither does anything. One row per seed: found (the redesign is matched with a change),
    covered (its interval holds the planted factor, or one), null matched (the tag change is
    matched), any matched, p of both and whether they are below one in twenty.
    """
    rows, log = (
        [],
        demo.simulate(0, sessions=sessions, tables=("events",)).tables["events"],
    )  # the same for every seed
    for seed in seeds:
        made = demo.simulate(seed, sessions=sessions, fault=fault, tables=("sessions",))
        played = made.tables["sessions"]
        values = scaled(
            played,
            [name for name in compare.comparable_metrics(REGISTRY) if name in set(log["metric"])],
        )
        table = compare.effects(
            values,
            played,
            log,
            made.truth["target_session"],
            registry=REGISTRY,
            thresholds=THRESHOLDS,
            calendar=CALENDAR,
            kinds=reference.event_kinds(),
        )
        real, null = (
            table[table["kind"] == kind].iloc[0] for kind in ("platform_redesign", "tag_change")
        )
        factor = made.truth["event"]["factor"] if fault == "demo" else 1.0
        rows.append(
            {
                "seed": seed,
                "found": real["verdict"] == "moved",
                "covered": real["lower"] <= factor - 1 <= real["upper"],
                "null matched": null["verdict"] == "moved",
                "any matched": bool((table["verdict"] == "moved").any()),
                "p": real["p_value"],
                "null p": null["p_value"],
                "p < .05": real["p_value"] < 0.05,
                "null p < .05": null["p_value"] < 0.05,
            }
        )
    return pd.DataFrame(rows)
