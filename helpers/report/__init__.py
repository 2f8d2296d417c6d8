"""What is shown: tables, charts, first screen, page, gate, index and workbook."""

from helpers.report.client import FOLDER as CLIENT_FOLDER
from helpers.report.client import publish as publish_client
from helpers.report.gate import GateError
from helpers.report.index import write_index
from helpers.report.publish import index_row, publish, sheet
from helpers.report.results import Show
from helpers.report.show import Shown, figure, findings, notes, sentence, setup, watch
from helpers.report.tables import column_name, table
