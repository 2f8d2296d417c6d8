"""What notebooks show is an entry of results.yml; what an entry needs is given."""

import ast
import re
import string
import types
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import pandas as pd
import pytest
import seaborn as sns

from helpers import reference, report
from helpers.report.units import UNITS

ROOT = Path(__file__).parents[2]
CALLS = {"table": "tables", "figure": "figures", "say": "sentences", "check": "checks"}
OPTIONS = {"when", "heads", "units", "folded", "missing"}


def calls() -> list[tuple[str, str, ast.Call]]:
    """Each call of `show` in the notebooks that names an entry: its kind, its id."""
    found = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type != "code":
                continue
            for node in ast.walk(ast.parse(cell.source)):
                name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
                if name.removeprefix("show.") in CALLS and name.startswith("show."):
                    found += [
                        (CALLS[name[5:]], id.value, node)
                        for id in ast.walk(node.args[0])
                        if isinstance(id, ast.Constant)
                    ]
                if name == "show.notes":
                    found += [
                        ("sentences", word.value.value, node)
                        for word in node.keywords
                        if word.arg == "nothing"
                    ]
    return found


def texts(entry) -> list[reference.Label]:
    """Every text of an entry, in both languages."""
    held = [entry] if isinstance(entry, reference.Label) else []
    held += [
        getattr(entry, name) for name in ("caption", "title", "nothing") if hasattr(entry, name)
    ]
    for column in getattr(entry, "columns", {}).values():
        if column and column.zh:
            held.append(reference.Label(zh=column.zh, en=column.en))
        held += [column.empty] if column and column.empty else []
    held += list(getattr(entry, "labels", {}).values())
    return [text for text in held if text is not None]


def marks(words: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(words) if name}


ENTRIES = {
    (kind, name): entry
    for kind in CALLS.values()
    for name, entry in getattr(reference.results(), kind).items()
}


def test_notebooks_show_what_is_an_entry_and_every_entry_is_shown():
    shown = {(kind, name) for kind, name, _ in calls()}
    assert shown <= set(ENTRIES), shown - set(ENTRIES)
    code = " ".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "notebooks").glob("*.ipynb")
    )
    # which of two sentences is said may be chosen before
    unused = [name for kind, name in set(ENTRIES) - shown if f'\\"{name}\\"' not in code]
    assert not unused


@pytest.mark.parametrize("key", ENTRIES, ids=lambda key: f"{key[0]}-{key[1]}")
def test_an_entry_says_the_same_in_both_languages(key):
    entry = ENTRIES[key]
    for text in texts(entry):
        assert marks(text.zh) == marks(text.en), text
        assert re.search(r"[\u4e00-\u9fff]|^[{#]", text.zh) and text.en.strip(), text
    for name, column in (getattr(entry, "columns", None) or {}).items():
        if column:
            assert bool(column.zh) == bool(column.en), name
            assert column.unit is None or column.unit.lstrip("+") in UNITS, name


@pytest.mark.parametrize(
    ("kind", "name", "call"), calls(), ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_notebook_gives_the_words_that_its_entry_needs(kind, name, call):
    entry = ENTRIES.get((kind, name))
    if entry is None or any(word.arg is None for word in call.keywords):
        return
    given = {word.arg for word in call.keywords} - OPTIONS
    if kind == "figures":
        words = [word.value for word in call.keywords if word.arg == "words"]
        given = {ast.literal_eval(key) for word in words for key in getattr(word, "keys", [])}
        given |= {key.arg for word in words for key in getattr(word, "keywords", [])}
    needed = set().union(*(marks(text.zh) for text in texts(entry)))
    if kind != "sentences" or call.args:
        assert needed <= given, (name, needed - given)


# ---- how an entry is shown


ENTRY = """
tables:
  goods:
    caption: {zh: "{place}的商品", en: "Products of {place}"}
    limit: 2
    columns:
      name: {zh: 品名, en: Item}
      share: {of: part, unit: percent}
      word: {zh: 说明, en: Note, empty: {zh: 无, en: none}}
      price_user: {optional: true}
    nothing: {zh: "{place}没有商品。", en: "No product of {place}."}
  videos:
    caption: {zh: 视频, en: Videos}
    missing: videos
figures:
  bars:
    title: {zh: "柱（{n}）", en: "Bars ({n})"}
    labels: {named: {zh: 全部, en: all}}
sentences:
  late: {zh: "晚发 {n} 单", en: "Late: {n}", level: warn}
checks:
  whole: {zh: 加不成全部, en: It does not add up}
"""
GOODS = pd.DataFrame(
    {
        "name": ["甲", "乙", "丙"],
        "part": [0.5, 0.25, 0.25],
        "word_zh": ["好", None, "差"],
        "word_en": ["good", None, "bad"],
        "other": [1, 2, 3],
    }
)


@pytest.fixture(params=["zh", "en"])
def show(request, tmp_path):
    """Of a review of nothing but a workspace with entries of its own."""
    (tmp_path / "results.yml").write_text(ENTRY, encoding="utf-8")
    return report.Show(
        types.SimpleNamespace(
            lang=request.param,
            registry={},
            currency="CNY",
            workspace=types.SimpleNamespace(reference=tmp_path),
            has=lambda name: False,
            missing=lambda name, column="": f"no {name} {column}".strip(),
        )
    )


def test_a_table_has_the_columns_names_units_and_caption_of_its_entry(show):
    place = reference.Label(zh="杭州", en="Hangzhou")
    goods = GOODS.assign(word=GOODS["word_zh"]).drop(columns=["word_zh", "word_en"])
    plain = show.table("goods", goods, place=place).plain
    heads, first, second = (
        {
            "zh": ("杭州的商品", "品名", "说明", "无", "共 3 行"),
            "en": ("Products of Hangzhou", "Item", "Note", "none", "showing 2 of 3"),
        }[show.lang],
        "50",
        "25",
    )
    assert all(word in plain for word in (*heads, first, second))
    assert "丙" not in plain and "other" not in plain
    assert (
        show.table("goods", goods.head(0), place=place).plain
        == {
            "zh": "杭州没有商品。",
            "en": "No product of Hangzhou.",
        }[show.lang]
    )
    assert show.table("goods", goods, when=False, place=place) is None
    assert show.table("videos", goods.head(0)) == show.review.missing("videos")


def test_what_is_no_entry_or_no_column_names_the_nearest(show):
    with pytest.raises(KeyError, match=r"'god' is no table of results\.yml; nearest: goods"):
        show.table("god", GOODS)
    with pytest.raises(KeyError, match=r"'part' is no column of .*; nearest: parts"):
        show.table("goods", GOODS.rename(columns={"part": "parts"}), place="-")


def test_a_chart_is_drawn_in_the_language_and_only_of_data(show):
    asked = []

    def chart(frame, *, lang, named):
        asked.append((lang, named))
        return plt.subplots()[1]

    drawn = show.figure("bars", chart, GOODS, words={"n": 3})
    assert asked == [(show.lang, {"zh": "全部", "en": "all"}[show.lang])]
    assert {"zh": "柱（3）", "en": "Bars (3)"}[show.lang] in drawn.html
    assert show.figure("bars", chart, GOODS.head(0), words={"n": 3}) is None and len(asked) == 1


def test_sentences_notes_and_checks(show, capsys):
    assert show.say("late", n=3).plain == {"zh": "! 晚发 3 单", "en": "! Late: 3"}[show.lang]
    assert show.say("late", n=3, when=False) is None
    assert show.say("late", when=False, missing="orders") == show.review.missing("orders")
    assert show.sentence(("好", "good")).plain == {"zh": "好", "en": "good"}[show.lang]
    assert show.sentence("") is None and show.notes([]) is None
    assert (
        show.notes([("一", "one"), "x"]).plain == {"zh": "- 一\n- x", "en": "- one\n- x"}[show.lang]
    )
    show.check("whole", True)
    assert not capsys.readouterr().out
    show.check("whole", False)
    assert {"zh": "加不成全部", "en": "It does not add up"}[show.lang] in capsys.readouterr().out


# ---- any frame, any chart


def test_any_frame_is_shown_with_its_index(show):
    means = GOODS.groupby("name")["part"].mean()
    assert "甲" in show.table(means).plain and "0.5" in show.table(means).plain.replace(
        "0.50", "0.5"
    )
    pivoted = pd.DataFrame(
        {"host": ["a", "a", "b"], "day": [1, 2, 1], "paid": [1.0, 2.0, 3.0]}
    ).pivot_table(index=["host", "day"], aggfunc=["mean", "max"])
    plain = show.table(pivoted).plain
    assert "mean · paid" in plain and "a" in plain
    same = pd.Series([3, 1], index=["x", "y"]).value_counts()
    assert len(show.table(same).plain.splitlines()) >= 3


def test_any_chart_is_shown(show):
    tidy = GOODS.assign(kind=["a", "b", "a"])
    for drawn in (
        sns.relplot(tidy, x="part", y="other", col="kind"),
        sns.catplot(tidy, x="kind", y="other", kind="bar"),
        sns.barplot(tidy, x="kind", y="other"),
        plt.figure().add_subplot().figure,
    ):
        assert "<img" in show.figure(drawn).html
    plt.close("all")


def test_a_workspace_words_a_table_its_own_way(tmp_path):
    (tmp_path / "results.yml").write_text(
        "tables:\n  sources:\n    caption: {zh: 渠道, en: Channels}\n", encoding="utf-8"
    )
    entries = reference.results(tmp_path).tables
    assert entries["sources"].caption.zh == "渠道" and "viewers" in entries["sources"].columns
    assert entries["products"].caption.zh


# ---- charts of seaborn are named as tables are


def test_seaborn_s_axes_bear_the_names_and_units_of_their_columns(show):
    frame = pd.DataFrame({"source": ["a", "b"], "paid_amount": [100.0, 300.0]})
    axes = show.name_axes(sns.barplot(frame, x="paid_amount", y="source"))
    named = {"zh": ("支付金额", "流量来源"), "en": ("Paid amount", "Source")}
    assert (axes.get_xlabel(), axes.get_ylabel()) == named[show.lang]
    axes.figure.draw_without_rendering()
    assert {tick.get_text()[0] for tick in axes.get_xticklabels()} == {"¥"}
    plt.close(axes.figure)


def test_words_that_a_chart_chose_itself_stay(show):
    axes = plt.subplots()[1]
    axes.set(xlabel="所有人", ylabel="my own words")
    show.name_axes(axes)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("所有人", "my own words")
    plt.close(axes.figure)


def test_codes_are_drawn_as_words_and_data_stays_harmless(show):
    frame = pd.DataFrame({"is_paid": [True, False], "n": [1, 2], "host": ["a\u202eb", None]})
    named = show.named(frame)
    yes_no = {"zh": ["是", "否"], "en": ["yes", "no"]}
    assert named["is_paid"].tolist() == yes_no[show.lang]
    assert named["n"].tolist() == [1, 2] and "\u202e" not in named["host"][0]
