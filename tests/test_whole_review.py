"""The whole way, as a team goes it: exports in a folder, one command, a page that opens in a browser."""

import html
import json
import re

import nbformat
import pytest
from click.testing import CliRunner
from conftest import SIZES, outside
from fontTools.ttLib import TTFont

from helpers import charts, cli, reference, run

pytestmark = pytest.mark.browser


def published(data, reports, lang: str):
    """What `fupan run --latest` publishes of a workspace: the folder of its newest session."""
    done = CliRunner().invoke(cli.main, ["run", "--latest", "--data", str(data), "--reports", str(reports), "--lang", lang, "--json"])
    assert done.exit_code == 0, done.output
    (outcome,) = json.loads(done.stdout)
    assert outcome["status"] == "published"
    return reports / outcome["session_id"]


@pytest.fixture(scope="module")
def demo_review(demo_workspace, tmp_path_factory):
    return published(demo_workspace, tmp_path_factory.mktemp("reports"), "zh")


@pytest.fixture(scope="module")
def tiktok_review(tiktok_workspace, tmp_path_factory):
    return published(tiktok_workspace, tmp_path_factory.mktemp("reports"), "en")


@pytest.fixture(params=["demo_review", pytest.param("tiktok_review", marks=pytest.mark.real)])
def folder(request):
    return request.getfixturevalue(request.param)


def words(content: str) -> str:
    """What the page says, without styles, scripts and markup."""
    return html.unescape(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(style|script)\b.*?</\1>", " ", content)))


def test_beside_the_page_lie_the_plan_the_results_and_the_record(folder):
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert record["status"] == "published" and list(record["steps"]) == list(run.ORDER) and record["inputs"]
    assert (folder / "plan.xlsx").exists() and (folder.parent / "index.html").exists()
    assert {"quality", "checks", "funnel", "verdicts", "formula_split", "profit", "plan", "problems"} <= {path.stem for path in (folder / "results").iterdir()}


def test_every_notebook_ran_to_its_end_without_noise(folder):
    for name in run.ORDER:
        notebook = nbformat.read(folder / "notebooks" / f"{name}.ipynb", as_version=4)
        outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
        assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"], name


@pytest.mark.parametrize("size", SIZES)
def test_the_page_opens_with_nothing_else_and_fits_the_screen(folder, opened, size):
    one = opened(folder / "review.html", size)
    assert one.requests[0].endswith("/review.html")
    assert not [url for url in one.requests[1:] if not url.startswith("data:")] and not one.complaints
    assert not outside(one, folder / "review.html")
    assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert one.locator(".code:visible, pre.code:visible, .input:visible").count() == 0
    assert one.evaluate("document.body.innerText.includes('store.open_review')") is False, "no code is shown unless asked for"


def test_every_character_of_the_page_has_a_glyph_in_the_font_that_it_carries(folder):
    known = set(TTFont(charts.FONT).getBestCmap()) | {9, 10, 13, 32, 160}
    said = words((folder / "review.html").read_text(encoding="utf-8"))
    assert not {character for character in said if ord(character) not in known}


def test_an_english_page_has_no_chinese_but_in_names_of_files_and_cited_texts(tiktok_review, opened):
    one = opened(tiktok_review / "review.html")
    one.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    said = one.evaluate("document.body.innerText")
    inputs = json.loads((tiktok_review / "run.json").read_text(encoding="utf-8"))["inputs"]
    for name in [*inputs, *(metric.source for metric in reference.metrics().values())]:
        said = said.replace(name, "")
    assert sorted(set(re.findall(r"[\u4e00-\u9fff]+", said))) == []


def test_without_orders_and_minutes_the_page_says_which_exports_would_fill_them(tiktok_review):
    said = " ".join(words((tiktok_review / "review.html").read_text(encoding="utf-8")).split())
    assert "No order lines for this session" in said and "No minutes for this session" in said and "fupan new" in said


def test_the_planted_source_is_what_the_demo_review_finds_first(demo_review, demo_workspace):
    truth = json.loads((demo_workspace / "truth.json").read_text(encoding="utf-8"))
    said = words((demo_review / "review.html").read_text(encoding="utf-8"))
    assert "千川PC版" in json.dumps(truth, ensure_ascii=False)
    assert "千川PC版" in said[said.index("三个发现") : said.index("数据质量")]


def test_a_session_alone_in_its_workspace_gets_a_page_that_says_what_cannot_be_compared(tmp_path):
    (tmp_path / "shop" / "raw").mkdir(parents=True)
    (tmp_path / "shop" / "raw" / "场次.csv").write_text(
        "平台,直播间账号,开播时间,下播时间,直播时长,观看人数,成交人数,支付金额\n抖音,room1,2026-11-10 20:00:00,2026-11-10 20:10:00,600,800,12,960.5\n", encoding="utf-8"
    )
    folder = published(tmp_path / "shop", tmp_path / "reports", "zh")
    said = words((folder / "review.html").read_text(encoding="utf-8"))
    assert "¥960" in said and "没有可比" in said
