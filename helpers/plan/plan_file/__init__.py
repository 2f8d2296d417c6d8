"""The plan as a file: an Excel that people edit, and a CSV beside it that is a copy to read."""

from helpers.plan.plan_file.columns import (
    CHOICES,
    COLUMNS,
    EDITED,
    HIDDEN,
    LABELS,
    NEXT,
    REQUIRED,
    WRITTEN,
    PlanFileError,
    frame,
    plan_id,
)
from helpers.plan.plan_file.copies import safe, write_csv
from helpers.plan.plan_file.edits import earlier, load, merge, read, together, touched
from helpers.plan.plan_file.write import (
    NUMBER_FORMATS,
    SHEET_WORDS,
    refresh,
    take_over,
    write,
    write_xlsx,
)
