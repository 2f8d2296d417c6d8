"""How much was written by how many, with and without chants that were asked for and advertising."""

import numpy as np
import pandas as pd

from helpers.core import text
from helpers.funnel.comments.reading import KINDS
from helpers.funnel.facts import fact


def kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """The comments by kind: one row per kind that occurs, in the order of the kinds.

    Columns: comment_kind, comments, share (of viewers' comments), users (one can write several
    kinds).
    """
    written = rows[~rows["team"]]
    table = (
        written.groupby("kind")
        .agg(comments=("at", "size"), users=("user", "nunique"))
        .reindex(KINDS)
        .dropna()
    )
    return table.assign(share=table["comments"] / max(len(written), 1)).reset_index(
        names="comment_kind"
    )[["comment_kind", "comments", "share", "users"]]


def engagement(rows: pd.DataFrame, viewers: float) -> pd.DataFrame:
    """Engagement with and without what was asked for or advertised: one row per count.

    Columns: counted (all; own: without prompted chants and spam), comments, users, per_viewer
    (comments ÷ viewers: a count over people, no proportion), users_share (of the viewers).
    """
    written = rows[~rows["team"]]
    unprompted = written[~written["kind"].isin(["prompted_chant", "spam"])]
    table = pd.DataFrame(
        {
            "counted": ["all", "own"],
            "comments": [float(len(part)) for part in (written, unprompted)],
            "users": [float(part["user"].nunique()) for part in (written, unprompted)],
        }
    )
    people = viewers if viewers and viewers > 0 else np.nan
    return table.assign(per_viewer=table["comments"] / people, users_share=table["users"] / people)


def people_words(rows: pd.DataFrame, used: pd.DataFrame, commenters: float, lang: str) -> str:
    """A sentence that tells the platform's count of people from those of comments and hot words.

    `rows` is the session's part of `read`, `used` its part of `word_users`, `commenters` the
    session's own column.
    """
    team, (every, unprompted) = rows["team"].sum(), engagement(rows, np.nan)["users"]
    counts = {
        name: text.number(count, lang)
        for name, count in {
            "rows": len(rows),
            "team": team,
            "every": every,
            "own": unprompted,
            "words": used["user"].nunique(),
        }.items()
    }
    reported = pd.notna(commenters) and commenters > 0
    platform = (
        text.choose(
            lang,
            f"平台报的评论人数是 {text.number(commenters, lang)}，",
            f"The platform reports {text.number(commenters, lang)} commenters; ",
        )
        if reported
        else ""
    )
    return platform + text.choose(
        lang,
        (
            f"弹幕文件有 {counts['rows']} 条，其中 {counts['team']} 条是团队自己的回复，其余来自 "
            f"{counts['every']} 名观众"
        )
        + ("，两者口径不同，不必相等" if reported else "")
        + (
            f"；去掉应活动刷的口令和广告是 {counts['own']} 人；热词的占比除以说过实词的 "
            f"{counts['words']} 人。"
        ),
        (
            f"the file of comments holds {counts['rows']}, of which {counts['team']} are the "
            f"team's replies and the rest come from {counts['every']} viewers"
        )
        + (", a count of its own that need not be equal" if reported else "")
        + (
            f". Without chants that were asked for and advertising there are {counts['own']} "
            f"people; hot words are shares of the {counts['words']} who wrote some word."
        ),
    )


def engagement_findings(rows: pd.DataFrame, viewers: float) -> list[dict[str, object]]:
    """One fact on comments and people with and without chants and advertising, if there are any."""
    if rows.empty:
        return []
    every, unprompted = (row for row in engagement(rows, viewers).itertuples())
    zh, en = (
        [
            text.value(count, "times", lang)
            for row in (every, unprompted)
            for count in (row.comments, row.users)
        ]
        for lang in ("zh", "en")
    )
    left = text.percent(1 - unprompted.comments / every.comments, 0)
    return [
        fact(
            dimension="interaction",
            metric="comments",
            slice="own",
            value=unprompted.comments,
            baseline=every.comments,
            sentence_zh=(
                f"弹幕 {zh[0]} 条、{zh[1]} 人；去掉应活动刷的口令和广告刷屏（{left}），还有 "
                f"{zh[2]} 条、{zh[3]} 人。"
            ),
            sentence_en=(
                f"{en[0]} comments by {en[1]} people; without chants that were asked for and "
                f"advertising ({left}), {en[2]} by {en[3]}."
            ),
        )
    ]
