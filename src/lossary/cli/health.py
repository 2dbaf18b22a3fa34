"""What `lossary doctor` finds: of the packages, of the kernels, of the hardware and of each loss on each library."""

import importlib
import os
import platform
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from math import isclose
from typing import Any, Literal

import numpy as np

from lossary.cli.page import call
from lossary.core.arrays import imported
from lossary.core.record import Example, Loss, catalogue
from lossary.dispatch.remembered import MAX_REMEMBERED, REMEMBERED
from lossary.kernels import status
from lossary.kernels.recipe import Recipe
from lossary.testing.libraries import LIBRARIES, Library
from lossary.version import __version__

State = Literal["ok", "absent", "broken"]
REQUIREMENT = re.compile(r"([\w.-]+)(?:>=([\d.]+))?.*?(?:extra == ['\"](\w+)['\"])?$")
EXTRAS = {
    "": "Lossary does not run",
    "torch": "no losses of torch tensors, no lossary.nn",
    "jax": "no losses of JAX arrays",
    "cli": "parts of this command line: plot, report",
    "files": "report does not read .parquet",
}
"""What a missing package of each extra costs."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at."""

    name: str
    state: State
    text: str


def findings() -> list[Finding]:
    return [*_versions(), *_hardware(), *_self_checks(), *_remembered()]


def _versions() -> Iterator[Finding]:
    yield Finding("lossary", "ok", __version__)
    yield Finding("Python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    for requirement in requires("lossary") or ():
        name, oldest, extra = REQUIREMENT.match(requirement).groups(default="")  # type: ignore[union-attr]
        if extra in EXTRAS:
            yield _package(name, oldest, extra)


def _package(name: str, oldest: str, extra: str) -> Finding:
    costs = EXTRAS[extra]
    try:
        found = version(name)
    except PackageNotFoundError:
        return Finding(name, "absent" if extra else "broken", f"{costs}: pip install 'lossary[{extra}]'")
    if _parts(found) < _parts(oldest):
        return Finding(name, "broken", f"{found} is too old: pip install '{name}>={oldest}'")
    try:
        importlib.import_module(name.replace("-", "_"))
    except Exception as error:  # whatever a broken installation raises, this is the place to say so
        return Finding(name, "broken", f"{found} cannot be imported ({type(error).__name__}: {error}): {costs}")
    return Finding(name, "ok", found)


def _parts(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]


def _hardware() -> Iterator[Finding]:
    yield _kernels()
    threads = f"{os.cpu_count()} processors"
    torch = imported("torch")
    if torch is not None:
        threads += f"; torch computes on {torch.get_num_threads()} threads"
        if torch.cuda.is_available():
            yield Finding("GPU", "ok", f"{torch.cuda.get_device_name()}. {_kernels_on_cuda()}")
        else:
            yield Finding("GPU", "absent", "none that torch can use")
    yield Finding("threads", "ok", threads)


def _kernels_on_cuda() -> str:
    from lossary.kernels import operators  # here: it imports torch

    if operators.triton_missing:
        return f"Its losses run as array operations: {operators.triton_missing}"
    served = sum(
        record.kernel is not None and operators.OPERATORS[record.kernel.operator].on_cuda for record in catalogue()
    )
    return f"Kernels in Triton {version('triton')} serve {served} of the losses"


def _kernels() -> Finding:
    name, library, built = "fused kernels", status.library(), status.build()
    if library is None:
        costs = "losses of torch tensors run as array operations, several times slower (docs/conventions.md)"
        return Finding(name, "absent", f"{costs}. {status.missing()}")
    chosen = ""
    if imported("torch") is not None:
        from lossary.kernels import operators  # here: it imports torch

        if operators.missing is not None:
            return Finding(name, "broken", operators.missing)
        kernels = operators.torch.ops.lossary
        of_set, kept = kernels.instruction_set().replace("_", "-"), kernels.gradient_memory_limit() >> 20
        chosen = f"{of_set} runs, and keeps up to {kept} MiB for gradients; "
        if operators.native is None:
            chosen += (
                f"repeated calls go through Python ({operators.native_missing}), which small losses notice, and "
                "the storage of large gradients cannot be resized (lossary.ops.gradient_memory); "
            )
    if built is None:
        return Finding(name, "ok", chosen + str(library))
    sets = ", ".join(built.instruction_sets)
    return Finding(name, "ok", f"{chosen}made for {sets}; built by {built.compiler} against torch {built.torch}")


def _self_checks() -> Iterator[Finding]:
    """The examples of the catalogue, worked out by hand, computed by each library that is installed."""
    for library in (LIBRARIES[name] for name in ("numpy", "torch", "jax") if imported(name)):
        wrong = [problem for record in catalogue() for problem in _wrong(record, library)]
        count = f"{len(catalogue())} losses answer their examples, worked out by hand"
        yield Finding(f"losses on {library.name}", "broken" if wrong else "ok", "; ".join(wrong) or count)


def _remembered() -> Iterator[Finding]:
    """What the examples have left in the memory of calls, as the calls of any program do."""
    if imported("torch") is None:
        return
    known = list(REMEMBERED.values())
    in_cpp, fused = sum(k.in_cpp for k in known), sum(isinstance(k.recipe, Recipe) for k in known)
    of = f"{fused} of kernels, {in_cpp} of them called from C++, and {len(known) - fused} of formulas"
    room = f"up to {MAX_REMEMBERED} are kept, and the least recently used goes first"
    yield Finding("remembered calls", "ok", f"{len(known)}: {of}; {room}")


def _wrong(record: Loss, library: Library) -> Iterator[str]:
    for example in record.examples:
        try:
            answer = _answer(record, example, library)
        except Exception as error:  # as above
            yield f"{call(record.name, example)} raises {type(error).__name__}: {error}"
            continue
        if not isclose(answer, example.value, rel_tol=1e-12, abs_tol=1e-12):
            yield f"{call(record.name, example)} is {answer!r} and should be {example.value!r}"


def _answer(record: Loss, example: Example, library: Library) -> float:
    def array(name: str, value: Any) -> Any:
        return library.array(np.asarray(value), "float64") if name in record.data else value

    with library.context("float64"):
        arguments = {name: array(name, value) for name, value in example.arguments.items()}
        return float(record.public(**arguments))
