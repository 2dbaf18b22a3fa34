"""The evaluator of LaTeX, and the formulas of the records against their losses."""

import dataclasses

import letters
import numpy as np
import pytest
from latex import Formula, Unreadable
from readings import of_formula

import lossary

VALUES = {
    "x": np.array([[0.5, -1.0, 2.0], [1.5, 0.0, -3.0]]),
    "y": np.array([2, 0]),
    "t": np.array([3.0, 4.0]),
    "W": np.array([[1.0, 2.0, 3.0]]),
    "Y": np.array([[0, 2, -1], [1, -1, -1]]),
    r"\beta": 2.0,
    "C": 3,
}
MEANINGS = {
    r"f = 1 - 2 - 3": -4.0,
    r"f = -2^2 + \tfrac12 \cdot 4 / 2": -3.0,
    r"f = \tfrac{1}{2\beta} (1 - \beta)^2": 0.25,
    r"f = \log e^2 - \log^2 e": 1.0,
    r"f = \sqrt{\exp(0) + 3}": 2.0,
    r"f = |{-3}| + |1 - |2 - 5||": 5.0,
    r"f = \|t\| + \|t\|_1 + t \cdot t": 37.0,
    r"f_n = x_{n,y_n}": [2.0, 1.5],
    r"f_{nc} = W x_n": [[4.5], [-7.5]],
    r"f_n = \sum_{c \ne y_n} x_{nc} - 1": [-1.5, -4.0],
    r"f_n = \max_{c \ne y_n} x_{n,c} + \min_c x_{n,c}": [-0.5, -3.0],
    r"f_n = \arg\max_c x_{n,c}": [2, 0],
    r"f_n = \sum_{j \in Y_n} x_{nj} \prod_{i \notin Y_n} x_{ni}": [-2.5, 0.0],
    r"f_{n,c} = [c = y_n] + 2 [x_{n,c} < 0]": [[0.0, 2.0, 1.0], [1.0, 0.0, 2.0]],
    r"f_n = \sum_{k: x_{n,k} \ge x_{n,0}, k > 0} \frac{1}{C}": [1 / 3, 0.0],
    r"f_n = \begin{cases} t_n & t_n \le 3 \\ 0 & \text{otherwise} \end{cases}": [3.0, 0.0],
    r"f_n = g_{n,y_n} + s, \qquad g_{n,c} = x_{n,c}^2 + h(c), \qquad h(x) = 10 x, \qquad s = \sum_n t_n": [31.0, 9.25],
    r"f_n = p_{n,1}, \qquad p = \mathrm{softmax}(0 \, x)": [1 / 3, 1 / 3],
    r"\text{squared:} f = 1 \qquad \text{plain:} f = 2": 2.0,
}


@pytest.mark.parametrize("latex", MEANINGS)
def test_what_the_notation_means(latex: str):
    formula = Formula(latex.replace("f_{nc}", "f_n"), VALUES, {"squared": False, "plain": True})
    np.testing.assert_allclose(formula.array(formula.equations[0]), MEANINGS[latex])


REFUSED = {
    r"f = \log \beta C": ("two readings", "C"),
    r"f = 1 / \beta C": ("two readings", "C"),
    r"f = t t": ("two vectors", ""),
    r"f = \gamma": ("no argument, index or definition", r"\gamma"),
    r"f_k = \sum_k 1": ("no axis", "k"),
    r"f_n = x_{n,c}": ("no argument, index or definition", "c"),
    r"f_n = \sum_c x_{n,c} + t_c": ("axes of 3 and of 2", "c"),
    r"f = (1 + \beta": (") is expected", ""),
    r"f = \begin{cases} 1 & \text{hinge} \end{cases}": ("no option", ""),
    r"f + 1 = \beta": ("= is expected", "+"),
    r"f_n = t_n = t_n + 0 \cdot 1 = 2 t_n": ("the sides differ", ""),
}


@pytest.mark.parametrize("latex", REFUSED)
def test_what_cannot_be_read_is_shown(latex: str):
    what, place = REFUSED[latex]
    with pytest.raises((ValueError, AssertionError)) as caught:
        formula = Formula(latex, VALUES)
        formula.array(formula.equations[0])
    assert what in str(caught.value)
    if place:
        *_, shown, mark = str(caught.value).splitlines()
        assert shown[mark.index("^") :].startswith(place)


def check(loss) -> None:
    """AssertionError where a formula is not the loss, or is in no sample."""
    written, compared, seen = set(), set(), set()
    for reading in of_formula(loss):
        formula = reading.formula()
        written |= {equation for equation in formula.written if equation.name == r"\ell"}
        seen |= {word for word, holds in reading.words.items() if holds}
        for equation in formula.equations if reading.value is not None else ():
            if equation.name == r"\ell":
                got = formula.array(equation).reshape(np.shape(reading.value))
                np.testing.assert_allclose(got, reading.value, 1e-9, 1e-12, err_msg=loss.name)
                compared.add(equation)
    assert written, f"{loss.name} has no formula of its values"
    assert compared == written, f"{loss.name}: no sample has {written - compared}"
    assert letters.said(loss.formula) <= seen, f"{loss.name}: no sample has {letters.said(loss.formula) - seen}"


COMPUTED = [loss for loss in lossary.catalogue() if loss.name not in letters.FOR_READERS]


@pytest.mark.parametrize("loss", COMPUTED, ids=lambda loss: loss.name)
def test_a_formula_is_its_loss(loss):
    check(loss)


MUTANTS = {
    "huber_loss": [(r"\tfrac12 (x", "(x"), (r"\le \delta", r"\ge \delta"), (r"- \tfrac12 \delta", "")],
}


@pytest.mark.parametrize(("name", "right", "wrong"), [(name, *edit) for name in MUTANTS for edit in MUTANTS[name]])
def test_a_wrong_formula_is_found(name: str, right: str, wrong: str):
    loss = lossary.core.record.CATALOGUE[name]
    assert right in loss.formula
    with pytest.raises(AssertionError):
        check(dataclasses.replace(loss, formula=loss.formula.replace(right, wrong)))


@pytest.mark.parametrize("name", letters.FOR_READERS)
def test_what_is_for_readers_cannot_be_computed(name: str):
    loss = lossary.core.record.CATALOGUE[name]
    with pytest.raises(Unreadable):
        Formula(loss.formula, {})
