"""CTC, as reported: gradients, labels and lengths out of range, infinite samples, dtypes."""

import math

import numpy as np
import pytest
import torch
from pytest import approx

from lossary import functional as F
from lossary.testing import LIBRARIES

INF = math.inf
gradient = LIBRARIES["torch"].gradient
each_library = pytest.mark.parametrize(
    "library", [LIBRARIES[n] for n in ("numpy", "torch", "jax")], ids=lambda x: x.name
)
# Two frames, one label: of the paths aa, a-, -a all spell it.
P = torch.tensor([[0.5, 0.3, 0.2], [0.25, 0.5, 0.25]], dtype=torch.float64)
A, B, BLANK = (0.3, 0.5), (0.2, 0.25), (0.5, 0.25)
SPELT = A[0] * A[1] + A[0] * BLANK[1] + BLANK[0] * A[1]
POSTERIOR = torch.tensor(
    [[BLANK[0] * A[1], A[0] * A[1] + A[0] * BLANK[1], 0], [A[0] * BLANK[1], A[0] * A[1] + BLANK[0] * A[1], 0]],
    dtype=torch.float64,
)


def ctc(log_probs, target=(1,), frames=None, reduction="none", **options):
    """The loss of one sequence."""
    frames = log_probs.shape[0] if frames is None else frames
    targets = torch.tensor(target, dtype=torch.long)[None, :]
    return F.ctc_loss(log_probs[:, None, :], targets, (frames,), (len(target),), reduction=reduction, **options)


def test_pytorch_52241_ctc_gradient_wrt_log_probs():
    """The gradient is wrong but through log_softmax. https://github.com/pytorch/pytorch/issues/52241

    Also pytorch/pytorch#82545, pytorch/pytorch#127608, pytorch/pytorch#181534, pytorch/pytorch#190863.
    """
    assert ctc(P.log()).item() == approx(-math.log(SPELT))
    torch.testing.assert_close(gradient(lambda x: ctc(x).sum(), P.log()), -POSTERIOR / SPELT)


def test_pytorch_52241_ctc_gradient_wrt_logits():
    """Through log_softmax it is the softmax less the posterior. https://github.com/pytorch/pytorch/issues/52241"""
    slopes = gradient(lambda x: ctc(x.log_softmax(-1)).sum(), P.log() + 3.0)
    torch.testing.assert_close(slopes, P - POSTERIOR / SPELT)


@pytest.mark.parametrize("label", [3, -1, 5])
def test_pytorch_193794_ctc_target_out_of_range_raises(label):
    """A label that is no class corrupts the heap. https://github.com/pytorch/pytorch/issues/193794

    Also pytorch/pytorch#174988, pytorch/pytorch#197799.
    """
    with pytest.raises(IndexError, match=rf"ctc_loss: targets holds {label} at \[0, 1\]"):
        ctc(P.log(), (1, label))


def test_pytorch_193794_ctc_far_out_of_range_does_not_crash():
    """A label of -1,000,000 kills the process. https://github.com/pytorch/pytorch/issues/193794"""
    for label in (-1_000_000, 1_000_000):
        with pytest.raises(IndexError):
            gradient(lambda x, label=label: ctc(x, (label,)).sum(), P.log())


@pytest.mark.parametrize(("frames", "labels"), [(-1, 1), (2, -1), (3, 1), (2, 2)])
def test_pytorch_51732_ctc_negative_lengths_raise(frames, labels):
    """Lengths below 0, or past the end, kill the process. https://github.com/pytorch/pytorch/issues/51732

    Also pytorch/pytorch#78151.
    """
    with pytest.raises((ValueError, RuntimeError), match="lengths"):
        F.ctc_loss(P.log()[:, None], torch.tensor([[1]]), (frames,), (labels,))


def test_pytorch_81459_ctc_zero_input_length():
    """No frames are refused. https://github.com/pytorch/pytorch/issues/81459

    Also pytorch/pytorch#123193.
    """
    x, targets = P.log()[:, None].repeat(1, 2, 1), torch.tensor([[1], [0]])
    losses = F.ctc_loss(x, targets, (0, 0), (1, 0), reduction="none")
    assert losses.tolist() == [INF, 0]


def test_pytorch_18215_ctc_empty_target():
    """A sequence of no labels has a wrong gradient. https://github.com/pytorch/pytorch/issues/18215"""
    assert ctc(P.log(), ()).item() == approx(-math.log(BLANK[0] * BLANK[1]))
    slopes = gradient(lambda x: ctc(x.log_softmax(-1), ()).sum(), P.log())
    torch.testing.assert_close(slopes, P - torch.tensor([[1.0, 0, 0], [1, 0, 0]], dtype=torch.float64))


def test_pytorch_31557_ctc_infinite_sample_does_not_poison_batch():
    """A sample without an alignment makes gradients NaN. https://github.com/pytorch/pytorch/issues/31557

    Also pytorch/pytorch#14335.
    """
    x, targets = P.log()[:, None].repeat(1, 2, 1), torch.tensor([[1, 0, 0], [1, 2, 1]])
    assert F.ctc_loss(x, targets, (2, 2), (1, 3), reduction="none").tolist() == approx([-math.log(SPELT), INF])
    slopes = gradient(lambda x: F.ctc_loss(x, targets, (2, 2), (1, 3), reduction="sum"), x)
    torch.testing.assert_close(slopes[:, 0], -POSTERIOR / SPELT)
    assert torch.equal(slopes[:, 1], torch.zeros(2, 3, dtype=torch.float64))


def test_pytorch_16199_ctc_zero_infinity():
    """zero_infinity takes such samples out. https://github.com/pytorch/pytorch/pull/16199

    Also pytorch/pytorch#31557.
    """
    assert ctc(P.log(), (1, 2, 1), zero_infinity=True).item() == 0
    slopes = gradient(lambda x: ctc(x, (1, 2, 1), reduction="sum", zero_infinity=True), P.log())
    assert torch.equal(slopes, torch.zeros_like(P))


@pytest.mark.parametrize("library", [LIBRARIES["torch"], LIBRARIES["jax"]], ids=lambda x: x.name)
def test_optax_896_ctc_masked_class_neg_inf(library):
    """A class masked with -inf: finite loss, NaN gradient. https://github.com/google-deepmind/optax/issues/896

    Also pytorch/pytorch#14335.
    """
    # Only blank, label spells it.
    x = library.array(
        np.array([[math.log(0.5), -INF, math.log(0.5)], [math.log(0.25), math.log(0.75), -INF]]), "float32"
    )
    targets = library.array(np.array([1]), "int32")
    assert float(F.ctc_loss(x, targets, 2, 1)) == approx(-math.log(0.5 * 0.75))
    slopes = library.gradient(lambda x: F.ctc_loss(x, targets, 2, 1), x)
    assert library.numpy(slopes).flatten().tolist() == approx([-1, 0, 0, 0, -1, 0])


def test_pytorch_21680_ctc_infinite_sample_not_backpropagated():
    """An infinite sample that nobody asks about is NaN. https://github.com/pytorch/pytorch/issues/21680"""
    x, targets = P.log()[:, None].repeat(1, 2, 1), torch.tensor([[1, 0, 0], [1, 2, 1]])
    slopes = gradient(lambda x: F.ctc_loss(x, targets, (2, 2), (1, 3), reduction="none")[0], x)
    torch.testing.assert_close(slopes[:, 0], -POSTERIOR / SPELT)
    assert torch.equal(slopes[:, 1], torch.zeros(2, 3, dtype=torch.float64))


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_pytorch_21244_ctc_nan_is_not_papered_over(zero_infinity):
    """Zeroing NaN gradients hides wrong ones. https://github.com/pytorch/pytorch/pull/21244"""
    x = P.log()
    x[0, 1] = math.nan
    assert ctc(x, zero_infinity=zero_infinity).isnan().all()


def test_pytorch_27442_ctc_long_target():
    """The gradient is wrong past 896 labels. https://github.com/pytorch/pytorch/issues/27442"""
    frames, labels = 903, 900  # no label twice in a row, so binom(T + L, 2L) alignments
    x = torch.full((frames, 3), -math.log(3), dtype=torch.float64, requires_grad=True)
    loss = ctc(x, (1, 2) * (labels // 2)).sum()
    assert loss.item() == approx(frames * math.log(3) - math.log(math.comb(frames + labels, 2 * labels)))
    (slopes,) = torch.autograd.grad(loss, x)
    torch.testing.assert_close(slopes.sum(1), torch.full((frames,), -1.0, dtype=torch.float64))  # a posterior
    torch.testing.assert_close(slopes, slopes.flip(0)[:, [0, 2, 1]])  # and the target read backwards


def test_pytorch_22234_ctc_int32_equals_int64():
    """The dtype of integers decides what runs. https://github.com/pytorch/pytorch/issues/22234"""
    losses = []
    for dtype in (torch.int32, torch.int64):
        targets, frames, labels = (torch.tensor(v, dtype=dtype) for v in ([[1]], [2], [1]))
        losses.append(F.ctc_loss(P.log()[:, None], targets, frames, labels).item())
    assert losses == approx([-math.log(SPELT)] * 2)


def test_pytorch_11750_ctc_grad_out_scales():
    """The backward ignores what comes from above. https://github.com/pytorch/pytorch/issues/11750"""
    x, targets = P.log()[:, None].repeat(1, 2, 1), torch.tensor([[1], [1]])
    weight = torch.tensor([3.0, -0.5], dtype=torch.float64)
    slopes = gradient(lambda x: (weight * F.ctc_loss(x, targets, (2, 2), (1, 1), reduction="none")).sum(), x)
    torch.testing.assert_close(slopes, -(POSTERIOR / SPELT)[:, None] * weight[:, None])


@each_library
@pytest.mark.parametrize("confidence", [5.0, 10.0, 15.0, 20.0, 40.0])
def test_optax_1771_ctc_confident_alignment_not_negative(library, confidence):
    """A certain alignment costs -8e-8. https://github.com/google-deepmind/optax/issues/1771"""
    path = np.array([1, 1, 0, 2, 2, 3, 0, 0])
    logits = confidence * np.eye(5)[path]
    x = library.array(logits - np.log(np.exp(logits).sum(1, keepdims=True)), "float32")
    loss = float(F.ctc_loss(x, library.array(np.array([1, 2, 3]), "int32"), 8, 3, reduction="sum"))
    assert 0 <= loss <= 8 * math.log1p(4 * math.exp(-confidence)) + 1e-7  # what the path alone costs


def test_auxiliaryasr_4_ctc_blank_in_target_rejected():
    """A blank among the labels makes the loss negative. https://github.com/yl4579/AuxiliaryASR/issues/4

    Also espnet/espnet#700.
    """
    with pytest.raises(ValueError, match=r"targets holds the blank, 0, at \[0, 1\]"):
        ctc(P.log(), (1, 0))


def test_tensorflow_41280_ctc_gradient_past_input_length_is_zero():
    """Frames past the end have a gradient. https://github.com/tensorflow/tensorflow/issues/41280

    Also pytorch/pytorch#14401, pytorch/pytorch#15798.
    """
    x = torch.cat([P.log(), torch.tensor([[-3.0, -0.1, -4.0]], dtype=torch.float64)])[:, None].repeat(1, 2, 1)
    targets = torch.tensor([[1], [1]])
    slopes = gradient(lambda x: F.ctc_loss(x, targets, (2, 3), (1, 1), reduction="sum"), x)
    torch.testing.assert_close(slopes[:2, 0], -POSTERIOR / SPELT)
    assert torch.equal(slopes[2, 0], torch.zeros(3, dtype=torch.float64))
    torch.testing.assert_close(slopes[:, 1].sum(1), torch.full((3,), -1.0, dtype=torch.float64))
