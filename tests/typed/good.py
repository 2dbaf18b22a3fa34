"""What users write: a type checker finds nothing wrong here, and knows every type."""

from typing import assert_type

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import lossary
import lossary.functional as F
from lossary import nn

x, y = torch.zeros(3, 4), torch.zeros(3, dtype=torch.int64)
a: NDArray[np.float32] = np.zeros((3, 4), dtype=np.float32)
b: NDArray[np.float32] = np.zeros((3, 4), dtype=np.float32)

assert_type(lossary.cross_entropy(x, y), Tensor)
assert_type(F.cross_entropy(x, y, label_smoothing=0.1, reduction="sum"), Tensor)
assert_type(F.relu(x), Tensor)
assert_type(nn.functional.kl_div(x, x, reduction="batchmean", log_target=True), Tensor)
assert_type(lossary.mse_loss(a, b), NDArray[np.float32])
assert_type(nn.Linear(4, 4).weight, Tensor)
assert_type(nn.CrossEntropyLoss(weight=[1.0, 2.0, 3.0, 4.0], ignore_index=-1)(x, y), Tensor)
assert_type(nn.HuberLoss("none", 2.0)(x, x, sample_weight=x), Tensor)
criterion: torch.nn.CrossEntropyLoss = nn.CrossEntropyLoss()
module: torch.nn.Module = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
nn.init.zeros_(x)
nn.utils.clip_grad_norm_([x], 1.0)
assert_type(lossary.information.__name__, str)
