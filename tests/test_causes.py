"""What the report names as the cause, on files whose fault is known."""

import numpy as np
import pytest
from scipy.special import expit, log_softmax, softmax
from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

from benchmarks.report.faults import first_cause, reported, warnings_of
from benchmarks.report.files import FAULTS, classes, correct_files, drawn
from lossary.reports import frame, report
from lossary.reports.causes.cause import gained
from lossary.reports.causes.pairing import _auc
from lossary.reports.causes.rows import Rows
from lossary.reports.resolution import Resolution
from lossary.reports.sections.performance import auc_and_ap

N = 2_000


def said(tmp_path, **arrays):
    return reported(tmp_path, arrays)


def rows_of(logits, label):
    places, nothing = np.arange(label.size), np.full(label.size, -1)
    return Rows(log_softmax(logits, axis=1), label, nothing, nothing, places, places, False, False, str)


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("seed", [101, 102])
def test_the_planted_fault_is_named_first(tmp_path, name, seed):
    cause, plant = FAULTS[name]
    assert first_cause(reported(tmp_path, plant(np.random.default_rng(seed), N))) == cause


SOME = [(kind, seed) for kind, seed in correct_files(120) if kind.n * kind.c <= 20_000]


@pytest.mark.parametrize(("kind", "seed"), SOME[::2], ids=lambda x: x.name if hasattr(x, "name") else str(x))
def test_correct_files_are_not_accused(tmp_path, kind, seed):
    assert not warnings_of(reported(tmp_path, kind.make(seed)))


class TestLedger:
    def test_its_lines_add_up_to_the_loss(self, tmp_path):
        rng = np.random.default_rng(0)
        logits, labels = classes(rng, N, 6, 2.0)
        order = [1, 0, 2, 3, 4, 5]
        result = said(tmp_path, logits=2 * logits[:, order], labels=labels)["causes"]
        values = result.values
        loss = -log_softmax(2 * logits[:, order], axis=1)[np.arange(N), labels].mean()
        assert values["loss"] == pytest.approx(loss)
        assert list(values["causes"]) == ["columns", "temperature"]
        assert values["rest"] + sum(cause["amount"] for cause in values["causes"].values()) == pytest.approx(loss)
        assert result.text.startswith(f"Of {loss:.4g} nats: ")
        assert "look swapped" in result.text

    def test_what_a_cause_explains_is_what_its_fix_saves(self, tmp_path):
        rng = np.random.default_rng(1)
        logits, labels = classes(rng, N, 10)
        values = said(tmp_path, logits=-logits, labels=labels)["causes"].values["causes"]["wrong_way_round"]
        losses = [-log_softmax(sign * logits, axis=1)[np.arange(N), labels] for sign in (-1, 1)]
        gain = losses[0] - losses[1]
        assert values["amount"] == pytest.approx(gain.mean())
        assert values["half_width"] == pytest.approx(1.959963984540054 * gain.std() / np.sqrt(N), rel=1e-3)

    def test_severity_follows_size(self, tmp_path):
        logits, labels = classes(np.random.default_rng(2), N, 10)
        small, large = (said(tmp_path, logits=scale * logits, labels=labels) for scale in (1.3, 3.0))
        assert (small.exit_code(), large.exit_code()) == (0, 1)
        assert first_cause(small) == first_cause(large) == "temperature"

    def test_values_of_one_sample_are_not_independent_evidence(self):
        rng = np.random.default_rng(3)
        sample = np.repeat(np.arange(50), 40)
        gain = rng.normal(size=50)[sample]
        mean, error, effect = gained(gain, sample)
        assert effect == pytest.approx(40, rel=0.05)
        assert error == pytest.approx(np.std(gain[::40], ddof=1) / np.sqrt(50))
        assert gained(gain, np.arange(2_000))[2] == 1
        assert mean == pytest.approx(gain.mean())

    def test_a_weak_model_is_no_mistake(self, tmp_path):
        rng = np.random.default_rng(7)
        logits = 0.06 * rng.normal(size=(200, 10))
        result = said(tmp_path, logits=logits, labels=drawn(rng, logits))
        assert not warnings_of(result)
        assert result.lead == ""
        assert not any("not recognised" in finding.text for _, finding in result.findings)

    def test_tiny_chunks_name_the_same_causes(self, tmp_path, monkeypatch):
        arrays = FAULTS["rows_shifted"][1](np.random.default_rng(5), 500)
        whole = reported(tmp_path, arrays)["causes"].values
        monkeypatch.setattr(frame, "BLOCK", 30)
        pieces = reported(tmp_path, arrays)["causes"].values
        assert list(pieces["causes"]) == list(whole["causes"]) == ["shifted"]
        assert pieces["causes"]["shifted"] == pytest.approx(whole["causes"]["shifted"])


class TestStatistics:
    def test_association_is_standard_normal_where_labels_are_shuffled(self):
        rng = np.random.default_rng(0)
        logits, labels = classes(rng, 300, 5)
        z = [rows_of(logits, rng.permutation(labels)).association for _ in range(300)]
        assert np.mean(z) == pytest.approx(0, abs=0.2)
        assert np.std(z) == pytest.approx(1, abs=0.15)
        assert rows_of(logits, labels).association > 10

    def test_auc_with_ties(self):
        rng = np.random.default_rng(1)
        score, label = rng.integers(0, 20, 400).astype(float), rng.integers(0, 2, 400)
        assert _auc(score, label) == pytest.approx(roc_auc_score(label, score))

    def test_the_losses_of_each_class_in_each_column(self):
        logits, labels = classes(np.random.default_rng(2), 200, 4)
        expected = [[-log_softmax(logits, axis=1)[labels == k, j].sum() for j in range(4)] for k in range(4)]
        assert rows_of(logits, labels).of_label == pytest.approx(np.array(expected))

    @pytest.mark.parametrize(("digits", "dtype"), [(2, "f8"), (2, "f2"), (4, "f8"), (4, "f4"), (None, "f4")])
    def test_resolution(self, digits, dtype):
        probs = softmax(3 * np.random.default_rng(3).normal(size=(500, 5)), axis=1)
        resolution = Resolution()
        for part in np.array_split(probs if digits is None else np.round(probs, digits), 3):
            resolution.add(part.astype(dtype).astype(float))
        assert resolution.digits == digits


class TestFacts:
    def test_a_probability_of_0_is_infinite_in_every_form(self, tmp_path):
        rng = np.random.default_rng(0)
        p = expit(rng.normal(size=400))
        label = (rng.random(400) < p).astype(int)
        p[label == 1] = np.where(np.arange(label.sum()) == 3, 0.0, p[label == 1])
        one, two = said(tmp_path, probs=p, labels=label), said(tmp_path, probs=np.stack([1 - p, p], 1), labels=label)
        for result in (one, two):
            (text,) = (f.text for _, f in result.findings if f.severity == "error")
            assert "1 of 400 samples" in text
            finite = np.where(label == 1, p, 1 - p)
            assert f"the mean of the others is {-np.log(finite[finite > 0]).mean():.4g}" in text

    def test_zeros_that_come_from_rounding_are_a_note(self, tmp_path):
        rng = np.random.default_rng(1)
        logits, labels = classes(rng, N, 10, 2.0)
        path = tmp_path / "rounded.npz"
        np.savez(path, probs=np.round(softmax(logits, axis=1), 2), labels=labels)
        result = report(path, kind="probs")
        texts = {f.severity: f.text for _, f in result.findings if "probability 0" in f.text}
        assert list(texts) == ["note"]
        assert "rounded to 2 digits" in texts["note"]

    def test_equal_predictions_of_different_targets_are_no_copies(self, tmp_path):
        rng = np.random.default_rng(2)
        leaves = rng.random(12)
        p = leaves[rng.integers(0, 12, N)]
        result = said(tmp_path, y_prob=p, y_true=(rng.random(N) < p).astype(int))
        assert first_cause(result) == ""

    def test_suspect_labels_are_the_wrong_ones(self, tmp_path):
        rng = np.random.default_rng(3)
        logits, labels = classes(rng, N, 10, 6.0)
        wrong = rng.choice(N, 100, replace=False)
        noisy = labels.copy()
        noisy[wrong] = (labels[wrong] + rng.integers(1, 10, 100)) % 10
        (table,) = (t for t in said(tmp_path, logits=logits, labels=noisy)["causes"].tables if "wrong" in t.title)
        assert len(table.rows) == 25
        assert np.mean(np.isin([int(row[0]) for row in table.rows], wrong)) > 0.95
        assert all(row[1] == str(noisy[int(row[0])]) for row in table.rows)

    def test_wrong_labels_of_an_underconfident_model_are_listed_by_id(self, tmp_path):
        rng = np.random.default_rng(12)
        logits, labels = classes(rng, N, 10, 8.0)
        wrong = rng.random(N) < 0.05
        ids = np.arange(N) + 5_000
        noisy = np.where(wrong, (labels + rng.integers(1, 10, N)) % 10, labels)
        values = said(tmp_path, id=ids, logits=logits / 4, labels=noisy)["causes"].values
        found = np.isin(ids.astype(str), values["suspects"]["samples"])
        assert found[wrong].mean() > 0.8, "recall"
        assert wrong[found].mean() == pytest.approx(np.mean(values["suspects"]["p_wrong"]), abs=0.05), "precision"

    def test_counts_have_no_noise_model_of_real_values(self, tmp_path):
        result = reported(tmp_path, FAULTS["counts"][1](np.random.default_rng(4), N))
        assert "Poisson" in next(f.text for _, f in result.findings if f.cause == "counts")
        assert not [f for result_, f in result.findings if result_.id == "residuals"]

    def test_shipped_predictions_have_no_warning(self):
        assert not warnings_of(report())


class TestDecisions:
    @pytest.fixture
    def made(self):
        logits, labels = classes(np.random.default_rng(0), N, 5, 1.5)
        return logits, labels

    def test_they_are_those_of_scikit_learn(self, tmp_path, made):
        logits, labels = made
        result = said(tmp_path, logits=logits, labels=labels)["performance"]
        guess, probs = logits.argmax(axis=1), softmax(logits, axis=1)
        precision, recall, f1, _ = precision_recall_fscore_support(labels, guess)
        for k in range(5):
            found = result.values["per_class"][str(k)]
            assert (found["precision"], found["recall"], found["f1"]) == pytest.approx((precision[k], recall[k], f1[k]))
            assert found["auc"] == pytest.approx(roc_auc_score(labels == k, probs[:, k]), abs=2e-4)
            assert found["ap"] == pytest.approx(average_precision_score(labels == k, probs[:, k]), abs=2e-3)
        overall = {row[0]: row[1] for row in result.tables[0].rows}
        assert overall["accuracy"] == pytest.approx(np.mean(guess == labels))
        assert overall["macro F1"] == pytest.approx(f1.mean())

    def test_labels_of_their_own(self, tmp_path):
        rng = np.random.default_rng(1)
        logits = rng.normal(size=(500, 3))
        labels = (rng.random((500, 3)) < expit(logits - 0.5)).astype(int)
        found = said(tmp_path, logits=logits, labels=labels)["performance"].values["per_class"]
        precision, recall, *_ = precision_recall_fscore_support(labels, logits > 0)
        assert [found[str(k)]["precision"] for k in range(3)] == pytest.approx(list(precision))
        assert [found[str(k)]["recall"] for k in range(3)] == pytest.approx(list(recall))
        assert found["2"]["auc"] == pytest.approx(roc_auc_score(labels[:, 2], logits[:, 2]), abs=5e-4)

    def test_intervals_of_auc_and_ap_cover_in_95_of_100(self):
        rng = np.random.default_rng(3)

        def counted(n):
            label = rng.random(n) < 0.3
            return [
                np.bincount((40 * expit(rng.normal(size=n) + label)).astype(int)[label == k], minlength=40)
                for k in (0, 1)
            ]

        (area, *_), (precision, *_) = auc_and_ap(*counted(400_000))
        found = [auc_and_ap(*counted(400)) for _ in range(400)]
        for i, truth in enumerate((area, precision)):
            covered = np.mean([pair[i][1] <= truth <= pair[i][2] for pair in found])
            assert 0.92 < covered < 0.98, (i, covered)

    def test_a_class_that_is_not_recognised_is_said_so(self, tmp_path):
        rng = np.random.default_rng(2)
        logits = np.log([0.6, 0.36, 0.04]) + 0.5 * rng.normal(size=(N, 3))
        result = said(tmp_path, logits=logits, labels=drawn(rng, logits))
        assert not warnings_of(result)
        assert any("2 is not recognised at all: 0 of" in finding.text for _, finding in result.findings)
