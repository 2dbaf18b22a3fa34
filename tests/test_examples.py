"""The scripts of examples/articles print what they say, and the one over every loss covers them all."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import lossary

ROOT = Path(__file__).parents[1]
ARTICLES = ROOT / "examples" / "articles"
NUMBERED = sorted(ARTICLES.glob("0*.py"))


def run(script: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(Path(lossary.__file__).parents[1]), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-W", "error", str(script)]
    done = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def promised(script: Path) -> str:
    docstring = ast.get_docstring(ast.parse(script.read_text(encoding="utf-8")))
    assert docstring is not None
    return textwrap.dedent(docstring.partition("It prints:\n\n")[2]).strip()


def test_each_article_has_a_script() -> None:
    assert [script.name[:3] for script in NUMBERED] == ["000", "001", "002", "003"]


@pytest.mark.parametrize("script", NUMBERED, ids=lambda script: script.stem)
def test_a_script_prints_what_it_says(script: Path) -> None:
    assert promised(script)
    assert run(script).strip() == promised(script)


def test_one_script_shows_every_loss() -> None:
    shown = re.findall(r"^(\w+): ", run(ARTICLES / "all_losses.py"), re.MULTILINE)
    assert shown == [loss.name for loss in lossary.catalogue()]
