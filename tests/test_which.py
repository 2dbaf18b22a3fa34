"""Which loss: the table reaches every loss, its claims hold, and it answers what people ask."""

import json
import re
from html.parser import HTMLParser
from itertools import pairwise, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lossary
from lossary.cli.app import app
from lossary.core.record import CATALOGUE
from lossary.identities import IDENTITIES
from lossary.which import TASKS, Rule, Task, answer, chart, compare, look
from lossary.which.answers import sections
from lossary.which.evaluate import evaluate

RULES = [
    pytest.param(task, rule, id="-".join([task.name, *rule.when])) for task in TASKS.values() for rule in task.rules
]
CLAIMS = list(dict.fromkeys(claim for task in TASKS.values() for rule in task.rules for claim in rule.because))
LANGUAGES = ("en", "zh")


def run(*args: str, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["which", *args])
    assert result.exit_code == code, (args, result.output, result.exception)
    return result.stderr if code == 2 else result.stdout


# The table ------------------------------------------------------------------------------------------------------------


def test_every_loss_is_the_answer_to_something_and_every_answer_is_a_loss() -> None:
    assert {rule.loss for task in TASKS.values() for rule in task.rules} == set(CATALOGUE)


@pytest.mark.parametrize("task, rule", RULES)
def test_each_rule_is_reached_by_its_circumstances(task: Task, rule: Rule) -> None:
    found = answer(task.name, rule.when)
    assert (found.loss, found.says) == (rule.loss, rule.says)
    assert set(rule.when) <= set(task.circumstances)


@pytest.mark.parametrize("task", TASKS.values(), ids=lambda task: task.name)
def test_each_circumstance_decides_something(task: Task) -> None:
    assert set(task.circumstances) == {name for rule in task.rules for name in rule.when}
    assert task.rules[-1].when == () and len({rule.when for rule in task.rules}) == len(task.rules)


@pytest.mark.parametrize("task, rule", RULES)
def test_what_would_change_the_answer_does(task: Task, rule: Rule) -> None:
    for other in answer(task.name, rule.when).changes:
        names = {flag.removeprefix("--") for flag in other.flags.split()}
        given = set(rule.when) - names if other.without else {*rule.when, *names}
        assert answer(task.name, given).loss == other.loss


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.identity or claim.shown)
def test_each_claim_holds(claim: Any) -> None:
    """Identities are held by their own tests."""
    assert bool(claim.identity) != bool(claim.shown)
    if claim.identity:
        assert claim.identity in {identity.name for identity in IDENTITIES}
    else:
        assert evaluate(claim.shown) == pytest.approx(claim.value, rel=1e-3, abs=1e-6)


def test_no_loss_that_is_named_is_unknown() -> None:
    words = {word for claim in CLAIMS for word in re.findall(r"\b[a-z0-9]+(?:_[a-z0-9]+)+\b", claim.text)}
    others = {"label_smoothing", "pos_weight", "log_softmax", "effective_number", "n_c"}
    assert words - others <= set(CATALOGUE)


# The twelve questions that people ask ---------------------------------------------------------------------------------

QUESTIONS = {
    "binary: one output and BCE, or two and CE?": (
        ["binary_cross_entropy_with_logits", "cross_entropy"],
        {"en": ["binary cross-entropy of the difference of the logits"], "zh": ["two_logits_are_one"]},
    ),
    "multi-label with CE?": (
        ["--task", "multilabel"],
        {
            "en": ["binary_cross_entropy_with_logits", "Shares of a softmax add up to 1"],
            "zh": ["binary_cross_entropy_with_logits", "softmax 的各份之和为 1"],
        },
    ),
    "MSE, MAE, Huber or log-cosh?": (
        ["mse_loss", "l1_loss", "huber_loss", "log_cosh_loss"],
        {"en": ["Gaussian noise", "Laplace noise", "tanh"], "zh": ["高斯噪声", "拉普拉斯噪声", "tanh"]},
    ),
    "Huber or smooth L1?": (
        ["huber_loss", "smooth_l1_loss"],
        {"en": ["delta times smooth L1 with beta = delta"], "zh": ["huber_is_scaled_smooth_l1"]},
    ),
    "which delta?": (
        ["--task", "regression", "--outliers"],
        {"en": ["huber_loss", "1.345 · 1.4826", "95%"], "zh": ["huber_loss", "1.345 · 1.4826", "95%"]},
    ),
    "RMSE as a loss?": (
        ["--task", "regression", "--rmse"],
        {"en": ["mse_loss", "The root moves no minimum", "NaN"], "zh": ["mse_loss", "开方不移动最小值点", "NaN"]},
    ),
    "accuracy as a loss?": (
        ["--task", "classification", "--accuracy"],
        {"en": ["cross_entropy", "Accuracy has no gradient"], "zh": ["cross_entropy", "准确率没有梯度"]},
    ),
    "focal: when, alpha, gamma?": (
        ["--task", "binary", "--easy"],
        {
            "en": ["sigmoid_focal_loss", "gamma = 2", "alpha = -1", "no proper score", "calibrate"],
            "zh": ["sigmoid_focal_loss", "gamma = 2", "alpha = -1", "恰当评分", "校准"],
        },
    ),
    "Dice or CE?": (
        ["dice_loss", "cross_entropy"],
        {"en": ["1 - F1", "no proper score", "Softmax - target"], "zh": ["1 - F1", "恰当评分", "softmax - 目标"]},
    ),
    "triplet loss sits at the margin?": (
        ["--task", "embedding", "--triplets"],
        {
            "en": ["triplet_margin_loss", "all embeddings are the same"],
            "zh": ["triplet_margin_loss", "所有嵌入都相同"],
        },
    ),
    "InfoNCE: temperature, log B?": (
        ["--task", "embedding"],
        {
            "en": ["info_nce_loss", "log M", "temperature", "NT-Xent"],
            "zh": ["info_nce_loss", "log M", "温度", "NT-Xent"],
        },
    ),
    "losses of different scale?": (
        ["--task", "regression", "--several"],
        {
            "en": ["gaussian_nll_loss", "learned variance", "norm of each one's gradient"],
            "zh": ["gaussian_nll_loss", "可学习的方差", "梯度范数"],
        },
    ),
}


@pytest.mark.parametrize("language, question", [*product(LANGUAGES, QUESTIONS)])
def test_questions_are_answered(language: str, question: str) -> None:
    arguments, words = QUESTIONS[question]
    shown = run(*arguments, "--lang", language)
    assert [word for word in words[language] if word not in shown] == []


# Between names --------------------------------------------------------------------------------------------------------


def test_losses_are_compared_where_predictions_are_wrong() -> None:
    found = compare([CATALOGUE["cross_entropy"], CATALOGUE["mse_loss"]]).losses
    assert (
        "probability of the true class 0.001: loss 6.908, gradient by its logit -0.999"
        in found["cross_entropy"]["gradient"]
    )
    assert (
        "probability of the true class 0.001: loss 0.998, gradient by its logit -0.001996"
        in found["mse_loss"]["gradient"]
    )
    found = compare([CATALOGUE["huber_loss"], CATALOGUE["mse_loss"]]).losses
    assert "x - y 10: loss 9.5, gradient 1" in found["huber_loss"]["gradient"]
    assert "x - y 10: loss 100, gradient 20" in found["mse_loss"]["gradient"]


def test_losses_without_an_axis_in_common_are_compared_without() -> None:
    found = compare([CATALOGUE["ctc_loss"], CATALOGUE["rnnt_loss"]]).losses
    assert found["rnnt_loss"]["answer to"] == ["lossary which --task sequence --transducer"]


def test_any_two_losses_can_be_compared() -> None:
    names = list(CATALOGUE)
    for one, other in pairwise(names):
        found = compare([CATALOGUE[one], CATALOGUE[other]])
        assert all(found.losses[name]["answer to"] for name in (one, other))


# From data ------------------------------------------------------------------------------------------------------------


def drawn() -> dict[str, tuple[dict[str, np.ndarray], str, set[str]]]:
    """Arrays of a file, the task that they show, and its circumstances."""
    rng = np.random.default_rng(0)
    y, logits = rng.normal(size=400), rng.normal(size=(400, 4))
    normal, heavy = rng.normal(size=400), rng.standard_t(2, 400)
    uneven = np.r_[np.zeros(380, int), np.ones(20, int)]
    return {
        "gaussian": ({"predictions": y + normal, "targets": y}, "regression", set()),
        "heavy tails": ({"predictions": y + heavy, "targets": y}, "regression", {"outliers"}),
        "counts": ({"labels": rng.poisson(40, 400)}, "regression", {"counts"}),
        "prices": ({"labels": np.exp(3 * y)}, "regression", {"positive"}),
        "classes": ({"logits": logits, "labels": np.arange(400) % 4}, "classification", set()),
        "rare class": ({"labels": np.r_[np.zeros(300, int), np.ones(98, int), 2, 2]}, "classification", {"imbalance"}),
        "one-hot": ({"labels": np.eye(4)[np.arange(400) % 4]}, "classification", set()),
        "soft": ({"targets": rng.dirichlet(np.ones(4), 400)}, "classification", {"soft"}),
        "soft, predicted": (
            {"log_probs": np.log(rng.dirichlet(np.ones(4), 400)), "targets": rng.dirichlet(np.ones(4), 400)},
            "classification",
            {"soft", "log-probabilities"},
        ),
        "two scores": ({"logits": logits[:, :2], "labels": np.arange(400) % 2}, "binary", {"two-outputs"}),
        "probabilities": ({"probs": rng.random(400), "labels": np.arange(400) % 2}, "binary", {"probabilities"}),
        "rare yes": ({"labels": uneven}, "binary", {"imbalance"}),
        "signs": ({"labels": 2 * (np.arange(400) % 2) - 1}, "binary", {"signs"}),
        "few labels": (
            {"logits": logits, "labels": (np.arange(1600) % 40 == 0).reshape(400, 4) * 1},
            "multilabel",
            {"few"},
        ),
        "labels": ({"labels": np.tile([[1, 1, 0], [0, 1, 0]], (50, 1))}, "multilabel", set()),
    }


@pytest.mark.parametrize("name", drawn())
def test_the_task_is_read_from_data(name: str, tmp_path: Path) -> None:
    arrays, task, circumstances = drawn()[name]
    np.savez(tmp_path / "saved.npz", **arrays)  # type: ignore[arg-type]
    seen = look([tmp_path / "saved.npz"])
    assert (seen.task, set(seen.circumstances)) == (task, circumstances)
    said = json.loads(run(str(tmp_path / "saved.npz"), "--json"))
    assert said["loss"] == answer(task, circumstances).loss and said["read"]


def test_delta_is_estimated_from_residuals(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    noise = np.where(rng.random(10_000) < 0.05, 50.0, 2.0) * rng.normal(size=10_000)
    np.savez(tmp_path / "saved.npz", predictions=noise, targets=np.zeros(10_000) + 0.5)
    said = look([tmp_path / "saved.npz"]).circumstances["outliers"]
    assert float(said.rpartition("delta = ")[2]) == pytest.approx(1.345 * 2.0, rel=0.08)


def test_a_flag_beside_data_counts_too(tmp_path: Path) -> None:
    np.savez(tmp_path / "saved.npz", labels=np.arange(40) % 4)
    assert json.loads(run(str(tmp_path / "saved.npz"), "--noise", "--json"))["circumstances"].keys() == {"noise"}


# The command ----------------------------------------------------------------------------------------------------------


def test_json_is_the_answer() -> None:
    said = json.loads(run("--task", "regression", "--outliers", "--counts", "--json"))
    assert (said["loss"], [o["loss"] for o in said["also"]]) == ("poisson_nll_loss", ["huber_loss"])
    assert said["because"][0].keys() == {"about", "text", "held_by"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_alone_it_asks_every_question(language: str) -> None:
    shown = run("--lang", language)
    for task in TASKS.values():
        assert f"--task {task.name}" in shown
        assert all(f"--{name}: " in shown for name in task.circumstances)
    assert json.loads(run("--json")).keys() == TASKS.keys()


@pytest.mark.parametrize(
    "args, words",
    [
        (["--task", "regresion"], "Did you mean regression?"),
        (["--task", "binary", "--twooutputs"], "Did you mean two-outputs?"),
        (["--outliers"], "--outliers needs a --task: regression"),
        (["mse_loss", "--task", "regression"], "give losses to compare, or --task"),
        (["nope"], "no loss is called 'nope'"),
        (["nowhere.npz"], "nowhere.npz: cannot be read"),
        (["--task", "boxes", "--lang", "fr"], "--lang fr: it must be one of en, zh"),
    ],
    ids=str,
)
def test_bad_input_is_refused_in_one_line(args: list[str], words: str) -> None:
    said = run(*args, code=2)
    assert words in said and said.startswith("lossary which: ") and said.count("\n") == 1


# The chart ------------------------------------------------------------------------------------------------------------


class Chart(HTMLParser):
    """Reads the text of a chart, its links, and what encloses each leaf; void and unclosed elements are errors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self.depths: list[int] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        if tag == "details":
            self.depths.append(self.open.count("details"))
        if tag == "summary":
            assert self.open[-2] == "details", "a summary opens its details by keyboard only as their child"
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


@pytest.mark.parametrize("language", LANGUAGES)
def test_leaves_of_the_chart_say_what_the_command_says(language: Any) -> None:
    read = Chart(chart(language))
    text = "".join(read.text)
    assert read.depths.count(1) == len(TASKS) and read.depths.count(2) == len(RULES)
    for task in TASKS.values():
        for rule in task.rules:
            found = answer(task.name, rule.when, language)
            said = [
                found.title,
                found.says,
                found.command,
                *(p for _, points in sections(found, language) for p in points),
            ]
            assert [sentence for sentence in said if sentence not in text] == []
            shown = " ".join(run(*found.command.split()[2:], "--lang", language).split())
            assert [sentence for sentence in said if sentence not in shown and sentence != found.command] == []


def test_links_of_the_chart_lead_to_pages_of_losses() -> None:
    assert set(Chart(chart()).links) == {f"losses/{name}.html" for name in CATALOGUE}
    assert all(link.startswith("../losses/") for link in Chart(chart(losses="../losses/")).links)


def test_the_table_is_of_the_public_losses() -> None:
    assert {record.name for record in lossary.catalogue()} == set(CATALOGUE)
