"""log_prob and linear_log_prob, beside what torch.distributions says of full logits in fp64."""

import runpy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lossary
from lossary import LogProb, linear_log_prob, log_prob
from lossary.kernels import families
from lossary.kernels.status import missing

fused_here = pytest.mark.skipif(missing() is not None, reason=str(missing()))

ROWS, FEATURES, CLASSES = 37, 12, 50
BUDGET = 16 * CLASSES * 8
SHAPES: tuple[dict[str, Any], ...] = ({}, {"softcap": 3.0}, {"temperature": 0.6}, {"softcap": 4.0, "temperature": 1.7})


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).float().double()


INPUT, WEIGHT, BIAS = drawn(ROWS, FEATURES, seed=1), drawn(CLASSES, FEATURES, seed=2) / 3, drawn(CLASSES, seed=3)
TARGET = torch.where(torch.arange(ROWS) % 6 == 4, -100, drawn(ROWS, CLASSES, seed=4).argmax(1))


def expected(logits: Tensor, target: Tensor, softcap: float | None = None, temperature: float = 1.0) -> LogProb:
    shaped = (logits if softcap is None else softcap * torch.tanh(logits / softcap)) / temperature
    counted = target != -100
    of = torch.distributions.Categorical(logits=shaped)
    values = (of.log_prob(target.clamp(min=0)), of.entropy(), shaped.logsumexp(-1))
    return LogProb(*(torch.where(counted, x, 0) for x in values), torch.where(counted, shaped.argmax(-1), -1))


def weighted(found: LogProb) -> Tensor:
    """A number that all three values have a part in, each row another."""
    turns = torch.linspace(1, 2, found.log_prob.numel(), dtype=found.log_prob.dtype).view(found.log_prob.shape)
    return (turns * (found.log_prob - 0.7 * found.entropy + 0.3 * found.lse)).sum()


@fused_here
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 4e-6)], ids=str)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("impl", ["fused", "reference"])
def test_values_and_gradients(dtype: torch.dtype, tolerance: float, shape: dict[str, Any], impl: str) -> None:
    exact = [x.clone().requires_grad_() for x in (INPUT, WEIGHT, BIAS)]
    right = expected(exact[0] @ exact[1].T + exact[2], TARGET, **shape)
    given = [x.to(dtype).clone().requires_grad_() for x in (INPUT, WEIGHT, BIAS)]
    found = linear_log_prob(*given[:2], TARGET, linear_bias=given[2], memory_budget=BUDGET, impl=impl, **shape)
    slopes = torch.autograd.grad(weighted(right), exact)
    for ours, other in zip((*found, *torch.autograd.grad(weighted(found), given)), (*right, *slopes), strict=True):
        assert (ours - other).abs().max() <= tolerance * other.abs().max()
    logits = (INPUT @ WEIGHT.T + BIAS).to(dtype)
    of_logits = log_prob(logits, TARGET, impl=impl, **shape)
    for ours, other in zip(of_logits, right, strict=True):
        assert (ours - other).abs().max() <= tolerance * other.abs().max()


@fused_here
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_derivatives_of_all_three_and_their_own(shape: dict[str, Any]) -> None:
    x, w, b = (t.clone().requires_grad_() for t in (INPUT[:3, :4], WEIGHT[:5, :4], BIAS[:5]))
    y = torch.tensor([4, -100, 0])
    f = partial(linear_log_prob, target=y, memory_budget=1, impl="fused", **shape)
    of = lambda x, w, b: f(x, w, linear_bias=b)[:3]  # noqa: E731
    assert torch.autograd.gradcheck(of, (x, w, b)) and torch.autograd.gradgradcheck(of, (x, w, b))
    logits = INPUT[:2, :6].clone().requires_grad_()
    of_logits = lambda z: log_prob(z, y[[0, 2]], **shape)[:3]  # noqa: E731
    assert torch.autograd.gradcheck(of_logits, (logits,), check_forward_ad=True)
    assert torch.autograd.gradgradcheck(of_logits, (logits,))


@fused_here
@pytest.mark.parametrize("from_features", [False, True])
def test_gradients_of_many_incoming_ones_at_once(from_features: bool) -> None:
    x, w, y = drawn(6, 5, seed=1).requires_grad_(), drawn(5, 5, seed=2), torch.tensor([0, 4, 2, -100, 1, 1])
    found = lossary.linear_log_prob(x, w, y) if from_features else lossary.log_prob(x, y)
    for value in found[:3]:
        upstream = drawn(3, 6, seed=3).to(value.dtype)
        (together,) = torch.autograd.grad(value, x, upstream, is_grads_batched=True, retain_graph=True)
        single = [torch.autograd.grad(value, x, u, retain_graph=True)[0] for u in upstream]
        torch.testing.assert_close(together, torch.stack(single))


def test_some_gradients_and_a_second_backward() -> None:
    x, w = INPUT.float().requires_grad_(), WEIGHT.float()
    found = linear_log_prob(x, w, TARGET, memory_budget=BUDGET, impl="fused")
    first, second = (torch.autograd.grad(found.log_prob.sum(), x, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    nll = lossary.linear_cross_entropy(x, w, TARGET, reduction="sum")
    torch.testing.assert_close(first, -torch.autograd.grad(nll, x)[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(-found.log_prob.sum(), nll)
    assert not found.predicted.is_floating_point() and not found.predicted.requires_grad


@fused_here
@pytest.mark.parametrize("widened", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_row_has_the_same_bits_in_any_batch(dtype: torch.dtype, widened: bool, monkeypatch: Any) -> None:
    monkeypatch.setattr(families, "MAX_WIDENED_WEIGHTS", 2**14 if widened else 0)
    x, w = (INPUT / 3).to(dtype), (WEIGHT / 3).to(dtype)
    whole = linear_log_prob(x, w, TARGET, impl="fused")
    for count in (1, 5, 16, 17, 36):
        for ours, all_of_them in zip(
            linear_log_prob(x[:count], w, TARGET[:count], memory_budget=1, impl="fused"), whole, strict=True
        ):
            assert torch.equal(ours, all_of_them[:count])
    assert whole.log_prob.dtype == torch.float32


@fused_here
def test_small_log_probabilities_and_infinities() -> None:
    inf = torch.inf
    z = torch.tensor([[40.0, 0, 0], [inf, 0, 0], [0, inf, 0], [-inf, 0, 0], [-inf] * 3, [torch.nan, 0, 0]])
    for impl in ("fused", "reference"):
        found = log_prob(z, torch.zeros(6, dtype=torch.int64), impl=impl)
        assert found.log_prob[0] == pytest.approx(-2 * np.exp(-40.0), rel=1e-6)
        assert found.entropy[0] == pytest.approx(2 * 41 * np.exp(-40.0), rel=1e-6)
        assert found.log_prob[1:4].tolist() == [0, -inf, -inf] and found.lse[1:3].tolist() == [inf, inf]
        assert found.entropy[1:4].tolist() == [0, 0, pytest.approx(np.log(2))]
        assert found.log_prob[4:].isnan().all() and found.entropy[4:].isnan().all()


@fused_here
def test_ignored_rows_may_hold_anything() -> None:
    x = INPUT.clone()
    x[TARGET == -100] = torch.nan
    found, clean = (linear_log_prob(i, WEIGHT, TARGET, memory_budget=BUDGET) for i in (x, INPUT))
    assert all(torch.equal(a, b) for a, b in zip(found, clean, strict=True))
    x, w = x.requires_grad_(), WEIGHT.clone().requires_grad_()
    of_x, of_w = torch.autograd.grad(weighted(linear_log_prob(x, w, TARGET)), (x, w))
    assert (of_x[TARGET == -100] == 0).all() and of_w.isfinite().all()


@pytest.mark.parametrize("dims", [(), (3,), (2, 5)], ids=str)
def test_batches_of_any_rank(dims: tuple[int, ...]) -> None:
    x, y = drawn(*dims, FEATURES, seed=5), drawn(*dims, CLASSES, seed=6).argmax(-1)
    found = linear_log_prob(x, WEIGHT, y)
    logits = x @ WEIGHT.T
    for ours, other in zip(found, expected(logits, y), strict=True):
        assert ours.shape == y.shape
        torch.testing.assert_close(ours, other)
    if dims:
        for ours, other in zip(log_prob(logits.movedim(-1, 1), y), found, strict=True):
            torch.testing.assert_close(ours, other)


@fused_here
def test_compiled_and_mapped() -> None:
    def loss(x: Tensor, w: Tensor) -> Tensor:
        return weighted(linear_log_prob(x, w, TARGET))

    x, w = INPUT.clone().requires_grad_(), WEIGHT.clone().requires_grad_()
    torch.compiler.reset()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(torch.autograd.grad(compiled(x, w), (x, w)), torch.autograd.grad(loss(x, w), (x, w)))
    rows = torch.vmap(lambda row, y: linear_log_prob(row, WEIGHT, y).lse)(INPUT, TARGET)
    torch.testing.assert_close(rows, linear_log_prob(INPUT, WEIGHT, TARGET).lse)


def test_numpy_and_jax_answer_the_same() -> None:
    jax = pytest.importorskip("jax")
    arrays = [x.float().numpy() for x in (INPUT, WEIGHT)]
    right = expected(INPUT @ WEIGHT.T, TARGET)
    for convert in (np.asarray, jax.numpy.asarray):
        found = linear_log_prob(*(convert(x) for x in arrays), convert(TARGET.numpy()))
        for ours, other in zip(found, right, strict=True):
            np.testing.assert_allclose(np.asarray(ours), other.numpy(), rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("error", "words", "call"),
    [
        (IndexError, "linear_log_prob: target holds .* the classes are 0 to 49",
         lambda: linear_log_prob(INPUT, WEIGHT, TARGET + 50)),
        (ValueError, "log_prob: target is int64 of shape", lambda: log_prob(INPUT, TARGET[:3])),
        (ValueError, "log_prob: temperature is 0", lambda: log_prob(INPUT, TARGET, temperature=0)),
        (ValueError, "log_prob: impl is 'fast'", lambda: log_prob(INPUT, TARGET, impl="fast")),
        (ValueError, "cannot serve this call: .* numpy arrays",
         lambda: log_prob(np.ones((1, 2)), np.array([0]), impl="fused")),
        (TypeError, "linear_log_prob: target is float64", lambda: linear_log_prob(INPUT, WEIGHT, TARGET.double())),
    ],
)  # fmt: skip
def test_errors_name_what_is_wrong(error: type[Exception], words: str, call: Callable[[], Any]) -> None:
    with pytest.raises(error, match=words):
        call()


def test_preference_and_policy_losses_match_their_plain_form(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(Path(__file__).parents[1] / "examples" / "log_probs.py"), run_name="__main__")
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("option", ["softcap", "temperature"])
@pytest.mark.parametrize("linear", [False, True])
def test_softcap_and_temperature_can_be_learned(option: str, linear: bool) -> None:
    def of(x: Tensor, value: Tensor) -> Tensor:
        shape: dict[str, Any] = {option: value}
        return weighted(linear_log_prob(x, WEIGHT, TARGET, **shape) if linear else log_prob(x, TARGET, **shape))

    x = INPUT if linear else INPUT @ WEIGHT.T
    torch.autograd.gradcheck(of, (x.clone().requires_grad_(), torch.tensor(1.7, dtype=torch.float64).requires_grad_()))
