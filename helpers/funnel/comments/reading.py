"""What each comment is: a question of some type, talk, a chant, a prompted one, or advertising."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from helpers.funnel.comments.wording import (
    LINKED,
    marks_of,
    normalised,
    pattern,
    without_names,
)
from helpers.reference import Talk

HISTORY = 8  # sessions that a word is set against
PROMPTS = ("activity", "lucky_bag", "coupon", "follow_prompt", "purchase_prompt")
KINDS = ("question", "talk", "prompted_chant", "chant", "spam")
LONG_ENOUGH = (
    8  # characters of a text that several people do not write within two seconds by chance
)
REPEATED = 5  # times that one person's same text is talk
_EITHER = re.compile(r"([\u4e00-\u9fff])不\1")  # 辣不辣, 好不好


def question_type(plain: str, talk: Talk) -> str | None:
    """The type of question whose word in the comment is longest, the earlier of two; else None."""
    bare = LINKED.sub(" ", plain)
    longest = {
        name: max((len(hit) for hit in pattern(entry.words).findall(bare)), default=0)
        for name, entry in talk.questions.items()
    }
    best = max(longest, key=longest.__getitem__)
    return best if longest[best] else None


def question(plain: str, talk: Talk) -> str | None:
    """The type of question that a comment asks, "other" for no known type; None for no question."""
    bare = plain.rstrip("。.!~… ")
    if pattern(talk.not_ask).search(bare) and "?" not in bare:
        return None
    first = bare.split(" ")[0].strip(",")
    asks = (
        "?" in bare
        or bool(_EITHER.search(bare) or pattern(talk.ask).search(bare))
        or first in talk.ask_first
        or bare.endswith(talk.ask_last)
    )
    kind = question_type(bare, talk)
    if asks:
        return kind or "other"
    wished = pattern(talk.wish).search(bare) or any(
        bare == word for entry in talk.questions.values() for word in entry.words
    )
    return kind if wished else None


def _is_chant(plain: str, talk: Talk) -> bool:
    left = pattern(talk.chants).sub("", plain)
    return left != plain and not left.strip(" ,，.。!~?")


def asked(plain: str, talk: Talk) -> tuple[str, str | None]:
    """Spam, chant, question or talk, by a comment's words alone, and the type of its question."""
    if pattern(talk.spam).search(plain):
        return "spam", None
    if not plain or _is_chant(plain, talk):
        return "chant", None
    kind = question(plain, talk)
    return ("question" if kind else "talk"), kind


def latest(comments: pd.DataFrame, session_id: str) -> pd.DataFrame:
    """The comments of a session and of the HISTORY sessions with comments before it."""
    begins = comments.groupby("session_id")["at"].min().sort_values(kind="stable")
    before = begins.index[begins < begins.get(session_id, pd.NaT)][-HISTORY:]
    return comments[comments["session_id"].isin([session_id, *before])]


def read(
    comments: pd.DataFrame,
    cues: pd.DataFrame,
    talk: Talk,
    *,
    names: Mapping[str, str] | None = None,
    prompt_seconds: float = 120,
    spam_users: float = 3,
) -> pd.DataFrame:
    """The comments of one session or several, each with what it is.

    One row per comment, in order of time. Columns: session_id, at, user (the viewer's key; a
    comment without one counts as a person of its own), text, plain (its one form), team (written by
    the team), kind (question, talk, prompted_chant, chant, spam), question (its type,
    `comments.yml`). A chant within `prompt_seconds` after a cue that asks for it is prompted. Spam
    are words of advertising, and long texts that `spam_users` people wrote within two seconds or
    one person REPEATED times. A question's type is read off what stands beside the `names` of
    products (a 玻尿酸面膜 is no question of ingredients).
    """
    marks = marks_of(names or {})
    rows = comments.sort_values("at", kind="stable").reset_index(drop=True)
    texts = {words: normalised(words) for words in rows["text"].unique()}
    kinds_by_text = {
        plain: asked(without_names(plain, marks), talk) for plain in set(texts.values())
    }
    plain = rows["text"].map(texts).astype("str")
    table = pd.DataFrame(
        {
            "session_id": rows["session_id"],
            "at": rows["at"],
            "text": rows["text"],
            "plain": plain,
            "user": rows["user_key"].where(
                rows["user_key"].notna(), "row " + rows.index.astype("str")
            ),
            "team": rows["speaker"].eq("team").fillna(False).astype(bool),
            "kind": plain.map(lambda words: kinds_by_text[words][0]).astype("str"),
            "question": plain.map(lambda words: kinds_by_text[words][1]).astype("str"),
        }
    )
    prompted = _prompted(table, cues, prompt_seconds)
    together = table["kind"].eq("talk") & _together(table, spam_users) & ~prompted
    kind = table["kind"].mask(together | (table["kind"].eq("talk") & _repeated(table)), "spam")
    kind = kind.mask(kind.eq("chant") & prompted, "prompted_chant")
    return table.assign(kind=kind)


def _skeleton(rows: pd.DataFrame) -> pd.Series:
    """What near-duplicates share; missing for short texts."""
    bare = rows["plain"].str.replace(r"[\W\d_]+", "", regex=True)
    return bare.where(bare.str.len() >= LONG_ENOUGH)


def _together(rows: pd.DataFrame, users: float) -> pd.Series:
    texts = (
        rows.assign(same=_skeleton(rows))
        .dropna(subset=["same"])
        .drop_duplicates(["session_id", "same", "user"])
    )
    hit: list[int] = []
    n = int(users)
    for _, group in texts.groupby(["session_id", "same"]):
        late = group["at"].shift(1 - n) - group["at"]  # how long until there are so many
        for place in np.flatnonzero((late <= pd.Timedelta("2s")).to_numpy()):
            hit += list(group.index[place : place + n])
    return pd.Series(rows.index.isin(hit), index=rows.index)


def _repeated(rows: pd.DataFrame) -> pd.Series:
    same = _skeleton(rows)
    return same.notna() & (
        same.groupby([rows["session_id"], rows["user"], same.fillna("")]).transform("size")
        >= REPEATED
    )


def _prompted(rows: pd.DataFrame, cues: pd.DataFrame, seconds: float) -> pd.Series:
    prompts = np.sort(clock(cues.loc[cues["kind"].isin(PROMPTS), "at"]))
    at = clock(rows["at"])
    before = np.append(-np.inf, prompts)[np.searchsorted(prompts, at, side="right")]
    return pd.Series(at - before <= seconds, index=rows.index)


def clock(times: pd.Series) -> np.ndarray:
    """Times as seconds, with their zone or without."""
    return ((times - pd.Timestamp(0, tz=times.dt.tz)) / pd.Timedelta("1s")).to_numpy(dtype=float)
