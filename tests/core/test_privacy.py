"""What is somebody's is found by its form and hidden; what only looks like it is left alone."""

import random
import time

import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import clean
from helpers.core import places, privacy
from helpers.report import gate

SOMEBODYS = {
    "phone number": [
        "13800138000",
        "请联系 13800138000",
        "电话13800138000,谢谢",
        "13800138000,13900139000",
        "+86 138 0013 8000",
        "(+86)13800138000",
        "138-0013-8000",
        "wx13800138000",
        "加V13800138000",
        "tel13800138000",
        "１３８００１３８０００",
        "电话.13800138000",
        "0571-88886666",
        "(0571)88886666",
        "010-88886666",
        "(+62)81234567890",
        "+62 812-3456-7890",
        "081234567890",
        "WA 0812-3456-7890",
        "+852 9123 4567",
        "+1 (415) 555-0132",
        "+66812345678",
        "１３８-００１３-８０００",
        "０５７１－８８８８－６６６６",
        "+６２ ８１２ ３４５６ ７８９０",
        "138  0013  8000",
        "138\u30000013\u30008000",
        "138\xa00013\xa08000",
        "138\u20090013\u20098000",
        "138\u200b0013\u200b8000",
        "1\u200d3\u200d8\u200d0\u200d0\u200d1\u200d3\u200d8\u200d0\u200d0\u200d0",
        "\ufeff138\ufeff00138000",
        "138\u00ad0013\u00ad8000",
        "138\u202a0013\u202c8000",
        "138–0013–8000",
        "138—0013—8000",
        "138‑0013‑8000",
        "138−0013−8000",
        "138·0013·8000",
        "138.0013.8000",
        "138。0013。8000",
        "138•0013•8000",
        "138 - 0013 - 8000",
        "138__0013__8000",
        "138❤0013❤8000",
        "138-001-38000",
        "138 001 38000",
        "(138)0013-8000",
        "+86-138-0013-8000",
        "0086 13800138000",
        "008613800138000",
        "（＋８６）138 0013 8000",
        "86-13800138000",
        "１３８　００１３　８０００",
        "1 3 8 0 0 1 3 8 0 0 0",
        "1-3-8-0-0-1-3-8-0-0-0",
        "一三八零零一三八零零零",
        "幺三八〇〇幺三八〇〇〇",
        "张三一三八零零一三八零零零一起买",
        "138零零一三8000",
        "138零0138000",
        "壹叁捌零零壹叁捌零零零",
        "一 三 八 零零一三 八零零零",
        "1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣",
        "①③⑧⓪⓪①③⑧⓪⓪⓪",
        "❶❸❽⓿⓿❶❸❽⓿⓿⓿",
        "⑴⑶⑻00⑴⑶⑻000",
        "𝟏𝟑𝟖𝟎𝟎𝟏𝟑𝟖𝟎𝟎𝟎",
        "๑๓๘๐๐๑๓๘๐๐๐",
        "电话 13 80 01 38 00 0",
        "手机：138/0013/8000",
        "联系138，0013，8000",
        "（0571）88886666",
        "（０５７１）8888 6666",
        "0571—8888—6666",
        "010-88886666-801",
        "010-88886666转123",
        "+86 571 8888 6666",
        "0086-10-88886666",
        "电话88886666",
        "0571\xa08888\xa06666",
        "0917 123 4567",
        "+63 917 123 4567",
        "081-234-5678",
        "+66 81 234 5678",
        "0912 345 678",
        "+84 912 345 678",
        "012-345 6789",
        "+60 12-345 6789",
        "07700 900123",
        "+44 7700 900123",
        "(415) 555-0132",
        "0062 812 3456 7890",
        "WA 6281234567890",
        "电话081234567890",
    ],
    "identity card number": [
        "11010519491231002X",
        "身份证11010519491231002x",
        "号码 11010519491231002X，谢谢",
        "１１０１０５１９４９１２３１００２Ｘ",
        "110105 19491231 002X",
        "110105-19491231-002X",
        "1101 0519 4912 3100 2X",
        "110105\u200b19491231\u200b002X",
        "110105491231002",
        "身份证110105491231002",
        "１１０１０５４９１２３１００２",
        "身份证 110101199003071234",
    ],
    "bank card number": [
        "6222 0202 0011 2230 954",
        "6222-0202-0011-2230-954",
        "６２２２　０２０２　００１１　２２３０　９５４",
        "6222020200112230954",
        "622202 0200112230954",
        "卡号6222021234567890128",
        "银行卡 4111111111111111",
        "4111 1111 1111 1111",
        "3782 822463 10005",
        "6222\u200b0202\u200b0011\u200b2230\u200b954",
    ],
    "messenger account": [
        "微信：abc_123",
        "微信:zhangsan99",
        "微信号 zhangsan99",
        "V信 abc_123",
        "v信abc123",
        "vx：abc_123",
        "VX:zhangsan",
        "ＶＸ：abc_123",
        "加V abc123xyz",
        "加微 zhang_san1",
        "wx: abc_123",
        "wechat: zhangsan",
        "微\u200b信：abc_123",
        "薇信 abc_123",
        "wxid_abc123def",
        "微信 12345678",
        "微信号是zhangsan88",
        "QQ 12345678",
        "qq12345678",
        "扣扣12345678",
        "ＱＱ：１２３４５６７８",
        "QQ号 12345678",
        "企鹅号12345678",
        "Q号12345678",
        "QQ\xa0123\xa0456\xa078",
        "QQ群 123456789",
        "扣扣：一二三四五六七八",
    ],
    "e-mail address": [
        "zhang.san@example.com",
        "邮箱zhang@mail.example.cn谢谢",
        "a+b@example.co.id",
        "张三：ｚｈａｎｇ＠ｑｑ．ｃｏｍ",
        "zhang\u200b@qq.com",
        "12345678@qq.com",
    ],
    "postal address": [
        "浙江省杭州市西湖区文三路90号",
        "浙江杭州西湖区文三路 90 号 5 幢 501 室",
        "地址：上海市浦东新区世纪大道100号",
        "广东省广州市天河区体育西路103号维多利广场A座",
        "西湖区文三路123号4栋501室",
        "寄到阳光花园3栋2单元501室",
        "河南省周口市太康县城关镇建设村3组",
        "北京市朝阳区建国路甲88号院5号楼",
        "Jl. Sudirman No. 12, Jakarta",
        "Jalan Melati RT 03/RW 05",
        "北京南锣鼓胡同5号3号楼",
        "浙江省杭州市\u200b西湖区文三路９０号",
    ],
}
NOBODYS = [
    "订单 6921234567890123456",
    "6917926768823643751",
    "20261110-2000-douyin-1a2b",
    "¥13,800,138,000",
    "¥13800138000",
    "1.3800138000",
    "n=13800138000.5",
    "13,800,138,000",
    "110105194912310021",
    "2026-11-10 20:00:00",
    "2026/07/28 08:15:49-2026/07/28 15:44:39",
    "138****8000",
    "(+62)812*****90",
    "$$密文",
    "@主播",
    "主播@小美.live 今晚见",
    "icon@2x.png",
    "价格@9.9",
    "a@b",
    "SKU13800138000X",
    "a13800138000bcde",
    "款号 K20261110",
    "6922255451427",
    "SF1380013800012",
    "1791213782_ab.csv",
    "Creator-Live-Performance_20260701093000.xlsx",
    "全域数据_素材分析_视频_2026-06-01 00_00_00-2026-06-01 23_59_59-77.xlsx",
    "1×138 0013",
    "+12,345,678",
    "+12.345678901",
    "+8.5%",
    "iPhone 17 Pro 256GB 5G",
    "口红3号色",
    "1号链接 2号链接",
    "第2026期 0800-2200",
    "城市大道3号色口红",
    "杭州市西湖区龙井茶 250g×2罐",
    "上海路88号链接",
    "浙江省",
    "西湖区",
    "杭州",
    "新疆棉四件套 1.8米床",
    "广东省广州市",
    "三里屯店",
    "北京同仁堂 10g×6袋",
    "5号电池 8节",
    "主播1号机位",
    "20:00-23:00 1号主播",
    "满300减40 2件9折",
    "1500万人次",
    "400-820-8820 客服",
    "RT 3",
    "SPU 30-1234567-1",
    "直播间曝光人数 182584 观看人数 15093",
    "买家应付 148.9 元",
    "款 8-1234 5678-90",
    "江苏省 5件",
    "湖南卫视同款 3号链接 第2单元",
    "家园套装 3座 2号色",
    "158 45kg",
    "158cm 90斤穿什么码",
    "160/84A 170/92A",
    "139 159 169 99",
    "199 1299 1599",
    "199/1299/1399",
    "尺码 13 14 15 16 17 5",
    "满1599减150 1699减169",
    "券后 ¥139.9 原价 ¥1599",
    "扣1",
    "扣扣666666",
    "QQ糖 20000颗",
    "QQ弹弹 66666",
    "加V6会员",
    "加V领T恤 M123456",
    "VX5000",
    "微信支付 100元",
    "微信能加吗",
    "153.12345678",
    "款号 157-22-013",
    "货号 0962/123/400",
    "JDVA18574695926",
    "客服电话 400-820-8820",
    "三八妇女节 一二三四五六",
    "一二三四五六七八九十",
    "三五七九",
    "手机壳 13 14 15 Pro",
    "手机 12 256GB 5999",
    "联系客服 3 次",
    "手机 12,345,678",
    "电话：1,234,567 次",
    "联系 2026-11-30 20:00",
    "来电 20261130",
    "221205-422683801021975",
    "6921567890123456780",
    "4921567890123456",
    "1️⃣号链接 2️⃣号链接",
    "①②③ 号链接 ❤️❤️",
    "2026-11-30 20:00:00.123456",
]


@pytest.mark.parametrize(
    ("kind", "words"), [(kind, words) for kind, every in SOMEBODYS.items() for words in every]
)
def test_what_is_somebody_s_is_found_and_hidden(kind, words):
    assert kind in {hit.kind for hit in privacy.find(words)}
    assert privacy.find(privacy.hide(words)) == [] and "***" in privacy.hide(words)
    assert (
        privacy.find(privacy.mask(words)) == []
    )  # what is read is masked at least as widely as it is searched
    assert privacy.find(privacy.masked(pd.Series([words], dtype="str")).iloc[0]) == []


@pytest.mark.parametrize("words", NOBODYS)
def test_what_only_looks_like_it_is_left_alone(words):
    assert privacy.find(words) == [] and privacy.hide(words) == words


def test_only_what_is_personal_is_hidden_and_all_of_it():
    assert (
        privacy.hide("找我 138\u3000 0013\u200b—8000，谢谢 158 45kg") == "找我 ***，谢谢 158 45kg"
    )
    assert privacy.hide("加 1️⃣3️⃣8️⃣0️⃣0️⃣1️⃣3️⃣8️⃣0️⃣0️⃣0️⃣!") == "加 ***!"
    assert privacy.hide("微信：abc_123 或 ＱＱ １２３４５６７８。") == "微信：*** 或 ＱＱ ***。"
    assert privacy.mask("张三一三八零零一三八零零零一起买") == "张三***一起买"
    assert privacy.mask("单 6921567890123456780 卡 6222 0202 0011 2230 954") == (
        "单 6921567890123456780 卡 ***"
    )


# What may stand between the digits of a number without being seen, and what separates its groups.
UNSEEN = [
    "",
    "\u200b",
    "\u200c",
    "\u200d",
    "\u2060",
    "\ufeff",
    "\u00ad",
    "\u202a",
    "\u2066",
    "\ufe0f",
]
BETWEEN = [*" -–—−·•　\xa0\u2009\u202f", "  ", " - ", "--", "❤️", ""]
WRITTEN = [
    str.maketrans("0123456789", digits)
    for digits in ("０１２３４５６７８９", "⓪①②③④⑤⑥⑦⑧⑨", "0123456789")
]


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_a_number_is_found_however_it_is_written(data):
    groups = data.draw(
        st.sampled_from(
            [
                ("139", "1234", "5678"),
                ("139", "123", "45678"),
                ("0571", "8888", "6666"),
                ("110105", "19491231", "0021"),
                ("6222", "0202", "0011", "2230", "954"),
            ]
        )
    )
    groups = [*groups[:-1], "002X"] if groups[0] == "110105" else groups
    between = data.draw(st.sampled_from(BETWEEN[:-1] if groups[0] == "0571" else BETWEEN))
    digits = data.draw(st.sampled_from(WRITTEN))
    marks = st.sampled_from(UNSEEN)
    written = between.join(
        "".join(digit.translate(digits) + data.draw(marks) for digit in group) for group in groups
    )
    words = f"留言 {written} 谢谢"
    assert privacy.hide(words) == "留言 *** 谢谢", ascii(words)
    assert privacy.mask(words) == "留言 *** 谢谢"
    assert privacy.masked(pd.Series([words], dtype="str")).tolist() == ["留言 *** 谢谢"]


def numbers_of_a_shop(seed, count):
    """Ids as the platforms make them, and figures that people write; none is anybody's."""
    rng = random.Random(seed)

    def digits(length, first=""):
        return first + "".join(rng.choices("0123456789", k=length - len(first)))

    def day():
        return f"{rng.randint(1, 12):02}{rng.randint(1, 28):02}"

    makers = [
        lambda: digits(19, rng.choice(["69", "49", "50", "35", "36", "37", "73", "75"])),  # Douyin
        lambda: digits(18, rng.choice(["57", "17", "14", "73"])),  # TikTok Shop, cases
        lambda: digits(19, rng.choice("234")),  # Taobao orders, items, SKUs
        lambda: digits(12, rng.choice("56789")),
        lambda: digits(13, rng.choice("3456")),
        lambda: digits(16, "2"),  # Kuaishou
        lambda: f"2{rng.randint(1, 6)}{day()}-{digits(15, rng.choice('123456789'))}",  # Pinduoduo
        lambda: f"P7{digits(17)}",  # Xiaohongshu
        lambda: rng.choice(["SF", "YT", "JDVA", "ZTO"]) + digits(13),
        lambda: digits(13, "69"),  # bar codes
        lambda: rng.choice("ABKST") + digits(8),
        lambda: f"{digits(5)}/{digits(3)}/{digits(3)}",
        lambda: f"¥{rng.randint(1, 10**6):,}.{rng.randint(0, 99):02}",
        lambda: (
            f"2026-{rng.randint(1, 12):02}-{rng.randint(1, 28):02} {rng.randint(0, 23):02}:30:00"
        ),
        lambda: (
            f"{rng.randint(145, 190)} {rng.randint(38, 95)}{rng.choice(['kg', '斤', '公斤', ''])}"
        ),
        lambda: " ".join(rng.choices(["9.9", "19", "59", "99", "139", "159", "199"], k=4)),
        lambda: (
            rng.choice(["1号", "3号", "12号"]) + rng.choice(["链接 2件", "多少钱", "还有 160 吗"])
        ),
        lambda: f"满{rng.randint(1, 30)}99减{rng.randint(1, 90)} 第{rng.randint(1, 9)}件7折",
    ]
    return [makers[number % len(makers)]() for number in range(count)]


def test_at_most_one_in_ten_thousand_ids_and_figures_is_taken_for_personal():
    words = numbers_of_a_shop(16, 54_000)
    taken = [word for word in words if privacy.mask(word) != word]
    assert len(taken) <= len(words) / 10_000, taken


def test_ids_titles_and_talk_of_the_demo_are_left_alone(demo_workspace):
    texts = set()
    for path in sorted((demo_workspace / "clean").glob("*/*.parquet")):
        for column in pd.read_parquet(path).select_dtypes("str").items():
            texts |= set(column[1].dropna().unique()[:2000])
    taken = [words for words in texts if privacy.mask(words) != words]
    assert len(texts) > 5_000 and len(taken) <= len(texts) / 10_000, taken


def test_long_cells_take_time_in_proportion():
    """32,000 digits took a second each, twenty of them 23 seconds, when a pattern was quadratic."""

    def seconds(cell):
        began = time.process_time()
        privacy.mask(cell)
        return time.process_time() - began

    for part in (
        "1",
        "+1",
        "1-",
        "a.",
        "a@",
        "一三",
        "1\u200b",
        "1号楼",
        "微信",
        "电话",
        "13800138000 ",
    ):
        short, long = (min(seconds(part * count) for _ in range(3)) for count in (4_000, 32_000))
        assert long < 24 * short + 0.1, (part, short, long)


def test_nothing_in_the_reference_data_looks_personal():
    """Metrics, playbook and mappings are printed in every report.

    None of their words may stop it.
    """

    def texts(value):
        if isinstance(value, dict):
            for key, item in value.items():
                yield str(key)
                yield from texts(item)
        elif isinstance(value, list):
            for item in value:
                yield from texts(item)
        else:
            yield str(value)

    for path in sorted(places.REFERENCE.rglob("*.yml")):
        for words in texts(yaml.safe_load(path.read_text(encoding="utf-8"))):
            assert privacy.find(words) == [], (path.name, words)


def test_a_frame_says_row_column_and_kind_but_never_the_value():
    frame = pd.DataFrame(
        {
            "order_id": ["13800138000", "zhang@example.com", None],
            "buyer_key": ["0123456789abcdef", "张三", None],
            "text": [None, "好", "请打 13800138000"],
            "n": [1.0, 2.0, 3.0],
        }
    )
    found = privacy.in_frame(frame, ids=frozenset({"order_id"}), keys=frozenset({"buyer_key"}))
    assert found.values.tolist() == [
        [1, "order_id", "e-mail address"],
        [1, "buyer_key", "id that is not hashed"],
        [2, "text", "phone number"],
    ]
    assert privacy.in_frame(frame.iloc[:0]).empty and list(
        privacy.in_frame(frame[["n"]]).columns
    ) == ["row", "column", "kind"]


# ---- the clean store, and a report
# --------------------------------------------------------------------------------

ORDERS = {
    "platform": "douyin",
    "order_id": "6917926768823643751",
    "line_id": "13800138000",
    "buyer_key": "0123456789abcdef",
    "product_name": "卫衣 1.8米 3号色",
    "source_file": "1791213782_ab.csv",
    "source_sheet": "",
    "source_row": 7,
}


@pytest.mark.parametrize(
    ("column", "words", "kind"),
    [
        ("product_name", "卫衣 13800138000", "phone number"),
        ("room_name", "找 11010519491231002X", "identity card number"),
        ("source", "zhang@example.com", "e-mail address"),
        ("province", "浙江省杭州市西湖区文三路90号", "postal address"),
        ("buyer_key", "张三", "id that is not hashed"),
        ("order_id", "zhang@example.com", "e-mail address"),
    ],
)
def test_what_is_planted_in_the_clean_store_stops_the_report_and_is_named_by_table_column_and_row(
    column, words, kind
):
    frame = pd.DataFrame([ORDERS, ORDERS | {column: words, "source_row": 8}])
    found = clean.scan({"orders": frame, "sessions": pd.DataFrame()})
    assert found.values.tolist() == [["orders", column, kind, "1791213782_ab.csv", "", 8]]
    with pytest.raises(
        gate.GateError, match=rf"clean/orders, column {column}: a {kind} .*1791213782_ab.csv row 8"
    ) as caught:
        gate.check("", {}, stored=found)
    assert words not in str(caught.value)
    assert clean.scan({"orders": frame.iloc[:1]}).empty


@pytest.mark.parametrize(("words", "kind"), [(every[1], kind) for kind, every in SOMEBODYS.items()])
def test_what_is_planted_in_a_report_is_named_by_its_place_only(words, kind):
    page = (
        "<h2>分小节 13900139000</h2><table><tr><th>商品</th><th>说明</th></tr><tr><td>卫衣"
        f"</td><td>好</td></tr><tr><td>帽子</td><td>{words}</td></tr></table>"
    )
    failures = [said for said in gate.page_failures(page, expected_outputs=0) if "row" in said]
    assert failures == [f"personal data: a {kind} below “分小节 ***”, row 2, column 说明"]
    results = {"plan": pd.DataFrame({"plan_id": ["13800138000"] * 2, "note": ["好", words]})}
    assert list(gate.result_failures(results)) == [
        f"personal data: a {kind} in the result plan, column note, row 2"
    ]


def test_the_demo_shop_holds_nobody_s_data(demo_workspace):
    workspace = clean.Workspace.open(demo_workspace)
    found = clean.read_table(workspace, "personal")
    assert found.empty and {"table", "column", "kind", "file", "sheet", "row"} <= set(found)


def test_a_raw_frame_of_results_is_not_published():
    frame = pd.DataFrame({"sentence_zh": ["句"], "p_adjusted": [float("nan")]})
    failures = list(gate.page_failures(f"<h2>目标</h2>{frame.to_html()}", expected_outputs=0))
    assert failures == ["a raw frame of results below “目标”: show it with report.table"]
    for shown in (
        "<table><tr><th>sentence_zh</th></tr></table>",
        pd.DataFrame({"a": ["own"]}).to_html(),
    ):
        assert not list(gate.page_failures(f"<h2>目标</h2>{shown}", expected_outputs=0))


@pytest.mark.parametrize(
    "number", ["5.006135933499524", "8.008624272421116", "1.510903531028005", "-0.4410108800000001"]
)
def test_a_computed_number_is_nobodys(number):
    assert not privacy.find(number) and privacy.mask(number) == number
    assert privacy.find(f"电话 13812345678，{number}")
