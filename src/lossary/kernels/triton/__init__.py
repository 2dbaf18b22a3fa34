"""The kernels on CUDA, in Triton: a file for each family, as in kernels/cpu."""
