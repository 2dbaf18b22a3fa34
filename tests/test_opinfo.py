"""Lossary answers what torch answers, on PyTorch's own samples and error inputs."""

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import opinfo
import pytest
import torch

import lossary

# Every dtype is held to torch in fp64 on the same values, rounded once: torch's own bf16 answers round at every step,
# and its own fp32 CTC gradients are off by 1e-3.
TOLERANCES = {
    torch.float64: {"rtol": 1e-12, "atol": 1e-13},
    torch.float32: {"rtol": 1e-5, "atol": 1e-6},
    torch.bfloat16: {"rtol": 2**-7, "atol": 1e-6},
}

# torch has no CTC in bf16.
CASES = [
    (loss, dtype) for loss in opinfo.LOSSES for dtype in TOLERANCES if (loss, dtype) != ("ctc_loss", torch.bfloat16)
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
    calls = list(opinfo.samples(loss, dtype))
    for i, call in enumerate(calls):
        with expected_warning(loss, call):
            answers = opinfo.value_and_gradients(of_logits(loss, getattr(lossary, loss)), call, dtype)
        with warnings.catch_warnings(action="ignore"):
            torchs = getattr(torch.nn.functional, loss)
            expected = opinfo.value_and_gradients(of_logits(loss, torchs), call, torch.float64)
        torch.testing.assert_close(
            answers,
            [x.to(dtype) for x in expected],
            **TOLERANCES[dtype],
            msg=lambda text, i=i, call=call: f"sample {i}, {call.kwargs}: {text}",
        )
    assert calls


@pytest.mark.parametrize("loss", ["l1_loss", "huber_loss"])
def test_error_inputs_raise_an_error_that_names_the_loss(loss: str) -> None:
    calls = list(opinfo.error_inputs(loss))
    for args, kwargs in calls:
        with pytest.raises((ValueError, TypeError, IndexError), match=f"^{loss}: "):
            getattr(lossary, loss)(*args, **kwargs)
    assert calls


def test_torch_has_error_inputs_for_no_other_loss() -> None:
    assert [loss for loss in opinfo.LOSSES if list(opinfo.error_inputs(loss))] == ["l1_loss", "huber_loss"]


def test_ctc_gradient_of_log_probabilities_is_minus_the_posterior() -> None:
    """Where torch answers exp(log_probs) - posterior: the one difference from torch on these samples."""
    for call in opinfo.samples("ctc_loss", torch.float64):
        summed = opinfo.Call(call.args, call.kwargs | {"reduction": "sum"})
        _, gradient = opinfo.value_and_gradients(lossary.ctc_loss, summed, torch.float64)
        _, torchs = opinfo.value_and_gradients(torch.nn.functional.ctc_loss, summed, torch.float64)
        torch.testing.assert_close(gradient, torchs - call.args[0].detach().exp(), rtol=1e-10, atol=1e-12)
