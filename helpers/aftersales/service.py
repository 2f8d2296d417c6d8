"""Customer service: first replies and settling, disputes, open cases, shipping as promised, the six tasks, reviews, incidents.

Times run on where something is still open: what is not answered by `as_of` is censored, not left
out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, stats, text

HOUR = pd.Timedelta(hours=1)
DAY = pd.Timedelta(days=1)
REVIEW_DAYS, INCIDENT_DAYS = 30, 60  # how far back reviews, and public incidents, are looked at
ENDS = {"first_reply": ("first_reply_at",), "settled": ("resolved_at", "closed_at")}


class Response(NamedTuple):
    """One step of a queue: enquiries or cases, how many have taken it, and the Kaplan-Meier median in seconds."""

    n: int
    answered: int
    median: float


def _first(cases: pd.DataFrame, columns: tuple[str, ...]) -> pd.Series:
    """The earliest of the named times that a frame has, by row; missing where it has none."""
    known = [cases[name] for name in columns if name in cases]
    return pd.concat(known, axis=1).min(axis=1) if known else pd.Series(pd.NaT, index=cases.index)


def _waits(
    cases: pd.DataFrame, opened: str, as_of: pd.Timestamp, step: str = "first_reply"
) -> pd.DataFrame:
    """Seconds to the step, or to the end or `as_of` for what had not come to it by then."""
    known = cases[cases[opened] <= as_of]
    reached, closed = _first(known, ENDS[step]), _first(known, ENDS["settled"])
    happened = reached.notna() & (reached <= as_of)
    end = reached.where(happened, closed.where(closed <= as_of, as_of).fillna(as_of))
    return pd.DataFrame(
        {"seconds": (end - known[opened]).dt.total_seconds().clip(lower=0), "answered": happened}
    )


def first_response(
    cases: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    opened: str = "opened_at",
    step: str = "first_reply",
) -> Response:
    """Median time to the first reply (or, with step "settled", to the end) by Kaplan-Meier: what is open at `as_of` counts as open.

    A mean over answered cases would reward not answering. `inf` where more than half are still
    unanswered, `nan` without any case. `opened` is the column of the start (opened_at of enquiries,
    asked_at of cases).
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
    """Share that took the step within each mark: one row per mark, columns seconds, rate, ci_lower, ci_upper (1 - Kaplan-Meier; nan where nobody was waited for so long), n."""
    data = _waits(cases, opened, as_of, step)
    if data.empty:
        return pd.DataFrame(columns=["seconds", "rate", "ci_lower", "ci_upper", "n"])
    rate, lower, upper = stats.happened_within(data["seconds"], data["answered"], marks)
    return pd.DataFrame(
        {"seconds": marks, "rate": rate, "ci_lower": lower, "ci_upper": upper, "n": len(data)}
    )


def sparse(cases: pd.DataFrame) -> bool:
    """Whether most settled cases carry no time of a first reply: then the time is not kept, and says nothing of speed."""
    settled = _first(cases, ENDS["settled"]).notna()
    return bool(2 * _first(cases[settled], ENDS["first_reply"]).notna().sum() < settled.sum())


def sparse_note(
    name: str, cases: pd.DataFrame, *, as_of: pd.Timestamp, opened: str, lang: str
) -> str:
    """That first replies of a queue are hardly recorded, beside how it was settled; empty where they are recorded or none is."""
    told = first_response(cases, as_of=as_of, opened=opened)
    if not (told.answered and sparse(cases)):
        return ""
    ended = first_response(cases, as_of=as_of, opened=opened, step="settled")
    queue, median = (
        text.label(reference.terms()["queue"][name], lang),
        text.seconds(ended.median, lang),
    )
    return text.choose(
        lang,
        (
            f"{queue}：{ended.n} 件里解决了 {ended.answered} 件（中位数 {median}），只有 "
            f"{told.answered} 件记了首次回复的时间，所以不谈回复快慢。"
        ),
        (
            f"{queue}: {ended.answered} of {ended.n} are settled (median {median}), but only "
            f"{told.answered} with a recorded first reply, so nothing is said of how fast replies "
            "were."
        ),
    )


def responses(
    queues: Mapping[str, tuple[pd.DataFrame, str]],
    *,
    as_of: pd.Timestamp,
    marks: Mapping[str, reference.Marks],
) -> pd.DataFrame:
    """First replies and settling of several queues: one row per queue x step x mark; a step that nobody records is left out.

    `queues` maps a name to its cases and the column of their start, `marks` (service.yml) to the
    seconds. Columns: queue, step (first_reply, settled), n, answered (that took the step), median
    (seconds), seconds (the mark), rate (within it), ci_lower, ci_upper. First replies that most
    settled cases do not record (`sparse`) are left out too.
    """
    columns, parts = (
        ["queue", "step", "n", "answered", "median", "seconds", "rate", "ci_lower", "ci_upper"],
        [],
    )
    for name, (cases, opened) in queues.items():
        for step, ends in ENDS.items():
            if _first(cases, ends).notna().any() and not (step == "first_reply" and sparse(cases)):
                found = first_response(cases, as_of=as_of, opened=opened, step=step)
                within = answered_within(
                    cases,
                    as_of=as_of,
                    opened=opened,
                    marks=tuple(getattr(marks[name], step)),
                    step=step,
                )
                parts.append(
                    within.assign(
                        queue=name, step=step, answered=found.answered, median=found.median
                    )
                )
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


# ---------------------------------------------------------------------------------- in time or not


def marked(enquiries: pd.DataFrame, *, as_of: pd.Timestamp, seconds: float) -> pd.DataFrame:
    """Enquiries with `replied_in_time` filled where the record does not state it: the first reply came within `seconds`.

    Missing where the mark is not over yet and nobody has answered, and where first replies are not
    recorded at all.
    """
    if enquiries.empty or enquiries["first_reply_at"].isna().all():
        return enquiries
    data = _waits(enquiries, "opened_at", as_of).reindex(enquiries.index)
    in_time = (data["answered"].fillna(False).astype(bool) & (data["seconds"] <= seconds)).astype(
        "boolean"
    )
    known = in_time.mask(
        (as_of - enquiries["opened_at"]) / pd.Timedelta(seconds=seconds) < 1, in_time.where(in_time)
    )
    return enquiries.assign(
        replied_in_time=enquiries["replied_in_time"].astype("boolean").fillna(known)
    )


def reply_findings(
    enquiries: pd.DataFrame,
    earlier: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    rules: reference.ServiceRules,
    notebook: str,
) -> list[dict[str, object]]:
    """A finding on the share of enquiries answered in time: worse where it is clearly under the target, or under the account's own past.

    The past is that of earlier sessions (beta-binomial prediction, three sessions at least);
    without it the target alone (service.yml) decides, by the Wilson interval. Better where it is
    above the past. Nothing where replies are not recorded.
    """
    own = (
        marked(enquiries, as_of=as_of, seconds=rules.reply.seconds)["replied_in_time"]
        .dropna()
        .astype(float)
    )
    if own.empty:
        return []
    past = marked(earlier, as_of=as_of, seconds=rules.reply.seconds).dropna(
        subset=["replied_in_time", "session_id"]
    )
    then = (
        past.assign(hit=past["replied_in_time"].astype(float))
        .groupby("session_id")["hit"]
        .agg(["sum", "size"])
    )
    count, n, target = own.sum(), len(own), rules.reply.target
    low, high = (float(bound) for bound in stats.wilson(count, n))
    guess = (
        _expected(n - count, n, then["size"] - then["sum"], then["size"])
        if len(then) >= 3
        else None
    )
    told = guess is not None and guess.p_value <= 0.05
    under = high < target
    verdict = (
        "worse"
        if under or (told and count / n < guess.mean)
        else "better"
        if told
        else "cannot_tell"
    )
    baseline, bounds = (
        (target, (low, high))
        if guess is None or (under and not told)
        else (guess.mean, (guess.lower, guess.upper))
    )
    said = {
        lang: _reply_said(count / n, n, rules.reply, under, guess, lang) for lang in ("zh", "en")
    }
    return [
        findings.make(
            notebook=notebook,
            dimension="aftersales",
            metric="reply_in_time_rate",
            value=count / n,
            baseline=baseline,
            ci_lower=bounds[0],
            ci_upper=bounds[1],
            p_adjusted=guess.p_value if guess is not None and told else np.nan,
            verdict=verdict,
            sentence_zh=said["zh"],
            sentence_en=said["en"],
        )
    ]


def _expected(missed: float, n: int, past_missed: pd.Series, past: pd.Series) -> stats.Predictive:
    """The share in time that the past leads to expect, by the few that were not: the method is one for small proportions."""
    guess = stats.beta_binomial_predictive(missed, n, past_missed, past)
    return guess._replace(mean=1 - guess.mean, lower=1 - guess.upper, upper=1 - guess.lower)


def _reply_said(
    share: float,
    n: int,
    reply: reference.Reply,
    under: bool,
    guess: stats.Predictive | None,
    lang: str,
) -> str:
    """The share answered in time beside its target and the account's own range, in words."""
    shown, ours = (
        text.percent(share),
        text.choose(lang, "（非平台规定）", " (no platform's rule)") if reply.assumption else "",
    )
    wanted = text.percent(reply.target, 0) + ours
    usual = text.interval(guess.lower, guess.upper, "percent", lang) if guess is not None else ""
    past = text.choose(lang, f"，以往场次 {usual}", f"; earlier sessions {usual}") if usual else ""
    end = text.choose(
        lang,
        f"，明显低于目标 {wanted}" if under else f"，目标 {wanted}",
        f", clearly under the target of {wanted}" if under else f", target {wanted}",
    )
    return text.choose(
        lang,
        f"{n} 条咨询里 3 分钟内首响的占 {shown}{end}{past}。",
        f"{shown} of {n} enquiries had a first reply within 3 minutes{end}{past}.",
    )


# ------------------------------------------------------------------------------- what waits for us


def open_cases(
    cases: pd.DataFrame, *, as_of: pd.Timestamp, rules: reference.ServiceRules
) -> pd.DataFrame:
    """The work list: cases open at `as_of` that are overdue or have less than `soon_hours` left, the most urgent first.

    Columns: case_id, kind, product_name, asked_at, due_at (as exported, else asked_at plus the
    limit of the kind), assumed (whether the deadline is ours), hours_left (negative: overdue).
    Nothing of the buyer. All open cases count in `attrs["open"]`.
    """
    known = cases[
        (cases["asked_at"] <= as_of) & cases["status"].eq("open") & ~(cases["closed_at"] <= as_of)
    ]
    hours = known["kind"].map(rules.limits).astype(float).fillna(rules.limits["other"])
    due = known["due_at"].fillna(known["asked_at"] + pd.to_timedelta(hours, unit="h"))
    made = known.assign(assumed=known["due_at"].isna(), due_at=due, hours_left=(due - as_of) / HOUR)
    urgent = made[made["hours_left"] < rules.soon_hours].sort_values(["hours_left", "case_id"])
    listed = urgent[
        ["case_id", "kind", "product_name", "asked_at", "due_at", "assumed", "hours_left"]
    ].reset_index(drop=True)
    listed.attrs["open"] = len(known)
    return listed


def left_said(hours: float, lang: str) -> str:
    """How long a case is overdue or has left: whole hours, under one minutes; "36 h overdue"."""
    minutes = round(abs(hours) * 60)
    length = (
        text.choose(lang, f"{abs(hours):.0f} 小时", f"{abs(hours):.0f} h")
        if minutes >= 60
        else text.choose(lang, f"{minutes} 分钟", f"{minutes} min")
    )
    return (
        text.choose(lang, f"超时 {length}", f"{length} overdue")
        if hours < 0
        else text.choose(lang, f"还剩 {length}", f"{length} left")
    )


def _due_lines(orders: pd.DataFrame, as_of: pd.Timestamp) -> pd.DataFrame:
    """Paid lines whose promised time has passed; those cancelled before shipping are nobody's delay."""
    due = orders[
        orders["promised_at"].notna() & orders["paid_at"].notna() & (orders["promised_at"] <= as_of)
    ]
    due = due[~(due["shipped_at"].isna() & due["refunded"].gt(0))]
    gone = due["shipped_at"].notna() & (due["shipped_at"] <= as_of)
    return due.assign(gone=gone, late=due["shipped_at"].where(gone, as_of) > due["promised_at"])


def shipping(orders: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Shipping as promised against what happened: the whole (product_name missing), then products, most late lines first.

    Columns: product_name, due (paid lines whose promised time has passed), late (shipped after it
    or not yet), late_rate with ci_lower and ci_upper (Wilson), waiting (late and still not
    shipped), hours_late (median of the late ones). Empty where no promise is known.
    """
    due = _due_lines(orders, as_of)
    due = due.assign(
        hours=(due["shipped_at"].where(due["gone"], as_of) - due["promised_at"]) / HOUR
    )
    rows = [
        {
            "product_name": name,
            "due": len(part),
            "late": int(part["late"].sum()),
            "waiting": int((part["late"] & ~part["gone"]).sum()),
            "hours_late": part.loc[part["late"], "hours"].median(),
        }
        for name, part in [(None, due), *due.groupby("product_name", sort=True)]
        if len(part)
    ]
    made = pd.DataFrame(rows, columns=["product_name", "due", "late", "waiting", "hours_late"])
    lower, upper = stats.wilson(made["late"], made["due"])
    made = made.assign(late_rate=made["late"] / made["due"], ci_lower=lower, ci_upper=upper)
    return pd.concat(
        [
            made.head(1),
            made.iloc[1:].sort_values(["late", "product_name"], ascending=[False, True]),
        ],
        ignore_index=True,
    )


# ----------------------------------------------------------------------------------- the six tasks


def _share(flags: pd.Series) -> tuple[float, float]:
    known = flags.dropna().astype(float)
    return float(known.sum()), float(len(known))


def tasks(
    orders: pd.DataFrame,
    cases: pd.DataFrame,
    enquiries: pd.DataFrame,
    *,
    as_of: pd.Timestamp,
    rules: reference.ServiceRules,
) -> pd.DataFrame:
    """The six tasks of customer service, each with its figure: one row per task, in the order of service.yml.

    Columns: task, zh, en, done, n, value with ci_lower and ci_upper (Wilson), lacks_zh, lacks_en
    (where there is no figure: that nothing is due yet, or the record that would give it). Enquiries
    answered in time; orders shipped as promised; receipts confirmed of orders shipped `late_days`
    ago and not refunded; enquirers called back; disputed cases and enquiries that are closed.
    Source: 直播复盘与售后跟踪 (售后客服工作).
    """
    due = _due_lines(orders, as_of)
    old = orders[
        (orders["shipped_at"] <= as_of - rules.late_days * DAY) & ~orders["refunded"].gt(0)
    ]
    confirmed = (
        old["finished_at"].notna().head(len(old) if orders["finished_at"].notna().any() else 0)
    )
    closed = [
        _first(frame, ENDS["settled"]).le(as_of)[frame["disputed"].fillna(False).astype(bool)]
        for frame in (cases, enquiries)
    ]
    figures = {
        "answered": _share(
            marked(enquiries, as_of=as_of, seconds=rules.reply.seconds)["replied_in_time"]
        ),
        "shipped": _share(~due["late"].astype(bool)),
        "tracked": (0.0, 0.0),
        "received": _share(confirmed),
        "called": _share(enquiries["called_back"]),
        "disputes": _share(pd.concat(closed)),
    }
    recorded = {
        "shipped": orders["promised_at"].notna().any(),
        "received": orders["shipped_at"].notna().any()
        and (old.empty or orders["finished_at"].notna().any()),
        "disputes": cases["disputed"].notna().any() or enquiries["disputed"].notna().any(),
    }
    rows = []
    for name, task in rules.tasks.items():
        done, n = figures[name]
        zh, en = (
            (task.none.zh, task.none.en)
            if recorded.get(name)
            else (f"缺：{task.lacks.zh}", f"missing: {task.lacks.en}")
        )
        rows.append(
            {
                "task": name,
                "zh": task.zh,
                "en": task.en,
                "done": done,
                "n": n,
                "value": done / n if n else np.nan,
                "lacks_zh": "" if n else zh,
                "lacks_en": "" if n else en,
            }
        )
    made = pd.DataFrame(rows)
    lower, upper = stats.wilson(made["done"], made["n"])
    return made.assign(ci_lower=lower, ci_upper=upper)


def disputes(cases: pd.DataFrame, enquiries: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Share of cases and of enquiries that became disputes: one row per queue that records them (queue, n, disputed, value, ci_lower, ci_upper)."""
    rows = []
    for queue, frame, opened in (
        ("service", enquiries, "opened_at"),
        ("aftersales", cases, "asked_at"),
    ):
        hits, n = _share(frame.loc[frame[opened] <= as_of, "disputed"])
        if n:
            lower, upper = stats.wilson(hits, n)
            rows.append(
                {
                    "queue": queue,
                    "n": n,
                    "disputed": hits,
                    "value": hits / n,
                    "ci_lower": float(lower),
                    "ci_upper": float(upper),
                }
            )
    return pd.DataFrame(rows, columns=["queue", "n", "disputed", "value", "ci_lower", "ci_upper"])


# --------------------------------------------------------------------------- reviews and incidents


def rated(table: pd.DataFrame, *, rules: reference.ServiceRules) -> pd.DataFrame:
    """Reviews with `bad` filled from the stars (up to `bad_rating`) where the record does not state it; missing without either."""
    by_stars = (
        (table["rating"] <= rules.bad_rating).astype("boolean").where(table["rating"].notna())
    )
    return table.assign(bad=table["bad"].astype("boolean").fillna(by_stars))


def reviews(
    table: pd.DataFrame, *, as_of: pd.Timestamp, rules: reference.ServiceRules
) -> pd.DataFrame:
    """Reviews of the last `REVIEW_DAYS` and of the days before: one row per period (newest first) that has any.

    Columns: period_from, period_to, n, rating (mean), bad (`rated`), bad_rate with ci_lower and
    ci_upper (Wilson), shop_score (the last stated), reason (the most frequent of bad reviews).
    """
    rows, judged = [], rated(table, rules=rules)
    for end in (as_of, as_of - REVIEW_DAYS * DAY):
        part = judged[(judged["at"] <= end) & (judged["at"] > end - REVIEW_DAYS * DAY)].sort_values(
            "at"
        )
        if part.empty:
            continue
        bad, known = part[part["bad"].fillna(False).astype(bool)], int(part["bad"].notna().sum())
        lower, upper = stats.wilson(len(bad), known)
        rows.append(
            {
                "period_from": end - REVIEW_DAYS * DAY,
                "period_to": end,
                "n": len(part),
                "rating": part["rating"].mean(),
                "bad": len(bad),
                "bad_rate": len(bad) / known if known else np.nan,
                "ci_lower": float(lower),
                "ci_upper": float(upper),
                "shop_score": part["shop_score"].dropna().iloc[-1]
                if part["shop_score"].notna().any()
                else np.nan,
                "reason": bad["reason"].mode().iloc[0] if bad["reason"].notna().any() else "",
            }
        )
    return pd.DataFrame(
        rows,
        columns=[
            "period_from",
            "period_to",
            "n",
            "rating",
            "bad",
            "bad_rate",
            "ci_lower",
            "ci_upper",
            "shop_score",
            "reason",
        ],
    )


def incidents(table: pd.DataFrame, *, as_of: pd.Timestamp) -> pd.DataFrame:
    """Public incidents of the last `INCIDENT_DAYS` in the order of time: at, what, status, owner_role, days_ago."""
    recent = table[
        (table["at"] <= as_of) & (table["at"] > as_of - INCIDENT_DAYS * DAY)
    ].sort_values("at")
    return (
        recent[["at", "what", "status", "owner_role"]]
        .assign(days_ago=(as_of - recent["at"]) / DAY)
        .reset_index(drop=True)
    )
