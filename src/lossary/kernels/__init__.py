"""The fused kernels: C++ in `cpu/`, built when Lossary is installed."""
