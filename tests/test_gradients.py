"""The gradient that a record states in LaTeX is the derivative that torch computes."""

import letters
import numpy as np
import pytest
import torch
from gradients import TRANSCRIBED

import lossary
from lossary.core.record import CATALOGUE


def derivative(loss, sample, name: str) -> np.ndarray:
    """Of the sum of all unreduced values, by torch."""
    arguments = {n: torch.tensor(x) if isinstance(x, np.ndarray) else x for n, x in sample.arguments.items()}
    x = arguments[name].clone().requires_grad_()
    value = loss.public(**arguments | {name: x, "reduction": "none"})
    return torch.autograd.grad(value.sum(), x)[0].numpy()


def compare(loss, latex: str) -> int:
    """How often the gradient was computed; AssertionError where it is not the derivative."""
    count, first = 0, next(iter(loss.data))
    for sample in letters.samples(loss, latex):
        computed = letters.formula(loss, latex, sample)
        for equation in computed.equations:
            if equation.is_derivative:
                name = loss.symbols[equation.name]
                expected = derivative(loss, sample, name)
                expected = letters.arranged(loss, sample, sample.specs[name].shape, expected)
                np.testing.assert_allclose(computed.array(equation), expected, 1e-9, 1e-12, err_msg=loss.name)
                count += name == first
        if count >= letters.ENOUGH:
            break
    return count


STATED = [loss for loss in lossary.catalogue() if loss.gradient]


@pytest.mark.parametrize("loss", [loss for loss in STATED if loss.name not in TRANSCRIBED], ids=lambda loss: loss.name)
def test_a_gradient_is_the_derivative(loss):
    assert compare(loss, loss.gradient) >= letters.ENOUGH


MUTANTS = {
    "huber_loss": [
        ("x_i - y_i &", "y_i - x_i &"),
        (r"\delta \,", r"2 \delta \,"),
        (r"\le", r"\ge"),
        (r"\delta \,", ""),
    ],
}
"""Edits of the LaTeX, each of which makes it wrong."""


@pytest.mark.parametrize(("name", "right", "wrong"), [(name, *edit) for name in MUTANTS for edit in MUTANTS[name]])
def test_a_wrong_gradient_is_found(name: str, right: str, wrong: str):
    loss = CATALOGUE[name]
    assert right in loss.gradient
    with pytest.raises((AssertionError, ValueError)):
        compare(loss, loss.gradient.replace(right, wrong))
