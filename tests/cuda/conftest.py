"""The operators of the CPU, which those in Triton are compared with."""

import lossary.kernels.operators  # noqa: F401
