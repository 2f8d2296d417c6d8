"""Customer service: replies and settling, open cases, shipping as promised, the six tasks, reviews.

What is still open at `as_of` is censored, not left out.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.aftersales.order_lines import DAY, product_keys
from helpers.core import findings, stats, text

HOUR = pd.Timedelta(hours=1)
REVIEW_DAYS, INCIDENT_DAYS = 30, 60  # how far back reviews, and public incidents, are looked at
ENDS = {"first_reply": ("first_reply_at",), "settled": ("resolved_at", "closed_at")}


class Response(NamedTuple):
    """One step of a queue: its cases, how many took it, and the median in seconds."""

    n: int
    answered: int
    median: float


def _first(cases: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    names = [name for name in columns if name in cases]
    return cases[names].min(axis=1) if names else pd.Series(pd.NaT, index=cases.index)


def _waits(
    cases: pd.DataFrame, opened: str, as_of: pd.Timestamp, step: str = "first_reply"
) -> pd.DataFrame:
    """Seconds to the step, or to the end or `as_of` for what had not come to it by then."""
    begun = cases[cases[opened] <= as_of]
    reached, closed = _first(begun, ENDS[step]), _first(begun, ENDS["settled"])
    happened = reached.notna() & (reached <= as_of)
    end = reached.where(happened, closed.where(closed <= as_of, as_of).fillna(as_of))
    return pd.DataFrame(
        {"seconds": (end - begun[opened]).dt.total_seconds().clip(lower=0), "answered": happened}
    )


def first_response(
    cases: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    opened: str = "opened_at",
    step: str = "first_reply",
) -> Response:
    """Median time to the first reply (or, with step "settled", to the end) by Kaplan-Meier.

    What is open at `as_of` counts as open: a mean over answered cases would reward not answering.
    `inf` where more than half are unanswered, `nan` without any case. `opened` is the column of the
    start (opened_at of enquiries, asked_at of cases).
    """
    data = _waits(cases, opened, as_of, step)
    if data.empty:
        return Response(0, 0, np.nan)
    return Response(
        len(data),
        int(data["answered"].sum()),
        stats.course(data["seconds"], data["answered"]).reached(0.5),
    )


def answered_within(
    cases: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    opened: str = "opened_at",
    marks: tuple[float, ...] = (30, 180, 600, 3600),
    step: str = "first_reply",
) -> pd.DataFrame:
    """Share that took the step within each mark (1 - Kaplan-Meier): one row per mark.

    Columns: seconds, rate, ci_lower, ci_upper, n; `nan` where nobody was waited for so long.
    """
    data = _waits(cases, opened, as_of, step)
    if data.empty:
        return pd.DataFrame(columns=["seconds", "rate", "ci_lower", "ci_upper", "n"])
    rate, lower, upper = stats.happened_within(data["seconds"], data["answered"], marks)
    return pd.DataFrame(
        {"seconds": marks, "rate": rate, "ci_lower": lower, "ci_upper": upper, "n": len(data)}
    )


def sparse(cases: pd.DataFrame) -> bool:
    """Whether most settled cases carry no time of a first reply: it says nothing of speed then."""
    settled = _first(cases, ENDS["settled"]).notna()
    return bool(2 * _first(cases[settled], ENDS["first_reply"]).notna().sum() < settled.sum())


def sparse_note(
    name: str, cases: pd.DataFrame, *, as_of: pd.Timestamp, opened: str, lang: str
) -> str:
    """That a queue's first replies are hardly recorded; empty where they are, or none is."""
    replies = first_response(cases, as_of=as_of, opened=opened)
    if not (replies.answered and sparse(cases)):
        return ""
    ended = first_response(cases, as_of=as_of, opened=opened, step="settled")
    queue = text.label(reference.terms()["queue"][name], lang)
    median = text.seconds(ended.median, lang)
    return text.choose(
        lang,
        (
            f"{queue}：{ended.n} 件里解决了 {ended.answered} 件（中位数 {median}），只有 "
            f"{replies.answered} 件记了首次回复的时间，所以不谈回复快慢。"
        ),
        (
            f"{queue}: {ended.answered} of {ended.n} are settled (median {median}), but only "
            f"{replies.answered} with a recorded first reply, so nothing is said of how fast "
            "replies were."
        ),
    )


def responses(
    queues: Mapping[str, tuple[pd.DataFrame, str]],
    *,
    as_of: pd.Timestamp,
    marks: Mapping[str, reference.Marks],
) -> pd.DataFrame:
    """First replies and settling of several queues: one row per queue x step x mark.

    A step that nobody records is left out, and first replies that are `sparse`. `queues` maps a
    name to its cases and the column of their start, `marks` (service.yml) to the seconds. Columns:
    queue, step (first_reply, settled), n, answered (that took the step), median (seconds), seconds
    (the mark), rate (within it), ci_lower, ci_upper.
    """
    parts = []
    for name, (cases, opened) in queues.items():
        for step, ends in ENDS.items():
            if _first(cases, ends).isna().all() or (step == "first_reply" and sparse(cases)):
                continue
            options = {"as_of": as_of, "opened": opened, "step": step}
            _, answered, median = first_response(cases, **options)
            within = answered_within(cases, marks=tuple(getattr(marks[name], step)), **options)
            parts.append(within.assign(queue=name, step=step, answered=answered, median=median))
    columns = ["queue", "step", "n", "answered", "median", "seconds", "rate"]
    columns += ["ci_lower", "ci_upper"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def marked(enquiries: pd.DataFrame, *, as_of: pd.Timestamp, seconds: float) -> pd.DataFrame:
    """Enquiries with `replied_in_time`, where not stated, filled from a reply within `seconds`.

    Missing where nobody has answered and the mark is not over yet, or first replies are not
    recorded.
    """
    if enquiries.empty or enquiries["first_reply_at"].isna().all():
        return enquiries
    data = _waits(enquiries, "opened_at", as_of).reindex(enquiries.index)
    in_time = data["answered"].fillna(False).astype(bool) & (data["seconds"] <= seconds)
    in_time = in_time.astype("boolean")
    young = (as_of - enquiries["opened_at"]) / pd.Timedelta(seconds=seconds) < 1
    stated = enquiries["replied_in_time"].astype("boolean")
    return enquiries.assign(
        replied_in_time=stated.fillna(in_time.mask(young, in_time.where(in_time)))
    )


def reply_findings(
    enquiries: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    rules: reference.ServiceRules,
    notebook: str,
) -> list[dict[str, object]]:
    """A finding on the share of enquiries answered in time.

    Worse where it is clearly under the target (service.yml, by the Wilson interval) or under the
    account's past (beta-binomial prediction, three earlier sessions at least); better where above
    the past. Nothing where replies are not recorded.
    """
    options = {"as_of": as_of, "seconds": rules.reply.seconds}
    in_time = marked(enquiries, **options)["replied_in_time"].dropna().astype(float)
    if in_time.empty:
        return []
    past = marked(earlier, **options).dropna(subset=["replied_in_time", "session_id"])
    sessions = past["replied_in_time"].astype(float).groupby(past["session_id"])
    sessions = sessions.agg(["sum", "size"])
    count, n, target = in_time.sum(), len(in_time), rules.reply.target
    baseline, (low, high), guess = target, map(float, stats.wilson(count, n)), None
    if len(sessions) >= 3:
        missed = sessions["size"] - sessions["sum"]
        guess = _expected(n - count, n, missed, sessions["size"])
    unlike_past = guess is not None and guess.p_value <= 0.05
    under_target = high < target
    if guess is not None and (unlike_past or not under_target):
        baseline, low, high, _ = guess
    verdict = "cannot_tell"
    if under_target or (unlike_past and count / n < guess.mean):
        verdict = "worse"
    elif unlike_past:
        verdict = "better"
    words = {
        f"sentence_{lang}": _reply_words(count / n, n, rules.reply, under_target, guess, lang)
        for lang in ("zh", "en")
    }
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="reply_in_time_rate",
            value=count / n,
            baseline=baseline,
            ci_lower=low,
            ci_upper=high,
            p_adjusted=guess.p_value if unlike_past else np.nan,
            verdict=verdict,
            **words,
        )
    ]


def _expected(missed: float, n: int, past_missed: pd.Series, past: pd.Series) -> stats.Predictive:
    """The share in time to expect, by the misses, as the method is for small proportions."""
    guess = stats.beta_binomial_predictive(missed, n, past_missed, past)
    return guess._replace(mean=1 - guess.mean, lower=1 - guess.upper, upper=1 - guess.lower)


def _reply_words(
    share: float,
    n: int,
    reply: reference.Reply,
    under_target: bool,
    guess: stats.Predictive | None,
    lang: str,
) -> str:
    target, past = text.percent(reply.target, 0), ""
    if reply.assumption:
        target += text.choose(lang, "（非平台规定）", " (no platform's rule)")
    if guess is not None:
        usual = text.interval(guess.lower, guess.upper, "percent", lang)
        past = text.choose(lang, f"，以往场次 {usual}", f"; earlier sessions {usual}")
    end = text.choose(
        lang,
        f"，明显低于目标 {target}" if under_target else f"，目标 {target}",
        f", clearly under the target of {target}" if under_target else f", target {target}",
    )
    return text.choose(
        lang,
        f"{n} 条咨询里 3 分钟内首响的占 {text.percent(share)}{end}{past}。",
        f"{text.percent(share)} of {n} enquiries had a first reply within 3 minutes{end}{past}.",
    )


def open_cases(
    cases: pd.DataFrame, *, as_of: pd.Timestamp, rules: reference.ServiceRules
) -> pd.DataFrame:
    """The work list: cases open at `as_of` that are overdue or soon due, the most urgent first.

    Soon is less than `soon_hours` left. Columns: case_id, kind, product_name, asked_at, due_at (as
    exported, else asked_at plus the limit of the kind), assumed (whether the deadline is ours),
    hours_left (negative: overdue); nothing of the buyer. `attrs["open"]` counts all open cases.
    """
    waiting = cases[
        (cases["asked_at"] <= as_of) & cases["status"].eq("open") & ~(cases["closed_at"] <= as_of)
    ]
    limit = waiting["kind"].map(rules.limits).astype(float).fillna(rules.limits["other"])
    due = waiting["due_at"].fillna(waiting["asked_at"] + pd.to_timedelta(limit, unit="h"))
    table = waiting.assign(
        assumed=waiting["due_at"].isna(), due_at=due, hours_left=(due - as_of) / HOUR
    )
    urgent = table[table["hours_left"] < rules.soon_hours].sort_values(["hours_left", "case_id"])
    columns = ["case_id", "kind", "product_name", "asked_at", "due_at", "assumed", "hours_left"]
    listed = urgent[columns].reset_index(drop=True)
    listed.attrs["open"] = len(waiting)
    return listed


def left_said(hours: float, lang: str) -> str:
    """How long a case is overdue or has left: whole hours, under one minutes; "36 h overdue"."""
    minutes, whole_hours = round(abs(hours) * 60), f"{abs(hours):.0f}"
    length = text.choose(lang, f"{minutes} 分钟", f"{minutes} min")
    if minutes >= 60:
        length = text.choose(lang, f"{whole_hours} 小时", f"{whole_hours} h")
    if hours < 0:
        return text.choose(lang, f"超时 {length}", f"{length} overdue")
    return text.choose(lang, f"还剩 {length}", f"{length} left")


def _due_lines(orders: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid lines whose promised time has passed, without those cancelled before shipping."""
    due = orders[
        orders["promised_at"].notna() & orders["paid_at"].notna() & (orders["promised_at"] <= as_of)
    ]
    due = due[~(due["shipped_at"].isna() & due["refunded"].gt(0))]
    gone = due["shipped_at"].notna() & (due["shipped_at"] <= as_of)
    return due.assign(gone=gone, late=due["shipped_at"].where(gone, as_of) > due["promised_at"])


def shipping(orders: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Shipping as promised against what happened: the whole, then products, most late lines first.

    Columns: product_name (missing for the whole), due (paid lines whose promised time has passed),
    late (shipped after it or not yet), waiting (late and still not shipped), hours_late (median of
    the late ones), late_rate with ci_lower and ci_upper (Wilson). Empty where no promise is known.
    """
    due = _due_lines(orders, as_of)
    due = due.assign(
        hours=(due["shipped_at"].where(due["gone"], as_of) - due["promised_at"]) / HOUR
    )
    rows = [
        [
            name,
            len(part),
            int(part["late"].sum()),
            int((part["late"] & ~part["gone"]).sum()),
            part.loc[part["late"], "hours"].median(),
        ]
        for name, part in [
            (None, due),
            *((part["product_name"].iloc[0], part) for _, part in due.groupby(product_keys(due))),
        ]
        if len(part)
    ]
    table = pd.DataFrame(rows, columns=["product_name", "due", "late", "waiting", "hours_late"])
    lower, upper = stats.wilson(table["late"], table["due"])
    table = table.assign(late_rate=table["late"] / table["due"], ci_lower=lower, ci_upper=upper)
    products = table.iloc[1:].sort_values(["late", "product_name"], ascending=[False, True])
    return pd.concat([table.head(1), products], ignore_index=True)


def _share(flags: pd.Series) -> tuple[float, float]:
    stated = flags.dropna().astype(float)
    return float(stated.sum()), float(len(stated))


def tasks(
    orders: pd.DataFrame,
    cases: pd.DataFrame,
    enquiries: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    rules: reference.ServiceRules,
) -> pd.DataFrame:
    """The six tasks of customer service, one row per task, in the order of service.yml.

    Columns: task, zh, en, done, n, value with ci_lower and ci_upper (Wilson), lacks_zh, lacks_en
    (why there is no figure). Enquiries answered in time; orders shipped as promised; receipts
    confirmed of orders shipped `late_days` ago and not refunded; enquirers called back; disputed
    cases and enquiries that are closed. Source: 直播复盘与售后跟踪 (售后客服工作).
    """
    due = _due_lines(orders, as_of)
    old = orders[
        (orders["shipped_at"] <= as_of - rules.late_days * DAY) & ~orders["refunded"].gt(0)
    ]
    has_receipts = orders["finished_at"].notna().any()
    confirmed = old["finished_at"].notna() if has_receipts else pd.Series(dtype=bool)
    closed = [
        _first(frame, ENDS["settled"]).le(as_of)[frame["disputed"].fillna(False).astype(bool)]
        for frame in (cases, enquiries)
    ]
    in_time = marked(enquiries, as_of=as_of, seconds=rules.reply.seconds)["replied_in_time"]
    figures = {
        "answered": _share(in_time),
        "shipped": _share(~due["late"].astype(bool)),
        "tracked": (0.0, 0.0),
        "received": _share(confirmed),
        "called": _share(enquiries["called_back"]),
        "disputes": _share(pd.concat(closed)),
    }
    recorded = {
        "shipped": orders["promised_at"].notna().any(),
        "received": orders["shipped_at"].notna().any() and (old.empty or has_receipts),
        "disputes": cases["disputed"].notna().any() or enquiries["disputed"].notna().any(),
    }
    rows = []
    for name, task in rules.tasks.items():
        done, n = figures[name]
        lacks = {"zh": "", "en": ""}
        if not n and recorded.get(name):
            lacks = {"zh": task.none.zh, "en": task.none.en}
        elif not n:
            lacks = {"zh": f"缺：{task.lacks.zh}", "en": f"missing: {task.lacks.en}"}
        value = done / n if n else np.nan
        rows.append([name, task.zh, task.en, done, n, value, lacks["zh"], lacks["en"]])
    columns = ["task", "zh", "en", "done", "n", "value", "lacks_zh", "lacks_en"]
    table = pd.DataFrame(rows, columns=columns)
    lower, upper = stats.wilson(table["done"], table["n"])
    return table.assign(ci_lower=lower, ci_upper=upper)


def disputes(cases: pd.DataFrame, enquiries: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Share of cases and of enquiries that became disputes: one row per queue that records them.

    Columns: queue, n, disputed, value, ci_lower, ci_upper.
    """
    rows = []
    for queue, frame, opened in (
        ("service", enquiries, "opened_at"),
        ("aftersales", cases, "asked_at"),
    ):
        disputed, n = _share(frame.loc[frame[opened] <= as_of, "disputed"])
        if n:
            bounds = map(float, stats.wilson(disputed, n))
            rows.append([queue, n, disputed, disputed / n, *bounds])
    return pd.DataFrame(rows, columns=["queue", "n", "disputed", "value", "ci_lower", "ci_upper"])


def lately(table: pd.DataFrame, as_of: pd.Timestamp, days: float) -> pd.DataFrame:
    """The rows of the last so many days, in the order of time."""
    rows = table[(table["at"] <= as_of) & (table["at"] > as_of - days * DAY)]
    return rows.sort_values("at")


def rated(table: pd.DataFrame, *, rules: reference.ServiceRules) -> pd.DataFrame:
    """Reviews with `bad` filled, where not stated, from the stars: up to `bad_rating`."""
    by_stars = (table["rating"] <= rules.bad_rating).astype("boolean")
    by_stars = by_stars.where(table["rating"].notna())
    return table.assign(bad=table["bad"].astype("boolean").fillna(by_stars))


def reviews(
    table: pd.DataFrame, *, as_of: pd.Timestamp, rules: reference.ServiceRules
) -> pd.DataFrame:
    """Reviews of the last `REVIEW_DAYS` and of the days before: a row per period, newest first.

    Columns: period_from, period_to, n, rating (mean), bad (`rated`), bad_rate with ci_lower and
    ci_upper (Wilson), shop_score (the last stated), reason (the most frequent of bad reviews).
    """
    columns = ["period_from", "period_to", "n", "rating", "bad", "bad_rate"]
    rows, all_reviews = [], rated(table, rules=rules)
    for end in (as_of, as_of - REVIEW_DAYS * DAY):
        part = lately(all_reviews, end, REVIEW_DAYS)
        if part.empty:
            continue
        bad, judged = part[part["bad"].fillna(False).astype(bool)], int(part["bad"].notna().sum())
        score, reason = part["shop_score"].dropna(), bad["reason"].mode()
        rows.append(
            [
                end - REVIEW_DAYS * DAY,
                end,
                len(part),
                part["rating"].mean(),
                len(bad),
                len(bad) / judged if judged else np.nan,
                *map(float, stats.wilson(len(bad), judged)),
                score.iloc[-1] if len(score) else np.nan,
                reason.iloc[0] if len(reason) else "",
            ]
        )
    return pd.DataFrame(rows, columns=[*columns, "ci_lower", "ci_upper", "shop_score", "reason"])


def incidents(table: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Public incidents of the last `INCIDENT_DAYS` in the order of time.

    Columns: at, what, status, owner_role, days_ago.
    """
    recent = lately(table, as_of, INCIDENT_DAYS)[["at", "what", "status", "owner_role"]]
    return recent.assign(days_ago=(as_of - recent["at"]) / DAY).reset_index(drop=True)
