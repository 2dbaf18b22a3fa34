"""What is built, what is said where nothing is, and what CMakeLists.txt refuses."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path
from shutil import which

import pytest
import torch

from lossary.kernels import operators, status

ROOT = Path(__file__).parents[1]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that `status` believes to be lossary/kernels."""
    monkeypatch.setattr(status, "__file__", str(tmp_path / "status.py"))
    return tmp_path


def test_without_a_library_it_says_how_to_get_one(installed: Path) -> None:
    assert status.library() is None and status.build() is None
    said = str(status.missing())
    assert "GCC or Clang with C++20" in said and "torch 2.11" in said
    assert "pip install" in said and "wheel.cmake=true" in said


def test_with_a_library_it_says_how_that_was_built(installed: Path) -> None:
    built = {"compiler": "GNU 12.2.0", "flags": "-O3", "torch": "2.13.0", "instruction_sets": ["x86-64-v3"]}
    (installed / "liblossary.so").touch()
    (installed / "build.json").write_text(json.dumps(built))
    assert status.missing() is None and status.library() == installed / "liblossary.so"
    assert status.build() == status.Build(**built)


def test_what_is_built_here_loads() -> None:
    library, build = status.library(), status.build()
    if library is None:
        pytest.skip(str(status.missing()))
    assert build is not None and build.instruction_sets
    torch.ops.load_library(str(library))


def test_calls_in_cpp_are_built_for_every_torch_that_can_have_them() -> None:
    """Else the tests of them would be skipped, small losses would take longer, and nobody would notice."""
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if status.library() is None or not headers.is_file():
        pytest.skip("no kernels, or no headers of Python")
    assert operators.native is not None, operators.native_missing


WITHOUT_CALLS_IN_CPP = """
import torch, lossary
from lossary.kernels import operators

assert operators.missing is None and operators.native is None
x, y = torch.randn(6, 4, requires_grad=True), torch.tensor([0, 3, 1, 2, 2, 0])
for _ in range(3):
    torch.testing.assert_close(lossary.cross_entropy(x, y), torch.nn.functional.cross_entropy(x, y))
print(operators.native_missing)
"""


def test_calls_in_cpp_of_another_torch_are_left_alone(tmp_path: Path) -> None:
    """They stand under the name of their release, so that several lie side by side, and the reason is kept."""
    if operators.missing is not None:
        pytest.skip("no kernels")
    copy = shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("cpu"))
    for module in copy.glob("lossary/kernels/_autograd*"):
        module.rename(module.with_name(module.name.replace(module.name.partition(".")[0], "_autograd_1_0_0")))
    run = [sys.executable, "-W", "error", "-c", WITHOUT_CALLS_IN_CPP]
    answer = subprocess.run(run, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    assert answer.stdout.startswith("no lossary.kernels._autograd_"), answer.stderr


WITHOUT_A_LIBRARY = """
import warnings

import torch
from torch._subclasses import FakeTensorMode
import lossary
from lossary.kernels import operators

assert operators.missing is not None and operators.native is None
x, y = torch.randn(6, 4, requires_grad=True), torch.tensor([0, 3, 1, 2, 2, 0])
compiled = torch.compile(lossary.mse_loss, fullgraph=True, backend="eager")
compiled(x, x)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for _ in range(3):
        torch.testing.assert_close(lossary.cross_entropy(x, y), torch.nn.functional.cross_entropy(x, y))
        lossary.l1_loss(x, x)
(once,) = [w for w in said if "kernels" in str(w.message)]
assert "wheel.cmake=true" in str(once.message) and once.filename == "<string>", once
assert lossary.explain(lossary.cross_entropy, x, y).chosen == "reference"
assert not lossary.log_prob(x, y).lse.isnan().any()
import lossary.ops

for name, operator in operators.OPERATORS.items():
    assert [a.name for a in operator.overload._schema.arguments] == list(operator.arguments), name
options = (y, None, -100, 0.0, 0.0, None, 0, None, None, 1)
try:
    torch.ops.lossary.softmax_rows(x, *options)
except NotImplementedError:
    print("no kernel")
with FakeTensorMode():
    fake = torch.empty(6, 4), torch.empty(6, dtype=torch.long)
    values, (gradient,) = torch.ops.lossary.softmax_rows(*fake, *options[1:])
assert values.shape == (6,) and gradient.shape == (6, 4)
print("whole")
"""


def test_where_none_is_built_losses_work_and_operators_have_their_schemas(tmp_path: Path) -> None:
    """Which programs exported elsewhere ask for, and kernels of other devices implement."""
    copy = shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.so", "build.json", "cpu"))
    ignored = "ignore:Guards may run slower on Python 3.13.0"  # torch, of that release alone
    run = [sys.executable, "-W", "error", "-W", ignored, "-c", WITHOUT_A_LIBRARY]
    answer = subprocess.run(run, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    assert answer.stdout == "no kernel\nwhole\n", answer.stderr


DOES_NOT_LOAD = """
import torch, lossary
from lossary.cli import health
from lossary.kernels import operators

assert operators.missing.startswith(f"The kernels do not load into torch {torch.__version__}"), operators.missing
x = torch.randn(6, 4)
assert lossary.explain(lossary.mse_loss, x, x).chosen != "fused" and lossary.mse_loss(x, x) == 0
found = health._kernels()
assert (found.state, found.text) == ("broken", operators.missing), found
"""


def test_a_library_that_does_not_load_is_broken_and_losses_work(tmp_path: Path) -> None:
    copy = shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("*.so", "cpu"))
    (copy / "lossary" / "kernels" / "liblossary.so").write_text("not a library")
    run = [sys.executable, "-W", "error", "-c", DOES_NOT_LOAD]
    answer = subprocess.run(run, env=os.environ | {"PYTHONPATH": str(copy)}, capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_torch_is_no_requirement_of_the_build() -> None:
    """An isolated build would fetch it, with gigabytes of CUDA."""
    requires = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["build-system"]["requires"]
    assert not [requirement for requirement in requires if requirement.startswith("torch")]


def configure(folder: Path, python: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["cmake", "-S", str(ROOT), "-B", str(folder / "build"), f"-DPython_EXECUTABLE={python}"]
    return subprocess.run(command, env=os.environ | environment, capture_output=True, text=True)


needs_tools = pytest.mark.skipif(not which("cmake") or not which("c++"), reason="needs CMake and a C++ compiler")


@needs_tools
@pytest.mark.parametrize("version, said", [(None, "has none"), ("2.10.1", "is 2.10.1"), ("2.11.0", None)])
def test_it_takes_the_torch_of_its_environment(version: str | None, said: str | None, tmp_path: Path) -> None:
    """Also where pip hides that environment from the build."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path)], check=True)
    (tmp_path / "sitecustomize.py").write_text(
        # This environment's alone: cmake may be a program in Python, of another one.
        f"import sys; here = sys.prefix == {str(tmp_path)!r}\n"
        "sys.path = [p for p in sys.path if not here or 'site-packages' not in p]"
    )
    if version is not None:
        (package,) = (site / "torch" for site in tmp_path.glob("lib/python*/site-packages"))
        package.mkdir()
        (package / "__init__.py").touch()
        (package / "version.py").write_text(f"__version__ = '{version}+cpu'\n")
    answer = configure(tmp_path, str(tmp_path / "bin" / "python"), PYTHONPATH=str(tmp_path))
    if said is None:
        assert answer.returncode == 0, answer.stderr
        assert json.loads((tmp_path / "build" / "build.json").read_text("utf-8"))["torch"] == f"{version}+cpu"
    else:
        assert answer.returncode and "The kernels need torch 2.11 or newer" in answer.stderr
        assert said in " ".join(answer.stderr.split())


@needs_tools
@pytest.mark.parametrize("variable", ["CXXFLAGS", "LDFLAGS"])
def test_fast_mathematics_is_refused(variable: str, tmp_path: Path) -> None:
    answer = configure(tmp_path, sys.executable, **{variable: "-O2 -ffast-math"})
    assert answer.returncode and "Fast mathematics breaks infinities and NaN" in answer.stderr
