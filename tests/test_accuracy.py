"""No error exceeds what docs/accuracy.md states."""

import json
from pathlib import Path

import pytest
from test_docs import load

import lossary

ROOT = Path(__file__).parents[1]
STATED = json.loads((ROOT / "benchmarks" / "results" / "accuracy.json").read_text())["results"]
stated = load(ROOT / "docs" / "generate.py").stated
benchmark = load(ROOT / "benchmarks" / "accuracy.py")


@pytest.mark.parametrize("loss", lossary.catalogue(), ids=[loss.name for loss in lossary.catalogue()])
def test_every_loss_and_dtype_is_stated(loss):
    errors = STATED[loss.name]["errors"]
    assert set(errors["torch, reference"]) == set(benchmark.DTYPES)
    of_rows = next(iter(loss.data.values())).shape in ("N", "?N")  # too few numbers for the largest to say anything
    assert {"unreduced", "mean"} | ({"gradient"} - {"gradient" * of_rows}) == set(errors["torch, reference"]["float32"])


@pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning", "ignore:overflow encountered in cast")
@pytest.mark.parametrize("loss", lossary.catalogue(), ids=[loss.name for loss in lossary.catalogue()])
def test_no_error_exceeds_what_is_stated(loss):
    for implementation, of_dtypes in benchmark.largest(loss, range(3), ("numpy", "torch")).items():
        assert implementation in STATED[loss.name]["errors"], "measure it: benchmarks/accuracy.py, then `make docs`"
        for dtype, errors in of_dtypes.items():
            for what, error in errors.items():
                bound = stated(STATED[loss.name]["errors"][implementation][dtype][what])
                assert error <= bound, f"{loss.name} ({implementation}, {dtype}): {what} is off by {error:.3g} ulp"
