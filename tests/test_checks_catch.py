"""Each check must fail on a loss that is broken in the way that it watches for."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest
import torch

import lossary
from lossary.core.contract import Range
from lossary.core.record import Held, record_of
from lossary.dispatch.remembered import REMEMBERED, cache_key
from lossary.testing import CHECKS, LIBRARIES, Case, cases
from lossary.testing.samples import ordinary

Loss = Callable[..., Any]


class Mutant(NamedTuple):
    """A loss made wrong, what is wrong with it, where its check must see that, and in which words it must say so."""

    what: str
    loss: str
    break_: Callable[[Loss], Loss]
    says: str
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


def weight_multiplied_by_row(f: Loss) -> Loss:
    return lambda sample_weight, **k: f(**k) * sample_weight


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
    def broken(input: Any, target: Any, **k: Any) -> Any:
        whole = isinstance(target, torch.Tensor) and isinstance(input, torch.Tensor) and input.ndim > 1
        last = input.shape[1] - 1 if whole else None
        return f(input=input, target=target if last is None else target.clamp(max=last), **k)

    return broken


def negative(f: Loss) -> Loss:
    return lambda **k: -f(**k)


def half_at_ties(f: Loss) -> Loss:
    """As torch's maximum has it; torch's clamp_min had 1 until 2.14."""

    def broken(input: Any, target: Any, margin: float = 1.0, reduction: str = "mean", **k: Any) -> Any:
        lack = torch.where(target == 1, 0.0, torch.maximum(margin - input, torch.zeros_like(input)))
        return (torch.where(target == -1, 0.0, input) + lack).sum()

    return broken


def slope_at_no_error(f: Loss) -> Loss:
    def broken(input: Any, target: Any, **k: Any) -> Any:
        return torch.where(input >= target, input - target, target - input).sum()

    return broken


def batch_centred(f: Loss) -> Loss:
    return lambda input, **k: f(input=input + 1e-3 * input.mean(), **k)


def first_row_counts_more(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        answer = f(**k)
        if k.get("reduction") == "none" and answer.ndim:
            answer = torch.cat([answer[:1] * 1.001, answer[1:]])
        return answer

    return broken


def first_class_raised(x: torch.Tensor) -> torch.Tensor:
    first = torch.zeros_like(x)
    first.select(min(1, x.ndim - 1), 0).fill_(1e-3)
    return x + first


def padded(k: dict[str, Any]) -> dict[str, Any]:
    """Another element, of 0, at the end of each second vector."""
    return k | {"input2": torch.nn.functional.pad(k["input2"], (0, 1))}


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


def option_detached(name: str) -> Callable[[Loss], Loss]:
    return lambda f: lambda **k: f(**k | {name: k[name].detach() if torch.is_tensor(k[name]) else k[name]})


def option_read(name: str) -> Callable[[Loss], Loss]:
    return lambda f: lambda **k: f(**k | {name: float(k[name].detach()) if torch.is_tensor(k[name]) else k[name]})


def first_of(name: str) -> Callable[[Loss], Loss]:
    """A memory of calls that takes one argument from the first of those with the same names, dtypes and shapes."""

    def break_(f: Loss) -> Loss:
        memory: dict[Any, dict[str, Any]] = {}

        def broken(**k: Any) -> Any:
            if not REMEMBERED:
                memory.clear()
            kind = tuple((n, *((x.dtype, x.shape) if torch.is_tensor(x) else (type(x),))) for n, x in k.items())
            return f(**k | memory.setdefault(kind, {name: k[name]}))

        return broken

    return break_


def first_wants(f: Loss) -> Loss:
    wants: list[bool] = []

    def broken(**k: Any) -> Any:
        if not REMEMBERED:
            wants.clear()
        wants.append(k["input"].requires_grad)
        return f(**k) if wants[0] == wants[-1] else f(**k) + 0 * torch.ones((), requires_grad=wants[0])

    return broken


def wrong_from_memory(f: Loss) -> Loss:
    def broken(**k: Any) -> Any:
        known = cache_key(f.loss, (), k) in REMEMBERED
        return f(**k) * (1.001 if known else 1.0)

    return broken


MUTANTS = {
    "value": [
        Mutant("a factor", "huber_loss", scaled, "huber_loss none"),
        Mutant("one wrong element", "cross_entropy", one_element_wrong, "1 of 6 wrong"),
        Mutant("a factor, in bf16", "mse_loss", lambda f: lambda **k: f(**k) * 1.02, "mse_loss none", dtype="bfloat16"),
        Mutant("a factor, on NumPy", "nll_loss", scaled, "nll_loss none", library="numpy"),
    ],
    "examples": [Mutant("a factor", "ctc_loss", scaled, "spell the label")],
    "extremes": [
        Mutant("inf clamped", "binary_cross_entropy_with_logits", infinity_clamped, "infinities"),
        Mutant(
            "torch's own: NaN at ±inf",
            "binary_cross_entropy_with_logits",
            lambda f: without_extras(f),
            "NaN where the mathematics is finite",
        ),
        Mutant("torch's own: a log-target of -inf", "kl_div", lambda f: without_extras(f), "NaN gradient of target"),
    ],
    "nan_in_nan_out": [Mutant("NaN swallowed", "smooth_l1_loss", nan_swallowed, "NaN in input answers 0.0")],
    "dtype": [Mutant("fp64 out of fp32", "l1_loss", answer_in_float64, "float64 from float32")],
    "long_half_precision_mean": [
        Mutant("summed in fp16", "mse_loss", summed_in_half, "mean of 70,000", dtype="float16")
    ],
    "sample_weight": [Mutant("mean over N", "cross_entropy", weights_not_in_the_mean, "weighted mean")],
    "zero_weight_hides_anything": [Mutant("0 · NaN", "mse_loss", weight_multiplied, "NaN in a row of weight 0")],
    "rows_leave_the_batch": [
        Mutant("candidates stay", "info_nce_loss", weight_multiplied_by_row, "without rows of weight 0"),
        Mutant("rows cost something", "info_nce_loss", lambda f: lambda **k: f(**k) + 1e-9, "rows of weight 0 cost"),
    ],
    "ignored_rows": [
        Mutant(
            "torch's own: NaN gradients of ignored rows",
            "cross_entropy",
            lambda f: without_extras(f),
            "gradient of an ignored row",
        )
    ],
    "mean_over_nothing": [Mutant("0 / 0", "mse_loss", nothing_is_nan, "a mean over nothing is nan")],
    "normalizer": [Mutant("normalizer ignored", "l1_loss", normalizer_ignored, "parts of a batch")],
    "gradient": [
        Mutant("gradient doubled", "kl_div", slope_doubled, "gradient of input"),
        Mutant("the wrong sign", "l1_loss", negative, "gradient of input"),
    ],
    "gradient_of_options": [
        Mutant("detached", "huber_loss", option_detached("delta"), "gradient of delta"),
        Mutant("read as a number", "focal_loss", option_read("gamma"), "gradient of gamma"),
        Mutant(
            "another value",
            "cross_entropy",
            wrong_when(lambda **k: torch.is_tensor(k["temperature"])),
            "of temperature",
        ),
    ],
    "options_stay_on_their_device": [
        Mutant("read on the host", "smooth_l1_loss", option_read("beta"), "reads an option on the host")
    ],
    "remembered": [
        Mutant("options of the first call", "huber_loss", first_of("delta"), "a call like one before"),
        Mutant("data of the first call", "nll_loss", first_of("target"), "a call like one before"),
        Mutant("gradients wanted by the first call", "l1_loss", first_wants, "a call like one before"),
        Mutant("a kernel that is wrong when it is remembered", "mse_loss", wrong_from_memory, "a call like one before"),
    ],
    "second_derivative": [Mutant("zeros", "cross_entropy", second_derivative_zero, "input, error", dtype="float64")],
    "forward_mode": [Mutant("tangent dropped", "mse_loss", tangent_dropped, "jvp of input")],
    "ties": [
        Mutant("half the slope at a tie", "hinge_embedding_loss", half_at_ties, "at a hinge"),
        Mutant("as JAX's |x| has it", "l1_loss", slope_at_no_error, "at a hinge or a perfect prediction"),
    ],
    "vmap": [Mutant("wrong when mapped", "mse_loss", wrong_when(lambda **k: is_mapped(k["input"])), "vmap over input")],
    "compiled": [
        Mutant("wrong when compiled", "mse_loss", wrong_when(lambda **k: torch.compiler.is_compiling()), "compiled")
    ],
    "export": [
        Mutant("wrong when exported", "mse_loss", wrong_when(lambda **k: torch.compiler.is_exporting()), "exported")
    ],
    "strides": [Mutant("strides ignored", "mse_loss", strides_ignored, "strided input")],
    "inputs_unmodified": [Mutant("written in place", "mse_loss", input_scaled_in_place, "wrote to input")],
    "invalid_input": [
        Mutant("any reduction accepted", "mse_loss", any_reduction, "reduction='average' is accepted"),
        Mutant("a message that names nothing", "huber_loss", value_error_without_names, "does not name it"),
        Mutant("class C accepted", "nll_loss", last_class_accepted, "is accepted"),
    ],
    "integer_dtypes": [
        Mutant("int8", "nll_loss", wrong_when(lambda **k: k["target"].dtype == torch.int8), "target of int8")
    ],
    "properties": [
        Mutant(
            "depends on the shift",
            "cross_entropy",
            wrong_when(lambda **k: k["input"].mean() > 2),
            "when all logits shift",
            dtype="float64",
        ),
        Mutant(
            "not zero at the target",
            "mse_loss",
            lambda f: lambda **k: f(**k) + 1e-9,
            "perfect prediction",
            dtype="float64",
        ),
        Mutant(
            "not symmetric",
            "l1_loss",
            wrong_when(lambda **k: k["input"].sum() > k["target"].sum()),
            "is not symmetric",
            dtype="float64",
        ),
        Mutant(
            "a well beside the target",
            "l1_loss",
            lambda f: lambda **k: torch.sqrt(f(**k)),
            "is not convex",
            dtype="float64",
        ),
        Mutant(
            "depends on where the points lie",
            "quantile_loss",
            wrong_when(lambda **k: k["input"].sum() > 2),
            "changes when all points are moved",
            dtype="float64",
        ),
        Mutant(
            "vectors are moved, and their first elements stay",
            "triplet_margin_loss",
            lambda f: lambda anchor, **k: f(anchor=anchor + 1e-3 * anchor[..., :1], **k),
            "changes when all points are moved",
            dtype="float64",
        ),
        Mutant(
            "an eps beside the squared lengths",
            "cosine_embedding_loss",
            lambda f: lambda input1, **k: f(input1=torch.cat([input1, 0 * input1[..., :1] + 0.1], -1), **padded(k)),
            "changes when all points are multiplied",
            dtype="float64",
        ),
        Mutant(
            "the first row counts more",
            "nll_loss",
            first_row_counts_more,
            "depends on the order of the rows",
            dtype="float64",
        ),
        Mutant(
            "the first class is easier",
            "cross_entropy",
            lambda f: lambda input, **k: f(input=first_class_raised(input), **k),
            "changes when classes are relabelled",
            dtype="float64",
        ),
        Mutant(
            "the blank stays 0",
            "ctc_loss_with_logits",
            lambda f: lambda logits, **k: f(logits=logits, **k) + 1e-3 * (logits[..., 0] - logits[..., 1]).sum(),
            "changes when classes are relabelled",
            dtype="float64",
        ),
        Mutant(
            "the second label is easier",
            "hinge_loss",
            lambda f: lambda input, **k: f(input=input + 1e-3, **k),
            "changes when its two labels change places",
            dtype="float64",
        ),
        Mutant(
            "a clamp beyond the bound",
            "binary_cross_entropy",
            lambda f: lambda **k: 1.001 * f(**k),
            "outside its bounds 0 and 100",
            dtype="float64",
        ),
        Mutant(
            "sure by a tenth too little",
            "cross_entropy",
            lambda f: lambda input, **k: f(input=0.9 * input, **k),
            "the truth costs",
            dtype="float64",
        ),
        Mutant(
            "large losses weigh more",
            "binary_cross_entropy_with_logits",
            lambda f: lambda **k: f(**k) ** 2,
            "the truth costs",
            dtype="float64",
        ),
        Mutant(
            "a rate that is too high",
            "poisson_nll_loss",
            lambda f: lambda input, **k: f(input=1.2 * input, **k),
            "the truth costs",
            dtype="float64",
        ),
        Mutant(
            "a variance with Bessel's correction",
            "gaussian_nll_loss",
            lambda f: lambda var, **k: f(var=1.1 * var if torch.is_tensor(var) else var, **k),
            "the truth costs",
            dtype="float64",
        ),
    ],
    "nonnegative": [
        Mutant("negative", "huber_loss", negative, "below 0"),
        Mutant(
            "below 0 by a rounding",
            "ctc_loss_with_logits",
            lambda f: lambda **k: f(**k) - 4e-15,
            "below 0",
            dtype="float64",
        ),
    ],
    "implementations": [
        Mutant(
            "ATen differs", "mse_loss", wrong_when(lambda **k: k.get("impl") == "aten"), "aten against the reference"
        )
    ],
    "determinism": [
        Mutant("depends on the batch", "cross_entropy", batch_centred, "a row depends on others"),
        Mutant(
            "depends on the threads",
            "mse_loss",
            wrong_when(lambda **k: torch.get_num_threads() == 1),
            "number of threads",
        ),
    ],
    "no_side_effects": [
        Mutant("grad mode left on", "mse_loss", grad_mode_left_on, "changes the state"),
        Mutant("random numbers drawn", "mse_loss", random_state_used, "changes the state"),
    ],
    "module": [Mutant("another loss", "l1_loss", lambda f: f, "MSELoss")],
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
    words = []
    for case in broken_cases(mutant, check):
        try:
            CHECKS[check].run(case)
        except AssertionError as error:
            words.append(str(error))
            break
        finally:
            torch.set_grad_enabled(before)
    assert words, f"check_{check} passes a {mutant.loss} with this defect: {mutant.what}"
    assert mutant.says in words[0], f"check_{check} fails for another reason than {mutant.what!r}: {words[0]}"


def weighed_by_its_error(held: bool) -> Loss:
    """|x - y| · |x - y|, of which the first factor may be held."""

    def loss(input: Any, target: Any, beta: float = 1.0, **k: Any) -> Any:
        weight = torch.abs(input - target)
        return lossary.l1_loss(input, target, weight=weight.detach() if held else weight, **k)

    return loss


def true_weighed_by_its_error(input: Any, target: Any, beta: float = 1.0, frozen: Any = None, **k: Any) -> Any:
    at = frozen or {"input": input, "target": target}
    weight = np.abs(oracles.exact(at["input"]) - oracles.exact(at["target"]))
    return oracles.l1_loss(input, target, weight=weight, **k)


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "not-declared"])
@pytest.mark.parametrize("held", [True, False], ids=["held", "not-held"])
@pytest.mark.parametrize("check", ["gradient", "second_derivative"])
def test_a_term_is_held_where_the_record_says_so_and_nowhere_else(check: str, held: bool, declared: bool):
    record = dataclasses.replace(record_of(lossary.smooth_l1_loss), held=(Held("w", "the weight |x - y|"),) * declared)
    words = []
    for case in cases(lossary.smooth_l1_loss, true_weighed_by_its_error, LIBRARIES["torch"], "float64", range(4)):
        try:
            CHECKS[check].run(dataclasses.replace(case, loss=record, function=weighed_by_its_error(held)))
        except AssertionError as error:
            words.append(str(error))
    assert bool(words) == (held != declared), words


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


@pytest.mark.parametrize("loss", lossary.catalogue(), ids=lambda loss: loss.name)
def test_samples_have_each_option_as_it_is_by_default(loss):
    """None among them: a loss without its softcap is what most people call."""
    drawn = [ordinary(loss, seed).arguments for seed in range(64)]
    numbers = [name for name, allowed in loss.options.items() if isinstance(allowed, Range) and not allowed.integer]
    missing = [n for n in numbers if not any(n in given and given[n] == loss.defaults[n] for given in drawn)]
    assert missing == []


def case_arrays(loss: Any) -> list[np.ndarray]:
    every = cases(loss.public, lambda: 0, LIBRARIES["numpy"], "float64", range(8))
    return [x for case in every for x in case.sample.arrays.values()]
