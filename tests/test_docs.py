"""What the generated pages are made of; that they are up to date is a test of tests/test_catalogue.py."""

import importlib.util
import re
from pathlib import Path

import pytest

import lossary
from lossary.cli.page import page

DOCS = Path(__file__).parents[1] / "docs"
UNNAMED = re.compile(r"(?<![\w/])#\d+")


def load(path: Path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("loss", lossary.catalogue(), ids=[loss.name for loss in lossary.catalogue()])
def test_every_difference_parses(loss):
    """A sentence, or a list of which each item says what, the answer, and whose answer is another."""
    shown = page(loss)
    assert bool(shown.differences) or "docs/conventions.md" in shown.differs_from_torch
    for difference in shown.differences:
        assert difference.library and not UNNAMED.search(difference.answer), f"{loss.name}: {difference}"


def test_what_is_no_difference_is_refused(monkeypatch):
    from dataclasses import replace

    loss = lossary.catalogue()[0]
    doc = "Summary.\n\nDiffers from torch\n------------------\n- all is well (#1)\n"
    broken = replace(loss, function=lambda: None)
    broken.function.__doc__ = doc
    with pytest.raises(ValueError, match="all is well"):
        page(broken)


def test_bounds_are_rounded_up():
    stated = load(DOCS / "generate.py").stated
    assert [stated(e) for e in (0.0, 0.5, 0.55, 0.8, 3.0)] == [0.6, 0.6, 0.6, 1.1, 5.5]
