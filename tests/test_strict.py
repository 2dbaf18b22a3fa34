"""Inside strict() every documented domain is held; outside, only what the contract enforces."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import lossary
from lossary.core.record import Loss
from lossary.testing import LIBRARIES
from lossary.testing.case import Case
from lossary.testing.samples import Sample, ordinary

pytestmark = pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning")
CATALOGUE = lossary.catalogue()
SEEDS = range(12)


def called(loss: Loss, sample: Sample, library: str = "numpy", **changes):
    case = Case(loss, loss.public, loss.function, sample.but(**changes), LIBRARIES[library], "float64")
    return case.call()


def planted(x: np.ndarray, value: float) -> np.ndarray:
    x = np.array(x, dtype=float)
    x.flat[0] = value
    return x


def outside(sample: Sample, name: str) -> list[float]:
    """Values that the contract of an argument does not document."""
    domain = sample.specs[name].domain
    candidates = [np.nan, np.inf, domain.low - 0.5, domain.high + 0.5, *[0.5] * bool(domain.values)]
    return [v for v in candidates if not (v == -np.inf and domain.masked)]


@pytest.mark.parametrize("loss", CATALOGUE, ids=lambda loss: loss.name)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_valid_calls_pass(loss, library):
    for sample in (ordinary(loss, seed) for seed in SEEDS):
        with lossary.strict():
            strict = called(loss, sample, library)
        assert strict == called(loss, sample, library)


@pytest.mark.parametrize("loss", CATALOGUE, ids=lambda loss: loss.name)
def test_every_value_outside_a_domain_raises_and_says_where(loss):
    for sample in (ordinary(loss, seed) for seed in SEEDS):
        nothing_ignored = {n: loss.defaults[n] for n in ("ignore_index",) if n in loss.options}
        for name, spec in sample.specs.items():
            if spec.domain.dtype == "integer" or sample.arrays[name].size == 0:
                continue
            for value in outside(sample, name):
                x = planted(sample.arrays[name], value)
                with lossary.strict(), pytest.raises(ValueError, match=rf"^{loss.name}: {name} (is|holds) "):
                    called(loss, sample, **nothing_ignored, **{name: x})


def test_rows_that_do_not_count_may_hold_anything():
    x, y = torch.tensor([[0.0, 1.0], [torch.nan, torch.inf]]), torch.tensor([0, -100])
    with lossary.strict():
        lossary.cross_entropy(x, y)
        lossary.nll_loss(x.log_softmax(1), torch.tensor([0, 1]), sample_weight=[1, 0])
        with pytest.raises(ValueError, match=r"input holds nan at \[1, 0\]"):
            lossary.cross_entropy(x, torch.tensor([0, 1]))


def test_rows_of_targets_and_of_log_probabilities_sum_to_one():
    x, y = torch.zeros(2, 3), torch.tensor([0, 1])
    with lossary.strict():
        with pytest.raises(
            ValueError, match=r"sum over classes of target is 1.5 at \[1\]; .* Divide target by its sums"
        ):
            lossary.cross_entropy(x, torch.tensor([[0.5, 0.25, 0.25], [0.5, 0.5, 0.5]]))
        with pytest.raises(
            ValueError, match=r"sum over classes of exp\(input\) is 3 at \[0\] and 1 more; .* log_softmax of input"
        ):
            lossary.nll_loss(x, y)
        lossary.nll_loss(x.bfloat16().log_softmax(1), y)


def test_a_masked_class_is_no_error():
    x = torch.tensor([[0.0, 1.0, -torch.inf]])
    with lossary.strict():
        lossary.cross_entropy(x, torch.tensor([1]))
        lossary.nll_loss(x.log_softmax(1), torch.tensor([1]))


@pytest.mark.parametrize(
    "transformed",
    [
        lambda: torch.compile(lossary.l1_loss, backend="eager")(torch.ones(2), torch.ones(2)),
        lambda: torch.vmap(lossary.l1_loss)(torch.ones(2, 2), torch.ones(2, 2)),
        lambda: torch.func.grad(lossary.l1_loss)(torch.ones(2), torch.ones(2)),
        lambda: jax.jit(lossary.l1_loss)(jnp.ones(2), jnp.ones(2)),
    ],
    ids=["compile", "vmap", "grad", "jit"],
)
def test_what_cannot_be_read_raises(transformed):
    with lossary.strict(), pytest.raises(ValueError, match=r"^l1_loss: strict\(\) reads values, and input has none"):
        transformed()
    assert float(transformed().sum()) == 0


def test_code_compiled_outside_is_checked_inside():
    compiled = torch.compile(lambda x: lossary.l1_loss(x, torch.zeros(2)), backend="eager")
    assert compiled(torch.ones(2)) == 1
    with lossary.strict(), pytest.raises(ValueError, match="strict"):
        compiled(torch.ones(2))
    assert compiled(torch.ones(2)) == 1


def test_it_ends_with_its_block_even_by_an_error_and_nests():
    signs = np.array([0.0, 1.0])
    with pytest.raises(ZeroDivisionError), lossary.strict():
        with lossary.strict():
            pass
        with pytest.raises(ValueError, match=r"signs are -1 or 1\. Labels of 0 and 1\? .* 2 \* target - 1"):
            lossary.soft_margin_loss(np.zeros(2), signs)
        raise ZeroDivisionError
    assert np.isfinite(lossary.soft_margin_loss(np.zeros(2), signs))
