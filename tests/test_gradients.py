"""The gradient that a record states in LaTeX is the derivative that torch computes."""

import dataclasses
import inspect

import letters
import numpy as np
import pytest
from gradients import TRANSCRIBED, Transcribed
from readings import Call, of_gradient

import lossary
from lossary.core.record import CATALOGUE, Loss
from lossary.testing.samples import ordinary

STATED = [loss for loss in lossary.catalogue() if loss.gradient]


def check(loss: Loss) -> None:
    """AssertionError where a gradient is not the derivative, or is in no sample."""
    written, compared, seen = set(), set(), set()
    for reading in of_gradient(loss):
        gradient = reading.gradient()
        written |= {equation for equation in gradient.written if equation.is_derivative}
        seen |= {word for word, holds in reading.words.items() if holds}
        for equation in gradient.equations:
            if equation.is_derivative and equation.name in reading.derivatives:
                expected = reading.derivatives[equation.name]
                got = gradient.array(equation).reshape(np.shape(expected))
                np.testing.assert_allclose(got, expected, 1e-9, 1e-12, err_msg=f"{loss.name} by {equation.name}")
                compared.add(equation)
    assert compared == written, f"{loss.name}: no sample has {written - compared}"
    assert letters.said(loss.gradient) <= seen, f"{loss.name}: no sample has {letters.said(loss.gradient) - seen}"


@pytest.mark.parametrize("loss", [loss for loss in STATED if loss.name not in TRANSCRIBED], ids=lambda loss: loss.name)
def test_a_gradient_is_the_derivative(loss: Loss):
    check(loss)


def check_transcribed(loss: Loss, transcribed: Transcribed) -> None:
    count, first = 0, next(iter(loss.data))
    read = inspect.signature(transcribed.compute).parameters
    for seed in letters.SEEDS:
        sample = letters.at_defaults(loss, ordinary(loss, seed), lambda name, value: name in read)
        if sample is None or any(sample.specs[name].shape != shape for name, shape in transcribed.shapes.items()):
            continue
        if sample.dims["N"] is None:
            continue
        got = transcribed.compute(**sample.arguments)
        np.testing.assert_allclose(got, Call(loss, sample).slope(first), 1e-9, 1e-12, err_msg=loss.name)
        count += 1
    assert count >= letters.ENOUGH


@pytest.mark.parametrize("loss", [loss for loss in STATED if loss.name in TRANSCRIBED], ids=lambda loss: loss.name)
def test_an_algorithm_is_the_derivative(loss: Loss):
    transcribed = TRANSCRIBED[loss.name]
    assert loss.gradient == transcribed.latex, "transcribe the new LaTeX in tests/gradients.py"
    check_transcribed(loss, transcribed)


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
        check(dataclasses.replace(loss, gradient=loss.gradient.replace(right, wrong)))
