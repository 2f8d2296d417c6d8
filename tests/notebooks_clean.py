"""Brings notebooks to the normal form in which they are committed, or checks it.

Usage: notebooks_clean.py [--check] FILES. No outputs and no execution counts, but for cells tagged
`nbval-check-output`: those keep what they printed, as one stream, and a count, because nbval
compares it. Nothing that differs from machine to machine is kept in the metadata.
"""

import copy
import sys
from pathlib import Path

import nbformat

KEPT = "nbval-check-output"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def printed(outputs: list[nbformat.NotebookNode]) -> str:
    """What a cell wrote to standard output, in one piece."""
    return "".join(
        output.text
        for output in outputs
        if output.output_type == "stream" and output.name == "stdout"
    )


def kept_outputs(cell: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    text = printed(cell.outputs) if KEPT in cell.metadata.get("tags", []) else ""
    return [nbformat.v4.new_output("stream", name="stdout", text=text)] if text else []


def clean_cell(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    cleaned = copy.deepcopy(cell)
    tags = cell.metadata.get("tags", [])
    cleaned.metadata = nbformat.from_dict({"tags": tags} if tags else {})
    cleaned.source = cell.source.rstrip()
    cleaned.pop("attachments", None)
    if cell.cell_type == "code":
        cleaned.outputs = kept_outputs(cell)
        cleaned.execution_count = (
            1 if cleaned.outputs else None
        )  # nbval takes a cell without a count for one never run
    return cleaned


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A copy in normal form; cells that hold nothing are dropped."""
    cells = [clean_cell(cell) for cell in notebook.cells if cell.source.strip()]
    return nbformat.v4.new_notebook(cells=cells, metadata=METADATA, nbformat_minor=5)


def normal_text(path: Path) -> str:
    """The notebook's text in normal form.

    Raises nbformat's `ValidationError` for a file that is no valid notebook.
    """
    notebook = clean(nbformat.read(path, as_version=4))
    nbformat.validate(notebook)
    return nbformat.writes(notebook) + "\n"


def main(arguments: list[str]) -> int:
    paths = [Path(argument) for argument in arguments if argument != "--check"]
    changed = [path for path in paths if path.read_text(encoding="utf-8") != normal_text(path)]
    for path in changed:
        if "--check" not in arguments:
            path.write_text(normal_text(path), encoding="utf-8")
        unlike = "not in normal form; run make notebooks-clean"
        print(f"{path}: {unlike if '--check' in arguments else 'cleaned'}")
    return int("--check" in arguments and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
