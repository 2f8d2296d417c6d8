"""Ten million order lines made, and read by one side alone.

`python -m tests.benchmarks.customers engine|pandas|make FOLDER`. Each side does the whole work in a
process of its own over the same Parquet and writes three small tables into the folder: the delay
curve, the gaps between purchases, the customers by segment.
"""

import sys
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from helpers import aftersales, reference
from helpers.aftersales import customers
from helpers.core import engine

AS_OF = pd.Timestamp("2026-11-16 09:30", tz="Asia/Shanghai")
LINES = 10_000_000
RULES = reference.customers()
COLUMNS = [
    "buyer_key",
    "is_new_buyer",
    "paid",
    "paid_at",
    "refunded",
    "refunded_at",
    "refunded_amount",
]
# A line's numbers are hashes of its place: the same lines on every machine, without a generator's
# state.
MADE = """
COPY (
  SELECT i::VARCHAR AS line_id, printf('%016x', hash((b * b * {buyers})::BIGINT)) AS buyer_key,
         NULL::BOOLEAN AS is_new_buyer, 'p' || (hash(i, 4) % 200) AS product_id, paid, paid_at,
         refunded,
         CASE WHEN refunded
              THEN paid_at + to_seconds((86400 + hash(i, 7) % 1728000)::BIGINT)
         END AS refunded_at,
         CASE WHEN NOT refunded THEN 0.0 WHEN hash(i, 8) % 10 < 8 THEN paid
              ELSE round(paid / 2, 2)
         END AS refunded_amount
  FROM (SELECT i, hash(i, 1) % 1000000000 / 1000000000.0 AS b,
               (900 + hash(i, 2) % 40000) / 100.0 AS paid,
               TIMESTAMPTZ '2024-11-16 00:00:00+00'
                 + to_seconds((hash(i, 3) % 63000000)::BIGINT) AS paid_at,
               hash(i, 5) % 100 < 22 AS refunded
        FROM range({lines}) AS t(i))
) TO '{path}' (FORMAT parquet)
"""


def make(folder: Path) -> None:
    duckdb.sql(MADE.format(lines=LINES, buyers=LINES // 3, path=folder / "lines.parquet"))


def by_engine(folder: Path) -> dict[str, pd.DataFrame]:
    """As the notebook does it."""
    lines = engine.table([folder / "lines.parquet"])
    made = engine.kept(customers.purchases(lines, as_of=AS_OF, rules=RULES))
    gaps = customers.gaps(made)
    scored = customers.rated(made, customers.lateness(gaps, rules=RULES), as_of=AS_OF, rules=RULES)
    return {
        "curve": aftersales.delay_curve(lines, as_of=AS_OF),
        "gaps": gaps,
        "segments": customers.segments(scored, rules=RULES),
    }


def by_pandas(folder: Path) -> dict[str, pd.DataFrame]:
    """The same by hand, as one would write it for speed: whole columns and one sort."""
    lines = pd.read_parquet(folder / "lines.parquet", columns=COLUMNS)
    made = _purchases(lines)
    gaps = (
        made.groupby(["number", "days", "happened"], as_index=False)
        .size()
        .rename(columns={"size": "n"})
    )
    return {
        "curve": _delay_curve(lines),
        "gaps": gaps,
        "segments": _segments(made, customers.lateness(gaps, rules=RULES)),
    }


def _purchases(lines: pd.DataFrame) -> pd.DataFrame:
    kept = lines[(lines["paid_at"] <= AS_OF) & (lines["refunded_amount"] < lines["paid"])]
    local = kept["paid_at"].dt.tz_convert(AS_OF.tz).dt.tz_localize(None) - pd.Timedelta(
        hours=RULES.shopping_day_starts
    )
    day = (local.dt.floor("D") - pd.Timestamp(0)).dt.days.astype("int32")
    made = (
        kept.assign(day=day, amount=kept["paid"] - kept["refunded_amount"])
        .groupby(["buyer_key", "day"], as_index=False)["amount"]
        .sum()
    )
    following = made.groupby("buyer_key")["day"].shift(-1)
    return made.assign(
        number=made.groupby("buyer_key").cumcount().astype("int32") + 1,
        happened=following.notna(),
        days=(following.fillna(customers.today(AS_OF, RULES)) - made["day"]).astype("int32"),
    )


def _segments(made: pd.DataFrame, late: pd.DataFrame) -> pd.DataFrame:
    grouped = made.groupby("buyer_key")
    each = pd.DataFrame(
        {
            "days_since": customers.today(AS_OF, RULES) - grouped["day"].max(),
            "purchases": grouped["number"].max(),
            "amount": grouped["amount"].sum(),
        }
    )
    bounds, high = RULES.scores, RULES.high_from
    recency = 1 + sum((each["days_since"] <= bound).astype(int) for bound in bounds.recency_days)
    frequency = 1 + np.searchsorted(bounds.purchases, each["purchases"], side="right")
    cents, usual = (each["amount"] * 100).round(), (made["amount"] * 100).round().median()
    spend = 1 + np.searchsorted(bounds.amount, cents / usual, side="right")
    segment = (
        100 * (recency >= high.recency)
        + 10 * (frequency >= high.frequency)
        + (spend >= high.amount)
    )
    overdue = (
        each["days_since"].to_numpy()
        > late["overdue_days"].to_numpy()[
            np.searchsorted(late["frequency"], each["purchases"], side="right") - 1
        ]
    )
    found = (
        each.assign(segment=segment.map("{:03d}".format), overdue=overdue)
        .groupby("segment")
        .agg(n=("amount", "size"), amount=("amount", "sum"), overdue=("overdue", "sum"))
    )
    return found.reindex([name for name in RULES.segments if name in found.index]).reset_index()


def _delay_curve(lines: pd.DataFrame) -> pd.DataFrame:
    window = 30 * 86_400
    delay = (lines["refunded_at"] - lines["paid_at"]).dt.total_seconds()
    happened = lines["refunded"] & (delay <= window)
    seconds = delay.where(
        happened, ((AS_OF - lines["paid_at"]).dt.total_seconds()).clip(upper=window)
    ).clip(lower=0)
    counted = (
        pd.DataFrame({"minutes": np.ceil(seconds / 60).astype("int64"), "happened": happened})
        .value_counts()
        .rename("n")
        .reset_index()
    )
    table = (
        counted.pivot(index="minutes", columns="happened", values="n")
        .fillna(0)
        .reindex(range(30 * 1440 + 1), fill_value=0)
    )
    followed = table.sum(axis=1)[::-1].cumsum()[::-1]
    lost = 1 - (1 - table[True] / followed).cumprod()
    return pd.DataFrame(
        {
            "day": range(31),
            "share": (lost[::1440] / lost.iloc[-1]).to_numpy(),
            "refunds": int(table[True].sum()),
        }
    )


SIDES = {"engine": by_engine, "pandas": by_pandas}

if __name__ == "__main__":
    side, where = sys.argv[1], Path(sys.argv[2])
    if side == "make":
        make(where)
    else:
        for name, frame in SIDES[side](where).items():
            frame.to_parquet(where / f"{side}_{name}.parquet", index=False)
