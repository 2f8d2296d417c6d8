"""The three-way review that closes the meeting: data, behaviour, mechanism.

Source: 电商销售团队绩效管理与提升策略.
"""

import pandas as pd

from helpers import compare, reference
from helpers.core import text
from helpers.plan import verification
from helpers.plan.goals import COUNTED_STATES
from helpers.plan.lines import role_name

POINT_COLUMNS = ["aspect", "sentence_zh", "sentence_en"]
MOST_FAULTS, MOST_STANDARDS = 4, 3  # that a sentence names
LANGUAGES = ("zh", "en")
Sentence = tuple[str, str] | None  # zh, en; None: nothing to say


def three_way(
    *,
    levels: pd.DataFrame,
    verdicts: pd.DataFrame,
    problems: pd.DataFrame,
    judged: pd.DataFrame,
    notes: pd.DataFrame,
    earlier: pd.DataFrame,
    checked: pd.DataFrame,
    checks: pd.DataFrame,
    lines: pd.DataFrame,
) -> pd.DataFrame:
    """What came out (data), what was done (behaviour), what lets it happen again (mechanism).

    One row per point: aspect, sentence_zh, sentence_en.
    """
    points = {
        "data": [on_goals(levels), _on_metrics(verdicts), _on_problems(problems)],
        "behaviour": [
            _on_earlier_plans(earlier),
            on_verdicts(checked),
            _on_faults(checks),
            _on_notes(problems, notes),
        ],
        "mechanism": [
            _on_what_comes_again(problems, earlier),
            _on_standards(checked),
            _on_missing_records(judged, problems),
            _on_owners(lines),
        ],
    }
    rows = [(aspect, *point) for aspect, spoken in points.items() for point in spoken if point]
    return pd.DataFrame(rows, columns=POINT_COLUMNS)


def _joined(words: list[str], lang: str) -> str:
    return text.choose(lang, "；", "; ").join(words)


def on_goals(levels: pd.DataFrame) -> Sentence:
    """How many goals of each level are in which state, or that none was entered."""
    if levels.empty:
        return (
            "没有登记目标：下一场先定目标，再谈达成。",
            "No goal was entered: set one before the next session.",
        )
    terms, zh, en = reference.terms()["goal_level"], [], []
    for row in levels.to_dict("records"):
        label, goals = terms[row["level"]], row["goals"]
        states = [(*compare.GOAL_STATES[name], row[name]) for name in COUNTED_STATES if row[name]]
        zh.append(f"{label.zh} {goals} 项" + "".join(f"，{name} {n} 项" for name, _, n in states))
        counted = "".join(f", {n} {name}" for _, name, n in states)
        en.append(f"{label.en.lower()} {goals} goals{counted}")
    return f"目标完成：{_joined(zh, 'zh')}。", f"Goals: {_joined(en, 'en')}."


def _on_metrics(verdicts: pd.DataFrame) -> Sentence:
    if verdicts.empty:
        return None
    count = verdicts["outcome"].value_counts()
    better, worse, normal, open_ones = (
        int(count.get(name, 0)) for name in ("better", "worse", "normal", "cannot_tell")
    )
    return (
        (
            f"与可比场次相比：变好 {better} 项，变差 {worse} 项，正常波动内 {normal} 项，"
            f"无法判断 {open_ones} 项。"
        ),
        (
            f"Metrics against comparable sessions: better {better}, worse {worse}, "
            f"within normal range {normal}, cannot be told {open_ones}."
        ),
    )


def _on_problems(problems: pd.DataFrame) -> Sentence:
    if problems.empty:
        return "没有查到问题。", "No problem was found."
    certain = int(problems["certainty"].eq("found").sum())
    suspected, first = len(problems) - certain, problems.iloc[0]
    return (
        f"查到问题 {certain} 个，疑似 {suspected} 个；最要紧的是「{first['zh']}」。",
        f"Problems found: {certain}, suspected: {suspected}; foremost: {first['en']}.",
    )


def _on_earlier_plans(earlier: pd.DataFrame) -> Sentence:
    if earlier.empty:
        return (
            "以往没有计划，无从看执行。",
            "There is no earlier plan whose execution could be looked at.",
        )
    count, lines = earlier["status"].value_counts(), len(earlier)
    done, left, dropped = (int(count.get(name, 0)) for name in ("done", "open", "dropped"))
    return (
        f"以往计划 {lines} 条：已执行 {done}，待执行 {left}，已放弃 {dropped}。",
        f"Earlier plan lines: {lines}, of which done {done}, open {left}, dropped {dropped}.",
    )


def on_verdicts(checked: pd.DataFrame) -> Sentence:
    """How the actions that were done stand, counted; None where none was done."""
    done = [row for row in checked.to_dict("records") if row["verdict"] != "not_done"]
    count = pd.Series([verification.status(row) for row in done], dtype="str").value_counts()
    if count.empty:
        return None
    terms = reference.terms()["plan_verdict"]
    zh = [f"{terms[name].zh} {n}" for name, n in count.items()]
    en = [f"{terms[name].en.lower()} {n}" for name, n in count.items()]
    return f"执行了的：{_joined(zh, 'zh')}。", f"Of those done: {_joined(en, 'en')}."


def _on_faults(checks: pd.DataFrame) -> Sentence:
    raised = checks[checks["check_state"] == "raised"]
    by_hand, n = int(checks["check_state"].eq("by_hand").sum()), len(raised)
    first = raised.head(MOST_FAULTS).to_dict("records")
    zh, en = (
        _joined(
            [
                f"{role_name(row['role'], lang)}{text.choose(lang, '·', ': ')}{row[lang]}"
                for row in first
            ],
            lang,
        )
        for lang in LANGUAGES
    )
    if n > MOST_FAULTS:
        zh, en = f"{zh} 等", f"{en} and others"
    zh, en = (f"（{zh}）", f" ({en})") if n else ("", "")
    return (
        f"记录提示团队工作有 {n} 点要问{zh}，另有 {by_hand} 项要人工检查。",
        (
            f"Points that the records raise for the team's work: {n}{en}; "
            f"to be checked by hand: {by_hand}."
        ),
    )


def _on_notes(problems: pd.DataFrame, notes: pd.DataFrame) -> Sentence:
    noted = int(problems["noted"].astype(bool).sum())
    borne_out = int(notes["verdict"].eq("borne_out").sum())
    return (
        (
            f"上面 {len(problems)} 个问题里，团队自己提到过 {noted} 个；团队的 {len(notes)} "
            f"条记录里，数据支持 {borne_out} 条。"
        ),
        (
            f"The team itself noted {noted} of the {len(problems)} problems; the data bear out "
            f"{borne_out} of its {len(notes)} notes."
        ),
    )


def _on_what_comes_again(problems: pd.DataFrame, earlier: pd.DataFrame) -> Sentence:
    acted_on = set(earlier.loc[earlier["status"] == "done", "dimension"]) if len(earlier) else set()
    again = problems[problems["dimension"].isin(acted_on) & problems["certainty"].eq("found")]
    if again.empty:
        return None
    return (
        (
            f"反复出现：「{'」「'.join(again['zh'])}」所在的维度以往改过一次，这次又出现："
            "要写进流程，不能只靠一场。"
        ),
        (
            f"Again: {', '.join(again['en'])}; an earlier action was about the same dimension. "
            "Make it a rule, not a matter of one session."
        ),
    )


def _on_standards(checked: pd.DataFrame) -> Sentence:
    if checked.empty:
        return None
    worked = checked[checked["verdict"].eq("effective") & checked["final"].astype(bool)]
    actions = [text.plain(action, 60) for action in worked["action"].head(MOST_STANDARDS)]
    if not actions:
        return None
    return (
        f"有效的做法定为标准：{_joined(actions, 'zh')}。",
        f"Make standard what worked: {_joined(actions, 'en')}.",
    )


def _on_missing_records(judged: pd.DataFrame, problems: pd.DataFrame) -> Sentence:
    of_these = judged["problem"].isin(problems["problem"])
    unknown = judged[judged["verdict"].eq("not_measurable") & of_these]
    if unknown.empty:
        return None
    zh, en = (unknown[f"missing_{lang}"].value_counts().index[0] for lang in LANGUAGES)
    return (
        f"{len(unknown)} 个可能原因没有记录可查，最常缺的是：{zh}。指定一个岗位每场留存。",
        (
            f"Likely causes without a record to check them with: {len(unknown)}, most often "
            f"lacking: {en}. Name a role that keeps it every session."
        ),
    )


def _on_owners(lines: pd.DataFrame) -> Sentence:
    if lines.empty:
        return None
    undated = int((lines["status"].eq("open") & lines["due_session"].eq("")).sum())
    zh, en = (
        text.choose(lang, "、", ", ").join(
            role_name(role, lang) for role in dict.fromkeys(lines["owner_role"])
        )
        for lang in LANGUAGES
    )
    return (
        f"计划 {len(lines)} 条都有负责岗位（{zh}）；{undated} 条没写执行场次，按下一可比场次。",
        (
            f"Plan lines: {len(lines)}, each with an owner role ({en}); due at the next comparable "
            f"session, as none is named: {undated}."
        ),
    )
