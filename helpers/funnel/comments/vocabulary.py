"""The words that viewers used, and those that more people wrote than in earlier sessions."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from helpers.core import stats, text
from helpers.funnel.comments.wording import (
    words,
)
from helpers.funnel.facts import fact

MOST_STATED = 3  # words, and questions, that are stated
PRIOR = 500.0  # pseudo-counts of the prior: what the history's own frequencies weigh
HOT = [
    "word",
    "users",
    "users_before",
    "sessions_before",
    "users_share",
    "share_before",
    "log_odds",
    "z",
    "p_adjusted",
    "example",
]


def word_users(
    rows: pd.DataFrame, lexicon: tuple[str, ...], stop: Iterable[str] = ()
) -> pd.DataFrame:
    """The words of what each viewer asked or said, one row per session, person and word.

    Columns: session_id, user, word, text (an example). Words of one letter or character and stop
    words are left out.
    """
    written = rows[~rows["team"] & rows["kind"].isin(["question", "talk"])]
    left = set(stop)
    cut = {
        plain: sorted(
            {word for word in words(plain, lexicon) if len(word) > 1 and word not in left}
        )
        for plain in written["plain"].unique()
    }
    every = written.assign(word=written["plain"].map(cut)).explode("word").dropna(subset=["word"])
    return every.drop_duplicates(["session_id", "user", "word"])[
        ["session_id", "user", "word", "text"]
    ].reset_index(drop=True)


def hot_words(
    used: pd.DataFrame,
    session_id: str,
    *,
    min_users: float = 5,
    min_z: float = 2.0,
) -> pd.DataFrame:
    """Words that more people wrote than the account's earlier sessions let one expect.

    `used` is `word_users` of the session and of earlier ones. One row per word of `min_users`
    people at least with z above `min_z`, the hottest first: word, users, users_before,
    sessions_before (earlier sessions that have it), users_share (of those who wrote anything),
    share_before, log_odds, z (against the history, `stats.log_odds`; people, not messages),
    p_adjusted (beta-binomial prediction, which holds how much sessions differ; Benjamini-Hochberg
    over all words of so many people), example. Empty without earlier sessions.
    """
    table = used.pivot_table(
        index="word", columns="session_id", values="user", aggfunc="size", fill_value=0
    )
    if session_id not in table or table.shape[1] < 2:
        return pd.DataFrame(columns=HOT).astype(
            {name: "float64" for name in HOT if name not in ("word", "example")}
        )
    now, before = table[session_id].astype(float), table.drop(columns=session_id).astype(float)
    past = before.sum(axis=1)
    both = now + past
    delta, z = stats.log_odds(now, past, PRIOR * both / both.sum())
    people = used.groupby("session_id")["user"].nunique()
    writers = people.drop(session_id)
    words_now = pd.DataFrame(
        {
            "word": table.index,
            "users": now,
            "users_before": past,
            "sessions_before": (before > 0).sum(axis=1),
            "users_share": now / people[session_id],
            "share_before": past / writers.sum(),
            "log_odds": delta,
            "z": z,
        }
    )
    words_now = words_now[words_now["users"] >= min_users]
    p = [
        stats.beta_binomial_predictive(
            row.users, people[session_id], before.loc[row.word], writers[before.columns]
        ).p_value
        for row in words_now.itertuples()
    ]
    words_now = words_now.assign(p_adjusted=stats.benjamini_hochberg(np.array(p, dtype=float)))
    examples = used[used["session_id"] == session_id].groupby("word")["text"].first()
    hot = words_now[words_now["z"] > min_z].sort_values("z", ascending=False, kind="stable")
    return hot.assign(
        example=hot["word"].map(examples).map(lambda example: text.plain(example, 30))
    )[HOT].reset_index(drop=True)


def word_findings(
    hot: pd.DataFrame, *, false_discovery_rate: float = 0.10
) -> list[dict[str, object]]:
    """Facts of at most `MOST_STATED` hot words, beyond what earlier sessions differ by."""
    surest = hot[hot["p_adjusted"] <= false_discovery_rate].head(MOST_STATED)
    return [_word_fact(row) for row in surest.itertuples()]


def _word_fact(row: object) -> dict[str, object]:
    word, share = text.plain(row.word, 20), text.percent(row.users_share)
    before = (
        {
            "zh": f"此前几场合计 {text.percent(row.share_before)}",
            "en": f"against {text.percent(row.share_before)} in the sessions before",
        }
        if row.users_before
        else {"zh": "此前几场没有人写过", "en": "nobody in the sessions before"}
    )
    zh, en = (text.value(row.users, "users", lang) for lang in ("zh", "en"))
    return fact(
        dimension="interaction",
        metric="commenters",
        slice=f"word={row.word}",
        value=row.users,
        p_adjusted=row.p_adjusted,
        sentence_zh=(
            f"弹幕热词「{word}」：{zh} 人写过，占说话观众的 {share}，{before['zh']}。例："
            f"「{row.example}」"
        ),
        sentence_en=f"Hot word “{word}”: {en} people wrote it, {share} of those who said "
        "something, "
        f"{before['en']}. "
        f"For example: “{row.example}”",
    )
