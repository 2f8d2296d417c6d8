"""The values that plan rows may name, and which sessions count."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import aftersales, compare, reference, split
from helpers.aftersales import service
from helpers.core import findings
from helpers.reference import metrics
from helpers.split import dimensions

FEWEST_BLOCK_MINUTES = 20


def slot_rows(minutes: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """Minutes as half hours since each session's start: one row per session_id x slot.

    Sums, of half hours with 20 minutes or more. People who entered stand for viewers and views,
    paid orders for people who paid: a minute record has no other.
    """
    named = dimensions.half_hours(minutes["at"], minutes["session_id"], sessions).map(
        dimensions.slot_name, na_action="ignore"
    )
    numbers = [name for name in minutes.columns if pd.api.types.is_numeric_dtype(minutes[name])]
    grouped = minutes.assign(slot=named).groupby(["session_id", "slot"])
    sums = grouped[numbers].sum(min_count=1)[grouped.size() >= FEWEST_BLOCK_MINUTES].reset_index()
    return sums.assign(viewers=sums["entered"], views=sums["entered"], pay_users=sums["orders"])


def product_rows(products: pd.DataFrame) -> pd.DataFrame:
    """Products (no SKU rows) with the columns that session metrics are made from."""
    rows = split.whole_products(products)
    return rows.assign(
        product_exposure_users=rows["exposure_users"], product_click_users=rows["click_users"]
    )


def metrics_of(
    ids: list[str], rows: pd.DataFrame, registry: Mapping[str, reference.Metric]
) -> list[str]:
    """The metrics whose every term is a column of these rows."""
    return [
        name
        for name in ids
        if name in registry and set(metrics.terms(registry[name])) <= set(rows.columns)
    ]


def _by_slice(
    rows: pd.DataFrame, slice: str, wanted: pd.DataFrame, registry: Mapping[str, reference.Metric]
) -> pd.DataFrame:
    """Metrics that plan rows name for slices of this kind, of all such: others are controls."""
    named = wanted[wanted["slice"].map(findings.slice_key).isin(rows[slice])]
    ids = metrics_of(list(named["metric"].unique()), rows, registry)
    if not ids:
        return pd.DataFrame(
            columns=["session_id", "metric", "value", "slice", "axis", "label", "price"]
        )
    values = metrics.evaluate(
        rows[rows[slice].notna()], ids, registry=registry, by=["session_id", slice]
    )
    about = rows.drop_duplicates(["session_id", slice]).set_index(["session_id", slice])
    at = pd.MultiIndex.from_frame(values[["session_id", slice]])
    label, price = (
        about[name].reindex(at).to_numpy() if name in about else other
        for name, other in (("name", values[slice]), ("price", np.nan))
    )
    shaped = values.rename(columns={slice: "slice"}).assign(axis=slice, label=label, price=price)
    return shaped[["session_id", "metric", "value", "slice", "axis", "label", "price"]]


def gather(
    sessions: pd.DataFrame,
    lines: pd.DataFrame,
    *,
    plans: pd.DataFrame,
    enquiries: pd.DataFrame,
    traffic: pd.DataFrame,
    products: pd.DataFrame,
    minutes: pd.DataFrame,
    session_id: str,
    as_of: pd.Timestamp,
    registry: dict[str, reference.Metric],
    reply_seconds: float,
) -> pd.DataFrame:
    """Every value that the plan rows may name: one row per session_id x metric x slice.

    Session metrics with totals per hour (`compare.on_one_scale`), the refund rate of order lines at
    the age of the session under review (a younger session always looks better), the metrics of
    enquiries; and the metrics that plan rows name for a source, product or half hour (as 000-030),
    of all of them, with axis (source, product_id, slot), label and price. A first reply is in time
    within `reply_seconds` (service.yml).
    """
    values = metrics.by_session(sessions, compare.comparable_metrics(registry), registry=registry)
    parts = [compare.on_one_scale(values, sessions, registry)]
    this_session = lines[lines["session_id"] == session_id]
    if len(this_session):
        age = aftersales.mean_age(this_session, as_of)
        same = aftersales.rates_at_age(lines, age_days=age, as_of=as_of).rename(
            columns={"rate": "value"}
        )
        # The session itself is only about as old as its own mean age: its rate is the one so far.
        now = pd.DataFrame({"session_id": [session_id], "value": [this_session["refunded"].mean()]})
        parts.append(
            pd.concat([same[same["session_id"] != session_id], now]).assign(
                metric="refund_rate_orders"
            )
        )
    of_service = [name for name, metric in registry.items() if metric.table == "service"]
    assigned = enquiries.dropna(subset=["session_id"])
    if len(assigned) and of_service:
        timed = service.marked(assigned, as_of=as_of, seconds=reply_seconds)
        parts.append(metrics.evaluate(timed, of_service, registry=registry, by="session_id"))
    whole = pd.concat(
        [part[["session_id", "metric", "value"]] for part in parts], ignore_index=True
    ).assign(slice="")
    wanted = plans[plans["slice"] != ""]
    slices = (
        (
            ("source", traffic),
            ("product_id", split.whole_products(products)),
            ("slot", slot_rows(minutes, sessions)),
        )
        if len(wanted)
        else ()
    )
    by_slice = [
        part for slice, rows in slices if len(part := _by_slice(rows, slice, wanted, registry))
    ]
    return pd.concat([whole, *by_slice], ignore_index=True)


def _disturbed(values: pd.DataFrame, sessions: pd.DataFrame, events: pd.DataFrame) -> pd.Series:
    disturbed = pd.Series(False, index=values.index)
    start = values["session_id"].map(sessions.set_index("session_id")["started_at"])
    for event in events.dropna(subset=["metric"]).itertuples():
        disturbed |= (
            values["metric"].eq(event.metric) & (start >= event.starts_at) & (start <= event.to)
        )
    return disturbed


def history(
    values: pd.DataFrame,
    sessions: pd.DataFrame,
    *,
    room_of: str,
    events: pd.DataFrame,
    calendar: Iterable[reference.Festival] = (),
) -> pd.DataFrame:
    """Metric values by session as `verify` reads them: one row per session x metric x slice.

    `values` are as of `gather`, slice, axis, label and price where there are any; `room_of` is the
    session under review (later ones are left out), `events` are `compare.event_windows`. Columns:
    session_id, started_at, metric, slice, axis, label, price, value, comparable (same platform and
    room, no promotion or clearance, not under a logged event that names the metric), festival (that
    of `calendar` with its year, or empty).
    """
    by_session = sessions.set_index("session_id")
    reviewed = by_session.loc[room_of]
    started, kind = (values["session_id"].map(by_session[name]) for name in ("started_at", "kind"))
    same_room = (
        values["session_id"].map(compare.same_room(by_session, reviewed)).fillna(False).astype(bool)
    )
    ordinary = ~kind.isin(["promotion", "clearance"])
    rows = values.assign(
        started_at=started, comparable=same_room & ordinary & ~_disturbed(values, sessions, events)
    )
    for name in ("slice", "axis", "label"):
        rows[name] = rows[name].astype("str").where(rows[name].notna(), "") if name in rows else ""
    rows["price"] = rows["price"].astype(float) if "price" in rows else np.nan
    state = compare.described(sessions, calendar).set_index("session_id")["festival"]
    kept = rows[rows["started_at"] <= reviewed["started_at"]].assign(
        festival=lambda rows: rows["session_id"].map(state)
    )
    return kept[
        [
            "session_id",
            "started_at",
            "metric",
            "slice",
            "axis",
            "label",
            "price",
            "value",
            "comparable",
            "festival",
        ]
    ].reset_index(drop=True)
