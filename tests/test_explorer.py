"""The explorer computes what Lossary computes, says all of it in both languages, and is one file that needs nothing."""

import json
import re
import shutil
import subprocess
import webbrowser
from collections.abc import Callable
from http.server import HTTPServer
from importlib.resources import files
from itertools import groupby, pairwise, product
from pathlib import Path
from socket import socket
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import numpy as np
import pytest
import scipy.stats
import torch
from typer.testing import CliRunner

import lossary.functional as F
from lossary import information, plots
from lossary.cli.app import app
from lossary.core.record import CATALOGUE, Loss, catalogue
from lossary.explorer import COMPUTING, SHOWING, page
from lossary.explorer.data import OF_THE_INPUT, OF_VECTORS, WITHOUT_EFFECT, content
from lossary.plots import axes, overlay
from lossary.reports import report

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
    between = (
        np.sqrt(slider["from"] * slider["to"]) if slider["logarithmic"] else np.mean([slider["from"], slider["to"]])
    )
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
    for first, second in pairwise(options):
        found += [defaults | {first["name"]: a, second["name"]: b} for a, b in product(several(first), several(second))]
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
    found: dict[str, Any] = {
        "impl": "reference"
    }  # of two distances that are equal the kernel takes one, the formula both
    for name, value in setting.items():
        shape = np.shape(next(iter(record.plot.sweep.get(name, ())), 0.0)) if name in record.data else ()
        found[name] = [[value, 1 - value]] if shape == (1, 2) else np.full(shape, value).tolist() if shape else value
    return found


def drawn(record: Loss, setting: dict[str, Any], **other: Any) -> overlay.Curve:
    """The curve of the library on the record's own axis."""
    axis = axes.common([record])[record.name]
    x = np.linspace(axis.low, axis.high, plots.POINTS)
    return plots.curve(record, axis, x, nested(record, setting) | other)


@pytest.mark.parametrize("record", DRAWN)
def test_formulas_are_those_of_the_library(record: Loss) -> None:
    """Value and derivative, at 801 points of the record's axis, for several values of every option."""
    assert record.plot
    wanted = [drawn(record, setting) for setting in settings(record)]
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


@pytest.mark.parametrize("record", DRAWN)
def test_options_without_a_slider_change_nothing(record: Loss) -> None:
    assert record.plot
    others = {"ignore_index": 7, "memory_budget": "1MB", "p": 3}
    left_out = (WITHOUT_EFFECT & set(record.options)) | {name for loss, name in OF_VECTORS if loss == record.name}
    curve = drawn(record, settings(record)[0])
    for name in left_out:
        try:
            changed = drawn(record, settings(record)[0], **{name: others.get(name, not record.defaults[name])})
        except ValueError:  # as of soft masks, which have no index to ignore
            continue
        np.testing.assert_allclose(changed.value, curve.value, rtol=1e-12, atol=1e-15, err_msg=name)
        np.testing.assert_allclose(changed.gradient, curve.gradient, rtol=1e-12, atol=1e-15, err_msg=name)


def test_every_option_has_a_slider_or_a_reason() -> None:
    for record in catalogue():
        if record.plot:
            shown = {option["name"] for option in OPTIONS[record.name]}
            left_out = WITHOUT_EFFECT | OF_THE_INPUT | {name for loss, name in OF_VECTORS if loss == record.name}
            assert set(record.options) - left_out <= shown, record.name


# Beside the curves ----------------------------------------------------------------------------------------------------


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
    log_probs = F.log_softmax(
        torch.randn(frames, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64), -1
    )
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


# The page -------------------------------------------------------------------------------------------------------------

MOST = 500 * 1024
WORDS: dict[str, dict[str, str]] = json.loads(files("lossary.explorer").joinpath("words.json").read_text("utf-8"))
SCRIPT = "\n".join(files("lossary.explorer").joinpath(name).read_text("utf-8") for name in SHOWING)
COMPUTED_KEYS = (
    *("view", "family", "preset", "kind", "axis", "map", "mapped", "gradient", "tag"),
    *("expect", "row", "stuck", "entropy", "distribution", "means", "verdict", "fit"),
)
"""The first words of keys that the scripts put together."""


def test_the_page_is_small_whole_and_the_same_each_time() -> None:
    text = page()
    assert len(text.encode()) <= MOST
    assert text == page()
    assert not re.findall(r"<!-- \w+ -->|/\* (?:light|dark) \*/", text), "a part is missing"
    assert text.count("</script>") == 2


def test_the_page_asks_for_nothing() -> None:
    """No address in it but the name of SVG; the policy of the page forbids the rest."""
    addresses = set(re.findall(r"(?:https?:)?//[\w.-]+\.[a-z]{2,}[\w/.-]*", re.sub(r"(?m)^\s*//.*$", "", page())))
    assert addresses == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page()


def test_every_word_is_in_both_languages() -> None:
    for key, texts in WORDS.items():
        assert set(texts) == {"en", "zh"} and all(texts.values()), key
        assert sorted(re.findall(r"\{\w+\}|`[^`]+`", texts["en"])) == sorted(
            re.findall(r"\{\w+\}|`[^`]+`", texts["zh"])
        ), key
        if re.search(r"[a-z]{3,} [a-z]{3,}", re.sub(r"`[^`]+`", "", texts["en"])):
            assert re.search(r"[\u4e00-\u9fff]", texts["zh"]), key


def test_words_and_scripts_know_each_other() -> None:
    said = set(re.findall(r"""\bt\(\s*"([^"]+)\"""", SCRIPT)) | set(re.findall(r"data-text=\"(\w+)\"", page()))
    assert said <= set(WORDS), "words.json lacks a key"
    known = content()
    drawn = {record.plot.axis for record in catalogue() if record.plot}
    axes = {f"axis {axis}" for axis in drawn}
    axes |= {f"family {family}" for family in known["families"]}
    assert axes <= set(WORDS), f"words.json lacks {sorted(axes - set(WORDS))}"
    for kind, maps in javascript("return Object.entries(formulas.maps).map(([k, m]) => [k, Object.keys(m)])"):
        assert {f"map {axis} {kind}" for axis in maps} <= set(WORDS), kind
        assert {f"axis {axis}" for axis in maps} | {f"mapped {axis}" for axis in maps} <= set(WORDS)
    assert set(javascript("return Object.keys(formulas.takes)")) <= drawn
    literals = set(re.findall(r"""["`]([^"`\n]+)["`]""", SCRIPT))
    unused = {key for key in WORDS if key not in said | axes | literals and key.partition(" ")[0] not in COMPUTED_KEYS}
    assert not unused, f"nothing says {sorted(unused)}"


Named = str | tuple[str, dict[str, Any]]
"""A loss at its defaults, or with some options."""


def compared(body: str, *losses: Named, **beside: Any) -> Any:
    """The answer of comparison.js about losses."""
    entries = [(loss, {}) if isinstance(loss, str) else loss for loss in losses]
    prelude = """
      const compare = comparison(given.catalogue);
      const set = (name, options) => ({ name, options: { ...compare.defaults(name), ...options } });
      const entries = given.entries.map(([name, options]) => set(name, options));
    """
    return javascript(prelude + body, {"catalogue": content(), "entries": entries, **beside})


def test_unlike_axes_are_drawn_apart() -> None:
    grouped = "return compare.groups(entries).map((group) => group.map(({ name }) => name))"
    assert compared(grouped, "mse_loss", "dice_loss", "huber_loss") == [["mse_loss", "huber_loss"], ["dice_loss"]]
    assert len(compared(grouped, "cross_entropy", "mse_loss", "hinge_loss", "nll_loss")) == 1
    axes = "return compare.axes(entries)"
    assert compared(axes, "mse_loss", "huber_loss") == ["own", "probability", "margin"]
    assert compared(axes, "cross_entropy", "mse_loss") == ["probability", "margin"]
    assert compared(axes, "cross_entropy", "dpo_loss") == ["margin"]
    assert compared(axes, "dice_loss", "mse_loss") == []


MAPPED = [p for p in DRAWN if p.values[0].plot.axis in axes.LEADS | axes.PROBABILITIES]  # type: ignore[union-attr]


@pytest.mark.parametrize("record", MAPPED)
def test_common_axes_are_those_of_the_figures(record: Loss) -> None:
    """Over the probability of the true class, and over its margin; the gradient is the one by its logit."""
    target = next((option for option in OPTIONS[record.name] if option["name"] == "target"), None)
    label = {} if target is None or record.name == "asymmetric_loss" else {"target": 1}
    setting = settings(record)[0] | label
    assert record.plot
    other = CATALOGUE["binary_cross_entropy" if record.plot.axis != "p" else "mse_loss"]
    axis = axes.common([record, other])[record.name]
    p = np.linspace(0.01, 0.99, 99)
    wanted = plots.curve(record, axis, p, nested(record, setting))
    body = """
      const along = (axis, xs) => xs.map((x) => compare.evaluate(entries[0], axis, x));
      return [along("probability", given.p), along("margin", given.m)];
    """
    for got in compared(body, (record.name, setting), p=p.tolist(), m=np.log(p / (1 - p)).tolist()):
        value, gradient = np.array(got).T
        np.testing.assert_allclose(value, wanted.value, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(gradient, wanted.gradient, rtol=1e-9, atol=1e-12)


def test_the_axes_of_figures_are_axes_here() -> None:
    takes = javascript("return formulas.takes")
    maps = javascript("return Object.fromEntries(Object.entries(formulas.maps).map(([k, m]) => [k, Object.keys(m)]))")
    for axis in axes.LEADS | axes.PROBABILITIES:
        assert {"probability", "margin"} <= set(maps[takes[axis]]), axis


@pytest.mark.parametrize("name", ["binary_cross_entropy", "binary_cross_entropy_with_logits", "hinge_loss"])
def test_a_label_that_is_no_changes_the_side(name: str) -> None:
    """The probability of the true class is that of no."""
    body = "return entries.map((entry) => compare.evaluate(entry, 'probability', 0.3))"
    no = 0 if name.startswith("binary") else -1
    yes, no = compared(body, (name, {"target": 1}), (name, {"target": no}))
    assert yes == pytest.approx(no)


@pytest.mark.parametrize(
    ("first", "second", "kind", "by"),
    [
        ("huber_loss", "smooth_l1_loss", "equal", None),
        (("huber_loss", {"delta": 2}), ("smooth_l1_loss", {"beta": 2}), "multiple", 2),
        ("quantile_loss", "l1_loss", "multiple", 0.5),
        (("gaussian_nll_loss", {"full": True}), "gaussian_nll_loss", "shift", 0.5 * np.log(2 * np.pi)),
        ("binary_cross_entropy", "cross_entropy", "equal", None),
    ],
)
def test_the_same_curves_are_found(first: Named, second: Named, kind: str, by: float | None) -> None:
    found = compared("return compare.relation(...entries)", first, second)
    assert found["kind"] == kind and found.get("by") == (by and pytest.approx(by))


@pytest.mark.parametrize("second", ["mse_loss", ("smooth_l1_loss", {"beta": 1.001}), "dice_loss"])
def test_other_curves_are_not_the_same(second: Named) -> None:
    assert compared("return compare.relation(...entries)", "huber_loss", second) is None


def test_identities_lead_to_the_options_at_which_curves_are_one() -> None:
    same = {found["name"]: found for found in compared("return compare.sameAs(entries[0])", "cross_entropy")}
    assert same["focal_loss"]["options"] == {"gamma": 0}
    assert same["focal_loss"]["identity"] == "focal_loss_of_gamma_zero_is_cross_entropy"
    assert {"nll_loss", "binary_cross_entropy_with_logits"} <= set(same)
    found = compared("return compare.sameAs(entries[0])", ("huber_loss", {"delta": 2}))
    (scaled,) = [same for same in found if same["name"] == "smooth_l1_loss"]
    assert (scaled["options"], scaled["kind"]) == ({"beta": 2}, "multiple")


def test_options_stay_within_their_contract() -> None:
    body = "return entries.map(({ name, options }) => compare.coherent(name, options))"
    given = [("hinge", 0.2), ("exo_pair", 0), ("robust", 0.2)]
    losses = [("dpo_loss", {"kind": kind, "label_smoothing": smoothing}) for kind, smoothing in given]
    smoothing = [options["label_smoothing"] for options in compared(body, *losses)]
    assert smoothing[0] == 0 and 0 < smoothing[1] < 0.5 and smoothing[2] == 0.2
    permits = """
      const [delta] = given.catalogue.losses.huber_loss.options;
      return [0, -1, 1, 0.5, null].map((x) => compare.permits(delta, x));
    """
    assert compared(permits) == [False, False, True, True, False]


# The numbers of readers -----------------------------------------------------------------------------------------------


def test_shares_of_loss_and_gradient() -> None:
    residual = np.random.default_rng(0).standard_t(2, 300)
    body = """
      const points = given.map((x) => [x, 1]);
      const shares = quantities.shares(points, (x) => formulas.losses.mse_loss([x, 1], {}));
      return { ...shares, tenth: quantities.ofLargestTenth(points, shares.loss) };
    """
    got = javascript(body, residual.tolist())
    assert got["mean"] == pytest.approx(F.mse_loss(residual, 0 * residual))
    np.testing.assert_allclose(got["loss"], residual**2 / np.sum(residual**2))
    np.testing.assert_allclose(got["gradient"], np.abs(residual) / np.abs(residual).sum())
    assert got["tenth"] == pytest.approx(np.sort(got["loss"])[-30:].sum())


def test_reports_hold_the_histogram_that_the_page_draws(tmp_path: Path) -> None:
    """Of residuals and of log-odds; means of small groups give the losses of all."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=2000)
    residual = rng.standard_t(3, 2000)
    np.savez(tmp_path / "regression.npz", predictions=target + residual, targets=target)
    found = json.loads(report([tmp_path / "regression.npz"]).to_json())["sections"]
    (of_residuals,) = [s["values"]["histogram"] for s in found if "histogram" in s["values"]]
    assert of_residuals["of"] == "residual" and sum(of_residuals["counts"]) == 2000
    means, counts = np.array(of_residuals["means"]), np.array(of_residuals["counts"])
    assert counts @ means**2 / 2000 == pytest.approx(np.mean(residual**2), rel=1e-3)
    assert (means[0], means[-1]) == pytest.approx((residual.min(), residual.max()))

    logits = rng.normal(size=(2000, 4)) * 2
    labels = rng.integers(0, 4, 2000)
    np.savez(tmp_path / "classes.npz", predictions=logits, targets=labels)
    found = json.loads(report([tmp_path / "classes.npz"]).to_json())["sections"]
    (of_margins,) = [s["values"]["histogram"] for s in found if "histogram" in s["values"]]
    means, counts = np.array(of_margins["means"]), np.array(of_margins["counts"])
    assert of_margins["of"] == "margin"
    assert counts @ np.logaddexp(0, -means) / 2000 == pytest.approx(F.cross_entropy(logits, labels), rel=1e-3)


# The command ----------------------------------------------------------------------------------------------------------


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["explore", "--out", str(tmp_path / "explorer.html")])
    assert (result.exit_code, result.stdout.strip()) == (0, str(tmp_path / "explorer.html"))
    assert (tmp_path / "explorer.html").read_text("utf-8") == page()


def test_the_command_serves_the_page_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    answers: list[Any] = []

    def serve(server: HTTPServer) -> None:
        assert server.server_address[0] == "127.0.0.1"
        for path in ("/", "/?lang=zh", "/etc/passwd"):
            asking = Thread(target=server.handle_request)
            asking.start()
            try:
                with urlopen(f"http://127.0.0.1:{server.server_port}{path}", timeout=10) as answer:
                    answers.append(answer.read().decode())
            except HTTPError as error:
                answers.append(error.code)
                error.close()
            asking.join()
        raise KeyboardInterrupt

    monkeypatch.setattr(HTTPServer, "serve_forever", serve)
    result = CliRunner().invoke(app, ["explore"])
    assert result.exit_code == 0 and opened == [result.stdout.split()[0]]
    assert answers == [page(), page(), 404]
    assert CliRunner().invoke(app, ["explore", "--no-open"]).exit_code == 0 and len(opened) == 1


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    with socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for arguments, said in (
            (["--port", port], f"port {port} is taken. Choose another with --port"),
            (["--port", "70000"], "--port"),
            (["--out", str(tmp_path / "none" / "page.html")], "cannot be written"),
        ):
            result = CliRunner().invoke(app, ["explore", "--no-open", *arguments])
            assert result.exit_code == 2 and result.stderr.count("\n") == 1 and said in result.stderr
