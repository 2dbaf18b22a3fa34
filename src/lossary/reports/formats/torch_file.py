"""`.pt`: tensors by `torch.load(weights_only=True)`, which runs no code of the file."""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from lossary.core.extras import MissingExtra
from lossary.reports.bad_input import BadInput
from lossary.reports.formats.stored import MOST_ARRAYS, Stored
from lossary.translations import say

FIX = "torch.save({'logits': logits, 'labels': labels}, path), with tensors alone"


def open_torch(path: str) -> list[Stored]:
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch", "reading a .pt file") from None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd pickles, which are refused below
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=_is_zip(path))
    except pickle.UnpicklingError:
        raise BadInput("holds more than tensors, and other pickles are not read", file=path, fix=FIX) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError,
            IndexError, OverflowError, AssertionError) as error:  # fmt: skip
        reason = " ".join(str(error).split())[:120]
        raise BadInput(f"not a readable .pt file ({reason})", file=path, fix=FIX) from None
    found = dict(_tensors("", content))
    if len(found) > MOST_ARRAYS:
        raise BadInput(f"{len(found):,} tensors", file=path, fix="concatenate them before saving")
    return [stored_tensor(path, key, tensor) for key, tensor in found.items()]


def _is_zip(path: str) -> bool:
    with open(path, "rb") as stream:
        return os.path.getsize(path) > 4 and stream.read(2) == b"PK"


def _tensors(key: str, content: Any) -> Iterator[tuple[str, Any]]:
    """The tensors of a dict, or of a tuple such as fastai's get_preds answers; and lists of names or numbers."""
    import torch

    if isinstance(content, torch.Tensor):
        yield key, content
    elif isinstance(content, dict):
        for name, value in content.items():
            yield from _tensors(f"{key}.{name}" if key else str(name), value)
    elif isinstance(content, list | tuple) and content and all(isinstance(x, str | int | float) for x in content):
        yield key, np.array(content)
    elif isinstance(content, list | tuple):
        for k, value in enumerate(content):
            yield from _tensors(f"{key}.{k}" if key else str(k), value)


def stored_tensor(path: str, key: str, tensor: Any) -> Stored:
    if isinstance(tensor, np.ndarray):
        return Stored(path, key, tensor.shape, tensor.dtype, lambda rows: iter([tensor]))
    if tensor.is_complex() or tensor.is_sparse or tensor.is_quantized or tensor.device.type == "meta":
        kind = f"{tensor.dtype}, {tensor.layout}, on {tensor.device}"
        raise BadInput(f"a tensor of {kind}", file=path, key=key, fix="save real numbers, tensor.cpu().to_dense()")
    name = str(tensor.dtype).removeprefix("torch.")
    is_foreign = tensor.is_floating_point() and name not in ("float16", "float32", "float64")

    def numbers(part: Any) -> np.ndarray:
        part = part.detach().cpu()
        return (part.float() if is_foreign else part).numpy()

    def read(rows: int) -> Iterator[np.ndarray]:
        if not tensor.ndim:
            raise BadInput(
                "a single number, not an array of samples", file=path, key=key, fix="save one row per sample"
            )
        for start in range(0, len(tensor), rows):
            yield numbers(tensor[start : start + rows])

    remark = say("{key}: {dtype}, widened to float32", key=key or path, dtype=name) if is_foreign else ""
    dtype = numbers(tensor.reshape(-1)[:0]).dtype
    return Stored(path, key, tuple(tensor.shape), dtype, read, remark=remark)
