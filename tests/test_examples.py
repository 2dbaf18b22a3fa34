"""The scripts of examples/articles print what they say, and the one over every loss covers them all; those of
examples/integrations find the losses of both libraries equal."""

import ast
import os
import re
import runpy
import subprocess
import sys
import textwrap
from importlib.util import find_spec
from pathlib import Path

import pytest

import lossary

EXAMPLES = Path(__file__).parents[1] / "examples"
ARTICLES = EXAMPLES / "articles"
NUMBERED = sorted(ARTICLES.glob("0*.py"))


def run(script: Path, capsys: pytest.CaptureFixture[str]) -> str:
    runpy.run_path(str(script), run_name="__main__")
    return capsys.readouterr().out


def promised(script: Path) -> str:
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert docstring is not None
    return textwrap.dedent(docstring.partition("It prints:\n\n")[2]).strip()


def test_each_article_has_a_script() -> None:
    assert [script.name[:3] for script in NUMBERED] == ["000", "001", "002", "003"]


@pytest.mark.parametrize("script", NUMBERED, ids=lambda script: script.stem)
def test_a_script_prints_what_it_says(script: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promised(script)
    assert run(script, capsys).strip() == promised(script)


def test_one_script_shows_every_loss(capsys: pytest.CaptureFixture[str]) -> None:
    shown = re.findall(r"^(\w+): ", run(ARTICLES / "all_losses.py", capsys), re.MULTILINE)
    assert shown == [loss.name for loss in lossary.catalogue()]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "library", "setting"),
    [
        ("keras_model", "keras", {"KERAS_BACKEND": "torch"}),
        ("keras_model", "keras", {"KERAS_BACKEND": "jax"}),
        ("transformers_trainer", "transformers", {"HF_HUB_OFFLINE": "1"}),
        ("lightning_module", "pytorch_lightning", {}),
    ],
)
def test_an_integration_runs(script: str, library: str, setting: dict[str, str]) -> None:
    """In a process of its own: Keras has one backend in each. The script fails where losses differ."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    path = os.pathsep.join([str(Path(lossary.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, str(EXAMPLES / "integrations" / f"{script}.py")]
    done = subprocess.run(command, env={**os.environ, **setting, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
