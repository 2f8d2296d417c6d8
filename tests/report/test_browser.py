"""The page in a real browser asks nothing of the network, fits the screen and is usable by all."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.textpath import TextPath

from helpers import report
from helpers.report import charts, index, page
from helpers.run import pdf
from tests.conftest import ARGUMENTS, SIZES, chromium_path, outside, until
from tests.sample_review import both, built, chart_frames, notebook, result, session, words_of

pytestmark = pytest.mark.browser
LANGS = ("zh", "en")


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    record = {
        session()["session_id"]: {
            "status": "published",
            "summary": {"paid_amount": 5.0, "verdict": "worse", "currency": "CNY"},
        }
    }
    two = pd.DataFrame([session(), session()]).assign(
        session_id=["20261110-2000-douyin-a1b2", "20261112-2000-douyin-a1b2"],
        paid_amount=[227_500.0, 90_000.0],
        started_at=pd.to_datetime(["2026-11-10 20:00", "2026-11-12 20:00"]).tz_localize(
            "Asia/Shanghai"
        ),
    )
    contents = {lang: built(lang) for lang in LANGS}
    contents |= {
        f"index_{lang}": page.index(
            index.index_lines(record, two, workspace_reference=None, lang=lang),
            trend=index.trend(two, workspace_reference=None, lang=lang),
            lang=lang,
        )
        for lang in LANGS
    }
    for name, content in contents.items():
        (folder / f"{name}.html").write_text(content, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in contents}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*LANGS, "index_zh", "index_en"])
def test_nothing_is_asked_for_nothing_complains_nothing_stands_beside_the_screen(
    files, opened, name, size
):
    one = opened(files[name], size)
    assert outside(one, files[name]) == [] and one.complaints == []
    assert one.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert one.evaluate("[...document.images].every(i => i.naturalWidth > 0)")
    assert one.evaluate("document.documentElement.lang") == {"zh": "zh-CN", "en": "en"}[name[-2:]]


def unfolded(one):
    """The page with all its chapters open."""
    one.evaluate("document.querySelectorAll('.chapter').forEach(d => { d.open = true; })")
    return one


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("lang", LANGS)
def test_chapters_are_closed_and_every_link_opens_what_holds_its_target(files, opened, lang, size):
    one = opened(files[lang], size)
    assert one.eval_on_selector_all(".chapter", "all => all.map(d => d.open)") == [False] * 3
    assert one.evaluate("document.documentElement.scrollHeight <= 6 * window.innerHeight")
    links = one.eval_on_selector_all("a[href^='#']", "all => all.map(a => a.getAttribute('href'))")
    assert len(links) > 8
    for link in dict.fromkeys(links):
        one.evaluate("document.querySelectorAll('.chapter').forEach(d => { d.open = false; })")
        one.evaluate("link => document.querySelector(`a[href='${link}']`).click()", link)
        until(one, LANDED % link[1:])
    for place in ("F02-aa11bb", "p04-1"):  # from another page
        one.goto("about:blank")
        one.goto(f"{files[lang].as_uri()}#{place}")
        until(one, LANDED % place)


LANDED = """(() => {
    const target = document.getElementById('%s');
    const top = target.getBoundingClientRect().top;
    const end = scrollY + innerHeight >= document.documentElement.scrollHeight - 4;
    return target.checkVisibility() && top > -4 && top < innerHeight * (end ? 1 : 0.5);
})()"""


def test_a_link_to_a_long_table_unfolds_its_rows_on_a_phone(tmp_path, opened):
    frame = pd.DataFrame({"name": [f"单 {place}" for place in range(20)]})
    shown = result(report.table(frame, lang="zh", caption_zh="清单"))
    path = tmp_path / "long.html"
    books = {"05_aftersales": notebook(*both("## 哪些超时？", "## Which are late?"), shown)}
    path.write_text(built("zh", books), encoding="utf-8")
    one = opened(path, "phone")
    one.goto("about:blank")
    one.goto(f"{path.as_uri()}#p05-1")
    until(one, "document.querySelectorAll('#p05 tbody tr').length === 20")
    until(one, "[...document.querySelectorAll('#p05 tbody tr')].every(r => r.checkVisibility())")


def fonts_of(one, selector: str) -> list[tuple[str, dict[str, int]]]:
    """Of each element that is shown: its text, and how many glyphs of it each font draws."""
    client = one.context.new_cdp_session(one)
    client.send("DOM.enable")
    client.send("CSS.enable")
    root = client.send("DOM.getDocument")["root"]["nodeId"]
    nodes = client.send("DOM.querySelectorAll", {"nodeId": root, "selector": selector})["nodeIds"]
    texts = one.evaluate(
        "selector => [...document.querySelectorAll(selector)].map("
        "e => e.checkVisibility() ? e.textContent : '')",
        selector,
    )
    return [
        (
            words,
            {
                font["familyName"]: int(font["glyphCount"])
                for font in client.send("CSS.getPlatformFontsForNode", {"nodeId": node})["fonts"]
            },
        )
        for words, node in zip(texts, nodes, strict=True)
        if words
    ]


@pytest.mark.parametrize("name", ["zh", "index_zh"])
def test_chinese_is_drawn_in_a_font_that_has_it_from_the_first_line(files, opened, name):
    """So is the first text of each size, where a system has no Chinese font of its own."""
    drawn = ":is(h1, h2, h3, p, a, dt, dd, td, th):not(:has(select))"
    shown = fonts_of(unfolded(opened(files[name])), drawn)
    chinese = [(words, len(re.findall("[\u4e00-\u9fff]", words)), fonts) for words, fonts in shown]
    without = re.compile("(?i)dejavu|liberation|last ?resort|bitstream")
    boxes = [
        words.strip()[:40]
        for words, count, fonts in chinese
        if count > sum(fonts[font] for font in fonts if not without.match(font)) and fonts
    ]
    assert sum(count > 0 for _, count, _ in chinese) > 10 and boxes == []


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", [*LANGS, "index_zh", "index_en"])
def test_no_serious_barrier_to_anybody(files, opened, name, size):
    from axe_playwright_python.sync_playwright import Axe

    one = opened(files[name], size)
    if name in LANGS:
        one.evaluate("document.querySelectorAll('details').forEach(d => { d.open = true; })")
        one.click("#code")
    found = Axe().run(one).response["violations"]
    serious = {
        violation["id"]: [node["html"][:160] for node in violation["nodes"][:3]]
        for violation in found
        if violation["impact"] in ("serious", "critical")
    }
    assert serious == {}


@pytest.mark.parametrize("lang", LANGS)
def test_the_switch_shows_and_hides_the_code(files, opened, lang):
    one = opened(files[lang])
    blocks = one.locator(".fp-code pre")
    assert blocks.count() > 5 and not blocks.first.is_visible()
    one.click("#code")
    assert blocks.first.is_visible() and one.get_attribute("#code", "aria-pressed") == "true"
    assert one.inner_text("#code") == {"zh": "隐藏代码", "en": "Hide the code"}[lang]
    one.click("#code")
    assert not blocks.first.is_visible()


def test_the_contents_lead_to_every_part(files, opened):
    one = opened(files["zh"])
    links = one.eval_on_selector_all(".contents a", "all => all.map(a => a.getAttribute('href'))")
    assert {"#summary", "#p02", "#p04", "#method"} <= set(links)
    assert all(one.locator(link).count() == 1 for link in links)
    one.click(".contents a[href='#p04']")
    until(one, "Math.abs(document.querySelector('#p04').getBoundingClientRect().top) < 200")


def test_the_contents_fold_on_a_phone_and_stand_open_on_a_desk(files, opened):
    desk, phone = opened(files["zh"], "desk"), opened(files["zh"], "phone")
    assert desk.locator(".contents a").first.is_visible()
    assert not phone.locator(".contents a").first.is_visible()
    phone.click(".contents summary")
    phone.click(".contents a[href='#method']")
    assert not phone.locator(".contents a").first.is_visible()


def test_wide_tables_scroll_in_a_box_of_their_own_on_a_phone(files, opened):
    one = opened(files["zh"], "phone")
    boxes = unfolded(one).eval_on_selector_all(
        ".fp-scroll", "all => all.map(b => [b.scrollWidth, b.clientWidth, b.tabIndex])"
    )
    assert all(client <= 390 and place == 0 for _, client, place in boxes)


def test_the_words_of_a_chart_can_be_read_on_a_phone(files, opened):
    """Charts are drawn for 10 points at their own size: some 9 pixels on a phone."""
    one = opened(files["zh"], "phone")
    scales = unfolded(one).eval_on_selector_all(
        "figure svg",
        "all => all.map(i => i.getBoundingClientRect().width / i.viewBox.baseVal.width)",
    )
    assert len(scales) == len(chart_frames()) and min(scales) * 10 >= 9


def test_quotation_marks_of_an_english_page_are_narrow_in_charts_and_on_paper(files, opened):
    """The page's own font draws them as wide as a character."""
    widths = opened(files["en"]).evaluate(
        """async marks => {
            await document.fonts.load('100px "Fupan Latin"', marks);
            const pen = document.createElement('canvas').getContext('2d');
            pen.font = '100px "Fupan Latin", "Fupan Sans SC", sans-serif';
            return [...marks].map(mark => pen.measureText(mark).width);
        }""",
        "·‘’“”",
    )
    assert max(widths) < 60


@pytest.mark.parametrize("lang", LANGS)
def test_the_words_of_a_chart_stand_where_they_were_drawn(files, opened, lang):
    """Their widths are those of the font that the page carries, not of one of this machine."""
    one = opened(files[lang])
    letters = "".join(
        sorted(
            {
                mark
                for words in one.eval_on_selector_all(
                    "figure text", "all => all.map(t => t.textContent)"
                )
                for mark in words
            }
        )
    )
    charts.use_theme()
    drawn = TextPath((0, 0), letters, size=100).get_extents().x1
    shown = one.evaluate(
        """letters => {
      const words = document.createElementNS("http://www.w3.org/2000/svg", "text");
      words.textContent = letters;
      words.setAttribute("font-size", "100");
      document.querySelector("figure svg").append(words);
      return words.getComputedTextLength();
    }""",
        letters,
    )
    assert len(letters) > 30 and shown == pytest.approx(drawn, rel=0.01)


def test_an_answer_leads_to_its_evidence(files, opened):
    one = opened(files["zh"], "phone")
    one.click("a[href='#F02-aa11bb']")
    until(
        one,
        "document.querySelector('#F02-aa11bb').getBoundingClientRect().top < window.innerHeight",
    )


@pytest.mark.parametrize("column", [0, 3])
def test_the_index_sorts(files, opened, column):
    one = opened(files["index_zh"])
    heads = one.locator("thead th")
    heads.nth(column).locator("button").click()
    order = heads.nth(column).get_attribute("aria-sort")
    keys = one.eval_on_selector_all(
        "tbody tr", f"rows => rows.map(r => r.cells[{column}].dataset.key)"
    )
    values = [float(key) for key in keys] if column == 3 else keys
    assert values == sorted(values, reverse=order == "descending")


def test_the_index_finds_and_filters(files, opened):
    one = opened(files["index_en"], "phone")
    one.fill("#words", "11-12 20:00")
    assert one.locator("tbody tr:visible").count() == 1 and one.inner_text("#count") == "1 session"
    one.fill("#words", "no such thing")
    assert one.locator("tbody tr:visible").count() == 0
    one.fill("#words", "")
    one.select_option("#state", "worse")
    assert one.locator("tbody tr:visible").count() == 1 and one.locator(".trend svg").count() == 3


ASCENDING = [
    ("9,999", "1.00万"),
    ("1.20万", "3.00亿"),
    ("−¥6,485", "¥183"),
    ("-¥6,485", "−¥5,000"),
    ("−39.8% 至 65.3%", "1.0% – 2.0%"),
    ("−3分", "2秒"),
    ("59秒", "1分2秒"),
    ("3小时", "3小时41分"),
    ("8.7%", "15.2%"),
    ("12m 5s", "1h 2m"),
    ("2026-10-31", "2026-11-01"),
    ("<0.001", "0.03"),
    ("0.83% – 1.3%", "1.2% – 1.4%"),
    ("甲", "乙"),
    ("900", "1.20M"),
    ("+1.2", "+10"),
    ("—", "−5"),
]


def test_values_sort_as_people_read_them(files, opened):
    keyed = (
        "words => { const cell = document.createElement('td'); cell.textContent = words; "
        "return sortKey(cell); }"
    )
    found = opened(files["zh"]).evaluate(
        f"pairs => pairs.map(pair => before(...pair.map({keyed})) < 0)", ASCENDING
    )
    assert [pair for pair, right in zip(ASCENDING, found, strict=True) if not right] == []


def test_a_long_table_is_sorted_and_searched_and_on_a_phone_begins_with_its_first_rows(
    tmp_path, opened
):
    frame = pd.DataFrame(
        {
            "name": [f"商品 {place}" for place in range(20)],
            "paid_amount": np.r_[np.nan, np.geomspace(50, 5e8, 19)],
            **{f"column with a long name {place}": np.arange(20.0) for place in range(6)},
        }
    )
    path = tmp_path / "long.html"
    path.write_text(
        built(
            "zh", {"02_funnel": notebook(result(report.table(frame, lang="zh", caption_zh="很多")))}
        ),
        encoding="utf-8",
    )
    desk, phone = unfolded(opened(path)), unfolded(opened(path, "phone"))

    def names() -> list[str]:
        return desk.eval_on_selector_all(
            ".fp-table tbody tr", "rows => rows.map(r => r.cells[0].textContent)"
        )

    for order in (sorted(range(20), reverse=True), sorted(range(20))):
        desk.click(".fp-table thead th:nth-child(2) button")
        assert [name for name in names() if name != "商品 0"] == [
            f"商品 {place}" for place in order if place
        ]
    desk.fill(".fp-search", "商品 13")
    assert desk.locator(".fp-table tbody tr:visible").count() == 1
    desk.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert desk.locator(".fp-table tbody tr:visible").count() == 20
    assert phone.locator(".fp-table tbody tr:visible").count() == 6
    widths = phone.eval_on_selector_all(
        ".fp-table tbody tr:first-child td", "all => all.map(c => c.getBoundingClientRect().right)"
    )
    assert (
        max(widths) <= 390
        and phone.evaluate(
            "getComputedStyle(document.querySelector('.fp-table td:nth-child(3)'), "
            "'::before').content"
        )
        == '"column with a long name 0 "'
    )
    phone.click(".fp-all")
    assert phone.locator(".fp-table tbody tr:visible").count() == 20


def test_a_section_has_an_address_and_a_table_can_be_taken_along(files, opened):
    one = opened(files["zh"])
    links = one.eval_on_selector_all(
        ".fp-here",
        "all => all.map(a => [a.hash, a.parentElement.id || a.parentElement.parentElement.id])",
    )
    assert len(links) > 3 and all(link == f"#{place}" for link, place in links)
    unfolded(one).locator(".fp-table").first.hover()
    one.locator(".fp-copy").first.click()
    assert one.locator(".fp-copy").first.inner_text() == "已复制"
    one.evaluate(
        "document.body.prepend(Object.assign(document.createElement('textarea'), { id: 'sheet' }))"
    )
    one.focus("#sheet")
    one.keyboard.press("Control+V")
    rows = one.input_value("#sheet").strip().split("\n")
    table = one.eval_on_selector(
        ".fp-table table",
        "table => [...table.rows].map(row => [...row.cells].map(cell => cell.textContent))",
    )
    assert [row.split("\t")[1:] for row in rows] == [row[1:] for row in table]


def test_a_figure_fills_the_screen_and_goes_back(files, opened):
    one = opened(files["zh"], "phone")
    figure = unfolded(one).locator(".fp-figure").nth(2)
    small = figure.locator("svg").bounding_box()["width"]
    figure.locator(".fp-enlarge").click()
    assert one.locator("dialog svg").bounding_box()["width"] > 1.5 * small and one.get_attribute(
        "dialog", "aria-label"
    )
    one.keyboard.press("Escape")
    until(
        one,
        (
            "!document.querySelector('dialog').open && document.querySelectorAll('.fp-figure "
            f"svg').length === {len(chart_frames())}"
        ),
    )


def test_the_contents_follow_the_reading(files, opened):
    one = opened(files["zh"])
    assert one.get_attribute(".contents a[aria-current]", "href") == "#summary"
    unfolded(one).evaluate(
        "document.documentElement.style.scrollBehavior = 'auto'; "
        "document.querySelector('#p04').scrollIntoView()"
    )
    until(
        one, "['#p04', '#p04-1'].includes(document.querySelector('.contents a[aria-current]').hash)"
    )
    assert one.locator(".contents a[aria-current]").count() == 1


@pytest.mark.parametrize("lang", LANGS)
def test_in_print_everything_is_open_and_nothing_is_cut(files, opened, lang):
    one = opened(files[lang])
    one.emulate_media(media="print")
    assert not one.locator(".contents").is_visible() and not one.locator("#code").is_visible()
    assert one.locator("#p02").is_visible()
    one.set_viewport_size({"width": 688, "height": 1000})  # the width of A4 between its margins
    one.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert one.evaluate(
        "[...document.querySelectorAll('table, svg, figure')].every(e => "
        "e.getBoundingClientRect().right <= 689)"
    )
    assert len(one.pdf(format="A4")) > 20_000


def test_the_command_prints_the_page_beside_it(files):
    made = pdf.print_pdf(files["en"], chromium_path())
    content = made.read_bytes()
    made.unlink()
    assert (
        made.name == "en.pdf"
        and content.startswith(b"%PDF")
        and content.count(b"/MediaBox [0 0 594") + content.count(b"/MediaBox [0 0 595") > 3
    )
    assert not list(made.parent.glob(".*")), "nothing is left beside it"


def test_without_scripts_everything_but_the_code_can_be_read(files, browser):
    context = browser.new_context(java_script_enabled=False, viewport={"width": 390, "height": 844})
    one = context.new_page()
    one.goto(files["zh"].as_uri())
    one.click("#p04 summary")
    assert one.locator("#p04 svg").first.is_visible() and one.locator(".cards").is_visible()
    context.close()


def test_a_machine_without_chinese_fonts_still_shows_every_character(files, opened):
    """The embedded font alone must hold every Chinese character of the page."""
    one = opened(files["zh"])
    one.evaluate("""async () => {
      const face = [...document.fonts].find(f => f.family.includes("Fupan"));
      await face.load();
    }""")
    letters = sorted(
        {mark for mark in words_of(files["zh"].read_text(encoding="utf-8")) if "一" <= mark <= "鿿"}
    )
    widths = one.evaluate(
        """letters => {
      const pen = document.createElement("canvas").getContext("2d");
      pen.font = '32px "Fupan Sans SC", "no such font"';
      return letters.map(l => pen.measureText(l).width);
    }""",
        letters,
    )
    assert {round(width) for width in widths} == {32}


@pytest.fixture(scope="module")
def bare_browser(browser, tmp_path_factory):
    """A Chromium of a machine whose only font is DejaVu, as of a bare server."""
    fonts = [*Path("/usr/share/fonts").rglob("DejaVuSans*.ttf")]
    if not fonts:
        pytest.skip("no DejaVu fonts on this machine")
    folder = tmp_path_factory.mktemp("fontconfig")
    for font in fonts:
        (folder / font.name).symlink_to(font)
    conf = folder / "fonts.conf"
    conf.write_text(
        f"<fontconfig><dir>{folder}</dir><cachedir>{folder}/cache</cachedir></fontconfig>"
    )
    one = browser.browser_type.launch(
        executable_path=chromium_path(),
        args=ARGUMENTS,
        env={**os.environ, "FONTCONFIG_FILE": str(conf)},
    )
    yield one
    one.close()


SHAPED_ANEW = """async selector => {
    await document.fonts.ready;
    for (const one of document.querySelectorAll(selector)) {
        one.style.fontFamily = '"Fupan Sans SC", serif';
        one.getBoundingClientRect();
        one.style.fontFamily = '"Fupan Sans SC", sans-serif';
    }
}"""
CHARACTERS = """selector => [...document.querySelectorAll(selector)].slice(0, 3).flatMap(one => {
    const words = document.createTreeWalker(one, NodeFilter.SHOW_TEXT);
    const found = [];
    while (words.nextNode()) {
        for (let place = 0; place < words.currentNode.length; place += 1) {
            const range = document.createRange();
            range.setStart(words.currentNode, place);
            range.setEnd(words.currentNode, place + 1);
            const { x, y, width, height } = range.getBoundingClientRect();
            const mark = range.toString();
            if (mark >= "\u4e00" && mark <= "\u9fff" && width) {
                found.push([mark, { x, y: y + scrollY, width, height }]);
            }
        }
    }
    return found;
})"""


@pytest.mark.parametrize("size", ["desk", "phone"])
@pytest.mark.parametrize(
    "name, selector", [("zh", "h1, .contents summary, .card .name"), ("index_zh", "h1, th")]
)
def test_text_is_painted_where_no_font_of_the_machine_has_chinese(
    files, bare_browser, name, selector, size
):
    """What was shaped before the font arrived is painted as what is shaped after it."""
    width, height = SIZES[size]
    context = bare_browser.new_context(viewport={"width": width, "height": height}, offline=True)
    one = context.new_page()
    one.goto(files[name].as_uri())
    until(one, "document.fonts.status === 'loaded'")
    characters = one.evaluate(CHARACTERS, selector)
    assert len(characters) > 8
    first = [one.screenshot(clip=place, full_page=True) for _, place in characters]
    one.evaluate(SHAPED_ANEW, selector)
    again = [one.screenshot(clip=place, full_page=True) for _, place in characters]
    boxes = [mark for (mark, _), a, b in zip(characters, first, again, strict=True) if a != b]
    context.close()
    assert boxes == []
