"""The report on what people have in a notebook: arrays of every library, frames, batches; and what it refuses."""

import gc
import re
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse
import scipy.special
import torch
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

import lossary
from lossary.reports import BadInput
from lossary.reports.formats.batches import spooled
from lossary.reports.formats.memory import in_memory
from lossary.reports.options import on_command_line, spelled

N, C = 240, 3
NAMES = ("bee", "ant", "cat")  # not in alphabetical order
rng = np.random.default_rng(5)
LOGITS = rng.normal(size=(N, C)) * 2
PROBS = scipy.special.softmax(LOGITS, axis=1)
LABELS = np.array([rng.choice(C, p=row) for row in PROBS])
WORDS = np.array(NAMES)[LABELS]
ORDER = rng.permutation(N)
IDS = [f"s{k:03}" for k in range(N)]
FRAME = pd.DataFrame(PROBS, columns=list(NAMES))
LOSS = -float(np.log(PROBS[np.arange(N), LABELS]).mean())


class Output(NamedTuple):
    predictions: Any
    label_ids: Any
    metrics: dict[str, float]


def batches(predictions: Any, targets: Any, size: int = 50) -> Iterator[tuple[Any, Any]]:
    for start in range(0, N, size):
        yield predictions[start : start + size], targets[start : start + size]


def loader() -> Any:
    data = torch.utils.data.TensorDataset(torch.tensor(LOGITS), torch.tensor(LABELS))
    return torch.utils.data.DataLoader(data, batch_size=50)


def loss_of(result: lossary.reports.Report) -> float:
    return result["losses"].values["cross_entropy"]["mean"]


GIVEN: dict[str, Callable[[], tuple[Any, ...]]] = {
    "numpy": lambda: (LOGITS, LABELS),
    "numpy float32, int8": lambda: (LOGITS.astype(np.float32), LABELS.astype(np.int8)),
    "torch": lambda: (torch.tensor(LOGITS), torch.tensor(LABELS)),
    "torch with gradient": lambda: (torch.tensor(LOGITS, requires_grad=True) * 1, torch.tensor(LABELS)),
    "torch bfloat16": lambda: (torch.tensor(LOGITS).bfloat16(), torch.tensor(LABELS)),
    "torch sparse targets": lambda: (torch.tensor(LOGITS), torch.tensor(LABELS).to_sparse()),
    "jax": lambda: (jnp.asarray(LOGITS, jnp.float32), jnp.asarray(LABELS)),
    "jax bfloat16": lambda: (jnp.asarray(LOGITS, jnp.bfloat16), jnp.asarray(LABELS)),
    "lists": lambda: (LOGITS.tolist(), LABELS.tolist()),
    "list of tensors of no axis": lambda: (LOGITS, list(torch.tensor(LABELS))),
    "objects": lambda: (LOGITS.astype(object), LABELS.astype(object)),
    "pandas": lambda: (pd.DataFrame(PROBS), pd.Series(LABELS)),
    "pandas, nullable": lambda: (pd.DataFrame(PROBS).convert_dtypes(), pd.Series(LABELS, dtype="Int64")),
    "pandas, columns named as classes": lambda: (FRAME, pd.Series(WORDS)),
    "pandas, words by category": lambda: (FRAME, pd.Series(WORDS, dtype="category")),
    "pandas, a column of words": lambda: (FRAME, pd.DataFrame({"y": WORDS})),
    "pandas, classes that are other integers": lambda: (
        pd.DataFrame(PROBS, columns=[3, 5, 7]),
        np.array([3, 5, 7])[LABELS],
    ),
    "pandas, rows in another order": lambda: (FRAME.set_axis(IDS), pd.Series(WORDS, IDS).iloc[ORDER]),
    "pandas, targets after train_test_split": lambda: (FRAME, pd.Series(WORDS, index=ORDER)),
    "pandas, one-hot": lambda: (FRAME, pd.get_dummies(pd.Series(WORDS))[list(NAMES)]),
    "pandas, one frame": lambda: (FRAME.add_prefix("p_").assign(label=WORDS),),
    "polars": lambda: (pl.DataFrame(dict(zip(NAMES, PROBS.T, strict=True))), pl.Series(WORDS)),
    "polars, one frame": lambda: (pl.DataFrame({**dict(zip(NAMES, PROBS.T, strict=True)), "label": WORDS}),),
    "dict": lambda: ({"logits": LOGITS, "labels": LABELS, "loss": 0.5},),
    "named tuple": lambda: (Output(LOGITS, LABELS, {"loss": 0.5}),),
    "generator": lambda: (batches(LOGITS, LABELS),),
    "generator of words": lambda: (batches(FRAME, WORDS),),
    "list of batches": lambda: (list(batches(torch.tensor(LOGITS).bfloat16(), LABELS)),),
    "DataLoader": lambda: (loader(),),
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_what_is_given_has_the_same_loss(given: Callable[[], tuple[Any, ...]]) -> None:
    result = lossary.report(*given())
    assert result.understanding.classes == C
    assert result.understanding.units == N
    assert loss_of(result) == pytest.approx(LOSS, rel=3e-3)  # bfloat16 has three digits
    if "bfloat16" not in result.understanding.text:
        assert loss_of(result) == pytest.approx(LOSS, rel=1e-6)


def test_files_and_arrays_say_the_same(tmp_path) -> None:
    np.savez(tmp_path / "a.npz", logits=LOGITS, labels=LABELS)
    np.save(tmp_path / "logits.npy", LOGITS)
    np.save(tmp_path / "labels.npy", LABELS)
    arrays = lossary.report(LOGITS, LABELS)
    files = [str(tmp_path / "logits.npy"), tmp_path / "labels.npy"]
    for of_files in (lossary.report(tmp_path / "a.npz"), lossary.report(files), lossary.report(*files)):
        assert [result.values for result in of_files.results] == [result.values for result in arrays.results]
    assert arrays.title == "predictions and targets"
    assert lossary.report().title == "digits.npz"


@pytest.mark.parametrize("array", [LOGITS, torch.tensor(LOGITS, requires_grad=True), pd.DataFrame(LOGITS)])
def test_arrays_are_not_copied(array: Any) -> None:
    original = array.detach().numpy() if isinstance(array, torch.Tensor) else np.asarray(array)
    (block,) = in_memory(array, "predictions").read(N)
    assert np.shares_memory(block, original)


def test_targets_of_scikit_learn_are_words_in_the_order_of_its_classes() -> None:
    data = load_iris()
    words = np.array(["red", "white", "green"])[data.target]
    model = LogisticRegression(max_iter=1000).fit(data.data, words)
    probs = model.predict_proba(data.data)
    expected = lossary.nll_loss(np.log(probs), np.searchsorted(model.classes_, words))
    for targets in (words, words.tolist(), pd.Series(words)):
        result = lossary.report(probs, targets, names=model.classes_)
        assert loss_of(result) == pytest.approx(float(expected))
        assert result.understanding.names == ("green", "red", "white")


@pytest.mark.parametrize("classes", [np.array([0.0, 1.0, 2.0]), np.array([3, 5, 7]), ["x", "y", "z"]])
def test_names_may_be_numbers(classes: Any) -> None:
    targets = np.asarray(classes)[LABELS]
    assert loss_of(lossary.report(PROBS, targets, names=classes)) == pytest.approx(LOSS)


def test_an_index_names_the_samples() -> None:
    def first(*given: Any) -> Any:
        (table,) = (t for t in lossary.report(*given)["highest"].tables if not t.folded)
        return table.rows[0][0]

    worst = int(np.argmin(PROBS[np.arange(N), LABELS]))
    assert str(first(FRAME, WORDS)) == str(worst)
    assert first(FRAME.set_axis(IDS), WORDS) == IDS[worst]
    assert first(FRAME, pd.Series(WORDS, index=IDS)) == IDS[worst]


def test_regression() -> None:
    actual = pd.Series(rng.normal(size=N), index=IDS)
    predicted = torch.tensor(actual.to_numpy() + 0.5)[:, None]
    result = lossary.report(predicted, actual)
    assert result.understanding.task == "regression"
    assert result["losses"].values["mse_loss"]["mean"] == pytest.approx(0.25)


def test_batches_are_gone_through_once_and_their_files_are_removed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    taken: list[int] = []

    def counted() -> Iterator[tuple[Any, Any]]:
        for number, batch in enumerate(batches(LOGITS, LABELS)):
            taken.append(number)
            yield batch

    lossary.report(counted())
    assert taken == list(range(5))
    assert not list(tmp_path.iterdir())
    with pytest.raises(ZeroDivisionError):
        lossary.report((LOGITS, LABELS) if k < 3 else 1 / 0 for k in range(5))
    gc.collect()
    assert not list(tmp_path.iterdir())


def test_one_batch_is_in_memory_at_a_time() -> None:
    def many() -> Iterator[tuple[Any, Any]]:
        generator = np.random.default_rng(0)
        yield from ((generator.normal(size=(1000, 100)), np.zeros(1000, int)) for _ in range(50))

    tracemalloc.start()
    with spooled(many()) as (predictions, targets):
        rows = sum(len(block) for array in (predictions, targets) for block in array.read(1000))
    used = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert rows == 2 * 50 * 1000
    assert used < 6 * 2**20  # a batch has 0.8 MB, all of them 40


MODEL = torch.nn.Linear(2, 2)
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "one array": (lambda: lossary.report(LOGITS), "predictions: there are no targets beside the predictions"),
    "a tuple of arrays": (lambda: lossary.report((LOGITS, LABELS)), "Fix: lossary.report(predictions, targets)"),
    "no predictions": (lambda: lossary.report(None, LABELS), "predictions: of type NoneType"),
    "a number": (lambda: lossary.report(5), "of type int, neither arrays nor files nor batches"),
    "lengths": (lambda: lossary.report(LOGITS, LABELS[1:]), "(240, 3) and targets (239,) do not fit: 240 and 239 rows"),
    "a module": (
        lambda: lossary.report(MODEL, LABELS),
        "predictions: a model, not what it predicts. Fix: model(inputs)",
    ),
    "a module alone": (lambda: lossary.report(MODEL), "Fix: model(inputs), with model.eval() and torch.no_grad()"),
    "an estimator": (lambda: lossary.report(LogisticRegression(), LABELS), "lossary.report(model.predict_proba(X), y)"),
    "a function": (lambda: lossary.report(loader), "a function, not what it answers. Fix: call it"),
    "decisions": (lambda: lossary.report(PROBS.argmax(1), LABELS), 'task="regression" if they are counts'),
    "words": (lambda: lossary.report(WORDS, WORDS), "predictions: class names, which are decisions"),
    "words without names": (lambda: lossary.report(PROBS, ["a", "b"] * (N // 2)), "Fix: names= with the class names"),
    "another kind": (lambda: lossary.report(LOGITS, LABELS, kind="probs"), 'Fix: kind="logits"'),
    "labels from 1": (lambda: lossary.report(LOGITS, LABELS + 1), "targets, row"),
    "labels from 1, names": (lambda: lossary.report(LOGITS, LABELS + 1), 'names=["1", "2", "3"]'),
    "255": (lambda: lossary.report(LOGITS, np.where(LABELS, LABELS, 255)), "ignore_index=255"),
    "a batch alone": (lambda: lossary.report(iter([LOGITS])), "batches, batch 0: a ndarray instead of two"),
    "three": (lambda: lossary.report(iter([(LOGITS,) * 3])), "batches, batch 0: 3 things instead of two"),
    "a batch of other lengths": (
        lambda: lossary.report([(LOGITS, LABELS), (LOGITS, LABELS[1:])]),
        "batches, batch 1: 240 predictions and 239 targets",
    ),
    "a batch of other shapes": (
        lambda: lossary.report([(LOGITS, LABELS), (LOGITS[:, 1:], LABELS)]),
        "predictions, batch 1: of shape (240, 2) after (240, 3)",
    ),
    "samples for batches": (
        lambda: lossary.report(zip(LOGITS, LABELS, strict=True)),
        "targets: of type int64, not an array of samples",
    ),
    "nothing": (lambda: lossary.report(iter([])), "batches: no batch came"),
    "two iterators": (lambda: lossary.report(iter(LOGITS), iter(LABELS)), "zip(predictions, targets)"),
    "lists of batches": (
        lambda: lossary.report([LOGITS, LOGITS[1:]], [LABELS, LABELS[1:]]),
        "predictions: 2 arrays in a list. Fix: join them: numpy.concatenate",
    ),
    "a ragged list": (lambda: lossary.report([[1.0], [1.0, 2.0]], [0, 1]), "predictions: NumPy cannot read this list"),
    "a word among numbers": (
        lambda: lossary.report(FRAME.assign(word=WORDS), LABELS),
        "predictions: holds str beside numbers. Fix: keep the columns of the scores",
    ),
    "columns in another order": (
        lambda: lossary.report(FRAME, pd.get_dummies(pd.Series(WORDS))),
        "targets: its columns are in another order. Fix: targets[predictions.columns]",
    ),
    "other samples": (
        lambda: lossary.report(FRAME.set_axis(IDS), pd.Series(WORDS, [*IDS[1:], "other"])),
        "1 of 240 ids have no target in targets, 's000' first",
    ),
    "masked": (lambda: lossary.report(LOGITS, np.ma.masked_equal(LABELS, 0)), "targets: a masked array"),
    "a sparse matrix": (lambda: lossary.report(scipy.sparse.csr_matrix(PROBS), LABELS), "Fix: .toarray()"),
    "meta": (lambda: lossary.report(torch.zeros(N, C, device="meta"), LABELS), "on the meta device"),
    "complex": (lambda: lossary.report(LOGITS + 0j, LABELS), "predictions: holds complex128, not numbers"),
    "no arrays": (lambda: lossary.report({}), "dict: holds no arrays"),
    "an array beside a file": (lambda: lossary.report("a.npy", LABELS), "predictions in a file and targets in memory"),
}


@pytest.mark.parametrize(("call", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_refused(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(BadInput) as caught:
        call()
    assert says in str(caught.value)
    assert "Fix: " in str(caught.value)
    assert "--" not in str(caught.value) and "\n" not in str(caught.value)


def test_an_iterator_that_was_gone_through_is_refused() -> None:
    given = batches(LOGITS, LABELS)
    lossary.report(given)
    with pytest.raises(BadInput, match="was gone through before"):
        lossary.report(given)


def test_what_was_understood_speaks_of_arguments() -> None:
    text = lossary.report(LOGITS, LABELS).understanding.text
    assert text.startswith("Predictions: 240 × 3 float64, read as logits")
    assert "(kind=)" in text and "(task=)" in text
    assert "--" not in text and "_key=" not in text
    with on_command_line():
        assert "(--kind)" in lossary.report(LOGITS, LABELS).understanding.text
    assert "(prediction_key=)" in lossary.report().understanding.text
    assert "（kind=）" in lossary.report(LOGITS, LABELS, language="zh").to_dict()["understood"]["text"]


def test_pages_speak_of_arguments() -> None:
    for language in ("en", "zh"):
        page = lossary.report(LOGITS, LABELS, language=language).to_html()
        assert "<code>kind=</code>" in page and not re.search(r"--(kind|task|names|pred-key|ignore-index)", page)


def test_findings_speak_of_arguments() -> None:
    percent = rng.uniform(0, 100, size=N)
    result = lossary.report(percent, rng.integers(0, 2, N))
    assert 'kind="probs" if they are percent' in [finding.fix for _, finding in result.findings]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("--shift-labels", "shift_labels=True"),
        ("--ignore-index -1", "ignore_index=-1"),
        ("--names 1,2,...", 'names=["1", "2", ...]'),
        ("--pred-key one of a", "prediction_key= one of a"),
        ("(--kind)", "(kind=)"),
        ("--kindness", "--kindness"),
    ],
)
def test_options_are_spelled_as_the_reader_writes_them(text: str, said: str) -> None:
    assert spelled(text) == said
    with on_command_line():
        assert spelled(text) == text
