"""What is written in two places by necessity is held together here; each failure says what to add, and where."""

import dataclasses
import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import oracles
import pytest
import torch
from test_docs import DOCS, load

import lossary
from lossary import functional
from lossary.core import record
from lossary.core.record import FAMILIES, HANDLED, Loss
from lossary.dispatch.loss import TOLD, _refuse_incomplete

ROOT = Path(__file__).parents[1]
LOSSES = ROOT / "src" / "lossary" / "losses"
CATALOGUE = lossary.catalogue()
CATALOGUE_NAMES = {loss.name for loss in CATALOGUE}
MEASURED = json.loads((ROOT / "benchmarks" / "results" / "accuracy.json").read_text(encoding="utf-8"))["results"]


@pytest.fixture(scope="module")
def nn():
    """Imported late: it fails where all_losses.py lacks a loss, and a test here says so."""
    return importlib.import_module("lossary.nn")


def each(test):
    return pytest.mark.parametrize("loss", CATALOGUE, ids=[loss.name for loss in CATALOGUE])(test)


def test_every_file_is_exported():
    files = {path.stem: path for path in LOSSES.glob("*/*.py") if path.stem != "__init__"}
    for name, path in files.items():
        line = f"from lossary.losses.{path.parent.name}.{name} import {name} as {name}"
        assert name in vars(functional), f"add `{line}` to src/lossary/losses/all_losses.py"
    assert set(files) == CATALOGUE_NAMES, "each file in losses/ holds the loss of its name"


@each
def test_a_loss_stands_where_its_record_says(loss: Loss):
    assert Path(inspect.getfile(loss.function)).parent.name == loss.family, f"move {loss.name} to losses/{loss.family}/"
    assert loss.family in FAMILIES
    assert getattr(lossary, loss.name) is loss.public is getattr(functional, loss.name)


@each
def test_it_has_a_module(loss: Loss, nn):
    modules = [module for module in nn.loss_modules() if module.loss is loss]
    assert len(modules) == 1, f"add a class `(LossModule, of=F.{loss.name})` to src/lossary/nn.py; there are {modules}"
    assert getattr(nn, modules[0].__name__) is nn.module_of(loss.public) is modules[0]


@each
def test_it_has_an_oracle(loss: Loss):
    assert hasattr(oracles, loss.name), f"add the oracle `{loss.name}` to tests/oracles.py"


@each
def test_it_is_in_the_changelog(loss: Loss):
    assert f"`{loss.name}`" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), f"add `{loss.name}` to CHANGELOG.md"


@each
def test_its_accuracy_is_measured(loss: Loss):
    command = f"python benchmarks/accuracy.py --loss {loss.name} benchmarks/results/accuracy.json"
    assert loss.name in MEASURED, f"measure it with `{command}`, then run `make docs`"


def test_nothing_is_measured_that_is_no_loss():
    assert set(MEASURED) <= CATALOGUE_NAMES, "take it out of benchmarks/results/accuracy.json, then run `make docs`"


def test_the_generated_pages_are_up_to_date():
    pages = load(DOCS / "generate.py").pages()
    stale = [path.name for path, text in pages.items() if path.read_text(encoding="utf-8") != text]
    assert not stale, f"run `make docs`; out of date: {', '.join(stale)}"


def test_a_second_loss_of_a_name_is_refused(monkeypatch):
    """The name is why: where it is free, the same file makes a loss."""
    first = CATALOGUE[0]
    with pytest.raises(TypeError, match=f"@loss {first.name}: a loss of this name is in the catalogue already"):
        load(Path(inspect.getfile(first.function)))
    assert lossary.catalogue() == CATALOGUE
    monkeypatch.delitem(record.CATALOGUE, first.name)
    load(Path(inspect.getfile(first.function)))
    assert record.CATALOGUE[first.name] is not first


def test_a_bound_and_its_property_come_together(monkeypatch):
    bounded = next(loss for loss in CATALOGUE if loss.bounds)
    monkeypatch.delitem(record.CATALOGUE, bounded.name)
    with pytest.raises(TypeError, match="'bounded' and bounds="):
        _refuse_incomplete(dataclasses.replace(bounded, properties=()))


@each
def test_its_docstring_has_every_section(loss: Loss):
    for section in ("Parameters", "Edge cases", "Differs from torch", "Raises", "Examples"):
        assert f"\n{section}\n---" in loss.doc, f"{loss.name}: the docstring lacks the section {section!r}"
    summary, _, use = loss.doc.partition("\nParameters\n---")[0].strip().partition("\n\n")
    assert summary and use, f"{loss.name}: the docstring must begin with a line, and say below it when to use the loss"
    described = loss.doc.partition("Parameters\n---")[2].partition("Edge cases\n---")[0]
    for parameter in loss.signature.parameters:
        assert parameter in described, f"{loss.name}: the docstring does not describe {parameter}"
    for held in loss.held:
        assert held.term in loss.doc, f"{loss.name}: the docstring does not name {held.term}, which is held"


def assert_extends(ours: inspect.Signature, theirs: inspect.Signature) -> None:
    """It begins as torch's does, takes by position what torch does, and adds keyword-only what Lossary adds."""
    mine, torchs = (list(signature.parameters.values()) for signature in (ours, theirs))
    begun, added = mine[: len(torchs)], mine[len(torchs) :]
    assert [(p.name, p.default) for p in begun] == [(p.name, p.default) for p in torchs]
    for parameter, torchs_own in zip(begun, torchs, strict=True):
        assert parameter.kind is torchs_own.kind or torchs_own.kind is parameter.KEYWORD_ONLY, parameter
    assert all(p.kind is p.KEYWORD_ONLY for p in added)


@each
def test_the_signature_is_torchs(loss: Loss):
    """Names, order, defaults: what Lossary adds is keyword-only."""
    theirs = getattr(torch.nn.functional, loss.name, None)
    if theirs is None:
        return
    assert_extends(loss.signature, inspect.signature(theirs))


@each
def test_the_module_is_torchs(loss: Loss, nn):
    module = nn.module_of(loss.public)
    theirs = getattr(torch.nn, module.__name__, None)
    if theirs is None:
        return
    assert_extends(inspect.signature(module), inspect.signature(theirs))


def test_every_loss_of_torch_is_here(nn):
    classes = {name for name in dir(torch.nn) if name.endswith("Loss")}
    assert {name for name in classes if getattr(nn, name) is getattr(torch.nn, name)} == set()
    names = [name for name in dir(torch.nn.functional) if not name.startswith("_")]
    functions = {name for name in names if name.endswith("_loss") or "cross_entropy" in name}
    assert functions <= {loss.name for loss in CATALOGUE}


@each
def test_formulas_never_see_what_the_call_path_handles(loss: Loss):
    body = inspect.getsource(loss.function).split('"""')[-1]
    read = () if loss.rows_independent else ("sample_weight",)  # which says which rows are in the batch
    for name in set(HANDLED).difference(read):
        assert not re.search(rf"\b{name}\b", body), f"{loss.name}: the formula reads {name}, which is the call path's"


def test_importing_lossary_imports_no_array_library_but_numpy():
    code = (
        "import sys, lossary; print(*[m for m in ('torch', 'jax', 'scipy', 'matplotlib', 'typer') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


def test_lossary_works_without_torch(tmp_path, monkeypatch):
    """With torch hidden the functions work, and lossary.nn says what it needs."""
    (tmp_path / "torch.py").write_text("raise ImportError('hidden')")
    code = (
        "import numpy as np, lossary\n"
        "assert lossary.mse_loss(np.ones(3), np.zeros(3)) == 1\n"
        "try:\n    from lossary import nn\nexcept ImportError as error:\n    print(error)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "lossary.nn needs torch" in run.stdout


@pytest.mark.parametrize("name", TOLD)
def test_what_a_learner_asks_is_told(monkeypatch, name: str):
    told = CATALOGUE[0]
    monkeypatch.delitem(record.CATALOGUE, told.name)
    with pytest.raises(TypeError, match=f"@loss {told.name}: {name} is empty"):
        _refuse_incomplete(dataclasses.replace(told, **{name: None}))


def test_no_alias_is_that_of_two_losses():
    of = [(alias.casefold(), loss.name) for loss in CATALOGUE for alias in loss.aliases]
    twice = [found for found in of if sum(alias == found[0] for alias, _ in of) > 1]
    assert not twice
