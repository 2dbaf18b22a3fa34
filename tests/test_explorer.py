"""The explorer computes what Lossary computes, says everything in both languages, and is one file that needs no other."""

import json
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import files
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch

import lossary.functional as F
from lossary import information, plots
from lossary.core.record import Loss, catalogue
from lossary.explorer import COMPUTING, SHOWING, page
from lossary.explorer.data import content

DRAWN = [pytest.param(record, id=record.name) for record in catalogue() if record.plot]
OPTIONS = {record.name: content()["losses"][record.name]["options"] for record in catalogue() if record.plot}


def javascript(body: str, given: Any = None) -> Any:
    """What the function of `given` with this body returns, among the explorer's scripts, in node."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node, which runs the explorer's formulas here, is not installed")
    scripts = "\n".join(files("lossary.explorer").joinpath(name).read_text("utf-8") for name in COMPUTING)
    written = (
        "const plain = (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x);\n"
        f"const answer = ((given) => {{ {body} }})(JSON.parse(require('fs').readFileSync(0, 'utf8')));\n"
        "process.stdout.write(JSON.stringify(answer, plain));"
    )
    done = subprocess.run(
        [node, "-e", f"{scripts}\n{written}"], input=json.dumps(given), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def several(option: dict[str, Any]) -> list[Any]:
    """Values of an option: its default, those of its ends that are allowed, and one between."""
    if option["kind"] == "choice":
        return option["values"]
    if option["kind"] == "flag":
        return [False, True]
    slider = option["slider"]
    between = np.sqrt(slider["from"] * slider["to"]) if slider["logarithmic"] else np.mean([slider["from"], slider["to"]])
    values = {option["default"], 0.37 * slider["to"], float(between)}
    values |= {slider["from"]} if not option["lowOpen"] else set()
    return [*sorted(value for value in values if value is not None), *([None] if None in values else [])]


def settings(record: Loss) -> list[dict[str, Any]]:
    """Each option over its values, the others at their defaults; and some pairs of them."""
    options = OPTIONS[record.name]
    defaults = {option["name"]: option["default"] for option in options}
    found = [defaults]
    for option in options:
        found += [defaults | {option["name"]: value} for value in several(option)]
    for first, second in zip(options, options[1:], strict=False):
        found += [
            defaults | {first["name"]: a, second["name"]: b} for a, b in product(several(first), several(second))
        ]
    return [setting for setting in found if allowed(record, setting)]


def allowed(record: Loss, setting: dict[str, Any]) -> bool:
    """Whether the options that belong to words of another stand beside these words."""
    for option in OPTIONS[record.name]:
        for other, ranges in option.get("ranges", {}).items():
            allowed = ranges.get(setting[option["name"]])
            default = next(o["default"] for o in OPTIONS[record.name] if o["name"] == other)
            if allowed is None and setting[other] != default:
                return False
            if allowed and allowed["lowOpen"] and setting[other] == allowed["low"]:
                return False
    return True


def nested(record: Loss, setting: dict[str, Any]) -> dict[str, Any]:
    """The options as the loss takes them beside the numbers of its plot."""
    assert record.plot
    found: dict[str, Any] = {"impl": "reference"}  # of two distances that are equal the kernel takes one, the formula both
    for name, value in setting.items():
        depth = np.ndim(next(iter(record.plot.sweep.get(name, ())), 0.0))
        found[name] = np.full((1,) * depth, value).tolist() if name in record.data and depth else value
    return found


@pytest.mark.parametrize("record", DRAWN)
def test_formulas_are_those_of_the_library(record: Loss) -> None:
    """Value and derivative, at 801 points of the record's axis, for several values of every option."""
    assert record.plot
    wanted = [plots._curve(record, record.plot, nested(record, s), None, True) for s in settings(record)]
    body = f"""
      const loss = formulas.losses.{record.name};
      if (!loss) throw new Error("formulas.js has no {record.name}");
      return given.map(({{ x, options }}) => x.map((value) => loss([value, 1], options)));
    """
    cases = [{"x": c.x.tolist(), "options": s} for c, s in zip(wanted, settings(record), strict=True)]
    for curve, setting, got in zip(wanted, settings(record), javascript(body, cases), strict=True):
        value, gradient = np.array(got, dtype=np.float64).T
        np.testing.assert_allclose(value, curve.value.ravel(), rtol=1e-9, atol=1e-9, err_msg=f"{setting}")
        np.testing.assert_allclose(gradient, curve.gradient.ravel(), rtol=1e-9, atol=1e-9, err_msg=f"{setting}")


# Beside the curves -----------------------------------------------------------------------------------------------------


def test_a_loss_without_a_formula_is_named() -> None:
    """The catalogue grows; the explorer grows with it."""
    written = set(javascript("return Object.keys(formulas.losses)"))
    drawn = {record.name for record in catalogue() if record.plot}
    assert not drawn - written, f"write them in src/lossary/explorer/formulas.js: {sorted(drawn - written)}"
    assert not written - drawn, f"formulas.js has losses that the catalogue does not draw: {sorted(written - drawn)}"


@pytest.mark.parametrize("classes", [2, 10, 1000])
@pytest.mark.parametrize(("smoothing", "temperature", "gamma", "prior"), [(0.0, 1.0, 2.0, 0.5), (0.2, 0.3, 0.5, 0.1)])
def test_numbers_to_expect(classes: int, smoothing: float, temperature: float, gamma: float, prior: float) -> None:
    given = {"classes": classes, "smoothing": smoothing, "temperature": temperature, "gamma": gamma, "prior": prior}
    got = javascript("return quantities.expectations(given)", given)
    nothing, label = np.zeros((1, classes)), np.array([0])
    smoothed = np.full((1, classes), smoothing / classes)
    smoothed[0, 0] += 1 - smoothing
    with np.errstate(divide="ignore"):
        best = np.log(smoothed)
    options = {"temperature": temperature, "label_smoothing": smoothing}
    start = F.cross_entropy(nothing, label, **options)
    floor = F.cross_entropy(temperature * best, label, **options)
    assert got["cross_entropy"] == pytest.approx({"start": start, "floor": floor})
    certain = np.eye(classes)[:1]
    assert got["softmax_twice"]["floor"] == pytest.approx(F.cross_entropy(certain, label, temperature=temperature))
    assert got["focal_loss"]["start"] == pytest.approx(F.focal_loss(nothing, label, gamma=gamma))
    apart = np.array([[1.0, 0.0]]), np.array([[1.0, 0.0], *[[-1.0, 0.0]] * (classes - 1)])
    assert got["info_nce_loss"]["floor"] == pytest.approx(F.info_nce_loss(*apart, temperature=temperature))
    assert got["info_nce_loss"]["start"] == pytest.approx(
        F.info_nce_loss(apart[0], np.ones_like(apart[1]), temperature=temperature)
    )
    zero, labels = np.zeros(2), np.array([1.0, 0.0])
    share = np.array([prior, 1 - prior])
    binary = F.binary_cross_entropy_with_logits
    assert got["binary_cross_entropy_with_logits"]["start"] == pytest.approx(binary(zero, labels))
    log_odds = np.full(2, np.log(prior / (1 - prior)))
    assert got["share_of_positives"]["floor"] == pytest.approx(share @ binary(log_odds, labels, reduction="none"))
    twice = got["sigmoid_twice"]
    assert twice["start"] == pytest.approx(share @ binary(zero + 0.5, labels, reduction="none"))
    assert twice["floor"] == pytest.approx(share @ binary(labels, labels, reduction="none"))
    focal = F.sigmoid_focal_loss(zero, labels, alpha=-1, gamma=gamma, reduction="mean")
    assert got["sigmoid_focal_loss"]["start"] == pytest.approx(focal)
    normal = scipy.stats.norm.ppf((np.arange(100_000) + 0.5) / 100_000)
    assert got["mse_loss"]["start"] == pytest.approx(F.mse_loss(0 * normal, normal), rel=1e-3)
    assert got["l1_loss"]["start"] == pytest.approx(F.l1_loss(0 * normal, normal), rel=1e-3)


@pytest.mark.parametrize(
    ("value", "key"),
    [(2.303, "guess"), (0.6931, "binary_guess"), (1.461, "softmax_twice"), (0.3133, "sigmoid_twice_yes")],
)
def test_values_at_which_training_stands_still(value: float, key: str) -> None:
    found = {item["key"]: item for item in javascript("return quantities.explanations(given)", value)}
    assert found[key].get("classes", 10) == 10
    assert javascript("return quantities.explanations(0.11)") == []


@pytest.mark.parametrize(
    ("name", "options"),
    [("mse_loss", {}), ("l1_loss", {}), ("huber_loss", {"delta": 0.7}), ("quantile_loss", {"quantiles": 0.3})],
)
def test_fits_are_the_minimisers_of_the_records(name: str, options: dict[str, float]) -> None:
    targets = np.random.default_rng(0).standard_t(2, 9)
    body = f"return quantities.fit(formulas.losses.{name}, given.options, given.targets)"
    got = javascript(body, {"options": options, "targets": targets.tolist()})
    grid = np.linspace(targets.min(), targets.max(), 20_001)
    loss = getattr(F, name)(grid[:, None] + 0 * targets, targets + 0 * grid[:, None], reduction="none", **options)
    assert got == pytest.approx(grid[loss.mean(axis=1).argmin()], abs=2 * (grid[1] - grid[0]))


def test_cross_entropy_is_entropy_and_divergence() -> None:
    rng = np.random.default_rng(0)
    for p, q in [rng.dirichlet(np.ones(4), 2), (np.array([1.0, 0, 0, 0]), rng.dirichlet(np.ones(4)))]:
        got = javascript("return quantities.decomposition(given.p, given.q)", {"p": p.tolist(), "q": q.tolist()})
        wanted = {
            "entropy": information.entropy(p),
            "divergence": information.relative_entropy(p, q),
            "cross": information.cross_entropy(p, q),
        }
        assert got == pytest.approx({name: float(value) for name, value in wanted.items()})


@pytest.mark.parametrize("labels", [[1, 2], [1, 1], [1], [1, 2, 1]])
@pytest.mark.parametrize("frames", [3, 5, 6])
def test_ctc_of_the_lattice(labels: list[int], frames: int) -> None:
    log_probs = F.log_softmax(torch.randn(frames, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), -1)
    body = "return quantities.ctc(given.p, given.labels)"
    got = javascript(body, {"p": log_probs.exp().tolist(), "labels": labels})
    lengths = torch.tensor([frames]), torch.tensor([len(labels)])
    wanted = F.ctc_loss(log_probs[:, None], torch.tensor([labels]), *lengths, reduction="none").item()
    assert float(got["loss"]) == pytest.approx(wanted)
    assert sum(path["probability"] for path in got["paths"]) == pytest.approx(np.exp(-wanted))
    for path in got["paths"]:
        assert [s for s, _ in groupby(path["symbols"]) if s] == labels
    assert len({tuple(path["symbols"]) for path in got["paths"]}) == len(got["paths"])


DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
NAIVE: dict[str, tuple[Callable[[torch.Tensor], torch.Tensor], Callable[[torch.Tensor], torch.Tensor]]] = {
    "-log(1 - sigmoid(x))": (
        lambda x: -torch.log(1 - torch.sigmoid(x)),
        lambda x: F.binary_cross_entropy_with_logits(x, torch.zeros_like(x), reduction="none"),
    ),
    "-log(softmax(x))": (
        lambda x: -torch.log(torch.exp(x) / (torch.exp(x) + 1)),
        lambda x: _two_logits(F.cross_entropy, x),
    ),
    "-log(softmax(x) + 1e-7)": (
        lambda x: -torch.log(torch.exp(x) / (torch.exp(x) + 1) + 1e-7),
        lambda x: _two_logits(F.cross_entropy, x),
    ),
    "(1 - p)^0.5 · -log(p)": (
        lambda x: torch.pow(1 - torch.sigmoid(x), 0.5) * -torch.log(torch.sigmoid(x)),
        lambda x: _two_logits(F.focal_loss, x, gamma=0.5),
    ),
    "log(cosh(x))": (
        lambda x: torch.log(torch.cosh(x)),
        lambda x: F.log_cosh_loss(x, torch.zeros_like(x), reduction="none"),
    ),
}


def _two_logits(loss: Callable[..., torch.Tensor], x: torch.Tensor, **options: float) -> torch.Tensor:
    labels = torch.zeros(x.shape, dtype=torch.int64)
    return loss(torch.stack([x, torch.zeros_like(x)], -1), labels, reduction="none", **options)


def _with_gradient(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> np.ndarray:
    x = x.clone().requires_grad_()
    value = f(x)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return np.stack([value.detach().double().numpy(), gradient.double().numpy()])


def verdicts(got: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """How numbers stand to the right ones: NaN, infinite, 0, far off, or right."""
    wrong = np.abs(got - exact) > 0.1 * np.abs(exact)
    zero = (got == 0) & (exact != 0)
    return np.select([np.isnan(got), np.isinf(got), zero, wrong], [4, 3, 2, 1], 0)


@pytest.mark.parametrize("dtype", DTYPES)
def test_small_floats_break_where_those_of_torch_do(dtype: str) -> None:
    """What is written naively, value and derivative, as in torch; what is right, as Lossary answers in that dtype."""
    assert set(javascript("return Object.keys(dtypes.programs)")) == set(NAIVE)
    eps = torch.finfo(DTYPES[dtype]).eps
    for program, (naive, right) in NAIVE.items():
        low, high = javascript(f"return dtypes.programs[{json.dumps(program)}].range")
        x = torch.linspace(low, high, 481, dtype=torch.float64).to(DTYPES[dtype])
        body = f"""
          const name = {json.dumps(program)};
          return given.map((x) => [dtypes.compute(name, "{dtype}", x), dtypes.exact(name, x)]);
        """
        computed = np.array(javascript(body, x.double().tolist()), dtype=np.float64)
        torchs, lossarys = _with_gradient(naive, x), _with_gradient(right, x)
        for k, quantity in enumerate(("value", "gradient")):
            said = f"{quantity} of {program}"
            got, exact = computed[:, 0, k], computed[:, 1, k]
            least = torch.finfo(DTYPES[dtype]).tiny
            np.testing.assert_allclose(lossarys[k], exact, rtol=4 * eps, atol=least, err_msg=f"{said}, Lossary's")
            same = np.isclose(got, torchs[k], rtol=32 * eps, atol=8 * eps, equal_nan=True)
            assert same.mean() > 0.9, f"{said}: {x[~same].tolist()}"
            alike = verdicts(got, exact) == verdicts(torchs[k], exact)
            assert alike.mean() > 0.97, f"{said}: {x[~torch.tensor(alike)].tolist()}"
