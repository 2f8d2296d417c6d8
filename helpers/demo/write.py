"""Writes a simulated shop as a workspace: raw exports, a plan, the settings, truth.json."""

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from helpers import reference
from helpers.demo import douyin, hand, viewers
from helpers.demo.schedule import shop
from helpers.demo.simulate import Simulation

ID = "demo"
PLAN_COLUMNS = [
    "plan_id",
    "session_id",
    "dimension",
    "problem",
    "evidence",
    "cause",
    "action",
    "owner_role",
    "due_session",
    "metric",
    "slice",
    "baseline",
    "least_effect",
    "sessions",
    "money_at_stake",
    "effort",
    "status",
    "note",
]


def write(simulation: Simulation, folder: str | Path) -> Path:
    """Write the workspace of a simulated shop (all tables, fault "demo") and return its folder.

    raw/ holds the platforms' exports, with overlaps, a stale copy and dirty rows (listed in
    truth.json under dirty_rows: file, row, column, value, what); plans/ the plan that the last
    sessions carried out. The same simulation gives the same bytes. An earlier demo in the folder is
    replaced. Raises `FileExistsError` where the folder holds something else and `ValueError` where
    the simulation lacks tables.
    """
    folder = Path(folder)
    lacking = sorted(
        {"orders", "aftersales", "minutes", "events", "actions"} - set(simulation.tables)
    )
    if lacking:
        raise ValueError(
            f"a workspace is written from all tables; the simulation lacks {', '.join(lacking)}"
        )
    _clear(folder)
    (folder / "workspace.yml").write_text(
        yaml.safe_dump(_settings(), allow_unicode=True, sort_keys=False), encoding="utf-8"
    )
    raw = folder / "raw"
    raw.mkdir()
    dirty = [*douyin.write(simulation, raw), *hand.write(simulation.tables, raw)]
    viewers.write(simulation.tables, raw)
    write_plan(simulation, folder / "plans")
    truth = {**simulation.truth, "dirty_rows": dirty}
    (folder / "truth.json").write_text(
        json.dumps(truth, ensure_ascii=False, indent=1) + "\n", encoding="utf-8"
    )
    return folder


def _settings() -> dict[str, str]:
    return {
        "name": shop()["name"],
        "timezone": shop()["timezone"],
        "currency": shop()["currency"],
        "id": ID,
    }


def _clear(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "workspace.yml"
    ours = (
        settings.exists()
        and (yaml.safe_load(settings.read_text(encoding="utf-8")) or {}).get("id") == ID
    )
    if not ours and any(folder.iterdir()):
        raise FileExistsError(
            f"{folder}: is not empty and no demo workspace; name an empty or new folder"
        )
    for name in ("raw", "clean", "plans"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "truth.json").unlink(missing_ok=True)


def _rates(sessions: pd.DataFrame, ids: list[str]) -> dict[str, float]:
    rows = sessions[sessions["session_id"].isin(ids)]
    return {
        name: float(rows[column].sum() / rows["viewers"].sum())
        for name, column in (("follow_rate", "new_fans"), ("interaction_rate", "comments"))
    }


def write_plan(simulation: Simulation, folder: Path) -> None:
    """Write the plan of the session before the action: one line worked, one did not."""
    folder.mkdir(exist_ok=True)
    truth = simulation.truth
    if not truth.get("plan_session"):
        return
    before = _rates(simulation.tables["sessions"], truth["plan_worked"]["before"])
    now = _rates(simulation.tables["sessions"], [truth["plan_session"]])
    rows = [
        {**line, **_plan_numbers(line["metric"], before, now, truth)} for line in shop()["plan"]
    ]
    path = folder / f"{truth['plan_session']}.csv"
    path.write_bytes(
        pd.DataFrame(rows)[PLAN_COLUMNS]
        .to_csv(index=False, lineterminator="\r\n")
        .encode("utf-8-sig")
    )


def _plan_numbers(
    metric: str, before: dict[str, float], now: dict[str, float], truth: dict[str, Any]
) -> dict[str, Any]:
    label = reference.registry()[metric].zh
    return {
        "session_id": truth["plan_session"],
        "due_session": truth["plan_worked"]["after"][0],
        "slice": "",
        "baseline": round(before[metric], 5),
        "evidence": f"{label}{now[metric]:.2%}，此前15场平均{before[metric]:.2%}",
        "sessions": len(truth["plan_worked"]["after"]),
    }
