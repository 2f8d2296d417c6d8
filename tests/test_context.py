"""What stands beside the figures of the first screen: causes borne out, what can be won back, what usual means."""

import pandas as pd
import pytest
from sample_review import first_screen, results

from helpers import context, reference, split

REGISTRY = reference.metrics()
FINDING = {"id": "F03-000002", "slice": "甲 (1)", "metric": "item_click_pay_rate", "verdict": "worse"}


def problems():
    return pd.DataFrame({"problem": ["click_pay_low", "pay_low"], "findings": ["F09-000000,F03-000002", ""]})


def judged(**own):
    row = {"problem": "click_pay_low", "verdict": "supported", "rule": "stock_out_minutes", "about": "乙、甲", "measured": 40.0, "zh": "主推商品断货", "en": "Sold out"}
    return pd.DataFrame([{**row, **own}])


@pytest.mark.parametrize(("own", "said"), [
    ({}, "记录支持的原因：断货 40 分钟。"), ({"about": "乙"}, ""), ({"verdict": "not_supported"}, ""), ({"problem": "pay_low"}, ""),
    ({"rule": "worse_products"}, ""),                                    # which product fell is what the finding says already
    ({"rule": "cue_delay_minutes", "about": ""}, ""),                    # of the whole session: nothing about this product
])
def test_a_finding_says_the_cause_that_the_records_bear_out(own, said):
    assert context.cause_words(context.borne_out(FINDING, problems(), judged(**own)), "zh") == said


def test_of_the_whole_session_any_measured_cause_counts_and_each_rule_once():
    late = {"rule": "cue_delay_minutes", "about": "", "measured": 4.66, "zh": "优惠券发放不及时", "en": "Coupons came late"}
    found = context.borne_out({**FINDING, "slice": ""}, problems(), pd.concat([judged(**late), judged(**late), judged()], ignore_index=True))
    assert context.cause_words(found, "en") == "Borne out by the records: Coupons came late (average delay behind plan in minutes 4.7), sold out for 40 minutes."


def lines(**own):
    row = {"kind": "product", "unit": "1", "metric": "item_click_create_rate", "below": "click_users", "above": "create_users", "chance": 0.9, "rank": 2.0, "money": 278.4,
           "label_zh": "下单", "label_en": "ordering"}
    return pd.DataFrame([{**row, **own}])


@pytest.mark.parametrize(("table", "money"), [
    (lines(), 278.4), (lines(unit="2"), None), (lines(chance=0.4), None), (lines(kind="cell"), None),
    (lines(below="exposure_users", above="click_users", metric="item_click_rate"), None),              # the step before the metric's first
    (pd.concat([lines(rank=1.0), lines(metric="item_click_pay_rate", above="pay_users", money=99.0)], ignore_index=True), 99.0),
    (pd.concat([lines(), lines(rank=1.0, below="create_users", above="pay_users", metric="x", money=5.0)], ignore_index=True), 5.0),
])
def test_what_can_be_won_back_is_that_of_the_same_step_else_the_foremost_inside_it(table, money):
    found = context.won_back(FINDING, table, REGISTRY)
    assert (None if found is None else found["money"]) == money


def test_the_words_name_the_step_and_leave_the_minutes_sold_out_apart():
    row = lines().iloc[0]
    told = [context.won_back_words(FINDING, row, sold_out=gone, lang=lang, currency="CNY") for gone in (False, True) for lang in ("zh", "en")]
    assert told == ["其中补得回约 ¥278（在「下单」这一步）", "of which about ¥278 can be won back (at the step ordering)",
                    "断货的时段之外，补得回约 ¥278（在「下单」这一步）", "outside the minutes sold out, about ¥278 can be won back (at the step ordering)"]
    assert context.won_back_words(FINDING, None, sold_out=False, lang="zh", currency="CNY") == ""


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_first_screen_does_not_deny_a_cause_that_it_knows(lang):
    said = split.CAUSES["product"]
    argument = pd.DataFrame({"part": ["judgement"], "sentence_zh": [said[0] + "。再说"], "sentence_en": [said[1] + ". More"]})
    found = results()["findings"].assign(metric="item_click_pay_rate")
    known = {"argument": argument, "findings": found, "problems": problems(), "opportunity": lines(metric="item_click_pay_rate")}
    unsaid, told = (first_screen(lang, {**results(), **known, "causes": table}) for table in (judged(verdict="not_supported"), judged()))
    assert split.OPEN[lang == "en"] in unsaid["why"][0]["words"] and split.OPEN[lang == "en"] not in told["why"][0]["words"]
    assert told["why"][0]["words"] == {"zh": "问题在商品：个别商品变差。", "en": "single products did worse."}[lang]
    first = told["findings"][0]
    assert "40" in first["cause"] and "¥278" in first["won_back"] and unsaid["findings"][0]["cause"] == ""
    assert told["amounts"].startswith({"zh": "“约少”", "en": "“Less”"}[lang])
