"""The sources and products that a cause or a plan line is about, by id.

Names are only to be read: long ones are cut, and two may be alike.
"""

import json
from collections.abc import Iterable, Mapping

from helpers.core import findings


def packed(names_by_id: Mapping[str, str]) -> str:
    """Names by id as one cell of a table; empty where there are none."""
    return json.dumps(dict(names_by_id), ensure_ascii=False) if names_by_id else ""


def names(cell: object) -> dict[str, str]:
    """The names by id of a cell that `packed` made; none of anything else."""
    try:
        held = json.loads(cell) if isinstance(cell, str) and cell else {}
    except ValueError:
        return {}
    return held if isinstance(held, dict) else {}


def ids(cell: object) -> set[str]:
    """The ids of a cell that `packed` made."""
    return set(names(cell))


def of_slices(slices: Iterable[object]) -> set[str]:
    """All that findings' slices may be matched by.

    "name (id)" by its id, a source by itself, as its name may have brackets.
    """
    texts = [slice for slice in slices if isinstance(slice, str) and slice]
    return {*texts, *map(findings.slice_key, texts)}
