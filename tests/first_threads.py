"""What several threads do first with losses. As a program it runs one of these functions, with its arguments."""

import contextlib
import importlib.util
import math
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np

THREADS = 8


def convert(library: str) -> Callable[[Any], Any]:
    """Makes arrays of a library of lists."""
    if library == "numpy":
        return lambda x: np.asarray(x, dtype=np.float64 if np.asarray(x).dtype.kind == "f" else None)
    if library == "torch":
        import torch

        return torch.tensor
    import jax.numpy as jnp

    return jnp.asarray


def example(name: str, array: Callable[[Any], Any]) -> Callable[[], None]:
    """The example of a loss, worked out by hand, to be computed by whoever calls."""
    from lossary.core.record import CATALOGUE

    record = CATALOGUE[name]
    first = record.examples[0]
    arguments = {name: array(x) if name in record.data else x for name, x in first.arguments.items()}

    def compute() -> None:
        value = float(record.public(**arguments))
        assert math.isclose(value, first.value, rel_tol=1e-6, abs_tol=1e-6), (record.name, value, first.value)

    return compute


def all_at_once(works: list[Callable[[], Any]]) -> None:
    """Each in a thread of its own, from the same moment on; raises what the first of them to fail has raised."""
    barrier, failures = threading.Barrier(len(works)), []

    def target(work: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            work()
        except BaseException:
            failures.append(traceback.format_exc())

    threads = [threading.Thread(target=target, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, f"{len(failures)} of {len(works)} failed, first:\n{failures[0]}"


def first_calls(library: str, name: str) -> None:
    """The first call of each thread, and two more."""
    sys.setswitchinterval(1e-6)
    array = convert(library)

    def work() -> None:
        compute = example(name, array)
        for _ in range(3):
            compute()

    importlib.import_module("lossary")
    all_at_once([work] * THREADS)


def first_imports(name: str) -> None:
    """Each thread imports all it needs by itself."""
    sys.setswitchinterval(1e-6)

    def torchs() -> None:
        example(name, convert("torch"))()

    def numpys() -> None:
        example(name, convert("numpy"))()

    all_at_once([torchs, numpys] * (THREADS // 2))


def vector_functions() -> None:
    """Every formula's calls of MKL come after the one that a thread of its own has made."""
    from torch.utils._python_dispatch import TorchDispatchMode

    import lossary

    functions = "acos asin atan cos erf erfc erfinv exp log log10 sin sqrt tan tanh trunc"  # aten/src/ATen/cpu/vml.h
    met = set()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            name = func.overloadpacket.__name__.rstrip("_")
            if name in functions.split():
                assert name in sys.modules["lossary.core.mkl"].FUNCTIONS, name
                met.add(name)
            return func(*args, **kwargs or {})

    for record in lossary.catalogue():
        for given in record.examples:
            arguments = {k: convert("torch")(x) if k in record.data else x for k, x in given.arguments.items()}
            with Watch():
                record.public(**arguments, impl="reference")
    assert met == set(sys.modules["lossary.core.mkl"].FUNCTIONS)


def beside(library: str) -> None:
    """Losses of NumPy arrays, from two threads, until a third has imported another library; prints how many calls."""
    import lossary

    assert library not in sys.modules
    sys.setswitchinterval(1e-5)
    computes = [example(record.name, convert("numpy")) for record in lossary.catalogue()]
    done, counts = threading.Event(), []

    def imports() -> None:
        try:
            importlib.import_module(library)
        finally:
            done.set()

    def calls() -> None:
        count = 0
        while not done.is_set():
            for compute in computes:
                compute()
                count += 1
        counts.append(count)

    all_at_once([imports, calls, calls])
    print(sum(counts))


class Halted:
    """Finds a module whose import goes no further than its first line until it is told to."""

    def __init__(self, name: str) -> None:
        self.name, self.begun, self.go_on = name, threading.Event(), threading.Event()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def create_module(self, spec: Any) -> None:
        return None

    def exec_module(self, module: Any) -> None:
        self.begun.set()
        self.go_on.wait()


def half_made(library: str) -> None:
    """All that takes NumPy arrays, while the import of another library stands still."""
    import lossary

    halted = Halted(library)
    sys.meta_path.insert(0, halted)
    thread = threading.Thread(target=importlib.import_module, args=(library,))
    thread.start()
    halted.begun.wait()
    try:
        assert library in sys.modules
        for record in lossary.catalogue():
            example(record.name, convert("numpy"))()
        lossary.check("cross_entropy", np.zeros((2, 3)), np.array([0, 1]))
        lossary.log_prob(np.zeros((2, 3)), np.array([0, 1]))
        lossary.class_weights(np.array([0, 1, 1]))
        lossary.ctc_align(np.zeros((3, 1, 2)), np.array([[1]]), np.array([3]), np.array([1]))
        assert not hasattr(lossary.functional, "relu")
        with contextlib.suppress(TypeError):
            lossary.check(len, np.zeros(2))
    finally:
        halted.go_on.set()
        thread.join()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
