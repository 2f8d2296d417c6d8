"""The first screen of a report: what the results say in a few words, frames in, words out."""

import math
import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers import compare, plan, split
from helpers.clean import data_quality
from helpers.core import findings, text
from helpers.plan import won_back
from helpers.report.cards import ads_cards, cards
from helpers.report.foremost import foremost
from helpers.report.goal_lines import goal_line, usual_amount
from helpers.report.heading import facts, title
from helpers.report.signs import SIGNS, term
from helpers.report.units import Registry


def make(
    session: pd.Series,
    results: Mapping[str, pd.DataFrame],
    *,
    lang: str,
    registry: Registry,
    currency: str,
) -> dict[str, Any]:
    """The first screen as words: title, facts, goals, cards, findings, actions, data quality.

    `results` holds verdicts, findings, plan, quality, profit, net, goals, ads_return and
    open_cases, each of which may be missing or empty: its words are then unknown, or not there.
    """
    saved = defaultdict(pd.DataFrame, results)
    words = {"lang": lang, "registry": registry, "currency": currency}
    chosen = foremost(saved, registry)
    lines = beside(top_findings(chosen, lang=lang, currency=currency), saved, **words)
    return {
        "title": title(session, lang),
        "session_id": session["session_id"],
        "facts": facts(session, lang),
        "goals": goals(saved["goals"], saved["findings"], saved["verdicts"], **words),
        "cards": cards(session, saved, **words) + ads_cards(saved, **words),
        "usual": [
            sentence
            for row in saved["usual"].to_dict("records")
            for sentence in compare.usual_words(row, lang)
        ],
        "findings": lines,
        "amounts": amounts_note(lines, lang),
        "compared": _compared(saved["verdicts"]),
        "actions": actions(in_order(saved["plan"], chosen), saved, **words),
        "why": why(
            saved["argument"],
            saved["findings"],
            lang,
            cause_known=any(line["cause"] for line in lines),
        ),
        "quality": quality(saved["quality"], lang),
        "waiting": waiting(saved["open_cases"], lang),
    }


def _compared(verdicts: pd.DataFrame) -> bool:
    """If no metric could be compared, no finding is no sign that all is well."""
    return "verdict" in verdicts and bool(verdicts["verdict"].ne("not_comparable").any())


def waiting(cases: pd.DataFrame, lang: str) -> str:
    """After-sales cases of the account that are overdue or about to be; empty where none are."""
    hours = cases["hours_left"] if "hours_left" in cases else pd.Series(dtype="float64")
    late, soon = int(hours.lt(0).sum()), int(hours.ge(0).sum())
    if not late + soon:
        return ""
    zh = [f"{late} 张已超时"] * bool(late) + [f"{soon} 张即将到期"] * bool(soon)
    en = [f"{late} overdue"] * bool(late) + [f"{soon} due soon"] * bool(soon)
    return text.choose(lang, f"{'，'.join(zh)}（全账号）", f"{', '.join(en)} (whole account)")


MOST_GOALS = 3


def goals(
    frame: pd.DataFrame,
    session_findings: pd.DataFrame,
    verdicts: pd.DataFrame,
    *,
    lang: str,
    registry: Registry,
    currency: str,
) -> list[dict[str, str]]:
    """The foremost goals, a line each: how much is reached, and the finding that says it.

    Goals of the session or of a period still running, those of strategy first; the plan's part
    lists all. A missed goal of the session's paid amount says how much of the gap is a goal above
    the usual, how much a session below it (`verdicts`).
    """
    if not {"metric", "target"} <= set(frame.columns):
        return []
    tree = frame["level"] if "level" in frame else pd.Series("", index=frame.index)
    later = tree.map({"tactics": 1, "execution": 2}).fillna(0)
    foremost = frame.assign(_later=later).sort_values("_later", kind="stable").head(MOST_GOALS)
    usual = usual_amount(verdicts)
    return [
        goal_line(row, usual, lang, registry, currency)
        | {"id": _proof(session_findings, row["metric"], plan.goal_slice(row))}
        for row in foremost.to_dict("records")
    ]


def _proof(session_findings: pd.DataFrame, metric: str, slice: str) -> str:
    ids = (
        session_findings.loc[
            (session_findings["metric"] == metric)
            & (session_findings["slice"].fillna("") == slice),
            "id",
        ]
        if {"metric", "slice"} <= set(session_findings.columns)
        else pd.Series(dtype="str")
    )
    return ids.iloc[0] if len(ids) else ""


def top_findings(rows: pd.DataFrame, *, lang: str, currency: str) -> list[dict[str, str]]:
    """The findings of `foremost` in words, with sign, verdict and what they are worth."""
    lines = []
    for row in rows.to_dict("records"):
        sentence, suspected = row[f"sentence_{lang}"], row["verdict"] == "suspected"
        sign, style = SIGNS["amber" if suspected else row["verdict"]]
        lines.append(
            {
                "id": row["id"],
                "words": text.plain(sentence, 500),
                "sign": sign,
                "style": style,
                "verdict": term("certainty" if suspected else "verdict", row["verdict"], lang),
                "money": won_back.worth_words(row["amount"], lang, currency)
                if suspected
                else _unsaid(_stake(row["money_at_stake"], lang, currency), sentence),
            }
        )
    return lines


def in_order(plan_lines: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """The lines of the plan, first one for each of the findings that matter most.

    Each is the foremost line about the same source or product; the rest keep their order.
    """
    if not {"slice"} <= set(plan_lines.columns):
        return plan_lines
    about = plan_lines["slice"].fillna("").map(findings.slice_key)
    keys = [findings.slice_key(slice) for slice in chosen["slice"] if slice]
    firsts = [plan_lines.index[about.eq(key)][0] for key in keys if about.eq(key).any()]
    return plan_lines.loc[[*firsts, *plan_lines.index.difference(firsts, sort=False)]]


def beside(
    lines: list[dict[str, str]],
    results: Mapping[str, pd.DataFrame],
    *,
    lang: str,
    registry: Registry,
    currency: str,
) -> list[dict[str, str]]:
    """The findings with cause, what can be won back, what else happened; each may be empty."""
    frame = results["findings"]
    rows = frame.set_index("id", drop=False).to_dict("index") if len(frame) else {}
    verified = results["verification"]
    return [
        line
        | _bridge(rows.get(line["id"], {}), results, lang, registry, currency)
        | {"meanwhile": won_back.meanwhile_words(rows.get(line["id"], {}), verified, lang)}
        for line in lines
    ]


def _bridge(
    row: Mapping[str, Any],
    results: Mapping[str, pd.DataFrame],
    lang: str,
    registry: Registry,
    currency: str,
) -> dict[str, str]:
    if row.get("verdict") != "worse":
        return {"cause": "", "won_back": ""}
    judged = results["causes"]
    cause = won_back.borne_out(row, results["problems"], judged)
    sized = results["opportunity"]
    back = won_back.won_back_words(
        row, sized, judged, registry=registry, lang=lang, currency=currency
    )
    stop = text.choose(lang, "。", ".")
    return {
        "cause": won_back.cause_words(cause, lang),
        "won_back": f"{back[:1].upper()}{back[1:]}{stop}" if back else "",
    }


def amounts_note(lines: list[dict[str, str]], lang: str) -> str:
    """What the amounts of the findings are, and that they must not be added; empty without two."""
    meant = text.choose(
        lang,
        "“约少”是照平时相对水平应有的与实际之差；“补得回”只算其中现实能追回的，已扣预计退货。",
        "“Less” is the gap to what its usual standing implies; “won back” is what can "
        "realistically be regained, expected returns taken off. ",
    )
    apart = text.choose(
        lang, "金额之间有重叠，不能相加。", "The amounts overlap and must not be added."
    )
    any_back = any(line["won_back"] for line in lines)
    return (meant * any_back + apart * (len(lines) > 1)).strip()


def _stake(amount: float, lang: str, currency: str) -> str:
    if amount is None or not math.isfinite(amount) or amount == 0:
        return ""
    shown = text.money(abs(amount), lang, currency)
    return text.choose(lang, f"约 {shown}", f"about {shown}")


def _unsaid(stake: str, sentence: str) -> str:
    return "" if stake and stake.split(" ")[-1] in sentence else stake


WHY = ("change", "step", "judgement")  # of the split's answers those that the first screen gives


def why(
    frame: pd.DataFrame,
    session_findings: pd.DataFrame,
    lang: str,
    *,
    cause_known: bool = False,
) -> list[dict[str, str]]:
    """The split analysis in a few sentences, each with its finding.

    Of the diagnosis only the judgement; where the records name a cause it does not say that causes
    cannot be told apart.
    """
    answers = frame[frame["part"].isin(WHY)] if "part" in frame else frame
    lines = []
    for row in answers.to_dict("records"):
        words = row[f"sentence_{lang}"]
        if row["part"] == "judgement":
            words = _head(_settled(words, lang) if cause_known else words)
        lines.append({"words": text.plain(words, 400), "id": _split_proof(row, session_findings)})
    return lines


def _settled(words: str, lang: str) -> str:
    """Without the bracket on causes of products that cannot be told apart."""
    return re.sub(
        r" ?[（(][^（()）]*" + re.escape(text.choose(lang, *split.OPEN)) + "[）)]", "", words
    )


def _head(words: str) -> str:
    first = re.split(r"[。；]|; |\. ", words)[0].rstrip(".")
    return first + ("。" if re.search("[\u4e00-\u9fff]", first) and "。" in words else ".")


SPLIT_SLICES = {"change": "", "step": "formula", "judgement": findings.JUDGEMENT}


def _split_proof(answer: Mapping[str, Any], session_findings: pd.DataFrame) -> str:
    """Else the part of the page itself."""
    return _proof(session_findings, answer.get("proof", ""), SPLIT_SLICES[answer["part"]]) or "p04"


def actions(
    frame: pd.DataFrame,
    results: Mapping[str, pd.DataFrame],
    *,
    lang: str,
    registry: Registry,
    currency: str,
    most: int = 3,
) -> list[dict[str, str]]:
    """The plan's first lines: what, by whom, how verified, what is at stake and can be won back."""
    lines = []
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
        lines.append(
            {
                "id": _first(row, "plan_id") or "",
                "doubt": doubt,
                "words": text.plain(action, 200),
                "stage": text.plain(_first(row, "stage") or "", 60),
                "problem": text.plain(problem, 120),
                "owner": term("role", owner, lang),
                "due": text.plain(row.get("due_session") or "", 60)
                or text.choose(lang, "下一场", "the next session"),
                "verify": plan.verified_by(row, registry[verify], lang, currency)
                if verify in registry
                else "",
                "money": text.choose(lang, "，", "; ").join(filter(None, [at_stake, back])),
            }
        )
    return [line for line in lines if line["words"] != text.NOTHING]


def _first(row: Mapping[str, Any], *names: str) -> str | None:
    return next((row[name] for name in names if isinstance(row.get(name), str) and row[name]), None)


def quality(frame: pd.DataFrame, lang: str) -> dict[str, str]:
    """The data's light and its sentence; unknown where the data were not checked.

    While questions are open the light names them, and is at best that of a difference.
    """
    checked = len(frame) and "light" in frame
    row = frame.iloc[0] if checked else {"light": None}
    asked = int(row.get("questions", 0))
    seen = "amber" if asked and row["light"] == "green" else row["light"]
    sign, style = SIGNS.get(seen, ("○", "quiet"))
    light = term("light", row["light"], lang)
    if asked:
        light += text.choose(lang, "，", "; ") + data_quality.not_understood(asked, lang)
    unchecked = text.choose(lang, "未核对", "not checked")
    return {
        "sign": sign,
        "style": style,
        "light": light if checked else unchecked,
        "words": text.plain(row.get(f"sentence_{lang}", ""), 400),
    }
