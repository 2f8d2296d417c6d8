"""The first layer of a report: what decides, on one sheet."""

from helpers.report.brief.setting import Setting
from helpers.report.brief.sheet import make
