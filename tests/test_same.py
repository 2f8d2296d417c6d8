"""`make same` names each thing that differs between two folders of reviews, and nothing else."""

import json
import shutil
import subprocess
import sys

import openpyxl
import pandas as pd
import pytest

from tests import same

REPORT = "demo-zh/reports/20261114-2000"
PAGE = """<html><head><title>复盘</title><style>p {{color: {colour}}}</style></head><body>
<h1>今晚</h1><p>支付金额 <b>¥1.41万</b></p>
<section><h2>漏斗</h2><p class="{colour}">人在<a href="#x">哪一步</a>走掉</p>
<table><tr><th>步骤</th><th>比率</th></tr><tr><td>进房</td><td>8.7%</td></tr></table>
<svg aria-label="漏斗图"><text>进房</text></svg>
<div class="fp-code"><pre>{code}</pre></div></section>
<section><h2>方法</h2><p>code {digest} · python 3.11</p></section></body></html>"""


def page(words: str = PAGE, *, colour="red", code="x = 1", digest="97d9944b50db0c0f") -> str:
    return words.format(colour=colour, code=code, digest=digest)


def funnel() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "step": ["enter", "click", "pay"],
            "rate": [0.087, float("nan"), 0.009],
            "users": pd.array([10, None, 3], dtype="Int64"),
            "parts": [["a", "b"], None, []],
            "at": pd.to_datetime(["2026-11-14 20:00", None, "2026-11-14 21:00"]),
        }
    )


def findings() -> pd.DataFrame:
    sentences = ["进房低于平时", "点击持平"]
    return pd.DataFrame({"id": ["F02-b752b0", "F02-9bec88"], "sentence_zh": sentences})


def workbook(path, sheets: dict[str, list[list]]) -> None:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)


SHEETS = {"漏斗": [["步骤", "比率"], ["进房", 0.087]], "计划": [["行动"], ["换开场"]]}
PLAN = [["plan_id", "action", "note"], ["P1", "换开场", ""], ["P2", "补库存", "急"]]


def record(digest: str = "a", seconds: float = 1.5, rows: int = 9) -> str:
    content = {"steps": {"01": digest}, "seconds": {"01": seconds}, "versions": {"code": digest}}
    return json.dumps({**content, "rows": {"rows_in": rows}})


def write_plan(top, rows: list[list[str]]) -> None:
    text = "\r\n".join(",".join(row) for row in rows)
    (top / "demo-zh/plans/20261114-2000.csv").write_text(text, encoding="utf-8-sig")


@pytest.fixture
def sides(tmp_path):
    """Two equal folders with one review each."""
    top = tmp_path / "base"
    report = top / REPORT
    for name in ("results", "findings", "charts"):
        (report / name).mkdir(parents=True)
    (top / "demo-zh" / "plans").mkdir()
    (report / "review.html").write_text(page(), encoding="utf-8")
    (report / "summary.txt").write_text("支付金额 ¥1.41万\n进房低", encoding="utf-8")
    (report / "run.json").write_text(record(), encoding="utf-8")
    (report / "charts" / "02-1.png").write_bytes(b"points")
    funnel().to_parquet(report / "results" / "funnel.parquet")
    findings().to_parquet(report / "findings" / "02_funnel.parquet")
    workbook(report / "results.xlsx", SHEETS)
    workbook(report / "plan.xlsx", {"计划": PLAN})
    write_plan(top, PLAN)
    return top, shutil.copytree(top, tmp_path / "working")


def differing(sides) -> dict[str, str]:
    """What differs, by the name of the file alone."""
    found = same.compared(*sides).differences
    return {name.rsplit("/", 1)[1]: "\n".join(lines) for name, lines in found.items()}


def test_equal_folders_give_0_and_one_line(sides, capsys):
    assert same.told(same.compared(*sides)) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line == (
        "equal: 1 charts, 1 pages, 1 plans, 1 records, 1 summaries, 2 tables, 2 workbooks"
    )


def test_a_difference_gives_1_and_names_the_review_and_the_file(sides, capsys):
    (sides[1] / REPORT / "summary.txt").write_text("支付金额 ¥1.42万\n进房低", encoding="utf-8")
    assert same.told(same.compared(*sides)) == 1
    said = capsys.readouterr().out
    assert f"{REPORT}/summary.txt\n" in said and "- 支付金额 ¥1.41万\n  + 支付金额 ¥1.42万" in said
    assert "进房低" not in said and said.endswith("1 files differ\n")


def test_nothing_at_all_is_not_equal(tmp_path):
    assert same.told(same.compared(tmp_path, tmp_path)) == 1


def test_what_varies_by_itself_is_no_difference(sides):
    report = sides[1] / REPORT
    other = page(colour="blue", code="y = 2", digest="0" * 16)
    (report / "review.html").write_text(other.replace("<b>", "<i>").replace("</b>", "</i>"))
    (report / "run.json").write_text(record(digest="b", seconds=9.9), encoding="utf-8")
    (report / "more.ipynb").write_text("{}", encoding="utf-8")
    workbook(report / "results.xlsx", SHEETS)
    book = openpyxl.load_workbook(report / "results.xlsx")
    book["漏斗"]["B2"].number_format = "0.00%"
    book.save(report / "results.xlsx")
    assert differing(sides) == {}


def test_a_changed_record_is_named(sides):
    (sides[1] / REPORT / "run.json").write_text(record(rows=8), encoding="utf-8")
    assert differing(sides) == {"run.json": '- "rows_in": 9\n+ "rows_in": 8'.replace('"r', '  "r')}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("走掉", "离开", "chapter 漏斗\n- 人在哪一步走掉\n+ 人在哪一步离开"),
        ("8.7%", "8.8%", "chapter 漏斗\n- 进房 | 8.7%\n+ 进房 | 8.8%"),
        ("<text>进房", "<text>进入", "chapter 漏斗\n- 进房\n+ 进入"),
        ("漏斗图", "图", "chapter 漏斗\n- 漏斗图\n+ 图"),
        ("<p>支付", "<p>先说</p><p>支付", "chapter 今晚\n+ 先说"),
        ("<h2>方法", "<h2>口径", "chapter 方法\n- 方法\n+ 口径"),
        (
            "python 3.11",
            "python 3.12",
            "chapter 方法\n- code … · python 3.11\n+ code … · python 3.12",
        ),
    ],
)
def test_a_changed_word_of_a_page_is_named_with_its_chapter(sides, old, new, said):
    (sides[1] / REPORT / "review.html").write_text(page(PAGE.replace(old, new)), encoding="utf-8")
    assert differing(sides) == {"review.html": said}


def without_pay(frame):
    return frame.iloc[:2]


def turned(frame):
    return frame.iloc[::-1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda f: f.assign(rate=[0.087, None, 0.0090000001]),
            "row 3, column rate: 0.009 → 0.0090000001",
        ),
        (lambda f: f.assign(rate=[0.087, 0.0, 0.009]), "row 2, column rate: None → 0.0"),
        (
            lambda f: f.assign(parts=[["a", "c"], None, []]),
            "row 1, column parts: ['a', 'b'] → ['a', 'c']",
        ),
        (lambda f: f.assign(parts=[["a", "b"], [], []]), "row 2, column parts: None → []"),
        (
            lambda f: f[["rate", "step", "users", "parts", "at"]],
            "columns in another order: step, rate, users, parts, at → rate, step, users, parts, at",
        ),
        (lambda f: f.drop(columns="users"), "column users: only the commit has it"),
        (lambda f: f.assign(more=1), "column more: only the working tree has it"),
        (
            lambda f: f.assign(step=f["step"].astype("category")),
            "column step: type str (large_string) → category (dictionary<",
        ),
        (
            lambda f: f.assign(rate=f["rate"].astype("float32")).assign(
                rate=lambda g: g["rate"] * 0
            ),
            "column rate: type float64 (double) → float32 (float)",
        ),
        (turned, "the same 3 rows in another order"),
        (without_pay, "3 rows → 2 rows\n- 'pay' | 0.009 | 3 | [] | "),
    ],
)
def test_a_changed_table_is_named_with_row_column_and_values(sides, change, said):
    path = sides[1] / REPORT / "results" / "funnel.parquet"
    change(funnel()).reset_index(drop=True).to_parquet(path)
    found = differing(sides)
    assert list(found) == ["funnel.parquet"] and found["funnel.parquet"].startswith(said)


def test_nan_equals_nan_in_files_of_other_bytes(sides):
    path = sides[1] / REPORT / "results" / "funnel.parquet"
    funnel().to_parquet(path, compression=None)
    assert path.read_bytes() != (sides[0] / REPORT / "results" / "funnel.parquet").read_bytes()
    assert differing(sides) == {}


def test_the_last_digits_of_a_sum_are_no_difference(sides):
    report = sides[1] / REPORT
    near = funnel().assign(rate=[0.08700000000000002, None, 0.009])
    near.to_parquet(report / "results" / "funnel.parquet")
    rows = [["步骤", "比率"], ["进房", 0.0870000000000002]]
    workbook(report / "results.xlsx", {**SHEETS, "漏斗": rows})
    assert differing(sides) == {}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("0.1", "0.1000000001"),
        ("1", "1.0"),
        ("F02-1e1234", "F02-2e1234"),
        ("12e-99999", "x"),
        ("'0.1'", "'0.10'"),
        ("nan", "0.0"),
        ("0.0", "1e-17"),
    ],
)
def test_other_values_are_not_alike(old, new):
    assert not same.alike(old, new)


def test_a_file_of_one_side_alone_is_named(sides):
    funnel().to_parquet(sides[1] / REPORT / "results" / "extra.parquet")
    (sides[1] / REPORT / "plan.xlsx").unlink()
    assert differing(sides) == {
        "extra.parquet": "only the working tree makes it",
        "plan.xlsx": "only the commit makes it",
    }


def test_ids_of_findings_alone_are_told_apart(sides):
    path = sides[1] / REPORT / "findings" / "02_funnel.parquet"
    changed = findings().assign(id=["F02-000000", "F02-9bec88"])
    changed.to_parquet(path)
    said = "row 1, column id: 'F02-b752b0' → 'F02-000000'"
    assert differing(sides) == {"02_funnel.parquet": f"only the ids differ: {said}"}
    changed.assign(sentence_zh=["进房低于平时", "点击高"]).to_parquet(path)
    sentence = "row 2, column sentence_zh: '点击持平' → '点击高'"
    assert differing(sides) == {"02_funnel.parquet": f"{said}\n{sentence}"}


@pytest.mark.parametrize(
    ("sheets", "said"),
    [
        ({"漏斗": SHEETS["漏斗"]}, "sheet 计划: only the commit has it"),
        ({**SHEETS, "更多": [[1]]}, "sheet 更多: only the working tree has it"),
        (
            {"计划": SHEETS["计划"], "漏斗": SHEETS["漏斗"]},
            "sheets in another order: 漏斗, 计划 → 计划, 漏斗",
        ),
        (
            {**SHEETS, "漏斗": [["步骤", "比率"], ["进房", "0.087"]]},
            "sheet 漏斗: row 2, column B: 0.087 → '0.087'",
        ),
        (
            {**SHEETS, "漏斗": [["步骤", "比率", "人"], ["进房", 0.087]]},
            "sheet 漏斗: column C: only the working tree has it",
        ),
    ],
)
def test_a_changed_workbook_is_named_with_sheet_and_cell(sides, sheets, said):
    workbook(sides[1] / REPORT / "results.xlsx", sheets)
    assert differing(sides) == {"results.xlsx": said}


def test_a_changed_cell_of_the_plan_is_named_in_both_its_files(sides):
    changed = [*PLAN[:2], ["P2", "补货", "急"]]
    write_plan(sides[1], changed)
    workbook(sides[1] / REPORT / "plan.xlsx", {"计划": changed})
    assert differing(sides) == {
        "20261114-2000.csv": "row 2, column action: 补库存 → 补货",
        "plan.xlsx": "sheet 计划: row 3, column B: '补库存' → '补货'",
    }


def test_columns_of_one_name_are_both_compared(sides):
    for top, last in zip(sides, ("a", "b"), strict=True):
        write_plan(top, [["note", "note"], ["x", last]])
    assert differing(sides) == {"20261114-2000.csv": "row 1, column note (2): a → b"}


def test_a_changed_chart_is_named(sides):
    (sides[1] / REPORT / "charts" / "02-1.png").write_bytes(b"others")
    assert list(differing(sides)) == ["02-1.png"]


def test_long_values_are_cut_around_the_difference_and_long_lists_are_counted(sides, capsys):
    path = sides[1] / REPORT / "results" / "long.parquet"
    for top, end in zip(sides, ("a", "b"), strict=True):
        frame = pd.DataFrame({"words": ["长" * 1000 + end] * 50})
        frame.to_parquet(top / path.relative_to(sides[1]))
    assert same.told(same.compared(*sides)) == 1
    said = capsys.readouterr().out
    assert "长a' → …" in said and "长b'" in said and max(map(len, said.splitlines())) < 400
    assert said.count("row ") == same.MOST and "… 10 more lines" in said


def test_an_unknown_commit_and_too_many_words_are_wrong_usage():
    for arguments in (["no-such-commit"], ["--all"], ["HEAD", "HEAD"]):
        done = subprocess.run(
            [sys.executable, same.__file__, *arguments], capture_output=True, text=True
        )
        assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, arguments


def test_the_command_is_started_as_each_tree_says(tmp_path):
    text = '[project.scripts]\nfupan = "helpers.run.cli:main"\n'
    (tmp_path / "pyproject.toml").write_text(f"[project]\nname = 'x'\n{text}", encoding="utf-8")
    assert same.entry(tmp_path) == ("helpers.run.cli", "main")


def tree_of(folder, code: str, *, script: str = "helpers.cli:main"):
    """A tree of code with a package `helpers` whose command is this code."""
    (folder / "helpers").mkdir(parents=True)
    (folder / "notebooks").mkdir()
    (folder / "helpers" / "__init__.py").touch()
    (folder / "helpers" / "cli.py").write_text(code, encoding="utf-8")
    text = f"[project]\nname = 'x'\n[project.scripts]\nfupan = '{script}'\n"
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    return same.Side(folder, sys.executable, "commit 1234567")


def test_notebooks_import_the_tree_s_own_package(tmp_path):
    side = tree_of(tmp_path / "tree", "")
    same.check_kernel(side)
    shutil.rmtree(side.tree / "helpers")
    with pytest.raises(same.Stopped, match="commit 1234567"):
        same.check_kernel(side)


def test_a_commit_with_other_packages_gets_an_environment_of_its_own(tmp_path):
    (tmp_path / "requirements.lock").write_bytes((same.ROOT / "requirements.lock").read_bytes())
    assert same.python_of(tmp_path) == sys.executable
    (tmp_path / "requirements.lock").write_text("pandas==2.0\n", encoding="utf-8")
    (tmp_path / "Makefile").write_text(".venv/.ready:\n\tmkdir .venv && touch $@\n")
    assert same.python_of(tmp_path) == str(tmp_path / ".venv" / "bin" / "python")
    assert (tmp_path / ".venv" / ".ready").exists()
    (tmp_path / "Makefile").write_text(".venv/.ready: no-such-file\n")
    with pytest.raises(same.Stopped, match="make"):
        same.python_of(tmp_path)


def test_the_files_of_a_commit_are_written_in_one_piece(tmp_path, monkeypatch):
    def git(*words):
        named = ["-c", "user.name=n", "-c", "user.email=e@example.org"]
        subprocess.run(["git", *named, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init")
    (tmp_path / "a.txt").write_text("1", encoding="utf-8")
    git("add", "a.txt")
    git("commit", "-m", "one")
    (tmp_path / "a.txt").write_text("2", encoding="utf-8")
    monkeypatch.setattr(same, "ROOT", tmp_path)
    same.check_out(same.resolved("HEAD"), tmp_path / "build" / "tree")
    assert (tmp_path / "build" / "tree" / "a.txt").read_text(encoding="utf-8") == "1"
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["tree"]


def test_a_command_that_fails_stops_and_says_so(tmp_path):
    side = tree_of(tmp_path / "tree", "def main():\n    raise SystemExit('no session found')\n")
    with pytest.raises(same.Stopped, match=r"(?s)1234567: exit code 1 of run.*no session found"):
        same.fupan(side, "run", "--latest")
