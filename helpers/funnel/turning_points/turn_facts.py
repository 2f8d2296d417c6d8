"""What the turning points of a session say: sentences, groups at a glance, and findings."""

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.funnel.facts import fact
from helpers.funnel.step_rates import pooled_rate
from helpers.funnel.turning_points.circumstances import touching
from helpers.funnel.turning_points.points import FEWEST_SESSIONS, LONGEST_EXIT, RATES, enough

DIMENSIONS = {name: name for name in RATES} | {"leaving": "traffic"}
LEADING = {  # the figure that speaks for each of the groups; the first that the session has
    "leaving": ("exposure_view_rate",),
    "fans": ("follow_rate",),
    "interaction": ("view_interaction_rate", "interaction_rate"),
    "click": ("product_click_rate", "product_click_rate_times"),
    "conversion": ("click_pay_rate", "click_order_rate_times"),
    "sales": ("uv_value", "paid_per_hour"),
}
METRICS = {
    "leaving": "avg_online",
    "fans": "new_fans",
    "interaction": "comments",
    "click": "product_click_users",
    "conversion": "orders",
    "sales": "orders",
}


def course_words(courses: pd.DataFrame, lang: str) -> str:
    """A sentence on whether change points are beside a usual course, and of how many sessions."""
    if courses.empty:
        return text.choose(
            lang,
            (
                f"此前有分钟数据的场次不足 {FEWEST_SESSIONS} 场，没有减去平常的走势：开场冷、"
                "收尾淡也会算作变点。"
            ),
            (
                f"Fewer than {FEWEST_SESSIONS} earlier sessions have minutes, so no usual course "
                "is taken off: a slow opening or a fading end counts as a change too."
            ),
        )
    number = int(courses["sessions"].max())
    return text.choose(
        lang,
        (
            f"找变点前已减去本账号此前 {number} 场的平常走势（每场分十段），开场冷、"
            "收尾淡这类每场都有的起伏不算变点。"
        ),
        (
            f"The usual course of the last {number} sessions (in tenths of a session) is taken off "
            "before change points are looked for: what every session does, such as a slow opening "
            "or a fading end, is none."
        ),
    )


def leaving_words(curve: pd.DataFrame, leaving: pd.DataFrame, lang: str) -> str:
    """A sentence on the exit points, else on the five minutes with most leavers per person online.

    The latter are said not to be sure.
    """
    if len(leaving):
        listed = text.choose(lang, "、", ", ").join(
            when_words(row.start_minute, row.end_minute - 1)[lang]
            for row in leaving.sort_values("start_minute").itertuples()
        )
        return text.choose(
            lang,
            f"人走得明显多的：{listed}（流失节点）。",
            (
                f"People left clearly more than around in: {listed[0].lower()}{listed[1:]} (exit "
                "points)."
            ),
        )
    counted = enough(curve, "left", "online")
    if len(counted) < LONGEST_EXIT:
        return ""
    sums = counted[["left", "online"]].rolling(LONGEST_EXIT).sum()
    last = int((sums["left"] / sums["online"]).argmax())
    most, whole = (
        text.number(100 * share, "en", 1)
        for share in (
            sums["left"].iloc[last] / sums["online"].iloc[last],
            pooled_rate(counted, "left", "online"),
        )
    )
    when = when_words(counted["minute"].iloc[last - LONGEST_EXIT + 1], counted["minute"].iloc[last])
    return text.choose(
        lang,
        (
            f"按在线人数算，走得最多的是{when['zh']}（每百个在线的人每分钟走 {most} 人次，全场 "
            f"{whole}），但没有超出分钟之间平常的起伏，不能定为流失节点：人是陆续走的。"
        ),
        (
            f"By the people online, most left in {when['en'].lower()} ({most} leavings a minute "
            f"for every hundred online, {whole} in the whole session), which is within the "
            "minutes' usual unevenness: no exit point is sure, people left little by little."
        ),
    )


def quiet_words(stretches: pd.DataFrame, lang: str) -> str:
    """A sentence on the rates without a sure change point; nothing where there is none."""
    labels, several = reference.terms()["rate_of"], stretches["rate_of"].duplicated(keep=False)
    still = [text.label(labels[name], lang) for name in stretches.loc[~several, "rate_of"]]
    listed = text.choose(lang, "、", "; ").join(still)
    return (
        text.choose(
            lang, f"全程没有可以确定的变点的：{listed}。", f"No change point is sure in: {listed}."
        )
        if still
        else ""
    )


def when_words(first: float, last: float) -> dict[str, str]:
    """A stretch of minutes in words; one minute is no stretch."""
    if last <= first:
        return {"zh": f"第 {first:.0f} 分钟", "en": f"Minute {first:.0f}"}
    return {"zh": f"第 {first:.0f}–{last:.0f} 分钟", "en": f"Minutes {first:.0f}–{last:.0f}"}


def groups(figures: pd.DataFrame, parts: pd.DataFrame, leaving: pd.DataFrame) -> pd.DataFrame:
    """The six groups 流量、粉丝、互动、点击、转化、带货 at a glance, one row each.

    `figures` are those of `key_figures`. Columns: group, metric (its leading figure), value,
    ci_lower, ci_upper, minutes_zh, minutes_en (the most unusual stretch, else that none is sure,
    else that the minutes do not hold it).
    """
    valued, unusual = (
        figures[figures["value"].notna()].set_index("metric"),
        standing_out(parts).set_index("rate_of"),
    )
    rows = []
    for name, names in LEADING.items():
        metric = next((name_of for name_of in names if name_of in valued.index), None)
        words = {lang: _group_words(name, unusual, parts, leaving, lang) for lang in ("zh", "en")}
        if metric is not None or len(parts):
            rows.append(
                {
                    "group": DIMENSIONS[name],
                    "metric": metric,
                    **{
                        column: valued.loc[metric, column] if metric else np.nan
                        for column in ("value", "ci_lower", "ci_upper")
                    },
                    **{f"minutes_{lang}": sentence for lang, sentence in words.items()},
                }
            )
    return pd.DataFrame(
        rows,
        columns=["group", "metric", "value", "ci_lower", "ci_upper", "minutes_zh", "minutes_en"],
    )


def _group_words(
    name: str, unusual: pd.DataFrame, parts: pd.DataFrame, leaving: pd.DataFrame, lang: str
) -> str:
    if name not in set(parts["rate_of"]):
        return text.choose(lang, "分钟数据里没有", "not in the minutes")
    label = text.label(reference.terms()["rate_of"][name], lang)
    if name in unusual.index:
        row = unusual.loc[name]
        when, level, usual = (
            when_words(row["start_minute"], row["end_minute"] - 1)[lang],
            text.number(row["per_1000"], "en", 1),
            text.number(row["usual_per_1000"], "en", 1),
        )
        high = row["per_1000"] > row["usual_per_1000"]
        return text.choose(
            lang,
            f"{when}{'高' if high else '低'}：{label} {level}，平常这时 {usual}",
            (
                f"{when}, {'high' if high else 'low'}: {label.lower()} {level}, usual at that "
                f"point {usual}"
            ),
        )
    quiet = text.choose(lang, f"{label}：没有可以确定的变点", f"{label}: no sure change")
    if name != "leaving" or leaving.empty:
        return quiet
    return quiet + text.choose(
        lang, f"；流失节点 {len(leaving)} 处", f"; exit points: {len(leaving)}"
    )


def standing_out(parts: pd.DataFrame) -> pd.DataFrame:
    """Of each rate that changes the stretch furthest from the session's, in the order of RATES."""
    several = parts[parts.groupby("rate_of")["rate_of"].transform("size") > 1]
    return several.loc[
        several["apart"].abs().groupby(several["rate_of"], sort=False).idxmax()
    ].reset_index(drop=True)


def exit_findings(leaving: pd.DataFrame, things: pd.DataFrame) -> list[dict[str, object]]:
    """One fact per exit point: leavers against the minutes around, and what went with it."""
    return [_exit_fact(row, things) for row in leaving.itertuples()]


def _exit_fact(row: object, things: pd.DataFrame) -> dict[str, object]:
    first, last = row.start_minute, row.end_minute - 1
    when = when_words(first, last)
    went = {lang: touching(first, things, lang, until=row.end_minute) for lang in ("zh", "en")}
    left, inside, around = (
        text.number(value, "en")
        for value in (row.left_per_minute, 100 * row.leave_rate, 100 * row.around_rate)
    )
    return fact(
        dimension="traffic",
        metric="avg_online",
        slice=f"exit={first:.0f}",
        value=row.leave_rate,
        baseline=row.around_rate,
        minute_from=first,
        minute_to=last,
        sentence_zh=(
            f"流失节点：{when['zh']}每分钟离开约 {left} 人次，每百个在线的人 {inside} 次，"
            f"前后一刻钟是 {around} 次"
        )
        + (f"；同时：{went['zh']}。" if went["zh"] else "。"),
        sentence_en=(
            f"Exit point: in {when['en'].lower()} people left about {left} times a minute, "
            f"{inside} per hundred online, against {around} in the quarter hours around"
        )
        + (f"; at that time: {went['en']}." if went["en"] else "."),
    )


def change_findings(parts: pd.DataFrame, things: pd.DataFrame) -> list[dict[str, object]]:
    """One fact per rate whose level changes: its most unusual stretch, and what came with it."""
    return [_change_fact(row, things) for row in standing_out(parts).itertuples()]


def _change_fact(row: object, things: pd.DataFrame) -> dict[str, object]:
    first, last = row.start_minute, row.end_minute - 1
    named, when = reference.terms()["rate_of"][row.rate_of], when_words(first, last)
    went = {lang: touching(first, things, lang) for lang in ("zh", "en")}
    level, session, usual = (
        text.number(value, "en", 1)
        for value in (row.per_1000, row.session_per_1000, row.usual_per_1000)
    )
    above, plain = row.per_1000 > row.usual_per_1000, usual == session
    beside = {
        "zh": f"全场 {session}" if plain else f"按本场水平，平常这时是 {usual}（全场 {session}）",
        "en": f"the session's {session}"
        if plain
        else (
            f"the {usual} that is usual at that point of a session of this level (whole "
            f"session {session})"
        ),
    }
    return fact(
        dimension=DIMENSIONS[row.rate_of],
        metric=METRICS[row.rate_of],
        slice=f"stretch={row.rate_of}",
        value=row.per_1000,
        baseline=row.usual_per_1000,
        ci_lower=row.ci_lower,
        ci_upper=row.ci_upper,
        minute_from=first,
        minute_to=last,
        sentence_zh=f"{named.zh}在{when['zh']}{'高' if above else '低'}：{level}，{beside['zh']}"
        + (f"；从这里开始：{went['zh']}。" if went["zh"] else "。"),
        sentence_en=(
            f"{named.en}, {when['en'].lower()}: {level}, {'above' if above else 'below'} "
            f"{beside['en']}"
        )
        + (f"; at its beginning: {went['en']}." if went["en"] else "."),
    )
