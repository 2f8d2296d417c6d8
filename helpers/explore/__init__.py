"""Any metric by any dimension: the table with intervals, the chart, the test against the rest."""

from helpers.explore.answer import Answer, explore
from helpers.explore.grains import ExploreError, dimensions, filtered, rows
from helpers.explore.widgets import form
