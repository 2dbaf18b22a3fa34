"""What editors and type checkers know of Lossary: basedpyright over files as users write them."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import lossary
from lossary import nn

TYPED = Path(__file__).parent / "typed"


@pytest.fixture(scope="module")
def errors() -> dict[str, list[tuple[int, str]]]:
    """Of each file, the lines at which the type checker complains, and its rules."""
    run = [sys.executable, "-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, str(TYPED)]
    answer = json.loads(subprocess.run(run, capture_output=True, text=True, cwd=TYPED.parents[1]).stdout)
    found: dict[str, list[tuple[int, str]]] = {path.name: [] for path in TYPED.glob("*.py")}
    for d in answer["generalDiagnostics"]:
        if d["severity"] == "error":
            found[Path(d["file"]).name].append((d["range"]["start"]["line"] + 1, d["rule"]))
    return found


@pytest.mark.slow
def test_the_type_checker_refuses_mistakes_and_nothing_else(errors: dict[str, list[tuple[int, str]]]) -> None:
    for path in TYPED.glob("*.py"):
        lines = path.read_text("utf-8").splitlines()
        wanted = [(i, rule[1]) for i, line in enumerate(lines, 1) if (rule := re.search(r"# (report\w+)$", line))]
        assert errors[path.name] == wanted


@pytest.mark.parametrize("of", [*(record.public for record in lossary.catalogue()), *nn.loss_modules()])
def test_help_shows_a_signature_that_can_be_read(of: object) -> None:
    shown = str(inspect.signature(of))  # type: ignore[arg-type]
    assert len(shown) <= 500 and "Spec(" not in shown and "Annotated" not in shown, shown
