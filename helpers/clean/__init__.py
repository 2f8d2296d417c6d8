"""Files in raw/ become typed tables: read once, attributed to sessions, held against each other.

What is bad is kept aside.
"""

from helpers.clean.folder import (
    WORK,
    Settings,
    Workspace,
    WorkspaceError,
    is_alive,
    replacing,
    sweep,
    synced,
)
from helpers.clean.ingestion import (
    AFTER,
    AGAIN,
    code_version,
    content_version,
    ingest,
    tables_version,
)
from helpers.clean.ledger import COUNTS, said
from helpers.clean.notes import in_words, parted
from helpers.clean.personal_data import scan
from helpers.clean.raw_file import Reading, export, read_file
from helpers.clean.reader_process import readers
from helpers.clean.recognise import proposals
from helpers.clean.tables import (
    LEDGERS,
    data_as_of,
    finest_slots,
    keep_model,
    lazy_table,
    parts,
    read_table,
    sessions,
)
from helpers.clean.template import write_template
