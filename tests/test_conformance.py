"""Every loss, check, library and dtype: the contract, held against independent oracles."""

import oracles
import pytest

import lossary
from lossary.testing import CHECKS, LIBRARIES, Check, cases

SAMPLES = {"compiled": 2, "export": 2, "invalid_input": 1, "examples": 1, "long_half_precision_mean": 2}
"""How many samples a check sees; 8 where it is quick, 2 on JAX, which compiles every operation for every shape."""


def parameters():
    for loss in lossary.catalogue():
        for check in CHECKS.values():
            for library in LIBRARIES.values():
                for dtype in check.dtypes:
                    named = not check.needs or library.name in check.needs
                    if dtype in library.dtypes and (
                        named or (check.needs == ("derivatives",) and library.differentiates)
                    ):
                        yield pytest.param(
                            loss, check, library, dtype, id=f"{loss.name}-{check.name}-{library.name}-{dtype}"
                        )


@pytest.mark.parametrize(("loss", "check", "library", "dtype"), list(parameters()))
@pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning")
def test_conformance(loss, check: Check, library, dtype):
    count = min(SAMPLES.get(check.name, 8), 2 if library.name == "jax" else 8)
    with library.context(dtype):
        for case in cases(loss.public, getattr(oracles, loss.name), library, dtype, range(count)):
            check.run(case)
