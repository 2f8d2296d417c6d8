"""Change points and exit points of the minutes, and the usual course they stand beside."""

import functools

import numpy as np
import pandas as pd
import ruptures

from helpers.core import stats
from helpers.funnel import minutes
from helpers.funnel.step_rates import pooled_rate

# What is looked at minute by minute, per thousand of its denominator: people leaving, then the
# textbook's five groups.
RATES = {
    "leaving": ("left", "online"),
    "fans": ("new_fans", "online"),
    "interaction": ("comments", "online"),
    "click": ("product_click_users", "online"),
    "conversion": ("orders", "product_click_users"),
    "sales": ("orders", "online"),
}
SHORTEST = 5  # minutes of a stretch between two change points
# of a change point, times ln(minutes) and the noise: 3 keeps one curve quiet, 5 six of them
PENALTY = 5.0
PARTS = 10  # of a session, for its usual course
FEWEST_SESSIONS = 5  # fewer earlier sessions with minutes: no usual course is known
LAST_SESSIONS = 20  # that it is taken from
STEADYING = 30.0  # events: what a part is weighed down with towards no difference
AROUND = 15  # minutes before and after that exits are set against
LONGEST_EXIT = 5
MOST_EXITS = 3
EXIT_ALARM = 0.05  # chance that a session without exit points shows one


def breaks(counts: np.ndarray, exposure: np.ndarray) -> list[int]:
    """Places at which the level of a rate changes; none in a curve without noise.

    PELT on squared error. The counts are brought to one variance, 2√(count ÷ exposure · mean
    exposure + 3/8). The noise is that of neighbours' differences, cut at four deviations so that
    the changes themselves do not count, times what an AR(1) adds to a mean.
    """
    y = 2 * np.sqrt(counts / exposure * exposure.mean() + 3 / 8)
    steps = np.diff(y)
    spread = (
        1.4826 * np.median(np.abs(steps - np.median(steps))) if len(steps) > 2 * SHORTEST else 0.0
    )
    steps = np.clip(steps, -4 * spread, 4 * spread) if spread > 0 else steps
    if len(steps) <= 2 * SHORTEST or np.isclose([steps[:-1].std(), steps[1:].std()], 0).any():
        return []
    memory = float(np.clip(1 + 2 * np.corrcoef(steps[:-1], steps[1:])[0, 1], 0, 0.8))
    noise = steps.var() / (2 * (1 - memory)) * (1 + memory) / (1 - memory)
    places = (
        ruptures.KernelCPD(kernel="linear", min_size=SHORTEST)
        .fit(y.reshape(-1, 1))
        .predict(pen=PENALTY * np.log(len(y)) * noise)
    )
    return [int(place) for place in places[:-1]]


def course(minutes_: pd.DataFrame, sessions: pd.DataFrame) -> pd.DataFrame:
    """The account's usual course: each rate in each tenth of a session ÷ that of the whole session.

    `minutes_` are those of earlier sessions, `sessions` their rows; the last LAST_SESSIONS that
    have minutes are taken. Columns: rate_of, part (0 to PARTS - 1), factor (events ÷ those that the
    sessions' own rates lead to expect, steadied towards 1 where few), sessions. Rates that fewer
    than FEWEST_SESSIONS sessions hold are left out.
    """
    begun = sessions.set_index("session_id")["started_at"]
    last = begun[begun.index.isin(minutes_["session_id"])].sort_values().index[-LAST_SESSIONS:]
    rows = [
        row
        for name in last
        for row in _parts_of(minutes.profile(minutes_[minutes_["session_id"] == name], begun[name]))
    ]
    sums = (
        pd.DataFrame(rows, columns=["rate_of", "part", "events", "expected"])
        .groupby(["rate_of", "part"], sort=False)
        .agg(events=("events", "sum"), expected=("expected", "sum"), sessions=("events", "size"))
        .reset_index()
    )
    sums = sums[sums["sessions"] >= FEWEST_SESSIONS]
    return sums.assign(factor=(sums["events"] + STEADYING) / (sums["expected"] + STEADYING))[
        ["rate_of", "part", "factor", "sessions"]
    ].reset_index(drop=True)


def _parts_of(curve: pd.DataFrame) -> list[tuple[str, int, float, float]]:
    parts = []
    for name, (above, below) in RATES.items():
        counted = enough(curve, above, below)
        if len(counted) and counted[above].sum() > 0:
            part = (counted["minute"] * PARTS // (curve["minute"].max() + 1)).astype(int)
            sums = counted.groupby(part)[[above, below]].sum()
            rate = counted[above].sum() / counted[below].sum()
            parts += [
                (name, int(place), float(row[above]), float(rate * row[below]))
                for place, row in sums.iterrows()
            ]
    return parts


def _usual(
    curve: pd.DataFrame, minute: pd.Series, name: str, courses: pd.DataFrame | None
) -> np.ndarray:
    """1 where it is not known; straight lines between the middles of tenths."""
    tenths = courses[courses["rate_of"] == name].sort_values("part") if courses is not None else []
    if len(tenths) < PARTS:
        return np.ones(len(minute))
    length = curve["minute"].max() + 1
    return np.interp((minute + 0.5) / length, (tenths["part"] + 0.5) / PARTS, tenths["factor"])


def stretches(
    curve: pd.DataFrame, *, usual: pd.DataFrame | None = None, confidence: float = 0.95
) -> pd.DataFrame:
    """The rates of RATES between their change points, one row per rate and stretch.

    Change points are those of a rate beside `usual`, the account's `course`. Columns: rate_of (a
    name of RATES), start_minute, end_minute (past its last minute), minutes, per_1000 (events per
    1000 of the denominator: online person-minutes, for conversion clicks), ci_lower, ci_upper
    (quasi-Poisson, the dispersion measured within the stretches), session_per_1000, usual_per_1000
    (what the session's level and the usual course lead to expect; without a course the session's),
    apart (how far off that, in standard deviations). Rates that the minutes do not hold, or for too
    few minutes, are left out.
    """
    parts = [_stretches_of(curve, name, usual, confidence) for name in RATES]
    with_minutes = [part for part in parts if len(part)]
    return (
        pd.concat(with_minutes, ignore_index=True)
        if with_minutes
        else _stretches_of(curve.iloc[:0], "sales", None, confidence)
    )


def enough(curve: pd.DataFrame, above: str, below: str) -> pd.DataFrame:
    """The minutes that know both terms of a rate, with a tenth of the usual people at least."""
    counted = curve[curve[above].notna() & (curve[below] > 0)]
    return counted[counted[below] >= counted[below].median() / 10].reset_index(drop=True)


def _stretches_of(
    curve: pd.DataFrame, name: str, usual: pd.DataFrame | None, confidence: float
) -> pd.DataFrame:
    above, below = RATES[name]
    counted = enough(curve, above, below)
    rows = counted if len(counted) > 3 * SHORTEST and counted[above].sum() > 0 else counted.iloc[:0]
    x, n = (rows[column].to_numpy(dtype=float) for column in (above, below))
    due = n * _usual(curve, rows["minute"], name, usual)
    cuts = breaks(x, due) if len(rows) else []
    part = np.searchsorted(cuts, np.arange(len(rows)), side="right")
    sums = (
        rows.assign(x=x, n=n, due=due)
        .groupby(part)
        .agg(
            start_minute=("minute", "first"),
            last=("minute", "last"),
            minutes=("minute", "size"),
            x=("x", "sum"),
            n=("n", "sum"),
            due=("due", "sum"),
        )
    )
    session, level = (
        sums["x"].sum() / sums[base].sum() if len(sums) else np.nan for base in ("n", "due")
    )
    fitted = due * (sums["x"] / sums["due"]).to_numpy()[part] if len(sums) else due
    spread = stats.dispersion(x, fitted, fitted=max(len(sums), 1))
    lower, upper = stats.count_rate(
        sums["x"], sums["n"] / 1000, dispersion=spread, confidence=confidence
    )
    return pd.DataFrame(
        {
            "rate_of": name,
            "start_minute": sums["start_minute"],
            "end_minute": sums["last"] + 1,
            "minutes": sums["minutes"].astype(float),
            "per_1000": 1000 * sums["x"] / sums["n"],
            "ci_lower": lower,
            "ci_upper": upper,
            "session_per_1000": 1000 * session,
            "usual_per_1000": 1000 * level * sums["due"] / sums["n"],
            "apart": (sums["x"] - level * sums["due"]) / np.sqrt(spread * level * sums["due"]),
        }
    ).reset_index(drop=True)


def _off(rows: np.ndarray) -> tuple[dict[int, np.ndarray], np.ndarray]:
    """How far windows (by length, a row a curve) lie above the running median; curves' memory."""
    padded = np.pad(rows, ((0, 0), (AROUND, AROUND)), mode="reflect")
    residual = rows - np.median(
        np.lib.stride_tricks.sliding_window_view(padded, 2 * AROUND + 1, axis=1), axis=2
    )
    spread = 1.4826 * np.median(np.abs(residual), axis=1, keepdims=True)
    unit = np.clip(residual / np.where(spread > 0, spread, np.inf), -3, 3)
    square = (unit**2).mean(axis=1)
    memory = np.clip(
        (unit[:, 1:] * unit[:, :-1]).mean(axis=1) / np.where(square > 0, square, 1), 0, 0.8
    )
    sums = np.cumsum(np.pad(residual, ((0, 0), (1, 0))), axis=1)
    windows = {}
    for length in range(1, LONGEST_EXIT + 1):
        extra = sum(
            ((length - lag) * memory**lag for lag in range(1, length)), np.zeros_like(memory)
        )
        windows[length] = (sums[:, length:] - sums[:, :-length]) / (
            np.where(spread > 0, spread, np.inf) * np.sqrt(length + 2 * extra)[:, None]
        )
    return windows, memory


@functools.cache
def _bar(length: int, memory: float) -> float:
    """What the furthest window of AR(1) noise passes with the chance EXIT_ALARM, by simulation."""
    steps = np.random.default_rng(0).standard_normal((200, length + 20))
    noise = np.zeros_like(steps)
    for place in range(1, length + 20):
        noise[:, place] = memory * noise[:, place - 1] + np.sqrt(1 - memory**2) * steps[:, place]
    off, _ = _off(noise[:, 20:])
    return float(
        np.quantile(
            np.max([windows.max(axis=1) for windows in off.values()], axis=0), 1 - EXIT_ALARM
        )
    )


def exits(curve: pd.DataFrame) -> pd.DataFrame:
    """Exit points 流失节点, in which more of those online left than around, the clearest first.

    At most `MOST_EXITS` of up to five minutes: start_minute, end_minute (past its last minute),
    left_per_minute, leave_rate (left ÷ online over it), around_rate (the same over AROUND minutes
    before and after), apart (deviations). EXIT_ALARM of the sessions without one show one. Empty
    where the minutes have no leavers.
    """
    counted = enough(curve, "left", "online")
    columns = [
        "start_minute",
        "end_minute",
        "left_per_minute",
        "leave_rate",
        "around_rate",
        "apart",
    ]
    if len(counted) <= 2 * AROUND:
        return pd.DataFrame(columns=columns, dtype=float)
    off, memory = _off(
        np.log((counted["left"] + 0.5) / counted["online"]).to_numpy(dtype=float)[None]
    )
    bar = _bar(len(counted), min(round(1.1 * float(memory[0]) + 0.05, 1), 0.9))
    over = sorted(
        (
            (float(apart), place, place + length)
            for length, windows in off.items()
            for place, apart in enumerate(windows[0])
            if apart > bar
        ),
        reverse=True,
    )
    clearest: list[tuple[float, int, int]] = []
    for apart, first, last in over:
        if all(
            last + AROUND // 3 <= other[1] or first >= other[2] + AROUND // 3 for other in clearest
        ):
            clearest.append((apart, first, last))
    return pd.DataFrame(
        [_exit(counted, *window) for window in clearest[:MOST_EXITS]], columns=columns, dtype=float
    )


def _exit(counted: pd.DataFrame, apart: float, first: int, last: int) -> list[float]:
    inside = counted.iloc[first:last]
    near = counted.iloc[max(first - AROUND, 0) : last + AROUND].drop(inside.index)
    rates = [pooled_rate(part, "left", "online") for part in (inside, near)]
    return [
        inside["minute"].iloc[0],
        inside["minute"].iloc[-1] + 1,
        inside["left"].mean(),
        *rates,
        apart,
    ]
