"""Lossary answers what torch answers, on PyTorch's own samples and error inputs."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import opinfo
import pytest
import torch

import lossary
import lossary.nn

# Every dtype is held to torch in fp64 on the same values, rounded once: torch's own bf16 answers round at every step,
# and its own fp32 CTC gradients are off by 3e-4.
TOLERANCES = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-13},
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.bfloat16: {"rtol": 2**-7, "atol": 1e-6},
}

# A posterior is the exponential of differences of log-probabilities near 240, whose fp32 ulp is 1.5e-5.
CTC_FP32 = {"rtol": 1e-4, "atol": 1e-4}

# torch has no CTC in bf16.
CASES = [
    (loss, dtype) for loss in opinfo.MODULES for dtype in TOLERANCES if (loss, dtype) != ("ctc_loss", torch.bfloat16)
]


def of_logits(loss: str, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """CTC of logits: its gradient with respect to log-probabilities is where CONTRACT.md and torch differ."""
    if loss != "ctc_loss":
        return function
    return lambda log_probs, *args, **kwargs: function(log_probs.log_softmax(-1), *args, **kwargs)


def expected_warning(loss: str, call: opinfo.Call) -> AbstractContextManager:
    divides_by_elements = loss == "kl_div" and call.kwargs.get("reduction", "mean") == "mean"
    return pytest.warns(UserWarning, match="batchmean") if divides_by_elements else nullcontext()


@pytest.mark.parametrize("loss, dtype", CASES)
def test_values_and_gradients_equal_torch(loss: str, dtype: torch.dtype) -> None:
    tolerance = CTC_FP32 if (loss, dtype) == ("ctc_loss", torch.float32) else TOLERANCES[dtype]
    for i, call in enumerate(opinfo.samples(loss, dtype)):
        ours = of_logits(loss, call.of(lossary, lossary.nn))
        torchs = of_logits(loss, call.of(torch.nn.functional, torch.nn))
        with expected_warning(loss, call):
            answers = opinfo.value_and_gradients(ours, call, dtype)
        with warnings.catch_warnings(action="ignore"):
            expected = opinfo.value_and_gradients(torchs, call, torch.float64)
        torch.testing.assert_close(
            answers,
            [x.to(dtype) for x in expected],
            **tolerance,
            msg=lambda text, i=i, call=call: f"sample {i}, {call.name} {call.kwargs}: {text}",
        )


@pytest.mark.parametrize("loss", opinfo.MODULES)
def test_error_inputs_raise_an_error_that_names_the_loss(loss: str) -> None:
    for call in opinfo.error_inputs(loss):
        with pytest.raises((ValueError, TypeError, IndexError), match=f"^{loss}: "):
            call.of(lossary, lossary.nn)(*call.args, **call.kwargs)


def test_ctc_gradient_of_log_probabilities_is_minus_the_posterior() -> None:
    """Where torch answers exp(log_probs) - posterior: the one difference from torch on these samples."""
    for call in opinfo.samples("ctc_loss", torch.float64):
        summed = call._replace(kwargs=call.kwargs | {"reduction": "sum"})
        _, gradient = opinfo.value_and_gradients(call.of(lossary, lossary.nn), summed, torch.float64)
        _, torchs = opinfo.value_and_gradients(call.of(torch.nn.functional, torch.nn), summed, torch.float64)
        torch.testing.assert_close(gradient, torchs - call.args[0].detach().exp(), rtol=1e-10, atol=1e-12)


def test_there_are_samples() -> None:
    """A torch release that moves its samples must not make these tests pass by testing nothing."""
    assert all(len(list(opinfo.samples(loss, torch.float64))) >= 10 for loss in opinfo.MODULES)
    assert {loss for loss in opinfo.MODULES if list(opinfo.error_inputs(loss))} >= {"cross_entropy", "huber_loss"}
