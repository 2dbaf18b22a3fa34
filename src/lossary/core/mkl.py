"""Calls each function that torch takes from MKL's vector mathematics once, when this module is imported.

MKL looks for a function's kernel at its first call, and a thread that calls it meanwhile may get one with a third of
the digits (pytorch/pytorch#188792; MKL 2024.2, which the wheels of torch hold). Python imports a module in one thread
and lets the others wait.
"""

import threading

import torch

FUNCTIONS = ("exp", "log", "sqrt")
"""Those of aten/src/ATen/cpu/vml.h that formulas call."""


def _call_all() -> None:
    for dtype in (torch.float32, torch.float64):
        for name in FUNCTIONS:
            getattr(torch, name)(torch.ones(1, dtype=dtype, device="cpu"))


# A thread of its own is under none of the caller's modes: no tracer, no fake tensors, no default device.
_thread = threading.Thread(target=_call_all)
_thread.start()
_thread.join()
