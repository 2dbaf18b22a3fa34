"""Losses of one's own: made of a formula, and taken by every tool."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import oracles
import pytest
from typer.testing import CliRunner

import lossary
from lossary import plots
from lossary.cli.app import app
from lossary.contract import Choice, Range, class_indices, logits, real
from lossary.core.arrays import namespace
from lossary.core.elementary import logsumexp
from lossary.core.record import CATALOGUE, OWN, Example, record_of
from lossary.testing import CHECKS, LIBRARIES, cases
from lossary.which import compare

FILE = '''
from typing import Annotated, Any

import lossary
from lossary.contract import real


@lossary.loss
def charbonnier_loss(input: Annotated[Any, real("*s")], target: Annotated[Any, real("*s")], eps: float = 1e-3):
    """A smooth absolute error."""
    return ((input - target) ** 2 + eps**2) ** 0.5
'''


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    yield
    OWN.clear()


def charbonnier() -> Any:
    @lossary.loss(
        properties=("convex", "nonnegative", "symmetric", "translation_invariant", "permutation_invariant"),
        examples=(Example({"input": [3.0], "target": [0.0], "eps": 4.0}, 5.0, "√(9 + 16)"),),
    )
    def charbonnier_loss(
        input: Annotated[Any, real("*s")],
        target: Annotated[Any, real("*s")],
        *,
        eps: Annotated[float, Range(0.0, low_open=True, high_open=True)] = 1.0,
    ) -> Any:
        """A smooth absolute error."""
        xp = namespace(input)
        return xp.hypot(input - target, eps + 0 * input)

    return charbonnier_loss


def multinomial() -> Any:
    @lossary.loss
    def multinomial_loss(
        input: Annotated[Any, logits("?N C *d")], target: Annotated[Any, class_indices("?N *d")]
    ) -> Any:
        xp = namespace(input)
        axis = 0 if input.ndim == 1 else 1
        picked = xp.take_along_axis(input, xp.expand_dims(target, axis=axis), axis=axis)
        return logsumexp(input, axis) - xp.squeeze(picked, axis=axis)

    return multinomial_loss


def run(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, list(args))
    assert result.exit_code == code, (args, result.output, result.exception)
    return result.stderr if code == 2 else result.stdout


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my_losses.py"
    path.write_text(FILE)
    monkeypatch.chdir(tmp_path)
    return path


# The decorator --------------------------------------------------------------------------------------------------------


def test_it_reduces_weighs_and_checks_as_every_loss() -> None:
    loss = charbonnier()
    x, y = np.array([3.0, 0.0, 5.0]), np.array([0.0, 4.0, 5.0])
    np.testing.assert_allclose(loss(x, y, eps=1e-9, reduction="none"), [3, 4, 0], atol=1e-8)
    assert loss(x, y, eps=1e-9) == pytest.approx(7 / 3)
    assert loss(x, y, eps=1e-9, sample_weight=np.array([1.0, 0.0, 1.0])) == pytest.approx(3 / 2)
    assert loss(x, y, eps=1e-9, normalizer=7.0) == pytest.approx(1.0)
    with pytest.raises(ValueError, match=r"charbonnier_loss: eps is -1.0; it must be in \(0, inf\)"):
        loss(x, y, eps=-1.0)
    with pytest.raises(ValueError, match="charbonnier_loss: target is float64 of shape"):
        loss(x, y[:2])


def test_every_library_and_half_precision() -> None:
    torch = pytest.importorskip("torch")
    loss = multinomial()
    x = torch.randn(4, 3, dtype=torch.bfloat16, requires_grad=True)
    target = torch.tensor([0, 2, 1, 1])
    value = loss(x, target)
    assert value.dtype == torch.bfloat16
    value.backward()
    exact = lossary.cross_entropy(x.detach().double(), target)
    assert float(value.detach()) == pytest.approx(float(exact), rel=1e-2)
    assert record_of(loss).unreduced == "?N *d" and record_of(loss).title == "multinomial_loss"


def test_the_catalogue_stays_unless_they_are_asked_for() -> None:
    before = lossary.catalogue()
    loss = charbonnier()
    assert lossary.catalogue() == before and "charbonnier_loss" not in CATALOGUE
    assert lossary.catalogue(own=True) == (*before, record_of(loss))
    assert record_of(loss).family == "own"


def test_a_loss_may_be_made_again() -> None:
    first, second = charbonnier(), charbonnier()
    assert lossary.catalogue(own=True)[-1] is record_of(second) is not record_of(first)


def test_flags_words_and_numbers_have_contracts() -> None:
    @lossary.loss
    def power_loss(
        input: Annotated[Any, real("*s")],
        target: Annotated[Any, real("*s")],
        power: int = 2,
        absolute: bool = True,
        unit: Annotated[Literal["one", "two"], Choice()] = "one",
    ) -> Any:
        error = abs(input - target) if absolute else input - target
        return error**power * (1 if unit == "one" else 2)

    x = np.array([-3.0])
    assert power_loss(x, 0 * x) == 9 and power_loss(x, 0 * x, 3, absolute=False) == -27
    with pytest.raises(ValueError, match="unit is 'three'; it must be one of 'one', 'two'"):
        power_loss(x, 0 * x, unit="three")
    with pytest.raises((ValueError, TypeError), match="absolute is 'yes'; it must be True or False"):
        power_loss(x, 0 * x, absolute="yes")


@pytest.mark.parametrize(
    "text, words",
    [
        ("def f(x, y): ...", "its first argument has no contract: annotate it with a word of lossary.contract"),
        ('def f(x: Annotated[Any, real("*s")], y): ...', r"\['y'\] carry no contract"),
        ('def mse_loss(x: Annotated[Any, real("*s")]): ...', "Lossary has a loss of this name"),
    ],
)
def test_what_is_missing_is_named(text: str, words: str) -> None:
    names: dict[str, Any] = {"Annotated": Annotated, "Any": Any, "real": real}
    exec(text, names)
    with pytest.raises(TypeError, match=words):
        lossary.loss(next(x for name, x in names.items() if name in ("f", "mse_loss")))
    assert not OWN


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(TypeError, match="a record has no colour"):
        lossary.loss(colour="red")(lambda x: x)


# The conformance checks -----------------------------------------------------------------------------------------------


@oracles.reduces("input target eps reduction")
def oracle(input: Any, target: Any, eps: float = 1.0) -> oracles.Unreduced:
    mp, exact = oracles.mp, oracles.exact
    return oracles.Unreduced(
        oracles.each(lambda x, y: mp.sqrt((x - y) ** 2 + mp.mpf(float(eps)) ** 2), exact(input), exact(target))
    )


CHECKED = sorted(CHECKS.keys() - {"module"})
"""It has no module in lossary.nn."""


@pytest.mark.parametrize("name", CHECKED)
@pytest.mark.parametrize("library", ["numpy", "torch"])
def test_it_takes_the_checks_of_lossary(name: str, library: str) -> None:
    check = CHECKS[name]
    if not check.applies(LIBRARIES[library], "float64"):
        pytest.skip(f"{name} is not for {library}")
    pytest.importorskip(library)
    for case in cases(charbonnier(), oracle, LIBRARIES[library], "float64", range(2)):
        check.run(case)


def test_the_checks_find_what_is_wrong() -> None:
    def wrong(**arguments: Any) -> Any:
        return oracle(**arguments) * 1.001

    (case,) = cases(charbonnier(), wrong, LIBRARIES["numpy"], "float64", range(1))
    with pytest.raises(AssertionError):
        CHECKS["value"].run(case)


# The tools ------------------------------------------------------------------------------------------------------------


def test_check_and_explain_take_it() -> None:
    loss = multinomial()
    shares = np.full((40, 10), 0.1)
    assert "LS101" in lossary.check(loss, shares, np.arange(40) % 10).codes
    assert lossary.explain(loss, np.zeros((2, 3)), np.array([0, 1])).chosen == "reference"


def test_plots_draw_it_beside_others() -> None:
    charbonnier()
    figure = plots.curves(["charbonnier_loss", "huber_loss"], options={"eps": (1e-9,)})
    line = next(line for line in figure.axes[0].get_lines() if line.get_label().startswith("charbonnier_loss"))
    x, value = line.get_data()
    np.testing.assert_allclose(value, abs(x), atol=1e-8)
    assert figure.axes[0].get_xlabel() == "x - y"


def test_which_compares_it() -> None:
    found = compare([record_of(charbonnier()), CATALOGUE["l1_loss"]]).losses["charbonnier_loss"]
    assert "x - y 10: loss 10.05, gradient 0.995" in found["gradient"]
    assert found["noise"] == found["answer to"] == []


@pytest.mark.parametrize("name", ["my_losses:charbonnier_loss", "my_losses.py:charbonnier_loss"])
def test_the_command_line_takes_a_loss_of_a_module(name: str, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(file.parent))
    monkeypatch.delitem(__import__("sys").modules, "my_losses", raising=False)
    assert run("show", name).startswith("charbonnier_loss: A smooth absolute error.\nown\n")
    assert json.loads(run("show", name, "--json"))["family"] == "own"
    assert "charbonnier_loss on" in run("explain", name)
    assert "x - y 1: loss 1" in run("which", name, "l1_loss")
    assert run("plot", name, "l1_loss") == "charbonnier_loss-l1_loss.svg\n"
    np.savez("saved.npz", predictions=np.arange(9.0), targets=np.arange(9.0) + 0.5)
    assert "charbonnier_loss: no findings" in run("check", "saved.npz", "--loss", name)


def test_it_is_listed_where_it_is_asked_for(file: Path) -> None:
    assert "charbonnier_loss" not in run("list")
    assert [e["family"] for e in json.loads(run("list", "--own", file.name, "--json"))][-1] == "own"


@pytest.mark.parametrize(
    "text, words",
    [("import nothing_such", "ModuleNotFoundError"), ("x = ", "SyntaxError"), ("", "makes no loss with @lossary.loss")],
)
def test_a_module_that_is_no_good_is_refused_in_one_line(text: str, words: str, file: Path) -> None:
    file.write_text(text)
    said = run("show", f"{file.name}:charbonnier_loss", code=2)
    assert words in said and said.count("\n") == 1
