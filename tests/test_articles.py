"""What the four articles compute with torch.nn and NumPy, computed with Lossary: equal results.

Article 1 explains the losses of classification, 2 entropy and cross-entropy, 3 runs the examples of 1 in a notebook,
4 lists the losses of torch.nn. What they run on torch tensors runs here on NumPy arrays too.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import lossary
import lossary.nn
from lossary import information

Library = Callable[[torch.Tensor], Any]

BATCH, CLASSES = 2, 4
draw = torch.Generator().manual_seed(2)
LOGITS = torch.randn(BATCH, CLASSES, generator=draw)
LABELS = torch.randint(CLASSES, (BATCH,), generator=draw)
SOFT = torch.randn(BATCH, CLASSES, generator=draw).softmax(-1)
LOG_PROB = torch.log(torch.softmax(LOGITS, -1))
ONE_HOT = F.one_hot(LABELS, CLASSES).float()
SCORES, ANSWERS = torch.randn(BATCH, generator=draw), torch.tensor([1, 0])
VECTORS = torch.randn(2, BATCH, 512, generator=draw)
FRAMES, WORDS = torch.randn(12, BATCH, CLASSES, generator=draw).log_softmax(-1), torch.tensor([[1, 2, 2], [3, 1, 0]])
LENGTHS = (torch.tensor([12, 9]), torch.tensor([3, 2]))

# Article 2: three samples of four classes.
TABLE = np.array(
    [
        [-1.0606, 1.5613, 1.2007, -0.2481],
        [-1.9652, -0.4367, -0.0645, -0.5104],
        [0.1011, -0.5904, 0.0243, 0.1002],
    ]
)
TRUE_CLASSES = np.array([0, 2, 1])


@pytest.fixture(params=[lambda x: x, lambda x: x.numpy()], ids=["torch", "numpy"])
def on(request: pytest.FixtureRequest) -> Library:
    return request.param


def equal(answer: Any, expected: Any, atol: float = 1e-7) -> None:
    np.testing.assert_allclose(np.asarray(answer), np.asarray(expected), rtol=1e-6, atol=atol)


def test_entropy_is_0_for_one_hot_and_not_for_others(on: Library) -> None:
    equal(information.entropy(on(ONE_HOT)), [0, 0], atol=0)
    equal(information.cross_entropy(on(ONE_HOT), on(ONE_HOT)), [0, 0], atol=0)
    equal(information.entropy(on(SOFT)), torch.distributions.Categorical(probs=SOFT).entropy())
    assert all(information.entropy(on(SOFT)) > 0.1)


@pytest.mark.parametrize("target", [LABELS, SOFT], ids=["hard", "soft"])
def test_cross_entropy(on: Library, target: torch.Tensor) -> None:
    equal(lossary.cross_entropy(on(LOGITS), on(target)), F.cross_entropy(LOGITS, target))


def test_nll_of_log_softmax_is_cross_entropy(on: Library) -> None:
    nll = lossary.nll_loss(on(LOG_PROB), on(LABELS))
    equal(nll, F.nll_loss(LOG_PROB, LABELS))
    equal(nll, lossary.cross_entropy(on(LOGITS), on(LABELS)))


def test_nll_with_the_small_number_that_article_3_adds_is_nearly_cross_entropy(on: Library) -> None:
    nll = lossary.nll_loss(on(torch.log(torch.softmax(LOGITS, -1) + 1e-7)), on(LABELS))
    equal(nll, lossary.cross_entropy(on(LOGITS), on(LABELS)), atol=1e-5)


def test_kl_div_divides_by_all_elements_and_says_so(on: Library) -> None:
    with pytest.warns(UserWarning, match="batchmean"):
        mean = lossary.kl_div(on(LOG_PROB), on(SOFT))
    equal(mean, (SOFT * (SOFT.log() - LOG_PROB)).sum() / (BATCH * CLASSES))
    equal(lossary.kl_div(on(LOG_PROB), on(SOFT), reduction="batchmean"), mean * CLASSES)


@pytest.mark.parametrize("target", [SOFT, ONE_HOT], ids=["soft", "one-hot"])
def test_cross_entropy_is_entropy_plus_kl_for_each_sample(on: Library, target: torch.Tensor) -> None:
    ce = lossary.cross_entropy(on(LOGITS), on(target), reduction="none")
    kl = lossary.kl_div(on(LOG_PROB), on(target), reduction="none").sum(-1)
    equal(ce, F.cross_entropy(LOGITS, target, reduction="none"))
    equal(kl, F.kl_div(LOG_PROB, target, reduction="none").sum(-1))
    equal(ce, kl + information.entropy(on(target)))
    parts = information.decompose(on(LOGITS), on(target))
    equal(parts.cross_entropy, ce)
    equal(parts.relative_entropy, kl)


@pytest.mark.parametrize("target", [SOFT, ONE_HOT], ids=["soft", "one-hot"])
def test_optimising_cross_entropy_is_optimising_kl(target: torch.Tensor) -> None:
    logits = LOGITS.clone().requires_grad_()
    (of_ce,) = torch.autograd.grad(lossary.cross_entropy(logits, target, reduction="sum"), logits)
    (of_kl,) = torch.autograd.grad(lossary.kl_div(logits.log_softmax(-1), target, reduction="sum"), logits)
    equal(of_ce, of_kl)


def test_binary_cross_entropy_is_nll_over_two_classes(on: Library) -> None:
    prob = torch.sigmoid(SCORES)
    bce = lossary.binary_cross_entropy(on(prob), on(ANSWERS.float()))
    equal(bce, F.binary_cross_entropy(prob, ANSWERS.float()))
    equal(bce, lossary.nll_loss(on(torch.stack([1 - prob, prob], -1).log()), on(ANSWERS)))
    equal(bce, lossary.binary_cross_entropy_with_logits(on(SCORES), on(ANSWERS.float())))


def test_binary_cross_entropy_of_the_sigmoid_along_a_line(on: Library) -> None:
    line = torch.linspace(-10, 10, 2000)
    one = on(torch.tensor(1.0))
    curve = [float(lossary.binary_cross_entropy(on(torch.sigmoid(x)), one)) for x in line]
    equal(curve, F.binary_cross_entropy(line.sigmoid(), torch.ones(2000), reduction="none"))
    equal(curve, F.softplus(-line), atol=1e-7)


def test_logits_keep_what_the_sigmoid_loses(on: Library) -> None:
    score, one = torch.tensor([20.0]), torch.tensor([1.0])
    assert lossary.binary_cross_entropy(on(score.sigmoid()), on(one)) == 0
    equal(lossary.binary_cross_entropy_with_logits(on(score), on(one)), np.log1p(np.exp(-20)), atol=0)


@pytest.mark.parametrize("signs", [[1, 1], [-1, -1], [1, -1], [-1, 1]])
def test_cosine_embedding(on: Library, signs: list[int]) -> None:
    target = torch.tensor(signs)
    loss = lossary.cosine_embedding_loss(on(VECTORS[0]), on(VECTORS[1]), on(target))
    equal(loss, F.cosine_embedding_loss(VECTORS[0], VECTORS[1], target))


def test_information_falls_with_probability_and_adds_over_independent_events(on: Library) -> None:
    p, q = on(torch.tensor([0.5, 0.1])), on(torch.tensor([0.25, 0.3]))
    equal(information.self_information(p * q), information.self_information(p) + information.self_information(q))
    assert information.self_information(p)[0] < information.self_information(p)[1]


def test_relative_entropy_is_not_symmetric_never_negative_and_0_for_equals(on: Library) -> None:
    p, q = on(SOFT), on(LOGITS.softmax(-1))
    forth, back = information.relative_entropy(p, q), information.relative_entropy(q, p)
    assert all(forth > 0) and all(back > 0) and all(abs(forth - back) > 1e-4)
    equal(information.relative_entropy(p, p), [0, 0])
    assert all(information.cross_entropy(p, q) >= information.entropy(p))


def test_cross_entropy_written_out_in_numpy_and_in_torch() -> None:
    exponentials = np.exp(TABLE)
    prob = exponentials / exponentials.sum(axis=1, keepdims=True)
    by_hand = -(np.eye(4)[TRUE_CLASSES] * np.log(prob)).sum(axis=1).mean()
    logits, labels = torch.from_numpy(TABLE), torch.from_numpy(TRUE_CLASSES)
    for answer in (
        by_hand,
        lossary.cross_entropy(TABLE, TRUE_CLASSES),
        lossary.cross_entropy(logits, labels),
        lossary.nn.CrossEntropyLoss()(logits, labels),
        lossary.nn.NLLLoss()(torch.nn.LogSoftmax(dim=1)(logits), labels),
        lossary.nll_loss(np.log(prob), TRUE_CLASSES),
        information.cross_entropy(np.eye(4)[TRUE_CLASSES], prob).mean(),
    ):
        np.testing.assert_allclose(answer, 2.0373472850337726, rtol=1e-14)


@pytest.mark.parametrize("legacy", [{name: value} for name in ("size_average", "reduce") for value in (True, False)])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0, 3.0, 4.0]])
def test_options_that_article_2_lists(legacy: dict[str, bool], weight: list[float] | None) -> None:
    options: dict[str, Any] = {"weight": weight and torch.tensor(weight), "ignore_index": 2, **legacy}
    logits, labels = torch.from_numpy(TABLE).float(), torch.from_numpy(TRUE_CLASSES)
    with pytest.warns(DeprecationWarning, match="reduction="):
        answer = lossary.cross_entropy(logits, labels, **options)
    with warnings.catch_warnings(action="ignore"):
        equal(answer, F.cross_entropy(logits, labels, **options))


def test_several_labels_for_one_sample_are_binary_cross_entropies(on: Library) -> None:
    labels, prob = (LOGITS > 0).float(), LOGITS.sigmoid()
    by_hand = -(labels * prob.log() + (1 - labels) * (1 - prob).log())
    equal(lossary.binary_cross_entropy(on(prob), on(labels), reduction="none"), by_hand)
    equal(lossary.binary_cross_entropy_with_logits(on(LOGITS), on(labels), reduction="none"), by_hand)


def test_regression_losses_as_article_4_writes_them(on: Library) -> None:
    error = (LOGITS - 2 * SOFT).abs()
    assert error.min() < 1 < error.max()
    by_hand = {
        "l1_loss": error,
        "mse_loss": error**2,
        "smooth_l1_loss": torch.where(error < 1, 0.5 * error**2, error - 0.5),
    }
    for name, losses in by_hand.items():
        equal(getattr(lossary, name)(on(LOGITS), on(2 * SOFT), reduction="none"), losses)
        equal(getattr(lossary, name)(on(LOGITS), on(2 * SOFT)), losses.mean())


def test_weights_estimated_from_the_labels_of_a_training_set(on: Library) -> None:
    training_labels = torch.tensor([0] * 8 + [1] * 4 + [2] * 2 + [3] * 2)
    weight = torch.tensor([0.5, 1.0, 2.0, 2.0])  # 16 labels / (4 classes · labels of the class)
    estimated = lossary.class_weights(on(training_labels))
    equal(estimated, weight)
    by_hand = -(weight[LABELS] * LOG_PROB[range(BATCH), LABELS]).sum() / weight[LABELS].sum()
    equal(lossary.nll_loss(on(LOG_PROB), on(LABELS), weight=on(weight)), by_hand)
    equal(lossary.cross_entropy(on(LOGITS), on(LABELS), weight=on(weight)), F.cross_entropy(LOGITS, LABELS, weight))
    equal(lossary.cross_entropy(on(LOGITS), on(LABELS), weight=estimated), by_hand)


def test_weights_of_binary_cross_entropy_with_logits(on: Library) -> None:
    weight, positive = torch.tensor([0.5, 2.0]), torch.tensor([3.0])
    target = ANSWERS.float()
    p = SCORES.sigmoid()
    by_hand = -weight * (positive * target * p.log() + (1 - target) * (1 - p).log())
    options = {"weight": on(weight), "pos_weight": on(positive)}
    answer = lossary.binary_cross_entropy_with_logits(on(SCORES), on(target), reduction="none", **options)
    equal(answer, by_hand)
    equal(lossary.pos_weight(on(torch.tensor([1, 0, 0, 0]))), 3)


MODULES: dict[str, tuple[torch.Tensor | tuple[int, ...], ...]] = {
    "L1Loss": (LOGITS, SOFT),
    "SmoothL1Loss": (LOGITS, SOFT),
    "MSELoss": (LOGITS, SOFT),
    "NLLLoss": (LOG_PROB, LABELS),
    "CrossEntropyLoss": (LOGITS, SOFT),
    "BCELoss": (SCORES.sigmoid(), ANSWERS.float()),
    "BCEWithLogitsLoss": (SCORES, ANSWERS.float()),
    "KLDivLoss": (LOG_PROB, SOFT),
    "CosineEmbeddingLoss": (VECTORS[0], VECTORS[1], ANSWERS * 2 - 1),
    "CTCLoss": (FRAMES, WORDS, *LENGTHS),
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", MODULES)
@pytest.mark.filterwarnings("ignore:.*batchmean:UserWarning")
def test_every_module_that_the_articles_name(name: str, reduction: str) -> None:
    data = MODULES[name]
    equal(getattr(lossary.nn, name)(reduction=reduction)(*data), getattr(torch.nn, name)(reduction=reduction)(*data))
