"""Every loss, check, library and dtype: the contract, held against independent oracles."""

import oracles
import pytest

import lossary
from lossary.testing import CHECKS, LIBRARIES, Check, cases

COSTLY = ("compiled", "export", "extremes", "vmap", "second_derivative")
ON_JAX = {"float64": 0, "float32": 1, "float16": 1, "bfloat16": 1}
"""The sample of each dtype on JAX, which compiles every operation for every shape."""
INSTEAD = {"float64": "float32", "float16": "bfloat16"}
"""What most checks do without on JAX: their formulas are those that NumPy and torch compute in these dtypes."""


def is_tested(check: Check, library, dtype: str) -> bool:
    spared = library.name == "jax" and INSTEAD.get(dtype) in check.dtypes and check.name not in ("dtype", "value")
    return check.applies(library, dtype) and not spared


def parameters():
    for loss in lossary.catalogue():
        for check in CHECKS.values():
            for library in LIBRARIES.values():
                for dtype in filter(lambda dtype: is_tested(check, library, dtype), check.dtypes):
                    name = f"{loss.name}-{check.name}-{library.name}-{dtype}"
                    slow = [pytest.mark.slow] if library.name == "jax" or check.name in COSTLY else []
                    yield pytest.param(loss, check, library, dtype, id=name, marks=slow)


@pytest.mark.parametrize(("loss", "check", "library", "dtype"), list(parameters()))
@pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning")
def test_conformance(loss, check: Check, library, dtype):
    seeds = [ON_JAX[dtype] % check.samples] if library.name == "jax" else range(check.samples)
    with library.context(dtype):
        for case in cases(loss.public, getattr(oracles, loss.name), library, dtype, seeds):
            check.run(case)
