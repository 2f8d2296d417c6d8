"""What is somebody's is found by its form and hidden; what only looks like it is left alone."""

import pandas as pd
import pytest
import yaml

from helpers import clean, reference
from helpers.core import privacy
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
    ],
    "identity card number": [
        "11010519491231002X",
        "身份证11010519491231002x",
        "号码 11010519491231002X，谢谢",
    ],
    "e-mail address": [
        "zhang.san@example.com",
        "邮箱zhang@mail.example.cn谢谢",
        "a+b@example.co.id",
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

    for path in sorted(reference.SHIPPED.rglob("*.yml")):
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


def test_a_telling_file_name_stops_the_report_too(tmp_path):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "张三 13800138000.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    workspace = clean.Workspace.open(tmp_path)
    clean.ingest(workspace)
    found = clean.read_table(workspace, "personal")
    assert set(found["kind"]) == {"phone number"} and set(found["table"]) == {"files"}
    assert "13800138000" not in " ".join(gate.stored_failures(found))


def test_a_raw_frame_of_results_is_not_published():
    frame = pd.DataFrame({"sentence_zh": ["句"], "p_adjusted": [float("nan")]})
    failures = list(gate.page_failures(f"<h2>目标</h2>{frame.to_html()}", expected_outputs=0))
    assert failures == ["a raw frame of results below “目标”: show it with report.table"]
    for shown in (
        "<table><tr><th>sentence_zh</th></tr></table>",
        pd.DataFrame({"a": ["own"]}).to_html(),
    ):
        assert not list(gate.page_failures(f"<h2>目标</h2>{shown}", expected_outputs=0))
