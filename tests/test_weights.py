"""Class weights against scikit-learn and the papers' formulas."""

import array_api_strict
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.utils.class_weight import compute_class_weight

from lossary.weights import class_weights, pos_weight

LABELS = [0, 2, 2, 2, 1, 1, 2, 2, 0, 2]  # 2, 2, 6

label_sets = st.integers(2, 6).flatmap(
    lambda classes: st.lists(st.integers(0, classes - 1), max_size=40).map(lambda more: [*range(classes), *more])
)


@settings(derandomize=True, deadline=None)
@given(label_sets)
def test_balanced_is_scikit_learns(labels):
    expected = compute_class_weight("balanced", classes=np.unique(labels), y=labels)
    assert class_weights(labels) == pytest.approx(expected)


@settings(derandomize=True, deadline=None)
@given(label_sets, st.sampled_from([0.0, 0.5, 0.9, 0.9999]))
def test_effective_number_is_the_geometric_series(labels, beta):
    effective = np.array([sum(beta**i for i in range(labels.count(c))) for c in range(max(labels) + 1)])
    weights = class_weights(labels, "effective_number", beta=beta)
    assert weights.sum() == pytest.approx(len(effective))
    assert weights * effective == pytest.approx(weights[0] * effective[0])


@settings(derandomize=True, deadline=None)
@given(label_sets)
def test_a_common_order_and_limits(labels):
    balanced, inverse = class_weights(labels), class_weights(labels, "inverse_frequency")
    classes = len(balanced)
    assert inverse == pytest.approx(classes * balanced)
    assert np.mean(balanced[labels]) == pytest.approx(1)
    near_one = class_weights(labels, "effective_number", beta=1 - 1e-12)
    assert near_one == pytest.approx(classes * balanced / balanced.sum())
    assert class_weights(labels, "effective_number", beta=0.0) == pytest.approx(np.ones(classes))
    assert np.median(1 / class_weights(labels, "median_frequency")) == pytest.approx(1)


def test_hand_worked():
    assert class_weights(LABELS) == pytest.approx([10 / 6, 10 / 6, 10 / 18])
    assert class_weights(LABELS, "inverse_frequency") == pytest.approx([5, 5, 10 / 6])
    assert class_weights(LABELS, "median_frequency") == pytest.approx([1, 1, 1 / 3])
    e = np.array([1.5, 1.5, 1.96875])
    assert class_weights(LABELS, "effective_number", beta=0.5) == pytest.approx(3 / e / (1 / e).sum())


def test_median_frequency_counts_only_the_images_that_show_a_class():
    images = [[[0, 0], [0, 1]], [[0, 0], [2, 2]], [[0, 0], [0, -100]]]
    frequency = np.array([8 / 11, 1 / 4, 2 / 4])
    assert class_weights(images, "median_frequency") == pytest.approx(0.5 / frequency)
    assert class_weights(images) == pytest.approx(11 / (3 * np.array([8, 1, 2])))


@pytest.mark.parametrize("scheme", ["balanced", "inverse_frequency", "effective_number", "median_frequency"])
@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64"])
@pytest.mark.parametrize("xp", [np, torch, jnp, array_api_strict], ids=lambda xp: xp.__name__)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning")
def test_libraries_and_integer_dtypes(xp, dtype, scheme):
    labels = xp.asarray(LABELS, dtype=getattr(xp, dtype))
    got = class_weights(labels, scheme)
    assert type(got) is type(xp.asarray([1.0])) and got.dtype == xp.asarray([1.0]).dtype
    assert np.asarray(got) == pytest.approx(class_weights(LABELS, scheme), rel=1e-6)


def test_the_default_dtype_of_torch_is_followed():
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert class_weights(torch.tensor(LABELS)).dtype == pos_weight(torch.tensor([0, 1])).dtype == torch.float64
    finally:
        torch.set_default_dtype(before)


def test_ignored_labels_are_not_counted():
    assert class_weights([*LABELS, -100, -100]) == pytest.approx(class_weights(LABELS))
    labels = np.array([*LABELS, 255], np.uint8)
    assert class_weights(labels, ignore_index=255) == pytest.approx(class_weights(LABELS))


def test_labels_are_not_written():
    labels = np.array(LABELS)
    labels.flags.writeable = False
    class_weights(labels, "median_frequency")


def test_balanced_weights_balance_the_loss():
    """Each class adds the same to a weighted sum of equal losses."""
    weights = class_weights(torch.tensor(LABELS))
    loss = torch.nn.functional.cross_entropy(torch.zeros(10, 3), torch.tensor(LABELS), weights, reduction="none")
    shares = torch.zeros(3).index_add(0, torch.tensor(LABELS), loss)
    assert shares.tolist() == pytest.approx([shares[0].item()] * 3)


COLUMNS = [[1, 0], [0, 1], [0, 1], [0, 0], [0, 1]]


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float32"])
@pytest.mark.parametrize("xp", [np, torch, jnp, array_api_strict], ids=lambda xp: xp.__name__)
@pytest.mark.filterwarnings("ignore:Explicitly requested dtype:UserWarning")
def test_pos_weight(xp, dtype):
    labels = xp.asarray(COLUMNS, dtype=getattr(xp, dtype))
    got = pos_weight(labels)
    assert type(got) is type(labels) and got.dtype == xp.asarray([1.0]).dtype
    assert np.asarray(got) == pytest.approx([4, 2 / 3])
    single = pos_weight(labels[:, 0])
    assert single.shape == () and float(single) == 4


def test_pos_weight_takes_lists_and_half_precision():
    assert pos_weight(COLUMNS) == pytest.approx([4, 2 / 3])
    assert pos_weight(torch.tensor(COLUMNS, dtype=torch.bfloat16)).tolist() == pytest.approx([4, 2 / 3])


def test_pos_weight_balances_the_gradient_at_the_prior():
    labels = torch.tensor(COLUMNS, dtype=torch.float64)
    x = torch.zeros_like(labels, requires_grad=True)
    weight = pos_weight(labels.long()).double()
    torch.nn.functional.binary_cross_entropy_with_logits(x, labels, pos_weight=weight, reduction="sum").backward()
    assert x.grad is not None and x.grad.sum(0).tolist() == pytest.approx([0, 0], abs=1e-6)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: class_weights([0, 2, 5]), ValueError, ["class 1, 3, 4", "(3 labels, 6 classes)", "numpy.unique"]),
        (lambda: class_weights([0], num_classes=40), ValueError, ["1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 29 more"]),
        (lambda: class_weights([0, 1], "median_frequency", num_classes=3), ValueError, ["median_frequency", "class 2"]),
        (lambda: class_weights([[0, 1], [3, 2]], num_classes=3), IndexError, ["hold 3 at [1, 0]", "0 to 2"]),
        (lambda: class_weights([0, -1]), IndexError, ["hold -1 at [1]", "ignore_index (it is -100)"]),
        (lambda: class_weights([]), ValueError, ["empty"]),
        (lambda: class_weights([-100, -100]), ValueError, ["all 2 labels are ignored"]),
        (lambda: class_weights([0.0, 1.0]), TypeError, ["float64", "integer"]),
        (lambda: class_weights(torch.rand(4, 3)), TypeError, ["float32", "argmax"]),
        (lambda: class_weights(["cat", "dog"]), TypeError, ["integer class indices"]),
        (lambda: class_weights([0, 1], "sqrt"), ValueError, ["'sqrt'", "median_frequency"]),
        (lambda: class_weights([0, 1], beta=1.0), ValueError, ["beta is 1", "[0, 1)"]),
        (lambda: class_weights([0, 1], num_classes=0), ValueError, ["num_classes is 0"]),
        (lambda: pos_weight([-1, 1]), ValueError, ["hold -1 at [0]", "(labels + 1) / 2"]),
        (lambda: pos_weight([[0.0, 1.0], [0.0, np.nan]]), ValueError, ["hold nan at [1, 1]"]),
        (lambda: pos_weight([[1, 0], [0, 0]]), ValueError, ["column 1 has no positives among 2"]),
        (lambda: pos_weight([1, 1]), ValueError, ["labels have no negatives among 2"]),
        (lambda: pos_weight([]), ValueError, ["no positives among 0"]),
        (lambda: pos_weight(np.zeros((2, 3, 4))), ValueError, ["(2, 3, 4)", "reshape to (-1, C)"]),
        (lambda: pos_weight(["a"]), TypeError, ["0 and 1"]),
    ],
)
def test_bad_input(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
