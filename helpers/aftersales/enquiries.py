"""What became of those who asked customer service: what kept them, how long until they bought, whether they bought again.

Needs enquiries that say whose they are (buyer keys, hashed as they are read). Who has not bought
yet counts as not yet, so that a session of yesterday does not look worse than one of last month.
Source: 电商销售团队绩效管理与提升策略.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales import customers
from helpers.core import engine, stats, text
from helpers.reference import Customers, Metric, metrics

DAY = pd.Timedelta(days=1)


def people(
    enquiries: pd.DataFrame, bought: pd.DataFrame, *, as_of: pd.Timestamp, rules: Customers
) -> pd.DataFrame:
    """Those who enquired, one row per buyer key, by their first enquiry of the rows given.

    `bought` are the lines of `customers.bought`. Columns: buyer_key, opened_at, closed_at (first
    payment after it for something not sent back in full), again_days (shopping days from that one
    to the next purchase, else to `as_of`), came_back.
    """
    first = (
        enquiries.dropna(subset=["buyer_key"])
        .sort_values("opened_at", kind="stable")
        .drop_duplicates("buyer_key")[["buyer_key", "opened_at"]]
    )
    lines = bought[
        (bought["refunded_amount"].fillna(0) < bought["paid"])
        & (bought["paid_at"] <= as_of)
        & bought["buyer_key"].isin(first["buyer_key"])
    ]
    later = lines.merge(first, on="buyer_key", validate="many_to_one").query("paid_at >= opened_at")
    found = first.assign(
        closed_at=later.groupby("buyer_key")["paid_at"].min().reindex(first["buyer_key"]).array
    )
    each = engine.frame(customers.purchases(lines, as_of=as_of, rules=rules))
    days = found.dropna(subset=["closed_at"]).assign(
        day=lambda rows: pd.array(
            [customers.today(at, rules) for at in rows["closed_at"]], dtype="int64"
        )
    )
    told = days[["buyer_key", "day"]].merge(each, on=["buyer_key", "day"]).set_index("buyer_key")
    return found.assign(
        again_days=found["buyer_key"].map(told["days"]).astype(float),
        came_back=found["buyer_key"].map(told["happened"]),
    ).reset_index(drop=True)


def _ordered(asked: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Whole days from enquiry to payment, or those that are over without one, as `customers.within` takes them."""
    waited = (asked["closed_at"] - asked["opened_at"]) / DAY
    over = (as_of - asked["opened_at"]) / DAY
    return pd.DataFrame(
        {
            "days": np.ceil(waited).fillna(np.floor(over)).clip(lower=0).astype(int),
            "happened": asked["closed_at"].notna(),
            "n": 1,
        }
    )


def _again(asked: pd.DataFrame) -> pd.DataFrame:
    paid = asked.dropna(subset=["again_days"])
    return pd.DataFrame(
        {"days": paid["again_days"].astype(int), "happened": paid["came_back"].astype(bool), "n": 1}
    )


def steps(
    asked: pd.DataFrame,
    viewers: float,
    *,
    as_of: pd.Timestamp,
    rules: Customers,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The enquiry funnel UV → 咨询 → 下单 → 复购 in people: one row per step; empty where no enquiry says whose it is.

    `asked` is that of `people`, of one session. Columns: step (viewers, asked, ordered, again), zh,
    en, users (so far), rate_of_previous with ci_lower, ci_upper (Wilson for the enquiries,
    Kaplan-Meier after them), days (within which), known (people of whom it is known by then).
    Ordered counts within `close_days`, or the whole days that all have been followed for; again
    within the longest of `within_days` that somebody has been followed for, `nan` where nobody has.
    """
    columns = ["step", "users", "rate_of_previous", "ci_lower", "ci_upper", "days", "known"]
    if asked.empty:
        return pd.DataFrame(columns=[*columns[:1], "zh", "en", *columns[1:]])
    lower, upper = (
        float(bound) for bound in stats.wilson(len(asked), viewers, confidence=confidence)
    )
    followed = int((as_of - asked["opened_at"]).min() / DAY)
    ordered = customers.within(
        _ordered(asked, as_of), [min(rules.close_days, max(followed, 1))], confidence=confidence
    ).iloc[0]
    held = [mark for mark in rules.within_days if mark <= (as_of - asked["closed_at"]).max() / DAY]
    again = customers.within(
        _again(asked), held or rules.within_days[:1], confidence=confidence
    ).iloc[-1]
    again = again if held else again.where(~again.index.isin(["rate", "ci_lower", "ci_upper"]))
    reached = {
        "ordered": int((asked["closed_at"] - asked["opened_at"] <= ordered["days"] * DAY).sum()),
        "again": int(asked["came_back"].fillna(False).astype(bool).sum()),
    }
    rows = [
        ["viewers", viewers, np.nan, np.nan, np.nan, np.nan, np.nan],
        [
            "asked",
            len(asked),
            len(asked) / viewers if viewers else np.nan,
            lower,
            upper,
            np.nan,
            np.nan,
        ],
        *(
            [
                name,
                reached[name],
                row["rate"],
                row["ci_lower"],
                row["ci_upper"],
                row["days"],
                row["watched"],
            ]
            for name, row in (("ordered", ordered), ("again", again))
        ),
    ]
    made = pd.DataFrame(rows, columns=columns)
    named = reference.terms()["enquiry_step"]
    labels = {
        lang: [
            text.label(named[row.step], lang).format(
                days="" if np.isnan(row.days) else f"{row.days:.0f}"
            )
            for row in made.itertuples()
        ]
        for lang in ("zh", "en")
    }
    return made.assign(**labels)[["step", "zh", "en", *columns[1:]]]


def close_time(asked: pd.DataFrame, *, as_of: pd.Timestamp) -> float:
    """成单周期: seconds from the first enquiry to the first payment after it, median by Kaplan-Meier.

    Who has not paid by `as_of` counts as not yet; `inf` where fewer than half have, `nan` without
    anybody.
    """
    if asked.empty:
        return np.nan
    seconds = (
        (asked["closed_at"].fillna(as_of) - asked["opened_at"]).dt.total_seconds().clip(lower=0)
    )
    return stats.course(seconds, asked["closed_at"].notna()).reached(0.5)


def words(
    funnel: pd.DataFrame,
    asked: pd.DataFrame,
    enquiries: pd.DataFrame,
    *,
    registry: Mapping[str, Metric],
    as_of: pd.Timestamp,
    lang: str,
) -> list[str]:
    """What the funnel says and does not say: whose enquiries are known, how long they took, who is not followed long enough."""
    content = _content(enquiries, registry, lang)
    if funnel.empty:
        return [
            *content,
            text.choose(
                lang,
                (
                    "复购没有列：客服咨询表没有填买家标识，看不出谁再买了一次；"
                    "填上与订单明细相同的标识（读入时加密）就有。"
                ),
                (
                    "Repurchase is not in it, as the enquiries do not say whose they are; buyer "
                    "keys "
                    "in the sheet of enquiries, the same as on the order lines (hashed as they are "
                    "read), would give it."
                ),
            ),
        ]
    known, row = int(enquiries["buyer_key"].notna().sum()), funnel.set_index("step").loc["again"]
    took = (asked["closed_at"] - asked["opened_at"]).dropna().dt.total_seconds()
    median = close_time(asked, as_of=as_of)
    half = (
        text.choose(
            lang,
            f"一半的人在 {text.seconds(median, lang)} 内付款",
            f"half of them paid within {text.seconds(median, lang)}",
        )
        if np.isfinite(median)
        else text.choose(
            lang,
            "付款的还不到一半，所以没有中位数",
            "fewer than half have paid, so there is no median",
        )
    )
    paid = (
        text.choose(
            lang,
            f"；付了款的人里，中位数是 {text.seconds(took.median(), lang)}",
            f"; among those who paid the median is {text.seconds(took.median(), lang)}",
        )
        if len(took)
        else ""
    )
    first = text.choose(
        lang,
        (
            f"{len(enquiries)} 件咨询里 {known} 件知道是谁，共 {len(asked)} 人。成单周期："
            f"{half}{paid}。"
        ),
        (
            f"Of {len(enquiries)} enquiries {known} say whose they are: {len(asked)} people. Time "
            "to "
            f"close: {half}{paid}."
        ),
    )
    last = (
        text.choose(
            lang,
            (
                f"复购按 {row['days']:.0f} 天算：已知结果的 {row['known']:.0f} 人，"
                "其余的还没满这么久，按还没回来算，不当作不回来。"
            ),
            (
                f"Repurchase is counted within {row['days']:.0f} days: known of {row['known']:.0f} "
                "people; the others are not followed for so long and count as not yet back, not as "
                "lost."
            ),
        )
        if np.isfinite(row["rate_of_previous"])
        else text.choose(
            lang,
            f"复购还算不出：付款的人都还没满 {row['days']:.0f} 天。",
            (
                "Repurchase cannot be told yet: nobody who paid has been followed for "
                f"{row['days']:.0f} days."
            ),
        )
    )
    return [first, last, *content]


def _content(enquiries: pd.DataFrame, registry: Mapping[str, Metric], lang: str) -> list[str]:
    """客户满意度 in a sentence; nothing where nobody was asked."""
    row = metrics.evaluate(enquiries, ["satisfaction_rate"], registry=registry).iloc[0]
    if not row["denominator"] > 0:
        return []
    share = text.percent(row["value"]) + text.choose(lang, "（{}）", " ({})").format(
        text.interval(row["ci_lower"], row["ci_upper"], "percent", lang)
    )
    return [
        text.choose(
            lang,
            (
                f"客户满意度：表过态的 {row['denominator']:.0f} 件里满意的占 {share}；没表态的 "
                f"{len(enquiries) - row['denominator']:.0f} 件不算。"
            ),
            (
                f"Customer satisfaction: {share} of the {row['denominator']:.0f} enquiries whose "
                f"customer said so; the other {len(enquiries) - row['denominator']:.0f} are left "
                "out."
            ),
        )
    ]


def objections(
    enquiries: pd.DataFrame, *, registry: Mapping[str, Metric], confidence: float = 0.95
) -> pd.DataFrame:
    """客户异议类型: what kept those who enquired, the most frequent first; one row per objection stated.

    Columns: objection, enquiries, share (of those with an objection) with ci_lower, ci_upper
    (Wilson), converted (share that ordered all the same; nan where it is not recorded) with lower
    and upper.
    """
    known = enquiries.dropna(subset=["objection"])
    columns = [
        "objection",
        "enquiries",
        "share",
        "ci_lower",
        "ci_upper",
        "converted",
        "lower",
        "upper",
    ]
    if known.empty:
        return pd.DataFrame(columns=columns)
    tidy = metrics.evaluate(
        known,
        ["enquiries", "enquiry_conversion"],
        registry=registry,
        by="objection",
        confidence=confidence,
    ).set_index("objection")
    count, sold = (
        tidy[tidy["metric"] == "enquiries"]["value"],
        tidy[tidy["metric"] == "enquiry_conversion"],
    )
    lower, upper = stats.wilson(count, count * 0 + count.sum(), confidence=confidence)
    made = pd.DataFrame(
        {
            "enquiries": count,
            "share": count / count.sum(),
            "ci_lower": lower,
            "ci_upper": upper,
            "converted": sold["value"],
            "lower": sold["ci_lower"],
            "upper": sold["ci_upper"],
        }
    )
    return made.sort_values("enquiries", ascending=False, kind="stable").reset_index()[columns]
