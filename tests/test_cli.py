"""The command line says what the catalogue knows, and refuses bad input in one line."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as version_of
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from typer.testing import CliRunner

import lossary
from lossary import functional, identities, plots
from lossary.cli import formula, health
from lossary.cli.app import app
from lossary.core.contract import Range
from lossary.core.record import Loss, catalogue
from lossary.identities import IDENTITIES, Domain, Identity
from lossary.kernels import status
from lossary.plots import axes, figures, overlay
from lossary.translations import translate

LOSSES = [pytest.param(record, id=record.name) for record in catalogue()]
DRAWN = [pytest.param(record, id=record.name) for record in catalogue() if record.plot]


def run(*args: str, code: int = 0) -> str:
    """What a command writes to stdout, or to stderr where it refuses."""
    result = CliRunner().invoke(app, list(args))
    assert result.exit_code == code, (args, result.exit_code, result.output, result.exception)
    assert "\x1b" not in result.output, "colour where no terminal is"
    if code == 2:
        assert result.stdout == "" and result.stderr.count("\n") == 1 and result.stderr.startswith("lossary")
        return result.stderr
    assert result.stderr == ""
    return result.stdout


def run_json(*args: str, code: int = 0) -> Any:
    return json.loads(run(*args, "--json", code=code), parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))


def on_one_line(text: str) -> str:
    return " ".join(text.split())


# Help, version, start-up ----------------------------------------------------------------------------------------------


def test_help_lists_the_commands() -> None:
    for given in ([], ["--help"], ["-h"]):
        shown = run(*given)
        for command in ("list", "show", "plot", "verify", "explain", "explore", "check", "which", "doctor", "report"):
            assert re.search(rf"^  {command} +\w.*[^.]\.$", shown, re.MULTILINE), command


@pytest.mark.parametrize("command", ["list", "show", "plot", "explain"])
def test_examples_of_the_help_run(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = re.findall(r"^    lossary (.+)$", run(command, "--help"), re.MULTILINE)
    assert examples and all(example.startswith(command) for example in examples)
    for example in examples:
        assert run(*example.split())


def test_version() -> None:
    assert run("--version") == f"lossary {lossary.__version__}\n"


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("args", [["--help"], ["list"]], ids=str)
def test_start_is_light(args: list[str]) -> None:
    code = "import atexit, sys; from lossary.cli import main; atexit.register(lambda: print(*sys.modules)); main()"
    answer = python(code, *args)
    assert answer.returncode == 0, answer.stderr
    assert not {"torch", "jax", "matplotlib", "scipy", "sklearn", "pyarrow"} & set(answer.stdout.split())


@pytest.mark.parametrize(
    "missing, args", [("typer", ["list"]), ("rich", ["--help"]), ("matplotlib", ["plot", "mse_loss"])], ids=str
)
def test_a_missing_extra_is_named_in_one_line(missing: str, args: list[str], tmp_path: Path) -> None:
    code = f"import os, sys; os.chdir({str(tmp_path)!r}); sys.modules[{missing!r}] = None"
    answer = python(f"{code}; from lossary.cli import main; main()", *args)
    assert (answer.returncode, answer.stdout) == (2, "")
    assert answer.stderr.count("\n") == 1 and missing in answer.stderr and "pip install 'lossary[cli]'" in answer.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "args, said", [(["--version"], f"lossary {lossary.__version__}\n"), (["doctor"], "losses on numpy: ok")]
)
def test_what_a_bug_report_needs_is_said_without_the_extra(args: list[str], said: str) -> None:
    code = "import sys; sys.modules |= {'typer': None, 'rich': None}; from lossary.cli import main; main()"
    answer = subprocess.run([sys.executable, "-W", "error", "-c", code, *args], capture_output=True, text=True)
    assert said in answer.stdout and not answer.stderr


def test_python_runs_the_package() -> None:
    answer = subprocess.run([sys.executable, "-m", "lossary", "--version"], capture_output=True, text=True)
    assert answer.stdout == f"lossary {lossary.__version__}\n"


@pytest.mark.parametrize(
    "args, words",
    [
        (["show", "huber_los"], "Did you mean huber_loss?"),
        (["show", "lovasz_loss"], "'lovasz_loss' is not in Lossary. For a class for each pixel: tversky_loss, jaccard"),
        (["show", "wing_loss"], "For a number, or several: poisson_nll_loss"),
        (["show", "regression"], "It is a family: lossary list regression"),
        (["show", "no_module:x"], "no_module cannot be imported: ModuleNotFoundError"),
        (["show", "cros_entropy"], "Did you mean cross_entropy"),
        (["plot", "mse_loss", "l1_los"], "no loss is called 'l1_los'. Did you mean l1_loss"),
        (["explain", "zzz"], "'zzz' is not in Lossary. `lossary list` shows all losses"),
        (["verify", "cox"], "'cox' is not in Lossary"),
        (["list", "--family", "regresion"], "Did you mean regression?"),
        (["show"], "lossary show: Missing argument 'NAME'"),
        (["shwo"], "No such command 'shwo'"),
        (["list", "--nope"], "lossary list: No such option"),
        (["--nope"], "lossary: No such option"),
        (["explain", "mse_loss", "--shape", "3by4"], "--shape 3by4: write sizes with x between them"),
        (["explain", "mse_loss", "--shape", "100000x100000"], "10,000,000,000 elements"),
        (["explain", "ctc_loss", "--shape", "5"], "--shape 5: ctc_loss takes as log_probs log-probabilities"),
        (["explain", "mse_loss", "--dtype", "bfloat16", "--library", "numpy"], "numpy has float64, float32, float16"),
        (["explain", "mse_loss", "--library", "cupy"], "--library cupy: it must be one of torch, numpy, jax"),
        (["verify", "--library", "cupy"], "it must be one of numpy, torch, jax"),
        (["verify", "--dtype", "float8"], "it must be one of float32, float64"),
        (["verify", "nowhere.npz"], "nowhere.npz: cannot be read"),
        (["report", "nowhere.npz"], "lossary report: nowhere.npz: cannot be read"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_input_is_refused_in_one_line(args: list[str], words: str) -> None:
    assert words in run(*args, code=2)


# list and show --------------------------------------------------------------------------------------------------------


def test_list_shows_every_loss_on_a_line() -> None:
    lines = run("list").splitlines()[1:]
    assert [tuple(re.split(r" {2,}", line)) for line in lines] == [(r.name, r.family, r.title) for r in catalogue()]
    assert run_json("list") == [{"name": r.name, "family": r.family, "title": r.title} for r in catalogue()]


def test_list_of_a_family() -> None:
    wanted = {r.name for r in catalogue() if r.family == "regression"}
    assert {entry["name"] for entry in run_json("list", "--family", "regression")} == wanted
    assert {line.split()[0] for line in run("list", "--family", "regression").splitlines()[1:]} == wanted


@pytest.mark.parametrize("record", LOSSES)
def test_show_says_all_that_the_record_knows(record: Loss) -> None:
    shown = run("show", record.name)
    facts = [record.name, record.title, record.family, *record.signature.parameters, *record.pitfalls]
    facts += (
        [e.name for e in record.elsewhere] + [e.because for e in record.examples] + [str(s) for s in record.sources]
    )
    facts += [i.statement for i in IDENTITIES if record.name in i.losses] + [str(h) for h in record.held]
    facts += [f"{name}={value!r}" for name, value in record.defaults.items()]
    facts += [line.strip() for line in formula.readable(record.formula)]
    facts += [name.replace("_", " ") for name in record.properties] + [f"{bound:g}" for bound in record.bounds or ()]
    assert [fact for fact in facts if fact not in shown] == []


@pytest.mark.parametrize("record", LOSSES)
def test_show_leaves_no_sentence_of_the_docstring_out(record: Loss) -> None:
    documented = on_one_line(record.doc.partition("Examples\n---")[0])
    shown = on_one_line(run("show", record.name)).replace("Error: ", "Error ")
    sentences = [s for s in re.split(r"(?<=\.) (?=[A-Z])", documented) if " : " not in s and "---" not in s]
    assert len(sentences) > 2
    assert [sentence for sentence in sentences if sentence.strip() not in shown] == []


@pytest.mark.parametrize("record", LOSSES)
def test_show_json_holds_the_record(record: Loss) -> None:
    page = run_json("show", record.name)
    options = {option["name"]: option for option in page["options"]}
    assert page["formula"] == record.formula
    assert page["pitfalls"] == list(record.pitfalls)
    coupled = [] if record.rows_independent else ["rows_coupled"]
    assert list(page["properties"]) == [*record.properties, *coupled]
    assert {name: option["default"] for name, option in options.items()} == dict(record.defaults)
    assert [a["name"] for a in page["arguments"]] == [n for n in record.signature.parameters if n not in options]
    assert [e["value"] for e in page["examples"]] == [e.value for e in record.examples]
    assert {i["name"] for i in page["identities"]} == {i.name for i in IDENTITIES if record.name in i.losses}
    assert all(page[section] for section in ("summary", "use", "edge_cases", "raises", "sources"))
    assert page["differs_from_torch"] or page["differences"]
    for name, allowed in record.options.items():
        if isinstance(allowed, Range):
            bounds = (options[name]["range"]["low"], options[name]["range"]["high"])
            assert bounds == tuple(None if np.isinf(x) else x for x in (allowed.low, allowed.high))


def test_show_says_what_a_property_means() -> None:
    shown = run("show", "binary_cross_entropy")
    assert "  - nonnegative: never below 0" in shown
    assert "  - bounded: never below 0 and never above 100, whatever is passed" in shown


def test_show_gives_each_argument_its_own_description() -> None:
    options = {option["name"]: option for option in run_json("show", "huber_loss")["options"]}
    assert options["delta"]["description"].startswith("Where the loss turns from squared to linear.")
    assert options["delta"]["allowed"] == "float in (0, inf)"
    assert options["size_average" if "size_average" in options else "impl"]["description"]
    assert options["weight"]["description"].startswith("Weight of each element.")


@pytest.mark.parametrize("record", LOSSES)
def test_formulas_become_plain_text(record: Loss) -> None:
    lines = formula.readable(record.formula)
    assert not set("\\{}&$^") & set("".join(lines))
    assert max(map(len, lines)) <= formula.WIDTH


@pytest.mark.parametrize(
    "latex, lines",
    [
        (r"\ell_i = (x_i - y_i)^2", ["ℓᵢ = (xᵢ - yᵢ)²"]),
        (r"-w_{y_n} \, x_{n, y_n}, \qquad x = \log p", ["-w[yₙ] x[n,yₙ]", "x = log p"]),
        (r"\tfrac12 \tfrac{1}{2\beta} \tfrac{a}{\|a\|}", ["½ 1/(2β) a/‖a‖"]),
        (r"\log \frac{e^{x_{n,c}}}{\sum_c e^x}", ["log(exp(x[n,c]) / Σ_c eˣ)"]),
        (r"\frac{a + b}{(c + d) e}", ["((a + b) / (c + d) e)"]),
        (r"1 + \frac{a + b}{a^2} - \frac{f(a - b)}{a - b}", ["1 + (a + b)/a² - (f(a - b) / (a - b))"]),
        (r"\prod_{t=1}^{T} \sum_{c \ne y} p_t", ["∏ₜ₌₁ᵀ Σ_(c ≠ y) pₜ"]),
        (r"\begin{cases} 1 & x < 0 \\ 2 x & \text{otherwise} \end{cases}", [" ⎧ 1     if x < 0", " ⎩ 2 x   otherwise"]),
    ],
)  # fmt: skip
def test_formula_reads_as_written_by_hand(latex: str, lines: list[str]) -> None:
    assert formula.readable(latex) == lines


def test_an_unknown_command_of_latex_is_not_passed_over() -> None:
    with pytest.raises(ValueError, match=r"\\oint has no text form"):
        formula.readable(r"\oint x")


@pytest.mark.parametrize(
    "name, first",
    [
        ("HuberLoss", "huber_loss: "),
        ("Huber 损失", "huber_loss: "),
        ("torch.nn.functional.huber_loss", "huber_loss: "),
        ("log_prob", "log_prob(input: logits, "),
        ("LogProb", "LogProb(log_prob: "),
        ("entropy", "entropy(p"),
        ("information", "information"),
        ("class_weights", "class_weights("),
        ("cross_entropy_gradient", "cross_entropy_gradient"),
        ("ls101", "LS101 error"),
    ],
)
def test_show_finds_what_has_a_name(name: str, first: str) -> None:
    assert run("show", name).startswith(first)
    assert run_json("show", name)


def test_every_public_name_can_be_shown() -> None:
    for name in (*dir(lossary), *(i.name for i in IDENTITIES)):
        if name not in ("__version__", "functional", "identities", "nn"):
            assert name in run("show", name)


def test_show_of_two_shows_both() -> None:
    shown = run("show", "mse_loss", "l1_loss")
    assert run("show", "mse_loss") in shown and run("show", "l1_loss") in shown
    assert [page["name"] for page in run_json("show", "mse_loss", "l1_loss")] == ["mse_loss", "l1_loss"]


def test_a_name_of_two_losses_is_refused_with_both() -> None:
    alike = [replace(record, aliases=("same",)) for record in catalogue()[:2]]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("lossary.cli.names.catalogue", lambda own=False: alike)
        assert f"'same' may be {alike[0].name} or {alike[1].name}: name one" in run("show", "same", code=2)


@pytest.mark.parametrize("record", LOSSES)
def test_show_says_what_a_learner_asks(record: Loss) -> None:
    shown = run("show", record.name)
    facts = [*record.aliases, *record.use_when, *record.not_when, *record.symbols.values()]
    facts += [line.strip() for line in formula.readable(record.gradient)]
    facts += [record.expect.floor] if record.expect else []
    facts += [record.minimiser.text] if record.minimiser else []
    assert [fact for fact in facts if fact not in shown] == []
    assert "$" not in shown.partition("Constant in derivatives")[0].partition("\nUse\n")[0]


def test_show_speaks_chinese() -> None:
    record = next(record for record in catalogue() if record.name == "huber_loss")
    shown = run("show", "huber_loss", "--lang", "zh")
    assert translate(record.title, "zh") in shown and "公式" in shown and translate(record.pitfalls[0], "zh") in shown
    assert "Pitfalls" not in shown
    assert run_json("show", "huber_loss", "--lang", "zh")["title"] == translate(record.title, "zh")


@pytest.mark.parametrize(
    "variables, chinese",
    [
        ({"LANG": "zh_CN.UTF-8"}, True),
        ({"LC_ALL": "en_US.UTF-8", "LANG": "zh_CN.UTF-8"}, False),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "en_US.UTF-8"}, True),
        ({"LANG": "C"}, False),
        ({}, False),
    ],
    ids=str,
)
def test_the_language_is_that_of_the_locale(
    variables: dict[str, str], chinese: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert ("公式" in run("show", "huber_loss")) == chinese
    assert "公式" in run("show", "huber_loss", "--lang", "zh")


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "cp1252"])
def test_a_terminal_that_lacks_a_formula_s_characters_gets_latex(encoding: str) -> None:
    code = "import lossary.cli; lossary.cli.main()"
    environment = os.environ | {"PYTHONIOENCODING": encoding, "LANG": "zh_CN.UTF-8", "LC_ALL": ""}
    answer = subprocess.run([sys.executable, "-c", code, "show", "huber_loss"], capture_output=True, env=environment)
    shown = answer.stdout.decode(encoding)
    assert r"\frac{\partial \ell_i}{\partial x_i} = \begin{cases}" in shown and "ℓ" not in shown
    assert ("公式" in shown) == (encoding == "gbk"), "Chinese where it can be printed, else English"
    assert "?" not in shown.partition("Huber loss")[2].partition("Use")[0]


def test_derivations_read_as_text() -> None:
    for record in catalogue():
        shown = run("show", record.name)
        for latex in re.findall(r"\$([^$]+)\$", record.derivation):
            assert formula.to_text(latex) in shown


def test_what_is_meant_is_answered() -> None:
    assert run("list", "regression") == run("list", "--family", "regression")
    assert run("help", "show") == run("show", "--help") and run("help") == run("--help")
    assert run("explain", "LS101") == run("show", "LS101")
    assert run("explain", "HuberLoss") == run("explain", "huber_loss")


# plot -----------------------------------------------------------------------------------------------------------------


def texts(svg: Path) -> list[str]:
    return ["".join(node.itertext()) for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]


@pytest.mark.parametrize("record", DRAWN)
def test_plot_writes_an_svg_with_its_labels(record: Loss, tmp_path: Path) -> None:
    assert record.plot is not None
    out = tmp_path / "figure.svg"
    assert run("plot", record.name, "--out", str(out)) == f"{out}\n"
    labels = texts(out)
    assert record.title in labels and record.plot.axis in labels and "loss" in labels
    for option, values in record.plot.sweep.items():
        assert len([label for label in labels if label.startswith(f"{option} = ")]) == len(values)
    assert [file.name for file in tmp_path.iterdir()] == ["figure.svg"]


def test_plot_of_several_losses_is_named_after_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("plot", "l1_loss", "huber_loss") == "l1_loss-huber_loss.svg\n"
    assert {"l1_loss", "huber_loss", "l1_loss, huber_loss"} <= set(texts(tmp_path / "l1_loss-huber_loss.svg"))


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_equal_calls_write_equal_bytes(suffix: str, tmp_path: Path) -> None:
    files = [tmp_path / f"{place}.{suffix}" for place in "ab"]
    for file in files:
        run("plot", "huber_loss", "--option", "delta=0.5,2", "--range", "-1:1", "--out", str(file))
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert first.startswith({"svg": b"<?xml", "png": b"\x89PNG\r\n\x1a\n"}[suffix])


@pytest.fixture(params=["torch", "differences"])
def gradients(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "differences":
        monkeypatch.setattr(overlay, "find_spec", lambda name: name != "torch")


def drawn(panel: int, figure: Any) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    lines = [line for line in figure.axes[panel].get_lines() if not line.get_label().startswith("_")]
    return {line.get_label(): line.get_data() for line in lines}


@pytest.mark.usefixtures("gradients")
def test_curves_are_the_losses_and_their_derivatives() -> None:
    figure = plots.curves(["huber_loss"], options={"delta": (0.5, 2)}, limits=(-4, 4))
    for delta in (0.5, 2):
        x, value = drawn(0, figure)[f"delta = {delta:g}"]
        _, slope = drawn(1, figure)[f"delta = {delta:g}"]
        np.testing.assert_allclose(value, np.where(abs(x) < delta, x**2 / 2, delta * (abs(x) - delta / 2)), atol=1e-12)
        np.testing.assert_allclose(slope, np.clip(x, -delta, delta), atol=1e-4)
        assert (x[0], x[-1]) == (-4, 4)


@pytest.mark.usefixtures("gradients")
def test_curve_of_probabilities_reaches_the_ends_of_its_domain() -> None:
    figure = plots.curves(["binary_cross_entropy"], options={"target": (0.25,)}, limits=(0.1, 1))
    ((p, value),) = drawn(0, figure).values()
    ((_, slope),) = drawn(1, figure).values()
    inside = p[:-9]
    assert p[-1] == 1
    np.testing.assert_allclose(value[:-9], -0.25 * np.log(inside) - 0.75 * np.log(1 - inside), rtol=1e-9)
    np.testing.assert_allclose(slope[:-9], -0.25 / inside + 0.75 / (1 - inside), atol=2e-3)


def test_a_binary_loss_is_the_loss_of_two_classes() -> None:
    names = ["cross_entropy", "binary_cross_entropy_with_logits"]
    for panel in (0, 1):
        (_, two), (_, binary) = drawn(panel, plots.curves(names)).values()
        np.testing.assert_allclose(two, binary, atol=1e-15)


def test_several_losses_are_drawn_at_their_defaults() -> None:
    labels = list(drawn(0, plots.curves(["huber_loss", "mse_loss"])))
    assert labels == ["huber_loss", "mse_loss"]
    labels = list(drawn(0, plots.curves(["huber_loss", "mse_loss"], options={"delta": (0.5, 2.0)})))
    assert labels == ["huber_loss, delta = 0.5", "huber_loss, delta = 2", "mse_loss"]


def test_unlike_axes_are_mapped_to_a_common_one(tmp_path: Path) -> None:
    said = run("plot", "cross_entropy", "mse_loss", "--out", str(tmp_path / "figure.svg"))
    assert "on a common axis, the probability of the true class; the right panel is the gradient by its logit" in said
    assert "probability of the true class" in texts(tmp_path / "figure.svg")
    figure = plots.curves(["cross_entropy", "mse_loss"])
    p, value = drawn(0, figure)["cross_entropy"]
    np.testing.assert_allclose(value, -np.log(p), rtol=1e-9)
    _, squared = drawn(0, figure)["mse_loss of that probability and 1"]
    np.testing.assert_allclose(squared, (1 - p) ** 2, rtol=1e-9)
    _, slope = drawn(1, figure)["cross_entropy"]
    np.testing.assert_allclose(slope, p - 1, atol=1e-9)
    _, slope = drawn(1, figure)["mse_loss of that probability and 1"]
    np.testing.assert_allclose(slope, -2 * (1 - p) ** 2 * p, atol=1e-9)


def test_losses_of_a_margin_share_the_lead_of_the_true_class() -> None:
    figure = plots.curves(["cross_entropy", "hinge_loss", "asymmetric_loss"])
    assert figure.axes[0].get_xlabel() == "lead of the true class"
    lead, value = drawn(0, figure)["hinge_loss, target = 1"]
    np.testing.assert_allclose(value, np.maximum(0, 1 - lead), atol=1e-12)
    _, value = drawn(0, figure)["asymmetric_loss"]
    assert (np.diff(value) <= 0).all(), "the further a negative is led by, the less it costs"


def test_every_axis_that_is_mapped_is_of_a_loss() -> None:
    known = {record.plot.axis for record in catalogue() if record.plot}
    assert {*axes.LEADS, *axes.PROBABILITIES} <= known and set(axes.ONE_HOT) <= known


def test_curves_that_coincide_are_marked() -> None:
    names = ["huber_loss", "smooth_l1_loss", "l1_loss"]
    assert list(drawn(0, plots.curves(names))) == ["huber_loss", "smooth_l1_loss (= huber_loss)", "l1_loss"]
    names = ["cross_entropy", "nll_loss", "kl_div"]
    assert list(drawn(0, plots.curves(names)))[1:] == ["nll_loss (= cross_entropy)", "kl_div (= cross_entropy)"]


def test_kl_is_drawn_over_q_with_its_0_where_q_is_p() -> None:
    for p, (label, (q, value)) in zip((0.1, 0.5, 0.8), drawn(0, plots.curves(["kl_div"])).items(), strict=True):
        assert label == f"target = [{p}, {round(1 - p, 1)}]"
        np.testing.assert_allclose(value, p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q)), atol=1e-12)
        assert q[np.argmin(value)] == pytest.approx(p, abs=2e-3) and value.min() < 1e-5


@pytest.mark.parametrize("name", ["triplet_margin_loss", "triplet_margin_with_distance_loss"])
def test_the_slope_of_a_triplet_only_rises(name: str) -> None:
    assert all((np.diff(slope) >= -1e-9).all() for _, slope in drawn(1, plots.curves([name])).values())


def test_saturation_is_where_float32_ends() -> None:
    pytest.importorskip("torch")
    naive, torchs, ours, of_logits = figures.saturated(np.array([-100.0, -60.0, 0.0], np.float32)).values()
    assert np.isinf(naive[0][0]) and np.isnan(naive[1][0])
    assert torchs[0][0] == 100 and abs(torchs[1][1]) < 1e-10
    np.testing.assert_allclose(ours[1][1:], [-1, -0.5], rtol=1e-6)
    np.testing.assert_allclose(of_logits[0], [100, 60, np.log(2)], rtol=1e-6)
    np.testing.assert_allclose(of_logits[1], [-1, -1, -0.5], rtol=1e-6)


def test_the_flow_of_ctc_is_its_gradient() -> None:
    """The posterior of each class in each frame is minus the derivative by its log-probability."""
    torch = pytest.importorskip("torch")
    occupied, steps = figures.ctc_flow(figures.FRAMES)
    np.testing.assert_allclose(occupied.sum(axis=1), 1)
    np.testing.assert_allclose(steps.sum(axis=2), occupied[:-1], atol=1e-12)
    log_probs = torch.tensor(figures.FRAMES[:, None], requires_grad=True)
    lengths = torch.tensor([len(figures.FRAMES)]), torch.tensor([2])
    lossary.ctc_loss(log_probs, torch.tensor([[1, 2]]), *lengths, reduction="sum").backward()
    by_class = np.stack([occupied[:, np.array(figures.STATES) == c].sum(axis=1) for c in range(3)], axis=1)
    np.testing.assert_allclose(by_class, -log_probs.grad[:, 0].numpy(), atol=1e-12)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_figures_are_drawn(name: str, tmp_path: Path) -> None:
    if name == "saturation":
        pytest.importorskip("torch")
    out = tmp_path / "figure.svg"
    assert run("plot", "--figure", name, "--out", str(out)) == f"{out}\n"
    assert len(texts(out)) > 10


def test_ctc_is_drawn_by_its_name(tmp_path: Path) -> None:
    run("plot", "ctc_loss_with_logits", "--out", str(tmp_path / "figure.svg"))
    assert any("70 paths together have the probability exp(-0.8855)" in text for text in texts(tmp_path / "figure.svg"))


def test_drawing_leaves_the_settings_of_matplotlib_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plots.save(plots.curves(["mse_loss"]), tmp_path / "figure.png")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize(
    "args, words",
    [
        (["cox_loss"], "cox_loss has no curve: it is not a function of one number"),
        (["huber_loss", "triplet_margin_loss"], "have no axis in common: triplet_margin_loss (anchor between"),
        (["--figure", "pie"], "--figure pie: it must be one of kl, saturation, ctc, simplex"),
        (["--figure", "ctc", "huber_loss"], "--figure ctc is drawn without losses; huber_loss is one"),
        ([], "name a loss, or a figure"),
        (["huber_loss", "--option", "detla=1"], "no option 'detla' to draw; there is delta"),
        (["huber_loss", "--option", "delta"], "write NAME=VALUE"),
        (["huber_loss", "--option", "delta=wide"], "huber_loss: delta is 'wide'; it must be a number in (0, inf)"),
        (["dpo_loss", "--option", "kind=hinge,wide"], "dpo_loss: kind is 'wide'; it must be one of 'sigmoid', 'hinge'"),
        (["huber_loss", "--option", "delta=-1"], "huber_loss: delta is -1; it must be in (0, inf)"),
        (["huber_loss", "--option", f"delta={','.join('123456789')},10,11,12,13"], "13 curves are too many"),
        (["huber_loss", "--range", "3:1"], "the range is 3 to 1; it must go up"),
        (["huber_loss", "--range", "0:inf"], "and be finite"),
        (["huber_loss", "--range", "-1e308:1e308"], "and be finite"),
        (["huber_loss", "--range", "nan:1"], "and be finite"),
        (["huber_loss", "--range", "3"], "write LOW:HIGH"),
        (["binary_cross_entropy", "--range", "-1:1"], "probabilities lie in [0, 1]"),
        (["huber_loss", "--out", "figure.pdf"], "figure.pdf: the suffix must be .svg or .png"),
        (["huber_loss", "--out", "nowhere/figure.svg"], "nowhere/figure.svg: cannot be written"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_plot_refuses_and_leaves_nothing(
    args: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert words in run("plot", *args, code=2)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    out = tmp_path / "figure.svg"
    out.write_text("old")
    monkeypatch.setattr("os.replace", full)
    assert "No space left on device" in run("plot", "mse_loss", "--out", str(out), code=2)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("figure.svg", "old")]


# explain --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("library", ["torch", "numpy", "jax"])
@pytest.mark.parametrize("record", LOSSES)
def test_explain_makes_a_valid_call_of_every_loss(record: Loss, library: str) -> None:
    pytest.importorskip(library)
    of_first = next(iter(record.data.values())).shape.split()
    shape = {"T": "6x2x5", "4": "4x4"}.get(next((n for n in of_first if n in ("T", "4")), ""), "4x5")
    shape = "4" if of_first in (["N"], ["?N"]) else shape
    said = run_json("explain", record.name, "--shape", shape, "--library", library, "--dtype", "float64")
    first = said["inputs"][0]
    assert (first["name"], first["shape"], first["dtype"]) == (
        next(iter(record.data)),
        [*map(int, shape.split("x"))],
        "float64",
    )
    refusals = {entry["name"]: entry["refusal"] for entry in said["implementations"]}
    assert refusals["reference"] is None and refusals[said["chosen"]] is None
    assert f"{record.name} on {library}: {said['chosen']} runs" in run(
        "explain", record.name, "--shape", shape, "--library", library
    )


def test_explain_says_what_the_library_says() -> None:
    torch = pytest.importorskip("torch")
    for dtype in ("float32", "bfloat16"):
        x = torch.zeros(3, 2, dtype=getattr(torch, dtype))
        refusals = lossary.explain(functional.mse_loss, x, x).refusals
        said = run_json("explain", "mse_loss", "--shape", "3x2", "--dtype", dtype)
        assert {entry["name"]: entry["refusal"] for entry in said["implementations"]} == refusals
        shown = run("explain", "mse_loss", "--shape", "3x2", "--dtype", dtype)
        assert all(re.search(rf"{name} +{re.escape(reason or 'ok')}", shown) for name, reason in refusals.items())


# doctor ---------------------------------------------------------------------------------------------------------------


def test_doctor_finds_this_installation_healthy() -> None:
    report = run_json("doctor")
    found = {finding["name"]: finding for finding in report["findings"]}
    assert report["healthy"]
    assert found["numpy"]["text"] == np.__version__ and found["lossary"]["text"] == lossary.__version__
    assert found["typer"]["text"] == version_of("typer")
    assert {"torch", "jax", "matplotlib", "scipy", "jinja2", "pyarrow"} <= set(found)
    assert found["fused kernels"]["state"] == ("absent" if status.missing() else "ok")
    assert f"{len(catalogue())} losses answer" in found["losses on numpy"]["text"]


@pytest.fixture
def numpy_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A doctor who looks at NumPy and pyarrow, and computes on nothing but NumPy."""
    monkeypatch.setattr(health, "requires", lambda name: ["numpy>=2.0", "pyarrow>=17; extra == 'files'"])
    monkeypatch.setattr(health, "LIBRARIES", dict.fromkeys(("numpy", "torch", "jax"), health.LIBRARIES["numpy"]))
    yield monkeypatch


def test_what_is_absent_is_no_finding(numpy_only: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        if name == "pyarrow":
            raise PackageNotFoundError(name)
        return version_of(name)

    numpy_only.setattr(health, "version", version)
    shown = run("doctor")
    assert re.search(r"pyarrow +absent .*\.parquet.*pip install 'lossary\[files\]'", shown)


@pytest.mark.parametrize("found, words", [("0.9.1", "0.9.1 is too old: pip install 'pyarrow>=17'"), ("17.0", "ok")])
def test_what_is_too_old_is_broken(found: str, words: str, numpy_only: pytest.MonkeyPatch) -> None:
    numpy_only.setattr(health, "importlib", SimpleNamespace(import_module=lambda name: None))
    numpy_only.setattr(health, "version", lambda name: found if name == "pyarrow" else version_of(name))
    assert words in next(
        line for line in run("doctor", code=int(found < "17")).splitlines() if line.startswith("pyarrow")
    )


def test_what_cannot_be_imported_is_broken(numpy_only: pytest.MonkeyPatch) -> None:
    def import_module(name: str) -> None:
        raise OSError("libarrow.so: cannot open shared object file")

    numpy_only.setattr(health, "importlib", SimpleNamespace(import_module=import_module))
    assert "cannot be imported (OSError: libarrow.so" in run("doctor", code=1)


def test_without_kernels_it_says_what_that_costs_and_how_to_get_them(
    numpy_only: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    numpy_only.setattr(status, "__file__", str(tmp_path / "status.py"))
    (found,) = [finding for finding in run_json("doctor")["findings"] if finding["name"] == "fused kernels"]
    assert found["state"] == "absent" and "several times slower" in found["text"]
    assert str(status.missing()) in found["text"]


def test_kernels_that_do_not_load_are_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")  # which loads them
    from lossary.kernels import operators

    if status.library() is None:
        pytest.skip(str(status.missing()))
    monkeypatch.setattr(operators, "missing", "The kernels do not load into torch 2.10.0, they need 2.11 or newer")
    report = run_json("doctor", code=1)
    (found,) = [finding for finding in report["findings"] if finding["state"] == "broken"]
    assert found["name"] == "fused kernels" and found["text"] == operators.missing


def test_a_loss_that_answers_wrongly_is_broken(numpy_only: pytest.MonkeyPatch) -> None:
    (mse,) = (record for record in catalogue() if record.name == "mse_loss")
    numpy_only.setattr(health, "catalogue", lambda: (replace(mse, public=functional.l1_loss),))
    report = run_json("doctor", code=1)
    broken = [finding for finding in report["findings"] if finding["state"] == "broken"]
    assert not report["healthy"] and {finding["name"] for finding in broken} == {"losses on numpy"}
    assert "mse_loss(input=[1.0, 2.0, 5.0], target=[1.0, 4.0, 3.0]) is" in broken[0]["text"]


# verify ---------------------------------------------------------------------------------------------------------------


def identity(name: str, left: float, right: float) -> Identity:
    def adopt(predictions: np.ndarray, target: np.ndarray) -> dict[str, Any] | None:
        return {"x": predictions} if target.ndim == 1 else None

    domain = Domain("any x", lambda rng, extreme: {"x": rng.normal(size=3)}, adopt)
    sides = {"left": lambda x: left * x, "right": lambda x: right * x}
    return Identity(name=name, statement=f"{left}x is {right}x.", formula="", inputs=domain, relation="equal", **sides)


def test_verify_checks_every_identity_with_every_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities.checking, "IDENTITIES", (identity("same", 1, 1), identity("also", 2, 2)))
    shown = run("verify", "--library", "numpy", "--full")
    rows = [line.split() for line in shown.splitlines()[1:5]]
    assert {(r[0], r[3], r[4], r[5]) for r in rows} == {
        ("yes", "numpy", dtype, name) for dtype in ("float32", "float64") for name in ("same", "also")
    }
    assert "2 identities, 4 checks on random and on extreme numbers: all hold" in shown


def test_verify_has_findings_where_an_identity_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities.checking, "IDENTITIES", (identity("same", 1, 1), identity("wrong", 1, 1.5)))
    said = run_json("verify", "--library", "numpy", "--dtype", "float64", code=1)
    assert not said["holds"]
    assert [(c["identity"], c["holds"]) for c in said["checks"]] == [("same", True), ("wrong", False)]
    assert said["checks"][1]["largest_error"] > said["checks"][1]["allowed"] > 0
    shown = run("verify", "--library", "numpy", "--dtype", "float64", "--full", code=1)
    assert re.search(r"^NO .* wrong$", shown, re.MULTILINE) and "1 fail" in shown and "1x is 1.5x." in shown


def test_verify_sums_up_by_family() -> None:
    shown = run("verify", "--library", "numpy", "--dtype", "float64")
    rows = [re.split(r" {2,}", line.strip()) for line in shown.splitlines()[1:-2]]
    assert sum(int(row[1]) for row in rows) == len(IDENTITIES) and {row[3] for row in rows} == {"0"}
    assert len(rows) == len({identities.family_of(i) for i in IDENTITIES}) and "all hold" in shown


def test_verify_of_a_name_works_a_row() -> None:
    shown = run("verify", "cross_entropy_decomposes", "--library", "numpy")
    (identity,) = (i for i in IDENTITIES if i.name == "cross_entropy_decomposes")
    assert identity.statement in shown and identity.domain in shown and "H(p, q) = H(p) + D(p ‖ q)" in shown
    logits, target, sides = re.findall(r"\[\[(.*)\]\]|^  \[(.*)\]$", shown, re.MULTILINE)
    x, p = (np.array(list(map(float, text[0].split(", ")))) for text in (logits, target))
    left, right = map(float, sides[1].split("] = ["))
    assert left == right == pytest.approx(-(p * (x - np.log(np.exp(x).sum()))).sum(), rel=1e-5)
    assert len(re.findall(r"^  yes ", shown, re.MULTILINE)) == 2


def test_verify_of_a_loss_is_of_its_identities() -> None:
    said = run_json("verify", "HuberLoss", "--library", "numpy", "--dtype", "float64")
    assert [c["identity"] for c in said["checks"]] == [i.name for i in IDENTITIES if "huber_loss" in i.losses]


@pytest.mark.parametrize("identity", IDENTITIES, ids=lambda identity: identity.name)
def test_every_identity_has_a_worked_row(identity: Identity) -> None:
    inputs, left, right = identities.worked(identity)
    again = [np.asarray(side(**inputs), float) for side in (identity.left, identity.right)]
    np.testing.assert_allclose(left, again[0])
    np.testing.assert_allclose(right, again[1])


def test_rows_that_stand_alone_are_worked_alone() -> None:
    by_name = {i.name: i for i in IDENTITIES}
    assert identities.worked(by_name["cross_entropy_decomposes"])[0]["logits"].shape == (1, 5)
    assert len(identities.worked(by_name["efron_is_below_breslow"])[0]["hazards"]) > 1


def test_verify_answers_null_for_an_error_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identities.checking, "IDENTITIES", (identity("nothing", 1, float("nan")),))
    (check,) = run_json("verify", "--library", "numpy", "--dtype", "float64", code=1)["checks"]
    assert check["largest_error"] is None and not check["holds"]


def test_verify_runs_the_identities_of_lossary() -> None:
    said = run_json("verify", "--library", "numpy", "--dtype", "float64")
    assert [check["identity"] for check in said["checks"]] == [i.name for i in IDENTITIES]


def save(path: Path, **arrays: np.ndarray) -> str:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return str(path)


def test_verify_takes_a_file(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(50, 4)).astype(np.float32)
    file = save(tmp_path / "predictions.npz", logits=logits, labels=rng.integers(0, 4, 50))
    said = run_json("verify", file, "--library", "numpy", "--dtype", "float64")
    assert "all 50 samples" in said["on"] and file in said["on"]
    names = {check["identity"] for check in said["checks"]}
    assert "cross_entropy_is_nll_of_log_softmax" in names and "huber_is_scaled_smooth_l1" not in names
    by_key = save(tmp_path / "keys.npz", a=logits, b=rng.integers(0, 4, 50), c=logits)
    assert run_json("verify", by_key, "--pred-key", "c", "--target-key", "b", "--library", "numpy")["holds"]


def test_verify_takes_values_of_a_regression(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    file = save(tmp_path / "predictions.npz", predictions=rng.normal(size=50), targets=9 * rng.normal(size=50))
    names = {c["identity"] for c in run_json("verify", file, "--library", "numpy")["checks"]}
    assert "huber_is_scaled_smooth_l1" in names and "cross_entropy_is_nll_of_log_softmax" not in names


@pytest.mark.parametrize(
    "logits, labels, words",
    [
        (np.zeros((3, 2)), np.array([0, 1, 2]), "labels"),
        (np.full((2, 2), np.nan), np.array([0, 1]), "row 0"),
        (np.zeros((3, 2)), np.array([0, 1]), "do not fit"),
        (np.zeros((3, 2)), np.full(3, -100), "every target is ignored"),
    ],
)
def test_verify_refuses_a_file_that_cannot_be_used(
    logits: np.ndarray, labels: np.ndarray, words: str, tmp_path: Path
) -> None:
    file = save(tmp_path / "predictions.npz", logits=logits, labels=labels)
    message = run("verify", file, code=2)
    assert words in message and file in message
