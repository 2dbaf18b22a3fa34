"""Lossary answers what torch answers, on PyTorch's own samples and error inputs."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import opinfo
import pytest
import torch

import lossary
import lossary.nn

# Every dtype is held to torch in fp64 on the same values, rounded once: torch's own bf16 answers round at every step,
# and its own fp32 CTC gradients are off by 3e-4. Relative and absolute:
TOLERANCES = {torch.float64: (1e-12, 1e-13), torch.float32: (1e-5, 1e-5), torch.bfloat16: (2**-7, 1e-5)}

# A posterior is the exponential of differences of log-probabilities near 240, whose fp32 ulp is 1.5e-5.
CTC_FP32 = (1e-4, 1e-4)

# torch has no CTC in bf16.
CASES = [
    (loss, dtype) for loss in opinfo.MODULES for dtype in TOLERANCES if (loss, dtype) != ("ctc_loss", torch.bfloat16)
]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """On samples this small a second thread is only waited for."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def averages_nothing(call: opinfo.Call) -> bool:
    target, reduction = call.args[1], call.kwargs.get("reduction", "mean")
    return reduction == "mean" and bool((target == call.kwargs.get("ignore_index", -100)).all())


def has_no_probabilities(call: opinfo.Call) -> bool:
    target = call.args[1].detach()
    return not call.kwargs.get("log_target", False) and bool(((target < 0) | (target > 1)).any())


def counts_zero_in_full(call: opinfo.Call) -> bool:
    return bool(call.kwargs.get("full", False) and (call.args[1] == 0).any())


def leads_by_the_margin(call: opinfo.Call) -> bool:
    first, second, target = (x.detach().double() for x in call.args)
    return bool((target * (first - second) == call.kwargs.get("margin", 0)).any())


FEW_SAMPLES = {"multilabel_soft_margin_loss": 9, "triplet_margin_loss": 7, "triplet_margin_with_distance_loss": 7}
"""What PyTorch ships where it ships fewer than ten samples of a loss."""

DIFFERENCES = {
    "cross_entropy": (averages_nothing, "a mean over nothing is 0 with zero gradients, and not NaN"),
    "nll_loss": (averages_nothing, "a mean over nothing is 0 with zero gradients, and not NaN"),
    "kl_div": (has_no_probabilities, "probability targets lie in [0, 1], or it is a ValueError"),
    "margin_ranking_loss": (leads_by_the_margin, "the gradient at a hinge of exactly 0 is 0, as torch's from 2.14 on"),
    "poisson_nll_loss": (counts_zero_in_full, "the gradient of Stirling's term is 0 at a count of 0, and not NaN"),
}
"""The samples on which CONTRACT.md, with its reason, answers other than torch."""


def split(loss: str, dtype: torch.dtype) -> tuple[list[opinfo.Call], list[opinfo.Call]]:
    """The samples on which torch is right, and the others."""
    differs, _ = DIFFERENCES.get(loss, (lambda call: False, ""))
    calls = opinfo.samples(loss, dtype)
    return [call for call in calls if not differs(call)], [call for call in calls if differs(call)]


def of_logits(loss: str, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """CTC as a function of logits: its gradient with respect to log-probabilities has a test of its own."""
    if loss != "ctc_loss":
        return function
    return lambda log_probs, *args, **kwargs: function(log_probs.log_softmax(-1), *args, **kwargs)


def expected_warning(loss: str, call: opinfo.Call) -> AbstractContextManager:
    divides_by_elements = loss == "kl_div" and call.kwargs.get("reduction", "mean") == "mean"
    return pytest.warns(UserWarning, match="batchmean") if divides_by_elements else nullcontext()


@pytest.mark.parametrize("loss, dtype", CASES, ids=str)
def test_values_and_gradients_equal_torch(loss: str, dtype: torch.dtype) -> None:
    rtol, atol = CTC_FP32 if (loss, dtype) == ("ctc_loss", torch.float32) else TOLERANCES[dtype]
    calls, _ = split(loss, dtype)
    assert len(calls) >= FEW_SAMPLES.get(loss, 10), "torch has moved its samples"
    for i, call in enumerate(calls):
        ours = of_logits(loss, call.of(lossary, lossary.nn))
        torchs = of_logits(loss, call.of(torch.nn.functional, torch.nn))
        with expected_warning(loss, call):
            answers = opinfo.value_and_gradients(ours, call, dtype)
        with warnings.catch_warnings(action="ignore"):
            # torch's options choose chunks and precisions, and some of those refuse fp64.
            exact = opinfo.value_and_gradients(torchs, call.without("options"), torch.float64)
        expected = [x.to(dtype) for x in exact]
        where = f"sample {i}, {call.name} {call.kwargs}: "
        torch.testing.assert_close(answers, expected, rtol=rtol, atol=atol, equal_nan=True, msg=where.__add__)


def test_every_loss_of_pytorchs_databases_is_here() -> None:
    functions = {name for name in opinfo.infos() if hasattr(torch.nn.functional, name)}
    losses = {name for name in functions if name == "kl_div" or name.endswith(("_loss", "_entropy", "_logits"))}
    assert losses <= set(opinfo.MODULES)
    assert {name for name in opinfo.infos() if name.endswith("Loss")} <= set(opinfo.MODULES.values())


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
@pytest.mark.parametrize("loss", ["cross_entropy", "nll_loss"])
def test_mean_over_nothing_is_zero_where_torch_answers_nan(loss: str, dtype: torch.dtype) -> None:
    everything_ignored = opinfo.Call(
        loss, (torch.ones(2, 3, requires_grad=True), torch.tensor([1, 1])), {"ignore_index": 1}
    )
    for call in [everything_ignored, *split(loss, dtype)[1]]:
        assert opinfo.value_and_gradients(call.of(torch.nn.functional, torch.nn), call, dtype)[0].isnan()
        answers = opinfo.value_and_gradients(call.of(lossary, lossary.nn), call, dtype)
        assert not any(x.count_nonzero() for x in answers)


@pytest.mark.parametrize("dtype", TOLERANCES, ids=str)
def test_targets_of_kl_div_that_are_no_probabilities_raise(dtype: torch.dtype) -> None:
    _, calls = split("kl_div", dtype)
    assert calls
    for call in calls:
        with expected_warning("kl_div", call), pytest.raises(ValueError, match=r"^kl_div: target .* lie in \[0, 1\]"):
            call.of(lossary, lossary.nn)(*call.args, **call.kwargs)


def test_ctc_gradient_of_log_probabilities_is_minus_the_posterior() -> None:
    """Where torch answers exp(log_probs) - posterior, which is right through log_softmax only."""
    for call in opinfo.samples("ctc_loss", torch.float64):
        call = call._replace(kwargs=call.kwargs | {"reduction": "sum"})
        _, gradient = opinfo.value_and_gradients(call.of(lossary, lossary.nn), call, torch.float64)
        _, torchs = opinfo.value_and_gradients(call.of(torch.nn.functional, torch.nn), call, torch.float64)
        torch.testing.assert_close(gradient, torchs - call.args[0].detach().exp(), rtol=1e-10, atol=1e-12)


WITH_ERROR_INPUTS = (
    "cross_entropy",
    "linear_cross_entropy",
    "l1_loss",
    "huber_loss",
    "soft_margin_loss",
    "hinge_embedding_loss",
    "margin_ranking_loss",
    "multi_margin_loss",
    "multilabel_margin_loss",
    "triplet_margin_loss",
    "triplet_margin_with_distance_loss",
    "poisson_nll_loss",
    "gaussian_nll_loss",
)


@pytest.mark.parametrize("loss", [loss for loss in WITH_ERROR_INPUTS if loss in opinfo.MODULES])
def test_error_inputs_raise_an_error_that_names_the_loss(loss: str) -> None:
    calls = list(opinfo.error_inputs(loss))
    if not calls and "linear_cross_entropy" not in opinfo.MODULES:
        pytest.skip(f"torch {torch.__version__} ships none")
    assert calls
    for call in calls:
        with pytest.raises((ValueError, TypeError, IndexError), match=f"^({loss}|{call.name}): "):
            call.of(lossary, lossary.nn)(*call.args, **call.kwargs)


def test_other_error_inputs_are_one_nll_loss_of_mixed_dtypes_which_promote() -> None:
    others = [loss for loss in opinfo.MODULES if loss not in WITH_ERROR_INPUTS]
    (call,) = [call for loss in others for call in opinfo.error_inputs(loss)]
    assert call.of(lossary, lossary.nn)(*call.args, **call.kwargs) == 0  # zero rows, and a weight of another dtype
