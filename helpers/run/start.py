"""The start page: widgets that choose session, workspace and language of notebooks opened by hand.

The choice (`keep_choice`) stands for parameters that such a notebook leaves empty. Runs name all of
their parameters, so that no choice ever reaches them.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from typing import Any

import ipywidgets
import pandas as pd

from helpers import clean, reference, report
from helpers.core import places, text
from helpers.report.page import LANGUAGES
from helpers.review import Choice, Review, keep_choice, open_review, opened_by_hand
from helpers.run import kernel, records

COLUMNS = (
    "session_id",
    "started_at",
    "room_name",
    "host",
    "title",
    "duration_seconds",
    "viewers",
    "paid_amount",
)
WIDE = {"width": "97%", "max_width": "1000px"}
STYLE = {"description_width": "10em"}


def sessions(workspace: clean.Workspace) -> pd.DataFrame:
    """The sessions to choose from, newest first.

    Columns `COLUMNS` and verdict: what the session's page says of its paid amount; missing without
    one.
    """
    newest_first = clean.sessions(workspace).iloc[::-1].reset_index(drop=True)
    summaries = {
        name: record.get("summary") or {}
        for name, record in records.published_in_any(places.REPORTS).items()
    }
    verdicts = {name: summary.get("verdict") for name, summary in summaries.items()}
    verdict = newest_first["session_id"].map(verdicts).astype("str")
    return newest_first[[*COLUMNS]].assign(verdict=verdict)


def picker(review: Review) -> ipywidgets.VBox | report.Shown:
    """The widgets of the start page; outside of JupyterLab, how to choose without them."""
    if opened_by_hand():
        return Picker(review).box
    return report.sentence(
        "控件只在 JupyterLab 里有；别处把场次编号写进各笔记第一个代码格的 session_id。",
        "The widgets work in JupyterLab only; elsewhere write the session's id into session_id in "
        "the first code cell of a notebook.",
        lang=review.lang,
    )


def option(row: Any, currency: str, lang: str) -> str:
    """A row of `sessions` in one line of the list: when, host, title, paid amount, verdict."""
    parts = [
        f"{row.started_at:%Y-%m-%d %H:%M}",
        *(text.plain(name, 40) for name in (row.host, row.title) if isinstance(name, str)),
        text.money(row.paid_amount, lang, currency),
    ]
    verdicts = reference.terms()["verdict"]
    if isinstance(row.verdict, str) and row.verdict in verdicts:
        parts.append(text.label(verdicts[row.verdict], lang))
    return " · ".join(parts)


def command(review: Review) -> list[str]:
    """What is run for the whole review of a session: `fupan run` itself."""
    return [
        sys.executable,
        "-m",
        "helpers.run.cli",
        "run",
        review.session_id,
        "--data",
        str(review.workspace.path),
        "--reports",
        str(places.REPORTS),
        "--lang",
        review.lang,
        "--json",
    ]


def outcome(done: subprocess.CompletedProcess[str], lang: str) -> report.Shown:
    """What `fupan run --json` of one session ended with, and where its page is."""
    try:
        (run,) = json.loads(done.stdout)
    except ValueError:
        return report.sentence(
            f"没有成功：{done.stderr}", f"It did not succeed: {done.stderr}", lang=lang, level="bad"
        )
    path = run["path"]
    if run["status"] == "failed":
        return report.sentence(
            f"没有成功：{run['message']} 出错的笔记在 {path}",
            f"It did not succeed: {run['message']} The notebook with the error is in {path}",
            lang=lang,
            level="bad",
        )
    return report.sentence(f"报告在 {path}", f"The report is {path}", lang=lang, level="good")


class Picker:
    """The widgets of the start page and what follows from them."""

    def __init__(self, review: Review) -> None:
        self.review, self.sessions = review, sessions(review.workspace)
        self.filling = False
        self.language = ipywidgets.Dropdown(
            options=[(name, lang) for lang, name in LANGUAGES.items()],
            value=review.lang,
            layout={"width": "16em"},
            style=STYLE,
        )
        self.folder = ipywidgets.Text(
            value=str(review.workspace.path), continuous_update=False, layout=WIDE, style=STYLE
        )
        self.search = ipywidgets.Text(layout=WIDE, style=STYLE)
        self.session = ipywidgets.Select(rows=9, layout=WIDE, style=STYLE)
        self.said, self.ran = ipywidgets.HTML(layout=WIDE), ipywidgets.HTML(layout=WIDE)
        self.whole = ipywidgets.Button(button_style="primary", layout={"width": "24em"})
        self.box = ipywidgets.VBox(
            [self.language, self.folder, self.search, self.session, self.said, self.whole, self.ran]
        )
        self._fill()
        self.language.observe(lambda change: self._changed(lang=change.new), "value")
        self.folder.observe(
            lambda change: self._changed(data_dir=change.new.strip(), session_id=""), "value"
        )
        self.session.observe(lambda change: self._changed(session_id=change.new), "value")
        self.search.observe(lambda change: self._fill(), "value")
        self.whole.on_click(lambda button: threading.Thread(target=self._run, daemon=True).start())

    def _changed(self, **changed: str | None) -> None:
        """Keep a choice once it has been opened, else say why not; "" is the newest session."""
        if self.filling or None in changed.values():
            return
        wanted = Choice(
            session_id=self._picked(),
            data_dir=str(self.review.workspace.path),
            lang=self.review.lang,
        ).model_copy(update=changed)
        self._say(
            report.sentence("正在读取工作区……", "Reading the workspace …", lang=self.review.lang)
        )
        try:
            review = open_review(
                data_dir=wanted.data_dir, choice=wanted, notebook=self.review.notebook
            )
            keep_choice(wanted.model_copy(update={"data_dir": str(review.workspace.path)}))
        except (clean.WorkspaceError, reference.ReferenceDataError, OSError) as error:
            return self._say(
                report.sentence(str(error), str(error), lang=self.review.lang, level="bad")
            )
        self.review, self.sessions = review, sessions(review.workspace)
        self._fill()

    def _picked(self) -> str:
        """An empty id stands for the newest session, whichever that is."""
        return self.review.session_id if self.review.found in ("named", "chosen") else ""

    def _fill(self) -> None:
        lang = self.review.lang
        words = self.search.value.casefold().split()
        newest = text.choose(lang, "最新的一场（有新的就换）", "The newest one, whichever it is")
        lines = [
            (option(row, self.review.currency, lang), row.session_id)
            for row in self.sessions.itertuples()
        ]
        fitting = [
            (line, name)
            for line, name in lines
            if all(word in f"{line} {name}".casefold() for word in words)
        ]
        self.filling = True
        self.session.options = [(newest, ""), *fitting]
        picked = self._picked()
        names = {name for _, name in self.session.options}
        self.session.value = picked if picked in names else None
        self.folder.value, self.language.value = str(self.review.workspace.path), lang
        self.filling = False
        self._label(lang, len(fitting))
        self._say(report.setup(self.review))

    def _label(self, lang: str, count: int) -> None:
        names: Sequence[tuple[ipywidgets.Widget, str, str]] = (
            (self.language, "报告语言", "Language of the report"),
            (self.folder, "工作区", "Workspace"),
            (self.search, "查找", "Search"),
            (self.session, f"{count} 场", f"{count} sessions"),
            (self.whole, "运行整个复盘，生成报告", "Run the whole review and make its report"),
        )
        for widget, zh, en in names:
            widget.description = text.choose(lang, zh, en)
        self.search.placeholder = text.choose(
            lang,
            "日期、主播、标题、结论里的字，用空格隔开",
            "words of date, host, title or verdict, separated by spaces",
        )

    def _say(self, shown: report.Shown | None) -> None:
        self.said.value = shown.html if shown else ""

    def _run(self) -> None:
        """In a process of its own: the page stays usable meanwhile."""
        review, lang = self.review, self.review.lang
        self.whole.disabled = True
        self.ran.value = report.sentence(
            f"正在复盘 {review.title}，一般不到一分钟……",
            f"Reviewing {review.title}; this mostly takes less than a minute …",
            lang=lang,
        ).html
        done = subprocess.run(
            command(review),
            capture_output=True,
            text=True,
            cwd=places.PROJECT,
            env=kernel.environment_of_a_run(),
        )
        self.ran.value = outcome(done, lang).html
        self.whole.disabled = False
