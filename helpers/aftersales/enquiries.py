"""What became of those who asked customer service: whether they bought, and bought again.

Needs enquiries with buyer keys. Who has not bought yet counts as not yet, so that yesterday's
session does not look worse than last month's. Source: 电商销售团队绩效管理与提升策略.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales import customers
from helpers.aftersales.customers.words import share_words
from helpers.aftersales.order_lines import DAY
from helpers.core import engine, stats, text
from helpers.reference import Customers, Metric, metrics


def people(
    enquiries: pd.DataFrame, bought: pd.DataFrame, *, as_of: pd.Timestamp, rules: Customers
) -> pd.DataFrame:
    """Those who enquired, one row per buyer key, by their first enquiry of the rows given.

    `bought` are those of `customers.bought`. Columns: buyer_key, opened_at, closed_at (first
    payment after it for something not sent back in full), again_days (shopping days from then to
    the next purchase, else to `as_of`), came_back.
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
    closed_at = later.groupby("buyer_key")["paid_at"].min()
    table = first.assign(closed_at=closed_at.reindex(first["buyer_key"]).array)
    days = table.dropna(subset=["closed_at"])[["buyer_key", "closed_at"]]
    closed_on = [customers.today(at, rules) for at in days.pop("closed_at")]
    days = days.assign(day=pd.array(closed_on, dtype="int64"))
    purchases = engine.frame(customers.purchases(lines, as_of=as_of, rules=rules))
    closing = days.merge(purchases, on=["buyer_key", "day"]).set_index("buyer_key")
    return table.assign(
        again_days=table["buyer_key"].map(closing["days"]).astype(float),
        came_back=table["buyer_key"].map(closing["happened"]),
    ).reset_index(drop=True)


def _ordered(asked: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Whole days from enquiry to payment, or those over without one, for `customers.within`."""
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
    """The enquiry funnel UV → 咨询 → 下单 → 复购 in people: one row per step.

    `asked` is that of `people`, of one session. Columns: step (viewers, asked, ordered, again), zh,
    en, users (so far), rate_of_previous with ci_lower, ci_upper (Wilson for the enquiries,
    Kaplan-Meier after them), days (within which), known (people of whom it is known by then).
    Ordered: within `close_days`, or the whole days that all have been followed for; again: within
    the longest of `within_days` that somebody has been followed for, else `nan`. Empty where no
    enquiry says whose it is.
    """
    columns = ["step", "users", "rate_of_previous", "ci_lower", "ci_upper", "days", "known"]
    if asked.empty:
        return pd.DataFrame(columns=[*columns[:1], "zh", "en", *columns[1:]])
    bounds = map(float, stats.wilson(len(asked), viewers, confidence=confidence))
    followed = int((as_of - asked["opened_at"]).min() / DAY)
    ordered = customers.within(
        _ordered(asked, as_of), [min(rules.close_days, max(followed, 1))], confidence=confidence
    ).iloc[0]
    marks = [mark for mark in rules.within_days if mark <= (as_of - asked["closed_at"]).max() / DAY]
    again = customers.within(
        _again(asked), marks or rules.within_days[:1], confidence=confidence
    ).iloc[-1]
    rates = ["rate", "ci_lower", "ci_upper"]
    if not marks:
        again = again.where(~again.index.isin(rates))
    in_time = asked["closed_at"] - asked["opened_at"] <= ordered["days"] * DAY
    came_back = asked["came_back"].fillna(False).astype(bool)
    unknown = [np.nan, np.nan]
    rows = [
        ["viewers", viewers, *[np.nan] * 5],
        ["asked", len(asked), len(asked) / viewers if viewers else np.nan, *bounds, *unknown],
        ["ordered", int(in_time.sum()), *ordered[[*rates, "days", "watched"]]],
        ["again", int(came_back.sum()), *again[[*rates, "days", "watched"]]],
    ]
    table = pd.DataFrame(rows, columns=columns)
    terms = reference.terms()["enquiry_step"]
    for lang in ("zh", "en"):
        table[lang] = [
            text.label(terms[step], lang).format(days="" if np.isnan(days) else f"{days:.0f}")
            for step, days in zip(table["step"], table["days"], strict=True)
        ]
    return table[["step", "zh", "en", *columns[1:]]]


def close_time(asked: pd.DataFrame, *, as_of: pd.Timestamp) -> float:
    """成单周期: median seconds from the first enquiry to the first payment (Kaplan-Meier).

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
    """What the funnel says and does not say, in sentences."""
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
                    "keys in the sheet of enquiries, the same as on the order lines (hashed as "
                    "they are read), would give it."
                ),
            ),
        ]
    keyed, row = int(enquiries["buyer_key"].notna().sum()), funnel.set_index("step").loc["again"]
    took = (asked["closed_at"] - asked["opened_at"]).dropna().dt.total_seconds()
    median = close_time(asked, as_of=as_of)
    if np.isfinite(median):
        time = text.seconds(median, lang)
        half = text.choose(lang, f"一半的人在 {time} 内付款", f"half of them paid within {time}")
    else:
        half = text.choose(
            lang,
            "付款的还不到一半，所以没有中位数",
            "fewer than half have paid, so there is no median",
        )
    if len(took):
        time = text.seconds(took.median(), lang)
        half += text.choose(
            lang,
            f"；付了款的人里，中位数是 {time}",
            f"; among those who paid the median is {time}",
        )
    first = text.choose(
        lang,
        f"{len(enquiries)} 件咨询里 {keyed} 件知道是谁，共 {len(asked)} 人。成单周期：{half}。",
        (
            f"Of {len(enquiries)} enquiries {keyed} say whose they are: {len(asked)} people. Time "
            f"to close: {half}."
        ),
    )
    days = f"{row['days']:.0f}"
    if np.isfinite(row["rate_of_previous"]):
        followed = f"{row['known']:.0f}"
        last = text.choose(
            lang,
            (
                f"复购按 {days} 天算：已知结果的 {followed} 人，"
                "其余的还没满这么久，按还没回来算，不当作不回来。"
            ),
            (
                f"Repurchase is counted within {days} days: known of {followed} people; the others "
                "are not followed for so long and count as not yet back, not as lost."
            ),
        )
    else:
        last = text.choose(
            lang,
            f"复购还算不出：付款的人都还没满 {days} 天。",
            (f"Repurchase cannot be told yet: nobody who paid has been followed for {days} days."),
        )
    return [first, last, *content]


def _content(enquiries: pd.DataFrame, registry: Mapping[str, Metric], lang: str) -> list[str]:
    row = metrics.evaluate(enquiries, ["satisfaction_rate"], registry=registry).iloc[0]
    if not row["denominator"] > 0:
        return []
    share, rated = share_words(row, lang), f"{row['denominator']:.0f}"
    others = f"{len(enquiries) - row['denominator']:.0f}"
    return [
        text.choose(
            lang,
            f"客户满意度：表过态的 {rated} 件里满意的占 {share}；没表态的 {others} 件不算。",
            (
                f"Customer satisfaction: {share} of the {rated} enquiries whose customer said so; "
                f"the other {others} are left out."
            ),
        )
    ]


def objections(
    enquiries: pd.DataFrame, *, registry: Mapping[str, Metric], confidence: float = 0.95
) -> pd.DataFrame:
    """客户异议类型: what kept those who enquired, one row per objection, the most frequent first.

    Columns: objection, enquiries, share (of those with an objection) with ci_lower, ci_upper
    (Wilson), converted (share that ordered all the same; nan where not recorded) with lower, upper.
    """
    stated = enquiries.dropna(subset=["objection"])
    columns = ["objection", "enquiries", "share", "ci_lower", "ci_upper"]
    columns += ["converted", "lower", "upper"]
    if stated.empty:
        return pd.DataFrame(columns=columns)
    tidy = metrics.evaluate(
        stated,
        ["enquiries", "enquiry_conversion"],
        registry=registry,
        by="objection",
        confidence=confidence,
    ).set_index("objection")
    count = tidy.loc[tidy["metric"] == "enquiries", "value"]
    sold = tidy.loc[tidy["metric"] == "enquiry_conversion", ["value", "ci_lower", "ci_upper"]]
    lower, upper = stats.wilson(count, count.sum(), confidence=confidence)
    return (
        sold.set_axis(columns[-3:], axis=1)
        .assign(enquiries=count, share=count / count.sum(), ci_lower=lower, ci_upper=upper)
        .sort_values("enquiries", ascending=False, kind="stable")
        .reset_index()[columns]
    )
