"""Records of evaluations: what is written from the arrays of each library, what survives, what a report says of it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
import torch
from scipy.special import log_softmax, logsumexp
from typer.testing import CliRunner

import lossary
from lossary.cli.app import app
from lossary.recorder import DTYPES
from lossary.reports import BadInput, Comparison, compare, report

N, C = 600, 5
LOGITS = (np.random.default_rng(1).normal(size=(N, C)) * 2).astype(np.float32)
LABELS = np.random.default_rng(2).integers(0, C, N)
LOGITS[np.arange(N), LABELS] += 2
LOG_P = log_softmax(LOGITS.astype(np.float64), axis=1)


def recorded(folder: Path, *batches: Any, **options: Any) -> Path:
    with lossary.Recorder(folder, **options) as record:
        for batch in batches:
            record(*batch)
    return folder


def rows(folder: Path) -> np.ndarray:
    (file,) = folder.glob("*.npy")
    return np.load(file)


def in_batches(*arrays: Any, size: int = 100) -> list[tuple[Any, ...]]:
    return [tuple(x[start : start + size] for x in arrays) for start in range(0, len(arrays[0]), size)]


class TestWhatIsWritten:
    @pytest.mark.parametrize(
        ("of", "within"),
        [
            (np.asarray, 1e-6),
            (torch.tensor, 1e-6),
            (lambda x: torch.tensor(x, requires_grad=x.dtype.kind == "f"), 1e-6),
            (jnp.asarray, 1e-6),
            (lambda x: torch.tensor(x, dtype=torch.bfloat16) if x.dtype.kind == "f" else torch.tensor(x), 1e-2),
            (lambda x: torch.tensor(x, dtype=torch.float16) if x.dtype.kind == "f" else torch.tensor(x), 1e-2),
            (lambda x: jnp.asarray(x, jnp.bfloat16) if x.dtype.kind == "f" else jnp.asarray(x), 1e-2),
        ],
        ids=["numpy", "torch", "with gradients", "jax", "bf16", "fp16", "jax bf16"],
    )
    def test_libraries_and_dtypes(self, tmp_path: Path, of: Callable[[np.ndarray], Any], within: float):
        found = rows(recorded(tmp_path / "run", *in_batches(of(LOGITS), of(LABELS))))
        assert found["log_prob"] == pytest.approx(LOG_P[np.arange(N), LABELS], abs=20 * within, rel=within)
        assert found["top_log_prob"] == pytest.approx(LOG_P.max(axis=1), abs=20 * within, rel=within)
        assert found["entropy"] == pytest.approx(-np.sum(np.exp(LOG_P) * LOG_P, axis=1), abs=20 * within)
        assert found["lse"] == pytest.approx(logsumexp(LOGITS.astype(float), axis=1), abs=20 * within)
        assert np.array_equal(found["target"], LABELS)
        assert np.mean(found["predicted"] == LOGITS.argmax(axis=1)) >= (1 if within < 1e-3 else 0.98)
        assert np.array_equal(found["sample"], np.arange(N))
        assert not found["place"].any()

    @pytest.mark.parametrize("grad", [True, False])
    def test_no_graph_is_kept_and_gradients_are_as_they_were(self, tmp_path: Path, grad: bool):
        logits = torch.tensor(LOGITS[:8], requires_grad=True)
        with lossary.Recorder(tmp_path / "run") as record, torch.set_grad_enabled(grad):
            doubled = logits * 2
            record(doubled, torch.tensor(LABELS[:8]))
            assert doubled.requires_grad == grad
        assert len(rows(tmp_path / "run")) == 8

    def test_shapes_and_what_is_ignored(self, tmp_path: Path):
        rng = np.random.default_rng(3)
        logits, labels = rng.normal(size=(4, 7, 6)), rng.integers(0, 6, (4, 7))
        labels[1, 2] = labels[3] = -100
        counted = labels != -100
        expected = log_softmax(logits, axis=2)[counted][np.arange(counted.sum()), labels[counted]]
        sequences = rows(recorded(tmp_path / "last", (logits, labels)))
        images = rows(recorded(tmp_path / "second", (torch.tensor(logits.transpose(0, 2, 1)), torch.tensor(labels))))
        for found in (sequences, images):
            assert found["log_prob"] == pytest.approx(expected, rel=1e-5)
            assert np.array_equal(np.stack([found["sample"], found["place"]], axis=1), np.argwhere(counted))
        deep = logits.transpose(0, 2, 1).reshape(4, 6, 7, 1)
        assert np.array_equal(
            rows(recorded(tmp_path / "deep", (deep, labels[:, :, None])))["log_prob"], sequences["log_prob"]
        )
        every = np.where(labels == -100, 0, labels)
        assert len(rows(recorded(tmp_path / "none", (logits, every), ignore_index=None))) == labels.size
        assert len(rows(recorded(tmp_path / "five", (logits, every), ignore_index=5))) == np.sum(every != 5)

    def test_yes_or_no_and_real_values(self, tmp_path: Path):
        rng = np.random.default_rng(4)
        scores, yes = rng.normal(size=50), rng.integers(0, 2, 50)
        for name, of in (("numpy", np.asarray), ("torch", torch.tensor), ("jax", jnp.asarray)):
            targets = of(yes.astype(np.float32)) if name != "jax" else jnp.asarray(yes == 1)
            found = rows(recorded(tmp_path / name, (of(scores), targets), task="binary"))
            assert found["log_prob"] == pytest.approx(-np.logaddexp(0, np.where(yes, -scores, scores)), rel=1e-5)
            values = rows(recorded(tmp_path / f"{name} values", (of(scores), of(yes + 0.5)), task="regression"))
            assert values["prediction"] == pytest.approx(scores)
            assert values["target"] == pytest.approx(yes + 0.5)

    def test_bytes(self, tmp_path: Path):
        recorded(tmp_path / "run", *in_batches(LOGITS, LABELS))
        (file,) = (tmp_path / "run").glob("*.npy")
        header = file.stat().st_size - 32 * N
        assert 0 < header <= 384
        assert (DTYPES["classification"].itemsize, DTYPES["regression"].itemsize) == (32, 24)
        assert "32 bytes" in str(lossary.Recorder.__doc__)

    @pytest.mark.parametrize(
        ("batch", "options", "words"),
        [
            ((LOGITS, LABELS[:-1]), {}, "do not fit"),
            ((LOGITS, LOGITS), {}, 'say task="binary" or task="regression"'),
            ((LOGITS, LABELS, [1, 2]), {}, "2 ids for 600 samples"),
            ((LOGITS, LABELS + 1), {}, "5"),
            ((LOGITS, LABELS), {"task": "ranking"}, "one of classification"),
            ((LOGITS[:, 0], LABELS[:-1]), {"task": "regression"}, "differ"),
        ],
    )
    def test_refusals_write_nothing(self, tmp_path: Path, batch: Any, options: Any, words: str):
        with pytest.raises((ValueError, IndexError), match=words):
            recorded(tmp_path / "run", batch, **options)
        assert not (tmp_path / "run").exists()

    def test_batches_that_do_not_go_together(self, tmp_path: Path):
        with lossary.Recorder(tmp_path / "run") as record:
            record(LOGITS, LABELS)
            with pytest.raises(ValueError, match="classification of 4 classes, and the record is classification of 5"):
                record(LOGITS[:, :4], LABELS % 4)
            with pytest.raises(ValueError, match="ids came with some"):
                record(LOGITS, LABELS, range(N))
        with pytest.raises(ValueError, match="record into another folder"):
            recorded(tmp_path / "run", (LOGITS[:, :4], LABELS % 4))
        (tmp_path / "file").write_text("")
        with pytest.raises(FileExistsError, match="choose another name"):
            lossary.Recorder(tmp_path / "file")


class TestReports:
    def test_a_weak_model_is_not_accused(self, tmp_path: Path):
        """The shares are counted on the same targets, which flatters them by about (C - 1) / 2N."""
        rng, accused = np.random.default_rng(0), []
        for seed in range(40):
            logits = 0.1 * rng.normal(size=(200, 10))
            labels = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)
            accused.append(report(recorded(tmp_path / f"weak-{seed}", (logits, labels))).exit_code())
        assert sum(accused) == 0

    def test_targets_of_other_samples_are_a_warning(self, tmp_path: Path):
        result = report(recorded(tmp_path / "run", (LOGITS, np.roll(LABELS, 1))))
        assert "always answering" in result.verdict[0][1].text
        assert result.exit_code() == 1

    def test_equal_to_those_of_the_logits(self, tmp_path: Path):
        of_record = report(recorded(tmp_path / "run", *in_batches(LOGITS, LABELS)))
        of_logits = report(LOGITS, LABELS)
        for name in ("cross_entropy", "error rate"):
            assert of_record["losses"].values[name] == pytest.approx(of_logits["losses"].values[name], rel=1e-5)
        assert of_record["losses"].values["entropy gap"]["mean"] == pytest.approx(
            of_logits["calibration"].values["gap"], abs=1e-6
        )
        assert of_record["calibration"].values["ece"] == pytest.approx(of_logits["calibration"].values["ece"], abs=1e-6)
        assert of_record["performance"].values["accuracy"] == of_logits["performance"].values["accuracy"]
        for name, values in of_record["performance"].values["per_class"].items():
            assert values["f1"] == of_logits["performance"].values["per_class"][name]["f1"]
            assert np.isnan(values["auc"])
        assert of_record["highest"].values["units"] == of_logits["highest"].values["units"]
        assert any("Temperature" in title for title, _ in of_record.skipped)
        assert "Not checked: Temperature" in of_record.to_html()
        assert json.loads(of_record.to_json())["understood"]["task"] == "recorded"

    def test_positions_of_a_sample_depend_on_each_other(self, tmp_path: Path):
        logits, labels = np.repeat(LOGITS[:, None], 10, axis=1), np.repeat(LABELS[:, None], 10, axis=1)
        labels[0, 0] = -100
        several = report(
            recorded(
                tmp_path / "run",
                *in_batches(logits, labels),
            )
        )["losses"].values["cross_entropy"]
        whole = report(logits, labels)["losses"].values["cross_entropy"]
        assert several == pytest.approx(whole, rel=1e-5)

    def test_highest_losses_have_ids_and_places(self, tmp_path: Path):
        logits, labels = LOGITS.reshape(60, 10, C), LABELS.reshape(60, 10)
        ids = [f"text-{k}" for k in range(60)]
        result = report(recorded(tmp_path / "run", *in_batches(logits, labels, ids)))
        worst = int(np.argmin(LOG_P[np.arange(N), LABELS]))
        assert result["highest"].tables[0].rows[0][0] == f"text-{worst // 10}, {worst % 10}"
        assert result.understanding.unit == "position"
        without = report(recorded(tmp_path / "without", (logits, labels)))
        assert without["highest"].tables[0].rows[0][0] == f"{worst // 10}, {worst % 10}"

    def test_real_values(self, tmp_path: Path):
        rng = np.random.default_rng(5)
        targets = rng.normal(size=(300, 4))
        predictions = targets + np.repeat(rng.normal(size=(300, 1)), 4, axis=1)
        found = report(recorded(tmp_path / "run", *in_batches(predictions, targets), task="regression"))
        whole = report(predictions, targets, task="regression", kind="values")
        assert found["losses"].values["mse_loss"] == pytest.approx(whole["losses"].values["mse_loss"])

    def test_rows_that_are_not_numbers(self, tmp_path: Path):
        broken = LOGITS.copy()
        broken[3] = np.nan
        result = report(recorded(tmp_path / "run", (broken, LABELS)))
        whole = report(np.delete(LOGITS, 3, axis=0), np.delete(LABELS, 3))
        assert result["losses"].values["cross_entropy"]["mean"] == pytest.approx(
            whole["losses"].values["cross_entropy"]["mean"], rel=1e-5
        )
        assert "1 of 600" in result["reading"].findings[0].text

    def test_worse_than_chance_and_infinite(self, tmp_path: Path):
        assert report(recorded(tmp_path / "chance", (-LOGITS, LABELS))).exit_code() == 1
        never = LOGITS.copy()
        never[0, LABELS[0]] = -np.inf
        result = report(recorded(tmp_path / "never", (never, LABELS)))
        assert "1 targets have the probability 0" in result.findings[0][1].text

    def test_command(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.chdir(tmp_path)
        recorded(tmp_path / "run.lossary", (LOGITS, LABELS))
        recorded(tmp_path / "other.lossary", (LOGITS * 3, LABELS))
        found = CliRunner().invoke(app, ["report", "run.lossary", "--full"])
        assert found.exit_code == 0
        assert "Not checked: Temperature" in found.stdout
        assert (tmp_path / "run.lossary.html").exists()
        worse = CliRunner().invoke(app, ["report", "run.lossary", "other.lossary", "--no-html"])
        assert worse.exit_code == 1
        assert "B is worse than A" in worse.stdout
        np.savez(tmp_path / "b.npz", logits=LOGITS, labels=LABELS)
        refused = CliRunner().invoke(app, ["report", "run.lossary", "b.npz"])
        assert refused.exit_code == 2
        assert "a record beside other files" in refused.stderr


class TestComparisons:
    def test_equal_to_those_of_the_logits(self, tmp_path: Path):
        other = LOGITS + np.random.default_rng(6).normal(size=LOGITS.shape).astype(np.float32)
        a, b = recorded(tmp_path / "a", *in_batches(LOGITS, LABELS)), recorded(tmp_path / "b", (other, LABELS))
        found, whole = report([a, b]), compare(LOGITS, other, LABELS)
        assert isinstance(found, Comparison)
        for name in ("difference", "low", "high", "win_rate"):
            assert found["difference"].values[name] == pytest.approx(whole["difference"].values[name], rel=1e-4)
        assert found["decisions"].values == whole["decisions"].values
        assert found["confidence"].values.keys() == whole["confidence"].values.keys()
        assert "Calibration or refinement" in [title for title, _ in found.skipped]

    def test_ids_outrank_the_order(self, tmp_path: Path):
        order = np.random.default_rng(7).permutation(N)
        ids = [f"x{k}" for k in range(N)]
        a = recorded(tmp_path / "a", *in_batches(LOGITS, LABELS, ids))
        shuffled = LOGITS[order] * 1.5, LABELS[order], [ids[k] for k in order]
        b = recorded(tmp_path / "b", *in_batches(*shuffled))
        assert compare(a, b)["difference"].values["difference"] == pytest.approx(
            compare(LOGITS, LOGITS * 1.5, LABELS)["difference"].values["difference"], rel=1e-4
        )
        with pytest.raises(BadInput, match="targets differ"):
            compare(recorded(tmp_path / "c", (LOGITS, LABELS)), recorded(tmp_path / "d", shuffled[:2]))

    def test_other_classes_and_lengths(self, tmp_path: Path):
        a = recorded(tmp_path / "a", (LOGITS, LABELS))
        with pytest.raises(BadInput, match="5 classes and 6"):
            compare(a, recorded(tmp_path / "b", (np.c_[LOGITS, LOGITS[:, 0]], LABELS)))
        with pytest.raises(BadInput, match="600 samples and 599"):
            compare(a, recorded(tmp_path / "c", (LOGITS[1:], LABELS[1:])))


KILLED = """
import os, signal, sys
import numpy as np
from lossary import Recorder

record = Recorder(sys.argv[1])
for k in range(5):
    labels = np.arange(100) % 3
    record(np.eye(3)[labels] * k, labels, range(100 * k, 100 * k + 100))
file = record._units
file.seek(0, 2)
file.write(b"half a row")
os.kill(os.getpid(), signal.SIGKILL)
"""


class TestProcesses:
    def test_what_a_killed_process_wrote_is_read(self, tmp_path: Path):
        killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "run")], check=False)
        assert killed.returncode == -signal.SIGKILL
        assert report(tmp_path / "run").understanding.units == 500

    def test_ranks_and_what_is_added_later(self, tmp_path: Path):
        for rank in (1, 0):
            recorded(tmp_path / "run", (LOGITS[rank::2], LABELS[rank::2], range(rank, N, 2)), rank=rank)
        names = sorted(file.name for file in (tmp_path / "run").glob("*.npy"))
        assert [name.split("-")[1] for name in names] == ["00000", "00001"]
        assert all(name.endswith(f"-{os.getpid()}.npy") for name in names)
        whole = report(LOGITS, LABELS)["losses"].values["cross_entropy"]["mean"]
        result = report(tmp_path / "run")
        assert result["losses"].values["cross_entropy"]["mean"] == pytest.approx(whole, rel=1e-5)
        assert not any("more than once" in finding.text for _, finding in result.findings)
        worst = int(np.argmin(LOG_P[np.arange(N), LABELS]))
        assert result["highest"].tables[0].rows[0][0] == str(worst)
        whole = LOG_P[np.r_[0:N:2, 1:N:2]], LABELS[np.r_[0:N:2, 1:N:2]], np.r_[0:N:2, 1:N:2]
        compared = compare(tmp_path / "run", recorded(tmp_path / "one", whole))
        assert compared["difference"].values["difference"] == pytest.approx(0, abs=1e-6)
        recorded(tmp_path / "run", (LOGITS[:10], LABELS[:10], range(10)))
        again = report(tmp_path / "run")
        assert again.understanding.units == N + 10
        assert any("10 ids are there more than once" in finding.text for _, finding in again.findings)

    def test_the_rank_of_a_launcher(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setenv("RANK", "3")
        recorded(tmp_path / "run", (LOGITS, LABELS))
        assert next((tmp_path / "run").glob("*.npy")).name.startswith("rank-00003-000-")


class TestDamage:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        return recorded(tmp_path / "run", (LOGITS, LABELS, [f"x{k}" for k in range(N)]))

    @pytest.mark.parametrize(
        ("suffix", "damage", "words"),
        [
            ("npy", lambda data: data[:-1], "599 are there"),
            ("npy", lambda data: data[:60], "not rows of a record"),
            ("npy", lambda data: b"\x80\x04" + data[2:], "not rows of a record"),
            ("npy", lambda data: data.replace(b"'entropy'", b"'pntropy'"), "not of a record"),
            ("ids", lambda data: data[:-1], "599 ids for 600 samples"),
            ("ids", lambda data: data.replace(b'"x5"', b"[[5]]"), "ids for 600 samples"),
            ("json", lambda data: data[:-3], "cannot be read"),
            ("json", lambda data: b"[" * 100_000, "cannot be read"),
            ("json", lambda data: data.replace(b": 1,", b": 9,"), "that this release knows"),
        ],
    )
    def test_is_refused_in_a_line(self, folder: Path, suffix: str, damage: Callable[[bytes], bytes], words: str):
        (file,) = folder.glob(f"*.{suffix}")
        file.write_bytes(damage(file.read_bytes()))
        with pytest.raises(BadInput, match=words) as caught:
            report(folder)
        assert caught.value.fix
        assert "\n" not in str(caught.value)

    def test_nothing_recorded(self, folder: Path):
        for file in folder.glob("rank*"):
            file.unlink()
        with pytest.raises(BadInput, match="nothing was recorded"):
            report(folder)
