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

COMPUTED = [loss for loss in lossary.catalogue() if loss.name not in TRANSCRIBED]


def check(loss: Loss) -> None:
    """AssertionError where there is no gradient, where it is not the derivative, or where no sample has it."""
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
    assert written, f"{loss.name} has no gradient"
    assert compared == written, f"{loss.name}: no sample has {written - compared}"
    assert letters.said(loss.gradient) <= seen, f"{loss.name}: no sample has {letters.said(loss.gradient) - seen}"


@pytest.mark.parametrize("loss", COMPUTED, ids=lambda loss: loss.name)
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


@pytest.mark.parametrize("name", TRANSCRIBED)
def test_an_algorithm_is_the_derivative(name: str):
    loss, transcribed = CATALOGUE[name], TRANSCRIBED[name]
    assert loss.gradient == transcribed.latex, "transcribe the new LaTeX in tests/gradients.py"
    check_transcribed(loss, transcribed)


MUTANTS = {
    "huber_loss": [
        ("x_i - y_i &", "y_i - x_i &"),
        (r"\delta \,", r"2 \delta \,"),
        (r"\le", r"\ge"),
        (r"\delta \,", ""),
    ],
    "cross_entropy": [("- [c = y_n]", ""), ("= w_{y_n}", "= w_c"), (r"\sum_k w_k \, t_{n,k}", "")],
    "focal_loss": [(r"- \gamma q", r"+ \gamma q"), (r"^{\gamma - 1}", r"^\gamma"), ("f(p_{n,k})", "f(p_{n,c})")],
    "sigmoid_focal_loss": [(r"\gamma \frac", r"\frac"), ("1 - q_i} b_i", "1 - q_i}"), ("(2 t_i - 1)", "(2 t_i + 1)")],
    "poisson_nll_loss": [("- t_i &", "&"), (r"1 - \frac", r"\frac")],
    "kl_div_with_logits": [("{T}, ", "{1}, "), ("q_{n,c} - p_{n,c}", "p_{n,c} - q_{n,c}")],
    "quantile_loss": [("- q_k", "+ q_k"), ("> y_i", "< y_i")],
    "cosine_embedding_loss": [(r"\frac{1}{\|a_i\|} \left", r"\left"), (r"> m", r"< m")],
    "info_nce_loss": [(r"\frac{1}{T}", ""), (r"- [j = \pi_i]", ""), (r"p_{ij} + q_{ij}", r"p_{ij} + p_{ij}")],
    "categorical_hinge_loss": [(r"\arg\max", r"\arg\min"), ("[c = r_n] - ", "")],
    "multilabel_margin_loss": [(r"\frac{1}{C}", ""), (r"[k \in Y_n]", r"[k \notin Y_n]")],
    "cox_loss": [(r"t_i \le t_k", r"t_i \ge t_k"), (r"- \delta_k", "")],
    "dice_loss": [(r"(p_j^2 + t_j^2)", r"p_j^2"), ("-1 - ", "-1 + "), ("[c = k] -", "[c = k] +"), ("p (1 - p)", "p")],
    "tversky_loss": [(r"\gamma u", "u"), (r"\alpha (1 - u)", r"\beta (1 - u)")],
    "box_iou_loss": [
        ("(U + I) a", "U a"),
        ("& \\text{eiou}", "+ g & \\text{eiou}"),
        ("- C (h - a)", ""),
        ("[r < r']", ""),
    ],
    "dpo_loss": [
        ("(1 - e))", "1)"),
        (r"\tfrac32", r"\tfrac12"),
        ("[z < 1]", "[z < 2]"),
        (r"-\beta \sigma(-a) ", r"-\sigma(-a) "),
    ],
}
"""Edits of the LaTeX, each of which makes it wrong: a sign, a factor, a term, an index."""


def test_an_equation_that_no_sample_has_is_found():
    loss = CATALOGUE["dice_loss"]
    with pytest.raises(AssertionError, match="no sample has"):
        check(dataclasses.replace(loss, gradient=loss.gradient.replace("squared:", "batch:")))


def doubled(loss: Loss) -> Loss:
    return dataclasses.replace(loss, public=lambda **arguments: 2 * loss.public(**arguments))


@pytest.mark.parametrize("name", TRANSCRIBED)
def test_a_transcription_of_another_loss_is_found(name: str):
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_transcribed(doubled(CATALOGUE[name]), TRANSCRIBED[name])


@pytest.mark.parametrize(("name", "right", "wrong"), [(name, *edit) for name in MUTANTS for edit in MUTANTS[name]])
def test_a_wrong_gradient_is_found(name: str, right: str, wrong: str):
    loss = CATALOGUE[name]
    assert right in loss.gradient
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check(dataclasses.replace(loss, gradient=loss.gradient.replace(right, wrong)))
