"""What viewers wrote: what they asked, which words were new, and what was chanted or advertised.

People are counted, not messages: somebody who writes a thing fifty times is one person. Nothing is
deleted; chants and advertising are told apart, and engagement is given with and without them. The
texts are strangers' words: they are shown shortened and escaped, and numbers that could be a phone
are masked when they are read.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import rjieba
from scipy.stats import fisher_exact

from helpers.core import findings, stats, text
from helpers.reference import Talk

NOTEBOOK = "02_funnel"
FEWEST_ASKING = 5  # people, under which a question is not judged
MOST_TOLD = 3  # words, and questions, that are stated
HISTORY = 8  # sessions that a word is set against
# how often the dictionary says a word of the lexicon occurs: more often than its parts together
FREQUENT = 20_000
PRIOR = 500.0  # pseudo-counts of the prior: what the history's own frequencies weigh
PROMPTS = ("activity", "lucky_bag", "coupon", "follow_prompt", "purchase_prompt")
KINDS = ("question", "talk", "prompted_chant", "chant", "spam")
LONG_ENOUGH = (
    8  # characters of a text that several people do not write within two seconds by chance
)
REPEATED = 5  # times that one person's same text is talk

_PICTURES = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\ufe0e\ufe0f\u200d]|\\[[^\\[\\]\\s]{1,6}\\]"
)
_NUMERALS = {mark: str(number) for number, mark in enumerate("一二三四五六七八九十", start=1)}
_LINK = re.compile(
    r"(?:链接|link|item|no\.|#) ?#?(\d{1,3})(?!\d)|(?<![\d月])(\d{1,3}) ?号? "
    r"?(?:小)?链接|(?<![\d月.])(\d{1,3}) ?号(?=有|还|多|什|怎|没|是|宝贝|商品|款|品|$)"
)
_LINKED = re.compile(r"\d{1,3}号链接|扣\d")
_EITHER = re.compile(r"([\u4e00-\u9fff])不\1")  # 辣不辣, 好不好
_TOKEN = re.compile(r"[a-z][a-z']+|[\u4e00-\u9fff]+")


# ---- one form, words
# -----------------------------------------------------------------------------------------------


def normalised(words: object) -> str:
    """A comment in one form: half width, lower case, no pictures, repeats folded, link numbers as "3号链接", 11111 as "扣1"."""
    plain = " ".join(_PICTURES.sub(" ", unicodedata.normalize("NFKC", str(words)).lower()).split())
    plain = re.sub("([一二三四五六七八九十])(?=号链接)", lambda found: _NUMERALS[found[1]], plain)
    plain = _LINK.sub(lambda found: f"{next(filter(None, found.groups()))}号链接", plain)
    if once := re.fullmatch(r"(?:[扣打敲刷发] ?)?(\d)(?: ?\1)*[!。.~]*", plain):
        return f"扣{once[1]}" if once[0] != "666" else plain
    plain = re.sub(r"(\D)\1{2,}", r"\1\1", plain)
    return re.sub(r"^(.{2,6}?)[ ,，!~]*(?:\1[ ,，!~]*)+$", r"\1", plain)


@functools.cache
def _segmenter(lexicon: tuple[str, ...]) -> rjieba.Jieba:
    made = rjieba.Jieba()
    for word in lexicon:
        made.add_word(word, FREQUENT, None)
    return made


def words(plain: str, lexicon: tuple[str, ...]) -> list[str]:
    """The words of a comment in its one form: Chinese as rjieba and the lexicon cut it, Latin words, link numbers whole."""
    found: list[str] = []
    end = 0
    for whole in [*_LINKED.finditer(plain), None]:
        between = plain[end : whole.start() if whole else None]
        for run in _TOKEN.findall(between):
            found += _segmenter(lexicon).cut(run) if run[0] > "z" else [run.removesuffix("'s")]
        found += [whole[0]] if whole else []
        end = whole.end() if whole else end
    return found


@functools.cache
def _pattern(listed: tuple[str, ...]) -> re.Pattern[str]:
    """Any of the words: Latin ones as whole words, Chinese ones anywhere; the longest first."""
    ordered = sorted(listed, key=len, reverse=True)
    return re.compile(
        "|".join(
            rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])"
            if word[-1].isascii()
            else re.escape(word)
            for word in ordered
        )
    )


# ---- what one comment is
# -------------------------------------------------------------------------------------------


def question_type(plain: str, talk: Talk) -> str | None:
    """The type of question whose word in the comment is longest, the earlier type of two; None where no type has a word in it."""
    bare = _LINKED.sub(" ", plain)
    longest = {
        name: max((len(found) for found in _pattern(one.words).findall(bare)), default=0)
        for name, one in talk.questions.items()
    }
    best = max(longest, key=longest.__getitem__)
    return best if longest[best] else None


def question(plain: str, talk: Talk) -> str | None:
    """The type of question that a comment asks, "other" where it asks something else, None where it asks nothing."""
    bare = plain.rstrip("。.!~… ")
    if _pattern(talk.not_ask).search(bare) and "?" not in bare:
        return None
    first = bare.split(" ")[0].strip(",")
    asks = (
        "?" in bare
        or bool(_EITHER.search(bare) or _pattern(talk.ask).search(bare))
        or first in talk.ask_first
        or bare.endswith(talk.ask_last)
    )
    kind = question_type(bare, talk)
    if asks:
        return kind or "other"
    wished = _pattern(talk.wish).search(bare) or any(
        bare == word for one in talk.questions.values() for word in one.words
    )
    return kind if wished else None


def _is_chant(plain: str, talk: Talk) -> bool:
    """Whether a comment is made of chants alone."""
    left = _pattern(talk.chants).sub("", plain)
    return left != plain and not left.strip(" ,，.。!~?")


def asked(plain: str, talk: Talk) -> tuple[str, str | None]:
    """What a comment is by its words alone (spam, chant, question or talk) and the type of question it asks."""
    if _pattern(talk.spam).search(plain):
        return "spam", None
    if not plain or _is_chant(plain, talk):
        return "chant", None
    kind = question(plain, talk)
    return ("question" if kind else "talk"), kind


# ---- the comments of a session
# -------------------------------------------------------------------------------------


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
    """The comments of one session or several, each with what it is: one row per comment, in order of time.

    Columns: session_id, at, user (the viewer's key; a comment without one counts as a person of its
    own), text, plain (its one form), team (written by the team), kind (KINDS: question, talk,
    prompted_chant, chant, spam), question (its type, `comments.yml`). A chant within
    `prompt_seconds` after a cue that asks for it is prompted. Spam are words of advertising, and
    long texts that `spam_users` people wrote within two seconds or that one person wrote REPEATED
    times. `names` are products: a question's type is read off what stands beside their names (a
    玻尿酸面膜 is no question of ingredients).
    """
    marks = _marks_of(names or {})
    rows = comments.sort_values("at", kind="stable").reset_index(drop=True)
    texts = {words: normalised(words) for words in rows["text"].unique()}
    known = {plain: asked(_without(plain, marks), talk) for plain in set(texts.values())}
    plain = rows["text"].map(texts).astype("str")
    made = pd.DataFrame(
        {
            "session_id": rows["session_id"],
            "at": rows["at"],
            "text": rows["text"],
            "plain": plain,
            "user": rows["user_key"].where(
                rows["user_key"].notna(), "row " + rows.index.astype("str")
            ),
            "team": rows["speaker"].eq("team").fillna(False).astype(bool),
            "kind": plain.map(lambda words: known[words][0]).astype("str"),
            "question": plain.map(lambda words: known[words][1]).astype("str"),
        }
    )
    prompted = _prompted(made, cues, prompt_seconds)
    together = made["kind"].eq("talk") & _together(made, spam_users) & ~prompted
    kind = made["kind"].mask(together | (made["kind"].eq("talk") & _repeated(made)), "spam")
    kind = kind.mask(kind.eq("chant") & prompted, "prompted_chant")
    return made.assign(kind=kind)


def _skeleton(rows: pd.DataFrame) -> pd.Series:
    """What near-duplicates have in common: the text without signs and figures; nothing for short ones."""
    bare = rows["plain"].str.replace(r"[\W\d_]+", "", regex=True)
    return bare.where(bare.str.len() >= LONG_ENOUGH)


def _together(rows: pd.DataFrame, users: float) -> pd.Series:
    """Long texts that so many different people wrote within two seconds."""
    found = (
        rows.assign(same=_skeleton(rows))
        .dropna(subset=["same"])
        .drop_duplicates(["session_id", "same", "user"])
    )
    hit: list[int] = []
    n = int(users)
    for _, group in found.groupby(["session_id", "same"]):
        late = group["at"].shift(1 - n) - group["at"]  # how long until there are so many
        for place in np.flatnonzero((late <= pd.Timedelta("2s")).to_numpy()):
            hit += list(group.index[place : place + n])
    return pd.Series(rows.index.isin(hit), index=rows.index)


def _repeated(rows: pd.DataFrame) -> pd.Series:
    """Long texts that one person wrote again and again."""
    same = _skeleton(rows)
    return same.notna() & (
        same.groupby([rows["session_id"], rows["user"], same.fillna("")]).transform("size")
        >= REPEATED
    )


def _prompted(rows: pd.DataFrame, cues: pd.DataFrame, seconds: float) -> pd.Series:
    """Whether a cue that asks for an answer came within so many seconds before."""
    prompts = np.sort(_clock(cues.loc[cues["kind"].isin(PROMPTS), "at"]))
    at = _clock(rows["at"])
    before = np.append(-np.inf, prompts)[np.searchsorted(prompts, at, side="right")]
    return pd.Series(at - before <= seconds, index=rows.index)


def _clock(times: pd.Series) -> np.ndarray:
    """Times as seconds, with their zone or without."""
    return ((times - pd.Timestamp(0, tz=times.dt.tz)) / pd.Timedelta("1s")).to_numpy(dtype=float)


def kinds(rows: pd.DataFrame) -> pd.DataFrame:
    """How much of what viewers wrote is what: one row per kind that occurs, in the order of KINDS.

    Columns: comment_kind, comments, share (of viewers' comments), users (people who wrote such; one
    can write several kinds).
    """
    written = rows[~rows["team"]]
    made = (
        written.groupby("kind")
        .agg(comments=("at", "size"), users=("user", "nunique"))
        .reindex(KINDS)
        .dropna()
    )
    return made.assign(share=made["comments"] / max(len(written), 1)).reset_index(
        names="comment_kind"
    )[["comment_kind", "comments", "share", "users"]]


def engagement(rows: pd.DataFrame, viewers: float) -> pd.DataFrame:
    """Engagement with and without what was asked for or advertised: one row per count.

    Columns: counted (all; own: without prompted chants and spam), comments, users, per_viewer
    (comments ÷ viewers: a count over people, no proportion), users_share (of the viewers).
    """
    written = rows[~rows["team"]]
    own = written[~written["kind"].isin(["prompted_chant", "spam"])]
    made = pd.DataFrame(
        {
            "counted": ["all", "own"],
            "comments": [float(len(part)) for part in (written, own)],
            "users": [float(part["user"].nunique()) for part in (written, own)],
        }
    )
    people = viewers if viewers and viewers > 0 else np.nan
    return made.assign(per_viewer=made["comments"] / people, users_share=made["users"] / people)


def people_words(rows: pd.DataFrame, used: pd.DataFrame, commenters: float, lang: str) -> str:
    """Which count of people is which: the platform's, those of the comments at hand, and those that hot words are shares of.

    `rows` is the session's part of `read`, `used` its part of `word_users`, `commenters` the
    session's own column.
    """
    team, (every, own) = rows["team"].sum(), engagement(rows, np.nan)["users"]
    shown = {
        name: text.number(count, lang)
        for name, count in {
            "rows": len(rows),
            "team": team,
            "every": every,
            "own": own,
            "words": used["user"].nunique(),
        }.items()
    }
    known = pd.notna(commenters) and commenters > 0
    platform = (
        text.choose(
            lang,
            f"平台报的评论人数是 {text.number(commenters, lang)}，",
            f"The platform reports {text.number(commenters, lang)} commenters; ",
        )
        if known
        else ""
    )
    return platform + text.choose(
        lang,
        (
            f"弹幕文件有 {shown['rows']} 条，其中 {shown['team']} 条是团队自己的回复，其余来自 "
            f"{shown['every']} 名观众"
        )
        + ("，两者口径不同，不必相等" if known else "")
        + (
            f"；去掉应活动刷的口令和广告是 {shown['own']} 人；热词的占比除以说过实词的 "
            f"{shown['words']} 人。"
        ),
        (
            f"the file of comments holds {shown['rows']}, of which {shown['team']} are the team's "
            f"replies and the rest come from {shown['every']} viewers"
        )
        + (", a count of its own that need not be equal" if known else "")
        + (
            f". Without chants that were asked for and advertising there are {shown['own']} "
            f"people; hot words are shares of the {shown['words']} who wrote some word."
        ),
    )


# ---- hot words
# -----------------------------------------------------------------------------------------------------


def word_users(
    rows: pd.DataFrame, lexicon: tuple[str, ...], stop: Iterable[str] = ()
) -> pd.DataFrame:
    """Who used which word: one row per session, person and word of what viewers asked or said, with an example of theirs.

    Columns: session_id, user, word, text. Words of one letter or character and stop words are left
    out.
    """
    said = rows[~rows["team"] & rows["kind"].isin(["question", "talk"])]
    left = set(stop)
    cut = {
        plain: sorted(
            {word for word in words(plain, lexicon) if len(word) > 1 and word not in left}
        )
        for plain in said["plain"].unique()
    }
    every = said.assign(word=said["plain"].map(cut)).explode("word").dropna(subset=["word"])
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
    """Words that more people wrote in this session than the account's earlier sessions let one expect, the hottest first.

    `used` is `word_users` of the session and of earlier ones. One row per word of `min_users`
    people at least with z above `min_z`: word, users, users_before, sessions_before (earlier
    sessions in which somebody wrote it), users_share (of those who wrote anything), share_before,
    log_odds, z (against the history, `stats.log_odds`; people, not messages), p_adjusted
    (beta-binomial prediction from the earlier sessions, which holds how much sessions differ;
    Benjamini-Hochberg over all words of so many people), example. Empty without earlier sessions.
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
    found = pd.DataFrame(
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
    found = found[found["users"] >= min_users]
    p = [
        stats.beta_binomial_predictive(
            row.users, people[session_id], before.loc[row.word], writers[before.columns]
        ).p_value
        for row in found.itertuples()
    ]
    found = found.assign(p_adjusted=stats.benjamini_hochberg(np.array(p, dtype=float)))
    examples = used[used["session_id"] == session_id].groupby("word")["text"].first()
    hot = found[found["z"] > min_z].sort_values("z", ascending=False, kind="stable")
    return hot.assign(example=hot["word"].map(examples).map(lambda said: text.plain(said, 30)))[
        HOT
    ].reset_index(drop=True)


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


# ---- questions
# -----------------------------------------------------------------------------------------------------


def about(
    rows: pd.DataFrame,
    minute: pd.Series,
    spans: pd.DataFrame,
    names: Mapping[str, str],
    *,
    sold_out: Iterable[str] = (),
) -> pd.DataFrame:
    """The product that each comment is about: by a name in it, else by the explanation running, else by its link number alone.

    Columns (index of `rows`): product_id (nan where none is known), product (name, else the link
    number), about_basis (named, link, explained, none). A link number stands for itself: no export
    says which product has which number. Who asks for stock while a product that was never out of it
    is explained, and another was (`sold_out`), asks about no product known.
    """
    marks = _marks_of(names)
    link = rows["plain"].str.extract(r"(\d{1,3}号链接)")[0]
    named = rows["plain"].map({plain: _named(plain, marks) for plain in rows["plain"].unique()})
    running = pd.Series(np.nan, index=rows.index, dtype="object")
    for span in spans[spans["product_id"].notna()].itertuples():
        running = running.mask(
            (minute >= span.start_minute) & (minute < span.end_minute), span.product_id
        )
    gone = set(sold_out)
    running = running.mask(
        link.notna() | (rows["question"].eq("stock") & ~running.isin(gone) & bool(gone))
    )
    product = named.where(named.notna(), running)
    basis = np.select(
        [named.notna(), link.notna(), running.notna()], ["named", "link", "explained"], "none"
    )
    shown = product.map(lambda key: names.get(key, key) if isinstance(key, str) else np.nan).where(
        product.notna(), link
    )
    return pd.DataFrame(
        {"product_id": product.astype("str"), "product": shown.astype("str"), "about_basis": basis},
        index=rows.index,
    )


def _marks_of(names: Mapping[str, str]) -> dict[str, str]:
    """Words that name one product: its first word, where no other product begins so."""
    first = {
        key: normalised(name).split(" ")[0]
        for key, name in names.items()
        if isinstance(name, str) and name.strip()
    }
    single = {
        key: word
        for key, word in first.items()
        if len(word) > 1 and list(first.values()).count(word) == 1
    }
    return dict(
        sorted(((word, key) for key, word in single.items()), key=lambda pair: -len(pair[0]))
    )


def _without(plain: str, marks: Iterable[str]) -> str:
    """A comment without the names of products in it, unless it is nothing else."""
    return functools.reduce(lambda left, mark: left.replace(mark, "这款"), marks, plain)


def _named(plain: str, marks: Mapping[str, str]) -> object:
    return next((key for word, key in marks.items() if word in plain), np.nan)


def answered(rows: pd.DataFrame, talk: Talk, *, reply_seconds: float = 120) -> pd.Series:
    """Whether the team wrote about the same within `reply_seconds`; missing for all where the team's own words are not in the data."""
    asked_now = rows["question"].notna() & ~rows["team"]
    replies = rows[rows["team"]]
    found = pd.Series(pd.NA, index=rows.index, dtype="boolean")
    if replies.empty:
        return found
    found[asked_now] = False
    said = replies["plain"].map(
        lambda plain: {
            name for name, one in talk.questions.items() if _pattern(one.words).search(plain)
        }
    )
    for name in rows.loc[asked_now, "question"].unique():
        own = asked_now & rows["question"].eq(name)
        times = _clock(replies.loc[[name in types for types in said], "at"])
        at = _clock(rows.loc[own, "at"])
        found[own] = np.append(times, np.inf)[np.searchsorted(times, at)] - at <= reply_seconds
    return found


def questions(
    rows: pd.DataFrame,
    products: pd.DataFrame,
    replied: pd.Series,
    talk: Talk,
    *,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """What was asked about which product, by people: one row per type and product, the most asked first.

    `products` is `about`, `replied` is `answered`. Columns: question, question_zh, question_en,
    product_id, product, about_basis (as most were placed), users, comments, share (of the questions
    about the product, each counted once a person), unanswered (comments; nan where no reply can be
    known), unanswered_share, others_share (the same share among the questions about the other
    products), p_adjusted (Fisher's exact test, one-sided: more of this type than about the others),
    standing (above, cannot_tell, too_few), example.
    """
    asked_now = rows[rows["question"].notna() & rows["kind"].eq("question") & ~rows["team"]]
    each = asked_now.join(products).assign(open=1 - replied[asked_now.index].astype("float64"))
    each = each.assign(product=each["product"].fillna(""), product_id=each["product_id"].fillna(""))
    made = (
        each.groupby(["question", "product_id", "product"])
        .agg(
            users=("user", "nunique"),
            comments=("at", "size"),
            unanswered=("open", lambda column: column.sum(min_count=1)),
            about_basis=("about_basis", lambda column: column.mode().iloc[0]),
            example=("text", "first"),
        )
        .reset_index()
    )
    asks = each.drop_duplicates(["user", "question", "product"])
    made = made.assign(
        unanswered_share=made["unanswered"] / made["comments"], **_over_asked(made, asks)
    )
    judged = made["users"].ge(FEWEST_ASKING) & made["product"].ne("")
    p = stats.benjamini_hochberg(made["p_value"].where(judged).to_numpy(dtype=float))
    standing = np.select([~judged, p <= false_discovery_rate], ["too_few", "above"], "cannot_tell")
    labels = {name: (one.zh, one.en) for name, one in talk.questions.items()} | {
        "other": ("其他问题", "Other questions")
    }
    made = made.assign(
        p_adjusted=p,
        standing=standing,
        question_zh=made["question"].map(lambda name: labels[name][0]).astype("str"),
        question_en=made["question"].map(lambda name: labels[name][1]).astype("str"),
        example=made["example"].map(lambda said: text.plain(said, 30)).astype("str"),
    )
    return made.sort_values(["users", "comments"], ascending=False, kind="stable")[
        ASKED
    ].reset_index(drop=True)


ASKED = [
    "question",
    "question_zh",
    "question_en",
    "product_id",
    "product",
    "about_basis",
    "users",
    "comments",
    "share",
    "unanswered",
    "unanswered_share",
    "others_share",
    "p_adjusted",
    "standing",
    "example",
]


def _over_asked(made: pd.DataFrame, asks: pd.DataFrame) -> dict[str, Iterable[float]]:
    """Of each cell the share of its type among the other products' questions, and the chance of so many more about this one."""
    by_type, by_product = asks["question"].value_counts(), asks["product"].value_counts()
    own, shares, chances = made["users"] / made["product"].map(by_product).astype(float), [], []
    for row in made.itertuples():
        others, others_all = by_type[row.question] - row.users, len(asks) - by_product[row.product]
        shares.append(others / others_all if others_all else np.nan)
        cells = [[row.users, by_product[row.product] - row.users], [others, others_all - others]]
        chances.append(
            float(fisher_exact(cells, alternative="greater").pvalue)
            if others_all and min(map(min, cells)) >= 0
            else np.nan
        )
    return {"share": own, "others_share": shares, "p_value": chances}


# ---- findings
# ------------------------------------------------------------------------------------------------------


def engagement_findings(rows: pd.DataFrame, viewers: float) -> list[dict[str, object]]:
    """One fact: comments and people with and without chants that were asked for and advertising; none without comments."""
    if rows.empty:
        return []
    every, own = (row for row in engagement(rows, viewers).itertuples())
    zh, en = (
        [
            text.value(count, "times", lang)
            for row in (every, own)
            for count in (row.comments, row.users)
        ]
        for lang in ("zh", "en")
    )
    left = text.percent(1 - own.comments / every.comments, 0)
    return [
        findings.make(
            notebook=NOTEBOOK,
            dimension="interaction",
            metric="comments",
            slice="own",
            verdict="not_comparable",
            value=own.comments,
            baseline=every.comments,
            sentence_zh=(
                f"弹幕 {zh[0]} 条、{zh[1]} 人；去掉应活动刷的口令和广告刷屏（{left}），"
                "还有 "
                f"{zh[2]} 条、{zh[3]} 人。"
            ),
            sentence_en=(
                f"{en[0]} comments by {en[1]} people; without chants that were asked for "
                "and "
                f"advertising ({left}), {en[2]} by {en[3]}."
            ),
        )
    ]


def word_findings(
    hot: pd.DataFrame, *, false_discovery_rate: float = 0.10
) -> list[dict[str, object]]:
    """Facts of at most `MOST_TOLD` words that more people wrote than the earlier sessions, with all their differences, let one expect."""
    told = hot[hot["p_adjusted"] <= false_discovery_rate].head(MOST_TOLD)
    return [_word_fact(row) for row in told.itertuples()]


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
    return findings.make(
        notebook=NOTEBOOK,
        dimension="interaction",
        metric="commenters",
        slice=f"word={row.word}",
        verdict="not_comparable",
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


def question_findings(
    table: pd.DataFrame, *, reply_seconds: float = 120, least_users: float = 10
) -> list[dict[str, object]]:
    """Facts of at most `MOST_TOLD` types of question that many people asked about one product, and more often than about others."""
    told = table[(table["standing"] == "above") & (table["users"] >= least_users)].head(MOST_TOLD)
    return [_question_fact(row, reply_seconds) for row in told.itertuples()]


def _question_fact(row: object, reply_seconds: float) -> dict[str, object]:
    product, share, others = (
        text.plain(row.product, 30),
        text.percent(row.share, 0),
        text.percent(row.others_share, 0),
    )
    zh, en = (text.value(row.users, "users", lang) for lang in ("zh", "en"))
    known, wait = np.isfinite(row.unanswered_share), text.number(reply_seconds, "en")
    left, counted = (text.number(count, "en") for count in (row.unanswered, row.comments))
    open_zh = (
        f"{counted} 条提问里 {left} 条在 {wait} 秒内没有文字回复。"
        if known
        else "有没有得到回复，数据里看不出。"
    )
    open_en = (
        f"{left} of {counted} comments had no written reply within {wait} seconds."
        if known
        else "Whether they were answered cannot be known from the data."
    )
    asked = {"zh": row.question_zh, "en": f"{row.question_en[0].lower()}{row.question_en[1:]}"}
    by_clock = (
        row.about_basis == "explained"
    )  # nobody named the product: it was the one being explained
    who_zh = (
        (
            f"讲解「{product}」时有 {zh} 人问{asked['zh']}（也可能问的是别的商品），"
            "占归到这次讲解的提问的"
        )
        if by_clock
        else f"「{product}」有 {zh} 人问{asked['zh']}，占关于它的提问的"
    )
    who_en = (
        (
            f"While “{product}” was explained {en} people asked about {asked['en']} (perhaps about "
            f"another product), {share} of the questions placed there"
        )
        if by_clock
        else (
            f"“{product}”: {en} people asked about {asked['en']}, {share} of the questions about it"
        )
    )
    return findings.make(
        notebook=NOTEBOOK,
        dimension="conversion",
        metric="commenters",
        slice=f"question={row.question}|product={row.product_id or row.product}",
        verdict="not_comparable",
        value=row.users,
        p_adjusted=row.p_adjusted,
        sentence_zh=f"{who_zh} {share}，其他商品是 {others}；{open_zh}例：「{row.example}」",
        sentence_en=(
            f"{who_en}, against {others} for other products. {open_en} For example: “{row.example}”"
        ),
    )
