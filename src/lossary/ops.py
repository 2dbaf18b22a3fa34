"""The operators `torch.ops.lossary`: importing this module registers them, as loading an exported program needs."""

from lossary.kernels import autograd as autograd
from lossary.kernels.operators import gradient_memory as gradient_memory
