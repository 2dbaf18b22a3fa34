"""Calls that are remembered, in C++ where that is built, answer as the first call did."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.overrides import BaseTorchFunctionMode
from torch.utils.flop_counter import FlopCounterMode

import lossary
from lossary.core.check import check
from lossary.dispatch import call as calls
from lossary.dispatch import implementations
from lossary.dispatch import remembered as memory
from lossary.dispatch.remembered import REMEMBERED, Remembered
from lossary.kernels import autograd, operators
from lossary.kernels.recipe import Recipe, Source, make
from lossary.kernels.status import missing
from lossary.testing import LIBRARIES, cases

pytestmark = pytest.mark.skipif(missing() is not None, reason=str(missing()))


def drawn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


LOGITS, LABELS = drawn(6, 4).float(), torch.tensor([0, 3, 1, 2, 2, 0])


class Named(torch.Tensor):
    """A tensor of somebody's own class."""


@pytest.fixture(autouse=True, params=["C++", "Python"])
def caller(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    REMEMBERED.clear()
    if request.param == "Python":
        monkeypatch.setattr(operators, "native", None)
    elif operators.native is None:
        pytest.skip("calls in C++ are not built here")
    return request.param


def recipes() -> list[Recipe]:
    """Of operators; formulas are remembered too."""
    return [known.recipe for known in REMEMBERED.values() if isinstance(known.recipe, Recipe)]


def remembered(*args: Any, **options: Any) -> torch.Tensor:
    """The cross-entropy by a plan: the first call makes it."""
    lossary.cross_entropy(*args, **options)
    (known,) = REMEMBERED.values()
    assert known.in_cpp == (operators.native is not None)
    return lossary.cross_entropy(*args, **options)


def test_a_call_of_the_same_kind_takes_the_plan_with_its_own_data() -> None:
    for seed in range(3):
        x = drawn(6, 4, seed=seed).float().requires_grad_()
        got = lossary.cross_entropy(x, LABELS, label_smoothing=0.2)
        expected = lossary.cross_entropy(x, LABELS, label_smoothing=0.2, impl="reference")
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(torch.autograd.grad(got, x), torch.autograd.grad(expected, x))
        assert len(recipes()) == 1


@pytest.mark.parametrize("change", ["option", "dtype", "shape", "grad", "type of the option", "name"])
def test_another_kind_takes_another_plan(change: str) -> None:
    lossary.huber_loss(LOGITS, LOGITS + 1, delta=1.0)
    x = LOGITS.double() if change == "dtype" else LOGITS[:3] if change == "shape" else LOGITS.clone()
    x.requires_grad_(change == "grad")
    name, delta = ("beta" if change == "name" else "delta"), {"option": 0.5, "type of the option": 1}.get(change, 1.0)
    loss = lossary.smooth_l1_loss if change == "name" else lossary.huber_loss
    got = loss(x, x.detach() + 1, **{name: delta})
    assert got.dtype == x.dtype and got.requires_grad == x.requires_grad
    assert float(got.detach()) == (0.375 if change == "option" else 0.5) and len(recipes()) == 2


@pytest.mark.filterwarnings("ignore:kl_div")
@pytest.mark.parametrize("change", ["half weights", "small classes", "whole targets", "half targets", "batchmean"])
def test_casts_are_remembered_with_the_plan(change: str) -> None:
    for seed in range(3):
        x, positive = drawn(6, 4, seed=seed).float(), drawn(6, 4, seed=seed + 9).abs()
        args, options = (x, (positive * 9).argmax(1)), {}
        loss = lossary.cross_entropy
        if change == "half weights":
            x, options = x.bfloat16(), {"weight": positive[0].bfloat16()}
            args = (x, args[1])
        elif change == "small classes":
            args = (x, args[1].int())
        elif change == "batchmean":
            loss, args, options = lossary.kl_div, (x.log_softmax(1), positive.softmax(1).float()), {"reduction": change}
        else:
            loss = lossary.binary_cross_entropy_with_logits
            args = (x, (positive > 0.5).long() if change == "whole targets" else positive.sigmoid().bfloat16())
        given = args[0].clone().requires_grad_()
        got, expected = loss(given, *args[1:], **options), loss(given, *args[1:], **options, impl="reference")
        torch.testing.assert_close(got, expected)
        for graph in (False, True):
            slopes = [torch.autograd.grad(y, given, retain_graph=True, create_graph=graph)[0] for y in (got, expected)]
            torch.testing.assert_close(*slopes)
        seconds = [torch.autograd.grad(y.float().pow(2).sum(), given)[0] for y in slopes if y.requires_grad]
        assert not seconds or torch.allclose(*seconds, rtol=2e-2, atol=1e-5)
    assert len(recipes()) == 1


def test_what_is_more_than_tensors_and_options_has_no_kind() -> None:
    x = LOGITS.clone()

    def has_kind(*args: Any, **options: Any) -> bool:
        return memory.cache_key(lossary.cross_entropy.loss, args or (x, LABELS), options) is not None

    assert has_kind() and has_kind(x, LABELS, None, ignore_index=-1, reduction="sum", label_smoothing=0.1, flag=True)
    assert has_kind(torch.nn.Parameter(x)) and not has_kind(torch.nn.Buffer(x).as_subclass(Named))
    assert not has_kind(x.T) and not has_kind(x.to_sparse()) and not has_kind(x.to("meta")) and not has_kind([1.0])
    with torch.inference_mode():
        assert has_kind()
    with torch.autocast("cpu"):
        assert not has_kind()
    with BaseTorchFunctionMode():
        assert has_kind()
    with FlopCounterMode(display=False):
        assert not has_kind()
    with torch.autograd.forward_ad.dual_level():
        assert not has_kind(torch.autograd.forward_ad.make_dual(x, x), LABELS)
    kinds: list[Any] = []
    torch.func.grad(lambda x: kinds.append(has_kind(x, LABELS)) or x.sum())(x)
    torch.jit.trace(lambda x: kinds.append(has_kind(x, LABELS)) or x * 2, x, check_trace=False)
    assert kinds == [False, False]


@pytest.mark.filterwarnings("ignore:kl_div")
def test_every_loss_that_the_kernels_serve_is_remembered() -> None:
    for loss in lossary.catalogue():
        served = answered = 0
        for case in cases(loss.public, lambda: 0, LIBRARIES["torch"], "float32", range(20)):
            if lossary.explain(loss.public, **case.arguments).chosen == "fused":
                case.call()
                served += 1
                answered += memory.cache_key(loss, (), case.arguments) in REMEMBERED
        assert answered >= 0.9 * served, f"{loss.name}: {answered} of {served}"
        assert served or loss.kernel is None


def test_tensors_that_are_derived_from_the_callers_are_made_again() -> None:
    for seed in range(3):
        x, weight = drawn(6, 4, seed=seed).requires_grad_(), drawn(6, seed=seed + 9).exp()
        got = lossary.mse_loss(x, LOGITS.double(), sample_weight=weight.float())
        expected = lossary.mse_loss(x, LOGITS.double(), sample_weight=weight.float(), impl="reference")
        torch.testing.assert_close(got, expected)
        slopes = [torch.autograd.grad(y, x, create_graph=True)[0] for y in (got, expected)]
        torch.testing.assert_close(*slopes)
        torch.testing.assert_close(*(torch.autograd.grad(slope.pow(2).sum(), x)[0] for slope in slopes))
        assert len(recipes()) == 1
    assert not any(known.in_cpp for known in REMEMBERED.values())


def test_options_that_are_none_are_no_tensors() -> None:
    for seed in range(2):
        x = drawn(4, seed=seed).requires_grad_()
        got, expected = (
            lossary.cross_entropy(x, LABELS[0], softcap=None, temperature=2.5, impl=impl)
            for impl in ("auto", "reference")
        )
        torch.testing.assert_close(got, expected)
        torch.testing.assert_close(torch.autograd.grad(got, x), torch.autograd.grad(expected, x))


@pytest.mark.parametrize("option", [torch.tensor(2.0), torch.tensor(2.0, requires_grad=True)])
def test_an_option_that_is_a_tensor_answers_for_its_own_value(option: torch.Tensor) -> None:
    for _ in range(2):
        lossary.huber_loss(LOGITS, 9 * LOGITS, delta=option)
    for delta in (3.0, 0.5):
        with torch.no_grad():
            option.fill_(delta)
        expected = lossary.huber_loss(LOGITS, 9 * LOGITS, delta=delta)
        torch.testing.assert_close(lossary.huber_loss(LOGITS, 9 * LOGITS, delta=option).detach(), expected)


@pytest.mark.parametrize("kind", [ValueError, IndexError, RuntimeError])
def test_what_a_hook_of_the_callers_raises_is_the_callers(kind: type[Exception]) -> None:
    packed: list[torch.Tensor] = []

    def pack(x: torch.Tensor) -> torch.Tensor:
        packed.append(x)
        raise kind("the hook's own")

    x = LOGITS.clone().requires_grad_()
    for known in (False, True):
        packed.clear()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x), pytest.raises(kind, match="the hook's own"):
            lossary.cross_entropy(x, LABELS)
        assert len(packed) == 1  # and nothing was run a second time
        lossary.cross_entropy(x, LABELS)
        assert known or len(recipes()) == 1


def test_the_least_recently_used_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "MAX_REMEMBERED", 4)

    def call(n: int) -> None:
        lossary.huber_loss(torch.zeros(n), torch.ones(n))

    for n in (1, 2, 3, 4, 1, 5, 3, 6):  # 5 takes the place of 2, and 6 that of 4
        call(n)
    kept = set(REMEMBERED)
    for n in (1, 5, 3, 6):
        call(n)
    assert set(REMEMBERED) == kept and len(kept) == 4


def test_one_tensor_in_two_places_is_told_apart() -> None:
    assert float(lossary.mse_loss(LOGITS, LOGITS)) == 0 and len(REMEMBERED) == 1
    assert float(lossary.mse_loss(LOGITS, LOGITS + 1)) == 1 and len(REMEMBERED) == 1


def test_a_tensor_in_an_option_has_no_key() -> None:
    key = memory.cache_key(lossary.huber_loss.loss, (LOGITS, LOGITS), {"delta": torch.tensor(1.0)})
    assert key is None
    assert memory.cache_key(lossary.cross_entropy.loss, (LOGITS, LABELS, None, None, torch.tensor(1)), {}) is None


def test_calls_of_the_formula_are_remembered_and_still_look_at_data() -> None:
    frames, labels = drawn(5, 2, 4).log_softmax(2), torch.tensor([[1, 2], [3, 1]])
    for impl in ("reference", "auto"):
        given = (torch.tensor([5, 5]), torch.tensor([2, 2]))
        first = lossary.ctc_loss(frames, labels, *given, impl=impl)
        assert len(REMEMBERED) == (1 if impl == "reference" else 2)
        torch.testing.assert_close(lossary.ctc_loss(frames, labels, *given, impl=impl), first, rtol=0, atol=0)
        with pytest.raises(IndexError, match=r"ctc_loss: targets holds 4 at \[0, 1\]"):
            lossary.ctc_loss(frames, torch.tensor([[1, 4], [3, 1]]), *given, impl=impl)
    found = lossary.ctc_align(frames, labels, *given)
    assert len(REMEMBERED) == 3
    again = lossary.ctc_align(frames.flip(0), labels, *given)
    expected = lossary.ctc_align(frames.flip(0).numpy(), labels.numpy(), *(x.numpy() for x in given))
    assert torch.equal(again.labels, torch.as_tensor(expected.labels)) and not torch.equal(again.scores, found.scores)


def test_statistics_of_rows_are_remembered() -> None:
    assert "log_prob(" in str(lossary.explain(lossary.log_prob, LOGITS, LABELS))
    assert lossary.explain(lossary.ctc_align, drawn(5, 4), LABELS[2:4], 5, 2).chosen == "reference"
    weight = drawn(4, 3, seed=2)
    for seed in range(2):
        x, features = drawn(6, 4, seed=seed).requires_grad_(), drawn(6, 3, seed=seed).requires_grad_()
        for call, leaf in (
            (lambda impl, x=x: lossary.log_prob(x, LABELS, ignore_index=2, impl=impl), x),
            (lambda impl, f=features: lossary.linear_log_prob(f, weight, LABELS, impl=impl), features),
        ):
            got, expected = call("auto"), call("reference")
            torch.testing.assert_close(tuple(got), tuple(expected))
            sums = [(a.log_prob + a.entropy).sum() for a in (got, expected)]
            torch.testing.assert_close(*(torch.autograd.grad(y, leaf)[0] for y in sums))
    assert len(REMEMBERED) == 4
    with pytest.raises(IndexError, match="log_prob: target holds 4 at"):
        lossary.log_prob(x, LABELS + 1)


def test_a_plan_says_what_is_wrong_as_the_first_call_does() -> None:
    lossary.cross_entropy(LOGITS, LABELS)
    with pytest.raises(IndexError, match="cross_entropy: target holds 4 at"):
        lossary.cross_entropy(LOGITS, LABELS + 1)
    lossary.binary_cross_entropy(LOGITS.sigmoid(), LOGITS.sigmoid() / 2)
    with pytest.raises(ValueError, match="binary_cross_entropy: target holds"):
        lossary.binary_cross_entropy(LOGITS.sigmoid(), LOGITS.sigmoid() + 2)


@pytest.mark.parametrize("impl", ["auto", "reference"])
def test_a_warning_is_given_every_time_and_once(impl: str) -> None:
    for _ in range(3):
        with pytest.warns(UserWarning, match="kl_div") as given:
            lossary.kl_div(LOGITS.log_softmax(1), LOGITS.softmax(1), impl=impl)
        assert len(given) == 1


def test_strict_checking_and_transforms_are_not_skipped() -> None:
    x = LOGITS.clone()
    lossary.cross_entropy(x, LABELS)
    x[0, 0] = torch.nan
    with lossary.strict(), pytest.raises(ValueError, match="cross_entropy: input holds nan"):
        lossary.cross_entropy(x, LABELS)
    lossary.cross_entropy(LOGITS[0], LABELS[0])
    rows = torch.vmap(lossary.cross_entropy)(LOGITS, LABELS)
    torch.testing.assert_close(rows, lossary.cross_entropy(LOGITS, LABELS, reduction="none"))


@pytest.mark.filterwarnings("ignore")  # the tracer's own, of shapes that it takes for constants
def test_a_traced_call_can_be_saved(tmp_path: Path) -> None:
    x = LOGITS.clone().requires_grad_()
    expected = lossary.cross_entropy(x, LABELS)
    torch.jit.trace(lossary.cross_entropy, (x, LABELS)).save(str(tmp_path / "traced.pt"))
    torch.testing.assert_close(torch.jit.load(str(tmp_path / "traced.pt"))(x, LABELS), expected)


def test_derivatives_of_a_remembered_gradient_are_those_of_the_formula() -> None:
    weight = drawn(4, seed=5).exp()
    for _ in range(2):
        x = LOGITS.double().requires_grad_()
        loss = lossary.cross_entropy(x, LABELS, weight, sample_weight=drawn(6, seed=6).exp())
        (slope,) = torch.autograd.grad(loss, x, create_graph=True)
        expected = lossary.cross_entropy(x, LABELS, weight, sample_weight=drawn(6, seed=6).exp(), impl="reference")
        (exact,) = torch.autograd.grad(expected, x, create_graph=True)
        seconds = (torch.autograd.grad(g.pow(2).sum(), x)[0] for g in (slope, exact))
        torch.testing.assert_close(*seconds)
    assert len(recipes()) == 1


def test_a_plan_keeps_no_tensor_and_a_loss_none_after_its_backward() -> None:
    x = LOGITS.clone().requires_grad_()
    y = x * 2
    kept = weakref.ref(y)
    loss = lossary.cross_entropy(y, LABELS)
    loss.backward()
    del y
    gc.collect()
    assert kept() is None and len(recipes()) == 1


def test_a_gradient_may_be_taken_twice_and_scaled() -> None:
    x = LOGITS.clone().requires_grad_()
    loss = remembered(x, LABELS)
    first = torch.autograd.grad(loss, x, retain_graph=True)[0].clone()
    scaled = torch.autograd.grad(loss, x, torch.tensor(3.0), retain_graph=True)[0]
    torch.testing.assert_close(scaled, 3 * first)
    torch.testing.assert_close(torch.autograd.grad(remembered(x, LABELS), x, torch.tensor(3.0))[0], 3 * first)
    torch.testing.assert_close(torch.autograd.grad(loss, x)[0], first)
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(loss, x)


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_gradients_of_many_incoming_ones_at_once(reduction: str) -> None:
    x = LOGITS.clone().requires_grad_()
    for loss in (lossary.cross_entropy(x, LABELS, reduction=reduction), remembered(x, LABELS, reduction=reduction)):
        upstream = drawn(3, *loss.shape, seed=2).float()
        (together,) = torch.autograd.grad(loss, x, upstream, is_grads_batched=True, retain_graph=True)
        single = [torch.autograd.grad(loss, x, u, retain_graph=True)[0] for u in upstream]
        torch.testing.assert_close(together, torch.stack(single))
        REMEMBERED.clear()


def test_a_loss_scale_comes_before_the_rounding_to_fp16() -> None:
    x, labels = torch.zeros(4096, 64).half().requires_grad_(), torch.zeros(4096, dtype=torch.long)
    (slope,) = torch.autograd.grad(remembered(x, labels), x, torch.tensor(2.0**10).half())
    torch.testing.assert_close(slope[:, 1:].float(), torch.full((4096, 63), 2.0**10 / 4096 / 64))


def test_gradients_of_rows_wait_for_what_comes_in() -> None:
    x, upstream = LOGITS.clone().requires_grad_(), drawn(6, seed=1).float()
    rows = remembered(x, LABELS, reduction="none")
    expected = lossary.cross_entropy(x, LABELS, reduction="none", impl="reference")
    torch.testing.assert_close(torch.autograd.grad(rows, x, upstream), torch.autograd.grad(expected, x, upstream))


def test_logits_that_have_changed_since_are_noticed() -> None:
    x = LOGITS.clone().requires_grad_()
    y = x * 2
    loss = remembered(y, LABELS)
    with torch.no_grad():
        y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        torch.autograd.grad(loss, x, create_graph=True)


def test_an_error_of_the_backward_in_python_is_raised_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    class Unforeseen(Exception):
        pass

    def fail(*_: Any) -> Any:
        raise Unforeseen

    x = LOGITS.clone().requires_grad_()
    loss = remembered(x, LABELS)
    monkeypatch.setattr(autograd, "_of_formula", fail)
    with pytest.raises(Unforeseen):
        torch.autograd.grad(loss, x, create_graph=True)


def test_the_graph_says_what_it_holds(caller: str) -> None:
    x = LOGITS.clone().requires_grad_()
    seen: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: seen.append(t) or t, lambda t: t):
        loss = remembered(x, LABELS)
    assert any(t is x or t.data_ptr() == x.data_ptr() for t in seen)
    assert loss.grad_fn is not None
    assert loss.grad_fn.name() == ("LossBackward" if caller == "C++" else "FusedBackward")


def test_nobody_who_wants_no_gradient_gets_a_graph() -> None:
    assert not remembered(LOGITS, LABELS).requires_grad
    REMEMBERED.clear()
    with torch.no_grad():
        assert not remembered(LOGITS.clone().requires_grad_(), LABELS).requires_grad


# Recipes --------------------------------------------------------------------------------------------------------------


def test_a_recipe_says_where_each_argument_comes_from() -> None:
    x = LOGITS.repeat(5, 1, 1).requires_grad_()  # (N, L, C)
    given = {"label_smoothing": 0.1, "sample_weight": torch.ones(5, dtype=torch.float64)}
    said = str(lossary.explain(lossary.cross_entropy, x.movedim(2, 1), LABELS.int().repeat(5, 1), **given))
    assert said.splitlines()[4:] == [
        "  torch.ops.lossary.softmax_rows(",
        "    logits = input.movedim(1, -1).reshape((30, 4))",
        "    target = target.reshape((30,)).to(torch.int64)",
        "    weight = None",
        "    ignore_index = -100",
        "    label_smoothing = 0.1",
        "    gamma = 0.0",
        "    row_weight = sample_weight.to(torch.float32).reshape((5, 1)).expand((5, 6)).reshape((30,))",
        "    reduction = mean",
        "    normalizer = None",
        "    gradients = logits",
        "  )",
    ]
    said = str(lossary.explain(lossary.mse_loss, LOGITS, LOGITS.double(), sample_weight=drawn(6)))
    assert "normalizer = sum_of_weights(sample_weight.reshape((6, 1)), dtype=torch.float64, share=4.0)" in said
    assert "input = input.to(torch.float64)" in said
    assert "torch.ops" not in str(lossary.explain(lossary.mse_loss, LOGITS.numpy(), LOGITS.numpy()))


@pytest.mark.filterwarnings("ignore:kl_div")
def test_a_recipe_has_every_array_of_its_call() -> None:
    """Or the second derivative, which is the formula's, would lack it."""
    for loss in lossary.catalogue():
        for case in cases(loss.public, lambda: 0, LIBRARIES["torch"], "float32", range(8)):
            call = check(loss, loss.bind((), dict(case.arguments)))
            if implementations.choose(call) is implementations.FUSED:
                recipe, _ = make(call)
                given = {name for source in recipe.sources if isinstance(source, Source) for name in source.arguments()}
                assert given == set(call.arrays()), f"{loss.name}: {recipe}"


def casts_left_out(known: Remembered) -> Remembered:
    sources = tuple(replace(s, steps=tuple(x for x in s.steps if x[0] != "to")) for s in known.recipe.sources)
    return remade(known, sources)


def slots_exchanged(known: Remembered) -> Remembered:
    return remade(known, known.recipe.sources[::-1])


def remade(known: Remembered, sources: Any) -> Remembered:
    recipe = replace(known.recipe, sources=sources)
    among = {"input": 0, "target": 1, "sample_weight": "sample_weight"}
    places = {name: among[name] for source in sources for name in source.arguments()}
    return Remembered(recipe, *memory.repeater(recipe, places, {}))


def agrees_with_weights_of_another_dtype() -> None:
    weight = drawn(6, seed=5).exp()
    for seed in range(2):
        x = drawn(6, 4, seed=seed).float()
        got = lossary.cross_entropy(x, LABELS, reduction="sum", sample_weight=weight)
        torch.testing.assert_close(got, (weight * F.cross_entropy(x, LABELS, reduction="none")).sum().float())


def agrees_with_two_of_a_kind() -> None:
    for seed in range(2):
        p, t = drawn(2, 6, seed=seed).sigmoid()
        torch.testing.assert_close(lossary.binary_cross_entropy(p, t), F.binary_cross_entropy(p, t))


def agrees_with_another_option() -> None:
    for delta in (1.0, 0.5):
        got = lossary.huber_loss(LOGITS, 9 * LOGITS, delta=delta)
        torch.testing.assert_close(got, F.huber_loss(LOGITS, 9 * LOGITS, delta=delta))


RECIPES_BROKEN: dict[str, tuple[Callable[[Remembered], Remembered] | None, Callable[[], None]]] = {
    "wrong cast": (casts_left_out, agrees_with_weights_of_another_dtype),
    "wrong slot": (slots_exchanged, agrees_with_two_of_a_kind),
    "stale option": (None, agrees_with_another_option),
}


@pytest.mark.parametrize("broken", RECIPES_BROKEN)
def test_a_broken_recipe_is_caught(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    break_, agrees = RECIPES_BROKEN[broken]
    agrees()
    REMEMBERED.clear()
    recall, key = calls.recall, calls.cache_key
    if break_ is None:  # a key without the values of options

        def without_values(loss: Any, args: Any, kwargs: dict[str, Any]) -> Any:
            return key(loss, args, dict.fromkeys(kwargs))

        monkeypatch.setattr(calls, "cache_key", without_values)
    else:
        monkeypatch.setattr(calls, "recall", lambda key: (known := recall(key)) and break_(known))
    with pytest.raises((AssertionError, RuntimeError)):
        agrees()
