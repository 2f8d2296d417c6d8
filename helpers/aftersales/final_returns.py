"""What a young session's returns will come to: the expected final refund rate and net amount, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats as special

from helpers.aftersales.order_lines import DAY, known_at, mean_age, price_cuts
from helpers.aftersales.refund_delay import FEWEST_FOR_CURVE, Maturity, delay_curve, maturity
from helpers.aftersales.refund_rates import rates_at_age
from helpers.core import findings, stats, text

# weight of the account's own past rate, in order lines (methods: tried on simulated sessions)
SHRINK_ORDERS = 60.0
KNOWN = [
    "session_id",
    "paid",
    "paid_at",
    "asked",
    "asked_at",
    "refunded",
    "refunded_at",
    "refunded_amount",
    "before_shipping",
    "returned",
]
NEEDED = ["session_id", "paid", "paid_at", "refunded", "refunded_at", "before_shipping"]


class Expected(NamedTuple):
    """The final refund rate to be expected: value with its interval (fractions), F(age), and the pooled rate."""

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
    drawn to the account's (`prior`): (refunded + weight x mean) / (n x F + weight), with a vague
    prior where there is none. The variance is that of the lines still open (binomial), of q, and of
    F. `nan` where F is unknown.
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


def _held(refunded: float, n: float, rest: Rest, confidence: float) -> tuple[float, float, float]:
    """The final rate and its interval: what has come, and of the lines still open a beta-binomial share of that mean and variance."""
    left = round(n - refunded)
    share = rest.mean / left if left > 0 else 0.0
    if not 0 < share < 1:
        value = (refunded + rest.mean) / n
        return value, value, value
    apart = rest.variance / (
        left * share * (1 - share)
    )  # 1: no more than binomial; left: all or nothing
    weight = max((left - apart) / max(apart - 1, 1e-6), 1e-6)
    chances = np.cumsum(
        special.betabinom.pmf(np.arange(left + 1), left, share * weight, (1 - share) * weight)
    )
    low, high = np.searchsorted(chances, [(1 - confidence) / 2, (1 + confidence) / 2])
    value = (refunded + rest.mean) / n
    return value, min((refunded + low) / n, value), max((refunded + min(high, left)) / n, value)


def expected_rate(
    refunded: float,
    n: float,
    share: float,
    prior: stats.Prior,
    *,
    seen: float = np.inf,
    confidence: float = 0.95,
) -> Expected:
    """Final refund rate of a young session: what has come, refunded / n, and what is to come, (1 - F) x q (`to_come`).

    `share` is F(age), `seen` the refunds it rests on, `prior` the account's final rate and its
    weight in lines. With F = 0 this is the pooled rate, with F = 1 the session's own; `nan` where F
    is unknown. The interval is that of the session's final rate, not only of its level.
    """
    rest = to_come(refunded, n, share, prior, seen=seen)
    held = (np.nan, np.nan, np.nan) if np.isnan(rest.mean) else _held(refunded, n, rest, confidence)
    return Expected(*held, share, prior.mean)


def _bands(prices: pd.Series, cuts: list[float]) -> pd.Series:
    """Price band of each line: 0 for the cheapest. Lines without a price go to the cheapest."""
    return pd.Series(np.searchsorted(cuts, prices.fillna(0), side="right"), index=prices.index)


def _prior(history: pd.DataFrame, as_of: pd.Timestamp, window_days: float) -> stats.Prior:
    """The final rate of the account's old sessions and what it weighs; `nan` under 30 lines, `SHRINK_ORDERS` under three sessions."""
    old = rates_at_age(history, age_days=window_days, as_of=as_of)
    if old["n"].sum() < FEWEST_FOR_CURVE:
        return stats.Prior(np.nan, np.nan)
    if len(old) < 3:
        return stats.Prior(old["refunded"].sum() / old["n"].sum(), SHRINK_ORDERS)
    return stats.session_prior(old["refunded"], old["n"])


def _channel(lines: pd.DataFrame, name: str) -> pd.DataFrame:
    """The lines with the refunds of one channel only; the other channel's count as not refunded here."""
    return (
        lines
        if name == "all"
        else lines.assign(
            refunded=lines["refunded"] & (lines["before_shipping"] == (name == "before_shipping"))
        )
    )


def _part(
    lines: pd.DataFrame,
    history: pd.DataFrame,
    curves: Mapping[str, Maturity],
    *,
    as_of: pd.Timestamp,
    window_days: float,
    confidence: float,
) -> dict[str, Expected]:
    """The expectation of each channel and of all refunds together: those of the whole are the sum of its channels'."""
    n, made, rests = len(lines), {}, {}
    for name, curve in curves.items():
        refunded, prior = (
            _channel(lines, name)["refunded"].sum(),
            _prior(_channel(history, name), as_of, window_days),
        )
        rests[name] = to_come(refunded, n, curve.share, prior, seen=curve.refunds)
        made[name] = expected_rate(
            refunded, n, curve.share, prior, seen=curve.refunds, confidence=confidence
        )
    both = Rest(*np.sum([rests["before_shipping"], rests["after_shipping"]], axis=0))
    if n > 0 and np.isfinite(both.mean):
        value, lower, upper = _held(lines["refunded"].sum(), n, both, confidence)
        made["all"] = made["all"]._replace(value=value, lower=lower, upper=upper)
    return made


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
    """What the session's refunds will come to: one row for all, for each channel and for each price band.

    `history` are the lines of earlier sessions. Refunds before shipping come at once and those
    after it late, so each channel has its own delay curve and rate, and the whole is their sum
    (tried on simulated sessions: a third less error in the first week than one curve for both).
    Price bands (thirds of the history's prices; none where `bands` is 1) have their own rates, as
    dear goods come back more often. Columns: part (all, before_shipping, after_shipping, band_1 …),
    n, paid_amount, refunded, refunded_amount, maturity, pooled, expected, lower, upper (lines),
    age_days, final (whether the window is over), printable (whether the maturity of all refunds
    reaches `min_maturity`; expected is `nan` where it does not), rests_on (refunds behind the
    part's curve), complete (taken as complete before the window is over: by the curve not even half
    a refund lies in the interval).
    """
    age = mean_age(lines, as_of)
    history = history[NEEDED].astype(
        {"session_id": "category"}
    )  # a long history is filtered many times: no text in it
    curves = {
        name: Maturity(1.0, 0)
        if age >= window_days
        else maturity(
            delay_curve(_channel(history, name), as_of=as_of, window_days=window_days), age
        )
        for name in ("all", "before_shipping", "after_shipping")
    }
    options = {"as_of": as_of, "window_days": window_days, "confidence": confidence}
    cuts = price_cuts(history["paid"], bands)
    own, past = _bands(lines["paid"], cuts), _bands(history["paid"], cuts)
    whole = _part(lines, history, curves, **options)
    parts = [(name, _channel(lines, name), guess) for name, guess in whole.items()]
    for band in range(len(cuts) + 1) if bands > 1 else ():
        part = lines[own == band]
        parts.append(
            (f"band_{band + 1}", part, _part(part, history[past == band], curves, **options)["all"])
        )
    printable = bool(curves["all"].share >= min_maturity)
    rows = [
        {
            "part": name,
            "n": len(part),
            "paid_amount": part["paid"].sum(),
            "refunded": part["refunded"].sum(),
            "refunded_amount": part["refunded_amount"].where(part["refunded"], 0).sum(),
            "maturity": guess.maturity,
            "pooled": guess.pooled,
            **{
                column: value if printable else np.nan
                for column, value in (
                    ("expected", guess.value),
                    ("lower", guess.lower),
                    ("upper", guess.upper),
                )
            },
            "age_days": age,
            "final": age >= window_days,
            "printable": printable,
            "rests_on": curves.get(name, curves["all"]).refunds,
            "complete": bool(
                printable and age < window_days and (guess.upper - guess.lower) * len(part) < 0.5
            ),
        }
        for name, part, guess in parts
    ]
    made = pd.DataFrame(rows)
    order = {"all": 0, "before_shipping": 1, "after_shipping": 2}
    return made.sort_values(
        "part", key=lambda part: part.map(order).fillna(3), kind="stable", ignore_index=True
    )


def complete_note(expected: pd.DataFrame, lines: pd.DataFrame, *, lang: str) -> str:
    """Why refunds before shipping have no interval where the curve takes them as complete; empty where it does not."""
    row = expected.set_index("part").loc["before_shipping"]
    if not row["complete"]:
        return ""
    waiting = int((~lines["shipped"] & ~lines["refunded"]).sum())
    days, share, behind = (
        f"{row['age_days']:.1f}",
        text.percent(row["maturity"]),
        text.number(row["rests_on"], lang),
    )
    open_zh = f"；本场还有 {waiting} 单没发货也没退，若有人退，最后会更高" if waiting else ""
    open_en = (
        (
            f". Orders of this session neither shipped nor refunded yet: {waiting}; if any of them "
            "are refunded, the final rate is higher"
        )
        if waiting
        else ""
    )
    return text.choose(
        lang,
        (
            f"发货前退款按规则视为已来全，不给区间：以往 {behind} 单发货前退款有 {share} 在付款后 "
            f"{days} 天内到账{open_zh}。"
        ),
        (
            f"Refunds before shipping are taken as complete by rule and have no interval: {share} "
            "of "
            f"{behind} earlier ones came within {days} days of payment{open_en}."
        ),
    )


def net_amount(lines: pd.DataFrame, expected: pd.DataFrame) -> pd.DataFrame:
    """Paid, refunded so far, net so far, and the net to be expected: one row per line of the statement.

    Columns: line (paid, refunded, net, expected_refunds, expected_net), amount, lower, upper.
    Expected refunds are added over the price bands of `expected_final`, each rate times the band's
    paid amount and the share of a line's price that a refund gives back; never less than what has
    been refunded already. The interval is that of all lines' rate, in proportion. `nan` where not
    printable.
    """
    paid, refunded = lines["paid"].sum(), lines["refunded_amount"].sum()
    whole = lines.loc[lines["refunded"], "paid"].sum()
    depth = refunded / whole if whole > 0 else 1.0
    whole = expected.set_index("part").loc["all"]
    bands = expected[expected["part"].str.startswith("band_") & (expected["n"] > 0)]
    by_band = (
        (bands["expected"] * bands["paid_amount"]).sum(min_count=max(len(bands), 1)) * depth
        if len(bands)
        else whole["expected"] * paid * depth
    )
    low, mid, high = (
        max(by_band * (whole[name] / whole["expected"] if whole["expected"] else 1.0), refunded)
        if np.isfinite(by_band)
        else np.nan
        for name in ("lower", "expected", "upper")
    )
    rows = [
        ("paid", paid, paid, paid),
        ("refunded", refunded, refunded, refunded),
        ("net", *[paid - refunded] * 3),
        ("expected_refunds", mid, low, high),
        ("expected_net", paid - mid, paid - high, paid - low),
    ]
    return pd.DataFrame(rows, columns=["line", "amount", "lower", "upper"])


def net_findings(
    net: pd.DataFrame,
    expected: pd.DataFrame,
    *,
    notebook: str,
    as_of: pd.Timestamp,
    currency: str = "CNY",
) -> list[dict[str, object]]:
    """A finding on the net amount so far and, where the session is old enough to say, on what it will come to."""
    amount, whole = net.set_index("line"), expected.set_index("part").loc["all"]
    words = {}
    for lang in ("zh", "en"):
        show = {
            name: text.money(amount.loc[name, "amount"], lang, currency)
            for name in ("paid", "refunded", "net", "expected_net")
        }
        bounds = text.interval(
            amount.loc["expected_net", "lower"],
            amount.loc["expected_net", "upper"],
            "money",
            lang,
            currency=currency,
        )
        head = text.choose(
            lang,
            (
                f"截至 {as_of:%Y-%m-%d %H:%M}，支付 {show['paid']}，已退 {show['refunded']}，退后 "
                f"{show['net']}。"
            ),
            (
                f"As of {as_of:%Y-%m-%d %H:%M}: paid {show['paid']}, refunded {show['refunded']}, "
                "net "
                f"{show['net']}."
            ),
        )
        share = text.percent(whole["maturity"], 0)
        if whole["final"]:
            tail = text.choose(lang, "退货期已过，不再变动。", " The return window is over.")
        elif whole["printable"]:
            tail = text.choose(
                lang,
                (
                    f"预计的退款目前来了约 {share}，最终退后约 {show['expected_net']}（区间 "
                    f"{bounds}）"
                    "。"
                ),
                (
                    f" About {share} of all expected refunds have come in; in the end about "
                    f"{show['expected_net']} net is expected ({bounds})."
                ),
            )
        else:
            tail = text.choose(
                lang,
                "场次太新或历史不足，还不能推算最终退款。",
                (
                    " The session is too young, or there is too little history, to estimate the "
                    "final "
                    "refunds."
                ),
            )
        words[f"sentence_{lang}"] = head + tail
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


def recent(
    lines: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    window_days: float = 30,
    min_maturity: float = 0.15,
    confidence: float = 0.95,
    sessions: int = 6,
) -> pd.DataFrame:
    """The account's newest sessions, what has come back of each and what it will come to: one row per session, newest first.

    Columns: session_id, started (first payment), age_days, n, paid_amount, refunded_amount, net (so
    far), so_far, expected, lower, upper (final refund rate of lines; `nan` under `min_maturity`),
    final, as_of.
    """
    begun = (
        lines[lines["session_id"].notna()]
        .groupby("session_id", sort=False)["paid_at"]
        .min()
        .sort_values()
    )
    rows = []
    for session, start in begun.tail(sessions)[::-1].items():
        own = lines[lines["session_id"] == session]
        guess = expected_final(
            own,
            lines[lines["paid_at"] < start],
            as_of=as_of,
            window_days=window_days,
            min_maturity=min_maturity,
            bands=1,
            confidence=confidence,
        ).iloc[0]
        rows.append(
            {
                "session_id": session,
                "started": start,
                **{name: guess[name] for name in ("age_days", "n", "paid_amount")},
                "refunded_amount": own["refunded_amount"].sum(),
                "net": guess["paid_amount"] - own["refunded_amount"].sum(),
                "so_far": guess["refunded"] / len(own),
                **{name: guess[name] for name in ("expected", "lower", "upper", "final")},
                "as_of": as_of,
            }
        )
    return pd.DataFrame(
        rows,
        columns=[
            "session_id",
            "started",
            "age_days",
            "n",
            "paid_amount",
            "refunded_amount",
            "net",
            "so_far",
            "expected",
            "lower",
            "upper",
            "final",
            "as_of",
        ],
    )


# --------------------------------------------------------------------------------------- back-test


def back_test(
    lines: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    window_days: float = 30,
    days: tuple[float, ...] = (3, 7, 14),
    sessions: int = 15,
    min_maturity: float = 0.15,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """How the estimates of old sessions came out: each made again with only what was known at that age, one row per session x day.

    `lines` are those of the account; the newest `sessions` whose window is over by `as_of` are
    taken. For each the lines of the sessions before it, and its own, are set back to `days` after
    its payments (`aftersales.known_at`). Columns: session_id, started (first payment), day, n,
    so_far (the naive rate), expected, lower, upper (`nan` under `min_maturity`), final (refund rate
    within the window). Sessions without earlier ones give no estimate.
    """
    slim = lines.loc[
        lines["session_id"].notna() & ~(lines["refunded"] & lines["refunded_at"].isna()), KNOWN
    ]
    begun = (
        slim.groupby("session_id", sort=False)["paid_at"]
        .agg(["min", "mean", "max"])
        .sort_values("min")
    )
    rows = []
    for session, times in (
        begun[begun["max"] + window_days * DAY <= as_of].tail(sessions).iterrows()
    ):
        own, earlier = slim[slim["session_id"] == session], slim[slim["paid_at"] < times["min"]]
        final = rates_at_age(own, age_days=window_days, as_of=as_of)["rate"].iloc[0]
        for day in days if len(earlier) else ():
            then = times["mean"] + day * DAY
            mine = known_at(own, then)
            guess = expected_final(
                mine,
                known_at(earlier, then),
                as_of=then,
                window_days=window_days,
                min_maturity=min_maturity,
                bands=1,
                confidence=confidence,
            ).iloc[0]
            rows.append(
                {
                    "session_id": session,
                    "started": times["min"],
                    "day": day,
                    "n": len(mine),
                    "so_far": guess["refunded"] / len(mine),
                    **{name: guess[name] for name in ("expected", "lower", "upper")},
                    "final": final,
                }
            )
    return pd.DataFrame(
        rows,
        columns=[
            "session_id",
            "started",
            "day",
            "n",
            "so_far",
            "expected",
            "lower",
            "upper",
            "final",
        ],
    )


def scores(tested: pd.DataFrame) -> pd.DataFrame:
    """How far estimates and naive rates of a back-test lay from what came out: one row per day.

    Columns: day, estimates, not_yet (sessions under the least maturity), rmse, rmse_so_far
    (fractions), ratio of the two, inside (share of final rates within their interval) with ci_lower
    and ci_upper (Wilson), width (mean of the interval).
    """
    rows = []
    for day, all_of in tested.groupby("day"):
        part = all_of.dropna(subset=["expected"])
        off, naive = (
            float(np.sqrt(((part[name] - part["final"]) ** 2).mean()))
            for name in ("expected", "so_far")
        )
        held = part["final"].between(part["lower"] - 1e-9, part["upper"] + 1e-9)
        lower, upper = stats.wilson(held.sum(), len(part))
        rows.append(
            {
                "day": day,
                "estimates": len(part),
                "not_yet": len(all_of) - len(part),
                "rmse": off,
                "rmse_so_far": naive,
                "ratio": off / naive if naive else np.nan,
                "inside": held.mean(),
                "ci_lower": float(lower),
                "ci_upper": float(upper),
                "width": (part["upper"] - part["lower"]).mean(),
            }
        )
    return pd.DataFrame(
        rows,
        columns=[
            "day",
            "estimates",
            "not_yet",
            "rmse",
            "rmse_so_far",
            "ratio",
            "inside",
            "ci_lower",
            "ci_upper",
            "width",
        ],
    )
