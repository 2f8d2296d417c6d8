"""The first layer: what decides, on one sheet, in words that can be read aloud."""

from collections.abc import Mapping
from typing import Any

from helpers.core import text
from helpers.report import statements
from helpers.report.brief.figures import figures, usual
from helpers.report.brief.goals import goals
from helpers.report.brief.setting import Setting, asking
from helpers.report.brief.standouts import matters, strengths

MOST = 3  # strengths, findings, actions and questions


def make(first: Mapping[str, Any], of: Setting) -> dict[str, Any]:
    """The brief as words and, for each, the statement behind it; `first` is `first_screen.make`.

    A statement that does not hold, or that contradicts one before it, is left out: `left_out` says
    how many.
    """
    blocks = {
        "goals": goals(of),
        "figures": figures(of),
        "matters": matters(of),
        "strengths": strengths(of),
    }
    everything = [
        line["statement"] for lines in blocks.values() for line in lines if line["statement"]
    ]
    wrong = statements.faults(everything, of.results)
    kept = {
        name: [line for line in lines if not line["statement"] or line["statement"].id not in wrong]
        for name, lines in blocks.items()
    }
    return {
        **{name: first[name] for name in ("title", "facts", "quality", "session_id")},
        **kept,
        "left_out": len(wrong),
        "statements": [statement for statement in everything if statement.id not in wrong],
        "usual": usual(of),
        "actions": [action | {"proof": action["id"]} for action in first["actions"]],
        "asked": _asked(of),
        "overdue": _overdue(of),
        "compared": first["compared"],
    }


def _asked(of: Setting) -> list[str]:
    frame = of.results["questions"]
    if not {"question", "users", "product", "unanswered"} <= set(frame.columns):
        return []
    rows = frame.sort_values(["users", "unanswered"], ascending=False, kind="stable").head(MOST)
    return [
        of.t("：", ": ").join(
            filter(
                None, [text.plain(row["product"], 30) if row["product"] else "", asking(of, row)]
            )
        )
        for _, row in rows.iterrows()
    ]


def _overdue(of: Setting) -> str:
    cases = of.results["open_cases"]
    if "hours_left" not in cases:
        return ""
    late, soon = cases[cases["hours_left"].lt(0)], cases[cases["hours_left"].ge(0)]
    if late.empty and soon.empty:
        return ""
    words = []
    if len(late):
        worst = -float(late["hours_left"].min())
        words.append(
            of.t(
                f"全账号 {len(late)} 张售后单已超时，最久的超了 {worst:.0f} 小时",
                f"{len(late)} after-sales cases of the account are overdue, the worst by "
                f"{worst:.0f} hours",
            )
        )
    if len(soon):
        words.append(of.t(f"{len(soon)} 张快到期", f"{len(soon)} are due soon"))
    return of.t("；", "; ").join(words) + of.t("。", ".")
