// Products of matrices, which are torch's, and the views that they take.
#pragma once

#include <torch/csrc/inductor/aoti_torch/generated/c_shim_cpu.h>
#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include "bind.h"

namespace lossary {

// Products have a multiple of so many rows: BLAS computes a tail another way, with other last bits.
constexpr int64_t BLOCK = 16;

inline int64_t padded(int64_t rows) { return (rows + BLOCK - 1) / BLOCK * BLOCK; }

class WithoutGradMode {
  const bool before_ = aoti_torch_grad_mode_is_enabled();

 public:
  WithoutGradMode() { aoti_torch_grad_mode_set_enabled(false); }
  ~WithoutGradMode() { aoti_torch_grad_mode_set_enabled(before_); }
  WithoutGradMode(const WithoutGradMode&) = delete;
};

// Bypasses the dispatcher, where a view takes as long as a small product.
inline Tensor view(const Tensor& x, const Sizes& sizes, const Sizes& strides, int64_t offset = 0) {
  AtenTensorHandle made;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch__reinterpret_tensor(x.get(), static_cast<int64_t>(sizes.size()),
                                                               sizes.data(), strides.data(), offset, &made));
  return Tensor(made);
}

inline Tensor dense_view(const Tensor& x, const Sizes& sizes) { return view(x, sizes, dense_strides(sizes)); }

inline Tensor transposed(const Tensor& x) { return view(x, {x.size(1), x.size(0)}, {x.stride(1), x.stride(0)}); }

inline Sizes with_rows(const Tensor& x, int64_t rows) {
  Sizes sizes = sizes_of(x);
  sizes[0] = rows;
  return sizes;
}

inline Tensor slice(const Tensor& x, int64_t begin, int64_t rows) {
  if (rows == x.size(0)) return x;
  return view(x, with_rows(x, rows), Sizes(x.strides().begin(), x.strides().end()), begin * x.stride(0));
}

inline void zero(const Tensor& x) { STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_zero_(x.get())); }

inline void copy(const Tensor& into, const Tensor& x) {
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_copy_(into.get(), x.get(), false));
}

inline void multiply(const Tensor& into, const Tensor& a, const Tensor& b) {
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_mm_out(into.get(), a.get(), b.get()));
}

inline void multiply_and_add(const Tensor& into, const Tensor& added, const Tensor& a, const Tensor& b) {
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_cpu_addmm_out(into.get(), added.get(), a.get(), b.get(), 1, 1));
}

template <class Sum, class T>
void add_numbers(const Tensor& sums, const Tensor& more) {
  Sum* const to = static_cast<Sum*>(sums.mutable_data_ptr());
  const T* const from = static_cast<const T*>(more.const_data_ptr());
  in_parallel(more.numel(), grain_of(1), 0, [&](int64_t begin, int64_t end, char*) {
    for (int64_t i = begin; i < end; ++i) to[i] += static_cast<Sum>(from[i]);
  });
}

// sums: in the dtype of computation.
inline void add_to(const Tensor& sums, const Tensor& more) {
  switch (dtype_of(more)) {
    case float64: return add_numbers<double, double>(sums, more);
    case float32: return add_numbers<float, float>(sums, more);
    case float16: return add_numbers<float, torch::headeronly::Half>(sums, more);
    default: return add_numbers<float, torch::headeronly::BFloat16>(sums, more);
  }
}

// A copy in fp32, for layers that compute half precision in fp32 throughout.
inline Tensor widened(const Tensor& x) {
  const Tensor made = empty(sizes_of(x), ScalarType::Float);
  copy(made, x);
  return made;
}

inline MaybeTensor widened(const MaybeTensor& x) { return x.has_value() ? MaybeTensor(widened(*x)) : x; }

inline std::vector<Tensor> narrowed(std::vector<Tensor> all, ScalarType dtype) {
  for (Tensor& x : all) {
    const Tensor made = empty(sizes_of(x), dtype);
    copy(made, x);
    x = made;
  }
  return all;
}

}  // namespace lossary
