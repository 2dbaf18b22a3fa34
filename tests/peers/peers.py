"""The losses of other libraries, lifted as they are installed, and their arrays."""

import importlib.util
import os
import pkgutil
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np
import pytest

os.environ.setdefault("KERAS_BACKEND", "jax")  # as the benchmarks have it: Keras asks once in a process

PACKAGES = {
    "keras": "keras",
    "optax": "optax",
    "scikit-learn": "sklearn",
    "scipy": "scipy",
    "torchvision": "torchvision",
    "monai": "monai",
    "segmentation-models-pytorch": "segmentation_models_pytorch",
    "kornia": "kornia",
    "pytorch-metric-learning": "pytorch_metric_learning",
    "timm": "timm",
}
"""What is imported, by the name that records have for the library."""
OF_TORCH = ("torchvision", "monai", "segmentation-models-pytorch", "kornia", "pytorch-metric-learning", "timm")
OF_JAX = ("keras", "optax")

BARE = ("torchvision", "torchvision.ops", "segmentation_models_pytorch", "timm")
"""Packages of which single files are lifted: whole, they import encoders, and operators for one build of torch."""
FILES = {
    "torchvision.ops.sigmoid_focal_loss": "torchvision.ops.focal_loss:sigmoid_focal_loss",
    "torchvision.ops.generalized_box_iou_loss": "torchvision.ops.giou_loss:generalized_box_iou_loss",
    "torchvision.ops.distance_box_iou_loss": "torchvision.ops.diou_loss:distance_box_iou_loss",
    "torchvision.ops.complete_box_iou_loss": "torchvision.ops.ciou_loss:complete_box_iou_loss",
}
"""Where a name that a bare package does not have is."""


def peer(name: str) -> Callable[..., Any]:
    """The function or class of another library; skips the test where that is not installed."""
    root = name.partition(".")[0]
    if importlib.util.find_spec(root) is None:
        pytest.skip(f"{root} is not installed")
    with warnings.catch_warnings(), bare(root):
        warnings.simplefilter("ignore")
        return pkgutil.resolve_name(FILES.get(name, name))


@contextmanager
def bare(root: str) -> Iterator[None]:
    packages = [name for name in BARE if name.partition(".")[0] == root and name not in sys.modules]
    for name in packages:
        found = importlib.util.find_spec(root) if name == root else None
        paths = found.submodule_search_locations if found else sys.modules[root].__path__
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__path__ = [os.path.join(path, *name.split(".")[1:]) for path in paths or ()]
    try:
        yield
    finally:
        for name in packages:
            del sys.modules[name]


def array(x: Any, library: str) -> Any:
    """Data as the library takes them: fp64 of torch, fp32 of JAX, NumPy's own elsewhere."""
    if not isinstance(x, np.ndarray):
        return x
    if library in OF_TORCH:
        import torch

        return torch.tensor(x)
    if library in OF_JAX:
        import jax.numpy as jnp

        return jnp.asarray(x, dtype=jnp.float32 if x.dtype.kind == "f" else jnp.int32)
    return x


def numbers(x: Any) -> np.ndarray:
    return np.asarray(x.detach() if hasattr(x, "detach") else x, dtype=np.float64)
