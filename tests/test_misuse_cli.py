"""`lossary check FILE --loss NAME`: the same findings as in Python, on saved arrays."""

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import lossary
from lossary.cli.app import app
from lossary.misuse import RULES

DIGITS = str(files("lossary.reports") / "data" / "digits.npz")
rng = np.random.default_rng(0)
LOGITS = rng.normal(size=(64, 10))
LABELS = np.arange(64) % 10
PROBS = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def run(*args: str, code: int = 0) -> str:
    """What the command writes to stdout, or to stderr where it refuses."""
    result = CliRunner().invoke(app, ["check", *args])
    assert result.exit_code == code, (args, result.exit_code, result.output, result.exception)
    assert "\x1b" not in result.output, "colour where no terminal is"
    if code == 2:
        assert result.stdout == "" and result.stderr.count("\n") == 1
        assert result.stderr.startswith("lossary check: ")
        return result.stderr
    assert result.stderr == ""
    return result.stdout


def saved(path: Path, **arrays: Any) -> str:
    np.savez(path / "saved.npz", **arrays)
    return str(path / "saved.npz")


def test_right_predictions_have_no_findings() -> None:
    shown = run(DIGITS, "--loss", "cross_entropy")
    assert "'logits' of digits.npz, 899 × 10 float32" in shown
    assert re.search(r"^cross_entropy: no findings: \d+ rules looked$", shown, re.MULTILINE)


def test_says_what_python_says(tmp_path: Path) -> None:
    shown = run(saved(tmp_path, logits=PROBS, labels=LABELS), "--loss", "cross_entropy", code=1)
    (finding,) = lossary.check("cross_entropy", PROBS, LABELS)
    assert f"LS101 error  {finding.title}" in shown
    for said in (finding.observed, finding.why, finding.fix):
        assert said in shown


def test_json_holds_everything(tmp_path: Path) -> None:
    path = saved(tmp_path, logits=PROBS, labels=LABELS)
    answer = json.loads(run(path, "--loss", "cross_entropy", "--json", code=1))
    findings = lossary.check("cross_entropy", PROBS, LABELS)
    assert answer["files"] == [path] and answer["loss"] == "cross_entropy"
    assert [finding["code"] for finding in answer["findings"]] == ["LS101"]
    assert answer["findings"][0]["why"] == findings[0].why
    assert answer["rules"] == list(findings.rules) and answer["unchecked"] == dict(findings.unchecked)


def test_options_reach_the_loss(tmp_path: Path) -> None:
    path = saved(tmp_path, logits=np.tile(LOGITS, (4, 1)), labels=np.tile(LABELS, 4))
    assert "LS142" in run(path, "--loss", "cross_entropy", "--option", "ignore_index=3", code=1)
    assert "weights are negative" in run(
        path, "--loss", "cross_entropy", "--option", f"weight={[-1.0] + [1.0] * 9}", code=1
    )
    q = saved(tmp_path, log_probs=np.log(PROBS), target=PROBS)
    assert "LS151" in run(q, "--loss", "kl_div", "--option", "reduction=mean", code=1)
    run(q, "--loss", "kl_div", "--option", "reduction=batchmean")
    assert "log_target=False" in run(
        q, "--loss", "kl_div", "--option", "reduction=batchmean", "--option", "log_target=True", code=1
    )


def test_arrays_beside_predictions_and_targets_go_by_name(tmp_path: Path) -> None:
    x = rng.normal(size=64)
    shown = run(saved(tmp_path, input=x, target=x + 2, var=np.zeros(64)), "--loss", "gaussian_nll_loss", code=1)
    assert "LS108" in shown and "var: 'var' of saved.npz" in shown
    frames = np.log(np.full((20, 3, 6), 1 / 6))
    labels, lengths = np.ones((3, 4), int), np.full(3, 20)
    given = {"log_probs": frames, "targets": labels, "target_lengths": np.full(3, 4)}
    assert "LS161" in run(saved(tmp_path, **given, input_lengths=np.array([20, 6, 20])), "--loss", "ctc_loss", code=1)
    run(saved(tmp_path, **given, input_lengths=lengths), "--loss", "ctc_loss")


def test_classes_in_the_last_dimension_of_a_file_are_moved(tmp_path: Path) -> None:
    labels = rng.integers(0, 10, (8, 33))
    logits = 4.5 * np.eye(10)[labels]
    shown = run(saved(tmp_path, logits=logits, labels=labels), "--loss", "cross_entropy")
    assert "8 × 33 × 10 float64; its last dimension, the classes, is moved to dimension 1" in shown


def test_a_table_has_class_indices_too(tmp_path: Path) -> None:
    table = tmp_path / "saved.csv"
    header = ",".join([*(f"p_{i}" for i in range(10)), "label"])
    np.savetxt(table, np.c_[PROBS, LABELS], delimiter=",", header=header, comments="")
    assert "LS104" in run(str(table), "--loss", "nll_loss", code=1)


def test_of_long_files_the_first_rows_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossary.cli.check.MOST", 320)
    path = saved(tmp_path, logits=LOGITS, labels=np.where(np.arange(64) < 32, LABELS, 99), weight=np.ones(10))
    shown = run(path, "--loss", "cross_entropy")
    assert "64 × 10 float64, the first 32 rows" in shown and "'weight' of saved.npz, 10 float64\n" in shown


@pytest.mark.parametrize(("level", "code"), [("note", 1), ("warning", 1), ("error", 0), ("never", 0)])
def test_which_findings_fail(tmp_path: Path, level: str, code: int) -> None:
    path = saved(tmp_path, logits=LOGITS, labels=LABELS)
    shown = run(
        path, "--loss", "cross_entropy", "--option", f"weight={[-1.0] + [1.0] * 9}", "--fail-on", level, code=code
    )
    assert "LS152 warning" in shown


def test_list_names_every_rule() -> None:
    shown, listed = run("--list"), json.loads(run("--list", "--json"))
    assert [rule["code"] for rule in listed] == [rule.code for rule in RULES]
    for rule in RULES:
        assert f"{rule.code} {rule.severity}  {rule.title}" in shown
        assert rule.why in shown and rule.fix in shown


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    path = saved(tmp_path, logits=LOGITS, labels=LABELS)
    assert "FILE and --loss are needed" in run(path, code=2)
    assert "FILE and --loss are needed" in run("--loss", "mse_loss", code=2)
    assert "Did you mean cross_entropy" in run(path, "--loss", "cros_entropy", code=2)
    assert "cannot be read" in run("absent.npz", "--loss", "mse_loss", code=2)
    assert "input_lengths and target_lengths too" in run(path, "--loss", "ctc_loss", code=2)
    assert "write NAME=VALUE; nll_loss has weight" in run(path, "--loss", "nll_loss", "--option", "gamma=2", code=2)
    assert "error, warning, note, never" in run(path, "--loss", "nll_loss", "--fail-on", "all", code=2)
    single = saved(tmp_path, input=np.float64(1), target=np.float64(2))
    assert "a single number" in run(single, "--loss", "mse_loss", code=2)
    words = saved(tmp_path, logits=LOGITS[:2], labels=np.array(["cat", "dog"]))
    assert "2 different words for 10 columns" in run(words, "--loss", "cross_entropy", code=2)


def test_reads_what_the_report_reads(tmp_path: Path) -> None:
    """Columns named as the classes, and words as targets; yes and no; a pipe is refused."""
    names = [chr(97 + k) for k in range(10)]
    rows = [[*map(str, row), names[y]] for row, y in zip(LOGITS, LABELS, strict=True)]
    path = tmp_path / "saved.csv"
    path.write_text("\n".join(",".join(row) for row in [[*names, "target"], *rows]))
    shown = run(str(path), "--loss", "cross_entropy")
    assert "64 int64" in shown and "64 × 10 float64" in shown
    assert "'a,b'" in run(str(path), "--loss", "mse_loss", "--pred-key", "a,b", "--target-key", "c,d")
    yes = rng.random(64) < 1 / (1 + np.exp(-LOGITS[:, 0]))
    words = saved(tmp_path, logits=LOGITS[:, 0], labels=np.where(yes, "yes", "no"))
    assert "'labels' of saved.npz, 64 int64" in run(words, "--loss", "soft_margin_loss", code=1)
    assert "regular file" in run("/dev/zero", "--loss", "cross_entropy", code=2)
