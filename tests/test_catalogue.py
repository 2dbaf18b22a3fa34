"""What is written in two places by necessity is held together here; each failure says what to add, and where."""

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import oracles
import pytest
import torch

import lossary
from lossary import functional, nn
from lossary.core.record import FAMILIES, HANDLED, Loss

ROOT = Path(__file__).parents[1]
LOSSES = ROOT / "src" / "lossary" / "losses"
CATALOGUE = lossary.catalogue()


def each(test):
    return pytest.mark.parametrize("loss", CATALOGUE, ids=[loss.name for loss in CATALOGUE])(test)


def test_every_file_is_exported():
    files = {path.stem: path for path in LOSSES.glob("*/*.py") if path.stem != "__init__"}
    for name, path in files.items():
        assert hasattr(functional, name), f"{path.relative_to(ROOT)}: add `import {name} as {name}` to functional.py"
    assert set(files) == {loss.name for loss in CATALOGUE}, "each file in losses/ holds the loss of its name"


@each
def test_a_loss_stands_where_its_record_says(loss: Loss):
    assert Path(inspect.getfile(loss.function)).parent.name == loss.family, f"move {loss.name} to losses/{loss.family}/"
    assert loss.family in FAMILIES
    assert getattr(lossary, loss.name) is loss.public is getattr(functional, loss.name)


@each
def test_it_has_a_module_and_an_oracle(loss: Loss):
    module = nn.module_of(loss.public)
    assert getattr(nn, module.__name__) is module
    assert hasattr(oracles, loss.name), f"add the oracle `{loss.name}` to tests/oracles.py"
    assert loss.name in (ROOT / "CHANGELOG.md").read_text(), f"add {loss.name} to CHANGELOG.md"


@each
def test_its_docstring_has_every_section(loss: Loss):
    for section in ("Parameters", "Edge cases", "Differs from torch", "Raises", "Examples"):
        assert f"\n{section}\n---" in loss.doc, f"{loss.name}: the docstring lacks the section {section!r}"
    described = loss.doc.partition("Parameters\n---")[2].partition("Edge cases\n---")[0]
    for parameter in loss.signature.parameters:
        assert parameter in described, f"{loss.name}: the docstring does not describe {parameter}"


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
def test_the_module_is_torchs(loss: Loss):
    module = nn.module_of(loss.public)
    theirs = getattr(torch.nn, module.__name__, None)
    if theirs is None:
        return
    assert_extends(inspect.signature(module), inspect.signature(theirs))


def test_every_loss_of_torch_is_here():
    classes = {name for name in dir(torch.nn) if name.endswith("Loss")}
    assert {name for name in classes if getattr(nn, name) is getattr(torch.nn, name)} == set()
    names = [name for name in dir(torch.nn.functional) if not name.startswith("_")]
    functions = {name for name in names if name.endswith("_loss") or "cross_entropy" in name}
    assert functions <= {loss.name for loss in CATALOGUE}


@each
def test_formulas_never_see_what_the_call_path_handles(loss: Loss):
    body = inspect.getsource(loss.function).split('"""')[-1]
    for name in HANDLED:
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
