"""A finding has an id of its own, a verdict of the closed list, and two sentences.

One in each language.
"""

from __future__ import annotations

import re

import pytest

from helpers.core import findings

GOOD = {
    "notebook": "03_compare",
    "dimension": "click",
    "metric": "product_click_rate",
    "verdict": "worse",
    "sentence_zh": "变差",
    "sentence_en": "worse",
}


def test_the_same_subject_has_the_same_id_and_another_slice_another():
    one, again, other = (
        findings.make(**GOOD),
        findings.make(**GOOD, value=0.1),
        findings.make(**GOOD, slice="千川"),
    )
    assert one["id"] == again["id"] != other["id"]
    assert one["id"].startswith("F03-")


def test_an_id_does_not_depend_on_the_name_of_a_slice():
    old, new = (
        findings.make(**GOOD, slice=f"{name} (p1)", slice_id="p1") for name in ("杯子", "新款杯子")
    )
    assert old["id"] == new["id"] != findings.make(**GOOD, slice="杯子 (p2)", slice_id="p2")["id"]
    assert old["slice"] != new["slice"]


def test_a_hundred_thousand_findings_have_as_many_ids():
    ids = {findings.make(**GOOD, slice=f"product={n}")["id"] for n in range(100_000)}
    assert len(ids) == 100_000
    assert all(re.fullmatch("F03-[a-z2-7]{13}", mark) for mark in ids)


def test_diff_is_value_less_baseline():
    assert findings.make(**GOOD, value=0.1, baseline=0.15)["diff"] == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"verdict": "bad"}, "expected one of"), ({"sentence_en": ""}, "both languages")],
)
def test_an_unfinished_finding_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        findings.make(**GOOD | change)


def test_two_findings_about_one_thing_are_refused():
    with pytest.raises(ValueError, match="same thing"):
        findings.frame([findings.make(**GOOD), findings.make(**GOOD)])
