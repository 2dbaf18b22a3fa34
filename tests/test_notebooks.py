"""The notebooks of examples/ run from their first cell to their last, and are kept without what they print."""

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = sorted((Path(__file__).parents[1] / "examples" / "notebooks").glob("*.ipynb"))
SAID = {
    "classification": ["Over-confident", "cross_entropy is infinite"],
    "language_model": ["shifted by one position", "Shifted: the scores at each position"],
    "regression": ["predictions that are the logarithm of the target"],
}
"""What each shows a report to find."""


def test_there_are_three() -> None:
    assert [path.stem for path in NOTEBOOKS] == sorted(SAID)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells), "clear its outputs"
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    outputs: list[Any] = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output["text"] for output in outputs if output.get("name") == "stderr"]
    text = "\n".join(str(output.get("data", output)) for output in outputs)
    assert all(words in text for words in SAID[path.stem])
    shown = [output["data"] for output in outputs if output["output_type"] == "execute_result"]
    assert sum("text/html" in data for data in shown) == len(re.findall(r"class=\"lossary-shown\"", text)) >= 2
    assert sum("image/svg+xml" in data for data in shown) >= 1
