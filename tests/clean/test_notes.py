"""What is said of files: kept as ids with values, worded in both languages by one catalogue."""

from __future__ import annotations

import ast
import json
import re
import string

import pytest
from click.testing import CliRunner

from helpers import reference
from helpers.clean import notes
from helpers.core import places
from helpers.run.cli import main
from tests.made_files import SESSION, named, workbook

CODE = [ast.parse(path.read_text("utf-8")) for path in (places.PROJECT / "helpers").rglob("*.py")]
CALLS = [
    node
    for tree in CODE
    for node in ast.walk(tree)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
]
CLEAN = places.PROJECT / "helpers" / "clean"
READER = [
    path.stem
    for path in CLEAN.glob("*.py")
    # these word what is not of the ledger: in both languages, or of the workspace
    if path.stem
    not in ("data_quality", "reconcile", "invariants", "questions", "ingestion", "folder", "mend")
]
LATER = {"ranges": {"cells", "column"}, "clocks": {"column"}}  # values that `with_values` adds
BY_ITSELF = {"expected", "question"}  # in all others; worded by `questions`


def fields(words: str) -> dict[str, str]:
    """The names in braces, each with how it is printed."""
    return {name: form for _, name, form, _ in string.Formatter().parse(words) if name}


@pytest.mark.parametrize("name", reference.notes())
def test_both_languages_of_a_note_show_the_same_values(name):
    label = reference.notes()[name]
    assert fields(label.zh) == fields(label.en)
    assert any("\u4e00" <= mark <= "\u9fff" for mark in label.zh)
    assert not any("\u4e00" <= mark <= "\u9fff" for mark in label.en)
    if name != "expected":
        assert label.zh.endswith("。") and label.en.endswith(".")


def test_each_note_of_the_code_is_in_the_catalogue_with_its_values():
    given = {}
    for call in CALLS:
        if call.func.id == "note":
            names = {word.arg for word in call.keywords}
            first = call.args[0]
            ids = [first.body, first.orelse] if isinstance(first, ast.IfExp) else [first]
            for id_ in (node.value for node in ids if is_text(node)):
                given.setdefault(id_, []).append(names | LATER.get(id_, set()))
    catalogue = reference.notes()
    for id_, several in given.items():
        needed = set(fields(catalogue[id_].en)) - {"expected"} if id_ != "question" else None
        for names in several:
            # names given as a whole (**size) are not seen here
            assert needed is None or None in names or names == needed, id_


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def test_no_entry_of_the_catalogue_is_without_use():
    texts = {node.value for tree in CODE for node in ast.walk(tree) if is_text(node)}
    assert set(reference.notes()) <= texts


def test_nothing_that_the_reader_says_is_still_in_english_alone():
    english = [
        ast.unparse(call)
        for call in CALLS
        if call.func.id in ("UnreadableError", "LimitError", "ReaderError", "unread")
        and any(isinstance(part, ast.JoinedStr) or is_text(part) for part in call.args)
    ]
    assert english == []
    tree = {name: ast.parse((CLEAN / f"{name}.py").read_text("utf-8")) for name in READER}
    told = [
        name
        for name in READER
        for statement in ast.walk(tree[name])
        if isinstance(statement, ast.JoinedStr)
        for node in statement.values
        if is_text(node) and re.search(r"[a-z]+ [a-z]+ [a-z]+", node.value)
    ]
    # a command for Python, and an error for who calls us wrongly
    assert sorted(told) == ["raw_file", "reader_process"]


def checked(shop, *options):
    return CliRunner().invoke(main, ["check", "--data", str(shop), *options])


def test_check_words_files_and_questions_in_either_language(tmp_path):
    (tmp_path / "raw").mkdir()
    workbook(tmp_path / "raw" / "a.xlsx", S=[["栏目甲", "栏目乙"], ["1", "2"]])
    (tmp_path / "raw" / "b.csv").write_bytes(b"%PDF-1.7")
    late = SESSION | {"直播开始时间": "下午"}
    assert set(late) == set(SESSION)
    workbook(tmp_path / "raw" / "c.xlsx", S=named(SESSION, SESSION, late))
    zh = checked(tmp_path).output
    assert (
        "a.xlsx [S]: 没有找到认识的表头；有 2 行没有读入。应为 data/reference/sources 里的导出表"
        in zh
    )
    expected = "应为 Excel 工作簿（xlsx、xls）、CSV 或文本表格，或它们的 zip"
    assert f"b.csv: 不管文件名怎么写，这是 PDF；{expected}。" in zh
    assert "c.xlsx [S]: 列「直播开始时间」：1 行搁置，最先在第 3 行（下午）：不是日期时间。" in zh
    assert f"搁置的行可以在 {tmp_path / 'clean' / 'aside.xlsx'} 里改好" in zh
    en = checked(tmp_path, "--lang", "en").output
    assert "a.xlsx [S]: No row of known headers was found; 2 rows left unread. Expected an" in en
    assert "b.csv: It is a PDF whatever its name says; expected an Excel workbook" in en
    assert "Column 直播开始时间: 1 rows kept aside, first in row 3 (下午): not a date" in en


def test_json_has_the_ids_and_values_whatever_the_language(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "b.csv").write_bytes(b"Rar!")
    (zh,), (en,) = (
        json.loads(checked(tmp_path, "--json", "--lang", lang).output) for lang in ("zh", "en")
    )
    assert zh["notes"] == en["notes"] == [{"note": "packed", "kind": "RAR"}]
    assert zh["problem"].startswith("不管文件名怎么写，这是 RAR 压缩包（请先解压）")
    assert en["problem"].startswith("It is a RAR archive (unpack it first) whatever its name says")


def test_what_stands_in_a_file_cannot_be_taken_for_a_note_or_its_form():
    hostile = '{"note": "pdf"}\n{rows} 13812345678'
    kept = notes.joined([notes.note("ranges", example=hostile, cells=2, column="{cells}")])
    (one,) = notes.parted(kept)
    assert one["example"] == hostile
    assert notes.in_words(kept, "en") == (
        '{cells}: 2 values are ranges (for example {"note": "pdf"} {rows} 13812345678): left out.'
    )
    assert "13812345678" not in notes.masked(kept) and len(notes.parted(notes.masked(kept))) == 1
