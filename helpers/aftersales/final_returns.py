"""What a young session's returns will come to: the final refund rate and net amount to expect."""

import itertools
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as special

from helpers.aftersales.order_lines import DAY, known_at, mean_age, price_cuts
from helpers.aftersales.refund_delay import FEWEST_FOR_CURVE, Maturity, delay_curve, maturity
from helpers.aftersales.refund_rates import rates_at_age
from helpers.core import findings, others, stats, text

# weight of the account's own past rate, in order lines (methods: tried on simulated sessions)
SHRINK_ORDERS = 60.0
HALVED = (4.0, 12.0, 60.0)  # sessions after which one counts half
SCORED = 12.0  # of its errors
LOOKED_AT = 120  # sessions
LATE, EARLIER = 8, 40  # sessions whose levels are held against each other
MOVED_ERROR = 0.01  # with which returns that did not change are called changed
FEW_SESSIONS = 4.0  # that the usual variation (`stats.PRIOR_CV`) counts for
ESTIMATE = ["expected", "lower", "upper"]
CHANNELS = ("all", "before_shipping", "after_shipping")
NEEDED = ["session_id", "paid", "paid_at", "refunded", "refunded_at", "before_shipping"]
SET_BACK = [*NEEDED, "asked", "asked_at", "refunded_amount", "returned"]  # see `known_at`


class Expected(NamedTuple):
    """The final refund rate to be expected with its interval, F(age), and the pooled rate."""

    value: float
    lower: float
    upper: float
    maturity: float
    pooled: float


class Rest(NamedTuple):
    """Refunds still to come: their expected number and its variance."""

    mean: float
    variance: float


def to_come(
    refunded: float, n: float, share: float, prior: stats.Prior, *, seen: float = np.inf
) -> Rest:
    """Refunds still to come of `n` lines of which `refunded` have come back: (1 - F) x n x q.

    `share` is F(age) and `seen` the refunds that its curve rests on; q is the session's own level
    drawn to the account's (`prior`; a vague one where there is none): (refunded + weight x mean) /
    (n x F + weight). The variance is that of the open lines (binomial), of q, and of F. `nan` where
    F is unknown.
    """
    mean, weight = prior if np.isfinite(prior.mean) else (0.5, 1.0)
    left = n - refunded
    if not (n > 0 and share >= 0):
        return Rest(np.nan, np.nan)
    level = (refunded + weight * mean) / (n * share + weight)
    to_be = min(n * (1 - share) * level, left)
    if to_be <= 0:
        return Rest(0.0, 0.0)
    of_level = max(1 - level, 0.0) / level / (n * share + weight + 1)
    of_curve = share / (1 - share) / seen * ((n + weight) / (n * share + weight)) ** 2
    return Rest(to_be, to_be * (1 - to_be / left) + to_be**2 * (of_level + of_curve))


def _final(refunded: float, n: float, rest: Rest, confidence: float) -> tuple[float, float, float]:
    """The final rate and its interval, that of a beta-binomial share of the open lines."""
    left, value = round(n - refunded), (refunded + rest.mean) / n
    share = rest.mean / left if left > 0 else 0.0
    if not 0 < share < 1:
        return value, value, value
    # 1: no more than binomial; left: all or nothing
    apart = rest.variance / (left * share * (1 - share))
    weight = max((left - apart) / max(apart - 1, 1e-6), 1e-6)
    counts = np.arange(left + 1)
    chances = special.betabinom.pmf(counts, left, share * weight, (1 - share) * weight)
    low, high = np.searchsorted(np.cumsum(chances), [(1 - confidence) / 2, (1 + confidence) / 2])
    return value, min((refunded + low) / n, value), max((refunded + min(high, left)) / n, value)


def expected_rate(
    refunded: float,
    n: float,
    share: float,
    prior: stats.Prior,
    *,
    rest: Rest | None = None,
    confidence: float = 0.95,
) -> Expected:
    """Final refund rate of a young session: refunded / n + (1 - F) x q (`to_come`).

    `share` is F(age), `prior` the account's final rate and its weight in lines. With F = 0 this is
    the pooled rate, with F = 1 the session's own; `nan` where F is unknown. The interval is that of
    the session's final rate, not only of its level.
    """
    rest = rest or to_come(refunded, n, share, prior)
    if np.isnan(rest.mean):
        return Expected(np.nan, np.nan, np.nan, share, prior.mean)
    return Expected(*_final(refunded, n, rest, confidence), share, prior.mean)


def _bands(prices: pd.Series, cuts: list[float]) -> pd.Series:
    return pd.Series(np.searchsorted(cuts, prices.fillna(0), side="right"), index=prices.index)


def _counted(
    history: pd.DataFrame, curve: pd.DataFrame, as_of: pd.Timestamp, window_days: float
) -> pd.DataFrame:
    """Refunds (x) of sessions, oldest first, and of how many lines (n), as far as they are mature.

    A younger session's lines count by the share of refunds that has come at its age (n x F).
    """
    in_session = history["session_id"].notna()
    lines = history[in_session]
    late = lines["refunded_at"] - lines["paid_at"] > window_days * DAY
    lines = lines.assign(age=(as_of - lines["paid_at"]) / DAY, x=lines["refunded"] & ~late)
    by_session = lines.groupby("session_id", observed=True, sort=False)
    table = by_session.agg(first=("paid_at", "min"), age=("age", "mean"), x=("x", "sum"))
    table["n"] = by_session.size() * np.interp(
        table["age"],
        [*curve["day"], window_days],
        [*curve["share"], 1.0],
        left=0.0,
    )
    table["n"] = table[["n", "x"]].max(axis=1)
    return table[table["n"] >= 1].sort_values("first")[["x", "n"]]


def _recent_prior(x: np.ndarray, n: np.ndarray) -> stats.Prior:
    """What past sessions say of the next one's rate where recent ones count for more.

    How much more (`HALVED`) is what would have foretold the last sessions best; its errors with
    them, beyond those of drawing lines, are how far the next one may lie off.
    """
    ways, size = [], n[1:] / (n[1:] + n[1:].mean())
    for halved in HALVED:
        keep = 0.5 ** (1 / halved)
        x_before, n_before = (_decayed(values, keep) for values in (x, n))
        mean = (x_before[:-1] + 0.5) / (n_before[:-1] + 1)
        off = (x / n)[1:] - mean
        noise = mean * (1 - mean) * (1 / n[1:] + 1 / (n_before[:-1] + 1))
        weight = size * 0.5 ** (np.arange(len(off))[::-1] / SCORED)
        errors = float(weight @ off**2 / weight.sum())
        ways.append((errors, keep, (off**2 - noise) / mean**2, weight))
    _, keep, beyond, weight = min(ways, key=lambda way: way[0])
    x_all, n_all = (_decayed(values, keep)[-1] for values in (x, n))
    mean, free = (x_all + 0.5) / (n_all + 1), weight.sum() ** 2 / (weight**2).sum()
    steadied = FEW_SESSIONS * stats.PRIOR_CV**2 + free * max(weight @ beyond / weight.sum(), 0.0)
    variance = mean**2 * steadied / (FEW_SESSIONS + free) + mean * (1 - mean) / n_all
    return stats.Prior(float(mean), float(max(mean * (1 - mean) / variance - 1, 1e-6)))


class Moved(NamedTuple):
    """Final rates of the last sessions and of those before them where these differ, else `nan`."""

    recent: float
    earlier: float


def _moved(sessions: pd.DataFrame) -> Moved:
    """Whether returns are at another level of late; sessions are cases, as each has its own."""
    last = sessions.tail(LATE + EARLIER).reset_index(drop=True)
    last = last.rename(columns={"x": "numerator", "n": "denominator"}).assign(
        session_id=last.index, late=last.index >= len(last) - LATE
    )
    table = others.between_sessions(last, by=["late"], confidence=1 - MOVED_ERROR)
    late = table[table["late"] & (table["p_value"] <= MOVED_ERROR)]
    if late.empty or late["standing"].iloc[0] not in ("above", "below"):
        return Moved(np.nan, np.nan)
    return Moved(float(late["rate"].iloc[0]), float(late["others_rate"].iloc[0]))


def _decayed(values: np.ndarray, keep: float) -> np.ndarray:
    """Sums of the values so far, each session counting `keep` times what the next one does."""
    return np.array(list(itertools.accumulate(values, lambda total, new: total * keep + new)))


def _prior(sessions: pd.DataFrame) -> stats.Prior:
    """The final rate of the account's next session and what it weighs; `nan` under 30 lines."""
    if sessions["n"].sum() < FEWEST_FOR_CURVE:
        return stats.Prior(np.nan, np.nan)
    if len(sessions) < 3:
        return stats.Prior(sessions["x"].sum() / sessions["n"].sum(), SHRINK_ORDERS)
    return _recent_prior(*(sessions[name].to_numpy(float)[-LOOKED_AT:] for name in ("x", "n")))


def _channel(lines: pd.DataFrame, name: str) -> pd.DataFrame:
    if name == "all":
        return lines
    in_channel = lines["before_shipping"] == (name == "before_shipping")
    return lines.assign(refunded=lines["refunded"] & in_channel)


def _part(
    lines: pd.DataFrame,
    history: pd.DataFrame,
    curves: Mapping[str, tuple[pd.DataFrame, Maturity]],
    *,
    as_of: pd.Timestamp,
    window_days: float,
    confidence: float,
) -> tuple[dict[str, Expected], Rest]:
    """What each channel's refunds will come to, and those still to come of both."""
    n, levels, rests = len(lines), {}, {}
    for name, (days, curve) in curves.items():
        refunded = _channel(lines, name)["refunded"].sum()
        prior = _prior(_counted(_channel(history, name), days, as_of, window_days))
        levels[name] = refunded, n, curve.share, prior
        rests[name] = to_come(*levels[name], seen=curve.refunds)
    both = Rest(*np.sum([rests["before_shipping"], rests["after_shipping"]], axis=0))
    if np.isfinite(both.mean):
        rests["all"] = both
    expected = {
        name: expected_rate(*level, rest=rests[name], confidence=confidence)
        for name, level in levels.items()
    }
    return expected, rests["all"]


def expected_final(
    lines: pd.DataFrame,
    history: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    window_days: float = 30,
    min_maturity: float = 0.15,
    bands: int = 3,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What the session's refunds will come to: a row for all, each channel and each price band.

    `history` are lines of earlier sessions. Refunds before shipping come at once and those after it
    late, so each channel has its own delay curve and rate (on simulated sessions a third less error
    in the first week than one curve). Price bands (thirds of the history's prices; none where
    `bands` is 1) have their own rates, as dear goods come back more often. Columns: part (all,
    before_shipping, after_shipping, band_1 …), n, paid_amount, refunded, refunded_amount, maturity,
    pooled, expected, lower, upper (lines), age_days, final (whether the window is over), printable
    (whether all refunds' maturity reaches `min_maturity`; else expected is `nan`), rests_on
    (refunds behind the part's curve), recent_rate and earlier_rate (final rates of the last
    sessions and those before, where returns moved to another level), to_come and to_come_variance
    (refunds of all channels still to come), complete (taken as complete before the window is over:
    by the curve not even half a refund lies in the interval). Recent sessions, as far as they are
    mature, count for more in what a new one is drawn to.
    """
    age = mean_age(lines, as_of)
    # a long history is filtered many times: no text in it
    history = history[NEEDED].astype({"session_id": "category"})
    over = pd.DataFrame({"day": [window_days], "share": [1.0], "refunds": [0]})
    curves = dict.fromkeys(CHANNELS, (over, Maturity(1.0, 0)))
    if not age >= window_days:  # also without lines
        for name in CHANNELS:
            channel = _channel(history, name)
            curve = delay_curve(channel, as_of=as_of, window_days=window_days)
            curves[name] = curve, maturity(curve, age)
    options = {"as_of": as_of, "window_days": window_days, "confidence": confidence}
    whole, rest = _part(lines, history, curves, **options)
    parts = [(name, _channel(lines, name), whole[name], rest) for name in CHANNELS]
    cuts = price_cuts(history["paid"], bands)
    band, past_band = _bands(lines["paid"], cuts), _bands(history["paid"], cuts)
    for place in range(len(cuts) + 1) if bands > 1 else ():
        part = lines[band == place]
        guess, rest = _part(part, history[past_band == place], curves, **options)
        parts.append((f"band_{place + 1}", part, guess["all"], rest))
    printable = bool(curves["all"][1].share >= min_maturity)
    moved = _moved(_counted(history, curves["all"][0], as_of, window_days))
    rows = []
    for name, part, guess, rest in parts:
        bounds = guess[:3] if printable else (np.nan, np.nan, np.nan)
        is_point = (guess.upper - guess.lower) * len(part) < 0.5
        rows.append(
            {
                "part": name,
                "n": len(part),
                "paid_amount": part["paid"].sum(),
                "refunded": part["refunded"].sum(),
                "refunded_amount": part["refunded_amount"].where(part["refunded"], 0).sum(),
                "maturity": guess.maturity,
                "pooled": guess.pooled,
                **dict(zip(ESTIMATE, bounds, strict=True)),
                "age_days": age,
                "final": age >= window_days,
                "printable": printable,
                "rests_on": curves.get(name, curves["all"])[1].refunds,
                "recent_rate": moved.recent,
                "earlier_rate": moved.earlier,
                "to_come": rest.mean,
                "to_come_variance": rest.variance,
                "complete": bool(printable and age < window_days and is_point),
            }
        )
    return pd.DataFrame(rows)


def complete_note(expected: pd.DataFrame, lines: pd.DataFrame, *, lang: str) -> str:
    """Why refunds before shipping have no interval; empty where they have one."""
    row = expected.set_index("part").loc["before_shipping"]
    if not row["complete"]:
        return ""
    waiting = int((~lines["shipped"] & ~lines["refunded"]).sum())
    days, share = f"{row['age_days']:.1f}", text.percent(row["maturity"])
    earlier = text.number(row["rests_on"], lang)
    still_open = ""
    if waiting:
        still_open = text.choose(
            lang,
            f"；本场还有 {waiting} 单没发货也没退，若有人退，最后会更高",
            (
                f". Orders of this session neither shipped nor refunded yet: {waiting}; if any of "
                "them are refunded, the final rate is higher"
            ),
        )
    return text.choose(
        lang,
        (
            f"发货前退款按规则视为已来全，不给区间：以往 {earlier} 单发货前退款有 {share} "
            f"在付款后 {days} 天内到账{still_open}。"
        ),
        (
            "Refunds before shipping are taken as complete by rule and have no interval: "
            f"{share} of {earlier} earlier ones came within {days} days of payment{still_open}."
        ),
    )


def net_amount(
    lines: pd.DataFrame, expected: pd.DataFrame, *, confidence: float = 0.95
) -> pd.DataFrame:
    """Paid, refunded so far, net so far, and the net to be expected: one row per line.

    Columns: line (paid, refunded, net, expected_refunds, expected_net), amount, lower, upper.
    Refunds to come are added over the price bands of `expected_final`: the share of the open lines
    that will be refunded, times what was paid for these, times the share of a line's price that a
    refund gives back. The interval holds which of the open lines they will be, dear or cheap, and
    how sure the rate is (a gamma's, as amounts are skewed and never less than nothing). `nan` where
    not printable.
    """
    paid, refunded = lines["paid"].sum(), lines["refunded_amount"].sum()
    of_refunded = lines.loc[lines["refunded"], "paid"].sum()
    depth = refunded / of_refunded if of_refunded > 0 else 1.0
    whole = expected.set_index("part").loc["all"]
    bands = expected[~expected["part"].isin(CHANNELS) & (expected["n"] > 0)]
    rows = bands if len(bands) else expected[expected["part"].eq("all")]
    open_paid = np.sort(lines.loc[~lines["refunded"], "paid"].fillna(0).to_numpy(float))
    mean, drawn, at = 0.0, 0.0, 0
    for row in rows.sort_values("part").itertuples():
        left = int(row.n - row.refunded)
        prices, at = depth * open_paid[at : at + left], at + left
        share = row.to_come / left if left > 0 else 0.0
        mean += share * prices.sum()
        drawn += share * (1 - share) * (prices**2).sum()
    left = whole["n"] - whole["refunded"]
    to_come = whole["to_come"]
    of_lines = to_come * (1 - to_come / left) if left > 0 else 0.0
    of_rate = max(whole["to_come_variance"] - of_lines, 0.0) / to_come**2 if to_come > 0 else 0.0
    low, mid, high = (
        refunded + np.array(_gamma(mean, drawn + of_rate * mean**2, confidence))
        if whole["printable"] and np.isfinite(mean)
        else (np.nan,) * 3
    )
    rows = [
        ("paid", paid, paid, paid),
        ("refunded", refunded, refunded, refunded),
        ("net", *[paid - refunded] * 3),
        ("expected_refunds", mid, low, high),
        ("expected_net", paid - mid, paid - high, paid - low),
    ]
    return pd.DataFrame(rows, columns=["line", "amount", "lower", "upper"])


def _gamma(mean: float, variance: float, confidence: float) -> tuple[float, float, float]:
    """The mean of an amount between its bounds."""
    if not (mean > 0 and variance > 0):
        return mean, mean, mean
    amount = special.gamma(mean**2 / variance, scale=variance / mean)
    low, high = amount.ppf([(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), mean, float(high)


def net_findings(
    net: pd.DataFrame,
    expected: pd.DataFrame,
    *,
    notebook: str,
    as_of: pd.Timestamp,
    currency: str = "CNY",
) -> list[dict[str, object]]:
    """A finding on the net amount so far and, where the session is old enough, on the final one."""
    amount, whole = net.set_index("line"), expected.set_index("part").loc["all"]
    share, moment, words = text.percent(whole["maturity"], 0), f"{as_of:%Y-%m-%d %H:%M}", {}
    for lang in ("zh", "en"):
        paid, refunded, left, in_the_end = (
            text.money(amount.loc[name, "amount"], lang, currency)
            for name in ("paid", "refunded", "net", "expected_net")
        )
        bounds = text.interval(
            *amount.loc["expected_net", ["lower", "upper"]], "money", lang, currency=currency
        )
        sentence = text.choose(
            lang,
            f"截至 {moment}，支付 {paid}，已退 {refunded}，退后 {left}。",
            f"As of {moment}: paid {paid}, refunded {refunded}, net {left}. ",
        )
        if whole["final"]:
            sentence += text.choose(lang, "退货期已过，不再变动。", "The return window is over.")
        elif whole["printable"]:
            sentence += text.choose(
                lang,
                (f"预计的退款目前来了约 {share}，最终退后约 {in_the_end}（区间 {bounds}）。"),
                (
                    f"About {share} of all expected refunds have come in; in the end about "
                    f"{in_the_end} net is expected ({bounds})."
                ),
            ) + _moved_words(whole, lang)
        else:
            sentence += text.choose(
                lang,
                "场次太新或历史不足，还不能推算最终退款。",
                (
                    "The session is too young, or there is too little history, to estimate the "
                    "final refunds."
                ),
            )
        words[f"sentence_{lang}"] = sentence
    row = amount.loc["expected_net" if whole["printable"] else "net"]
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="net_amount",
            value=row["amount"],
            ci_lower=row["lower"],
            ci_upper=row["upper"],
            verdict="not_comparable",
            **words,
        )
    ]


def _moved_words(whole: pd.Series, lang: str) -> str:
    if whole["final"] or not np.isfinite(whole["recent_rate"]):
        return ""
    now, before = (text.percent(whole[name]) for name in ("recent_rate", "earlier_rate"))
    return text.choose(
        lang,
        f"这个号的退货水平变了：最近 {LATE} 场约 {now}，之前约 {before}，预计按最近的水平算。",
        f" Returns have changed on this account: about {now} over its last {LATE} sessions, "
        f"{before} before; the estimate goes by the recent level.",
    )


def recent(
    lines: pd.DataFrame, *, as_of: pd.Timestamp, sessions: int = 6, **options: float
) -> pd.DataFrame:
    """What has come back and what will, of the newest sessions: one row per session, newest first.

    `options` are those of `expected_final`. Columns: session_id, started (first payment), age_days,
    n, paid_amount, refunded_amount, net (so far), so_far, expected, lower, upper (final refund rate
    of lines; `nan` under `min_maturity`), final, as_of.
    """
    in_sessions = lines[lines["session_id"].notna()]
    begun = in_sessions.groupby("session_id", sort=False)["paid_at"].min().sort_values()
    rows = []
    for session, start in begun.tail(sessions)[::-1].items():
        own_lines = lines[lines["session_id"] == session]
        earlier = lines[lines["paid_at"] < start]
        guess = expected_final(own_lines, earlier, as_of=as_of, bands=1, **options).iloc[0]
        refunded = own_lines["refunded_amount"].sum()
        rows.append(
            [
                session,
                start,
                *guess[["age_days", "n", "paid_amount"]],
                refunded,
                guess["paid_amount"] - refunded,
                guess["refunded"] / len(own_lines),
                *guess[[*ESTIMATE, "final"]],
                as_of,
            ]
        )
    amounts = ["n", "paid_amount", "refunded_amount", "net", "so_far"]
    columns = ["session_id", "started", "age_days", *amounts, *ESTIMATE, "final", "as_of"]
    return pd.DataFrame(rows, columns=columns)


def back_test(
    lines: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    days: tuple[float, ...] = (3, 7, 14),
    sessions: int = 15,
    window_days: float = 30,
    **options: float,
) -> pd.DataFrame:
    """How estimates of old sessions, from what was known then, came out: one row per session x day.

    `lines` are the account's; of the newest `sessions` whose window is over by `as_of`, all lines
    are set back to `days` after the session's payments (`known_at`). Columns: session_id, started
    (first payment), day, n, so_far (the naive rate), expected, lower, upper (`nan` under
    `min_maturity`), final (refund rate within the window). Sessions without earlier ones give no
    estimate. `options` are further ones of `expected_final`.
    """
    timed = ~(lines["refunded"] & lines["refunded_at"].isna())
    slim = lines.loc[lines["session_id"].notna() & timed, SET_BACK]
    paid_at = slim.groupby("session_id", sort=False)["paid_at"].agg(["min", "mean", "max"])
    paid_at = paid_at.sort_values("min")
    over = paid_at[paid_at["max"] + window_days * DAY <= as_of]
    rows = []
    for session, times in over.tail(sessions).iterrows():
        own_lines, earlier = (
            slim[slim["session_id"] == session],
            slim[slim["paid_at"] < times["min"]],
        )
        final = rates_at_age(own_lines, age_days=window_days, as_of=as_of)["rate"].iloc[0]
        for day in days if len(earlier) else ():
            then = times["mean"] + day * DAY
            known_lines, known_before = known_at(own_lines, then), known_at(earlier, then)
            guess = expected_final(
                known_lines, known_before, as_of=then, window_days=window_days, bands=1, **options
            ).iloc[0]
            n = len(known_lines)
            so_far = guess["refunded"] / n
            rows.append([session, times["min"], day, n, so_far, *guess[ESTIMATE], final])
    columns = ["session_id", "started", "day", "n", "so_far", *ESTIMATE, "final"]
    return pd.DataFrame(rows, columns=columns)


def scores(tested: pd.DataFrame) -> pd.DataFrame:
    """How far a back-test's estimates and naive rates lay from what came out: one row per day.

    Columns: day, estimates, not_yet (sessions under the least maturity), rmse, rmse_so_far
    (fractions), ratio of the two, inside (share of final rates within their interval) with ci_lower
    and ci_upper (Wilson), width (mean of the interval).
    """
    columns = ["day", "estimates", "not_yet", "rmse", "rmse_so_far", "ratio", "inside"]
    rows = []
    for day, all_of in tested.groupby("day"):
        part = all_of.dropna(subset=["expected"])
        off, naive = (
            float(np.sqrt(((part[name] - part["final"]) ** 2).mean()))
            for name in ("expected", "so_far")
        )
        inside = part["final"].between(part["lower"] - 1e-9, part["upper"] + 1e-9)
        lower, upper = stats.wilson(inside.sum(), len(part))
        width = (part["upper"] - part["lower"]).mean()
        ratio = off / naive if naive else np.nan
        estimates = [len(part), len(all_of) - len(part), off, naive, ratio, inside.mean()]
        rows.append([day, *estimates, float(lower), float(upper), width])
    return pd.DataFrame(rows, columns=[*columns, "ci_lower", "ci_upper", "width"])
