"""Where the parts of Fupan lie: in a checkout, or installed as a package."""

import os
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]
IN_CHECKOUT = (_PACKAGE.parent / "notebooks" / "01_clean.ipynb").is_file()
# an installed package has the notebooks and reference data in itself; what a team works on lies in
# the folder that it works in
_SHIPPED = _PACKAGE.parent if IN_CHECKOUT else _PACKAGE / "shipped"
HOME = "FUPAN_HOME"  # names that folder to programs that are started from it
PROJECT = _PACKAGE.parent if IN_CHECKOUT else Path(os.environ.get(HOME) or Path.cwd())
NOTEBOOKS = _SHIPPED / "notebooks"
REFERENCE = _SHIPPED / "data" / "reference"
WORKSPACE = PROJECT / "data" if IN_CHECKOUT else PROJECT  # where none is named
DEMO = PROJECT / "data" / "demo" if IN_CHECKOUT else PROJECT / "fupan-demo"
REPORTS = PROJECT / "reports"
# results of notebooks that somebody runs by hand, and what was chosen on the start page
BY_HAND = REPORTS / "by_hand"
