"""One problem in seven aspects (5W2H): four from the data, three proposed to the team.

Source: 直播复盘与售后跟踪.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers import reference
from helpers.core import findings, text
from helpers.plan.lines import term_names
from helpers.plan.problems import problem_figures

NO_5W2H = pd.DataFrame({"aspect": [], "content": [], "origin": []}, dtype="str")
EVIDENCE, PROPOSED = ("来自数据", "from the data"), ("建议，待确认", "proposed, to be confirmed")
ASPECTS = {  # by name: in Chinese, and its origin
    "What": ("什么问题", EVIDENCE),
    "When": ("何时", EVIDENCE),
    "Where": ("何处", EVIDENCE),
    "How much": ("多大", EVIDENCE),
    "Who": ("谁", PROPOSED),
    "Why": ("为何", PROPOSED),
    "How": ("怎么做", PROPOSED),
}
MOST_SLICES, MOST_OPEN = 3, 3  # that are named
TIMED = ("stock_out_minutes", "event_count", "event_in_force", "ads_waste")  # rules with a clock
PLACED = ("ads_waste",)  # rules that name a place that no finding has


def _recorded(judged: pd.DataFrame, rules: tuple[str, ...], lang: str) -> str:
    """What the records say of the supported causes with these rules."""
    held = judged[judged["verdict"].eq("supported") & judged["rule"].isin(list(rules))]
    facts = held.get(f"fact_{lang}", pd.Series(dtype="str")).dropna()
    return text.choose(lang, "；", "; ").join(dict.fromkeys(filter(None, facts)))


def _when(problem: pd.Series, session: pd.Series, judged: pd.DataFrame, lang: str) -> str:
    """The minutes of the problem, else the times of what the records say caused it."""
    start = f"{session['started_at']:%Y-%m-%d %H:%M}"
    times = _recorded(judged, TIMED, lang)
    if times and not np.isfinite(problem["minute_from"]):
        return text.choose(lang, f"{start} 开播，{times}", f"session of {start}: {times}")
    if not np.isfinite(problem["minute_from"]):
        return text.choose(lang, f"{start} 开播，全场", f"session of {start}, throughout")
    minutes = f"{problem['minute_from']:.0f}–{problem['minute_to']:.0f}"
    return text.choose(
        lang, f"{start} 开播，第 {minutes} 分钟", f"session of {start}, minutes {minutes}"
    )


def _where(
    problem: pd.Series,
    entry: reference.Problem | None,
    review_findings: pd.DataFrame,
    judged: pd.DataFrame,
    lang: str,
) -> str:
    """A problem of the whole session names the parts of all worse findings of its dimension."""
    stages = text.choose(lang, "全部环节", "all stages")
    if entry is not None and entry.stages != "all":
        stages = term_names(",".join(entry.stages), "stage", lang) or stages
    near = review_findings["dimension"].eq(problem["dimension"]) & review_findings["verdict"].eq(
        "worse"
    )
    near &= problem["slice"] == ""
    slices = review_findings[review_findings["id"].isin(problem["findings"].split(",")) | near][
        "slice"
    ].fillna("")
    names = [
        text.plain(findings.slice_name(slice), 30)
        for slice in slices.unique()
        if slice not in findings.WHOLE
    ]
    if problem["slice"] and findings.slice_name(problem["slice"]) not in names:
        names.insert(0, text.plain(findings.slice_name(problem["slice"]), 30))
    named = text.choose(lang, "、", ", ").join(names[:MOST_SLICES])
    places = _recorded(judged, PLACED, lang)
    return text.choose(lang, "；", "; ").join(filter(None, [stages, named, places]))


def _why(judged: pd.DataFrame, lang: str) -> str:
    supported = judged[judged["verdict"] == "supported"]
    if len(supported):
        causes = zip(supported[lang], supported[f"evidence_{lang}"], strict=True)
        return text.choose(lang, "；", "; ").join(
            text.choose(lang, f"{name}（依据：{words}）", f"{name} (evidence: {words})")
            for name, words in causes
        )
    undecided = judged.loc[judged["verdict"] == "not_measurable", lang].head(MOST_OPEN)
    listed = text.choose(lang, "、", ", ").join(undecided)
    return text.choose(
        lang,
        f"记录未支持任何一个常见原因；待查：{listed}",
        f"the records support none of the usual causes; to be looked into: {listed}",
    )


def _who(owners: list[str], people: list[str], lang: str) -> str:
    first = term_names(",".join(owners), "role", lang)
    others = term_names(",".join(role for role in people if role not in owners), "role", lang)
    if not first:
        return others
    answers = text.choose(lang, f"{first}负责", f"answers for it: {first}")
    return answers + (
        text.choose(lang, f"；{others}参与", f"; taking part: {others}") if others else ""
    )


def five_w_two_h(
    problem: pd.Series,
    judged: pd.DataFrame,
    drafted: pd.DataFrame,
    playbook: Mapping[str, reference.Problem],
    review_findings: pd.DataFrame,
    session: pd.Series,
    *,
    registry: Mapping[str, reference.Metric],
    lang: str,
    currency: str = "CNY",
) -> pd.DataFrame:
    """5W2H of one problem: seven rows, columns aspect, content, origin (evidence or proposed).

    What, when, where and how much come from the findings, the rest are proposals for the team.
    `judged` is `judge_causes`, `drafted` is `draft`.
    """
    name = problem["problem"]
    entry, lines = playbook.get(name), drafted[drafted["problem_id"] == name]
    mine = judged[judged["problem"] == name]
    if lines.empty:  # what another line acts on is done by that line's owner
        shared = mine.loc[mine["verdict"] == "supported", "cause"]
        lines = drafted[drafted["cause_id"].isin(shared)]
    people = entry.people if entry else []
    owners = list(dict.fromkeys(lines["owner_role"])) or people[:1]
    general = text.label(entry.action, lang) if entry else ""
    how_much = problem_figures(problem, registry, lang, currency)
    if np.isfinite(problem["money_at_stake"]):
        money = text.value(problem["money_at_stake"], "money", lang, currency=currency)
        how_much += text.choose(lang, f"；涉及 {money}", f"; {money} at stake")
    contents = {
        "What": problem[lang],
        "When": _when(problem, session, mine, lang),
        "Where": _where(problem, entry, review_findings, mine, lang),
        "How much": how_much,
        "Who": _who(owners, people, lang),
        "Why": _why(mine, lang),
        "How": text.choose(lang, "；", "; ").join(lines[f"action_{lang}"]) or general,
    }
    rows = [
        {
            "aspect": text.choose(lang, f"{zh} {aspect}", aspect),
            "content": contents[aspect],
            "origin": text.choose(lang, *origin),
        }
        for aspect, (zh, origin) in ASPECTS.items()
    ]
    return pd.DataFrame(rows)
