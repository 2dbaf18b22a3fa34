"""CTC beside every alignment enumerated, mpmath, and itself: other forms of a call, other batches, other threads."""

from collections.abc import Callable
from itertools import groupby, product
from typing import Any, NamedTuple

import numpy as np
import oracles
import pytest
import torch
from oracles import mp

import lossary
from lossary.core import alignments
from lossary.kernels.status import missing

Loss = Callable[..., Any]
LOSSES = (lossary.ctc_loss, lossary.ctc_loss_with_logits)
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8)
each_loss = pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.__name__)
of_kernels = pytest.mark.skipif(missing() is not None, reason="what kernels answer, to the last digits or by name")
each_impl = pytest.mark.parametrize("impl", ["auto", "reference"])


class Truth(NamedTuple):
    """The probability of a word, and of each class in each frame given the word."""

    spelt: Any
    posterior: Any


def by_enumeration(prob: np.ndarray, word: list[int], blank: int) -> Truth:
    spelt, posterior = 0.0, np.zeros_like(prob)
    for path in product(range(prob.shape[1]), repeat=len(prob)):
        if [k for k, _ in groupby(path) if k != blank] == word:
            p = np.prod([prob[t, k] for t, k in enumerate(path)])
            spelt += p
            posterior[range(len(path)), path] += p
    return Truth(spelt, posterior / spelt if spelt else posterior)


def by_recursion(prob: np.ndarray, word: list[int], blank: int) -> Truth:
    """What a word's probability owes a class in a frame, which it is linear in, is what is left without the others."""
    spelt = oracles.by_recursion(prob, word, blank)
    posterior = np.full(prob.shape, mp.zero)
    for t, k in np.ndindex(prob.shape):
        if k in (blank, *word) and spelt:
            alone = prob.copy()
            alone[t] = mp.zero
            alone[t, k] = prob[t, k]
            posterior[t, k] = oracles.by_recursion(alone, word, blank) / spelt
    return Truth(spelt, posterior)


def drawn(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)).to(dtype)


def answers(loss: Loss, x: torch.Tensor, *args: Any, **options: Any) -> tuple[torch.Tensor, torch.Tensor]:
    leaf = x.clone().requires_grad_()
    value = loss(leaf, *args, **options)
    return value.detach(), torch.autograd.grad(value.sum(), leaf)[0]


def held(
    loss: Loss, x: torch.Tensor, word: list[int], blank: int, truth: Loss = by_enumeration, **options: Any
) -> None:
    """Value and gradient of one sample, from logits `x`, to the rounding of their dtype."""
    log_probs, eps = x.double().log_softmax(-1), torch.finfo(x.dtype).eps
    given = x if loss is LOSSES[1] else log_probs.to(x.dtype)
    value, slope = answers(loss, given, torch.tensor(word, dtype=torch.int64), [len(x)], [len(word)], blank, **options)
    prob = given.double().exp().numpy() if loss is LOSSES[0] else log_probs.exp().numpy()
    exact = truth(prob, word, blank)
    expected = -np.log(float(exact.spelt)) if exact.spelt else np.inf
    labels = max(len(word), 1) if options.get("reduction", "mean") == "mean" else 1
    np.testing.assert_allclose(value.item() * labels, expected, rtol=4 * eps, atol=4 * eps)
    posterior = exact.posterior.astype(float)
    wanted = (prob - posterior if loss is LOSSES[1] and exact.spelt else -posterior) / labels
    np.testing.assert_allclose(slope.double().numpy(), wanted, rtol=8 * eps, atol=8 * eps)


# Values and gradients -------------------------------------------------------------------------------------------------


WORDS = ([], [1], [2, 2], [1, 2], [1, 2, 1], [3, 3, 3])


@each_loss
@each_impl
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("frames", [1, 2, 4, 6])
def test_every_alignment_counts(loss: Loss, impl: str, dtype: torch.dtype, frames: int) -> None:
    for seed, word in enumerate(WORDS):
        for blank in (0, 3):
            labels = [k % 4 if blank == 0 else k - 1 for k in word]
            held(loss, 2 * drawn(frames, 4, seed=seed, dtype=dtype), labels, blank, impl=impl, reduction="none")


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_classes_that_are_masked_out(loss: Loss, dtype: torch.dtype) -> None:
    for seed, word in enumerate(WORDS):
        x = drawn(5, 4, seed=seed, dtype=dtype)
        x[0, 2], x[2, 0], x[3, 1:3], x[4, 3] = -torch.inf, -torch.inf, -torch.inf, -torch.inf
        held(loss, x, word, 0)


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("confidence", [3.0, 12.0, 36.5, 37.0, 300.0, 30000.0])
@of_kernels
def test_near_certain_alignments(loss: Loss, dtype: torch.dtype, confidence: float) -> None:
    """In the second word the last label fits no frame: what the other paths have in common must not be lost."""
    path = torch.tensor([1, 1, 0, 2, 2, 2, 0, 0, 2, 3, 0, 0])
    x = (confidence * torch.eye(5, dtype=torch.float64)[path] + drawn(12, 5)).to(dtype)
    for word in ([1, 2, 2, 3], [1, 2, 2, 4], [4], []):
        log_probs = x.double().log_softmax(-1)
        given = x if loss is LOSSES[1] else log_probs.to(dtype)
        prob = oracles.each(mp.exp, oracles.exact(given.double().tolist()))
        if loss is LOSSES[1]:
            prob = prob / prob.sum(axis=1, keepdims=True)
        exact = by_recursion(prob, word, 0)
        value, slope = answers(loss, given, torch.tensor(word).long(), 12, len(word), reduction="none")
        eps, rounding = torch.finfo(dtype).eps, 2**-52 * (16 + 8 * confidence)  # of log-probabilities, in fp64
        np.testing.assert_allclose(value.item(), float(-mp.log(exact.spelt)), rtol=4 * eps, atol=rounding)
        wanted = prob - exact.posterior if loss is LOSSES[1] else -exact.posterior
        np.testing.assert_allclose(slope.double().numpy(), wanted.astype(float), rtol=16 * eps, atol=rounding)


@each_impl
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_what_a_certain_alignment_costs_has_all_digits(impl: str, dtype: torch.dtype) -> None:
    """Also of alignments that are certain together, and alone are not: one or the other label in the fourth frame."""
    eps = torch.finfo(dtype).eps
    for confidence in (8.0, 17.0, 40.0):
        x = confidence * torch.eye(4, dtype=torch.float64)[[1, 0, 2, 0, 3]]
        x[3, 2:] += confidence
        x = (x + drawn(5, 4) / 4).to(dtype)
        prob = oracles.each(mp.exp, oracles.exact(x.double().tolist()))
        exact = by_recursion(prob / prob.sum(axis=1, keepdims=True), [1, 2, 3], 0)
        value, slope = answers(LOSSES[1], x, torch.tensor([1, 2, 3]), 5, 3, reduction="none", impl=impl)
        wanted = (prob / prob.sum(axis=1, keepdims=True) - exact.posterior).astype(float)
        assert value.item() == pytest.approx(float(-mp.log(exact.spelt)), rel=8 * eps)
        np.testing.assert_allclose(
            slope.double().numpy(), wanted, rtol=0, atol=16 * eps * np.abs(wanted).max() + 2**-52
        )


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16], ids=str)
def test_a_path_that_leads_nowhere_hides_no_other(loss: Loss, dtype: torch.dtype) -> None:
    """Half the frames say the first label, at odds of e^30000; the other half then say blank and never the second."""
    frames = 2000
    x = torch.zeros(frames, 3, dtype=torch.float64)
    x[: frames // 2, 1] = x[frames // 2 :, 0] = 30.0
    x[-1] = torch.tensor([0.0, 30.0, 0.0])
    given = (x if loss is LOSSES[1] else x.log_softmax(-1)).to(dtype)
    log_probs = (given.double().log_softmax(-1) if loss is LOSSES[1] else given.double()).tolist()
    prob = oracles.each(mp.exp, oracles.exact(log_probs))
    expected = -mp.log(oracles.by_recursion(prob, [1, 2], 0))
    value, slope = answers(loss, given, torch.tensor([1, 2]), frames, 2, reduction="none")
    assert value.item() == pytest.approx(float(expected), rel=4 * torch.finfo(dtype).eps)
    sums = slope.double().sum(1)
    torch.testing.assert_close(sums, torch.full_like(sums, 0.0 if loss is LOSSES[1] else -1.0), rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("loss", "dtype"), ((LOSSES[0], torch.float64), (LOSSES[1], torch.float32)), ids=["log-probabilities", "logits"]
)
@of_kernels
def test_long_sequences(loss: Loss, dtype: torch.dtype) -> None:
    frames, classes, word = 2000, 6, [1 + i * i % 5 for i in range(50)]
    given = drawn(frames, classes, dtype=dtype)
    given = given if loss is LOSSES[1] else given.double().log_softmax(-1).to(dtype)
    log_probs = given.double().log_softmax(-1) if loss is LOSSES[1] else given.double()
    prob = oracles.each(mp.exp, oracles.exact(log_probs.tolist()))
    with mp.workdps(25):
        spelt = oracles.by_recursion(prob, word, 0)
        parts = {}
        for t, k in ((3, 1), (700, 2), (1999, word[-1])):
            alone = prob.copy()
            alone[t] = mp.zero
            alone[t, k] = prob[t, k]
            parts[t, k] = float(oracles.by_recursion(alone, word, 0) / spelt)
    value, slope = answers(loss, given, torch.tensor(word), frames, len(word), reduction="none")
    eps = torch.finfo(dtype).eps
    assert value.item() == pytest.approx(float(-mp.log(spelt)), rel=4 * max(eps, 1e-15))
    for (t, k), posterior in parts.items():
        wanted = (float(prob[t, k]) if loss is LOSSES[1] else 0.0) - posterior
        assert slope[t, k].item() == pytest.approx(wanted, rel=4 * eps + 1e-11, abs=4 * eps)


@each_loss
def test_derivatives(loss: Loss) -> None:
    x = drawn(6, 3, 4).requires_grad_()
    sequences = (torch.tensor([[1, 1], [2, 3], [3, 0]]), torch.tensor([6, 4, 5]), torch.tensor([2, 2, 1]))
    weight = torch.tensor([0.5, 2.0, 1.5], dtype=torch.float64)
    for reduction in ("none", "mean", "sum"):
        call = lambda x, reduction=reduction: loss(x, *sequences, reduction=reduction, sample_weight=weight)  # noqa: E731
        assert torch.autograd.gradcheck(call, (x,), fast_mode=False)
    assert torch.autograd.gradgradcheck(lambda x: loss(x, *sequences), (x,), fast_mode=True)
    along = torch.func.jvp(lambda x: loss(x, *sequences), (x,), (torch.ones_like(x),))[1]
    torch.testing.assert_close(along, torch.autograd.grad(loss(x, *sequences), x)[0].sum())


def test_values_are_torchs() -> None:
    for seed in range(20):
        rng = np.random.default_rng(seed)
        targets = torch.tensor(rng.integers(1, 7, (4, 6)))
        frames, labels = torch.tensor(rng.integers(12, 31, 4)), torch.tensor(rng.integers(1, 7, 4))
        x = drawn(30, 4, 7, seed=seed).log_softmax(-1)
        for reduction in ("none", "mean", "sum"):
            given = (targets, frames, labels, 0, reduction)
            torch.testing.assert_close(lossary.ctc_loss(x, *given), torch.nn.functional.ctc_loss(x, *given))


# Forms of a call ------------------------------------------------------------------------------------------------------


@each_loss
@each_impl
def test_forms_of_targets_and_lengths(loss: Loss, impl: str) -> None:
    x = drawn(7, 3, 5)
    words, frames, labels = torch.tensor([[1, 1, 4], [3, 9, 9], [-5, 9, 9]]), [7, 5, 0], [3, 1, 0]
    expected = answers(loss, x, words, torch.tensor(frames), torch.tensor(labels), reduction="none", impl=impl)
    for n in range(3):
        alone = answers(loss, x[:, n], words[n], frames[n], labels[n], reduction="none", impl=impl)
        torch.testing.assert_close(alone, (expected[0][n], expected[1][:, n]), rtol=0, atol=0)
    concatenated = torch.tensor([1, 1, 4, 3])
    for dtype in INTEGERS:
        lengths = (torch.tensor(frames, dtype=dtype), torch.tensor(labels, dtype=dtype))
        forms = [(words.to(dtype), *lengths), (concatenated.to(dtype), *lengths), (words.to(dtype), frames, labels)]
        forms += [(concatenated.to(dtype), tuple(frames), tuple(labels)), (words.T.contiguous().T, *lengths)]
        for form in forms:
            for _ in range(2):  # the second time by its plan
                got = answers(loss, x, *form, reduction="none", impl=impl)
                torch.testing.assert_close(got, expected, rtol=0, atol=0)
    for lies in (x.transpose(0, 1).contiguous().transpose(0, 1), torch.stack([x, x], 3)[..., 0], x.mT.contiguous().mT):
        got = answers(loss, lies, words, frames, labels, reduction="none", impl=impl)
        torch.testing.assert_close(got, expected, rtol=0, atol=0)
    empty = answers(loss, x, torch.zeros(3, 0, dtype=torch.int64), frames, [0, 0, 0], reduction="none", impl=impl)
    torch.testing.assert_close(empty[0][2], torch.tensor(0.0, dtype=torch.float64))
    for batch in (0, 2):
        zeros = torch.zeros(batch, dtype=torch.int64)
        assert loss(x[:0, :batch], words[:batch], zeros, zeros, reduction="none").tolist() == [0.0] * batch


@each_loss
def test_samples_without_an_alignment_or_a_weight(loss: Loss) -> None:
    x = drawn(4, 3, 5)
    x[:, 2] = torch.nan
    sequences = (torch.tensor([[1, 2, 3], [2, 2, 2], [1, 1, 1]]), torch.tensor([4, 4, 4]), torch.tensor([2, 3, 2]))
    weight = torch.tensor([1.0, 3.0, 0.0], dtype=torch.float64)
    alone = answers(loss, x[:, :1], *(n[:1] for n in sequences), reduction="none")
    for dropped in (True, False):
        value, slope = answers(loss, x, *sequences, sample_weight=weight, reduction="none", zero_infinity=dropped)
        assert value.tolist() == [alone[0].item(), 0.0 if dropped else np.inf, 0.0]
        torch.testing.assert_close(slope, torch.cat([alone[1], torch.zeros(4, 2, 5).double()], 1), rtol=0, atol=0)
    mean, _ = answers(loss, x, *sequences, sample_weight=weight, zero_infinity=True)
    torch.testing.assert_close(mean, alone[0][0] / 2 / 4)
    assert answers(loss, x, *sequences)[0].isnan()


@each_loss
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_the_same_bits_for_any_threads_and_any_batch(loss: Loss, dtype: torch.dtype) -> None:
    x, targets = drawn(60, 9, 1500, dtype=dtype).log_softmax(-1), drawn(9, 12, 1500, seed=1)[:, :, 1:].argmax(-1) + 1
    frames, labels = torch.arange(52, 61), torch.arange(4, 13)
    before = torch.get_num_threads()
    expected = answers(loss, x, targets, frames, labels, reduction="none")
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            got = answers(loss, x, targets, frames, labels, reduction="none")
            assert torch.equal(got[0], expected[0]) and torch.equal(got[1], expected[1])
    finally:
        torch.set_num_threads(before)
    for part in (slice(0, 1), slice(3, 7)):
        got = answers(loss, x[:, part], targets[part], frames[part], labels[part], reduction="none")
        assert torch.equal(got[0], expected[0][part]) and torch.equal(got[1], expected[1][:, part])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@each_loss
def test_gradients_past_the_caches_are_those_within(loss: Loss, dtype: torch.dtype) -> None:
    """From 8 MiB on they are written another way; those of single samples are below."""
    x, targets = drawn(40, 6, 18001, dtype=dtype), torch.tensor([[1, 2, 2]] * 6)
    lengths = torch.tensor([40, 40, 31, 40, 3, 40]), torch.tensor([3, 2, 3, 0, 3, 1])
    x = x if loss is LOSSES[1] else x.log_softmax(2)
    assert x[:, :1].numel() * x.element_size() < 8 << 20 <= x.numel() * x.element_size()
    together = answers(loss, x, targets, *lengths, reduction="sum")[1]
    for n in range(6):
        one = answers(
            loss, x[:, n : n + 1].contiguous(), targets[n : n + 1], *(k[n : n + 1] for k in lengths), reduction="sum"
        )
        assert torch.equal(together[:, n], one[1][:, 0]), n


@each_loss
@pytest.mark.parametrize("dynamic", [False, True])
@of_kernels
def test_compiled_code_keeps_one_operator_that_checks_its_arguments(loss: Loss, dynamic: bool) -> None:
    torch.compiler.reset()  # all losses are one code to it, of which it remembers a limited number of versions
    graphs = []

    def backend(graph: torch.fx.GraphModule, _: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(loss, backend=backend, fullgraph=True, dynamic=dynamic)
    x, targets = drawn(7, 2, 5), torch.tensor([[1, 2], [3, 3]])
    frames, labels = torch.tensor([7, 6]), torch.tensor([2, 2])
    for reduction in ("none", "mean"):
        got = answers(compiled, x, targets, frames, labels, reduction=reduction)
        torch.testing.assert_close(got, answers(loss, x, targets, frames, labels, reduction=reduction))
    assert all("ctc" in graph.print_readable(print_output=False) for graph in graphs)
    for wrong in ((targets + 3, frames, labels), (targets - 1, frames, labels), (targets, frames + 1, labels)):
        with pytest.raises((ValueError, IndexError, RuntimeError), match=r"targets holds|input_lengths holds"):
            compiled(x, *wrong)


# Anything at all ------------------------------------------------------------------------------------------------------

BROKEN = {
    "a label past the classes": IndexError,
    "a label below 0": IndexError,
    "the blank among the labels": ValueError,
    "more labels than there are": ValueError,
    "fewer labels than there are": ValueError,
    "more frames than there are": ValueError,
    "a negative length": ValueError,
    "a length too few": ValueError,
    "the blank past the classes": ValueError,
    "labels of another batch": ValueError,
    "fractions of labels": TypeError,
}


class Call(NamedTuple):
    x: torch.Tensor
    words: list[list[int]]
    frames: list[int]
    blank: int


def any_call(rng: np.random.Generator) -> Call:
    time, batch, classes = (int(rng.integers(low, high)) for low, high in ((1, 7), (1, 4), (2, 5)))
    blank = int(rng.integers(classes))
    letters = [k for k in range(classes) if k != blank]
    words = [rng.choice(letters, rng.integers(0, 4)).tolist() for _ in range(batch)]
    x = torch.tensor(rng.normal(size=(time, batch, classes)) * rng.choice([1.0, 10.0, 1000.0]))
    x[torch.tensor(rng.random(x.shape) < rng.choice([0.0, 0.2]))] = -torch.inf
    x[..., 0][(x == -torch.inf).all(-1)] = 0.0
    return Call(x, words, rng.integers(0, time + 1, batch).tolist(), blank)


def arguments(call: Call, rng: np.random.Generator) -> dict[str, Any]:
    """In one of the forms; what stands beyond a word or a frame is not read."""
    longest, concatenated = max(map(len, call.words)) + int(rng.integers(2)), rng.random() < 0.5
    rows = [[*word, *rng.integers(-99, 99, longest - len(word))] for word in call.words]
    targets = torch.tensor([k for word in call.words for k in word] if concatenated else rows).long()
    lengths = (call.frames, [len(word) for word in call.words])
    as_lists, dtype = rng.random() < 0.3, INTEGERS[rng.integers(4)]
    frames, labels = (n if as_lists else torch.tensor(n, dtype=dtype) for n in lengths)
    beyond = torch.arange(len(call.x))[:, None] >= torch.tensor(call.frames)
    x = call.x.masked_fill(beyond[..., None] & bool(rng.integers(2)), torch.nan)
    return {
        "x": x,
        "targets": targets.to(dtype),
        "input_lengths": frames,
        "target_lengths": labels,
        "blank": call.blank,
    }


def broken(given: dict[str, Any], call: Call, kind: str, rng: np.random.Generator) -> dict[str, Any] | None:
    """None where the call has no room for it."""
    n, concatenated = int(rng.integers(len(call.words))), given["targets"].ndim == 1
    frames, labels = list(call.frames), [len(word) for word in call.words]
    targets, classes = given["targets"].long(), call.x.shape[2]
    if kind.startswith(("a label", "the blank among")):
        if not call.words[n]:
            return None
        place = int(rng.integers(len(call.words[n])))
        wrong = {"a label past the classes": classes + int(rng.choice([0, 10**6])), "a label below 0": -1}
        targets = targets.clone()
        targets[(sum(labels[:n]) + place) if concatenated else (n, place)] = wrong.get(kind, call.blank)
        return given | {"targets": targets}
    if kind == "fewer labels than there are":
        if not concatenated or not call.words[n]:
            return None
        labels[n] -= 1
    elif kind == "more labels than there are":
        labels[n] = (sum(labels) if concatenated else targets.shape[1]) + int(rng.choice([1, 10**9]))
    elif kind == "more frames than there are":
        frames[n] = len(call.x) + int(rng.choice([1, 10**9]))
    elif kind == "a negative length":
        (frames if rng.random() < 0.5 else labels)[n] = -int(rng.choice([1, 10**9]))
    elif kind == "a length too few":
        if len(frames) == 1:
            return None
        (frames if rng.random() < 0.5 else labels).pop()
    elif kind == "the blank past the classes":
        return given | {"blank": classes + int(rng.choice([0, 10**9]))}
    elif kind == "labels of another batch":
        batch = len(call.words) + 1
        return given | {"targets": targets.expand(batch, len(targets)) if concatenated else targets.repeat(2, 1)}
    elif kind == "fractions of labels":
        return given | {"targets": targets.double()}
    return given | {"input_lengths": torch.tensor(frames), "target_lengths": torch.tensor(labels)}


def right_or_refused(loss: Loss, seed: int) -> None:
    rng = np.random.default_rng([seed, LOSSES.index(loss)])
    call, kinds = any_call(rng), list(BROKEN)
    if loss is LOSSES[0]:
        call = call._replace(x=call.x.log_softmax(-1))
    given = arguments(call, rng)
    kind = kinds[rng.integers(len(kinds))]
    wrong = broken(given, call, kind, rng) if rng.random() < 0.5 else None
    if wrong is not None:
        with pytest.raises(BROKEN[kind]):
            answers(loss, *wrong.values())
        return
    drop = bool(rng.integers(2))
    value, slope = answers(loss, *given.values(), reduction="none", zero_infinity=drop)
    for n, (word, frames) in enumerate(zip(call.words, call.frames, strict=True)):
        prob = call.x[:frames, n].softmax(-1).numpy() if loss is LOSSES[1] else call.x[:frames, n].exp().numpy()
        truth = by_enumeration(prob, word, call.blank)
        impossible = 0.0 if drop else np.inf
        expected = -np.log(truth.spelt) if truth.spelt > 1e-290 else impossible
        if 0 < truth.spelt <= 1e-290 or (truth.spelt == 0 and 0 < value[n] < np.inf):  # too small to enumerate
            continue
        wanted = np.zeros(call.x[:, n].shape)
        if truth.spelt:
            wanted[:frames] = (prob if loss is LOSSES[1] else 0) - truth.posterior
        np.testing.assert_allclose(value[n].item(), expected, rtol=1e-11, atol=1e-12)
        np.testing.assert_allclose(slope[:, n].numpy(), wanted, rtol=1e-9, atol=1e-9)


@each_loss
@of_kernels
def test_any_call_is_answered_rightly_or_refused(loss: Loss) -> None:
    for seed in range(500):
        right_or_refused(loss, seed)


WRONG: dict[str, Callable[[list[torch.Tensor]], Any]] = {
    "targets holds 5 at": lambda a: a[0][1].fill_(5),
    "targets holds -1 at": lambda a: a[0][2].fill_(-1),
    "targets holds the blank, 0": lambda a: a[0][3].fill_(0),
    r"input_lengths holds 8 at \[1\]": lambda a: a[1][1].fill_(8),
    r"input_lengths holds -1 at \[0\]": lambda a: a[1][0].fill_(-1),
    r"target_lengths holds -1 at \[1\]": lambda a: a[2][1].fill_(-1),
    "add up to 5": lambda a: a[2][0].fill_(3),
    "add up to 3": lambda a: a[2][0].fill_(1),
}


@each_loss
@pytest.mark.parametrize("said", WRONG)
@of_kernels
def test_a_plan_and_the_operator_check_what_they_are_given(loss: Loss, said: str) -> None:
    x, sequences = drawn(7, 2, 5), [torch.tensor(n) for n in ([1, 2, 3, 3], [7, 6], [2, 2])]
    assert lossary.explain(loss, x, *sequences).chosen == "fused"
    loss(x, *sequences)
    WRONG[said](sequences)
    with pytest.raises((ValueError, IndexError), match=f"{loss.__name__}: .*{said}"):
        loss(x, *sequences)
    with pytest.raises((ValueError, IndexError, RuntimeError), match=r"targets holds|lengths holds|do not add up"):
        torch.ops.lossary.ctc(x, *sequences, 0, False, False, None, 0, None, None, 1)


# What can be wrong ----------------------------------------------------------------------------------------------------


def always_skipped(states: Any, blank: int) -> Any:
    return states != blank


MUTANTS: dict[str, tuple[str, Loss]] = {
    "equal neighbours without a blank": ("may_skip", always_skipped),
    "blanks that must not be left out": ("may_skip", lambda states, blank: states != states),
    "a word that must end in a blank": (
        "states_of",
        lambda *args, right=alignments.states_of: (
            right(*args)[0],
            right(*args)[1] & (right(*args)[0] == args[2]),
            right(*args)[2],
        ),
    ),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_enumeration_catches(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alignments, *MUTANTS[name])
    with pytest.raises(AssertionError):
        for seed, word in enumerate(WORDS):
            held(lossary.ctc_loss, drawn(4, 4, seed=seed), word, 0, impl="reference")


def test_enumeration_catches_a_gradient_that_is_right_through_log_softmax_only() -> None:
    with pytest.raises(AssertionError):
        held(torch.nn.functional.ctc_loss, drawn(4, 4), [1, 2], 0)
