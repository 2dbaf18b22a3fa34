"""An error says what was got, what is allowed, and the edit that was probably meant."""

import numpy as np
import pytest
import torch

import lossary as L

LOGITS = torch.zeros(4, 5)
LABELS = torch.tensor([0, 1, 2, 3])

MISTAKES = {
    "labels counted from 1": (
        lambda: L.cross_entropy(LOGITS, torch.tensor([1, 2, 3, 5])),
        IndexError,
        ["target holds 5 at [3]", "classes are 0 to 4", "Subtract 1"],
    ),
    "padding of -1": (
        lambda: L.cross_entropy(LOGITS, torch.tensor([1, 2, 3, -1])),
        IndexError,
        ["-1 at [3]", "ignore_index=-1"],
    ),
    "labels as floats": (lambda: L.cross_entropy(LOGITS, LABELS.float()), TypeError, ["float32", "target.long()"]),
    "labels as a column": (
        lambda: L.cross_entropy(LOGITS, LABELS[:, None]),
        ValueError,
        ["(4, 1)", "target.squeeze(1)"],
    ),
    "one-hot integers": (
        lambda: L.cross_entropy(LOGITS, torch.eye(5, dtype=torch.long)[LABELS]),
        TypeError,
        ["target.argmax(1)", "target.float()"],
    ),
    "classes last": (
        lambda: L.cross_entropy(torch.zeros(4, 7, 5), torch.zeros(4, 7, dtype=torch.long)),
        ValueError,
        ["(4, 7)", "input.movedim(-1, 1)"],
    ),
    "weights of another length": (
        lambda: L.cross_entropy(LOGITS, LABELS, weight=[1, 2, 3]),
        ValueError,
        ["(3,)", "(5,)"],
    ),
    "smoothing out of range": (
        lambda: L.cross_entropy(LOGITS, LABELS, label_smoothing=-3.0),
        ValueError,
        ["label_smoothing is -3.0", "[0, 1]"],
    ),
    "ignoring an index of probabilities": (
        lambda: L.cross_entropy(LOGITS, LOGITS, ignore_index=1),
        ValueError,
        ["ignore_index is 1", "sample_weight=0"],
    ),
    "a missing squeeze": (lambda: L.mse_loss(torch.zeros(4), torch.zeros(4, 1)), ValueError, ["target.squeeze(1)"]),
    "a missing unsqueeze": (lambda: L.mse_loss(torch.zeros(4, 1), torch.zeros(4)), ValueError, ["target.unsqueeze(1)"]),
    "one target a row": (lambda: L.l1_loss(LOGITS, torch.zeros(4)), ValueError, ["target.reshape((4, 1))"]),
    "two libraries": (
        lambda: L.mse_loss(torch.zeros(4), np.zeros(4)),
        TypeError,
        ["target is a numpy array", "input is a torch array"],
    ),
    "a list": (lambda: L.mse_loss([1.0], [2.0]), TypeError, ["input is list", "NumPy, torch, JAX"]),
    "integers alone": (lambda: L.mse_loss(LABELS, LABELS), TypeError, ["int64", "floating dtype", "input.float()"]),
    "no shape that fits": (
        lambda: L.cross_entropy(LOGITS[0, 0], LABELS),
        ValueError,
        ["(N, C, ...), where N may be missing"],
    ),
    "a fraction for an index": (
        lambda: L.cross_entropy(LOGITS, LABELS, ignore_index=1.5),
        ValueError,
        ["ignore_index is 1.5; it must be an integer"],
    ),
    "a normalizer of a sum": (
        lambda: L.mse_loss(LOGITS, LOGITS, reduction="sum", normalizer=4),
        ValueError,
        ["reduction is 'sum'", "pass reduction='mean'"],
    ),
    "an unknown reduction": (
        lambda: L.mse_loss(LOGITS, LOGITS, reduction="avg"),
        ValueError,
        ["'avg'", "'none', 'mean', 'sum'"],
    ),
    "an unknown option": (lambda: L.huber_loss(LOGITS, LOGITS, gamma=1), TypeError, ["'gamma'", "delta"]),
    "a missing argument": (lambda: L.huber_loss(LOGITS), TypeError, ["'target'"]),
    "too many arguments": (lambda: L.ctc_loss(*[LOGITS] * 9), TypeError, ["too many positional arguments"]),
    "logits as probabilities": (
        lambda: L.binary_cross_entropy(LOGITS + 3, LOGITS),
        ValueError,
        ["holds 3 at [0, 0] and 19 more", "[0, 1]", "binary_cross_entropy_with_logits"],
    ),
    "labels of -1 and 1": (
        lambda: L.binary_cross_entropy_with_logits(LOGITS[0, :2], torch.tensor([-1.0, 1.0])),
        ValueError,
        ["(target + 1) / 2"],
    ),
    "a mask of 255": (
        lambda: L.binary_cross_entropy_with_logits(LOGITS[0, :2], torch.tensor([0, 255])),
        ValueError,
        ["255", "Divide"],
    ),
    "a blank among the labels": (
        lambda: L.ctc_loss(torch.zeros(5, 2, 4), torch.tensor([[1, 2], [1, 0]]), (5, 5), (2, 2)),
        ValueError,
        ["blank, 0, at [1, 1]", "blank="],
    ),
    "more frames than there are": (
        lambda: L.ctc_loss(torch.zeros(5, 2, 4), torch.tensor([[1, 2], [1, 2]]), (5, 7), (2, 2)),
        ValueError,
        ["input_lengths holds 7 at [1]", "0 to 5"],
    ),
    "concatenated labels that do not add up": (
        lambda: L.ctc_loss(torch.zeros(5, 2, 4), torch.tensor([1, 2, 3]), (5, 5), (1, 1)),
        ValueError,
        ["3 labels", "add up to 2"],
    ),
    "logarithms as rates": (
        lambda: L.poisson_nll_loss(LOGITS - 1, LOGITS, log_input=False),
        ValueError,
        ["input holds -1 at [0, 0]", "rates lie in [0, inf)", "log_input=True"],
    ),
    "a negative variance": (
        lambda: L.gaussian_nll_loss(LOGITS, LOGITS, LOGITS - 1),
        ValueError,
        ["var holds -1 at [0, 0]", "variances lie in [0, inf)", "softplus"],
    ),
    "variances of columns": (
        lambda: L.gaussian_nll_loss(LOGITS, LOGITS, torch.ones(5)),
        ValueError,
        ["(5,)", "(4, 5)", "(4,), one for each row"],
    ),
    "an implementation that refuses": (
        lambda: L.mse_loss(LOGITS.half(), LOGITS.half(), impl="aten"),
        ValueError,
        ["impl='aten' cannot serve", "torch.float16", "impl='auto'"],
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_message_names_the_fix(mistake):
    call, error, fragments = MISTAKES[mistake]
    with pytest.raises(error) as raised:
        call()
    for fragment in fragments:
        assert fragment in str(raised.value), f"{fragment!r} is not in: {raised.value}"


def test_a_deprecated_reduction_warns_at_the_callers_line():
    with pytest.warns(DeprecationWarning, match="write reduction='sum'") as caught:
        L.mse_loss(LOGITS, LOGITS, size_average=False)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="batchmean") as caught:
        L.kl_div(LOGITS - 1, LOGITS)
    assert caught[0].filename == __file__


def test_probabilities_that_require_grad_are_still_named():
    with pytest.raises(ValueError, match=r"holds 2 at \[0\]"):
        L.binary_cross_entropy(torch.tensor([2.0], requires_grad=True), torch.tensor([1.0]))
