"""Calls of losses that are right: real data that ships with scikit-learn, models untrained, trained and overtrained.

The misuse finder must be silent on them.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn import datasets
from torch import nn

BATCHES = (1, 2, 3, 4, 8, 32, 128)
STAGES = (0, 5, 50, 300)
"""Steps after which a model is looked at: untrained, just begun, half-way, and as sure as it will be."""


class CorrectCall(NamedTuple):
    name: str
    loss: str
    args: tuple[Any, ...]
    options: Mapping[str, Any] = MappingProxyType({})


def correct_calls() -> Iterator[CorrectCall]:
    torch.manual_seed(0)
    with torch.enable_grad():
        yield from _digits()
        yield from _breast_cancer()
        yield from _diabetes()
        yield from _text()
        yield from _pixels()
        yield from _counts()
        yield from _labels()
        yield from _embeddings()
        yield from _speech()
        yield from _detection()
        yield from _preferences()


def _scaled(x: np.ndarray) -> torch.Tensor:
    spread = x.std(axis=0)
    return torch.tensor((x - x.mean(axis=0)) / np.where(spread > 0, spread, 1), dtype=torch.float32)


def _trained(model: nn.Module, loss: Any, rate: float = 0.01) -> Iterator[int]:
    """Yields the number of steps at each stage."""
    optimiser = torch.optim.Adam(model.parameters(), rate)
    for step in range(max(STAGES) + 1):
        if step in STAGES:
            yield step
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()


def _mlp(inputs: int, outputs: int, zero: bool = False) -> nn.Module:
    model = nn.Sequential(nn.Linear(inputs, 32), nn.ReLU(), nn.Linear(32, outputs))
    if zero:  # as is advised for the last layer
        nn.init.zeros_(model[2].weight)
        nn.init.zeros_(model[2].bias)
    return model


def _digits() -> Iterator[CorrectCall]:
    images, labels = datasets.load_digits(return_X_y=True)
    x, y = _scaled(images), torch.tensor(labels)
    train, test = slice(0, 1200), slice(1200, None)
    soft = 0.9 * nn.functional.one_hot(y, 10).float() + 0.01
    order = torch.randperm(len(x))
    for zero in (False, True):
        model = _mlp(64, 10, zero)
        for step in _trained(model, lambda model=model: nn.functional.cross_entropy(model(x[train]), y[train])):
            name = f"digits, {'zero ' if zero else ''}step {step}"
            logits = model(x)
            log_probs = logits.log_softmax(1)
            for part in (train, test):
                yield CorrectCall(name, "cross_entropy", (logits[part], y[part]))
                yield CorrectCall(name, "cross_entropy", (logits[part].detach().numpy(), labels[part]))
                yield CorrectCall(name, "cross_entropy", (logits[part], y[part]), {"label_smoothing": 0.1})
                yield CorrectCall(name, "cross_entropy", (logits[part], soft[part]))
                yield CorrectCall(name, "cross_entropy", (logits[part].bfloat16(), y[part]))
                yield CorrectCall(name, "cross_entropy", (logits[part].half(), y[part]))
                yield CorrectCall(name, "nll_loss", (log_probs[part], y[part]))
                yield CorrectCall(name, "nll_loss", (log_probs[part].bfloat16(), y[part]))
                yield CorrectCall(name, "kl_div", (log_probs[part], soft[part]), {"reduction": "batchmean"})
                log_target = {"reduction": "batchmean", "log_target": True}
                yield CorrectCall(name, "kl_div", (log_probs[part], soft[part].log()), log_target)
                yield CorrectCall(name, "multi_margin_loss", (logits[part], y[part]))
            for size in BATCHES:
                for start in range(0, 4 * size, size):
                    rows = order[start : start + size]
                    yield CorrectCall(f"{name}, batch of {size}", "cross_entropy", (logits[rows], y[rows]))
                    yield CorrectCall(f"{name}, batch of {size}", "cross_entropy", (logits[rows], soft[rows]))
                    yield CorrectCall(f"{name}, batch of {size}", "nll_loss", (log_probs[rows], y[rows]))
                    batch = (log_probs[rows], soft[rows])
                    yield CorrectCall(f"{name}, batch of {size}", "kl_div", batch, {"reduction": "batchmean"})


def _breast_cancer() -> Iterator[CorrectCall]:
    measures, labels = datasets.load_breast_cancer(return_X_y=True)
    x, y = _scaled(measures), torch.tensor(labels, dtype=torch.float32)
    signs, order = 2 * y - 1, torch.randperm(len(x))
    pos_weight = (1 - y).sum() / y.sum()
    for outputs in (1, 2):
        for seed in range(8 if outputs == 1 else 1):  # untrained scores may all lie on one side of 0
            torch.manual_seed(seed)
            model = _mlp(30, outputs)

            def loss(model: nn.Module = model, outputs: int = outputs) -> torch.Tensor:
                if outputs == 2:
                    return nn.functional.cross_entropy(model(x), y.long())
                return nn.functional.binary_cross_entropy_with_logits(model(x).squeeze(1), y)

            for step in _trained(model, loss) if seed == 0 else (0,):
                name = f"breast cancer, {outputs} outputs, seed {seed}, step {step}"
                logits = model(x).squeeze(1)
                for rows in (order, *(order[:size] for size in BATCHES)):
                    if outputs == 2:
                        yield CorrectCall(name, "cross_entropy", (logits[rows], y[rows].long()))
                        continue
                    z, t = logits[rows], y[rows]
                    yield CorrectCall(name, "binary_cross_entropy_with_logits", (z, t))
                    yield CorrectCall(name, "binary_cross_entropy_with_logits", (z, t), {"pos_weight": pos_weight})
                    yield CorrectCall(name, "binary_cross_entropy_with_logits", (z.half(), t))
                    yield CorrectCall(name, "binary_cross_entropy_with_logits", (z[:, None], t[:, None]))
                    yield CorrectCall(name, "binary_cross_entropy", (z.sigmoid(), t))
                    yield CorrectCall(name, "soft_margin_loss", (z, signs[rows]))
                    yield CorrectCall(name, "sigmoid_focal_loss", (z, t))


def _diabetes() -> Iterator[CorrectCall]:
    measures, progress = datasets.load_diabetes(return_X_y=True)
    x, raw = _scaled(measures), torch.tensor(progress, dtype=torch.float32)
    y = (raw - raw.mean()) / raw.std()
    model = _mlp(10, 2)
    gaussian = nn.functional.gaussian_nll_loss
    for step in _trained(model, lambda: gaussian(model(x)[:, 0], y, nn.functional.softplus(model(x)[:, 1]))):
        mean, variance = model(x)[:, 0], nn.functional.softplus(model(x)[:, 1])
        for rows in (slice(None), *(slice(0, size) for size in BATCHES)):
            name, given = f"diabetes, step {step}", (mean[rows], y[rows])
            for loss in ("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"):
                yield CorrectCall(name, loss, given)
                yield CorrectCall(name, loss, (mean[rows][:, None], y[rows][:, None]))
                yield CorrectCall(name, loss, tuple(v.detach().numpy() for v in given))
            yield CorrectCall(name, "gaussian_nll_loss", (*given, variance[rows]))
            yield CorrectCall(name, "mse_loss", (mean[rows] * raw.std() + raw.mean(), raw[rows]))
            yield CorrectCall(name, "huber_loss", (mean[rows] * 77 + 152, raw[rows]), {"delta": 50.0})


def _text() -> Iterator[CorrectCall]:
    """A language model of characters: next character from the last two."""
    text = "".join(load().DESCR for load in (datasets.load_iris, datasets.load_wine, datasets.load_diabetes))
    vocabulary = sorted(set(text))
    codes = torch.tensor([vocabulary.index(c) + 1 for c in text])  # 0 is padding
    size, length = len(vocabulary) + 1, 64
    rows = codes[: len(codes) // length * length].reshape(-1, length)
    padded = rows.clone()
    for i, row in enumerate(padded):
        row[length - i % 40 :] = 0
    model = nn.Sequential(nn.Embedding(size, 32), nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, size))

    def next_logits(batch: torch.Tensor) -> torch.Tensor:
        return model(batch[:, :-1])

    def loss() -> torch.Tensor:
        return nn.functional.cross_entropy(next_logits(rows[:32]).flatten(0, 1), rows[:32, 1:].flatten())

    for step in _trained(model, loss):
        name = f"text, step {step}"
        for batch in (rows, rows[:1], rows[:4], padded):
            logits, target = next_logits(batch), batch[:, 1:]
            ignored = {"ignore_index": 0} if batch is padded else {}
            yield CorrectCall(name, "cross_entropy", (logits.flatten(0, 1), target.flatten()), ignored)
            yield CorrectCall(name, "cross_entropy", (logits.movedim(-1, 1), target), ignored)
            masked = torch.where(target == 0, -100, target)
            yield CorrectCall(name, "cross_entropy", (logits.movedim(-1, 1), masked))
            yield CorrectCall(name, "nll_loss", (logits.log_softmax(-1).movedim(-1, 1), masked))
            flat = logits.flatten(0, 1).log_softmax(-1)
            teacher = (2 * logits).flatten(0, 1).softmax(-1)
            yield CorrectCall(name, "kl_div", (flat, teacher), {"reduction": "batchmean"})
    answers = torch.full((4, 63), -100)
    answers[:, 50:] = rows[:4, 51:]  # a prompt is not learnt
    yield CorrectCall("text, prompt masked", "cross_entropy", (next_logits(rows[:4]).movedim(-1, 1), answers))


def _pixels() -> Iterator[CorrectCall]:
    """Segmentation: how bright is each pixel, from its neighbourhood."""
    images = torch.tensor(datasets.load_digits().images[:64], dtype=torch.float32)
    classes = (images > 3).long() + (images > 12).long()
    outside = classes.clone()
    outside[:, 0] = 255
    model = nn.Conv2d(1, 3, 3, padding=1)
    x = images[:, None] / 16
    for step in _trained(model, lambda: nn.functional.cross_entropy(model(x), classes), 0.05):
        logits, name = model(x), f"pixels, step {step}"
        yield CorrectCall(name, "cross_entropy", (logits, classes))
        yield CorrectCall(name, "cross_entropy", (logits[:1], classes[:1]))
        yield CorrectCall(name, "cross_entropy", (logits, outside), {"ignore_index": 255})
        yield CorrectCall(name, "cross_entropy", (logits, classes), {"weight": torch.tensor([0.2, 1.0, 3.0])})
        yield CorrectCall(name, "cross_entropy", (logits, classes), {"ignore_index": 0})
        yield CorrectCall(name, "focal_loss", (logits, classes))
        mask = (classes > 0).float()
        yield CorrectCall(name, "binary_cross_entropy_with_logits", (logits[:, 1], mask))
        yield CorrectCall(name, "binary_cross_entropy", (logits[:, 1].sigmoid(), mask))
    square = torch.zeros(8, 8, 8)  # as many classes as columns
    black = torch.zeros(8, 8, 8, dtype=torch.long)
    yield CorrectCall("pixels, C = W", "cross_entropy", (square[..., None].expand(8, 8, 8, 8), black))
    yield CorrectCall("images", "mse_loss", (x * 255, x * 255 + 1))
    yield CorrectCall("images", "l1_loss", (x.round(), x))
    yield CorrectCall("zeros", "cross_entropy", (torch.zeros(64, 10), torch.arange(64) % 10))


def _counts() -> Iterator[CorrectCall]:
    """Poisson regression: bright pixels in the lower half of a digit from its upper half."""
    images = datasets.load_digits().images
    x = _scaled(images[:, :4].reshape(-1, 32))
    counts = torch.tensor((images[:, 4:] > 8).sum(axis=(1, 2)), dtype=torch.float32)
    model = _mlp(32, 1)
    for step in _trained(model, lambda: nn.functional.poisson_nll_loss(model(x).squeeze(1), counts)):
        for rows in (slice(None), *(slice(0, size) for size in BATCHES)):
            log_rates = model(x).squeeze(1)[rows]
            yield CorrectCall(f"counts, step {step}", "poisson_nll_loss", (log_rates, counts[rows]))
            rates = (log_rates.exp(), counts[rows])
            yield CorrectCall(f"counts, step {step}", "poisson_nll_loss", rates, {"log_input": False})


def _labels() -> Iterator[CorrectCall]:
    """Several labels for each digit."""
    images, digits = datasets.load_digits(return_X_y=True)
    x = _scaled(images)
    hot = torch.tensor(np.stack([digits % 2 == 0, digits > 5, np.isin(digits, [2, 3, 5, 7]), digits == 0], 1)).float()
    sets = torch.full(hot.shape, -1)
    for row, given in zip(sets, hot, strict=True):
        row[: int(given.sum())] = torch.nonzero(given)[:, 0]
    model = _mlp(64, 4)
    pos_weight = (1 - hot).sum(0) / hot.sum(0)
    for step in _trained(model, lambda: nn.functional.multilabel_soft_margin_loss(model(x), hot)):
        for rows in (slice(None), *(slice(0, size) for size in BATCHES)):
            logits, name = model(x)[rows], f"labels, step {step}"
            yield CorrectCall(name, "multilabel_soft_margin_loss", (logits, hot[rows]))
            yield CorrectCall(name, "multilabel_margin_loss", (logits, sets[rows]))
            options = {"pos_weight": pos_weight}
            yield CorrectCall(name, "binary_cross_entropy_with_logits", (logits, hot[rows]), options)


def _embeddings() -> Iterator[CorrectCall]:
    images, digits = datasets.load_digits(return_X_y=True)
    x, order = _scaled(images), np.argsort(digits, kind="stable")
    anchor, positive, negative = x[order[:-1]], x[order[1:]], x[np.roll(order, 600)[:-1]]
    model = _mlp(64, 16)
    signs = torch.tensor(np.random.default_rng(0).choice([-1.0, 1.0], len(anchor)), dtype=torch.float32)
    for step in _trained(model, lambda: nn.functional.triplet_margin_loss(*map(model, (anchor, positive, negative)))):
        a, p, n = map(model, (anchor, positive, negative))
        b = torch.where(signs[:, None] > 0, p, n)
        for rows in (slice(None), *(slice(0, size) for size in BATCHES)):
            name = f"embeddings, step {step}"
            yield CorrectCall(name, "triplet_margin_loss", (a[rows], p[rows], n[rows]))
            yield CorrectCall(name, "cosine_embedding_loss", (a[rows], b[rows], signs[rows]))
            yield CorrectCall(name, "hinge_embedding_loss", ((a - b).norm(dim=1)[rows], signs[rows]))
            yield CorrectCall(name, "margin_ranking_loss", (a[rows, 0], b[rows, 0], signs[rows]))


def _speech() -> Iterator[CorrectCall]:
    """Frames that spell digits: an untrained model, and one that is right."""
    generator = torch.Generator().manual_seed(0)
    frames, batch, classes = 40, 6, 11
    lengths = torch.tensor([40, 38, 33, 40, 30, 36])
    labels = torch.randint(1, classes, (batch, 8), generator=generator)
    label_lengths = torch.tensor([8, 7, 5, 8, 6, 8])
    right = torch.full((frames, batch, classes), -12.0)
    right[..., 0] = 0
    for i in range(batch):
        for j in range(8):
            right[4 * j + 1, i, 0], right[4 * j + 1, i, labels[i, j]] = -12, 0
    untrained = torch.randn(frames, batch, classes, generator=generator)
    scores = {"right": right + 0.1 * untrained, "untrained": untrained, "zero": torch.zeros_like(untrained)}
    for name, logits in scores.items():
        given = (logits.log_softmax(-1), labels, lengths, label_lengths)
        yield CorrectCall(f"speech, {name}", "ctc_loss", given)
        yield CorrectCall(f"speech, {name}", "ctc_loss_with_logits", (logits, *given[1:]))
        concatenated = torch.cat([row[:n] for row, n in zip(labels, label_lengths, strict=True)])
        yield CorrectCall(f"speech, {name}", "ctc_loss", (given[0], concatenated, *given[2:]))
        one = (given[0][:, 0], labels[0], torch.tensor(40), torch.tensor(8))
        yield CorrectCall(f"speech, {name}", "ctc_loss", one)


def _detection() -> Iterator[CorrectCall]:
    """Anchors, of which nearly none holds an object; the bias begins at the prior, as advised."""
    generator = torch.Generator().manual_seed(0)
    target = (torch.rand(4, 2000, 5, generator=generator) < 0.001).float()
    logits = -4.6 + 0.1 * torch.randn(target.shape, generator=generator)
    yield CorrectCall("detection", "sigmoid_focal_loss", (logits, target))
    yield CorrectCall("detection", "asymmetric_loss", (logits, target))
    yield CorrectCall("detection", "binary_cross_entropy_with_logits", (logits, target))
    values = torch.randn(256, generator=generator)
    rewards = values + torch.randn(256, generator=generator)
    yield CorrectCall("values of a policy", "smooth_l1_loss", (values, rewards))


def _preferences() -> Iterator[CorrectCall]:
    """Answers of some 100 tokens: a model at the start, where it is its reference, and one that is trained."""
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(20, 200, (2, 64), generator=generator)
    reference = -(0.5 + torch.rand(2, 64, generator=generator)) * lengths
    moved = torch.randn(2, 64, generator=generator) + torch.tensor([[1.0], [-6.0]])
    for name, (chosen, rejected) in {"start": reference, "trained": reference + moved}.items():
        for kind in ("sigmoid", "hinge", "apo_zero"):
            yield CorrectCall(f"preferences, {name}", "dpo_loss", (chosen, rejected, *reference), {"kind": kind})
        averages = (x / n for x, n in zip((chosen, rejected, *reference), (*lengths, *lengths), strict=True))
        yield CorrectCall(f"preferences, {name}", "dpo_loss", tuple(averages), {"kind": "ipo"})
