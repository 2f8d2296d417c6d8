"""The funnel from viewer events (table `actions`): who did what after what, and unpaid carts.

Everything is an expression of the engine until only counts and times by group are left. Rows
without a time, a person, or a value of the columns grouped by are left out.
"""

from collections.abc import Iterator, Mapping, Sequence

import ibis
import pandas as pd
from ibis import _

from helpers import reference
from helpers.core import engine, stats, text
from helpers.funnel import slices, step_rates
from helpers.funnel.facts import fact, interval_words
from helpers.reference import Funnel, Metric, metrics

QUANTILES = {"seconds_q25": 0.25, "seconds_median": 0.5, "seconds_q75": 0.75}
EPOCH = ibis.timestamp("1970-01-01 00:00:00")
SECOND = 1_000_000  # in microseconds
KEY = ["group", "person"]
CELL = ["product_id", "source"]
# what the exports call the people of an event: with it a rate finds its name in the registry
COLUMNS = {
    "enter": "viewers",
    "expose": "product_exposure_users",
    "click": "product_click_users",
    "cart": "cart_users",
    "create": "create_users",
    "pay": "pay_users",
}


# ---- the ordered funnel


def people(
    events: ibis.Table, spec: Funnel, *, by: Sequence[str] = (), who: str = "user_key"
) -> pd.DataFrame:
    """How many people of each group reached each step of a funnel of events, and how fast.

    Columns: by…, step (from 1), users (distinct people, never to be added up over groups),
    seconds_q25, seconds_median, seconds_q75 (from first reaching the step before to first reaching
    this one). `who` names the person, or what is counted instead (visit_id).

    The first step is reached by each of its events, a later one by an event at or after, and at
    most `within_minutes` after, an event by which the same person, in the same group, reached the
    step before. So events of the same moment count as in order, any attempt may succeed, and
    repeated events or the sequence of the rows change nothing. Times run from the first attempt and
    may be longer than the window. With `ordered: false` a step is reached by whoever has events of
    it and of all before it; then no times.
    """
    rows, groups = _of_steps(events, spec, list(by), who)
    parts = [
        _counted(reached).assign(step=number)
        for number, reached in enumerate(_reached(engine.kept(rows), spec), 1)
    ]
    table = pd.concat(parts, ignore_index=True).merge(groups, on="group", validate="many_to_one")
    table = table.sort_values([*by, "step"], kind="stable", ignore_index=True)
    return table[[*by, "step", "users", *QUANTILES]].astype(
        dict.fromkeys(["users", *QUANTILES], "float64")
    )


def logged(events: ibis.Table, spec: Funnel) -> Funnel:
    """The funnel without steps that the log never has while it has later ones."""
    return _shown(_events(events), spec)


def _shown(logged_events: set[str], spec: Funnel) -> Funnel:
    last = max(
        (place for place, step in enumerate(spec.steps) if step.column in logged_events), default=-1
    )
    steps_shown = [
        step
        for place, step in enumerate(spec.steps)
        if step.column in logged_events or place > last
    ]
    return spec.model_copy(
        update={
            "steps": [steps_shown[0].model_copy(update={"within_minutes": None}), *steps_shown[1:]]
        }
    )


def _events(events: ibis.Table) -> set[str]:
    return set(engine.frame(events.select("event").distinct())["event"])


def cells(events: ibis.Table, spec: Funnel) -> pd.DataFrame:
    """How many people of each product and source reached each step.

    One row per product_id x source, a column a step, named as in the products export
    (exposure_users, click_users …: distinct people, never to be added up). A step of which the log
    has no event with a product and a source is missing, one that nobody of these reached is 0.
    """
    whole = events.filter(*(events[name].notnull() for name in ("at", "user_key", *CELL)))
    whole_events = _events(whole)
    funnel_shown = _shown(whole_events, spec)
    counts = people(whole, funnel_shown, by=CELL)
    wide = counts.assign(
        step=[funnel_shown.steps[step - 1].column for step in counts["step"]]
    ).pivot(index=CELL, columns="step", values="users")
    counts_by_step = wide.reindex(
        columns=[step.column for step in spec.steps if step.column in whole_events]
    ).fillna(0.0)
    names = {step.column: COLUMNS[step.column].removeprefix("product_") for step in spec.steps}
    return (
        counts_by_step.reindex(columns=list(names))
        .astype("float64")
        .rename(columns=names)
        .rename_axis(columns=None)
        .reset_index()
    )


def steps(counts: pd.DataFrame, spec: Funnel, *, confidence: float = 0.95) -> pd.DataFrame:
    """The counts of `people` as a funnel, with the columns of `steps`, then its times.

    One row per group x step, the columns grouped by first; a step that nobody reached has 0 people.
    """
    by = list(counts.columns[: list(counts.columns).index("step")])
    parts = []
    for group, rows in counts.groupby(by, sort=False) if by else [((), counts)]:
        users = dict.fromkeys((step.column for step in spec.steps), 0) | {
            spec.steps[row.step - 1].column: row.users for row in rows.itertuples()
        }
        walked = step_rates.steps(pd.Series(users), spec, confidence=confidence)
        timed = walked.merge(rows[["step", *QUANTILES]], on="step", how="left")
        parts.append(timed.assign(**dict(zip(by, group, strict=True))))
    if not parts:
        empty = step_rates.steps(pd.Series(dtype=float), spec).iloc[:0]
        parts = [empty.assign(**{name: counts[name] for name in [*QUANTILES, *by]})]
    table = pd.concat(parts, ignore_index=True)
    return table[[*by, *table.columns.drop(by)]]


def _of_steps(
    events: ibis.Table, spec: Funnel, by: list[str], who: str
) -> tuple[ibis.Table, pd.DataFrame]:
    """Persons are hashed, groups numbered: numbers take a third of the time of texts."""
    usable = events.filter(events["at"].notnull(), *(events[name].notnull() for name in [*by, who]))
    usable = usable.filter(usable["event"].isin([step.column for step in spec.steps]))
    step = usable["event"].cases(
        *((step.column, number) for number, step in enumerate(spec.steps, 1))
    )
    rows = usable.select(*by, "at", person=usable[who].hash(), step=step)
    if not by:
        return rows.mutate(group=0), pd.DataFrame({"group": [0]})
    groups = (
        engine.frame(rows.select(*by).distinct())
        .rename_axis("group")
        .reset_index()
        .astype({"group": "int32"})
    )
    return rows.join(engine.table(groups), by).drop(*by), groups


def _counted(reached: ibis.Table) -> pd.DataFrame:
    times = (
        {name: reached["seconds"].quantile(share) for name, share in QUANTILES.items()}
        if "seconds" in reached.columns
        else {}
    )
    counts = engine.frame(reached.group_by("group").agg(users=reached.count(), **times))
    return counts.reindex(columns=["group", "users", *QUANTILES])


def _reached(rows: ibis.Table, spec: Funnel) -> Iterator[ibis.Table]:
    """Hits wait in the engine: in one query DuckDB would hold or make them several times."""
    hits = rows.filter(rows["step"] == 1).drop("step")
    done = engine.kept(hits.group_by(KEY).agg(at=_["at"].min()))
    yield done
    for number, step in enumerate(spec.steps[1:], 2):
        begun = done.rename(before="at")
        here = rows.filter(rows["step"] == number).drop("step").join(begun, KEY)
        hits = engine.kept(
            _following(hits, here, step.within_minutes) if spec.ordered else here.drop("before")
        )
        done = engine.kept(hits.group_by(KEY).agg(at=_["at"].min()))
        both = done.join(begun, KEY)
        yield (
            both.mutate(seconds=both["at"].delta(both["before"], unit="microsecond") / SECOND)
            if spec.ordered
            else both
        )


def _following(hits: ibis.Table, here: ibis.Table, minutes: float | None) -> ibis.Table:
    """The events `here` not before the first of `hits` (its `before`), and near one of them."""
    after = here.filter(here["at"] >= here["before"]).select(*KEY, "at")
    if minutes is None:
        return after
    near = hits.semi_join(after, KEY).select(*KEY, "at")  # most people go no further
    marked = ibis.union(
        near.mutate(before=_["at"]), after.mutate(before=ibis.null(after["at"].type()))
    )
    last = marked["before"].max().over(ibis.range_window(group_by=KEY, order_by="at", following=0))
    marked = marked.mutate(waited=marked["at"].delta(last, unit="microsecond"))
    return marked.filter(
        marked["before"].isnull(), marked["waited"] <= round(minutes * 60 * SECOND)
    ).select(*KEY, "at")


def against_others(table: pd.DataFrame, **limits: float) -> pd.DataFrame:
    """Each group's rate at each step against that of all other groups together.

    One row per group and step after the first. `table` is that of `steps` by one column. Columns:
    that column, column, previous, label_zh, label_en, then those of the slices' `against_others`,
    corrected step by step.
    """
    pairs = table.assign(before=table.groupby(table.columns[0])["users"].shift())
    names = [table.columns[0], "column", "previous", "label_zh", "label_en"]
    later = [rows for _, rows in pairs[pairs["step"] > 1].groupby("step")] or [pairs]
    parts = [
        rows[names].join(
            slices.against_others(rows, numerator="users", denominator="before", **limits)
        )
        for rows in later
    ]
    return pd.concat(parts, ignore_index=True)


def of_step(compared: pd.DataFrame, walked: pd.DataFrame, event: str) -> tuple[pd.DataFrame, float]:
    """The rates of one step as the rates chart takes them, and the rate of all people.

    `compared` is of `against_others`, `walked` the `steps` of all people together. One row per
    group with people enough, the highest first: label, rate, ci_lower, ci_upper, n (people before).
    """
    rows = compared[
        (compared["column"] == event) & ~compared["standing"].isin(["too_few", "unknown"])
    ].sort_values("rate", ascending=False, kind="stable")
    drawn = rows.rename(columns={compared.columns[0]: "label", "people": "n"})[
        ["label", "rate", "ci_lower", "ci_upper", "n"]
    ]
    return drawn.reset_index(drop=True), float(
        walked.set_index("column")["rate_of_previous"].get(event, float("nan"))
    )


def step_words(drawn: pd.DataFrame, whole: float, lang: str, *, confidence: float = 0.95) -> str:
    """The rates of `of_step` in a sentence: the highest, the lowest, and that of all."""
    ends = [
        (
            f"{text.plain(row.label, 30)} {text.percent(row.rate)}"
            f"{interval_words(row.ci_lower, row.ci_upper, lang, confidence)}"
        )
        for row in (drawn.iloc[0], drawn.iloc[-1])
    ]
    return text.choose(
        lang,
        (
            f"{len(drawn)} 个来源：最高的是{ends[0]}，最低的是{ends[1]}；全部合起来 "
            f"{text.percent(whole)}。"
        ),
        (
            f"{len(drawn)} sources: highest {ends[0]}, lowest {ends[1]}; all together "
            f"{text.percent(whole)}."
        ),
    )


# ---- carts that stay unpaid


def carts(
    events: ibis.Table,
    *,
    by: Sequence[str] = (),
    until: pd.Timestamp,
    minutes: float = 30.0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """What was put into carts and not paid within so many minutes (加购后30分钟未支付占比).

    A cart is a person's first adding of a product, paid by the first payment of that person and
    product at or after it. Columns: by… (of the cart event), carts (begun by `until`), paid (within
    the minutes, by `until`), unknown (younger than that at `until` and not paid: it counts as far
    as it has been seen), rate (unpaid: Kaplan-Meier at the minutes, whole seconds; nan where no
    cart has been seen for so long), ci_lower, ci_upper (log-log). Source: methods, right-censored
    times (first response, cart to pay).
    """
    waits = _waits(events, by, until, minutes * 60)
    columns = [*by, "carts", "paid", "unknown", "rate", "ci_lower", "ci_upper"]
    rows = []
    for group, part in waits.groupby(list(by)) if by else [((), waits)]:
        if part.empty:
            continue
        within = stats.happened_within(
            part["seconds"], part["paid"], [minutes * 60], weights=part["n"], confidence=confidence
        )
        rate, lower, upper = (float(share[0]) for share in within)
        young = ~part["paid"] & (part["seconds"] < minutes * 60)
        rows.append(
            [
                *group,
                part["n"].sum(),
                part.loc[part["paid"], "n"].sum(),
                part.loc[young, "n"].sum(),
                1 - rate,
                1 - upper,
                1 - lower,
            ]
        )
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[len(by) :], "float64"))


def carts_by(
    events: ibis.Table,
    column: str,
    *,
    min_carts: float,
    minutes: float = 30.0,
    confidence: float = 0.95,
) -> pd.DataFrame:
    """The carts of all groups together and of each with enough of them, the most carts first.

    They are seen until the end of the log. Columns: that column (missing in the first row, of all),
    then those of `carts`. No row for a log without events.
    """
    until = engine.frame(events.agg(until=events["at"].max()))["until"].item()
    if pd.isna(until):
        return pd.DataFrame(columns=[column, "carts", "rate"])
    how = {"until": until, "minutes": minutes, "confidence": confidence}
    by_group = carts(events, by=[column], **how)
    by_group = by_group[by_group["carts"] >= min_carts].sort_values(
        ["carts", column], ascending=[False, True]
    )
    whole = carts(events, **how).assign(**{column: pd.Series([None], dtype="str")})[
        by_group.columns
    ]
    return pd.concat([whole, by_group], ignore_index=True)


def _waits(
    events: ibis.Table, by: Sequence[str], until: pd.Timestamp, longest: float
) -> pd.DataFrame:
    """Columns: by…, seconds (to payment, `until` or `longest`), paid, n (how many)."""
    key = ["user_key", "product"]
    end = until.value // 1000
    rows = events.filter(
        events["event"].isin(["cart", "pay"]),
        *(events[name].notnull() for name in ("at", "user_key")),
    )
    rows = rows.mutate(
        product=rows["product_id"].fill_null(""), moment=rows["at"].delta(EPOCH, unit="microsecond")
    )
    rows = rows.filter(rows["moment"] <= end)
    first = (
        rows.filter(rows["event"] == "cart", *(rows[name].notnull() for name in by))
        .group_by([*by, *key])
        .agg(begun=_["moment"].min())
    )
    paying = rows.filter(rows["event"] == "pay").select(*key, "moment")
    paid = (
        first.join(paying, key)
        .filter(_["moment"] >= _["begun"])
        .group_by([*by, *key])
        .agg(moment=_["moment"].min())
    )
    both = first.left_join(paid, [*by, *key]).select(*by, "begun", "moment")
    took = ibis.coalesce(both["moment"], end) - both["begun"]
    both = both.select(
        *by,
        paid=both["moment"].notnull() & (took <= round(longest * SECOND)),
        seconds=ibis.least(took, round(longest * SECOND)) // SECOND,
    )
    return engine.frame(both.group_by([*by, "paid", "seconds"]).agg(n=both.count()))


# ---- findings


def leak_findings(
    compared: pd.DataFrame, registry: Mapping[str, Metric], *, confidence: float = 0.95
) -> list[dict[str, object]]:
    """One fact per group and step of `against_others` that stands below the others together."""
    below = compared[
        (compared["standing"] == "below")
        & compared["previous"].isin(COLUMNS)
        & compared["column"].isin(COLUMNS)
    ]
    named = [
        (row, metrics.named(COLUMNS[row["previous"]], COLUMNS[row["column"]], registry=registry))
        for _, row in below.iterrows()
    ]
    return [
        _leak(row, compared.columns[0], name, registry[name], confidence)
        for row, name in named
        if name
    ]


def _leak(
    row: pd.Series, column: str, name: str, metric: Metric, confidence: float
) -> dict[str, object]:
    group, rate, others = (
        text.plain(row[column]),
        text.percent(row["rate"]),
        text.percent(row["others_rate"]),
    )
    events = reference.terms()["viewer_event"]
    before, after = events[row["previous"]], events[row["column"]]
    zh, en = (
        interval_words(row["ci_lower"], row["ci_upper"], lang, confidence) for lang in ("zh", "en")
    )
    return fact(
        dimension=metric.group,
        metric=name,
        slice=f"{column}={row[column]}",
        value=row["rate"],
        baseline=row["others_rate"],
        ci_lower=row["ci_lower"],
        ci_upper=row["ci_upper"],
        p_adjusted=row["p_adjusted"],
        sentence_zh=(
            f"观众行为记录里，「{group}」从{before.zh}走到{after.zh}的人占 {rate}{zh}，"
            f"低于其余合计的 {others}。"
        ),
        sentence_en=(
            f"Viewer events, “{group}”: from {before.en.lower()} to {after.en.lower()} "
            f"{rate}{en} of its people, below {others} of all others."
        ),
    )


def cart_findings(
    table: pd.DataFrame, *, min_carts: float, minutes: float = 30.0, confidence: float = 0.95
) -> list[dict[str, object]]:
    """One fact on all carts of `carts_by`: how many were paid in time; none for too few carts."""
    if table.empty or not table.iloc[0]["carts"] >= min_carts or pd.isna(table.iloc[0]["rate"]):
        return []
    row = table.iloc[0]
    paid, left = text.percent(1 - row["rate"]), text.percent(row["rate"])
    zh, en = (
        interval_words(1 - row["ci_upper"], 1 - row["ci_lower"], lang, confidence)
        for lang in ("zh", "en")
    )
    counts = {
        lang: [text.number(row[name], lang, 0) for name in ("carts", "unknown")]
        for lang in ("zh", "en")
    }
    young = {
        "zh": f"；其中 {counts['zh'][1]} 个到记录结束还不满 {minutes:.0f} 分钟，算未知，不算未支付"
        if row["unknown"]
        else "",
        "en": f" {counts['en'][1]} were younger than that when the log ends: unknown, not unpaid."
        if row["unknown"]
        else "",
    }
    return [
        fact(
            dimension="conversion",
            metric="cart_pay_rate",
            slice=f"minutes={minutes:.0f}",
            value=1 - row["rate"],
            ci_lower=1 - row["ci_upper"],
            ci_upper=1 - row["ci_lower"],
            sentence_zh=(
                f"加购 {counts['zh'][0]} 次，{minutes:.0f} 分钟内支付的占 {paid}{zh}，"
                f"未支付的占 {left}{young['zh']}。"
            ),
            sentence_en=(
                f"Of {counts['en'][0]} carts, {paid}{en} were paid within {minutes:.0f} "
                f"minutes, {left} were not.{young['en']}"
            ),
        )
    ]
