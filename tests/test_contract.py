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
