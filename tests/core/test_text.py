"""Numbers as people read them, in both languages."""

from __future__ import annotations

import math

import pytest

from helpers.core import text


@pytest.mark.parametrize(
    ("value", "unit", "lang", "currency", "shown"),
    [
        (9999, "count", "zh", "CNY", "9,999"),
        (12345, "users", "zh", "CNY", "1.23万"),
        (12345, "users", "en", "CNY", "12,345"),
        (123456789, "money", "zh", "CNY", "¥1.23亿"),
        (123456789, "money", "en", "USD", "$123.46M"),
        (61045.3, "money", "zh", "CNY", "¥6.10万"),
        (39.567, "money", "zh", "CNY", "¥39.57"),
        (-39.567, "money", "en", "CNY", "−¥39.57"),
        (9467316, "money", "en", "IDR", "Rp9.47M"),
        (0.0421, "percent", "zh", "CNY", "4.2%"),
        (0.00421, "percent", "zh", "CNY", "0.42%"),
        (0, "percent", "zh", "CNY", "0.0%"),
        (65, "seconds", "zh", "CNY", "1分5秒"),
        (65, "seconds", "en", "CNY", "1m 5s"),
        (7265, "seconds", "zh", "CNY", "2小时1分"),
        (2.345, "score", "en", "CNY", "2.35"),
        (math.nan, "money", "zh", "CNY", "—"),
        (math.inf, "score", "zh", "CNY", "—"),
    ],
)
def test_value(value, unit, lang, currency, shown):
    assert text.value(value, unit, lang, currency=currency) == shown


def test_a_change_always_carries_its_sign():
    assert [text.signed(x, "percent", "zh") for x in (0.05, -0.05, math.nan)] == [
        "+5.0%",
        "−5.0%",
        "—",
    ]


def test_a_range_with_a_negative_end_has_no_dash_that_could_be_read_as_its_minus():
    assert text.interval(0.01, 0.02, "percent", "en") == "1.0% – 2.0%"
    assert (
        text.interval(0.0078, 0.0105, "percent", "zh") == "0.78% – 1.05%"
        and text.interval(0.004, 0.12, "percent", "zh") == "0.40% – 12.0%"
        and text.interval(0.0036, 0.0464, "percent", "zh") == "0.36% – 4.6%"
    )
    assert text.interval(0.0, 0.032, "percent", "zh") == "0.0% – 3.2%"
    assert text.interval(-14_300, 13_500, "money", "zh") == "−¥1.43万 至 ¥1.35万"
    assert text.interval(-0.4, -0.1, "percent", "en") == "−40.0% to −10.0%"
    assert text.interval(-1e-12, 0.1, "percent", "zh") == "0.0% – 10.0%"  # dust is no minus
    for unit in ("money", "percent", "points", "score", "count", "seconds"):
        for lang in ("zh", "en"):
            assert (
                "-" not in text.interval(-20_000, -3, unit, lang)
                and text.interval(-20_000, -3, unit, lang).count("−") == 2
            )


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("补水\u202e面膜\x00 \n套装", "补水面膜 套装"),
        ("SPECIAL LIVE🔥🔥\ufe0f ①", "SPECIAL LIVE ①"),
        ("x" * 80, "x" * 59 + "…"),
        (None, "—"),
        (math.nan, "—"),
        ("<b>&", "<b>&"),  # escaping is the table's business: a sentence is text, not markup
    ],
)
def test_plain_takes_out_what_hides_or_overflows(raw, shown):
    assert text.plain(raw) == shown


def test_a_third_language_is_refused():
    with pytest.raises(ValueError, match="expected zh or en"):
        text.choose("fr", "一", "one")


@pytest.mark.parametrize(
    "words",
    [
        text.percent(-1e-16),
        text.number(-1e-12, "zh", 2),
        text.money(-1e-9, "zh"),
        text.signed(-1e-16, "percent", "zh"),
        text.signed(1e-16, "percent", "zh"),
        text.signed(-0.00004, "points", "zh"),
        text.seconds(-0.2, "zh"),
    ],
)
def test_what_rounds_to_zero_has_no_sign(words):
    assert words[0] not in "-−+"
