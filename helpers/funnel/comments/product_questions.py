"""What viewers asked about which product, and whether the team answered."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from helpers.core import stats, text
from helpers.funnel.comments.reading import clock
from helpers.funnel.comments.vocabulary import MOST_STATED
from helpers.funnel.comments.wording import (
    marks_of,
    pattern,
)
from helpers.funnel.facts import fact
from helpers.reference import Talk

FEWEST_ASKING = 5  # people, under which a question is not judged
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


def about(
    rows: pd.DataFrame,
    minute: pd.Series,
    spans: pd.DataFrame,
    names: Mapping[str, str],
    *,
    sold_out: Iterable[str] = (),
) -> pd.DataFrame:
    """The product that each comment is about: the one named, else explained, else its link number.

    Columns (index of `rows`): product_id (nan where none is known), product (name, else the link
    number, as no export says whose it is), about_basis (named, link, explained, none). Who asks for
    stock while a product that was never out of it is explained, and another was (`sold_out`), asks
    about no product known.
    """
    marks = marks_of(names)
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
    label = product.map(lambda key: names.get(key, key) if isinstance(key, str) else np.nan).where(
        product.notna(), link
    )
    return pd.DataFrame(
        {"product_id": product.astype("str"), "product": label.astype("str"), "about_basis": basis},
        index=rows.index,
    )


def _named(plain: str, marks: Mapping[str, str]) -> object:
    return next((key for word, key in marks.items() if word in plain), np.nan)


def answered(rows: pd.DataFrame, talk: Talk, *, reply_seconds: float = 120) -> pd.Series:
    """Whether the team wrote about the same subject within `reply_seconds`.

    Missing for all where the team's own words are not in the data.
    """
    asking = rows["question"].notna() & ~rows["team"]
    replies = rows[rows["team"]]
    replied = pd.Series(pd.NA, index=rows.index, dtype="boolean")
    if replies.empty:
        return replied
    replied[asking] = False
    reply_types = replies["plain"].map(
        lambda plain: {
            name for name, entry in talk.questions.items() if pattern(entry.words).search(plain)
        }
    )
    for name in rows.loc[asking, "question"].unique():
        of_type = asking & rows["question"].eq(name)
        times = clock(replies.loc[[name in types for types in reply_types], "at"])
        at = clock(rows.loc[of_type, "at"])
        replied[of_type] = (
            np.append(times, np.inf)[np.searchsorted(times, at)] - at <= reply_seconds
        )
    return replied


def questions(
    rows: pd.DataFrame,
    products: pd.DataFrame,
    replied: pd.Series,
    talk: Talk,
    *,
    false_discovery_rate: float = 0.10,
) -> pd.DataFrame:
    """The questions by type and product, counted in people, the most asked first.

    `products` is `about`, `replied` is `answered`. Columns: question, question_zh, question_en,
    product_id, product, about_basis (as most were placed), users, comments, share (of the questions
    about the product, each counted once a person), unanswered (comments; nan where no reply can be
    known), unanswered_share, others_share (the share at the other products), p_adjusted (Fisher's
    exact test, one-sided: more than at the others), standing (above, cannot_tell, too_few),
    example.
    """
    asking = rows[rows["question"].notna() & rows["kind"].eq("question") & ~rows["team"]]
    rows_asking = asking.join(products).assign(open=1 - replied[asking.index].astype("float64"))
    rows_asking = rows_asking.assign(
        product=rows_asking["product"].fillna(""), product_id=rows_asking["product_id"].fillna("")
    )
    rows_asking = rows_asking.assign(
        subject=rows_asking["product_id"].where(
            rows_asking["product_id"] != "", rows_asking["product"]
        )
    )
    table = (
        rows_asking.groupby(["question", "product_id", "product", "subject"])
        .agg(
            users=("user", "nunique"),
            comments=("at", "size"),
            unanswered=("open", lambda column: column.sum(min_count=1)),
            about_basis=("about_basis", lambda column: column.mode().iloc[0]),
            example=("text", "first"),
        )
        .reset_index()
    )
    asks = rows_asking.drop_duplicates(["user", "question", "subject"])
    table = table.assign(
        unanswered_share=table["unanswered"] / table["comments"], **_over_asked(table, asks)
    )
    judged = table["users"].ge(FEWEST_ASKING) & table["product"].ne("")
    p = stats.benjamini_hochberg(table["p_value"].where(judged).to_numpy(dtype=float))
    standing = np.select([~judged, p <= false_discovery_rate], ["too_few", "above"], "cannot_tell")
    labels = {name: (entry.zh, entry.en) for name, entry in talk.questions.items()} | {
        "other": ("其他问题", "Other questions")
    }
    table = table.assign(
        p_adjusted=p,
        standing=standing,
        question_zh=table["question"].map(lambda name: labels[name][0]).astype("str"),
        question_en=table["question"].map(lambda name: labels[name][1]).astype("str"),
        example=table["example"].map(lambda example: text.plain(example, 30)).astype("str"),
    )
    return table.sort_values(["users", "comments"], ascending=False, kind="stable")[
        ASKED
    ].reset_index(drop=True)


def _over_asked(table: pd.DataFrame, asks: pd.DataFrame) -> dict[str, Iterable[float]]:
    """The chance is that of so many more questions of the type about this product."""
    by_type, by_product = asks["question"].value_counts(), asks["subject"].value_counts()
    shares_own, shares, chances = (
        table["users"] / table["subject"].map(by_product).astype(float),
        [],
        [],
    )
    for row in table.itertuples():
        others, others_all = by_type[row.question] - row.users, len(asks) - by_product[row.subject]
        shares.append(others / others_all if others_all else np.nan)
        cells = [[row.users, by_product[row.subject] - row.users], [others, others_all - others]]
        chances.append(
            float(fisher_exact(cells, alternative="greater").pvalue)
            if others_all and min(map(min, cells)) >= 0
            else np.nan
        )
    return {"share": shares_own, "others_share": shares, "p_value": chances}


def question_findings(
    table: pd.DataFrame, *, reply_seconds: float = 120, least_users: float = 10
) -> list[dict[str, object]]:
    """Facts of at most `MOST_STATED` types of question that stand out at one product."""
    above = table[(table["standing"] == "above") & (table["users"] >= least_users)].head(
        MOST_STATED
    )
    return [_question_fact(row, reply_seconds) for row in above.itertuples()]


def _question_fact(row: object, reply_seconds: float) -> dict[str, object]:
    product, share, others = (
        text.plain(row.product, 30),
        text.percent(row.share, 0),
        text.percent(row.others_share, 0),
    )
    zh, en = (text.value(row.users, "users", lang) for lang in ("zh", "en"))
    replies_known, wait = np.isfinite(row.unanswered_share), text.number(reply_seconds, "en")
    left, counted = (text.number(count, "en") for count in (row.unanswered, row.comments))
    open_zh = (
        f"{counted} 条提问里 {left} 条在 {wait} 秒内没有文字回复。"
        if replies_known
        else "有没有得到回复，数据里看不出。"
    )
    open_en = (
        f"{left} of {counted} comments had no written reply within {wait} seconds."
        if replies_known
        else "Whether they were answered cannot be known from the data."
    )
    subject_zh, subject_en = row.question_zh, row.question_en[0].lower() + row.question_en[1:]
    if row.about_basis == "explained":  # nobody named the product: it was being explained
        who_zh = (
            f"讲解「{product}」时有 {zh} 人问{subject_zh}（也可能问的是别的商品），"
            "占归到这次讲解的提问的"
        )
        who_en = (
            f"While “{product}” was explained {en} people asked about {subject_en} (perhaps about "
            f"another product), {share} of the questions placed there"
        )
    else:
        who_zh = f"「{product}」有 {zh} 人问{subject_zh}，占关于它的提问的"
        who_en = (
            f"“{product}”: {en} people asked about {subject_en}, {share} of the questions about it"
        )
    return fact(
        dimension="conversion",
        metric="commenters",
        slice=f"question={row.question}|product={row.product_id or row.product}",
        value=row.users,
        p_adjusted=row.p_adjusted,
        sentence_zh=f"{who_zh} {share}，其他商品是 {others}；{open_zh}例：「{row.example}」",
        sentence_en=(
            f"{who_en}, against {others} for other products. {open_en} For example: “{row.example}”"
        ),
    )
