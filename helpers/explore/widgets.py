"""The widgets of `07_explore`: metrics, dimensions, filter and sessions chosen by hand."""

import ipywidgets

from helpers import report
from helpers.core import text
from helpers.explore.answer import explore
from helpers.explore.grains import ExploreError, carriers, dimensions
from helpers.reference.metrics import MetricError
from helpers.review import Review, opened_by_hand

WIDE = {"width": "97%", "max_width": "1000px"}
STYLE = {"description_width": "7em"}


def form(review: Review) -> ipywidgets.VBox | report.Shown:
    """The widgets to explore with; outside of JupyterLab, how to do without them."""
    if opened_by_hand():
        return Form(review).box
    return report.sentence(
        "控件只在 JupyterLab 里有；别处用下面的 explore(…)。",
        "The widgets work in JupyterLab only; elsewhere use explore(…) below.",
        lang=review.lang,
    )


class Form:
    """The widgets, and the answer to what was chosen in them last."""

    def __init__(self, review: Review) -> None:
        self.review, self.answer = review, None
        lang, registry = review.lang, review.registry
        metrics = [(f"{text.label(one, lang)} · {name}", name) for name, one in registry.items()]
        rows = {"layout": WIDE, "style": STYLE}
        self.metrics = ipywidgets.SelectMultiple(options=metrics, rows=8, **rows)
        self.by = ipywidgets.SelectMultiple(rows=6, **rows)
        self.where = ipywidgets.Text(placeholder="host == 'A' and hour >= 20", **rows)
        self.sessions = ipywidgets.Dropdown(options=["all", "this"], value="all", **rows)
        self.first = ipywidgets.DatePicker(style=STYLE)
        self.last = ipywidgets.DatePicker(style=STYLE)
        self.ask = ipywidgets.Button(button_style="primary")
        self.shown = ipywidgets.HTML(layout=WIDE)
        period = ipywidgets.HBox([self.first, self.last])
        inputs = [self.metrics, self.by, self.where, self.sessions, period, self.ask]
        self.box = ipywidgets.VBox([*inputs, self.shown])
        self._label(lang)
        self.metrics.observe(lambda change: self._offer(), "value")
        self.metrics.value = ("room_conversion",)
        self.ask.on_click(lambda button: self._answer())

    def _label(self, lang: str) -> None:
        names = (
            (self.metrics, "指标", "Metrics"),
            (self.by, "按（一至两个）", "By (1 or 2)"),
            (self.where, "只看", "Only where"),
            (self.sessions, "场次", "Sessions"),
            (self.first, "从", "From"),
            (self.last, "到", "To"),
            (self.ask, "查看", "Show"),
        )
        for widget, zh, en in names:
            widget.description = text.choose(lang, zh, en)
        words = (("全部场次", "All sessions", "all"), ("本场", "This session", "this"))
        self.sessions.options = [(text.choose(lang, zh, en), value) for zh, en, value in words]

    def _offer(self) -> None:
        """Offer the dimensions that the chosen metrics have in common; those picked stay."""
        lang, registry = self.review.lang, self.review.registry
        each = [
            dict.fromkeys(one for table in carriers(registry[name]) for one in dimensions(table))
            for name in self.metrics.value
        ]
        common = [one for one in (each[0] if each else {}) if all(one in names for names in each)]
        picked = [one for one in self.by.value if one in common]
        self.by.options = [
            (f"{report.column_name(one, lang, registry, {})} · {one}", one) for one in common
        ]
        self.by.value = picked

    def _answer(self) -> None:
        period = (self.first.value, self.last.value)
        try:
            self.answer = explore(
                self.review,
                self.metrics.value,
                by=self.by.value,
                where=self.where.value.strip() or None,
                sessions=tuple(map(str, period)) if all(period) else self.sessions.value,
            )
            self.shown.value = self.answer._repr_html_()
        except (ExploreError, MetricError) as error:
            words = str(error)
            self.shown.value = report.sentence(
                words, words, lang=self.review.lang, level="bad"
            ).html
