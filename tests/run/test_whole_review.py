"""The whole way, as a team goes it.

Exports in a folder, one command, a page that opens in a browser.
"""

import json
import re
import shutil

import bs4
import nbformat
import numpy as np
import openpyxl
import pandas as pd
import pytest
from fontTools.ttLib import TTFont

from helpers import reference
from helpers.core import text
from helpers.report import charts
from helpers.run import pdf, steps
from tests import pdf_pages
from tests.conftest import SIZES, chromium_path, outside, until
from tests.published import published, words

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def demo_review(demo_workspace, tmp_path_factory):
    return published(demo_workspace, tmp_path_factory.mktemp("reports"), "zh")


@pytest.fixture(scope="module")
def english_review(demo_workspace, tmp_path_factory):
    """The demo's newest session in English, in a workspace of its own.

    Its plan is written in English as well.
    """
    return published(
        shutil.copytree(demo_workspace, tmp_path_factory.mktemp("english") / "shop"),
        tmp_path_factory.mktemp("reports"),
        "en",
    )


@pytest.fixture(scope="module")
def tiktok_review(tiktok_workspace, tmp_path_factory):
    return published(tiktok_workspace, tmp_path_factory.mktemp("reports"), "en")


@pytest.fixture(params=["demo_review", pytest.param("tiktok_review", marks=pytest.mark.real)])
def folder(request):
    return request.getfixturevalue(request.param)


def test_beside_the_page_lie_the_plan_the_results_and_the_record(folder):
    record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    assert (
        record["status"] == "published"
        and list(record["steps"]) == list(steps.ORDER)
        and record["inputs"]
    )
    assert (folder / "plan.xlsx").exists() and (folder.parent / "index.html").exists()
    assert (folder / "review.html").stat().st_size < 1_000_000, "small enough for a chat"
    assert (
        len(list((folder / "charts").glob("*.png")))
        == (folder / "review.html").read_text(encoding="utf-8").count("<svg ")
        > 3
    )
    assert 200 < len((folder / "summary.txt").read_text(encoding="utf-8")) <= 600
    saved = {path.stem for path in (folder / "results").iterdir()}
    assert saved <= set(openpyxl.load_workbook(folder / "results.xlsx", read_only=True).sheetnames)
    assert {
        "quality",
        "checks",
        "funnel",
        "verdicts",
        "formula_split",
        "profit",
        "plan",
        "problems",
    } <= {path.stem for path in (folder / "results").iterdir()}


def test_every_notebook_ran_to_its_end_without_noise(folder):
    for name in steps.ORDER:
        notebook = nbformat.read(folder / "notebooks" / f"{name}.ipynb", as_version=4)
        outputs = [
            output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs
        ]
        assert not [
            output
            for output in outputs
            if output.output_type == "error" or output.get("name") == "stderr"
        ], name


@pytest.mark.parametrize("size", SIZES)
def test_the_page_opens_with_nothing_else_and_fits_the_screen(folder, opened, size):
    one = opened(folder / "review.html", size)
    assert one.requests[0].endswith("/review.html")
    assert (
        not [url for url in one.requests[1:] if not url.startswith("data:")] and not one.complaints
    )
    assert not outside(one, folder / "review.html")
    assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert one.locator(".code:visible, pre.code:visible, .input:visible").count() == 0
    assert one.evaluate("document.body.innerText.includes('open_review')") is False, (
        "no code is shown unless asked for"
    )


def test_every_character_of_the_page_has_a_glyph_in_the_font_that_it_carries(folder):
    known = set(TTFont(charts.FONT).getBestCmap()) | {9, 10, 13, 32, 160}
    said = words((folder / "review.html").read_text(encoding="utf-8"))
    assert not {character for character in said if ord(character) not in known}


def test_an_english_page_has_no_chinese_but_in_names_of_files_and_cited_texts(
    tiktok_review, opened
):
    one = opened(tiktok_review / "review.html")
    one.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    said = one.evaluate("document.body.innerText")
    inputs = json.loads((tiktok_review / "run.json").read_text(encoding="utf-8"))["inputs"]
    for name in [*inputs, *(metric.source for metric in reference.registry().values())]:
        said = said.replace(name, "")
    assert sorted(set(re.findall(r"[\u4e00-\u9fff]+", said))) == []


def test_without_orders_and_minutes_the_page_says_which_exports_would_fill_them(tiktok_review):
    said = " ".join(words((tiktok_review / "review.html").read_text(encoding="utf-8")).split())
    assert (
        "No order lines for this session" in said
        and "No minutes for this session" in said
        and "fupan new" in said
    )


def test_the_planted_source_is_what_the_demo_review_finds_first(demo_review, demo_workspace):
    truth = json.loads((demo_workspace / "truth.json").read_text(encoding="utf-8"))
    said = words((demo_review / "review.html").read_text(encoding="utf-8"))
    assert "千川PC版" in json.dumps(truth, ensure_ascii=False)
    assert "千川PC版" in said[said.index("三个发现") : said.index("数据质量")]


# ----------------------------- every number of the first screen and the plan is one of the results


NUMBER = re.compile(r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:万|亿|M|B)?%?")


@pytest.fixture(params=["demo_review", pytest.param("english_review", marks=pytest.mark.slow)])
def both_languages(request):
    folder = request.getfixturevalue(request.param)
    page = bs4.BeautifulSoup((folder / "review.html").read_text(encoding="utf-8"), "html.parser")
    return folder, {"demo_review": "zh", "english_review": "en"}[request.param], page


def result(folder, name):
    return pd.read_parquet(folder / "results" / f"{name}.parquet")


def findings_of(folder):
    return pd.concat(
        [pd.read_parquet(path) for path in sorted((folder / "findings").glob("*.parquet"))],
        ignore_index=True,
    ).set_index("id")


def forms(value: float, lang: str):
    """The ways in which a value may be printed."""
    yield from (text.money(value, lang), text.seconds(value, lang), f"{value:,.0f}")
    for decimals in range(4):
        yield from (
            text.number(value, lang, decimals),
            text.money(value, lang, "CNY", decimals),
            text.percent(value, decimals),
            text.percent(value - 1, decimals),
            text.value(value, "points", lang, decimals=decimals),
        )


def printed(frames, lang: str) -> set[str]:
    """Every number that columns of numbers could be printed as, to the digits."""
    values = {
        float(value)
        for frame in frames
        for name in frame.select_dtypes("number")
        for value in frame[name].dropna()
        if np.isfinite(value)
    }
    return {
        number
        for value in values
        for shown in forms(abs(value), lang)
        for number in NUMBER.findall(shown)
    }


def quoted(folder) -> set[str]:
    """Numbers inside names and instructions that are cited as they are.

    Actions, causes, products, sources.
    """
    plan, checked = result(folder, "plan"), result(folder, "verification")
    return set(
        NUMBER.findall(
            " ".join(
                [
                    *plan["action"],
                    *plan["cause"],
                    *checked["action"],
                    *findings_of(folder)["slice"].fillna(""),
                    *(metric.zh for metric in reference.registry().values()),
                ]
            )
        )
    )


def told(element) -> str:
    """The words of an element without the ids of findings."""
    copied = bs4.BeautifulSoup(str(element), "html.parser")
    for mark in copied.select(".proof"):
        mark.decompose()
    return copied.get_text(" ", strip=True)


def printed_dates(folder) -> set[str]:
    """Numbers of what usual means.

    Days of the comparable sessions, sessions of each host, logged changes, the session before.
    """
    known, usual = result(folder, "comparable"), result(folder, "usual").iloc[0]
    chosen = known[known["chosen"]]
    days = [
        f"{day:%Y-%m-%d}" for day in (chosen["started_at"].min(), chosen["started_at"].max())
    ] + [f"{usual['previous_at']:%m-%d %H:%M}"]
    return set(
        NUMBER.findall(
            " ".join(
                [
                    *days,
                    *chosen["host"].value_counts().astype(str),
                    usual["changes_zh"],
                    usual["previous_festival"],
                    *result(folder, "verification")["meanwhile_zh"],
                ]
            )
        )
    )


def test_every_number_of_the_first_screen_stands_in_the_result_tables(both_languages):
    folder, lang, page = both_languages
    summary = page.select_one("#summary")
    frames = [
        *(pd.read_parquet(path) for path in (folder / "results").glob("*.parquet")),
        findings_of(folder),
    ]
    numbers = NUMBER.findall(told(summary))
    hours = result(folder, "open_cases")["hours_left"]
    counted = {str(int(hours.lt(0).sum())), str(int(hours.ge(0).sum()))}
    usual = printed_dates(folder)
    goals, split = result(folder, "goals"), result(folder, "argument").set_index("part")
    above = (
        goals.loc[goals["scope"].eq("session") & goals["metric"].eq("paid_amount"), ["target"]]
        - split.loc["change", "baseline"]
    )  # how much a goal lies above the usual
    frames.append(above)
    assert (
        len(numbers) > 20
        and set(numbers) <= printed(frames, lang) | quoted(folder) | counted | usual
    )
    assert counted - {"0"} <= set(NUMBER.findall(told(summary.select_one(".waiting"))))


def test_a_number_that_no_result_holds_would_be_seen(both_languages):
    folder, lang, _ = both_languages
    frames = [
        *(pd.read_parquet(path) for path in (folder / "results").glob("*.parquet")),
        findings_of(folder),
    ]
    known = printed(frames, lang)
    wrong = [text.number(number, "en") for number in range(123_000, 124_000)]
    assert sum(number in known for number in wrong) < 50, (
        "so few of a thousand made-up amounts are in the tables that an error would show"
    )


@pytest.mark.parametrize("size", SIZES)
def test_what_decides_is_one_sheet_four_screens_and_leads_to_each_proof(
    both_languages, opened, size
):
    folder, _, _ = both_languages
    path = folder / "brief.html"
    assert path.stat().st_size <= 250_000
    one = opened(path, size)
    assert not outside(one, path) and one.complaints == []
    assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert one.evaluate("document.documentElement.scrollHeight") <= 4 * 844
    assert len(pdf_pages.sheets(one.pdf(format="A4", prefer_css_page_size=True))) == 1
    links = one.eval_on_selector_all(
        "a[href^='review.html#']", "all => all.map(a => a.getAttribute('href'))"
    )
    assert len(links) >= 10
    archive = opened(folder / "review.html", size)
    assert archive.evaluate("document.documentElement.scrollHeight <= 6 * window.innerHeight")
    for link in dict.fromkeys(links):
        archive.goto("about:blank")
        archive.goto((folder / link.split("#")[0]).as_uri() + "#" + link.split("#")[1])
        until(
            archive,
            f"""(() => {{
                const target = document.getElementById('{link.split("#")[1]}');
                const top = target.getBoundingClientRect().top;
                return target.checkVisibility() && top > -4 && top < innerHeight;
            }})()""",
        )


def test_each_role_has_a_sheet_of_paper_of_its_own(both_languages, opened):
    folder, lang, _ = both_languages
    sheets = reference.brief().sheets
    for name, sheet in sheets.items():
        path = folder / "roles" / f"{name}.html"
        one = opened(path, "phone")
        assert not outside(one, path) and one.complaints == []
        assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert getattr(sheet, lang) in one.inner_text("h1")
        assert len(pdf_pages.sheets(one.pdf(format="A4", prefer_css_page_size=True))) == 1
    every = opened(folder / "roles" / "all.html")
    printed_sheets = pdf_pages.sheets(every.pdf(format="A4", prefer_css_page_size=True))
    assert len(printed_sheets) == len(sheets)


def test_each_finding_of_the_first_screen_says_the_sentence_and_the_numbers_of_its_own_row(
    both_languages,
):
    folder, lang, page = both_languages
    known = findings_of(folder)
    shown = [
        item
        for item in page.select("#summary .told li")
        if item.select_one(".proof")["title"].startswith("F")
    ]
    assert 1 <= len(shown) <= 3
    for item in shown:
        own = known.loc[item.select_one(".proof")["title"]]
        assert text.plain(own[f"sentence_{lang}"], 300) in " ".join(told(item).split())
        wanted = printed(
            [
                pd.DataFrame([own]).infer_objects(),
                *([result(folder, "verification")] if own["notebook"] == "06_plan" else []),
                *([result(folder, "questions")] if own["slice"].startswith("question=") else []),
            ],
            lang,
        )
        if own["metric"] in reference.registry() and np.isfinite(own["value"]):
            assert {
                number for number in NUMBER.findall(told(item)) if "%" in number or "¥" in number
            } & wanted


def test_every_goal_on_the_first_screen_has_the_numbers_of_its_own_row(both_languages):
    folder, lang, page = both_languages
    known, goals = findings_of(folder), result(folder, "goals")
    shown = page.select("#summary .goal")
    assert shown
    for item in shown:
        own = known.loc[item.select_one(".proof")["title"]]
        row = goals[
            (goals["metric"] == own["metric"])
            & (goals["target"] == own["baseline"])
            & (goals["value"] == own["value"])
        ].iloc[0]
        unit = reference.registry()[own["metric"]].unit
        running = row["elapsed"] < 1 and reference.registry()[own["metric"]].denominator is None
        expected = [text.value(row["target"], unit, lang), text.value(row["value"], unit, lang)]
        expected += (
            [] if unit == "percent" else [text.percent(row["completion"], 1 if running else 0)]
        )  # of a share, value and target say it
        if running:  # a total: time passed, points behind or ahead
            expected += [
                text.percent(row["elapsed"]),
                text.number(abs(100 * (row["completion"] - row["elapsed"])), lang, 1),
            ]
        if row["scope"] == "session" and own["metric"] == "paid_amount":
            amount = result(folder, "verdicts").set_index("metric").loc["paid_amount"]
            usual = amount["baseline"] * amount["denominator"]  # for a session of this length
            short, high, low = (
                row["target"] - row["value"],
                row["target"] - usual,
                usual - row["value"],
            )
            parts = (
                []
                if short <= 0
                else [short, usual, -low]
                if low <= 0
                else [short, usual]
                if high <= 0
                else [short, high, usual, low]
            )
            expected += [text.money(part, lang) for part in parts]
        assert NUMBER.findall(told(item)) == [
            number for words in expected for number in NUMBER.findall(words)
        ]


def test_every_action_and_plan_line_has_the_numbers_of_its_own_row(both_languages):
    folder, lang, page = both_languages
    plan = result(folder, "plan").set_index("plan_id")
    table = next(
        figure
        for figure in page.select("figure.fp-table")
        if figure.figcaption and figure.figcaption.get_text() in ("计划", "Plan")
    )
    lines = table.select("tbody tr")
    assert [line["id"] for line in lines] == plan.index.tolist()
    for line in lines:
        row = plan.loc[line["id"]]
        metric = reference.registry()[row["metric"]]
        cells = [cell.get_text() for cell in line.select(".fp-num")]
        said = line.get_text()
        usual = text.value(
            row["baseline"],
            metric.unit,
            lang,
            decimals=None if metric.unit == "money" else metric.decimals,
        )
        assert (
            usual in said
            and text.percent(row["least_effect"], 0) in said
            and f"{row['sessions']:.0f}" in NUMBER.findall(said)
        )
        assert [words for words in cells if words] == [text.money(row["money_at_stake"], lang)]
    for item in page.select("#summary .told li"):
        if not item.select_one(".proof")["title"].startswith("P-"):
            continue
        row = plan.loc[item.select_one(".proof")["title"]]
        assert f"{row['sessions']:.0f}" in NUMBER.findall(told(item.small)) and row[
            "action"
        ] in told(item)
        assert not np.isfinite(row["money_at_stake"]) or text.money(
            row["money_at_stake"], lang
        ) in told(item.small)


def test_each_sentence_of_the_first_screen_leads_to_its_proof(both_languages):
    _, _, page = both_languages
    marks = page.select("#summary .goal .proof, #summary .why .proof, #summary .told .proof")
    assert len(marks) >= 5 and all(
        mark.name == "a" and page.select_one(mark["href"]) for mark in marks
    )
    assert not re.search(r"\b[FP]\d*-[0-9a-f]{6}", page.select_one("#summary").get_text()), (
        "ids are for whoever looks them up, not for whoever reads"
    )
    assert all(
        item.select_one(".proof") for item in page.select("#summary .told li, #summary .goal")
    )


def test_the_page_alone_says_whether_why_what_who_and_how_we_will_know(both_languages):
    folder, lang, page = both_languages
    said = told(page.select_one("#summary"))
    verdicts, parts = {
        "zh": (("达成", "未达成"), ("钱差在哪", "负责：", "用它验证：", "数据质量")),
        "en": (
            ("reached", "missed"),
            ("Where the money went", "owner: ", "verified by: ", "Data quality"),
        ),
    }[lang]
    assert any(word in said for word in verdicts) and all(part in said for part in parts)
    titles = {
        figure.figcaption.get_text()
        for figure in page.select("figure.fp-table")
        if figure.figcaption
    }
    assert {
        "zh": {"下一场流程单", "三方面复盘", "目标树"},
        "en": {"Next session: run of show", "Three-way review", "Tree of goals"},
    }[lang] <= titles
    show = openpyxl.load_workbook(folder / "plan.xlsx")[
        {"zh": "下一场流程单", "en": "Next session"}[lang]
    ]
    stages = [getattr(label, lang) for label in reference.terms()["stage"].values()]
    listed = list(dict.fromkeys(row[0].value for row in show if row[0].value in stages))
    assert sorted(listed) == sorted(stages) and (listed[0], listed[-1]) == (
        stages[0],
        stages[-1],
    )  # in the order of the clock between them


# ---------------------------------------------------------------------------------------- on paper


def test_the_first_sheet_of_paper_holds_all_that_decides_and_tables_go_on_under_their_heads(
    both_languages,
):
    """Read from the PDF itself: what the browser says of print is not what it prints."""
    folder, _, page = both_languages
    first, *rest = pdf_pages.sheets(
        pdf.print_pdf(folder / "review.html", chromium_path()).read_bytes()
    )
    told_last = "".join(told(page.select_one("#summary .quality strong")).split())
    assert told_last in first and f"1/{len(rest) + 1}" in first
    assert all(
        f"{number}/{len(rest) + 1}" in sheet and "".join(page.title.get_text().split()) in sheet
        for number, sheet in enumerate(rest, start=2)
    )
    titles = ["".join(heading.get_text().split()) for heading in page.select(".part h2")]
    assert titles[0] in rest[0]
    whole = [
        ["".join(row.get_text().split()) for row in table.select("tr")]
        for table in page.select("table")
    ]
    said = " ".join(row for rows in whole for row in rows)
    broken = 0
    for head, *rows in whole:
        own = [row for row in rows if len(row) > 25 and said.count(row) == 1]
        holding = [sheet for sheet in [first, *rest] if any(row in sheet for row in own)]
        broken += len(holding) > 1
        assert all(head in sheet for sheet in holding), head
    assert broken >= 8
