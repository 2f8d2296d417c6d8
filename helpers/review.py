"""The object that a notebook opens: one session, its tables, its results, the account's others."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import functools
import hashlib
import html
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd
from pydantic import BaseModel, TypeAdapter, ValidationError

from helpers import reference
from helpers.clean import history
from helpers.clean.folder import WORK, Workspace, WorkspaceError, replacing
from helpers.clean.ingestion import code_version, current_readings, ingest
from helpers.clean.tables import (
    COUNTED,
    computed_once,
    count_rows,
    data_as_of,
    finest_slots,
    lazy_table,
    read_table,
    sessions,
)
from helpers.core import findings, places, text
from helpers.core.names import nearest, no_such
from helpers.reference import dictionary, metrics, schema

if TYPE_CHECKING:
    import ibis

SENTINEL = "application/vnd.fupan.section+json"


class Missing(str):
    """A note that says which table is missing and which export would fill it."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        # The inline style is for JupyterLab; a published page has its own.
        return (
            '<p class="fupan-missing" style="border:1px dashed '
            f'#b5bec6;color:#55616d;padding:.4em .8em;margin:.6em 0">{html.escape(self)}</p>'
        )


class ParameterError(ValueError):
    """A parameter is unknown or of the wrong type; the message names it and what is expected."""


PARAMETER_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


def checked_parameter(name: str, value: object, declared: dict[str, str], **options: Any) -> Any:
    """A value in the type that the notebook declares; `declared` has each name with its type.

    Raises `ParameterError` for an unknown name or a wrong type. `options` are those of pydantic's
    validation: texts of a command line become numbers unless it is to be strict.
    """
    if name not in declared:
        near = nearest(name, declared, most=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise ParameterError(
            f"unknown parameter {name!r}{hint} Known: {', '.join(sorted(declared)) or 'none'}"
        )
    wanted = PARAMETER_TYPES.get(declared[name], str)
    try:
        return TypeAdapter(wanted).validate_python(value, **options)
    except ValidationError as error:
        hint = f"; papermill takes text as it is by -r {name} VALUE" if wanted is str else ""
        raise ParameterError(
            f"parameter {name}: expected {wanted.__name__}, found {value!r}{hint}"
        ) from error


def _check_injected() -> None:
    """Stop a notebook that papermill gave what it does not declare: papermill only warns.

    Its cell begins with a comment of its own and follows the notebook's cell of parameters, whose
    names have their types.
    """
    # in a notebook it is there; elsewhere it need not be loaded
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    history = getattr(shell, "history_manager", None)
    cells = history.input_hist_raw if history else []
    at = [place for place, cell in enumerate(cells) if cell.startswith("# Parameters\n")]
    if not at:
        return
    declared = {name: kind for name, (kind, _) in _assigned(cells[at[-1] - 1]).items()}
    if "session_id" not in declared:  # somebody's own notebook
        return
    for name, (_, value) in _assigned(cells[at[-1]]).items():
        checked_parameter(name, value, declared, strict=True)


def _assigned(cell: str) -> dict[str, tuple[str, object]]:
    """Of the plain assignments of a cell each name with its type, where stated, and its value."""
    assigned = {}
    for line in ast.parse(cell).body:
        if isinstance(line, ast.Assign | ast.AnnAssign):
            target = line.targets[0] if isinstance(line, ast.Assign) else line.target
            kind = ast.unparse(line.annotation) if isinstance(line, ast.AnnAssign) else ""
            assigned[ast.unparse(target)] = kind, ast.literal_eval(line.value)
    return assigned


# How a session was found: by its name, on the start page, as the newest, or as it instead of one
# that is gone or lies in a workspace that cannot be used.
Found = Literal["named", "chosen", "newest", "gone", "unusable"]


class Choice(BaseModel):
    """What was chosen on the start page for notebooks opened by hand.

    `data_dir` is the workspace's full path.
    """

    session_id: str = ""
    data_dir: str = ""
    lang: Literal["", "zh", "en"] = ""


def opened_by_hand() -> bool:
    """Whether JupyterLab has the notebook of this process open: no run, test or nbconvert."""
    return bool(os.environ.get("JPY_SESSION_NAME"))


def kept_choice() -> Choice:
    """What was chosen on the start page; nothing if not opened by hand, or if unreadable."""
    return last_choice() if opened_by_hand() else Choice()


def last_choice() -> Choice:
    """What was last chosen on the start page, whoever asks; nothing if unreadable."""
    with contextlib.suppress(ValidationError, OSError):
        return Choice.model_validate_json((places.BY_HAND / "chosen.json").read_bytes())
    return Choice()


def keep_choice(choice: Choice) -> Choice:
    """Keep what was chosen on the start page and return it."""
    with replacing(places.BY_HAND / "chosen.json") as path:
        path.write_text(choice.model_dump_json(indent=1), encoding="utf-8")
    return choice


@dataclasses.dataclass(frozen=True)
class Review:
    """One session under review: its tables, the account's others, and where results go."""

    workspace: Workspace
    session_id: str
    sessions: pd.DataFrame
    out_dir: Path
    lang: str
    notebook: str
    confidence: float | None = None
    found: Found = "named"
    trouble: str = ""  # why the workspace that was chosen cannot be used
    _computed: dict[str, Any] = dataclasses.field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @property
    def session(self) -> pd.Series:
        """The session's row of the sessions table."""
        return self.sessions.set_index("session_id", drop=False).loc[self.session_id]

    @property
    def currency(self) -> str:
        named = self.session["currency"]
        return named if isinstance(named, str) else self.workspace.settings.currency

    @property
    def thresholds(self) -> dict[str, float]:
        """The thresholds of `thresholds.yml`, with the notebook's own confidence if it has one."""
        shipped = reference.thresholds(self.workspace.reference)
        return shipped if self.confidence is None else shipped | {"confidence": self.confidence}

    @property
    def registry(self) -> dict[str, reference.Metric]:
        return reference.registry(self.workspace.reference)

    @functools.cached_property
    def as_of(self) -> pd.Timestamp:
        """How recent the data are, as the files say, else their newest order or session."""
        newest = data_as_of(self.workspace, self.sessions)
        return newest if pd.notna(newest) else self.session["started_at"]

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` gives, called the first time only and kept under a name with this review."""
        if name not in self._computed:
            self._computed[name] = make()
        return self._computed[name]

    @property
    def settled(self) -> bool:
        """Whether the session's return window is over: no refund is to come any more."""
        age = (self.as_of - self.session["started_at"]) / pd.Timedelta("1D")
        return age > self.thresholds["return_window_days"]

    @property
    def title(self) -> str:
        """The session in one line: start, room, host, title."""
        row = self.session
        names = [row[name] for name in ("room_name", "host", "title") if isinstance(row[name], str)]
        parts = [f"{row['started_at']:%Y-%m-%d %H:%M}", *map(text.plain, names)]
        return " · ".join(dict.fromkeys(parts))

    @property
    def by_hand(self) -> bool:
        """Whether somebody runs this notebook by itself, not a run that publishes a page."""
        return self.out_dir.parent.name != WORK

    @property
    def plans_out(self) -> Path:
        """Where this review writes its plan: plans/, in a run beside the page until it is out."""
        return self.workspace.plans if self.by_hand else self.out_dir / "plans"

    def table(self, name: str) -> pd.DataFrame:
        """This session's rows of a canonical table."""
        if name == "sessions":
            mine = self.sessions["session_id"] == self.session_id
            return self.sessions[mine].reset_index(drop=True)
        return read_table(self.workspace, name, self.session_id)

    def tables(self) -> pd.DataFrame:
        """What there is: one row a canonical table, with its rows here and in the account.

        Columns: table, name, grain (what tells rows apart), here (rows of this session; missing
        where a table speaks of no session), account (rows in all), meaning.
        """
        frame = dictionary.tables(self.lang)
        here = [self._count(name, self.session_id) for name in frame["table"]]
        account = [self._count(name) for name in frame["table"]]
        counts = {"here": pd.array(here, "Int64"), "account": pd.array(account, "Int64")}
        frame = frame.assign(**counts)
        return frame[["table", "name", "grain", "here", "account", "meaning"]]

    def columns(self, table: str) -> pd.DataFrame:
        """The columns of a canonical table: column, name, unit, type (of pandas), meaning.

        Raises `KeyError` for an unknown table, naming the nearest.
        """
        zone = self.workspace.settings.timezone
        return dictionary.columns(table, self.lang, zone, self.registry)

    def metrics(self, table: str = "") -> pd.DataFrame:
        """The metrics: metric, name, group, unit, formula, meaning, table (they are made from).

        All of them, or those made from one table. Raises `KeyError` for an unknown table, naming
        the nearest.
        """
        frame = dictionary.described_metrics(self.registry, self.lang)
        if table and reference.tables()[table]:
            frame = frame[frame["table"] == table].reset_index(drop=True)
        return frame

    def evaluate(
        self,
        frame: pd.DataFrame,
        ids: Iterable[str],
        *,
        by: str | Sequence[str] = (),
        count_per_slice: bool = False,
        confidence: float | None = None,
    ) -> pd.DataFrame:
        """Metrics over the rows of each group (`reference.metrics.evaluate`), with intervals.

        By the registry of this workspace, at the confidence of this review unless one is given.
        """
        level = self.thresholds["confidence"] if confidence is None else confidence
        options = {"registry": self.registry, "confidence": level}
        return metrics.evaluate(frame, ids, by=by, count_per_slice=count_per_slice, **options)

    def _count(self, table: str, session_id: str = "") -> int | None:
        """How many rows a table has, of one session or of the account, without reading them."""
        if table == "sessions":
            return 1 if session_id else len(self.sessions)
        if session_id and "session_id" not in reference.tables()[table].columns:
            return None
        return count_rows(self.workspace, table, session_id or None)

    def __repr__(self) -> str:
        """What it holds, in some ten lines: the session, its tables with rows, what to call."""
        counts = self.tables().set_index("table")
        here, account = counts["here"].fillna(0), counts["account"]

        def listed(rows: pd.Series) -> str:
            return ", ".join(f"{name} {count:,}" for name, count in rows[rows > 0].items()) or "–"

        row = self.session
        length = text.value(row["duration_seconds"], "seconds", self.lang)
        paid = text.money(row["paid_amount"], self.lang, self.currency)
        name = text.plain(self.workspace.settings.name or self.workspace.path.name)
        words = [
            ("本场", "session", f"{self.session_id} · {self.title}"),
            ("时长 · 支付", "length · paid", f"{length} · {paid}"),
            ("账号", "account", f"{name} · {len(self.sessions)} · {self.as_of:%Y-%m-%d %H:%M}"),
            ("本场有", "rows here", listed(here)),
            ("账号另有", "elsewhere", listed(account[(here == 0)])),
            ("没有", "no rows", ", ".join(account[account == 0].index) or "–"),
            ("表", "tables", 'review.tables() · review.columns("orders")'),
            ("指标", "metrics", "review.metrics()"),
            ("取数", "rows", 'review.table("orders") · review.everything("orders")'),
            ("探索", "explore", 'explore(review, metrics=["room_conversion"], by=["source"])'),
        ]
        return "\n".join(
            text.choose(self.lang, f"{zh}：{content}", f"{en}: {content}")
            for zh, en, content in words
        )

    def lazy(self, name: str) -> ibis.Table:
        """This session's rows of a table that can outgrow memory, as a table of the engine."""
        return lazy_table(self.workspace, name, self.session_id)

    def counted(
        self,
        table: str,
        make: Callable[..., pd.DataFrame],
        *,
        also: Iterable[str],
        most: int,
        **how: object,
    ) -> pd.DataFrame:
        """What `make(rows, **how)` counts in single sessions of a large table.

        They are this one, the sessions `also` and the newest `most` before, without those that have
        no rows. Columns: session_id, then those of `make`. Counts wait in clean/counted until the
        session's rows, our code, or `how` change.
        """
        import ibis

        from helpers.core import engine

        started = self.sessions["started_at"] <= self.session["started_at"]
        rows = lazy_table(self.workspace, table)
        rows = rows.filter(rows["session_id"].isin(list(self.sessions.loc[started, "session_id"])))
        parts = []
        if history.SINCE in rows.columns:
            logged = engine.frame(rows.select("session_id").distinct())["session_id"].sort_values()
            counted = logged[logged.isin([*also, *logged.tail(most + 1)])]
            rows = rows.filter(rows["session_id"].isin(list(counted)))
            cells = ibis.struct({name: rows[name] for name in rows.columns})
            marks = rows.group_by("session_id").agg(mark=cells.hash().sum().cast("string"))
            for state in engine.frame(marks).itertuples():
                words = f"{state.mark}|{how}|{code_version()}"
                counts = computed_once(
                    self.workspace.clean / COUNTED / f"{table}-{state.session_id}",
                    hashlib.sha256(words.encode()).hexdigest()[:16],
                    functools.partial(
                        make, lazy_table(self.workspace, table, state.session_id), **how
                    ),
                )
                parts.append(counts.assign(session_id=state.session_id))
        if not parts:
            parts = [make(rows.limit(0), **how).assign(session_id=pd.Series(dtype="str"))]
        every = pd.concat(parts, ignore_index=True)
        return every[["session_id", *every.columns.drop("session_id")]]

    def exports(self) -> pd.DataFrame:
        """This session as each raw file gives it, oldest first, those of one moment by name."""
        merged = (folder / "sessions.parquet" for folder in current_readings(self.workspace))
        mine = [("session_id", "==", self.session_id)]
        parts = [pd.read_parquet(path, filters=mine) for path in merged if path.exists()]
        none = schema.empty("sessions", self.workspace.settings.timezone)
        every = pd.concat([none, *filter(len, parts)], ignore_index=True)
        return every.sort_values(["as_of", "source_file"], na_position="first", ignore_index=True)

    def history(self, name: str) -> pd.DataFrame:
        """Rows of the account's sessions that started before this one."""
        earlier = self.sessions[self.sessions["started_at"] < self.session["started_at"]]
        if name == "sessions":
            return earlier.reset_index(drop=True)
        frame = read_table(self.workspace, name)
        return frame[frame["session_id"].isin(earlier["session_id"])].reset_index(drop=True)

    def everything(self, name: str) -> pd.DataFrame:
        """All rows of a table, attributed or not."""
        return self.sessions if name == "sessions" else read_table(self.workspace, name)

    def summable(self, name: str, session_id: str = "") -> pd.DataFrame:
        """Rows of a table that may be added up: no SKU beside its product, no ads told twice.

        All of them, or those of one session.
        """
        if session_id and name != "sessions":
            frame = read_table(self.workspace, name, session_id)
        else:
            frame = self.everything(name)
        if name == "products":
            return frame[frame["sku_id"].isna()]
        return finest_slots(frame) if name == "ads" else frame

    def has(self, name: str) -> bool:
        """Whether this session has rows of a table."""
        if name == "sessions":
            return True
        return count_rows(self.workspace, name, self.session_id) > 0

    def missing(self, name: str, column: str = "") -> Missing:
        """Which table (or column of it) is missing and which export of which system fills it."""
        table = reference.tables()[name]
        platform = self.session["platform"]
        fills = [
            text.choose(
                self.lang,
                f"{text.label(system, self.lang)}「{text.label(export, self.lang)}」",
                f"{text.label(system, self.lang)}: {text.label(export, self.lang)}",
            )
            for system in reference.systems(self.workspace.reference)
            if system.platform in (platform, None)
            for export in system.exports
            if export.table == name and (not column or column in export.columns)
        ]
        sheet = text.choose(
            self.lang,
            f"本工具模板的「{table.zh}」工作表（fupan new）",
            f"the sheet “{table.en}” of our template (fupan new)",
        )
        ways = text.choose(self.lang, "、", "; ").join([*dict.fromkeys(fills), sheet])
        zh, en = table.zh, table.en.lower()
        if column:
            zh = f"{zh}里的「{table.columns[column].zh}」"
            en = f"“{table.columns[column].en}” in the {en}"
        sentence = text.choose(
            self.lang,
            f"没有{zh}，本节无法计算。可由以下任一导出补齐：{ways}。",
            f"No {en} for this session, so this part cannot be computed. Any of these fills it: "
            f"{ways}.",
        )
        return Missing(sentence)

    def save(self, name: str, frame: pd.DataFrame) -> pd.DataFrame:
        """Write a result table to results/<name>.parquet and return it.

        Raises `ValueError` for a name that is no plain word.
        """
        if not name.replace("_", "").isalnum():
            raise ValueError(f"result {name!r}: expected letters, digits and underscores")
        with replacing(self.out_dir / "results" / f"{name}.parquet") as path:
            frame.to_parquet(path, index=False)
        return frame

    def result(self, name: str) -> pd.DataFrame:
        """A result table of this session that a notebook saved; empty without one."""
        path = self.out_dir / "results" / f"{name}.parquet"
        return pd.read_parquet(path) if path.exists() else pd.DataFrame()

    def add_findings(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Keep this notebook's findings (`findings.COLUMNS`) in place of those of its last run."""
        if list(frame.columns) != list(findings.COLUMNS):
            raise ValueError(
                f"findings: expected the columns {', '.join(findings.COLUMNS)}, found "
                f"{', '.join(frame.columns)}"
            )
        with replacing(self.out_dir / "findings" / f"{self.notebook}.parquet") as path:
            frame.to_parquet(path, index=False)
        return frame

    def findings(self) -> pd.DataFrame:
        """All findings of this session so far, in order of notebook."""
        parts = [
            pd.read_parquet(path) for path in sorted((self.out_dir / "findings").glob("*.parquet"))
        ]
        return pd.concat([findings.frame([]), *parts], ignore_index=True)

    def finish(self) -> None:
        """Mark this notebook as run to its end, which the publish gate looks for."""
        from IPython.display import display

        mark = {"notebook": self.notebook, "session_id": self.session_id}
        display({SENTINEL: mark, "text/plain": ""}, raw=True)


def open_review(
    session_id: str = "",
    *,
    data_dir: str | Path = "",
    reports_dir: str | Path = "",
    lang: str = "",
    notebook: str,
    confidence: float | None = None,
    choice: Choice | None = None,
) -> Review:
    """The session to review, with the workspace's raw files read where new.

    `session_id` is an id of `fupan sessions` or "latest". What is left empty is what `choice` says
    (in a notebook opened by hand, by default, that of the start page); else the newest session of
    the demo workspace, in Chinese. That is also shown, and said, where nothing is named and the
    chosen workspace cannot be used. Results go to <reports_dir>/<session>/; by default to
    reports/by_hand. `confidence` (of intervals) overrides that of thresholds.yml. Raises
    `WorkspaceError` for an unknown session, naming the nearest ones, and `ValueError` for a
    confidence outside 0 to 1, `ParameterError` for what papermill was given and the notebook does
    not declare.
    """
    _check_injected()
    choice = choice or kept_choice()
    lang = lang or choice.lang or "zh"
    text.choose(lang, "", "")
    if confidence is not None and not 0 < confidence < 1:
        raise ValueError(f"confidence: expected a number between 0 and 1, found {confidence!r}")
    root = Path(reports_dir).expanduser().resolve() if str(reports_dir) else places.BY_HAND
    try:
        workspace, account = _opened(data_dir or choice.data_dir)
    except (WorkspaceError, reference.ReferenceDataError, OSError) as error:
        if str(data_dir) or session_id or not choice.data_dir:
            raise
        workspace, account = _opened("")
        name, way, trouble = choose_session(account, "latest"), "unusable", str(error)
    else:
        trouble = ""
        if session_id:
            name, way = choose_session(account, session_id), "named"
        else:  # a choice says nothing of other workspaces
            chosen_here = workspace.path == Path(choice.data_dir)
            name, way = _chosen_or_newest(account, choice.session_id if chosen_here else "")
    return Review(workspace, name, account, root / name, lang, notebook, confidence, way, trouble)


def _opened(data_dir: str | Path) -> tuple[Workspace, pd.DataFrame]:
    workspace = Workspace.open(data_dir)
    ingest(workspace)
    account = sessions(workspace)
    if account.empty:
        raise WorkspaceError(
            f"{workspace.raw}: no session found in the files there; `fupan check` says what each "
            "file is"
        )
    return workspace, account


def _chosen_or_newest(account: pd.DataFrame, chosen: str) -> tuple[str, Found]:
    if chosen in set(account["session_id"]):
        return chosen, "chosen"
    return choose_session(account, "latest"), "gone" if chosen else "newest"


def choose_session(account: pd.DataFrame, session_id: str) -> str:
    """The id of a session: itself, "latest", or the only one that starts with what was given."""
    if session_id == "latest":
        return account.sort_values(["started_at", "session_id"])["session_id"].iloc[-1]
    if session_id in set(account["session_id"]):
        return session_id
    near = [name for name in account["session_id"] if session_id and name.startswith(session_id)]
    if len(near) == 1:
        return near[0]
    if near:
        raise WorkspaceError(
            f"session {session_id!r}: {len(near)} sessions begin so: {_listed(near)}"
        )
    newest_first = account["session_id"].iloc[::-1]
    raise WorkspaceError(
        f"session {session_id!r}: not in this workspace: "
        f"{no_such(session_id, 'session', newest_first, most=3)} (`fupan sessions` lists all)"
    )


def _listed(names: Iterable[str]) -> str:
    return ", ".join(list(names)[:3])
