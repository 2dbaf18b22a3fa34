"""The operators `torch.ops.lossary`: importing this module registers them, as loading an exported program needs."""

import torch

from lossary.kernels import autograd as autograd
from lossary.kernels.operators import missing


def gradient_memory(limit: int | None = None) -> int:
    """The bytes that are kept for gradients to come; with `limit`, keep at most so many from now on, 0 for none.

    The memory of a large gradient is not handed back when the gradient goes: the next one finds it warm, where fresh
    memory costs more time in page faults than most losses take. At first the limit is 1 GiB, or a sixteenth of the
    machine's memory if that is less.

    Where repeated calls go through Python (`lossary doctor` says so) the storage of a gradient from 1 MiB on cannot be
    resized, which FSDP and offloading do to free it; there the limit becomes 0 once a process group is initialised. At
    0 gradients lie in memory of torch's own.

    >>> gradient_memory() >= 0
    True
    """
    if missing is not None:
        return 0
    if limit is not None:
        if not 0 <= limit < 2**63:
            raise ValueError(f"gradient_memory: limit is {limit}; it must be a number of bytes, 0 for none")
        torch.ops.lossary.gradient_memory_limit(limit)
    return torch.ops.lossary.gradient_memory_held()
