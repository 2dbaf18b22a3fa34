"""The words of contracts: what the shapes that they name take."""

import numpy as np
import pytest

from lossary.core.contract import axes, bind, check_array, real


@pytest.mark.parametrize("shape", [(3, 4), (0, 4)])
def test_a_number_in_a_shape_is_a_size(shape):
    dims = {}
    assert bind("N 4", shape, dims)
    assert dims == {"N": shape[0]}
    assert axes("N 4", dims) == [("N", shape[0]), ("4", 4)]


@pytest.mark.parametrize("contract, shape", [("N 4", (3, 5)), ("N 4", (4,)), ("4 N", (3, 4)), ("*d 2 2", (5, 2, 3))])
def test_no_other_size_will_do(contract, shape):
    assert not bind(contract, shape, {})


def test_beside_dimensions_that_may_be_missing():
    dims = {}
    assert bind("?N *d 4", (4,), dims) and dims == {"N": None, "d": ()}
    assert bind("?N *d 4", (7, 2, 4), dims := {}) and dims == {"N": 7, "d": (2,)}


def test_a_dimension_may_be_longer_than_another():
    dims = {}
    assert bind("?N S+1 C", (3, 5), dims) and dims == {"N": None, "S": 2, "C": 5}
    assert axes("?N S+1 C", dims) == [("S+1", 3), ("C", 5)]
    assert bind("S", (2,), dims) and not bind("S", (3,), dims)
    assert not bind("S+1 C", (0, 5), {})
    assert bind("S+1", (3,), {"S": 2}) and not bind("S+1", (2,), {"S": 2})


@pytest.mark.parametrize(("size", "shape", "rest"), [(3, (7, 2, 3), (7, 2)), (3, (3,), ()), (None, (7, 3), (7, 3))])
def test_an_option_says_whether_the_last_dimension_is_there(size, shape, rest):
    dims = {"Q": size}
    assert bind("*s ?Q", shape, dims) and dims == {"Q": size, "s": rest}
    assert bind("*s", rest, dims)


@pytest.mark.parametrize("shape", [(7, 2), ()])
def test_and_then_no_other_size_will_do(shape):
    assert not bind("*s ?Q", shape, {"Q": 3})


def test_messages_name_the_size():
    boxes = np.zeros((3, 5))
    with pytest.raises(ValueError, match=r"iou: input is float64 of shape \(3, 5\); it must be .* of shape \(N, 4\)"):
        check_array("iou", "input", boxes, real("N 4"), {}, ("input", boxes))
