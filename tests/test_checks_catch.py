"""Each check must fail on a loss that is broken in the way that it watches for."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest
import torch

import lossary
from lossary.testing import CHECKS, LIBRARIES, Case, cases

Loss = Callable[..., Any]


class Mutant(NamedTuple):
    """A loss made wrong, what is wrong with it, and where its check must see that."""

    what: str
    loss: str
    break_: Callable[[Loss], Loss]
    library: str = "torch"
    dtype: str = "float32"


def scaled(f: Loss) -> Loss:
    return lambda **k: f(**k) * 1.001


def infinity_clamped(f: Loss) -> Loss:
    return lambda **k: torch.clamp(f(**k), -1e30, 1e30)


def nan_swallowed(f: Loss) -> Loss:
    return lambda **k: torch.nan_to_num(f(**k))


def answer_in_float64(f: Loss) -> Loss:
    return lambda **k: f(**k).double()


def summed_in_half(f: Loss) -> Loss:
    return lambda **k: (
        torch.cumsum(f(**{**k, "reduction": "none"}).reshape(-1), 0)[-1] / f(**{**k, "reduction": "none"}).numel()
    )


def weights_not_in_the_mean(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        rows = f(**{**k, "reduction": "none"})
        return rows.mean() if k.get("reduction", "mean") == "mean" else f(**k)

    return broken


def weight_multiplied(f: Loss) -> Loss:
    def broken(sample_weight: Any = None, **k: Any) -> Any:
        return (f(**{**k, "reduction": "none"}) * sample_weight).sum() / sample_weight.sum()

    return broken


def nothing_is_nan(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        answer = f(**k)
        return torch.where(answer == 0, torch.nan, answer)

    return broken


def normalizer_ignored(f: Loss) -> Loss:
    return lambda normalizer=None, **k: f(**k)


def slope_doubled(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        answer = f(**k)
        return 2 * answer - answer.detach()

    return broken


def second_derivative_zero(f: Loss) -> Loss:
    def broken(input: Any, **k: Any) -> Any:
        answer = f(input=input, **k)
        if not answer.requires_grad:
            return answer
        (slope,) = torch.autograd.grad(answer, input, retain_graph=True)
        return answer.detach() + (slope.detach() * (input - input.detach())).sum() + 0 * (input * input).sum()

    return broken


def tangent_dropped(f: Loss) -> Loss:
    def broken(input: Any, **k: Any) -> Any:
        in_forward_mode = torch._C._functorch.maybe_current_level() is not None
        return f(input=input.detach() if in_forward_mode else input, **k) + 0 * input.sum()

    return broken


def wrong_when(condition: Callable[..., bool]) -> Callable[[Loss], Loss]:
    return lambda f: lambda **k: f(**k) * (1.001 if condition(**k) else 1.0)


def strides_ignored(f: Loss) -> Loss:
    return lambda input, **k: f(input=torch.as_strided(input, input.shape, torch.empty(input.shape).stride()), **k)


def input_scaled_in_place(f: Loss) -> Loss:
    def broken(input: Any, **k: Any) -> Any:
        with torch.no_grad():
            input.mul_(0.5)
        return f(input=input * 2, **k)

    return broken


def any_reduction(f: Loss) -> Loss:
    return lambda reduction="mean", **k: f(reduction=reduction if reduction in ("none", "sum") else "mean", **k)


def value_error_without_names(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        try:
            return f(**k)
        except ValueError:
            raise ValueError("bad input") from None

    return broken


def last_class_accepted(f: Loss) -> Loss:
    return lambda input, target, **k: f(
        input=input, target=target.clamp(max=input.shape[min(1, input.ndim - 1)] - 1), **k
    )


def negative(f: Loss) -> Loss:
    return lambda **k: -f(**k)


def batch_centred(f: Loss) -> Loss:
    return lambda input, **k: f(input=input + 1e-3 * input.mean(), **k)


def grad_mode_left_on(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        torch.set_grad_enabled(True)
        return f(**k)

    return broken


def random_state_used(f: Loss) -> Loss:
    return lambda **k: f(**k) + 0 * torch.rand(())


def one_element_wrong(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        answer = f(**k)
        if k.get("reduction") == "none" and answer.numel() > 1:
            answer = answer.clone()
            answer.view(-1)[-1] *= 1.001
        return answer

    return broken


MUTANTS = {
    "value": [
        Mutant("a factor", "huber_loss", scaled),
        Mutant("one wrong element", "cross_entropy", one_element_wrong),
        Mutant("a factor, in bf16", "mse_loss", lambda f: lambda **k: f(**k) * 1.02, dtype="bfloat16"),
        Mutant("a factor, on NumPy", "nll_loss", scaled, library="numpy"),
    ],
    "examples": [Mutant("a factor", "ctc_loss", scaled)],
    "extremes": [
        Mutant("inf clamped", "binary_cross_entropy_with_logits", infinity_clamped),
        Mutant("torch's own: NaN at ±inf", "binary_cross_entropy_with_logits", lambda f: without_extras(f)),
        Mutant("torch's own: 0 · inf in a soft target", "cross_entropy", lambda f: without_extras(f)),
    ],
    "nan_in_nan_out": [Mutant("NaN swallowed", "smooth_l1_loss", nan_swallowed)],
    "dtype": [Mutant("fp64 out of fp32", "l1_loss", answer_in_float64)],
    "long_half_precision_mean": [Mutant("summed in fp16", "mse_loss", summed_in_half, dtype="float16")],
    "sample_weight": [Mutant("mean over N", "cross_entropy", weights_not_in_the_mean)],
    "zero_weight_hides_anything": [Mutant("0 · NaN", "mse_loss", weight_multiplied)],
    "ignored_rows": [
        Mutant("torch's own: NaN gradients of ignored rows", "cross_entropy", lambda f: without_extras(f))
    ],
    "mean_over_nothing": [Mutant("0 / 0", "mse_loss", nothing_is_nan)],
    "normalizer": [Mutant("normalizer ignored", "l1_loss", normalizer_ignored)],
    "gradient": [Mutant("gradient doubled", "kl_div", slope_doubled), Mutant("the wrong sign", "l1_loss", negative)],
    "second_derivative": [Mutant("zeros", "cross_entropy", second_derivative_zero, dtype="float64")],
    "forward_mode": [Mutant("tangent dropped", "mse_loss", tangent_dropped)],
    "vmap": [Mutant("wrong when mapped", "mse_loss", wrong_when(lambda **k: is_mapped(k["input"])))],
    "compiled": [Mutant("wrong when compiled", "mse_loss", wrong_when(lambda **k: torch.compiler.is_compiling()))],
    "export": [Mutant("wrong when exported", "mse_loss", wrong_when(lambda **k: torch.compiler.is_exporting()))],
    "strides": [Mutant("strides ignored", "mse_loss", strides_ignored)],
    "inputs_unmodified": [Mutant("written in place", "mse_loss", input_scaled_in_place)],
    "invalid_input": [
        Mutant("any reduction accepted", "mse_loss", any_reduction),
        Mutant("a message that names nothing", "huber_loss", value_error_without_names),
        Mutant("class C accepted", "cross_entropy", last_class_accepted),
    ],
    "integer_dtypes": [Mutant("int8", "nll_loss", wrong_when(lambda **k: k["target"].dtype == torch.int8))],
    "properties": [
        Mutant("negative", "huber_loss", negative, dtype="float64"),
        Mutant("depends on the shift", "cross_entropy", wrong_when(lambda **k: k["input"].mean() > 2), dtype="float64"),
        Mutant("not zero at the target", "mse_loss", lambda f: lambda **k: f(**k) + 1e-9, dtype="float64"),
        Mutant(
            "not symmetric", "l1_loss", wrong_when(lambda **k: k["input"].sum() > k["target"].sum()), dtype="float64"
        ),
    ],
    "implementations": [Mutant("ATen differs", "mse_loss", wrong_when(lambda **k: k.get("impl") == "aten"))],
    "determinism": [
        Mutant("depends on the batch", "cross_entropy", batch_centred),
        Mutant("depends on the threads", "mse_loss", wrong_when(lambda **k: torch.get_num_threads() == 1)),
    ],
    "no_side_effects": [
        Mutant("grad mode left on", "mse_loss", grad_mode_left_on),
        Mutant("random numbers drawn", "mse_loss", random_state_used),
    ],
    "module": [Mutant("another loss", "l1_loss", lambda f: f)],
}


NOT_TORCHS = {"softcap": None, "temperature": 1.0, "z_loss": 0.0}


def without_extras(f: Loss) -> Loss:
    """torch's own function, to which the contract's differences are defects."""
    theirs = getattr(torch.nn.functional, f.__name__)

    def broken(sample_weight: Any = None, normalizer: Any = None, impl: str = "auto", **k: Any) -> Any:
        k = {name: value for name, value in k.items() if name not in NOT_TORCHS}
        if sample_weight is None:
            return theirs(**k)
        rows = theirs(**{**k, "reduction": "none"})
        return torch.where(sample_weight == 0, 0.0, rows).sum()

    return broken


def is_mapped(x: Any) -> bool:
    return torch._C._functorch.is_batchedtensor(x)


def broken_cases(mutant: Mutant, check: str) -> list[Case]:
    loss = getattr(lossary, mutant.loss)
    library = LIBRARIES[mutant.library]
    found = []
    for case in cases(loss, getattr(oracles, mutant.loss), library, mutant.dtype, range(12)):
        extras = {name: plain for name, plain in NOT_TORCHS.items() if name in case.sample.arguments}
        case = dataclasses.replace(case.of(case.sample.but(**extras)), function=mutant.break_(loss))
        if check == "module":  # asks for the module of the record's function: give it the record of another
            case = dataclasses.replace(case, loss=dataclasses.replace(case.loss, public=lossary.mse_loss))
        found.append(case)
    return found


@pytest.mark.filterwarnings("ignore:kl_div. reduction='mean':UserWarning")
@pytest.mark.parametrize(
    ("check", "mutant"), [pytest.param(c, m, id=f"{c}-{m.what}") for c, ms in MUTANTS.items() for m in ms]
)
def test_the_check_catches_its_mutant(check, mutant):
    before = torch.is_grad_enabled()
    caught = []
    for case in broken_cases(mutant, check):
        try:
            CHECKS[check].run(case)
        except AssertionError:
            caught.append(case)
            break
        finally:
            torch.set_grad_enabled(before)
    assert caught, f"check_{check} passes a {mutant.loss} with this defect: {mutant.what}"


def test_every_check_has_a_mutant():
    assert set(MUTANTS) == set(CHECKS), f"add a mutant for {set(CHECKS) ^ set(MUTANTS)}"


def test_samples_vary():
    """A sampler that always draws the same would make every check blind."""
    for loss in lossary.catalogue():
        drawn = [
            repr(case.sample.arguments)
            for case in cases(loss.public, lambda: 0, LIBRARIES["numpy"], "float64", range(8))
        ]
        assert len(set(drawn)) == 8, loss.name
        values = np.concatenate([x.ravel() for x in case_arrays(loss)])
        assert np.unique(values).size > 20, loss.name


def case_arrays(loss: Any) -> list[np.ndarray]:
    every = cases(loss.public, lambda: 0, LIBRARIES["numpy"], "float64", range(8))
    return [x for case in every for x in case.sample.arrays.values()]
