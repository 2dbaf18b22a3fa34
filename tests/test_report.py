"""The report's numbers against plain computations, and what a report must look like."""

import json
import re
from importlib.resources import files

import numpy as np
import pytest
import scipy.optimize
import scipy.special
import scipy.stats
import typer
from matplotlib.figure import Figure as Canvas
from sklearn.datasets import load_digits
from typer.testing import CliRunner

import lossary
from lossary.reports import frame, report
from lossary.reports.accumulate import Mean, Reservoir
from lossary.reports.cli import report_command
from lossary.reports.engine import run as run_sections
from lossary.reports.read import open_input
from lossary.reports.sections.frequencies import scheme_weights
from lossary.reports.sections.noise import fit_all
from lossary.reports.temperature import fit_temperature
from lossary.reports.understand import understand

N, C = 600, 5


def drawn_labels(rng, logits):
    """Labels that follow softmax(logits)."""
    return (logits + rng.gumbel(size=logits.shape)).argmax(axis=-1)


@pytest.fixture
def classified(rng):
    logits = rng.normal(size=(N, C)) * 2
    return logits, drawn_labels(rng, logits)


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def saved(tmp_path, **arrays):
    path = tmp_path / "predictions.npz"
    np.savez(path, **arrays)
    return path


def log_softmax(logits):
    return scipy.special.log_softmax(logits, axis=-1)


def finding(result, word):
    texts = [f.text for _, f in result.findings if word in f.text]
    assert texts, f"no finding with {word!r} among {[f.text for _, f in result.findings]}"
    return texts[0]


def drawn(result, section, title):
    """The axes of a figure."""
    ax = Canvas().add_subplot()
    next(figure for figure in result[section].figures if title in figure.title).draw(ax)
    return ax


class TestLosses:
    def test_classification(self, tmp_path, classified):
        logits, labels = classified
        loss = -log_softmax(logits)[np.arange(N), labels]
        values = report(saved(tmp_path, logits=logits, labels=labels))["losses"].values
        assert values["cross_entropy"]["mean"] == pytest.approx(loss.mean(), rel=1e-12)
        assert values["nll_loss"]["mean"] == pytest.approx(loss.mean(), rel=1e-12)
        error = 1.959963984540054 * loss.std(ddof=1) / np.sqrt(N)
        assert values["cross_entropy"]["low"] == pytest.approx(loss.mean() - error, rel=1e-9)
        assert values["cross_entropy"]["high"] == pytest.approx(loss.mean() + error, rel=1e-9)
        brier = ((np.exp(log_softmax(logits)) - np.eye(C)[labels]) ** 2).sum(axis=1).mean()
        assert values["Brier score"]["mean"] == pytest.approx(brier, rel=1e-12)
        assert values["error rate"]["mean"] == pytest.approx(np.mean(logits.argmax(1) != labels))
        prior = scipy.special.entr(np.bincount(labels) / N).sum()
        assert values["references"]["class frequencies"] == pytest.approx(prior)
        assert values["references"]["log 5"] == pytest.approx(np.log(5))
        assert values["references"]["floor of a doubled softmax"] == pytest.approx(np.log(1 + 4 / np.e))
        assert values["skill"] == pytest.approx(1 - loss.mean() / prior)

    def test_the_floor_of_a_doubled_softmax_is_what_a_perfect_one_hot_scores(self, tmp_path, classified):
        labels = classified[1]
        result = report(saved(tmp_path, probs=np.eye(C)[labels], labels=labels))
        floor = lossary.cross_entropy(np.eye(C)[labels], labels)
        assert result["losses"].values["references"]["floor of a doubled softmax"] == pytest.approx(float(floor))

    @pytest.mark.parametrize("kind", ["logits", "probs", "logprobs"])
    def test_what_the_predictions_are_saved_as_does_not_matter(self, tmp_path, classified, kind):
        logits, labels = classified
        predictions = {"logits": logits, "probs": scipy.special.softmax(logits, 1), "logprobs": log_softmax(logits)}[
            kind
        ]
        result = report(saved(tmp_path, predictions=predictions, labels=labels))
        assert result.understanding.kind == kind
        loss = -log_softmax(logits)[np.arange(N), labels].mean()
        assert result["losses"].values["cross_entropy"]["mean"] == pytest.approx(loss, rel=1e-10)
        assert result["calibration"].values["temperature"] == pytest.approx(fit_temperature(logits, labels).temperature)

    def test_binary(self, tmp_path, rng):
        logits = rng.normal(size=N) * 2 - 1
        labels = (rng.random(N) < scipy.special.expit(logits)).astype(int)
        loss = np.logaddexp(0, logits) - labels * logits
        from_logits = report(saved(tmp_path, logits=logits, labels=labels))["losses"].values
        assert from_logits["binary_cross_entropy_with_logits"]["mean"] == pytest.approx(loss.mean())
        share = labels.mean()
        floor = share * np.log(1 + 1 / np.e) + (1 - share) * np.log(2)
        assert from_logits["references"]["floor of a doubled sigmoid"] == pytest.approx(floor)
        from_probs = report(saved(tmp_path, probs=scipy.special.expit(logits), labels=2 * labels - 1))["losses"].values
        assert from_probs["binary_cross_entropy"]["mean"] == pytest.approx(loss.mean())

    def test_multilabel_takes_one_prior_per_label(self, tmp_path, rng):
        logits = rng.normal(size=(N, 3))
        labels = (rng.random((N, 3)) < [0.1, 0.5, 0.8]).astype(int)
        result = report(saved(tmp_path, logits=logits, labels=labels))
        assert result.understanding.task == "multilabel"
        shares = labels.mean(axis=0)
        prior = np.mean([scipy.special.entr([p, 1 - p]).sum() for p in shares])
        values = result["losses"].values
        assert values["references"]["class frequencies"] == pytest.approx(prior)
        loss = np.logaddexp(0, logits) - labels * logits
        assert values["binary_cross_entropy_with_logits"]["mean"] == pytest.approx(loss.mean())
        per_sample = loss.mean(axis=1)  # the labels of one sample may depend on each other
        half = 1.959963984540054 * per_sample.std(ddof=1) / np.sqrt(N)
        assert values["binary_cross_entropy_with_logits"]["high"] == pytest.approx(loss.mean() + half)

    def test_regression(self, tmp_path, rng):
        target = rng.normal(size=N)
        prediction = target + rng.normal(size=N)
        values = report(saved(tmp_path, y_pred=prediction, y_true=target))["losses"].values
        size = np.abs(prediction - target)
        huber = np.where(size < 1, size**2 / 2, size - 0.5).mean()
        assert values["mse_loss"]["mean"] == pytest.approx(np.mean(size**2))
        assert values["l1_loss"]["mean"] == pytest.approx(size.mean())
        assert values["huber_loss"]["mean"] == values["smooth_l1_loss"]["mean"] == pytest.approx(huber)
        assert values["skill"] == pytest.approx(1 - np.mean(size**2) / target.var())
        assert values["references"]["l1_loss of the median"] == pytest.approx(np.abs(target - np.median(target)).mean())

    def test_ignored_targets_do_not_count_whatever_their_rows_hold(self, tmp_path, classified):
        logits, labels = classified
        padded, padded_labels = (
            np.concatenate([logits, np.full((9, C), np.nan)]),
            np.concatenate([labels, np.full(9, -100)]),
        )
        plain, ignoring = (
            report(saved(tmp_path, logits=x, labels=y)) for x, y in ((logits, labels), (padded, padded_labels))
        )
        assert ignoring.understanding.survey.ignored == 9
        assert ignoring["losses"].values == plain["losses"].values

    def test_sequences_and_segmentations(self, tmp_path, rng):
        logits = rng.normal(size=(20, 7, C))
        labels = drawn_labels(rng, logits)
        loss = -np.take_along_axis(log_softmax(logits), labels[..., None], -1).mean()
        last = report(saved(tmp_path, logits=logits, labels=labels))
        second = report(saved(tmp_path, logits=np.moveaxis(logits, -1, 1), labels=labels))
        for result in (last, second):
            assert result["losses"].values["cross_entropy"]["mean"] == pytest.approx(loss)
            assert result.understanding.units == 140
        assert last["highest"].values == second["highest"].values

    def test_an_infinite_loss_is_an_error_and_still_a_report(self, tmp_path):
        result = report(saved(tmp_path, probs=np.array([[1.0, 0.0], [0.5, 0.5]]), labels=np.array([1, 0])))
        assert result.exit_code("error") == 1
        assert "1 of 2 samples" in finding(result, "infinite")
        (losses,) = (s for s in json.loads(result.to_json())["sections"] if s["id"] == "losses")
        assert losses["values"]["cross_entropy"]["mean"] is None
        assert "∞" in result.to_html()

    def test_all_targets_ignored(self, tmp_path):
        result = report(saved(tmp_path, logits=np.zeros((3, 2)), labels=np.full(3, -100)))
        assert [f.severity for _, f in result.findings] == ["error"]
        assert "Every target is ignored" in result.to_html()
        labels = report(saved(tmp_path, logits=np.zeros((3, 2)), labels=np.full((3, 2), -100)))
        assert labels.exit_code("error") == 1


class TestShippedPredictions:
    def test_they_are_of_scikit_learns_digits(self):
        shipped = np.load(files("lossary.reports") / "data" / "digits.npz")
        assert list(shipped["labels"]) == list(load_digits().target[shipped["sample_ids"]])
        assert np.mean(shipped["logits"].argmax(axis=1) == shipped["labels"]) > 0.95
        loss = -log_softmax(shipped["logits"].astype(float))[np.arange(899), shipped["labels"]]
        assert report()["losses"].values["cross_entropy"]["mean"] == pytest.approx(loss.mean())


class TestDecomposition:
    def test_the_parts_add_up_per_sample_and_in_the_mean(self, tmp_path, rng):
        logits, target = rng.normal(size=(N, C)), scipy.special.softmax(rng.normal(size=(N, C)) * 3, axis=1)
        target[0] = np.eye(C)[2]
        result = report(saved(tmp_path, logits=logits, soft_targets=target))
        assert result.understanding.task == "soft"
        values = result["decomposition"].values
        entropy = scipy.special.entr(target).sum(axis=1).mean()
        divergence = scipy.special.rel_entr(target, scipy.special.softmax(logits, axis=1)).sum(axis=1).mean()
        assert values["entropy"] == pytest.approx(entropy)
        assert values["kl"] == pytest.approx(divergence)
        assert values["cross_entropy"] == pytest.approx(entropy + divergence)
        assert values["largest_gap"] < 1e-13

    def test_one_hot_rows_are_class_indices(self, tmp_path, classified):
        logits, labels = classified
        hard = report(saved(tmp_path, logits=logits, labels=labels))
        one_hot = report(saved(tmp_path, logits=logits, labels=np.eye(C)[labels]))
        assert one_hot["losses"].values == hard["losses"].values
        assert one_hot["calibration"].values == hard["calibration"].values


class TestCalibration:
    def test_temperature_is_where_the_loss_is_lowest(self, classified):
        logits, labels = classified
        fit = fit_temperature(logits * 1.7, labels)
        found = scipy.optimize.minimize_scalar(
            lambda t: -log_softmax(logits * 1.7 / t)[np.arange(N), labels].mean(), bounds=(0.2, 5), method="bounded"
        )
        assert fit.temperature == pytest.approx(found.x, rel=1e-4)
        assert fit.nll_after == pytest.approx(found.fun, rel=1e-9)
        assert fit.temperature == pytest.approx(1.7 * fit_temperature(logits, labels).temperature)

    def test_a_class_that_is_ruled_out_does_not_disturb_the_fit(self, classified):
        logits, labels = classified
        with_impossible = np.column_stack([logits, np.full(N, -np.inf)])
        assert fit_temperature(with_impossible, labels) == pytest.approx(fit_temperature(logits, labels))

    @pytest.mark.parametrize(("sign", "word"), [(1, "larger"), (-1, "smaller")])
    def test_no_temperature_where_the_loss_has_no_minimum(self, tmp_path, sign, word):
        labels = np.arange(300) % 3
        result = report(saved(tmp_path, logits=2 * sign * np.eye(3)[labels], labels=labels))
        assert word in result["calibration"].text
        assert result.to_html()

    def test_entropy_gap(self, tmp_path, classified):
        logits, labels = classified
        logits = logits * 1.5
        q = scipy.special.softmax(logits, axis=1)
        entropy = scipy.special.entr(q).sum(axis=1)
        gap = -np.log(q)[np.arange(N), labels] - entropy
        z = gap.sum() / np.sqrt(((q * np.log(q) ** 2).sum(axis=1) - entropy**2).sum())
        result = report(saved(tmp_path, logits=logits, labels=labels))
        assert result["calibration"].values["gap"] == pytest.approx(gap.mean())
        assert result["calibration"].values["gap_z"] == pytest.approx(z)
        assert "Over-confident" in finding(result, "confident")

    def test_calibrated_predictions_are_not_accused(self, tmp_path):
        rng = np.random.default_rng(0)
        accused = 0
        for _ in range(30):
            logits = rng.normal(size=(N, C)) * 2
            result = report(saved(tmp_path, logits=logits, labels=drawn_labels(rng, logits)))
            accused += any("confident" in f.text for _, f in result.findings)
        assert accused <= 1

    def test_calibration_error_by_chance_is_what_calibrated_predictions_show(self, tmp_path):
        rng = np.random.default_rng(1)
        shown, expected = [], []
        for _ in range(30):
            p = rng.random(2000)
            values = report(saved(tmp_path, probs=p, labels=(rng.random(2000) < p).astype(int)))["calibration"].values
            shown.append(values["ece"])
            expected.append(values["ece_by_chance"])
        assert np.mean(shown) == pytest.approx(np.mean(expected), rel=0.1)

    def test_reliability_bins_hold_all_predictions(self, tmp_path, classified):
        logits, labels = classified
        q = scipy.special.softmax(logits, axis=1)
        table = report(saved(tmp_path, logits=logits, labels=labels))["calibration"].tables[1]
        predicted, happened, _, _, count = np.array(table.rows).T
        assert count.sum() == N
        assert count.max() <= 2 * count.min()
        assert np.sum(predicted * count) == pytest.approx(q.max(axis=1).sum())
        assert np.sum(happened * count) == pytest.approx(np.sum(q.argmax(axis=1) == labels))


class TestSamplesAndClasses:
    def test_highest_losses(self, tmp_path, classified):
        logits, labels = classified
        log_p = log_softmax(logits)
        loss = -log_p[np.arange(N), labels]
        ids = np.array([f"image-{i}.png" for i in range(N)])
        result = report(saved(tmp_path, logits=logits, labels=labels, ids=ids))["highest"]
        order = np.argsort(-loss)[:25]
        assert result.values["units"] == list(order)
        assert result.values["losses"] == pytest.approx(list(loss[order]))
        sample, worst, share, target, predicted, p_target, p_predicted = result.tables[0].rows[0]
        first = order[0]
        assert sample == f"image-{first}.png"
        assert (target, predicted) == (str(labels[first]), str(logits[first].argmax()))
        assert (p_target, p_predicted) == pytest.approx((np.exp(-loss[first]), np.exp(log_p[first].max())))
        assert share == pytest.approx(worst / loss.sum())
        held = np.sort(loss)[::-1][: N // 100].sum() / loss.sum()
        assert result.values["share_of_highest_1_percent"] == pytest.approx(held, rel=0.02)

    def test_per_class(self, tmp_path, classified):
        logits, labels = classified
        names = [f"class {k}" for k in range(C)]
        result = report(saved(tmp_path, logits=logits, labels=labels), names=names)["classes"]
        loss = -log_softmax(logits)[np.arange(N), labels]
        q = scipy.special.softmax(logits, axis=1)
        for row in result.tables[0].rows:
            k = names.index(row[0])
            of_k = labels == k
            assert row[1] == of_k.sum()
            assert row[2] == pytest.approx(loss[of_k].mean())
            assert row[3] == pytest.approx(1.959963984540054 * loss[of_k].std(ddof=1) / np.sqrt(of_k.sum()))
            assert row[4] == pytest.approx(loss[of_k].sum() / loss.sum())
            assert row[5] == pytest.approx(np.mean(logits[of_k].argmax(1) != k))
            assert row[6:8] == pytest.approx((of_k.mean(), q[:, k].mean()))
            mistaken = np.bincount(logits[of_k].argmax(1), minlength=C)
            mistaken[k] = 0
            assert row[8] == names[mistaken.argmax()]

    def test_weights_are_those_of_class_weights(self):
        counts = np.array([3, 1, 8])
        labels = np.repeat([0, 1, 2], counts)
        for scheme, weights in scheme_weights(counts).items():
            assert weights == pytest.approx(lossary.class_weights(labels, scheme=scheme))  # pyright: ignore[reportArgumentType]

    def test_predictions_shifted_by_class_weights_are_noticed(self, tmp_path, rng):
        logits = rng.normal(size=(4000, 3))
        labels = drawn_labels(rng, logits)
        result = report(saved(tmp_path, logits=logits + np.log([1, 1, 2]), labels=labels))
        assert finding(result, "is predicted with").startswith("Class 2 is predicted")


class TestHazards:
    def test_counts_are_those_of_the_formulas_run_in_each_type(self, tmp_path, rng):
        logits = rng.normal(size=(N, C)) * 30
        labels = drawn_labels(rng, logits / 10)
        values = report(saved(tmp_path, logits=logits, labels=labels))["hazards"].values
        for dtype in (np.float32, np.float16):
            lost = {"softmax": 0, "exp": 0}
            with np.errstate(all="ignore"):
                for x, y in zip(logits.astype(dtype), labels, strict=True):
                    shifted = np.exp(x - x.max())
                    lost["softmax"] += not np.isfinite(np.log(shifted[y] / shifted.sum()))
                    lost["exp"] += not np.isfinite(np.log(np.exp(x)[y] / np.exp(x).sum()))
            assert values[f"−log(softmax(x)) in {dtype.__name__}"]["not_finite"] == lost["softmax"]
            assert values[f"−log(exp(x) / sum(exp(x))) in {dtype.__name__}"]["not_finite"] == lost["exp"]
        assert values["largest_score"] == pytest.approx(np.abs(logits).max())

    def test_sigmoid_written_out(self, tmp_path):
        logits = np.array([-200.0, 200.0, 20.0, 1.0])
        values = report(saved(tmp_path, logits=logits, labels=np.array([1, 0, 0, 1])))["hazards"].values
        name = "−log(sigmoid(x)), −log(1 − sigmoid(x)) in "
        assert values[name + "float32"]["not_finite"] == 3  # 1 - sigmoid(20) is 0 in float32
        assert values[name + "float16"]["not_finite"] == 3

    def test_a_running_mean_in_float16_overflows_its_count(self, tmp_path):
        values = report(saved(tmp_path, logits=np.zeros((70_000, 2), np.float16), labels=np.zeros(70_000, int)))
        total = np.add.accumulate(np.full(70_000, np.log(2), np.float16), dtype=np.float16)[-1]
        with np.errstate(over="ignore"):
            assert values["hazards"].values["mean_in_float16"] == total / np.float16(70_000)


class TestNoiseModels:
    @pytest.mark.parametrize(("name", "loss"), [("Gaussian", "mse_loss"), ("Laplace", "l1_loss")])
    def test_the_model_that_drew_the_residuals_is_found(self, tmp_path, rng, name, loss):
        draw = {"Gaussian": rng.normal, "Laplace": rng.laplace}[name]
        target = rng.normal(size=20_000)
        result = report(saved(tmp_path, y_pred=target + draw(0.3, 2, 20_000), y_true=target))
        assert result["residuals"].values["noise_model"] == name
        assert loss in finding(result, "noise")

    def test_huber_noise_is_found_where_huber_noise_was_drawn(self, rng):
        grid = np.linspace(-20, 20, 200_001)
        cumulative = np.cumsum(np.exp(_huber_logpdf(grid))) * (grid[1] - grid[0])
        fit = fit_all(3 + 2 * np.interp(rng.random(20_000), cumulative, grid))[0]
        assert fit.name == "Huber"
        assert (fit.location, fit.scale) == pytest.approx((3, 2), rel=0.05)

    def test_each_fit_is_the_likeliest_of_its_kind(self, rng):
        residual = rng.standard_t(3, size=2_000)
        for fit in fit_all(residual):
            density = {
                "Gaussian": scipy.stats.norm.logpdf,
                "Laplace": scipy.stats.laplace.logpdf,
                "Huber": lambda r, m, s: _huber_logpdf((r - m) / s) - np.log(s),
            }[fit.name]
            best = scipy.optimize.minimize(
                lambda ms, density=density: -np.mean(density(residual, ms[0], np.exp(ms[1]))),
                [0.1, 0.1],
                method="Nelder-Mead",
                options={"xatol": 1e-8, "fatol": 1e-12},
            )
            assert fit.mean == pytest.approx(-best.fun, abs=1e-7)

    def test_the_figures_hold_quantiles(self, tmp_path, rng):
        """A QQ plot's against SciPy's, at the places that both have, and medians of targets against NumPy's."""
        residual, predicted = rng.standard_t(3, size=150), rng.normal(size=150)
        result = report(saved(tmp_path, y_pred=predicted, y_true=predicted - residual))
        ax = drawn(result, "residuals", "QQ")
        normal, own = ax.lines[-1].get_data()
        (expected_normal, ordered), _ = scipy.stats.probplot((residual - residual.mean()) / residual.std())
        assert np.abs(np.interp(expected_normal, normal, own) - ordered)[3:-3].max() < 0.1
        medians = drawn(result, "residuals", "Targets against").lines[1].get_ydata()
        by_size = np.array_split(np.argsort(predicted), len(medians))
        np.testing.assert_allclose(medians, [np.median((predicted - residual)[part]) for part in by_size])

    def test_residuals_that_are_all_alike_have_no_noise_model(self, tmp_path):
        target = np.arange(200.0)
        result = report(saved(tmp_path, y_pred=target + 1, y_true=target))
        assert "Noise models need" in result["residuals"].text
        assert result.to_html()


def _huber_logpdf(u, k=1.345):
    mass = np.sqrt(2 * np.pi) * scipy.special.erf(k / np.sqrt(2)) + 2 / k * np.exp(-(k**2) / 2)
    return -np.where(np.abs(u) <= k, u**2 / 2, k * np.abs(u) - k**2 / 2) - np.log(mass)


class TestMistakes:
    def test_healthy_predictions_have_no_warnings(self, tmp_path, classified):
        logits, labels = classified
        result = report(saved(tmp_path, logits=logits, labels=labels))
        assert not any(result["mistakes"].values.values())
        assert result.exit_code() == 0

    def test_probabilities_called_logits(self, tmp_path, classified):
        logits, labels = classified
        result = report(saved(tmp_path, logits=scipy.special.softmax(logits, axis=1), labels=labels))
        assert "0.9048" in finding(result, "probabilities")
        assert result.exit_code() == 1
        assert result.exit_code("error") == 0

    def test_columns_in_another_order(self, tmp_path, classified):
        logits, labels = classified
        result = report(saved(tmp_path, logits=(logits * 3)[:, [1, 2, 0, 3, 4]], labels=(logits * 3).argmax(axis=1)))
        assert "0 in column 2, 1 in column 0, 2 in column 1" in finding(result, "another order")
        assert labels.size == N

    def test_labels_shifted_by_one_position(self, tmp_path, rng):
        labels = rng.integers(0, 8, (30, 20))
        logits = 3 * np.eye(8)[labels] + rng.normal(size=(30, 20, 8))
        result = report(saved(tmp_path, logits=logits[:, :-1], labels=labels[:, 1:]))
        assert "previous position" in finding(result, "position")
        aligned = report(saved(tmp_path, logits=logits, labels=labels))
        assert not any(aligned["mistakes"].values.values())

    @pytest.mark.parametrize(
        ("arrays", "words"),
        [
            ({"logits": np.ones((9, 3)), "labels": np.arange(9) % 3}, "same prediction"),
            ({"logits": np.arange(12.0).reshape(4, 3), "labels": np.full(4, 2)}, "of class 2"),
            ({"probs": np.array([0.0, 1, 1, 0]), "labels": np.array([0, 1, 1, 0])}, "decision"),
            ({"forecast": np.array([3, 1, 2]), "y_true": np.array([3, 1, 4])}, "whole numbers"),
            ({"logits": 9.0 * np.eye(2)[[0, 0, 1, 1] * 50], "labels": np.arange(200) // 5 % 2}, "worse than"),
        ],
    )
    def test_other_mistakes(self, tmp_path, arrays, words):
        assert finding(report(saved(tmp_path, **arrays)), words)


class TestStreaming:
    @pytest.mark.parametrize("task", ["classification", "soft", "multilabel", "regression", "sequence"])
    def test_tiny_chunks_give_what_one_chunk_gives(self, tmp_path, rng, monkeypatch, task):
        logits = rng.normal(size=(300, 6)) * 3
        targets = {
            "classification": drawn_labels(rng, logits),
            "soft": scipy.special.softmax(rng.normal(size=(300, 6)), axis=1),
            "multilabel": (rng.random((300, 6)) < 0.3).astype(int),
            "regression": logits + rng.normal(size=(300, 6)),
            "sequence": drawn_labels(rng, logits).reshape(30, 10),
        }[task]
        path = saved(
            tmp_path, predictions=logits.reshape(*targets.shape[:2], 6) if task == "sequence" else logits, y=targets
        )
        whole = report(path)
        monkeypatch.setattr(frame, "BLOCK", 60)
        pieces = report(path)
        for one, many in zip(whole.results, pieces.results, strict=True):
            _assert_close(many.values, one.values)
            assert [f.severity for f in many.findings] == [f.severity for f in one.findings]

    @pytest.mark.parametrize(
        ("start", "end", "passes"),
        [
            ("logits", "logits", 1),
            ("probs", "probs", 1),
            ("probs", "logits", 2),
            ("logprobs", "logits", 2),
            ("percent", "percent", 2),  # again, in usual units
            ("percent", "logits", 2),
            ("nan", "logits", 2),
            ("ignored", "logits", 2),
            ("one_hot", "soft", 2),
            ("one_hot", "multilabel", 2),
            ("multilabel", "values", 2),
            ("mask", "mask", 2),
            ("mask", "values", 2),
        ],
    )
    def test_an_end_that_contradicts_the_beginning_gives_what_two_passes_give(
        self, tmp_path, rng, monkeypatch, start, end, passes
    ):
        monkeypatch.setattr(frame, "BLOCK", 60)
        monkeypatch.setattr(frame.Frame, "blocks", counted := Counted(frame.Frame.blocks))
        parts = [_rows(rng, start), _rows(rng, end)]
        path = saved(tmp_path, output=np.concatenate([x for x, _ in parts]), y=np.concatenate([y for _, y in parts]))
        found = report(path)
        assert counted.times == passes
        assert found.to_json() == run_sections(understand(open_input([path], without_targets=True))).to_json()

    @pytest.mark.parametrize(("start", "words"), [("logits", []), ("probs", ["again"])])
    @pytest.mark.parametrize("suffix", ["npz", "csv", "csv.gz", "jsonl"])
    def test_the_bar_says_what_is_done(self, tmp_path, rng, monkeypatch, capsys, suffix, start, words):
        monkeypatch.setattr(frame, "BLOCK", 60)
        parts = [_rows(rng, start), _rows(rng, "logits")]
        scores, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        path = tmp_path / f"a.{suffix}"
        if suffix == "npz":
            np.savez(path, output=scores, y=labels)
        elif suffix == "jsonl":
            rows = zip(scores.tolist(), labels.tolist(), strict=True)
            path.write_text("".join(json.dumps({"output": x, "y": y}) + "\n" for x, y in rows))
        else:
            header = ",".join([*(f"output_{k}" for k in range(6)), "y"])
            np.savetxt(path, np.column_stack([scores, labels]), delimiter=",", header=header, comments="")
        report(path, progress=False)
        assert capsys.readouterr().err == ""
        report(path, progress=True)
        shown = capsys.readouterr().err
        assert [word for word in ("opening", "reading", "again") if word in shown] == ["opening", "reading", *words]
        assert shown.count("80/80") >= 1 + len(words)

    def test_mean_and_its_error_do_not_lose_digits_to_a_large_offset(self, rng):
        values, sample = 1e9 + rng.random(900), np.sort(rng.integers(0, 300, 900))
        mean = Mean()
        for part in np.array_split(np.arange(300), 40):
            inside = np.isin(sample, part)
            mean.add(values[inside], sample[inside])
        totals, sizes = np.bincount(sample, values - 1e9), np.bincount(sample)
        centre = totals.sum() / 900
        seen = sizes > 0
        error = np.sqrt(np.sum((totals - centre * sizes) ** 2) * seen.sum() / (seen.sum() - 1)) / 900
        assert mean.mean == pytest.approx(values.mean(), rel=1e-15)
        assert mean.error == pytest.approx(error, rel=1e-6)

    def test_reservoir_is_uniform_and_the_same_for_all_chunks(self):
        drawn = []
        for seed in range(300):
            parts = []
            for size in (1000, 7):
                reservoir = Reservoir(50, seed)
                for start in range(0, 1000, size):
                    reservoir.add(np.arange(start, min(start + size, 1000)))
                parts.append(reservoir.rows()[0])
            assert list(parts[0]) == list(parts[1])
            assert len(parts[0]) == 50
            drawn.append(parts[0])
        counts = np.bincount(np.concatenate(drawn) // 100, minlength=10)
        assert scipy.stats.chisquare(counts).pvalue > 1e-3


class Counted:
    """A method that counts how often it is called."""

    def __init__(self, method):
        self.method, self.times = method, 0

    def __get__(self, instance, owner):
        self.times += 1
        return self.method.__get__(instance, owner)


def _rows(rng, what):
    """40 rows of 6 scores, of which the first 10 make a block of 60, and their targets."""
    logits = rng.normal(size=(40, 6)) * 3
    probs = scipy.special.softmax(logits, axis=1)
    labels = drawn_labels(rng, logits)
    yes_or_no = (rng.random((40, 6)) < 0.5).astype(float)
    return {
        "logits": (logits, labels),
        "probs": (probs, labels),
        "logprobs": (np.log(probs), labels),
        "percent": (probs * 100, labels),
        "nan": (np.full_like(logits, np.nan), labels),
        "ignored": (logits, np.full_like(labels, -100)),
        "one_hot": (logits, np.eye(6)[labels]),
        "soft": (logits, probs),
        "multilabel": (logits, yes_or_no),
        "mask": (probs, yes_or_no * 255),
        "values": (logits, logits + 1),
    }[what]


def _assert_close(one, other):
    if isinstance(other, dict):
        assert one.keys() == other.keys()
        for key in other:
            _assert_close(one[key], other[key])
    elif isinstance(other, str):
        assert one == other
    else:
        assert one == pytest.approx(other, rel=1e-9, abs=1e-12, nan_ok=True)


class TestPage:
    def test_it_loads_nothing(self):
        page = report().to_html()
        assert "http" not in page
        assert "<script" not in page
        assert not re.search(r"\b(?:src|srcset|@import)\b", page)
        assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', page))
        assert not re.search(r"url\((?!#)", page)
        assert len(page) < 500 * 1024

    def test_same_input_same_bytes(self, tmp_path, classified):
        logits, labels = classified
        path = saved(tmp_path, logits=logits, labels=labels)
        assert report(path).to_html() == report(path).to_html()
        assert report(path).to_json() == report(path).to_json()

    def test_names_from_the_file_are_escaped_and_drawn_as_they_are(self, tmp_path, classified):
        logits, labels = classified
        names = np.array(["<script>alert(1)</script>", "$\\frac$", "a&b", '"quoted" #2b5c9e', "猫\x1b[31m"])
        result = report(saved(tmp_path, logits=logits, labels=labels, class_names=names))
        page = result.to_html()
        assert "<script" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
        assert "a&amp;b" in page
        assert "$\\frac$" in page
        assert "#2b5c9e" in page
        assert "猫" in page
        assert "\x1b" not in page

    def test_ids_on_the_page_are_unique_and_every_reference_has_its_target(self):
        page = report().to_html()
        ids = re.findall(r'\bid="([^"]+)"', page)
        assert len(ids) == len(set(ids))
        references = re.findall(r'href="#([^"]+)"', page) + re.findall(r"url\(#([^)]+)\)", page)
        references += re.findall(r'aria-labelledby="([^"]+)"', page)
        assert set(references) <= set(ids)

    def test_a_verdict_has_at_most_five_sentences_the_severest_first(self, tmp_path):
        result = report(saved(tmp_path, logits=np.eye(4)[[0, 1, 2, 3] * 20], labels=np.full(80, 3)))
        severities = [f.severity for _, f in result.verdict]
        assert 1 < len(severities) <= 5
        assert severities == sorted(severities, key=["error", "warning", "note"].index)

    def test_json_has_finite_numbers_only(self, tmp_path):
        result = report(saved(tmp_path, probs=np.array([[1.0, 0.0], [0.5, 0.5]]), labels=np.array([1, 0])))
        content = json.loads(result.to_json(), parse_constant=pytest.fail)
        assert content["schema_version"] == 1
        assert content["findings"][0]["severity"] == "error"
        assert {section["id"] for section in content["sections"]} >= {"losses", "calibration", "hazards"}


class TestCommand:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        app = typer.Typer()
        app.command()(report_command)
        return lambda *arguments: CliRunner().invoke(app, [str(argument) for argument in arguments])

    def test_it_says_what_it_understood_first_and_writes_the_page(self, run, tmp_path):
        result = run()
        assert result.exit_code == 0
        assert result.stdout.startswith("Understood")
        assert "The losses" not in result.stdout
        assert "The losses" in run("--full", "--no-html").stdout
        assert "digits.lossary.html" in result.stdout
        assert (tmp_path / "digits.lossary.html").read_text("utf-8") == report().to_html()
        assert result.stderr == ""

    def test_json_alone_is_on_stdout(self, run, tmp_path, classified):
        logits, labels = classified
        result = run(saved(tmp_path, logits=logits, labels=labels), "--json", "--no-html", "--progress")
        assert json.loads(result.stdout)["understood"]["task"] == "classification"
        assert "600/600" in result.stderr
        assert not list(tmp_path.glob("*.html"))

    def test_exit_codes(self, run, tmp_path):
        path = saved(tmp_path, logits=np.ones((9, 3)), labels=np.arange(9) % 3)
        assert run(path, "--no-html").exit_code == 1
        assert run(path, "--no-html", "--fail-on", "error").exit_code == 0
        assert run(path, "--no-html", "--fail-on", "never").exit_code == 0
        assert run(path, "--no-html", "--fail-on", "sometimes").exit_code == 2

    def test_bad_input_is_one_line_on_stderr_and_leaves_nothing(self, run, tmp_path):
        result = run(saved(tmp_path, logits=np.zeros((3, 2)), labels=np.array([0, 1, 2])))
        assert result.exit_code == 2
        assert result.stdout == ""
        (line,) = result.stderr.splitlines()
        assert "predictions.npz" in line
        assert "key 'labels'" in line
        assert "row 2" in line
        assert "Fix:" in line
        assert [path.name for path in tmp_path.iterdir()] == ["predictions.npz"]

    def test_a_page_that_cannot_be_written_is_said_in_one_line(self, run, tmp_path):
        result = run("--out", tmp_path / "absent" / "page.html")
        assert result.exit_code == 2
        assert "in no folder that exists" in result.stderr

    def test_names_from_a_file_or_a_list(self, run, tmp_path, classified):
        logits, labels = classified
        path = saved(tmp_path, logits=logits, labels=labels)
        (tmp_path / "names.txt").write_text("ant\nbee\ncat\ndog\neel\n", encoding="utf-8")
        for names in ("names.txt", "ant, bee, cat, dog, eel"):
            understood = json.loads(run(path, "--names", names, "--json", "--no-html").stdout)["understood"]
            assert understood["names"] == ["ant", "bee", "cat", "dog", "eel"]
        assert run(path, "--names", "a,b", "--no-html").exit_code == 2
