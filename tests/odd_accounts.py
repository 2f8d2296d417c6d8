"""Small accounts with something odd about the session under review, as workspaces.

And a notebook run in this process.
"""

from __future__ import annotations

import ast
import datetime as dt
from pathlib import Path

import nbformat
import numpy as np

from helpers import reference
from helpers.core import places, text
from tests.made_files import workbook

HOUR = dt.timedelta(hours=1)


def session(
    start: dt.datetime,
    *,
    hours: float = 4.0,
    viewers: int = 8000,
    room: str = "shop1",
    seed: int = 0,
    host: str = "小李",
) -> dict:
    """One session as a person types it: viewers, clicks, buyers and amounts that hang together."""
    rng = np.random.default_rng([seed, int(start.timestamp())])
    clicks, payers = rng.binomial(viewers, 0.12), rng.binomial(viewers, 0.02)
    return {
        "platform": "抖音",
        "room": room,
        "host": host,
        "started_at": start,
        "ended_at": start + hours * HOUR,
        "viewers": viewers,
        "product_click_users": clicks,
        "pay_users": payers,
        "orders": payers,
        "paid_amount": round(payers * float(rng.normal(80, 8)), 2) if payers else 0,
        "new_fans": rng.binomial(viewers, 0.015),
        "refund_amount": 0,
    }


def evenings(first: str, count: int, days: int = 3, clock: int = 20, **more) -> list[dict]:
    start = dt.datetime.fromisoformat(first) + clock * HOUR
    rng = np.random.default_rng(count)
    return [
        session(
            start + place * days * 24 * HOUR, viewers=int(8000 * np.exp(rng.normal(0, 0.2))), **more
        )
        for place in range(count)
    ]


def accounts() -> dict[str, list[dict]]:
    """The sessions of each odd account, the one under review last by its start.

    By name where two start at once.
    """
    at = dt.datetime.fromisoformat
    return {
        "alone": [session(at("2026-09-10 20:00"))],
        "gap": [*evenings("2026-01-05", 9), session(at("2026-09-10 20:00"))],
        "at_once": [
            *evenings("2026-08-03", 10),
            *evenings("2026-08-03", 10, room="shop2", host="小王", seed=1),
        ],
        "ten_minutes": [
            *evenings("2026-08-03", 10),
            session(at("2026-09-10 20:00"), hours=1 / 6, viewers=25),
        ],
        "midnight": [
            *evenings("2026-08-21", 12, clock=22),
            session(at("2026-09-30 22:30"), hours=3.5),
        ],
    }


def workspace(folder: Path, rows: list[dict]) -> Path:
    """A workspace whose raw/ holds the template's sheet of sessions with these rows."""
    (folder / "raw").mkdir(parents=True)
    table = reference.tables()["sessions"]
    heads = [text.label(table.columns[name], "zh") for name in rows[0]]
    workbook(
        folder / "raw" / "sessions.xlsx",
        **{table.zh: [heads, *[list(row.values()) for row in rows]]},
    )
    return folder


def run_here(name: str, **values: str) -> list[str]:
    """A notebook's cells run in this process with these parameters.

    What each cell shows, as plain text.
    """
    space, shown = {}, []
    for cell in nbformat.read(places.NOTEBOOKS / f"{name}.ipynb", as_version=4).cells:
        if cell.cell_type != "code":
            continue
        tree = ast.parse(cell.source)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, cell.id, "exec"), space)
        found = eval(compile(ast.Expression(last.value), cell.id, "eval"), space) if last else None
        shown += (
            [repr(found) if not isinstance(found, str) else str(found)] if found is not None else []
        )
        space |= values if "parameters" in cell.metadata.get("tags", []) else {}
    return shown
