"""TopK and Mixed beside the same targets written as a probability for each class, or as two losses."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import lossary
from lossary import Mixed, TopK, nn

CLASSES, EVERY = 9, ("mean", "sum", "none")


def drawn(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pair(*shape: int) -> tuple[Tensor, TopK, Tensor]:
    """Logits (N, C, *d), three classes with probabilities that do not sum to 1, and the same for all classes."""
    x, of = drawn(*shape, seed=1), drawn(*shape, seed=2).softmax(1)
    probs, indices = of.topk(3, dim=1)
    return x, TopK(indices, probs), torch.zeros_like(of).scatter(1, indices, probs)


@pytest.mark.parametrize("shape", [(6, CLASSES), (2, CLASSES, 3), (2, CLASSES, 2, 3)], ids=str)
@pytest.mark.parametrize("reduction", EVERY)
def test_top_k_is_its_whole_distribution(shape: tuple[int, ...], reduction: str) -> None:
    x, few, whole = pair(*shape)
    weight, s = drawn(CLASSES, seed=3).abs(), drawn(shape[0], seed=4).abs()
    options: dict[str, Any] = {"weight": weight, "sample_weight": s, "label_smoothing": 0.1, "reduction": reduction}
    leaf = x.requires_grad_()
    both = [lossary.cross_entropy(leaf, target, **options, z_loss=0.01, softcap=3.0) for target in (few, whole)]
    torch.testing.assert_close(*both)
    slopes = [torch.autograd.grad(y.pow(2).sum(), leaf, create_graph=True)[0] for y in both]
    torch.testing.assert_close(*slopes)
    seconds = [torch.autograd.grad(g.pow(2).sum(), leaf)[0] for g in slopes]
    torch.testing.assert_close(*seconds)


@pytest.mark.parametrize("lam", [0.3, 0.0, 1.0, torch.tensor([0.1, 0.5, 0.9, 0.2, 0.0, 1.0], dtype=torch.float64)])
def test_mixed_is_two_losses(lam: Any) -> None:
    x, a, b = drawn(6, CLASSES, seed=1), drawn(6, CLASSES, seed=2).argmax(1), drawn(6, CLASSES, seed=3).argmax(1)
    a[1] = -100
    weight = drawn(CLASSES, seed=4).abs()
    each = [lossary.cross_entropy(x, y, weight, reduction="none") for y in (a, b)]
    rows = lam * each[0] + (1 - lam) * each[1]
    of_mean = sum(part * weight[y.clamp(min=0)] * (y != -100) for part, y in ((lam, a), (1 - lam, b)))
    for reduction, right in zip(EVERY, (rows.sum() / of_mean.sum(), rows.sum(), rows), strict=True):
        torch.testing.assert_close(lossary.cross_entropy(x, Mixed(a, b, lam), weight, reduction=reduction), right)


def test_rows_with_fewer_classes_and_ignored_rows() -> None:
    x, few, whole = pair(6, CLASSES)
    indices = few.indices.clone()
    indices[0, 2], indices[4] = -100, -100
    whole[0].scatter_(0, few.indices[0, 2:], 0.0)
    x[4] = torch.nan
    kept = torch.arange(6) != 4
    leaf = x.clone().requires_grad_()
    got = lossary.cross_entropy(leaf, TopK(indices, few.probs))
    torch.testing.assert_close(got, lossary.cross_entropy(x[kept], whole[kept]))
    (slope,) = torch.autograd.grad(got, leaf)
    assert (slope[4] == 0).all() and slope.isfinite().all()


def test_batches_of_features() -> None:
    x, w = drawn(2, 5, 4, seed=1), drawn(CLASSES, 4, seed=2)
    probs, indices = drawn(2, 5, CLASSES, seed=3).softmax(-1).topk(3)
    got = lossary.linear_cross_entropy(x, w, TopK(indices, probs), reduction="none")
    rows = lossary.cross_entropy((x @ w.T).view(10, -1), TopK(indices.view(10, 3), probs.view(10, 3)), reduction="none")
    torch.testing.assert_close(got, rows.view(2, 5))
    one = lossary.linear_cross_entropy(x[0, 0], w, TopK(indices[0, 0], probs[0, 0]))
    torch.testing.assert_close(one, got[0, 0])
    mixed = lossary.linear_cross_entropy(
        x, w, Mixed(indices[..., 0], indices[..., 1], probs[:, 0, 0]), reduction="none"
    )
    each = [lossary.linear_cross_entropy(x, w, indices[..., k], reduction="none") for k in (0, 1)]
    lam = probs[:, :1, 0]
    torch.testing.assert_close(mixed, lam * each[0] + (1 - lam) * each[1])


def test_half_logits_stay_half_and_shares_stay_whole() -> None:
    x, few, _ = pair(6, CLASSES)
    got = lossary.cross_entropy(x.bfloat16(), TopK(few.indices.int(), few.probs.float()), reduction="none")
    exact = lossary.cross_entropy(x.bfloat16().double(), few, reduction="none")
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.double(), exact, rtol=2**-8, atol=0)


def test_compiled_strict_modules_and_other_libraries() -> None:
    jax = pytest.importorskip("jax")
    x, few, whole = pair(6, CLASSES)
    right = lossary.cross_entropy(x, whole)
    torch.compiler.reset()
    compiled = torch.compile(lossary.cross_entropy, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(x, few), right)
    with lossary.strict():
        torch.testing.assert_close(lossary.cross_entropy(x, few), right)
    torch.testing.assert_close(nn.CrossEntropyLoss()(x, few), right)
    arrays = (few.indices.numpy(), few.probs.numpy())
    assert lossary.cross_entropy(x.numpy(), TopK(*arrays)) == pytest.approx(right.item())
    under_jit = jax.jit(lossary.cross_entropy)(jax.numpy.asarray(x.numpy()), TopK(*map(jax.numpy.asarray, arrays)))
    assert float(under_jit) == pytest.approx(right.item(), rel=1e-5)
    assert np.isfinite(float(lossary.cross_entropy(x.numpy(), Mixed(arrays[0][:, 0], arrays[0][:, 1], 0.25))))


@pytest.mark.parametrize(
    ("error", "words", "target"),
    [
        (IndexError, r"cross_entropy: target holds 9 at \[0, 1\]", TopK(torch.tensor([[0, 9]]), torch.ones(1, 2) / 2)),
        (ValueError, "cross_entropy: target_shares holds 1.5", TopK(torch.tensor([[0, 1]]), torch.tensor([[1.5, 0]]))),
        (ValueError, "target_shares is float32 of shape", TopK(torch.tensor([[0, 1]]), torch.ones(1, 3))),
        (TypeError, "cross_entropy: target is float32", TopK(torch.ones(1, 2), torch.ones(1, 2))),
        (ValueError, "both must be classes of one shape", Mixed(torch.tensor([1]), torch.tensor([[1]]), 0.5)),
        (ValueError, "target.lam is", Mixed(torch.tensor([1]), torch.tensor([1]), torch.ones(4))),
        (ValueError, "target_shares holds 1.5", Mixed(torch.tensor([1]), torch.tensor([1]), 1.5)),
    ],
)
def test_errors_name_what_is_wrong(error: type[Exception], words: str, target: Any) -> None:
    for impl in ("auto", "reference"):
        with pytest.raises(error, match=words):
            lossary.cross_entropy(torch.zeros(1, CLASSES), target, impl=impl)


@pytest.mark.parametrize("many", [False, True])
def test_check_looks_at_the_heaviest_class(many: bool) -> None:
    x = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    rows = torch.arange(6)[:, None] % 4
    few = lossary.TopK(torch.cat([rows, (rows + 1) % 4], 1), torch.tensor([0.75, 0.25]).repeat(6, 1))
    mixed = lossary.Mixed(rows[:, 0], (rows[:, 0] + 1) % 4, 0.75)
    target = few if many else mixed
    assert not lossary.check(lossary.cross_entropy, x, target)
    assert [f.code for f in lossary.check(lossary.cross_entropy, x.softmax(1), target)] == ["LS101"]
    assert not lossary.check(lossary.linear_cross_entropy, x, torch.eye(4), target)
    beyond = target._replace(**{target._fields[0]: target[0] + 4})
    (found,) = lossary.check(lossary.cross_entropy, x, beyond)
    assert found.code == "LS100" and "the classes are 0 to 3" in str(found)


@pytest.mark.parametrize("option", ["label_smoothing", "softcap", "temperature", "z_loss"])
def test_options_can_be_learned(option: str) -> None:
    x, few, _ = pair(3, CLASSES)
    value = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(
        lambda x, value: lossary.cross_entropy(x, few, **{option: value}), (x.requires_grad_(), value)
    )
