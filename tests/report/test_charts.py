"""What is drawn is what was given: data, theme, hostile text, missing glyphs."""

import inspect
import itertools
import os
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes

from helpers import report
from helpers.report import charts
from helpers.report.charts import lines, points, theme
from tests.sample_review import LONG, chart_frames

matplotlib.use("agg")
FRAMES = chart_frames()
every_chart = pytest.mark.parametrize("name", FRAMES)
both_languages = pytest.mark.parametrize("lang", ["zh", "en"])


@pytest.fixture(autouse=True)
def themed():
    charts.use_theme()
    yield
    plt.close("all")


def draw(name: str, lang: str = "zh", **more):
    frame, options = FRAMES[name]
    return getattr(charts, name)(frame, lang=lang, **(options | more))


def words(axes) -> list[str]:
    found = [
        text.get_text() for one in axes.figure.axes for text in one.findobj(matplotlib.text.Text)
    ]
    return [text for text in found if text]


def widths(axes) -> list[float]:
    return [
        bar.get_width() for bar in axes.patches if isinstance(bar, matplotlib.patches.Rectangle)
    ]


def offsets(axes) -> np.ndarray:
    groups = [
        group.get_offsets()
        for group in axes.collections
        if isinstance(group, matplotlib.collections.PathCollection)
    ]
    return np.vstack([np.asarray(group) for group in groups if len(group)])


def test_effects_are_points_with_their_intervals_and_the_unknown_is_left_out():
    axes = draw("effects")
    assert sorted(offsets(axes)[:, 0]) == [-0.3, 0.1] and [
        tick.get_text() for tick in axes.get_yticklabels()
    ] == ["改版 观看人数", "降价 支付金额"]
    assert {"-30%", "+10%"} <= {word.replace("−", "-") for word in words(axes)}


def test_a_trend_breaks_where_there_was_no_session_and_marks_what_it_is_given():
    axes = draw("trend")
    first, second = axes.figure.axes
    lines = [line.get_ydata().tolist() for line in first.lines]
    assert lines[:2] == [[900, 1200, 1100], [1000, 1400, 1300]] and lines[2] == [
        1300
    ]  # a gap of weeks; what is open, dashed
    assert {"618", "1", "支付金额", "转粉率"} <= set(words(axes))
    assert next(line.get_ydata().tolist() for line in second.lines) == [0.011, 0.013]


def test_cells_show_values_with_their_sessions_and_small_ones_the_number_alone():
    axes = draw("cells")
    assert [text.get_text() for text in axes.texts] == ["¥1.20", "n=12", "¥0.80", "n=5", "n=2"]
    high, low = (patch.get_facecolor() for patch in axes.patches)
    assert high[2] > high[0] and low[0] > low[2]  # blue above the account, orange below


def test_funnel_bars_are_the_users_and_the_rates_stand_between():
    axes = draw("funnel")
    assert widths(axes) == [1000, 400, 90, 30]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["曝光", "观看", "点击", "成交"]
    assert "↓ 22.5%（19.0% – 27.0%）" in words(axes)
    assert axes.get_xlim()[0] == 0


def test_a_step_that_grows_is_hollow_and_has_no_rate():
    frame, _ = FRAMES["funnel"]
    axes = charts.funnel(frame.assign(grows=[False, False, True, False]), lang="en")
    assert [bar.get_facecolor()[:3] == (1, 1, 1) for bar in axes.patches] == [
        False,
        False,
        True,
        False,
    ]
    assert not [word for word in words(axes) if "22.5%" in word] and [
        word for word in words(axes) if "no conversion rate" in word
    ]


def test_intervals_draws_the_ratio_over_its_expected_range():
    axes = draw("intervals")
    assert offsets(axes)[:3].tolist() == [[0.7, 0], [1.02, 1], [1.5, 2]]
    ranges = [line.get_xdata() for line in axes.lines if line.get_linewidth() == 9]
    assert [list(map(float, line)) for line in ranges] == [[0.8, 1.25], [0.8, 1.3], [0.75, 1.3]]
    assert {"−30%", "+2%", "+50%", "—"} <= set(words(axes))
    one = [line for line in axes.lines if list(line.get_xdata()) == [1, 1]]
    assert len(one) == 1


def test_a_verdict_has_a_shape_of_its_own_beside_its_colour():
    drawn = {
        verdict: (points.SHAPES[verdict], points.COLOURS[verdict]) for verdict in points.SHAPES
    }
    assert len({shape for shape, _ in drawn.values()}) == len(drawn) == 5
    assert drawn["better"][1] != drawn["worse"][1]


def test_waterfall_steps_hang_on_one_another():
    axes = draw("waterfall")
    spans = [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches]
    assert spans == [(0, 100), (100, 70), (70, 75), (0, 75)]
    assert {"¥100", "−¥30.00", "+¥5.00", "¥75.00"} <= set(words(axes))


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6), st.floats(1, 1e6))
@settings(max_examples=20, deadline=None)
def test_waterfall_ends_where_its_steps_lead(steps, start):
    rows = [
        ("a", start, "start"),
        *[("s", step, "step") for step in steps],
        ("z", start + sum(steps), "end"),
    ]
    axes = charts.waterfall(pd.DataFrame(rows, columns=["label", "amount", "kind"]), lang="en")
    last, end = axes.patches[-2], axes.patches[-1]
    assert last.get_x() + last.get_width() == pytest.approx(end.get_width(), rel=1e-9, abs=1e-6)
    plt.close("all")


def test_parts_of_a_whole_carry_the_line_on_in_its_place():
    rows = [
        ("a", 100.0, "start"),
        ("all", -30.0, "whole"),
        ("└ x", -40.0, "step"),
        ("└ y", 10.0, "step"),
        ("z", 70.0, "end"),
    ]
    axes = charts.waterfall(pd.DataFrame(rows, columns=["label", "amount", "kind"]), lang="en")
    assert [(bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches] == [
        (0, 100),
        (100, 70),
        (100, 60),
        (60, 70),
        (0, 70),
    ]
    assert [
        bar.get_facecolor() == matplotlib.colors.to_rgba(theme.PAPER) for bar in axes.patches
    ] == [False, True, False, False, False]
    joints = [
        line.get_xdata()[0]
        for line in axes.lines
        if len(set(line.get_ydata())) == 2 and max(line.get_ydata()) > 1
    ]
    assert joints == [100, 100, 60, 70]


def test_mix_and_rate_stand_side_by_side_around_zero():
    axes = draw("mix_rate")
    assert widths(axes) == [0.01, -0.02, -0.005, 0.004]
    assert axes.get_xlim()[0] == -axes.get_xlim()[1]
    paper = matplotlib.colors.to_rgba(theme.PAPER)
    assert [bar.get_facecolor() == paper for bar in axes.patches] == [
        True,
        True,
        False,
        False,
    ] and not any(bar.get_hatch() for bar in axes.patches)
    assert {"+1.00", "−2.00", "−0.50", "+0.40"} <= set(
        words(axes)
    ) and axes.get_xlabel() == "单位：百分点"


def test_small_changes_of_a_rate_have_the_decimals_they_need():
    frame = pd.DataFrame({"label": ["a"], "mix_effect": [0.0004], "rate_effect": [-0.00003]})
    assert {"+0.040", "−0.003"} <= set(words(charts.mix_rate(frame, lang="en", unit="percent")))


def test_minutes_has_a_panel_for_each_curve_there_is():
    frame, _ = FRAMES["minutes"]
    panels = draw("minutes").figure.axes
    assert [panel.get_title(loc="left") for panel in panels] == ["在线人数", "转化：成交订单", ""]
    for panel, column in zip(panels[:2], ["online", "orders"], strict=True):
        curve = max(panel.lines, key=lambda line: len(line.get_xdata()))
        assert np.array_equal(curve.get_xdata(), frame["minute"]) and np.array_equal(
            curve.get_ydata(), frame[column]
        )
    assert [text.get_text() for text in panels[0].texts] == ["A"]


def test_marks_of_one_kind_share_a_lane_in_order_of_the_first():
    frame = pd.DataFrame({"minute": range(60), "online": 5.0})
    marks = pd.DataFrame({"minute": [40, 10, 20], "label": ["bag", "coupon", "bag"]})
    lanes = charts.minutes(frame, marks=marks, lang="en").figure.axes[-1]
    assert [tick.get_text() for tick in lanes.get_yticklabels()] == ["coupon", "bag"]
    assert [(list(line.get_xdata()), list(line.get_ydata())) for line in lanes.lines] == [
        ([10], [0]),
        ([20, 40], [1, 1]),
    ]


def test_stages_have_lanes_of_their_own_and_the_clock_stands_under_the_minutes():
    frame = pd.DataFrame(
        {"minute": range(90), "online": 5.0, "entered": 7.0, "left": 9.0, "net_inflow": -2.0}
    )
    stages = pd.DataFrame(
        {
            "start_minute": [0, 30, 60],
            "end_minute": [30, 60, 90],
            "label": ["Pre-heat", "Product introduction", "Pre-heat"],
        }
    )
    axes = charts.minutes(
        frame, stages=stages, started_at=pd.Timestamp("2026-11-10 23:40:20"), lang="en"
    ).figure.axes
    assert [tick.get_text() for tick in axes[-1].get_yticklabels()] == [
        "Pre-heat",
        "Product introduction",
    ]
    assert [
        [segment[:, 0].tolist() for segment in lane.get_segments()] for lane in axes[-1].collections
    ] == [[[0, 30], [60, 90]], [[30, 60]]]
    assert axes[-1].xaxis.get_major_formatter()(30, 0) == "30\n00:10"
    assert (
        [line.get_ydata()[0] for line in axes[1].lines] == [7, -9, 0]
        and axes[1].get_ylim()[0] == -axes[1].get_ylim()[1] < -9
        and axes[2].get_ylim()[0] < -2
    )
    assert axes[1].yaxis.get_major_formatter()(-9, 0) == "9"


def test_bars_of_words_are_their_z_with_the_people_at_the_ends():
    axes = draw("words")
    assert widths(axes) == [4.3, 2.6] and {"16 人", "6 人"} <= set(words(axes))


def test_many_kinds_of_marks_leave_the_rarest_out():
    marks = pd.DataFrame(
        {"minute": range(30), "label": [f"k{place % 10}" for place in range(28)] + ["k0", "k1"]}
    )
    kinds = dict(lines.mark_kinds(marks))
    assert len(kinds) == 8 and {"k0", "k1"} <= set(kinds)


def test_history_sets_this_session_off_from_the_others():
    frame, options = FRAMES["history"]
    axes = draw("history")
    marks = [
        np.asarray(group.get_offsets()) for group in axes.collections if len(group.get_offsets())
    ]
    assert sorted(map(len, marks)) == [1, 11]
    assert min(marks, key=len)[0, 1] == frame["value"].iloc[-1]
    band = axes.patches[0].get_bbox() if axes.patches else None
    assert band is not None and (band.y0, band.y1) == (options["lower"], options["upper"])


def test_rates_draws_estimate_interval_and_reference():
    frame, _ = FRAMES["rates"]
    axes = draw("rates")
    assert offsets(axes)[:, 0].tolist() == frame["rate"].tolist()
    segments = next(
        group
        for group in axes.collections
        if isinstance(group, matplotlib.collections.LineCollection)
    ).get_segments()
    assert [(float(line[0][0]), float(line[1][0])) for line in segments] == list(
        zip(frame["ci_lower"], frame["ci_upper"], strict=True)
    )
    assert any(list(line.get_xdata()) == [0.025, 0.025] for line in axes.lines)
    assert "3.0% n=5,000" in words(axes)


def test_pareto_puts_the_most_frequent_first():
    axes = draw("pareto")
    assert widths(axes) == [12, 4]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["质量", "尺码"]
    assert "12 · 75.0%（50.0% – 90.0%）" in words(axes)


def test_quadrant_places_marks_by_value_and_lines_at_the_medians():
    axes = draw("quadrant")
    assert sorted(map(tuple, offsets(axes).tolist())) == [(0.1, 0.05), (0.2, 0.01), (0.3, 0.03)]
    assert next(list(line.get_xdata()) for line in axes.lines) == [0.2, 0.2]
    assert [list(line.get_ydata()) for line in axes.lines][1] == [0.03, 0.03]


def test_marks_are_numbered_and_fields_named_and_no_name_lies_on_a_line_or_a_mark():
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "number": range(1, 13),
            "label": [f"商品名称第{place}号 500g" for place in range(12)],
            "x": rng.uniform(2000, 7000, 12),
            "y": rng.uniform(0, 0.01, 12),
            "size": rng.uniform(1, 9, 12),
            "x_middle": 4000.0,
            "y_middle": 0.004,
        }
    )
    corners = {"high_high": "主推", "low_high": "补流量", "high_low": "优化承接", "low_low": "观察"}
    axes = charts.quadrant(
        frame, lang="zh", x_label="x", y_label="y", x_unit="users", corners=corners
    )
    axes.figure.canvas.draw()
    at = {one.get_text(): one.get_position() for one in axes.texts if one.get_text().isdigit()}
    assert at == {f"{row.number:.0f}": (row.x, row.y) for row in frame.itertuples()}
    assert {
        one.get_text(): (one.get_position()[0] > 0.5, one.get_position()[1] > 0.5)
        for one in axes.texts
        if one.get_text() in corners.values()
    } == {
        "主推": (True, True),
        "补流量": (False, True),
        "优化承接": (True, False),
        "观察": (False, False),
    }
    assert (
        next(line.get_xdata()[0] for line in axes.lines) == 4000
        and [line.get_ydata()[0] for line in axes.lines][1] == 0.004
    )
    across, up = axes.transData.transform((4000, 0.004))
    names = [one.get_window_extent() for one in axes.texts if "商品" in one.get_text()]
    marks = axes.transData.transform(frame[["x", "y"]].to_numpy())
    assert names and not any(box.x0 < across < box.x1 or box.y0 < up < box.y1 for box in names)
    assert not any(box.contains(*mark) for box in names for mark in marks)


def test_the_value_of_a_session_stands_above_all_points_of_its_history():
    axes = draw("history")
    axes.figure.canvas.draw()
    lowest = next(one for one in axes.texts if "本场" in one.get_text()).get_window_extent().y0
    assert lowest > axes.transData.transform((0, FRAMES["history"][0]["value"].max()))[1]


@pytest.mark.parametrize("low, high", [(0.9, 1.1), (0.7, 1.6), (0.45, 2.2), (0.2, 5), (0.05, 20)])
def test_a_log_axis_has_several_ticks_that_stand_apart(low, high):
    axes = charts.intervals(
        pd.DataFrame(
            {
                "label": ["a"],
                "ratio": [1.0],
                "ratio_lower": [low],
                "ratio_upper": [high],
                "verdict": ["normal"],
            }
        ),
        lang="zh",
    )
    ticks = [tick for tick in axes.get_xticks() if low <= tick <= high]
    assert len(ticks) >= (1 if high < 1.15 else 3) and 1 in ticks and "对数" in axes.get_xlabel()
    assert all(np.log(b / a) / np.log(high / low) >= 0.16 for a, b in itertools.pairwise(ticks))


def test_heat_keeps_the_order_of_rows_and_columns():
    axes = draw("heat")
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["前段", "后段"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["推荐", "付费"]
    assert axes.collections[0].get_array().ravel().tolist() == [0.5, -0.3, 0.1, 0.0]
    assert [cell.get_text() for cell in axes.texts] == ["1.0% ▲", "2.0% ▼", "3.0%", "—"]


def test_comeback_draws_each_group_with_its_interval_and_names_it_at_its_end():
    axes = draw("comeback")
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[0, 0], [30, 0.2], [60, 0.3]],
        [[0, 0], [60, 0.4]],
    ]
    assert {0.1, 0.3, 0.2, 0.4} <= set(axes.collections[0].get_paths()[0].vertices[:, 1])
    assert {"首购", "之后"} <= set(words(axes)) and len(
        {line.get_linestyle() for line in axes.lines}
    ) == 2


def test_every_chart_there_is_has_a_frame_here_and_a_test_of_what_it_draws():
    there_are = {
        name
        for name, made in inspect.getmembers(charts, inspect.isfunction)
        if made.__annotations__.get("return") is Axes and name[0] != "_" and name != "empty"
    }
    written = Path(__file__).read_text(encoding="utf-8")
    assert there_are == set(FRAMES) == {name for name in there_are if f'draw("{name}")' in written}


@every_chart
@both_languages
def test_every_chart_draws_in_both_languages_without_a_missing_glyph(name, lang):
    drawn = report.figure(draw(name, lang), title_zh="题", title_en="title", lang=lang)
    assert drawn.svg.startswith("<svg ")
    assert not plt.get_fignums(), "the figure stays open"


@every_chart
def test_a_frame_without_rows_is_said_to_be_empty(name):
    frame, options = FRAMES[name]
    axes = getattr(charts, name)(frame.iloc[:0], lang="zh", **options)
    assert words(axes) == ["没有可画的数据"]


@every_chart
def test_no_words_of_a_chart_leave_the_picture(name):
    axes = draw(name, "en")
    figure = axes.figure
    figure.canvas.draw()
    frame = figure.bbox
    shown = [
        one for one in figure.findobj(matplotlib.text.Text) if one.get_text() and one.get_visible()
    ]
    outside = [
        one.get_text()
        for one in shown
        if not (
            frame.x0 - 2 <= one.get_window_extent().x0
            and one.get_window_extent().x1 <= frame.x1 + 2
        )
    ]
    drawn_ticks = {tick.get_text() for panel in figure.axes for tick in panel.get_xticklabels()}
    assert [text for text in outside if text not in drawn_ticks] == []


def test_the_same_chart_gives_the_same_bytes_in_another_process():
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parents[2])!r}); from "
        "tests.sample_review import chart_frames; from helpers import report; "
        "from helpers.report import charts; charts.use_theme();"
        "frame, options = chart_frames()['minutes'];"
        "made = report.figure(charts.minutes(frame, lang='zh', **options), title_zh='a', "
        "title_en='a', lang='zh'); print(made.html + made.svg)"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONHASHSEED": "7"},
    ).stdout.strip()
    here = [report.figure(draw("minutes"), title_zh="a", title_en="a", lang="zh") for _ in range(3)]
    assert {made.html + made.svg for made in here} == {other}


def test_dollar_signs_are_no_mathematics():
    frame = FRAMES["pareto"][0].assign(label=["$x_1$ 甲", r"$\frac{"])
    axes = charts.pareto(frame, lang="zh")
    axes.figure.canvas.draw()
    assert {r"$\frac{", "$x_1$ 甲"} <= set(words(axes))


def test_control_and_direction_marks_never_reach_a_chart():
    frame = FRAMES["pareto"][0].assign(label=["\u202egpj.exe", "a\x07b\u200b"])
    assert not {"\u202e", "\x07", "\u200b"} & set("".join(words(charts.pareto(frame, lang="zh"))))


def test_characters_of_data_that_the_font_lacks_become_a_box():
    assert theme.shown("𠮷爆款") == "□爆款"
    assert theme.shown("🔥爆款") == "爆款"
    assert theme.shown("฿120") == "THB 120"
    assert theme.shown("啫喱水 Đạ ½") == "啫喱水 Đạ ½"


def test_a_missing_glyph_in_our_own_words_is_an_error():
    axes = draw("pareto")
    axes.set_xlabel("\U00020bb7")
    with pytest.raises(UserWarning, match="Glyph"):
        report.figure(axes, title_zh="题", title_en="title", lang="zh")


def test_another_warning_stays_a_warning():
    axes = draw("pareto")
    axes.figure.canvas.mpl_connect(
        "draw_event", lambda event: warnings.warn("of no matter", UserWarning, stacklevel=1)
    )
    with pytest.warns(UserWarning, match="of no matter"):
        report.figure(axes, title_zh="题", title_en="title", lang="zh")


def test_charts_use_the_committed_font_alone():
    assert matplotlib.rcParams["font.family"] == [theme.FAMILY]
    found = matplotlib.font_manager.findfont(theme.FAMILY, fallback_to_default=False)
    assert found == str(charts.FONT)


def test_many_marks_make_a_picture_of_points_not_of_paths():
    figure, axes = plt.subplots()
    axes.scatter(np.linspace(0, 1, 2500), np.linspace(1, 2, 2500))
    drawn = report.figure(figure, title_zh="题", title_en="t", lang="en")
    assert "data:image/png" in drawn.html and not drawn.svg and drawn._repr_svg_() is None


@pytest.mark.parametrize(
    "label, expected",
    [
        ("短", "短"),
        ("Product exposure users", "Product exposure\nusers"),
        ("商品曝光点击转化率人数", "商品曝光点击转化率\n人数"),
        ("曝光-成交转化率（人数）", "曝光-成交转化率\n（人数）"),
        ("九蒸九晒黑芝麻丸 30丸", "九蒸九晒黑芝麻丸\n30丸"),
        ("每日坚果混合装 750g", "每日坚果混合装\n750g"),
        ("一" * 40, "一" * 9 + "\n" + "一" * 8 + "…"),
        ("x" * 40, "x" * 18 + "\n" + "x" * 17 + "…"),
        (None, "—"),
        ("View-to-product-exposure rate (people)", "View-to-product-\nexposure rate…"),
        ("Interaction rate (comments per viewer)", "Interaction rate\n(comments per…"),
        ("海苔肉松卷海苔肉 20支", "海苔肉松卷海苔肉\n20支"),
    ],
)
def test_labels_are_broken_by_width(label, expected):
    assert theme.wrapped(label) == expected


@given(st.text(max_size=80))
@settings(max_examples=200)
def test_any_label_fits_in_two_lines_and_in_the_font(label):
    lines = theme.wrapped(label).split("\n")
    assert len(lines) <= 2 and all(theme.columns_wide(line) <= 19 for line in lines)
    assert all(ord(mark) in theme._characters() for line in lines for mark in line)


def test_long_names_are_cut_in_the_lanes_of_the_minutes():
    lanes = draw("minutes").figure.axes[2]
    assert [tick.get_text() for tick in lanes.get_yticklabels()] == [
        theme.shown(LONG, limit=12),
        "福袋",
    ]


def test_estimates_stand_in_their_range_with_what_came_out_and_what_had_come():
    axes = draw("estimates")
    marks = offsets(axes)
    assert marks[:, 1].tolist()[:2] == [0.08, 0.05] and marks[-2:, 1].tolist() == [0.22, 0.3]
    (ranges,) = [
        group
        for group in axes.collections
        if isinstance(group, matplotlib.collections.LineCollection)
    ]
    assert ranges.get_segments()[0][:, 1].tolist() == [0.19, 0.28] and axes.get_ylim()[0] == 0
