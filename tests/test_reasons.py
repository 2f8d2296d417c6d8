"""Reasons for refunds: their place in the tree, and shares that close."""

import numpy as np
import pytest

from helpers import reasons, reference
from tests.sold_lines import of


@pytest.mark.parametrize(("written", "reason"), [
    ("多拍/错拍/不想要", "over_ordered"), ("错拍", "wrong_order"), ("价格有误", "price_error"), ("尺码偏小", "size"), ("质量问题", "poor_quality"),
    ("商品破损/污渍", "damaged"), ("物流一直未送达", "late"), ("颜色/款式/图案与描述不符", "not_as_described"), ("七天无理由退货", "seven_days"),
    ("尺寸与商品描述不符", "not_as_described"), ("未按约定时间发货", "not_shipped"), ("Defective item", "poor_quality"), ("？？", "unknown"), (np.nan, "unknown"),
])
def test_reasons_find_their_place_in_the_tree(written, reason):
    assert reasons.reason_of(written, reference.reasons())[1] == reason


def test_pareto_only_from_thirty_refunds_and_its_shares_close():
    lines = [{"line_id": f"l{i}", "reason": "多拍" if i < 20 else "质量问题"} for i in range(30)]
    few, enough = (reasons.shares(of(lines[:count], count=40), tree=reference.reasons()) for count in (29, 30))
    assert not few["enough"].any() and enough["enough"].all()
    assert enough["reason"].tolist() == ["over_ordered", "poor_quality"] and enough["count"].tolist() == [20, 10]
    assert enough["share"].sum() == pytest.approx(1) and enough["cumulative"].iloc[-1] == pytest.approx(1)
    grouped = reasons.shares(of(lines, count=40), tree=reference.reasons(), group=True)
    assert grouped["count"].sum() == 30 and grouped["reason"].tolist() == ["ordering", "quality"]
