"""The CSV beside the plan's Excel: a copy to read, marked so that an edited one is known."""

import csv
import hashlib
import io
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import clean
from helpers.plan.plan_file.columns import COLUMNS, NUMBERS, PlanFileError
from helpers.plan.plan_file.read import runs


def safe(value: object) -> str:
    """Text as a CSV cell that no spreadsheet program runs as a formula."""
    written = "" if value is None or (isinstance(value, float) and np.isnan(value)) else str(value)
    return f"'{written}" if runs(written) else written


def _number(value: float) -> str:
    if not np.isfinite(value):
        return ""
    return f"{value:.6g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")


def replace(path: Path, content: bytes) -> Path:
    """Write the whole file beside its place, then move it there in one step."""
    try:
        with clean.replacing(path, lasting=True) as unfinished:
            unfinished.write_bytes(content)
    except PermissionError as error:
        raise PlanFileError(
            f"{path}: cannot be replaced; is it open in a spreadsheet program?"
        ) from error
    return path


def _mark(lines: str) -> str:
    """The last header, with a digest of the lines below."""
    return f"a copy to read ({hashlib.blake2s(lines.encode(), digest_size=4).hexdigest()})"


def csv_of(plan: pd.DataFrame) -> bytes:
    """Plan rows as CSV (UTF-8 with BOM, so that Excel reads it), marked as a copy."""
    head, body = io.StringIO(), io.StringIO()
    csv.writer(body).writerows(
        [_number(row[name]) if name in NUMBERS else safe(row[name]) for name in COLUMNS]
        for row in plan.to_dict("records")
    )
    csv.writer(head).writerow([*COLUMNS, _mark(body.getvalue())])
    return (head.getvalue() + body.getvalue()).encode("utf-8-sig")


def is_as_written(path: Path) -> bool:
    """Whether a CSV is as a run wrote it."""
    head, _, lines = path.read_bytes().decode("utf-8-sig", "replace").partition("\r\n")
    return head.endswith(_mark(lines))


def write_csv(plan: pd.DataFrame, path: Path) -> Path:
    """Write plan rows as a CSV to read, whole or not at all."""
    return replace(path, csv_of(plan))
