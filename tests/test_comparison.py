"""Two sets of predictions compared: every number against an independent computation, and what cannot be compared."""

import json
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
import torch
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, zero_one_loss
from typer.testing import CliRunner

from lossary.cli.app import app
from lossary.reports import BadInput, Comparison, compare, report

N, C = 2000, 4


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, C, N)


@pytest.fixture(scope="module")
def good(labels: np.ndarray) -> np.ndarray:
    """Calibrated logits: the log of the probability of each class given the features, of unit variance."""
    features = np.random.default_rng(2).normal(size=(N, C))
    features[np.arange(N), labels] += 1.5
    return features * 1.5


@pytest.fixture(scope="module")
def other(good: np.ndarray) -> np.ndarray:
    """Noisier than `good`, and surer."""
    return 2 * (good + 0.7 * np.random.default_rng(3).normal(size=good.shape))


def losses(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return -log_softmax(logits, axis=1)[np.arange(len(labels)), labels]


def saved(folder: Path, name: str, **arrays: Any) -> Path:
    np.savez(folder / f"{name}.npz", **arrays)
    return folder / f"{name}.npz"


class TestNumbers:
    def test_difference_of_the_mean_loss(self, other, good, labels):
        found = compare(other, good, labels)["difference"].values
        expected = [log_loss(labels, softmax(logits, axis=1)) for logits in (other, good)]
        assert [found["a"], found["b"]] == pytest.approx(expected)
        assert found["difference"] == pytest.approx(expected[0] - expected[1])
        a, b = losses(other, labels), losses(good, labels)
        by_hand = scipy.stats.bootstrap(
            (a - b,), np.mean, method="percentile", n_resamples=5000, rng=np.random.default_rng(0)
        )
        width = by_hand.confidence_interval.high - by_hand.confidence_interval.low
        assert [found["low"], found["high"]] == pytest.approx(list(by_hand.confidence_interval), abs=0.1 * width)
        assert found["win_rate"] == pytest.approx(np.mean(b < a))
        assert found["sure"] == 1

    def test_many_samples_have_the_interval_of_the_paired_test(self):
        rng = np.random.default_rng(4)
        labels, a = rng.integers(0, 2, 20_000), rng.normal(size=20_000)
        b = a + 0.1 * rng.normal(size=20_000)
        found = compare(a, b, labels, task="binary", kind="logits")["difference"].values
        of_a, of_b = (np.logaddexp(0, np.where(labels == 1, -x, x)) for x in (a, b))
        test = scipy.stats.ttest_rel(of_a, of_b)
        interval = test.confidence_interval()
        assert [found["low"], found["high"]] == pytest.approx([interval.low, interval.high], rel=1e-3)
        one_sided = scipy.stats.ttest_rel(of_a, of_b, alternative="greater").pvalue
        assert found["sure"] == pytest.approx(1 - one_sided, abs=1e-3)
        assert found["detectable"] == pytest.approx(
            (scipy.stats.norm.ppf(0.975) + scipy.stats.norm.ppf(0.8)) * scipy.stats.sem(of_a - of_b), rel=1e-3
        )

    def test_errors_and_mcnemar(self, other, good, labels):
        result = compare(other, good, labels)
        found = result["decisions"].values
        wrong_a, wrong_b = (logits.argmax(axis=1) != labels for logits in (other, good))
        mended, broken = int(np.sum(wrong_a & ~wrong_b)), int(np.sum(~wrong_a & wrong_b))
        assert (found["wrong_to_right"], found["right_to_wrong"]) == (mended, broken)
        assert found["both_wrong"] == np.sum(wrong_a & wrong_b)
        total, fewer = mended + broken, min(mended, broken)
        exact = min(1, 2 * sum(comb(total, k) for k in range(fewer + 1)) / 2**total)
        assert found["p"] == pytest.approx(exact)
        errors = result["difference"].values["losses"]["error rate"]
        assert [errors["a"], errors["b"]] == pytest.approx(
            [zero_one_loss(labels, logits.argmax(axis=1)) for logits in (other, good)]
        )

    def test_parts_of_classes_and_of_confidence_add_up(self, other, good, labels):
        result = compare(other, good, labels)
        total = result["difference"].values["difference"]
        for section in ("classes", "confidence"):
            assert sum(of["part"] for of in result[section].values.values()) == pytest.approx(total)
        change = losses(other, labels) - losses(good, labels)
        assert result["classes"].values["2"]["part"] == pytest.approx(change[labels == 2].sum() / N)
        sure = softmax(other, axis=1).max(axis=1)
        between = (sure >= 0.7) & (sure < 0.9)
        assert result["confidence"].values["0.7 – 0.9"]["part"] == pytest.approx(change[between].sum() / N)

    def test_calibration_of_one_score_is_logistic_regression(self):
        rng = np.random.default_rng(5)
        labels = rng.integers(0, 2, N)
        a = 3 * (rng.normal(size=N) + labels) + 1
        b = rng.normal(size=N) + labels
        found = compare(a, b, labels, task="binary")["calibration"].values
        for name, scores in (("a", a), ("b", b)):
            refitted = LogisticRegression(C=np.inf, tol=1e-10).fit(scores[:, None], labels)
            after = log_loss(labels, refitted.predict_proba(scores[:, None]))
            before = np.logaddexp(0, np.where(labels == 1, -scores, scores)).mean()
            assert found["refinement"][name] == pytest.approx(after, rel=1e-5)
            assert found["calibration"][name] == pytest.approx(before - after, rel=1e-4)

    def test_a_model_that_is_only_too_sure_has_the_same_refinement(self, good, labels):
        result = compare(3 * good, good, labels)
        found = result["calibration"].values
        assert found["refinement"]["difference"] == pytest.approx(0, abs=1e-6)
        assert found["calibration"]["difference"] == pytest.approx(result["difference"].values["difference"], rel=1e-5)
        share = found["simple"]["a"] / found["calibration"]["difference"]
        assert 0.95 < share < 1.05
        assert "is calibration (a temperature for A would give" in result.lead

    def test_regression(self):
        rng = np.random.default_rng(6)
        targets = rng.normal(size=N)
        a, b = targets + rng.normal(size=N) / 2 + 0.3, 0.8 * targets + rng.normal(size=N) / 2
        result = compare(a, b, targets)
        found = result["difference"].values["losses"]
        assert found["mse_loss"]["difference"] == pytest.approx(
            np.mean((a - targets) ** 2) - np.mean((b - targets) ** 2)
        )
        assert found["l1_loss"]["difference"] == pytest.approx(np.mean(abs(a - targets)) - np.mean(abs(b - targets)))
        refinement = result["calibration"].values["refinement"]
        for name, scores in (("a", a), ("b", b)):
            line = np.polynomial.Polynomial.fit(scores, targets, 1)
            assert refinement[name] == pytest.approx(np.mean((line(scores) - targets) ** 2))
        parts = result["predictions"].values
        assert sum(of["part"] for of in parts.values()) == pytest.approx(found["mse_loss"]["difference"])

    def test_values_of_a_sample_depend_on_each_other(self):
        rng = np.random.default_rng(7)
        labels = np.repeat(rng.integers(0, 3, (300, 1)), 20, axis=1)
        a = np.repeat(rng.normal(size=(300, 3, 1)), 20, axis=2)
        b = np.repeat(rng.normal(size=(300, 3, 1)), 20, axis=2)
        found = compare(a, b, labels)
        alone = compare(a[:, :, 0], b[:, :, 0], labels[:, 0])
        for end in ("low", "high", "difference"):
            assert found["difference"].values[end] == pytest.approx(alone["difference"].values[end])
        assert found["decisions"].values["p"] is None

    def test_what_changed_most_has_its_id(self, tmp_path, good, labels):
        worse = good.copy()
        worse[7, labels[7]] -= 9
        better = good.copy()
        better[11, labels[11]] += 5
        ids = np.array([f"image-{k}" for k in range(N)])
        a = saved(tmp_path, "a", logits=good, labels=labels, ids=ids)
        b = saved(tmp_path, "b", logits=np.where(np.arange(N)[:, None] == 7, worse, better), labels=labels, ids=ids)
        changed = {table.title: table.rows for table in compare(a, b)["changed"].tables}
        assert changed["Where B is worse"][0][0] == "image-7"
        assert changed["Where B is better"][0][0] == "image-11"
        assert changed["Where B is better"][0][1] == pytest.approx((losses(good, labels) - losses(better, labels))[11])
        assert len(changed["Where B is worse"]) == 1

    def test_chunks_do_not_matter(self, tmp_path, monkeypatch, other, good, labels):
        paths = saved(tmp_path, "a", logits=other, labels=labels), saved(tmp_path, "b", logits=good, labels=labels)
        whole = compare(*paths).to_json()
        small_blocks(monkeypatch)
        assert json.loads(compare(*paths).to_json())["lead"] == json.loads(whole)["lead"]

    def test_tokens(self, tmp_path):
        rng = np.random.default_rng(8)
        lengths = rng.integers(5, 30, 300)
        a = [(-rng.exponential(2, n)).tolist() for n in lengths]
        b = [[0.9 * x for x in tokens] for tokens in a]
        for name, of in (("a", a), ("b", b)):
            lines = [json.dumps({"token_logprobs": tokens}) for tokens in of]
            (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
        result = report([tmp_path / "a.jsonl", tmp_path / "b.jsonl"])
        assert isinstance(result, Comparison)
        found = result["difference"].values
        assert found["difference"] == pytest.approx(-0.1 * np.concatenate(a).mean())
        totals = np.array([sum(tokens) for tokens in a]) * -0.1
        error = np.sqrt(np.sum((totals - found["difference"] * lengths) ** 2)) / lengths.sum()
        assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * error, rel=0.1)
        (tmp_path / "b.jsonl").write_text("\n".join([json.dumps({"token_logprobs": b[1] + b[0]}), *lines[2:]]))
        with pytest.raises(BadInput, match="from token"):
            compare(tmp_path / "a.jsonl", tmp_path / "b.jsonl")


def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lossary.reports.frame.BLOCK", 64)


def test_of_equal_models_one_in_twenty_is_called_better():
    called = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        labels = rng.integers(0, 2, 250)
        shared = rng.normal(size=250) + labels
        a, b = (shared + 0.5 * rng.normal(size=250) for _ in range(2))
        result = compare(a, b, labels, task="binary", kind="logits")
        called += "No evidence" not in result.lead
    assert 3 <= called <= 18  # of 200: 95 % of a binomial with p = 0.05 are 4 to 16


class TestWhatIsCompared:
    @pytest.mark.parametrize("kind", ["logits", "probs", "log_probs"])
    def test_kinds_may_differ(self, tmp_path, other, good, labels, kind):
        of = {"logits": good, "probs": softmax(good, axis=1), "log_probs": log_softmax(good, axis=1)}[kind]
        result = compare(
            saved(tmp_path, "a", logits=other, labels=labels), saved(tmp_path, "b", labels=labels, **{kind: of})
        )
        assert result["difference"].values["b"] == pytest.approx(log_loss(labels, softmax(good, axis=1)))

    def test_ids_outrank_the_order(self, tmp_path, other, good, labels):
        order = np.random.default_rng(9).permutation(N)
        a = saved(tmp_path, "a", logits=other, labels=labels, ids=np.arange(N))
        b = saved(tmp_path, "b", logits=good[order], labels=labels[order], ids=order)
        result = report([a, b])
        assert result["difference"].values == compare(other, good, labels)["difference"].values
        assert "rows joined by 'ids'" in result.understood[1]

    def test_targets_once(self, tmp_path, other, good, labels):
        expected = compare(other, good, labels)["difference"].values
        a, b, t = (tmp_path / f"{name}.npy" for name in ("first", "second", "labels"))
        for path, array in ((a, other), (b, good), (t, labels)):
            np.save(path, array)
        whole = saved(tmp_path, "whole", logits=other, labels=labels)
        for found in (report([a, b, t]), report([t, a, b]), compare(a, b, t), report([whole, b]), compare(whole, b)):
            assert found["difference"].values == expected
        assert report([b, whole])["difference"].values["difference"] == pytest.approx(-expected["difference"])

    def test_tables_of_the_same_columns(self, tmp_path, other, good, labels):
        for name, logits in (("a", other), ("b", good)):
            rows = np.c_[softmax(logits, axis=1), labels]
            np.savetxt(tmp_path / f"{name}.csv", rows, delimiter=",", header="p_0,p_1,p_2,p_3,label", comments="")
        found = report([tmp_path / "a.csv", tmp_path / "b.csv"])
        assert isinstance(found, Comparison)
        assert found["difference"].values["difference"] == pytest.approx(
            compare(other, good, labels)["difference"].values["difference"]
        )

    def test_a_submission_and_its_solution_stay_one_report(self, tmp_path, good, labels):
        yes = np.c_[np.arange(N), softmax(good, axis=1)[:, 1]]
        np.savetxt(tmp_path / "submission.csv", yes, delimiter=",", fmt=["%d", "%.6f"], header="id,label", comments="")
        np.savetxt(tmp_path / "solution.csv", np.c_[np.arange(N), labels == 1], delimiter=",", fmt="%d",
                   header="id,label", comments="")  # fmt: skip
        assert not isinstance(report([tmp_path / "submission.csv", tmp_path / "solution.csv"]), Comparison)

    def test_two_arrays_of_a_file_or_a_dict(self, tmp_path, other, good, labels):
        arrays = {"old": other, "new": good, "labels": labels}
        expected = compare(other, good, labels)["difference"].values
        for given in (saved(tmp_path, "both", **arrays), arrays):
            assert report(given, prediction_key=["old", "new"])["difference"].values == expected

    def test_tensors(self, other, good, labels):
        found = compare(*(torch.tensor(x) for x in (other, good, labels)))
        assert found["difference"].values == compare(other, good, labels)["difference"].values

    def test_rows_that_are_not_numbers_count_in_neither(self, other, good, labels):
        broken, holes = other.copy(), good.copy()
        broken[3], holes[[3, 8]] = np.nan, np.inf
        left = np.delete(np.arange(N), [3, 8])
        found = compare(broken, holes, labels)
        expected = compare(other[left], good[left], labels[left])
        assert found["difference"].values["difference"] == pytest.approx(
            expected["difference"].values["difference"], rel=1e-12
        )
        assert "1 targets have numbers in one of the two alone" in found["reading"].findings[-1].text

    def test_infinite_losses_are_counted_apart(self, good, labels):
        p = softmax(good, axis=1)
        zero = np.where((np.arange(N) < 20)[:, None] & (np.arange(C) == labels[:, None]), 0.0, p)
        found = compare(p, zero, labels)
        assert found["difference"].values["infinite"] == {"a": 0, "b": 20, "both": 0}
        assert found["difference"].values["difference"] == pytest.approx(0, abs=1e-12)
        assert found.exit_code() == 1
        assert compare(zero, p, labels).exit_code() == 0

    def test_multilabel_and_soft_targets(self):
        rng = np.random.default_rng(10)
        a, b, yes = rng.normal(size=(300, 3)), rng.normal(size=(300, 3)), rng.integers(0, 2, (300, 3))
        found = compare(a, b, yes, task="multilabel")
        of_a, of_b = (np.logaddexp(0, np.where(yes == 1, -x, x)) for x in (a, b))
        assert found["difference"].values["difference"] == pytest.approx(np.mean(of_a - of_b))
        assert found["classes"].values["1"]["part"] == pytest.approx(np.sum((of_a - of_b)[:, 1]) / yes.size)
        shares = rng.dirichlet(np.ones(3), 300)
        found = compare(a, b, shares, task="soft")
        assert found["difference"].values["a"] == pytest.approx(
            -np.mean(np.sum(shares * log_softmax(a, axis=1), axis=1))
        )


def test_it_shows_itself(other, good, labels):
    """As reports do: its sentence, in lines and in a notebook, in the language of the comparison."""
    for language, word in (("en", "better"), ("zh", "比 A 好")):
        found = compare(other, good, labels, language=language)
        assert found.lead in repr(found) and len(repr(found)) < 4_000
        assert found.lead in found._repr_html_()
        assert word in found.lead


class TestRefusals:
    def refused(self, folder: Path, a: dict[str, Any], b: dict[str, Any], *words: str, **options: Any) -> None:
        with pytest.raises(BadInput) as caught:
            compare(saved(folder, "a", **a), saved(folder, "b", **b), **options)
        message = str(caught.value)
        assert all(word in message for word in ("b.npz", *words)), message
        assert "\n" not in message
        assert caught.value.fix

    def test_other_targets(self, tmp_path, monkeypatch, other, good, labels):
        changed = labels.copy()
        changed[[5, 9, 1500]] = (changed[[5, 9, 1500]] + 1) % C
        small_blocks(monkeypatch)
        a, b = {"logits": other, "labels": labels}, {"logits": good, "labels": changed}
        self.refused(tmp_path, a, b, "3 of 2,000 targets differ", "sample 5")
        named = {"ids": np.array([f"x{k}" for k in range(N)])}
        self.refused(tmp_path, a | named, b | named, "3 of 2,000 targets differ", "sample x5")

    def test_other_lengths_and_ids(self, tmp_path, other, good, labels):
        a, b = {"logits": other, "labels": labels}, {"logits": good[:-1], "labels": labels[:-1]}
        self.refused(tmp_path, a, b, "2,000 samples and 1,999")
        a, b = a | {"ids": np.arange(N)}, b | {"ids": np.arange(N)[:-1]}
        self.refused(tmp_path, a, b, "1 of 2,000 ids are not in", "'1999' first")
        assert compare(tmp_path / "b.npz", tmp_path / "a.npz")["difference"].values["a"] > 0
        self.refused(tmp_path, a, a | {"ids": np.zeros(N, int)}, "the id '0' is there 2,000 times")

    def test_other_classes(self, tmp_path, other, good, labels):
        a = {"logits": other, "labels": labels}
        self.refused(tmp_path, a, {"logits": np.c_[good, good[:, 0]], "labels": labels}, "4 classes and 5")
        names = {"class_names": np.array(["ant", "bee", "cat", "dog"])}
        self.refused(tmp_path, a | names, a | {"class_names": names["class_names"][[0, 2, 1, 3]]},
                     "class 1 is 'bee' in one and 'cat' in the other")  # fmt: skip

    def test_other_tasks(self, tmp_path, other, good, labels):
        values = {"predictions": good[:, 0], "targets": good[:, 1]}
        self.refused(tmp_path, {"logits": other, "labels": labels}, values, "classification", "regression", "task=")

    def test_other_ignore_masks(self, tmp_path, other, good, labels):
        fewer, elsewhere = labels.copy(), labels.copy()
        fewer[:3], elsewhere[[0, 1, 9]] = -100, -100
        a, b = {"logits": other, "labels": labels}, {"logits": good, "labels": fewer}
        self.refused(tmp_path, a, b, "0 targets are ignored in one and 3 in the other")
        self.refused(tmp_path, b, a | {"labels": elsewhere}, "1 targets count in A and are ignored")

    def test_nothing_in_common(self, tmp_path, other, good, labels):
        nothing = np.full(N, -100)
        self.refused(tmp_path, {"logits": other, "labels": nothing}, {"logits": good, "labels": nothing}, "no target")

    def test_one_file_twice_and_three_keys(self, tmp_path, good, labels):
        path = saved(tmp_path, "a", logits=good, labels=labels)
        with pytest.raises(BadInput, match="the same file twice"):
            report([path, path])
        with pytest.raises(BadInput, match="3 arrays of predictions"):
            report(path, prediction_key=["logits", "logits", "logits"])


class TestCommand:
    def run(self, folder: Path, monkeypatch: pytest.MonkeyPatch, *words: object) -> Any:
        monkeypatch.chdir(folder)
        return CliRunner().invoke(app, ["report", *map(str, words)])

    def test_exit_codes_and_verdict(self, tmp_path, monkeypatch, other, good, labels):
        saved(tmp_path, "a", logits=good, labels=labels)
        saved(tmp_path, "b", logits=other, labels=labels)
        worse = self.run(tmp_path, monkeypatch, "a.npz", "b.npz")
        assert worse.exit_code == 1
        assert "B is worse than A by" in worse.stdout
        assert (tmp_path / "a-b.lossary.html").stat().st_size < 500 * 1024
        assert self.run(tmp_path, monkeypatch, "a.npz", "b.npz", "--fail-on", "error").exit_code == 0
        better = self.run(tmp_path, monkeypatch, "b.npz", "a.npz", "--no-html", "--full")
        assert better.exit_code == 0
        assert "Wrong to right" in better.stdout
        content = json.loads(self.run(tmp_path, monkeypatch, "b.npz", "a.npz", "--no-html", "--json").stdout)
        assert content["schema_version"] == 1
        assert content["understood"]["a"]["kind"] == "logits"
        assert content["lead"].startswith("B is better than A by")

    def test_targets_and_keys(self, tmp_path, monkeypatch, other, good, labels):
        np.save(tmp_path / "a.npy", other)
        np.save(tmp_path / "b.npy", good)
        np.save(tmp_path / "t.npy", labels)
        found = self.run(tmp_path, monkeypatch, "a.npy", "b.npy", "--targets", "t.npy", "--no-html")
        assert "B is better" in found.stdout
        refused = self.run(tmp_path, monkeypatch, "a.npy", "--targets", "t.npy")
        assert refused.exit_code == 2
        assert "1 files beside --targets" in refused.stderr
        refused = self.run(tmp_path, monkeypatch, "a.npy", "b.npy", "--targets", "t.npy", "-o", "t.npy")
        assert "overwrite" in refused.stderr
        saved(tmp_path, "both", old=other, new=good, labels=labels)
        found = self.run(tmp_path, monkeypatch, "both.npz", "--pred-key", "old", "--pred-key", "new", "--no-html")
        assert "B is better" in found.stdout

    def test_the_page_is_the_same_for_the_same_input(self, tmp_path, other, good, labels):
        a, b = saved(tmp_path, "a", logits=other, labels=labels), saved(tmp_path, "b", logits=good, labels=labels)
        page = compare(a, b).to_html()
        assert page == compare(a, b, out=tmp_path / "page.html").to_html()
        assert (tmp_path / "page.html").read_text("utf-8") == page
        assert "<script" not in page
        assert page.index("B is better than A by") < page.index("Which is better</h2>")
