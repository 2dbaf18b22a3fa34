"""Every transformation and mode, and several threads, as the first thing that a process does with Lossary."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import first_use
import pytest

import lossary

HERE = Path(__file__).parent
LOSSES = {"functional": "cross_entropy", "module": "huber_loss", "patched": "cross_entropy"}
"""One whose targets are class indices, and one that is made of single elements."""
FIRST = [(case, way) for case in first_use.CASES for way in LOSSES]
FIRST += [(case, "functional") for case in first_use.OF_FUNCTIONS]
NAMES = [loss.name for loss in lossary.catalogue()]


@pytest.fixture(scope="module")
def in_child() -> Iterator[Callable[..., None]]:
    """Runs a function of first_use in a process that has imported torch, and not Lossary."""
    program = [sys.executable, str(HERE / "first_use.py")]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:

        def run(*words: str) -> None:
            assert server.stdin is not None and server.stdout is not None
            server.stdin.write("\t".join(words) + "\n")
            server.stdin.flush()
            status, said = ast.literal_eval(server.stdout.readline())
            assert status == 0, said

        yield run


def fresh(function: str, *arguments: str) -> str:
    """Runs a function of first_threads in an interpreter of its own."""
    program = [sys.executable, "-W", "error", str(HERE / "first_threads.py"), function, *arguments]
    run = subprocess.run(program, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.parametrize(("case", "way"), FIRST)
def test_first_use(in_child: Callable[..., None], case: str, way: str) -> None:
    in_child("run", case, way, LOSSES[way])


@pytest.mark.parametrize("name", NAMES)
def test_first_calls_of_several_threads(in_child: Callable[..., None], name: str) -> None:
    in_child("first_calls", "torch", name)


def test_mkl_finds_its_kernels_before_formulas_need_them() -> None:
    fresh("vector_functions")


@pytest.mark.parametrize("library", ["numpy", "jax"])
def test_first_calls_of_several_threads_on_other_libraries(library: str) -> None:
    fresh("first_calls", library, "cross_entropy")


def test_threads_that_import_all_they_need() -> None:
    fresh("first_imports", "cross_entropy")


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_numpy_beside_a_thread_that_imports_another_library(library: str) -> None:
    assert int(fresh("beside", library)) > len(NAMES)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_a_library_that_is_half_imported_is_left_alone(library: str) -> None:
    fresh("half_made", library)


IMPORTS_INSIDE = """
import torch

@torch.compile(backend="eager", fullgraph=True)
def step(x, y):
    from lossary import nn

    return nn.CrossEntropyLoss()(x + 1, y)

torch.set_num_threads(1)
torch.testing.assert_close(step(torch.zeros(2, 4), torch.tensor([0, 3])), torch.tensor(4.0).log())
"""


def test_compiled_code_imports_lossary() -> None:
    run = subprocess.run(
        [sys.executable, "-c", IMPORTS_INSIDE], capture_output=True, text=True, check=False, timeout=120
    )
    assert run.returncode == 0, run.stderr


def test_sys_modules_is_looked_at_in_two_places() -> None:
    """There a module that is not whole yet is left aside: in `imported`, and on the shortest way of a call."""
    package = Path(lossary.__file__).parent
    found = {
        path.relative_to(package).as_posix() for path in package.rglob("*.py") if "sys.modules" in path.read_text()
    }
    assert found == {"core/arrays.py", "dispatch/remembered.py"}
