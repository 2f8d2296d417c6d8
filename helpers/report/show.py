"""What a notebook shows beside tables: figures and sentences in the language of the review."""

import base64
import html
import io
import warnings
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import display
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.core import privacy, text
from helpers.report import charts, drawing, page
from helpers.report.charts.theme import ACCENT, INK, QUIET, WORSE
from helpers.review import Review

MOST_MARKS = 2000
LONGEST = 700  # characters of a sentence
LOOKS = {"good": ("✓", ACCENT), "bad": ("×", WORSE), "warn": ("!", WORSE), "note": ("", QUIET)}
LEVELS: dict[str, Literal["good", "bad", "note"]] = {"better": "good", "worse": "bad"}
CHOSEN: dict[str, tuple[str, str]] = {
    "named": ("复盘的是参数里写明的一场", "Under review is the session that the parameters name"),
    "chosen": ("复盘的是起始页选定的一场", "Under review is the session chosen on the start page"),
    "newest": ("复盘的是最新的一场", "Under review is the newest session"),
    "gone": (
        "起始页选定的场次已不在这个工作区，改为最新的一场",
        "The session chosen on the start page is no longer in this workspace; "
        "under review is the newest",
    ),
    "unusable": (
        "起始页选定的工作区现在用不了，改为演示工作区最新的一场",
        "The workspace chosen on the start page cannot be used; "
        "under review is the newest session of the demo",
    ),
}  # how the session of a notebook was chosen


REMEDIES = {
    "data": (
        "复盘照常继续，本表的数先核对再用：《数据清洗》写明它来自哪个文件、哪些行被搁置；"
        "补好导出，放进 raw/ 再跑一次。",
        "The review goes on; check the figures of this table before using them: the cleaning "
        "chapter says which file they come from and which rows are aside. Mend the export, put it "
        "into raw/ and run again.",
    ),
    "plan": (
        "复盘照常继续：打开 plans/ 里的行动计划 Excel，核对这几行的编号和状态，存好再跑一次。",
        "The review goes on: open the plan's Excel in plans/, check the ids and states of these "
        "lines, save it and run again.",
    ),
}  # what to do where something does not hold


class Shown(NamedTuple):
    """What a notebook shows: HTML for JupyterLab and the page, plain text, a chart's drawing."""

    html: str
    plain: str
    svg: str = ""

    def _repr_html_(self) -> str:
        return self.html

    def _repr_svg_(self) -> str | None:
        return self.svg or None

    def __repr__(self) -> str:
        return self.plain


def setup(review: Review) -> Shown | None:
    """A notebook is made ready for the review: the charts' theme, and frames in full width.

    Returns, if run by hand, which session of which workspace it reviews, and how it was chosen.
    """
    charts.use_theme()
    pd.set_option("display.width", 160, "display.max_columns", 30)
    if not review.by_hand:
        return None
    place = text.plain(review.workspace.settings.name or review.workspace.path.name)
    zh, en = CHOSEN[review.found]
    session = f"{review.title} ({review.session_id})"
    why = f" {text.plain(review.trouble, 300)}" if review.trouble else ""
    return sentence(
        f"{zh}：{session}。工作区：{place}。{why}",
        f"{en}: {session}. Workspace: {place}.{why}",
        lang=review.lang,
        level="warn" if review.found in ("gone", "unusable") else "note",
    )


def figure(
    axes: Axes,
    *,
    title_zh: str,
    title_en: str,
    lang: str,
    alt_zh: str | None = None,
    alt_en: str | None = None,
) -> Shown:
    """A chart becomes an image with its title above; the figure is closed.

    Its alternative text, else the title, is inside. A notebook shows a picture, the page the
    drawing, up to some two thousand marks. The same chart gives the same bytes. Raises
    `UserWarning` where a character has no glyph in the font.
    """
    drawn = axes.get_figure(root=True)
    title = privacy.hide(text.plain(text.choose(lang, title_zh, title_en), 120))
    alt = privacy.hide(text.plain(text.choose(lang, alt_zh or title_zh, alt_en or title_en), 400))
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="Glyph .* missing", category=UserWarning)
        _settle(drawn)
        points = _rendered(drawn, "png", dpi=192, metadata={"Software": None})
        svg = ""
        if _marks(drawn) <= MOST_MARKS:
            undated = {"Date": None, "Creator": None}
            lines = _rendered(drawn, "svg", dpi=96, metadata=undated, transparent=True)
            svg = drawing.lean(lines, ink=INK)
    width, height = (round(side * 96) for side in drawn.get_size_inches())
    plt.close(drawn)
    image = (
        f'<img alt="{html.escape(alt)}" width="{width}" height="{height}" '
        f'src="data:image/png;base64,{base64.b64encode(points).decode()}">'
    )
    caption = f"<figcaption>{html.escape(title)}</figcaption>"
    shown = f'<figure class="fp-figure">{caption}{image}</figure>'
    return Shown(shown, f"[{title}] {alt}", svg)


def _rendered(drawn: Figure, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    drawn.savefig(buffer, format=kind, **options)
    return buffer.getvalue()


def _settle(drawn: Figure) -> None:
    """The last digits of the axes' places would vary."""
    drawn.draw_without_rendering()
    drawn.set_layout_engine("none")
    for axes in drawn.axes:
        axes.set_position([round(side, 5) for side in axes.get_position().bounds])


def _marks(drawn: Figure) -> int:
    return sum(
        sum(len(line.get_xdata()) for line in axes.lines)
        + len(axes.patches)
        + sum(max(len(group.get_offsets()), len(group.get_paths())) for group in axes.collections)
        for axes in drawn.axes
    )


def sentence(
    zh: str,
    en: str,
    *,
    lang: str,
    level: Literal["note", "good", "bad", "warn"] = "note",
    finding: str | None = None,
) -> Shown:
    """A sentence is set off from the text, with the colour and the sign of its level.

    `finding` is the id of the finding that it says.
    """
    words = privacy.hide(text.plain(text.choose(lang, zh, en), LONGEST))
    sign, colour = LOOKS[level]
    named = f' data-finding="{html.escape(finding)}"' if finding else ""
    lead = f'<span class="fp-sign" aria-hidden="true">{sign}</span> ' if sign else ""
    style = f"border-left:3px solid {colour};padding:.4em .8em;margin:.6em 0"
    return Shown(
        f'<p class="fp-say fp-{level}"{named} style="{style}">{lead}{page.unbroken(words)}</p>',
        f"{sign} {words}".strip(),
    )


def watch(
    holds: object,
    zh: str,
    en: str,
    *,
    lang: str,
    remedy: Literal["data", "plan"] = "data",
) -> None:
    """What must hold is watched: where it does not, this is shown, with what to do.

    The notebook goes on: one bad row never stops a review. `zh` and `en` say what is wrong.
    """
    if pd.isna(holds) or not holds:
        todo_zh, todo_en = REMEDIES[remedy]
        display(sentence(f"{zh}。{todo_zh}", f"{en}. {todo_en}", lang=lang, level="warn"))


def findings(
    frame: pd.DataFrame, *, lang: str, limit: int | None = None, folded: bool = False
) -> Shown:
    """The sentences of findings stand one under another, each with its id, coloured by its verdict.

    `frame` has `findings.COLUMNS`. `limit` shows the first alone, `folded` the others behind them
    until opened. With `topic_zh` and `topic_en` each topic has its name above.
    """
    if frame.empty:
        return sentence("本节没有可说的结论。", "Nothing to state here.", lang=lang)
    first = frame.head(len(frame) if limit is None else limit)
    sentences = _sentences(first, lang)
    if f"topic_{lang}" in first:
        topics = first[f"topic_{lang}"]
        new_topics = topics.where(topics != topics.shift())
        sentences = [
            Shown(_topic(topic) + words.html, words.plain)
            for topic, words in zip(new_topics, sentences, strict=True)
        ]
    more = _sentences(frame.iloc[len(first) :], lang) if folded else []
    if more:
        title = text.choose(lang, f"其余 {len(more)} 句", f"{len(more)} more")
        inside = _together(more)
        summary = f"<summary>{title}</summary>"
        sentences.append(
            Shown(
                f'<details class="fp-folded">{summary}{inside.html}</details>',
                f"{title}\n{inside.plain}",
            )
        )
    return _together(sentences)


def _together(sentences: Iterable[Shown]) -> Shown:
    pairs = [(words.html, words.plain) for words in sentences]
    return Shown("".join(tags for tags, _ in pairs), "\n".join(plain for _, plain in pairs))


def _sentences(rows: pd.DataFrame, lang: str) -> list[Shown]:
    return [
        sentence(
            row.sentence_zh,
            row.sentence_en,
            lang=lang,
            level=LEVELS.get(row.verdict, "note"),
            finding=row.id,
        )
        for row in rows.itertuples()
    ]


def _topic(name: object) -> str:
    if not isinstance(name, str):
        return ""
    style = "margin:.9em 0 0;font-weight:600"
    return f'<p class="fp-topic" style="{style}">{html.escape(name)}</p>'


def notes(sentences: Sequence[str], *, lang: str) -> Shown:
    """Sentences of what is missing become one list; without any, a line says that none is."""
    lines = [privacy.hide(text.plain(words, 600)) for words in sentences]
    if not lines:
        return sentence(
            "没有整张缺少的表；个别指标缺什么，写在用到它的地方。",
            "No table is missing altogether; what single figures lack is said where they stand.",
            lang=lang,
            level="good",
        )
    items = "".join(f"<li>{html.escape(words)}</li>" for words in lines)
    border = "border:1px dashed #b5bec6;color:#55616d"
    style = f"{border};padding:.4em .8em .4em 2em;margin:.6em 0"
    return Shown(
        f'<ul class="fupan-missing" style="{style}">{items}</ul>',
        "\n".join(f"- {words}" for words in lines),
    )
