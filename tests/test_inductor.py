"""torch.compile as users run it, with its own code generator; conformance traces with a quicker backend."""

import oracles
import pytest

import lossary
from lossary.testing import CHECKS, cases
from lossary.testing.libraries import Torch


@pytest.mark.slow
@pytest.mark.parametrize("loss", lossary.catalogue(), ids=lambda loss: loss.name)
@pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning")
def test_compiled_by_inductor(loss):
    library = Torch(backend="inductor")
    for case in cases(loss.public, getattr(oracles, loss.name), library, "float32", [3]):
        CHECKS["compiled"].run(case)
