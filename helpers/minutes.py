"""The session minute by minute: its curve, its explanations as spans of minutes, what floor control did, what stands out.

Minutes of one session share their people, so nobody is added up over minutes: rates are over people online and the
minutes they were there.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import ruptures

from helpers import findings, funnel, reference, stats, text

CURVES = [
    "online", "entered", "left", "comments", "likes", "new_fans", "product_exposure_users", "product_click_users",
    "orders", "paid_amount",
]
MARKS = ("coupon", "lucky_bag", "activity", "stock_change", "violation", "banned_word")
# What is looked at minute by minute, per thousand of its denominator: people leaving, then the textbook's five groups.
RATES = {
    "leaving": ("left", "online"), "fans": ("new_fans", "online"), "interaction": ("comments", "online"),
    "click": ("product_click_users", "online"), "conversion": ("orders", "product_click_users"), "sales": ("orders", "online"),
}
SHORTEST = 5        # minutes of a stretch between two change points
PENALTY = 5.0       # of a change point, times ln(minutes) and the noise: 3 keeps one curve quiet, 5 six of them
AROUND = 15         # minutes before and after that exits are set against
LONGEST_EXIT = 5
EXIT_ALARM = 0.05   # chance that a session without exit points shows one
NEAR = 2            # minutes within which something that happened goes with a change

# ---- the curve and its spans --------------------------------------------------------------------------------------


def elapsed(times: pd.Series, started_at: pd.Timestamp) -> pd.Series:
    """Whole minutes since the start of the session; the minute that the session starts in is 0."""
    return ((times - started_at.floor("min")) / pd.Timedelta("1min")).apply(np.floor)


def profile(minutes: pd.DataFrame, started_at: pd.Timestamp) -> pd.DataFrame:
    """The minute curve: one row per minute recorded, in order; minutes that the export leaves out stay out.

    Rows within one minute are taken together: people online averaged, everything else added up.

    Columns: minute (elapsed), at (clock time), those of CURVES, click_rate (product click users ÷ people online: the
    minute curve's own definition, which is not the session's click rate), net_inflow (entered − left).
    """
    rows = minutes.sort_values("at", kind="stable").assign(minute=lambda t: elapsed(t["at"], started_at)).groupby("minute")
    flows = rows[[name for name in CURVES if name != "online"]].sum(min_count=1)
    made = flows.assign(online=rows["online"].mean(), at=rows["at"].first()).reset_index()
    clicked = made["product_click_users"] / made["online"].where(made["online"] > 0)
    return made[["minute", "at", *CURVES]].assign(click_rate=clicked, net_inflow=made["entered"] - made["left"])


def bands(
    cues: pd.DataFrame, rundown: pd.DataFrame, names: Mapping[str, str], *, started_at: pd.Timestamp,
    ended_at: pd.Timestamp, exported: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Spans of minutes in which a product was explained: as floor control logged, else as exported, else as planned.

    One row per span: mark (A, B, … in order), start_minute, end_minute (past its last minute), label_zh, label_en,
    product_id, stage, basis (cues, explanations, rundown). `names` gives product names by id; `exported` is the table of explanations.
    """
    logged = _explanations(cues, ended_at)
    known = logged if len(logged) or exported is None else _exported(exported, ended_at)
    spans = known if len(known) else _planned(rundown, ended_at)
    start = elapsed(spans["start"], started_at)
    labels = [_band_label(row.product_id, row.stage, names) for row in spans.itertuples()]
    marks = [chr(ord("A") + place % 26) * (place // 26 + 1) for place in range(len(spans))]
    made = pd.DataFrame({
        "mark": pd.Series(marks, index=spans.index, dtype="str"), "start_minute": start, "end_minute": np.fmax(elapsed(spans["end"], started_at), start + 1),
        "label_zh": [zh for zh, _ in labels], "label_en": [en for _, en in labels],
        "product_id": spans["product_id"], "stage": spans["stage"].astype("str"), "basis": spans["basis"],
    })
    return made.reset_index(drop=True)


def _explanations(cues: pd.DataFrame, ended_at: pd.Timestamp) -> pd.DataFrame:
    """Logged explanations: each lasts to the end logged for its product, else to the next explanation, else to the end.

    An end logged after the same product was begun again belongs to that later explanation.
    """
    starts = cues[cues["kind"] == "explain_start"].sort_values("at", kind="stable")
    ends = cues[cues["kind"] == "explain_end"]
    found = []
    for row in starts.itertuples():
        later = starts.loc[starts["at"] > row.at]
        again = later.loc[_same(later["product_id"], row.product_id), "at"].min()
        own = ends.loc[_same(ends["product_id"], row.product_id) & (ends["at"] > row.at), "at"].min()
        ended = own if pd.isna(again) or own <= again else pd.NaT
        found.append(next((time for time in (ended, later["at"].min(), ended_at) if pd.notna(time)), pd.NaT))
    end = pd.Series(found, index=starts.index, dtype=cues["at"].dtype)
    return pd.DataFrame({"start": starts["at"], "end": end, "product_id": starts["product_id"], "stage": np.nan, "basis": "cues"})


def _exported(explanations: pd.DataFrame, ended_at: pd.Timestamp) -> pd.DataFrame:
    """Explanations that the platform recorded, each to its end, else to the next one, else to the end of the session."""
    rows = explanations.sort_values("starts_at", kind="stable")
    end = rows["ends_at"].fillna(rows["starts_at"].shift(-1)).fillna(ended_at)
    product = rows["product_id"].fillna(rows["name"])
    return pd.DataFrame({"start": rows["starts_at"], "end": end, "product_id": product, "stage": np.nan, "basis": "explanations"})


def stages(rundown: pd.DataFrame, started_at: pd.Timestamp, ended_at: pd.Timestamp) -> pd.DataFrame:
    """The stages of the script as planned: one row per line with a stage, in order; start_minute, end_minute, stage, label_zh, label_en."""
    lines = _planned(rundown[rundown["stage"].notna()], ended_at)
    known, start = reference.terms()["stage"], elapsed(lines["start"], started_at)
    return pd.DataFrame({
        "start_minute": start, "end_minute": np.fmax(elapsed(lines["end"], started_at), start + 1), "stage": lines["stage"].astype("str"),
        "label_zh": lines["stage"].map(lambda name: known[name].zh if name in known else text.plain(name)).astype("str"),
        "label_en": lines["stage"].map(lambda name: known[name].en if name in known else text.plain(name)).astype("str"),
    }).reset_index(drop=True)


def _same(products: pd.Series, product: object) -> pd.Series:
    """Whether each product is the one given, two unnamed ones being the same."""
    return products.isna() if pd.isna(product) else products == product


def _planned(rundown: pd.DataFrame, ended_at: pd.Timestamp) -> pd.DataFrame:
    """The rundown's lines, each to its end, else to the next line, else to the end of the session."""
    lines = rundown.sort_values("starts_at", kind="stable")
    end = lines["ends_at"].fillna(lines["starts_at"].shift(-1)).fillna(ended_at)
    return lines.assign(start=lines["starts_at"], end=end, basis="rundown")[["start", "end", "product_id", "stage", "basis"]]


def _band_label(product_id: object, stage: object, names: Mapping[str, str]) -> tuple[str, str]:
    """Name of the product explained, else its id, else the stage of the rundown."""
    if isinstance(product_id, str):
        name = names.get(product_id)
        shown = text.plain(name if isinstance(name, str) else product_id, 24)
        return shown, shown
    known = reference.terms()["stage"].get(stage) if isinstance(stage, str) else None
    return (known.zh, known.en) if known else ("讲解", "Explanation")


def marks(cues: pd.DataFrame, started_at: pd.Timestamp, *, kinds: Sequence[str] = MARKS) -> pd.DataFrame:
    """What floor control did beside explaining, of the kinds asked for: one row per cue.

    Columns: minute, kind, label_zh, label_en. Left to itself it takes what few minutes have and many viewers notice.
    """
    words = reference.terms()["cue_kind"]
    rows = cues[cues["kind"].isin(kinds)].sort_values("at", kind="stable")
    return pd.DataFrame({
        "minute": elapsed(rows["at"], started_at), "kind": rows["kind"],
        "label_zh": [words[kind].zh if kind in words else text.plain(kind) for kind in rows["kind"]],
        "label_en": [words[kind].en if kind in words else text.plain(kind) for kind in rows["kind"]],
    }).reset_index(drop=True)


def with_turns(shown: pd.DataFrame, found: pd.DataFrame, stretches: pd.DataFrame) -> pd.DataFrame:
    """`marks` with the exit points and change points of the session; change points of several rates at one minute once."""
    begins = stretches[stretches.groupby("rate_of").cumcount() > 0]["start_minute"].drop_duplicates()
    words = reference.terms()["turn"]
    kind = ["exit"] * len(found) + ["change"] * len(begins)
    turns = pd.DataFrame({
        "minute": [*found["start_minute"], *begins], "kind": kind, "label_zh": [words[name].zh for name in kind], "label_en": [words[name].en for name in kind],
    })
    return pd.concat([part for part in (shown, turns) if len(part)] or [shown], ignore_index=True)


def thinned(curve: pd.DataFrame, *, most: int = 120) -> pd.DataFrame:
    """The curve in at most so many points, to be drawn: means over as many minutes each as it takes."""
    step = -(-len(curve) // most) or 1
    return curve.drop(columns="at").groupby(np.arange(len(curve)) // step).mean().assign(minute=lambda t: t["minute"].round())


def band_table(
    curve: pd.DataFrame, spans: pd.DataFrame, *, confidence: float = 0.95, false_discovery_rate: float = 0.10
) -> pd.DataFrame:
    """What happened in each span of the session: orders and money by the people who were online and for how long.

    One row per span. Columns: those of `bands`, minutes (recorded within it), online (mean), product_click_rate
    (clicks ÷ online, over its minutes), orders, paid_amount, paid_per_1000 and orders_per_1000 (per 1000 online
    person-minutes) with ci_lower, ci_upper, session_orders_per_1000 and session_paid_per_1000 (all minutes recorded),
    p_adjusted and standing (above, below, cannot_tell, unknown) of its orders against the session's rate. The interval
    is quasi-Poisson: minutes of one span vary more than chance alone, and how much more is measured on them.
    Orders can come minutes after the words that caused them, so neighbours share each other's credit.
    """
    parts = [curve[(curve["minute"] >= row.start_minute) & (curve["minute"] < row.end_minute)] for row in spans.itertuples()]
    columns = ["minutes", "online", "product_click_rate", "orders", "paid_amount", "paid_per_1000", "orders_per_1000"]
    table = spans.reset_index(drop=True).join(pd.DataFrame([_sums(part) for part in parts], columns=columns, dtype=float))
    exposure = np.array([part.loc[part["orders"].notna(), "online"].sum() for part in parts]) / 1000
    spread, whole = _unevenness(curve, table), _sums(curve)
    lower, upper = stats.count_rate(table["orders"], exposure, dispersion=spread, confidence=confidence)
    p_adjusted = stats.benjamini_hochberg(stats.count_p(table["orders"], whole["orders_per_1000"] * exposure, dispersion=spread))
    sure, higher = p_adjusted <= false_discovery_rate, table["orders_per_1000"] > whole["orders_per_1000"]
    standing = np.select([np.isnan(p_adjusted), sure & higher, sure], ["unknown", "above", "below"], "cannot_tell")
    return table.assign(
        ci_lower=lower, ci_upper=upper, session_orders_per_1000=whole["orders_per_1000"],
        session_paid_per_1000=whole["paid_per_1000"], p_adjusted=p_adjusted,
        standing=pd.Series(standing, index=table.index, dtype="str"),
    )


def _unevenness(curve: pd.DataFrame, table: pd.DataFrame) -> float:
    """Dispersion of the orders of minutes about the rate of their own span; minutes outside all spans have one rate."""
    span = pd.Series(-1, index=curve.index)
    for place, row in enumerate(table.itertuples()):
        span = span.mask((curve["minute"] >= row.start_minute) & (curve["minute"] < row.end_minute), place)
    known = curve[curve["orders"].notna() & (curve["online"] > 0)]
    sums = known.groupby(span)[["orders", "online"]].transform("sum")
    return stats.dispersion(known["orders"], known["online"] * sums["orders"] / sums["online"], fitted=span[known.index].nunique())


def _sums(part: pd.DataFrame) -> dict[str, float]:
    """Minutes of one span taken together."""
    return {
        "minutes": float(len(part)), "online": part["online"].mean(),
        "product_click_rate": funnel.pooled_rate(part, "product_click_users", "online"),
        "orders": part["orders"].sum(min_count=1), "paid_amount": part["paid_amount"].sum(min_count=1),
        "paid_per_1000": 1000 * funnel.pooled_rate(part, "paid_amount", "online"),
        "orders_per_1000": 1000 * funnel.pooled_rate(part, "orders", "online"),
    }


# ---- change points and exit points ----------------------------------------------------------------------------------


def breaks(counts: np.ndarray, exposure: np.ndarray, *, penalty: float = PENALTY) -> list[int]:
    """Places at which the level of a rate changes (PELT on squared error, every place a candidate); none in a curve without noise.

    The counts are brought to one variance, 2√(count ÷ exposure · mean exposure + 3/8). The noise is that of neighbours'
    differences, cut at four deviations so that the changes themselves do not count, times what an AR(1) adds to a mean.
    """
    y = 2 * np.sqrt(counts / exposure * exposure.mean() + 3 / 8)
    steps = np.diff(y)
    spread = 1.4826 * np.median(np.abs(steps - np.median(steps))) if len(steps) > 2 * SHORTEST else 0.0
    steps = np.clip(steps, -4 * spread, 4 * spread) if spread > 0 else steps
    if len(steps) <= 2 * SHORTEST or np.isclose(steps.std(), 0):
        return []
    memory = float(np.clip(1 + 2 * np.corrcoef(steps[:-1], steps[1:])[0, 1], 0, 0.8))
    noise = steps.var() / (2 * (1 - memory)) * (1 + memory) / (1 - memory)
    found = ruptures.KernelCPD(kernel="linear", min_size=SHORTEST).fit(y.reshape(-1, 1)).predict(pen=penalty * np.log(len(y)) * noise)
    return [int(place) for place in found[:-1]]


def stretches(curve: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """The rates of RATES between their change points: one row per rate and stretch; one stretch where nothing changes.

    Columns: rate_of (a name of RATES), start_minute, end_minute (past its last minute), minutes, per_1000 (events per 1000 of
    the denominator: online person-minutes, for conversion clicks), ci_lower, ci_upper (quasi-Poisson, the dispersion
    measured within the stretches), session_per_1000, apart (how far off the session, in standard deviations).
    Rates that the minutes do not hold, or for too few minutes, are left out.
    """
    parts = [_stretches_of(curve, name, confidence) for name in RATES]
    known = [part for part in parts if len(part)]
    return pd.concat(known, ignore_index=True) if known else _stretches_of(curve.iloc[:0], "sales", confidence)


def _enough(curve: pd.DataFrame, above: str, below: str) -> pd.DataFrame:
    """The minutes that know both terms of a rate, without those of a handful of people: a tenth of the usual number."""
    known = curve[curve[above].notna() & (curve[below] > 0)]
    return known[known[below] >= known[below].median() / 10].reset_index(drop=True)


def _stretches_of(curve: pd.DataFrame, name: str, confidence: float) -> pd.DataFrame:
    above, below = RATES[name]
    known = _enough(curve, above, below)
    x, n = (known[column].to_numpy(dtype=float) for column in (above, below))
    cuts = breaks(x, n) if len(known) > 3 * SHORTEST else []
    rows = known if len(known) > 3 * SHORTEST and x.sum() > 0 else known.iloc[:0]
    part = np.searchsorted(cuts, np.arange(len(rows)), side="right")
    sums = rows.assign(x=x[: len(rows)], n=n[: len(rows)]).groupby(part).agg(
        start_minute=("minute", "first"), last=("minute", "last"), minutes=("minute", "size"), x=("x", "sum"), n=("n", "sum"))
    session = sums["x"].sum() / sums["n"].sum() if len(sums) else np.nan
    fitted = n[: len(rows)] * (sums["x"] / sums["n"]).to_numpy()[part] if len(sums) else n[:0]
    spread = stats.dispersion(x[: len(rows)], fitted, fitted=max(len(sums), 1))
    lower, upper = stats.count_rate(sums["x"], sums["n"] / 1000, dispersion=spread, confidence=confidence)
    return pd.DataFrame({
        "rate_of": name, "start_minute": sums["start_minute"], "end_minute": sums["last"] + 1, "minutes": sums["minutes"].astype(float),
        "per_1000": 1000 * sums["x"] / sums["n"], "ci_lower": lower, "ci_upper": upper, "session_per_1000": 1000 * session,
        "apart": (sums["x"] - session * sums["n"]) / np.sqrt(spread * session * sums["n"]),
    }).reset_index(drop=True)


def _off(rows: np.ndarray) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """How far windows of one to LONGEST_EXIT minutes lie above the running median, in deviations: by length, a row a curve; and the memory of each."""
    padded = np.pad(rows, ((0, 0), (AROUND, AROUND)), mode="reflect")
    rest = rows - np.median(np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1, axis=1), axis=2)
    spread = 1.4826 * np.median(np.abs(rest), axis=1, keepdims=True)
    unit = np.clip(rest / np.where(spread > 0, spread, np.inf), -3, 3)
    square = (unit**2).mean(axis=1)
    memory = np.clip((unit[:, 1:] * unit[:, :-1]).mean(axis=1) / np.where(square > 0, square, 1), 0, 0.8)
    sums = np.cumsum(np.pad(rest, ((0, 0), (1, 0))), axis=1)
    found = {}
    for length in range(1, LONGEST_EXIT + 1):
        extra = sum(((length - lag) * memory**lag for lag in range(1, length)), np.zeros_like(memory))
        found[length] = (sums[:, length:] - sums[:, :-length]) / (np.where(spread > 0, spread, np.inf) * np.sqrt(length + 2 * extra)[:, None])
    return found, memory


@functools.cache
def _bar(minutes: int, memory: float) -> float:
    """What the furthest window of a curve of AR(1) noise passes with the chance EXIT_ALARM: 200 curves of a fixed seed."""
    steps = np.random.default_rng(0).standard_normal((200, minutes + 20))
    noise = np.zeros_like(steps)
    for place in range(1, minutes + 20):
        noise[:, place] = memory * noise[:, place - 1] + np.sqrt(1 - memory**2) * steps[:, place]
    found, _ = _off(noise[:, 20:])
    return float(np.quantile(np.max([windows.max(axis=1) for windows in found.values()], axis=0), 1 - EXIT_ALARM))


def exits(curve: pd.DataFrame, *, most: int = 3) -> pd.DataFrame:
    """Exit points 流失节点: up to five minutes in which more of those online left than in the minutes around, the clearest first.

    One row per exit point, at most `most`: start_minute, end_minute (past its last minute), left_per_minute, leave_rate
    (left ÷ online over it), around_rate (the same over AROUND minutes before and after), apart (deviations). The bar is
    set so that EXIT_ALARM of the sessions without one show one. Empty where the minutes have no leavers.
    """
    known = _enough(curve, "left", "online")
    columns = ["start_minute", "end_minute", "left_per_minute", "leave_rate", "around_rate", "apart"]
    if len(known) <= 2 * AROUND:
        return pd.DataFrame(columns=columns, dtype=float)
    found, memory = _off(np.log((known["left"] + 0.5) / known["online"]).to_numpy(dtype=float)[None])
    bar = _bar(len(known), min(round(1.1 * float(memory[0]) + 0.05, 1), 0.9))
    over = sorted(((float(apart), place, place + length) for length, windows in found.items() for place, apart in enumerate(windows[0]) if apart > bar), reverse=True)
    kept: list[tuple[float, int, int]] = []
    for apart, first, last in over:
        if all(last + AROUND // 3 <= other[1] or first >= other[2] + AROUND // 3 for other in kept):
            kept.append((apart, first, last))
    return pd.DataFrame([_exit(known, *one) for one in kept[:most]], columns=columns, dtype=float)


def _exit(known: pd.DataFrame, apart: float, first: int, last: int) -> list[float]:
    own = known.iloc[first:last]
    near = known.iloc[max(first - AROUND, 0) : last + AROUND].drop(own.index)
    rates = [funnel.pooled_rate(part, "left", "online") for part in (own, near)]
    return [own["minute"].iloc[0], own["minute"].iloc[-1] + 1, own["left"].mean(), *rates, apart]


def happened(spans: pd.DataFrame, cues: pd.DataFrame, script: pd.DataFrame, events: pd.DataFrame, started_at: pd.Timestamp, ended_at: pd.Timestamp) -> pd.DataFrame:
    """All that a change can go with: one row per thing, in order; minute, until (nan for a moment), label_zh, label_en, weight.

    Explanations, floor control's cues, stages of the script, logged events of the session; the smaller the weight the more
    telling.
    """
    kinds = reference.terms()["event_kind"]
    during = events[(events["starts_at"] <= ended_at) & (events["ends_at"].fillna(events["starts_at"]) >= started_at)] if len(events) else events
    said = [(f"{kinds[row.kind].zh if row.kind in kinds else '事件'}「{text.plain(row.what, 20)}」", f"{kinds[row.kind].en.lower() if row.kind in kinds else 'event'} “{text.plain(row.what, 20)}”") for row in during.itertuples()]
    moments = marks(cues, started_at, kinds=[kind for kind in reference.terms()["cue_kind"] if not kind.startswith("explain") and kind not in ("list", "delist")])
    parts = [
        pd.DataFrame({"minute": elapsed(during["starts_at"], started_at), "until": elapsed(during["ends_at"], started_at), "label_zh": [zh for zh, _ in said], "label_en": [en for _, en in said], "weight": 0}),
        moments.assign(until=np.nan, label_en=moments["label_en"].str.lower(), weight=moments["kind"].map({"violation": 0, "banned_word": 0, "stock_change": 1}).fillna(3))[["minute", "until", "label_zh", "label_en", "weight"]],
        pd.DataFrame({"minute": spans["start_minute"], "until": spans["end_minute"], "label_zh": "讲解「" + spans["label_zh"] + "」", "label_en": "explaining “" + spans["label_en"] + "”", "weight": 2}),
        pd.DataFrame({"minute": script["start_minute"], "until": script["end_minute"], "label_zh": "脚本环节「" + script["label_zh"] + "」", "label_en": "the stage “" + script["label_en"].str.lower() + "”", "weight": 4}),
    ]
    known = [part for part in parts if len(part)]
    made = pd.concat(known, ignore_index=True) if known else parts[0]
    return made.sort_values(["minute", "weight"], kind="stable", ignore_index=True)


def touching(minute: float, things: pd.DataFrame, lang: str, *, until: float | None = None, most: int = 2) -> str:
    """What began within NEAR minutes of a minute (or before `until`), the most telling first; else what was running; else nothing."""
    last = minute if until is None else until - 1
    near = things[(things["minute"] >= minute - NEAR) & (things["minute"] <= last + NEAR)]
    running = things[(things["minute"] <= minute) & (things["until"] > minute)]
    shown = (near if len(near) else running).sort_values("weight", kind="stable")[f"label_{lang}"].drop_duplicates().head(most)
    return text.choose(lang, "、", ", ").join(shown)


# ---- a product before, during and after its explanation -------------------------------------------------------------


def phases(
    curve: pd.DataFrame, spans: pd.DataFrame, orders: pd.DataFrame, started_at: pd.Timestamp, *, around: float = 10, confidence: float = 0.95,
) -> pd.DataFrame:
    """Each explained product before, during and after its explanation: one row per span and phase.

    `orders` are the session's order lines. Columns: label_zh, label_en, product_id, start_minute, end_minute (of the span),
    phase (before, during, after; the first and last are `around` minutes), minutes, online and net_inflow (people a minute,
    means), click_rate (clicks ÷ online, of all products), own_orders (order lines of this product paid in the phase; nan
    without order lines), own_per_1000 (per 1000 online person-minutes) with ci_lower, ci_upper (quasi-Poisson).
    Minutes of neighbouring explanations count before and after; what was sold then is the product's own.
    """
    paid = orders[orders["paid_at"].notna()] if len(orders) else orders
    at = elapsed(paid["paid_at"], started_at) if len(paid) else pd.Series(dtype=float)
    rows = [
        {**span, "phase": phase, **_phase(curve, first, last, at[paid["product_id"] == span["product_id"]] if len(paid) else None)}
        for span in spans[spans["product_id"].notna()].to_dict("records")
        for phase, first, last in (
            ("before", max(span["start_minute"] - around, 0), span["start_minute"]), ("during", span["start_minute"], span["end_minute"]),
            ("after", span["end_minute"], span["end_minute"] + around))
    ]
    columns = ["label_zh", "label_en", "product_id", "start_minute", "end_minute", "phase", "minutes", "online", "net_inflow", "click_rate", "own_orders", "exposure"]
    table = pd.DataFrame(rows, columns=columns).astype({name: "float64" for name in columns[6:]})
    lower, upper = stats.count_rate(table["own_orders"], table["exposure"] / 1000, confidence=confidence)
    rate = 1000 * table["own_orders"] / table["exposure"].where(table["exposure"] > 0)
    return table.drop(columns="exposure").assign(own_per_1000=rate, ci_lower=lower, ci_upper=upper)


def _phase(curve: pd.DataFrame, first: float, last: float, sold: pd.Series | None) -> dict[str, float]:
    part = curve[(curve["minute"] >= first) & (curve["minute"] < last)]
    own = np.nan if sold is None else float(sold.between(first, last, inclusive="left").sum())
    return {
        "minutes": float(len(part)), "online": part["online"].mean(), "net_inflow": part["net_inflow"].mean(),
        "click_rate": funnel.pooled_rate(part, "product_click_users", "online"), "own_orders": own if len(part) else np.nan, "exposure": part["online"].sum(),
    }


def side_by_side(table: pd.DataFrame) -> pd.DataFrame:
    """`phases` with a row per span: its own orders and people online before, during and after, the interval that of during."""
    if table.empty:
        return table
    keys = ["label_zh", "label_en", "start_minute", "end_minute"]
    columns = [f"{name}_{phase}" for name in ("online", "own_per_1000") for phase in ("before", "during", "after")]
    wide = table.set_index([*keys, "phase"])[["online", "own_per_1000"]].unstack("phase")
    wide.columns = [f"{name}_{phase}" for name, phase in wide.columns]
    during = table[table["phase"] == "during"].set_index(keys)[["net_inflow", "ci_lower", "ci_upper"]]
    return wide.reindex(columns=columns).join(during).reset_index().sort_values("start_minute", ignore_index=True)


# ---- findings ----------------------------------------------------------------------------------------------------


def band_findings(table: pd.DataFrame, *, currency: str, confidence: float = 0.95) -> list[dict[str, object]]:
    """Facts of the best and the weakest span by orders per 1000 online person-minutes, of those that stand apart."""
    told = [
        (table[table["standing"] == standing].sort_values("orders_per_1000", ascending=ascending, kind="stable").head(1), words)
        for standing, ascending, words in (("above", False, ("最高", "highest")), ("below", True, ("最低", "lowest")))
    ]
    return [_band_fact(rows.iloc[0], words, currency, confidence) for rows, words in told if len(rows)]


def _band_fact(row: pd.Series, words: tuple[str, str], currency: str, confidence: float) -> dict[str, object]:
    first, last = row["start_minute"], row["end_minute"] - 1
    zh, en = (
        [
            text.number(row["orders_per_1000"], lang, 1), text.number(row["session_orders_per_1000"], lang, 1),
            text.money(row["paid_amount"], lang, currency),
            funnel.interval_words(row["ci_lower"], row["ci_upper"], lang, confidence, unit="score"),
        ]
        for lang in ("zh", "en")
    )
    return findings.make(
        notebook=funnel.NOTEBOOK, dimension="sales", metric="orders", slice=f"span={words[1]}", verdict="not_comparable",
        value=row["orders_per_1000"], baseline=row["session_orders_per_1000"], ci_lower=row["ci_lower"],
        ci_upper=row["ci_upper"], p_adjusted=row["p_adjusted"], minute_from=first, minute_to=last,
        sentence_zh=f"第 {first:.0f}–{last:.0f} 分钟（{row['label_zh']}）每千在线人·分钟成交 {zh[0]} 单{zh[3]}，各段中{words[0]}，全场 {zh[1]} 单；这一段支付 {zh[2]}。",
        sentence_en=f"Minutes {first:.0f}–{last:.0f} ({row['label_en']}): {en[0]} orders per 1000 online person-minutes{en[3]}, the {words[1]} of all spans; "
        f"whole session {en[1]}. Paid in this span: {en[2]}.",
    )


def exit_findings(found: pd.DataFrame, things: pd.DataFrame) -> list[dict[str, object]]:
    """One fact per exit point: how many left a minute, of how many, against the minutes around, and what went with it."""
    return [_exit_fact(row, things) for row in found.itertuples()]


def _exit_fact(row: object, things: pd.DataFrame) -> dict[str, object]:
    first, last = row.start_minute, row.end_minute - 1
    when = _when(first, last)
    went = {lang: touching(first, things, lang, until=row.end_minute) for lang in ("zh", "en")}
    left, own, around = (text.number(value, "en") for value in (row.left_per_minute, 100 * row.leave_rate, 100 * row.around_rate))
    return findings.make(
        notebook=funnel.NOTEBOOK, dimension="traffic", metric="avg_online", slice=f"exit={first:.0f}", verdict="not_comparable",
        value=row.leave_rate, baseline=row.around_rate, minute_from=first, minute_to=last,
        sentence_zh=f"流失节点：{when['zh']}每分钟离开约 {left} 人次，每百个在线的人 {own} 次，前后一刻钟是 {around} 次" + (f"；同时：{went['zh']}。" if went["zh"] else "。"),
        sentence_en=f"Exit point: in {when['en'].lower()} people left about {left} times a minute, {own} per hundred online, against {around} in the quarter hours around" + (f"; at that time: {went['en']}." if went["en"] else "."),
    )


def _when(first: float, last: float) -> dict[str, str]:
    """A stretch of minutes in words; one minute is no stretch."""
    if last <= first:
        return {"zh": f"第 {first:.0f} 分钟", "en": f"Minute {first:.0f}"}
    return {"zh": f"第 {first:.0f}–{last:.0f} 分钟", "en": f"Minutes {first:.0f}–{last:.0f}"}


def quiet_words(found: pd.DataFrame, stretches: pd.DataFrame, lang: str) -> str:
    """What shows no exit point and no change point that is sure, in a sentence; nothing where all do or there are no minutes."""
    labels, several = reference.terms()["rate_of"], stretches["rate_of"].duplicated(keep=False)
    still = [text.label(labels[name], lang) for name in stretches.loc[~several, "rate_of"]]
    exits_none = text.choose(lang, "没有可以确定的流失节点。", "No exit point is sure. ") if found.empty and len(stretches) else ""
    listed = text.choose(lang, "、", "; ").join(still)
    return exits_none + (text.choose(lang, f"全程没有可以确定的变点：{listed}。", f"No change point is sure in: {listed}.") if still else "")


def changing(found: pd.DataFrame, things: pd.DataFrame) -> pd.DataFrame:
    """The stretches of the rates whose level changes, with what went with the beginning of each: began_zh, began_en."""
    several = found[found.groupby("rate_of")["rate_of"].transform("size") > 1]
    return several.assign(**{f"began_{lang}": [touching(minute, things, lang) for minute in several["start_minute"]] for lang in ("zh", "en")})


def standing_out(found: pd.DataFrame) -> pd.DataFrame:
    """Of each rate that changes the stretch that is furthest from the session's: one row per rate, in the order of RATES."""
    several = found[found.groupby("rate_of")["rate_of"].transform("size") > 1]
    return several.loc[several["apart"].abs().groupby(several["rate_of"], sort=False).idxmax()].reset_index(drop=True)


def change_findings(found: pd.DataFrame, things: pd.DataFrame) -> list[dict[str, object]]:
    """One fact per rate whose level changes: its most unusual stretch, and what went with its beginning."""
    return [_change_fact(row, things) for row in standing_out(found).itertuples()]


DIMENSIONS = {"leaving": "traffic", "fans": "fans", "interaction": "interaction", "click": "click", "conversion": "conversion", "sales": "sales"}
METRICS = {"leaving": "avg_online", "fans": "new_fans", "interaction": "comments", "click": "product_click_users", "conversion": "orders", "sales": "orders"}


def _change_fact(row: object, things: pd.DataFrame) -> dict[str, object]:
    first, last = row.start_minute, row.end_minute - 1
    named, when = reference.terms()["rate_of"][row.rate_of], _when(first, last)
    went = {lang: touching(first, things, lang) for lang in ("zh", "en")}
    own, session = (text.number(value, "en", 1) for value in (row.per_1000, row.session_per_1000))
    above = row.per_1000 > row.session_per_1000
    return findings.make(
        notebook=funnel.NOTEBOOK, dimension=DIMENSIONS[row.rate_of], metric=METRICS[row.rate_of], slice=f"stretch={row.rate_of}", verdict="not_comparable",
        value=row.per_1000, baseline=row.session_per_1000, ci_lower=row.ci_lower, ci_upper=row.ci_upper, minute_from=first, minute_to=last,
        sentence_zh=f"{named.zh}在{when['zh']}{'高' if above else '低'}：{own}，全场 {session}" + (f"；从这里开始：{went['zh']}。" if went["zh"] else "。"),
        sentence_en=f"{named.en}, {when['en'].lower()}: {own}, {'above' if above else 'below'} the session's {session}" + (f"; at its beginning: {went['en']}." if went["en"] else "."),
    )
