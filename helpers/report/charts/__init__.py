"""Charts: tidy frames in, Axes out, one function a chart; nothing is computed but positions.

One theme for all: the committed font, colours that a colour-blind reader and a grey print keep
apart, shapes beside them, labels at the marks, units, zero lines and intervals drawn. A chart is as
wide as a phone can show legibly; its title stands beside it, in the page.
"""

from helpers.report.charts.bars import funnel, mix_rate, pareto, waterfall, words
from helpers.report.charts.heat_maps import cells, heat
from helpers.report.charts.lines import comeback, history, minutes, trend
from helpers.report.charts.points import effects, estimates, intervals, quadrant, rates
from helpers.report.charts.theme import FONT, use_theme
