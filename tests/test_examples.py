"""The scripts of examples/articles print what they say, and the one over every loss covers them all."""

import ast
import re
import runpy
import textwrap
from pathlib import Path

import pytest

import lossary

ARTICLES = Path(__file__).parents[1] / "examples" / "articles"
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
