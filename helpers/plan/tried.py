"""Which actions earlier plans tried and how they came out: what failed is not proposed again."""

from collections.abc import Mapping

import pandas as pd

from helpers import reference
from helpers.core import text
from helpers.plan import parts, verification

FAILED = ("not_effective", "harmful")  # then an action is not proposed again
Action = tuple[str, frozenset[str]] | str


def action_ids(playbook: Mapping[str, reference.Problem]) -> dict[tuple[str, str], str]:
    """The id of what is done, by problem and cause ("" where none is known).

    It is that of the first entry of the playbook with the same action.
    """
    first: dict[tuple[str, str], str] = {}
    ids = {}
    for name, problem in playbook.items():
        ids[name, ""] = first.setdefault((problem.action.zh, problem.action.en), name)
        for cause in problem.causes:
            action = cause.action or problem.action
            place = f"{name}.{cause.id}" if cause.action else name
            ids[name, cause.id] = first.setdefault((action.zh, action.en), place)
    return ids


def action_of(row: Mapping[str, object]) -> Action:
    """What tells a line's action from others: its id and what it is about, else its sentence."""
    action = row.get("action_id")
    if isinstance(action, str) and action:
        return action, frozenset(parts.ids(row["parts"]))
    return str(row["action"])


def tried(checked: pd.DataFrame) -> dict[Action, str]:
    """How each action (`action_of`) stands by what was said of it last.

    `checked` has the newest plan first. Not done only where nothing else was said.
    """
    latest: dict[Action, str] = {}
    for row in reversed(checked.to_dict("records")):
        status, action = verification.status(row), action_of(row)
        if status != "not_done" or action not in latest:
            latest[action] = status
    return latest


def refined(
    row: dict[str, object],
    entry: reference.Problem,
    latest: Mapping[Action, str],
    general_id: str,
) -> dict[str, object]:
    """A drafted line that knows whether its action was tried, and is another one where that failed.

    `latest` is `tried`, `general_id` that of the problem's general action.
    """
    names = (action_of(row), row["action_zh"], row["action_en"])
    status = next((latest[name] for name in names if name in latest), "")
    if not status:
        return row
    term, line = reference.terms()["plan_verdict"][status], dict(row)
    line["evidence_zh"] = f"{row['evidence_zh']}；同样的办法上次：{term.zh}"
    line["evidence_en"] = f"{row['evidence_en']}; the same was tried before: {term.en.lower()}"
    if not _failed(status):
        return line
    general = {"action_id": general_id, "parts": ""}
    words = {f"action_{lang}": text.label(entry.action, lang) for lang in ("zh", "en")}
    names = (action_of(general), *words.values())
    if names[0] != action_of(row) and not any(_failed(latest.get(name, "")) for name in names):
        return line | general | words
    return line | {
        "action_id": "",
        "parts": "",
        "action_zh": f"换一个办法（原办法{term.zh}）：由负责岗位提出",
        "action_en": f"Another way, which the owner proposes (the last one: {term.en.lower()})",
    }


def _failed(status: str) -> bool:
    return status.removesuffix("_so_far") in FAILED
