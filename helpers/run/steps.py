"""The notebooks of a review: their order, parameters, and the digests that say what is done."""

import hashlib
import importlib.metadata
import json
import sys
from collections.abc import Mapping
from typing import Any

import papermill

from helpers import clean
from helpers.core import places
from helpers.review import checked_parameter

ORDER = ("01_clean", "02_funnel", "03_compare", "04_split", "05_aftersales", "06_plan")
BEFORE_AFTERSALES = ("04_split",)
PLACES = ("session_id", "data_dir", "reports_dir", "lang")
LIBRARIES = (
    "pandas",
    "numpy",
    "scipy",
    "statsmodels",
    "seaborn",
    "matplotlib",
    "papermill",
    "nbconvert",
    "pyarrow",
)
CELL_TIMEOUT = 600


def parameters() -> dict[str, dict[str, dict[str, Any]]]:
    """The declared parameters of each notebook: name → {inferred_type_name, default, help}."""
    return {
        name: papermill.inspect_notebook(str(places.NOTEBOOKS / f"{name}.ipynb")) for name in ORDER
    }


def check_parameters(given: Mapping[str, str]) -> dict[str, Any]:
    """The given values in the types that the notebooks declare.

    Raises `ParameterError` for an unknown name or a wrong type: papermill itself takes any type and
    only warns, a misspelt option would be without effect.
    """
    declared = {
        name: spec["inferred_type_name"]
        for specs in parameters().values()
        for name, spec in specs.items()
        if name not in PLACES
    }
    return {name: checked_parameter(name, value, declared) for name, value in given.items()}


def step_keys(
    workspace: clean.Workspace, session_id: str, lang: str, given: Mapping[str, Any]
) -> dict[str, str]:
    """One digest a step over all that its outcome depends on, the steps before it included.

    Steps in `BEFORE_AFTERSALES` do not depend on what only comes in after a session
    (`clean.AFTER`).
    """
    common = f"{clean.code_version()}|{session_id}|{lang}" + json.dumps(
        {name: importlib.metadata.version(name) for name in LIBRARIES}
    )
    whole = hashlib.sha256(f"{common}|{clean.content_version(workspace)}".encode())
    sold = hashlib.sha256(
        f"{common}|{clean.tables_version(workspace, without=clean.AFTER)}".encode()
    )
    declared = parameters()
    keys = {}
    for name in ORDER:
        declared_values = {key: given[key] for key in sorted(given) if key in declared[name]}
        notebook = places.NOTEBOOKS / f"{name}.ipynb"
        content = notebook.read_bytes() + json.dumps(declared_values).encode()
        if name == ORDER[-1]:
            for plan in sorted(
                path for kind in ("csv", "xlsx") for path in workspace.plans.glob(f"[!~.]*.{kind}")
            ):
                content += plan.name.encode() + plan.read_bytes()
        whole.update(content)
        sold.update(content)
        keys[name] = (sold if name in BEFORE_AFTERSALES else whole).hexdigest()[:20]
    return keys


def versions() -> dict[str, str]:
    """The versions of the package, its code, Python and libraries that results hang on."""
    return {
        "fupan": importlib.metadata.version("fupan"),
        "code": clean.code_version(),
        "python": sys.version.split()[0],
        **{name: importlib.metadata.version(name) for name in LIBRARIES},
    }
