"""A sheet for each role: its own figures, minutes and products, faults to tick, and actions."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.report.brief.setting import Setting, asking, clock
from helpers.report.signs import SIGNS, term

MOST_ROWS = 14  # of a table, so that a sheet stays one A4
MOST_LINES = 5
STANDING = {"above": "better", "below": "worse", "cannot_tell": "normal"}
Block = dict[str, Any]  # title, and either heads with rows, or lines, or boxes to tick


def make(
    name: str,
    layer: Mapping[str, Any],
    of: Setting,
    cards: Mapping[str, reference.RoleCard],
) -> dict[str, Any]:
    """The sheet of a name of `brief.yml`: title, facts and blocks.

    `layer` is `brief.make`, `cards` are those of the roles.
    """
    sheet = of.words.sheets[name]
    blocks = [
        _figures(of, sheet.roles),
        _went_well(of, layer, sheet.roles, cards),
        _to_change(of, sheet.roles),
        *(TABLES[block](of, layer) for block in sheet.blocks),
        _actions(of, sheet.roles),
        _checks(of, sheet.roles),
    ]
    return {
        "name": text.label(sheet, of.lang),
        "title": layer["title"],
        "facts": layer["facts"],
        "blocks": [block for block in blocks if block],
    }


EMPTY: Block = {"heads": [], "rows": [], "lines": [], "boxes": []}


def _block(title: str, **content: list[str]) -> Block:
    return EMPTY | {"title": title} | content if any(content.values()) else {}


def _table(title: str, heads: list[str], rows: list[list[str]]) -> Block:
    return EMPTY | {"title": title, "heads": heads, "rows": rows[:MOST_ROWS]} if rows else {}


def _of_roles(of: Setting, result: str, roles: tuple[str, ...], column: str) -> pd.DataFrame:
    frame = of.results[result]
    return frame[frame[column].isin(roles)] if column in frame else frame.iloc[:0]


def _judgement(of: Setting, verdict: str) -> str:
    """Sign and plain words of a verdict."""
    sign = SIGNS.get(verdict, ("", ""))[0]
    named = of.words.verdicts.get(verdict)
    return f"{sign} {text.label(named, of.lang)}".strip() if named else text.NOTHING


def _figures(of: Setting, roles: tuple[str, ...]) -> Block:
    rows = _of_roles(of, "scorecard", roles, "role").drop_duplicates("metric") if roles else []
    heads = [of.t("看什么", "What"), of.t("本场", "This session"), of.t("平时", "Usual")]
    return _table(
        of.t("你的数字", "Your figures"),
        [*heads, of.t("怎么看", "Judgement")],
        [
            [
                of.name(row["metric"]),
                of.value(row["metric"], row["value"]),
                of.value(row["metric"], row["baseline"]),
                _judgement(of, row["verdict"]),
            ]
            for row in (rows.to_dict("records") if len(rows) else [])
        ],
    )


def _went_well(
    of: Setting,
    layer: Mapping[str, Any],
    roles: tuple[str, ...],
    cards: Mapping[str, reference.RoleCard],
) -> Block:
    """Strengths by a metric of the role's card, or by an action or a goal that is its own."""
    if not roles:
        return _block(
            of.t("做得好的", "What went well"),
            lines=[line["words"] for line in layer["strengths"]][:MOST_LINES],
        )
    metrics = {line.metric for role in roles for line in cards[role].metrics}
    if SPEAKING.intersection(roles):
        metrics.add("orders_per_1000")
    lines = [line["words"] for line in layer["strengths"] if line["statement"].metric in metrics]
    unseen = _of_roles(of, "role_checks", roles, "role")
    if len(unseen):
        unseen = unseen[unseen["check_state"].eq("not_seen")]
        lines += [
            of.t(
                f"记录里没看到「{row[of.lang]}」：{row[f'evidence_{of.lang}']}",
                f"Not seen in the records: {row[of.lang].lower()} ({row[f'evidence_{of.lang}']})",
            )
            for row in unseen.to_dict("records")
        ]
    return _block(of.t("做得好的", "What went well"), lines=lines[:MOST_LINES])


SPEAKING = {"host", "assistant_host"}  # whose explanations they are


def _to_change(of: Setting, roles: tuple[str, ...]) -> Block:
    checked = _of_roles(of, "role_checks", roles, "role")
    if checked.empty:
        return {}
    stop = of.t("：", ": ")
    lines = [
        f"{text.plain(row[of.lang])}{stop}{text.plain(row[f'evidence_{of.lang}'], 160)}"
        for row in checked[checked["check_state"].eq("raised")].to_dict("records")
    ]
    nothing = of.t(
        "记录里没查到要改的；下面几条靠自己勾。",
        "The records show nothing to change; what is below is for you to tick.",
    )
    return _block(of.t("要改的", "What to change"), lines=lines[:MOST_LINES] or [nothing])


def _actions(of: Setting, roles: tuple[str, ...]) -> Block:
    """The role's own plan lines, with a place to answer."""
    rows = _of_roles(of, "plan", roles, "owner_role")
    heads = [of.t("做什么", "What"), of.t("为什么", "Why"), of.t("什么时候", "When")]
    return _table(
        of.t("你要做的", "Your actions"),
        [*heads, of.t("做了没 / 说明", "Done? / note")],
        [
            [
                text.plain(_either(row, of, "action"), 120),
                text.plain(_either(row, of, "problem"), 60),
                text.plain(row.get("due_session") or "", 40) or of.t("下一场", "the next session"),
                "",
            ]
            for row in rows.head(MOST_LINES).to_dict("records")
        ],
    )


def _either(row: Mapping[str, Any], of: Setting, name: str) -> str:
    return row.get(f"{name}_{of.lang}") or row.get(name) or ""


def _checks(of: Setting, roles: tuple[str, ...]) -> Block:
    rows = _of_roles(of, "role_checks", roles, "role")
    rows = rows[rows["check_state"].eq("by_hand")] if len(rows) else rows
    return _block(
        of.t("自己勾一下（有就打勾，写一句）", "To tick (where it happened, with a word)"),
        boxes=[text.plain(row[of.lang]) for row in rows.to_dict("records")],
    )


# ----------------------------------------------------------------------------------------- tables


def _explanations(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["spans"]
    if not {"start_minute", "end_minute", "orders", "paid_amount", "standing"} <= set(frame):
        return {}
    rows = [
        [
            f"{clock(of.session, row['start_minute'])}–{clock(of.session, row['end_minute'])}",
            text.plain(row[f"label_{of.lang}"], 30),
            text.number(row["orders"], of.lang),
            of.money(row["paid_amount"]),
            _judgement(of, STANDING.get(row["standing"], "")),
            _unanswered(of, row["product_id"]),
        ]
        for row in frame.to_dict("records")
    ]
    heads = (
        ("几点", "When"),
        ("讲什么", "On what"),
        ("单数", "Orders"),
        ("卖了", "Sold"),
        ("比全场", "Against the session"),
        ("问了没人打字回", "Asked, no written answer"),
    )
    return _table(of.t("每一段讲解", "Each explanation"), [of.t(*words) for words in heads], rows)


def _unanswered(of: Setting, product: object) -> str:
    frame = of.results["questions"]
    if not {"product_id", "unanswered", "users"} <= set(frame):
        return text.NOTHING
    rows = frame[frame["product_id"].eq(product) & frame["unanswered"].gt(0)]
    if rows.empty:
        return text.NOTHING
    row = rows.sort_values("unanswered", kind="stable").iloc[-1]
    return f"{row[f'question_{of.lang}']} {row['unanswered']:.0f}"


def _questions(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["questions"]
    if not {"unanswered", "users", "product"} <= set(frame):
        return {}
    rows = frame[frame["unanswered"].gt(0)].sort_values(
        ["unanswered", "users"], ascending=False, kind="stable"
    )
    lines = [
        (f"{text.plain(row['product'], 30)}{of.t('：', ': ')}" if row["product"] else "")
        + asking(of, row)
        for _, row in rows.head(MOST_LINES).iterrows()
    ]
    return _block(
        of.t("下次要先答的（观众问了没人打字回）", "To answer first next time"), lines=lines
    )


def _sources(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["sources"]
    columns = ["source", "viewers", "paid_amount", "room_conversion", "ad_cost", "standing"]
    if not set(columns) <= set(frame):
        return {}
    rows = [
        [
            text.plain(row["source"], 20),
            text.number(row["viewers"], of.lang),
            of.value("room_conversion", row["room_conversion"]),
            of.money(row["paid_amount"]),
            of.money(row["ad_cost"]) if math.isfinite(row["ad_cost"]) else text.NOTHING,
            _judgement(of, STANDING.get(row["standing"], "")),
        ]
        for row in frame.to_dict("records")
    ]
    heads = (
        ("来源", "Source"),
        ("进来的人", "People"),
        ("买了的", "Bought"),
        ("卖了", "Sold"),
        ("花了", "Spent"),
        ("比别的来源", "Against the others"),
    )
    return _table(of.t("每个来源", "Each source"), [of.t(*words) for words in heads], rows)


def _products(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["products"]
    columns = ["product_id", "name", "orders", "paid_amount", "click_standing", "pay_standing"]
    if not set(columns) <= set(frame):
        return {}
    kept = of.results["assortment"]
    named = f"decision_{of.lang}"
    decided = dict(zip(kept["product_id"], kept[named], strict=True)) if named in kept else {}
    rows = [
        [
            text.plain(row["name"], 30),
            text.number(row["orders"], of.lang),
            of.money(row["paid_amount"]),
            _judgement(of, STANDING.get(row["click_standing"], "")),
            _judgement(of, STANDING.get(row["pay_standing"], "")),
            decided.get(row["product_id"], text.NOTHING),
        ]
        for row in frame.to_dict("records")
    ]
    heads = (
        ("商品", "Product"),
        ("单数", "Orders"),
        ("卖了", "Sold"),
        ("点的人", "Clicks"),
        ("点了买的", "Bought"),
        ("建议", "Advice"),
    )
    return _table(of.t("每个商品", "Each product"), [of.t(*words) for words in heads], rows)


RATES = {
    "click": ("点商品", "clicks"),
    "sales": ("出单", "orders"),
    "interaction": ("互动", "comments"),
    "fans": ("涨粉", "follows"),
    "leaving": ("走人", "people leaving"),
}


def _stretches(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["stretches"]
    if not {"rate_of", "start_minute", "per_1000", "usual_per_1000", "apart"} <= set(frame):
        return {}
    apart = frame[frame["apart"].abs().ge(3) & frame["rate_of"].isin(RATES)]
    rows = [
        [
            f"{clock(of.session, row['start_minute'])}–{clock(of.session, row['end_minute'])}",
            of.t(*RATES[row["rate_of"]]),
            of.t("比这时候平常多", "more than usual then")
            if row["apart"] > 0
            else of.t("比这时候平常少", "less than usual then"),
            text.number(row["per_1000"] / row["usual_per_1000"], of.lang, 1)
            + of.t(" 倍", " times"),
        ]
        for row in apart.sort_values("start_minute", kind="stable").to_dict("records")
    ]
    heads = (("几点", "When"), ("什么", "What"), ("怎样", "How"), ("是平常的", "Of the usual"))
    return _table(
        of.t("不一样的几段", "Stretches that stand out"), [of.t(*words) for words in heads], rows
    )


def _service(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["service_tasks"]
    if not {"zh", "en", "done", "n"} <= set(frame):
        return {}
    rows = [
        [
            text.plain(row[of.lang], 40),
            f"{row['done']:.0f} / {row['n']:.0f}" if row["n"] else text.NOTHING,
            text.plain(row.get(f"lacks_{of.lang}") or "", 60) or text.NOTHING,
        ]
        for row in frame.to_dict("records")
    ]
    heads = (("什么", "What"), ("办了", "Done"), ("还缺", "Lacking"))
    table = _table(of.t("售后的事", "After-sales"), [of.t(*words) for words in heads], rows)
    return table | {"lines": [layer["overdue"]]} if layer["overdue"] and table else table


def _goals(of: Setting, layer: Mapping[str, Any]) -> Block:
    lines = [f"{goal['verdict']} · {goal['words']}" for goal in layer["goals"]]
    return _block(of.t("目标", "Goals"), lines=lines)


def _all_figures(of: Setting, layer: Mapping[str, Any]) -> Block:
    heads = (
        ("看什么", "What"),
        ("本场", "This session"),
        ("目标", "Goal"),
        ("平时", "Usual"),
        ("上一场", "Last"),
        ("怎么看", "Judgement"),
    )
    rows = [
        [
            row["name"],
            row["value"],
            row["goal"],
            row["usual"],
            row["last"],
            f"{row['sign']} {row['judgement']}".strip(),
        ]
        for row in layer["figures"]
    ]
    return _table(of.t("数字", "Figures"), [of.t(*words) for words in heads], rows)


def _all_matters(of: Setting, layer: Mapping[str, Any]) -> Block:
    stop = of.t("：", ": ")
    return _block(
        of.t("最要紧的", "What matters most"),
        lines=[
            f"{line['where']}{stop}{line['words']}{_bracketed(of, line['amount'])}"
            for line in layer["matters"]
        ],
    )


def _bracketed(of: Setting, words: str) -> str:
    return of.t(f"（{words}）", f" ({words})") if words else ""


def _all_actions(of: Setting, layer: Mapping[str, Any]) -> Block:
    frame = of.results["plan"]
    heads = (("谁", "Who"), ("做什么", "What"), ("什么时候", "When"), ("定了没", "Decided"))
    rows = [
        [
            term("role", row["owner_role"], of.lang),
            text.plain(_either(row, of, "action"), 120),
            text.plain(row.get("due_session") or "", 40) or of.t("下一场", "the next session"),
            "",
        ]
        for row in (frame if "owner_role" in frame else frame.iloc[:0]).head(8).to_dict("records")
    ]
    return _table(of.t("谁做什么", "Who does what"), [of.t(*words) for words in heads], rows)


TABLES = {
    "explanations": _explanations,
    "questions": _questions,
    "sources": _sources,
    "products": _products,
    "stretches": _stretches,
    "service": _service,
    "goals": _goals,
    "figures": _all_figures,
    "matters": _all_matters,
    "actions": _all_actions,
}
