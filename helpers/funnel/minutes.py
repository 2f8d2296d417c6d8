"""The session minute by minute: its curve, its explanations as spans, and what stands out.

Minutes of one session share their people, so nobody is added up over minutes: rates are over people
online and the minutes they were there.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import stats, text
from helpers.funnel.facts import fact, interval_words
from helpers.funnel.step_rates import pooled_rate

CURVES = [
    "online",
    "entered",
    "left",
    "comments",
    "likes",
    "new_fans",
    "product_exposure_users",
    "product_click_users",
    "orders",
    "paid_amount",
]
MARKS = ("coupon", "lucky_bag", "activity", "stock_change", "violation", "banned_word")
BESIDE = 10  # minutes before and after an explanation that it is held against
MOST_POINTS = 120  # of a curve drawn

# ---- the curve and its spans


def elapsed(times: pd.Series, started_at: pd.Timestamp) -> pd.Series:
    """Whole minutes since the start of the session; the minute that it starts in is 0."""
    return ((times - started_at.floor("min")) / pd.Timedelta("1min")).apply(np.floor)


def profile(minutes: pd.DataFrame, started_at: pd.Timestamp) -> pd.DataFrame:
    """The minute curve, one row per minute recorded, in order.

    Rows within one minute are taken together: people online averaged, everything else added up. A 0
    that cannot be (nobody online in a minute with an order, `tables.yml`: never_without) is
    missing. Columns: minute (elapsed), at (clock time), those of CURVES, click_rate (product click
    users ÷ people online, which is not the session's click rate), net_inflow (entered − left).
    """
    rows = (
        minutes.sort_values("at", kind="stable")
        .assign(minute=lambda t: elapsed(t["at"], started_at))
        .groupby("minute")
    )
    flows = rows[[name for name in CURVES if name != "online"]].sum(min_count=1)
    curve = _gaps_open(
        flows.assign(online=rows["online"].mean(), at=rows["at"].first()).reset_index()
    )
    clicked = curve["product_click_users"] / curve["online"].where(curve["online"] > 0)
    return curve[["minute", "at", *CURVES]].assign(
        click_rate=clicked, net_inflow=curve["entered"] - curve["left"]
    )


def _gaps_open(curve: pd.DataFrame) -> pd.DataFrame:
    """A zero beside which something was counted is a gap in the recording."""
    for column, others in reference.tables()["minutes"].never_without.items():
        curve = curve.assign(
            **{
                other: curve[other].mask(curve[other].eq(0) & (curve[column] > 0))
                for other in others
            }
        )
    return curve


def bands(
    cues: pd.DataFrame,
    rundown: pd.DataFrame,
    names: Mapping[str, str],
    *,
    started_at: pd.Timestamp,
    ended_at: pd.Timestamp,
    exported: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Spans in which a product was explained: as floor control logged, else as exported or planned.

    One row per span: mark (A, B, … in order), start_minute, end_minute (past its last minute),
    label_zh, label_en, product_id, stage, basis (cues, explanations, rundown). `names` gives
    product names by id; `exported` is the table of explanations.
    """
    logged = _explanations(cues, ended_at)
    recorded = logged if len(logged) or exported is None else _exported(exported, ended_at)
    spans = recorded if len(recorded) else _planned(rundown, ended_at)
    start = elapsed(spans["start"], started_at)
    labels = [_band_label(row.product_id, row.stage, names) for row in spans.itertuples()]
    marks = [chr(ord("A") + place % 26) * (place // 26 + 1) for place in range(len(spans))]
    named = pd.DataFrame(
        {
            "mark": pd.Series(marks, index=spans.index, dtype="str"),
            "start_minute": start,
            "end_minute": np.fmax(elapsed(spans["end"], started_at), start + 1),
            "label_zh": [zh for zh, _ in labels],
            "label_en": [en for _, en in labels],
            "product_id": spans["product_id"],
            "stage": spans["stage"].astype("str"),
            "basis": spans["basis"],
        }
    )
    return named.reset_index(drop=True)


def _explanations(cues: pd.DataFrame, ended_at: pd.Timestamp) -> pd.DataFrame:
    """An end logged after the same product was begun again belongs to that later explanation."""
    starts = cues[cues["kind"] == "explain_start"].sort_values("at", kind="stable")
    ends = cues[cues["kind"] == "explain_end"]
    ends_at = []
    for row in starts.itertuples():
        later = starts.loc[starts["at"] > row.at]
        again = later.loc[_same(later["product_id"], row.product_id), "at"].min()
        logged_end = ends.loc[
            _same(ends["product_id"], row.product_id) & (ends["at"] > row.at), "at"
        ].min()
        ended = logged_end if pd.isna(again) or logged_end <= again else pd.NaT
        ends_at.append(
            next((time for time in (ended, later["at"].min(), ended_at) if pd.notna(time)), pd.NaT)
        )
    end = pd.Series(ends_at, index=starts.index, dtype=cues["at"].dtype)
    return pd.DataFrame(
        {
            "start": starts["at"],
            "end": end,
            "product_id": starts["product_id"],
            "stage": np.nan,
            "basis": "cues",
        }
    )


def _exported(explanations: pd.DataFrame, ended_at: pd.Timestamp) -> pd.DataFrame:
    rows = explanations.sort_values("starts_at", kind="stable")
    end = rows["ends_at"].fillna(rows["starts_at"].shift(-1)).fillna(ended_at)
    product = rows["product_id"].fillna(rows["name"])
    return pd.DataFrame(
        {
            "start": rows["starts_at"],
            "end": end,
            "product_id": product,
            "stage": np.nan,
            "basis": "explanations",
        }
    )


def stages(rundown: pd.DataFrame, started_at: pd.Timestamp, ended_at: pd.Timestamp) -> pd.DataFrame:
    """The stages of the script as planned, one row per line with a stage, in order.

    Columns: start_minute, end_minute, stage, label_zh, label_en.
    """
    lines = _planned(rundown[rundown["stage"].notna()], ended_at)
    start = elapsed(lines["start"], started_at)
    return pd.DataFrame(
        {
            "start_minute": start,
            "end_minute": np.fmax(elapsed(lines["end"], started_at), start + 1),
            "stage": lines["stage"].astype("str"),
            **_labels(lines["stage"], "stage"),
        }
    ).reset_index(drop=True)


def _labels(names: pd.Series, terms: str) -> dict[str, pd.Series]:
    words = reference.terms()[terms]
    return {
        f"label_{lang}": names.map(
            lambda name, lang=lang: (
                text.label(words[name], lang) if name in words else text.plain(name)
            )
        ).astype("str")
        for lang in ("zh", "en")
    }


def _same(products: pd.Series, product: object) -> pd.Series:
    """Two unnamed products are the same."""
    return products.isna() if pd.isna(product) else products == product


def _planned(rundown: pd.DataFrame, ended_at: pd.Timestamp) -> pd.DataFrame:
    lines = rundown.sort_values("starts_at", kind="stable")
    end = lines["ends_at"].fillna(lines["starts_at"].shift(-1)).fillna(ended_at)
    return lines.assign(start=lines["starts_at"], end=end, basis="rundown")[
        ["start", "end", "product_id", "stage", "basis"]
    ]


def _band_label(product_id: object, stage: object, names: Mapping[str, str]) -> tuple[str, str]:
    if isinstance(product_id, str):
        name = names.get(product_id)
        label = text.plain(name if isinstance(name, str) else product_id, 24)
        return label, label
    term = reference.terms()["stage"].get(stage) if isinstance(stage, str) else None
    return (term.zh, term.en) if term else ("讲解", "Explanation")


def marks(
    cues: pd.DataFrame, started_at: pd.Timestamp, *, kinds: Sequence[str] = MARKS
) -> pd.DataFrame:
    """What floor control did beside explaining, of the kinds asked for: one row per cue.

    Columns: minute, kind, label_zh, label_en. Default: what is rare and many viewers notice.
    """
    rows = cues[cues["kind"].isin(kinds)].sort_values("at", kind="stable")
    return pd.DataFrame(
        {
            "minute": elapsed(rows["at"], started_at),
            "kind": rows["kind"],
            **_labels(rows["kind"], "cue_kind"),
        }
    ).reset_index(drop=True)


def violation_words(cues: pd.DataFrame, started_at: pd.Timestamp, lang: str) -> str:
    """A sentence on violations and banned words, or that none was logged; nothing without a log."""
    if cues.empty:
        return ""
    rows = marks(cues, started_at, kinds=("violation", "banned_word"))
    if rows.empty:
        return text.choose(
            lang,
            "场控记录里没有违规和违禁词；已知的导出里没有这一项，收到过通知的请记进场控记录。",
            (
                "Floor control logged no violation and no banned word; no known export has them, "
                "so notices that came should be put into its log."
            ),
        )
    listed = [
        text.choose(
            lang,
            f"第 {row.minute:.0f} 分钟{row.label_zh}",
            f"minute {row.minute:.0f} ({row.label_en.lower()})",
        )
        for row in rows.itertuples()
    ]
    return text.choose(
        lang,
        f"违规与违禁词：{'、'.join(listed)}。",
        f"Violations and banned words: {', '.join(listed)}.",
    )


def step(curve: pd.DataFrame) -> int:
    """How many minutes a drawn point is the mean of, so that there are MOST_POINTS at most."""
    return max(-(-len(curve) // MOST_POINTS), 1)


def thinned(curve: pd.DataFrame) -> pd.DataFrame:
    """The curve in MOST_POINTS points at most: means over `step` minutes each."""
    return (
        curve.drop(columns="at")
        .groupby(np.arange(len(curve)) // step(curve))
        .mean()
        .assign(minute=lambda t: t["minute"].round())
    )


def band_table(
    curve: pd.DataFrame,
    spans: pd.DataFrame,
    *,
    confidence: float = 0.95,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """Orders and money of each span of the session, by the people online and for how long.

    Columns: those of `bands`, minutes (recorded within it), online (mean), product_click_rate
    (clicks ÷ online), orders, paid_amount, paid_per_1000 and orders_per_1000 (per 1000 online
    person-minutes) with ci_lower, ci_upper (quasi-Poisson, the dispersion measured on the minutes),
    session_orders_per_1000 and session_paid_per_1000 (all minutes recorded), p_adjusted and
    standing (above, below, cannot_tell, unknown) of its orders against the session's rate. Orders
    can come minutes after the words that caused them: neighbours share each other's credit.
    """
    parts = [
        curve[(curve["minute"] >= row.start_minute) & (curve["minute"] < row.end_minute)]
        for row in spans.itertuples()
    ]
    whole = _sums(curve)
    table = spans.reset_index(drop=True).join(
        pd.DataFrame([_sums(part) for part in parts], columns=list(whole), dtype=float)
    )
    exposure = np.array([part.loc[part["orders"].notna(), "online"].sum() for part in parts]) / 1000
    spread = _unevenness(curve, table)
    lower, upper = stats.count_rate(
        table["orders"], exposure, dispersion=spread, confidence=confidence
    )
    p_adjusted = stats.benjamini_hochberg(
        stats.count_p(table["orders"], whole["orders_per_1000"] * exposure, dispersion=spread)
    )
    sure, higher = (
        p_adjusted <= false_discovery_rate,
        table["orders_per_1000"] > whole["orders_per_1000"],
    )
    standing = np.select(
        [np.isnan(p_adjusted), sure & higher, sure], ["unknown", "above", "below"], "cannot_tell"
    )
    return table.assign(
        ci_lower=lower,
        ci_upper=upper,
        session_orders_per_1000=whole["orders_per_1000"],
        session_paid_per_1000=whole["paid_per_1000"],
        p_adjusted=p_adjusted,
        standing=pd.Series(standing, index=table.index, dtype="str"),
    )


def _unevenness(curve: pd.DataFrame, table: pd.DataFrame) -> float:
    """Minutes outside all spans have one rate."""
    span = pd.Series(-1, index=curve.index)
    for place, row in enumerate(table.itertuples()):
        span = span.mask(
            (curve["minute"] >= row.start_minute) & (curve["minute"] < row.end_minute), place
        )
    counted = curve[curve["orders"].notna() & (curve["online"] > 0)]
    sums = counted.groupby(span)[["orders", "online"]].transform("sum")
    return stats.dispersion(
        counted["orders"],
        counted["online"] * sums["orders"] / sums["online"],
        fitted=span[counted.index].nunique(),
    )


def _sums(part: pd.DataFrame) -> dict[str, float]:
    return {
        "minutes": float(len(part)),
        "online": part["online"].mean(),
        "product_click_rate": pooled_rate(part, "product_click_users", "online"),
        "orders": part["orders"].sum(min_count=1),
        "paid_amount": part["paid_amount"].sum(min_count=1),
        "paid_per_1000": 1000 * pooled_rate(part, "paid_amount", "online"),
        "orders_per_1000": 1000 * pooled_rate(part, "orders", "online"),
    }


# ---- a product before, during and after its explanation


def phases(
    curve: pd.DataFrame,
    spans: pd.DataFrame,
    orders: pd.DataFrame,
    started_at: pd.Timestamp,
    *,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """Each explained product before, during and after its explanation: one row per span and phase.

    `orders` are the session's order lines. Columns: label_zh, label_en, product_id, start_minute,
    end_minute (of the span), phase (before, during, after; the first and last are `BESIDE`
    minutes), minutes, online and net_inflow (people a minute, means), click_rate (clicks ÷ online,
    of all products), own_orders (of this product, paid in the phase; nan without order lines),
    own_per_1000 (per 1000 online person-minutes) with ci_lower, ci_upper (quasi-Poisson). Minutes
    of neighbouring explanations count before and after.
    """
    sold = _sold(orders, started_at)
    rows = [
        {
            **span,
            "phase": phase,
            **_phase(
                curve,
                first,
                last,
                None
                if sold is None
                else sold.loc[sold["product_id"] == span["product_id"], "minute"],
            ),
        }
        for span in spans[spans["product_id"].notna()].to_dict("records")
        for phase, first, last in (
            ("before", max(span["start_minute"] - BESIDE, 0), span["start_minute"]),
            ("during", span["start_minute"], span["end_minute"]),
            ("after", span["end_minute"], span["end_minute"] + BESIDE),
        )
    ]
    columns = [
        "label_zh",
        "label_en",
        "product_id",
        "start_minute",
        "end_minute",
        "phase",
        "minutes",
        "online",
        "net_inflow",
        "click_rate",
        "own_orders",
        "exposure",
    ]
    table = pd.DataFrame(rows, columns=columns).astype({name: "float64" for name in columns[6:]})
    lower, upper = stats.count_rate(
        table["own_orders"], table["exposure"] / 1000, confidence=confidence
    )
    rate = 1000 * table["own_orders"] / table["exposure"].where(table["exposure"] > 0)
    return table.drop(columns="exposure").assign(own_per_1000=rate, ci_lower=lower, ci_upper=upper)


def _sold(orders: pd.DataFrame, started_at: pd.Timestamp) -> pd.DataFrame | None:
    """None without order lines."""
    paid = orders[orders["paid_at"].notna()] if len(orders) else orders
    if paid.empty:
        return None
    once = paid.drop_duplicates(["order_id", "product_id"])
    return once[["order_id", "product_id"]].assign(minute=elapsed(once["paid_at"], started_at))


def own_orders(spans: pd.DataFrame, orders: pd.DataFrame, started_at: pd.Timestamp) -> pd.Series:
    """Orders of each span's own product paid within it; nan without a product or order lines."""
    sold = _sold(orders, started_at)
    counts = [
        np.nan
        if sold is None or pd.isna(row.product_id)
        else float(
            sold.loc[sold["product_id"] == row.product_id, "minute"]
            .between(row.start_minute, row.end_minute, inclusive="left")
            .sum()
        )
        for row in spans.itertuples()
    ]
    return pd.Series(counts, index=spans.index, dtype="float64")


def inclusive(table: pd.DataFrame) -> pd.DataFrame:
    """A table of spans as it is shown: `end_minute` is its last minute, not the one past it."""
    return table.assign(end_minute=table["end_minute"] - 1)


def clocked(table: pd.DataFrame, started_at: pd.Timestamp) -> pd.DataFrame:
    """A table of spans with the time of day (hh:mm) of their first and their last minute."""
    begun = started_at.floor("min")
    return table.assign(
        **{
            name: [
                None if pd.isna(minute) else f"{begun + pd.Timedelta(minutes=float(minute)):%H:%M}"
                for minute in minutes
            ]
            for name, minutes in inclusive(table)[["start_minute", "end_minute"]].items()
        }
    )


def _phase(
    curve: pd.DataFrame, first: float, last: float, sold: pd.Series | None
) -> dict[str, float]:
    part = curve[(curve["minute"] >= first) & (curve["minute"] < last)]
    orders = np.nan if sold is None else float(sold.between(first, last, inclusive="left").sum())
    return {
        "minutes": float(len(part)),
        "online": part["online"].mean(),
        "net_inflow": part["net_inflow"].mean(),
        "click_rate": pooled_rate(part, "product_click_users", "online"),
        "own_orders": orders if len(part) else np.nan,
        "exposure": part["online"].sum(),
    }


def side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """`phases` with a row per span: its own orders and people online in each phase.

    The interval is that of during.
    """
    if table.empty:
        return table
    keys = ["label_zh", "label_en", "start_minute", "end_minute"]
    # A number of its own: labels are cut, and two spans may bear the same.
    span = (table["phase"] == "before").cumsum().rename("span")
    columns = [
        f"{name}_{phase}"
        for name in ("online", "own_per_1000")
        for phase in ("before", "during", "after")
    ]
    wide = table.set_index([span, "phase"])[["online", "own_per_1000"]].unstack("phase")
    wide.columns = [f"{name}_{phase}" for name, phase in wide.columns]
    during = table.set_index(span)[lambda rows: rows["phase"] == "during"]
    joined = during[keys].join(wide[columns]).join(during[["ci_lower", "ci_upper", "net_inflow"]])
    return joined.sort_values("start_minute", kind="stable", ignore_index=True)


# ---- findings


def band_findings(
    table: pd.DataFrame, *, currency: str, confidence: float = 0.95
) -> list[dict[str, object]]:
    """Facts on the best and the weakest span that stand apart, by orders per person-minute."""
    extremes = [
        (
            table[table["standing"] == standing]
            .sort_values("orders_per_1000", ascending=ascending, kind="stable")
            .head(1),
            words,
        )
        for standing, ascending, words in (
            ("above", False, ("最高", "highest")),
            ("below", True, ("最低", "lowest")),
        )
    ]
    return [
        _band_fact(rows.iloc[0], words, currency, confidence)
        for rows, words in extremes
        if len(rows)
    ]


def _band_fact(
    row: pd.Series, words: tuple[str, str], currency: str, confidence: float
) -> dict[str, object]:
    first, last = row["start_minute"], row["end_minute"] - 1
    zh, en = (
        [
            text.number(row["orders_per_1000"], lang, 1),
            text.number(row["session_orders_per_1000"], lang, 1),
            text.money(row["paid_amount"], lang, currency),
            interval_words(row["ci_lower"], row["ci_upper"], lang, confidence, unit="score"),
        ]
        for lang in ("zh", "en")
    )
    return fact(
        dimension="sales",
        metric="orders",
        slice=f"span={words[1]}",
        value=row["orders_per_1000"],
        baseline=row["session_orders_per_1000"],
        ci_lower=row["ci_lower"],
        ci_upper=row["ci_upper"],
        p_adjusted=row["p_adjusted"],
        minute_from=first,
        minute_to=last,
        sentence_zh=(
            f"第 {first:.0f}–{last:.0f} 分钟（{row['label_zh']}）每千在线人·分钟成交 {zh[0]} "
            f"单{zh[3]}，各段中{words[0]}，全场 {zh[1]} 单（都是任一商品的订单）；"
            f"这一段全直播间支付 {zh[2]}。"
        ),
        sentence_en=f"Minutes {first:.0f}–{last:.0f} ({row['label_en']}): {en[0]} orders per 1000 "
        f"online person-minutes{en[3]}, the {words[1]} of all spans; "
        f"whole session {en[1]} (orders of any product). Paid in the room in this span: {en[2]}.",
    )
