"""The first screen of a report: what the results say in a few words. Frames in, words out."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers import compare, plan, reference, split
from helpers.aftersales import profit
from helpers.core import findings, text
from helpers.plan import won_back
from helpers.reference import metrics

# A sign and a colour class for each verdict and light: never the colour alone.
SIGNS = {
    "better": ("●", "good"),
    "worse": ("◆", "bad"),
    "normal": ("■", "quiet"),
    "cannot_tell": ("?", "quiet"),
    "not_comparable": ("×", "quiet"),
    "effective": ("●", "good"),
    "effective_but_small": ("●", "quiet"),
    "not_effective": ("◆", "bad"),
    "harmful": ("◆", "bad"),
    "effective_so_far": ("●", "good"),
    "effective_but_small_so_far": ("●", "quiet"),
    "not_effective_so_far": ("◆", "bad"),
    "harmful_so_far": ("◆", "bad"),
    "not_done": ("×", "quiet"),
    "green": ("●", "good"),
    "amber": ("▲", "warn"),
    "red": ("◆", "bad"),
    "grey": ("○", "quiet"),
}
CARDS = ("paid_amount", "net_amount", "viewers", "uv_value", "room_conversion", "profit")
ADS_CARDS = ("ad_cost", "ads_amount_roi")  # where ads were paid for
SEVERITY = {"worse": 0, "better": 1, "normal": 2, "cannot_tell": 3, "not_comparable": 4}


def make(
    session: pd.Series,
    results: Mapping[str, pd.DataFrame],
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, Any]:
    """The first screen: title and facts of the session, goals, cards, findings, actions, data quality, all as words.

    `results` holds verdicts, findings, plan, quality, profit, net, goals, ads_return and
    open_cases, each of which may be missing or empty: what they would say is then said to be
    unknown, or not said.
    """
    values = _values(session, results, registry)
    told = beside(
        top_findings(results.get("findings", pd.DataFrame()), lang=lang, currency=currency),
        results,
        lang=lang,
        registry=registry,
        currency=currency,
    )
    return {
        "title": title(session, lang),
        "session_id": session["session_id"],
        "facts": facts(session, lang),
        "goals": goals(
            results.get("goals", pd.DataFrame()),
            results.get("findings", pd.DataFrame()),
            results.get("verdicts", pd.DataFrame()),
            lang=lang,
            registry=registry,
            currency=currency,
        ),
        "cards": [
            _card(name, values.get(name, math.nan), results, lang, registry, currency)
            for name in CARDS
            if name in registry
        ]
        + ads_cards(
            results.get("ads_return", pd.DataFrame()),
            lang=lang,
            registry=registry,
            currency=currency,
        ),
        "usual": [
            said
            for row in results.get("usual", pd.DataFrame()).to_dict("records")
            for said in compare.usual_words(row, lang)
        ],
        "findings": told,
        "amounts": amounts_note(told, lang),
        "compared": _compared(results.get("verdicts", pd.DataFrame())),
        "actions": actions(
            results.get("plan", pd.DataFrame()),
            results,
            lang=lang,
            registry=registry,
            currency=currency,
        ),
        "why": why(
            results.get("argument", pd.DataFrame()),
            results.get("findings", pd.DataFrame()),
            lang,
            known=any(one["cause"] for one in told),
        ),
        "quality": quality(results.get("quality", pd.DataFrame()), lang),
        "waiting": waiting(results.get("open_cases", pd.DataFrame()), lang),
    }


def _compared(verdicts: pd.DataFrame) -> bool:
    """Whether any metric could be compared at all: nothing found is else no sign that all is well."""
    return "verdict" in verdicts and bool(verdicts["verdict"].ne("not_comparable").any())


def title(session: pd.Series, lang: str) -> str:
    """The session's title, else its room's name, else the platform's."""
    named = [session.get(name) for name in ("title", "room_name")]
    return next(
        (text.plain(name, 60) for name in named if isinstance(name, str) and name.strip()),
        _term("platform", session["platform"], lang),
    )


def facts(session: pd.Series, lang: str) -> list[str]:
    """What is known of the session in two lines: where and who; when, how long, of what kind."""
    host = session.get("host")
    who = text.choose(lang, "主播 ", "host ") + text.plain(host) if isinstance(host, str) else ""
    place = [_term("platform", session["platform"], lang), _own(session.get("room_name")), who]
    moment = [
        _time(session),
        _length(session, lang),
        _term("session_kind", session.get("kind"), lang),
    ]
    return [" · ".join(filter(None, line)) for line in (place, moment)]


def _time(session: pd.Series) -> str:
    start, end = session["started_at"], session.get("ended_at")
    if pd.isna(end):
        return f"{start:%Y-%m-%d %H:%M}"
    return (
        f"{start:%Y-%m-%d %H:%M} – {end:%H:%M}"
        if start.date() == end.date()
        else f"{start:%Y-%m-%d %H:%M} – {end:%m-%d %H:%M}"
    )


def _length(session: pd.Series, lang: str) -> str | None:
    seconds = session.get("duration_seconds", math.nan)
    return text.seconds(seconds, lang) if pd.notna(seconds) else None


def _term(group: str, value: object, lang: str) -> str:
    term = reference.terms().get(group, {}).get(value) if isinstance(value, str) else None
    return text.label(term, lang) if term else text.plain(value) if isinstance(value, str) else ""


def _values(
    session: pd.Series,
    results: Mapping[str, pd.DataFrame],
    registry: Mapping[str, reference.Metric],
) -> dict[str, float]:
    """The session's own totals and ratios of the cards; money kept and earned as the profit statement has them."""
    wanted = [name for name in CARDS if name in registry and registry[name].table == "sessions"]
    made = metrics.by_session(pd.DataFrame([session]), wanted, registry=registry)
    values = dict(zip(made["metric"], made["value"].astype(float), strict=True))
    told = results.get("profit", pd.DataFrame())
    if {"line", "amount"} <= set(told.columns):
        lines = told.drop_duplicates("line").set_index("line")["amount"]
        net = lines.get("paid", math.nan) + lines.get("refunds", math.nan)
        values |= {"profit": lines.get("profit", math.nan)} | (
            {"net_amount": net} if math.isfinite(net) else {}
        )
    return values


def _card(
    name: str,
    value: float,
    results: Mapping[str, pd.DataFrame],
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, str]:
    """One key figure: its value, its change against the usual, the normal range of that change, its verdict."""
    metric = registry[name]
    unknown = text.choose(lang, "不可计算", "not measurable")
    shown = (
        text.value(
            value,
            metric.unit,
            lang,
            decimals=None if metric.unit == "money" else metric.decimals,
            currency=currency,
        )
        if math.isfinite(value)
        else unknown
    )
    waiting = text.choose(lang, "；", "; ").join(
        filter(None, [_still_to_come(name, results, lang, currency), _not_in(name, results, lang)])
    )
    card = {
        "name": text.label(metric, lang),
        "value": shown,
        "expected": _final(name, results, lang, currency),
        "change": "",
        "range": "",
        "style": "quiet",
        "sign": "",
        "verdict": "",
    }
    if not math.isfinite(value):
        return card | {"range": _lacking(name, results, lang), "style": "unknown"}
    verdicts = results.get("verdicts", pd.DataFrame())
    rows = verdicts[verdicts["metric"] == name] if "metric" in verdicts else verdicts
    if rows.empty or not math.isfinite(rows.iloc[0]["ratio"]):
        return card | {
            "range": waiting or text.choose(lang, "没有可比场次", "no comparable session")
        }
    told = _against(rows.iloc[0], lang)
    return (
        card
        | told
        | {"range": text.choose(lang, "；", "; ").join(filter(None, [told["range"], waiting]))}
    )


def _still_to_come(name: str, results: Mapping[str, pd.DataFrame], lang: str, currency: str) -> str:
    """That money kept or earned has only the refunds known so far taken off, and what refunds are expected in the end; empty where none are."""
    net = results.get("net", pd.DataFrame())
    lines = (
        net.drop_duplicates("line").set_index("line")["amount"]
        if {"line", "amount"} <= set(net.columns)
        else pd.Series(dtype="float64")
    )
    known, expected = (
        float(lines.get(line, math.nan)) for line in ("refunded", "expected_refunds")
    )
    if name not in ("net_amount", "profit") or not expected > known:
        return ""
    total, so_far = (text.money(amount, lang, currency) for amount in (expected, known))
    return text.choose(
        lang,
        f"只扣了已知退款 {so_far}，预计退款共 {total}",
        f"only known refunds of {so_far} are off; {total} expected in all",
    )


FINAL = {
    "net_amount": ("net", "expected_net"),
    "profit": ("profit_expected", "expected_profit"),
}  # result and line that hold what a card's amount will come to


def _final(name: str, results: Mapping[str, pd.DataFrame], lang: str, currency: str) -> str:
    """What money kept or earned comes to once all refunds are in, with its interval; empty where not known or nothing is to come."""
    table, line = FINAL.get(name, ("", ""))
    known = results.get(table, pd.DataFrame())
    own = (
        known[known["line"] == line]
        if {"line", "amount", "lower", "upper"} <= set(known.columns)
        else pd.DataFrame()
    )
    if own.empty or not own.iloc[0]["lower"] < own.iloc[0]["upper"]:
        return ""
    amount, bounds = (
        text.money(own.iloc[0]["amount"], lang, currency),
        text.interval(own.iloc[0]["lower"], own.iloc[0]["upper"], "money", lang, currency=currency),
    )
    return text.choose(
        lang, f"预计最终 {amount}（{bounds}）", f"in the end about {amount} ({bounds})"
    )


def _not_in(name: str, results: Mapping[str, pd.DataFrame], lang: str) -> str:
    """Which usual costs profit lacks, and that coupons count as paid on top where there are any."""
    told = results.get("profit", pd.DataFrame())
    if name != "profit" or not {"line", "measurable", "amount"} <= set(told.columns):
        return ""
    coupons = told.loc[told["line"].eq("coupon"), "amount"].lt(0).any()
    lacking = text.choose(
        lang, f"未计入{profit.left_out(told, lang)}", f"not included: {profit.left_out(told, lang)}"
    )
    return lacking + (
        text.choose(lang, "；优惠券算商家另付", "; coupons count as paid on top by the shop")
        if coupons
        else ""
    )


def _against(row: pd.Series, lang: str) -> dict[str, str]:
    outcome = row.get("outcome", row["verdict"])
    sign, style = SIGNS.get(outcome, ("", "quiet"))
    low, high = (
        text.signed(row[end] - 1, "percent", lang, decimals=0)
        for end in ("ratio_lower", "ratio_upper")
    )
    per_hour = (
        text.choose(lang, "，按每小时比", ", per hour")
        if row.get("per_hour") is True or row.get("per_hour") == 1
        else ""
    )
    change = text.signed(row["ratio"] - 1, "percent", lang, decimals=0)
    return {
        "change": text.choose(lang, f"较平时 {change}", f"{change} vs usual"),
        "range": text.choose(
            lang, f"正常范围 {low} 至 {high}{per_hour}", f"normal range {low} to {high}{per_hour}"
        )
        if text.NOTHING not in (low, high)
        else "",
        "style": style,
        "sign": sign,
        "verdict": _term("verdict", outcome, lang),
    }


def ads_cards(
    frame: pd.DataFrame, *, lang: str, registry: Mapping[str, reference.Metric], currency: str
) -> list[dict[str, str]]:
    """What was spent on ads and what they brought back by their own account, with the room's sources beside it; none without ads.

    Neither is judged: the usual is said, no range.
    """
    lines = frame.set_index("line") if "line" in frame else frame
    if "ads_account" not in lines.index:
        return []
    own, unit = (
        lines.loc["ads_account"],
        lambda name: {
            "decimals": None if registry[name].unit == "money" else registry[name].decimals,
            "currency": currency,
        },
    )
    plain = {"expected": "", "change": "", "style": "quiet", "sign": "", "verdict": ""}
    said = {
        "ad_cost": (own["cost"], own["usual_cost"], ("每场", " a session"), ""),
        "ads_amount_roi": (own["value"], own["baseline"], ("", ""), _earned_back(lines, lang)),
    }
    made = []
    for name in (one for one in ADS_CARDS if one in registry):
        value, usual, each, more = said[name]
        known = (
            text.value(usual, registry[name].unit, lang, **unit(name))
            if math.isfinite(usual)
            else ""
        )
        beside = (
            ""
            if name == "ads_amount_roi"
            else text.choose(
                lang,
                f"平时{each[0]} {known}（{own['n']:.0f} 场可比场次）",
                f"usually {known}{each[1]} ({own['n']:.0f} comparable sessions)",
            )
            if known
            else ""
        )
        made.append(
            plain
            | {
                "name": text.label(registry[name], lang),
                "value": text.value(value, registry[name].unit, lang, **unit(name)),
                "range": text.choose(lang, "；", "; ").join(filter(None, [beside, more])),
            }
        )
    return made


ADS_WORDS = {
    "ads_account": ("投放平台自己归因", "as the ads platform credits itself"),
    "traffic_sources": ("按付费来源进房的人", "by those who came through paid sources"),
}


def _earned_back(lines: pd.DataFrame, lang: str) -> str:
    """What each unit of money spent brought in by either account, and whether that earned the spend back: ads also claim those who came otherwise."""
    said = [
        _return(lines.loc[name], words, lang)
        for name, words in ADS_WORDS.items()
        if name in lines.index and math.isfinite(lines.loc[name, "value"])
    ]
    return (
        text.choose(lang, "；", "; ").join(
            [
                *said,
                text.choose(
                    lang, "都还没扣商品成本和退款", "cost of goods and refunds not yet off"
                ),
            ]
        )
        if said
        else ""
    )


def _return(row: pd.Series, words: tuple[str, str], lang: str) -> str:
    value, usual = (
        text.value(row[name], "ratio", lang, decimals=2) for name in ("value", "baseline")
    )
    known = (
        text.choose(lang, f"（平时 {usual}）", f" (usually {usual})")
        if math.isfinite(row["baseline"])
        else ""
    )
    paid = text.choose(
        lang,
        *(
            ("收回了花费", "spend earned back")
            if row["value"] >= 1
            else ("没收回花费", "spend not earned back")
        ),
    )
    return text.choose(
        lang, f"{words[0]} {value}{known}，{paid}", f"{words[1]} {value}{known}: {paid}"
    )


def waiting(cases: pd.DataFrame, lang: str) -> str:
    """After-sales cases of the account that are overdue or about to be; empty where none are."""
    hours = cases["hours_left"] if "hours_left" in cases else pd.Series(dtype="float64")
    late, soon = int(hours.lt(0).sum()), int(hours.ge(0).sum())
    if not late + soon:
        return ""
    zh, en = (
        [f"{late} 张已超时"] * bool(late) + [f"{soon} 张即将到期"] * bool(soon),
        [f"{late} overdue"] * bool(late) + [f"{soon} due soon"] * bool(soon),
    )
    return text.choose(lang, f"{'，'.join(zh)}（全账号）", f"{', '.join(en)} (whole account)")


def _lacking(name: str, results: Mapping[str, pd.DataFrame], lang: str) -> str:
    told = results.get("profit", pd.DataFrame())
    if name != "profit" or f"missing_{lang}" not in told or told.empty:
        return ""
    missing = text.plain(told.iloc[-1][f"missing_{lang}"], 60)
    return text.choose(lang, f"缺少：{missing}", f"missing: {missing}") if missing else ""


MOST_GOALS = 3
GOAL_STYLES = {"reached": "good", "off_target": "warn", "missed": "bad"}


def goals(
    frame: pd.DataFrame,
    found: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> list[dict[str, str]]:
    """The foremost goals, a line each: how much is reached, of the session or of a period still running; the finding that says it.

    A missed goal of the session's paid amount says how much of the gap is a goal above the usual,
    how much a session below it (`verdicts`). Goals of strategy come before those of tactics and
    execution, which the plan's part lists in full.
    """
    if not {"metric", "target"} <= set(frame.columns):
        return []
    tree = frame["level"] if "level" in frame else pd.Series("", index=frame.index)
    later = tree.map({"tactics": 1, "execution": 2}).fillna(0)
    usual = _usual_amount(verdicts)
    told = [
        _goal(row, usual, lang, registry, currency)
        | {"id": _proof(found, row["metric"], plan.goal_slice(row))}
        for row in frame.assign(_later=later)
        .sort_values("_later", kind="stable")
        .to_dict("records")
    ]
    return told[:MOST_GOALS]


def _proof(found: pd.DataFrame, metric: str, slice: str) -> str:
    """The id of the finding on a metric and slice; empty where there is none."""
    own = (
        found.loc[(found["metric"] == metric) & (found["slice"].fillna("") == slice), "id"]
        if {"metric", "slice"} <= set(found.columns)
        else pd.Series(dtype="str")
    )
    return own.iloc[0] if len(own) else ""


def _usual_amount(verdicts: pd.DataFrame) -> float:
    """The paid amount usual for a session of this length; nan without a baseline."""
    own = (
        verdicts[verdicts["metric"] == "paid_amount"]
        if {"metric", "baseline"} <= set(verdicts.columns)
        else pd.DataFrame()
    )
    if own.empty:
        return math.nan
    first = own.iloc[0]
    return float(first["baseline"]) * (
        float(first.get("denominator", math.nan)) if first.get("per_hour") in (True, 1) else 1.0
    )


def _gap(row: Mapping[str, Any], usual: float, lang: str, currency: str) -> str:
    """What a missed goal of the session's paid amount lacks, in two parts: the goal above the usual, the session below it."""
    target, value = float(row["target"]), float(row.get("value", math.nan))
    if (
        row.get("scope") != "session"
        or row["metric"] != "paid_amount"
        or not math.isfinite(usual)
        or not value < target
    ):
        return ""
    short, high, low, level = (
        text.money(amount, lang, currency)
        for amount in (target - value, target - usual, abs(usual - value), usual)
    )
    if usual <= value:
        return text.choose(
            lang,
            f"；少 {short}，是目标定得高于平时：同样时长平时 {level}，本场还多 {low}",
            (
                f". Short by {short}, because the goal is higher than a usual session of this "
                "length "
                f"({level}); this session sold {low} more than that"
            ),
        )
    if target <= usual:
        return text.choose(
            lang,
            f"；少 {short}，是本场低于平时：同样时长平时 {level}，本就够得着目标",
            (
                f". Short by {short}, because this session sold less than usual: a usual session "
                "of "
                f"this length ({level}) would have reached the goal"
            ),
        )
    return text.choose(
        lang,
        f"；少 {short}：其中 {high} 是目标高于平时（同样时长平时 {level}），{low} 是本场低于平时",
        (
            f". Short by {short}: {high} because the goal is higher than a usual session of this "
            f"length ({level}), {low} because this session sold less than usual"
        ),
    )


def _goal(
    row: Mapping[str, Any],
    usual: float,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, str]:
    state = row.get("state") or ""
    verdict = text.choose(lang, *compare.GOAL_STATES[state]) or text.choose(
        lang, "无法判断", "cannot tell"
    )
    scope = text.choose(
        lang,
        *("周期目标", "Goal of the period")
        if row.get("scope") == "period"
        else ("本场目标", "Goal of this session"),
    )
    words = plan.goal_words(row, lang=lang, registry=registry, currency=currency) + _gap(
        row, usual, lang, currency
    )
    if row.get("note") == "unknown_metric":
        words += text.choose(lang, "；", "; ") + row[f"note_{lang}"]
    return {
        "scope": scope,
        "words": words,
        "verdict": verdict,
        "style": GOAL_STYLES.get(state, "quiet"),
    }


def top_findings(
    frame: pd.DataFrame, *, lang: str, currency: str, most: int = 3
) -> list[dict[str, str]]:
    """The findings that matter most: the worse first, then by the money at stake; only where something was found.

    One of each source or product: what else is said of it is mostly the same money. The one that
    sums up others is said where the money went (`why`).
    """
    if frame.empty:
        return []
    told = frame[
        frame["verdict"].isin(["worse", "better"]) & (frame["slice"] != findings.JUDGEMENT)
    ]
    ranked = told.assign(_first=told["verdict"].map(SEVERITY), _money=-told["money_at_stake"].abs())
    ranked = ranked.sort_values(
        ["_first", "_money", "p_adjusted", "id"], kind="stable", na_position="last"
    )
    about = ranked["slice"].fillna("").map(findings.slice_key)
    ranked = ranked[about.eq("") | about.isin(findings.WHOLE) | ~about.duplicated()].head(most)
    return [
        {
            "id": row["id"],
            "words": text.plain(row[f"sentence_{lang}"], 500),
            "sign": SIGNS[row["verdict"]][0],
            "style": SIGNS[row["verdict"]][1],
            "verdict": _term("verdict", row["verdict"], lang),
            "money": _unsaid(
                _stake(row["money_at_stake"], lang, currency), row[f"sentence_{lang}"]
            ),
        }
        for row in ranked.to_dict("records")
    ]


def beside(
    told: list[dict[str, str]],
    results: Mapping[str, pd.DataFrame],
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> list[dict[str, str]]:
    """The findings with the cause that the records bear out, what of their gap can be won back, and what else happened meanwhile; each may be empty."""
    rows = results["findings"].set_index("id", drop=False).to_dict("index") if told else {}
    return [
        one
        | _bridge(rows[one["id"]], results, lang, registry, currency)
        | {
            "meanwhile": won_back.meanwhile_words(
                rows[one["id"]], results.get("verification", pd.DataFrame()), lang
            )
        }
        for one in told
    ]


def _bridge(
    row: Mapping[str, Any],
    results: Mapping[str, pd.DataFrame],
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
) -> dict[str, str]:
    """What the records say of one finding or plan line: cause and won_back, in words."""
    if row.get("verdict", "worse") != "worse":
        return {"cause": "", "won_back": ""}
    judged = results.get("causes", pd.DataFrame())
    known = won_back.borne_out(row, results.get("problems", pd.DataFrame()), judged)
    back = won_back.won_back_words(
        row,
        results.get("opportunity", pd.DataFrame()),
        judged,
        registry=registry,
        lang=lang,
        currency=currency,
    )
    return {
        "cause": won_back.cause_words(known, lang),
        "won_back": f"{back[:1].upper()}{back[1:]}{text.choose(lang, '。', '.')}" if back else "",
    }


def amounts_note(told: list[dict[str, str]], lang: str) -> str:
    """What the amounts of the findings are, and that they must not be added; empty with fewer than two."""
    both = (
        text.choose(
            lang,
            "“约少”是照平时相对水平应有的与实际之差；“补得回”只算其中现实能追回的，已扣预计退货。",
            (
                "“Less” is the gap to what its usual standing implies; “won back” is what can "
                "realistically be regained, expected returns taken off. "
            ),
        )
        if any(one["won_back"] for one in told)
        else ""
    )
    apart = (
        text.choose(
            lang, "金额之间有重叠，不能相加。", "The amounts overlap and must not be added."
        )
        if len(told) > 1
        else ""
    )
    return (both + apart).strip()


def _stake(amount: float, lang: str, currency: str) -> str:
    if amount is None or not math.isfinite(amount) or amount == 0:
        return ""
    shown = text.money(abs(amount), lang, currency)
    return text.choose(lang, f"约 {shown}", f"about {shown}")


def _unsaid(stake: str, sentence: str) -> str:
    """The amount, unless the sentence says it already."""
    return "" if stake and stake.split(" ")[-1] in sentence else stake


WHY = ("change", "step", "judgement")  # of the split's answers those that the first screen gives


def why(
    frame: pd.DataFrame,
    found: pd.DataFrame,
    lang: str,
    *,
    known: bool = False,
) -> list[dict[str, str]]:
    """The split analysis in a few sentences, each with its finding: what changed, through which step, who came or how it was sold.

    Of the last only the judgement itself; its figures stand in the part on the split. Where a cause
    is `known` from the records, it does not say that causes cannot be told apart.
    """
    answers = frame[frame["part"].isin(WHY)] if "part" in frame else frame
    lines = []
    for row in answers.to_dict("records"):
        words = row[f"sentence_{lang}"]
        if row["part"] == "judgement":
            words = _head(_settled(words, lang) if known else words)
        lines.append({"words": text.plain(words, 400), "id": _split_proof(row, found)})
    return lines


def _settled(words: str, lang: str) -> str:
    """A diagnosis without its bracket on causes of products that cannot be told apart."""
    return re.sub(
        r" ?[（(][^（()）]*" + re.escape(text.choose(lang, *split.OPEN)) + "[）)]", "", words
    )


def _head(words: str) -> str:
    """What is said before the first semicolon or full stop."""
    first = re.split(r"[。；]|; |\. ", words)[0].rstrip(".")
    return first + ("。" if re.search("[\u4e00-\u9fff]", first) and "。" in words else ".")


SPLIT_SLICES = {"change": "", "step": "formula", "judgement": findings.JUDGEMENT}


def _split_proof(answer: Mapping[str, Any], found: pd.DataFrame) -> str:
    """The finding behind an answer of the split (`split.argument`); else the part of the page itself."""
    return _proof(found, answer.get("proof", ""), SPLIT_SLICES[answer["part"]]) or "p04"


def actions(
    frame: pd.DataFrame,
    results: Mapping[str, pd.DataFrame],
    *,
    lang: str,
    registry: Mapping[str, reference.Metric],
    currency: str,
    most: int = 3,
) -> list[dict[str, str]]:
    """The first lines of the plan: what is done, by whom, what will verify it, what is at stake and what of it can be won back."""
    found = []
    sized, judged = (results.get(name, pd.DataFrame()) for name in ("opportunity", "causes"))
    for row in frame.head(most).to_dict("records"):
        action = _first(row, f"action_{lang}", "action")
        owner = _first(row, "owner", f"owner_role_{lang}", "owner_role")
        verify = _first(row, "verify", "verify_metric", "metric")
        problem = _first(row, f"problem_{lang}", "problem") or ""
        at_stake = _stake(row.get("money_at_stake", math.nan), lang, currency)
        back = (
            won_back.won_back_words(
                row, sized, judged, registry=registry, lang=lang, currency=currency
            )
            if at_stake
            else ""
        )
        doubt = (
            text.choose(lang, "问题只是疑似，先试", "only suspected: a trial")
            if row.get("certainty") == "suspected"
            else ""
        )
        found.append(
            {
                "id": _first(row, "plan_id") or "",
                "doubt": doubt,
                "words": text.plain(action, 200),
                "stage": text.plain(_first(row, "stage") or "", 60),
                "problem": text.plain(problem, 120),
                "owner": _term("role", owner, lang),
                "verify": plan.verified_by(row, registry[verify], lang, currency)
                if verify in registry
                else "",
                "money": text.choose(lang, "，", "; ").join(filter(None, [at_stake, back])),
            }
        )
    return [line for line in found if line["words"] != text.NOTHING]


def _first(row: Mapping[str, Any], *names: str) -> str | None:
    return next((row[name] for name in names if isinstance(row.get(name), str) and row[name]), None)


def quality(frame: pd.DataFrame, lang: str) -> dict[str, str]:
    """The data's light and its sentence; unknown where the data were not checked."""
    if frame.empty or "light" not in frame:
        return {
            "sign": "○",
            "style": "quiet",
            "light": text.choose(lang, "未核对", "not checked"),
            "words": "",
        }
    row = frame.iloc[0]
    sign, style = SIGNS.get(row["light"], ("○", "quiet"))
    return {
        "sign": sign,
        "style": style,
        "light": _term("light", row["light"], lang),
        "words": text.plain(row.get(f"sentence_{lang}", ""), 400),
    }


def row(
    session: pd.Series, results: Mapping[str, pd.DataFrame], *, currency: str
) -> dict[str, Any]:
    """What the index keeps of a published session: plain values, for run.json."""
    verdicts = results.get("verdicts", pd.DataFrame())
    read = "outcome" if "outcome" in verdicts else "verdict"
    judged = (
        verdicts.drop_duplicates("metric").set_index("metric")[read]
        if {"metric", read} <= set(verdicts.columns)
        else pd.Series(dtype=str)
    )
    lines, lights, goals = (
        results.get(name, pd.DataFrame()) for name in ("plan", "quality", "goals")
    )
    reached = (
        goals.loc[goals["scope"].eq("session"), "reached"].dropna()
        if {"scope", "reached"} <= set(goals.columns)
        else pd.Series(dtype=bool)
    )
    return {
        "paid_amount": _number(session.get("paid_amount")),
        "viewers": _number(session.get("viewers")),
        "currency": currency,
        "verdict": judged.get("paid_amount", "not_comparable"),
        "light": lights.iloc[0]["light"] if "light" in lights and len(lights) else "grey",
        "goals": [int(reached.astype(bool).sum()), len(reached)],
        "returns": _returns(results.get("expected_returns", pd.DataFrame())),
        "plan_lines": len(lines),
        "plan_open": int(lines["status"].eq("open").sum()) if "status" in lines else len(lines),
    }


def _returns(expected: pd.DataFrame) -> dict[str, Any] | None:
    """The refund rate of a session as it stands in the index: final once its window is over, else expected, and at what age."""
    whole = expected[expected["part"] == "all"] if "part" in expected else expected
    if whole.empty or not whole.iloc[0]["n"]:
        return None
    first = whole.iloc[0]
    return {
        "rate": _number(float(first["expected"])),
        "final": bool(first["final"]),
        "age_days": _number(float(first["age_days"])),
    }


def _returns_said(told: Mapping[str, Any] | None) -> str:
    """The refund rate in the index: final, expected (with a sign), or not yet to be told."""
    if not told or told.get("rate") is None:
        return text.NOTHING
    return text.percent(told["rate"]) if told["final"] else f"≈ {text.percent(told['rate'])}"


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and math.isfinite(value) else None


def _own(value: object) -> str:
    return text.plain(value) if isinstance(value, str) else ""
