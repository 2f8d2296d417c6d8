"""Comments: wording, questions, chants, spam and hot words, against published numbers."""

import dataclasses
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import reference
from helpers.core import findings, stats
from helpers.funnel import comments
from helpers.funnel.comments import product_questions, reading, vocabulary, volume, wording

TALK, LEXICON = reference.talk(), reference.lexicon()
FIXTURES = Path(__file__).parents[1] / "fixtures"
START = pd.Timestamp("2026-11-10 20:00:00", tz="Asia/Shanghai")
NAMES = {"p1": "玻尿酸面膜 10片", "p2": "牛肉干 500g", "p3": "面霜 50g"}
SPANS = pd.DataFrame(
    {"start_minute": [0.0, 10.0], "end_minute": [10.0, 20.0], "product_id": ["p1", "p2"]}
)


def lines(name: str, columns: int) -> list[list[str]]:
    rows = [
        line
        for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines()
        if not line.startswith("#")
    ]
    return [(row.split("\t") + [""] * columns)[:columns] for row in rows]


@dataclasses.dataclass
class Said:
    """A comment of a test: seconds since the start, who, what, by whom."""

    at: float
    user: str | None
    text: str
    speaker: str = "viewer"
    session: str = "S"


def frame(*rows: Said) -> pd.DataFrame:
    times = pd.Series(
        [START + pd.Timedelta(seconds=row.at) for row in rows],
        dtype=pd.DatetimeTZDtype("us", "Asia/Shanghai"),
    )
    return pd.DataFrame(
        {
            "session_id": pd.Series([row.session for row in rows], dtype="str"),
            "at": times,
            "user_key": pd.Series([row.user for row in rows], dtype="str"),
            "text": pd.Series([row.text for row in rows], dtype="str"),
            "speaker": pd.Series([row.speaker for row in rows], dtype="str"),
        }
    )


def cues(*rows: tuple[float, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "at": [START + pd.Timedelta(seconds=at) for at, _ in rows],
            "kind": [kind for _, kind in rows],
        }
    ).astype({"at": pd.DatetimeTZDtype("us", "Asia/Shanghai")})


def read(*rows: Said, after: pd.DataFrame | None = None, **options: float) -> pd.DataFrame:
    return comments.read(frame(*rows), cues() if after is None else after, TALK, **options)


# ---- the golden sentences


@pytest.mark.parametrize(
    ("sentence", "form", "whole", "kind", "question"), lines("comments_golden.tsv", 5)
)
def test_golden_sentences(sentence, form, whole, kind, question):
    plain = wording.normalised(sentence)
    assert plain == (form or sentence.lower())
    assert set(filter(None, whole.split("|"))) <= set(wording.words(plain, LEXICON))
    assert reading.asked(plain, TALK) == (kind, question or None)


def test_without_the_lexicon_the_golden_words_break():
    assert "运费险" not in wording.words("有运费险吗", ()) and "敏感肌" not in wording.words(
        "敏感肌能用吗", ()
    )


def test_a_workspace_adds_its_own_words(tmp_path):
    (tmp_path / "lexicon.txt").write_text("# shades\n落日橘调\n", encoding="utf-8")
    lexicon = reference.lexicon(tmp_path)
    assert set(LEXICON) < set(lexicon) and "落日橘调" in wording.words("有落日橘调吗", lexicon)
    (tmp_path / "two").mkdir()
    (tmp_path / "two" / "lexicon.txt").write_text("two words\n", encoding="utf-8")
    with pytest.raises(reference.ReferenceDataError, match="two words"):
        reference.lexicon(tmp_path / "two")


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_has_one_form_and_stays_in_it(sentence):
    once = wording.normalised(sentence)
    assert wording.normalised(once + " ") in (once, wording.normalised(once))
    assert reading.asked(once, TALK)[0] in ("spam", "chant", "question", "talk")
    assert all(word in once for word in wording.words(once, LEXICON))


def scores(kinds: list[bool], true: list[bool]) -> tuple[float, float, float]:
    hits = sum(a and b for a, b in zip(kinds, true, strict=True))
    precision, recall = hits / max(sum(kinds), 1), hits / max(sum(true), 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)


def test_the_rules_beat_the_question_mark_on_sentences_they_were_not_made_from():
    rows = lines("comments_heldout.tsv", 3)
    true = [kind == "question" for _, kind, _ in rows]
    kinds = [reading.asked(wording.normalised(sentence), TALK)[0] for sentence, _, _ in rows]
    precision, recall, f1 = scores([kind == "question" for kind in kinds], true)
    baseline = scores([any(mark in sentence for mark in "吗?？") for sentence, _, _ in rows], true)
    assert precision > 0.85 and recall > 0.85 and f1 > baseline[2] + 0.3
    for name in ("chant", "spam"):
        assert scores([kind == name for kind in kinds], [row[1] == name for row in rows])[2] > 0.75


# ---- hot words


def test_the_published_example_of_log_odds():
    one, two = (
        "The quick brown fox jumps over the lazy pig".lower().split(),
        "The lazy purple pig jumps over the lazier donkey".lower().split(),
    )
    words = sorted({*one, *two})
    y1, y2 = ([Counter(text)[word] for word in words] for text in (one, two))
    _, z = stats.log_odds(y1, y2, 0.05)
    shown = dict(zip(words, z, strict=True))  # README of fightin_words, prior 0.05
    assert [shown[word] for word in ("donkey", "lazier", "purple")] == pytest.approx(
        [-0.6894227886807968] * 3
    )
    assert [shown[word] for word in ("brown", "fox", "quick")] == pytest.approx(
        [0.6894227886807968] * 3
    )
    assert [shown[word] for word in ("jumps", "lazy", "over", "pig", "the")] == pytest.approx(
        [0] * 5
    )


@given(
    st.lists(
        st.tuples(st.integers(0, 50), st.integers(0, 50), st.floats(0.01, 20)),
        min_size=2,
        max_size=20,
    )
)
@settings(max_examples=50, deadline=None)
def test_swapping_the_corpora_changes_the_sign(rows):
    y1, y2, prior = map(np.array, zip(*rows, strict=True))
    for forth, back in zip(
        stats.log_odds(y1, y2, prior), stats.log_odds(y2, y1, prior), strict=True
    ):
        np.testing.assert_allclose(forth, -back, atol=1e-9)


def usual(rng: np.random.Generator, sessions: int, people: int, words: list[str]) -> list[Said]:
    return [
        Said(5.0 * person, f"{session}-{person}", f"{word}真的不错", session=f"s{session}")
        for session in range(sessions)
        for person in range(people)
        for word in rng.choice(words, 2, replace=False)
    ]


WORDS = ["面膜", "牛肉干", "精华液", "防晒", "快递", "口味", "包装", "质量", "老粉", "颜色"]


def hot(rows: list[Said], now: str = "s8") -> pd.DataFrame:
    used = comments.word_users(read(*rows), LEXICON, TALK.stop)
    return comments.hot_words(used, now)


def test_a_word_of_many_people_is_hot_and_one_loud_person_is_not():
    rows = usual(np.random.default_rng(1), 9, 100, WORDS)
    new = [Said(1000.0 + n, f"8-{n}", "酒精味有点重", session="s8") for n in range(12)]
    loud = [Said(2000.0 + 9 * n, "8-1", f"{n}号链接的玻尿酸", session="s8") for n in range(50)]
    table = hot([*rows, *new, *loud]).set_index("word")
    assert (
        table.index[0] == "酒精"
        and table.loc["酒精", "users"] == 12
        and table.loc["酒精", "p_adjusted"] < 0.01
    )
    assert "玻尿酸" not in table.index and not set(WORDS) & set(table.index)
    assert table.loc["酒精", "example"] == "酒精味有点重"
    fact = comments.word_findings(table.reset_index())[0]
    assert (
        "12 人写过" in fact["sentence_zh"]
        and "没有人写过" in fact["sentence_zh"]
        and "nobody in the sessions before" in fact["sentence_en"]
    )


def test_a_hundred_copies_of_ones_messages_change_nothing():
    rows = usual(np.random.default_rng(2), 9, 60, WORDS) + [
        Said(500.0 + n, f"8-{n}", "酒精味有点重", session="s8") for n in range(9)
    ]
    copies = [
        dataclasses.replace(row, at=row.at + 3000 + 40 * n)
        for n in range(100)
        for row in rows
        if row.user == "8-3"
    ]
    assert len(copies) >= 300 and "酒精" in hot(rows)["word"].tolist()
    pd.testing.assert_frame_equal(hot(rows), hot([*rows, *copies]))


def test_quiet_sessions_have_hardly_a_word_that_is_sure():
    alarms = [
        len(comments.word_findings(hot(usual(np.random.default_rng(100 + seed), 9, 40, WORDS)))) > 0
        for seed in range(20)
    ]
    assert np.mean(alarms) <= 0.15


def test_without_earlier_sessions_no_word_is_hot():
    rows = usual(np.random.default_rng(3), 1, 30, WORDS)
    assert hot(rows, "s0").empty and list(hot(rows, "s0").columns) == vocabulary.HOT


def test_comments_without_a_user_count_one_by_one():
    rows = read(*(Said(10.0 * n, None, "酒精味有点重") for n in range(7)))
    assert rows["user"].nunique() == 7


# ---- chants and spam


def test_chants_after_a_prompt_are_prompted_and_others_are_not():
    rows = read(
        Said(10, "a", "扣1"),
        Said(70, "b", "1111"),
        Said(200, "c", "666"),
        after=cues((60, "activity"), (190, "list")),
        prompt_seconds=90,
    )
    assert rows["kind"].tolist() == ["chant", "prompted_chant", "chant"]


def test_the_same_long_text_of_three_people_at_once_is_spam_of_one_person_or_spread_out_it_is_not():
    text = "这家隔壁店铺更便宜大家快去"
    at_once = read(
        Said(10, "a", text),
        Said(11, "b", text + "1"),
        Said(12, "c", text + "!"),
        Said(400, "d", text),
    )
    assert at_once["kind"].tolist() == ["spam", "spam", "spam", "talk"]
    spread = read(*(Said(10.0 * n, user, text) for n, user in enumerate("abcd")))
    assert (spread["kind"] == "talk").all()
    assert (read(*(Said(10.0 * n, "a", text) for n in range(5)))["kind"] == "spam").all()
    same_person = read(*(Said(10.0 + n / 2, "a", text) for n in range(4)))
    assert (same_person["kind"] == "talk").all()


def test_a_short_cheer_or_question_of_many_is_no_spam():
    assert (read(*(Said(10, user, "好好看") for user in "abcde"))["kind"] == "talk").all()
    assert (
        read(*(Said(10, user, "敏感肌可以用这个吗") for user in "abcde"))["kind"] == "question"
    ).all()


def test_nothing_is_deleted_and_engagement_stands_with_and_without():
    rows = read(
        Said(61, "a", "扣1"),
        Said(62, "b", "扣1"),
        Said(63, "b", "有赠品吗"),
        Said(64, "c", "加v领红包"),
        Said(65, None, "有赠品的", speaker="team"),
        after=cues((60, "lucky_bag")),
    )
    table = comments.kinds(rows)
    assert (
        len(rows) == 5 and table["comments"].sum() == 4 and table["share"].sum() == pytest.approx(1)
    )
    both = volume.engagement(rows, 100).set_index("counted")
    assert both.loc["all"].tolist() == [4, 3, 0.04, 0.03] and both.loc["own"].tolist() == [
        1,
        1,
        0.01,
        0.01,
    ]
    assert volume.engagement(rows, np.nan)["per_viewer"].isna().all()


# ---- questions


def questions(*rows: Said, **options: float) -> pd.DataFrame:
    read_rows = read(*rows)
    minute = (read_rows["at"] - START) / pd.Timedelta("1min")
    placed = comments.about(read_rows, minute, SPANS, NAMES)
    return comments.questions(
        read_rows, placed, comments.answered(read_rows, TALK), TALK, **options
    )


def test_a_question_belongs_to_the_product_named_else_explained_and_a_link_number_to_itself():
    rows = read(
        Said(60, "a", "面霜保质期多久"),
        Said(70, "b", "保质期多久"),
        Said(80, "c", "7号链接保质期多久"),
        Said(1500, "d", "保质期多久"),
    )
    placed = comments.about(rows, (rows["at"] - START) / pd.Timedelta("1min"), SPANS, NAMES)
    assert placed["about_basis"].tolist() == ["named", "explained", "link", "none"]
    assert (
        placed["product_id"].tolist()[:2] == ["p3", "p1"]
        and placed["product"].tolist()[2] == "7号链接"
    )
    assert placed["product_id"].isna().tolist() == [False, False, True, True]


def test_who_asks_for_stock_asks_for_what_was_sold_out_and_not_for_what_is_being_explained():
    texts = ["没有了吗", "有酒精吗", "没有了吗"]
    rows = pd.DataFrame({"plain": texts, "question": ["stock", "ingredients", "stock"]})
    spans = pd.DataFrame(
        {"product_id": ["p1", "p2"], "start_minute": [0.0, 10.0], "end_minute": [10.0, 20.0]}
    )
    minute, names = pd.Series([5.0, 5.0, 15.0]), {"p1": "牛肉干", "p2": "洗脸巾"}
    assert comments.about(rows, minute, spans, names, sold_out=["p2"])["product_id"].fillna(
        ""
    ).tolist() == ["", "p1", "p2"]
    assert comments.about(rows, minute, spans, names, sold_out=["p2"])["about_basis"].tolist() == [
        "none",
        "explained",
        "explained",
    ]
    assert comments.about(rows, minute, spans, names)["product_id"].tolist() == [
        "p1",
        "p1",
        "p2",
    ], "nothing was sold out: the explanation is all there is"
    named = rows.assign(plain=["牛肉干没有了吗", *texts[1:]])
    assert (
        comments.about(named, minute, spans, names, sold_out=["p2"])["product_id"].iloc[0] == "p1"
    ), "a name says it"


def test_the_name_of_a_product_is_no_question_about_its_contents():
    sentences = Said(60, "a", "玻尿酸面膜到手价多少"), Said(70, "b", "玻尿酸面膜含酒精吗")
    assert comments.read(frame(*sentences), cues(), TALK, names=NAMES)["question"].tolist() == [
        "price",
        "ingredients",
    ]


def test_questions_are_ranked_by_people_and_what_one_product_is_asked_about_stands_out():
    about_one = [Said(5.0 * n, f"u{n}", "有酒精吗") for n in range(12)] + [
        Said(30.0, "u0", "有酒精吗")
    ] * 5
    other = [Said(610.0 + 5 * n, f"u{n}", "几天到货") for n in range(10)] + [
        Said(20.0 * n, f"v{n}", "包邮吗") for n in range(4)
    ]
    table = questions(*about_one, *other)
    first = table.iloc[0]
    assert (first["question"], first["product_id"], first["users"], first["comments"]) == (
        "ingredients",
        "p1",
        12,
        17,
    )
    assert (
        first["standing"] == "above"
        and first["share"] == pytest.approx(12 / 16)
        and first["others_share"] == 0
    )
    assert table["unanswered"].isna().all()
    facts = findings.frame(comments.question_findings(table))
    assert (
        "12 人问成分与配料" in facts["sentence_zh"][0]
        and "cannot be known" in facts["sentence_en"][0]
    )
    # Nobody named the product: it was being explained, and the sentence says that they may have
    # meant another.
    assert (
        first["about_basis"] == "explained"
        and "时有 12 人问" in facts["sentence_zh"][0]
        and "也可能问的是别的商品" in facts["sentence_zh"][0]
    )
    assert (
        facts["sentence_en"][0].startswith("While “")
        and "perhaps about another product" in facts["sentence_en"][0]
    )
    named = findings.frame(comments.question_findings(table.assign(about_basis="named")))
    assert "可能" not in named["sentence_zh"][0] and "questions about it" in named["sentence_en"][0]


def test_two_products_of_one_name_are_asked_about_one_by_one():
    rows = read(*(Said(5.0 * n, f"u{n % 6}", "有酒精吗") for n in range(12)))
    placed = pd.DataFrame(
        {"product_id": ["p1"] * 6 + ["p2"] * 6, "product": "面膜", "about_basis": "named"},
        index=rows.index,
    )
    table = comments.questions(rows, placed, comments.answered(rows, TALK), TALK)
    assert table[["product_id", "users", "share", "others_share"]].to_numpy().tolist() == [
        ["p1", 6, 1.0, 1.0],
        ["p2", 6, 1.0, 1.0],
    ]


def test_each_count_of_people_is_named_for_what_it_is():
    rows = read(
        *(Said(10 * n, f"u{n % 4}", "面膜含酒精吗") for n in range(6)),
        Said(90, "w", "扣1"),
        Said(95, None, "不含酒精", speaker="team"),
    )
    used = comments.word_users(rows, LEXICON)
    zh, en = (comments.people_words(rows, used, 12.0, lang) for lang in ("zh", "en"))
    assert (
        "评论人数是 12" in zh
        and "有 8 条，其中 1 条是团队" in zh
        and "来自 5 名观众" in zh
        and "说过实词的 4 人" in zh
    )
    assert (
        "reports 12 commenters" in en
        and "holds 8, of which 1 are" in en
        and "from 5 viewers" in en
        and "the 4 who wrote" in en
    )
    assert "平台" not in comments.people_words(rows, used, np.nan, "zh")


def test_a_question_is_answered_by_the_team_within_the_time_and_on_the_subject():
    rows = read(
        Said(10, "a", "有运费险吗"),
        Said(60, None, "有运费险的", speaker="team"),
        Said(300, "b", "有运费险吗"),
        Said(310, None, "48小时发货", speaker="team"),
        Said(320, "c", "什么时候发货"),
        Said(330, "d", "质量真好"),
        reply := Said(439, None, "都发货了", speaker="team"),
    )
    assert reply.speaker == "team" and comments.answered(rows, TALK, reply_seconds=120).tolist()[
        :1
    ] == [True]
    by_user = comments.answered(rows, TALK, reply_seconds=120).groupby(rows["user"]).first()
    assert (by_user["a"], by_user["b"], by_user["c"]) == (True, False, True) and pd.isna(
        by_user.get("d")
    )
    assert comments.answered(rows[~rows["team"]], TALK).isna().all()


def test_no_comments_give_empty_tables():
    none = read()
    placed = comments.about(none, pd.Series(dtype=float), SPANS, NAMES)
    table = comments.questions(none, placed, comments.answered(none, TALK), TALK)
    assert table.empty and list(table.columns) == product_questions.ASKED
    assert comments.kinds(none).empty and comments.word_users(none, LEXICON).empty
    assert (
        comments.question_findings(table)
        == comments.word_findings(comments.hot_words(comments.word_users(none, LEXICON), "S"))
        == []
    )


def test_findings_show_hostile_text_short_and_plain():
    rows = usual(np.random.default_rng(4), 9, 60, WORDS) + [
        Said(500.0 + 30 * n, f"8-{n}", f"<script>酒精\u202e</script>{'很长' * 80}", session="s8")
        for n in range(9)
    ]
    fact = comments.word_findings(hot(rows))[0]
    assert "\u202e" not in fact["sentence_zh"] and len(fact["sentence_zh"]) < 120
