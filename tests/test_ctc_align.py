"""The best alignment beside every alignment there is."""

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
import torch

import lossary
from lossary.testing import LIBRARIES

rng = np.random.default_rng(0)
PROB = rng.dirichlet(np.ones(4), size=(6, 3))
LOGS = np.log(PROB)
WORDS, COUNTS, FRAMES = [[1, 1, 3], [3, 2, 0], [2, 0, 0]], [3, 2, 1], [6, 5, 4]
GIVEN: tuple[Any, ...] = (LOGS, np.array(WORDS), np.array(FRAMES), np.array(COUNTS))


def best(prob: np.ndarray, word: list[int], blank: int) -> float:
    paths = product(range(prob.shape[1]), repeat=len(prob))
    spelling = (path for path in paths if [k for k, _ in groupby(path) if k != blank] == word)
    return max((float(np.prod([prob[t, k] for t, k in enumerate(path)])) for path in spelling), default=0.0)


@pytest.mark.parametrize("blank", [0, 3])
@pytest.mark.parametrize("word", [[], [1], [2, 2], [1, 2], [1, 2, 1], [1, 1, 1, 1]], ids=str)
def test_no_path_is_better(word: list[int], blank: int) -> None:
    for frames in range(6):
        found = lossary.ctc_align(LOGS[:frames, 0], np.array(word, dtype=int), frames, len(word), blank)
        probability = best(PROB[:frames, 0], word, blank)
        np.testing.assert_allclose(np.exp(found.scores), probability, rtol=1e-12)
        if not probability:
            assert (found.labels == -1).all() and (found.spans == -1).all()
            continue
        assert [k for k, _ in groupby(found.labels) if k != blank] == word
        np.testing.assert_allclose(LOGS[range(frames), 0, found.labels].sum(), found.scores, rtol=1e-12)
        between = np.full(frames, blank)
        for label, (start, end) in zip(word, found.spans, strict=True):
            assert 0 <= start < end <= frames and (found.labels[start:end] == label).all()
            between[start:end] = label
        np.testing.assert_array_equal(between, found.labels)


@pytest.mark.parametrize("library", ["numpy", "torch", "jax"])
def test_forms_and_libraries(library: str) -> None:
    arrays = LIBRARIES[library]
    x, *sequences = (arrays.array(a, "float32") for a in GIVEN)
    found = lossary.ctc_align(x, *sequences)
    assert all(type(a) is type(x) for a in vars(found).values())
    assert str(found.scores.dtype).endswith("float32") and found.spans.shape == (3, 3, 2)
    for n, (word, count, frames) in enumerate(zip(WORDS, COUNTS, FRAMES, strict=True)):
        alone = lossary.ctc_align(x[:, n], sequences[0][n], frames, count)
        np.testing.assert_allclose(float(alone.scores), np.log(best(PROB[:frames, n], word[:count], 0)), rtol=1e-5)
        for one, of_all in zip(vars(alone).values(), vars(found).values(), strict=True):
            np.testing.assert_array_equal(np.asarray(one), np.asarray(of_all[n]))
        assert (np.asarray(found.labels[n, frames:]) == -1).all()
        assert (np.asarray(found.spans[n, count:]) == -1).all()
    concatenated = arrays.array(np.array([1, 1, 3, 3, 2, 2]), "int32")
    again = lossary.ctc_align(x, concatenated, FRAMES, tuple(COUNTS))
    np.testing.assert_array_equal(np.asarray(again.labels), np.asarray(found.labels))
    np.testing.assert_array_equal(np.asarray(again.spans), np.asarray(found.spans))


def test_it_is_no_better_than_all_paths_together() -> None:
    x = torch.randn(300, 8, 20, generator=torch.Generator().manual_seed(0)).bfloat16().log_softmax(-1)
    sequences = (torch.arange(8 * 40).reshape(8, 40) % 19 + 1, [300] * 8, [40] * 8)
    found = lossary.ctc_align(x.requires_grad_(), *sequences)
    losses = lossary.ctc_loss(x.detach().float(), *sequences, reduction="none")
    assert bool((found.scores.float() <= -losses).all()) and found.scores.dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        ({"targets": np.array([[1, 1, 4], [3, 2, 0], [2, 0, 0]])}, IndexError, r"targets holds 4 at \[0, 2\]"),
        ({"target_lengths": np.array([3, 3, 1])}, ValueError, r"targets holds the blank, 0, at \[1, 2\]"),
        ({"input_lengths": np.array([7, 5, 4])}, ValueError, r"input_lengths holds 7 at \[0\]; it must be 0 to 6"),
        ({"target_lengths": np.array([3, -1, 1])}, ValueError, r"target_lengths holds -1 at \[1\]; it must be 0 to 3"),
        ({"target_lengths": np.array([3, 2])}, ValueError, r"target_lengths is int64 of shape \(2,\)"),
        ({"targets": np.array([1, 1])}, ValueError, "targets holds 2 labels and target_lengths add up to 6"),
        ({"targets": np.array(WORDS) / 2}, TypeError, "targets is float64"),
        ({"log_probs": np.array(WORDS)}, ValueError, r"targets is int64 of shape \(3, 3\)"),
        ({"log_probs": "text"}, TypeError, "log_probs is str 'text'"),
        ({"blank": 4}, ValueError, "blank is 4; it must be one of the classes, 0 to 3"),
        ({"blank": 0.5}, ValueError, "blank is 0.5; it must be an integer"),
    ],
)
def test_a_refusal_names_what_is_wrong(change: dict[str, Any], error: type[Exception], said: str) -> None:
    names = ("log_probs", "targets", "input_lengths", "target_lengths")
    with pytest.raises(error, match=f"ctc_align: {said}"):
        lossary.ctc_align(**(dict(zip(names, GIVEN, strict=True)) | change))


def test_it_is_no_part_of_a_transformation() -> None:
    x, targets, frames, labels = (torch.as_tensor(a) for a in GIVEN)
    with pytest.raises(TypeError, match="ctc_align: log_probs has no values inside a transformation"):
        torch.vmap(lambda x: lossary.ctc_align(x, targets, frames, labels).scores)(x[None])
