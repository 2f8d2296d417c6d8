"""What the rules of evidence read: one session's records, and the results of the steps before."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import aftersales, reference

TABLES = (
    "cues",
    "rundown",
    "products",
    "traffic",
    "videos",
    "orders",
    "aftersales",
    "service",
    "minutes",
    "comments",
    "ads",
)
OF_PAST = ("traffic", "cues")  # that are read of earlier sessions too
RESULTS = ("source_split", "formula_split", "standing", "questions")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What the rules read of a session: its row, tables, results and order lines.

    `tables` and `results` are by name (absent or empty: not there), `earlier` the account's earlier
    sessions, `lines` its `aftersales.lines`; times of cues lie within the session.
    `workspace_reference` is laid over data/reference. `past` holds tables of the earlier sessions,
    `plans` the lines of earlier plans, `goals` what was set for this session.
    """

    session: pd.Series
    tables: Mapping[str, pd.DataFrame]
    results: Mapping[str, pd.DataFrame]
    earlier: pd.DataFrame
    lines: pd.DataFrame
    as_of: pd.Timestamp
    workspace_reference: Path | None
    past: Mapping[str, pd.DataFrame] = dataclasses.field(default_factory=dict)
    plans: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)
    goals: pd.DataFrame = dataclasses.field(default_factory=pd.DataFrame)

    @classmethod
    def collect(
        cls,
        session: pd.Series,
        *,
        table: Callable[[str], pd.DataFrame],
        result: Callable[[str], pd.DataFrame],
        everything: Callable[[str], pd.DataFrame],
        earlier: pd.DataFrame,
        as_of: pd.Timestamp,
        workspace_reference: Path | None,
        plans: pd.DataFrame | None = None,
    ) -> Facts:
        """The facts of a session by its tables and results, and `everything` of the account."""
        tables = {name: table(name) for name in TABLES}
        results = {name: result(name) for name in RESULTS}
        results["products_beside"] = result("products")
        lines = aftersales.lines(tables["orders"], tables["aftersales"], as_of=as_of)
        before = set(earlier["session_id"])
        past = {
            name: rows[rows["session_id"].isin(before)]
            for name in OF_PAST
            for rows in [everything(name)]
        }
        set_goals = everything("goals")
        return cls(
            session,
            {**tables, "events": everything("events")},
            results,
            earlier,
            lines,
            as_of,
            workspace_reference,
            past,
            pd.DataFrame() if plans is None else plans,
            set_goals[set_goals["session_id"].eq(session["session_id"]).fillna(False)],
        )

    @property
    def reasons(self) -> dict[str, reference.ReasonGroup]:
        return reference.reasons(self.workspace_reference)

    @property
    def registry(self) -> dict[str, reference.Metric]:
        return reference.registry(self.workspace_reference)

    def table(self, name: str) -> pd.DataFrame | None:
        """A table or saved result by name, or None where it has no rows."""
        frame = self.tables.get(name, self.results.get(name))
        return None if frame is None or frame.empty else frame

    @property
    def start(self) -> pd.Timestamp:
        return self.session["started_at"]

    @property
    def end(self) -> pd.Timestamp:
        if pd.notna(self.session["ended_at"]):
            return self.session["ended_at"]
        seconds = float(np.nan_to_num(self.session["duration_seconds"]))
        return self.start + pd.Timedelta(seconds=seconds)

    @property
    def hours(self) -> float:
        return (self.end - self.start).total_seconds() / 3600
